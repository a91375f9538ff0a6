// SPDX-License-Identifier: GPL-2.0-only
/*
 * Barriers through the raw interface: rounds, and all the ways to break one.
 */
#include "uapi_peer.h"
#include "uapi_rendezvous.h"

#define PARTIES 3

FIXTURE(barrier)
{
	int dev;
	int fd;
	struct peer a, b, c;
};

FIXTURE_VARIANT(barrier)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(barrier, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(barrier, guarded)
{
	.flags = KSYNC_F_GUARDED,
};

FIXTURE_SETUP(barrier)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create_barrier(self->dev, variant->flags, 2, PARTIES);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(barrier)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

#define BROKEN(fd) (!!(status(fd).flags & KSYNC_STATUS_BROKEN))

/* Two of three wait. */
#define TWO_ARRIVE() do {						\
	start(&self->a, barrier_wait(self->fd, NEVER));			\
	start(&self->b, barrier_wait(self->fd, NEVER));			\
	ASSERT_TRUE(queued(self->fd, 0, 2));				\
} while (0)

#define BOTH_TOLD(ret) do {						\
	EXPECT_EQ(ret, answer(&self->a));				\
	EXPECT_EQ(ret, answer(&self->b));				\
} while (0)

/* Nothing of what was before is left. */
#define WORKS_AGAIN() do {						\
	ASSERT_EQ(0, me(barrier_reset(self->fd)));			\
	EXPECT_FALSE(BROKEN(self->fd));					\
	EXPECT_EQ(0, status(self->fd).value);				\
} while (0)

TEST_F(barrier, rounds)
{
	__u64 round = status(self->fd).token;
	int i;

	EXPECT_EQ(PARTIES, status(self->fd).max);
	for (i = 0; i < 20; i++) {
		TWO_ARRIVE();
		EXPECT_EQ(2, status(self->fd).value);
		EXPECT_TRUE(silent(&self->a));
		/* One of them is told so: who came last. */
		ASSERT_EQ(1, me(barrier_wait(self->fd, NEVER)));
		BOTH_TOLD(0);
		EXPECT_EQ(++round, status(self->fd).token);
		EXPECT_EQ(0, status(self->fd).value);
	}
	EXPECT_EQ(0, status_of(self->fd, 1).token);
}

TEST_F(barrier, alone)
{
	int fd = create_barrier(self->dev, variant->flags, 1, 1);
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, me(barrier_wait(fd, LONG_AGO)));
	EXPECT_EQ(3, status(fd).token);
	close(fd);
}

/* Who runs ahead into the next round does not take a place in this one. */
TEST_F(barrier, next_round_begins_early)
{
	int i;

	TWO_ARRIVE();
	for (i = 0; i < 20; i++) {
		/* c completes the round and is in the next one at once. */
		ASSERT_EQ(1, ask(&self->c, barrier_wait(self->fd, NEVER)));
		start(&self->c, barrier_wait(self->fd, NEVER));
		BOTH_TOLD(0);
		ASSERT_TRUE(queued(self->fd, 0, 1));
		start(&self->a, barrier_wait(self->fd, NEVER));
		ASSERT_TRUE(queued(self->fd, 0, 2));
		ASSERT_EQ(1, me(barrier_wait(self->fd, NEVER)));
		ASSERT_EQ(0, answer(&self->a));
		ASSERT_EQ(0, answer(&self->c));
		TWO_ARRIVE();
	}
}

TEST_F(barrier, impossible_parties)
{
	EXPECT_EQ(-EINVAL, create_barrier(self->dev, 0, 1, 0));
	EXPECT_EQ(-EINVAL, create_barrier(self->dev, 0, 1,
					  KSYNC_COUNT_MAX + 1));
	EXPECT_EQ(-EINVAL, create_barrier(self->dev, KSYNC_F_FIFO, 1, 2));
}

TEST_F(barrier, timeout_breaks)
{
	__u64 deadline = in_ms(20);

	TWO_ARRIVE();
	EXPECT_EQ(-ETIMEDOUT, ask(&self->c, at(1, barrier_wait(self->fd,
							       deadline))));
	EXPECT_LE(deadline, now_ns());
	EXPECT_TRUE(status_of(self->fd, 1).flags & KSYNC_STATUS_BROKEN);
	EXPECT_FALSE(BROKEN(self->fd));
	peer_kill(&self->c);
	ASSERT_EQ(0, peer_fork(&self->c));
	start(&self->c, barrier_wait(self->fd, NEVER));
	BOTH_TOLD(0);
	EXPECT_EQ(1, answer(&self->c));

	TWO_ARRIVE();
	/* A deadline does not matter to the last. */
	EXPECT_EQ(1, me(barrier_wait(self->fd, LONG_AGO)));
	BOTH_TOLD(0);
	start(&self->a, barrier_wait(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	EXPECT_EQ(-ETIMEDOUT, me(barrier_wait(self->fd, LONG_AGO)));
	EXPECT_EQ(-EPIPE, answer(&self->a));
	EXPECT_TRUE(BROKEN(self->fd));
	EXPECT_EQ(-EPIPE, me(barrier_wait(self->fd, NEVER)));
	EXPECT_EQ(1, status(self->fd).lost);
	EXPECT_EQ(0, status(self->fd).deaths);
	WORKS_AGAIN();
}

TEST_F(barrier, timeout_race)
{
	int i, ra, rb, rc;

	for (i = 0; i < 60; i++) {
		start(&self->a, barrier_wait(self->fd, now_ns() + i * 6000));
		start(&self->b, barrier_wait(self->fd, NEVER));
		rc = ask(&self->c, barrier_wait(self->fd, NEVER));
		ra = answer(&self->a);
		rb = answer(&self->b);
		/* All or none. */
		if (ra >= 0) {
			ASSERT_EQ(1, ra + rb + rc);
		} else {
			ASSERT_TRUE(ra == -ETIMEDOUT && rb == -EPIPE &&
				    rc == -EPIPE);
		}
		ASSERT_TRUE(is_queued(self->fd, 0, 0, 0));
		ASSERT_EQ(0, me(barrier_reset(self->fd)));
	}
}

TEST_F(barrier, die_waiting)
{
	TWO_ARRIVE();
	peer_kill(&self->a);
	EXPECT_EQ(-EPIPE, answer(&self->b));
	EXPECT_TRUE(BROKEN(self->fd));
	EXPECT_EQ(1, status(self->fd).deaths);
	EXPECT_EQ(-EPIPE, me(barrier_wait(self->fd, NEVER)));
	WORKS_AGAIN();
	ASSERT_EQ(0, peer_fork(&self->a));
	TWO_ARRIVE();
	EXPECT_EQ(1, me(barrier_wait(self->fd, NEVER)));
	BOTH_TOLD(0);
}

/* Whose round is over is a party no more. */
TEST_F(barrier, die_afterwards)
{
	TWO_ARRIVE();
	ASSERT_EQ(1, me(barrier_wait(self->fd, NEVER)));
	BOTH_TOLD(0);
	peer_kill(&self->a);
	EXPECT_FALSE(BROKEN(self->fd));
	EXPECT_EQ(0, status(self->fd).deaths);
}

/* A member need not have arrived. */
TEST_F(barrier, die_joined)
{
	ASSERT_EQ(0, ask(&self->c, barrier_join(self->fd)));
	EXPECT_EQ(1, status(self->fd).readers);
	TWO_ARRIVE();
	peer_kill(&self->c);
	BOTH_TOLD(-EPIPE);
	EXPECT_EQ(1, status(self->fd).deaths);
	EXPECT_EQ(0, status(self->fd).readers);
	WORKS_AGAIN();
	/* Also when nobody waits. */
	ASSERT_EQ(0, ask(&self->a, barrier_join(self->fd)));
	peer_kill(&self->a);
	EXPECT_TRUE(BROKEN(self->fd));
	EXPECT_EQ(-EPIPE, ask(&self->b, barrier_wait(self->fd, NEVER)));
}

TEST_F(barrier, exec_joined)
{
	ASSERT_EQ(0, ask(&self->c, barrier_join(self->fd)));
	TWO_ARRIVE();
	start_fn(&self->c, die_by_exec, (struct call){ 0 });
	BOTH_TOLD(-EPIPE);
	EXPECT_EQ(0, status(self->fd).readers);
}

/* A thread is no process: only what it waits for is broken by its end. */
TEST_F(barrier, thread_ends)
{
	struct peer thread;

	ASSERT_EQ(0, me(barrier_join(self->fd)));
	ASSERT_EQ(0, peer_thread(&thread));
	ASSERT_EQ(0, ask(&thread, barrier_join(self->fd)));
	EXPECT_EQ(2, status(self->fd).readers);
	peer_end(&thread);
	EXPECT_FALSE(BROKEN(self->fd));
	EXPECT_EQ(2, status(self->fd).readers);
}

TEST_F(barrier, leave_breaks)
{
	EXPECT_EQ(-EPERM, me(barrier_leave(self->fd)));
	ASSERT_EQ(0, me(barrier_join(self->fd)));
	EXPECT_EQ(-EPERM, ask(&self->c, barrier_leave(self->fd)));
	EXPECT_EQ(-EPERM, me(at(1, barrier_leave(self->fd))));
	TWO_ARRIVE();
	ASSERT_EQ(0, me(barrier_leave(self->fd)));
	BOTH_TOLD(-EPIPE);
	EXPECT_EQ(-EPERM, me(barrier_leave(self->fd)));
	EXPECT_EQ(0, status(self->fd).readers);
	EXPECT_EQ(0, status(self->fd).deaths);
	EXPECT_EQ(1, status(self->fd).lost);
	WORKS_AGAIN();
}

TEST_F(barrier, as_many_members_as_parties)
{
	ASSERT_EQ(0, me(barrier_join(self->fd)));
	ASSERT_EQ(0, me(barrier_join(self->fd)));
	ASSERT_EQ(0, ask(&self->a, barrier_join(self->fd)));
	EXPECT_EQ(-EOVERFLOW, ask(&self->b, barrier_join(self->fd)));
	EXPECT_EQ(-EOVERFLOW, me(barrier_join(self->fd)));
	EXPECT_EQ(3, status(self->fd).readers);
	peer_kill(&self->a);
	EXPECT_EQ(0, ask(&self->b, barrier_join(self->fd)));
}

TEST_F(barrier, reset_breaks_the_present_round)
{
	__u64 round = status(self->fd).token;

	ASSERT_EQ(0, me(barrier_reset(self->fd)));
	EXPECT_EQ(round, status(self->fd).token);
	TWO_ARRIVE();
	ASSERT_EQ(0, me(barrier_reset(self->fd)));
	BOTH_TOLD(-EPIPE);
	EXPECT_EQ(round + 1, status(self->fd).token);
	EXPECT_FALSE(BROKEN(self->fd));
	TWO_ARRIVE();
	EXPECT_EQ(1, me(barrier_wait(self->fd, NEVER)));
	BOTH_TOLD(0);
}

static int in_handler;		/* a pipe's ends */
static int let_go;

static void handler(int signal)
{
	char c = 0;

	if (write(in_handler, &c, 1) == 1 && read(let_go, &c, 1) == 1)
		return;
	_exit(1);
}

static int catch_signals(struct call *c)
{
	struct sigaction act = { .sa_handler = handler };

	return sigaction(SIGUSR1, &act, NULL) ? -errno : 0;
}

/*
 * A party whose signal handler runs has arrived all the same: it counts, it is
 * told what became of its round however many have come and gone since, and its
 * death breaks the barrier.
 */
FIXTURE(away)
{
	int dev, fd;
	int in[2], go[2];
	struct peer a;
};

FIXTURE_SETUP(away)
{
	char c;

	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create_barrier(self->dev, 0, 1, 2);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, pipe(self->in));
	ASSERT_EQ(0, pipe(self->go));
	in_handler = self->in[1];
	let_go = self->go[0];
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, ask_fn(&self->a, catch_signals));
	start(&self->a, barrier_wait(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	kill(self->a.pid, SIGUSR1);
	ASSERT_EQ(1, read(self->in[0], &c, 1));
	ASSERT_TRUE(queued(self->fd, 0, 0));
	EXPECT_EQ(1, status(self->fd).value);
}

FIXTURE_TEARDOWN(away)
{
	peers_end();
}

#define COME_BACK() ASSERT_EQ(1, write(self->go[1], "", 1))

TEST_F(away, its_round_goes_on)
{
	COME_BACK();
	ASSERT_TRUE(queued(self->fd, 0, 1));
	EXPECT_EQ(1, status(self->fd).value);
	EXPECT_EQ(1, me(barrier_wait(self->fd, NEVER)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(away, its_round_is_over)
{
	struct peer b;
	int i;

	EXPECT_EQ(1, me(barrier_wait(self->fd, NEVER)));
	ASSERT_EQ(0, peer_fork(&b));
	for (i = 0; i < 5; i++) {
		start(&b, barrier_wait(self->fd, NEVER));
		ASSERT_TRUE(queued(self->fd, 0, 1));
		ASSERT_EQ(1, me(barrier_wait(self->fd, NEVER)));
		ASSERT_EQ(0, answer(&b));
	}
	EXPECT_EQ(-ETIMEDOUT, me(barrier_wait(self->fd, LONG_AGO)));
	COME_BACK();
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(away, its_round_was_broken)
{
	ASSERT_EQ(0, me(barrier_reset(self->fd)));
	start(&self->a, barrier_wait(self->fd, NEVER));
	COME_BACK();
	EXPECT_EQ(-EPIPE, answer(&self->a));
	/* The next wait is one of the new round. */
	ASSERT_TRUE(queued(self->fd, 0, 1));
	EXPECT_EQ(1, me(barrier_wait(self->fd, NEVER)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(away, it_dies)
{
	peer_kill(&self->a);
	EXPECT_TRUE(BROKEN(self->fd));
	EXPECT_EQ(-EPIPE, me(barrier_wait(self->fd, NEVER)));
}

UAPI_MAIN
