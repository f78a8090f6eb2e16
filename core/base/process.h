/*
 * Another program, run to its end. There is no shell, it inherits the environment and nothing else (no descriptors, no blocked
 * signals), and neither it nor what it started in its process group outlives the call.
 */
#ifndef LUFF_BASE_PROCESS_H
#define LUFF_BASE_PROCESS_H

#include "base/buffer.h"

struct luff_process {
	const char *const *argv; /* ends with NULL; the first is looked for on PATH */
	const char *input;       /* what it reads on stdin; NULL: nothing */
	int limit_ms;
};

struct luff_process_end {
	int code; /* as a shell has it: 128 + number for a signal */
	struct luff_buffer
		output; /* both buffers come with their caps: over that of the output is a failure, */
	struct luff_buffer words; /* of stderr what is more is dropped */
};

/**
 * @return 0 whatever its exit code; LUFF_ENOTFOUND (no such program), LUFF_EIO, LUFF_ELIMIT (prints too much, or more input
 *         than a pipe holds), LUFF_ETIMEOUT, LUFF_ECANCELED. Messages name the program.
 */
int luff_process_run(struct luff_process_end *out, const struct luff_process *process,
		     struct luff_error *err);

#endif
