/* See convert.h. */
#include "ops/convert.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "medium.h"
#include "stream/streams.h"

#define DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define AHEAD_MIN (1 << 20)

bool luff_convert_concerns(const struct luff_descriptor *d)
{
	return strcmp(d->media_type, LUFF_MEDIA_OCI_LAYER) == 0 || strcmp(d->media_type, DOCKER_LAYER) == 0;
}

/* Registries are full of layers whose label lies. */
static int is_packed(bool *out, struct luff_medium *src, const struct luff_descriptor *d,
		     struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	unsigned char head[4] = {0};
	size_t len = 0, n = 1;
	int rc = luff_medium_fetch(&r, src, d, 0, err);

	while (rc == 0 && n > 0 && len < sizeof head) {
		rc = luff_reader_read(&n, r, head + len, sizeof head - len, err);
		len += n;
	}
	*out = memcmp(head, "\x1f\x8b\x08", 3) == 0 || memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0;
	return rc;
}

int luff_convert_layer(struct luff_descriptor *out, int *fd_out, struct luff_medium *src,
		       const struct luff_descriptor *d, enum luff_compress compress,
		       void (*count)(void *arg, size_t n), void *arg, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(fd) fd = -1;
	bool zstd = compress == LUFF_COMPRESS_ZSTD, docker = strcmp(d->media_type, DOCKER_LAYER) == 0, packed;
	int rc;

	*out = *d;
	*fd_out = -1;
	if (compress == LUFF_COMPRESS_GZIP) {
		rc = luff_medium_packed(fd_out, out, src, d, err);
		if (rc < 0)
			return rc;
	}
	packed = false;
	rc = *fd_out < 0 ? is_packed(&packed, src, d, err) : 0;
	if (rc < 0 || packed)
		return rc;
	if (docker && zstd)
		return luff_fail(err, LUFF_ENOTSUP, "Docker's manifests know no layers in zstd: take gzip");
	luff_text_copy(out->media_type, sizeof out->media_type,
		       docker ? DOCKER_LAYER ".gzip"
		       : zstd ? LUFF_MEDIA_OCI_LAYER "+zstd"
			      : LUFF_MEDIA_OCI_LAYER "+gzip");
	if (*fd_out >= 0) {
		count(arg, (size_t)d->size);
		return 0;
	}
	rc = luff_spool_open(&fd, err);
	if (rc == 0)
		rc = luff_medium_fetch(&r, src, d, 0, err);
	if (rc == 0 && d->size >= AHEAD_MIN)
		rc = luff_reader_open_ahead(&r, luff_take(r), err);
	if (rc == 0)
		rc = luff_reader_open_count(&r, luff_take(r), count, arg, err);
	if (rc == 0)
		rc = luff_reader_open_deflate(&r, luff_take(r), zstd, err);
	if (rc == 0)
		rc = luff_spool_fill_hashed(&out->digest, &out->size, fd, r, err);
	if (rc < 0)
		return rc;
	*fd_out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return *fd_out < 0 ? luff_fail(err, LUFF_EIO, "too many open files") : 0;
}

struct replacement {
	const struct luff_descriptor *(*find)(void *arg, const struct luff_digest *d, bool manifest);
	void *arg;
	bool changed;
};

static int replace(struct replacement *r, cJSON *entry, bool manifest, struct luff_error *err)
{
	const char *text = luff_json_string(entry, "digest");
	const struct luff_descriptor *to;
	struct luff_digest digest;
	cJSON *type, *sum, *size;

	if (!text || luff_digest_parse(&digest, text, err) < 0)
		return 0;
	to = r->find(r->arg, &digest, manifest);
	if (!to || luff_digest_equal(&to->digest, &digest))
		return 0;
	type = cJSON_CreateString(to->media_type);
	sum = cJSON_CreateString(to->digest.text);
	size = cJSON_CreateNumber((double)to->size);
	r->changed = true;
	/* in its place, so that the order stays */
	if (type && cJSON_ReplaceItemInObjectCaseSensitive(entry, "mediaType", type))
		type = NULL;
	if (sum && cJSON_ReplaceItemInObjectCaseSensitive(entry, "digest", sum))
		sum = NULL;
	if (size && cJSON_ReplaceItemInObjectCaseSensitive(entry, "size", size))
		size = NULL;
	if (!type && !sum && !size)
		return 0;
	cJSON_Delete(type);
	cJSON_Delete(sum);
	cJSON_Delete(size);
	return luff_fail_nomem(err);
}

int luff_convert_manifest(char **out, const char *document, size_t len,
			  const struct luff_descriptor *(*find)(void *arg, const struct luff_digest *d,
								bool manifest),
			  void *arg, struct luff_error *err)
{
	struct replacement r = {.find = find, .arg = arg};
	LUFF_AUTO(json) tree = NULL;
	cJSON *entry;
	int rc = luff_json_parse(&tree, document, len, "manifest", err);

	*out = NULL;
	if (rc == 0)
		rc = luff_json_keep_numbers(tree, document, len, err);
	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(tree, "layers"))
	{
		if (rc == 0)
			rc = replace(&r, entry, false, err);
	}
	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(tree, "manifests"))
	{
		if (rc == 0)
			rc = replace(&r, entry, true, err);
	}
	if (rc < 0 || !r.changed)
		return rc;
	*out = cJSON_PrintUnformatted(tree);
	return *out ? 0 : luff_fail_nomem(err);
}
