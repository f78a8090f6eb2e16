/* What a push reads, lent to the script that does it (scripted.c): the reader of whoever pushes, who may leave meanwhile. */
#include "lent.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/scope.h"

struct luff_lent {
	pthread_mutex_t lock;
	atomic_int refs;
	struct luff_reader *src; /* NULL: the push is over */
	struct luff_scope *scope;
	int64_t left; /* bytes that are still to come */
	bool ended;   /* all came, and were right */
	struct luff_error failure;
};

void luff_lent_unref(struct luff_lent *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The last bytes come after the end was looked at: nobody ever has all of something wrong. */
static int read_checked(size_t *n_out, struct luff_lent *l, void *buf, size_t len, struct luff_error *err)
{
	char more;
	size_t n;
	int rc = luff_reader_read(n_out, l->src, buf, len, err);

	if (rc < 0)
		return rc;
	l->left -= (int64_t)*n_out;
	if (*n_out > 0 && l->left <= 0) {
		rc = luff_reader_read(&n, l->src, &more, 1, err);
		if (rc == 0 && n > 0)
			rc = luff_fail(err, LUFF_ESIZE, "there are more bytes than there should be");
	}
	l->ended = rc == 0 && l->left <= 0;
	return rc;
}

struct luff_lent *luff_lent_ref(struct luff_lent *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

struct lent_reader {
	struct luff_reader base;
	struct luff_lent *lent;
};

static int lent_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct luff_lent *l = ((struct lent_reader *)r)->lent;
	struct luff_scope *own;
	int rc;

	pthread_mutex_lock(&l->lock);
	if (!l->src) {
		pthread_mutex_unlock(&l->lock);
		return luff_fail(err, LUFF_EINVAL, "what was to be pushed can be read only meanwhile");
	}
	*n_out = 0;
	if (l->ended) {
		pthread_mutex_unlock(&l->lock);
		return 0;
	}
	own = luff_scope_swap(l->scope);
	rc = read_checked(n_out, l, buf, len, err);
	luff_scope_swap(own);
	if (rc < 0)
		l->failure = *err;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

static void lent_close(struct luff_reader *r)
{
	luff_lent_unref(((struct lent_reader *)r)->lent);
	free(r);
}

static const struct luff_reader_ops lent_ops = {.read = lent_read, .close = lent_close};

struct luff_lent *luff_lend(struct luff_reader *src, int64_t size)
{
	struct luff_lent *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	l->refs = 1;
	l->src = src;
	l->scope = luff_scope_current();
	l->left = size;
	return l;
}

int luff_lent_take_back(struct luff_lent *l, int rc, struct luff_error *err)
{
	char buf[256];
	size_t n;

	pthread_mutex_lock(&l->lock);
	if (l->failure.code) {
		*err = l->failure;
		rc = err->code;
	} else if (rc == 0 && !l->ended) {
		rc = luff_reader_read(&n, l->src, buf, sizeof buf, err);
		if (rc == 0 && n > 0)
			rc = luff_fail(err, LUFF_EINVAL, "its push has not read to the end");
	}
	l->src = NULL;
	pthread_mutex_unlock(&l->lock);
	luff_lent_unref(l);
	return rc;
}

void luff_lent_push(lua_State *L, struct luff_lent *l)
{
	struct luff_reader_box *box = luff_push_reader(L);
	struct lent_reader *r = calloc(1, sizeof *r);

	if (!r) {
		luaL_error(L, "out of memory");
		return;
	}
	*r = (struct lent_reader){.base.ops = &lent_ops, .lent = luff_lent_ref(l)};
	box->r = &r->base;
}
