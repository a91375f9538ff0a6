// SPDX-License-Identifier: GPL-2.0-only
/*
 * A group of processes that work for one end: the first that fails cancels the
 * others, and who waits for them is told why. Being killed is a failure.
 *
 *	group [MEMBERS [all|one-fails|one-dies]]
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ksync.h>

enum fate { ALL, ONE_FAILS, ONE_DIES, FATES };

static const char * const names[] = { "all", "one-fails", "one-dies" };

/*
 * What a member waits for in its work: here for nothing, for so long. A token that
 * is set ends the wait. Without such waits it would look at ksync_group_failure()
 * every now and then.
 */
static int work(struct ksync_group *g, struct ksync_event *never,
		unsigned int ms)
{
	struct timespec deadline;
	struct ksync_wait w = {
		.deadline = &deadline, .cancel = ksync_group_token(g),
	};
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += ms / 1000;
	deadline.tv_nsec += ms % 1000 * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_nsec -= 1000000000;
		deadline.tv_sec++;
	}
	ret = ksync_event_wait_until(never, &w);
	return ret == -ETIMEDOUT ? 0 : ret;
}

/* Number 1 has bad luck after 20 ms; the others need 50 ms, or a minute. */
static void member(struct ksync_group *g, struct ksync_event *never, int i,
		   enum fate fate)
{
	int ret = ksync_group_bind(g, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ret)
		errx(1, "bind: %s", ksync_strerror(ret));
	ret = work(g, never, i == 1 ? 20 : fate == ALL ? 50 : 60000);
	if (i == 1 && fate == ONE_DIES)
		raise(SIGKILL);
	if (i == 1 && fate == ONE_FAILS)
		ret = -EIO;
	ksync_group_done(g, ret);
	/* For the parent to count. */
	_exit(ret == -ECANCELED);
}

static int run(int members, enum fate fate)
{
	static const int expected[] = { 0, -EIO, -EOWNERDEAD };
	int i, ret, wstatus, cancelled = 0;
	struct ksync_group *g;
	struct ksync_event *never;

	ret = ksync_group_create(&g);
	if (!ret)
		ret = ksync_event_create(&never, NULL);
	if (ret)
		errx(1, "create: %s", ksync_strerror(ret));
	for (i = 1; i <= members; i++) {
		pid_t pid;

		ret = ksync_group_add(g);
		if (ret)
			errx(1, "add: %s", ksync_strerror(ret));
		pid = fork();
		if (pid < 0)
			err(1, "fork");
		if (!pid)
			member(g, never, i, fate);
	}
	ret = ksync_group_wait(g, NULL);
	while (wait(&wstatus) > 0)
		cancelled += WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 1;
	printf("%-9s  %d members, %d cancelled: %s\n", names[fate], members,
	       cancelled, ret ? ksync_strerror(ret) : "all is done");
	fflush(stdout);
	ksync_event_close(never);
	ksync_group_close(g);
	return ret != expected[fate] ||
	       cancelled != (fate == ALL ? 0 : members - 1);
}

int main(int argc, char **argv)
{
	int members = argc > 1 ? atoi(argv[1]) : 5, failed = 0;
	enum fate fate;

	if (members < 1)
		errx(1, "at least one member");
	if (!(ksync_guarantees() & KSYNC_G_CANCEL)) {
		fprintf(stderr, "group: the %s backend cannot cancel waits\n",
			ksync_backend());
		return 4;
	}
	for (fate = ALL; fate < FATES; fate++)
		if (argc < 3 || !strcmp(argv[2], names[fate]))
			failed |= run(members, fate);
	return failed;
}
