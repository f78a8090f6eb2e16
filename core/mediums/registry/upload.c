/*
 * Blobs on their way into a repository. All of one goes in one request, where that is too much in several; what breaks goes on
 * from the byte to which the registry has come, which its answers and the status of the upload tell.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/scope.h"
#include "http/settings.h"
#include "http/url.h"
#include "mediums/registry/header.h"
#include "mediums/registry/placed.h"
#include "mediums/registry/retry.h"
#include "mediums/registry/session.h"
#include "stream/streams.h"

#define PROGRESS (1 << 20)     /* bytes after which a broken connection is forgiven */
#define BOOKMARK_MIN (1 << 20) /* a blob this large is worth a file for the next run */
/*
 * Bytes in one request where the registry wants chunks of any size; and after all at once was too much: then a quarter of
 * that, and so on.
 */
#define CHUNK_ASKED ((int64_t)16 << 20)
#define CHUNK_MAX ((int64_t)64 << 20)
#define CHUNK_MIN ((int64_t)256 << 10)

#define OUT_OF_STEP 416 /* status of an answer to bytes that are not the next ones */

/* ---- Sessions that wait for their push ---- */

void luff_registry_cancel_sessions(struct luff_registry *r)
{
	while (r->sessions) {
		struct luff_session *s = r->sessions;

		r->sessions = s->next;
		luff_session_cancel(s, r);
		luff_session_free(s, false);
	}
}

void luff_registry_keep_session(struct luff_registry *r, struct luff_session *s)
{
	pthread_mutex_lock(&r->lock);
	s->next = r->sessions;
	r->sessions = s;
	pthread_mutex_unlock(&r->lock);
}

/* The session that was kept for the digest, or a new one. NULL when out of memory. */
static struct luff_session *take_session(struct luff_registry *r, const struct luff_digest *digest)
{
	struct luff_session **at, *s;

	pthread_mutex_lock(&r->lock);
	for (at = &r->sessions; *at && !luff_digest_equal(&(*at)->digest, digest); at = &(*at)->next)
		;
	s = *at;
	if (s)
		*at = s->next;
	pthread_mutex_unlock(&r->lock);
	return s ? s : luff_session_new(digest);
}

/* ---- Pieces of the source ---- */

struct upload {
	struct luff_registry *r;
	const struct luff_descriptor *d;
	struct luff_reader *src;
	int64_t read; /* bytes of src before the next one to be read */
	struct luff_session *session;
	struct luff_exchange *x; /* the last answer; NULL: there was none */
	int64_t piece;           /* bytes of the last request */
	int64_t best;            /* bytes that the registry had when a failure was forgiven last */
	int tries;               /* since then */
	bool resumed; /* part of what the registry has was sent in a request that broke, or in another run */
};

/* The next bytes of src, as long as a request wants; behind the last ones of all, its end, at which it was verified. */
struct slice {
	struct luff_reader base;
	struct upload *upload;
	int64_t left;
};

static int slice_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct slice *s = (struct slice *)r;
	struct upload *u = s->upload;
	int rc;

	if (s->left == 0 && u->read < u->d->size)
		return 0;
	if (s->left > 0 && (int64_t)len > s->left)
		len = (size_t)s->left;
	rc = luff_reader_read(n_out, u->src, buf, len, err);
	s->left -= (int64_t)*n_out;
	u->read += (int64_t)*n_out;
	return rc;
}

static const struct luff_reader_ops slice_ops = {.read = slice_read};

/* Goes to the byte that the registry wants next. What another run has sent is read as well: it counts for the digest. */
static int align(struct upload *u, struct luff_error *err)
{
	int64_t want = u->session->done;
	LUFF_AUTO(text) scratch = NULL;
	size_t n = 1;
	int rc = 0;

	if (u->read > want) {
		rc = luff_reader_seek(u->src, want, err);
		u->read = want;
	}
	if (rc < 0 || (u->read == want && want < u->d->size) || u->src->ended)
		return rc;
	scratch = malloc(64 << 10);
	if (!scratch)
		return luff_fail_nomem(err);
	/* where nothing is left to send, up to the end */
	while (rc == 0 && n > 0 && (u->read < want || want == u->d->size)) {
		int64_t left = want > u->read ? want - u->read : 1;

		rc = luff_reader_read(&n, u->src, scratch, left < 64 << 10 ? (size_t)left : 64 << 10, err);
		u->read += (int64_t)n;
	}
	return rc;
}

/* ---- Requests ---- */

static int send_piece(struct upload *u, struct luff_request request, const char *url, int64_t len,
		      struct luff_error *err)
{
	struct slice slice = {.base.ops = &slice_ops, .upload = u, .left = len};

	luff_exchange_close(luff_take(u->x));
	u->piece = len;
	request.host = u->r->host;
	request.url = url;
	request.scope = u->r->push;
	request.content_type = "application/octet-stream";
	request.src = len > 0 ? &slice.base : NULL;
	request.size = len;
	request.once = true;
	return luff_request_send(&u->x, &request, err);
}

/* The registry says how far it has come, which may be less than what it was sent. */
static int read_progress(struct upload *u, struct luff_error *err)
{
	const char *range = luff_exchange_header(u->x, "range", 0);
	int64_t last, sent = u->session->done + u->piece;
	int rc = luff_session_follow(u->session, u->r, u->x, err);

	if (rc == 0 && range && luff_header_upload_range(&last, range) && last < sent - 1) {
		luff_fail(err, LUFF_EHTTP, "%s: was sent %" PRId64 " bytes, and has %" PRId64,
			  u->r->base.place, sent, last + 1);
		err->http_status = OUT_OF_STEP;
		return err->code;
	}
	u->session->done = sent;
	return rc;
}

static int send_chunk(struct upload *u, int64_t len, struct luff_error *err)
{
	struct luff_request request = {.method = "PATCH"};
	char range[64];
	int rc;

	snprintf(range, sizeof range, "%" PRId64 "-%" PRId64, u->session->done, u->session->done + len - 1);
	request.content_range = range;
	rc = send_piece(u, request, u->session->url, len, err);
	if (rc < 0)
		return rc;
	if (luff_exchange_status(u->x) < 200 || luff_exchange_status(u->x) > 299)
		return luff_request_refused(u->x, u->r->base.place, "cannot push", err);
	return read_progress(u, err);
}

/* The request that ends the upload, with all of the blob or after all of it. */
static int finish(struct upload *u, int64_t len, struct luff_error *err)
{
	struct luff_request request = {.method = "PUT"};
	LUFF_AUTO(buffer) url = {.cap = LUFF_URL_MAX};
	const char *session = u->session->url;
	int rc;

	rc = luff_buffer_printf(&url, err, "%s%cdigest=%s", session, strchr(session, '?') ? '&' : '?',
				u->d->digest.text);
	if (rc == 0)
		rc = send_piece(u, request, url.data, len, err);
	return rc < 0 ? rc : luff_registry_check_stored(u->r, u->x, u->d, err);
}

/* Bytes in one request at most. */
static int64_t find_limit(const struct upload *u)
{
	const struct luff_host *host = u->r->host;
	int64_t set = host->settings ? host->settings->settings.chunk_size : 0,
		shown = atomic_load(&host->chunk);
	int64_t limit = set && (!shown || set < shown) ? set : shown;

	if (!limit && u->session->chunk_min)
		limit = CHUNK_ASKED;
	if (!limit)
		return INT64_MAX;
	return limit > u->session->chunk_min ? limit : u->session->chunk_min;
}

/* From where the session stands to the end. */
static int send_rest(struct upload *u, struct luff_error *err)
{
	struct luff_session *s = u->session;
	int64_t size = u->d->size, limit;
	int rc = 0;

	if (!s->url)
		rc = luff_session_open(s, u->r, err);
	if (rc == 0)
		rc = align(u, err);
	if (rc < 0)
		return rc;
	limit = find_limit(u);
	if (s->done == 0 && size <= limit)
		return finish(u, size, err);
	while (rc == 0 && s->done < size) {
		rc = send_chunk(u, size - s->done < limit ? size - s->done : limit, err);
		if (rc == 0)
			rc = align(u, err);
	}
	return rc < 0 ? rc : finish(u, 0, err);
}

/* ---- After a failure ---- */

/* A proxy or a registry takes only so much at once: less is tried, by this blob and by all that follow. */
static bool shrink(const struct upload *u)
{
	atomic_llong *shown = &u->r->host->chunk;
	int64_t chunk = atomic_load(shown);

	if (!chunk || chunk >= u->piece) /* else another one has found out meanwhile */
		for (chunk = CHUNK_MAX; chunk >= u->piece && chunk >= CHUNK_MIN;)
			chunk /= 4;
	if (chunk < CHUNK_MIN || chunk < u->session->chunk_min)
		return false;
	atomic_store(shown, chunk);
	return true;
}

enum next { GIVE_UP, AT_ONCE, AFTER_A_PAUSE };

static enum next decide(struct upload *u, const struct luff_error *failure)
{
	int status = failure->http_status;

	/* a request for a place has been repeated by itself */
	if (u->src->failed || !u->session->url || failure->code == LUFF_ECANCELED)
		return GIVE_UP;
	if (status == 413)
		return shrink(u) ? AT_ONCE : GIVE_UP;
	if (u->session->done >= u->best + PROGRESS) {
		u->best = u->session->done;
		u->tries = 0;
	}
	if (u->tries++ == LUFF_RETRY_MAX)
		return GIVE_UP;
	/* 409: the request that broke is still being read */
	if (luff_retry_is_broken(failure) || luff_status_may_pass(status) || status == 409)
		return AFTER_A_PAUSE;
	/* 401: there is a new token */
	if (status == OUT_OF_STEP || (status == 401 && u->x))
		return AT_ONCE;
	/* what it has of earlier may be what it does not like */
	if (u->resumed && u->x && status >= 400 && status < 500 && status != 403) {
		luff_session_cancel(u->session, u->r);
		return AT_ONCE;
	}
	return GIVE_UP;
}

/* Where the registry knows no such upload, the answer that got lost may have been that it is complete. */
static int take_up(bool *stored, struct upload *u, struct luff_error *err)
{
	int rc = u->session->url ? luff_session_ask(u->session, u->r, err) : 0;

	*stored = false;
	if (rc == 0 && u->session->done > u->d->size)
		luff_session_cancel(u->session, u->r);
	u->resumed = u->session->done > 0;
	if (rc < 0 || u->session->url || !u->src->ended)
		return rc;
	return luff_medium_exists(stored, &u->r->base, u->d, err);
}

static int send_all(struct upload *u, struct luff_error *err)
{
	struct luff_error failure = {0}, too_large = {0};
	bool stored = false;
	int rc = 0;

	while (rc == 0 && !stored) {
		struct luff_error now = {0}, stop = {0};
		enum next next;

		if (send_rest(u, &now) == 0)
			return 0;
		/* where src cannot go back, what it should have gone back for counts */
		if (now.code != LUFF_ENOTSUP || !failure.code)
			failure = now;
		if (failure.http_status == 413)
			too_large = failure;
		next = decide(u, &failure);
		if (next == AFTER_A_PAUSE && luff_retry_pause(u->tries - 1, u->x, &stop) < 0)
			next = GIVE_UP;
		if (next == GIVE_UP) {
			*err = stop.code == LUFF_ECANCELED ? stop : failure;
			if (too_large.code && failure.http_status >= 400 && failure.http_status < 500)
				*err = too_large; /* and not in pieces either */
			return err->code;
		}
		rc = take_up(&stored, u, err);
	}
	return rc;
}

/* ---- The whole ---- */

/* An upload that an earlier run began is gone on with, if the registry still knows it. */
static bool find_earlier(struct upload *u)
{
	struct luff_session *earlier = luff_session_new(&u->d->digest);
	LUFF_AUTO(text) url = luff_bookmark_read(u->session->bookmark);
	struct luff_error ignored = {0};

	if (earlier && url && luff_url_resolve(&earlier->url, NULL, url, &ignored) == 0 &&
	    luff_session_ask(earlier, u->r, &ignored) == 0 && earlier->url && earlier->done <= u->d->size) {
		luff_session_cancel(u->session, u->r);
		earlier->bookmark = luff_take(u->session->bookmark);
		luff_session_free(u->session, false);
		u->session = earlier;
		u->resumed = earlier->done > 0;
		return true;
	}
	luff_session_free(earlier, false);
	return false;
}

static void find_bookmark(struct upload *u)
{
	if (u->d->size < BOOKMARK_MIN)
		return;
	u->session->bookmark = luff_bookmark_open(u->r->host->url, u->r->repository, &u->d->digest);
	if (u->session->bookmark && !find_earlier(u) && u->session->url)
		luff_bookmark_write(u->session->bookmark, u->session->url); /* of a mount that was refused */
}

/* What the registry has is worth something to the next run. */
static bool may_be_resumed(const struct upload *u, const struct luff_error *failure)
{
	return u->session->bookmark && !u->src->failed &&
	       (luff_error_may_pass(failure) || failure->code == LUFF_ENET ||
		failure->code == LUFF_ETIMEOUT || failure->code == LUFF_ERATE);
}

int luff_registry_upload(struct luff_registry *r, const struct luff_descriptor *d, struct luff_reader *src,
			 struct luff_error *err)
{
	struct upload u = {.r = r, .d = d, .src = src, .session = take_session(r, &d->digest)};
	bool keep = false;
	int rc;

	if (!u.session)
		return luff_fail_nomem(err);
	find_bookmark(&u);
	rc = send_all(&u, err);
	if (rc == 0)
		luff_placed_add(r->host, &d->digest, r->repository);
	else
		keep = may_be_resumed(&u, err);
	luff_exchange_close(u.x);
	if (rc < 0 && !keep)
		luff_session_cancel(u.session, r);
	luff_session_free(u.session, keep);
	return rc;
}
