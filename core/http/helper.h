/*
 * Credential helpers: programs named docker-credential-NAME that keep logins outside of files (docker-credential-helpers'
 * protocol: a verb as the argument, the server or JSON on stdin, JSON on stdout). NAME is of letters, digits and ._- alone.
 */
#ifndef LUFF_HTTP_HELPER_H
#define LUFF_HTTP_HELPER_H

#include "http/credentials.h"

#define LUFF_HELPER_MS 30000
#define LUFF_HELPER_OUTPUT_MAX (64 << 10)

/**
 * What the helper knows of a server. It is asked once: all threads share the answer, which holds until luff_helpers_forget();
 * a failure holds for a few seconds.
 *
 * @param helper  NAME
 * @param server  as the file with its name has it, "ghcr.io" or "https://index.docker.io/v1/"
 * @return 0, also where it knows nothing; LUFF_EAUTH (it is missing, or fails, with its own words), LUFF_EINVAL (not a NAME),
 *         LUFF_EFORMAT, LUFF_ELIMIT, LUFF_ETIMEOUT after LUFF_HELPER_MS, LUFF_ECANCELED
 */
int luff_helper_get(struct luff_credentials *out, const char *helper, const char *server,
		    struct luff_error *err);
/** Has it keep the user and password; the same failures, and LUFF_ELIMIT for what is longer than a helper is given. */
int luff_helper_store(const char *helper, const char *server, const struct luff_credentials *c,
		      struct luff_error *err);
int luff_helper_erase(const char *helper, const char *server, struct luff_error *err);
/** Somebody refused them: the helper that answered so is asked again, though not more than once in a few seconds. */
void luff_helpers_refused(const struct luff_credentials *c);
/** Forgets and wipes all answers. */
void luff_helpers_forget(void);

#endif
