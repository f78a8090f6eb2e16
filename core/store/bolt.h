/*
 * A bbolt database (go.etcd.io/bbolt), read while its owner may be writing it: pages of the newest commit, which nobody
 * overwrites before the next one. Who has read asks luff_bolt_same() whether that has come meanwhile, and if so begins anew.
 */
#ifndef LUFF_STORE_BOLT_H
#define LUFF_STORE_BOLT_H

#include "luff.h"

#define LUFF_BOLT_PAGE_MAX (16 << 20) /* bytes of a page with those that it runs over into */
#define LUFF_BOLT_DEPTH_MAX 32        /* of pages below a bucket */

struct luff_bolt {
	int fd; /* borrowed */
	uint32_t page_size;
	uint64_t commit;
	uint64_t root;
	int64_t pages, visits; /* in the file; that may still be read: who walks in a circle ends */
};

/* Keys with values, or with buckets. */
struct luff_bolt_bucket {
	uint64_t page;               /* 0: it lies in its parent's value */
	const unsigned char *inside; /* then, as long as the value is there */
	size_t len;
};

struct luff_bolt_item {
	const unsigned char *key, *value;
	size_t key_len, value_len;
	bool is_bucket;
	struct luff_bolt_bucket bucket; /* then */
};

/** Opens the newest commit. LUFF_EFORMAT */
int luff_bolt_open(struct luff_bolt *out, int fd, struct luff_error *err);
void luff_bolt_root(struct luff_bolt_bucket *out, const struct luff_bolt *b);
/** Each item in the order of keys; what it points to is there during the call alone. A failure of `each` ends the walk. */
int luff_bolt_each(struct luff_bolt *b, const struct luff_bolt_bucket *bucket,
		   int (*each)(void *arg, const struct luff_bolt_item *item, struct luff_error *err),
		   void *arg, struct luff_error *err);
bool luff_bolt_is_key(const struct luff_bolt_item *item, const char *key);
/** Whether nothing was committed since it was opened. */
bool luff_bolt_same(const struct luff_bolt *b);

#endif
