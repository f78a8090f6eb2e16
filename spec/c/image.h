/* Images made by hand, for units that need some in a medium. */
#ifndef LUFF_SPEC_IMAGE_H
#define LUFF_SPEC_IMAGE_H

#include "base/buffer.h"
#include "check.h"
#include "medium.h"

#define GZIP_LAYER LUFF_MEDIA_OCI_LAYER "+gzip"

static inline struct luff_descriptor describe(const char *type, const char *algorithm, const void *bytes,
					      size_t len)
{
	struct luff_descriptor d = {.size = (int64_t)len};
	struct luff_error err;

	snprintf(d.media_type, sizeof d.media_type, "%s", type);
	OK(luff_digest_of(&d.digest, algorithm, bytes, len, &err));
	return d;
}

/* Pushes bytes as what they are. */
static inline struct luff_descriptor push(struct luff_medium *m, const char *type, const void *bytes,
					  size_t len)
{
	struct luff_descriptor d = describe(type, "sha256", bytes, len);
	struct luff_error err;

	d.manifest = luff_media_is_image(type) || luff_media_is_index(type);
	OK(luff_medium_push_bytes(m, &d, bytes, &err));
	return d;
}

static inline void add_descriptor(struct luff_buffer *b, const struct luff_descriptor *d)
{
	const struct luff_platform *p = &d->platform;
	struct luff_error err;

	OK(luff_buffer_printf(b, &err, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%" PRId64,
			      d->media_type, d->digest.text, d->size));
	if (p->os[0])
		OK(luff_buffer_printf(b, &err, ",\"platform\":{\"os\":\"%s\",\"architecture\":\"%s\"}", p->os,
				      p->arch));
	OK(luff_buffer_append(b, "}", 1, &err));
}

/* Pushes a manifest or an index over descriptors, and names it unless tag is NULL. */
static inline struct luff_descriptor push_list(struct luff_medium *m, const char *tag, const char *type,
					       const struct luff_descriptor *config,
					       const struct luff_descriptor *entries, size_t count)
{
	struct luff_buffer b;
	struct luff_descriptor d;
	struct luff_error err;

	luff_buffer_init(&b, LUFF_MANIFEST_MAX);
	OK(luff_buffer_printf(&b, &err, "{\"schemaVersion\":2,\"mediaType\":\"%s\",", type));
	if (config) {
		OK(luff_buffer_printf(&b, &err, "\"config\":"));
		add_descriptor(&b, config);
		OK(luff_buffer_append(&b, ",", 1, &err));
	}
	OK(luff_buffer_printf(&b, &err, "\"%s\":[", config ? "layers" : "manifests"));
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			OK(luff_buffer_append(&b, ",", 1, &err));
		add_descriptor(&b, &entries[i]);
	}
	OK(luff_buffer_append(&b, "]}", 2, &err));
	d = describe(type, "sha256", b.data, b.len);
	d.manifest = true;
	if (tag)
		OK(luff_medium_tag(m, &d, b.data, tag, &err));
	else
		OK(luff_medium_push_bytes(m, &d, b.data, &err));
	luff_buffer_release(&b);
	return d;
}

static inline struct luff_descriptor push_index(struct luff_medium *m, const char *tag,
						const struct luff_descriptor *entries, size_t count)
{
	return push_list(m, tag, LUFF_MEDIA_OCI_INDEX, NULL, entries, count);
}

/* A layer of `len` bytes that are its own for each seed. */
static inline struct luff_descriptor push_layer(struct luff_medium *m, unsigned seed, size_t len)
{
	char *bytes = malloc(len + 1);
	struct luff_descriptor d;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(seed + i * (2 * seed + 1) + i / 256);
	d = push(m, GZIP_LAYER, bytes, len);
	free(bytes);
	return d;
}

/* An image for linux/ARCH over layers. */
static inline struct luff_descriptor push_image(struct luff_medium *m, const char *tag, const char *arch,
						const struct luff_descriptor *layers, size_t count)
{
	char text[256];
	struct luff_descriptor config, d;

	snprintf(
		text, sizeof text,
		"{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
		arch);
	config = push(m, LUFF_MEDIA_OCI_CONFIG, text, strlen(text));
	d = push_list(m, tag, LUFF_MEDIA_OCI_MANIFEST, &config, layers, count);
	snprintf(d.platform.os, sizeof d.platform.os, "linux");
	snprintf(d.platform.arch, sizeof d.platform.arch, "%s", arch);
	return d;
}

static inline struct luff_name by_tag(const char *tag)
{
	struct luff_name name = {.tag = ""};

	snprintf(name.tag, sizeof name.tag, "%s", tag);
	return name;
}

static inline struct luff_name by_digest(const struct luff_descriptor *d)
{
	return (struct luff_name){.digest = d->digest};
}

static inline bool is_there(struct luff_medium *m, const struct luff_descriptor *d)
{
	struct luff_error err;
	bool there = false;

	OK(luff_medium_exists(&there, m, d, &err));
	return there;
}

static inline struct luff_medium *new_memory(void)
{
	struct luff_medium *m = NULL;
	struct luff_error err;

	OK(luff_memory_new(&m, (int64_t)1 << 30, &err));
	return m;
}

static inline struct luff_medium *open_layout(const char *folder)
{
	struct luff_open_options create = {.create = true};
	struct luff_medium *m = NULL;
	struct luff_name name;
	struct luff_error err;
	char text[1200];

	snprintf(text, sizeof text, "oci:%s", folder);
	OK(luff_medium_open(&m, &name, text, &create, &err));
	return m;
}

#endif
