/* What a call is made of, and what all endpoints ask of it. */
#include "server/call.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "server/endpoints.h"
#include "server/faults.h"
#include "server/listed.h"

#define LOGGED_MAX 1000 /* bytes of an address */

struct luff_call *luff_call_new(const char *uri, struct MHD_Connection *connection)
{
	struct luff_call *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->uri = strndup(uri, LOGGED_MAX);
	if (!r->uri) {
		free(r);
		return NULL;
	}
	r->began = luff_clock_ms();
	r->connection = connection;
	r->expected = -1;
	luff_route_parse(&r->route, uri, &r->malformed);
	return r;
}

void luff_call_free(struct luff_call *r)
{
	if (!r)
		return;
	luff_uploads_leave(r);
	if (r->response)
		luff_mhd.destroy_response(r->response);
	luff_repository_unref(r->repository);
	luff_listed_free(r->listed);
	luff_buffer_release(&r->body);
	luff_watch_free(r->watch);
	free(r->uri);
	free(r);
}

const char *luff_call_header(const struct luff_call *r, const char *name)
{
	if (luff_watch_overlooks(r, name))
		return NULL;
	return luff_mhd.lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

int64_t luff_call_length(const struct luff_call *r)
{
	const char *header = luff_call_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	int64_t length;

	return header && luff_text_int64(&length, header) ? length : -1;
}

const char *luff_call_client(char buf[LUFF_CLIENT_MAX], const struct luff_call *r)
{
	const union MHD_ConnectionInfo *info =
		luff_mhd.get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *from = info ? info->client_addr : NULL;
	bool six = from && from->sa_family == AF_INET6;
	char host[LUFF_CLIENT_MAX - 8], port[8];

	if (!from || getnameinfo(from, six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), host,
				 sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return "";
	snprintf(buf, LUFF_CLIENT_MAX, six ? "[%s]:%s" : "%s:%s", host, port);
	return buf;
}

int luff_call_open(struct luff_call *r, bool create, const char *code, struct luff_error *err)
{
	int rc = luff_repository_open(&r->repository, r->repositories, r->route.repository, create, err);

	if (rc != LUFF_ENOTFOUND)
		return rc;
	return luff_reply_refuse(r, err, MHD_HTTP_NOT_FOUND, code, "no repository %s", r->route.repository);
}
