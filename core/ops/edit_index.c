/* New indexes from old ones and from images, which may lie anywhere. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "mediums/parts.h"
#include "model/descriptor.h"
#include "model/layer.h"
#include "ops/document.h"
#include "ops/stand.h"

struct index_edit {
	struct luff_stand stand;
	struct luff_index *index; /* NULL: there was none */
	const struct luff_index_edit *edit;
	char *text; /* NULL: it stays */
};

static int add_image(struct luff_medium *front, struct luff_image *image, struct luff_error *err)
{
	struct luff_medium *m = luff_image_medium(image);
	int rc = luff_parts_add_from(front, luff_image_descriptor(image), m, err);

	if (rc == 0)
		rc = luff_parts_add_from(front, luff_image_config(image), m, err);
	for (size_t i = 0; rc == 0 && i < luff_image_layer_count(image); i++) {
		LUFF_AUTO(layer) layer = NULL;

		rc = luff_image_layer(&layer, image, i, err);
		if (rc == 0)
			rc = luff_parts_add_from(front, luff_layer_descriptor(layer), m, err);
	}
	return rc;
}

/* All that hangs below it: what the whole will stand on is asked for blobs of all of them. */
static int add_index(struct luff_medium *front, struct luff_index *index, int depth, struct luff_error *err)
{
	struct luff_medium *m = luff_index_medium(index);
	int rc = luff_parts_add_from(front, luff_index_descriptor(index), m, err);

	if (depth > LUFF_DEPTH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: indexes are nested deeper than %d",
				 luff_medium_place(m), LUFF_DEPTH_MAX);
	for (size_t i = 0; rc == 0 && i < luff_index_count(index); i++) {
		const struct luff_descriptor *d = luff_index_entry(index, i);
		LUFF_AUTO(image) image = NULL;
		LUFF_AUTO(index) below = NULL;

		if (!d->manifest)
			rc = luff_parts_add_from(front, d, m, err);
		else if (luff_media_is_index(d->media_type))
			rc = luff_index_open(&below, m, d, NULL, err);
		else
			rc = luff_image_open(&image, m, d, NULL, err);
		if (below)
			rc = add_index(front, below, depth + 1, err);
		if (image)
			rc = add_image(front, image, err);
	}
	return rc;
}

static bool lists(const struct luff_index *index, const struct luff_descriptor *d)
{
	for (size_t i = 0; index && i < luff_index_count(index); i++) {
		if (luff_digest_equal(&luff_index_entry(index, i)->digest, &d->digest))
			return true;
	}
	return false;
}

static int add_entry(struct index_edit *e, const struct luff_descriptor *d, struct luff_error *err)
{
	for (size_t i = 0; i < e->edit->image_count; i++) {
		if (luff_digest_equal(&luff_image_descriptor(e->edit->images[i])->digest, &d->digest))
			return add_image(e->stand.front, e->edit->images[i], err);
	}
	for (size_t i = 0; i < e->edit->index_count; i++) {
		if (luff_digest_equal(&luff_index_descriptor(e->edit->indexes[i])->digest, &d->digest))
			return add_index(e->stand.front, e->edit->indexes[i], 1, err);
	}
	return lists(e->index, d)
		       ? 0
		       : luff_fail(err, LUFF_EINVAL, "the index names %s, which is neither old nor given",
				   d->digest.text);
}

static int finish(struct luff_index **out, struct index_edit *e, struct luff_error *err)
{
	LUFF_AUTO(medium) m = NULL;
	struct luff_descriptor d = {.manifest = true};
	struct luff_digest none = {""};
	struct luff_document doc = {0};
	int rc = luff_document_describe(&d, e->text, LUFF_MANIFEST_MAX, "index",
					e->index ? &luff_index_descriptor(e->index)->digest : &none, err);

	if (rc == 0)
		rc = luff_document_parse(&doc, e->text, (size_t)d.size, NULL, err);
	if (rc == 0 && !doc.is_index)
		rc = luff_fail(err, LUFF_EINVAL, "an index cannot become an image");
	if (rc == 0)
		memcpy(d.media_type, doc.media_type, sizeof d.media_type);
	for (size_t i = 0; rc == 0 && i < doc.count; i++)
		rc = add_entry(e, &doc.entries[i], err);
	luff_document_release(&doc);
	if (rc == 0)
		rc = luff_stand_keep_all(&e->stand, err);
	if (rc == 0)
		rc = luff_parts_add_bytes(e->stand.front, &d, e->text, err);
	if (rc == 0)
		rc = luff_stand_medium(&m, &e->stand, err);
	return rc < 0 ? rc : luff_index_open(out, m, &d, e->text, err);
}

int luff_index_edit(struct luff_index **out, struct luff_index *index, const struct luff_index_edit *edit,
		    struct luff_error *err)
{
	struct index_edit e = {.index = index, .edit = edit};
	int rc = luff_stand_init(&e.stand, index ? luff_index_medium(index) : NULL, "a new index", err);

	*out = NULL;
	if (rc == 0)
		rc = luff_document_reprint(&e.text, edit->manifest,
					   index ? luff_index_raw_manifest(index) : NULL, "index", err);
	if (rc == 0 && !e.text)
		*out = luff_index_ref(index);
	else if (rc == 0)
		rc = finish(out, &e, err);
	luff_stand_release(&e.stand);
	free(e.text);
	return rc;
}
