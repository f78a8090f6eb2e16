/* See lazy.h. */
#include "base/lazy.h"

#include <dlfcn.h>
#include <string.h>

#include "base/error.h"

#ifdef LUFF_STATIC
int luff_lazy_load(const char *soname, const struct luff_lazy_symbol *symbols, struct luff_error *err)
{
	(void)soname, (void)err;
	for (; symbols->name; symbols++)
		memcpy(symbols->slot, &symbols->linked, sizeof symbols->linked);
	return 0;
}
#else
int luff_lazy_load(const char *soname, const struct luff_lazy_symbol *symbols, struct luff_error *err)
{
	/* never closed: libraries that start threads or keep exit handlers do not survive that */
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);

	if (!library)
		return luff_fail(err, LUFF_ENOTSUP, "cannot load %s; is it installed?", soname);
	for (; symbols->name; symbols++) {
		void *function = dlsym(library, symbols->name);

		if (!function)
			return luff_fail(err, LUFF_ENOTSUP, "%s has no %s; is it too old?", soname,
					 symbols->name);
		memcpy(symbols->slot, &function, sizeof function);
	}
	return 0;
}
#endif
