/*
 * containers-storage: what podman, buildah and skopeo keep on this machine (containers/storage), read from its files: images.json and
 * layers.json of its drivers "overlay" and "vfs". Layers lie there unpacked, and are put together again as the tars that they
 * were (split.h), so images are shown with plain layers: by the manifest that they came with if that says so, else by one
 * that is made, always the same. Nothing is written or locked: its writers replace these files as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "mediums/mediums.h"
#include "mediums/storage/split.h"
#include "mediums/storage/spot.h"
#include "model/descriptor.h"
#include "store/docker.h"
#include "store/inside.h"
#include "stream/streams.h"

#define LISTS_MAX ((size_t)64 << 20) /* bytes of images.json or layers.json */
#define LAYERS_MAX 1000              /* of an image */
#define PATH_SIZE 640
#define DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"

struct storage {
	struct luff_medium base;
	int root;
	const char *driver;
	pthread_mutex_t lock; /* of what follows */
	struct luff_digest shown;
	char *manifest; /* the bytes of `shown`, which was asked for last; NULL: none */
};

static struct storage *storage_of(struct luff_medium *m)
{
	return (struct storage *)m;
}

static int here(const struct luff_medium *m, int rc, struct luff_error *err)
{
	return rc < 0 ? luff_fail_context(err, "%s", m->place) : 0;
}

/* ---- its files ---- */

/* images.json or layers.json, a list of objects */
static int read_list(cJSON **out, const struct storage *s, const char *what, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	char path[PATH_SIZE];
	size_t len;
	int rc;

	*out = NULL;
	snprintf(path, sizeof path, "%s-%s/%s.json", s->driver, what, what);
	rc = luff_inside_read(&text, &len, s->root, path, LISTS_MAX, err);
	if (rc == 0)
		rc = luff_json_parse(out, text, len, path, err);
	if (rc == 0 && !cJSON_IsArray(*out)) {
		cJSON_Delete(luff_take(*out));
		rc = luff_fail(err, LUFF_EFORMAT, "%s is no list", path);
	}
	return rc;
}

/* An ID is part of a path. */
static bool is_id(const char *id)
{
	size_t len = id ? strspn(id, "0123456789abcdef") : 0;

	return len > 0 && len <= 128 && !id[len];
}

/* A file that belongs to an image: "manifest", or a config by its digest. */
static int read_data(char **out, size_t *len_out, const struct storage *s, const cJSON *image,
		     const char *name, size_t cap, struct luff_error *err)
{
	const char *id = luff_json_string(image, "id");
	LUFF_AUTO(text) coded = strchr(name, ':') ? luff_text_base64(name, strlen(name)) : NULL;
	char path[PATH_SIZE];

	if (!is_id(id))
		return luff_fail(err, LUFF_EFORMAT, "images.json has an image without an ID");
	if (strchr(name, ':') && !coded)
		return luff_fail_nomem(err);
	snprintf(path, sizeof path, "%s-images/%s/%s%s", s->driver, id, coded ? "=" : "",
		 coded ? coded : name);
	return luff_inside_read(out, len_out, s->root, path, cap, err);
}

static const cJSON *find_layer(const cJSON *layers, const char *key, const char *value)
{
	const cJSON *layer;

	cJSON_ArrayForEach(layer, layers)
	{
		const char *have = luff_json_string(layer, key);

		if (have && strcmp(have, value) == 0)
			return layer;
	}
	return NULL;
}

/* ---- manifests ---- */

/* The layers of an image, from the base up. */
struct chain {
	const cJSON *layers[LAYERS_MAX];
	int count;
};

static int walk(struct chain *out, const cJSON *layers, const cJSON *image, struct luff_error *err)
{
	const char *id = luff_json_string(image, "layer");

	out->count = 0;
	while (id && *id) {
		const cJSON *layer = find_layer(layers, "id", id);

		if (!layer)
			return luff_fail(err, LUFF_EFORMAT, "layers.json lacks a layer of the image");
		if (out->count == LAYERS_MAX)
			return luff_fail(err, LUFF_ELIMIT, "more than %d layers", LAYERS_MAX);
		out->layers[out->count++] = layer;
		id = luff_json_string(layer, "parent");
	}
	for (int i = 0; i < out->count / 2; i++) {
		const cJSON *other = out->layers[out->count - 1 - i];

		out->layers[out->count - 1 - i] = out->layers[i];
		out->layers[i] = other;
	}
	return 0;
}

static bool add_descriptor(cJSON *to, const char *media_type, const char *digest, int64_t size)
{
	return cJSON_AddStringToObject(to, "mediaType", media_type) &&
	       cJSON_AddNumberToObject(to, "size", (double)size) &&
	       cJSON_AddStringToObject(to, "digest", digest);
}

/* Whether the manifest that the image came with has its layers as they are put together. */
static bool shows_plain(const struct luff_document *doc, const cJSON *diff_ids)
{
	const cJSON *id = diff_ids ? diff_ids->child : NULL;
	size_t i;

	for (i = 0; i < doc->count && id; i++, id = id->next) {
		const struct luff_descriptor *d = &doc->entries[i];

		if (!cJSON_IsString(id) || strcmp(id->valuestring, d->digest.text) != 0 ||
		    (strcmp(d->media_type, LUFF_MEDIA_OCI_LAYER) != 0 &&
		     strcmp(d->media_type, DOCKER_LAYER) != 0))
			return false;
	}
	return i == doc->count && !id;
}

static int make_manifest(char **out, const struct luff_document *doc, const struct chain *chain,
			 const cJSON *diff_ids, struct luff_error *err)
{
	LUFF_AUTO(json) manifest = cJSON_CreateObject();
	cJSON *object, *list;
	const cJSON *id = diff_ids ? diff_ids->child : NULL;

	if (cJSON_GetArraySize(diff_ids) != chain->count)
		return luff_fail(err, LUFF_EFORMAT, "it has %d layers, the config %d diff IDs", chain->count,
				 cJSON_GetArraySize(diff_ids));
	if (!cJSON_AddNumberToObject(manifest, "schemaVersion", 2) ||
	    !cJSON_AddStringToObject(manifest, "mediaType", LUFF_MEDIA_OCI_MANIFEST) ||
	    !(object = cJSON_AddObjectToObject(manifest, "config")) ||
	    !add_descriptor(object, LUFF_MEDIA_OCI_CONFIG, doc->config.digest.text, doc->config.size) ||
	    !(list = cJSON_AddArrayToObject(manifest, "layers")))
		return luff_fail_nomem(err);
	for (int i = 0; i < chain->count; i++) {
		const char *digest = luff_json_string(chain->layers[i], "diff-digest");
		int64_t size;

		if (!digest || !id || !cJSON_IsString(id) || strcmp(digest, id->valuestring) != 0 ||
		    !luff_json_int64(&size, chain->layers[i], "diff-size") || size < 0)
			return luff_fail(err, LUFF_EFORMAT, "layer %d is not what the config says", i + 1);
		object = cJSON_CreateObject();
		if (!object || !cJSON_AddItemToArray(list, object)) {
			cJSON_Delete(object);
			return luff_fail_nomem(err);
		}
		if (!add_descriptor(object, LUFF_MEDIA_OCI_LAYER, digest, size))
			return luff_fail_nomem(err);
		id = id->next;
	}
	*out = cJSON_PrintUnformatted(manifest);
	return *out ? 0 : luff_fail_nomem(err);
}

static int read_diff_ids(cJSON **config_out, const cJSON **ids_out, const struct storage *s,
			 const cJSON *image, const struct luff_document *doc, struct luff_error *err)
{
	LUFF_AUTO(text) config = NULL;
	struct luff_digest actual;
	size_t len;
	int rc = read_data(&config, &len, s, image, doc->config.digest.text, LUFF_CONFIG_MAX, err);

	if (rc == 0)
		rc = luff_digest_of(&actual, luff_algorithm_name(luff_digest_algorithm(&doc->config.digest)),
				    config, len, err);
	if (rc == 0 && ((int64_t)len != doc->config.size || !luff_digest_equal(&actual, &doc->config.digest)))
		rc = luff_fail(err, LUFF_EDIGEST, "config %s has the digest %s", doc->config.digest.text,
			       actual.text);
	if (rc == 0)
		rc = luff_json_parse(config_out, config, len, "config", err);
	if (rc == 0)
		*ids_out = luff_json_array(luff_json_object(*config_out, "rootfs"), "diff_ids");
	return rc;
}

/* The manifest by which an image is shown, as a descriptor and its bytes. */
static int show(struct luff_descriptor *out, char **text_out, const struct storage *s, const cJSON *image,
		const cJSON *layers, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(json) config = NULL;
	struct luff_document doc;
	struct chain *chain;
	const cJSON *ids = NULL;
	size_t len;
	int rc = read_data(&text, &len, s, image, "manifest", LUFF_MANIFEST_MAX, err);

	if (rc < 0 || luff_document_parse(&doc, text, len, NULL, err) < 0)
		return err->code;
	chain = malloc(sizeof *chain);
	if (!chain)
		rc = luff_fail_nomem(err);
	else if (doc.is_index)
		rc = luff_fail(err, LUFF_ENOTSUP, "the image is an index, whose images are elsewhere");
	else
		rc = read_diff_ids(&config, &ids, s, image, &doc, err);
	if (rc == 0 && !shows_plain(&doc, ids)) {
		free(luff_take(text));
		rc = walk(chain, layers, image, err);
		if (rc == 0)
			rc = make_manifest(&text, &doc, chain, ids, err);
		len = rc == 0 ? strlen(text) : 0;
		memcpy(doc.media_type, LUFF_MEDIA_OCI_MANIFEST, sizeof LUFF_MEDIA_OCI_MANIFEST);
	}
	*out = (struct luff_descriptor){.size = (int64_t)len, .manifest = true};
	memcpy(out->media_type, doc.media_type, sizeof doc.media_type);
	if (rc == 0)
		rc = luff_digest_of(&out->digest, "sha256", text, len, err);
	if (rc == 0)
		*text_out = luff_take(text);
	free(chain);
	luff_document_release(&doc);
	return rc;
}

/* "alpine:3" is docker.io/library/alpine:3, and localhost/alpine:3 where that is not there. */
static bool is_named(const cJSON *image, const char *tag)
{
	const cJSON *name;

	cJSON_ArrayForEach(name, luff_json_array(image, "names"))
	{
		struct luff_error ignored = {0};
		char a[LUFF_TAG_MAX + 1], b[LUFF_TAG_MAX + 1];

		if (cJSON_IsString(name) && (strcmp(name->valuestring, tag) == 0 ||
					     (luff_docker_name(a, name->valuestring, &ignored) == 0 &&
					      luff_docker_name(b, tag, &ignored) == 0 && strcmp(a, b) == 0)))
			return true;
	}
	return false;
}

static const cJSON *find_named(const cJSON *images, const char *tag)
{
	const cJSON *image;
	const char *id;
	char local[LUFF_TAG_MAX + 16];

	cJSON_ArrayForEach(image, images)
	{
		id = luff_json_string(image, "id");
		if (*tag == '@' ? id && tag[1] && luff_text_starts(id, tag + 1) : is_named(image, tag))
			return image;
	}
	snprintf(local, sizeof local, "localhost/%s", tag);
	cJSON_ArrayForEach(image, images)
	{
		if (is_named(image, local))
			return image;
	}
	return NULL;
}

/* Takes text over. */
static void remember(struct storage *s, const struct luff_digest *digest, char *text)
{
	pthread_mutex_lock(&s->lock);
	free(s->manifest);
	s->shown = *digest;
	s->manifest = text;
	pthread_mutex_unlock(&s->lock);
}

/* The bytes of a manifest (malloc'ed), NULL where no image is shown by it. */
static int find_manifest(struct luff_descriptor *out, char **text_out, struct storage *s,
			 const struct luff_digest *digest, struct luff_error *err)
{
	LUFF_AUTO(json) images = NULL;
	LUFF_AUTO(json) layers = NULL;
	const cJSON *image;
	int rc = read_list(&images, s, "images", err);

	*text_out = NULL;
	if (rc == 0)
		rc = read_list(&layers, s, "layers", err);
	if (rc < 0)
		return rc;
	cJSON_ArrayForEach(image, images)
	{
		struct luff_error damaged = {0};
		char *text = NULL;

		/* what another image lacks is its own matter */
		if (show(out, &text, s, image, layers, &damaged) == 0 &&
		    luff_digest_equal(&out->digest, digest)) {
			*text_out = text;
			return 0;
		}
		free(text);
	}
	return luff_fail(err, LUFF_ENOTFOUND, "no image %s", digest->text);
}

static int resolve(struct luff_descriptor *out, char **text_out, struct storage *s,
		   const struct luff_name *name, struct luff_error *err)
{
	LUFF_AUTO(json) images = NULL;
	LUFF_AUTO(json) layers = NULL;
	const cJSON *image;
	char word[160];
	int rc;

	if (name->digest.text[0])
		return find_manifest(out, text_out, s, &name->digest, err);
	rc = read_list(&images, s, "images", err);
	if (rc == 0)
		rc = read_list(&layers, s, "layers", err);
	if (rc < 0)
		return rc;
	image = *name->tag                        ? find_named(images, name->tag)
		: cJSON_GetArraySize(images) == 1 ? images->child
						  : NULL;
	if (!image)
		return luff_fail(err, LUFF_ENOTFOUND, "%s%s",
				 *name->tag ? "no image " : "choose one image by its name",
				 luff_text_printable(word, sizeof word, name->tag));
	return show(out, text_out, s, image, layers, err);
}

static int storage_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			   const struct luff_name *name, struct luff_error *err)
{
	struct storage *s = storage_of(m);
	char *text = NULL, *copy;
	int rc = resolve(out, &text, s, name, err);

	if (rc < 0)
		return here(m, rc, err);
	copy = document ? strdup(text) : NULL;
	remember(s, &out->digest, text);
	if (document && !copy)
		return luff_fail_nomem(err);
	if (document)
		*document = copy;
	return 0;
}

/* ---- content ---- */

static int open_manifest(struct luff_reader **out, struct storage *s, const struct luff_descriptor *d,
			 int64_t offset, struct luff_error *err)
{
	struct luff_descriptor found;
	char *text = NULL;
	size_t len;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->manifest && luff_digest_equal(&s->shown, &d->digest))
		text = strdup(s->manifest);
	pthread_mutex_unlock(&s->lock);
	if (!text)
		rc = find_manifest(&found, &text, s, &d->digest, err);
	if (rc < 0)
		return rc;
	len = strlen(text);
	if (offset > (int64_t)len)
		offset = (int64_t)len;
	memmove(text, text + offset, len - (size_t)offset);
	return luff_reader_open_owned(out, text, len - (size_t)offset, err);
}

static int skip(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	char buf[16 << 10];
	size_t n = 1;
	int rc = 0;

	for (; rc == 0 && offset > 0 && n > 0; offset -= (int64_t)n)
		rc = luff_reader_read(&n, r, buf, offset < (int64_t)sizeof buf ? (size_t)offset : sizeof buf,
				      err);
	return rc;
}

static int open_layer(struct luff_reader **out, const struct storage *s, const cJSON *layer, int64_t offset,
		      struct luff_error *err)
{
	const char *id = luff_json_string(layer, "id");
	LUFF_AUTO(reader) record = NULL;
	char path[PATH_SIZE];
	int64_t size;
	int fd, rc;

	if (!is_id(id))
		return luff_fail(err, LUFF_EFORMAT, "layers.json has a layer without an ID");
	snprintf(path, sizeof path, "%s-layers/%s.tar-split.gz", s->driver, id);
	rc = luff_inside_open_file(&fd, &size, s->root, path, path, err);
	if (rc == 0)
		rc = luff_reader_open_fd(&record, fd, 0, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof path, strcmp(s->driver, "vfs") == 0 ? "vfs/dir/%s" : "overlay/%s/diff", id);
	fd = luff_inside_open(s->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return luff_fail_errno(err, errno, "%s", path);
	rc = luff_split_open(out, luff_take(record), fd, err);
	if (rc == 0 && offset > 0)
		rc = skip(*out, offset, err);
	if (rc < 0)
		luff_reader_close(luff_take(*out));
	return rc;
}

/* A layer with its list, or the image that has such a config with its list; *found_out NULL: neither. */
static int find_blob(const cJSON **found_out, bool *is_layer, cJSON **list_out, const struct storage *s,
		     const struct luff_digest *digest, struct luff_error *err)
{
	const cJSON *image, *name;
	int rc = read_list(list_out, s, "layers", err);

	*found_out = NULL;
	*is_layer = true;
	if (rc == 0)
		*found_out = find_layer(*list_out, "diff-digest", digest->text);
	if (rc < 0 || *found_out)
		return rc;
	cJSON_Delete(luff_take(*list_out));
	*is_layer = false;
	rc = read_list(list_out, s, "images", err);
	cJSON_ArrayForEach(image, *list_out)
	{
		cJSON_ArrayForEach(name, luff_json_array(image, "big-data-names"))
		{
			if (cJSON_IsString(name) && strcmp(name->valuestring, digest->text) == 0)
				*found_out = image;
		}
	}
	return rc;
}

static int open_blob(struct luff_reader **out, const struct storage *s, const struct luff_digest *digest,
		     int64_t offset, struct luff_error *err)
{
	LUFF_AUTO(json) list = NULL;
	LUFF_AUTO(text) config = NULL;
	const cJSON *found;
	bool is_layer;
	size_t len;
	int rc = find_blob(&found, &is_layer, &list, s, digest, err);

	if (rc == 0 && !found)
		rc = luff_fail(err, LUFF_ENOTFOUND, "no blob %s", digest->text);
	if (rc < 0 || is_layer)
		return rc < 0 ? rc : open_layer(out, s, found, offset, err);
	rc = read_data(&config, &len, s, found, digest->text, LUFF_CONFIG_MAX, err);
	if (rc < 0)
		return rc;
	offset = offset < (int64_t)len ? offset : (int64_t)len;
	memmove(config, config + offset, len - (size_t)offset);
	return luff_reader_open_owned(out, luff_take(config), len - (size_t)offset, err);
}

static int storage_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			 int64_t offset, struct luff_error *err)
{
	struct storage *s = storage_of(m);

	return here(m,
		    d->manifest ? open_manifest(out, s, d, offset, err)
				: open_blob(out, s, &d->digest, offset, err),
		    err);
}

static int storage_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
			struct luff_error *err)
{
	LUFF_AUTO(json) list = NULL;
	const cJSON *found;
	bool is_layer;
	int rc = find_blob(&found, &is_layer, &list, storage_of(m), digest, err);

	if (rc == 0 &&
	    (!found ||
	     !luff_json_int64(size_out, is_layer ? found : luff_json_object(found, "big-data-sizes"),
			      is_layer ? "diff-size" : digest->text)))
		rc = luff_fail(err, LUFF_ENOTFOUND, "no blob %s", digest->text);
	return here(m, rc, err);
}

static int storage_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			  struct luff_error *err)
{
	struct luff_error missing = {0};
	struct luff_descriptor found;
	char *text = NULL;
	int64_t size;
	int rc = d->manifest ? find_manifest(&found, &text, storage_of(m), &d->digest, &missing)
			     : storage_stat(&size, m, &d->digest, &missing);

	free(text);
	*out = rc == 0;
	if (rc == 0 || rc == LUFF_ENOTFOUND)
		return 0;
	*err = missing;
	return rc;
}

/* ---- names ---- */

struct names_cursor {
	struct luff_cursor base;
	cJSON *images;
	const cJSON *image, *name; /* the next ones */
};

static int names_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct names_cursor *c = (struct names_cursor *)base;

	(void)err;
	while (c->image && !*out) {
		if (c->name) {
			*out = cJSON_GetStringValue(c->name);
			c->name = c->name->next;
		} else {
			const cJSON *names;

			c->image = c->image->next;
			names = luff_json_array(c->image, "names");
			c->name = names ? names->child : NULL;
		}
	}
	return 0;
}

static void names_close(struct luff_cursor *base)
{
	cJSON_Delete(((struct names_cursor *)base)->images);
	free(base);
}

static const struct luff_cursor_ops names_ops = {.next = names_next, .close = names_close};

static int storage_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	struct names_cursor *c = calloc(1, sizeof *c);
	const cJSON *names;
	int rc;

	if (!c)
		return luff_fail_nomem(err);
	rc = read_list(&c->images, storage_of(m), "images", err);
	if (rc < 0) {
		free(c);
		return here(m, rc, err);
	}
	c->base.ops = &names_ops;
	c->image = c->images->child;
	names = luff_json_array(c->image, "names");
	c->name = names ? names->child : NULL;
	*out = &c->base;
	return 0;
}

static void storage_destroy(struct luff_medium *m)
{
	struct storage *s = storage_of(m);

	if (s->root >= 0)
		close(s->root);
	pthread_mutex_destroy(&s->lock);
	free(s->manifest);
	free(m->place);
	free(m);
}

static const struct luff_medium_ops storage_ops = {
	.scheme = "containers-storage",
	.resolve = storage_resolve,
	.fetch = storage_fetch,
	.exists = storage_exists,
	.tags = storage_tags,
	.stat = storage_stat,
	.destroy = storage_destroy,
};

/* ---- opening ---- */

static int choose_driver(struct storage *s, const char *wanted, struct luff_error *err)
{
	static const char *const known[] = {"overlay", "vfs"};
	char path[64];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s-images/images.json", known[i]);
		if (wanted ? strcmp(wanted, known[i]) == 0 : faccessat(s->root, path, F_OK, 0) == 0)
			s->driver = known[i];
	}
	if (s->driver)
		return 0;
	return wanted ? luff_fail(err, LUFF_ENOTSUP, "the driver %s is not known: overlay and vfs are",
				  wanted)
		      : luff_fail(err, LUFF_ENOTFOUND, "no images of the drivers overlay or vfs");
}

static int open_storage(struct luff_medium **out, const struct luff_storage_spot *spot,
			struct luff_error *err)
{
	struct storage *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return luff_fail_nomem(err);
	pthread_mutex_init(&s->lock, NULL);
	s->base.ops = &storage_ops;
	s->base.refs = 1;
	s->base.naming = LUFF_NAMES_IMAGES;
	s->base.unpacked = true;
	s->root = open(spot->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = s->root < 0 ? luff_fail_errno(err, errno, "containers-storage: %s", spot->root) : 0;
	if (rc == 0 && choose_driver(s, spot->driver, err) < 0)
		rc = luff_fail_context(err, "containers-storage: %s", spot->root);
	if (rc == 0 && asprintf(&s->base.place, "containers-storage:[%s@%s]", s->driver, spot->root) < 0) {
		s->base.place = NULL;
		rc = luff_fail_nomem(err);
	}
	if (rc < 0)
		storage_destroy(&s->base);
	else
		*out = &s->base;
	return rc;
}

int luff_storage_open(struct luff_medium **out, struct luff_name *name_out, const char *text,
		      const char *digest, struct luff_error *err)
{
	struct luff_storage_spot spot = {.root = NULL};
	LUFF_AUTO(text) name = NULL;
	const char *rest;
	int rc = luff_storage_spot_parse(&spot, &rest, text, err);

	if (rc == 0) {
		name = strndup(rest, digest ? (size_t)(digest - rest) : strlen(rest));
		rc = name ? 0 : luff_fail_nomem(err);
	}
	if (rc == 0 && !luff_text_copy(name_out->tag, sizeof name_out->tag, name))
		rc = luff_fail(err, LUFF_ENAME, "containers-storage: the name is too long");
	if (rc == 0 && digest)
		rc = luff_digest_parse(&name_out->digest, digest + 1, err);
	if (rc == 0)
		rc = open_storage(out, &spot, err);
	luff_storage_spot_release(&spot);
	return rc;
}
