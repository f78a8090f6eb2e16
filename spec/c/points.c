/* Points to begin at in the middle of something compressed: from each of them comes what the whole has there. */
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "check.h"
#include "stream/codec.h"
#include "stream/points.h"
#include "stream/streams.h"

#define SIZE ((size_t)5 << 20)

static unsigned char *plain;

/* Some of it is text, some is nothing that gets smaller, some is zeros. */
static void make_plain(void)
{
	uint64_t x = 88172645463325252u;

	plain = calloc(1, SIZE);
	for (size_t i = 0; i < SIZE; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (i / 700000 % 5 != 3)
			plain[i] = i / 700000 % 5 == 1 ? (unsigned char)x
						       : "etaoin shrdlu\n01"[x % 16 * (x % 7) / 6];
	}
}

struct packed {
	unsigned char *bytes;
	size_t len;
};

static void add_member(struct packed *p, const unsigned char *from, size_t len, int level, int window_bits)
{
	z_stream z = {0};

	CHECK(deflateInit2(&z, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	p->bytes = realloc(p->bytes, p->len + len + 100000);
	z.next_in = (Bytef *)from;
	z.avail_in = (uInt)len;
	z.next_out = p->bytes + p->len;
	z.avail_out = (uInt)(len + 100000);
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	p->len += z.total_out;
	deflateEnd(&z);
}

static struct packed gzip(int level)
{
	struct packed p = {0};

	add_member(&p, plain, SIZE, level, 15 + 16);
	return p;
}

/* The second member is long, too, and has points with a window in it; a third follows. */
static struct packed members(void)
{
	struct packed p = {0};

	add_member(&p, plain, 100000, 6, 15 + 16);
	add_member(&p, plain + 100000, SIZE - 300000, 6, 15 + 16);
	add_member(&p, plain + SIZE - 200000, 200000, 6, 15 + 16);
	return p;
}

static struct packed frames(void)
{
	struct packed p = {.bytes = malloc(ZSTD_compressBound(SIZE) + 100000)};

	for (size_t at = 0; at < SIZE; at += 1000000) {
		size_t len = SIZE - at < 1000000 ? SIZE - at : 1000000;

		p.len += ZSTD_compress(p.bytes + p.len, ZSTD_compressBound(len), plain + at, len, 3);
	}
	return p;
}

static struct packed our_own(bool zstd)
{
	LUFF_AUTO(reader) r = NULL;
	struct packed p = {.bytes = malloc(SIZE + 100000)};
	struct luff_error err;
	size_t n = 1;

	OK(luff_reader_open_bytes(&r, plain, SIZE, &err));
	OK(luff_reader_open_deflate(&r, luff_take(r), zstd, &err));
	for (; n > 0; p.len += n)
		OK(luff_reader_read(&n, r, p.bytes + p.len, 50000, &err));
	return p;
}

/* What comes from there on, in pieces of an odd size. */
static void compare(struct luff_reader *r, int64_t from, int64_t len)
{
	static unsigned char buf[54321];
	struct luff_error err;
	size_t n = 1;

	while (n > 0 && len > 0) {
		OK(luff_reader_read(&n, r, buf, len < 54321 ? (size_t)len : 54321, &err));
		if (err.code != 4711 ||
		    !CHECK(from + (int64_t)n <= (int64_t)SIZE && memcmp(buf, plain + from, n) == 0))
			return;
		from += (int64_t)n;
		len -= (int64_t)n;
	}
	CHECK(len == 0 || from == (int64_t)SIZE);
}

static void begin_at(const struct packed *p, const struct luff_points *points, const struct luff_point *point,
		     int64_t len)
{
	LUFF_AUTO(reader) r = NULL;
	size_t from = (size_t)point->packed - (point->bits > 0);
	struct luff_error err;

	OK(luff_reader_open_bytes(&r, p->bytes + from, p->len - from, &err));
	OK(luff_reader_open_inflate_at(&r, luff_take(r), points, point, &err));
	compare(r, point->plain, len);
}

static void try_all(const char *what, struct packed p, size_t least, size_t least_windows)
{
	struct luff_points_maker *maker = luff_points_maker_new((int64_t)p.len);
	LUFF_AUTO(points) points = {0};
	LUFF_AUTO(reader) r = NULL;
	struct luff_hash hash;
	unsigned char sha256[32];
	struct luff_error err;
	size_t windows = 0;

	OK(luff_reader_open_bytes(&r, p.bytes, p.len, &err));
	OK(luff_reader_open_inflate_making(&r, luff_take(r), maker, &err));
	compare(r, 0, INT64_MAX);
	CHECK(luff_points_maker_finish(&points, maker));
	luff_points_maker_free(maker);
	CHECK_INT(points.packed, (int64_t)p.len);
	CHECK_INT(points.plain, (int64_t)SIZE);
	for (size_t i = 0; i < points.count; i++) {
		const struct luff_point *point = &points.list[i];

		windows += point->window_len > 0;
		begin_at(&p, &points, point, i % 5 == 0 ? INT64_MAX : 100000);
		CHECK(luff_points_before(&points, point->plain) == point);
		CHECK(i == 0 || luff_points_before(&points, point->plain - 1) == point - 1);
		CHECK(i == 0 || (point->plain > point[-1].plain && point->packed > point[-1].packed));
	}
	if (points.count < least || windows < least_windows)
		check_note(__FILE__, __LINE__, "%s: %zu points, %zu windows", what, points.count, windows);
	CHECK_INT((int64_t)points.chunk_count, ((int64_t)p.len + LUFF_POINTS_CHUNK - 1) / LUFF_POINTS_CHUNK);
	luff_hash_init(&hash, LUFF_SHA256);
	luff_hash_update(&hash, p.bytes + LUFF_POINTS_CHUNK, LUFF_POINTS_CHUNK);
	luff_hash_final_sha256(sha256, &hash);
	CHECK(memcmp(sha256, points.chunks[1].sha256, 32) == 0);
	CHECK_INT(luff_points_until(&points, points.plain), points.packed);
	CHECK(luff_points_until(&points, 1) <= 3 * LUFF_POINTS_CHUNK);
	free(p.bytes);
}

/* ---- where blocks begin ---- */

struct block {
	int64_t bit, plain;
};

static size_t find_blocks(struct block *out, size_t room, const struct luff_codec *codec,
			  const struct packed *p)
{
	static unsigned char buf[128 << 10];
	struct luff_codec_io io = {.in = p->bytes, .in_len = p->len};
	struct luff_error err;
	bool ended = false;
	int64_t at = 0, back;
	size_t count = 0;
	void *state = NULL;

	OK(codec->open(&state, &err));
	while (!ended && count < room) {
		io.out = buf;
		io.out_len = sizeof buf;
		if (!OK(codec->step_to_block(&back, &ended, state, &io, &err)))
			break;
		at += (int64_t)(sizeof buf - io.out_len);
		if (back >= 0)
			out[count++] = (struct block){(io.in - p->bytes) * 8 - back, at};
	}
	codec->close(state);
	return count;
}

/* ISA-L finds most of the places that zlib finds, and no others. */
static void both_find_the_same(int level)
{
	static struct block slow[10000], fast[10000];
	struct packed p = gzip(level);
	size_t slow_count = find_blocks(slow, 10000, &luff_codec_gzip, &p), fast_count, k = 0;

	CHECK(slow_count > 20);
	if (luff_codec_isal_loads()) {
		fast_count = find_blocks(fast, 10000, &luff_codec_isal, &p);
		CHECK(fast_count * 10 > slow_count * 9);
		for (size_t i = 0; i < fast_count; i++) {
			while (k < slow_count && slow[k].bit < fast[i].bit)
				k++;
			CHECK(k < slow_count && slow[k].bit == fast[i].bit && slow[k].plain == fast[i].plain);
		}
	}
	free(p.bytes);
}

static void damaged_window(void)
{
	unsigned char window[LUFF_POINTS_WINDOW];
	struct luff_points points = {.windows = {.data = (char *)"\xff\xff\xff", .len = 3}};
	struct luff_point point = {.window_len = 3};
	struct luff_error err;
	size_t n;

	FAILS(luff_points_window(window, &n, &points, &point, &err), LUFF_EFORMAT, "damaged");
}

int main(void)
{
	make_plain();
	both_find_the_same(6);
	both_find_the_same(1);
	try_all("gzip -1", gzip(1), 10, 9);
	try_all("gzip -6", gzip(6), 10, 9);
	try_all("gzip -0", gzip(0), 10, 9);
	try_all("members", members(), 10, 7);
	try_all("frames", frames(), 6, 0);
	try_all("gzip by luff", our_own(false), 12, 0);
	try_all("zstd by luff", our_own(true), 1, 0);
	damaged_window();
	free(plain);
	return check_end();
}
