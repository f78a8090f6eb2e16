/* Tar headers and nothing else: every length is checked against the file before it is believed. */
#include "fs/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"

#define BLOCK 512
#define PAX_MAX (1 << 20) /* bytes of one extended header */
#define LINKS_MAX 16      /* that are followed from one name */

/* Where the fields of a header are (POSIX.1-2017, pax "ustar Interchange Format"). */
#define NAME_AT 0
#define SIZE_AT 124
#define SUM_AT 148
#define TYPE_AT 156
#define LINK_AT 157
#define MAGIC_AT 257
#define PREFIX_AT 345

struct entry {
	char *path;
	char *link; /* NULL: a regular file */
	bool symbolic;
	int64_t offset, size;
};

struct luff_members {
	struct entry *entries; /* sorted by path */
	size_t count, size;
	size_t text; /* bytes of names */
	size_t *files;
	size_t file_count;
};

/* Reading of headers, and what extended headers say of the next one. */
struct scan {
	struct luff_members *members;
	int fd;
	int64_t at, end;
	char *path, *link; /* malloc'ed, NULL: the header's own */
	int64_t size;      /* -1: the header's own */
};

static int damaged(const struct scan *s, const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "the tar is damaged at byte %lld: %s", (long long)s->at, what);
}

static int read_at(const struct scan *s, void *buf, size_t len, int64_t offset, struct luff_error *err)
{
	char *p = buf;

	if ((int64_t)len > s->end - offset)
		return luff_fail(err, LUFF_EFORMAT, "the tar is cut off after %lld bytes", (long long)s->end);
	while (len > 0) {
		ssize_t n = pread(s->fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return luff_fail_errno(err, errno, "cannot read the tar");
		if (n == 0)
			return luff_fail(err, LUFF_EFORMAT, "the tar became shorter while it was read");
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Octal digits, or base 256 where the first bit is set. */
static bool parse_number(int64_t *out, const unsigned char *p, size_t len)
{
	int64_t value = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		if (p[0] != 0x80)
			return false; /* negative, or larger than any file */
		for (i = 1; i < len; i++) {
			if (value > INT64_MAX >> 8)
				return false;
			value = value << 8 | p[i];
		}
		*out = value;
		return true;
	}
	while (i < len && p[i] == ' ')
		i++;
	for (; i < len && p[i] >= '0' && p[i] <= '7'; i++)
		value = value << 3 | (p[i] - '0');
	*out = value;
	for (; i < len; i++) {
		if (p[i] != ' ' && p[i] != '\0')
			return false;
	}
	return true;
}

/* Some old programs summed signed characters. */
static bool is_sum_right(const unsigned char *header)
{
	int64_t want, sum = 0, with_sign = 0;

	for (int i = 0; i < BLOCK; i++) {
		int c = i >= SUM_AT && i < SUM_AT + 8 ? ' ' : header[i];

		sum += c;
		with_sign += (signed char)c;
	}
	return parse_number(&want, header + SUM_AT, 8) && (want == sum || want == with_sign);
}

bool luff_tar_peek(char *type_out, int64_t *size_out, const char *header)
{
	const unsigned char *bytes = (const unsigned char *)header;

	*type_out = header[TYPE_AT];
	return is_sum_right(bytes) && parse_number(size_out, bytes + SIZE_AT, 12) &&
	       *size_out < INT64_MAX - BLOCK;
}

static char *field(const unsigned char *p, size_t len)
{
	return strndup((const char *)p, len);
}

/* The name of a header; malloc'ed. */
static char *header_path(const unsigned char *header)
{
	LUFF_AUTO(text) name = field(header + NAME_AT, 100);
	LUFF_AUTO(text) prefix = NULL;
	char *path = NULL;

	/* only POSIX has the prefix: GNU keeps other things there */
	if (memcmp(header + MAGIC_AT, "ustar\0", 6) != 0 || !header[PREFIX_AT])
		return luff_take(name);
	prefix = field(header + PREFIX_AT, 155);
	if (!name || !prefix || asprintf(&path, "%s/%s", prefix, name) < 0)
		return NULL;
	return path;
}

/*
 * Takes "." and empty components away, in place, from a path below the folder `base` (of a link; "" for the root). False: it leads
 * out of the archive. ".." is resolved for links alone: a name has none.
 */
static bool clean(struct luff_buffer *out, const char *base, const char *path, bool is_link,
		  struct luff_error *err)
{
	bool inside = *path != '/';
	const char *parts[] = {base, path};

	for (int k = 0; inside && k < 2; k++) {
		size_t len;

		for (const char *p = parts[k]; *p; p += len + (p[len] == '/')) {
			len = strcspn(p, "/");
			if (len == 0 || (len == 1 && *p == '.'))
				continue;
			if (len == 2 && p[0] == '.' && p[1] == '.') {
				char *slash = out->len ? strrchr(out->data, '/') : NULL;

				if (!is_link || out->len == 0)
					return false;
				out->len = slash ? (size_t)(slash - out->data) : 0;
				out->data[out->len] = '\0';
				continue;
			}
			if (luff_buffer_printf(out, err, "%s%.*s", out->len ? "/" : "", (int)len, p) < 0)
				return false;
		}
	}
	return inside;
}

static int leads_out(const char *path, struct luff_error *err)
{
	char word[160];

	return luff_fail(err, LUFF_EFORMAT, "the archive has a member that leads out of it: %s",
			 luff_text_printable(word, sizeof word, path));
}

/* `link` is cleaned when it is followed. */
static int add(struct scan *s, const char *path, const char *link, bool symbolic, int64_t size,
	       struct luff_error *err)
{
	struct luff_members *m = s->members;
	struct luff_error longer = {0};
	LUFF_AUTO(buffer) name;
	struct entry *e;

	luff_buffer_init(&name, LUFF_MEMBER_PATH_MAX);
	if (!clean(&name, "", path, false, &longer)) {
		if (longer.code) {
			*err = longer;
			return luff_fail_context(err, "the name of a member");
		}
		return leads_out(path, err);
	}
	if (name.len == 0)
		return damaged(s, "a member without a name", err);
	m->text += name.len + (link ? strlen(link) : 0);
	if (m->count == LUFF_MEMBERS_MAX || m->text > LUFF_MEMBERS_TEXT_MAX)
		return luff_fail(err, LUFF_ELIMIT, "the archive has more than %d members, or too long names",
				 LUFF_MEMBERS_MAX);
	if (m->count == m->size) {
		size_t bigger = m->size ? 2 * m->size : 64;
		struct entry *entries = realloc(m->entries, bigger * sizeof *entries);

		if (!entries)
			return luff_fail_nomem(err);
		m->entries = entries;
		m->size = bigger;
	}
	e = &m->entries[m->count];
	*e = (struct entry){.path = strdup(name.data), .link = link ? strdup(link) : NULL};
	m->count++;
	if (!e->path || (link && !e->link))
		return luff_fail_nomem(err);
	e->symbolic = symbolic;
	e->offset = s->at;
	e->size = size;
	return 0;
}

/* What is in front of a member's content: malloc'ed, NUL-terminated. */
static int read_extension(char **out, const struct scan *s, int64_t size, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	int rc;

	*out = NULL;
	if (size > PAX_MAX)
		return luff_fail(err, LUFF_ELIMIT, "the tar has an extended header of more than %d bytes",
				 PAX_MAX);
	text = malloc((size_t)size + 1);
	if (!text)
		return luff_fail_nomem(err);
	rc = read_at(s, text, (size_t)size, s->at, err);
	if (rc < 0)
		return rc;
	text[size] = '\0';
	*out = luff_take(text);
	return 0;
}

/* GNU's long name: the whole content. */
static int take_name(char **to, struct scan *s, char *text, int64_t size, struct luff_error *err)
{
	if (*to)
		return damaged(s, "two names for one member", err);
	if (size > LUFF_MEMBER_PATH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "the tar has a name of more than %d bytes",
				 LUFF_MEMBER_PATH_MAX);
	*to = strdup(text);
	return *to ? 0 : luff_fail_nomem(err);
}

static int take_record(struct scan *s, const char *key, char *value, size_t len, bool global,
		       struct luff_error *err)
{
	char **to = strcmp(key, "path") == 0 ? &s->path : strcmp(key, "linkpath") == 0 ? &s->link : NULL;

	if (luff_text_starts(key, "GNU.sparse."))
		return luff_fail(err, LUFF_ENOTSUP, "the archive has sparse files: write it without them");
	if (!to && strcmp(key, "size") != 0)
		return 0;
	/* readers differ in what such a header is for */
	if (global)
		return damaged(s, "a global header that names or measures members", err);
	if (strlen(value) != len)
		return damaged(s, "a NUL in an extended header", err);
	if (to) {
		/* of several records the last one holds */
		free(luff_take(*to));
		return take_name(to, s, value, (int64_t)len, err);
	}
	return luff_text_int64(&s->size, value) ? 0 : damaged(s, "a size that is no number", err);
}

/* Records "LENGTH KEY=VALUE\n" (POSIX.1-2017, pax "Extended Header"). */
static int take_pax(struct scan *s, char *text, int64_t size, bool global, struct luff_error *err)
{
	char *end = text + size;

	for (char *p = text, *next; p < end; p = next) {
		char *blank = memchr(p, ' ', (size_t)(end - p)), *equals;
		int64_t len = 0;
		int rc;

		if (!blank)
			return damaged(s, "a malformed extended header", err);
		*blank = '\0';
		if (!luff_text_int64(&len, p) || len > end - p || len < blank - p + 3 || p[len - 1] != '\n')
			return damaged(s, "a malformed extended header", err);
		next = p + len;
		next[-1] = '\0';
		equals = memchr(blank + 1, '=', (size_t)(next - blank - 1));
		if (!equals)
			return damaged(s, "a malformed extended header", err);
		*equals = '\0';
		rc = take_record(s, blank + 1, equals + 1, (size_t)(next - 1 - (equals + 1)), global, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_extension(struct scan *s, char type, int64_t size, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	int rc = read_extension(&text, s, size, err);

	if (rc < 0)
		return rc;
	if (type == 'L' || type == 'K')
		return take_name(type == 'L' ? &s->path : &s->link, s, text, size, err);
	return take_pax(s, text, size, type == 'g', err);
}

/* A member's header; its content begins at s->at. *size_out: what is skipped. */
static int take_member(int64_t *size_out, struct scan *s, const unsigned char *header, int64_t size,
		       struct luff_error *err)
{
	char type = (char)header[TYPE_AT];
	LUFF_AUTO(text) path = s->path ? luff_take(s->path) : header_path(header);
	LUFF_AUTO(text) link = s->link ? luff_take(s->link) : field(header + LINK_AT, 100);
	size_t len = path ? strlen(path) : 0;

	if (!path || !link)
		return luff_fail_nomem(err);
	if (s->size >= 0)
		size = s->size;
	s->size = -1;
	/* links, devices and folders have no content, whatever the size says */
	if (type >= '1' && type <= '6')
		size = 0;
	*size_out = size;
	if (size > s->end - s->at)
		return luff_fail(err, LUFF_EFORMAT, "the tar is cut off: %.*s should have %lld bytes more",
				 (int)(len < 160 ? len : 160), path, (long long)(size - (s->end - s->at)));
	if (type == 'S')
		return luff_fail(err, LUFF_ENOTSUP, "the archive has sparse files: write it without them");
	if (type == '1' || type == '2')
		return add(s, path, link, type == '2', 0, err);
	/* before POSIX, folders were files whose name ends with a slash */
	if ((type == '0' || type == '\0' || type == '7') && len > 0 && path[len - 1] != '/')
		return add(s, path, NULL, false, size, err);
	return 0;
}

static bool is_zero(const unsigned char *block)
{
	for (int i = 0; i < BLOCK; i++) {
		if (block[i])
			return false;
	}
	return true;
}

/* One header with what it stands for; *more is false at the end mark. */
static int step(bool *more, struct scan *s, struct luff_error *err)
{
	unsigned char header[BLOCK];
	int64_t size;
	char type;
	int rc;

	if (s->at == s->end)
		return luff_fail(err, LUFF_EFORMAT,
				 s->end ? "the tar is cut off after %lld bytes: its end mark is missing"
					: "the archive is empty",
				 (long long)s->end);
	rc = read_at(s, header, BLOCK, s->at, err);
	if (rc < 0)
		return rc;
	*more = !is_zero(header);
	if (!*more)
		return 0;
	if (!is_sum_right(header))
		return s->at == 0 ? luff_fail(err, LUFF_EFORMAT, "no tar: the first header is none")
				  : damaged(s, "a header whose checksum is wrong", err);
	if (!parse_number(&size, header + SIZE_AT, 12))
		return damaged(s, "a size that is no number", err);
	s->at += BLOCK;
	type = (char)header[TYPE_AT];
	if (type == 'L' || type == 'K' || type == 'x' || type == 'g')
		rc = size > s->end - s->at ? damaged(s, "an extended header that is cut off", err)
					   : take_extension(s, type, size, err);
	else
		rc = take_member(&size, s, header, size, err);
	if (rc < 0)
		return rc;
	s->at += size > INT64_MAX - BLOCK ? size : LUFF_TAR_PADDED(size);
	/* the last block of a member may not be filled */
	if (s->at > s->end)
		return luff_fail(err, LUFF_EFORMAT, "the tar is cut off after %lld bytes", (long long)s->end);
	return luff_scope_check(err);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static int finish(struct luff_members *m, struct luff_error *err)
{
	char word[160];

	if (m->count > 0)
		qsort(m->entries, m->count, sizeof *m->entries, compare);
	m->files = calloc(m->count + 1, sizeof *m->files);
	if (!m->files)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < m->count; i++) {
		if (i > 0 && compare(&m->entries[i - 1], &m->entries[i]) == 0)
			return luff_fail(err, LUFF_EFORMAT, "the archive has %s twice",
					 luff_text_printable(word, sizeof word, m->entries[i].path));
		if (!m->entries[i].link)
			m->files[m->file_count++] = i;
	}
	return 0;
}

int luff_members_open(struct luff_members **out, int fd, struct luff_error *err)
{
	struct scan s = {.fd = fd, .size = -1};
	bool more = true;
	struct stat st;
	int rc = 0;

	*out = NULL;
	if (fstat(fd, &st) < 0)
		return luff_fail_errno(err, errno, "cannot read the tar");
	s.end = st.st_size;
	s.members = calloc(1, sizeof *s.members);
	if (!s.members)
		return luff_fail_nomem(err);
	while (rc == 0 && more)
		rc = step(&more, &s, err);
	free(s.path);
	free(s.link);
	if (rc == 0)
		rc = finish(s.members, err);
	if (rc < 0)
		luff_members_free(s.members);
	else
		*out = s.members;
	return rc;
}

void luff_members_free(struct luff_members *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++) {
		free(m->entries[i].path);
		free(m->entries[i].link);
	}
	free(m->entries);
	free(m->files);
	free(m);
}

size_t luff_members_count(const struct luff_members *m)
{
	return m->file_count;
}

void luff_members_at(struct luff_member *out, const struct luff_members *m, size_t i)
{
	const struct entry *e = &m->entries[m->files[i]];

	*out = (struct luff_member){.path = e->path, .offset = e->offset, .size = e->size};
}

/* The path that a link stands for, in `to`. */
static int follow(struct luff_buffer *to, const struct entry *e, struct luff_error *err)
{
	LUFF_AUTO(text) base = strdup(e->path);
	struct luff_error longer = {0};
	char *slash;

	if (!base)
		return luff_fail_nomem(err);
	slash = e->symbolic ? strrchr(base, '/') : NULL;
	base[slash ? slash - base : 0] = '\0';
	to->len = 0;
	if (clean(to, base, e->link, e->symbolic, &longer) && to->len > 0)
		return 0;
	if (!longer.code)
		return leads_out(e->path, err);
	*err = longer;
	return err->code;
}

int luff_members_find(struct luff_member *out, const struct luff_members *m, const char *path,
		      struct luff_error *err)
{
	LUFF_AUTO(buffer) at;
	struct luff_error longer = {0};
	char word[160];

	*out = (struct luff_member){0};
	luff_buffer_init(&at, LUFF_MEMBER_PATH_MAX);
	if (!clean(&at, "", path, false, &longer) || at.len == 0)
		return luff_fail(err, LUFF_EFORMAT, "%s is no name in an archive",
				 luff_text_printable(word, sizeof word, path));
	for (int i = 0; i < LINKS_MAX; i++) {
		struct entry key = {.path = at.data};
		const struct entry *e =
			m->count ? bsearch(&key, m->entries, m->count, sizeof *m->entries, compare) : NULL;
		int rc;

		if (!e)
			return luff_fail(err, LUFF_ENOTFOUND, "the archive has no %s",
					 luff_text_printable(word, sizeof word, at.data));
		if (!e->link) {
			*out = (struct luff_member){.path = e->path, .offset = e->offset, .size = e->size};
			return 0;
		}
		rc = follow(&at, e, err);
		if (rc < 0)
			return rc;
	}
	return luff_fail(err, LUFF_EFORMAT, "the archive has links in a circle: %s",
			 luff_text_printable(word, sizeof word, path));
}

/* ---- writing ---- */

static void header_block(char out[BLOCK], const struct luff_tar_file *file)
{
	unsigned sum = 0;

	memset(out, 0, BLOCK);
	/* what is cut off here stands in an extended header before */
	memcpy(out + NAME_AT, file->path, strnlen(file->path, 100));
	snprintf(out + 100, 8, "%07o", file->mode & 07777);
	memcpy(out + 108,
	       "0000000\0"
	       "0000000\0",
	       16);
	snprintf(out + SIZE_AT, 12, "%011llo", (unsigned long long)file->size & 077777777777);
	memcpy(out + 136, "00000000000", 12);
	memset(out + SUM_AT, ' ', 8);
	out[TYPE_AT] = file->type;
	if (file->link)
		memcpy(out + LINK_AT, file->link, strnlen(file->link, 100));
	memcpy(out + MAGIC_AT,
	       "ustar\0"
	       "00",
	       8);
	if (file->type == '3' || file->type == '4') {
		snprintf(out + 329, 8, "%07o", file->major & 07777777);
		snprintf(out + 337, 8, "%07o", file->minor & 07777777);
	}
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned char)out[i];
	snprintf(out + SUM_AT, 8, "%06o", sum);
}

/* "LENGTH KEY=VALUE\n", whose length counts itself. */
static size_t pax_record(char *out, const char *key, const char *value)
{
	int rest = (int)(strlen(key) + strlen(value)) + 3, len = rest + 1;

	while (len != rest + snprintf(NULL, 0, "%d", len))
		len = rest + snprintf(NULL, 0, "%d", len);
	return (size_t)snprintf(out, (size_t)len + 1, "%d %s=%s\n", len, key, value);
}

size_t luff_tar_file_header(char out[LUFF_TAR_FILE_MAX], const struct luff_tar_file *file)
{
	struct luff_tar_file pax = {.path = "pax", .type = 'x', .mode = 0644};
	char *records = out + BLOCK, number[24];
	size_t len = 0, padded;

	if (strlen(file->path) > 100)
		len += pax_record(records, "path", file->path);
	if (file->link && strlen(file->link) > 100)
		len += pax_record(records + len, "linkpath", file->link);
	if (file->size > 077777777777) {
		snprintf(number, sizeof number, "%lld", (long long)file->size);
		len += pax_record(records + len, "size", number);
	}
	if (len == 0) {
		header_block(out, file);
		return BLOCK;
	}
	pax.size = (int64_t)len;
	header_block(out, &pax);
	padded = (size_t)LUFF_TAR_PADDED((int64_t)len);
	memset(records + len, 0, padded - len);
	header_block(out + BLOCK + padded, file);
	return padded + 2 * BLOCK;
}

size_t luff_tar_header(char out[LUFF_TAR_HEADER_MAX], const char *path, int64_t size)
{
	struct luff_tar_file file = {.path = path, .type = '0', .mode = 0644, .size = size};
	char whole[LUFF_TAR_FILE_MAX];
	size_t len = luff_tar_file_header(whole, &file);

	/* the names here are short */
	memcpy(out, whole, len);
	return len;
}
