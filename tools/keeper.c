// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keeper of a wait group: a process in the background that has it open, so
 * that it does not vanish between two commands of a shell. It ends with the
 * round, when the name is taken away, or after the process that it was told to
 * watch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

#define REPORT_FD	3	/* the only descriptor kept beside 0, 1, 2 */
#define LOOK_SECONDS	1	/* between two looks at name and process */

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) > 0;
}

/*
 * Members that no process runs will never be done now. Tied to the keeper, which
 * ends next, they count as lost, and those who wait get to know.
 */
static void give_up(struct ksync_waitgroup *wg, int32_t count)
{
	int self = syscall(SYS_pidfd_open, getpid(), 0);

	while (self >= 0 && count-- && !ksync_waitgroup_bind(wg, self))
		;
}

static void keep(const char *name, struct ksync_waitgroup *wg, int32_t count,
		 int pidfd)
{
	struct timespec deadline;
	struct ksync_wait w = { .deadline = &deadline };

	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &deadline);
		deadline.tv_sec += LOOK_SECONDS;
		if (ksync_waitgroup_wait_until(wg, &w) != -ETIMEDOUT)
			return;
		if (ksync_query(name, 0, NULL, NULL) == -ENOENT)
			return;
		if (has_ended(pidfd)) {
			give_up(wg, count);
			return;
		}
	}
}

static int add_members(const struct subject *s, int32_t count,
		       struct ksync_waitgroup **wg)
{
	int err;

	err = check_backend(s);
	if (err)
		return err;
	err = ksync_waitgroup_open(wg, s->name, O_CREAT, 0666, NULL);
	if (err)
		return fail(s, "open it", err);
	err = ksync_waitgroup_add(*wg, count);
	return err ? fail(s, "add members", err) : 0;
}

static int watch(const struct subject *s, uint32_t pid, int *pidfd)
{
	*pidfd = -1;
	if (!pid)
		return 0;
	*pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (*pidfd >= 0)
		return 0;
	complain(s, "cannot watch process %u: %s", pid, strerror(errno));
	return errno == ESRCH ? EX_NOINPUT : EX_OSERR;
}

/* Who reads our output must not wait for our end. */
static void detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	if (chdir("/"))
		return;	/* only keeps a file system busy */
}

static _Noreturn void be_keeper(const struct subject *s, int32_t count,
				uint32_t pid, int report)
{
	struct ksync_waitgroup *wg;
	int err, pidfd;

	setsid();
	prctl(PR_SET_NAME, "ksync-wg-keeper");
	dup2(report, REPORT_FD);
	syscall(SYS_close_range, REPORT_FD + 1, ~0U, 0);

	err = watch(s, pid, &pidfd);
	if (!err)
		err = add_members(s, count, &wg);
	if (err)
		_exit(err);
	detach();
	if (write(REPORT_FD, "", 1) != 1)
		_exit(EX_OSERR);
	close(REPORT_FD);
	keep(s->name, wg, count, pidfd);
	_exit(0);
}

int keep_members(const struct subject *s, int32_t count, uint32_t pid)
{
	int report[2], status;
	pid_t keeper;
	char byte;

	if (pipe(report)) {
		complain(s, "cannot make a pipe: %s", strerror(errno));
		return EX_OSERR;
	}
	/* An inherited SIG_IGN would make the keeper's exit status vanish. */
	signal(SIGCHLD, SIG_DFL);
	keeper = fork();
	if (keeper < 0) {
		complain(s, "cannot start a process: %s", strerror(errno));
		return EX_OSERR;
	}
	if (!keeper) {
		close(report[0]);
		be_keeper(s, count, pid, report[1]);
	}
	close(report[1]);
	if (read(report[0], &byte, 1) == 1)
		return 0;
	if (waitpid(keeper, &status, 0) == keeper && WIFEXITED(status))
		return WEXITSTATUS(status);
	complain(s, "the process that keeps the group was killed");
	return EX_OSERR;
}
