/* libmicrohttpd, opened when the first server starts: only scripts that serve pay for it. */
#ifndef LUFF_SERVER_MICROHTTPD_H
#define LUFF_SERVER_MICROHTTPD_H

#include <microhttpd.h>

#include "luff.h"

#define LUFF_MICROHTTPD(X)                                                                                   \
	X(start_daemon)                                                                                      \
	X(stop_daemon)                                                                                       \
	X(quiesce_daemon)                                                                                    \
	X(add_connection)                                                                                    \
	X(lookup_connection_value)                                                                           \
	X(get_connection_values)                                                                             \
	X(queue_response)                                                                                    \
	X(create_response_from_buffer)                                                                       \
	X(create_response_from_callback)                                                                     \
	X(get_connection_info)                                                                               \
	X(create_response_from_fd_at_offset64)                                                               \
	X(add_response_header)                                                                               \
	X(destroy_response)

/* Its functions by their names without the prefix: luff_mhd.queue_response(…). */
struct luff_microhttpd {
#define LUFF_MICROHTTPD_MEMBER(name) __typeof__(&MHD_##name) name;
	LUFF_MICROHTTPD(LUFF_MICROHTTPD_MEMBER)
#undef LUFF_MICROHTTPD_MEMBER
};

extern struct luff_microhttpd luff_mhd;

/** Fills in luff_mhd, once for the process. LUFF_ENOTSUP where the library is missing or too old. */
int luff_microhttpd_load(struct luff_error *err);

#endif
