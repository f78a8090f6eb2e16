/* See current.h. Docker Hub counts what moves a manifest, and not what asks for its digest. */
#include "ops/current.h"

#include "base/error.h"
#include "base/text.h"

int luff_current_find(struct luff_digest *out, struct luff_medium *dst, const char *tag,
		      struct luff_error *err)
{
	struct luff_name name = {.digest = {""}};
	struct luff_descriptor there;
	struct luff_error missing = {0};
	int rc;

	*out = name.digest;
	if (!*tag || !luff_text_copy(name.tag, sizeof name.tag, tag))
		return 0;
	rc = luff_medium_resolve(&there, NULL, dst, &name, &missing);
	if (rc == 0)
		*out = there.digest;
	if (rc == 0 || rc == LUFF_ENOTFOUND || rc == LUFF_EDENIED || rc == LUFF_EAUTH || rc == LUFF_EFORMAT ||
	    rc == LUFF_EDIGEST || rc == LUFF_ESIZE)
		return 0;
	*err = missing;
	return rc;
}

int luff_current_is(bool *out, struct luff_descriptor *root_out, const struct luff_digest *there,
		    struct luff_medium *src, const struct luff_name *name, struct luff_error *err)
{
	struct luff_descriptor root;
	int rc = luff_medium_resolve(&root, NULL, src, name, err);

	/* a type that nobody told is in the manifest */
	*out = rc == 0 && root.media_type[0] && luff_digest_equal(&root.digest, there);
	if (*out)
		*root_out = root;
	return rc;
}
