/*
 * Certificates of the registry: one that nobody has signed but its own key, for a registry that has none and clients that are
 * given it to trust; and whether a key is a certificate's.
 */
#ifndef LUFF_SERVER_CERTIFICATE_H
#define LUFF_SERVER_CERTIFICATE_H

#include "luff.h"

struct luff_certificate {
	unsigned char cert[4096], key[512]; /* DER */
	int cert_len, key_len;
	char pem[6144]; /* the certificate, for others */
	int pem_len;
};

/**
 * Makes a key and its certificate, good for a year, for "localhost", the host's name and all of its addresses. Release it.
 *
 * @return 0; LUFF_ENOTSUP without wolfSSL, or where it was built without what this takes
 */
int luff_certificate_make(struct luff_certificate *out, struct luff_error *err);
/** Writes it where clients find it: all of it or nothing. LUFF_EIO and the like. */
int luff_certificate_write(const struct luff_certificate *c, const char *path, struct luff_error *err);
/**
 * Whether a key on an elliptic curve is the certificate's, which many a wolfSSL does not tell. PEM files.
 *
 * @return 0, also for other keys; LUFF_EINVAL if not; LUFF_ENOTSUP
 */
int luff_certificate_check(const char *cert, const char *key, struct luff_error *err);
/** Wipes the key. */
void luff_certificate_release(struct luff_certificate *c);

#endif
