/* From a name with its transport to the medium that it means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fence.h"
#include "base/text.h"
#include "mediums/gate.h"
#include "mediums/made.h"
#include "mediums/mediums.h"
#include "store/archive.h"
#include "store/containerd.h"
#include "store/docker.h"

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

/* PLACE[:TAG][@DIGEST] behind a transport, taken apart. */
struct spot {
	char *path, *place; /* "./dir" and "oci:./dir" */
};

static void spot_release(struct spot *spot)
{
	free(spot->path);
	free(spot->place);
}

/* The first colon ends the path, as with skopeo: tags contain colons, paths seldom do. `text` starts with "SCHEME:". */
static int parse_spot(struct spot *out, struct luff_name *name_out, const char *text, const char *what,
		      struct luff_error *err)
{
	size_t scheme = strcspn(text, ":") + 1;
	const char *path = text + scheme;
	const char *at = find_digest(path), *end = at ? at : path + strlen(path);
	const char *colon = memchr(path, ':', (size_t)(end - path));
	LUFF_AUTO(text) tag = strndup(colon ? colon + 1 : "", colon ? (size_t)(end - colon - 1) : 0);
	int rc;

	*out = (struct spot){.path = strndup(path, (size_t)((colon ? colon : end) - path))};
	if (out->path && asprintf(&out->place, "%.*s%s", (int)scheme, text, out->path) < 0)
		out->place = NULL;
	if (!out->place || !tag)
		return luff_fail_nomem(err);
	if (!*out->path)
		return luff_fail(err, LUFF_ENAME, "%.*s the %s is missing, write %.*s%s", (int)scheme, text,
				 what, (int)scheme, text,
				 strcmp(what, "folder") == 0 ? "FOLDER:TAG" : "FILE:NAME");
	if ((colon && !*tag) || !luff_text_copy(name_out->tag, sizeof name_out->tag, tag))
		return luff_fail(err, LUFF_ENAME, "%s: the tag is %s", out->place,
				 *tag ? "too long" : "empty");
	rc = at ? luff_digest_parse(&name_out->digest, at + 1, err) : 0;
	return rc < 0 ? luff_fail_context(err, "%s", out->place) : 0;
}

/* While a plan is made, a folder that is no layout yet is one in memory. */
static int open_folder(struct luff_store **out, const struct spot *spot, bool create, struct luff_error *err)
{
	struct luff_error failure = {0};
	int rc;

	if (!luff_plan_is_on())
		return luff_store_open_folder(out, spot->path, create, err);
	rc = luff_store_open_folder(out, spot->path, false, &failure);
	if ((rc == LUFF_ENOTFOUND || rc == LUFF_EFORMAT) && (create || luff_gate_knows(spot->place)))
		return luff_store_new_memory(out, LUFF_MANIFEST_MAX, NULL, err);
	if (rc < 0)
		*err = failure;
	return rc;
}

static int open_layout(struct luff_medium **out, struct luff_name *name_out, const char *text, bool create,
		       struct luff_error *err)
{
	struct luff_store *store = NULL;
	struct spot spot;
	int rc = parse_spot(&spot, name_out, text, "folder", err);

	if (rc == 0)
		rc = open_folder(&store, &spot, create, err);
	if (rc == 0)
		rc = luff_layout_new(out, store, spot.place, err);
	luff_store_unref(store);
	spot_release(&spot);
	return rc;
}

static int open_archive(struct luff_medium **out, struct luff_name *name_out, const char *text, bool create,
			bool docker, struct luff_error *err)
{
	struct luff_store *store = NULL;
	struct spot spot;
	int rc = parse_spot(&spot, name_out, text, "file", err);

	if (rc == 0 && docker && name_out->tag[0] && name_out->tag[0] != '@') {
		rc = luff_docker_name(name_out->tag, name_out->tag, err);
		if (rc < 0)
			luff_fail_context(err, "%s", spot.place);
	}
	if (rc == 0)
		rc = luff_store_open_archive(&store, spot.path, create,
					     docker ? &luff_archive_docker : &luff_archive_oci, err);
	if (rc == 0)
		rc = luff_layout_new(out, store, spot.place, err);
	if (rc == 0) {
		(*out)->naming = docker ? LUFF_NAMES_IMAGES : LUFF_NAMES_OPTIONAL;
		(*out)->unpacked = docker;
	}
	luff_store_unref(store);
	spot_release(&spot);
	return rc;
}

/* dir:DIR[@DIGEST]: it has no names, so colons are the folder's. */
static int open_dir(struct luff_medium **out, struct luff_name *name_out, const char *text,
		    struct luff_error *err)
{
	struct luff_store *store = NULL;
	const char *at = find_digest(text + 4);
	LUFF_AUTO(text) place = strndup(text, at ? (size_t)(at - text) : strlen(text));
	int rc = at ? luff_digest_parse(&name_out->digest, at + 1, err) : 0;

	if (!place)
		return luff_fail_nomem(err);
	if (rc == 0 && !place[4])
		rc = luff_fail(err, LUFF_ENAME, "dir: the folder is missing, write dir:FOLDER");
	if (rc == 0)
		rc = luff_store_open_dir(&store, place + 4, err);
	if (rc == 0)
		rc = luff_layout_new(out, store, place, err);
	if (rc == 0)
		(*out)->naming = LUFF_NAMES_NONE;
	luff_store_unref(store);
	return rc;
}

/* rootfs:PATH and random:SHAPE, with @DIGEST or without: images without a name. */
static int open_made(struct luff_medium **out, struct luff_name *name_out, const char *text,
		     struct luff_error *err)
{
	struct luff_store *store = NULL;
	const char *at = find_digest(text);
	LUFF_AUTO(text) place = strndup(text, at ? (size_t)(at - text) : strlen(text));
	bool rootfs = luff_text_starts(text, "rootfs:");
	int rc = at ? luff_digest_parse(&name_out->digest, at + 1, err) : 0;

	if (!place)
		return luff_fail_nomem(err);
	if (rc == 0 && rootfs && !place[7])
		rc = luff_fail(err, LUFF_ENAME, "rootfs: the path is missing, write rootfs:FOLDER");
	if (rc == 0)
		rc = luff_store_open_archive_made(&store, place + 7,
						  rootfs ? luff_rootfs_make : luff_random_make,
						  &luff_archive_docker, err);
	if (rc == 0)
		rc = luff_layout_new(out, store, place, err);
	if (rc == 0) {
		(*out)->naming = LUFF_NAMES_NONE;
		(*out)->unpacked = rootfs;
	}
	luff_store_unref(store);
	return rc;
}

/* "[NAMESPACE@/FOLDER]" in front of a name. @param rest_out  what is behind it */
static int parse_containerd(char **root_out, char **space_out, const char **rest_out, const char *text,
			    struct luff_error *err)
{
	const char *space = getenv("CONTAINERD_NAMESPACE"), *root = "/var/lib/containerd";
	const char *end = *text == '[' ? strchr(text, ']') : NULL, *at = end ? strchr(text, '@') : NULL;
	size_t root_len = strlen(root), space_len;

	space = space && *space ? space : "default";
	space_len = strlen(space);
	*rest_out = end ? end + 1 : text;
	if (end) {
		root = at && at < end ? at + 1 : text + 1;
		root_len = (size_t)(end - root);
		if (at && at < end) {
			space = text + 1;
			space_len = (size_t)(at - space);
		}
	}
	if ((*text == '[' && !end) || *root != '/' || space_len == 0)
		return luff_fail(err, LUFF_ENAME,
				 "containerd: write [NAMESPACE@/FOLDER]NAME, with a path from the root on");
	*root_out = strndup(root, root_len);
	*space_out = strndup(space, space_len);
	return *root_out && *space_out ? 0 : luff_fail_nomem(err);
}

static int name_containerd(struct luff_name *name_out, const char *text, struct luff_error *err)
{
	const char *at = find_digest(text);
	LUFF_AUTO(text) name = strndup(text, at ? (size_t)(at - text) : strlen(text));
	struct luff_error other = {0};
	int rc = at ? luff_digest_parse(&name_out->digest, at + 1, err) : 0;

	if (!name)
		return luff_fail_nomem(err);
	/* what is no name of docker's kind is looked for as it is */
	if (rc == 0 && *name && luff_docker_name(name_out->tag, name, &other) < 0 &&
	    !luff_text_copy(name_out->tag, sizeof name_out->tag, name))
		rc = luff_fail(err, LUFF_ENAME, "containerd: the name is too long");
	return rc;
}

static int open_containerd(struct luff_medium **out, struct luff_name *name_out, const char *text,
			   struct luff_error *err)
{
	struct luff_store *store = NULL;
	LUFF_AUTO(text) root = NULL;
	LUFF_AUTO(text) space = NULL;
	LUFF_AUTO(text) place = NULL;
	const char *rest;
	int rc = parse_containerd(&root, &space, &rest, strchr(text, ':') + 1, err);

	if (rc == 0)
		rc = name_containerd(name_out, rest, err);
	if (rc == 0 && asprintf(&place, "containerd:[%s@%s]", space, root) < 0) {
		place = NULL;
		rc = luff_fail_nomem(err);
	}
	if (rc == 0 && luff_store_open_containerd(&store, root, space, err) < 0)
		rc = luff_fail_context(err, "containerd");
	if (rc == 0)
		rc = luff_layout_new(out, store, place, err);
	if (rc == 0)
		(*out)->naming = LUFF_NAMES_IMAGES;
	luff_store_unref(store);
	return rc;
}

/* docker-daemon:NAME[@DIGEST], or an ID as docker writes it, "sha256:…", which is no manifest's digest. */
static int open_daemon(struct luff_medium **out, struct luff_name *name_out, const char *text,
		       const struct luff_open_options *options, struct luff_error *err)
{
	const char *rest = strchr(text, ':') + 1, *at = find_digest(rest);
	LUFF_AUTO(text) name = strndup(rest, at ? (size_t)(at - rest) : strlen(rest));
	struct luff_digest id;
	int rc = at ? luff_digest_parse(&name_out->digest, at + 1, err) : 0;

	if (!name)
		return luff_fail_nomem(err);
	if (rc == 0 && luff_text_starts(name, "sha256:")) {
		rc = luff_digest_parse(&id, name, err);
		if (rc == 0)
			snprintf(name_out->tag, sizeof name_out->tag, "@%s", id.text);
	} else if (rc == 0 && *name) {
		rc = luff_docker_name(name_out->tag, name, err);
	}
	return rc < 0 ? luff_fail_context(err, "docker-daemon")
		      : luff_daemon_open(out, name_out, options, err);
}

static int open_registry(struct luff_medium **out, struct luff_name *name_out, const char *text,
			 bool plain_http, struct luff_error *err)
{
	struct luff_reference ref;
	bool writable = false;
	int rc = luff_reference_parse(&ref, text, err);

	if (rc == 0)
		/* a script that is fenced in sends nobody's login in the clear */
		rc = luff_registry_open(out, &ref, plain_http && !luff_fence_stands(), err);
	if (rc == 0)
		rc = luff_fence_repository(&writable, luff_medium_place(*out), err);
	if (rc == 0)
		rc = luff_cache_wrap(out, err);
	if (rc < 0) {
		luff_medium_unref(*out);
		*out = NULL;
		return rc;
	}
	(*out)->sealed = !writable;
	memcpy(name_out->tag, ref.tag, sizeof ref.tag);
	name_out->digest = ref.digest;
	return 0;
}

/* Whether it has one of the transports below, but docker://. */
static bool is_local(const char *text)
{
	static const char *const schemes[] = {
		"oci:",    "docker-archive:", "oci-archive:",   "dir:",        "rootfs:",
		"random:", "memory:",         "docker-daemon:", "containerd:", "containers-storage:"};

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		if (luff_text_starts(text, schemes[i]))
			return true;
	}
	return false;
}

int luff_medium_open(struct luff_medium **out, struct luff_name *name_out, const char *text,
		     const struct luff_open_options *options, struct luff_error *err)
{
	static const struct luff_open_options defaults;
	int rc;

	*out = NULL;
	memset(name_out, 0, sizeof *name_out);
	options = options ? options : &defaults;
	if (luff_fence_stands() && is_local(text))
		rc = luff_fence_local(text, err);
	else if (luff_fence_stands()) /* whatever else there is below */
		rc = open_registry(out, name_out, luff_text_starts(text, "docker://") ? text + 9 : text,
				   false, err);
	else if (luff_text_starts(text, "oci:"))
		rc = open_layout(out, name_out, text, options->create, err);
	else if (luff_text_starts(text, "docker-archive:") || luff_text_starts(text, "oci-archive:"))
		rc = open_archive(out, name_out, text, options->create, *text == 'd', err);
	else if (luff_text_starts(text, "dir:"))
		rc = open_dir(out, name_out, text, err);
	else if (luff_text_starts(text, "rootfs:") || luff_text_starts(text, "random:"))
		rc = open_made(out, name_out, text, err);
	else if (luff_text_starts(text, "docker-daemon:"))
		rc = open_daemon(out, name_out, text, options, err);
	else if (luff_text_starts(text, "containers-storage:"))
		rc = luff_storage_open(out, name_out, text + 19, find_digest(text), err);
	else if (luff_text_starts(text, "containerd:"))
		rc = open_containerd(out, name_out, text, err);
	else if (luff_text_starts(text, "memory:"))
		rc = luff_fail(err, LUFF_ENOTSUP, "memory has no names outside of a script");
	else
		rc = open_registry(out, name_out, luff_text_starts(text, "docker://") ? text + 9 : text,
				   options->plain_http, err);
	if (rc == 0)
		rc = luff_gate_wrap(out, options->plain_http, err);
	if (rc < 0)
		memset(name_out, 0, sizeof *name_out);
	return rc;
}
