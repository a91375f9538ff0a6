// SPDX-License-Identifier: GPL-2.0-only
/*
 * Condition variables through the raw interface: who is let go, and when; the
 * mutex on every return; deadlines, handlers and deaths in between.
 */
#include "uapi_peer.h"
#include "uapi_rendezvous.h"

FIXTURE(cond)
{
	int dev;
	int fd;
	int m;
	struct peer a, b, c;
};

FIXTURE_VARIANT(cond)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(cond, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(cond, guarded)
{
	.flags = KSYNC_F_GUARDED,
};

FIXTURE_VARIANT_ADD(cond, fifo)
{
	.flags = KSYNC_F_FIFO,
};

FIXTURE_SETUP(cond)
{
	__u32 guarded = variant->flags & KSYNC_F_GUARDED;

	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_COND, guarded, 2);
	self->m = create(self->dev, KSYNC_TYPE_MUTEX, variant->flags, 2);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->m);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(cond)
{
	peers_end();
	close(self->fd);
	close(self->m);
	close(self->dev);
}

/* With the mutex, into the wait; @nr wait then. */
#define WAITS(peer, deadline, nr) do {					\
	ASSERT_EQ(0, ask(&self->peer, mutex_lock(self->m, NEVER)));	\
	start(&self->peer, cond_wait(self->fd, self->m, deadline));	\
	ASSERT_TRUE(queued(self->fd, 0, nr));				\
} while (0)

#define HOLDS(peer) (status(self->m).holder_pid == (__u32)self->peer.pid)

TEST_F(cond, gives_up_the_mutex_and_takes_it_again)
{
	WAITS(a, NEVER, 1);
	EXPECT_EQ(0, status(self->m).holder_id);
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	/* It waits for the mutex now, and was not woken for that. */
	EXPECT_TRUE(is_queued(self->fd, 0, 0, 0));
	EXPECT_TRUE(is_queued(self->m, 0, 1, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->m)));
	EXPECT_EQ(0, status(self->m).holder_id);
}

TEST_F(cond, signal_without_the_mutex)
{
	WAITS(a, NEVER, 1);
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
}

TEST_F(cond, signal_is_for_one_and_not_kept)
{
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	ASSERT_EQ(0, me(cond_broadcast(self->fd)));
	WAITS(a, NEVER, 1);
	WAITS(b, NEVER, 2);
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(silent(&self->b));
	EXPECT_TRUE(is_queued(self->fd, 0, 0, 1));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->m)));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(4, status(self->fd).token);
	EXPECT_EQ(2, status(self->fd).contended);
}

/* All are let go, but one after the other, as the mutex is. */
TEST_F(cond, thundering_herd)
{
	WAITS(a, NEVER, 1);
	WAITS(b, NEVER, 2);
	WAITS(c, NEVER, 3);
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_broadcast(self->fd)));
	EXPECT_TRUE(is_queued(self->fd, 0, 0, 0));
	EXPECT_TRUE(is_queued(self->m, 0, 3, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(is_queued(self->m, 0, 2, 0));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_TRUE(silent(&self->c));
	ASSERT_EQ(0, ask(&self->b, mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->c));
}

TEST_F(cond, waiters_with_different_mutexes)
{
	struct call wait_with = cond_wait(self->fd, self->m, NEVER);

	wait_with.arg.cond.mutex_index = 1;
	WAITS(a, NEVER, 1);
	ASSERT_EQ(0, ask(&self->b, at(1, mutex_lock(self->m, NEVER))));
	start(&self->b, wait_with);
	ASSERT_TRUE(queued(self->fd, 0, 2));
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_broadcast(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ((__u32)self->b.pid, status_of(self->m, 1).holder_pid);
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(cond, deadline)
{
	__u64 deadline = in_ms(20);

	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	EXPECT_EQ(-ETIMEDOUT, me(cond_wait(self->fd, self->m, LONG_AGO)));
	EXPECT_EQ((__u32)getpid(), status(self->m).holder_pid);
	EXPECT_EQ(-ETIMEDOUT, me(cond_wait(self->fd, self->m, deadline)));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ((__u32)getpid(), status(self->m).holder_pid);
	EXPECT_EQ(3, status(self->m).token);
	EXPECT_TRUE(is_queued(self->fd, 0, 0, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
}

/* The deadline is of the wait for a signal: the mutex is taken in any case. */
TEST_F(cond, deadline_with_the_mutex_held)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->m, NEVER)));
	start(&self->a, cond_wait(self->fd, self->m, in_ms(30)));
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_TRUE(queued(self->m, 1, 0));
	EXPECT_TRUE(is_queued(self->fd, 0, 0, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(-ETIMEDOUT, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->m)));

	/* Signalled in time, and the deadline passes before the mutex is free. */
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->m, NEVER)));
	start(&self->a, cond_wait(self->fd, self->m, in_ms(300)));
	ASSERT_TRUE(queued(self->fd, 0, 1) || queued(self->m, 1, 0));
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	if (is_queued(self->fd, 0, 0, 1)) {
		ASSERT_EQ(0, me(cond_signal(self->fd)));
		usleep(320000);
		EXPECT_TRUE(silent(&self->a));
		ASSERT_EQ(0, me(mutex_unlock(self->m)));
		EXPECT_EQ(0, answer(&self->a));
	}
}

/* With the mutex, which it must have again whatever ends the wait. */
static int wait_and_unlock(struct call *c)
{
	int m = c->arg.cond.mutex, ret = me(mutex_lock(m, NEVER));

	if (!ret)
		ret = call_run(c);
	return me(mutex_unlock(m)) ?: ret;
}

/* A signal and a deadline at the same time: nobody stays behind. */
TEST_F(cond, timeout_race)
{
	int i, ret, timeouts = 0;

	for (i = 0; i < 60; i++) {
		start_fn(&self->a, wait_and_unlock,
			 cond_wait(self->fd, self->m, now_ns() + i * 20000));
		start_fn(&self->b, wait_and_unlock,
			 cond_wait(self->fd, self->m, NEVER));
		ASSERT_TRUE(UNTIL(status(self->fd).acquisitions == 2 * i + 2));
		ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
		ASSERT_EQ(0, me(cond_broadcast(self->fd)));
		ASSERT_EQ(0, me(mutex_unlock(self->m)));
		ret = answer(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT) {
			TH_LOG("round %d: %d", i, ret);
		}
		timeouts += ret == -ETIMEDOUT;
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_TRUE(is_queued(self->fd, 0, 0, 0));
		ASSERT_TRUE(is_queued(self->m, 0, 0, 0));
		ASSERT_EQ(0, status(self->m).holder_id);
	}
	EXPECT_LT(0, timeouts);
}

static int wait_bad(int fd, int mutex, __u32 index)
{
	struct call c = cond_wait(fd, mutex, NEVER);

	c.arg.cond.mutex_index = index;
	return call_run(&c);
}

TEST_F(cond, bad_input)
{
	int closed = dup(self->m);

	close(closed);
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	EXPECT_EQ(-EBADF, wait_bad(self->fd, -1, 0));
	EXPECT_EQ(-EBADF, wait_bad(self->fd, closed, 0));
	EXPECT_EQ(-EINVAL, wait_bad(self->fd, self->dev, 0));
	EXPECT_EQ(-EINVAL, wait_bad(self->fd, self->fd, 0));
	EXPECT_EQ(-EINVAL, wait_bad(self->fd, self->a.sock, 0));
	EXPECT_EQ(-EINVAL, wait_bad(self->fd, self->m, 2));
	EXPECT_EQ(-EINVAL, wait_bad(self->fd, self->m, UINT32_MAX));
	EXPECT_EQ(-EINVAL, me(at(2, cond_wait(self->fd, self->m, NEVER))));
	/* The mutex of the caller, and no other. */
	EXPECT_EQ(-EPERM, wait_bad(self->fd, self->m, 1));
	EXPECT_EQ(-EPERM, ask(&self->a, cond_wait(self->fd, self->m, NEVER)));
	EXPECT_EQ((__u32)getpid(), status(self->m).holder_pid);
	EXPECT_EQ(1, status(self->m).token);
	EXPECT_EQ(0, status(self->fd).acquisitions);
}

TEST_F(cond, recursive_mutex)
{
	int m = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_RECURSIVE, 1);

	ASSERT_EQ(0, me(mutex_lock(m, NEVER)));
	ASSERT_EQ(0, me(mutex_lock(m, NEVER)));
	/* Nobody else could get it, and so nobody could signal. */
	EXPECT_EQ(-EDEADLK, me(cond_wait(self->fd, m, NEVER)));
	ASSERT_EQ(0, me(mutex_unlock(m)));
	EXPECT_EQ(-ETIMEDOUT, me(cond_wait(self->fd, m, LONG_AGO)));
	ASSERT_EQ(0, me(mutex_unlock(m)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(m)));
	close(m);
}

/* A holder of the mutex dies during the wait. */
TEST_F(cond, die_holding_mutex)
{
	WAITS(a, NEVER, 1);
	ASSERT_EQ(0, ask(&self->b, mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	ASSERT_TRUE(is_queued(self->m, 0, 1, 0));
	peer_kill(&self->b);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
	/* Inconsistent: who waited now would give it up for lost. */
	EXPECT_EQ(-EINVAL, ask(&self->a, cond_wait(self->fd, self->m, NEVER)));
	ASSERT_EQ(0, ask(&self->a, mutex_consistent(self->m)));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->m)));
}

TEST_F(cond, die_holding_mutex_before_the_deadline)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->m, NEVER)));
	start(&self->a, cond_wait(self->fd, self->m, in_ms(30)));
	ASSERT_EQ(0, ask(&self->b, mutex_lock(self->m, NEVER)));
	peer_kill(&self->b);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
}

TEST_F(cond, die_unrepaired)
{
	WAITS(a, NEVER, 1);
	ASSERT_EQ(0, ask(&self->b, mutex_lock(self->m, NEVER)));
	peer_kill(&self->b);
	ASSERT_EQ(-EOWNERDEAD, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	ASSERT_EQ(0, me(cond_broadcast(self->fd)));
	EXPECT_EQ(-ENOTRECOVERABLE, answer(&self->a));
	EXPECT_EQ(-EPERM, ask(&self->a, mutex_unlock(self->m)));
}

TEST_F(cond, die_waiting)
{
	WAITS(a, NEVER, 1);
	WAITS(b, NEVER, 2);
	peer_kill(&self->a);
	EXPECT_TRUE(queued(self->fd, 0, 1));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
}

/* A signal for a waiter that dies before it has the mutex is for the next. */
TEST_F(cond, die_signalled)
{
	WAITS(a, NEVER, 1);
	WAITS(b, NEVER, 2);
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	ASSERT_TRUE(is_queued(self->m, 0, 1, 0));
	peer_kill(&self->a);
	ASSERT_TRUE(is_queued(self->fd, 0, 0, 0));
	ASSERT_TRUE(is_queued(self->m, 0, 1, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_TRUE(HOLDS(b));
}

/* Who waits keeps the mutex alive, whoever closes it. */
TEST_F(cond, close_waiting)
{
	int m = create(self->dev, KSYNC_TYPE_MUTEX, variant->flags, 1);
	__u32 objects = device_info(self->dev).objects;
	struct peer t;

	ASSERT_EQ(0, peer_thread(&t));
	ASSERT_EQ(0, ask(&t, mutex_lock(m, NEVER)));
	start(&t, cond_wait(self->fd, m, NEVER));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	close(m);
	EXPECT_EQ(objects, device_info(self->dev).objects);
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	EXPECT_EQ(0, answer(&t));
	EXPECT_TRUE(UNTIL(device_info(self->dev).objects == objects - 1));
	peer_end(&t);
}

static int in_handler;
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

/* A waiter whose signal handler runs, without the mutex. */
FIXTURE(away)
{
	int dev, fd, m, token;
	int in[2], go[2];
	struct peer a, b;
};

FIXTURE_SETUP(away)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_COND, 0, 1);
	self->m = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	self->token = create_event(self->dev, 0, 1, 0);
	ASSERT_LE(0, self->m);
	ASSERT_LE(0, self->token);
	ASSERT_EQ(0, pipe(self->in));
	ASSERT_EQ(0, pipe(self->go));
	in_handler = self->in[1];
	let_go = self->go[0];
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, ask_fn(&self->a, catch_signals));
	WAITS(a, NEVER, 1);
}

FIXTURE_TEARDOWN(away)
{
	peers_end();
}

#define GO_AWAY() do {							\
	char c_;							\
	kill(self->a.pid, SIGUSR1);					\
	ASSERT_EQ(1, read(self->in[0], &c_, 1));			\
} while (0)

#define COME_BACK() ASSERT_EQ(1, write(self->go[1], "", 1))

TEST_F(away, the_wait_goes_on)
{
	int i;

	for (i = 0; i < 5; i++) {
		GO_AWAY();
		EXPECT_TRUE(is_queued(self->fd, 0, 0, 0));
		EXPECT_EQ(0, status(self->m).holder_id);
		COME_BACK();
		ASSERT_TRUE(queued(self->fd, 0, 1));
	}
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
}

/* It must not sleep on a signal that came meanwhile. */
TEST_F(away, signalled_meanwhile)
{
	GO_AWAY();
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	COME_BACK();
	ASSERT_TRUE(queued(self->m, 1, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
}

/* Interrupted when it waits for the mutex already. */
/* Cancelled, and interrupted on the way to the mutex: it comes with it. */
TEST_F(away, canceled_meanwhile)
{
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	ASSERT_EQ(0, answer(&self->a));
	start(&self->a, unless(cond_wait(self->fd, self->m, NEVER),
			       self->token, 0));
	ASSERT_TRUE(queued(self->fd, 0, 1));
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(event_set(self->token)));
	ASSERT_TRUE(queued(self->m, 1, 0));
	GO_AWAY();
	EXPECT_TRUE(is_queued(self->m, 0, 0, 0));
	COME_BACK();
	ASSERT_TRUE(queued(self->m, 1, 0));
	GO_AWAY();
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	COME_BACK();
	EXPECT_EQ(-ECANCELED, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
}

TEST_F(away, on_the_way_to_the_mutex)
{
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	ASSERT_TRUE(queued(self->m, 1, 0));
	GO_AWAY();
	EXPECT_TRUE(is_queued(self->m, 0, 0, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, status(self->m).holder_id);
	COME_BACK();
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(HOLDS(a));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->m)));
	/* Nothing of the wait is left. */
	EXPECT_EQ(-EPERM, ask(&self->a, cond_wait(self->fd, self->m, NEVER)));
}

TEST_F(away, it_dies_with_a_signal)
{
	WAITS(b, NEVER, 2);
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_signal(self->fd)));
	GO_AWAY();
	peer_kill(&self->a);
	ASSERT_TRUE(is_queued(self->m, 0, 1, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->b));
}

UAPI_MAIN
