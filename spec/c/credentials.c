/* Logins as docker, podman and people write them, and the order in which files are asked. */
#include "check.h"
#include "http/helper.h"

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
	char *helper;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		OK(luff_credentials_parse(&c, &helper, cases[i].text, strlen(cases[i].text),
					  cases[i].registry, "", &err));
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
		"{\"auths\":{\"h\":{\"identitytoken\":\"t\",\"auth\":\"a\"}}}",
	};
	struct luff_error err = {0};
	struct luff_credentials c;
	char *helper;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		FAILS(luff_credentials_parse(&c, &helper, bad[i], strlen(bad[i]), "h", "", &err),
		      LUFF_EFORMAT, "");
		CHECK(luff_credentials_empty(&c) && !c.password);
	}
}

static void prefers_the_longest_key(void)
{
	/* each password says which key it stands under */
	static const char text[] =
		"{\"auths\":{"
		"\"https://h:5/v2/\":{\"username\":\"u\",\"password\":\"url\"},"
		"\"h:5/team\":{\"username\":\"u\",\"password\":\"team\"},"
		"\"h:5/team/app\":{\"username\":\"u\",\"password\":\"app\"},"
		"\"h:5/empty\":{},"
		"\"h:5\":{\"username\":\"u\",\"password\":\"host\"},"
		"\"https://h:5/web\":{\"username\":\"u\",\"password\":\"web\"},"
		"\"docker.io/library\":{\"username\":\"u\",\"password\":\"library\"},"
		"\"https://index.docker.io/v1/\":{\"username\":\"u\",\"password\":\"hub\"}}}";
	static const struct {
		const char *registry, *repository, *password;
	} cases[] = {
		{"h:5", "", "host"},
		{"h:5", "team", "team"},
		{"h:5", "team/app", "app"},
		{"h:5", "team/app/x", "app"},
		{"h:5", "team/apple", "team"},
		{"h:5", "teams", "host"},
		{"h:5", "other", "host"},
		{"h:5", "empty/app", "host"},
		{"h:5", "web", "host"},
		{"h:5", "v2", "host"},
		{"docker.io", "me/app", "hub"},
		{"docker.io", "library/x", "library"},
		{"docker.io", "", "hub"},
	};
	struct luff_error err = {0};
	struct luff_credentials c;
	char *helper;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		OK(luff_credentials_parse(&c, &helper, text, sizeof text - 1, cases[i].registry,
					  cases[i].repository, &err));
		CHECK_STR(c.password, cases[i].password);
		luff_credentials_release(&c);
	}
}

static void knows_tokens(void)
{
	static const char text[] =
		"{\"auths\":{\"i\":{\"auth\":\"" AUTH "\",\"identitytoken\":\"id\"},"
		"\"r\":{\"registrytoken\":\"reg\"},\"e\":{\"identitytoken\":\"\",\"auth\":\"\"}}}";
	struct luff_error err = {0};
	struct luff_credentials c;
	char *helper;

	OK(luff_credentials_parse(&c, &helper, text, sizeof text - 1, "i", "", &err));
	CHECK_STR(c.identity, "id");
	CHECK_STR(c.user, "user");
	luff_credentials_release(&c);
	OK(luff_credentials_parse(&c, &helper, text, sizeof text - 1, "r", "", &err));
	CHECK_STR(c.bearer, "reg");
	CHECK(!c.user && !luff_credentials_empty(&c));
	luff_credentials_release(&c);
	OK(luff_credentials_parse(&c, &helper, text, sizeof text - 1, "e", "", &err));
	CHECK(luff_credentials_empty(&c));
}

static void names_helpers(void)
{
	static const char text[] =
		"{\"auths\":{\"h\":{}},\"credsStore\":\"store\",\"credHelpers\":{\"a\":\"one\","
		"\"docker.io\":\"hub\",\"b:5\":\"two\",\"h\":7,\"e\":\"\"}}";
	static const struct {
		const char *registry, *helper;
	} cases[] = {{"a", "one"},         {"b:5", "two"}, {"b", "store"},
		     {"docker.io", "hub"}, {"h", "store"}, {"unknown", "store"}};
	struct luff_error err = {0};
	struct luff_credentials c;
	char *helper;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		OK(luff_credentials_parse(&c, &helper, text, sizeof text - 1, cases[i].registry, "team/app",
					  &err));
		CHECK_STR(helper, cases[i].helper);
		CHECK(luff_credentials_empty(&c));
		free(helper);
	}
	OK(luff_credentials_parse(&c, &helper, text, sizeof text - 1, "e", "", &err));
	CHECK(!helper); /* the file itself, in spite of a store for all others */
	OK(luff_credentials_parse(&c, &helper, "{\"credsStore\":\"\"}", 17, "h", "", &err));
	CHECK(!helper);
}

/* ---- Files ---- */

/* A login whose password says where it stands. */
static void write_login(const char *path, const char *key, const char *password)
{
	char text[256];
	int n = snprintf(text, sizeof text, "{\"auths\":{\"%s\":{\"username\":\"u\",\"password\":\"%s\"}}}",
			 key, password);

	write_file(path, text, (size_t)n);
}

static void expect(const char *registry, const char *password)
{
	struct luff_error err = {0};
	struct luff_credentials c;

	OK(luff_credentials_find(&c, registry, "", &err));
	if (password)
		CHECK_STR(c.password, password);
	else
		CHECK(luff_credentials_empty(&c));
	luff_credentials_release(&c);
}

static void make_folders(const char *path)
{
	CHECK(mkdir(scratch("%s", path), 0700) == 0);
	CHECK(mkdir(scratch("%s/containers", path), 0700) == 0);
}

static void asks_in_order(void)
{
	struct luff_error err = {0};
	struct luff_credentials c;

	make_folders("run");
	make_folders("config");
	make_folders("lonely");
	CHECK(mkdir(scratch("lonely/.config"), 0700) == 0);
	CHECK(mkdir(scratch("lonely/.config/containers"), 0700) == 0);
	setenv("HOME", scratch("lonely"), 1);
	setenv("XDG_RUNTIME_DIR", scratch("run"), 1);
	setenv("XDG_CONFIG_HOME", scratch("config"), 1);
	setenv("DOCKER_CONFIG", scratch("lonely"), 1);
	write_login(scratch("lonely/config.json"), "h", "docker");
	expect("h", "docker");
	setenv("DOCKER_AUTH_CONFIG", "{\"auths\":{\"h\":{\"username\":\"u\",\"password\":\"inline\"}}}", 1);
	expect("h", "inline");
	write_login(scratch("lonely/.config/containers/auth.json"), "h", "home");
	expect("h", "inline"); /* XDG_CONFIG_HOME stands for ~/.config */
	unsetenv("XDG_CONFIG_HOME");
	expect("h", "home");
	setenv("XDG_CONFIG_HOME", scratch("config"), 1);
	write_login(scratch("config/containers/auth.json"), "h", "config");
	expect("h", "config");
	write_login(scratch("run/containers/auth.json"), "elsewhere", "x");
	expect("h", "config"); /* a file that does not know the registry decides nothing */
	write_login(scratch("run/containers/auth.json"), "h", "run");
	expect("h", "run");
	write_login(scratch("named.json"), "elsewhere", "x");
	setenv("REGISTRY_AUTH_FILE", scratch("named.json"), 1);
	expect("h", "inline"); /* no other file of podman's */
	write_login(scratch("named.json"), "h", "named");
	expect("h", "named");
	expect("unknown", NULL);
	setenv("DOCKER_AUTH_CONFIG", "{", 1);
	FAILS(luff_credentials_find(&c, "unknown", "", &err), LUFF_EFORMAT, "$DOCKER_AUTH_CONFIG");
	unsetenv("DOCKER_AUTH_CONFIG");
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("DOCKER_CONFIG");
}

static void reads_the_file(void)
{
	static const char text[] = "{\"auths\":{\"h\":{\"auth\":\"" AUTH "\"}}}";
	const char *dir = scratch("docker");
	struct luff_error err = {0};
	struct luff_credentials c;
	char *basic;

	setenv("DOCKER_CONFIG", dir, 1);
	OK(luff_credentials_find(&c, "h", "", &err)); /* there is no such folder */
	CHECK(!c.user);
	CHECK(mkdir(dir, 0700) == 0);
	OK(luff_credentials_find(&c, "h", "", &err));
	CHECK(!c.user);
	write_file(scratch("docker/config.json"), text, sizeof text - 1);
	OK(luff_credentials_find(&c, "h", "", &err));
	CHECK_STR(c.user, "user");
	OK(luff_credentials_basic(&basic, &c, &err));
	CHECK_STR(basic, "Basic " AUTH);
	free(basic);
	luff_credentials_release(&c);
	CHECK(!c.user && !c.password);
	write_file(scratch("docker/config.json"), "{bad", 4);
	FAILS(luff_credentials_find(&c, "h", "", &err), LUFF_EFORMAT, "config.json");
	write_file(scratch("docker/config.json"), "", 0);
	OK(luff_credentials_find(&c, "h", "", &err));
	unsetenv("DOCKER_CONFIG");
	setenv("HOME", scratch("home"), 1);
	CHECK(mkdir(scratch("home"), 0700) == 0 && mkdir(scratch("home/.docker"), 0700) == 0);
	write_file(scratch("home/.docker/config.json"), text, sizeof text - 1);
	OK(luff_credentials_find(&c, "h", "", &err));
	CHECK_STR(c.password, "pa:ss");
	luff_credentials_release(&c);
}

/* A helper gives back the name under which it was asked. */
static void asks_helpers_by_their_names(void)
{
	static const char script[] =
		"#!/bin/sh\nprintf '{\"Username\":\"u\",\"Secret\":\"%s\"}' \"$(cat)\"\n";
	static const char token[] = "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"id\"}'\n";
	static const char text[] = "{\"credsStore\":\"unit\",\"credHelpers\":{\"t\":\"unit-token\"}}";
	struct luff_error err = {0};
	struct luff_credentials c;
	char path[4096];

	CHECK(mkdir(scratch("bin"), 0700) == 0);
	write_file(scratch("bin/docker-credential-unit"), script, sizeof script - 1);
	write_file(scratch("bin/docker-credential-unit-token"), token, sizeof token - 1);
	CHECK(chmod(scratch("bin/docker-credential-unit"), 0700) == 0);
	CHECK(chmod(scratch("bin/docker-credential-unit-token"), 0700) == 0);
	snprintf(path, sizeof path, "%s:%s", scratch("bin"), getenv("PATH"));
	setenv("PATH", path, 1);
	write_file(scratch("named.json"), text, sizeof text - 1);
	setenv("REGISTRY_AUTH_FILE", scratch("named.json"), 1);
	expect("h:5", "h:5");
	expect("docker.io", "docker.io");
	OK(luff_credentials_find(&c, "t", "", &err));
	CHECK_STR(c.identity, "id");
	CHECK(!c.user);
	luff_credentials_release(&c);
	unsetenv("REGISTRY_AUTH_FILE");
	setenv("DOCKER_AUTH_CONFIG", text, 1);
	expect("docker.io", "https://index.docker.io/v1/");
	luff_helpers_forget();
}

int main(void)
{
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("DOCKER_AUTH_CONFIG");
	setenv("XDG_RUNTIME_DIR", scratch("none"), 1);
	setenv("XDG_CONFIG_HOME", scratch("none"), 1);
	finds();
	refuses();
	prefers_the_longest_key();
	knows_tokens();
	names_helpers();
	reads_the_file();
	asks_in_order();
	asks_helpers_by_their_names();
	return check_end();
}
