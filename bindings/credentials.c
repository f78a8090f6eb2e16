/*
 * Functions of a script that know the login of a host. The core asks on a worker thread, which never touches Lua: it leaves its
 * question in a list and waits, and the Lua thread answers whenever it waits for calls itself (job.c). So each call runs on
 * a worker as soon as there is such a function.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "bind.h"

#define ASKER "luff.Asker"
#define TICK_NS (20 * 1000 * 1000L)

/* Stands for one function, which is its user value; lives as long as the lua_State. */
struct asker {
	struct asker *next;
	const void *state; /* which one; never used as one */
	pthread_t thread;  /* that last ran Lua */
};

/* On the stack of whoever asks. */
struct question {
	struct question *next;
	const void *asker; /* may be gone */
	const char *host;
	int64_t number;
	bool taken, done;
	int rc;
	struct luff_login *out;
	struct luff_error *err;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct asker *askers;
static struct question *questions;
static int64_t last_number;
static const char functions; /* registry key: askers by their address */

/* Hosts whose function runs on this thread just now. */
struct running {
	struct running *outer;
	const char *host;
};
static _Thread_local struct running *running;

/* ---- Asking ---- */

/* The lock is held. */
static struct asker *find_asker(const void *address)
{
	struct asker *a = askers;

	while (a && a != address)
		a = a->next;
	return a;
}

static int wait_for_answer(struct question *q, struct luff_error *err)
{
	struct timespec tick = {.tv_nsec = TICK_NS};
	int rc = 0;

	while (rc == 0 && !q->done) {
		const struct asker *a = find_asker(q->asker);

		if (!a)
			return luff_fail(err, LUFF_EAUTH, "%s: the script that knows its login has ended",
					 q->host);
		if (pthread_equal(a->thread, pthread_self()))
			return luff_fail(err, LUFF_EAUTH, "%s: its login cannot be asked for here", q->host);
		pthread_mutex_unlock(&lock);
		nanosleep(&tick, NULL);
		rc = luff_scope_check(err);
		pthread_mutex_lock(&lock);
	}
	return rc < 0 ? rc : q->rc;
}

static int ask(struct luff_login *out, void *arg, const char *host, struct luff_error *err)
{
	struct question q = {.asker = arg, .host = host, .out = out, .err = err}, **at = &questions;
	int rc;

	pthread_mutex_lock(&lock);
	q.number = ++last_number;
	while (*at)
		at = &(*at)->next;
	*at = &q;
	rc = wait_for_answer(&q, err);
	for (at = &questions; *at != &q; at = &(*at)->next)
		;
	*at = q.next;
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- Answering ---- */

static int copy_field(char **out, lua_State *L, const char *name, const char *host, struct luff_error *err)
{
	size_t len;
	const char *text;
	int type = lua_getfield(L, -1, name);

	text = type == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
	if (type != LUA_TNIL && (!text || strlen(text) != len)) {
		lua_pop(L, 1);
		return luff_fail(err, LUFF_EINVAL, "%s: its credentials function gives a %s that is no text",
				 host, name);
	}
	*out = text ? strdup(text) : NULL;
	lua_pop(L, 1);
	return text && !*out ? luff_fail_nomem(err) : 0;
}

/* From the value on top, which stays. It comes without metamethods. */
static int read_login(struct luff_login *out, lua_State *L, const char *host, struct luff_error *err)
{
	int rc;

	if (lua_isnil(L, -1))
		return 0;
	if (!lua_istable(L, -1))
		return luff_fail(err, LUFF_EINVAL,
				 "%s: its credentials function gives a %s, not { user =, password = }", host,
				 luaL_typename(L, -1));
	rc = copy_field(&out->user, L, "user", host, err);
	if (rc == 0)
		rc = copy_field(&out->password, L, "password", host, err);
	if (rc == 0)
		rc = copy_field(&out->token, L, "token", host, err);
	if (rc == 0)
		rc = copy_field(&out->identity_token, L, "identity_token", host, err);
	if (rc == 0 && !out->user != !out->password)
		rc = luff_fail(err, LUFF_EINVAL,
			       "%s: its credentials function gives a user without a password, or none to it",
			       host);
	return rc;
}

/* lua_pcall()ed with the host and the place for the answer, so that what raises is caught: calls the function and reads. */
struct answer {
	const void *asker;
	const char *host;
	struct luff_login login;
	struct luff_error err;
	int rc;
};

static int call_function(lua_State *L)
{
	struct answer *a = lua_touserdata(L, 1);

	lua_rawgetp(L, LUA_REGISTRYINDEX, &functions);
	lua_rawgetp(L, -1, a->asker);
	lua_getiuservalue(L, -1, 1);
	lua_pushstring(L, a->host);
	lua_call(L, 1, 1);
	a->rc = read_login(&a->login, L, a->host, &a->err);
	return 0;
}

/* The error on top, in its own words. [-1, +0] */
static int fail_function(struct answer *a, lua_State *L)
{
	char words[240];
	const char *text = luaL_tolstring(L, -1, NULL);

	luff_fail(&a->err, LUFF_EAUTH, "%s: its credentials function fails: %s", a->host,
		  luff_text_printable(words, sizeof words, text ? text : ""));
	lua_pop(L, 2);
	return a->err.code;
}

static void give_answer(int64_t number, struct answer *a)
{
	struct question *q;

	pthread_mutex_lock(&lock);
	for (q = questions; q && q->number != number; q = q->next)
		;
	if (q) {
		q->rc = a->rc;
		if (a->rc < 0)
			*q->err = a->err;
		q->out->user = luff_take(a->login.user);
		q->out->password = luff_take(a->login.password);
		q->out->token = luff_take(a->login.token);
		q->out->identity_token = luff_take(a->login.identity_token);
		q->done = true;
	}
	pthread_mutex_unlock(&lock);
	luff_login_release(&a->login);
}

/* A question to this lua_State that nobody has taken; its number, or 0. host is copied. */
static int64_t take_question(const void **asker, char host[LUFF_NAME_MAX + 1], const void *state)
{
	int64_t number = 0;

	pthread_mutex_lock(&lock);
	for (struct question *q = questions; q && !number; q = q->next) {
		struct asker *a = q->taken ? NULL : find_asker(q->asker);

		if (a && a->state == state) {
			q->taken = true;
			number = q->number;
			*asker = q->asker;
			luff_text_copy(host, LUFF_NAME_MAX + 1, q->host);
		}
	}
	pthread_mutex_unlock(&lock);
	return number;
}

static const void *state_of(lua_State *L)
{
	return lua_topointer(L, LUA_REGISTRYINDEX);
}

void luff_answer_questions(lua_State *L)
{
	char host[LUFF_NAME_MAX + 1];
	const void *asker;
	int64_t number;

	while ((number = take_question(&asker, host, state_of(L)))) {
		struct answer a = {.asker = asker, .host = host};
		struct running frame = {.outer = running, .host = host};

		running = &frame;
		lua_pushcfunction(L, call_function);
		lua_pushlightuserdata(L, &a);
		if (lua_pcall(L, 1, 0, 0) != LUA_OK)
			a.rc = fail_function(&a, L);
		running = frame.outer;
		give_answer(number, &a);
	}
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

void luff_check_not_asked(lua_State *L, const char *place)
{
	struct luff_error err = {0};

	for (const struct running *r = running; r; r = r->outer) {
		size_t len = strlen(r->host);

		if (strncmp(place, r->host, len) == 0 && (!place[len] || place[len] == '/')) {
			luff_fail(&err, LUFF_EINVAL, "the credentials function of %s cannot wait for %s",
				  r->host, r->host);
			luff_raise(L, &err);
		}
	}
}

/* ---- Setting ---- */

static int asker_gc(lua_State *L)
{
	struct asker *a = luaL_checkudata(L, 1, ASKER), **at;

	pthread_mutex_lock(&lock);
	for (at = &askers; *at && *at != a; at = &(*at)->next)
		;
	if (*at)
		*at = a->next;
	pthread_mutex_unlock(&lock);
	return 0;
}

void luff_option_credentials(struct luff_settings *out, lua_State *L, int i)
{
	struct asker *a;

	if (lua_getfield(L, i, "credentials") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	if (!lua_isfunction(L, -1))
		luaL_error(L, "option \"credentials\" must be a function");
	a = luff_box(L, sizeof *a, ASKER);
	lua_pushvalue(L, -2);
	lua_setiuservalue(L, -2, 1);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &functions);
	lua_pushvalue(L, -2);
	lua_rawsetp(L, -2, a);
	lua_pop(L, 3);
	a->state = state_of(L);
	a->thread = pthread_self();
	pthread_mutex_lock(&lock);
	a->next = askers;
	askers = a;
	pthread_mutex_unlock(&lock);
	out->credentials = ask;
	out->credentials_arg = a;
}

void luff_credentials_type(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", asker_gc}, {NULL, NULL}};

	luff_box_type(L, ASKER, meta, NULL);
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &functions);
}
