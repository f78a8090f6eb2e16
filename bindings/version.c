/* Which luff this is, and what it stands on. */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <libdeflate.h>
#include <microhttpd.h>
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

/* Of libraries that are opened at their first use. */
static void set_opened(lua_State *L)
{
	const char *(*version)(void);
	const struct luff_lazy_symbol curl[] = {LUFF_LAZY(curl_version, &version), {NULL, NULL}};
	const struct luff_lazy_symbol mhd[] = {LUFF_LAZY(MHD_get_version, &version), {NULL, NULL}};
	struct luff_error ignored = {0};

	set(L, "libcurl", luff_lazy_load("libcurl.so.4", curl, &ignored) < 0 ? "not installed" : version());
	set(L, "libmicrohttpd",
	    luff_lazy_load("libmicrohttpd.so.12", mhd, &ignored) < 0 ? "not installed" : version());
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
		set_opened(L);
	}
	return 1;
}

void luff_version_functions(lua_State *L)
{
	lua_pushcfunction(L, version);
	lua_setfield(L, -2, "version");
	set(L, "luff_version", LUFF_VERSION);
}
