/* img:export, img:extract and img:save: a tree as a tar, and as a folder; the files of an artifact. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "bind.h"

struct export_call {
	struct luff_work base;
	struct luff_image *image;
	const char *target;  /* kept by the user value */
	char real[PATH_MAX]; /* where the target's links lead */
	char *unfinished;    /* the file until it is whole */
	int fd;
	bool keep_owner;
	struct luff_extract_result result;
	struct luff_artifact_result saved;
};

static int write_fd(void *arg, const void *bytes, size_t len, struct luff_error *err)
{
	const struct export_call *c = arg;

	while (len > 0) {
		ssize_t n = write(c->fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return luff_fail_errno(err, errno, "%s: cannot write", c->target);
		bytes = (const char *)bytes + n;
		len -= (size_t)n;
	}
	return 0;
}

/* Into a file of another name, which takes the real one when it is whole; into what is no file (/dev/null, a pipe) as it is. */
static int open_unfinished(struct export_call *c, struct luff_error *err)
{
	size_t size = sizeof c->real + 32;
	struct stat st;

	if (stat(c->target, &st) == 0 && !S_ISREG(st.st_mode)) {
		c->fd = open(c->target, O_WRONLY | O_CLOEXEC);
		return c->fd < 0 ? luff_fail_errno(err, errno, "%s: cannot write", c->target) : 0;
	}
	if (!luff_file_real(c->real, c->target))
		return luff_fail(err, LUFF_EINVAL, "%s: its links lead nowhere", c->target);
	c->unfinished = malloc(size);
	if (!c->unfinished)
		return luff_fail_nomem(err);
	snprintf(c->unfinished, size, "%s.part-%ld", c->real, (long)getpid());
	c->fd = open(c->unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (c->fd < 0) {
		int error = errno;

		free(c->unfinished);
		c->unfinished = NULL;
		return luff_fail_errno(err, error, "%s: cannot make the file", c->target);
	}
	return 0;
}

static int finish_file(struct export_call *c, struct luff_error *err)
{
	if (c->unfinished && rename(c->unfinished, c->real) < 0)
		return luff_fail_errno(err, errno, "%s: cannot make the file", c->target);
	free(c->unfinished);
	c->unfinished = NULL;
	return 0;
}

static int export_run(struct luff_work *base, struct luff_error *err)
{
	struct export_call *c = (struct export_call *)base;
	bool to_stdout = strcmp(c->target, "-") == 0;
	int rc = 0;

	if (to_stdout)
		c->fd = STDOUT_FILENO;
	else
		rc = open_unfinished(c, err);
	if (rc == 0)
		rc = luff_export(c->image, write_fd, c, err);
	if (rc == 0 && !to_stdout)
		rc = finish_file(c, err);
	return rc;
}

static int extract_run(struct luff_work *base, struct luff_error *err)
{
	struct export_call *c = (struct export_call *)base;
	struct luff_extract_options options = {.keep_owner = c->keep_owner};

	return luff_extract(&c->result, c->image, c->target, &options, err);
}

static int save_run(struct luff_work *base, struct luff_error *err)
{
	struct export_call *c = (struct export_call *)base;

	return luff_artifact_save(&c->saved, c->image, c->target, err);
}

static int push_counts(lua_State *L, int64_t files, int64_t bytes, int64_t skipped)
{
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, files);
	lua_setfield(L, -2, "files");
	lua_pushinteger(L, bytes);
	lua_setfield(L, -2, "bytes");
	lua_pushinteger(L, skipped);
	lua_setfield(L, -2, "skipped");
	return 1;
}

static int save_finish(lua_State *L, struct luff_work *base)
{
	const struct luff_artifact_result *r = &((const struct export_call *)base)->saved;

	return push_counts(L, r->files, r->bytes, r->skipped);
}

static int export_finish(lua_State *L, struct luff_work *base)
{
	(void)L, (void)base;
	return 0;
}

static int extract_finish(lua_State *L, struct luff_work *base)
{
	const struct luff_extract_result *r = &((const struct export_call *)base)->result;

	return push_counts(L, r->files, r->bytes, r->skipped);
}

static void export_release(struct luff_work *base)
{
	struct export_call *c = (struct export_call *)base;

	if (c->fd > STDERR_FILENO)
		close(c->fd);
	if (c->unfinished)
		unlink(c->unfinished);
	free(c->unfinished);
	luff_image_unref(c->image);
}

static struct export_call *new_call(lua_State *L)
{
	struct luff_image *image = luff_check_image(L, 1);
	const char *target = luff_check_name(L, 2);
	struct export_call *c = luff_work_new(L, sizeof *c);

	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 1);
	c->base.release = export_release;
	c->image = luff_image_ref(image);
	c->target = target;
	c->fd = -1;
	return c;
}

int luff_image_export(lua_State *L)
{
	struct export_call *c;

	luff_check_no_plan(L, "write files");
	c = new_call(L);
	c->base.run = export_run;
	c->base.finish = export_finish;
	return luff_work_go(L);
}

int luff_image_extract(lua_State *L)
{
	static const char *const options[] = {"keep_owner", NULL};
	struct export_call *c;
	bool keep;

	luff_check_options(L, 3, options);
	keep = luff_option_bool(L, 3, "keep_owner");
	if (lua_istable(L, 3) ? lua_getfield(L, 3, "keep_owner") == LUA_TNIL : true)
		keep = geteuid() == 0;
	lua_settop(L, 2);
	luff_check_no_plan(L, "write files");
	c = new_call(L);
	c->keep_owner = keep;
	c->base.run = extract_run;
	c->base.finish = extract_finish;
	return luff_work_go(L);
}

int luff_image_save(lua_State *L)
{
	struct export_call *c;

	luff_check_no_plan(L, "write files");
	c = new_call(L);
	c->base.run = save_run;
	c->base.finish = save_finish;
	return luff_work_go(L);
}
