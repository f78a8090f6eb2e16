/* Other programs: what they are given, what is taken from them, and that they end. */
#include "base/process.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "check.h"

static int run(struct luff_process_end *end, const char *script, const char *input, int limit_ms,
	       struct luff_error *err)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	struct luff_process process = {.argv = argv, .input = input, .limit_ms = limit_ms};

	*end = (struct luff_process_end){.output = {.cap = 1000}, .words = {.cap = 10}};
	return luff_process_run(end, &process, err);
}

static void end_release(struct luff_process_end *end)
{
	luff_buffer_release(&end->output);
	luff_buffer_release(&end->words);
}

static void gives_and_takes(void)
{
	struct luff_error err = {0};
	struct luff_process_end end;

	OK(run(&end, "cat; echo aside >&2; exit 3", "in\nput", 10000, &err));
	CHECK_STR(end.output.data, "in\nput");
	CHECK_STR(end.words.data, "aside\n");
	CHECK_INT(end.code, 3);
	end_release(&end);
	OK(run(&end, "exec cat", NULL, 10000, &err));
	CHECK_INT((int)end.output.len, 0);
	end_release(&end);
	OK(run(&end, "echo a long complaint >&2; kill -9 $$", NULL, 10000, &err));
	CHECK_STR(end.words.data, "a long com");
	CHECK_INT(end.code, 128 + SIGKILL);
	end_release(&end);
	/* it need not read what it is given */
	OK(run(&end, "exit 0", "never read", 10000, &err));
	end_release(&end);
}

static void inherits_nothing(void)
{
	struct luff_error err = {0};
	struct luff_process_end end;
	sigset_t blocked, before;
	int fd = open("/dev/null", O_RDONLY); /* without CLOEXEC */

	signal(SIGPIPE, SIG_IGN);
	sigfillset(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	/* ls has one more open: the folder itself; the highest signals are the C library's own */
	OK(run(&end,
	       "ls /proc/self/fd | wc -l; sed -nE 's/^(Sig(Blk|Ign):).*(.{7})$/\\1\\3/p' /proc/self/status",
	       NULL, 10000, &err));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	CHECK_STR(end.output.data, "4\nSigBlk:0000000\nSigIgn:0000000\n");
	end_release(&end);
	close(fd);
}

static void bounds(void)
{
	struct luff_error err = {0};
	struct luff_process_end end;
	char huge[100000];
	int64_t began;
	int before = count_open();

	FAILS(run(&end, "yes", NULL, 10000, &err), LUFF_ELIMIT, "1000 bytes");
	end_release(&end);
	began = luff_clock_ms();
	FAILS(run(&end, "echo a; sleep 60", NULL, 300, &err), LUFF_ETIMEOUT, "sh");
	CHECK(luff_clock_ms() - began < 5000);
	end_release(&end);
	memset(huge, 'x', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	FAILS(run(&end, "cat", huge, 10000, &err), LUFF_ELIMIT, "pipe");
	end_release(&end);
	CHECK_INT(count_open(), before);
}

/* Whether the process that wrote its number there is alive. */
static bool lives(const char *path)
{
	char *text = read_file(path);
	pid_t pid = text ? (pid_t)atoi(text) : 0;

	free(text);
	return pid > 0 && kill(pid, 0) == 0;
}

static void leaves_nobody(void)
{
	struct timespec tick = {.tv_nsec = 10000000};
	struct luff_error err = {0};
	struct luff_process_end end;
	char script[700];
	int64_t began = luff_clock_ms();

	/* what it left behind keeps its output open, and is waited for no longer than it */
	snprintf(script, sizeof script, "sleep 60 & echo $! > '%s'; echo done", scratch("pid"));
	OK(run(&end, script, NULL, 10000, &err));
	CHECK_STR(end.output.data, "done\n");
	CHECK(luff_clock_ms() - began < 5000);
	end_release(&end);
	for (int i = 0; i < 200 && lives(scratch("pid")); i++)
		nanosleep(&tick, NULL);
	CHECK(!lives(scratch("pid")));
}

static void cancels(void)
{
	struct luff_error err = {0};
	struct luff_process_end end;
	struct luff_scope scope = {0};
	int64_t began = luff_clock_ms();

	luff_scope_enter(&scope);
	luff_scope_cancel(&scope);
	FAILS(run(&end, "sleep 60", NULL, 10000, &err), LUFF_ECANCELED, "");
	luff_scope_leave(&scope);
	CHECK(luff_clock_ms() - began < 5000);
	end_release(&end);
}

static void says_what_is_missing(void)
{
	const char *const argv[] = {"luff-no-such-program", NULL};
	struct luff_process process = {.argv = argv, .limit_ms = 1000};
	struct luff_process_end end = {.output = {.cap = 10}, .words = {.cap = 10}};
	struct luff_error err = {0};

	FAILS(luff_process_run(&end, &process, &err), LUFF_ENOTFOUND, "luff-no-such-program");
}

int main(void)
{
	gives_and_takes();
	inherits_nothing();
	bounds();
	leaves_nobody();
	cancels();
	says_what_is_missing();
	return check_end();
}
