/*
 * libcurl, opened at its first use (base/lazy.h says why): luff_curl.easy_init() is curl_easy_init(). Arguments that
 * follow an option have no type check: write 1L, not 1.
 */
#ifndef LUFF_HTTP_CURL_H
#define LUFF_HTTP_CURL_H

#include <curl/curl.h>

#include "luff.h"

#define LUFF_CURL_FUNCTIONS(X)                                                                               \
	X(global_init)                                                                                       \
	X(version_info)                                                                                      \
	X(global_cleanup)                                                                                    \
	X(easy_init)                                                                                         \
	X(easy_cleanup)                                                                                      \
	X(easy_reset)                                                                                        \
	X(easy_setopt)                                                                                       \
	X(easy_getinfo)                                                                                      \
	X(easy_pause)                                                                                        \
	X(easy_strerror)                                                                                     \
	X(multi_init)                                                                                        \
	X(multi_cleanup)                                                                                     \
	X(multi_add_handle)                                                                                  \
	X(multi_remove_handle)                                                                               \
	X(multi_perform)                                                                                     \
	X(multi_poll)                                                                                        \
	X(multi_info_read)                                                                                   \
	X(share_init)                                                                                        \
	X(share_setopt)                                                                                      \
	X(share_cleanup)                                                                                     \
	X(slist_append)                                                                                      \
	X(slist_free_all)                                                                                    \
	X(getdate)                                                                                           \
	X(url)                                                                                               \
	X(url_cleanup)                                                                                       \
	X(url_set)                                                                                           \
	X(url_get)                                                                                           \
	X(free)

struct luff_curl {
#define X(name) __typeof__(curl_##name) *name;
	LUFF_CURL_FUNCTIONS(X)
#undef X
	CURLSH *share; /* names and TLS sessions that all connections know */
	/*
	 * The file of all certificate authorities, of which each connection would read all (16 ms, 1 MB); not NULL where
	 * libcurl also has a folder to look up the one that counts. That goes first, see exchange.c.
	 */
	const char *authorities;
	const char
		*bundle; /* the system's, where libcurl itself knows neither a file nor a folder; else NULL */
};

extern struct luff_curl luff_curl;

/** Opens the library once; cheap from then on. Before any use of luff_curl. LUFF_ENOTSUP without libcurl. */
int luff_curl_load(struct luff_error *err);
/** All handles must be gone. luff_curl_load() starts anew. */
void luff_curl_unload(void);

#endif
