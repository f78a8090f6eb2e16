/* See header.h. */
#include "mediums/registry/header.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_alnum(char c)
{
	return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 9110, 5.6.2 */
static bool is_token(char c)
{
	return c && (is_alnum(c) || strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *p)
{
	size_t n = 0;

	while (is_token(p[n]))
		n++;
	return n;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/*
 * A token or a quoted string into buf. Returns what follows it; NULL if it is neither. *fits: all of it is in buf and
 * fit to be used. buf may be NULL.
 */
static const char *read_value(char *buf, size_t size, bool *fits, const char *p)
{
	bool quoted = *p == '"';
	size_t n = 0;

	*fits = true;
	for (p += quoted; quoted ? *p && *p != '"' : is_token(*p) || (*p && strchr("/:=@?", *p)); p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		if ((unsigned char)*p < ' ' || *p == 0x7f || n + 1 >= size)
			*fits = false;
		else if (buf)
			buf[n++] = *p;
	}
	if (buf)
		buf[n] = '\0';
	if (quoted)
		return *p == '"' ? p + 1 : NULL;
	return p;
}

/* ---- WWW-Authenticate ---- */

/* The length of a token68 that stands alone up to a comma or the end, else 0. */
static size_t token68_length(const char *p)
{
	size_t n = 0;

	while (is_alnum(p[n]) || (p[n] && strchr("-._~+/", p[n])))
		n++;
	if (n == 0)
		return 0;
	n += strspn(p + n, "=");
	p = skip_blanks(p + n);
	return *p == ',' || !*p ? n : 0;
}

/* name=value at p. Returns what follows; NULL if there is no parameter. */
static const char *read_parameter(struct luff_challenge *c, bool *fits, const char *p)
{
	const struct {
		const char *name;
		char *buf;
		size_t size;
	} fields[] = {
		{"realm", c->realm, sizeof c->realm},
		{"service", c->service, sizeof c->service},
		{"scope", c->scope, sizeof c->scope},
		{"error", c->error, sizeof c->error},
	};
	size_t len = token_length(p);
	const char *value = skip_blanks(p + len);

	if (len == 0 || *value != '=')
		return NULL;
	value = skip_blanks(value + 1);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (strlen(fields[i].name) == len && strncasecmp(fields[i].name, p, len) == 0) {
			bool fitted;

			value = read_value(fields[i].buf, fields[i].size, &fitted, value);
			*fits = *fits && fitted;
			return value;
		}
	}
	return read_value(NULL, SIZE_MAX, &(bool){false}, value);
}

bool luff_header_challenge(struct luff_challenge *out, const char **at)
{
	const char *p = *at;

	for (;;) {
		bool fits = true;
		size_t len;

		memset(out, 0, sizeof *out);
		p += strspn(p, " \t,");
		len = token_length(p);
		if (len == 0)
			return false;
		if (len < sizeof out->scheme)
			for (size_t i = 0; i < len; i++)
				out->scheme[i] = lower(p[i]);
		else
			fits = false;
		p += len;
		if (*p == ' ' || *p == '\t')
			p = skip_blanks(p) + token68_length(skip_blanks(p));
		for (;;) {
			const char *next = read_parameter(out, &fits, p + strspn(p, " \t,"));

			if (!next)
				break;
			p = next;
		}
		/* the next thing must be another challenge after a comma, or the end */
		p = skip_blanks(p);
		if (*p && *p != ',')
			return false;
		*at = p;
		if (fits)
			return true;
	}
}

/* ---- Link ---- */

static bool has_next(const char *relations)
{
	for (const char *p = relations; *p;) {
		size_t len = strcspn(p, " \t");

		if (len == 4 && strncasecmp(p, "next", 4) == 0)
			return true;
		p += len;
		p = skip_blanks(p);
	}
	return false;
}

bool luff_header_next_link(char *buf, size_t size, const char *value)
{
	const char *p = value;

	for (;;) {
		const char *target, *end;
		bool next = false;

		p += strspn(p, " \t,");
		if (*p != '<')
			return false;
		target = p + 1;
		end = strchr(target, '>');
		if (!end)
			return false;
		for (p = skip_blanks(end + 1); *p == ';'; p = skip_blanks(p)) {
			char relations[64] = "";
			size_t len;
			bool fits, rel;

			p = skip_blanks(p + 1);
			len = token_length(p);
			rel = len == 3 && strncasecmp(p, "rel", 3) == 0;
			p = skip_blanks(p + len);
			if (*p != '=')
				continue;
			p = read_value(relations, sizeof relations, &fits, skip_blanks(p + 1));
			if (!p)
				return false;
			next = next || (rel && fits && has_next(relations));
		}
		if (next) {
			if (end == target || (size_t)(end - target) >= size)
				return false;
			memcpy(buf, target, (size_t)(end - target));
			buf[end - target] = '\0';
			return true;
		}
	}
}

/* ---- Content-Range ---- */

/* Digits up to one of `stops`, which is skipped. */
static bool read_number(int64_t *out, const char **at, char stop)
{
	char digits[20];
	size_t n = strspn(*at, "0123456789");

	if (n == 0 || n >= sizeof digits || (*at)[n] != stop)
		return false;
	memcpy(digits, *at, n);
	digits[n] = '\0';
	*at += n + (stop != '\0');
	return luff_text_int64(out, digits);
}

bool luff_header_content_range(int64_t *first_out, int64_t *last_out, int64_t *total_out, const char *value)
{
	const char *p = value;

	if (strncasecmp(p, "bytes ", 6) != 0)
		return false;
	p = skip_blanks(p + 6);
	if (!read_number(first_out, &p, '-') || !read_number(last_out, &p, '/') || *last_out < *first_out)
		return false;
	*total_out = -1;
	return strcmp(p, "*") == 0 || (read_number(total_out, &p, '\0') && *last_out < *total_out);
}

bool luff_header_upload_range(int64_t *last_out, const char *value)
{
	const char *p = skip_blanks(value);
	int64_t first;

	if (strncasecmp(p, "bytes", 5) == 0)
		p = skip_blanks(p + 5 + (p[5] == '='));
	return read_number(&first, &p, '-') && first == 0 && read_number(last_out, &p, '\0') &&
	       *last_out < INT64_MAX;
}

/* ---- Warning, RateLimit-* ---- */

bool luff_header_warning(char *buf, size_t size, const char **at)
{
	for (const char *p = *at; *p; *at = p) {
		size_t code, agent;
		bool fits, known;

		p += strspn(p, " \t,");
		code = strspn(p, "0123456789");
		known = code == 3 && strncmp(p, "299", 3) == 0;
		p = skip_blanks(p + code);
		agent = strcspn(p, " \t,\"");
		known = known && agent == 1 && *p == '-';
		p = skip_blanks(p + agent);
		if (code == 0 || *p != '"')
			break;
		p = read_value(buf, size, &fits, p);
		if (!p)
			break;
		p = skip_blanks(p);
		if (*p == '"') /* a date */
			p = read_value(NULL, SIZE_MAX, &fits, p);
		if (!p)
			break;
		p += strcspn(p, ",");
		if (known && buf[0]) {
			*at = p;
			return true;
		}
	}
	buf[0] = '\0';
	return false;
}

bool luff_header_rate(int64_t *count_out, int64_t *window_out, const char *value)
{
	char digits[20];
	const char *p = skip_blanks(value);
	size_t n = strspn(p, "0123456789");

	*window_out = -1;
	if (n == 0 || n >= sizeof digits || (p[n] && !strchr(" \t;,", p[n])))
		return false;
	memcpy(digits, p, n);
	digits[n] = '\0';
	if (!luff_text_int64(count_out, digits))
		return false;
	for (p = skip_blanks(p + n); *p == ';'; p = skip_blanks(p)) {
		p = skip_blanks(p + 1);
		n = strncasecmp(p, "w=", 2) == 0 ? strspn(p + 2, "0123456789") : 0;
		if (n > 0 && n < sizeof digits) {
			memcpy(digits, p + 2, n);
			digits[n] = '\0';
			if (!luff_text_int64(window_out, digits))
				*window_out = -1;
		}
		p += strcspn(p, ";,");
	}
	return true;
}

/* ---- Content-Type ---- */

void luff_header_media_type(char buf[LUFF_MEDIA_TYPE_MAX + 1], const char *value)
{
	size_t n = 0, slashes = 0;

	buf[0] = '\0';
	value = skip_blanks(value);
	for (; is_token(value[n]) || value[n] == '/'; n++) {
		slashes += value[n] == '/';
		if (n == LUFF_MEDIA_TYPE_MAX)
			return;
	}
	if (slashes != 1 || value[0] == '/' || value[n - 1] == '/' ||
	    (*skip_blanks(value + n) && *skip_blanks(value + n) != ';'))
		return;
	for (size_t i = 0; i < n; i++)
		buf[i] = lower(value[i]);
	buf[n] = '\0';
}
