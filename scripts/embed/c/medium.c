/*
 * A medium of one's own: a folder with a file for each blob ("sha256-…") and one for each tag ("tag-v1"), which holds the manifest's
 * descriptor. All that luff does with images, it does there, too; here, it copies one in and another out.
 *
 *	cc medium.c $(pkg-config --cflags --libs luff) -o medium
 *	./medium put FOLDER docker.io/library/alpine:3 v1
 *	./medium get FOLDER v1 oci:./mirror:alpine
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <luff.h>
#include <luff/medium.h>

#define PATH_MAX_HERE 4096

struct shelf {
	struct luff_medium base; /* the first member */
	char folder[PATH_MAX_HERE - 1024];
};

static const struct shelf *shelf_of(const struct luff_medium *m)
{
	return (const struct shelf *)m;
}

/* Says what failed; the code is the result. */
static int fail(struct luff_error *err, int code, const char *what, const char *thing)
{
	*err = (struct luff_error){.code = code, .sys_errno = errno};
	snprintf(err->msg, sizeof err->msg, "%s: %s", thing, what);
	return code;
}

static void blob_path(char path[PATH_MAX_HERE], const struct luff_medium *m, const struct luff_digest *digest)
{
	snprintf(path, PATH_MAX_HERE, "%s/%.6s-%s", shelf_of(m)->folder, digest->text,
		 luff_digest_hex(digest));
}

/* A tag may have a slash in it in some places; not here. */
static int tag_path(char path[PATH_MAX_HERE], const struct luff_medium *m, const char *tag,
		    struct luff_error *err)
{
	if (!*tag || strchr(tag, '/'))
		return fail(err, LUFF_ENAME, "no tag for this place", tag);
	snprintf(path, PATH_MAX_HERE, "%s/tag-%s", shelf_of(m)->folder, tag);
	return 0;
}

/* ---- Reading ---- */

struct file_reader {
	struct luff_reader base;
	FILE *file;
};

static int file_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	FILE *file = ((struct file_reader *)r)->file;

	*n_out = fread(buf, 1, len, file);
	return ferror(file) ? fail(err, LUFF_EIO, strerror(errno), "read") : 0;
}

static void file_close(struct luff_reader *r)
{
	fclose(((struct file_reader *)r)->file);
	free(r);
}

/* Nobody need check the digest here: luff does, for every medium. */
static int fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		 int64_t offset, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = file_read, .close = file_close};
	struct file_reader *r = calloc(1, sizeof *r);
	char path[PATH_MAX_HERE];

	blob_path(path, m, &d->digest);
	if (!r)
		return fail(err, LUFF_ENOMEM, "out of memory", path);
	r->base.ops = &ops;
	r->file = fopen(path, "rb");
	if (!r->file || fseek(r->file, (long)offset, SEEK_SET) != 0) {
		if (r->file)
			fclose(r->file);
		free(r);
		return fail(err, errno == ENOENT ? LUFF_ENOTFOUND : LUFF_EIO, strerror(errno), path);
	}
	*out = &r->base;
	return 0;
}

static int resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
		   const struct luff_name *name, struct luff_error *err)
{
	char path[PATH_MAX_HERE], digest[LUFF_DIGEST_MAX + 1];
	FILE *file;
	int rc = tag_path(path, m, name->tag, err), n;

	(void)document; /* it is fetched */
	if (rc < 0)
		return rc;
	file = fopen(path, "r");
	if (!file)
		return fail(err, LUFF_ENOTFOUND, strerror(errno), path);
	n = fscanf(file, "%255s %135s %" SCNd64, out->media_type, digest, &out->size);
	fclose(file);
	if (n != 3 || luff_digest_parse(&out->digest, digest, err) < 0)
		return fail(err, LUFF_EFORMAT, "not a descriptor", path);
	out->manifest = true;
	return 0;
}

/* ---- Writing: beside its name first, so that nobody sees half of it ---- */

static int put_file(const char *path, struct luff_reader *src, struct luff_error *err)
{
	static char buf[65536]; /* one thread writes here: see `jobs` below */
	char beside[PATH_MAX_HERE + 4];
	size_t n = 1;
	FILE *file;
	int rc = 0;

	snprintf(beside, sizeof beside, "%s.new", path);
	file = fopen(beside, "wb");
	if (!file)
		return fail(err, LUFF_EIO, strerror(errno), beside);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, src, buf, sizeof buf, err);
		if (rc == 0 && fwrite(buf, 1, n, file) != n)
			rc = fail(err, LUFF_EIO, strerror(errno), beside);
	}
	if (fclose(file) != 0 && rc == 0)
		rc = fail(err, LUFF_EIO, strerror(errno), beside);
	if (rc == 0 && rename(beside, path) < 0)
		rc = fail(err, LUFF_EIO, strerror(errno), path);
	if (rc < 0)
		unlink(beside);
	return rc;
}

static int push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		struct luff_error *err)
{
	char path[PATH_MAX_HERE];

	blob_path(path, m, &d->digest);
	return put_file(path, src, err);
}

static int write_text(const char *path, const void *bytes, size_t len, struct luff_error *err)
{
	FILE *file = fopen(path, "wb");
	bool written = file && fwrite(bytes, 1, len, file) == len;

	if (file && fclose(file) != 0)
		written = false;
	return written ? 0 : fail(err, LUFF_EIO, strerror(errno), path);
}

static int tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes, const char *name,
	       struct luff_error *err)
{
	char path[PATH_MAX_HERE], line[LUFF_MEDIA_TYPE_MAX + LUFF_DIGEST_MAX + 32];
	int rc = tag_path(path, m, name, err), len;
	char blob[PATH_MAX_HERE];

	if (rc < 0)
		return rc;
	blob_path(blob, m, &d->digest);
	rc = write_text(blob, bytes, (size_t)d->size, err);
	len = snprintf(line, sizeof line, "%s %s %" PRId64 "\n", d->media_type, d->digest.text, d->size);
	return rc < 0 ? rc : write_text(path, line, (size_t)len, err);
}

static void destroy(struct luff_medium *m)
{
	free(m->place);
	free(m);
}

static int shelf_open(struct luff_medium **out, const char *folder, struct luff_error *err)
{
	static const struct luff_medium_ops ops = {
		.scheme = "shelf",
		.resolve = resolve,
		.fetch = fetch,
		.push = push,
		.tag = tag,
		.destroy = destroy,
	};
	struct shelf *s = calloc(1, sizeof *s);

	if (!s || !(s->base.place = malloc(strlen(folder) + 7))) {
		free(s);
		return fail(err, LUFF_ENOMEM, "out of memory", folder);
	}
	sprintf(s->base.place, "shelf:%s", folder);
	snprintf(s->folder, sizeof s->folder, "%s", folder);
	s->base.ops = &ops;
	atomic_init(&s->base.refs, 1);
	mkdir(folder, 0777);
	*out = &s->base;
	return 0;
}

int main(int argc, char **argv)
{
	bool put = argc == 5 && strcmp(argv[1], "put") == 0;
	struct luff_open_options create = {.create = true};
	struct luff_copy_options options = {.jobs = 1};
	struct luff_medium *shelf = NULL, *other = NULL;
	struct luff_name name = {0}, other_name;
	struct luff_error err = {0};
	int rc;

	if (argc != 5 || (!put && strcmp(argv[1], "get") != 0)) {
		fprintf(stderr, "usage: %s put FOLDER SOURCE TAG | get FOLDER TAG DESTINATION\n", argv[0]);
		return 2;
	}
	rc = luff_init(&err);
	if (rc < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	snprintf(name.tag, sizeof name.tag, "%s", argv[put ? 4 : 3]);
	rc = shelf_open(&shelf, argv[2], &err);
	if (rc == 0)
		rc = luff_medium_open(&other, &other_name, argv[put ? 3 : 4], put ? NULL : &create, &err);
	if (rc == 0 && put)
		rc = luff_copy(NULL, shelf, &name, other, &other_name, &options, &err);
	else if (rc == 0)
		rc = luff_copy(NULL, other, &other_name, shelf, &name, &options, &err);
	luff_medium_unref(other);
	luff_medium_unref(shelf);
	luff_shutdown();
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", luff_error_name(rc), err.msg);
	return rc < 0;
}
