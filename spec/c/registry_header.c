/* What a registry's headers say: challenges, links, ranges and types, well-formed and otherwise. */
#include "check.h"
#include "mediums/registry/header.h"

static void bearer(void)
{
	const char *at = "Bearer realm=\"https://auth.example/token?a=b\",service=\"reg, istry\","
			 "scope=\"repository:a/b:pull,push\",error=\"invalid_token\"";
	struct luff_challenge c;

	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "bearer");
	CHECK_STR(c.realm, "https://auth.example/token?a=b");
	CHECK_STR(c.service, "reg, istry");
	CHECK_STR(c.scope, "repository:a/b:pull,push");
	CHECK_STR(c.error, "invalid_token");
	CHECK(!luff_header_challenge(&c, &at));
}

static void several(void)
{
	const char *at =
		"Negotiate, NTLM dGVzdA==, Basic realm=\"a \\\"quoted\\\" one\" , BEARER  service = s ,\t"
		"unknown=\"x\", realm=https://t.example/x";
	struct luff_challenge c;

	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "negotiate");
	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "ntlm");
	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "basic");
	CHECK_STR(c.realm, "a \"quoted\" one");
	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "bearer");
	CHECK_STR(c.service, "s");
	CHECK_STR(c.realm, "https://t.example/x");
	CHECK(!luff_header_challenge(&c, &at));
}

static void no_challenge(void)
{
	static const char *const none[] = {
		"", " , ,", "=", "\"Bearer\"", "Bearer realm=\"unterminated", "\x80 realm=x"};
	char huge[4096] = "Bearer realm=\"";
	const char *at;
	struct luff_challenge c;

	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		at = none[i];
		if (luff_header_challenge(&c, &at))
			check_note(__FILE__, __LINE__, "a challenge in \"%s\"", none[i]);
	}
	/* one that does not fit or could break a line is left out, the next one counts */
	memset(huge + strlen(huge), 'x', 3000);
	memcpy(huge + strlen(huge), "\", Basic realm=r", 17);
	at = huge;
	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "basic");
	at = "Bearer realm=\"a\nb\", Basic realm=r";
	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "basic");
	at = "averylongschemethatnobodyknows a=b, Basic";
	CHECK(luff_header_challenge(&c, &at));
	CHECK_STR(c.scheme, "basic");
}

static void links(void)
{
	static const struct {
		const char *value, *target; /* NULL: none */
	} cases[] = {
		{"</v2/a/tags/list?last=b&n=2>; rel=\"next\"", "/v2/a/tags/list?last=b&n=2"},
		{"<x>;rel=next", "x"},
		{" < x>;rel=next", " x"},
		{"<x>; title=\"a;b,c>\"; REL = \"prev NEXT\"", "x"},
		{"<first>; rel=first, <y>; rel=\"next\"", "y"},
		{"<a,b>; rel=next", "a,b"},
		{"<x>; rel=\"nextish\"", NULL},
		{"<x>; title=next", NULL},
		{"<x>", NULL},
		{"<>; rel=next", NULL},
		{"<x; rel=next", NULL},
		{"x; rel=next", NULL},
		{"<x>; rel=\"next", NULL},
		{"", NULL},
	};
	char buf[64];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool found = luff_header_next_link(buf, sizeof buf, cases[i].value);

		if (found != (cases[i].target != NULL))
			check_note(__FILE__, __LINE__, "%s: %d", cases[i].value, found);
		else if (found)
			CHECK_STR(buf, cases[i].target);
	}
	CHECK(luff_header_next_link(buf, 4, "<abc>;rel=next"));
	CHECK(!luff_header_next_link(buf, 4, "<abcd>;rel=next"));
}

static void ranges(void)
{
	static const char *const bad[] = {
		"",
		"bytes",
		"bytes 0-1",
		"bytes 1-0/5",
		"bytes 0-5/5",
		"bytes */5",
		"bytes 0-/5",
		"bytes -1/5",
		"items 0-1/5",
		"bytes 0-1/5 ",
		"bytes 0-1/-5",
		"bytes 99999999999999999999-99999999999999999999/*",
	};
	int64_t first, last, total;

	CHECK(luff_header_content_range(&first, &last, &total, "bytes 10-19/20"));
	CHECK_INT(first, 10);
	CHECK_INT(last, 19);
	CHECK_INT(total, 20);
	CHECK(luff_header_content_range(&first, &last, &total, "BYTES  0-0/*"));
	CHECK_INT(last, 0);
	CHECK_INT(total, -1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (luff_header_content_range(&first, &last, &total, bad[i]))
			check_note(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
	}
}

static void upload_ranges(void)
{
	static const char *const bad[] = {"",     "0",     "0-",   "-1",        "1-2",
					  "0-1 ", "0-1/2", "0--1", "items=0-1", "0-9223372036854775807"};
	int64_t last;

	CHECK(luff_header_upload_range(&last, "0-0") && last == 0);
	CHECK(luff_header_upload_range(&last, " 0-9223372036854775806") && last == INT64_MAX - 1);
	CHECK(luff_header_upload_range(&last, "bytes=0-9") && last == 9);
	CHECK(luff_header_upload_range(&last, "bytes 0-7") && last == 7);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (luff_header_upload_range(&last, bad[i]))
			check_note(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
	}
}

static void media_types(void)
{
	static const struct {
		const char *value, *type;
	} cases[] = {
		{"application/json", "application/json"},
		{" Application/VND.x+JSON ; charset=utf-8", "application/vnd.x+json"},
		{"text/plain;x", "text/plain"},
		{"", ""},
		{"text", ""},
		{"/x", ""},
		{"x/", ""},
		{"a/b/c", ""},
		{"a/b c", ""},
		{"a/b\r\nX: y", ""},
	};
	char buf[LUFF_MEDIA_TYPE_MAX + 1], huge[LUFF_MEDIA_TYPE_MAX + 3] = "a/";

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		luff_header_media_type(buf, cases[i].value);
		CHECK_STR(buf, cases[i].type);
	}
	memset(huge + 2, 'b', LUFF_MEDIA_TYPE_MAX - 2);
	luff_header_media_type(buf, huge);
	CHECK_INT(strlen(buf), LUFF_MEDIA_TYPE_MAX);
	huge[LUFF_MEDIA_TYPE_MAX] = 'b';
	luff_header_media_type(buf, huge);
	CHECK_STR(buf, "");
}

/* All texts of a value with "|" behind each. */
static const char *warnings_of(const char *value)
{
	static char all[256];
	char text[12];
	size_t len = 0;

	all[0] = '\0';
	while (luff_header_warning(text, sizeof text, &value))
		len += (size_t)snprintf(all + len, sizeof all - len, "%s|", text);
	return all;
}

static void warnings(void)
{
	CHECK_STR(warnings_of("299 - \"one\""), "one|");
	CHECK_STR(warnings_of("299 - \"a\", 299  -\t\"b, c\" \"Wed, 21 Oct\" , 299 - \"d\""), "a|b, c|d|");
	CHECK_STR(warnings_of("110 x \"stale\", 2990 - \"x\", 299 -- \"x\", 299 a \"x\", 299 - \"y\""), "y|");
	CHECK_STR(warnings_of("299 - \"much too long a text\", 299 - \"b\""), "much too lo|b|");
	CHECK_STR(warnings_of("299 - \"a\x01\x7f\\\"b\\\\\""), "a\"b\\|");
	CHECK_STR(warnings_of("299 - \"\""), "");
	CHECK_STR(warnings_of("299 - open, 299 - \"x\""), "");
	CHECK_STR(warnings_of("299 - \"open"), "");
	CHECK_STR(warnings_of("299"), "");
	CHECK_STR(warnings_of(" ,, "), "");
	CHECK_STR(warnings_of(""), "");
}

static void rates(void)
{
	static const struct {
		const char *value;
		int64_t count, window;
	} good[] = {
		{"100;w=21600", 100, 21600},
		{" 0 ; W=1", 0, 1},
		{"100", 100, -1},
		{"100, 10;w=1", 100, -1},
		{"100;burst=5;w=60, 7", 100, 60},
		{"100;w=", 100, -1},
		{"100;w=99999999999999999999", 100, -1},
		{"100;", 100, -1},
		{"100;w", 100, -1},
	};
	static const char *const bad[] = {"", "x", "-1", "1.5", "99999999999999999999", ";w=1", "100w=1"};
	int64_t count, window;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		CHECK(luff_header_rate(&count, &window, good[i].value));
		CHECK_INT(count, good[i].count);
		CHECK_INT(window, good[i].window);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!luff_header_rate(&count, &window, bad[i]));
}

int main(void)
{
	warnings();
	rates();
	bearer();
	several();
	no_challenge();
	links();
	ranges();
	upload_ranges();
	media_types();
	return check_end();
}
