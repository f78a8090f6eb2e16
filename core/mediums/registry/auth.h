/*
 * Who luff is to a registry: Basic, or a Bearer token that a token server hands out (distribution's token
 * specification). Either belongs to a host and a scope, since logins may be of a repository alone; all threads share it, and
 * one at a time fetches it.
 *
 * A scope is one or more "repository:NAME:ACTION,ACTION" with spaces between. The login is that of the first.
 */
#ifndef LUFF_REGISTRY_AUTH_H
#define LUFF_REGISTRY_AUTH_H

#include "mediums/registry/host.h"

enum luff_auth_wish {
	LUFF_AUTH_ANY,
	LUFF_AUTH_FRESH,  /* for a body, which may take a while or goes out once: no token that ends soon */
	LUFF_AUTH_AT_HAND /* without asking a token server: NULL where no token is at hand */
};

/**
 * The value of the Authorization header for a request with this scope; free() it. NULL where the registry has not asked
 * for any so far.
 *
 * @return 0; LUFF_EAUTH if the token server refuses, LUFF_EFORMAT if nobody can understand it, or what keeps luff from it
 */
int luff_auth_header(char **out, struct luff_host *h, const char *scope, enum luff_auth_wish wish,
		     struct luff_error *err);

/**
 * Takes in what a 401 asks for, so that luff_auth_header() can answer it.
 *
 * @param challenges    value of a WWW-Authenticate header; may be NULL
 * @param refused       the Authorization header that was sent; NULL if there was none
 * @param from_private  the answer's address is not of the open internet
 * @return 0: ask again; LUFF_EAUTH if there is nothing to answer with
 */
int luff_auth_challenged(struct luff_host *h, const char *scope, const char *challenges, const char *refused,
			 bool from_private, struct luff_error *err);

/** Whether whoever may do `have` may do `want`. */
bool luff_auth_covers(const char *have, const char *want);

/** Nothing that is at hand is good any more. */
void luff_auth_renew(struct luff_host *h);

/** Wipes tokens and passwords. Nobody uses the host any more. */
void luff_auth_forget(struct luff_host *h);

#endif
