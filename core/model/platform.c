/*
 * Platforms as containerd and Docker compare them: many spellings of one machine are made one (x86_64 is amd64, arm64/v8 is
 * arm64, arm is arm/v7), and a machine runs what was built for lesser ones of its kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/text.h"
#include "model/platform.h"

static const struct {
	const char *from, *arch, *variant;
} spellings[] = {
	{"x86_64", "amd64", ""},
	{"x86-64", "amd64", ""},
	{"aarch64", "arm64", ""},
	{"armhf", "arm", "v7"},
	{"armv7l", "arm", "v7"},
	{"armv7", "arm", "v7"},
	{"armel", "arm", "v6"},
	{"armv6l", "arm", "v6"},
	{"armv8l", "arm", "v8"},
	{"i386", "386", ""},
	{"i486", "386", ""},
	{"i586", "386", ""},
	{"i686", "386", ""},
	{"mips64el", "mips64le", ""},
	{"mipsel", "mipsle", ""},
	{"loong64", "loong64", ""},
	{"loongarch64", "loong64", ""},
	{"ppc64el", "ppc64le", ""},
};

static const char *const systems[] = {"linux",   "windows", "darwin",    "macos",   "freebsd",
				      "netbsd",  "openbsd", "dragonfly", "solaris", "illumos",
				      "android", "aix",     "plan9",     "js",      "wasip1"};

static void lower(char *text)
{
	for (; *text; text++) {
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
	}
}

void luff_platform_normalize(struct luff_platform *p)
{
	lower(p->os);
	lower(p->arch);
	lower(p->variant);
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
		if (strcmp(p->arch, spellings[i].from) == 0) {
			luff_text_copy(p->arch, sizeof p->arch, spellings[i].arch);
			if (!p->variant[0])
				luff_text_copy(p->variant, sizeof p->variant, spellings[i].variant);
		}
	}
	if (strcmp(p->os, "macos") == 0)
		luff_text_copy(p->os, sizeof p->os, "darwin");
	if (p->variant[0] >= '0' && p->variant[0] <= '9' && strlen(p->variant) == 1) {
		p->variant[1] = p->variant[0];
		p->variant[0] = 'v';
		p->variant[2] = '\0';
	}
	if ((strcmp(p->arch, "arm64") == 0 && strcmp(p->variant, "v8") == 0) ||
	    (strcmp(p->arch, "amd64") == 0 && strcmp(p->variant, "v1") == 0))
		p->variant[0] = '\0';
	if (strcmp(p->arch, "arm") == 0 && !p->variant[0])
		luff_text_copy(p->variant, sizeof p->variant, "v7");
}

void luff_platform_host(struct luff_platform *out)
{
	struct utsname name;

	*out = (struct luff_platform){.os = "linux"};
	if (uname(&name) == 0)
		luff_text_copy(out->arch, sizeof out->arch, name.machine);
	luff_platform_normalize(out);
}

static bool is_system(const char *text)
{
	for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
		if (strcasecmp(text, systems[i]) == 0)
			return true;
	}
	return false;
}

/* One component up to `end`: letters, digits, and what versions are made of. */
static bool take(char *out, size_t size, const char *from, const char *end)
{
	size_t len = (size_t)(end - from);

	if (len == 0 || len >= size)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = from[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    !strchr("._-", c))
			return false;
		out[i] = c;
	}
	out[len] = '\0';
	return true;
}

int luff_platform_parse(struct luff_platform *out, const char *text, struct luff_error *err)
{
	const char *end = strchrnul(text, ':'), *slash = memchr(text, '/', (size_t)(end - text));
	const char *second = slash ? memchr(slash + 1, '/', (size_t)(end - slash - 1)) : NULL;
	struct luff_platform p = {0};
	char word[64];
	bool ok;

	*out = p;
	if (strcmp(text, "local") == 0) {
		luff_platform_host(out);
		return 0;
	}
	ok = take(p.os, sizeof p.os, text, slash ? slash : end);
	if (ok && slash)
		ok = take(p.arch, sizeof p.arch, slash + 1, second ? second : end);
	if (ok && second)
		ok = take(p.variant, sizeof p.variant, second + 1, end);
	if (ok && *end)
		ok = take(p.os_version, sizeof p.os_version, end + 1, end + strlen(end));
	if (!ok)
		return luff_fail(err, LUFF_ENAME,
				 "platform \"%s\": want os/arch[/variant][:os_version], as linux/arm64",
				 luff_text_printable(word, sizeof word, text));
	if (!slash) {
		struct luff_platform host;

		luff_platform_host(&host);
		if (is_system(p.os)) {
			luff_text_copy(p.arch, sizeof p.arch, host.arch);
			luff_text_copy(p.variant, sizeof p.variant, host.variant);
		} else {
			luff_text_copy(p.arch, sizeof p.arch, p.os);
			luff_text_copy(p.os, sizeof p.os, host.os);
		}
	}
	luff_platform_normalize(&p);
	*out = p;
	return 0;
}

const char *luff_platform_format(char buf[LUFF_PLATFORM_TEXT_MAX], const struct luff_platform *p)
{
	char text[LUFF_PLATFORM_TEXT_MAX];

	if (!p->os[0] && !p->arch[0])
		return luff_text_copy(buf, LUFF_PLATFORM_TEXT_MAX, "unknown"), buf;
	snprintf(text, sizeof text, "%s/%s%s%s%s%s", p->os, p->arch, p->variant[0] ? "/" : "", p->variant,
		 p->os_version[0] ? ":" : "", p->os_version);
	return luff_text_printable(buf, LUFF_PLATFORM_TEXT_MAX, text);
}

/* "v7" is 7; 0 for what is no such variant */
static int rank(const char *variant)
{
	return variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9' && !variant[2] ? variant[1] - '0'
											  : 0;
}

/* Whole parts alone: 10.0.17763 has 10.0.17763.1234 in it, but not 10.0.177631. */
static bool has_version(const char *have, const char *want)
{
	size_t len = strlen(want);

	return strncmp(have, want, len) == 0 && (!len || !have[len] || have[len] == '.');
}

int luff_platform_match(const struct luff_platform *want, const struct luff_platform *have)
{
	bool ordered = strcmp(want->arch, "arm") == 0 || strcmp(want->arch, "arm64") == 0 ||
		       strcmp(want->arch, "amd64") == 0;
	int low = rank(have->variant), high = rank(want->variant);

	if (strcmp(want->os, have->os) != 0 || strcmp(want->arch, have->arch) != 0)
		return 0;
	if (!has_version(have->os_version, want->os_version))
		return 0;
	if (strcmp(want->variant, have->variant) == 0)
		return 100;
	if (!have->variant[0])
		return 50;
	if (!want->variant[0] && !ordered)
		return 50;
	/* only kinds whose variants build on each other: arm v5 < v6 < v7 < v8, amd64 v2 < v3 < v4, arm64 v8 < v9 */
	return ordered && low > 0 && low < high ? 100 - (high - low) : 0;
}
