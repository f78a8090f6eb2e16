/* What a daemon answers: as what it tells of an image, as the list of all of them, as the story of a load. */
#include <assert.h>
#include <string.h>

#include "mediums/daemon/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(const struct luff_answer_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		assert(names->names[i][0] && strlen(names->names[i]) <= LUFF_TAG_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct luff_platform want = {.os = "linux", .arch = "arm64"};
	const char *text = (const char *)data;
	struct luff_answer_stream stream;
	struct luff_answer_image image;
	struct luff_answer_names names;
	struct luff_error err = {0};
	struct luff_daemon_pruned pruned;
	struct luff_digest id;
	char words[64];
	size_t half = size / 2;

	if (luff_answer_image(&image, text, size, &want, &err) == 0) {
		assert(strlen(image.id.text) == 71 || strlen(image.id.text) == 135);
		check_names(&image.names);
		luff_answer_image_release(&image);
	}
	if (luff_answer_list(&names, text, size, &err) == 0) {
		check_names(&names);
		luff_answer_names_release(&names);
	}
	luff_answer_removed(&id, text, size, &err);
	if (luff_answer_pruned(&pruned, text, size, &err) == 0)
		assert(pruned.images >= 0 && pruned.bytes >= 0);
	luff_answer_words(words, sizeof words, text, size);
	luff_answer_stream_init(&stream);
	if (luff_answer_stream_feed(&stream, text, half, &err) == 0 &&
	    luff_answer_stream_feed(&stream, text + half, size - half, &err) == 0)
		luff_answer_stream_end(&stream, &err);
	luff_answer_stream_release(&stream);
	return 0;
}
