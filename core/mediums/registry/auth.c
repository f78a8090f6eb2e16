/* See auth.h. */
#include "mediums/registry/auth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "mediums/registry/credentials.h"
#include "mediums/registry/exchange.h"
#include "mediums/registry/header.h"
#include "mediums/registry/request.h"
#include "mediums/registry/retry.h"
#include "mediums/registry/settings.h"
#include "mediums/registry/url.h"

#define TOKENS_MAX 256       /* of one host */
#define ANSWER_MAX (1 << 20) /* bytes of a token server's answer */
#define TOKEN_MAX (32 << 10) /* characters of a token; it goes into a header */
#define LIFETIME_DEFAULT 60  /* seconds, where the answer does not say (token specification) */
#define LIFETIME_MAX (24 * 60 * 60)

struct luff_token {
	struct luff_token *next;
	char *scope;
	char *realm, *service;
	char *asked;  /* the registry's own word for the scope, where it is not covered by ours; else NULL */
	char *header; /* "Bearer …"; NULL: none at hand */
	int64_t good_until; /* ms */
	bool busy;          /* somebody fetches it */
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

void luff_auth_forget(struct luff_host *h)
{
	while (h->tokens) {
		struct luff_token *t = h->tokens;

		h->tokens = t->next;
		token_free(t);
	}
	wipe(h->basic);
	h->basic = NULL;
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
	if (!token || !is_token(token))
		return luff_fail(err, LUFF_EFORMAT, "%s: the token server's answer holds no token", h->name);
	if (!luff_json_int64(seconds, doc, "expires_in") || *seconds <= 0)
		*seconds = LIFETIME_DEFAULT;
	if (*seconds > LIFETIME_MAX)
		*seconds = LIFETIME_MAX;
	if (asprintf(header, "Bearer %s", token) < 0) {
		*header = NULL;
		return luff_fail_nomem(err);
	}
	return 0;
}

static int find_basic(char **out, const char *name, struct luff_error *err)
{
	LUFF_AUTO(settings) said = luff_settings_of_host(name);
	LUFF_AUTO(credentials) c = {0};
	int rc = 0;

	*out = NULL;
	if (said && said->settings.user) {
		c.user = strdup(said->settings.user);
		c.password = strdup(said->settings.password);
		rc = c.user && c.password ? 0 : luff_fail_nomem(err);
	} else {
		rc = luff_credentials_find(&c, name, err);
	}
	return rc < 0 || !c.user ? rc : luff_credentials_basic(out, &c, err);
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

/* A token server is not followed anywhere: the password goes to the realm that the registry named, and nowhere else. */
static int fetch_token(char **header, int64_t *seconds, struct luff_host *h, const struct luff_token *t,
		       struct luff_error *err)
{
	LUFF_AUTO(text) url = NULL;
	LUFF_AUTO(text) basic = NULL;
	LUFF_AUTO(text) line = NULL;
	struct luff_exchange_request request = {.method = "GET"};
	struct luff_exchange *x = NULL;
	int rc, status;

	rc = token_url(&url, t, err);
	if (rc == 0)
		rc = find_basic(&basic, h->name, err);
	if (rc < 0)
		return rc;
	if (basic && asprintf(&line, "Authorization: %s", basic) < 0) {
		line = NULL;
		wipe(luff_take(basic));
		return luff_fail_nomem(err);
	}
	request.url = url;
	request.headers[0] = line;
	rc = ask_token_server(&x, &request, err);
	if (line)
		explicit_bzero(line, strlen(line));
	if (rc == 0) {
		status = luff_exchange_status(x);
		if (status == 200)
			rc = read_token(header, seconds, h, x, err);
		else if (status >= 300 && status < 400)
			rc = luff_fail(err, LUFF_EHTTP, "%s: its token server answers %d, leading elsewhere",
				       h->name, status);
		else if (!basic && (status == 400 || status == 401 || status == 403))
			rc = luff_fail(err, LUFF_EAUTH, "%s: wants credentials; try: docker login %s",
				       h->name, h->name);
		else
			rc = luff_request_refused(x, h->name, "the token server refuses the credentials",
						  err);
		luff_exchange_close(x);
	}
	wipe(luff_take(basic));
	return rc;
}

/* ---- What the host remembers; its lock is held ---- */

static bool is_good(const struct luff_token *t)
{
	return t->header && luff_clock_ms() < t->good_until;
}

static struct luff_token *find_exact(struct luff_host *h, const char *scope)
{
	struct luff_token *t = h->tokens;

	while (t && strcmp(t->scope, scope) != 0)
		t = t->next;
	return t;
}

static struct luff_token *find_covering(struct luff_host *h, const char *scope)
{
	struct luff_token *t = find_exact(h, scope);

	/* the very one first: token servers that grant one scope of several grant the others' tokens less than was asked */
	if (t && is_good(t))
		return t;
	for (t = h->tokens; t && !(is_good(t) && luff_auth_covers(t->scope, scope)); t = t->next)
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

static int answer_bearer(char **out, struct luff_host *h, const char *scope, bool at_hand,
			 struct luff_error *err)
{
	struct luff_token *t = NULL;
	int64_t began, seconds = 0;
	char *header = NULL;
	int rc = 0;

	for (;;) {
		t = find_covering(h, scope);
		if (t)
			return replace(out, t->header, err);
		if (at_hand)
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
	rc = fetch_token(&header, &seconds, h, t, err);
	pthread_mutex_lock(&h->lock);
	t->busy = false;
	if (rc == 0) {
		wipe(t->header);
		t->header = header;
		t->good_until = began + seconds * 900; /* a tenth of its time before it ends */
		rc = replace(out, header, err);
	}
	pthread_cond_broadcast(&h->changed);
	return rc;
}

int luff_auth_header(char **out, struct luff_host *h, const char *scope, bool at_hand, struct luff_error *err)
{
	int rc = 0;

	*out = NULL;
	pthread_mutex_lock(&h->lock);
	if (h->basic)
		rc = replace(out, h->basic, err);
	else if (h->tokens)
		rc = answer_bearer(out, h, scope, at_hand, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

/* ---- Challenges ---- */

static int take_bearer(struct luff_host *h, const char *scope, const struct luff_challenge *c,
		       const char *refused, bool from_private, struct luff_error *err)
{
	LUFF_AUTO(text) realm = NULL;
	struct luff_token *t;
	int rc = luff_url_resolve(&realm, NULL, c->realm, err);

	if (rc == 0)
		rc = luff_url_may_lead(h->origin, realm, from_private, err);
	if (rc < 0)
		return luff_fail_context(err, "%s: its token server cannot be used", h->name);
	pthread_mutex_lock(&h->lock);
	do
		rc = get_token(&t, h, scope, realm, c->service, err);
	while (rc == 0 && t->busy && (rc = luff_host_wait(h, err)) == 0);
	if (rc == 0)
		rc = replace(&t->realm, realm, err);
	if (rc == 0)
		rc = replace(&t->service, c->service, err);
	if (rc == 0)
		rc = replace(&t->asked, luff_auth_covers(scope, c->scope) ? NULL : c->scope, err);
	for (struct luff_token *i = h->tokens; refused && i; i = i->next) {
		if (i->header && !i->busy && strcmp(i->header, refused) == 0)
			i->good_until = 0;
	}
	wipe(h->basic);
	h->basic = NULL;
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static int take_basic(struct luff_host *h, const char *refused, struct luff_error *err)
{
	LUFF_AUTO(text) basic = NULL;
	int rc = find_basic(&basic, h->name, err);

	if (rc < 0)
		return rc;
	if (!basic)
		return luff_fail(err, LUFF_EAUTH, "%s: wants a user and a password; try: docker login %s",
				 h->name, h->name);
	if (refused && strcmp(refused, basic) == 0) {
		wipe(luff_take(basic));
		return luff_fail(err, LUFF_EAUTH, "%s: refuses the user and password; try: docker login %s",
				 h->name, h->name);
	}
	pthread_mutex_lock(&h->lock);
	wipe(h->basic);
	h->basic = luff_take(basic);
	pthread_mutex_unlock(&h->lock);
	return 0;
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
		return take_basic(h, refused, err);
	return luff_fail(err, LUFF_EAUTH, "%s: refuses the request and does not say how to log in", h->name);
}
