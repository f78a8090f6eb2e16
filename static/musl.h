/* What luff calls of glibc's and musl has not, or not yet. */
#ifndef LUFF_STATIC_MUSL_H
#define LUFF_STATIC_MUSL_H

#include <dirent.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define renameat2(from, name, to, new_name, flags)                                                           \
	((int)syscall(SYS_renameat2, from, name, to, new_name, flags))
#endif

#define twalk_r luff_musl_twalk_r
#define scandirat luff_musl_scandirat

/* visit(node, VISIT, arg); <search.h>, which has VISIT, has names that luff uses for its own. */
void twalk_r(const void *root, void (*visit)(), void *arg);
int scandirat(int folder, const char *path, struct dirent ***out, int (*takes)(const struct dirent *entry),
	      int (*compare)(const struct dirent **a, const struct dirent **b));

#endif
