/* Bytes that grow up to a cap. Always NUL-terminated behind `len`, so that text can be handed on as it is. */
#ifndef LUFF_BASE_BUFFER_H
#define LUFF_BASE_BUFFER_H

#include <stdarg.h>

#include "luff.h"

struct luff_buffer {
	char *data; /* NULL while empty */
	size_t len, size;
	size_t cap; /* `len` never exceeds it */
};

void luff_buffer_init(struct luff_buffer *b, size_t cap);
void luff_buffer_release(struct luff_buffer *b);
/** LUFF_ELIMIT over the cap, LUFF_ENOMEM. */
int luff_buffer_append(struct luff_buffer *b, const void *bytes, size_t len, struct luff_error *err);
int luff_buffer_printf(struct luff_buffer *b, struct luff_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** The bytes, which the caller owns (free()); the buffer is empty again. Never NULL unless out of memory. */
char *luff_buffer_take(struct luff_buffer *b);

typedef struct luff_buffer luff_auto_type_buffer;
static inline void luff_auto_buffer(struct luff_buffer *b)
{
	luff_buffer_release(b);
}

#endif
