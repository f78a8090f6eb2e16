/* See listed.h. */
#include "server/listed.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/scope.h"
#include "medium.h"
#include "model/descriptor.h"
#include "server/names.h"

#define BYTES_MAX (8 << 20) /* of all names or descriptors */

struct luff_listed {
	struct luff_names names; /* tags, or "digest {descriptor}", sorted */
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add(struct luff_names *names, const struct luff_call *r, const char *text, struct luff_error *err)
{
	LUFF_AUTO(json) item = NULL;
	LUFF_AUTO(text) line = NULL;
	struct luff_descriptor d = {0};
	int rc;

	if (r->route.kind == LUFF_ROUTE_TAGS)
		return luff_names_add(names, text, err);
	rc = luff_json_parse(&item, text, strlen(text), "referrer", err);
	if (rc == 0)
		rc = luff_descriptor_parse(&d, item, "referrer", err);
	if (rc == 0 && asprintf(&line, "%s %s", d.digest.text, text) < 0) {
		line = NULL;
		rc = luff_fail_nomem(err);
	}
	return rc < 0 ? rc : luff_names_add(names, line, err);
}

static int collect(struct luff_names *names, const struct luff_call *r, struct luff_medium *upstream,
		   struct luff_error *err)
{
	LUFF_AUTO(cursor) cursor = NULL;
	const char *text = "";
	size_t bytes = 0;
	int rc;

	if (r->route.kind == LUFF_ROUTE_TAGS)
		rc = luff_medium_tags(&cursor, upstream, err);
	else
		rc = luff_medium_referrers(&cursor, upstream, &r->route.digest, r->route.artifact_type, err);
	while (rc == 0 && text) {
		rc = luff_cursor_next(&text, cursor, err);
		if (rc == 0 && text)
			rc = add(names, r, text, err);
		bytes += text ? strlen(text) : 0;
		if (rc == 0 && bytes > BYTES_MAX)
			rc = luff_fail(err, LUFF_ELIMIT, "a list of more than %d bytes", BYTES_MAX);
	}
	luff_names_sort(names, compare);
	return rc;
}

int luff_listed_fetch(struct luff_call *r, struct luff_medium *upstream, struct luff_error *err)
{
	struct luff_error failure = {0};

	r->listed = calloc(1, sizeof *r->listed);
	if (!r->listed)
		return luff_fail_nomem(err);
	if (collect(&r->listed->names, r, upstream, &failure) == 0)
		return 0;
	luff_listed_free(luff_take(r->listed));
	luff_scope_log("mirror: %s", failure.msg);
	return luff_scope_check(err);
}

/* ---- As a cursor ---- */

struct listed_cursor {
	struct luff_cursor base;
	const struct luff_listed *listed;
	bool referrers;
	size_t next;
};

static int cursor_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct listed_cursor *c = (struct listed_cursor *)base;
	const struct luff_names *names = &c->listed->names;

	(void)err;
	*out = c->next < names->count ? names->items[c->next++] : NULL;
	if (*out && c->referrers)
		*out = strchr(*out, ' ') + 1;
	return 0;
}

static void cursor_close(struct luff_cursor *base)
{
	free(base);
}

static const struct luff_cursor_ops cursor_ops = {.next = cursor_next, .close = cursor_close};

int luff_listed_open(struct luff_cursor **out, const struct luff_call *r, struct luff_error *err)
{
	struct listed_cursor *c = calloc(1, sizeof *c);

	*out = c ? &c->base : NULL;
	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &cursor_ops;
	c->listed = r->listed;
	c->referrers = r->route.kind == LUFF_ROUTE_REFERRERS;
	return 0;
}

void luff_listed_free(struct luff_listed *listed)
{
	if (!listed)
		return;
	luff_names_release(&listed->names);
	free(listed);
}
