/*
 * Where the daemon is, as docker's own program finds it: $DOCKER_HOST, else the context that $DOCKER_CONTEXT or config.json
 * names, else the usual socket; Podman's where Docker's is not there.
 */
#ifndef LUFF_DAEMON_ENDPOINT_H
#define LUFF_DAEMON_ENDPOINT_H

#include "http/settings.h"

struct luff_endpoint {
	char *where; /* for people: "unix:///var/run/docker.sock", "tcp://build.example:2376" */
	char *url;   /* what paths go behind: "http://docker", "https://build.example:2376" */
	struct luff_settings_kept *settings; /* its socket or certificates */
};

/**
 * Reads the environment and docker's files, and asks nobody.
 *
 * @return 0; LUFF_ENET where there is none, LUFF_ENOTFOUND for a context, LUFF_ENOTSUP for a way that luff does not go (ssh),
 *         LUFF_EINVAL, LUFF_EFORMAT
 */
int luff_endpoint_find(struct luff_endpoint *out, struct luff_error *err);
void luff_endpoint_release(struct luff_endpoint *e);

#endif
