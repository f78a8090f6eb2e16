/* See settings.h. */
#include "http/settings.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "http/url.h"

#define MIRRORS_MAX 16
#define TIMEOUT_MAX (24 * 60 * 60)
#define REQUESTS_MAX 1000
#define RATE_MAX 100000
#define BANDWIDTH_MAX 1e12
#define TEXTS 12        /* and NULL */
#define ORIGINS_MAX 256 /* remembered; servers choose where redirects lead */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct luff_settings_kept *said;  /* by the user */
static struct luff_settings_kept *found; /* for an origin, with what certs.d has; host is the origin */

/* ---- Kept settings ---- */

/* The members that are texts. */
static const char **const *texts_of(struct luff_settings *s, const char **at[TEXTS])
{
	const char **all[TEXTS] = {&s->scheme,        &s->address, &s->ca,    &s->cert, &s->key,
				   &s->certs,         &s->socket,  &s->proxy, &s->user, &s->helper,
				   &s->helper_server, NULL};

	memcpy(at, all, sizeof all);
	return at;
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void luff_settings_unref(struct luff_settings_kept *k)
{
	const char **at[TEXTS];

	if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	for (const char **const *p = texts_of(&k->settings, at); *p; p++)
		wipe((char *)**p); /* a key may be among them */
	wipe((char *)k->settings.password);
	for (const char *const *m = k->settings.mirrors; m && *m; m++)
		free((char *)*m);
	free((void *)k->settings.mirrors);
	free(k->host);
	free(k);
}

static bool copy_text(const char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return !text || *out;
}

static bool copy_mirrors(const char *const **out, const char *const *mirrors)
{
	const char **copies;
	size_t n = 0;

	*out = NULL;
	if (!mirrors)
		return true;
	while (mirrors[n])
		n++;
	copies = calloc(n + 1, sizeof *copies);
	*out = copies;
	for (size_t i = 0; copies && i < n; i++) {
		if (!copy_text(&copies[i], mirrors[i]))
			return false;
	}
	return copies;
}

struct luff_settings_kept *luff_settings_new(const char *host, const struct luff_settings *s)
{
	LUFF_AUTO(settings) k = calloc(1, sizeof *k);
	struct luff_settings from = *s;
	const char **at[TEXTS], **theirs[TEXTS];
	bool whole;

	if (!k)
		return NULL;
	atomic_init(&k->refs, 1);
	k->settings = from;
	k->settings.password = NULL;
	k->settings.mirrors = NULL;
	texts_of(&from, theirs);
	texts_of(&k->settings, at);
	for (size_t i = 0; at[i]; i++)
		*at[i] = NULL;
	k->host = strdup(host);
	whole = k->host && copy_text(&k->settings.password, s->password) &&
		copy_mirrors(&k->settings.mirrors, s->mirrors);
	for (size_t i = 0; whole && at[i]; i++)
		whole = copy_text(at[i], *theirs[i]);
	return whole ? luff_take(k) : NULL;
}

static struct luff_settings_kept **find(struct luff_settings_kept **at, const char *host)
{
	while (*at && strcmp((*at)->host, host) != 0)
		at = &(*at)->next;
	return at;
}

struct luff_settings_kept *luff_settings_ref(struct luff_settings_kept *k)
{
	if (k)
		atomic_fetch_add(&k->refs, 1);
	return k;
}

static size_t count(const struct luff_settings_kept *k)
{
	size_t n = 0;

	for (; k; k = k->next)
		n++;
	return n;
}

static void forget(struct luff_settings_kept **list)
{
	while (*list) {
		struct luff_settings_kept *k = *list;

		*list = k->next;
		luff_settings_unref(k);
	}
}

void luff_settings_close(void)
{
	pthread_mutex_lock(&lock);
	forget(&said);
	forget(&found);
	pthread_mutex_unlock(&lock);
}

/* ---- What the user says ---- */

int luff_settings_check_host(char out[LUFF_NAME_MAX + 1], const char *text, const char *what,
			     struct luff_error *err)
{
	struct luff_error ignored = {0};
	struct luff_reference name;
	LUFF_AUTO(text) full = NULL;
	char word[96];
	const char *rest;

	if (asprintf(&full, "%s/x", text) < 0) {
		full = NULL;
		return luff_fail_nomem(err);
	}
	rest = strchr(full, '/') + 1;
	if (luff_reference_parse(&name, full, &ignored) < 0 || name.digest.text[0] ||
	    (strcmp(name.repository, rest) != 0 && strcmp(name.repository, "library/x") != 0))
		return luff_fail(err, LUFF_EINVAL, "\"%s\" is no %s: write registry.example:5000",
				 luff_text_printable(word, sizeof word, text), what);
	luff_text_copy(out, LUFF_NAME_MAX + 1, name.registry);
	return 0;
}

bool luff_settings_is_pem(const char *text)
{
	return strstr(text, "-----BEGIN ") != NULL;
}

static int check_file(const char *host, const char *what, const char *path, struct luff_error *err)
{
	if (path && !luff_settings_is_pem(path) && access(path, R_OK) < 0)
		return luff_fail_errno(err, errno, "%s: %s %s", host, what, path);
	return 0;
}

static int check_numbers(const char *host, const struct luff_settings *s, struct luff_error *err)
{
	if (s->connect_timeout < 0 || s->connect_timeout > TIMEOUT_MAX || s->idle_timeout < 0 ||
	    s->idle_timeout > TIMEOUT_MAX || s->total_timeout < 0 || s->total_timeout > TIMEOUT_MAX)
		return luff_fail(err, LUFF_EINVAL, "%s: a time limit is from 1 to %d seconds", host,
				 TIMEOUT_MAX);
	if (s->requests < 0 || s->requests > REQUESTS_MAX)
		return luff_fail(err, LUFF_EINVAL, "%s: requests at a time are from 1 to %d", host,
				 REQUESTS_MAX);
	if (s->chunk_size < 0)
		return luff_fail(err, LUFF_EINVAL, "%s: a chunk has at least one byte", host);
	if (!(s->rate >= 0 && s->rate <= RATE_MAX))
		return luff_fail(err, LUFF_EINVAL, "%s: requests per second are at most %d", host, RATE_MAX);
	if (!(s->bandwidth >= 0 && s->bandwidth <= BANDWIDTH_MAX))
		return luff_fail(err, LUFF_EINVAL, "%s: bytes per second are at most %.0e", host,
				 BANDWIDTH_MAX);
	return 0;
}

static int check_address(const char *host, const char *address, struct luff_error *err)
{
	char name[LUFF_NAME_MAX + 1];
	int rc = luff_settings_check_host(name, address, "address", err);

	return rc == 0 && strchr(address, '/')
		       ? luff_fail(err, LUFF_EINVAL, "%s: its address is a host alone, not %s", host, address)
		       : rc;
}

static int check(const char *host, const struct luff_settings *s, struct luff_error *err)
{
	char mirror[LUFF_NAME_MAX + 1];
	size_t n = 0;
	int rc = 0;

	if (s->scheme && strcmp(s->scheme, "http") != 0 && strcmp(s->scheme, "https") != 0)
		return luff_fail(err, LUFF_EINVAL, "%s: the scheme is \"http\" or \"https\"", host);
	if (s->key && !s->cert)
		return luff_fail(err, LUFF_EINVAL, "%s: a key without its cert", host);
	if (!s->user != !s->password)
		return luff_fail(err, LUFF_EINVAL, "%s: user and password belong together", host);
	if (s->address)
		rc = check_address(host, s->address, err);
	for (; rc == 0 && s->mirrors && s->mirrors[n]; n++)
		rc = luff_settings_check_host(mirror, s->mirrors[n], "mirror", err);
	if (rc == 0 && n > MIRRORS_MAX)
		rc = luff_fail(err, LUFF_EINVAL, "%s: more than %d mirrors", host, MIRRORS_MAX);
	if (rc == 0)
		rc = check_numbers(host, s, err);
	if (rc == 0)
		rc = check_file(host, "ca", s->ca, err);
	if (rc == 0)
		rc = check_file(host, "cert", s->cert, err);
	if (rc == 0)
		rc = check_file(host, "certs", s->certs, err);
	return rc < 0 ? rc : check_file(host, "key", s->key, err);
}

int luff_settings_set(const char *host, const struct luff_settings *settings, struct luff_error *err)
{
	char name[LUFF_NAME_MAX + 1] = "";
	struct luff_settings_kept *k, **at, *old;
	int rc = luff_settings_check_host(name, host, "host", err);

	if (rc == 0 && strchr(host, '/'))
		rc = luff_fail(err, LUFF_EINVAL, "settings are for a whole host, not for %s", host);
	if (rc == 0)
		rc = check(name, settings, err);
	if (rc < 0)
		return rc;
	k = luff_settings_new(name, settings);
	if (!k)
		return luff_fail_nomem(err);
	pthread_mutex_lock(&lock);
	at = find(&said, name);
	old = *at;
	k->next = old ? old->next : NULL;
	*at = k;
	forget(&found);
	pthread_mutex_unlock(&lock);
	luff_settings_unref(old);
	return 0;
}

struct luff_settings_kept *luff_settings_of_host(const char *host)
{
	struct luff_settings_kept *k;

	pthread_mutex_lock(&lock);
	k = luff_settings_ref(*find(&said, host));
	pthread_mutex_unlock(&lock);
	return k;
}

/* ---- certs.d (docs.docker.com "Verify repository client with certificates", containers-certs.d(5)) ---- */

struct certificates {
	char *ca, *cert, *key;
};

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), len = strlen(suffix);

	return n > len && strcmp(name + n - len, suffix) == 0;
}

static char *path_of(const char *folder, const char *name, size_t len, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/%.*s%s", folder, (int)len, name, suffix) < 0 ? NULL : path;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The first authority (*.crt) and the first client certificate (*.cert with its *.key), where there is none so far. */
static void read_folder(struct certificates *c, const char *folder)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, NULL, compare_names);

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		size_t len = strlen(name);

		if (!c->ca && ends_with(name, ".crt"))
			c->ca = path_of(folder, name, len, "");
		if (!c->cert && ends_with(name, ".cert")) {
			c->cert = path_of(folder, name, len, "");
			c->key = path_of(folder, name, len - strlen(".cert"), ".key");
		}
		free(names[i]);
	}
	free(names);
}

static void read_below(struct certificates *c, const char *base, const char *below, const char *host)
{
	LUFF_AUTO(text) folder = NULL;

	if (!base || !*base)
		return;
	if (asprintf(&folder, "%s%s/%s", base, below, host) < 0)
		folder = NULL;
	else
		read_folder(c, folder);
}

static void add_certificates(struct luff_settings *s, struct certificates *c, const char *host)
{
	const char *config = getenv("XDG_CONFIG_HOME");
	bool given = config && *config;

	if (s->certs)
		read_folder(c, s->certs);
	read_below(c, given ? config : getenv("HOME"),
		   given ? "/containers/certs.d" : "/.config/containers/certs.d", host);
	read_below(c, "/etc", "/containers/certs.d", host);
	read_below(c, "/etc", "/docker/certs.d", host);
	s->ca = s->ca ? s->ca : c->ca;
	if (!s->cert && c->cert && c->key) {
		s->cert = c->cert;
		s->key = c->key;
	}
}

/* "https://host:443" is "host"; Docker Hub's registry is docker.io. */
bool luff_settings_host(char out[LUFF_NAME_MAX + 1], const char *origin)
{
	const char *host = strstr(origin, "://") + 3;
	const char *port = luff_text_starts(origin, "https:") ? ":443" : ":80";
	bool whole = luff_text_copy(out, LUFF_NAME_MAX + 1, host);

	if (ends_with(out, port))
		out[strlen(out) - strlen(port)] = '\0';
	if (strcmp(out, "registry-1.docker.io") == 0)
		luff_text_copy(out, LUFF_NAME_MAX + 1, "docker.io");
	return whole && !strchr(out, '/');
}

/* The lock is held. A name with the default port may be written either way; another name may have it as its address. */
static const struct luff_settings_kept *find_said(const char *name, const char *origin)
{
	const struct luff_settings_kept *k = *find(&said, name);

	if (!k)
		k = *find(&said, strstr(origin, "://") + 3);
	if (k)
		return k;
	for (k = said; k && (!k->settings.address || strcmp(k->settings.address, name) != 0); k = k->next)
		;
	return k;
}

bool luff_settings_name(const char *url)
{
	LUFF_AUTO(text) origin = NULL;
	struct luff_error ignored = {0};
	char name[LUFF_NAME_MAX + 1];
	bool named;

	if (luff_url_origin(&origin, url, &ignored) < 0 || !luff_settings_host(name, origin))
		return false;
	pthread_mutex_lock(&lock);
	named = find_said(name, origin) != NULL;
	pthread_mutex_unlock(&lock);
	return named;
}

struct luff_settings_kept *luff_settings_of_origin(const char *origin)
{
	struct certificates certificates = {NULL, NULL, NULL};
	char name[LUFF_NAME_MAX + 1];
	const struct luff_settings_kept *base;
	struct luff_settings_kept *k = NULL;
	struct luff_settings s = {0};

	if (!luff_settings_host(name, origin))
		return NULL;
	pthread_mutex_lock(&lock);
	k = luff_settings_ref(*find(&found, origin));
	base = k ? NULL : find_said(name, origin);
	if (!k) {
		s = base ? base->settings : s;
		if (luff_text_starts(origin, "https:"))
			add_certificates(&s, &certificates, name);
		k = luff_settings_new(origin, &s);
		if (count(found) >= ORIGINS_MAX)
			forget(&found);
		if (k) {
			k->next = found;
			found = luff_settings_ref(k);
		}
	}
	pthread_mutex_unlock(&lock);
	free(certificates.ca);
	free(certificates.cert);
	free(certificates.key);
	return k;
}
