/*
 * Docker's config.json as a document that is changed in place: members that luff does not know stay as they are, in their order.
 * It is written beside itself and renamed, for its owner alone; where it is a link, what it leads to is replaced.
 */
#ifndef LUFF_REGISTRY_CONFIG_H
#define LUFF_REGISTRY_CONFIG_H

#include "base/json.h"

struct luff_config {
	char *path;
	cJSON *doc; /* an object */
};

/** As it is, or empty where there is none. LUFF_EFORMAT, LUFF_EIO; LUFF_ENOTFOUND: there is no home to look in. */
int luff_config_read(struct luff_config *out, struct luff_error *err);
/** Makes the folder where it is missing. */
int luff_config_write(const struct luff_config *c, struct luff_error *err);
void luff_config_release(struct luff_config *c);

typedef struct luff_config luff_auto_type_config;
static inline void luff_auto_config(struct luff_config *c)
{
	luff_config_release(c);
}

#endif
