/* See url.h. */
#include "http/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "http/address.h"
#include "http/curl.h"

LUFF_DEFINE_AUTO(url, CURLU *, luff_curl.url_cleanup);

static int parse(CURLU **out, const char *base, const char *text, struct luff_error *err)
{
	LUFF_AUTO(url) url = NULL;

	*out = NULL;
	if (strlen(text) > LUFF_URL_MAX)
		return luff_fail(err, LUFF_EFORMAT, "a URL of more than %d characters", LUFF_URL_MAX);
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~')
			return luff_fail(err, LUFF_EFORMAT, "a URL with characters that no URL has");
	}
	if (luff_curl_load(err) < 0)
		return err->code;
	url = luff_curl.url();
	if (!url)
		return luff_fail_nomem(err);
	if ((base && luff_curl.url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK) || !*text ||
	    luff_curl.url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK)
		return luff_fail(err, LUFF_EFORMAT, "a URL that cannot be read or that names a user");
	*out = luff_take(url);
	return 0;
}

/* One part as text of our own; NULL where the URL has none. */
static char *part(CURLU *url, CURLUPart which, unsigned flags)
{
	char *theirs = NULL, *ours;

	if (luff_curl.url_get(url, which, &theirs, flags) != CURLUE_OK)
		return NULL;
	ours = strdup(theirs);
	luff_curl.free(theirs);
	return ours;
}

int luff_url_resolve(char **out, const char *base, const char *text, struct luff_error *err)
{
	LUFF_AUTO(url) url = NULL;
	LUFF_AUTO(text) scheme = NULL;
	int rc;

	*out = NULL;
	rc = parse(&url, base, text, err);
	if (rc < 0)
		return rc;
	scheme = part(url, CURLUPART_SCHEME, 0);
	if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return luff_fail(err, LUFF_EFORMAT, "a URL that is neither http nor https");
	luff_curl.url_set(url, CURLUPART_FRAGMENT, NULL, 0);
	*out = part(url, CURLUPART_URL, 0);
	if (*out && strlen(*out) > LUFF_URL_MAX) {
		free(luff_take(*out));
		return luff_fail(err, LUFF_EFORMAT, "a URL of more than %d characters", LUFF_URL_MAX);
	}
	return *out ? 0 : luff_fail_nomem(err);
}

int luff_url_origin(char **out, const char *url, struct luff_error *err)
{
	LUFF_AUTO(url) parsed = NULL;
	LUFF_AUTO(text) scheme = NULL;
	LUFF_AUTO(text) host = NULL;
	LUFF_AUTO(text) port = NULL;
	int rc;

	*out = NULL;
	rc = parse(&parsed, NULL, url, err);
	if (rc < 0)
		return rc;
	scheme = part(parsed, CURLUPART_SCHEME, 0);
	host = part(parsed, CURLUPART_HOST, 0);
	port = part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	if (!scheme || !host || !port)
		return luff_fail_nomem(err);
	for (char *p = host; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	if (asprintf(out, "%s://%s:%s", scheme, host, port) < 0) {
		*out = NULL;
		return luff_fail_nomem(err);
	}
	return 0;
}

bool luff_url_is_loopback(const char *host)
{
	char bare[LUFF_NAME_MAX + 1];
	unsigned char bytes[16];
	size_t len;

	if (*host == '[') {
		luff_text_copy(bare, sizeof bare, host + 1);
		bare[strcspn(bare, "]")] = '\0';
		return inet_pton(AF_INET6, bare, bytes) == 1 &&
		       IN6_IS_ADDR_LOOPBACK((struct in6_addr *)bytes);
	}
	luff_text_copy(bare, sizeof bare, host);
	bare[strcspn(bare, ":")] = '\0';
	if (inet_pton(AF_INET, bare, bytes) == 1)
		return bytes[0] == 127;
	len = strlen(bare);
	return strcasecmp(bare, "localhost") == 0 ||
	       (len > 10 && strcasecmp(bare + len - 10, ".localhost") == 0);
}

/* Without the dot at its end, which makes it no other host. NULL when out of memory. */
static char *bare_host(CURLU *url)
{
	char *host = part(url, CURLUPART_HOST, 0);
	size_t len = host ? strlen(host) : 0;

	while (len > 1 && host[len - 1] == '.')
		host[--len] = '\0';
	return host;
}

bool luff_url_names_private(const char *url)
{
	struct luff_error ignored = {0};
	LUFF_AUTO(url) parsed = NULL;
	LUFF_AUTO(text) host = NULL;

	if (parse(&parsed, NULL, url, &ignored) < 0)
		return false;
	host = bare_host(parsed);
	return host && (luff_url_is_loopback(host) || luff_address_of_text(host) != LUFF_ADDRESS_PUBLIC);
}

bool luff_url_same_host(const char *url, const char *other)
{
	struct luff_error ignored = {0};
	LUFF_AUTO(url) a = NULL;
	LUFF_AUTO(url) b = NULL;
	LUFF_AUTO(text) host = NULL;
	LUFF_AUTO(text) other_host = NULL;

	if (parse(&a, NULL, url, &ignored) < 0 || parse(&b, NULL, other, &ignored) < 0)
		return false;
	host = bare_host(a);
	other_host = bare_host(b);
	return host && other_host && strcasecmp(host, other_host) == 0;
}

int luff_url_may_lead(const char *from, const char *to, bool from_private, struct luff_error *err)
{
	LUFF_AUTO(url) parsed = NULL;
	LUFF_AUTO(text) host = NULL;
	enum luff_address there;

	if (luff_text_starts(from, "https:") && !luff_text_starts(to, "https:"))
		return luff_fail(err, LUFF_EDENIED,
				 "the server leads from https to http, which luff does not follow");
	if (luff_url_same_host(from, to))
		return 0;
	if (parse(&parsed, NULL, to, err) < 0)
		return err->code;
	host = bare_host(parsed);
	if (!host)
		return luff_fail_nomem(err);
	there = luff_url_is_loopback(host) ? LUFF_ADDRESS_PRIVATE : luff_address_of_text(host);
	if (there < (from_private ? LUFF_ADDRESS_PRIVATE : LUFF_ADDRESS_PUBLIC))
		return luff_fail(err, LUFF_EDENIED,
				 "the server leads to the private address %s, which nobody named", host);
	return 0;
}

static bool is_plain_parameter(const char *from, size_t len)
{
	static const char *const names[] = {"digest", "mount", "from", "n", "last", "scope", "service"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], from, len) == 0)
			return true;
	}
	return false;
}

const char *luff_url_redact(char *buf, size_t size, const char *url)
{
	size_t at = strcspn(url, "?");
	int n = snprintf(buf, size, "%.*s", (int)at, url);

	while (url[at] && n >= 0 && (size_t)n < size) {
		size_t len = strcspn(url + at + 1, "&"), name = strcspn(url + at + 1, "&=");
		bool shown = len == 0 || is_plain_parameter(url + at + 1, name);

		if (shown)
			n += snprintf(buf + n, size - (size_t)n, "%.*s", (int)(1 + len), url + at);
		else if (name < len)
			n += snprintf(buf + n, size - (size_t)n, "%.*s=***", (int)(1 + name), url + at);
		else
			n += snprintf(buf + n, size - (size_t)n, "%c***", url[at]);
		at += 1 + len;
	}
	return buf;
}

int luff_url_encode(struct luff_buffer *out, const char *text, struct luff_error *err)
{
	int rc = 0;

	for (; *text && rc == 0; text++) {
		bool digit = *text >= '0' && *text <= '9';
		bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');

		if (digit || letter || strchr("-._~:/", *text))
			rc = luff_buffer_append(out, text, 1, err);
		else
			rc = luff_buffer_printf(out, err, "%%%02X", (unsigned char)*text);
	}
	return rc;
}
