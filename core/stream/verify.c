/* What stands between bytes from outside and whoever believes them: the end comes only after size and digest agreed. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "stream/streams.h"

struct verify_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct luff_medium *owner;
	int64_t size, done;
	bool hashes; /* false: the size alone is checked */
	struct luff_hash hash;
	struct luff_digest digest;
};

static int verify_end(struct verify_reader *v, struct luff_error *err)
{
	struct luff_digest actual = {""};

	if (v->done != v->size)
		return luff_fail(err, LUFF_EFORMAT, "%s ends after %" PRId64 " of %" PRId64 " bytes",
				 v->digest.text, v->done, v->size);
	if (!v->hashes)
		return 0;
	luff_hash_final(&actual, &v->hash);
	if (!luff_digest_equal(&actual, &v->digest))
		return luff_fail(err, LUFF_EDIGEST, "the bytes of %s have the digest %s", v->digest.text,
				 actual.text);
	return 0;
}

static int blame(const struct verify_reader *v, struct luff_error *err)
{
	return v->owner ? luff_fail_context(err, "%s", luff_medium_place(v->owner)) : err->code;
}

static int verify_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct verify_reader *v = (struct verify_reader *)r;
	int rc = luff_reader_read(n_out, v->inner, buf, len, err);

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
		luff_hash_update(&v->hash, buf, *n_out);
	v->done += (int64_t)*n_out;
	return 0;
}

static void verify_close(struct luff_reader *r)
{
	struct verify_reader *v = (struct verify_reader *)r;

	luff_reader_close(v->inner);
	luff_medium_unref(v->owner);
	free(v);
}

static const struct luff_reader_ops verify_ops = {.read = verify_read, .close = verify_close};

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
