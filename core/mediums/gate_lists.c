/* Lists of the write gate: what the medium behind (or a registry) has, without what goes, then what is planned. */
#include "mediums/gate_lists.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "mediums/gate.h"
#include "mediums/standing.h"
#include "model/descriptor.h"
#include "model/referrer.h"

static struct gate *gate_of(struct luff_medium *m)
{
	return (struct gate *)m;
}

struct merged_cursor {
	struct luff_cursor base;
	struct luff_medium *medium; /* the gate, a reference; NULL of repositories */
	struct luff_cursor *inner;  /* NULL: at its end, or there is none */
	struct luff_digest subject; /* of referrers; "": tags */
	char **planned;             /* what comes behind */
	size_t count, at;
};

static void merged_close(struct luff_cursor *base)
{
	struct merged_cursor *c = (struct merged_cursor *)base;

	luff_cursor_close(c->inner);
	luff_medium_unref(c->medium);
	for (size_t i = 0; i < c->count; i++)
		free(c->planned[i]);
	free(c->planned);
	free(c);
}

/* A tag that the plan knows comes later, or not at all; neither does one whose manifest goes. */
static bool is_hidden_tag(struct gate *g, const char *tag)
{
	struct luff_name name = {.digest = {""}};
	struct luff_descriptor d;
	struct luff_error err = {0};

	if (luff_record_knows_name(&d, g->site, tag))
		return true;
	if (g->site->gone == 0 || !luff_text_copy(name.tag, sizeof name.tag, tag))
		return false;
	return g->base.ops->resolve(&d, NULL, &g->base, &name, &err) == LUFF_ENOTFOUND;
}

static bool is_hidden_referrer(struct gate *g, const char *text)
{
	LUFF_AUTO(json) entry = NULL;
	struct luff_error ignored = {0};
	struct luff_descriptor d;
	struct luff_record_content c;

	if (luff_json_parse(&entry, text, strlen(text), "referrer", &ignored) < 0 ||
	    luff_descriptor_parse(&d, entry, "referrer", &ignored) < 0 ||
	    !luff_record_knows(&c, g->site, &d.digest))
		return false;
	luff_medium_unref(c.from);
	return true;
}

static bool is_hidden(const struct merged_cursor *c, const char *item)
{
	struct gate *g = gate_of(c->medium);

	for (size_t i = 0; !g && i < c->count; i++) {
		if (strcmp(c->planned[i], item) == 0)
			return true;
	}
	if (!g)
		return false;
	return c->subject.text[0] ? is_hidden_referrer(g, item) : is_hidden_tag(g, item);
}

static int merged_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct merged_cursor *c = (struct merged_cursor *)base;
	struct luff_error failure = {0};
	int rc;

	while (c->inner) {
		rc = luff_cursor_next(out, c->inner, &failure);
		if (rc < 0 && (rc != LUFF_ENOTFOUND || c->count == 0)) {
			*err = failure;
			return rc;
		}
		if (rc < 0 || !*out)
			luff_cursor_close(luff_take(c->inner));
		else if (!is_hidden(c, *out))
			return 0;
	}
	*out = c->at < c->count ? c->planned[c->at++] : NULL;
	return 0;
}

static const struct luff_cursor_ops merged_ops = {.next = merged_next, .close = merged_close};

static struct merged_cursor *new_merged(struct gate *g, struct luff_error *err)
{
	struct merged_cursor *c = calloc(1, sizeof *c);

	if (!c) {
		luff_fail_nomem(err);
		return NULL;
	}
	c->base.ops = &merged_ops;
	c->medium = g ? luff_medium_ref(&g->base) : NULL;
	return c;
}

/* Takes `text` over. */
static int add_planned(struct merged_cursor *c, char *text, struct luff_error *err)
{
	char **longer = text ? realloc(c->planned, (c->count + 1) * sizeof *longer) : NULL;

	if (!longer) {
		free(text);
		return luff_fail_nomem(err);
	}
	c->planned = longer;
	c->planned[c->count++] = text;
	return 0;
}

int luff_gate_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct merged_cursor *c = new_merged(g, err);
	struct luff_error missing = {0};
	int rc = c ? luff_medium_tags(&c->inner, g->inner, &missing) : LUFF_ENOMEM;

	if (!c)
		return rc;
	pthread_mutex_lock(&g->plan->lock);
	for (const struct luff_record_name *n = g->site->names; n; n = n->next) {
		if (n->d.digest.text[0] && (rc == 0 || rc == LUFF_ENOTFOUND)) {
			int added = add_planned(c, strdup(n->tag), &missing);

			rc = added < 0 ? added : 0;
		}
	}
	pthread_mutex_unlock(&g->plan->lock);
	if (rc < 0) {
		merged_close(&c->base);
		*err = missing;
		return rc;
	}
	*out = &c->base;
	return 0;
}

int luff_gate_note_tags(struct gate *g, struct luff_error *err)
{
	struct luff_standing *list = NULL;
	size_t count = 0;
	bool noted;
	int rc = 0;

	pthread_mutex_lock(&g->plan->lock);
	noted = g->site->noted;
	g->site->noted = true;
	pthread_mutex_unlock(&g->plan->lock);
	if (!noted)
		rc = luff_standing_list(&list, &count, g->inner, err);
	pthread_mutex_lock(&g->plan->lock);
	for (size_t i = 0; rc == 0 && list && i < count; i++) {
		struct luff_planned step = {.kind = LUFF_PLANNED_STANDS, .descriptor = list[i].d};

		memcpy(step.tag, list[i].tag, sizeof step.tag);
		if (step.descriptor.digest.text[0])
			rc = luff_record_add_step(g->site, &step, NULL, err);
	}
	g->site->noted = rc == 0;
	pthread_mutex_unlock(&g->plan->lock);
	free(list);
	return rc;
}

struct listing {
	struct gate *gate;
	struct luff_descriptor *found;
	size_t count, size;
	const struct luff_digest *subject;
	bool failed;
};

static void list_content(const void *node, VISIT which, void *arg)
{
	const struct luff_record_content *c = *(struct luff_record_content *const *)node;
	struct listing *l = arg;

	if ((which != postorder && which != leaf) || c->gone || !luff_digest_equal(&c->subject, l->subject))
		return;
	if (l->count == l->size) {
		size_t size = l->size ? 2 * l->size : 8;
		struct luff_descriptor *longer = realloc(l->found, size * sizeof *longer);

		l->failed = l->failed || !longer;
		if (!longer)
			return;
		l->found = longer;
		l->size = size;
	}
	l->found[l->count++] = c->d;
}

static int add_referrer(struct merged_cursor *c, const struct luff_descriptor *d, const char *type,
			struct luff_error *err)
{
	LUFF_AUTO(text) document = NULL;
	LUFF_AUTO(json) manifest = NULL;
	LUFF_AUTO(json) item = NULL;
	int rc = luff_medium_fetch_all(&document, c->medium, d, LUFF_MANIFEST_MAX, err);

	if (rc == 0)
		rc = luff_json_parse(&manifest, document, (size_t)d->size, "manifest", err);
	if (rc < 0)
		return rc;
	item = luff_referrer_describe(d, manifest);
	if (!item)
		return luff_fail_nomem(err);
	return luff_referrer_is(item, type) ? add_planned(c, cJSON_PrintUnformatted(item), err) : 0;
}

int luff_gate_referrers(struct luff_cursor **out, struct luff_medium *m, const struct luff_digest *subject,
			const char *artifact_type, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct listing l = {.gate = g, .subject = subject};
	struct merged_cursor *c = new_merged(g, err);
	int rc = c ? luff_medium_referrers(&c->inner, g->inner, subject, artifact_type, err) : LUFF_ENOMEM;

	if (!c)
		return rc;
	c->subject = *subject;
	pthread_mutex_lock(&g->plan->lock);
	twalk_r(g->site->contents, list_content, &l);
	pthread_mutex_unlock(&g->plan->lock);
	if (rc == 0 && l.failed)
		rc = luff_fail_nomem(err);
	for (size_t i = 0; rc == 0 && i < l.count; i++)
		rc = add_referrer(c, &l.found[i], artifact_type, err);
	free(l.found);
	if (rc < 0)
		merged_close(&c->base);
	else
		*out = &c->base;
	return rc;
}

static bool has_names(const struct luff_record_site *s)
{
	const struct luff_record_name *n = s->names;

	while (n && !n->d.digest.text[0])
		n = n->next;
	return n != NULL;
}

int luff_gate_catalog(struct luff_cursor **cursor, const char *registry, struct luff_error *err)
{
	struct luff_record *plan = luff_record_current();
	size_t len = strlen(registry);
	struct merged_cursor *c;
	int rc = 0;

	if (!plan)
		return 0;
	c = new_merged(NULL, err);
	if (c) {
		c->inner = luff_take(*cursor);
		pthread_mutex_lock(&plan->lock);
		for (const struct luff_record_site *s = plan->sites; rc == 0 && s; s = s->next) {
			if (luff_text_starts(s->place, registry) && s->place[len] == '/' && has_names(s))
				rc = add_planned(c, strdup(s->place + len + 1), err);
		}
		pthread_mutex_unlock(&plan->lock);
	}
	luff_record_unref(plan);
	if (c && rc == 0) {
		*cursor = &c->base;
		return 0;
	}
	if (c)
		merged_close(&c->base);
	luff_cursor_close(luff_take(*cursor));
	return LUFF_ENOMEM;
}
