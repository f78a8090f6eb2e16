/* Where docker's environment says that the daemon is. */
#include "check.h"
#include "mediums/daemon/endpoint.h"

static void forget(void)
{
	static const char *const names[] = {"DOCKER_HOST",     "DOCKER_CONTEXT", "DOCKER_CONFIG",
					    "XDG_RUNTIME_DIR", "DOCKER_TLS",     "DOCKER_TLS_VERIFY",
					    "DOCKER_CERT_PATH"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
	setenv("HOME", "/nonexistent", 1);
}

static void addresses(void)
{
	static const struct {
		const char *host, *tls, *where, *url;
	} cases[] = {
		{"unix:///run/d.sock", NULL, "unix:///run/d.sock", "http://docker"},
		{"unix:///run/d.sock", "1", "unix:///run/d.sock", "http://docker"},
		{"tcp://build.example:2375", NULL, "tcp://build.example:2375", "http://build.example:2375"},
		{"tcp://build.example", NULL, "tcp://build.example", "http://build.example:2375"},
		{"tcp://build.example", "1", "tcp://build.example", "https://build.example:2376"},
		{"tcp://build.example:4243/below/", NULL, "tcp://build.example:4243/below/",
		 "http://build.example:4243/below"},
		{"tcp://[::1]", NULL, "tcp://[::1]", "http://[::1]:2375"},
		{"tcp://[::1]:99", NULL, "tcp://[::1]:99", "http://[::1]:99"},
		{"http://127.0.0.1:99", NULL, "tcp://127.0.0.1:99", "http://127.0.0.1:99"},
		{"https://build.example:443", NULL, "tcp://build.example:443", "https://build.example:443"},
	};
	struct luff_endpoint e;
	struct luff_error err = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		forget();
		setenv("DOCKER_HOST", cases[i].host, 1);
		if (cases[i].tls)
			setenv("DOCKER_TLS_VERIFY", cases[i].tls, 1);
		if (!OK(luff_endpoint_find(&e, &err)))
			continue;
		CHECK_STR(e.where, cases[i].where);
		CHECK_STR(e.url, cases[i].url);
		CHECK(e.settings && !e.settings->settings.insecure);
		luff_endpoint_release(&e);
	}
}

static void refused(void)
{
	static const char *const bad[] = {
		"nonsense",
		"npipe:////./pipe/docker",
		"unix://",
		"unix://relative",
		"fd://",
		"tcp://",
		"tcp://me@host:1",
		"tcp://host:port",
		"tcp://host:1/?x=y",
		"tcp://host:1#x",
		"tcp://ho st:1",
		"tcp://host\n:1",
		"unix:relative",
		"tcp://[::1",
	};
	char longest[200] = "unix:///";
	struct luff_endpoint e;
	struct luff_error err = {0};

	forget();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setenv("DOCKER_HOST", bad[i], 1);
		FAILS(luff_endpoint_find(&e, &err), LUFF_EINVAL, "DOCKER_HOST: ");
		CHECK(!e.where && !e.url && !e.settings);
	}
	setenv("DOCKER_HOST", "htps://user:secret@host:1", 1);
	FAILS(luff_endpoint_find(&e, &err), LUFF_EINVAL, "DOCKER_HOST: ");
	CHECK(!strstr(err.msg, "secret"));
	memset(longest + 8, 'x', 150);
	setenv("DOCKER_HOST", longest, 1);
	FAILS(luff_endpoint_find(&e, &err), LUFF_EINVAL, "at most 107 bytes");
	setenv("DOCKER_HOST", "ssh://me@build.example", 1);
	FAILS(luff_endpoint_find(&e, &err), LUFF_ENOTSUP, "ssh is not spoken here");
}

static void certificates(void)
{
	struct luff_endpoint e;
	struct luff_error err = {0};

	forget();
	CHECK(mkdir(scratch("certs"), 0700) == 0);
	setenv("DOCKER_HOST", "tcp://build.example", 1);
	setenv("DOCKER_CERT_PATH", scratch("certs"), 1);
	/* without a word of TLS they mean nothing */
	OK(luff_endpoint_find(&e, &err));
	CHECK_STR(e.url, "http://build.example:2375");
	luff_endpoint_release(&e);
	setenv("DOCKER_TLS_VERIFY", "1", 1);
	write_file(scratch("certs/ca.pem"), "x", 1);
	OK(luff_endpoint_find(&e, &err));
	CHECK(e.settings->settings.ca && !e.settings->settings.cert && !e.settings->settings.insecure);
	luff_endpoint_release(&e);
	write_file(scratch("certs/cert.pem"), "x", 1);
	FAILS(luff_endpoint_find(&e, &err), LUFF_ENOTFOUND, "has no key.pem");
	write_file(scratch("certs/key.pem"), "x", 1);
	OK(luff_endpoint_find(&e, &err));
	CHECK(e.settings->settings.cert && e.settings->settings.key);
	luff_endpoint_release(&e);
	unsetenv("DOCKER_TLS_VERIFY");
	setenv("DOCKER_TLS", "1", 1);
	OK(luff_endpoint_find(&e, &err));
	CHECK(e.settings->settings.insecure);
	luff_endpoint_release(&e);
}

int main(void)
{
	addresses();
	refused();
	certificates();
	return check_end();
}
