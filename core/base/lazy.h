/*
 * Shared libraries that are opened at their first use. libcurl alone brings 30 others and 4 ms of start-up, which
 * a script that never leaves the machine should not pay.
 */
#ifndef LUFF_BASE_LAZY_H
#define LUFF_BASE_LAZY_H

#include "luff.h"

/* The text of a macro: the Makefile names libraries without quotes. */
#define LUFF_LAZY_TEXT(name) #name
#define LUFF_LAZY_NAME(macro) LUFF_LAZY_TEXT(macro)

struct luff_lazy_symbol {
	const char *name;
	void *slot; /* address of a pointer to the function or variable */
#ifdef LUFF_STATIC
	void *linked;
#endif
};

/* Where everything is in one file (make static), that file has the libraries, too: their headers say what is linked. */
#ifdef LUFF_STATIC
#define LUFF_LAZY(symbol, slot)                                                                              \
	{                                                                                                    \
#symbol, slot, (void *)&(symbol)                                                             \
	}
#else
#define LUFF_LAZY(symbol, slot)                                                                              \
	{                                                                                                    \
#symbol, slot                                                                                \
	}
#endif

/** Opens the library and fills in every slot, up to the entry whose name is NULL. LUFF_ENOTSUP names what is missing. */
int luff_lazy_load(const char *soname, const struct luff_lazy_symbol *symbols, struct luff_error *err);

#endif
