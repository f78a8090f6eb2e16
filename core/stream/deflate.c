/*
 * Compression on the way. Blocks of a fixed size are compressed side by side, each with the end of the one before as its
 * dictionary, and put together to one gzip member, as pigz does: the bytes depend on the input alone. zstd is fast enough in one
 * thread.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"
#include "stream/streams.h"

#define BLOCK ((size_t)256 << 10)
#define WINDOW ((size_t)32 << 10) /* what deflate looks back */
#define SLOTS_MAX 9
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 3
/* Deflate's stored blocks cost 5 bytes per 16 KiB at most; and the flush. */
#define PACKED_MAX (BLOCK + BLOCK / 1000 + 256)

struct slot {
	struct luff_job job;
	bool queued;    /* it has a job to wait for */
	bool last;      /* of the stream */
	size_t len;     /* of the input */
	size_t history; /* bytes before it that are its dictionary */
	uLong crc;
	size_t packed_len;
	int failed;                       /* a zlib code, or Z_OK */
	unsigned char in[WINDOW + BLOCK]; /* the dictionary ends where the block begins */
	unsigned char packed[PACKED_MAX];
};

struct deflate_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct slot *slots;
	size_t slot_count, head, filled; /* a ring, in the order of the input */
	bool ended;                      /* the input has */
	bool begun, done;                /* the header is out; the trailer is in `edge` */
	size_t taken;                    /* of what comes next: `edge`, else the head slot */
	unsigned char edge[16];          /* header or trailer */
	size_t edge_len;
	uLong crc;
	uint32_t total; /* of the input, as the trailer has it */
};

static void pack(struct luff_job *job)
{
	struct slot *s = (struct slot *)((char *)job - offsetof(struct slot, job));
	z_stream z = {0};

	s->failed = deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
	if (s->failed != Z_OK)
		return;
	if (s->history > 0)
		s->failed = deflateSetDictionary(&z, s->in + WINDOW - s->history, (uInt)s->history);
	z.next_in = s->in + WINDOW;
	z.avail_in = (uInt)s->len;
	z.next_out = s->packed;
	z.avail_out = PACKED_MAX;
	if (s->failed == Z_OK) {
		int rc = deflate(&z, s->last ? Z_FINISH : Z_SYNC_FLUSH);

		s->failed = rc == (s->last ? Z_STREAM_END : Z_OK) && z.avail_in == 0 ? Z_OK : Z_BUF_ERROR;
	}
	s->packed_len = PACKED_MAX - z.avail_out;
	s->crc = crc32(0, s->in + WINDOW, (uInt)s->len);
	deflateEnd(&z);
}

/* A whole block, unless the input ends. */
static int read_block(struct deflate_reader *d, struct slot *s, struct luff_error *err)
{
	s->len = 0;
	while (s->len < BLOCK) {
		size_t n;
		int rc = luff_reader_read(&n, d->inner, s->in + WINDOW + s->len, BLOCK - s->len, err);

		if (rc < 0)
			return rc;
		if (n == 0) {
			d->ended = true;
			break;
		}
		s->len += n;
	}
	/* also an input whose length is a multiple of the block ends with a block of its own */
	s->last = d->ended;
	return 0;
}

static int feed(struct deflate_reader *d, struct luff_error *err)
{
	while (d->filled < d->slot_count && !d->ended) {
		struct slot *s = &d->slots[(d->head + d->filled) % d->slot_count];
		const struct slot *before =
			&d->slots[(d->head + d->filled + d->slot_count - 1) % d->slot_count];
		struct luff_error alone = {0};
		int rc;

		/* what was read before this block: a whole block, so there is a whole window */
		s->history = d->begun ? WINDOW : 0;
		if (s->history > 0)
			memcpy(s->in, before->in + BLOCK, WINDOW);
		rc = read_block(d, s, err);
		if (rc < 0)
			return rc;
		d->begun = true;
		d->filled++;
		s->job = (struct luff_job){.run = pack};
		s->queued = luff_pool_submit(&s->job, &alone) == 0;
		if (!s->queued)
			pack(&s->job);
	}
	return 0;
}

static void set_word(unsigned char *p, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(word >> 8 * i);
}

static void take(size_t *n_out, struct deflate_reader *d, const unsigned char *from, size_t size, void *buf,
		 size_t len)
{
	*n_out = len < size - d->taken ? len : size - d->taken;
	memcpy(buf, from + d->taken, *n_out);
	d->taken += *n_out;
}

static int deflate_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct deflate_reader *d = (struct deflate_reader *)r;

	while (*n_out == 0) {
		struct slot *s = &d->slots[d->head];
		int rc;

		if (d->taken < d->edge_len) {
			take(n_out, d, d->edge, d->edge_len, buf, len);
			continue;
		}
		if (d->edge_len > 0)
			d->taken = d->edge_len = 0;
		if (d->done)
			return 0;
		rc = feed(d, err);
		if (rc < 0)
			return rc;
		if (s->queued)
			luff_pool_wait(&s->job);
		s->queued = false;
		if (s->failed != Z_OK)
			return s->failed == Z_MEM_ERROR ? luff_fail_nomem(err)
							: luff_fail(err, LUFF_EINVAL, "gzip: %d", s->failed);
		if (d->taken < s->packed_len) {
			take(n_out, d, s->packed, s->packed_len, buf, len);
			continue;
		}
		d->crc = crc32_combine(d->crc, s->crc, (z_off_t)s->len);
		d->total += (uint32_t)s->len;
		d->taken = 0;
		d->head = (d->head + 1) % d->slot_count;
		d->filled--;
		if (s->last) {
			d->done = true;
			set_word(d->edge, (uint32_t)d->crc);
			set_word(d->edge + 4, d->total);
			d->edge_len = 8;
		}
	}
	return 0;
}

static void deflate_close(struct luff_reader *r)
{
	struct deflate_reader *d = (struct deflate_reader *)r;

	for (size_t i = 0; i < d->filled; i++) {
		struct slot *s = &d->slots[(d->head + i) % d->slot_count];

		if (s->queued && !luff_pool_take_back(&s->job))
			luff_pool_wait(&s->job);
	}
	luff_reader_close(d->inner);
	free(d->slots);
	free(d);
}

static const struct luff_reader_ops deflate_ops = {.read = deflate_read, .close = deflate_close};

static int open_gzip(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	/* no name, no time, no system (RFC 1952 2.3): nothing that would differ */
	static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255};
	struct deflate_reader *d = calloc(1, sizeof *d);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (d) {
		d->slot_count = processors < 1            ? 2
				: processors >= SLOTS_MAX ? SLOTS_MAX
							  : (size_t)processors + 1;
		d->slots = calloc(d->slot_count, sizeof *d->slots);
	}
	if (!d || !d->slots) {
		free(d);
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	d->base.ops = &deflate_ops;
	d->inner = inner;
	memcpy(d->edge, header, sizeof header);
	d->edge_len = sizeof header;
	d->crc = crc32(0, NULL, 0);
	*out = &d->base;
	return 0;
}

/* ---- zstd ---- */

struct zstd_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	ZSTD_CCtx *zstd;
	bool ended, done;
	size_t begin, end; /* unread input is in[begin, end) */
	unsigned char in[BLOCK / 2];
};

static int zstd_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct zstd_reader *z = (struct zstd_reader *)r;

	while (*n_out == 0 && !z->done) {
		ZSTD_inBuffer in;
		ZSTD_outBuffer out = {.dst = buf, .size = len};
		size_t left;

		if (z->begin == z->end && !z->ended) {
			int rc = luff_reader_read(&z->end, z->inner, z->in, sizeof z->in, err);

			if (rc < 0)
				return rc;
			z->begin = 0;
			z->ended = z->end == 0;
		}
		in = (ZSTD_inBuffer){.src = z->in + z->begin, .size = z->end - z->begin};
		left = ZSTD_compressStream2(z->zstd, &out, &in, z->ended ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return luff_fail(err, LUFF_EINVAL, "zstd: %s", ZSTD_getErrorName(left));
		z->begin += in.pos;
		*n_out = out.pos;
		z->done = z->ended && left == 0;
	}
	return 0;
}

static void zstd_close(struct luff_reader *r)
{
	struct zstd_reader *z = (struct zstd_reader *)r;

	ZSTD_freeCCtx(z->zstd);
	luff_reader_close(z->inner);
	free(z);
}

static const struct luff_reader_ops zstd_ops = {.read = zstd_read, .close = zstd_close};

static int open_zstd(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	struct zstd_reader *z = calloc(1, sizeof *z);

	if (z)
		z->zstd = ZSTD_createCCtx();
	if (!z || !z->zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->zstd, ZSTD_c_checksumFlag, 1))) {
		if (z)
			ZSTD_freeCCtx(z->zstd);
		free(z);
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	z->base.ops = &zstd_ops;
	z->inner = inner;
	*out = &z->base;
	return 0;
}

int luff_reader_open_deflate(struct luff_reader **out, struct luff_reader *inner, bool zstd,
			     struct luff_error *err)
{
	*out = NULL;
	return zstd ? open_zstd(out, inner, err) : open_gzip(out, inner, err);
}
