/* The names that images have in what `docker save` writes. */
#ifndef LUFF_STORE_DOCKER_H
#define LUFF_STORE_DOCKER_H

#include "luff.h"

/** As `docker images` shows it: "busybox" and "docker.io/library/busybox:latest" are "busybox:latest". LUFF_ENAME */
int luff_docker_name(char out[LUFF_TAG_MAX + 1], const char *text, struct luff_error *err);

#endif
