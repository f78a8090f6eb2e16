/*
 * A store in a tar. What it holds is indexed once and read by its place; what is compressed, or comes through a pipe, first goes to a
 * temporary file without a name. New blobs are written behind each other into a new archive beside the old one; the next change of
 * the root document completes that with what the old one holds, and puts it in its place: others see one or the other. As many
 * changes as there are, so often is the archive written.
 *
 * Two dialects share this: an OCI layout as it is ("oci-archive:"), and what `docker save` writes and `docker load` reads.
 */
#ifndef LUFF_STORE_ARCHIVE_H
#define LUFF_STORE_ARCHIVE_H

#include "fs/members.h"
#include "store/store.h"

struct luff_archive;

/* What an archive holds beside its blobs. */
struct luff_archive_dialect {
	/* The root document as a layout has it (malloc'ed), from the members. May add blobs that are there by other names. */
	int (*read)(char **index_out, struct luff_archive *a, const struct luff_members *members,
		    struct luff_error *err);
	/* Appends the documents that belong to this root document. */
	int (*write)(struct luff_archive *a, const char *index, struct luff_error *err);
};

extern const struct luff_archive_dialect luff_archive_oci, luff_archive_docker;

/**
 * Nothing is read before it is asked for, and the file need not be there yet.
 *
 * @param path     "-" is standard input, with `writing` standard output, which is written once
 */
int luff_store_open_archive(struct luff_store **out, const char *path, bool writing,
			    const struct luff_archive_dialect *dialect, struct luff_error *err);
/**
 * An archive that is no file of its own: a daemon's.
 *
 * @param src      what is there, any compression; taken over, also on failure; NULL: nothing
 * @param publish  gets the complete tar (a temporary file, borrowed) at each change; NULL: read-only
 */
int luff_store_open_archive_stream(struct luff_store **out, struct luff_reader *src,
				   int (*publish)(void *arg, int fd, int64_t size, struct luff_error *err),
				   void *arg, const struct luff_archive_dialect *dialect,
				   struct luff_error *err);

/** Layers of a stream that was not read yet are wanted as gzip: they are compressed as they come (luff_reader_open_deflate). */
void luff_store_archive_pack(struct luff_store *s);
/**
 * A plain layer that was.
 *
 * @param fd_out  a file with its gzip, which the caller closes; -1: it was not
 * @param out     gets digest and size of the gzip, and keeps the rest
 */
int luff_store_archive_packed(int *fd_out, struct luff_descriptor *out, struct luff_store *s,
			      const struct luff_descriptor *d, struct luff_error *err);

/**
 * An archive that is made when it is first asked for, and read-only.
 *
 * @param make  gives a complete tar (a temporary file, taken over) for the text
 */
int luff_store_open_archive_made(struct luff_store **out, const char *text,
				 int (*make)(int *fd_out, const char *text, struct luff_error *err),
				 const struct luff_archive_dialect *dialect, struct luff_error *err);

/* ---- for dialects ---- */

/** All of a small member, NUL-terminated; free() it. LUFF_ENOTFOUND, LUFF_ELIMIT. */
int luff_archive_read(char **out, size_t *len_out, struct luff_archive *a, const struct luff_members *members,
		      const char *path, int64_t cap, struct luff_error *err);
/** Content of a member, as it is in the archive. */
int luff_archive_open(struct luff_reader **out, struct luff_archive *a, const struct luff_member *member,
		      struct luff_error *err);
/** A blob that is a member, whatever its name; that it is known already is fine. */
int luff_archive_add(struct luff_archive *a, const struct luff_digest *d, const struct luff_member *member,
		     struct luff_error *err);
/** A blob that the archive does not hold, which is made from what it holds; takes the bytes (malloc'ed) over. */
int luff_archive_add_bytes(struct luff_archive *a, const struct luff_digest *d, char *bytes, size_t len,
			   struct luff_error *err);
/** All members "blobs/ALGORITHM/HEX". */
int luff_archive_add_layout(struct luff_archive *a, const struct luff_members *members,
			    struct luff_error *err);
/** All of a small blob, old or new, which is checked; free() it. LUFF_ENOTFOUND */
int luff_archive_read_blob(char **out, struct luff_archive *a, const struct luff_descriptor *d, int64_t cap,
			   struct luff_error *err);
bool luff_archive_has(struct luff_archive *a, const struct luff_digest *d);
/** A new member, for write alone. */
int luff_archive_append(struct luff_archive *a, const char *path, const void *bytes, size_t len,
			struct luff_error *err);
/** "blobs/sha256/…" */
#define LUFF_BLOB_PATH_MAX 160
void luff_archive_blob_path(char path[LUFF_BLOB_PATH_MAX], const struct luff_digest *d);

#endif
