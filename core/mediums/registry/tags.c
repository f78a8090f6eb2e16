/* Tags as a list that arrives page by page (distribution-spec, "Listing Tags"). A registry cannot make it endless. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "mediums/registry/header.h"
#include "mediums/registry/registry.h"
#include "mediums/registry/url.h"

#define PAGE "tags/list?n=1000"   /* more is refused by some */
#define PAGE_BYTES_MAX (16 << 20) /* a registry without pages sends all at once */
#define PAGES_MAX 10000
#define EMPTY_PAGES_MAX 100 /* in a row */
#define TAGS_MAX 1000000
#define SOME_TAGS_MS 2000 /* that a message may take to say what there is */

struct tags_cursor {
	struct luff_cursor base;
	struct luff_medium *medium;
	cJSON *page;
	const cJSON *next;
	char *url;    /* of the page to get, NULL: that was the last one */
	char *marker; /* a URL that was seen; taken anew at each power of two, so that any circle meets it */
	int pages, empty_pages, tags;
};

/* Where the next page is, as the registry says, but on the registry's own list in any case. */
static int read_link(struct tags_cursor *c, struct luff_exchange *x, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(c->medium);
	const char *value;
	char target[LUFF_URL_MAX + 1];
	LUFF_AUTO(text) resolved = NULL;
	LUFF_AUTO(text) origin = NULL;
	int rc, nth = 0;

	free(luff_take(c->url));
	while ((value = luff_exchange_header(x, "link", nth++)) &&
	       !luff_header_next_link(target, sizeof target, value))
		;
	if (!value)
		return 0;
	rc = luff_url_resolve(&resolved, luff_exchange_url(x), target, err);
	if (rc == 0)
		rc = luff_url_origin(&origin, resolved, err);
	if (rc == 0 && strcmp(origin, r->host->origin) != 0)
		rc = luff_fail(err, LUFF_EFORMAT, "its next page is at another place");
	if (rc == 0 && c->marker && strcmp(c->marker, resolved) == 0)
		rc = luff_fail(err, LUFF_EFORMAT, "its pages go round in a circle");
	if (rc == 0 && (c->pages >= PAGES_MAX || c->empty_pages >= EMPTY_PAGES_MAX))
		rc = luff_fail(err, LUFF_ELIMIT, "it does not end after %d pages", c->pages);
	if (rc < 0)
		return luff_fail_context(err, "%s: tag list", c->medium->place);
	if ((c->pages & (c->pages - 1)) == 0) {
		free(c->marker);
		c->marker = strdup(resolved);
		if (!c->marker)
			return luff_fail_nomem(err);
	}
	c->url = luff_take(resolved);
	return 0;
}

static int read_page(struct tags_cursor *c, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(c->medium);
	struct luff_request request = {.host = r->host, .method = "GET", .url = c->url, .scope = r->pull};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) body = NULL;
	size_t len;
	int rc = luff_request_send(&x, &request, err);

	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) == 404)
		return luff_request_refused(x, c->medium->place, "repository", err);
	if (luff_exchange_status(x) != 200)
		return luff_request_refused(x, c->medium->place, "cannot list tags", err);
	rc = luff_exchange_read_all(&body, &len, x, PAGE_BYTES_MAX, err);
	if (rc < 0)
		return rc;
	cJSON_Delete(c->page);
	c->page = NULL;
	c->next = NULL;
	rc = luff_json_parse(&c->page, body, len, "tag list", err);
	if (rc < 0)
		return luff_fail_context(err, "%s", c->medium->place);
	c->pages++;
	c->next = luff_json_array(c->page, "tags"); /* null in an empty repository */
	c->next = c->next ? c->next->child : NULL;
	c->empty_pages = c->next ? 0 : c->empty_pages + 1;
	return read_link(c, x, err);
}

/* The next item of the page that can be a tag: what is none could not be asked for, and may be meant as a path. */
static const cJSON *next_tag(struct tags_cursor *c)
{
	const struct luff_registry *r = luff_registry_of(c->medium);
	struct luff_error ignored = {0};

	while (c->next &&
	       !(cJSON_IsString(c->next) && luff_registry_check_tag(r, c->next->valuestring, &ignored) == 0))
		c->next = c->next->next;
	return c->next;
}

static int tags_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct tags_cursor *c = (struct tags_cursor *)base;
	int rc = 0;

	while (rc == 0 && !next_tag(c) && c->url)
		rc = read_page(c, err);
	if (rc < 0 || !c->next)
		return rc;
	if (++c->tags > TAGS_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: tag list: more than %d tags", c->medium->place,
				 TAGS_MAX);
	*out = c->next->valuestring;
	c->next = c->next->next;
	return 0;
}

static void tags_close(struct luff_cursor *base)
{
	struct tags_cursor *c = (struct tags_cursor *)base;

	cJSON_Delete(c->page);
	luff_medium_unref(c->medium);
	free(c->url);
	free(c->marker);
	free(c);
}

static const struct luff_cursor_ops tags_ops = {.next = tags_next, .close = tags_close};

int luff_registry_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct tags_cursor *c = calloc(1, sizeof *c);

	*out = NULL;
	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &tags_ops;
	c->medium = luff_medium_ref(m);
	if (asprintf(&c->url, "/v2/%s/" PAGE, r->repository) < 0) {
		c->url = NULL;
		tags_close(&c->base);
		return luff_fail_nomem(err);
	}
	*out = &c->base;
	return 0;
}

const char *luff_registry_some_tags(char *buf, size_t size, struct luff_registry *r)
{
	struct luff_request request = {.method = "GET", .scope = r->pull, .limit_ms = SOME_TAGS_MS};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) body = NULL;
	LUFF_AUTO(json) page = NULL;
	struct luff_error ignored = {0};
	char tag[48];
	const cJSON *item;
	size_t len, n = 0;
	int count = 0;

	buf[0] = '\0';
	if (luff_registry_send(&x, r, request, "tags/list?n=11", &ignored) < 0 ||
	    luff_exchange_status(x) != 200 ||
	    luff_exchange_read_all(&body, &len, x, PAGE_BYTES_MAX, &ignored) < 0 ||
	    luff_json_parse(&page, body, len, "tag list", &ignored) < 0)
		return buf;
	cJSON_ArrayForEach(item, luff_json_array(page, "tags"))
	{
		if (!cJSON_IsString(item))
			break;
		if (count == 10 || n + sizeof tag + 8 > size) {
			snprintf(buf + n, size - n, ", …");
			break;
		}
		n += (size_t)snprintf(buf + n, size - n, "%s%s", count++ ? ", " : "",
				      luff_text_printable(tag, sizeof tag, item->valuestring));
	}
	return buf;
}
