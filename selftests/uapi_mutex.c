// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutexes through the raw interface: every command, every flag, every errno.
 * The roads to death are in uapi_death.c.
 */
#include "uapi_peer.h"

FIXTURE(mutex)
{
	int dev;
	int fd;
	int simple, recursive, fifo;
	struct peer a, b, c;
};

FIXTURE_VARIANT(mutex)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(mutex, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(mutex, guarded_fifo_recursive)
{
	.flags = KSYNC_F_GUARDED | KSYNC_F_FIFO | KSYNC_F_RECURSIVE,
};

FIXTURE_SETUP(mutex)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_MUTEX, variant->flags, 3);
	ASSERT_LE(0, self->fd);
	self->simple = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	self->recursive = create(self->dev, KSYNC_TYPE_MUTEX,
				 KSYNC_F_RECURSIVE, 1);
	self->fifo = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_FIFO, 1);
	ASSERT_LE(0, self->simple);
	ASSERT_LE(0, self->recursive);
	ASSERT_LE(0, self->fifo);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(mutex)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

/* Somebody died holding it, and the test holds it inconsistent. */
static int lock_after_death(int fd, struct peer *victim)
{
	int ret = ask(victim, mutex_lock(fd, NEVER));

	if (ret)
		return ret;
	peer_kill(victim);
	return me(mutex_lock(fd, soon()));
}

TEST_F(mutex, lock_and_unlock)
{
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	EXPECT_EQ(1, status(self->fd).value);
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(0, status(self->fd).value);
}

TEST_F(mutex, excludes)
{
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	EXPECT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->fd)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, mutex_lock(self->fd, LONG_AGO)));
	start(&self->a, mutex_lock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(self->a.pid, status(self->fd).holder_pid);
	EXPECT_EQ(-EBUSY, me(mutex_trylock(self->fd)));
}

TEST_F(mutex, primitives_of_an_object_are_apart)
{
	ASSERT_EQ(0, me(at(1, mutex_lock(self->fd, NEVER))));
	EXPECT_EQ(0, ask(&self->a, at(0, mutex_trylock(self->fd))));
	EXPECT_EQ(-EBUSY, ask(&self->a, at(1, mutex_trylock(self->fd))));
	EXPECT_EQ(0, ask(&self->a, at(2, mutex_trylock(self->fd))));
	EXPECT_EQ(self->a.pid, status_of(self->fd, 0).holder_pid);
	EXPECT_EQ(getpid(), status_of(self->fd, 1).holder_pid);
	EXPECT_EQ(-EPERM, me(at(2, mutex_unlock(self->fd))));
	EXPECT_EQ(0, me(at(1, mutex_unlock(self->fd))));
}

TEST_F(mutex, unlock_unlocked)
{
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->fd)));
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->fd)));
	EXPECT_EQ(0, me(mutex_trylock(self->fd)));
}

TEST_F(mutex, unlock_foreign)
{
	struct peer thread;

	ASSERT_EQ(0, peer_thread(&thread));
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	EXPECT_EQ(-EPERM, ask(&self->a, mutex_unlock(self->fd)));
	EXPECT_EQ(-EPERM, ask(&thread, mutex_unlock(self->fd)));
	EXPECT_EQ(getpid(), status(self->fd).holder_pid);
	EXPECT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->fd)));
	EXPECT_EQ(0, me(mutex_unlock(self->fd)));
	peer_end(&thread);
}

TEST_F(mutex, lock_twice)
{
	ASSERT_EQ(0, me(mutex_lock(self->simple, NEVER)));
	EXPECT_EQ(-EDEADLK, me(mutex_lock(self->simple, NEVER)));
	EXPECT_EQ(-EDEADLK, me(mutex_lock(self->simple, soon())));
	EXPECT_EQ(-EDEADLK, me(mutex_lock(self->simple, LONG_AGO)));
	EXPECT_EQ(-EBUSY, me(mutex_trylock(self->simple)));
	EXPECT_EQ(0, me(mutex_unlock(self->simple)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->simple)));
}

TEST_F(mutex, recursion_is_counted)
{
	__u64 token;
	int i;

	ASSERT_EQ(0, me(mutex_lock(self->recursive, NEVER)));
	token = status(self->recursive).token;
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, me(mutex_lock(self->recursive, NEVER)));
		ASSERT_EQ(0, me(mutex_trylock(self->recursive)));
	}
	EXPECT_EQ(token, status(self->recursive).token);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, me(mutex_unlock(self->recursive)));
		ASSERT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->recursive)));
	}
	ASSERT_EQ(0, me(mutex_unlock(self->recursive)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->recursive)));
	EXPECT_EQ(0, ask(&self->a, mutex_trylock(self->recursive)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->recursive)));
}

TEST_F(mutex, recursion_ends_with_its_holder)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->recursive, NEVER)));
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->recursive, NEVER)));
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->recursive, NEVER)));
	peer_kill(&self->a);
	ASSERT_EQ(-EOWNERDEAD, me(mutex_lock(self->recursive, soon())));
	ASSERT_EQ(0, me(mutex_consistent(self->recursive)));
	ASSERT_EQ(0, me(mutex_unlock(self->recursive)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->recursive)));
	EXPECT_EQ(0, ask(&self->b, mutex_trylock(self->recursive)));
}

/* A deadline that has passed still takes what is free. */
TEST_F(mutex, deadline)
{
	__u64 deadline = in_ms(20);

	ASSERT_EQ(0, me(mutex_lock(self->fd, 0)));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	ASSERT_EQ(0, me(mutex_lock(self->fd, LONG_AGO)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, mutex_lock(self->fd, deadline)));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, mutex_lock(self->fd, 0)));
	EXPECT_EQ(0, status(self->fd).waiters_exclusive);
	start(&self->a, mutex_lock(self->fd, soon()));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->a));
	/* The largest number that is not NEVER, and the sign bit alone. */
	start(&self->b, mutex_lock(self->fd, NEVER - 1));
	start(&self->c, mutex_lock(self->fd, 1ULL << 63));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	EXPECT_TRUE(silent(&self->b));
	EXPECT_TRUE(silent(&self->c));
}

/* The one that gave up is not in the way of those behind it. */
TEST_F(mutex, timeout_leaves_no_trace)
{
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	start(&self->a, mutex_lock(self->fd, in_ms(300)));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, mutex_lock(self->fd, NEVER));
	EXPECT_EQ(-ETIMEDOUT, answer(&self->a));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, ask(&self->b, mutex_unlock(self->fd)));
	EXPECT_EQ(0, me(mutex_trylock(self->fd)));
}

TEST_F(mutex, timeout_race)
{
	int i, ret;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, me(mutex_lock(self->fd, soon())));
		start(&self->a, mutex_lock(self->fd, now_ns() + i * 6000));
		if (i & 1)
			sched_yield();
		ASSERT_EQ(0, me(mutex_unlock(self->fd)));
		ret = answer(&self->a);
		if (ret != -ETIMEDOUT) {
			ASSERT_EQ(0, ret);
			ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->fd)));
		}
		ASSERT_EQ(0, status(self->fd).value);
		ASSERT_EQ(0, status(self->fd).waiters_exclusive);
	}
}

TEST_F(mutex, handed_over_in_order)
{
	struct peer *order[] = { &self->a, &self->b, &self->c };
	int i;

	ASSERT_EQ(0, me(mutex_lock(self->fifo, NEVER)));
	for (i = 0; i < 3; i++) {
		start(order[i], mutex_lock(self->fifo, NEVER));
		ASSERT_TRUE(queued(self->fifo, i + 1, 0));
	}
	ASSERT_EQ(0, me(mutex_unlock(self->fifo)));
	for (i = 0; i < 3; i++) {
		/* Handed over before the next one could even wake up. */
		EXPECT_EQ(-EBUSY, me(mutex_trylock(self->fifo)));
		EXPECT_EQ(-ETIMEDOUT, me(mutex_lock(self->fifo, LONG_AGO)));
		EXPECT_EQ(order[i]->pid, status(self->fifo).holder_pid);
		EXPECT_EQ(2 - i, status(self->fifo).waiters_exclusive);
		ASSERT_EQ(0, answer(order[i]));
		ASSERT_EQ(0, ask(order[i], mutex_unlock(self->fifo)));
	}
	EXPECT_EQ(0, me(mutex_trylock(self->fifo)));
}

/* Who has slept for more than 1 ms gets it at the next unlock. */
TEST_F(mutex, starve_sleeper)
{
	__u64 asleep;

	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	start(&self->a, mutex_lock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	asleep = now_ns();
	ASSERT_TRUE(UNTIL(now_ns() - asleep > 2 * NS_PER_MS));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(-EBUSY, me(mutex_trylock(self->fd)));
	EXPECT_EQ(self->a.pid, status(self->fd).holder_pid);
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(mutex, status_tells_who_holds_it)
{
	struct peer thread;
	struct ksync_primitive_status st;

	ASSERT_EQ(0, peer_thread(&thread));
	ASSERT_EQ(0, ask(&thread, mutex_lock(self->fd, NEVER)));
	st = status(self->fd);
	EXPECT_EQ(0, st.index);
	EXPECT_EQ(0, st.flags);
	EXPECT_EQ(getpid(), st.holder_pid);
	EXPECT_EQ(ask_fn(&thread, peer_gettid), st.holder_tid);
	EXPECT_NE(getpid(), st.holder_tid);
	EXPECT_NE(0, st.holder_id);
	EXPECT_EQ(1, st.value);
	EXPECT_EQ(0, st.readers);
	EXPECT_EQ(0, st.max);
	EXPECT_EQ(0, st.waiters_exclusive);
	EXPECT_EQ(0, st.waiters_shared);
	EXPECT_EQ(0, st.deaths);
	EXPECT_EQ(0, st.lost);
	EXPECT_EQ(1, st.token);
	EXPECT_EQ(1, st.acquisitions);
	EXPECT_EQ(0, st.contended);
	/* A coarse clock, but it runs. */
	EXPECT_TRUE(UNTIL(status(self->fd).held_ns > 10 * NS_PER_MS));
	ASSERT_EQ(0, ask(&thread, mutex_unlock(self->fd)));
	st = status(self->fd);
	EXPECT_EQ(0, st.holder_pid);
	EXPECT_EQ(0, st.holder_tid);
	EXPECT_EQ(0, st.holder_id);
	EXPECT_EQ(0, st.value);
	EXPECT_EQ(0, st.held_ns);
	EXPECT_EQ(1, st.token);
	peer_end(&thread);
}

TEST_F(mutex, one_thread_one_id)
{
	ASSERT_EQ(0, me(at(0, mutex_lock(self->fd, NEVER))));
	ASSERT_EQ(0, me(at(1, mutex_lock(self->fd, NEVER))));
	ASSERT_EQ(0, ask(&self->a, at(2, mutex_lock(self->fd, NEVER))));
	EXPECT_EQ(status_of(self->fd, 0).holder_id,
		  status_of(self->fd, 1).holder_id);
	EXPECT_NE(status_of(self->fd, 0).holder_id,
		  status_of(self->fd, 2).holder_id);
	EXPECT_EQ(0, status_of(self->fd, 0).holder_id & ~KSYNC_LOCK_ID);
}

TEST_F(mutex, status_counts)
{
	struct ksync_primitive_status st;

	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	start(&self->a, mutex_lock(self->fd, NEVER));
	start(&self->b, mutex_lock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	ASSERT_TRUE(UNTIL(!silent(&self->a) || !silent(&self->b)));
	if (silent(&self->a)) {
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(0, ask(&self->b, mutex_unlock(self->fd)));
		ASSERT_EQ(0, answer(&self->a));
	} else {
		ASSERT_EQ(0, answer(&self->a));
		ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->fd)));
		ASSERT_EQ(0, answer(&self->b));
	}
	st = status(self->fd);
	EXPECT_EQ(3, st.acquisitions);
	EXPECT_EQ(2, st.contended);
	EXPECT_EQ(3, st.token);
	EXPECT_EQ(0, status_of(self->fd, 1).acquisitions);
}

TEST_F(mutex, token_grows_with_every_acquisition)
{
	__u64 i;

	for (i = 1; i < 20; i++) {
		ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
		EXPECT_EQ(i, status(self->fd).token);
		EXPECT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->fd)));
		ASSERT_EQ(0, me(mutex_unlock(self->fd)));
		EXPECT_EQ(i, status(self->fd).token);
	}
}

TEST_F(mutex, consistent_is_for_holders_of_what_is_inconsistent)
{
	EXPECT_EQ(-EPERM, me(mutex_consistent(self->fd)));
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	EXPECT_EQ(-EINVAL, me(mutex_consistent(self->fd)));
	EXPECT_EQ(-EPERM, ask(&self->a, mutex_consistent(self->fd)));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	ASSERT_EQ(-EOWNERDEAD, lock_after_death(self->fd, &self->a));
	EXPECT_EQ(-EPERM, ask(&self->b, mutex_consistent(self->fd)));
	EXPECT_EQ(KSYNC_STATUS_DEAD, status(self->fd).flags);
	EXPECT_EQ(0, me(mutex_consistent(self->fd)));
	EXPECT_EQ(-EINVAL, me(mutex_consistent(self->fd)));
}

TEST_F(mutex, repaired)
{
	ASSERT_EQ(-EOWNERDEAD, lock_after_death(self->fd, &self->a));
	EXPECT_EQ(1, status(self->fd).deaths);
	EXPECT_EQ(2, status(self->fd).token);
	ASSERT_EQ(0, me(mutex_consistent(self->fd)));
	EXPECT_EQ(0, status(self->fd).flags);
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(0, ask(&self->b, mutex_lock(self->fd, soon())));
	EXPECT_EQ(0, status(self->fd).flags);
	EXPECT_EQ(1, status(self->fd).deaths);
}

TEST_F(mutex, die_unrepaired)
{
	ASSERT_EQ(-EOWNERDEAD, lock_after_death(self->fd, &self->a));
	start(&self->b, mutex_lock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(-ENOTRECOVERABLE, answer(&self->b));
	EXPECT_EQ(-ENOTRECOVERABLE, me(mutex_lock(self->fd, NEVER)));
	EXPECT_EQ(-ENOTRECOVERABLE, me(mutex_trylock(self->fd)));
	EXPECT_EQ(-ENOTRECOVERABLE, ask(&self->c, mutex_trylock(self->fd)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->fd)));
	EXPECT_EQ(-EPERM, me(mutex_consistent(self->fd)));
	EXPECT_TRUE(status(self->fd).flags & KSYNC_STATUS_LOST);
	EXPECT_EQ(0, status(self->fd).value);
	EXPECT_EQ(0, me(at(1, mutex_lock(self->fd, NEVER))));
}

/* Another descriptor of the same object is the same object. */
TEST_F(mutex, close_other_fd)
{
	int other = dup(self->fd);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	EXPECT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->fd)));
	ASSERT_EQ(0, close(other));
	EXPECT_EQ(getpid(), status(self->fd).holder_pid);
	EXPECT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->fd)));
	EXPECT_EQ(0, me(mutex_unlock(self->fd)));
}

/* A thread that closed its last descriptor still holds what it held. */
TEST_F(mutex, close_while_holding)
{
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, ask(&self->a, status_call(self->fd)));
	EXPECT_EQ(getpid(), self->a.out.status.holder_pid);
	EXPECT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->fd)));
	self->fd = open("/dev/null", O_RDWR);
}

static int *handled;

static void handler(int sig)
{
	__atomic_add_fetch(handled, 1, __ATOMIC_SEQ_CST);
}

static int catch_signal(struct call *c)
{
	struct sigaction action = { .sa_handler = handler };

	return sigaction(SIGUSR1, &action, NULL) ? -errno : 0;
}

static int fork_catcher(struct peer *p)
{
	handled = shared_page();
	if (!handled)
		return -ENOMEM;
	return peer_fork(p) ?: ask_fn(p, catch_signal);
}

TEST_F(mutex, signal_wait)
{
	struct peer p;
	int i;

	ASSERT_EQ(0, fork_catcher(&p));
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	start(&p, mutex_lock(self->fd, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(0, kill(p.pid, SIGUSR1));
		ASSERT_TRUE(UNTIL(__atomic_load_n(handled, __ATOMIC_SEQ_CST)
				  == i));
		ASSERT_TRUE(queued(self->fd, 1, 0));
		ASSERT_TRUE(silent(&p));
	}
	ASSERT_EQ(0, me(mutex_unlock(self->fd)));
	EXPECT_EQ(0, answer(&p));
}

/* Nor does it cost the place in the queue. */
TEST_F(mutex, signals_leave_the_order)
{
	struct peer p;

	ASSERT_EQ(0, fork_catcher(&p));
	ASSERT_EQ(0, me(mutex_lock(self->fifo, NEVER)));
	start(&p, mutex_lock(self->fifo, NEVER));
	ASSERT_TRUE(queued(self->fifo, 1, 0));
	start(&self->b, mutex_lock(self->fifo, NEVER));
	ASSERT_TRUE(queued(self->fifo, 2, 0));
	ASSERT_EQ(0, kill(p.pid, SIGUSR1));
	ASSERT_TRUE(UNTIL(__atomic_load_n(handled, __ATOMIC_SEQ_CST)));
	ASSERT_TRUE(queued(self->fifo, 2, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->fifo)));
	EXPECT_EQ(0, answer(&p));
	EXPECT_TRUE(silent(&self->b));
}

TEST_F(mutex, signals_do_not_prolong_the_deadline)
{
	struct peer p;
	__u64 deadline;

	ASSERT_EQ(0, fork_catcher(&p));
	ASSERT_EQ(0, me(mutex_lock(self->fd, NEVER)));
	deadline = in_ms(300);
	start(&p, mutex_lock(self->fd, deadline));
	while (silent(&p)) {
		ASSERT_GT(deadline + PATIENCE, now_ns());
		ASSERT_EQ(0, kill(p.pid, SIGUSR1));
		usleep(1000);
	}
	EXPECT_EQ(-ETIMEDOUT, answer(&p));
	EXPECT_LE(deadline, now_ns());
	EXPECT_LT(0, *handled);
}

UAPI_MAIN
