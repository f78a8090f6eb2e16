/* What one layer says of its files, read once and held compactly. */
#ifndef LUFF_FS_LISTING_H
#define LUFF_FS_LISTING_H

#include "base/cleanup.h"
#include "luff.h"

/* What a record is beside the types of entries (image-spec, layer.md "Whiteouts"). */
enum { LUFF_RECORD_WHITEOUT = LUFF_ENTRY_FIFO + 1, LUFF_RECORD_OPAQUE };

/* Text is at an offset into the listing's. */
struct luff_record {
	uint32_t folder; /* clean path of what it is in; "" is the root */
	uint32_t name;   /* in that; "" for the root itself, and for OPAQUE. Of a whiteout, what it hides */
	uint32_t link;   /* target; of a hard link clean */
	uint32_t owner;  /* names of user and group, one after the other; 0: none */
	uint32_t xattrs; /* luff_listing_xattr(); 0: none */
	uint32_t uid, gid;
	int32_t mtime_ns;
	uint16_t mode;
	uint8_t kind;
	int64_t size; /* of devices: major << 32 | minor */
	int64_t mtime;
	int64_t offset; /* of its first header in the tar; with places: the number of its place, from 1 on, or 0 */
};

/* Where the content of a file is in the layer as it is stored. */
struct luff_place {
	int64_t at, end; /* bytes of the blob, which unpack by themselves */
	int64_t inner;   /* of what they unpack to, those that come before the content */
	uint32_t digest; /* of the content */
};

struct luff_seek;

struct luff_listing {
	struct luff_layer *layer;
	struct luff_seek *seek; /* how to begin in the middle of the layer; NULL: not at all */
	struct luff_record *records;
	size_t count, room;
	char *text;
	size_t text_len, text_room;
	bool placed; /* from a table of contents: files are found by their places */
	struct luff_place *places;
	size_t place_count, place_room;
};

/* Gets the content of files while a layer is listed: before anybody knows which of them stay. */
struct luff_sink {
	/* Of the record that was added last. What is not read of it is skipped. One thread for each layer. */
	int (*take)(struct luff_sink *sink, const struct luff_listing *l, const struct luff_entry *e,
		    struct luff_reader *content, struct luff_error *err);
	void *arg;
	size_t layer; /* the number of it in the image */
};

/**
 * Reads the layer to its end.
 *
 * @param sink  NULL: only headers are of interest
 */
int luff_listing_open(struct luff_listing **out, struct luff_layer *layer, struct luff_sink *sink,
		      struct luff_error *err);
/** The same from the layer's plain tar at hand, which it takes over. */
int luff_listing_read(struct luff_listing **out, struct luff_layer *layer, struct luff_reader *plain,
		      struct luff_sink *sink, struct luff_error *err);
/** An empty one, to which luff_listing_add() adds. `layer` may be NULL. */
int luff_listing_new(struct luff_listing **out, struct luff_layer *layer, struct luff_error *err);
/** *added is false for what is of no concern. */
int luff_listing_add(bool *added, struct luff_listing *l, const struct luff_entry *e, int64_t offset,
		     struct luff_error *err);
/** The place of the record that was added last. */
int luff_listing_add_place(struct luff_listing *l, const struct luff_place *place, const char *digest,
			   struct luff_error *err);
/** How many records have the path of another one; the number of one of the first such path. */
int luff_listing_repeats(size_t *count_out, uint32_t *first_out, const struct luff_listing *l,
			 struct luff_error *err);
void luff_listing_close(struct luff_listing *listing);

static inline const char *luff_listing_text(const struct luff_listing *l, uint32_t at)
{
	return l->text + at;
}

/** The extended attributes of a record, into room for LUFF_XATTR_MAX; returns how many. Borrowed. */
size_t luff_listing_xattrs(struct luff_xattr *out, const struct luff_listing *l, const struct luff_record *r);

LUFF_DEFINE_AUTO(listing, struct luff_listing *, luff_listing_close);

#endif
