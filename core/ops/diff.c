/*
 * What is different between two trees. Both are walked side by side; content is only read where types and sizes are the same and
 * nothing else says whether it is: each layer that has such a file once, several layers at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/pool.h"
#include "fs/path.h"
#include "fs/pax.h"
#include "fs/plan.h"

#define LAYERS 4 /* at a time */
#define NONE UINT32_MAX
#define TEXT_MAX 65536                /* bytes of a file whose content is kept */
#define TEXTS_MAX ((int64_t)32 << 20) /* of all of them */

/* What was read of a record. */
struct seen {
	struct luff_digest digest;
	char *bytes; /* with luff_diff_options.contents */
};

struct side {
	struct luff_tree *tree;
	struct luff_plan plan; /* only `first`: of the records that are to be read */
	uint32_t *slots;       /* 1 + index in seen, by record; 0: not to be read */
	struct seen *seen;
	uint32_t seen_count, seen_room;
	bool keep;
};

struct pair {
	uint32_t node[2]; /* NONE: absent there */
	unsigned what;
	uint32_t slot[2]; /* 1 + index of what was read; 0: nothing */
};

struct luff_diff {
	struct side sides[2];
	struct luff_diff_options options;
	char *pattern;
	struct pair *pairs;
	size_t count, room, at;
	struct luff_change change;
	struct luff_entry entries[2];
	struct luff_xattr xattrs[2][LUFF_XATTR_MAX];
	char path[LUFF_PATH_MAX + 2];
};

static int add_pair(struct luff_diff *d, uint32_t a, uint32_t b, unsigned what, struct luff_error *err)
{
	if (d->pattern) {
		luff_tree_path(d->path, d->sides[a == NONE].tree, a == NONE ? b : a);
		if (!luff_path_match(d->pattern, d->path))
			return 0;
	}
	if (d->count == d->room) {
		size_t room = d->room ? 2 * d->room : 256;
		struct pair *more = realloc(d->pairs, room * sizeof *more);

		if (!more)
			return luff_fail_nomem(err);
		d->pairs = more;
		d->room = room;
	}
	d->pairs[d->count++] = (struct pair){.node = {a, b}, .what = what};
	return 0;
}

/* ---- what is said of two files ---- */

static bool same_xattrs(const struct luff_entry *a, const struct luff_entry *b)
{
	if (a->xattr_count != b->xattr_count)
		return false;
	for (size_t i = 0; i < a->xattr_count; i++) {
		const struct luff_xattr *x = &a->xattrs[i];
		bool found = false;

		for (size_t k = 0; k < b->xattr_count && !found; k++) {
			const struct luff_xattr *y = &b->xattrs[k];

			found = strcmp(x->name, y->name) == 0 && x->len == y->len &&
				memcmp(x->value, y->value, x->len) == 0;
		}
		if (!found)
			return false;
	}
	return true;
}

static const struct luff_entry *describe(struct luff_diff *d, int side, uint32_t node)
{
	size_t layer;

	luff_tree_describe(&d->entries[side], d->xattrs[side], &layer, d->sides[side].tree, node);
	return &d->entries[side];
}

/* The same record of the same layer is the same content. */
static bool same_record(const struct luff_diff *d, uint32_t a, uint32_t b)
{
	const struct luff_listing *l[2];
	const struct luff_record *r[2];
	uint32_t nodes[2] = {a, b};

	for (int i = 0; i < 2; i++) {
		size_t layer;

		r[i] = luff_tree_record(&l[i], &layer, d->sides[i].tree,
					luff_tree_node(d->sides[i].tree, nodes[i])->record);
		if (!r[i])
			return false;
	}
	return r[0]->offset == r[1]->offset && luff_digest_equal(&luff_layer_descriptor(l[0]->layer)->digest,
								 &luff_layer_descriptor(l[1]->layer)->digest);
}

static int compare(struct luff_diff *d, uint32_t n, uint32_t m, struct luff_error *err)
{
	const struct luff_entry *a = describe(d, 0, n), *b = describe(d, 1, m);
	unsigned what = 0;

	if (n != 0 && same_record(d, n, m))
		return 0;
	if (a->type != b->type)
		what |= LUFF_DIFF_TYPE;
	if ((a->mode & 07777) != (b->mode & 07777))
		what |= LUFF_DIFF_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		what |= LUFF_DIFF_OWNER;
	if (d->options.times && (a->mtime != b->mtime || a->mtime_ns != b->mtime_ns))
		what |= LUFF_DIFF_TIME;
	if (strcmp(a->link, b->link) != 0)
		what |= LUFF_DIFF_LINK;
	if (a->major != b->major || a->minor != b->minor)
		what |= LUFF_DIFF_DEVICE;
	if (!same_xattrs(a, b))
		what |= LUFF_DIFF_XATTRS;
	if (a->type == LUFF_ENTRY_FILE && b->type == LUFF_ENTRY_FILE && a->size != b->size)
		what |= LUFF_DIFF_CONTENT;
	else if (a->type == LUFF_ENTRY_FILE && b->type == LUFF_ENTRY_FILE && a->size > 0)
		what |= LUFF_DIFF_UNKNOWN;
	return what ? add_pair(d, n, m, what, err) : 0;
}

/* ---- side by side ---- */

/* A node and all that is in it is on one side alone. */
static int add_alone(struct luff_diff *d, int side, uint32_t top, struct luff_error *err)
{
	uint32_t n = top;
	int rc;

	do {
		rc = add_pair(d, side == 0 ? n : NONE, side == 0 ? NONE : n, 0, err);
		n = luff_tree_after_in(d->sides[side].tree, n, top);
	} while (rc == 0 && n);
	return rc;
}

/* The first of n and those next to it that is there. */
static uint32_t there(const struct luff_tree *tree, uint32_t n)
{
	while (n && luff_tree_node(tree, n)->record == LUFF_NODE_ABSENT)
		n = luff_tree_node(tree, n)->next;
	return n;
}

static uint32_t next_of(const struct luff_tree *tree, uint32_t n)
{
	return there(tree, luff_tree_node(tree, n)->next);
}

static uint32_t child_of(const struct luff_tree *tree, uint32_t n)
{
	return there(tree, luff_tree_node(tree, n)->child);
}

static int walk(struct luff_diff *d, struct luff_error *err)
{
	const struct luff_tree *a = d->sides[0].tree, *b = d->sides[1].tree;
	uint32_t in_a = 0, in_b = 0, n = child_of(a, 0), m = child_of(b, 0);
	int rc = compare(d, 0, 0, err);

	while (rc == 0) {
		int order = !n ? 1 : !m ? -1 : strcmp(luff_tree_name(a, n), luff_tree_name(b, m));

		if (!n && !m) { /* up again */
			if (in_a == 0)
				break;
			n = next_of(a, in_a);
			m = next_of(b, in_b);
			in_a = luff_tree_node(a, in_a)->parent;
			in_b = luff_tree_node(b, in_b)->parent;
		} else if (order == 0) {
			rc = compare(d, n, m, err);
			in_a = n;
			in_b = m;
			n = child_of(a, n);
			m = child_of(b, m);
		} else if (order < 0) {
			rc = add_alone(d, 0, n, err);
			n = next_of(a, n);
		} else {
			rc = add_alone(d, 1, m, err);
			m = next_of(b, m);
		}
	}
	return rc;
}

/* ---- content ---- */

/* The file of a node is to be read; hard links are read once. */
static int want(uint32_t *slot, struct side *s, uint32_t node, struct luff_error *err)
{
	uint32_t record = luff_tree_node(s->tree, node)->record;

	if (!s->slots[record]) {
		if (s->seen_count == s->seen_room) {
			uint32_t room = s->seen_room ? 2 * s->seen_room : 256;
			struct seen *more = realloc(s->seen, room * sizeof *more);

			if (!more)
				return luff_fail_nomem(err);
			s->seen = more;
			s->seen_room = room;
		}
		memset(&s->seen[s->seen_count], 0, sizeof *s->seen);
		s->slots[record] = ++s->seen_count;
	}
	s->plan.first[record] = node;
	*slot = s->slots[record];
	return 0;
}

static int read_one(void *arg, uint32_t node, struct luff_reader *content, struct luff_error *err)
{
	struct side *s = arg;
	struct seen *seen = &s->seen[s->slots[luff_tree_node(s->tree, node)->record] - 1];
	__attribute__((cleanup(luff_auto_buffer))) struct luff_buffer kept;
	char buf[32 << 10];
	struct luff_hash hash;
	size_t n = 1;
	int rc = 0;

	luff_buffer_init(&kept, TEXT_MAX);
	luff_hash_init(&hash, LUFF_SHA256);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, content, buf, sizeof buf, err);
		if (rc == 0 && s->keep)
			rc = luff_buffer_append(&kept, buf, n, err);
		luff_hash_update(&hash, buf, n);
	}
	if (rc < 0)
		return rc;
	luff_hash_final(&seen->digest, &hash);
	if (s->keep && !(seen->bytes = luff_buffer_take(&kept)))
		return luff_fail_nomem(err);
	return 0;
}

static int read_layer(void *arg, size_t i, struct luff_error *err)
{
	struct luff_diff *d = arg;
	size_t first = luff_tree_layer_count(d->sides[0].tree);
	struct side *s = &d->sides[i >= first];

	return luff_plan_each(&s->plan, s->tree, i >= first ? i - first : i, read_one, s, err);
}

/* Reads what is wanted, and wants nothing more. */
static int read_wanted(struct luff_diff *d, bool keep, struct luff_error *err)
{
	size_t layers = 0;
	int rc;

	for (int i = 0; i < 2; i++) {
		d->sides[i].keep = keep;
		layers += luff_tree_layer_count(d->sides[i].tree);
	}
	rc = luff_pool_each(layers, LAYERS, read_layer, d, err);
	for (int i = 0; i < 2; i++)
		memset(d->sides[i].plan.first, 0,
		       luff_tree_record_count(d->sides[i].tree) * sizeof *d->sides[i].plan.first);
	return rc;
}

static int64_t size_of(struct luff_diff *d, int side, uint32_t node)
{
	return node == NONE ? 0 : describe(d, side, node)->size;
}

static int want_both(struct luff_diff *d, struct pair *p, struct luff_error *err)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < 2; i++) {
		const struct luff_entry *e = p->node[i] == NONE ? NULL : describe(d, i, p->node[i]);

		if (e && e->type == LUFF_ENTRY_FILE && e->size > 0)
			rc = want(&p->slot[i], &d->sides[i], p->node[i], err);
	}
	return rc;
}

/* Which contents are the same; pairs in which then nothing is different go. */
static int settle(struct luff_diff *d, struct luff_error *err)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->count; i++) {
		if (d->pairs[i].what & LUFF_DIFF_UNKNOWN)
			rc = want_both(d, &d->pairs[i], err);
	}
	if (rc == 0)
		rc = read_wanted(d, false, err);
	for (size_t i = 0; rc == 0 && i < d->count; i++) {
		struct pair p = d->pairs[i];

		if (p.what & LUFF_DIFF_UNKNOWN) {
			p.what &= ~(unsigned)LUFF_DIFF_UNKNOWN;
			if (!luff_digest_equal(&d->sides[0].seen[p.slot[0] - 1].digest,
					       &d->sides[1].seen[p.slot[1] - 1].digest))
				p.what |= LUFF_DIFF_CONTENT;
			if (!p.what)
				continue;
		}
		d->pairs[kept++] = p;
	}
	if (rc == 0)
		d->count = kept;
	return rc;
}

/* The contents of small files that are different, as many as have room. */
static int read_texts(struct luff_diff *d, struct luff_error *err)
{
	int64_t left = TEXTS_MAX;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->count; i++) {
		struct pair *p = &d->pairs[i];
		int64_t a = size_of(d, 0, p->node[0]), b = size_of(d, 1, p->node[1]);

		if (!(p->what & LUFF_DIFF_CONTENT) || a > TEXT_MAX || b > TEXT_MAX || a + b > left)
			continue;
		left -= a + b;
		rc = want_both(d, p, err);
	}
	return rc < 0 ? rc : read_wanted(d, true, err);
}

/* ---- the surface ---- */

static int open_side(struct side *s, struct luff_tree *tree, struct luff_error *err)
{
	size_t records = luff_tree_record_count(tree);

	s->tree = luff_tree_ref(tree);
	s->plan.first = calloc(records + 1, sizeof *s->plan.first);
	s->slots = calloc(records + 1, sizeof *s->slots);
	return s->plan.first && s->slots ? 0 : luff_fail_nomem(err);
}

int luff_diff_open(struct luff_diff **out, struct luff_tree *a, struct luff_tree *b,
		   const struct luff_diff_options *options, struct luff_error *err)
{
	struct luff_diff *d = calloc(1, sizeof *d);
	int rc;

	*out = NULL;
	if (!d)
		return luff_fail_nomem(err);
	if (options)
		d->options = *options;
	if (d->options.pattern)
		d->pattern = strdup(d->options.pattern);
	rc = d->options.pattern && !d->pattern ? luff_fail_nomem(err) : open_side(&d->sides[0], a, err);
	if (rc == 0)
		rc = open_side(&d->sides[1], b, err);
	if (rc == 0)
		rc = walk(d, err);
	if (rc == 0)
		rc = settle(d, err);
	if (rc == 0 && d->options.contents)
		rc = read_texts(d, err);
	if (rc < 0)
		luff_diff_close(d);
	else
		*out = d;
	return rc;
}

int luff_diff_next(const struct luff_change **out, struct luff_diff *d, struct luff_error *err)
{
	struct luff_change *c = &d->change;
	const struct pair *p;

	(void)err;
	*out = NULL;
	if (d->at == d->count)
		return 0;
	p = &d->pairs[d->at++];
	*c = (struct luff_change){.path = d->path, .what = p->what};
	d->path[0] = '/';
	luff_tree_path(d->path + 1, d->sides[p->node[0] == NONE].tree, p->node[p->node[0] == NONE]);
	for (int i = 0; i < 2; i++) {
		const struct luff_entry *e;
		size_t layer = 0;

		if (p->node[i] == NONE)
			continue;
		luff_tree_describe(&d->entries[i], d->xattrs[i], &layer, d->sides[i].tree, p->node[i]);
		d->entries[i].path = d->path;
		e = &d->entries[i];
		*(i == 0 ? &c->from : &c->to) = e;
		*(i == 0 ? &c->from_layer : &c->to_layer) =
			luff_tree_node(d->sides[i].tree, p->node[i])->record == LUFF_NODE_IMPLIED ? 0
												  : layer + 1;
		if (p->slot[i] && (p->what & LUFF_DIFF_CONTENT))
			*(i == 0 ? &c->from_bytes : &c->to_bytes) = d->sides[i].seen[p->slot[i] - 1].bytes;
	}
	/* one of them may be empty */
	if (c->from_bytes && c->to && c->to->type == LUFF_ENTRY_FILE && c->to->size == 0)
		c->to_bytes = "";
	if (c->to_bytes && c->from && c->from->type == LUFF_ENTRY_FILE && c->from->size == 0)
		c->from_bytes = "";
	if (!c->from_bytes || !c->to_bytes)
		c->from_bytes = c->to_bytes = NULL;
	*out = c;
	return 0;
}

void luff_diff_close(struct luff_diff *d)
{
	if (!d)
		return;
	for (int i = 0; i < 2; i++) {
		struct side *s = &d->sides[i];

		for (uint32_t k = 0; k < s->seen_count; k++)
			free(s->seen[k].bytes);
		free(s->seen);
		free(s->slots);
		free(s->plan.first);
		luff_tree_unref(s->tree);
	}
	free(d->pattern);
	free(d->pairs);
	free(d);
}
