/* gzip (RFC 1952), by zlib. */
#include <stdlib.h>
#include <zlib.h>

#include "base/error.h"
#include "stream/codec.h"

static bool begins(const unsigned char *p, size_t len)
{
	return len >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

static int open_state(void **out, struct luff_error *err)
{
	z_stream *z = calloc(1, sizeof *z);

	if (!z || inflateInit2(z, 15 + 16) != Z_OK) {
		free(z);
		return luff_fail_nomem(err);
	}
	*out = z;
	return 0;
}

static int step(bool *ended, void *state, struct luff_codec_io *io, struct luff_error *err)
{
	z_stream *z = state;
	size_t out_len = io->out_len > 1u << 30 ? 1u << 30 : io->out_len;
	int rc;

	z->next_in = (Bytef *)io->in;
	z->avail_in = (uInt)io->in_len;
	z->next_out = io->out;
	z->avail_out = (uInt)out_len;
	rc = inflate(z, Z_NO_FLUSH);
	io->in += io->in_len - z->avail_in;
	io->in_len = z->avail_in;
	io->out += out_len - z->avail_out;
	io->out_len -= out_len - z->avail_out;
	if (rc == Z_STREAM_END) {
		*ended = true;
		inflateReset(z);
	} else if (rc == Z_MEM_ERROR) {
		return luff_fail_nomem(err);
	} else if (rc != Z_OK && rc != Z_BUF_ERROR) {
		return luff_fail(err, LUFF_EFORMAT, "gzip: %s", z->msg ? z->msg : "damaged");
	}
	return 0;
}

static void close_state(void *state)
{
	inflateEnd(state);
	free(state);
}

const struct luff_codec luff_codec_gzip = {begins, open_state, step, close_state};
