/* See notice.h. */
#include "mediums/registry/notice.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "mediums/registry/header.h"

#define WARNINGS_MAX 256 /* that are remembered in all */
#define WARNINGS_OF_HOST_MAX 16
#define EPOCH_MIN 1000000000 /* a Reset from here on is a date, as GitLab has it */

/* ---- Warnings (distribution-spec, "Warnings") ---- */

struct warning {
	struct warning *next;
	bool taken;
	struct luff_warning w;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct warning *warnings,
	**last = &warnings; /* each text once for a host, in the order in which they came */

static void keep_warning(const char *host, const char *text)
{
	int all = 0, of_host = 0;
	struct warning *w;

	pthread_mutex_lock(&lock);
	for (w = warnings; w; w = w->next) {
		bool same = strcmp(w->w.registry, host) == 0;

		all++;
		of_host += same;
		if (same && strcmp(w->w.text, text) == 0)
			break;
	}
	if (!w && all < WARNINGS_MAX && of_host < WARNINGS_OF_HOST_MAX && (w = calloc(1, sizeof *w))) {
		luff_text_copy(w->w.registry, sizeof w->w.registry, host);
		luff_text_copy(w->w.text, sizeof w->w.text, text);
		*last = w;
		last = &w->next;
	}
	pthread_mutex_unlock(&lock);
}

bool luff_warning_take(struct luff_warning *out)
{
	struct warning *w;

	pthread_mutex_lock(&lock);
	for (w = warnings; w && w->taken; w = w->next)
		;
	if (w) {
		*out = w->w;
		w->taken = true;
	}
	pthread_mutex_unlock(&lock);
	return w;
}

void luff_notices_close(void)
{
	pthread_mutex_lock(&lock);
	while (warnings) {
		struct warning *w = warnings;

		warnings = w->next;
		free(w);
	}
	last = &warnings;
	pthread_mutex_unlock(&lock);
}

static void take_in_warnings(const struct luff_host *h, const struct luff_exchange *x)
{
	char text[LUFF_WARNING_MAX + 1], plain[LUFF_WARNING_MAX + 1];
	const char *value;

	for (int nth = 0; (value = luff_exchange_header(x, "warning", nth)); nth++)
		while (luff_header_warning(text, sizeof text, &value))
			keep_warning(h->name, luff_text_printable(plain, sizeof plain, text));
}

/* ---- Limits of rate ---- */

static bool read_rate(int64_t *count, int64_t *window, const struct luff_exchange *x, const char *name)
{
	const char *value = luff_exchange_header(x, name, 0);

	return value && luff_header_rate(count, window, value);
}

static void take_in_rate(struct luff_host *h, const struct luff_exchange *x)
{
	struct luff_rate_limit r = {.limit = -1, .remaining = -1, .window = -1, .reset = -1};
	int64_t window = -1;
	const char *source = luff_exchange_header(x, "docker-ratelimit-source", 0);
	bool said = read_rate(&r.limit, &r.window, x, "ratelimit-limit");

	said = read_rate(&r.remaining, &window, x, "ratelimit-remaining") || said;
	if (!said)
		return;
	if (r.window < 0)
		r.window = window;
	if (read_rate(&r.reset, &window, x, "ratelimit-reset") && r.reset >= EPOCH_MIN) {
		int64_t now = time(NULL);

		r.reset = r.reset > now ? r.reset - now : 0;
	}
	luff_text_printable(r.source, sizeof r.source, source ? source : "");
	pthread_mutex_lock(&h->lock);
	h->rate_limit = r;
	h->limited_at = luff_clock_ms();
	pthread_mutex_unlock(&h->lock);
}

int luff_rate_limit_of(bool *known, struct luff_rate_limit *out, const char *registry, bool plain_http,
		       struct luff_error *err)
{
	struct luff_host *h = NULL;
	int rc = luff_host_of_registry(&h, registry, plain_http, err);
	int64_t age;

	*known = false;
	memset(out, 0, sizeof *out);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&h->lock);
	*known = h->limited_at > 0;
	if (*known) {
		*out = h->rate_limit;
		age = (luff_clock_ms() - h->limited_at) / 1000;
		if (out->reset >= 0)
			out->reset = out->reset > age ? out->reset - age : 0;
	}
	pthread_mutex_unlock(&h->lock);
	luff_host_unref(h);
	return 0;
}

void luff_notice_take_in(struct luff_host *h, const struct luff_exchange *x)
{
	take_in_warnings(h, x);
	take_in_rate(h, x);
}
