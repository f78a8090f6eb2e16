/*
 * The write gate of a dry run: a medium in front of each that is opened. What would be written is written down as a step, and seen by
 * whatever reads afterwards, in any medium that is opened on the same place; nothing reaches the medium behind. Bytes that are
 * somewhere else, where they can be had again, stay there; those that were made on the way are kept in the plan (record.h).
 */
#include "mediums/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "mediums/gate_lists.h"
#include "stream/streams.h"

static struct gate *gate_of(struct luff_medium *m)
{
	return (struct gate *)m;
}

static int not_there(const struct gate *g, const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTFOUND, "%s: %s is not there, as planned", g->site->place, what);
}

/* ---- reading ---- */

static int gate_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			const struct luff_name *name, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	const char *tag = name->tag[0] ? name->tag : "the image";
	struct luff_record_content c;
	int rc;

	(void)document;
	if (name->digest.text[0] ? luff_record_knows(&c, g->site, &name->digest)
				 : luff_record_knows_name(out, g->site, name->tag)) {
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
	if (rc < 0 || !luff_record_knows(&c, g->site, &out->digest))
		return rc;
	luff_medium_unref(c.from);
	return c.gone ? not_there(g, tag, err) : 0;
}

static int gate_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		      int64_t offset, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct luff_record_content c;
	int rc;

	if (!luff_record_knows(&c, g->site, &d->digest))
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
	struct luff_record_content c;

	if (!luff_record_knows(&c, g->site, &d->digest))
		return luff_medium_exists(out, g->inner, d, err);
	luff_medium_unref(c.from);
	*out = !c.gone;
	return 0;
}

static int gate_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		     struct luff_error *err)
{
	struct gate *g = gate_of(m);
	struct luff_record_content c;

	if (!luff_record_knows(&c, g->site, digest))
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
	const struct luff_record_content *c;

	pthread_mutex_lock(&g->plan->lock);
	c = luff_record_find_content(g->site, &d->digest);
	from = c ? c->from : g->inner;
	pthread_mutex_unlock(&g->plan->lock);
	return from;
}

/* ---- writing it down ---- */

static int push_manifest(struct gate *g, const struct luff_descriptor *d, const char *bytes,
			 struct luff_error *err)
{
	struct luff_planned step = {.kind = LUFF_PLANNED_MANIFEST, .descriptor = *d};
	int rc = luff_record_keep_bytes(g->site, d, bytes, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&g->plan->lock);
	rc = luff_record_put_manifest(g->site, d, bytes, err);
	if (rc == 0)
		rc = luff_record_add_step(g->site, &step, NULL, err);
	pthread_mutex_unlock(&g->plan->lock);
	return rc;
}

static int put_blob(struct gate *g, const struct luff_descriptor *d, struct luff_medium *from,
		    const char *place, struct luff_error *err)
{
	struct luff_planned step = {.kind = LUFF_PLANNED_BLOB, .descriptor = *d};
	int rc;

	pthread_mutex_lock(&g->plan->lock);
	rc = luff_record_put_content(g->site, d, from ? luff_medium_ref(from) : NULL, false, err);
	if (rc == 0)
		rc = luff_record_add_step(g->site, &step, place, err);
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
		rc = luff_record_keep(g->site, d, src, err);
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
	if (luff_record_knows_name(&d, g->site, tag)) {
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
		rc = luff_record_keep_bytes(g->site, d, bytes, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&g->plan->lock);
	rc = luff_record_put_manifest(g->site, &step.descriptor, bytes, err);
	if (rc == 0)
		rc = luff_record_put_name(g->site, tag, &step.descriptor, err);
	if (rc == 0)
		rc = luff_record_add_step(g->site, &step, NULL, err);
	pthread_mutex_unlock(&g->plan->lock);
	return rc;
}

/* The names that the plan gave to what goes. */
static void drop_names(struct gate *g, const struct luff_digest *digest)
{
	for (struct luff_record_name *n = g->site->names; n; n = n->next) {
		if (luff_digest_equal(&n->d.digest, digest))
			n->d = (struct luff_descriptor){.size = 0};
	}
}

/* Only trying tells, and nothing leaves a dry run. */
static int gate_unnames(bool *out, struct luff_medium *m, struct luff_error *err)
{
	(void)m;
	(void)err;
	*out = true;
	return 0;
}

static int gate_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
		       bool force, struct luff_error *err)
{
	struct gate *g = gate_of(m);
	bool whole = name->digest.text[0];
	struct luff_planned step = {.kind = whole ? LUFF_PLANNED_DELETE : LUFF_PLANNED_UNTAG, .force = force};
	int rc = gate_resolve(&step.descriptor, NULL, m, name, err);

	if (rc == 0 && whole)
		rc = luff_gate_note_tags(g, err);
	if (rc < 0)
		return rc;
	step.before = step.descriptor.digest;
	if (!whole)
		luff_text_copy(step.tag, sizeof step.tag, name->tag);
	pthread_mutex_lock(&g->plan->lock);
	if (whole) {
		rc = luff_record_put_content(g->site, &step.descriptor, NULL, true, err);
		drop_names(g, &name->digest);
		*out = name->digest;
	} else {
		rc = luff_record_put_name(g->site, name->tag, NULL, err);
	}
	if (rc == 0)
		rc = luff_record_add_step(g->site, &step, NULL, err);
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
	rc = luff_record_put_content(g->site, &step.descriptor, NULL, true, err);
	if (rc == 0)
		rc = luff_record_add_step(g->site, &step, NULL, err);
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
	luff_record_unref(g->plan);
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
	ops->tags = inner->tags ? luff_gate_tags : NULL;
	ops->referrers = inner->referrers ? luff_gate_referrers : NULL;
	ops->remove = inner->remove ? gate_remove : NULL;
	ops->unnames = inner->unnames ? gate_unnames : NULL;
	ops->remove_annotated = inner->remove_annotated ? gate_remove_annotated : NULL;
	ops->stat = inner->stat ? gate_stat : NULL;
	ops->remove_blob = inner->remove_blob ? gate_remove_blob : NULL;
}

int luff_gate_wrap(struct luff_medium **m, bool plain_http, struct luff_error *err)
{
	struct luff_medium *inner = *m;
	struct luff_record *plan = luff_record_current();
	struct gate *g;

	if (!plan)
		return 0;
	g = calloc(1, sizeof *g);
	if (g) {
		g->base.place = strdup(inner->place);
		g->site = luff_record_site(plan, inner->place, plain_http);
	}
	if (!g || !g->base.place || !g->site) {
		if (g)
			free(g->base.place);
		free(g);
		luff_record_unref(plan);
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
