/*
 * Calls that block. Outside of a task they run right here, unless Lua has something to do meanwhile; inside of one they go to a
 * worker and the task's coroutine yields the call's box to lua/luff/task.lua, which resumes it when the call is done. Workers
 * never see a lua_State.
 */
#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/scope.h"
#include "bind.h"

#define CALL "luff.Call"
#define EAR "luff.Ear"

struct luff_work_state {
	struct luff_job job; /* the first: the pool hands it back */
	struct luff_work *call;
	struct luff_scope scope;
	struct luff_error err;
	const void *state; /* whose it is; never used as one */
	int rc;
	bool submitted;
	bool spoiled; /* what it told raised: the error is the user value now */
	bool telling; /* its function runs, and may wait for other calls */
	enum { HEARS_NONE, HEARS_OWN, HEARS_ALL } hears; /* who is told what moves */
	struct luff_events moved;
	bool done; /* guarded by `lock` */
};

/* What a state hears of workers while it waits, and where it does not wait but has a loop of its own. Under `lock`. */
struct ear {
	struct ear *next;
	const void *state;
	unsigned heard; /* news that were looked at */
	int fd;         /* to be polled by whoever runs the loop; -1: nobody asked for it */
};

/* One for the process: whoever waits looks at calls of its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
static unsigned news; /* counts the pokes; under `lock` */
static struct ear *ears;
/* Keys of the registry: the set of task coroutines, in which "current" is the Task that runs; task.lua's own wait; the ear. */
static const char tasks, driver, hearing;

static const void *state_of(lua_State *L)
{
	return lua_topointer(L, LUA_REGISTRYINDEX);
}

/* Makes the descriptors readable, of one state or (NULL) of all. The lock is held. */
static void ring(const void *state)
{
	for (const struct ear *e = ears; e; e = e->next) {
		if (e->fd >= 0 && (!state || e->state == state))
			eventfd_write(e->fd, 1);
	}
}

void luff_work_poke(void)
{
	pthread_mutex_lock(&lock);
	news++;
	pthread_cond_broadcast(&finished);
	ring(NULL);
	pthread_mutex_unlock(&lock);
}

static void work(struct luff_job *job)
{
	struct luff_work_state *s = (struct luff_work_state *)job;

	luff_scope_enter(&s->scope);
	s->rc = s->call->run(s->call, &s->err);
	luff_scope_leave(&s->scope);
	pthread_mutex_lock(&lock);
	s->done = true;
	pthread_cond_broadcast(&finished);
	ring(s->state);
	pthread_mutex_unlock(&lock);
}

void *luff_work_new(lua_State *L, size_t size)
{
	/* one piece: a box that a finalizer makes during lua_close() is freed, but never finalized itself */
	size_t at = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	struct luff_work *call = luff_box(L, at + sizeof *call->state, CALL);

	call->state = (struct luff_work_state *)((char *)call + at);
	call->state->call = call;
	call->state->job.run = work;
	call->state->state = state_of(L);
	return call;
}

/* Once: what the call holds is let go as soon as it is over, not when the box is collected. */
static void release(struct luff_work *call)
{
	void (*free_fields)(struct luff_work *) = call->release;

	call->release = NULL;
	call->deliver = NULL;
	call->state->hears = HEARS_NONE;
	if (free_fields)
		free_fields(call);
}

static int call_gc(lua_State *L)
{
	struct luff_work *call = luaL_checkudata(L, 1, CALL);
	struct luff_work_state *s = call->state;

	if (!s)
		return 0;
	if (s->submitted) {
		luff_scope_cancel(&s->scope);
		luff_pool_wait(&s->job);
	}
	release(call);
	luff_events_release(&s->moved);
	call->state = NULL;
	return 0;
}

void luff_work_tell_progress(struct luff_work *call)
{
	call->state->hears = HEARS_OWN;
}

/* Pushes what the call has to tell next, below that the function that hears it; the number of arguments, 0: nothing. */
static int next_news(lua_State *L, struct luff_work *call, int at)
{
	bool all = call->state->hears == HEARS_ALL;
	int n;

	if (all && !luff_progress_push_function(L))
		return 0;
	if (!all)
		lua_getiuservalue(L, at, 1);
	n = call->deliver ? call->deliver(L, call) : luff_progress_take(L, &call->state->moved);
	if (n == 0)
		lua_pop(L, 1);
	return n;
}

/*
 * Calls the function in the box at `at` with all that happened so far. If that raises, the call ends and raises that. The function
 * may wait for other calls, and what it waits for may end this one.
 */
static void tell(lua_State *L, int at)
{
	struct luff_work *call = lua_touserdata(L, at);

	at = lua_absindex(L, at);
	while ((call->deliver || call->state->hears) && !call->state->spoiled) {
		struct luff_work_state *s = call->state;
		bool all = s->hears == HEARS_ALL;
		int n = next_news(L, call, at);

		if (n == 0)
			return;
		s->telling = true;
		if (all)
			luff_progress_set_busy(L, true);
		if (lua_pcall(L, n, 0, 0) != LUA_OK) {
			luff_scope_cancel(&s->scope);
			luff_pool_wait(&s->job); /* it may still need its user value */
			lua_setiuservalue(L, at, 1);
			s->spoiled = true;
		}
		if (all)
			luff_progress_set_busy(L, false);
		s->telling = false;
	}
}

static void drive(lua_State *L);

static bool is_done(const struct luff_work_state *s)
{
	bool done;

	pthread_mutex_lock(&lock);
	done = s->done;
	pthread_mutex_unlock(&lock);
	return done;
}

/* The call's box is on top. It has run, unless somebody else than task.lua resumed the task. */
static int finish(lua_State *L)
{
	struct luff_work *call = lua_touserdata(L, -1);
	struct luff_error err;
	int n;

	if (call->state->submitted && luff_has_askers(L))
		drive(L); /* it may have something to ask */
	if (call->state->submitted)
		luff_pool_wait(&call->state->job);
	err = call->state->err;
	tell(L, -1);
	if (!call->state->spoiled && luff_tell_warnings(L) != LUA_OK) {
		lua_setiuservalue(L, -2, 1);
		call->state->spoiled = true;
	}
	if (call->state->spoiled) {
		release(call);
		lua_getiuservalue(L, -1, 1);
		return lua_error(L);
	}
	if (call->state->rc < 0) {
		release(call);
		return luff_raise(L, &err);
	}
	n = call->finish(L, call);
	release(call);
	return n;
}

#if LUA_VERSION_NUM > 501
static int resume_call(lua_State *L, int status, lua_KContext at)
{
	(void)status;
	lua_settop(L, (int)at);
	return finish(L);
}

/* The task sleeps until the call on top has run, and goes on with what it gives. */
static int sleep_for(lua_State *L)
{
	lua_pushvalue(L, -1);
	return lua_yieldk(L, 1, lua_gettop(L) - 1, resume_call);
}
#else
/* The C function ends with that; compat.h has wrapped it so that luff_settle() comes next. */
static int sleep_for(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "luff.sleeping");
	lua_pushthread(L);
	lua_pushvalue(L, -3);
	lua_rawset(L, -3);
	lua_pop(L, 1);
	return lua_yield(L, 1);
}

int luff_settle(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "luff.sleeping");
	lua_pushthread(L);
	if (lua_rawget(L, -2) == LUA_TNIL) {
		lua_pop(L, 2);
		return lua_gettop(L);
	}
	lua_pushthread(L);
	lua_pushnil(L);
	lua_rawset(L, -4);
	return finish(L);
}
#endif

static bool in_task(lua_State *L)
{
	bool is;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks);
	lua_pushthread(L);
	lua_rawget(L, -2);
	is = lua_toboolean(L, -1) && lua_isyieldable(L);
	lua_pop(L, 2);
	return is;
}

static void until(struct timespec *t, double seconds)
{
	clock_gettime(CLOCK_REALTIME, t);
	t->tv_nsec += (long)(seconds * 1e9);
	t->tv_sec += t->tv_nsec / 1000000000;
	t->tv_nsec %= 1000000000;
}

/* What the function is asked about that this thread runs in a task: "ghcr.io", or ""; NULL: it runs none. Borrowed. */
static const char *asked_about(lua_State *L)
{
	const char *about = NULL;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks);
	lua_pushliteral(L, "current");
	if (lua_rawget(L, -2) == LUA_TTABLE) {
		lua_pushliteral(L, "about");
		lua_rawget(L, -2);
		about = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
	return about;
}

void luff_check_not_asked(lua_State *L, const char *place)
{
	const char *host = asked_about(L);
	size_t len = host ? strlen(host) : 0;
	struct luff_error err = {0};

	if (len > 0 && strncmp(place, host, len) == 0 && (!place[len] || place[len] == '/')) {
		luff_fail(&err, LUFF_EINVAL, "the credentials function of %s cannot wait for %s", host, host);
		luff_raise(L, &err);
	}
}

/* A worker runs the call on top of the stack, and tasks go on until it is done. What goes wrong with that ends the call. */
static void drive(lua_State *L)
{
	struct luff_work_state *s = ((struct luff_work *)lua_touserdata(L, -1))->state;

	if (is_done(s))
		return;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &driver);
	lua_pushvalue(L, -2);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return;
	luff_scope_cancel(&s->scope);
	luff_pool_wait(&s->job);
	lua_setiuservalue(L, -2, 1);
	s->spoiled = true;
}

/* Loads task.lua, which sets the driver. */
static void need_driver(lua_State *L)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &driver) == LUA_TNIL) {
		lua_getglobal(L, "require");
		lua_pushliteral(L, "luff.task");
		lua_call(L, 1, 0);
	}
	lua_pop(L, 1);
}

int luff_work_go(lua_State *L)
{
	struct luff_work *call = luaL_checkudata(L, -1, CALL);
	struct luff_work_state *s = call->state;
	bool task = in_task(L), shared;

	if (!call->deliver && !s->hears && luff_progress_push_function(L)) {
		lua_pop(L, 1);
		s->hears = HEARS_ALL;
	}
	if (s->hears)
		luff_progress_hear(&s->moved, &s->scope);
	shared = call->deliver || s->hears || luff_has_askers(L);
	if (!task && shared)
		need_driver(L);
	/* who waits for an answer keeps a worker, all of them perhaps, and the answer needs this call */
	if (task || shared)
		s->submitted = (asked_about(L) ? luff_pool_insist : luff_pool_submit)(&s->job, &s->err) == 0;
	if (!s->submitted)
		s->rc = call->run(call, &s->err);
	else if (task)
		return sleep_for(L);
	else
		drive(L);
	return finish(L);
}

static struct ear *ear_of(lua_State *L)
{
	struct ear *e;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &hearing);
	e = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return e;
}

/* The index of one in the list at 1 that is done; 0: none. The lock is held. */
static lua_Integer find_done(lua_State *L)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, 1), found = 0;

	for (lua_Integer i = 1; i <= n && !found; i++) {
		const struct luff_work *call;

		lua_rawgeti(L, 1, i);
		call = lua_touserdata(L, -1);
		found = call && call->state && call->state->done ? i : 0;
		lua_pop(L, 1);
	}
	return found;
}

/* The same, but it waits for one until t, or for news. */
static lua_Integer wait_for_one(lua_State *L, const struct timespec *t)
{
	struct ear *e = ear_of(L);
	lua_Integer found;

	pthread_mutex_lock(&lock);
	found = find_done(L);
	while (!found && news == e->heard && pthread_cond_timedwait(&finished, &lock, t) == 0)
		found = find_done(L);
	e->heard = news;
	pthread_mutex_unlock(&lock);
	return found;
}

/*
 * core.wait(calls, seconds, patient): one that is done, or nil; raises where this thread is cancelled, unless it is patient.
 * Delivers what they have to tell. The functions that hear it may wait, too: by then calls have left the list, the one that is
 * returned perhaps among them, and others have come.
 */
static int wait_calls(lua_State *L)
{
	double seconds = luaL_checknumber(L, 2);
	struct luff_error err = {0};
	struct timespec t;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 3);
	until(&t, seconds < 0.1 ? seconds : 0.1);
	lua_rawgeti(L, 1, wait_for_one(L, &t));
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 1); i++) {
		const struct luff_work *call;

		lua_rawgeti(L, 1, i);
		call = luaL_testudata(L, -1, CALL);
		if (call && call->state && !call->state->telling)
			tell(L, -1);
		lua_pop(L, 1);
	}
	return !lua_toboolean(L, 3) && luff_scope_check(&err) < 0 ? luff_raise(L, &err) : 1;
}

static int cancel_call(lua_State *L)
{
	struct luff_work *call = luaL_checkudata(L, 1, CALL);

	if (call->state)
		luff_scope_cancel(&call->state->scope);
	return 0;
}

/* When the task that runs has to be over, by luff_clock_ms(); 0: at no time. */
static int64_t deadline(lua_State *L)
{
	int64_t ms = 0;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks);
	lua_pushliteral(L, "current");
	if (lua_rawget(L, -2) == LUA_TTABLE) {
		lua_pushliteral(L, "deadline");
		lua_rawget(L, -2);
		ms = (int64_t)(lua_tonumber(L, -1) * 1000);
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
	return ms;
}

int luff_task_check(lua_State *L, struct luff_error *err)
{
	int64_t until = deadline(L);

	return until && luff_clock_ms() > until ? luff_fail(err, LUFF_ETIMEOUT, "the time is over") : 0;
}

/* Lua that calls nothing is cancelled, too. Once its time is over, each instruction of it raises, whatever pcall does. */
static void check_scope(lua_State *L, lua_Debug *debug)
{
	struct luff_error err = {0};

	(void)debug;
	if (luff_task_check(L, &err) < 0) {
		lua_sethook(L, check_scope, LUA_MASKCOUNT, 1);
		luff_raise(L, &err);
	}
	if (luff_scope_check(&err) < 0)
		luff_raise(L, &err);
}

struct sleep_call {
	struct luff_work base;
	int64_t ms;
};

static int sleep_run(struct luff_work *base, struct luff_error *err)
{
	return luff_scope_sleep(((struct sleep_call *)base)->ms, err);
}

static int sleep_finish(lua_State *L, struct luff_work *base)
{
	(void)L, (void)base;
	return 0;
}

/* core.sleep(seconds) */
static int sleep_seconds(lua_State *L)
{
	double seconds = luaL_checknumber(L, 1);
	struct sleep_call *c;

	luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, 1, "no time to sleep");
	c = luff_work_new(L, sizeof *c);
	c->base.run = sleep_run;
	c->base.finish = sleep_finish;
	c->ms = (int64_t)(seconds * 1000);
	return luff_work_go(L);
}

/* core.mark(coroutine, is_task) */
static int mark(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTHREAD);
	if (!luff_limits_watch(L, lua_tothread(L, 1)) &&
	    LUA_VERSION_NUM > 501) /* there it would be everybody's */
		lua_sethook(lua_tothread(L, 1), check_scope, LUA_MASKCOUNT, 100000);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks);
	lua_pushvalue(L, 1);
	lua_pushboolean(L, lua_toboolean(L, 2));
	lua_rawset(L, -3);
	return 0;
}

/* core.hurry(coroutine): its deadline is looked at with each instruction */
static int hurry(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTHREAD);
	if (!luff_limits_watch(L, lua_tothread(L, 1)) && LUA_VERSION_NUM > 501)
		lua_sethook(lua_tothread(L, 1), check_scope, LUA_MASKCOUNT, 1);
	return 0;
}

/* core.driver(f): f(call) returns when the call is done */
static int set_driver(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &driver);
	return 0;
}

static int call_done(lua_State *L)
{
	const struct luff_work *call = luaL_checkudata(L, 1, CALL);

	lua_pushboolean(L, !call->state || is_done(call->state));
	return 1;
}

static int ear_gc(lua_State *L)
{
	struct ear *own = luaL_checkudata(L, 1, EAR), **at = &ears;

	pthread_mutex_lock(&lock);
	while (*at && *at != own)
		at = &(*at)->next;
	if (*at) {
		*at = own->next;
		if (own->fd >= 0)
			close(own->fd);
		own->fd = -1;
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

/* [-0, +0] */
static void make_ear(lua_State *L)
{
	struct ear *e = luff_box(L, sizeof *e, EAR);

	e->state = state_of(L);
	e->fd = -1;
	pthread_mutex_lock(&lock);
	e->next = ears;
	ears = e;
	pthread_mutex_unlock(&lock);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &hearing);
}

/* core.fd(): what becomes readable when a task can go on; so it is at first. */
static int get_fd(lua_State *L)
{
	struct ear *e = ear_of(L);
	struct luff_error err = {0};

	pthread_mutex_lock(&lock);
	if (e->fd < 0)
		e->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->fd < 0)
		luff_fail_errno(&err, errno, "no descriptor to poll");
	pthread_mutex_unlock(&lock);
	if (err.code)
		return luff_raise(L, &err);
	lua_pushinteger(L, e->fd);
	return 1;
}

/* core.poll(calls): one that is done, or nil, without waiting. The descriptor is silent until something else happens. */
static int poll_calls(lua_State *L)
{
	const struct ear *e = ear_of(L);
	eventfd_t ignored;

	luaL_checktype(L, 1, LUA_TTABLE);
	if (e->fd >= 0)
		eventfd_read(e->fd, &ignored);
	lua_settop(L, 1);
	lua_pushinteger(L, 0);
	return wait_calls(L);
}

static int is_task(lua_State *L)
{
	lua_pushboolean(L, in_task(L));
	return 1;
}

void luff_job_open(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", call_gc}, {NULL, NULL}},
			      ear[] = {{"__gc", ear_gc}, {NULL, NULL}};
	static const luaL_Reg functions[] = {
		{"wait", wait_calls},     {"cancel", cancel_call}, {"mark", mark}, {"in_task", is_task},
		{"driver", set_driver},   {"done", call_done},     {"fd", get_fd}, {"poll", poll_calls},
		{"sleep", sleep_seconds}, {"hurry", hurry},        {NULL, NULL}};

	luff_box_type(L, CALL, meta, NULL);
	luff_box_type(L, EAR, ear, NULL);
	make_ear(L);
	lua_newtable(L); /* the call that each task waits for */
	lua_setfield(L, LUA_REGISTRYINDEX, "luff.sleeping");
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &tasks);
	lua_setfield(L, -2, "tasks");
	luaL_setfuncs(L, functions, 0);
}
