/* See endpoint.h. */
#include "mediums/daemon/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "http/url.h"
#include "stream/streams.h"

#define FILE_MAX (1 << 20) /* bytes of config.json, of a context's meta.json */
/* While a daemon packs or unpacks a large image it may be silent. */
#define SILENCE (60 * 60)
#define DOCKER_SOCKET "/var/run/docker.sock"
#define PODMAN_SOCKET "/run/podman/podman.sock"

/* NULL where it is not set, or to nothing. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* NULL when out of memory. */
__attribute__((format(printf, 1, 2))) static char *join(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return text;
}

/* Where docker's program keeps its files; NULL in *out where nobody says. */
static int find_folder(char **out, struct luff_error *err)
{
	const char *folder = variable("DOCKER_CONFIG"), *home = variable("HOME");

	*out = NULL;
	if (folder)
		*out = strdup(folder);
	else if (home)
		*out = join("%s/.docker", home);
	else
		return 0;
	return *out ? 0 : luff_fail_nomem(err);
}

static int read_json(cJSON **out, const char *path, struct luff_error *err)
{
	LUFF_AUTO(buffer) text = {.cap = FILE_MAX};
	LUFF_AUTO(reader) r = NULL;
	char chunk[4096];
	size_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;

	if (fd < 0)
		return luff_fail_errno(err, errno, "%s", path);
	rc = luff_reader_open_fd(&r, fd, 0, err);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, chunk, sizeof chunk, err);
		if (rc == 0)
			rc = luff_buffer_append(&text, chunk, n, err);
	}
	if (rc == 0)
		rc = luff_json_parse(out, text.data ? text.data : "", text.len, "text", err);
	return rc < 0 ? luff_fail_context(err, "%s", path) : 0;
}

/* ---- kinds of addresses ---- */

/* How TLS is to be spoken. */
struct tls {
	bool used, unchecked;
	char *ca, *cert, *key; /* files; NULL: none */
};

static void tls_release(struct tls *tls)
{
	free(tls->ca);
	free(tls->cert);
	free(tls->key);
}

/* The files that docker has in such a folder, as far as they are there. */
static int read_tls_folder(struct tls *out, const char *folder, struct luff_error *err)
{
	static const char *const names[] = {"ca.pem", "cert.pem", "key.pem"};
	char **const files[] = {&out->ca, &out->cert, &out->key};

	for (int i = 0; i < 3; i++) {
		*files[i] = join("%s/%s", folder, names[i]);
		if (!*files[i])
			return luff_fail_nomem(err);
		if (!is_there(*files[i]))
			free(luff_take(*files[i]));
	}
	if (!out->cert != !out->key)
		return luff_fail(err, LUFF_ENOTFOUND, "%s has no %s", folder,
				 out->cert ? names[2] : names[1]);
	return 0;
}

static int keep(struct luff_endpoint *out, const struct luff_settings *settings, struct luff_error *err)
{
	out->settings = luff_settings_new(out->where, settings);
	return out->settings ? 0 : luff_fail_nomem(err);
}

static int use_socket(struct luff_endpoint *out, const char *path, struct luff_error *err)
{
	struct luff_settings settings = {.socket = path, .proxy = "", .idle_timeout = SILENCE};
	struct sockaddr_un address;

	if (*path != '/' || strlen(path) >= sizeof address.sun_path)
		return luff_fail(err, LUFF_EINVAL,
				 "the path of a socket begins with / and has at most %zu bytes",
				 sizeof address.sun_path - 1);
	out->where = join("unix://%s", path);
	out->url = strdup("http://docker"); /* HTTP wants a name */
	return out->where && out->url ? keep(out, &settings, err) : luff_fail_nomem(err);
}

/* `rest` is what follows "tcp://". */
static int use_tcp(struct luff_endpoint *out, const char *rest, const struct tls *tls, struct luff_error *err)
{
	struct luff_settings settings = {.insecure = tls->unchecked,
					 .ca = tls->ca,
					 .cert = tls->cert,
					 .key = tls->key,
					 .idle_timeout = SILENCE};
	size_t host = strcspn(rest, "/");
	const char *bracket = memchr(rest, ']', host);
	const char *colon =
		memchr(bracket ? bracket : rest, ':', host - (size_t)(bracket ? bracket - rest : 0));
	LUFF_AUTO(text)
	url = join("%s://%.*s%s%s", tls->used ? "https" : "http", (int)host, rest,
		   colon       ? ""
		   : tls->used ? ":2376"
			       : ":2375",
		   rest + host);
	size_t len;
	int rc;

	out->where = join("tcp://%s", rest);
	if (!url || !out->where)
		return luff_fail_nomem(err);
	if (host == 0 || strpbrk(rest, "?#"))
		return luff_fail(err, LUFF_EINVAL, "write tcp://HOST:PORT");
	rc = luff_url_resolve(&out->url, NULL, url, err);
	if (rc < 0)
		return rc == LUFF_EFORMAT ? (err->code = LUFF_EINVAL) : rc;
	for (len = strlen(out->url); len > 0 && out->url[len - 1] == '/'; len--)
		out->url[len - 1] = '\0';
	return keep(out, &settings, err);
}

/* @param said  where the address stands, for messages */
static int use_address(struct luff_endpoint *out, const char *address, struct tls *tls, const char *said,
		       struct luff_error *err)
{
	char word[96];
	int rc;

	if (luff_text_starts(address, "unix://"))
		rc = use_socket(out, address + strlen("unix://"), err);
	else if (luff_text_starts(address, "tcp://"))
		rc = use_tcp(out, address + strlen("tcp://"), tls, err);
	else if (luff_text_starts(address, "http://"))
		rc = use_tcp(out, address + strlen("http://"), tls, err);
	else if (luff_text_starts(address, "https://"))
		rc = use_tcp(out, address + strlen("https://"),
			     &(struct tls){true, tls->unchecked, tls->ca, tls->cert, tls->key}, err);
	else if (luff_text_starts(address, "ssh://"))
		rc = luff_fail(
			err, LUFF_ENOTSUP,
			"ssh is not spoken here: forward the socket (ssh -NL ./docker.sock:/var/run/docker.sock HOST) "
			"and name it, unix:///…/docker.sock");
	else
		/* it may name a user, and a password */
		rc = luff_fail(err, LUFF_EINVAL, "\"%s\" is no unix:///PATH and no tcp://HOST:PORT",
			       strchr(address, '@') ? "…" : luff_text_printable(word, sizeof word, address));
	return rc < 0 ? luff_fail_context(err, "%s", said) : 0;
}

/* ---- who says where it is ---- */

static int use_environment(struct luff_endpoint *out, const char *address, const char *folder,
			   struct luff_error *err)
{
	const char *certificates = variable("DOCKER_CERT_PATH");
	bool checked = variable("DOCKER_TLS_VERIFY") != NULL, unchecked = !checked && variable("DOCKER_TLS");
	struct tls tls = {.used = checked || unchecked, .unchecked = unchecked};
	int rc = 0;

	certificates = certificates ? certificates : folder;
	if ((tls.used || luff_text_starts(address, "https://")) && certificates)
		rc = read_tls_folder(&tls, certificates, err);
	if (rc == 0)
		rc = use_address(out, address, &tls, "DOCKER_HOST", err);
	tls_release(&tls);
	return rc;
}

/* Docker's own socket, else Podman's: of the user, of the system. */
static int use_usual(struct luff_endpoint *out, struct luff_error *err)
{
	const char *runtime = variable("XDG_RUNTIME_DIR");
	LUFF_AUTO(text) podman = runtime ? join("%s/podman/podman.sock", runtime) : NULL;

	if (is_there(DOCKER_SOCKET))
		return use_socket(out, DOCKER_SOCKET, err);
	if (podman && is_there(podman))
		return use_socket(out, podman, err);
	if (is_there(PODMAN_SOCKET))
		return use_socket(out, PODMAN_SOCKET, err);
	return luff_fail(err, LUFF_ENET,
			 "no Docker or Podman here (%s, %s%s%s); DOCKER_HOST says where one is",
			 DOCKER_SOCKET, podman ? podman : "", podman ? ", " : "", PODMAN_SOCKET);
}

/* CONFIG/contexts/meta/SHA256-OF-NAME/meta.json, and certificates in CONFIG/contexts/tls/SHA256-OF-NAME/docker. */
static int use_context(struct luff_endpoint *out, const char *name, const char *folder,
		       struct luff_error *err)
{
	LUFF_AUTO(text) meta = NULL;
	LUFF_AUTO(text) certificates = NULL;
	LUFF_AUTO(json) tree = NULL;
	struct luff_digest digest;
	struct tls tls = {.used = false};
	const cJSON *endpoint;
	const char *address;
	char said[128], word[64];
	int rc = luff_digest_of(&digest, "sha256", name, strlen(name), err);

	if (rc < 0)
		return rc;
	snprintf(said, sizeof said, "docker context \"%s\"", luff_text_printable(word, sizeof word, name));
	meta = join("%s/contexts/meta/%s/meta.json", folder, luff_digest_hex(&digest));
	certificates = join("%s/contexts/tls/%s/docker", folder, luff_digest_hex(&digest));
	if (!meta || !certificates)
		return luff_fail_nomem(err);
	rc = read_json(&tree, meta, err);
	if (rc < 0)
		return luff_fail_context(err, "%s", said);
	endpoint = luff_json_object(luff_json_object(tree, "Endpoints"), "docker");
	address = luff_json_string(endpoint, "Host");
	if (!address || !*address)
		return use_usual(out, err);
	tls.unchecked = cJSON_IsTrue(luff_json_get(endpoint, "SkipTLSVerify"));
	rc = read_tls_folder(&tls, certificates, err);
	tls.used = tls.unchecked || tls.ca || tls.cert;
	rc = rc < 0 ? luff_fail_context(err, "%s", said) : use_address(out, address, &tls, said, err);
	tls_release(&tls);
	return rc;
}

static int find(struct luff_endpoint *out, struct luff_error *err)
{
	const char *address = variable("DOCKER_HOST"), *context = variable("DOCKER_CONTEXT");
	LUFF_AUTO(text) folder = NULL;
	LUFF_AUTO(text) path = NULL;
	LUFF_AUTO(json) config = NULL;
	struct luff_error missing = {0};
	int rc = find_folder(&folder, err);

	if (rc < 0)
		return rc;
	if (address)
		return use_environment(out, address, folder, err);
	if (!context && folder) {
		path = join("%s/config.json", folder);
		if (!path)
			return luff_fail_nomem(err);
		rc = read_json(&config, path, &missing);
		if (rc < 0 && rc != LUFF_ENOTFOUND) {
			*err = missing;
			return rc;
		}
		context = luff_json_string(config, "currentContext");
	}
	if (!context || !*context || strcmp(context, "default") == 0)
		return use_usual(out, err);
	return folder ? use_context(out, context, folder, err)
		      : luff_fail(err, LUFF_ENOTFOUND,
				  "no place for docker contexts: set HOME or DOCKER_CONFIG");
}

int luff_endpoint_find(struct luff_endpoint *out, struct luff_error *err)
{
	int rc;

	*out = (struct luff_endpoint){NULL, NULL, NULL};
	rc = find(out, err);
	if (rc < 0)
		luff_endpoint_release(out);
	return rc;
}

void luff_endpoint_release(struct luff_endpoint *e)
{
	free(e->where);
	free(e->url);
	luff_settings_unref(e->settings);
	*e = (struct luff_endpoint){NULL, NULL, NULL};
}
