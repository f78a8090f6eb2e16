/*
 * What the process knows of a registry and shares between all its repositories: where it is, how it wants to be
 * asked, and how many of its answers are waited for.
 */
#ifndef LUFF_REGISTRY_HOST_H
#define LUFF_REGISTRY_HOST_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/pacer.h"
#include "http/address.h"

#define LUFF_HOST_WAITING_MAX                                                                                \
	16 /* requests to one registry whose answer has not begun, unless settings say otherwise */

struct luff_exchange;
struct luff_settings_kept;
struct luff_token;
struct luff_credentials;

struct luff_host {
	struct luff_host *next;
	atomic_int refs;
	char *name;                          /* as users say it: "docker.io", "localhost:5000" */
	char *url;                           /* "https://registry-1.docker.io", to which paths are appended */
	char *origin;                        /* of that URL: where credentials may go */
	struct luff_settings_kept *settings; /* NULL: none */
	const struct luff_credentials
		*given;        /* the only login there is, borrowed; NULL: what settings and files know */
	atomic_bool is_public; /* it has answered from the open internet */
	atomic_llong shunned_until; /* ms; as a mirror it is left out until then */
	struct luff_pacer pacer;    /* of the bytes of all bodies, also of those that it has elsewhere */
	atomic_llong
		chunk; /* bytes of a blob that it takes in one request, as far as it showed; 0: it has refused none */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	int waiting;
	bool edited; /* somebody changes a document that nobody else of this process may change meanwhile */
	int64_t next_at;                 /* ms, when the next request may go out */
	int64_t rests_until;             /* ms: it wants to be left alone */
	struct luff_token *tokens;       /* see auth.c */
	struct luff_credentials *answer; /* of the settings' function; NULL: none so far */
	bool asking;                     /* somebody calls it */
	int64_t renewed_at;              /* ms, when it was last called again; 0: never */
	struct luff_rate_limit rate_limit;
	int64_t limited_at; /* ms, when it said that; 0: never */
	void *placed;       /* a tree; see placed.h */
	size_t placed_count;
};

/**
 * The host that a name stands for; the same for all who ask under the same settings. Loopback hosts are spoken to by
 * http, with `plain_http` others too, everything else by https, unless settings say otherwise. docker.io is found at
 * registry-1.docker.io.
 */
int luff_host_get(struct luff_host **out, const char *name, bool plain_http, struct luff_error *err);
/** The same for a name that a user gives, of which more must not be true than that it is a registry's: else LUFF_ENAME. */
int luff_host_of_registry(struct luff_host **out, const char *name, bool plain_http, struct luff_error *err);
/** One that nobody shares, with a login of its own. */
int luff_host_new(struct luff_host **out, const char *name, bool plain_http,
		  const struct luff_credentials *given, struct luff_error *err);
void luff_host_unref(struct luff_host *h);
/** Logins have changed: what is sent from now on is asked for anew. */
void luff_hosts_renew(void);
/** Forgets all hosts that no medium uses. */
void luff_hosts_close(void);

/**
 * What must be the address of a URL that the host, or a server that it led to, has named. Names are looked up when luff
 * connects, and say then what they like: a host that the user named, here or in settings, may be anywhere, another one at a
 * private place only if this host is at one, too.
 */
enum luff_address luff_host_least(struct luff_host *h, const char *url);
/** Whether the answer x, of the host or of a server that it led to, may lead to a URL; LUFF_EDENIED with the reason. */
int luff_host_may_lead(const struct luff_exchange *x, const char *to, struct luff_error *err);

/**
 * Waits for the right to send a request, and while the registry rests; leave as soon as the headers of its answer are there. Whoever is inside waits for
 * the network alone: neither for another such right nor for code of a caller. LUFF_ECANCELED.
 */
int luff_host_enter(struct luff_host *h, struct luff_error *err);
/** How many may be inside at a time. */
int luff_host_most(const struct luff_host *h);
void luff_host_leave(struct luff_host *h);
/** Waits as long as the settings' rate of requests wants it. Before each request. LUFF_ECANCELED. */
int luff_host_pace(struct luff_host *h, struct luff_error *err);
/** Waits for the right to change what several writers share on the host; give it back. LUFF_ECANCELED. */
int luff_host_edit(struct luff_host *h, struct luff_error *err);
void luff_host_edited(struct luff_host *h);
/** The registry wants no request for so many seconds: all who are about to send one wait. */
void luff_host_rest(struct luff_host *h, int64_t seconds);
/** True while it does. */
bool luff_host_rests(struct luff_host *h);
/** Waits until it does no more. LUFF_ECANCELED. */
int luff_host_await(struct luff_host *h, struct luff_error *err);
/** Waits until `changed`, for at most 100 ms. The lock is held. LUFF_ECANCELED. */
int luff_host_wait(struct luff_host *h, struct luff_error *err);

#endif
