/* What the write gate lists: tags and referrers, the inner medium's and those that are planned. For gate.c alone. */
#ifndef LUFF_MEDIUMS_GATE_LISTS_H
#define LUFF_MEDIUMS_GATE_LISTS_H

#include "mediums/record.h"

struct gate {
	struct luff_medium base;
	struct luff_medium_ops ops; /* without what the inner one lacks */
	struct luff_medium *inner;
	struct luff_record *plan;
	struct luff_record_site *site; /* the plan's */
};

int luff_gate_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err);
/** Writes down what the place's tags stand for, once: what is deleted by its digest takes them along. */
int luff_gate_note_tags(struct gate *g, struct luff_error *err);
int luff_gate_referrers(struct luff_cursor **out, struct luff_medium *m, const struct luff_digest *subject,
			const char *artifact_type, struct luff_error *err);

#endif
