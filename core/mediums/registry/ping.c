/* Whether a server is a registry that luff may speak to (distribution-spec, "Determining Support"). */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "mediums/registry/registry.h"

int luff_ping(struct luff_ping *out, const char *registry, bool plain_http, struct luff_error *err)
{
	struct luff_request request = {.method = "GET", .url = "/v2/", .scope = ""};
	LUFF_AUTO(exchange) x = NULL;
	struct luff_host *h = NULL;
	const char *version;
	int rc = luff_host_of_registry(&h, registry, plain_http, err);

	memset(out, 0, sizeof *out);
	if (rc < 0)
		return rc;
	request.host = h;
	rc = luff_request_send(&x, &request, err);
	if (rc == 0 && luff_exchange_status(x) != 200)
		rc = luff_request_refused(x, registry, "does not answer as a registry", err);
	if (rc == 0) {
		luff_text_copy(out->url, sizeof out->url, h->url);
		version = luff_exchange_header(x, "docker-distribution-api-version", 0);
		luff_text_printable(out->version, sizeof out->version, version ? version : "");
	}
	luff_exchange_close(luff_take(x));
	luff_host_unref(h);
	return rc;
}
