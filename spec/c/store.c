/* Stores: one suite over both, then what folders alone have: links, other processes, killed writers, full disks. */
#include "store/store.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "check.h"
#include "stream/streams.h"

#define CHUNK ((size_t)256 << 10) /* of memory */
#define INDEX_MAX ((size_t)64 << 20)

static struct luff_store *open_folder(const char *path)
{
	struct luff_store *s = NULL;
	struct luff_error err;

	OK(luff_store_open_folder(&s, path, true, &err));
	return s;
}

static struct luff_store *new_memory(int64_t cap)
{
	struct luff_store *s = NULL;
	struct luff_error err;

	OK(luff_store_new_memory(&s, cap, NULL, &err));
	return s;
}

static struct luff_digest digest_of(const char *algorithm, const void *bytes, size_t len)
{
	struct luff_digest d;
	struct luff_error err;

	OK(luff_digest_of(&d, algorithm, bytes, len, &err));
	return d;
}

/* Writes in pieces; what follows the last one is up to the caller. NULL if that fails. */
static struct luff_store_writer *begin(struct luff_store *s, bool hash, enum luff_algorithm algorithm,
				       const char *bytes, size_t len, struct luff_error *err)
{
	struct luff_store_writer *w = NULL;
	int rc = luff_store_write(&w, s, hash, algorithm, err);

	for (size_t i = 0; rc == 0 && i < len; i += 100000)
		rc = luff_store_writer_append(w, bytes + i, len - i < 100000 ? len - i : 100000, err);
	if (rc == 0)
		CHECK_INT(luff_store_writer_size(w), len);
	else
		luff_store_writer_abort(luff_take(w));
	return w;
}

static int put(struct luff_store *s, const struct luff_digest *d, const char *bytes, size_t len,
	       struct luff_error *err)
{
	struct luff_store_writer *w = begin(s, true, luff_digest_algorithm(d), bytes, len, err);

	return w ? luff_store_writer_commit(w, d, err) : err->code;
}

/* Reads from offset to the end and compares with bytes. */
static int get(struct luff_store *s, const struct luff_digest *d, int64_t offset, const char *bytes,
	       size_t len, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(text) have = malloc(len + 1);
	size_t done = 0, n = 1;
	int rc = luff_store_fetch(&r, s, d, offset, err);

	while (rc == 0 && n > 0 && done <= len) {
		rc = luff_reader_read(&n, r, have + done, len + 1 - done, err);
		done += n;
	}
	if (rc == 0)
		CHECK(done == len && memcmp(have, bytes, len) == 0);
	return rc;
}

/* ---- both ---- */

static char *some_bytes(size_t len)
{
	char *bytes = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	return bytes;
}

static void writes(struct luff_store *s)
{
	static const size_t sizes[] = {0, 1, 500, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 77777};
	LUFF_AUTO(text) bytes = some_bytes(4 * CHUNK);
	struct luff_error err;

	for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
		size_t len = sizes[i / 2];
		struct luff_digest d = digest_of(i % 2 ? "sha512" : "sha256", bytes, len);
		int64_t size = -1;

		FAILS(luff_store_stat(&size, s, &d, &err), LUFF_ENOTFOUND, "blob sha");
		FAILS(get(s, &d, 0, bytes, len, &err), LUFF_ENOTFOUND, "blob sha");
		OK(put(s, &d, bytes, len, &err));
		OK(luff_store_stat(&size, s, &d, &err));
		CHECK_INT(size, len);
		for (size_t offset = 0; offset <= len; offset += 99999)
			OK(get(s, &d, (int64_t)offset, bytes + offset, len - offset, &err));
		OK(get(s, &d, (int64_t)len, "", 0, &err));
		/* again is fine */
		OK(put(s, &d, bytes, len, &err));
		OK(get(s, &d, 0, bytes, len, &err));
	}
}

static void checks_digests(struct luff_store *s)
{
	struct luff_digest right = digest_of("sha256", "abcd", 4), wrong = digest_of("sha256", "abcx", 4);
	struct luff_digest right512 = digest_of("sha512", "abcd", 4),
			   wrong512 = digest_of("sha512", "abcx", 4);
	struct luff_error err;
	int64_t size;

	FAILS(put(s, &wrong, "abcd", 4, &err), LUFF_EDIGEST, right.text);
	FAILS(luff_store_stat(&size, s, &wrong, &err), LUFF_ENOTFOUND, "blob");
	/* the algorithm may be known at the end only */
	OK(luff_store_writer_commit(begin(s, true, LUFF_SHA256, "abcd", 4, &err), &right512, &err));
	OK(get(s, &right512, 0, "abcd", 4, &err));
	FAILS(luff_store_writer_commit(begin(s, true, LUFF_SHA256, "abcd", 4, &err), &wrong512, &err),
	      LUFF_EDIGEST, right512.text);
	FAILS(luff_store_stat(&size, s, &wrong512, &err), LUFF_ENOTFOUND, "blob");
	/* what comes verified is not hashed */
	OK(luff_store_writer_commit(begin(s, false, LUFF_SHA256, "abcd", 4, &err), &right, &err));
	OK(get(s, &right, 0, "abcd", 4, &err));
}

static void aborts(struct luff_store *s)
{
	struct luff_digest d = digest_of("sha256", "aborted", 7);
	struct luff_error err;
	int64_t size;

	luff_store_writer_abort(begin(s, true, LUFF_SHA256, "aborted", 7, &err));
	luff_store_writer_abort(begin(s, true, LUFF_SHA256, "", 0, &err));
	luff_store_writer_abort(NULL);
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_ENOTFOUND, "blob");
}

static void removes(struct luff_store *s)
{
	struct luff_digest d = digest_of("sha256", "removed", 7);
	LUFF_AUTO(reader) r = NULL;
	struct luff_error err;
	int64_t size;
	char buf[16];
	size_t n;

	FAILS(luff_store_remove(s, &d, &err), LUFF_ENOTFOUND, d.text);
	OK(put(s, &d, "removed", 7, &err));
	OK(luff_store_fetch(&r, s, &d, 2, &err));
	OK(luff_store_remove(s, &d, &err));
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_ENOTFOUND, "blob");
	FAILS(luff_store_remove(s, &d, &err), LUFF_ENOTFOUND, d.text);
	/* who reads already may read on */
	OK(luff_reader_read(&n, r, buf, sizeof buf, &err));
	CHECK(n == 5 && memcmp(buf, "moved", 5) == 0);
}

/* When a blob came in or was kept; -1: it is not there. */
static int64_t since(struct luff_store *s, const struct luff_digest *d)
{
	struct luff_store_blob *blobs = NULL;
	struct luff_error err;
	int64_t when = -1;
	size_t count;

	OK(luff_store_list(&blobs, &count, s, &err));
	for (size_t i = 0; i < count; i++) {
		if (luff_digest_equal(&blobs[i].digest, d)) {
			CHECK(when == -1 && blobs[i].size == 3);
			when = blobs[i].since;
		}
	}
	free(blobs);
	return when;
}

static void reaps_what_is_old(struct luff_store *s)
{
	struct luff_digest d = digest_of("sha512", "old", 3), missing = digest_of("sha256", "no such", 7);
	int64_t size, came, kept;
	struct luff_error err;

	FAILS(luff_store_keep(&size, s, &missing, &err), LUFF_ENOTFOUND, "blob");
	FAILS(luff_store_reap(s, &missing, INT64_MAX - 1, &err), LUFF_ENOTFOUND, "blob");
	OK(put(s, &d, "old", 3, &err));
	came = since(s, &d);
	FAILS(luff_store_reap(s, &d, came - 1, &err), LUFF_EEXISTS, "is new");
	/* each makes it new again: to be asked for, to come once more */
	for (int i = 0; i < 2; i++, came = kept) {
		usleep(20000);
		if (i == 0)
			OK(luff_store_keep(&size, s, &d, &err));
		else
			OK(put(s, &d, "old", 3, &err));
		kept = since(s, &d);
		CHECK(kept > came);
		FAILS(luff_store_reap(s, &d, came, &err), LUFF_EEXISTS, "is new");
	}
	OK(luff_store_reap(s, &d, kept, &err));
	CHECK_INT(since(s, &d), -1);
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_ENOTFOUND, "blob");
}

static void links(struct luff_store *s, struct luff_store *other, struct luff_store *foreign)
{
	struct luff_digest d = digest_of("sha256", "linked", 6), missing = digest_of("sha256", "no such", 7);
	struct luff_error err;
	bool linked = true;

	OK(put(s, &d, "linked", 6, &err));
	OK(luff_store_link(&linked, other, &missing, s, &err));
	CHECK(!linked);
	for (int i = 0; i < 3; i++) { /* twice and thrice is fine */
		OK(luff_store_link(&linked, other, &d, s, &err));
		CHECK(linked);
	}
	OK(luff_store_link(&linked, s, &d, s, &err));
	CHECK(linked);
	OK(luff_store_link(&linked, foreign, &d, s, &err));
	CHECK(!linked);
	OK(luff_store_remove(s, &d, &err));
	OK(get(other, &d, 0, "linked", 6, &err));
	OK(luff_store_remove(other, &d, &err));
}

/* Counts in the index: {"n":7} */
static int increment(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	int n = 0;

	(void)arg;
	(void)err;
	CHECK_INT(strlen(text), len);
	if (sscanf(text, "{\"n\":%d}", &n) != 1)
		CHECK(strstr(text, "schemaVersion"));
	return asprintf(out_text, "{\"n\":%d}", n + 1) < 0 ? LUFF_ENOMEM : 0;
}

static int leave(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	(void)out_text;
	(void)text;
	(void)len;
	return arg ? luff_fail(err, LUFF_EINVAL, "left as it is") : 0;
}

static int swell(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	size_t size = *(size_t *)arg;

	(void)text;
	(void)len;
	(void)err;
	*out_text = malloc(size + 1);
	memset(*out_text, ' ', size);
	(*out_text)[size] = '\0';
	return 0;
}

/* As many values as text has room for, in two bytes each. */
static int crowd(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	size_t size = *(size_t *)arg;
	int rc = swell(out_text, arg, text, len, err);

	for (size_t i = 0; i < size; i++)
		(*out_text)[i] = i % 2 ? ',' : '0';
	return rc;
}

static int count_in(struct luff_store *s)
{
	LUFF_AUTO(text) text = NULL;
	struct luff_error err;
	size_t len;
	int n = -1;

	OK(luff_store_read_index(&text, &len, s, &err));
	CHECK(text && strlen(text) == len && sscanf(text, "{\"n\":%d}", &n) == 1);
	return n;
}

static void *increment_often(void *store)
{
	for (int i = 0; i < 25; i++) {
		struct luff_error err;

		OK(luff_store_change_index(store, increment, NULL, NULL, &err));
	}
	return NULL;
}

static void changes_the_index(struct luff_store *s)
{
	size_t size = INDEX_MAX + 1;
	struct luff_error err;
	pthread_t threads[8];

	OK(luff_store_change_index(s, increment, NULL, NULL, &err));
	OK(luff_store_change_index(s, leave, NULL, NULL, &err));
	FAILS(luff_store_change_index(s, leave, s, NULL, &err), LUFF_EINVAL, "left as it is");
	FAILS(luff_store_change_index(s, swell, &size, NULL, &err), LUFF_ELIMIT, "index.json");
	/* no more than can be read again */
	size = 3 << 20;
	FAILS(luff_store_change_index(s, crowd, &size, NULL, &err), LUFF_ELIMIT, "index.json: JSON has more");
	CHECK_INT(count_in(s), 1);
	for (size_t i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, increment_often, s) == 0);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(count_in(s), 201);
}

struct looking {
	struct luff_store *store;
	struct luff_digest digest;
};

/* What a change names can be looked for, and what it removes is still there. */
static int look(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	struct looking *l = arg;
	int64_t size;
	int rc = luff_store_stat(&size, l->store, &l->digest, err);

	return rc < 0 ? rc : increment(out_text, NULL, text, len, err);
}

static void removes_what_nobody_names(struct luff_store *s)
{
	struct looking l = {.store = s, .digest = digest_of("sha256", "named", 5)};
	struct luff_error err;
	int64_t size;
	int n = count_in(s);

	OK(put(s, &l.digest, "named", 5, &err));
	FAILS(luff_store_change_index(s, leave, s, &l.digest, &err), LUFF_EINVAL, "left as it is");
	OK(luff_store_stat(&size, s, &l.digest, &err));
	OK(luff_store_change_index(s, look, &l, &l.digest, &err));
	CHECK_INT(count_in(s), n + 1);
	FAILS(luff_store_stat(&size, s, &l.digest, &err), LUFF_ENOTFOUND, "blob");
	FAILS(luff_store_change_index(s, leave, NULL, &l.digest, &err), LUFF_ENOTFOUND, l.digest.text);
}

/* Many threads, few digests: written, read and removed at once. */
static void *churn(void *store)
{
	static _Thread_local unsigned seed;
	struct luff_error err;

	for (int i = 0; i < 300; i++) {
		char text[2] = {(char)('a' + rand_r(&seed) % 3), 0};
		struct luff_digest d = digest_of("sha256", text, 1);
		int rc = 0;

		err = (struct luff_error){0};
		switch (rand_r(&seed) % 3) {
		case 0:
			rc = put(store, &d, text, 1, &err);
			break;
		case 1:
			rc = get(store, &d, 0, text, 1, &err);
			break;
		case 2:
			rc = luff_store_remove(store, &d, &err);
			break;
		}
		CHECK(rc == 0 || rc == LUFF_ENOTFOUND);
	}
	return NULL;
}

static void serves_many_threads(struct luff_store *s)
{
	pthread_t threads[8];

	for (size_t i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, churn, s) == 0);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

static void suite(struct luff_store *s, struct luff_store *other, struct luff_store *foreign)
{
	writes(s);
	checks_digests(s);
	aborts(s);
	removes(s);
	reaps_what_is_old(s);
	links(s, other, foreign);
	changes_the_index(s);
	removes_what_nobody_names(s);
	serves_many_threads(s);
}

/* ---- uploads ---- */

#define ID "0123456789abcdef0123456789abcdef"

/* In a folder: written by whoever takes it up, one at a time, as if each were another process. */
static void takes_uploads_up(void)
{
	struct luff_digest d = digest_of("sha512", "one two three", 13);
	struct luff_store *s = open_folder(scratch("uploads")), *other = open_folder(scratch("uploads"));
	struct luff_store_writer *first = NULL, *second = NULL, *third = NULL;
	int64_t size, files = 0, bytes = 0;
	struct luff_error err;

	FAILS(luff_store_resume(&first, s, ID, &err), LUFF_ENOTFOUND, "upload");
	FAILS(luff_store_upload_size(&size, s, ID, &err), LUFF_ENOTFOUND, "upload");
	OK(luff_store_begin(&first, s, ID, LUFF_SHA256, &err));
	OK(luff_store_writer_append(first, "one ", 4, &err));
	FAILS(luff_store_resume(&second, other, ID, &err), LUFF_EEXISTS, "writer");
	luff_store_writer_rest(first);
	OK(luff_store_resume(&second, other, ID, &err));
	CHECK_INT(luff_store_writer_size(second), 4);
	OK(luff_store_writer_append(second, "two ", 4, &err));
	FAILS(luff_store_writer_wake(first, &err), LUFF_EEXISTS, "writer");
	/* what is at work or not idle is not swept away */
	luff_store_reap_uploads(s, 0, false, &files, &bytes);
	CHECK_INT(files, 0);
	luff_store_writer_leave(luff_take(second));
	luff_store_reap_uploads(s, 60, false, &files, &bytes);
	luff_store_reap_uploads(s, 0, true, &files, &bytes);
	CHECK(files == 1 && bytes == 8);
	OK(luff_store_upload_size(&size, s, ID, &err));
	CHECK_INT(size, 8);
	OK(luff_store_resume(&third, other, ID, &err));
	luff_store_writer_rest(third);
	OK(luff_store_writer_wake(first, &err));
	CHECK_INT(luff_store_writer_size(first), 8);
	OK(luff_store_writer_append(first, "three", 5, &err));
	OK(luff_store_writer_commit(luff_take(first), &d, &err));
	OK(get(other, &d, 0, "one two three", 13, &err));
	/* what is a blob by now is nobody's to write to */
	FAILS(luff_store_writer_wake(third, &err), LUFF_ENOTFOUND, "upload");
	luff_store_writer_leave(third);
	OK(luff_store_begin(&first, s, ID, LUFF_SHA256, &err));
	luff_store_writer_leave(luff_take(first));
	luff_store_reap_uploads(s, 0, false, &files, &bytes);
	FAILS(luff_store_resume(&first, s, ID, &err), LUFF_ENOTFOUND, "upload");
	CHECK_INT(count_files(scratch("uploads/ingest")), -1);
	luff_store_unref(s);
	luff_store_unref(other);
}

/* ---- memory ---- */

static void keeps_to_its_cap(void)
{
	LUFF_AUTO(text) bytes = some_bytes(CHUNK);
	struct luff_digest large = digest_of("sha256", bytes, 60000),
			   small = digest_of("sha256", bytes, 30000);
	struct luff_store *s = new_memory(100000), *share = NULL;
	struct luff_error err;
	int64_t size;
	bool linked;

	OK(luff_store_new_memory(&share, 5, s, &err));
	for (int i = 0; i < 3; i++) {
		OK(put(s, &large, bytes, 60000, &err));
		/* what is there already takes no room after all */
		FAILS(put(share, &large, bytes, 60000, &err), LUFF_ELIMIT, "full");
		OK(put(s, &small, bytes, 30000, &err));
		FAILS(put(share, &small, bytes, 30000, &err), LUFF_ELIMIT, "full");
		/* what is shared takes no room of its own, and keeps its room to the last who has it */
		for (int k = 0; k < 5; k++) {
			OK(luff_store_link(&linked, share, &large, s, &err));
			CHECK(linked);
		}
		OK(luff_store_remove(s, &large, &err));
		FAILS(put(s, &small, bytes, 30000, &err), LUFF_ELIMIT, "full");
		OK(luff_store_stat(&size, share, &large, &err));
		OK(luff_store_remove(share, &large, &err));
		OK(luff_store_link(&linked, share, &small, s, &err));
		OK(luff_store_remove(share, &small, &err));
		OK(luff_store_remove(s, &small, &err));
		/* aborted, with the wrong digest, too large: the room is there again */
		for (int k = 0; k < 5; k++) {
			luff_store_writer_abort(begin(s, true, LUFF_SHA256, bytes, 90000, &err));
			FAILS(put(s, &small, bytes, 90000, &err), LUFF_EDIGEST, "");
			FAILS(put(s, &large, bytes, 100001, &err), LUFF_ELIMIT, "full");
		}
	}
	OK(luff_store_writer_commit(begin(s, false, LUFF_SHA256, bytes, 100000, &err), &large, &err));
	luff_store_unref(s);
	luff_store_unref(share);
}

/* Bytes that were removed are still there for who reads them, and so they count. */
static void counts_what_is_read(void)
{
	LUFF_AUTO(text) bytes = some_bytes(CHUNK);
	struct luff_digest large = digest_of("sha256", bytes, 60000);
	struct luff_store *s = new_memory(100000), *foreign = new_memory(100000);
	LUFF_AUTO(reader) r = NULL;
	struct luff_error err;
	bool linked;

	OK(put(s, &large, bytes, 60000, &err));
	OK(luff_store_fetch(&r, s, &large, 0, &err));
	OK(luff_store_remove(s, &large, &err));
	FAILS(put(s, &large, bytes, 60000, &err), LUFF_ELIMIT, "full");
	OK(luff_reader_drain(r, &err));
	luff_reader_close(luff_take(r));
	OK(put(s, &large, bytes, 60000, &err));
	/* no cap of its own would count what another store has */
	OK(luff_store_link(&linked, foreign, &large, s, &err));
	CHECK(!linked);
	/* a reader may outlive the store, and its cap */
	OK(luff_store_fetch(&r, s, &large, 0, &err));
	luff_store_unref(s);
	luff_store_unref(foreign);
	OK(luff_reader_drain(r, &err));
}

static void has_no_files(void)
{
	struct luff_store *s = new_memory(1000);
	struct luff_digest d = digest_of("sha256", "x", 1);
	struct luff_error err;
	int fd = 7;

	OK(put(s, &d, "x", 1, &err));
	FAILS(luff_store_open_file(&fd, s, &d, &err), LUFF_ENOTSUP, "memory");
	CHECK_INT(fd, -1);
	luff_store_unref(s);
}

/* ---- folders ---- */

static void opens_folders(void)
{
	static const struct {
		const char *layout;
		int code;
		const char *part;
	} layouts[] = {
		{"{\"imageLayoutVersion\":\"1.0.0\"}", 0, ""},
		{"{\"imageLayoutVersion\":\"1.1.0\",\"x\":1}\n", 0, ""},
		{"{\"imageLayoutVersion\":\"2.0.0\"}", LUFF_ENOTSUP, "version"},
		{"{\"imageLayoutVersion\":1}", LUFF_ENOTSUP, "version"},
		{"{}", LUFF_ENOTSUP, "version"},
		{"", LUFF_EFORMAT, "not JSON"},
		{"{\"imageLayoutVersion\":", LUFF_EFORMAT, "not JSON"},
	};
	struct luff_store *s;
	struct luff_error err;

	FAILS(luff_store_open_folder(&s, scratch("none"), false, &err), LUFF_ENOTFOUND, "none");
	CHECK(!s);
	CHECK(mkdir(scratch("empty"), 0755) == 0);
	FAILS(luff_store_open_folder(&s, scratch("empty"), false, &err), LUFF_EFORMAT, "no OCI layout");
	CHECK_INT(count_files(scratch("empty")), 0);
	write_file(scratch("plain"), "x", 1);
	FAILS(luff_store_open_folder(&s, scratch("plain"), false, &err), LUFF_EIO, "plain");
	FAILS(luff_store_open_folder(&s, scratch("plain"), true, &err), LUFF_EIO, "plain");
	FAILS(luff_store_open_folder(&s, scratch("plain/below"), true, &err), LUFF_EIO, "plain");
	FAILS(luff_store_open_folder(&s, "", true, &err), LUFF_ENOTFOUND, "");
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
		write_file(scratch("empty/oci-layout"), layouts[i].layout, strlen(layouts[i].layout));
		if (layouts[i].code)
			FAILS(luff_store_open_folder(&s, scratch("empty"), false, &err), layouts[i].code,
			      layouts[i].part);
		else
			OK(luff_store_open_folder(&s, scratch("empty"), false, &err));
		luff_store_unref(s);
	}
	for (int i = 0; i < 2; i++) {
		OK(luff_store_open_folder(&s, scratch("a/b//c/"), true, &err));
		luff_store_unref(s);
		CHECK_INT(count_files(scratch("a/b/c")), 2);
	}
	OK(luff_store_open_folder(&s, scratch("a/b/c"), false, &err));
	luff_store_unref(s);
}

/* Runs fn in a process of its own and returns how it ended. */
static int in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(check_end());
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static char *blob_at(const struct luff_digest *d)
{
	static char path[256];

	snprintf(path, sizeof path, "blobs/%.6s/%s", d->text, luff_digest_hex(d));
	return path;
}

static atomic_int renames;

static void *rename_often(void *stop)
{
	char a[1024], b[1024];

	snprintf(a, sizeof a, "%s/rename-a", scratch_root);
	snprintf(b, sizeof b, "%s/rename-b", scratch_root);
	write_file(a, "", 0);
	while (!atomic_load((atomic_bool *)stop)) {
		rename(a, b);
		rename(b, a);
		atomic_fetch_add(&renames, 1);
	}
	return NULL;
}

/* Links within the folder are read (official busybox layouts have those), even while others rename; none leads out. */
static void follows_links_inside(void)
{
	static const char *const out[] = {"/etc/passwd", "../../../outside", "../../../links/file",
					  "/proc/self/exe", "../../up/outside"};
	struct luff_digest d = digest_of("sha256", "rootfs", 6);
	struct luff_store *s = open_folder(scratch("links"));
	struct luff_error err;
	atomic_bool stop = false;
	pthread_t thread;
	int64_t size;
	int fd;

	write_file(scratch("links/file"), "rootfs", 6);
	write_file(scratch("outside"), "rootfs", 6);
	CHECK(symlink("..", scratch("links/up")) == 0);
	CHECK(mkdir(scratch("links/blobs"), 0755) == 0 && mkdir(scratch("links/blobs/sha256"), 0755) == 0);
	CHECK(symlink("../../file", scratch("links/%s", blob_at(&d))) == 0);
	CHECK(pthread_create(&thread, NULL, rename_often, &stop) == 0);
	for (int i = 0; i < 100 || atomic_load(&renames) < 5000; i++) {
		OK(luff_store_stat(&size, s, &d, &err));
		CHECK_INT(size, 6);
	}
	OK(get(s, &d, 0, "rootfs", 6, &err));
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
		CHECK(unlink(scratch("links/%s", blob_at(&d))) == 0);
		CHECK(symlink(out[i], scratch("links/%s", blob_at(&d))) == 0);
		FAILS(luff_store_stat(&size, s, &d, &err), LUFF_EFORMAT, "out of the folder");
		FAILS(get(s, &d, 0, "", 0, &err), LUFF_EFORMAT, "out of the folder");
		FAILS(luff_store_open_file(&fd, s, &d, &err), LUFF_EFORMAT, "out of the folder");
	}
	CHECK(unlink(scratch("links/%s", blob_at(&d))) == 0);
	CHECK(symlink("../../gone", scratch("links/%s", blob_at(&d))) == 0);
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_ENOTFOUND, d.text);
	/* written over, the link goes and its target stays */
	OK(put(s, &d, "rootfs", 6, &err));
	CHECK_INT(count_files(scratch("links/gone")), -1);
	OK(get(s, &d, 0, "rootfs", 6, &err));
	/* the whole folder of blobs elsewhere */
	CHECK(rename(scratch("links/blobs"), scratch("blobs")) == 0 &&
	      symlink("../blobs", scratch("links/blobs")) == 0);
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_EFORMAT, "out of the folder");
	CHECK(unlink(scratch("links/index.json")) == 0 &&
	      symlink("/etc/passwd", scratch("links/index.json")) == 0);
	{
		LUFF_AUTO(text) text = NULL;
		size_t len;

		FAILS(luff_store_read_index(&text, &len, s, &err), LUFF_EFORMAT, "out of the folder");
	}
	luff_store_unref(s);
}

/* Each way in which a folder of the layout may lead out of it; nothing goes there, and nothing goes from there. */
static void writes_nothing_outside(void)
{
	static const struct {
		const char *link, *target;
	} links[] = {{"blobs", "../away"},
		     {"blobs", "../away/none"},
		     {"blobs/sha256", "../../away/sha256"},
		     {"blobs/sha256", "/proc/self/cwd"}};
	struct luff_digest d = digest_of("sha256", "out", 3);
	struct luff_store *from = open_folder(scratch("from"));
	struct luff_error err;
	bool linked;

	CHECK(mkdir(scratch("away"), 0755) == 0 && mkdir(scratch("away/sha256"), 0755) == 0);
	write_file(scratch("away/sha256/%s", luff_digest_hex(&d)), "out", 3);
	OK(put(from, &d, "out", 3, &err));
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		struct luff_store *s = open_folder(scratch("way%zu", i));

		if (strchr(links[i].link, '/'))
			CHECK(mkdir(scratch("way%zu/blobs", i), 0755) == 0);
		CHECK(symlink(links[i].target, scratch("way%zu/%s", i, links[i].link)) == 0);
		FAILS(put(s, &d, "out", 3, &err), LUFF_EFORMAT, "out of the folder");
		FAILS(luff_store_remove(s, &d, &err), LUFF_EFORMAT, "out of the folder");
		FAILS(luff_store_change_index(s, increment, NULL, &d, &err), LUFF_EFORMAT,
		      "out of the folder");
		FAILS(luff_store_link(&linked, s, &d, from, &err), LUFF_EFORMAT, "out of the folder");
		OK(luff_store_link(&linked, from, &d, s, &err));
		CHECK(!linked);
		luff_store_unref(s);
	}
	CHECK_INT(count_files(scratch("away")), 1);
	CHECK_INT(count_files(scratch("away/sha256")), 1);
	luff_store_unref(from);
}

/* The same for what comes in, and then links that stay inside. */
static void ingests_nothing_outside(void)
{
	struct luff_digest d = digest_of("sha256", "in", 2);
	struct luff_store *s = open_folder(scratch("ways"));
	struct luff_error err;

	CHECK(mkdir(scratch("ingested"), 0755) == 0);
	rmdir(scratch("ways/ingest")); /* which is there where no file can be made without a name */
	CHECK(symlink("../ingested", scratch("ways/ingest")) == 0);
	FAILS(put(s, &d, "in", 2, &err), LUFF_EFORMAT, "ingest is a link that leads out of the folder");
	FAILS(luff_store_change_index(s, increment, NULL, NULL, &err), LUFF_EFORMAT, "out of the folder");
	CHECK_INT(count_files(scratch("ingested")), 0);
	CHECK(unlink(scratch("ways/ingest")) == 0);
	CHECK(mkdir(scratch("ways/elsewhere"), 0755) == 0);
	CHECK(symlink("elsewhere", scratch("ways/blobs")) == 0);
	OK(put(s, &d, "in", 2, &err));
	CHECK_INT(count_files(scratch("ways/elsewhere/sha256")), 1);
	OK(get(s, &d, 0, "in", 2, &err));
	OK(luff_store_remove(s, &d, &err));
	luff_store_unref(s);
}

/* A kernel without openat2 follows no links at all. */
static void follow_none_on_old_kernels(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
	struct luff_digest d = digest_of("sha256", "old", 3);
	struct luff_store *s = open_folder(scratch("old"));
	struct luff_error err;
	int64_t size;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		_exit(SKIPPED);
	OK(put(s, &d, "old", 3, &err));
	OK(get(s, &d, 0, "old", 3, &err));
	CHECK(rename(scratch("old/blobs"), scratch("old-blobs")) == 0);
	CHECK(symlink("../old-blobs", scratch("old/blobs")) == 0);
	CHECK(luff_store_stat(&size, s, &d, &err) < 0);
	CHECK(luff_store_remove(s, &d, &err) < 0);
	CHECK(put(s, &d, "old", 3, &err) < 0);
	CHECK_INT(count_files(scratch("old-blobs/sha256")), 1);
	luff_store_unref(s);
}

static void follows_none_on_old_kernels(void)
{
	int status = in_child(follow_none_on_old_kernels);

	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		fprintf(stderr, "store: no system call can be refused here, old kernels are not tried\n");
	else
		CHECK_INT(status, 0);
}

/* ---- layouts that go ---- */

static void unmakes_what_is_empty(void)
{
	struct luff_digest d = digest_of("sha256", "kept", 4);
	struct luff_store *s;
	struct luff_store_writer *w;
	struct luff_error err;
	int lock;

	CHECK(!luff_store_unmake_folder(scratch("unmade")));
	luff_store_unref(open_folder(scratch("unmade")));
	CHECK(luff_store_unmake_folder(scratch("unmade")));
	CHECK_INT(count_files(scratch("unmade")), -1);
	s = open_folder(scratch("unmade"));
	/* somebody is writing, or is about to change index.json, or has written */
	w = begin(s, true, LUFF_SHA256, "kept", 4, &err);
	CHECK(!luff_store_unmake_folder(scratch("unmade")));
	luff_store_writer_abort(w);
	luff_store_unref(s);
	s = open_folder(scratch("unmade"));
	lock = open(scratch("unmade/oci-layout"), O_RDWR | O_CLOEXEC);
	CHECK(flock(lock, LOCK_EX) == 0);
	CHECK(!luff_store_unmake_folder(scratch("unmade")));
	close(lock);
	OK(put(s, &d, "kept", 4, &err));
	CHECK(!luff_store_unmake_folder(scratch("unmade")));
	OK(get(s, &d, 0, "kept", 4, &err));
	CHECK_INT(count_files(scratch("unmade")), 4);
	luff_store_unref(s);
}

/* What is written into a layout that goes says so, rather than to go with it. */
static void writes_nothing_into_what_goes(void)
{
	struct luff_digest d = digest_of("sha256", "late", 4), other = digest_of("sha256", "linked", 6);
	struct luff_store *s = open_folder(scratch("gone")), *from = open_folder(scratch("stays"));
	struct luff_error err;
	bool linked;

	OK(put(from, &other, "linked", 6, &err));
	CHECK(unlink(scratch("gone/oci-layout")) == 0);
	FAILS(put(s, &d, "late", 4, &err), LUFF_ENOTFOUND, "oci-layout");
	CHECK_INT(count_files(scratch("gone/ingest")), 0);
	FAILS(luff_store_link(&linked, s, &other, from, &err), LUFF_ENOTFOUND, "oci-layout");
	CHECK(!linked);
	luff_store_unref(s);
	s = open_folder(scratch("gone"));
	OK(put(s, &d, "late", 4, &err));
	luff_store_unref(s);
	luff_store_unref(from);
}

static void *increment_once(void *arg)
{
	struct luff_error err;

	OK(luff_store_change_index(arg, increment, NULL, NULL, &err));
	return NULL;
}

/* Whoever waited for a lock that went with its file waits for the one that others have now. */
static void locks_what_others_lock(void)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	struct luff_store *s = open_folder(scratch("relocked"));
	int old = open(scratch("relocked/oci-layout"), O_RDWR | O_CLOEXEC), fresh;
	LUFF_AUTO(text) text = NULL;
	pthread_t thread;

	CHECK(flock(old, LOCK_EX) == 0);
	CHECK(pthread_create(&thread, NULL, increment_once, s) == 0);
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	CHECK(unlink(scratch("relocked/oci-layout")) == 0);
	write_file(scratch("relocked/oci-layout"), layout, strlen(layout));
	fresh = open(scratch("relocked/oci-layout"), O_RDWR | O_CLOEXEC);
	CHECK(flock(fresh, LOCK_EX) == 0);
	close(old);
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	text = read_file(scratch("relocked/index.json"));
	CHECK(text && !strstr(text, "\"n\""));
	close(fresh);
	pthread_join(thread, NULL);
	CHECK_INT(count_in(s), 1);
	luff_store_unref(s);
}

struct unmaker {
	char above[512], path[1024];
	atomic_bool stop;
};

static void *unmake_often(void *arg)
{
	struct unmaker *u = arg;

	while (!atomic_load(&u->stop)) {
		luff_store_unmake_folder(u->path);
		rmdir(u->above);
	}
	return NULL;
}

static bool comes_back(const char *path)
{
	for (int i = 0; i < 1000 && access(path, F_OK) < 0; i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return access(path, F_OK) == 0;
}

/* Whatever the moment at which somebody takes it away: it is there once it is open, or it is made again, and holds what came in. */
static void makes_what_others_unmake(void)
{
	struct luff_digest d = digest_of("sha256", "raced", 5);
	struct unmaker u = {.stop = false};
	pthread_t thread;

	snprintf(u.above, sizeof u.above, "%s", scratch("above"));
	snprintf(u.path, sizeof u.path, "%s/below", u.above);
	CHECK(pthread_create(&thread, NULL, unmake_often, &u) == 0);
	for (int i = 0; i < 40; i++) {
		struct luff_store *s = NULL;
		struct luff_error err;
		int rc;

		/* made, unmade, found there, gone a moment later */
		for (int k = 0; k < 10 && OK(luff_store_open_folder(&s, u.path, true, &err)); k++)
			luff_store_unref(luff_take(s));
		do {
			luff_store_unref(s);
			if (!OK(luff_store_open_folder(&s, u.path, true, &err)))
				break;
			err = (struct luff_error){0};
			rc = put(s, &d, "raced", 5, &err);
		} while (rc == LUFF_ENOTFOUND);
		luff_store_unref(s);
		/* unmade by nobody, so that anybody finds it */
		if (OK(luff_store_open_folder(&s, u.path, true, &err)))
			OK(get(s, &d, 0, "raced", 5, &err));
		/* who took it away may still be putting it back */
		CHECK(comes_back(scratch("above/below/oci-layout")));
		CHECK(comes_back(scratch("above/below/index.json")));
		OK(luff_store_remove(s, &d, &err));
		luff_store_unref(s);
		CHECK(rmdir(scratch("above/below/blobs/sha256")) == 0 &&
		      rmdir(scratch("above/below/blobs")) == 0);
	}
	atomic_store(&u.stop, true);
	pthread_join(thread, NULL);
}

/* What is no file must not be waited for. */
static void refuses_odd_files(void)
{
	struct luff_digest d = digest_of("sha256", "odd", 3);
	struct luff_store *s = open_folder(scratch("odd"));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(fd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct luff_error err;
	int64_t size;
	size_t len;

	OK(put(s, &d, "odd", 3, &err));
	CHECK(unlink(scratch("odd/%s", blob_at(&d))) == 0 &&
	      mkfifo(scratch("odd/%s", blob_at(&d)), 0644) == 0);
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_EFORMAT, "no regular file");
	FAILS(get(s, &d, 0, "", 0, &err), LUFF_EFORMAT, "no regular file");
	CHECK(unlink(scratch("odd/%s", blob_at(&d))) == 0 &&
	      mkdir(scratch("odd/%s", blob_at(&d)), 0755) == 0);
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_EFORMAT, "no regular file");
	FAILS(put(s, &d, "odd", 3, &err), LUFF_EIO, d.text);
	CHECK(rmdir(scratch("odd/%s", blob_at(&d))) == 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", scratch("odd/s"));
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
	CHECK(rename(scratch("odd/s"), scratch("odd/%s", blob_at(&d))) == 0);
	FAILS(luff_store_stat(&size, s, &d, &err), LUFF_EIO, d.text);
	CHECK(unlink(scratch("odd/index.json")) == 0 && mkfifo(scratch("odd/index.json"), 0644) == 0);
	FAILS(luff_store_read_index(&text, &len, s, &err), LUFF_EFORMAT, "no regular file");
	CHECK(unlink(scratch("odd/index.json")) == 0);
	FAILS(luff_store_read_index(&text, &len, s, &err), LUFF_ENOTFOUND, "index.json");
	OK(luff_store_change_index(s, increment, NULL, NULL, &err));
	OK(luff_store_read_index(&text, &len, s, &err));
	CHECK_STR(text, "{\"n\":1}");
	free(text);
	write_file(scratch("odd/index.json"), "", 0);
	CHECK(truncate(scratch("odd/index.json"), (off_t)INDEX_MAX + 1) == 0);
	FAILS(luff_store_read_index(&text, &len, s, &err), LUFF_ELIMIT, "index.json");
	luff_store_unref(s);
}

static void die_while_writing(void)
{
	struct luff_store *s = open_folder(scratch("killed"));
	struct luff_error err;

	CHECK(begin(s, true, LUFF_SHA256, "half", 4, &err));
	CHECK(begin(s, true, LUFF_SHA256, "", 0, &err));
	raise(SIGKILL);
}

/* A killed writer's files go when the next one comes; those of a living one stay. */
static void sweeps_up(void)
{
	struct luff_digest d = digest_of("sha256", "living", 6);
	struct luff_store *s = open_folder(scratch("killed")), *other;
	struct luff_store_writer *w;
	struct luff_error err;

	w = begin(s, true, LUFF_SHA256, "living", 6, &err);
	CHECK(WTERMSIG(in_child(die_while_writing)) == SIGKILL);
	CHECK_INT(count_files(scratch("killed/ingest")), 3);
	/* so do those of other tools, which lock nothing (oras: a digest and a number) */
	write_file(scratch("killed/ingest/%s_123", luff_digest_hex(&d)), "", 0);
	write_file(scratch("killed/ingest/0123456789abcdef0123456789ABCDEF"), "", 0);
	other = open_folder(scratch("killed"));
	CHECK_INT(count_files(scratch("killed/ingest")), 5);
	luff_store_writer_abort(begin(other, true, LUFF_SHA256, "x", 1, &err));
	CHECK_INT(count_files(scratch("killed/ingest")), 3);
	luff_store_unref(other);
	CHECK(unlink(scratch("killed/ingest/%s_123", luff_digest_hex(&d))) == 0);
	CHECK(unlink(scratch("killed/ingest/0123456789abcdef0123456789ABCDEF")) == 0);
	OK(luff_store_writer_commit(w, &d, &err));
	OK(get(s, &d, 0, "living", 6, &err));
	luff_store_unref(s);
	CHECK_INT(count_files(scratch("killed/ingest")), -1);
}

/* ---- what breaks off ---- */

#define PARTED ((size_t)3 << 20)

static const char *part_path(const char *store, const struct luff_digest *d)
{
	return scratch("%s/ingest/sha256-%s.part", store, luff_digest_hex(d));
}

/* Writes the first `len` of the blob's `size` bytes. */
static struct luff_store_writer *grow(struct luff_store *s, const struct luff_digest *d, size_t size,
				      const char *bytes, size_t len, struct luff_error *err)
{
	struct luff_descriptor blob = {.digest = *d, .size = (int64_t)size};
	struct luff_store_writer *w = NULL;

	CHECK(luff_store_grow(&w, s, &blob, err) == 0);
	CHECK(len == 0 || luff_store_writer_append(w, bytes, len, err) == 0);
	return w;
}

/* What is kept of d is the first `len` bytes, or nothing. */
static void check_kept(struct luff_store *s, const struct luff_digest *d, const char *bytes, size_t len)
{
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(text) have = malloc(len + 1);
	size_t done = 0, n = 1;
	struct luff_error err;
	int64_t size;

	OK(luff_store_kept(&r, &size, s, d, &err));
	CHECK_INT(size, len);
	CHECK((r != NULL) == (len > 0));
	while (r && n > 0 && done <= len) {
		OK(luff_reader_read(&n, r, have + done, len + 1 - done, &err));
		done += n;
	}
	CHECK(done == len && memcmp(have, bytes, len) == 0);
}

static void goes_on_where_it_broke_off(void)
{
	struct luff_store *s = open_folder(scratch("parts"));
	LUFF_AUTO(text) bytes = some_bytes(PARTED);
	struct luff_digest d = digest_of("sha256", bytes, PARTED);
	struct luff_store_writer *w, *second;
	struct luff_error err;

	check_kept(s, &d, bytes, 0);
	w = grow(s, &d, PARTED, bytes, 100000, &err);
	/* not while somebody writes it, nor can anybody else */
	check_kept(s, &d, bytes, 0);
	second = grow(s, &d, PARTED, bytes, PARTED, &err);
	CHECK_INT(count_files(scratch("parts/ingest")), 2);
	luff_store_writer_leave(w);
	check_kept(s, &d, bytes, 100000);
	/* another writer, which breaks off before it comes so far, and one that comes farther */
	luff_store_writer_leave(grow(s, &d, PARTED, bytes, 999, &err));
	check_kept(s, &d, bytes, 100000);
	luff_store_writer_leave(grow(s, &d, PARTED, bytes, 2000001, &err));
	check_kept(s, &d, bytes, 2000001);
	OK(luff_store_writer_commit(grow(s, &d, PARTED, bytes, PARTED, &err), &d, &err));
	OK(get(s, &d, 0, bytes, PARTED, &err));
	check_kept(s, &d, bytes, 0);
	OK(luff_store_writer_commit(second, &d, &err));
	OK(get(s, &d, 0, bytes, PARTED, &err));
	OK(luff_store_remove(s, &d, &err));
	CHECK_INT(count_files(scratch("parts/ingest")), 0);
	luff_store_unref(s);
	CHECK_INT(count_files(scratch("parts/ingest")), -1);
}

/* Whatever is there, what was appended is what is committed. */
static void believes_no_part(void)
{
	struct luff_store *s = open_folder(scratch("damaged"));
	LUFF_AUTO(text) bytes = some_bytes(PARTED);
	LUFF_AUTO(text) longer = some_bytes(PARTED + 5000);
	static const size_t wrong[] = {0, 16383, 16384, 1500000, PARTED - 1, PARTED};
	struct luff_digest d = digest_of("sha256", bytes, PARTED);
	struct luff_error err;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		luff_store_writer_leave(grow(s, &d, PARTED, bytes, 1, &err));
		longer[wrong[i]] ^= 1;
		write_file(part_path("damaged", &d), longer, PARTED + 5000);
		longer[wrong[i]] ^= 1;
		OK(luff_store_writer_commit(grow(s, &d, PARTED, bytes, PARTED, &err), &d, &err));
		OK(get(s, &d, 0, bytes, PARTED, &err));
		OK(luff_store_remove(s, &d, &err));
	}
	CHECK_INT(count_files(scratch("damaged/ingest")), 0);
	luff_store_unref(s);
}

/* Small ones, those that were wrong, and those of which nothing came. */
static void keeps_no_more_than_it_should(void)
{
	struct luff_store *s = open_folder(scratch("parts"));
	LUFF_AUTO(text) bytes = some_bytes(PARTED);
	struct luff_digest d = digest_of("sha256", bytes, PARTED);
	struct luff_error err;

	luff_store_writer_leave(grow(s, &d, (1 << 20) - 1, bytes, 100000, &err));
	luff_store_writer_leave(grow(s, &d, PARTED, bytes, 0, &err));
	luff_store_writer_leave(begin(s, true, LUFF_SHA256, bytes, 100000, &err));
	CHECK_INT(count_files(scratch("parts/ingest")), 0);
	luff_store_writer_leave(grow(s, &d, PARTED, bytes, 100000, &err));
	luff_store_writer_abort(grow(s, &d, PARTED, bytes, 100001, &err));
	CHECK_INT(count_files(scratch("parts/ingest")), 0);
	luff_store_unref(s);
}

static void die_in_a_part(void)
{
	struct luff_store *s = open_folder(scratch("parts"));
	LUFF_AUTO(text) bytes = some_bytes(PARTED);
	struct luff_digest d = digest_of("sha256", bytes, PARTED);
	struct luff_error err;

	CHECK(grow(s, &d, PARTED, bytes, 1234567, &err));
	raise(SIGKILL);
}

static void sweep(const char *name)
{
	struct luff_store *s = open_folder(scratch("%s", name));
	struct luff_error err;

	luff_store_writer_abort(begin(s, true, LUFF_SHA256, "x", 1, &err));
	luff_store_unref(s);
}

static void keeps_parts_for_a_while(void)
{
	LUFF_AUTO(text) bytes = some_bytes(PARTED);
	struct luff_digest d = digest_of("sha256", bytes, PARTED), other = digest_of("sha256", "other", 5);
	struct timespec times[2] = {{.tv_sec = time(NULL) - 8 * 86400}, {.tv_sec = time(NULL) - 8 * 86400}};
	struct luff_store *s = open_folder(scratch("parts"));
	struct luff_error err;

	CHECK(WTERMSIG(in_child(die_in_a_part)) == SIGKILL);
	check_kept(s, &d, bytes, 1234567);
	sweep("parts");
	check_kept(s, &d, bytes, 1234567);
	/* a week later */
	CHECK(utimensat(AT_FDCWD, part_path("parts", &d), times, 0) == 0);
	sweep("parts");
	check_kept(s, &d, bytes, 0);
	/* somebody else wrote the blob; what is no part of ours stays */
	CHECK(WTERMSIG(in_child(die_in_a_part)) == SIGKILL);
	OK(put(s, &d, bytes, PARTED, &err));
	write_file(scratch("parts/ingest/sha256-123.part"), "", 0);
	write_file(part_path("parts", &other), "oth", 3);
	sweep("parts");
	check_kept(s, &d, bytes, 0);
	check_kept(s, &other, "oth", 3);
	CHECK_INT(count_files(scratch("parts/ingest")), 2);
	luff_store_unref(s);
}

/* A part is written to: it must be no other file by another name. */
static void takes_no_link_for_a_part(void)
{
	struct luff_store *s = open_folder(scratch("linked-parts"));
	LUFF_AUTO(text) bytes = some_bytes(PARTED);
	struct luff_digest d = digest_of("sha256", bytes, PARTED), victim = digest_of("sha256", bytes, 5000);
	const char *part;
	char *blob = strdup(scratch("linked-parts/blobs/sha256/%s", luff_digest_hex(&victim)));
	struct luff_error err;

	OK(put(s, &victim, bytes, 5000, &err));
	luff_store_writer_leave(grow(s, &d, PARTED, bytes, 1, &err));
	for (int i = 0; i < 3; i++) {
		part = part_path("linked-parts", &d);
		CHECK(unlink(part) == 0);
		CHECK((i == 0 ? symlink(blob, part) : i == 1 ? link(blob, part) : mkfifo(part, 0644)) == 0);
		check_kept(s, &d, bytes, 0);
		OK(luff_store_writer_commit(grow(s, &d, PARTED, bytes, PARTED, &err), &d, &err));
		OK(get(s, &victim, 0, bytes, 5000, &err));
		OK(get(s, &d, 0, bytes, PARTED, &err));
		OK(luff_store_remove(s, &d, &err));
	}
	free(blob);
	luff_store_unref(s);
}

static void increment_from_afar(void)
{
	struct luff_store *s = open_folder(scratch("shared"));

	increment_often(s);
	increment_often(s);
	luff_store_unref(s);
}

static void keeps_processes_apart(void)
{
	struct luff_store *s = open_folder(scratch("shared"));
	pid_t pids[3];
	int status;

	for (size_t i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			increment_from_afar();
			_exit(check_end());
		}
	}
	increment_often(s);
	for (size_t i = 0; i < 3; i++)
		CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
	CHECK_INT(count_in(s), 175);
	luff_store_unref(s);
	CHECK_INT(count_files(scratch("shared")), 2);
}

static void work_until_killed(void)
{
	struct luff_store *s = open_folder(scratch("crash"));
	char *bytes = some_bytes(300000);
	struct luff_error err;

	for (size_t i = 0;; i++) {
		struct luff_digest d;

		memcpy(bytes, &i, sizeof i);
		d = digest_of("sha256", bytes, 200000 + i);
		OK(put(s, &d, bytes, 200000 + i, &err));
		OK(luff_store_change_index(s, increment, NULL, NULL, &err));
	}
}

/* Whatever the moment: each blob that can be seen is whole, and so is the index. */
static void survives_kills(void)
{
	struct luff_store *s = open_folder(scratch("crash"));
	struct luff_error err;
	struct dirent *entry;
	int before = 0, blobs = 0;
	DIR *dir;

	OK(luff_store_change_index(s, increment, NULL, NULL, &err));
	for (int i = 0; i < 15; i++) {
		pid_t pid = fork();

		if (pid == 0)
			work_until_killed();
		nanosleep(&(struct timespec){.tv_nsec = 3000000L * i + 1000000}, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		CHECK(count_in(s) >= before);
		before = count_in(s);
	}
	dir = opendir(scratch("crash/blobs/sha256"));
	while (dir && (entry = readdir(dir))) {
		LUFF_AUTO(reader) r = NULL;
		struct luff_digest d;
		char text[512];
		int64_t size;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(text, sizeof text, "sha256:%s", entry->d_name);
		OK(luff_digest_parse(&d, text, &err));
		OK(luff_store_stat(&size, s, &d, &err));
		OK(luff_store_fetch(&r, s, &d, 0, &err));
		OK(luff_reader_open_verify(&r, r, NULL, &d, size, &err));
		OK(luff_reader_drain(r, &err));
		blobs++;
	}
	closedir(dir);
	CHECK(blobs > 0 && before > 0);
	luff_store_unref(s);
	s = open_folder(scratch("crash"));
	OK(luff_store_change_index(s, increment, NULL, NULL, &err));
	luff_store_unref(s);
	CHECK_INT(count_files(scratch("crash")), 3);
}

/* Nothing is left of what did not fit, and what was there stays. */
static void fill_a_disk(void)
{
	struct luff_digest small = digest_of("sha256", "small", 5), large;
	LUFF_AUTO(text) bytes = some_bytes(3 << 20);
	struct luff_store *s;
	struct luff_error err;
	size_t size = 3 << 20;
	char place[512];

	snprintf(place, sizeof place, "%s", scratch("full"));
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", place, "tmpfs", 0, "size=1m") < 0)
		_exit(SKIPPED);
	s = open_folder(scratch("full"));
	large = digest_of("sha256", bytes, size);
	for (int i = 0; i < 3; i++) {
		OK(put(s, &small, "small", 5, &err));
		FAILS(put(s, &large, bytes, size, &err), LUFF_EIO, "No space left");
		CHECK_INT(err.sys_errno, ENOSPC);
		CHECK_INT(count_files(scratch("full/ingest")), 0);
		OK(luff_store_change_index(s, increment, NULL, NULL, &err));
		FAILS(luff_store_change_index(s, swell, &size, NULL, &err), LUFF_EIO, "No space left");
		CHECK_INT(count_in(s), i + 1);
		CHECK_INT(count_files(scratch("full/ingest")), 0);
		OK(get(s, &small, 0, "small", 5, &err));
	}
	CHECK_INT(count_files(scratch("full/blobs/sha256")), 1);
	luff_store_unref(s);
	/* now without an inode left */
	CHECK(mount("tmpfs", place, "tmpfs", 0, "size=1m,nr_inodes=2") == 0);
	FAILS(luff_store_open_folder(&s, place, true, &err), LUFF_EIO, "No space left");
	CHECK(mount(NULL, place, NULL, MS_REMOUNT, "size=1m,nr_inodes=20") == 0);
	OK(luff_store_open_folder(&s, place, true, &err));
	luff_store_unref(s);
	/* and where nothing can be written at all */
	CHECK(mount(NULL, place, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	OK(luff_store_open_folder(&s, place, true, &err));
	FAILS(put(s, &small, "small", 5, &err), LUFF_EIO, "cannot");
	CHECK_INT(err.sys_errno, EROFS);
	FAILS(luff_store_change_index(s, increment, NULL, NULL, &err), LUFF_EIO, "cannot write");
	luff_store_unref(s);
}

static void survives_full_disks(void)
{
	int status;

	CHECK(mkdir(scratch("full"), 0755) == 0);
	status = in_child(fill_a_disk);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		fprintf(stderr, "store: no tmpfs can be mounted here, full disks are not tried\n");
	else
		CHECK_INT(status, 0);
}

/* The process's own limit stands for a file system that takes no file this large. */
static void write_too_much(void)
{
	struct luff_store *s = open_folder(scratch("limit"));
	struct rlimit limit = {100000, 100000};
	char *bytes = some_bytes(300000);
	struct luff_digest d = digest_of("sha256", bytes, 300000);
	struct luff_error err;

	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	FAILS(put(s, &d, bytes, 300000, &err), LUFF_EIO, "File too large");
	CHECK_INT(count_files(scratch("limit/ingest")), 0);
	luff_store_unref(s);
	CHECK_INT(count_files(scratch("limit")), 2);
}

static void read_as_guest(void)
{
	struct luff_digest d = digest_of("sha256", "seen", 4);
	struct luff_store *s = NULL;
	struct luff_error err;

	if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(SKIPPED);
	OK(luff_store_open_folder(&s, scratch("guest"), true, &err));
	OK(get(s, &d, 0, "seen", 4, &err));
	CHECK_INT(count_in(s), 1);
	d = digest_of("sha256", "mine", 4);
	FAILS(put(s, &d, "mine", 4, &err), LUFF_EIO, "Permission denied");
	FAILS(luff_store_change_index(s, increment, NULL, NULL, &err), LUFF_EIO, "Permission denied");
	luff_store_unref(s);
	FAILS(luff_store_open_folder(&s, scratch("guest/sub/folder"), true, &err), LUFF_EIO,
	      "cannot make the folder");
}

static void reads_where_it_may_not_write(void)
{
	struct luff_digest d = digest_of("sha256", "seen", 4);
	struct luff_store *s = open_folder(scratch("guest"));
	struct luff_error err;

	OK(put(s, &d, "seen", 4, &err));
	OK(luff_store_change_index(s, increment, NULL, NULL, &err));
	luff_store_unref(s);
	CHECK(chmod(scratch_root, 0755) == 0 && chmod(scratch("guest"), 0555) == 0);
	CHECK_INT(in_child(read_as_guest), 0);
	CHECK(chmod(scratch("guest"), 0755) == 0);
}

int main(void)
{
	struct luff_store *folder, *folder2, *memory, *memory2;
	struct luff_error err;
	int before;

	alarm(100); /* whoever waits for a FIFO is found out */
	CHECK(luff_init(&err) == 0);
	before = count_open();
	sweeps_up();
	goes_on_where_it_broke_off();
	believes_no_part();
	keeps_no_more_than_it_should();
	keeps_parts_for_a_while();
	takes_no_link_for_a_part();
	keeps_processes_apart();
	survives_kills();
	survives_full_disks();
	CHECK_INT(in_child(write_too_much), 0);
	reads_where_it_may_not_write();
	folder = open_folder(scratch("one"));
	folder2 = open_folder(scratch("two"));
	memory = new_memory(8 << 20);
	OK(luff_store_new_memory(&memory2, 0, memory, &err));
	suite(folder, folder2, memory);
	suite(memory, memory2, folder);
	luff_store_unref(folder);
	luff_store_unref(folder2);
	luff_store_unref(memory);
	luff_store_unref(memory2);
	CHECK_INT(count_files(scratch("one")), 3);
	takes_uploads_up();
	keeps_to_its_cap();
	counts_what_is_read();
	has_no_files();
	opens_folders();
	follows_links_inside();
	writes_nothing_outside();
	ingests_nothing_outside();
	follows_none_on_old_kernels();
	unmakes_what_is_empty();
	writes_nothing_into_what_goes();
	locks_what_others_lock();
	makes_what_others_unmake();
	refuses_odd_files();
	CHECK_INT(count_open(), before);
	luff_shutdown();
	return check_end();
}
