/* Messages are written once, where a failure is found, and carried up unchanged. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[-LUFF_ENOMEM] = "no_memory",
	[-LUFF_EINVAL] = "invalid",
	[-LUFF_ENAME] = "invalid_name",
	[-LUFF_ENOTFOUND] = "not_found",
	[-LUFF_EEXISTS] = "exists",
	[-LUFF_ENOTSUP] = "unsupported",
	[-LUFF_EFORMAT] = "bad_format",
	[-LUFF_EDIGEST] = "digest_mismatch",
	[-LUFF_ESIZE] = "size_mismatch",
	[-LUFF_ELIMIT] = "too_large",
	[-LUFF_EIO] = "io",
	[-LUFF_ENET] = "network",
	[-LUFF_EAUTH] = "unauthorized",
	[-LUFF_EDENIED] = "denied",
	[-LUFF_ERATE] = "rate_limited",
	[-LUFF_EHTTP] = "http",
	[-LUFF_ETIMEOUT] = "timeout",
	[-LUFF_ECANCELED] = "cancelled",
};

const char *luff_error_name(int code)
{
	size_t i = code < 0 ? (size_t) - (long)code : 0;

	return i < sizeof names / sizeof *names && names[i] ? names[i] : "unknown";
}

/* Names of files and of what servers send may hold anything; a message stays one line. */
static void keep_to_one_line(struct luff_error *err)
{
	for (char *p = err->msg; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
}

int luff_fail(struct luff_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	*err = (struct luff_error){.code = code};
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	keep_to_one_line(err);
	return code;
}

int luff_fail_errno(struct luff_error *err, int sys_errno, const char *fmt, ...)
{
	int code = sys_errno == ENOENT ? LUFF_ENOTFOUND : sys_errno == ENOMEM ? LUFF_ENOMEM : LUFF_EIO;
	size_t len;
	va_list ap;

	*err = (struct luff_error){.code = code, .sys_errno = sys_errno};
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof err->msg - len, ": %s", strerror(sys_errno));
	keep_to_one_line(err);
	return code;
}

int luff_fail_nomem(struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOMEM, "out of memory");
}

int luff_fail_context(struct luff_error *err, const char *fmt, ...)
{
	char old[sizeof err->msg];
	size_t len;
	va_list ap;

	memcpy(old, err->msg, sizeof old);
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof err->msg - len, ": %s", old);
	keep_to_one_line(err);
	return err->code;
}

bool luff_status_may_pass(int http_status)
{
	static const int statuses[] = {408, 425, 429, 500, 502, 503, 504, 522};

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		if (http_status == statuses[i])
			return true;
	}
	return false;
}

bool luff_error_may_pass(const struct luff_error *err)
{
	return (err->code == LUFF_ENET && (err->sys_errno == ECONNRESET || err->sys_errno == EPIPE)) ||
	       luff_status_may_pass(err->http_status);
}
