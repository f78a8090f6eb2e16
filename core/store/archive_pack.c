/*
 * See archive_pack.h. Only headers that leave no doubt are gone by: from the first other one on the tar is kept as it comes. Who
 * reads a member checks its digest, so that a tar which means to deceive makes a copy fail, and no more.
 */
#include "store/archive_pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "fs/members.h"
#include "medium.h"
#include "stream/streams.h"

#define BLOCK 512
#define PIECE ((size_t)128 << 10)
#define NAME_SIZE 100 /* of the name that a header begins with */
#define MAGIC_AT 257

/* What is read, and how much of it was. */
struct intake {
	struct luff_archive_packs *packs;
	struct luff_reader *src;
	int fd;
	int64_t at, least;
	char name[NAME_SIZE + 1]; /* of the member */
	bool ended;
	char buf[PIECE];
};

void luff_archive_packs_release(struct luff_archive_packs *p)
{
	for (int i = 0; i < p->count; i++)
		close(p->list[i].fd);
	p->count = 0;
}

/* As much as there is, up to `len`, into t->buf. */
static int read_some(size_t *n_out, struct intake *t, size_t len, struct luff_error *err)
{
	size_t n = 1;
	int rc = 0;

	for (*n_out = 0; rc == 0 && n > 0 && *n_out < len; *n_out += n)
		rc = luff_reader_read(&n, t->src, t->buf + *n_out, len - *n_out, err);
	t->ended = n == 0;
	return rc;
}

static int keep(struct intake *t, size_t len, struct luff_error *err)
{
	int rc = luff_spool_write(t->fd, t->buf, len, t->at, err);

	t->at += (int64_t)len;
	return rc;
}

static int check_room(const struct intake *t, int64_t len, struct luff_error *err)
{
	return len > LUFF_SPOOL_MAX - t->at
		       ? luff_fail(err, LUFF_ELIMIT, "more than the %lld bytes of an archive that are kept",
				   (long long)LUFF_SPOOL_MAX)
		       : 0;
}

/* As it comes. */
static int keep_all(struct intake *t, int64_t len, struct luff_error *err)
{
	int rc = 0;

	while (rc == 0 && len > 0 && !t->ended) {
		size_t n;

		rc = read_some(&n, t, len < (int64_t)PIECE ? (size_t)len : PIECE, err);
		if (rc == 0)
			rc = check_room(t, (int64_t)n, err);
		if (rc == 0)
			rc = keep(t, n, err);
		len -= (int64_t)n;
	}
	return rc;
}

/* The content of one member, of which the beginning was read. */
struct body_reader {
	struct luff_reader base;
	const struct intake *intake;
	char head[BLOCK];
	size_t head_left;
	int64_t left; /* with what is left of the head */
};

static int body_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct body_reader *b = (struct body_reader *)r;
	char word[160];
	int rc = 0;

	if ((int64_t)len > b->left)
		len = (size_t)b->left;
	if (len == 0)
		return 0;
	if (b->head_left > 0) {
		*n_out = len < b->head_left ? len : b->head_left;
		memcpy(buf, b->head + BLOCK - b->head_left, *n_out);
		b->head_left -= *n_out;
	} else {
		rc = luff_reader_read(n_out, b->intake->src, buf, len, err);
		if (rc == 0 && *n_out == 0)
			rc = luff_fail(err, LUFF_EFORMAT, "the tar is cut off within %s",
				       luff_text_printable(word, sizeof word, b->intake->name));
	}
	b->left -= (int64_t)*n_out;
	return rc;
}

static void body_close(struct luff_reader *r)
{
	free(r);
}

static const struct luff_reader_ops body_ops = {.read = body_read, .close = body_close};

static int open_body(struct luff_reader **out, const struct intake *t, int64_t size, struct luff_error *err)
{
	struct body_reader *b = malloc(sizeof *b);

	*out = NULL;
	if (!b)
		return luff_fail_nomem(err);
	*b = (struct body_reader){.base.ops = &body_ops, .intake = t, .head_left = BLOCK, .left = size};
	memcpy(b->head, t->buf, BLOCK);
	*out = &b->base;
	return 0;
}

/* A layer whose first block is in t->buf. */
static int pack(struct intake *t, int64_t size, struct luff_error *err)
{
	struct luff_archive_pack *p = &t->packs->list[t->packs->count];
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(fd) fd = -1;
	struct luff_hash hash;
	int rc = check_room(t, size, err);

	*p = (struct luff_archive_pack){.offset = t->at, .size = size};
	luff_hash_init(&hash, LUFF_SHA256);
	if (rc == 0)
		rc = luff_spool_open(&fd, err);
	if (rc == 0)
		rc = open_body(&r, t, size, err);
	if (rc == 0)
		rc = luff_reader_open_hash(&r, luff_take(r), &hash, err);
	if (rc == 0)
		rc = luff_reader_open_ahead(&r, luff_take(r), err);
	if (rc == 0)
		rc = luff_reader_open_deflate(&r, luff_take(r), false, err);
	if (rc == 0)
		rc = luff_spool_fill_hashed(&p->becomes.digest, &p->becomes.size, fd, r, err);
	if (rc < 0)
		return rc;
	luff_hash_final(&p->plain, &hash);
	p->fd = fd;
	fd = -1;
	t->packs->count++;
	t->at += size;
	return 0;
}

static int take_file(struct intake *t, int64_t size, struct luff_error *err)
{
	int64_t padded = LUFF_TAR_PADDED(size);
	size_t n;
	int rc;

	if (size < t->least || size < BLOCK || t->packs->count == LUFF_ARCHIVE_PACKS_MAX)
		return keep_all(t, padded, err);
	rc = read_some(&n, t, BLOCK, err);
	if (rc < 0)
		return rc;
	if (n == BLOCK && memcmp(t->buf + MAGIC_AT, "ustar", 5) == 0) {
		rc = pack(t, size, err);
		return rc < 0 ? rc : keep_all(t, padded - size, err);
	}
	rc = keep(t, n, err);
	return rc < 0 ? rc : keep_all(t, padded - (int64_t)n, err);
}

/* What an extended header says of the next one may be its size; *sure is false then. */
static int take_words(bool *sure, struct intake *t, int64_t size, struct luff_error *err)
{
	int64_t padded = LUFF_TAR_PADDED(size);
	size_t n;
	int rc;

	*sure = padded <= (int64_t)PIECE;
	if (!*sure)
		return 0;
	rc = read_some(&n, t, (size_t)padded, err);
	if (rc < 0)
		return rc;
	*sure = !memmem(t->buf, n, " size=", 6);
	return keep(t, n, err);
}

static int take_member(bool *sure, struct intake *t, struct luff_error *err)
{
	int64_t size;
	char type;
	size_t n;
	int rc = read_some(&n, t, BLOCK, err);

	if (rc < 0)
		return rc;
	*sure = n == BLOCK && luff_tar_peek(&type, &size, t->buf);
	memcpy(t->name, t->buf, NAME_SIZE);
	t->name[NAME_SIZE] = '\0';
	rc = keep(t, n, err);
	if (rc < 0 || !*sure)
		return rc;
	switch (type) {
	case '0':
	case '\0':
		return take_file(t, size, err);
	case 'x':
	case 'g':
		return take_words(sure, t, size, err);
	case 'L':
	case 'K':
		return keep_all(t, LUFF_TAR_PADDED(size), err);
	default:
		*sure = type >= '1' && type <= '6' && size == 0;
		return 0;
	}
}

int luff_archive_pack_fill(struct luff_archive_packs *packs, int fd, struct luff_reader *src, int64_t least,
			   struct luff_error *err)
{
	struct intake *t = malloc(sizeof *t);
	bool sure = true;
	int rc = 0;

	if (!t)
		return luff_fail_nomem(err);
	t->packs = packs;
	t->src = src;
	t->fd = fd;
	t->at = 0;
	t->least = least;
	t->ended = false;
	while (rc == 0 && sure && !t->ended)
		rc = take_member(&sure, t, err);
	if (rc == 0)
		rc = keep_all(t, INT64_MAX, err);
	free(t);
	return rc;
}

int luff_archive_pack_open(struct luff_reader **out, const struct luff_archive_packs *packs, int64_t offset,
			   int64_t size, struct luff_error *err)
{
	const struct luff_archive_pack *p = packs->list;
	int fd, rc;

	*out = NULL;
	while (p < packs->list + packs->count && (offset < p->offset || offset - p->offset > p->size))
		p++;
	if (p == packs->list + packs->count || size > p->size - (offset - p->offset))
		return 0;
	fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return luff_fail(err, LUFF_EIO, "too many open files");
	rc = luff_reader_open_range(out, fd, 0, p->becomes.size, err);
	if (rc == 0)
		rc = luff_reader_open_inflate(out, luff_take(*out), err);
	return rc < 0 ? rc : luff_reader_open_part(out, luff_take(*out), offset - p->offset, size, err);
}
