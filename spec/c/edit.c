/* New layers and edited images from C: what is half written is in nothing, what was read once can be read again, nothing stays open. */
#include <string.h>

#include "base/cleanup.h"
#include "image.h"
#include "mediums/parts.h"
#include "ops/document.h"
#include "stream/streams.h"

static struct luff_reader *bytes_reader(const char *text)
{
	struct luff_reader *r;
	struct luff_error err;

	OK(luff_reader_open_bytes(&r, text, strlen(text), &err));
	return r;
}

static int add(struct luff_layer_writer *w, const char *path, int64_t size, const char *content,
	       struct luff_error *err)
{
	struct luff_entry e = {.path = path, .link = "", .user = "", .group = "", .mode = 0644, .size = size};
	LUFF_AUTO(reader) r = bytes_reader(content);

	return luff_layer_writer_add(w, &e, r, err);
}

static struct luff_layer *a_layer(const char *content)
{
	struct luff_layer_writer *w;
	struct luff_layer *layer;
	struct luff_error err;

	OK(luff_layer_writer_open(&w, &err));
	OK(add(w, "etc/motd", (int64_t)strlen(content), content, &err));
	OK(luff_layer_writer_finish(&layer, w, LUFF_COMPRESS_DEFAULT, &err));
	luff_layer_writer_close(w);
	return layer;
}

static void writes_layers(void)
{
	struct luff_layer_writer *w;
	LUFF_AUTO(layer) layer = NULL;
	LUFF_AUTO(layer) same = a_layer("hello\n");
	struct luff_entries *entries;
	const struct luff_entry *e;
	struct luff_error err;
	char path[LUFF_PATH_MAX + 2];
	static const char value[1 << 20];
	struct luff_xattr xattr = {.name = "user.x", .value = value, .len = sizeof value};
	struct luff_entry laden = {
		.path = "laden", .link = "", .user = "", .group = "", .xattrs = &xattr, .xattr_count = 1};

	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	OK(luff_layer_writer_open(&w, &err));
	FAILS(add(w, "a", 7, "fewer", &err), LUFF_ESIZE, "fewer than its 7");
	FAILS(add(w, "a", 3, "more", &err), LUFF_ESIZE, "more than its 3");
	FAILS(add(w, "", 0, "", &err), LUFF_EINVAL, "without a path");
	FAILS(add(w, path, 0, "", &err), LUFF_ELIMIT, "4096");
	FAILS(luff_layer_writer_add(w, &laden, NULL, &err), LUFF_ELIMIT,
	      "laden: its names and extended attributes: more than 1048576 bytes");
	OK(add(w, "etc/motd", 6, "hello\n", &err));
	OK(luff_layer_writer_finish(&layer, w, LUFF_COMPRESS_DEFAULT, &err));
	luff_layer_writer_close(w);
	luff_layer_writer_close(NULL);
	/* what failed is not in it */
	CHECK_STR(luff_layer_descriptor(layer)->digest.text, luff_layer_descriptor(same)->digest.text);
	OK(luff_entries_open(&entries, layer, &err));
	OK(luff_entries_next(&e, entries, &err));
	CHECK(e && strcmp(e->path, "etc/motd") == 0 && e->size == 6);
	OK(luff_entries_next(&e, entries, &err));
	CHECK(!e);
	luff_entries_close(entries);
}

#define CONFIG                                                                                               \
	"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}"
#define MANIFEST                                                                                               \
	"{\"schemaVersion\":2,\"mediaType\":\"" LUFF_MEDIA_OCI_MANIFEST                                        \
	"\",\"config\":{\"mediaType\":\"" LUFF_MEDIA_OCI_CONFIG                                                \
	"\",\"digest\":\"\",\"size\":0},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%" PRId64 \
	"}]}"

static void edits_images(void)
{
	LUFF_AUTO(layer) layer = a_layer("hello\n");
	LUFF_AUTO(layer) other = a_layer("other\n");
	LUFF_AUTO(image) image = NULL;
	LUFF_AUTO(image) again = NULL;
	LUFF_AUTO(medium) memory = new_memory();
	const struct luff_descriptor *d = luff_layer_descriptor(layer);
	struct luff_edit edit = {.layers = &layer, .layer_count = 1};
	struct luff_name from = {.digest = {""}}, to = by_tag("v1");
	struct luff_copy_result result;
	struct luff_digest diff_id;
	char config[1024], manifest[2048];
	struct luff_error err;

	OK(luff_layer_diff_id(&diff_id, layer, &err));
	snprintf(config, sizeof config, CONFIG, diff_id.text);
	snprintf(manifest, sizeof manifest, MANIFEST, d->media_type, d->digest.text, d->size);
	edit.config = config;
	FAILS(luff_image_edit(&image, NULL, &edit, &err), LUFF_EINVAL, "needs a config and a manifest");
	edit.manifest = manifest;
	edit.layers = &other;
	FAILS(luff_image_edit(&image, NULL, &edit, &err), LUFF_EINVAL, "neither old nor given");
	edit.layers = &layer;
	OK(luff_image_edit(&image, NULL, &edit, &err));
	CHECK_INT(luff_image_layer_count(image), 1);
	/* the same once more is the same image */
	edit.layer_count = 0;
	OK(luff_image_edit(&again, image, &edit, &err));
	CHECK(again == image);
	from.digest = luff_image_descriptor(image)->digest;
	OK(luff_copy(&result, memory, &to, luff_image_medium(image), &from, NULL, &err));
	CHECK_INT(result.copied, 2);
	CHECK_STR(result.root.digest.text, from.digest.text);
	edit.config = "[]";
	luff_image_unref(luff_take(again));
	FAILS(luff_image_edit(&again, image, &edit, &err), LUFF_EFORMAT, "no JSON object");
	edit.config = NULL;
	edit.manifest = "{\"schemaVersion\":2,\"manifests\":[]}";
	FAILS(luff_image_edit(&again, image, &edit, &err), LUFF_EINVAL, "no config");
}

static void reads_once_more(void)
{
	struct luff_reader *r, *inner = bytes_reader("0123456789");
	struct luff_error err;
	char *text, buf[4];
	size_t n;

	OK(luff_reader_open_replay(&r, inner, &err));
	OK(luff_reader_read(&n, r, buf, sizeof buf, &err));
	CHECK_INT(n, 4);
	OK(luff_reader_seek(r, 2, &err));
	OK(luff_reader_read(&n, r, buf, 1, &err));
	CHECK(n == 1 && buf[0] == '2');
	OK(luff_reader_rewind(r, &err));
	OK(luff_reader_read_all(&text, r, 10, &err));
	CHECK_STR(text, "0123456789");
	free(text);
	luff_reader_close(r);
	/* to the end, and from the beginning */
	OK(luff_reader_open_replay(&r, bytes_reader("abc"), &err));
	OK(luff_reader_drain(r, &err));
	OK(luff_reader_rewind(r, &err));
	OK(luff_reader_read_all(&text, r, 3, &err));
	CHECK_STR(text, "abc");
	free(text);
	luff_reader_close(r);
}

static void keeps_the_order(void)
{
	static const struct {
		const char *text, *old, *out;
	} cases[] = {
		{"{\"a\":1,\"b\":2}", "{ \"b\": 2, \"a\": 1 }", NULL},
		{"{\"a\":1,\"b\":3}", "{\"b\":2,\"a\":1}", "{\"b\":3,\"a\":1}"},
		{"{\"a\":1,\"c\":0,\"d\":0}", "{\"d\":1,\"b\":2,\"a\":1}", "{\"d\":0,\"a\":1,\"c\":0}"},
		{"{\"l\":[{\"x\":1,\"y\":2},{\"x\":3,\"y\":4}]}", "{\"l\":[{\"y\":0,\"x\":0}]}",
		 "{\"l\":[{\"y\":2,\"x\":1},{\"y\":4,\"x\":3}]}"},
		{"{\"a\":{\"p\":1,\"q\":[]}}", "{\"a\":[1]}", "{\"a\":{\"p\":1,\"q\":[]}}"},
		{"{\"a\":1}", "no JSON", "{\"a\":1}"},
		{"{\"a\":null}", "{\"a\":{}}", "{\"a\":null}"},
		/* numbers, too: as they were written where they are the same, exactly in any case */
		{"{\"a\":1,\"b\":1000,\"c\":-0}", "{\"c\":0,\"a\":1.0,\"b\":1e3}", NULL},
		{"{\"a\":1,\"d\":2}", "{\"a\":1.0}", "{\"a\":1.0,\"d\":2}"},
		{"{\"a\":1,\"b\":[1.1]}", "{\"a\":1.00,\"b\":[1.10]}", NULL},
		{"{\"a\":9007199254740993}", "{\"a\":9007199254740992}", "{\"a\":9007199254740993}"},
		{"{\"a\":1.8446744073709552e+19,\"b\":9223372036854775807}", "{\"a\":18446744073709551615}",
		 "{\"a\":18446744073709551615,\"b\":9223372036854775807}"},
	};
	struct luff_error err;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		LUFF_AUTO(text) out = NULL;

		OK(luff_document_reprint(&out, cases[i].text, cases[i].old, "text", &err));
		CHECK(!out == !cases[i].out);
		if (out && cases[i].out)
			CHECK_STR(out, cases[i].out);
	}
}

/* A hostile manifest may list, as a layer of any size, what becomes the config of an edited image. */
static void knows_sizes_itself(void)
{
	LUFF_AUTO(medium) parts = NULL;
	LUFF_AUTO(medium) copies = NULL;
	LUFF_AUTO(text) text = NULL;
	struct luff_descriptor d = {.size = 3}, larger;
	struct luff_reader *r;
	struct luff_error err;

	OK(luff_digest_of(&d.digest, "sha256", "abc", 3, &err));
	larger = d;
	larger.size = (int64_t)1 << 30;
	OK(luff_parts_new(&parts, "parts", &err));
	OK(luff_parts_new(&copies, "copies", &err));
	OK(luff_parts_add_bytes(parts, &d, "abc", &err));
	FAILS(luff_medium_fetch(&r, parts, &larger, 500, &err), LUFF_ESIZE, "has no byte 500");
	OK(luff_parts_add_shared(copies, &larger, parts, &err));
	OK(luff_medium_fetch_all(&text, copies, &d, 3, &err));
	CHECK_STR(text ? text : "", "abc");
}

int main(void)
{
	int before = count_open();

	writes_layers();
	edits_images();
	reads_once_more();
	keeps_the_order();
	knows_sizes_itself();
	CHECK_INT(count_open(), before);
	return check_end();
}
