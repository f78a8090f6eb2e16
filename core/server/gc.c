/* See gc.h, which says why it is safe. Declared there and in luff.h. */
#include "server/gc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/json.h"
#include "model/descriptor.h"
#include "model/referrer.h"
#include "stream/streams.h"

#define INTERVAL_MAX 3600 /* seconds from one collection to the next */
#define REF_NAME "org.opencontainers.image.ref.name"

enum state { UNREACHED, WAITING, REACHED, GONE };

struct referrer {
	size_t blob;
	struct luff_digest subject;
};

struct collection {
	struct luff_store *store;
	int64_t before;                /* what came since then stays */
	struct luff_store_blob *blobs; /* sorted by digest */
	unsigned char *states;         /* of each: enum state */
	bool *listed;                  /* of each: by one that is still to go */
	size_t *stack;                 /* of those that wait for their contents to be reached */
	size_t count, depth;
	struct referrer *referrers; /* entries of index.json that count only where their subjects are */
	size_t referrer_count;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct luff_store_blob *)a)->digest.text,
		      ((const struct luff_store_blob *)b)->digest.text);
}

/* Which blob has the digest; c->count: none. */
static size_t find(const struct collection *c, const char *digest)
{
	struct luff_store_blob key = {0}, *at;

	if (strlen(digest) > LUFF_DIGEST_MAX)
		return c->count;
	memcpy(key.digest.text, digest, strlen(digest) + 1);
	at = c->count ? bsearch(&key, c->blobs, c->count, sizeof *c->blobs, compare) : NULL;
	return at ? (size_t)(at - c->blobs) : c->count;
}

/* ---- what is in a blob ---- */

static bool looks_like_json(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '{';
}

/* A small blob's bytes, if they look like JSON; else NULL. free() them. */
static int read_text(char **out, struct collection *c, size_t i, struct luff_error *err)
{
	const struct luff_store_blob *blob = &c->blobs[i];
	LUFF_AUTO(reader) src = NULL;
	LUFF_AUTO(text) text = NULL;
	struct luff_error failed = {0};
	int rc;

	*out = NULL;
	if (blob->size < 2 || blob->size > LUFF_MANIFEST_MAX)
		return 0;
	rc = luff_store_fetch(&src, c->store, &blob->digest, 0, &failed);
	if (rc == LUFF_ENOTFOUND)
		return 0;
	if (rc == 0)
		rc = luff_reader_read_all(&text, src, blob->size, &failed);
	if (rc < 0) {
		*err = failed;
		return luff_fail_context(err, "blob %s", blob->digest.text);
	}
	if (looks_like_json(text))
		*out = luff_take(text);
	return 0;
}

static int check_whole(const struct luff_store_blob *blob, const char *text, struct luff_error *err)
{
	const char *algorithm = luff_algorithm_name(luff_digest_algorithm(&blob->digest));
	struct luff_digest actual;
	int rc = luff_digest_of(&actual, algorithm, text, (size_t)blob->size, err);

	if (rc == 0 && !luff_digest_equal(&actual, &blob->digest))
		rc = luff_fail(err, LUFF_EDIGEST,
			       "blob %s is damaged, and what it needs is not known: nothing was removed",
			       blob->digest.text);
	return rc;
}

/* The blob as JSON, or NULL where it is none. */
static int read_document(cJSON **out, struct collection *c, size_t i, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	struct luff_error other = {0};
	int rc = read_text(&text, c, i, err);

	*out = NULL;
	if (rc < 0 || !text)
		return rc;
	rc = luff_json_scan(text, (size_t)c->blobs[i].size, LUFF_DOCUMENT_VALUES_MAX, "blob", &other);
	if (rc == 0)
		rc = luff_json_parse(out, text, (size_t)c->blobs[i].size, "blob", &other);
	if (rc != LUFF_ENOMEM)
		return rc < 0 ? check_whole(&c->blobs[i], text, err) : 0;
	*err = other;
	return rc;
}

typedef void visit_fn(struct collection *c, size_t i);

/* Whatever is called a digest, but the subject's: that is there without its referrers as well as they without it. */
static void visit_digests(struct collection *c, const cJSON *node, visit_fn *visit)
{
	const cJSON *child;

	cJSON_ArrayForEach(child, node)
	{
		const char *key = child->string ? child->string : "";

		if (strcmp(key, "subject") == 0)
			continue;
		if (cJSON_IsString(child) && (strcmp(key, "digest") == 0 || strcmp(key, "blobSum") == 0)) {
			size_t i = find(c, child->valuestring);

			if (i < c->count)
				visit(c, i);
		} else if (cJSON_IsObject(child) || cJSON_IsArray(child)) {
			visit_digests(c, child, visit);
		}
	}
}

/* ---- what is reached ---- */

static void reach(struct collection *c, size_t i)
{
	if (c->states[i] != UNREACHED)
		return;
	c->states[i] = WAITING;
	c->stack[c->depth++] = i;
}

static int reach_contents(struct collection *c, struct luff_error *err)
{
	while (c->depth > 0) {
		LUFF_AUTO(json) document = NULL;
		size_t i = c->stack[--c->depth];
		int rc = luff_scope_check(err);

		if (rc == 0)
			rc = read_document(&document, c, i, err);
		if (rc < 0)
			return rc;
		c->states[i] = REACHED;
		if (!document)
			continue;
		visit_digests(c, document, reach);
		for (size_t r = 0; r < c->referrer_count; r++) {
			if (luff_digest_equal(&c->referrers[r].subject, &c->blobs[i].digest))
				reach(c, c->referrers[r].blob);
		}
	}
	return 0;
}

static const char *ref_name(const cJSON *entry)
{
	return luff_json_string(luff_json_object(entry, "annotations"), REF_NAME);
}

/* An entry of index.json: one without a name that has a subject is there as a referrer. */
static int reach_entry(struct collection *c, const cJSON *entry, struct luff_error *err)
{
	const char *digest = luff_json_string(entry, "digest");
	size_t i = digest ? find(c, digest) : c->count;
	LUFF_AUTO(json) document = NULL;
	struct luff_digest subject;
	int rc = 0;

	if (i == c->count)
		return 0;
	if (!ref_name(entry))
		rc = read_document(&document, c, i, err);
	if (rc < 0)
		return rc;
	if (document && luff_referrer_subject(&subject, document))
		c->referrers[c->referrer_count++] = (struct referrer){.blob = i, .subject = subject};
	else
		reach(c, i);
	return 0;
}

static int reach_roots(struct collection *c, const char *index, size_t len, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	const cJSON *entries, *entry;
	int rc = luff_json_parse(&tree, index, len, "index.json", err);

	if (rc < 0)
		return rc;
	entries = luff_json_array(tree, "manifests");
	if (!entries)
		return luff_fail(err, LUFF_EFORMAT, "index.json has no list of manifests");
	c->referrers = calloc((size_t)cJSON_GetArraySize(entries) + 1, sizeof *c->referrers);
	if (!c->referrers)
		return luff_fail_nomem(err);
	cJSON_ArrayForEach(entry, entries)
	{
		rc = reach_entry(c, entry, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < c->count; i++) {
		if (c->blobs[i].since > c->before)
			reach(c, i);
	}
	return reach_contents(c, err);
}

/* ---- what goes ---- */

static void list_contents(struct collection *c, size_t i)
{
	c->listed[i] = true;
}

/* Which of those that are to go are listed by others of them, or refer to them. */
static int find_listed(struct collection *c, struct luff_error *err)
{
	memset(c->listed, 0, c->count * sizeof *c->listed);
	for (size_t i = 0; i < c->count; i++) {
		LUFF_AUTO(json) document = NULL;
		struct luff_error damaged = {0};
		int rc = luff_scope_check(err);

		if (c->states[i] != UNREACHED)
			continue;
		if (rc == 0)
			rc = read_document(&document, c, i, &damaged);
		if (rc == LUFF_ENOMEM || rc == LUFF_ECANCELED) {
			*err = damaged.code ? damaged : *err;
			return rc;
		}
		if (document)
			visit_digests(c, document, list_contents);
	}
	for (size_t r = 0; r < c->referrer_count; r++) {
		size_t subject = find(c, c->referrers[r].subject.text);

		if (subject < c->count && c->states[subject] == UNREACHED)
			c->listed[c->referrers[r].blob] = true;
	}
	return 0;
}

/* One that became new since it was listed stays, with what it lists. */
static int remove_blob(struct collection *c, size_t i, struct luff_gc_result *result, struct luff_error *err)
{
	struct luff_error failed = {0};
	int rc = luff_store_reap(c->store, &c->blobs[i].digest, c->before, &failed);

	if (rc == LUFF_EEXISTS) {
		reach(c, i);
		return reach_contents(c, err);
	}
	if (rc < 0 && rc != LUFF_ENOTFOUND) {
		*err = failed;
		return rc;
	}
	c->states[i] = GONE;
	if (rc == 0) {
		result->removed++;
		result->bytes += c->blobs[i].size;
	}
	return 0;
}

/* One generation after the other: each time those that none of the rest lists. */
static int remove_unreached(struct collection *c, struct luff_gc_result *result, struct luff_error *err)
{
	size_t left = 1, went;
	bool knotted = false;

	while (left > 0) {
		int rc = find_listed(c, err);

		left = went = 0;
		for (size_t i = 0; i < c->count && rc == 0; i++) {
			if (c->states[i] != UNREACHED)
				continue;
			if (c->listed[i] && !knotted) {
				left++;
				continue;
			}
			rc = luff_scope_check(err);
			if (rc == 0)
				rc = remove_blob(c, i, result, err);
			went++;
		}
		if (rc < 0)
			return rc;
		/* only damaged documents can list each other: then there is no order to keep */
		knotted = went == 0;
	}
	return 0;
}

/* Entries of referrers that went; but somebody may have pushed one again, and found it listed. */
static int drop_entries(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	struct collection *c = arg;
	LUFF_AUTO(json) tree = NULL;
	cJSON *entries, *next;
	bool changed = false;
	int rc = luff_json_parse(&tree, text, len, "index.json", err);

	if (rc < 0)
		return rc;
	entries = cJSON_GetObjectItemCaseSensitive(tree, "manifests");
	for (cJSON *entry = entries ? entries->child : NULL; entry; entry = next) {
		const char *digest = luff_json_string(entry, "digest");
		size_t i = digest && !ref_name(entry) ? find(c, digest) : c->count;
		struct luff_error missing = {0};
		int64_t size;

		next = entry->next;
		if (i < c->count && c->states[i] == GONE &&
		    luff_store_stat(&size, c->store, &c->blobs[i].digest, &missing) == LUFF_ENOTFOUND) {
			cJSON_Delete(cJSON_DetachItemViaPointer(entries, entry));
			changed = true;
		}
	}
	if (!changed)
		return 0;
	*out_text = cJSON_PrintUnformatted(tree);
	return *out_text ? 0 : luff_fail_nomem(err);
}

static int forget_referrers(struct collection *c, struct luff_error *err)
{
	for (size_t r = 0; r < c->referrer_count; r++) {
		if (c->states[c->referrers[r].blob] == GONE)
			return luff_store_change_index(c->store, drop_entries, c, NULL, err);
	}
	return 0;
}

static int collect(struct collection *c, const struct luff_gc_options *options, struct luff_gc_result *result,
		   struct luff_error *err)
{
	LUFF_AUTO(text) index = NULL;
	size_t len;
	int rc;

	c->before = now_ms() - options->grace * 1000;
	rc = luff_store_read_index(&index, &len, c->store, err);
	if (rc == 0)
		rc = luff_store_list(&c->blobs, &c->count, c->store, err);
	if (rc < 0)
		return rc;
	if (c->count > 0)
		qsort(c->blobs, c->count, sizeof *c->blobs, compare);
	c->states = calloc(c->count + 1, sizeof *c->states);
	c->listed = calloc(c->count + 1, sizeof *c->listed);
	c->stack = calloc(c->count + 1, sizeof *c->stack);
	if (!c->states || !c->listed || !c->stack)
		return luff_fail_nomem(err);
	rc = reach_roots(c, index, len, err);
	if (rc == 0 && !options->dry_run)
		rc = remove_unreached(c, result, err);
	for (size_t i = 0; i < c->count && rc == 0; i++) {
		if (c->states[i] == REACHED) {
			result->kept++;
		} else if (options->dry_run) {
			result->removed++;
			result->bytes += c->blobs[i].size;
		}
	}
	if (rc == 0)
		rc = forget_referrers(c, err);
	return rc;
}

static int collect_repository(struct luff_gc_result *result, struct luff_repositories *table,
			      const char *name, const struct luff_gc_options *options, struct luff_error *err)
{
	struct luff_repository *repository = NULL;
	struct collection c = {0};
	int64_t uploads = 0;
	int rc = luff_repository_open(&repository, table, name, false, err);

	if (rc < 0)
		return luff_fail_context(err, "%s", name);
	c.store = repository->store;
	rc = collect(&c, options, result, err);
	luff_store_reap_uploads(c.store, options->grace, options->dry_run, &uploads, &result->bytes);
	free(c.blobs);
	free(c.states);
	free(c.listed);
	free(c.stack);
	free(c.referrers);
	luff_repository_unref(repository);
	result->repositories++;
	result->uploads += uploads;
	if (uploads > 0 && !options->dry_run)
		luff_repositories_tidy(table, name);
	return rc < 0 ? luff_fail_context(err, "%s", name) : 0;
}

int luff_gc_repositories(struct luff_gc_result *out, struct luff_repositories *table,
			 const struct luff_gc_options *options, struct luff_error *err)
{
	LUFF_AUTO(names) names = {0};
	struct luff_error first = {0};
	int rc = luff_repositories_list(&names, table, true, err);

	*out = (struct luff_gc_result){0};
	for (size_t i = 0; i < names.count && rc == 0; i++) {
		struct luff_error failed = {0};

		/* gone since it was listed */
		if (collect_repository(out, table, names.items[i], options, &failed) == LUFF_ENOTFOUND)
			continue;
		if (failed.code && !first.code)
			first = failed;
		rc = luff_scope_check(err);
	}
	if (rc == 0 && first.code) {
		*err = first;
		rc = first.code;
	}
	return rc;
}

int luff_gc(struct luff_gc_result *out, const char *folder, const struct luff_gc_options *options,
	    struct luff_error *err)
{
	struct luff_repositories *table = NULL;
	struct stat st;
	int rc;

	*out = (struct luff_gc_result){0};
	if (options->grace < 0)
		return luff_fail(err, LUFF_EINVAL, "grace: a number of seconds from 0 on");
	if (stat(folder, &st) < 0)
		return luff_fail_errno(err, errno, "%s", folder);
	rc = luff_repositories_new(&table, folder, 0, 1, err);
	if (rc == 0)
		rc = luff_gc_repositories(out, table, options, err);
	luff_repositories_free(table);
	if (rc == 0 && out->repositories == 0)
		return luff_fail(err, LUFF_ENOTFOUND, "%s: neither an OCI layout nor a folder of them",
				 folder);
	return rc < 0 ? luff_fail_context(err, "%s", folder) : 0;
}

/* ---- while a server runs ---- */

struct luff_gc_timer {
	pthread_t thread;
	struct luff_repositories *table;
	struct luff_gc_options options;
	struct luff_scope *scope;
};

static bool wait_for_next(int64_t seconds)
{
	struct timespec tick = {.tv_nsec = 100000000};
	struct luff_error ended = {0};

	for (int64_t i = 0; i < seconds * 10; i++) {
		if (luff_scope_check(&ended) < 0)
			return false;
		nanosleep(&tick, NULL);
	}
	return luff_scope_check(&ended) == 0;
}

static void *run_timer(void *arg)
{
	struct luff_gc_timer *timer = arg;
	struct luff_scope *old = luff_scope_swap(timer->scope);
	int64_t grace = timer->options.grace, interval = grace < INTERVAL_MAX ? grace : INTERVAL_MAX;

	do {
		struct luff_gc_result result;
		struct luff_error ignored = {0};

		/* a repository that cannot be collected is said to be so by `luff gc` */
		(void)luff_gc_repositories(&result, timer->table, &timer->options, &ignored);
	} while (wait_for_next(interval));
	luff_scope_swap(old);
	return NULL;
}

int luff_gc_timer_start(struct luff_gc_timer **out, struct luff_repositories *table, int64_t grace,
			struct luff_scope *scope, struct luff_error *err)
{
	struct luff_gc_timer *timer = calloc(1, sizeof *timer);
	sigset_t all, old;
	int failed;

	*out = NULL;
	if (!timer)
		return luff_fail_nomem(err);
	timer->table = table;
	timer->options.grace = grace;
	timer->scope = scope;
	/* the program's signals are for its own threads */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&timer->thread, NULL, run_timer, timer);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed) {
		free(timer);
		return luff_fail_errno(err, failed, "cannot start a thread");
	}
	*out = timer;
	return 0;
}

void luff_gc_timer_stop(struct luff_gc_timer *timer)
{
	if (!timer)
		return;
	pthread_join(timer->thread, NULL);
	free(timer);
}
