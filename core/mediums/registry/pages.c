/* See pages.h. */
#include "mediums/registry/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "http/url.h"
#include "mediums/registry/header.h"
#include "mediums/registry/registry.h"

#define PAGE_BYTES_MAX (16 << 20) /* a registry without pages sends all at once */
#define PAGES_MAX 10000
#define EMPTY_PAGES_MAX 100 /* in a row */
#define ITEMS_MAX 1000000

/* Where the next page is, as the registry says, but on the registry itself in any case. */
static int read_link(struct luff_pages *p, struct luff_exchange *x, struct luff_error *err)
{
	const char *value;
	char target[LUFF_URL_MAX + 1];
	LUFF_AUTO(text) resolved = NULL;
	LUFF_AUTO(text) origin = NULL;
	int rc, nth = 0;

	free(luff_take(p->url));
	while ((value = luff_exchange_header(x, "link", nth++)) &&
	       !luff_header_next_link(target, sizeof target, value))
		;
	if (!value)
		return 0;
	rc = luff_url_resolve(&resolved, luff_exchange_url(x), target, err);
	if (rc == 0)
		rc = luff_url_origin(&origin, resolved, err);
	if (rc == 0 && strcmp(origin, p->host->origin) != 0)
		rc = luff_fail(err, LUFF_EFORMAT, "its next page is at another place");
	if (rc == 0 && p->marker && strcmp(p->marker, resolved) == 0)
		rc = luff_fail(err, LUFF_EFORMAT, "its pages go round in a circle");
	if (rc == 0 && (p->count >= PAGES_MAX || p->empty >= EMPTY_PAGES_MAX))
		rc = luff_fail(err, LUFF_ELIMIT, "it does not end after %d pages", p->count);
	if (rc < 0)
		return luff_fail_context(err, "%s: %s", p->place, p->what);
	if ((p->count & (p->count - 1)) == 0) {
		free(p->marker);
		p->marker = strdup(resolved);
		if (!p->marker)
			return luff_fail_nomem(err);
	}
	p->url = luff_take(resolved);
	return 0;
}

static int read_page(struct luff_pages *p, struct luff_error *err)
{
	struct luff_request request = {
		.host = p->host, .method = "GET", .url = p->url, .scope = p->scope, .accept = p->accept};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) body = NULL;
	size_t len;
	int rc = luff_request_read(&x, &body, &len, PAGE_BYTES_MAX, &request, err);

	if (rc < 0)
		return rc == LUFF_ELIMIT ? luff_fail_context(err, "%s: %s", p->place, p->what) : rc;
	if (luff_exchange_status(x) != 200)
		return luff_request_refused(x, p->place, p->what, err);
	cJSON_Delete(p->page);
	p->page = NULL;
	p->next = NULL;
	rc = luff_json_parse(&p->page, body, len, p->what, err);
	if (rc < 0)
		return luff_fail_context(err, "%s", p->place);
	p->count++;
	p->next = luff_json_array(p->page, p->member); /* null where there are none, for some */
	p->next = p->next ? p->next->child : NULL;
	p->empty = p->next ? 0 : p->empty + 1;
	return read_link(p, x, err);
}

int luff_pages_next(const cJSON **out, struct luff_pages *p, struct luff_error *err)
{
	int rc = 0;

	*out = NULL;
	while (rc == 0 && !p->next && p->url)
		rc = read_page(p, err);
	if (rc < 0 || !p->next)
		return rc;
	if (++p->items > ITEMS_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: %s: more than %d items", p->place, p->what,
				 ITEMS_MAX);
	*out = p->next;
	p->next = p->next->next;
	return 0;
}

void luff_pages_release(struct luff_pages *p)
{
	cJSON_Delete(p->page);
	free(p->url);
	free(p->marker);
	*p = (struct luff_pages){0};
}
