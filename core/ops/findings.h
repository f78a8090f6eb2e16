/* What validation finds, in order, and what it counted on the way. */
#ifndef LUFF_OPS_FINDINGS_H
#define LUFF_OPS_FINDINGS_H

#include <stdatomic.h>

#include "luff.h"

struct luff_report {
	struct luff_validate_result result;
	struct luff_finding *last;
	atomic_int *room;                                 /* for so many more, of all reports together */
	char place[LUFF_NAME_MAX + LUFF_DIGEST_MAX + 64]; /* of what is looked at */
};

/** The report on a manifest of a medium; digest NULL: on its name. `room` is borrowed, and common to all. */
void luff_report_init(struct luff_report *r, atomic_int *room, const struct luff_medium *m,
		      const struct luff_digest *digest);
/** An empty report on the same place, to be filled by another thread and joined. */
void luff_report_split(struct luff_report *r, const struct luff_report *other);
/** After a failure of `code`: true where the content is what is wrong, and not the way to it. */
bool luff_report_concerns(int code);
/** Something is wrong: `thing` is what. LUFF_ENOMEM. */
int luff_report_add(struct luff_report *r, int code, const char *thing, struct luff_error *err,
		    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/** The failure in err is a finding where it concerns the content: then 0; else err->code. */
int luff_report_failure(struct luff_report *r, const char *thing, struct luff_error *err);
/** Takes the other's findings and counts over. */
void luff_report_join(struct luff_report *r, struct luff_report *other);

#endif
