/*
 * A registry's list that arrives page by page (distribution-spec, "Listing Tags", "Listing Referrers"): JSON documents with
 * an array each, linked by Link headers. A registry cannot make it endless, nor lead it to another host.
 */
#ifndef LUFF_REGISTRY_PAGES_H
#define LUFF_REGISTRY_PAGES_H

#include <cjson/cJSON.h>

#include "mediums/registry/host.h"

struct luff_pages {
	/* For whoever starts it; borrowed while it is in use, but for url. */
	struct luff_host *host;
	const char *place, *what; /* for messages: "localhost:5000/app", "tag list" */
	const char *scope, *accept;
	const char *member; /* that holds the items: "tags" */
	char *url; /* of the page to get, at first "/v2/…", malloc'ed; NULL: that was the last one */

	cJSON *page;
	const cJSON *next;
	char *marker; /* a URL that was seen; taken anew at each power of two, so that any circle meets it */
	int count, empty, items;
};

/**
 * @param out  the next item, borrowed until the next call; NULL at the end
 * @return 0; LUFF_ENOTFOUND where the registry has no such list, LUFF_EFORMAT, LUFF_ELIMIT, or how the request failed
 */
int luff_pages_next(const cJSON **out, struct luff_pages *p, struct luff_error *err);
void luff_pages_release(struct luff_pages *p);

#endif
