/* See images.h. */
#include "mediums/daemon/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "http/url.h"

#define IMAGE_MAX (8 << 20) /* bytes of what is told of one image: its config, above all */
#define LIST_MAX (64 << 20) /* and of all of them */
#define ASK_MS (5 * 60 * 1000)
#define WHOLE_MAX 1400 /* "registry/repository:tag" or "registry/repository@digest" */

/* An answer to a request for "/images/NAME" and what follows. */
static int ask(char **out, size_t *len_out, struct luff_client *client, const char *method, const char *name,
	       const char *rest, struct luff_error *err)
{
	struct luff_client_request request = {.method = method, .limit_ms = ASK_MS};
	LUFF_AUTO(buffer) path = {.cap = LUFF_URL_MAX};
	int rc = luff_buffer_printf(&path, err, "/images/");

	*out = NULL;
	if (rc == 0)
		rc = luff_url_encode(&path, name, err);
	if (rc == 0)
		rc = luff_buffer_printf(&path, err, "%s", rest);
	request.path = path.data;
	return rc < 0 ? rc : luff_client_read(out, len_out, client, &request, IMAGE_MAX, err);
}

/* What an answer does not say right is the daemon's fault. */
static int of(const struct luff_client *client, int rc, struct luff_error *err)
{
	return rc < 0 ? luff_client_context(client, err) : 0;
}

int luff_images_list(struct luff_answer_names *out, struct luff_client *client, struct luff_error *err)
{
	static const struct luff_client_request request = {
		.method = "GET", .path = "/images/json", .limit_ms = ASK_MS};
	LUFF_AUTO(text) text = NULL;
	size_t len;
	int rc = luff_client_read(&text, &len, client, &request, LIST_MAX, err);

	*out = (struct luff_answer_names){NULL, 0};
	return rc < 0 ? rc : of(client, luff_answer_list(out, text, len, err), err);
}

/* ---- finding one ---- */

/* "docker.io/library/busybox:latest", which no daemon takes for another one; or an ID. */
static int whole_name(char whole[WHOLE_MAX], const char *tag, struct luff_error *err)
{
	struct luff_reference ref;
	int rc;

	if (*tag == '@') {
		luff_text_copy(whole, WHOLE_MAX, tag + 1);
		return 0;
	}
	rc = luff_reference_parse(&ref, tag, err);
	if (rc < 0)
		return luff_fail_context(err, LUFF_DAEMON);
	luff_reference_format(whole, WHOLE_MAX, &ref);
	return 0;
}

static int inspect(struct luff_answer_image *out, struct luff_client *client, const char *name,
		   const struct luff_platform *want, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	size_t len;
	int rc = ask(&text, &len, client, "GET", name, want ? "/json?manifests=1" : "/json", err);

	return rc < 0 ? rc : of(client, luff_answer_image(out, text, len, want, err), err);
}

int luff_images_find(struct luff_answer_image *out, struct luff_client *client, const struct luff_name *name,
		     const struct luff_platform *want, struct luff_error *err)
{
	bool named = name->tag[0] && name->tag[0] != '@';
	struct luff_error missing = {0};
	char whole[WHOLE_MAX];
	int rc = 0;

	memset(out, 0, sizeof *out);
	if (named && name->digest.text[0]) {
		struct luff_reference ref;

		rc = luff_reference_parse(&ref, name->tag, err);
		if (rc < 0)
			return luff_fail_context(err, LUFF_DAEMON);
		snprintf(whole, sizeof whole, "%s/%s@%s", ref.registry, ref.repository, name->digest.text);
		rc = inspect(out, client, whole, want, &missing);
		/* not every daemon understands that, or knows the digest; the name may stand for it all the same */
		if (rc != LUFF_ENOTFOUND && rc != LUFF_EHTTP) {
			*err = rc < 0 ? missing : *err;
			return rc;
		}
	}
	if (name->tag[0])
		rc = whole_name(whole, name->tag, err);
	else
		luff_text_copy(whole, sizeof whole, name->digest.text);
	return rc < 0 ? rc : inspect(out, client, whole, want, err);
}

/* "no image app:v3 (have: app:v1, app:v2)". @param names  NULL: nobody knows */
static int fail_missing(const struct luff_name *name, const struct luff_answer_names *names,
			struct luff_error *err)
{
	LUFF_AUTO(buffer) have = {.cap = 200};
	struct luff_error full = {0};
	const char *tag = name->tag[0] == '@' ? name->tag + 1 : name->tag, *digest = name->digest.text;
	char list[240] = "";

	for (size_t i = 0; names && i < names->count && !full.code; i++)
		luff_buffer_printf(&have, &full, "%s%s", have.len ? ", " : "", names->names[i]);
	if (names)
		snprintf(list, sizeof list, " (have: %s%s)", have.len ? have.data : "none",
			 full.code ? ", …" : "");
	if (!*tag && !*digest)
		return luff_fail(err, LUFF_ENOTFOUND, LUFF_DAEMON ": choose one image by its name%s", list);
	return luff_fail(err, LUFF_ENOTFOUND, LUFF_DAEMON ": no image %s%s%s%s", tag,
			 *tag && *digest ? "@" : "", digest, list);
}

int luff_images_missing(struct luff_client *client, const struct luff_name *name, struct luff_error *err)
{
	struct luff_answer_names names;
	struct luff_error ignored = {0};
	bool known = luff_images_list(&names, client, &ignored) == 0;

	fail_missing(name, known ? &names : NULL, err);
	err->http_status = 404;
	luff_answer_names_release(&names);
	return err->code;
}

int luff_images_only(struct luff_name *out, struct luff_client *client, struct luff_error *err)
{
	struct luff_answer_names names;
	int rc = luff_images_list(&names, client, err);

	memset(out, 0, sizeof *out);
	if (rc < 0)
		return rc;
	if (names.count == 1)
		luff_text_copy(out->tag, sizeof out->tag, names.names[0]);
	else
		rc = fail_missing(out, &names, err);
	luff_answer_names_release(&names);
	return rc;
}

/* ---- changing names ---- */

int luff_images_tag(struct luff_client *client, const struct luff_digest *id, const char *tag,
		    struct luff_error *err)
{
	LUFF_AUTO(text) answer = NULL;
	struct luff_reference ref;
	char rest[WHOLE_MAX];
	size_t len;
	int rc = luff_reference_parse(&ref, tag, err);

	if (rc < 0)
		return luff_fail_context(err, LUFF_DAEMON);
	/* what a parsed name has needs no encoding */
	snprintf(rest, sizeof rest, "/tag?repo=%s/%s&tag=%s", ref.registry, ref.repository, ref.tag);
	return ask(&answer, &len, client, "POST", id->text, rest, err);
}

static int remove_one(struct luff_digest *out, struct luff_client *client, const char *name,
		      struct luff_error *err)
{
	LUFF_AUTO(text) answer = NULL;
	size_t len;
	int rc = ask(&answer, &len, client, "DELETE", name, "", err);

	return rc < 0 ? rc : of(client, luff_answer_removed(out, answer, len, err), err);
}

/* All names but the last, with which the image goes. */
static int remove_all(struct luff_digest *out, struct luff_client *client,
		      const struct luff_answer_image *image, struct luff_error *err)
{
	char whole[WHOLE_MAX];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i + 1 < image->names.count; i++) {
		rc = whole_name(whole, image->names.names[i], err);
		if (rc == 0)
			rc = remove_one(out, client, whole, err);
	}
	return rc < 0 ? rc : remove_one(out, client, image->id.text, err);
}

int luff_images_remove(struct luff_digest *out, struct luff_client *client, const struct luff_name *name,
		       bool force, struct luff_error *err)
{
	bool by_name = name->tag[0] && name->tag[0] != '@' && !name->digest.text[0];
	struct luff_answer_image image;
	char whole[WHOLE_MAX];
	int rc = luff_images_find(&image, client, name, NULL, err);

	if (rc < 0)
		return rc == LUFF_ENOTFOUND ? luff_images_missing(client, name, err) : rc;
	/* the daemon never hears of force: it would take containers for one more obstacle */
	if (by_name && image.names.count < 2 && !force)
		rc = luff_fail(err, LUFF_ENOTSUP,
			       LUFF_DAEMON
			       ": %s is the image's only name, with which it goes; force deletes %s",
			       name->tag, image.id.text);
	else if (!by_name && image.names.count > 1 && !force)
		rc = luff_fail(err, LUFF_ENOTSUP,
			       LUFF_DAEMON ": %s has %zu names, %s and others; force deletes all of them",
			       image.id.text, image.names.count, image.names.names[0]);
	else if (by_name)
		rc = whole_name(whole, name->tag, err);
	if (rc == 0)
		rc = by_name ? remove_one(out, client, whole, err) : remove_all(out, client, &image, err);
	luff_answer_image_release(&image);
	return rc;
}
