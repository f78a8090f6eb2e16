/*
 * Names after the grammar of distribution/reference, with Docker's defaults. Strict, because a name becomes a URL: a//b, a/../b,
 * -a and upper case are refused with the place where they go wrong.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "luff.h"

#define TAG_MAX 128 /* distribution-spec, "Pulling manifests" */
#define PORT_MAX 65535

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

/* A host name by component, or [IPv6]. NULL, or what is wrong at *at; without a fault *at is behind it. */
static const char *check_host(const char **at, const char *from, const char *end)
{
	const char *p = from;

	if (p < end && *p == '[') {
		for (p++; p < end && (isxdigit((unsigned char)*p) || *p == ':'); p++)
			;
		*at = p;
		if (p == end || *p != ']' || p == from + 1)
			return "an IPv6 address has hex digits and colons and ends with ]";
		*at = p + 1;
		return NULL;
	}
	for (; p < end && *p != ':'; p++) {
		bool edge = p == from || p[-1] == '.' || p + 1 == end || p[1] == ':' ||
			    (*p == '-' && p[1] == '.');

		*at = p;
		if (!is_alnum(*p) && (edge || (*p != '.' && *p != '-')))
			return "no host name has that here";
	}
	*at = p;
	return p == from ? "the host is missing" : NULL;
}

/* ":" and the digits, or nothing */
static const char *check_port(const char **at, const char *from, const char *end)
{
	int32_t port = 0;

	*at = from;
	if (from == end)
		return NULL;
	for (const char *p = from + 1; p < end && *from == ':'; p++) {
		if (*p < '0' || *p > '9') {
			*at = p;
			return "a port has digits only";
		}
		port = port > PORT_MAX ? port : 10 * port + (*p - '0');
	}
	return port < 1 || port > PORT_MAX ? "want a port from 1 to 65535 after the host" : NULL;
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
				*at = p == end || *p == '/' ? p - 1 : p;
				return p < end && *p >= 'A' && *p <= 'Z'
					       ? "repository names are lower case"
					       : "a separator stands between letters and digits";
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
			return p == from ? "a tag starts with a letter, digit or _"
					 : "no tag has that character";
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

/* user:password@host: the text must not go into a message. */
static bool has_password(const char *text)
{
	const char *at = strrchr(text, '@'), *colon = strchr(text, ':');

	return at && colon && colon < at && (strchr(at, '/') || luff_text_starts(colon, "://"));
}

int luff_reference_parse(struct luff_reference *out, const char *text, struct luff_error *err)
{
	struct luff_reference ref = {0};
	const char *digest = strchr(text, '@'), *end = digest ? digest : text + strlen(text);
	const char *slash = memchr(text, '/', (size_t)(end - text)), *path = text, *tag, *at = text,
		   *why = NULL;
	const char *library;
	size_t taken;

	memset(out, 0, sizeof *out);
	if (!*text)
		return luff_fail(err, LUFF_ENAME, "the name is empty");
	if (has_password(text))
		return luff_fail(err, LUFF_ENAME, "a name with a user or a password: write it without");
	if (strstr(text, "://"))
		return bad(err, text, strstr(text, "://"),
			   "write it without a scheme, as registry.example/app:tag");
	if (strspn(text, "0123456789abcdef") == 64 && !text[64])
		return bad(err, text, text, "64 hex digits are a digest, write NAME@sha256:HEX");
	luff_text_copy(ref.registry, sizeof ref.registry, "docker.io");
	if (slash && is_host(text, slash)) {
		why = check_host(&at, text, slash);
		if (!why)
			why = check_port(&at, at, slash);
		if (!why && slash - text > LUFF_NAME_MAX) {
			at = text + LUFF_NAME_MAX;
			why = "the host is too long";
		}
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
	end = tag ? tag : end;
	library = strcmp(ref.registry, "docker.io") == 0 && !memchr(path, '/', (size_t)(end - path))
			  ? "library/"
			  : "";
	taken = strlen(ref.registry) + 1 + strlen(library);
	if (taken + (size_t)(end - path) > LUFF_NAME_MAX)
		return bad(err, text, taken < LUFF_NAME_MAX ? path + LUFF_NAME_MAX - taken : path,
			   "host and repository have at most 255 characters together");
	snprintf(ref.repository, sizeof ref.repository, "%s%.*s", library, (int)(end - path), path);
	if (tag)
		snprintf(ref.tag, sizeof ref.tag, "%.*s", (int)strcspn(tag + 1, "@"), tag + 1);
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
