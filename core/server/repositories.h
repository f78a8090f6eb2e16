/*
 * A server's repositories by name, each an OCI layout of its own: root/<name>/ on disk, or in memory under one cap. Opened
 * when they are asked for and kept as long as they are in use and then some. A root that is a layout itself is the only
 * repository, under the name of its folder.
 */
#ifndef LUFF_SERVER_REPOSITORIES_H
#define LUFF_SERVER_REPOSITORIES_H

#include <sys/types.h>

#include "base/cleanup.h"
#include "luff.h"
#include "server/names.h"
#include "store/store.h"

struct luff_repositories;

/* Shared between the requests that use it. Fields are for reading. */
struct luff_repository {
	struct luff_store *store;
	struct luff_medium *medium; /* the layout over the store */
	struct luff_repositories *table;
	bool empty;    /* made, and nothing has come into it; under the table's lock */
	int refs;      /* under the table's lock; one is the table's */
	uint64_t used; /* when, by the count of uses */
	dev_t dev;     /* of its oci-layout file */
	ino_t ino;
	char name[];
};

/** @param root  NULL: in memory, at most `cap` bytes in all
 *  @param keep  folders that may stay open while nobody uses them */
int luff_repositories_new(struct luff_repositories **out, const char *root, int64_t cap, size_t keep,
			  struct luff_error *err);
/** No repository is in use any more. NULL is fine. */
void luff_repositories_free(struct luff_repositories *table);

/** @param create  make it where it is missing; else LUFF_ENOTFOUND
 *  @param name    checked by luff_route_is_repository() */
int luff_repository_open(struct luff_repository **out, struct luff_repositories *table, const char *name,
			 bool create, struct luff_error *err);
/** Something has come into it. One that was made here goes with its last user unless that is said. */
void luff_repository_keep(struct luff_repository *repository);
void luff_repository_unref(struct luff_repository *repository);
LUFF_DEFINE_AUTO(repository, struct luff_repository *, luff_repository_unref);

/** One that has the blob, whichever. LUFF_ENOTFOUND. */
int luff_repositories_find(struct luff_repository **out, struct luff_repositories *table,
			   const struct luff_digest *d, struct luff_error *err);
/** Adds the names of all, in no order. @param all  also of those in which there are uploads alone */
int luff_repositories_list(struct luff_names *out, struct luff_repositories *table, bool all,
			   struct luff_error *err);
/** Takes the folder of a repository away if nothing is in it any more, not even an upload. */
void luff_repositories_tidy(struct luff_repositories *table, const char *name);

#endif
