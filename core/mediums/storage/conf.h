/* storage.conf, which says where containers/storage keeps what it has: the few settings that matter to who reads. */
#ifndef LUFF_STORAGE_CONF_H
#define LUFF_STORAGE_CONF_H

#include "luff.h"

/* Each malloc'ed, or NULL where the file does not say it. */
struct luff_storage_conf {
	char *driver;        /* of [storage], as are the others */
	char *graph_root;    /* "graphroot" */
	char *rootless_path; /* "rootless_storage_path" */
};

/**
 * Reads the text of a storage.conf. Other tables and keys are passed over.
 *
 * @param text  NUL-terminated
 * @return 0; LUFF_EFORMAT, with the line, for what is no setting or one of the above that is no text; nothing is left in *out
 */
int luff_storage_conf_parse(struct luff_storage_conf *out, const char *text, struct luff_error *err);
void luff_storage_conf_release(struct luff_storage_conf *c);

#endif
