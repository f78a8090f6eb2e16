/* What stands between bytes from outside and whoever believes them: the end comes only after size and digest agreed. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "stream/streams.h"

#define MARKS_MAX 512      /* places in the middle from which hashing can go on */
#define STEP_MIN (1 << 20) /* bytes between two of them */

struct verify_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct luff_medium *owner;
	int64_t size, done;
	bool hashes; /* false: the size alone is checked */
	struct luff_hash hash;
	struct luff_digest digest;
	/* For whoever goes back: the hash after each `step` bytes. What is read again has to be what was read before. */
	struct luff_hash *marks; /* room for size / step of them; NULL: none are made */
	int64_t step, mark_count;
	int64_t reached; /* how far it came before it went back */
	struct luff_hash reached_hash;
};

static void digest_so_far(struct luff_digest *out, const struct luff_hash *h)
{
	struct luff_hash copy;

	luff_hash_copy(&copy, h);
	luff_hash_final(out, &copy);
}

static int verify_end(const struct verify_reader *v, struct luff_error *err)
{
	struct luff_digest actual = {""};

	if (v->done != v->size)
		return luff_fail(err, LUFF_EFORMAT, "%s ends after %" PRId64 " of %" PRId64 " bytes",
				 v->digest.text, v->done, v->size);
	if (!v->hashes)
		return 0;
	digest_so_far(&actual, &v->hash);
	if (!luff_digest_equal(&actual, &v->digest))
		return luff_fail(err, LUFF_EDIGEST, "the bytes of %s have the digest %s", v->digest.text,
				 actual.text);
	return 0;
}

static int blame(const struct verify_reader *v, struct luff_error *err)
{
	return v->owner ? luff_fail_context(err, "%s", luff_medium_place(v->owner)) : err->code;
}

static bool is_another(const struct verify_reader *v)
{
	struct luff_digest before, now;

	digest_so_far(&before, &v->reached_hash);
	digest_so_far(&now, &v->hash);
	return !luff_digest_equal(&before, &now);
}

static int take(struct verify_reader *v, const char *bytes, size_t len, struct luff_error *err)
{
	while (len > 0) {
		int64_t left = (int64_t)len;

		if (v->marks && left > v->step - v->done % v->step)
			left = v->step - v->done % v->step;
		if (v->done < v->reached && left > v->reached - v->done)
			left = v->reached - v->done;
		luff_hash_update(&v->hash, bytes, (size_t)left);
		bytes += left;
		len -= (size_t)left;
		v->done += left;
		if (v->done == v->reached && is_another(v))
			return luff_fail(err, LUFF_EDIGEST, "%s has other bytes than when it was read before",
					 v->digest.text);
		if (v->marks && v->done == (v->mark_count + 1) * v->step)
			luff_hash_copy(&v->marks[v->mark_count++], &v->hash);
	}
	return 0;
}

static int verify_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct verify_reader *v = (struct verify_reader *)r;
	int rc = luff_reader_read(n_out, v->inner, buf, len, err);

	/* a file knows neither whose it is nor what it holds */
	if ((rc == LUFF_EFORMAT || rc == LUFF_EIO) && v->owner && v->hashes)
		return luff_fail_context(err, "%s: %s", luff_medium_place(v->owner), v->digest.text);
	if (rc < 0)
		return rc;
	if (*n_out == 0)
		return verify_end(v, err) < 0 ? blame(v, err) : 0;
	if ((int64_t)*n_out > v->size - v->done) {
		luff_fail(err, LUFF_ESIZE, "%s has more than the %" PRId64 " bytes that it should have",
			  v->digest.text, v->size);
		return blame(v, err);
	}
	if (v->hashes)
		return take(v, buf, *n_out, err) < 0 ? blame(v, err) : 0;
	v->done += (int64_t)*n_out;
	return 0;
}

/* From the mark before, to where the hash is right again. */
static int read_up_to(struct verify_reader *v, int64_t offset, struct luff_error *err)
{
	char buf[16 << 10];
	size_t n;
	int rc = 0;

	while (rc == 0 && v->done < offset) {
		int64_t left = offset - v->done;

		rc = verify_read(&n, &v->base, buf, left < (int64_t)sizeof buf ? (size_t)left : sizeof buf,
				 err);
		if (rc == 0 && n == 0)
			rc = luff_fail(err, LUFF_EFORMAT, "%s is shorter than before", v->digest.text);
	}
	return rc;
}

static int verify_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct verify_reader *v = (struct verify_reader *)r;
	int64_t mark = v->marks ? offset / v->step : 0, from = offset;
	int rc;

	if (v->hashes) {
		if (v->done > v->reached) {
			v->reached = v->done;
			luff_hash_copy(&v->reached_hash, &v->hash);
		}
		mark = mark < v->mark_count ? mark : v->mark_count;
		from = mark * v->step;
		if (mark > 0)
			luff_hash_copy(&v->hash, &v->marks[mark - 1]);
		else
			luff_hash_init(&v->hash, luff_digest_algorithm(&v->digest));
	}
	v->done = from;
	rc = luff_reader_seek(v->inner, from, err);
	return rc < 0 ? rc : read_up_to(v, offset, err);
}

static void verify_close(struct luff_reader *r)
{
	struct verify_reader *v = (struct verify_reader *)r;

	luff_reader_close(v->inner);
	luff_medium_unref(v->owner);
	free(v->marks);
	free(v);
}

static const struct luff_reader_ops verify_ops = {
	.read = verify_read, .close = verify_close, .seek = verify_seek};

static int open_checked(struct luff_reader **out, struct luff_reader *inner, struct luff_medium *owner,
			const struct luff_digest *digest, int64_t size, struct luff_error *err)
{
	struct verify_reader *v = calloc(1, sizeof *v);

	*out = NULL;
	if (!v) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	*v = (struct verify_reader){
		.base.ops = &verify_ops,
		.inner = inner,
		.owner = owner ? luff_medium_ref(owner) : NULL,
		.size = size,
		.hashes = digest != NULL,
		.digest.text = "it",
	};
	if (digest) {
		v->digest = *digest;
		v->base.digest = &v->digest;
		v->base.size = size;
		luff_hash_init(&v->hash, luff_digest_algorithm(digest));
		v->step = size / MARKS_MAX > STEP_MIN ? size / MARKS_MAX : STEP_MIN;
		if (inner->ops->seek && size > v->step) /* without marks it goes back to the start */
			v->marks = calloc((size_t)(size / v->step), sizeof *v->marks);
	}
	*out = &v->base;
	return 0;
}

int luff_reader_open_verify(struct luff_reader **out, struct luff_reader *inner, struct luff_medium *owner,
			    const struct luff_digest *digest, int64_t size, struct luff_error *err)
{
	assert(digest);
	return open_checked(out, inner, owner, digest, size, err);
}

int luff_reader_open_exact(struct luff_reader **out, struct luff_reader *inner, struct luff_medium *owner,
			   int64_t size, struct luff_error *err)
{
	return open_checked(out, inner, owner, NULL, size, err);
}
