/* See config.h. */
#include "mediums/registry/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/error.h"
#include "http/credentials.h"

void luff_config_release(struct luff_config *c)
{
	free(c->path);
	cJSON_Delete(c->doc);
	*c = (struct luff_config){0};
}

static int parse(cJSON **out, struct luff_buffer *text, struct luff_error *err)
{
	int rc = 0;

	if (text->len > 0)
		rc = luff_json_parse(out, text->data, text->len, "logins", err);
	else
		*out = cJSON_CreateObject();
	if (text->data)
		explicit_bzero(text->data, text->len);
	if (rc < 0)
		return rc;
	if (!*out)
		return luff_fail_nomem(err);
	if (!cJSON_IsObject(*out) ||
	    (luff_json_get(*out, "auths") && !cJSON_IsObject(luff_json_get(*out, "auths"))))
		return luff_fail(err, LUFF_EFORMAT, "it, or its \"auths\", is no object");
	return 0;
}

int luff_config_read(struct luff_config *out, struct luff_error *err)
{
	LUFF_AUTO(buffer) text = {.cap = LUFF_CREDENTIALS_FILE_MAX};
	LUFF_AUTO(config) c = {0};
	struct luff_error failure = {0};
	char *real;
	int rc;

	*out = (struct luff_config){0};
	rc = luff_credentials_docker_file(&c.path, err);
	if (rc < 0)
		return rc;
	if (!c.path)
		return luff_fail(err, LUFF_ENOTFOUND, "no place for logins: set HOME or DOCKER_CONFIG");
	real = realpath(c.path, NULL);
	if (real) {
		free(c.path);
		c.path = real;
	}
	rc = luff_credentials_read(&text, c.path, &failure);
	if (rc == LUFF_ENOTFOUND)
		rc = 0;
	if (rc == 0)
		rc = parse(&c.doc, &text, &failure);
	if (rc < 0) {
		*err = failure;
		return luff_fail_context(err, "%s", c.path);
	}
	out->path = luff_take(c.path);
	out->doc = luff_take(c.doc);
	return 0;
}

/* As docker writes it. Tabs stand nowhere but between what is text. */
static int print(char **out, const cJSON *doc, struct luff_error *err)
{
	*out = cJSON_Print(doc);
	if (!*out)
		return luff_fail_nomem(err);
	for (char *p = *out; *p; p++) {
		if (p[0] == ':' && p[1] == '\t')
			p[1] = ' ';
	}
	return 0;
}

/* The folders above a file, for their owner alone. What fails shows when the file is made. */
static void make_folders(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p == '/') {
			*p = '\0';
			mkdir(path, 0700);
			*p = '/';
		}
	}
}

static int write_all(int fd, const char *text, struct luff_error *err)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return luff_fail_errno(err, errno, "cannot write");
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? luff_fail_errno(err, errno, "cannot write") : 0;
}

/* So that the new name outlives a crash, too; where that fails, the old file or the new one is there. */
static void sync_folder(char *path)
{
	char *slash = strrchr(path, '/');
	LUFF_AUTO(fd) fd = -1;

	if (!slash)
		return;
	*slash = '\0';
	fd = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		fsync(fd);
}

static int replace(const char *path, const char *text, struct luff_error *err)
{
	LUFF_AUTO(text) temporary = NULL;
	LUFF_AUTO(fd) fd = -1;
	int rc;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return luff_fail_nomem(err);
	}
	make_folders(temporary);
	fd = mkostemp(temporary, O_CLOEXEC); /* of mode 0600 */
	if (fd < 0)
		return luff_fail_errno(err, errno, "cannot write");
	rc = write_all(fd, text, err);
	if (rc == 0 && rename(temporary, path) < 0)
		rc = luff_fail_errno(err, errno, "cannot write");
	if (rc < 0)
		unlink(temporary);
	else
		sync_folder(temporary);
	return rc;
}

int luff_config_write(const struct luff_config *c, struct luff_error *err)
{
	char *text = NULL;
	int rc = print(&text, c->doc, err);

	if (rc == 0)
		rc = replace(c->path, text, err);
	if (text)
		explicit_bzero(text, strlen(text));
	cJSON_free(text);
	return rc < 0 ? luff_fail_context(err, "%s", c->path) : 0;
}
