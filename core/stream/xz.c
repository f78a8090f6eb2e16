/* xz, by liblzma, which is opened at its first use: few layers need it. */
#include <lzma.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/lazy.h"
#include "stream/codec.h"

#define MEMORY_MAX ((uint64_t)256 << 20) /* xz -9 needs 65 MiB; a header may ask for 4 GiB */

static struct {
	lzma_ret (*stream_decoder)(lzma_stream *z, uint64_t memory, uint32_t flags);
	lzma_ret (*code)(lzma_stream *z, lzma_action action);
	void (*end)(lzma_stream *z);
} lzma;

static int load(struct luff_error *err)
{
	static const struct luff_lazy_symbol symbols[] = {
		LUFF_LAZY(lzma_stream_decoder, &lzma.stream_decoder),
		LUFF_LAZY(lzma_code, &lzma.code),
		LUFF_LAZY(lzma_end, &lzma.end),
		{NULL, NULL}};
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!lzma.end)
		rc = luff_lazy_load("liblzma.so.5", symbols, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

static bool begins(const unsigned char *p, size_t len)
{
	return len >= 6 && memcmp(p,
				  "\xfd"
				  "7zXZ\0",
				  6) == 0;
}

static int open_state(void **out, struct luff_error *err)
{
	static const lzma_stream start = LZMA_STREAM_INIT;
	int rc = load(err);
	lzma_stream *z = rc == 0 ? malloc(sizeof *z) : NULL;

	if (rc < 0)
		return rc;
	if (!z)
		return luff_fail_nomem(err);
	*z = start;
	if (lzma.stream_decoder(z, MEMORY_MAX, 0) != LZMA_OK) {
		free(z);
		return luff_fail_nomem(err);
	}
	*out = z;
	return 0;
}

static int step(bool *ended, void *state, struct luff_codec_io *io, struct luff_error *err)
{
	lzma_stream *z = state;
	lzma_ret rc;

	z->next_in = io->in;
	z->avail_in = io->in_len;
	z->next_out = io->out;
	z->avail_out = io->out_len;
	rc = lzma.code(z, LZMA_RUN);
	io->in = z->next_in;
	io->in_len = z->avail_in;
	io->out = z->next_out;
	io->out_len = z->avail_out;
	if (rc == LZMA_STREAM_END) {
		*ended = true;
		rc = lzma.stream_decoder(z, MEMORY_MAX, 0);
	}
	if (rc == LZMA_MEM_ERROR)
		return luff_fail_nomem(err);
	if (rc == LZMA_MEMLIMIT_ERROR)
		return luff_fail(err, LUFF_ELIMIT, "xz: needs more than 256 MiB of memory to unpack");
	return rc == LZMA_OK || rc == LZMA_BUF_ERROR ? 0 : luff_fail(err, LUFF_EFORMAT, "xz: damaged");
}

static void close_state(void *state)
{
	lzma.end(state);
	free(state);
}

const struct luff_codec luff_codec_xz = {begins, open_state, step, NULL, close_state};
