/* See parts.h. */
#include "mediums/parts.h"

#include <assert.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/streams.h"

/* One of bytes, fd and from. */
struct part {
	struct luff_descriptor d;
	char *bytes;
	int fd; /* -1: none */
	struct luff_medium *from;
};

struct parts {
	struct luff_medium base;
	void *tree; /* of struct part, by digest (tsearch) */
};

static const struct luff_medium_ops parts_ops;

static struct parts *parts_of(const struct luff_medium *m)
{
	assert(m->ops == &parts_ops);
	return (struct parts *)m;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct part *)a)->d.digest.text, ((const struct part *)b)->d.digest.text);
}

static struct part *find(const struct luff_medium *m, const struct luff_digest *d)
{
	struct part key = {.d.digest = *d}, **at = tfind(&key, &parts_of(m)->tree, compare);

	return at ? *at : NULL;
}

static int missing(const struct luff_medium *m, const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTFOUND, "%s: no %s", m->place, what);
}

static int parts_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			 const struct luff_name *name, struct luff_error *err)
{
	const struct part *part = find(m, &name->digest);

	(void)document;
	if (!part)
		return missing(m, name->digest.text[0] ? name->digest.text : name->tag, err);
	*out = part->d;
	return 0;
}

static int parts_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		       int64_t offset, struct luff_error *err)
{
	const struct part *part = find(m, &d->digest);
	int fd;

	if (!part)
		return missing(m, d->digest.text, err);
	if (part->from)
		return part->from->ops->fetch(out, part->from, d, offset, err);
	if (offset > part->d.size) /* a manifest may say another size than it has */
		return luff_fail(err, LUFF_ESIZE, "%s: %s has no byte %lld", m->place, d->digest.text,
				 (long long)offset);
	if (part->bytes)
		return luff_reader_open_bytes(out, part->bytes + offset, (size_t)(part->d.size - offset),
					      err);
	fd = fcntl(part->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return luff_fail(err, LUFF_EIO, "too many open files");
	return luff_reader_open_range(out, fd, offset, part->d.size - offset, err);
}

static int parts_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			struct luff_error *err)
{
	(void)err;
	*out = find(m, &d->digest) != NULL;
	return 0;
}

static struct luff_medium *parts_origin(struct luff_medium *m, const struct luff_descriptor *d)
{
	const struct part *part = find(m, &d->digest);

	return part ? part->from : NULL;
}

static void free_part(void *p)
{
	struct part *part = p;

	free(part->bytes);
	if (part->fd >= 0)
		close(part->fd);
	luff_medium_unref(part->from);
	free(part);
}

static void parts_destroy(struct luff_medium *m)
{
	tdestroy(parts_of(m)->tree, free_part);
	free(m->place);
	free(m);
}

static const struct luff_medium_ops parts_ops = {
	.scheme = "parts",
	.resolve = parts_resolve,
	.fetch = parts_fetch,
	.exists = parts_exists,
	.origin = parts_origin,
	.destroy = parts_destroy,
};

int luff_parts_new(struct luff_medium **out, const char *place, struct luff_error *err)
{
	struct parts *p = calloc(1, sizeof *p);

	*out = NULL;
	if (p)
		p->base.place = strdup(place);
	if (!p || !p->base.place) {
		free(p);
		return luff_fail_nomem(err);
	}
	p->base.ops = &parts_ops;
	p->base.refs = 1;
	*out = &p->base;
	return 0;
}

/* Takes what is in `model` over, also when it fails. */
static int add(struct luff_medium *m, const struct part *model, struct luff_error *err)
{
	struct part *part = malloc(sizeof *part), **at = NULL;

	if (part) {
		*part = *model;
		at = tsearch(part, &parts_of(m)->tree, compare);
	}
	if (at && *at == part)
		return 0;
	free(model->bytes);
	if (model->fd >= 0)
		close(model->fd);
	luff_medium_unref(model->from);
	free(part);
	return at ? 0 : luff_fail_nomem(err);
}

int luff_parts_add_bytes(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
			 struct luff_error *err)
{
	struct part part = {.d = *d, .fd = -1, .bytes = malloc((size_t)d->size + 1)};

	if (!part.bytes)
		return luff_fail_nomem(err);
	memcpy(part.bytes, bytes, (size_t)d->size);
	part.bytes[d->size] = '\0';
	return add(m, &part, err);
}

int luff_parts_add_file(struct luff_medium *m, const struct luff_descriptor *d, int fd,
			struct luff_error *err)
{
	struct part part = {.d = *d, .fd = fd};

	return add(m, &part, err);
}

int luff_parts_add_from(struct luff_medium *m, const struct luff_descriptor *d, struct luff_medium *from,
			struct luff_error *err)
{
	struct part part = {.d = *d, .fd = -1, .from = luff_medium_ref(luff_medium_origin(from, d))};

	return add(m, &part, err);
}

bool luff_parts_is(const struct luff_medium *m)
{
	return m->ops == &parts_ops;
}

int luff_parts_add_shared(struct luff_medium *m, const struct luff_descriptor *d, struct luff_medium *parts,
			  struct luff_error *err)
{
	const struct part *part = find(parts, &d->digest);

	if (!part)
		return 0;
	/* of the size that it has, whatever d says */
	return part->bytes ? luff_parts_add_bytes(m, &part->d, part->bytes, err)
			   : luff_parts_add_from(m, d, parts, err);
}

struct all {
	struct luff_medium *to, *from;
	struct luff_error *err;
	int rc;
};

static void add_one(const void *node, VISIT visit, void *arg)
{
	const struct part *part = *(struct part *const *)node;
	struct all *all = arg;

	if ((visit == postorder || visit == leaf) && all->rc == 0)
		all->rc = luff_parts_add_shared(all->to, &part->d, all->from, all->err);
}

int luff_parts_add_all(struct luff_medium *m, struct luff_medium *parts, struct luff_error *err)
{
	struct all all = {.to = m, .from = parts, .err = err};

	twalk_r(parts_of(parts)->tree, add_one, &all);
	return all.rc;
}
