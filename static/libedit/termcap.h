/*
 * What libedit asks of termcap. A file that runs anywhere finds no descriptions of terminals: it knows the sequences of
 * ECMA-48 alone, which all that are in use understand.
 */
#ifndef LUFF_STATIC_TERMCAP_H
#define LUFF_STATIC_TERMCAP_H

int tgetent(char *buf, const char *name);
int tgetflag(const char *id);
int tgetnum(const char *id);
char *tgetstr(const char *id, char **area);
char *tgoto(const char *cap, int column, int row);
int tputs(const char *text, int lines, int (*put)(int byte));

#endif
