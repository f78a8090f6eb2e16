/* See stand.h. Parts are taken over from edit to edit: in front of each other they would become a long chain. */
#include "ops/stand.h"

#include "mediums/mediums.h"
#include "mediums/parts.h"

int luff_stand_init(struct luff_stand *s, struct luff_medium *m, const char *place, struct luff_error *err)
{
	struct luff_medium *front = NULL, *back = NULL;

	*s = (struct luff_stand){.back = m};
	if (m)
		luff_overlay_open(&front, &back, m);
	if (front && luff_parts_is(front)) {
		s->old = front;
		s->back = back;
	} else if (m && luff_parts_is(m)) {
		s->old = m;
		s->back = NULL;
	}
	return luff_parts_new(&s->front, m ? luff_medium_place(m) : place, err);
}

void luff_stand_release(struct luff_stand *s)
{
	luff_medium_unref(s->front);
}

int luff_stand_keep(struct luff_stand *s, const struct luff_descriptor *d, struct luff_error *err)
{
	return s->old ? luff_parts_add_shared(s->front, d, s->old, err) : 0;
}

int luff_stand_keep_all(struct luff_stand *s, struct luff_error *err)
{
	return s->old ? luff_parts_add_all(s->front, s->old, err) : 0;
}

int luff_stand_medium(struct luff_medium **out, struct luff_stand *s, struct luff_error *err)
{
	*out = NULL;
	if (s->back)
		return luff_overlay_new(out, s->front, s->back, err);
	*out = luff_medium_ref(s->front);
	return 0;
}
