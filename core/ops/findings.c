/* See findings.h. */
#include "ops/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void luff_report_init(struct luff_report *r, atomic_int *room, const struct luff_medium *m,
		      const struct luff_digest *digest)
{
	memset(r, 0, sizeof *r);
	r->room = room;
	snprintf(r->place, sizeof r->place, "%s%s%s", luff_medium_place(m), digest ? "@" : "",
		 digest ? digest->text : "");
}

void luff_report_split(struct luff_report *r, const struct luff_report *other)
{
	*r = (struct luff_report){.room = other->room};
	memcpy(r->place, other->place, sizeof r->place);
}

bool luff_report_concerns(int code)
{
	return code == LUFF_ENOTFOUND || code == LUFF_EFORMAT || code == LUFF_EDIGEST || code == LUFF_ESIZE ||
	       code == LUFF_ELIMIT || code == LUFF_ENOTSUP || code == LUFF_ENAME;
}

static void free_finding(struct luff_finding *f)
{
	free(f->thing);
	free(f->place);
	free(f->what);
	free(f);
}

void luff_findings_free(struct luff_finding *list)
{
	while (list) {
		struct luff_finding *next = list->next;

		free_finding(list);
		list = next;
	}
}

int luff_report_add(struct luff_report *r, int code, const char *thing, struct luff_error *err,
		    const char *fmt, ...)
{
	struct luff_finding *f;
	va_list args;
	int len;

	if (atomic_fetch_sub(r->room, 1) <= 0) {
		atomic_store(r->room, 0);
		return 0;
	}
	f = calloc(1, sizeof *f);
	if (!f)
		return luff_fail_nomem(err);
	f->code = code;
	f->thing = strdup(thing);
	f->place = strdup(r->place);
	va_start(args, fmt);
	len = vasprintf(&f->what, fmt, args);
	va_end(args);
	if (len < 0)
		f->what = NULL;
	if (!f->thing || !f->place || !f->what) {
		free_finding(f);
		return luff_fail_nomem(err);
	}
	if (r->last)
		r->last->next = f;
	else
		r->result.findings = f;
	r->last = f;
	return 0;
}

int luff_report_failure(struct luff_report *r, const char *thing, struct luff_error *err)
{
	struct luff_error why = *err;

	if (!luff_report_concerns(why.code))
		return why.code;
	memset(err, 0, sizeof *err);
	return luff_report_add(r, why.code, thing, err, "%s", why.msg);
}

void luff_report_join(struct luff_report *r, struct luff_report *other)
{
	if (other->result.findings) {
		if (r->last)
			r->last->next = other->result.findings;
		else
			r->result.findings = other->result.findings;
		r->last = other->last;
	}
	r->result.images += other->result.images;
	r->result.indexes += other->result.indexes;
	r->result.blobs += other->result.blobs;
	r->result.bytes += other->result.bytes;
	other->result.findings = other->last = NULL;
}
