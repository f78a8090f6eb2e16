/* Overlays: new content over a medium that is only read. */
#include "base/cleanup.h"
#include "faulty.h"
#include "image.h"
#include "stream/streams.h"

struct both {
	struct faulty *front, *back;
	struct luff_medium *m;
};

static struct both both_new(void)
{
	struct both b = {.front = faulty_new(new_memory()), .back = faulty_new(new_memory())};
	struct luff_error err;

	OK(luff_overlay_new(&b.m, &b.front->base, &b.back->base, &err));
	return b;
}

static void both_drop(struct both *b)
{
	/* the overlay holds both by itself */
	luff_medium_unref(&b->front->base);
	luff_medium_unref(&b->back->base);
	CHECK_INT(b->front->base.refs, 1);
	luff_medium_unref(b->m);
}

static void check_reads(struct luff_medium *m, const struct luff_descriptor *d)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_error err;

	OK(luff_medium_fetch(&r, m, d, 0, &err));
	CHECK(r && luff_reader_verifies(r, &d->digest, d->size));
	OK(luff_reader_drain(r, &err));
}

static void reads_through(void)
{
	struct both b = both_new();
	struct luff_descriptor old = push_layer(b.back->inner, 1, 1000), new = push_layer(b.m, 2, 1000), d;
	struct luff_descriptor missing = describe("a/b", "sha256", "missing", 7);
	struct luff_reader *r;
	struct luff_name name;
	struct luff_error err;
	char rest[2000];
	size_t n;

	CHECK_STR(luff_medium_place(b.m), "faulty");
	check_reads(b.m, &old);
	check_reads(b.m, &new);
	CHECK(is_there(b.m, &old) && is_there(b.m, &new) && !is_there(b.m, &missing));
	FAILS(luff_medium_fetch(&r, b.m, &missing, 0, &err), LUFF_ENOTFOUND, missing.digest.text);
	OK(luff_medium_fetch(&r, b.m, &old, 400, &err));
	OK(luff_reader_read(&n, r, rest, sizeof rest, &err));
	CHECK_INT(n, 600);
	luff_reader_close(r);
	/* what was written is in front alone */
	CHECK(is_there(b.front->inner, &new) && !is_there(b.back->inner, &new) &&
	      !is_there(b.front->inner, &old));
	/* names: the front's first */
	old = push_image(b.back->inner, "v1", "amd64", &old, 1);
	name = by_tag("v1");
	OK(luff_medium_resolve(&d, NULL, b.m, &name, &err));
	CHECK_STR(d.digest.text, old.digest.text);
	new = push_image(b.m, "v1", "arm64", &new, 1);
	OK(luff_medium_resolve(&d, NULL, b.m, &name, &err));
	CHECK_STR(d.digest.text, new.digest.text);
	OK(luff_medium_resolve(&d, NULL, b.back->inner, &name, &err));
	CHECK_STR(d.digest.text, old.digest.text);
	for (int i = 0; i < 2; i++) {
		LUFF_AUTO(text) document = NULL;
		const struct luff_descriptor *want = i ? &old : &new;

		name = by_digest(want);
		OK(luff_medium_resolve(&d, &document, b.m, &name, &err));
		CHECK_STR(d.digest.text, want->digest.text);
		CHECK_STR(d.media_type, LUFF_MEDIA_OCI_MANIFEST);
	}
	name = by_tag("v2");
	FAILS(luff_medium_resolve(&d, NULL, b.m, &name, &err), LUFF_ENOTFOUND, "have: v1");
	CHECK_INT(b.back->pushes + b.back->tags, 0);
	both_drop(&b);
}

/* Where the front cannot answer, the back's answer would be a guess. */
static void passes_failures(void)
{
	struct both b = both_new();
	struct luff_descriptor old = push_layer(b.back->inner, 1, 1000), d;
	struct luff_name name = by_tag("v1");
	struct luff_reader *r = NULL;
	struct luff_error err;

	push_image(b.back->inner, "v1", "amd64", &old, 1);
	faulty_reset(b.front);
	b.front->fail_at = 1;
	FAILS(luff_medium_resolve(&d, NULL, b.m, &name, &err), INJECTED, "injected");
	faulty_reset(b.back);
	b.back->fail_at = 1;
	FAILS(luff_medium_fetch(&r, b.m, &old, 0, &err), INJECTED, "injected");
	b.back->fail_at = b.back->calls + 1;
	{
		bool there;

		FAILS(luff_medium_exists(&there, b.m, &old, &err), INJECTED, "injected");
	}
	/* damage is found behind the overlay as well */
	faulty_reset(b.back);
	b.back->flip_at = 500;
	OK(luff_medium_fetch(&r, b.m, &old, 0, &err));
	FAILS(luff_reader_drain(r, &err), LUFF_EDIGEST, old.digest.text);
	luff_reader_close(r);
	both_drop(&b);
}

static void tells_where_content_is(void)
{
	struct both b = both_new(), top = {.front = faulty_new(new_memory())};
	struct faulty *dst = faulty_new(new_memory());
	struct luff_descriptor old = push_layer(b.back->inner, 1, 10), new = push_layer(b.m, 2, 10), newest;
	struct luff_error err;
	bool mounted;

	OK(luff_overlay_new(&top.m, &top.front->base, b.m, &err));
	newest = push_layer(top.m, 3, 10);
	dst->can_mount = true;
	OK(luff_medium_mount(&mounted, &dst->base, &old, top.m, &err));
	CHECK(mounted && dst->mounted_from == &b.back->base);
	OK(luff_medium_mount(&mounted, &dst->base, &new, top.m, &err));
	CHECK(mounted && dst->mounted_from == &b.front->base);
	OK(luff_medium_mount(&mounted, &dst->base, &newest, top.m, &err));
	CHECK(mounted && dst->mounted_from == &top.front->base);
	check_reads(top.m, &old);
	check_reads(top.m, &newest);
	/* an overlay takes nothing over itself */
	OK(luff_medium_mount(&mounted, top.m, &old, &dst->base, &err));
	CHECK(!mounted);
	luff_medium_unref(&dst->base);
	luff_medium_unref(top.m);
	luff_medium_unref(&top.front->base);
	both_drop(&b);
}

static void refuses(void)
{
	struct both b = both_new();
	struct luff_name name = by_tag("v1");
	struct luff_cursor *c;
	struct luff_error err;

	FAILS(luff_medium_tags(&c, b.m, &err), LUFF_ENOTSUP, "tags");
	FAILS(luff_medium_remove(&(struct luff_digest){""}, b.m, &name, false, &err), LUFF_ENOTSUP, "");
	b.front->ops.push = NULL;
	b.front->ops.tag = NULL;
	{
		struct luff_descriptor d = describe("a/b", "sha256", "x", 1);

		FAILS(luff_medium_push_bytes(b.m, &d, "x", &err), LUFF_ENOTSUP, "read-only");
		FAILS(luff_medium_tag(b.m, &d, "x", "v1", &err), LUFF_ENOTSUP, "read-only");
	}
	both_drop(&b);
}

int main(void)
{
	reads_through();
	passes_failures();
	tells_where_content_is();
	refuses();
	return check_end();
}
