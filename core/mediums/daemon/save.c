/*
 * See save.h. A daemon that fails when the answer has begun has no status left to say so: it writes an error as JSON behind what
 * is there of the archive, and ends as if all were well.
 */
#include "mediums/daemon/save.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "http/url.h"
#include "mediums/daemon/answer.h"

#define TAIL 4096 /* bytes at the end of an answer in which an error is looked for */

struct save {
	struct luff_reader base;
	struct luff_client *client;
	struct luff_digest id;
	char *path;
	struct luff_exchange *x; /* NULL: not asked for yet */
	char tail[TAIL];
	size_t tail_len;
};

static int start(struct save *s, struct luff_error *err)
{
	struct luff_client_request request = {.method = "GET", .path = s->path};
	int rc = luff_client_ask(&s->x, s->client, &request, err);

	return rc == 0 && luff_exchange_status(s->x) != 200 ? luff_client_refused(s->client, s->x, err) : rc;
}

static void remember(struct save *s, const char *bytes, size_t len)
{
	size_t keep = len < TAIL ? len : TAIL, old = s->tail_len;

	old = old + keep > TAIL ? TAIL - keep : old;
	memmove(s->tail, s->tail + s->tail_len - old, old);
	memcpy(s->tail + old, bytes + len - keep, keep);
	s->tail_len = old + keep;
}

/* A tar ends with zeros. */
static int check_tail(const struct save *s, struct luff_error *err)
{
	size_t end = s->tail_len;
	char words[300];

	while (end > 0 && strchr("\r\n", s->tail[end - 1]) && s->tail[end - 1])
		end--;
	if (end == 0 || s->tail[end - 1] != '}')
		return 0;
	for (size_t at = end; at-- > 0;) {
		if (s->tail[at] != '{')
			continue;
		luff_answer_words(words, sizeof words, s->tail + at, end - at);
		if (*words) {
			luff_fail(err, LUFF_EHTTP, "cannot give out %s: %s", s->id.text, words);
			return luff_client_context(s->client, err);
		}
	}
	return 0;
}

static int save_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len, struct luff_error *err)
{
	struct save *s = (struct save *)base;
	int rc = s->x ? 0 : start(s, err);

	if (rc == 0)
		rc = luff_reader_read(n_out, luff_exchange_reader(s->x), buf, len, err);
	if (rc == 0 && *n_out > 0)
		remember(s, buf, *n_out);
	return rc == 0 && *n_out == 0 ? check_tail(s, err) : rc;
}

static void save_close(struct luff_reader *base)
{
	struct save *s = (struct save *)base;

	luff_exchange_close(s->x);
	luff_client_unref(s->client);
	free(s->path);
	free(s);
}

static const struct luff_reader_ops save_ops = {.read = save_read, .close = save_close};

/* ?platform={"os":"linux","architecture":"arm64"} */
static int add_platform(struct luff_buffer *path, const struct luff_platform *platform,
			struct luff_error *err)
{
	LUFF_AUTO(json) tree = cJSON_CreateObject();
	LUFF_AUTO(text) text = NULL;
	int rc;

	if (cJSON_AddStringToObject(tree, "os", platform->os) &&
	    cJSON_AddStringToObject(tree, "architecture", platform->arch) &&
	    (!platform->variant[0] || cJSON_AddStringToObject(tree, "variant", platform->variant)) &&
	    (!platform->os_version[0] || cJSON_AddStringToObject(tree, "os.version", platform->os_version)))
		text = cJSON_PrintUnformatted(tree);
	if (!text)
		return luff_fail_nomem(err);
	rc = luff_buffer_printf(path, err, "?platform=");
	return rc < 0 ? rc : luff_url_encode(path, text, err);
}

int luff_save_open(struct luff_reader **out, struct luff_client *client, const struct luff_digest *id,
		   const struct luff_platform *platform, struct luff_error *err)
{
	LUFF_AUTO(buffer) path = {.cap = 2048};
	struct save *s = NULL;
	int rc = luff_buffer_printf(&path, err, "/images/%s/get", id->text);

	*out = NULL;
	if (rc == 0 && platform)
		rc = add_platform(&path, platform, err);
	if (rc < 0)
		return rc;
	s = calloc(1, sizeof *s);
	if (s)
		s->path = luff_buffer_take(&path);
	if (!s || !s->path) {
		free(s);
		return luff_fail_nomem(err);
	}
	s->base.ops = &save_ops;
	s->client = luff_client_ref(client);
	s->id = *id;
	*out = &s->base;
	return 0;
}
