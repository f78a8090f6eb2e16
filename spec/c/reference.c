/* Names: the whole grammar, Docker's defaults, and refusals that point at the right character. */
#include "check.h"

static const char hex256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#define HEX256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEX512                                                                                               \
	"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"                                   \
	"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
#define A10 "aaaaaaaaaa"
#define A128 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 "aaaaaaaa"
#define A237 A128 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 "aaaaaaaaa"
#define A245 A237 "aaaaaaaa"

static const struct {
	const char *text, *canonical;
} good[] = {
	{"nginx", "docker.io/library/nginx:latest"},
	{"nginx:1.27", "docker.io/library/nginx:1.27"},
	{"library/nginx", "docker.io/library/nginx:latest"},
	{"org/app", "docker.io/org/app:latest"},
	{"docker.io/nginx", "docker.io/library/nginx:latest"},
	{"index.docker.io/nginx:1", "docker.io/library/nginx:1"},
	{"index.docker.io/org/app", "docker.io/org/app:latest"},
	{"registry-1.docker.io/library/nginx", "docker.io/library/nginx:latest"},
	{"registry-1.docker.io/nginx@sha256:" HEX256, "docker.io/library/nginx@sha256:" HEX256},
	{"localhost", "docker.io/library/localhost:latest"},
	{"localhost/app", "localhost/app:latest"},
	{"localhost:5000/app", "localhost:5000/app:latest"},
	{"host:5000/app:v1", "host:5000/app:v1"},
	{"a:1/2", "a:1/2:latest"},
	{"a.b/c", "a.b/c:latest"},
	{"1.2/x", "1.2/x:latest"},
	{"127.0.0.1:5000/a/b/c/d:v1", "127.0.0.1:5000/a/b/c/d:v1"},
	{"[::1]:5000/app", "[::1]:5000/app:latest"},
	{"[2001:DB8::1]/app:v1", "[2001:DB8::1]/app:v1"},
	{"Foo/bar", "Foo/bar:latest"}, /* Docker: what cannot be a repository is a host */
	{"my-host.example-1.com:443/a", "my-host.example-1.com:443/a:latest"},
	{"xn--bcher-kva.example/a", "xn--bcher-kva.example/a:latest"},
	{"ghcr.io/a__b/c-d---e/f.g_h", "ghcr.io/a__b/c-d---e/f.g_h:latest"},
	{"0a/1b", "docker.io/0a/1b:latest"},
	{"a:_tag", "docker.io/library/a:_tag"},
	{"a:T.a-g_", "docker.io/library/a:T.a-g_"},
	{"a:" A128, "docker.io/library/a:" A128},
	{"nginx@sha256:" HEX256, "docker.io/library/nginx@sha256:" HEX256},
	{"nginx:1@sha256:" HEX256, "docker.io/library/nginx:1@sha256:" HEX256},
	{"localhost:5000/app:v1@sha512:" HEX512, "localhost:5000/app:v1@sha512:" HEX512},
	{A237, "docker.io/library/" A237 ":latest"}, /* "library/" counts */
	{"docker.io/" A237 ":1", "docker.io/library/" A237 ":1"},
	{A237 "/"
	      "aaaaaaa",
	 "docker.io/" A237 "/aaaaaaa:latest"},
	{"localhost/" A245, "localhost/" A245 ":latest"},
	{"localhost:5000/" A128 "/" A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 "a",
	 "localhost:5000/" A128 "/" A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 "a:latest"},
	{HEX256 "0", "docker.io/library/" HEX256 "0:latest"},
};

static const struct {
	const char *text;
	size_t at; /* character, from 1 on; 0: none is named */
	const char *part;
} bad[] = {
	{"", 0, "empty"},
	/* repositories */
	{"a//b", 3, "empty"},
	{"/a", 1, "empty"},
	{"a/", 3, "empty"},
	{"docker.io/", 11, "empty"},
	{"@sha256:" HEX256, 1, "empty"},
	{":tag", 1, "empty"},
	{"-a", 1, "starts with"},
	{"a/-b", 3, "starts with"},
	{".a", 1, "starts with"},
	{"_a", 1, "starts with"},
	{"a/../b", 3, "starts with"},
	{"a/./b", 3, "starts with"},
	{"../b", 1, "host"},
	{"a..b", 3, "between"},
	{"a-", 2, "between"},
	{"a-/b", 2, "between"},
	{"a/b_", 4, "between"},
	{"a___b", 4, "between"},
	{"a_-b", 3, "between"},
	{"a.-b", 3, "between"},
	{"a_.b", 3, "between"},
	{"Nginx", 1, "lower case"},
	{"nGinx", 2, "lower case"},
	{"docker.io/Nginx", 11, "lower case"},
	{"a/b/cD:tag", 6, "lower case"},
	{"a-B", 3, "lower case"},
	{"a b", 2, "character"},
	{" a", 1, "starts with"},
	{"a\n", 2, "character"},
	{"a+b", 2, "character"},
	{"a\\b", 2, "character"},
	{"a%2fb", 2, "character"},
	{"a?b", 2, "character"},
	{"a#b", 2, "character"},
	{"${NAME}", 1, "starts with"},
	{"b\303\274cher", 2, "character"},
	{HEX256, 1, "hex"},
	/* tags */
	{"a:", 3, "empty"},
	{"a:@sha256:" HEX256, 3, "empty"},
	{"a:-x", 3, "starts with"},
	{"a:.x", 3, "starts with"},
	{"a:x/y", 3, "port"}, /* Docker reads a host with a port */
	{"a:x y", 4, "tag"},
	{"a:x:y", 4, "tag"},
	{"a:x+y", 4, "tag"},
	{"a:\303\274", 3, "tag"},
	{"a:" A128 "a", 131, "128"},
	/* digests */
	{"a@", 3, "algorithm"},
	{"a@latest", 3, "algorithm"},
	{"a@sha256:", 3, "has 0"},
	{"a@sha256:abc", 3, "has 3"},
	{"a@sha256:" HEX256 "0", 3, "has 65"},
	{"a@sha512:" HEX256, 3, "has 64"},
	{"a@md5:" HEX256, 3, "unknown algorithm"},
	{"a@SHA256:" HEX256, 3, "unknown algorithm"},
	{"a@sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", 3, "lower-case"},
	{"a@sha256:" HEX256 "@sha256:" HEX256, 3, "hex digits"},
	{"a@sha256:" HEX256 ":tag", 3, "hex digits"},
	{"a:1@sha256:..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f.%2f", 5, "lower-case"},
	/* hosts */
	{":5000/a", 1, "host is missing"},
	{"a:/b", 2, "port"},
	{"a:123456/b", 2, "port"},
	{"a:65536/b", 2, "port"},
	{"a:0/b", 2, "port"},
	{"a:5x/b", 4, "port"},
	{"a:-1/b", 3, "port"},
	{"a.b./c", 4, "host"},
	{"a..b/c", 3, "host"},
	{".a/c", 1, "host"},
	{"-a.b/c", 1, "host"},
	{"a-.b/c", 2, "host"},
	{"a.-b/c", 3, "host"},
	{"a.b-/c", 4, "host"},
	{"a.b-:5000/c", 4, "host"},
	{"a_b.c/d", 2, "host"},
	{"a.b c/d", 4, "host"},
	{"a.b%00/d", 4, "host"},
	{"[::1/a", 5, "]"},
	{"[]/a", 2, "IPv6"},
	{"[:::zz]/a", 5, "IPv6"},
	{"[fe80::1%25eth0]/a", 9, "IPv6"},
	{"[::1]x/a", 6, "port"},
	{"[::1]:/a", 6, "port"},
	/* schemes */
	{"https://ghcr.io/a", 6, "scheme"},
	{"oci://a", 4, "scheme"},
	{"docker.io/a://b", 12, "scheme"},
	/* lengths */
	{"localhost/" A245 "a", 256, "255"},
	{A237 "a", 238, "255"},
	{"index.docker.io/" A237 "a", 254, "255"},
	{A237 "/"
	      "aaaaaaaa",
	 246, "255"},
	{"localhost:5000/" A128 "/" A128, 256, "255"},
	{"a." A128 A128 "/b", 256, "too long"},
};

static void parses(void)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct luff_reference ref, again;
		struct luff_error err;
		char text[1200], second[1200];

		if (!OK(luff_reference_parse(&ref, good[i].text, &err)))
			fprintf(stderr, "\tname: %s\n", good[i].text);
		CHECK_STR(luff_reference_format(text, sizeof text, &ref), good[i].canonical);
		/* the canonical text means the same */
		OK(luff_reference_parse(&again, text, &err));
		CHECK_STR(luff_reference_format(second, sizeof second, &again), text);
	}
}

static void refuses(void)
{
	static const struct luff_reference none;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct luff_reference ref;
		struct luff_error err;
		char place[48] = "";

		memset(&ref, 'x', sizeof ref);
		if (bad[i].at)
			snprintf(place, sizeof place, "(at character %zu)", bad[i].at);
		if (!FAILS(luff_reference_parse(&ref, bad[i].text, &err), LUFF_ENAME, bad[i].part) ||
		    !CHECK(strstr(err.msg, place)))
			fprintf(stderr, "\tname: %s\n\twant: %s %s\n\thave: %s\n", bad[i].text, bad[i].part,
				place, err.msg);
		CHECK(memcmp(&ref, &none, sizeof ref) == 0);
	}
}

static void keeps_apart(void)
{
	struct luff_reference ref;
	struct luff_error err;

	OK(luff_reference_parse(&ref, "localhost:5000/org/app:v1@sha256:" HEX256, &err));
	CHECK_STR(ref.registry, "localhost:5000");
	CHECK_STR(ref.repository, "org/app");
	CHECK_STR(ref.tag, "v1");
	CHECK_STR(ref.digest.text, "sha256:" HEX256);
	CHECK_STR(luff_digest_hex(&ref.digest), hex256);
	/* a digest alone brings no tag */
	OK(luff_reference_parse(&ref, "app@sha256:" HEX256, &err));
	CHECK_STR(ref.tag, "");
	/* a name alone brings the default tag and no digest */
	OK(luff_reference_parse(&ref, "app", &err));
	CHECK_STR(ref.tag, "latest");
	CHECK_STR(ref.digest.text, "");
}

/* A name may come from a list that a server sent: nothing in it reaches the terminal raw. */
static void prints_no_controls(void)
{
	static const char *const names[] = {
		"a\033[31mb", "a\r\nb", "a\177b", "a\302\233b", "a\xff", "a\xc3", "a@sha256:\033]0;x\007",
		"\033://a"};
	struct luff_reference ref;
	struct luff_error err;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		FAILS(luff_reference_parse(&ref, names[i], &err), LUFF_ENAME, "?");
		CHECK(!strstr(err.msg, "\302\233"));
	}
}

/* What people paste into a name must not end up in a log. */
static void prints_no_passwords(void)
{
	static const char *const names[] = {"user:s3cret@ghcr.io/org/app", "https://user:s3cret@ghcr.io",
					    "u:s3cr/et@a.b/c:v1", "user:s3@cret@ghcr.io:5000/org/app:v1"};
	struct luff_reference ref;
	struct luff_error err;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		FAILS(luff_reference_parse(&ref, names[i], &err), LUFF_ENAME, "password");
		CHECK(!strstr(err.msg, "s3") && !strstr(err.msg, "cret"));
	}
}

static void survives_any_length(void)
{
	size_t len = 100000;
	char *text = malloc(len + 1);
	struct luff_reference ref;
	struct luff_error err;

	for (const char *c = "a/:@.[-_A1"; *c; c++) {
		memset(text, *c, len);
		text[len] = '\0';
		FAILS(luff_reference_parse(&ref, text, &err), LUFF_ENAME, "name");
		memcpy(text, "a.b/c:d@", 8);
		FAILS(luff_reference_parse(&ref, text, &err), LUFF_ENAME, "name");
	}
	free(text);
}

int main(void)
{
	parses();
	refuses();
	keeps_apart();
	prints_no_controls();
	prints_no_passwords();
	survives_any_length();
	return check_end();
}
