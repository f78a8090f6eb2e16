/*
 * gzip (RFC 1952), by ISA-L: more than twice as fast as zlib. Where the build found its header and the machine has the
 * library, it comes before gzip.c; elsewhere nothing begins for it, and zlib unpacks the same.
 */
#include "stream/codec.h"

#if __has_include(<isa-l/igzip_lib.h>)
#include <isa-l/igzip_lib.h>
#include <pthread.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/error.h"
#include "base/lazy.h"

#define PIECE ((size_t)64) /* about what a block's header takes */

/* Headers are read by zlib: those with a checksum of their own are misread by ISA-L 2.30 where they come in pieces. */
struct unpacker {
	z_stream header;
	bool in_body;
	struct inflate_state body;
};

static void (*inflate_init)(struct inflate_state *state);
static int (*inflate_step)(struct inflate_state *state); /* the last that is loaded */

static void load(void)
{
	static const struct luff_lazy_symbol symbols[] = {
		{"isal_inflate_init", &inflate_init}, {"isal_inflate", &inflate_step}, {NULL, NULL}};
	struct luff_error ignored = {0};

	(void)luff_lazy_load("libisal.so.2", symbols, &ignored);
}

bool luff_codec_isal_loads(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return inflate_step;
}

static bool begins(const unsigned char *p, size_t len)
{
	return luff_codec_gzip.begins(p, len) && luff_codec_isal_loads();
}

static int open_state(void **out, struct luff_error *err)
{
	struct unpacker *u = calloc(1, sizeof *u);

	if (!u || inflateInit2(&u->header, 15 + 16) != Z_OK) {
		free(u);
		return luff_fail_nomem(err);
	}
	*out = u;
	return 0;
}

static void close_state(void *state)
{
	struct unpacker *u = state;

	inflateEnd(&u->header);
	free(u);
}

static int read_header(struct unpacker *u, struct luff_codec_io *io, struct luff_error *err)
{
	z_stream *z = &u->header;
	int rc;

	z->next_in = (Bytef *)io->in;
	z->avail_in = (uInt)io->in_len;
	z->next_out = io->out;
	z->avail_out = 0;
	rc = inflate(z, Z_BLOCK);
	io->in += io->in_len - z->avail_in;
	io->in_len = z->avail_in;
	if (rc != Z_OK && rc != Z_BUF_ERROR)
		return luff_fail(err, LUFF_EFORMAT, "gzip: %s", z->msg ? z->msg : "damaged");
	u->in_body = z->data_type & 128;
	if (u->in_body) {
		inflateReset(z);
		inflate_init(&u->body);
		u->body.crc_flag = ISAL_GZIP_NO_HDR_VER;
	}
	return 0;
}

static const char *complaint(int rc)
{
	switch (rc) {
	case ISAL_INCORRECT_CHECKSUM:
		return "incorrect data check";
	case ISAL_INVALID_LOOKBACK:
		return "invalid distance too far back";
	default:
		return "invalid data";
	}
}

static int step(bool *ended, void *state, struct luff_codec_io *io, struct luff_error *err)
{
	struct unpacker *u = state;
	struct inflate_state *z = &u->body;
	size_t out_len = io->out_len > 1u << 30 ? 1u << 30 : io->out_len;
	int rc;

	if (!u->in_body) {
		rc = read_header(u, io, err);
		if (rc < 0 || !u->in_body)
			return rc;
	}
	z->next_in = (uint8_t *)io->in;
	z->avail_in = (uint32_t)io->in_len;
	z->next_out = io->out;
	z->avail_out = (uint32_t)out_len;
	rc = inflate_step(z);
	if (rc < 0)
		return luff_fail(err, LUFF_EFORMAT, "gzip: %s", complaint(rc));
	io->in += io->in_len - z->avail_in;
	io->in_len = z->avail_in;
	io->out += out_len - z->avail_out;
	io->out_len -= out_len - z->avail_out;
	if (z->block_state == ISAL_BLOCK_FINISH) {
		*ended = true;
		u->in_body = false;
	}
	return 0;
}

/*
 * ISA-L does not stop where a block begins, but it does where its input ends: given few bytes at a time, that is soon in the
 * middle of a block's header, whose bytes it sets aside until it has all of them. A block that is merely stored is given to its last byte.
 */
static int step_to_block(int64_t *back, bool *ended, void *state, struct luff_codec_io *io,
			 struct luff_error *err)
{
	struct unpacker *u = state;
	struct inflate_state *z = &u->body;
	struct luff_codec_io few = *io;
	int rc;

	*back = -1;
	if (u->in_body && few.in_len > PIECE)
		few.in_len = PIECE;
	if (u->in_body && z->block_state == ISAL_BLOCK_TYPE0) {
		int64_t left = (int64_t)z->type0_block_len - z->read_in_length / 8;

		if (left > 0)
			few.in_len = left < (int64_t)io->in_len ? (size_t)left : io->in_len;
	}
	few.in_len = few.in_len < io->in_len ? few.in_len : io->in_len;
	rc = step(ended, state, &few, err);
	io->in_len -= (size_t)(few.in - io->in);
	io->in = few.in;
	io->out = few.out;
	io->out_len = few.out_len;
	if (rc == 0 && u->in_body && few.in_len == 0 &&
	    (z->block_state == ISAL_BLOCK_NEW_HDR || z->block_state == ISAL_BLOCK_HDR) &&
	    z->tmp_out_valid == z->tmp_out_processed && z->write_overflow_len == 0 &&
	    z->copy_overflow_length == 0)
		*back = z->read_in_length + 8 * (int64_t)z->tmp_in_size;
	return rc;
}

const struct luff_codec luff_codec_isal = {begins, open_state, step, step_to_block, close_state};
#else
bool luff_codec_isal_loads(void)
{
	return false;
}

static bool begins(const unsigned char *p, size_t len)
{
	(void)p, (void)len;
	return false;
}

const struct luff_codec luff_codec_isal = {.begins = begins};
#endif
