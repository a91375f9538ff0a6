// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wait groups through the raw interface: counting, rounds, waiting, and
 * members that are tied to a process.
 */
#include "uapi_peer.h"

FIXTURE(wg)
{
	int dev;
	int fd;
	struct peer a, b, c;
};

FIXTURE_VARIANT(wg)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(wg, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(wg, guarded)
{
	.flags = KSYNC_F_GUARDED,
};

FIXTURE_SETUP(wg)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_WAITGROUP, variant->flags, 2);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(wg)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

static int pidfd_of(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* Ties one member to a process, by a descriptor that is gone afterwards. */
static int bind_to(int fd, pid_t pid)
{
	int pidfd = pidfd_of(pid);
	int ret;

	if (pidfd < 0)
		return pidfd;
	ret = me(waitgroup_bind(fd, pidfd));
	close(pidfd);
	return ret;
}

static int wait_lost(int fd, __u32 *lost)
{
	union uapi_args out;
	int ret = me_out(waitgroup_wait(fd, soon()), &out);

	*lost = out.wait.lost;
	return ret;
}

TEST_F(wg, counts)
{
	EXPECT_EQ(0, status(self->fd).value);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 3)));
	EXPECT_EQ(3, status(self->fd).value);
	ASSERT_EQ(0, ask(&self->a, waitgroup_add(self->fd, -1)));
	EXPECT_EQ(2, status(self->fd).value);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 5)));
	EXPECT_EQ(7, status(self->fd).value);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -7)));
	EXPECT_EQ(0, status(self->fd).value);
	EXPECT_EQ(0, status_of(self->fd, 1).value);
}

TEST_F(wg, wg_negative)
{
	EXPECT_EQ(-ERANGE, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(-ERANGE, me(waitgroup_add(self->fd, INT32_MIN)));
	EXPECT_EQ(0, status(self->fd).value);
	EXPECT_EQ(0, status(self->fd).token);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
	EXPECT_EQ(-ERANGE, me(waitgroup_add(self->fd, -3)));
	EXPECT_EQ(-ERANGE, me(waitgroup_add(self->fd, INT32_MIN)));
	EXPECT_EQ(2, status(self->fd).value);
}

TEST_F(wg, overflow)
{
	ASSERT_EQ(0, me(waitgroup_add(self->fd, INT32_MAX)));
	EXPECT_EQ(-EOVERFLOW, me(waitgroup_add(self->fd, 1)));
	EXPECT_EQ(-EOVERFLOW, me(waitgroup_add(self->fd, INT32_MAX)));
	EXPECT_EQ(KSYNC_COUNT_MAX, status(self->fd).value);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(-EOVERFLOW, me(waitgroup_add(self->fd, 2)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -INT32_MAX)));
	EXPECT_EQ(0, status(self->fd).value);
}

TEST_F(wg, wait)
{
	EXPECT_EQ(0, me(waitgroup_wait(self->fd, NEVER)));
	EXPECT_EQ(0, me(waitgroup_wait(self->fd, LONG_AGO)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
	start(&self->a, waitgroup_wait(self->fd, NEVER));
	start(&self->b, waitgroup_wait(self->fd, soon()));
	ASSERT_TRUE(queued(self->fd, 0, 2));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	ASSERT_TRUE(queued(self->fd, 0, 2));
	EXPECT_TRUE(silent(&self->a));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, ask(&self->c, waitgroup_add(self->fd, -1)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, self->a.out.wait.lost);
	EXPECT_EQ(0, status(self->fd).waiters_shared);
	EXPECT_EQ(2, status(self->fd).acquisitions);
}

TEST_F(wg, deadline)
{
	__u64 deadline = in_ms(20);

	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	EXPECT_EQ(-ETIMEDOUT, me(waitgroup_wait(self->fd, LONG_AGO)));
	EXPECT_EQ(-ETIMEDOUT, me(waitgroup_wait(self->fd, 0)));
	EXPECT_EQ(-ETIMEDOUT, me(waitgroup_wait(self->fd, deadline)));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ(0, status(self->fd).waiters_shared);
	EXPECT_EQ(1, status(self->fd).value);
	start(&self->a, waitgroup_wait(self->fd, NEVER - 1));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(wg, timeout_race)
{
	int i, ret;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
		start(&self->a, waitgroup_wait(self->fd, now_ns() + i * 6000));
		start(&self->b, waitgroup_wait(self->fd, NEVER));
		ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
		ret = answer(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(0, status(self->fd).waiters_shared);
	}
}

TEST_F(wg, rounds_are_numbered)
{
	__u64 first = status(self->fd).token;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(first + i, status(self->fd).token);
		ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
		ASSERT_EQ(first + i, status(self->fd).token);
		ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
		ASSERT_EQ(first + i, status(self->fd).token);
		ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	}
	EXPECT_EQ(first + 10, status(self->fd).token);
}

/* A waiter returns for its own round, even if the next one has begun. */
TEST_F(wg, wg_reuse)
{
	int i;

	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	for (i = 0; i < 20; i++) {
		start(&self->a, waitgroup_wait(self->fd, NEVER));
		start(&self->b, waitgroup_wait(self->fd, NEVER));
		ASSERT_TRUE(queued(self->fd, 0, 2));
		ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
		ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
		ASSERT_EQ(0, answer(&self->a));
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(1, status(self->fd).value);
	}
}

/* Members added while others wait belong to the round that they wait for. */
TEST_F(wg, wg_add_late)
{
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	start(&self->a, waitgroup_wait(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(wg, die_worker)
{
	struct ksync_primitive_status st;

	ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	start(&self->b, waitgroup_wait(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	peer_kill(&self->a);
	ASSERT_TRUE(UNTIL(status(self->fd).value == 1));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_EQ(1, self->b.out.wait.lost);
	st = status(self->fd);
	EXPECT_EQ(KSYNC_STATUS_LOSS, st.flags);
	EXPECT_EQ(1, st.lost);
	EXPECT_EQ(1, st.deaths);
	EXPECT_EQ(0, st.value);
	EXPECT_EQ(0, status_of(self->fd, 1).deaths);
}

TEST_F(wg, the_last_members_die)
{
	__u32 lost;

	ASSERT_EQ(0, me(waitgroup_add(self->fd, 3)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	ASSERT_EQ(0, bind_to(self->fd, self->b.pid));
	ASSERT_EQ(0, bind_to(self->fd, self->b.pid));
	start(&self->c, waitgroup_wait(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	peer_kill(&self->b);
	ASSERT_TRUE(UNTIL(status(self->fd).value == 1));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->c));
	EXPECT_EQ(3, self->c.out.wait.lost);
	EXPECT_EQ(-EOWNERDEAD, wait_lost(self->fd, &lost));
	EXPECT_EQ(3, lost);
	EXPECT_EQ(3, status(self->fd).lost);
	EXPECT_EQ(3, status(self->fd).deaths);
}

/* The loss is told to its own round, even if the next one has begun. */
TEST_F(wg, loss_and_reuse)
{
	int i;

	for (i = 0; i < 10; i++) {
		struct peer p;

		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
		ASSERT_EQ(0, bind_to(self->fd, p.pid));
		start(&self->b, waitgroup_wait(self->fd, NEVER));
		ASSERT_TRUE(queued(self->fd, 0, 1));
		peer_kill(&p);
		ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
		ASSERT_EQ(-EOWNERDEAD, answer(&self->b));
		ASSERT_EQ(1, self->b.out.wait.lost);
		ASSERT_EQ(0, status(self->fd).flags);
		ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
		ASSERT_EQ(0, me(waitgroup_wait(self->fd, soon())));
	}
}

/* What comes out need not be cleared before the next call. */
TEST_F(wg, the_same_argument_again)
{
	struct call c = waitgroup_wait(self->fd, soon());

	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, call_run(&c));
	EXPECT_EQ(1, c.arg.wait.lost);
	EXPECT_EQ(-EOWNERDEAD, call_run(&c));
	EXPECT_EQ(1, c.arg.wait.lost);
}

/* With a count of zero wait gives the result of the last round. */
TEST_F(wg, loss_ends_with_the_next_round)
{
	__u32 lost;

	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, wait_lost(self->fd, &lost));
	EXPECT_EQ(-EOWNERDEAD, me(waitgroup_wait(self->fd, LONG_AGO)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	EXPECT_EQ(0, status(self->fd).flags);
	EXPECT_EQ(0, status(self->fd).lost);
	EXPECT_EQ(1, status(self->fd).deaths);
	start(&self->b, waitgroup_wait(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, wait_lost(self->fd, &lost));
	EXPECT_EQ(0, lost);
}

/* Who has called done has nothing left to lose. */
TEST_F(wg, die_after_done)
{
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 3)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	ASSERT_EQ(0, bind_to(self->fd, self->b.pid));
	ASSERT_EQ(0, bind_to(self->fd, self->b.pid));
	ASSERT_EQ(0, ask(&self->a, waitgroup_add(self->fd, -1)));
	ASSERT_EQ(0, ask(&self->b, waitgroup_add(self->fd, -1)));
	peer_kill(&self->a);
	peer_kill(&self->b);
	EXPECT_EQ(-EOWNERDEAD, me(waitgroup_wait(self->fd, soon())));
	EXPECT_EQ(1, status(self->fd).lost);
	EXPECT_EQ(1, status(self->fd).deaths);
}

TEST_F(wg, a_clean_round_with_bound_members)
{
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	ASSERT_EQ(0, bind_to(self->fd, self->b.pid));
	ASSERT_EQ(0, ask(&self->a, waitgroup_add(self->fd, -1)));
	ASSERT_EQ(0, ask(&self->b, waitgroup_add(self->fd, -1)));
	EXPECT_EQ(0, me(waitgroup_wait(self->fd, soon())));
	/* The next round has nothing to do with them. */
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
	peer_kill(&self->a);
	peer_kill(&self->b);
	EXPECT_EQ(2, status(self->fd).value);
	EXPECT_EQ(0, status(self->fd).deaths);
}

/* A round that others ended takes its bindings along. */
TEST_F(wg, bindings_end_with_their_round)
{
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	peer_kill(&self->a);
	EXPECT_EQ(1, status(self->fd).value);
	EXPECT_EQ(0, status(self->fd).deaths);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(0, me(waitgroup_wait(self->fd, soon())));
}

TEST_F(wg, bind_itself)
{
	int pidfd;

	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	pidfd = pidfd_of(getpid());
	ASSERT_LE(0, pidfd);
	ASSERT_EQ(0, me(waitgroup_bind(self->fd, pidfd)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, -1)));
	EXPECT_EQ(0, me(waitgroup_wait(self->fd, soon())));
}

TEST_F(wg, no_more_bindings_than_members)
{
	EXPECT_EQ(-ERANGE, bind_to(self->fd, self->a.pid));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
	EXPECT_EQ(0, bind_to(self->fd, self->a.pid));
	EXPECT_EQ(0, bind_to(self->fd, self->b.pid));
	EXPECT_EQ(-ERANGE, bind_to(self->fd, self->a.pid));
	EXPECT_EQ(-ERANGE, bind_to(self->fd, self->c.pid));
	EXPECT_EQ(2, status(self->fd).value);
	peer_kill(&self->c);
	EXPECT_EQ(2, status(self->fd).value);
	ASSERT_EQ(0, ask(&self->a, waitgroup_add(self->fd, -1)));
	EXPECT_EQ(-ERANGE, bind_to(self->fd, self->a.pid));
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	EXPECT_EQ(0, bind_to(self->fd, self->a.pid));
}

TEST_F(wg, bind_to_the_dead)
{
	int pidfd = pidfd_of(self->a.pid);

	ASSERT_LE(0, pidfd);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	/* First as a zombie, then gone. */
	ASSERT_EQ(0, kill(self->a.pid, SIGKILL));
	ASSERT_EQ(PEER_GONE, answer(&self->a));
	ASSERT_TRUE(UNTIL(me(waitgroup_bind(self->fd, pidfd)) == -ESRCH ||
			  status(self->fd).value == 0));
	EXPECT_EQ(1, status(self->fd).value + status(self->fd).deaths);
	peer_reap(&self->a);
	EXPECT_EQ(0, me(waitgroup_add(self->fd, 1)));
	EXPECT_EQ(-ESRCH, me(waitgroup_bind(self->fd, pidfd)));
	close(pidfd);
}

TEST_F(wg, bind_to_what_is_no_process)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int closed = dup(null);

	ASSERT_LE(0, null);
	ASSERT_LE(0, closed);
	close(closed);
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 1)));
	EXPECT_EQ(-EBADF, me(waitgroup_bind(self->fd, null)));
	EXPECT_EQ(-EBADF, me(waitgroup_bind(self->fd, closed)));
	EXPECT_EQ(-EBADF, me(waitgroup_bind(self->fd, -1)));
	EXPECT_EQ(-EBADF, me(waitgroup_bind(self->fd, INT32_MAX)));
	EXPECT_EQ(-EBADF, me(waitgroup_bind(self->fd, INT32_MIN)));
	EXPECT_EQ(-EBADF, me(waitgroup_bind(self->fd, self->fd)));
	EXPECT_EQ(-EBADF, me(waitgroup_bind(self->fd, self->dev)));
	/* Nothing was tied meanwhile. */
	EXPECT_EQ(0, bind_to(self->fd, self->a.pid));
	close(null);
}

/* The binding is to the process, not to the number that it had. */
TEST_F(wg, the_pidfd_may_be_closed)
{
	ASSERT_EQ(0, me(waitgroup_add(self->fd, 2)));
	ASSERT_EQ(0, bind_to(self->fd, self->a.pid));
	peer_kill(&self->a);
	EXPECT_TRUE(UNTIL(status(self->fd).value == 1));
	EXPECT_EQ(1, status(self->fd).deaths);
	ASSERT_EQ(0, peer_fork(&self->a));
	peer_kill(&self->a);
	EXPECT_EQ(1, status(self->fd).value);
}

UAPI_MAIN
