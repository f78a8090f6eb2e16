/* See helper.h. */
#include "http/helper.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "base/scope.h"
#include "base/text.h"

#define NAME_MAX_LENGTH 64
#define WORDS_MAX (4 << 10) /* bytes of stderr that are looked at */
#define FAILURE_MS 5000 /* for which a failure stands; the next image of a list does not wait for it again */
#define TICK_NS (20 * 1000 * 1000L)

/* ---- One call ---- */

static void end_release(struct luff_process_end *end)
{
	if (end->output.data)
		explicit_bzero(end->output.data, end->output.len);
	luff_buffer_release(&end->output);
	luff_buffer_release(&end->words);
}

typedef struct luff_process_end luff_auto_type_end;
static inline void luff_auto_end(struct luff_process_end *end)
{
	end_release(end);
}

static bool is_name(const char *helper)
{
	size_t n = strspn(helper, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n <= NAME_MAX_LENGTH && helper[n] == '\0';
}

static int run(struct luff_process_end *end, const char *helper, const char *verb, const char *input,
	       struct luff_error *err)
{
	char program[32 + NAME_MAX_LENGTH], printable[100];
	const char *const argv[] = {program, verb, NULL};
	struct luff_process process = {.argv = argv, .input = input, .limit_ms = LUFF_HELPER_MS};
	int rc;

	if (!is_name(helper))
		return luff_fail(err, LUFF_EINVAL, "\"%s\" is no name of a credential helper",
				 luff_text_printable(printable, sizeof printable, helper));
	snprintf(program, sizeof program, "docker-credential-%s", helper);
	rc = luff_process_run(end, &process, err);
	if (rc == LUFF_ENOTFOUND)
		return luff_fail(err, LUFF_EAUTH, "%s is not on PATH; install it, or take it out of the file",
				 program);
	return rc;
}

/* The first line that it printed; helpers complain on stdout. */
static void first_line(char *buf, size_t size, const struct luff_process_end *end)
{
	const char *text = end->output.data ? end->output.data : "";
	LUFF_AUTO(text) line = NULL;

	text += strspn(text, " \t\r\n");
	if (!*text && end->words.data)
		text = end->words.data + strspn(end->words.data, " \t\r\n");
	line = strndup(text, strcspn(text, "\r\n"));
	luff_text_printable(buf, size, line ? line : "");
}

/* Its own words, but not what may hold a secret. */
static int fail_helper(const char *helper, const char *verb, const struct luff_process_end *end,
		       struct luff_error *err)
{
	char line[160];

	first_line(line, sizeof line, end);
	if (strchr(line, '{') || (end->output.data && strstr(end->output.data, "\"Secret\"")))
		line[0] = '\0';
	return luff_fail(err, LUFF_EAUTH, "docker-credential-%s %s fails (exit code %d)%s%s", helper, verb,
			 end->code, *line ? ": " : "", line);
}

/* How helpers say that they know nothing of a server. */
static bool knows_nothing(const struct luff_process_end *end)
{
	static const char *const words[] = {
		"credentials not found", /* "… in native keychain" */
		"no credentials server URL",
		"no credentials username",
		"The specified item could not be found in the keychain",
		"Element not found",
	};
	char line[160];

	first_line(line, sizeof line, end);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strncasecmp(line, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

static int read_answer(struct luff_credentials *out, const char *helper, const struct luff_process_end *end,
		       struct luff_error *err)
{
	LUFF_AUTO(json) doc = NULL;
	const char *user, *secret;
	char what[64 + NAME_MAX_LENGTH];
	int rc;

	snprintf(what, sizeof what, "docker-credential-%s's answer", helper);
	rc = luff_json_parse(&doc, end->output.data ? end->output.data : "", end->output.len, what, err);
	if (rc < 0)
		return rc;
	user = luff_json_string(doc, "Username");
	secret = luff_json_string(doc, "Secret");
	if (!user || !*user || !secret || !*secret)
		return 0;
	if (strcmp(user, "<token>") == 0) {
		out->identity = strdup(secret);
	} else {
		out->user = strdup(user);
		out->password = strdup(secret);
	}
	if (out->identity || (out->user && out->password))
		return 0;
	luff_credentials_release(out);
	return luff_fail_nomem(err);
}

static int ask(struct luff_credentials *out, const char *helper, const char *server, struct luff_error *err)
{
	LUFF_AUTO(end) end = {.output = {.cap = LUFF_HELPER_OUTPUT_MAX}, .words = {.cap = WORDS_MAX}};
	int rc = run(&end, helper, "get", server, err);

	if (rc < 0)
		return rc;
	if (end.code != 0)
		return knows_nothing(&end) ? 0 : fail_helper(helper, "get", &end, err);
	return read_answer(out, helper, &end, err);
}

/* For verbs that answer nothing. */
static int tell(const char *helper, const char *verb, const char *input, struct luff_error *err)
{
	LUFF_AUTO(end) end = {.output = {.cap = LUFF_HELPER_OUTPUT_MAX}, .words = {.cap = WORDS_MAX}};
	int rc = run(&end, helper, verb, input, err);

	return rc == 0 && end.code != 0 ? fail_helper(helper, verb, &end, err) : rc;
}

int luff_helper_store(const char *helper, const char *server, const struct luff_credentials *c,
		      struct luff_error *err)
{
	LUFF_AUTO(json) doc = cJSON_CreateObject();
	char *text = NULL;
	int rc;

	if (doc && cJSON_AddStringToObject(doc, "ServerURL", server) &&
	    cJSON_AddStringToObject(doc, "Username", c->user) &&
	    cJSON_AddStringToObject(doc, "Secret", c->password))
		text = cJSON_PrintUnformatted(doc);
	if (!text)
		return luff_fail_nomem(err);
	rc = tell(helper, "store", text, err);
	explicit_bzero(text, strlen(text));
	cJSON_free(text);
	return rc;
}

int luff_helper_erase(const char *helper, const char *server, struct luff_error *err)
{
	return tell(helper, "erase", server, err);
}

/* ---- What was answered ---- */

struct answer {
	struct answer *next;
	char *helper, *server;
	struct luff_credentials credentials;
	struct luff_error failure; /* code 0: none */
	int64_t good_until;        /* ms */
	int64_t renewed_at;        /* ms, when the answer was last refused; 0: never */
	bool busy;                 /* somebody asks */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct answer *answers;

static void answer_free(struct answer *a)
{
	luff_credentials_release(&a->credentials);
	free(a->helper);
	free(a->server);
	free(a);
}

void luff_helpers_forget(void)
{
	pthread_mutex_lock(&lock);
	for (struct answer **at = &answers; *at;) {
		struct answer *a = *at;

		if (a->busy) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		answer_free(a);
	}
	pthread_mutex_unlock(&lock);
}

void luff_helpers_refused(const struct luff_credentials *c)
{
	int64_t now = luff_clock_ms();

	pthread_mutex_lock(&lock);
	for (struct answer *a = answers; a; a = a->next) {
		if (!a->busy && !a->failure.code && luff_credentials_equal(&a->credentials, c) &&
		    (!a->renewed_at || now - a->renewed_at > FAILURE_MS)) {
			a->good_until = 0;
			a->renewed_at = now;
		}
	}
	pthread_mutex_unlock(&lock);
}

/* NULL when out of memory. */
static struct answer *find(const char *helper, const char *server)
{
	struct answer *a = answers;

	while (a && (strcmp(a->helper, helper) != 0 || strcmp(a->server, server) != 0))
		a = a->next;
	if (a)
		return a;
	a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	a->helper = strdup(helper);
	a->server = strdup(server);
	if (!a->helper || !a->server) {
		answer_free(a);
		return NULL;
	}
	a->next = answers;
	answers = a;
	return a;
}

static int give(struct luff_credentials *out, const struct answer *a, struct luff_error *err)
{
	if (a->failure.code) {
		*err = a->failure;
		return err->code;
	}
	return luff_credentials_copy(out, &a->credentials, err);
}

/* The entry that holds an answer, or that the caller has to ask for, busy from now on. The lock is held. */
static int settle(struct answer **out, const char *helper, const char *server, struct luff_error *err)
{
	for (;;) {
		struct timespec tick = {.tv_nsec = TICK_NS};
		struct answer *a = find(helper, server);
		int rc;

		if (!a)
			return luff_fail_nomem(err);
		if (!a->busy) {
			a->busy = luff_clock_ms() >= a->good_until;
			*out = a;
			return 0;
		}
		pthread_mutex_unlock(&lock);
		nanosleep(&tick, NULL);
		rc = luff_scope_check(err);
		pthread_mutex_lock(&lock);
		if (rc < 0)
			return rc;
	}
}

int luff_helper_get(struct luff_credentials *out, const char *helper, const char *server,
		    struct luff_error *err)
{
	struct luff_credentials c = {0};
	struct luff_error failure = {0};
	struct answer *a = NULL;
	int rc;

	*out = (struct luff_credentials){0};
	pthread_mutex_lock(&lock);
	rc = settle(&a, helper, server, err);
	if (rc == 0 && a->busy) {
		pthread_mutex_unlock(&lock);
		rc = ask(&c, helper, server, &failure);
		pthread_mutex_lock(&lock);
		luff_credentials_release(&a->credentials);
		a->credentials = c;
		a->failure = failure;
		a->good_until = rc < 0 ? luff_clock_ms() + FAILURE_MS : INT64_MAX;
		if (rc == LUFF_ECANCELED || rc == LUFF_ENOMEM)
			a->good_until = 0; /* was no fault of the helper's */
		a->busy = false;
		rc = 0;
	}
	if (rc == 0)
		rc = give(out, a, err);
	pthread_mutex_unlock(&lock);
	return rc;
}
