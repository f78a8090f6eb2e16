/*
 * gzip (RFC 1952), by ISA-L: more than twice as fast as zlib. Where the build found its header and the machine has the
 * library, it comes before gzip.c; elsewhere nothing begins for it, and zlib unpacks the same.
 */
#include "stream/codec.h"

#if __has_include(<isa-l/igzip_lib.h>)
#include <isa-l/igzip_lib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/lazy.h"

#define PIECE ((size_t)1024)
#define CRUMB ((size_t)8) /* fewer bytes than a block's header has */

/* Headers are read by zlib: those with a checksum of their own are misread by ISA-L 2.30 where they come in pieces. */
struct unpacker {
	z_stream header;
	bool in_body;
	struct inflate_state body;
	struct inflate_state *before; /* a step of step_to_block() */
};

static void (*inflate_init)(struct inflate_state *state);
static int (*inflate_step)(struct inflate_state *state); /* the last that is loaded */

static void load(void)
{
	static const struct luff_lazy_symbol symbols[] = {LUFF_LAZY(isal_inflate_init, &inflate_init),
							  LUFF_LAZY(isal_inflate, &inflate_step),
							  {NULL, NULL}};
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
	free(u->before);
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

/* The same, of no more than `len` bytes of input. */
static int step_some(bool *ended, struct unpacker *u, struct luff_codec_io *io, size_t len,
		     struct luff_error *err)
{
	struct luff_codec_io some = *io;
	int rc;

	some.in_len = len < io->in_len ? len : io->in_len;
	rc = step(ended, u, &some, err);
	io->in_len -= (size_t)(some.in - io->in);
	io->in = some.in;
	io->out = some.out;
	io->out_len = some.out_len;
	return rc;
}

/* Some of a block's header is set aside until the rest of it comes; all before it is unpacked, and out. */
static bool is_before_block(const struct inflate_state *z)
{
	return (z->block_state == ISAL_BLOCK_NEW_HDR || z->block_state == ISAL_BLOCK_HDR) &&
	       z->avail_in == 0 && z->tmp_out_valid == z->tmp_out_processed && z->write_overflow_len == 0 &&
	       z->copy_overflow_length == 0;
}

static bool is_another_block(const struct inflate_state *before, const struct inflate_state *z)
{
	return memcmp(&before->lit_huff_code, &z->lit_huff_code, sizeof z->lit_huff_code) != 0;
}

/*
 * ISA-L does not stop where a block begins, but it does where its input ends. Where a piece of it brought other codes, a block began in
 * it: from the state before, that piece is given once more, a few bytes at a time, the end of some of which is in the block's
 * header. A block that is merely stored is given up to its last byte.
 */
static int step_to_block(int64_t *back, bool *ended, void *state, struct luff_codec_io *io,
			 struct luff_error *err)
{
	struct unpacker *u = state;
	struct inflate_state *z = &u->body;
	struct luff_codec_io before = *io;
	size_t piece = PIECE;
	int rc;

	*back = -1;
	if (!u->in_body)
		return step(ended, state, io, err);
	if (!u->before)
		u->before = malloc(sizeof *u->before);
	if (!u->before)
		return luff_fail_nomem(err);
	*u->before = *z;
	if (z->block_state == ISAL_BLOCK_TYPE0 && z->type0_block_len > z->read_in_length / 8)
		piece = (size_t)(z->type0_block_len - z->read_in_length / 8);
	rc = step_some(ended, u, io, piece, err);
	if (rc == 0 && !*ended && !is_before_block(u->before) && !is_before_block(z) &&
	    is_another_block(u->before, z)) {
		const unsigned char *end = io->in;

		*z = *u->before;
		*io = before;
		while (rc == 0 && io->in < end && io->out_len > 0 && !is_before_block(z))
			rc = step_some(ended, u, io, CRUMB, err);
	}
	if (rc == 0 && !*ended && is_before_block(z))
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
