/*
 * See interrupt.h. A signal arms a hook on the coroutine that runs, which raises "cancelled" there, once: what closes variables on the
 * way out still runs. Hooks are per coroutine, so it is known which one runs: coroutine.resume and coroutine.wrap are luff's own here.
 * And pcall goes on raising: a script that tries things in a loop ends like any other. luff's own files catch it to clean up.
 */
#include "interrupt.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "bind.h"

static struct luff_scope root;
/* For the signal handler: the coroutine that runs, and the hook that was there before it armed its own. */
static lua_State *volatile running;
static volatile lua_Hook old_hook;
static volatile int old_mask, old_count;
static volatile sig_atomic_t pending; /* nothing was raised yet */
static volatile sig_atomic_t terminated;

static int raise_cancelled(lua_State *L)
{
	struct luff_error err = {.code = LUFF_ECANCELED, .msg = "cancelled"};

	pending = 0;
	return luff_raise(L, &err);
}

/* It may fire late, in a coroutine that was in C when the prompt had already gone on. */
static void stop(lua_State *L, lua_Debug *debug)
{
	(void)debug;
	lua_sethook(L, old_hook, old_mask, old_count);
	if (pending)
		raise_cancelled(L);
}

/* No hook for calls: what handles the error, or closes variables in C, is not disturbed. */
static void arm(lua_State *L)
{
	if (lua_gethook(L) == stop)
		return;
	old_hook = lua_gethook(L);
	old_mask = lua_gethookmask(L);
	old_count = lua_gethookcount(L);
	lua_sethook(L, stop, LUA_MASKCOUNT, 1);
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
	pending = 1;
	arm(running);
}

/* What waits for a line of input stops, too. */
static void listen_for(int number, void (*f)(int))
{
	struct sigaction action = {.sa_handler = f};

	sigaction(number, &action, NULL);
}

void luff_interrupt_begin(lua_State *L)
{
	running = L;
	luff_scope_enter(&root);
	listen_for(SIGALRM, on_tick);
	listen_for(SIGINT, on_signal);
	listen_for(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
}

void luff_interrupt_end(void)
{
	luff_scope_leave(&root);
}

/* ---- core.* of the program alone ---- */

static void print_trace(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

/* core.trace(on): each request on stderr */
static int trace(lua_State *L)
{
	root.log = lua_toboolean(L, 1) ? print_trace : NULL;
	return 0;
}

static bool is_cancelled(void)
{
	return __atomic_load_n(&root.cancelled, __ATOMIC_RELAXED);
}

/* core.uncancel(): the prompt goes on after Ctrl-C; false: not after SIGTERM. */
static int uncancel(lua_State *L)
{
	if (!terminated) {
		pending = 0;
		tick(false);
		__atomic_store_n(&root.cancelled, 0, __ATOMIC_RELAXED);
		listen_for(SIGINT, on_signal);
	}
	lua_pushboolean(L, !terminated);
	return 1;
}

/* core.interrupted(): the exit code of it, once a signal came; nil before */
static int interrupted(lua_State *L)
{
	if (!is_cancelled())
		return 0;
	lua_pushinteger(L, 128 + (terminated ? SIGTERM : SIGINT));
	return 1;
}

void luff_interrupt_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"trace", trace}, {"uncancel", uncancel}, {"interrupted", interrupted}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}

/* ---- Lua's own functions, which a signal goes through ---- */

/* Whether the function that called is in a file of luff's own, which knows what to do, but for luff.try: that is the script's. */
static bool is_luffs(lua_State *L)
{
	const char *folder = getenv("LUFF_LUA_PATH"), *file;
	lua_Debug debug;
	size_t n = folder ? strlen(folder) : 0;

	if (!lua_getstack(L, 1, &debug) || !lua_getinfo(L, "S", &debug) || debug.source[0] != '@')
		return false;
	file = debug.source + 1;
	if (n > 0 && strncmp(file, folder, n) == 0 && strncmp(file + n, "/luff/", 6) == 0)
		return strcmp(file + n, "/luff/init.lua") != 0;
	return strncmp(file, "luff.", 5) == 0 && strcmp(file, "luff.lua") != 0;
}

/* In place of giving the error on top to who called. */
static void go_on_raising(lua_State *L)
{
	if (is_cancelled() && !is_luffs(L))
		raise_cancelled(L);
}

/* As lbaselib.c has it: what is above the first `extra` values is the result. */
static int finish_call(lua_State *L, int status, lua_KContext extra)
{
	if (status != LUA_OK && status != LUA_YIELD) {
		go_on_raising(L);
		lua_pushboolean(L, 0);
		lua_pushvalue(L, -2);
		return 2;
	}
	return lua_gettop(L) - (int)extra;
}

static int protected_call(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	return finish_call(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_call), 0);
}

static int handled_call(lua_State *L)
{
	int n = lua_gettop(L);

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushboolean(L, 1);
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 2);
	return finish_call(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_call), 2);
}

/* The n arguments on top go to the coroutine: how many values it gives, or -1 and its error. As lcorolib.c has it. */
static int resume(lua_State *L, lua_State *thread, int n)
{
	lua_State *outer = running;
	int status, count;

	if (!lua_checkstack(thread, n)) {
		lua_pushliteral(L, "too many arguments to resume");
		return -1;
	}
	lua_xmove(L, thread, n);
	running = thread;
	if (pending)
		arm(thread);
	status = lua_resume(thread, L, n, &count);
	running = outer;
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_xmove(thread, L, 1);
		return -1;
	}
	if (!lua_checkstack(L, count + 1)) {
		lua_pop(thread, count);
		lua_pushliteral(L, "too many results to resume");
		return -1;
	}
	lua_xmove(thread, L, count);
	return count;
}

static int coroutine_resume(lua_State *L)
{
	int n;

	luaL_checktype(L, 1, LUA_TTHREAD);
	n = resume(L, lua_tothread(L, 1), lua_gettop(L) - 1);
	if (n < 0)
		go_on_raising(L);
	lua_pushboolean(L, n >= 0);
	n = n < 0 ? 1 : n;
	lua_insert(L, -(n + 1));
	return n + 1;
}

static int wrapped(lua_State *L)
{
	lua_State *thread = lua_tothread(L, lua_upvalueindex(1));
	int n = resume(L, thread, lua_gettop(L)), status;

	if (n >= 0)
		return n;
	status = lua_status(thread);
	if (status != LUA_OK && status != LUA_YIELD) {
		status = lua_resetthread(thread); /* closes its variables */
		lua_xmove(thread, L, 1);
	}
	if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

static int coroutine_wrap(lua_State *L)
{
	lua_State *thread;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	thread = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, thread, 1);
	lua_pushcclosure(L, wrapped, 1);
	return 1;
}

void luff_interrupt_libraries(lua_State *L)
{
	static const luaL_Reg base[] = {{"pcall", protected_call}, {"xpcall", handled_call}, {NULL, NULL}},
			      coroutines[] = {
				      {"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {NULL, NULL}};

	lua_pushglobaltable(L);
	luaL_setfuncs(L, base, 0);
	lua_getfield(L, -1, "coroutine");
	luaL_setfuncs(L, coroutines, 0);
	lua_pop(L, 2);
}
