/* See guard.h. */
#include "server/guard.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"

struct luff_guard {
	struct luff_htpasswd *htpasswd; /* NULL: no logins are known here */
	int (*decide)(void *arg, const struct luff_server_ask *ask, char *refusal, size_t refusal_size,
		      struct luff_error *err);
	void *arg;
	unsigned decides;
	bool read_only;
};

int luff_guard_new(struct luff_guard **out, const struct luff_server_options *options, struct luff_error *err)
{
	struct luff_guard *guard = calloc(1, sizeof *guard);
	int rc = 0;

	*out = NULL;
	if (!guard)
		return luff_fail_nomem(err);
	guard->read_only = options->read_only || options->proxy;
	guard->decide = options->decide;
	guard->arg = options->decide_arg;
	guard->decides = options->decides;
	if (options->htpasswd)
		rc = luff_htpasswd_open(&guard->htpasswd, options->htpasswd, err);
	if (rc < 0)
		luff_guard_free(luff_take(guard));
	*out = guard;
	return rc;
}

void luff_guard_free(struct luff_guard *guard)
{
	if (!guard)
		return;
	luff_htpasswd_free(guard->htpasswd);
	free(guard);
}

/* ---- What a request is ---- */

static bool reads(const struct luff_call *r)
{
	return strcmp(r->method, MHD_HTTP_METHOD_GET) == 0 || strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0;
}

static const char *action_of(const struct luff_call *r)
{
	if (r->route.kind == LUFF_ROUTE_UPLOAD || r->route.kind == LUFF_ROUTE_UPLOADS)
		return "push";
	if (reads(r))
		return r->route.kind == LUFF_ROUTE_CATALOG   ? "list"
		       : r->route.kind == LUFF_ROUTE_METRICS ? "metrics"
							     : "pull";
	return strcmp(r->method, MHD_HTTP_METHOD_DELETE) == 0 ? "delete" : "push";
}

static int refuse_login(struct luff_call *r, struct luff_error *err)
{
	int rc = luff_reply_refuse(r, err, MHD_HTTP_UNAUTHORIZED, "UNAUTHORIZED", "authentication required");

	luff_reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"luff\"");
	return rc;
}

/* User and password of the request, malloc'ed as one piece that the password points into; NULL: none. */
static char *credentials(const char **password_out, const struct luff_call *r)
{
	const char *header = luff_call_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
	char *pair, *colon;
	size_t len;

	if (!header || strncasecmp(header, "Basic ", 6) != 0)
		return NULL;
	pair = luff_text_unbase64(&len, header + 6 + strspn(header + 6, " "));
	colon = pair && strlen(pair) == len ? strchr(pair, ':') : NULL;
	if (!colon || colon == pair || colon - pair > LUFF_USER_MAX || !luff_text_utf8(pair, len)) {
		free(pair);
		return NULL;
	}
	*colon = '\0';
	*password_out = colon + 1;
	return pair;
}

/* ---- The program's word ---- */

/* 0: it may; LUFF_EDENIED with what to tell; else the answer to a decision that was not made. */
static int ask(char refusal[sizeof((struct luff_error *)0)->msg], struct luff_call *r,
	       const struct luff_guard *guard, struct luff_server_ask *ask, struct luff_error *err)
{
	char client[LUFF_CLIENT_MAX];
	struct luff_error failed = {0};
	int rc;

	ask->method = r->method;
	ask->tag = r->route.tag[0] ? r->route.tag : NULL;
	ask->digest = r->route.digest.text[0] ? r->route.digest.text : NULL;
	ask->client = luff_call_client(client, r);
	*refusal = '\0';
	rc = guard->decide(guard->arg, ask, refusal, sizeof err->msg, &failed);
	if (rc == 0 || rc == LUFF_EDENIED)
		return rc;
	if (rc == LUFF_ETIMEOUT || rc == LUFF_ECANCELED)
		return luff_reply_refuse(r, err, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
					 "the registry did not decide in time; try again");
	return luff_reply_refuse(r, err, MHD_HTTP_INTERNAL_SERVER_ERROR, "UNKNOWN",
				 "the registry could not decide about this request");
}

static int deny(struct luff_call *r, const char *refusal, struct luff_error *err)
{
	return luff_reply_refuse(r, err, MHD_HTTP_FORBIDDEN, "DENIED", "%s",
				 *refusal ? refusal : "the registry's policy does not allow that");
}

/*
 * A mount reads the other repository, too. Without leave for that, or where any repository would do, it is an upload like any
 * other.
 */
static int authorize_mount(struct luff_call *r, const struct luff_guard *guard, const char *user,
			   const char *password, struct luff_error *err)
{
	char refusal[sizeof err->msg];
	struct luff_server_ask a = {.kind = LUFF_ASK_AUTHORIZE,
				    .action = "pull",
				    .repository = r->route.from,
				    .user = user,
				    .password = password};
	int rc = r->route.from[0] ? ask(refusal, r, guard, &a, err) : LUFF_EDENIED;

	if (rc != LUFF_EDENIED)
		return rc;
	r->route.mount.text[0] = '\0';
	return 0;
}

static int authorize(struct luff_call *r, const struct luff_guard *guard, const char *user,
		     const char *password, struct luff_error *err)
{
	char refusal[sizeof err->msg];
	struct luff_server_ask a = {.kind = LUFF_ASK_AUTHORIZE,
				    .action = action_of(r),
				    .repository = r->route.repository[0] ? r->route.repository : NULL,
				    .user = user,
				    .password = password};
	int rc = ask(refusal, r, guard, &a, err);

	if (rc == 0 && r->route.mount.text[0])
		return authorize_mount(r, guard, user, password, err);
	/* from any repository that has it: nobody can be asked about all of them */
	if (rc == 0)
		r->route.mount.text[0] = '\0';
	if (rc != LUFF_EDENIED)
		return rc;
	return user ? deny(r, refusal, err) : refuse_login(r, err);
}

static int log_in(struct luff_call *r, const struct luff_guard *guard, const char *user, const char *password,
		  struct luff_error *err)
{
	struct luff_error failed = {0};
	bool right;
	int rc = luff_htpasswd_check(&right, guard->htpasswd, user, password, &failed);

	if (rc < 0)
		return luff_reply_refuse(r, err, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
					 "the registry cannot check logins now");
	if (!right)
		return refuse_login(r, err);
	luff_text_copy(r->user, sizeof r->user, user);
	return 0;
}

int luff_guard_begin(struct luff_call *r, struct luff_guard *guard, struct luff_error *err)
{
	bool decides = (guard->decides & LUFF_ASK_AUTHORIZE) != 0;
	const char *password = NULL;
	LUFF_AUTO(text) user = NULL;
	int rc = 0;

	if (guard->htpasswd || decides) {
		user = credentials(&password, r);
		/* clients learn at the root whether logins are there: it asks for one from all who bring none */
		if (!user && (!decides || r->route.kind == LUFF_ROUTE_ROOT))
			return refuse_login(r, err);
		if (user && guard->htpasswd)
			rc = log_in(r, guard, user, password, err);
		if (rc == 0 && decides && (r->route.kind != LUFF_ROUTE_ROOT || !guard->htpasswd))
			rc = authorize(r, guard, user, guard->htpasswd ? NULL : password, err);
		if (rc == 0 && user)
			luff_text_copy(r->user, sizeof r->user, user);
		if (user)
			explicit_bzero(user, strlen(user) + 1 + (password ? strlen(password) : 0));
	}
	if (rc == 0 && guard->read_only && !reads(r))
		rc = luff_reply_refuse(r, err, MHD_HTTP_METHOD_NOT_ALLOWED, "UNSUPPORTED",
				       "this registry is read-only");
	return rc;
}

int luff_guard_end(struct luff_call *r, const struct luff_guard *guard, struct luff_error *err)
{
	bool pulls = reads(r);
	unsigned kind = pulls ? LUFF_ASK_PULL : LUFF_ASK_PUSH;
	char refusal[sizeof err->msg];
	struct luff_server_ask a = {.kind = kind,
				    .action = pulls ? "pull" : "push",
				    .repository = r->route.repository,
				    .user = r->user[0] ? r->user : NULL};
	int rc;

	if (r->route.kind != LUFF_ROUTE_MANIFEST || !(guard->decides & kind) ||
	    (!pulls && strcmp(r->method, MHD_HTTP_METHOD_PUT) != 0))
		return 0;
	if (!pulls) {
		a.manifest = r->body.data ? r->body.data : "";
		a.manifest_len = r->body.len;
	}
	rc = ask(refusal, r, guard, &a, err);
	return rc == LUFF_EDENIED ? deny(r, refusal, err) : rc;
}
