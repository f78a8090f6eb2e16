/* See login.h. */
#include "server/login.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#define TTL_DEFAULT 300           /* seconds */
#define SCOPES_MAX ((size_t)4096) /* bytes */

/* The credentials of an Authorization header of that scheme, or NULL. */
static const char *credentials(const struct luff_call *r, const char *scheme)
{
	const char *header = luff_call_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
	size_t len = strlen(scheme);

	return header && strncasecmp(header, scheme, len) == 0 && header[len] == ' '
		       ? header + len + strspn(header + len, " ")
		       : NULL;
}

static bool is_user(const struct luff_call *r, const struct luff_fault *f)
{
	const char *given = credentials(r, "Basic");
	LUFF_AUTO(text) pair = NULL;
	LUFF_AUTO(text) want = NULL;

	if (!f->user)
		return given != NULL;
	if (asprintf(&pair, "%s:%s", f->user, f->password ? f->password : "") < 0)
		pair = NULL;
	want = pair ? luff_text_base64(pair, strlen(pair)) : NULL;
	return given && want && strcmp(given, want) == 0;
}

/* ---- Tokens: base64 of "random until scope scope …" ---- */

/* "repository:app:pull" among the scopes, or with more actions */
static bool allows(const char *scopes, const char *repository, const char *action)
{
	char resource[LUFF_NAME_MAX + 16];
	size_t len = (size_t)snprintf(resource, sizeof resource, "repository:%s:", repository);

	for (const char *p = scopes; (p = strstr(p, resource)); p += len) {
		const char *actions = p + len, *found = strstr(actions, action);

		if (found && found < actions + strcspn(actions, " "))
			return true;
	}
	return false;
}

static const char *action_of(const struct luff_call *r)
{
	if (strcmp(r->method, MHD_HTTP_METHOD_GET) == 0 || strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0)
		return "pull";
	return strcmp(r->method, MHD_HTTP_METHOD_DELETE) == 0 && r->route.kind != LUFF_ROUTE_UPLOAD ? "delete"
												    : "push";
}

/* NULL: good; else the error of RFC 6750, "" where there is no token at all */
static const char *refuse_token(const struct luff_call *r)
{
	const char *token = credentials(r, "Bearer");
	LUFF_AUTO(text) plain = NULL;
	const char *scopes;
	long long until;
	size_t len;
	int at = 0;

	if (!token)
		return "";
	plain = luff_text_unbase64(&len, token);
	if (!plain || sscanf(plain, "%*32s %lld %n", &until, &at) != 1 || luff_clock_ms() >= until)
		return "invalid_token";
	scopes = plain + at;
	return !r->route.repository[0] || allows(scopes, r->route.repository, action_of(r))
		       ? NULL
		       : "insufficient_scope";
}

static char *make_token(const char *scopes, int ttl)
{
	unsigned char noise[16];
	char hex[2 * sizeof noise + 1];
	LUFF_AUTO(text) plain = NULL;

	if (getrandom(noise, sizeof noise, 0) != (ssize_t)sizeof noise)
		return NULL;
	luff_text_hex(hex, noise, sizeof noise);
	if (asprintf(&plain, "%s %lld %s", hex, (long long)luff_clock_ms() + 1000LL * ttl, scopes) < 0) {
		plain = NULL;
		return NULL;
	}
	return luff_text_base64(plain, strlen(plain));
}

/* ---- Answers ---- */

static void challenge(struct luff_call *r, const struct luff_fault *f, const char *address, const char *error)
{
	char realm[256], scope[LUFF_NAME_MAX + 32] = "", reason[64] = "";

	snprintf(realm, sizeof realm, "http://%s" LUFF_LOGIN_TOKEN_PATH, address);
	if (r->route.repository[0])
		snprintf(scope, sizeof scope, ",scope=\"repository:%s:%s\"", r->route.repository,
			 strcmp(action_of(r), "push") == 0 ? "pull,push" : action_of(r));
	if (*error)
		snprintf(reason, sizeof reason, ",error=\"%s\"", error);
	luff_reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"%s\",service=\"luff\"%s%s",
			  f->realm ? f->realm : realm, scope, reason);
}

bool luff_login_check(struct luff_call *r, const struct luff_fault *f, const char *address)
{
	const char *error = f->auth == LUFF_FAULT_BEARER ? refuse_token(r) : is_user(r, f) ? NULL : "";
	struct luff_error ignored = {0};

	if (!error)
		return true;
	luff_reply_refuse(r, &ignored, MHD_HTTP_UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
	if (f->auth == LUFF_FAULT_BEARER)
		challenge(r, f, address, error);
	else
		luff_reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"luff\"");
	return false;
}

static enum MHD_Result add_scope(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct luff_error ignored = {0};

	(void)kind;
	if (strcmp(name, "scope") == 0 && value)
		luff_buffer_printf(arg, &ignored, "%s ", value);
	return MHD_YES;
}

void luff_login_give_token(struct luff_call *r, const struct luff_fault *f)
{
	LUFF_AUTO(buffer) scopes = {.cap = SCOPES_MAX};
	int ttl = f->token_ttl > 0 ? f->token_ttl : TTL_DEFAULT;
	LUFF_AUTO(text) token = NULL;
	struct luff_error ignored = {0};
	char *body = NULL;

	if (f->user && !is_user(r, f)) {
		luff_reply_refuse(r, &ignored, MHD_HTTP_UNAUTHORIZED, "UNAUTHORIZED",
				  "wrong user or password");
		luff_reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"luff\"");
		return;
	}
	luff_mhd.get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, add_scope, &scopes);
	token = make_token(scopes.data ? scopes.data : "", ttl);
	if (!token || asprintf(&body, "{\"token\":\"%s\",\"expires_in\":%d}", token, ttl) < 0)
		return;
	luff_reply_bytes(r, MHD_HTTP_OK, "application/json", body, strlen(body), &ignored);
}
