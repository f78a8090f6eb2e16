/* See connection.h. */
#include "mediums/registry/connection.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct luff_connection
	*idle; /* the one that was used last is first: it is the least likely to be dead */

static void destroy(struct luff_connection *c)
{
	if (c->easy)
		luff_curl.easy_cleanup(c->easy);
	if (c->multi)
		luff_curl.multi_cleanup(c->multi);
	free(c->origin);
	free(c);
}

LUFF_DEFINE_AUTO(connection, struct luff_connection *, destroy);

static struct luff_connection *take_idle(const char *origin)
{
	struct luff_connection **at, *c;

	pthread_mutex_lock(&lock);
	for (at = &idle; *at && strcmp((*at)->origin, origin) != 0; at = &(*at)->next)
		;
	c = *at;
	if (c)
		*at = c->next;
	pthread_mutex_unlock(&lock);
	return c;
}

int luff_connection_take(struct luff_connection **out, const char *origin, struct luff_error *err)
{
	LUFF_AUTO(connection) c = take_idle(origin);

	*out = NULL;
	if (!c) {
		c = calloc(1, sizeof *c);
		if (!c)
			return luff_fail_nomem(err);
		c->easy = luff_curl.easy_init();
		c->multi = luff_curl.multi_init();
		c->origin = strdup(origin);
		if (!c->easy || !c->multi || !c->origin)
			return luff_fail_nomem(err);
	}
	*out = luff_take(c);
	return 0;
}

void luff_connection_give(struct luff_connection *c, bool keep)
{
	struct luff_connection **at, *surplus = c;
	int count = 0;

	if (keep) {
		pthread_mutex_lock(&lock);
		c->next = idle;
		idle = c;
		for (at = &idle; *at && count < LUFF_CONNECTION_IDLE_MAX; at = &(*at)->next)
			count++;
		surplus = *at;
		*at = NULL;
		pthread_mutex_unlock(&lock);
	}
	if (surplus)
		destroy(surplus);
}

void luff_connections_close(void)
{
	struct luff_connection *c;

	pthread_mutex_lock(&lock);
	c = idle;
	idle = NULL;
	pthread_mutex_unlock(&lock);
	while (c) {
		struct luff_connection *next = c->next;

		destroy(c);
		c = next;
	}
}
