/*
 * How hosts are spoken to: what the user said with luff_settings_set(), and the certificates that Docker and Podman have
 * for a host in their certs.d folders. Kept settings never change, so whoever holds a reference reads them without a lock.
 */
#ifndef LUFF_HTTP_SETTINGS_H
#define LUFF_HTTP_SETTINGS_H

#include <stdatomic.h>

#include "base/cleanup.h"
#include "luff.h"

struct luff_settings_kept {
	struct luff_settings_kept *next;
	atomic_int refs;
	char *host; /* "localhost:5000", "docker.io" */
	struct luff_settings settings;
};

/** Settings (copied) that nobody finds by their host, for who has a server of its own. NULL when out of memory. */
struct luff_settings_kept *luff_settings_new(const char *host, const struct luff_settings *s);
/** What was said of a registry, as users name it; NULL: nothing. The caller owns the reference. */
struct luff_settings_kept *luff_settings_of_host(const char *host);
/**
 * The same for an origin, "https://host:443", so that redirects and token servers get the settings of their own host. For
 * https, certificates that certs.d has are filled in. The same one each time, until something is said. NULL when out of
 * memory.
 */
struct luff_settings_kept *luff_settings_of_origin(const char *origin);
/** "host[:port]", as users name it, of an origin; false for one that is no registry's name. */
bool luff_settings_host(char out[LUFF_NAME_MAX + 1], const char *origin);
/** Whether the user has named the host of a URL in settings. */
bool luff_settings_name(const char *url);
/**
 * The registry that "host[:port]" or "host[:port]/prefix" names; LUFF_EINVAL for what luff_reference_parse() takes for a
 * repository. `what` goes into the message: "mirror".
 */
int luff_settings_check_host(char out[LUFF_NAME_MAX + 1], const char *text, const char *what,
			     struct luff_error *err);
/** Whether a text is PEM itself, and no path of it. */
bool luff_settings_is_pem(const char *text);
/** Both take NULL. */
struct luff_settings_kept *luff_settings_ref(struct luff_settings_kept *k);
void luff_settings_unref(struct luff_settings_kept *k);
LUFF_DEFINE_AUTO(settings, struct luff_settings_kept *, luff_settings_unref);
/** Forgets all of it; part of luff_shutdown(). */
void luff_settings_close(void);

#endif
