/* See toc.h. */
#include "fs/toc.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "fs/seek.h"
#include "fs/tar.h"
#include "medium.h"
#include "model/layer.h"
#include "stream/streams.h"

#define PACKED_MAX ((int64_t)32 << 20) /* bytes of a table as it is stored */
#define FOOTER 51                      /* bytes of eStargz's */

static const char estargz_digest[] = "containerd.io/snapshot/stargz/toc.digest";
static const char chunked_checksum[] = "io.github.containers.zstd-chunked.manifest-checksum";
static const char chunked_position[] = "io.github.containers.zstd-chunked.manifest-position";

/* All bytes of a part of the layer, which is small. */
static int fetch(char **out, struct luff_layer *layer, int64_t offset, int64_t size, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	int rc = luff_medium_fetch_part(&r, luff_layer_medium(layer), luff_layer_descriptor(layer), offset,
					size, err);

	return rc < 0 ? rc : luff_reader_read_all(out, r, size, err);
}

static int check(const char *bytes, int64_t size, const char *digest, struct luff_error *err)
{
	struct luff_digest want, have;
	int rc = luff_digest_parse(&want, digest, err);

	if (rc == 0)
		rc = luff_digest_of(&have, luff_algorithm_name(luff_digest_algorithm(&want)), bytes,
				    (size_t)size, err);
	if (rc == 0 && !luff_digest_equal(&want, &have))
		rc = luff_fail(err, LUFF_EDIGEST, "the table of contents is %s, and should be %s", have.text,
			       want.text);
	return rc;
}

static int too_large(struct luff_error *err)
{
	return luff_fail(err, LUFF_ELIMIT, "the table of contents is too large");
}

/* ---- zstd:chunked: the manifest says where it is ---- */

/* "offset:size:size unpacked:type" */
static bool parse_position(int64_t numbers[3], const char *text)
{
	for (int i = 0; i < 3; i++) {
		size_t len = strcspn(text, ":");
		char digits[24];

		if (text[len] != ':' || len >= sizeof digits)
			return false;
		memcpy(digits, text, len);
		digits[len] = '\0';
		if (!luff_text_int64(&numbers[i], digits))
			return false;
		text += len + 1;
	}
	return strcmp(text, "1") == 0;
}

static int read_chunked(struct luff_listing *l, const char *checksum, struct luff_error *err)
{
	const char *position = luff_layer_annotation(l->layer, chunked_position);
	LUFF_AUTO(text) packed = NULL;
	LUFF_AUTO(text) json = NULL;
	LUFF_AUTO(reader) r = NULL;
	int64_t at[3];
	int rc;

	if (!position || !parse_position(at, position))
		return luff_fail(err, LUFF_EFORMAT, "no place of the table of contents");
	if (at[1] > PACKED_MAX || at[2] > LUFF_TOC_MAX)
		return too_large(err);
	rc = fetch(&packed, l->layer, at[0], at[1], err);
	if (rc == 0)
		rc = check(packed, at[1], checksum, err);
	if (rc == 0)
		rc = luff_reader_open_bytes(&r, packed, (size_t)at[1], err);
	if (rc == 0)
		rc = luff_reader_open_inflate(&r, luff_take(r), err);
	if (rc == 0)
		rc = luff_reader_read_all(&json, r, at[2], err);
	return rc < 0 ? rc : luff_toc_parse(l, json, (size_t)at[2], at[0], err);
}

/* ---- eStargz: the last bytes of the layer say where it is ---- */

/* An empty gzip member, in whose header the offset stands (stargz-snapshotter, docs/estargz.md "Footer"). */
static bool parse_footer(int64_t *out, const char *footer)
{
	char digits[17] = "";
	char *end = NULL;

	if (memcmp(footer, "\x1f\x8b\x08\x04", 4) != 0 || memcmp(footer + 12, "SG\x16", 4) != 0 ||
	    memcmp(footer + 32, "STARGZ", 6) != 0)
		return false;
	memcpy(digits, footer + 16, 16);
	if (strspn(digits, "0123456789abcdefABCDEF") != 16)
		return false;
	*out = (int64_t)strtoull(digits, &end, 16);
	return true;
}

/* The table is the last file of the layer's tar, and belongs to the list itself. */
static int add_itself(struct luff_listing *l, const struct luff_entry *e, int64_t at, int64_t end,
		      const char *digest, struct luff_error *err)
{
	struct luff_place place = {.at = at, .end = end, .inner = 512};
	bool added;
	int rc = luff_listing_add(&added, l, e, 0, err);

	return rc < 0 || !added ? rc : luff_listing_add_place(l, &place, digest, err);
}

static int read_estargz(struct luff_listing *l, const char *digest, struct luff_error *err)
{
	int64_t size = luff_layer_descriptor(l->layer)->size, at = 0;
	const struct luff_entry *e = NULL;
	LUFF_AUTO(text) footer = NULL;
	LUFF_AUTO(text) packed = NULL;
	LUFF_AUTO(text) json = NULL;
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(tar) tar = NULL;
	size_t done = 0, n = 1;
	int rc = size < FOOTER ? 0 : fetch(&footer, l->layer, size - FOOTER, FOOTER, err);

	if (rc == 0 && (!footer || !parse_footer(&at, footer) || at < 0 || at >= size - FOOTER))
		return luff_fail(err, LUFF_EFORMAT, "no place of the table of contents");
	if (rc == 0 && size - FOOTER - at > PACKED_MAX)
		return too_large(err);
	if (rc == 0)
		rc = fetch(&packed, l->layer, at, size - FOOTER - at, err);
	if (rc == 0)
		rc = luff_reader_open_bytes(&r, packed, (size_t)(size - FOOTER - at), err);
	if (rc == 0)
		rc = luff_reader_open_inflate(&r, luff_take(r), err);
	if (rc == 0)
		rc = luff_tar_open(&tar, luff_take(r), err);
	if (rc == 0)
		rc = luff_tar_next(&e, tar, err);
	if (rc < 0)
		return rc;
	if (!e || e->type != LUFF_ENTRY_FILE || strcmp(e->path, "stargz.index.json") != 0)
		return luff_fail(err, LUFF_EFORMAT, "no table of contents");
	if (e->size > LUFF_TOC_MAX)
		return too_large(err);
	json = malloc((size_t)e->size + 1);
	if (!json)
		return luff_fail_nomem(err);
	while (rc == 0 && n > 0 && (int64_t)done < e->size) {
		rc = luff_tar_read(&n, tar, json + done, (size_t)e->size - done, err);
		done += n;
	}
	if (rc == 0)
		rc = check(json, e->size, digest, err);
	if (rc == 0)
		rc = luff_toc_parse(l, json, (size_t)e->size, at, err);
	return rc < 0 ? rc : add_itself(l, e, at, size - FOOTER, digest, err);
}

/* ---- both ---- */

/* A table that is wrong is none: the tar says what is in the layer. */
static bool may_go_on(int rc)
{
	return rc == LUFF_EFORMAT || rc == LUFF_EDIGEST || rc == LUFF_ESIZE || rc == LUFF_ELIMIT ||
	       rc == LUFF_ENAME;
}

int luff_toc_list(struct luff_listing **out, struct luff_layer *layer, struct luff_error *err)
{
	const char *chunked = luff_layer_annotation(layer, chunked_checksum);
	const char *estargz = luff_layer_annotation(layer, estargz_digest);
	LUFF_AUTO(listing) l = NULL;
	struct luff_error wrong = {0};
	int rc;

	*out = NULL;
	if (!chunked && !estargz)
		return 0;
	rc = luff_listing_new(&l, layer, err);
	if (rc < 0)
		return rc;
	rc = chunked ? read_chunked(l, chunked, &wrong) : read_estargz(l, estargz, &wrong);
	if (rc == 0) {
		*out = luff_take(l);
		return 0;
	}
	if (!may_go_on(rc)) {
		*err = wrong;
		return rc;
	}
	if (luff_scope_logs())
		luff_scope_log("layer %.19s: read as a whole: %s", luff_layer_descriptor(layer)->digest.text,
			       wrong.msg);
	return 0;
}

int luff_toc_list_any(struct luff_listing **out, struct luff_layer *layer, struct luff_sink *sink,
		      struct luff_error *err)
{
	int rc = luff_toc_list(out, layer, err);

	return rc < 0 || *out ? rc : luff_seek_list(out, layer, sink, err);
}

void luff_toc_place(struct luff_placed *out, const struct luff_listing *l, const struct luff_record *r)
{
	*out = (struct luff_placed){.place = l->places[r->offset - 1], .size = r->size};
	luff_text_copy(out->digest.text, sizeof out->digest.text, luff_listing_text(l, out->place.digest));
}

int luff_toc_open(struct luff_reader **out, struct luff_layer *layer, const struct luff_placed *file,
		  struct luff_error *err)
{
	const struct luff_place *p = &file->place;
	struct luff_medium *m = luff_layer_medium(layer);
	LUFF_AUTO(reader) r = NULL;
	int rc = luff_medium_fetch_part(&r, m, luff_layer_descriptor(layer), p->at, p->end - p->at, err);

	*out = NULL;
	if (rc == 0)
		rc = luff_reader_open_inflate(&r, luff_take(r), err);
	if (rc == 0)
		rc = luff_reader_open_part(&r, luff_take(r), p->inner, file->size, err);
	return rc < 0 ? rc : luff_reader_open_verify(out, luff_take(r), m, &file->digest, file->size, err);
}
