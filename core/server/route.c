/* See route.h. Pure functions over text from outside. */
#include "server/route.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define PATH_SIZE 1024 /* more than the longest name, the longest digest and the words between them */
#define TAG_LEN_MAX 128

static int refuse(struct luff_route *route, const char *code, struct luff_error *err, const char *what,
		  const char *text)
{
	char word[128];

	route->refusal = code;
	return luff_fail(err, LUFF_ENAME, "%s: \"%s\"", what, luff_text_printable(word, sizeof word, text));
}

/* ---- grammars ---- */

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool is_component(const char *text, size_t len)
{
	size_t i = 0;

	for (;;) {
		size_t start = i;

		while (i < len && is_lower(text[i]))
			i++;
		if (i == start)
			return false;
		if (i == len)
			return true;
		if (text[i] == '-')
			while (i < len && text[i] == '-')
				i++;
		else if (text[i] == '_')
			i += i + 1 < len && text[i + 1] == '_' ? 2 : 1;
		else if (text[i++] != '.')
			return false;
	}
}

static bool is_layout_file(const char *text, size_t len)
{
	static const char *const names[] = {"blobs", "ingest", "index.json", "oci-layout"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
			return true;
	}
	return false;
}

bool luff_route_is_repository(const char *name)
{
	const char *at = name;

	if (strlen(name) > LUFF_NAME_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(at, "/");

		if (!is_component(at, len) || (at > name && is_layout_file(at, len)))
			return false;
		if (!at[len])
			return true;
		at += len + 1;
	}
}

bool luff_route_is_tag(const char *tag)
{
	for (const char *p = tag; *p; p++) {
		if (!is_lower(*p) && !(*p >= 'A' && *p <= 'Z') && *p != '_' &&
		    !(p > tag && (*p == '.' || *p == '-')))
			return false;
	}
	return *tag && strlen(tag) <= TAG_LEN_MAX;
}

/* ---- percent-encoding ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A plus stays one: media types have them, and clients send them bare. */
static bool decode(char *out, size_t size, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return false;
			c = hex(text[i + 1]) << 4 | hex(text[i + 2]);
			i += 2;
		}
		if (c == '\0' || n + 1 == size)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

/* ---- path ---- */

static int take_digest(struct luff_digest *out, struct luff_route *route, const char *text,
		       struct luff_error *err)
{
	if (luff_digest_parse(out, text, err) == 0)
		return 0;
	route->refusal = "DIGEST_INVALID";
	return LUFF_ENAME;
}

static int take_repository(struct luff_route *route, const char *name, struct luff_error *err)
{
	if (!luff_route_is_repository(name))
		return refuse(route, "NAME_INVALID", err, "malformed or reserved repository name", name);
	luff_text_copy(route->repository, sizeof route->repository, name);
	return 0;
}

/* What stands behind the name's noun: a reference, a digest, an upload's id. */
static int take_reference(struct luff_route *route, const char *text, struct luff_error *err)
{
	switch (route->kind) {
	case LUFF_ROUTE_BLOB:
	case LUFF_ROUTE_REFERRERS:
		return take_digest(&route->digest, route, text, err);
	case LUFF_ROUTE_MANIFEST:
		if (strchr(text, ':'))
			return take_digest(&route->digest, route, text, err);
		if (!luff_route_is_tag(text))
			return refuse(route, "MANIFEST_INVALID", err, "malformed tag", text);
		luff_text_copy(route->tag, sizeof route->tag, text);
		return 0;
	case LUFF_ROUTE_UPLOAD:
		if (strlen(text) != LUFF_UPLOAD_ID_LEN ||
		    strspn(text, "0123456789abcdef") != LUFF_UPLOAD_ID_LEN)
			return refuse(route, "BLOB_UPLOAD_UNKNOWN", err, "no such upload", text);
		luff_text_copy(route->id, sizeof route->id, text);
		return 0;
	default:
		return 0;
	}
}

/* Cuts the last component off; NULL where there is none. */
static char *cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return NULL;
	*slash = '\0';
	return slash + 1;
}

/* From the end, since names may contain any of the words: "/a/tags/list" but also "/tags/list/tags/list". */
static int take_path(struct luff_route *route, char *path, struct luff_error *err)
{
	char *reference, *noun;
	int rc;

	if (strcmp(path, "") == 0 || strcmp(path, "/") == 0) {
		route->kind = LUFF_ROUTE_ROOT;
		return 0;
	}
	if (strcmp(path, "/_catalog") == 0) {
		route->kind = LUFF_ROUTE_CATALOG;
		return 0;
	}
	reference = cut(path);
	noun = cut(path);
	if (!reference || !noun)
		return luff_fail(err, LUFF_ENOTFOUND, "no such endpoint");
	if (strcmp(noun, "manifests") == 0) {
		route->kind = LUFF_ROUTE_MANIFEST;
	} else if (strcmp(noun, "blobs") == 0) {
		route->kind = strcmp(reference, "uploads") == 0 ? LUFF_ROUTE_UPLOADS : LUFF_ROUTE_BLOB;
	} else if (strcmp(noun, "referrers") == 0) {
		route->kind = LUFF_ROUTE_REFERRERS;
	} else if (strcmp(noun, "tags") == 0 && strcmp(reference, "list") == 0) {
		route->kind = LUFF_ROUTE_TAGS;
	} else if (strcmp(noun, "uploads") == 0) {
		noun = cut(path);
		if (!noun || strcmp(noun, "blobs") != 0)
			return luff_fail(err, LUFF_ENOTFOUND, "no such endpoint");
		route->kind = *reference ? LUFF_ROUTE_UPLOAD : LUFF_ROUTE_UPLOADS;
	} else {
		return luff_fail(err, LUFF_ENOTFOUND, "no such endpoint");
	}
	rc = take_repository(route, *path ? path + 1 : "", err);
	return rc < 0 ? rc : take_reference(route, reference, err);
}

/* ---- query ---- */

static int take_parameter(struct luff_route *route, const char *key, size_t key_len, const char *value,
			  size_t len, struct luff_error *err)
{
	static const char *const keys[] = {"digest", "mount", "from",         "digest-algorithm",
					   "n",      "last",  "artifactType", "tag"};
	char text[LUFF_NAME_MAX + 1] = "";
	size_t i = 0;

	while (i < sizeof keys / sizeof *keys &&
	       (strlen(keys[i]) != key_len || memcmp(keys[i], key, key_len) != 0))
		i++;
	if (i == sizeof keys / sizeof *keys)
		return 0;
	if (!decode(text, sizeof text, value, len))
		return refuse(route, "UNSUPPORTED", err, "malformed or overlong query parameter", keys[i]);
	switch (i) {
	case 0:
		return take_digest(&route->content, route, text, err);
	case 1:
		return take_digest(&route->mount, route, text, err);
	case 2:
		if (!luff_route_is_repository(text))
			return refuse(route, "NAME_INVALID", err, "malformed repository name", text);
		luff_text_copy(route->from, sizeof route->from, text);
		return 0;
	case 3:
		if (strcmp(text, "sha256") != 0 && strcmp(text, "sha512") != 0)
			return refuse(route, "DIGEST_INVALID", err,
				      "unknown digest algorithm (have: sha256, sha512)", text);
		luff_text_copy(route->algorithm, sizeof route->algorithm, text);
		return 0;
	case 4:
		if (!luff_text_int64(&route->n, text))
			return refuse(route, "PAGINATION_NUMBER_INVALID", err, "n is no number", text);
		return 0;
	case 5:
		luff_text_copy(route->last, sizeof route->last, text);
		return 0;
	case 6:
		luff_text_copy(route->artifact_type, sizeof route->artifact_type, text);
		return 0;
	default:
		if (!luff_route_is_tag(text) || !route->digest.text[0])
			return refuse(route, "MANIFEST_INVALID", err,
				      route->digest.text[0] ? "malformed tag" : "a tag beside a tag", text);
		route->too_many = route->also_count == LUFF_ROUTE_ALSO_MAX;
		if (route->too_many)
			return refuse(route, "MANIFEST_INVALID", err, "too many tags, from this one on",
				      text);
		luff_text_copy(route->also[route->also_count++], sizeof *route->also, text);
		return 0;
	}
}

static int take_query(struct luff_route *route, const char *query, struct luff_error *err)
{
	int rc = 0;

	while (*query && rc == 0) {
		size_t len = strcspn(query, "&");
		const char *equals = memchr(query, '=', len);

		if (equals && equals + 1 < query + len)
			rc = take_parameter(route, query, (size_t)(equals - query), equals + 1,
					    len - (size_t)(equals - query) - 1, err);
		query += len + (query[len] == '&');
	}
	return rc;
}

int luff_route_parse(struct luff_route *out, const char *uri, struct luff_error *err)
{
	size_t len = strcspn(uri, "?");
	char path[PATH_SIZE] = "";
	int rc;

	memset(out, 0, sizeof *out);
	out->kind = LUFF_ROUTE_NONE;
	out->n = -1;
	if (!decode(path, sizeof path, uri, len))
		return refuse(out, "NAME_INVALID", err, "malformed or overlong path", "");
	if (!luff_text_starts(path, "/v2") || (path[3] && path[3] != '/'))
		return luff_fail(err, LUFF_ENOTFOUND, "no such endpoint");
	rc = take_path(out, path + 3, err);
	if (rc == 0 && uri[len])
		rc = take_query(out, uri + len + 1, err);
	return rc;
}
