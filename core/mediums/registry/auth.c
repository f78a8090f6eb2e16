/* See auth.h. */
#include "mediums/registry/auth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "http/exchange.h"
#include "http/settings.h"
#include "http/url.h"
#include "mediums/registry/header.h"
#include "mediums/registry/keyring.h"
#include "mediums/registry/request.h"
#include "mediums/registry/retry.h"

#define TOKENS_MAX 256       /* of one host */
#define ANSWER_MAX (1 << 20) /* bytes of a token server's answer */
#define TOKEN_MAX (32 << 10) /* characters of a token; it goes into a header */
#define LIFETIME_DEFAULT 60  /* seconds, where the answer does not say (token specification) */
#define LIFETIME_MAX (24 * 60 * 60)
#define BODY_MS                                                                                              \
	30000 /* of life that a token for a request with a body has left, or half of all that it has */
#define FORM_MAX (128 << 10) /* bytes of a form with an identity token */

struct luff_token {
	struct luff_token *next;
	char *scope;
	char *realm; /* NULL: the registry wants Basic */
	char *service;
	char *asked;  /* the registry's own word for the scope, where it is not covered by ours; else NULL */
	char *header; /* "Bearer …" or "Basic …"; NULL: none at hand */
	int64_t good_until, fresh_until; /* ms; a request with a body wants it fresh */
	bool busy;                       /* somebody fetches it */
};

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static void token_free(struct luff_token *t)
{
	if (!t)
		return;
	wipe(t->header);
	free(t->scope);
	free(t->realm);
	free(t->service);
	free(t->asked);
	free(t);
}

LUFF_DEFINE_AUTO(token, struct luff_token *, token_free);
LUFF_DEFINE_AUTO(secret, char *, wipe);
LUFF_DEFINE_AUTO(exchange, struct luff_exchange *, luff_exchange_close);

void luff_auth_forget(struct luff_host *h)
{
	while (h->tokens) {
		struct luff_token *t = h->tokens;

		h->tokens = t->next;
		token_free(t);
	}
}

void luff_auth_renew(struct luff_host *h)
{
	pthread_mutex_lock(&h->lock);
	for (struct luff_token *t = h->tokens; t; t = t->next)
		t->good_until = t->fresh_until = 0;
	pthread_mutex_unlock(&h->lock);
}

/* ---- Scopes ---- */

static bool has_action(const char *actions, size_t len, const char *action, size_t action_len)
{
	for (const char *p = actions, *end = actions + len; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = comma ? (size_t)(comma - p) : (size_t)(end - p);

		if (n == action_len && memcmp(p, action, n) == 0)
			return true;
		p += n + 1;
	}
	return false;
}

/* One "resource:actions" of each; the resource goes up to the last colon. */
static bool word_covers(const char *have, size_t have_len, const char *want, size_t want_len)
{
	const char *have_colon = memrchr(have, ':', have_len), *want_colon = memrchr(want, ':', want_len);
	const char *p, *end = want + want_len;

	if (!have_colon || !want_colon || have_colon - have != want_colon - want ||
	    memcmp(have, want, (size_t)(have_colon - have)) != 0)
		return false;
	for (p = want_colon + 1; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = comma ? (size_t)(comma - p) : (size_t)(end - p);

		if (!has_action(have_colon + 1, have_len - (size_t)(have_colon + 1 - have), p, n))
			return false;
		p += n + 1;
	}
	return true;
}

bool luff_auth_covers(const char *have, const char *want)
{
	for (const char *w = want + strspn(want, " "); *w; w += strspn(w, " ")) {
		size_t want_len = strcspn(w, " "), have_len;
		bool covered = false;

		for (const char *p = have + strspn(have, " "); *p && !covered;
		     p += have_len, p += strspn(p, " ")) {
			have_len = strcspn(p, " ");
			covered = word_covers(p, have_len, w, want_len);
		}
		if (!covered)
			return false;
		w += want_len;
	}
	return true;
}

/* ---- The token server ---- */

static int append_parameter(struct luff_buffer *url, const char *name, const char *value, size_t len,
			    struct luff_error *err)
{
	LUFF_AUTO(text) copy = strndup(value, len);
	int rc;

	if (!copy)
		return luff_fail_nomem(err);
	rc = luff_buffer_printf(url, err, "%c%s=", strchr(url->data, '?') ? '&' : '?', name);
	return rc < 0 ? rc : luff_url_encode(url, copy, err);
}

/* Several scopes are several parameters: servers that look at one look at the first, which is the one that matters. */
static int append_scopes(struct luff_buffer *url, const char *scopes, struct luff_error *err)
{
	int rc = 0;

	for (const char *p = scopes + strspn(scopes, " "); *p && rc == 0; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		rc = append_parameter(url, "scope", p, len, err);
		p += len;
	}
	return rc;
}

static int token_url(char **out, const struct luff_token *t, struct luff_error *err)
{
	LUFF_AUTO(buffer) url = {.cap = LUFF_URL_MAX};
	int rc = luff_buffer_append(&url, t->realm, strlen(t->realm), err);

	*out = NULL;
	if (rc == 0 && t->service[0])
		rc = append_parameter(&url, "service", t->service, strlen(t->service), err);
	if (rc == 0)
		rc = append_scopes(&url, t->scope, err);
	if (rc == 0 && t->asked)
		rc = append_scopes(&url, t->asked, err);
	if (rc < 0)
		return rc;
	*out = luff_buffer_take(&url);
	return *out ? 0 : luff_fail_nomem(err);
}

/* A token goes into a header as it is: visible ASCII only. */
static bool is_token(const char *text)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] <= '~')
		n++;
	return n > 0 && n <= TOKEN_MAX && text[n] == '\0';
}

static int bearer(char **header, struct luff_host *h, const char *token, struct luff_error *err)
{
	if (!is_token(token))
		return luff_fail(err, LUFF_EFORMAT, "%s: a token that is too long or no plain text", h->name);
	if (asprintf(header, "Bearer %s", token) < 0) {
		*header = NULL;
		return luff_fail_nomem(err);
	}
	return 0;
}

/* Seconds that are left. The server may have had the token at hand for a while; a clock that disagrees says nothing. */
static int64_t lifetime(const cJSON *doc)
{
	const char *issued = luff_json_string(doc, "issued_at");
	int64_t seconds, at, age;

	if (!luff_json_int64(&seconds, doc, "expires_in") || seconds <= 0)
		seconds = LIFETIME_DEFAULT;
	if (issued && luff_text_time(&at, issued)) {
		age = time(NULL) - at;
		if (age > 0 && age < seconds)
			seconds -= age;
	}
	return seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX;
}

static int read_token(char **header, int64_t *seconds, struct luff_host *h, struct luff_exchange *x,
		      struct luff_error *err)
{
	LUFF_AUTO(text) body = NULL;
	LUFF_AUTO(json) doc = NULL;
	const char *token;
	size_t len;
	int rc = luff_exchange_read_all(&body, &len, x, ANSWER_MAX, err);

	if (rc == 0)
		rc = luff_json_parse(&doc, body, len, "the token server's answer", err);
	if (body)
		explicit_bzero(body, len);
	if (rc < 0)
		return rc == LUFF_EFORMAT ? luff_fail_context(err, "%s", h->name) : rc;
	token = luff_json_string(doc, "token");
	if (!token || !*token)
		token = luff_json_string(doc, "access_token");
	if (!token || !*token)
		return luff_fail(err, LUFF_EFORMAT, "%s: the token server's answer holds no token", h->name);
	*seconds = lifetime(doc);
	return bearer(header, h, token, err);
}

/* Says what is wrong, and where that may help, what to do. */
static int fail_login(struct luff_host *h, const char *what, struct luff_error *err)
{
	if (luff_keyring_is_said(h))
		return luff_fail(err, LUFF_EAUTH, "%s: %s", h->name, what);
	return luff_fail(err, LUFF_EAUTH, "%s: %s; try: luff login %s", h->name, what, h->name);
}

/* What came is no answer that a token could be in. sent: "credentials"; NULL for nothing */
static int fail_answer(struct luff_host *h, struct luff_exchange *x, const char *sent, struct luff_error *err)
{
	int status = luff_exchange_status(x);
	char what[80];

	if (status >= 300 && status < 400)
		return luff_fail(err, LUFF_EHTTP, "%s: its token server answers %d, leading elsewhere",
				 h->name, status);
	if (!sent && (status == 400 || status == 401 || status == 403))
		return fail_login(h, "wants credentials", err);
	snprintf(what, sizeof what, "the token server refuses the %s", sent ? sent : "request");
	return luff_request_refused(x, h->name, what, err);
}

/* Again where it is busy; where the connection breaks, the request that wants the token starts over. */
static int ask_token_server(struct luff_exchange **out, const struct luff_exchange_request *request,
			    struct luff_error *err)
{
	for (int i = 0;; i++) {
		struct luff_exchange *x = NULL;
		struct luff_error stop = {0};
		int rc = luff_exchange_open(&x, request, err);

		if (rc < 0)
			return rc;
		if (i == LUFF_RETRY_MAX || !luff_retry_is_busy(x) ||
		    luff_retry_pause(i, x, &stop) == LUFF_ERATE) {
			*out = x;
			return 0;
		}
		luff_exchange_close(x);
		if (stop.code) {
			*err = stop;
			return stop.code;
		}
	}
}

/* Authorization and all else that a form with an identity token says (OAuth 2, "Refreshing an Access Token"). */
static int refresh_form(struct luff_buffer *form, const struct luff_token *t, const char *identity,
			struct luff_error *err)
{
	int rc = luff_buffer_printf(form, err, "grant_type=refresh_token&client_id=luff&service=");

	if (rc == 0)
		rc = luff_url_encode(form, t->service, err);
	if (rc == 0)
		rc = luff_buffer_printf(form, err, "&scope=");
	if (rc == 0)
		rc = luff_url_encode(form, t->scope, err);
	if (rc == 0 && t->asked)
		rc = luff_buffer_printf(form, err, "%%20");
	if (rc == 0 && t->asked)
		rc = luff_url_encode(form, t->asked, err);
	if (rc == 0)
		rc = luff_buffer_printf(form, err, "&refresh_token=");
	return rc < 0 ? rc : luff_url_encode(form, identity, err);
}

/* With an identity token. *header stays NULL where the server knows no such thing, or has a password to be asked with. */
static int post_to_server(char **header, int64_t *seconds, struct luff_host *h, const struct luff_token *t,
			  const struct luff_credentials *c, struct luff_error *err)
{
	LUFF_AUTO(buffer) form = {.cap = FORM_MAX};
	LUFF_AUTO(exchange) x = NULL;
	struct luff_exchange_request request = {
		.method = "POST", .url = t->realm, .least = luff_host_least(h, t->realm)};
	int rc = refresh_form(&form, t, c->identity, err), status;

	if (rc == 0) {
		request.headers[0] = "Content-Type: application/x-www-form-urlencoded";
		request.bytes = form.data;
		request.size = (int64_t)form.len;
		rc = ask_token_server(&x, &request, err);
	}
	if (form.data)
		explicit_bzero(form.data, form.len);
	if (rc < 0)
		return rc;
	status = luff_exchange_status(x);
	if (status == 404 || status == 405 || (status == 401 && c->user && *c->password))
		return 0;
	return status == 200 ? read_token(header, seconds, h, x, err)
			     : fail_answer(h, x, "identity token", err);
}

/* With the password, or without any. */
static int get_from_server(char **header, int64_t *seconds, struct luff_host *h, const struct luff_token *t,
			   const struct luff_credentials *c, struct luff_error *err)
{
	LUFF_AUTO(text) url = NULL;
	LUFF_AUTO(secret) basic = NULL;
	LUFF_AUTO(secret) line = NULL;
	LUFF_AUTO(exchange) x = NULL;
	struct luff_exchange_request request = {.method = "GET", .least = luff_host_least(h, t->realm)};
	int rc = token_url(&url, t, err);

	if (rc == 0 && c->user)
		rc = luff_credentials_basic(&basic, c, err);
	if (rc < 0)
		return rc;
	if (basic && asprintf(&line, "Authorization: %s", basic) < 0) {
		line = NULL;
		return luff_fail_nomem(err);
	}
	request.url = url;
	request.headers[0] = line;
	rc = ask_token_server(&x, &request, err);
	if (rc < 0)
		return rc;
	return luff_exchange_status(x) == 200 ? read_token(header, seconds, h, x, err)
					      : fail_answer(h, x, c->user ? "credentials" : NULL, err);
}

/* With that login, or without any. *header stays NULL where Basic is wanted and there is no password. */
static int fetch_with(char **header, int64_t *seconds, struct luff_host *h, const struct luff_token *t,
		      const struct luff_credentials *c, struct luff_error *err)
{
	if (!t->realm)
		return c->user ? luff_credentials_basic(header, c, err) : 0;
	if (c->bearer)
		return bearer(header, h, c->bearer, err);
	if (c->identity) {
		int rc = post_to_server(header, seconds, h, t, c, err);

		if (rc < 0 || *header)
			return rc;
	}
	return get_from_server(header, seconds, h, t, c, err);
}

/*
 * The Authorization for the entry's scope; NULL where Basic is wanted and nobody knows a password. A token server is not
 * followed anywhere: the password goes to the realm that the registry named, and nowhere else.
 */
static int fetch(char **header, int64_t *seconds, struct luff_host *h, const struct luff_token *t,
		 struct luff_error *err)
{
	LUFF_AUTO(credentials) c = {0};
	struct luff_error failure = {0};
	bool other = false;
	int rc = luff_keyring_find(&c, h, t->scope, err);

	*seconds = LIFETIME_MAX;
	if (rc < 0)
		return rc;
	rc = fetch_with(header, seconds, h, t, &c, &failure);
	if (rc == 0)
		return 0;
	if (failure.http_status == 400 || failure.http_status == 401 || failure.http_status == 403) {
		int again = luff_keyring_renew(&other, &c, h, t->scope, err);

		if (again < 0 || other)
			return again < 0 ? again : fetch_with(header, seconds, h, t, &c, err);
	}
	*err = failure;
	return rc;
}

/* ---- What the host remembers; its lock is held ---- */

static bool is_good(const struct luff_token *t, bool fresh)
{
	return t->header && luff_clock_ms() < (fresh ? t->fresh_until : t->good_until);
}

/* A tenth of its time before it ends it counts as over. */
static void set_life(struct luff_token *t, int64_t began, int64_t seconds)
{
	int64_t life = seconds * 900;

	t->good_until = began + life;
	t->fresh_until = t->good_until - (life / 2 < BODY_MS ? life / 2 : BODY_MS);
}

static struct luff_token *find_exact(struct luff_host *h, const char *scope)
{
	struct luff_token *t = h->tokens;

	while (t && strcmp(t->scope, scope) != 0)
		t = t->next;
	return t;
}

static struct luff_token *find_covering(struct luff_host *h, const char *scope, bool fresh)
{
	struct luff_token *t = find_exact(h, scope);

	/* the very one first: token servers that grant one scope of several grant the others' tokens less than was asked */
	if (t && is_good(t, fresh))
		return t;
	for (t = h->tokens; t && !(is_good(t, fresh) && luff_auth_covers(t->scope, scope)); t = t->next)
		;
	return t;
}

/* A long list loses its oldest entry that nobody is using. */
static void insert(struct luff_host *h, struct luff_token *t)
{
	struct luff_token **at, **oldest = NULL;
	int count = 0;

	t->next = h->tokens;
	h->tokens = t;
	for (at = &h->tokens->next; *at; at = &(*at)->next) {
		if (!(*at)->busy)
			oldest = at;
		count++;
	}
	if (count >= TOKENS_MAX && oldest) {
		struct luff_token *gone = *oldest;

		*oldest = gone->next;
		token_free(gone);
	}
}

static int replace(char **field, const char *text, struct luff_error *err)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return luff_fail_nomem(err);
	free(*field);
	*field = copy;
	return 0;
}

/* The entry of a scope. A new one starts with what another scope of the host was told: it saves a 401. */
static int get_token(struct luff_token **out, struct luff_host *h, const char *scope, const char *realm,
		     const char *service, struct luff_error *err)
{
	LUFF_AUTO(token) t = NULL;
	int rc;

	*out = find_exact(h, scope);
	if (*out)
		return 0;
	t = calloc(1, sizeof *t);
	if (!t)
		return luff_fail_nomem(err);
	rc = replace(&t->scope, scope, err);
	if (rc == 0)
		rc = replace(&t->realm, realm, err);
	if (rc == 0)
		rc = replace(&t->service, service, err);
	if (rc < 0)
		return rc;
	*out = t;
	insert(h, luff_take(t));
	return 0;
}

static int answer(char **out, struct luff_host *h, const char *scope, enum luff_auth_wish wish,
		  struct luff_error *err)
{
	struct luff_token *t = NULL;
	int64_t began, seconds = 0;
	char *header = NULL;
	int rc = 0;

	for (;;) {
		t = find_covering(h, scope, wish == LUFF_AUTH_FRESH);
		if (t)
			return replace(out, t->header, err);
		if (wish == LUFF_AUTH_AT_HAND)
			return 0;
		rc = get_token(&t, h, scope, h->tokens->realm, h->tokens->service, err);
		if (rc < 0)
			return rc;
		if (!t->busy)
			break;
		rc = luff_host_wait(h, err);
		if (rc < 0)
			return rc;
	}
	t->busy = true; /* keeps it in the list, and others from changing it, while the lock is not held */
	pthread_mutex_unlock(&h->lock);
	began = luff_clock_ms();
	rc = fetch(&header, &seconds, h, t, err);
	pthread_mutex_lock(&h->lock);
	t->busy = false;
	if (rc == 0) {
		wipe(t->header);
		t->header = header;
		set_life(t, began, seconds);
		rc = replace(out, header, err);
	}
	pthread_cond_broadcast(&h->changed);
	return rc;
}

int luff_auth_header(char **out, struct luff_host *h, const char *scope, enum luff_auth_wish wish,
		     struct luff_error *err)
{
	int rc = 0;

	*out = NULL;
	pthread_mutex_lock(&h->lock);
	if (h->tokens)
		rc = answer(out, h, scope, wish, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

/* ---- Challenges ---- */

/* The entry of a scope, which nobody else is about to change, as the registry now wants it. The lock is held. */
static int take_entry(struct luff_token **out, struct luff_host *h, const char *scope, const char *realm,
		      const char *service, struct luff_error *err)
{
	int rc;

	do
		rc = get_token(out, h, scope, realm, service, err);
	while (rc == 0 && (*out)->busy && (rc = luff_host_wait(h, err)) == 0);
	if (rc == 0)
		rc = replace(&(*out)->realm, realm, err);
	if (rc == 0)
		rc = replace(&(*out)->service, service, err);
	return rc;
}

/* A login that goes to the registry as it is was refused there: is there another one by now? */
static int renew_bearer(struct luff_host *h, const char *scope, const char *refused, struct luff_error *err)
{
	LUFF_AUTO(credentials) c = {0};
	bool other;
	int rc = luff_keyring_find(&c, h, scope, err);

	if (rc < 0 || !c.bearer || !luff_text_starts(refused, "Bearer ") ||
	    strcmp(strchr(refused, ' ') + 1, c.bearer) != 0)
		return rc;
	rc = luff_keyring_renew(&other, &c, h, scope, err);
	return rc < 0 || other ? rc : fail_login(h, "refuses the token", err);
}

static int take_bearer(struct luff_host *h, const char *scope, const struct luff_challenge *c,
		       const char *refused, bool from_private, struct luff_error *err)
{
	LUFF_AUTO(text) realm = NULL;
	struct luff_token *t;
	int rc = luff_url_resolve(&realm, NULL, c->realm, err);

	if (rc == 0)
		rc = luff_url_may_lead(h->origin, realm, from_private || luff_settings_name(realm), err);
	if (rc < 0)
		return luff_fail_context(err, "%s: its token server cannot be used", h->name);
	rc = refused ? renew_bearer(h, scope, refused, err) : 0;
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&h->lock);
	rc = take_entry(&t, h, scope, realm, c->service, err);
	if (rc == 0)
		rc = replace(&t->asked, luff_auth_covers(scope, c->scope) ? NULL : c->scope, err);
	for (struct luff_token *i = h->tokens; refused && i; i = i->next) {
		if (i->header && !i->busy && strcmp(i->header, refused) == 0)
			i->good_until = i->fresh_until = 0;
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static int take_basic(struct luff_host *h, const char *scope, const char *refused, struct luff_error *err)
{
	LUFF_AUTO(credentials) c = {0};
	LUFF_AUTO(secret) basic = NULL;
	struct luff_token *t;
	bool other = true;
	int rc = luff_keyring_find(&c, h, scope, err);

	if (rc == 0 && c.user)
		rc = luff_credentials_basic(&basic, &c, err);
	if (rc == 0 && basic && refused && strcmp(refused, basic) == 0) {
		wipe(luff_take(basic));
		rc = luff_keyring_renew(&other, &c, h, scope, err);
		if (rc == 0 && !other)
			return fail_login(h, "refuses the user and password", err);
		if (rc == 0 && c.user)
			rc = luff_credentials_basic(&basic, &c, err);
	}
	if (rc == 0 && !basic)
		return fail_login(h, "wants a user and a password", err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&h->lock);
	rc = take_entry(&t, h, scope, NULL, "", err);
	if (rc == 0) {
		wipe(t->header);
		t->header = luff_take(basic);
		set_life(t, luff_clock_ms(), LIFETIME_MAX);
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

int luff_auth_challenged(struct luff_host *h, const char *scope, const char *challenges, const char *refused,
			 bool from_private, struct luff_error *err)
{
	struct luff_challenge c;
	bool basic = false;

	while (challenges && luff_header_challenge(&c, &challenges)) {
		if (strcmp(c.scheme, "bearer") == 0 && c.realm[0])
			return take_bearer(h, scope, &c, refused, from_private, err);
		basic = basic || strcmp(c.scheme, "basic") == 0;
	}
	if (basic)
		return take_basic(h, scope, refused, err);
	return luff_fail(err, LUFF_EAUTH, "%s: refuses the request and does not say how to log in", h->name);
}
