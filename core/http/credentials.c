/* See credentials.h. */
#include "http/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "http/helper.h"

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

bool luff_credentials_empty(const struct luff_credentials *c)
{
	return !c->user && !c->identity && !c->bearer;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool luff_credentials_equal(const struct luff_credentials *a, const struct luff_credentials *b)
{
	return same(a->user, b->user) && same(a->password, b->password) && same(a->identity, b->identity) &&
	       same(a->bearer, b->bearer);
}

void luff_credentials_release(struct luff_credentials *c)
{
	wipe(c->user);
	wipe(c->password);
	wipe(c->identity);
	wipe(c->bearer);
	*c = (struct luff_credentials){0};
}

/* A copy of a text that says something; *out stays NULL for any other. */
static int copy_text(char **out, const char *text, struct luff_error *err)
{
	if (!text || !*text)
		return 0;
	*out = strdup(text);
	return *out ? 0 : luff_fail_nomem(err);
}

int luff_credentials_copy(struct luff_credentials *out, const struct luff_credentials *c,
			  struct luff_error *err)
{
	int rc;

	*out = (struct luff_credentials){0};
	rc = copy_text(&out->user, c->user, err);
	if (rc == 0 && c->password && !(out->password = strdup(c->password)))
		rc = luff_fail_nomem(err);
	if (rc == 0)
		rc = copy_text(&out->identity, c->identity, err);
	if (rc == 0)
		rc = copy_text(&out->bearer, c->bearer, err);
	if (rc < 0)
		luff_credentials_release(out);
	return rc;
}

int luff_credentials_basic(char **out, const struct luff_credentials *c, struct luff_error *err)
{
	LUFF_AUTO(text) pair = NULL;
	LUFF_AUTO(text) encoded = NULL;

	*out = NULL;
	if (asprintf(&pair, "%s:%s", c->user, c->password) < 0) {
		pair = NULL;
		return luff_fail_nomem(err);
	}
	encoded = luff_text_base64(pair, strlen(pair));
	explicit_bzero(pair, strlen(pair));
	if (!encoded || asprintf(out, "Basic %s", encoded) < 0) {
		*out = NULL;
		return luff_fail_nomem(err);
	}
	return 0;
}

/* ---- Keys ---- */

/* Docker Hub has many names. */
static bool is_host(const char *host, size_t len, const char *registry)
{
	static const char *const hub[] = {"index.docker.io", "registry-1.docker.io"};

	if (strlen(registry) == len && strncasecmp(host, registry, len) == 0)
		return true;
	for (size_t i = 0; strcmp(registry, "docker.io") == 0 && i < sizeof hub / sizeof *hub; i++) {
		if (strlen(hub[i]) == len && strncasecmp(host, hub[i], len) == 0)
			return true;
	}
	return false;
}

/*
 * How well a key of "auths" fits: 0 not at all, 1 it is another spelling of the registry, 2 its name, 3 and more: it is a
 * namespace that the repository is in, the deeper the higher.
 */
static size_t rank(const char *key, const char *registry, const char *repository)
{
	static const char *const whole[] = {"", "/", "/v1", "/v1/", "/v2", "/v2/"};
	const char *scheme = strstr(key, "://"), *host = scheme ? scheme + 3 : key;
	size_t len = strcspn(host, "/"), below;
	const char *path = host + len;

	if (!is_host(host, len, registry))
		return 0;
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
		if (strcmp(path, whole[i]) == 0)
			return strcmp(key, registry) == 0 ? 2 : 1;
	}
	below = strlen(++path);
	if (scheme || strncmp(path, repository, below) != 0 ||
	    (repository[below] && repository[below] != '/'))
		return 0;
	return 2 + below;
}

bool luff_credentials_is_key(const char *key, const char *registry)
{
	return rank(key, registry, "") > 0;
}

/* An entry without members only says that somebody else has the password. */
static const cJSON *find_entry(const cJSON *doc, const char *registry, const char *repository)
{
	const cJSON *entry, *found = NULL;
	size_t best = 0;

	cJSON_ArrayForEach(entry, luff_json_object(doc, "auths"))
	{
		size_t fits = entry->child ? rank(entry->string, registry, repository) : 0;

		if (fits > best) {
			best = fits;
			found = entry;
		}
	}
	return found;
}

/* ---- Entries ---- */

/* "user:password" in base64, which some tools write without its padding. */
static int read_auth(struct luff_credentials *out, const char *auth, struct luff_error *err)
{
	static const char padding[] = "===";
	LUFF_AUTO(text) padded = NULL;
	LUFF_AUTO(text) pair = NULL;
	size_t len = strcspn(auth, "="), n;
	char *colon;

	if (asprintf(&padded, "%.*s%.*s", (int)len, auth, (int)((4 - len % 4) % 4), padding) < 0) {
		padded = NULL;
		return luff_fail_nomem(err);
	}
	pair = luff_text_unbase64(&n, padded);
	explicit_bzero(padded, strlen(padded));
	colon = pair ? strchr(pair, ':') : NULL;
	if (colon) {
		out->user = strndup(pair, (size_t)(colon - pair));
		out->password = strdup(colon + 1); /* Docker pads with NULs, which end it here */
	}
	if (pair)
		explicit_bzero(pair, n);
	if (!colon)
		return luff_fail(err, LUFF_EFORMAT, "an \"auth\" that is not base64 of user:password");
	if (!out->user || !out->password) {
		luff_credentials_release(out);
		return luff_fail_nomem(err);
	}
	return 0;
}

static int read_entry(struct luff_credentials *out, const cJSON *entry, struct luff_error *err)
{
	LUFF_AUTO(credentials) c = {0};
	const char *auth = luff_json_string(entry, "auth"), *password = luff_json_string(entry, "password");
	int rc = copy_text(&c.identity, luff_json_string(entry, "identitytoken"), err);

	if (rc == 0)
		rc = copy_text(&c.bearer, luff_json_string(entry, "registrytoken"), err);
	if (rc == 0 && auth && *auth) {
		rc = read_auth(&c, auth, err);
	} else if (rc == 0 && password) {
		rc = copy_text(&c.user, luff_json_string(entry, "username"), err);
		c.password = c.user ? strdup(password) : NULL;
		if (rc == 0 && c.user && !c.password)
			rc = luff_fail_nomem(err);
	}
	if (rc < 0)
		return rc;
	*out = c;
	c = (struct luff_credentials){0};
	return 0;
}

const char *luff_credentials_helper(const cJSON *doc, const char *registry)
{
	const cJSON *entry, *found = NULL;
	const char *store = luff_json_string(doc, "credsStore");
	size_t best = 0;

	cJSON_ArrayForEach(entry, luff_json_object(doc, "credHelpers"))
	{
		size_t fits = cJSON_IsString(entry) ? rank(entry->string, registry, "") : 0;

		if (fits > best) {
			best = fits;
			found = entry;
		}
	}
	if (found)
		store = found->valuestring;
	return store && *store ? store : NULL;
}

int luff_credentials_parse(struct luff_credentials *out, char **helper_out, const char *text, size_t len,
			   const char *registry, const char *repository, struct luff_error *err)
{
	LUFF_AUTO(json) doc = NULL;
	const cJSON *entry;
	int rc;

	*out = (struct luff_credentials){0};
	*helper_out = NULL;
	rc = luff_json_parse(&doc, text, len, "logins", err);
	if (rc < 0)
		return rc;
	entry = find_entry(doc, registry, repository);
	if (entry)
		rc = read_entry(out, entry, err);
	if (rc == 0)
		rc = copy_text(helper_out, luff_credentials_helper(doc, registry), err);
	if (rc < 0)
		luff_credentials_release(out);
	return rc;
}

/* ---- Files ---- */

int luff_credentials_read(struct luff_buffer *out, const char *path, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n = 1;
	int rc = 0;

	if (fd < 0)
		return luff_fail_errno(err, errno, "cannot open");
	while (rc == 0 && n > 0) {
		n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno != EINTR)
			rc = luff_fail_errno(err, errno, "cannot read");
		else if (n > 0)
			rc = luff_buffer_append(out, chunk, (size_t)n, err);
		else if (n < 0)
			n = 1; /* interrupted: again */
	}
	return rc;
}

/* What is looked for, and under which name a helper knows the registry. */
struct question {
	const char *registry, *repository, *server;
};

/* In what `text` says, which is wiped; `place` goes into messages. */
static int look(struct luff_credentials *out, struct luff_buffer *text, const char *place,
		const struct question *q, struct luff_error *err)
{
	LUFF_AUTO(credentials) written = {0};
	LUFF_AUTO(text) helper = NULL;
	int rc = 0;

	if (text->len > 0) {
		rc = luff_credentials_parse(&written, &helper, text->data, text->len, q->registry,
					    q->repository, err);
		explicit_bzero(text->data, text->len);
	}
	if (rc == 0 && helper)
		rc = luff_helper_get(out, helper, q->server, err);
	if (rc < 0)
		return rc == LUFF_ECANCELED ? rc : luff_fail_context(err, "%s", place);
	if (luff_credentials_empty(out)) {
		*out = written;
		written = (struct luff_credentials){0};
	}
	return 0;
}

/* In folder/name, which need not be there. A folder that is NULL or "" is none. */
static int look_in_file(struct luff_credentials *out, const char *folder, const char *name,
			const struct question *q, struct luff_error *err)
{
	LUFF_AUTO(buffer) text = {.cap = LUFF_CREDENTIALS_FILE_MAX};
	LUFF_AUTO(text) path = NULL;
	struct luff_error failure = {0};
	int rc;

	if (!folder || !*folder || !luff_credentials_empty(out))
		return 0;
	if (asprintf(&path, "%s%s", folder, name) < 0) {
		path = NULL;
		return luff_fail_nomem(err);
	}
	rc = luff_credentials_read(&text, path, &failure);
	if (rc == LUFF_ENOTFOUND || failure.sys_errno == ENOTDIR)
		return 0;
	if (rc < 0) {
		*err = failure;
		return luff_fail_context(err, "%s", path);
	}
	return look(out, &text, path, q, err);
}

static int look_at_podman(struct luff_credentials *out, const struct question *q, struct luff_error *err)
{
	const char *file = getenv("REGISTRY_AUTH_FILE"), *runtime = getenv("XDG_RUNTIME_DIR"),
		   *config = getenv("XDG_CONFIG_HOME");
	char run[64];
	int rc;

	if (file && *file)
		return look_in_file(out, file, "", q, err);
	snprintf(run, sizeof run, "/run/containers/%ld", (long)getuid());
	if (runtime && *runtime)
		rc = look_in_file(out, runtime, "/containers/auth.json", q, err);
	else
		rc = look_in_file(out, run, "/auth.json", q, err);
	if (rc == 0 && config && *config)
		rc = look_in_file(out, config, "/containers/auth.json", q, err);
	else if (rc == 0)
		rc = look_in_file(out, getenv("HOME"), "/.config/containers/auth.json", q, err);
	return rc;
}

int luff_credentials_docker_file(char **out, struct luff_error *err)
{
	const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	int rc;

	*out = NULL;
	if (folder && *folder)
		rc = asprintf(out, "%s/config.json", folder);
	else if (home && *home)
		rc = asprintf(out, "%s/.docker/config.json", home);
	else
		return 0;
	if (rc >= 0)
		return 0;
	*out = NULL;
	return luff_fail_nomem(err);
}

static int look_at_docker(struct luff_credentials *out, const struct question *q, struct luff_error *err)
{
	LUFF_AUTO(buffer) text = {.cap = LUFF_CREDENTIALS_FILE_MAX};
	const char *inline_text = getenv("DOCKER_AUTH_CONFIG");
	LUFF_AUTO(text) file = NULL;
	int rc = luff_credentials_docker_file(&file, err);

	if (rc == 0 && inline_text && luff_credentials_empty(out)) {
		rc = luff_buffer_append(&text, inline_text, strlen(inline_text), err);
		if (rc == 0)
			rc = look(out, &text, "$DOCKER_AUTH_CONFIG", q, err);
	}
	if (rc < 0)
		return rc;
	return look_in_file(out, file, "", q, err);
}

static atomic_bool closed; /* settings alone know logins */

void luff_logins_look(bool look)
{
	atomic_store(&closed, !look);
}

int luff_credentials_find(struct luff_credentials *out, const char *registry, const char *repository,
			  struct luff_error *err)
{
	struct question q = {.registry = registry, .repository = repository, .server = registry};
	int rc;

	*out = (struct luff_credentials){0};
	if (atomic_load(&closed))
		return 0;
	rc = look_at_podman(out, &q, err);
	if (strcmp(registry, "docker.io") == 0)
		q.server = LUFF_CREDENTIALS_HUB;
	return rc < 0 ? rc : look_at_docker(out, &q, err);
}
