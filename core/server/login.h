/*
 * Logins that a fault demands, for tests of clients. They keep nobody out: a token says itself what it is good for, so that a
 * server takes those of another one, to which its realm may lead.
 */
#ifndef LUFF_SERVER_LOGIN_H
#define LUFF_SERVER_LOGIN_H

#include "server/call.h"

#define LUFF_LOGIN_TOKEN_PATH "/token"

/** True if the call brings what the fault demands; else the answer is made: 401 and what to bring. */
bool luff_login_check(struct luff_call *r, const struct luff_fault *f, const char *address);
/** The answer to GET /token?scope=…: a token, or 401 where the fault names a user and the call does not. */
void luff_login_give_token(struct luff_call *r, const struct luff_fault *f);

#endif
