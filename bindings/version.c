/* Which luff this is, and what it stands on. */
#include <cjson/cJSON.h>
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/lazy.h"
#include "bind.h"
#include "stream/codec.h"

static void set(lua_State *L, const char *name, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

/* A library that is opened at its first use, by the function that tells its version. */
static const char *ask(const char *soname, const char *function)
{
	const char *(*version)(void) = NULL;
	const struct luff_lazy_symbol symbols[] = {{function, &version}, {NULL, NULL}};
	struct luff_error ignored = {0};

	return luff_lazy_load(soname, symbols, &ignored) < 0 ? "not installed" : version();
}

/* luff.version{ libraries = true }: with the libraries, which opens those that are opened late */
static int version(lua_State *L)
{
	static const char *const options[] = {"libraries", NULL};

	luff_check_options(L, 1, options);
	lua_settop(L, 1);
	lua_createtable(L, 0, 8);
	set(L, "luff", LUFF_VERSION);
	set(L, "lua", LUA_RELEASE);
	set(L, "hash", luff_hash_provider());
	if (luff_option_bool(L, 1, "libraries")) {
		set(L, "gunzip", luff_codec_isal_loads() ? "ISA-L" : "zlib");
		set(L, "libdeflate", LIBDEFLATE_VERSION_STRING);
		set(L, "zlib", zlibVersion());
		set(L, "zstd", ZSTD_versionString());
		set(L, "cjson", cJSON_Version());
		set(L, "libcurl", ask("libcurl.so.4", "curl_version"));
		set(L, "libmicrohttpd", ask("libmicrohttpd.so.12", "MHD_get_version"));
	}
	return 1;
}

void luff_version_functions(lua_State *L)
{
	lua_pushcfunction(L, version);
	lua_setfield(L, -2, "version");
	set(L, "luff_version", LUFF_VERSION);
}
