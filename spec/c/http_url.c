/* URLs: what a Location may be, where a server may lead, and what of it is shown. */
#include "check.h"
#include "http/curl.h"
#include "http/url.h"

static void resolves(void)
{
	static const struct {
		const char *base, *text, *url; /* NULL: refused */
	} cases[] = {
		{NULL, "https://h.example/a?b=c%2Fd", "https://h.example/a?b=c%2Fd"},
		{NULL, "https://h.example/a#fragment", "https://h.example/a"},
		{"http://h:5000/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/1?_state=a%2Bb",
		 "http://h:5000/v2/a/blobs/uploads/1?_state=a%2Bb"},
		{"http://h/v2/tags/list?n=2", "list?last=b", "http://h/v2/tags/list?last=b"},
		{"http://h/v2/tags/list?n=2", "?last=b", "http://h/v2/tags/list?last=b"},
		{"https://h/a/b", "//other.example/c", "https://other.example/c"},
		{"https://h/a/b", "../../../../c", "https://h/c"},
		{"http://[::1]:5000/a", "b", "http://[::1]:5000/b"},
		{"https://h/", "", NULL},
		{NULL, "/relative", NULL},
		{NULL, "h.example/x", NULL},
		{NULL, "javascript:1", NULL},
		{"https://h/", "ftp://h/x", NULL},
		{"https://h/", "file:///etc/passwd", NULL},
		{"https://h/", "https://user:pass@h/x", NULL},
		{"https://h/", "https://user@h/x", NULL},
		{"https://h/", "/a\r\nX-Evil: 1", NULL},
		{"https://h/", "/a b", NULL},
		{"https://h/", "https://h:99999/", NULL},
	};
	char huge[LUFF_URL_MAX + 32] = "https://h/", *url = NULL;
	struct luff_error err = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (cases[i].url && OK(luff_url_resolve(&url, cases[i].base, cases[i].text, &err)))
			CHECK_STR(url, cases[i].url);
		else if (!cases[i].url && !FAILS(luff_url_resolve(&url, cases[i].base, cases[i].text, &err),
						 LUFF_EFORMAT, "a URL"))
			check_note(__FILE__, __LINE__, "%s", cases[i].text);
		CHECK(cases[i].url || !url);
		free(url);
		url = NULL;
	}
	memset(huge + 10, 'a', LUFF_URL_MAX);
	FAILS(luff_url_resolve(&url, NULL, huge, &err), LUFF_EFORMAT, "8192");
}

static void origins(void)
{
	static const char *const cases[][2] = {
		{"https://H.Example/a?b", "https://h.example:443"},
		{"http://h:80/", "http://h:80"},
		{"http://h", "http://h:80"},
		{"https://[::1]:5000/x", "https://[::1]:5000"},
	};
	struct luff_error err = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *origin = NULL;

		OK(luff_url_origin(&origin, cases[i][0], &err));
		CHECK_STR(origin, cases[i][1]);
		free(origin);
	}
}

static void leads(void)
{
	static const struct {
		const char *from, *to;
		bool from_private, allowed;
	} cases[] = {
		{"https://a.example/", "https://b.example/", false, true},
		{"http://a.example/", "https://a.example/", false, true},
		{"http://a.example/", "http://b.example/", false, true},
		{"https://a.example/", "http://a.example/", false, false},
		{"https://a.example/", "https://10.0.0.1/", false, false},
		{"https://a.example/", "https://10.0.0.1/", true, true},
		{"https://10.0.0.1/", "https://10.0.0.1:8443/", false, true},
		{"http://a.example/", "http://0x7f.1/", false, false},
		{"http://a.example/", "http://2130706433/", false, false},
		{"http://a.example/", "http://localhost:1/", false, false},
		{"http://a.example/", "http://x.LOCALHOST/", false, false},
		{"https://a.example/", "https://localhost./", false, false},
		{"https://a.example/", "https://127.0.0.1%2e/", false, false},
		{"https://127.0.0.1./", "https://169.254.169.254./", true, false},
		{"http://a.example/", "http://[::1]/", false, false},
		{"http://a.example/", "http://[::ffff:10.1.2.3]/", false, false},
		{"http://a.example/", "http://[64:ff9b::a00:1]/", false, false},
		{"http://a.example/", "http://[fd00::1]/", false, false},
		{"http://127.0.0.1/", "http://169.254.169.254/latest", true, false},
		{"http://127.0.0.1/", "http://[fe80::1]/", true, false},
		{"http://127.0.0.1/", "http://0.0.0.0/", true, false},
		{"http://127.0.0.1/", "http://[::]/", true, false},
		{"http://127.0.0.1/", "http://[::ffff:169.254.169.254]/", true, false},
	};
	struct luff_error err = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int rc = luff_url_may_lead(cases[i].from, cases[i].to, cases[i].from_private, &err);

		if (rc != (cases[i].allowed ? 0 : LUFF_EDENIED))
			check_note(__FILE__, __LINE__, "%s to %s: %d", cases[i].from, cases[i].to, rc);
	}
}

static void loopback(void)
{
	static const char *const here[] = {"localhost", "localhost:5000", "LocalHost", "x.localhost:1",
					   "127.0.0.1", "127.9.9.9:80",   "[::1]",     "[::1]:5000"};
	static const char *const elsewhere[] = {"localhost.example", "127.0.0.1.example", "xlocalhost",
						"10.0.0.1",          "[::2]:5000",        "128.0.0.1",
						".localhost"};

	for (size_t i = 0; i < sizeof here / sizeof *here; i++)
		CHECK(luff_url_is_loopback(here[i]));
	for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
		CHECK(!luff_url_is_loopback(elsewhere[i]));
	CHECK(!luff_url_names_private("https://registry.example/v2/"));
	CHECK(luff_url_names_private("https://10.0.0.1/v2/"));
	CHECK(luff_url_names_private("http://localhost.:5000/v2/"));
}

static void same_hosts(void)
{
	CHECK(luff_url_same_host("https://a.example/x", "http://A.Example.:8080/y"));
	CHECK(luff_url_same_host("http://[::1]/", "https://[::1]:5000/"));
	CHECK(!luff_url_same_host("https://a.example/", "https://b.a.example/"));
	CHECK(!luff_url_same_host("https://a.example/", "nonsense"));
}

static void redacts(void)
{
	static const char *const cases[][2] = {
		{"https://h/a", "https://h/a"},
		{"https://h/a?digest=sha256:ab&X-Amz-Signature=abc",
		 "https://h/a?digest=sha256:ab&X-Amz-Signature=***"},
		{"https://h/a?_state=secret&n=5&last=b", "https://h/a?_state=***&n=5&last=b"},
		{"https://h/a?secret", "https://h/a?***"},
		{"https://h/a?&=x", "https://h/a?&=***"},
		{"https://h/a?", "https://h/a?"},
	};
	char buf[100];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		CHECK_STR(luff_url_redact(buf, sizeof buf, cases[i][0]), cases[i][1]);
	for (size_t size = 1; size < 60; size++) {
		luff_url_redact(buf, size, cases[1][0]);
		CHECK(strlen(buf) < size);
	}
}

static void encodes(void)
{
	struct luff_buffer b;
	struct luff_error err = {0};

	luff_buffer_init(&b, 100);
	OK(luff_url_encode(&b, "repository:a/b:pull,push &=#\r\n\xc3\xa9", &err));
	CHECK_STR(b.data, "repository:a/b:pull%2Cpush%20%26%3D%23%0D%0A%C3%A9");
	FAILS(luff_url_encode(&b, "                                        ", &err), LUFF_ELIMIT, "100");
	luff_buffer_release(&b);
}

int main(void)
{
	struct luff_error err = {0};

	if (luff_curl_load(&err) < 0) {
		fprintf(stderr, "skipped: %s\n", err.msg);
		return SKIPPED;
	}
	resolves();
	origins();
	leads();
	loopback();
	same_hosts();
	redacts();
	encodes();
	luff_curl_unload();
	return check_end();
}
