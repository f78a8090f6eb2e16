/* See new_layer.h; and layers from tars as others wrote them. */
#include "ops/new_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fs/tar.h"
#include "mediums/parts.h"
#include "model/layer.h"
#include "stream/streams.h"

static const char *media_type(enum luff_compress compress)
{
	return compress == LUFF_COMPRESS_NONE   ? LUFF_MEDIA_OCI_LAYER
	       : compress == LUFF_COMPRESS_ZSTD ? LUFF_MEDIA_OCI_LAYER "+zstd"
						: LUFF_MEDIA_OCI_LAYER "+gzip";
}

/* Takes fd over, also when it fails. */
static int finish(struct luff_layer **out, const struct luff_descriptor *d, int fd,
		  const struct luff_digest *diff_id, const char *place, struct luff_error *err)
{
	LUFF_AUTO(medium) parts = NULL;
	int rc = luff_parts_new(&parts, place, err);

	if (rc < 0) {
		close(fd);
		return rc;
	}
	rc = luff_parts_add_file(parts, d, fd, err);
	return rc < 0 ? rc : luff_layer_new_alone(out, parts, d, diff_id, err);
}

int luff_new_layer(struct luff_layer **out, struct luff_reader *plain, enum luff_compress compress,
		   const char *place, struct luff_error *err)
{
	LUFF_AUTO(reader) r = plain;
	LUFF_AUTO(fd) fd = -1;
	struct luff_descriptor d = {0};
	struct luff_digest diff_id;
	struct luff_hash hash;
	int spool, rc;

	*out = NULL;
	luff_hash_init(&hash, LUFF_SHA256);
	luff_text_copy(d.media_type, sizeof d.media_type, media_type(compress));
	rc = luff_reader_open_hash(&r, luff_take(r), &hash, err);
	if (rc == 0)
		rc = luff_reader_open_ahead(&r, luff_take(r), err);
	if (rc == 0 && compress != LUFF_COMPRESS_NONE)
		rc = luff_reader_open_deflate(&r, luff_take(r), compress == LUFF_COMPRESS_ZSTD, err);
	if (rc == 0)
		rc = luff_spool_open(&fd, err);
	if (rc == 0)
		rc = luff_spool_fill_hashed(&d.digest, &d.size, fd, r, err);
	luff_reader_close(luff_take(r));
	luff_hash_final(&diff_id, &hash);
	if (rc < 0)
		return rc;
	spool = fd;
	fd = -1;
	return finish(out, &d, spool, &diff_id, place, err);
}

int luff_layer_recompress(struct luff_layer **out, struct luff_layer *layer, enum luff_compress compress,
			  struct luff_error *err)
{
	struct luff_reader *plain = NULL;
	int rc = luff_layer_open_uncompressed(&plain, layer, err);

	*out = NULL;
	return rc < 0 ? rc
		      : luff_new_layer(out, plain, compress, luff_medium_place(luff_layer_medium(layer)),
				       err);
}

/* ---- from a tar ---- */

/* A regular file that can be read more than once; what comes through a pipe goes into a temporary one. */
static int open_tar(int *fd_out, const char *path, struct luff_error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	LUFF_AUTO(fd)
	fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	LUFF_AUTO(reader) pipe = NULL;
	struct stat st;
	int64_t size;
	int copy, rc;

	*fd_out = -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return luff_fail_errno(err, errno, "cannot open it");
	if (S_ISDIR(st.st_mode))
		return luff_fail(err, LUFF_EFORMAT, "is a folder, not a tar");
	if (S_ISREG(st.st_mode)) {
		*fd_out = fd;
		fd = -1;
		return 0;
	}
	copy = fd;
	fd = -1;
	rc = luff_reader_open_pipe(&pipe, copy, err);
	if (rc == 0)
		rc = luff_spool_open(&fd, err);
	if (rc == 0)
		rc = luff_spool_fill(&size, fd, pipe, err);
	if (rc < 0)
		return rc;
	*fd_out = fd;
	fd = -1;
	return 0;
}

static int open_again(struct luff_reader **out, int fd, struct luff_error *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	*out = NULL;
	return copy < 0 ? luff_fail(err, LUFF_EIO, "too many open files")
			: luff_reader_open_fd(out, copy, 0, err);
}

/* Digest and size of the file as it is. */
static int measure(struct luff_descriptor *d, int fd, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_hash hash;
	struct stat st;
	int rc = fstat(fd, &st) < 0 ? luff_fail_errno(err, errno, "cannot read it") : open_again(&r, fd, err);

	luff_hash_init(&hash, LUFF_SHA256);
	if (rc == 0)
		rc = luff_reader_open_hash(&r, luff_take(r), &hash, err);
	if (rc == 0)
		rc = luff_reader_drain(r, err);
	luff_hash_final(&d->digest, &hash);
	d->size = st.st_size;
	return rc;
}

/* Whether it is a tar, to its end, and the digest of that. */
static int check(struct luff_digest *diff_id, int fd, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(tar) tar = NULL;
	const struct luff_entry *e = NULL;
	struct luff_hash hash;
	int rc = open_again(&r, fd, err);

	luff_hash_init(&hash, LUFF_SHA256);
	if (rc == 0)
		rc = luff_reader_open_inflate(&r, luff_take(r), err);
	if (rc == 0)
		rc = luff_reader_open_hash(&r, luff_take(r), &hash, err);
	if (rc == 0)
		rc = luff_tar_open(&tar, luff_take(r), err);
	do
		rc = rc < 0 ? rc : luff_tar_next(&e, tar, err);
	while (rc == 0 && e);
	luff_hash_final(diff_id, &hash);
	return rc;
}

static int from_tar(struct luff_layer **out, int fd, const char *path, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_descriptor d = {0};
	struct luff_digest diff_id;
	char head[4] = "";
	int copy, rc = check(&diff_id, fd, err);

	if (rc < 0)
		return rc;
	if (pread(fd, head, sizeof head, 0) == sizeof head) {
		if (memcmp(head, "\x1f\x8b\x08", 3) == 0)
			memcpy(d.media_type, LUFF_MEDIA_OCI_LAYER "+gzip",
			       sizeof LUFF_MEDIA_OCI_LAYER "+gzip");
		else if (memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0)
			memcpy(d.media_type, LUFF_MEDIA_OCI_LAYER "+zstd",
			       sizeof LUFF_MEDIA_OCI_LAYER "+zstd");
	}
	if (d.media_type[0]) {
		rc = measure(&d, fd, err);
		copy = rc < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (rc == 0 && copy < 0)
			rc = luff_fail(err, LUFF_EIO, "too many open files");
		return rc < 0 ? rc : finish(out, &d, copy, &diff_id, path, err);
	}
	rc = open_again(&r, fd, err);
	if (rc == 0)
		rc = luff_reader_open_inflate(&r, luff_take(r), err);
	return rc < 0 ? rc : luff_new_layer(out, luff_take(r), LUFF_COMPRESS_GZIP, path, err);
}

int luff_layer_from_tar(struct luff_layer **out, const char *path, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;
	int rc = open_tar(&fd, path, err);

	*out = NULL;
	if (rc == 0)
		rc = from_tar(out, fd, path, err);
	return rc < 0 ? luff_fail_context(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path) : 0;
}
