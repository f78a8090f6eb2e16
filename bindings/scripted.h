/* Mediums that a script writes: what scripted.c and scripted_request.c share. */
#ifndef LUFF_BINDINGS_SCRIPTED_H
#define LUFF_BINDINGS_SCRIPTED_H

#include "base/cleanup.h"
#include "bind.h"
#include "lent.h"
#include "medium.h"

#define LUFF_SCHEME_MAX 31

struct luff_scripted {
	struct luff_medium base;
	struct luff_medium_ops ops; /* without what the script leaves out */
	char scheme[LUFF_SCHEME_MAX + 1];
	int64_t asker;
};

enum luff_answer {
	LUFF_ANSWER_NOTHING,
	LUFF_ANSWER_YES,
	LUFF_ANSWER_NUMBER,
	LUFF_ANSWER_BYTES,
	LUFF_ANSWER_DESCRIPTOR
};

struct luff_request {
	struct luff_question base;
	const char *op; /* static */
	int64_t stream; /* from 1 on */
	/* in the frame of who asks, each NULL, 0 or false where it is not said: */
	const char *place, *tag, *digest, *artifact_type;
	const struct luff_descriptor *descriptor;
	int64_t offset;
	bool force;
	struct luff_lent *lent;

	enum luff_answer kind; /* of the answer */
	int64_t number;
	char *bytes; /* NUL-terminated */
	size_t len;
	struct luff_descriptor found;
};

/** NULL on failure; the request's fields are then the caller's to fill. */
struct luff_request *luff_request_new(struct luff_medium *m, const char *op, struct luff_error *err);
void luff_request_unref(struct luff_request *q);
LUFF_DEFINE_AUTO(request, struct luff_request *, luff_request_unref);
/** Waits for the answer, which the request has then. */
int luff_request_ask(struct luff_request *q, struct luff_medium *m, struct luff_error *err);
/** What a "fetch" answered, bytes or the number of a stream. Takes q over. */
int luff_request_reader(struct luff_reader **out, struct luff_request *q, struct luff_medium *m,
			struct luff_error *err);
/** What a list answered, the number of a stream. @param max  bytes of an item */
int luff_request_cursor(struct luff_cursor **out, const struct luff_request *q, size_t max,
			struct luff_medium *m, struct luff_error *err);

#endif
