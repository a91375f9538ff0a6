// SPDX-License-Identifier: GPL-2.0-only
/*
 * A cycle of three processes through a reader, a mutex and permits, and the
 * same waits without a cycle.
 */
#include "uapi_cycle.h"

FIXTURE(deadlock)
{
	int dev;
	int m;		/* mutex */
	int rw;		/* rwlock */
	int sem;	/* tracked, 3 permits */
	int more;	/* likewise */
	struct peer a, b, c, d;
};

/* Who of the three is the last to wait. */
FIXTURE_VARIANT(deadlock)
{
	int last;
};

FIXTURE_VARIANT_ADD(deadlock, reader_last) { .last = 0 };
FIXTURE_VARIANT_ADD(deadlock, mutex_last) { .last = 1 };
FIXTURE_VARIANT_ADD(deadlock, permits_last) { .last = 2 };

FIXTURE_SETUP(deadlock)
{
	report_init();
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->m = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	self->rw = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 1);
	self->sem = create_sem(self->dev, KSYNC_F_TRACKED, 3, 3);
	ASSERT_LE(0, self->m);
	ASSERT_LE(0, self->rw);
	self->more = create_sem(self->dev, KSYNC_F_TRACKED, 3, 3);
	ASSERT_LE(0, self->sem);
	ASSERT_LE(0, self->more);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
	ASSERT_EQ(0, peer_fork(&self->d));
}

FIXTURE_TEARDOWN(deadlock)
{
	peers_end();
	munmap(report, sizeof(*report));
}

/*
 * One reads, one has a mutex, one has permits; any of them may be last. A fourth
 * one reads and has permits, too, and waits for one of them, but will go on.
 */
TEST_F(deadlock, deadlock_mixed)
{
	struct peer *p[] = { &self->a, &self->b, &self->c };
	int m = self->m, rw = self->rw, sem = self->sem;
	pid_t a = self->a.pid, b = self->b.pid, c = self->c.pid;
	struct call waits[] = { mutex_lock(m, NEVER), sem_acquire(sem, 2, NEVER),
				rwlock_wrlock(rw, NEVER) };
	struct call gives[] = { rwlock_unlock(rw), mutex_unlock(m),
				sem_release(sem, 2) };
	struct expected edges[] = {
		{ a, m, 0, WANT_X, 1, b, HELD_X, 1 },
		{ b, sem, 0, WANT_P, 2, c, HELD_P, 2 },
		{ c, rw, 0, WANT_X, 1, a, HELD_S, 1 },
	};
	int i, last = variant->last, fds[] = { m, sem, rw };

	ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(0, ask(&self->d, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(0, ask(&self->b, mutex_lock(m, NEVER)));
	ASSERT_EQ(0, ask(&self->c, sem_acquire(sem, 2, NEVER)));
	ASSERT_EQ(0, me(sem_acquire(self->more, 2, NEVER)));
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->more, 1, NEVER)));
	ASSERT_EQ(0, ask(&self->d, sem_acquire(sem, 1, NEVER)));
	start(&self->d, sem_acquire(self->more, 2, NEVER));
	ASSERT_TRUE(queued(self->more, 1, 0));
	for (i = 0; i < 3; i++) {
		if (i == last)
			continue;
		start(p[i], waits[i]);
		ASSERT_TRUE(queued(fds[i], 1, 0));
	}
	EXPECT_EQ(-EDEADLK, ask(p[last], waits[last]));
	ASSERT_EQ(3, cycle_of(p[last], self->dev));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(edge_is(i, edges[(last + i) % 3]));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(i == last || silent(p[i]));

	/* Whoever was refused gives way: the others go on, one by one. */
	EXPECT_EQ(0, me(sem_release(self->more, 2)));
	EXPECT_EQ(0, answer(&self->d));
	EXPECT_EQ(0, ask(p[last], gives[last]));
	EXPECT_EQ(0, ask(&self->d, rwlock_unlock(rw)));
	EXPECT_EQ(0, answer(p[(last + 2) % 3]));
}

/* The same waits, but one of the three would go on. */
TEST_F(deadlock, deadlock_false)
{
	struct peer *p[] = { &self->a, &self->b, &self->c };
	int m = self->m, rw = self->rw, sem = self->sem;
	struct call waits[] = { mutex_lock(m, NEVER), sem_acquire(sem, 2, NEVER),
				rwlock_wrlock(rw, NEVER) };
	int i, last = variant->last, fds[] = { m, sem, rw };

	/* The permits are those of one who does not wait. */
	ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(0, ask(&self->b, mutex_lock(m, NEVER)));
	ASSERT_EQ(0, ask(&self->c, sem_acquire(sem, 1, NEVER)));
	ASSERT_EQ(0, ask(&self->d, sem_acquire(sem, 1, NEVER)));
	for (i = 0; i < 3; i++) {
		if (i == last)
			continue;
		start(p[i], waits[i]);
		ASSERT_TRUE(queued(fds[i], 1, 0));
	}
	start(p[last], waits[last]);
	ASSERT_TRUE(queued(fds[last], 1, 0));
	usleep(20000);
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(silent(p[i]));
	EXPECT_TRUE(is_queued(m, 0, 1, 0));
	EXPECT_TRUE(is_queued(rw, 0, 1, 0));
	EXPECT_TRUE(is_queued(sem, 0, 1, 0));
	EXPECT_EQ(0, ask(&self->d, sem_release(sem, 1)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, ask(&self->b, mutex_unlock(m)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, ask(&self->a, rwlock_unlock(rw)));
	EXPECT_EQ(0, answer(&self->c));
}

UAPI_MAIN
