/* See faults.h. What a fault does to a body it does as a reader over it; logins are in login.c. */
#include "server/faults.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/scope.h"
#include "medium.h"
#include "server/login.h"

#define REQUESTS_MAX 10000
#define REQUEST_BYTES_MAX ((size_t)64 << 20) /* of all requests that are remembered */

/* A request that is remembered, in one piece of memory with all its texts. */
struct record {
	struct luff_server_request request; /* first: who frees it knows no more of it */
	size_t bytes;
};

struct luff_faults {
	const struct luff_fault *list;
	size_t count;
	atomic_llong *seen; /* requests that each of them concerned */
	const char *address;
	struct luff_scope *scope;
	pthread_mutex_t lock; /* of the records */
	struct luff_server_request *first, **last;
	size_t records, record_bytes;
};

struct luff_watch {
	struct luff_faults *faults;
	const struct luff_fault *fault; /* that happens to this call, or NULL */
	char *path, *query;             /* as they came; query NULL: none */
	bool recorded;
};

/* ---- A server's faults ---- */

static bool is_header(const struct luff_header *h)
{
	static const char *const ours[] = {MHD_HTTP_HEADER_CONTENT_LENGTH, MHD_HTTP_HEADER_TRANSFER_ENCODING};
	bool good = h->name && *h->name;

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		good = good && strcasecmp(h->name, ours[i]) != 0;
	for (const char *p = h->name; good && *p; p++)
		good = *p > ' ' && *p < 0x7f && *p != ':';
	for (const char *p = h->value; good && p && *p; p++)
		good = (unsigned char)*p >= ' ' && *p != 0x7f;
	return good;
}

static const char *what_is_wrong(const struct luff_fault *f)
{
	if (f->after < 0 || f->count < 0 || f->every < 0)
		return "after, count and every are not negative";
	if (f->status && (f->status < 200 || f->status > 599))
		return "status must be 200 to 599";
	if (f->body && !f->status)
		return "a body needs a status";
	if (f->cut < 0 || f->flip < 0 || f->stall_at < 0 || f->length < -1)
		return "cut, flip, stall_at and length are not negative";
	if (f->stall_ms < 0 || f->stall_ms > LUFF_FAULT_STALL_MAX * 1000)
		return "stall must be 0 to 100 seconds";
	if (f->token_ttl < 0 || f->token_ttl > 86400)
		return "token_ttl must be 1 to 86400 seconds";
	for (size_t i = 0; i < f->header_count; i++) {
		if (!is_header(&f->headers[i]))
			return "a header that no answer can have; Content-Length is set by length";
	}
	return NULL;
}

static int check(const struct luff_server_options *options, struct luff_error *err)
{
	for (size_t i = 0; i < options->fault_count; i++) {
		const char *wrong = what_is_wrong(&options->faults[i]);

		if (wrong)
			return luff_fail(err, LUFF_EINVAL, "fault %zu: %s", i + 1, wrong);
	}
	return 0;
}

int luff_faults_new(struct luff_faults **out, const struct luff_server_options *options, const char *address,
		    struct luff_scope *scope, struct luff_error *err)
{
	struct luff_faults *faults;
	int rc = check(options, err);

	*out = NULL;
	if (rc < 0 || (options->fault_count == 0 && !options->record))
		return rc;
	faults = calloc(1, sizeof *faults);
	if (!faults)
		return luff_fail_nomem(err);
	faults->seen = calloc(options->fault_count + 1, sizeof *faults->seen);
	if (!faults->seen) {
		free(faults);
		return luff_fail_nomem(err);
	}
	faults->list = options->faults;
	faults->count = options->fault_count;
	faults->address = address;
	faults->scope = scope;
	faults->last = &faults->first;
	pthread_mutex_init(&faults->lock, NULL);
	*out = faults;
	return 0;
}

void luff_faults_free(struct luff_faults *faults)
{
	if (!faults)
		return;
	luff_server_requests_free(faults->first);
	pthread_mutex_destroy(&faults->lock);
	free(faults->seen);
	free(faults);
}

/* ---- Records ---- */

struct luff_server_request *luff_faults_take_requests(struct luff_faults *faults)
{
	struct luff_server_request *list;

	pthread_mutex_lock(&faults->lock);
	list = faults->first;
	faults->first = NULL;
	faults->last = &faults->first;
	faults->records = faults->record_bytes = 0;
	pthread_mutex_unlock(&faults->lock);
	return list;
}

void luff_server_requests_free(struct luff_server_request *list)
{
	while (list) {
		struct luff_server_request *next = list->next;

		free(list);
		list = next;
	}
}

/* The newest stay. */
static void keep(struct luff_faults *faults, struct record *record)
{
	pthread_mutex_lock(&faults->lock);
	*faults->last = &record->request;
	faults->last = &record->request.next;
	faults->records++;
	faults->record_bytes += record->bytes;
	while (faults->records > REQUESTS_MAX ||
	       (faults->record_bytes > REQUEST_BYTES_MAX && faults->records > 1)) {
		struct record *oldest = (struct record *)faults->first;

		faults->first = oldest->request.next;
		faults->records--;
		faults->record_bytes -= oldest->bytes;
		free(oldest);
	}
	pthread_mutex_unlock(&faults->lock);
}

/* Where the texts of a record go; with `at` NULL they are only measured. */
struct filling {
	char *at;
	size_t bytes, headers;
	struct luff_header *header; /* the next one */
};

static const char *fill(struct filling *f, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 0;
	char *copy = f->at && text ? memcpy(f->at, text, len) : NULL;

	f->bytes += len;
	f->at = copy ? f->at + len : f->at;
	return copy;
}

static enum MHD_Result fill_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct filling *f = arg;
	struct luff_header header = {.name = fill(f, name), .value = fill(f, value ? value : "")};

	(void)kind;
	f->headers++;
	if (f->header)
		*f->header++ = header;
	return MHD_YES;
}

static void fill_all(struct filling *f, struct luff_server_request *to, const struct luff_call *r)
{
	to->method = fill(f, r->method ? r->method : "");
	to->path = fill(f, r->watch->path);
	to->query = fill(f, r->watch->query);
	luff_mhd.get_connection_values(r->connection, MHD_HEADER_KIND, fill_header, f);
}

/* Out of memory, a request is forgotten. */
static void remember(struct luff_call *r, unsigned status)
{
	struct luff_server_request ignored;
	struct filling size = {0}, f = {0};
	struct record *record;

	if (r->watch->recorded)
		return;
	r->watch->recorded = true;
	fill_all(&size, &ignored, r);
	size.bytes += sizeof *record + size.headers * sizeof *f.header;
	record = calloc(1, size.bytes);
	if (!record)
		return;
	record->bytes = size.bytes;
	f.header = (struct luff_header *)(record + 1);
	f.at = (char *)(f.header + size.headers);
	record->request.headers = f.header;
	record->request.header_count = size.headers;
	record->request.status = (int)status;
	fill_all(&f, &record->request, r);
	keep(r->watch->faults, record);
}

/* ---- Which fault happens ---- */

static bool concerns(const struct luff_fault *f, const struct luff_call *r)
{
	return (!f->method || strcmp(f->method, "*") == 0 || strcmp(f->method, r->method) == 0) &&
	       (!f->path || fnmatch(f->path, r->watch->path, 0) == 0);
}

/* Counts the call where the fault concerns it, and tells whether it is one that it hits. */
static bool is_due(struct luff_faults *faults, size_t i, const struct luff_call *r)
{
	const struct luff_fault *f = &faults->list[i];
	int64_t every = f->every > 0 ? f->every : 1, nth;

	if (!concerns(f, r))
		return false;
	nth = atomic_fetch_add(&faults->seen[i], 1) + 1 - f->after;
	return nth > 0 && nth % every == 0 && (f->count == 0 || nth / every <= f->count);
}

static bool does_more_than_log_in(const struct luff_fault *f)
{
	return f->status || f->header_count || f->cuts || f->flip || f->stall_ms || f->hang_up || f->lies ||
	       f->ignore_range;
}

/* The first one that is due; logins are demanded beside it. False: the login failed and the answer is made. */
static bool choose(struct luff_call *r)
{
	struct luff_watch *w = r->watch;
	struct luff_faults *faults = w->faults;

	for (size_t i = 0; i < faults->count; i++) {
		const struct luff_fault *f = &faults->list[i];

		if (!f->auth || !is_due(faults, i, r))
			continue;
		if (!luff_login_check(r, f, faults->address))
			return false;
		if (!w->fault && does_more_than_log_in(f))
			w->fault = f;
	}
	for (size_t i = 0; i < faults->count; i++) {
		if (!faults->list[i].auth && is_due(faults, i, r) && !w->fault)
			w->fault = &faults->list[i];
	}
	return true;
}

static const struct luff_fault *token_fault(const struct luff_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++) {
		if (faults->list[i].auth == LUFF_FAULT_BEARER)
			return &faults->list[i];
	}
	return NULL;
}

/* ---- A call ---- */

struct luff_watch *luff_watch_new(struct luff_faults *faults, const char *uri)
{
	struct luff_watch *w = calloc(1, sizeof *w);
	const char *query = strchr(uri, '?');

	if (!w)
		return NULL;
	w->faults = faults;
	w->path = strndup(uri, query ? (size_t)(query - uri) : strlen(uri));
	w->query = query ? strdup(query + 1) : NULL;
	if (!w->path || (query && !w->query)) {
		luff_watch_free(w);
		return NULL;
	}
	return w;
}

void luff_watch_free(struct luff_watch *w)
{
	if (!w)
		return;
	free(w->path);
	free(w->query);
	free(w);
}

/* The thread is the connection's own, so it may sleep. */
static void stall(const struct luff_watch *w)
{
	struct luff_error ignored = {0};

	luff_scope_sleep(w->fault->stall_ms, &ignored);
}

static void answer_instead(struct luff_call *r)
{
	const struct luff_fault *f = r->watch->fault;
	struct luff_error ignored = {0};
	char *body = f->body ? strdup(f->body) : NULL;

	if (body)
		luff_reply_bytes(r, (unsigned)f->status, "text/plain", body, strlen(body), &ignored);
	else
		luff_reply_empty(r, (unsigned)f->status, &ignored);
}

bool luff_watch_begin(struct luff_call *r)
{
	struct luff_watch *w = r->watch;
	const struct luff_fault *tokens = token_fault(w->faults);

	if (tokens && strcmp(w->path, LUFF_LOGIN_TOKEN_PATH) == 0 &&
	    strcmp(r->method, MHD_HTTP_METHOD_GET) == 0) {
		luff_login_give_token(r, tokens);
		return r->response != NULL;
	}
	if (!choose(r))
		return r->response != NULL;
	if (!w->fault)
		return true;
	if (w->fault->hang_up) {
		stall(w);
		remember(r, 0);
		return false;
	}
	if (w->fault->status) {
		answer_instead(r);
		return r->response != NULL;
	}
	return true;
}

static void add_headers(struct luff_call *r, const struct luff_fault *f)
{
	for (size_t i = 0; i < f->header_count && r->response; i++) {
		const struct luff_header *h = &f->headers[i];

		if (h->value && luff_mhd.add_response_header(r->response, h->name, h->value) != MHD_YES)
			luff_mhd.destroy_response(luff_take(r->response));
	}
}

void luff_watch_answer(struct luff_call *r)
{
	struct luff_watch *w = r->watch;

	if (w->fault) {
		add_headers(r, w->fault);
		if (w->fault->stall_at == 0)
			stall(w);
	}
	remember(r, r->response ? r->status : 0);
}

void luff_watch_end(struct luff_call *r)
{
	if (r->method)
		remember(r, 0);
}

/* ---- Bodies ---- */

static const struct luff_fault *fault_of(const struct luff_call *r)
{
	return r->watch ? r->watch->fault : NULL;
}

struct bent_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	const struct luff_watch *watch;
	int64_t at, size; /* of the body as it is */
	bool stalled;
};

/* How many bytes may go out at once: up to where the fault does something, or to the end. */
static int64_t reach(const struct bent_reader *b, const struct luff_fault *f)
{
	int64_t left = b->size - b->at;

	if (f->cuts && f->cut - b->at < left)
		left = f->cut - b->at;
	if (f->stall_at > b->at && f->stall_at - b->at < left)
		left = f->stall_at - b->at;
	return left;
}

static int bent_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len, struct luff_error *err)
{
	struct bent_reader *b = (struct bent_reader *)base;
	const struct luff_fault *f = b->watch->fault;
	int64_t left = reach(b, f);
	int rc;

	if (f->stall_at > 0 && b->at >= f->stall_at && !b->stalled) {
		struct luff_scope *old = luff_scope_swap(b->watch->faults->scope);

		b->stalled = true;
		stall(b->watch);
		luff_scope_swap(old);
	}
	if (f->cuts && b->at >= f->cut && f->cut < b->size)
		return luff_fail(err, LUFF_ENET, "cut");
	if (left <= 0)
		return 0;
	rc = luff_reader_read(n_out, b->inner, buf, (int64_t)len < left ? len : (size_t)left, err);
	if (rc == 0 && f->flip > b->at && f->flip <= b->at + (int64_t)*n_out)
		((unsigned char *)buf)[f->flip - b->at - 1] ^= 0xff;
	b->at += (int64_t)*n_out;
	return rc;
}

static void bent_close(struct luff_reader *base)
{
	luff_reader_close(((struct bent_reader *)base)->inner);
	free(base);
}

static const struct luff_reader_ops bent_ops = {.read = bent_read, .close = bent_close};

bool luff_watch_bends(const struct luff_call *r)
{
	const struct luff_fault *f = fault_of(r);

	return f && (f->cuts || f->flip || f->lies || (f->stall_ms && f->stall_at));
}

int luff_watch_body(struct luff_reader **body, int64_t *size, const struct luff_call *r,
		    struct luff_error *err)
{
	struct bent_reader *b = calloc(1, sizeof *b);

	if (!b) {
		luff_reader_close(luff_take(*body));
		return luff_fail_nomem(err);
	}
	*b = (struct bent_reader){.base.ops = &bent_ops, .inner = *body, .watch = r->watch, .size = *size};
	*body = &b->base;
	*size = luff_watch_size(r, *size);
	return 0;
}

int64_t luff_watch_size(const struct luff_call *r, int64_t size)
{
	const struct luff_fault *f = fault_of(r);

	return f && f->lies ? f->length : size;
}

bool luff_watch_hides(const struct luff_call *r, const char *name)
{
	const struct luff_fault *f = fault_of(r);

	for (size_t i = 0; f && i < f->header_count; i++) {
		if (strcasecmp(f->headers[i].name, name) == 0)
			return true;
	}
	return false;
}

bool luff_watch_overlooks(const struct luff_call *r, const char *name)
{
	const struct luff_fault *f = fault_of(r);

	return f && f->ignore_range && strcasecmp(name, MHD_HTTP_HEADER_RANGE) == 0;
}
