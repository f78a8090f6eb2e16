/* New content over an untouched medium: what an image that was changed but not yet written anywhere stands on. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mediums/mediums.h"

struct overlay {
	struct luff_medium base;
	struct luff_medium *front, *back;
};

static struct overlay *overlay_of(struct luff_medium *m)
{
	return (struct overlay *)m;
}

static int overlay_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			   const struct luff_name *name, struct luff_error *err)
{
	struct overlay *o = overlay_of(m);
	struct luff_error missing = {0};
	int rc = luff_medium_resolve(out, document, o->front, name, &missing);

	if (rc == LUFF_ENOTFOUND)
		return luff_medium_resolve(out, document, o->back, name, err);
	if (rc < 0)
		*err = missing;
	return rc;
}

static struct luff_medium *overlay_origin(struct luff_medium *m, const struct luff_descriptor *d)
{
	struct overlay *o = overlay_of(m);
	struct luff_error ignored = {0};
	bool in_front = false;

	luff_medium_exists(&in_front, o->front, d, &ignored);
	return in_front ? o->front : o->back;
}

/* The check is made outside, over both. */
static int overlay_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			 int64_t offset, struct luff_error *err)
{
	struct luff_medium *origin = overlay_origin(m, d);

	return origin->ops->fetch(out, origin, d, offset, err);
}

static int overlay_fetch_part(struct luff_reader **out, struct luff_medium *m,
			      const struct luff_descriptor *d, int64_t offset, int64_t size,
			      struct luff_error *err)
{
	return luff_medium_fetch_part(out, overlay_origin(m, d), d, offset, size, err);
}

static int overlay_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			  struct luff_error *err)
{
	return luff_medium_exists(out, overlay_origin(m, d), d, err);
}

static int overlay_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			struct luff_error *err)
{
	return luff_medium_push(overlay_of(m)->front, d, src, err);
}

static int overlay_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		       const char *tag, struct luff_error *err)
{
	return luff_medium_tag(overlay_of(m)->front, d, bytes, tag, err);
}

static int overlay_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	return luff_medium_tags(out, overlay_of(m)->back, err);
}

static int overlay_referrers(struct luff_cursor **out, struct luff_medium *m,
			     const struct luff_digest *subject, const char *artifact_type,
			     struct luff_error *err)
{
	return luff_medium_referrers(out, overlay_of(m)->back, subject, artifact_type, err);
}

static void overlay_destroy(struct luff_medium *m)
{
	struct overlay *o = overlay_of(m);

	luff_medium_unref(o->front);
	luff_medium_unref(o->back);
	free(m->place);
	free(m);
}

static const struct luff_medium_ops overlay_ops = {
	.scheme = "overlay",
	.resolve = overlay_resolve,
	.fetch = overlay_fetch,
	.fetch_part = overlay_fetch_part,
	.exists = overlay_exists,
	.push = overlay_push,
	.origin = overlay_origin,
	.tag = overlay_tag,
	.tags = overlay_tags,
	.referrers = overlay_referrers,
	.destroy = overlay_destroy,
};

void luff_overlay_open(struct luff_medium **front, struct luff_medium **back, struct luff_medium *m)
{
	bool is_one = m->ops == &overlay_ops;

	*front = is_one ? overlay_of(m)->front : NULL;
	*back = is_one ? overlay_of(m)->back : NULL;
}

int luff_overlay_new(struct luff_medium **out, struct luff_medium *front, struct luff_medium *back,
		     struct luff_error *err)
{
	struct overlay *o = calloc(1, sizeof *o);

	*out = NULL;
	if (o)
		o->base.place = strdup(luff_medium_place(back));
	if (!o || !o->base.place) {
		free(o);
		return luff_fail_nomem(err);
	}
	o->base.ops = &overlay_ops;
	o->base.refs = 1;
	o->base.unpacked = back->unpacked;
	o->front = luff_medium_ref(front);
	o->back = luff_medium_ref(back);
	*out = &o->base;
	return 0;
}
