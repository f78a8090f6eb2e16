/* Which proxy the environment has for whom. */
#include "check.h"
#include "http/proxy.h"

static void forget(void)
{
	static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
					    "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
}

static void by_scheme(void)
{
	forget();
	CHECK(!luff_proxy_of("https://r.example:443"));
	setenv("HTTP_PROXY", "http://forged", 1);
	CHECK(!luff_proxy_of("http://r.example:80"));
	setenv("http_proxy", "http://one", 1);
	CHECK_STR(luff_proxy_of("http://r.example:80"), "http://one");
	CHECK(!luff_proxy_of("https://r.example:443"));
	setenv("ALL_PROXY", "socks5h://two", 1);
	CHECK_STR(luff_proxy_of("https://r.example:443"), "socks5h://two");
	setenv("HTTPS_PROXY", "http://three", 1);
	CHECK_STR(luff_proxy_of("https://r.example:443"), "http://three");
	setenv("https_proxy", "", 1);
	CHECK_STR(luff_proxy_of("https://r.example:443"), "http://three");
	setenv("https_proxy", "http://four", 1);
	CHECK_STR(luff_proxy_of("https://r.example:443"), "http://four");
	CHECK(!luff_proxy_of("https://localhost:5000") && !luff_proxy_of("http://127.0.0.1:5000"));
	CHECK(!luff_proxy_of("https://[::1]:5000"));
}

static void exemptions(void)
{
	static const struct {
		const char *list, *origin;
		bool exempt;
	} cases[] = {
		{"*", "https://r.example:443", true},
		{"r.example", "https://r.example:443", true},
		{"R.Example.", "https://r.example:443", true},
		{"r.example", "https://r.example.:443", true},
		{"example", "https://r.example:443", true},
		{".example", "https://r.example:443", true},
		{"*.example", "https://r.example:443", true},
		{"a, b r.example", "https://r.example:443", true},
		{",, ,a", "https://r.example:443", false},
		{"xample", "https://r.example:443", false},
		{"r.example.org", "https://r.example:443", false},
		{"r.example:443", "https://r.example:443", true},
		{"r.example:5000", "https://r.example:443", false},
		{"10.0.0.0/8", "https://10.1.2.3:443", true},
		{"10.0.0.0/8", "https://11.1.2.3:443", false},
		{"10.1.2.3", "https://10.1.2.3:443", true},
		{"10.1.2.2/31", "https://10.1.2.3:443", true},
		{"0.0.0.0/0", "https://10.1.2.3:443", true},
		{"10.1.2.3/33", "https://10.1.2.3:443", false},
		{"10.1.2.3/", "https://10.1.2.3:443", false},
		{"10.0.0.0/8", "https://10.example:443", false},
		{"fd00::/8", "https://[fd00::1]:5000", true},
		{"fd00::1", "https://[fd00::1]:5000", true},
		{"[fd00::1]:5000", "https://[fd00::1]:5000", true},
		{"[fd00::1]:5001", "https://[fd00::1]:5000", false},
		{"[", "https://[fd00::1]:5000", false},
		{"fe80::/10", "https://[fd00::1]:5000", false},
	};

	forget();
	setenv("all_proxy", "http://proxy", 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		setenv("NO_PROXY", cases[i].list, 1);
		if (!luff_proxy_of(cases[i].origin) != cases[i].exempt)
			check_note(__FILE__, __LINE__, "%s: %s", cases[i].list, cases[i].origin);
	}
	setenv("no_proxy", "elsewhere", 1);
	setenv("NO_PROXY", "*", 1);
	CHECK_STR(luff_proxy_of("https://r.example:443"), "http://proxy");
}

int main(void)
{
	by_scheme();
	exemptions();
	forget();
	return check_end();
}
