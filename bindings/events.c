/* Events of a call: workers put them, the Lua thread takes them. */
#include <stdlib.h>

#include "bind.h"

#define EVENTS_MAX 10000 /* that nobody took yet; further ones are lost */

void luff_events_make(struct luff_events *q)
{
	pthread_mutex_init(&q->lock, NULL);
	q->there = true;
	q->tail = &q->first;
}

void luff_events_put(struct luff_events *q, const struct luff_event_kind *kind, const void *what)
{
	struct luff_event *e;

	pthread_mutex_lock(&q->lock);
	for (e = q->first; e && !kind->is_same(e, what); e = e->next)
		;
	if (!e && q->count < EVENTS_MAX && (e = calloc(1, kind->size))) {
		*q->tail = e;
		q->tail = &e->next;
		q->count++;
	}
	if (e)
		kind->fill(e, what);
	pthread_mutex_unlock(&q->lock);
}

void *luff_events_take(struct luff_events *q)
{
	struct luff_event *e;

	pthread_mutex_lock(&q->lock);
	e = q->first;
	if (e) {
		q->first = e->next;
		q->count--;
		if (!q->first)
			q->tail = &q->first;
	}
	pthread_mutex_unlock(&q->lock);
	return e;
}

void luff_events_release(struct luff_events *q)
{
	struct luff_event *e;

	if (!q->there)
		return;
	while ((e = luff_events_take(q)))
		free(e);
	pthread_mutex_destroy(&q->lock);
}
