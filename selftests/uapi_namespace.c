// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID, user and time namespaces: who holds a lock is a matter of threads, never
 * of numbers; numbers are what the reader may see; who is root in a namespace of
 * his own is nobody outside; and deadlines are by the clock of who waits.
 * (Network namespaces are in uapi_name.c.)
 */
#include "uapi_peer.h"

#include <grp.h>
#include <linux/sched.h>
#include <sys/stat.h>

#define STRANGER	64125
#define NOT_ALLOWED	77

FIXTURE(namespace)
{
	int dev;
	int fd;
	struct peer a, b;	/* each the first process of its namespace */
};

static int peer_fork_into_new_pidns(struct peer *p)
{
	int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	int ret;

	if (home < 0)
		return -errno;
	ret = unshare(CLONE_NEWPID) ? -errno : peer_fork(p);
	if (!ret && setns(home, CLONE_NEWPID))
		ret = -errno;
	close(home);
	return ret;
}

FIXTURE_SETUP(namespace)
{
	int ret;

	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, 4);
	ASSERT_LE(0, self->fd);
	ret = peer_fork_into_new_pidns(&self->a);
	if (ret == -EPERM)
		SKIP(return, "not allowed to make PID namespaces");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, peer_fork_into_new_pidns(&self->b));
}

FIXTURE_TEARDOWN(namespace)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

TEST_F(namespace, holder_inside_is_seen_from_outside)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->fd, NEVER)));
	EXPECT_EQ(self->a.pid, status(self->fd).holder_pid);
	EXPECT_EQ(self->a.pid, status(self->fd).holder_tid);
	/* By its own number to itself. */
	ASSERT_EQ(0, ask(&self->a, status_call(self->fd)));
	EXPECT_EQ(1, self->a.out.status.holder_pid);
	EXPECT_EQ(1, self->a.out.status.holder_tid);
	EXPECT_EQ(status(self->fd).holder_id, self->a.out.status.holder_id);
}

TEST_F(namespace, holder_outside_is_not_seen_from_inside)
{
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	ASSERT_EQ(0, ask(&self->a, status_call(self->fd)));
	EXPECT_EQ(0, self->a.out.status.holder_pid);
	EXPECT_EQ(0, self->a.out.status.holder_tid);
	EXPECT_EQ(1, self->a.out.status.value);
	EXPECT_EQ(status(self->fd).holder_id, self->a.out.status.holder_id);
	EXPECT_NE(0, self->a.out.status.holder_id);
}

/* Both are process 1. They are not the same. */
TEST_F(namespace, pid_namespace)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->fd, NEVER)));
	ASSERT_EQ(0, ask(&self->b, status_call(self->fd)));
	EXPECT_EQ(0, self->b.out.status.holder_pid);
	EXPECT_EQ(1, self->b.out.status.value);
	EXPECT_EQ(-EPERM, ask(&self->b, mutex_unlock(self->fd)));
	EXPECT_EQ(-EBUSY, ask(&self->b, mutex_trylock(self->fd)));
	start(&self->b, mutex_lock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	EXPECT_TRUE(silent(&self->b));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_EQ(self->b.pid, status(self->fd).holder_pid);
}

static int inner;	/* an object that the next function locks */

static int lock_in_a_child(struct call *c)
{
	pid_t pid;
	int ret;

	pid = fork();
	if (!pid) {
		ret = me(mutex_lock(inner, NEVER));
		if (ret)
			_exit(1);
		linger();
	}
	return UNTIL(status(inner).holder_pid == (__u32)pid) ? pid : -EIO;
}

/* The end of the first process of a namespace is the end of all in it. */
TEST_F(namespace, end_of_a_namespace)
{
	struct peer p;

	inner = self->fd;
	ASSERT_EQ(0, peer_fork_into_new_pidns(&p));
	ASSERT_LT(1, ask_fn(&p, lock_in_a_child));
	EXPECT_LT(1, status(self->fd).holder_pid);
	EXPECT_NE(p.pid, status(self->fd).holder_pid);
	start(&self->b, mutex_lock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	peer_kill(&p);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
}

TEST_F(namespace, members_bound_across_namespaces)
{
	int wg = create(self->dev, KSYNC_TYPE_WAITGROUP, 0, 1);
	int pidfd = syscall(SYS_pidfd_open, self->a.pid, 0);

	ASSERT_LE(0, wg);
	ASSERT_LE(0, pidfd);
	ASSERT_EQ(0, me(waitgroup_add(wg, 2)));
	ASSERT_EQ(0, me(waitgroup_bind(wg, pidfd)));
	peer_kill(&self->a);
	EXPECT_TRUE(UNTIL(status(wg).value == 1));
	EXPECT_EQ(-ESRCH, me(waitgroup_bind(wg, pidfd)));
	close(wg);
	close(pidfd);
}

/* A process whose clock is @ahead seconds ahead of ours, or behind. */
static int peer_fork_with_clock(struct peer *p, int ahead)
{
	int home = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC), ret = 0;
	FILE *offsets;

	if (home < 0)
		return -errno;
	if (unshare(CLONE_NEWTIME)) {
		ret = -errno;
		goto out;
	}
	offsets = fopen("/proc/self/timens_offsets", "w");
	if (!offsets || fprintf(offsets, "monotonic %d 0\n", ahead) < 0 ||
	    fclose(offsets))
		ret = -errno;
	if (!ret)
		ret = peer_fork(p);
	if (setns(home, CLONE_NEWTIME) && !ret)
		ret = -errno;
out:
	close(home);
	return ret;
}

TEST_F(namespace, deadline_by_the_callers_clock)
{
	static const int ahead[] = { 1000, -1 };
	__u64 ours;
	struct peer p;
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(ahead); i++) {
		ret = peer_fork_with_clock(&p, ahead[i]);
		if (ret == -EPERM || ret == -ENOENT || ret == -EINVAL)
			SKIP(return, "cannot make time namespaces");
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
		ours = now_ns() + 20 * NS_PER_MS;
		EXPECT_EQ(-ETIMEDOUT,
			  ask(&p, mutex_lock(self->fd,
					     ours + ahead[i] * 1000 * NS_PER_MS)));
		EXPECT_LE(ours, now_ns());
		/* Centuries away, also for who is behind. */
		start(&p, mutex_lock(self->fd, NEVER - 1));
		EXPECT_TRUE(queued(self->fd, 1, 0));
		EXPECT_TRUE(silent(&p));
		ASSERT_EQ(0, me(mutex_unlock(self->fd)));
		EXPECT_EQ(0, answer(&p));
		ASSERT_EQ(0, ask(&p, mutex_unlock(self->fd)));
		peer_end(&p);
	}
}

static pid_t fork_as(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (unsigned long)&pid,
		.set_tid_size = 1,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* A process with the number of the dead one. */
static int be_mistaken(int fd)
{
	CHECK(me(mutex_unlock(fd)) == -EPERM);
	CHECK(me(mutex_consistent(fd)) == -EPERM);
	CHECK(me(mutex_lock(fd, soon())) == -EOWNERDEAD);
	CHECK(!me(mutex_consistent(fd)));
	CHECK(!me(mutex_unlock(fd)));
	CHECK(me(at(1, mutex_trylock(fd))) == -EBUSY);
	CHECK(me(at(1, mutex_unlock(fd))) == -EPERM);
	CHECK(!me(at(2, mutex_trylock(fd))));
	return 0;
}

TEST_F(namespace, pid_reuse)
{
	struct peer p;
	int wstatus;
	pid_t pid;

	ASSERT_EQ(0, me(at(1, mutex_lock(self->fd, NEVER))));
	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask(&p, mutex_lock(self->fd, NEVER)));
	pid = p.pid;
	peer_kill(&p);
	pid = fork_as(pid);
	if (!pid)
		_exit(be_mistaken(self->fd));
	if (pid < 0)
		SKIP(return, "cannot choose the number of a process: %s",
		     strerror(errno));
	ASSERT_EQ(pid, waitpid(pid, &wstatus, 0));
	EXPECT_EQ(0, wstatus);
	/* It ended holding one: that is its own death, not the first one's. */
	EXPECT_EQ(-EOWNERDEAD, me(at(2, mutex_lock(self->fd, soon()))));
	EXPECT_EQ(0, me(mutex_lock(self->fd, soon())));
	EXPECT_EQ(1, status(self->fd).deaths);
}

struct names {
	int dev;
	const char *closed, *open;
};

static int root_of_nothing(void *arg)
{
	struct names *n = arg;
	union uapi_args out;

	CHECK(!setgroups(0, NULL));
	CHECK(!setresgid(STRANGER, STRANGER, STRANGER));
	CHECK(!setresuid(STRANGER, STRANGER, STRANGER));
	if (unshare(CLONE_NEWUSER))
		return NOT_ALLOWED;
	CHECK(open_name(n->dev, n->closed, KSYNC_TYPE_MUTEX, 0, 0) == -EACCES);
	CHECK(me(query_call(n->dev, n->closed, 0)) == -EACCES);
	CHECK(me(unlink_call(n->dev, n->closed)) == -EPERM);
	CHECK(me(unlink_call(n->dev, n->open)) == -EPERM);
	/* Whoever owns it has no name in here. */
	CHECK(!me_out(query_call(n->dev, n->open, 0), &out));
	CHECK(out.query.info.uid == 65534);
	CHECK(out.query.info.gid == 65534);
	return 0;
}

TEST_F(namespace, root_in_a_namespace_of_his_own)
{
	struct names n = { self->dev, "uapi-userns-closed", "uapi-userns-open" };
	int closed, open, ret;

	if (geteuid())
		SKIP(return, "needs root, to be somebody else");
	umask(0);
	closed = open_name(self->dev, n.closed, KSYNC_TYPE_MUTEX,
			   KSYNC_OPEN_CREATE, 0600);
	open = open_name(self->dev, n.open, KSYNC_TYPE_MUTEX,
			 KSYNC_OPEN_CREATE, 0666);
	ASSERT_LE(0, closed);
	ASSERT_LE(0, open);
	ret = in_child(root_of_nothing, &n);
	close(closed);
	close(open);
	if (ret == NOT_ALLOWED)
		SKIP(return, "not allowed to make user namespaces");
	EXPECT_EQ(0, ret);
}

UAPI_MAIN
