/*
 * Any bytes as a compressed stream: the same comes out whatever the pieces in which it is read. The first byte chooses the
 * pieces; what is large is left alone, since there a fuzzer only waits.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "stream/codec.h"
#include "stream/streams.h"

#define OUTPUT_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Yields at most `piece` bytes at a time. */
struct slow_reader {
	struct luff_reader base;
	const uint8_t *bytes;
	size_t len, piece;
};

static int slow_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct slow_reader *s = (struct slow_reader *)r;

	(void)err;
	*n_out = len < s->len ? len : s->len;
	*n_out = *n_out < s->piece ? *n_out : s->piece;
	memcpy(buf, s->bytes, *n_out);
	s->bytes += *n_out;
	s->len -= *n_out;
	return 0;
}

static void slow_close(struct luff_reader *r)
{
	(void)r;
}

/* The result, and the digest of what came out. */
static int unpack(struct luff_digest *out, size_t *total, const uint8_t *data, size_t size, size_t in,
		  size_t step)
{
	static const struct luff_reader_ops ops = {.read = slow_read, .close = slow_close};
	struct slow_reader slow = {.base.ops = &ops, .bytes = data, .len = size, .piece = in};
	struct luff_reader *r = NULL;
	struct luff_error err = {0};
	struct luff_hash hash;
	char buf[65536];
	size_t n = 1;
	int rc = luff_reader_open_inflate(&r, &slow.base, &err);

	luff_hash_init(&hash, LUFF_SHA256);
	for (*total = 0; rc == 0 && n > 0 && *total < OUTPUT_MAX; *total += n) {
		rc = luff_reader_read(&n, r, buf, step, &err);
		luff_hash_update(&hash, buf, n);
	}
	luff_reader_close(r);
	luff_hash_final(out, &hash);
	return rc;
}

/* One member by one codec. False: damaged, cut off or large. */
static bool unpack_member(struct luff_digest *out, size_t *used, const struct luff_codec *codec,
			  const uint8_t *data, size_t size)
{
	struct luff_codec_io io = {.in = data, .in_len = size};
	struct luff_error err = {0};
	struct luff_hash hash;
	unsigned char buf[4096];
	bool ended = false, progress = true;
	size_t total = 0;
	void *state;

	if (codec->open(&state, &err) < 0)
		return false;
	luff_hash_init(&hash, LUFF_SHA256);
	while (!ended && progress && total < OUTPUT_MAX) {
		size_t before = io.in_len;

		io.out = buf;
		io.out_len = sizeof buf;
		if (codec->step(&ended, state, &io, &err) < 0)
			break;
		luff_hash_update(&hash, buf, sizeof buf - io.out_len);
		total += sizeof buf - io.out_len;
		progress = io.in_len < before || io.out_len < sizeof buf;
	}
	luff_hash_final(out, &hash);
	codec->close(state);
	*used = size - io.in_len;
	return ended;
}

/* What zlib unpacks, ISA-L unpacks, and to the same. */
static void compare_gzip(const uint8_t *data, size_t size)
{
	struct luff_digest slow, fast;
	size_t slow_used, fast_used;

	if (!luff_codec_isal.begins(data, size) ||
	    !unpack_member(&slow, &slow_used, &luff_codec_gzip, data, size))
		return;
	if (!unpack_member(&fast, &fast_used, &luff_codec_isal, data, size) || slow_used != fast_used ||
	    !luff_digest_equal(&slow, &fast))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_digest whole, parts;
	size_t total, total_parts, in, out;
	bool gzip = size > 3 && memcmp(data + 1, "\x1f\x8b\x08", 3) == 0;
	int rc, rc_parts;

	if (size == 0)
		return 0;
	compare_gzip(data + 1, size - 1);
	in = 1 + data[0] % 16;
	out = 1 + (size_t)(data[0] / 16) * 37;
	rc = unpack(&whole, &total, data + 1, size - 1, SIZE_MAX, 65536);
	if (rc != 0 && rc != LUFF_EFORMAT && rc != LUFF_ENOMEM && rc != LUFF_ELIMIT)
		abort();
	if (total >= 100000)
		return 0;
	rc_parts = unpack(&parts, &total_parts, data + 1, size - 1, in, out);
	/* of a zstd frame that comes in one piece, libzstd checks more than of one in many */
	if (gzip && rc != rc_parts)
		abort();
	/* what comes before a failure may end at another byte */
	if (rc == 0 && rc_parts == 0 && (total != total_parts || !luff_digest_equal(&whole, &parts)))
		abort();
	return 0;
}
