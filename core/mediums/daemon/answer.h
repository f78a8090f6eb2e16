/* What a daemon's answers say. Pure parsers: nothing in an answer is believed before it has the form that it must have. */
#ifndef LUFF_DAEMON_ANSWER_H
#define LUFF_DAEMON_ANSWER_H

#include "base/buffer.h"
#include "base/json.h"
#include "luff.h"

/* Names of images, as luff_docker_name() gives them. */
struct luff_answer_names {
	char **names;
	size_t count;
};

void luff_answer_names_release(struct luff_answer_names *names);
/** GET /images/json: the names of all images. LUFF_EFORMAT */
int luff_answer_list(struct luff_answer_names *out, const char *text, size_t len, struct luff_error *err);

/* GET /images/NAME/json */
struct luff_answer_image {
	struct luff_digest id; /* of the config, or with containerd's image store of the manifest or index */
	struct luff_descriptor
		descriptor; /* what that store has for the name; its digest is "" where it does not say */
	struct luff_descriptor chosen; /* of an index, the image for the platform that is wanted, likewise */
	struct luff_answer_names names;
};

/** @param want  may be NULL */
int luff_answer_image(struct luff_answer_image *out, const char *text, size_t len,
		      const struct luff_platform *want, struct luff_error *err);
void luff_answer_image_release(struct luff_answer_image *image);

/** The ID of what DELETE /images/NAME removed; "" where only a name went. */
int luff_answer_removed(struct luff_digest *out, const char *text, size_t len, struct luff_error *err);

/** What POST /images/prune removed. LUFF_EFORMAT */
int luff_answer_pruned(struct luff_daemon_pruned *out, const char *text, size_t len, struct luff_error *err);

/** The words of an error's body, fit for a message; "" where there are none. */
void luff_answer_words(char *buf, size_t size, const char *text, size_t len);

/* Objects of JSON one behind the other, as a daemon tells of work that goes on: one of them may say that it failed. */
struct luff_answer_stream {
	struct luff_buffer object; /* that is not complete */
	int64_t total;
	int depth;
	bool quoted, escaped;
	/* Gets each object that is no error; NULL: nobody. */
	void (*each)(void *arg, const cJSON *object);
	void *arg;
};

void luff_answer_stream_init(struct luff_answer_stream *s);
void luff_answer_stream_release(struct luff_answer_stream *s);
/** @return 0; LUFF_EHTTP with the daemon's words where it failed; LUFF_EFORMAT, LUFF_ELIMIT */
int luff_answer_stream_feed(struct luff_answer_stream *s, const char *bytes, size_t len,
			    struct luff_error *err);
/** Feeds all that a reader has, and ends. What the reader fails with, or as feed and end. */
int luff_answer_stream_read(struct luff_answer_stream *s, struct luff_reader *r, struct luff_error *err);
/** LUFF_EFORMAT if the last object is not complete. */
int luff_answer_stream_end(const struct luff_answer_stream *s, struct luff_error *err);

#endif
