/* See proxy.h. */
#include "http/proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "http/url.h"

static const char *first_of(const char *const *names)
{
	for (; *names; names++) {
		const char *value = getenv(*names);

		if (value && *value)
			return value;
	}
	return NULL;
}

/* "host" and "5000" of "host:5000", "[::1]:5000"; the port is "" where there is none. */
static void split(char host[LUFF_NAME_MAX + 1], char port[8], const char *from, size_t len)
{
	const char *end = from + len, *colon;
	bool bracket = len > 0 && *from == '[';
	size_t n;

	port[0] = '\0';
	if (bracket) {
		from++;
		n = strcspn(from, "]");
		n = n < (size_t)(end - from) ? n : (size_t)(end - from);
		colon = from + n + 1 < end && from[n + 1] == ':' ? from + n + 1 : NULL;
	} else {
		colon = memchr(from, ':', len);
		if (colon && memchr(colon + 1, ':', (size_t)(end - colon - 1)))
			colon = NULL; /* an IPv6 address without brackets */
		n = (size_t)((colon ? colon : end) - from);
	}
	if (colon && (size_t)(end - colon - 1) < 8) {
		memcpy(port, colon + 1, (size_t)(end - colon - 1));
		port[end - colon - 1] = '\0';
	}
	n = n < LUFF_NAME_MAX ? n : LUFF_NAME_MAX;
	memcpy(host, from, n);
	host[n] = '\0';
}

/* "10.0.0.0/8", "fd00::/8" or an address alone. */
static bool is_in_network(const char *host, const char *network)
{
	unsigned char a[16], b[16];
	char text[LUFF_NAME_MAX + 1];
	int family = strchr(host, ':') ? AF_INET6 : AF_INET, most = family == AF_INET ? 32 : 128;
	int64_t bits = most;
	char *slash;

	luff_text_copy(text, sizeof text, network);
	slash = strchr(text, '/');
	if (slash) {
		*slash = '\0';
		if (!luff_text_int64(&bits, slash + 1) || bits > most)
			return false;
	}
	if (inet_pton(family, host, a) != 1 || inet_pton(family, text, b) != 1)
		return false;
	for (int64_t i = 0; i < bits; i++) {
		if ((a[i / 8] ^ b[i / 8]) & (0x80 >> i % 8))
			return false;
	}
	return true;
}

/* A name stands for all names below it, too. */
static bool is_in_domain(const char *host, const char *domain)
{
	size_t len, domain_len;

	domain += strncmp(domain, "*.", 2) == 0 ? 2 : *domain == '.';
	len = strlen(host);
	domain_len = strlen(domain);
	if (domain_len == 0 || len < domain_len || strcasecmp(host + len - domain_len, domain) != 0)
		return false;
	return len == domain_len || host[len - domain_len - 1] == '.';
}

static void drop_last_dot(char *host)
{
	size_t len = strlen(host);

	if (len > 1 && host[len - 1] == '.')
		host[len - 1] = '\0';
}

static bool is_exempt(const char *place, const char *exempt)
{
	char host[LUFF_NAME_MAX + 1], port[8], name[LUFF_NAME_MAX + 1], name_port[8];

	split(host, port, place, strlen(place));
	drop_last_dot(host);
	for (const char *p = exempt + strspn(exempt, ", "); *p; p += strspn(p, ", ")) {
		size_t len = strcspn(p, ", ");

		split(name, name_port, p, len);
		drop_last_dot(name);
		if (strcmp(name, "*") == 0 || ((!name_port[0] || strcmp(name_port, port) == 0) &&
					       (is_in_network(host, name) || is_in_domain(host, name))))
			return true;
		p += len;
	}
	return false;
}

const char *luff_proxy_of(const char *origin)
{
	static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
	static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
	static const char *const none[] = {"no_proxy", "NO_PROXY", NULL};
	const char *place = strstr(origin, "://") + 3, *exempt;
	const char *proxy = first_of(luff_text_starts(origin, "https:") ? https : http);

	if (!proxy || luff_url_is_loopback(place))
		return NULL;
	exempt = first_of(none);
	return exempt && is_exempt(place, exempt) ? NULL : proxy;
}
