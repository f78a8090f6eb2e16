/* The hash functions against their standards' vectors, in pieces of every size. */
#include "base/hash.h"

#include "check.h"

#define MILLION 1000000

/* FIPS 180-4 examples */
static const struct {
	const char *text, *sha256, *sha512;
} vectors[] = {
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94"
	 "fa54ca49f"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
	 "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c33596fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631"
	 "238ca3445"},
};

static void check_digest(enum luff_algorithm algorithm, const char *bytes, size_t len, size_t piece,
			 const char *hex)
{
	struct luff_hash h;
	struct luff_digest d = {""};

	luff_hash_init(&h, algorithm);
	for (size_t i = 0; i < len; i += piece)
		luff_hash_update(&h, bytes + i, piece < len - i ? piece : len - i);
	luff_hash_final(&d, &h);
	CHECK_STR(luff_digest_hex(&d), hex);
	CHECK(luff_digest_algorithm(&d) == algorithm);
	CHECK(strncmp(d.text, luff_algorithm_name(algorithm), 6) == 0 && d.text[6] == ':');
}

int main(void)
{
	char *many = malloc(MILLION);

	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		for (size_t piece = 1; piece <= strlen(vectors[i].text); piece++) {
			check_digest(LUFF_SHA256, vectors[i].text, strlen(vectors[i].text), piece,
				     vectors[i].sha256);
			check_digest(LUFF_SHA512, vectors[i].text, strlen(vectors[i].text), piece,
				     vectors[i].sha512);
		}
	}
	memset(many, 'a', MILLION);
	for (size_t piece = 61; piece < 2 * MILLION; piece *= 31) {
		check_digest(LUFF_SHA256, many, MILLION, piece,
			     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
		check_digest(LUFF_SHA512, many, MILLION, piece,
			     "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
			     "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b");
	}
	free(many);
	CHECK(strchr(luff_hash_provider(), ' '));
	return check_end();
}
