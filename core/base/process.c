/* See process.h. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"

#define TICK_MS 50

struct pipes {
	int in[2], out[2], words[2]; /* -1: closed */
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void pipes_close(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		close_end(&p->in[i]);
		close_end(&p->out[i]);
		close_end(&p->words[i]);
	}
}

typedef struct pipes luff_auto_type_pipes;
static inline void luff_auto_pipes(struct pipes *p)
{
	pipes_close(p);
}

/* The input is in the pipe before anybody reads: nobody waits for the program to take it, and no SIGPIPE comes of it. */
static int open_pipes(struct pipes *p, const struct luff_process *process, struct luff_error *err)
{
	size_t len = process->input ? strlen(process->input) : 0;

	if (pipe2(p->in, O_CLOEXEC) < 0 || pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->words, O_CLOEXEC) < 0)
		return luff_fail_errno(err, errno, "%s: no pipe", process->argv[0]);
	fcntl(p->in[1], F_SETFL, O_NONBLOCK);
	fcntl(p->out[0], F_SETFL, O_NONBLOCK);
	fcntl(p->words[0], F_SETFL, O_NONBLOCK);
	if (len > 0 && write(p->in[1], process->input, len) != (ssize_t)len)
		return luff_fail(err, LUFF_ELIMIT, "%s: more input than a pipe holds", process->argv[0]);
	close_end(&p->in[1]);
	return 0;
}

static int set_files(posix_spawn_file_actions_t *files, const struct pipes *p)
{
	int failure = posix_spawn_file_actions_adddup2(files, p->in[0], 0);

	if (!failure)
		failure = posix_spawn_file_actions_adddup2(files, p->out[1], 1);
	if (!failure)
		failure = posix_spawn_file_actions_adddup2(files, p->words[1], 2);
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 34)
	/* luff's own are closed by exec; those of a program that it is part of may not be */
	if (!failure)
		failure = posix_spawn_file_actions_addclosefrom_np(files, 3);
#endif
#endif
	return failure;
}

static int spawn(pid_t *pid, const struct luff_process *process, const struct pipes *p,
		 struct luff_error *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int failure;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes,
				 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	failure = set_files(&files, p);
	if (!failure)
		failure = posix_spawnp(pid, process->argv[0], &files, &attributes,
				       (char *const *)process->argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return failure ? luff_fail_errno(err, failure, "%s", process->argv[0]) : 0;
}

/* Takes what is there without waiting; closes the end where nothing more will come. */
static int drain(int *fd, struct luff_buffer *to, bool strict, struct luff_error *err)
{
	char chunk[4096];
	int rc = 0;

	while (rc == 0 && *fd >= 0) {
		ssize_t n = read(*fd, chunk, sizeof chunk);
		size_t room = to->cap - to->len;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			close_end(fd);
		else if (strict || (size_t)n <= room)
			rc = luff_buffer_append(to, chunk, (size_t)n, err);
		else
			rc = luff_buffer_append(to, chunk, room, err);
	}
	explicit_bzero(chunk, sizeof chunk);
	return rc;
}

/* Whether it has ended; until end() its number stays its own. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? errno != EINTR
										: info.si_pid == pid;
}

/* With all that it left behind. Who ignores SIGCHLD is never told how it ended: then the code is 0. */
static int end(pid_t pid)
{
	int status = 0;
	pid_t got;

	kill(-pid, SIGKILL);
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? 0 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* One turn: waits for something to happen, and takes it in. */
static int turn(struct luff_process_end *out, struct pipes *p, const struct luff_process *process,
		struct luff_error *err)
{
	struct pollfd fds[2] = {{.fd = p->out[0], .events = POLLIN}, {.fd = p->words[0], .events = POLLIN}};
	int rc;

	/* with both ends closed it is about to end, or does something else for a while */
	poll(fds, 2, p->out[0] < 0 && p->words[0] < 0 ? 1 : TICK_MS);
	rc = drain(&p->out[0], &out->output, true, err);
	if (rc == LUFF_ELIMIT)
		luff_fail(err, rc, "%s: prints more than %zu bytes", process->argv[0], out->output.cap);
	if (rc == 0)
		rc = drain(&p->words[0], &out->words, false, err);
	return rc < 0 ? rc : luff_scope_check(err);
}

int luff_process_run(struct luff_process_end *out, const struct luff_process *process, struct luff_error *err)
{
	LUFF_AUTO(pipes) p = {{-1, -1}, {-1, -1}, {-1, -1}};
	int64_t until = luff_clock_ms() + process->limit_ms;
	bool ended = false;
	pid_t pid = 0;
	int rc = open_pipes(&p, process, err);

	if (rc == 0)
		rc = spawn(&pid, process, &p, err);
	if (rc < 0)
		return rc;
	close_end(&p.in[0]);
	close_end(&p.out[1]);
	close_end(&p.words[1]);
	while (rc == 0 && !ended) {
		/* asked for before the last look at what it printed */
		ended = has_ended(pid);
		rc = turn(out, &p, process, err);
		if (rc == 0 && !ended && luff_clock_ms() > until)
			rc = luff_fail(err, LUFF_ETIMEOUT, "%s: does not end within %d s", process->argv[0],
				       process->limit_ms / 1000);
	}
	out->code = end(pid);
	return rc;
}
