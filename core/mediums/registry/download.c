/*
 * Bytes of one blob or manifest from an offset on. Where the connection breaks, the reader goes on from the byte that it
 * has come to: whoever reads notices nothing, and the digest is checked over all of it further up.
 */
#include "mediums/registry/download.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "mediums/registry/header.h"
#include "mediums/registry/retry.h"
#include "stream/streams.h"

#define PROGRESS (1 << 20) /* bytes after which a broken connection is forgiven */

struct download {
	struct luff_reader base;
	struct luff_medium *medium;
	struct luff_descriptor d;
	luff_download_ask *ask;
	int64_t start, offset; /* of the first byte and of the next one to hand out */
	struct luff_exchange *x;
	int64_t broke_at;
	int tries; /* since there was progress */
};

/* The answer to a Range may be the part, or all of it. */
static int check_part(const struct download *w, struct luff_exchange *x, struct luff_error *err)
{
	const char *range = luff_exchange_header(x, "content-range", 0);
	const struct luff_descriptor *d = &w->d;
	int64_t first = 0, last = 0, total = 0, length = luff_exchange_length(x);
	int64_t offset = w->offset, want = luff_exchange_status(x) == 200 ? d->size : d->size - offset;

	if (luff_exchange_status(x) == 206 &&
	    (offset == 0 || !range || !luff_header_content_range(&first, &last, &total, range) ||
	     first != offset || last != d->size - 1 || (total >= 0 && total != d->size)))
		return luff_fail(err, LUFF_EFORMAT,
				 "%s: %s: asked for bytes %" PRId64 " to %" PRId64 ", got another part",
				 w->medium->place, d->digest.text, offset, d->size - 1);
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

static int ask_server(struct luff_exchange **out, const struct download *w, int64_t offset,
		      struct luff_error *err)
{
	char range[64];

	/* some want to know the end, too */
	snprintf(range, sizeof range, "bytes=%" PRId64 "-%" PRId64, offset, w->d.size - 1);
	return w->ask(out, w->medium, &w->d, offset > 0 ? range : NULL, err);
}

/* From w->offset on. */
static int open_part(struct download *w, struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	char place[1024];
	int rc = ask_server(&x, w, w->offset, err);

	/* a server that knows no part may still have all of it */
	if (rc == 0 && w->offset > 0 && luff_exchange_status(x) == 416) {
		luff_exchange_close(luff_take(x));
		rc = ask_server(&x, w, 0, err);
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
	while (luff_retry_is_broken(err) && w->tries < LUFF_RETRY_MAX && w->offset < w->d.size) {
		rc = luff_retry_pause(w->tries++, NULL, err);
		if (rc == 0)
			rc = open_part(w, err);
		if (rc == 0)
			return 0;
	}
	return err->code;
}

static int download_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len,
			 struct luff_error *err)
{
	struct download *w = (struct download *)base;
	struct luff_error failure = {0}, again = {0};
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
	w->offset += (int64_t)*n_out;
	return 0;
}

static int download_seek(struct luff_reader *base, int64_t offset, struct luff_error *err)
{
	struct download *w = (struct download *)base;

	luff_exchange_close(luff_take(w->x));
	w->offset = w->broke_at = w->start + offset;
	w->tries = 0;
	return open_part(w, err);
}

static void download_close(struct luff_reader *base)
{
	struct download *w = (struct download *)base;

	luff_exchange_close(w->x);
	luff_medium_unref(w->medium);
	free(w);
}

static const struct luff_reader_ops download_ops = {
	.read = download_read, .close = download_close, .seek = download_seek};

int luff_download_open(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		       int64_t offset, luff_download_ask *ask, struct luff_error *err)
{
	struct download *w;
	int rc;

	if (offset > 0 && offset == d->size)
		return luff_reader_open_bytes(out, "", 0, err);
	w = calloc(1, sizeof *w);
	if (!w)
		return luff_fail_nomem(err);
	w->base.ops = &download_ops;
	w->medium = m;
	w->d = *d;
	w->ask = ask;
	w->start = w->offset = w->broke_at = offset;
	rc = open_part(w, err);
	if (rc < 0) {
		free(w);
		return rc;
	}
	luff_medium_ref(m);
	*out = &w->base;
	return 0;
}
