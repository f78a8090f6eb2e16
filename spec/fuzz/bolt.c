/* A bbolt database: whatever its pages say, the walk through all buckets ends, and stays within them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/bolt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
	struct luff_bolt *bolt;
	int depth;
	unsigned sum;
};

static int each(void *arg, const struct luff_bolt_item *item, struct luff_error *err)
{
	struct walk *w = arg, below = {.bolt = w->bolt, .depth = w->depth + 1};

	for (size_t i = 0; i < item->key_len; i++)
		w->sum += item->key[i];
	for (size_t i = 0; i < item->value_len; i++)
		w->sum += item->value[i];
	return item->is_bucket && w->depth < 5 ? luff_bolt_each(w->bolt, &item->bucket, each, &below, err)
					       : 0;
}

/* Checksums are made right: no mutation would find them. */
static void seal(uint8_t *page)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (int i = 16; i < 72; i++)
		sum = (sum ^ page[i]) * 0x100000001b3u;
	memcpy(page + 72, &sum, sizeof sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_bolt bolt;
	struct luff_bolt_bucket root;
	struct luff_error err = {0};
	struct walk w = {.bolt = &bolt};
	int fd = memfd_create("bolt", MFD_CLOEXEC);
	uint8_t *copy = malloc(size + 1);

	assert(fd >= 0 && copy);
	memcpy(copy, data, size);
	if (size >= 80)
		seal(copy);
	assert(write(fd, copy, size) == (ssize_t)size);
	if (luff_bolt_open(&bolt, fd, &err) == 0) {
		assert(luff_bolt_same(&bolt));
		luff_bolt_root(&root, &bolt);
		(void)luff_bolt_each(&bolt, &root, each, &w, &err);
	}
	free(copy);
	close(fd);
	return 0;
}
