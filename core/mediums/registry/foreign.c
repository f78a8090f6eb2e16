/*
 * A blob at a URL that a descriptor names (image-spec, descriptor.md "urls"). The URL is whatever somebody wrote into a
 * manifest: it gets no login, and leads to no private address that the user has not named in settings.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fence.h"
#include "http/settings.h"
#include "http/url.h"
#include "mediums/mediums.h"
#include "mediums/registry/download.h"

#define PLACE_MAX 256

struct foreign {
	struct luff_medium base;
	struct luff_host *host;
	char *url;
};

static int ask(struct luff_exchange **out, struct luff_medium *m, const struct luff_descriptor *d,
	       const char *range, struct luff_error *err)
{
	const struct foreign *f = (const struct foreign *)m;
	struct luff_request request = {
		.host = f->host, .method = "GET", .url = f->url, .range = range, .foreign = true};

	(void)d;
	return luff_request_send(out, &request, err);
}

static int foreign_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			 int64_t offset, struct luff_error *err)
{
	return luff_download_open(out, m, ((const struct foreign *)m)->host, d, offset, d->size, ask, err);
}

static int foreign_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			   const struct luff_name *name, struct luff_error *err)
{
	(void)out, (void)document, (void)name;
	return luff_fail(err, LUFF_ENOTSUP, "%s: a URL has no names", m->place);
}

static void foreign_destroy(struct luff_medium *m)
{
	struct foreign *f = (struct foreign *)m;

	luff_host_unref(f->host);
	free(f->url);
	free(m->place);
	free(f);
}

static const struct luff_medium_ops foreign_ops = {
	.scheme = "url",
	.resolve = foreign_resolve,
	.fetch = foreign_fetch,
	.destroy = foreign_destroy,
};

int luff_foreign_open(struct luff_medium **out, const char *url, struct luff_error *err)
{
	LUFF_AUTO(medium) m = NULL;
	LUFF_AUTO(text) origin = NULL;
	char name[LUFF_NAME_MAX + 1], place[PLACE_MAX];
	struct foreign *f = calloc(1, sizeof *f);
	int rc;

	*out = NULL;
	if (luff_fence_local("what a URL names", err) < 0) {
		free(f);
		return err->code;
	}
	if (!f)
		return luff_fail_nomem(err);
	m = &f->base;
	m->ops = &foreign_ops;
	atomic_init(&m->refs, 1);
	rc = luff_url_resolve(&f->url, NULL, url, err);
	if (rc == 0)
		rc = luff_url_origin(&origin, f->url, err);
	if (rc == 0 && !luff_settings_host(name, origin))
		rc = luff_fail(err, LUFF_EFORMAT, "a URL whose host is too long");
	/*
	 * The one that all share where settings name it, for their rate and bandwidth to be the host's. Else one of its own: what is
	 * shared is kept, and there are as many as manifests like to name.
	 */
	if (rc == 0)
		rc = luff_settings_name(f->url) ? luff_host_get(&f->host, name, false, err)
						: luff_host_new(&f->host, name, false, NULL, err);
	if (rc < 0)
		return luff_fail_context(err, "foreign layer");
	m->place = strdup(luff_url_redact(place, sizeof place, f->url));
	if (!m->place)
		return luff_fail_nomem(err);
	*out = luff_take(m);
	return 0;
}
