/* See write.h. */
#include "fs/write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define BLOCK 512
#define PAX_MAX ((size_t)1 << 20)

/* "LEN key=value\n", where LEN counts itself. */
static int add_record(struct luff_buffer *b, const char *key, const char *name, const void *value, size_t len,
		      struct luff_error *err)
{
	size_t rest = strlen(key) + strlen(name) + len + 3, size = rest + 1, digits = 0;
	int rc;

	while (size != rest + digits) {
		digits = (size_t)snprintf(NULL, 0, "%zu", size);
		if (size != rest + digits)
			size = rest + digits;
		digits = (size_t)snprintf(NULL, 0, "%zu", size);
	}
	rc = luff_buffer_printf(b, err, "%zu %s%s=", size, key, name);
	if (rc == 0)
		rc = luff_buffer_append(b, value, len, err);
	return rc < 0 ? rc : luff_buffer_append(b, "\n", 1, err);
}

static int add_text(struct luff_buffer *b, const char *key, const char *text, size_t room,
		    struct luff_error *err)
{
	return strlen(text) > room ? add_record(b, key, "", text, strlen(text), err) : 0;
}

static int add_number(struct luff_buffer *b, const char *key, int64_t n, int64_t most, struct luff_error *err)
{
	char text[32];

	if (n <= most)
		return 0;
	snprintf(text, sizeof text, "%" PRId64, n);
	return add_record(b, key, "", text, strlen(text), err);
}

static int add_time(struct luff_buffer *b, const struct luff_entry *e, struct luff_error *err)
{
	char text[48];
	int64_t seconds = e->mtime;
	int32_t ns = e->mtime_ns;
	bool negative = seconds < 0;

	if (ns == 0 && !negative && seconds <= 077777777777)
		return 0;
	if (negative && ns > 0) { /* -2 and .75 are -1.25 */
		seconds++;
		ns = 1000000000 - ns;
	}
	snprintf(text, sizeof text, "%s%" PRId64 ".%09" PRId32, negative ? "-" : "",
		 negative ? -seconds : seconds, ns);
	if (ns == 0)
		text[strlen(text) - 10] = '\0';
	return add_record(b, "mtime", "", text, strlen(text), err);
}

static int compare(const void *a, const void *b)
{
	return strcmp((*(const struct luff_xattr *const *)a)->name,
		      (*(const struct luff_xattr *const *)b)->name);
}

static int add_xattrs(struct luff_buffer *b, const struct luff_entry *e, struct luff_error *err)
{
	const struct luff_xattr **list = calloc(e->xattr_count + 1, sizeof *list);
	int rc = 0;

	if (!list)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < e->xattr_count; i++)
		list[i] = &e->xattrs[i];
	qsort(list, e->xattr_count, sizeof *list, compare);
	for (size_t i = 0; rc == 0 && i < e->xattr_count; i++)
		rc = add_record(b, "SCHILY.xattr.", list[i]->name, list[i]->value, list[i]->len, err);
	free(list);
	return rc;
}

static void octal(unsigned char *p, int digits, int64_t n)
{
	char text[32];

	snprintf(text, sizeof text, "%0*" PRIo64, digits, (uint64_t)n);
	memcpy(p, text, (size_t)digits);
}

static void text_field(unsigned char *p, size_t room, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len < room ? len : room);
}

static int add_block(struct luff_buffer *out, const struct luff_entry *e, char flag, int64_t size,
		     struct luff_error *err)
{
	unsigned char h[BLOCK] = {0};
	int64_t seconds = e->mtime < 0 ? 0 : e->mtime > 077777777777 ? 077777777777 : e->mtime;
	unsigned sum = 0;

	text_field(h, 100, e->path);
	octal(h + 100, 7, e->mode);
	octal(h + 108, 7, e->uid > 07777777 ? 0 : e->uid);
	octal(h + 116, 7, e->gid > 07777777 ? 0 : e->gid);
	octal(h + 124, 11, size > 077777777777 ? 0 : size);
	octal(h + 136, 11, seconds);
	memset(h + 148, ' ', 8);
	h[156] = (unsigned char)flag;
	text_field(h + 157, 100, e->link);
	memcpy(h + 257, "ustar\00000", 8);
	text_field(h + 265, 31, e->user);
	text_field(h + 297, 31, e->group);
	octal(h + 329, 7, e->major);
	octal(h + 337, 7, e->minor);
	for (int i = 0; i < BLOCK; i++)
		sum += h[i];
	octal(h + 148, 6, sum);
	h[154] = 0;
	return luff_buffer_append(out, h, BLOCK, err);
}

int luff_tar_write_entry(struct luff_buffer *out, const struct luff_entry *e, struct luff_error *err)
{
	__attribute__((cleanup(luff_auto_buffer))) struct luff_buffer pax;
	static const char flags[] = "0123456", zeros[BLOCK];
	int rc;

	luff_buffer_init(&pax, PAX_MAX);
	rc = add_text(&pax, "path", e->path, 100, err);
	if (rc == 0)
		rc = add_text(&pax, "linkpath", e->link, 100, err);
	if (rc == 0)
		rc = add_text(&pax, "uname", e->user, 31, err);
	if (rc == 0)
		rc = add_text(&pax, "gname", e->group, 31, err);
	if (rc == 0)
		rc = add_number(&pax, "uid", e->uid, 07777777, err);
	if (rc == 0)
		rc = add_number(&pax, "gid", e->gid, 07777777, err);
	if (rc == 0)
		rc = add_number(&pax, "size", e->size, 077777777777, err);
	if (rc == 0)
		rc = add_time(&pax, e, err);
	if (rc == 0)
		rc = add_xattrs(&pax, e, err);
	if (rc == 0 && pax.len > 0) {
		struct luff_entry extended = {
			.path = "PaxHeaders/entry", .link = "", .user = "", .group = "", .mode = 0644};

		rc = add_block(out, &extended, 'x', (int64_t)pax.len, err);
		if (rc == 0)
			rc = luff_buffer_append(out, pax.data, pax.len, err);
		if (rc == 0)
			rc = luff_buffer_append(out, zeros, -pax.len & (BLOCK - 1), err);
	}
	return rc < 0 ? rc : add_block(out, e, flags[e->type], e->size, err);
}
