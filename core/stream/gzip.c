/* gzip (RFC 1952), by zlib. */
#include <stdlib.h>
#include <zlib.h>

#include "base/error.h"
#include "stream/codec.h"

static bool begins(const unsigned char *p, size_t len)
{
	return len >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

struct unpacker {
	z_stream z;
	/* Where it began in the middle of a member, which has no header for zlib, and a trailer that zlib does not know of. */
	bool resumed;
	int bits;    /* of the first byte */
	int trailer; /* bytes left of it, once it is there */
};

static int open_raw(struct unpacker **out, int window_bits, struct luff_error *err)
{
	struct unpacker *u = calloc(1, sizeof *u);

	*out = u;
	if (u && inflateInit2(&u->z, window_bits) == Z_OK)
		return 0;
	free(u);
	*out = NULL;
	return luff_fail_nomem(err);
}

static int open_state(void **out, struct luff_error *err)
{
	struct unpacker *u;
	int rc = open_raw(&u, 15 + 16, err);

	*out = u;
	return rc;
}

int luff_codec_gzip_resume(void **out, const unsigned char *window, size_t len, int bits,
			   struct luff_error *err)
{
	struct unpacker *u;
	int rc = open_raw(&u, -15, err);

	*out = u;
	if (rc < 0)
		return rc;
	u->resumed = true;
	u->bits = bits;
	inflateSetDictionary(&u->z, window, (uInt)len);
	return 0;
}

static void skip_trailer(bool *ended, struct unpacker *u, struct luff_codec_io *io)
{
	for (; u->trailer > 0 && io->in_len > 0; u->trailer--) {
		io->in++;
		io->in_len--;
	}
	if (u->trailer > 0)
		return;
	u->resumed = false;
	*ended = true;
	inflateReset2(&u->z, 15 + 16);
}

static int inflate_some(bool *ended, struct unpacker *u, struct luff_codec_io *io, int flush,
			struct luff_error *err)
{
	z_stream *z = &u->z;
	size_t out_len = io->out_len > 1u << 30 ? 1u << 30 : io->out_len;
	int rc;

	if (u->trailer > 0) {
		skip_trailer(ended, u, io);
		return 0;
	}
	if (u->bits > 0 && io->in_len > 0) {
		inflatePrime(z, u->bits, *io->in++ >> (8 - u->bits));
		io->in_len--;
		u->bits = 0;
	}
	z->next_in = (Bytef *)io->in;
	z->avail_in = (uInt)io->in_len;
	z->next_out = io->out;
	z->avail_out = (uInt)out_len;
	rc = inflate(z, flush);
	io->in += io->in_len - z->avail_in;
	io->in_len = z->avail_in;
	io->out += out_len - z->avail_out;
	io->out_len -= out_len - z->avail_out;
	if (rc == Z_STREAM_END && u->resumed) {
		u->trailer = 8;
	} else if (rc == Z_STREAM_END) {
		*ended = true;
		inflateReset(z);
	} else if (rc == Z_MEM_ERROR) {
		return luff_fail_nomem(err);
	} else if (rc != Z_OK && rc != Z_BUF_ERROR) {
		return luff_fail(err, LUFF_EFORMAT, "gzip: %s", z->msg ? z->msg : "damaged");
	}
	return 0;
}

static int step(bool *ended, void *state, struct luff_codec_io *io, struct luff_error *err)
{
	return inflate_some(ended, state, io, Z_NO_FLUSH, err);
}

static int step_to_block(int64_t *back, bool *ended, void *state, struct luff_codec_io *io,
			 struct luff_error *err)
{
	struct unpacker *u = state;
	int rc = inflate_some(ended, u, io, Z_BLOCK, err);

	*back = !*ended && (u->z.data_type & 128) && !(u->z.data_type & 64) ? u->z.data_type & 7 : -1;
	return rc;
}

static void close_state(void *state)
{
	struct unpacker *u = state;

	inflateEnd(&u->z);
	free(u);
}

const struct luff_codec luff_codec_gzip = {begins, open_state, step, step_to_block, close_state};
