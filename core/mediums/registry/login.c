/* Logging in, which is proven to the registry before it is kept where docker keeps it, and out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "http/credentials.h"
#include "http/helper.h"
#include "mediums/registry/config.h"
#include "mediums/registry/registry.h"

/* ---- Names ---- */

/* "ghcr.io", "localhost:5000", or a URL of one, as people paste them: "https://index.docker.io/v1/" */
static int read_registry(char out[LUFF_NAME_MAX + 1], const char *text, struct luff_error *err)
{
	const char *scheme = strstr(text, "://"), *host = scheme ? scheme + 3 : text;
	char name[LUFF_NAME_MAX + 16], printable[160];
	struct luff_reference ref;
	struct luff_error ignored = {0};
	size_t len = strcspn(host, "/");

	luff_text_printable(printable, sizeof printable, text);
	snprintf(name, sizeof name, "%.*s/x/y", (int)(len > LUFF_NAME_MAX ? LUFF_NAME_MAX + 1 : len), host);
	/* what the grammar takes for a part of a repository is no host */
	if (luff_reference_parse(&ref, name, &ignored) < 0 || strcmp(ref.repository, "x/y") != 0)
		return luff_fail(err, LUFF_ENAME,
				 "\"%s\" is no registry: want a host with a dot or a port, or localhost",
				 printable);
	memcpy(out, ref.registry, sizeof ref.registry);
	return 0;
}

/* As docker names it, in its file and to helpers. */
static const char *server_of(const char *registry)
{
	return strcmp(registry, "docker.io") == 0 ? LUFF_CREDENTIALS_HUB : registry;
}

/* ---- Looking ---- */

void luff_login_release(struct luff_login *login)
{
	struct luff_credentials c = {.user = login->user,
				     .password = login->password,
				     .identity = login->identity_token,
				     .bearer = login->token};

	luff_credentials_release(&c);
	memset(login, 0, sizeof *login);
}

int luff_login_find(struct luff_login *out, const char *name, struct luff_error *err)
{
	struct luff_credentials c = {0};
	struct luff_reference ref = {.repository = ""};
	int rc;

	memset(out, 0, sizeof *out);
	if (strchr(name, '/') && !strstr(name, "://"))
		rc = luff_reference_parse(&ref, name, err);
	else
		rc = read_registry(ref.registry, name, err);
	if (rc == 0)
		rc = luff_credentials_find(&c, ref.registry, ref.repository, err);
	if (rc < 0)
		return rc;
	memcpy(out->registry, ref.registry, sizeof out->registry);
	out->user = luff_take(c.user);
	out->password = luff_take(c.password);
	out->identity_token = luff_take(c.identity);
	out->token = luff_take(c.bearer);
	luff_credentials_release(&c);
	return 0;
}

/* ---- In ---- */

static int verify(const char *registry, bool plain_http, const struct luff_credentials *c,
		  struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	struct luff_host *h;
	int rc = luff_host_new(&h, registry, plain_http, c, err);

	if (rc == 0) {
		struct luff_request request = {.host = h, .method = "GET", .url = "/v2/", .scope = ""};

		rc = luff_request_send(&x, &request, err);
	}
	if (rc == 0 && luff_exchange_status(x) != 200)
		rc = luff_request_refused(x, registry, "cannot log in", err);
	luff_exchange_close(luff_take(x));
	luff_host_unref(h);
	return rc;
}

/* Takes the registry's keys out, of which there may be several spellings, but for the one that stays. */
static bool remove_keys(cJSON *auths, const char *registry, const char *stays)
{
	bool any = false;

	for (cJSON *entry = auths ? auths->child : NULL, *next; entry; entry = next) {
		next = entry->next;
		if (luff_credentials_is_key(entry->string, registry) && strcmp(entry->string, stays) != 0) {
			cJSON_Delete(cJSON_DetachItemViaPointer(auths, entry));
			any = true;
		}
	}
	return any;
}

/* The entry of a registry, in its old place; `auth` is NULL where a helper has the rest. */
static int set_entry(cJSON *doc, const char *registry, const char *auth, struct luff_error *err)
{
	cJSON *auths = cJSON_GetObjectItemCaseSensitive(doc, "auths");
	LUFF_AUTO(json) entry = cJSON_CreateObject();
	const char *key = server_of(registry);
	bool done;

	if (!auths)
		auths = cJSON_AddObjectToObject(doc, "auths");
	if (!auths || !entry || (auth && !cJSON_AddStringToObject(entry, "auth", auth)))
		return luff_fail_nomem(err);
	remove_keys(auths, registry, key);
	done = cJSON_GetObjectItemCaseSensitive(auths, key)
		       ? cJSON_ReplaceItemInObjectCaseSensitive(auths, key, entry)
		       : cJSON_AddItemToObject(auths, key, entry);
	if (!done)
		return luff_fail_nomem(err);
	entry = NULL;
	return 0;
}

static int keep(const char *registry, const struct luff_credentials *c, struct luff_error *err)
{
	LUFF_AUTO(config) config = {0};
	char *basic = NULL;
	const char *helper;
	int rc = luff_config_read(&config, err);

	if (rc < 0)
		return rc;
	helper = luff_credentials_helper(config.doc, registry);
	if (helper) {
		rc = luff_helper_store(helper, server_of(registry), c, err);
		if (rc < 0 && rc != LUFF_ECANCELED)
			luff_fail_context(err, "%s", config.path);
	} else {
		rc = luff_credentials_basic(&basic, c, err);
	}
	if (rc == 0)
		rc = set_entry(config.doc, registry, basic ? strchr(basic, ' ') + 1 : NULL, err);
	if (rc == 0)
		rc = luff_config_write(&config, err);
	if (basic)
		explicit_bzero(basic, strlen(basic));
	free(basic);
	return rc;
}

/* What this process knew is asked for anew. */
static void renew(void)
{
	luff_helpers_forget();
	luff_hosts_renew();
}

int luff_login_add(const char *registry, const char *user, const char *password, bool plain_http,
		   struct luff_error *err)
{
	LUFF_AUTO(credentials) c = {0};
	char name[LUFF_NAME_MAX + 1];
	int rc = read_registry(name, registry, err);

	if (rc < 0)
		return rc;
	if (!*user || !*password)
		return luff_fail(err, LUFF_EINVAL, "%s: a login has a user and a password", name);
	if (strchr(user, ':'))
		return luff_fail(err, LUFF_EINVAL, "%s: a user's name has no colon", name);
	c.user = strdup(user);
	c.password = strdup(password);
	if (!c.user || !c.password)
		return luff_fail_nomem(err);
	rc = verify(name, plain_http, &c, err);
	if (rc == 0)
		rc = keep(name, &c, err);
	if (rc == 0)
		renew();
	return rc;
}

/* ---- Out ---- */

/* Takes the login out of the helper that keeps it, if one does. */
static int erase(bool *any, const struct luff_config *config, const char *registry, struct luff_error *err)
{
	const char *helper = luff_credentials_helper(config->doc, registry);
	LUFF_AUTO(credentials) c = {0};
	int rc = helper ? luff_helper_get(&c, helper, server_of(registry), err) : 0;

	if (rc == 0 && !luff_credentials_empty(&c)) {
		*any = true;
		rc = luff_helper_erase(helper, server_of(registry), err);
	}
	return rc < 0 && rc != LUFF_ECANCELED ? luff_fail_context(err, "%s", config->path) : rc;
}

/* The same for each host that is a key of the object. */
static int erase_each(bool *any, const struct luff_config *config, const cJSON *object,
		      struct luff_error *err)
{
	struct luff_error ignored = {0};
	char registry[LUFF_NAME_MAX + 1];
	const cJSON *entry;
	int rc = 0;

	cJSON_ArrayForEach(entry, object)
	{
		if (rc == 0 && read_registry(registry, entry->string, &ignored) == 0)
			rc = erase(any, config, registry, err);
	}
	return rc;
}

static int remove_all(bool *any, const struct luff_config *config, struct luff_error *err)
{
	cJSON *auths = cJSON_GetObjectItemCaseSensitive(config->doc, "auths");
	int rc = erase_each(any, config, luff_json_object(config->doc, "auths"), err);

	if (rc == 0)
		rc = erase_each(any, config, luff_json_object(config->doc, "credHelpers"), err);
	while (rc == 0 && auths && auths->child) {
		cJSON_Delete(cJSON_DetachItemViaPointer(auths, auths->child));
		*any = true;
	}
	return rc;
}

int luff_login_remove(bool *out, const char *registry, struct luff_error *err)
{
	LUFF_AUTO(config) config = {0};
	char name[LUFF_NAME_MAX + 1];
	bool any = false;
	int rc = registry ? read_registry(name, registry, err) : 0;

	*out = false;
	if (rc == 0)
		rc = luff_config_read(&config, err);
	if (rc == 0)
		rc = registry ? erase(&any, &config, name, err) : remove_all(&any, &config, err);
	if (rc == 0 && registry &&
	    remove_keys(cJSON_GetObjectItemCaseSensitive(config.doc, "auths"), name, ""))
		any = true;
	if (rc == 0 && any)
		rc = luff_config_write(&config, err);
	if (rc < 0)
		return rc;
	*out = any;
	renew();
	return 0;
}
