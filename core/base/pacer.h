/* So many bytes per second and no more, for all threads together that spend them. */
#ifndef LUFF_BASE_PACER_H
#define LUFF_BASE_PACER_H

#include <pthread.h>

#include "luff.h"

struct luff_pacer {
	double rate;          /* bytes per second; 0: as many as there are */
	pthread_mutex_t lock; /* guards what follows */
	double free_at;       /* ms, when what was spent so far is paid for */
};

void luff_pacer_init(struct luff_pacer *p, double rate);
void luff_pacer_release(struct luff_pacer *p);
/** Waits until what was spent so far is paid for. NULL is fine. LUFF_ECANCELED. */
int luff_pacer_wait(struct luff_pacer *p, struct luff_error *err);
/** Bytes that have moved: who moves more waits for them. NULL is fine. */
void luff_pacer_spend(struct luff_pacer *p, size_t bytes);

#endif
