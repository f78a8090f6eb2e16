/* See pacer.h. What has moved cannot be taken back, so it is paid for afterwards, by whoever moves something next. */
#include "base/pacer.h"

#include "base/clock.h"
#include "base/scope.h"

#define NAP_MS 100 /* after which the debt is looked at again: others may have made it larger */

void luff_pacer_init(struct luff_pacer *p, double rate)
{
	p->rate = rate;
	p->free_at = 0;
	pthread_mutex_init(&p->lock, NULL);
}

void luff_pacer_release(struct luff_pacer *p)
{
	pthread_mutex_destroy(&p->lock);
}

int luff_pacer_wait(struct luff_pacer *p, struct luff_error *err)
{
	int rc = 0;

	while (rc == 0 && p && p->rate > 0) {
		double left;

		pthread_mutex_lock(&p->lock);
		left = p->free_at - (double)luff_clock_ms();
		pthread_mutex_unlock(&p->lock);
		if (left < 1)
			break;
		rc = luff_scope_sleep(left < NAP_MS ? (int64_t)left : NAP_MS, err);
	}
	return rc;
}

void luff_pacer_spend(struct luff_pacer *p, size_t bytes)
{
	double now;

	if (!p || p->rate <= 0)
		return;
	now = (double)luff_clock_ms();
	pthread_mutex_lock(&p->lock);
	p->free_at = (p->free_at > now ? p->free_at : now) + (double)bytes * 1000 / p->rate;
	pthread_mutex_unlock(&p->lock);
}
