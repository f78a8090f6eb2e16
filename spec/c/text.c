/* Text helpers: what does not fit or is no text must never be read or written past an end. */
#include "base/text.h"

#include "base/cleanup.h"
#include "check.h"

static void copies(void)
{
	char buf[4] = "zzz";

	CHECK(luff_text_copy(buf, sizeof buf, "abc"));
	CHECK_STR(buf, "abc");
	CHECK(!luff_text_copy(buf, sizeof buf, "abcd"));
	CHECK_STR(buf, "abc");
	CHECK(luff_text_copy(buf, sizeof buf, ""));
	CHECK_STR(buf, "");
	CHECK(!luff_text_copy(buf, 1, "x"));
	CHECK_STR(buf, "");
}

static void writes_hex(void)
{
	char buf[9];

	luff_text_hex(buf, (const unsigned char *)"\x00\x0f\xf0\xff", 4);
	CHECK_STR(buf, "000ff0ff");
	luff_text_hex(buf, (const unsigned char *)"", 0);
	CHECK_STR(buf, "");
}

static void reads_numbers(void)
{
	static const char *const bad[] = {"",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "0x1",
					  "1.0",
					  "1e3",
					  "9223372036854775808",
					  "92233720368547758070",
					  "18446744073709551617",
					  "a"};
	int64_t n = 0;

	CHECK(luff_text_int64(&n, "9223372036854775807"));
	CHECK_INT(n, INT64_MAX);
	CHECK(luff_text_int64(&n, "0"));
	CHECK_INT(n, 0);
	CHECK(luff_text_int64(&n, "007"));
	CHECK_INT(n, 7);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (!CHECK(!luff_text_int64(&n, bad[i])) || !CHECK_INT(n, 7))
			fprintf(stderr, "\ttext: %s\n", bad[i]);
	}
}

static void reads_times(void)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1969-12-31T23:59:59Z", -1},
		{"2000-02-29T12:00:00z", 951825600},
		{"2026-05-06T07:08:09.5+02:00", 1778044089},
		{"2026-05-06 07:08:09-00:30", 1778053089},
		{"2024-12-31T23:59:60Z", 1735689600},
		{"0000-03-01T00:00:00Z", -62162035200},
		{"9999-12-31T23:59:59Z", 253402300799},
	};
	static const char *const bad[] = {"",
					  "2026-05-06",
					  "2026-05-06T07:08:09",
					  "2026-05-06T07:08Z",
					  "2026-5-06T07:08:09Z",
					  "2026-13-06T07:08:09Z",
					  "2026-00-06T07:08:09Z",
					  "2026-05-32T07:08:09Z",
					  "2026-05-06T24:08:09Z",
					  "2026-05-06T07:60:09Z",
					  "2026-05-06T07:08:61Z",
					  "2026-05-06T07:08:09.Z",
					  "2026-05-06T07:08:09Zx",
					  "2026-05-06T07:08:09+2:00",
					  "2026-05-06T07:08:09+02:00x",
					  "2026-05-06x07:08:09Z",
					  "+026-05-06T07:08:09Z"};
	int64_t n = 7;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (!CHECK(!luff_text_time(&n, bad[i])) || !CHECK_INT(n, 7))
			fprintf(stderr, "\ttext: %s\n", bad[i]);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		CHECK(luff_text_time(&n, good[i].text));
		CHECK_INT(n, good[i].seconds);
	}
}

static void codes_base64(void)
{
	/* RFC 4648 10 */
	static const char *const pairs[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"},
					       {"\xfb\xff\xfe", "+//+"}};
	static const char *const bad[] = {
		"=",      "====",  "Zg=",  "Zg",   "Z===", "Zg==Zg==",        "Z=g=",
		"Zm9v\n", "Zm 9v", "Zm9-", "Zm9_", "Zg=a", "\xff\xff\xff\xff"};
	size_t len;

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		LUFF_AUTO(text) coded = luff_text_base64(pairs[i][0], strlen(pairs[i][0]));
		LUFF_AUTO(text) plain = luff_text_unbase64(&len, pairs[i][1]);

		CHECK_STR(coded, pairs[i][1]);
		CHECK_STR(plain, pairs[i][0]);
		CHECK_INT(len, strlen(pairs[i][0]));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		LUFF_AUTO(text) plain = luff_text_unbase64(&len, bad[i]);

		if (!CHECK(!plain) || !CHECK_INT(len, 0))
			fprintf(stderr, "\ttext: %s\n", bad[i]);
	}
	{
		LUFF_AUTO(text) coded = luff_text_base64("\0\0\0\0", 4);
		LUFF_AUTO(text) plain = luff_text_unbase64(&len, "AGEA");

		CHECK_STR(coded, "AAAAAA==");
		CHECK(plain && len == 3 && memcmp(plain, "\0a\0", 4) == 0);
	}
}

static void writes_sizes(void)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} sizes[] = {{0, "0 B"},           {999, "999 B"},     {1000, "1.0 kB"},      {1234, "1.2 kB"},
		     {999949, "999.9 kB"}, {999950, "1.0 MB"}, {29300000, "29.3 MB"}, {INT64_MAX, "9.2 EB"},
		     {-5, "-5 B"}};
	char buf[16];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		CHECK_STR(luff_text_size(buf, sizes[i].bytes), sizes[i].text);
	CHECK(strlen(luff_text_size(buf, INT64_MIN)) < sizeof buf);
}

/* The bytes end where their memory ends, so that the sanitizer sees each one read too much. */
static bool is_utf8(const char *text, size_t len)
{
	LUFF_AUTO(text) copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	return luff_text_utf8(copy, len);
}

static void knows_utf8(void)
{
	static const char text[] = "a\303\244\342\202\254\360\237\230\200\0z";
	static const bool whole[] = {true,  true,  false, true, false, false, true,
				     false, false, false, true, true,  true};
	static const char *const bad[] = {"\x80",
					  "\xbf",
					  "\xc0\x80",
					  "\xc1\xbf",
					  "\xe0\x9f\xbf",
					  "\xed\xa0\x80",
					  "\xed\xbf\xbf",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xfe",
					  "\xff",
					  "\xc3(",
					  "\xe2\x82(",
					  "\xc3\xc3",
					  "a\xc3"};

	for (size_t len = 0; len < sizeof whole; len++)
		CHECK_INT(is_utf8(text, len), whole[len]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!is_utf8(bad[i], strlen(bad[i])));
	CHECK(is_utf8("\xf4\x8f\xbf\xbf", 4) && is_utf8("\xed\x9f\xbf", 3) && is_utf8("\xee\x80\x80", 3));
}

static void makes_printable(void)
{
	static const char *const pairs[][2] = {
		{"plain", "plain"},
		{"\303\244\360\237\230\200", "\303\244\360\237\230\200"},
		{"a\nb\tc\033[0m\177", "a?b?c?[0m?"},
		{"\302\233x\302\240", "?x\302\240"}, /* C1 controls go, a space that does not break stays */
		{"\xff\xc3", "??"},
		{"\xe2\x82", "??"},
		{"", ""},
	};
	char buf[32];

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		CHECK_STR(luff_text_printable(buf, sizeof buf, pairs[i][0]), pairs[i][1]);
	/* cut between characters, never within one */
	CHECK_STR(luff_text_printable(buf, 4, "ab\303\244"), "ab");
	CHECK_STR(luff_text_printable(buf, 5, "ab\303\244"), "ab\303\244");
	CHECK_STR(luff_text_printable(buf, 1, "ab"), "");
}

int main(void)
{
	copies();
	writes_hex();
	reads_numbers();
	reads_times();
	codes_base64();
	writes_sizes();
	knows_utf8();
	makes_printable();
	return check_end();
}
