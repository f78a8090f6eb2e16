/* Zstandard (RFC 8878), by libzstd. */
#include <zstd.h>

#include "base/error.h"
#include "stream/codec.h"

#define WINDOW_LOG_MAX 27 /* 128 MiB: what zstd -19 and --long write; more must be asked for elsewhere too */

/* A frame, or a skippable frame (RFC 8878 3.1) */
static bool begins(const unsigned char *p, size_t len)
{
	return len >= 4 && ((p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd) ||
			    ((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18));
}

static int open_state(void **out, struct luff_error *err)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	if (!z || ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		ZSTD_freeDCtx(z);
		return luff_fail_nomem(err);
	}
	*out = z;
	return 0;
}

static int step(bool *ended, void *state, struct luff_codec_io *io, struct luff_error *err)
{
	ZSTD_inBuffer in = {.src = io->in, .size = io->in_len};
	ZSTD_outBuffer out = {.dst = io->out, .size = io->out_len};
	size_t rc = ZSTD_decompressStream(state, &out, &in);

	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	if (ZSTD_isError(rc))
		return luff_fail(err, LUFF_EFORMAT, "zstd: %s", ZSTD_getErrorName(rc));
	*ended = rc == 0;
	return 0;
}

static void close_state(void *state)
{
	ZSTD_freeDCtx(state);
}

const struct luff_codec luff_codec_zstd = {begins, open_state, step, NULL, close_state};
