/*
 * Who people are to a registry, from where they have it. The first place that knows the registry decides, in the order of podman
 * and skopeo, which is from the particular to the general:
 *
 *  1. auth.json of podman and skopeo: $REGISTRY_AUTH_FILE alone where that is set; else $XDG_RUNTIME_DIR/containers/auth.json
 *     (/run/containers/UID/auth.json without the variable), then $XDG_CONFIG_HOME/containers/auth.json (else in ~/.config)
 *  2. $DOCKER_AUTH_CONFIG, which is the text of a config.json itself, as GitLab's runners have it
 *  3. config.json of docker: in $DOCKER_CONFIG, else in ~/.docker
 *
 * All are of one format. A key of "auths" is a host, a URL of one that ends in /v1/ or /v2/ (Docker Hub's is
 * https://index.docker.io/v1/), or "host/namespace" for what is below; the longest one that fits counts. Where "credHelpers"
 * has the host, or else "credsStore" is set, that helper (helper.h) is asked before the file's own "auths".
 */
#ifndef LUFF_HTTP_CREDENTIALS_H
#define LUFF_HTTP_CREDENTIALS_H

#include "base/buffer.h"
#include "base/json.h"

#define LUFF_CREDENTIALS_FILE_MAX (1 << 20)
#define LUFF_CREDENTIALS_HUB "https://index.docker.io/v1/" /* what docker calls its own registry */

/* All NULL: there are none. */
struct luff_credentials {
	char *user, *password; /* both or neither */
	char *identity; /* "identitytoken": what a token server takes in place of a password (OAuth2) */
	char *bearer;   /* "registrytoken": what the registry itself takes, as it is */
};

/**
 * @param registry    as users name it, "docker.io" or "localhost:5000"
 * @param repository  "library/nginx"; "" for the registry as a whole
 * @return 0, also where nobody knows the registry; LUFF_EFORMAT for a file that cannot be understood; LUFF_EIO; how
 *         a helper failed
 */
int luff_credentials_find(struct luff_credentials *out, const char *registry, const char *repository,
			  struct luff_error *err);
/**
 * What the text of one file says.
 *
 * @param helper_out  NAME of the helper that is to be asked first, NULL for none; free() it
 */
int luff_credentials_parse(struct luff_credentials *out, char **helper_out, const char *text, size_t len,
			   const char *registry, const char *repository, struct luff_error *err);
/** What the file of a document says: NAME of the helper for a registry, borrowed; NULL: the file itself keeps its login. */
const char *luff_credentials_helper(const cJSON *doc, const char *registry);
/** Whether a key of "auths" stands for the registry as a whole. */
bool luff_credentials_is_key(const char *key, const char *registry);
/** Path of docker's config.json, which need not be there; NULL where no variable says where. free() it. */
int luff_credentials_docker_file(char **out, struct luff_error *err);
/** All of a file, into a buffer that comes with its cap. LUFF_ENOTFOUND, LUFF_EIO, LUFF_ELIMIT; names no file. */
int luff_credentials_read(struct luff_buffer *out, const char *path, struct luff_error *err);
bool luff_credentials_empty(const struct luff_credentials *c);
bool luff_credentials_equal(const struct luff_credentials *a, const struct luff_credentials *b);
int luff_credentials_copy(struct luff_credentials *out, const struct luff_credentials *c,
			  struct luff_error *err);
/** Wipes them too. */
void luff_credentials_release(struct luff_credentials *c);
/** The value of an Authorization header, "Basic …"; free() it. There is a user. */
int luff_credentials_basic(char **out, const struct luff_credentials *c, struct luff_error *err);

typedef struct luff_credentials luff_auto_type_credentials;
static inline void luff_auto_credentials(struct luff_credentials *c)
{
	luff_credentials_release(c);
}

#endif
