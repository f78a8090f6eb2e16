/*
 * Owners that let go by themselves: declare them NULL at the top, `LUFF_AUTO(reader) r = NULL;`, and hand over by
 * setting the local to NULL (luff_take does both in one expression).
 */
#ifndef LUFF_BASE_CLEANUP_H
#define LUFF_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#include "luff.h"

#define LUFF_DEFINE_AUTO(name, type, release)                                                                \
	static inline void luff_auto_##name(type *p)                                                         \
	{                                                                                                    \
		if (*p)                                                                                      \
			release(*p);                                                                         \
	}                                                                                                    \
	typedef type luff_auto_type_##name
#define LUFF_AUTO(name) __attribute__((cleanup(luff_auto_##name))) luff_auto_type_##name

LUFF_DEFINE_AUTO(reader, struct luff_reader *, luff_reader_close);
LUFF_DEFINE_AUTO(cursor, struct luff_cursor *, luff_cursor_close);
LUFF_DEFINE_AUTO(medium, struct luff_medium *, luff_medium_unref);
LUFF_DEFINE_AUTO(image, struct luff_image *, luff_image_unref);
LUFF_DEFINE_AUTO(index, struct luff_index *, luff_index_unref);
LUFF_DEFINE_AUTO(layer, struct luff_layer *, luff_layer_unref);
LUFF_DEFINE_AUTO(text, char *, free); /* malloc'ed text or bytes */

static inline void luff_auto_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
typedef int luff_auto_type_fd; /* LUFF_AUTO(fd) fd = -1; */

/* The value of an owner, which owns nothing from now on. */
#define luff_take(owner)                                                                                     \
	({                                                                                                   \
		__typeof__(owner) luff_taken_ = (owner);                                                     \
		(owner) = NULL;                                                                              \
		luff_taken_;                                                                                 \
	})

#endif
