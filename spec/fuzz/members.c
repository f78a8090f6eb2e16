/* Any bytes as a tar: what is listed lies within the file, and is found by its name; links end somewhere or nowhere. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/members.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A mutation seldom guesses a checksum: it is set right where the magic is. */
static void mend(uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		unsigned sum = 8 * ' ';

		if (memcmp(bytes + at + 257, "ustar", 5) != 0)
			continue;
		for (size_t i = 0; i < 512; i++)
			sum += i >= 148 && i < 156 ? 0 : bytes[at + i];
		for (int i = 5; i >= 0; i--, sum >>= 3)
			bytes[at + 148 + (size_t)i] = (uint8_t)('0' + (sum & 7));
		bytes[at + 154] = '\0';
		bytes[at + 155] = ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_members *members = NULL;
	struct luff_member member, found;
	struct luff_error err = {0};
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint8_t *bytes = malloc(size + 1);

	if (fd < 0 || !bytes)
		abort();
	memcpy(bytes, data, size);
	mend(bytes, size);
	if (write(fd, bytes, size) != (ssize_t)size)
		abort();
	if (luff_members_open(&members, fd, &err) == 0) {
		for (size_t i = 0; i < luff_members_count(members); i++) {
			luff_members_at(&member, members, i);
			if (member.offset < 512 || member.size < 0 ||
			    member.size > (int64_t)size - member.offset)
				abort();
			if (luff_members_find(&found, members, member.path, &err) < 0 ||
			    found.offset != member.offset)
				abort();
		}
		luff_members_find(&found, members, "link", &err);
		luff_members_find(&found, members, "a/link", &err);
	} else if (err.code != LUFF_EFORMAT && err.code != LUFF_ELIMIT && err.code != LUFF_ENOTSUP) {
		abort();
	}
	luff_members_free(members);
	free(bytes);
	close(fd);
	return 0;
}
