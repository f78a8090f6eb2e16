/* See load.h. The status of the answer says nothing: how it went stands in the objects of JSON that follow. */
#include "mediums/daemon/load.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "mediums/daemon/answer.h"
#include "stream/streams.h"

#define TAR_END 1024 /* zeros at the end of a tar, which a daemon need not read */

static int read_answer(struct luff_exchange *x, struct luff_error *err)
{
	struct luff_answer_stream stream;
	int rc;

	luff_answer_stream_init(&stream);
	rc = luff_answer_stream_read(&stream, luff_exchange_reader(x), err);
	luff_answer_stream_release(&stream);
	return rc;
}

int luff_load(struct luff_client *client, int fd, int64_t size, struct luff_error *err)
{
	/* with its progress, the answer would begin before all of the archive is there */
	struct luff_client_request request = {.method = "POST", .path = "/images/load?quiet=1", .size = size};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(reader) src = NULL;
	struct luff_error failure = {0};
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), rc;

	if (copy < 0)
		return luff_fail_errno(err, errno, "cannot read the archive again");
	rc = luff_reader_open_range(&src, copy, 0, size, err);
	request.src = src;
	if (rc == 0)
		rc = luff_client_ask(&x, client, &request, err);
	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) != 200)
		return luff_client_refused(client, x, err);
	rc = read_answer(x, &failure);
	if (rc == 0 && luff_exchange_unsent(x) > TAR_END)
		rc = luff_fail(&failure, LUFF_EHTTP, "the daemon stopped reading the image");
	if (rc == LUFF_EHTTP || rc == LUFF_EFORMAT || rc == LUFF_ELIMIT)
		luff_client_context(client, &failure);
	if (rc < 0)
		*err = failure;
	return rc;
}
