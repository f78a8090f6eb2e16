/*
 * An upload at a registry: where it takes the bytes of one blob, and how far it has come (distribution-spec, "Pushing Blobs").
 */
#ifndef LUFF_REGISTRY_SESSION_H
#define LUFF_REGISTRY_SESSION_H

#include "mediums/registry/bookmark.h"
#include "mediums/registry/registry.h"

struct luff_session {
	struct luff_session *next; /* of those that wait for their push */
	struct luff_digest digest;
	char *url;                      /* NULL: none was opened, or it is gone */
	int64_t done;                   /* bytes that the registry has */
	int64_t chunk_min;              /* that it wants to have at once at least; 0: it did not say */
	struct luff_bookmark *bookmark; /* NULL: it is not kept for another run */
};

/** One that is still to be opened. NULL when out of memory. */
struct luff_session *luff_session_new(const struct luff_digest *digest);
/** Asks for a place (POST). */
int luff_session_open(struct luff_session *s, struct luff_registry *r, struct luff_error *err);
/** Takes what an answer of 202 says of the place; one that says nothing leaves it where it is. */
int luff_session_follow(struct luff_session *s, struct luff_registry *r, struct luff_exchange *x,
			struct luff_error *err);
/** Asks how far it has come (GET). Afterwards url is NULL if the registry knows nothing of it. */
int luff_session_ask(struct luff_session *s, struct luff_registry *r, struct luff_error *err);
/** Takes back what is at the registry, as well as that goes, if there is something. Its next place is another one. */
void luff_session_cancel(struct luff_session *s, struct luff_registry *r);
/** @param keep  what is at the registry stays there for the next run; NULL is fine */
void luff_session_free(struct luff_session *s, bool keep);

#endif
