/* See keyring.h. */
#include "mediums/registry/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "http/helper.h"
#include "http/settings.h"

#define RENEW_MS 5000 /* after which a function that was asked again may be asked again */

static bool has_function(const struct luff_host *h)
{
	return h->settings && h->settings->settings.credentials;
}

static bool has_password(const struct luff_host *h)
{
	return h->settings && h->settings->settings.user;
}

static bool has_helper(const struct luff_host *h)
{
	return h->settings && h->settings->settings.helper;
}

bool luff_keyring_is_said(const struct luff_host *h)
{
	return h->given || has_function(h) || has_helper(h) || has_password(h);
}

/* ---- The settings' function ---- */

static void drop_answer(struct luff_host *h)
{
	if (h->answer)
		luff_credentials_release(h->answer);
	free(h->answer);
	h->answer = NULL;
}

void luff_keyring_forget(struct luff_host *h)
{
	drop_answer(h);
}

/* Without the lock. */
static int call_function(struct luff_credentials **out, const struct luff_host *h, struct luff_error *err)
{
	const struct luff_settings *s = &h->settings->settings;
	struct luff_login login = {.user = NULL};
	struct luff_credentials *c;
	int rc;

	luff_text_copy(login.registry, sizeof login.registry, h->name);
	rc = s->credentials(&login, s->credentials_arg, h->name, err);
	if (rc == 0 && !login.user != !login.password)
		rc = luff_fail(err, LUFF_EINVAL, "%s: user and password belong together", h->name);
	c = rc == 0 ? calloc(1, sizeof *c) : NULL;
	if (c) {
		c->user = luff_take(login.user);
		c->password = luff_take(login.password);
		c->identity = luff_take(login.identity_token);
		c->bearer = luff_take(login.token);
	} else if (rc == 0) {
		rc = luff_fail_nomem(err);
	}
	luff_login_release(&login);
	*out = c;
	return rc;
}

/* One thread asks, the others wait for what it hears. */
static int ask_function(struct luff_credentials *out, struct luff_host *h, struct luff_error *err)
{
	struct luff_credentials *answer = NULL;
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	while (rc == 0 && h->asking)
		rc = luff_host_wait(h, err);
	if (rc == 0 && !h->answer) {
		h->asking = true;
		pthread_mutex_unlock(&h->lock);
		rc = call_function(&answer, h, err);
		pthread_mutex_lock(&h->lock);
		h->answer = answer;
		h->asking = false;
		pthread_cond_broadcast(&h->changed);
	}
	if (rc == 0)
		rc = luff_credentials_copy(out, h->answer, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static void forget_answer(struct luff_host *h, const struct luff_credentials *refused)
{
	int64_t now = luff_clock_ms();

	pthread_mutex_lock(&h->lock);
	if (h->answer && luff_credentials_equal(h->answer, refused) &&
	    (!h->renewed_at || now - h->renewed_at > RENEW_MS)) {
		drop_answer(h);
		h->renewed_at = now;
	}
	pthread_mutex_unlock(&h->lock);
}

static int ask_helper(struct luff_credentials *out, const struct luff_host *h, struct luff_error *err)
{
	const struct luff_settings *s = &h->settings->settings;
	const char *server = strcmp(h->name, "docker.io") == 0 ? LUFF_CREDENTIALS_HUB : h->name;

	return luff_helper_get(out, s->helper, s->helper_server ? s->helper_server : server, err);
}

/* ---- All of them ---- */

/* "library/nginx" of "repository:library/nginx:pull …"; "" of any other. free() it. */
static char *repository_of(const char *scope)
{
	const char *name = luff_text_starts(scope, "repository:") ? strchr(scope, ':') + 1 : "";
	const char *end = memrchr(name, ':', strcspn(name, " "));

	return strndup(name, end ? (size_t)(end - name) : 0);
}

int luff_keyring_find(struct luff_credentials *out, struct luff_host *h, const char *scope,
		      struct luff_error *err)
{
	LUFF_AUTO(text) repository = NULL;

	*out = (struct luff_credentials){0};
	if (h->given)
		return luff_credentials_copy(out, h->given, err);
	if (has_function(h)) {
		int rc = ask_function(out, h, err);

		if (rc < 0 || !luff_credentials_empty(out))
			return rc;
	}
	if (has_helper(h)) {
		int rc = ask_helper(out, h, err);

		if (rc < 0 || !luff_credentials_empty(out))
			return rc;
	}
	if (has_password(h)) {
		struct luff_credentials c = {.user = (char *)h->settings->settings.user,
					     .password = (char *)h->settings->settings.password};

		return luff_credentials_copy(out, &c, err);
	}
	repository = repository_of(scope);
	return repository ? luff_credentials_find(out, h->name, repository, err) : luff_fail_nomem(err);
}

int luff_keyring_renew(bool *other, struct luff_credentials *c, struct luff_host *h, const char *scope,
		       struct luff_error *err)
{
	struct luff_credentials now;
	int rc;

	*other = false;
	if (luff_credentials_empty(c) || h->given)
		return 0;
	forget_answer(h, c);
	luff_helpers_refused(c);
	rc = luff_keyring_find(&now, h, scope, err);
	if (rc < 0)
		return rc;
	*other = !luff_credentials_empty(&now) && !luff_credentials_equal(&now, c);
	luff_credentials_release(c);
	*c = now;
	return 0;
}
