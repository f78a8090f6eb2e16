/* Functions of a script that know the login of a host: `credentials` in luff.config. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "bind.h"

struct credentials_question {
	struct luff_question base;
	char host[LUFF_NAME_MAX + 1];
	struct luff_login login;
};

static void put(lua_State *L, struct luff_question *base)
{
	lua_pushvalue(L, 2);
	lua_pushstring(L, base->about);
}

static int copy_field(char **out, lua_State *L, const char *name, const char *host, struct luff_error *err)
{
	size_t len;
	const char *text;
	int type;

	lua_pushstring(L, name);
	type = lua_rawget(L, 3);
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

static void take(lua_State *L, struct luff_question *base, struct luff_error *err)
{
	struct luff_login *out = &((struct credentials_question *)base)->login;
	const char *host = base->about;
	int rc;

	lua_settop(L, 3);
	if (lua_isnil(L, 3))
		return;
	if (!lua_istable(L, 3)) {
		luff_fail(err, LUFF_EINVAL,
			  "%s: its credentials function gives a %s, not { user =, password = }", host,
			  luaL_typename(L, 3));
		return;
	}
	rc = copy_field(&out->user, L, "user", host, err);
	if (rc == 0)
		rc = copy_field(&out->password, L, "password", host, err);
	if (rc == 0)
		rc = copy_field(&out->token, L, "token", host, err);
	if (rc == 0)
		rc = copy_field(&out->identity_token, L, "identity_token", host, err);
	if (rc == 0 && !out->user != !out->password)
		luff_fail(err, LUFF_EINVAL,
			  "%s: its credentials function gives a user without a password, or none to it",
			  host);
}

static void release(struct luff_question *base)
{
	luff_login_release(&((struct credentials_question *)base)->login);
}

static const struct luff_question_kind kind = {.put = put, .take = take, .release = release};

/* On a worker. `arg` is the asker's number. */
static int ask(struct luff_login *out, void *arg, const char *host, struct luff_error *err)
{
	struct credentials_question *q = luff_question_new(sizeof *q, &kind, (int64_t)(intptr_t)arg);
	struct luff_error why = {0};
	int rc;

	if (!q)
		return luff_fail_nomem(err);
	luff_text_copy(q->host, sizeof q->host, host);
	q->base.about = q->host;
	rc = luff_ask(&q->base, 0, &why);
	if (rc == 0) {
		out->user = luff_take(q->login.user);
		out->password = luff_take(q->login.password);
		out->token = luff_take(q->login.token);
		out->identity_token = luff_take(q->login.identity_token);
	} else if (q->base.raised) {
		rc = luff_fail(err, LUFF_EAUTH, "%s: its credentials function fails: %s", host, why.msg);
	} else if (rc == LUFF_ECANCELED || why.code == q->base.err.code) {
		*err = why;
	} else {
		rc = luff_fail(err, LUFF_EAUTH, "%s: its login cannot be asked for: %s", host, why.msg);
	}
	luff_question_unref(&q->base);
	return rc;
}

void luff_option_credentials(struct luff_settings *out, lua_State *L, int i)
{
	if (lua_getfield(L, i, "credentials") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	if (!lua_isfunction(L, -1))
		luaL_error(L, "option \"credentials\" must be a function");
	out->credentials = ask;
	out->credentials_arg = luff_asker_arg(luff_asker_new(L));
}
