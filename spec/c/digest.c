/* Digests: only what is strictly one gets through, since its text becomes paths and URLs. */
#include "check.h"

#define HEX256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEX512                                                                                               \
	"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"                                   \
	"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"

static void parses(void)
{
	static const char *const good[] = {"sha256:" HEX256, "sha512:" HEX512};
	struct luff_digest d;
	struct luff_error err;

	for (size_t i = 0; i < 2; i++) {
		OK(luff_digest_parse(&d, good[i], &err));
		CHECK_STR(d.text, good[i]);
		CHECK_STR(luff_digest_hex(&d), good[i] + 7);
	}
	CHECK_INT(strlen(good[1]), LUFF_DIGEST_MAX);
}

static void refuses(void)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{"", "algorithm:hex"},
		{HEX256, "algorithm:hex"},
		{":" HEX256, "unknown algorithm"},
		{"sha256:", "has 0"},
		{"sha256:" HEX256 "00", "has 66"},
		{"sha256:" HEX512, "has 128"},
		{"sha512:" HEX256, "has 64"},
		{"sha384:" HEX256, "unknown algorithm"},
		{"SHA256:" HEX256, "unknown algorithm"},
		{"sha256 :" HEX256, "unknown algorithm"},
		{" sha256:" HEX256, "unknown algorithm"},
		{"sha256+b64:" HEX256, "unknown algorithm"},
		{"sha256:" HEX256 "\n", "has 65"},
		{"sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", "lower-case"},
		{"sha256:../../../../../../../../../../../../../../../../../../../../etcc", "lower-case"},
		{"sha256::3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "lower-case"},
		{"sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "lower-case"},
		{"\033[0m:" HEX256, "?[0m"},
	};
	struct luff_digest d;
	struct luff_error err;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memset(&d, 'x', sizeof d);
		FAILS(luff_digest_parse(&d, bad[i].text, &err), LUFF_ENAME, bad[i].part);
		CHECK_STR(d.text, "");
	}
}

static void computes(void)
{
	struct luff_digest d, e;
	struct luff_error err;

	OK(luff_digest_of(&d, "sha256", "", 0, &err));
	CHECK_STR(d.text, "sha256:" HEX256);
	OK(luff_digest_of(&e, "sha512", "", 0, &err));
	CHECK_STR(e.text, "sha512:" HEX512);
	CHECK(luff_digest_equal(&d, &d) && !luff_digest_equal(&d, &e));
	OK(luff_digest_of(&d, "sha256", "{}", 2, &err));
	CHECK_STR(d.text, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
	FAILS(luff_digest_of(&d, "md5", "", 0, &err), LUFF_EINVAL, "have: sha256, sha512");
	CHECK_STR(d.text, "");
	CHECK_STR(luff_digest_hex(&d), "");
}

int main(void)
{
	parses();
	refuses();
	computes();
	return check_end();
}
