// SPDX-License-Identifier: GPL-2.0-only
/*
 * 32-bit and 64-bit processes with the same objects. There are two of this
 * program, uapi_other_arch and uapi_other_arch_32, and each has the other one do
 * its part: a wait for each argument that has 64-bit numbers or addresses in it,
 * and a death.
 */
#include "uapi_peer.h"

#define PARTY		"--party"	/* run by the other program */
#define NOT_POSSIBLE	255		/* it cannot be run here */

FIXTURE(other_arch)
{
	int dev;
	int mutex, sem, wg;
	pid_t party;
};

FIXTURE_SETUP(other_arch)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->mutex = create(self->dev, KSYNC_TYPE_MUTEX, 0, 2);
	self->sem = create_sem(self->dev, 0, 0, 5);
	self->wg = create(self->dev, KSYNC_TYPE_WAITGROUP, 0, 1);
	ASSERT_LE(0, self->mutex);
	ASSERT_LE(0, self->sem);
	ASSERT_LE(0, self->wg);
}

FIXTURE_TEARDOWN(other_arch)
{
	if (self->party > 0) {
		kill(self->party, SIGKILL);
		waitpid(self->party, NULL, 0);
	}
	peers_end();
	close(self->wg);
	close(self->sem);
	close(self->mutex);
	close(self->dev);
}

static int party(int dev, int mutex, int sem, int wg)
{
	struct ksync_graph_edge edges[2] = { 0 };
	struct ksync_wait_item items[] = {
		{ .fd = mutex, .index = 1 },
		{ .fd = sem, .count = 2 },
	};
	struct call graph = {
		.fd = dev,
		.cmd = KSYNC_IOC_DEV_GRAPH,
		.arg.graph = {
			.edges = (uintptr_t)edges,
			.room = ARRAY_SIZE(edges),
			.size = sizeof(edges[0]),
		},
	};
	union uapi_args out;

	CHECK(!me(mutex_lock(mutex, soon())));
	CHECK(status(mutex).token == 2);
	CHECK(status(mutex).holder_pid == (__u32)getpid());
	CHECK(me(sem_acquire(sem, 1, in_ms(10))) == -ETIMEDOUT);
	CHECK(!me_out(many_wait(dev, items, 2, 0, soon()), &out));
	CHECK(out.many.index == 1);
	CHECK(items[0].result == -EBUSY && !items[1].result);
	CHECK(me_out(waitgroup_wait(wg, soon()), &out) == -EOWNERDEAD);
	CHECK(out.wait.lost == 1);
	CHECK(queued(mutex, 1, 0));
	CHECK(!me_out(graph, &out));
	CHECK(out.graph.nr == 1 && edges[0].waiter_pid == (__u32)getppid());
	CHECK(edges[0].held == KSYNC_EDGE_HELD_EXCLUSIVE);
	CHECK(!me(mutex_unlock(mutex)));
	CHECK(UNTIL(status(mutex).token == 3));
	CHECK(!me(mutex_lock(mutex, soon())));
	linger();
}

/* This program for the other kind of process. */
static bool find_other(char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 4);

	if (length < 3)
		return false;
	path[length] = '\0';
	if (!strcmp(path + length - 3, "_32"))
		path[length - 3] = '\0';
	else
		strcpy(path + length, "_32");
	return !access(path, X_OK);
}

static pid_t begin_party(const char *path, const int fds[4])
{
	char number[4][12];
	pid_t pid;
	int i;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < 4; i++) {
		fcntl(fds[i], F_SETFD, 0);
		snprintf(number[i], sizeof(number[i]), "%d", fds[i]);
	}
	execl(path, path, PARTY, number[0], number[1], number[2], number[3],
	      NULL);
	_exit(NOT_POSSIBLE);
}

/* Until the party comes so far, or to its end. */
#define COMES_TO(cond)	UNTIL((cond) || \
			      waitpid(self->party, &wstatus, WNOHANG) > 0)

TEST_F(other_arch, other_arch)
{
	const int fds[] = { self->dev, self->mutex, self->sem, self->wg };
	char path[256];
	struct peer member;
	int wstatus = 0, pidfd;

	if (!find_other(path, sizeof(path)))
		SKIP(return, "there is no %s", path);
	ASSERT_EQ(0, peer_fork(&member));
	pidfd = syscall(SYS_pidfd_open, member.pid, 0);
	ASSERT_LE(0, pidfd);
	ASSERT_EQ(0, me(waitgroup_add(self->wg, 1)));
	ASSERT_EQ(0, me(waitgroup_bind(self->wg, pidfd)));
	ASSERT_EQ(0, me(mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, me(at(1, mutex_lock(self->mutex, NEVER))));
	self->party = begin_party(path, fds);
	ASSERT_LT(0, self->party);

	COMES_TO(is_queued(self->mutex, 0, 1, 0));
	if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == NOT_POSSIBLE)
		SKIP(return, "this kernel does not run %s", path);
	ASSERT_EQ(0, me(mutex_unlock(self->mutex)));
	COMES_TO(is_queued(self->mutex, 1, 1, 0));
	ASSERT_EQ(0, me(sem_release(self->sem, 2)));
	COMES_TO(is_queued(self->wg, 0, 0, 1));
	peer_kill(&member);
	/* Told by the graph, and then by the death of the party. */
	EXPECT_EQ(0, me(mutex_lock(self->mutex, soon())));
	EXPECT_EQ(0, me(mutex_unlock(self->mutex)));
	COMES_TO(status(self->mutex).holder_pid == (__u32)self->party);
	ASSERT_EQ(0, wstatus);
	ASSERT_EQ(0, kill(self->party, SIGKILL));
	EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(self->mutex, soon())));
	close(pidfd);
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], PARTY))
		return party(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]),
			     atoi(argv[5]));
	require_device();
	return test_harness_run(argc, argv);
}
