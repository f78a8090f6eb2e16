/* Copying: what moves, in which order, how often; what is left when something breaks, at every call. */
#include <pthread.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/scope.h"
#include "faulty.h"
#include "image.h"

/* A source and a destination that count. */
struct pair {
	struct faulty *src, *dst;
};

static struct pair pair_new(void)
{
	return (struct pair){.src = faulty_new(new_memory()), .dst = faulty_new(new_memory())};
}

static void pair_reset(struct pair *p)
{
	faulty_reset(p->src);
	faulty_reset(p->dst);
}

static void pair_drop(struct pair *p)
{
	luff_medium_unref(&p->src->base);
	luff_medium_unref(&p->dst->base);
}

static int copy(struct luff_copy_result *out, struct pair *p, const char *tag,
		const struct luff_copy_options *options, struct luff_error *err)
{
	struct luff_name name = by_tag(tag);

	return luff_copy(out, &p->dst->base, &name, &p->src->base, &name, options, err);
}

/* The whole tree below d is in m, and its bytes are right. */
static void check_whole(struct luff_medium *m, const struct luff_descriptor *d)
{
	LUFF_AUTO(text) bytes = NULL;
	struct luff_document doc;
	struct luff_error err;

	if (!OK(luff_medium_fetch_all(&bytes, m, d, 64 << 20, &err)) || !d->manifest)
		return;
	if (!OK(luff_document_parse(&doc, bytes, (size_t)d->size, NULL, &err)))
		return;
	if (!doc.is_index)
		check_whole(m, &doc.config);
	for (size_t i = 0; i < doc.count; i++) {
		if (!faulty_is_foreign(&doc.entries[i]))
			check_whole(m, &doc.entries[i]);
	}
	luff_document_release(&doc);
}

/* The tag stands for d, and all of d is there. */
static void check_tagged(struct luff_medium *m, const char *tag, const struct luff_descriptor *d)
{
	struct luff_name name = by_tag(tag);
	struct luff_descriptor have;
	struct luff_error err;

	OK(luff_medium_resolve(&have, NULL, m, &name, &err));
	CHECK_STR(have.digest.text, d->digest.text);
	check_whole(m, d);
}

static void check_untagged(struct luff_medium *m, const char *tag)
{
	struct luff_name name = by_tag(tag);
	struct luff_descriptor d;
	struct luff_error err;

	FAILS(luff_medium_resolve(&d, NULL, m, &name, &err), LUFF_ENOTFOUND, "");
}

/* Two platforms over three layers, one of them in both, one twice in the same image. */
static struct luff_descriptor push_two(struct luff_medium *m, const char *tag, unsigned seed)
{
	struct luff_descriptor a = push_layer(m, 3 * seed, 70000), b = push_layer(m, 3 * seed + 1, 300),
			       c = push_layer(m, 3 * seed + 2, 5000);
	struct luff_descriptor images[] = {
		push_image(m, NULL, "amd64", (struct luff_descriptor[]){a, b, b}, 3),
		push_image(m, NULL, "arm64", (struct luff_descriptor[]){a, c}, 2),
	};

	return push_index(m, tag, images, 2);
}

/* ---- what moves ---- */

struct events {
	int start, done, skipped, mounted;
	int64_t bytes, total;
	atomic_int inside;
};

static void on_event(void *arg, const struct luff_progress *event)
{
	struct events *e = arg;

	CHECK_INT(atomic_fetch_add(&e->inside, 1), 0); /* one call at a time */
	e->start += event->kind == LUFF_PROGRESS_START;
	e->done += event->kind == LUFF_PROGRESS_DONE;
	e->skipped += event->kind == LUFF_PROGRESS_SKIPPED;
	e->mounted += event->kind == LUFF_PROGRESS_MOUNTED;
	e->bytes += event->bytes;
	e->total = event->total;
	CHECK(event->descriptor->size > 0 && (event->kind == LUFF_PROGRESS_BYTES) == (event->bytes > 0));
	atomic_fetch_sub(&e->inside, 1);
}

static void copies_once(void)
{
	for (int jobs = 1; jobs <= 64; jobs *= 4) {
		struct pair p = pair_new();
		struct luff_descriptor root = push_two(p.src->inner, "v1", 1);
		struct events events = {0};
		struct luff_scope scope = {.progress = on_event, .progress_arg = &events};
		struct luff_copy_options options = {.jobs = jobs};
		struct luff_copy_result result;
		struct luff_error err;
		int64_t bytes;

		luff_scope_enter(&scope);
		OK(copy(&result, &p, "v1", &options, &err));
		luff_scope_leave(&scope);
		check_tagged(p.dst->inner, "v1", &root);
		CHECK_STR(result.root.digest.text, root.digest.text);
		CHECK_INT(result.copied, 5); /* three layers, two configs */
		CHECK_INT(result.manifests, 3);
		CHECK_INT(result.skipped + result.mounted, 0);
		bytes = result.bytes;
		CHECK_INT(events.start, 5);
		CHECK_INT(events.done, 5);
		CHECK_INT(events.bytes, bytes);
		CHECK_INT(events.total, bytes);
		CHECK_INT(p.src->fetches, 5 + 2 + (int)(p.src->resolves == 1));
		CHECK_INT(p.dst->pushes, 7);
		CHECK_INT(p.dst->tags, 1);
		/* and once more: nothing moves, nothing is written */
		pair_reset(&p);
		events = (struct events){0};
		luff_scope_enter(&scope);
		OK(copy(&result, &p, "v1", &options, &err));
		luff_scope_leave(&scope);
		CHECK_INT(result.copied + result.bytes + result.manifests + result.mounted, 0);
		CHECK_INT(result.skipped, 5);
		CHECK_INT(events.skipped, 5);
		CHECK_INT(events.total, bytes);
		CHECK_INT(p.dst->pushes + p.dst->tags, 0);
		/* another tag needs the name alone */
		pair_reset(&p);
		{
			struct luff_name from = by_tag("v1"), to = by_tag("v2");

			OK(luff_copy(&result, &p.dst->base, &to, &p.src->base, &from, &options, &err));
		}
		CHECK_INT(result.copied + result.bytes, 0);
		CHECK_INT(p.dst->pushes, 0);
		CHECK_INT(p.dst->tags, 1);
		check_tagged(p.dst->inner, "v2", &root);
		pair_drop(&p);
	}
}

/* A manifest at two depths, indexes in indexes, the same index twice: written once, before the lowest of their parents. */
static void orders_nested_indexes(void)
{
	struct pair p = pair_new();
	struct luff_medium *m = p.src->inner;
	struct luff_descriptor layer = push_layer(m, 1, 100);
	struct luff_descriptor x = push_image(m, NULL, "amd64", &layer, 1),
			       y = push_image(m, NULL, "arm64", &layer, 1);
	struct luff_descriptor inner = push_index(m, NULL, (struct luff_descriptor[]){x, y}, 2);
	struct luff_descriptor middle = push_index(m, NULL, (struct luff_descriptor[]){inner, y, x}, 3);
	struct luff_descriptor outer =
		push_index(m, NULL, (struct luff_descriptor[]){x, middle, inner, middle}, 4);
	struct luff_descriptor empty = push_index(m, NULL, NULL, 0);
	struct luff_descriptor bare = push_image(m, NULL, "s390x", NULL, 0);
	struct luff_descriptor root =
		push_index(m, "v1", (struct luff_descriptor[]){y, inner, outer, x, empty, bare, middle}, 7);
	struct luff_copy_result result;
	struct luff_error err;

	OK(copy(&result, &p, "v1", NULL, &err));
	CHECK_INT(result.manifests, 8);
	CHECK_INT(result.copied, 4);
	CHECK_INT(p.dst->pushes, 4 + 7);
	check_tagged(p.dst->inner, "v1", &root);
	pair_drop(&p);
}

static void leaves_foreign_layers(void)
{
	static const char *const types[] = {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
					    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"};
	struct pair p = pair_new();
	struct luff_descriptor layers[3] = {push_layer(p.src->inner, 1, 100)}, root;
	struct luff_copy_result result;
	struct luff_error err;

	for (size_t i = 0; i < 2; i++)
		layers[i + 1] = describe(types[i], "sha256", types[i], strlen(types[i]));
	root = push_image(p.src->inner, "v1", "amd64", layers, 3);
	OK(copy(&result, &p, "v1", NULL, &err));
	CHECK_INT(result.copied, 2);
	check_tagged(p.dst->inner, "v1", &root);
	pair_drop(&p);
}

/* BuildKit's caches are indexes of layers; artifacts have manifests of any type. */
static void copies_odd_indexes(void)
{
	struct pair p = pair_new();
	struct luff_medium *m = p.src->inner;
	struct luff_descriptor layer = push_layer(m, 1, 100), other = push_layer(m, 2, 100);
	struct luff_descriptor artifact = push_image(m, NULL, "amd64", &layer, 1), root;
	struct luff_copy_result result;
	struct luff_error err;

	root = push_index(m, "cache", (struct luff_descriptor[]){layer, other, artifact, layer}, 4);
	OK(copy(&result, &p, "cache", NULL, &err));
	CHECK_INT(result.copied, 3);
	CHECK_INT(result.manifests, 2);
	check_tagged(p.dst->inner, "cache", &root);
	pair_drop(&p);
}

static void copies_sha512(void)
{
	struct pair p = pair_new();
	struct luff_medium *m = p.src->inner;
	struct luff_descriptor layer = describe(GZIP_LAYER, "sha512", "layer", 5),
			       config = push(m, LUFF_MEDIA_OCI_CONFIG, "{}", 2);
	struct luff_descriptor root;
	struct luff_error err;

	OK(luff_medium_push_bytes(m, &layer, "layer", &err));
	root = push_list(m, "v1", LUFF_MEDIA_OCI_MANIFEST, &config, &layer, 1);
	OK(copy(NULL, &p, "v1", NULL, &err));
	check_tagged(p.dst->inner, "v1", &root);
	pair_drop(&p);
}

/* Large enough for a thread of its own that reads ahead. */
static void copies_large_blobs(void)
{
	struct pair p = pair_new();
	struct luff_descriptor layers[6], root;
	struct luff_copy_options options = {.jobs = 3};
	struct luff_copy_result result;
	struct luff_error err;

	for (unsigned i = 0; i < 6; i++)
		layers[i] = push_layer(p.src->inner, i, (1 << 20) + 100000 * i);
	root = push_image(p.src->inner, "v1", "amd64", layers, 6);
	OK(copy(&result, &p, "v1", &options, &err));
	CHECK_INT(result.copied, 7);
	check_tagged(p.dst->inner, "v1", &root);
	/* damage in any of them */
	for (int i = 0; i < 2; i++) {
		pair_drop(&p);
		p = pair_new();
		for (unsigned k = 0; k < 6; k++)
			layers[k] = push_layer(p.src->inner, k, (1 << 20) + 100000 * k);
		push_image(p.src->inner, "v1", "amd64", layers, 6);
		p.src->flip_at = i ? 1000000 : -1;
		p.src->break_at = i ? -1 : 900000;
		FAILS(copy(&result, &p, "v1", &options, &err), i ? LUFF_EDIGEST : INJECTED,
		      i ? "sha256:" : "injected after");
		for (unsigned k = 0; k < 6; k++)
			CHECK(!is_there(p.dst->inner, &layers[k]));
		check_untagged(p.dst->inner, "v1");
	}
	pair_drop(&p);
}

/* ---- names and choices ---- */

static int copy_named(struct pair *p, const char *dst_tag, const char *dst_digest, const char *src_tag,
		      const char *src_digest, struct luff_error *err)
{
	struct luff_name dst = by_tag(dst_tag), src = by_tag(src_tag);

	snprintf(dst.digest.text, sizeof dst.digest.text, "%s", dst_digest);
	snprintf(src.digest.text, sizeof src.digest.text, "%s", src_digest);
	return luff_copy(NULL, &p->dst->base, &dst, &p->src->base, &src, NULL, err);
}

static void names(void)
{
	struct pair p = pair_new();
	struct luff_descriptor root = push_two(p.src->inner, "v1", 1),
			       other = push_two(p.src->inner, "v2", 2);
	struct luff_error err;

	FAILS(copy_named(&p, "", "", "", root.digest.text, &err), LUFF_EINVAL,
	      "name a tag for the destination");
	FAILS(copy_named(&p, "", other.digest.text, "v1", "", &err), LUFF_EDIGEST, "asked to become");
	FAILS(copy_named(&p, "x", other.digest.text, "v1", "", &err), LUFF_EDIGEST, "asked to become");
	FAILS(copy_named(&p, "", "", "v3", "", &err), LUFF_ENOTFOUND, "have: v1, v2");
	CHECK_INT(p.dst->pushes + p.dst->tags, 0);
	/* the source's tag, where the destination has none */
	OK(copy_named(&p, "", "", "v1", "", &err));
	check_tagged(p.dst->inner, "v1", &root);
	OK(copy_named(&p, "v3", other.digest.text, "v2", "", &err));
	check_tagged(p.dst->inner, "v3", &other);
	check_untagged(p.dst->inner, "v2");
	/* a digest alone is no tag: all of it comes, and no name */
	pair_drop(&p);
	p = pair_new();
	root = push_two(p.src->inner, "v1", 1);
	OK(copy_named(&p, "", root.digest.text, "v1", "", &err));
	CHECK_INT(p.dst->tags, 0);
	check_whole(p.dst->inner, &root);
	check_untagged(p.dst->inner, "v1");
	/* within one medium: one more name */
	{
		struct luff_name from = by_tag("v1"), to = by_tag("v9");
		struct luff_copy_result result;

		OK(luff_copy(&result, &p.src->base, &to, &p.src->base, &from, NULL, &err));
		CHECK_INT(result.copied + result.bytes, 0);
		check_tagged(p.src->inner, "v9", &root);
	}
	pair_drop(&p);
}

static void chooses_platforms(void)
{
	struct pair p = pair_new();
	struct luff_descriptor root = push_two(p.src->inner, "v1", 1);
	struct luff_platform platform;
	struct luff_copy_options options = {.platform = &platform};
	struct luff_copy_result result;
	struct luff_error err;

	OK(luff_platform_parse(&platform, "linux/s390x", &err));
	FAILS(copy(&result, &p, "v1", &options, &err), LUFF_ENOTFOUND, "have: linux/amd64, linux/arm64");
	CHECK_INT(p.dst->pushes, 0);
	OK(luff_platform_parse(&platform, "linux/arm64/v8", &err));
	OK(copy(&result, &p, "v1", &options, &err));
	CHECK_INT(result.copied, 3);
	CHECK_INT(result.manifests, 1);
	CHECK(!is_there(p.dst->inner, &root));
	check_tagged(p.dst->inner, "v1", &result.root);
	pair_drop(&p);
}

static void refuses(void)
{
	struct pair p = pair_new();
	struct luff_copy_options options = {.jobs = -1};
	struct luff_copy_result result;
	struct luff_error err;

	memset(&result, 'x', sizeof result);
	push_two(p.src->inner, "v1", 1);
	FAILS(copy(&result, &p, "v1", &options, &err), LUFF_EINVAL, "jobs");
	CHECK_INT(result.copied + result.bytes, 0);
	options.jobs = 65;
	FAILS(copy(&result, &p, "v1", &options, &err), LUFF_EINVAL, "jobs");
	p.dst->ops.tag = NULL;
	FAILS(copy(&result, &p, "v1", NULL, &err), LUFF_ENOTSUP, "read-only");
	p.dst->ops.push = NULL;
	FAILS(copy(&result, &p, "v1", NULL, &err), LUFF_ENOTSUP, "read-only");
	CHECK_INT(p.src->calls + p.dst->calls, 0);
	pair_drop(&p);
}

/* ---- what the destination can do ---- */

static void mounts(void)
{
	struct pair p = pair_new();
	struct luff_descriptor root = push_two(p.src->inner, "v1", 1);
	struct events events = {0};
	struct luff_scope scope = {.progress = on_event, .progress_arg = &events};
	struct luff_copy_result result;
	struct luff_error err;

	p.dst->can_mount = true;
	luff_scope_enter(&scope);
	OK(copy(&result, &p, "v1", NULL, &err));
	luff_scope_leave(&scope);
	CHECK_INT(result.mounted, 5);
	CHECK_INT(events.mounted, 5);
	CHECK_INT(result.copied + result.bytes, 0);
	check_tagged(p.dst->inner, "v1", &root);
	pair_drop(&p);
}

/* Where a manifest is never without what it lists, the rest is not asked for. */
static void asks_little_of_complete_places(void)
{
	struct pair p = pair_new();
	struct luff_descriptor root = push_two(p.src->inner, "v1", 1), other;
	struct luff_copy_result result;
	struct luff_error err;

	p.dst->ops.complete = true;
	OK(copy(&result, &p, "v1", NULL, &err));
	CHECK_INT(result.copied, 5);
	check_tagged(p.dst->inner, "v1", &root);
	pair_reset(&p);
	OK(copy(&result, &p, "v1", NULL, &err));
	CHECK_INT(p.dst->exists + p.dst->pushes + p.dst->tags, 0);
	CHECK_INT(p.src->fetches, 0);
	/* an index over one that is there and one that is not */
	{
		struct luff_descriptor layer = push_layer(p.src->inner, 77, 100);
		struct luff_descriptor image = push_image(p.src->inner, NULL, "amd64", &layer, 1);

		other = push_index(p.src->inner, "v2", (struct luff_descriptor[]){root, image}, 2);
	}
	pair_reset(&p);
	OK(copy(&result, &p, "v2", NULL, &err));
	CHECK_INT(result.copied, 1);
	CHECK_INT(result.manifests, 2);
	check_tagged(p.dst->inner, "v2", &other);
	pair_drop(&p);
}

/* What a medium cannot be asked is tried. */
static void copies_without_exists(void)
{
	struct pair p = pair_new();
	struct luff_descriptor root = push_two(p.src->inner, "v1", 1);
	struct luff_copy_result result;
	struct luff_error err;

	p.dst->ops.exists = NULL;
	p.dst->ops.mount = NULL;
	for (int i = 0; i < 2; i++) {
		OK(copy(&result, &p, "v1", NULL, &err));
		CHECK_INT(i ? result.skipped : result.copied, 5);
	}
	check_tagged(p.dst->inner, "v1", &root);
	pair_drop(&p);
}

/* Somebody else's half written manifest with the right size: what cannot be read is written anew. */
static void mends_manifests(void)
{
	struct pair p = pair_new();
	struct luff_medium *layout = open_layout(scratch("mend"));
	struct luff_descriptor root = push_two(p.src->inner, "v1", 1);
	struct luff_name name = by_tag("v1");
	LUFF_AUTO(text) zeros = calloc(1, (size_t)root.size);
	struct luff_error err;

	OK(luff_copy(NULL, layout, &name, &p.src->base, &name, NULL, &err));
	write_file(scratch("mend/blobs/sha256/%s", luff_digest_hex(&root.digest)), zeros, (size_t)root.size);
	OK(luff_copy(NULL, layout, &name, &p.src->base, &name, NULL, &err));
	check_tagged(layout, "v1", &root);
	luff_medium_unref(layout);
	pair_drop(&p);
}

/* ---- what breaks ---- */

/* Fails at every call of one side in turn: the name is old or new, what is seen is whole, the next run ends the work. */
static void survives_each_failure(bool at_source, int jobs, bool complete)
{
	struct luff_copy_options options = {.jobs = jobs};
	int failed = 0;

	for (int n = 1; n < 1000; n++) {
		struct pair p = pair_new();
		struct luff_descriptor old = push_two(p.dst->inner, "v1", 1), new;
		struct luff_copy_result first, second;
		struct luff_error err = {0};
		int rc;

		push_two(p.src->inner, "old", 1);
		new = push_two(p.src->inner, "v1", 2);
		p.dst->ops.complete = complete;
		(at_source ? p.src : p.dst)->fail_at = n;
		rc = copy(&first, &p, "v1", &options, &err);
		if (rc == 0) {
			CHECK((at_source ? p.src : p.dst)->calls < n);
			check_tagged(p.dst->inner, "v1", &new);
			pair_drop(&p);
			break;
		}
		failed++;
		CHECK_INT(rc, INJECTED); /* never the cancellation of the others */
		CHECK_INT(err.code, INJECTED);
		check_tagged(p.dst->inner, "v1", &old);
		pair_reset(&p);
		OK(copy(&second, &p, "v1", &options, &err));
		check_tagged(p.dst->inner, "v1", &new);
		CHECK(second.copied <= 5);
		if (!complete)
			CHECK_INT(second.copied + second.skipped, 5);
		pair_drop(&p);
	}
	CHECK_INT(failed, at_source ? 7 : 18); /* both images share their configs */
}

/* What moved before the failure does not move again. */
static void continues(void)
{
	struct pair p = pair_new();
	struct luff_descriptor layers[4], root;
	struct luff_copy_options options = {.jobs = 1};
	struct luff_copy_result result;
	struct luff_error err;

	for (unsigned i = 0; i < 4; i++)
		layers[i] = push_layer(p.src->inner, i, 40000 - i * 10000);
	root = push_image(p.src->inner, "v1", "amd64", layers, 4);
	p.src->break_at = 35000; /* the largest goes first, and breaks */
	FAILS(copy(&result, &p, "v1", &options, &err), INJECTED, "injected after 35000");
	CHECK(!is_there(p.dst->inner, &layers[0]));
	p.src->break_at = -1;
	p.src->fail_at = p.src->calls + 5; /* resolve, manifest, then the third blob */
	FAILS(copy(&result, &p, "v1", &options, &err), INJECTED, "injected at call");
	CHECK(is_there(p.dst->inner, &layers[0]) && is_there(p.dst->inner, &layers[1]));
	pair_reset(&p);
	OK(copy(&result, &p, "v1", &options, &err));
	CHECK_INT(result.skipped, 2);
	CHECK_INT(result.copied, 3);
	check_tagged(p.dst->inner, "v1", &root);
	pair_drop(&p);
}

static void finds_damage(void)
{
	struct pair p = pair_new();
	struct luff_descriptor layer = push_layer(p.src->inner, 1, 100), root;
	struct luff_error err;

	root = push_image(p.src->inner, "v1", "amd64", &layer, 1);
	p.src->flip_at = 50;
	FAILS(copy(NULL, &p, "v1", NULL, &err), LUFF_EDIGEST, "faulty: the bytes of sha256:");
	CHECK(!is_there(p.dst->inner, &root));
	check_untagged(p.dst->inner, "v1");
	/* sizes that lie */
	p.src->flip_at = -1;
	layer.size = 99;
	push_image(p.src->inner, "v2", "amd64", &layer, 1);
	FAILS(copy(NULL, &p, "v2", NULL, &err), LUFF_ESIZE, "more than the 99 bytes");
	layer.size = 101;
	push_image(p.src->inner, "v2", "amd64", &layer, 1);
	FAILS(copy(NULL, &p, "v2", NULL, &err), LUFF_EFORMAT, "ends after 100 of 101");
	layer.size = INT64_C(9007199254740991);
	push_image(p.src->inner, "v2", "amd64", &layer, 1);
	FAILS(copy(NULL, &p, "v2", NULL, &err), LUFF_EFORMAT, "ends after 100 of");
	CHECK(!is_there(p.dst->inner, &layer));
	pair_drop(&p);
}

/* A destination without room: nothing of what did not fit stays. */
static void fills_up(void)
{
	struct pair p = pair_new();
	struct luff_medium *small = NULL;
	struct luff_name name = by_tag("v1");
	struct luff_descriptor layer = push_layer(p.src->inner, 1, 70000);
	struct luff_error err;

	push_image(p.src->inner, "v1", "amd64", &layer, 1);
	OK(luff_memory_new(&small, 60000, &err));
	FAILS(luff_copy(NULL, small, &name, &p.src->base, &name, NULL, &err), LUFF_ELIMIT, "memory: ");
	check_untagged(small, "v1");
	CHECK(!is_there(small, &layer));
	luff_medium_unref(small);
	pair_drop(&p);
}

static void cancel_scope(void *scope)
{
	luff_scope_cancel(scope);
}

static void cancels(void)
{
	for (int n = 1; n < 40; n++) {
		struct pair p = pair_new();
		struct luff_descriptor root = push_two(p.src->inner, "v1", 1);
		struct luff_scope scope = {0};
		struct luff_error err = {0};
		int rc;

		p.dst->on_call = n % 2 ? cancel_scope : NULL;
		p.src->on_call = n % 2 ? NULL : cancel_scope;
		p.dst->on_call_arg = p.src->on_call_arg = &scope;
		luff_scope_enter(&scope);
		rc = copy(NULL, &p, "v1", NULL, &err);
		luff_scope_leave(&scope);
		CHECK_INT(rc, LUFF_ECANCELED);
		check_untagged(p.dst->inner, "v1");
		p.dst->on_call = p.src->on_call = NULL;
		OK(copy(NULL, &p, "v1", NULL, &err));
		check_tagged(p.dst->inner, "v1", &root);
		pair_drop(&p);
	}
}

/* ---- what is hostile ---- */

struct small_job {
	struct luff_job job;
	struct pair *pair;
	struct luff_error err;
	int rc;
	atomic_bool done;
};

static void run_small(struct luff_job *job)
{
	struct small_job *j = (struct small_job *)job;

	j->rc = copy(NULL, j->pair, "v1", NULL, &j->err);
	atomic_store(&j->done, true);
}

/* On a worker thread, whose stack is small. */
static int copy_in_worker(struct pair *p, struct luff_error *err)
{
	struct small_job job = {.job.run = run_small, .pair = p, .err = *err};

	CHECK(luff_pool_start(&job.job));
	while (!atomic_load(&job.done)) /* whoever waits for it might run it here */
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	luff_pool_wait(&job.job);
	*err = job.err;
	return job.rc;
}

/* A chain whose every link hangs below the root as well: level by level it is flat, and from the top it is deep. */
static void caps_depth(void)
{
	static const int lengths[] = {LUFF_DEPTH_MAX - 1, LUFF_DEPTH_MAX, 100, 9000};

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		for (int flat = 0; flat < 2; flat++) {
			struct pair p = pair_new();
			struct luff_descriptor *links = calloc((size_t)lengths[i] + 1, sizeof *links), root;
			struct luff_error err;
			int n = lengths[i];

			if (!flat && n > 100)
				n = 100;
			for (int k = 0; k < n; k++)
				links[k] = push_index(p.src->inner, NULL, k ? &links[k - 1] : NULL, k > 0);
			root = flat ? push_index(p.src->inner, "v1", links, (size_t)n)
				    : push_index(p.src->inner, "v1", &links[n - 1], 1);
			if (n < LUFF_DEPTH_MAX) {
				OK(copy_in_worker(&p, &err));
				check_tagged(p.dst->inner, "v1", &root);
			} else {
				FAILS(copy_in_worker(&p, &err), LUFF_ELIMIT, "nested deeper than 16");
				check_untagged(p.dst->inner, "v1");
			}
			free(links);
			pair_drop(&p);
		}
	}
}

static void caps_manifests(void)
{
	struct pair p = pair_new();
	struct luff_descriptor *entries = calloc(65536, sizeof *entries);
	struct luff_error err;

	/* many */
	for (int i = 0; i < 10001; i++) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		entries[i] = describe(LUFF_MEDIA_OCI_MANIFEST, "sha256", text, strlen(text));
	}
	push_index(p.src->inner, "v1", entries, 10001);
	pair_reset(&p);
	FAILS(copy(NULL, &p, "v1", NULL, &err), LUFF_ELIMIT, "more manifests than 10000");
	CHECK_INT(p.src->fetches, 1);
	/* large: refused by what they claim, before any is fetched */
	for (int i = 0; i < 100; i++)
		entries[i].size = 1 << 20;
	push_index(p.src->inner, "v1", entries, 100);
	pair_reset(&p);
	FAILS(copy(NULL, &p, "v1", NULL, &err), LUFF_ELIMIT, "more bytes of manifests than");
	CHECK_INT(p.src->fetches, 1);
	for (int i = 0; i < 100; i++)
		entries[i].size = INT64_C(9007199254740991);
	push_index(p.src->inner, "v1", entries, 100);
	FAILS(copy(NULL, &p, "v1", NULL, &err), LUFF_ELIMIT, "more bytes of manifests than");
	/* one that is too large alone */
	entries[0].size = LUFF_MANIFEST_MAX + 1;
	push_index(p.src->inner, "v1", entries, 1);
	FAILS(copy(NULL, &p, "v1", NULL, &err), LUFF_ELIMIT, "bytes, more than");
	free(entries);
	pair_drop(&p);
}

/* An entry says index and is an image, and the other way round (CVE-2021-41190). */
static void refuses_liars(void)
{
	struct pair p = pair_new();
	struct luff_descriptor layer = push_layer(p.src->inner, 1, 100);
	struct luff_descriptor image = push_image(p.src->inner, NULL, "amd64", &layer, 1);
	struct luff_descriptor index = push_index(p.src->inner, NULL, &image, 1);
	struct luff_error err;

	snprintf(image.media_type, sizeof image.media_type, "%s", LUFF_MEDIA_OCI_INDEX);
	push_index(p.src->inner, "v1", &image, 1);
	FAILS(copy(NULL, &p, "v1", NULL, &err), LUFF_EFORMAT, "faulty: ");
	snprintf(index.media_type, sizeof index.media_type, "%s", LUFF_MEDIA_DOCKER_MANIFEST);
	push_index(p.src->inner, "v1", &index, 1);
	FAILS(copy(NULL, &p, "v1", NULL, &err), LUFF_EFORMAT, "faulty: ");
	check_untagged(p.dst->inner, "v1");
	pair_drop(&p);
}

/* Many copies at once between the same places. */
static int copy_tag(void *arg, size_t i, struct luff_error *err)
{
	char tag[16];

	snprintf(tag, sizeof tag, "v%zu", i % 5);
	return copy(NULL, arg, tag, NULL, err);
}

static void copies_at_once(void)
{
	struct pair p = pair_new();
	struct luff_descriptor roots[5];
	struct luff_error err;
	char tag[16];

	for (unsigned i = 0; i < 5; i++) {
		snprintf(tag, sizeof tag, "v%u", i);
		roots[i] = push_two(p.src->inner, tag, i);
	}
	OK(luff_pool_each(40, 16, copy_tag, &p, &err));
	for (unsigned i = 0; i < 5; i++) {
		snprintf(tag, sizeof tag, "v%u", i);
		check_tagged(p.dst->inner, tag, &roots[i]);
	}
	pair_drop(&p);
}

int main(void)
{
	struct luff_error err;
	int before = count_open();

	CHECK(luff_init(&err) == 0);
	copies_once();
	orders_nested_indexes();
	leaves_foreign_layers();
	copies_odd_indexes();
	copies_sha512();
	copies_large_blobs();
	names();
	chooses_platforms();
	refuses();
	mounts();
	asks_little_of_complete_places();
	copies_without_exists();
	mends_manifests();
	for (int jobs = 1; jobs <= 16; jobs *= 4) {
		survives_each_failure(true, jobs, false);
		survives_each_failure(false, jobs, false);
		survives_each_failure(false, jobs, true);
	}
	continues();
	finds_damage();
	fills_up();
	cancels();
	caps_depth();
	caps_manifests();
	refuses_liars();
	copies_at_once();
	luff_shutdown();
	CHECK_INT(count_open(), before);
	return check_end();
}
