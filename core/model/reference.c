/*
 * Names after the grammar of distribution/reference, with Docker's defaults. Strict, because a name becomes a URL: a//b, a/../b,
 * -a and upper case are refused with the place where they go wrong.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "luff.h"

#define TAG_MAX 128 /* distribution-spec, "Pulling manifests" */

/* `at`: the offending place in text. */
static int bad(struct luff_error *err, const char *text, const char *at, const char *why)
{
	char word[200];

	return luff_fail(err, LUFF_ENAME, "name \"%s\": %s (at character %zu)",
			 luff_text_printable(word, sizeof word, text), why, (size_t)(at - text) + 1);
}

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* host[:port] between text and end: letters, digits, dots and dashes by component, or [IPv6]. NULL, or what is wrong. */
static const char *check_host(const char **at, const char *from, const char *end)
{
	const char *p = from;

	if (p < end && *p == '[') {
		for (p++; p < end && (is_alnum(*p) || *p == ':' || *p == '.'); p++)
			;
		*at = p;
		if (p == end || *p != ']')
			return "an IPv6 address ends with ]";
		p++;
	} else {
		for (; p < end && *p != ':'; p++) {
			bool edge = p == from || p[-1] == '.' || p + 1 == end || p[1] == '.' || p[1] == ':';

			*at = p;
			if (!is_alnum(*p) && !(*p == '.' && p > from && p[-1] != '.') && !(*p == '-' && !edge) &&
			    !(*p == '_' && !edge))
				return "no host name has that here";
		}
	}
	*at = p;
	if (p == from)
		return "the host is missing";
	if (p == end)
		return NULL;
	if (*p != ':' || p + 1 == end || end - p > 6)
		return "want a port of 1 to 5 digits after the host";
	for (p++; p < end; p++) {
		*at = p;
		if (*p < '0' || *p > '9')
			return "a port has digits only";
	}
	return NULL;
}

/* path-component *("/" path-component); a component is lower-case letters and digits, joined by . _ __ or dashes */
static const char *check_repository(const char **at, const char *from, const char *end)
{
	const char *p = from;

	while (p <= end) {
		*at = p;
		if (p == end || *p == '/')
			return "a part of the name is empty";
		if (*p >= 'A' && *p <= 'Z')
			return "repository names are lower case";
		if (!is_lower(*p))
			return "a part of the name starts with a letter or digit";
		while (p < end && *p != '/') {
			const char *separator = p;

			while (p < end && is_lower(*p))
				separator = ++p;
			*at = p;
			if (p == end || *p == '/')
				break;
			if (*p == '.')
				p++;
			else if (*p == '_')
				p += p + 1 < end && p[1] == '_' ? 2 : 1;
			else
				for (; p < end && *p == '-'; p++)
					;
			if (p == separator)
				return *p >= 'A' && *p <= 'Z' ? "repository names are lower case"
							      : "no repository name has that character";
			if (p == end || !is_lower(*p)) {
				*at = p == end ? p - 1 : p;
				return "a separator stands between letters and digits";
			}
		}
		p++;
	}
	return NULL;
}

static const char *check_tag(const char **at, const char *from, const char *end)
{
	*at = from;
	if (from == end)
		return "the tag is empty";
	for (const char *p = from; p < end; p++) {
		*at = p;
		if (p - from == TAG_MAX)
			return "a tag has at most 128 characters";
		if (!is_alnum(*p) && *p != '_' && !(p > from && (*p == '.' || *p == '-')))
			return p == from ? "a tag starts with a letter, digit or _" : "no tag has that character";
	}
	return NULL;
}

/* The first component is a host if it looks like one, as Docker decides it. */
static bool is_host(const char *from, const char *slash)
{
	size_t len = (size_t)(slash - from);

	if (len == 9 && memcmp(from, "localhost", 9) == 0)
		return true;
	for (const char *p = from; p < slash; p++) {
		if (*p == '.' || *p == ':' || *p == '[' || (*p >= 'A' && *p <= 'Z'))
			return true;
	}
	return false;
}

int luff_reference_parse(struct luff_reference *out, const char *text, struct luff_error *err)
{
	struct luff_reference ref = {0};
	const char *digest = strchr(text, '@'), *end = digest ? digest : text + strlen(text);
	const char *slash = memchr(text, '/', (size_t)(end - text)), *path = text, *tag, *at = text, *why = NULL;

	memset(out, 0, sizeof *out);
	if (!*text)
		return luff_fail(err, LUFF_ENAME, "the name is empty");
	if (strstr(text, "://"))
		return bad(err, text, strstr(text, "://"), "write it without a scheme, as registry.example/app:tag");
	luff_text_copy(ref.registry, sizeof ref.registry, "docker.io");
	if (slash && is_host(text, slash)) {
		why = check_host(&at, text, slash);
		if (!why && slash - text > LUFF_NAME_MAX)
			why = "the host is too long";
		if (why)
			return bad(err, text, at, why);
		snprintf(ref.registry, sizeof ref.registry, "%.*s", (int)(slash - text), text);
		path = slash + 1;
	}
	if (strcmp(ref.registry, "index.docker.io") == 0 || strcmp(ref.registry, "registry-1.docker.io") == 0)
		luff_text_copy(ref.registry, sizeof ref.registry, "docker.io");
	tag = memchr(path, ':', (size_t)(end - path));
	why = check_repository(&at, path, tag ? tag : end);
	if (!why && tag)
		why = check_tag(&at, tag + 1, end);
	if (why)
		return bad(err, text, at, why);
	snprintf(ref.repository, sizeof ref.repository, "%s%.*s",
		 strcmp(ref.registry, "docker.io") == 0 && !memchr(path, '/', (size_t)(end - path)) ? "library/" : "",
		 (int)((tag ? tag : end) - path > LUFF_NAME_MAX ? LUFF_NAME_MAX : (tag ? tag : end) - path), path);
	if (strlen(ref.registry) + 1 + (size_t)((tag ? tag : end) - path) > LUFF_NAME_MAX)
		return bad(err, text, text + LUFF_NAME_MAX, "host and repository have at most 255 characters together");
	if (tag)
		snprintf(ref.tag, sizeof ref.tag, "%.*s", (int)(end - tag - 1), tag + 1);
	if (digest) {
		struct luff_error inner = {0};

		if (luff_digest_parse(&ref.digest, digest + 1, &inner) < 0)
			return bad(err, text, digest + 1, inner.msg);
	} else if (!tag) {
		luff_text_copy(ref.tag, sizeof ref.tag, "latest");
	}
	*out = ref;
	return 0;
}

const char *luff_reference_format(char *buf, size_t size, const struct luff_reference *ref)
{
	snprintf(buf, size, "%s/%s%s%s%s%s", ref->registry, ref->repository, ref->tag[0] ? ":" : "", ref->tag,
		 ref->digest.text[0] ? "@" : "", ref->digest.text);
	return buf;
}
