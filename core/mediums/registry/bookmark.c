/* See bookmark.h. Whoever holds the lock on a file owns it; the lock ends with its process, however that ends. */
#include "mediums/registry/bookmark.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/private.h"
#include "base/text.h"
#include "http/url.h"

#define AGE_MAX ((int64_t)7 * 24 * 60 * 60) /* seconds; registries forget uploads by then */
#define FILE_MAX (LUFF_URL_MAX + 2 * LUFF_NAME_MAX + 256)
#define SUFFIX ".upload"

struct luff_bookmark {
	int fd;
	char *path;
	char *head; /* the first line, which tells what is uploaded */
};

static void bookmark_free(struct luff_bookmark *b)
{
	if (b->fd >= 0)
		close(b->fd);
	free(b->path);
	free(b->head);
	free(b);
}

LUFF_DEFINE_AUTO(bookmark, struct luff_bookmark *, bookmark_free);

struct luff_bookmark *luff_bookmark_open(const char *host, const char *repository,
					 const struct luff_digest *digest)
{
	LUFF_AUTO(bookmark) b = calloc(1, sizeof *b);
	LUFF_AUTO(text) folder = luff_private_folder("XDG_STATE_HOME", "/.local/state", "luff/uploads");
	struct luff_error ignored = {0};
	struct luff_digest name;

	if (!b || !folder)
		return NULL;
	b->fd = -1;
	if (asprintf(&b->head, "%s %s %s\n", host, repository, digest->text) < 0) {
		b->head = NULL;
		return NULL;
	}
	if (luff_digest_of(&name, "sha256", b->head, strlen(b->head), &ignored) < 0 ||
	    asprintf(&b->path, "%s/%s" SUFFIX, folder, strchr(name.text, ':') + 1) < 0) {
		b->path = NULL;
		return NULL;
	}
	luff_private_sweep(folder, SUFFIX, AGE_MAX, 0);
	b->fd = open(b->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (b->fd < 0 || !luff_private_is_ours(b->fd) || flock(b->fd, LOCK_EX | LOCK_NB) < 0)
		return NULL;
	return luff_take(b);
}

char *luff_bookmark_read(const struct luff_bookmark *b)
{
	LUFF_AUTO(text) text = calloc(1, FILE_MAX + 1);
	size_t head = strlen(b->head);
	char *end;

	if (!text || pread(b->fd, text, FILE_MAX, 0) <= (ssize_t)head || strncmp(text, b->head, head) != 0)
		return NULL;
	end = strchr(text + head, '\n');
	if (!end)
		return NULL;
	*end = '\0';
	return strdup(text + head);
}

/* In one piece, from the start: what a longer one leaves behind its last line is not read. */
void luff_bookmark_write(struct luff_bookmark *b, const char *url)
{
	LUFF_AUTO(text) text = NULL;
	int len = asprintf(&text, "%s%s\n", b->head, url);

	if (len < 0)
		text = NULL;
	else if (pwrite(b->fd, text, (size_t)len, 0) != len)
		(void)!ftruncate(b->fd, 0);
}

void luff_bookmark_close(struct luff_bookmark *b, bool keep)
{
	if (!b)
		return;
	if (!keep)
		unlink(b->path);
	bookmark_free(b);
}
