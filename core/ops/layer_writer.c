/*
 * New layers, entry by entry. They wait as a plain tar in a temporary file, since the compressor that uses all processors wants to
 * read, and whoever makes entries wants to write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "fs/gather.h"
#include "fs/write.h"
#include "ops/new_layer.h"
#include "stream/streams.h"

#define PIECE ((size_t)128 << 10)
#define HEADER_MAX ((size_t)2 << 20)

struct luff_layer_writer {
	int fd;
	int64_t end;
	struct luff_buffer header;
	char *piece;
};

int luff_layer_writer_open(struct luff_layer_writer **out, struct luff_error *err)
{
	struct luff_layer_writer *w = calloc(1, sizeof *w);
	int rc;

	*out = NULL;
	if (!w)
		return luff_fail_nomem(err);
	w->fd = -1;
	luff_buffer_init(&w->header, HEADER_MAX);
	w->piece = malloc(PIECE);
	rc = w->piece ? luff_spool_open(&w->fd, err) : luff_fail_nomem(err);
	if (rc < 0)
		luff_layer_writer_close(w);
	else
		*out = w;
	return rc;
}

void luff_layer_writer_close(struct luff_layer_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	luff_buffer_release(&w->header);
	free(w->piece);
	free(w);
}

int luff_layer_writer_bytes(struct luff_layer_writer *w, const void *bytes, size_t len,
			    struct luff_error *err)
{
	int rc;

	if ((int64_t)len > LUFF_SPOOL_MAX - w->end)
		return luff_fail(err, LUFF_ELIMIT, "a layer of more than is kept in a temporary file");
	rc = luff_spool_write(w->fd, bytes, len, w->end, err);
	w->end += rc == 0 ? (int64_t)len : 0;
	return rc;
}

static int add_header(struct luff_layer_writer *w, const struct luff_entry *e, struct luff_error *err)
{
	int rc;

	w->header.len = 0;
	rc = luff_tar_write_entry(&w->header, e, err);
	if (rc < 0)
		return luff_fail_context(err, "%s: its names and extended attributes", e->path);
	return luff_layer_writer_bytes(w, w->header.data, w->header.len, err);
}

static int fill_block(struct luff_layer_writer *w, struct luff_error *err)
{
	static const char zeros[512];

	return luff_layer_writer_bytes(w, zeros, (size_t)(-w->end & 511), err);
}

static int check_path(const struct luff_entry *e, struct luff_error *err)
{
	size_t len = strlen(e->path);

	if (len == 0 || len > LUFF_PATH_MAX || strlen(e->link) > LUFF_PATH_MAX)
		return luff_fail(err, len ? LUFF_ELIMIT : LUFF_EINVAL,
				 len ? "a path of more than %d bytes" : "a file without a path",
				 LUFF_PATH_MAX);
	return 0;
}

int luff_layer_writer_add(struct luff_layer_writer *w, const struct luff_entry *e,
			  struct luff_reader *content, struct luff_error *err)
{
	int64_t left = e->type == LUFF_ENTRY_FILE ? e->size : 0;
	int64_t begin = w->end;
	size_t n = 1;
	int rc = check_path(e, err);

	if (rc == 0)
		rc = add_header(w, e, err);
	while (rc == 0 && n > 0 && content && e->type == LUFF_ENTRY_FILE) {
		rc = luff_reader_read(&n, content, w->piece, PIECE, err);
		if (rc == 0 && (int64_t)n > left)
			rc = luff_fail(err, LUFF_ESIZE, "%s: has more than its %lld bytes", e->path,
				       (long long)e->size);
		if (rc == 0)
			rc = luff_layer_writer_bytes(w, w->piece, n, err);
		left -= (int64_t)n;
	}
	if (rc == 0 && left > 0)
		rc = luff_fail(err, LUFF_ESIZE, "%s: has fewer than its %lld bytes", e->path,
			       (long long)e->size);
	if (rc == 0)
		rc = fill_block(w, err);
	if (rc < 0)
		w->end = begin; /* what is half there is written over */
	return rc;
}

/* ---- from disk ---- */

struct from_disk {
	struct luff_layer_writer *writer;
	const struct luff_disk_options *options;
};

static int add_gathered(void *arg, const struct luff_entry *e, int fd, struct luff_error *err)
{
	struct from_disk *f = arg;
	struct luff_entry entry = *e;
	LUFF_AUTO(reader) content = NULL;
	int copy, rc = 0;

	if (!f->options->keep_owner)
		entry.uid = entry.gid = 0;
	if (!f->options->keep_times || (f->options->time > 0 && entry.mtime >= f->options->time)) {
		entry.mtime = f->options->time;
		entry.mtime_ns = 0;
	}
	if (fd >= 0) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return luff_fail(err, LUFF_EIO, "too many open files");
		rc = luff_reader_open_range(&content, copy, 0, e->size, err);
	}
	return rc < 0 ? rc : luff_layer_writer_add(f->writer, &entry, content, err);
}

int luff_layer_writer_add_disk(struct luff_layer_writer *w, const char *path, const char *as,
			       const struct luff_disk_options *options, struct luff_error *err)
{
	static const struct luff_disk_options defaults;
	struct from_disk f = {.writer = w, .options = options ? options : &defaults};

	return luff_gather(path, as, add_gathered, &f, err);
}

/* ---- the end ---- */

int luff_layer_writer_finish(struct luff_layer **out, struct luff_layer_writer *w,
			     enum luff_compress compress, struct luff_error *err)
{
	static const char end[1024];
	struct luff_reader *r = NULL;
	int copy, rc = luff_layer_writer_bytes(w, end, sizeof end, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	copy = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return luff_fail(err, LUFF_EIO, "too many open files");
	rc = luff_reader_open_range(&r, copy, 0, w->end, err);
	return rc < 0 ? rc : luff_new_layer(out, r, compress, "a new layer", err);
}
