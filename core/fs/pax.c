/* See pax.h. */
#include "fs/pax.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define XATTR "SCHILY.xattr."
#define SPARSE "GNU.sparse."

void luff_pax_reset(struct luff_pax *pax)
{
	struct luff_pax empty = {.xattrs = pax->xattrs, .xattr_room = pax->xattr_room};

	luff_sparse_release(&pax->sparse);
	*pax = empty;
}

void luff_pax_release(struct luff_pax *pax)
{
	luff_sparse_release(&pax->sparse);
	free(pax->xattrs);
	*pax = (struct luff_pax){0};
}

static int damaged(const char *key, struct luff_error *err)
{
	char shown[64];

	return luff_fail(err, LUFF_EFORMAT, "a damaged pax header: %s",
			 luff_text_printable(shown, sizeof shown, key));
}

/* "-1.5" is half a second after -2. */
static bool parse_time(int64_t *seconds, int32_t *ns, const char *text)
{
	bool negative = *text == '-';
	const char *digits = text + negative, *dot = strchr(digits, '.');
	size_t len = dot ? (size_t)(dot - digits) : strlen(digits);
	char whole[24];
	int32_t fraction = 0, unit = 100000000;

	if (len >= sizeof whole)
		return false;
	memcpy(whole, digits, len);
	whole[len] = '\0';
	if (!luff_text_int64(seconds, whole))
		return false;
	for (const char *p = dot ? dot + 1 : ""; *p; p++, unit /= 10) {
		if (*p < '0' || *p > '9')
			return false;
		fraction += (*p - '0') * unit;
	}
	if (negative) {
		*seconds = -*seconds - (fraction > 0);
		fraction = fraction > 0 ? 1000000000 - fraction : 0;
	}
	*ns = fraction;
	return true;
}

static int add_xattr(struct luff_pax *pax, const char *name, const char *value, size_t len,
		     struct luff_error *err)
{
	if (pax->xattr_count == LUFF_XATTR_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a file with more than %d extended attributes",
				 LUFF_XATTR_MAX);
	if (pax->xattr_count == pax->xattr_room) {
		size_t room = pax->xattr_room ? 2 * pax->xattr_room : 8;
		struct luff_xattr *xattrs = realloc(pax->xattrs, room * sizeof *xattrs);

		if (!xattrs)
			return luff_fail_nomem(err);
		pax->xattrs = xattrs;
		pax->xattr_room = room;
	}
	pax->xattrs[pax->xattr_count++] = (struct luff_xattr){.name = name, .value = value, .len = len};
	return 0;
}

/* `key` is what follows "GNU.sparse." */
static int sparse_record(struct luff_pax *pax, const char *key, const char *value, struct luff_error *err)
{
	int64_t number = 0;
	bool is_number = luff_text_int64(&number, value);

	pax->is_sparse = true;
	if (strcmp(key, "name") == 0) {
		pax->sparse_name = value;
	} else if (strcmp(key, "map") == 0) {
		return luff_sparse_parse(&pax->sparse, value, err);
	} else if (!is_number) {
		return damaged("GNU.sparse", err);
	} else if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0) {
		pax->sparse_size = number;
	} else if (strcmp(key, "major") == 0) {
		pax->sparse_in_data = number == 1;
		if (number > 1)
			return luff_fail(err, LUFF_ENOTSUP, "a sparse file of an unknown version");
	} else if (strcmp(key, "offset") == 0 || strcmp(key, "numbytes") == 0) {
		if (pax->sparse.odd != (*key == 'n'))
			return damaged("GNU.sparse", err);
		return luff_sparse_add(&pax->sparse, number, err);
	}
	return 0;
}

static int record(struct luff_pax *pax, const char *key, const char *value, size_t len,
		  struct luff_error *err)
{
	static const char *const texts[] = {"path", "linkpath", "uname", "gname"}, *const numbers[] = {"size",
												       "uid",
												       "gid"};
	const char **text[] = {&pax->path, &pax->link, &pax->user, &pax->group};
	int64_t *number[] = {&pax->size, &pax->uid, &pax->gid};
	bool *has[] = {&pax->has_size, &pax->has_uid, &pax->has_gid};

	if (luff_text_starts(key, XATTR))
		return add_xattr(pax, key + strlen(XATTR), value, len, err);
	if (luff_text_starts(key, SPARSE))
		return strlen(value) == len ? sparse_record(pax, key + strlen(SPARSE), value, err)
					    : damaged(key, err);
	for (size_t i = 0; i < 4; i++) {
		if (strcmp(key, texts[i]) != 0)
			continue;
		if (strlen(value) != len)
			return luff_fail(err, LUFF_EFORMAT, "a name with a NUL in it");
		*text[i] = len > 0 ? value : NULL;
	}
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(key, numbers[i]) != 0)
			continue;
		*has[i] = len > 0;
		if (len > 0 && (strlen(value) != len || !luff_text_int64(number[i], value)))
			return damaged(key, err);
	}
	if (strcmp(key, "mtime") == 0) {
		pax->has_mtime = len > 0;
		if (len > 0 && !parse_time(&pax->mtime, &pax->mtime_ns, value))
			return damaged(key, err);
	}
	return 0;
}

int luff_pax_parse(struct luff_pax *pax, char *text, size_t len, struct luff_error *err)
{
	int rc = 0;

	while (rc == 0 && len > 0) {
		size_t digits = 0, size = 0, at;
		char *equals;

		while (digits < len && digits < 9 && text[digits] >= '0' && text[digits] <= '9')
			size = 10 * size + (size_t)(text[digits++] - '0');
		at = digits + 1;
		if (digits == 0 || digits >= len || text[digits] != ' ' || size > len || size <= at ||
		    text[size - 1] != '\n')
			return damaged("the length of a record", err);
		equals = memchr(text + at, '=', size - 1 - at);
		if (!equals || equals == text + at)
			return damaged("a record without its name", err);
		*equals = '\0';
		text[size - 1] = '\0';
		rc = record(pax, text + at, equals + 1, (size_t)(text + size - 2 - equals), err);
		text += size;
		len -= size;
	}
	return rc;
}
