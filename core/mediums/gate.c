/*
 * The write gate of a dry run: a medium in front of each that is opened. What would be written is written down as a step, and seen by
 * whatever reads afterwards, in any medium that is opened on the same place; nothing reaches the medium behind. Bytes that are
 * somewhere else, where they can be had again, stay there; those that were made on the way are kept in the plan.
 */
#include "mediums/gate.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "model/descriptor.h"
#include "model/referrer.h"
#include "store/store.h"
#include "stream/streams.h"

#define STEPS_MAX 1000000
#define MEMORY_MAX ((int64_t)1 << 30) /* bytes of a plan without a folder */
#define KEPT_MAX ((int64_t)64 << 30)  /* and of one with a folder */

/* What would be, or would be no more, at one place. */
struct content {
	struct luff_descriptor d;
	struct luff_digest subject; /* of a manifest; "" is none */
	struct luff_medium *from;   /* who has the bytes, a reference; NULL: the plan */
	bool gone;
};

struct name {
	char tag[LUFF_TAG_MAX + 1];
	struct luff_descriptor d; /* digest "": it is gone */
	struct name *next;
};

struct site {
	char *place;
	bool plain_http;
	void *contents; /* a tree of struct content (tsearch) */
	struct name *names;
	size_t gone; /* manifests that are */
	struct site *next;
};

struct plan {
	atomic_int refs;
	pthread_mutex_t lock; /* of all that follows */
	struct luff_store *store;
	bool on_disk;
	int64_t kept;
	struct site *sites;
	struct luff_planned *steps;
	size_t count, size;
};

struct gate {
	struct luff_medium base;
	struct luff_medium_ops ops; /* without what the inner one lacks */
	struct luff_medium *inner;
	struct plan *plan;
	struct site *site; /* the plan's */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct plan *current; /* under the lock; NULL: none is made */

static struct gate *gate_of(struct luff_medium *m)
{
	return (struct gate *)m;
}

static void content_free(void *p)
{
	luff_medium_unref(((struct content *)p)->from);
	free(p);
}

static void site_free(struct site *s)
{
	while (s->names) {
		struct name *next = s->names->next;

		free(s->names);
		s->names = next;
	}
	tdestroy(s->contents, content_free);
	free(s->place);
	free(s);
}

static void plan_unref(struct plan *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	while (p->sites) {
		struct site *next = p->sites->next;

		site_free(p->sites);
		p->sites = next;
	}
	luff_planned_free(p->steps, p->count);
	luff_store_unref(p->store);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct plan *plan_ref(struct plan *p)
{
	if (p)
		atomic_fetch_add(&p->refs, 1);
	return p;
}

/* ---- steps ---- */

void luff_planned_free(struct luff_planned *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].place);
		free(list[i].from);
	}
	free(list);
}

static const struct site *find_site(const struct plan *p, const char *place)
{
	const struct site *s = p->sites;

	while (s && strcmp(s->place, place) != 0)
		s = s->next;
	return s;
}

/* Under the plan's lock. `from`: NULL, or where the bytes are. */
static int add_step(struct gate *g, const struct luff_planned *step, const char *from, struct luff_error *err)
{
	struct plan *p = g->plan;
	const struct site *other = from ? find_site(p, from) : NULL;
	struct luff_planned *new;

	if (p->count == STEPS_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a plan of more than %d steps", STEPS_MAX);
	if (p->count == p->size) {
		size_t size = p->size ? 2 * p->size : 64;

		new = realloc(p->steps, size * sizeof *new);
		if (!new)
			return luff_fail_nomem(err);
		p->steps = new;
		p->size = size;
	}
	new = &p->steps[p->count];
	*new = *step;
	new->plain_http = g->site->plain_http;
	new->from_plain_http = other && other->plain_http;
	new->from = from ? strdup(from) : NULL;
	new->place = strdup(g->site->place);
	if (!new->place || (from && !new->from)) {
		free(new->place);
		free(new->from);
		return luff_fail_nomem(err);
	}
	p->count++;
	return 0;
}

/* ---- what would be there ---- */

static int compare_contents(const void *a, const void *b)
{
	return strcmp(((const struct content *)a)->d.digest.text, ((const struct content *)b)->d.digest.text);
}

static struct content *find_content(struct gate *g, const struct luff_digest *digest)
{
	struct content key = {.d.digest = *digest};
	struct content **at = tfind(&key, &g->site->contents, compare_contents);

	return at ? *at : NULL;
}

/* Takes `from` over. */
static int put_content(struct gate *g, const struct luff_descriptor *d, struct luff_medium *from, bool gone,
		       struct luff_error *err)
{
	struct content *c = find_content(g, &d->digest);

	if (!c) {
		c = calloc(1, sizeof *c);
		if (c)
			c->d = *d;
		if (!c || !tsearch(c, &g->site->contents, compare_contents)) {
			free(c);
			luff_medium_unref(from);
			return luff_fail_nomem(err);
		}
	}
	g->site->gone += (size_t)gone - (size_t)c->gone;
	/* who had it may be in use: it stays */
	if (c->from)
		luff_medium_unref(from);
	else
		c->from = from;
	c->d = *d;
	c->gone = gone;
	return 0;
}

static struct name *find_name(struct gate *g, const char *tag)
{
	struct name *n = g->site->names;

	while (n && strcmp(n->tag, tag) != 0)
		n = n->next;
	return n;
}

/* d NULL: it is gone */
static int put_name(struct gate *g, const char *tag, const struct luff_descriptor *d, struct luff_error *err)
{
	struct name *n = find_name(g, tag);

	if (!n) {
		n = calloc(1, sizeof *n);
		if (!n)
			return luff_fail_nomem(err);
		luff_text_copy(n->tag, sizeof n->tag, tag);
		n->next = g->site->names;
		g->site->names = n;
	}
	n->d = d ? *d : (struct luff_descriptor){.size = 0};
	return 0;
}

static int not_there(const struct gate *g, const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTFOUND, "%s: %s is not there, as planned", g->site->place, what);
}

/* Whether the plan says what is there of a digest, in *out. */
static bool know_content(struct content *out, struct gate *g, const struct luff_digest *digest)
{
	const struct content *c;

	pthread_mutex_lock(&g->plan->lock);
	c = find_content(g, digest);
	if (c) {
		*out = *c;
		if (out->from)
			luff_medium_ref(out->from);
	}
	pthread_mutex_unlock(&g->plan->lock);
	return c != NULL;
}

static bool know_name(struct luff_descriptor *out, struct gate *g, const char *tag)
{
	const struct name *n;

	pthread_mutex_lock(&g->plan->lock);
	n = find_name(g, tag);
	if (n)
		*out = n->d;
	pthread_mutex_unlock(&g->plan->lock);
	return n != NULL;
}

/* ---- reading ---- */

static int gate_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			const struct luff_name *name, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	const char *tag = name->tag[0] ? name->tag : "the image";
	struct content c;
	int rc;

	(void)document;
	if (name->digest.text[0] ? know_content(&c, g, &name->digest) : know_name(out, g, name->tag)) {
		if (name->digest.text[0]) {
			luff_medium_unref(c.from);
			*out = c.d;
			if (c.gone)
				return not_there(g, name->digest.text, err);
		}
		out->manifest = true;
		return out->digest.text[0] ? 0 : not_there(g, tag, err);
	}
	rc = luff_medium_resolve(out, NULL, g->inner, name, err);
	if (rc < 0 || !know_content(&c, g, &out->digest))
		return rc;
	luff_medium_unref(c.from);
	return c.gone ? not_there(g, tag, err) : 0;
}

static int gate_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		      int64_t offset, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct content c;
	int rc;

	if (!know_content(&c, g, &d->digest))
		return g->inner->ops->fetch(out, g->inner, d, offset, err);
	if (c.gone)
		return not_there(g, d->digest.text, err);
	if (!c.from)
		return luff_store_fetch(out, g->plan->store, &d->digest, offset, err);
	rc = luff_medium_fetch(out, c.from, &c.d, offset, err);
	luff_medium_unref(c.from);
	return rc;
}

static int gate_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
		       struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct content c;

	if (!know_content(&c, g, &d->digest))
		return luff_medium_exists(out, g->inner, d, err);
	luff_medium_unref(c.from);
	*out = !c.gone;
	return 0;
}

static int gate_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		     struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct content c;

	if (!know_content(&c, g, digest))
		return luff_medium_stat(size_out, g->inner, digest, err);
	luff_medium_unref(c.from);
	*size_out = c.d.size;
	return c.gone ? not_there(g, digest->text, err) : 0;
}

static const char *gate_home(const struct luff_medium *m)
{
	return luff_medium_home(((const struct gate *)m)->inner);
}

/* Who has the bytes is asked by those who take content over without moving it. What the plan holds is nobody else's. */
static struct luff_medium *gate_origin(struct luff_medium *m, const struct luff_descriptor *d)
{
	struct gate *g = gate_of(m);
	struct luff_medium *from;
	const struct content *c;

	pthread_mutex_lock(&g->plan->lock);
	c = find_content(g, &d->digest);
	from = c ? c->from : g->inner;
	pthread_mutex_unlock(&g->plan->lock);
	return from;
}

/* ---- lists: the inner one's, then what is planned ---- */

struct merged_cursor {
	struct luff_cursor base;
	struct luff_medium *medium; /* the gate, a reference */
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

	if (know_name(&d, g, tag))
		return true;
	if (g->site->gone == 0 || !luff_text_copy(name.tag, sizeof name.tag, tag))
		return false;
	return gate_resolve(&d, NULL, &g->base, &name, &err) == LUFF_ENOTFOUND;
}

static bool is_hidden_referrer(struct gate *g, const char *text)
{
	LUFF_AUTO(json) entry = NULL;
	struct luff_error ignored = {0};
	struct luff_descriptor d;
	struct content c;

	if (luff_json_parse(&entry, text, strlen(text), "referrer", &ignored) < 0 ||
	    luff_descriptor_parse(&d, entry, "referrer", &ignored) < 0 || !know_content(&c, g, &d.digest))
		return false;
	luff_medium_unref(c.from);
	return true;
}

static int merged_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct merged_cursor *c = (struct merged_cursor *)base;
	struct gate *g = gate_of(c->medium);
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
		else if (!(c->subject.text[0] ? is_hidden_referrer(g, *out) : is_hidden_tag(g, *out)))
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
	c->medium = luff_medium_ref(&g->base);
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

static int gate_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct merged_cursor *c = new_merged(g, err);
	struct luff_error missing = {0};
	int rc = c ? luff_medium_tags(&c->inner, g->inner, &missing) : LUFF_ENOMEM;

	if (!c)
		return rc;
	pthread_mutex_lock(&g->plan->lock);
	for (const struct name *n = g->site->names; n; n = n->next) {
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

struct listing {
	struct gate *gate;
	struct luff_descriptor *found;
	size_t count, size;
	const struct luff_digest *subject;
	bool failed;
};

static void list_content(const void *node, VISIT which, void *arg)
{
	const struct content *c = *(struct content *const *)node;
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

static int gate_referrers(struct luff_cursor **out, struct luff_medium *m, const struct luff_digest *subject,
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

/* ---- writing it down ---- */

/* Keeps bytes that come verified. */
static int keep(struct gate *g, const struct luff_descriptor *d, struct luff_reader *src,
		struct luff_error *err)
{
	static const size_t chunk = (size_t)256 << 10;
	LUFF_AUTO(text) buf = malloc(chunk);
	struct luff_store_writer *w = NULL;
	struct plan *p = g->plan;
	bool too_much;
	size_t n = 1;
	int rc;

	if (!buf)
		return luff_fail_nomem(err);
	pthread_mutex_lock(&p->lock);
	too_much = d->size > KEPT_MAX - p->kept;
	p->kept += too_much ? 0 : d->size;
	pthread_mutex_unlock(&p->lock);
	if (too_much)
		return luff_fail(err, LUFF_ELIMIT, "a plan that holds more than %lld bytes",
				 (long long)KEPT_MAX);
	rc = luff_store_write(&w, p->store, false, luff_digest_algorithm(&d->digest), err);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, src, buf, chunk, err);
		if (rc == 0 && n > 0)
			rc = luff_store_writer_append(w, buf, n, err);
	}
	if (rc == 0)
		rc = luff_store_writer_commit(luff_take(w), &d->digest, err);
	luff_store_writer_abort(w);
	if (rc == LUFF_ELIMIT && !p->on_disk)
		luff_fail_context(err, "a plan without a folder");
	return rc;
}

static int keep_bytes(struct gate *g, const struct luff_descriptor *d, const void *bytes,
		      struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	int rc = luff_reader_open_bytes(&r, bytes, (size_t)d->size, err);

	return rc < 0 ? rc : keep(g, d, r, err);
}

/* A manifest's bytes are in the plan: it is there, and known by its subject. Under the lock. */
static int put_manifest(struct gate *g, const struct luff_descriptor *d, const char *bytes,
			struct luff_error *err)
{
	int rc = put_content(g, d, NULL, false, err);
	struct content *c;

	if (rc < 0)
		return rc;
	c = find_content(g, &d->digest);
	if (!luff_referrer_find_subject(&c->subject, bytes, (size_t)d->size))
		c->subject.text[0] = '\0';
	return 0;
}

static int push_manifest(struct gate *g, const struct luff_descriptor *d, const char *bytes,
			 struct luff_error *err)
{
	struct luff_planned step = {.kind = LUFF_PLANNED_MANIFEST, .descriptor = *d};
	int rc = keep_bytes(g, d, bytes, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&g->plan->lock);
	rc = put_manifest(g, d, bytes, err);
	if (rc == 0)
		rc = add_step(g, &step, NULL, err);
	pthread_mutex_unlock(&g->plan->lock);
	return rc;
}

static int put_blob(struct gate *g, const struct luff_descriptor *d, struct luff_medium *from,
		    const char *place, struct luff_error *err)
{
	struct luff_planned step = {.kind = LUFF_PLANNED_BLOB, .descriptor = *d};
	int rc;

	pthread_mutex_lock(&g->plan->lock);
	rc = put_content(g, d, from ? luff_medium_ref(from) : NULL, false, err);
	if (rc == 0)
		rc = add_step(g, &step, place, err);
	pthread_mutex_unlock(&g->plan->lock);
	return rc;
}

static int gate_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		     struct luff_error *err)
{
	struct gate *g = gate_of(m);
	LUFF_AUTO(text) bytes = NULL;
	int rc;

	if (!d->manifest) {
		rc = keep(g, d, src, err);
		return rc < 0 ? rc : put_blob(g, d, NULL, NULL, err);
	}
	if (d->size > LUFF_MANIFEST_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: a manifest of more than %d bytes", m->place,
				 LUFF_MANIFEST_MAX);
	rc = luff_reader_read_all(&bytes, src, d->size, err);
	return rc < 0 ? rc : push_manifest(g, d, bytes, err);
}

/* Places that another process finds again, and what is in them. */
static bool is_lasting(const struct luff_medium *m)
{
	static const char *const schemes[] = {"oci:",
					      "oci-archive:",
					      "docker-archive:",
					      "docker-daemon:",
					      "dir:",
					      "containers-storage:",
					      "rootfs:",
					      "containerd:",
					      "random:",
					      NULL};
	const char *colon = strchr(m->place, ':');

	if (strcmp(m->ops->scheme, "docker") == 0)
		return true;
	for (int i = 0; colon && strcmp(colon, ":-") != 0 && schemes[i]; i++) {
		if (luff_text_starts(m->place, schemes[i]))
			return true;
	}
	return false;
}

/* Bytes that the other one holds stay there until the plan is applied. */
static int gate_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
		      struct luff_medium *from, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	bool lasting = is_lasting(from), there = false;
	int rc = luff_medium_exists(&there, from, d, err);

	if (rc < 0 || !there || (!lasting && g->plan->on_disk))
		return rc;
	rc = put_blob(g, d, from, lasting ? from->place : NULL, err);
	*mounted = rc == 0;
	return rc;
}

/* What the tag names now, unless an earlier step knows. */
static int find_before(struct luff_digest *out, struct gate *g, const char *tag, struct luff_error *err)
{
	struct luff_name name = {.digest = {""}};
	struct luff_descriptor d;
	struct luff_error missing = {0};
	int rc;

	*out = name.digest;
	if (know_name(&d, g, tag)) {
		*out = d.digest;
		return 0;
	}
	luff_text_copy(name.tag, sizeof name.tag, tag);
	rc = luff_medium_resolve(&d, NULL, g->inner, &name, &missing);
	if (rc == 0)
		*out = d.digest;
	else if (rc != LUFF_ENOTFOUND)
		*err = missing;
	return rc == LUFF_ENOTFOUND ? 0 : rc;
}

static int gate_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		    const char *tag, struct luff_error *err)
{
	struct luff_planned step = {.kind = LUFF_PLANNED_TAG, .descriptor = *d};
	struct gate *g = gate_of(m);
	int rc = find_before(&step.before, g, tag, err);

	step.descriptor.manifest = true;
	luff_text_copy(step.tag, sizeof step.tag, tag);
	if (rc == 0)
		rc = keep_bytes(g, d, bytes, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&g->plan->lock);
	rc = put_manifest(g, &step.descriptor, bytes, err);
	if (rc == 0)
		rc = put_name(g, tag, &step.descriptor, err);
	if (rc == 0)
		rc = add_step(g, &step, NULL, err);
	pthread_mutex_unlock(&g->plan->lock);
	return rc;
}

/* The names that the plan gave to what goes. */
static void drop_names(struct gate *g, const struct luff_digest *digest)
{
	for (struct name *n = g->site->names; n; n = n->next) {
		if (luff_digest_equal(&n->d.digest, digest))
			n->d = (struct luff_descriptor){.size = 0};
	}
}

static int gate_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
		       bool force, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	bool whole = name->digest.text[0];
	struct luff_planned step = {.kind = whole ? LUFF_PLANNED_DELETE : LUFF_PLANNED_UNTAG, .force = force};
	int rc = gate_resolve(&step.descriptor, NULL, m, name, err);

	if (rc < 0)
		return rc;
	step.before = step.descriptor.digest;
	if (!whole)
		luff_text_copy(step.tag, sizeof step.tag, name->tag);
	pthread_mutex_lock(&g->plan->lock);
	if (whole) {
		rc = put_content(g, &step.descriptor, NULL, true, err);
		drop_names(g, &name->digest);
		*out = name->digest;
	} else {
		rc = put_name(g, name->tag, NULL, err);
	}
	if (rc == 0)
		rc = add_step(g, &step, NULL, err);
	pthread_mutex_unlock(&g->plan->lock);
	return rc;
}

static int gate_remove_annotated(int64_t *count_out, struct luff_medium *m, const char *key,
				 const char *value, struct luff_error *err)
{
	(void)count_out;
	(void)key;
	(void)value;
	return luff_fail(err, LUFF_ENOTSUP, "%s: what goes by its annotation cannot be planned", m->place);
}

static int gate_remove_blob(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct luff_planned step = {.kind = LUFF_PLANNED_DELETE_BLOB, .descriptor = {.digest = *digest}};
	int rc = gate_stat(&step.descriptor.size, m, digest, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&g->plan->lock);
	rc = put_content(g, &step.descriptor, NULL, true, err);
	if (rc == 0)
		rc = add_step(g, &step, NULL, err);
	pthread_mutex_unlock(&g->plan->lock);
	return rc;
}

/* ---- the medium ---- */

static int gate_flush(struct luff_medium *m, struct luff_error *err)
{
	(void)m;
	(void)err;
	return 0;
}

static void gate_destroy(struct luff_medium *m)
{
	struct gate *g = gate_of(m);

	luff_medium_unref(g->inner);
	plan_unref(g->plan);
	free(m->place);
	free(m);
}

/* No function of the inner one that writes is ever in this table. */
static void set_ops(struct luff_medium_ops *ops, const struct luff_medium_ops *inner)
{
	*ops = (struct luff_medium_ops){.scheme = inner->scheme,
					.complete = inner->complete,
					.resolve = gate_resolve,
					.fetch = gate_fetch,
					.exists = gate_exists,
					.home = gate_home,
					.origin = gate_origin,
					.flush = gate_flush,
					.destroy = gate_destroy};
	ops->push = inner->push ? gate_push : NULL;
	ops->mount = inner->push ? gate_mount : NULL;
	ops->tag = inner->tag ? gate_tag : NULL;
	ops->tags = inner->tags ? gate_tags : NULL;
	ops->referrers = inner->referrers ? gate_referrers : NULL;
	ops->remove = inner->remove ? gate_remove : NULL;
	ops->remove_annotated = inner->remove_annotated ? gate_remove_annotated : NULL;
	ops->stat = inner->stat ? gate_stat : NULL;
	ops->remove_blob = inner->remove_blob ? gate_remove_blob : NULL;
}

bool luff_gate_knows(const char *place)
{
	const struct site *s = NULL;

	pthread_mutex_lock(&lock);
	if (current) {
		pthread_mutex_lock(&current->lock);
		s = find_site(current, place);
		pthread_mutex_unlock(&current->lock);
	}
	pthread_mutex_unlock(&lock);
	return s != NULL;
}

/* The plan's site of a place, made where it is missing; NULL: out of memory. */
static struct site *take_site(struct plan *p, const char *place, bool plain_http)
{
	struct site *s;

	pthread_mutex_lock(&p->lock);
	s = (struct site *)find_site(p, place);
	if (!s && (s = calloc(1, sizeof *s))) {
		s->place = strdup(place);
		s->plain_http = plain_http;
		s->next = p->sites;
		if (s->place) {
			p->sites = s;
		} else {
			free(s);
			s = NULL;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return s;
}

int luff_gate_wrap(struct luff_medium **m, bool plain_http, struct luff_error *err)
{
	struct luff_medium *inner = *m;
	struct plan *plan;
	struct gate *g;

	pthread_mutex_lock(&lock);
	plan = plan_ref(current);
	pthread_mutex_unlock(&lock);
	if (!plan)
		return 0;
	g = calloc(1, sizeof *g);
	if (g) {
		g->base.place = strdup(inner->place);
		g->site = take_site(plan, inner->place, plain_http);
	}
	if (!g || !g->base.place || !g->site) {
		if (g)
			free(g->base.place);
		free(g);
		plan_unref(plan);
		luff_medium_unref(luff_take(*m));
		return luff_fail_nomem(err);
	}
	set_ops(&g->ops, inner->ops);
	g->base.ops = &g->ops;
	g->base.refs = 1;
	g->base.naming = inner->naming;
	g->base.unpacked = inner->unpacked;
	g->inner = inner;
	g->plan = plan;
	*m = &g->base;
	return 0;
}

/* ---- the plan ---- */

bool luff_plan_is_on(void)
{
	bool on;

	pthread_mutex_lock(&lock);
	on = current != NULL;
	pthread_mutex_unlock(&lock);
	return on;
}

int luff_plan_begin(const char *folder, struct luff_error *err)
{
	struct plan *p;
	int rc = 0;

	if (luff_plan_is_on())
		return luff_fail(err, LUFF_EEXISTS, "a plan is being made");
	p = calloc(1, sizeof *p);
	if (!p)
		return luff_fail_nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	p->refs = 1;
	p->on_disk = folder != NULL;
	rc = folder ? luff_store_open_folder(&p->store, folder, true, err)
		    : luff_store_new_memory(&p->store, MEMORY_MAX, NULL, err);
	if (rc < 0) {
		plan_unref(p);
		return luff_fail_context(err, "the plan");
	}
	pthread_mutex_lock(&lock);
	current = p;
	pthread_mutex_unlock(&lock);
	return 0;
}

int luff_plan_end(struct luff_planned **out, size_t *count_out, struct luff_error *err)
{
	struct plan *p;

	*out = NULL;
	*count_out = 0;
	pthread_mutex_lock(&lock);
	p = current;
	current = NULL;
	pthread_mutex_unlock(&lock);
	if (!p)
		return luff_fail(err, LUFF_EINVAL, "no plan is being made");
	pthread_mutex_lock(&p->lock);
	*out = luff_take(p->steps);
	*count_out = p->count;
	p->count = p->size = 0;
	pthread_mutex_unlock(&p->lock);
	plan_unref(p);
	return 0;
}
