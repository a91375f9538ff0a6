// SPDX-License-Identifier: GPL-2.0-only
/*
 * Once through the raw interface: who runs it, who gets the result, and what
 * becomes of a run that fails or whose thread dies.
 */
#include "uapi_peer.h"
#include "uapi_rendezvous.h"

#define RESULT 0x123456789abcdef0ULL

FIXTURE(once)
{
	int dev;
	int fd;
	struct peer a, b, c;
};

FIXTURE_VARIANT(once)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(once, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(once, guarded)
{
	.flags = KSYNC_F_GUARDED,
};

FIXTURE_SETUP(once)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_ONCE, variant->flags, 2);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(once)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

TEST_F(once, runs_once)
{
	union uapi_args out;

	ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
	EXPECT_EQ(1, status(self->fd).value);
	EXPECT_EQ(getpid(), status(self->fd).holder_pid);
	start(&self->a, once_begin(self->fd, NEVER));
	start(&self->b, once_begin(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(once_complete(self->fd, RESULT)));
	EXPECT_EQ(-EALREADY, answer(&self->a));
	EXPECT_EQ(-EALREADY, answer(&self->b));
	EXPECT_EQ(RESULT, self->a.out.begin.result);
	EXPECT_EQ(RESULT, self->b.out.begin.result);
	EXPECT_EQ(-EALREADY, me_out(once_begin(self->fd, LONG_AGO), &out));
	EXPECT_EQ(RESULT, out.begin.result);
	EXPECT_EQ(KSYNC_STATUS_DONE, status(self->fd).flags);
	EXPECT_EQ(1, status(self->fd).acquisitions);
	EXPECT_EQ(1, status(self->fd).token);
	/* The other one is another one. */
	EXPECT_EQ(0, ask(&self->a, at(1, once_begin(self->fd, NEVER))));
}

TEST_F(once, only_the_runner_ends_it)
{
	EXPECT_EQ(-EPERM, me(once_complete(self->fd, 1)));
	EXPECT_EQ(-EPERM, me(once_abandon(self->fd)));
	ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
	EXPECT_EQ(-EPERM, ask(&self->a, once_complete(self->fd, 1)));
	EXPECT_EQ(-EPERM, ask(&self->a, once_abandon(self->fd)));
	EXPECT_EQ(-EBUSY, ask(&self->a, once_reset(self->fd)));
	EXPECT_EQ(-EDEADLK, me(once_begin(self->fd, NEVER)));
	EXPECT_EQ(-EDEADLK, me(once_begin(self->fd, LONG_AGO)));
	EXPECT_EQ(1, status(self->fd).value);
	ASSERT_EQ(0, me(once_complete(self->fd, 1)));
	EXPECT_EQ(-EPERM, me(once_complete(self->fd, 2)));
	EXPECT_EQ(-EPERM, me(once_abandon(self->fd)));
}

/* Another thread of the same process is not the runner. */
TEST_F(once, the_runner_is_a_thread)
{
	struct peer thread;

	ASSERT_EQ(0, peer_thread(&thread));
	ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
	EXPECT_EQ(-EPERM, ask(&thread, once_complete(self->fd, 1)));
	EXPECT_EQ(-ETIMEDOUT, ask(&thread, once_begin(self->fd, in_ms(20))));
	ASSERT_EQ(0, me(once_complete(self->fd, 1)));
	peer_end(&thread);
}

TEST_F(once, abandon_lets_the_next_run)
{
	ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
	start(&self->a, once_begin(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, once_begin(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	ASSERT_EQ(0, me(once_abandon(self->fd)));
	/* The oldest, and nobody else. */
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(is_queued(self->fd, 0, 1, 0));
	EXPECT_EQ(1, status(self->fd).lost);
	ASSERT_EQ(0, ask(&self->a, once_complete(self->fd, 7)));
	EXPECT_EQ(-EALREADY, answer(&self->b));
	EXPECT_EQ(7, self->b.out.begin.result);
}

/* The next runner is told, and those after it, until somebody completes. */
TEST_F(once, die_running)
{
	ASSERT_EQ(0, ask(&self->a, once_begin(self->fd, NEVER)));
	start(&self->b, once_begin(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_EQ(KSYNC_STATUS_DEAD, status(self->fd).flags);
	EXPECT_EQ(1, status(self->fd).deaths);
	ASSERT_EQ(0, ask(&self->b, once_abandon(self->fd)));
	EXPECT_EQ(-EOWNERDEAD, me(once_begin(self->fd, NEVER)));
	ASSERT_EQ(0, me(once_complete(self->fd, 3)));
	EXPECT_EQ(KSYNC_STATUS_DONE, status(self->fd).flags);
	EXPECT_EQ(-EALREADY, ask(&self->c, once_begin(self->fd, NEVER)));
	EXPECT_EQ(3, self->c.out.begin.result);
}

TEST_F(once, die_running_alone)
{
	ASSERT_EQ(0, ask(&self->a, once_begin(self->fd, NEVER)));
	start_fn(&self->a, die_by_exec, (struct call){ 0 });
	EXPECT_EQ(-EOWNERDEAD, me(once_begin(self->fd, soon())));
	ASSERT_EQ(0, me(once_abandon(self->fd)));
	ASSERT_EQ(0, ask(&self->b, at(1, once_begin(self->fd, NEVER))));
	start_fn(&self->b, die_by_raw_exit, (struct call){ 0 });
	EXPECT_EQ(-EOWNERDEAD, me(at(1, once_begin(self->fd, soon()))));
}

/* What is done is done, also after the death of who did it. */
TEST_F(once, die_afterwards)
{
	ASSERT_EQ(0, ask(&self->a, once_begin(self->fd, NEVER)));
	ASSERT_EQ(0, ask(&self->a, once_complete(self->fd, 5)));
	peer_kill(&self->a);
	EXPECT_EQ(-EALREADY, ask(&self->b, once_begin(self->fd, NEVER)));
	EXPECT_EQ(5, self->b.out.begin.result);
	EXPECT_EQ(0, status(self->fd).deaths);
}

TEST_F(once, die_waiting)
{
	ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
	start(&self->a, once_begin(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, once_begin(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	peer_kill(&self->a);
	EXPECT_TRUE(queued(self->fd, 1, 0));
	ASSERT_EQ(0, me(once_abandon(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
}

TEST_F(once, deadline)
{
	__u64 deadline = in_ms(20);

	ASSERT_EQ(0, me(at(1, once_begin(self->fd, LONG_AGO))));
	ASSERT_EQ(0, ask(&self->a, once_begin(self->fd, NEVER)));
	EXPECT_EQ(-ETIMEDOUT, me(once_begin(self->fd, LONG_AGO)));
	EXPECT_EQ(-ETIMEDOUT, me(once_begin(self->fd, deadline)));
	EXPECT_LE(deadline, now_ns());
	EXPECT_TRUE(is_queued(self->fd, 0, 0, 0));
	EXPECT_EQ(1, status(self->fd).token);
	ASSERT_EQ(0, ask(&self->a, once_complete(self->fd, 1)));
}

/* A deadline that races with a hand-over: exactly one runs it, every time. */
TEST_F(once, timeout_race)
{
	int i, ret;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
		start(&self->a, once_begin(self->fd, now_ns() + i * 6000));
		start(&self->b, once_begin(self->fd, NEVER));
		ASSERT_EQ(0, me(once_abandon(self->fd)));
		ret = answer(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		ASSERT_EQ(ret ? -EPERM : 0,
			  ask(&self->a, once_abandon(self->fd)));
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(0, ask(&self->b, once_abandon(self->fd)));
	}
	EXPECT_TRUE(is_queued(self->fd, 0, 0, 0));
}

TEST_F(once, reset_begins_again)
{
	ASSERT_EQ(0, me(once_reset(self->fd)));
	ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
	ASSERT_EQ(0, me(once_complete(self->fd, 1)));
	ASSERT_EQ(0, ask(&self->a, once_reset(self->fd)));
	EXPECT_EQ(0, status(self->fd).flags);
	ASSERT_EQ(0, ask(&self->b, once_begin(self->fd, NEVER)));
	start(&self->c, once_begin(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	ASSERT_EQ(0, ask(&self->b, once_complete(self->fd, 2)));
	EXPECT_EQ(-EALREADY, answer(&self->c));
	EXPECT_EQ(2, self->c.out.begin.result);
	EXPECT_EQ(2, status(self->fd).token);
}

static void do_nothing(int signal)
{
}

static int catch_signals(struct call *c)
{
	struct sigaction act = { .sa_handler = do_nothing };

	return sigaction(SIGUSR1, &act, NULL) ? -errno : 0;
}

TEST_F(once, signal_wait)
{
	int i;

	ASSERT_EQ(0, ask_fn(&self->a, catch_signals));
	ASSERT_EQ(0, me(once_begin(self->fd, NEVER)));
	start(&self->a, once_begin(self->fd, NEVER));
	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(queued(self->fd, 1, 0));
		kill(self->a.pid, SIGUSR1);
	}
	ASSERT_TRUE(queued(self->fd, 1, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(once_complete(self->fd, 9)));
	EXPECT_EQ(-EALREADY, answer(&self->a));
	EXPECT_EQ(9, self->a.out.begin.result);
}

UAPI_MAIN
