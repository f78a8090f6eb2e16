/* tar-split: whatever the record says, nothing outside of the folder is read, and each read progresses, ends or fails. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "mediums/storage/split.h"
#include "stream/streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_reader *record = NULL, *tar = NULL;
	struct luff_error err = {0};
	char buf[4096];
	size_t n = 1;
	int folder = open("spec/fuzz/corpus", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	assert(folder >= 0);
	rc = luff_reader_open_bytes(&record, data, size, &err);
	if (rc == 0)
		rc = luff_split_open(&tar, record, folder, &err);
	for (int i = 0; rc == 0 && n > 0 && i < 10000; i++) {
		rc = luff_reader_read(&n, tar, buf, sizeof buf, &err);
		assert(rc < 0 || n <= sizeof buf);
	}
	luff_reader_close(tar);
	return 0;
}
