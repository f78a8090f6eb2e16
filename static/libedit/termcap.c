/* See termcap.h. */
#include <stdio.h>
#include <string.h>

#include "termcap.h"

static const struct {
	char id[3];
	const char *text;
} strings[] = {
	{"al", "\033[L"},       {"bl", "\a"},       {"cd", "\033[J"},   {"ce", "\033[K"},
	{"cl", "\033[H\033[J"}, {"dc", "\033[P"},   {"dl", "\033[M"},   {"ho", "\033[H"},
	{"ic", "\033[@"},       {"kd", "\033[B"},   {"kl", "\033[D"},   {"kr", "\033[C"},
	{"ku", "\033[A"},       {"md", "\033[1m"},  {"me", "\033[m"},   {"nd", "\033[C"},
	{"se", "\033[27m"},     {"so", "\033[7m"},  {"up", "\033[A"},   {"us", "\033[4m"},
	{"ue", "\033[24m"},     {"DC", "\033[%dP"}, {"DO", "\033[%dB"}, {"IC", "\033[%d@"},
	{"LE", "\033[%dD"},     {"RI", "\033[%dC"}, {"UP", "\033[%dA"}, {"kh", "\033[H"},
	{"@7", "\033[F"},       {"kD", "\033[3~"},
};

/* 0: a terminal that understands nothing */
int tgetent(char *buf, const char *name)
{
	(void)buf;
	return name && *name && strcmp(name, "dumb") != 0;
}

int tgetflag(const char *id)
{
	/* the cursor stays in the last column until there is more to write */
	return strcmp(id, "am") == 0 || strcmp(id, "xn") == 0;
}

int tgetnum(const char *id)
{
	return strcmp(id, "co") == 0 ? 80 : strcmp(id, "li") == 0 ? 24 : -1;
}

char *tgetstr(const char *id, char **area)
{
	char *at = *area;

	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		if (strncmp(strings[i].id, id, 2) != 0)
			continue;
		strcpy(at, strings[i].text);
		*area += strlen(at) + 1;
		return at;
	}
	return NULL;
}

/* Only numbers of lines and columns: "cm" is not known. */
char *tgoto(const char *cap, int column, int row)
{
	static char text[32];
	const char *number = strstr(cap, "%d");

	(void)column;
	if (!number)
		return (char *)cap;
	snprintf(text, sizeof text, "%.*s%d%s", (int)(number - cap), cap, row, number + 2);
	return text;
}

int tputs(const char *text, int lines, int (*put)(int byte))
{
	(void)lines;
	while (*text)
		put((unsigned char)*text++);
	return 0;
}
