/* One call of the API: a request on its way through the server, and the answer to it. */
#ifndef LUFF_SERVER_CALL_H
#define LUFF_SERVER_CALL_H

#include "base/buffer.h"
#include "server/htpasswd.h"
#include "server/microhttpd.h"
#include "server/repositories.h"
#include "server/route.h"
#include "server/upload.h"

#define LUFF_CLIENT_MAX 80

struct luff_access;
struct luff_call;
struct luff_connection;
struct luff_listed;
struct luff_watch;

/* Whether an endpoint's end() makes trees of documents, which takes memory: only so many do at a time. */
enum luff_parsing {
	LUFF_PARSES_NOTHING,
	LUFF_PARSES_AND_READS,
	LUFF_PARSES_AND_WRITES, /* may wait for a disk or another process: that is nothing to readers */
	LUFF_PARSING_COUNT,
};

/* What a kind of address does with a method. Each returns 0, or fails with err or with an answer already made. */
struct luff_endpoint {
	enum luff_route_kind kind;
	enum luff_parsing parsing;
	const char *method;
	/* Optional. The headers are there, the body is not. What fails here reads no body. */
	int (*begin)(struct luff_call *r, struct luff_error *err);
	/* Optional. The body, piece by piece; NULL: it is dropped. */
	int (*body)(struct luff_call *r, const char *bytes, size_t len, struct luff_error *err);
	/* Required. All is there; makes the answer. */
	int (*end)(struct luff_call *r, struct luff_error *err);
};

struct luff_call {
	struct luff_repositories *repositories;
	struct luff_upload_table *uploads;
	struct luff_access *access;
	struct luff_connection *line; /* see connections.h */
	struct MHD_Connection *connection;
	char *uri;              /* the beginning of it, for the log */
	int64_t began;          /* by luff_clock_ms() */
	int64_t received, sent; /* bytes of bodies; those that go out as they are announced */
	const char *method;     /* borrowed from the connection; NULL until the headers are there */
	struct luff_route route;
	struct luff_error malformed; /* what is wrong with the address; code 0: nothing */
	const struct luff_endpoint *endpoint;
	struct luff_repository *repository; /* a reference, for who opened it */
	struct luff_listed *listed; /* by the upstream of a mirror; NULL: by nobody but the repository */
	struct luff_upload *upload; /* claimed, for who claimed it */
	struct luff_buffer body;    /* for who collects it */
	int64_t expected;           /* bytes of a chunk; -1: as many as come */
	int64_t dropped;            /* bytes of a body that nobody wants */
	unsigned status;
	struct MHD_Response *response; /* the answer, once it is made */
	struct luff_watch *watch;      /* see faults.h; NULL where nobody watches */
	char user[LUFF_USER_MAX + 1];  /* who has logged in, or empty */
};

/** For libmicrohttpd, which calls it with the request line; NULL when out of memory. */
struct luff_call *luff_call_new(const char *uri, struct MHD_Connection *connection);
/** Lets go of all that the request still holds. NULL is fine. */
void luff_call_free(struct luff_call *r);
/** A request header, or NULL. */
const char *luff_call_header(const struct luff_call *r, const char *name);
/** Content-Length, or -1. */
int64_t luff_call_length(const struct luff_call *r);
/** "192.0.2.7:41573", "[::1]:41573". Returns buf. */
const char *luff_call_client(char buf[LUFF_CLIENT_MAX], const struct luff_call *r);
/** The repository that the route names, in r->repository. `code`: the spec's error code where it does not exist. */
int luff_call_open(struct luff_call *r, bool create, const char *code, struct luff_error *err);

/* ---- Answers: each sets r->status and r->response; one that was made before goes ---- */

/** No body. */
int luff_reply_empty(struct luff_call *r, unsigned status, struct luff_error *err);
/** Takes `bytes` (malloc'ed) over, also when it fails. */
int luff_reply_bytes(struct luff_call *r, unsigned status, const char *type, char *bytes, size_t len,
		     struct luff_error *err);
/** `size` bytes from `offset` of a file. Takes the descriptor over, also when it fails. */
int luff_reply_file(struct luff_call *r, unsigned status, int fd, int64_t offset, int64_t size,
		    struct luff_error *err);
/** The next `size` bytes of a reader, which it takes over, also when it fails. */
int luff_reply_reader(struct luff_call *r, unsigned status, struct luff_reader *reader, int64_t size,
		      struct luff_error *err);
/** For HEAD: the headers of an answer of that many bytes. */
int luff_reply_size(struct luff_call *r, unsigned status, int64_t size, struct luff_error *err);
/** Adds a header to the answer; the value is short. Out of memory, the answer is unmade. */
void luff_reply_header(struct luff_call *r, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Answers with an error (distribution-spec, "Error Codes"); never returns 0, so that `return` ends the endpoint. */
int luff_reply_refuse(struct luff_call *r, struct luff_error *err, unsigned status, const char *code,
		      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/** The same for a failure that no endpoint has a better answer for. */
void luff_reply_failure(struct luff_call *r, const struct luff_error *failure);

#endif
