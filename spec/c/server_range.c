/* Byte ranges as clients write them, rightly and wrongly. */
#include "server/range.h"

#include "check.h"

static void part(const char *text, int64_t size, int64_t want_first, int64_t want_last)
{
	int64_t first = -1, last = -1;

	if (!CHECK_INT(luff_range_parse(&first, &last, text, size), LUFF_RANGE_PART) ||
	    !CHECK_INT(first, want_first) || !CHECK_INT(last, want_last))
		fprintf(stderr, "(%s of %lld)\n", text, (long long)size);
}

static void other(const char *text, int64_t size, enum luff_range want)
{
	int64_t first, last;

	if (!CHECK_INT(luff_range_parse(&first, &last, text, size), want))
		fprintf(stderr, "(%s of %lld)\n", text, (long long)size);
}

static void reads_ranges(void)
{
	static const char *const whole[] = {"",
					    "bytes",
					    "bytes=",
					    "bytes=-",
					    "bytes=a-b",
					    "bytes=1",
					    "bytes=1-2,4-5",
					    "bytes=1-2 ",
					    "bytes= 1-2",
					    "items=1-2",
					    "bytes=--1",
					    "bytes=1--2",
					    "bytes=+1-2",
					    "bytes=99999999999999999999-",
					    "bytes=0-99999999999999999999",
					    "bytes=000000000000000000001-2"};

	part("bytes=0-0", 10, 0, 0);
	part("bytes=2-5", 10, 2, 5);
	part("bytes=2-", 10, 2, 9);
	part("bytes=2-100", 10, 2, 9);
	part("bytes=0-9223372036854775807", 10, 0, 9);
	part("bytes=-3", 10, 7, 9);
	part("bytes=-100", 10, 0, 9);
	part("Bytes=9-", 10, 9, 9);
	other("bytes=10-", 10, LUFF_RANGE_UNSATISFIABLE);
	other("bytes=10-20", 10, LUFF_RANGE_UNSATISFIABLE);
	other("bytes=5-2", 10, LUFF_RANGE_UNSATISFIABLE);
	other("bytes=-0", 10, LUFF_RANGE_UNSATISFIABLE);
	other("bytes=0-", 0, LUFF_RANGE_UNSATISFIABLE);
	other("bytes=-1", 0, LUFF_RANGE_UNSATISFIABLE);
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		other(whole[i], 10, LUFF_RANGE_WHOLE);
}

static void reads_chunks(void)
{
	static const char *const good[] = {"0-99", "bytes 0-99", "bytes 0-99/100", "bytes 0-99/*",
					   "bytes=0-99"};
	static const char *const bad[] = {"",
					  "0",
					  "-",
					  "0-",
					  "-99",
					  "99-0",
					  "0-99-",
					  "a-b",
					  "bytes",
					  "0-99/",
					  "0-99/x",
					  " 0-99",
					  "0-9223372036854775807"};
	int64_t first, last;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		CHECK(luff_range_parse_chunk(&first, &last, good[i]));
		CHECK_INT(first, 0);
		CHECK_INT(last, 99);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (!CHECK(!luff_range_parse_chunk(&first, &last, bad[i])))
			fprintf(stderr, "(%s)\n", bad[i]);
	}
}

int main(void)
{
	reads_ranges();
	reads_chunks();
	return check_end();
}
