/*
 * Plain bytes of whatever a layer is stored as. The first bytes decide, never the media type: registries are full of layers whose
 * label lies. Members of the same codec may follow each other; what follows the last one and is none is refused unless it is
 * zero padding, as tar tools leave it.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "stream/codec.h"
#include "stream/points.h"
#include "stream/streams.h"

#define INPUT_SIZE ((size_t)64 << 10)
#define RATIO_FROM ((int64_t)1 << 30) /* what unpacks to no more than that is no bomb */

struct inflate_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	const struct luff_codec *codec; /* NULL: plain */
	void *state;
	bool started;
	bool inside;                     /* of a member, which has begun and not ended */
	bool ended;                      /* the inner reader has */
	struct luff_points_maker *maker; /* borrowed; NULL: no points are made */
	int64_t taken;                   /* bytes of the inner reader */
	int64_t packed, plain;           /* bytes so far, in and out */
	size_t begin, end;               /* unread input is in[begin, end) */
	unsigned char in[INPUT_SIZE];
};

static _Atomic int64_t plain_max = LUFF_UNPACKED_MAX, ratio_max = LUFF_RATIO_MAX;

int luff_limits_set(const struct luff_limits *limits, struct luff_error *err)
{
	if (limits->unpacked < 0 || limits->ratio < 0)
		return luff_fail(err, LUFF_EINVAL, "a limit must not be negative");
	atomic_store(&plain_max, limits->unpacked ? limits->unpacked : LUFF_UNPACKED_MAX);
	atomic_store(&ratio_max, limits->ratio ? limits->ratio : LUFF_RATIO_MAX);
	return 0;
}

/* Where in the inner reader's bytes it is. */
static int64_t position(const struct inflate_reader *f)
{
	return f->taken - (int64_t)(f->end - f->begin);
}

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
		if (f->maker)
			luff_points_maker_take(f->maker, f->in + f->end, n);
		f->taken += (int64_t)n;
		f->ended = n == 0;
		f->end += n;
	}
	return 0;
}

static int start(struct inflate_reader *f, struct luff_error *err)
{
	static const struct luff_codec *const codecs[] = {
		&luff_codec_isal, &luff_codec_gzip, &luff_codec_zstd, &luff_codec_xz, &luff_codec_bzip2};
	int rc = fill(f, LUFF_CODEC_MAGIC, err);

	for (size_t i = 0; rc == 0 && !f->codec && i < sizeof codecs / sizeof *codecs; i++) {
		if (codecs[i]->begins(f->in + f->begin, f->end - f->begin))
			f->codec = codecs[i];
	}
	f->started = true;
	return rc == 0 && f->codec ? f->codec->open(&f->state, err) : rc;
}

/* Between members: true if another one begins, false at the end. Zero padding is skipped. */
static int next_member(bool *more, struct inflate_reader *f, struct luff_error *err)
{
	for (;;) {
		int rc = fill(f, LUFF_CODEC_MAGIC, err);
		const unsigned char *p = f->in + f->begin;
		size_t len = f->end - f->begin;

		if (rc < 0)
			return rc;
		*more = f->codec->begins(p, len);
		if (*more || len == 0)
			return 0;
		if (*p != 0)
			return luff_fail(err, LUFF_EFORMAT, "data after the end of the compressed stream");
		while (f->begin < f->end && f->in[f->begin] == 0)
			f->begin++;
	}
}

static int check_limits(const struct inflate_reader *f, struct luff_error *err)
{
	int64_t most = atomic_load(&plain_max), ratio = atomic_load(&ratio_max);
	char text[16];

	if (f->plain > most)
		return luff_fail(err, LUFF_ELIMIT,
				 "unpacks to more than %s; the limit \"unpacked\" allows more",
				 luff_text_size(text, most));
	if (f->plain > RATIO_FROM && f->plain / ratio > f->packed)
		return luff_fail(err, LUFF_ELIMIT,
				 "unpacks to more than %lld times its size; the limit \"ratio\" allows more",
				 (long long)ratio);
	return 0;
}

static int step(size_t *n_out, struct inflate_reader *f, void *buf, size_t len, struct luff_error *err)
{
	struct luff_codec_io io = {f->in + f->begin, f->end - f->begin, buf, len};
	size_t have = io.in_len;
	int64_t back = -1;
	bool ended = false;
	bool asks = f->maker && f->codec->step_to_block && luff_points_maker_asks(f->maker, position(f));
	int rc = asks ? f->codec->step_to_block(&back, &ended, f->state, &io, err)
		      : f->codec->step(&ended, f->state, &io, err);

	if (rc < 0)
		return rc;
	f->begin = f->end - io.in_len;
	f->inside = !ended;
	*n_out = len - io.out_len;
	f->packed += (int64_t)(have - io.in_len);
	f->plain += (int64_t)*n_out;
	if (f->maker)
		luff_points_maker_pass(f->maker, position(f), buf, *n_out);
	if (back >= 0)
		luff_points_maker_block(f->maker, position(f) - back / 8, (int)(back % 8));
	if (*n_out == 0 && f->inside && f->ended && io.in_len == have)
		return luff_fail(err, LUFF_EFORMAT, "the compressed stream is cut off");
	return check_limits(f, err);
}

static int inflate_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct inflate_reader *f = (struct inflate_reader *)r;
	int rc = f->started ? 0 : start(f, err);

	if (rc < 0)
		return rc;
	if (!f->codec) {
		if (f->begin == f->end)
			return luff_reader_read(n_out, f->inner, buf, len, err);
		*n_out = len < f->end - f->begin ? len : f->end - f->begin;
		memcpy(buf, f->in + f->begin, *n_out);
		f->begin += *n_out;
		return 0;
	}
	while (rc == 0 && *n_out == 0) {
		bool more = true;

		if (!f->inside) {
			rc = next_member(&more, f, err);
			if (rc < 0 || !more)
				return rc;
			f->inside = true;
			if (f->maker)
				luff_points_maker_begin(f->maker, position(f), f->plain);
		}
		rc = fill(f, 1, err);
		if (rc == 0)
			rc = step(n_out, f, buf, len, err);
	}
	return rc;
}

static void inflate_close(struct luff_reader *r)
{
	struct inflate_reader *f = (struct inflate_reader *)r;

	if (f->state)
		f->codec->close(f->state);
	luff_reader_close(f->inner);
	free(f);
}

static const struct luff_reader_ops inflate_ops = {.read = inflate_read, .close = inflate_close};

static int open_reader(struct inflate_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	struct inflate_reader *f = calloc(1, sizeof *f);

	*out = f;
	if (!f) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	f->base.ops = &inflate_ops;
	f->inner = inner;
	return 0;
}

int luff_reader_open_inflate_making(struct luff_reader **out, struct luff_reader *inner,
				    struct luff_points_maker *maker, struct luff_error *err)
{
	struct inflate_reader *f = NULL;
	int rc = open_reader(&f, inner, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	f->maker = maker;
	*out = &f->base;
	return 0;
}

int luff_reader_open_inflate(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	return luff_reader_open_inflate_making(out, inner, NULL, err);
}

int luff_reader_open_inflate_at(struct luff_reader **out, struct luff_reader *inner,
				const struct luff_points *points, const struct luff_point *point,
				struct luff_error *err)
{
	unsigned char window[LUFF_POINTS_WINDOW];
	struct inflate_reader *f = NULL;
	size_t len = 0;
	int rc = open_reader(&f, inner, err);

	*out = NULL;
	if (rc == 0 && point->bits >= 0) {
		f->codec = &luff_codec_gzip;
		f->started = f->inside = true;
		rc = luff_points_window(window, &len, points, point, err);
		if (rc == 0)
			rc = luff_codec_gzip_resume(&f->state, window, len, point->bits, err);
	}
	if (rc < 0) {
		if (f)
			luff_reader_close(&f->base);
		return rc;
	}
	*out = &f->base;
	return 0;
}
