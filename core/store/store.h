/*
 * Content by digest plus one root document (an OCI layout's index.json), in a folder, in memory or in an archive (archive.h). Writes are atomic:
 * a temporary file under ingest/, checked, synced, renamed. What a killed writer left in ingest/ goes when the next writer opens
 * the store, unless somebody may go on with it. Any thread; on a folder also any number of processes.
 */
#ifndef LUFF_STORE_STORE_H
#define LUFF_STORE_STORE_H

#include "base/hash.h"
#include "luff.h"

struct luff_store;
struct luff_store_writer;

/** @param create  make the folder and its oci-layout and index.json where they are missing; else LUFF_ENOTFOUND */
int luff_store_open_folder(struct luff_store **out, const char *path, bool create, struct luff_error *err);
/** A folder as skopeo's "dir:" has it, which holds one manifest without a name; made by the first write. */
int luff_store_open_dir(struct luff_store **out, const char *path, struct luff_error *err);
/** As `mkdir -p`. */
int luff_store_make_folder(const char *path, struct luff_error *err);
/**
 * Takes away a layout into which nothing came: what luff_store_open_folder() made, but not the folders above.
 *
 * @return whether it is gone; it stays where somebody, of any process, put something into it or is about to
 */
bool luff_store_unmake_folder(const char *path);
/** @param cap    bytes of blobs in all, with those that are removed while somebody reads them; LUFF_ELIMIT beyond
 *  @param share  a store in memory whose cap holds for both together (`cap` is not used then), or NULL */
int luff_store_new_memory(struct luff_store **out, int64_t cap, struct luff_store *share,
			  struct luff_error *err);
struct luff_store *luff_store_ref(struct luff_store *s);
void luff_store_unref(struct luff_store *s);

/** Size of a blob. LUFF_ENOTFOUND. */
int luff_store_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err);
/** Not verified: who reads verifies. */
int luff_store_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
		     int64_t offset, struct luff_error *err);
/** A descriptor of the blob's file for sendfile, which the caller closes; LUFF_ENOTSUP in memory. */
int luff_store_open_file(int *fd_out, struct luff_store *s, const struct luff_digest *d,
			 struct luff_error *err);
/** LUFF_ENOTFOUND if it was not there. */
int luff_store_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err);
/** Takes a blob over from another store without moving bytes (hard link, memory under a shared cap), or says false. */
int luff_store_link(bool *linked, struct luff_store *s, const struct luff_digest *d, struct luff_store *from,
		    struct luff_error *err);

/** Starts a blob. @param hash  compute its digest on the way: needed unless the bytes come verified */
int luff_store_write(struct luff_store_writer **out, struct luff_store *s, bool hash,
		     enum luff_algorithm algorithm, struct luff_error *err);
/**
 * Starts the blob d, which is known beforehand and comes verified: where one blob lies behind the other, its place is taken now.
 * What an earlier writer left of it is not written again where it is the same, and replaced where not.
 */
int luff_store_grow(struct luff_store_writer **out, struct luff_store *s, const struct luff_descriptor *d,
		    struct luff_error *err);
/**
 * What a writer of luff_store_grow() that was left or killed left of a large blob: its first bytes, if all went well.
 *
 * @param out  *size_out bytes and perhaps more; NULL and 0 where there is nothing, or somebody is at it
 */
int luff_store_kept(struct luff_reader **out, int64_t *size_out, struct luff_store *s,
		    const struct luff_digest *d, struct luff_error *err);
int luff_store_writer_append(struct luff_store_writer *w, const void *bytes, size_t len,
			     struct luff_error *err);
/** Bytes so far. */
int64_t luff_store_writer_size(const struct luff_store_writer *w);
/**
 * Makes the blob visible as d, durably. Where the writer hashes and d is something else: LUFF_EDIGEST; where it hashed with
 * another algorithm, the bytes are read again. That it is there already is fine. The writer is gone afterwards, whatever
 * happened.
 */
int luff_store_writer_commit(struct luff_store_writer *w, const struct luff_digest *d,
			     struct luff_error *err);
/** Leaves no trace. NULL is fine. */
void luff_store_writer_abort(struct luff_store_writer *w);

/** Makes durable what was committed; luff_store_change_index() does that, too, before it names anything. */
int luff_store_sync(struct luff_store *s, struct luff_error *err);

/* ---- Garbage: blobs that nothing names, and that nobody is about to name; who decides that is server/gc.h ---- */

/**
 * As luff_store_stat(), for who is about to name the blob, or tells a client that it need not be sent: from now on it is new
 * again, as it was when it came in.
 */
int luff_store_keep(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err);

struct luff_store_blob {
	struct luff_digest digest;
	int64_t size;
	int64_t since; /* when it came in or was kept, in milliseconds since the epoch */
};

/** All blobs, in no order; free() it. Those that are links never get old. */
int luff_store_list(struct luff_store_blob **out, size_t *count_out, struct luff_store *s,
		    struct luff_error *err);
/** Removes a blob that came in before then and was not kept since. LUFF_EEXISTS: it is newer; LUFF_ENOTFOUND. */
int luff_store_reap(struct luff_store *s, const struct luff_digest *d, int64_t before,
		    struct luff_error *err);
/**
 * Removes what killed writers left, and uploads to which nobody wrote for `idle` seconds.
 *
 * @param dry  only counts
 * @param files, bytes  added to what is there
 */
void luff_store_reap_uploads(struct luff_store *s, int64_t idle, bool dry, int64_t *files, int64_t *bytes);

/* ---- Uploads: blobs that are written in several sittings, of any process, known by an id of 32 hex digits ---- */

#define LUFF_STORE_UPLOAD_IDLE 3600 /* seconds after which nobody is expected to come back to one */

/** Starts one, whose digest is computed on the way. */
int luff_store_begin(struct luff_store_writer **out, struct luff_store *s, const char *id,
		     enum luff_algorithm algorithm, struct luff_error *err);
/**
 * Takes one up that another writer left, in this process or one that is no more.
 *
 * @return 0; LUFF_ENOTFOUND, always so in memory; LUFF_EEXISTS while another writer holds it
 */
int luff_store_resume(struct luff_store_writer **out, struct luff_store *s, const char *id,
		      struct luff_error *err);
/** Between two sittings others may take the upload up; the writer stays, but only wake and its ends are allowed. */
void luff_store_writer_rest(struct luff_store_writer *w);
/** Goes on behind what others may have written; failures as of luff_store_resume(). */
int luff_store_writer_wake(struct luff_store_writer *w, struct luff_error *err);
/** While nothing has come, another algorithm costs nothing. */
void luff_store_writer_hash_as(struct luff_store_writer *w, enum luff_algorithm algorithm);
/** The writer is gone, its upload or part stays, if it is one and not in memory. NULL is fine. */
void luff_store_writer_leave(struct luff_store_writer *w);
/** Bytes that an upload has, whoever writes to it. LUFF_ENOTFOUND; LUFF_ENOTSUP in memory. */
int luff_store_upload_size(int64_t *out, struct luff_store *s, const char *id, struct luff_error *err);

/** The root document, NUL-terminated; free() it. */
int luff_store_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err);
/**
 * Reads, changes and writes the root document under a lock that also keeps other processes out.
 *
 * @param change   gets the text, returns in *out_text a malloc'ed new one (NULL: nothing to change) or fails; may look for
 *                 blobs: what it names must be there
 * @param removed  a blob that goes afterwards, before anybody else can name it; LUFF_ENOTFOUND if it was not there. NULL: none
 */
int luff_store_change_index(struct luff_store *s,
			    int (*change)(char **out_text, void *arg, const char *text, size_t len,
					  struct luff_error *err),
			    void *arg, const struct luff_digest *removed, struct luff_error *err);
/**
 * Makes what was written stay though the root document does not change; folders and memory do that by themselves, an archive
 * is written anew.
 */
int luff_store_flush(struct luff_store *s, struct luff_error *err);

#endif
