/* What the two halves of an archive share: archive.c reads, archive_write.c writes. */
#ifndef LUFF_STORE_ARCHIVE_TARS_H
#define LUFF_STORE_ARCHIVE_TARS_H

#include <pthread.h>
#include <sys/stat.h>

#include "store/archive.h"
#include "store/archive_pack.h"
#include "store/backing.h"

struct luff_archive_blob {
	struct luff_digest digest;
	int64_t offset, size;
	char *bytes; /* of a blob that the archive does not hold; else NULL */
};

/* A tar, complete or in the making, and the blobs in it. */
struct luff_archive_tar {
	int fd;           /* -1: none */
	void *blobs;      /* a tree of struct luff_archive_blob (tsearch) */
	char *index;      /* the root document; NULL where the tar is not complete */
	int64_t end;      /* where the next member goes */
	struct stat stat; /* what the file was when it was read */
};

struct luff_archive {
	struct luff_store base;
	const struct luff_archive_dialect *dialect;
	char *path;              /* NULL: a stream */
	struct luff_reader *src; /* a stream that was not read yet */
	int (*make)(int *fd_out, const char *text, struct luff_error *err); /* of an archive that is made */
	char *text;
	int (*publish)(void *arg, int fd, int64_t size,
		       struct luff_error *err); /* of a stream; NULL: read-only */
	void *publish_arg;
	bool writing;   /* a file need not be there */
	bool published; /* standard output cannot be taken back */

	pthread_mutex_t change_lock; /* held while the archive is written; taken before `lock` */
	pthread_mutex_t lock;        /* recursive; of what follows, and held while the archive is read */
	bool loaded;
	bool packed;              /* the file is compressed: it is read by way of a temporary file */
	struct luff_error failed; /* how reading it ended */
	struct luff_archive_tar old, new;
	bool packing;                    /* layers of a stream are compressed on their way */
	struct luff_archive_packs packs; /* of `old` */
	char *new_path;                  /* of `new`, where the file system knows no files without a name */
	bool broken;                     /* a blob broke off in the middle of `new` */
};

static inline struct luff_archive *luff_archive_of(struct luff_store *s)
{
	return (struct luff_archive *)s;
}

/* All but the last two are called with the lock held. */
struct luff_archive_blob *luff_archive_find_in(const struct luff_archive_tar *t, const struct luff_digest *d);
/** Takes `bytes` over. That it is there already is fine. */
int luff_archive_add_to(struct luff_archive_tar *t, const struct luff_digest *d, int64_t offset, int64_t size,
			char *bytes, struct luff_error *err);
void luff_archive_release(struct luff_archive_tar *t);
/** What is there goes to a->old. An archive that is not there yet is empty. */
int luff_archive_load(struct luff_archive *a, struct luff_error *err);
/** What is in the tar a->old.fd. */
int luff_archive_read_tar(struct luff_archive *a, struct luff_error *err);
void luff_archive_drop_new(struct luff_archive *a);
/** False for pipes and the like, which are written once. */
bool luff_archive_is_file(const struct luff_archive *a);

/* ---- the writing half of the store's table ---- */

int luff_archive_write(struct luff_store_writer **out, struct luff_store *s, const char *id,
		       struct luff_error *err);
int luff_archive_append_blob(struct luff_store_writer *base, const void *bytes, size_t len,
			     struct luff_error *err);
int luff_archive_read_back(size_t *n_out, struct luff_store_writer *base, void *buf, size_t len,
			   int64_t offset, struct luff_error *err);
int luff_archive_commit(struct luff_store_writer *base, const struct luff_digest *d, struct luff_error *err);
void luff_archive_discard(struct luff_store_writer *base, bool keep);
int luff_archive_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err);
int luff_archive_change_index(struct luff_store *s,
			      int (*change)(char **out_text, void *arg, const char *text, size_t len,
					    struct luff_error *err),
			      void *arg, const struct luff_digest *removed, struct luff_error *err);

#endif
