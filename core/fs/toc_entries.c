/*
 * The JSON of a table of contents, entry by entry: of a large one, a tree of all would take many times its size. Both formats have
 * the same members: offset and innerOffset are eStargz's, endOffset is zstd:chunked's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fs/pax.h"
#include "fs/toc.h"

/* Files whose end is where the next ones begin. */
struct parse {
	struct luff_listing *listing;
	int64_t end;  /* of content in the blob */
	int64_t at;   /* where the last content began */
	size_t open;  /* places from here on have no end yet */
	bool in_file; /* chunks of the last record may follow */
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	char *values[LUFF_XATTR_MAX];
	size_t value_count;
};

static int damaged(const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "a table of contents with %s", what);
}

/* ---- members ---- */

static const char *text_of(const cJSON *entry, const char *key)
{
	const char *text = luff_json_string(entry, key);

	return text ? text : "";
}

static int64_t number_of(const cJSON *entry, const char *key)
{
	int64_t n = 0;

	(void)luff_json_int64(&n, entry, key);
	return n;
}

static bool find_type(enum luff_entry_type *out, const char *type)
{
	static const struct {
		const char *name;
		enum luff_entry_type type;
	} types[] = {{"reg", LUFF_ENTRY_FILE},   {"hardlink", LUFF_ENTRY_HARD_LINK},
		     {"dir", LUFF_ENTRY_FOLDER}, {"symlink", LUFF_ENTRY_SYMLINK},
		     {"char", LUFF_ENTRY_CHAR},  {"block", LUFF_ENTRY_BLOCK},
		     {"fifo", LUFF_ENTRY_FIFO}};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		*out = types[i].type;
		if (strcmp(types[i].name, type) == 0)
			return true;
	}
	return false;
}

static int set_time(struct luff_entry *e, const char *text, struct luff_error *err)
{
	const char *dot = strchr(text, '.');
	int32_t scale = 100000000;

	if (!*text)
		return 0;
	if (!luff_text_time(&e->mtime, text))
		return damaged("a time that is none", err);
	for (dot = dot ? dot + 1 : ""; *dot >= '0' && *dot <= '9'; dot++, scale /= 10)
		e->mtime_ns += (*dot - '0') * scale;
	return 0;
}

static int set_numbers(struct luff_entry *e, const cJSON *entry, struct luff_error *err)
{
	int64_t uid = number_of(entry, "uid"), gid = number_of(entry, "gid");
	int64_t major = number_of(entry, "devMajor"), minor = number_of(entry, "devMinor");

	e->size = e->type == LUFF_ENTRY_FILE ? number_of(entry, "size") : 0;
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return damaged("an owner's number beyond 32 bits", err);
	if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
		return damaged("a device's number beyond 32 bits", err);
	if (e->size < 0)
		return damaged("a size below 0", err);
	e->mode = (uint32_t)number_of(entry, "mode") & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->major = (uint32_t)major;
	e->minor = (uint32_t)minor;
	return 0;
}

/* Values are base64; p keeps them until the next entry. */
static int set_xattrs(struct luff_entry *e, struct parse *p, const cJSON *entry, struct luff_error *err)
{
	const cJSON *item;

	while (p->value_count > 0)
		free(p->values[--p->value_count]);
	e->xattrs = p->xattrs;
	cJSON_ArrayForEach(item, luff_json_object(entry, "xattrs"))
	{
		const char *coded = cJSON_GetStringValue(item);
		struct luff_xattr *x = &p->xattrs[e->xattr_count];
		char *value;

		if (e->xattr_count == LUFF_XATTR_MAX)
			return luff_fail(err, LUFF_ELIMIT, "more than %d extended attributes",
					 LUFF_XATTR_MAX);
		value = coded ? luff_text_unbase64(&x->len, coded) : NULL;
		if (!value)
			return damaged("an extended attribute that is no base64", err);
		p->values[p->value_count++] = value;
		x->name = item->string;
		x->value = value;
		e->xattr_count++;
	}
	return 0;
}

/* ---- where content is ---- */

/* Something begins at `at`: what began before it, but the last file where a chunk of it does, ends there. */
static int move_on(struct parse *p, int64_t at, bool chunk, struct luff_error *err)
{
	struct luff_listing *l = p->listing;

	if (at < p->at || at >= p->end)
		return damaged("offsets in disorder", err);
	if (at == p->at)
		return 0;
	for (size_t i = p->open; i < l->place_count - chunk; i++) {
		if (l->places[i].end == 0)
			l->places[i].end = at;
	}
	p->open = l->place_count - chunk;
	p->at = at;
	return 0;
}

static int add_place(struct parse *p, const cJSON *entry, struct luff_error *err)
{
	struct luff_place place = {.inner = number_of(entry, "innerOffset")};
	struct luff_error ignored = {0};
	struct luff_digest digest;
	int rc;

	if (!luff_json_int64(&place.at, entry, "offset") ||
	    luff_digest_parse(&digest, text_of(entry, "digest"), &ignored) < 0)
		return damaged("a file without offset and digest", err);
	place.end = number_of(entry, "endOffset");
	if (place.inner < 0 || place.at < 0 || place.end < 0 || place.end > p->end ||
	    (place.end > 0 && place.end <= place.at))
		return damaged("an offset that is none", err);
	rc = move_on(p, place.at, false, err);
	return rc < 0 ? rc : luff_listing_add_place(p->listing, &place, digest.text, err);
}

static int add_entry(struct parse *p, const cJSON *entry, struct luff_error *err)
{
	struct luff_entry e = {.path = text_of(entry, "name"),
			       .link = text_of(entry, "linkName"),
			       .user = text_of(entry, "userName"),
			       .group = text_of(entry, "groupName")};
	const char *type = text_of(entry, "type");
	bool added = false;
	int64_t at;
	int rc;

	if (strcmp(type, "chunk") == 0) {
		if (!p->in_file || !luff_json_int64(&at, entry, "offset"))
			return damaged("a chunk of no file", err);
		return move_on(p, at, true, err);
	}
	p->in_file = false;
	if (!find_type(&e.type, type))
		return damaged("a file of no known type", err);
	rc = set_time(&e, text_of(entry, "modtime"), err);
	if (rc == 0)
		rc = set_numbers(&e, entry, err);
	if (rc == 0)
		rc = set_xattrs(&e, p, entry, err);
	if (rc == 0)
		rc = luff_listing_add(&added, p->listing, &e, 0, err);
	if (rc < 0 || !added || e.size == 0)
		return rc;
	if (p->listing->records[p->listing->count - 1].kind != LUFF_ENTRY_FILE)
		return 0;
	p->in_file = true;
	return add_place(p, entry, err);
}

/* ---- the text ---- */

struct text {
	const char *at, *end;
};

static char skip_blanks(struct text *t)
{
	while (t->at < t->end && strchr(" \t\r\n", *t->at) && *t->at)
		t->at++;
	return t->at < t->end ? *t->at : '\0';
}

/* Behind the quote that ends it; t->at is at the one that begins it. */
static bool skip_string(struct text *t)
{
	for (t->at++; t->at < t->end && *t->at != '"'; t->at++) {
		if (*t->at == '\\' && t->at + 1 < t->end)
			t->at++;
	}
	return t->at < t->end && t->at++;
}

/* One value, however deep, which is only looked through. */
static bool skip_value(struct text *t)
{
	const char *start = t->at;
	size_t depth = 0;

	do {
		char c = skip_blanks(t);

		if (c == '\0' || (depth == 0 && t->at > start && strchr(",:]}", c)))
			return false;
		if (c == '"') {
			if (!skip_string(t))
				return false;
			continue;
		}
		depth += c == '{' || c == '[';
		if ((c == '}' || c == ']') && depth-- == 0)
			return false;
		t->at++;
		/* a number or a word */
		while (depth == 0 && !strchr("{}[]", c) && t->at < t->end && !strchr(",]} \t\r\n", *t->at))
			t->at++;
	} while (depth > 0);
	return true;
}

static int add_entries(struct parse *p, struct text *t, struct luff_error *err)
{
	if (skip_blanks(t) != '[')
		return damaged("no list of entries", err);
	t->at++;
	while (skip_blanks(t) != ']') {
		LUFF_AUTO(json) entry = NULL;
		const char *start = t->at;
		int rc;

		if (skip_blanks(t) != '{' || !skip_value(t))
			return damaged("an entry that is none", err);
		rc = luff_json_parse(&entry, start, (size_t)(t->at - start), "table of contents", err);
		if (rc == 0)
			rc = add_entry(p, entry, err);
		if (rc < 0)
			return rc;
		if (skip_blanks(t) == ',')
			t->at++;
		else if (skip_blanks(t) != ']')
			return damaged("an entry that is none", err);
	}
	t->at++;
	return 0;
}

static int parse_all(struct parse *p, struct text *t, struct luff_error *err)
{
	bool found = false;

	if (skip_blanks(t) != '{')
		return damaged("no JSON object", err);
	do {
		const char *key;
		size_t len;

		t->at++;
		if (skip_blanks(t) != '"')
			return damaged("a member without a name", err);
		key = t->at + 1;
		if (!skip_string(t))
			return damaged("a name without end", err);
		len = (size_t)(t->at - 1 - key);
		if (skip_blanks(t) != ':')
			return damaged("a member without a value", err);
		t->at++;
		if (len == 7 && memcmp(key, "entries", 7) == 0) {
			int rc = found ? damaged("two lists of entries", err) : add_entries(p, t, err);

			if (rc < 0)
				return rc;
			found = true;
		} else if (skip_blanks(t) == '\0' || !skip_value(t)) {
			return damaged("a value that is none", err);
		}
	} while (skip_blanks(t) == ',');
	return found && skip_blanks(t) == '}' ? 0 : damaged("no list of entries", err);
}

int luff_toc_parse(struct luff_listing *l, const char *json, size_t len, int64_t end, struct luff_error *err)
{
	struct parse *p = calloc(1, sizeof *p);
	struct text t = {json, json + len};
	int rc;

	if (!p)
		return luff_fail_nomem(err);
	p->listing = l;
	p->end = end;
	l->placed = true;
	rc = parse_all(p, &t, err);
	for (size_t i = p->open; i < l->place_count; i++) {
		if (l->places[i].end == 0)
			l->places[i].end = end;
	}
	while (p->value_count > 0)
		free(p->values[--p->value_count]);
	free(p);
	return rc;
}
