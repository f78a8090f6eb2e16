/* See credentials.h. */
#include "mediums/registry/credentials.h"

#include <errno.h>
#include <fcntl.h>
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

void luff_credentials_release(struct luff_credentials *c)
{
	if (c->user)
		explicit_bzero(c->user, strlen(c->user));
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->user);
	free(c->password);
	*c = (struct luff_credentials){0};
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

/* "https://index.docker.io/v1/" is docker.io, "https://host/v2/" is host; a key with another path is no host's. */
static bool is_key_of(const char *key, const char *registry)
{
	const char *scheme = strstr(key, "://"), *host = scheme ? scheme + 3 : key;
	size_t len = strcspn(host, "/");
	const char *path = host + len;

	if (*path && strcmp(path, "/") != 0 && strcmp(path, "/v1/") != 0 && strcmp(path, "/v2/") != 0 &&
	    strcmp(path, "/v1") != 0 && strcmp(path, "/v2") != 0)
		return false;
	if (strlen(registry) == len && strncasecmp(host, registry, len) == 0)
		return true;
	return strcmp(registry, "docker.io") == 0 &&
	       ((len == 15 && strncasecmp(host, "index.docker.io", len) == 0) ||
		(len == 20 && strncasecmp(host, "registry-1.docker.io", len) == 0));
}

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
	const char *auth = luff_json_string(entry, "auth");
	const char *user = luff_json_string(entry, "username"),
		   *password = luff_json_string(entry, "password");

	if (auth && *auth)
		return read_auth(out, auth, err);
	if (!user || !*user || !password)
		return 0;
	out->user = strdup(user);
	out->password = strdup(password);
	if (!out->user || !out->password) {
		luff_credentials_release(out);
		return luff_fail_nomem(err);
	}
	return 0;
}

int luff_credentials_parse(struct luff_credentials *out, const char *text, size_t len, const char *registry,
			   struct luff_error *err)
{
	LUFF_AUTO(json) doc = NULL;
	const cJSON *entry, *found = NULL;
	int rc;

	*out = (struct luff_credentials){0};
	rc = luff_json_parse(&doc, text, len, "docker config", err);
	if (rc < 0)
		return rc;
	cJSON_ArrayForEach(entry, luff_json_object(doc, "auths"))
	{
		/* the exact key before its other spellings */
		if (strcmp(entry->string, registry) == 0 || (!found && is_key_of(entry->string, registry)))
			found = entry;
	}
	return found ? read_entry(out, found, err) : 0;
}

static int read_file(struct luff_buffer *out, const char *path, struct luff_error *err)
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

int luff_credentials_find(struct luff_credentials *out, const char *registry, struct luff_error *err)
{
	LUFF_AUTO(buffer) text = {.cap = LUFF_CREDENTIALS_FILE_MAX};
	LUFF_AUTO(text) path = NULL;
	const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	struct luff_error failure = {0};
	int rc;

	*out = (struct luff_credentials){0};
	if (folder && *folder)
		rc = asprintf(&path, "%s/config.json", folder);
	else if (home && *home)
		rc = asprintf(&path, "%s/.docker/config.json", home);
	else
		return 0;
	if (rc < 0) {
		path = NULL;
		return luff_fail_nomem(err);
	}
	rc = read_file(&text, path, &failure);
	if (rc == 0 && text.len > 0)
		rc = luff_credentials_parse(out, text.data, text.len, registry, &failure);
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (rc == 0 || rc == LUFF_ENOTFOUND || failure.sys_errno == ENOTDIR)
		return 0;
	*err = failure;
	return luff_fail_context(err, "%s", path);
}
