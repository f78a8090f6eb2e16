/* Answers of every kind, errors among them (distribution-spec, "Error Codes"); declared in call.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "server/call.h"
#include "server/faults.h"
#include "stream/streams.h"

#define BLOCK_SIZE (128 << 10) /* bytes of a blob in memory that go to a socket at a time */
#define HEADER_MAX 2048

/* `response` NULL: out of memory. */
static int reply(struct luff_call *r, unsigned status, struct MHD_Response *response, int64_t size,
		 struct luff_error *err)
{
	if (r->response)
		luff_mhd.destroy_response(r->response);
	r->response = NULL;
	if (!response)
		return luff_fail_nomem(err);
	r->status = status;
	r->response = response;
	r->sent = size > 0 ? size : 0;
	return 0;
}

/* A body at hand, made a stream for a fault to bend. Takes `bytes` over. */
static int reply_bent(struct luff_call *r, unsigned status, char *bytes, size_t len, struct luff_error *err)
{
	struct luff_reader *reader = NULL;
	int rc = luff_reader_open_owned(&reader, bytes, len, err);

	return rc < 0 ? rc : luff_reply_reader(r, status, reader, (int64_t)len, err);
}

int luff_reply_empty(struct luff_call *r, unsigned status, struct luff_error *err)
{
	static char nothing[1];

	if (luff_watch_bends(r))
		return reply_bent(r, status, NULL, 0, err);
	return reply(r, status, luff_mhd.create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT), 0,
		     err);
}

int luff_reply_bytes(struct luff_call *r, unsigned status, const char *type, char *bytes, size_t len,
		     struct luff_error *err)
{
	int rc;

	if (luff_watch_bends(r)) {
		rc = reply_bent(r, status, bytes, len, err);
	} else {
		rc = reply(r, status, luff_mhd.create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE),
			   (int64_t)len, err);
		if (rc < 0)
			free(bytes);
	}
	if (rc < 0)
		return rc;
	luff_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "%s", type);
	return 0;
}

static bool comes_from_this_machine(const struct luff_call *r)
{
	const union MHD_ConnectionInfo *info =
		luff_mhd.get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *from = info ? info->client_addr : NULL;

	if (from && from->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)from)->sin6_addr);
	return from && from->sa_family == AF_INET &&
	       ntohl(((const struct sockaddr_in *)from)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/*
 * By sendfile, which takes two fifths of the CPU that blocks take. But what it hands to a client on the same machine are pages
 * that no processor has in its cache: copying takes those pains from the client, who is the slower one, and in all it is less.
 */
int luff_reply_file(struct luff_call *r, unsigned status, int fd, int64_t offset, int64_t size,
		    struct luff_error *err)
{
	struct luff_reader *reader = NULL;
	int rc;

	if (size == 0) {
		close(fd);
		return luff_reply_empty(r, status, err);
	}
	if (luff_watch_bends(r) || comes_from_this_machine(r)) {
		rc = luff_reader_open_fd(&reader, fd, offset, err);
		return rc < 0 ? rc : luff_reply_reader(r, status, reader, size, err);
	}
	rc = reply(r, status,
		   luff_mhd.create_response_from_fd_at_offset64((uint64_t)size, fd, (uint64_t)offset), size,
		   err);
	if (rc < 0)
		close(fd);
	return rc;
}

/* libmicrohttpd stops asking at the size that it was told; an end before breaks the connection off. */
static ssize_t read_block(void *arg, uint64_t offset, char *buf, size_t max)
{
	struct luff_error err = {0};
	size_t n;

	(void)offset;
	if (luff_reader_read(&n, arg, buf, max, &err) < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void close_reader(void *arg)
{
	luff_reader_close(arg);
}

int luff_reply_reader(struct luff_call *r, unsigned status, struct luff_reader *reader, int64_t size,
		      struct luff_error *err)
{
	int rc = luff_watch_bends(r) ? luff_watch_body(&reader, &size, r, err) : 0;

	if (rc < 0)
		return rc;
	/* a size of -1 is libmicrohttpd's MHD_SIZE_UNKNOWN */
	rc = reply(r, status,
		   luff_mhd.create_response_from_callback((uint64_t)size, BLOCK_SIZE, read_block, reader,
							  close_reader),
		   size, err);
	if (rc < 0)
		luff_reader_close(reader);
	return rc;
}

/* Never called: the answer to HEAD has no body. */
static ssize_t read_nothing(void *arg, uint64_t offset, char *buf, size_t max)
{
	(void)arg;
	(void)offset;
	(void)buf;
	(void)max;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

int luff_reply_size(struct luff_call *r, unsigned status, int64_t size, struct luff_error *err)
{
	size = luff_watch_size(r, size);
	if (size == 0)
		return luff_reply_empty(r, status, err);
	return reply(r, status,
		     luff_mhd.create_response_from_callback((uint64_t)size, 1, read_nothing, NULL, NULL), 0,
		     err);
}

void luff_reply_header(struct luff_call *r, const char *name, const char *fmt, ...)
{
	char value[HEADER_MAX];
	va_list ap;

	if (luff_watch_hides(r, name))
		return;
	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	if (r->response && luff_mhd.add_response_header(r->response, name, value) != MHD_YES)
		luff_mhd.destroy_response(luff_take(r->response));
}

/* {"errors":[{"code":…,"message":…}]}, malloc'ed; NULL when out of memory */
static char *error_document(const char *code, const char *message)
{
	LUFF_AUTO(json) root = cJSON_CreateObject();
	cJSON *errors = cJSON_AddArrayToObject(root, "errors"), *item = cJSON_CreateObject();

	if (!errors || !cJSON_AddItemToArray(errors, item)) {
		cJSON_Delete(item);
		return NULL;
	}
	if (!cJSON_AddStringToObject(item, "code", code) ||
	    !cJSON_AddStringToObject(item, "message", message))
		return NULL;
	return cJSON_PrintUnformatted(root);
}

int luff_reply_refuse(struct luff_call *r, struct luff_error *err, unsigned status, const char *code,
		      const char *fmt, ...)
{
	char message[sizeof err->msg], printable[sizeof err->msg], *document;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	document = error_document(code, luff_text_printable(printable, sizeof printable, message));
	if (!document || luff_reply_bytes(r, status, "application/json", document, strlen(document), err) < 0)
		return luff_fail_nomem(err);
	return luff_fail(err, LUFF_EHTTP, "%s", code);
}

/* What went wrong here is told in general terms: paths and the like are not the client's business. */
void luff_reply_failure(struct luff_call *r, const struct luff_error *failure)
{
	struct luff_error ignored = {0};

	switch (failure->code) {
	case LUFF_ERATE:
		luff_reply_refuse(r, &ignored, MHD_HTTP_TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "%s",
				  failure->msg);
		break;
	case LUFF_ELIMIT:
		luff_reply_refuse(r, &ignored, MHD_HTTP_INSUFFICIENT_STORAGE, "UNKNOWN", "%s", failure->msg);
		break;
	case LUFF_ECANCELED:
		luff_reply_refuse(r, &ignored, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
				  "the registry is stopping");
		break;
	case LUFF_ENOMEM:
		luff_reply_refuse(r, &ignored, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE", "out of memory");
		break;
	default:
		if (failure->sys_errno == ENOSPC || failure->sys_errno == EDQUOT)
			luff_reply_refuse(r, &ignored, MHD_HTTP_INSUFFICIENT_STORAGE, "UNKNOWN",
					  "no space left");
		else
			luff_reply_refuse(r, &ignored, MHD_HTTP_INTERNAL_SERVER_ERROR, "UNKNOWN",
					  "the registry could not do that (%s)",
					  luff_error_name(failure->code));
	}
}
