/* See spot.h. */
#include "mediums/storage/spot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "mediums/storage/conf.h"
#include "stream/streams.h"

#define CONF "containers/storage.conf"
#define CONF_MAX ((int64_t)1 << 20)
#define ROOT_MAX ((size_t)4096)

void luff_storage_spot_release(struct luff_storage_spot *s)
{
	free(s->driver);
	free(s->root);
	*s = (struct luff_storage_spot){.root = NULL};
}

/* Of a folder in the user's home that a variable may name: the path of what is below it. */
static int below(char **out, const char *variable, const char *otherwise, const char *path,
		 struct luff_error *err)
{
	const char *set = getenv(variable), *home = getenv("HOME");
	int n = set && *set ? asprintf(out, "%s/%s", set, path)
			    : asprintf(out, "%s/%s/%s", home ? home : "", otherwise, path);

	if (n < 0)
		*out = NULL;
	return n < 0 ? luff_fail_nomem(err) : 0;
}

/* *found is false where there is no such file. */
static int read_conf(struct luff_storage_conf *out, bool *found, const char *path, struct luff_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(text) text = NULL;
	struct stat st;

	*found = fd >= 0 || (errno != ENOENT && errno != ENOTDIR);
	if (fd < 0)
		return *found ? luff_fail_errno(err, errno, "%s", path) : 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CONF_MAX) {
		close(fd);
		return luff_fail(err, LUFF_EFORMAT, "%s: no file of settings", path);
	}
	rc = luff_reader_open_range(&r, fd, 0, st.st_size, err);
	if (rc == 0)
		rc = luff_reader_read_all(&text, r, st.st_size, err);
	if (rc == 0)
		rc = luff_storage_conf_parse(out, text, err);
	return rc < 0 ? luff_fail_context(err, "%s", path) : 0;
}

/* What stands for $HOME, $UID or $USER at p, in either spelling; *len_out is how long that is. NULL: none of them is there. */
static const char *variable(char number[16], size_t *len_out, const char *p)
{
	static const char *const names[] = {"HOME", "UID", "USER"};
	bool braced = p[1] == '{';

	for (int i = 0; i < 3; i++) {
		size_t len = strlen(names[i]);
		const char *value;

		if (strncmp(p + 1 + braced, names[i], len) != 0 || (braced && p[2 + len] != '}'))
			continue;
		*len_out = 1 + len + (braced ? 2 : 0);
		snprintf(number, 16, "%u", (unsigned)geteuid());
		value = i == 1 ? number : getenv(names[i]);
		return value ? value : "";
	}
	return NULL;
}

static int expand(char **out, const char *text, struct luff_error *err)
{
	LUFF_AUTO(buffer) path = {.cap = ROOT_MAX};
	int rc = 0;

	for (const char *p = text; rc == 0 && *p;) {
		char number[16];
		size_t len = 1;
		const char *value = *p == '$' ? variable(number, &len, p) : NULL;

		rc = value ? luff_buffer_printf(&path, err, "%s", value)
			   : luff_buffer_printf(&path, err, "%c", *p);
		p += len;
	}
	if (rc == 0 && (path.len == 0 || *path.data != '/'))
		rc = luff_fail(err, LUFF_EFORMAT, "%s is no path from the root on", text);
	if (rc < 0)
		return rc;
	*out = luff_buffer_take(&path);
	return *out ? 0 : luff_fail_nomem(err);
}

/* @param own  not the system's: its graphroot is for this user */
static int take(struct luff_storage_spot *out, const struct luff_storage_conf *c, bool own,
		struct luff_error *err)
{
	bool root = geteuid() == 0;
	const char *path = own || root ? c->graph_root : NULL;

	if ((!path || !*path) && !root)
		path = c->rootless_path;
	if (c->driver && *c->driver) {
		out->driver = strdup(c->driver);
		if (!out->driver)
			return luff_fail_nomem(err);
	}
	return path && *path ? expand(&out->root, path, err) : 0;
}

static int take_from(struct luff_storage_spot *out, bool *found, const char *path, bool own,
		     struct luff_error *err)
{
	struct luff_storage_conf conf = {.driver = NULL};
	int rc = read_conf(&conf, found, path, err);

	if (rc == 0 && *found && take(out, &conf, own, err) < 0)
		rc = luff_fail_context(err, "%s", path);
	luff_storage_conf_release(&conf);
	return rc;
}

/* The first file that is there counts. */
static int configured(struct luff_storage_spot *out, struct luff_error *err)
{
	const char *named = getenv("CONTAINERS_STORAGE_CONF");
	LUFF_AUTO(text) user = NULL;
	bool found = false;
	int rc = 0;

	if (named && *named)
		return take_from(out, &found, named, true, err);
	if (geteuid() != 0) {
		rc = below(&user, "XDG_CONFIG_HOME", ".config", CONF, err);
		if (rc == 0)
			rc = take_from(out, &found, user, true, err);
	}
	if (rc == 0 && !found)
		rc = take_from(out, &found, "/etc/" CONF, false, err);
	if (rc == 0 && !found)
		rc = take_from(out, &found, "/usr/share/" CONF, false, err);
	return rc;
}

static int find(struct luff_storage_spot *out, struct luff_error *err)
{
	int rc = configured(out, err);

	if (rc < 0 || out->root)
		return rc < 0 ? luff_fail_context(err, "containers-storage") : 0;
	if (geteuid() != 0)
		return below(&out->root, "XDG_DATA_HOME", ".local/share", "containers/storage", err);
	out->root = strdup("/var/lib/containers/storage");
	return out->root ? 0 : luff_fail_nomem(err);
}

int luff_storage_spot_parse(struct luff_storage_spot *out, const char **rest_out, const char *text,
			    struct luff_error *err)
{
	const char *end = *text == '[' ? strchr(text, ']') : NULL, *at, *root = text + 1;

	*rest_out = end ? end + 1 : text;
	if (*text != '[')
		return find(out, err);
	if (!end)
		return luff_fail(err, LUFF_ENAME, "containers-storage: the bracket is not closed");
	at = memchr(root, '@', (size_t)(end - root));
	if (at) {
		out->driver = strndup(root, (size_t)(at - root));
		root = at + 1;
		if (!out->driver)
			return luff_fail_nomem(err);
	}
	if (*root != '/')
		return luff_fail(
			err, LUFF_ENAME,
			"containers-storage: write [overlay@/FOLDER]NAME, with a path from the root on");
	out->root = strndup(root, strcspn(root, "+:]"));
	return out->root ? 0 : luff_fail_nomem(err);
}
