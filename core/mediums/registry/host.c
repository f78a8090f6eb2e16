/* See host.h. Hosts live until luff_shutdown(), so that a second script or image finds tokens and connections. */
#include "mediums/registry/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "mediums/registry/auth.h"
#include "mediums/registry/url.h"

#define TICK_NS (100 * 1000 * 1000L)
#define URL_SIZE (LUFF_NAME_MAX + 16)

static pthread_mutex_t hosts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct luff_host *hosts;

LUFF_DEFINE_AUTO(host, struct luff_host *, luff_host_unref);

static int host_new(struct luff_host **out, const char *name, const char *url, struct luff_error *err)
{
	LUFF_AUTO(host) h = calloc(1, sizeof *h);
	pthread_condattr_t monotonic;
	int rc;

	if (!h)
		return luff_fail_nomem(err);
	atomic_init(&h->refs, 1);
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	h->name = strdup(name);
	h->url = strdup(url);
	if (!h->name || !h->url)
		return luff_fail_nomem(err);
	rc = luff_url_origin(&h->origin, url, err);
	if (rc < 0)
		return rc;
	*out = luff_take(h);
	return 0;
}

static void find_url(char url[URL_SIZE], const char *name, bool plain_http)
{
	const char *endpoint = strcmp(name, "docker.io") == 0 ? "registry-1.docker.io" : name;

	snprintf(url, URL_SIZE, "%s://%s", plain_http || luff_url_is_loopback(name) ? "http" : "https",
		 endpoint);
}

int luff_host_new(struct luff_host **out, const char *name, bool plain_http,
		  const struct luff_credentials *given, struct luff_error *err)
{
	char url[URL_SIZE];
	int rc;

	*out = NULL;
	find_url(url, name, plain_http);
	rc = host_new(out, name, url, err);
	if (rc == 0)
		(*out)->given = given;
	return rc;
}

int luff_host_get(struct luff_host **out, const char *name, bool plain_http, struct luff_error *err)
{
	char url[URL_SIZE];
	struct luff_host *h;
	int rc = 0;

	find_url(url, name, plain_http);
	pthread_mutex_lock(&hosts_lock);
	for (h = hosts; h && strcmp(h->url, url) != 0; h = h->next)
		;
	if (!h) {
		rc = host_new(&h, name, url, err);
		if (h) {
			h->next = hosts;
			hosts = h;
		}
	}
	if (h)
		atomic_fetch_add(&h->refs, 1);
	pthread_mutex_unlock(&hosts_lock);
	*out = h;
	return rc;
}

void luff_host_unref(struct luff_host *h)
{
	if (!h || atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	luff_auth_forget(h);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h->name);
	free(h->url);
	free(h->origin);
	free(h);
}

void luff_hosts_renew(void)
{
	pthread_mutex_lock(&hosts_lock);
	for (struct luff_host *h = hosts; h; h = h->next)
		luff_auth_renew(h);
	pthread_mutex_unlock(&hosts_lock);
}

void luff_hosts_close(void)
{
	pthread_mutex_lock(&hosts_lock);
	while (hosts) {
		struct luff_host *h = hosts;

		hosts = h->next;
		luff_host_unref(h);
	}
	pthread_mutex_unlock(&hosts_lock);
}

int luff_host_wait(struct luff_host *h, struct luff_error *err)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&h->changed, &h->lock, &until);
	return luff_scope_check(err);
}

int luff_host_enter(struct luff_host *h, struct luff_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	while (rc == 0 && h->waiting >= LUFF_HOST_WAITING_MAX)
		rc = luff_host_wait(h, err);
	h->waiting += rc == 0;
	pthread_mutex_unlock(&h->lock);
	return rc;
}

void luff_host_leave(struct luff_host *h)
{
	pthread_mutex_lock(&h->lock);
	h->waiting--;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}
