/* See connections.h. */
#include "server/connections.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"

#define IDLE_MS 5000  /* without a request, before a connection may have to go */
#define SLOW_MS 10000 /* with less than SLOW_BYTES of a body */
#define SLOW_BYTES (64 << 10)
#define TICK_MS 500

struct luff_connection {
	struct luff_connections *all;
	struct luff_connection *next, **link;
	int fd;
	enum { IDLE, RECEIVING, WORKING } state;
	int64_t since; /* of the state, or of the last SLOW_BYTES */
	size_t bytes;
	bool shut;
};

struct luff_connections {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a request has ended, or all is to end */
	pthread_t keeper;
	bool keeps, draining, ending;
	size_t count, max;
	struct luff_connection *list;
};

static void until(struct timespec *t, int64_t ms)
{
	clock_gettime(CLOCK_REALTIME, t);
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	t->tv_sec += ms / 1000 + t->tv_nsec / 1000000000;
	t->tv_nsec %= 1000000000;
}

static void shut(struct luff_connection *c)
{
	c->shut = true;
	shutdown(c->fd, SHUT_RDWR);
}

/* The lock is held. */
static bool may_go(const struct luff_connection *c, int64_t now)
{
	return !c->shut && ((c->state == IDLE && now - c->since >= IDLE_MS) ||
			    (c->state == RECEIVING && now - c->since >= SLOW_MS));
}

/* One place in eight is kept free. The lock is held. */
static void make_room(struct luff_connections *all)
{
	size_t most = all->max - all->max / 8, left = all->count;
	int64_t now = luff_clock_ms();

	while (left > most) {
		struct luff_connection *oldest = NULL;

		for (struct luff_connection *c = all->list; c; c = c->next) {
			if (may_go(c, now) && (!oldest || c->since < oldest->since))
				oldest = c;
		}
		if (!oldest)
			return;
		shut(oldest);
		left--;
	}
}

static void *keep(void *arg)
{
	struct luff_connections *all = arg;

	pthread_mutex_lock(&all->lock);
	while (!all->ending) {
		struct timespec t;

		make_room(all);
		until(&t, TICK_MS);
		pthread_cond_timedwait(&all->changed, &all->lock, &t);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

int luff_connections_new(struct luff_connections **out, size_t max, struct luff_error *err)
{
	struct luff_connections *all = calloc(1, sizeof *all);
	int rc;

	*out = NULL;
	if (!all)
		return luff_fail_nomem(err);
	all->max = max;
	pthread_mutex_init(&all->lock, NULL);
	pthread_cond_init(&all->changed, NULL);
	rc = pthread_create(&all->keeper, NULL, keep, all);
	all->keeps = rc == 0;
	if (rc != 0) {
		luff_connections_free(all);
		return luff_fail_errno(err, rc, "cannot start a thread");
	}
	*out = all;
	return 0;
}

void luff_connections_free(struct luff_connections *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->ending = true;
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
	if (all->keeps)
		pthread_join(all->keeper, NULL);
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

struct luff_connection *luff_connection_open(struct luff_connections *all, int fd)
{
	struct luff_connection *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	*c = (struct luff_connection){.all = all, .fd = fd, .since = luff_clock_ms()};
	pthread_mutex_lock(&all->lock);
	c->next = all->list;
	c->link = &all->list;
	if (c->next)
		c->next->link = &c->next;
	all->list = c;
	all->count++;
	if (all->draining)
		shut(c);
	pthread_mutex_unlock(&all->lock);
	return c;
}

void luff_connection_close(struct luff_connection *c)
{
	struct luff_connections *all;

	if (!c)
		return;
	all = c->all;
	pthread_mutex_lock(&all->lock);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	all->count--;
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
	free(c);
}

static void enter(struct luff_connection *c, int state)
{
	struct luff_connections *all;

	if (!c)
		return;
	all = c->all;
	pthread_mutex_lock(&all->lock);
	c->state = state;
	c->since = luff_clock_ms();
	c->bytes = 0;
	if (state == IDLE && all->draining) {
		/* the answer is with the kernel, which delivers it still */
		shut(c);
		pthread_cond_broadcast(&all->changed);
	}
	pthread_mutex_unlock(&all->lock);
}

void luff_connection_begin(struct luff_connection *c)
{
	enter(c, RECEIVING);
}

void luff_connection_receive(struct luff_connection *c, size_t len)
{
	if (!c)
		return;
	c->bytes += len; /* of the connection's own thread alone */
	if (c->bytes >= SLOW_BYTES)
		enter(c, RECEIVING);
}

void luff_connection_work(struct luff_connection *c)
{
	enter(c, WORKING);
}

void luff_connection_end(struct luff_connection *c)
{
	enter(c, IDLE);
}

bool luff_connection_is_last(struct luff_connection *c)
{
	bool last = false;

	if (c) {
		pthread_mutex_lock(&c->all->lock);
		last = c->all->draining;
		pthread_mutex_unlock(&c->all->lock);
	}
	return last;
}

/* The lock is held. */
static bool is_busy(const struct luff_connections *all)
{
	const struct luff_connection *c = all->list;

	while (c && c->state == IDLE)
		c = c->next;
	return c != NULL;
}

void luff_connections_drain(struct luff_connections *all, int seconds)
{
	struct timespec t;

	until(&t, (int64_t)seconds * 1000);
	pthread_mutex_lock(&all->lock);
	all->draining = true;
	for (struct luff_connection *c = all->list; c; c = c->next) {
		if (c->state == IDLE)
			shut(c);
	}
	while (is_busy(all) && pthread_cond_timedwait(&all->changed, &all->lock, &t) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&all->lock);
}
