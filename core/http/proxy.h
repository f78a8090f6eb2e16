/*
 * The proxies that the environment names. libcurl would find them, too, but not say which connection goes through one, and
 * the address of a proxy is the user's choice while that of a server may not be.
 */
#ifndef LUFF_HTTP_PROXY_H
#define LUFF_HTTP_PROXY_H

/**
 * The proxy for an origin ("https://host:443"): https_proxy, HTTPS_PROXY, http_proxy (in lower case alone: a web server hands
 * on headers in such variables), all_proxy, ALL_PROXY. NULL where there is none, where no_proxy or NO_PROXY exempts the
 * host, and for loopback, which no proxy could reach.
 */
const char *luff_proxy_of(const char *origin);

#endif
