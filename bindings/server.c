/* luff.serve: the embedded registry as a to-be-closed value. Its faults are read in faults.c. */
#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "bind.h"

#define REQUESTS "luff.Requests"

struct server_box {
	struct luff_server *server; /* NULL: closed */
	int64_t hooks;              /* who is asked; 0: nobody */
};

static struct luff_server *check_server(lua_State *L)
{
	const struct server_box *box = luaL_checkudata(L, 1, LUFF_SERVER);

	if (!box->server)
		luaL_error(L, "the server is closed");
	return box->server;
}

/* From 1 on; 0 where it is absent. */
static int64_t option_integer(lua_State *L, int i, const char *name, int64_t most)
{
	struct luff_error err = {0};
	lua_Integer value = 0;
	int is = 1;

	if (lua_istable(L, i) && lua_getfield(L, i, name) != LUA_TNIL) {
		value = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is) : 0;
		if (!is || value < 1 || value > most) {
			luff_fail(&err, LUFF_EINVAL, "option \"%s\" must be a whole number from 1 on", name);
			luff_raise(L, &err);
		}
	}
	if (lua_istable(L, i))
		lua_pop(L, 1);
	return value;
}

static int serve(lua_State *L)
{
	static const char *const options[] = {
		"root",       "listen",    "faults",  "record",  "cert",       "key",         "htpasswd",
		"read_only",  "authorize", "on_push", "on_pull", "upload_max", "connections", "idle_timeout",
		"access_log", "metrics",   "gc",      "proxy",   "proxy_max",  "self_signed", NULL};
	struct luff_server_options o = {0};
	struct luff_error err = {0};
	struct server_box *box;

	luff_check_options(L, 1, options);
	o.root = luff_option_string(L, 1, "root");
	o.listen = luff_option_string(L, 1, "listen");
	o.cert = luff_option_string(L, 1, "cert");
	o.key = luff_option_string(L, 1, "key");
	o.self_signed = luff_option_string(L, 1, "self_signed");
	o.htpasswd = luff_option_string(L, 1, "htpasswd");
	o.read_only = luff_option_bool(L, 1, "read_only");
	o.access_log = luff_option_string(L, 1, "access_log");
	o.metrics = luff_option_bool(L, 1, "metrics");
	if (o.root || o.self_signed || (o.access_log && strcmp(o.access_log, "-") != 0))
		luff_check_no_plan(L, "serve a folder, nor write a server's files");
	o.proxy = luff_option_string(L, 1, "proxy");
	o.proxy_max = option_integer(L, 1, "proxy_max", INT64_MAX);
	o.upload_max = option_integer(L, 1, "upload_max", INT64_MAX);
	o.connections = (int)option_integer(L, 1, "connections", INT_MAX);
	o.idle_timeout = (int)option_integer(L, 1, "idle_timeout", INT_MAX);
	o.record = luff_option_bool(L, 1, "record");
	o.gc = luff_option_age(L, 1, "gc", 0);
	box = luff_box(L, sizeof *box, LUFF_SERVER);
	luff_option_faults(&o, L, 1);
	/* the server borrows them; it is stopped before the box lets go of them */
	lua_setiuservalue(L, -2, 1);
	box->hooks = luff_option_hooks(&o, L, 1);
	if (luff_server_start(&box->server, &o, &err) < 0) {
		luff_asker_close(L, box->hooks);
		return luff_raise(L, &err);
	}
	return 1;
}

static int server_address(lua_State *L)
{
	lua_pushstring(L, luff_server_address(check_server(L)));
	return 1;
}

/* { name in lower case = value }; what came twice is joined as RFC 9110 5.3 has it. [-0, +1] */
static void push_headers(lua_State *L, const struct luff_server_request *request)
{
	lua_createtable(L, 0, (int)request->header_count);
	for (size_t i = 0; i < request->header_count; i++) {
		const struct luff_header *h = &request->headers[i];
		luaL_Buffer name;

		luaL_buffinit(L, &name);
		for (const char *p = h->name; *p; p++)
			luaL_addchar(&name, (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p));
		luaL_pushresult(&name);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, -3) == LUA_TSTRING)
			lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), h->value);
		else
			lua_pushstring(L, h->value);
		lua_remove(L, -2);
		lua_rawset(L, -3);
	}
}

static void push_request(lua_State *L, const struct luff_server_request *request)
{
	lua_createtable(L, 0, 5);
	lua_pushstring(L, request->method);
	lua_setfield(L, -2, "method");
	lua_pushstring(L, request->path);
	lua_setfield(L, -2, "path");
	lua_pushstring(L, request->query);
	lua_setfield(L, -2, "query");
	push_headers(L, request);
	lua_setfield(L, -2, "headers");
	if (request->status) {
		lua_pushinteger(L, request->status);
		lua_setfield(L, -2, "status");
	}
}

static int requests_gc(lua_State *L)
{
	struct luff_server_request **box = luaL_checkudata(L, 1, REQUESTS);

	luff_server_requests_free(*box);
	*box = NULL;
	return 0;
}

static int server_requests(lua_State *L)
{
	struct luff_server *server = check_server(L);
	struct luff_server_request **box = luff_box(L, sizeof *box, REQUESTS);
	struct luff_error err = {0};
	lua_Integer n = 0;

	if (luff_server_take_requests(box, server, &err) < 0)
		return luff_raise(L, &err);
	lua_newtable(L);
	for (const struct luff_server_request *request = *box; request; request = request->next) {
		push_request(L, request);
		lua_rawseti(L, -2, ++n);
	}
	luff_server_requests_free(*box);
	*box = NULL;
	return 1;
}

static int server_close(lua_State *L)
{
	struct server_box *box = luaL_checkudata(L, 1, LUFF_SERVER);

	/* first, so that no request waits for an answer */
	luff_asker_close(L, box->hooks);
	box->hooks = 0;
	luff_server_stop(luff_take(box->server));
	return 0;
}

struct drain_call {
	struct luff_work base;
	struct luff_server *server; /* of the box in the user value */
	int seconds;
};

static int drain_run(struct luff_work *base, struct luff_error *err)
{
	struct drain_call *call = (struct drain_call *)base;

	(void)err;
	luff_server_drain(call->server, call->seconds);
	return 0;
}

static int drain_finish(lua_State *L, struct luff_work *base)
{
	(void)L;
	(void)base;
	return 0;
}

static int server_drain(lua_State *L)
{
	struct luff_server *server = check_server(L);
	lua_Integer seconds = luaL_checkinteger(L, 2);
	struct drain_call *call;

	luaL_argcheck(L, seconds >= 0 && seconds <= 3600, 2, "seconds must be within 0 and 3600");
	call = luff_work_new(L, sizeof *call);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	call->server = server;
	call->seconds = (int)seconds;
	call->base.run = drain_run;
	call->base.finish = drain_finish;
	return luff_work_go(L);
}

static int wait_run(struct luff_work *call, struct luff_error *err)
{
	struct timespec tick = {.tv_nsec = 100000000};

	(void)call;
	while (luff_scope_check(err) == 0)
		nanosleep(&tick, NULL);
	return 0;
}

/* Where the program is interrupted, the program's own hook raises; a task that was cancelled alone raises here. */
static int wait_finish(lua_State *L, struct luff_work *call)
{
	struct luff_error err = {.code = LUFF_ECANCELED, .msg = "cancelled"}, ignored = {0};

	(void)call;
	return luff_scope_check(&ignored) < 0 ? 0 : luff_raise(L, &err);
}

static int server_wait(lua_State *L)
{
	struct luff_work *call;

	check_server(L);
	call = luff_work_new(L, sizeof *call);
	call->run = wait_run;
	call->finish = wait_finish;
	return luff_work_go(L);
}

void luff_server_functions(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", server_close}, {"__close", server_close}, {NULL, NULL}},
			      requests[] = {{"__gc", requests_gc}, {NULL, NULL}};
	static const luaL_Reg methods[] = {{"address", server_address}, {"close", server_close},
					   {"drain", server_drain},     {"requests", server_requests},
					   {"wait", server_wait},       {NULL, NULL}},
			      functions[] = {{"serve", serve}, {NULL, NULL}};

	luff_box_type(L, LUFF_SERVER, meta, methods);
	luff_box_type(L, REQUESTS, requests, NULL);
	luaL_setfuncs(L, functions, 0);
}
