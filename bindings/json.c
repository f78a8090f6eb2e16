/*
 * JSON to Lua and back: null and empty arrays keep what they are, numbers their digits, and objects the order of their names; names
 * that are new are written behind the others, sorted.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "bind.h"

/* The key of the registry: by the tables of objects that were decoded, the lists of their names in their order. */
static const char orders;

/* A text that is made into tables. Its numbers are read again, exactly: they stand in it in the order in which the tree is walked. */
struct source {
	const char *at, *end;
	int orders; /* index of that table */
};

static void push_number(lua_State *L, const cJSON *node, struct source *s)
{
	double n = node->valuedouble;
	size_t len = 0;
	const char *text = luff_json_next_number(&s->at, s->end, &len);
	int64_t whole;

	if (text && luff_json_whole(&whole, text, len))
		lua_pushinteger(L, (lua_Integer)whole);
	else if (n == floor(n) && fabs(n) <= 9007199254740992.0)
		lua_pushinteger(L, (lua_Integer)n);
	else
		lua_pushnumber(L, n);
}

static void push_tree(lua_State *L, const cJSON *node, struct source *s);

static void push_object(lua_State *L, const cJSON *node, struct source *s)
{
	const cJSON *child;
	lua_Integer i = 0;

	lua_newtable(L);
	if (!node->child)
		return;
	lua_pushvalue(L, -1);
	lua_newtable(L);
	cJSON_ArrayForEach(child, node)
	{
		lua_pushstring(L, child->string);
		lua_pushvalue(L, -1);
		lua_rawseti(L, -3, ++i);
		push_tree(L, child, s);
		lua_rawset(L, -5);
	}
	lua_rawset(L, s->orders);
}

static void push_tree(lua_State *L, const cJSON *node, struct source *s)
{
	const cJSON *child;
	lua_Integer i = 0;

	luaL_checkstack(L, 8, "JSON is nested too deep");
	if (cJSON_IsString(node)) {
		lua_pushstring(L, node->valuestring);
	} else if (cJSON_IsNumber(node)) {
		push_number(L, node, s);
	} else if (cJSON_IsBool(node)) {
		lua_pushboolean(L, cJSON_IsTrue(node));
	} else if (cJSON_IsArray(node)) {
		lua_newtable(L);
		luaL_setmetatable(L, LUFF_ARRAY);
		cJSON_ArrayForEach(child, node)
		{
			push_tree(L, child, s);
			lua_rawseti(L, -2, ++i);
		}
	} else if (cJSON_IsObject(node)) {
		push_object(L, node, s);
	} else {
		lua_pushlightuserdata(L, NULL);
	}
}

static int tree_gc(lua_State *L)
{
	cJSON **box = luaL_checkudata(L, 1, "luff.JsonTree");

	cJSON_Delete(*box);
	*box = NULL;
	return 0;
}

void luff_push_json(lua_State *L, const char *text, size_t len, const char *what)
{
	cJSON **box = luff_box(L, sizeof *box, "luff.JsonTree");
	struct luff_error err = {0};
	struct source source = {.at = text, .end = text + len};

	if (luff_json_parse(box, text, len, what, &err) < 0)
		luff_raise(L, &err);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &orders);
	source.orders = lua_gettop(L);
	push_tree(L, *box, &source);
	cJSON_Delete(*box);
	*box = NULL;
	lua_replace(L, -3);
	lua_pop(L, 1);
}

/* Appends to the table of pieces at `out`. [-1, +0] */
static void emit(lua_State *L, int out)
{
	lua_rawseti(L, out, (lua_Integer)lua_rawlen(L, out) + 1);
}

static void emit_text(lua_State *L, int out, const char *text)
{
	lua_pushstring(L, text);
	emit(L, out);
}

static void emit_string(lua_State *L, int out, int i)
{
	size_t len;
	const char *text = lua_tolstring(L, i, &len);
	luaL_Buffer b;

	if (!luff_text_utf8(text, len))
		luaL_error(L, "JSON holds UTF-8 alone: encode other bytes first, say in hex");
	if (memchr(text, '\0', len))
		luaL_error(L,
			   "JSON with a NUL in a string is read by few: encode such bytes first, say in hex");
	luaL_buffinit(L, &b);
	luaL_addchar(&b, '"');
	for (size_t k = 0; k < len; k++) {
		unsigned char c = (unsigned char)text[k];
		char escape[8];

		if (c == '"' || c == '\\') {
			luaL_addchar(&b, '\\');
			luaL_addchar(&b, (char)c);
		} else if (c < 0x20) {
			snprintf(escape, sizeof escape, "\\u%04x", c);
			luaL_addstring(&b, c == '\n' ? "\\n" : c == '\t' ? "\\t" : escape);
		} else {
			luaL_addchar(&b, (char)c);
		}
	}
	luaL_addchar(&b, '"');
	luaL_pushresult(&b);
	emit(L, out);
}

static void new_line(lua_State *L, int out, int depth)
{
	emit_text(L, out, "\n");
	for (int i = 0; i < depth; i++)
		emit_text(L, out, "  ");
}

static void encode(lua_State *L, int out, int i, int depth, bool indent);

/* Nothing of a table is left out: neither a name beside an array's values nor a value behind a gap. */
static void check_array(lua_State *L, int i, lua_Integer n)
{
	lua_pushnil(L);
	while (lua_next(L, i)) {
		lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;

		if (key < 1 || key > n)
			luaL_error(L, "a JSON array has no place for the key %s",
				   luaL_tolstring(L, -2, NULL));
		lua_pop(L, 1);
	}
}

/* Appends the names of the table at `i` that are in the list at `list` to that at `keys`; how many are in that now. [-0, +0] */
static lua_Integer add_known(lua_State *L, int keys, int i, int list)
{
	lua_Integer count = 0, n = (lua_Integer)lua_rawlen(L, list);

	for (lua_Integer k = 1; k <= n; k++) {
		lua_rawgeti(L, list, k);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, i) == LUA_TNIL) {
			lua_pop(L, 2);
			continue;
		}
		lua_pop(L, 1);
		lua_rawseti(L, keys, ++count);
	}
	return count;
}

/* Pushes a list of the names in the table at i that `known` has not, sorted. [-0, +1] */
static void push_new(lua_State *L, int i, int known)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, known), count = 0;
	int set, list;

	lua_newtable(L);
	set = lua_gettop(L);
	for (lua_Integer k = 1; k <= n; k++) {
		lua_rawgeti(L, known, k);
		lua_pushboolean(L, 1);
		lua_rawset(L, set);
	}
	lua_newtable(L);
	list = lua_gettop(L);
	lua_pushnil(L);
	while (lua_next(L, i)) {
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, set) == LUA_TNIL) {
			lua_pushvalue(L, -2);
			lua_rawseti(L, list, ++count);
		}
		lua_pop(L, 1);
	}
	lua_getglobal(L, "table");
	lua_getfield(L, -1, "sort");
	lua_pushvalue(L, list);
	lua_call(L, 1, 0);
	lua_pop(L, 1);
	lua_remove(L, set);
}

/* Fills the list at `keys` with the names of the table at i as they are written; how many. [-0, +0] */
static lua_Integer order_keys(lua_State *L, int keys, int i)
{
	lua_Integer known = 0, all = 0;

	lua_pushnil(L);
	while (lua_next(L, i)) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_error(L, "JSON objects have string keys");
		all++;
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, &orders);
	lua_pushvalue(L, i);
	if (lua_rawget(L, -2) == LUA_TTABLE)
		known = add_known(L, keys, i, lua_gettop(L));
	lua_pop(L, 2);
	if (known == all)
		return all;
	push_new(L, i, keys);
	for (lua_Integer k = known + 1; k <= all; k++) {
		lua_rawgeti(L, -1, k - known);
		lua_rawseti(L, keys, k);
	}
	lua_pop(L, 1);
	return all;
}

static void encode_table(lua_State *L, int out, int i, int depth, bool indent)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, i);
	bool array = n > 0;
	int keys;

	if (lua_getmetatable(L, i)) {
		luaL_getmetatable(L, LUFF_ARRAY);
		array = array || lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	lua_newtable(L);
	keys = lua_gettop(L);
	if (array)
		check_array(L, i, n);
	else
		n = order_keys(L, keys, i);
	emit_text(L, out, array ? "[" : "{");
	for (lua_Integer k = 1; k <= n; k++) {
		if (k > 1)
			emit_text(L, out, ",");
		if (indent)
			new_line(L, out, depth + 1);
		if (array) {
			lua_rawgeti(L, i, k);
		} else {
			lua_rawgeti(L, keys, k);
			emit_string(L, out, lua_gettop(L));
			emit_text(L, out, indent ? ": " : ":");
			lua_rawget(L, i);
		}
		encode(L, out, lua_gettop(L), depth + 1, indent);
		lua_pop(L, 1);
	}
	if (indent && n > 0)
		new_line(L, out, depth);
	emit_text(L, out, array ? "]" : "}");
	lua_settop(L, keys - 1);
}

/* A float with as few digits as read back the same. */
static void emit_float(lua_State *L, int out, double n)
{
	char text[40];
	int digits = fabs(n) < DBL_MIN ? 1 : 15; /* what is next to zero has fewer */

	do {
		snprintf(text, sizeof text, "%.*g", digits, n);
	} while (digits++ < 17 && (strtod(text, NULL) < n || strtod(text, NULL) > n));
	emit_text(L, out, text);
}

static void encode(lua_State *L, int out, int i, int depth, bool indent)
{
	char number[40];

	luaL_checkstack(L, 16, "nested too deep for JSON");
	if (depth >= LUFF_JSON_DEPTH_MAX && lua_istable(L, i))
		luaL_error(L, "nested too deep for JSON");
	switch (lua_type(L, i)) {
	case LUA_TTABLE:
		encode_table(L, out, i, depth, indent);
		break;
	case LUA_TSTRING:
		emit_string(L, out, i);
		break;
	case LUA_TNUMBER:
		if (!lua_isinteger(L, i) && !isfinite(lua_tonumber(L, i)))
			luaL_error(L, "JSON has no such number");
		if (!lua_isinteger(L, i)) {
			emit_float(L, out, lua_tonumber(L, i));
			break;
		}
		snprintf(number, sizeof number, "%lld", (long long)lua_tointeger(L, i));
		emit_text(L, out, number);
		break;
	case LUA_TBOOLEAN:
		emit_text(L, out, lua_toboolean(L, i) ? "true" : "false");
		break;
	case LUA_TNIL:
		emit_text(L, out, "null");
		break;
	default:
		if (lua_touserdata(L, i) || lua_type(L, i) != LUA_TLIGHTUSERDATA)
			luaL_error(L, "JSON cannot hold a %s", luaL_typename(L, i));
		emit_text(L, out, "null");
	}
}

void luff_encode_json(lua_State *L, int i, bool indent)
{
	luaL_Buffer b;
	int out;
	lua_Integer n;

	i = lua_absindex(L, i);
	lua_newtable(L);
	out = lua_gettop(L);
	encode(L, out, i, 0, indent);
	n = (lua_Integer)lua_rawlen(L, out);
	luaL_buffinit(L, &b);
	for (lua_Integer k = 1; k <= n; k++) {
		lua_rawgeti(L, out, k);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	lua_remove(L, out);
}

static int json_encode(lua_State *L)
{
	static const char *const options[] = {"indent", NULL};

	luaL_checkany(L, 1);
	luff_check_options(L, 2, options);
	luff_encode_json(L, 1, luff_option_bool(L, 2, "indent"));
	return 1;
}

static int json_decode(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);

	luff_push_json(L, text, len, "text");
	return 1;
}

static int json_array(lua_State *L)
{
	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	luaL_setmetatable(L, LUFF_ARRAY);
	return 1;
}

void luff_json_functions(lua_State *L)
{
	static const luaL_Reg none[] = {{NULL, NULL}}, tree[] = {{"__gc", tree_gc}, {NULL, NULL}};

	luff_box_type(L, LUFF_ARRAY, none, NULL);
	luff_box_type(L, "luff.JsonTree", tree, NULL);
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &orders);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	lua_pushcfunction(L, json_array);
	lua_setfield(L, -2, "array");
	lua_pushcfunction(L, json_encode);
	lua_setfield(L, -2, "encode");
	lua_pushcfunction(L, json_decode);
	lua_setfield(L, -2, "decode");
}
