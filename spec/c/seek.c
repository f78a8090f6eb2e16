/* Going back in a reader: what comes again is what came before, is checked as if there had been no going back, and counts once. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "check.h"
#include "stream/streams.h"

#define MIB ((int64_t)1 << 20)
#define SIZE (3 * MIB + 12345)

static char *bytes;
static struct luff_digest digest;

static void add(void *arg, size_t n)
{
	*(int64_t *)arg += (int64_t)n;
}

/* The chain of a copy: count over ahead over verify over a source. */
static struct luff_reader *chain(struct luff_reader *r, int64_t *counted)
{
	struct luff_error err;

	OK(luff_reader_open_verify(&r, r, NULL, &digest, SIZE, &err));
	OK(luff_reader_open_ahead(&r, r, &err));
	OK(luff_reader_open_count(&r, r, add, counted, &err));
	return r;
}

static struct luff_reader *over_bytes(int64_t *counted)
{
	struct luff_reader *r = NULL;
	struct luff_error err;

	OK(luff_reader_open_bytes(&r, bytes, (size_t)SIZE, &err));
	return chain(r, counted);
}

/* Reads on from `at` to `to`, or to the end where that is beyond it, and compares. */
static int read_on(struct luff_reader *r, int64_t at, int64_t to, struct luff_error *err)
{
	static char buf[50000];
	size_t n = 1;
	int rc = 0;

	while (rc == 0 && n > 0 && at < to) {
		int64_t left = to - at;

		rc = luff_reader_read(&n, r, buf, left < (int64_t)sizeof buf ? (size_t)left : sizeof buf,
				      err);
		if (rc == 0 && !CHECK(at + (int64_t)n <= SIZE && memcmp(buf, bytes + at, n) == 0))
			break;
		at += (int64_t)n;
	}
	if (rc == 0 && to > SIZE)
		CHECK_INT(at, SIZE);
	return rc;
}

static void goes_back(void)
{
	static const int64_t places[] = {0,       1,           70000,   MIB - 1, MIB,
					 MIB + 1, 2 * MIB + 5, 3 * MIB, SIZE,    SIZE + 1};
	const size_t count = sizeof places / sizeof *places;
	struct luff_error err;

	for (size_t from = 0; from < count; from++) {
		for (size_t to = 0; to <= from && places[to] <= SIZE; to++) {
			int64_t counted = 0;
			LUFF_AUTO(reader) r = over_bytes(&counted);

			OK(read_on(r, 0, places[from], &err));
			OK(luff_reader_seek(r, places[to], &err));
			OK(read_on(r, places[to], places[from] / 2 + places[to] / 2, &err));
			/* once more before it is where it was, and forward again to where it has been */
			OK(luff_reader_seek(r, places[to] / 2, &err));
			if (places[from] <= SIZE) {
				OK(luff_reader_seek(r, places[from], &err));
				OK(read_on(r, places[from], SIZE + 1, &err));
			} else {
				OK(read_on(r, places[to] / 2, SIZE + 1, &err));
			}
			CHECK_INT(counted, SIZE);
		}
	}
}

static void notices_other_bytes(void)
{
	static const struct {
		int64_t flip, to;
	} changes[] = {{2 * MIB + 70000, 2 * MIB + 50000},
		       {2 * MIB + 70000, 2 * MIB + 80000},
		       {5, 0},
		       {2 * MIB + 99999, 2 * MIB}};
	struct luff_error err;

	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		int64_t counted = 0;
		LUFF_AUTO(reader) r = over_bytes(&counted);

		OK(read_on(r, 0, 2 * MIB + 100000, &err));
		bytes[changes[i].flip] ^= 1;
		OK(luff_reader_seek(r, changes[i].to, &err));
		FAILS(read_on(r, changes[i].to, SIZE + 1, &err), LUFF_EDIGEST,
		      "other bytes than when it was read");
		bytes[changes[i].flip] ^= 1;
	}
}

static void notices_a_wrong_digest_all_the_same(void)
{
	int64_t counted = 0;
	LUFF_AUTO(reader) r = over_bytes(&counted);
	struct luff_error err;

	bytes[SIZE - 1] ^= 1;
	FAILS(read_on(r, 0, SIZE + 1, &err), LUFF_EDIGEST, "have the digest");
	OK(luff_reader_seek(r, 1000, &err));
	FAILS(read_on(r, 1000, SIZE + 1, &err), LUFF_EDIGEST, "digest");
	bytes[SIZE - 1] ^= 1;
}

static void is_a_file(void)
{
	FILE *file = tmpfile();
	struct luff_reader *r = NULL;
	struct luff_error err;

	CHECK(fwrite(bytes, 1, (size_t)SIZE, file) == (size_t)SIZE && fflush(file) == 0);
	OK(luff_reader_open_fd(&r, dup(fileno(file)), 1000, &err));
	OK(read_on(r, 1000, 5000, &err));
	OK(luff_reader_seek(r, 10, &err));
	OK(read_on(r, 1010, SIZE + 1, &err));
	OK(luff_reader_seek(r, 0, &err));
	OK(read_on(r, 1000, SIZE + 1, &err));
	luff_reader_close(r);
	fclose(file);
}

static int once_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	(void)r;
	(void)buf;
	*n_out = 0;
	return len > 1 ? luff_fail(err, LUFF_ENET, "broke") : 0;
}

static void once_close(struct luff_reader *r)
{
	free(r);
}

static void knows_what_is_gone(void)
{
	static const struct luff_reader_ops ops = {.read = once_read, .close = once_close};
	struct luff_reader *once = calloc(1, sizeof *once), *r;
	struct luff_error err;
	int64_t counted = 0;

	once->ops = &ops;
	r = chain(once, &counted);
	FAILS(read_on(r, 0, 100, &err), LUFF_ENET, "broke");
	FAILS(luff_reader_seek(r, 0, &err), LUFF_ENOTSUP, "once only");
	FAILS(read_on(r, 0, 100, &err), LUFF_EINVAL, "after a failure");
	luff_reader_close(r);
}

int main(void)
{
	struct luff_error err;

	OK(luff_init(&err));
	bytes = malloc((size_t)SIZE);
	for (int64_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + i / 1000);
	OK(luff_digest_of(&digest, "sha256", bytes, (size_t)SIZE, &err));
	goes_back();
	notices_other_bytes();
	notices_a_wrong_digest_all_the_same();
	is_a_file();
	knows_what_is_gone();
	free(bytes);
	luff_shutdown();
	return check_end();
}
