/*
 * See exchange.h. libcurl pushes and luff's readers pull: the write callback fills the caller's buffer, what does not fit
 * waits in `spill`, and libcurl is only let run while there is room.
 */
#include "http/exchange.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "http/connection.h"
#include "http/settings.h"
#include "http/url.h"

#define RECEIVE_SIZE (64L << 10) /* what libcurl takes from the socket at once */
#define SEND_SIZE (64L << 10)
#define HEADERS_CAP (64 << 10)  /* bytes of all headers of an answer */
#define HTTP1_SIZE (256L << 10) /* bodies of more go by HTTP/1.1, see set_version() */
#define STALL_MS 60000          /* without a byte, unless settings say otherwise */
#define ANSWER_MS                                                                                            \
	300000 /* the same at least once the body is sent: a registry may have to hash or move a large blob */
#define TICK_MS 100

struct luff_exchange {
	struct luff_reader reader; /* of the body */
	struct luff_connection *connection;
	struct curl_slist *headers;
	char *url;
	char method[8];
	char place[384];                       /* of the URL, for messages */
	int64_t began, limit, stall, moved_at; /* ms */
	int64_t moved; /* grows with what is sent or received of bodies; a head that drips is no progress */
	struct luff_pacer *pacer;

	const char *bytes;
	struct luff_reader *src;
	int64_t size, left; /* of the request's body */
	bool partial;
	int64_t sent; /* as libcurl last counted it */

	struct luff_buffer head; /* "Name: value" and a NUL, many times */
	int status;
	bool headed; /* the headers are complete */
	bool done;   /* libcurl is through with it */
	bool paused;
	CURLcode result;
	struct luff_error failure; /* what a callback met; code 0: nothing */
	char reason[CURL_ERROR_SIZE];

	char *buf; /* the caller's, while it reads */
	size_t room, filled;
	char *spill; /* RECEIVE_SIZE */
	size_t spill_at, spill_len;
	int64_t received;
};

LUFF_DEFINE_AUTO(exchange, struct luff_exchange *, luff_exchange_close);

/* ---- What libcurl calls ---- */

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct luff_exchange *x = arg;
	size_t n = len * one;

	if (x->headed)
		return n; /* trailers */
	while (n > 0 && strchr("\r\n \t", line[n - 1]))
		n--;
	if (n == 0) {
		long status = 0;

		luff_curl.easy_getinfo(x->connection->easy, CURLINFO_RESPONSE_CODE, &status);
		x->status = (int)status;
		x->headed = status >= 200;
	} else if (n >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		luff_buffer_release(&x->head); /* what came before was of a provisional answer */
		luff_buffer_init(&x->head, HEADERS_CAP);
	} else if (luff_buffer_append(&x->head, line, n, &x->failure) < 0 ||
		   luff_buffer_append(&x->head, "", 1, &x->failure) < 0) {
		luff_fail_context(&x->failure, "%s: headers of the answer", x->place);
		return 0;
	}
	return len * one;
}

static size_t on_body(char *from, size_t one, size_t len, void *arg)
{
	struct luff_exchange *x = arg;
	size_t n = len * one, direct = x->room - x->filled, rest;

	direct = n < direct ? n : direct;
	rest = n - direct;
	if (rest > (size_t)RECEIVE_SIZE - x->spill_len) {
		x->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (rest > 0 && !x->spill) {
		x->spill = malloc((size_t)RECEIVE_SIZE);
		if (!x->spill) {
			luff_fail_nomem(&x->failure);
			return 0;
		}
	}
	if (direct > 0)
		memcpy(x->buf + x->filled, from, direct);
	if (rest > 0)
		memcpy(x->spill + x->spill_len, from + direct, rest);
	x->filled += direct;
	x->spill_len += rest;
	x->received += (int64_t)n;
	x->moved += (int64_t)n;
	return n;
}

/* src is asked for its end before its last bytes leave: a body whose digest is wrong never becomes complete. */
static int read_source(size_t *n_out, struct luff_exchange *x, char *buf, size_t len)
{
	size_t more;
	int rc = luff_reader_read(n_out, x->src, buf, len, &x->failure);

	if (rc == 0 && *n_out == 0)
		rc = luff_fail(&x->failure, LUFF_EFORMAT, "%s: the source ends %" PRId64 " bytes early",
			       x->place, x->left);
	if (rc == 0 && (int64_t)*n_out == x->left) {
		char extra;

		rc = luff_reader_read(&more, x->src, &extra, 1, &x->failure);
		if (rc == 0 && more > 0)
			rc = luff_fail(&x->failure, LUFF_ESIZE,
				       "%s: the source has more than %" PRId64 " bytes", x->place, x->size);
	}
	x->moved_at = luff_clock_ms(); /* waiting for src is no stall of the server's */
	return rc;
}

static size_t on_send(char *buf, size_t one, size_t len, void *arg)
{
	struct luff_exchange *x = arg;
	size_t n = len * one;

	if ((int64_t)n > x->left)
		n = (size_t)x->left;
	if (n == 0)
		return 0;
	if (x->headed) /* answered before all was sent: bytes and src may be gone */
		return x->partial ? 0 : CURL_READFUNC_ABORT;
	if (luff_pacer_wait(x->pacer, &x->failure) < 0)
		return CURL_READFUNC_ABORT;
	if (x->bytes)
		memcpy(buf, x->bytes + (x->size - x->left), n);
	else if (read_source(&n, x, buf, n) < 0)
		return CURL_READFUNC_ABORT;
	luff_pacer_spend(x->pacer, n);
	x->left -= (int64_t)n;
	x->moved += (int64_t)n;
	return n;
}

/* libcurl starts over on a new connection where a kept one turns out to be dead. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct luff_exchange *x = arg;

	if (!x->bytes || origin != SEEK_SET || offset < 0 || offset > x->size)
		return x->left == x->size && offset == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK;
	x->left = x->size - offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- Driving libcurl ---- */

static int fail_transfer(struct luff_exchange *x, struct luff_error *err)
{
	if (x->failure.code) {
		*err = x->failure;
		return err->code;
	}
	return luff_connection_fail(x->connection, x->result, x->reason, x->place,
				    x->size > 0 ? x->size - x->left : x->received, err);
}

/* Nothing moved: has that lasted too long? */
static int check_time(struct luff_exchange *x, struct luff_error *err)
{
	int64_t now = luff_clock_ms(), limit = x->stall;
	curl_off_t sent = 0;

	if (x->size > 0 && x->left == 0 && !x->headed && limit < ANSWER_MS)
		limit = ANSWER_MS;
	if (x->size > 0 && !x->headed) {
		luff_curl.easy_getinfo(x->connection->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
		if (sent != x->sent)
			x->moved_at = now;
		x->sent = sent;
	}
	if (now - x->moved_at > limit)
		return luff_fail(err, LUFF_ETIMEOUT, "%s: not a byte for %" PRId64 " s", x->place,
				 limit / 1000);
	if (x->limit && now - x->began > x->limit)
		return luff_fail(err, LUFF_ETIMEOUT, "%s: no answer within %" PRId64 " ms", x->place,
				 x->limit);
	return 0;
}

/* Lets libcurl do what it can without waiting. *moved: something was sent or received, or it is done, well or not. */
static int turn(bool *moved, struct luff_exchange *x, struct luff_error *err)
{
	int64_t before = x->moved;
	CURLMsg *message;
	int running, queued;

	*moved = false;
	if (x->paused) {
		x->paused = false;
		luff_curl.easy_pause(x->connection->easy, CURLPAUSE_CONT);
	}
	if (luff_curl.multi_perform(x->connection->multi, &running) != CURLM_OK)
		return luff_fail(err, LUFF_ENET, "%s: libcurl gives up", x->place);
	while ((message = luff_curl.multi_info_read(x->connection->multi, &queued))) {
		if (message->msg == CURLMSG_DONE) {
			x->done = true;
			x->result = message->data.result;
		}
	}
	*moved = x->moved != before || x->done;
	if (*moved)
		x->moved_at = luff_clock_ms();
	return luff_scope_check(err);
}

/* Waits until something can move, for one tick at most. */
static int wait_tick(struct luff_exchange *x, struct luff_error *err)
{
	int rc = check_time(x, err);

	if (rc == 0)
		luff_curl.multi_poll(x->connection->multi, NULL, 0, TICK_MS, NULL);
	return rc;
}

static int exchange_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct luff_exchange *x = (struct luff_exchange *)r;
	int rc = luff_pacer_wait(x->pacer, err);

	x->buf = buf;
	x->room = len;
	x->filled = x->spill_len - x->spill_at < len ? x->spill_len - x->spill_at : len;
	if (x->filled > 0)
		memcpy(buf, x->spill + x->spill_at, x->filled);
	x->spill_at += x->filled;
	if (x->spill_at == x->spill_len)
		x->spill_at = x->spill_len = 0;
	x->moved_at = luff_clock_ms(); /* the caller's own pause is no stall */
	/* go on while a whole load of libcurl's fits, but wait only for the first byte */
	while (rc == 0 && !x->done && x->spill_len == 0 &&
	       (x->filled == 0 || len - x->filled >= (size_t)RECEIVE_SIZE)) {
		bool moved;

		rc = turn(&moved, x, err);
		if (rc == 0 && !moved && x->filled > 0)
			break;
		if (rc == 0 && !moved)
			rc = wait_tick(x, err);
	}
	if (rc == 0 && x->filled == 0 && x->result != CURLE_OK)
		rc = fail_transfer(x, err);
	luff_pacer_spend(x->pacer, x->filled);
	*n_out = x->filled;
	x->buf = NULL;
	x->room = x->filled = 0;
	return rc;
}

static void exchange_close(struct luff_reader *r)
{
	luff_exchange_close((struct luff_exchange *)r);
}

static const struct luff_reader_ops exchange_ops = {.read = exchange_read, .close = exchange_close};

/* ---- Setting up ---- */

static int add_header(struct luff_exchange *x, const char *line, struct luff_error *err)
{
	struct curl_slist *longer;

	for (const char *p = line; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return luff_fail(err, LUFF_EINVAL, "%s: a header with control characters", x->place);
	}
	longer = luff_curl.slist_append(x->headers, line);
	if (!longer)
		return luff_fail_nomem(err);
	x->headers = longer;
	return 0;
}

static void set_body(struct luff_exchange *x)
{
	CURL *easy = x->connection->easy;

	luff_curl.easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
	luff_curl.easy_setopt(easy, CURLOPT_READDATA, x);
	luff_curl.easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
	luff_curl.easy_setopt(easy, CURLOPT_SEEKDATA, x);
}

static void set_method(struct luff_exchange *x)
{
	CURL *easy = x->connection->easy;

	if (strcmp(x->method, "HEAD") == 0) {
		luff_curl.easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (strcmp(x->method, "PUT") == 0 || strcmp(x->method, "PATCH") == 0) {
		luff_curl.easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		luff_curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
		luff_curl.easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->size);
		luff_curl.easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_SIZE);
		set_body(x);
	} else if (strcmp(x->method, "POST") == 0 && x->size > 0) {
		luff_curl.easy_setopt(easy, CURLOPT_POST, 1L);
		luff_curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->size);
		set_body(x);
	} else if (strcmp(x->method, "POST") == 0) {
		luff_curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
		luff_curl.easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	} else if (strcmp(x->method, "GET") != 0) {
		luff_curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
	}
}

/*
 * HTTP/2 where a TLS server offers it, one request at a time. Against nginx, libcurl 7.88 spent as much processor time on small
 * blobs with it as without, for 300 MB it took 1.0 s in place of 0.9 s to download, and 3 to 4.5 s in place of 0.65 s
 * to upload. So large bodies go out by HTTP/1.1, on a socket of their own, which libcurl keeps beside the other one.
 */
static void set_version(struct luff_exchange *x)
{
	long version = x->size > HTTP1_SIZE ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS;

	luff_curl.easy_setopt(x->connection->easy, CURLOPT_HTTP_VERSION, version);
}

static void set_options(struct luff_exchange *x)
{
	CURL *easy = x->connection->easy;

	luff_curl.easy_setopt(easy, CURLOPT_URL, x->url);
	luff_curl.easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
	luff_curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	luff_curl.easy_setopt(easy, CURLOPT_HEADERDATA, x);
	luff_curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	luff_curl.easy_setopt(easy, CURLOPT_WRITEDATA, x);
	luff_curl.easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_SIZE);
	luff_curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, x->reason);
	set_version(x);
	set_method(x);
}

static void set_limits(struct luff_exchange *x)
{
	const struct luff_settings_kept *k = x->connection->settings;

	x->stall = k && k->settings.idle_timeout ? (int64_t)k->settings.idle_timeout * 1000 : STALL_MS;
	if (k && k->settings.total_timeout && !x->limit)
		x->limit = (int64_t)k->settings.total_timeout * 1000;
}

static int exchange_new(struct luff_exchange **out, const struct luff_exchange_request *request,
			struct luff_error *err)
{
	LUFF_AUTO(exchange) x = calloc(1, sizeof *x);
	LUFF_AUTO(text) origin = NULL;
	int rc;

	*out = NULL;
	if (!x)
		return luff_fail_nomem(err);
	x->reader.ops = &exchange_ops;
	luff_buffer_init(&x->head, HEADERS_CAP);
	x->began = x->moved_at = luff_clock_ms();
	x->limit = request->limit_ms;
	x->pacer = request->pacer;
	x->bytes = request->bytes;
	x->src = request->src;
	x->size = x->left = request->size;
	x->partial = request->partial;
	luff_text_copy(x->method, sizeof x->method, request->method);
	luff_text_printable(x->place, sizeof x->place, request->place ? request->place : request->url);
	if (!request->place)
		x->place[strcspn(x->place, "?")] = '\0';
	x->url = strdup(request->url);
	if (!x->url)
		return luff_fail_nomem(err);
	rc = luff_curl_load(err);
	for (int i = 0; rc == 0 && i < LUFF_EXCHANGE_HEADERS_MAX && request->headers[i]; i++)
		rc = add_header(x, request->headers[i], err);
	if (rc == 0)
		rc = add_header(x, "Expect:", err); /* a pause before each body is not worth it */
	if (rc == 0 && strcmp(x->method, "POST") == 0 && x->size == 0)
		rc = add_header(x, "Content-Type:", err); /* there is no form */
	if (rc == 0)
		rc = luff_url_origin(&origin, x->url, err);
	if (rc == 0)
		rc = luff_connection_take(&x->connection, origin, luff_settings_ref(request->settings),
					  request->least, err);
	if (rc < 0)
		return rc;
	set_limits(x);
	set_options(x);
	luff_curl.multi_add_handle(x->connection->multi, x->connection->easy);
	*out = luff_take(x);
	return 0;
}

/* Where the connection knows another way to the same server; nothing was sent so far. */
static bool try_again(struct luff_exchange *x)
{
	if (!luff_connection_try_otherwise(x->connection, x->result))
		return false;
	x->done = false;
	x->reason[0] = '\0';
	return true;
}

int luff_exchange_open(struct luff_exchange **out, const struct luff_exchange_request *request,
		       struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	int rc = exchange_new(&x, request, err);

	*out = NULL;
	if (!x)
		return rc;
	while (rc == 0 && !x->headed && (!x->done || try_again(x))) {
		bool moved;

		rc = turn(&moved, x, err);
		if (rc == 0 && !moved && !x->headed)
			rc = wait_tick(x, err);
	}
	if (rc == 0 && !x->headed)
		rc = fail_transfer(x, err);
	if (rc == 0 && x->status < 300 && x->left > 0 && !x->partial)
		rc = luff_fail(err, LUFF_EHTTP, "%s: answers %d with %" PRId64 " bytes still to come",
			       x->place, x->status, x->left);
	if (rc < 0) {
		if (luff_scope_logs())
			luff_scope_log("%s %s failed: %s", x->method, x->place, luff_error_name(rc));
		return rc;
	}
	x->bytes = NULL;
	x->src = NULL;
	*out = luff_take(x);
	return 0;
}

/* ---- The answer ---- */

int luff_exchange_status(const struct luff_exchange *x)
{
	return x->status;
}

const char *luff_exchange_url(const struct luff_exchange *x)
{
	return x->url;
}

const char *luff_exchange_header(const struct luff_exchange *x, const char *name, int nth)
{
	size_t len = strlen(name);

	for (size_t at = 0; at < x->head.len; at += strlen(x->head.data + at) + 1) {
		const char *line = x->head.data + at;

		if (strncasecmp(line, name, len) == 0 && line[len] == ':' && nth-- == 0)
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

int64_t luff_exchange_length(const struct luff_exchange *x)
{
	const char *value = luff_exchange_header(x, "content-length", 0);
	int64_t length;

	return value && luff_text_int64(&length, value) ? length : -1;
}

int64_t luff_exchange_unsent(const struct luff_exchange *x)
{
	return x->left;
}

bool luff_exchange_is_private(const struct luff_exchange *x)
{
	return luff_connection_is_private(x->connection);
}

struct luff_reader *luff_exchange_reader(struct luff_exchange *x)
{
	return &x->reader;
}

int luff_exchange_read_all(char **out, size_t *len_out, struct luff_exchange *x, size_t cap,
			   struct luff_error *err)
{
	LUFF_AUTO(buffer) body = {.cap = cap};
	char chunk[16 << 10];
	size_t n;
	int rc;

	*out = NULL;
	*len_out = 0;
	do {
		rc = luff_reader_read(&n, &x->reader, chunk, sizeof chunk, err);
		if (rc == 0)
			rc = luff_buffer_append(&body, chunk, n, err);
		if (rc == LUFF_ELIMIT)
			return luff_fail(err, rc, "%s: the answer has more than %zu bytes", x->place, cap);
	} while (rc == 0 && n > 0);
	if (rc < 0)
		return rc;
	*len_out = body.len;
	*out = luff_buffer_take(&body);
	return *out ? 0 : luff_fail_nomem(err);
}

static void trace(const struct luff_exchange *x)
{
	char url[900], size[16];
	int64_t bytes = x->size > 0 ? x->size - x->left : x->received;

	if (luff_scope_logs())
		luff_scope_log("%s %s %d %s %" PRId64 " ms", x->method,
			       luff_url_redact(url, sizeof url, x->url), x->status,
			       luff_text_size(size, bytes), luff_clock_ms() - x->began);
}

void luff_exchange_close(struct luff_exchange *x)
{
	if (!x)
		return;
	if (x->connection) {
		struct luff_error ignored = {0};
		bool moved;

		/* the end of a body that was read to its last byte may not have been noticed yet */
		if (x->headed && !x->done)
			turn(&moved, x, &ignored);
		if (x->headed)
			trace(x);
		luff_curl.multi_remove_handle(x->connection->multi, x->connection->easy);
		luff_connection_give(x->connection,
				     x->done && x->result == CURLE_OK && !(x->partial && x->left > 0));
	}
	if (x->headers)
		luff_curl.slist_free_all(x->headers);
	luff_buffer_release(&x->head);
	free(x->spill);
	free(x->url);
	free(x);
}
