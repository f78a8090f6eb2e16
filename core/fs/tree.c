/* See tree.h. */
#include "fs/tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/text.h"
#include "fs/path.h"
#include "fs/toc.h"
#include "model/layer.h"

#define SCANS 8 /* layers at a time */
#define NAMES_MAX ((size_t)2 << 30)

/* In a partial tree: a record below a folder that may be a link in truth, and the node that it went to. */
struct loose {
	uint32_t record, node;
};

struct luff_tree {
	atomic_int refs;
	struct luff_image *image;
	struct luff_listing **listings; /* one for each layer */
	uint32_t *starts;               /* of each layer, and the end */
	size_t layers;
	bool borrowed; /* the listings are another's */
	bool partial;  /* layers below are not known */
	bool hidden;   /* partial: something is not in the tree, since nobody knows where */
	struct loose *loose;
	size_t loose_count, loose_room;

	struct luff_node *nodes;
	size_t count, room;
	char *names;
	size_t names_len, names_room;
	uint32_t *table; /* by parent and name; 0: free */
	size_t table_size;
	uint64_t seed; /* nobody can make names that meet in the table */
};

/* ---- nodes ---- */

static uint64_t hash(const struct luff_tree *t, uint32_t parent, const char *name, size_t len)
{
	uint64_t h = t->seed ^ (parent * UINT64_C(0x9e3779b97f4a7c15)) ^ len;

	while (len > 0) {
		uint64_t word = 0;
		size_t n = len < 8 ? len : 8;
		__uint128_t wide;

		memcpy(&word, name, n);
		wide = (__uint128_t)(h ^ word) * (t->seed | 1);
		h = (uint64_t)wide ^ (uint64_t)(wide >> 64) ^ UINT64_C(0xa0761d6478bd642f);
		name += n;
		len -= n;
	}
	return h ^ h >> 29;
}

static uint32_t *slot(const struct luff_tree *t, uint32_t parent, const char *name, size_t len)
{
	size_t i = hash(t, parent, name, len) & (t->table_size - 1);

	for (;; i = (i + 1) & (t->table_size - 1)) {
		const struct luff_node *n = &t->nodes[t->table[i]];

		if (t->table[i] == 0 || (n->parent == parent && strncmp(t->names + n->name, name, len) == 0 &&
					 t->names[n->name + len] == '\0'))
			return &t->table[i];
	}
}

static int grow_table(struct luff_tree *t, struct luff_error *err)
{
	size_t size = t->table_size ? 2 * t->table_size : 1024;
	uint32_t *old = t->table;

	t->table = calloc(size, sizeof *t->table);
	if (!t->table) {
		t->table = old;
		return luff_fail_nomem(err);
	}
	free(old);
	t->table_size = size;
	for (uint32_t i = 1; i < t->count; i++) {
		const char *name = t->names + t->nodes[i].name;

		*slot(t, t->nodes[i].parent, name, strlen(name)) = i;
	}
	return 0;
}

static int reserve(struct luff_tree *t, size_t name_len, struct luff_error *err)
{
	if (t->count == t->room) {
		size_t room = t->room ? t->room + t->room / 2 : 256;
		struct luff_node *nodes = realloc(t->nodes, room * sizeof *nodes);

		if (!nodes)
			return luff_fail_nomem(err);
		t->nodes = nodes;
		t->room = room;
	}
	if (t->names_len + name_len + 1 > t->names_room) {
		size_t room = t->names_room + t->names_room / 2 + name_len + 4096;
		char *names = realloc(t->names, room);

		if (!names)
			return luff_fail_nomem(err);
		t->names = names;
		t->names_room = room;
	}
	return 0;
}

/* The node of that name, made where there is none, but absent then. */
static int get_node(uint32_t *out, struct luff_tree *t, uint32_t parent, const char *name, size_t len,
		    struct luff_error *err)
{
	uint32_t *at = slot(t, parent, name, len);
	size_t length = t->nodes[parent].length + (parent != 0) + len;
	struct luff_node *n;
	int rc;

	*out = *at;
	if (*at && t->nodes[*at].detached) {
		n = &t->nodes[*at];
		*n = (struct luff_node){.parent = parent,
					.name = n->name,
					.next = t->nodes[parent].child,
					.record = LUFF_NODE_ABSENT,
					.length = n->length};
		t->nodes[parent].child = *at;
	}
	if (*at)
		return 0;
	if (length > LUFF_PATH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a path of more than %d bytes", LUFF_PATH_MAX);
	if (t->count >= LUFF_ENTRIES_MAX || t->names_len > NAMES_MAX)
		return luff_fail(err, LUFF_ELIMIT, "more than %d files", LUFF_ENTRIES_MAX);
	rc = reserve(t, len, err);
	if (rc == 0 && 3 * t->count > 2 * t->table_size)
		rc = grow_table(t, err);
	if (rc < 0)
		return rc;
	*out = (uint32_t)t->count++;
	n = &t->nodes[*out];
	*n = (struct luff_node){.parent = parent,
				.name = (uint32_t)t->names_len,
				.next = t->nodes[parent].child,
				.record = LUFF_NODE_ABSENT,
				.length = length & 0x1fff};
	t->nodes[parent].child = *out;
	memcpy(t->names + t->names_len, name, len);
	t->names[t->names_len + len] = '\0';
	t->names_len += len + 1;
	*slot(t, parent, name, len) = *out;
	return 0;
}

static const struct luff_record *record_of(const struct luff_tree *t, const struct luff_node *n)
{
	const struct luff_listing *l;
	size_t layer;

	return n->record < LUFF_NODE_UNKNOWN ? luff_tree_record(&l, &layer, t, n->record) : NULL;
}

static bool is_folder(const struct luff_tree *t, uint32_t n)
{
	const struct luff_record *r = record_of(t, &t->nodes[n]);

	return t->nodes[n].record == LUFF_NODE_IMPLIED || (r && r->kind == LUFF_ENTRY_FOLDER);
}

/* The next node of the subtree below `top`, absent ones too; 0 after the last. */
static uint32_t after_in(const struct luff_tree *t, uint32_t n, uint32_t top)
{
	if (t->nodes[n].child)
		return t->nodes[n].child;
	while (n != top && !t->nodes[n].next)
		n = t->nodes[n].parent;
	return n == top ? 0 : t->nodes[n].next;
}

/* What is below goes. Each node is taken off once for each time that it was put there. */
static void clear(struct luff_tree *t, uint32_t top)
{
	for (uint32_t n = after_in(t, top, top); n; n = after_in(t, n, top)) {
		t->nodes[n].record = LUFF_NODE_ABSENT;
		t->nodes[n].detached = true;
	}
	t->nodes[top].child = 0;
	t->nodes[top].doubtful = false;
}

/* What the layers below `layer` have from top on goes, and top itself with `whole`. Folders stay where something in them does. */
static void empty(struct luff_tree *t, uint32_t top, size_t layer, bool whole)
{
	uint32_t n, *link;

	t->nodes[top].closed = true;
	if (t->nodes[top].emptied == layer + 1)
		return;
	t->nodes[top].emptied = (uint16_t)(layer + 1);
	n = top;
	do {
		bool stays = t->nodes[n].layer == layer && t->nodes[n].record < LUFF_NODE_IMPLIED;

		for (uint32_t up = n; stays && !t->nodes[up].kept; up = t->nodes[up].parent) {
			t->nodes[up].kept = true;
			if (up == top)
				break;
		}
	} while ((n = after_in(t, n, top)) != 0);
	for (n = after_in(t, top, top); n; n = after_in(t, n, top)) {
		if (t->nodes[n].kept && t->nodes[n].layer != layer)
			t->nodes[n].record = LUFF_NODE_IMPLIED;
		else if (!t->nodes[n].kept)
			t->nodes[n].record = LUFF_NODE_ABSENT;
	}
	if (whole && !t->nodes[top].kept)
		t->nodes[top].record = LUFF_NODE_ABSENT;
	else if (whole && t->nodes[top].layer != layer)
		t->nodes[top].record = LUFF_NODE_IMPLIED;
	/* those that are gone leave the lists */
	n = top;
	do {
		link = &t->nodes[n].child;
		t->nodes[n].kept = false;
		while (*link) {
			uint32_t child = *link;

			if (t->nodes[child].record == LUFF_NODE_ABSENT) {
				clear(t, child);
				t->nodes[child].detached = true;
				*link = t->nodes[child].next;
			} else {
				link = &t->nodes[child].next;
			}
		}
	} while ((n = after_in(t, n, top)) != 0);
}

/* ---- walking ---- */

/* A name that a walk asked for, and the node that it found. */
struct trace {
	size_t name;
	uint32_t node;
};

struct walk {
	bool make; /* folders that are missing */
	bool soft; /* it went through an implied folder: in truth perhaps a link in a layer that is not known */
	bool doubt;  /* what it came to may be something else in truth */
	bool closed; /* it is where nothing of the layers below counts */
	int links;
	size_t at; /* rest[at] is what is still to be walked */
	char rest[2 * LUFF_PATH_MAX + 4];
	struct luff_buffer *names; /* with steps: what was asked for; NULL: nobody wants to know */
	struct trace *steps;
	size_t step_count;
};

static int begin_walk(struct walk *w, const char *path, struct luff_error *err)
{
	size_t len = strlen(path);

	*w = (struct walk){.at = sizeof w->rest - 1 - len};
	if (len > LUFF_PATH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a path of more than %d bytes", LUFF_PATH_MAX);
	memcpy(w->rest + w->at, path, len);
	return 0;
}

/* Puts the target of a link before the rest. */
static int follow(uint32_t *at, struct walk *w, const char *target, struct luff_error *err)
{
	size_t len = strlen(target);

	if (++w->links > LUFF_LINKS_MAX)
		return luff_fail(err, LUFF_EFORMAT, "more than %d links on the way to a file",
				 LUFF_LINKS_MAX);
	if (len + 1 > w->at)
		return luff_fail(err, LUFF_ELIMIT, "a path of more than %d bytes", LUFF_PATH_MAX);
	w->rest[--w->at] = '/';
	w->at -= len;
	memcpy(w->rest + w->at, target, len);
	w->closed = false;
	if (*target == '/')
		*at = 0;
	return 0;
}

static int leave_trace(struct walk *w, const char *name, size_t len, uint32_t node, struct luff_error *err)
{
	struct trace *steps = w->names ? realloc(w->steps, (w->step_count + 1) * sizeof *steps) : NULL;
	int rc;

	if (!w->names)
		return 0;
	if (!steps)
		return luff_fail_nomem(err);
	w->steps = steps;
	w->steps[w->step_count++] = (struct trace){w->names->len, node};
	rc = luff_buffer_append(w->names, name, len, err);
	return rc < 0 ? rc : luff_buffer_append(w->names, "", 1, err);
}

/* From a folder to what has that name in it, or *missing. */
static int step(uint32_t *at, bool *missing, struct luff_tree *t, struct walk *w, const char *name,
		size_t len, struct luff_error *err)
{
	const struct luff_record *r;
	struct luff_node *node;
	uint32_t n;
	int rc = 0;

	*missing = !is_folder(t, *at);
	if (*missing)
		return 0;
	if (w->make)
		rc = get_node(&n, t, *at, name, len, err);
	else
		n = *slot(t, *at, name, len);
	if (rc == 0)
		rc = leave_trace(w, name, len, n, err);
	if (rc < 0)
		return rc;
	node = &t->nodes[n];
	if (n && w->make && node->record == LUFF_NODE_ABSENT)
		node->record = LUFF_NODE_IMPLIED;
	w->closed |= n && node->closed;
	*missing =
		!n || node->detached || node->record == LUFF_NODE_ABSENT || node->record == LUFF_NODE_UNKNOWN;
	w->doubt |= n && (node->record == LUFF_NODE_UNKNOWN || (node->doubtful && !w->closed));
	if (*missing)
		return 0;
	w->soft |= (node->record == LUFF_NODE_IMPLIED || node->doubtful) && !w->closed;
	r = record_of(t, node);
	if (r && r->kind == LUFF_ENTRY_SYMLINK) {
		const struct luff_listing *l;
		size_t layer;

		luff_tree_record(&l, &layer, t, node->record);
		return follow(at, w, luff_listing_text(l, r->link), err);
	}
	*at = n;
	return 0;
}

/* To where the path leads; *missing: there is nothing. */
static int walk(uint32_t *out, bool *missing, struct luff_tree *t, struct walk *w, struct luff_error *err)
{
	int rc = 0;

	*missing = false;
	*out = 0;
	w->closed = t->nodes[0].closed;
	while (rc == 0 && !*missing && w->rest[w->at]) {
		const char *name = w->rest + w->at;
		size_t len = strcspn(name, "/");

		w->at += len + strspn(name + len, "/");
		if (len == 0 || (len == 1 && *name == '.'))
			continue;
		if (len == 2 && memcmp(name, "..", 2) == 0)
			*out = t->nodes[*out].parent;
		else
			rc = step(out, missing, t, w, name, len, err);
	}
	return rc;
}

/* ---- laying a layer over those that are there ---- */

static int no_folder(const struct luff_tree *t, uint32_t n, struct luff_error *err)
{
	char path[LUFF_PATH_MAX + 1], shown[256];

	luff_tree_path(path, t, n);
	return luff_fail(err, LUFF_EFORMAT, "%s: a file where a folder should be",
			 luff_text_printable(shown, sizeof shown, path));
}

/* The folder that the last record was in: most of the next ones are in it, too. */
struct place {
	bool known, soft, missing;
	uint32_t folder; /* of the record */
	uint32_t node;
};

static int find_place(struct place *p, struct luff_tree *t, const struct luff_listing *l, uint32_t folder,
		      bool make, struct luff_error *err)
{
	struct walk w;
	int rc;

	if (p->known && p->folder == folder && !(make && p->missing))
		return 0;
	rc = begin_walk(&w, luff_listing_text(l, folder), err);
	w.make = make;
	if (rc == 0)
		rc = walk(&p->node, &p->missing, t, &w, err);
	if (rc < 0)
		return rc;
	*p = (struct place){true, w.soft, p->missing || !is_folder(t, p->node), folder, p->node};
	t->hidden |= w.doubt && p->missing;
	return 0;
}

/* In a partial tree: what was put where it is perhaps not. */
static int note_loose(struct luff_tree *t, const struct place *p, uint32_t record, uint32_t node,
		      struct luff_error *err)
{
	struct loose *loose;

	if (!t->partial || !p->soft)
		return 0;
	if (t->loose_count == t->loose_room) {
		size_t room = t->loose_room ? 2 * t->loose_room : 64;

		loose = realloc(t->loose, room * sizeof *loose);
		if (!loose)
			return luff_fail_nomem(err);
		t->loose = loose;
		t->loose_room = room;
	}
	t->loose[t->loose_count++] = (struct loose){record, node};
	return 0;
}

/* A file's place has another now; a folder that was found by its path is perhaps gone. */
static void replace(struct luff_tree *t, struct place *p, uint32_t n)
{
	if (t->nodes[n].child || is_folder(t, n))
		p->known = false;
	if (t->nodes[n].record < LUFF_NODE_UNKNOWN && record_of(t, &t->nodes[n])->kind == LUFF_ENTRY_SYMLINK)
		p->known = false;
	clear(t, n);
	t->nodes[n].record = LUFF_NODE_ABSENT;
	t->nodes[n].closed = true;
}

static int hide(struct luff_tree *t, struct place *p, const struct luff_listing *l, size_t layer, uint32_t id,
		struct luff_error *err)
{
	const struct luff_record *r = &l->records[id - t->starts[layer]];
	const char *name = luff_listing_text(l, r->name);
	uint32_t n = 0;
	int rc = find_place(p, t, l, r->folder, t->partial, err);

	if (rc < 0 || p->missing)
		return rc;
	if (r->kind == LUFF_RECORD_OPAQUE)
		n = p->node;
	else if (t->partial)
		rc = get_node(&n, t, p->node, name, strlen(name), err);
	else
		n = *slot(t, p->node, name, strlen(name));
	if (rc < 0 || (!n && r->kind != LUFF_RECORD_OPAQUE))
		return rc;
	rc = note_loose(t, p, id, n, err);
	p->known = false;
	empty(t, n, layer, r->kind == LUFF_RECORD_WHITEOUT);
	return rc;
}

static int bad_link(const char *what, const char *target, struct luff_error *err)
{
	char shown[256];

	return luff_fail(err, LUFF_EFORMAT, "%s: %s", luff_text_printable(shown, sizeof shown, target), what);
}

/* What a hard link stands for: the record that its target has now. Links in the folders of the target count, one in its place not. */
static int link_record(uint32_t *out, uint32_t *target_out, struct luff_tree *t, const char *target,
		       struct luff_error *err)
{
	const char *name = strrchr(target, '/');
	char folder[LUFF_PATH_MAX + 1];
	struct walk w;
	bool missing = false;
	uint32_t n = 0;
	int rc;

	luff_text_copy(folder, sizeof folder, target);
	folder[name ? name - target : 0] = '\0';
	name = name ? name + 1 : target;
	rc = begin_walk(&w, folder, err);
	if (rc == 0)
		rc = walk(&n, &missing, t, &w, err);
	if (rc < 0)
		return rc;
	n = missing || !*name ? 0 : *slot(t, n, name, strlen(name));
	*target_out = n;
	*out = n ? t->nodes[n].record : LUFF_NODE_ABSENT;
	if (t->partial && (*out == LUFF_NODE_ABSENT || w.soft || w.doubt))
		*out = LUFF_NODE_UNKNOWN;
	if (*out == LUFF_NODE_ABSENT)
		return bad_link("a hard link to nothing", target, err);
	return *out != LUFF_NODE_UNKNOWN && is_folder(t, n) ? bad_link("a hard link to a folder", target, err)
							    : 0;
}

static bool holds_something(const struct luff_tree *t, uint32_t n)
{
	for (n = t->nodes[n].child; n; n = t->nodes[n].next) {
		if (t->nodes[n].record != LUFF_NODE_ABSENT)
			return true;
	}
	return false;
}

static int put(struct luff_tree *t, struct place *p, const struct luff_listing *l, size_t layer, uint32_t id,
	       struct luff_error *err)
{
	const struct luff_record *r = &l->records[id - t->starts[layer]];
	const char *name = luff_listing_text(l, r->name);
	uint32_t n, record = id, target = 0;
	int rc = find_place(p, t, l, r->folder, true, err);

	if (rc < 0)
		return rc;
	if (p->missing) { /* there is a file */
		t->hidden = t->partial;
		return t->partial ? 0 : no_folder(t, p->node, err);
	}
	if (!*name) {
		t->nodes[0].record = id;
		return 0;
	}
	if (r->kind == LUFF_ENTRY_HARD_LINK) {
		rc = link_record(&record, &target, t, luff_listing_text(l, r->link), err);
		if (rc < 0)
			return rc;
	}
	rc = get_node(&n, t, p->node, name, strlen(name), err);
	if (rc == 0)
		rc = note_loose(t, p, id, n, err);
	if (rc < 0 || (r->kind == LUFF_ENTRY_HARD_LINK && target == n && record != LUFF_NODE_UNKNOWN))
		return rc;
	if (r->kind == LUFF_ENTRY_FOLDER && is_folder(t, n)) {
		t->nodes[n].doubtful |= t->partial && t->nodes[n].record == LUFF_NODE_IMPLIED &&
					!t->nodes[n].closed && holds_something(t, n);
	} else if (t->nodes[n].record != LUFF_NODE_ABSENT) {
		replace(t, p, n);
	}
	t->nodes[n].record = record;
	t->nodes[n].layer = (uint16_t)layer;
	t->nodes[n].closed |= r->kind != LUFF_ENTRY_FOLDER;
	return 0;
}

static int lay(struct luff_tree *t, size_t layer, struct luff_error *err)
{
	const struct luff_listing *l = t->listings[layer];
	struct place p = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->count; i++) {
		uint32_t id = t->starts[layer] + (uint32_t)i;

		rc = l->records[i].kind >= LUFF_RECORD_WHITEOUT ? hide(t, &p, l, layer, id, err)
								: put(t, &p, l, layer, id, err);
	}
	return luff_layer_blame(l->layer, rc, err);
}

/* ---- order ---- */

struct by_name {
	const char *name;
	uint32_t node;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct by_name *)a)->name, ((const struct by_name *)b)->name);
}

static int sort(struct luff_tree *t, struct luff_error *err)
{
	struct by_name *list = NULL;
	size_t room = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		size_t count = 0;

		for (uint32_t n = t->nodes[i].child; n; n = t->nodes[n].next)
			count++;
		if (count > room) {
			struct by_name *more = realloc(list, count * sizeof *list);

			if (!more) {
				free(list);
				return luff_fail_nomem(err);
			}
			list = more;
			room = count;
		}
		count = 0;
		for (uint32_t n = t->nodes[i].child; n; n = t->nodes[n].next)
			list[count++] = (struct by_name){t->names + t->nodes[n].name, n};
		if (count > 1)
			qsort(list, count, sizeof *list, compare);
		for (size_t k = 0; k < count; k++)
			t->nodes[list[k].node].next = k + 1 < count ? list[k + 1].node : 0;
		if (count > 0)
			t->nodes[i].child = list[0].node;
	}
	free(list);
	return 0;
}

/* ---- making ---- */

static int new_tree(struct luff_tree **out, struct luff_image *image, struct luff_error *err)
{
	LUFF_AUTO(tree) t = calloc(1, sizeof *t);
	int rc;

	if (!t)
		return luff_fail_nomem(err);
	t->refs = 1;
	t->image = luff_image_ref(image);
	t->layers = luff_image_layer_count(image);
	t->listings = calloc(t->layers + 1, sizeof(struct luff_listing *));
	t->starts = calloc(t->layers + 1, sizeof *t->starts);
	if (!t->listings || !t->starts)
		return luff_fail_nomem(err);
	if (getrandom(&t->seed, sizeof t->seed, 0) != sizeof t->seed)
		t->seed = (uint64_t)(uintptr_t)t;
	rc = grow_table(t, err);
	if (rc == 0)
		rc = reserve(t, 0, err);
	if (rc < 0)
		return rc;
	t->nodes[0] = (struct luff_node){.record = LUFF_NODE_IMPLIED};
	t->names[t->names_len++] = '\0';
	t->count = 1;
	*out = luff_take(t);
	return 0;
}

struct scan {
	struct luff_tree *tree;
	const struct luff_sink *sink; /* NULL: none */
};

static int scan_layer(void *arg, size_t i, struct luff_error *err)
{
	struct scan *s = arg;
	struct luff_sink sink = s->sink ? *s->sink : (struct luff_sink){0};
	LUFF_AUTO(layer) layer = NULL;
	int rc = luff_image_layer(&layer, s->tree->image, i, err);

	sink.layer = i;
	if (rc < 0)
		return rc;
	return s->sink ? luff_listing_open(&s->tree->listings[i], layer, &sink, err)
		       : luff_toc_list_any(&s->tree->listings[i], layer, NULL, err);
}

static int lay_all(struct luff_tree *t, size_t first, struct luff_error *err)
{
	int64_t total = 0;
	int rc = 0;

	for (size_t i = 0; i < t->layers; i++) {
		total += t->listings[i] ? (int64_t)t->listings[i]->count : 0;
		if (total > LUFF_ENTRIES_MAX)
			return luff_fail(err, LUFF_ELIMIT, "more than %d entries in an image",
					 LUFF_ENTRIES_MAX);
		t->starts[i + 1] = (uint32_t)total;
	}
	for (size_t i = first; rc == 0 && i < t->layers; i++)
		rc = lay(t, i, err);
	return rc;
}

int luff_tree_open_with(struct luff_tree **out, struct luff_image *image, const struct luff_sink *sink,
			struct luff_error *err)
{
	LUFF_AUTO(tree) t = NULL;
	int rc = new_tree(&t, image, err);
	struct scan s = {t, sink};

	*out = NULL;
	if (rc == 0)
		rc = luff_pool_each(t->layers, SCANS, scan_layer, &s, err);
	if (rc == 0)
		rc = lay_all(t, 0, err);
	if (rc == 0)
		rc = sort(t, err);
	if (rc < 0)
		return rc;
	*out = luff_take(t);
	return 0;
}

int luff_tree_open(struct luff_tree **out, struct luff_image *image, struct luff_error *err)
{
	return luff_tree_open_with(out, image, NULL, err);
}

int luff_tree_new_partial(struct luff_tree **out, struct luff_image *image,
			  struct luff_listing *const *listings, size_t first, struct luff_error *err)
{
	LUFF_AUTO(tree) t = NULL;
	int rc = new_tree(&t, image, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	t->partial = first > 0;
	t->borrowed = true;
	for (size_t i = first; i < t->layers; i++)
		t->listings[i] = listings[i];
	rc = lay_all(t, first, err);
	if (rc == 0)
		*out = luff_take(t);
	return rc;
}

int luff_tree_of_listing(struct luff_tree **out, struct luff_image *image, struct luff_listing *listing,
			 struct luff_error *err)
{
	LUFF_AUTO(tree) t = NULL;
	int rc = new_tree(&t, image, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	t->borrowed = true;
	t->layers = 1;
	t->listings[0] = listing;
	rc = lay_all(t, 0, err);
	if (rc == 0)
		rc = sort(t, err);
	if (rc == 0)
		*out = luff_take(t);
	return rc;
}

int luff_tree_new_lower(struct luff_tree **out, const struct luff_tree *whole, size_t layers,
			struct luff_error *err)
{
	LUFF_AUTO(tree) t = NULL;
	int rc = new_tree(&t, whole->image, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	t->borrowed = true;
	t->layers = layers;
	for (size_t i = 0; i < layers; i++)
		t->listings[i] = whole->listings[i];
	rc = lay_all(t, 0, err);
	if (rc == 0)
		rc = sort(t, err);
	if (rc == 0)
		*out = luff_take(t);
	return rc;
}

struct luff_tree *luff_tree_ref(struct luff_tree *tree)
{
	atomic_fetch_add_explicit(&tree->refs, 1, memory_order_relaxed);
	return tree;
}

void luff_tree_unref(struct luff_tree *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; t->listings && !t->borrowed && i < t->layers; i++)
		luff_listing_close(t->listings[i]);
	free(t->listings);
	free(t->starts);
	free(t->nodes);
	free(t->names);
	free(t->table);
	free(t->loose);
	luff_image_unref(t->image);
	free(t);
}

/* ---- asking ---- */

size_t luff_tree_node_count(const struct luff_tree *t)
{
	return t->count;
}

const struct luff_node *luff_tree_node(const struct luff_tree *t, uint32_t n)
{
	return &t->nodes[n];
}

const char *luff_tree_name(const struct luff_tree *t, uint32_t n)
{
	return t->names + t->nodes[n].name;
}

void luff_tree_path(char *out, const struct luff_tree *t, uint32_t n)
{
	size_t end = t->nodes[n].length;

	out[end] = '\0';
	for (; n; n = t->nodes[n].parent) {
		const char *name = luff_tree_name(t, n);
		size_t len = strlen(name);

		memcpy(out + end - len, name, len);
		end -= len;
		if (end > 0)
			out[--end] = '/';
	}
}

uint32_t luff_tree_after_in(const struct luff_tree *t, uint32_t n, uint32_t top)
{
	do
		n = after_in(t, n, top);
	while (n && t->nodes[n].record == LUFF_NODE_ABSENT);
	return n;
}

uint32_t luff_tree_after(const struct luff_tree *t, uint32_t n)
{
	return luff_tree_after_in(t, n, 0);
}

size_t luff_tree_layer_count(const struct luff_tree *t)
{
	return t->layers;
}

size_t luff_tree_record_count(const struct luff_tree *t)
{
	return t->starts[t->layers];
}

uint32_t luff_tree_layer_start(const struct luff_tree *t, size_t layer)
{
	return t->starts[layer];
}

const struct luff_listing *luff_tree_listing(const struct luff_tree *t, size_t layer)
{
	return t->listings[layer];
}

const struct luff_record *luff_tree_record(const struct luff_listing **listing, size_t *layer,
					   const struct luff_tree *t, uint32_t record)
{
	size_t low = 0, high = t->layers;

	if (record >= LUFF_NODE_UNKNOWN)
		return NULL;
	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (t->starts[mid] <= record)
			low = mid;
		else
			high = mid;
	}
	*layer = low;
	*listing = t->listings[low];
	return &t->listings[low]->records[record - t->starts[low]];
}

void luff_tree_describe(struct luff_entry *out, struct luff_xattr *xattrs, size_t *layer,
			const struct luff_tree *t, uint32_t n)
{
	const struct luff_listing *l = NULL;
	const struct luff_record *r = luff_tree_record(&l, layer, t, t->nodes[n].record);
	bool device;

	*out = (struct luff_entry){
		.type = LUFF_ENTRY_FOLDER, .path = "", .link = "", .user = "", .group = "", .mode = 0755};
	if (!r)
		return;
	device = r->kind == LUFF_ENTRY_CHAR || r->kind == LUFF_ENTRY_BLOCK;
	out->type = (enum luff_entry_type)r->kind;
	out->link = luff_listing_text(l, r->link);
	out->user = luff_listing_text(l, r->owner);
	out->group = r->owner ? out->user + strlen(out->user) + 1 : "";
	out->size = device ? 0 : r->size;
	out->major = device ? (uint32_t)(r->size >> 32) : 0;
	out->minor = device ? (uint32_t)r->size : 0;
	out->mtime = r->mtime;
	out->mtime_ns = r->mtime_ns;
	out->mode = r->mode;
	out->uid = r->uid;
	out->gid = r->gid;
	out->xattrs = xattrs;
	out->xattr_count = luff_listing_xattrs(xattrs, l, r);
}

/* Whether something that was put elsewhere may in truth be on the way. */
static bool crossed(const struct luff_tree *t, const struct walk *w)
{
	for (size_t i = 0; i < t->loose_count; i++) {
		const struct luff_listing *l;
		size_t layer;
		const struct luff_record *r = luff_tree_record(&l, &layer, t, t->loose[i].record);

		if (r->kind == LUFF_RECORD_OPAQUE)
			return true;
		for (size_t k = 0; k < w->step_count; k++) {
			if (w->steps[k].node != t->loose[i].node &&
			    strcmp(w->names->data + w->steps[k].name, luff_listing_text(l, r->name)) == 0)
				return true;
		}
	}
	return false;
}

int luff_tree_walk(enum luff_walk *how, uint32_t *out, struct luff_tree *t, const char *path,
		   bool by_any_path, struct luff_error *err)
{
	__attribute__((cleanup(luff_auto_buffer))) struct luff_buffer names;
	struct walk w;
	bool missing = false;
	int rc;

	luff_buffer_init(&names, (size_t)1 << 20);
	rc = begin_walk(&w, path, err);
	w.names = t->partial ? &names : NULL;
	if (rc == 0)
		rc = walk(out, &missing, t, &w, err);
	*how = missing ? LUFF_WALK_MISSING : LUFF_WALK_FOUND;
	if (t->partial && rc == 0) {
		bool unknown = missing ? !w.closed && is_folder(t, *out)
				       : t->nodes[*out].record == LUFF_NODE_IMPLIED;

		/* a folder may be there because of what went through a link */
		unknown |= missing && t->loose_count > 0;
		if (w.doubt || unknown || (w.soft && !by_any_path) || t->hidden || crossed(t, &w))
			*how = LUFF_WALK_UNCERTAIN;
	}
	free(w.steps);
	return rc;
}
