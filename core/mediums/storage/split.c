/* See split.h. Each line is a piece of the tar ("type": 2, with the bytes) or a file ("type": 1, with name and size). */
#include "mediums/storage/split.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fs/path.h"
#include "store/inside.h"
#include "stream/streams.h"

#define CHUNK (64 << 10)
#define VALUES_MAX 64 /* of a line */

struct split_reader {
	struct luff_reader base;
	struct luff_reader *record; /* its plain bytes */
	int folder;
	struct luff_buffer line; /* what was read of the record, and not used yet */
	size_t start, seen;      /* where the next line begins; how far no end of it was found */
	bool ended;              /* the record */
	char *piece;             /* bytes to hand out; NULL: none */
	size_t piece_at, piece_len;
	struct luff_reader *file; /* to hand out, when the piece is; NULL: none */
};

/* A line, NUL-terminated in the buffer; NULL at the end. */
static int next_line(char **out, struct split_reader *s, struct luff_error *err)
{
	*out = NULL;
	for (;;) {
		char *data = s->line.len > 0 ? s->line.data : NULL,
		     *end = data ? memchr(data + s->seen, '\n', s->line.len - s->seen) : NULL;
		char chunk[16 << 10];
		size_t n = 0;
		int rc;

		if (end) {
			*end = '\0';
			*out = data + s->start;
			s->start = s->seen = (size_t)(end - data) + 1;
			return 0;
		}
		if (data && s->start > 0) {
			s->line.len -= s->start;
			memmove(data, data + s->start, s->line.len);
			s->start = 0;
		}
		s->seen = s->line.len;
		if (s->ended && s->line.len == 0)
			return 0;
		if (s->ended)
			return luff_fail(err, LUFF_EFORMAT,
					 "the layer's tar-split ends in the middle of a line");
		rc = luff_reader_read(&n, s->record, chunk, sizeof chunk, err);
		if (rc == 0 && n > 0)
			rc = luff_buffer_append(&s->line, chunk, n, err);
		if (rc < 0)
			return luff_fail_context(err, "the layer's tar-split");
		s->ended = n == 0;
	}
}

static int malformed(const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "the layer's tar-split has %s", what);
}

static int open_file(struct split_reader *s, const cJSON *entry, int64_t size, struct luff_error *err)
{
	LUFF_AUTO(text) raw = NULL;
	const char *name = luff_json_string(entry, "name"), *coded = luff_json_string(entry, "name_raw");
	char path[LUFF_PATH_MAX + 1], shown[160];
	int64_t actual;
	size_t len;
	int fd = -1, rc;

	if (coded) {
		raw = luff_text_unbase64(&len, coded);
		name = raw && strlen(raw) == len ? raw : NULL;
	}
	if (!name)
		return malformed("a file without a name", err);
	luff_text_printable(shown, sizeof shown, name);
	rc = luff_path_clean(path, name, err);
	if (rc == 0 && !*path)
		rc = malformed("a folder with content", err);
	if (rc == 0)
		rc = luff_inside_open_file(&fd, &actual, s->folder, path, shown, err);
	if (rc == 0 && actual != size)
		rc = luff_fail(err, LUFF_EFORMAT, "the layer's file %s has changed", shown);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	return luff_reader_open_range(&s->file, fd, 0, size, err);
}

static int take_line(struct split_reader *s, const char *line, struct luff_error *err)
{
	LUFF_AUTO(json) entry = NULL;
	size_t len = strlen(line);
	const char *payload;
	int64_t type, size = 0;
	int rc = luff_json_scan(line, len, VALUES_MAX, "tar-split", err);

	if (rc == 0)
		rc = luff_json_parse(&entry, line, len, "tar-split", err);
	if (rc < 0)
		return rc;
	if (!luff_json_int64(&type, entry, "type") || type < 1 || type > 2)
		return malformed("a line of an unknown type", err);
	if (type == 1) {
		if (luff_json_get(entry, "size") && (!luff_json_int64(&size, entry, "size") || size < 0))
			return malformed("a size that is none", err);
		return size > 0 ? open_file(s, entry, size, err) : 0;
	}
	payload = luff_json_string(entry, "payload");
	s->piece = luff_text_unbase64(&s->piece_len, payload ? payload : "");
	s->piece_at = 0;
	return s->piece ? 0 : malformed("bytes that are no base64", err);
}

static int split_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len, struct luff_error *err)
{
	struct split_reader *s = (struct split_reader *)base;
	char *line;
	int rc;

	for (;;) {
		if (s->piece && s->piece_at < s->piece_len) {
			*n_out = s->piece_len - s->piece_at < len ? s->piece_len - s->piece_at : len;
			memcpy(buf, s->piece + s->piece_at, *n_out);
			s->piece_at += *n_out;
			return 0;
		}
		free(luff_take(s->piece));
		if (s->file) {
			rc = luff_reader_read(n_out, s->file, buf, len, err);
			if (rc < 0 || *n_out > 0)
				return rc;
			luff_reader_close(luff_take(s->file));
		}
		rc = next_line(&line, s, err);
		if (rc == 0 && !line) {
			*n_out = 0;
			return 0;
		}
		if (rc == 0)
			rc = take_line(s, line, err);
		if (rc < 0)
			return rc;
	}
}

static void split_close(struct luff_reader *base)
{
	struct split_reader *s = (struct split_reader *)base;

	luff_reader_close(s->record);
	luff_reader_close(s->file);
	luff_buffer_release(&s->line);
	free(s->piece);
	close(s->folder);
	free(s);
}

static const struct luff_reader_ops split_ops = {.read = split_read, .close = split_close};

int luff_split_open(struct luff_reader **out, struct luff_reader *record, int folder, struct luff_error *err)
{
	struct split_reader *s = calloc(1, sizeof *s);
	int rc;

	*out = NULL;
	if (!s) {
		luff_reader_close(record);
		close(folder);
		return luff_fail_nomem(err);
	}
	s->base.ops = &split_ops;
	s->folder = folder;
	luff_buffer_init(&s->line, LUFF_SPLIT_LINE_MAX);
	rc = luff_reader_open_inflate(&s->record, record, err);
	if (rc < 0)
		split_close(&s->base);
	else
		*out = &s->base;
	return rc;
}
