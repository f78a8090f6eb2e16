/*
 * Who may log in: a file of "user:hash" lines as `htpasswd -B` writes it, with bcrypt's hashes and no others. The file is read
 * anew when it changes. That a password is right is remembered for some minutes, by a hash under a key of this process: bcrypt
 * takes its time on purpose, and clients send the password with each request.
 */
#ifndef LUFF_SERVER_HTPASSWD_H
#define LUFF_SERVER_HTPASSWD_H

#include "base/cleanup.h"
#include "luff.h"

#define LUFF_USER_MAX 255

struct luff_htpasswd;

/** @return 0; LUFF_EFORMAT with the line that is none; LUFF_ENOTFOUND, LUFF_EIO, LUFF_ENOTSUP where crypt(3) has no bcrypt */
int luff_htpasswd_open(struct luff_htpasswd **out, const char *path, struct luff_error *err);
void luff_htpasswd_free(struct luff_htpasswd *h);
/**
 * Takes as long for a user who is not there as for a password that is wrong. Any thread; few of them compute at a time.
 *
 * @return 0, also where they are wrong; LUFF_ECANCELED; as luff_htpasswd_open where the file has changed
 */
int luff_htpasswd_check(bool *out, struct luff_htpasswd *h, const char *user, const char *password,
			struct luff_error *err);

#endif
