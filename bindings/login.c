/* Logins: proven and kept, taken out, looked up. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

struct login_call {
	struct luff_work base;
	char kind;               /* log 'i'n, log 'o'ut, 'f'ind */
	struct luff_login login; /* what goes in, or what was found */
	char *name;
	bool plain_http;
	bool any;
};

static int login_run(struct luff_work *base, struct luff_error *err)
{
	struct login_call *c = (struct login_call *)base;

	if (c->kind == 'i')
		return luff_login_add(c->name, c->login.user, c->login.password, c->plain_http, err);
	if (c->kind == 'o')
		return luff_login_remove(&c->any, c->name, err);
	return luff_login_find(&c->login, c->name, err);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
	if (text) {
		lua_pushstring(L, text);
		lua_setfield(L, -2, name);
	}
}

static int login_finish(lua_State *L, struct luff_work *base)
{
	struct login_call *c = (struct login_call *)base;

	if (c->kind == 'i')
		return 0;
	if (c->kind == 'o') {
		lua_pushboolean(L, c->any);
		return 1;
	}
	if (!c->login.user && !c->login.identity_token && !c->login.token)
		return 0;
	lua_createtable(L, 0, 4);
	set_text(L, "registry", c->login.registry);
	set_text(L, "user", c->login.user);
	set_text(L, "password", c->login.password);
	set_text(L, "identity_token", c->login.identity_token);
	set_text(L, "token", c->login.token);
	return 1;
}

static void login_release(struct luff_work *base)
{
	struct login_call *c = (struct login_call *)base;

	luff_login_release(&c->login);
	free(c->name);
}

/* [-0, +1] */
static struct login_call *new_call(lua_State *L, char kind)
{
	struct login_call *c = luff_work_new(L, sizeof *c);

	c->base.run = login_run;
	c->base.finish = login_finish;
	c->base.release = login_release;
	c->kind = kind;
	return c;
}

static char *copy(lua_State *L, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		luaL_error(L, "out of memory");
	return copy;
}

static const char *want(lua_State *L, const char *name)
{
	const char *text = luff_option_string(L, 1, name);

	if (!text)
		luaL_error(L, "option \"%s\" is missing", name);
	return text;
}

/* core.login { registry =, user =, password =, plain_http = } */
static int login(lua_State *L)
{
	static const char *const options[] = {"registry", "user", "password", "plain_http", NULL};
	struct login_call *c;

	luaL_checktype(L, 1, LUA_TTABLE);
	luff_check_options(L, 1, options);
	luff_check_no_plan(L, "log in");
	c = new_call(L, 'i');
	c->name = copy(L, want(L, "registry"));
	c->login.user = copy(L, want(L, "user"));
	c->login.password = copy(L, want(L, "password"));
	c->plain_http = luff_option_bool(L, 1, "plain_http");
	return luff_work_go(L);
}

/* core.logout { registry = } or { all = true } */
static int logout(lua_State *L)
{
	static const char *const options[] = {"registry", "all", NULL};
	struct login_call *c;

	luaL_checktype(L, 1, LUA_TTABLE);
	luff_check_options(L, 1, options);
	luff_check_no_plan(L, "log out");
	c = new_call(L, 'o');
	if (!luff_option_bool(L, 1, "all"))
		c->name = copy(L, want(L, "registry"));
	return luff_work_go(L);
}

/* core.auth(name): what is known, or nil */
static int auth(lua_State *L)
{
	const char *name = luff_check_name(L, 1);
	struct login_call *c = new_call(L, 'f');

	c->name = copy(L, name);
	return luff_work_go(L);
}

void luff_login_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"login", login}, {"logout", logout}, {"auth", auth}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
