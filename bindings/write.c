/* New content: blobs and manifests from scripts, and the digest of bytes at hand. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fence.h"
#include "base/hash.h"
#include "bind.h"
#include "model/descriptor.h"
#include "stream/streams.h"

struct push_call {
	struct luff_work base;
	struct luff_medium *medium;
	struct luff_name name;
	struct luff_descriptor descriptor;
	char *bytes;
	size_t len;
	int fd;                      /* -1: none */
	char *folder, *title;        /* kept by the user value; packed to fd first */
	struct luff_digest content;  /* of the folder's plain tar */
	struct luff_reader_box *src; /* kept by the user value; spooled to fd first */
	bool is_manifest;
	struct luff_image *image;
	struct luff_index *index;
};

static int digest_fd(struct luff_descriptor *d, enum luff_algorithm algorithm, int fd, struct luff_error *err)
{
	struct luff_reader *r = NULL;
	struct luff_hash hash;
	char buf[32 << 10];
	size_t n = 1;
	int copy = dup(fd), rc;

	if (copy < 0)
		return luff_fail_errno(err, errno, "cannot read");
	rc = luff_reader_open_fd(&r, copy, 0, err);
	luff_hash_init(&hash, algorithm);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, buf, sizeof buf, err);
		luff_hash_update(&hash, buf, n);
		d->size += (int64_t)n;
	}
	luff_reader_close(r);
	luff_hash_final(&d->digest, &hash);
	return rc;
}

static int write_all(int fd, const char *bytes, size_t len, struct luff_error *err)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return luff_fail_errno(err, errno, "cannot write a temporary file");
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/*
 * The digest names the upload, so what comes from a stream waits in a file without a name: first what the Reader has read
 * ahead, then the rest of it.
 */
static int spool(struct push_call *c, struct luff_error *err)
{
	struct luff_reader_box *src = c->src;
	char buf[32 << 10];
	size_t n = 1;
	int rc = luff_spool_open(&c->fd, err);

	if (rc < 0)
		return rc;
	rc = src->rest.len > 0
		     ? write_all(c->fd, src->rest.data + src->start, src->rest.len - src->start, err)
		     : 0;
	src->start = src->rest.len = 0;
	while (rc == 0 && n > 0 && !src->ended) {
		rc = luff_reader_read(&n, src->r, buf, sizeof buf, err);
		if (rc == 0)
			rc = write_all(c->fd, buf, n, err);
	}
	src->ended = src->ended || rc == 0;
	return rc;
}

static int push_blob_run(struct push_call *c, struct luff_error *err)
{
	struct luff_reader *r = NULL;
	int copy, rc;

	rc = c->src      ? spool(c, err)
	     : c->folder ? luff_artifact_pack(&c->fd, &c->content, c->folder, c->title, err)
			 : 0;
	if (rc < 0)
		return rc;
	if (c->fd < 0) {
		rc = luff_digest_of(&c->descriptor.digest, "sha256", c->bytes, c->len, err);
		c->descriptor.size = (int64_t)c->len;
		return rc < 0 ? rc : luff_medium_push_bytes(c->medium, &c->descriptor, c->bytes, err);
	}
	rc = digest_fd(&c->descriptor, LUFF_SHA256, c->fd, err);
	if (rc < 0)
		return rc;
	copy = dup(c->fd);
	if (copy < 0)
		return luff_fail_errno(err, errno, "cannot read");
	rc = luff_reader_open_fd(&r, copy, 0, err);
	if (rc == 0)
		rc = luff_medium_push(c->medium, &c->descriptor, r, err);
	luff_reader_close(r);
	return rc;
}

static int push_manifest_run(struct push_call *c, struct luff_error *err)
{
	struct luff_descriptor *d = &c->descriptor;
	const char *algorithm = luff_algorithm_name(luff_digest_algorithm(&c->name.digest));
	struct luff_document doc;
	int rc;

	if (c->len > LUFF_MANIFEST_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a manifest has at most %d bytes", LUFF_MANIFEST_MAX);
	rc = luff_document_parse(&doc, c->bytes, c->len, d->media_type[0] ? d->media_type : NULL, err);
	if (rc < 0)
		return rc;
	memcpy(d->media_type, doc.media_type, sizeof d->media_type);
	luff_document_release(&doc);
	d->manifest = true;
	d->size = (int64_t)c->len;
	rc = luff_digest_of(&d->digest, algorithm, c->bytes, c->len, err);
	if (rc == 0 && c->name.digest.text[0] && !luff_digest_equal(&c->name.digest, &d->digest))
		rc = luff_fail(err, LUFF_EDIGEST, "the manifest has the digest %s", d->digest.text);
	if (rc == 0)
		rc = c->name.tag[0] ? luff_medium_tag(c->medium, d, c->bytes, c->name.tag, err)
				    : luff_medium_push_bytes(c->medium, d, c->bytes, err);
	if (rc < 0)
		return rc;
	return luff_media_is_index(d->media_type) ? luff_index_open(&c->index, c->medium, d, c->bytes, err)
						  : luff_image_open(&c->image, c->medium, d, c->bytes, err);
}

static int push_run(struct luff_work *base, struct luff_error *err)
{
	struct push_call *c = (struct push_call *)base;

	int rc = c->is_manifest ? push_manifest_run(c, err) : push_blob_run(c, err);

	/* the place is closed afterwards */
	return rc < 0 ? rc : luff_medium_flush(c->medium, err);
}

static int push_finish(lua_State *L, struct luff_work *base)
{
	struct push_call *c = (struct push_call *)base;

	if (c->is_manifest)
		return luff_push_opened(L, &c->image, &c->index);
	lua_createtable(L, 0, 3);
	lua_pushstring(L, c->descriptor.media_type);
	lua_setfield(L, -2, "mediaType");
	lua_pushstring(L, c->descriptor.digest.text);
	lua_setfield(L, -2, "digest");
	lua_pushinteger(L, c->descriptor.size);
	lua_setfield(L, -2, "size");
	if (!c->folder)
		return 1;
	lua_pushstring(L, c->content.text);
	return 2;
}

static void push_release(struct luff_work *base)
{
	struct push_call *c = (struct push_call *)base;

	luff_image_unref(c->image);
	luff_index_unref(c->index);
	luff_medium_unref(c->medium);
	free(c->bytes);
	free(c->folder);
	free(c->title);
	if (c->fd >= 0)
		close(c->fd);
	if (c->src)
		c->src->busy = false;
}

static int open_path(const char *path, lua_State *L)
{
	struct luff_error err = {0};
	int fd = -1;

	if (luff_fence_local(path, &err) < 0)
		luff_raise(L, &err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		luff_fail_errno(&err, errno, "%s", path);
		luff_raise(L, &err);
	}
	return fd;
}

static int open_file_option(lua_State *L, int i)
{
	static const char *const options[] = {"file", NULL};
	const char *path;

	luff_check_options(L, i, options);
	path = luff_option_string(L, i, "file");
	luaL_argcheck(L, path != NULL, i, "want a string or { file = path }");
	return open_path(path, L);
}

/* A file or a folder. */
static void take_path(struct push_call *c, lua_State *L, int i)
{
	static const char *const options[] = {"file", "folder", "title", NULL};
	const char *path, *folder, *title;
	struct luff_error err = {0};

	luff_check_options(L, i, options);
	path = luff_option_string(L, i, "file");
	folder = luff_option_string(L, i, "folder");
	title = luff_option_string(L, i, "title");
	luaL_argcheck(L, folder ? !path && title : path && !title, i,
		      "want a string, { file = path } or { folder = path, title = name }");
	if (path) {
		c->fd = open_path(path, L);
		return;
	}
	if (luff_fence_local(folder, &err) < 0)
		luff_raise(L, &err);
	c->folder = strdup(folder);
	c->title = strdup(title);
	if (!c->folder || !c->title)
		luaL_error(L, "out of memory");
}

/* [-0, +1] */
static struct push_call *new_push(lua_State *L, bool is_manifest)
{
	static const char *const options[] = {"media_type", "plain_http", NULL};
	static const char *const for_manifest[] = {"media_type", "plain_http", "untagged", NULL};
	struct luff_reader_box *src = NULL;
	const char *media_type, *bytes;
	struct luff_open_options how = {.create = true};
	struct push_call *c;

	lua_settop(L, 3);
	luff_check_options(L, 3, is_manifest ? for_manifest : options);
	media_type = luff_option_string(L, 3, "media_type");
	if (!media_type && !is_manifest)
		media_type = "application/octet-stream";
	luaL_argcheck(L, !media_type || strlen(media_type) <= LUFF_MEDIA_TYPE_MAX, 3,
		      "media_type is too long");
	if (is_manifest && lua_istable(L, 2)) {
		luff_encode_json(L, 2, false);
		lua_replace(L, 2);
	}
	c = luff_work_new(L, sizeof *c);
	c->base.run = push_run;
	c->base.finish = push_finish;
	c->base.release = push_release;
	c->is_manifest = is_manifest;
	c->fd = -1;
	if (media_type)
		memcpy(c->descriptor.media_type, media_type, strlen(media_type) + 1);
	if (luaL_testudata(L, 2, LUFF_READER) && !is_manifest) {
		src = luff_check_reader(L, 2);
		lua_pushvalue(L, 2);
		lua_setiuservalue(L, -2, 1);
	} else if (lua_istable(L, 2)) {
		take_path(c, L, 2);
	} else {
		bytes = luaL_checklstring(L, 2, &c->len);
		c->bytes = malloc(c->len + 1);
		if (!c->bytes)
			luaL_error(L, "out of memory");
		memcpy(c->bytes, bytes, c->len + 1);
	}
	how.plain_http = luff_option_bool(L, 3, "plain_http");
	luff_check_place(&c->medium, &c->name, L, 1, &how);
	if (is_manifest && luff_option_bool(L, 3, "untagged"))
		c->name = (struct luff_name){.tag = ""};
	c->src = src; /* last: what is busy must be let go */
	if (src)
		src->busy = true;
	return c;
}

static int push_blob(lua_State *L)
{
	new_push(L, false);
	return luff_work_go(L);
}

static int push_manifest(lua_State *L)
{
	new_push(L, true);
	return luff_work_go(L);
}

static int digest(lua_State *L)
{
	const char *algorithm = lua_isnoneornil(L, 2) ? "sha256" : luff_check_name(L, 2), *bytes;
	struct luff_descriptor d = {.size = 0};
	struct luff_error err = {0};
	size_t len = 0;
	int rc, fd;

	if (lua_istable(L, 1) && luff_fence_local("files", &err) < 0)
		return luff_raise(L, &err);
	bytes = lua_istable(L, 1) ? "" : luaL_checklstring(L, 1, &len);
	rc = luff_digest_of(&d.digest, algorithm, bytes, len,
			    &err); /* refuses an algorithm that there is not */
	if (rc == 0 && lua_istable(L, 1)) {
		fd = open_file_option(L, 1);
		rc = digest_fd(&d, luff_digest_algorithm(&d.digest), fd, &err);
		close(fd);
	}
	if (rc < 0)
		return luff_raise(L, &err);
	lua_pushstring(L, d.digest.text);
	return 1;
}

void luff_write_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"push_blob", push_blob}, {"push_manifest", push_manifest}, {"digest", digest}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
