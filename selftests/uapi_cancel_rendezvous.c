// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits at conditions, barriers and onces that an event cancels: what becomes
 * of the mutex, the round and the right to run, also if the event is set as the
 * wait is over anyway. KSYNC_SEED repeats the delays of the races.
 */
#include "uapi_peer.h"
#include "uapi_rendezvous.h"
#include "all_processors.h"

#define RACES 100

FIXTURE(cancel)
{
	int dev, cond, m, barrier, once, token;
	unsigned int seed;
	struct peer a, b, c;
};

FIXTURE_VARIANT(cancel)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(cancel, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(cancel, guarded)
{
	.flags = KSYNC_F_GUARDED,
};

FIXTURE_SETUP(cancel)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->cond = create(self->dev, KSYNC_TYPE_COND, variant->flags, 1);
	self->m = create(self->dev, KSYNC_TYPE_MUTEX, variant->flags, 1);
	self->once = create(self->dev, KSYNC_TYPE_ONCE, variant->flags, 1);
	self->barrier = create_barrier(self->dev, variant->flags, 1, 3);
	self->token = create_event(self->dev, 0, 2, 0);
	ASSERT_LE(0, self->cond);
	ASSERT_LE(0, self->m);
	ASSERT_LE(0, self->once);
	ASSERT_LE(0, self->barrier);
	ASSERT_LE(0, self->token);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(cancel)
{
	peers_end();
	close(self->dev);
	close(self->cond);
	close(self->m);
	close(self->once);
	close(self->barrier);
	close(self->token);
}

static unsigned int race_seed(void)
{
	const char *env = getenv("KSYNC_SEED");
	unsigned int seed = env ? strtoul(env, NULL, 0) : now_ns() % 1000000007;

	printf("# KSYNC_SEED=%u\n", seed);
	fflush(stdout);
	return seed;
}

/* Long enough for one of two that race to get ahead of the other. */
static void some_time(unsigned int *seed)
{
	__u64 until = now_ns() + rand_r(seed) % 200000;

	while (now_ns() < until)
		;
}

/* With the mutex, which it must have again whatever ends the wait. */
static int wait_and_unlock(struct call *c)
{
	int m = c->arg.cond.mutex, ret = me(mutex_lock(m, NEVER));

	if (!ret)
		ret = call_run(c);
	return me(mutex_unlock(m)) ?: ret;
}

#define COND_WAIT(deadline) cond_wait(self->cond, self->m, deadline)
#define WAITS(peer, call, nr) do {					\
	start_fn(&self->peer, wait_and_unlock, call);			\
	ASSERT_TRUE(queued(self->cond, 0, nr));				\
} while (0)

TEST_F(cancel, wait_at_a_condition)
{
	WAITS(a, unless(COND_WAIT(NEVER), self->token, 1), 1);
	WAITS(b, COND_WAIT(NEVER), 2);
	EXPECT_TRUE(queued_at(self->token, 1, 0, 1));
	ASSERT_EQ(0, me(event_set(self->token)));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(at(1, event_set(self->token))));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
	EXPECT_TRUE(queued(self->cond, 0, 1));
	EXPECT_TRUE(queued_at(self->token, 1, 0, 0));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, me(cond_signal(self->cond)));
	EXPECT_EQ(0, answer(&self->b));
}

/* The event is set already: the others get the mutex all the same. */
TEST_F(cancel, token_that_is_set_already)
{
	ASSERT_EQ(0, me(event_set(self->token)));
	start_fn(&self->a, wait_and_unlock,
		 unless(COND_WAIT(NEVER), self->token, 0));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
	start_fn(&self->a, wait_and_unlock,
		 unless(COND_WAIT(LONG_AGO), self->token, 0));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
	EXPECT_EQ(2, status(self->cond).acquisitions);
	EXPECT_EQ(4, status(self->m).token);
}

/* Neither the deadline nor the event ends the wait for the mutex. */
TEST_F(cancel, not_without_the_mutex)
{
	WAITS(a, unless(COND_WAIT(NEVER), self->token, 0), 1);
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(event_set(self->token)));
	ASSERT_TRUE(queued(self->m, 1, 0));
	EXPECT_TRUE(queued(self->cond, 0, 0));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
}

/* Who was signalled waits for the mutex, and is not cancelled there. */
TEST_F(cancel, signalled_before)
{
	WAITS(a, unless(COND_WAIT(NEVER), self->token, 0), 1);
	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(cond_signal(self->cond)));
	ASSERT_EQ(0, me(event_set(self->token)));
	EXPECT_TRUE(silent(&self->a));
	ASSERT_EQ(0, me(mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&self->a));
}

TEST_F(cancel, die_holding_mutex)
{
	WAITS(a, unless(COND_WAIT(NEVER), self->token, 0), 1);
	ASSERT_EQ(0, ask(&self->b, mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, me(event_set(self->token)));
	ASSERT_TRUE(queued(self->m, 1, 0));
	peer_kill(&self->b);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->a));
}

TEST_F(cancel, die_waiting)
{
	WAITS(a, unless(COND_WAIT(NEVER), self->token, 0), 1);
	peer_kill(&self->a);
	EXPECT_TRUE(queued(self->cond, 0, 0));
	EXPECT_TRUE(queued(self->token, 0, 0));
	EXPECT_EQ(0, me(event_set(self->token)));
	EXPECT_EQ(0, me(mutex_lock(self->m, NEVER)));
}

/* One signal, one event, two waiters: the signal is one's, whoever it is. */
TEST_F(cancel, race_with_a_signal)
{
	unsigned int seed = race_seed();
	int i, ret, canceled = 0;

	for (i = 0; i < RACES; i++) {
		WAITS(a, unless(COND_WAIT(NEVER), self->token, 0), 1);
		WAITS(b, COND_WAIT(NEVER), 2);
		start(&self->c, event_set(self->token));
		some_time(&seed);
		ASSERT_EQ(0, me(cond_signal(self->cond)));
		ret = answer(&self->a);
		ASSERT_EQ(0, answer(&self->c));
		if (ret) {
			ASSERT_EQ(-ECANCELED, ret);
			canceled++;
		} else {
			ASSERT_TRUE(is_queued(self->cond, 0, 0, 1));
			ASSERT_EQ(0, me(cond_signal(self->cond)));
		}
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(0, me(event_reset(self->token)));
		ASSERT_TRUE(is_queued(self->cond, 0, 0, 0));
		ASSERT_TRUE(is_queued(self->m, 0, 0, 0));
		ASSERT_EQ(0, status(self->m).holder_id);
	}
	TH_LOG("%d signalled, %d canceled", i - canceled, canceled);
}

#define BROKEN() (!!(status(self->barrier).flags & KSYNC_STATUS_BROKEN))

TEST_F(cancel, wait_at_a_barrier)
{
	start(&self->a, unless(barrier_wait(self->barrier, NEVER),
			       self->token, 0));
	start(&self->b, barrier_wait(self->barrier, NEVER));
	ASSERT_TRUE(queued(self->barrier, 0, 2));
	EXPECT_FALSE(BROKEN());
	ASSERT_EQ(0, me(event_set(self->token)));
	EXPECT_EQ(-ECANCELED, answer(&self->a));
	EXPECT_EQ(-EPIPE, answer(&self->b));
	EXPECT_TRUE(BROKEN());
	EXPECT_EQ(1, status(self->barrier).lost);
	EXPECT_TRUE(queued(self->token, 0, 0));
	ASSERT_EQ(0, me(barrier_reset(self->barrier)));
	/* As with a deadline that has passed: it has arrived, and gives up. */
	EXPECT_EQ(-ECANCELED, me(unless(barrier_wait(self->barrier, NEVER),
					self->token, 0)));
	EXPECT_TRUE(BROKEN());
	EXPECT_EQ(-EPIPE, me(unless(barrier_wait(self->barrier, NEVER),
				    self->token, 0)));
}

/* The last party waits for nobody. */
TEST_F(cancel, last_party)
{
	start(&self->a, barrier_wait(self->barrier, NEVER));
	start(&self->b, barrier_wait(self->barrier, NEVER));
	ASSERT_TRUE(queued(self->barrier, 0, 2));
	ASSERT_EQ(0, me(event_set(self->token)));
	EXPECT_EQ(1, me(unless(barrier_wait(self->barrier, NEVER),
			       self->token, 0)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, answer(&self->b));
}

TEST_F(cancel, race_with_the_last_party)
{
	unsigned int seed = race_seed();
	int i, ra, rb, rc, canceled = 0;

	for (i = 0; i < RACES; i++) {
		start(&self->a, unless(barrier_wait(self->barrier, NEVER),
				       self->token, 0));
		start(&self->b, barrier_wait(self->barrier, NEVER));
		ASSERT_TRUE(queued(self->barrier, 0, 2));
		start(&self->c, event_set(self->token));
		some_time(&seed);
		rc = me(barrier_wait(self->barrier, NEVER));
		ra = answer(&self->a);
		rb = answer(&self->b);
		ASSERT_EQ(0, answer(&self->c));
		/* All or none. */
		if (ra == -ECANCELED) {
			ASSERT_TRUE(rb == -EPIPE && rc == -EPIPE);
			canceled++;
		} else {
			ASSERT_TRUE(!ra && !rb && rc == 1);
		}
		ASSERT_TRUE(is_queued(self->barrier, 0, 0, 0));
		ASSERT_EQ(0, me(barrier_reset(self->barrier)));
		ASSERT_EQ(0, me(event_reset(self->token)));
	}
	TH_LOG("%d whole, %d canceled", i - canceled, canceled);
}

/* The right to run is somebody's, or free; the run of the dead is told of. */
TEST_F(cancel, race_with_the_runner)
{
	unsigned int seed = race_seed();
	int i, ret, canceled = 0;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, me(once_begin(self->once, NEVER)));
		start(&self->a, unless(once_begin(self->once, NEVER),
				       self->token, 0));
		start(&self->b, once_begin(self->once, NEVER));
		ASSERT_TRUE(queued(self->once, 2, 0));
		start(&self->c, event_set(self->token));
		some_time(&seed);
		ASSERT_EQ(0, me(once_abandon(self->once)));
		ret = answer(&self->a);
		ASSERT_EQ(0, answer(&self->c));
		if (ret) {
			ASSERT_EQ(-ECANCELED, ret);
			canceled++;
		} else {
			ASSERT_TRUE(silent(&self->b));
			ASSERT_EQ(0, ask(&self->a, once_abandon(self->once)));
		}
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(0, ask(&self->b, once_abandon(self->once)));
		ASSERT_EQ(0, me(event_reset(self->token)));
		ASSERT_EQ(0, status(self->once).holder_id);
	}
	TH_LOG("%d run, %d canceled", i - canceled, canceled);
}

TEST_F(cancel, race_with_the_result)
{
	unsigned int seed = race_seed();
	int i, ret, canceled = 0;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, me(once_begin(self->once, NEVER)));
		start(&self->a, unless(once_begin(self->once, NEVER),
				       self->token, 0));
		ASSERT_TRUE(queued(self->once, 1, 0));
		start(&self->c, event_set(self->token));
		some_time(&seed);
		ASSERT_EQ(0, me(once_complete(self->once, 1000 + i)));
		ret = answer(&self->a);
		ASSERT_EQ(0, answer(&self->c));
		if (ret == -EALREADY) {
			ASSERT_EQ(1000 + i, self->a.out.begin.result);
		} else {
			ASSERT_EQ(-ECANCELED, ret);
			canceled++;
		}
		/* What is done is had, whether or not the event is set. */
		ASSERT_EQ(-EALREADY, ask(&self->a,
					 unless(once_begin(self->once, NEVER),
						self->token, 0)));
		ASSERT_EQ(0, me(once_reset(self->once)));
		ASSERT_EQ(0, me(event_reset(self->token)));
	}
	TH_LOG("%d told, %d canceled", i - canceled, canceled);
}

/* Refused before anything happens. */
TEST_F(cancel, tokens_that_are_none)
{
	int reset = create_event(self->dev, KSYNC_F_AUTO_RESET, 1, 0), i;
	struct call calls[] = {
		COND_WAIT(LONG_AGO), barrier_wait(self->barrier, LONG_AGO),
	};

	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, me(unless(calls[i], reset, 0)));
		EXPECT_EQ(-EINVAL, me(unless(calls[i], self->m, 0)));
		EXPECT_EQ(-EINVAL, me(unless(calls[i], self->token, 2)));
		EXPECT_EQ(-EINVAL, me(unless(calls[i], KSYNC_NO_FD, 1)));
		EXPECT_EQ(-EBADF, me(unless(calls[i], -2, 0)));
	}
	EXPECT_EQ(1, status(self->m).token);
	EXPECT_FALSE(BROKEN());
	EXPECT_EQ(-ETIMEDOUT, me(unless(calls[0], KSYNC_NO_FD, 0)));
	EXPECT_EQ(-ETIMEDOUT, me(unless(calls[1], KSYNC_NO_FD, 0)));
	close(reset);
}

UAPI_MAIN
