/*
 * The low-level functions of libcrypto, on purpose: no provider is loaded and nothing is allocated, so a digest
 * costs no start-up, and the SHA extensions are used all the same.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#ifdef LUFF_HASH_WOLFSSL
#include <wolfssl/options.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/sha256.h>
#include <wolfssl/wolfcrypt/sha512.h>
union state {
	wc_Sha256 sha256;
	wc_Sha512 sha512;
};
#define PROVIDER "wolfSSL " LIBWOLFSSL_VERSION_STRING
#else
#include <openssl/opensslv.h>
#include <openssl/sha.h>
union state {
	SHA256_CTX sha256;
	SHA512_CTX sha512;
};
#define PROVIDER "libcrypto " OPENSSL_VERSION_STR
#endif

_Static_assert(sizeof(union state) <= sizeof((struct luff_hash *)0)->u.state,
	       "struct luff_hash is too small");

static union state *state_of(struct luff_hash *h)
{
	return (union state *)(void *)h->u.state;
}

enum luff_algorithm luff_digest_algorithm(const struct luff_digest *d)
{
	return luff_text_starts(d->text, "sha512:") ? LUFF_SHA512 : LUFF_SHA256;
}

const char *luff_algorithm_name(enum luff_algorithm algorithm)
{
	return algorithm == LUFF_SHA512 ? "sha512" : "sha256";
}

void luff_hash_init(struct luff_hash *h, enum luff_algorithm algorithm)
{
	h->algorithm = algorithm;
#ifdef LUFF_HASH_WOLFSSL
	if (algorithm == LUFF_SHA512)
		wc_InitSha512(&state_of(h)->sha512);
	else
		wc_InitSha256(&state_of(h)->sha256);
#else
	if (algorithm == LUFF_SHA512)
		SHA512_Init(&state_of(h)->sha512);
	else
		SHA256_Init(&state_of(h)->sha256);
#endif
}

void luff_hash_copy(struct luff_hash *out, const struct luff_hash *h)
{
	*out = *h;
#ifdef LUFF_HASH_WOLFSSL
	/* it may hold pointers */
	if (h->algorithm == LUFF_SHA512)
		wc_Sha512Copy(&state_of((struct luff_hash *)h)->sha512, &state_of(out)->sha512);
	else
		wc_Sha256Copy(&state_of((struct luff_hash *)h)->sha256, &state_of(out)->sha256);
#endif
}

void luff_hash_update(struct luff_hash *h, const void *bytes, size_t len)
{
#ifdef LUFF_HASH_WOLFSSL
	/* wolfSSL counts in 32 bits */
	for (const unsigned char *p = bytes; len;) {
		word32 n = len > 1u << 30 ? 1u << 30 : (word32)len;

		if (h->algorithm == LUFF_SHA512)
			wc_Sha512Update(&state_of(h)->sha512, p, n);
		else
			wc_Sha256Update(&state_of(h)->sha256, p, n);
		p += n;
		len -= n;
	}
#else
	if (h->algorithm == LUFF_SHA512)
		SHA512_Update(&state_of(h)->sha512, bytes, len);
	else
		SHA256_Update(&state_of(h)->sha256, bytes, len);
#endif
}

static void finish(unsigned char out[64], struct luff_hash *h)
{
#ifdef LUFF_HASH_WOLFSSL
	if (h->algorithm == LUFF_SHA512)
		wc_Sha512Final(&state_of(h)->sha512, out);
	else
		wc_Sha256Final(&state_of(h)->sha256, out);
#else
	if (h->algorithm == LUFF_SHA512)
		SHA512_Final(out, &state_of(h)->sha512);
	else
		SHA256_Final(out, &state_of(h)->sha256);
#endif
}

void luff_hash_final(struct luff_digest *out, struct luff_hash *h)
{
	unsigned char bytes[64];

	finish(bytes, h);
	memcpy(out->text, h->algorithm == LUFF_SHA512 ? "sha512:" : "sha256:", 7);
	luff_text_hex(out->text + 7, bytes, h->algorithm == LUFF_SHA512 ? 64 : 32);
}

void luff_hash_final_sha256(unsigned char out[32], struct luff_hash *h)
{
	unsigned char bytes[64];

	assert(h->algorithm == LUFF_SHA256);
	finish(bytes, h);
	memcpy(out, bytes, 32);
}

const char *luff_hash_provider(void)
{
	return PROVIDER;
}
