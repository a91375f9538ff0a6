// SPDX-License-Identifier: GPL-2.0-only
/*
 * Semaphores through the raw interface: counting, order, resizing, and permits
 * that belong to a process.
 */
#include "uapi_peer.h"

FIXTURE(sem)
{
	int dev;
	int fd, plain, tracked;	/* 4 of 4 permits free */
	struct peer a, b, c;
};

FIXTURE_VARIANT(sem)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(sem, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(sem, guarded_tracked)
{
	.flags = KSYNC_F_GUARDED | KSYNC_F_TRACKED,
};

FIXTURE_SETUP(sem)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create_sem(self->dev, variant->flags, 4, 4);
	self->plain = create_sem(self->dev, 0, 4, 4);
	self->tracked = create_sem(self->dev, KSYNC_F_TRACKED, 4, 4);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->plain);
	ASSERT_LE(0, self->tracked);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(sem)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

TEST_F(sem, counts)
{
	EXPECT_EQ(4, status(self->fd).value);
	EXPECT_EQ(4, status(self->fd).max);
	ASSERT_EQ(0, me(sem_acquire(self->fd, 1, NEVER)));
	EXPECT_EQ(3, status(self->fd).value);
	ASSERT_EQ(0, ask(&self->a, sem_tryacquire(self->fd, 2)));
	EXPECT_EQ(1, status(self->fd).value);
	EXPECT_EQ(-EBUSY, ask(&self->b, sem_tryacquire(self->fd, 2)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->b, sem_acquire(self->fd, 2, LONG_AGO)));
	EXPECT_EQ(0, ask(&self->b, sem_acquire(self->fd, 1, LONG_AGO)));
	EXPECT_EQ(0, status(self->fd).value);
	EXPECT_EQ(3, status(self->fd).acquisitions);
	EXPECT_EQ(0, status(self->fd).contended);
	ASSERT_EQ(0, ask(&self->a, sem_release(self->fd, 2)));
	EXPECT_EQ(2, status(self->fd).value);
	ASSERT_EQ(0, me(sem_release(self->fd, 1)));
	ASSERT_EQ(0, ask(&self->b, sem_release(self->fd, 1)));
	EXPECT_EQ(4, status(self->fd).value);
}

TEST_F(sem, counts_that_cannot_be)
{
	EXPECT_EQ(-EINVAL, me(sem_acquire(self->fd, 0, NEVER)));
	EXPECT_EQ(-EINVAL, me(sem_tryacquire(self->fd, 0)));
	EXPECT_EQ(-EINVAL, me(sem_release(self->fd, 0)));
	EXPECT_EQ(-EINVAL, me(sem_resize(self->fd, 0)));
	EXPECT_EQ(-EINVAL, me(sem_resize(self->fd, KSYNC_COUNT_MAX + 1)));
	EXPECT_EQ(-EINVAL, me(sem_resize(self->fd, UINT32_MAX)));
	EXPECT_EQ(4, status(self->fd).value);
	EXPECT_EQ(4, status(self->fd).max);
	EXPECT_EQ(0, status(self->fd).acquisitions);
}

TEST_F(sem, sem_too_large)
{
	static const __u32 counts[] = {
		5, KSYNC_COUNT_MAX, KSYNC_COUNT_MAX + 1, UINT32_MAX,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		EXPECT_EQ(-EINVAL, me(sem_acquire(self->fd, counts[i], NEVER)));
		EXPECT_EQ(-EINVAL, me(sem_tryacquire(self->fd, counts[i])));
	}
	ASSERT_EQ(0, me(sem_acquire(self->fd, 1, NEVER)));
	EXPECT_EQ(-EINVAL, ask(&self->a, sem_acquire(self->fd, 5, NEVER)));
	EXPECT_EQ(0, ask(&self->a, sem_acquire(self->fd, 3, NEVER)));
}

TEST_F(sem, sem_overflow)
{
	EXPECT_EQ(-EOVERFLOW, me(sem_release(self->plain, 1)));
	ASSERT_EQ(0, me(sem_acquire(self->plain, 2, NEVER)));
	EXPECT_EQ(-EOVERFLOW, me(sem_release(self->plain, 3)));
	EXPECT_EQ(-EOVERFLOW, me(sem_release(self->plain, KSYNC_COUNT_MAX)));
	EXPECT_EQ(2, status(self->plain).value);
	/* More than any maximum: one of the two, and no wrapping. */
	EXPECT_NE(0, me(sem_release(self->plain, KSYNC_COUNT_MAX + 1)));
	EXPECT_NE(0, me(sem_release(self->plain, UINT32_MAX)));
	EXPECT_EQ(2, status(self->plain).value);
	EXPECT_EQ(0, ask(&self->a, sem_release(self->plain, 2)));
	EXPECT_EQ(4, status(self->plain).value);
}

TEST_F(sem, the_largest)
{
	int fd = create_sem(self->dev, variant->flags, KSYNC_COUNT_MAX,
			    KSYNC_COUNT_MAX);

	ASSERT_LE(0, fd);
	EXPECT_EQ(KSYNC_COUNT_MAX, status(fd).value);
	EXPECT_NE(0, me(sem_release(fd, 1)));
	ASSERT_EQ(0, me(sem_acquire(fd, KSYNC_COUNT_MAX, NEVER)));
	EXPECT_EQ(0, status(fd).value);
	EXPECT_EQ(-EBUSY, me(sem_tryacquire(fd, 1)));
	ASSERT_EQ(0, me(sem_release(fd, KSYNC_COUNT_MAX)));
	EXPECT_EQ(KSYNC_COUNT_MAX, status(fd).value);
	close(fd);
}

TEST_F(sem, waits)
{
	ASSERT_EQ(0, me(sem_acquire(self->fd, 4, NEVER)));
	start(&self->a, sem_acquire(self->fd, 1, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, sem_acquire(self->fd, 1, soon()));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	ASSERT_EQ(0, me(sem_release(self->fd, 1)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, me(sem_release(self->fd, 1)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, status(self->fd).value);
	EXPECT_EQ(0, status(self->fd).waiters_exclusive);
	EXPECT_EQ(3, status(self->fd).acquisitions);
	EXPECT_EQ(2, status(self->fd).contended);
}

TEST_F(sem, deadline)
{
	__u64 deadline = in_ms(20);

	ASSERT_EQ(0, me(sem_acquire(self->fd, 4, 0)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, sem_acquire(self->fd, 1, 0)));
	EXPECT_EQ(-ETIMEDOUT,
		  ask(&self->a, sem_acquire(self->fd, 1, deadline)));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ(0, status(self->fd).waiters_exclusive);
	start(&self->a, sem_acquire(self->fd, 1, NEVER - 1));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	ASSERT_EQ(0, me(sem_release(self->fd, 4)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(3, status(self->fd).value);
}

TEST_F(sem, timeout_race)
{
	int i, ret;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, me(sem_acquire(self->fd, 4, soon())));
		start(&self->a, sem_acquire(self->fd, 3, now_ns() + i * 6000));
		start(&self->b, sem_acquire(self->fd, 1, NEVER));
		ASSERT_EQ(0, me(sem_release(self->fd, 4)));
		ret = answer(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		ASSERT_EQ(0, answer(&self->b));
		if (!ret)
			ret = ask(&self->a, sem_release(self->fd, 3));
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		ASSERT_EQ(0, ask(&self->b, sem_release(self->fd, 1)));
		ASSERT_EQ(4, status(self->fd).value);
	}
}

/* A large request at the head is not overtaken by small ones. */
TEST_F(sem, sem_large)
{
	ASSERT_EQ(0, me(sem_acquire(self->fd, 4, NEVER)));
	start(&self->a, sem_acquire(self->fd, 3, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, sem_acquire(self->fd, 1, NEVER));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	ASSERT_EQ(0, me(sem_release(self->fd, 2)));
	EXPECT_TRUE(queued(self->fd, 2, 0));
	EXPECT_EQ(2, status(self->fd).value);
	EXPECT_TRUE(silent(&self->a));
	EXPECT_TRUE(silent(&self->b));
	EXPECT_EQ(-EBUSY, ask(&self->c, sem_tryacquire(self->fd, 1)));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->c, sem_acquire(self->fd, 1, LONG_AGO)));
	ASSERT_EQ(0, me(sem_release(self->fd, 1)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(queued(self->fd, 1, 0));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, me(sem_release(self->fd, 1)));
	EXPECT_EQ(0, answer(&self->b));
}

/* A release that suffices for several wakes several, and no more. */
TEST_F(sem, thundering_herd)
{
	ASSERT_EQ(0, me(sem_acquire(self->fd, 4, NEVER)));
	start(&self->a, sem_acquire(self->fd, 1, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, sem_acquire(self->fd, 2, NEVER));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	start(&self->c, sem_acquire(self->fd, 1, NEVER));
	ASSERT_TRUE(queued(self->fd, 3, 0));
	ASSERT_EQ(0, me(sem_release(self->fd, 3)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_TRUE(queued(self->fd, 1, 0));
	EXPECT_TRUE(silent(&self->c));
	EXPECT_EQ(0, status(self->fd).value);
}

/* When the head gives up, those behind it that now fit are woken at once. */
TEST_F(sem, sem_cancel_head)
{
	ASSERT_EQ(0, me(sem_acquire(self->fd, 2, NEVER)));
	start(&self->a, sem_acquire(self->fd, 4, in_ms(300)));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, sem_acquire(self->fd, 1, NEVER));
	start(&self->c, sem_acquire(self->fd, 1, NEVER));
	EXPECT_EQ(-ETIMEDOUT, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, answer(&self->c));
	EXPECT_EQ(0, status(self->fd).value);
}

TEST_F(sem, resize_moves_the_maximum)
{
	ASSERT_EQ(0, me(sem_resize(self->plain, 6)));
	EXPECT_EQ(6, status(self->plain).max);
	EXPECT_EQ(4, status(self->plain).value);
	EXPECT_EQ(-EBUSY, me(sem_resize(self->plain, 3)));
	EXPECT_EQ(6, status(self->plain).max);
	EXPECT_EQ(0, me(sem_release(self->plain, 2)));
	EXPECT_EQ(-EOVERFLOW, me(sem_release(self->plain, 1)));
	ASSERT_EQ(0, me(sem_acquire(self->plain, 5, NEVER)));
	EXPECT_EQ(0, me(sem_resize(self->plain, 1)));
	EXPECT_EQ(1, status(self->plain).max);
	EXPECT_EQ(1, status(self->plain).value);
	EXPECT_EQ(-EINVAL, me(sem_tryacquire(self->plain, 2)));
	EXPECT_EQ(-EOVERFLOW, me(sem_release(self->plain, 1)));
	EXPECT_EQ(0, me(sem_resize(self->plain, KSYNC_COUNT_MAX)));
	EXPECT_EQ(KSYNC_COUNT_MAX, status(self->plain).max);
	EXPECT_EQ(1, status(self->plain).value);
}

TEST_F(sem, resize_of_what_is_tracked)
{
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->tracked, 3, NEVER)));
	ASSERT_EQ(0, me(sem_resize(self->tracked, 6)));
	EXPECT_EQ(6, status(self->tracked).max);
	EXPECT_EQ(3, status(self->tracked).value);
	EXPECT_EQ(-EBUSY, me(sem_resize(self->tracked, 2)));
	ASSERT_EQ(0, me(sem_resize(self->tracked, 3)));
	EXPECT_EQ(0, status(self->tracked).value);
	EXPECT_EQ(3, status(self->tracked).max);
	EXPECT_EQ(-EBUSY, me(sem_resize(self->tracked, 2)));
	EXPECT_EQ(3, status(self->tracked).max);
	ASSERT_EQ(0, ask(&self->a, sem_release(self->tracked, 3)));
	EXPECT_EQ(3, status(self->tracked).value);
	EXPECT_EQ(0, me(sem_resize(self->tracked, 1)));
	EXPECT_EQ(1, status(self->tracked).value);
}

/* Growing a tracked one brings permits: those who fit go on. */
TEST_F(sem, resize_wakes)
{
	ASSERT_EQ(0, me(sem_acquire(self->tracked, 4, NEVER)));
	start(&self->a, sem_acquire(self->tracked, 2, NEVER));
	ASSERT_TRUE(queued(self->tracked, 1, 0));
	ASSERT_EQ(0, me(sem_resize(self->tracked, 5)));
	EXPECT_TRUE(queued(self->tracked, 1, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(sem_resize(self->tracked, 6)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, status(self->tracked).value);
}

/* Waiters that want more than the new maximum are turned away. */
TEST_F(sem, resize_below_a_waiter)
{
	ASSERT_EQ(0, me(sem_acquire(self->fd, 2, NEVER)));
	start(&self->a, sem_acquire(self->fd, 4, NEVER));
	ASSERT_TRUE(queued(self->fd, 1, 0));
	start(&self->b, sem_acquire(self->fd, 1, NEVER));
	ASSERT_TRUE(queued(self->fd, 2, 0));
	ASSERT_EQ(0, me(sem_resize(self->fd, 3)));
	EXPECT_EQ(-EINVAL, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, status(self->fd).waiters_exclusive);
	EXPECT_EQ(3, status(self->fd).max);
}

TEST_F(sem, releases_by_others)
{
	ASSERT_EQ(0, me(sem_acquire(self->plain, 4, NEVER)));
	EXPECT_EQ(0, ask(&self->a, sem_release(self->plain, 4)));
	EXPECT_EQ(0, ask(&self->b, sem_acquire(self->plain, 3, NEVER)));
	peer_kill(&self->b);
	EXPECT_EQ(1, status(self->plain).value);
	EXPECT_EQ(0, status(self->plain).deaths);
	EXPECT_EQ(0, status(self->plain).lost);
}

TEST_F(sem, sem_foreign)
{
	EXPECT_EQ(-EPERM, me(sem_release(self->tracked, 1)));
	ASSERT_EQ(0, me(sem_acquire(self->tracked, 2, NEVER)));
	EXPECT_EQ(-EPERM, ask(&self->a, sem_release(self->tracked, 1)));
	EXPECT_EQ(-EPERM, me(sem_release(self->tracked, 3)));
	EXPECT_EQ(2, status(self->tracked).value);
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->tracked, 1, NEVER)));
	EXPECT_EQ(-EPERM, ask(&self->a, sem_release(self->tracked, 2)));
	EXPECT_EQ(0, ask(&self->a, sem_release(self->tracked, 1)));
	EXPECT_EQ(0, me(sem_release(self->tracked, 1)));
	EXPECT_EQ(0, me(sem_release(self->tracked, 1)));
	EXPECT_EQ(-EPERM, me(sem_release(self->tracked, 1)));
	EXPECT_EQ(4, status(self->tracked).value);
}

/* Permits belong to the process: any of its threads may give them back. */
TEST_F(sem, permits_are_the_process_s)
{
	struct peer thread;

	ASSERT_EQ(0, peer_thread(&thread));
	ASSERT_EQ(0, me(sem_acquire(self->tracked, 1, NEVER)));
	ASSERT_EQ(0, ask(&thread, sem_acquire(self->tracked, 2, NEVER)));
	EXPECT_EQ(0, ask(&thread, sem_release(self->tracked, 1)));
	peer_end(&thread);
	EXPECT_EQ(2, status(self->tracked).value);
	EXPECT_EQ(0, status(self->tracked).deaths);
	EXPECT_EQ(-EPERM, me(sem_release(self->tracked, 3)));
	EXPECT_EQ(0, me(sem_release(self->tracked, 2)));
	EXPECT_EQ(4, status(self->tracked).value);
}

TEST_F(sem, die_with_permits)
{
	struct ksync_primitive_status st;

	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->tracked, 1, NEVER)));
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->tracked, 2, NEVER)));
	ASSERT_EQ(0, me(sem_acquire(self->tracked, 1, NEVER)));
	start(&self->b, sem_acquire(self->tracked, 3, NEVER));
	ASSERT_TRUE(queued(self->tracked, 1, 0));
	peer_kill(&self->a);
	/* The permits are as good as new: no EOWNERDEAD, but it is told. */
	EXPECT_EQ(0, answer(&self->b));
	st = status(self->tracked);
	EXPECT_EQ(0, st.value);
	EXPECT_EQ(1, st.deaths);
	EXPECT_EQ(3, st.lost);
	EXPECT_EQ(0, ask(&self->b, sem_release(self->tracked, 3)));
	EXPECT_EQ(0, me(sem_release(self->tracked, 1)));
	EXPECT_EQ(4, status(self->tracked).value);
}

TEST_F(sem, values_at_creation)
{
	EXPECT_EQ(-EINVAL, create_sem(self->dev, variant->flags, 2, 1));
	EXPECT_EQ(-EINVAL, create_sem(self->dev, variant->flags, 0, 0));
	EXPECT_EQ(-EINVAL, create_sem(self->dev, variant->flags, 1,
				      KSYNC_COUNT_MAX + 1));
	EXPECT_EQ(-EINVAL, create_sem(self->dev, variant->flags, UINT32_MAX,
				      UINT32_MAX));
}

TEST_F(sem, begins_without_permits)
{
	close(self->plain);
	self->plain = create_sem(self->dev, 0, 0, 2);
	ASSERT_LE(0, self->plain);
	EXPECT_EQ(-EBUSY, me(sem_tryacquire(self->plain, 1)));
	EXPECT_EQ(0, me(sem_release(self->plain, 2)));
	EXPECT_EQ(-EOVERFLOW, me(sem_release(self->plain, 1)));
}

UAPI_MAIN
