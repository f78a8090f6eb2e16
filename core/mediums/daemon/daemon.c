/*
 * A daemon's images (Docker Engine API: Docker with either of its image stores, Podman). "docker-daemon:app:v1"
 *
 * The API gives out images as a whole, and neither manifests nor configs by themselves: what it tells of an image ("inspect",
 * "history") is made from the config, and not its bytes. So names are answered by the API; the content of an image comes with the
 * archive of `docker save`, in one pass, when it is first asked for. With containerd's image store the API also tells the digest
 * that a name stands for, and that needs no archive. Where there are no manifests (Docker's older store, Podman), those that stand
 * in the archive, or that luff makes for it, are the same each time.
 *
 * What is written is gathered in an archive as well, and loaded when it is complete and checked.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "mediums/daemon/images.h"
#include "mediums/daemon/load.h"
#include "mediums/daemon/save.h"
#include "mediums/mediums.h"
#include "model/descriptor.h"
#include "store/archive.h"
#include "store/docker.h"

/* An image that was asked for: its archive comes when the store is first read. */
struct held {
	struct held *next;
	struct luff_digest id;
	bool part;                   /* only for one platform */
	struct luff_descriptor root; /* its digest is "" while nobody knows it */
	struct luff_store *store;
	struct luff_medium *layout; /* over it */
};

struct daemon {
	struct luff_medium base;
	struct luff_client *client;
	struct luff_name name; /* that it was opened with */
	bool writing;
	bool by_platform;
	atomic_bool packing; /* layers are wanted as gzip */
	struct luff_platform platform;
	struct luff_store *staged; /* what is written */
	struct luff_medium *staging;
	atomic_bool pushed;   /* and not loaded yet */
	pthread_mutex_t lock; /* of the list, which only grows at its front, and of the roots in it */
	struct held *held;
};

static struct daemon *daemon_of(struct luff_medium *m)
{
	return (struct daemon *)m;
}

static int here(int rc, struct luff_error *err)
{
	return rc < 0 ? luff_fail_context(err, LUFF_DAEMON) : 0;
}

/* ---- images that were asked for ---- */

static void held_free(struct held *h)
{
	if (!h)
		return;
	luff_medium_unref(h->layout);
	luff_store_unref(h->store);
	free(h);
}

LUFF_DEFINE_AUTO(held, struct held *, held_free);

/* @param packing  its layers are wanted as gzip */
static int held_new(struct held **out, bool packing, struct luff_client *client, const struct luff_digest *id,
		    const struct luff_platform *platform, struct luff_error *err)
{
	LUFF_AUTO(held) h = calloc(1, sizeof *h);
	struct luff_reader *archive = NULL;
	int rc;

	if (!h)
		return luff_fail_nomem(err);
	h->id = *id;
	h->part = platform != NULL;
	rc = luff_save_open(&archive, client, id, platform, err);
	if (rc == 0)
		rc = luff_store_open_archive_stream(&h->store, archive, NULL, NULL, &luff_archive_docker,
						    err);
	if (rc == 0 && packing)
		luff_store_archive_pack(h->store);
	if (rc == 0)
		rc = luff_layout_new(&h->layout, h->store, LUFF_DAEMON, err);
	if (rc == 0)
		*out = luff_take(h);
	return rc;
}

static struct held *first_held(struct daemon *d)
{
	struct held *h;

	pthread_mutex_lock(&d->lock);
	h = d->held;
	pthread_mutex_unlock(&d->lock);
	return h;
}

/* @param platform  NULL: all of it */
static int hold(struct held **out, struct daemon *d, const struct luff_digest *id,
		const struct luff_platform *platform, struct luff_error *err)
{
	struct held *h;
	int rc = 0;

	*out = NULL;
	pthread_mutex_lock(&d->lock);
	for (h = d->held; h && !(luff_digest_equal(&h->id, id) && h->part == (platform != NULL));)
		h = h->next;
	if (!h) {
		rc = held_new(&h, d->packing, d->client, id, platform, err);
		if (rc == 0) {
			h->next = d->held;
			d->held = h;
		}
	}
	if (rc == 0)
		*out = h;
	pthread_mutex_unlock(&d->lock);
	return rc;
}

/* Whether that is what the name of the image stands for. */
static bool is_root(struct daemon *d, struct held *h, const struct luff_digest *digest)
{
	bool equal;

	pthread_mutex_lock(&d->lock);
	equal = luff_digest_equal(&h->root.digest, digest);
	pthread_mutex_unlock(&d->lock);
	return equal;
}

/* ---- reading ---- */

/* What was asked for before may hold what a digest names: the manifests below an index, above all. */
static int resolve_held(bool *found, struct luff_descriptor *out, struct daemon *d,
			const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_name name = {.digest = *digest};
	struct luff_error missing = {0};
	int rc = LUFF_ENOTFOUND;

	*found = false;
	for (struct held *h = first_held(d); h && rc == LUFF_ENOTFOUND; h = h->next) {
		if (is_root(d, h, digest)) {
			*out = h->root;
			rc = 0;
		} else {
			rc = luff_medium_resolve(out, NULL, h->layout, &name, &missing);
		}
	}
	*found = rc == 0;
	if (rc == 0 || rc == LUFF_ENOTFOUND)
		return 0;
	*err = missing;
	return rc;
}

/* From what the daemon tells, else from its archive. */
static int settle(struct luff_descriptor *out, struct daemon *d, const struct luff_answer_image *image,
		  const struct luff_name *name, struct luff_error *err)
{
	static const struct luff_name only;
	const struct luff_name digest = {.digest = name->digest};
	bool part = image->chosen.digest.text[0] != '\0';
	struct held *h;
	int rc = hold(&h, d, &image->id, part ? &image->chosen.platform : NULL, err);

	if (rc < 0)
		return rc;
	/* containerd's store keeps layers as they came */
	if (image->descriptor.digest.text[0])
		d->base.unpacked = false;
	*out = part ? image->chosen : image->descriptor;
	if (!out->digest.text[0])
		rc = luff_medium_resolve(out, NULL, h->layout, &only, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&d->lock);
	h->root = *out;
	pthread_mutex_unlock(&d->lock);
	if (!digest.digest.text[0] || luff_digest_equal(&digest.digest, &out->digest))
		return 0;
	rc = luff_medium_resolve(out, NULL, h->layout, &digest, err);
	return rc != LUFF_ENOTFOUND
		       ? rc
		       : luff_fail(err, rc, LUFF_DAEMON ": %s is not, or no more, %s",
				   *name->tag == '@' ? name->tag + 1 : name->tag, digest.digest.text);
}

static int look_up(struct luff_descriptor *out, struct daemon *d, const struct luff_name *name,
		   struct luff_error *err)
{
	const struct luff_platform *want = NULL;
	struct luff_answer_image image;
	int version, rc = 0;

	if (d->by_platform && !d->writing && !name->digest.text[0]) {
		rc = luff_client_version(&version, d->client, err);
		want = version >= LUFF_CLIENT_PLATFORMS ? &d->platform : NULL;
	}
	if (rc == 0)
		rc = luff_images_find(&image, d->client, name, want, err);
	if (rc < 0)
		return rc == LUFF_ENOTFOUND && !d->writing ? luff_images_missing(d->client, name, err) : rc;
	if (!d->writing)
		rc = settle(out, d, &image, name, err);
	else if (luff_media_is_image(image.descriptor.media_type))
		*out = image.descriptor;
	else
		/* what would have to be read to know: it is written over anyway; of an index much may be missing */
		rc = luff_fail(err, LUFF_ENOTFOUND, LUFF_DAEMON ": tells no digest of %s", name->tag);
	luff_answer_image_release(&image);
	return rc;
}

static int daemon_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			  const struct luff_name *name, struct luff_error *err)
{
	struct daemon *d = daemon_of(m);
	struct luff_name only;
	bool found = false;
	int rc = 0;

	(void)document; /* it comes with the rest */
	if (name->digest.text[0])
		rc = resolve_held(&found, out, d, &name->digest, err);
	else if (!name->tag[0]) {
		rc = luff_images_only(&only, d->client, err);
		name = &only;
	}
	return rc < 0 || found ? rc : look_up(out, d, name, err);
}

/* The store that has a blob: what was written, or came with one of the archives. */
static int find_store(struct luff_store **out, int64_t *size_out, struct daemon *d,
		      const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_error missing = {0};
	int rc = luff_store_stat(size_out, d->staged, digest, &missing);

	*out = d->staged;
	for (struct held *h = first_held(d); h && rc == LUFF_ENOTFOUND; h = h->next) {
		*out = h->store;
		rc = luff_store_stat(size_out, h->store, digest, &missing);
	}
	/* the daemon chose another image for the platform than luff did */
	for (struct held *h = first_held(d), *whole; h && rc == LUFF_ENOTFOUND; h = h->next) {
		if (!h->part)
			continue;
		rc = hold(&whole, d, &h->id, NULL, &missing);
		if (rc == 0) {
			*out = whole->store;
			rc = luff_store_stat(size_out, whole->store, digest, &missing);
		}
	}
	if (rc < 0)
		*err = missing;
	return here(rc, err);
}

static int daemon_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			int64_t offset, struct luff_error *err)
{
	struct luff_store *store;
	int64_t size;
	int rc = find_store(&store, &size, daemon_of(m), &d->digest, err);

	return rc < 0 ? rc : here(luff_store_fetch(out, store, &d->digest, offset, err), err);
}

static void daemon_pack(struct luff_medium *m)
{
	daemon_of(m)->packing = true;
}

static int daemon_packed(int *fd_out, struct luff_descriptor *out, struct luff_medium *m,
			 const struct luff_descriptor *d, struct luff_error *err)
{
	struct luff_store *store;
	int64_t size;
	int rc = find_store(&store, &size, daemon_of(m), &d->digest, err);

	return rc < 0 ? rc : here(luff_store_archive_packed(fd_out, out, store, d, err), err);
}

static int daemon_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			 struct luff_error *err)
{
	struct luff_store *store;
	struct luff_error missing = {0};
	int64_t size;
	int rc = find_store(&store, &size, daemon_of(m), &d->digest, &missing);

	*out = rc == 0 && size == d->size;
	if (rc == 0 || rc == LUFF_ENOTFOUND)
		return 0;
	*err = missing;
	return rc;
}

/* Who asks by a digest alone means the image that the place was opened with. */
static int daemon_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		       struct luff_error *err)
{
	struct daemon *d = daemon_of(m);
	struct luff_name name = d->name;
	struct luff_descriptor ignored;
	struct luff_store *store;
	int rc = 0;

	name.digest.text[0] = '\0';
	if (!first_held(d) && !d->pushed)
		rc = daemon_resolve(&ignored, NULL, m, &name, err);
	return rc < 0 ? rc : find_store(&store, size_out, d, digest, err);
}

struct names_cursor {
	struct luff_cursor base;
	struct luff_answer_names names;
	size_t at;
};

static int names_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct names_cursor *c = (struct names_cursor *)base;

	(void)err;
	if (c->at < c->names.count)
		*out = c->names.names[c->at++];
	return 0;
}

static void names_close(struct luff_cursor *base)
{
	luff_answer_names_release(&((struct names_cursor *)base)->names);
	free(base);
}

static const struct luff_cursor_ops names_ops = {.next = names_next, .close = names_close};

static int daemon_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	struct names_cursor *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &names_ops;
	rc = luff_images_list(&c->names, daemon_of(m)->client, err);
	if (rc < 0)
		free(c);
	else
		*out = &c->base;
	return rc;
}

/* ---- writing ---- */

static int publish(void *arg, int fd, int64_t size, struct luff_error *err)
{
	return luff_load(((struct daemon *)arg)->client, fd, size, err);
}

static int daemon_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		       struct luff_error *err)
{
	daemon_of(m)->pushed = true;
	return luff_medium_push(daemon_of(m)->staging, d, src, err);
}

/* The daemon said that it took it: under that name it must have this image now. */
static int check_loaded(struct daemon *d, const struct luff_tagging *t, struct luff_error *err)
{
	struct luff_name name = {.digest = {""}};
	struct luff_answer_image image = {.names = {NULL, 0}};
	struct luff_document doc;
	int rc = luff_document_parse(&doc, t->bytes, (size_t)t->descriptor->size, NULL, err);

	if (rc < 0)
		return here(rc, err);
	luff_docker_name(name.tag, t->tag, err);
	rc = luff_images_find(&image, d->client, &name, NULL, err);
	if (rc == LUFF_ENOTFOUND)
		luff_images_missing(d->client, &name, err);
	/* of an index, what it made of it is its own choice */
	else if (rc == 0 && !doc.is_index && !luff_digest_equal(&image.id, &t->descriptor->digest) &&
		 !luff_digest_equal(&image.id, &doc.config.digest))
		rc = luff_fail(err, LUFF_EDIGEST, LUFF_DAEMON ": %s became another image, %s", name.tag,
			       image.id.text);
	luff_answer_image_release(&image);
	luff_document_release(&doc);
	return rc;
}

/* One more name for what the daemon has. */
static int tag_held(struct daemon *d, const struct luff_tagging *t, struct luff_error *err)
{
	for (struct held *h = first_held(d); h; h = h->next) {
		if (!h->part && is_root(d, h, &t->descriptor->digest))
			return *t->tag ? luff_images_tag(d->client, &h->id, t->tag, err) : 0;
	}
	return luff_fail(err, LUFF_ENOTSUP, LUFF_DAEMON ": takes whole images: copy one there");
}

/* Of what is tagged. */
static int check_name(const char *tag, struct luff_error *err)
{
	char name[LUFF_TAG_MAX + 1];
	int rc = 0;

	if (*tag == '@')
		rc = luff_fail(err, LUFF_ENAME, "an ID cannot be chosen: write docker-daemon:NAME");
	else if (*tag)
		rc = luff_docker_name(name, tag, err);
	return here(rc, err);
}

/* All of them are loaded at once. */
static int daemon_tag_all(struct luff_medium *m, const struct luff_tagging *list, size_t count,
			  struct luff_error *err)
{
	struct daemon *d = daemon_of(m);
	bool pushed = d->pushed;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = check_name(list[i].tag, err);
	for (size_t i = 0; rc == 0 && !pushed && i < count; i++)
		rc = tag_held(d, &list[i], err);
	if (rc < 0 || !pushed)
		return rc;
	rc = luff_medium_tag_all(d->staging, list, count, err);
	if (rc < 0)
		return rc;
	d->pushed = false;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = *list[i].tag ? check_loaded(d, &list[i], err) : 0;
	return rc;
}

static int daemon_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		      const char *tag, struct luff_error *err)
{
	struct luff_tagging one = {.descriptor = d, .bytes = bytes, .tag = tag};

	return daemon_tag_all(m, &one, 1, err);
}

/* The daemon may lack some of an index, and then gives out no archive from which its bytes could be read. */
static int daemon_alias(struct luff_descriptor *out, struct luff_medium *m, const struct luff_name *name,
			const char *tag, struct luff_error *err)
{
	struct luff_tagging one = {.descriptor = out, .tag = tag};
	int rc = check_name(tag, err);

	if (rc == 0)
		rc = daemon_resolve(out, NULL, m, name, err);
	return rc < 0 ? rc : tag_held(daemon_of(m), &one, err);
}

/* What was tagged is loaded; blobs alone a daemon does not take. */
static int daemon_flush(struct luff_medium *m, struct luff_error *err)
{
	return daemon_of(m)->pushed
		       ? luff_fail(err, LUFF_ENOTSUP, LUFF_DAEMON ": takes whole images: copy one there")
		       : 0;
}

static int daemon_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			 bool force, struct luff_error *err)
{
	return luff_images_remove(out, daemon_of(m)->client, name, force, err);
}

static int daemon_remove_blob(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err)
{
	(void)m;
	(void)digest;
	return luff_fail(err, LUFF_ENOTSUP, LUFF_DAEMON ": removes images, no blobs");
}

/* ---- the medium ---- */

static void daemon_destroy(struct luff_medium *m)
{
	struct daemon *d = daemon_of(m);

	while (d->held) {
		struct held *h = d->held;

		d->held = h->next;
		held_free(h);
	}
	luff_medium_unref(d->staging);
	luff_store_unref(d->staged);
	luff_client_unref(d->client);
	pthread_mutex_destroy(&d->lock);
	free(m->place);
	free(d);
}

static const struct luff_medium_ops daemon_ops = {
	.scheme = "docker-daemon",
	.complete = true, /* as far as a destination tells: see look_up() */
	.resolve = daemon_resolve,
	.fetch = daemon_fetch,
	.exists = daemon_exists,
	.pack = daemon_pack,
	.packed = daemon_packed,
	.push = daemon_push,
	.tag = daemon_tag,
	.tag_all = daemon_tag_all,
	.alias = daemon_alias,
	.flush = daemon_flush,
	.tags = daemon_tags,
	.remove = daemon_remove,
	.stat = daemon_stat,
	.remove_blob = daemon_remove_blob,
	.destroy = daemon_destroy,
};

static int set_up(struct daemon *d, struct luff_error *err)
{
	int rc;

	d->base.place = strdup(LUFF_DAEMON);
	if (!d->base.place)
		return luff_fail_nomem(err);
	rc = here(luff_client_new(&d->client, err), err);
	if (rc == 0)
		rc = luff_store_open_archive_stream(&d->staged, NULL, publish, d, &luff_archive_docker, err);
	if (rc == 0)
		rc = luff_layout_new(&d->staging, d->staged, LUFF_DAEMON, err);
	if (rc == 0)
		d->staging->naming = LUFF_NAMES_IMAGES;
	return rc;
}

int luff_daemon_open(struct luff_medium **out, const struct luff_name *name,
		     const struct luff_open_options *options, struct luff_error *err)
{
	struct daemon *d = calloc(1, sizeof *d);
	int rc;

	*out = NULL;
	if (!d)
		return luff_fail_nomem(err);
	d->base.ops = &daemon_ops;
	d->base.refs = 1;
	d->base.naming = LUFF_NAMES_IMAGES;
	d->base.unpacked = true;
	pthread_mutex_init(&d->lock, NULL);
	d->name = *name;
	d->writing = options->create;
	d->by_platform = options->platform != NULL;
	if (options->platform)
		d->platform = *options->platform;
	rc = set_up(d, err);
	if (rc < 0)
		luff_medium_unref(&d->base);
	else
		*out = &d->base;
	return rc;
}
