/*
 * What the process knows of a registry and shares between all its repositories: where it is, how it wants to be
 * asked, and how many of its answers are waited for.
 */
#ifndef LUFF_REGISTRY_HOST_H
#define LUFF_REGISTRY_HOST_H

#include <pthread.h>
#include <stdatomic.h>

#include "luff.h"

#define LUFF_HOST_WAITING_MAX 16 /* requests to one registry whose answer has not begun */

struct luff_token;
struct luff_credentials;

struct luff_host {
	struct luff_host *next;
	atomic_int refs;
	char *name;   /* as users say it: "docker.io", "localhost:5000" */
	char *url;    /* "https://registry-1.docker.io", to which paths are appended */
	char *origin; /* of that URL: where credentials may go */
	const struct luff_credentials *given; /* the only login there is, borrowed; NULL: what files know */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	int waiting;
	struct luff_token *tokens; /* see auth.c */
};

/**
 * The host that a name stands for; the same for all who ask. Loopback hosts are spoken to by http, with `plain_http`
 * others too, everything else by https. docker.io is found at registry-1.docker.io.
 */
int luff_host_get(struct luff_host **out, const char *name, bool plain_http, struct luff_error *err);
/** One that nobody shares, with a login of its own. */
int luff_host_new(struct luff_host **out, const char *name, bool plain_http,
		  const struct luff_credentials *given, struct luff_error *err);
void luff_host_unref(struct luff_host *h);
/** Logins have changed: what is sent from now on is asked for anew. */
void luff_hosts_renew(void);
/** Forgets all hosts that no medium uses. */
void luff_hosts_close(void);

/**
 * Waits for the right to send a request; leave as soon as the headers of its answer are there. Whoever is inside waits for
 * the network alone: neither for another such right nor for code of a caller. LUFF_ECANCELED.
 */
int luff_host_enter(struct luff_host *h, struct luff_error *err);
void luff_host_leave(struct luff_host *h);
/** Waits until `changed`, for at most 100 ms. The lock is held. LUFF_ECANCELED. */
int luff_host_wait(struct luff_host *h, struct luff_error *err);

#endif
