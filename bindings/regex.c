/*
 * luff.regex over PCRE2, opened at its first use. Patterns and texts may both come from others: each step of a match is counted (an
 * automatic callout), so that no pattern runs for long on any text, and what is cancelled stops.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/lazy.h"
#include "base/scope.h"
#include "base/text.h"
#include "bind.h"

#define PATTERN_MAX (64 * 1024)
#define TEXT_MAX (16 << 20)
#define STEPS_MAX 5000000 /* of one call */
#define SECONDS_MAX 20    /* of one call: steps over long texts are slow ones */
#define HEAP_KIB 65536

static struct {
	pcre2_compile_context *(*compile_context)(pcre2_general_context *general);
	int (*max_pattern)(pcre2_compile_context *context, PCRE2_SIZE n);
	void (*compile_context_free)(pcre2_compile_context *context);
	pcre2_code *(*compile)(PCRE2_SPTR pattern, PCRE2_SIZE len, uint32_t options, int *error,
			       PCRE2_SIZE *at, pcre2_compile_context *context);
	void (*code_free)(pcre2_code *code);
	int (*pattern_info)(const pcre2_code *code, uint32_t what, void *where);
	pcre2_match_data *(*match_data)(const pcre2_code *code, pcre2_general_context *general);
	void (*match_data_free)(pcre2_match_data *data);
	PCRE2_SIZE *(*ovector)(pcre2_match_data *data);
	pcre2_match_context *(*match_context)(pcre2_general_context *general);
	void (*match_context_free)(pcre2_match_context *context);
	int (*heap_limit)(pcre2_match_context *context, uint32_t kib);
	int (*set_callout)(pcre2_match_context *context, int (*f)(pcre2_callout_block *, void *), void *arg);
	int (*match)(const pcre2_code *code, PCRE2_SPTR text, PCRE2_SIZE len, PCRE2_SIZE start,
		     uint32_t options, pcre2_match_data *data, pcre2_match_context *context);
	int (*error_message)(int error, PCRE2_UCHAR *buf, PCRE2_SIZE size);
} lib;

struct regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	uint32_t groups;
	const unsigned char *names; /* of groups, in the code */
	uint32_t name_count, name_size;
	/* of the call that runs: */
	long steps;
	int64_t began;
	struct luff_error err;
};

static int load(struct luff_error *err)
{
	static const struct luff_lazy_symbol symbols[] = {
		LUFF_LAZY(pcre2_compile_context_create_8, &lib.compile_context),
		LUFF_LAZY(pcre2_set_max_pattern_length_8, &lib.max_pattern),
		LUFF_LAZY(pcre2_compile_context_free_8, &lib.compile_context_free),
		LUFF_LAZY(pcre2_code_free_8, &lib.code_free),
		LUFF_LAZY(pcre2_pattern_info_8, &lib.pattern_info),
		LUFF_LAZY(pcre2_match_data_create_from_pattern_8, &lib.match_data),
		LUFF_LAZY(pcre2_match_data_free_8, &lib.match_data_free),
		LUFF_LAZY(pcre2_get_ovector_pointer_8, &lib.ovector),
		LUFF_LAZY(pcre2_match_context_create_8, &lib.match_context),
		LUFF_LAZY(pcre2_match_context_free_8, &lib.match_context_free),
		LUFF_LAZY(pcre2_set_heap_limit_8, &lib.heap_limit),
		LUFF_LAZY(pcre2_set_callout_8, &lib.set_callout),
		LUFF_LAZY(pcre2_match_8, &lib.match),
		LUFF_LAZY(pcre2_get_error_message_8, &lib.error_message),
		LUFF_LAZY(pcre2_compile_8, &lib.compile),
		{NULL, NULL}};
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!lib.compile)
		rc = luff_lazy_load("libpcre2-8.so.0", symbols, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

static int regex_gc(lua_State *L)
{
	struct regex *r = luaL_checkudata(L, 1, LUFF_REGEX);

	if (r->data)
		lib.match_data_free(r->data);
	if (r->context)
		lib.match_context_free(r->context);
	if (r->code)
		lib.code_free(r->code);
	memset(r, 0, sizeof *r);
	return 0;
}

static struct regex *check_regex(lua_State *L)
{
	struct regex *r = luaL_checkudata(L, 1, LUFF_REGEX);

	luaL_argcheck(L, r->code, 1, "it is collected");
	return r;
}

static int on_step(pcre2_callout_block *block, void *arg)
{
	struct regex *r = arg;

	(void)block;
	if (++r->steps > STEPS_MAX)
		return PCRE2_ERROR_MATCHLIMIT;
	if (r->steps % 64 != 0)
		return 0;
	if (luff_scope_check(&r->err) < 0)
		return PCRE2_ERROR_CALLOUT;
	return luff_clock_ms() - r->began > SECONDS_MAX * 1000 ? PCRE2_ERROR_MATCHLIMIT : 0;
}

static uint32_t check_flags(lua_State *L, const char *flags)
{
	static const struct flag {
		char letter;
		uint32_t bit;
	} known[] = {{'i', PCRE2_CASELESS}, {'m', PCRE2_MULTILINE},
		     {'s', PCRE2_DOTALL},   {'x', PCRE2_EXTENDED},
		     {'u', PCRE2_UCP},      {'a', PCRE2_ANCHORED | PCRE2_ENDANCHORED}};
	/* what is no UTF-8 in a text is matched by nothing; \C could cut a character */
	uint32_t bits = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
	struct luff_error err = {0};

	for (const char *p = flags; *p; p++) {
		const struct flag *found = NULL;

		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			found = known[i].letter == *p ? &known[i] : found;
		if (found) {
			bits |= found->bit;
		} else {
			char shown[8];

			luff_fail(&err, LUFF_EINVAL,
				  "no flag of a regular expression: \"%s\" (have: i m s x u a)",
				  luff_text_printable(shown, sizeof shown, p));
			luff_raise(L, &err);
		}
	}
	return bits;
}

/* core.regex(pattern, flags) */
static int compile(lua_State *L)
{
	size_t len;
	const char *pattern = luaL_checklstring(L, 1, &len), *flags = luaL_optstring(L, 2, "");
	pcre2_compile_context *context;
	struct luff_error err = {0};
	PCRE2_SIZE at = 0;
	uint32_t bits = check_flags(L, flags);
	struct regex *r;
	int error;

	lua_settop(L, 2);
	r = luff_box(L, sizeof *r, LUFF_REGEX);
	if (load(&err) < 0)
		return luff_raise(L, &err);
	context = lib.compile_context(NULL);
	if (!context) {
		luff_fail_nomem(&err);
		return luff_raise(L, &err);
	}
	lib.max_pattern(context, PATTERN_MAX);
	r->code = lib.compile((PCRE2_SPTR)pattern, len, bits, &error, &at, context);
	lib.compile_context_free(context);
	if (!r->code) {
		char shown[128];
		PCRE2_UCHAR why[200] = "";

		lib.error_message(error, why, sizeof why);
		luff_fail(&err, LUFF_EINVAL, "the regular expression \"%s\": %s (at character %zu)",
			  luff_text_printable(shown, sizeof shown, pattern), (const char *)why,
			  (size_t)at + 1);
		return luff_raise(L, &err);
	}
	r->data = lib.match_data(r->code, NULL);
	r->context = lib.match_context(NULL);
	if (!r->data || !r->context) {
		luff_fail_nomem(&err);
		return luff_raise(L, &err);
	}
	lib.heap_limit(r->context, HEAP_KIB);
	lib.set_callout(r->context, on_step, r);
	lib.pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
	lib.pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &r->name_count);
	lib.pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &r->name_size);
	lib.pattern_info(r->code, PCRE2_INFO_NAMETABLE, &r->names);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

/* Where to begin, from string.find's init. */
static size_t check_init(lua_State *L, int i, size_t len)
{
	lua_Integer init = luaL_optinteger(L, i, 1);

	if (init < 0)
		init = -init > (lua_Integer)len ? 1 : (lua_Integer)len + init + 1;
	return init < 1 ? 0 : (size_t)init - 1;
}

/* The groups of the first match in the text at 2, from the byte at 3 on; NULL: there is none. Raises. */
static const PCRE2_SIZE *match(lua_State *L, struct regex *r, const char **text_out)
{
	size_t len, init;
	const char *text = luaL_checklstring(L, 2, &len);
	struct luff_error err = {0};
	int rc;

	*text_out = text;
	init = check_init(L, 3, len);
	if (init > len)
		return NULL;
	if (len > TEXT_MAX) {
		luff_fail(&err, LUFF_ELIMIT, "regular expressions look at %d bytes at most, and here are %zu",
			  TEXT_MAX, len);
		luff_raise(L, &err);
	}
	r->steps = 0;
	r->err.code = 0;
	r->began = luff_clock_ms();
	rc = lib.match(r->code, (PCRE2_SPTR)text, len, init, 0, r->data, r->context);
	if (rc >= 0)
		return lib.ovector(r->data);
	if (rc == PCRE2_ERROR_NOMATCH)
		return NULL;
	if (r->err.code)
		luff_raise(L, &r->err);
	if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT) {
		char shown[128];

		lua_getiuservalue(L, 1, 1);
		luff_fail(&err, LUFF_ELIMIT,
			  "the regular expression \"%s\" takes too many steps on a text of %zu bytes",
			  luff_text_printable(shown, sizeof shown, lua_tostring(L, -1)), len);
	} else {
		PCRE2_UCHAR why[200] = "";

		lib.error_message(rc, why, sizeof why);
		luff_fail(&err, LUFF_EINVAL, "a regular expression failed: %s", (const char *)why);
	}
	luff_raise(L, &err);
	return NULL;
}

/* nil where it took no part. [-0, +1] */
static void push_group(lua_State *L, const char *text, const PCRE2_SIZE *groups, uint32_t i)
{
	/* \K in a lookahead may set the start behind the end */
	if (groups[2 * i] == PCRE2_UNSET || groups[2 * i] > groups[2 * i + 1])
		lua_pushnil(L);
	else
		lua_pushlstring(L, text + groups[2 * i], groups[2 * i + 1] - groups[2 * i]);
}

static int test(lua_State *L)
{
	const char *text;

	lua_pushboolean(L, match(L, check_regex(L), &text) != NULL);
	return 1;
}

/* Where it begins, where it ends, and its groups; nil where it is not found. */
static int find(lua_State *L)
{
	struct regex *r = check_regex(L);
	const char *text;
	const PCRE2_SIZE *groups = match(L, r, &text);

	if (!groups)
		return 0;
	luaL_checkstack(L, (int)r->groups + 2, "too many groups");
	lua_pushinteger(L, (lua_Integer)groups[0] + 1);
	lua_pushinteger(L, (lua_Integer)groups[1]);
	for (uint32_t i = 1; i <= r->groups; i++)
		push_group(L, text, groups, i);
	return (int)r->groups + 2;
}

/* The groups; without any, all that matched. */
static int match_groups(lua_State *L)
{
	struct regex *r = check_regex(L);
	const char *text;
	const PCRE2_SIZE *groups = match(L, r, &text);
	uint32_t first = r->groups > 0;

	if (!groups)
		return 0;
	luaL_checkstack(L, (int)r->groups + 1, "too many groups");
	for (uint32_t i = first; i <= r->groups; i++)
		push_group(L, text, groups, i);
	return (int)(r->groups - first) + 1;
}

/* A table: [0] all that matched, [1] and so on, and those with names; nil where it is not found. */
static int captures(lua_State *L)
{
	struct regex *r = check_regex(L);
	const char *text;
	const PCRE2_SIZE *groups = match(L, r, &text);

	if (!groups)
		return 0;
	lua_createtable(L, (int)r->groups, (int)r->name_count + 1);
	for (uint32_t i = 0; i <= r->groups; i++) {
		push_group(L, text, groups, i);
		lua_rawseti(L, -2, (lua_Integer)i);
	}
	for (uint32_t i = 0; i < r->name_count; i++) {
		const unsigned char *entry = r->names + (size_t)i * r->name_size;
		uint32_t group = (uint32_t)entry[0] << 8 | entry[1];

		/* of several groups of one name (?|…) the one that took part */
		if (groups[2 * group] == PCRE2_UNSET)
			continue;
		lua_pushstring(L, (const char *)entry + 2);
		push_group(L, text, groups, group);
		lua_rawset(L, -3);
	}
	return 1;
}

static int regex_text(lua_State *L)
{
	luaL_checkudata(L, 1, LUFF_REGEX);
	lua_pushliteral(L, "regex ");
	lua_getiuservalue(L, 1, 1);
	lua_concat(L, 2);
	return 1;
}

/* core.is_regex(value) */
static int is_regex(lua_State *L)
{
	lua_pushboolean(L, luaL_testudata(L, 1, LUFF_REGEX) != NULL);
	return 1;
}

void luff_regex_functions(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", regex_gc}, {"__tostring", regex_text}, {NULL, NULL}};
	static const luaL_Reg methods[] = {{"test", test},
					   {"find", find},
					   {"match", match_groups},
					   {"captures", captures},
					   {NULL, NULL}};

	luff_box_type(L, LUFF_REGEX, meta, methods);
	lua_pushcfunction(L, compile);
	lua_setfield(L, -2, "regex");
	lua_pushcfunction(L, is_regex);
	lua_setfield(L, -2, "is_regex");
	luaL_getmetatable(L, LUFF_REGEX);
	lua_getfield(L, -1, "__index");
	lua_setfield(L, -3, "regex_methods");
	lua_pop(L, 1);
}
