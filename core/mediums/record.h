/*
 * What a dry run has planned: its steps, and what would be at each place if they were done. The write gate (gate.c) writes it down and
 * reads from it; the caps of it all are record.c's.
 */
#ifndef LUFF_MEDIUMS_RECORD_H
#define LUFF_MEDIUMS_RECORD_H

#include <pthread.h>

#include "medium.h"
#include "store/store.h"

/* What would be, or would be no more, at one place. */
struct luff_record_content {
	struct luff_descriptor d;
	struct luff_digest subject; /* of a manifest; "" is none */
	struct luff_medium *from;   /* who has the bytes, a reference; NULL: the plan */
	bool gone;
};

struct luff_record_name {
	char tag[LUFF_TAG_MAX + 1];
	struct luff_descriptor d; /* digest "": it is gone */
	struct luff_record_name *next;
};

/* A place. */
struct luff_record_site {
	char *place;              /* as it was first called */
	char *key;                /* the same for all names that a place has */
	struct luff_record *plan; /* borrowed */
	bool plain_http;
	void *contents; /* a tree of struct luff_record_content (tsearch) */
	struct luff_record_name *names;
	size_t gone; /* manifests that are */
	bool noted;  /* what its tags stood for */
	struct luff_record_site *next;
};

struct luff_record {
	atomic_int refs;
	pthread_mutex_t lock; /* of all that follows */
	struct luff_store *store;
	bool on_disk;
	int64_t kept;
	struct luff_record_site *sites;
	struct luff_planned *steps;
	size_t count, size;
};

/** The plan that is being made, a reference; NULL: none is. */
struct luff_record *luff_record_current(void);
/** NULL is fine. */
void luff_record_unref(struct luff_record *p);
/** The site of a place, made where it is missing, as old as the plan; NULL: out of memory. Takes the lock. */
struct luff_record_site *luff_record_site(struct luff_record *p, const char *place, bool plain_http);

/* ---- Under the plan's lock ---- */

/** `from`: NULL, or the place that has the bytes. */
int luff_record_add_step(struct luff_record_site *s, const struct luff_planned *step, const char *from,
			 struct luff_error *err);
/** NULL: nothing is planned. */
struct luff_record_content *luff_record_find_content(struct luff_record_site *s,
						     const struct luff_digest *digest);
/** Takes `from` over. */
int luff_record_put_content(struct luff_record_site *s, const struct luff_descriptor *d,
			    struct luff_medium *from, bool gone, struct luff_error *err);
/** A manifest whose bytes are in the plan: it is there, and known by its subject. */
int luff_record_put_manifest(struct luff_record_site *s, const struct luff_descriptor *d, const char *bytes,
			     struct luff_error *err);
/** d NULL: the name is gone. */
int luff_record_put_name(struct luff_record_site *s, const char *tag, const struct luff_descriptor *d,
			 struct luff_error *err);

/* ---- These take the lock ---- */

/** Whether the plan says what is there of a digest; out->from is a reference then. */
bool luff_record_knows(struct luff_record_content *out, struct luff_record_site *s,
		       const struct luff_digest *digest);
/** Whether the plan says what a name stands for; digest "": nothing. */
bool luff_record_knows_name(struct luff_descriptor *out, struct luff_record_site *s, const char *tag);
/** Keeps bytes in the plan. They come verified. LUFF_ELIMIT. */
int luff_record_keep(struct luff_record_site *s, const struct luff_descriptor *d, struct luff_reader *src,
		     struct luff_error *err);
int luff_record_keep_bytes(struct luff_record_site *s, const struct luff_descriptor *d, const void *bytes,
			   struct luff_error *err);

#endif
