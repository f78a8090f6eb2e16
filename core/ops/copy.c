/*
 * Copying: walk what hangs below a manifest, ask the destination what it lacks, move that, then write the manifests from the
 * leaves to the root. The name comes last, so a reader of the destination sees the old image or the new one, and a
 * copy that was killed continues where it stopped.
 */
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/scope.h"
#include "base/text.h"
#include "medium.h"
#include "mediums/mediums.h"
#include "model/descriptor.h"
#include "model/embedded.h"
#include "ops/convert.h"
#include "ops/current.h"
#include "ops/flight.h"
#include "ops/several.h"
#include "store/docker.h"
#include "stream/streams.h"

#define JOBS_DEFAULT 4
#define MANIFESTS_MAX 10000
#define BLOBS_MAX 100000
#define DOCUMENTS_MAX ((int64_t)64 << 20) /* bytes of manifests that one copy keeps */
#define URLS_MAX 16                       /* of one layer that are tried */
#define AHEAD_MIN (1 << 20) /* a blob this large is worth a thread of its own for receiving and hashing */

/* A manifest or a blob that has to be at the destination in the end. */
struct node {
	struct luff_descriptor descriptor;
	struct luff_descriptor becomes; /* at the destination, where layers are compressed */
	char *document;                 /* of a manifest */
	bool there;                     /* the destination has it */
	size_t *children;               /* of an index: where its manifests are in the list */
	size_t child_count;
	struct luff_descriptor *referrers; /* of a manifest, where they are copied, too */
	size_t referrer_count;
	cJSON *urls; /* of a layer, where those are wanted: where else it may be; NULL: nowhere */
	int height;  /* 1 for what has no children; what is written together; 0: not known yet */
};

struct list {
	struct node *nodes;
	size_t count, size;
};

struct copy {
	struct luff_medium *src, *dst;
	struct luff_medium *data; /* what descriptors carry themselves, in memory; NULL: none does */
	struct luff_medium *from; /* that in front of src, or src; a reference */
	const struct luff_copy_options *options;
	int jobs;
	enum luff_compress compress;     /* never the default */
	struct luff_scope scope;         /* cancelled by the first failure, so that the other transfers end */
	const struct luff_scope *hearer; /* of progress, or NULL */
	struct list manifests; /* the root first, then level by level; referrers below their subjects */
	size_t level;          /* index of the first manifest of the level that is being read */
	int height;            /* of the manifests that are being written */
	bool current;          /* the destination's tag names the root already */
	bool tagged;           /* the root is written by its name, after all others, by the caller */
	struct list blobs;
	void *seen; /* a tree of struct seen (tsearch) */
	int64_t document_bytes;
	pthread_mutex_t lock; /* of everything below, and of calls to the hearer */
	struct luff_copy_result result;
	int64_t total;
};

static void report(struct copy *c, enum luff_progress_kind kind, const struct luff_descriptor *d,
		   int64_t bytes)
{
	struct luff_progress event = {.kind = kind, .descriptor = d, .bytes = bytes};

	pthread_mutex_lock(&c->lock);
	c->result.copied += kind == LUFF_PROGRESS_DONE;
	c->result.skipped += kind == LUFF_PROGRESS_SKIPPED;
	c->result.mounted += kind == LUFF_PROGRESS_MOUNTED;
	c->result.bytes += kind == LUFF_PROGRESS_BYTES ? bytes : 0;
	c->result.kept += kind == LUFF_PROGRESS_KEPT ? bytes : 0;
	event.total = c->total;
	luff_scope_tell(c->hearer, &event);
	pthread_mutex_unlock(&c->lock);
}

struct seen {
	struct luff_digest digest;
	bool manifest; /* a registry keeps the two apart */
	size_t i;      /* in its list */
};

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return x->manifest != y->manifest ? x->manifest - y->manifest
					  : strcmp(x->digest.text, y->digest.text);
}

static int too_much(const struct copy *c, const char *what, long long cap, struct luff_error *err)
{
	return luff_fail(err, LUFF_ELIMIT, "%s: %s than %lld", luff_medium_place(c->src), what, cap);
}

/* Appends unless it was seen before; either way tells where it is. */
static int add(size_t *i_out, struct copy *c, struct list *list, const struct luff_descriptor *d,
	       struct luff_error *err)
{
	struct seen *key = malloc(sizeof *key), **at;

	if (!key)
		return luff_fail_nomem(err);
	*key = (struct seen){.digest = d->digest, .manifest = list == &c->manifests, .i = list->count};
	at = tsearch(key, &c->seen, compare_seen);
	if (!at || *at != key)
		free(key);
	if (!at)
		return luff_fail_nomem(err);
	*i_out = (*at)->i;
	if (*at != key)
		return 0;
	if (list == &c->manifests && list->count == MANIFESTS_MAX)
		return too_much(c, "more manifests", MANIFESTS_MAX, err);
	if (list->count == BLOBS_MAX)
		return too_much(c, "more blobs", BLOBS_MAX, err);
	if (list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 16;
		struct node *nodes = realloc(list->nodes, size * sizeof *nodes);

		if (!nodes)
			return luff_fail_nomem(err);
		list->nodes = nodes;
		list->size = size;
	}
	list->nodes[list->count++] = (struct node){.descriptor = *d, .becomes = *d};
	return 0;
}

/* ---- reading the manifests ---- */

static int add_referrer(struct node *node, const char *text, struct luff_error *err)
{
	LUFF_AUTO(json) entry = NULL;
	struct luff_descriptor *longer, *d;
	int rc = luff_json_parse(&entry, text, strlen(text), "referrer", err);

	if (rc < 0)
		return rc;
	if (node->referrer_count == MANIFESTS_MAX)
		return luff_fail(err, LUFF_ELIMIT, "more than %d referrers of one manifest", MANIFESTS_MAX);
	/* room for a power of two */
	if ((node->referrer_count & (node->referrer_count - 1)) == 0) {
		longer = realloc(node->referrers, (2 * node->referrer_count + 1) * sizeof *longer);
		if (!longer)
			return luff_fail_nomem(err);
		node->referrers = longer;
	}
	d = &node->referrers[node->referrer_count];
	rc = luff_descriptor_parse(d, entry, "referrer", err);
	d->manifest = true;
	node->referrer_count += rc == 0;
	return rc;
}

static int list_referrers(struct copy *c, struct node *node, struct luff_error *err)
{
	LUFF_AUTO(cursor) list = NULL;
	const char *item = "";
	int rc = luff_medium_referrers(&list, c->src, &node->descriptor.digest, NULL, err);

	while (rc == 0 && item) {
		rc = luff_cursor_next(&item, list, err);
		if (rc == 0 && item)
			rc = add_referrer(node, item, err);
	}
	return rc;
}

static int read_manifest(void *arg, size_t i, struct luff_error *err)
{
	struct copy *c = arg;
	struct node *node = &c->manifests.nodes[c->level + i];
	LUFF_AUTO(text) document = NULL;
	struct luff_error damaged = {0};
	int rc;

	/* what will change says nothing before it has */
	if (c->compress != LUFF_COMPRESS_NONE)
		return node->document ? 0
				      : luff_medium_fetch_all(&node->document, c->from, &node->descriptor,
							      LUFF_MANIFEST_MAX, err);
	rc = luff_medium_exists(&node->there, c->dst, &node->descriptor, err);

	if (rc == 0 && c->options->referrers)
		rc = list_referrers(c, node, err);
	if (rc < 0)
		return rc;
	/* it was perhaps not written by us: what cannot be read is written anew */
	if (node->there)
		node->there = luff_medium_fetch_all(&document, c->dst, &node->descriptor, LUFF_MANIFEST_MAX,
						    &damaged) == 0;
	if (!node->there && !node->document)
		rc = luff_medium_fetch_all(&document, c->from, &node->descriptor, LUFF_MANIFEST_MAX, err);
	if (!node->document)
		node->document = luff_take(document);
	return rc;
}

/* Layers that may be elsewhere stay there, unless they are wanted. */
static int add_layer(struct copy *c, const struct luff_descriptor *d, const cJSON *object,
		     struct luff_error *err)
{
	const cJSON *urls = c->options->foreign ? luff_json_array(object, "urls") : NULL;
	struct node *node;
	size_t i;
	int rc;

	if (luff_media_is_foreign(d->media_type) && !c->options->foreign)
		return 0;
	rc = add(&i, c, &c->blobs, d, err);
	if (rc < 0 || !urls)
		return rc;
	node = &c->blobs.nodes[i];
	if (!node->urls)
		node->urls = cJSON_Duplicate(urls, true);
	return node->urls ? 0 : luff_fail_nomem(err);
}

static int add_entries(struct copy *c, size_t parent, const struct luff_document *doc, struct luff_error *err)
{
	size_t *children = calloc(doc->count + 1, sizeof *children), blob;
	const cJSON *object;
	size_t i = 0;
	int rc = 0;

	if (!children)
		return luff_fail_nomem(err);
	c->manifests.nodes[parent].children = children;
	if (!doc->is_index)
		rc = add(&blob, c, &c->blobs, &doc->config, err);
	cJSON_ArrayForEach(object, luff_json_array(doc->tree, doc->is_index ? "manifests" : "layers"))
	{
		const struct luff_descriptor *d = &doc->entries[i++];

		if (rc < 0)
			return rc;
		if (d->manifest)
			rc = add(&children[c->manifests.nodes[parent].child_count++], c, &c->manifests, d,
				 err);
		else
			rc = add_layer(c, d, object, err);
	}
	return rc;
}

/* What the document's descriptors carry themselves is not fetched. */
static int take_data(struct copy *c, const struct luff_document *doc, struct luff_error *err)
{
	int rc = luff_document_unpack_data(&c->data, doc, err);

	if (rc < 0 || !c->data || c->from != c->src)
		return rc;
	rc = luff_overlay_new(&c->from, c->data, c->src, err);
	if (rc < 0)
		c->from = c->src;
	else
		luff_medium_unref(c->src);
	return rc;
}

static int expand(struct copy *c, size_t i, struct luff_error *err)
{
	const struct node *node = &c->manifests.nodes[i];
	const struct luff_descriptor *d = &node->descriptor;
	struct luff_document doc;
	int rc = luff_document_parse(&doc, node->document, (size_t)d->size,
				     d->media_type[0] ? d->media_type : NULL, err);

	if (rc < 0)
		return luff_fail_context(err, "%s", luff_medium_place(c->src));
	rc = take_data(c, &doc, err);
	if (rc < 0)
		luff_fail_context(err, "%s: %s", luff_medium_place(c->src), d->digest.text);
	else
		rc = add_entries(c, i, &doc, err);
	luff_document_release(&doc);
	return rc;
}

/* Referrers hang below nothing: they are roots of their own. */
static int expand_referrers(struct copy *c, size_t i, struct luff_error *err)
{
	size_t at;
	int rc = 0;

	for (size_t k = 0; rc == 0 && k < c->manifests.nodes[i].referrer_count; k++)
		rc = add(&at, c, &c->manifests, &c->manifests.nodes[i].referrers[k], err);
	return rc;
}

/*
 * A manifest may hang at several depths; it is written before the lowest of its parents. Digests allow no cycles, but long
 * chains, of which each link hangs below the root as well.
 */
static int measure(struct copy *c, size_t i, int depth)
{
	struct node *node = &c->manifests.nodes[i];
	int height = 1;

	if (node->height > 0 || depth > LUFF_DEPTH_MAX)
		return node->height > 0 ? node->height : depth;
	for (size_t k = 0; k < node->child_count; k++) {
		int below = measure(c, node->children[k], depth + 1);

		height = below >= height ? below + 1 : height;
	}
	node->height = height;
	return height;
}

/* Level by level, so that the manifests of one level are read at the same time. */
static int walk(struct copy *c, struct luff_error *err)
{
	for (int depth = 0; c->level < c->manifests.count && depth < LUFF_DEPTH_MAX; depth++) {
		size_t end = c->manifests.count;
		int rc = 0;

		for (size_t i = c->level; i < end; i++) {
			int64_t size = c->manifests.nodes[i].descriptor.size;

			c->document_bytes += size < DOCUMENTS_MAX ? size : DOCUMENTS_MAX;
		}
		if (c->document_bytes > DOCUMENTS_MAX)
			return too_much(c, "more bytes of manifests", DOCUMENTS_MAX, err);
		rc = luff_pool_each(end - c->level, c->jobs, read_manifest, c, err);
		for (size_t i = c->level; rc == 0 && i < end; i++) {
			if (c->manifests.nodes[i].document)
				rc = expand(c, i, err);
			if (rc == 0)
				rc = expand_referrers(c, i, err);
		}
		if (rc < 0)
			return rc;
		c->level = end;
	}
	for (size_t i = 0; i < c->manifests.count; i++) {
		if (c->level < c->manifests.count || measure(c, i, 1) > LUFF_DEPTH_MAX)
			return too_much(c, "indexes are nested deeper", LUFF_DEPTH_MAX, err);
	}
	return 0;
}

/* ---- moving the blobs ---- */

struct transfer {
	struct copy *copy;
	const struct luff_descriptor *descriptor;
	int64_t moved, told; /* bytes of this try; bytes that were reported, which does not happen twice */
	bool opened;         /* this try had an answer that it is there */
};

static void count_bytes(void *arg, size_t n)
{
	struct transfer *t = arg;

	t->moved += (int64_t)n;
	if (t->moved > t->told) {
		report(t->copy, LUFF_PROGRESS_BYTES, t->descriptor, t->moved - t->told);
		t->told = t->moved;
	}
}

/* What is left of an earlier copy arrives as all else, but is not told as such. */
static void tell_kept(struct transfer *t, int64_t kept)
{
	if (kept > t->told) {
		report(t->copy, LUFF_PROGRESS_KEPT, t->descriptor, kept - t->told);
		t->told = kept;
	}
}

/* @param kept_out  bytes that an earlier copy had left at the destination */
static int try_transfer(int64_t *kept_out, struct transfer *t, struct luff_medium *from,
			struct luff_error *err)
{
	const struct luff_descriptor *d = t->descriptor;
	LUFF_AUTO(reader) r = NULL;
	int rc = luff_medium_fetch_for(&r, kept_out, from, d, t->copy->dst, err);

	t->moved = 0;
	t->opened = rc == 0 && *kept_out == 0;
	tell_kept(t, *kept_out);
	if (rc == 0 && d->size >= AHEAD_MIN)
		rc = luff_reader_open_ahead(&r, luff_take(r), err);
	if (rc == 0)
		rc = luff_reader_open_count(&r, luff_take(r), count_bytes, t, err);
	return rc < 0 ? rc : luff_medium_push(t->copy->dst, d, r, err);
}

static int transfer_from(struct transfer *t, struct luff_medium *from, struct luff_error *err)
{
	struct luff_error failure = {0};
	int64_t kept;
	int rc = try_transfer(&kept, t, from, &failure);

	/* what was kept was wrong, and is gone now */
	if (rc == LUFF_EDIGEST && kept > 0)
		rc = try_transfer(&kept, t, from, &failure);
	if (rc < 0)
		*err = failure;
	return rc;
}

/* After the source failed with *err. Whatever is wrong with one URL, another one may have the right bytes. */
static int transfer_foreign(struct transfer *t, const cJSON *urls, struct luff_error *err)
{
	const cJSON *url;
	int tries = 0;

	cJSON_ArrayForEach(url, urls)
	{
		LUFF_AUTO(medium) m = NULL;
		struct luff_error failure = {0};
		const char *text = cJSON_GetStringValue(url);
		int rc;

		if (tries++ == URLS_MAX)
			break;
		rc = luff_foreign_open(&m, text ? text : "", &failure);
		if (rc == 0)
			rc = transfer_from(t, m, &failure);
		if (rc == 0)
			return 0;
		*err = failure;
		if (rc == LUFF_ECANCELED)
			break;
		if (luff_scope_logs())
			luff_scope_log("%s", err->msg);
	}
	return err->code;
}

/* @param urls  NULL: only from the source */
static int transfer_blob(struct copy *c, const struct luff_descriptor *d, const cJSON *urls,
			 struct luff_error *err)
{
	struct transfer transfer = {.copy = c, .descriptor = d};
	struct luff_error failure = {0};
	int rc;

	report(c, LUFF_PROGRESS_START, d, 0);
	rc = transfer_from(&transfer, c->from, &failure);
	/* some registries say "denied" of what they have not */
	if (urls && !transfer.opened && (rc == LUFF_ENOTFOUND || rc == LUFF_EDENIED))
		rc = transfer_foreign(&transfer, urls, &failure);
	if (rc < 0)
		*err = failure;
	else
		report(c, LUFF_PROGRESS_DONE, d, 0);
	return rc;
}

/* Compressed first, since only then its digest is known: the destination may have it. */
static int compress_blob(struct copy *c, struct node *node, struct luff_error *err)
{
	struct transfer transfer = {.copy = c, .descriptor = &node->descriptor};
	struct luff_descriptor *d = &node->becomes;
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(fd) fd = -1;
	bool there = false;
	int rc;

	report(c, LUFF_PROGRESS_START, &node->descriptor, 0);
	rc = luff_convert_layer(d, &fd, c->from, &node->descriptor, c->compress, count_bytes, &transfer, err);
	if (rc == 0)
		rc = luff_medium_exists(&there, c->dst, d, err);
	if (rc < 0)
		return rc;
	if (fd < 0 && !there)
		return transfer_blob(c, d, NULL, err);
	if (!there) {
		rc = luff_reader_open_range(&r, fd, 0, d->size, err);
		fd = -1;
		if (rc == 0)
			rc = luff_medium_push(c->dst, d, r, err);
	}
	if (rc == 0)
		report(c, there ? LUFF_PROGRESS_SKIPPED : LUFF_PROGRESS_DONE, &node->descriptor, 0);
	return rc;
}

static int move_blob(void *arg, size_t i, struct luff_error *err)
{
	struct copy *c = arg;
	const struct luff_descriptor *d = &c->blobs.nodes[i].descriptor;
	bool there = false, mounted = false;
	struct luff_flight flight;
	int rc;

	if (c->compress != LUFF_COMPRESS_NONE && luff_convert_concerns(d)) {
		rc = compress_blob(c, &c->blobs.nodes[i], err);
		if (rc < 0)
			luff_scope_cancel(&c->scope);
		return rc;
	}
	rc = luff_flight_enter(&flight, luff_medium_home(c->dst), &d->digest, err);
	if (rc < 0)
		return rc;
	rc = luff_medium_exists(&there, c->dst, d, err);
	if (rc == 0 && !there)
		rc = luff_medium_mount(&mounted, c->dst, d, c->from, err);
	if (rc == 0 && (there || mounted))
		report(c, there ? LUFF_PROGRESS_SKIPPED : LUFF_PROGRESS_MOUNTED, d, 0);
	else if (rc == 0)
		rc = transfer_blob(c, d, c->blobs.nodes[i].urls, err);
	luff_flight_leave(&flight);
	if (rc < 0)
		luff_scope_cancel(&c->scope);
	return rc;
}

/* The largest first: the last transfer to end then started early. */
static int compare_sizes(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	if (x->descriptor.size != y->descriptor.size)
		return x->descriptor.size < y->descriptor.size ? 1 : -1;
	return strcmp(x->descriptor.digest.text, y->descriptor.digest.text);
}

static int move_blobs(struct copy *c, struct luff_error *err)
{
	if (c->blobs.count == 0)
		return 0;
	qsort(c->blobs.nodes, c->blobs.count, sizeof *c->blobs.nodes, compare_sizes);
	for (size_t i = 0; i < c->blobs.count; i++) {
		if (__builtin_add_overflow(c->total, c->blobs.nodes[i].descriptor.size, &c->total))
			c->total = INT64_MAX;
	}
	return luff_pool_each(c->blobs.count, c->jobs, move_blob, c, err);
}

/* ---- new manifests for layers that were compressed ---- */

static int compare_nodes(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->descriptor.digest.text,
		      ((const struct node *)b)->descriptor.digest.text);
}

static const struct luff_descriptor *find_new(void *arg, const struct luff_digest *d, bool manifest)
{
	struct copy *c = arg;
	struct seen seen = {.digest = *d, .manifest = true}, *const * at;
	struct node key = {.descriptor.digest = *d};
	const struct node *blob;

	if (manifest) {
		at = tfind(&seen, &c->seen, compare_seen);
		return at ? &c->manifests.nodes[(*at)->i].becomes : NULL;
	}
	blob = bsearch(&key, c->blobs.nodes, c->blobs.count, sizeof key, compare_nodes);
	return blob ? &blob->becomes : NULL;
}

static int rewrite_manifest(struct copy *c, struct node *node, struct luff_error *err)
{
	struct luff_descriptor *d = &node->becomes;
	char *text;
	int rc = luff_convert_manifest(&text, node->document, (size_t)d->size, find_new, c, err);

	if (rc < 0 || !text)
		return rc;
	free(node->document);
	node->document = text;
	d->size = (int64_t)strlen(text);
	return luff_digest_of(&d->digest, luff_algorithm_name(luff_digest_algorithm(&d->digest)), text,
			      (size_t)d->size, err);
}

/* From the images up: what an index lists has its new digest before the index. */
static int rewrite_manifests(struct copy *c, const struct luff_name *dst, struct luff_error *err)
{
	struct node *root = c->manifests.nodes;
	int rc = 0;

	if (c->blobs.count > 0)
		qsort(c->blobs.nodes, c->blobs.count, sizeof *c->blobs.nodes, compare_nodes);
	for (int height = 1; rc == 0 && height <= LUFF_DEPTH_MAX; height++) {
		for (size_t i = 0; rc == 0 && i < c->manifests.count; i++) {
			if (root[i].height == height)
				rc = rewrite_manifest(c, &root[i], err);
		}
	}
	c->result.root = root->becomes;
	if (rc == 0 && dst->digest.text[0] && !luff_digest_equal(&dst->digest, &root->becomes.digest))
		rc = luff_fail(err, LUFF_EDIGEST, "%s: asked to become %s, but compressed it is %s",
			       luff_medium_place(c->dst), dst->digest.text, root->becomes.digest.text);
	return rc;
}

/* ---- writing the manifests ---- */

static int write_manifest(void *arg, size_t i, struct luff_error *err)
{
	struct copy *c = arg;
	const struct node *node = &c->manifests.nodes[i];
	int rc;

	if (node->height != c->height || node->there || (i == 0 && c->tagged))
		return 0;
	rc = luff_medium_push_bytes(c->dst, &node->becomes, node->document, err);
	if (rc == 0) {
		pthread_mutex_lock(&c->lock);
		c->result.manifests++;
		pthread_mutex_unlock(&c->lock);
	}
	return rc;
}

/* Those of one height at the same time, from the images up; the root is left where it gets a name. */
static int write_manifests(struct copy *c, const char *tag, struct luff_error *err)
{
	const struct node *root = c->manifests.nodes;
	int top = 0, rc = 0;

	c->tagged = *tag || c->dst->naming != LUFF_NAMES_TAGS;
	for (size_t i = 0; i < c->manifests.count; i++)
		top = root[i].height > top ? root[i].height : top;
	for (c->height = 1; rc == 0 && c->height <= top; c->height++)
		rc = luff_pool_each(c->manifests.count, c->jobs, write_manifest, c, err);
	return rc;
}

/* ---- the whole ---- */

/* From an index to the image for a platform. */
static int select_platform(struct luff_descriptor *root, char **document, struct copy *c,
			   struct luff_error *err)
{
	LUFF_AUTO(index) index = NULL;
	int rc = luff_index_open(&index, c->src, root, *document, err);

	if (rc == 0)
		rc = luff_index_select(root, index, c->options->platform, err);
	if (rc < 0)
		return rc;
	free(*document);
	*document = NULL;
	return luff_medium_fetch_all(document, c->src, root, LUFF_MANIFEST_MAX, err);
}

/* A whole name where the source has one, in `buf`; a tag alone does not say what it is a tag of. */
static const char *image_name(char buf[LUFF_TAG_MAX + 1], const struct luff_medium *src, const char *tag)
{
	struct luff_error none = {0};
	char whole[1200];

	if (src->naming == LUFF_NAMES_IMAGES || strchr(tag, ':'))
		return *tag == '@' ? "" : tag;
	if (strcmp(src->ops->scheme, "docker") != 0 || !*tag)
		return "";
	snprintf(whole, sizeof whole, "%s:%s", luff_medium_place(src), tag);
	return luff_docker_name(buf, whole, &none) < 0 ? "" : buf;
}

/* The tag under which the root goes to the destination; "" for none. */
static int choose_tag(const char **tag, char buf[LUFF_TAG_MAX + 1], const struct copy *c,
		      const struct luff_name *dst, const struct luff_name *src,
		      const struct luff_descriptor *root, struct luff_error *err)
{
	if (dst->tag[0] || dst->digest.text[0])
		*tag = dst->tag;
	else if (c->dst->naming == LUFF_NAMES_IMAGES)
		*tag = image_name(buf, c->src, src->tag);
	else
		*tag = c->dst->naming == LUFF_NAMES_NONE || *src->tag == '@' ? "" : src->tag;
	if (dst->digest.text[0] && !luff_digest_equal(&dst->digest, &root->digest))
		return luff_fail(err, LUFF_EDIGEST, "%s: asked to become %s, but the source is %s",
				 luff_medium_place(c->dst), dst->digest.text, root->digest.text);
	if (!**tag && !dst->digest.text[0] && c->dst->naming == LUFF_NAMES_TAGS)
		return luff_fail(err, LUFF_EINVAL, "%s: name a tag for the destination",
				 luff_medium_place(c->dst));
	return 0;
}

/* A source that was opened without a name, since there is but one image, still tells the name of that. */
static int find_name(struct luff_name *name, struct luff_medium *src, struct luff_error *err)
{
	LUFF_AUTO(cursor) tags = NULL;
	const char *tag = NULL;
	int rc;

	if (name->tag[0] || name->digest.text[0] || src->naming != LUFF_NAMES_IMAGES)
		return 0;
	rc = luff_medium_tags(&tags, src, err);
	if (rc == 0)
		rc = luff_cursor_next(&tag, tags, err);
	if (rc == 0 && tag)
		luff_text_copy(name->tag, sizeof name->tag, tag);
	return rc;
}

/* Nobody who asks for a digest, or for what refers to it, wants another one unasked. */
static enum luff_compress choose_compress(const struct copy *c, const struct luff_name *dst)
{
	if (c->options->compress != LUFF_COMPRESS_DEFAULT)
		return c->options->compress;
	return c->src->unpacked && !c->dst->unpacked && !dst->digest.text[0] && !c->options->referrers
		       ? LUFF_COMPRESS_GZIP
		       : LUFF_COMPRESS_NONE;
}

/* Nothing below a root that is there already is asked for. */
static bool ends_at_root(const struct copy *c)
{
	return c->dst->ops->complete && !c->options->referrers && !c->options->foreign && !c->options->deep;
}

static int run(struct luff_copy_root *out, struct copy *c, const struct luff_name *dst_name,
	       const struct luff_name *src_name, struct luff_error *err)
{
	LUFF_AUTO(text) document = NULL;
	struct luff_descriptor root;
	struct luff_name from = *src_name;
	const char *tag = "";
	char name[LUFF_TAG_MAX + 1];
	struct luff_digest there = {.text = ""};
	bool early =
		dst_name->tag[0] && !dst_name->digest.text[0] && !c->options->platform && ends_at_root(c);
	bool current = false;
	size_t first;
	int rc = early ? luff_current_find(&there, c->dst, dst_name->tag, err) : 0;

	if (choose_compress(c, dst_name) == LUFF_COMPRESS_GZIP)
		luff_medium_pack(c->src);
	if (rc == 0 && there.text[0])
		rc = luff_current_is(&current, &root, &there, c->src, src_name, err);
	if (rc == 0 && (!current || choose_compress(c, dst_name) != LUFF_COMPRESS_NONE))
		rc = luff_medium_resolve(&root, &document, c->src, src_name, err);
	if (rc == 0)
		rc = find_name(&from, c->src, err);
	if (rc == 0 && c->options->platform && luff_media_is_index(root.media_type))
		rc = select_platform(&root, &document, c, err);
	if (rc == 0)
		rc = choose_tag(&tag, name, c, dst_name, &from, &root, err);
	if (rc < 0)
		return rc;
	c->result.root = root;
	luff_text_copy(out->tag, sizeof out->tag, tag);
	c->compress = choose_compress(c, dst_name);
	if (c->compress == LUFF_COMPRESS_NONE && !early)
		rc = luff_current_find(&there, c->dst, tag, err);
	c->current = c->compress == LUFF_COMPRESS_NONE && luff_digest_equal(&there, &root.digest);
	if (rc < 0 || (c->current && ends_at_root(c)))
		return rc;
	rc = add(&first, c, &c->manifests, &root, err);
	if (rc < 0)
		return rc;
	c->manifests.nodes[0].document = luff_take(document);
	rc = walk(c, err);
	if (rc == 0)
		rc = move_blobs(c, err);
	if (rc == 0 && c->compress != LUFF_COMPRESS_NONE)
		rc = rewrite_manifests(c, dst_name, err);
	if (rc == 0)
		rc = write_manifests(c, tag, err);
	if (rc == 0 && c->tagged && !(c->current && c->manifests.nodes[0].there)) {
		out->descriptor = c->manifests.nodes[0].becomes;
		out->document = luff_take(c->manifests.nodes[0].document);
	}
	return rc;
}

int luff_copy_content(struct luff_copy_root *root, struct luff_copy_result *result, int64_t *total,
		      struct luff_medium *dst, const struct luff_name *dst_name,
		      const struct luff_copy_source *src, const struct luff_copy_options *options,
		      struct luff_error *err)
{
	static const struct luff_copy_options defaults;
	struct copy c = {.src = src->medium,
			 .dst = dst,
			 .options = options ? options : &defaults,
			 .result = *result,
			 .total = *total};
	int rc;

	c.jobs = c.options->jobs ? c.options->jobs : JOBS_DEFAULT;
	if (c.jobs < 1 || c.jobs > LUFF_POOL_MAX)
		return luff_fail(err, LUFF_EINVAL, "jobs must be 1 to %d", LUFF_POOL_MAX);
	if (!dst->ops->push || !dst->ops->tag)
		return luff_fail(err, LUFF_ENOTSUP, "%s: this medium is read-only", luff_medium_place(dst));
	if (c.options->compress > LUFF_COMPRESS_NONE && c.options->referrers)
		return luff_fail(
			err, LUFF_EINVAL,
			"compressed layers change the digest that referrers refer to: copy without one of them");
	pthread_mutex_init(&c.lock, NULL);
	c.from = luff_medium_ref(c.src);
	c.hearer = luff_scope_hush(&c.scope);
	luff_scope_enter(&c.scope);
	rc = run(root, &c, dst_name, src->name, err);
	luff_scope_leave(&c.scope);
	*result = c.result;
	*total = c.total;
	for (size_t i = 0; i < c.manifests.count; i++) {
		free(c.manifests.nodes[i].document);
		free(c.manifests.nodes[i].children);
		free(c.manifests.nodes[i].referrers);
	}
	for (size_t i = 0; i < c.blobs.count; i++)
		cJSON_Delete(c.blobs.nodes[i].urls);
	free(c.manifests.nodes);
	free(c.blobs.nodes);
	tdestroy(c.seen, free);
	luff_medium_unref(c.from);
	luff_medium_unref(c.data);
	pthread_mutex_destroy(&c.lock);
	return rc;
}
