/* Layouts on disk and in memory: one suite over both, then index.json as others write it, then names of layouts. */
#include <pthread.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "image.h"
#include "mediums/mediums.h"
#include "store/backing.h"
#include "stream/streams.h"

#define REF_NAME "org.opencontainers.image.ref.name"

/* The message names the place, and once. */
static void check_place(const struct luff_medium *m, const struct luff_error *err)
{
	const char *at = strstr(err->msg, luff_medium_place(m));

	if (!CHECK(at == err->msg) || !CHECK(!strstr(at + 1, luff_medium_place(m))))
		fprintf(stderr, "\t%s\n", err->msg);
}

#define FAILS_HERE(call, code, part) (FAILS(call, code, part) ? check_place(m, &err) : (void)0)

static char *tags_of(struct luff_medium *m)
{
	static char text[4096];
	LUFF_AUTO(cursor) c = NULL;
	const char *tag = "";
	struct luff_error err;

	text[0] = '\0';
	OK(luff_medium_tags(&c, m, &err));
	while (c && tag) {
		OK(luff_cursor_next(&tag, c, &err));
		if (tag)
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] ? " " : "",
				 tag);
	}
	/* the end is for good */
	OK(luff_cursor_next(&tag, c, &err));
	CHECK(!tag);
	return text;
}

static int resolve(struct luff_descriptor *out, struct luff_medium *m, struct luff_name name,
		   struct luff_error *err)
{
	return luff_medium_resolve(out, NULL, m, &name, err);
}

/* ---- both ---- */

static void names(struct luff_medium *m)
{
	struct luff_descriptor layer = push_layer(m, 1, 100), one, two, d;
	LUFF_AUTO(text) document = NULL;
	struct luff_name name;
	struct luff_error err;

	FAILS_HERE(resolve(&d, m, by_tag(""), &err), LUFF_ENOTFOUND,
		   "choose one image by its tag (have: none)");
	FAILS_HERE(resolve(&d, m, by_tag("v1"), &err), LUFF_ENOTFOUND, "no tag v1 (have: none)");
	CHECK_STR(tags_of(m), "");
	one = push_image(m, "v1", "amd64", &layer, 1);
	OK(resolve(&d, m, by_tag(""), &err));
	CHECK_STR(d.digest.text, one.digest.text);
	two = push_image(m, "v2", "arm64", &layer, 1);
	CHECK_STR(tags_of(m), "v1 v2");
	OK(resolve(&d, m, by_tag("v1"), &err));
	CHECK(luff_digest_equal(&d.digest, &one.digest) && d.size == one.size && d.manifest);
	CHECK_STR(d.media_type, LUFF_MEDIA_OCI_MANIFEST);
	FAILS_HERE(resolve(&d, m, by_tag(""), &err), LUFF_ENOTFOUND,
		   "choose one image by its tag (have: v1, v2)");
	FAILS_HERE(resolve(&d, m, by_tag("v"), &err), LUFF_ENOTFOUND, "no tag v (have: v1, v2)");
	FAILS_HERE(resolve(&d, m, by_tag("V1"), &err), LUFF_ENOTFOUND, "have: v1, v2");
	FAILS_HERE(resolve(&d, m, by_tag("a\033[0m\nb"), &err), LUFF_ENOTFOUND, "no tag a?[0m?b");
	/* with both, the digest decides */
	name = by_digest(&two);
	snprintf(name.tag, sizeof name.tag, "v1");
	OK(luff_medium_resolve(&d, &document, m, &name, &err));
	CHECK_STR(d.digest.text, two.digest.text);
	CHECK_STR(d.media_type, LUFF_MEDIA_OCI_MANIFEST);
	CHECK(document && (int64_t)strlen(document) == two.size);
	/* a tag that moves */
	push_image(m, "v1", "s390x", &layer, 1);
	OK(resolve(&d, m, by_tag("v1"), &err));
	CHECK(!luff_digest_equal(&d.digest, &one.digest));
	CHECK_STR(tags_of(m), "v2 v1");
	OK(resolve(&d, m, by_digest(&one), &err));
	/* tags of layouts may be whole names */
	push_image(m, "registry.example:5000/a/b:c", "ppc64le", &layer, 1);
	OK(resolve(&d, m, by_tag("registry.example:5000/a/b:c"), &err));
	name = by_tag("registry.example:5000/a/b:c");
	OK(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err));
	FAILS_HERE(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err), LUFF_ENOTFOUND,
		   "have: v2, v1");
	CHECK_STR(tags_of(m), "v2 v1");
	/* a digest takes its names along */
	name = by_digest(&two);
	OK(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err));
	CHECK_STR(tags_of(m), "v1");
	FAILS_HERE(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err), LUFF_ENOTFOUND,
		   two.digest.text);
	FAILS_HERE(resolve(&d, m, by_digest(&two), &err), LUFF_ENOTFOUND, two.digest.text);
	CHECK(is_there(m, &layer));
}

static void refuses_what_is_no_manifest(struct luff_medium *m)
{
	struct luff_descriptor layer = push_layer(m, 2, 1000), d, large;
	LUFF_AUTO(text) document = NULL;
	LUFF_AUTO(text) bytes = calloc(1, LUFF_MANIFEST_MAX + 1);
	struct luff_name name = by_digest(&layer);
	struct luff_error err;

	FAILS_HERE(luff_medium_resolve(&d, &document, m, &name, &err), LUFF_EFORMAT, "JSON");
	CHECK(!document && !d.digest.text[0]);
	FAILS_HERE(resolve(&d, m, name, &err), LUFF_EFORMAT, "JSON");
	large = describe(LUFF_MEDIA_OCI_MANIFEST, "sha256", bytes, LUFF_MANIFEST_MAX + 1);
	large.manifest = true;
	FAILS(luff_medium_push_bytes(m, &large, bytes, &err), LUFF_ELIMIT, "more than");
	large = push(m, LUFF_MEDIA_OCI_LAYER, bytes, LUFF_MANIFEST_MAX + 1);
	name = by_digest(&large);
	FAILS_HERE(luff_medium_resolve(&d, &document, m, &name, &err), LUFF_ELIMIT, "more than");
}

static void pushes(struct luff_medium *m)
{
	static const char text[] = "what is pushed";
	struct luff_descriptor d = describe("a/b", "sha512", text, sizeof text - 1), wrong = d;
	struct luff_reader *r = NULL;
	LUFF_AUTO(text) bytes = NULL;
	struct luff_error err;

	CHECK(!is_there(m, &d));
	FAILS_HERE(luff_medium_fetch(&r, m, &d, 0, &err), LUFF_ENOTFOUND, d.digest.text);
	FAILS(luff_medium_push_bytes(m, &d, "what is Pushed", &err), LUFF_EDIGEST, d.digest.text);
	wrong.size++;
	OK(luff_reader_open_bytes(&r, text, sizeof text - 1, &err));
	FAILS(luff_medium_push(m, &wrong, r, &err), LUFF_EFORMAT, "ends after");
	luff_reader_close(r);
	wrong.size -= 5;
	OK(luff_reader_open_bytes(&r, text, sizeof text - 1, &err));
	FAILS(luff_medium_push(m, &wrong, r, &err), LUFF_ESIZE, "more than");
	luff_reader_close(r);
	CHECK(!is_there(m, &d));
	OK(luff_medium_push_bytes(m, &d, text, &err));
	OK(luff_medium_push_bytes(m, &d, text, &err));
	CHECK(is_there(m, &d));
	CHECK(!is_there(m, &wrong)); /* another size is another blob */
	/* bytes from the middle, from the end, from nowhere */
	for (int64_t i = 0; i <= d.size; i++) {
		char buf[64];
		size_t n;

		OK(luff_medium_fetch(&r, m, &d, i, &err));
		OK(luff_reader_read(&n, r, buf, sizeof buf, &err));
		CHECK(n == (size_t)(d.size - i) && memcmp(buf, text + i, n) == 0);
		OK(luff_reader_drain(r, &err));
		luff_reader_close(r);
	}
	FAILS_HERE(luff_medium_fetch(&r, m, &d, d.size + 1, &err), LUFF_EINVAL, "has no byte");
	FAILS_HERE(luff_medium_fetch(&r, m, &d, -1, &err), LUFF_EINVAL, "has no byte");
	CHECK(!r);
	OK(luff_medium_fetch_all(&bytes, m, &d, d.size, &err));
	CHECK_STR(bytes, text);
	free(luff_take(bytes));
	FAILS_HERE(luff_medium_fetch_all(&bytes, m, &d, d.size - 1, &err), LUFF_ELIMIT, "more than");
	/* the size that somebody claims */
	wrong = d;
	wrong.size = 3;
	FAILS_HERE(luff_medium_fetch_all(&bytes, m, &wrong, 100, &err), LUFF_ESIZE, "more than");
	wrong.size = 30;
	FAILS_HERE(luff_medium_fetch_all(&bytes, m, &wrong, 100, &err), LUFF_EFORMAT, "ends after 14 of 30");
	wrong.size = -1;
	FAILS_HERE(luff_medium_fetch_all(&bytes, m, &wrong, 100, &err), LUFF_EINVAL, "");
	wrong.size = INT64_MIN;
	FAILS_HERE(luff_medium_fetch_all(&bytes, m, &wrong, 100, &err), LUFF_EINVAL, "");
	CHECK(!bytes);
	/* nothing at all */
	d = push(m, "a/b", "", 0);
	OK(luff_medium_fetch_all(&bytes, m, &d, 0, &err));
	CHECK_STR(bytes, "");
}

static void refuses_tags(struct luff_medium *m)
{
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	struct luff_descriptor d = describe(LUFF_MEDIA_OCI_INDEX, "sha256", text, sizeof text - 1);
	char longest[LUFF_TAG_MAX + 2];
	char *before = strdup(tags_of(m));
	struct luff_error err;

	memset(longest, 'x', sizeof longest);
	longest[LUFF_TAG_MAX + 1] = '\0';
	FAILS_HERE(luff_medium_tag(m, &d, text, "", &err), LUFF_ENAME, "empty");
	FAILS_HERE(luff_medium_tag(m, &d, text, longest, &err), LUFF_ENAME, "too long");
	FAILS_HERE(luff_medium_tag(m, &d, text, "\xff", &err), LUFF_ENAME, "UTF-8");
	FAILS_HERE(luff_medium_tag(m, &d, "{\"schemaVersion\":2,\"manifestz\":[]}", "v9", &err), LUFF_EDIGEST,
		   d.digest.text);
	CHECK(!is_there(m, &d));
	CHECK_STR(tags_of(m), before);
	longest[LUFF_TAG_MAX] = '\0';
	OK(luff_medium_tag(m, &d, text, longest, &err));
	{
		struct luff_name name = by_tag(longest);

		OK(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err));
	}
	free(before);
}

struct tagger {
	struct luff_medium *m;
	struct luff_descriptor layer;
	int i;
	pthread_t thread;
};

static void *tag_often(void *arg)
{
	struct tagger *t = arg;

	for (int k = 0; k < 5; k++) {
		char tag[32];

		snprintf(tag, sizeof tag, "t%d-%d", t->i, k);
		push_image(t->m, tag, tag, &t->layer, 1);
	}
	return NULL;
}

static void check_all_tagged(struct luff_medium *m, int from, int to)
{
	for (int i = from; i < to; i++) {
		for (int k = 0; k < 5; k++) {
			struct luff_descriptor d;
			struct luff_error err;
			char tag[32];

			snprintf(tag, sizeof tag, "t%d-%d", i, k);
			OK(resolve(&d, m, by_tag(tag), &err));
		}
	}
}

static void serves_many_threads(struct luff_medium *m)
{
	struct tagger taggers[8];
	struct luff_descriptor layer = push_layer(m, 3, 100);

	for (int i = 0; i < 8; i++) {
		taggers[i] = (struct tagger){.m = m, .layer = layer, .i = i};
		CHECK(pthread_create(&taggers[i].thread, NULL, tag_often, &taggers[i]) == 0);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(taggers[i].thread, NULL);
	check_all_tagged(m, 0, 8);
}

struct remover {
	struct luff_medium *m;
	struct luff_name name;
	atomic_bool *stop;
};

static void *remove_often(void *arg)
{
	struct remover *r = arg;

	while (!atomic_load(r->stop)) {
		struct luff_error err = {0};
		int rc = luff_medium_remove(&(struct luff_digest){""}, r->m, &r->name, false, &err);

		CHECK(rc == 0 || rc == LUFF_ENOTFOUND);
		usleep(100);
	}
	return NULL;
}

/* Whoever comes first, the one who tags or the one who removes: no tag is left on what is not there. */
static void names_only_what_is_there(struct luff_medium *m)
{
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{\"a\":\"race\"}}";
	struct luff_descriptor d = describe(LUFF_MEDIA_OCI_INDEX, "sha256", text, sizeof text - 1), found;
	atomic_bool stop = false;
	struct remover r = {.m = m, .name = by_digest(&d), .stop = &stop};
	struct luff_error err;
	pthread_t thread;

	d.manifest = true;
	for (int i = 0; i < 30; i++) {
		atomic_store(&stop, false);
		CHECK(pthread_create(&thread, NULL, remove_often, &r) == 0);
		for (int k = 0; k < 5; k++)
			OK(luff_medium_tag(m, &d, text, "race", &err));
		atomic_store(&stop, true);
		pthread_join(thread, NULL);
		err = (struct luff_error){0};
		if (resolve(&found, m, by_tag("race"), &err) == 0)
			CHECK(is_there(m, &d));
	}
	OK(luff_medium_tag(m, &d, text, "race", &err));
	OK(luff_medium_remove(&(struct luff_digest){""}, m, &r.name, false, &err));
}

static void suite(struct luff_medium *m)
{
	names(m);
	refuses_what_is_no_manifest(m);
	pushes(m);
	refuses_tags(m);
	serves_many_threads(m);
	names_only_what_is_there(m);
}

/* ---- memory ---- */

static const struct luff_store_ops *plain;
static const struct luff_digest *victim;

/* Somebody removes what was just pushed, before it gets its name. */
static int remove_and_change(struct luff_store *s,
			     int (*change)(char **out_text, void *arg, const char *text, size_t len,
					   struct luff_error *err),
			     void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct luff_error ignored = {0};

	if (victim)
		CHECK_INT(luff_store_remove(s, luff_take(victim), &ignored), 0);
	return plain->change_index(s, change, arg, removed, err);
}

static void pushes_again_what_went(void)
{
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	struct luff_descriptor d = describe(LUFF_MEDIA_OCI_INDEX, "sha256", text, sizeof text - 1);
	struct luff_store_ops racing;
	struct luff_store *store;
	struct luff_medium *m;
	struct luff_error err;

	OK(luff_store_new_memory(&store, 1000, NULL, &err));
	plain = store->ops;
	racing = *plain;
	racing.change_index = remove_and_change;
	store->ops = &racing;
	OK(luff_layout_new(&m, store, "racing", &err));
	victim = &d.digest;
	OK(luff_medium_tag(m, &d, text, "v1", &err));
	CHECK(!victim && is_there(m, &d));
	CHECK_STR(tags_of(m), "v1");
	store->ops = plain;
	luff_medium_unref(m);
	luff_store_unref(store);
}

/* ---- folders ---- */

static void keeps_processes_apart(void)
{
	struct luff_medium *m = open_layout(scratch("shared"));
	struct luff_descriptor layer = push_layer(m, 3, 100);
	int status;
	pid_t pids[3];

	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct tagger t = {.m = open_layout(scratch("shared")), .layer = layer, .i = i};

			tag_often(&t);
			luff_medium_unref(t.m);
			_exit(check_end());
		}
	}
	for (int i = 0; i < 3; i++)
		CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
	check_all_tagged(m, 0, 3);
	luff_medium_unref(m);
}

static void write_index(const char *text)
{
	write_file(scratch("index/index.json"), text, strlen(text));
}

#define ENTRY "\"mediaType\":\"" LUFF_MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%d"

/* What others wrote stays, to the order of its members. */
static void keeps_what_others_wrote(void)
{
	struct luff_medium *m = open_layout(scratch("index"));
	struct luff_descriptor layer = push_layer(m, 1, 10), d;
	struct luff_name name = by_tag("ours");
	struct luff_error err;
	char text[2048], want[2048];

	d = push_image(m, NULL, "amd64", &layer, 1);
	snprintf(
		text, sizeof text,
		"{\n\"x\": [1, 123456789012345, 1.5, \"\\u00e4\\u0001\", null], \"schemaVersion\":2,\"manifests\":[\n"
		"{\"b\":true," ENTRY ",\"a\":{}}, {\"theirs\":1}, {" ENTRY ",\"annotations\":{\"" REF_NAME
		"\":\"old\",\"k\":\"v\"}}],"
		"\"annotations\":{\"z\":\"1\",\"a\":\"2\"}}\n",
		d.digest.text, (int)d.size, d.digest.text, (int)d.size);
	write_index(text);
	push_image(m, "ours", "amd64", &layer, 1);
	/* the nameless entry has a name now, the others stay */
	snprintf(want, sizeof want,
		 "{\"x\":[1,123456789012345,1.5,\"\303\244\\u0001\",null],\"schemaVersion\":2,\"manifests\":["
		 "{\"theirs\":1},{" ENTRY ",\"annotations\":{\"" REF_NAME "\":\"old\",\"k\":\"v\"}},"
		 "{" ENTRY ",\"annotations\":{\"" REF_NAME
		 "\":\"ours\"}}],\"annotations\":{\"z\":\"1\",\"a\":\"2\"}}",
		 d.digest.text, (int)d.size, d.digest.text, (int)d.size);
	{
		LUFF_AUTO(text) have = read_file(scratch("index/index.json"));

		CHECK_STR(have, want);
	}
	CHECK_STR(tags_of(m), "old ours");
	OK(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err));
	CHECK_STR(tags_of(m), "old");
	luff_medium_unref(m);
}

/* A nameless entry is how a registry over the layout finds a referrer: a name that comes and goes does not take it along. */
static void keeps_referrers(void)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"manifests\":[],\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":0}}";
	struct luff_medium *m = open_layout(scratch("index"));
	struct luff_descriptor d = describe(LUFF_MEDIA_OCI_INDEX, "sha256", text, sizeof text - 1);
	LUFF_AUTO(text) after = NULL;
	struct luff_name name = by_tag("sbom");
	struct luff_error err;
	char before[2048];

	snprintf(before, sizeof before,
		 "{\"manifests\":[{\"mediaType\":\"" LUFF_MEDIA_OCI_INDEX
		 "\",\"digest\":\"%s\",\"size\":%d}]}",
		 d.digest.text, (int)d.size);
	write_index(before);
	OK(luff_medium_tag(m, &d, text, "sbom", &err));
	CHECK_STR(tags_of(m), "sbom");
	OK(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err));
	after = read_file(scratch("index/index.json"));
	CHECK_STR(after, before);
	luff_medium_unref(m);
}

/* Of a damaged index.json nothing is believed, and nothing is written over it. */
static void refuses_broken_indexes(void)
{
	static const struct {
		const char *text;
		int code;
		const char *part;
	} indexes[] = {
		{"", LUFF_EFORMAT, "not JSON"},
		{"{", LUFF_EFORMAT, "not JSON"},
		{"[]", LUFF_EFORMAT, "no list of manifests"},
		{"{}", LUFF_EFORMAT, "no list of manifests"},
		{"{\"manifests\":{}}", LUFF_EFORMAT, "no list of manifests"},
		{"{\"manifests\":null}", LUFF_EFORMAT, "no list of manifests"},
		{"{\"manifests\":[],\"manifests\":[]}", LUFF_EFORMAT, "twice"},
		{"{\"manifests\":[]}x", LUFF_EFORMAT, "data after"},
	};
	static const char *const entries[] = {
		"",
		"\"mediaType\":\"a/b\"",
		"\"mediaType\":\"a/b\",\"digest\":\"sha256:x\",\"size\":1",
		"\"mediaType\":\"a/b\",\"digest\":\"../../x\",\"size\":1",
		"\"mediaType\":\"a/b\",\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":-1",
	};
	struct luff_medium *m = open_layout(scratch("index"));
	struct luff_descriptor layer = push_layer(m, 1, 10), d,
			       image = push_image(m, NULL, "amd64", &layer, 1);
	LUFF_AUTO(text) document = NULL;
	struct luff_name name = by_tag("v1");
	struct luff_cursor *c;
	struct luff_error err;
	char text[2048];

	OK(luff_medium_fetch_all(&document, m, &image, LUFF_MANIFEST_MAX, &err));
	for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
		LUFF_AUTO(text) after = NULL;

		write_index(indexes[i].text);
		FAILS_HERE(resolve(&d, m, by_tag("v1"), &err), indexes[i].code, indexes[i].part);
		FAILS_HERE(luff_medium_tags(&c, m, &err), indexes[i].code, indexes[i].part);
		FAILS_HERE(luff_medium_tag(m, &image, document, "v1", &err), indexes[i].code,
			   indexes[i].part);
		FAILS_HERE(luff_medium_remove(&(struct luff_digest){""}, m, &name, false, &err),
			   indexes[i].code, indexes[i].part);
		after = read_file(scratch("index/index.json"));
		CHECK_STR(after, indexes[i].text);
	}
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		snprintf(
			text, sizeof text,
			"{\"manifests\":[7,[],null,\"x\",{\"annotations\":7},{%s%s\"annotations\":{\"" REF_NAME
			"\":\"v1\"}}]}",
			entries[i], entries[i][0] ? "," : "");
		write_index(text);
		FAILS_HERE(resolve(&d, m, by_tag("v1"), &err), LUFF_EFORMAT, "index.json: ");
		CHECK_STR(tags_of(m), "v1");
	}
	/* an entry that lies about what it points to */
	snprintf(text, sizeof text, "{\"manifests\":[{" ENTRY ",\"annotations\":{\"" REF_NAME "\":\"v1\"}}]}",
		 image.digest.text, (int)image.size + 1);
	write_index(text);
	free(luff_take(document));
	FAILS_HERE(luff_medium_resolve(&d, &document, m, &name, &err), LUFF_EFORMAT, "ends after");
	snprintf(text, sizeof text,
		 "{\"manifests\":[{\"mediaType\":\"" LUFF_MEDIA_OCI_INDEX
		 "\",\"digest\":\"%s\",\"size\":%d,\"annotations\":{\"" REF_NAME "\":\"v1\"}}]}",
		 image.digest.text, (int)image.size);
	write_index(text);
	FAILS_HERE(luff_medium_resolve(&d, &document, m, &name, &err), LUFF_EFORMAT, "another type");
	luff_medium_unref(m);
}

static void finds_damage(void)
{
	struct luff_medium *m = open_layout(scratch("damaged"));
	struct luff_descriptor layer = push_layer(m, 1, 1000), d,
			       image = push_image(m, "v1", "amd64", &layer, 1);
	struct luff_name tag = by_tag("v1"), digest = by_digest(&image);
	LUFF_AUTO(text) document = NULL;
	LUFF_AUTO(text) bytes = NULL;
	struct luff_error err;
	const char *path = scratch("damaged/blobs/sha256/%s", luff_digest_hex(&image.digest));

	/* a flipped bit */
	bytes = read_file(path);
	bytes[20] ^= 1;
	write_file(path, bytes, (size_t)image.size);
	FAILS_HERE(luff_medium_resolve(&d, &document, m, &tag, &err), LUFF_EDIGEST, image.digest.text);
	FAILS_HERE(luff_medium_resolve(&d, &document, m, &digest, &err), LUFF_EDIGEST, image.digest.text);
	/* cut off: somebody else died while writing; it counts as missing and is written anew */
	bytes[20] ^= 1;
	write_file(path, bytes, (size_t)image.size - 1);
	CHECK(!is_there(m, &image));
	FAILS_HERE(luff_medium_resolve(&d, &document, m, &tag, &err), LUFF_EFORMAT, "ends after");
	CHECK(!document);
	OK(luff_medium_tag(m, &image, bytes, "v1", &err));
	CHECK(is_there(m, &image));
	OK(luff_medium_resolve(&d, &document, m, &tag, &err));
	CHECK_STR(document, bytes);
	luff_medium_unref(m);
}

/* ---- names ---- */

static void opens(void)
{
	static const char digest[] =
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	static const struct luff_name none;
	struct luff_open_options create = {.create = true};
	struct luff_medium *m = NULL;
	struct luff_name name;
	struct luff_error err;
	const char *dir = scratch("named");
	const struct {
		const char *suffix, *tag, *digest;
	} good[] = {{"", "", ""},           {":v1", "v1", ""}, {":a/b:c", "a/b:c", ""}, {"@", "", digest},
		    {":v1@", "v1", digest}, {"@x", "", ""},    {"@x:v1@y", "v1@y", ""}, {"/", "", ""}};
	const struct {
		const char *text;
		int code;
		const char *part;
	} bad[] = {{"oci:", LUFF_ENAME, "folder is missing"},
		   {"oci::v1", LUFF_ENAME, "folder is missing"},
		   {"oci:dir:", LUFF_ENAME, "tag is empty"},
		   {"oci:dir:@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		    LUFF_ENAME, "tag is empty"},
		   {"oci:dir@sha256:abc", LUFF_ENAME, "has 3 hex digits"},
		   {"oci:dir:v1@sha256:../..", LUFF_ENAME, "hex digits"},
		   {"oci:/nowhere/at/all:v1", LUFF_ENOTFOUND, "/nowhere/at/all"},
		   {"oci:/no\nwhere:v1", LUFF_ENOTFOUND, "/no?where"},
		   {"memory:", LUFF_ENOTSUP, "memory"},
		   {"memory:x", LUFF_ENOTSUP, "memory"},
		   {"docker://", LUFF_ENAME, "empty"},
		   {"", LUFF_ENAME, "empty"},
		   {"http://a.b/c", LUFF_ENAME, "scheme"}};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char text[1200];

		snprintf(text, sizeof text, "oci:%s%s%s", dir, good[i].suffix, good[i].digest);
		OK(luff_medium_open(&m, &name, text, &create, &err));
		CHECK_STR(name.tag, good[i].tag);
		CHECK_STR(name.digest.text, good[i].digest);
		luff_medium_unref(m);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memset(&name, 'x', sizeof name);
		m = (struct luff_medium *)&m;
		FAILS(luff_medium_open(&m, &name, bad[i].text, NULL, &err), bad[i].code, bad[i].part);
		CHECK(!m && memcmp(&name, &none, sizeof name) == 0);
	}
}

int main(void)
{
	struct luff_medium *m;
	struct luff_error err;
	int before;

	alarm(100);
	CHECK(luff_init(&err) == 0);
	before = count_open();
	keeps_processes_apart();
	m = open_layout(scratch("suite"));
	suite(m);
	luff_medium_unref(m);
	m = new_memory();
	CHECK_STR(luff_medium_place(m), "memory");
	suite(m);
	luff_medium_unref(m);
	pushes_again_what_went();
	keeps_what_others_wrote();
	keeps_referrers();
	refuses_broken_indexes();
	finds_damage();
	opens();
	CHECK_INT(count_open(), before);
	luff_shutdown();
	return check_end();
}
