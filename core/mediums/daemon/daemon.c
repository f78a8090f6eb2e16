/*
 * A daemon's images (Docker Engine API: Docker with either of its image stores, Podman). "docker-daemon:app:v1"
 *
 * The API gives out images as a whole, and neither manifests nor configs by themselves: what it tells of an image ("inspect")
 * is made from the config and not its bytes. So names are answered by the API; the content of an image comes with the archive
 * of `docker save`, in one pass, when it is first asked for. With containerd's image store the API also tells the digest that
 * a name stands for, and that needs no archive. Where there are no manifests (Docker's older store, Podman), those that stand in
 * the archive, or that luff makes for it, are the same each time.
 *
 * What is written is gathered in an archive as well, and loaded when it is complete and checked.
 */
#include "mediums/daemon/save.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "http/url.h"
#include "mediums/daemon/answer.h"
#include "mediums/daemon/load.h"
#include "mediums/mediums.h"
#include "model/descriptor.h"
#include "store/archive.h"
#include "store/docker.h"

#define IMAGE_MAX (8 << 20) /* bytes of what is told of one image: its config, above all */
#define LIST_MAX (64 << 20) /* and of all of them */
#define ASK_MS (5 * 60 * 1000)

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
	struct luff_platform platform;
	pthread_mutex_t lock; /* of the list, which only grows at its front */
	struct held *held;
	struct luff_store *staged; /* what is written */
	struct luff_medium *staging;
	bool tagged; /* what is staged is loaded */
};

static struct daemon *daemon_of(struct luff_medium *m)
{
	return (struct daemon *)m;
}

static int here(const struct luff_medium *m, int rc, struct luff_error *err)
{
	return rc < 0 ? luff_fail_context(err, "%s", m->place) : 0;
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
	struct luff_reader *archive = NULL;
	struct held *h;
	int rc;

	*out = NULL;
	for (h = first_held(d); h; h = h->next) {
		if (luff_digest_equal(&h->id, id) && h->part == (platform != NULL)) {
			*out = h;
			return 0;
		}
	}
	h = calloc(1, sizeof *h);
	if (!h)
		return luff_fail_nomem(err);
	h->id = *id;
	h->part = platform != NULL;
	rc = luff_save_open(&archive, d->client, id, platform, err);
	if (rc == 0)
		rc = luff_store_open_archive_stream(&h->store, archive, NULL, NULL, &luff_archive_docker,
						    err);
	if (rc == 0)
		rc = luff_layout_new(&h->layout, h->store, d->base.place, err);
	if (rc < 0) {
		held_free(h);
		return rc;
	}
	pthread_mutex_lock(&d->lock);
	h->next = d->held;
	d->held = h;
	pthread_mutex_unlock(&d->lock);
	*out = h;
	return 0;
}

/* ---- what the daemon tells ---- */

/* "docker.io/library/busybox:latest", which no daemon takes for another one; or an ID. */
static int whole_name(char *buf, size_t size, const char *tag, struct luff_error *err)
{
	struct luff_reference ref;
	int rc;

	if (*tag == '@') {
		luff_text_copy(buf, size, tag + 1);
		return 0;
	}
	rc = luff_reference_parse(&ref, tag, err);
	if (rc == 0)
		luff_reference_format(buf, size, &ref);
	return rc;
}

static int inspect(struct luff_answer_image *out, struct daemon *d, const char *name, bool platforms,
		   struct luff_error *err)
{
	struct luff_client_request request = {.method = "GET", .limit_ms = ASK_MS};
	LUFF_AUTO(buffer) path = {.cap = LUFF_URL_MAX};
	LUFF_AUTO(text) text = NULL;
	size_t len;
	int rc = luff_buffer_printf(&path, err, "/images/");

	if (rc == 0)
		rc = luff_url_encode(&path, name, err);
	if (rc == 0)
		rc = luff_buffer_printf(&path, err, "/json%s", platforms ? "?manifests=1" : "");
	request.path = path.data;
	if (rc == 0)
		rc = luff_client_read(&text, &len, d->client, &request, IMAGE_MAX, err);
	if (rc == 0) {
		rc = luff_answer_image(out, text, len, platforms ? &d->platform : NULL, err);
		if (rc < 0)
			luff_client_context(d->client, err);
	}
	return rc;
}

static int list(struct luff_answer_names *out, struct daemon *d, struct luff_error *err)
{
	static const struct luff_client_request request = {
		.method = "GET", .path = "/images/json", .limit_ms = ASK_MS};
	LUFF_AUTO(text) text = NULL;
	size_t len;
	int rc = luff_client_read(&text, &len, d->client, &request, LIST_MAX, err);

	if (rc == 0) {
		rc = luff_answer_list(out, text, len, err);
		if (rc < 0)
			luff_client_context(d->client, err);
	}
	return rc;
}

/* "no image app:v3 (have: app:v1, app:v2)". @param names  NULL: nobody knows */
static int no_such_image(const struct daemon *d, const struct luff_name *name,
			 const struct luff_answer_names *names, struct luff_error *err)
{
	LUFF_AUTO(buffer) have = {.cap = 200};
	struct luff_error full = {0};
	const char *tag = name->tag[0] == '@' ? name->tag + 1 : name->tag;

	for (size_t i = 0; names && i < names->count && !full.code; i++)
		luff_buffer_printf(&have, &full, "%s%s", have.len ? ", " : "", names->names[i]);
	luff_fail(err, LUFF_ENOTFOUND, "%s: %s%s%s%s", d->base.place,
		  *tag || name->digest.text[0] ? "no image " : "choose one image by its name", tag,
		  *tag && name->digest.text[0] ? "@" : "", name->digest.text);
	if (names) {
		size_t n = strlen(err->msg);

		snprintf(err->msg + n, sizeof err->msg - n, " (have: %s%s)", have.len ? have.data : "none",
			 full.code ? ", …" : "");
	}
	return err->code;
}

/* The daemon's own word for what is not there says less. */
static int explain_missing(struct daemon *d, const struct luff_name *name, struct luff_error *err)
{
	struct luff_answer_names names = {NULL, 0};
	struct luff_error ignored = {0};
	bool known = list(&names, d, &ignored) == 0;

	no_such_image(d, name, known ? &names : NULL, err);
	err->http_status = 404;
	luff_answer_names_release(&names);
	return err->code;
}

/* No name at all is the only one there is. */
static int find_only(struct luff_name *out, struct daemon *d, struct luff_error *err)
{
	struct luff_answer_names names;
	struct luff_name none = {.digest = {""}};
	int rc = list(&names, d, err);

	*out = none;
	if (rc < 0)
		return rc;
	if (names.count == 1)
		luff_text_copy(out->tag, sizeof out->tag, names.names[0]);
	else
		rc = no_such_image(d, &none, &names, err);
	luff_answer_names_release(&names);
	return rc;
}

/* By name, by ID, by the digest that containerd's store or a registry has for it; the digest decides. */
static int find(struct luff_answer_image *out, struct daemon *d, const struct luff_name *name, bool platforms,
		struct luff_error *err)
{
	struct luff_error unknown = {0}, missing = {0};
	char whole[1200], by_digest[1400];
	int rc = 0;

	if (name->tag[0])
		rc = whole_name(whole, sizeof whole, name->tag, err);
	if (rc < 0)
		return here(&d->base, rc, err);
	if (name->tag[0] && name->tag[0] != '@' && name->digest.text[0]) {
		snprintf(by_digest, sizeof by_digest, "%.*s@%s", (int)(strrchr(whole, ':') - whole), whole,
			 name->digest.text);
		rc = inspect(out, d, by_digest, platforms, &unknown);
		if (rc != LUFF_ENOTFOUND && rc != LUFF_EHTTP) {
			*err = rc < 0 ? unknown : *err;
			return rc;
		}
	}
	rc = inspect(out, d, name->tag[0] ? whole : name->digest.text, platforms, &missing);
	if (rc == 0)
		return 0;
	*err = missing;
	return rc == LUFF_ENOTFOUND ? explain_missing(d, name, err) : rc;
}

/* ---- reading ---- */

/* What was asked for before may hold what a digest names: the manifests below an index, above all. */
static int resolve_held(bool *found, struct luff_descriptor *out, struct daemon *d,
			const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_name name = {.digest = *digest};
	struct luff_error missing = {0};
	int rc = LUFF_ENOTFOUND;

	for (struct held *h = first_held(d); h && rc == LUFF_ENOTFOUND; h = h->next) {
		if (luff_digest_equal(&h->root.digest, digest)) {
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
	const struct luff_descriptor *told =
		image->chosen.digest.text[0] ? &image->chosen : &image->descriptor;
	struct luff_name only = {.digest = name->digest};
	struct held *h;
	int rc;

	/* containerd's store keeps layers as they came */
	if (image->descriptor.digest.text[0])
		d->base.unpacked = false;
	rc = hold(&h, d, &image->id, told == &image->chosen ? &told->platform : NULL, err);

	if (rc < 0)
		return rc;
	if (told->digest.text[0] && (!only.digest.text[0] || luff_digest_equal(&only.digest, &told->digest)))
		*out = *told;
	else
		rc = luff_medium_resolve(out, NULL, h->layout, &only, err);
	if (rc == LUFF_ENOTFOUND && only.digest.text[0])
		return luff_fail(err, rc, "%s: %s is not, or no more, %s", d->base.place,
				 *name->tag == '@' ? name->tag + 1 : name->tag, only.digest.text);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&d->lock);
	h->root = *out;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int look_up(struct luff_descriptor *out, struct daemon *d, const struct luff_name *name,
		   struct luff_error *err)
{
	struct luff_answer_image image;
	bool platforms = false;
	int version, rc = 0;

	if (d->by_platform && !d->writing && !name->digest.text[0]) {
		rc = luff_client_version(&version, d->client, err);
		platforms = rc == 0 && version >= LUFF_CLIENT_PLATFORMS;
	}
	if (rc == 0)
		rc = find(&image, d, name, platforms, err);
	if (rc < 0)
		return rc;
	if (!d->writing)
		rc = settle(out, d, &image, name, err);
	else if (luff_media_is_image(image.descriptor.media_type))
		*out = image.descriptor;
	else
		/* what would have to be read to know: it is written over anyway; of an index much may be missing */
		rc = luff_fail(err, LUFF_ENOTFOUND, "%s: tells no digest of %s", d->base.place, name->tag);
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

	(void)document;
	if (name->digest.text[0])
		rc = resolve_held(&found, out, d, &name->digest, err);
	else if (!name->tag[0]) {
		rc = find_only(&only, d, err);
		name = &only;
	}
	return rc < 0 || found ? rc : look_up(out, d, name, err);
}

/* For who asks by a digest alone: what the place was opened with is where it may be. */
static int begin(struct daemon *d, struct luff_error *err)
{
	struct luff_name name = d->name;
	struct luff_descriptor ignored;

	name.digest.text[0] = '\0';
	return d->held || d->staged ? 0 : daemon_resolve(&ignored, NULL, &d->base, &name, err);
}

/* The store that has a blob: what was written, or came with one of the archives. */
static int find_store(struct luff_store **out, int64_t *size_out, struct daemon *d,
		      const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_error missing = {0};
	int rc = LUFF_ENOTFOUND;

	*out = d->staged;
	if (d->staged)
		rc = luff_store_stat(size_out, d->staged, digest, &missing);
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
	if (rc == LUFF_ENOTFOUND)
		return luff_fail(err, rc, "no blob %s", digest->text);
	if (rc < 0)
		*err = missing;
	return rc;
}

static int daemon_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			int64_t offset, struct luff_error *err)
{
	struct luff_store *store;
	int64_t size;
	int rc = find_store(&store, &size, daemon_of(m), &d->digest, err);

	if (rc == 0)
		rc = luff_store_fetch(out, store, &d->digest, offset, err);
	return here(m, rc, err);
}

static int daemon_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		       struct luff_error *err)
{
	struct luff_store *store;
	int rc = begin(daemon_of(m), err);

	return rc < 0 ? rc : here(m, find_store(&store, size_out, daemon_of(m), digest, err), err);
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
	return here(m, rc, err);
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
	rc = list(&c->names, daemon_of(m), err);
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

static int stage(struct daemon *d, struct luff_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	if (!d->staged)
		rc = luff_store_open_archive_stream(&d->staged, NULL, publish, d, &luff_archive_docker, err);
	if (rc == 0 && !d->staging)
		rc = luff_layout_new(&d->staging, d->staged, d->base.place, err);
	if (rc == 0)
		d->staging->naming = LUFF_NAMES_IMAGES;
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static int daemon_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		       struct luff_error *err)
{
	int rc = stage(daemon_of(m), err);

	return rc < 0 ? rc : luff_medium_push(daemon_of(m)->staging, d, src, err);
}

/* The daemon said that it took it: under that name it must have this image now. */
static int check_loaded(struct daemon *d, const struct luff_descriptor *root, const void *bytes,
			const char *tag, struct luff_error *err)
{
	struct luff_name name = {.digest = {""}};
	struct luff_answer_image image;
	struct luff_document doc;
	int rc;

	luff_text_copy(name.tag, sizeof name.tag, tag);
	rc = luff_document_parse(&doc, bytes, (size_t)root->size, NULL, err);
	if (rc < 0)
		return here(&d->base, rc, err);
	rc = find(&image, d, &name, false, err);
	if (rc == 0 && !doc.is_index && !luff_digest_equal(&image.id, &root->digest) &&
	    !luff_digest_equal(&image.id, &doc.config.digest))
		rc = luff_fail(err, LUFF_EDIGEST, "%s: %s became another image, %s", d->base.place, tag,
			       image.id.text);
	if (rc == 0)
		luff_answer_image_release(&image);
	luff_document_release(&doc);
	return rc;
}

/* One more name for what the daemon has. */
static int add_name(struct daemon *d, const struct luff_digest *id, const char *tag, struct luff_error *err)
{
	struct luff_client_request request = {.method = "POST", .limit_ms = ASK_MS};
	LUFF_AUTO(buffer) path = {.cap = LUFF_URL_MAX};
	LUFF_AUTO(text) answer = NULL;
	struct luff_reference ref;
	size_t len;
	int rc = luff_reference_parse(&ref, tag, err);

	if (rc < 0)
		return here(&d->base, rc, err);
	rc = luff_buffer_printf(&path, err, "/images/%s/tag?repo=%s/%s&tag=%s", id->text, ref.registry,
				ref.repository, ref.tag);
	request.path = path.data;
	return rc < 0 ? rc : luff_client_read(&answer, &len, d->client, &request, IMAGE_MAX, err);
}

static int daemon_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		      const char *tag, struct luff_error *err)
{
	struct daemon *daemon = daemon_of(m);
	char name[LUFF_TAG_MAX + 1] = "";
	int rc = 0;

	if (*tag == '@')
		rc = luff_fail(err, LUFF_ENAME, "an ID cannot be chosen: write docker-daemon:NAME");
	else if (*tag)
		rc = luff_docker_name(name, tag, err);
	if (rc < 0)
		return here(m, rc, err);
	for (struct held *h = first_held(daemon); h; h = h->next) {
		if (!h->part && luff_digest_equal(&h->root.digest, &d->digest))
			return *name ? add_name(daemon, &h->id, name, err) : 0;
	}
	rc = stage(daemon, err);
	if (rc == 0)
		rc = luff_medium_tag(daemon->staging, d, bytes, name, err);
	daemon->tagged = rc == 0;
	return rc < 0 || !*name ? rc : check_loaded(daemon, d, bytes, name, err);
}

/* What was tagged is loaded; blobs alone a daemon does not take. */
static int daemon_flush(struct luff_medium *m, struct luff_error *err)
{
	const struct daemon *d = daemon_of(m);

	return d->staged && !d->tagged
		       ? luff_fail(err, LUFF_ENOTSUP, "%s: takes whole images: copy one there", m->place)
		       : 0;
}

/* ---- removing ---- */

static int remove_one(struct luff_digest *out, struct daemon *d, const char *name, struct luff_error *err)
{
	struct luff_client_request request = {.method = "DELETE", .limit_ms = ASK_MS};
	LUFF_AUTO(buffer) path = {.cap = LUFF_URL_MAX};
	LUFF_AUTO(text) answer = NULL;
	size_t len;
	int rc = luff_buffer_printf(&path, err, "/images/");

	if (rc == 0)
		rc = luff_url_encode(&path, name, err);
	request.path = path.data;
	if (rc == 0)
		rc = luff_client_read(&answer, &len, d->client, &request, LIST_MAX, err);
	if (rc == 0) {
		rc = luff_answer_removed(out, answer, len, err);
		if (rc < 0)
			luff_client_context(d->client, err);
	}
	return rc;
}

/* An image goes with its last name. So `force` never reaches the daemon, which would take containers for one more obstacle. */
static int remove_image(struct luff_digest *out, struct daemon *d, const struct luff_name *name,
			const struct luff_answer_image *image, bool force, struct luff_error *err)
{
	const struct luff_answer_names *names = &image->names;
	bool by_name = name->tag[0] && name->tag[0] != '@' && !name->digest.text[0];
	char whole[1200];
	int rc = 0;

	if (by_name && names->count < 2 && !force)
		return luff_fail(err, LUFF_ENOTSUP,
				 "%s: %s is the image's only name, with which it goes; force deletes %s",
				 d->base.place, name->tag, image->id.text);
	if (!by_name && names->count > 1 && !force)
		return luff_fail(err, LUFF_ENOTSUP,
				 "%s: %s has %zu names, %s and others; force deletes all of them",
				 d->base.place, image->id.text, names->count, names->names[0]);
	if (by_name) {
		rc = whole_name(whole, sizeof whole, name->tag, err);
		return rc < 0 ? rc : remove_one(out, d, whole, err);
	}
	for (size_t i = 0; rc == 0 && i + 1 < names->count; i++) {
		rc = whole_name(whole, sizeof whole, names->names[i], err);
		if (rc == 0)
			rc = remove_one(out, d, whole, err);
	}
	return rc < 0 ? rc : remove_one(out, d, image->id.text, err);
}

static int daemon_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			 bool force, struct luff_error *err)
{
	struct luff_answer_image image;
	int rc = find(&image, daemon_of(m), name, false, err);

	if (rc < 0)
		return rc;
	rc = remove_image(out, daemon_of(m), name, &image, force, err);
	luff_answer_image_release(&image);
	return rc;
}

static int daemon_remove_blob(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err)
{
	(void)digest;
	return luff_fail(err, LUFF_ENOTSUP, "%s: removes images, no blobs", m->place);
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
	.push = daemon_push,
	.tag = daemon_tag,
	.flush = daemon_flush,
	.tags = daemon_tags,
	.remove = daemon_remove,
	.stat = daemon_stat,
	.remove_blob = daemon_remove_blob,
	.destroy = daemon_destroy,
};

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
	d->base.place = strdup("docker-daemon");
	rc = d->base.place ? luff_client_new(&d->client, err) : luff_fail_nomem(err);
	if (rc < 0) {
		if (d->base.place)
			luff_fail_context(err, "%s", d->base.place);
		luff_medium_unref(&d->base);
		return rc;
	}
	*out = &d->base;
	return 0;
}
