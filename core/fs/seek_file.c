/*
 * The file that keeps a layer's points and files. Numbers are written seven bits at a time, the lowest first; texts with their length.
 * It is this user's own, and its first bytes hold the digest of the others; it is parsed as if it were anybody's all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "fs/pax.h"
#include "fs/seek.h"

#define MAGIC "luff " LUFF_VERSION " layer 1\n"
#define HEAD (sizeof MAGIC - 1 + 32)
#define FILES_MAX ((size_t)64 << 20) /* bytes of what is said of them, before it is compressed */
#define FILES_LEVEL 3
#define PLAIN_MAX ((int64_t)1 << 60)

/* ---- writing ---- */

static int put_number(struct luff_buffer *b, uint64_t n, struct luff_error *err)
{
	unsigned char bytes[10];
	size_t len = 0;

	for (; n > 0x7f; n >>= 7)
		bytes[len++] = (unsigned char)(n | 0x80);
	bytes[len++] = (unsigned char)n;
	return luff_buffer_append(b, bytes, len, err);
}

static int put_bytes(struct luff_buffer *b, const void *bytes, size_t len, struct luff_error *err)
{
	int rc = put_number(b, len, err);

	return rc < 0 ? rc : luff_buffer_append(b, bytes, len, err);
}

static int put_text(struct luff_buffer *b, const char *text, struct luff_error *err)
{
	return put_bytes(b, text, strlen(text), err);
}

static uint64_t fold_sign(int64_t n)
{
	return (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0);
}

static int put_xattrs(struct luff_buffer *b, const struct luff_listing *l, const struct luff_record *r,
		      struct luff_error *err)
{
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	size_t n = luff_listing_xattrs(xattrs, l, r);
	int rc = put_number(b, n, err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = put_text(b, xattrs[i].name, err);
		if (rc == 0)
			rc = put_bytes(b, xattrs[i].value, xattrs[i].len, err);
	}
	return rc;
}

static int put_record(struct luff_buffer *b, const struct luff_listing *l, const struct luff_record *r,
		      struct luff_error *err)
{
	const uint64_t numbers[] = {r->kind,
				    r->mode,
				    r->uid,
				    r->gid,
				    (uint64_t)r->size,
				    fold_sign(r->mtime),
				    fold_sign(r->mtime_ns),
				    (uint64_t)r->offset};
	const char *user = luff_listing_text(l, r->owner);
	const char *texts[] = {luff_listing_text(l, r->folder), luff_listing_text(l, r->name),
			       luff_listing_text(l, r->link), user, r->owner ? user + strlen(user) + 1 : ""};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof numbers / sizeof *numbers; i++)
		rc = put_number(b, numbers[i], err);
	for (size_t i = 0; rc == 0 && i < sizeof texts / sizeof *texts; i++)
		rc = put_text(b, texts[i], err);
	return rc < 0 ? rc : put_xattrs(b, l, r, err);
}

static int put_files(struct luff_buffer *b, const struct luff_listing *l, struct luff_error *err)
{
	struct luff_buffer plain __attribute__((cleanup(luff_auto_buffer)));
	LUFF_AUTO(text) packed = NULL;
	size_t bound, n;
	int rc;

	luff_buffer_init(&plain, FILES_MAX);
	rc = put_number(&plain, l->count, err);
	for (size_t i = 0; rc == 0 && i < l->count; i++)
		rc = put_record(&plain, l, &l->records[i], err);
	if (rc < 0)
		return rc;
	bound = ZSTD_compressBound(plain.len);
	packed = malloc(bound);
	n = packed ? ZSTD_compress(packed, bound, plain.data, plain.len, FILES_LEVEL) : 0;
	if (!packed || ZSTD_isError(n))
		return luff_fail_nomem(err);
	rc = put_number(b, plain.len, err);
	return rc < 0 ? rc : put_bytes(b, packed, n, err);
}

static int put_points(struct luff_buffer *b, const struct luff_points *p, struct luff_error *err)
{
	struct luff_point last = {0};
	int64_t plain = 0;
	int rc = put_number(b, (uint64_t)p->plain, err);

	for (size_t i = 0; rc == 0 && i < p->chunk_count; i++) {
		rc = luff_buffer_append(b, p->chunks[i].sha256, sizeof p->chunks[i].sha256, err);
		if (rc == 0)
			rc = put_number(b, (uint64_t)(p->chunks[i].plain - plain), err);
		plain = p->chunks[i].plain;
	}
	if (rc == 0)
		rc = put_number(b, p->count, err);
	for (size_t i = 0; rc == 0 && i < p->count; last = p->list[i++]) {
		const struct luff_point *point = &p->list[i];

		rc = put_number(b, (uint64_t)(point->packed - last.packed), err);
		if (rc == 0)
			rc = put_number(b, (uint64_t)(point->plain - last.plain), err);
		if (rc == 0)
			rc = put_number(b, (uint64_t)point->bits + 1, err);
		if (rc == 0)
			rc = put_bytes(b, p->windows.data ? p->windows.data + point->window : "",
				       point->window_len, err);
	}
	return rc;
}

static void hash_rest(unsigned char out[32], const void *bytes, size_t len)
{
	struct luff_hash hash;

	luff_hash_init(&hash, LUFF_SHA256);
	luff_hash_update(&hash, (const char *)bytes + HEAD, len - HEAD);
	luff_hash_final_sha256(out, &hash);
}

int luff_seek_write(struct luff_buffer *out, const struct luff_points *points, const struct luff_listing *l,
		    const struct luff_descriptor *layer, struct luff_error *err)
{
	static const char room[32];
	int rc = luff_buffer_append(out, MAGIC, sizeof MAGIC - 1, err);

	if (rc == 0)
		rc = luff_buffer_append(out, room, sizeof room, err);
	if (rc == 0)
		rc = put_text(out, layer->digest.text, err);
	if (rc == 0)
		rc = put_number(out, (uint64_t)layer->size, err);
	if (rc == 0)
		rc = put_points(out, points, err);
	if (rc == 0)
		rc = put_files(out, l, err);
	if (rc == 0)
		hash_rest((unsigned char *)out->data + sizeof MAGIC - 1, out->data, out->len);
	return rc;
}

/* ---- parsing ---- */

/* What does not fit leaves it bad, and 0 or "" behind. */
struct cursor {
	const char *at, *end;
	bool bad;
};

static uint64_t get_number(struct cursor *c, uint64_t max)
{
	uint64_t n = 0;

	for (int shift = 0; shift < 64 && c->at < c->end; shift += 7) {
		unsigned char byte = (unsigned char)*c->at++;

		n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (n > max)
			break;
		return n;
	}
	c->bad = true;
	return 0;
}

static const char *get_raw(struct cursor *c, size_t len)
{
	const char *bytes = c->at;

	if (len > (size_t)(c->end - c->at)) {
		c->bad = true;
		return NULL;
	}
	c->at += len;
	return bytes;
}

/* NUL-terminated in `room`, which it moves on. */
static const char *get_text(struct cursor *c, char *room, size_t size)
{
	size_t len = (size_t)get_number(c, size - 1);
	const char *bytes = get_raw(c, len);

	if (bytes && memchr(bytes, '\0', len))
		c->bad = true;
	if (bytes)
		memcpy(room, bytes, len);
	room[bytes ? len : 0] = '\0';
	return room;
}

static int64_t unfold_sign(uint64_t n)
{
	return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

static int damaged(struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "what is kept of the layer is damaged");
}

static bool is_number(int64_t *sum, struct cursor *c)
{
	*sum += (int64_t)get_number(c, (uint64_t)(PLAIN_MAX - *sum));
	return !c->bad;
}

static int get_chunks(struct luff_points *p, struct cursor *c, struct luff_error *err)
{
	int64_t plain = 0;

	p->chunk_count = (size_t)((p->packed + LUFF_POINTS_CHUNK - 1) / LUFF_POINTS_CHUNK);
	if (p->chunk_count > (size_t)(c->end - c->at) / sizeof p->chunks->sha256)
		return damaged(err);
	p->chunks = calloc(p->chunk_count + 1, sizeof *p->chunks);
	if (!p->chunks)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < p->chunk_count; i++) {
		const char *sha256 = get_raw(c, sizeof p->chunks->sha256);

		if (!sha256 || !is_number(&plain, c))
			return damaged(err);
		memcpy(p->chunks[i].sha256, sha256, sizeof p->chunks->sha256);
		p->chunks[i].plain = plain;
	}
	return 0;
}

static int get_points(struct luff_points *p, struct cursor *c, struct luff_error *err)
{
	struct luff_point point = {0};
	int rc = 0;

	p->plain = (int64_t)get_number(c, PLAIN_MAX);
	rc = c->bad ? damaged(err) : get_chunks(p, c, err);
	if (rc < 0)
		return rc;
	p->count = (size_t)get_number(c, p->chunk_count + 1);
	p->list = calloc(p->count + 1, sizeof *p->list);
	if (!p->list)
		return luff_fail_nomem(err);
	luff_buffer_init(&p->windows, LUFF_POINTS_WINDOWS_MAX * LUFF_POINTS_WINDOW_MAX);
	for (size_t i = 0; i < p->count; i++) {
		const char *window;

		if (!is_number(&point.packed, c) || !is_number(&point.plain, c))
			return damaged(err);
		point.bits = (int)get_number(c, 8) - 1;
		point.window = p->windows.len;
		point.window_len = (size_t)get_number(c, LUFF_POINTS_WINDOW_MAX);
		window = get_raw(c, point.window_len);
		/* the first is where all begins */
		if (c->bad || point.packed >= p->packed || point.plain > p->plain ||
		    (point.bits >= 0 && point.packed == 0) || (i == 0 && point.plain > 0))
			return damaged(err);
		rc = luff_buffer_append(&p->windows, window, point.window_len, err);
		if (rc < 0)
			return rc;
		p->list[i] = point;
	}
	return c->bad || p->count == 0 ? damaged(err) : 0;
}

/* Room for the texts of one file. */
struct texts {
	char folder[LUFF_PATH_MAX + 1], name[LUFF_PATH_MAX + 1], link[LUFF_PATH_MAX + 1];
	char user[LUFF_PATH_MAX + 1], group[LUFF_PATH_MAX + 1];
	char path[2 * LUFF_PATH_MAX + 16];
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	struct luff_buffer names; /* of these */
};

static int get_xattrs(struct luff_entry *e, struct texts *t, struct cursor *c, struct luff_error *err)
{
	size_t at = 0;
	int rc = 0;

	e->xattrs = t->xattrs;
	e->xattr_count = (size_t)get_number(c, LUFF_XATTR_MAX);
	t->names.len = 0;
	for (size_t i = 0; rc == 0 && i < e->xattr_count && !c->bad; i++) {
		size_t len = (size_t)get_number(c, SIZE_MAX);
		const char *name = get_raw(c, len);

		if (name && !memchr(name, '\0', len))
			rc = luff_buffer_append(&t->names, name, len, err);
		else
			c->bad = true;
		if (rc == 0)
			rc = luff_buffer_append(&t->names, "", 1, err);
		t->xattrs[i].len = (size_t)get_number(c, UINT32_MAX);
		t->xattrs[i].value = get_raw(c, t->xattrs[i].len);
	}
	for (size_t i = 0; rc == 0 && i < e->xattr_count && !c->bad; i++) {
		t->xattrs[i].name = t->names.data + at;
		at += strlen(t->names.data + at) + 1;
	}
	return rc;
}

static int get_record(struct luff_listing *l, struct texts *t, struct cursor *c, int64_t plain,
		      struct luff_error *err)
{
	unsigned kind = (unsigned)get_number(c, LUFF_RECORD_OPAQUE);
	struct luff_entry e = {.type = kind < LUFF_RECORD_WHITEOUT ? (enum luff_entry_type)kind
								   : LUFF_ENTRY_FILE,
			       .path = t->path,
			       .link = t->link,
			       .user = t->user,
			       .group = t->group};
	int64_t offset;
	bool added = false;
	int rc;

	e.mode = (uint32_t)get_number(c, UINT16_MAX);
	e.uid = (uint32_t)get_number(c, UINT32_MAX);
	e.gid = (uint32_t)get_number(c, UINT32_MAX);
	e.size = (int64_t)get_number(c, INT64_MAX);
	e.mtime = unfold_sign(get_number(c, UINT64_MAX));
	e.mtime_ns = (int32_t)unfold_sign(get_number(c, 2 * (uint64_t)999999999));
	offset = (int64_t)get_number(c, (uint64_t)plain);
	if (e.type == LUFF_ENTRY_CHAR || e.type == LUFF_ENTRY_BLOCK) {
		e.major = (uint32_t)((uint64_t)e.size >> 32);
		e.minor = (uint32_t)e.size;
	}
	get_text(c, t->folder, sizeof t->folder);
	get_text(c, t->name, sizeof t->name);
	get_text(c, t->link, sizeof t->link);
	get_text(c, t->user, sizeof t->user);
	get_text(c, t->group, sizeof t->group);
	rc = get_xattrs(&e, t, c, err);
	if (rc < 0 || c->bad)
		return rc < 0 ? rc : damaged(err);
	snprintf(t->path, sizeof t->path, "%s/%s%s", t->folder,
		 kind == LUFF_RECORD_WHITEOUT ? ".wh."
		 : kind == LUFF_RECORD_OPAQUE ? ".wh..wh..opq"
					      : "",
		 t->name);
	rc = luff_listing_add(&added, l, &e, offset, err);
	return rc < 0 || added ? rc : damaged(err);
}

static int get_records(struct luff_listing *l, struct cursor *c, int64_t plain, struct luff_error *err)
{
	size_t count = (size_t)get_number(c, LUFF_ENTRIES_MAX);
	struct texts *t = calloc(1, sizeof *t);
	int rc = 0;

	if (!t)
		return luff_fail_nomem(err);
	luff_buffer_init(&t->names, FILES_MAX);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = get_record(l, t, c, plain, err);
	luff_buffer_release(&t->names);
	free(t);
	return rc == 0 && (c->bad || c->at < c->end) ? damaged(err) : rc;
}

static int get_files(struct luff_listing *l, struct cursor *c, int64_t plain, struct luff_error *err)
{
	size_t size = (size_t)get_number(c, FILES_MAX), packed = (size_t)get_number(c, LUFF_SEEK_FILE_MAX);
	const char *bytes = get_raw(c, packed);
	LUFF_AUTO(text) files = NULL;
	struct cursor inner;

	if (c->bad || c->at < c->end)
		return damaged(err);
	files = malloc(size + 1);
	if (!files)
		return luff_fail_nomem(err);
	if (ZSTD_decompress(files, size, bytes, packed) != size)
		return damaged(err);
	inner = (struct cursor){files, files + size, false};
	return get_records(l, &inner, plain, err);
}

int luff_seek_parse(struct luff_points *points, struct luff_listing *l, const struct luff_descriptor *layer,
		    const void *bytes, size_t len, struct luff_error *err)
{
	struct cursor c = {bytes, (const char *)bytes + len, false};
	char digest[sizeof layer->digest.text];
	unsigned char sha256[32];
	int rc;

	if (len < HEAD || memcmp(bytes, MAGIC, sizeof MAGIC - 1) != 0)
		return damaged(err);
	hash_rest(sha256, bytes, len);
	if (memcmp(sha256, (const char *)bytes + sizeof MAGIC - 1, sizeof sha256) != 0)
		return damaged(err);
	c.at += HEAD;
	get_text(&c, digest, sizeof digest);
	points->packed = (int64_t)get_number(&c, LUFF_POINTS_SIZE_MAX);
	if (c.bad || strcmp(digest, layer->digest.text) != 0 || points->packed != layer->size)
		return damaged(err);
	rc = get_points(points, &c, err);
	return rc < 0 ? rc : get_files(l, &c, points->plain, err);
}
