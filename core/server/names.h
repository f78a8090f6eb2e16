/* A list of names that grows, for answers that list tags or repositories. */
#ifndef LUFF_SERVER_NAMES_H
#define LUFF_SERVER_NAMES_H

#include "luff.h"

struct luff_names {
	char **items; /* each malloc'ed */
	size_t count, size;
};

/** Copies the name. */
int luff_names_add(struct luff_names *names, const char *name, struct luff_error *err);
/** Sorts and drops doubles. @param compare  takes pointers to the texts; 0 only for equal ones */
void luff_names_sort(struct luff_names *names, int (*compare)(const void *a, const void *b));
void luff_names_release(struct luff_names *names);

typedef struct luff_names luff_auto_type_names; /* LUFF_AUTO(names) names = {0}; */
static inline void luff_auto_names(struct luff_names *names)
{
	luff_names_release(names);
}

#endif
