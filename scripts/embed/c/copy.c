/*
 * Copies an image and shows how far it is. With luff installed:
 *
 *	cc copy.c $(pkg-config --cflags --libs luff) -o copy
 *	./copy docker.io/library/alpine:3 oci:./mirror:alpine
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include <luff.h>

static struct luff_scope scope;

static void on_interrupt(int number)
{
	(void)number;
	luff_scope_cancel(
		&scope); /* safe in a signal handler: the copy ends, and leaves nothing half-written */
}

struct progress {
	int64_t there, total;
};

static void show(void *arg, const struct luff_progress *event)
{
	struct progress *p = arg;

	if (event->kind == LUFF_PROGRESS_BYTES || event->kind == LUFF_PROGRESS_KEPT)
		p->there += event->bytes;
	else if (event->kind != LUFF_PROGRESS_START && event->kind != LUFF_PROGRESS_DONE)
		p->there += event->descriptor->size; /* it was there, or was mounted */
	p->total = event->total;
	fprintf(stderr, "\r%.1f of %.1f MB", (double)p->there / 1e6, (double)p->total / 1e6);
}

static int copy(const char *source, const char *destination, struct luff_error *err)
{
	struct luff_open_options create = {.create = true};
	struct luff_medium *src = NULL, *dst = NULL;
	struct luff_name from, to;
	struct progress p = {0};
	struct luff_copy_result result;
	int rc = luff_medium_open(&src, &from, source, NULL, err);

	scope.progress = show;
	scope.progress_arg = &p;
	if (rc == 0)
		rc = luff_medium_open(&dst, &to, destination, &create, err);
	if (rc == 0)
		rc = luff_copy(&result, dst, &to, src, &from, NULL, err);
	if (p.total)
		fputc('\n', stderr);
	if (rc == 0)
		printf("%s: %" PRId64 " blobs copied, %" PRId64 " were there\n", result.root.digest.text,
		       result.copied, result.skipped);
	scope.progress = NULL;
	luff_medium_unref(src);
	luff_medium_unref(dst);
	return rc;
}

int main(int argc, char **argv)
{
	struct luff_error err = {0};
	int rc;

	if (argc != 3) {
		fprintf(stderr, "usage: %s SOURCE DESTINATION\n", argv[0]);
		return 2;
	}
	if (luff_init(&err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	luff_scope_enter(&scope);
	signal(SIGINT, on_interrupt);
	rc = copy(argv[1], argv[2], &err);
	luff_scope_leave(&scope);
	luff_shutdown();
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", luff_error_name(rc), err.msg);
	return rc < 0;
}
