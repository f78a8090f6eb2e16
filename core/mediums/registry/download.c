/*
 * Bytes of one blob or manifest from an offset on. Where the connection breaks, the reader goes on from the byte that it
 * has come to: whoever reads notices nothing, and the digest is checked over all of it further up.
 */
#include "mediums/registry/download.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "mediums/registry/header.h"
#include "mediums/registry/retry.h"
#include "mediums/registry/segments.h"
#include "stream/streams.h"

#define PROGRESS (1 << 20)        /* bytes after which a broken connection is forgiven */
#define LARGE ((int64_t)48 << 20) /* blob that may be worth several connections */
#define PROBE ((int64_t)8 << 20)  /* bytes that show how fast one is; as many before may be a burst */
#define FAST 40000                /* bytes per ms: disks and hashes hardly keep up with more */

struct download {
	struct luff_reader base;
	struct luff_medium *medium;
	struct luff_host *host; /* the medium's */
	struct luff_descriptor d;
	luff_download_ask *ask;
	int64_t start, offset; /* of the first byte and of the next one to hand out */
	int64_t end;           /* of the last one, and one more */
	struct luff_exchange *x;
	int64_t broke_at;
	int tries; /* since there was progress */
	/* One connection is watched, until it is known whether it makes the download slow. */
	bool watched;
	int64_t since,
		waited; /* ms: when it began to be, and of these those that were spent waiting for bytes */
	int64_t probe;  /* bytes still to come until then */
	struct luff_reader *segments; /* in place of x from `handover` on; NULL: there is x alone */
	int64_t handover;
};

static void watch(struct download *w)
{
	w->watched = w->end == w->d.size && w->d.size >= LARGE && w->host->pacer.rate <= 0;
	w->since = luff_clock_ms();
	w->waited = 0;
	w->probe = 2 * PROBE;
}

static bool is_whole(const struct download *w, int64_t offset)
{
	return offset == 0 && w->end == w->d.size;
}

/* The answer to a Range may be the part, or all of it. */
static int check_part(const struct download *w, struct luff_exchange *x, struct luff_error *err)
{
	const char *range = luff_exchange_header(x, "content-range", 0);
	const struct luff_descriptor *d = &w->d;
	int64_t first = 0, last = 0, total = 0, length = luff_exchange_length(x);
	int64_t offset = w->offset, want = luff_exchange_status(x) == 200 ? d->size : w->end - offset;

	if (luff_exchange_status(x) == 206 &&
	    (is_whole(w, offset) || !range || !luff_header_content_range(&first, &last, &total, range) ||
	     first != offset || last != w->end - 1 || (total >= 0 && total != d->size)))
		return luff_fail(err, LUFF_EFORMAT,
				 "%s: %s: asked for bytes %" PRId64 " to %" PRId64 ", got another part",
				 w->medium->place, d->digest.text, offset, w->end - 1);
	if (length >= 0 && length != want)
		return luff_fail(err, LUFF_ESIZE,
				 "%s: %s should have %" PRId64 " bytes, the server sends %" PRId64,
				 w->medium->place, d->digest.text, want, length);
	return 0;
}

/* What comes before the part, from a server that knows no ranges. */
static int skip(struct luff_exchange *x, int64_t left, struct luff_error *err)
{
	LUFF_AUTO(text) scratch = NULL;
	int rc = 0;

	if (left == 0)
		return 0;
	scratch = malloc(64 << 10);
	if (!scratch)
		return luff_fail_nomem(err);
	while (rc == 0 && left > 0) {
		size_t n;

		rc = luff_reader_read(&n, luff_exchange_reader(x), scratch,
				      left < 64 << 10 ? (size_t)left : 64 << 10, err);
		if (rc == 0 && n == 0)
			rc = luff_fail(err, LUFF_EFORMAT,
				       "the body ends %" PRId64 " bytes before the part that is wanted",
				       left);
		left -= (int64_t)n;
	}
	return rc;
}

static int ask_server(struct luff_exchange **out, const struct download *w, bool all, struct luff_error *err)
{
	char range[64];

	/* some want to know the end, too */
	snprintf(range, sizeof range, "bytes=%" PRId64 "-%" PRId64, w->offset, w->end - 1);
	return w->ask(out, w->medium, &w->d, all ? NULL : range, err);
}

/* From w->offset on. */
static int open_part(struct download *w, struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	char place[1024];
	bool all = is_whole(w, w->offset);
	int rc = ask_server(&x, w, all, err);

	/* a server that knows no part may still have all of it */
	if (rc == 0 && !all && luff_exchange_status(x) == 416) {
		luff_exchange_close(luff_take(x));
		rc = ask_server(&x, w, true, err);
	}
	if (rc < 0)
		return rc;
	snprintf(place, sizeof place, "%s@%s", w->medium->place, w->d.digest.text);
	if (luff_exchange_status(x) != 200 && luff_exchange_status(x) != 206)
		return luff_request_refused(x, place, "", err);
	rc = check_part(w, x, err);
	if (rc == 0 && luff_exchange_status(x) == 200)
		rc = skip(x, w->offset, err);
	if (rc == 0)
		w->x = luff_take(x);
	return rc;
}

/* After a read that failed: 0 if there is another exchange, at the same offset. */
static int go_on(struct download *w, const struct luff_error *failure, struct luff_error *err)
{
	int rc;

	if (w->offset - w->broke_at >= PROGRESS)
		w->tries = 0;
	w->broke_at = w->offset;
	luff_exchange_close(luff_take(w->x));
	*err = *failure;
	while (luff_retry_is_broken(err) && w->tries < LUFF_RETRY_MAX && w->offset < w->end) {
		rc = luff_retry_pause(w->tries++, NULL, err);
		if (rc == 0)
			rc = open_part(w, err);
		if (rc == 0 && w->watched)
			watch(w);
		if (rc == 0)
			return 0;
	}
	return err->code;
}

/* Who reads may be the slow one, or the connection. Its next bytes come while others are opened. */
static int judge(struct download *w, struct luff_error *err)
{
	int64_t took = luff_clock_ms() - w->since;
	int rc;

	w->watched = false;
	if (w->waited < took / 4 || PROBE > FAST * took)
		return 0;
	w->handover = w->offset + LUFF_SEGMENT_SIZE;
	rc = luff_segments_open(&w->segments, w->medium, &w->d, w->handover, luff_host_most(w->host), w->ask,
				err);
	if (w->segments)
		luff_scope_log("%s: %s: several connections from byte %" PRId64 " on", w->medium->place,
			       w->d.digest.text, w->handover);
	return rc;
}

/* Segments that fail are given up: one connection, which is tried again as often as it takes, does. */
static int read_segments(size_t *n_out, struct download *w, void *buf, size_t len, struct luff_error *err)
{
	struct luff_error failure = {0};
	int rc = luff_reader_read(n_out, w->segments, buf, len, &failure);

	if (rc == 0) {
		luff_exchange_close(luff_take(w->x));
		return 0;
	}
	if (luff_scope_check(err) < 0)
		return err->code;
	luff_scope_log("%s: %s: back to one connection: %s", w->medium->place, w->d.digest.text, failure.msg);
	luff_reader_close(luff_take(w->segments));
	*n_out = 0;
	return w->x ? 0 : open_part(w, err);
}

static int read_one(size_t *n_out, struct download *w, void *buf, size_t len, struct luff_error *err)
{
	struct luff_error failure = {0}, again = {0};
	int64_t before = w->watched ? luff_clock_ms() : 0;
	int rc;

	for (;;) {
		rc = luff_reader_read(n_out, luff_exchange_reader(w->x), buf, len, &failure);
		if (rc == 0)
			break;
		rc = go_on(w, &failure, &again);
		if (rc < 0) {
			*err = again;
			return rc;
		}
	}
	if (w->watched) {
		int64_t now = luff_clock_ms(), rest = w->probe - (int64_t)*n_out;

		w->waited += now - before;
		if (w->probe > PROBE && rest <= PROBE) {
			w->since = now;
			w->waited = 0;
		}
		w->probe = rest;
	}
	return 0;
}

static int download_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len,
			 struct luff_error *err)
{
	struct download *w = (struct download *)base;
	int rc = 0;

	*n_out = 0;
	/* what a server sends beyond a part is not waited for */
	if (w->end < w->d.size && (int64_t)len > w->end - w->offset)
		len = (size_t)(w->end - w->offset);
	if (len == 0)
		return 0;
	if (w->segments && w->offset >= w->handover)
		rc = read_segments(n_out, w, buf, len, err);
	else if (w->segments && (int64_t)len > w->handover - w->offset)
		len = (size_t)(w->handover - w->offset);
	/* still without one where segments were given up */
	if (rc == 0 && w->x)
		rc = read_one(n_out, w, buf, len, err);
	if (rc < 0)
		return rc;
	w->offset += (int64_t)*n_out;
	return w->watched && w->probe <= 0 ? judge(w, err) : 0;
}

static int download_seek(struct luff_reader *base, int64_t offset, struct luff_error *err)
{
	struct download *w = (struct download *)base;

	luff_exchange_close(luff_take(w->x));
	luff_reader_close(luff_take(w->segments));
	w->offset = w->broke_at = w->start + offset;
	w->tries = 0;
	watch(w);
	return open_part(w, err);
}

static void download_close(struct luff_reader *base)
{
	struct download *w = (struct download *)base;

	luff_exchange_close(w->x);
	luff_reader_close(w->segments);
	luff_medium_unref(w->medium);
	free(w);
}

static const struct luff_reader_ops download_ops = {
	.read = download_read, .close = download_close, .seek = download_seek};

int luff_download_open(struct luff_reader **out, struct luff_medium *m, struct luff_host *h,
		       const struct luff_descriptor *d, int64_t offset, int64_t end, luff_download_ask *ask,
		       struct luff_error *err)
{
	struct download *w;
	int rc;

	if (offset == end && (offset > 0 || end < d->size))
		return luff_reader_open_bytes(out, "", 0, err);
	w = calloc(1, sizeof *w);
	if (!w)
		return luff_fail_nomem(err);
	w->base.ops = &download_ops;
	w->medium = m;
	w->host = h;
	w->d = *d;
	w->ask = ask;
	w->start = w->offset = w->broke_at = offset;
	w->end = end;
	rc = open_part(w, err);
	if (rc < 0) {
		free(w);
		return rc;
	}
	watch(w);
	luff_medium_ref(m);
	*out = &w->base;
	return 0;
}
