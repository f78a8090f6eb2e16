/* Artifacts: files as layers, each with a title (image-spec, manifest.md "Guidelines for Artifact Usage"; oras). */
#ifndef LUFF_OPS_ARTIFACT_H
#define LUFF_OPS_ARTIFACT_H

#include "base/json.h"
#include "luff.h"

#define LUFF_ARTIFACT_TITLE "org.opencontainers.image.title"
#define LUFF_ARTIFACT_UNPACK "io.deis.oras.content.unpack" /* "true": a folder, as a tar of any compression */
#define LUFF_ARTIFACT_CONTENT "io.deis.oras.content.digest" /* of the plain tar */

/**
 * A title as a path below a folder: relative, without "." and "..".
 *
 * @param out  room for LUFF_PATH_MAX + 1
 * @return 0; LUFF_EFORMAT, LUFF_ELIMIT
 */
int luff_artifact_title(char *out, const char *title, struct luff_error *err);
/**
 * Whether a tree may be unpacked as the folder of that title: nothing beside it, and no symlink in it that leads out, whatever
 * other links are on its way. LUFF_EFORMAT.
 */
int luff_artifact_check_tree(struct luff_tree *tree, const char *title, struct luff_error *err);

#endif
