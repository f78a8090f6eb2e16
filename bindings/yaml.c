/* luff.yaml: documents as Lua tables, marked as JSON's are, and the lines of what is in them. */
#include "base/yaml.h"

#include "bind.h"

#define TREE "luff.YamlTree"

static int tree_gc(lua_State *L)
{
	struct luff_yaml **box = luaL_checkudata(L, 1, TREE);

	luff_yaml_free(*box);
	*box = NULL;
	return 0;
}

static void push_key(lua_State *L, const struct luff_yaml_item *item, size_t i)
{
	if (item->key)
		lua_pushlstring(L, item->key, item->key_len);
	else
		lua_pushinteger(L, (lua_Integer)i + 1);
}

/* lines: index of the table of lines, by the tables of the document; 0: none is wanted. [-0, +1] */
static void push_node(lua_State *L, const struct luff_yaml_node *n, int lines)
{
	luaL_checkstack(L, 8, "YAML is nested too deep");
	switch (n->kind) {
	case LUFF_YAML_NULL:
		lua_pushlightuserdata(L, NULL);
		return;
	case LUFF_YAML_BOOL:
		lua_pushboolean(L, n->boolean);
		return;
	case LUFF_YAML_INT:
		lua_pushinteger(L, n->whole);
		return;
	case LUFF_YAML_FLOAT:
		lua_pushnumber(L, n->number);
		return;
	case LUFF_YAML_TEXT:
		lua_pushlstring(L, n->text, n->text_len);
		return;
	case LUFF_YAML_LIST:
	case LUFF_YAML_MAP:
		break;
	}
	lua_newtable(L);
	if (n->kind == LUFF_YAML_LIST)
		luaL_setmetatable(L, LUFF_ARRAY);
	for (size_t i = 0; i < n->count; i++) {
		push_key(L, &n->items[i], i);
		push_node(L, n->items[i].value, lines);
		lua_rawset(L, -3);
	}
	if (!lines)
		return;
	lua_pushvalue(L, -1);
	lua_newtable(L);
	for (size_t i = 0; i < n->count; i++) {
		push_key(L, &n->items[i], i);
		lua_pushinteger(L, n->items[i].line);
		lua_rawset(L, -3);
	}
	lua_rawset(L, lines);
}

/* core.yaml(text, { lines =, name = }): the value, and with `lines` those of its members by table and key */
static int decode(lua_State *L)
{
	static const char *const options[] = {"lines", "name", NULL};
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len), *name;
	struct luff_error err = {0};
	struct luff_yaml **box;
	bool lines;

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	lines = luff_option_bool(L, 2, "lines");
	name = luff_option_string(L, 2, "name");
	box = luff_box(L, sizeof *box, TREE);
	if (luff_yaml_parse(box, text, len, name ? name : "text", &err) < 0)
		return luff_raise(L, &err);
	lua_newtable(L);
	push_node(L, luff_yaml_root(*box), lines ? 4 : 0);
	luff_yaml_free(*box);
	*box = NULL;
	if (!lines)
		return 1;
	lua_insert(L, 4);
	return 2;
}

void luff_yaml_functions(lua_State *L)
{
	static const luaL_Reg tree[] = {{"__gc", tree_gc}, {NULL, NULL}};

	luff_box_type(L, TREE, tree, NULL);
	lua_pushcfunction(L, decode);
	lua_setfield(L, -2, "yaml");
}
