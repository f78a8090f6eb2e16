/*
 * core.limited(): a function that somebody else wrote, within limits of memory, instructions and time. Once one is used up, every
 * instruction of Lua raises, in whatever coroutine, so that no pcall goes on. A thread watches the time: it cancels what waits, and
 * ends the process where a C function (a pattern that backtracks) does not come back. One run for a process.
 */
#include <fcntl.h>
#include <lualib.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fence.h"
#include "base/scope.h"
#include "bind.h"

#define STEP 1000                /* instructions between two looks at the limits; a coroutine costs as much */
#define GRACE_SECONDS 3          /* for what is cancelled to end by itself */
#define TIMEOUT_EXIT 5           /* the program's exit code for it */
#define OTHER_MEMORY (1LL << 30) /* of address space that is not Lua's: buffers, threads */
#define AROUND_LUA                                                                                           \
	(128LL << 20) /* bytes of the process beside Lua's: buffers, and what objects of luff hold */

static struct {
	bool used;
	lua_Alloc allocate;
	void *allocate_arg;
	int64_t memory, memory_max; /* bytes; max 0: no limit */
	int64_t resident_max;       /* bytes of the process; 0: no limit */
	bool full;                  /* they were more */
	int statm;
	int64_t steps, steps_max;
	int64_t seconds;
	int64_t until; /* of luff_clock_ms() */
	struct luff_scope *scope;
	int expired; /* atomic: the time is over */
	int running; /* atomic, too */
} limits;

static void check(lua_State *L, lua_Debug *debug);

static bool is_running(void)
{
	return __atomic_load_n(&limits.running, __ATOMIC_RELAXED);
}

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
	int64_t before = old ? (int64_t)old_size : 0, after = limits.memory + (int64_t)size - before;
	void *p;

	(void)arg;
	if ((int64_t)size > before && limits.memory_max && after > limits.memory_max)
		return NULL;
	p = limits.allocate(limits.allocate_arg, old, old_size, size);
	if (p || size == 0)
		limits.memory = after;
	return p;
}

/* Why it is over; false: it is not. */
static bool spent(struct luff_error *err)
{
	if (__atomic_load_n(&limits.expired, __ATOMIC_RELAXED))
		luff_fail(err, LUFF_ETIMEOUT, "the script ran for longer than %lld s",
			  (long long)limits.seconds);
	else if (limits.steps_max && limits.steps > limits.steps_max)
		luff_fail(err, LUFF_ELIMIT, "the script took more than %lld instructions",
			  (long long)limits.steps_max);
	else if (limits.full)
		luff_fail(err, LUFF_ELIMIT, "not enough memory");
	else
		return false;
	return true;
}

/* Bytes of the process that are in memory; 0: nobody says. */
static int64_t resident(void)
{
	long long pages = 0;
	char text[128];
	ssize_t n = limits.statm < 0 ? -1 : pread(limits.statm, text, sizeof text - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%*s %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

/* Documents and readers are small to Lua, and large behind it. */
void luff_limits_look(lua_State *L)
{
	struct luff_error err = {0};

	if (!is_running() || !limits.resident_max || resident() <= limits.resident_max)
		return;
	lua_gc(L, LUA_GCCOLLECT, 0);
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	limits.full = resident() > limits.resident_max;
	if (limits.full) {
		lua_sethook(L, check, LUA_MASKCOUNT, 1);
		spent(&err);
		luff_raise(L, &err);
	}
}

static void check(lua_State *L, lua_Debug *debug)
{
	struct luff_error err = {0};

	(void)debug;
	limits.steps += lua_gethookcount(L);
	if (spent(&err) || luff_task_check(L, &err) < 0) {
		lua_sethook(L, check, LUA_MASKCOUNT, 1);
		luff_raise(L, &err);
	}
	if (luff_scope_check(&err) < 0)
		luff_raise(L, &err);
}

/* What no hook sees has a price: many short coroutines would never come to STEP. */
static void charge(lua_State *L)
{
	struct luff_error err = {0};

	limits.steps += STEP;
	if (spent(&err)) {
		lua_sethook(L, check, LUA_MASKCOUNT, 1);
		luff_raise(L, &err);
	}
}

bool luff_limits_watch(lua_State *L, lua_State *thread)
{
	if (!is_running())
		return false;
	charge(L);
	lua_sethook(thread, check, LUA_MASKCOUNT, STEP);
	return true;
}

static void *watch(void *arg)
{
	(void)arg;
	while (luff_clock_ms() < limits.until)
		usleep(20000);
	if (!is_running())
		return NULL;
	__atomic_store_n(&limits.expired, 1, __ATOMIC_RELAXED);
	luff_scope_cancel(limits.scope);
	sleep(GRACE_SECONDS);
	if (!is_running())
		return NULL;
	dprintf(STDERR_FILENO, "luff: the script ran for longer than %lld s\n", (long long)limits.seconds);
	_exit(TIMEOUT_EXIT);
	return NULL;
}

static void limit_memory(lua_State *L, int64_t bytes)
{
	struct rlimit all;

	limits.allocate = lua_getallocf(L, &limits.allocate_arg);
	limits.memory = (int64_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + lua_gc(L, LUA_GCCOUNTB, 0);
	limits.memory_max = bytes;
	limits.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	limits.resident_max = resident() + bytes + AROUND_LUA;
	lua_setallocf(L, allocate, NULL);
	/* the rest of the process, roughly: what a registry sends is kept outside of Lua's memory */
	if (getrlimit(RLIMIT_DATA, &all) == 0 && all.rlim_cur > (rlim_t)(bytes + OTHER_MEMORY)) {
		all.rlim_cur = (rlim_t)(bytes + OTHER_MEMORY);
		setrlimit(RLIMIT_DATA, &all);
	}
}

static int64_t option(lua_State *L, const char *name)
{
	lua_Integer n = 0;

	if (lua_getfield(L, 1, name) != LUA_TNIL)
		n = luaL_checkinteger(L, -1);
	lua_pop(L, 1);
	return n;
}

/* Leaves the error as it is: it is the script's. */
static int keep_traceback(lua_State *L)
{
	lua_settop(L, 1);
	luaL_traceback(L, L, NULL, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "luff.traceback");
	return 1;
}

/*
 * core.limited({ memory =, instructions =, seconds = }, f, …): true, or false, the error and a traceback. Memory is in bytes; what is
 * absent has no limit.
 */
static int limited(lua_State *L)
{
	struct luff_error err = {0};
	pthread_t thread;
	bool over;
	int rc;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	if (limits.used)
		return luaL_error(L, "limits are set once");
	limits.used = true;
	__atomic_store_n(&limits.running, 1, __ATOMIC_RELAXED);
	limits.steps_max = option(L, "instructions");
	limits.seconds = option(L, "seconds");
	limits.scope = luff_scope_current();
	if (option(L, "memory"))
		limit_memory(L, option(L, "memory"));
	if (limits.seconds) {
		limits.until = luff_clock_ms() + limits.seconds * 1000;
		if (pthread_create(&thread, NULL, watch, NULL) != 0)
			return luaL_error(L, "no thread to watch the time");
		pthread_detach(thread);
	}
	lua_sethook(L, check, LUA_MASKCOUNT, STEP);
	lua_remove(L, 1);
	lua_pushcfunction(L, keep_traceback);
	lua_insert(L, 1);
	rc = lua_pcall(L, lua_gettop(L) - 2, 0, 1);
	lua_sethook(L, NULL, 0, 0);
	__atomic_store_n(&limits.running, 0, __ATOMIC_RELAXED);
	limits.memory_max = limits.resident_max = 0;
	over = spent(&err);
	lua_pushboolean(L, rc == LUA_OK && !over);
	if (rc == LUA_OK && !over)
		return 1;
	if (over) { /* whatever else was raised in the end */
		lua_createtable(L, 0, 2);
		lua_pushstring(L, luff_error_name(err.code));
		lua_setfield(L, -2, "code");
		lua_pushstring(L, err.msg);
		lua_setfield(L, -2, "message");
	} else {
		lua_pushvalue(L, -2);
	}
	lua_getfield(L, LUA_REGISTRYINDEX, "luff.traceback");
	return 3;
}

/* ---- What stands in for Lua's own functions in a sandbox ---- */

/* Finalizers run where no hook does. */
static int set_metatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
	lua_settop(L, 2);
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	if (lua_istable(L, 2)) {
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "there is no __gc in the sandbox");
		lua_pop(L, 1);
	}
	lua_setmetatable(L, 1);
	return 1;
}

/* coroutine.create and coroutine.wrap, the upvalue, at their price */
static int new_coroutine(lua_State *L)
{
	if (is_running())
		charge(L);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* core.priced(f) */
static int priced(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_pushcclosure(L, new_coroutine, 1);
	return 1;
}

/* core.seal_strings(): getmetatable("") gives nothing away */
static int seal_strings(lua_State *L)
{
	lua_pushliteral(L, "");
	if (lua_getmetatable(L, -1)) {
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	return 0;
}

/* A NULL-ended list of the strings in the table at i; borrowed from them. [-0, +1], the list's own memory */
static const char **check_list(lua_State *L, int i)
{
	lua_Integer n;
	const char **list;

	luaL_checktype(L, i, LUA_TTABLE);
	n = (lua_Integer)lua_rawlen(L, i);
	luaL_argcheck(L, n <= LUFF_FENCE_MAX, i, "too many places");
	list = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *list, 0);
	for (lua_Integer k = 0; k < n; k++) {
		lua_rawgeti(L, i, k + 1);
		list[k] = luff_check_name(L, lua_gettop(L));
		lua_pop(L, 1);
	}
	list[n] = NULL;
	return list;
}

/* core.fence(read, write): lists of places */
static int raise_fence(lua_State *L)
{
	const char *const *read = check_list(L, 1), *const *write = check_list(L, 2);
	struct luff_error err = {0};

	return luff_fence_raise(read, write, &err) < 0 ? luff_raise(L, &err) : 0;
}

void luff_limits_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"limited", limited},   {"set_metatable", set_metatable},
					     {"priced", priced},     {"seal_strings", seal_strings},
					     {"fence", raise_fence}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
