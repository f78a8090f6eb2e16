/* Copying as it is called: the content of one image or several, then their names. */
#include "ops/several.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "medium.h"

#define IMAGES_MAX 10000

/* Names all that have a document. */
static int name_roots(struct luff_copy_result *result, struct luff_medium *dst,
		      const struct luff_copy_root *roots, size_t count, struct luff_error *err)
{
	struct luff_tagging *list = calloc(count, sizeof *list);
	size_t n = 0;
	int rc = 0;

	if (!list)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < count; i++) {
		const struct luff_copy_root *r = &roots[i];

		if (r->document)
			list[n++] = (struct luff_tagging){&r->descriptor, r->document, r->tag};
	}
	if (n > 0)
		rc = luff_medium_tag_all(dst, list, n, err);
	if (rc == 0)
		result->manifests += (int64_t)n;
	free(list);
	/* by digest alone, or referrers of what was there */
	return rc < 0 ? rc : luff_medium_flush(dst, err);
}

static int check_names(const struct luff_medium *dst, const struct luff_copy_root *roots, size_t last,
		       struct luff_error *err)
{
	const char *tag = roots[last].tag;

	for (size_t i = 0; *tag && i < last; i++) {
		if (strcmp(roots[i].tag, tag) == 0)
			return luff_fail(err, LUFF_EINVAL, "%s: two of the images would be named %s",
					 luff_medium_place(dst), tag);
	}
	return 0;
}

int luff_copy_all(struct luff_copy_result *out, struct luff_descriptor *roots_out, struct luff_medium *dst,
		  const struct luff_copy_source *sources, size_t count,
		  const struct luff_copy_options *options, struct luff_error *err)
{
	struct luff_copy_result result = {.copied = 0};
	struct luff_copy_root *roots;
	int64_t total = 0;
	int rc = 0;

	if (out)
		memset(out, 0, sizeof *out);
	if (count == 0 || count > IMAGES_MAX)
		return luff_fail(err, LUFF_EINVAL, "1 to %d images are copied at once", IMAGES_MAX);
	if (count > 1 && dst->naming == LUFF_NAMES_NONE)
		return luff_fail(err, LUFF_ENOTSUP, "%s: has no names, and holds one image",
				 luff_medium_place(dst));
	roots = calloc(count, sizeof *roots);
	if (!roots)
		return luff_fail_nomem(err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct luff_name name = {.digest = {""}};

		if (sources[i].as && !luff_text_copy(name.tag, sizeof name.tag, sources[i].as)) {
			rc = luff_fail(err, LUFF_ENAME, "%s: a name is too long", luff_medium_place(dst));
			break;
		}
		rc = luff_copy_content(&roots[i], &result, &total, dst, &name, &sources[i], options, err);
		if (rc == 0)
			rc = check_names(dst, roots, i, err);
		if (roots_out)
			roots_out[i] = result.root;
	}
	if (rc == 0)
		rc = name_roots(&result, dst, roots, count, err);
	for (size_t i = 0; i < count; i++)
		free(roots[i].document);
	free(roots);
	if (rc == 0 && out)
		*out = result;
	return rc;
}

int luff_copy(struct luff_copy_result *out, struct luff_medium *dst, const struct luff_name *dst_name,
	      struct luff_medium *src, const struct luff_name *src_name,
	      const struct luff_copy_options *options, struct luff_error *err)
{
	struct luff_copy_source source = {.medium = src, .name = src_name};
	struct luff_copy_result result = {.copied = 0};
	struct luff_copy_root root = {.document = NULL};
	int64_t total = 0;
	int rc;

	if (out)
		memset(out, 0, sizeof *out);
	rc = luff_copy_content(&root, &result, &total, dst, dst_name, &source, options, err);
	if (rc == 0)
		rc = name_roots(&result, dst, &root, 1, err);
	free(root.document);
	if (rc == 0 && out)
		*out = result;
	return rc;
}
