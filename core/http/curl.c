/* The one place that knows how libcurl gets into the process and what its handles share. */
#include "http/curl.h"

#include <dirent.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/lazy.h"

struct luff_curl luff_curl;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t shared[CURL_LOCK_DATA_LAST];

static void share_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg)
{
	(void)easy, (void)access, (void)arg;
	pthread_mutex_lock(&shared[data]);
}

static void share_unlock(CURL *easy, curl_lock_data data, void *arg)
{
	(void)easy, (void)arg;
	pthread_mutex_unlock(&shared[data]);
}

/* OpenSSL finds an authority by its file's name, eight hex digits and a number: without such names it is no folder for that. */
static bool is_authority_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	bool found = false;

	if (!folder)
		return false;
	while (!found && (entry = readdir(folder)))
		found = strspn(entry->d_name, "0123456789abcdef") == 8 &&
			strcmp(entry->d_name + 8, ".0") == 0;
	closedir(folder);
	return found;
}

/* Where Debian, Alpine and others, Fedora, SUSE, OpenWrt keep the certificates of all authorities. */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

static void find_authorities(void)
{
	const curl_version_info_data *info = luff_curl.version_info(CURLVERSION_NOW);

	luff_curl.authorities = luff_curl.bundle = NULL;
	for (size_t i = 0; !info->cainfo && !info->capath && !luff_curl.bundle; i++) {
		if (i == sizeof bundles / sizeof *bundles)
			return;
		if (access(bundles[i], R_OK) == 0)
			luff_curl.bundle = bundles[i];
	}
	if (info->age >= CURLVERSION_SEVENTH && info->cainfo && info->capath &&
	    is_authority_folder(info->capath))
		luff_curl.authorities = info->cainfo;
}

static int open_share(struct luff_error *err)
{
	CURLSH *share;

	if (luff_curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return luff_fail(err, LUFF_ENOTSUP, "libcurl does not start");
	share = luff_curl.share_init();
	if (!share) {
		luff_curl.global_cleanup();
		return luff_fail_nomem(err);
	}
	for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&shared[i], NULL);
	luff_curl.share_setopt(share, CURLSHOPT_LOCKFUNC, share_lock);
	luff_curl.share_setopt(share, CURLSHOPT_UNLOCKFUNC, share_unlock);
	luff_curl.share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	luff_curl.share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	find_authorities();
	luff_curl.share = share;
	return 0;
}

int luff_curl_load(struct luff_error *err)
{
	static const struct luff_lazy_symbol symbols[] = {
#define X(name) LUFF_LAZY(curl_##name, &luff_curl.name),
		LUFF_CURL_FUNCTIONS(X)
#undef X
			{NULL, NULL}};
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!luff_curl.share) {
		rc = luff_lazy_load("libcurl.so.4", symbols, err);
		if (rc == 0)
			rc = open_share(err);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void luff_curl_unload(void)
{
	pthread_mutex_lock(&lock);
	if (luff_curl.share) {
		luff_curl.share_cleanup(luff_curl.share);
		luff_curl.share = NULL;
		luff_curl.global_cleanup();
	}
	pthread_mutex_unlock(&lock);
}
