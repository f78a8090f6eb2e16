/* The luff program: a Lua state with luff in it, signals that cancel, and lua/luff/cli.lua, which does the rest. */
#include <lualib.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "bind.h"
#include "luaopen.h"

static struct luff_scope root;
static lua_State *main_state; /* for the signal handler alone */
static volatile sig_atomic_t terminated;

static void stop(lua_State *L, lua_Debug *debug)
{
	struct luff_error err = {.code = LUFF_ECANCELED, .msg = "cancelled"};

	(void)debug;
	lua_sethook(L, NULL, 0, 0);
	luff_raise(L, &err);
}

static void on_tick(int number)
{
	(void)number;
}

/*
 * What was about to wait for a line of input when the signal came would not notice it: from here on, whatever waits
 * is interrupted every 50 ms.
 */
static void tick(bool on)
{
	struct itimerval interval = {0};

	if (on)
		interval.it_interval.tv_usec = interval.it_value.tv_usec = 50000;
	setitimer(ITIMER_REAL, &interval, NULL);
}

/* The second one of a kind ends the program at once. */
static void on_signal(int number)
{
	signal(number, SIG_DFL);
	tick(true);
	terminated = terminated || number == SIGTERM;
	luff_scope_cancel(&root);
	lua_sethook(main_state, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static void print_trace(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static int trace(lua_State *L)
{
	root.log = lua_toboolean(L, 1) ? print_trace : NULL;
	return 0;
}

/* What waits for a line of input stops, too. */
static void listen_for(int number, void (*f)(int))
{
	struct sigaction action = {.sa_handler = f};

	sigaction(number, &action, NULL);
}

/* The prompt goes on after Ctrl-C; false: not after SIGTERM. */
static int uncancel(lua_State *L)
{
	if (!terminated) {
		lua_sethook(L, NULL, 0, 0);
		tick(false);
		root.cancelled = 0;
		listen_for(SIGINT, on_signal);
	}
	lua_pushboolean(L, !terminated);
	return 1;
}

/* Inside of a source tree its own Lua files are used. */
static void prefer_tree(void)
{
	char path[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);

	if (n <= 0 || getenv("LUFF_LUA_PATH"))
		return;
	path[n] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(path, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
	strncat(path, "/lua/luff/init.lua", 24);
	if (access(path, R_OK) == 0) {
		path[strlen(path) - strlen("/luff/init.lua")] = '\0';
		setenv("LUFF_LUA_PATH", path, 1);
	}
}

static int run(lua_State *L)
{
	int argc = (int)lua_tointeger(L, 1);
	char **argv = lua_touserdata(L, 2);

	luaL_openlibs(L);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	lua_pushcfunction(L, luaopen_luff);
	lua_setfield(L, -2, "luff");
	lua_getglobal(L, "require");
	lua_pushvalue(L, -1);
	lua_pushliteral(L, "luff");
	lua_call(L, 1, 0);
	lua_pushvalue(L, -1);
	lua_pushliteral(L, "luff.core");
	lua_call(L, 1, 1);
	lua_pushcfunction(L, trace);
	lua_setfield(L, -2, "trace");
	lua_pushcfunction(L, uncancel);
	lua_setfield(L, -2, "uncancel");
	lua_pop(L, 1);
	lua_pushliteral(L, "luff.cli");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "main");
	lua_createtable(L, argc, 0);
	for (int i = 0; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i);
	}
	lua_call(L, 1, 1);
	return 1;
}

int main(int argc, char **argv)
{
	lua_State *L;
	int code = 1;

	mallopt(M_ARENA_MAX, 2); /* memory is bounded by buffers, not by threads */
	prefer_tree();
	L = luaL_newstate();
	if (!L) {
		fprintf(stderr, "luff: out of memory\n");
		return 1;
	}
	main_state = L;
	lua_warning(L, "@on", 0);
	luff_scope_enter(&root);
	listen_for(SIGALRM, on_tick);
	listen_for(SIGINT, on_signal);
	listen_for(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	lua_pushcfunction(L, run);
	lua_pushinteger(L, argc);
	lua_pushlightuserdata(L, argv);
	if (lua_pcall(L, 2, 1, 0) == LUA_OK)
		code = (int)lua_tointeger(L, -1);
	else
		fprintf(stderr, "luff: %s\n", luaL_tolstring(L, -1, NULL));
	signal(SIGINT, SIG_DFL);
	lua_close(L);
	luff_scope_leave(&root);
	return code;
}
