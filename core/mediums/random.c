/* random: images of a given shape, for tests and measurements. The same shape is the same image, everywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "fs/members.h"
#include "mediums/made.h"

#define PIECE ((size_t)64 << 10)
#define LAYERS_MAX 100

struct shape {
	int64_t layers, size, seed;
};

static int parse_shape(struct shape *out, const char *text, struct luff_error *err)
{
	LUFF_AUTO(text) copy = strdup(text);
	char *rest = copy, *part;

	*out = (struct shape){.layers = 1, .size = 1024, .seed = 0};
	if (!copy)
		return luff_fail_nomem(err);
	while ((part = strsep(&rest, ",")) && *copy) {
		char *value = strchr(part, '=');
		int64_t *to;

		if (value)
			*value++ = '\0';
		to = strcmp(part, "layers") == 0 ? &out->layers
		     : strcmp(part, "size") == 0 ? &out->size
		     : strcmp(part, "seed") == 0 ? &out->seed
						 : NULL;
		if (!to || !value || !luff_text_int64(to, value))
			return luff_fail(err, LUFF_ENAME, "write random:layers=3,size=100000,seed=7");
	}
	if (out->layers > LAYERS_MAX)
		return luff_fail(err, LUFF_ELIMIT, "at most %d layers", LAYERS_MAX);
	return 0;
}

/* SplitMix64: one state, any seed is good. */
static uint64_t next_word(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* A tar with one file of the size. */
static int add_layer(struct luff_made *made, const struct shape *shape, int64_t i, struct luff_error *err)
{
	uint64_t state = (uint64_t)shape->seed * 1000003 + (uint64_t)i;
	LUFF_AUTO(text) piece = malloc(PIECE);
	char header[LUFF_TAR_HEADER_MAX], path[40];
	int64_t left = shape->size;
	int rc;

	if (!piece)
		return luff_fail_nomem(err);
	luff_made_begin_layer(made);
	snprintf(path, sizeof path, "random/%lld", (long long)i);
	rc = luff_made_append(made, header, luff_tar_header(header, path, shape->size), err);
	while (rc == 0 && left > 0) {
		size_t len = left < (int64_t)PIECE ? (size_t)left : PIECE;

		for (size_t at = 0; at < PIECE; at += 8) {
			uint64_t word = next_word(&state);

			for (int k = 0; k < 8; k++)
				piece[at + (size_t)k] = (char)(word >> 8 * k);
		}
		rc = luff_made_append(made, piece, len, err);
		left -= (int64_t)len;
		if (rc == 0)
			rc = luff_scope_check(err);
	}
	memset(piece, 0, PIECE);
	if (rc == 0)
		rc = luff_made_append(made, piece,
				      (size_t)(LUFF_TAR_PADDED(shape->size) - shape->size) + 1024, err);
	return rc < 0 ? rc : luff_made_end_layer(made, err);
}

int luff_random_make(int *fd_out, const char *text, struct luff_error *err)
{
	static const struct luff_platform platform = {.os = "linux", .arch = "amd64"};
	struct luff_made made = {.fd = -1};
	struct shape shape;
	int rc = parse_shape(&shape, text, err);

	if (rc == 0)
		rc = luff_made_begin(&made, err);
	for (int64_t i = 0; rc == 0 && i < shape.layers; i++)
		rc = add_layer(&made, &shape, i, err);
	if (rc == 0)
		rc = luff_made_end(fd_out, &made, &platform, "random", err);
	luff_made_release(&made);
	return rc;
}
