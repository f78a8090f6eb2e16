/* What the process shares starts with the first luff_init() and ends with the last luff_shutdown(). */
#include <assert.h>
#include <pthread.h>

#include "base/pool.h"
#include "luff.h"
#include "mediums/mediums.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users;

int luff_init(struct luff_error *err)
{
	(void)err;
	pthread_mutex_lock(&lock);
	users++;
	pthread_mutex_unlock(&lock);
	return 0;
}

void luff_shutdown(void)
{
	struct luff_error none = {0};

	pthread_mutex_lock(&lock);
	assert(users > 0);
	if (--users == 0) {
		luff_pool_shutdown();
		luff_registry_shutdown();
		(void)luff_cache_set(NULL, 0, &none);
	}
	pthread_mutex_unlock(&lock);
}
