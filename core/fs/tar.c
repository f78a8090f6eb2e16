/* See tar.h. */
#include "fs/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "fs/pax.h"

#define BLOCK 512
#define BUFFER ((size_t)128 << 10)
#define HEADER_MAX ((int64_t)1 << 20) /* bytes of one extended header or long name */
#define SIZE_MOST ((int64_t)1 << 60)  /* leaves room to round up and add */

struct luff_tar {
	struct luff_reader *in;
	int64_t offset; /* of what comes next, buf[begin] */
	int64_t start;  /* of the entry's first header */
	int64_t stored; /* bytes of the entry that follow in `in` */
	int64_t skip;   /* and of padding after them */
	bool ended, failed;

	struct luff_entry entry;
	struct luff_pax pax;
	struct luff_sparse sparse; /* of the entry; no pieces: it is none */
	size_t piece;              /* that `at` is in or before */
	int64_t at;                /* how much of the content was read */
	int64_t holes;             /* sizes of all sparse files so far */
	struct luff_buffer extended, long_path, long_link;
	char path[256 + 2], link[101], user[33], group[33];

	size_t begin, end;
	bool in_ended;
	unsigned char buf[BUFFER];
};

int luff_tar_open(struct luff_tar **out, struct luff_reader *in, struct luff_error *err)
{
	struct luff_tar *tar = calloc(1, sizeof *tar);

	*out = tar;
	if (!tar) {
		luff_reader_close(in);
		return luff_fail_nomem(err);
	}
	tar->in = in;
	luff_buffer_init(&tar->extended, HEADER_MAX);
	luff_buffer_init(&tar->long_path, HEADER_MAX);
	luff_buffer_init(&tar->long_link, HEADER_MAX);
	return 0;
}

void luff_tar_close(struct luff_tar *tar)
{
	if (!tar)
		return;
	luff_reader_close(tar->in);
	luff_pax_release(&tar->pax);
	luff_sparse_release(&tar->sparse);
	luff_buffer_release(&tar->extended);
	luff_buffer_release(&tar->long_path);
	luff_buffer_release(&tar->long_link);
	free(tar);
}

int64_t luff_tar_offset(const struct luff_tar *tar)
{
	return tar->start;
}

/* ---- bytes ---- */

static int cut_off(struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "the tar is cut off");
}

/* At least `want` bytes in the buffer, unless `in` ends before. */
static int fill(struct luff_tar *tar, size_t want, struct luff_error *err)
{
	if (tar->begin > 0 && tar->end - tar->begin < want) {
		memmove(tar->buf, tar->buf + tar->begin, tar->end - tar->begin);
		tar->end -= tar->begin;
		tar->begin = 0;
	}
	while (!tar->in_ended && tar->end - tar->begin < want) {
		size_t n;
		int rc = luff_reader_read(&n, tar->in, tar->buf + tar->end, BUFFER - tar->end, err);

		if (rc < 0)
			return rc;
		tar->in_ended = n == 0;
		tar->end += n;
	}
	return 0;
}

static void take(struct luff_tar *tar, size_t n)
{
	tar->begin += n;
	tar->offset += (int64_t)n;
}

static int skip(struct luff_tar *tar, int64_t n, struct luff_error *err)
{
	while (n > 0) {
		int rc = fill(tar, 1, err);
		size_t have = tar->end - tar->begin;

		if (rc < 0)
			return rc;
		if (have == 0)
			return cut_off(err);
		have = (int64_t)have < n ? have : (size_t)n;
		take(tar, have);
		n -= (int64_t)have;
	}
	return 0;
}

/* Bytes of `in`, straight into buf where none are buffered. */
static int read_stored(size_t *n_out, struct luff_tar *tar, void *buf, size_t len, struct luff_error *err)
{
	size_t have = tar->end - tar->begin;
	int rc = 0;

	if ((int64_t)len > tar->stored)
		len = (size_t)tar->stored;
	if (have == 0 && len >= BUFFER / 2 && !tar->in_ended) {
		rc = luff_reader_read(n_out, tar->in, buf, len, err);
		if (rc < 0)
			return rc;
		tar->in_ended = *n_out == 0;
		tar->offset += (int64_t)*n_out;
	} else {
		rc = fill(tar, 1, err);
		if (rc < 0)
			return rc;
		have = tar->end - tar->begin;
		*n_out = have < len ? have : len;
		memcpy(buf, tar->buf + tar->begin, *n_out);
		take(tar, *n_out);
	}
	tar->stored -= (int64_t)*n_out;
	return *n_out > 0 ? 0 : cut_off(err);
}

/* ---- headers ---- */

/* Octal digits between blanks, or a number to the base of 256. */
static bool number(int64_t *out, const unsigned char *p, size_t len)
{
	uint64_t x = 0;

	if (p[0] & 0x80) {
		unsigned char flip = p[0] & 0x40 ? 0xff : 0;

		for (size_t i = 0; i < len; i++) {
			unsigned char c = p[i] ^ flip;

			if (x >> 55)
				return false;
			x = x << 8 | (i == 0 ? c & 0x7f : c);
		}
		*out = flip ? (int64_t)~x : (int64_t)x;
		return true;
	}
	while (len > 0 && (*p == ' ' || *p == 0))
		p++, len--;
	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == 0))
		len--;
	for (; len > 0; p++, len--) {
		if (*p < '0' || *p > '7' || x >> 60)
			return false;
		x = x << 3 | (uint64_t)(*p - '0');
	}
	*out = (int64_t)x;
	return true;
}

static bool checksum_fits(const unsigned char *h)
{
	int64_t want, plain = 8 * (int64_t)' ', with_signs = 8 * (int64_t)' ';

	for (int i = 0; i < BLOCK; i++) {
		if (i >= 148 && i < 156)
			continue;
		plain += h[i];
		with_signs += (signed char)h[i];
	}
	return number(&want, h + 148, 8) && (want == plain || want == with_signs);
}

static bool is_zero(const unsigned char *h)
{
	return h[0] == 0 && memcmp(h, h + 1, BLOCK - 1) == 0;
}

static const char *field(char *out, const unsigned char *p, size_t len)
{
	size_t n = strnlen((const char *)p, len);

	memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

/* Content of a header that extends another. */
static int read_extension(struct luff_buffer *out, struct luff_tar *tar, int64_t size, struct luff_error *err)
{
	int rc;

	out->len = 0;
	if (size > HEADER_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a tar header of more than 1 MiB");
	tar->stored = size;
	rc = luff_buffer_append(out, "", 0, err);
	while (rc == 0 && tar->stored > 0) {
		char piece[4096];
		size_t n;

		rc = read_stored(&n, tar, piece, sizeof piece, err);
		if (rc == 0)
			rc = luff_buffer_append(out, piece, n, err);
	}
	return rc < 0 ? rc : skip(tar, -size & (BLOCK - 1), err);
}

/* A block, in the buffer, that the caller takes; NULL at the end of `in`. */
static int next_block(const unsigned char **out, struct luff_tar *tar, struct luff_error *err)
{
	int rc = fill(tar, BLOCK, err);
	size_t have = tar->end - tar->begin;

	*out = NULL;
	if (rc < 0 || have == 0)
		return rc;
	if (have < BLOCK)
		return cut_off(err);
	*out = tar->buf + tar->begin;
	return 0;
}

/* The map of GNU tar's old sparse files: in the header, and in blocks that follow it. */
static int old_sparse(struct luff_tar *tar, const unsigned char *h, struct luff_error *err)
{
	const unsigned char *p = h + 386;
	int64_t real;
	int slots = 4, rc = 0;
	bool more = h[482] != 0;

	if (!number(&real, h + 483, 12))
		return luff_fail(err, LUFF_EFORMAT, "a sparse file's size is damaged");
	for (;;) {
		for (; rc == 0 && slots > 0 && *p; slots--, p += 24) {
			int64_t offset, size;

			if (!number(&offset, p, 12) || !number(&size, p + 12, 12))
				return luff_fail(err, LUFF_EFORMAT, "a sparse file's map is damaged");
			rc = luff_sparse_add(&tar->sparse, offset, err);
			if (rc == 0)
				rc = luff_sparse_add(&tar->sparse, size, err);
		}
		if (rc < 0 || !more)
			break;
		rc = next_block(&p, tar, err);
		if (rc < 0)
			break;
		if (!p)
			return cut_off(err);
		take(tar, BLOCK);
		more = p[504] != 0;
		slots = 21;
	}
	if (rc == 0)
		rc = luff_sparse_check(&tar->sparse, real, tar->stored, err);
	tar->entry.size = real;
	return rc;
}

/* Decimal lines at the head of the content: how many pieces, then each one's offset and size. */
static int map_in_data(struct luff_tar *tar, struct luff_error *err)
{
	int64_t left = 0, value = 0, before = tar->stored;
	bool counted = false, digits = false;

	while (!counted || left > 0) {
		const unsigned char *h = NULL;
		int rc = tar->stored >= BLOCK ? next_block(&h, tar, err) : 0;

		if (rc < 0)
			return rc;
		if (!h)
			return cut_off(err);
		take(tar, BLOCK);
		tar->stored -= BLOCK;
		for (int i = 0; i < BLOCK && (!counted || left > 0); i++) {
			if (h[i] >= '0' && h[i] <= '9' && value < SIZE_MOST) {
				value = 10 * value + (h[i] - '0');
				digits = true;
			} else if (h[i] != '\n' || !digits) {
				return luff_fail(err, LUFF_EFORMAT, "a sparse file's map is damaged");
			} else {
				if (counted)
					rc = luff_sparse_add(&tar->sparse, value, err);
				else if (value > LUFF_SPARSE_MAX)
					rc = luff_fail(err, LUFF_ELIMIT,
						       "a sparse file in more than %d pieces",
						       LUFF_SPARSE_MAX);
				if (rc < 0)
					return rc;
				left = counted ? left - 1 : 2 * value;
				counted = true;
				value = 0;
				digits = false;
			}
		}
	}
	tar->skip = -before & (BLOCK - 1);
	return 0;
}

static int set_sparse(struct luff_tar *tar, const unsigned char *h, struct luff_error *err)
{
	int rc = 0;

	if (h[156] == 'S')
		return old_sparse(tar, h, err);
	if (!tar->pax.is_sparse)
		return 0;
	if (tar->pax.sparse_in_data) {
		rc = map_in_data(tar, err);
	} else {
		tar->sparse = tar->pax.sparse;
		tar->pax.sparse = (struct luff_sparse){0};
	}
	tar->entry.size = tar->pax.sparse_size;
	return rc < 0 ? rc : luff_sparse_check(&tar->sparse, tar->entry.size, tar->stored, err);
}

static int set_type(struct luff_entry *e, unsigned char flag, struct luff_error *err)
{
	size_t len = strlen(e->path);

	switch (flag) {
	case 0:
		e->type = len > 0 && e->path[len - 1] == '/' ? LUFF_ENTRY_FOLDER : LUFF_ENTRY_FILE;
		return 0;
	case '0':
	case '7':
	case 'S':
		e->type = LUFF_ENTRY_FILE;
		return 0;
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
		e->type = (enum luff_entry_type)(LUFF_ENTRY_HARD_LINK + (flag - '1'));
		return 0;
	default:
		return luff_fail(err, LUFF_EFORMAT, "a tar entry of the unknown type %d", flag);
	}
}

/* Names of the ustar header, or of the long headers before it. */
static int set_names(struct luff_tar *tar, const unsigned char *h, struct luff_error *err)
{
	struct luff_entry *e = &tar->entry;
	bool posix = memcmp(h + 257, "ustar\0", 6) == 0;
	bool named = posix || memcmp(h + 257, "ustar  ", 8) == 0;
	char prefix[156], name[101];

	field(prefix, h + 345, posix ? 155 : 0);
	field(name, h, 100);
	snprintf(tar->path, sizeof tar->path, "%s%s%s", prefix, prefix[0] ? "/" : "", name);
	e->path = tar->long_path.len > 0 ? tar->long_path.data : tar->path;
	e->link = tar->long_link.len > 0 ? tar->long_link.data : field(tar->link, h + 157, 100);
	e->user = named ? field(tar->user, h + 265, 32) : "";
	e->group = named ? field(tar->group, h + 297, 32) : "";
	if (tar->pax.path)
		e->path = tar->pax.path;
	if (tar->pax.sparse_name)
		e->path = tar->pax.sparse_name;
	if (tar->pax.link)
		e->link = tar->pax.link;
	if (tar->pax.user)
		e->user = tar->pax.user;
	if (tar->pax.group)
		e->group = tar->pax.group;
	if (strlen(e->path) > LUFF_PATH_MAX || strlen(e->link) > LUFF_PATH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a name of more than %d bytes in a tar", LUFF_PATH_MAX);
	return 0;
}

static int set_numbers(struct luff_tar *tar, const unsigned char *h, struct luff_error *err)
{
	struct luff_entry *e = &tar->entry;
	const struct luff_pax *pax = &tar->pax;
	bool device = e->type == LUFF_ENTRY_CHAR || e->type == LUFF_ENTRY_BLOCK;
	int64_t mode, uid, gid, mtime, size, major = 0, minor = 0;

	if (!number(&mode, h + 100, 8) || !number(&uid, h + 108, 8) || !number(&gid, h + 116, 8) ||
	    !number(&size, h + 124, 12) || !number(&mtime, h + 136, 12) ||
	    (device && (!number(&major, h + 329, 8) || !number(&minor, h + 337, 8))))
		return luff_fail(err, LUFF_EFORMAT, "a tar header with a number that is none");
	uid = pax->has_uid ? pax->uid : uid;
	gid = pax->has_gid ? pax->gid : gid;
	size = pax->has_size ? pax->size : size;
	/* the last number means "no change" to chown() */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return luff_fail(err, LUFF_EFORMAT, "an owner's number beyond 32 bits in a tar");
	if (size < 0 || size > SIZE_MOST)
		return luff_fail(err, LUFF_EFORMAT, "a tar entry whose size makes no sense");
	if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
		return luff_fail(err, LUFF_EFORMAT, "a device's number beyond 32 bits in a tar");
	e->mode = (uint32_t)mode & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->major = (uint32_t)major;
	e->minor = (uint32_t)minor;
	e->mtime = pax->has_mtime ? pax->mtime : mtime;
	e->mtime_ns = pax->has_mtime ? pax->mtime_ns : 0;
	e->xattrs = pax->xattrs;
	e->xattr_count = pax->xattr_count;
	e->size = e->type == LUFF_ENTRY_FILE ? size : 0;
	tar->stored = e->size;
	tar->skip = -e->size & (BLOCK - 1);
	return 0;
}

static int set_entry(struct luff_tar *tar, const unsigned char *h, struct luff_error *err)
{
	int rc = set_names(tar, h, err);

	if (rc == 0)
		rc = set_type(&tar->entry, h[156], err);
	if (rc == 0)
		rc = set_numbers(tar, h, err);
	if (rc == 0 && tar->entry.type == LUFF_ENTRY_FILE)
		rc = set_sparse(tar, h, err);
	if (rc < 0 || tar->entry.size == tar->stored)
		return rc;
	/* holes cost nothing to say */
	if (tar->entry.size > LUFF_UNPACKED_MAX - tar->holes)
		return luff_fail(err, LUFF_ELIMIT, "sparse files of more than 128 GiB in a layer");
	tar->holes += tar->entry.size;
	return 0;
}

/* Two blocks of zeros end a tar, as does the end of the file. One alone before something else is read differently by each tool. */
static int finish(struct luff_tar *tar, struct luff_error *err)
{
	const unsigned char *h;
	int rc = next_block(&h, tar, err);

	if (rc == 0 && h && !is_zero(h))
		return luff_fail(err, LUFF_EFORMAT, "a tar that goes on after a block of zeros");
	tar->begin = tar->end = 0;
	while (rc == 0 && !tar->in_ended) {
		size_t n;

		rc = luff_reader_read(&n, tar->in, tar->buf, BUFFER, err);
		tar->in_ended = n == 0;
	}
	tar->ended = true;
	return rc;
}

static int next_entry(const struct luff_entry **out, struct luff_tar *tar, struct luff_error *err)
{
	int rc = skip(tar, tar->stored + tar->skip, err);
	bool begun = false; /* by a header that extends it */

	tar->stored = tar->skip = tar->at = 0;
	tar->piece = 0;
	tar->long_path.len = tar->long_link.len = 0;
	luff_sparse_release(&tar->sparse);
	luff_pax_reset(&tar->pax);
	tar->start = tar->offset;
	while (rc == 0) {
		unsigned char h[BLOCK];
		const unsigned char *block;
		struct luff_buffer *extension = NULL;
		int64_t size;

		rc = next_block(&block, tar, err);
		if (rc < 0)
			return rc;
		if (block)
			take(tar, BLOCK);
		if (!block || is_zero(block))
			return begun ? cut_off(err) : finish(tar, err);
		memcpy(h, block, BLOCK);
		if (!checksum_fits(h) || !number(&size, h + 124, 12) || size < 0)
			return luff_fail(err, LUFF_EFORMAT, "no tar: a header at byte %lld is damaged",
					 (long long)(tar->offset - BLOCK));
		if (h[156] == 'g' || h[156] == 'V') {
			/* of all files, or of the tape: as container engines do, neither counts */
			rc = size > SIZE_MOST ? cut_off(err)
					      : skip(tar, (size + BLOCK - 1) & -(int64_t)BLOCK, err);
			tar->start = begun ? tar->start : tar->offset;
			continue;
		}
		if (h[156] == 'x')
			extension = &tar->extended;
		else if (h[156] == 'L')
			extension = &tar->long_path;
		else if (h[156] == 'K')
			extension = &tar->long_link;
		if (!extension) {
			rc = set_entry(tar, h, err);
			break;
		}
		begun = true;
		rc = read_extension(extension, tar, size, err);
		if (rc == 0 && h[156] == 'x') {
			luff_pax_reset(&tar->pax);
			rc = luff_pax_parse(&tar->pax, extension->data, extension->len, err);
		}
	}
	if (rc == 0)
		*out = &tar->entry;
	return rc;
}

int luff_tar_next(const struct luff_entry **out, struct luff_tar *tar, struct luff_error *err)
{
	int rc;

	*out = NULL;
	if (tar->failed)
		return luff_fail(err, LUFF_EINVAL, "read after a failure");
	if (tar->ended)
		return 0;
	rc = next_entry(out, tar, err);
	tar->failed = rc < 0;
	return rc;
}

/* Of a sparse file: a hole's zeros, or the bytes of a piece. */
static int read_sparse(size_t *n_out, struct luff_tar *tar, void *buf, size_t len, struct luff_error *err)
{
	const struct luff_sparse *s = &tar->sparse;
	const struct luff_piece *p;
	int64_t until;

	while (tar->piece < s->count && s->pieces[tar->piece].offset + s->pieces[tar->piece].size <= tar->at)
		tar->piece++;
	p = tar->piece < s->count ? &s->pieces[tar->piece] : NULL;
	if (p && p->offset <= tar->at) {
		until = p->offset + p->size - tar->at;
		return read_stored(n_out, tar, buf, (int64_t)len < until ? len : (size_t)until, err);
	}
	until = (p ? p->offset : tar->entry.size) - tar->at;
	*n_out = (int64_t)len < until ? len : (size_t)until;
	memset(buf, 0, *n_out);
	return 0;
}

int luff_tar_read(size_t *n_out, struct luff_tar *tar, void *buf, size_t len, struct luff_error *err)
{
	int rc = 0;

	*n_out = 0;
	if (tar->failed)
		return luff_fail(err, LUFF_EINVAL, "read after a failure");
	if (tar->at == tar->entry.size)
		return 0;
	if (tar->sparse.pieces || tar->stored == 0)
		rc = read_sparse(n_out, tar, buf, len, err);
	else
		rc = read_stored(n_out, tar, buf, len, err);
	tar->at += (int64_t)*n_out;
	tar->failed = rc < 0;
	return rc;
}
