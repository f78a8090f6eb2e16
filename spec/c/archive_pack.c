/* Layers that are packed on their way: what comes out again is what went in, and what leaves doubt is kept as it comes. */
#include "store/archive_pack.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "check.h"
#include "fs/members.h"
#include "model/descriptor.h"
#include "stream/streams.h"

#define LEAST 4096
#define ROOM (1 << 20)

static char tar[ROOM];
static size_t end;
static int64_t layers[2], sizes[2]; /* where the plain tars are */

/* Content of a member; `inner` makes it a tar. Returns where it begins. */
static int64_t put(const char *path, size_t size, bool inner)
{
	size_t at = end + luff_tar_header(tar + end, path, (int64_t)size);

	memset(tar + at, 0, (size_t)LUFF_TAR_PADDED((int64_t)size));
	for (size_t i = 0; i < size; i++)
		tar[at + i] = (char)(i * i >> 7);
	if (inner)
		luff_tar_header(tar + at, "inside", (int64_t)size - 512);
	end = at + (size_t)LUFF_TAR_PADDED((int64_t)size);
	return (int64_t)at;
}

static void finish(void)
{
	memset(tar + end, 0, 1024);
	end += 1024;
}

static void make(void)
{
	end = 0;
	put("small", 100, false);
	sizes[0] = 100001;
	layers[0] = put("blobs/sha256/one", 100001, true);
	put("large", 70000, false);
	put("short", LEAST - 1, true);
	sizes[1] = LEAST;
	layers[1] = put("two/layer.tar", LEAST, true);
	finish();
}

static int fill(struct luff_archive_packs *packs, int *fd, size_t len, struct luff_error *why)
{
	LUFF_AUTO(reader) src = NULL;
	struct luff_error err;

	packs->count = 0;
	OK(luff_spool_open(fd, &err));
	OK(luff_reader_open_bytes(&src, tar, len, &err));
	return luff_archive_pack_fill(packs, *fd, src, LEAST, why);
}

/* The bytes [offset, offset + size) as the tar had them. */
static void same(const struct luff_archive_packs *packs, int fd, int64_t offset, int64_t size)
{
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(text) bytes = NULL;
	struct luff_error err = {0};

	OK(luff_archive_pack_open(&r, packs, offset, size, &err));
	if (r) {
		OK(luff_reader_read_all(&bytes, r, size, &err));
	} else {
		bytes = malloc((size_t)size + 1);
		OK(luff_read_at(fd, bytes, (size_t)size, offset, &err));
	}
	CHECK(bytes && memcmp(bytes, tar + offset, (size_t)size) == 0);
}

static void packs_layers(void)
{
	struct luff_archive_packs packs;
	struct luff_members *members = NULL;
	struct luff_member m;
	struct luff_error err = {0};
	struct stat st;
	int fd = -1;

	make();
	OK(fill(&packs, &fd, end, &err));
	CHECK_INT(packs.count, 2);
	CHECK(fstat(fd, &st) == 0 && st.st_size == (off_t)end);
	for (int i = 0; i < packs.count; i++) {
		const struct luff_archive_pack *p = &packs.list[i];
		struct luff_digest digest;
		LUFF_AUTO(reader) r = NULL;
		LUFF_AUTO(text) packed = NULL;

		CHECK_INT(p->offset, layers[i]);
		CHECK_INT(p->size, sizes[i]);
		OK(luff_digest_of(&digest, "sha256", tar + p->offset, (size_t)p->size, &err));
		CHECK(luff_digest_equal(&digest, &p->plain));
		/* as a copy makes it from a file */
		OK(luff_reader_open_bytes(&r, tar + p->offset, (size_t)p->size, &err));
		OK(luff_reader_open_deflate(&r, luff_take(r), false, &err));
		OK(luff_reader_read_all(&packed, r, p->becomes.size, &err));
		OK(luff_digest_of(&digest, "sha256", packed, (size_t)p->becomes.size, &err));
		CHECK(luff_digest_equal(&digest, &p->becomes.digest));
		same(&packs, fd, p->offset + 513, p->size - 600);
	}
	OK(luff_members_open(&members, fd, &err));
	CHECK_INT(luff_members_count(members), 5);
	for (size_t i = 0; i < luff_members_count(members); i++) {
		luff_members_at(&m, members, i);
		same(&packs, fd, m.offset, m.size);
	}
	luff_members_free(members);
	luff_archive_packs_release(&packs);
	close(fd);
}

/* Everything stays where it is, but nothing is packed. */
static void keeps(const char *why)
{
	struct luff_archive_packs packs;
	struct luff_error err = {0};
	int fd = -1;

	OK(fill(&packs, &fd, end, &err));
	if (!CHECK_INT(packs.count, 0))
		fprintf(stderr, "%s\n", why);
	same(&packs, fd, 0, (int64_t)end);
	luff_archive_packs_release(&packs);
	close(fd);
}

static void keeps_what_leaves_doubt(void)
{
	static const char words[] = "15 size=100001\n";

	end = luff_tar_header(tar, "words", sizeof words - 1);
	tar[156] = 'x';
	/* the sum of the header is that of another type */
	memcpy(tar + 148, "        ", 8);
	{
		unsigned sum = 0;

		for (int i = 0; i < 512; i++)
			sum += (unsigned char)tar[i];
		snprintf(tar + 148, 8, "%06o", sum);
	}
	memset(tar + end, 0, 512);
	memcpy(tar + end, words, sizeof words - 1);
	end += 512;
	put("layer.tar", 100001, true);
	finish();
	keeps("a size elsewhere");
	end = 0;
	put("first", 100, false);
	tar[0] ^= 1;
	put("layer.tar", 100001, true);
	finish();
	keeps("a wrong checksum");
	end = 0;
	keeps("nothing");
}

static void says_where_it_is_cut_off(void)
{
	struct luff_archive_packs packs;
	struct luff_error err = {0};
	int fd = -1;

	make();
	CHECK_INT(fill(&packs, &fd, (size_t)layers[0] + 5000, &err), LUFF_EFORMAT);
	CHECK_STR(err.msg, "the tar is cut off within blobs/sha256/one");
	CHECK_INT(packs.count, 0);
	luff_archive_packs_release(&packs);
	close(fd);
	/* between members it is kept: who reads the members says so */
	err = check_untouched;
	OK(fill(&packs, &fd, (size_t)layers[1] - 512, &err));
	CHECK_INT(packs.count, 1);
	luff_archive_packs_release(&packs);
	close(fd);
}

int main(void)
{
	packs_layers();
	keeps_what_leaves_doubt();
	says_where_it_is_cut_off();
	return check_end();
}
