/* What layers are compressed with. inflate.c knows the list; each codec is one file with one table. */
#ifndef LUFF_STREAM_CODEC_H
#define LUFF_STREAM_CODEC_H

#include "luff.h"

#define LUFF_CODEC_MAGIC 10 /* bytes that tell any codec from any other */

/* Input and output of one step; what is used up is taken off the front. */
struct luff_codec_io {
	const unsigned char *in;
	size_t in_len;
	unsigned char *out;
	size_t out_len;
};

struct luff_codec {
	/* Whether a member (a frame, a stream) begins at p. `len` is below LUFF_CODEC_MAGIC only where nothing follows. */
	bool (*begins)(const unsigned char *p, size_t len);
	int (*open)(void **state_out, struct luff_error *err);
	/* Goes on with a member; `*ended` is set at its end, and the next step begins another. */
	int (*step)(bool *ended, void *state, struct luff_codec_io *io, struct luff_error *err);
	/*
	 * Optional. As step, but where a block begins it may stop, which *back then says: its bits before where the input is now, all
	 * plain bytes before it having come out. Else that is -1.
	 */
	int (*step_to_block)(int64_t *back, bool *ended, void *state, struct luff_codec_io *io,
			     struct luff_error *err);
	void (*close)(void *state);
};

extern const struct luff_codec luff_codec_isal, luff_codec_gzip, luff_codec_zstd, luff_codec_xz,
	luff_codec_bzip2;

/**
 * A state of luff_codec_gzip in the middle of a member, where a block begins.
 *
 * @param window  the `len` plain bytes before it
 * @param bits    of the first byte of input, its highest, that are the block's; 0: all of them
 */
int luff_codec_gzip_resume(void **state_out, const unsigned char *window, size_t len, int bits,
			   struct luff_error *err);
/** Whether ISA-L unpacks gzip here; else zlib does. */
bool luff_codec_isal_loads(void);

#endif
