/* A plan is applied: its steps in their order, those that move blobs several at a time, if its names stand for what they stood for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/text.h"
#include "medium.h"
#include "ops/moved.h"

#define JOBS 4

/* A medium by its place; open until all is done. */
struct place {
	const char *text; /* borrowed */
	struct luff_medium *medium;
	struct place *next;
};

struct apply {
	const struct luff_planned *steps;
	size_t count;
	size_t first; /* of the blobs that move now */
	struct luff_medium *kept;
	struct place *places;
};

static int open_place(struct apply *a, const char *text, bool plain_http, bool writing,
		      struct luff_error *err)
{
	struct luff_open_options options = {.plain_http = plain_http, .create = writing};
	struct place *p = a->places;
	struct luff_name name;
	int rc;

	while (p && strcmp(p->text, text) != 0)
		p = p->next;
	if (p)
		return 0;
	p = calloc(1, sizeof *p);
	if (!p)
		return luff_fail_nomem(err);
	rc = luff_medium_open(&p->medium, &name, text, &options, err);
	/* what a script calls a place may mean something else without the script */
	if (rc == 0 && strcmp(luff_medium_place(p->medium), text) != 0)
		rc = luff_fail(err, LUFF_ENOTSUP, "%s: this place is a script's own: let the script do it",
			       text);
	if (rc < 0) {
		luff_medium_unref(p->medium);
		free(p);
		return rc;
	}
	p->text = text;
	p->next = a->places;
	a->places = p;
	return 0;
}

static struct luff_medium *medium_of(const struct apply *a, const char *text)
{
	const struct place *p = a->places;

	while (strcmp(p->text, text) != 0)
		p = p->next;
	return p->medium;
}

/* Destinations first: what is read from the place that is written to is the same medium. */
static int open_places(struct apply *a, struct luff_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < a->count; i++)
		rc = open_place(a, a->steps[i].place, a->steps[i].plain_http, true, err);
	for (size_t i = 0; rc == 0 && i < a->count; i++) {
		if (a->steps[i].from)
			rc = open_place(a, a->steps[i].from, a->steps[i].from_plain_http, false, err);
	}
	return rc;
}

/* ---- has the world moved? ---- */

static bool is_named(const struct luff_planned *s)
{
	return s->kind == LUFF_PLANNED_TAG || s->kind == LUFF_PLANNED_UNTAG;
}

static int compare_names(const void *a, const void *b)
{
	const struct luff_planned *x = *(const struct luff_planned *const *)a,
				  *y = *(const struct luff_planned *const *)b;
	int order = strcmp(x->place, y->place);

	if (order == 0)
		order = strcmp(x->tag, y->tag);
	return order != 0 ? order : (x > y) - (x < y);
}

struct check {
	const struct apply *apply;
	const struct luff_planned **names; /* the first step of each */
};

/* A name that stands already for what a step of the plan makes of it was left by a run that broke off. */
static bool is_ours(const struct apply *a, const struct luff_planned *s, const struct luff_digest *now)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct luff_planned *t = &a->steps[i];

		if (t->kind == LUFF_PLANNED_TAG && luff_digest_equal(&t->descriptor.digest, now) &&
		    strcmp(t->tag, s->tag) == 0 && strcmp(t->place, s->place) == 0)
			return true;
		if (t->kind == LUFF_PLANNED_UNTAG && !now->text[0] && strcmp(t->tag, s->tag) == 0 &&
		    strcmp(t->place, s->place) == 0)
			return true;
		if (t->kind == LUFF_PLANNED_DELETE && !now->text[0] && strcmp(t->place, s->place) == 0 &&
		    luff_digest_equal(&t->descriptor.digest, &s->before))
			return true;
	}
	return false;
}

static int check_name(void *arg, size_t i, struct luff_error *err)
{
	const struct check *c = arg;
	const struct luff_planned *s = c->names[i];
	struct luff_name name = {.digest = {""}};
	struct luff_descriptor now = {.size = 0};
	struct luff_error missing = {0};
	int rc;

	luff_text_copy(name.tag, sizeof name.tag, s->tag);
	rc = luff_medium_resolve(&now, NULL, medium_of(c->apply, s->place), &name, &missing);
	if (rc < 0 && rc != LUFF_ENOTFOUND) {
		*err = missing;
		return rc;
	}
	if (luff_digest_equal(&now.digest, &s->before) || is_ours(c->apply, s, &now.digest))
		return 0;
	return luff_fail(err, LUFF_EDENIED, "%s:%s %s%s now, and when it was planned %s%s", s->place, s->tag,
			 now.digest.text[0] ? "is " : "is not there", now.digest.text,
			 s->before.text[0] ? "it was " : "it was not there", s->before.text);
}

static int check_names(const struct apply *a, struct luff_error *err)
{
	struct check c = {.apply = a, .names = calloc(a->count + 1, sizeof(struct luff_planned *))};
	size_t count = 0, firsts = 0;
	int rc;

	if (!c.names)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < a->count; i++) {
		if (is_named(&a->steps[i]))
			c.names[count++] = &a->steps[i];
	}
	if (count > 0)
		qsort(c.names, count, sizeof *c.names, compare_names);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(c.names[i]->place, c.names[i - 1]->place) != 0 ||
		    strcmp(c.names[i]->tag, c.names[i - 1]->tag) != 0)
			c.names[firsts++] = c.names[i];
	}
	rc = luff_pool_each(firsts, JOBS, check_name, &c, err);
	free(c.names);
	return rc;
}

/* ---- the steps ---- */

static int move_blob(void *arg, size_t i, struct luff_error *err)
{
	const struct apply *a = arg;
	const struct luff_planned *s = &a->steps[a->first + i];
	struct luff_medium *to = medium_of(a, s->place), *from = s->from ? medium_of(a, s->from) : a->kept;
	LUFF_AUTO(reader) r = NULL;
	bool there = false;
	int64_t kept;
	int rc = luff_medium_exists(&there, to, &s->descriptor, err);

	if (rc == 0 && !there)
		rc = luff_medium_mount(&there, to, &s->descriptor, from, err);
	if (rc < 0 || there)
		return rc;
	rc = luff_medium_fetch_for(&r, &kept, from, &s->descriptor, to, err);
	return rc < 0 ? rc : luff_medium_push(to, &s->descriptor, r, err);
}

static int write_manifest(const struct apply *a, const struct luff_planned *s, struct luff_error *err)
{
	LUFF_AUTO(text) bytes = NULL;
	struct luff_medium *to = medium_of(a, s->place);
	int rc = luff_medium_fetch_all(&bytes, a->kept, &s->descriptor, LUFF_MANIFEST_MAX, err);

	if (rc < 0)
		return rc;
	return s->kind == LUFF_PLANNED_TAG ? luff_medium_tag(to, &s->descriptor, bytes, s->tag, err)
					   : luff_medium_push_bytes(to, &s->descriptor, bytes, err);
}

/* What is gone already is fine. */
static int take_away(const struct apply *a, const struct luff_planned *s, struct luff_error *err)
{
	struct luff_name name = {.digest = {""}};
	struct luff_medium *m = medium_of(a, s->place);
	struct luff_error missing = {0};
	struct luff_digest gone;
	int rc;

	if (s->kind == LUFF_PLANNED_STANDS)
		return 0;
	if (s->kind == LUFF_PLANNED_UNTAG)
		luff_text_copy(name.tag, sizeof name.tag, s->tag);
	else
		name.digest = s->descriptor.digest;
	rc = s->kind == LUFF_PLANNED_DELETE_BLOB ? luff_medium_remove_blob(m, &name.digest, &missing)
						 : luff_medium_remove(&gone, m, &name, s->force, &missing);
	if (rc == 0 || rc == LUFF_ENOTFOUND)
		return 0;
	*err = missing;
	return rc;
}

static int run(struct apply *a, struct luff_error *err)
{
	int rc = 0;

	for (size_t i = 0, n; rc == 0 && i < a->count; i += n) {
		const struct luff_planned *s = &a->steps[i];

		for (n = 0; i + n < a->count && a->steps[i + n].kind == LUFF_PLANNED_BLOB;)
			n++;
		a->first = i;
		if (n > 0) {
			rc = luff_pool_each(n, JOBS, move_blob, a, err);
			continue;
		}
		n = 1;
		rc = s->kind == LUFF_PLANNED_MANIFEST || s->kind == LUFF_PLANNED_TAG
			     ? write_manifest(a, s, err)
			     : take_away(a, s, err);
	}
	for (const struct place *p = a->places; rc == 0 && p; p = p->next)
		rc = p->medium->ops->push ? luff_medium_flush(p->medium, err) : 0;
	return rc;
}

int luff_plan_apply(const struct luff_planned *steps, size_t count, const char *folder,
		    struct luff_error *err)
{
	struct apply a = {.steps = steps, .count = count};
	LUFF_AUTO(text) place = NULL;
	struct luff_name none;
	int rc;

	if (luff_plan_is_on())
		return luff_fail(err, LUFF_EINVAL, "a plan cannot be applied while one is being made");
	if (strchr(folder, ':') || asprintf(&place, "oci:%s", folder) < 0) {
		place = NULL;
		return luff_fail(err, LUFF_EINVAL, "the folder of a plan has no colon in its name");
	}
	rc = luff_medium_open(&a.kept, &none, place, NULL, err);
	if (rc == 0)
		rc = open_places(&a, err);
	if (rc == 0)
		rc = check_names(&a, err);
	for (const struct place *p = a.places; rc == 0 && p; p = p->next)
		rc = luff_moved_check(steps, count, p->text, p->medium, err);
	if (rc == 0)
		rc = run(&a, err);
	while (a.places) {
		struct place *next = a.places->next;

		luff_medium_unref(a.places->medium);
		free(a.places);
		a.places = next;
	}
	luff_medium_unref(a.kept);
	return rc;
}
