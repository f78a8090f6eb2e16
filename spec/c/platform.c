/* Platforms: many spellings of one, what runs on what, and hosts. */
#include "model/platform.h"

#include "base/json.h"
#include "check.h"
#include "model/descriptor.h"

static const char *host(void)
{
	static char text[LUFF_PLATFORM_TEXT_MAX];
	struct luff_platform p;

	luff_platform_host(&p);
	return luff_platform_format(text, &p);
}

static void parses(void)
{
	static const char *const pairs[][2] = {
		{"linux/amd64", "linux/amd64"},
		{"Linux/AMD64", "linux/amd64"},
		{"linux/x86_64", "linux/amd64"},
		{"linux/x86-64", "linux/amd64"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/amd64/1", "linux/amd64"},
		{"linux/amd64/v2", "linux/amd64/v2"},
		{"linux/x86_64/v3", "linux/amd64/v3"},
		{"linux/arm64", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/arm64/8", "linux/arm64"},
		{"linux/aarch64", "linux/arm64"},
		{"linux/aarch64/v8", "linux/arm64"},
		{"linux/arm64/v9", "linux/arm64/v9"},
		{"linux/arm", "linux/arm/v7"},
		{"linux/arm/7", "linux/arm/v7"},
		{"linux/arm/v6", "linux/arm/v6"},
		{"linux/arm/5", "linux/arm/v5"},
		{"linux/armhf", "linux/arm/v7"},
		{"linux/armel", "linux/arm/v6"},
		{"linux/armv7l", "linux/arm/v7"},
		{"linux/armv6l", "linux/arm/v6"},
		{"linux/i386", "linux/386"},
		{"linux/i686", "linux/386"},
		{"linux/ppc64el", "linux/ppc64le"},
		{"linux/loongarch64", "linux/loong64"},
		{"linux/riscv64", "linux/riscv64"},
		{"linux/mips64el", "linux/mips64le"},
		{"macos/arm64", "darwin/arm64"},
		{"windows/amd64:10.0.17763", "windows/amd64:10.0.17763"},
		{"windows/amd64:10.0.17763.1234", "windows/amd64:10.0.17763.1234"},
		{"linux/arm/v7:1.2", "linux/arm/v7:1.2"},
		{"arm64", "linux/arm64"},
		{"arm", "linux/arm/v7"},
		{"x86_64", "linux/amd64"},
		{"s390x", "linux/s390x"},
	};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct luff_platform p;
		struct luff_error err;
		char text[LUFF_PLATFORM_TEXT_MAX];

		OK(luff_platform_parse(&p, pairs[i][0], &err));
		CHECK_STR(luff_platform_format(text, &p), pairs[i][1]);
	}
}

static void knows_the_host(void)
{
	struct luff_platform p;
	struct luff_error err;
	char text[LUFF_PLATFORM_TEXT_MAX], windows[LUFF_PLATFORM_TEXT_MAX];

	CHECK(strncmp(host(), "linux/", 6) == 0 && host()[6]);
	OK(luff_platform_parse(&p, "local", &err));
	CHECK_STR(luff_platform_format(text, &p), host());
	OK(luff_platform_parse(&p, "Linux", &err));
	CHECK_STR(luff_platform_format(text, &p), host());
	OK(luff_platform_parse(&p, "macOS", &err));
	CHECK_STR(p.os, "darwin");
	OK(luff_platform_parse(&p, "windows", &err));
	snprintf(windows, sizeof windows, "windows/%s", host() + 6);
	CHECK_STR(luff_platform_format(text, &p), windows);
}

static void refuses(void)
{
	static const char *const bad[] = {
		"",
		"/",
		"linux/",
		"/amd64",
		"linux//v7",
		"linux/arm/",
		"linux/arm/v7/",
		"linux/arm/v7/x",
		"linux/amd64:",
		":10.0",
		"linux/amd64:10:0",
		"linux/am d64",
		"linux/amd64\n",
		"linux/\303\244",
		"linux,amd64",
		"linux/amd64,linux/arm64",
		"linux/\033[0m",
		"linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"linux/*",
		" linux/amd64",
		"windows/amd64:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	static const struct luff_platform none;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct luff_platform p;
		struct luff_error err;

		memset(&p, 'x', sizeof p);
		if (!FAILS(luff_platform_parse(&p, bad[i], &err), LUFF_ENAME, "want os/arch"))
			fprintf(stderr, "\ttext: %s\n", bad[i]);
		CHECK(memcmp(&p, &none, sizeof p) == 0);
	}
}

/* want, then what runs on it, the best first; after NULL, what does not */
static const char *const runs[][16] = {
	{"linux/amd64", "linux/amd64", NULL, "linux/amd64/v2", "linux/arm64", "linux/386", "windows/amd64",
	 "freebsd/amd64"},
	{"linux/amd64/v2", "linux/amd64/v2", "linux/amd64", NULL, "linux/amd64/v3"},
	{"linux/amd64/v4", "linux/amd64/v4", "linux/amd64/v3", "linux/amd64/v2", "linux/amd64", NULL,
	 "linux/arm64"},
	{"linux/arm64", "linux/arm64", NULL, "linux/arm64/v9", "linux/arm/v7", "linux/amd64"},
	{"linux/arm64/v9", "linux/arm64/v9", "linux/arm64", NULL, "linux/arm/v9"},
	{"linux/arm/v7", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", NULL, "linux/arm/v8", "linux/arm64",
	 "linux/arm/soft", "linux/arm/v", "linux/arm/v99999999999999999999", "linux/arm/v-2147483648"},
	{"linux/arm/v8", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", NULL, "linux/arm64"},
	{"linux/arm/v5", "linux/arm/v5", NULL, "linux/arm/v6", "linux/arm/v7"},
	{"linux/arm/hard", "linux/arm/hard", NULL, "linux/arm/v7", "linux/arm/v6"},
	{"linux/arm/v-2147483648", "linux/arm/v-2147483648", NULL, "linux/arm/v2147483647"},
	{"linux/riscv64", "linux/riscv64", "linux/riscv64/rva23", NULL, "linux/riscv"},
	{"linux/riscv64/rva23", "linux/riscv64/rva23", "linux/riscv64", NULL, "linux/riscv64/rva20"},
	{"windows/amd64", "windows/amd64", "windows/amd64:10.0.17763.1234", NULL, "linux/amd64"},
	{"windows/amd64:10.0.17763", "windows/amd64:10.0.17763.1234", NULL, "windows/amd64:10.0.20348.1",
	 "windows/amd64", "windows/amd64:10.0.177631", "windows/amd64:10.0"},
	{"windows/amd64:10.0.17763.1", "windows/amd64:10.0.17763.1", NULL, "windows/amd64:10.0.17763.1234"},
};

static void matches(void)
{
	for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
		struct luff_platform want, have;
		struct luff_error err;
		size_t k = 1;

		OK(luff_platform_parse(&want, runs[i][0], &err));
		for (int before = INT32_MAX; runs[i][k]; k++) {
			int score;

			OK(luff_platform_parse(&have, runs[i][k], &err));
			score = luff_platform_match(&want, &have);
			if (!CHECK(score > 0) || !CHECK(score < before || have.os_version[0]))
				fprintf(stderr, "\t%s on %s\n", runs[i][k], runs[i][0]);
			before = score;
		}
		for (k++; k < 16 && runs[i][k]; k++) {
			OK(luff_platform_parse(&have, runs[i][k], &err));
			if (!CHECK_INT(luff_platform_match(&want, &have), 0))
				fprintf(stderr, "\t%s on %s\n", runs[i][k], runs[i][0]);
		}
	}
}

static void reads_json(void)
{
	static const char *const pairs[][2] = {
		{"{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}", "linux/arm64"},
		{"{\"os\":\"Linux\",\"architecture\":\"AArch64\",\"variant\":\"V8\"}", "linux/arm64"},
		{"{\"os\":\"linux\",\"architecture\":\"arm\"}", "linux/arm/v7"},
		{"{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"6\"}", "linux/arm/v6"},
		{"{\"os\":\"windows\",\"architecture\":\"amd64\",\"os.version\":\"10.0.17763.1\"}",
		 "windows/amd64:10.0.17763.1"},
		{"{\"os\":\"unknown\",\"architecture\":\"unknown\"}", "unknown/unknown"},
		{"{\"os\":7,\"architecture\":[],\"variant\":{}}", "unknown"},
		{"{}", "unknown"},
		{"[]", "unknown"},
		/* from outside, and on its way to a terminal */
		{"{\"os\":\"\\u001b[31m\",\"architecture\":\"a\\nb\"}", "?[31m/a?b"},
		{"{\"os\":\"oooooooooooooooooooooooooooooooooooooooooooooo\",\"architecture\":\"x\"}",
		 "ooooooooooooooooooooooooooooooo/x"},
	};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		LUFF_AUTO(json) tree = NULL;
		struct luff_platform p;
		struct luff_error err;
		char text[LUFF_PLATFORM_TEXT_MAX];

		OK(luff_json_parse(&tree, pairs[i][0], strlen(pairs[i][0]), "it", &err));
		luff_platform_from_json(&p, tree);
		CHECK_STR(luff_platform_format(text, &p), pairs[i][1]);
	}
}

int main(void)
{
	parses();
	knows_the_host();
	refuses();
	matches();
	reads_json();
	return check_end();
}
