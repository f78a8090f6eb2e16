/* See access.h. Counts are atomic and lines are written in one piece, so that no thread waits for another. */
#include "server/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define STATUS_MAX 600
#define METRICS_MAX ((size_t)1 << 20)

static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "other"};
#define METHODS (sizeof methods / sizeof *methods)

static const struct bound {
	int64_t ms;
	const char *text;
} bounds[] = {{10, "0.01"}, {100, "0.1"}, {1000, "1"}, {10000, "10"}, {100000, "100"}};
#define BOUNDS (sizeof bounds / sizeof *bounds)

struct luff_access {
	int fd; /* -1: no lines */
	atomic_llong requests[METHODS][STATUS_MAX], within[BOUNDS], ms, count, running, received, sent;
};

int luff_access_new(struct luff_access **out, const char *log, struct luff_error *err)
{
	struct luff_access *access = calloc(1, sizeof *access);
	int rc = 0;

	*out = NULL;
	if (!access)
		return luff_fail_nomem(err);
	access->fd = -1;
	if (log)
		access->fd = strcmp(log, "-") == 0
				     ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
				     : open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	if (log && access->fd < 0)
		rc = luff_fail_errno(err, errno, "cannot write to %s", log);
	if (rc < 0)
		luff_access_free(luff_take(access));
	*out = access;
	return rc;
}

void luff_access_free(struct luff_access *access)
{
	if (!access)
		return;
	if (access->fd >= 0)
		close(access->fd);
	free(access);
}

void luff_access_begin(struct luff_access *access)
{
	atomic_fetch_add(&access->running, 1);
}

static bool add_text(cJSON *line, const char *name, const char *value)
{
	char text[1024];

	return !value || !*value ||
	       cJSON_AddStringToObject(line, name, luff_text_printable(text, sizeof text, value)) != NULL;
}

static char *format_line(const struct luff_call *r, int64_t ms, bool whole)
{
	LUFF_AUTO(json) line = cJSON_CreateObject();
	char when[40], client[LUFF_CLIENT_MAX];
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
	if (!line || !add_text(line, "time", when) ||
	    !add_text(line, "client", luff_call_client(client, r)) || !add_text(line, "user", r->user) ||
	    !add_text(line, "method", r->method) || !add_text(line, "path", r->uri) ||
	    !add_text(line, "agent", luff_call_header(r, MHD_HTTP_HEADER_USER_AGENT)) ||
	    !cJSON_AddNumberToObject(line, "status", r->status) ||
	    !cJSON_AddNumberToObject(line, "received", (double)r->received) ||
	    !cJSON_AddNumberToObject(line, "sent", (double)r->sent) ||
	    !cJSON_AddNumberToObject(line, "seconds", (double)ms / 1000) ||
	    (!whole && !cJSON_AddBoolToObject(line, "broken", true)))
		return NULL;
	return cJSON_PrintUnformatted(line);
}

static void write_line(const struct luff_access *access, const struct luff_call *r, int64_t ms, bool whole)
{
	LUFF_AUTO(text) text = format_line(r, ms, whole);
	size_t len = text ? strlen(text) : 0;
	ssize_t n;

	if (!text)
		return;
	text[len] = '\n'; /* in place of the NUL */
	n = write(access->fd, text, len + 1);
	(void)n; /* a log that cannot be written is no reason to stop serving */
}

void luff_access_end(struct luff_access *access, const struct luff_call *r, bool whole)
{
	int64_t ms = luff_clock_ms() - r->began;
	size_t method = 0;

	while (method < METHODS - 1 && strcmp(methods[method], r->method) != 0)
		method++;
	atomic_fetch_add(&access->requests[method][r->status < STATUS_MAX ? r->status : 0], 1);
	for (size_t i = 0; i < BOUNDS; i++) {
		if (ms <= bounds[i].ms)
			atomic_fetch_add(&access->within[i], 1);
	}
	atomic_fetch_add(&access->ms, ms);
	atomic_fetch_add(&access->count, 1);
	atomic_fetch_add(&access->received, r->received);
	atomic_fetch_add(&access->sent, r->sent);
	atomic_fetch_sub(&access->running, 1);
	if (access->fd >= 0)
		write_line(access, r, ms, whole);
}

static void print_metric(struct luff_buffer *out, const char *name, const char *type, const char *help)
{
	struct luff_error ignored = {0};

	luff_buffer_printf(out, &ignored, "# HELP luff_%s %s\n# TYPE luff_%s %s\n", name, help, name, type);
}

/* https://prometheus.io/docs/instrumenting/exposition_formats/ */
int luff_access_get_metrics(struct luff_call *r, struct luff_error *err)
{
	struct luff_access *a = r->access;
	struct luff_buffer out;
	size_t len;
	int rc = 0;

	luff_buffer_init(&out, METRICS_MAX);
	print_metric(&out, "requests_total", "counter",
		     "Requests that are over, by method and status (0: none).");
	for (size_t m = 0; m < METHODS; m++) {
		for (int status = 0; status < STATUS_MAX && rc == 0; status++) {
			long long n = atomic_load(&a->requests[m][status]);

			if (n > 0)
				rc = luff_buffer_printf(
					&out, err, "luff_requests_total{method=\"%s\",code=\"%d\"} %lld\n",
					methods[m], status, n);
		}
	}
	print_metric(&out, "request_seconds", "histogram", "How long requests took, bodies included.");
	for (size_t i = 0; i < BOUNDS && rc == 0; i++)
		rc = luff_buffer_printf(&out, err, "luff_request_seconds_bucket{le=\"%s\"} %lld\n",
					bounds[i].text, atomic_load(&a->within[i]));
	if (rc == 0)
		rc = luff_buffer_printf(&out, err,
					"luff_request_seconds_bucket{le=\"+Inf\"} %lld\n"
					"luff_request_seconds_sum %.3f\nluff_request_seconds_count %lld\n",
					atomic_load(&a->count), (double)atomic_load(&a->ms) / 1000,
					atomic_load(&a->count));
	print_metric(&out, "requests_running", "gauge", "Requests that are not over.");
	if (rc == 0)
		rc = luff_buffer_printf(&out, err, "luff_requests_running %lld\n", atomic_load(&a->running));
	print_metric(&out, "received_bytes_total", "counter", "Bytes of bodies that came in.");
	if (rc == 0)
		rc = luff_buffer_printf(&out, err, "luff_received_bytes_total %lld\n",
					atomic_load(&a->received));
	print_metric(&out, "sent_bytes_total", "counter", "Bytes of bodies that went out, as announced.");
	if (rc == 0)
		rc = luff_buffer_printf(&out, err, "luff_sent_bytes_total %lld\n", atomic_load(&a->sent));
	len = out.len;
	if (rc == 0)
		rc = luff_reply_bytes(r, MHD_HTTP_OK, "text/plain; version=0.0.4", luff_buffer_take(&out),
				      len, err);
	luff_buffer_release(&out);
	return rc;
}
