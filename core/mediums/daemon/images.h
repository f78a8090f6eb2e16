/* What can be asked of a daemon about its images by their names: luff_name's tag is that of an image, or "@" and an ID. */
#ifndef LUFF_DAEMON_IMAGES_H
#define LUFF_DAEMON_IMAGES_H

#include "mediums/daemon/answer.h"
#include "mediums/daemon/client.h"

#define LUFF_DAEMON "docker-daemon" /* the place, in messages */

/** The names of all images; luff_answer_names_release() them. */
int luff_images_list(struct luff_answer_names *out, struct luff_client *client, struct luff_error *err);
/**
 * By name, by ID, by the digest that containerd's store or a registry has for it; the digest decides.
 *
 * @param want  the platform, of several; NULL: whatever there is
 * @return 0; LUFF_ENOTFOUND, in the daemon's words
 */
int luff_images_find(struct luff_answer_image *out, struct luff_client *client, const struct luff_name *name,
		     const struct luff_platform *want, struct luff_error *err);
/** LUFF_ENOTFOUND once more, with what there is. */
int luff_images_missing(struct luff_client *client, const struct luff_name *name, struct luff_error *err);
/** The only name that there is; LUFF_ENOTFOUND with the list. */
int luff_images_only(struct luff_name *out, struct luff_client *client, struct luff_error *err);
/** One more name for what the daemon has. */
int luff_images_tag(struct luff_client *client, const struct luff_digest *id, const char *tag,
		    struct luff_error *err);
/** As luff_medium_remove(): an image goes with its last name, and only by force. */
int luff_images_remove(struct luff_digest *out, struct luff_client *client, const struct luff_name *name,
		       bool force, struct luff_error *err);

#endif
