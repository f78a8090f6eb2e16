/* One growing array of bytes, so that no caller counts by hand. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void luff_buffer_init(struct luff_buffer *b, size_t cap)
{
	*b = (struct luff_buffer){.cap = cap};
}

void luff_buffer_release(struct luff_buffer *b)
{
	free(b->data);
	*b = (struct luff_buffer){0};
}

/* Room for `more` bytes and the NUL. */
static int reserve(struct luff_buffer *b, size_t more, struct luff_error *err)
{
	size_t size = b->size ? b->size : 256;
	char *data;

	if (more > b->cap || b->len > b->cap - more)
		return luff_fail(err, LUFF_ELIMIT, "more than %zu bytes", b->cap);
	if (b->len + more < b->size)
		return 0;
	while (size <= b->len + more)
		size *= 2;
	data = realloc(b->data, size);
	if (!data)
		return luff_fail_nomem(err);
	b->data = data;
	b->size = size;
	return 0;
}

int luff_buffer_append(struct luff_buffer *b, const void *bytes, size_t len, struct luff_error *err)
{
	int rc = reserve(b, len, err);

	if (rc < 0)
		return rc;
	if (len)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int luff_buffer_printf(struct luff_buffer *b, struct luff_error *err, const char *fmt, ...)
{
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return luff_fail(err, LUFF_EINVAL, "text that cannot be formatted");
	rc = reserve(b, (size_t)n, err);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

char *luff_buffer_take(struct luff_buffer *b)
{
	char *data = b->data ? b->data : calloc(1, 1);

	*b = (struct luff_buffer){.cap = b->cap};
	return data;
}
