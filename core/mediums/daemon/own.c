/* What a daemon does itself, on request: pulls, pushes, prunes. How it goes is told in objects of JSON behind a status of 200. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "http/credentials.h"
#include "http/url.h"
#include "mediums/daemon/answer.h"
#include "mediums/daemon/client.h"
#include "mediums/daemon/images.h"

#define PRUNED_MAX (64 << 20) /* bytes of the list of what was removed */

static int here(int rc, struct luff_error *err)
{
	return rc < 0 ? luff_fail_context(err, LUFF_DAEMON) : 0;
}

/* ---- the login ---- */

static bool add(cJSON *to, const char *key, const char *value)
{
	return !value || cJSON_AddStringToObject(to, key, value);
}

/* "X-Registry-Auth: …" with the base64url of docker's AuthConfig; *out stays NULL where nobody knows a login. */
static int make_login(char **out, const struct luff_client *client, const struct luff_reference *ref,
		      struct luff_error *err)
{
	LUFF_AUTO(credentials) c = {0};
	LUFF_AUTO(json) auth = NULL;
	char *text = NULL, *coded = NULL;
	int rc = luff_credentials_find(&c, ref->registry, ref->repository, err);

	*out = NULL;
	if (rc < 0 || luff_credentials_empty(&c))
		return rc;
	if (!luff_client_is_close(client))
		return luff_client_context(
			client,
			(luff_fail(err, LUFF_EDENIED,
				   "the login for %s would go there in the clear: use TLS or a socket",
				   ref->registry),
			 err));
	auth = cJSON_CreateObject();
	if (auth && add(auth, "username", c.user) && add(auth, "password", c.password) &&
	    add(auth, "identitytoken", c.identity) && add(auth, "registrytoken", c.bearer) &&
	    add(auth, "serveraddress",
		strcmp(ref->registry, "docker.io") == 0 ? LUFF_CREDENTIALS_HUB : ref->registry))
		text = cJSON_PrintUnformatted(auth);
	if (text)
		coded = luff_text_base64(text, strlen(text));
	for (char *p = coded; p && *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	if (!coded || asprintf(out, "X-Registry-Auth: %s", coded) < 0) {
		*out = NULL;
		rc = luff_fail_nomem(err);
	}
	if (text)
		explicit_bzero(text, strlen(text));
	if (coded)
		explicit_bzero(coded, strlen(coded));
	free(text);
	free(coded);
	return rc;
}

/* ---- pull and push ---- */

static void tell(void *arg, const cJSON *object)
{
	const struct luff_daemon_options *options = arg;
	const cJSON *detail = luff_json_object(object, "progressDetail");
	const char *id = luff_json_string(object, "id"), *status = luff_json_string(object, "status");
	char id_word[80], status_word[200];
	struct luff_daemon_event event = {.bytes = -1, .total = -1};

	/* Podman tells some of it as a stream of text */
	status = status ? status : luff_json_string(object, "stream");
	if (!status)
		return;
	event.id = luff_text_printable(id_word, sizeof id_word, id ? id : "");
	event.status = luff_text_printable(status_word, sizeof status_word, status);
	if (!luff_json_int64(&event.bytes, detail, "current"))
		event.bytes = -1;
	if (!luff_json_int64(&event.total, detail, "total"))
		event.total = -1;
	options->progress(options->arg, &event);
}

static int follow(struct luff_client *client, const char *path, const char *login,
		  const struct luff_daemon_options *options, struct luff_error *err)
{
	struct luff_client_request request = {.method = "POST", .path = path, .login = login};
	struct luff_answer_stream stream;
	LUFF_AUTO(exchange) x = NULL;
	int rc = luff_client_ask(&x, client, &request, err);

	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) != 200)
		return luff_client_refused(client, x, err);
	luff_answer_stream_init(&stream);
	if (options && options->progress) {
		stream.each = tell;
		stream.arg = (void *)options;
	}
	rc = luff_answer_stream_read(&stream, luff_exchange_reader(x), err);
	luff_answer_stream_release(&stream);
	return rc == LUFF_EHTTP || rc == LUFF_EFORMAT || rc == LUFF_ELIMIT ? luff_client_context(client, err)
									   : rc;
}

static int parse_name(struct luff_reference *out, const char *name, struct luff_error *err)
{
	int rc = luff_reference_parse(out, name, err);

	if (rc == 0 && !out->tag[0] && !out->digest.text[0])
		luff_text_copy(out->tag, sizeof out->tag, "latest");
	return rc;
}

int luff_daemon_pull(const char *name, const struct luff_daemon_options *options, struct luff_error *err)
{
	LUFF_AUTO(buffer) path = {.cap = LUFF_URL_MAX};
	LUFF_AUTO(text) login = NULL;
	struct luff_client *client = NULL;
	struct luff_reference ref;
	char platform[LUFF_PLATFORM_TEXT_MAX];
	int rc = parse_name(&ref, name, err);

	if (rc == 0)
		rc = luff_client_new(&client, err);
	if (rc == 0)
		rc = make_login(&login, client, &ref, err);
	/* what a parsed name has needs no encoding */
	if (rc == 0)
		rc = luff_buffer_printf(&path, err, "/images/create?fromImage=%s/%s&tag=%s", ref.registry,
					ref.repository, ref.digest.text[0] ? ref.digest.text : ref.tag);
	if (rc == 0 && options && options->platform) {
		luff_platform_format(platform, options->platform);
		rc = luff_buffer_printf(&path, err, "&platform=");
		if (rc == 0)
			rc = luff_url_encode(&path, platform, err);
	}
	if (rc == 0)
		rc = follow(client, path.data, login, options, err);
	luff_client_unref(client);
	return here(rc, err);
}

int luff_daemon_push(const char *name, const struct luff_daemon_options *options, struct luff_error *err)
{
	LUFF_AUTO(buffer) path = {.cap = LUFF_URL_MAX};
	LUFF_AUTO(text) login = NULL;
	struct luff_client *client = NULL;
	struct luff_reference ref;
	int rc = parse_name(&ref, name, err);

	if (rc == 0 && ref.digest.text[0])
		rc = luff_fail(err, LUFF_ENAME, "%s: a daemon pushes by tag", name);
	if (rc == 0)
		rc = luff_client_new(&client, err);
	if (rc == 0)
		rc = make_login(&login, client, &ref, err);
	if (rc == 0)
		rc = luff_buffer_printf(&path, err, "/images/%s/%s/push?tag=%s", ref.registry, ref.repository,
					ref.tag);
	/* without the header some daemons refuse to begin: "{}" is nobody */
	if (rc == 0)
		rc = follow(client, path.data, login ? login : "X-Registry-Auth: e30=", options, err);
	luff_client_unref(client);
	return here(rc, err);
}

/* ---- prune ---- */

int luff_daemon_prune(struct luff_daemon_pruned *out, bool all, struct luff_error *err)
{
	struct luff_client_request request = {
		.method = "POST",
		/* {"dangling":["true"]} */
		.path = all ? "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D"
			    : "/images/prune?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"};
	LUFF_AUTO(text) text = NULL;
	struct luff_client *client = NULL;
	size_t len;
	int rc = luff_client_new(&client, err);

	*out = (struct luff_daemon_pruned){0};
	if (rc == 0)
		rc = luff_client_read(&text, &len, client, &request, PRUNED_MAX, err);
	if (rc == 0 && luff_answer_pruned(out, text, len, err) < 0)
		rc = luff_client_context(client, err);
	luff_client_unref(client);
	return here(rc, err);
}
