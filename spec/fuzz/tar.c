/*
 * Any bytes as a tar: entries and content come out the same whatever the pieces in which they are read, and whatever is
 * passed over. The first byte says whether each block gets a checksum that fits, without which nothing much is found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "fs/tar.h"
#include "stream/streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX ((int64_t)4 << 20) /* sparse files are as large as they say */

static void add_text(struct luff_hash *h, const char *text)
{
	luff_hash_update(h, text, strlen(text) + 1);
}

/* The result, how many entries there were, and the digest of what they say. */
static int list(struct luff_digest *out, size_t *count, const uint8_t *data, size_t size, size_t step)
{
	struct luff_error err = {0};
	struct luff_reader *r = NULL;
	struct luff_tar *tar = NULL;
	const struct luff_entry *e = NULL;
	struct luff_hash h;
	int64_t total = 0;
	int rc = luff_reader_open_bytes(&r, data, size, &err);

	luff_hash_init(&h, LUFF_SHA256);
	*count = 0;
	if (rc == 0)
		rc = luff_tar_open(&tar, r, &err);
	while (rc == 0 && (rc = luff_tar_next(&e, tar, &err)) == 0 && e) {
		char buf[4096];
		size_t n = 1;

		*count += 1;
		add_text(&h, e->path);
		add_text(&h, e->link);
		add_text(&h, e->user);
		add_text(&h, luff_entry_type_name(e->type));
		for (size_t i = 0; i < e->xattr_count; i++) {
			add_text(&h, e->xattrs[i].name);
			luff_hash_update(&h, e->xattrs[i].value, e->xattrs[i].len);
		}
		while (rc == 0 && n > 0 && step > 0 && total < OUTPUT_MAX) {
			rc = luff_tar_read(&n, tar, buf, step, &err);
			total += (int64_t)n;
		}
	}
	luff_tar_close(tar);
	luff_hash_final(out, &h);
	return rc;
}

static void add_checksums(uint8_t *data, size_t size)
{
	for (; size >= 512; data += 512, size -= 512) {
		unsigned sum = 0;
		char text[8];

		memset(data + 148, ' ', 8);
		for (int i = 0; i < 512; i++)
			sum += data[i];
		snprintf(text, sizeof text, "%06o", sum);
		memcpy(data + 148, text, 7);
	}
}

static void check(const uint8_t *data, size_t size)
{
	struct luff_digest whole, parts;
	size_t count, again;
	int rc = list(&whole, &count, data, size, 4096);
	int rc_again = list(&parts, &again, data, size, 7);

	if (rc != 0 && rc != LUFF_EFORMAT && rc != LUFF_ELIMIT && rc != LUFF_ENOTSUP)
		abort();
	if (rc != rc_again || count != again || !luff_digest_equal(&whole, &parts))
		abort();
	/* content that is cut off shows only to who goes past it */
	rc_again = list(&parts, &again, data, size, 0);
	if (rc != rc_again || count != again || !luff_digest_equal(&whole, &parts))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = size > 0 ? malloc(size) : NULL;

	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		add_checksums(copy, size - 1);
	check(copy, size - 1);
	free(copy);
	return 0;
}
