/* Text helpers; see text.h. */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool luff_text_copy(char *buf, size_t size, const char *text)
{
	size_t len = strlen(text), n = len < size ? len : size - 1;

	memcpy(buf, text, n);
	buf[n] = '\0';
	return n == len;
}

void luff_text_hex(char *buf, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		buf[2 * i] = digits[bytes[i] >> 4];
		buf[2 * i + 1] = digits[bytes[i] & 15];
	}
	buf[2 * len] = '\0';
}

bool luff_text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool luff_text_int64(int64_t *out, const char *text)
{
	int64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *text - '0', &n))
			return false;
	}
	*out = n;
	return true;
}

/* Exactly n digits, of at least `least` and at most `most`, with `end` behind them ('\0': whatever is there). */
static bool take_digits(int *out, const char **text, int n, int least, int most, char end)
{
	*out = 0;
	for (; n > 0; n--, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*out = *out * 10 + (**text - '0');
	}
	if (*out < least || *out > most || (end && **text != end))
		return false;
	*text += end != '\0';
	return true;
}

/* "Z" or "+02:00", in minutes */
static bool take_zone(int *out, const char *text)
{
	int sign = *text == '-' ? -1 : 1, hours, minutes;

	*out = 0;
	if ((*text == 'Z' || *text == 'z') && !text[1])
		return true;
	if (*text != '+' && *text != '-')
		return false;
	text++;
	if (!take_digits(&hours, &text, 2, 0, 23, ':') || !take_digits(&minutes, &text, 2, 0, 59, '\0') ||
	    *text)
		return false;
	*out = sign * (hours * 60 + minutes);
	return true;
}

bool luff_text_time(int64_t *out, const char *text)
{
	int year, month, day, hour, minute, second, zone;
	int64_t days, years;

	if (!take_digits(&year, &text, 4, 0, 9999, '-') || !take_digits(&month, &text, 2, 1, 12, '-') ||
	    !take_digits(&day, &text, 2, 1, 31, '\0') || !*text || !strchr("Tt ", *text++) ||
	    !take_digits(&hour, &text, 2, 0, 23, ':') || !take_digits(&minute, &text, 2, 0, 59, ':') ||
	    !take_digits(&second, &text, 2, 0, 60, '\0'))
		return false;
	if (*text == '.' && strspn(++text, "0123456789") == 0)
		return false;
	text += strspn(text, "0123456789");
	if (!take_zone(&zone, text))
		return false;
	/* of years that begin in March, so that the day of a leap year is their last */
	years = month > 2 ? year : year - 1;
	month = month > 2 ? month - 3 : month + 9;
	days = years * 365 + (years + 400) / 4 - (years + 400) / 100 + (years + 400) / 400 - 97 +
	       (153 * month + 2) / 5 + day - 1 - 719468;
	*out = days * 86400 + hour * 3600 + (minute - zone) * 60 + second;
	return true;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *luff_text_base64(const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	char *out, *p;

	if (len > SIZE_MAX / 2)
		return NULL;
	p = out = malloc((len + 2) / 3 * 4 + 1);
	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned v = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
			     (left > 2 ? in[i + 2] : 0);

		*p++ = alphabet[v >> 18];
		*p++ = alphabet[v >> 12 & 63];
		*p++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*p++ = left > 2 ? alphabet[v & 63] : '=';
	}
	*p = '\0';
	return out;
}

char *luff_text_unbase64(size_t *len_out, const char *text)
{
	size_t len = strlen(text), pad = 0, n = 0;
	unsigned v = 0;
	char *out;

	*len_out = 0;
	if (len % 4)
		return NULL;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	out = malloc(len / 4 * 3 + 1);
	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		const char *at = i < len - pad ? memchr(alphabet, text[i], 64) : alphabet;

		if (!at) {
			free(out);
			return NULL;
		}
		v = v << 6 | (unsigned)(at - alphabet);
		if (i % 4 == 3) {
			out[n++] = (char)(v >> 16);
			out[n++] = (char)(v >> 8);
			out[n++] = (char)v;
			v = 0;
		}
	}
	n -= n ? pad : 0;
	out[n] = '\0';
	*len_out = n;
	return out;
}

const char *luff_text_size(char buf[16], int64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double n = (double)bytes;
	size_t i = 0;

	while (n >= 999.95 && i + 1 < sizeof units / sizeof *units) {
		n /= 1000;
		i++;
	}
	snprintf(buf, 16, i ? "%.1f %s" : "%.0f %s", n, units[i]);
	return buf;
}

/* Length of the well-formed UTF-8 character at p, where `left` bytes are, 0 for none (RFC 3629 4). */
static size_t utf8(const unsigned char *p, size_t left)
{
	size_t len = p[0] < 0x80   ? 1
		     : p[0] < 0xc2 ? 0
		     : p[0] < 0xe0 ? 2
		     : p[0] < 0xf0 ? 3
		     : p[0] < 0xf5 ? 4
				   : 0;

	if (len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool luff_text_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < len;) {
		size_t n = utf8(p + i, len - i);

		if (!n)
			return false;
		i += n;
	}
	return true;
}

const char *luff_text_printable(char *buf, size_t size, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t out = 0;

	while (*p && out + 1 < size) {
		size_t n = utf8(p, 4); /* the NUL ends a character that is cut off */
		/* C0, DEL, and the C1 controls of U+0080..U+009F, which terminals obey as well */
		bool plain = n && *p >= 0x20 && *p != 0x7f && !(n == 2 && p[0] == 0xc2 && p[1] < 0xa0);

		if (plain && out + n >= size)
			break;
		if (plain)
			memcpy(buf + out, p, n);
		else
			buf[out] = '?';
		out += plain ? n : 1;
		p += n ? n : 1;
	}
	buf[out] = '\0';
	return buf;
}
