// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits that an event cancels, for every command that waits, but for those of
 * uapi_cancel_rendezvous.c, which change something first.
 */
#include "uapi_peer.h"

FIXTURE(cancel)
{
	int dev, fd, token;
	__u32 exclusive, shared;	/* one waiter in the queue */
	struct peer a, b;
};

FIXTURE_VARIANT(cancel)
{
	__u32 type, flags;
	unsigned int wait, take, give;
	bool shared;
};

FIXTURE_VARIANT_ADD(cancel, mutex)
{
	.type = KSYNC_TYPE_MUTEX,
	.wait = KSYNC_IOC_MUTEX_LOCK,
	.take = KSYNC_IOC_MUTEX_LOCK,
	.give = KSYNC_IOC_MUTEX_UNLOCK,
};

FIXTURE_VARIANT_ADD(cancel, mutex_in_order)
{
	.type = KSYNC_TYPE_MUTEX,
	.flags = KSYNC_F_FIFO,
	.wait = KSYNC_IOC_MUTEX_LOCK,
	.take = KSYNC_IOC_MUTEX_LOCK,
	.give = KSYNC_IOC_MUTEX_UNLOCK,
};

FIXTURE_VARIANT_ADD(cancel, wrlock)
{
	.type = KSYNC_TYPE_RWLOCK,
	.wait = KSYNC_IOC_RWLOCK_WRLOCK,
	.take = KSYNC_IOC_RWLOCK_WRLOCK,
	.give = KSYNC_IOC_RWLOCK_UNLOCK,
};

FIXTURE_VARIANT_ADD(cancel, rdlock)
{
	.type = KSYNC_TYPE_RWLOCK,
	.wait = KSYNC_IOC_RWLOCK_RDLOCK,
	.take = KSYNC_IOC_RWLOCK_WRLOCK,
	.give = KSYNC_IOC_RWLOCK_UNLOCK,
	.shared = true,
};

FIXTURE_VARIANT_ADD(cancel, semaphore)
{
	.type = KSYNC_TYPE_SEM,
	.wait = KSYNC_IOC_SEM_ACQUIRE,
	.take = KSYNC_IOC_SEM_ACQUIRE,
	.give = KSYNC_IOC_SEM_RELEASE,
};

FIXTURE_VARIANT_ADD(cancel, tracked)
{
	.type = KSYNC_TYPE_SEM,
	.flags = KSYNC_F_TRACKED,
	.wait = KSYNC_IOC_SEM_ACQUIRE,
	.take = KSYNC_IOC_SEM_ACQUIRE,
	.give = KSYNC_IOC_SEM_RELEASE,
};

FIXTURE_VARIANT_ADD(cancel, waitgroup)
{
	.type = KSYNC_TYPE_WAITGROUP,
	.wait = KSYNC_IOC_WAITGROUP_WAIT,
	.take = KSYNC_IOC_WAITGROUP_ADD,
	.give = KSYNC_IOC_WAITGROUP_ADD,
	.shared = true,
};

FIXTURE_VARIANT_ADD(cancel, event)
{
	.type = KSYNC_TYPE_EVENT,
	.flags = KSYNC_F_AUTO_RESET,
	.wait = KSYNC_IOC_EVENT_WAIT,
	.take = KSYNC_IOC_EVENT_RESET,
	.give = KSYNC_IOC_EVENT_SET,
};

FIXTURE_VARIANT_ADD(cancel, once)
{
	.type = KSYNC_TYPE_ONCE,
	.wait = KSYNC_IOC_ONCE_BEGIN,
	.take = KSYNC_IOC_ONCE_BEGIN,
	.give = KSYNC_IOC_ONCE_ABANDON,
};

/* The command with what it needs; @delta is that of a wait group. */
static struct call do_it(int fd, unsigned int cmd, __u64 deadline, int delta)
{
	switch (cmd) {
	case KSYNC_IOC_SEM_ACQUIRE:
		return sem_acquire(fd, 1, deadline);
	case KSYNC_IOC_SEM_RELEASE:
		return sem_release(fd, 1);
	case KSYNC_IOC_WAITGROUP_ADD:
		return waitgroup_add(fd, delta);
	case KSYNC_IOC_MUTEX_UNLOCK:
	case KSYNC_IOC_RWLOCK_UNLOCK:
	case KSYNC_IOC_EVENT_SET:
	case KSYNC_IOC_EVENT_RESET:
	case KSYNC_IOC_ONCE_ABANDON:
		return basic_call(fd, cmd);
	}
	return lock_call(fd, cmd, deadline);
}

#define WAIT(deadline)	do_it(self->fd, variant->wait, deadline, 0)
#define TAKE()		do_it(self->fd, variant->take, NEVER, 1)
#define GIVE()		do_it(self->fd, variant->give, 0, -1)
#define QUEUED(n)	queued(self->fd, (n) * self->exclusive, \
			       (n) * self->shared)

FIXTURE_SETUP(cancel)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	if (variant->type == KSYNC_TYPE_SEM)
		self->fd = create_sem(self->dev, variant->flags, 1, 1);
	else
		self->fd = create(self->dev, variant->type, variant->flags, 1);
	ASSERT_LE(0, self->fd);
	self->token = create_event(self->dev, 0, 2, 0);
	ASSERT_LE(0, self->token);
	self->exclusive = !variant->shared;
	self->shared = variant->shared;
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
}

FIXTURE_TEARDOWN(cancel)
{
	peers_end();
	close(self->fd);
	close(self->token);
	close(self->dev);
}

TEST_F(cancel, cancel_wait)
{
	struct ksync_primitive_status before;

	ASSERT_EQ(0, me(TAKE()));
	before = status(self->fd);
	start(&self->a, unless(WAIT(NEVER), self->token, 1));
	start(&self->b, WAIT(NEVER));
	ASSERT_TRUE(QUEUED(2));
	EXPECT_TRUE(queued_at(self->token, 1, 0, 1));
	/* Another one does not matter. */
	ASSERT_EQ(0, me(event_set(self->token)));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(at(1, event_set(self->token))));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
	EXPECT_TRUE(QUEUED(1));
	EXPECT_TRUE(silent(&self->b));
	EXPECT_TRUE(queued_at(self->token, 1, 0, 0));
	EXPECT_EQ(before.value, status(self->fd).value);
	EXPECT_EQ(before.acquisitions, status(self->fd).acquisitions);
	/* Nothing is lost for the one behind it. */
	ASSERT_EQ(0, me(GIVE()));
	EXPECT_EQ(0, answer(&self->b));
}

TEST_F(cancel, token_that_is_set_already)
{
	ASSERT_EQ(0, me(event_set(self->token)));
	ASSERT_EQ(0, me(TAKE()));
	EXPECT_EQ(-ECANCELED,
		  ask(&self->a, unless(WAIT(NEVER), self->token, 0)));
	/* What can be had is had. */
	ASSERT_EQ(0, me(GIVE()));
	EXPECT_EQ(0, ask(&self->a, unless(WAIT(NEVER), self->token, 0)));
}

TEST_F(cancel, with_a_deadline)
{
	ASSERT_EQ(0, me(TAKE()));
	EXPECT_EQ(-ETIMEDOUT,
		  ask(&self->a, unless(WAIT(in_ms(10)), self->token, 0)));
	EXPECT_TRUE(queued(self->token, 0, 0));
	start(&self->a, unless(WAIT(soon()), self->token, 0));
	ASSERT_TRUE(QUEUED(1));
	ASSERT_EQ(0, me(event_set(self->token)));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
}

TEST_F(cancel, by_its_parent)
{
	ASSERT_EQ(0, me(event_set_parent(self->token, self->token, 1)));
	ASSERT_EQ(0, me(TAKE()));
	start(&self->a, unless(WAIT(NEVER), self->token, 0));
	ASSERT_TRUE(QUEUED(1));
	ASSERT_EQ(0, me(at(1, event_set(self->token))));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
}

/* One or the other, and what was granted is not lost. */
TEST_F(cancel, race_with_a_grant)
{
	int i, ret, won = 0, lost = 0;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, me(TAKE()));
		start(&self->a, unless(WAIT(NEVER), self->token, 0));
		if (i & 1)
			ASSERT_TRUE(QUEUED(1));
		start(&self->b, event_set(self->token));
		ASSERT_EQ(0, me(GIVE()));
		ASSERT_EQ(0, answer(&self->b));
		ret = answer(&self->a);
		ASSERT_TRUE(!ret || ret == -ECANCELED);
		won += !ret;
		lost += !!ret;
		ASSERT_EQ(0, me(event_reset(self->token)));
		ASSERT_TRUE(QUEUED(0));
		if (variant->type == KSYNC_TYPE_WAITGROUP)
			continue;
		if (variant->type == KSYNC_TYPE_EVENT) {
			ASSERT_EQ(ret ? 1 : 0, status(self->fd).value);
			continue;
		}
		if (!ret)
			ASSERT_EQ(0, ask(&self->a, GIVE()));
		/* Free for anybody. */
		ASSERT_EQ(0, me(do_it(self->fd, variant->take, LONG_AGO, 0)));
		ASSERT_EQ(0, me(GIVE()));
	}
	TH_LOG("%d granted, %d canceled", won, lost);
}

TEST_F(cancel, closed_while_it_is_waited_for)
{
	int token = create_event(self->dev, 0, 1, 0);
	struct peer p;

	/* A thread shares the descriptors; the token lives on in the wait. */
	ASSERT_EQ(0, peer_thread(&p));
	ASSERT_EQ(0, ask(&self->a, TAKE()));
	start(&p, unless(WAIT(NEVER), token, 0));
	ASSERT_TRUE(QUEUED(1));
	close(token);
	EXPECT_TRUE(silent(&p));
	ASSERT_EQ(0, ask(&self->a, GIVE()));
	EXPECT_EQ(0, answer(&p));
	if (variant->give != KSYNC_IOC_WAITGROUP_ADD &&
	    variant->give != KSYNC_IOC_EVENT_SET)
		EXPECT_EQ(0, ask(&p, GIVE()));
	peer_end(&p);
}

TEST_F(cancel, die_waiting)
{
	ASSERT_EQ(0, me(TAKE()));
	start(&self->a, unless(WAIT(NEVER), self->token, 0));
	ASSERT_TRUE(QUEUED(1));
	peer_kill(&self->a);
	EXPECT_TRUE(QUEUED(0));
	EXPECT_TRUE(queued(self->token, 0, 0));
	EXPECT_EQ(0, me(event_set(self->token)));
}

/* Refused whether or not there would be a wait. */
TEST_F(cancel, tokens_that_are_none)
{
	int reset = create_event(self->dev, KSYNC_F_AUTO_RESET, 1, 0);
	int mutex = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	int busy;

	if (variant->give == KSYNC_IOC_EVENT_SET)
		ASSERT_EQ(0, me(event_set(self->fd)));
	for (busy = 0; busy < 2; busy++) {
		EXPECT_EQ(-EINVAL, ask(&self->a, unless(WAIT(LONG_AGO),
							self->token, 2)));
		EXPECT_EQ(-EINVAL, ask(&self->a, unless(WAIT(LONG_AGO),
							self->dev, 0)));
		EXPECT_EQ(-EINVAL, ask(&self->a, unless(WAIT(LONG_AGO),
							KSYNC_NO_FD, 1)));
		EXPECT_EQ(-EBADF, ask(&self->a, unless(WAIT(LONG_AGO),
						       -2, 0)));
		EXPECT_EQ(-EBADF, ask(&self->a, unless(WAIT(LONG_AGO),
						       1 << 20, 0)));
		EXPECT_EQ(-EINVAL, me(unless(WAIT(LONG_AGO), reset, 0)));
		EXPECT_EQ(-EINVAL, me(unless(WAIT(LONG_AGO), mutex, 0)));
		if (!busy)
			ASSERT_EQ(0, me(TAKE()));
	}
	EXPECT_EQ(-ETIMEDOUT, ask(&self->a, unless(WAIT(LONG_AGO),
						   KSYNC_NO_FD, 0)));
	close(reset);
	close(mutex);
}

UAPI_MAIN
