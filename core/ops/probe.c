/* See probe.h. */
#include "ops/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "stream/streams.h"

#define HEAD 6 /* xz has the longest magic number */

const char *luff_packing_name(enum luff_packing packing)
{
	static const char *const names[] = {"plain", "gzip", "zstd", "compressed otherwise"};

	return names[packing];
}

bool luff_packing_of(enum luff_packing *out, const char *media_type)
{
	static const char *const tars[] = {LUFF_MEDIA_OCI_LAYER,
					   "application/vnd.oci.image.layer.nondistributable.v1.tar",
					   "application/vnd.docker.image.rootfs.diff.tar",
					   "application/vnd.docker.image.rootfs.foreign.diff.tar"};

	for (size_t i = 0; i < sizeof tars / sizeof *tars; i++) {
		const char *rest = media_type + strlen(tars[i]);

		if (!luff_text_starts(media_type, tars[i]))
			continue;
		*out = *rest ? LUFF_PACKED_GZIP : LUFF_PACKED_NOT;
		if (strcmp(rest, "+zstd") == 0 || strcmp(rest, ".zstd") == 0)
			*out = LUFF_PACKED_ZSTD;
		else if (*rest && strcmp(rest, "+gzip") != 0 && strcmp(rest, ".gzip") != 0)
			return false;
		return true;
	}
	return false;
}

/* Looks at what goes by: its first bytes, or its digest. */
struct tap {
	struct luff_reader base;
	struct luff_reader *inner;
	unsigned char *head; /* HEAD bytes; NULL: not wanted */
	size_t head_len;
	struct luff_hash *hash; /* NULL: not wanted */
};

static int tap_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct tap *t = (struct tap *)r;
	int rc = luff_reader_read(n_out, t->inner, buf, len, err);
	size_t n;

	if (rc < 0)
		return rc;
	if (t->head && t->head_len < HEAD) {
		n = *n_out < HEAD - t->head_len ? *n_out : HEAD - t->head_len;
		memcpy(t->head + t->head_len, buf, n);
		t->head_len += n;
	}
	if (t->hash)
		luff_hash_update(t->hash, buf, *n_out);
	return 0;
}

static void tap_close(struct luff_reader *r)
{
	luff_reader_close(((struct tap *)r)->inner);
	free(r);
}

/* Takes inner over. */
static int open_tap(struct luff_reader **out, struct luff_reader *inner, unsigned char *head,
		    struct luff_hash *hash, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = tap_read, .close = tap_close};
	struct tap *t = calloc(1, sizeof *t);

	*out = NULL;
	if (!t) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	*t = (struct tap){.base.ops = &ops, .inner = inner, .head = head, .hash = hash};
	*out = &t->base;
	return 0;
}

static enum luff_packing packing_of_bytes(const unsigned char head[HEAD])
{
	if (memcmp(head, "\x1f\x8b", 2) == 0)
		return LUFF_PACKED_GZIP;
	if (memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0 || memcmp(head + 1, "\x2a\x4d\x18", 3) == 0)
		return LUFF_PACKED_ZSTD; /* the latter begins with a frame to skip */
	if (memcmp(head,
		   "\xfd"
		   "7zXZ",
		   6) == 0 ||
	    memcmp(head, "BZh", 3) == 0)
		return LUFF_PACKED_OTHER;
	return LUFF_PACKED_NOT;
}

/* What is damaged is not what its digest says, before it is a bad tar. */
static int find_cause(struct luff_layer *layer, struct luff_error *err)
{
	struct luff_error cause = {0};
	LUFF_AUTO(reader) r = NULL;
	int rc = luff_layer_open_compressed(&r, layer, &cause);

	if (rc == 0)
		rc = luff_reader_drain(r, &cause);
	if (rc < 0)
		*err = cause;
	return err->code;
}

int luff_probe_layer(struct luff_probe *out, struct luff_layer *layer, enum luff_algorithm algorithm,
		     struct luff_sink *sink, struct luff_error *err)
{
	unsigned char head[HEAD] = {0};
	LUFF_AUTO(reader) r = NULL;
	struct luff_hash hash;
	int rc = luff_layer_open_compressed(&r, layer, err);

	*out = (struct luff_probe){.packing = LUFF_PACKED_NOT};
	luff_hash_init(&hash, algorithm);
	if (rc == 0)
		rc = open_tap(&r, luff_take(r), head, NULL, err);
	if (rc == 0)
		rc = luff_reader_open_inflate(&r, luff_take(r), err);
	if (rc == 0)
		rc = open_tap(&r, luff_take(r), NULL, &hash, err);
	if (rc == 0)
		rc = luff_listing_read(&out->listing, layer, luff_take(r), sink, err);
	if (rc == 0)
		luff_hash_final(&out->diff_id, &hash);
	out->packing = packing_of_bytes(head);
	return rc == LUFF_EFORMAT ? find_cause(layer, err) : rc;
}
