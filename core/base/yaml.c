/* See yaml.h: a stack of open lists and maps, fed by libyaml's events. */
#include "base/yaml.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/lazy.h"
#include "base/text.h"

static struct {
	int (*init)(yaml_parser_t *parser);
	void (*delete)(yaml_parser_t *parser);
	void (*set_input)(yaml_parser_t *parser, const unsigned char *input, size_t size);
	void (*set_encoding)(yaml_parser_t *parser, yaml_encoding_t encoding);
	int (*parse)(yaml_parser_t *parser, yaml_event_t *event);
	void (*event_delete)(yaml_event_t *event);
} lib;

struct luff_yaml {
	const struct luff_yaml_node *root;
	struct luff_yaml_node *made, *anchored; /* all nodes, and those with an anchor, the last one first */
	size_t nodes, anchors;
	size_t merged; /* members that maps took from others */
};

/* A list or map that is open. */
struct level {
	struct luff_yaml_node *node;
	const char *key; /* of the value that comes next; NULL: a key comes next */
	size_t key_len;
	int key_line;
	bool merge;    /* the key is << */
	size_t merged; /* members in front, from merge keys */
};

struct build {
	struct luff_yaml *doc;
	const char *what;
	struct level levels[LUFF_YAML_DEPTH_MAX];
	int depth;
};

static int load(struct luff_error *err)
{
	static const struct luff_lazy_symbol symbols[] = {
		LUFF_LAZY(yaml_parser_delete, &lib.delete),
		LUFF_LAZY(yaml_parser_set_input_string, &lib.set_input),
		LUFF_LAZY(yaml_parser_set_encoding, &lib.set_encoding),
		LUFF_LAZY(yaml_parser_parse, &lib.parse),
		LUFF_LAZY(yaml_event_delete, &lib.event_delete),
		LUFF_LAZY(yaml_parser_initialize, &lib.init),
		{NULL, NULL}};
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!lib.init)
		rc = luff_lazy_load("libyaml-0.so.2", symbols, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

static int refuse(struct luff_error *err, int code, const struct build *b, const yaml_mark_t *at,
		  const char *why)
{
	return luff_fail(err, code, "%s: YAML, line %zu, column %zu: %s", b->what, at->line + 1,
			 at->column + 1, why);
}

/* A word of the text goes into the message, cut and made printable. */
static int refuse_word(struct luff_error *err, const struct build *b, const yaml_mark_t *at, const char *why,
		       const char *word)
{
	char shown[64];

	return luff_fail(err, LUFF_EFORMAT, "%s: YAML, line %zu, column %zu: %s %s", b->what, at->line + 1,
			 at->column + 1, why, luff_text_printable(shown, sizeof shown, word));
}

/* ---- Scalars (YAML 1.2.2, 10.3.2) ---- */

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words && strcmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

static bool all_of(const char *text, const char *set)
{
	return *text && text[strspn(text, set)] == '\0';
}

static bool set_whole(struct luff_yaml_node *n, const char *text)
{
	const char *digits = text + (*text == '-' || *text == '+');
	int base = 10;

	if (strncmp(text, "0o", 2) == 0 && all_of(text + 2, "01234567")) {
		base = 8;
		text += 2;
	} else if (strncmp(text, "0x", 2) == 0 && all_of(text + 2, "0123456789abcdefABCDEF")) {
		base = 16;
		text += 2;
	} else if (!all_of(digits, "0123456789")) {
		return false;
	}
	errno = 0;
	n->whole = strtoll(text, NULL, base);
	n->kind = LUFF_YAML_INT;
	if (errno == ERANGE) {
		n->kind = LUFF_YAML_FLOAT;
		n->number = base == 10 ? strtod(text, NULL) : 0;
		for (const char *p = text; base != 10 && *p; p++)
			n->number = n->number * base + strtol((char[]){*p, '\0'}, NULL, 16);
	}
	return true;
}

static bool set_number(struct luff_yaml_node *n, const char *text)
{
	static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL}, *const nans[] = {
											".nan", ".NaN",
											".NAN", NULL};
	const char *p = text + (*text == '-' || *text == '+');
	size_t before = strspn(p, "0123456789"), after = 0;

	n->kind = LUFF_YAML_FLOAT;
	if (is_one_of(p, infinities)) {
		n->number = *text == '-' ? -INFINITY : INFINITY;
		return true;
	}
	if (is_one_of(text, nans)) {
		n->number = NAN;
		return true;
	}
	p += before;
	if (*p == '.') {
		after = strspn(p + 1, "0123456789");
		p += 1 + after;
	}
	if (before + after == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		if (!all_of(p, "0123456789"))
			return false;
		p += strlen(p);
	}
	n->number = strtod(text, NULL); /* no locale but "C": a library never sets one */
	return *p == '\0';
}

static bool set_boolean(struct luff_yaml_node *n, const char *text)
{
	static const char *const yes[] = {"true", "True", "TRUE", NULL}, *const no[] = {"false", "False",
											"FALSE", NULL};

	n->kind = LUFF_YAML_BOOL;
	n->boolean = is_one_of(text, yes);
	return n->boolean || is_one_of(text, no);
}

static bool set_null(struct luff_yaml_node *n, const char *text)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

	n->kind = LUFF_YAML_NULL;
	return is_one_of(text, words);
}

static bool set_text(struct luff_yaml_node *n, const char *text)
{
	(void)text;
	n->kind = LUFF_YAML_TEXT;
	return true;
}

static const struct tag {
	const char *name;
	enum { SCALAR, SEQUENCE, MAPPING } shape;
	bool (*set)(struct luff_yaml_node *n, const char *text);
} tags[] = {
	{YAML_NULL_TAG, SCALAR, set_null}, {YAML_BOOL_TAG, SCALAR, set_boolean},
	{YAML_INT_TAG, SCALAR, set_whole}, {YAML_FLOAT_TAG, SCALAR, set_number},
	{YAML_STR_TAG, SCALAR, set_text},  {"!", SCALAR, set_text},
	{YAML_SEQ_TAG, SEQUENCE, NULL},    {"!", SEQUENCE, NULL},
	{YAML_MAP_TAG, MAPPING, NULL},     {"!", MAPPING, NULL},
};

static const struct tag *find_tag(const yaml_char_t *name, int shape)
{
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
		if ((int)tags[i].shape == shape && strcmp(tags[i].name, (const char *)name) == 0)
			return &tags[i];
	}
	return NULL;
}

static int check_tag(const struct tag **out, const struct build *b, const yaml_event_t *e,
		     const yaml_char_t *name, int shape, struct luff_error *err)
{
	*out = name ? find_tag(name, shape) : NULL;
	return !name || *out ? 0
			     : refuse_word(err, b, &e->start_mark, "luff does not know the tag",
					   (const char *)name);
}

/* ---- The tree ---- */

static int too_many(const struct build *b, const yaml_event_t *e, struct luff_error *err)
{
	char why[64];

	snprintf(why, sizeof why, "more than %d values, aliases unfolded", LUFF_YAML_VALUES_MAX);
	return refuse(err, LUFF_ELIMIT, b, &e->start_mark, why);
}

static int make_node(struct luff_yaml_node **out, struct build *b, const yaml_event_t *e,
		     const yaml_char_t *anchor, struct luff_error *err)
{
	struct luff_yaml *doc = b->doc;
	struct luff_yaml_node *n;

	if (++doc->nodes > LUFF_YAML_VALUES_MAX)
		return too_many(b, e, err);
	n = calloc(1, sizeof *n);
	if (!n)
		return luff_fail_nomem(err);
	n->line = (int)e->start_mark.line + 1;
	n->column = (int)e->start_mark.column + 1;
	n->made_before = doc->made;
	doc->made = n;
	*out = n;
	if (!anchor)
		return 0;
	if (++doc->anchors > LUFF_YAML_ANCHORS_MAX)
		return refuse(err, LUFF_ELIMIT, b, &e->start_mark, "too many anchors");
	n->anchored_before = doc->anchored;
	doc->anchored = n;
	n->anchor = strdup((const char *)anchor);
	return n->anchor ? 0 : luff_fail_nomem(err);
}

static int add_item(struct luff_yaml_node *n, const struct luff_yaml_item *item, struct luff_error *err)
{
	if (n->count == n->room) {
		size_t room = n->room ? 2 * n->room : 4;
		void *items = realloc(n->items, room * sizeof *n->items);

		if (!items)
			return luff_fail_nomem(err);
		n->items = items;
		n->room = room;
	}
	n->items[n->count++] = *item;
	n->weight += item->value->weight;
	if (n->height <= item->value->height)
		n->height = item->value->height + 1;
	return 0;
}

/* The members of `from` go in front of the map's own, where those stand in for them, and behind what was merged before. */
static int merge(struct build *b, struct level *level, const struct luff_yaml_node *from,
		 const yaml_event_t *e, struct luff_error *err)
{
	struct luff_yaml_node *into = level->node;
	size_t own = into->count - level->merged;
	int rc = 0;

	if (from->kind != LUFF_YAML_MAP)
		return refuse(err, LUFF_EFORMAT, b, &e->start_mark, "<< wants a map or a list of maps");
	b->doc->merged += from->count + own;
	if (b->doc->merged > LUFF_YAML_VALUES_MAX)
		return too_many(b, e, err);
	for (size_t i = 0; i < from->count && rc == 0; i++)
		rc = add_item(into, &from->items[i], err);
	if (rc == 0 && own > 0 && from->count > 0) {
		struct luff_yaml_item *kept = malloc(own * sizeof *kept);

		if (!kept)
			return luff_fail_nomem(err);
		memcpy(kept, into->items + level->merged, own * sizeof *kept);
		memmove(into->items + level->merged, into->items + level->merged + own,
			from->count * sizeof *kept);
		memcpy(into->items + level->merged + from->count, kept, own * sizeof *kept);
		free(kept);
	}
	level->merged += from->count;
	return rc;
}

/* Of several maps the first has the last word. */
static int merge_value(struct build *b, struct level *level, const struct luff_yaml_node *value,
		       const yaml_event_t *e, struct luff_error *err)
{
	int rc = 0;

	if (value->kind != LUFF_YAML_LIST)
		return merge(b, level, value, e, err);
	for (size_t i = value->count; i > 0 && rc == 0; i--)
		rc = merge(b, level, value->items[i - 1].value, e, err);
	return rc;
}

/* A complete value goes to where it belongs. */
static int place(struct build *b, const struct luff_yaml_node *n, const yaml_event_t *e,
		 struct luff_error *err)
{
	struct level *level = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;
	struct luff_yaml_item item = {.line = (int)e->start_mark.line + 1, .value = n};
	int rc;

	if (!level) {
		b->doc->root = n;
		return 0;
	}
	if (b->depth + n->height > LUFF_YAML_DEPTH_MAX)
		return refuse(err, LUFF_ELIMIT, b, &e->start_mark, "nested too deep");
	if (level->node->kind == LUFF_YAML_LIST) {
		rc = add_item(level->node, &item, err);
	} else if (!level->key) {
		return refuse(err, LUFF_EFORMAT, b, &e->start_mark, "a key that is a list or a map");
	} else if (level->merge) {
		level->key = NULL;
		rc = merge_value(b, level, n, e, err);
	} else {
		item.key = level->key;
		item.key_len = level->key_len;
		item.line = level->key_line;
		level->key = NULL;
		rc = add_item(level->node, &item, err);
	}
	if (rc == 0 && level->node->weight > LUFF_YAML_VALUES_MAX)
		return too_many(b, e, err);
	return rc;
}

static int on_scalar(struct build *b, const yaml_event_t *e, struct luff_error *err)
{
	const yaml_char_t *name = e->data.scalar.tag;
	struct level *level = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;
	struct luff_yaml_node *n = NULL;
	const struct tag *tag;
	const char *text;
	int rc = check_tag(&tag, b, e, name, SCALAR, err);

	if (rc == 0)
		rc = make_node(&n, b, e, e->data.scalar.anchor, err);
	if (rc < 0 || !n)
		return rc;
	n->text = malloc(e->data.scalar.length + 1);
	if (!n->text)
		return luff_fail_nomem(err);
	memcpy(n->text, e->data.scalar.value, e->data.scalar.length);
	n->text[e->data.scalar.length] = '\0';
	n->text_len = e->data.scalar.length;
	n->weight = 1;
	text = n->text;
	if (tag && !tag->set(n, text))
		return refuse_word(err, b, &e->start_mark, "its tag does not fit", text);
	if (!tag) {
		bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

		if (!plain || (!set_null(n, text) && !set_boolean(n, text) && !set_whole(n, text) &&
			       !set_number(n, text)))
			n->kind = LUFF_YAML_TEXT;
	}
	if (level && level->node->kind == LUFF_YAML_MAP && !level->key) {
		level->key = n->text;
		level->key_len = n->text_len;
		level->key_line = n->line;
		level->merge = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0;
		return 0;
	}
	return place(b, n, e, err);
}

static int on_alias(struct build *b, const yaml_event_t *e, struct luff_error *err)
{
	const char *name = (const char *)e->data.alias.anchor;
	struct level *level = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;
	const struct luff_yaml_node *n = b->doc->anchored;

	/* the last one of that name */
	while (n && strcmp(n->anchor, name) != 0)
		n = n->anchored_before;
	if (!n)
		return refuse_word(err, b, &e->start_mark, "no anchor of that name:", name);
	if (n->open)
		return refuse_word(err, b, &e->start_mark, "an alias within what it names:", name);
	if (level && level->node->kind == LUFF_YAML_MAP && !level->key && n->kind < LUFF_YAML_LIST) {
		level->key = n->text;
		level->key_len = n->text_len;
		level->key_line = (int)e->start_mark.line + 1;
		level->merge = false;
		return 0;
	}
	return place(b, n, e, err);
}

static int on_start(struct build *b, const yaml_event_t *e, int shape, struct luff_error *err)
{
	bool list = shape == SEQUENCE;
	const struct tag *tag;
	struct luff_yaml_node *n = NULL;
	int rc = check_tag(&tag, b, e, list ? e->data.sequence_start.tag : e->data.mapping_start.tag, shape,
			   err);

	if (rc < 0)
		return rc;
	if (b->depth == LUFF_YAML_DEPTH_MAX)
		return refuse(err, LUFF_ELIMIT, b, &e->start_mark, "nested too deep");
	rc = make_node(&n, b, e, list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor, err);
	if (rc < 0)
		return rc;
	n->kind = list ? LUFF_YAML_LIST : LUFF_YAML_MAP;
	n->open = true;
	n->height = 1;
	b->levels[b->depth++] = (struct level){.node = n};
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct luff_yaml_item *x = *(const struct luff_yaml_item *const *)a,
				    *y = *(const struct luff_yaml_item *const *)b;
	int order = memcmp(x->key, y->key, x->key_len < y->key_len ? x->key_len : y->key_len);

	if (order == 0 && x->key_len != y->key_len)
		order = x->key_len < y->key_len ? -1 : 1;
	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* A map's own keys, apart from those that it merges, are all different (YAML 1.2, 3.2.1.3). */
static int check_keys(const struct build *b, const struct level *level, struct luff_error *err)
{
	const struct luff_yaml_node *n = level->node;
	size_t own = n->count - level->merged;
	const struct luff_yaml_item **keys;
	int rc = 0;

	if (n->kind != LUFF_YAML_MAP || own < 2)
		return 0;
	keys = malloc(own * sizeof(struct luff_yaml_item *));
	if (!keys)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < own; i++)
		keys[i] = &n->items[level->merged + i];
	qsort(keys, own, sizeof(struct luff_yaml_item *), compare_keys);
	for (size_t i = 1; i < own && rc == 0; i++) {
		yaml_mark_t at = {.line = (size_t)keys[i]->line - 1};

		if (keys[i]->key_len == keys[i - 1]->key_len &&
		    memcmp(keys[i]->key, keys[i - 1]->key, keys[i]->key_len) == 0)
			rc = refuse_word(err, b, &at, "a key that the map has already:", keys[i]->key);
	}
	free(keys);
	return rc;
}

static int on_end(struct build *b, struct luff_error *err)
{
	const struct level *level = &b->levels[--b->depth];
	struct luff_yaml_node *n = level->node;
	yaml_event_t at = {.start_mark = {.line = (size_t)n->line - 1, .column = (size_t)n->column - 1}};

	if (check_keys(b, level, err) < 0)
		return err->code;
	n->weight++;
	n->open = false;
	return place(b, n, &at, err);
}

static int on_event(struct build *b, const yaml_event_t *e, bool *again, struct luff_error *err)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (*again)
			return refuse(err, LUFF_EFORMAT, b, &e->start_mark, "a second document");
		*again = true;
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, e, err);
	case YAML_ALIAS_EVENT:
		return on_alias(b, e, err);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, e, SEQUENCE, err);
	case YAML_MAPPING_START_EVENT:
		return on_start(b, e, MAPPING, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(b, err);
	default:
		return 0;
	}
}

static int refuse_all(const yaml_parser_t *parser, const struct build *b, struct luff_error *err)
{
	const char *why = parser->problem ? parser->problem : "it is none";

	if (parser->error == YAML_MEMORY_ERROR)
		return luff_fail_nomem(err);
	if (parser->error == YAML_READER_ERROR) /* which counts no lines */
		return luff_fail(err, LUFF_EFORMAT, "%s: YAML, byte %zu: %s", b->what, parser->problem_offset,
				 why);
	return refuse(err, LUFF_EFORMAT, b, &parser->problem_mark, why);
}

static int parse(struct build *b, yaml_parser_t *parser, struct luff_error *err)
{
	bool again = false, ended = false;
	int rc = 0;

	while (rc == 0 && !ended) {
		yaml_event_t e;

		if (!lib.parse(parser, &e))
			return refuse_all(parser, b, err);
		ended = e.type == YAML_STREAM_END_EVENT;
		rc = on_event(b, &e, &again, err);
		lib.event_delete(&e);
	}
	return rc;
}

int luff_yaml_parse(struct luff_yaml **out, const char *text, size_t len, const char *what,
		    struct luff_error *err)
{
	static const struct luff_yaml_node nothing = {
		.kind = LUFF_YAML_NULL, .line = 1, .column = 1, .weight = 1};
	LUFF_AUTO(yaml) doc = NULL;
	struct build b = {.what = what};
	yaml_parser_t parser;
	int rc;

	*out = NULL;
	if (len > LUFF_YAML_SIZE_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: YAML of more than %d bytes", what,
				 LUFF_YAML_SIZE_MAX);
	if (!luff_text_utf8(text, len))
		return luff_fail(err, LUFF_EFORMAT, "%s: YAML is not UTF-8", what);
	rc = load(err);
	if (rc < 0)
		return rc;
	doc = calloc(1, sizeof *doc);
	if (!doc || !lib.init(&parser))
		return luff_fail_nomem(err);
	doc->root = &nothing;
	b.doc = doc;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	lib.set_input(&parser, (const unsigned char *)text, len);
	lib.set_encoding(&parser, YAML_UTF8_ENCODING);
	rc = parse(&b, &parser, err);
	lib.delete(&parser);
	if (rc == 0)
		*out = luff_take(doc);
	return rc;
}

const struct luff_yaml_node *luff_yaml_root(const struct luff_yaml *doc)
{
	return doc->root;
}

void luff_yaml_free(struct luff_yaml *doc)
{
	while (doc && doc->made) {
		struct luff_yaml_node *n = doc->made;

		doc->made = n->made_before;
		free(n->text);
		free(n->anchor);
		free(n->items);
		free(n);
	}
	free(doc);
}
