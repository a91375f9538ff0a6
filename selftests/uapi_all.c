// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for all of several primitives, through the raw interface.
 */
#include "uapi_many.h"

TEST_F(many, all_or_none)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->fd[MUTEX], NEVER)));
	EXPECT_EQ(GOT(-ETIMEDOUT, 2), ALL(permits(self->fd[SEM], 1),
					  item(self->fd[MUTEX], 0)));
	EXPECT_EQ(2, status(self->fd[SEM]).value);
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->fd[MUTEX])));
	EXPECT_EQ(GOT(0, 2), ALL(permits(self->fd[SEM], 1),
				 item(self->fd[MUTEX], 0)));
	EXPECT_EQ(1, status(self->fd[SEM]).value);
	EXPECT_EQ(getpid(), status(self->fd[MUTEX]).holder_pid);
	EXPECT_EQ(0, me(mutex_unlock(self->fd[MUTEX])));
}

TEST_F(many, all_waits)
{
	ASSERT_EQ(0, me(sem_acquire(self->fd[SEM], 2, NEVER)));
	ASSERT_EQ(0, me(waitgroup_add(self->fd[WG], 1)));
	START_ALL(&self->a, 0, permits(self->fd[SEM], 2),
		  item(self->fd[EVENT], 0), item(self->fd[AUTO], 1),
		  item(self->fd[WG], 0), reading(self->fd[RWLOCK]),
		  item(self->fd[MUTEX], 1));
	ASSERT_TRUE(UNTIL(status(self->fd[SEM]).waiters_exclusive ||
			  status_of(self->fd[AUTO], 1).waiters_exclusive ||
			  status(self->fd[EVENT]).waiters_shared ||
			  status(self->fd[WG]).waiters_shared));
	/* It has nothing meanwhile. */
	EXPECT_EQ(0, status(self->fd[RWLOCK]).readers);
	EXPECT_EQ(0, status_of(self->fd[MUTEX], 1).value);
	ASSERT_EQ(0, me(event_set(self->fd[EVENT])));
	ASSERT_EQ(0, me(at(1, event_set(self->fd[AUTO]))));
	ASSERT_EQ(0, me(sem_release(self->fd[SEM], 2)));
	EXPECT_TRUE(silent(&self->a));
	EXPECT_TRUE(UNTIL(status_of(self->fd[AUTO], 1).value == 1 &&
			  status(self->fd[SEM]).value == 2 &&
			  status(self->fd[WG]).waiters_shared == 1));
	ASSERT_EQ(0, me(waitgroup_add(self->fd[WG], -1)));
	EXPECT_EQ(GOT(0, 6), got(&self->a));
	EXPECT_EQ(0, status(self->fd[SEM]).value);
	EXPECT_EQ(1, status(self->fd[EVENT]).value);
	EXPECT_EQ(0, status_of(self->fd[AUTO], 1).value);
	EXPECT_EQ(1, status(self->fd[RWLOCK]).readers);
	EXPECT_EQ(self->a.pid, status_of(self->fd[MUTEX], 1).holder_pid);
	EXPECT_EQ(0, ask(&self->a, rwlock_unlock(self->fd[RWLOCK])));
	EXPECT_EQ(0, ask(&self->a, at(1, mutex_unlock(self->fd[MUTEX]))));
}

TEST_F(many, all_and_death)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->fd[MUTEX], NEVER)));
	START_ALL(&self->b, 0, permits(self->fd[SEM], 1),
		  item(self->fd[MUTEX], 0), item(self->fd[MUTEX], 1));
	ASSERT_TRUE(queued(self->fd[MUTEX], 1, 0));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_EQ(1, self->b.out.many.index);
	EXPECT_EQ(0, self->shared[0].result);
	EXPECT_EQ(-EOWNERDEAD, self->shared[1].result);
	EXPECT_EQ(0, self->shared[2].result);
	/* As the holder of all. */
	peer_kill(&self->b);
	EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(self->fd[MUTEX], soon())));
	EXPECT_EQ(-EOWNERDEAD, me(at(1, mutex_lock(self->fd[MUTEX], soon()))));
	/* Lost for good: no use to wait, and nothing else is taken. */
	EXPECT_EQ(0, me(mutex_unlock(self->fd[MUTEX])));
	EXPECT_EQ(GOT(-ENOTRECOVERABLE, 1), ALL(permits(self->fd[SEM], 1),
						item(self->fd[MUTEX], 0)));
	EXPECT_EQ(GOT(-ENOTRECOVERABLE, 0), ANY(item(self->fd[MUTEX], 0),
						permits(self->fd[SEM], 1)));
	EXPECT_EQ(1, status(self->fd[SEM]).value);
}

/* What is given back has left no trace, not even in a lock of the dead. */
TEST_F(many, all_gives_back_what_it_found)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->fd[MUTEX], NEVER)));
	peer_kill(&self->a);
	ASSERT_EQ(0, ask(&self->b, at(1, mutex_lock(self->fd[MUTEX], NEVER))));
	ASSERT_EQ(0, me(event_set(self->fd[AUTO])));
	EXPECT_EQ(GOT(-ETIMEDOUT, 4),
		  ALL(item(self->fd[MUTEX], 0), item(self->fd[AUTO], 0),
		      permits(self->fd[SEM], 2), item(self->fd[MUTEX], 1)));
	EXPECT_EQ(1, status(self->fd[AUTO]).value);
	EXPECT_EQ(2, status(self->fd[SEM]).value);
	EXPECT_EQ(KSYNC_STATUS_DEAD, status(self->fd[MUTEX]).flags);
	EXPECT_EQ(1, status(self->fd[MUTEX]).token);
	EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(self->fd[MUTEX], NEVER)));
}

/* Has both, gives both back. */
static int give_both(struct peer *p, int fd)
{
	return ask(p, mutex_unlock(fd)) ?: ask(p, at(1, mutex_unlock(fd)));
}

/* Two who want the same, named in opposite order, and hold nothing else. */
TEST_F(many, all_without_deadlock)
{
	struct peer *first, *second;
	int i;

	for (i = 0; i < 60; i++) {
		START_ALL(&self->a, 0, item(self->fd[MUTEX], 0),
			  item(self->fd[MUTEX], 1));
		START_ALL(&self->b, 1, item(self->fd[MUTEX], 1),
			  item(self->fd[MUTEX], 0));
		ASSERT_TRUE(UNTIL(!silent(&self->a) || !silent(&self->b)));
		first = silent(&self->a) ? &self->b : &self->a;
		second = first == &self->a ? &self->b : &self->a;
		ASSERT_EQ(0, answer(first));
		ASSERT_EQ(0, give_both(first, self->fd[MUTEX]));
		ASSERT_EQ(0, answer(second));
		ASSERT_EQ(0, give_both(second, self->fd[MUTEX]));
	}
}

/* One holds the first and waits for the second: not kept from it for ever. */
TEST_F(many, all_keeps_nothing_from_holders)
{
	ASSERT_EQ(0, ask(&self->a, at(1, mutex_lock(self->fd[MUTEX], NEVER))));
	START_ALL(&self->b, 0, item(self->fd[MUTEX], 0),
		  item(self->fd[MUTEX], 1));
	ASSERT_TRUE(queued_at(self->fd[MUTEX], 1, 1, 0));
	EXPECT_EQ(0, ask(&self->a, mutex_lock(self->fd[MUTEX], soon())));
	EXPECT_EQ(0, ask(&self->a, mutex_unlock(self->fd[MUTEX])));
	EXPECT_EQ(0, ask(&self->a, at(1, mutex_unlock(self->fd[MUTEX]))));
	EXPECT_EQ(0, answer(&self->b));
}

/* Locks and unlocks the mutex @index over and over until the event is set. */
static int hog(struct call *c)
{
	struct call lock = *c, unlock = mutex_unlock(c->fd);
	int event = c->arg.lock.cancel, ret;
	struct call check = event_wait(event, LONG_AGO);

	lock.arg.lock.cancel = 0;
	unlock.arg.index = c->arg.index;
	while (call_run(&check) == -ETIMEDOUT) {
		ret = call_run(&lock) ?: (usleep(100), call_run(&unlock));
		if (ret)
			return ret;
	}
	return 0;
}

/* Single waiters that never leave a moment when all are free. */
TEST_F(many, all_is_not_starved)
{
	struct peer p[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, peer_fork(&p[i]));
	for (i = 0; i < 4; i++) {
		struct call c = at(i & 1, mutex_lock(self->fd[MUTEX], NEVER));

		c.arg.lock.cancel = self->fd[TOKEN];
		start_fn(&p[i], hog, c);
	}
	for (i = 0; i < 5; i++) {
		START_ALL(&self->a, 0, item(self->fd[MUTEX], 0),
			  item(self->fd[MUTEX], 1));
		ASSERT_EQ(0, answer(&self->a));
		ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->fd[MUTEX])));
		ASSERT_EQ(0, ask(&self->a, at(1, mutex_unlock(self->fd[MUTEX]))));
	}
	ASSERT_EQ(0, me(event_set(self->fd[TOKEN])));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, answer(&p[i]));
		peer_end(&p[i]);
	}
}

UAPI_MAIN
