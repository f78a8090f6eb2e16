/*
 * Whether an image is what it says to be. Goes down from a name as a copy does, several manifests and layers at a time; what is
 * wrong is noted and the rest goes on, what is in the way (a network, a login) ends it.
 */
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/text.h"
#include "fs/tree.h"
#include "model/descriptor.h"
#include "model/platform.h"
#include "ops/findings.h"
#include "ops/probe.h"

#define JOBS 4
#define MANIFESTS_MAX 10000 /* of all indexes */
#define EMPTY_CONFIG "application/vnd.oci.empty.v1+json"

struct check {
	struct luff_validate_options options;
	struct luff_medium *medium;
	int jobs;
	atomic_int room;
	pthread_mutex_t lock; /* of those below */
	void *seen;           /* digests of manifests (tsearch): each is looked at once */
	int seen_count;
};

/* ---- what an image's config says ---- */

static int check_history(struct luff_report *r, const cJSON *config, size_t layers, struct luff_error *err)
{
	const cJSON *history = luff_json_array(config, "history"), *step;
	size_t count = 0;

	if (luff_json_get(config, "history") && !history)
		return luff_report_add(r, LUFF_EFORMAT, "history", err, "the config's history is no list");
	cJSON_ArrayForEach(step, history) count += !cJSON_IsTrue(luff_json_get(step, "empty_layer"));
	if (cJSON_GetArraySize(history) == 0 || count == layers)
		return 0;
	return luff_report_add(r, LUFF_EFORMAT, "history", err, "%zu steps made a layer, and there %s %zu",
			       count, layers == 1 ? "is" : "are", layers);
}

static int check_diff_ids(struct luff_report *r, const cJSON *config, size_t layers, struct luff_error *err)
{
	const cJSON *rootfs = luff_json_object(config, "rootfs"), *ids = luff_json_array(rootfs, "diff_ids");
	const char *type = luff_json_string(rootfs, "type");
	size_t count = (size_t)cJSON_GetArraySize(ids), i = 0;
	const cJSON *one;
	int rc = 0;

	if (!ids)
		return luff_report_add(r, LUFF_EFORMAT, "diff IDs", err,
				       "the config has no list rootfs.diff_ids");
	if (!type || strcmp(type, "layers") != 0)
		rc = luff_report_add(r, LUFF_EFORMAT, "config", err, "its rootfs.type is not \"layers\"");
	if (rc == 0 && count != layers)
		rc = luff_report_add(r, LUFF_EFORMAT, "diff IDs", err,
				     "%zu in the config, and there %s %zu layer%s", count,
				     layers == 1 ? "is" : "are", layers, layers == 1 ? "" : "s");
	cJSON_ArrayForEach(one, ids)
	{
		const char *text = cJSON_GetStringValue(one);
		struct luff_error why = {0};
		struct luff_digest id;
		char thing[32];

		snprintf(thing, sizeof thing, "diff ID %zu", ++i);
		if (rc == 0 && luff_digest_parse(&id, text ? text : "", &why) < 0)
			rc = luff_report_add(r, LUFF_EFORMAT, thing, err, "%s", why.msg);
	}
	return rc;
}

/* What an index says of the image's platform, where both say something. */
static int check_platform(struct luff_report *r, const cJSON *config, const struct luff_platform *said,
			  struct luff_error *err)
{
	struct luff_platform have = {0};
	char a[LUFF_PLATFORM_TEXT_MAX], b[LUFF_PLATFORM_TEXT_MAX];

	luff_platform_from_json(&have, config);
	if (!said->os[0] || strcmp(said->os, "unknown") == 0)
		return 0;
	if (!luff_json_string(config, "variant") || !said->variant[0])
		luff_text_copy(have.variant, sizeof have.variant, said->variant);
	if (!luff_json_string(config, "os.version") || !said->os_version[0])
		luff_text_copy(have.os_version, sizeof have.os_version, said->os_version);
	luff_platform_format(a, said);
	luff_platform_format(b, &have);
	return strcmp(a, b) == 0 ? 0
				 : luff_report_add(r, LUFF_EFORMAT, "platform", err,
						   "the index says %s, the config %s", a, b);
}

static int check_config(struct luff_report *r, const char *text, int64_t size, size_t layers,
			const struct luff_platform *said, struct luff_error *err)
{
	LUFF_AUTO(json) config = NULL;
	int rc = luff_json_parse(&config, text, (size_t)size, "config", err);
	const char *created = luff_json_string(config, "created");
	int64_t time;

	if (rc < 0)
		return luff_report_failure(r, "config", err);
	if (!cJSON_IsObject(config))
		return luff_report_add(r, LUFF_EFORMAT, "config", err, "no JSON object");
	for (int i = 0; rc == 0 && i < 2; i++) {
		const char *name = i == 0 ? "os" : "architecture", *value = luff_json_string(config, name);

		if (!value || !*value)
			rc = luff_report_add(r, LUFF_EFORMAT, "config", err, "it has no %s", name);
	}
	if (rc == 0 && luff_json_get(config, "created") && (!created || !luff_text_time(&time, created)))
		rc = luff_report_add(r, LUFF_EFORMAT, "config", err,
				     "\"created\" is no time as RFC 3339 has it");
	if (rc == 0)
		rc = check_diff_ids(r, config, layers, err);
	if (rc == 0)
		rc = check_history(r, config, layers, err);
	return rc < 0 ? rc : check_platform(r, config, said, err);
}

/* ---- what a manifest says ---- */

static int check_annotations(struct luff_report *r, const cJSON *object, const char *thing,
			     struct luff_error *err)
{
	const cJSON *annotations = luff_json_get(object, "annotations"), *one;

	if (!annotations)
		return 0;
	if (!cJSON_IsObject(annotations))
		return luff_report_add(r, LUFF_EFORMAT, thing, err, "its annotations are no object");
	cJSON_ArrayForEach(one, annotations)
	{
		char shown[128];

		if (!cJSON_IsString(one))
			return luff_report_add(r, LUFF_EFORMAT, thing, err, "annotation \"%s\" is no text",
					       luff_text_printable(shown, sizeof shown, one->string));
	}
	return 0;
}

/* The members that luff_document_parse() does not look at. */
static int check_document(struct luff_report *r, const char *raw, size_t len, struct luff_error *err)
{
	LUFF_AUTO(json) doc = NULL;
	const cJSON *subject, *one;
	struct luff_descriptor d;
	const char *config;
	int rc = luff_json_parse(&doc, raw, len, "manifest", err), i = 0;

	if (rc < 0)
		return rc;
	subject = luff_json_get(doc, "subject");
	config = luff_json_string(luff_json_object(doc, "config"), "mediaType");
	if (subject && luff_descriptor_parse(&d, subject, "subject", err) < 0)
		rc = luff_report_failure(r, "subject", err);
	if (rc == 0 && config && strcmp(config, EMPTY_CONFIG) == 0 && !luff_json_string(doc, "artifactType"))
		rc = luff_report_add(r, LUFF_EFORMAT, "manifest", err,
				     "its config is empty, and it has no artifactType");
	if (rc == 0)
		rc = check_annotations(r, doc, "manifest", err);
	cJSON_ArrayForEach(one, luff_json_array(doc, "layers"))
	{
		char thing[32];

		snprintf(thing, sizeof thing, "layer %d", ++i);
		if (rc == 0)
			rc = check_annotations(r, one, thing, err);
	}
	return rc;
}

/* ---- layers ---- */

struct layers {
	struct check *check;
	struct luff_image *image;
	struct luff_report *reports;    /* one for each layer */
	struct luff_listing **listings; /* of those that are sound tars */
	bool unpacks;                   /* the config is that of an image, so layers have diff IDs */
};

/* Only that it is there, and how large. */
static int look_at_blob(struct luff_report *r, struct luff_medium *m, const struct luff_descriptor *d,
			const char *thing, struct luff_error *err)
{
	int64_t size = 0;
	bool there = false;
	int rc = luff_medium_stat(&size, m, &d->digest, err);

	if (rc == LUFF_ENOTSUP) {
		memset(err, 0, sizeof *err);
		size = d->size;
		rc = luff_medium_exists(&there, m, d, err);
		if (rc == 0 && !there)
			rc = luff_fail(err, LUFF_ENOTFOUND, "%s: no blob %s", luff_medium_place(m),
				       d->digest.text);
	}
	if (rc == 0 && size != d->size)
		return luff_report_add(r, LUFF_ESIZE, thing, err, "it has %lld bytes and should have %lld",
				       (long long)size, (long long)d->size);
	return rc;
}

static int drain(struct luff_medium *m, const struct luff_descriptor *d, struct luff_error *err)
{
	LUFF_AUTO(text) buf = malloc((size_t)128 << 10);
	LUFF_AUTO(reader) reader = NULL;
	size_t n = 1;
	int rc = buf ? luff_medium_fetch(&reader, m, d, 0, err) : luff_fail_nomem(err);

	while (rc == 0 && n > 0)
		rc = luff_reader_read(&n, reader, buf, (size_t)128 << 10, err);
	return rc;
}

/* @param l  of a layer that is a sound tar else */
static int check_repeats(struct luff_report *r, const struct luff_listing *l, const char *thing,
			 struct luff_error *err)
{
	const struct luff_record *first;
	char shown[256], path[LUFF_PATH_MAX + 8];
	const char *folder;
	uint32_t number;
	size_t count;
	int rc = luff_listing_repeats(&count, &number, l, err);

	if (rc < 0 || count == 0)
		return rc;
	first = &l->records[number];
	folder = luff_listing_text(l, first->folder);
	snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", luff_listing_text(l, first->name));
	luff_text_printable(shown, sizeof shown, *path ? path : ".");
	return count == 1 ? luff_report_add(r, LUFF_EFORMAT, thing, err, "%s is in it more than once", shown)
			  : luff_report_add(r, LUFF_EFORMAT, thing, err,
					    "%s and others are in it more than once, %zu entries too many",
					    shown, count);
}

static int check_tar(struct layers *l, size_t i, struct luff_layer *layer, enum luff_packing said,
		     const char *thing, struct luff_error *err)
{
	struct luff_report *r = &l->reports[i];
	struct luff_error why = {0};
	struct luff_digest id = {.text = ""};
	struct luff_probe probe;
	char number[32];
	bool known = luff_layer_diff_id(&id, layer, &why) == 0; /* else the config's fault was told */
	int rc = luff_probe_layer(&probe, layer, known ? luff_digest_algorithm(&id) : LUFF_SHA256, NULL, err);

	if (rc < 0)
		return rc;
	l->listings[i] = probe.listing;
	if (probe.packing != said)
		rc = luff_report_add(r, LUFF_EFORMAT, thing, err, "its media type is %s, and it is %s",
				     luff_layer_descriptor(layer)->media_type,
				     luff_packing_name(probe.packing));
	snprintf(number, sizeof number, "diff ID %zu", i + 1);
	if (rc == 0 && known && !luff_digest_equal(&id, &probe.diff_id))
		rc = luff_report_add(r, LUFF_EDIGEST, number, err, "the config says %s, the layer is %s",
				     id.text, probe.diff_id.text);
	return rc < 0 ? rc : check_repeats(r, probe.listing, thing, err);
}

static int check_layer(void *arg, size_t i, struct luff_error *err)
{
	struct layers *l = arg;
	struct luff_report *r = &l->reports[i];
	LUFF_AUTO(layer) layer = NULL;
	const struct luff_descriptor *d;
	enum luff_packing said;
	char thing[32];
	int rc = luff_image_layer(&layer, l->image, i, err);

	if (rc < 0)
		return rc;
	d = luff_layer_descriptor(layer);
	snprintf(thing, sizeof thing, "layer %zu", i + 1);
	if (l->check->options.fast)
		rc = look_at_blob(r, luff_image_medium(l->image), d, thing, err);
	else if (l->unpacks && luff_packing_of(&said, d->media_type))
		rc = check_tar(l, i, layer, said, thing, err);
	else
		rc = drain(luff_image_medium(l->image), d, err);
	if (rc == LUFF_ENOTFOUND && luff_media_is_foreign(d->media_type)) {
		memset(err, 0, sizeof *err); /* need not be here */
		return 0;
	}
	r->result.blobs = 1;
	r->result.bytes = l->check->options.fast ? 0 : d->size;
	return rc < 0 ? luff_report_failure(r, thing, err) : 0;
}

/* Whether layers can be laid on each other: hard links with something at their end, folders where folders should be. */
static int check_fit(struct luff_report *r, struct layers *l, size_t count, struct luff_error *err)
{
	struct luff_tree *tree = NULL;
	int rc;

	for (size_t i = 0; i < count; i++) {
		if (!l->listings[i])
			return 0;
	}
	rc = luff_tree_new_partial(&tree, l->image, l->listings, 0, err);
	luff_tree_unref(tree);
	return rc < 0 ? luff_report_failure(r, "layers", err) : 0;
}

static int check_layers(struct check *c, struct luff_report *r, struct luff_image *image, bool unpacks,
			struct luff_error *err)
{
	size_t count = luff_image_layer_count(image);
	struct layers l = {.check = c, .image = image, .unpacks = unpacks};
	int rc;

	l.reports = calloc(count + 1, sizeof *l.reports);
	l.listings = calloc(count + 1, sizeof(struct luff_listing *));
	for (size_t i = 0; l.reports && i < count; i++)
		luff_report_split(&l.reports[i], r);
	rc = l.reports && l.listings ? luff_pool_each(count, c->jobs, check_layer, &l, err)
				     : luff_fail_nomem(err);
	for (size_t i = 0; l.reports && i < count; i++)
		luff_report_join(r, &l.reports[i]);
	if (rc == 0 && unpacks && !c->options.fast)
		rc = check_fit(r, &l, count, err);
	for (size_t i = 0; l.listings && i < count; i++)
		luff_listing_close(l.listings[i]);
	free(l.listings);
	free(l.reports);
	return rc;
}

/* ---- manifests ---- */

static int check_image(struct check *c, struct luff_report *r, const struct luff_descriptor *d,
		       const char *document, struct luff_error *err)
{
	LUFF_AUTO(image) image = NULL;
	const struct luff_descriptor *config;
	const char *text;
	bool unpacks;
	int rc = luff_image_open(&image, c->medium, d, document, err);

	if (rc < 0)
		return rc;
	r->result.images = 1;
	r->result.blobs = 1;
	config = luff_image_config(image);
	unpacks = luff_text_starts(config->media_type, LUFF_MEDIA_OCI_CONFIG) ||
		  luff_text_starts(config->media_type, LUFF_MEDIA_DOCKER_CONFIG);
	rc = check_document(r, luff_image_raw_manifest(image), (size_t)luff_image_descriptor(image)->size,
			    err);
	if (rc < 0)
		return rc;
	if (luff_image_raw_config(&text, image, err) < 0)
		rc = luff_report_failure(r, "config", err);
	else if (unpacks)
		rc = check_config(r, text, config->size, luff_image_layer_count(image), &d->platform, err);
	return rc < 0 ? rc : check_layers(c, r, image, unpacks, err);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct luff_digest *)a)->text, ((const struct luff_digest *)b)->text);
}

/* *out is false for a manifest that another one led to already. */
static int is_new(bool *out, struct check *c, const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_digest *key = malloc(sizeof *key);
	void *at;
	int rc = 0;

	*out = false;
	if (!key)
		return luff_fail_nomem(err);
	*key = *digest;
	pthread_mutex_lock(&c->lock);
	at = tsearch(key, &c->seen, compare);
	*out = at && *(struct luff_digest **)at == key;
	if (!at)
		rc = luff_fail_nomem(err);
	else if (*out && ++c->seen_count > MANIFESTS_MAX)
		rc = luff_fail(err, LUFF_ELIMIT, "more than %d manifests", MANIFESTS_MAX);
	pthread_mutex_unlock(&c->lock);
	if (!*out)
		free(key);
	return rc;
}

struct entries {
	struct check *check;
	struct luff_index *index;
	struct luff_report *reports;
	int depth;
};

static int check_manifest(struct check *c, struct luff_report *r, const struct luff_descriptor *d,
			  const char *document, int depth, struct luff_error *err);

static int check_entry(void *arg, size_t i, struct luff_error *err)
{
	const struct entries *e = arg;
	const struct luff_descriptor *d = luff_index_entry(e->index, i);
	struct luff_report *r = &e->reports[i];
	bool fresh;
	int rc;

	luff_report_init(r, &e->check->room, e->check->medium, &d->digest);
	rc = is_new(&fresh, e->check, &d->digest, err);
	if (rc < 0 || !fresh)
		return rc < 0 ? luff_report_failure(r, "index", err) : 0;
	if (d->manifest)
		return check_manifest(e->check, r, d, NULL, e->depth + 1, err);
	r->result.blobs = 1;
	rc = e->check->options.fast ? look_at_blob(r, e->check->medium, d, "blob", err)
				    : drain(e->check->medium, d, err);
	return rc < 0 ? luff_report_failure(r, "blob", err) : 0;
}

static int check_index(struct check *c, struct luff_report *r, const struct luff_descriptor *d,
		       const char *document, int depth, struct luff_error *err)
{
	LUFF_AUTO(index) index = NULL;
	struct entries e = {.check = c, .depth = depth};
	size_t count;
	int rc = depth >= LUFF_DEPTH_MAX
			 ? luff_fail(err, LUFF_ELIMIT, "indexes are nested more than %d deep", LUFF_DEPTH_MAX)
			 : luff_index_open(&index, c->medium, d, document, err);

	if (rc < 0)
		return rc;
	r->result.indexes = 1;
	rc = check_document(r, luff_index_raw_manifest(index), (size_t)luff_index_descriptor(index)->size,
			    err);
	if (rc < 0)
		return rc;
	count = luff_index_count(index);
	e.index = index;
	e.reports = calloc(count + 1, sizeof *e.reports);
	rc = e.reports ? luff_pool_each(count, c->jobs, check_entry, &e, err) : luff_fail_nomem(err);
	for (size_t i = 0; e.reports && i < count; i++)
		luff_report_join(r, &e.reports[i]);
	free(e.reports);
	return rc;
}

static int check_manifest(struct check *c, struct luff_report *r, const struct luff_descriptor *d,
			  const char *document, int depth, struct luff_error *err)
{
	LUFF_AUTO(text) fetched = NULL;
	struct luff_document doc = {0};
	int rc = 0;

	if (!document)
		rc = luff_medium_fetch_all(&fetched, c->medium, d, LUFF_MANIFEST_MAX, err);
	if (rc == 0 && !document)
		document = fetched;
	/* which of the two it is says its shape: a media type may be any */
	if (rc == 0)
		rc = luff_document_parse(&doc, document, (size_t)d->size,
					 d->media_type[0] ? d->media_type : NULL, err);
	if (rc == 0)
		rc = doc.is_index ? check_index(c, r, d, document, depth, err)
				  : check_image(c, r, d, document, err);
	luff_document_release(&doc);
	return rc < 0 ? luff_report_failure(r, "manifest", err) : 0;
}

/* ---- the beginning ---- */

static int check_name(struct check *c, struct luff_report *r, const struct luff_name *name,
		      struct luff_error *err)
{
	LUFF_AUTO(text) document = NULL;
	LUFF_AUTO(index) index = NULL;
	struct luff_descriptor d;
	int rc = luff_medium_resolve(&d, &document, c->medium, name, err);

	if (rc < 0)
		return rc == LUFF_ENOTFOUND ? rc : luff_report_failure(r, "manifest", err);
	if (c->options.platform && luff_index_open(&index, c->medium, &d, document, err) == 0) {
		rc = luff_index_select(&d, index, c->options.platform, err);
		if (rc < 0)
			return rc;
		free(luff_take(document));
	}
	memset(err, 0, sizeof *err);
	luff_report_init(r, &c->room, c->medium, &d.digest);
	return check_manifest(c, r, &d, document, 0, err);
}

int luff_validate(struct luff_validate_result *out, struct luff_medium *m, const struct luff_name *name,
		  const struct luff_validate_options *options, struct luff_error *err)
{
	struct check c = {.medium = m, .room = LUFF_FINDINGS_MAX};
	struct luff_report r;
	int rc;

	memset(out, 0, sizeof *out);
	if (options)
		c.options = *options;
	c.jobs = c.options.jobs ? c.options.jobs : JOBS;
	luff_report_init(&r, &c.room, m, NULL);
	pthread_mutex_init(&c.lock, NULL);
	rc = check_name(&c, &r, name, err);
	pthread_mutex_destroy(&c.lock);
	tdestroy(c.seen, free);
	if (rc < 0)
		luff_findings_free(r.result.findings);
	else
		*out = r.result;
	return rc;
}
