/* What a store stands on: the table that a folder and memory each implement, called by store.c alone. */
#ifndef LUFF_STORE_BACKING_H
#define LUFF_STORE_BACKING_H

#include <stdatomic.h>

#include "store/store.h"

/* All functions are required but where it says so; their contracts are those of the functions of the same names in store.h. */
struct luff_store_ops {
	bool deferred; /* what is written stays with the next change of the root document, even one that changes nothing */
	int (*stat)(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err);
	int (*fetch)(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
		     int64_t offset, struct luff_error *err);
	int (*open_file)(int *fd_out, struct luff_store *s, const struct luff_digest *d,
			 struct luff_error *err);
	int (*remove)(struct luff_store *s, const struct luff_digest *d, struct luff_error *err);
	int (*link)(bool *linked, struct luff_store *s, const struct luff_digest *d, struct luff_store *from,
		    struct luff_error *err);
	/* `id`: of an upload, or NULL. */
	int (*write)(struct luff_store_writer **out, struct luff_store *s, const char *id,
		     struct luff_error *err);
	/* Optional, both or neither: parts of blobs that broke off. */
	int (*grow)(struct luff_store_writer **out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err);
	int (*kept)(struct luff_reader **out, int64_t *size_out, struct luff_store *s,
		    const struct luff_digest *d, struct luff_error *err);
	int (*append)(struct luff_store_writer *w, const void *bytes, size_t len, struct luff_error *err);
	/* What was appended, from offset on; 0 bytes at its end. */
	int (*read_back)(size_t *n_out, struct luff_store_writer *w, void *buf, size_t len, int64_t offset,
			 struct luff_error *err);
	int (*commit)(struct luff_store_writer *w, const struct luff_digest *d, struct luff_error *err);
	/* After a commit, too: frees the writer, and what was not committed. `keep`: an upload or a part stays for who resumes it. */
	void (*discard)(struct luff_store_writer *w, bool keep);
	/* From here to reap_uploads: NULL where no server stands on such a store, and nothing is swept out of it. */
	int (*resume)(struct luff_store_writer **out, struct luff_store *s, const char *id,
		      struct luff_error *err);
	void (*rest)(struct luff_store_writer *w);
	int (*wake)(struct luff_store_writer *w, struct luff_error *err);
	int (*upload_size)(int64_t *out, struct luff_store *s, const char *id, struct luff_error *err);
	/* Optional. NULL: nothing outlives the process. */
	int (*sync)(struct luff_store *s, struct luff_error *err);
	int (*keep)(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err);
	int (*list)(struct luff_store_blob **out, size_t *count_out, struct luff_store *s,
		    struct luff_error *err);
	int (*reap)(struct luff_store *s, const struct luff_digest *d, int64_t before,
		    struct luff_error *err);
	void (*reap_uploads)(struct luff_store *s, int64_t idle, bool dry, int64_t *files, int64_t *bytes);
	int (*read_index)(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err);
	int (*change_index)(struct luff_store *s,
			    int (*change)(char **out_text, void *arg, const char *text, size_t len,
					  struct luff_error *err),
			    void *arg, const struct luff_digest *removed, struct luff_error *err);
	void (*destroy)(struct luff_store *s);
};

struct luff_store {
	const struct luff_store_ops *ops;
	atomic_int refs;
};

struct luff_store_writer {
	struct luff_store *store; /* a reference */
	int64_t size;
	bool upload;                     /* or a part: others may take it up again */
	struct luff_descriptor expected; /* its size is -1 where nothing is known */
	bool hashes;
	bool unhashed; /* bytes came that the hash did not see: all are read again at the end */
	struct luff_hash hash;
};

/** The bytes of a blob's file of that size, from offset on. Takes fd over, also on failure. LUFF_ESIZE behind its end. */
int luff_store_open_at(struct luff_reader **out, int fd, int64_t size, const struct luff_digest *d,
		       int64_t offset, struct luff_error *err);

#define LUFF_STORE_INDEX_MAX (64 << 20) /* an index.json grows with the tags of a layout, unlike a manifest */
#define LUFF_STORE_EMPTY_INDEX                                                                               \
	"{\"schemaVersion\":2,\"mediaType\":\"" LUFF_MEDIA_OCI_INDEX "\",\"manifests\":[]}"

#endif
