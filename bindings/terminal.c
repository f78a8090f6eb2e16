/* What the program needs of a terminal: its width, a line editor, a clock for progress. */
#include <dirent.h>
#include <editline/readline.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/lazy.h"
#include "base/scope.h"
#include "base/text.h"
#include "bind.h"

static char *(*read_line)(const char *prompt);
static int (*keep_line)(const char *line);
static int (*load_history)(const char *file);
static int (*save_history)(const char *file);
static char **(*matches_of)(const char *text, char *(*next)(const char *text, int state));

/* libedit's own variables */
static char **(**when_tab)(const char *text, int start, int end);
static int *nothing_else, *appended;
static char **line_buffer;
static const char **word_ends;

static lua_State *editing; /* while a line is edited */

/* What Lua found: the table at the top of the stack. */
static char *next_candidate(const char *text, int state)
{
	static lua_Integer at;
	const char *found;
	char *copy = NULL;

	(void)text;
	at = state == 0 ? 1 : at + 1;
	lua_rawgeti(editing, -1, at);
	found = lua_tostring(editing, -1);
	if (found)
		copy = strdup(found);
	lua_pop(editing, 1);
	return copy;
}

/*
 * libedit reads characters, those of the locale: while a line is edited this thread has one, whatever the process has, so that scripts
 * see what they always see. The user's own, or, where that knows ASCII alone, UTF-8.
 */
static locale_t enter_locale(void)
{
	static locale_t own;

	if (!own)
		own = newlocale(LC_CTYPE_MASK, "", NULL);
	if (own && strcmp(nl_langinfo_l(CODESET, own), "ANSI_X3.4-1968") == 0) {
		freelocale(own);
		own = NULL;
	}
	if (!own)
		own = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	return uselocale(own); /* NULL changes nothing */
}

/* How many bytes of the text so many characters are. */
static size_t bytes_of(const char *text, int characters)
{
	mbstate_t state = {0};
	const char *p = text;

	while (characters-- > 0 && *p) {
		size_t n = mbrlen(p, strlen(p), &state);

		if (n == (size_t)-1 || n == (size_t)-2) { /* no character, but one all the same */
			memset(&state, 0, sizeof state);
			n = 1;
		}
		p += n;
	}
	return (size_t)(p - text);
}

/* TAB: libedit says where its word is in the line, in characters; readline's second argument knows what that may become. */
static char **complete(const char *text, int start, int end)
{
	lua_State *L = editing;
	char **matches = NULL;

	*nothing_else = 1;
	if (!L || !lua_isfunction(L, 2) || start < 0 || end < start)
		return NULL;
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	lua_pushlstring(L, *line_buffer, bytes_of(*line_buffer, end));
	lua_pushinteger(L, (lua_Integer)bytes_of(*line_buffer, start));
	if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_istable(L, -1))
		matches = matches_of(text, next_candidate);
	lua_settop(L, 2);
	return matches;
}

static int load(struct luff_error *err)
{
	static const struct luff_lazy_symbol symbols[] = {
		LUFF_LAZY(add_history, &keep_line),
		LUFF_LAZY(read_history, &load_history),
		LUFF_LAZY(write_history, &save_history),
		LUFF_LAZY(rl_completion_matches, &matches_of),
		LUFF_LAZY(rl_attempted_completion_function, &when_tab),
		LUFF_LAZY(rl_attempted_completion_over, &nothing_else),
		LUFF_LAZY(rl_completion_append_character, &appended),
		LUFF_LAZY(rl_line_buffer, &line_buffer),
		LUFF_LAZY(rl_basic_word_break_characters, &word_ends),
		LUFF_LAZY(readline, &read_line), /* the last */
		{NULL, NULL}};
	int rc = read_line ? 0 : luff_lazy_load("libedit.so.2", symbols, err);

	if (rc == 0) {
		*when_tab = complete;
		*appended = '\0';
		*word_ends = " \t\n!\"#$%&'()*+,-./:;<=>?@[]^`{|}~";
	}
	return rc;
}

/* core.can_edit(): whether readline and history are there */
static int can_edit(lua_State *L)
{
	struct luff_error err = {0};

	lua_pushboolean(L, load(&err) == 0);
	return 1;
}

/* core.readline(prompt, candidates): a line, or nil at the end. candidates(line, start): what TAB may put from there on */
static int edit_line(lua_State *L)
{
	const char *prompt = luaL_optstring(L, 1, "> ");
	struct luff_error err = {0};
	locale_t before;
	char *line;

	if (load(&err) < 0)
		return luff_raise(L, &err);
	lua_settop(L, 2);
	before = enter_locale();
	editing = L;
	line = read_line(prompt);
	editing = NULL;
	uselocale(before);
	if (line && *line)
		keep_line(line);
	lua_pushstring(L, line);
	free(line);
	if (lua_getfield(L, LUA_REGISTRYINDEX, "luff.history") == LUA_TSTRING)
		save_history(lua_tostring(L, -1));
	lua_pop(L, 1);
	return 1;
}

/* The folders above a file, for its owner alone. What fails shows when the file is written. */
static void make_folders(const char *file)
{
	char path[4096];

	if (!luff_text_copy(path, sizeof path, file))
		return;
	for (char *p = path + 1; *p; p++) {
		if (*p == '/') {
			*p = '\0';
			mkdir(path, 0700);
			*p = '/';
		}
	}
}

/* core.history(file): where lines are kept between sittings */
static int history(lua_State *L)
{
	const char *file = luaL_checkstring(L, 1);
	struct luff_error err = {0};
	locale_t before;

	if (load(&err) < 0)
		return luff_raise(L, &err);
	make_folders(file);
	before = enter_locale(); /* it is here that libedit looks which characters there are */
	load_history(file);
	uselocale(before);
	lua_pushvalue(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "luff.history");
	return 0;
}

enum { NAMES_MAX = 5000 }; /* of one folder */

static bool is_folder(DIR *dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int close_folder(lua_State *L)
{
	DIR **dir = lua_touserdata(L, 1);

	if (*dir)
		closedir(*dir);
	*dir = NULL;
	return 0;
}

/* core.folder(path): the names in it, those of folders with a slash behind them; none where it cannot be read */
static int folder(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", close_folder}, {NULL, NULL}};
	const char *path = luaL_checkstring(L, 1);
	const struct dirent *entry;
	lua_Integer n = 0;
	DIR **dir;

	lua_newtable(L);
	dir = lua_newuserdatauv(L, sizeof *dir, 0);
	*dir = NULL;
	luaL_newlib(L, meta);
	lua_setmetatable(L, -2);
	*dir = opendir(path);
	while (*dir && n < NAMES_MAX && (entry = readdir(*dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		lua_pushfstring(L, is_folder(*dir, entry) ? "%s/" : "%s", entry->d_name);
		lua_rawseti(L, 2, ++n);
	}
	if (*dir)
		closedir(*dir);
	*dir = NULL;
	lua_settop(L, 2);
	return 1;
}

/* core.terminal(fd): its columns, or nil if it is none */
static int terminal(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	struct winsize size;

	if (!isatty(fd))
		return 0;
	lua_pushinteger(L, ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80);
	return 1;
}

/* One line of at most `size`, byte by byte: the terminal is left alone if the scope is cancelled. */
static int read_line_from(char *buf, size_t size, int fd, struct luff_error *err)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size - 1) {
		int rc = luff_scope_check(err);

		if (rc < 0)
			return rc;
		if (poll(&poll_fd, 1, 100) <= 0)
			continue;
		n = read(fd, buf + len, 1);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0 && buf[len++] == '\n')
			break;
	}
	while (len > 0 && strchr("\r\n", buf[len - 1]))
		len--;
	buf[len] = '\0';
	return 0;
}

/* core.secret(prompt): a line from the terminal that nobody sees; nil where there is no terminal */
static int secret(lua_State *L)
{
	const char *prompt = luaL_checkstring(L, 1);
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC), rc;
	struct termios before, quiet;
	struct luff_error err = {0};
	char line[4096];

	if (fd < 0)
		return 0;
	if (tcgetattr(fd, &before) < 0 || dprintf(fd, "%s", prompt) < 0) {
		close(fd);
		return 0;
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ECHONL;
	tcsetattr(fd, TCSAFLUSH, &quiet);
	rc = read_line_from(line, sizeof line, fd, &err);
	tcsetattr(fd, TCSAFLUSH, &before);
	close(fd);
	if (rc < 0)
		return luff_raise(L, &err);
	lua_pushstring(L, line);
	explicit_bzero(line, sizeof line);
	return 1;
}

static int clock_seconds(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)luff_clock_ms() / 1000);
	return 1;
}

void luff_terminal_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"can_edit", can_edit},   {"readline", edit_line},
					     {"history", history},     {"terminal", terminal},
					     {"folder", folder},       {"secret", secret},
					     {"clock", clock_seconds}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
