/*
 * Runs a program and writes what it took, as one line to descriptor 3: wall, user and system seconds, peak resident
 * kB, exit code. A small process of its own, since the peak of a child starts at that of the process that made it.
 *
 *	measure [NAME=VALUE...] program argument...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	struct rusage used;
	int status;
	pid_t pid;

	(void)argc;
	argv++;
	for (; *argv && strchr(*argv, '='); argv++)
		putenv(*argv);
	if (!*argv)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &from);
	pid = vfork();
	if (pid == 0) {
		execvp(*argv, argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0) {
		fprintf(stderr, "measure: %s\n", strerror(errno));
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	dprintf(3, "%.6f %.6f %.6f %ld %d\n",
		(double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9,
		seconds(&used.ru_utime), seconds(&used.ru_stime), used.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
