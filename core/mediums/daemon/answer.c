/* See answer.h. */
#include "mediums/daemon/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/descriptor.h"
#include "store/docker.h"

#define OBJECT_MAX (256 << 10)         /* bytes of one object of a stream */
#define STREAM_MAX ((int64_t)64 << 20) /* bytes of all of them */

/* ---- names ---- */

void luff_answer_names_release(struct luff_answer_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct luff_answer_names){NULL, 0};
}

static int add_name(struct luff_answer_names *to, const cJSON *tag, struct luff_error *err)
{
	char name[LUFF_TAG_MAX + 1], word[160];
	const char *text = cJSON_GetStringValue(tag);
	struct luff_error none = {0};
	char **longer;

	/* so some say that there is none */
	if (text && strcmp(text, "<none>:<none>") == 0)
		return 0;
	if (!text || luff_docker_name(name, text, &none) < 0)
		return luff_fail(err, LUFF_EFORMAT, "a name that is none: %s",
				 luff_text_printable(word, sizeof word, text ? text : "no text"));
	/* room for a power of two */
	if ((to->count & (to->count - 1)) == 0) {
		longer = realloc(to->names, (2 * to->count + 1) * sizeof *longer);
		if (!longer)
			return luff_fail_nomem(err);
		to->names = longer;
	}
	to->names[to->count] = strdup(name);
	return to->names[to->count] ? (to->count++, 0) : luff_fail_nomem(err);
}

static int add_names(struct luff_answer_names *to, const cJSON *image, struct luff_error *err)
{
	const cJSON *tag;
	int rc = 0;

	cJSON_ArrayForEach(tag, luff_json_array(image, "RepoTags"))
	{
		if (rc == 0)
			rc = add_name(to, tag, err);
	}
	return rc;
}

int luff_answer_list(struct luff_answer_names *out, const char *text, size_t len, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	const cJSON *image;
	int rc = luff_json_parse(&tree, text, len, "list of images", err);

	*out = (struct luff_answer_names){NULL, 0};
	if (rc == 0 && !cJSON_IsArray(tree))
		rc = luff_fail(err, LUFF_EFORMAT, "no list of images");
	if (rc < 0)
		return rc;
	cJSON_ArrayForEach(image, tree)
	{
		if (rc == 0)
			rc = add_names(out, image, err);
	}
	if (rc < 0)
		luff_answer_names_release(out);
	return rc;
}

/* ---- one image ---- */

/* *out stays without a digest where nothing runs on the platform, or is here. */
static int choose(struct luff_descriptor *out, const cJSON *manifests, const struct luff_platform *want,
		  struct luff_error *err)
{
	const cJSON *manifest;
	int best = 0;

	cJSON_ArrayForEach(manifest, manifests)
	{
		const char *kind = luff_json_string(manifest, "Kind");
		struct luff_descriptor d;
		int match;

		if (!kind || strcmp(kind, "image") != 0 ||
		    !cJSON_IsTrue(luff_json_get(manifest, "Available")))
			continue;
		if (luff_descriptor_parse(&d, luff_json_get(manifest, "Descriptor"), "Manifests", err) < 0)
			return err->code;
		match = luff_platform_match(want, &d.platform);
		if (match > best) {
			*out = d;
			best = match;
		}
	}
	out->manifest = true;
	return 0;
}

int luff_answer_image(struct luff_answer_image *out, const char *text, size_t len,
		      const struct luff_platform *want, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	const cJSON *descriptor;
	const char *id;
	int rc = luff_json_parse(&tree, text, len, "image", err);

	memset(out, 0, sizeof *out);
	if (rc < 0)
		return rc;
	id = luff_json_string(tree, "Id");
	descriptor = luff_json_get(tree, "Descriptor");
	if (!id || luff_digest_parse(&out->id, id, err) < 0)
		rc = luff_fail(err, LUFF_EFORMAT, "an image without an ID");
	if (rc == 0 && descriptor)
		rc = luff_descriptor_parse(&out->descriptor, descriptor, "Descriptor", err);
	if (rc == 0 && want)
		rc = choose(&out->chosen, luff_json_array(tree, "Manifests"), want, err);
	if (rc == 0)
		rc = add_names(&out->names, tree, err);
	out->descriptor.manifest = true;
	if (rc < 0)
		luff_answer_image_release(out);
	return rc;
}

void luff_answer_image_release(struct luff_answer_image *image)
{
	luff_answer_names_release(&image->names);
	memset(image, 0, sizeof *image);
}

int luff_answer_removed(struct luff_digest *out, const char *text, size_t len, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	struct luff_error none = {0};
	const cJSON *step;
	int rc = luff_json_parse(&tree, text, len, "list of what was removed", err);

	out->text[0] = '\0';
	if (rc < 0)
		return rc;
	/* what went first is the image, then layers may follow */
	cJSON_ArrayForEach(step, tree)
	{
		const char *id = luff_json_string(step, "Deleted");
		char text_of[LUFF_DIGEST_MAX + 1];

		/* Podman leaves the algorithm out */
		snprintf(text_of, sizeof text_of, "%s%s",
			 id && strchr(id, ':') ? "" : "sha256:", id ? id : "");
		if (luff_digest_parse(out, text_of, &none) == 0)
			return 0;
	}
	return 0;
}

int luff_answer_pruned(struct luff_daemon_pruned *out, const char *text, size_t len, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	const cJSON *step;
	int rc = luff_json_parse(&tree, text, len, "list of what was removed", err);

	*out = (struct luff_daemon_pruned){0};
	if (rc == 0 && !cJSON_IsObject(tree))
		rc = luff_fail(err, LUFF_EFORMAT, "no list of what was removed");
	if (rc < 0)
		return rc;
	cJSON_ArrayForEach(step, luff_json_array(tree, "ImagesDeleted"))
	{
		out->images += luff_json_string(step, "Deleted") != NULL;
		out->names += luff_json_string(step, "Untagged") != NULL;
	}
	if (!luff_json_int64(&out->bytes, tree, "SpaceReclaimed") || out->bytes < 0)
		out->bytes = 0;
	return 0;
}

/* ---- errors ---- */

void luff_answer_words(char *buf, size_t size, const char *text, size_t len)
{
	LUFF_AUTO(json) tree = NULL;
	struct luff_error none = {0};
	const char *words = NULL;

	if (luff_json_parse(&tree, text, len, "error", &none) == 0) {
		words = luff_json_string(tree, "message");
		words = words ? words : luff_json_string(luff_json_object(tree, "errorDetail"), "message");
		words = words ? words : luff_json_string(tree, "error");
	}
	luff_text_printable(buf, size, words ? words : "");
}

/* ---- objects one behind the other ---- */

void luff_answer_stream_init(struct luff_answer_stream *s)
{
	*s = (struct luff_answer_stream){.total = 0};
	luff_buffer_init(&s->object, OBJECT_MAX);
}

void luff_answer_stream_release(struct luff_answer_stream *s)
{
	luff_buffer_release(&s->object);
}

/* Of the complete object. */
static int check_object(struct luff_answer_stream *s, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	char words[300];
	int rc = luff_json_parse(&tree, s->object.data, s->object.len, "answer", err);

	if (rc == 0 && (luff_json_get(tree, "error") || luff_json_get(tree, "errorDetail"))) {
		luff_answer_words(words, sizeof words, s->object.data, s->object.len);
		rc = luff_fail(err, LUFF_EHTTP, "%s", *words ? words : "failed without a word");
	}
	if (rc == 0 && s->each)
		s->each(s->arg, tree);
	s->object.len = 0;
	return rc;
}

int luff_answer_stream_feed(struct luff_answer_stream *s, const char *bytes, size_t len,
			    struct luff_error *err)
{
	int rc = 0;

	s->total += (int64_t)len;
	if (s->total > STREAM_MAX)
		return luff_fail(err, LUFF_ELIMIT, "an answer without an end");
	for (size_t i = 0; rc == 0 && i < len; i++) {
		char c = bytes[i];

		if (s->depth == 0 && strchr(" \t\r\n", c) && c)
			continue;
		if (s->depth == 0 && c != '{')
			return luff_fail(err, LUFF_EFORMAT, "the answer is not that of a Docker daemon");
		rc = luff_buffer_append(&s->object, &c, 1, err);
		if (s->escaped)
			s->escaped = false;
		else if (s->quoted && c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->quoted = !s->quoted;
		else if (!s->quoted && (c == '{' || c == '['))
			s->depth++;
		else if (!s->quoted && (c == '}' || c == ']'))
			s->depth--;
		if (rc == 0 && s->depth == 0)
			rc = check_object(s, err);
	}
	return rc;
}

int luff_answer_stream_read(struct luff_answer_stream *s, struct luff_reader *r, struct luff_error *err)
{
	char chunk[4096];
	size_t n = 1;
	int rc = 0;

	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, chunk, sizeof chunk, err);
		if (rc == 0)
			rc = luff_answer_stream_feed(s, chunk, n, err);
	}
	return rc < 0 ? rc : luff_answer_stream_end(s, err);
}

int luff_answer_stream_end(const struct luff_answer_stream *s, struct luff_error *err)
{
	return s->depth == 0 ? 0 : luff_fail(err, LUFF_EFORMAT, "the answer breaks off");
}
