/*
 * The members of a tar in a file: where each begins and how long it is, read once from the headers (ustar, GNU, pax). For
 * archives of images, whose members are then read by their place; nothing is unpacked.
 */
#ifndef LUFF_FS_MEMBERS_H
#define LUFF_FS_MEMBERS_H

#include "luff.h"

#define LUFF_MEMBERS_MAX 131072          /* files and links of one archive */
#define LUFF_MEMBERS_TEXT_MAX (16 << 20) /* bytes of their names in all */
#define LUFF_MEMBER_PATH_MAX 4096        /* of one name or link */
#define LUFF_TAR_HEADER_MAX (3 * 512)    /* what luff_tar_header() writes at most */
#define LUFF_TAR_PADDED(size)                                                                                \
	(((size) + 511) & ~(int64_t)511) /* a member's content with what fills its last block */

struct luff_members;

/* A regular file in the archive; values are borrowed from the list. */
struct luff_member {
	const char *path; /* without "./" in front */
	int64_t offset;   /* of its content in the file */
	int64_t size;
};

/**
 * Reads all headers.
 *
 * @param fd  a regular file; borrowed for the call
 * @return 0; LUFF_EFORMAT: no tar, cut off, a name that leads out or is there twice; LUFF_ENOTSUP: sparse files; LUFF_ELIMIT
 */
int luff_members_open(struct luff_members **out, int fd, struct luff_error *err);
void luff_members_free(struct luff_members *m);
/** Regular files alone, sorted by path. */
size_t luff_members_count(const struct luff_members *m);
void luff_members_at(struct luff_member *out, const struct luff_members *m, size_t i);
/** Follows hard and symbolic links. LUFF_ENOTFOUND; LUFF_EFORMAT for links that lead out or in a circle. */
int luff_members_find(struct luff_member *out, const struct luff_members *m, const char *path,
		      struct luff_error *err);

/** What one header (512 bytes) says of itself: its type, and the bytes that follow. False: it is none. */
bool luff_tar_peek(char *type_out, int64_t *size_out, const char *header);

/* What else a header may say. */
struct luff_tar_file {
	const char *path, *link; /* of at most LUFF_MEMBER_PATH_MAX; link may be NULL */
	char type; /* '0' file, '1' hard link, '2' symbolic link, '3' and '4' devices, '5' folder, '6' pipe */
	unsigned mode;
	unsigned major, minor;
	int64_t size;
};
#define LUFF_TAR_FILE_MAX (4 * 512 + 2 * (LUFF_MEMBER_PATH_MAX + 64))
/** The header of any file; owner and time are 0. Returns its length. */
size_t luff_tar_file_header(char out[LUFF_TAR_FILE_MAX], const struct luff_tar_file *file);
/** The header of a regular file, reproducible: mode 0644, owner 0, time 0. Returns its length, a number of blocks. */
size_t luff_tar_header(char out[LUFF_TAR_HEADER_MAX], const char *path, int64_t size);

#endif
