/* Layers that are packed on their way into a file: with what was packed in its place, the file is what came. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/archive_pack.h"
#include "stream/streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct luff_archive_packs packs;
	struct luff_reader *src = NULL;
	struct luff_error err = {0};
	char *back = malloc(size + 1);
	int fd = -1;

	if (!back || luff_spool_open(&fd, &err) < 0 || luff_reader_open_bytes(&src, data, size, &err) < 0)
		abort();
	if (luff_archive_pack_fill(&packs, fd, src, 512, &err) == 0 && size > 0) {
		int rc = luff_read_at(fd, back, size, 0, &err);

		for (int i = 0; rc == 0 && i < packs.count; i++) {
			const struct luff_archive_pack *p = &packs.list[i];
			struct luff_reader *r = NULL;
			char *bytes = NULL;

			rc = luff_archive_pack_open(&r, &packs, p->offset, p->size, &err);
			assert(rc == 0 && r);
			rc = luff_reader_read_all(&bytes, r, p->size, &err);
			assert(rc == 0);
			memcpy(back + p->offset, bytes, (size_t)p->size);
			free(bytes);
			luff_reader_close(r);
		}
		assert(rc == 0 && memcmp(back, data, size) == 0);
	}
	luff_reader_close(src);
	luff_archive_packs_release(&packs);
	close(fd);
	free(back);
	return 0;
}
