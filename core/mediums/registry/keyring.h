/*
 * The login for a host, from who knows it: one that is given with the host, the settings' own function, the settings, and last
 * the files and helpers of credentials.h. What a function answered is kept until it is refused.
 */
#ifndef LUFF_REGISTRY_KEYRING_H
#define LUFF_REGISTRY_KEYRING_H

#include "http/credentials.h"
#include "mediums/registry/host.h"

/**
 * For what a scope begins with, "repository:NAME:…".
 *
 * @return 0, also where nobody knows anything; how a function, a file or a helper failed
 */
int luff_keyring_find(struct luff_credentials *out, struct luff_host *h, const char *scope,
		      struct luff_error *err);
/**
 * After a refusal: functions and helpers are asked once more, and not again for some seconds.
 *
 * @param c      what was refused; replaced by what is known now
 * @param other  whether that is something else, worth another try
 */
int luff_keyring_renew(bool *other, struct luff_credentials *c, struct luff_host *h, const char *scope,
		       struct luff_error *err);
/** Whether the login is one that `luff login` could not mend. */
bool luff_keyring_is_said(const struct luff_host *h);
/** Wipes what was answered. Nobody uses the host any more. */
void luff_keyring_forget(struct luff_host *h);

#endif
