/* Ref: a name in a registry as a value. */
#include <string.h>

#include "bind.h"

static struct luff_reference *new_ref(lua_State *L)
{
	return luff_box(L, sizeof(struct luff_reference), LUFF_REF);
}

static void parse(lua_State *L, struct luff_reference *ref, const char *text)
{
	struct luff_error err = {0};

	if (luff_reference_parse(ref, text, &err) < 0)
		luff_raise(L, &err);
}

static int ref(lua_State *L)
{
	const char *text = luff_check_name(L, 1);

	parse(L, new_ref(L), strncmp(text, "docker://", 9) == 0 ? text + 9 : text);
	return 1;
}

static int ref_text(lua_State *L)
{
	char buf[1200];

	lua_pushstring(L, luff_reference_format(buf, sizeof buf, luaL_checkudata(L, 1, LUFF_REF)));
	return 1;
}

static int ref_eq(lua_State *L)
{
	const struct luff_reference *a = luaL_testudata(L, 1, LUFF_REF), *b = luaL_testudata(L, 2, LUFF_REF);

	/* not the bytes behind the texts, which nobody cleared */
	lua_pushboolean(L, a && b && strcmp(a->registry, b->registry) == 0 &&
				   strcmp(a->repository, b->repository) == 0 && strcmp(a->tag, b->tag) == 0 &&
				   luff_digest_equal(&a->digest, &b->digest));
	return 1;
}

/* The name with `suffix` in place of tag and digest. [-0, +1] */
static const struct luff_reference *with(lua_State *L, const char *separator, const char *suffix)
{
	struct luff_reference copy = *(struct luff_reference *)luaL_checkudata(L, 1, LUFF_REF);
	struct luff_reference *made;
	char buf[1200];

	copy.tag[0] = copy.digest.text[0] = '\0';
	lua_pushfstring(L, "%s%s%s", luff_reference_format(buf, sizeof buf, &copy), separator, suffix);
	made = new_ref(L);
	parse(L, made, lua_tostring(L, -2));
	return made;
}

/* The same with another tag; the digest, which named something else, goes. */
static int with_tag(lua_State *L)
{
	const char *tag = luff_check_name(L, 2);
	struct luff_error err = {.code = LUFF_ENAME,
				 .msg = "with_tag: want a tag alone, for a digest with_digest"};

	return strcmp(with(L, ":", tag)->tag, tag) != 0 ? luff_raise(L, &err) : 1;
}

static int with_digest(lua_State *L)
{
	with(L, "@", luff_check_name(L, 2));
	return 1;
}

static int ref_index(lua_State *L)
{
	const struct luff_reference *r = luaL_checkudata(L, 1, LUFF_REF);
	const char *key = luaL_checkstring(L, 2), *value = "";

	if (strcmp(key, "with_tag") == 0 || strcmp(key, "with_digest") == 0) {
		lua_pushcfunction(L, key[5] == 't' ? with_tag : with_digest);
		return 1;
	}
	if (strcmp(key, "registry") == 0)
		value = r->registry;
	else if (strcmp(key, "repository") == 0)
		value = r->repository;
	else if (strcmp(key, "tag") == 0)
		value = r->tag;
	else if (strcmp(key, "digest") == 0)
		value = r->digest.text;
	if (*value)
		lua_pushstring(L, value);
	else
		lua_pushnil(L);
	return 1;
}

void luff_ref_type(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{"__index", ref_index}, {"__tostring", ref_text}, {"__eq", ref_eq}, {NULL, NULL}};

	luff_box_type(L, LUFF_REF, meta, NULL);
	lua_pushcfunction(L, ref);
	lua_setfield(L, -2, "ref");
}
