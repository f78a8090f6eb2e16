/*
 * The dialect of `docker save` and `docker load`. There are three forms of it. Today's is an OCI layout with a manifest.json beside,
 * which says once more which config and layers belong to which names: that is also what luff writes, so that manifests keep their
 * digests. The older ones, Docker's before 25 and Podman's, have manifest.json alone and no manifests: these are made here, with
 * the layers as they lie there, which are plain tars, whose digests the config knows as diff IDs.
 */
#include "store/docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "model/descriptor.h"
#include "store/archive.h"
#include "store/backing.h"
#include "stream/streams.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define WHOLE_MAX 1200                    /* bytes of a name with its registry and NUL */
#define RECORDS_MAX 10000                 /* images of one archive */
#define DOCUMENTS_MAX ((int64_t)64 << 20) /* bytes of manifests that are looked at */
#define REF_NAME "org.opencontainers.image.ref.name"
#define IMAGE_NAME "io.containerd.image.name"

int luff_docker_name(char out[LUFF_TAG_MAX + 1], const char *text, struct luff_error *err)
{
	struct luff_reference ref;
	char buf[1200];
	const char *name = buf;
	int rc = luff_reference_parse(&ref, text, err);

	if (rc < 0)
		return rc;
	luff_reference_format(buf, sizeof buf, &ref);
	if (luff_text_starts(name, "docker.io/"))
		name += luff_text_starts(name, "docker.io/library/") ? 18 : 10;
	return luff_text_copy(out, LUFF_TAG_MAX + 1, name)
		       ? 0
		       : luff_fail(err, LUFF_ENAME, "a name of more than %d characters", LUFF_TAG_MAX);
}

static bool set_string(cJSON *object, const char *key, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	return cJSON_AddStringToObject(object, key, value) != NULL;
}

/* An entry of the root document, by the name that users know; NULL: without one. */
static bool set_name(cJSON *entry, const char *key, const char *name)
{
	cJSON *annotations = cJSON_GetObjectItemCaseSensitive(entry, "annotations");

	if (!cJSON_IsObject(annotations)) {
		cJSON_DeleteItemFromObjectCaseSensitive(entry, "annotations");
		annotations = cJSON_AddObjectToObject(entry, "annotations");
	}
	return annotations && set_string(annotations, key, name);
}

static bool add_descriptor(cJSON *to, const char *media_type, const struct luff_digest *d, int64_t size)
{
	return cJSON_AddStringToObject(to, "mediaType", media_type) &&
	       cJSON_AddStringToObject(to, "digest", d->text) &&
	       cJSON_AddNumberToObject(to, "size", (double)size);
}

/* ---- today's form ---- */

/* A walk through the manifests of an archive. */
struct walk {
	struct luff_archive *a;
	const cJSON *records;
	int64_t bytes; /* of manifests that were read */
	int count;
};

static int walk(struct walk *w, bool *found, const struct luff_descriptor *d, int depth,
		struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	struct luff_document doc = {0};
	const cJSON *record;
	size_t i = 0;
	int rc;

	/* an archive of one platform may have an index that lists all of them */
	if (!luff_archive_has(w->a, &d->digest))
		return 0;
	w->bytes += d->size < DOCUMENTS_MAX ? d->size : DOCUMENTS_MAX;
	if (++w->count > RECORDS_MAX || w->bytes > DOCUMENTS_MAX || depth > LUFF_DEPTH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "too many manifests");
	rc = luff_archive_read_blob(&text, w->a, d, LUFF_MANIFEST_MAX, err);
	if (rc == 0)
		rc = luff_document_parse(&doc, text, (size_t)d->size, NULL, err);
	if (rc < 0)
		return rc;
	for (size_t k = 0; rc == 0 && doc.is_index && k < doc.count; k++)
		rc = walk(w, found, &doc.entries[k], depth + 1, err);
	cJSON_ArrayForEach(record, w->records)
	{
		char path[LUFF_BLOB_PATH_MAX];
		const char *config = luff_json_string(record, "Config");

		luff_archive_blob_path(path, &doc.config.digest);
		if (!doc.is_index && config && strcmp(config, path) == 0)
			found[i] = true;
		i++;
	}
	luff_document_release(&doc);
	return rc;
}

/* Whether the layout has the images that manifest.json lists: else that alone is believed, as older readers do. */
static int agrees(bool *out, struct luff_archive *a, const cJSON *entries, const cJSON *records,
		  struct luff_error *err)
{
	struct walk w = {.a = a, .records = records};
	int count = cJSON_GetArraySize(records);
	bool *found = calloc((size_t)count + 1, sizeof *found);
	struct luff_error disagree = {0};
	const cJSON *entry;
	int rc = 0;

	*out = false;
	if (!found)
		return luff_fail_nomem(err);
	cJSON_ArrayForEach(entry, entries)
	{
		struct luff_descriptor d;

		if (rc == 0)
			rc = luff_descriptor_parse(&d, entry, "index.json", &disagree);
		if (rc == 0)
			rc = walk(&w, found, &d, 1, &disagree);
	}
	*out = rc == 0;
	for (int i = 0; i < count; i++)
		*out = *out && found[i];
	free(found);
	if (rc == LUFF_ENOMEM || rc == LUFF_ECANCELED || rc == LUFF_ELIMIT || rc == LUFF_EIO) {
		*err = disagree;
		return rc;
	}
	return 0;
}

static int name_entries(cJSON *entries, struct luff_error *err)
{
	cJSON *entry;

	cJSON_ArrayForEach(entry, entries)
	{
		const cJSON *annotations = luff_json_object(entry, "annotations");
		const char *whole = luff_json_string(annotations, IMAGE_NAME);
		struct luff_error malformed = {0};
		char name[LUFF_TAG_MAX + 1];

		if (whole && luff_docker_name(name, whole, &malformed) == 0 &&
		    !set_name(entry, REF_NAME, name))
			return luff_fail_nomem(err);
	}
	return 0;
}

/* *index_out stays NULL where the archive is no layout, or not of these images. */
static int read_layout(char **index_out, struct luff_archive *a, const struct luff_members *members,
		       const cJSON *records, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(json) tree = NULL;
	struct luff_error none = {0};
	cJSON *entries;
	size_t len;
	bool same;
	int rc = luff_archive_read(&text, &len, a, members, "index.json", LUFF_STORE_INDEX_MAX, &none);

	if (rc == LUFF_ENOTFOUND)
		return 0;
	if (rc < 0) {
		*err = none;
		return rc;
	}
	rc = luff_json_parse(&tree, text, len, "index.json", err);
	if (rc == 0)
		rc = luff_archive_add_layout(a, members, err);
	if (rc < 0)
		return rc;
	entries = cJSON_GetObjectItemCaseSensitive(tree, "manifests");
	if (!cJSON_IsArray(entries))
		return 0;
	rc = agrees(&same, a, entries, records, err);
	if (rc == 0 && same)
		rc = name_entries(entries, err);
	if (rc < 0 || !same)
		return rc;
	*index_out = cJSON_PrintUnformatted(tree);
	return *index_out ? 0 : luff_fail_nomem(err);
}

/* ---- the older forms ---- */

/* What a layer's first bytes say of it; "" for a plain tar. */
static int sniff(const char **out, struct luff_archive *a, const struct luff_member *member,
		 struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_member head = *member;
	unsigned char bytes[4] = {0};
	LUFF_AUTO(text) text = NULL;
	int rc;

	head.size = head.size < 4 ? head.size : 4;
	rc = luff_archive_open(&r, a, &head, err);
	if (rc == 0)
		rc = luff_reader_read_all(&text, r, head.size, err);
	if (rc < 0 || !text)
		return rc;
	memcpy(bytes, text, (size_t)head.size);
	*out = memcmp(bytes, "\x1f\x8b\x08", 3) == 0       ? "+gzip"
	       : memcmp(bytes, "\x28\xb5\x2f\xfd", 4) == 0 ? "+zstd"
							   : "";
	return 0;
}

static int hash_member(struct luff_digest *out, struct luff_archive *a, const struct luff_member *member,
		       struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_hash hash;
	char buf[32 << 10];
	size_t n = 1;
	int rc = luff_archive_open(&r, a, member, err);

	luff_hash_init(&hash, LUFF_SHA256);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, buf, sizeof buf, err);
		luff_hash_update(&hash, buf, n);
	}
	luff_hash_final(out, &hash);
	return rc;
}

/*
 * The digest of a layer as it lies there. A plain tar's is the diff ID; a compressed one's is its name, where a tool named it so
 * (crane); else it is computed. Whoever reads it checks it.
 */
static int layer_digest(struct luff_digest *out, const char *packed, struct luff_archive *a,
			const struct luff_member *member, const char *diff_id, struct luff_error *err)
{
	const char *slash = strrchr(member->path, '/'), *name = slash ? slash + 1 : member->path;
	struct luff_error none = {0};
	char text[LUFF_DIGEST_MAX + 1] = "sha256:";

	if (!*packed)
		return luff_digest_parse(out, diff_id, err);
	if (strcspn(name, ".") == 64) {
		memcpy(text + 7, name, 64);
		text[71] = '\0';
		if (luff_digest_parse(out, text, &none) == 0)
			return 0;
	}
	return hash_member(out, a, member, err);
}

static int add_layer(cJSON *layers, struct luff_archive *a, const struct luff_members *members,
		     const char *path, const char *diff_id, struct luff_error *err)
{
	struct luff_member member;
	struct luff_digest digest;
	const char *packed = "";
	char type[64];
	cJSON *layer;
	int rc = luff_members_find(&member, members, path, err);

	if (rc == 0)
		rc = sniff(&packed, a, &member, err);
	if (rc == 0)
		rc = layer_digest(&digest, packed, a, &member, diff_id, err);
	if (rc == 0)
		rc = luff_archive_add(a, &digest, &member, err);
	if (rc < 0)
		return err->code == LUFF_ENAME || rc == LUFF_ENOTFOUND ? (err->code = LUFF_EFORMAT) : rc;
	snprintf(type, sizeof type, LUFF_MEDIA_OCI_LAYER "%s", packed);
	layer = cJSON_CreateObject();
	if (!add_descriptor(layer, type, &digest, member.size) || !cJSON_AddItemToArray(layers, layer)) {
		cJSON_Delete(layer);
		return luff_fail_nomem(err);
	}
	return 0;
}

static const char *record_string(const cJSON *array, int i)
{
	const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(array, i));

	return text && *text ? text : NULL;
}

/* The layers of a record, with the diff IDs that the config has for them. */
static int add_layers(cJSON *manifest, struct luff_archive *a, const struct luff_members *members,
		      const cJSON *record, const char *config, size_t len, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	cJSON *layers = cJSON_AddArrayToObject(manifest, "layers");
	const cJSON *paths = luff_json_array(record, "Layers"), *path, *diff_id, *ids;
	int rc = layers ? luff_json_parse(&tree, config, len, "config", err) : luff_fail_nomem(err);

	if (rc < 0)
		return rc;
	ids = luff_json_array(luff_json_object(tree, "rootfs"), "diff_ids");
	if (cJSON_GetArraySize(ids) != cJSON_GetArraySize(paths))
		return luff_fail(err, LUFF_EFORMAT, "manifest.json has %d layers, the config %d diff IDs",
				 cJSON_GetArraySize(paths), cJSON_GetArraySize(ids));
	diff_id = ids ? ids->child : NULL;
	cJSON_ArrayForEach(path, paths)
	{
		if (!cJSON_IsString(path) || !diff_id || !cJSON_IsString(diff_id))
			return luff_fail(err, LUFF_EFORMAT, "a layer or diff ID that is no text");
		rc = add_layer(layers, a, members, path->valuestring, diff_id->valuestring, err);
		if (rc < 0)
			return rc;
		diff_id = diff_id->next;
	}
	return 0;
}

/* The manifest that a record stands for; malloc'ed text. */
static int make_manifest(char **out, struct luff_archive *a, const struct luff_members *members,
			 const cJSON *record, struct luff_error *err)
{
	LUFF_AUTO(text) config = NULL;
	LUFF_AUTO(json) manifest = cJSON_CreateObject();
	const char *path = luff_json_string(record, "Config");
	struct luff_digest digest;
	struct luff_member member;
	cJSON *object;
	size_t len;
	int rc;

	*out = NULL;
	if (!path || !luff_json_array(record, "Layers"))
		return luff_fail(err, LUFF_EFORMAT, "no Config or Layers");
	rc = luff_archive_read(&config, &len, a, members, path, LUFF_CONFIG_MAX, err);
	if (rc == 0)
		rc = luff_members_find(&member, members, path, err);
	if (rc == 0)
		rc = luff_digest_of(&digest, "sha256", config, len, err);
	if (rc == 0)
		rc = luff_archive_add(a, &digest, &member, err);
	if (rc < 0)
		return rc == LUFF_ENOTFOUND ? (err->code = LUFF_EFORMAT) : rc;
	if (!cJSON_AddNumberToObject(manifest, "schemaVersion", 2) ||
	    !cJSON_AddStringToObject(manifest, "mediaType", LUFF_MEDIA_OCI_MANIFEST) ||
	    !(object = cJSON_AddObjectToObject(manifest, "config")) ||
	    !add_descriptor(object, LUFF_MEDIA_OCI_CONFIG, &digest, (int64_t)len))
		return luff_fail_nomem(err);
	rc = add_layers(manifest, a, members, record, config, len, err);
	if (rc < 0)
		return rc;
	*out = cJSON_PrintUnformatted(manifest);
	return *out ? 0 : luff_fail_nomem(err);
}

/* One entry for each name of a record, or one without. */
static int add_entries(cJSON *entries, const cJSON *record, const struct luff_digest *digest, int64_t size,
		       struct luff_error *err)
{
	const cJSON *names = luff_json_array(record, "RepoTags");
	int i = 0;

	do {
		const char *text = record_string(names, i);
		cJSON *entry = cJSON_CreateObject();
		char name[LUFF_TAG_MAX + 1], word[160];
		int rc = 0;

		if (!add_descriptor(entry, LUFF_MEDIA_OCI_MANIFEST, digest, size) ||
		    !cJSON_AddItemToArray(entries, entry)) {
			cJSON_Delete(entry);
			return luff_fail_nomem(err);
		}
		if (text && strcmp(text, "<none>:<none>") != 0)
			rc = luff_docker_name(name, text, err);
		else
			continue;
		if (rc < 0)
			return luff_fail(err, LUFF_EFORMAT, "a name that is none: %s",
					 luff_text_printable(word, sizeof word, text));
		if (!set_name(entry, REF_NAME, name))
			return luff_fail_nomem(err);
	} while (++i < cJSON_GetArraySize(names));
	return 0;
}

static int make_layout(char **index_out, struct luff_archive *a, const struct luff_members *members,
		       const cJSON *records, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	cJSON *entries;
	const cJSON *record;
	int rc = luff_json_parse(&tree, LUFF_STORE_EMPTY_INDEX, strlen(LUFF_STORE_EMPTY_INDEX), "index", err);

	if (rc < 0)
		return rc;
	entries = cJSON_GetObjectItemCaseSensitive(tree, "manifests");
	cJSON_ArrayForEach(record, records)
	{
		char *manifest = NULL;
		struct luff_digest digest;
		size_t len;

		rc = make_manifest(&manifest, a, members, record, err);
		if (rc < 0)
			return luff_fail_context(err, "manifest.json");
		len = strlen(manifest);
		rc = luff_digest_of(&digest, "sha256", manifest, len, err);
		if (rc < 0) {
			free(manifest);
			return rc;
		}
		rc = luff_archive_add_bytes(a, &digest, manifest, len, err);
		if (rc == 0)
			rc = add_entries(entries, record, &digest, (int64_t)len, err);
		if (rc < 0)
			return luff_fail_context(err, "manifest.json");
	}
	*index_out = cJSON_PrintUnformatted(tree);
	return *index_out ? 0 : luff_fail_nomem(err);
}

static int read_docker(char **index_out, struct luff_archive *a, const struct luff_members *members,
		       struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(json) records = NULL;
	struct luff_error missing = {0};
	struct luff_member ignored;
	size_t len;
	int rc = luff_archive_read(&text, &len, a, members, "manifest.json", LUFF_STORE_INDEX_MAX, &missing);

	*index_out = NULL;
	if (rc == LUFF_ENOTFOUND) {
		bool oci = luff_members_find(&ignored, members, "index.json", &missing) == 0;

		return luff_fail(err, LUFF_EFORMAT, "not from docker save: it has no manifest.json%s",
				 oci ? ", but an index.json: open it as oci-archive:" : "");
	}
	if (rc < 0) {
		*err = missing;
		return rc;
	}
	rc = luff_json_parse(&records, text, len, "manifest.json", err);
	if (rc == 0 && !cJSON_IsArray(records))
		rc = luff_fail(err, LUFF_EFORMAT, "manifest.json is no list of images");
	if (rc == 0 && cJSON_GetArraySize(records) > RECORDS_MAX)
		rc = luff_fail(err, LUFF_ELIMIT, "manifest.json has more than %d images", RECORDS_MAX);
	if (rc == 0)
		rc = read_layout(index_out, a, members, records, err);
	if (rc == 0 && !*index_out)
		rc = make_layout(index_out, a, members, records, err);
	return rc;
}

/* ---- writing ---- */

/* The image that manifest.json has for a descriptor: of an index, the one for this machine, or the first that is there. */
static int choose_image(struct luff_document *out, bool *found, struct luff_archive *a,
			const struct luff_descriptor *d, int depth, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	const struct luff_descriptor *best = NULL;
	struct luff_platform host;
	int best_match = -1;
	int rc = luff_archive_read_blob(&text, a, d, LUFF_MANIFEST_MAX, err);

	*found = false;
	if (rc == 0)
		rc = luff_document_parse(out, text, (size_t)d->size, NULL, err);
	if (rc < 0)
		return rc;
	if (!out->is_index) {
		*found = true;
		return 0;
	}
	luff_platform_host(&host);
	for (size_t i = 0; i < out->count; i++) {
		const struct luff_descriptor *entry = &out->entries[i];
		int match = luff_platform_match(&host, &entry->platform);

		/* attestations are of no platform */
		if (entry->manifest && strcmp(entry->platform.os, "unknown") != 0 && match > best_match &&
		    luff_archive_has(a, &entry->digest)) {
			best = entry;
			best_match = match;
		}
	}
	if (best && depth < LUFF_DEPTH_MAX) {
		struct luff_descriptor chosen = *best;

		luff_document_release(out);
		return choose_image(out, found, a, &chosen, depth + 1, err);
	}
	luff_document_release(out);
	return 0;
}

/* [{"Config":…,"RepoTags":[…],"Layers":[…]}] */
static cJSON *new_record(const struct luff_document *doc)
{
	cJSON *record = cJSON_CreateObject(), *layers;
	char path[LUFF_BLOB_PATH_MAX];

	luff_archive_blob_path(path, &doc->config.digest);
	if (!cJSON_AddStringToObject(record, "Config", path) || !cJSON_AddArrayToObject(record, "RepoTags") ||
	    !(layers = cJSON_AddArrayToObject(record, "Layers"))) {
		cJSON_Delete(record);
		return NULL;
	}
	for (size_t i = 0; i < doc->count; i++) {
		luff_archive_blob_path(path, &doc->entries[i].digest);
		if (!cJSON_AddItemToArray(layers, cJSON_CreateString(path))) {
			cJSON_Delete(record);
			return NULL;
		}
	}
	return record;
}

/* The record of the same image, if there is one: it has several names then. */
static cJSON *find_record(cJSON *records, const cJSON *like)
{
	cJSON *record;

	cJSON_ArrayForEach(record, records)
	{
		if (cJSON_Compare(luff_json_get(record, "Config"), luff_json_get(like, "Config"), true) &&
		    cJSON_Compare(luff_json_get(record, "Layers"), luff_json_get(like, "Layers"), true))
			return record;
	}
	return NULL;
}

static int add_record(cJSON *records, struct luff_archive *a, const cJSON *entry, const char *name,
		      struct luff_error *err)
{
	struct luff_descriptor d;
	struct luff_document doc = {0};
	cJSON *record, *same;
	bool found = false;
	int rc = luff_descriptor_parse(&d, entry, "index.json", err);

	if (rc == 0)
		rc = choose_image(&doc, &found, a, &d, 1, err);
	if (rc < 0 || !found)
		return rc;
	record = new_record(&doc);
	luff_document_release(&doc);
	if (!record)
		return luff_fail_nomem(err);
	same = find_record(records, record);
	if (same)
		cJSON_Delete(record);
	else if (!cJSON_AddItemToArray(records, record))
		return luff_fail_nomem(err);
	record = same ? same : record;
	if (name && !cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(record, "RepoTags"),
					  cJSON_CreateString(name)))
		return luff_fail_nomem(err);
	return 0;
}

/* As containerd names images in layouts: the tag, and the whole name beside. */
static int rename_entry(char whole[WHOLE_MAX], cJSON *entry, const char *name, struct luff_error *err)
{
	struct luff_reference ref;
	int rc = luff_reference_parse(&ref, name, err);

	if (rc < 0)
		return rc;
	luff_reference_format(whole, WHOLE_MAX, &ref);
	return set_name(entry, IMAGE_NAME, whole) && set_name(entry, REF_NAME, ref.tag)
		       ? 0
		       : luff_fail_nomem(err);
}

static int append_json(struct luff_archive *a, const char *path, const cJSON *tree, struct luff_error *err)
{
	LUFF_AUTO(text) text = cJSON_PrintUnformatted(tree);

	return text ? luff_archive_append(a, path, text, strlen(text), err) : luff_fail_nomem(err);
}

static int write_docker(struct luff_archive *a, const char *index, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	LUFF_AUTO(json) records = cJSON_CreateArray();
	cJSON *entry;
	int rc = luff_json_parse(&tree, index, strlen(index), "index.json", err);

	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(tree, "manifests"))
	{
		const char *known = luff_json_string(luff_json_object(entry, "annotations"), REF_NAME);
		struct luff_error none = {0};
		char same[LUFF_TAG_MAX + 1], whole[WHOLE_MAX] = "";

		/* a tag alone is no name of an image; and a short name, podman load takes for one of its own */
		if (known && luff_docker_name(same, known, &none) == 0 && strcmp(same, known) == 0)
			rc = rename_entry(whole, entry, same, err);
		if (rc == 0)
			rc = add_record(records, a, entry, *whole ? whole : NULL, err);
		if (rc < 0)
			return rc;
	}
	if (rc == 0)
		rc = luff_archive_append(a, "oci-layout", LAYOUT, strlen(LAYOUT), err);
	if (rc == 0)
		rc = append_json(a, "index.json", tree, err);
	if (rc == 0)
		rc = append_json(a, "manifest.json", records, err);
	return rc;
}

const struct luff_archive_dialect luff_archive_docker = {.read = read_docker, .write = write_docker};
