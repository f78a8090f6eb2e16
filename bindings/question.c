/*
 * Questions to Lua. Threads of the core never see a lua_State: where a script's function has the word (who may log in, what a
 * medium holds), they leave a question in a list and wait. The Lua thread takes it when it waits for something itself, and
 * lua/luff/task.lua runs the function as a task, so that it may call what blocks. Whoever asks leaves when it is cancelled or
 * the state closes, whatever the function does: the question belongs to both, and what it points to in the frame of who
 * asks is only looked at while that one is held (`put`).
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "bind.h"

#define ASKER "luff.Asker"
#define QUESTION "luff.Question"

/* A value of a script that is asked; in a box of the script's state, until it is closed or that is. */
struct asker {
	struct asker *next;
	int64_t number;    /* 0: closed */
	const void *state; /* which one; never used as one */
	pthread_t thread;  /* that last ran Lua */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static struct asker *askers;
static struct luff_question *questions; /* that nobody has taken; oldest first */
static int64_t last_number;
static const char boxes; /* registry key: askers by their number */

static const void *state_of(lua_State *L)
{
	return lua_topointer(L, LUA_REGISTRYINDEX);
}

/* The lock is held. */
static struct asker *find_asker(int64_t number)
{
	struct asker *a = askers;

	while (a && a->number != number)
		a = a->next;
	return a;
}

/* ---- Asking ---- */

void *luff_question_new(size_t size, const struct luff_question_kind *kind, int64_t asker)
{
	struct luff_question *q = calloc(1, size);

	if (!q)
		return NULL;
	q->kind = kind;
	q->asker = asker;
	q->refs = 1;
	return q;
}

void luff_question_unref(struct luff_question *q)
{
	bool last;

	if (!q)
		return;
	pthread_mutex_lock(&lock);
	last = --q->refs == 0;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	if (q->kind->release)
		q->kind->release(q);
	free(q);
}

/* The lock is held. The list has a reference of its own, which becomes that of who takes the question. */
static void enqueue(struct luff_question *q)
{
	struct luff_question **at = &questions;

	while (*at)
		at = &(*at)->next;
	q->refs++;
	*at = q;
}

/* The lock is held. False: it was taken. */
static bool dequeue(struct luff_question *q)
{
	struct luff_question **at = &questions;

	while (*at && *at != q)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = q->next;
	q->refs--;
	return true;
}

/* The lock is held. */
static int check_wait(const struct luff_question *q, int64_t until, struct luff_error *err)
{
	const struct asker *a = find_asker(q->asker);

	if (!a)
		return luff_fail(err, LUFF_EIO, "the script that is asked has ended");
	if (pthread_equal(a->thread, pthread_self()))
		return luff_fail(err, LUFF_EINVAL, "a function of the script cannot be asked here");
	if (until && luff_clock_ms() >= until)
		return luff_fail(err, LUFF_ETIMEOUT, "the script did not answer");
	return luff_scope_check(err);
}

int luff_ask(struct luff_question *q, int seconds, struct luff_error *err)
{
	int64_t until = seconds ? luff_clock_ms() + seconds * 1000LL : 0;
	int rc = 0;

	q->scope = luff_scope_current();
	pthread_mutex_lock(&lock);
	enqueue(q);
	pthread_mutex_unlock(&lock);
	luff_work_poke();
	pthread_mutex_lock(&lock);
	while (q->state != LUFF_QUESTION_ANSWERED) {
		struct timespec tick;

		if (q->state == LUFF_QUESTION_OPEN)
			rc = check_wait(q, until, err);
		if (rc < 0)
			break;
		clock_gettime(CLOCK_REALTIME, &tick);
		tick.tv_nsec += 100000000;
		tick.tv_sec += tick.tv_nsec / 1000000000;
		tick.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&answered, &lock, &tick);
	}
	q->left = rc < 0;
	if (q->left)
		dequeue(q);
	pthread_mutex_unlock(&lock);
	if (rc < 0)
		luff_work_poke();
	else if (q->err.code)
		*err = q->err;
	return rc < 0 ? rc : q->err.code;
}

void luff_tell(struct luff_question *q)
{
	bool there;

	pthread_mutex_lock(&lock);
	there = find_asker(q->asker);
	if (there) {
		enqueue(q);
		q->refs--; /* the caller's: from here on nobody but the list has it */
	}
	pthread_mutex_unlock(&lock);
	if (!there)
		luff_question_unref(q);
	luff_work_poke();
}

/* ---- Answering ---- */

/* Also core.drop(question): whoever still waits hears that there is no answer. */
static int question_gc(lua_State *L)
{
	struct luff_question **box = luaL_checkudata(L, 1, QUESTION), *q = *box;

	*box = NULL;
	if (!q)
		return 0;
	pthread_mutex_lock(&lock);
	if (q->state != LUFF_QUESTION_ANSWERED) {
		luff_fail(&q->err, LUFF_EIO, "the script did not answer");
		q->state = LUFF_QUESTION_ANSWERED;
		pthread_cond_broadcast(&answered);
	}
	pthread_mutex_unlock(&lock);
	luff_question_unref(q);
	return 0;
}

static struct luff_question *check_question(lua_State *L)
{
	struct luff_question *q = *(struct luff_question **)luaL_checkudata(L, 1, QUESTION);

	if (!q)
		luaL_error(L, "the question has been collected");
	return q;
}

/* Whoever asks is about to leave. The lock is held. */
static bool is_cancelled(const struct luff_question *q)
{
	struct luff_scope *own = luff_scope_swap(q->scope);
	struct luff_error ignored = {0};
	bool is = luff_scope_check(&ignored) < 0;

	luff_scope_swap(own);
	return is;
}

/* core.question(): the oldest one to this state that nobody has taken, and whose it is ("ghcr.io"); nil: none */
static int take_question(lua_State *L)
{
	struct luff_question **box, *q;

	lua_settop(L, 0);
	pthread_mutex_lock(&lock);
	q = questions;
	pthread_mutex_unlock(&lock);
	if (!q)
		return 0;
	box = luff_box(L, sizeof *box, QUESTION);
	pthread_mutex_lock(&lock);
	for (q = questions; q; q = q->next) {
		const struct asker *a = find_asker(q->asker);

		if (a && a->state == state_of(L) && !is_cancelled(q))
			break;
	}
	if (q && dequeue(q)) {
		q->refs++;
		*box = q;
	}
	pthread_mutex_unlock(&lock);
	if (!q)
		return 0;
	lua_pushstring(L, q->about);
	return 2;
}

/* core.left(question): nobody waits for the answer any more */
static int has_left(lua_State *L)
{
	const struct luff_question *q = check_question(L);

	pthread_mutex_lock(&lock);
	lua_pushboolean(L, q->left);
	pthread_mutex_unlock(&lock);
	return 1;
}

/* False: whoever asked has left. */
static bool hold(struct luff_question *q)
{
	bool there;

	pthread_mutex_lock(&lock);
	there = !q->left;
	if (there)
		q->state = LUFF_QUESTION_HELD;
	pthread_mutex_unlock(&lock);
	return there;
}

static void let_go(struct luff_question *q, bool done)
{
	pthread_mutex_lock(&lock);
	q->state = done ? LUFF_QUESTION_ANSWERED : LUFF_QUESTION_OPEN;
	if (done)
		pthread_cond_broadcast(&answered);
	pthread_mutex_unlock(&lock);
}

/* core.put(question): what luff_asker_new() was given, the function, its arguments; nothing: whoever asked has left */
static int put_question(lua_State *L)
{
	struct luff_question *q = check_question(L);

	luaL_checkstack(L, 20, NULL);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &boxes);
	if (lua_rawgeti(L, -1, (lua_Integer)q->asker) == LUA_TNIL)
		return luaL_error(L, "it is closed");
	lua_getiuservalue(L, -1, 1);
	lua_replace(L, 2);
	lua_settop(L, 2);
	if (!hold(q))
		return 0;
	q->kind->put(L, q);
	let_go(q, false);
	return lua_gettop(L) - 1;
}

/* core.take(question, what luff_asker_new() was given, results…) */
static int take_results(lua_State *L)
{
	struct luff_question *q = check_question(L);

	if (q->kind->take)
		q->kind->take(L, q, &q->err);
	return 0;
}

static int to_text(lua_State *L)
{
	if (lua_istable(L, 1)) {
		lua_pushliteral(L, "message");
		if (lua_rawget(L, 1) == LUA_TSTRING)
			return 1;
	}
	luaL_tolstring(L, 1, NULL);
	return 1;
}

/* What is on top; luff's errors keep their code. [-0, +0] */
static void note_failure(struct luff_question *q, lua_State *L)
{
	char words[400];
	int code = LUFF_EIO;
	const char *name;

	if (lua_istable(L, -1)) {
		lua_pushliteral(L, "code");
		name = lua_rawget(L, -2) == LUA_TSTRING ? lua_tostring(L, -1) : "";
		for (int c = LUFF_ENOMEM; c >= LUFF_ECANCELED; c--)
			code = strcmp(name, luff_error_name(c)) == 0 ? c : code;
		lua_pop(L, 1);
	}
	lua_pushcfunction(L, to_text);
	lua_pushvalue(L, -2);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK || lua_type(L, -1) != LUA_TSTRING) {
		lua_pop(L, 1);
		lua_pushliteral(L, "an error without a text");
	}
	luff_fail(&q->err, code, "%s", luff_text_printable(words, sizeof words, lua_tostring(L, -1)));
	lua_pop(L, 1);
	q->raised = true;
}

/* core.answered(question, ok, error): the function has ended */
static int answered_question(lua_State *L)
{
	struct luff_question *q = check_question(L);

	lua_settop(L, 3);
	if (!lua_toboolean(L, 2)) {
		note_failure(q, L);
		if (q->kind->complaint) {
			lua_warning(L, q->kind->complaint, 1);
			lua_warning(L, ": ", 1);
			lua_warning(L, q->err.msg, 0);
		}
	}
	let_go(q, true);
	return 0;
}

/* ---- Who is asked ---- */

/* Nobody waits for it any more, and what was only told to it goes. */
static void close_asker(struct asker *a)
{
	struct luff_question *told = NULL, *q, *next;
	struct asker **at = &askers;

	pthread_mutex_lock(&lock);
	while (*at && *at != a)
		at = &(*at)->next;
	if (*at)
		*at = a->next;
	for (q = questions; q; q = next) {
		next = q->next;
		if (q->asker == a->number && q->refs == 1) {
			dequeue(q);
			q->refs = 1;
			q->next = told;
			told = q;
		}
	}
	a->number = 0;
	pthread_cond_broadcast(&answered);
	pthread_mutex_unlock(&lock);
	for (; told; told = next) {
		next = told->next;
		luff_question_unref(told);
	}
}

static int asker_gc(lua_State *L)
{
	close_asker(luaL_checkudata(L, 1, ASKER));
	return 0;
}

int64_t luff_asker_new(lua_State *L)
{
	struct asker *a;

	/* who answers */
	lua_getglobal(L, "require");
	lua_pushliteral(L, "luff.task");
	lua_call(L, 1, 0);
	a = luff_box(L, sizeof *a, ASKER);
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, 1);
	pthread_mutex_lock(&lock);
	a->number = ++last_number;
	a->state = state_of(L);
	a->thread = pthread_self();
	a->next = askers;
	askers = a;
	pthread_mutex_unlock(&lock);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &boxes);
	lua_insert(L, -2);
	lua_rawseti(L, -2, (lua_Integer)a->number);
	lua_pop(L, 1);
	return a->number;
}

void *luff_asker_arg(int64_t asker)
{
	intptr_t number = (intptr_t)asker;
	void *arg;

	memcpy(&arg, &number, sizeof arg);
	return arg;
}

void luff_asker_close(lua_State *L, int64_t asker)
{
	struct asker *a;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &boxes);
	lua_rawgeti(L, -1, (lua_Integer)asker);
	a = luaL_testudata(L, -1, ASKER);
	if (a)
		close_asker(a);
	lua_pushnil(L);
	lua_rawseti(L, -3, (lua_Integer)asker);
	lua_pop(L, 2);
}

bool luff_has_askers(lua_State *L)
{
	bool any = false;

	pthread_mutex_lock(&lock);
	for (struct asker *a = askers; a; a = a->next) {
		if (a->state == state_of(L)) {
			a->thread = pthread_self();
			any = true;
		}
	}
	pthread_mutex_unlock(&lock);
	return any;
}

void luff_question_functions(lua_State *L)
{
	static const luaL_Reg asker[] = {{"__gc", asker_gc}, {NULL, NULL}},
			      question[] = {{"__gc", question_gc}, {NULL, NULL}};
	static const luaL_Reg functions[] = {{"question", take_question},
					     {"left", has_left},
					     {"put", put_question},
					     {"take", take_results},
					     {"answered", answered_question},
					     {"drop", question_gc},
					     {NULL, NULL}};

	luff_box_type(L, ASKER, asker, NULL);
	luff_box_type(L, QUESTION, question, NULL);
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &boxes);
	luaL_setfuncs(L, functions, 0);
}
