/*
 * The embedded registry: requests from libmicrohttpd to the endpoints, answers back. One thread per connection: disk and hash
 * may take their time, and a file goes out by sendfile in large pieces.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/error.h"
#include "base/scope.h"
#include "server/access.h"
#include "server/connections.h"
#include "server/endpoints.h"
#include "server/faults.h"
#include "server/gc.h"
#include "server/guard.h"
#include "server/listen.h"
#include "server/microhttpd.h"
#include "server/mirror.h"
#include "server/tls.h"

#define MEMORY_CAP ((int64_t)1 << 30)
#define CONNECTIONS_MAX 512
#define UPLOADS_MAX 1024
#define REPOSITORIES_KEPT 64
#define IDLE_SECONDS 120
/* Headers, and half of it for a body on its way in; resident in each connection that is kept open. */
#define CONNECTION_MEMORY (64 << 10)
#define STACK_SIZE (256 << 10)
#define PARSING_MAX 4 /* requests of a kind that parse at a time: a tree is many times its text */
#define DROPPED_MAX                                                                                          \
	(64 << 20) /* bytes of an unwanted body that are read so that the client hears why it is unwanted */

struct luff_server {
	struct MHD_Daemon *daemon;
	struct luff_tls *tls; /* NULL: plain HTTP */
	struct luff_repositories *repositories;
	struct luff_upload_table *uploads;
	struct luff_guard *guard;
	struct luff_mirror *mirror; /* NULL: it is none */
	struct luff_access *access;
	struct luff_connections *connections;
	size_t connections_max;
	int idle_seconds;
	int64_t upload_max; /* 0: no end */
	bool metrics;
	sem_t parsing[LUFF_PARSING_COUNT];
	struct luff_faults *faults; /* NULL: none, and no records */
	struct luff_gc_timer *gc;   /* NULL: garbage stays */
	struct luff_scope scope;    /* of every request */
	char address[LUFF_ADDRESS_MAX];
};

/* ---- GET /v2/ ---- */

static int get_root(struct luff_call *r, struct luff_error *err)
{
	char *body = strdup("{}");

	return body ? luff_reply_bytes(r, MHD_HTTP_OK, "application/json", body, 2, err)
		    : luff_fail_nomem(err);
}

static const struct luff_endpoint endpoints[] = {
	{LUFF_ROUTE_ROOT, LUFF_PARSES_NOTHING, "GET", NULL, NULL, get_root},
	{LUFF_ROUTE_CATALOG, LUFF_PARSES_NOTHING, "GET", NULL, NULL, luff_lists_catalog},
	{LUFF_ROUTE_TAGS, LUFF_PARSES_AND_READS, "GET", NULL, NULL, luff_lists_tags},
	{LUFF_ROUTE_MANIFEST, LUFF_PARSES_AND_READS, "GET", NULL, NULL, luff_manifests_get},
	{LUFF_ROUTE_MANIFEST, LUFF_PARSES_AND_WRITES, "PUT", luff_manifests_put_begin,
	 luff_manifests_put_body, luff_manifests_put},
	{LUFF_ROUTE_MANIFEST, LUFF_PARSES_AND_WRITES, "DELETE", NULL, NULL, luff_manifests_delete},
	{LUFF_ROUTE_BLOB, LUFF_PARSES_NOTHING, "GET", NULL, NULL, luff_blobs_get},
	{LUFF_ROUTE_BLOB, LUFF_PARSES_AND_WRITES, "DELETE", NULL, NULL, luff_blobs_delete},
	{LUFF_ROUTE_UPLOADS, LUFF_PARSES_NOTHING, "POST", luff_uploads_start_begin, luff_uploads_body,
	 luff_uploads_start},
	{LUFF_ROUTE_UPLOAD, LUFF_PARSES_NOTHING, "GET", NULL, NULL, luff_uploads_status},
	{LUFF_ROUTE_UPLOAD, LUFF_PARSES_NOTHING, "PATCH", luff_uploads_chunk_begin, luff_uploads_body,
	 luff_uploads_chunk},
	{LUFF_ROUTE_UPLOAD, LUFF_PARSES_NOTHING, "PUT", luff_uploads_finish_begin, luff_uploads_body,
	 luff_uploads_finish},
	{LUFF_ROUTE_UPLOAD, LUFF_PARSES_NOTHING, "DELETE", NULL, NULL, luff_uploads_cancel},
	{LUFF_ROUTE_REFERRERS, LUFF_PARSES_AND_READS, "GET", NULL, NULL, luff_referrers_list},
	{LUFF_ROUTE_METRICS, LUFF_PARSES_NOTHING, "GET", NULL, NULL, luff_access_get_metrics},
};

/* ---- requests ---- */

/* An address that no endpoint gets to see. */
static int refuse_route(struct luff_call *r, struct luff_error *err)
{
	const char *code = r->route.refusal ? r->route.refusal : "UNSUPPORTED";
	unsigned status = r->route.refusal ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_NOT_FOUND;

	if (strcmp(code, "BLOB_UPLOAD_UNKNOWN") == 0)
		status = MHD_HTTP_NOT_FOUND;
	if (r->route.too_many)
		status = MHD_HTTP_URI_TOO_LONG;
	/* a name that nothing can have is not there; nor can anything get it */
	if (strcmp(code, "MANIFEST_INVALID") == 0 && strcmp(r->method, MHD_HTTP_METHOD_PUT) != 0) {
		status = MHD_HTTP_NOT_FOUND;
		code = "MANIFEST_UNKNOWN";
	}
	return luff_reply_refuse(r, err, status, code, "%s", r->malformed.msg);
}

/* What is too large is not kept either: nobody can finish it. */
static int check_upload(const struct luff_server *server, struct luff_call *r, int64_t more,
			struct luff_error *err)
{
	if (!r->upload || server->upload_max == 0 || more <= 0 ||
	    more <= server->upload_max - atomic_load(&r->upload->size))
		return 0;
	luff_upload_drop(luff_take(r->upload));
	return luff_reply_refuse(r, err, MHD_HTTP_CONTENT_TOO_LARGE, "SIZE_INVALID",
				 "a blob has at most %lld bytes here", (long long)server->upload_max);
}

static int begin(struct luff_server *server, struct luff_call *r, struct luff_error *err)
{
	const char *method = strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0 ? MHD_HTTP_METHOD_GET : r->method;
	int rc = luff_guard_begin(r, server->guard, err);

	if (rc < 0)
		return rc;

	if (r->malformed.code)
		return refuse_route(r, err);
	for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints && !r->endpoint; i++) {
		if (endpoints[i].kind == r->route.kind && strcmp(endpoints[i].method, method) == 0)
			r->endpoint = &endpoints[i];
	}
	if (!r->endpoint)
		return luff_reply_refuse(r, err, MHD_HTTP_METHOD_NOT_ALLOWED, "UNSUPPORTED",
					 "this address does not do that");
	rc = r->endpoint->begin ? r->endpoint->begin(r, err) : 0;
	return rc < 0 ? rc : check_upload(server, r, luff_call_length(r), err);
}

/* Every answer of the registry goes out here. */
static enum MHD_Result answer(struct luff_call *r)
{
	enum MHD_Result result;

	luff_uploads_leave(r);
	luff_reply_header(r, "Docker-Distribution-API-Version", "registry/2.0");
	if (luff_connection_is_last(r->line))
		luff_reply_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	if (r->watch)
		luff_watch_answer(r);
	if (!r->response)
		return MHD_NO;
	result = luff_mhd.queue_response(r->connection, r->status, r->response);
	luff_mhd.destroy_response(luff_take(r->response));
	return result;
}

/* A client that still sends its body does not read yet. It is heard out, unless it waits for our word or has too much to say. */
static bool answers_early(const struct luff_call *r)
{
	return luff_call_header(r, MHD_HTTP_HEADER_EXPECT) || luff_call_length(r) > DROPPED_MAX;
}

static void fail(struct luff_call *r, int rc, const struct luff_error *err)
{
	if (rc < 0 && !r->response)
		luff_reply_failure(r, err);
}

static int wait_for_turn(sem_t *turn, struct luff_error *err)
{
	int rc = 0;

	while (rc == 0) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (sem_timedwait(turn, &until) == 0)
			return 0;
		rc = luff_scope_check(err);
	}
	return rc;
}

static int end(struct luff_server *server, struct luff_call *r, struct luff_error *err)
{
	sem_t *turn = &server->parsing[r->endpoint->parsing];
	bool parses = r->endpoint->parsing != LUFF_PARSES_NOTHING;
	int rc = luff_guard_end(r, server->guard, err);

	if (rc == 0 && server->mirror)
		rc = luff_mirror_prepare(r, server->mirror, err);
	if (rc == 0 && parses && !r->response)
		rc = wait_for_turn(turn, err);
	if (rc < 0 || r->response)
		return rc;
	rc = r->endpoint->end(r, err);
	if (parses)
		sem_post(turn);
	return rc;
}

static enum MHD_Result step(struct luff_server *server, struct luff_call *r, const char *method,
			    const char *bytes, size_t *len)
{
	struct luff_error err = {0};

	if (!r->method) {
		r->method = method;
		luff_access_begin(server->access);
		luff_connection_begin(r->line);
		if (r->watch && !luff_watch_begin(r))
			return MHD_NO;
		if (!r->response)
			fail(r, begin(server, r, &err), &err);
		return r->response && answers_early(r) ? answer(r) : MHD_YES;
	}
	if (*len > 0) {
		r->received += (int64_t)*len;
		luff_connection_receive(r->line, *len);
		if (!r->response)
			fail(r, check_upload(server, r, (int64_t)*len, &err), &err);
		if (r->response || !r->endpoint->body)
			r->dropped += (int64_t)*len;
		else
			fail(r, r->endpoint->body(r, bytes, *len, &err), &err);
		*len = 0;
		return r->dropped <= DROPPED_MAX ? MHD_YES : MHD_NO;
	}
	luff_connection_work(r->line);
	if (!r->response)
		fail(r, end(server, r, &err), &err);
	return answer(r);
}

static struct luff_connection *line_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		luff_mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void *open_request(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct luff_server *server = arg;
	struct luff_call *r = luff_call_new(uri, connection);

	if (!r)
		return NULL;
	r->repositories = server->repositories;
	r->uploads = server->uploads;
	r->access = server->access;
	r->line = line_of(connection);
	if (server->metrics && strcmp(uri, "/metrics") == 0) {
		r->route.kind = LUFF_ROUTE_METRICS;
		r->malformed.code = 0;
	}
	if (server->faults) {
		r->watch = luff_watch_new(server->faults, uri);
		if (!r->watch)
			luff_call_free(luff_take(r));
	}
	return r;
}

/* Every request of the registry comes in here: with its headers, with each piece of its body, and at its end. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *bytes, size_t *len,
			      void **state)
{
	struct luff_server *server = arg;
	struct luff_scope *old = luff_scope_swap(&server->scope);
	enum MHD_Result result = *state ? step(server, *state, method, bytes, len) : MHD_NO;

	(void)connection;
	(void)url;
	(void)version;
	luff_scope_swap(old);
	return result;
}

static void close_request(void *arg, struct MHD_Connection *connection, void **state,
			  enum MHD_RequestTerminationCode how)
{
	const struct luff_server *server = arg;
	struct luff_call *r = *state;

	(void)connection;
	if (r && r->watch)
		luff_watch_end(r);
	if (r && r->method) {
		luff_access_end(server->access, r, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
		luff_connection_end(r->line);
	}
	luff_call_free(r);
	*state = NULL;
}

static void notice_connection(void *arg, struct MHD_Connection *connection, void **state,
			      enum MHD_ConnectionNotificationCode what)
{
	const struct luff_server *server = arg;
	const union MHD_ConnectionInfo *info = NULL;

	if (what != MHD_CONNECTION_NOTIFY_STARTED) {
		luff_connection_close(*state);
		*state = NULL;
		return;
	}
	info = luff_mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (!info)
		return;
	*state = luff_connection_open(server->connections, info->connect_fd);
	if (!server->tls)
		luff_listen_refuse_tls(info->connect_fd);
}

/* ---- start and stop ---- */

/* Connections, the files that they read and write, uploads and folders share what the process may open. */
static size_t share_of_files(size_t most)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 4 > most)
		return most;
	return limit.rlim_cur / 4;
}

/* Behind TLS, connections come from there. */
static bool add_connection(void *arg, int fd, const struct sockaddr *client, socklen_t client_len)
{
	struct luff_server *server = arg;

	return luff_mhd.add_connection(server->daemon, fd, client, client_len) == MHD_YES;
}

/* Takes the socket over where it returns 0. */
static int start_daemon(struct luff_server *server, int fd, struct luff_error *err)
{
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			 MHD_USE_ITC | (server->tls ? MHD_USE_NO_LISTEN_SOCKET : 0);
	const struct MHD_OptionItem listener[] = {
		{server->tls ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, fd, NULL},
		{MHD_OPTION_END, 0, NULL}};
	sigset_t all, old;
	int rc = 0;

	/* the program's signals are for its own threads */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	server->daemon = luff_mhd.start_daemon(
		flags, 0, NULL, NULL, handle, server, MHD_OPTION_ARRAY, listener, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)server->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)server->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE, MHD_OPTION_URI_LOG_CALLBACK, open_request,
		server, MHD_OPTION_NOTIFY_CONNECTION, notice_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
		close_request, server, MHD_OPTION_END);
	if (!server->daemon)
		rc = luff_fail(err, LUFF_EIO, "cannot start the registry on %s", server->address);
	else if (server->tls)
		rc = luff_tls_start(server->tls, fd, err);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static int prepare_tls(struct luff_server *server, const struct luff_server_options *options,
		       struct luff_error *err)
{
	const struct luff_tls_options tls = {.cert = options->cert,
					     .key = options->key,
					     .self_signed = options->self_signed,
					     .connections_max = server->connections_max,
					     .idle_seconds = server->idle_seconds,
					     .accept = add_connection,
					     .arg = server};

	if (options->self_signed && (options->cert || options->key))
		return luff_fail(err, LUFF_EINVAL, "self_signed: there is a certificate already");
	if (!options->cert && !options->key && !options->self_signed)
		return 0;
	if (!options->self_signed && (!options->cert || !options->key))
		return luff_fail(err, LUFF_EINVAL, "TLS takes a certificate and its key");
	return luff_tls_new(&server->tls, &tls, err);
}

static int take_limits(struct luff_server *server, const struct luff_server_options *options,
		       struct luff_error *err)
{
	if (options->connections && (options->connections < 8 || options->connections > 10000))
		return luff_fail(err, LUFF_EINVAL, "connections: %d is not within 8 and 10000",
				 options->connections);
	if (options->idle_timeout < 0 || options->idle_timeout > 3600)
		return luff_fail(err, LUFF_EINVAL, "idle_timeout: %d is not within 1 and 3600 seconds",
				 options->idle_timeout);
	if (options->upload_max < 0)
		return luff_fail(err, LUFF_EINVAL, "upload_max: below zero");
	server->connections_max =
		share_of_files(options->connections ? (size_t)options->connections : CONNECTIONS_MAX);
	if ((options->cert || options->self_signed) && server->connections_max == share_of_files(SIZE_MAX))
		server->connections_max /= 2; /* TLS takes three files for each */
	server->idle_seconds = options->idle_timeout ? options->idle_timeout : IDLE_SECONDS;
	server->upload_max = options->upload_max;
	server->metrics = options->metrics;
	return 0;
}

int luff_server_start(struct luff_server **out, const struct luff_server_options *options,
		      struct luff_error *err)
{
	struct luff_server *server = calloc(1, sizeof *server);
	int64_t cap = options->memory_cap > 0 ? options->memory_cap : MEMORY_CAP;
	LUFF_AUTO(fd) fd = -1;
	int rc;

	*out = NULL;
	if (!server)
		return luff_fail_nomem(err);
	for (int i = 0; i < LUFF_PARSING_COUNT; i++)
		sem_init(&server->parsing[i], 0, PARSING_MAX);
	rc = take_limits(server, options, err);
	if (rc == 0)
		rc = luff_microhttpd_load(err);
	if (rc == 0)
		rc = luff_access_new(&server->access, options->access_log, err);
	if (rc == 0)
		rc = luff_connections_new(&server->connections, server->connections_max, err);
	if (rc == 0)
		rc = luff_listen_open(&fd, server->address, options->listen ? options->listen : "127.0.0.1:0",
				      err);
	if (rc == 0)
		rc = luff_repositories_new(&server->repositories, options->root, cap,
					   share_of_files(REPOSITORIES_KEPT), err);
	if (rc == 0)
		rc = luff_upload_table_new(&server->uploads, server->repositories,
					   share_of_files(UPLOADS_MAX), err);
	if (rc == 0)
		rc = luff_faults_new(&server->faults, options, server->address, &server->scope, err);
	if (rc == 0)
		rc = luff_mirror_new(&server->mirror, options, server->repositories, &server->scope, err);
	if (rc == 0)
		rc = luff_guard_new(&server->guard, options, err);
	if (rc == 0)
		rc = prepare_tls(server, options, err);
	if (rc == 0)
		rc = start_daemon(server, fd, err);
	if (rc == 0)
		fd = -1;
	if (rc == 0 && options->gc > 0)
		rc = luff_gc_timer_start(&server->gc, server->repositories, options->gc, &server->scope, err);
	if (rc < 0) {
		luff_server_stop(server);
		return rc;
	}
	*out = server;
	return 0;
}

const char *luff_server_address(const struct luff_server *server)
{
	return server->address;
}

int luff_server_take_requests(struct luff_server_request **out, struct luff_server *server,
			      struct luff_error *err)
{
	*out = NULL;
	if (!server->faults)
		return luff_fail(err, LUFF_EINVAL,
				 "%s: records no requests; start it with faults or record = true",
				 server->address);
	*out = luff_faults_take_requests(server->faults);
	return 0;
}

void luff_server_drain(struct luff_server *server, int seconds)
{
	int listener = -1;

	if (server->tls)
		luff_tls_quiesce(server->tls);
	else
		listener = luff_mhd.quiesce_daemon(server->daemon);
	if (listener >= 0)
		close(listener);
	luff_connections_drain(server->connections, seconds);
}

void luff_server_stop(struct luff_server *server)
{
	if (!server)
		return;
	luff_scope_cancel(&server->scope);
	luff_tls_quiesce(server->tls);
	if (server->daemon)
		luff_mhd.stop_daemon(server->daemon);
	luff_tls_free(server->tls);
	luff_gc_timer_stop(server->gc);
	luff_mirror_free(server->mirror);
	luff_upload_table_free(server->uploads);
	luff_repositories_free(server->repositories);
	for (int i = 0; i < LUFF_PARSING_COUNT; i++)
		sem_destroy(&server->parsing[i]);
	luff_faults_free(server->faults);
	luff_guard_free(server->guard);
	luff_connections_free(server->connections);
	luff_access_free(server->access);
	free(server);
}
