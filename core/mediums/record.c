/* The record of a dry run: what gate.c would have written. All of it belongs to the plan, and stays while somebody has that. */
#include "mediums/record.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "mediums/gate.h"
#include "model/referrer.h"
#include "stream/streams.h"

#define STEPS_MAX 1000000
#define MEMORY_MAX ((int64_t)1 << 30) /* bytes of a plan without a folder */
#define KEPT_MAX ((int64_t)64 << 30)  /* and of one with a folder */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct luff_record *current; /* under the lock; NULL: none is made */

static void content_free(void *p)
{
	luff_medium_unref(((struct luff_record_content *)p)->from);
	free(p);
}

static void site_free(struct luff_record_site *s)
{
	while (s->names) {
		struct luff_record_name *next = s->names->next;

		free(s->names);
		s->names = next;
	}
	tdestroy(s->contents, content_free);
	free(s->place);
	free(s->key);
	free(s);
}

void luff_record_unref(struct luff_record *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	while (p->sites) {
		struct luff_record_site *next = p->sites->next;

		site_free(p->sites);
		p->sites = next;
	}
	luff_planned_free(p->steps, p->count);
	luff_store_unref(p->store);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct luff_record *record_ref(struct luff_record *p)
{
	if (p)
		atomic_fetch_add(&p->refs, 1);
	return p;
}

/* ---- steps ---- */

void luff_planned_free(struct luff_planned *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].place);
		free(list[i].from);
	}
	free(list);
}

/* "oci:./mirror" and "oci:mirror" are one place, and so is what links lead to. malloc'd; NULL: out of memory. */
static char *key_of(const char *place)
{
	static const char *const schemes[] = {"oci:", "oci-archive:", "docker-archive:", "dir:", NULL};
	LUFF_AUTO(text) parent = NULL;
	LUFF_AUTO(text) real = NULL;
	const char *path = NULL, *slash, *name = "";
	char *key;

	for (int i = 0; !path && schemes[i]; i++)
		path = luff_text_starts(place, schemes[i]) ? place + strlen(schemes[i]) : NULL;
	real = path ? realpath(path, NULL) : NULL;
	if (path && !real) { /* it is not there yet; its folder is */
		slash = strrchr(path, '/');
		name = slash ? slash + 1 : path;
		parent = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
		real = parent ? realpath(parent, NULL) : NULL;
	}
	if (!real)
		return strdup(place);
	return asprintf(&key, "%.*s%s/%s", (int)(path - place), place, real, name) < 0 ? NULL : key;
}

static const struct luff_record_site *find_key(const struct luff_record *p, const char *key)
{
	const struct luff_record_site *s = p->sites;

	while (s && key && strcmp(s->key, key) != 0)
		s = s->next;
	return key ? s : NULL;
}

static const struct luff_record_site *find_site(const struct luff_record *p, const char *place)
{
	LUFF_AUTO(text) key = key_of(place);

	return find_key(p, key);
}

/* Under the plan's lock. `from`: NULL, or where the bytes are. */
int luff_record_add_step(struct luff_record_site *s, const struct luff_planned *step, const char *from,
			 struct luff_error *err)
{
	struct luff_record *p = s->plan;
	const struct luff_record_site *other = from ? find_site(p, from) : NULL;
	struct luff_planned *new;

	if (p->count == STEPS_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a plan of more than %d steps", STEPS_MAX);
	if (p->count == p->size) {
		size_t size = p->size ? 2 * p->size : 64;

		new = realloc(p->steps, size * sizeof *new);
		if (!new)
			return luff_fail_nomem(err);
		p->steps = new;
		p->size = size;
	}
	new = &p->steps[p->count];
	*new = *step;
	new->plain_http = s->plain_http;
	new->from_plain_http = other && other->plain_http;
	new->from = from ? strdup(from) : NULL;
	new->place = strdup(s->place);
	if (!new->place || (from && !new->from)) {
		free(new->place);
		free(new->from);
		return luff_fail_nomem(err);
	}
	p->count++;
	return 0;
}

/* ---- what would be there ---- */

static int compare_contents(const void *a, const void *b)
{
	return strcmp(((const struct luff_record_content *)a)->d.digest.text,
		      ((const struct luff_record_content *)b)->d.digest.text);
}

struct luff_record_content *luff_record_find_content(struct luff_record_site *s,
						     const struct luff_digest *digest)
{
	struct luff_record_content key = {.d.digest = *digest};
	struct luff_record_content **at = tfind(&key, &s->contents, compare_contents);

	return at ? *at : NULL;
}

/* Takes `from` over. */
int luff_record_put_content(struct luff_record_site *s, const struct luff_descriptor *d,
			    struct luff_medium *from, bool gone, struct luff_error *err)
{
	struct luff_record_content *c = luff_record_find_content(s, &d->digest);

	if (!c) {
		c = calloc(1, sizeof *c);
		if (c)
			c->d = *d;
		if (!c || !tsearch(c, &s->contents, compare_contents)) {
			free(c);
			luff_medium_unref(from);
			return luff_fail_nomem(err);
		}
	}
	s->gone += (size_t)gone - (size_t)c->gone;
	/* who had it may be in use: it stays */
	if (c->from)
		luff_medium_unref(from);
	else
		c->from = from;
	c->d = *d;
	c->gone = gone;
	return 0;
}

static struct luff_record_name *find_name(struct luff_record_site *s, const char *tag)
{
	struct luff_record_name *n = s->names;

	while (n && strcmp(n->tag, tag) != 0)
		n = n->next;
	return n;
}

/* d NULL: it is gone */
int luff_record_put_name(struct luff_record_site *s, const char *tag, const struct luff_descriptor *d,
			 struct luff_error *err)
{
	struct luff_record_name *n = find_name(s, tag);

	if (!n) {
		n = calloc(1, sizeof *n);
		if (!n)
			return luff_fail_nomem(err);
		luff_text_copy(n->tag, sizeof n->tag, tag);
		n->next = s->names;
		s->names = n;
	}
	n->d = d ? *d : (struct luff_descriptor){.size = 0};
	return 0;
}

/* Whether the plan says what is there of a digest, in *out. */
bool luff_record_knows(struct luff_record_content *out, struct luff_record_site *s,
		       const struct luff_digest *digest)
{
	const struct luff_record_content *c;

	pthread_mutex_lock(&s->plan->lock);
	c = luff_record_find_content(s, digest);
	if (c) {
		*out = *c;
		if (out->from)
			luff_medium_ref(out->from);
	}
	pthread_mutex_unlock(&s->plan->lock);
	return c != NULL;
}

bool luff_record_knows_name(struct luff_descriptor *out, struct luff_record_site *s, const char *tag)
{
	const struct luff_record_name *n;

	pthread_mutex_lock(&s->plan->lock);
	n = find_name(s, tag);
	if (n)
		*out = n->d;
	pthread_mutex_unlock(&s->plan->lock);
	return n != NULL;
}

/* Keeps bytes that come verified. */
int luff_record_keep(struct luff_record_site *s, const struct luff_descriptor *d, struct luff_reader *src,
		     struct luff_error *err)
{
	static const size_t chunk = (size_t)256 << 10;
	LUFF_AUTO(text) buf = malloc(chunk);
	struct luff_store_writer *w = NULL;
	struct luff_record *p = s->plan;
	bool too_much;
	size_t n = 1;
	int rc;

	if (!buf)
		return luff_fail_nomem(err);
	pthread_mutex_lock(&p->lock);
	too_much = d->size > KEPT_MAX - p->kept;
	p->kept += too_much ? 0 : d->size;
	pthread_mutex_unlock(&p->lock);
	if (too_much)
		return luff_fail(err, LUFF_ELIMIT, "a plan that holds more than %lld bytes",
				 (long long)KEPT_MAX);
	rc = luff_store_write(&w, p->store, false, luff_digest_algorithm(&d->digest), err);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, src, buf, chunk, err);
		if (rc == 0 && n > 0)
			rc = luff_store_writer_append(w, buf, n, err);
	}
	if (rc == 0)
		rc = luff_store_writer_commit(luff_take(w), &d->digest, err);
	luff_store_writer_abort(w);
	if (rc == LUFF_ELIMIT && !p->on_disk)
		luff_fail_context(err, "a plan without a folder");
	return rc;
}

int luff_record_keep_bytes(struct luff_record_site *s, const struct luff_descriptor *d, const void *bytes,
			   struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	int rc = luff_reader_open_bytes(&r, bytes, (size_t)d->size, err);

	return rc < 0 ? rc : luff_record_keep(s, d, r, err);
}

/* A manifest's bytes are in the plan: it is there, and known by its subject. Under the lock. */
int luff_record_put_manifest(struct luff_record_site *s, const struct luff_descriptor *d, const char *bytes,
			     struct luff_error *err)
{
	int rc = luff_record_put_content(s, d, NULL, false, err);
	struct luff_record_content *c;

	if (rc < 0)
		return rc;
	c = luff_record_find_content(s, &d->digest);
	if (!luff_referrer_find_subject(&c->subject, bytes, (size_t)d->size))
		c->subject.text[0] = '\0';
	return 0;
}

/* ---- places ---- */

bool luff_gate_knows(const char *place)
{
	const struct luff_record_site *s = NULL;

	pthread_mutex_lock(&lock);
	if (current) {
		pthread_mutex_lock(&current->lock);
		s = find_site(current, place);
		pthread_mutex_unlock(&current->lock);
	}
	pthread_mutex_unlock(&lock);
	return s != NULL;
}

struct luff_record_site *luff_record_site(struct luff_record *p, const char *place, bool plain_http)
{
	LUFF_AUTO(text) key = key_of(place);
	struct luff_record_site *s;

	if (!key)
		return NULL;
	pthread_mutex_lock(&p->lock);
	s = (struct luff_record_site *)find_key(p, key);
	if (!s && (s = calloc(1, sizeof *s))) {
		s->place = strdup(place);
		s->key = luff_take(key);
		s->plan = p;
		s->plain_http = plain_http;
		s->next = p->sites;
		if (s->place) {
			p->sites = s;
		} else {
			site_free(s);
			s = NULL;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return s;
}

/* ---- making one ---- */

struct luff_record *luff_record_current(void)
{
	struct luff_record *p;

	pthread_mutex_lock(&lock);
	p = record_ref(current);
	pthread_mutex_unlock(&lock);
	return p;
}

bool luff_plan_is_on(void)
{
	bool on;

	pthread_mutex_lock(&lock);
	on = current != NULL;
	pthread_mutex_unlock(&lock);
	return on;
}

int luff_plan_begin(const char *folder, struct luff_error *err)
{
	struct luff_record *p;
	int rc = 0;

	if (luff_plan_is_on())
		return luff_fail(err, LUFF_EEXISTS, "a plan is being made");
	p = calloc(1, sizeof *p);
	if (!p)
		return luff_fail_nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	p->refs = 1;
	p->on_disk = folder != NULL;
	rc = folder ? luff_store_open_folder(&p->store, folder, true, err)
		    : luff_store_new_memory(&p->store, MEMORY_MAX, NULL, err);
	if (rc < 0) {
		luff_record_unref(p);
		return luff_fail_context(err, "the plan");
	}
	pthread_mutex_lock(&lock);
	current = p;
	pthread_mutex_unlock(&lock);
	return 0;
}

int luff_plan_end(struct luff_planned **out, size_t *count_out, struct luff_error *err)
{
	struct luff_record *p;

	*out = NULL;
	*count_out = 0;
	pthread_mutex_lock(&lock);
	p = current;
	current = NULL;
	pthread_mutex_unlock(&lock);
	if (!p)
		return luff_fail(err, LUFF_EINVAL, "no plan is being made");
	pthread_mutex_lock(&p->lock);
	*out = luff_take(p->steps);
	*count_out = p->count;
	p->count = p->size = 0;
	pthread_mutex_unlock(&p->lock);
	luff_record_unref(p);
	return 0;
}
