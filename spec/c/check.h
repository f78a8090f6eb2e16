/*
 * What the C units stand on: checks that say what they saw and go on, so that one run shows all that is wrong, and a
 * scratch folder. A unit's main() ends with `return check_end();`. Checks may be made on any thread.
 */
#ifndef LUFF_SPEC_CHECK_H
#define LUFF_SPEC_CHECK_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luff.h"

#define SKIPPED 77 /* exit code of a unit whose surroundings do not let it run */

static atomic_int check_failures;

__attribute__((format(printf, 3, 4), unused)) static bool check_note(const char *file, int line,
								     const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	atomic_fetch_add(&check_failures, 1);
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
	return false;
}

#define CHECK(condition) ((condition) ? true : check_note(__FILE__, __LINE__, "not so: %s", #condition))
#define CHECK_STR(have, want) check_str(__FILE__, __LINE__, #have, have, want)
#define CHECK_INT(have, want) check_int(__FILE__, __LINE__, #have, have, want)

/*
 * Calls that take `&err`, where err is a local: OK wants 0 and an untouched err; FAILS wants the code, in both places,
 * and one printable line with `part` in it.
 */
#define OK(call) (err = check_untouched, check_ok(__FILE__, __LINE__, #call, call, &err))
#define FAILS(call, want, part)                                                                              \
	(err = (struct luff_error){0}, check_fails(__FILE__, __LINE__, #call, call, &err, want, part))

static const struct luff_error check_untouched = {.code = 4711, .msg = "untouched"};

__attribute__((unused)) static bool check_str(const char *file, int line, const char *what, const char *have,
					      const char *want)
{
	if (have && want && strcmp(have, want) == 0)
		return true;
	return check_note(file, line, "%s is \"%s\", not \"%s\"", what, have ? have : "(null)",
			  want ? want : "(null)");
}

__attribute__((unused)) static bool check_int(const char *file, int line, const char *what, int64_t have,
					      int64_t want)
{
	return have == want || check_note(file, line, "%s is %" PRId64 ", not %" PRId64, what, have, want);
}

__attribute__((unused)) static bool check_ok(const char *file, int line, const char *call, int rc,
					     const struct luff_error *err)
{
	if (rc != 0)
		return check_note(file, line, "%s: %s: %s", call, luff_error_name(rc), err->msg);
	if (err->code != check_untouched.code || strcmp(err->msg, check_untouched.msg) != 0)
		return check_note(file, line, "%s: a success that wrote into err: %s", call, err->msg);
	return true;
}

__attribute__((unused)) static bool check_fails(const char *file, int line, const char *call, int rc,
						const struct luff_error *err, int want, const char *part)
{
	if (rc != want || err->code != want)
		return check_note(file, line, "%s: %s (err: %s), not %s: %s", call,
				  rc ? luff_error_name(rc) : "success", luff_error_name(err->code),
				  luff_error_name(want), err->msg);
	for (const char *p = err->msg; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return check_note(file, line, "%s: a control character in \"%s\"", call, err->msg);
	}
	return strstr(err->msg, part) ||
	       check_note(file, line, "%s: no \"%s\" in \"%s\"", call, part, err->msg);
}

/* ---- files ---- */

static char scratch_root[256];
static pid_t scratch_owner;

__attribute__((unused)) static int scratch_drop(const char *path, const struct stat *st, int kind,
						struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

__attribute__((unused)) static void scratch_remove(void)
{
	if (scratch_owner == getpid())
		nftw(scratch_root, scratch_drop, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the process's scratch folder, which goes away at its end. Good for the next seven calls. Main thread. */
__attribute__((format(printf, 1, 2), unused)) static const char *scratch(const char *fmt, ...)
{
	static char paths[8][1024];
	static unsigned turn;
	char *path = paths[turn++ % 8], name[512];
	va_list ap;

	if (!scratch_owner) {
		const char *base = getenv("TMPDIR");

		snprintf(scratch_root, sizeof scratch_root, "%s/luff-unit-XXXXXX", base ? base : "/tmp");
		if (!mkdtemp(scratch_root)) {
			perror(scratch_root);
			exit(1);
		}
		scratch_owner = getpid();
		atexit(scratch_remove);
	}
	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	snprintf(path, sizeof paths[0], "%s/%s", scratch_root, name);
	return path;
}

__attribute__((unused)) static void write_file(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	CHECK(f && fwrite(bytes, 1, len, f) == len);
	CHECK(f && fclose(f) == 0);
}

/* NUL-terminated; free() it. NULL if there is no such file. */
__attribute__((unused)) static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = f ? calloc(1, 1 << 20) : NULL;

	if (text)
		text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
	if (f)
		fclose(f);
	return text;
}

/* Entries of a folder, files and folders, without . and ..; -1 if there is no such folder. */
__attribute__((unused)) static int count_files(const char *path)
{
	DIR *dir = opendir(path);
	int n = -2;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* File descriptors that the process has open. */
__attribute__((unused)) static int count_open(void)
{
	return count_files("/proc/self/fd");
}

static inline int check_end(void)
{
	int failures = atomic_load(&check_failures);

	if (failures)
		fprintf(stderr, "%d checks failed\n", failures);
	return failures ? 1 : 0;
}

#endif
