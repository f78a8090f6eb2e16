/* See microhttpd.h. */
#include "server/microhttpd.h"

#include <pthread.h>

#include "base/lazy.h"

struct luff_microhttpd luff_mhd;

int luff_microhttpd_load(struct luff_error *err)
{
#define SYMBOL(function) LUFF_LAZY(MHD_##function, &luff_mhd.function),
	static const struct luff_lazy_symbol symbols[] = {LUFF_MICROHTTPD(SYMBOL){NULL, NULL}};
#undef SYMBOL
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool loaded;
	int rc;

	pthread_mutex_lock(&lock);
	rc = loaded ? 0 : luff_lazy_load("libmicrohttpd.so.12", symbols, err);
	loaded = rc == 0;
	pthread_mutex_unlock(&lock);
	return rc;
}
