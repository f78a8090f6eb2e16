/*
 * Any bytes as what is kept of a layer: what is listed is sound, and points lie within the layer. After a 0 come the bytes behind the
 * file's digest, after anything else those that tell of the files, which are compressed in it.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "fs/seek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAGIC "luff " LUFF_VERSION " layer 1\n"
#define LAYER_SIZE 150000

static const struct luff_descriptor layer = {
	.digest.text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	.size = LAYER_SIZE,
};

static void add(struct luff_buffer *b, const void *bytes, size_t len)
{
	struct luff_error err = {0};

	if (luff_buffer_append(b, bytes, len, &err) < 0)
		abort();
}

static void add_number(struct luff_buffer *b, size_t n)
{
	for (; n > 0x7f; n >>= 7)
		add(b, &(unsigned char){(unsigned char)(n | 0x80)}, 1);
	add(b, &(unsigned char){(unsigned char)n}, 1);
}

/* The layer, three chunks and one point, and these files. */
static void add_files(struct luff_buffer *b, const uint8_t *data, size_t size)
{
	size_t bound = ZSTD_compressBound(size), n;
	char *packed = malloc(bound);

	add_number(b, strlen(layer.digest.text));
	add(b, layer.digest.text, strlen(layer.digest.text));
	add_number(b, LAYER_SIZE);
	add_number(b, 1000000);
	for (int i = 0; i < 3; i++) {
		add(b, (char[32]){0}, 32);
		add_number(b, 300000);
	}
	add_number(b, 1);
	add(b, "\0\0\0\0", 4);
	n = ZSTD_compress(packed, bound, data, size, 1);
	add_number(b, size);
	add_number(b, n);
	add(b, packed, n);
	free(packed);
}

static void check_points(const struct luff_points *p)
{
	unsigned char window[LUFF_POINTS_WINDOW];
	struct luff_error err = {0};
	int64_t last = 0;
	size_t n;

	if (p->count == 0 || luff_points_before(p, 0) == NULL)
		abort();
	for (size_t i = 0; i < p->count; i++) {
		const struct luff_point *point = &p->list[i];
		int64_t until = luff_points_until(p, point->plain);

		if (point->packed < (point->bits > 0 ? 1 : 0) || point->packed >= LAYER_SIZE ||
		    point->plain < last || point->plain > p->plain || until <= 0 || until > LAYER_SIZE)
			abort();
		last = point->plain;
		if (point->bits >= 0)
			(void)luff_points_window(window, &n, p, point, &err);
	}
}

static void check_files(const struct luff_listing *l, const struct luff_points *p)
{
	struct luff_xattr xattrs[LUFF_XATTR_MAX];

	for (size_t i = 0; i < l->count; i++) {
		const struct luff_record *r = &l->records[i];

		if (strlen(luff_listing_text(l, r->name)) > LUFF_PATH_MAX || r->size < 0 || r->offset < 0 ||
		    r->offset > p->plain || luff_listing_xattrs(xattrs, l, r) > LUFF_XATTR_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_points points = {0};
	struct luff_listing *l = NULL;
	struct luff_error err = {0};
	struct luff_buffer b;
	struct luff_hash hash;
	size_t head = sizeof MAGIC - 1 + 32;

	if (size == 0)
		return 0;
	luff_buffer_init(&b, (size_t)64 << 20);
	add(&b, MAGIC, sizeof MAGIC - 1);
	add(&b, (char[32]){0}, 32);
	if (data[0] == 0)
		add(&b, data + 1, size - 1);
	else
		add_files(&b, data + 1, size - 1);
	luff_hash_init(&hash, LUFF_SHA256);
	luff_hash_update(&hash, b.data + head, b.len - head);
	luff_hash_final_sha256((unsigned char *)b.data + sizeof MAGIC - 1, &hash);
	if (luff_listing_new(&l, NULL, &err) < 0)
		abort();
	if (luff_seek_parse(&points, l, &layer, b.data, b.len, &err) == 0) {
		check_points(&points);
		check_files(l, &points);
	} else if (!err.code) {
		abort();
	}
	luff_listing_close(l);
	luff_points_release(&points);
	luff_buffer_release(&b);
	return 0;
}
