/* See placed.h. */
#include "mediums/registry/placed.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define PLACED_MAX 10000 /* remembered of a host; then it starts over */

struct placed {
	struct luff_digest digest;
	char repository[];
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct placed *)a)->digest.text, ((const struct placed *)b)->digest.text);
}

/* The lock is held, or nobody else has the host. */
static void forget(struct luff_host *h)
{
	tdestroy(h->placed, free);
	h->placed = NULL;
	h->placed_count = 0;
}

void luff_placed_add(struct luff_host *h, const struct luff_digest *digest, const char *repository)
{
	struct placed *p = malloc(sizeof *p + strlen(repository) + 1), **at;

	if (!p)
		return;
	p->digest = *digest;
	memcpy(p->repository, repository, strlen(repository) + 1);
	pthread_mutex_lock(&h->lock);
	if (h->placed_count == PLACED_MAX)
		forget(h);
	at = (struct placed **)tsearch(p, &h->placed, compare);
	if (at && *at == p) {
		h->placed_count++;
		p = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	free(p);
}

char *luff_placed_find(struct luff_host *h, const struct luff_digest *digest)
{
	struct placed key = {.digest = *digest}, **at;
	char *repository;

	pthread_mutex_lock(&h->lock);
	at = (struct placed **)tfind(&key, &h->placed, compare);
	repository = at ? strdup((*at)->repository) : NULL;
	pthread_mutex_unlock(&h->lock);
	return repository;
}

void luff_placed_forget(struct luff_host *h)
{
	forget(h);
}
