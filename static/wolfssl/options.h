/*
 * wolfSSL on Linux with musl: TLS 1.2 and 1.3 as clients and servers need them today, certificates that luff makes itself.
 * It is the header that is made by configure elsewhere; wolfSSL's own files read it as user_settings.h.
 */
#ifndef LUFF_STATIC_WOLFSSL_OPTIONS_H
#define LUFF_STATIC_WOLFSSL_OPTIONS_H

#define WOLFSSL_IGNORE_FILE_WARN
#define HAVE_THREAD_LS

/* The kernel's random bytes, also where there is no /dev/urandom: seed.c */
#define CUSTOM_RAND_GENERATE_SEED luff_wolfssl_seed
#ifndef __ASSEMBLER__
int luff_wolfssl_seed(unsigned char *out, unsigned int len);
#endif

/* Numbers, with the machine's own instructions where it has them */
#define WOLFSSL_SP_MATH_ALL
#define SP_INT_BITS 4096
#define TFM_TIMING_RESISTANT
#define ECC_TIMING_RESISTANT
#define WC_RSA_BLINDING
#ifdef __SIZEOF_INT128__
#define HAVE___UINT128_T 1
#endif
#ifdef __x86_64__
#define WOLFSSL_SP_X86_64
#define WOLFSSL_AESNI
#define USE_INTEL_SPEEDUP
#elif defined(__aarch64__)
#define WOLFSSL_SP_ARM64
#endif

/* What is spoken */
#define WOLFSSL_TLS13
#define NO_OLD_TLS
#define HAVE_TLS_EXTENSIONS
#define HAVE_SUPPORTED_CURVES
#define HAVE_SNI
#define HAVE_ALPN
#define HAVE_EXTENDED_MASTER
#define HAVE_SERVER_RENEGOTIATION_INFO
#define HAVE_SESSION_TICKET
#define HAVE_ENCRYPT_THEN_MAC
#define HAVE_EX_DATA
#define OPENSSL_EXTRA
#define NO_WOLFSSL_STUB

/* Ciphers, curves, hashes */
#define HAVE_AESGCM
#define GCM_TABLE_4BIT
#define WOLFSSL_AESGCM_STREAM
#define HAVE_CHACHA
#define HAVE_POLY1305
#define HAVE_ECC
#define ECC_SHAMIR
#define HAVE_ECC384
#define HAVE_ECC521
#define HAVE_CURVE25519
#define HAVE_ED25519
#define HAVE_FFDHE_2048
#define HAVE_HKDF
#define HAVE_HASHDRBG
#define WC_RSA_PSS
#define WOLFSSL_PSS_LONG_SALT
#define WOLFSSL_SHA224
#define WOLFSSL_SHA384
#define WOLFSSL_SHA512
#define NO_DES3
#define NO_DSA
#define NO_MD4
#define NO_PSK
#define NO_RC4

/* Certificates */
#define WOLFSSL_ALT_CERT_CHAINS
#define WOLFSSL_ALT_NAMES
#define WOLFSSL_IP_ALT_NAME
#define WOLFSSL_CERT_GEN
#define WOLFSSL_CERT_EXT
#define WOLFSSL_CERT_REQ
#define WOLFSSL_KEY_GEN
#define WOLFSSL_DER_LOAD
#define WOLFSSL_DER_TO_PEM
#define WOLFSSL_PEM_TO_DER
#define WOLFSSL_BASE64_ENCODE
#define KEEP_PEER_CERT
#define SESSION_CERTS

#endif
