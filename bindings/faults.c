/*
 * luff.serve's option "faults": a list of tables to an array of struct luff_fault. What the array points to are strings that
 * a Lua table holds (the anchor), and which the server's box holds in turn.
 */
#include <string.h>

#include "bind.h"

#define LARGE (INT64_MAX / 2)

/* Stack positions while one fault is read. */
struct reading {
	lua_State *L;
	int table, anchor;
	lua_Integer nth;
};

static int wrong(struct reading *r, const char *name, const char *want)
{
	struct luff_error err = {.code = LUFF_EINVAL};

	snprintf(err.msg, sizeof err.msg, "fault %d: %s must be %s", (int)r->nth, name, want);
	return luff_raise(r->L, &err);
}

/* Puts the value on top into the anchor, where it lives as long as the server. [-1, +0] */
static void hold(struct reading *r)
{
	lua_rawseti(r->L, r->anchor, (lua_Integer)lua_rawlen(r->L, r->anchor) + 1);
}

/* A string without a NUL, or NULL where it is absent. [-0, +0] */
static const char *text(struct reading *r, const char *name)
{
	const char *value;
	size_t len;

	if (lua_getfield(r->L, r->table, name) == LUA_TNIL) {
		lua_pop(r->L, 1);
		return NULL;
	}
	if (lua_type(r->L, -1) != LUA_TSTRING)
		wrong(r, name, "a string");
	value = lua_tolstring(r->L, -1, &len);
	if (strlen(value) != len)
		wrong(r, name, "a string without a zero byte");
	hold(r);
	return value;
}

/* *there: it is not absent. [-0, +0] */
static int64_t whole(bool *there, struct reading *r, const char *name, int64_t least, int64_t most)
{
	lua_Integer value = 0;
	char want[80];

	snprintf(want, sizeof want, "a whole number from %d on", (int)least);
	if (most < LARGE)
		snprintf(want, sizeof want, "a whole number from %d to %d", (int)least, (int)most);
	*there = lua_getfield(r->L, r->table, name) != LUA_TNIL;
	if (*there) {
		value = lua_isinteger(r->L, -1) ? lua_tointeger(r->L, -1) : -1;
		if (value < least || value > most)
			wrong(r, name, want);
	}
	lua_pop(r->L, 1);
	return value;
}

static bool flag(struct reading *r, const char *name)
{
	int type = lua_getfield(r->L, r->table, name);
	bool value = lua_toboolean(r->L, -1);

	if (type != LUA_TNIL && type != LUA_TBOOLEAN)
		wrong(r, name, "true or false");
	lua_pop(r->L, 1);
	return value;
}

static int stall(struct reading *r)
{
	double seconds = 0;

	if (lua_getfield(r->L, r->table, "stall") != LUA_TNIL) {
		if (lua_type(r->L, -1) != LUA_TNUMBER)
			wrong(r, "stall", "a number of seconds");
		seconds = lua_tonumber(r->L, -1);
		if (!(seconds >= 0 && seconds <= LUFF_FAULT_STALL_MAX))
			wrong(r, "stall", "0 to 100 seconds");
	}
	lua_pop(r->L, 1);
	return (int)(seconds * 1000);
}

/* ---- Headers ---- */

/* Fault keys that are one header of the answer. */
static const struct {
	const char *key, *header;
} shorthands[] = {
	{"type", "Content-Type"},   {"digest", "Docker-Content-Digest"},
	{"range", "Content-Range"}, {"link", "Link"},
	{"redirect", "Location"},
};

#define SHORTHANDS (sizeof shorthands / sizeof *shorthands)

/* The value on top: a string, or false to take the header away. [-1, +0] */
static void add_header(struct reading *r, struct luff_fault *f, struct luff_header *headers, const char *name,
		       const char *key)
{
	const char *value = NULL;
	size_t len = 0;

	if (lua_type(r->L, -1) == LUA_TSTRING)
		value = lua_tolstring(r->L, -1, &len);
	else if (lua_type(r->L, -1) != LUA_TBOOLEAN || lua_toboolean(r->L, -1))
		wrong(r, key, "a string, or false to take the header away");
	if (value && strlen(value) != len)
		wrong(r, key, "a string without a zero byte");
	headers[f->header_count++] = (struct luff_header){.name = name, .value = value};
	hold(r);
}

/* [-0, +0] */
static size_t count_headers(struct reading *r)
{
	size_t n = 0;

	if (lua_getfield(r->L, r->table, "headers") == LUA_TNIL) {
		lua_pop(r->L, 1);
		return 0;
	}
	if (!lua_istable(r->L, -1))
		wrong(r, "headers", "a table of names and values");
	lua_pushnil(r->L);
	while (lua_next(r->L, -2)) {
		if (lua_type(r->L, -2) != LUA_TSTRING)
			wrong(r, "headers", "a table of names and values");
		lua_pop(r->L, 1);
		n++;
	}
	lua_pop(r->L, 1);
	return n;
}

static void read_headers(struct reading *r, struct luff_fault *f)
{
	lua_State *L = r->L;
	size_t listed = count_headers(r);
	struct luff_header *headers = lua_newuserdatauv(L, (listed + SHORTHANDS) * sizeof *headers, 0);

	hold(r);
	f->headers = headers;
	for (size_t i = 0; i < SHORTHANDS; i++) {
		if (lua_getfield(L, r->table, shorthands[i].key) == LUA_TNIL)
			lua_pop(L, 1);
		else
			add_header(r, f, headers, shorthands[i].header, shorthands[i].key);
	}
	if (listed == 0)
		return;
	lua_getfield(L, r->table, "headers");
	lua_pushnil(L);
	while (listed-- > 0 && lua_next(L, -2)) {
		const char *name = lua_tostring(L, -2);

		lua_pushvalue(L, -2);
		hold(r);
		add_header(r, f, headers, name, "headers");
	}
	lua_settop(L, r->anchor);
}

/* ---- One fault ---- */

static void read_login(struct reading *r, struct luff_fault *f)
{
	const char *auth = text(r, "auth");
	bool there;

	if (auth && strcmp(auth, "basic") != 0 && strcmp(auth, "bearer") != 0)
		wrong(r, "auth", "\"basic\" or \"bearer\"");
	f->auth = !auth ? LUFF_FAULT_NO_LOGIN : auth[1] == 'a' ? LUFF_FAULT_BASIC : LUFF_FAULT_BEARER;
	f->user = text(r, "user");
	f->password = text(r, "password");
	f->realm = text(r, "realm");
	f->token_ttl = (int)whole(&there, r, "token_ttl", 1, 86400);
	if (!auth && (f->user || f->password || f->realm || there))
		wrong(r, "auth", "there, with user, password, realm or token_ttl");
}

/* false: the answer claims no length */
static void read_length(struct reading *r, struct luff_fault *f)
{
	bool none = lua_getfield(r->L, r->table, "length") == LUA_TBOOLEAN && !lua_toboolean(r->L, -1);

	lua_pop(r->L, 1);
	f->lies = none;
	f->length = none ? -1 : whole(&f->lies, r, "length", 0, LARGE);
}

static void read_fault(struct reading *r, struct luff_fault *f)
{
	static const char *const keys[] = {
		"method", "path",     "after",        "count",     "every",    "status",   "headers",
		"body",   "cut",      "flip",         "stall",     "stall_at", "hang_up",  "length",
		"digest", "type",     "ignore_range", "range",     "link",     "redirect", "auth",
		"user",   "password", "realm",        "token_ttl", NULL};
	bool there, redirects;

	luff_check_options(r->L, r->table, keys);
	f->method = text(r, "method");
	f->path = text(r, "path");
	f->after = whole(&there, r, "after", 0, LARGE);
	f->count = whole(&there, r, "count", 1, LARGE);
	f->every = whole(&there, r, "every", 1, LARGE);
	f->status = (int)whole(&there, r, "status", 200, 599);
	redirects = lua_getfield(r->L, r->table, "redirect") == LUA_TSTRING;
	lua_pop(r->L, 1);
	if (redirects && !there)
		f->status = 307;
	f->body = text(r, "body");
	f->cut = whole(&f->cuts, r, "cut", 0, LARGE);
	f->flip = whole(&there, r, "flip", 1, LARGE);
	f->stall_ms = stall(r);
	f->stall_at = whole(&there, r, "stall_at", 0, LARGE);
	if (there && f->stall_ms == 0)
		wrong(r, "stall", "there, with stall_at");
	f->hang_up = flag(r, "hang_up");
	f->ignore_range = flag(r, "ignore_range");
	read_length(r, f);
	read_headers(r, f);
	read_login(r, f);
}

/* Length of the list on top, which is nothing but a list. [-0, +0] */
static lua_Integer list_length(lua_State *L, int i)
{
	lua_Integer n = 0;

	luaL_argcheck(L, lua_istable(L, -1), i, "faults must be a list of tables");
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		lua_pop(L, 1);
		n++;
	}
	luaL_argcheck(L, n == (lua_Integer)lua_rawlen(L, -1), i,
		      "faults must be a list of tables: { { … }, … }");
	luaL_argcheck(L, n <= 1000, i, "at most 1000 faults");
	return n;
}

void luff_option_faults(struct luff_server_options *out, lua_State *L, int i)
{
	struct reading r = {.L = L};
	struct luff_fault *faults;
	lua_Integer n;

	lua_newtable(L);
	if (!lua_istable(L, i))
		return;
	if (lua_getfield(L, i, "faults") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	n = list_length(L, i);
	lua_insert(L, -2);
	r.anchor = lua_gettop(L);
	faults = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *faults, 0);
	memset(faults, 0, ((size_t)n + 1) * sizeof *faults);
	hold(&r);
	for (r.nth = 1; r.nth <= n; r.nth++) {
		lua_rawgeti(L, r.anchor - 1, r.nth);
		lua_insert(L, r.anchor);
		r.table = r.anchor++;
		if (!lua_istable(L, r.table))
			wrong(&r, "it", "a table");
		read_fault(&r, &faults[r.nth - 1]);
		lua_remove(L, r.table);
		r.anchor--;
	}
	lua_remove(L, r.anchor - 1);
	out->faults = faults;
	out->fault_count = (size_t)n;
}
