// SPDX-License-Identifier: GPL-2.0-only
/* Semaphores: what they do while everybody lives, and misuse. */

#include "actor.h"

FIXTURE(semaphore) {
	struct ksync_sem *s;
	struct actor a, b, c;
};

/* Made with 4 permits of at most 6; the tracked ones with 4 of 4. */
FIXTURE_VARIANT(semaphore) {
	enum actor_kind kind;
	uint32_t flags, max;
};

FIXTURE_VARIANT_ADD(semaphore, process) { .kind = ACTOR_PROCESS, .max = 6 };
FIXTURE_VARIANT_ADD(semaphore, guarded) {
	.kind = ACTOR_THREAD, .flags = KSYNC_GUARDED, .max = 6,
};
FIXTURE_VARIANT_ADD(semaphore, tracked) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_TRACKED, .max = 4,
};
FIXTURE_VARIANT_ADD(semaphore, tracked_thread) {
	.kind = ACTOR_THREAD, .flags = KSYNC_TRACKED, .max = 4,
};

FIXTURE_SETUP(semaphore)
{
	struct ksync_options o = {
		.flags = variant->flags, .value = 4, .max = variant->max,
	};

	REQUIRE_BACKEND();
	REQUIRE_FLAGS(variant->flags);
	ASSERT_EQ(0, ksync_sem_create(&self->s, &o));
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->b, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->c, variant->kind));
}

FIXTURE_TEARDOWN(semaphore)
{
	actor_end(&self->a);
	actor_end(&self->b);
	actor_end(&self->c);
	ksync_sem_close(self->s);
}

#define DO(actor, job, arg) actor_do(&self->actor, job, self->s, arg)
#define START(actor, job, arg) actor_start(&self->actor, job, self->s, arg)
#define STATUS sem_status(self->s)
#define QUEUED(n) ASSERT_TRUE(WAIT_FOR(STATUS.waiters == (n)))
#define TRACKED (variant->flags & KSYNC_TRACKED)

TEST_F(semaphore, acquire_and_release)
{
	EXPECT_EQ(4, ksync_sem_value(self->s));
	EXPECT_EQ(variant->max, STATUS.max);
	EXPECT_EQ(0, ksync_sem_acquire(self->s, 1));
	EXPECT_EQ(0, ksync_sem_acquire_until(self->s, 2, PATIENTLY));
	EXPECT_EQ(1, ksync_sem_value(self->s));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_EQ(-EBUSY, ksync_sem_tryacquire(self->s, 2));
	EXPECT_EQ(0, ksync_sem_tryacquire(self->s, 1));
	EXPECT_EQ(0, ksync_sem_value(self->s));
	EXPECT_EQ(-EBUSY, ksync_sem_tryacquire(self->s, 1));
	EXPECT_EQ(-ETIMEDOUT, ksync_sem_acquire_until(self->s, 1, within(20)));
	EXPECT_EQ(0, ksync_sem_release(self->s, 3));
	EXPECT_EQ(0, ksync_sem_release(self->s, 1));
	EXPECT_EQ(4, ksync_sem_value(self->s));
	EXPECT_EQ(3, STATUS.acquisitions);
	EXPECT_EQ(0, STATUS.waiters);
}

TEST_F(semaphore, counts_of_zero)
{
	EXPECT_EQ(-EINVAL, ksync_sem_acquire(self->s, 0));
	EXPECT_EQ(-EINVAL, ksync_sem_tryacquire(self->s, 0));
	EXPECT_EQ(-EINVAL, ksync_sem_acquire_until(self->s, 0, PATIENTLY));
	EXPECT_EQ(-EINVAL, ksync_sem_release(self->s, 0));
	EXPECT_EQ(4, ksync_sem_value(self->s));
}

TEST_F(semaphore, sem_overflow)
{
	uint32_t room = variant->max - 4;

	if (TRACKED)
		SKIP(return, "with tracking it is -EPERM first: sem_foreign");
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(self->s, room + 1));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(self->s, INT32_MAX));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(self->s, UINT32_MAX));
	EXPECT_EQ(4, ksync_sem_value(self->s));
	EXPECT_EQ(0, ksync_sem_release(self->s, room));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(self->s, 1));
	EXPECT_EQ(6, ksync_sem_value(self->s));
}

/* More than there will ever be: no endless wait, however many are free. */
TEST_F(semaphore, sem_too_large)
{
	uint32_t n = variant->max + 1;

	EXPECT_EQ(-EINVAL, ksync_sem_acquire(self->s, n));
	EXPECT_EQ(-EINVAL, ksync_sem_acquire_until(self->s, n, PATIENTLY));
	EXPECT_EQ(-EINVAL, ksync_sem_tryacquire(self->s, n));
	EXPECT_EQ(-EINVAL, ksync_sem_acquire(self->s, UINT32_MAX));
	EXPECT_EQ(4, ksync_sem_value(self->s));
}

/* Permits of a tracked semaphore belong to the process that took them. */
TEST_F(semaphore, sem_foreign)
{
	int foreign = variant->kind == ACTOR_THREAD ? 0 : -EPERM;

	if (!TRACKED)
		SKIP(return, "without tracking anybody may release");
	EXPECT_EQ(-EPERM, ksync_sem_release(self->s, 1));
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 2));
	EXPECT_EQ(-EPERM, ksync_sem_release(self->s, 3));
	EXPECT_EQ(-EPERM, ksync_sem_release(self->s, UINT32_MAX));
	EXPECT_EQ(2, ksync_sem_value(self->s));
	/* Any thread of the process, but no other process. */
	EXPECT_EQ(foreign, DO(a, job_sem_release, 1));
	if (!foreign)
		ASSERT_EQ(0, ksync_sem_acquire(self->s, 1));
	EXPECT_EQ(0, ksync_sem_release(self->s, 1));
	EXPECT_EQ(0, ksync_sem_release(self->s, 1));
	EXPECT_EQ(-EPERM, ksync_sem_release(self->s, 1));
	EXPECT_EQ(4, ksync_sem_value(self->s));
}

/* A permit taken here and released there, as semaphores without owners are. */
TEST_F(semaphore, released_by_another)
{
	if (TRACKED)
		SKIP(return, "not with tracking: sem_foreign");
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 4));
	START(a, job_sem_acquire, 1);
	QUEUED(1);
	EXPECT_EQ(0, DO(b, job_sem_release, 1));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, ksync_sem_value(self->s));
}

TEST_F(semaphore, acquire_waits)
{
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 4));
	START(a, job_sem_acquire, 2);
	QUEUED(1);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, ksync_sem_release(self->s, 1));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, ksync_sem_release(self->s, 1));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, ksync_sem_value(self->s));
	EXPECT_EQ(0, STATUS.waiters);
	EXPECT_LE(1, STATUS.contended);
}

/* A large request at the head is not overtaken, not even by a try. */
TEST_F(semaphore, sem_large_at_the_head)
{
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 4));
	START(a, job_sem_acquire, 3);
	QUEUED(1);
	START(b, job_sem_acquire, 1);
	QUEUED(2);
	EXPECT_EQ(0, ksync_sem_release(self->s, 2));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	EXPECT_TRUE(actor_busy(&self->a, 0));
	EXPECT_EQ(-EBUSY, DO(c, job_sem_tryacquire, 1));
	EXPECT_EQ(0, ksync_sem_release(self->s, 1));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	EXPECT_EQ(0, ksync_sem_release(self->s, 1));
	EXPECT_EQ(0, actor_result(&self->b));
}

/* One release for several that wait. */
TEST_F(semaphore, release_for_several)
{
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 4));
	START(a, job_sem_acquire, 1);
	QUEUED(1);
	START(b, job_sem_acquire, 2);
	QUEUED(2);
	START(c, job_sem_acquire, 1);
	QUEUED(3);
	EXPECT_EQ(0, ksync_sem_release(self->s, 4));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, actor_result(&self->c));
	EXPECT_EQ(0, ksync_sem_value(self->s));
}

static long acquire_three_for_a_while(void *obj, uint64_t ms)
{
	return ksync_sem_acquire_until(obj, 3, within(ms));
}

/*
 * When the head gives up, those behind it that fit now are woken at once. Its
 * deadline must not come before they stand behind it: if it did, once more with
 * a longer one.
 */
TEST_F(semaphore, sem_cancel_head)
{
	bool behind = false;
	int ms;

	ASSERT_EQ(0, ksync_sem_acquire(self->s, 2));
	for (ms = 100; !behind && ms < PATIENCE_MS; ms *= 4) {
		START(a, acquire_three_for_a_while, ms);
		ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1 ||
				     !actor_busy(&self->a, 0)));
		START(b, job_sem_acquire, 1);
		START(c, job_sem_acquire, 1);
		while (actor_busy(&self->a, 0) && !behind)
			behind = STATUS.waiters == 3;
		EXPECT_EQ(-ETIMEDOUT, actor_result(&self->a));
		EXPECT_EQ(0, actor_result(&self->b));
		EXPECT_EQ(0, actor_result(&self->c));
		EXPECT_EQ(0, ksync_sem_value(self->s));
		EXPECT_EQ(0, STATUS.waiters);
		EXPECT_EQ(0, DO(b, job_sem_release, 1));
		EXPECT_EQ(0, DO(c, job_sem_release, 1));
	}
	EXPECT_TRUE(behind);
}

TEST_F(semaphore, resize_rejects)
{
	EXPECT_EQ(-EINVAL, ksync_sem_resize(self->s, 0));
	EXPECT_EQ(-EINVAL, ksync_sem_resize(self->s, 1U << 31));
	EXPECT_EQ(-EINVAL, ksync_sem_resize(self->s, UINT32_MAX));
	EXPECT_EQ(variant->max, STATUS.max);
	EXPECT_EQ(4, ksync_sem_value(self->s));
}

TEST_F(semaphore, resize)
{
	if (TRACKED)
		SKIP(return, "has its own test");
	EXPECT_EQ(-EBUSY, ksync_sem_resize(self->s, 3));
	EXPECT_EQ(6, STATUS.max);
	EXPECT_EQ(0, ksync_sem_resize(self->s, 4));
	EXPECT_EQ(4, ksync_sem_value(self->s));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(self->s, 1));
	EXPECT_EQ(-EINVAL, ksync_sem_tryacquire(self->s, 5));
	EXPECT_EQ(0, ksync_sem_resize(self->s, INT32_MAX));
	EXPECT_EQ(4, ksync_sem_value(self->s));
	EXPECT_EQ(INT32_MAX, STATUS.max);
	EXPECT_EQ(0, ksync_sem_release(self->s, INT32_MAX - 4));
	EXPECT_EQ(INT32_MAX, ksync_sem_value(self->s));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(self->s, 1));
	EXPECT_EQ(0, ksync_sem_acquire(self->s, INT32_MAX));
}

/* Each permit is free or held: the maximum brings and takes free ones. */
TEST_F(semaphore, resize_tracked)
{
	if (!TRACKED)
		SKIP(return, "has its own test");
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 3));
	EXPECT_EQ(-EBUSY, ksync_sem_resize(self->s, 2));
	EXPECT_EQ(1, ksync_sem_value(self->s));
	EXPECT_EQ(0, ksync_sem_resize(self->s, 3));
	EXPECT_EQ(0, ksync_sem_value(self->s));
	START(a, job_sem_acquire, 2);
	QUEUED(1);
	EXPECT_EQ(0, ksync_sem_resize(self->s, 6));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(1, ksync_sem_value(self->s));
	EXPECT_EQ(0, ksync_sem_release(self->s, 3));
	EXPECT_EQ(4, ksync_sem_value(self->s));
}

/* Waiters that want more than the new maximum are told, the others served. */
TEST_F(semaphore, resize_below_a_waiter)
{
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 2));
	START(a, job_sem_acquire, 4);
	QUEUED(1);
	START(b, job_sem_acquire, 1);
	QUEUED(2);
	EXPECT_EQ(0, ksync_sem_resize(self->s, 3));
	EXPECT_EQ(-EINVAL, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(TRACKED ? 0 : 1, ksync_sem_value(self->s));
}

struct pool {
	struct ksync_sem *s;
	volatile int out;	/* atomically: permits in use */
};

static long take_and_give(void *obj, uint64_t seed)
{
	uint64_t until = now_ns() + NSEC_PER_SEC / 4, random = seed;
	struct pool *p = obj;
	int err;

	while (now_ns() < until) {
		int n = 1 + next_random(&random) % 4;

		err = ksync_sem_acquire_until(p->s, n, PATIENTLY);
		if (err)
			return err;
		if (__atomic_add_fetch(&p->out, n, __ATOMIC_RELAXED) > 4)
			return -EBADMSG;
		sched_yield();
		__atomic_sub_fetch(&p->out, n, __ATOMIC_RELAXED);
		err = ksync_sem_release(p->s, n);
		if (err)
			return err;
	}
	return 0;
}

TEST_F(semaphore, never_more_than_there_are)
{
	struct pool *p = shared_memory(sizeof(*p));
	struct actor *actors[] = { &self->a, &self->b, &self->c };
	uint64_t seed = test_seed();
	int i;

	p->s = self->s;
	for (i = 0; i < 3; i++)
		actor_start(actors[i], take_and_give, p, seed + i);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, actor_result(actors[i]));
	EXPECT_EQ(4, ksync_sem_value(self->s));
	EXPECT_EQ(0, STATUS.waiters);
	EXPECT_EQ(0, STATUS.deaths);
}

/* A handle copied by fork: the permits of each are its own. */
TEST_F(semaphore, copied_handle)
{
	if (!TRACKED || variant->kind == ACTOR_THREAD)
		SKIP(return, "about permits that belong to processes");
	ASSERT_EQ(0, ksync_sem_acquire(self->s, 2));
	EXPECT_EQ(0, DO(a, job_sem_acquire, 1));
	EXPECT_EQ(-EPERM, DO(a, job_sem_release, 2));
	EXPECT_EQ(-EPERM, DO(b, job_sem_release, 1));
	EXPECT_EQ(0, DO(a, job_sem_release, 1));
	EXPECT_EQ(-EPERM, DO(a, job_sem_release, 1));
	EXPECT_EQ(0, ksync_sem_release(self->s, 2));
	EXPECT_EQ(4, ksync_sem_value(self->s));
}

TEST_F(semaphore, several_in_one_object)
{
	struct ksync_options o = {
		.flags = variant->flags, .nr = 3, .value = 2, .max = 2,
	};
	struct ksync_sem *s;

	ASSERT_EQ(0, ksync_sem_create(&s, &o));
	EXPECT_EQ(NULL, ksync_sem_at(s, 3));
	EXPECT_EQ(0, ksync_sem_acquire(ksync_sem_at(s, 1), 2));
	EXPECT_EQ(2, ksync_sem_value(s));
	EXPECT_EQ(0, ksync_sem_value(ksync_sem_at(s, 1)));
	EXPECT_EQ(2, ksync_sem_value(ksync_sem_at(s, 2)));
	ksync_sem_close(s);
}

TEST(default_maximum)
{
	struct ksync_sem *s;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_sem_create(&s, NULL));
	EXPECT_EQ(0, ksync_sem_value(s));
	EXPECT_EQ(INT32_MAX, sem_status(s).max);
	EXPECT_EQ(-EBUSY, ksync_sem_tryacquire(s, INT32_MAX));
	EXPECT_EQ(-EINVAL, ksync_sem_tryacquire(s, 1U << 31));
	EXPECT_EQ(0, ksync_sem_release(s, INT32_MAX));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(s, 1));
	EXPECT_EQ(0, ksync_sem_acquire(s, INT32_MAX));
	ksync_sem_close(s);
}

TEST_HARNESS_MAIN
