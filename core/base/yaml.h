/*
 * YAML from outside (1.2's core schema), read only, over libyaml's events: one document becomes a tree whose nodes know
 * their lines. Aliases and merge keys ("<<") are followed here; what they would unfold to is counted before anything does.
 */
#ifndef LUFF_BASE_YAML_H
#define LUFF_BASE_YAML_H

#include "base/cleanup.h"
#include "luff.h"

#define LUFF_YAML_SIZE_MAX (4 << 20)
#define LUFF_YAML_DEPTH_MAX 64
#define LUFF_YAML_VALUES_MAX (1 << 18) /* aliases unfolded */
#define LUFF_YAML_ANCHORS_MAX 1024

enum luff_yaml_kind {
	LUFF_YAML_NULL,
	LUFF_YAML_BOOL,
	LUFF_YAML_INT,
	LUFF_YAML_FLOAT,
	LUFF_YAML_TEXT,
	LUFF_YAML_LIST,
	LUFF_YAML_MAP
};

/* A member of a map, or an item of a list (without a key). A later member stands in for an earlier one of the same key. */
struct luff_yaml_item {
	const char *key; /* a key's text as it is written; NUL-terminated, but may hold NULs */
	size_t key_len;
	int line; /* of the key or the item, from 1 on */
	const struct luff_yaml_node *value;
};

/* Borrowed from the document, and there once, however many aliases name it. */
struct luff_yaml_node {
	enum luff_yaml_kind kind;
	int line, column; /* from 1 on */
	bool boolean;
	int64_t whole;
	double number;
	char *text; /* NUL-terminated, but may hold NULs */
	size_t text_len;
	struct luff_yaml_item *items;
	size_t count;
	/* yaml.c's own: */
	struct luff_yaml_node *made_before, *anchored_before;
	char *anchor;
	bool open; /* it is not complete */
	size_t room;
	size_t weight; /* nodes that it unfolds to */
	int height;    /* levels of them */
};

struct luff_yaml; /* a document */

/**
 * @param text  UTF-8; no NUL needs to end it. An empty document is null
 * @param what  goes into the message: "regbot.yml"
 * @return 0; LUFF_EFORMAT with line and column, also for a second document, an unknown tag or a key that is no scalar; LUFF_ELIMIT;
 *         LUFF_ENOTSUP where libyaml is not installed
 */
int luff_yaml_parse(struct luff_yaml **out, const char *text, size_t len, const char *what,
		    struct luff_error *err);
const struct luff_yaml_node *luff_yaml_root(const struct luff_yaml *doc);
void luff_yaml_free(struct luff_yaml *doc);

LUFF_DEFINE_AUTO(yaml, struct luff_yaml *, luff_yaml_free);

#endif
