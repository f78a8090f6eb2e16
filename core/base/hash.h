/*
 * SHA-256 and SHA-512, one stream at a time. The only file that knows who computes them: libcrypto where the system has it
 * (SHA extensions, 5 times Debian's wolfSSL), else wolfSSL.
 */
#ifndef LUFF_BASE_HASH_H
#define LUFF_BASE_HASH_H

#include "luff.h"

enum luff_algorithm { LUFF_SHA256, LUFF_SHA512 };

struct luff_hash {
	enum luff_algorithm algorithm;
	union {
		uint64_t align;
		unsigned char state[320];
	} u;
};

/** The algorithm of a digest's text, which must be a parsed one. */
enum luff_algorithm luff_digest_algorithm(const struct luff_digest *d);
/** "sha256" or "sha512" */
const char *luff_algorithm_name(enum luff_algorithm algorithm);

void luff_hash_init(struct luff_hash *h, enum luff_algorithm algorithm);
/** The same state once more, to go on from in two ways. */
void luff_hash_copy(struct luff_hash *out, const struct luff_hash *h);
void luff_hash_update(struct luff_hash *h, const void *bytes, size_t len);
/** h must be initialised anew afterwards. */
void luff_hash_final(struct luff_digest *out, struct luff_hash *h);
/** The same as the 32 bytes of a SHA-256. */
void luff_hash_final_sha256(unsigned char out[32], struct luff_hash *h);
/** "libcrypto 3.0.19" or "wolfSSL 5.7.2": for `luff version -v`. */
const char *luff_hash_provider(void);

#endif
