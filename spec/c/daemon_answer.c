/* What daemons tell: what has not the form that it must have is refused, whatever it is. */
#include "check.h"
#include "mediums/daemon/answer.h"

#define ID "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define OTHER "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

static void images(void)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"<html></html>",
		"{}",
		"{\"Id\":1}",
		"{\"Id\":\"sha256:../../../containers/json?\"}",
		"{\"Id\":\"" ID "\\r\\nX: y\"}",
		"{\"Id\":\"" ID "\",\"RepoTags\":[1]}",
		"{\"Id\":\"" ID "\",\"RepoTags\":[\"../../x:latest\"]}",
		"{\"Id\":\"" ID "\",\"RepoTags\":[\"app:v1\\n\\u001b[2J\"]}",
		"{\"Id\":\"" ID "\",\"Descriptor\":[]}",
		"{\"Id\":\"" ID "\",\"Descriptor\":{\"mediaType\":\"x\",\"digest\":\"sha256:1\",\"size\":1}}",
		"{\"Id\":\"" ID "\",\"Descriptor\":{\"mediaType\":\"x\",\"digest\":\"" ID "\",\"size\":-1}}",
	};
	struct luff_answer_image image;
	struct luff_error err = {0};
	const char *good =
		"{\"Id\":\"" ID "\",\"RepoTags\":[\"docker.io/library/app:v1\",\"<none>:<none>\",\"b\"]}";

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		FAILS(luff_answer_image(&image, bad[i], strlen(bad[i]), NULL, &err), LUFF_EFORMAT, "");
	OK(luff_answer_image(&image, good, strlen(good), NULL, &err));
	CHECK_STR(image.id.text, ID);
	CHECK_STR(image.descriptor.digest.text, "");
	if (CHECK_INT(image.names.count, 2)) {
		CHECK_STR(image.names.names[0], "app:v1");
		CHECK_STR(image.names.names[1], "b:latest");
	}
	luff_answer_image_release(&image);
}

#define ENTRY(kind, available, digest, arch)                                                                 \
	"{\"Kind\":\"" kind "\",\"Available\":" available ",\"Descriptor\":{\"mediaType\":\"" MANIFEST       \
	"\",\"digest\":\"" digest "\",\"size\":7,\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch    \
	"\"}}}"

static void platforms(void)
{
	const char *text =
		"{\"Id\":\"" ID "\",\"Manifests\":[" ENTRY("attestation", "true", ID, "arm64") "," ENTRY(
			"image", "false", ID, "s390x") "," ENTRY("image", "true", OTHER, "arm64") "]}";
	struct luff_platform want;
	struct luff_answer_image image;
	struct luff_error err = {0};

	OK(luff_platform_parse(&want, "linux/arm64", &err));
	OK(luff_answer_image(&image, text, strlen(text), &want, &err));
	CHECK_STR(image.chosen.digest.text, OTHER);
	luff_answer_image_release(&image);
	OK(luff_platform_parse(&want, "linux/s390x", &err));
	OK(luff_answer_image(&image, text, strlen(text), &want, &err));
	CHECK_STR(image.chosen.digest.text, ""); /* it is known, but not here */
	luff_answer_image_release(&image);
}

static void removed(void)
{
	static const struct {
		const char *text, *id;
	} cases[] = {
		{"[{\"Untagged\":\"app:v1\"}]", ""},
		{"[{\"Untagged\":\"app:v1\"},{\"Deleted\":\"" ID "\"},{\"Deleted\":\"" OTHER "\"}]", ID},
		{"[{\"Deleted\":\"0000000000000000000000000000000000000000000000000000000000000000\"}]", ID},
		{"[{\"Deleted\":\"x\"}]", ""},
		{"{}", ""},
	};
	struct luff_digest id;
	struct luff_error err = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		OK(luff_answer_removed(&id, cases[i].text, strlen(cases[i].text), &err));
		CHECK_STR(id.text, cases[i].id);
	}
}

/* In pieces of each size, since it comes as it likes. */
static int feed(const char *text, size_t piece, struct luff_error *err)
{
	struct luff_answer_stream s;
	int rc = 0;

	luff_answer_stream_init(&s);
	for (size_t at = 0, len = strlen(text); rc == 0 && at < len; at += piece)
		rc = luff_answer_stream_feed(&s, text + at, len - at < piece ? len - at : piece, err);
	if (rc == 0)
		rc = luff_answer_stream_end(&s, err);
	luff_answer_stream_release(&s);
	return rc;
}

static void streams(void)
{
	static const struct {
		const char *text, *words;
		int code;
	} cases[] = {
		{"", "", 0},
		{"\r\n \t", "", 0},
		{"{\"stream\":\"Loaded image: app:v1\\n\"}\r\n", "", 0},
		{"{\"a\":{\"b\":[\"}\\\"{\"]}}{\"c\":\"\\\\\"}", "", 0},
		{"{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}", "no space",
		 LUFF_EHTTP},
		{"{\"stream\":\"x\"}\n{\"error\":\"no space\"}\n", "no space", LUFF_EHTTP},
		{"{\"stream\":\"x\"}{\"errorDetail\":{\"message\":\"no space\"}}{\"stream\":\"x\"}",
		 "no space", LUFF_EHTTP},
		{"{\"error\":\"\"}", "without a word", LUFF_EHTTP},
		{"{\"error\":{}}", "without a word", LUFF_EHTTP},
		{"{\"error\":\"a\\nb\"}", "a?b", LUFF_EHTTP},
		{"{\"stream\":\"x", "breaks off", LUFF_EFORMAT},
		{"<html></html>", "not that of a Docker daemon", LUFF_EFORMAT},
		{"[]", "not that of a Docker daemon", LUFF_EFORMAT},
		{"{\"a\":1}}", "not that of a Docker daemon", LUFF_EFORMAT},
		{"{]", "", LUFF_EFORMAT},
	};
	struct luff_error err = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t piece = 1; piece < 4; piece++) {
			if (cases[i].code)
				FAILS(feed(cases[i].text, piece, &err), cases[i].code, cases[i].words);
			else
				OK(feed(cases[i].text, piece, &err));
		}
	}
}

int main(void)
{
	images();
	platforms();
	removed();
	streams();
	return check_end();
}
