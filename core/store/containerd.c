/*
 * See containerd.h. Its database (metadata/buckets.go of containerd) has v1 / NAMESPACE / images / NAME / target with the
 * descriptor of each image; a store's root document is made of those. The content store knows no namespaces.
 */
#include "store/containerd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "store/backing.h"
#include "store/bolt.h"
#include "store/docker.h"
#include "store/inside.h"
#include "stream/streams.h"

#define DATABASE "io.containerd.metadata.v1.bolt/meta.db"
#define BLOBS "io.containerd.content.v1.content/blobs"
#define REF_NAME "org.opencontainers.image.ref.name"
#define IMAGES_MAX 100000
#define TRIES 20 /* of reading a database that is being written */

struct containerd_store {
	struct luff_store base;
	int root;
	char *name_space;
};

static struct containerd_store *containerd_of(struct luff_store *s)
{
	return (struct containerd_store *)s;
}

/* ---- blobs ---- */

static int open_blob(int *fd_out, int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		     struct luff_error *err)
{
	char path[sizeof BLOBS + sizeof d->text + 2];
	int rc;

	snprintf(path, sizeof path, BLOBS "/%.*s/%s", (int)strcspn(d->text, ":"), d->text,
		 luff_digest_hex(d));
	rc = luff_inside_open_file(fd_out, size_out, containerd_of(s)->root, path, d->text, err);
	return rc == LUFF_ENOTFOUND
		       ? luff_fail(err, LUFF_ENOTFOUND,
				   "no blob %s: containerd keeps what its platform needs", d->text)
		       : rc;
}

static int containerd_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
			   struct luff_error *err)
{
	int fd = -1, rc = open_blob(&fd, size_out, s, d, err);

	if (rc == 0)
		close(fd);
	return rc;
}

static int containerd_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
			    int64_t offset, struct luff_error *err)
{
	int64_t size;
	int fd = -1, rc = open_blob(&fd, &size, s, d, err);

	return rc < 0 ? rc : luff_store_open_at(out, fd, size, d, offset, err);
}

static int containerd_open_file(int *fd_out, struct luff_store *s, const struct luff_digest *d,
				struct luff_error *err)
{
	int64_t size;

	return open_blob(fd_out, &size, s, d, err);
}

/* ---- names ---- */

struct listing {
	struct luff_bolt bolt;
	cJSON *entries;
	int count;
	struct luff_bolt_bucket found; /* of find_bucket(), whose bytes `inside` are kept here */
	unsigned char *inside;
	const char *wanted;
};

static int take_bucket(void *arg, const struct luff_bolt_item *item, struct luff_error *err)
{
	struct listing *l = arg;

	if (!item->is_bucket || !luff_bolt_is_key(item, l->wanted))
		return 0;
	l->found = item->bucket;
	if (item->bucket.page)
		return 0;
	free(l->inside);
	l->inside = malloc(item->bucket.len + 1);
	if (!l->inside)
		return luff_fail_nomem(err);
	memcpy(l->inside, item->bucket.inside, item->bucket.len);
	return 0;
}

/* Goes from one bucket to that of a key in it. LUFF_ENOTFOUND */
static int find_bucket(struct luff_bolt_bucket *bucket, struct listing *l, const char *key,
		       struct luff_error *err)
{
	unsigned char *above = luff_take(l->inside);
	int rc;

	l->found = (struct luff_bolt_bucket){0};
	l->wanted = key;
	rc = luff_bolt_each(&l->bolt, bucket, take_bucket, l, err);
	free(above);
	if (rc == 0 && !l->found.page && !l->inside)
		rc = luff_fail(err, LUFF_ENOTFOUND, "no %s", key);
	if (!l->found.page)
		l->found.inside = l->inside;
	*bucket = l->found;
	return rc;
}

/* encoding/binary's PutVarint: zigzag, seven bits a byte. */
static bool read_varint(int64_t *out, const unsigned char *bytes, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len && i < 10; i++) {
		n |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
		if (bytes[i] < 0x80) {
			*out = (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
			return i + 1 == len;
		}
	}
	return false;
}

/* NULL: no memory. What has a NUL in it is no text. */
static char *text_of(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len + 1);

	if (text) {
		memcpy(text, bytes, len);
		text[memchr(bytes, '\0', len) ? 0 : len] = '\0';
	}
	return text;
}

static int take_field(void *arg, const struct luff_bolt_item *item, struct luff_error *err)
{
	cJSON *entry = arg;
	const char *key = luff_bolt_is_key(item, "digest")      ? "digest"
			  : luff_bolt_is_key(item, "mediatype") ? "mediaType"
								: NULL;
	int64_t size;

	if (key && !item->is_bucket) {
		LUFF_AUTO(text) value = text_of(item->value, item->value_len);

		if (!value || !cJSON_AddStringToObject(entry, key, value))
			return luff_fail_nomem(err);
	} else if (luff_bolt_is_key(item, "size") && !item->is_bucket) {
		if (!read_varint(&size, item->value, item->value_len) || size < 0)
			return luff_fail(err, LUFF_EFORMAT, "an image with a size that is none");
		if (!cJSON_AddNumberToObject(entry, "size", (double)size))
			return luff_fail_nomem(err);
	}
	return 0;
}

struct target {
	struct luff_bolt *bolt;
	cJSON *entry;
};

static int take_target(void *arg, const struct luff_bolt_item *item, struct luff_error *err)
{
	struct target *t = arg;

	if (!item->is_bucket || !luff_bolt_is_key(item, "target"))
		return 0;
	return luff_bolt_each(t->bolt, &item->bucket, take_field, t->entry, err);
}

/* Names as docker shows them; what is no name of that kind stays as it is. */
static int name_entry(cJSON *entry, const struct luff_bolt_item *item, struct luff_error *err)
{
	LUFF_AUTO(text) whole = text_of(item->key, item->key_len);
	cJSON *annotations = cJSON_AddObjectToObject(entry, "annotations");
	char name[LUFF_TAG_MAX + 1];
	struct luff_error other = {0};

	if (!whole || !annotations)
		return luff_fail_nomem(err);
	if (luff_docker_name(name, whole, &other) < 0 && !luff_text_copy(name, sizeof name, whole))
		return luff_fail(err, LUFF_ELIMIT, "an image's name has more than %d bytes", LUFF_TAG_MAX);
	return cJSON_AddStringToObject(annotations, REF_NAME, name) ? 0 : luff_fail_nomem(err);
}

static int take_image(void *arg, const struct luff_bolt_item *item, struct luff_error *err)
{
	struct listing *l = arg;
	cJSON *entry;
	struct target target = {.bolt = &l->bolt};
	int rc;

	if (!item->is_bucket)
		return 0;
	if (l->count++ == IMAGES_MAX)
		return luff_fail(err, LUFF_ELIMIT, "more than %d images", IMAGES_MAX);
	entry = cJSON_CreateObject();
	if (!entry || !cJSON_AddItemToArray(l->entries, entry)) {
		cJSON_Delete(entry);
		return luff_fail_nomem(err);
	}
	target.entry = entry;
	rc = luff_bolt_each(&l->bolt, &item->bucket, take_target, &target, err);
	return rc < 0 ? rc : name_entry(entry, item, err);
}

/* @param torn  whether the database was written meanwhile: what was read says nothing, not even how it failed */
static int list_images(bool *torn, cJSON *entries, int fd, const char *name_space, struct luff_error *err)
{
	struct listing l = {.entries = entries};
	const char *const way[] = {"v1", name_space, "images"};
	struct luff_bolt_bucket bucket;
	int rc = luff_bolt_open(&l.bolt, fd, err);

	if (rc < 0)
		return rc;
	luff_bolt_root(&bucket, &l.bolt);
	for (int i = 0; rc == 0 && i < 3; i++)
		rc = find_bucket(&bucket, &l, way[i], err);
	if (rc == 0)
		rc = luff_bolt_each(&l.bolt, &bucket, take_image, &l, err);
	free(l.inside);
	/* a namespace without images may have no bucket of them */
	if (rc == LUFF_ENOTFOUND)
		rc = 0;
	*torn = !luff_bolt_same(&l.bolt);
	return rc;
}

static int read_images(cJSON **out, int fd, const char *name_space, struct luff_error *err)
{
	bool torn = true;
	int rc = 0;

	for (int tries = 0; torn && tries < TRIES; tries++) {
		torn = false;
		cJSON_Delete(*out);
		rc = luff_json_parse(out, LUFF_STORE_EMPTY_INDEX, strlen(LUFF_STORE_EMPTY_INDEX), "index",
				     err);
		if (rc == 0)
			rc = list_images(&torn, cJSON_GetObjectItemCaseSensitive(*out, "manifests"), fd,
					 name_space, err);
	}
	return torn ? luff_fail(err, LUFF_EIO, "it is written to all the time") : rc;
}

static int containerd_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	LUFF_AUTO(fd) fd = -1;
	int64_t size;
	int rc = luff_inside_open_file(&fd, &size, containerd_of(s)->root, DATABASE, DATABASE, err);

	if (rc == 0)
		rc = read_images(&tree, fd, containerd_of(s)->name_space, err);
	if (rc < 0)
		return luff_fail_context(err, DATABASE);
	*out = cJSON_PrintUnformatted(tree);
	if (!*out)
		return luff_fail_nomem(err);
	*len_out = strlen(*out);
	return 0;
}

/* ---- what is not there ---- */

static int read_only(struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTSUP,
			 "what containerd keeps is only read here: ctr images import takes an oci-archive");
}

static int containerd_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err)
{
	(void)s;
	(void)d;
	return read_only(err);
}

static int containerd_link(bool *linked, struct luff_store *s, const struct luff_digest *d,
			   struct luff_store *from, struct luff_error *err)
{
	(void)s;
	(void)d;
	(void)from;
	*linked = false;
	return read_only(err);
}

static int containerd_write(struct luff_store_writer **out, struct luff_store *s, const char *id,
			    struct luff_error *err)
{
	(void)out;
	(void)s;
	(void)id;
	return read_only(err);
}

static int containerd_change_index(struct luff_store *s,
				   int (*change)(char **out_text, void *arg, const char *text, size_t len,
						 struct luff_error *err),
				   void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	(void)s;
	(void)change;
	(void)arg;
	(void)removed;
	return read_only(err);
}

static void containerd_destroy(struct luff_store *base)
{
	struct containerd_store *s = containerd_of(base);

	if (s->root >= 0)
		close(s->root);
	free(s->name_space);
	free(s);
}

static const struct luff_store_ops containerd_ops = {
	.stat = containerd_stat,
	.fetch = containerd_fetch,
	.open_file = containerd_open_file,
	.remove = containerd_remove,
	.link = containerd_link,
	.write = containerd_write,
	.read_index = containerd_read_index,
	.change_index = containerd_change_index,
	.destroy = containerd_destroy,
};

int luff_store_open_containerd(struct luff_store **out, const char *root, const char *name_space,
			       struct luff_error *err)
{
	struct containerd_store *s = calloc(1, sizeof *s);

	*out = NULL;
	if (!s)
		return luff_fail_nomem(err);
	s->base.ops = &containerd_ops;
	s->base.refs = 1;
	s->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->name_space = strdup(name_space);
	if (s->root >= 0 && s->name_space) {
		*out = &s->base;
		return 0;
	}
	if (s->root < 0)
		luff_fail_errno(err, errno, "%s", root);
	else
		luff_fail_nomem(err);
	containerd_destroy(&s->base);
	return err->code;
}
