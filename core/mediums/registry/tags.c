/* Tags and repositories (distribution-spec, "Listing Tags"; Docker's catalog), each a list that arrives page by page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "mediums/gate.h"
#include "mediums/registry/pages.h"
#include "mediums/registry/registry.h"

#define PAGE "n=1000" /* more is refused by some */
#define SOME_BYTES_MAX (1 << 20)
#define SOME_TAGS_MS 2000 /* that a message may take to say what there is */

/* ---- Tags ---- */

struct tags_cursor {
	struct luff_cursor base;
	struct luff_medium *medium;
	struct luff_pages pages;
};

/* What can be no tag is left out: it could not be asked for, and may be meant as a path. */
static int tags_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct tags_cursor *c = (struct tags_cursor *)base;
	const struct luff_registry *r = luff_registry_of(c->medium);
	struct luff_error ignored = {0};
	const cJSON *item;
	int rc;

	do
		rc = luff_pages_next(&item, &c->pages, err);
	while (rc == 0 && item &&
	       !(cJSON_IsString(item) && luff_registry_check_tag(r, item->valuestring, &ignored) == 0));
	*out = rc == 0 && item ? item->valuestring : NULL;
	return rc;
}

static void tags_close(struct luff_cursor *base)
{
	struct tags_cursor *c = (struct tags_cursor *)base;

	luff_pages_release(&c->pages);
	luff_medium_unref(c->medium);
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
	c->pages = (struct luff_pages){
		.host = r->host, .place = m->place, .what = "tag list", .scope = r->pull, .member = "tags"};
	if (asprintf(&c->pages.url, "/v2/%s/tags/list?" PAGE, r->repository) < 0) {
		c->pages.url = NULL;
		tags_close(&c->base);
		return luff_fail_nomem(err);
	}
	*out = &c->base;
	return 0;
}

/* ---- Repositories ---- */

struct catalog_cursor {
	struct luff_cursor base;
	struct luff_host *host;
	struct luff_pages pages;
};

/* What can be no repository's name is left out. */
static int catalog_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct catalog_cursor *c = (struct catalog_cursor *)base;
	const cJSON *item;
	int rc;

	do
		rc = luff_pages_next(&item, &c->pages, err);
	while (rc == 0 && item && !(cJSON_IsString(item) && luff_registry_is_repository(item->valuestring)));
	*out = rc == 0 && item ? item->valuestring : NULL;
	return rc;
}

static void catalog_close(struct luff_cursor *base)
{
	struct catalog_cursor *c = (struct catalog_cursor *)base;

	luff_pages_release(&c->pages);
	luff_host_unref(c->host);
	free(c);
}

static const struct luff_cursor_ops catalog_ops = {.next = catalog_next, .close = catalog_close};

int luff_catalog_open(struct luff_cursor **out, const char *registry, bool plain_http, struct luff_error *err)
{
	struct catalog_cursor *c;
	int rc;

	*out = NULL;
	c = calloc(1, sizeof *c);
	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &catalog_ops;
	rc = luff_host_of_registry(&c->host, registry, plain_http, err);
	if (rc == 0)
		c->pages = (struct luff_pages){.host = c->host,
					       .place = c->host->name,
					       .what = "catalog",
					       .scope = "registry:catalog:*",
					       .member = "repositories",
					       .url = strdup("/v2/_catalog?" PAGE)};
	if (rc == 0 && !c->pages.url)
		rc = luff_fail_nomem(err);
	if (rc < 0) {
		catalog_close(&c->base);
		return rc;
	}
	*out = &c->base;
	return luff_gate_catalog(out, c->host->name, err);
}

/* ---- For messages ---- */

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
	    luff_exchange_read_all(&body, &len, x, SOME_BYTES_MAX, &ignored) < 0 ||
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
