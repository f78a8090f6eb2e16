/*
 * A part of TOML: tables by their lines, and of [storage] the keys that conf.h names, whose values are texts in one line. What else a
 * file has needs only to be told apart from these.
 */
#include "mediums/storage/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

#define BLANKS " \t\r"
#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

void luff_storage_conf_release(struct luff_storage_conf *c)
{
	free(c->driver);
	free(c->graph_root);
	free(c->rootless_path);
	*c = (struct luff_storage_conf){.driver = NULL};
}

static const char *skip(const char *p)
{
	return p + strspn(p, BLANKS);
}

static bool is_end(const char *p)
{
	p = skip(p);
	return !*p || *p == '#';
}

/* "…" with \\ and \" in it, or '…'; nothing but a comment may follow. NULL: none, or no memory. */
static char *parse_text(const char *p)
{
	char quote = *p, *text = quote == '"' || quote == '\'' ? strdup(p) : NULL, *to = text;

	if (!text)
		return NULL;
	for (p++; *p && *p != quote; p++) {
		if (quote == '"' && *p == '\\' && *++p != '\\' && *p != '"')
			break;
		*to++ = *p;
	}
	*to = '\0';
	if (*p == quote && is_end(p + 1))
		return text;
	free(text);
	return NULL;
}

static char **find_setting(struct luff_storage_conf *c, const char *key, size_t len)
{
	static const char *const keys[] = {"driver", "graphroot", "rootless_storage_path"};
	char **const values[] = {&c->driver, &c->graph_root, &c->rootless_path};

	for (int i = 0; i < 3; i++) {
		if (strlen(keys[i]) == len && memcmp(keys[i], key, len) == 0)
			return values[i];
	}
	return NULL;
}

/* A line of [storage]; what is neither key nor table goes on with a list that began above. */
static int parse_setting(struct luff_storage_conf *c, const char *p, struct luff_error *err)
{
	size_t len = strspn(p, WORD);
	char **value = find_setting(c, p, len);
	const char *equals = skip(p + len);

	if (!value)
		return 0;
	if (*value)
		return luff_fail(err, LUFF_EFORMAT, "%.*s is there twice", (int)len, p);
	*value = *equals == '=' ? parse_text(skip(equals + 1)) : NULL;
	return *value ? 0
		      : luff_fail(err, LUFF_EFORMAT, "%.*s is no text in one line: write %.*s = \"…\"",
				  (int)len, p, (int)len, p);
}

/* "[name]": whether a line begins a table, and whether that is [storage]. */
static bool is_table(bool *storage, const char *p)
{
	const char *name = *p == '[' ? skip(p + 1) : "";
	size_t len = strspn(name, WORD ".\"'/");
	const char *close = skip(name + len);

	if (len == 0 || *close != ']' || !is_end(close + 1))
		return false;
	*storage = len == 7 && memcmp(name, "storage", len) == 0;
	return true;
}

int luff_storage_conf_parse(struct luff_storage_conf *out, const char *text, struct luff_error *err)
{
	bool storage = false;
	int number = 1, rc = 0;

	*out = (struct luff_storage_conf){.driver = NULL};
	for (const char *p = text; rc == 0 && *p; number++) {
		size_t len = strcspn(p, "\n");
		LUFF_AUTO(text) line = strndup(p, len);
		const char *begin = line ? skip(line) : NULL;

		if (!line)
			rc = luff_fail_nomem(err);
		/* in a text of several lines, anything may look like a setting */
		else if (*begin != '#' && (strstr(begin, "\"\"\"") || strstr(begin, "'''")))
			rc = luff_fail(err, LUFF_EFORMAT, "a text of several lines");
		else if (!is_table(&storage, begin) && storage)
			rc = parse_setting(out, begin, err);
		if (rc < 0)
			luff_fail_context(err, "line %d", number);
		p += len + (p[len] == '\n');
	}
	if (rc < 0)
		luff_storage_conf_release(out);
	return rc;
}
