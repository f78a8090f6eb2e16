/* Files that commands write: where they really are, and folders that are theirs alone. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fence.h"
#include "base/text.h"
#include "bind.h"

#define FOLDERS_OPEN 16
#define LINKS_MAX 40

/* A link to what is not there yet: where that would be. `real` is the link's path at first; false: too long, or links in a circle. */
static bool follow(char real[PATH_MAX])
{
	char target[PATH_MAX], next[2 * PATH_MAX];

	for (int i = 0; i < LINKS_MAX; i++) {
		ssize_t n = readlink(real, target, sizeof target - 1);
		const char *slash = strrchr(real, '/');

		if (n < 0)
			return true;
		target[n] = '\0';
		snprintf(next, sizeof next, "%.*s%s", *target != '/' && slash ? (int)(slash - real + 1) : 0,
			 real, target);
		if (!luff_text_copy(real, PATH_MAX, next))
			return false;
	}
	return false;
}

bool luff_file_real(char real[PATH_MAX], const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return realpath(path, real) != NULL;
	return luff_text_copy(real, PATH_MAX, path) && follow(real);
}

/* core.real_path(path): where its links lead, itself where there is nothing yet; and whether it is, or can become, a file. */
static int real_path(lua_State *L)
{
	const char *path = luff_check_name(L, 1);
	struct luff_error err = {0};
	char real[PATH_MAX];
	struct stat st;

	if (luff_fence_local(path, &err) < 0)
		return luff_raise(L, &err);
	lua_pushstring(L, luff_file_real(real, path) ? real : path);
	lua_pushboolean(L, stat(path, &st) < 0 || S_ISREG(st.st_mode));
	return 2;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

/* core.remove_folder(path): with all that is in it, through no link. Nothing there is fine. */
static int remove_folder(lua_State *L)
{
	const char *path = luff_check_name(L, 1);
	struct luff_error err = {0};

	luff_check_no_plan(L, "remove folders");
	if (luff_fence_local(path, &err) < 0)
		return luff_raise(L, &err);
	if (nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 && errno != ENOENT) {
		luff_fail_errno(&err, errno, "%s: cannot be removed", path);
		return luff_raise(L, &err);
	}
	return 0;
}

void luff_file_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"real_path", real_path}, {"remove_folder", remove_folder}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
