/* The write gate of a dry run: what writes to a medium is written down in its place. For whoever opens mediums. */
#ifndef LUFF_MEDIUMS_GATE_H
#define LUFF_MEDIUMS_GATE_H

#include "medium.h"

/** Puts the gate in front of *m while a plan is made (luff_plan_begin()). On failure *m is NULL. */
int luff_gate_wrap(struct luff_medium **m, bool plain_http, struct luff_error *err);
/** Adds the repositories that a plan makes at a registry to a list of those that are there. On failure *c is closed and NULL. */
int luff_gate_catalog(struct luff_cursor **c, const char *registry, struct luff_error *err);
/** Whether that place was opened since the plan began: what is not there may be planned. */
bool luff_gate_knows(const char *place);

#endif
