/* See bolt.h. The format is that of bbolt's page.go and meta.go, on machines of this byte order. */
#include "store/bolt.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define MAGIC 0xED0CDAEDu
#define VERSION 2u
#define PAGE_HEADER 16u
#define ELEMENT 16u /* bytes, in leaves and branches alike */
#define BUCKET_HEADER 16u
#define META_CHECKED 56u /* bytes of a meta page that its checksum covers */
#define PAGE_SIZE_MIN 1024u
#define PAGE_SIZE_MAX 65536u

enum { BRANCH = 1, LEAF = 2, META = 4 };

static uint16_t get16(const unsigned char *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof n);
	return n;
}

static uint32_t get32(const unsigned char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof n);
	return n;
}

static uint64_t get64(const unsigned char *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof n);
	return n;
}

static int damaged(struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "the database is damaged");
}

/* FNV-1a */
static uint64_t checksum(const unsigned char *p, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001b3u;
	return sum;
}

/* One of both meta pages; the newer one that is whole counts. */
static bool read_meta(struct luff_bolt *out, int fd, int64_t offset)
{
	unsigned char page[PAGE_HEADER + META_CHECKED + 8], *meta = page + PAGE_HEADER;

	if (pread(fd, page, sizeof page, offset) != (ssize_t)sizeof page || !(get16(page + 8) & META) ||
	    get32(meta) != MAGIC || get32(meta + 4) != VERSION ||
	    get64(meta + META_CHECKED) != checksum(meta, META_CHECKED))
		return false;
	out->fd = fd;
	out->page_size = get32(meta + 8);
	out->root = get64(meta + 16);
	out->commit = get64(meta + 48);
	return out->page_size >= PAGE_SIZE_MIN && out->page_size <= PAGE_SIZE_MAX &&
	       !(out->page_size & (out->page_size - 1));
}

static bool newest(struct luff_bolt *out, int fd)
{
	struct luff_bolt first, second;
	bool has_first = read_meta(&first, fd, 0), has_second = false;

	/* where the second one is, the first one says; if that is damaged it is looked for */
	for (uint32_t size = has_first ? first.page_size : PAGE_SIZE_MIN;
	     !has_second && size <= PAGE_SIZE_MAX; size = has_first ? PAGE_SIZE_MAX + 1 : size * 2)
		has_second = read_meta(&second, fd, size) && second.page_size == size;
	if (has_first || has_second)
		*out = has_first && (!has_second || first.commit > second.commit) ? first : second;
	return has_first || has_second;
}

int luff_bolt_open(struct luff_bolt *out, int fd, struct luff_error *err)
{
	struct stat st;

	if (!newest(out, fd) || fstat(fd, &st) < 0)
		return luff_fail(err, LUFF_EFORMAT, "it is no bbolt database");
	out->pages = st.st_size / out->page_size;
	out->visits = 4 * out->pages;
	return 0;
}

void luff_bolt_root(struct luff_bolt_bucket *out, const struct luff_bolt *b)
{
	*out = (struct luff_bolt_bucket){.page = b->root};
}

bool luff_bolt_same(const struct luff_bolt *b)
{
	struct luff_bolt now;

	return newest(&now, b->fd) && now.commit == b->commit;
}

static int read_page(unsigned char **out, size_t *len_out, struct luff_bolt *b, uint64_t number,
		     struct luff_error *err)
{
	unsigned char header[PAGE_HEADER];
	LUFF_AUTO(text) page = NULL;
	uint64_t count;
	size_t len;

	if (b->visits-- <= 0 || number < 2 || number >= (uint64_t)b->pages ||
	    pread(b->fd, header, sizeof header, (int64_t)number * b->page_size) != (ssize_t)sizeof header ||
	    get64(header) != number)
		return damaged(err);
	count = (uint64_t)get32(header + 12) + 1;
	if (count > (uint64_t)b->pages - number || count > LUFF_BOLT_PAGE_MAX / b->page_size)
		return damaged(err);
	len = (size_t)count * b->page_size;
	page = malloc(len);
	if (!page)
		return luff_fail_nomem(err);
	if (pread(b->fd, page, len, (int64_t)number * b->page_size) != (ssize_t)len)
		return damaged(err);
	*len_out = len;
	*out = (unsigned char *)luff_take(page);
	return 0;
}

struct walk {
	struct luff_bolt *bolt;
	int (*each)(void *arg, const struct luff_bolt_item *item, struct luff_error *err);
	void *arg;
};

static int walk_page(const struct walk *w, uint64_t number, int depth, struct luff_error *err);

static int walk_item(const struct walk *w, const unsigned char *page, size_t len, size_t at,
		     struct luff_error *err)
{
	const unsigned char *element = page + at;
	size_t start = at + get32(element + 4);
	struct luff_bolt_item item = {.key_len = get32(element + 8), .value_len = get32(element + 12)};

	if (start > len || item.key_len > len - start || item.value_len > len - start - item.key_len)
		return damaged(err);
	item.key = page + start;
	item.value = item.key + item.key_len;
	item.is_bucket = get32(element) & 1;
	if (item.is_bucket) {
		if (item.value_len < BUCKET_HEADER)
			return damaged(err);
		item.bucket.page = get64(item.value);
		item.bucket.inside = item.value + BUCKET_HEADER;
		item.bucket.len = item.value_len - BUCKET_HEADER;
	}
	return w->each(w->arg, &item, err);
}

static int walk_elements(const struct walk *w, const unsigned char *page, size_t len, int depth,
			 struct luff_error *err)
{
	int flags = len >= PAGE_HEADER ? get16(page + 8) : 0, rc = 0;
	size_t count = flags ? get16(page + 10) : 0;

	if ((flags != LEAF && flags != BRANCH) || count * ELEMENT > len - PAGE_HEADER ||
	    depth == LUFF_BOLT_DEPTH_MAX)
		return damaged(err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		size_t at = PAGE_HEADER + i * ELEMENT;

		rc = flags == LEAF ? walk_item(w, page, len, at, err)
				   : walk_page(w, get64(page + at + 8), depth + 1, err);
	}
	return rc;
}

static int walk_page(const struct walk *w, uint64_t number, int depth, struct luff_error *err)
{
	unsigned char *page = NULL;
	size_t len = 0;
	int rc = read_page(&page, &len, w->bolt, number, err);

	if (rc == 0)
		rc = walk_elements(w, page, len, depth, err);
	free(page);
	return rc;
}

int luff_bolt_each(struct luff_bolt *b, const struct luff_bolt_bucket *bucket,
		   int (*each)(void *arg, const struct luff_bolt_item *item, struct luff_error *err),
		   void *arg, struct luff_error *err)
{
	struct walk w = {.bolt = b, .each = each, .arg = arg};

	return bucket->page ? walk_page(&w, bucket->page, 0, err)
			    : walk_elements(&w, bucket->inside, bucket->len, 0, err);
}

bool luff_bolt_is_key(const struct luff_bolt_item *item, const char *key)
{
	return item->key_len == strlen(key) && memcmp(item->key, key, item->key_len) == 0;
}
