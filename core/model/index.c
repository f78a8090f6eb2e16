/* An index: manifests for several platforms, possibly with indexes among them. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "model/manifest.h"

#define SEEN_MAX 10000

struct luff_index {
	struct luff_manifest manifest;
};

int luff_index_open(struct luff_index **out, struct luff_medium *m, const struct luff_descriptor *d,
		    const char *document, struct luff_error *err)
{
	LUFF_AUTO(index) index = calloc(1, sizeof *index);
	int rc;

	*out = NULL;
	if (!index)
		return luff_fail_nomem(err);
	rc = luff_manifest_init(&index->manifest, m, d, document, true, err);
	if (rc == 0)
		*out = luff_take(index);
	return rc;
}

struct luff_index *luff_index_ref(struct luff_index *index)
{
	atomic_fetch_add_explicit(&index->manifest.refs, 1, memory_order_relaxed);
	return index;
}

void luff_index_unref(struct luff_index *index)
{
	if (!index || !luff_manifest_drop(&index->manifest))
		return;
	luff_manifest_release(&index->manifest);
	free(index);
}

struct luff_medium *luff_index_medium(const struct luff_index *index)
{
	return index->manifest.medium;
}

const struct luff_descriptor *luff_index_descriptor(const struct luff_index *index)
{
	return &index->manifest.descriptor;
}

const char *luff_index_raw_manifest(const struct luff_index *index)
{
	return index->manifest.raw;
}

size_t luff_index_count(const struct luff_index *index)
{
	return index->manifest.doc.count;
}

const struct luff_descriptor *luff_index_entry(const struct luff_index *index, size_t i)
{
	return &index->manifest.doc.entries[i];
}

struct selection {
	struct luff_platform want;
	struct luff_descriptor best;
	int score;
	int seen; /* entries, over all indexes: a small index can name itself many times over */
	struct luff_buffer have; /* the platforms that there are, for the message */
};

static int consider(struct selection *s, struct luff_medium *m, const struct luff_descriptor *d,
		    struct luff_error *err)
{
	LUFF_AUTO(image) image = NULL;
	struct luff_platform platform = d->platform;
	struct luff_error ignored = {0};
	char text[LUFF_PLATFORM_TEXT_MAX];
	int rc, score;

	/* an entry without a platform (layouts have those): its config knows */
	if (!platform.os[0] && luff_media_is_image(d->media_type)) {
		rc = luff_image_open(&image, m, d, NULL, err);
		if (rc == 0)
			rc = luff_image_platform(&platform, image, err);
		if (rc < 0)
			return rc;
	}
	score = luff_platform_match(&s->want, &platform);
	if (score > s->score) {
		s->score = score;
		s->best = *d;
		s->best.platform = platform;
	}
	luff_platform_format(text, &platform);
	if (strcmp(text, "unknown") != 0 && strcmp(platform.os, "unknown") != 0)
		luff_buffer_printf(&s->have, &ignored, "%s%s", s->have.len ? ", " : "", text);
	return 0;
}

static int search(struct selection *s, struct luff_index *index, int depth, struct luff_error *err)
{
	for (size_t i = 0; i < index->manifest.doc.count; i++) {
		LUFF_AUTO(index) nested = NULL;
		const struct luff_descriptor *d = &index->manifest.doc.entries[i];
		int rc;

		if (!d->manifest)
			continue;
		if (++s->seen > SEEN_MAX)
			return luff_fail(err, LUFF_ELIMIT, "%s: indexes list more than %d manifests",
					 luff_medium_place(index->manifest.medium), SEEN_MAX);
		if (luff_media_is_index(d->media_type)) {
			if (depth == LUFF_DEPTH_MAX)
				return luff_fail(err, LUFF_ELIMIT, "%s: indexes are nested more than %d deep",
						 luff_medium_place(index->manifest.medium), LUFF_DEPTH_MAX);
			rc = luff_index_open(&nested, index->manifest.medium, d, NULL, err);
			if (rc == 0)
				rc = search(s, nested, depth + 1, err);
		} else {
			rc = consider(s, index->manifest.medium, d, err);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

int luff_index_select(struct luff_descriptor *out, struct luff_index *index, const struct luff_platform *want,
		      struct luff_error *err)
{
	struct selection s = {0};
	char text[LUFF_PLATFORM_TEXT_MAX];
	int rc;

	memset(out, 0, sizeof *out);
	if (want)
		s.want = *want;
	else
		luff_platform_host(&s.want);
	luff_buffer_init(&s.have, 300);
	rc = search(&s, index, 1, err);
	if (rc == 0 && s.score == 0)
		rc = luff_fail(err, LUFF_ENOTFOUND, "%s: no image for %s (have: %s)",
			       luff_medium_place(index->manifest.medium), luff_platform_format(text, &s.want),
			       s.have.len ? s.have.data : "none");
	else if (rc == 0)
		*out = s.best;
	luff_buffer_release(&s.have);
	return rc;
}
