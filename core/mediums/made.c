/* What rootfs: and random: share. See made.h. */
#include "mediums/made.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "fs/members.h"
#include "stream/streams.h"

int luff_made_begin(struct luff_made *made, struct luff_error *err)
{
	*made = (struct luff_made){.fd = -1};
	return luff_spool_open(&made->fd, err);
}

/* Its header needs its size: there is room for the longest, or for a short one and a file of one block before it. */
void luff_made_begin_layer(struct luff_made *made)
{
	made->layer = made->end + LUFF_TAR_HEADER_MAX;
	made->end = made->layer;
}

int luff_made_append(struct luff_made *made, const void *bytes, size_t len, struct luff_error *err)
{
	int rc;

	if ((int64_t)len > LUFF_SPOOL_MAX - made->end)
		return luff_fail(err, LUFF_ELIMIT, "more than are kept in a temporary file");
	rc = luff_spool_write(made->fd, bytes, len, made->end, err);
	made->end += rc == 0 ? (int64_t)len : 0;
	return rc;
}

static int hash_layer(struct luff_digest *out, const struct luff_made *made, struct luff_error *err)
{
	struct luff_hash hash;
	char buf[64 << 10];

	luff_hash_init(&hash, LUFF_SHA256);
	for (int64_t at = made->layer; at < made->end;) {
		int64_t left = made->end - at;
		ssize_t n = pread(made->fd, buf, left < (int64_t)sizeof buf ? (size_t)left : sizeof buf, at);

		if (n <= 0)
			return luff_fail_errno(err, n < 0 ? errno : EIO, "cannot read a temporary file");
		luff_hash_update(&hash, buf, (size_t)n);
		at += n;
	}
	luff_hash_final(out, &hash);
	return 0;
}

static int append_member(struct luff_made *made, const char *path, const char *bytes, size_t len,
			 struct luff_error *err)
{
	static const char zeros[512];
	char header[LUFF_TAR_HEADER_MAX];
	int rc = luff_made_append(made, header, luff_tar_header(header, path, (int64_t)len), err);

	if (rc == 0)
		rc = luff_made_append(made, bytes, len, err);
	return rc < 0 ? rc : luff_made_append(made, zeros, (size_t)LUFF_TAR_PADDED(len) - len, err);
}

int luff_made_end_layer(struct luff_made *made, struct luff_error *err)
{
	char header[LUFF_TAR_HEADER_MAX], fill[LUFF_TAR_HEADER_MAX] = {0}, path[24];
	int64_t size = made->end - made->layer;
	size_t len;
	int rc = hash_layer(&made->diff_ids[made->layers], made, err);

	snprintf(path, sizeof path, "fill%d", made->layers);
	luff_tar_header(fill, path, 512);
	snprintf(path, sizeof path, "layer%d.tar", made->layers++);
	len = luff_tar_header(header, path, size);
	made->end = made->layer + LUFF_TAR_PADDED(size);
	if (rc == 0)
		rc = luff_spool_write(made->fd, header, len, made->layer - (int64_t)len, err);
	if (rc == 0 && len < sizeof header)
		rc = luff_spool_write(made->fd, fill, sizeof fill - len, made->layer - (int64_t)sizeof fill,
				      err);
	return rc;
}

static cJSON *new_config(const struct luff_made *made, const struct luff_platform *platform,
			 const char *created_by)
{
	cJSON *config = cJSON_CreateObject(), *rootfs, *ids, *history, *step;
	bool good;

	good = cJSON_AddStringToObject(config, "architecture", platform->arch) &&
	       cJSON_AddStringToObject(config, "os", platform->os) &&
	       (!platform->variant[0] || cJSON_AddStringToObject(config, "variant", platform->variant)) &&
	       cJSON_AddObjectToObject(config, "config") &&
	       (rootfs = cJSON_AddObjectToObject(config, "rootfs")) &&
	       cJSON_AddStringToObject(rootfs, "type", "layers") &&
	       (ids = cJSON_AddArrayToObject(rootfs, "diff_ids")) &&
	       (history = cJSON_AddArrayToObject(config, "history"));
	for (int i = 0; good && i < made->layers; i++) {
		good = cJSON_AddItemToArray(ids, cJSON_CreateString(made->diff_ids[i].text)) &&
		       (step = cJSON_CreateObject()) && cJSON_AddItemToArray(history, step) &&
		       cJSON_AddStringToObject(step, "created_by", created_by);
	}
	if (good)
		return config;
	cJSON_Delete(config);
	return NULL;
}

int luff_made_end(int *fd_out, struct luff_made *made, const struct luff_platform *platform,
		  const char *created_by, struct luff_error *err)
{
	static const char zeros[2 * 512];
	LUFF_AUTO(json) config = new_config(made, platform, created_by);
	LUFF_AUTO(text) text = config ? cJSON_PrintUnformatted(config) : NULL;
	LUFF_AUTO(buffer) list;
	int rc = text ? 0 : luff_fail_nomem(err);

	luff_buffer_init(&list, 8192);
	if (rc == 0)
		rc = append_member(made, "config.json", text, text ? strlen(text) : 0, err);
	if (rc == 0)
		rc = luff_buffer_printf(&list, err,
					"[{\"Config\":\"config.json\",\"RepoTags\":null,\"Layers\":[");
	for (int i = 0; rc == 0 && i < made->layers; i++)
		rc = luff_buffer_printf(&list, err, "%s\"layer%d.tar\"", i ? "," : "", i);
	if (rc == 0)
		rc = luff_buffer_printf(&list, err, "]}]");
	if (rc == 0)
		rc = append_member(made, "manifest.json", list.data, list.len, err);
	if (rc == 0)
		rc = luff_made_append(made, zeros, sizeof zeros, err);
	if (rc < 0)
		return rc;
	*fd_out = made->fd;
	made->fd = -1;
	return 0;
}

void luff_made_release(struct luff_made *made)
{
	if (made->fd >= 0)
		close(made->fd);
}
