/* See moved.h. */
#include "ops/moved.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "mediums/standing.h"
#include "model/descriptor.h"

#define DEPTH_MAX 8 /* of indexes in indexes */

/* The steps of one kind at the place, sorted. */
struct steps {
	const struct luff_planned **list;
	size_t count;
	int (*compare)(const void *a, const void *b);
};

struct check {
	const char *place;
	struct luff_medium *medium;
	struct steps gone;   /* manifests that are deleted, by digest */
	struct steps stands; /* what tags stood for, by tag */
	struct steps named;  /* what is named or loses its name, by tag: not checked here */
};

static int by_digest(const void *a, const void *b)
{
	return strcmp((*(const struct luff_planned *const *)a)->descriptor.digest.text,
		      (*(const struct luff_planned *const *)b)->descriptor.digest.text);
}

static int by_tag(const void *a, const void *b)
{
	return strcmp((*(const struct luff_planned *const *)a)->tag,
		      (*(const struct luff_planned *const *)b)->tag);
}

static int collect(struct steps *s, const struct luff_planned *steps, size_t count, const char *place,
		   unsigned kinds, struct luff_error *err)
{
	s->list = calloc(count + 1, sizeof *s->list);
	if (!s->list)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < count; i++) {
		if ((kinds & 1u << steps[i].kind) && strcmp(steps[i].place, place) == 0)
			s->list[s->count++] = &steps[i];
	}
	qsort(s->list, s->count, sizeof *s->list, s->compare);
	return 0;
}

static const struct luff_planned *find(const struct steps *s, const struct luff_planned *like)
{
	const struct luff_planned *const *at = bsearch(&like, s->list, s->count, sizeof *s->list, s->compare);

	return at ? *at : NULL;
}

static bool is_gone(const struct check *c, const struct luff_digest *digest)
{
	struct luff_planned like = {.descriptor = {.digest = *digest}};

	return find(&c->gone, &like) != NULL;
}

/* What an index lists, at any depth. What is not there lists nothing. */
static int check_index(const struct check *c, const char *tag, const struct luff_descriptor *d, int depth,
		       struct luff_error *err)
{
	LUFF_AUTO(text) bytes = NULL;
	struct luff_error missing = {0};
	struct luff_document doc;
	int rc = depth > DEPTH_MAX
			 ? luff_fail(&missing, LUFF_ELIMIT, "%s:%s: indexes are nested deeper than %d",
				     c->place, tag, DEPTH_MAX)
			 : luff_medium_fetch_all(&bytes, c->medium, d, LUFF_MANIFEST_MAX, &missing);

	if (rc == 0)
		rc = luff_document_parse(&doc, bytes, (size_t)d->size, d->media_type, &missing);
	if (rc < 0) {
		if (rc == LUFF_ENOTFOUND)
			return 0;
		*err = missing;
		return rc;
	}
	for (size_t i = 0; rc == 0 && doc.is_index && i < doc.count; i++) {
		const struct luff_descriptor *entry = &doc.entries[i];

		if (is_gone(c, &entry->digest))
			rc = luff_fail(err, LUFF_EDENIED,
				       "%s:%s has changed since it was planned, and lists %s, which would go",
				       c->place, tag, entry->digest.text);
		else if (luff_media_is_index(entry->media_type))
			rc = check_index(c, tag, entry, depth + 1, err);
	}
	luff_document_release(&doc);
	return rc;
}

static int check_tag(const struct check *c, const struct luff_standing *now, struct luff_error *err)
{
	struct luff_planned like = {.kind = LUFF_PLANNED_STANDS};
	const struct luff_planned *before;

	memcpy(like.tag, now->tag, sizeof like.tag);
	before = find(&c->stands, &like);
	if (!now->d.digest.text[0] || find(&c->named, &like) ||
	    (before && luff_digest_equal(&before->descriptor.digest, &now->d.digest)))
		return 0;
	if (is_gone(c, &now->d.digest) || (before && is_gone(c, &before->descriptor.digest)))
		return luff_fail(err, LUFF_EDENIED, "%s:%s is %s now, and when it was planned it was %s",
				 c->place, now->tag, now->d.digest.text,
				 before ? before->descriptor.digest.text : "not there");
	return luff_media_is_index(now->d.media_type) ? check_index(c, now->tag, &now->d, 1, err) : 0;
}

int luff_moved_check(const struct luff_planned *steps, size_t count, const char *place, struct luff_medium *m,
		     struct luff_error *err)
{
	struct check c = {.place = place,
			  .medium = m,
			  .gone = {.compare = by_digest},
			  .stands = {.compare = by_tag},
			  .named = {.compare = by_tag}};
	struct luff_standing *now = NULL;
	size_t tags = 0;
	int rc = collect(&c.gone, steps, count, place, 1u << LUFF_PLANNED_DELETE, err);

	if (rc == 0 && c.gone.count > 0) {
		rc = collect(&c.stands, steps, count, place, 1u << LUFF_PLANNED_STANDS, err);
		if (rc == 0)
			rc = collect(&c.named, steps, count, place,
				     1u << LUFF_PLANNED_TAG | 1u << LUFF_PLANNED_UNTAG, err);
		if (rc == 0)
			rc = luff_standing_list(&now, &tags, m, err);
		for (size_t i = 0; rc == 0 && i < tags; i++)
			rc = check_tag(&c, &now[i], err);
	}
	free(now);
	free(c.gone.list);
	free(c.stands.list);
	free(c.named.list);
	return rc;
}
