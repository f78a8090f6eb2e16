/* luaopen_luff: the raw functions as the module "luff.core", and a searcher for the Lua files that are embedded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "luaopen.h"

struct luff_embedded {
	const char *name;
	const char *text;
	size_t size;
};

extern const struct luff_embedded luff_embedded[];

/* The files of LUFF_LUA_PATH come first; "luff.a.b" is luff/a/b.lua there. */
static int load_file(lua_State *L, const char *name)
{
	const char *folder = getenv("LUFF_LUA_PATH");
	static const char *const forms[] = {"%s/%s.lua", "%s/%s/init.lua"};

	for (int i = 0; folder && *folder && i < 2; i++) {
		FILE *file;

		lua_pushfstring(L, forms[i], folder, luaL_gsub(L, name, ".", "/"));
		file = fopen(lua_tostring(L, -1), "r");
		if (!file)
			continue;
		fclose(file);
		if (luaL_loadfilex(L, lua_tostring(L, -1), "t") != LUA_OK)
			return lua_error(L);
		return 1;
	}
	return 0;
}

static int search(lua_State *L);

/* The chunk on top sees what Lua 5.4 has among its globals, also where this Lua lacks it. [-0, +0] */
static void set_globals(lua_State *L)
{
	if (lua_getfield(L, LUA_REGISTRYINDEX, "luff.compat") == LUA_TNIL) {
		lua_pop(L, 1);
		lua_pushcfunction(L, search);
		lua_pushliteral(L, "luff.compat");
		lua_call(L, 1, 1);
		lua_call(L, 0, 1);
		lua_pushvalue(L, -1);
		lua_setfield(L, LUA_REGISTRYINDEX, "luff.compat");
	}
	lua_insert(L, -2);
	luff_set_environment(L, -2);
	lua_remove(L, -2);
}

/* The chunk of a file, with its globals. */
static int loaded(lua_State *L, const char *name)
{
	if (LUA_VERSION_NUM < 504 && strcmp(name, "luff.compat") != 0)
		set_globals(L);
	return 1;
}

static int search(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const struct luff_embedded *e = luff_embedded;

	if (strncmp(name, "luff", 4) != 0 || (name[4] && name[4] != '.'))
		return 0;
	if (load_file(L, name))
		return loaded(L, name);
	while (e->name && strcmp(e->name, name) != 0)
		e++;
	if (!e->name)
		return 0;
	lua_pushfstring(L, "@%s.lua", name);
	if (luaL_loadbufferx(L, e->text, e->size, lua_tostring(L, -1), "t") != LUA_OK)
		return lua_error(L);
	return loaded(L, name);
}

/* core.embedded(name): the text of a Lua file that is embedded, by the name of its module; nil where there is none */
static int embedded(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);

	for (const struct luff_embedded *e = luff_embedded; e->name; e++) {
		if (strcmp(e->name, name) == 0) {
			lua_pushlstring(L, e->text, e->size);
			return 1;
		}
	}
	return 0;
}

static int shut_down(lua_State *L)
{
	(void)L;
	luff_shutdown();
	return 0;
}

static int host_platform(lua_State *L)
{
	struct luff_platform p;
	char text[LUFF_PLATFORM_TEXT_MAX];

	luff_platform_host(&p);
	lua_pushstring(L, luff_platform_format(text, &p));
	return 1;
}

static int open_core(lua_State *L)
{
	static const luaL_Reg none[] = {{"__gc", shut_down}, {NULL, NULL}};
	struct luff_error err = {0};

	if (luff_init(&err) < 0)
		return luff_raise(L, &err);
	/* made first, so that lua_close() comes to it last */
	luff_box_type(L, "luff.Process", none, NULL);
	luff_box(L, 1, "luff.Process");
	lua_setfield(L, LUA_REGISTRYINDEX, "luff.process");
	lua_newtable(L);
	luff_job_open(L);
	luff_image_types(L);
	luff_reader_type(L);
	luff_entries_types(L);
	luff_tree_types(L);
	luff_ref_type(L);
	luff_medium_functions(L);
	luff_write_functions(L);
	luff_copy_functions(L);
	luff_progress_functions(L);
	luff_validate_functions(L);
	luff_method_tables(L);
	luff_edit_functions(L);
	luff_layer_functions(L);
	luff_login_functions(L);
	luff_server_functions(L);
	luff_question_functions(L);
	luff_scripted_functions(L);
	luff_gc_functions(L);
	luff_file_functions(L);
	luff_plan_functions(L);
	luff_daemon_functions(L);
	luff_settings_functions(L);
	luff_notice_functions(L);
	luff_json_functions(L);
	luff_yaml_functions(L);
	luff_limits_functions(L);
	luff_regex_functions(L);
	luff_terminal_functions(L);
	lua_pushcfunction(L, host_platform);
	lua_setfield(L, -2, "platform");
	lua_pushcfunction(L, embedded);
	lua_setfield(L, -2, "embedded");
	luff_version_functions(L);
	return 1;
}

/* Also for who empties package.loaded: there is one core for a state. */
static int get_core(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "luff.core");
	return 1;
}

/* Where require found luff/init.lua before luff.so. */
int luaopen_luff_core(lua_State *L)
{
	lua_settop(L, 0);
	if (lua_getfield(L, LUA_REGISTRYINDEX, "luff.process") == LUA_TNIL) {
		lua_pushcfunction(L, open_core);
		lua_call(L, 0, 1);
		lua_setfield(L, LUA_REGISTRYINDEX, "luff.core");
		luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
		lua_getfield(L, -1, "package");
		lua_getfield(L, -1, "preload");
		lua_pushcfunction(L, get_core);
		lua_setfield(L, -2, "luff.core");
		lua_getfield(L, -2, LUA_VERSION_NUM > 501 ? "searchers" : "loaders");
		/* after preload and before package.path: no file of the current folder stands in for luff's own */
		for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i > 1; i--) {
			lua_rawgeti(L, -1, i);
			lua_rawseti(L, -2, i + 1);
		}
		lua_pushcfunction(L, search);
		lua_rawseti(L, -2, 2);
	}
	return get_core(L);
}

int luaopen_luff(lua_State *L)
{
	luaopen_luff_core(L);
	lua_settop(L, 0);
	lua_pushcfunction(L, search);
	lua_pushliteral(L, "luff");
	lua_call(L, 1, 1);
	lua_pushliteral(L, "luff");
	lua_call(L, 1, 1);
	return 1;
}
