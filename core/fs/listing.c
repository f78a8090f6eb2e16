/* See listing.h. */
#include "fs/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "fs/entries.h"
#include "fs/path.h"
#include "fs/pax.h"
#include "fs/seek.h"
#include "model/layer.h"

#define TEXT_MAX ((size_t)1 << 30)

static int grow(void **array, size_t *room, size_t want, size_t each, struct luff_error *err)
{
	size_t more = *room ? *room : 64;
	void *bigger;

	if (want <= *room)
		return 0;
	while (more < want)
		more *= 2;
	bigger = realloc(*array, more * each);
	if (!bigger)
		return luff_fail_nomem(err);
	*array = bigger;
	*room = more;
	return 0;
}

static int add_bytes(uint32_t *at, struct luff_listing *l, const void *bytes, size_t len,
		     struct luff_error *err)
{
	int rc;

	if (len > TEXT_MAX - l->text_len)
		return luff_fail(err, LUFF_ELIMIT, "more than 1 GiB of names and attributes in a layer");
	rc = grow((void **)&l->text, &l->text_room, l->text_len + len, 1, err);
	if (rc < 0)
		return rc;
	if (at)
		*at = (uint32_t)l->text_len;
	memcpy(l->text + l->text_len, bytes, len);
	l->text_len += len;
	return 0;
}

static int add_text(uint32_t *at, struct luff_listing *l, const char *text, struct luff_error *err)
{
	return *text ? add_bytes(at, l, text, strlen(text) + 1, err) : 0;
}

/* Their number, then of each its name and the length and bytes of its value. */
static int add_xattrs(struct luff_record *r, struct luff_listing *l, const struct luff_entry *e,
		      struct luff_error *err)
{
	uint32_t n = (uint32_t)e->xattr_count;
	int rc = n > 0 ? add_bytes(&r->xattrs, l, &n, sizeof n, err) : 0;

	for (size_t i = 0; rc == 0 && i < e->xattr_count; i++) {
		const struct luff_xattr *x = &e->xattrs[i];
		uint32_t len = (uint32_t)x->len;

		rc = add_bytes(NULL, l, x->name, strlen(x->name) + 1, err);
		if (rc == 0)
			rc = add_bytes(NULL, l, &len, sizeof len, err);
		if (rc == 0 && len > 0)
			rc = add_bytes(NULL, l, x->value, len, err);
	}
	return rc;
}

size_t luff_listing_xattrs(struct luff_xattr *out, const struct luff_listing *l, const struct luff_record *r)
{
	const char *p = l->text + r->xattrs;
	uint32_t n = 0, len;

	if (r->xattrs == 0)
		return 0;
	memcpy(&n, p, sizeof n);
	p += sizeof n;
	for (uint32_t i = 0; i < n; i++) {
		out[i].name = p;
		p += strlen(p) + 1;
		memcpy(&len, p, sizeof len);
		p += sizeof len;
		out[i].value = p;
		out[i].len = len;
		p += len;
	}
	return n;
}

static int bad_entry(const char *what, const char *path, struct luff_error *err)
{
	char shown[256];

	return luff_fail(err, LUFF_EFORMAT, "%s: %s", luff_text_printable(shown, sizeof shown, path), what);
}

/* A name that begins with ".wh." stands for something that is not there. False: what is of no concern. */
static int classify(bool *counts, struct luff_record *r, const char **name, const char *path,
		    struct luff_error *err)
{
	*counts = true;
	if (!luff_text_starts(*name, ".wh."))
		return 0;
	if (strcmp(*name, ".wh..wh..opq") == 0) {
		r->kind = LUFF_RECORD_OPAQUE;
		*name = "";
		return 0;
	}
	if (luff_text_starts(*name, ".wh..wh.")) { /* AUFS's own, in images of old */
		*counts = false;
		return 0;
	}
	*name += strlen(".wh.");
	r->kind = LUFF_RECORD_WHITEOUT;
	if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
		return bad_entry("a whiteout of nothing", path, err);
	return 0;
}

/* `last` is the folder of the record before: most are in the same one. */
static int add_names(struct luff_record *r, struct luff_listing *l, const char *folder, const char *name,
		     struct luff_error *err)
{
	int rc = 0;

	if (l->count > 0 && strcmp(l->text + l->records[l->count - 1].folder, folder) == 0)
		r->folder = l->records[l->count - 1].folder;
	else
		rc = add_text(&r->folder, l, folder, err);
	return rc < 0 ? rc : add_text(&r->name, l, name, err);
}

static int add_owner(struct luff_record *r, struct luff_listing *l, const struct luff_entry *e,
		     struct luff_error *err)
{
	uint32_t last = l->count > 0 ? l->records[l->count - 1].owner : 0;
	int rc;

	if (!*e->user && !*e->group)
		return 0;
	if (last > 0 && strcmp(l->text + last, e->user) == 0 &&
	    strcmp(l->text + last + strlen(e->user) + 1, e->group) == 0) {
		r->owner = last;
		return 0;
	}
	rc = add_bytes(&r->owner, l, e->user, strlen(e->user) + 1, err);
	return rc < 0 ? rc : add_bytes(NULL, l, e->group, strlen(e->group) + 1, err);
}

int luff_listing_add(bool *added, struct luff_listing *l, const struct luff_entry *e, int64_t offset,
		     struct luff_error *err)
{
	char path[LUFF_PATH_MAX + 1], target[LUFF_PATH_MAX + 1];
	struct luff_record r = {.kind = (uint8_t)e->type,
				.mode = (uint16_t)e->mode,
				.uid = e->uid,
				.gid = e->gid,
				.size = e->size,
				.mtime = e->mtime,
				.mtime_ns = e->mtime_ns,
				.offset = offset};
	const char *folder = "", *name = path;
	char *slash;
	int rc = luff_path_clean(path, e->path, err);

	if (rc < 0)
		return rc;
	slash = strrchr(path, '/');
	if (slash) {
		*slash = '\0';
		folder = path;
		name = slash + 1;
	}
	rc = classify(added, &r, &name, e->path, err);
	if (rc < 0 || !*added)
		return rc;
	if (!*path && e->type != LUFF_ENTRY_FOLDER && r.kind != LUFF_RECORD_OPAQUE)
		return bad_entry("the root is no folder", e->path, err);
	if (e->type == LUFF_ENTRY_CHAR || e->type == LUFF_ENTRY_BLOCK)
		r.size = (int64_t)e->major << 32 | e->minor;
	if (l->count == LUFF_ENTRIES_MAX)
		return luff_fail(err, LUFF_ELIMIT, "more than %d entries in a layer", LUFF_ENTRIES_MAX);
	rc = grow((void **)&l->records, &l->room, l->count + 1, sizeof r, err);
	if (rc == 0)
		rc = add_names(&r, l, folder, name, err);
	if (rc == 0 && e->type == LUFF_ENTRY_HARD_LINK && r.kind == e->type) {
		rc = luff_path_clean(target, e->link, err);
		if (rc == 0)
			rc = add_text(&r.link, l, target, err);
	} else if (rc == 0 && e->type == LUFF_ENTRY_SYMLINK) {
		rc = *e->link ? add_text(&r.link, l, e->link, err)
			      : bad_entry("a symlink to nowhere", e->path, err);
	}
	if (rc == 0)
		rc = add_owner(&r, l, e, err);
	if (rc == 0)
		rc = add_xattrs(&r, l, e, err);
	if (rc == 0)
		l->records[l->count++] = r;
	return rc;
}

static int pour(struct luff_sink *sink, const struct luff_listing *l, struct luff_entries *entries,
		const struct luff_entry *e, struct luff_error *err)
{
	LUFF_AUTO(reader) content = NULL;
	int rc = luff_entries_content(&content, entries, err);

	return rc < 0 ? rc : sink->take(sink, l, e, content, err);
}

static int scan(struct luff_listing *l, struct luff_entries *entries, struct luff_sink *sink,
		struct luff_error *err)
{
	const struct luff_entry *e = NULL;
	int rc = 0;

	while (rc == 0 && (rc = luff_entries_next(&e, entries, err)) == 0 && e) {
		bool added = false;

		rc = luff_layer_blame(l->layer,
				      luff_listing_add(&added, l, e, luff_entries_offset(entries), err), err);
		if (rc == 0 && added && sink && l->records[l->count - 1].kind == LUFF_ENTRY_FILE)
			rc = pour(sink, l, entries, e, err);
	}
	return rc;
}

int luff_listing_add_place(struct luff_listing *l, const struct luff_place *place, const char *digest,
			   struct luff_error *err)
{
	struct luff_place *to;
	int rc = grow((void **)&l->places, &l->place_room, l->place_count + 1, sizeof *place, err);

	if (rc < 0)
		return rc;
	to = &l->places[l->place_count++];
	*to = *place;
	l->records[l->count - 1].offset = (int64_t)l->place_count;
	return add_text(&to->digest, l, digest, err);
}

int luff_listing_new(struct luff_listing **out, struct luff_layer *layer, struct luff_error *err)
{
	LUFF_AUTO(listing) l = calloc(1, sizeof *l);
	int rc;

	*out = NULL;
	if (!l)
		return luff_fail_nomem(err);
	l->layer = layer ? luff_layer_ref(layer) : NULL;
	rc = add_bytes(NULL, l, "", 1, err); /* offset 0 is the empty text */
	if (rc == 0)
		*out = luff_take(l);
	return rc;
}

static int fill(struct luff_listing **out, struct luff_layer *layer, struct luff_entries *entries,
		struct luff_sink *sink, struct luff_error *err)
{
	LUFF_AUTO(listing) l = NULL;
	int rc = luff_listing_new(&l, layer, err);

	if (rc == 0)
		rc = scan(l, entries, sink, err);
	if (rc == 0)
		*out = luff_take(l);
	return rc;
}

int luff_listing_open(struct luff_listing **out, struct luff_layer *layer, struct luff_sink *sink,
		      struct luff_error *err)
{
	LUFF_AUTO(entries) entries = NULL;
	int rc = luff_entries_open(&entries, layer, err);

	*out = NULL;
	return rc < 0 ? rc : fill(out, layer, entries, sink, err);
}

int luff_listing_read(struct luff_listing **out, struct luff_layer *layer, struct luff_reader *plain,
		      struct luff_sink *sink, struct luff_error *err)
{
	LUFF_AUTO(entries) entries = NULL;
	int rc = luff_entries_open_plain(&entries, layer, plain, err);

	*out = NULL;
	return rc < 0 ? rc : fill(out, layer, entries, sink, err);
}

void luff_listing_close(struct luff_listing *l)
{
	if (!l)
		return;
	free(l->records);
	free(l->places);
	free(l->text);
	luff_seek_unref(l->seek);
	luff_layer_unref(l->layer);
	free(l);
}
