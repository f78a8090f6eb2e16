/* See certificate.h. */
#include "server/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/lazy.h"

#define DAYS 365
#define CURVE_BYTES 32 /* P-256 */
#define KEY_MAX 8192   /* bytes of a key's file; those on curves have some hundred */

#if defined(WOLFSSL_CERT_GEN) && defined(WOLFSSL_ALT_NAMES) && defined(WOLFSSL_KEY_GEN) && defined(HAVE_ECC)

#define WOLFSSL_FUNCTIONS(X)                                                                                 \
	X(wc_InitRng)                                                                                        \
	X(wc_FreeRng)                                                                                        \
	X(wc_ecc_init)                                                                                       \
	X(wc_ecc_free)                                                                                       \
	X(wc_ecc_make_key)                                                                                   \
	X(wc_ecc_make_pub)                                                                                   \
	X(wc_ecc_new_point)                                                                                  \
	X(wc_ecc_del_point)                                                                                  \
	X(wc_ecc_export_point_der)                                                                           \
	X(wc_EccPrivateKeyDecode)                                                                            \
	X(wc_EccKeyToDer)                                                                                    \
	X(wc_KeyPemToDer)                                                                                    \
	X(wc_InitCert)                                                                                       \
	X(wc_MakeCert_ex)                                                                                    \
	X(wc_SignCert_ex)                                                                                    \
	X(wc_DerToPem)                                                                                       \
	X(wolfSSL_X509_load_certificate_file)                                                                \
	X(wolfSSL_X509_get_pubkey_buffer)                                                                    \
	X(wolfSSL_X509_free)

static struct {
#define MEMBER(name) __typeof__(&name) name;
	WOLFSSL_FUNCTIONS(MEMBER)
#undef MEMBER
} wolf;

static int load(struct luff_error *err)
{
#define SYMBOL(function) LUFF_LAZY(function, &wolf.function),
	static const struct luff_lazy_symbol symbols[] = {WOLFSSL_FUNCTIONS(SYMBOL){NULL, NULL}};
#undef SYMBOL
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool loaded;
	int rc;

	pthread_mutex_lock(&lock);
	rc = loaded ? 0 : luff_lazy_load(LUFF_LAZY_NAME(LUFF_WOLFSSL), symbols, err);
	loaded = rc == 0;
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- The names that it is good for: a SEQUENCE of GeneralName (RFC 5280 4.2.1.6) ---- */

#define TAG_DNS 0x82
#define TAG_IP 0x87
#define SEQUENCE_HEAD 4 /* the longest that is needed */

struct names {
	unsigned char bytes[2048];
	size_t len;
};

static void add_name(struct names *n, unsigned char tag, const void *bytes, size_t len)
{
	if (len == 0 || len > 127 || n->len + 2 + len > sizeof n->bytes)
		return;
	n->bytes[n->len++] = tag;
	n->bytes[n->len++] = (unsigned char)len;
	memcpy(n->bytes + n->len, bytes, len);
	n->len += len;
}

static void add_addresses(struct names *n)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
		if (a->ifa_flags & IFF_LOOPBACK)
			continue;
		if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
			add_name(n, TAG_IP,
				 &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr, 4);
		else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6)
			add_name(n, TAG_IP,
				 &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr, 16);
	}
	freeifaddrs(list);
}

static void set_names(Cert *cert, const char *host)
{
	static const unsigned char v4[4] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
	struct names n = {.len = 0};
	size_t head = 0;

	add_name(&n, TAG_DNS, "localhost", 9);
	add_name(&n, TAG_DNS, host, strlen(host));
	add_name(&n, TAG_IP, v4, sizeof v4);
	add_name(&n, TAG_IP, v6, sizeof v6);
	add_addresses(&n);
	_Static_assert(sizeof cert->altNames >= sizeof n.bytes + SEQUENCE_HEAD, "room for the names");
	cert->altNames[head++] = 0x30;
	if (n.len > 127)
		cert->altNames[head++] =
			n.len > 255 ? 0x82 : 0x81; /* so many bytes of length, no more than it takes */
	if (n.len > 255)
		cert->altNames[head++] = (unsigned char)(n.len >> 8);
	cert->altNames[head++] = (unsigned char)n.len;
	memcpy(cert->altNames + head, n.bytes, n.len);
	cert->altNamesSz = (int)(head + n.len);
}

/* ---- The certificate ---- */

static void describe(Cert *cert)
{
	char name[64] = "";
	const char *host = name;

	if (gethostname(name, sizeof name - 1) < 0 || !*name ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != strlen(name))
		host = "localhost";
	snprintf(cert->subject.commonName, sizeof cert->subject.commonName, "%s", host);
	snprintf(cert->subject.org, sizeof cert->subject.org, "luff serve");
	cert->issuer = cert->subject;
	cert->selfSigned = 1;
	cert->daysValid = DAYS;
	cert->sigType = CTC_SHA256wECDSA;
	set_names(cert, host);
}

/* Negative where one of the steps fails. */
static int sign(struct luff_certificate *out, Cert *cert, ecc_key *key, WC_RNG *rng)
{
	int rc = wolf.wc_ecc_make_key(rng, CURVE_BYTES, key);

	if (rc < 0)
		return rc;
	rc = out->key_len = wolf.wc_EccKeyToDer(key, out->key, sizeof out->key);
	if (rc >= 0)
		rc = wolf.wc_InitCert(cert);
	if (rc < 0)
		return rc;
	describe(cert);
	rc = wolf.wc_MakeCert_ex(cert, out->cert, sizeof out->cert, ECC_TYPE, key, rng);
	if (rc >= 0)
		rc = out->cert_len = wolf.wc_SignCert_ex(cert->bodySz, cert->sigType, out->cert,
							 sizeof out->cert, ECC_TYPE, key, rng);
	if (rc >= 0)
		rc = out->pem_len = wolf.wc_DerToPem(out->cert, (word32)out->cert_len, (byte *)out->pem,
						     sizeof out->pem, CERT_TYPE);
	return rc;
}

int luff_certificate_make(struct luff_certificate *out, struct luff_error *err)
{
	Cert *cert = malloc(sizeof *cert); /* 30 kB */
	ecc_key key;
	WC_RNG rng;
	int rc = load(err);

	*out = (struct luff_certificate){.cert_len = 0};
	if (rc == 0 && !cert)
		rc = luff_fail_nomem(err);
	if (rc == 0 && wolf.wc_InitRng(&rng) == 0) {
		if (wolf.wc_ecc_init(&key) == 0) {
			rc = sign(out, cert, &key, &rng);
			wolf.wc_ecc_free(&key);
		}
		wolf.wc_FreeRng(&rng);
	}
	free(cert);
	if (err->code)
		return err->code;
	if (rc < 0 || out->pem_len <= 0) {
		luff_certificate_release(out);
		return luff_fail(err, LUFF_ENOTSUP, "wolfSSL makes no certificate (error %d)", rc);
	}
	return 0;
}

/* ---- A key and a certificate ---- */

/* The bytes of the point that belongs to a private key on a curve; 0: it is another kind of key. */
static word32 find_point(unsigned char *out, word32 size, const unsigned char *pem, size_t pem_len)
{
	unsigned char der[KEY_MAX];
	int der_len = wolf.wc_KeyPemToDer(pem, (int)pem_len, der, sizeof der, NULL);
	ecc_point *point;
	word32 at = 0;
	ecc_key key;

	if (der_len <= 0 || wolf.wc_ecc_init(&key) != 0)
		return 0;
	/* computed: the file may name one, which need not be that of the key */
	point = wolf.wc_ecc_new_point();
	if (!point || wolf.wc_EccPrivateKeyDecode(der, &at, &key, (word32)der_len) != 0 ||
	    wolf.wc_ecc_make_pub(&key, point) != 0 ||
	    wolf.wc_ecc_export_point_der(key.idx, point, out, &size) != 0)
		size = 0;
	if (point)
		wolf.wc_ecc_del_point(point);
	wolf.wc_ecc_free(&key);
	explicit_bzero(der, sizeof der);
	return size;
}

int luff_certificate_check(const char *cert, const char *key, struct luff_error *err)
{
	unsigned char pem[KEY_MAX], point[256], known[1024];
	int known_len = sizeof known;
	LUFF_AUTO(fd) fd = open(key, O_RDONLY | O_CLOEXEC);
	ssize_t pem_len = fd < 0 ? -1 : read(fd, pem, sizeof pem);
	bool fits = true;
	WOLFSSL_X509 *x;
	word32 len;

	if (load(err) < 0)
		return err->code;
	len = pem_len > 0 ? find_point(point, sizeof point, pem, (size_t)pem_len) : 0;
	explicit_bzero(pem, sizeof pem);
	x = len > 0 ? wolf.wolfSSL_X509_load_certificate_file(cert, WOLFSSL_FILETYPE_PEM) : NULL;
	if (x && wolf.wolfSSL_X509_get_pubkey_buffer(x, known, &known_len) == WOLFSSL_SUCCESS)
		fits = known_len >= (int)len && memcmp(known + known_len - len, point, len) == 0;
	if (x)
		wolf.wolfSSL_X509_free(x);
	return fits ? 0 : luff_fail(err, LUFF_EINVAL, "%s: not the key of the certificate in %s", key, cert);
}

#else

int luff_certificate_check(const char *cert, const char *key, struct luff_error *err)
{
	(void)cert, (void)key, (void)err;
	return 0;
}

int luff_certificate_make(struct luff_certificate *out, struct luff_error *err)
{
	*out = (struct luff_certificate){.cert_len = 0};
	return luff_fail(err, LUFF_ENOTSUP, "this wolfSSL was built without the making of certificates");
}

#endif

int luff_certificate_write(const struct luff_certificate *c, const char *path, struct luff_error *err)
{
	LUFF_AUTO(text) beside = NULL;
	LUFF_AUTO(fd) fd = -1;
	int rc = 0;

	if (asprintf(&beside, "%s.new", path) < 0) {
		beside = NULL;
		return luff_fail_nomem(err);
	}
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return luff_fail_errno(err, errno, "cannot write %s", path);
	if (write(fd, c->pem, (size_t)c->pem_len) != c->pem_len || rename(beside, path) < 0) {
		rc = luff_fail_errno(err, errno, "cannot write %s", path);
		unlink(beside);
	}
	return rc;
}

void luff_certificate_release(struct luff_certificate *c)
{
	explicit_bzero(c->key, sizeof c->key);
}
