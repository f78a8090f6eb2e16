/* Manifests and indexes: a document is one thing, or it is refused. */
#include "check.h"
#include "model/descriptor.h"

#define SHA "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BLOB(type) "{\"mediaType\":\"" type "\",\"digest\":\"" SHA "\",\"size\":7}"
#define CONFIG "\"config\":" BLOB(LUFF_MEDIA_OCI_CONFIG)
#define LAYERS "\"layers\":[" BLOB(LUFF_MEDIA_OCI_LAYER) "," BLOB(LUFF_MEDIA_OCI_LAYER "+gzip") "]"
#define MANIFESTS "\"manifests\":[" BLOB(LUFF_MEDIA_OCI_MANIFEST) "]"
#define TYPE(type) "\"mediaType\":\"" type "\""
#define V2 "\"schemaVersion\":2"

static int parse(struct luff_document *out, const char *text, const char *media_type, struct luff_error *err)
{
	return luff_document_parse(out, text, strlen(text), media_type, err);
}

static const struct {
	const char *text, *given;
	bool is_index;
	const char *media_type;
	size_t count;
} good[] = {
	{"{" V2 "," CONFIG "," LAYERS "}", NULL, false, LUFF_MEDIA_OCI_MANIFEST, 2},
	{"{" V2 "," TYPE(LUFF_MEDIA_OCI_MANIFEST) "," CONFIG "," LAYERS "}", NULL, false,
	 LUFF_MEDIA_OCI_MANIFEST, 2},
	{"{" V2 "," TYPE(LUFF_MEDIA_OCI_MANIFEST) "," CONFIG "," LAYERS "}", LUFF_MEDIA_OCI_MANIFEST, false,
	 LUFF_MEDIA_OCI_MANIFEST, 2},
	{"{" V2 "," CONFIG "," LAYERS "}", LUFF_MEDIA_DOCKER_MANIFEST, false, LUFF_MEDIA_DOCKER_MANIFEST, 2},
	{"{" V2 "," CONFIG ",\"layers\":[]}", NULL, false, LUFF_MEDIA_OCI_MANIFEST, 0},
	{"{" V2 "," CONFIG ",\"layers\":null}", NULL, false, LUFF_MEDIA_OCI_MANIFEST,
	 0}, /* Go writes nil as null */
	{"{" V2 "," CONFIG "}", NULL, false, LUFF_MEDIA_OCI_MANIFEST, 0},
	{"{" V2 "," MANIFESTS "}", NULL, true, LUFF_MEDIA_OCI_INDEX, 1},
	{"{" V2 ",\"manifests\":[]}", LUFF_MEDIA_OCI_INDEX, true, LUFF_MEDIA_OCI_INDEX, 0},
	{"{" V2 "," TYPE(LUFF_MEDIA_DOCKER_LIST) "," MANIFESTS "}", LUFF_MEDIA_DOCKER_LIST, true,
	 LUFF_MEDIA_DOCKER_LIST, 1},
	/* what others add */
	{"{\"x\":{\"layers\":1}," V2 ",\"artifactType\":\"a/b\",\"subject\":" BLOB(
		 LUFF_MEDIA_OCI_MANIFEST) "," CONFIG ",\"annotations\":{\"a\":\"b\"}," LAYERS ",\"y\":[]}",
	 NULL, false, LUFF_MEDIA_OCI_MANIFEST, 2},
	{"{" V2
	 ",\"config\":" BLOB("application/vnd.oci.empty.v1+json") ",\"layers\":[" BLOB("text/plain") "]}",
	 NULL, false, LUFF_MEDIA_OCI_MANIFEST, 1},
	{"{" V2 ",\"layers\":null,\"config\":null," MANIFESTS "}", NULL, true, LUFF_MEDIA_OCI_INDEX, 1},
	{"{" V2 "," TYPE("application/vnd.example+json") "," CONFIG "," LAYERS "}", NULL, false,
	 "application/vnd.example+json", 2},
};

static const struct {
	const char *text, *given;
	int code;
	const char *part;
} bad[] = {
	{"", NULL, LUFF_EFORMAT, "not JSON"},
	{"[]", NULL, LUFF_EFORMAT, "no JSON object"},
	{"7", NULL, LUFF_EFORMAT, "no JSON object"},
	{"{}", NULL, LUFF_EFORMAT, "schemaVersion"},
	{"{" V2 "}", NULL, LUFF_EFORMAT, "neither"},
	{"{" V2 "}", LUFF_MEDIA_OCI_INDEX, LUFF_EFORMAT, "neither"},
	{"{" CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "schemaVersion"},
	{"{\"schemaVersion\":3," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "schemaVersion"},
	{"{\"schemaVersion\":\"2\"," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "schemaVersion"},
	{"{\"schemaVersion\":2.5," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "schemaVersion"},
	{"{\"schemaVersion\":1,\"name\":\"a\",\"tag\":\"b\",\"fsLayers\":[],\"history\":[]}", NULL,
	 LUFF_ENOTSUP, "schema 1"},
	{"{\"schemaVersion\":1,\"signatures\":[]}",
	 "application/vnd.docker.distribution.manifest.v1+prettyjws", LUFF_ENOTSUP, "schema 1"},
	{"{" V2 "," CONFIG "," LAYERS "}", "application/vnd.docker.distribution.manifest.v1+json",
	 LUFF_ENOTSUP, "schema 1"},
	/* two things at once (CVE-2021-41190) */
	{"{" V2 "," CONFIG "," LAYERS "," MANIFESTS "}", NULL, LUFF_EFORMAT, "both"},
	{"{" V2 "," LAYERS "," MANIFESTS "}", LUFF_MEDIA_OCI_INDEX, LUFF_EFORMAT, "both"},
	{"{" V2 "," CONFIG "," MANIFESTS "}", LUFF_MEDIA_OCI_MANIFEST, LUFF_EFORMAT, "both"},
	{"{" V2 ",\"layers\":[]," MANIFESTS "}", NULL, LUFF_EFORMAT, "both"},
	{"{" V2 ",\"fsLayers\":[]," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "both"},
	{"{" V2 "," TYPE(LUFF_MEDIA_OCI_INDEX) "," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "is an image"},
	{"{" V2 "," TYPE(LUFF_MEDIA_OCI_MANIFEST) "," MANIFESTS "}", NULL, LUFF_EFORMAT, "is an index"},
	{"{" V2 "," CONFIG "," LAYERS "}", LUFF_MEDIA_DOCKER_LIST, LUFF_EFORMAT, "is an image"},
	{"{" V2 "," MANIFESTS "}", LUFF_MEDIA_DOCKER_MANIFEST, LUFF_EFORMAT, "is an index"},
	{"{" V2 "," TYPE(LUFF_MEDIA_OCI_MANIFEST) "," CONFIG "," LAYERS "}", LUFF_MEDIA_DOCKER_MANIFEST,
	 LUFF_EFORMAT, "another type"},
	{"{" V2 ",\"mediaType\":7," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "mediaType"},
	{"{" V2 "," TYPE("a\\u001b[31m/b") "," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "mediaType"},
	{"{" V2 "," TYPE("nonsense") "," CONFIG "," LAYERS "}", NULL, LUFF_EFORMAT, "mediaType"},
	{"{" V2 "," CONFIG ",\"Config\":7,\"config\":8," LAYERS "}", NULL, LUFF_EFORMAT, "twice"},
	/* parts of the wrong kind */
	{"{" V2 "," LAYERS "}", NULL, LUFF_EFORMAT, "config"},
	{"{" V2 ",\"config\":[]," LAYERS "}", NULL, LUFF_EFORMAT, "config"},
	{"{" V2 "," CONFIG ",\"layers\":{\"a\":" BLOB(LUFF_MEDIA_OCI_LAYER) "}}", NULL, LUFF_EFORMAT,
	 "layers"},
	{"{" V2 "," CONFIG ",\"layers\":7}", NULL, LUFF_EFORMAT, "layers"},
	{"{" V2 ",\"manifests\":{\"a\":" BLOB(LUFF_MEDIA_OCI_MANIFEST) "}}", NULL, LUFF_EFORMAT, "manifests"},
	{"{" V2 ",\"manifests\":\"x\"}", NULL, LUFF_EFORMAT, "manifests"},
	{"{" V2 "," CONFIG ",\"layers\":[" BLOB(LUFF_MEDIA_OCI_LAYER) ",7]}", NULL, LUFF_EFORMAT, "layer 2"},
	{"{" V2 ",\"manifests\":[null]}", NULL, LUFF_EFORMAT, "manifest 1"},
};

static void parses(void)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct luff_document doc;
		struct luff_error err;

		if (!OK(parse(&doc, good[i].text, good[i].given, &err)))
			continue;
		CHECK_INT(doc.is_index, good[i].is_index);
		CHECK_STR(doc.media_type, good[i].media_type);
		CHECK_INT(doc.count, good[i].count);
		CHECK_STR(doc.config.digest.text, good[i].is_index ? "" : SHA);
		for (size_t k = 0; k < doc.count; k++) {
			CHECK_INT(doc.entries[k].size, 7);
			CHECK_INT(doc.entries[k].manifest, good[i].is_index);
		}
		luff_document_release(&doc);
	}
}

static void refuses(void)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct luff_document doc;
		struct luff_error err;

		memset(&doc, 'x', sizeof doc);
		if (!FAILS(parse(&doc, bad[i].text, bad[i].given, &err), bad[i].code, bad[i].part) ||
		    !CHECK(strncmp(err.msg, "manifest: ", 10) == 0))
			fprintf(stderr, "\ttext: %s\n", bad[i].text);
		CHECK(!doc.tree && !doc.entries && doc.count == 0 && !doc.media_type[0]);
	}
}

/* ---- descriptors ---- */

static void check_descriptor(const char *text, const char *part)
{
	LUFF_AUTO(json) tree = NULL;
	struct luff_descriptor d;
	struct luff_error err;

	OK(luff_json_parse(&tree, text, strlen(text), "it", &err));
	if (part ? !FAILS(luff_descriptor_parse(&d, tree, "layer 3", &err), LUFF_EFORMAT, part)
		 : !OK(luff_descriptor_parse(&d, tree, "layer 3", &err)))
		fprintf(stderr, "\ttext: %s\n", text);
	CHECK(!part || strncmp(err.msg, "layer 3: ", 9) == 0);
}

static void checks_descriptors(void)
{
	static const char *const sizes[][2] = {
		{"0", NULL},
		{"9007199254740991", NULL},
		{"1e3", NULL},
		{"9007199254740992", "size"},
		{"9223372036854775807", "size"},
		{"18446744073709551616", "size"},
		{"-1", "size"},
		{"1.5", "size"},
		{"1e300", "size"},
		{"\"7\"", "size"},
		{"null", "size"},
		{"true", "size"},
		{"[7]", "size"},
	};
	static const char *const digests[] = {
		"",       "sha256:",
		"e3b0",   "sha256:../../../../etc/passwd",
		"md5:00", "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
	static const char *const types[] = {
		"", "/", "a", "a b/c", "a/b\\n", "a/b\\r\\nX-Evil: 1", "a/\\u0080", "a/b,c/d", "a/\\\"b"};
	char text[1024];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		snprintf(text, sizeof text, "{\"mediaType\":\"a/b\",\"digest\":\"" SHA "\",\"size\":%s}",
			 sizes[i][0]);
		check_descriptor(text, sizes[i][1]);
	}
	for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
		snprintf(text, sizeof text, "{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":1}",
			 digests[i]);
		check_descriptor(text, "digest");
	}
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		snprintf(text, sizeof text, "{\"mediaType\":\"%s\",\"digest\":\"" SHA "\",\"size\":1}",
			 types[i]);
		check_descriptor(text, "malformed mediaType");
	}
	snprintf(text, sizeof text, "{\"mediaType\":\"a/%0253d\",\"digest\":\"" SHA "\",\"size\":1}", 1);
	check_descriptor(text, NULL);
	snprintf(text, sizeof text, "{\"mediaType\":\"a/%0254d\",\"digest\":\"" SHA "\",\"size\":1}", 1);
	check_descriptor(text, "malformed mediaType");
	check_descriptor("{\"mediaType\":\"a/b\",\"size\":1}", "no digest");
	check_descriptor("{\"digest\":\"" SHA "\",\"size\":1}", "no mediaType");
	check_descriptor("{\"mediaType\":\"a/b\",\"digest\":\"" SHA "\"}", "no size");
	check_descriptor("[]", "no descriptor");
	check_descriptor("{\"mediaType\":\"a/b\",\"digest\":\"" SHA
			 "\",\"size\":1,\"urls\":7,\"data\":\"x\",\"platform\":[]}",
			 NULL);
}

/* What an index lists is a manifest unless its type says to be something else. */
static void tells_manifests(void)
{
	static const struct {
		const char *type;
		bool manifest;
	} types[] = {{LUFF_MEDIA_OCI_MANIFEST, true},
		     {LUFF_MEDIA_OCI_INDEX, true},
		     {LUFF_MEDIA_DOCKER_LIST, true},
		     {"application/vnd.example.thing+json", true},
		     {LUFF_MEDIA_OCI_LAYER "+gzip", false},
		     {LUFF_MEDIA_DOCKER_CONFIG, false},
		     {"application/vnd.buildkit.cacheconfig.v0", true},
		     {LUFF_MEDIA_OCI_CONFIG, false},
		     {"application/vnd.docker.image.rootfs.diff.tar.gzip", false}};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct luff_document doc;
		struct luff_error err;
		char text[1024];

		snprintf(text, sizeof text,
			 "{" V2 ",\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"" SHA "\",\"size\":1}]}",
			 types[i].type);
		OK(parse(&doc, text, NULL, &err));
		CHECK_INT(doc.entries[0].manifest, types[i].manifest);
		luff_document_release(&doc);
	}
}

static void caps_entries(void)
{
	static const char entry[] = "{\"mediaType\":\"a/b\",\"digest\":\"" SHA "\",\"size\":1},";
	size_t count = 32769, len = 0;
	char *text = malloc(count * sizeof entry + 100);
	struct luff_document doc;
	struct luff_error err;

	len = (size_t)snprintf(text, 100, "{" V2 ",\"manifests\":[");
	for (size_t i = 0; i < count; i++) {
		memcpy(text + len, entry, sizeof entry - 1);
		len += sizeof entry - 1;
	}
	memcpy(text + len - 1, "]}", 3);
	FAILS(parse(&doc, text, NULL, &err), LUFF_ELIMIT, "manifest: JSON has more than 131072 values");
	free(text);
}

/* A tree takes 64 bytes and more for each of what takes two in the text. */
static void caps_values(void)
{
	size_t len = 0, size = 300000;
	char *text = malloc(size);
	struct luff_document doc;
	struct luff_error err;

	for (int extra = 0; extra < 2; extra++) {
		len = (size_t)snprintf(text, 200, "{" V2 ",\"manifests\":[],\"x\":[0");
		/* the object, two lists and two commas are five */
		for (int i = 5; i < 131072 - 1 + extra; i++, len += 2)
			memcpy(text + len, ",0", 2);
		memcpy(text + len, "]}", 3);
		if (extra) {
			FAILS(parse(&doc, text, NULL, &err), LUFF_ELIMIT, "more than 131072 values");
		} else if (OK(parse(&doc, text, NULL, &err))) {
			luff_document_release(&doc);
		}
	}
	len = (size_t)snprintf(text, 200, "{" V2 ",\"manifests\":[0");
	for (int i = 0; i < 40000; i++, len += 2)
		memcpy(text + len, ",0", 2);
	memcpy(text + len, "]}", 3);
	FAILS(parse(&doc, text, NULL, &err), LUFF_ELIMIT, "40001 manifests");
	free(text);
}

int main(void)
{
	parses();
	refuses();
	checks_descriptors();
	tells_manifests();
	caps_entries();
	caps_values();
	return check_end();
}
