/* crypt_r() of bcrypt alone: what htpasswd.c checks. */
#ifndef LUFF_STATIC_CRYPT_H
#define LUFF_STATIC_CRYPT_H

#define CRYPT_OUTPUT_SIZE 384
#define CRYPT_MAX_PASSPHRASE_SIZE 512
#define CRYPT_GENSALT_OUTPUT_SIZE 192

struct crypt_data {
	char output[CRYPT_OUTPUT_SIZE];
	char internal[30720] __attribute__((aligned(16)));
};

char *crypt_r(const char *phrase, const char *setting, struct crypt_data *data);

#endif
