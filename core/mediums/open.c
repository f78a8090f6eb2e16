/* From a name with its transport to the medium that it means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "mediums/mediums.h"

/* The last "@sha256:…" or "@sha512:…", which a folder's name may hide an @ before. NULL: none. */
static const char *find_digest(const char *text)
{
	const char *found = NULL;

	for (const char *p = strchr(text, '@'); p; p = strchr(p + 1, '@')) {
		if (luff_text_starts(p, "@sha256:") || luff_text_starts(p, "@sha512:"))
			found = p;
	}
	return found;
}

/* DIR[:TAG][@DIGEST]. The first colon ends the folder, as with skopeo: tags of layouts contain colons, folders seldom do. */
static int open_layout(struct luff_medium **out, struct luff_name *name_out, const char *text, bool create,
		       struct luff_error *err)
{
	struct luff_store *store = NULL;
	const char *at = find_digest(text), *end = at ? at : text + strlen(text);
	const char *colon = memchr(text, ':', (size_t)(end - text));
	LUFF_AUTO(text) folder = strndup(text, (size_t)((colon ? colon : end) - text));
	LUFF_AUTO(text) tag = strndup(colon ? colon + 1 : "", colon ? (size_t)(end - colon - 1) : 0);
	LUFF_AUTO(text) place = NULL;
	int rc = 0;

	if (!folder || !tag)
		return luff_fail_nomem(err);
	if (!*folder)
		return luff_fail(err, LUFF_ENAME, "oci: the folder is missing, write oci:FOLDER:TAG");
	if ((colon && !*tag) || !luff_text_copy(name_out->tag, sizeof name_out->tag, tag))
		return luff_fail(err, LUFF_ENAME, "oci:%s: the tag is %s", folder,
				 *tag ? "too long" : "empty");
	if (at)
		rc = luff_digest_parse(&name_out->digest, at + 1, err);
	if (rc < 0)
		return luff_fail_context(err, "oci:%s", folder);
	if (asprintf(&place, "oci:%s", folder) < 0) {
		place = NULL;
		return luff_fail_nomem(err);
	}
	rc = luff_store_open_folder(&store, folder, create, err);
	if (rc == 0)
		rc = luff_layout_new(out, store, place, err);
	luff_store_unref(store);
	return rc;
}

static int open_registry(struct luff_medium **out, struct luff_name *name_out, const char *text,
			 bool plain_http, struct luff_error *err)
{
	struct luff_reference ref;
	int rc = luff_reference_parse(&ref, text, err);

	if (rc == 0)
		rc = luff_registry_open(out, &ref, plain_http, err);
	if (rc < 0)
		return rc;
	memcpy(name_out->tag, ref.tag, sizeof ref.tag);
	name_out->digest = ref.digest;
	return 0;
}

int luff_medium_open(struct luff_medium **out, struct luff_name *name_out, const char *text,
		     const struct luff_open_options *options, struct luff_error *err)
{
	static const struct luff_open_options defaults;
	int rc;

	*out = NULL;
	memset(name_out, 0, sizeof *name_out);
	options = options ? options : &defaults;
	if (luff_text_starts(text, "oci:"))
		rc = open_layout(out, name_out, text + 4, options->create, err);
	else if (luff_text_starts(text, "memory:"))
		rc = luff_fail(err, LUFF_ENOTSUP, "memory has no names outside of a script");
	else
		rc = open_registry(out, name_out, luff_text_starts(text, "docker://") ? text + 9 : text,
				   options->plain_http, err);
	if (rc < 0)
		memset(name_out, 0, sizeof *name_out);
	return rc;
}
