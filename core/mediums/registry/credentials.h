/* User names and passwords where people have them: the file that `docker login` writes. */
#ifndef LUFF_REGISTRY_CREDENTIALS_H
#define LUFF_REGISTRY_CREDENTIALS_H

#include "luff.h"

#define LUFF_CREDENTIALS_FILE_MAX (1 << 20)

struct luff_credentials {
	char *user, *password; /* both NULL: there are none */
};

/**
 * From $DOCKER_CONFIG/config.json or ~/.docker/config.json, member "auths".
 *
 * @param registry  as users name it, "docker.io" or "localhost:5000"
 * @return 0, also where there is no file or no entry; LUFF_EFORMAT for a file that cannot be understood; LUFF_EIO
 */
int luff_credentials_find(struct luff_credentials *out, const char *registry, struct luff_error *err);
/** The same from a file's text. A key may be a host or a URL with /v1/ or /v2/; Docker Hub's is https://index.docker.io/v1/. */
int luff_credentials_parse(struct luff_credentials *out, const char *text, size_t len, const char *registry,
			   struct luff_error *err);
/** Wipes them too. */
void luff_credentials_release(struct luff_credentials *c);
/** The value of an Authorization header, "Basic …"; free() it. */
int luff_credentials_basic(char **out, const struct luff_credentials *c, struct luff_error *err);

typedef struct luff_credentials luff_auto_type_credentials;
static inline void luff_auto_credentials(struct luff_credentials *c)
{
	luff_credentials_release(c);
}

#endif
