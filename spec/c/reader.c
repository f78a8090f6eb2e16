/* Readers over readers: bytes come through unchanged, the end only after what was promised, failures as they are. */
#include "stream/streams.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/scope.h"
#include "check.h"

#define SLOT ((size_t)128 << 10) /* of the reader that reads ahead */

/* A source that yields bytes in pieces, then ends, fails, or waits until its scope is cancelled. */
struct source {
	struct luff_reader base;
	const char *bytes;
	size_t len, piece;
	enum { ENDS, BREAKS, WAITS } then;
	pthread_t thread; /* that read last */
};

static atomic_int sources; /* that are open */

static int source_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct source *s = (struct source *)r;
	int rc = 0;

	s->thread = pthread_self();
	*n_out = len < s->len ? len : s->len;
	if (s->piece && *n_out > s->piece)
		*n_out = s->piece;
	memcpy(buf, s->bytes, *n_out);
	s->bytes += *n_out;
	s->len -= *n_out;
	if (*n_out > 0 || s->then == ENDS)
		return 0;
	if (s->then == BREAKS)
		return luff_fail(err, LUFF_ENET, "the source broke");
	while ((rc = luff_scope_check(err)) == 0)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	return rc;
}

static void source_close(struct luff_reader *r)
{
	atomic_fetch_sub(&sources, 1);
	free(r);
}

static const struct luff_reader_ops source_ops = {.read = source_read, .close = source_close};

static struct luff_reader *source(const void *bytes, size_t len, size_t piece, int then)
{
	struct source *s = calloc(1, sizeof *s);

	*s = (struct source){
		.base.ops = &source_ops, .bytes = bytes, .len = len, .piece = piece, .then = then};
	atomic_fetch_add(&sources, 1);
	return &s->base;
}

/* Reads to the end in pieces of at most `piece` bytes and compares. Closes r. */
static int reads(struct luff_reader *r, size_t piece, const void *want, size_t len, struct luff_error *err)
{
	LUFF_AUTO(text) have = malloc(len + piece);
	size_t done = 0, n = 1;
	int rc = 0;

	while (rc == 0 && n > 0) {
		size_t room = len + piece - done;

		rc = luff_reader_read(&n, r, have + done, room < piece ? room : piece, err);
		done += n;
		if (!CHECK(done <= len))
			break;
	}
	if (rc == 0) {
		CHECK(n == 0 && done == len && memcmp(have, want, len) == 0);
		/* the end is for good */
		CHECK(luff_reader_read(&n, r, have, 1, err) == 0 && n == 0);
	} else {
		struct luff_error again = {0};

		CHECK(n == 0 && memcmp(have, want, done < len ? done : len) == 0);
		CHECK_INT(luff_reader_read(&n, r, have, 1, &again), LUFF_EINVAL);
	}
	luff_reader_close(r);
	return rc;
}

static char *noise(size_t len)
{
	char *bytes = malloc(len + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (char)(x >> 24 & (i / 1000 % 2 ? 0xff : 0x0f)); /* some of it can be compressed */
	}
	return bytes;
}

/* ---- verify, exact ---- */

static struct luff_reader *verify(struct luff_reader *inner, struct luff_medium *owner, const char *algorithm,
				  const void *bytes, int64_t size)
{
	struct luff_reader *r = NULL;
	struct luff_digest d;
	struct luff_error err;

	OK(luff_digest_of(&d, algorithm, bytes, (size_t)size, &err));
	OK(luff_reader_open_verify(&r, inner, owner, &d, size, &err));
	return r;
}

static struct luff_reader *exact(struct luff_reader *inner, int64_t size)
{
	struct luff_reader *r = NULL;
	struct luff_error err;

	OK(luff_reader_open_exact(&r, inner, NULL, size, &err));
	return r;
}

static void verifies(void)
{
	static const char text[] = "some bytes, and some more";
	const size_t len = sizeof text - 1;
	struct luff_error err;

	for (size_t piece = 1; piece <= len + 1; piece++) {
		OK(reads(verify(source(text, len, piece, ENDS), NULL, "sha256", text, len), 7, text, len,
			 &err));
		OK(reads(verify(source(text, len, piece, ENDS), NULL, "sha512", text, len), 100, text, len,
			 &err));
		OK(reads(exact(source(text, len, piece, ENDS), len), 7, text, len, &err));
		/* too short, at every length */
		FAILS(reads(verify(source(text, piece - 1, 3, ENDS), NULL, "sha256", text, len + 1), 7, text,
			    len, &err),
		      LUFF_EFORMAT, "ends after");
		FAILS(reads(exact(source(text, piece - 1, 3, ENDS), len + 1), 7, text, len, &err),
		      LUFF_EFORMAT, "ends after");
		/* too long, at every length */
		FAILS(reads(verify(source(text, len, 3, ENDS), NULL, "sha256", text, (int64_t)(len - piece)),
			    7, text, len, &err),
		      LUFF_ESIZE, "more than");
		FAILS(reads(exact(source(text, len, 3, ENDS), (int64_t)(len - piece)), 7, text, len, &err),
		      LUFF_ESIZE, "more than");
		if (piece == len)
			break;
	}
	OK(reads(verify(source("", 0, 0, ENDS), NULL, "sha256", "", 0), 1, "", 0, &err));
	OK(reads(exact(source("", 0, 0, ENDS), 0), 1, "", 0, &err));
	FAILS(reads(verify(source("sOme", 4, 1, ENDS), NULL, "sha256", "some", 4), 9, "sOme", 4, &err),
	      LUFF_EDIGEST, "have the digest sha256:");
	FAILS(reads(verify(source("sOme", 4, 4, ENDS), NULL, "sha512", "some", 4), 9, "sOme", 4, &err),
	      LUFF_EDIGEST, "have the digest sha512:");
	FAILS(reads(verify(source(text, 4, 2, BREAKS), NULL, "sha256", text, 8), 9, text, 8, &err), LUFF_ENET,
	      "the source broke");
	FAILS(reads(verify(source(text, 8, 2, BREAKS), NULL, "sha256", text, 8), 9, text, 8, &err), LUFF_ENET,
	      "the source broke");
}

/* The reader may outlive its medium, and blames it by name. */
static void blames_the_place(void)
{
	struct luff_medium *m;
	struct luff_reader *r;
	struct luff_error err;

	OK(luff_memory_new(&m, 1000, &err));
	r = verify(source("abc", 3, 0, ENDS), m, "sha256", "abd", 3);
	luff_medium_unref(m);
	FAILS(reads(r, 9, "abc", 3, &err), LUFF_EDIGEST, "memory: ");
}

static void keeps_a_promise_through_wrappers(void)
{
	static const char text[] = "12345";
	struct luff_digest d, other;
	struct luff_reader *r = NULL;
	struct luff_error err;
	char byte;
	size_t n;

	OK(luff_digest_of(&d, "sha256", text, 5, &err));
	OK(luff_digest_of(&other, "sha256", text, 4, &err));
	r = source(text, 5, 0, ENDS);
	CHECK(!luff_reader_verifies(r, &d, 5));
	OK(luff_reader_open_verify(&r, r, NULL, &d, 5, &err));
	CHECK(luff_reader_verifies(r, &d, 5) && !luff_reader_verifies(r, &d, 4) &&
	      !luff_reader_verifies(r, &other, 5));
	OK(luff_reader_open_ahead(&r, r, &err));
	CHECK(luff_reader_verifies(r, &d, 5) && !luff_reader_verifies(r, &other, 5));
	OK(luff_reader_read(&n, r, &byte, 1, &err));
	CHECK(!luff_reader_verifies(r, &d, 5));
	/* what was read from already promises nothing more */
	OK(luff_reader_open_ahead(&r, r, &err));
	CHECK(!luff_reader_verifies(r, &d, 5));
	luff_reader_close(r);
	r = exact(source(text, 5, 0, ENDS), 5);
	CHECK(!luff_reader_verifies(r, &d, 5));
	luff_reader_close(r);
	/* what is unpacked is something else */
	OK(luff_reader_open_inflate(&r, verify(source(text, 5, 0, ENDS), NULL, "sha256", text, 5), &err));
	CHECK(!luff_reader_verifies(r, &d, 5));
	luff_reader_close(r);
}

/* ---- ahead, count ---- */

static struct luff_reader *ahead(struct luff_reader *inner)
{
	struct luff_reader *r = NULL;
	struct luff_error err;

	OK(luff_reader_open_ahead(&r, inner, &err));
	return r;
}

static void reads_ahead(void)
{
	static const size_t lens[] = {0,        1,        SLOT - 1,     SLOT,     SLOT + 1,
				      3 * SLOT, 4 * SLOT, 5 * SLOT + 7, 13 * SLOT};
	static const size_t pieces[] = {0, 1000, SLOT - 1, SLOT + 1};
	LUFF_AUTO(text) bytes = noise(13 * SLOT);
	struct luff_error err;

	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
			OK(reads(ahead(source(bytes, lens[i], pieces[k], ENDS)), 30000, bytes, lens[i],
				 &err));
			OK(reads(ahead(source(bytes, lens[i], pieces[k], ENDS)), 5 * SLOT, bytes, lens[i],
				 &err));
			FAILS(reads(ahead(source(bytes, lens[i], pieces[k], BREAKS)), 50000, bytes, lens[i],
				    &err),
			      LUFF_ENET, "the source broke");
		}
	}
	/* one over the other, as a copy that reads a copy has it */
	OK(reads(ahead(ahead(ahead(source(bytes, 13 * SLOT, 5000, ENDS)))), 40000, bytes, 13 * SLOT, &err));
}

/* Closed at any moment: the producer begins, waits for room, waits for bytes, is done. */
static void closes_early(void)
{
	LUFF_AUTO(text) bytes = noise(13 * SLOT);
	static const long pauses[] = {0, 1000, 100000, 3000000};
	char buf[1000];
	struct luff_error err;
	size_t n;

	for (size_t i = 0; i < 200; i++) {
		struct luff_reader *r =
			ahead(source(bytes, i % 14 * SLOT, i % 3 * 1000, i % 2 ? WAITS : ENDS));
		int64_t start = luff_clock_ms();

		if (i % 14 > 0 && i % 5 > 0)
			OK(luff_reader_read(&n, r, buf, sizeof buf, &err));
		if (i % 4 < 3 || i < 20)
			nanosleep(&(struct timespec){.tv_nsec = pauses[i % 4]}, NULL);
		luff_reader_close(r);
		CHECK(luff_clock_ms() - start < 2000);
	}
	CHECK_INT(atomic_load(&sources), 0);
}

static void *cancel_soon(void *scope)
{
	nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	luff_scope_cancel(scope);
	return NULL;
}

/* The scope that is cancelled may be the one that the reader was made under, or one that was entered for reading. */
static void cancels(void)
{
	struct luff_scope made = {0}, used = {0};
	struct luff_reader *r;
	struct luff_error err;
	pthread_t thread;
	int64_t start;

	for (int inside = 0; inside < 2; inside++) {
		made = used = (struct luff_scope){0};
		luff_scope_enter(&made);
		r = ahead(source("", 0, 0, WAITS));
		luff_scope_enter(&used);
		start = luff_clock_ms();
		pthread_create(&thread, NULL, cancel_soon, inside ? &used : &made);
		FAILS(reads(r, 100, "", 0, &err), LUFF_ECANCELED, "cancelled");
		CHECK(luff_clock_ms() - start < 1000);
		pthread_join(thread, NULL);
		luff_scope_leave(&used);
		luff_scope_leave(&made);
	}
	luff_scope_enter(&used);
	FAILS(reads(source("abc", 3, 0, ENDS), 9, "abc", 3, &err), LUFF_ECANCELED, "cancelled");
	luff_scope_leave(&used);
}

static atomic_int blocked;
static atomic_bool release;

static void block(struct luff_job *job)
{
	(void)job;
	atomic_fetch_add(&blocked, 1);
	while (!atomic_load(&release))
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* With every thread of the pool busy the reader reads for itself. */
static void needs_no_thread(void)
{
	LUFF_AUTO(text) bytes = noise(5 * SLOT);
	static struct luff_job jobs[LUFF_POOL_MAX];
	struct luff_reader *r, *inner;
	struct luff_error err;
	char buf[100];
	size_t n;

	for (size_t i = 0; i < LUFF_POOL_MAX; i++) {
		jobs[i] = (struct luff_job){.run = block};
		OK(luff_pool_submit(&jobs[i], &err));
	}
	while (atomic_load(&blocked) < LUFF_POOL_MAX)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	inner = source(bytes, 5 * SLOT, 0, ENDS);
	r = ahead(inner);
	OK(luff_reader_read(&n, r, buf, sizeof buf, &err));
	CHECK(pthread_equal(((struct source *)inner)->thread, pthread_self()));
	luff_reader_close(r);
	OK(reads(ahead(source(bytes, 5 * SLOT, 0, ENDS)), SLOT, bytes, 5 * SLOT, &err));
	FAILS(reads(ahead(source(bytes, SLOT, 0, BREAKS)), 100, bytes, SLOT, &err), LUFF_ENET, "broke");
	atomic_store(&release, true);
	for (size_t i = 0; i < LUFF_POOL_MAX; i++)
		luff_pool_wait(&jobs[i]);
}

static void add(void *arg, size_t n)
{
	*(size_t *)arg += n;
}

static void counts(void)
{
	struct luff_reader *r = NULL;
	struct luff_error err;
	size_t total = 0;

	OK(luff_reader_open_count(&r, source("12345678", 8, 3, ENDS), add, &total, &err));
	OK(reads(r, 2, "12345678", 8, &err));
	CHECK_INT(total, 8);
	OK(luff_reader_open_count(&r, source("12345678", 8, 3, BREAKS), add, &total, &err));
	FAILS(luff_reader_drain(r, &err), LUFF_ENET, "broke");
	CHECK_INT(total, 16);
	luff_reader_close(r);
}

/* ---- inflate ---- */

struct packed {
	unsigned char bytes[64 << 10];
	size_t len;
};

static void add_bytes(struct packed *p, const void *bytes, size_t len)
{
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

static void add_gzip(struct packed *p, const void *bytes, size_t len)
{
	gz_header header = {.name = (Bytef *)"a-name", .extra = (Bytef *)"extra", .extra_len = 5, .hcrc = 1};
	z_stream z = {0};

	CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	CHECK(len % 2 == 0 || deflateSetHeader(&z, &header) == Z_OK);
	z.next_in = (Bytef *)bytes;
	z.avail_in = (uInt)len;
	z.next_out = p->bytes + p->len;
	z.avail_out = (uInt)(sizeof p->bytes - p->len);
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	p->len = sizeof p->bytes - z.avail_out;
	deflateEnd(&z);
}

static void add_zstd(struct packed *p, const void *bytes, size_t len)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, len % 2);
	p->len += ZSTD_compress2(c, p->bytes + p->len, sizeof p->bytes - p->len, bytes, len);
	ZSTD_freeCCtx(c);
}

static struct luff_reader *inflate_of(const struct packed *p, size_t piece, int then)
{
	struct luff_reader *r = NULL;
	struct luff_error err;

	OK(luff_reader_open_inflate(&r, source(p->bytes, p->len, piece, then), &err));
	return r;
}

static void unpacks(const struct packed *p, const void *want, size_t len)
{
	static const size_t pieces[] = {1, 2, 5, 100000};
	struct luff_error err;

	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 4; k++)
			OK(reads(inflate_of(p, pieces[i], ENDS), pieces[k], want, len, &err));
		FAILS(reads(inflate_of(p, pieces[i], BREAKS), 1000, want, len, &err), LUFF_ENET,
		      "the source broke");
	}
}

/* Cut at each byte, save where a member ends: never an end, whatever was read before. */
static void refuses_cuts(const struct packed *p, const void *want, size_t len, const size_t *ends,
			 size_t count)
{
	for (size_t cut = 4; cut < p->len; cut++) {
		struct packed part = *p;
		struct luff_error err;
		bool whole = false;

		part.len = cut;
		for (size_t i = 0; i < count; i++)
			whole |= cut == ends[i];
		if (!whole)
			FAILS(reads(inflate_of(&part, cut % 7, ENDS), 1000, want, len, &err), LUFF_EFORMAT,
			      "");
	}
}

/* One bit wrong anywhere: a failure or the right bytes (where the bit means nothing), never others. */
static void survives_damage(const struct packed *p)
{
	for (size_t i = 4; i < p->len; i++) {
		struct packed part = *p;
		struct luff_error err = {0};
		struct luff_reader *r;

		part.bytes[i] ^= (unsigned char)(1 << i % 8);
		r = inflate_of(&part, 0, ENDS);
		if (luff_reader_drain(r, &err) < 0)
			CHECK_INT(err.code, LUFF_EFORMAT);
		luff_reader_close(r);
	}
}

static void unpacks_gzip(void)
{
	LUFF_AUTO(text) bytes = noise(5000);
	struct packed *p = calloc(1, sizeof *p);
	struct luff_error err;
	size_t ends[3];

	add_gzip(p, bytes, 2001);
	ends[0] = p->len;
	unpacks(p, bytes, 2001);
	add_gzip(p, "", 0); /* an empty member, as stargz writes them */
	ends[1] = p->len;
	add_gzip(p, bytes + 2001, 2999);
	unpacks(p, bytes, 5000);
	refuses_cuts(p, bytes, 5000, ends, 2);
	survives_damage(p);
	/* tar tools pad with zeros */
	add_bytes(p, "\0\0\0\0\0\0\0\0\0", 9);
	unpacks(p, bytes, 5000);
	add_bytes(p, "x", 1);
	FAILS(reads(inflate_of(p, 0, ENDS), 1000, bytes, 5000, &err), LUFF_EFORMAT, "data after the end");
	p->len -= 10;
	add_bytes(p, "\x1f\x8b", 2);
	FAILS(reads(inflate_of(p, 0, ENDS), 1000, bytes, 5000, &err), LUFF_EFORMAT, "data after the end");
	free(p);
}

static void unpacks_zstd(void)
{
	static const char skipped[] = "\x5a\x2a\x4d\x18\x05\0\0\0table";
	static const char huge[] = "\x28\xb5\x2f\xfd\x00\xa8\x01\0\0"; /* a window of 2 GiB */
	LUFF_AUTO(text) bytes = noise(5000);
	struct packed *p = calloc(1, sizeof *p);
	struct luff_error err;
	size_t ends[4];

	add_bytes(p, skipped, 13);
	ends[0] = p->len;
	add_zstd(p, bytes, 2001);
	ends[1] = p->len;
	unpacks(p, bytes, 2001);
	add_bytes(p, skipped, 13);
	ends[2] = p->len;
	add_zstd(p, bytes + 2001, 2998);
	ends[3] = p->len;
	add_zstd(p, "", 0);
	add_bytes(p, skipped, 13);
	ends[3] = ends[3] ? ends[3] : 0;
	unpacks(p, bytes, 4999);
	p->len -= 13;
	{
		size_t all[5] = {ends[0], ends[1], ends[2], ends[3], p->len};

		refuses_cuts(p, bytes, 4999, all, 5);
	}
	survives_damage(p);
	add_bytes(p, "tail", 4);
	FAILS(reads(inflate_of(p, 0, ENDS), 1000, bytes, 4999, &err), LUFF_EFORMAT, "data after the end");
	p->len = 0;
	add_bytes(p, huge, 9);
	FAILS(reads(inflate_of(p, 0, ENDS), 1000, "", 0, &err), LUFF_EFORMAT, "memory");
	free(p);
}

/* By the tool of that name; false where there is none. */
static bool add_packed(struct packed *p, const char *tool, const void *bytes, size_t len)
{
	char command[1200];
	FILE *pipe;

	write_file(scratch("plain"), bytes, len);
	snprintf(command, sizeof command, "%s -c %s 2>/dev/null", tool, scratch("plain"));
	pipe = popen(command, "r");
	p->len += fread(p->bytes + p->len, 1, sizeof p->bytes - p->len, pipe);
	return pclose(pipe) == 0;
}

static void unpacks_by_tool(const char *tool)
{
	LUFF_AUTO(text) bytes = noise(5000);
	struct packed *p = calloc(1, sizeof *p);
	struct luff_error err;
	size_t end;

	if (!add_packed(p, tool, bytes, 2001)) {
		fprintf(stderr, "no %s: left out\n", tool);
		free(p);
		return;
	}
	end = p->len;
	unpacks(p, bytes, 2001);
	add_packed(p, tool, bytes + 2001, 2999);
	unpacks(p, bytes, 5000);
	for (size_t cut = 10; cut < p->len; cut += 7) {
		struct packed part = *p;

		part.len = cut;
		if (cut != end)
			FAILS(reads(inflate_of(&part, 100, ENDS), 1000, bytes, 5000, &err), LUFF_EFORMAT, "");
	}
	add_bytes(p, "\0\0\0\0", 4);
	unpacks(p, bytes, 5000);
	add_bytes(p, "x", 1);
	FAILS(reads(inflate_of(p, 0, ENDS), 1000, bytes, 5000, &err), LUFF_EFORMAT, "data after the end");
	free(p);
}

/* A dictionary of 4 GiB, in an LZMA2 filter whose header is sound. */
static void refuses_memory_of_xz(void)
{
	static const char huge[] = "\xfd"
				   "7zXZ\0\0\0\xff\x12\xd9\x41\x02\0\x21\x01\x28\0\0\0\xe6\xa0\x11\xb3";
	struct packed p = {.len = 0};
	struct luff_error err;

	add_bytes(&p, huge, sizeof huge - 1);
	FAILS(reads(inflate_of(&p, 0, ENDS), 1000, "", 0, &err), LUFF_ELIMIT, "256 MiB");
}

/* Bytes that come out before the reader fails; -1 if it does not, or for another reason. */
static int64_t bomb(const struct packed *p, const char *limit)
{
	char *buf = malloc(1 << 20);
	struct luff_error err = {0};
	struct luff_reader *r = inflate_of(p, 0, ENDS);
	int64_t total = 0;
	size_t n = 1;
	int rc = 0;

	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, buf, 1 << 20, &err);
		total += (int64_t)n;
	}
	luff_reader_close(r);
	free(buf);
	return rc == LUFF_ELIMIT && strstr(err.msg, limit) ? total : -1;
}

static void stops_bombs(void)
{
	size_t len = (size_t)5 << 28; /* 1.25 GiB of nothing, never touched */
	struct luff_limits raised = {.ratio = 1000000}, lowered = {.unpacked = 100000}, defaults = {0};
	struct packed *p = calloc(1, sizeof *p), *small = calloc(1, sizeof *small);
	void *zeros = calloc(1, len);
	struct luff_error err;
	int64_t total;

	p->len = ZSTD_compress(p->bytes, sizeof p->bytes, zeros, len, 1);
	if (ZSTD_isError(p->len)) /* 1.25 GiB of nothing take 40 kB; more is another libzstd's */
		p->len = 0;
	total = bomb(p, "250 times");
	CHECK(total >= (int64_t)1 << 30 && total < (int64_t)len);
	OK(luff_limits_set(&raised, &err));
	CHECK_INT(bomb(p, ""), -1);
	add_gzip(small, zeros, 100001);
	CHECK_INT(bomb(small, ""), -1);
	OK(luff_limits_set(&lowered, &err));
	CHECK(bomb(small, "100.0 kB") <= 100001);
	small->len = 0;
	add_gzip(small, zeros, 100000);
	CHECK_INT(bomb(small, ""), -1);
	lowered.unpacked = -1;
	FAILS(luff_limits_set(&lowered, &err), LUFF_EINVAL, "negative");
	OK(luff_limits_set(&defaults, &err));
	free(zeros);
	free(small);
	free(p);
}

static void leaves_plain_bytes(void)
{
	static const char *const plain[] = {"",
					    "a",
					    "ab",
					    "abc",
					    "abcd",
					    "\x1f",
					    "\x1f\x8b",
					    "\x1f\x8b\x09zz",
					    "\x28\xb5\x2f",
					    "\x28\xb5\x2f\xfe",
					    "\x50\x2a\x4d"};
	LUFF_AUTO(text) bytes = noise(200000);
	struct packed p = {.len = 0};
	struct luff_reader *r;
	struct luff_error err;

	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		p.len = 0;
		add_bytes(&p, plain[i], strlen(plain[i]));
		unpacks(&p, plain[i], p.len);
	}
	OK(luff_reader_open_inflate(&r, source(bytes, 200000, 777, ENDS), &err));
	OK(reads(r, 1000, bytes, 200000, &err));
}

/* ---- files ---- */

static void reads_files(void)
{
	const char *path = scratch("file");
	struct luff_reader *r = NULL;
	struct luff_error err;
	int before = count_open();

	write_file(path, "0123456789", 10);
	for (int64_t offset = 0; offset <= 12; offset++) {
		size_t from = offset < 10 ? (size_t)offset : 10;

		OK(luff_reader_open_fd(&r, open(path, O_RDONLY | O_CLOEXEC), offset, &err));
		OK(reads(r, 3, "0123456789" + from, 10 - from, &err));
	}
	OK(luff_reader_open_fd(&r, open("/", O_RDONLY | O_CLOEXEC), 0, &err));
	FAILS(reads(r, 3, "", 0, &err), LUFF_EIO, "cannot read");
	CHECK_INT(err.sys_errno, EISDIR);
	CHECK_INT(count_open(), before);
	OK(luff_reader_open_bytes(&r, NULL, 0, &err));
	OK(reads(r, 3, "", 0, &err));
}

static void reads_all(void)
{
	LUFF_AUTO(text) text = NULL;
	struct luff_error err = {0};

	for (int64_t size = 2; size <= 4; size++) {
		LUFF_AUTO(reader) r = NULL;

		OK(luff_reader_open_bytes(&r, "abc", 3, &err));
		if (size == 3)
			OK(luff_reader_read_all(&text, r, size, &err));
		else
			FAILS(luff_reader_read_all(&text, r, size, &err), LUFF_ESIZE,
			      size < 3 ? "more bytes than the 2" : "fewer bytes than the 4");
		CHECK_STR(text ? text : "", size == 3 ? "abc" : "");
		free(luff_take(text));
	}
}

int main(void)
{
	struct luff_error err;

	OK(luff_init(&err));
	verifies();
	blames_the_place();
	keeps_a_promise_through_wrappers();
	counts();
	reads_ahead();
	closes_early();
	cancels();
	needs_no_thread();
	unpacks_gzip();
	unpacks_by_tool("xz");
	unpacks_by_tool("bzip2");
	refuses_memory_of_xz();
	stops_bombs();
	unpacks_zstd();
	leaves_plain_bytes();
	reads_files();
	reads_all();
	CHECK_INT(atomic_load(&sources), 0);
	luff_shutdown();
	return check_end();
}
