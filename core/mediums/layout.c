/*
 * An OCI layout (image-spec, image-layout.md) over a store: "oci:" where the store is a folder, "memory" where it is memory. Names
 * live in index.json as annotations org.opencontainers.image.ref.name. A manifest that has a subject also has an entry
 * without a name there, by which it is found as a referrer, by other tools, too.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "mediums/mediums.h"
#include "model/descriptor.h"
#include "model/referrer.h"
#include "store/docker.h"
#include "stream/streams.h"

#define PUSH_SIZE (128 << 10)
#define REF_NAME "org.opencontainers.image.ref.name"
#define CONTAINERD_NAME "io.containerd.image.name" /* a whole name, where ref.name is a tag alone */

struct layout {
	struct luff_medium base;
	struct luff_store *store;
};

static struct layout *layout_of(struct luff_medium *m)
{
	return (struct layout *)m;
}

/* Where a failure is known to be this place's, it says so. */
static int here(const struct luff_medium *m, int rc, struct luff_error *err)
{
	return rc < 0 ? luff_fail_context(err, "%s", m->place) : 0;
}

static const char *annotation(const cJSON *entry, const char *key)
{
	return luff_json_string(luff_json_object(entry, "annotations"), key);
}

static const char *ref_name(const cJSON *entry)
{
	return annotation(entry, REF_NAME);
}

static bool is_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* The root document and its entries. cJSON_Delete() the tree. */
static int parse_index(cJSON **tree_out, cJSON **entries_out, const char *text, size_t len,
		       struct luff_error *err)
{
	int rc = luff_json_parse(tree_out, text, len, "index.json", err);

	*entries_out = NULL;
	if (rc < 0)
		return rc;
	*entries_out = cJSON_GetObjectItemCaseSensitive(*tree_out, "manifests");
	return cJSON_IsArray(*entries_out)
		       ? 0
		       : luff_fail(err, LUFF_EFORMAT, "index.json has no list of manifests");
}

static int read_index(cJSON **tree_out, cJSON **entries_out, struct layout *l, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	size_t len;
	int rc = luff_store_read_index(&text, &len, l->store, err);

	*tree_out = NULL;
	return rc < 0 ? rc : parse_index(tree_out, entries_out, text, len, err);
}

/* "no tag v3 (have: v1, v2)" */
static int no_such_tag(const char *tag, const cJSON *entries, struct luff_error *err)
{
	struct luff_buffer have;
	struct luff_error full = {0};
	const cJSON *entry;
	char word[160];
	int rc;

	luff_buffer_init(&have, 200);
	cJSON_ArrayForEach(entry, entries)
	{
		const char *name = ref_name(entry);

		if (name && luff_buffer_printf(&have, &full, "%s%s", have.len ? ", " : "",
					       luff_text_printable(word, sizeof word, name)) < 0)
			break;
	}
	rc = luff_fail(err, LUFF_ENOTFOUND, "%s%s (have: %s%s)",
		       *tag ? "no tag " : "choose one image by its tag",
		       luff_text_printable(word, sizeof word, tag), have.len ? have.data : "none",
		       full.code ? ", …" : "");
	luff_buffer_release(&have);
	return rc;
}

/* A digest that no entry names: the bytes say what it is, if they are a manifest at all. */
static int resolve_digest(struct luff_descriptor *out, char **document, struct layout *l,
			  const struct luff_digest *digest, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	struct luff_document doc;
	int rc;

	*out = (struct luff_descriptor){.digest = *digest, .manifest = true};
	rc = here(&l->base, luff_store_stat(&out->size, l->store, digest, err), err);
	if (rc == 0)
		rc = luff_medium_fetch_all(&text, &l->base, out, LUFF_MANIFEST_MAX, err);
	if (rc == 0)
		rc = here(&l->base, luff_document_parse(&doc, text, (size_t)out->size, NULL, err), err);
	if (rc < 0)
		return rc;
	memcpy(out->media_type, doc.media_type, sizeof doc.media_type);
	luff_document_release(&doc);
	if (document)
		*document = luff_take(text);
	return 0;
}

/* "@2" is the third of the manifests, of which each counts once, however many names it has. */
static const cJSON *find_position(const cJSON *entries, int64_t position)
{
	const cJSON *entry, *before;

	cJSON_ArrayForEach(entry, entries)
	{
		const char *digest = luff_json_string(entry, "digest"), *other = NULL;

		for (before = entries->child; digest && before != entry; before = before->next) {
			other = luff_json_string(before, "digest");
			if (other && strcmp(other, digest) == 0)
				break;
		}
		if (before == entry && position-- == 0)
			return entry;
	}
	return NULL;
}

static const cJSON *find_entry(const cJSON *entries, const char *tag)
{
	const cJSON *entry;
	int64_t position;

	if (!*tag)
		return find_position(entries, 1) ? NULL : entries->child;
	cJSON_ArrayForEach(entry, entries)
	{
		if (is_text(ref_name(entry), tag))
			return entry;
	}
	cJSON_ArrayForEach(entry, entries)
	{
		if (is_text(annotation(entry, CONTAINERD_NAME), tag))
			return entry;
	}
	return *tag == '@' && luff_text_int64(&position, tag + 1) ? find_position(entries, position) : NULL;
}

static int layout_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			  const struct luff_name *name, struct luff_error *err)
{
	struct layout *l = layout_of(m);
	LUFF_AUTO(json) tree = NULL;
	const cJSON *found;
	cJSON *entries;
	int rc;

	if (name->digest.text[0])
		return resolve_digest(out, document, l, &name->digest, err);
	rc = read_index(&tree, &entries, l, err);
	if (rc < 0)
		return here(m, rc, err);
	found = find_entry(entries, name->tag);
	rc = found ? luff_descriptor_parse(out, found, "index.json", err)
		   : no_such_tag(name->tag, entries, err);
	out->manifest = true;
	return here(m, rc, err);
}

static int layout_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			int64_t offset, struct luff_error *err)
{
	return here(m, luff_store_fetch(out, layout_of(m)->store, &d->digest, offset, err), err);
}

/* A blob of another size was left by somebody who does not write atomically: it is as good as missing. */
static int layout_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			 struct luff_error *err)
{
	struct luff_error missing = {0};
	int64_t size;
	/* who asks will name it in place of sending it */
	int rc = luff_store_keep(&size, layout_of(m)->store, &d->digest, &missing);

	*out = rc == 0 && size == d->size;
	if (rc == 0 || rc == LUFF_ENOTFOUND)
		return 0;
	*err = missing;
	return here(m, rc, err);
}

static int layout_kept(struct luff_reader **out, int64_t *size_out, struct luff_medium *m,
		       const struct luff_descriptor *d, struct luff_error *err)
{
	return here(m, luff_store_kept(out, size_out, layout_of(m)->store, &d->digest, err), err);
}

/* What came of a source that broke off is kept; what is wrong, or cannot be written or read again, is not. */
static int push_content(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			struct luff_error *err)
{
	struct luff_store_writer *w = NULL;
	LUFF_AUTO(text) buf = malloc(PUSH_SIZE);
	size_t n = 1;
	int rc;

	if (!buf)
		return luff_fail_nomem(err);
	rc = luff_store_grow(&w, layout_of(m)->store, d, err);
	if (rc < 0)
		return here(m, rc, err);
	while (n > 0) {
		rc = luff_reader_read(&n, src, buf, PUSH_SIZE, err);
		if (rc == 0 && n > 0)
			rc = here(m, luff_store_writer_append(w, buf, n, err), err);
		if (rc < 0 && src->failed && rc != LUFF_EDIGEST && rc != LUFF_ESIZE && rc != LUFF_EIO) {
			luff_store_writer_leave(w);
			return rc;
		}
		if (rc < 0) {
			luff_store_writer_abort(w);
			return rc;
		}
	}
	return here(m, luff_store_writer_commit(w, &d->digest, err), err);
}

/* ---- changes of index.json ---- */

struct change {
	struct luff_store *store;
	const struct luff_tagging *added;
	size_t count;                     /* of them */
	const char *tag;                  /* entries of this name go; NULL: none by name */
	const struct luff_digest *digest; /* entries of this digest go; NULL: none by digest */
	const char *key, *value;          /* entries with this annotation go; NULL: none by that */
	int64_t found;                    /* entries that went */
	bool gone;                        /* nothing was changed: what was to be added is not there */
};

static cJSON *new_entry(const struct luff_descriptor *d, const char *tag)
{
	cJSON *entry = cJSON_CreateObject(), *annotations;

	if (!cJSON_AddStringToObject(entry, "mediaType", d->media_type) ||
	    !cJSON_AddStringToObject(entry, "digest", d->digest.text) ||
	    !cJSON_AddNumberToObject(entry, "size", (double)d->size)) {
		cJSON_Delete(entry);
		return NULL;
	}
	if (!*tag)
		return entry;
	if (!(annotations = cJSON_AddObjectToObject(entry, "annotations")) ||
	    !cJSON_AddStringToObject(annotations, REF_NAME, tag)) {
		cJSON_Delete(entry);
		return NULL;
	}
	return entry;
}

static bool has_subject(const char *bytes, int64_t size)
{
	struct luff_digest subject;

	return luff_referrer_find_subject(&subject, bytes, (size_t)size);
}

static bool goes(const struct change *c, const cJSON *entry)
{
	return (c->digest && is_text(luff_json_string(entry, "digest"), c->digest->text)) ||
	       is_text(ref_name(entry), c->tag) || (c->key && is_text(annotation(entry, c->key), c->value));
}

/* What makes room for an entry that is added. */
static bool gives_way(const cJSON *entry, const struct luff_tagging *added)
{
	const char *name = ref_name(entry), *digest = luff_json_string(entry, "digest");

	if (!*added->tag)
		return false;
	if (name)
		return strcmp(name, added->tag) == 0;
	/* a nameless entry for what gets a name now, but not what a referrer is found by */
	return digest && strcmp(digest, added->descriptor->digest.text) == 0 &&
	       !has_subject(added->bytes, added->descriptor->size);
}

static bool is_listed(const cJSON *entries, const struct luff_descriptor *d)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, entries)
	{
		const char *digest = luff_json_string(entry, "digest");

		if (digest && strcmp(digest, d->digest.text) == 0 && !ref_name(entry))
			return true;
	}
	return false;
}

/* Under the lock, where nobody can remove it any more. */
static int check_there(struct change *c, struct luff_error *err)
{
	struct luff_error missing = {0};
	int64_t size;
	int rc = 0;

	c->gone = false;
	for (size_t i = 0; rc == 0 && i < c->count; i++)
		rc = luff_store_keep(&size, c->store, &c->added[i].descriptor->digest, &missing);
	c->gone = rc == LUFF_ENOTFOUND;
	if (rc == 0 || c->gone)
		return 0;
	*err = missing;
	return rc;
}

/* The same entry without a name is not added again: *changed is left as it is then. */
static int add_entry(bool *changed, cJSON *entries, const struct luff_tagging *added, struct luff_error *err)
{
	cJSON *entry, *next;

	if (!*added->tag && is_listed(entries, added->descriptor))
		return 0;
	for (entry = entries->child; entry; entry = next) {
		next = entry->next;
		if (gives_way(entry, added))
			cJSON_Delete(cJSON_DetachItemViaPointer(entries, entry));
	}
	entry = new_entry(added->descriptor, added->tag);
	if (!entry || !cJSON_AddItemToArray(entries, entry)) {
		cJSON_Delete(entry);
		return luff_fail_nomem(err);
	}
	*changed = true;
	return 0;
}

static int change_index(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	struct change *c = arg;
	LUFF_AUTO(json) tree = NULL;
	cJSON *entries, *next;
	bool changed = false;
	int rc = check_there(c, err);

	c->found = 0;
	if (rc < 0 || c->gone)
		return rc;
	rc = parse_index(&tree, &entries, text, len, err);
	if (rc < 0)
		return rc;
	for (cJSON *entry = entries->child; entry; entry = next) {
		next = entry->next;
		if (goes(c, entry)) {
			c->found++;
			cJSON_Delete(cJSON_DetachItemViaPointer(entries, entry));
		}
	}
	if (c->count == 0 && !c->found)
		return c->tag ? no_such_tag(c->tag, entries, err) : 0;
	for (size_t i = 0; i < c->count; i++) {
		rc = add_entry(&changed, entries, &c->added[i], err);
		if (rc < 0)
			return rc;
	}
	if (!changed && !c->found)
		return 0;
	*out_text = cJSON_PrintUnformatted(tree);
	return *out_text ? 0 : luff_fail_nomem(err);
}

/* A manifest is small, and its subject is looked for before it is written. */
static int push_manifest(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			 struct luff_error *err)
{
	struct layout *l = layout_of(m);
	struct luff_tagging nameless = {.descriptor = d, .tag = ""};
	struct change change = {.store = l->store, .added = &nameless, .count = 1};
	LUFF_AUTO(reader) again = NULL;
	LUFF_AUTO(text) bytes = NULL;
	int rc;

	if (d->size > LUFF_MANIFEST_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: a manifest of more than %d bytes", m->place,
				 LUFF_MANIFEST_MAX);
	rc = luff_reader_read_all(&bytes, src, d->size, err);
	if (rc == 0)
		rc = luff_reader_open_bytes(&again, bytes, (size_t)d->size, err);
	if (rc == 0)
		rc = push_content(m, d, again, err);
	if (rc == 0 && has_subject(bytes, d->size))
		rc = here(m, luff_store_change_index(l->store, change_index, &change, NULL, err), err);
	return rc;
}

static int layout_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		       struct luff_error *err)
{
	return d->manifest ? push_manifest(m, d, src, err) : push_content(m, d, src, err);
}

/* The list as it goes into index.json, with whole names where an image has such; free() *out and *names. */
static int prepare_tags(struct luff_tagging **out, char **names, const struct luff_medium *m,
			const struct luff_tagging *list, size_t count, struct luff_error *err)
{
	const size_t size = LUFF_TAG_MAX + 1;
	int rc;

	*out = malloc(count * sizeof **out);
	*names = malloc(count * size);
	if (!*out || !*names)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < count; i++) {
		const char *tag = list[i].tag;

		(*out)[i] = list[i];
		if (!luff_text_utf8(tag, strlen(tag)))
			return luff_fail(err, LUFF_ENAME, "%s: the tag is not UTF-8", m->place);
		if (!*tag || m->naming != LUFF_NAMES_IMAGES)
			continue;
		rc = luff_docker_name(*names + i * size, tag, err);
		if (rc < 0)
			return luff_fail_context(err, "%s", m->place);
		(*out)[i].tag = *names + i * size;
	}
	return 0;
}

static int layout_tag_all(struct luff_medium *m, const struct luff_tagging *list, size_t count,
			  struct luff_error *err)
{
	struct layout *l = layout_of(m);
	LUFF_AUTO(text) names = NULL;
	struct luff_tagging *named = NULL;
	struct change change = {.store = l->store, .count = count};
	int rc = count > 0 ? prepare_tags(&named, &names, m, list, count, err) : 0;

	change.added = named;
	/* also where one is there already: it may be damaged. And again, where somebody removed it before it had its name */
	do {
		for (size_t i = 0; rc == 0 && i < count; i++)
			rc = luff_medium_push_bytes(m, list[i].descriptor, list[i].bytes, err);
		if (rc == 0)
			rc = here(m, luff_store_change_index(l->store, change_index, &change, NULL, err),
				  err);
	} while (rc == 0 && change.gone);
	free(named);
	return rc;
}

static int layout_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		      const char *tag, struct luff_error *err)
{
	struct luff_tagging one = {.descriptor = d, .bytes = bytes, .tag = tag};

	return layout_tag_all(m, &one, 1, err);
}

static int layout_flush(struct luff_medium *m, struct luff_error *err)
{
	return here(m, luff_store_flush(layout_of(m)->store, err), err);
}

struct tags_cursor {
	struct luff_cursor base;
	cJSON *tree;
	const cJSON *entry;
};

static int tags_next(const char **out, struct luff_cursor *c, struct luff_error *err)
{
	struct tags_cursor *t = (struct tags_cursor *)c;

	(void)err;
	for (; t->entry && !*out; t->entry = t->entry->next)
		*out = ref_name(t->entry);
	return 0;
}

static void tags_close(struct luff_cursor *c)
{
	cJSON_Delete(((struct tags_cursor *)c)->tree);
	free(c);
}

static const struct luff_cursor_ops tags_ops = {.next = tags_next, .close = tags_close};

static int layout_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	struct tags_cursor *t = calloc(1, sizeof *t);
	cJSON *entries = NULL;
	int rc = t ? read_index(&t->tree, &entries, layout_of(m), err) : luff_fail_nomem(err);

	if (rc < 0) {
		if (t)
			cJSON_Delete(t->tree);
		free(t);
		return here(m, rc, err);
	}
	assert(entries);
	t->base.ops = &tags_ops;
	t->entry = entries->child;
	*out = &t->base;
	return 0;
}

/* ---- referrers ---- */

struct referrers_cursor {
	struct luff_cursor base;
	struct luff_medium *medium;
	struct luff_digest subject;
	char type[LUFF_MEDIA_TYPE_MAX + 1];
	struct luff_descriptor *entries; /* of index.json, sorted by digest */
	size_t count, at;
	char *item;
};

static int compare_digests(const void *a, const void *b)
{
	return strcmp(((const struct luff_descriptor *)a)->digest.text,
		      ((const struct luff_descriptor *)b)->digest.text);
}

/* What another tool wrote and cannot be read here is no referrer. */
static int read_entries(struct referrers_cursor *c, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	cJSON *entries, *entry;
	int rc = read_index(&tree, &entries, layout_of(c->medium), err);

	if (rc < 0)
		return rc;
	c->entries = calloc((size_t)cJSON_GetArraySize(entries) + 1, sizeof *c->entries);
	if (!c->entries)
		return luff_fail_nomem(err);
	cJSON_ArrayForEach(entry, entries)
	{
		struct luff_error ignored = {0};

		if (luff_descriptor_parse(&c->entries[c->count], entry, "entry", &ignored) == 0)
			c->count++;
	}
	qsort(c->entries, c->count, sizeof *c->entries, compare_digests);
	return 0;
}

/* The entry as it is listed, if it refers to the subject and is of the type; else NULL. cJSON_Delete() it. */
static int read_referrer(cJSON **out, struct referrers_cursor *c, const struct luff_descriptor *d,
			 struct luff_error *err)
{
	LUFF_AUTO(text) document = NULL;
	LUFF_AUTO(json) manifest = NULL;
	LUFF_AUTO(json) item = NULL;
	struct luff_error ignored = {0};
	struct luff_digest subject;
	int rc = luff_medium_fetch_all(&document, c->medium, d, LUFF_MANIFEST_MAX, &ignored);

	*out = NULL;
	if (rc == 0)
		rc = luff_json_scan(document, (size_t)d->size, LUFF_DOCUMENT_VALUES_MAX, "manifest",
				    &ignored);
	if (rc == 0)
		rc = luff_json_parse(&manifest, document, (size_t)d->size, "manifest", &ignored);
	if (rc == LUFF_ENOMEM || rc == LUFF_ECANCELED) {
		*err = ignored;
		return rc;
	}
	/* what is damaged or gone is somebody else's complaint */
	if (rc < 0 || !luff_referrer_subject(&subject, manifest) || !luff_digest_equal(&subject, &c->subject))
		return 0;
	item = luff_referrer_describe(d, manifest);
	if (!item)
		return luff_fail_nomem(err);
	if (luff_referrer_is(item, c->type))
		*out = luff_take(item);
	return 0;
}

static int referrers_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct referrers_cursor *c = (struct referrers_cursor *)base;
	LUFF_AUTO(json) item = NULL;
	int rc = 0;

	*out = NULL;
	for (; rc == 0 && !item && c->at < c->count; c->at++) {
		/* what has names besides is there several times */
		if (c->at == 0 || compare_digests(&c->entries[c->at - 1], &c->entries[c->at]) != 0)
			rc = read_referrer(&item, c, &c->entries[c->at], err);
	}
	if (rc < 0 || !item)
		return rc;
	free(c->item);
	c->item = cJSON_PrintUnformatted(item);
	*out = c->item;
	return c->item ? 0 : luff_fail_nomem(err);
}

static void referrers_close(struct luff_cursor *base)
{
	struct referrers_cursor *c = (struct referrers_cursor *)base;

	luff_medium_unref(c->medium);
	free(c->entries);
	free(c->item);
	free(c);
}

static const struct luff_cursor_ops referrers_ops = {.next = referrers_next, .close = referrers_close};

static int layout_referrers(struct luff_cursor **out, struct luff_medium *m,
			    const struct luff_digest *subject, const char *artifact_type,
			    struct luff_error *err)
{
	struct referrers_cursor *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &referrers_ops;
	c->medium = luff_medium_ref(m);
	c->subject = *subject;
	luff_text_copy(c->type, sizeof c->type, artifact_type);
	rc = here(m, read_entries(c, err), err);
	if (rc < 0)
		referrers_close(&c->base);
	else
		*out = &c->base;
	return rc;
}

/* A name alone can always go here: there is nothing to force. */
static int layout_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			 bool force, struct luff_error *err)
{
	struct layout *l = layout_of(m);
	struct change change = {.store = l->store};

	(void)force;
	if (name->digest.text[0]) {
		change.digest = &name->digest;
		*out = name->digest;
	} else {
		change.tag = name->tag;
	}
	return here(m, luff_store_change_index(l->store, change_index, &change, change.digest, err), err);
}

static int layout_remove_annotated(int64_t *count_out, struct luff_medium *m, const char *key,
				   const char *value, struct luff_error *err)
{
	struct layout *l = layout_of(m);
	struct change change = {.store = l->store, .key = key, .value = value};
	int rc = luff_store_change_index(l->store, change_index, &change, NULL, err);

	*count_out = rc == 0 ? change.found : 0;
	return here(m, rc, err);
}

static int layout_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		       struct luff_error *err)
{
	return here(m, luff_store_stat(size_out, layout_of(m)->store, digest, err), err);
}

/* Under the lock: what index.json lists is no mere blob. */
static int check_unlisted(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	const struct luff_digest *digest = arg;
	LUFF_AUTO(json) tree = NULL;
	cJSON *entries, *entry;
	int rc = parse_index(&tree, &entries, text, len, err);

	*out_text = NULL;
	if (rc < 0)
		return rc;
	cJSON_ArrayForEach(entry, entries)
	{
		const char *listed = luff_json_string(entry, "digest");

		if (listed && strcmp(listed, digest->text) == 0)
			return luff_fail(err, LUFF_EINVAL, "%s is a manifest: delete it as one", listed);
	}
	return 0;
}

static int layout_remove_blob(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_digest gone = *digest;

	return here(m, luff_store_change_index(layout_of(m)->store, check_unlisted, &gone, digest, err), err);
}

static void layout_destroy(struct luff_medium *m)
{
	luff_store_unref(layout_of(m)->store);
	free(m->place);
	free(m);
}

static const struct luff_medium_ops layout_ops = {
	.scheme = "oci",
	.resolve = layout_resolve,
	.fetch = layout_fetch,
	.exists = layout_exists,
	.push = layout_push,
	.kept = layout_kept,
	.tag = layout_tag,
	.tag_all = layout_tag_all,
	.flush = layout_flush,
	.tags = layout_tags,
	.referrers = layout_referrers,
	.remove = layout_remove,
	.remove_annotated = layout_remove_annotated,
	.stat = layout_stat,
	.remove_blob = layout_remove_blob,
	.destroy = layout_destroy,
};

int luff_layout_new(struct luff_medium **out, struct luff_store *store, const char *place,
		    struct luff_error *err)
{
	struct layout *l = calloc(1, sizeof *l);

	*out = NULL;
	if (l)
		l->base.place = strdup(place);
	if (!l || !l->base.place) {
		free(l);
		return luff_fail_nomem(err);
	}
	l->base.ops = &layout_ops;
	l->base.refs = 1;
	l->store = luff_store_ref(store);
	*out = &l->base;
	return 0;
}

int luff_memory_new(struct luff_medium **out, int64_t cap, struct luff_error *err)
{
	struct luff_store *store = NULL;
	int rc = luff_store_new_memory(&store, cap, NULL, err);

	*out = NULL;
	if (rc == 0)
		rc = luff_layout_new(out, store, "memory", err);
	luff_store_unref(store);
	return rc;
}
