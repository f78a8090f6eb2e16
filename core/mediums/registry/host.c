/* See host.h. Hosts live until luff_shutdown(), so that a second script or image finds tokens and connections. */
#include "mediums/registry/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fence.h"
#include "base/scope.h"
#include "base/text.h"
#include "http/exchange.h"
#include "http/settings.h"
#include "http/url.h"
#include "mediums/registry/auth.h"
#include "mediums/registry/keyring.h"
#include "mediums/registry/placed.h"

#define TICK_NS (100 * 1000 * 1000L)
#define URL_SIZE (LUFF_NAME_MAX + 16)

static pthread_mutex_t hosts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct luff_host *hosts;

LUFF_DEFINE_AUTO(host, struct luff_host *, luff_host_unref);

static int host_new(struct luff_host **out, const char *name, const char *url,
		    struct luff_settings_kept *settings, struct luff_error *err)
{
	LUFF_AUTO(host) h = calloc(1, sizeof *h);
	pthread_condattr_t monotonic;
	int rc;

	if (!h)
		return luff_fail_nomem(err);
	atomic_init(&h->refs, 1);
	pthread_mutex_init(&h->lock, NULL);
	luff_pacer_init(&h->pacer, settings ? settings->settings.bandwidth : 0);
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
	h->settings = settings;
	if (settings)
		atomic_fetch_add(&settings->refs, 1);
	*out = luff_take(h);
	return 0;
}

static void find_url(char url[URL_SIZE], const char *name, bool plain_http,
		     const struct luff_settings_kept *settings)
{
	const char *endpoint = strcmp(name, "docker.io") == 0 ? "registry-1.docker.io" : name, *scheme;

	if (settings && settings->settings.address)
		endpoint = settings->settings.address;
	scheme = plain_http || luff_url_is_loopback(endpoint) ? "http" : "https";
	if (!plain_http && settings && settings->settings.scheme)
		scheme = settings->settings.scheme;
	snprintf(url, URL_SIZE, "%s://%s", scheme, endpoint);
}

int luff_host_new(struct luff_host **out, const char *name, bool plain_http,
		  const struct luff_credentials *given, struct luff_error *err)
{
	LUFF_AUTO(settings) settings = luff_settings_of_host(name);
	char url[URL_SIZE];
	int rc;

	*out = NULL;
	find_url(url, name, plain_http, settings);
	rc = host_new(out, name, url, settings, err);
	if (rc == 0)
		(*out)->given = given;
	return rc;
}

int luff_host_get(struct luff_host **out, const char *name, bool plain_http, struct luff_error *err)
{
	LUFF_AUTO(settings) settings = luff_settings_of_host(name);
	char url[URL_SIZE];
	struct luff_host *h;
	int rc = 0;

	find_url(url, name, plain_http, settings);
	pthread_mutex_lock(&hosts_lock);
	for (h = hosts; h && (strcmp(h->url, url) != 0 || h->settings != settings); h = h->next)
		;
	if (!h) {
		rc = host_new(&h, name, url, settings, err);
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

int luff_host_of_registry(struct luff_host **out, const char *name, bool plain_http, struct luff_error *err)
{
	char host[LUFF_NAME_MAX + 1], word[96];
	struct luff_error unlike = {0};

	*out = NULL;
	if (luff_settings_check_host(host, name, "registry", &unlike) < 0 || strchr(name, '/'))
		return luff_fail(err, LUFF_ENAME, "\"%s\" is no registry: write registry.example:5000",
				 luff_text_printable(word, sizeof word, name));
	if (luff_fence_registry(host, err) < 0)
		return err->code;
	return luff_host_get(out, host, plain_http && !luff_fence_stands(), err);
}

void luff_host_unref(struct luff_host *h)
{
	if (!h || atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	luff_auth_forget(h);
	luff_keyring_forget(h);
	luff_placed_forget(h);
	luff_settings_unref(h->settings);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	luff_pacer_release(&h->pacer);
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

enum luff_address luff_host_least(struct luff_host *h, const char *url)
{
	if (luff_url_same_host(h->url, url) || luff_settings_name(url))
		return LUFF_ADDRESS_NOBODY;
	return atomic_load(&h->is_public) ? LUFF_ADDRESS_PUBLIC : LUFF_ADDRESS_PRIVATE;
}

int luff_host_may_lead(const struct luff_exchange *x, const char *to, struct luff_error *err)
{
	return luff_url_may_lead(luff_exchange_url(x), to,
				 luff_exchange_is_private(x) || luff_settings_name(to), err);
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

int luff_host_most(const struct luff_host *h)
{
	return h->settings && h->settings->settings.requests ? h->settings->settings.requests
							     : LUFF_HOST_WAITING_MAX;
}

int luff_host_enter(struct luff_host *h, struct luff_error *err)
{
	int most = luff_host_most(h), rc = 0;

	pthread_mutex_lock(&h->lock);
	while (rc == 0 && (h->waiting >= most || luff_clock_ms() < h->rests_until))
		rc = luff_host_wait(h, err);
	h->waiting += rc == 0;
	pthread_mutex_unlock(&h->lock);
	return rc;
}

int luff_host_pace(struct luff_host *h, struct luff_error *err)
{
	double rate = h->settings ? h->settings->settings.rate : 0;
	int64_t now = luff_clock_ms(), at;
	int rc = 0;

	if (rate <= 0)
		return 0;
	pthread_mutex_lock(&h->lock);
	at = h->next_at > now ? h->next_at : now;
	h->next_at = at + (int64_t)(1000 / rate);
	pthread_mutex_unlock(&h->lock);
	while (rc == 0 && (now = luff_clock_ms()) < at) {
		struct timespec pause = {.tv_nsec = (at - now < 50 ? at - now : 50) * 1000000};

		nanosleep(&pause, NULL);
		rc = luff_scope_check(err);
	}
	return rc;
}

void luff_host_leave(struct luff_host *h)
{
	pthread_mutex_lock(&h->lock);
	h->waiting--;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void luff_host_rest(struct luff_host *h, int64_t seconds)
{
	int64_t until = luff_clock_ms() + seconds * 1000;

	pthread_mutex_lock(&h->lock);
	if (until > h->rests_until)
		h->rests_until = until;
	pthread_mutex_unlock(&h->lock);
}

bool luff_host_rests(struct luff_host *h)
{
	bool rests;

	pthread_mutex_lock(&h->lock);
	rests = luff_clock_ms() < h->rests_until;
	pthread_mutex_unlock(&h->lock);
	return rests;
}

int luff_host_await(struct luff_host *h, struct luff_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	while (rc == 0 && luff_clock_ms() < h->rests_until)
		rc = luff_host_wait(h, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

int luff_host_edit(struct luff_host *h, struct luff_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	while (rc == 0 && h->edited)
		rc = luff_host_wait(h, err);
	h->edited = h->edited || rc == 0;
	pthread_mutex_unlock(&h->lock);
	return rc;
}

void luff_host_edited(struct luff_host *h)
{
	pthread_mutex_lock(&h->lock);
	h->edited = false;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}
