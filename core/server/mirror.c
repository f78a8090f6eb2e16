/* See mirror.h. */
#include "server/mirror.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "mediums/mediums.h"
#include "server/listed.h"
#include "server/names.h"
#include "server/room.h"
#include "store/backing.h"

#define FRESH_MS (60 * 1000) /* how long a tag is what it was */
#define PATIENCE_MS                                                                                          \
	(30 * 1000) /* how long an upstream that failed is left alone, where there is something to give */
#define TAGS_MAX 1024
#define LOCKS 16
#define FLIGHTS_MAX 64
#define BLOCK_SIZE (128 << 10)

/* A blob that is on its way from the upstream. */
struct flight {
	struct luff_mirror *mirror;
	struct flight *next; /* under the mirror's lock, as is `refs` */
	int refs;            /* of the thread that fetches, and of each who reads */
	struct luff_repository *repository;
	struct luff_medium *upstream;
	struct luff_descriptor d;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct luff_store_writer *writer;
	int64_t bytes;
	enum { FLIES, LANDED, LOST } state;
};

struct tag {
	char *key; /* "repository:tag" */
	int64_t until;
};

struct luff_mirror {
	struct luff_reference host; /* its registry */
	bool plain_http;
	struct luff_repositories *repositories;
	struct luff_scope *scope;
	struct luff_room *room; /* NULL: there is no end of it */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct flight *flights;
	size_t count;
	struct tag tags[TAGS_MAX];
	size_t next_tag;
	pthread_mutex_t asking[LOCKS]; /* one question about a manifest at a time, more or less */
};

/* ---- The upstream ---- */

static int parse_upstream(struct luff_mirror *mirror, const char *text, struct luff_error *err)
{
	LUFF_AUTO(text) name = NULL;
	struct luff_error malformed = {0};
	const char *host = text;
	size_t len;

	if (luff_text_starts(text, "https://"))
		host += 8;
	else if (luff_text_starts(text, "http://"))
		host += 7;
	mirror->plain_http = host - text == 7;
	len = strcspn(host, "/");
	if (len == 0 || host[len + strspn(host + len, "/")] ||
	    asprintf(&name, "%.*s/mirror", (int)len, host) < 0) {
		name = NULL;
		return luff_fail(err, LUFF_EINVAL,
				 "cannot be a mirror of \"%s\": write https://registry.example", text);
	}
	/* "localhost/x" would be a name at docker.io */
	if (luff_reference_parse(&mirror->host, name, &malformed) < 0 ||
	    (!strpbrk(name, ".:") && strncmp(name, "localhost/", 10) != 0))
		return luff_fail(err, LUFF_EINVAL,
				 "cannot be a mirror of \"%s\": write https://registry.example", text);
	return 0;
}

static int open_upstream(struct luff_medium **out, const struct luff_mirror *mirror, const char *repository,
			 struct luff_error *err)
{
	struct luff_reference ref;
	LUFF_AUTO(text) name = NULL;
	int rc;

	*out = NULL;
	if (asprintf(&name, "%s/%s", mirror->host.registry, repository) < 0) {
		name = NULL;
		return luff_fail_nomem(err);
	}
	rc = luff_reference_parse(&ref, name, err);
	return rc < 0 ? rc : luff_registry_open(out, &ref, mirror->plain_http, err);
}

/* Docker Hub says 401 of what is not there. */
static bool is_not_there(int rc)
{
	return rc == LUFF_ENOTFOUND || rc == LUFF_EAUTH || rc == LUFF_EDENIED;
}

static int unavailable(struct luff_call *r, const struct luff_error *why, struct luff_error *err)
{
	luff_scope_log("mirror: %s", why->msg);
	return luff_reply_refuse(r, err, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
				 "the upstream registry cannot be asked now (%s)",
				 luff_error_name(why->code));
}

/* ---- Manifests ---- */

/* Where the tag is in the table, or where it would go. The lock is held. */
static struct tag *find_tag(struct luff_mirror *mirror, const char *key)
{
	for (size_t i = 0; i < TAGS_MAX; i++) {
		if (mirror->tags[i].key && strcmp(mirror->tags[i].key, key) == 0)
			return &mirror->tags[i];
	}
	return NULL;
}

static bool is_fresh(struct luff_mirror *mirror, const char *key)
{
	const struct tag *tag;
	bool fresh;

	pthread_mutex_lock(&mirror->lock);
	tag = find_tag(mirror, key);
	fresh = tag && tag->until > luff_clock_ms();
	pthread_mutex_unlock(&mirror->lock);
	return fresh;
}

static void keep_fresh(struct luff_mirror *mirror, const char *key, int64_t ms)
{
	struct tag *tag;

	pthread_mutex_lock(&mirror->lock);
	tag = find_tag(mirror, key);
	if (!tag) {
		tag = &mirror->tags[mirror->next_tag++ % TAGS_MAX];
		free(tag->key);
		tag->key = strdup(key);
	}
	tag->until = luff_clock_ms() + ms;
	pthread_mutex_unlock(&mirror->lock);
}

static pthread_mutex_t *lock_for(struct luff_mirror *mirror, const char *key)
{
	unsigned hash = 5381;

	for (const char *p = key; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	return &mirror->asking[hash % LOCKS];
}

static bool have_manifest(struct luff_descriptor *out, const struct luff_call *r,
			  const struct luff_name *name)
{
	LUFF_AUTO(repository) repository = NULL;
	struct luff_error ignored = {0};

	return luff_repository_open(&repository, r->repositories, r->route.repository, false, &ignored) ==
		       0 &&
	       luff_medium_resolve(out, NULL, repository->medium, name, &ignored) == 0;
}

static int keep_manifest(const struct luff_call *r, struct luff_medium *upstream,
			 const struct luff_descriptor *d, struct luff_error *err)
{
	LUFF_AUTO(repository) repository = NULL;
	LUFF_AUTO(text) bytes = NULL;
	int rc = luff_medium_fetch_all(&bytes, upstream, d, LUFF_MANIFEST_MAX, err);

	if (rc == 0)
		rc = luff_repository_open(&repository, r->repositories, r->route.repository, true, err);
	if (rc == 0 && r->route.tag[0])
		rc = luff_medium_tag(repository->medium, d, bytes, r->route.tag, err);
	else if (rc == 0)
		rc = luff_medium_push_bytes(repository->medium, d, bytes, err);
	if (rc == 0)
		luff_repository_keep(repository);
	return rc;
}

/* The lock for the key is held. */
static int update_manifest(struct luff_call *r, struct luff_mirror *mirror, const char *key,
			   const struct luff_name *name, struct luff_error *err)
{
	LUFF_AUTO(medium) upstream = NULL;
	struct luff_descriptor have, d;
	struct luff_error why = {0};
	bool is_here = have_manifest(&have, r, name);
	int rc;

	if (is_here && (name->digest.text[0] || is_fresh(mirror, key)))
		return 0;
	rc = open_upstream(&upstream, mirror, r->route.repository, &why);
	if (rc == 0)
		rc = luff_medium_resolve(&d, NULL, upstream, name, &why);
	if (rc == 0 && (!is_here || !luff_digest_equal(&have.digest, &d.digest)))
		rc = keep_manifest(r, upstream, &d, &why);
	if (rc == 0) {
		keep_fresh(mirror, key, FRESH_MS);
		return 0;
	}
	if (is_not_there(rc))
		return luff_reply_refuse(r, err, MHD_HTTP_NOT_FOUND, "MANIFEST_UNKNOWN",
					 "the upstream registry has no such manifest");
	if (!is_here)
		return unavailable(r, &why, err);
	keep_fresh(mirror, key, PATIENCE_MS);
	return 0;
}

static int prepare_manifest(struct luff_call *r, struct luff_mirror *mirror, struct luff_error *err)
{
	struct luff_name name = {.digest = r->route.digest};
	char key[LUFF_NAME_MAX + LUFF_TAG_MAX + LUFF_DIGEST_MAX + 3];
	pthread_mutex_t *lock;
	int rc;

	luff_text_copy(name.tag, sizeof name.tag, r->route.tag);
	snprintf(key, sizeof key, "%s:%s%s", r->route.repository, name.tag, name.digest.text);
	lock = lock_for(mirror, key);
	pthread_mutex_lock(lock);
	rc = update_manifest(r, mirror, key, &name, err);
	pthread_mutex_unlock(lock);
	return rc;
}

/* ---- Blobs ---- */

static void leave_flight(struct flight *f)
{
	struct luff_mirror *mirror = f->mirror;
	struct flight **link = &mirror->flights;
	bool last;

	pthread_mutex_lock(&mirror->lock);
	last = --f->refs == 0;
	if (last) {
		while (*link && *link != f)
			link = &(*link)->next;
		if (*link)
			*link = f->next;
	}
	pthread_mutex_unlock(&mirror->lock);
	if (!last)
		return;
	luff_repository_unref(f->repository);
	luff_medium_unref(f->upstream);
	pthread_cond_destroy(&f->moved);
	pthread_mutex_destroy(&f->lock);
	free(f);
	pthread_mutex_lock(&mirror->lock);
	mirror->count--;
	pthread_cond_broadcast(&mirror->ended);
	pthread_mutex_unlock(&mirror->lock);
}

static void end_flight(struct flight *f, int rc, const struct luff_error *why)
{
	struct flight **link = &f->mirror->flights;

	if (rc < 0)
		luff_scope_log("mirror: %s: %s", f->d.digest.text, why->msg);
	pthread_mutex_lock(&f->mirror->lock);
	while (*link && *link != f)
		link = &(*link)->next;
	if (*link)
		*link = f->next; /* who comes now finds the blob, or tries anew */
	pthread_mutex_unlock(&f->mirror->lock);
	pthread_mutex_lock(&f->lock);
	f->state = rc < 0 ? LOST : LANDED;
	pthread_cond_broadcast(&f->moved);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		luff_room_take(f->mirror->room, f->d.size);
	leave_flight(f);
}

static int append(struct flight *f, const char *buf, size_t n, struct luff_error *err)
{
	int rc;

	pthread_mutex_lock(&f->lock);
	rc = luff_store_writer_append(f->writer, buf, n, err);
	f->bytes += rc == 0 ? (int64_t)n : 0;
	pthread_cond_broadcast(&f->moved);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int fetch(struct flight *f, struct luff_error *err)
{
	LUFF_AUTO(reader) reader = NULL;
	LUFF_AUTO(text) buf = malloc(BLOCK_SIZE);
	struct luff_store_writer *writer;
	size_t n = 1;
	int rc = buf ? luff_medium_fetch(&reader, f->upstream, &f->d, 0, err) : luff_fail_nomem(err);

	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, reader, buf, BLOCK_SIZE, err);
		if (rc == 0 && n > 0)
			rc = append(f, buf, n, err);
	}
	pthread_mutex_lock(&f->lock);
	writer = luff_take(f->writer);
	/* nobody reads what is being committed: the end is known in a moment */
	if (rc == 0)
		rc = luff_store_writer_commit(writer, &f->d.digest, err);
	else
		luff_store_writer_abort(writer);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		luff_repository_keep(f->repository);
	return rc;
}

static void *fly(void *arg)
{
	struct flight *f = arg;
	struct luff_scope *old = luff_scope_swap(f->mirror->scope);
	struct luff_error err = {0};
	int rc = fetch(f, &err);

	end_flight(f, rc, &err);
	luff_scope_swap(old);
	return NULL;
}

/* One that is under way, with a reference; NULL: none. The mirror's lock is held. */
static struct flight *find_flight(struct luff_mirror *mirror, const struct luff_call *r)
{
	struct flight *f = mirror->flights;

	while (f && (!luff_digest_equal(&f->d.digest, &r->route.digest) ||
		     strcmp(f->repository->name, r->route.repository) != 0))
		f = f->next;
	if (f)
		f->refs++;
	return f;
}

/* With the references of the thread to come and of the caller. */
static int new_flight(struct flight **out, struct luff_call *r, struct luff_mirror *mirror,
		      const struct luff_descriptor *d, struct luff_error *err)
{
	struct flight *f = calloc(1, sizeof *f);
	int rc;

	*out = NULL;
	if (!f)
		return luff_fail_nomem(err);
	f->mirror = mirror;
	f->refs = 2;
	f->d = *d;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->moved, NULL);
	pthread_mutex_lock(&mirror->lock);
	mirror->count++;
	pthread_mutex_unlock(&mirror->lock);
	rc = open_upstream(&f->upstream, mirror, r->route.repository, err);
	if (rc == 0)
		rc = luff_repository_open(&f->repository, r->repositories, r->route.repository, true, err);
	if (rc == 0)
		rc = luff_store_write(&f->writer, f->repository->store, false, LUFF_SHA256, err);
	if (rc < 0) {
		f->refs = 1;
		leave_flight(f);
		return rc;
	}
	*out = f;
	return 0;
}

static bool start_thread(struct flight *f)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, old;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	started = pthread_create(&thread, &attributes, fly, f) == 0;
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return started;
}

/* Joins the flight that there is, or starts one. */
static int board(struct flight **out, struct luff_call *r, struct luff_mirror *mirror,
		 const struct luff_descriptor *d, struct luff_error *err)
{
	struct flight *mine = NULL;
	int rc;

	pthread_mutex_lock(&mirror->lock);
	*out = find_flight(mirror, r);
	rc = !*out && mirror->count >= FLIGHTS_MAX
		     ? luff_fail(err, LUFF_ERATE, "too many blobs are on their way from upstream")
		     : 0;
	pthread_mutex_unlock(&mirror->lock);
	if (*out || rc < 0)
		return rc;
	rc = new_flight(&mine, r, mirror, d, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&mirror->lock);
	*out = find_flight(mirror, r); /* somebody may have been quicker */
	if (!*out) {
		mine->next = mirror->flights;
		mirror->flights = mine;
	}
	pthread_mutex_unlock(&mirror->lock);
	if (*out) {
		luff_store_writer_abort(luff_take(mine->writer));
		mine->refs = 1;
		leave_flight(mine);
		return 0;
	}
	*out = mine;
	if (!start_thread(mine)) {
		luff_fail(err, LUFF_ENOMEM, "cannot start a thread");
		luff_store_writer_abort(luff_take(mine->writer));
		end_flight(mine, LUFF_ENOMEM, err);
		leave_flight(luff_take(*out));
		return LUFF_ENOMEM;
	}
	return 0;
}

/* Until more than `bytes` are there, or the end. The flight's lock is held. */
static int wait_for_more(struct flight *f, int64_t bytes, struct luff_error *err)
{
	struct luff_scope *old = luff_scope_swap(f->mirror->scope);
	int rc = 0;

	while (rc == 0 && f->state == FLIES && (f->bytes <= bytes || !f->writer)) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 100000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&f->moved, &f->lock, &t);
		rc = luff_scope_check(err);
	}
	if (rc == 0 && f->state == LOST)
		rc = luff_fail(err, LUFF_ENET, "%s did not come from upstream", f->d.digest.text);
	luff_scope_swap(old);
	return rc;
}

/* Reads what is there of a blob, and waits for the rest. */
struct follower {
	struct luff_reader base;
	struct flight *flight;
	struct luff_reader *landed; /* the blob in the store, once it is there */
	int64_t offset;
};

static int read_flight(size_t *n_out, struct luff_reader *base, void *buf, size_t len, struct luff_error *err)
{
	struct follower *reader = (struct follower *)base;
	struct flight *f = reader->flight;
	int rc = 0;

	*n_out = 0;
	if (reader->landed)
		return luff_reader_read(n_out, reader->landed, buf, len, err);
	pthread_mutex_lock(&f->lock);
	/* the last byte goes out when all of them were checked: nobody takes for whole what is not what it should be */
	rc = wait_for_more(f, reader->offset + 1, err);
	if (rc == 0 && f->state == FLIES) {
		int64_t most = f->bytes - 1 - reader->offset;

		rc = f->writer->store->ops->read_back(
			n_out, f->writer, buf, most < (int64_t)len ? (size_t)most : len, reader->offset, err);
		reader->offset += (int64_t)*n_out;
	}
	pthread_mutex_unlock(&f->lock);
	if (rc < 0 || *n_out > 0)
		return rc;
	rc = luff_store_fetch(&reader->landed, f->repository->store, &f->d.digest, reader->offset, err);
	return rc < 0 ? rc : luff_reader_read(n_out, reader->landed, buf, len, err);
}

static void close_follower(struct luff_reader *base)
{
	struct follower *reader = (struct follower *)base;

	luff_reader_close(reader->landed);
	leave_flight(reader->flight);
	free(reader);
}

/* Takes the reference over. */
static int reply_flight(struct luff_call *r, struct flight *f, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = read_flight, .close = close_follower};
	struct follower *reader = calloc(1, sizeof *reader);
	int rc;

	if (!reader) {
		leave_flight(f);
		return luff_fail_nomem(err);
	}
	*reader = (struct follower){.base.ops = &ops, .flight = f};
	rc = luff_reply_reader(r, MHD_HTTP_OK, &reader->base, f->d.size, err);
	luff_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	luff_reply_header(r, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	luff_reply_header(r, "Docker-Content-Digest", "%s", r->route.digest.text);
	return rc;
}

/* Whether the blob is here, which counts as a use of it. */
static bool have_blob(struct luff_call *r)
{
	LUFF_AUTO(repository) repository = NULL;
	struct luff_error ignored = {0};
	LUFF_AUTO(fd) fd = -1;
	int64_t size;

	if (luff_repository_open(&repository, r->repositories, r->route.repository, false, &ignored) < 0)
		return false;
	if (luff_store_open_file(&fd, repository->store, &r->route.digest, &ignored) == 0) {
		(void)futimens(fd, NULL);
		return true;
	}
	return luff_store_stat(&size, repository->store, &r->route.digest, &ignored) == 0;
}

static int find_blob(struct luff_descriptor *out, struct luff_call *r, struct luff_mirror *mirror,
		     struct luff_error *err)
{
	LUFF_AUTO(medium) upstream = NULL;
	int rc = open_upstream(&upstream, mirror, r->route.repository, err);

	*out = (struct luff_descriptor){.digest = r->route.digest};
	return rc < 0 ? rc : luff_medium_stat(&out->size, upstream, &r->route.digest, err);
}

static int prepare_blob(struct luff_call *r, struct luff_mirror *mirror, struct luff_error *err)
{
	struct luff_descriptor d;
	struct luff_error why = {0};
	struct flight *f;
	int rc;

	if (have_blob(r))
		return 0;
	rc = find_blob(&d, r, mirror, &why);
	if (is_not_there(rc))
		return luff_reply_refuse(r, err, MHD_HTTP_NOT_FOUND, "BLOB_UNKNOWN",
					 "the upstream registry has no such blob");
	if (rc < 0)
		return unavailable(r, &why, err);
	if (strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0) {
		rc = luff_reply_size(r, MHD_HTTP_OK, d.size, err);
		luff_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
		luff_reply_header(r, "Docker-Content-Digest", "%s", r->route.digest.text);
		return rc;
	}
	rc = board(&f, r, mirror, &d, err);
	if (rc < 0)
		return rc;
	if (!luff_call_header(r, MHD_HTTP_HEADER_RANGE))
		return reply_flight(r, f, err);
	/* a part: when all of it is here */
	pthread_mutex_lock(&f->lock);
	rc = wait_for_more(f, INT64_MAX, &why);
	pthread_mutex_unlock(&f->lock);
	leave_flight(f);
	return rc < 0 ? unavailable(r, &why, err) : 0;
}

static int prepare_list(struct luff_call *r, const struct luff_mirror *mirror, struct luff_error *err)
{
	LUFF_AUTO(medium) upstream = NULL;
	int rc = open_upstream(&upstream, mirror, r->route.repository, err);

	return rc < 0 ? rc : luff_listed_fetch(r, upstream, err);
}

int luff_mirror_prepare(struct luff_call *r, struct luff_mirror *mirror, struct luff_error *err)
{
	if (r->route.kind == LUFF_ROUTE_TAGS || r->route.kind == LUFF_ROUTE_REFERRERS)
		return prepare_list(r, mirror, err);
	if (r->route.kind == LUFF_ROUTE_MANIFEST)
		return prepare_manifest(r, mirror, err);
	return r->route.kind == LUFF_ROUTE_BLOB ? prepare_blob(r, mirror, err) : 0;
}

/* ---- The mirror ---- */

int luff_mirror_new(struct luff_mirror **out, const struct luff_server_options *options,
		    struct luff_repositories *repositories, struct luff_scope *scope, struct luff_error *err)
{
	struct luff_mirror *mirror;
	int rc;

	*out = NULL;
	if (!options->proxy)
		return 0;
	mirror = calloc(1, sizeof *mirror);
	if (!mirror)
		return luff_fail_nomem(err);
	mirror->repositories = repositories;
	mirror->scope = scope;
	pthread_mutex_init(&mirror->lock, NULL);
	pthread_cond_init(&mirror->ended, NULL);
	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_init(&mirror->asking[i], NULL);
	rc = parse_upstream(mirror, options->proxy, err);
	if (rc == 0 && options->proxy_max > 0)
		rc = luff_room_open(&mirror->room, repositories, options->root, options->proxy_max, err);
	if (rc < 0) {
		luff_mirror_free(mirror);
		return rc;
	}
	*out = mirror;
	return 0;
}

void luff_mirror_free(struct luff_mirror *mirror)
{
	if (!mirror)
		return;
	pthread_mutex_lock(&mirror->lock);
	while (mirror->count > 0)
		pthread_cond_wait(&mirror->ended, &mirror->lock);
	pthread_mutex_unlock(&mirror->lock);
	for (size_t i = 0; i < TAGS_MAX; i++)
		free(mirror->tags[i].key);
	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&mirror->asking[i]);
	pthread_cond_destroy(&mirror->ended);
	pthread_mutex_destroy(&mirror->lock);
	luff_room_close(mirror->room);
	free(mirror);
}
