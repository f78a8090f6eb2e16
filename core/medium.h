/*
 * What a medium is to its writer. A new place that holds images is one file with one const table of functions; the
 * model, copying and everything else come with it. Only the luff_medium_*() wrappers in medium.c call this table: they
 * clear outputs, check arguments, put the digest check in the chain, and answer for what is NULL.
 */
#ifndef LUFF_MEDIUM_H
#define LUFF_MEDIUM_H

#include <stdatomic.h>

#include "luff.h"

/* A manifest that gets a name. */
struct luff_tagging {
	const struct luff_descriptor *descriptor;
	const void *bytes; /* descriptor->size of them */
	const char *tag;   /* "": none */
};

struct luff_medium_ops {
	const char *scheme; /* "oci" in "oci:./dir:tag"; used in messages */
	bool complete; /* names no manifest without what it lists: where a tag is right, nothing below it is asked for */

	/*
	 * Required. name -> descriptor. `out->manifest` and `out->digest` are always set; the digest decides over the tag.
	 * `document`: NULL, or where to leave the manifest's bytes (malloc'ed, NUL-terminated, out->size long) if they
	 * had to be read anyway, else leave it NULL; the wrapper fetches and verifies. An empty name is the only one
	 * there is. LUFF_ENOTFOUND says what there is, where that is cheap.
	 */
	int (*resolve)(struct luff_descriptor *out, char **document, struct luff_medium *m,
		       const struct luff_name *name, struct luff_error *err);
	/*
	 * Required. Bytes of d from offset on (0 <= offset <= d->size); a fresh reader per call; any thread. The wrapper checks
	 * them, and keeps m meanwhile, unless they come checked.
	 */
	int (*fetch)(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		     int64_t offset, struct luff_error *err);
	/*
	 * Optional. Bytes of d from offset on, at least `size` of them; no more than that is moved. The wrapper takes so many, and
	 * checks nothing else. NULL: fetch.
	 */
	int (*fetch_part)(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			  int64_t offset, int64_t size, struct luff_error *err);
	/* Optional. NULL: fetch is tried. */
	int (*exists)(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
		      struct luff_error *err);
	/*
	 * Optional. NULL: read-only. Consumes src (verified by the wrapper) to its end or fails; what failed leaves nothing that
	 * others see, and may leave what `kept` finds. May go back in src.
	 */
	int (*push)(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		    struct luff_error *err);
	/*
	 * Optional. What a push of d that broke off left here: *size_out bytes from the first on, and perhaps more. Nobody may
	 * believe them before the digest of all of d is checked; the next push gets them again, in front of the rest. Leaves both
	 * as they are (NULL, 0) where there is nothing. NULL: there never is.
	 */
	int (*kept)(struct luff_reader **out, int64_t *size_out, struct luff_medium *m,
		    const struct luff_descriptor *d, struct luff_error *err);
	/*
	 * Optional. Plain layers are wanted as gzip: what comes by but once may be compressed then, for `packed`. A hint, which changes
	 * nothing of what else m answers.
	 */
	void (*pack)(struct luff_medium *m);
	/*
	 * Optional, with pack. The plain layer d as luff_reader_open_deflate() makes it, in a file that the caller closes; `out` gets
	 * its digest and size. *fd_out stays -1 where there is none. The plain bytes were found to be d's.
	 */
	int (*packed)(int *fd_out, struct luff_descriptor *out, struct luff_medium *m,
		      const struct luff_descriptor *d, struct luff_error *err);
	/* Optional. Takes d over from another medium without moving bytes, or says false. NULL: never. */
	int (*mount)(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
		     struct luff_medium *from, struct luff_error *err);
	/*
	 * Optional. Borrowed. The same text for all mediums that are open on one place, or that can take content over from each
	 * other: to them, a blob moves once at a time. NULL: m's place.
	 */
	const char *(*home)(const struct luff_medium *m);
	/* Optional, for wrappers. The medium inside that holds d, borrowed, or NULL: this one does, as without the function. */
	struct luff_medium *(*origin)(struct luff_medium *m, const struct luff_descriptor *d);
	/*
	 * Optional, with push. Stores bytes (d->size of them) as the manifest d and names it. The only step others can see. The tag
	 * may be "" where names are optional.
	 */
	int (*tag)(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes, const char *tag,
		   struct luff_error *err);
	/* Optional. The same for several manifests, which others see all at once. NULL: tag, one after the other. */
	int (*tag_all)(struct luff_medium *m, const struct luff_tagging *list, size_t count,
		       struct luff_error *err);
	/*
	 * Optional. One more name for what `name` stands for, where that needs no bytes of its manifest. NULL: they are fetched, and tag
	 * gets them.
	 */
	int (*alias)(struct luff_descriptor *out, struct luff_medium *m, const struct luff_name *name,
		     const char *tag, struct luff_error *err);
	/* Optional. NULL: what was pushed is there. Makes what was pushed stay, where a tag would else do that. */
	int (*flush)(struct luff_medium *m, struct luff_error *err);
	/* Optional. NULL: LUFF_ENOTSUP. */
	int (*tags)(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err);
	/* Optional. What has that subject, as descriptors in JSON; artifact_type "" is any. NULL: LUFF_ENOTSUP. */
	int (*referrers)(struct luff_cursor **out, struct luff_medium *m, const struct luff_digest *subject,
			 const char *artifact_type, struct luff_error *err);
	/* Optional. NULL: read-only. Sets *out (which is "") where the manifest goes and not its name alone. */
	int (*remove)(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
		      bool force, struct luff_error *err);
	/* Optional, with remove. Whether a name can go alone, and what it stands for stays. Changes nothing. NULL: it can. */
	int (*unnames)(bool *out, struct luff_medium *m, struct luff_error *err);
	/* Optional. All entries with that annotation go, not what they name. NULL: LUFF_ENOTSUP. */
	int (*remove_annotated)(int64_t *count_out, struct luff_medium *m, const char *key, const char *value,
				struct luff_error *err);
	/* Optional. Size of a blob. NULL: LUFF_ENOTSUP. */
	int (*stat)(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		    struct luff_error *err);
	/* Optional. NULL: read-only. */
	int (*remove_blob)(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err);
	/* Required. The last reference is gone; cannot fail. Frees m. */
	void (*destroy)(struct luff_medium *m);
};

/* What the names in a medium are. */
enum luff_naming {
	LUFF_NAMES_TAGS,     /* tags; what is written has one */
	LUFF_NAMES_OPTIONAL, /* tags, or none */
	LUFF_NAMES_NONE,     /* none: there is one image */
	LUFF_NAMES_IMAGES    /* whole names of images, "app:v1", or none */
};

/* The first member of every medium. */
struct luff_medium {
	const struct luff_medium_ops *ops;
	atomic_int refs;
	enum luff_naming naming;
	/* Layers lie here as plain tars by nature: a copy that goes elsewhere compresses them. A place may know by resolve alone. */
	atomic_bool unpacked;
	bool sealed; /* it is not written to, whatever its table says (base/fence.h) */
	char *place; /* luff_medium_place(); owned by the medium's own struct */
};

/** ops->home */
const char *luff_medium_home(const struct luff_medium *m);
/**
 * All of d, verified, for a push to `dst`: what an earlier push left there, then the rest from m. For copying.
 *
 * @param kept_out  bytes that come from dst
 */
int luff_medium_fetch_for(struct luff_reader **out, int64_t *kept_out, struct luff_medium *m,
			  const struct luff_descriptor *d, struct luff_medium *dst, struct luff_error *err);
/** luff_medium_tag() for several manifests, all at once where m can do that. */
int luff_medium_tag_all(struct luff_medium *m, const struct luff_tagging *list, size_t count,
			struct luff_error *err);
/** ops->pack */
void luff_medium_pack(struct luff_medium *m);
/** ops->packed */
int luff_medium_packed(int *fd_out, struct luff_descriptor *out, struct luff_medium *m,
		       const struct luff_descriptor *d, struct luff_error *err);
/** The innermost medium that holds d; borrowed. */
struct luff_medium *luff_medium_origin(struct luff_medium *m, const struct luff_descriptor *d);
/** `size` bytes of d from `offset` on, and as few others as m can; nothing but their number is checked. LUFF_EFORMAT beyond d's end. */
int luff_medium_fetch_part(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			   int64_t offset, int64_t size, struct luff_error *err);
/** Whether a name can be removed alone; true where that cannot be known before. */
int luff_medium_unnames(bool *out, struct luff_medium *m, struct luff_error *err);
/** Takes d over from another medium without moving bytes, where m can; else says false. For copying. */
int luff_medium_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
		      struct luff_medium *from, struct luff_error *err);

/* ---- Readers and cursors, for those who make them ---------------------------------------------------------------- */

struct luff_reader_ops {
	/* Required. luff_reader_read()'s contract; never called again after an end or a failure. */
	int (*read)(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err);
	/* Required. Frees r and closes what it wraps. */
	void (*close)(struct luff_reader *r);
	/* Optional. luff_reader_seek()'s contract. NULL: what was read is gone. */
	int (*seek)(struct luff_reader *r, int64_t offset, struct luff_error *err);
};

/* The first member of every reader. `begun`, `ended` and `failed` belong to luff_reader_read() and luff_reader_seek(). */
struct luff_reader {
	const struct luff_reader_ops *ops;
	bool begun, ended, failed;
	const struct luff_digest
		*digest; /* what the bytes are checked against before the end is told; NULL: nothing */
	int64_t size;    /* with digest */
};

struct luff_cursor_ops {
	int (*next)(const char **out, struct luff_cursor *c, struct luff_error *err);
	void (*close)(struct luff_cursor *c);
};

struct luff_cursor {
	const struct luff_cursor_ops *ops;
};

#endif
