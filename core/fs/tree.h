/*
 * The squashed tree: what is left of all layers' files, each one laid over those below (image-spec, layer.md "Applying
 * Changesets"). Links in the folders of a path lead where they lead inside the image, so a node's path has none in it.
 */
#ifndef LUFF_FS_TREE_H
#define LUFF_FS_TREE_H

#include "fs/listing.h"
#include "luff.h"

#define LUFF_LINKS_MAX 40 /* symlinks on the way to a file, as Linux has it */

/* In place of a record's number. */
enum {
	LUFF_NODE_ABSENT = UINT32_MAX,      /* nothing */
	LUFF_NODE_IMPLIED = UINT32_MAX - 1, /* a folder that is there because something is in it */
	LUFF_NODE_UNKNOWN = UINT32_MAX - 2  /* a hard link into layers that are not known */
};

struct luff_node {
	uint32_t parent;       /* of the root: itself */
	uint32_t name;         /* offset */
	uint32_t child, next;  /* 0: none; the root is nobody's child */
	uint32_t record;       /* number in all layers, or one of the above; hard links have the same */
	uint16_t layer;        /* that put it there */
	uint16_t emptied;      /* 1 + the last layer that hid what those below had in it */
	uint16_t length : 13;  /* of the path */
	uint16_t closed : 1;   /* what layers below have here does not count */
	uint16_t doubtful : 1; /* a folder here, but perhaps put in the place of what was here before */
	uint16_t detached : 1; /* in no folder's list any more; its child is none */
	uint16_t kept : 1;     /* for a moment: something in it stays */
};

/** Where a walk ends: number of a node, or why there is none. */
enum luff_walk { LUFF_WALK_FOUND, LUFF_WALK_MISSING, LUFF_WALK_UNCERTAIN };

/** How many nodes were made; the root is 0. Some are absent. */
size_t luff_tree_node_count(const struct luff_tree *tree);
const struct luff_node *luff_tree_node(const struct luff_tree *tree, uint32_t n);
const char *luff_tree_name(const struct luff_tree *tree, uint32_t n);
/** "a/b", in room for LUFF_PATH_MAX + 1; the root is "". */
void luff_tree_path(char *out, const struct luff_tree *tree, uint32_t n);
/** The node after n, folders before what is in them, in the order of names; 0 after the last. */
uint32_t luff_tree_after(const struct luff_tree *tree, uint32_t n);
/** The same, but only what is in `top`, which it begins with. */
uint32_t luff_tree_after_in(const struct luff_tree *tree, uint32_t n, uint32_t top);
/** Of a node that is there. The record of an implied folder is NULL. */
const struct luff_record *luff_tree_record(const struct luff_listing **listing, size_t *layer,
					   const struct luff_tree *tree, uint32_t record);
size_t luff_tree_record_count(const struct luff_tree *tree);
size_t luff_tree_layer_count(const struct luff_tree *tree);
/** The number of the layer's first record. */
uint32_t luff_tree_layer_start(const struct luff_tree *tree, size_t layer);
const struct luff_listing *luff_tree_listing(const struct luff_tree *tree, size_t layer);
/** What the node is, but its path; xattrs has room for LUFF_XATTR_MAX. */
void luff_tree_describe(struct luff_entry *out, struct luff_xattr *xattrs, size_t *layer,
			const struct luff_tree *tree, uint32_t n);
/**
 * Follows every link, the last one too. LUFF_EFORMAT for links in a circle.
 *
 * @param by_any_path  the file is wanted, and where it really is does not matter
 */
int luff_tree_walk(enum luff_walk *how, uint32_t *out, struct luff_tree *tree, const char *path,
		   bool by_any_path, struct luff_error *err);

/**
 * A tree of the layers from `first` on, where the others are not known: walks through it may end in doubt.
 *
 * @param listings  as many as the image has layers, NULL below first; borrowed until the tree is gone
 */
int luff_tree_new_partial(struct luff_tree **out, struct luff_image *image,
			  struct luff_listing *const *listings, size_t first, struct luff_error *err);

/** luff_tree_open(), with the content of files on the way; the sink is copied for each layer. */
int luff_tree_open_with(struct luff_tree **out, struct luff_image *image, const struct luff_sink *sink,
			struct luff_error *err);
/** The tree of one layer alone, whatever else the image has. The listing is borrowed until the tree is gone. */
int luff_tree_of_listing(struct luff_tree **out, struct luff_image *image, struct luff_listing *listing,
			 struct luff_error *err);
/** The tree of an image's first layers, from the whole one, which it must not outlive. */
int luff_tree_new_lower(struct luff_tree **out, const struct luff_tree *whole, size_t layers,
			struct luff_error *err);

LUFF_DEFINE_AUTO(tree, struct luff_tree *, luff_tree_unref);

#endif
