/* See seek.h. */
#include "fs/seek.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/private.h"
#include "base/scope.h"
#include "fs/chunks.h"
#include "medium.h"
#include "model/layer.h"
#include "stream/streams.h"

#define SIZE_MIN ((int64_t)128 << 10)   /* of a layer that is worth it */
#define FOLDER_MAX ((int64_t)256 << 20) /* bytes of all files */
#define SUFFIX ".layer"

struct luff_seek {
	atomic_int refs;
	struct luff_points points;
};

static void seek_free(struct luff_seek *s)
{
	luff_points_release(&s->points);
	free(s);
}

struct luff_seek *luff_seek_ref(struct luff_seek *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void luff_seek_unref(struct luff_seek *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		seek_free(s);
}

LUFF_DEFINE_AUTO(seek, struct luff_seek *, luff_seek_unref);

static struct luff_seek *seek_new(void)
{
	struct luff_seek *s = calloc(1, sizeof *s);

	if (s)
		s->refs = 1;
	return s;
}

/* ---- the folder ---- */

static char *find_folder(void)
{
	return luff_private_folder("XDG_CACHE_HOME", "/.cache", "luff/layers");
}

/* The layer's file; NULL: there is no place for it. */
static char *find_file(const char *folder, const struct luff_layer *layer)
{
	const char *digest = luff_layer_descriptor(layer)->digest.text, *hex = strchr(digest, ':');
	char *path = NULL;

	if (!folder || asprintf(&path, "%s/%.*s-%s" SUFFIX, folder, (int)(hex - digest), digest, hex + 1) < 0)
		return NULL;
	return path;
}

void luff_seek_forget(const struct luff_layer *layer)
{
	LUFF_AUTO(text) folder = find_folder();
	LUFF_AUTO(text) path = find_file(folder, layer);

	if (path)
		unlink(path);
}

/* All of a file that is ours; NULL: there is none. */
static char *read_file(size_t *len_out, const char *path)
{
	LUFF_AUTO(fd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	LUFF_AUTO(text) bytes = NULL;
	struct luff_error ignored = {0};
	struct stat st;

	if (fd < 0 || !luff_private_is_ours(fd) || fstat(fd, &st) < 0 ||
	    st.st_size > (off_t)LUFF_SEEK_FILE_MAX)
		return NULL;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes || luff_read_at(fd, bytes, (size_t)st.st_size, 0, &ignored) < 0)
		return NULL;
	luff_private_touch(fd);
	*len_out = (size_t)st.st_size;
	return luff_take(bytes);
}

/* In one step, and only if all of it could be written. */
static void write_file(const char *folder, const char *path, const struct luff_buffer *b)
{
	LUFF_AUTO(text) new = NULL;
	struct luff_error ignored = {0};
	int fd;

	if (asprintf(&new, "%s/new-XXXXXX" SUFFIX, folder) < 0) {
		new = NULL;
		return;
	}
	fd = mkostemps(new, (int)strlen(SUFFIX), O_CLOEXEC);
	if (fd < 0)
		return;
	if (luff_write_at(fd, b->data, b->len, 0, &ignored) < 0 || close(fd) < 0 || rename(new, path) < 0)
		unlink(new);
	luff_private_sweep(folder, SUFFIX, 0, FOLDER_MAX);
}

/* What is kept of the layer; NULL: nothing that is any good. */
static struct luff_listing *load(struct luff_layer *layer)
{
	LUFF_AUTO(text) folder = find_folder();
	LUFF_AUTO(text) path = find_file(folder, layer);
	size_t len = 0;
	LUFF_AUTO(text) bytes = path ? read_file(&len, path) : NULL;
	LUFF_AUTO(listing) l = NULL;
	LUFF_AUTO(seek) s = bytes ? seek_new() : NULL;
	struct luff_error wrong = {0};

	if (!s || luff_listing_new(&l, layer, &wrong) < 0)
		return NULL;
	if (luff_seek_parse(&s->points, l, luff_layer_descriptor(layer), bytes, len, &wrong) < 0) {
		unlink(path);
		return NULL;
	}
	l->seek = luff_take(s);
	if (luff_scope_logs())
		luff_scope_log("layer %.19s: its files are known from an earlier run",
			       luff_layer_descriptor(layer)->digest.text);
	return luff_take(l);
}

static void keep(struct luff_listing *l, struct luff_points_maker *maker)
{
	LUFF_AUTO(text) folder = find_folder();
	LUFF_AUTO(text) path = find_file(folder, l->layer);
	struct luff_buffer b __attribute__((cleanup(luff_auto_buffer)));
	struct luff_error ignored = {0};
	LUFF_AUTO(seek) s = path ? seek_new() : NULL;

	luff_buffer_init(&b, LUFF_SEEK_FILE_MAX);
	if (!s || !luff_points_maker_finish(&s->points, maker))
		return;
	if (luff_seek_write(&b, &s->points, l, luff_layer_descriptor(l->layer), &ignored) == 0)
		write_file(folder, path, &b);
	l->seek = luff_take(s);
}

/* ---- both ---- */

static bool is_worth_it(struct luff_layer *layer)
{
	const struct luff_descriptor *d = luff_layer_descriptor(layer);

	return d->size >= SIZE_MIN && luff_medium_origin(luff_layer_medium(layer), d)->ops->fetch_part;
}

int luff_seek_list(struct luff_listing **out, struct luff_layer *layer, struct luff_sink *sink,
		   struct luff_error *err)
{
	struct luff_points_maker *maker;
	LUFF_AUTO(reader) r = NULL;
	int rc;

	*out = NULL;
	if (!is_worth_it(layer))
		return luff_listing_open(out, layer, sink, err);
	*out = load(layer);
	if (*out)
		return 0;
	rc = luff_layer_open_compressed(&r, layer, err);
	if (rc < 0)
		return rc;
	maker = luff_points_maker_new(luff_layer_descriptor(layer)->size);
	rc = luff_reader_open_inflate_making(&r, luff_take(r), maker, err);
	if (rc == 0)
		rc = luff_listing_read(out, layer, luff_take(r), sink, err);
	if (rc == 0 && maker)
		keep(*out, maker);
	luff_points_maker_free(maker);
	return rc;
}

int luff_seek_open(struct luff_reader **out, const struct luff_seek *s, struct luff_layer *layer,
		   int64_t offset, int64_t end, struct luff_error *err)
{
	const struct luff_point *point = luff_points_before(&s->points, offset);
	LUFF_AUTO(reader) r = NULL;
	int rc;

	*out = NULL;
	if (!point)
		return luff_fail(err, LUFF_EFORMAT, "no point to begin at");
	rc = luff_chunks_open(&r, layer, &s->points, point->packed - (point->bits > 0),
			      luff_points_until(&s->points, end), err);
	if (rc == 0)
		rc = luff_reader_open_inflate_at(&r, luff_take(r), &s->points, point, err);
	return rc < 0 ? rc
		      : luff_reader_open_part(out, luff_take(r), offset - point->plain,
					      s->points.plain - offset, err);
}
