/* URLs as libcurl itself reads them, so that what is checked here is what is connected to. */
#ifndef LUFF_HTTP_URL_H
#define LUFF_HTTP_URL_H

#include "base/buffer.h"
#include "luff.h"

#define LUFF_URL_MAX 8192 /* signed URLs of object stores have about 2000 */

/**
 * An http or https URL without user and fragment, made absolute and normal; free() it.
 *
 * @param base  what a relative text is relative to; NULL: it must be absolute
 * @return 0; LUFF_EFORMAT with the reason but not the text, which may hold a signature
 */
int luff_url_resolve(char **out, const char *base, const char *text, struct luff_error *err);
/** "https://host:443" of a URL that luff_url_resolve() gave; free() it. */
int luff_url_origin(char **out, const char *url, struct luff_error *err);
/** Whether a server at `from` may send luff to `to`: never from https to http, nor from a public place to a private one. */
int luff_url_may_lead(const char *from, const char *to, bool from_private, struct luff_error *err);
/** "https://host/path?digest=…&token=***" for a trace: values of parameters that may be secret are left out. */
const char *luff_url_redact(char *buf, size_t size, const char *url);
/** Appends text with everything but RFC 3986's unreserved characters, ":" and "/" as %XX. */
int luff_url_encode(struct luff_buffer *out, const char *text, struct luff_error *err);

/** host[:port] of this machine alone: localhost, *.localhost, 127.0.0.0/8, [::1]. */
bool luff_url_is_loopback(const char *host);
/** Whether a URL's host is this machine or a literal address that is not of the open internet. */
bool luff_url_names_private(const char *url);
/** Whether two URLs name one host, on whatever ports. */
bool luff_url_same_host(const char *url, const char *other);

#endif
