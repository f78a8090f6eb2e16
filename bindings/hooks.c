/*
 * authorize, on_push and on_pull of luff.serve: Lua functions that threads of a server ask. A question that is not answered within
 * HOOK_SECONDS is taken back, and the client hears 503.
 */
#include "base/error.h"
#include "base/text.h"
#include "bind.h"

#define HOOK_SECONDS 30

struct hook_question {
	struct luff_question base;
	const struct luff_server_ask *ask; /* in the frame of who asks */
	bool allowed;
	char refusal[1024];
};

static const struct hook {
	const char *name;
	unsigned kind;
} hooks_known[] = {{"authorize", LUFF_ASK_AUTHORIZE}, {"on_push", LUFF_ASK_PUSH}, {"on_pull", LUFF_ASK_PULL}};

static void set_text(lua_State *L, const char *name, const char *value)
{
	if (!value)
		return;
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

static void put(lua_State *L, struct luff_question *base)
{
	const struct luff_server_ask *ask = ((struct hook_question *)base)->ask;

	for (size_t i = 0; i < sizeof hooks_known / sizeof *hooks_known; i++) {
		if (hooks_known[i].kind == ask->kind)
			lua_getfield(L, 2, hooks_known[i].name);
	}
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

static void take(lua_State *L, struct luff_question *base, struct luff_error *err)
{
	struct hook_question *q = (struct hook_question *)base;

	(void)err;
	lua_settop(L, 4);
	q->allowed = lua_toboolean(L, 3);
	luff_text_copy(q->refusal, sizeof q->refusal,
		       lua_type(L, 4) == LUA_TSTRING ? lua_tostring(L, 4) : "");
}

static const struct luff_question_kind kind = {
	.put = put,
	.take = take,
	.complaint = "a function of luff.serve failed, and its request with it",
};

/* On a thread of the server. `arg` is the asker's number. */
static int decide(void *arg, const struct luff_server_ask *ask, char *refusal, size_t refusal_size,
		  struct luff_error *err)
{
	struct hook_question *q = luff_question_new(sizeof *q, &kind, (int64_t)(intptr_t)arg);
	struct luff_error why = {0};
	int rc;

	if (!q)
		return luff_fail_nomem(err);
	q->base.about = "";
	q->ask = ask;
	rc = luff_ask(&q->base, HOOK_SECONDS, &why);
	if (rc == 0) {
		luff_text_copy(refusal, refusal_size, q->refusal);
		rc = q->allowed ? 0 : LUFF_EDENIED;
	} else if (q->base.raised) {
		rc = luff_fail(err, LUFF_EIO, "%s", why.msg);
	} else {
		rc = luff_fail(err, LUFF_ETIMEOUT, "nobody decided");
	}
	luff_question_unref(&q->base);
	return rc;
}

int64_t luff_option_hooks(struct luff_server_options *out, lua_State *L, int i)
{
	struct luff_error err = {0};
	unsigned decides = 0;
	int64_t asker;

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
	if (!decides) {
		lua_pop(L, 1);
		return 0;
	}
	asker = luff_asker_new(L);
	out->decide = decide;
	out->decide_arg = luff_asker_arg(asker);
	out->decides = decides;
	return asker;
}
