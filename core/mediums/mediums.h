/* What opens each medium; all but luff_foreign_open(), luff_overlay_open() and luff_cache_wrap() for open.c alone. */
#ifndef LUFF_MEDIUMS_MEDIUMS_H
#define LUFF_MEDIUMS_MEDIUMS_H

#include "medium.h"
#include "store/store.h"

int luff_registry_open(struct luff_medium **out, const struct luff_reference *ref, bool plain_http,
		       struct luff_error *err);
/** Closes connections that are kept and forgets tokens; part of luff_shutdown(). */
void luff_registry_shutdown(void);

/** A daemon's images: Docker's or Podman's, wherever the environment says. `name` is a name of an image, or "@" and an ID. */
int luff_daemon_open(struct luff_medium **out, const struct luff_name *name,
		     const struct luff_open_options *options, struct luff_error *err);
/** Both sides of an overlay, borrowed; NULL where m is none. */
void luff_overlay_open(struct luff_medium **front, struct luff_medium **back, struct luff_medium *m);

/** The one blob that a URL in a descriptor is; nothing goes out before a fetch. LUFF_EFORMAT for what is no http URL. */
int luff_foreign_open(struct luff_medium **out, const char *url, struct luff_error *err);

/** Puts the cache in front of *m where there is one (luff_cache_set()). On failure *m is NULL. */
int luff_cache_wrap(struct luff_medium **m, struct luff_error *err);

/**
 * What is kept by containers/storage: "[overlay@/folder]alpine:3".
 *
 * @param digest  "@sha256:…" within the text; NULL: there is none
 */
int luff_storage_open(struct luff_medium **out, struct luff_name *name_out, const char *text,
		      const char *digest, struct luff_error *err);

/** An OCI layout over a store: a folder's ("oci:./dir") or memory's ("memory"). Takes a reference to the store. */
int luff_layout_new(struct luff_medium **out, struct luff_store *store, const char *place,
		    struct luff_error *err);

#endif
