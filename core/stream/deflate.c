/*
 * Compression on the way. For gzip, blocks of a fixed size are compressed side by side, each to a member of its own (RFC 1952
 * 2.2: a file is a series of them): the bytes depend on the input alone, and on the version of libdeflate, which takes half of the
 * time that zlib takes. libzstd has threads of its own, whose jobs are the same however many of them there are, from one on.
 */
#include <libdeflate.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"
#include "stream/streams.h"

#define BLOCK ((size_t)512 << 10)
#define SLOTS_MAX 9
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 3
#define ZSTD_JOB (4 << 20) /* bytes of input for a thread, which holds about three times as many */
#define ZSTD_THREADS_MAX 8
#define ZSTD_IN ((size_t)128 << 10)
/* Deflate's stored blocks cost 5 bytes each, of at least 5,000 bytes; a member's header and trailer 18. */
#define PACKED_MAX (BLOCK + BLOCK / 1000 + 64)

struct slot {
	struct luff_job job;
	struct libdeflate_compressor *packer;
	bool queued; /* it has a job to wait for */
	size_t len;  /* of the input */
	size_t packed_len;
	unsigned char in[BLOCK], packed[PACKED_MAX];
};

struct deflate_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct slot *slots;
	size_t slot_count, head, filled; /* a ring, in the order of the input */
	bool begun, ended;               /* a block was read; the input has ended */
	size_t taken;                    /* of the head slot */
};

/* The member's header has no name, no time and no system: nothing that would differ. */
static void pack(struct luff_job *job)
{
	struct slot *s = (struct slot *)((char *)job - offsetof(struct slot, job));

	s->packed_len = libdeflate_gzip_compress(s->packer, s->in, s->len, s->packed, PACKED_MAX);
}

/* A whole block, unless the input ends. */
static int read_block(struct deflate_reader *d, struct slot *s, struct luff_error *err)
{
	s->len = 0;
	while (s->len < BLOCK) {
		size_t n;
		int rc = luff_reader_read(&n, d->inner, s->in + s->len, BLOCK - s->len, err);

		if (rc < 0)
			return rc;
		if (n == 0) {
			d->ended = true;
			break;
		}
		s->len += n;
	}
	return 0;
}

static int feed(struct deflate_reader *d, struct luff_error *err)
{
	while (d->filled < d->slot_count && !d->ended) {
		struct slot *s = &d->slots[(d->head + d->filled) % d->slot_count];
		struct luff_error alone = {0};
		int rc = read_block(d, s, err);

		if (rc < 0)
			return rc;
		/* where the input ends with a block, nothing follows it; an empty input is an empty member */
		if (s->len == 0 && d->begun)
			break;
		d->begun = true;
		d->filled++;
		s->job = (struct luff_job){.run = pack};
		s->queued = luff_pool_submit(&s->job, &alone) == 0;
		if (!s->queued)
			pack(&s->job);
	}
	return 0;
}

static int deflate_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct deflate_reader *d = (struct deflate_reader *)r;

	while (*n_out == 0) {
		struct slot *s = &d->slots[d->head];
		int rc = feed(d, err);

		if (rc < 0 || d->filled == 0)
			return rc;
		if (s->queued)
			luff_pool_wait(&s->job);
		s->queued = false;
		if (s->packed_len == 0)
			return luff_fail(err, LUFF_ELIMIT, "gzip: a block grew");
		*n_out = len < s->packed_len - d->taken ? len : s->packed_len - d->taken;
		memcpy(buf, s->packed + d->taken, *n_out);
		d->taken += *n_out;
		if (d->taken < s->packed_len)
			continue;
		d->taken = 0;
		d->head = (d->head + 1) % d->slot_count;
		d->filled--;
	}
	return 0;
}

static void free_slots(struct deflate_reader *d)
{
	for (size_t i = 0; d->slots && i < d->slot_count; i++)
		libdeflate_free_compressor(d->slots[i].packer);
	free(d->slots);
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
	free_slots(d);
	free(d);
}

static const struct luff_reader_ops deflate_ops = {.read = deflate_read, .close = deflate_close};

/* That this process may use. */
static int processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

static bool make_slots(struct deflate_reader *d)
{
	int most = processors();

	d->slot_count = most >= SLOTS_MAX ? SLOTS_MAX : (size_t)most + 1;
	d->slots = calloc(d->slot_count, sizeof *d->slots);
	for (size_t i = 0; d->slots && i < d->slot_count; i++) {
		d->slots[i].packer = libdeflate_alloc_compressor(GZIP_LEVEL);
		if (!d->slots[i].packer)
			return false;
	}
	return d->slots;
}

static int open_gzip(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	struct deflate_reader *d = calloc(1, sizeof *d);

	if (!d || !make_slots(d)) {
		if (d)
			free_slots(d);
		free(d);
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	d->base.ops = &deflate_ops;
	d->inner = inner;
	*out = &d->base;
	return 0;
}

/* ---- zstd ---- */

static bool set(ZSTD_CCtx *zstd, ZSTD_cParameter parameter, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, parameter, value));
}

/* A libzstd that was built without threads goes without. */
static void set_threads(ZSTD_CCtx *zstd)
{
	int most = processors();

	if (set(zstd, ZSTD_c_nbWorkers, most < ZSTD_THREADS_MAX ? most : ZSTD_THREADS_MAX))
		set(zstd, ZSTD_c_jobSize, ZSTD_JOB);
}

struct zstd_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	ZSTD_CCtx *zstd;
	bool ended, done;
	size_t begin, end; /* unread input is in[begin, end) */
	unsigned char in[ZSTD_IN];
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
	if (!z || !z->zstd || !set(z->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL) ||
	    !set(z->zstd, ZSTD_c_checksumFlag, 1)) {
		if (z)
			ZSTD_freeCCtx(z->zstd);
		free(z);
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	set_threads(z->zstd);
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
