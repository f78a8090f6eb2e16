/*
 * authorize, on_push and on_pull of luff.serve: Lua functions that threads of a server ask. Those threads never see a lua_State:
 * they leave their question in a list and wait, and the Lua thread answers it the next time that it is in a call of
 * luff that may block (luff_hooks_answer() in job.c), server:wait() above all. A question that nobody has answered within HOOK_SECONDS
 * is taken back, and the client hears 503.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "bind.h"

#define HOOK_SECONDS 30

/* In the frame of the thread that asks. */
struct question {
	struct question *next;
	const struct luff_hooks *hooks;
	const struct luff_server_ask *ask;
	char *refusal;
	size_t refusal_size;
	enum { WAITING, TAKEN, ANSWERED } state;
	int rc;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static atomic_int open_count;      /* servers that may ask */
static struct question *questions; /* of all states; oldest last */

static const struct hook {
	const char *name;
	unsigned kind;
} hooks_known[] = {{"authorize", LUFF_ASK_AUTHORIZE}, {"on_push", LUFF_ASK_PUSH}, {"on_pull", LUFF_ASK_PULL}};

static const void *state_of(lua_State *L)
{
	const void *main_thread;

	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	main_thread = lua_topointer(L, -1);
	lua_pop(L, 1);
	return main_thread;
}

/* The lock is held. */
static void take_out(const struct question *q)
{
	struct question **link = &questions;

	while (*link && *link != q)
		link = &(*link)->next;
	if (*link)
		*link = q->next;
}

/* On a thread of the server. Once its question is taken, whoever has taken it answers before it goes. */
static int decide(void *arg, const struct luff_server_ask *ask, char *refusal, size_t refusal_size,
		  struct luff_error *err)
{
	struct question q = {.hooks = arg,
			     .ask = ask,
			     .refusal = refusal,
			     .refusal_size = refusal_size,
			     .rc = LUFF_ETIMEOUT};
	int64_t until = luff_clock_ms() + HOOK_SECONDS * 1000;

	pthread_mutex_lock(&lock);
	q.next = questions;
	questions = &q;
	pthread_mutex_unlock(&lock);
	luff_work_poke();
	pthread_mutex_lock(&lock);
	while (q.state != ANSWERED) {
		struct timespec tick;

		if (q.state == WAITING && (luff_clock_ms() >= until || luff_scope_check(err) < 0))
			break;
		clock_gettime(CLOCK_REALTIME, &tick);
		tick.tv_nsec += 100000000;
		tick.tv_sec += tick.tv_nsec / 1000000000;
		tick.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&answered, &lock, &tick);
	}
	take_out(&q);
	pthread_mutex_unlock(&lock);
	return q.rc == LUFF_ETIMEOUT ? luff_fail(err, LUFF_ETIMEOUT, "nobody decided") : q.rc;
}

static void set_text(lua_State *L, const char *name, const char *value)
{
	if (!value)
		return;
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

static void push_ask(lua_State *L, const struct luff_server_ask *ask)
{
	lua_createtable(L, 0, 9);
	set_text(L, "action", ask->action);
	set_text(L, "method", ask->method);
	set_text(L, "repository", ask->repository);
	set_text(L, "tag", ask->tag);
	set_text(L, "digest", ask->digest);
	set_text(L, "user", ask->user);
	set_text(L, "password", ask->password);
	set_text(L, "client", ask->client);
	if (ask->manifest) {
		lua_pushlstring(L, ask->manifest, ask->manifest_len);
		lua_setfield(L, -2, "manifest");
	}
}

/* The functions and the question, which is answered even where this raises. Returns nothing. */
static int call_hook(lua_State *L)
{
	struct question *q = lua_touserdata(L, 1);
	const char *message;

	lua_settop(L, 1);
	lua_rawgetp(L, LUA_REGISTRYINDEX, q->hooks);
	for (size_t i = 0; i < sizeof hooks_known / sizeof *hooks_known; i++) {
		if (hooks_known[i].kind == q->ask->kind)
			lua_getfield(L, 2, hooks_known[i].name);
	}
	push_ask(L, q->ask);
	lua_call(L, 1, 2);
	message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
	luff_text_copy(q->refusal, q->refusal_size, message);
	q->rc = lua_toboolean(L, -2) ? 0 : LUFF_EDENIED;
	return 0;
}

static struct question *take(const void *state)
{
	struct question *oldest = NULL;

	pthread_mutex_lock(&lock);
	for (struct question *q = questions; q; q = q->next)
		oldest = q->state == WAITING && q->hooks->state == state ? q : oldest;
	if (oldest)
		oldest->state = TAKEN;
	pthread_mutex_unlock(&lock);
	return oldest;
}

/* Says what is on top of the stack. [-1, +0] */
static void warn(lua_State *L)
{
	lua_warning(L, "a function of luff.serve failed, and its request with it: ", 1);
	lua_warning(L, luaL_tolstring(L, -1, NULL), 0);
	lua_pop(L, 2);
}

void luff_hooks_answer(lua_State *L)
{
	const void *state = state_of(L);
	struct question *q;

	if (!lua_checkstack(L, 8))
		return;
	while ((q = take(state))) {
		bool failed;

		q->rc = LUFF_EIO;
		lua_pushcfunction(L, call_hook);
		lua_pushlightuserdata(L, q);
		failed = lua_pcall(L, 1, 0, 0) != LUA_OK;
		pthread_mutex_lock(&lock);
		q->state = ANSWERED;
		pthread_cond_broadcast(&answered);
		pthread_mutex_unlock(&lock);
		if (failed)
			warn(L);
	}
}

bool luff_hooks_open(void)
{
	return atomic_load(&open_count) > 0;
}

/* The box's functions are in the registry as long as the server may ask. */
void luff_hooks_close(lua_State *L, struct luff_hooks *hooks)
{
	lua_pushnil(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, hooks);
	if (hooks->decides)
		atomic_fetch_sub(&open_count, 1);
	hooks->decides = 0;
}

void luff_option_hooks(struct luff_server_options *out, struct luff_hooks *hooks, lua_State *L, int i)
{
	struct luff_error err = {0};
	unsigned decides = 0;

	hooks->state = state_of(L);
	lua_newtable(L);
	for (size_t k = 0; lua_istable(L, i) && k < sizeof hooks_known / sizeof *hooks_known; k++) {
		int type = lua_getfield(L, i, hooks_known[k].name);

		if (type == LUA_TFUNCTION)
			decides |= hooks_known[k].kind;
		else if (type != LUA_TNIL) {
			luff_fail(&err, LUFF_EINVAL, "option \"%s\" must be a function", hooks_known[k].name);
			luff_raise(L, &err);
		}
		lua_setfield(L, -2, hooks_known[k].name);
	}
	lua_rawsetp(L, LUA_REGISTRYINDEX, hooks);
	hooks->decides = decides;
	if (decides) {
		atomic_fetch_add(&open_count, 1);
		out->decide = decide;
		out->decide_arg = hooks;
		out->decides = decides;
	}
}
