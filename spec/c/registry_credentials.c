/* Docker's config.json, as Docker, Podman and people write it. */
#include "check.h"
#include "mediums/registry/credentials.h"

/* base64 of user:pa:ss */
#define AUTH "dXNlcjpwYTpzcw=="

static void finds(void)
{
	static const struct {
		const char *text, *registry, *user, *password; /* user NULL: none */
	} cases[] = {
		{"{\"auths\":{\"h.example\":{\"auth\":\"" AUTH "\"}}}", "h.example", "user", "pa:ss"},
		{"{\"auths\":{\"h.example\":{\"auth\":\"dXNlcjpwYTpzcw\"}}}", "h.example", "user", "pa:ss"},
		{"{\"auths\":{\"H.Example\":{\"auth\":\"" AUTH "\"}}}", "h.example", "user", "pa:ss"},
		{"{\"auths\":{\"https://h.example:5000/v2/\":{\"auth\":\"" AUTH "\"}}}", "h.example:5000",
		 "user", "pa:ss"},
		{"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"" AUTH "\"}}}", "docker.io", "user",
		 "pa:ss"},
		{"{\"auths\":{\"docker.io\":{\"auth\":\"" AUTH "\"}}}", "docker.io", "user", "pa:ss"},
		{"{\"auths\":{\"h\":{\"username\":\"u\",\"password\":\"p\"}}}", "h", "u", "p"},
		{"{\"auths\":{\"https://h\":{\"auth\":\"eDp5\"},\"h\":{\"auth\":\"" AUTH "\"}}}", "h", "user",
		 "pa:ss"},
		{"{\"auths\":{\"h\":{\"auth\":\"" AUTH "\"},\"https://h\":{\"auth\":\"eDp5\"}}}", "h", "user",
		 "pa:ss"},
		/* Docker pads a password with NULs */
		{"{\"auths\":{\"h\":{\"auth\":\"dTpwAAAA\"}}}", "h", "u", "p"},
		{"{\"auths\":{\"h\":{}}}", "h", NULL, NULL},
		{"{\"auths\":{\"h\":{\"auth\":\"\"}}}", "h", NULL, NULL},
		{"{\"auths\":{\"h/team\":{\"auth\":\"" AUTH "\"}}}", "h", NULL, NULL},
		{"{\"auths\":{\"h.example.evil\":{\"auth\":\"" AUTH "\"}}}", "h.example", NULL, NULL},
		{"{\"auths\":{\"h:5000\":{\"auth\":\"" AUTH "\"}}}", "h", NULL, NULL},
		{"{\"auths\":[]}", "h", NULL, NULL},
		{"{}", "h", NULL, NULL},
	};
	struct luff_error err = {0};
	struct luff_credentials c;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		OK(luff_credentials_parse(&c, cases[i].text, strlen(cases[i].text), cases[i].registry, &err));
		if (!cases[i].user && c.user)
			check_note(__FILE__, __LINE__, "%s gives credentials for %s", cases[i].text,
				   cases[i].registry);
		if (cases[i].user) {
			CHECK_STR(c.user, cases[i].user);
			CHECK_STR(c.password, cases[i].password);
		}
		luff_credentials_release(&c);
	}
}

static void refuses(void)
{
	static const char *const bad[] = {
		"",
		"{",
		"[",
		"{\"auths\":{\"h\":{\"auth\":\"!!!!\"}}}",
		"{\"auths\":{\"h\":{\"auth\":\"dXNlcg==\"}}}",
		"{\"auths\":{\"h\":{\"auth\":\"a\"}}}",
	};
	struct luff_error err = {0};
	struct luff_credentials c;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		FAILS(luff_credentials_parse(&c, bad[i], strlen(bad[i]), "h", &err), LUFF_EFORMAT, "");
		CHECK(!c.user && !c.password);
	}
}

static void reads_the_file(void)
{
	static const char text[] = "{\"auths\":{\"h\":{\"auth\":\"" AUTH "\"}}}";
	const char *dir = scratch("docker");
	struct luff_error err = {0};
	struct luff_credentials c;
	char *basic;

	setenv("DOCKER_CONFIG", dir, 1);
	OK(luff_credentials_find(&c, "h", &err)); /* there is no such folder */
	CHECK(!c.user);
	CHECK(mkdir(dir, 0700) == 0);
	OK(luff_credentials_find(&c, "h", &err));
	CHECK(!c.user);
	write_file(scratch("docker/config.json"), text, sizeof text - 1);
	OK(luff_credentials_find(&c, "h", &err));
	CHECK_STR(c.user, "user");
	OK(luff_credentials_basic(&basic, &c, &err));
	CHECK_STR(basic, "Basic " AUTH);
	free(basic);
	luff_credentials_release(&c);
	CHECK(!c.user && !c.password);
	write_file(scratch("docker/config.json"), "{bad", 4);
	FAILS(luff_credentials_find(&c, "h", &err), LUFF_EFORMAT, "config.json");
	write_file(scratch("docker/config.json"), "", 0);
	OK(luff_credentials_find(&c, "h", &err));
	unsetenv("DOCKER_CONFIG");
	setenv("HOME", scratch("home"), 1);
	CHECK(mkdir(scratch("home"), 0700) == 0 && mkdir(scratch("home/.docker"), 0700) == 0);
	write_file(scratch("home/.docker/config.json"), text, sizeof text - 1);
	OK(luff_credentials_find(&c, "h", &err));
	CHECK_STR(c.password, "pa:ss");
	luff_credentials_release(&c);
}

int main(void)
{
	finds();
	refuses();
	reads_the_file();
	return check_end();
}
