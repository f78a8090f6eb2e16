/* Several Lua states in one process, a thread for each: they share the core and nothing of Lua, and come and go as they like. */
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>

#include "../../bindings/luaopen.h"
#include "check.h"

#define STATES 8
#define ROUNDS 2 /* each with a state of its own, so that some open while others close */

/* What a program sees of luff that only the program itself may change. */
struct surroundings {
	struct sigaction actions[32];
	sigset_t mask;
	int umask;
	char folder[4096];
};

static void look(struct surroundings *s)
{
	memset(s, 0, sizeof *s);
	for (int i = 1; i < 32; i++)
		sigaction(i, NULL, &s->actions[i]);
	pthread_sigmask(SIG_BLOCK, NULL, &s->mask);
	s->umask = (int)umask(022);
	umask((mode_t)s->umask);
	CHECK(getcwd(s->folder, sizeof s->folder));
}

static void check_surroundings(const struct surroundings *before)
{
	struct surroundings now;

	look(&now);
	for (int i = 1; i < 32; i++)
		if (now.actions[i].sa_handler != before->actions[i].sa_handler)
			check_note(__FILE__, __LINE__, "the handler of signal %d has changed", i);
	CHECK(memcmp(&now.mask, &before->mask, sizeof now.mask) == 0);
	CHECK_INT(now.umask, before->umask);
	CHECK_STR(now.folder, before->folder);
}

static lua_State *open_state(void)
{
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	luaL_requiref(L, "luff", luaopen_luff, 0);
	lua_pop(L, 1);
	return L;
}

static void run(lua_State *L, const char *code, const char *a, const char *b)
{
	if (luaL_loadstring(L, code) == LUA_OK) {
		lua_pushstring(L, a);
		lua_pushstring(L, b);
		if (lua_pcall(L, 2, 0, 0) == LUA_OK)
			return;
	}
	CHECK_STR(luaL_tolstring(L, -1, NULL), "");
}

static const char *const mirror_code =
	"local luff = require 'luff'\n"
	"local from, to = ...\n"
	/* a server, a medium, a login and warnings of its own: what workers ask, each state answers for itself */
	"local server = luff.serve { authorize = function(r) return r.user == to end }\n"
	"local address = server:address()\n"
	"luff.config { hosts = { [address] = {\n"
	"	credentials = function() return { user = to, password = 'x' } end } } }\n"
	"local mirror = require 'luff.mirror'\n"
	"local done = mirror.run { from = from, to = address .. '/app', jobs = 3 }\n"
	"mirror.run { from = address .. '/app', to = 'oci:' .. to, jobs = 3 }\n"
	"local digests = luff.map({ 'v1', 'v2', 'v3' }, { jobs = 3 }, function(tag)\n"
	"	assert(#luff.validate('oci:' .. to .. ':' .. tag) == 0)\n"
	"	return luff.resolve('oci:' .. to .. ':' .. tag).digest\n"
	"end)\n"
	"for i, digest in ipairs(digests) do\n"
	"	assert(digest == luff.resolve(from .. ':v' .. i).digest)\n"
	"end\n"
	/* what still runs when the state closes */
	"abandoned = luff.spawn(luff.copy, from .. ':v1', 'memory:left:v1')\n"
	"if from:byte(-1) % 2 == 0 then server:close() end\n";

struct one {
	pthread_t thread;
	char from[128], to[1024];
};

static void *mirror(void *arg)
{
	const struct one *one = arg;

	for (int i = 0; i < ROUNDS; i++) {
		lua_State *L = open_state();

		run(L, mirror_code, one->from, one->to);
		lua_close(L);
	}
	return NULL;
}

static const char *const serve_code =
	"local luff = require 'luff'\n"
	"server = luff.serve {}\n"
	"for i = 1, 3 do\n"
	"	luff.copy('random:layers=2,size=3000,seed=' .. i, server:address() .. '/app:v' .. i)\n"
	"end\n";

static void mirror_at_once(void)
{
	lua_State *L = open_state();
	static struct one states[STATES];
	const char *address;

	run(L, serve_code, NULL, NULL);
	luaL_loadstring(L, "return server:address()");
	lua_call(L, 0, 1);
	address = lua_tostring(L, -1);
	for (int i = 0; i < STATES; i++) {
		snprintf(states[i].from, sizeof states[i].from, "%s/app", address);
		snprintf(states[i].to, sizeof states[i].to, "%s", scratch("%d", i));
		CHECK_INT(pthread_create(&states[i].thread, NULL, mirror, &states[i]), 0);
	}
	for (int i = 0; i < STATES; i++)
		pthread_join(states[i].thread, NULL);
	run(L, "assert(abandoned == nil, 'states share a global')", NULL, NULL);
	lua_close(L);
}

/* As a program does that makes a state for each job: nothing is left, however often. */
static void close_and_open(void)
{
	int open = 0, threads = 0;

	for (int i = 0; i < 20; i++) {
		lua_State *L = open_state();

		run(L,
		    "local luff = require 'luff'\n"
		    "local server = luff.serve {}\n"
		    "luff.copy('random:size=100', server:address() .. '/app:v1')\n"
		    "luff.spawn(function() luff.resolve(server:address() .. '/app:v1') end):wait()\n",
		    NULL, NULL);
		lua_close(L);
		if (i == 0) {
			/* libraries keep a few for themselves, and a sanitizer may have a thread */
			open = count_open();
			threads = count_files("/proc/self/task");
		}
	}
	CHECK_INT(count_open(), open);
	CHECK_INT(count_files("/proc/self/task"), threads);
}

int main(void)
{
	struct surroundings before;

	look(&before);
	mirror_at_once();
	close_and_open();
	check_surroundings(&before);
	return check_end();
}
