// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for one of several primitives, and what that and waiting for all have
 * in common, through the raw interface.
 */
#include "uapi_many.h"

TEST_F(many, any_takes_the_first_that_can_be_had)
{
	EXPECT_EQ(GOT(0, 0), ANY(permits(self->fd[SEM], 1),
				 item(self->fd[MUTEX], 0)));
	EXPECT_EQ(1, status(self->fd[SEM]).value);
	EXPECT_EQ(0, status(self->fd[MUTEX]).value);
	EXPECT_EQ(GOT(0, 1), ANY(permits(self->fd[SEM], 2),
				 item(self->fd[MUTEX], 0)));
	EXPECT_EQ(1, status(self->fd[SEM]).value);
	EXPECT_EQ(getpid(), status(self->fd[MUTEX]).holder_pid);
	EXPECT_EQ(0, me(mutex_unlock(self->fd[MUTEX])));
	EXPECT_EQ(GOT(-ETIMEDOUT, 2), ANY(permits(self->fd[SEM], 2),
					  item(self->fd[EVENT], 0)));
	ASSERT_EQ(0, me(event_set(self->fd[AUTO])));
	EXPECT_EQ(GOT(0, 1), ANY(item(self->fd[EVENT], 0),
				 item(self->fd[AUTO], 0)));
	EXPECT_EQ(0, status(self->fd[AUTO]).value);
}

TEST_F(many, any_of_each_type)
{
	int i;

	ASSERT_EQ(0, me(mutex_lock(self->fd[MUTEX], NEVER)));
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(-EBUSY, me(mutex_trylock(self->fd[MUTEX])));
		ASSERT_EQ(0, me(sem_acquire(self->fd[SEM], 2, NEVER)));
		ASSERT_EQ(0, me(waitgroup_add(self->fd[WG], 1)));
		ASSERT_EQ(0, me(rwlock_wrlock(self->fd[RWLOCK], NEVER)));
		START_ANY(&self->a, 0, item(self->fd[MUTEX], 0),
			  permits(self->fd[SEM], 1), item(self->fd[WG], 0),
			  reading(self->fd[RWLOCK]), item(self->fd[EVENT], 0),
			  item(self->fd[AUTO], 0));
		ASSERT_TRUE(queued(self->fd[AUTO], 1, 0));
		ASSERT_TRUE(queued(self->fd[MUTEX], 1, 0));
		ASSERT_TRUE(queued(self->fd[RWLOCK], 0, 1));
		switch (i) {
		case 0:
			ASSERT_EQ(0, me(mutex_unlock(self->fd[MUTEX])));
			break;
		case 1:
			ASSERT_EQ(0, me(sem_release(self->fd[SEM], 1)));
			break;
		case 2:
			ASSERT_EQ(0, me(waitgroup_add(self->fd[WG], -1)));
			break;
		case 3:
			ASSERT_EQ(0, me(rwlock_unlock(self->fd[RWLOCK])));
			break;
		case 4:
			ASSERT_EQ(0, me(event_set(self->fd[EVENT])));
			break;
		case 5:
			ASSERT_EQ(0, me(event_set(self->fd[AUTO])));
			break;
		}
		ASSERT_EQ(GOT(0, i), got(&self->a));
		EXPECT_EQ(0, self->shared[i].result);
		EXPECT_EQ(-EBUSY, self->shared[(i + 1) % 6].result);
		EXPECT_TRUE(queued(self->fd[AUTO], 0, 0));
		EXPECT_TRUE(queued(self->fd[MUTEX], 0, 0));
		EXPECT_TRUE(queued(self->fd[SEM], 0, 0));
		EXPECT_TRUE(queued(self->fd[WG], 0, 0));
		EXPECT_TRUE(queued(self->fd[RWLOCK], 0, 0));
		/* As it was. */
		if (i == 0) {
			ASSERT_EQ(0, ask(&self->a,
					 mutex_unlock(self->fd[MUTEX])));
			ASSERT_EQ(0, me(mutex_lock(self->fd[MUTEX], NEVER)));
		}
		if (i == 3) {
			ASSERT_EQ(0, ask(&self->a,
					 rwlock_unlock(self->fd[RWLOCK])));
		} else {
			ASSERT_EQ(0, me(rwlock_unlock(self->fd[RWLOCK])));
		}
		if (i != 2)
			ASSERT_EQ(0, me(waitgroup_add(self->fd[WG], -1)));
		ASSERT_EQ(0, me(event_reset(self->fd[EVENT])));
		ASSERT_EQ(0, status(self->fd[AUTO]).value);
		ASSERT_EQ(0, status(self->fd[SEM]).value);
		ASSERT_EQ(0, me(sem_release(self->fd[SEM], 2)));
	}
}

/* What one of them takes the others are not given. */
TEST_F(many, any_takes_one_of_what_comes_at_once)
{
	int i, ret;

	for (i = 0; i < 40; i++) {
		START_ANY(&self->a, 0, item(self->fd[AUTO], 0),
			  item(self->fd[AUTO], 1));
		if (i & 1)
			ASSERT_TRUE(queued_at(self->fd[AUTO], 1, 1, 0));
		start(&self->b, event_set(self->fd[AUTO]));
		ASSERT_EQ(0, me(at(1, event_set(self->fd[AUTO]))));
		ASSERT_EQ(0, answer(&self->b));
		ret = got(&self->a);
		ASSERT_TRUE(ret == GOT(0, 0) || ret == GOT(0, 1));
		ASSERT_EQ(1, status_of(self->fd[AUTO], 0).value +
			     status_of(self->fd[AUTO], 1).value);
		ASSERT_EQ(0, me(at(0, event_reset(self->fd[AUTO]))));
		ASSERT_EQ(0, me(at(1, event_reset(self->fd[AUTO]))));
	}
}

TEST_F(many, any_and_death)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->fd[MUTEX], NEVER)));
	START_ANY(&self->b, 0, item(self->fd[EVENT], 0),
		  item(self->fd[MUTEX], 0));
	ASSERT_TRUE(queued(self->fd[MUTEX], 1, 0));
	peer_kill(&self->a);
	ASSERT_EQ(GOT(-EOWNERDEAD, 1), got(&self->b));
	EXPECT_EQ(-EOWNERDEAD, self->shared[1].result);
	EXPECT_EQ(0, ask(&self->b, mutex_consistent(self->fd[MUTEX])));
	EXPECT_EQ(0, ask(&self->b, mutex_unlock(self->fd[MUTEX])));
	/* Who waits for several vanishes like anybody. */
	ASSERT_EQ(0, ask(&self->b, mutex_lock(self->fd[MUTEX], NEVER)));
	START_ANY(&self->c, 0, item(self->fd[EVENT], 0),
		  item(self->fd[MUTEX], 0), item(self->fd[AUTO], 0));
	ASSERT_TRUE(queued(self->fd[AUTO], 1, 0));
	peer_kill(&self->c);
	EXPECT_TRUE(queued(self->fd[AUTO], 0, 0));
	EXPECT_TRUE(queued(self->fd[MUTEX], 0, 0));
	EXPECT_EQ(0, ask(&self->b, mutex_unlock(self->fd[MUTEX])));
}

TEST_F(many, any_keeps_its_place)
{
	ASSERT_EQ(0, me(sem_acquire(self->fd[SEM], 2, NEVER)));
	START_ANY(&self->a, 0, item(self->fd[EVENT], 0),
		  permits(self->fd[SEM], 2));
	ASSERT_TRUE(queued(self->fd[SEM], 1, 0));
	start(&self->b, sem_acquire(self->fd[SEM], 1, NEVER));
	ASSERT_TRUE(queued(self->fd[SEM], 2, 0));
	ASSERT_EQ(0, me(sem_release(self->fd[SEM], 1)));
	EXPECT_TRUE(silent(&self->b));
	/* It is had by another road: the next one goes on. */
	ASSERT_EQ(0, me(event_set(self->fd[EVENT])));
	EXPECT_EQ(GOT(0, 0), got(&self->a));
	EXPECT_EQ(0, answer(&self->b));
}

/* A lock that is handed over goes to one of many as to any other. */
TEST_F(many, any_in_the_queue_of_a_mutex)
{
	int fifo = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_FIFO, 1);
	struct peer p, other;
	int i;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, peer_fork(&other));
	ASSERT_EQ(0, me(mutex_lock(fifo, NEVER)));
	START_ANY(&p, 0, item(self->fd[EVENT], 0), item(fifo, 0));
	ASSERT_TRUE(queued(fifo, 1, 0));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EBUSY, ask(&other, mutex_trylock(fifo)));
	ASSERT_EQ(0, me(mutex_unlock(fifo)));
	EXPECT_EQ(GOT(0, 1), got(&p));
	EXPECT_EQ(p.pid, status(fifo).holder_pid);
	EXPECT_EQ(-EBUSY, ask(&other, mutex_trylock(fifo)));
	EXPECT_EQ(0, ask(&p, mutex_unlock(fifo)));
	peer_end(&p);
	peer_end(&other);
	close(fifo);
}

TEST_F(many, cancel_wait)
{
	__u32 flags;

	for (flags = 0; flags <= KSYNC_WAIT_ALL; flags += KSYNC_WAIT_ALL) {
		struct ksync_wait_item *items = self->shared;

		items[0] = item(self->fd[AUTO], 0);
		items[1] = permits(self->fd[SEM], 3);
		start(&self->a, unless(many_wait(self->dev, items, 2, flags,
						 NEVER), self->fd[TOKEN], 1));
		ASSERT_TRUE(UNTIL(status(self->fd[AUTO]).waiters_exclusive ||
				  status(self->fd[SEM]).waiters_exclusive));
		EXPECT_TRUE(queued_at(self->fd[TOKEN], 1, 0, 1));
		ASSERT_EQ(0, me(at(1, event_set(self->fd[TOKEN]))));
		EXPECT_EQ(GOT(-ECANCELED, 2), got(&self->a));
		EXPECT_TRUE(queued(self->fd[AUTO], 0, 0));
		EXPECT_TRUE(queued(self->fd[SEM], 0, 0));
		EXPECT_TRUE(queued_at(self->fd[TOKEN], 1, 0, 0));
		/* Set before: it still takes what is free. */
		EXPECT_EQ(-ECANCELED,
			  ask(&self->a, unless(many_wait(self->dev, items, 2,
							 flags, NEVER),
					       self->fd[TOKEN], 1)));
		items[0] = item(self->fd[MUTEX], 0);
		EXPECT_EQ(0, ask(&self->a, unless(many_wait(self->dev, items, 1,
							    flags, NEVER),
						  self->fd[TOKEN], 1)));
		EXPECT_EQ(0, ask(&self->a, mutex_unlock(self->fd[MUTEX])));
		ASSERT_EQ(0, me(at(1, event_reset(self->fd[TOKEN]))));
	}
}

TEST_F(many, timeout_race)
{
	__u32 flags;
	int i, ret;

	for (i = 0; i < 80; i++) {
		flags = i & 1 ? KSYNC_WAIT_ALL : 0;
		ASSERT_EQ(0, me(sem_acquire(self->fd[SEM], 2, NEVER)));
		START(&self->a, 0, flags, now_ns() + i * 5000,
		      permits(self->fd[SEM], 2), item(self->fd[AUTO], 1));
		if (flags)
			ASSERT_EQ(0, me(at(1, event_set(self->fd[AUTO]))));
		ASSERT_EQ(0, me(sem_release(self->fd[SEM], 2)));
		ret = answer(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		ASSERT_EQ(ret ? 2 : 0, status(self->fd[SEM]).value);
		if (flags)
			ASSERT_EQ(!!ret, status_of(self->fd[AUTO], 1).value);
		ASSERT_EQ(0, me(at(1, event_reset(self->fd[AUTO]))));
		if (!ret)
			ASSERT_EQ(0, me(sem_release(self->fd[SEM], 2)));
	}
}

/* Death of a process that was given permits in this way. */
TEST_F(many, tracked_permits)
{
	int fd = create_sem(self->dev, KSYNC_F_TRACKED, 4, 4);
	struct peer p;

	ASSERT_EQ(0, peer_fork(&p));
	START_ALL(&p, 0, permits(fd, 3), permits(self->fd[SEM], 1));
	ASSERT_EQ(GOT(0, 2), got(&p));
	EXPECT_EQ(-EPERM, me(sem_release(fd, 1)));
	EXPECT_EQ(0, ask(&p, sem_release(fd, 1)));
	START_ANY(&p, 0, item(self->fd[EVENT], 0), permits(fd, 1));
	ASSERT_EQ(GOT(0, 1), got(&p));
	EXPECT_EQ(1, status(fd).value);
	peer_kill(&p);
	EXPECT_EQ(4, status(fd).value);
	EXPECT_EQ(3, status(fd).lost);
	close(fd);
}

TEST_F(many, what_the_caller_holds)
{
	int recursive = create(self->dev, KSYNC_TYPE_MUTEX,
			       KSYNC_F_RECURSIVE, 1);

	ASSERT_EQ(0, me(mutex_lock(self->fd[MUTEX], NEVER)));
	EXPECT_EQ(GOT(-EDEADLK, 1), ANY(permits(self->fd[SEM], 1),
					item(self->fd[MUTEX], 0)));
	EXPECT_EQ(GOT(-EDEADLK, 1), ALL(permits(self->fd[SEM], 1),
					item(self->fd[MUTEX], 0)));
	EXPECT_EQ(2, status(self->fd[SEM]).value);
	ASSERT_EQ(0, me(mutex_unlock(self->fd[MUTEX])));

	ASSERT_EQ(0, me(mutex_lock(recursive, NEVER)));
	EXPECT_EQ(GOT(0, 1), ANY(item(self->fd[EVENT], 0), item(recursive, 0)));
	EXPECT_EQ(GOT(0, 2), ALL(item(self->fd[MUTEX], 0), item(recursive, 0)));
	ASSERT_EQ(0, me(mutex_unlock(self->fd[MUTEX])));
	EXPECT_EQ(GOT(-ETIMEDOUT, 2), ALL(item(self->fd[EVENT], 0),
					  item(recursive, 0)));
	ASSERT_EQ(0, me(mutex_unlock(recursive)));
	ASSERT_EQ(0, me(mutex_unlock(recursive)));
	ASSERT_EQ(0, me(mutex_unlock(recursive)));
	EXPECT_EQ(-EPERM, me(mutex_unlock(recursive)));

	ASSERT_EQ(0, me(rwlock_rdlock(self->fd[RWLOCK], NEVER)));
	EXPECT_EQ(GOT(0, 0), ANY(reading(self->fd[RWLOCK])));
	EXPECT_EQ(GOT(-ETIMEDOUT, 2), ALL(item(self->fd[EVENT], 0),
					  reading(self->fd[RWLOCK])));
	EXPECT_EQ(2, status(self->fd[RWLOCK]).readers);
	EXPECT_EQ(GOT(-EDEADLK, 0), ANY(item(self->fd[RWLOCK], 0)));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd[RWLOCK])));
	ASSERT_EQ(0, me(rwlock_unlock(self->fd[RWLOCK])));
	EXPECT_EQ(-EPERM, me(rwlock_unlock(self->fd[RWLOCK])));
	close(recursive);
}

TEST_F(many, waitgroup_with_losses)
{
	struct ksync_wait_item items[2] = {
		item(self->fd[EVENT], 0), item(self->fd[WG], 0),
	};
	int pidfd = syscall(SYS_pidfd_open, self->a.pid, 0);
	union uapi_args out;

	ASSERT_EQ(0, me(waitgroup_add(self->fd[WG], 1)));
	ASSERT_EQ(0, me(waitgroup_bind(self->fd[WG], pidfd)));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, me_out(many_wait(self->dev, items, 2, 0, soon()),
				      &out));
	EXPECT_EQ(1, out.many.index);
	EXPECT_EQ(1, items[1].lost);
	close(pidfd);
}

TEST_F(many, bad_items)
{
	struct ksync_wait_item bad[] = {
		item(-1, 0), item(1 << 20, 0), item(self->dev, 0),
		item(self->fd[MUTEX], 2), reading(self->fd[MUTEX]),
		permits(self->fd[MUTEX], 1), permits(self->fd[SEM], 0),
		permits(self->fd[SEM], 4), permits(self->fd[EVENT], 1),
		reading(self->fd[EVENT]), reading(self->fd[WG]),
		{ .fd = self->fd[MUTEX], .flags = 2 },
		{ .fd = self->fd[RWLOCK], .flags = 1U << 31 },
	};
	struct ksync_wait_item items[2];
	union uapi_args out;
	int i, ret, flags;

	for (flags = 0; flags <= KSYNC_WAIT_ALL; flags += KSYNC_WAIT_ALL) {
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			/* One that would have to wait comes before it. */
			items[0] = item(self->fd[AUTO], 0);
			items[1] = bad[i];
			ret = me_out(many_wait(self->dev, items, 2, flags,
					       NEVER), &out);
			EXPECT_EQ(i < 2 ? -EBADF : -EINVAL, ret)
				TH_LOG("item %d", i);
			EXPECT_EQ(1, out.many.index) TH_LOG("item %d", i);
			EXPECT_EQ(ret, items[1].result) TH_LOG("item %d", i);
		}
	}
	EXPECT_TRUE(queued(self->fd[AUTO], 0, 0));
}

TEST_F(many, bad_arrays)
{
	struct ksync_wait_item items[KSYNC_WAIT_ITEMS_MAX + 1];
	struct call c;
	int i;

	for (i = 0; i < ARRAY_SIZE(items); i++)
		items[i] = permits(self->fd[SEM], 1);
	EXPECT_EQ(-EINVAL, me(many_wait(self->dev, items, 0, 0, NEVER)));
	EXPECT_EQ(-EINVAL, me(many_wait(self->dev, items,
					KSYNC_WAIT_ITEMS_MAX + 1, 0, NEVER)));
	EXPECT_EQ(-EINVAL, me(many_wait(self->dev, items, UINT32_MAX, 0,
					NEVER)));
	EXPECT_EQ(-EFAULT, me(many_wait(self->dev, NULL, 1, 0, NEVER)));
	EXPECT_EQ(-EINVAL, me(many_wait(self->dev, items, 1, KSYNC_LOCK_IN_LINE,
					NEVER)));
	EXPECT_EQ(-EINVAL, me(many_wait(self->dev, items, 1, 8, NEVER)));
	c = many_wait(self->dev, items, 1, 0, NEVER);
	c.arg.many.items = ~0ULL;
	EXPECT_EQ(-EFAULT, call_run(&c));
	/* The same twice: nothing wrong with any, no sense in all. */
	EXPECT_EQ(-EINVAL, me(many_wait(self->dev, items, 2, KSYNC_WAIT_ALL,
					NEVER)));
	EXPECT_EQ(2, status(self->fd[SEM]).value);
	EXPECT_EQ(0, me(many_wait(self->dev, items, KSYNC_WAIT_ITEMS_MAX, 0,
				  NEVER)));
	EXPECT_EQ(1, status(self->fd[SEM]).value);
	EXPECT_EQ(0, me(mutex_lock(self->fd[MUTEX], NEVER)));
}

TEST_F(many, sixty_four)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, KSYNC_WAIT_ITEMS_MAX);
	struct ksync_wait_item items[KSYNC_WAIT_ITEMS_MAX];
	union uapi_args out;
	__u32 i;

	for (i = 0; i < KSYNC_WAIT_ITEMS_MAX; i++)
		items[i] = item(fd, KSYNC_WAIT_ITEMS_MAX - 1 - i);
	ASSERT_EQ(0, me(many_wait(self->dev, items, i, KSYNC_WAIT_ALL, NEVER)));
	for (i = 0; i < KSYNC_WAIT_ITEMS_MAX; i++) {
		ASSERT_EQ(getpid(), status_of(fd, i).holder_pid);
		ASSERT_EQ(0, me(at(i, mutex_unlock(fd))));
	}
	for (i = 0; i < KSYNC_WAIT_ITEMS_MAX; i++) {
		ASSERT_EQ(0, me_out(many_wait(self->dev, items + i,
					      KSYNC_WAIT_ITEMS_MAX - i, 0,
					      NEVER), &out));
		ASSERT_EQ(0, out.many.index);
	}
	close(fd);
}

/* Takes one of two or both, in turn, and checks that nobody else has it. */
static int *counters;

static int take_turns(struct call *c)
{
	struct ksync_wait_item items[2] = { item(c->fd, 0), item(c->fd, 1) };
	int dev = c->arg.index, i, j, ret;

	for (i = 0; i < 300; i++) {
		struct call wait = many_wait(dev, items, 2,
					     i % 3 ? 0 : KSYNC_WAIT_ALL, NEVER);

		ret = call_run(&wait);
		if (ret)
			return ret;
		for (j = 0; j < 2; j++) {
			struct call unlock = at(j, mutex_unlock(c->fd));

			if (items[j].result)
				continue;
			if (__atomic_fetch_add(&counters[j], 1,
					       __ATOMIC_RELAXED))
				return -EUCLEAN;
			if (i % 7 == 0)
				sched_yield();
			__atomic_fetch_sub(&counters[j], 1, __ATOMIC_RELAXED);
			ret = call_run(&unlock);
			if (ret)
				return ret;
		}
	}
	return 0;
}

TEST_F(many, storm)
{
	struct peer p[4];
	int i;

	counters = (int *)(self->shared + 100);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, peer_fork(&p[i]));
	for (i = 0; i < 4; i++)
		start_fn(&p[i], take_turns,
			 at(self->dev, basic_call(self->fd[MUTEX], 0)));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, answer(&p[i]));
		peer_end(&p[i]);
	}
	EXPECT_EQ(0, status(self->fd[MUTEX]).value);
	EXPECT_EQ(0, status_of(self->fd[MUTEX], 1).value);
	EXPECT_TRUE(queued(self->fd[MUTEX], 0, 0));
}

UAPI_MAIN
