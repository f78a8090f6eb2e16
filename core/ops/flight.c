/* See flight.h. */
#include "ops/flight.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"

#define TICK_NS 100000000L

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct luff_flight *flights;

/* The lock is held. */
static bool is_under_way(const char *home, const struct luff_digest *digest)
{
	const struct luff_flight *f = flights;

	while (f && (!luff_digest_equal(f->digest, digest) || strcmp(f->home, home) != 0))
		f = f->next;
	return f;
}

int luff_flight_enter(struct luff_flight *f, const char *home, const struct luff_digest *digest,
		      struct luff_error *err)
{
	int rc = 0;

	*f = (struct luff_flight){.home = home, .digest = digest};
	pthread_mutex_lock(&lock);
	while (rc == 0 && is_under_way(home, digest)) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&changed, &lock, &until);
		rc = luff_scope_check(err);
	}
	if (rc == 0) {
		f->next = flights;
		flights = f;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void luff_flight_leave(struct luff_flight *f)
{
	struct luff_flight **at = &flights;

	pthread_mutex_lock(&lock);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}
