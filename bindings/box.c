/* Boxes, errors and option tables: the parts of the binding that every other file stands on. */
#include <errno.h>
#include <string.h>

#include "bind.h"

void *luff_box(lua_State *L, size_t size, const char *type)
{
	void *box;

	luff_limits_look(L);
	box = lua_newuserdatauv(L, size, 1);

	memset(box, 0, size);
	luaL_setmetatable(L, type);
	return box;
}

void luff_box_type(lua_State *L, const char *type, const luaL_Reg *meta, const luaL_Reg *methods)
{
	luaL_newmetatable(L, type);
	luaL_setfuncs(L, meta, 0);
	lua_pushstring(L, type);
	lua_setfield(L, -2, "__metatable");
	if (methods) {
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
}

static int error_text(lua_State *L)
{
	lua_getfield(L, 1, "message");
	return 1;
}

int luff_raise(lua_State *L, const struct luff_error *err)
{
	lua_createtable(L, 0, 3);
	/* who read what goes out has enough of it (lua/luff/terminal.lua) */
	lua_pushstring(L, err->code == LUFF_EIO && err->sys_errno == EPIPE ? "closed"
									   : luff_error_name(err->code));
	lua_setfield(L, -2, "code");
	lua_pushstring(L, err->msg);
	lua_setfield(L, -2, "message");
	if (err->http_status) {
		lua_pushinteger(L, err->http_status);
		lua_setfield(L, -2, "status");
	}
	if (luaL_newmetatable(L, "luff.Error")) {
		lua_pushcfunction(L, error_text);
		lua_setfield(L, -2, "__tostring");
	}
	lua_setmetatable(L, -2);
	return lua_error(L);
}

static int raise_invalid(lua_State *L, const char *message)
{
	struct luff_error err = {.code = LUFF_EINVAL};

	strncpy(err.msg, message, sizeof err.msg - 1);
	return luff_raise(L, &err);
}

const char *luff_check_name(lua_State *L, int i)
{
	struct luff_error err = {.code = LUFF_ENAME, .msg = "a name must not have a NUL in it"};
	size_t len;
	const char *text = luaL_checklstring(L, i, &len);

	if (strlen(text) != len)
		luff_raise(L, &err);
	return text;
}

/* Edit distance, for words of at most 31 characters. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], lb = strlen(b);

	if (strlen(a) > 31 || lb > 31)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

void luff_check_options(lua_State *L, int i, const char *const *known)
{
	if (lua_isnoneornil(L, i))
		return;
	luaL_checktype(L, i, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, i)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL,
			   *nearest = NULL;
		const char *const *k = known;

		while (name && *k && strcmp(*k, name) != 0) {
			if (distance(name, *k) <= 3 &&
			    (!nearest || distance(name, *k) < distance(name, nearest)))
				nearest = *k;
			k++;
		}
		if (!name)
			raise_invalid(L, "options are named: { name = value }");
		if (!*k) {
			lua_pushfstring(L,
					nearest ? "unknown option \"%s\" (did you mean \"%s\"?)"
						: "unknown option \"%s\"",
					name, nearest);
			raise_invalid(L, lua_tostring(L, -1));
		}
		lua_pop(L, 1);
	}
}

bool luff_option_bool(lua_State *L, int i, const char *name)
{
	bool value = false;

	if (lua_istable(L, i)) {
		lua_getfield(L, i, name);
		value = lua_toboolean(L, -1);
		lua_pop(L, 1);
	}
	return value;
}

const char *luff_option_string(lua_State *L, int i, const char *name)
{
	const char *value = NULL;
	size_t len;

	if (lua_istable(L, i) && lua_getfield(L, i, name) != LUA_TNIL) {
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_error(L, "option \"%s\" must be a string", name);
		value = lua_tolstring(L, -1, &len);
		if (strlen(value) != len) {
			lua_pushfstring(L, "option \"%s\" must not have a NUL in it", name);
			raise_invalid(L, lua_tostring(L, -1));
		}
	}
	if (lua_istable(L, i))
		lua_pop(L, 1);
	return value;
}

bool luff_option_platform(struct luff_platform *out, lua_State *L, int i)
{
	const char *text = luff_option_string(L, i, "platform");
	struct luff_error err = {0};

	if (text && luff_platform_parse(out, text, &err) < 0)
		luff_raise(L, &err);
	return text != NULL;
}
