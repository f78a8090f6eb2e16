/* See sparse.h. */
#include "fs/sparse.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

void luff_sparse_release(struct luff_sparse *s)
{
	free(s->pieces);
	*s = (struct luff_sparse){0};
}

int luff_sparse_add(struct luff_sparse *s, int64_t number, struct luff_error *err)
{
	if (s->odd) {
		s->pieces[s->count++].size = number;
		s->odd = false;
		return 0;
	}
	if (s->count == LUFF_SPARSE_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a sparse file in more than %d pieces", LUFF_SPARSE_MAX);
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct luff_piece *pieces = realloc(s->pieces, room * sizeof *pieces);

		if (!pieces)
			return luff_fail_nomem(err);
		s->pieces = pieces;
		s->room = room;
	}
	s->pieces[s->count].offset = number;
	s->odd = true;
	return 0;
}

int luff_sparse_parse(struct luff_sparse *s, const char *text, struct luff_error *err)
{
	int rc = 0;

	while (rc == 0 && *text) {
		size_t len = strcspn(text, ",");
		char digits[24];
		int64_t number;

		if (len >= sizeof digits)
			return luff_fail(err, LUFF_EFORMAT, "a sparse file's map is damaged");
		memcpy(digits, text, len);
		digits[len] = '\0';
		if (!luff_text_int64(&number, digits))
			return luff_fail(err, LUFF_EFORMAT, "a sparse file's map is damaged");
		rc = luff_sparse_add(s, number, err);
		text += len + (text[len] == ',');
	}
	return rc;
}

int luff_sparse_check(const struct luff_sparse *s, int64_t size, int64_t stored, struct luff_error *err)
{
	int64_t end = 0, sum = 0;
	bool good = !s->odd && size >= 0;

	for (size_t i = 0; good && i < s->count; i++) {
		const struct luff_piece *p = &s->pieces[i];

		good = p->offset >= end && p->size >= 0 && p->offset <= size && p->size <= size - p->offset;
		end = good ? p->offset + p->size : 0;
		sum += good ? p->size : 0;
	}
	return good && sum == stored
		       ? 0
		       : luff_fail(err, LUFF_EFORMAT, "a sparse file's map does not fit its size");
}
