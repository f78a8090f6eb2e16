/* JSON from outside: what RFC 8259 does not allow is refused, and so is what two readers could understand in two ways. */
#include "base/json.h"

#include "check.h"

/* Parses a copy that ends with its last byte, so that the sanitizer sees each byte read too much. */
static int parse(cJSON **out, const char *text, size_t len, struct luff_error *err)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, text, len);
	rc = luff_json_parse(out, copy, len, "it", err);
	free(copy);
	return rc;
}

static const char *const good[] = {
	"{}",
	"[]",
	" \t\r\n{ } \n",
	"null",
	"true",
	"false",
	"\"\"",
	"0",
	"-0",
	"0.5",
	"-1.25e+10",
	"1E5",
	"1e-400",
	"{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}", /* the same name, but in other objects */
	"{\"a\":1,\"A\":2}",
	"\"\\u00e4\\n\\\\u0000\\/\"",
	"\"\\\\\"",
	"\"\\ud83d\\ude00\"",
	"\"\303\244\360\237\230\200\"",
	"\"\\u0001\"",
	"{\"\":1}",
	"\"[[[[{{{{\"",
	"[1,2,3]",
	"\"\177\"",
};

static const struct {
	const char *text, *part;
} bad[] = {
	{"", "not JSON"},
	{" ", "not JSON"},
	{"{", "not JSON"},
	{"}", "not JSON"},
	{"[1", "not JSON"},
	{"[1,]", "not JSON"},
	{"[,1]", "not JSON"},
	{"{\"a\"}", "not JSON"},
	{"{\"a\":}", "not JSON"},
	{"{\"a\":1,}", "not JSON"},
	{"{a:1}", "not JSON"},
	{"{'a':1}", "not JSON"},
	{"{1:1}", "not JSON"},
	{"nul", "not JSON"},
	{"True", "not JSON"},
	{"NaN", "not JSON"},
	{"Infinity", "not JSON"},
	{"// x\n1", "not JSON"},
	{"\"abc", "not JSON"},
	{"\"abc\\", "not JSON"},
	{"\"\\x41\"", "not JSON"},
	{"\"\\", "not JSON"},
	/* trailing data */
	{"{}{}", "data after"},
	{"{} x", "data after"},
	{"1 2", "data after"},
	{"null,", "data after"},
	{"truex", "data after"},
	/* numbers */
	{"01", "number"},
	{"-01", "number"},
	{"[00]", "number"},
	{"-", "number"},
	{"1.", "number"},
	{"[-.5]", "number"},
	{".5", "not JSON"},
	{"+1", "not JSON"},
	{"1e", "number"},
	{"1e+", "number"},
	{"1.e5", "number"},
	{"-Infinity", "number"},
	{"0x10", "data after"},
	{"1e400", "too large"},
	{"[-1e400]", "too large"},
	{"{\"a\":[{\"b\":1e999}]}", "too large"},
	/* strings: a NUL hides what follows it from whoever counts on it */
	{"\"a\\u0000b\"", "NUL"},
	{"{\"config\\u0000x\":1}", "NUL"},
	{"\"\\\\\\u0000\"", "NUL"},
	{"\"\\uzzzz\"", "hex"},
	{"\"\\u00\"", "hex"},
	{"\"\\u00g0\"", "hex"},
	{"\"\\u", "hex"},
	{"\"\\u123", "hex"},
	{"\"\\u 123\"", "hex"},
	{"\"\\ud83d\"", "not JSON"},
	{"\"\\ude00\"", "not JSON"},
	{"\"\\ud83d\\u0041\"", "not JSON"},
	{"\"\\ud83d\\ud83d\"", "not JSON"},
	{"\"\\ud83d\\", "not JSON"},
	{"\"a\nb\"", "control"},
	{"\"a\tb\"", "control"},
	{"\"\001\"", "control"},
	/* outside of strings */
	{"\xef\xbb\xbf{}", "no place"}, /* a byte order mark */
	{"{}\xef\xbb\xbf", "no place"},
	{"\001{}", "no place"},
	{"{\f}", "no place"},
	{"{\v}", "no place"},
	{"[1,\302\240"
	 "2]",
	 "no place"},
	/* UTF-8 */
	{"\"\xff\"", "UTF-8"},
	{"\"\xc3\"", "UTF-8"},
	{"\"\xc3", "UTF-8"},
	{"\"\xf0\x9f\x98", "UTF-8"},
	{"\"\xf0\x9f\x98\"", "UTF-8"},
	{"\"\xc0\x80\"", "UTF-8"},         /* an overlong NUL */
	{"\"\xe0\x80\x80\"", "UTF-8"},     /* overlong */
	{"\"\xf0\x80\x80\x80\"", "UTF-8"}, /* overlong */
	{"\"\xed\xa0\x80\"", "UTF-8"},     /* a surrogate */
	{"\"\xf4\x90\x80\x80\"", "UTF-8"}, /* beyond U+10FFFF */
	{"\"\xf8\x88\x80\x80\x80\"", "UTF-8"},
	/* names that come twice */
	{"{\"a\":1,\"a\":1}", "\"a\" twice"},
	{"{\"a\":1,\"b\":2,\"c\":3,\"a\":4}", "\"a\" twice"},
	{"{\"a\":1,\"\\u0061\":2}", "\"a\" twice"},
	{"[{\"b\":{\"x\":1,\"x\":null}}]", "\"x\" twice"},
	{"{\"\":1,\"\":2}", "\"\" twice"},
	{"{\"\\u001b[31m\":1,\"\\u001b[31m\":2}", "\"?[31m\" twice"},
};

static void parses(void)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		LUFF_AUTO(json) tree = NULL;
		struct luff_error err;

		if (!OK(parse(&tree, good[i], strlen(good[i]), &err)) || !CHECK(tree))
			fprintf(stderr, "\ttext: %s\n", good[i]);
	}
}

static void refuses(void)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cJSON *tree = (cJSON *)&tree;
		struct luff_error err;

		if (!FAILS(parse(&tree, bad[i].text, strlen(bad[i].text), &err), LUFF_EFORMAT, bad[i].part))
			fprintf(stderr, "\ttext: %s\n", bad[i].text);
		CHECK(!tree);
		CHECK(strncmp(err.msg, "it: ", 4) == 0);
	}
}

static void keeps_numbers(void)
{
	const char text[] =
		"{\"1\":\"2\\\"3\",\"a\":[-0,0,1.0,1E+2,123456789012345,9007199254740993],\"b\":{\"-4\":-4}}";
	const char *const all[] = {"-0", "0", "1.0", "1E+2", "123456789012345", "9007199254740993", "-4"};
	const char *at = text;
	LUFF_AUTO(json) tree = NULL;
	LUFF_AUTO(text) printed = NULL;
	struct luff_error err;
	int64_t n;
	size_t len;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		const char *number = luff_json_next_number(&at, text + strlen(text), &len);

		CHECK(number && len == strlen(all[i]) && memcmp(number, all[i], len) == 0);
	}
	CHECK(!luff_json_next_number(&at, text + strlen(text), &len));
	OK(luff_json_parse(&tree, text, strlen(text), "it", &err));
	OK(luff_json_keep_numbers(tree, text, strlen(text), &err));
	printed = cJSON_PrintUnformatted(tree);
	CHECK_STR(printed, text);
	cJSON_Delete(luff_take(tree));
	OK(luff_json_parse(&tree, "{\"size\":1e3,\"a\":1.0,\"b\":1}", 26, "it", &err));
	OK(luff_json_keep_numbers(tree, "{\"size\":1e3,\"a\":1.0,\"b\":1}", 26, &err));
	CHECK(luff_json_int64(&n, tree, "size") && n == 1000);
	CHECK(luff_json_same_number(luff_json_get(tree, "a"), luff_json_get(tree, "b")));
	CHECK(!luff_json_same_number(luff_json_get(tree, "a"), luff_json_get(tree, "size")));
	CHECK(!luff_json_same_number(luff_json_get(tree, "a"), tree));
}

static void knows_whole_numbers(void)
{
	static const struct {
		const char *text;
		int64_t n;
	} whole[] = {{"0", 0},
		     {"-1", -1},
		     {"9223372036854775807", INT64_MAX},
		     {"-9223372036854775808", INT64_MIN},
		     {"9007199254740993", 9007199254740993}};
	static const char *const none[] = {
		"", "-", "1.0", "1e3", "9223372036854775808", "-9223372036854775809", "99999999999999999999"};
	int64_t n;

	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
		CHECK(luff_json_whole(&n, whole[i].text, strlen(whole[i].text)));
		CHECK(n == whole[i].n);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		CHECK(!luff_json_whole(&n, none[i], strlen(none[i])));
}

/* A byte that is NUL, in each place. */
static void refuses_nul(void)
{
	const char text[] = "{\"ab\": \"cd\", \"n\": 10}";

	for (size_t i = 0; i < sizeof text; i++) {
		char copy[sizeof text];
		cJSON *tree;
		struct luff_error err;

		memcpy(copy, text, sizeof text);
		copy[i] = '\0';
		FAILS(parse(&tree, copy, sizeof text, &err), LUFF_EFORMAT, "it: ");
	}
}

/* Cut off anywhere, a document is none; the message says where. */
static void refuses_prefixes(void)
{
	const char text[] =
		"{\"a\\u00e4\": [1.5e+3, true, {\"b\": \"\303\244\360\237\230\200\"}], \"c\": null}";

	for (size_t len = 0; len < sizeof text - 1; len++) {
		cJSON *tree;
		struct luff_error err;

		FAILS(parse(&tree, text, len, &err), LUFF_EFORMAT, "it: ");
	}
}

static char *nested(int depth, char open, char close)
{
	char *text = malloc(2 * (size_t)depth + 1);

	memset(text, open, (size_t)depth);
	memset(text + depth, close, (size_t)depth);
	text[2 * depth] = '\0';
	return text;
}

static void caps_depth(void)
{
	static const int depths[] = {LUFF_JSON_DEPTH_MAX, LUFF_JSON_DEPTH_MAX + 1, 10000, 1000000};

	for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
		LUFF_AUTO(text) text = nested(depths[i], '[', ']');
		LUFF_AUTO(json) tree = NULL;
		struct luff_error err;

		if (i == 0)
			OK(parse(&tree, text, strlen(text), &err));
		else
			FAILS(parse(&tree, text, strlen(text), &err), LUFF_EFORMAT, "deep");
	}
}

static void caps_values(void)
{
	size_t len = 2 * ((size_t)LUFF_JSON_VALUES_MAX + 1);
	LUFF_AUTO(text) text = malloc(len);
	cJSON *tree;
	struct luff_error err;

	for (size_t i = 0; i < len; i += 2)
		memcpy(text + i, i ? ",0" : "[0", 2);
	FAILS(parse(&tree, text, len, &err), LUFF_ELIMIT, "values");
	FAILS(luff_json_scan(text, len, LUFF_JSON_VALUES_MAX, "x", &err), LUFF_ELIMIT, "x: JSON has more");
	OK(luff_json_scan(text, len, LUFF_JSON_VALUES_MAX + 2, "x", &err));
	FAILS(luff_json_scan("[0,0]", 5, 2, "x", &err), LUFF_ELIMIT, "more than 2 values");
	FAILS(luff_json_scan("[01]", 4, 2, "x", &err), LUFF_EFORMAT, "a number that is none");
}

static void gets(void)
{
	static const char text[] =
		"{\"s\":\"x\",\"n\":null,\"o\":{},\"a\":[],\"i\":9007199254740991,\"j\":-9007199254740991,\"k\":9007199254740992,"
		"\"l\":9007199254740993,\"m\":1.5,\"p\":1e300,\"q\":3e2,\"r\":\"5\",\"t\":true,\"u\":-1,\"z\":0}";
	static const struct {
		const char *key;
		bool whole;
		int64_t value;
	} numbers[] = {{"i", true, 9007199254740991},
		       {"j", true, -9007199254740991},
		       {"k", false, 0},
		       {"l", false, 0},
		       {"m", false, 0},
		       {"p", false, 0},
		       {"q", true, 300},
		       {"r", false, 0},
		       {"t", false, 0},
		       {"u", true, -1},
		       {"z", true, 0},
		       {"n", false, 0},
		       {"S", false, 0},
		       {"missing", false, 0}};
	LUFF_AUTO(json) tree = NULL;
	struct luff_error err;

	OK(parse(&tree, text, strlen(text), &err));
	CHECK_STR(luff_json_string(tree, "s"), "x");
	CHECK(!luff_json_string(tree, "S") && !luff_json_string(tree, "n") && !luff_json_string(tree, "o"));
	CHECK(luff_json_object(tree, "o") && !luff_json_object(tree, "a") && !luff_json_object(tree, "n"));
	CHECK(luff_json_array(tree, "a") && !luff_json_array(tree, "o") && !luff_json_array(tree, "n"));
	CHECK(!luff_json_get(tree, "n") && !luff_json_get(NULL, "s") &&
	      !luff_json_get(luff_json_array(tree, "a"), "s"));
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		int64_t n = 0;

		if (!CHECK(luff_json_int64(&n, tree, numbers[i].key) == numbers[i].whole) ||
		    !CHECK_INT(n, numbers[i].value))
			fprintf(stderr, "\tkey: %s\n", numbers[i].key);
	}
}

int main(void)
{
	parses();
	refuses();
	refuses_nul();
	keeps_numbers();
	knows_whole_numbers();
	refuses_prefixes();
	caps_depth();
	caps_values();
	gets();
	return check_end();
}
