/* bzip2, by libbz2, which is opened at its first use: few layers need it. */
#include <bzlib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/lazy.h"
#include "stream/codec.h"

static struct {
	int (*init)(bz_stream *z, int verbosity, int small);
	int (*step)(bz_stream *z);
	int (*end)(bz_stream *z);
} bz2;

static int load(struct luff_error *err)
{
	static const struct luff_lazy_symbol symbols[] = {LUFF_LAZY(BZ2_bzDecompressInit, &bz2.init),
							  LUFF_LAZY(BZ2_bzDecompress, &bz2.step),
							  LUFF_LAZY(BZ2_bzDecompressEnd, &bz2.end),
							  {NULL, NULL}};
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct luff_error first = {0};
	int rc = 0;

	pthread_mutex_lock(&lock);
	/* Debian's name of it, and that of most others */
	if (!bz2.end && luff_lazy_load("libbz2.so.1.0", symbols, &first) < 0)
		rc = luff_lazy_load("libbz2.so.1", symbols, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

/* "BZh", the size of blocks, and the mark of the first block or of the end. */
static bool begins(const unsigned char *p, size_t len)
{
	return len >= 10 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9' &&
	       (memcmp(p + 4, "1AY&SY", 6) == 0 || memcmp(p + 4, "\x17rE8P\x90", 6) == 0);
}

static int open_state(void **out, struct luff_error *err)
{
	int rc = load(err);
	bz_stream *z = rc == 0 ? calloc(1, sizeof *z) : NULL;

	if (rc < 0)
		return rc;
	if (!z || bz2.init(z, 0, 0) != BZ_OK) {
		free(z);
		return luff_fail_nomem(err);
	}
	*out = z;
	return 0;
}

static int step(bool *ended, void *state, struct luff_codec_io *io, struct luff_error *err)
{
	bz_stream *z = state;
	size_t out_len = io->out_len > 1u << 30 ? 1u << 30 : io->out_len;
	int rc;

	z->next_in = (char *)io->in;
	z->avail_in = (unsigned)io->in_len;
	z->next_out = (char *)io->out;
	z->avail_out = (unsigned)out_len;
	rc = bz2.step(z);
	io->in += io->in_len - z->avail_in;
	io->in_len = z->avail_in;
	io->out += out_len - z->avail_out;
	io->out_len -= out_len - z->avail_out;
	if (rc == BZ_STREAM_END) {
		*ended = true;
		bz2.end(z);
		rc = bz2.init(z, 0, 0);
	}
	if (rc == BZ_MEM_ERROR)
		return luff_fail_nomem(err);
	return rc == BZ_OK ? 0 : luff_fail(err, LUFF_EFORMAT, "bzip2: damaged");
}

static void close_state(void *state)
{
	bz2.end(state);
	free(state);
}

const struct luff_codec luff_codec_bzip2 = {begins, open_state, step, NULL, close_state};
