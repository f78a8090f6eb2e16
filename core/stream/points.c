/* See points.h. */
#include "stream/points.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define STEP_MIN ((int64_t)256 << 10) /* stored bytes between two points with a window */

struct luff_points_maker {
	struct luff_points points;
	int64_t size, step;
	bool failed;
	int64_t taken; /* stored bytes that came */
	struct luff_hash hash;
	size_t passed; /* chunks whose `plain` is known */
	struct libdeflate_compressor *packer;
	size_t window_len;
	unsigned char window[2 * LUFF_POINTS_WINDOW]; /* its end is the last of the plain bytes */
};

void luff_points_release(struct luff_points *points)
{
	free(points->list);
	free(points->chunks);
	luff_buffer_release(&points->windows);
	*points = (struct luff_points){0};
}

/* ---- using them ---- */

const struct luff_point *luff_points_before(const struct luff_points *points, int64_t plain)
{
	size_t low = 0, high = points->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (points->list[mid].plain <= plain)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 ? &points->list[low - 1] : NULL;
}

int64_t luff_points_until(const struct luff_points *points, int64_t plain)
{
	size_t low = 0, high = points->chunk_count;
	int64_t end;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (points->chunks[mid].plain < plain)
			low = mid + 1;
		else
			high = mid;
	}
	end = ((int64_t)low + 1) * LUFF_POINTS_CHUNK;
	return end < points->packed ? end : points->packed;
}

int luff_points_window(unsigned char out[LUFF_POINTS_WINDOW], size_t *len_out,
		       const struct luff_points *points, const struct luff_point *point,
		       struct luff_error *err)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	enum libdeflate_result rc;

	*len_out = 0;
	if (!d)
		return luff_fail_nomem(err);
	rc = libdeflate_deflate_decompress(d, points->windows.data + point->window, point->window_len, out,
					   LUFF_POINTS_WINDOW, len_out);
	libdeflate_free_decompressor(d);
	return rc == LIBDEFLATE_SUCCESS ? 0 : luff_fail(err, LUFF_EFORMAT, "a damaged point to begin at");
}

/* ---- making them ---- */

struct luff_points_maker *luff_points_maker_new(int64_t size)
{
	struct luff_points_maker *m = size > LUFF_POINTS_SIZE_MAX ? NULL : calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->size = size;
	m->step = size / LUFF_POINTS_WINDOWS_MAX > STEP_MIN ? size / LUFF_POINTS_WINDOWS_MAX : STEP_MIN;
	luff_hash_init(&m->hash, LUFF_SHA256);
	luff_buffer_init(&m->points.windows, LUFF_POINTS_WINDOWS_MAX * LUFF_POINTS_WINDOW_MAX);
	return m;
}

void luff_points_maker_free(struct luff_points_maker *m)
{
	if (!m)
		return;
	luff_points_release(&m->points);
	libdeflate_free_compressor(m->packer);
	free(m);
}

static bool has_room(void **array, size_t *room, size_t count, size_t each)
{
	size_t more = *room ? *room * 2 : 64;
	void *bigger;

	if (count < *room)
		return true;
	bigger = realloc(*array, more * each);
	if (!bigger)
		return false;
	*array = bigger;
	*room = more;
	return true;
}

static void end_chunk(struct luff_points_maker *m)
{
	struct luff_points *p = &m->points;

	if (!has_room((void **)&p->chunks, &p->chunk_room, p->chunk_count, sizeof *p->chunks)) {
		m->failed = true;
		return;
	}
	luff_hash_final_sha256(p->chunks[p->chunk_count++].sha256, &m->hash);
	luff_hash_init(&m->hash, LUFF_SHA256);
}

void luff_points_maker_take(struct luff_points_maker *m, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0 && !m->failed) {
		int64_t left = LUFF_POINTS_CHUNK - m->taken % LUFF_POINTS_CHUNK;

		left = left < (int64_t)len ? left : (int64_t)len;
		luff_hash_update(&m->hash, at, (size_t)left);
		at += left;
		len -= (size_t)left;
		m->taken += left;
		if (m->taken % LUFF_POINTS_CHUNK == 0 || m->taken == m->size)
			end_chunk(m);
	}
}

static struct luff_point *add(struct luff_points_maker *m, int64_t packed, int64_t plain)
{
	struct luff_points *p = &m->points;

	if (m->failed || !has_room((void **)&p->list, &p->room, p->count, sizeof *p->list)) {
		m->failed = true;
		return NULL;
	}
	p->list[p->count] = (struct luff_point){.packed = packed, .plain = plain, .bits = -1};
	return &p->list[p->count++];
}

void luff_points_maker_begin(struct luff_points_maker *m, int64_t packed, int64_t plain)
{
	const struct luff_points *p = &m->points;

	if (p->count == 0 || packed - p->list[p->count - 1].packed >= LUFF_POINTS_CHUNK)
		add(m, packed, plain);
}

bool luff_points_maker_asks(const struct luff_points_maker *m, int64_t packed)
{
	const struct luff_points *p = &m->points;

	return !m->failed && p->count > 0 && packed - p->list[p->count - 1].packed >= m->step &&
	       m->size - packed >= LUFF_POINTS_CHUNK;
}

void luff_points_maker_pass(struct luff_points_maker *m, int64_t packed, const void *bytes, size_t len)
{
	struct luff_points *p = &m->points;
	const unsigned char *from = bytes;

	while (m->passed < p->chunk_count && (int64_t)(m->passed + 1) * LUFF_POINTS_CHUNK <= packed)
		p->chunks[m->passed++].plain = p->plain;
	p->plain += (int64_t)len;
	if (len > LUFF_POINTS_WINDOW) {
		from += len - LUFF_POINTS_WINDOW;
		len = LUFF_POINTS_WINDOW;
	}
	if (m->window_len + len > sizeof m->window) {
		memmove(m->window, m->window + m->window_len - LUFF_POINTS_WINDOW, LUFF_POINTS_WINDOW);
		m->window_len = LUFF_POINTS_WINDOW;
	}
	memcpy(m->window + m->window_len, from, len);
	m->window_len += len;
}

void luff_points_maker_block(struct luff_points_maker *m, int64_t packed, int bits)
{
	struct luff_points *p = &m->points;
	char deflated[LUFF_POINTS_WINDOW_MAX];
	size_t len = m->window_len < LUFF_POINTS_WINDOW ? m->window_len : LUFF_POINTS_WINDOW, n;
	struct luff_error ignored = {0};
	struct luff_point *point;

	if (!m->packer)
		m->packer = libdeflate_alloc_compressor(1);
	n = m->packer ? libdeflate_deflate_compress(m->packer, m->window + m->window_len - len, len, deflated,
						    sizeof deflated)
		      : 0;
	point = n > 0 ? add(m, packed, p->plain) : NULL;
	if (!point || luff_buffer_append(&p->windows, deflated, n, &ignored) < 0) {
		m->failed = true;
		return;
	}
	point->bits = bits;
	point->window = p->windows.len - n;
	point->window_len = n;
}

bool luff_points_maker_finish(struct luff_points *out, struct luff_points_maker *m)
{
	struct luff_points *p = &m->points;

	if (m->failed || m->taken != m->size || p->count == 0)
		return false;
	while (m->passed < p->chunk_count)
		p->chunks[m->passed++].plain = p->plain;
	p->packed = m->size;
	*out = *p;
	*p = (struct luff_points){0};
	return true;
}
