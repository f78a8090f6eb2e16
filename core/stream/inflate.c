/*
 * Plain bytes of whatever a layer is stored as. The first bytes decide, never the media type: registries are full of layers whose
 * label lies. gzip members and zstd frames may follow each other; what follows the last one and is neither is refused
 * unless it is zero padding, as tar tools leave it.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "stream/streams.h"

#define INPUT_SIZE ((size_t)64 << 10)
#define ZSTD_WINDOW_LOG_MAX                                                                                  \
	27 /* 128 MiB: what zstd -19 and --long write; more must be asked for elsewhere too */

enum kind { UNKNOWN, PLAIN, GZIP, ZSTD };

struct inflate_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	enum kind kind;
	z_stream gzip;
	ZSTD_DCtx *zstd;
	bool inside;       /* of a member or frame, which has begun and not ended */
	bool ended;        /* the inner reader has */
	size_t begin, end; /* unread input is in[begin, end) */
	unsigned char in[INPUT_SIZE];
};

/* At least `want` bytes of input, unless the inner reader ends before. */
static int fill(struct inflate_reader *f, size_t want, struct luff_error *err)
{
	if (f->begin > 0 && f->end - f->begin < want) {
		memmove(f->in, f->in + f->begin, f->end - f->begin);
		f->end -= f->begin;
		f->begin = 0;
	}
	while (!f->ended && f->end - f->begin < want) {
		size_t n;
		int rc = luff_reader_read(&n, f->inner, f->in + f->end, INPUT_SIZE - f->end, err);

		if (rc < 0)
			return rc;
		f->ended = n == 0;
		f->end += n;
	}
	return 0;
}

static bool is_gzip(const unsigned char *p, size_t len)
{
	return len >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

/* A frame, or a skippable frame (RFC 8878 3.1) */
static bool is_zstd(const unsigned char *p, size_t len)
{
	return len >= 4 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd && p[0] == 0x28;
}

static bool is_zstd_skippable(const unsigned char *p, size_t len)
{
	return len >= 4 && (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18;
}

static int start(struct inflate_reader *f, struct luff_error *err)
{
	int rc = fill(f, 4, err);
	const unsigned char *p = f->in + f->begin;
	size_t len = f->end - f->begin;

	if (rc < 0)
		return rc;
	if (is_gzip(p, len)) {
		if (inflateInit2(&f->gzip, 15 + 16) != Z_OK)
			return luff_fail_nomem(err);
		f->kind = GZIP;
	} else if (is_zstd(p, len) || is_zstd_skippable(p, len)) {
		f->zstd = ZSTD_createDCtx();
		if (!f->zstd ||
		    ZSTD_isError(ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
			return luff_fail_nomem(err);
		f->kind = ZSTD;
	} else {
		f->kind = PLAIN;
	}
	return 0;
}

/* Between members: true if another one begins, false at the end. Zero padding is skipped. */
static int next_member(bool *more, struct inflate_reader *f, struct luff_error *err)
{
	for (;;) {
		const unsigned char *p;
		size_t len;
		int rc = fill(f, 4, err);

		if (rc < 0)
			return rc;
		p = f->in + f->begin;
		len = f->end - f->begin;
		*more = f->kind == GZIP ? is_gzip(p, len) : is_zstd(p, len) || is_zstd_skippable(p, len);
		if (*more || len == 0)
			return 0;
		if (*p != 0)
			return luff_fail(err, LUFF_EFORMAT, "data after the end of the compressed stream");
		while (f->begin < f->end && f->in[f->begin] == 0)
			f->begin++;
	}
}

static int step_gzip(size_t *n_out, struct inflate_reader *f, void *buf, size_t len, struct luff_error *err)
{
	int rc;

	f->gzip.next_in = f->in + f->begin;
	f->gzip.avail_in = (uInt)(f->end - f->begin);
	f->gzip.next_out = buf;
	f->gzip.avail_out = len > 1u << 30 ? 1u << 30 : (uInt)len;
	rc = inflate(&f->gzip, Z_NO_FLUSH);
	*n_out = (size_t)((char *)f->gzip.next_out - (char *)buf);
	f->begin = f->end - f->gzip.avail_in;
	if (rc == Z_STREAM_END) {
		f->inside = false;
		inflateReset(&f->gzip);
	} else if (rc == Z_MEM_ERROR) {
		return luff_fail_nomem(err);
	} else if (rc != Z_OK && rc != Z_BUF_ERROR) {
		return luff_fail(err, LUFF_EFORMAT, "gzip: %s", f->gzip.msg ? f->gzip.msg : "damaged");
	}
	return 0;
}

static int step_zstd(size_t *n_out, struct inflate_reader *f, void *buf, size_t len, struct luff_error *err)
{
	ZSTD_inBuffer in = {.src = f->in + f->begin, .size = f->end - f->begin};
	ZSTD_outBuffer out = {.dst = buf, .size = len};
	size_t rc = ZSTD_decompressStream(f->zstd, &out, &in);

	f->begin += in.pos;
	*n_out = out.pos;
	if (ZSTD_isError(rc))
		return luff_fail(err, LUFF_EFORMAT, "zstd: %s", ZSTD_getErrorName(rc));
	f->inside = rc != 0;
	return 0;
}

static int inflate_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct inflate_reader *f = (struct inflate_reader *)r;
	int rc = f->kind == UNKNOWN ? start(f, err) : 0;

	if (rc < 0)
		return rc;
	if (f->kind == PLAIN) {
		if (f->begin == f->end)
			return luff_reader_read(n_out, f->inner, buf, len, err);
		*n_out = len < f->end - f->begin ? len : f->end - f->begin;
		memcpy(buf, f->in + f->begin, *n_out);
		f->begin += *n_out;
		return 0;
	}
	while (*n_out == 0) {
		bool more = true;
		size_t before;

		if (!f->inside) {
			rc = next_member(&more, f, err);
			if (rc < 0 || !more)
				return rc;
			f->inside = true;
		}
		rc = fill(f, 1, err);
		if (rc < 0)
			return rc;
		before = f->end - f->begin;
		rc = f->kind == GZIP ? step_gzip(n_out, f, buf, len, err)
				     : step_zstd(n_out, f, buf, len, err);
		if (rc < 0)
			return rc;
		if (*n_out == 0 && f->inside && f->ended && f->end - f->begin == before)
			return luff_fail(err, LUFF_EFORMAT, "the compressed stream is cut off");
	}
	return 0;
}

static void inflate_close(struct luff_reader *r)
{
	struct inflate_reader *f = (struct inflate_reader *)r;

	if (f->kind == GZIP)
		inflateEnd(&f->gzip);
	ZSTD_freeDCtx(f->zstd);
	luff_reader_close(f->inner);
	free(f);
}

static const struct luff_reader_ops inflate_ops = {.read = inflate_read, .close = inflate_close};

int luff_reader_open_inflate(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	struct inflate_reader *f = calloc(1, sizeof *f);

	*out = NULL;
	if (!f) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	f->base.ops = &inflate_ops;
	f->inner = inner;
	*out = &f->base;
	return 0;
}
