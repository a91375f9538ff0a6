// SPDX-License-Identifier: GPL-2.0-only
/* Mutexes whose holders and waiters die, on every road. */

#include "death.h"

/* The victim ends on its road, the others are there to see it. */
struct scene {
	struct ksync_mutex *m;
	struct ksync_mutex *plain;
	struct actor victim, waiter;
};

static int set_scene(struct scene *s, enum actor_kind kind)
{
	struct ksync_options o = { .nr = 200, .flags = KSYNC_RECURSIVE };

	return ksync_mutex_create(&s->m, &o) ?:
	       ksync_mutex_create(&s->plain, NULL) ?:
	       actor_begin(&s->victim, kind) ?:
	       actor_begin(&s->waiter, ACTOR_PROCESS);
}

static void clear_scene(struct scene *s)
{
	actor_end(&s->victim);
	actor_end(&s->waiter);
	ksync_mutex_close(s->plain);
	ksync_mutex_close(s->m);
}

DEATH_FIXTURE(death, ROADS);
DEATH_FIXTURE(aftermath, ROADS_ONE_OF_EACH);

#define DO(actor, job) \
	actor_do(&self->scene.actor, job, self->scene.m, 0)
#define START(actor, job) \
	actor_start(&self->scene.actor, job, self->scene.m, 0)

/* One that comes after the death, and everything that follows from it. */
TEST_F(death, die_holding_mutex)
{
	uint64_t died, token;
	struct ksync_status st;

	ASSERT_EQ(0, DO(victim, job_mutex_lock));
	token = ksync_mutex_token(self->scene.m);
	actor_die(&self->scene.victim, variant->road);
	died = now_ns();
	ASSERT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(self->scene.m, PATIENTLY));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);

	EXPECT_LT(token, ksync_mutex_token(self->scene.m));
	st = mutex_status(self->scene.m);
	EXPECT_EQ(KSYNC_IS_INCONSISTENT, st.flags);
	EXPECT_EQ(1, st.deaths);
	EXPECT_EQ(getpid(), st.holder_pid);
	/* It is held like any other. */
	EXPECT_EQ(-EBUSY, DO(waiter, job_mutex_trylock));
	EXPECT_EQ(-EPERM, DO(waiter, job_mutex_consistent));
	EXPECT_EQ(0, ksync_mutex_consistent(self->scene.m));
	EXPECT_EQ(-EINVAL, ksync_mutex_consistent(self->scene.m));
	EXPECT_EQ(0, mutex_status(self->scene.m).flags);
	EXPECT_EQ(0, ksync_mutex_unlock(self->scene.m));
	/* Told once: it is repaired. */
	EXPECT_EQ(0, DO(waiter, job_mutex_lock));
	EXPECT_EQ(0, DO(waiter, job_mutex_unlock));
	EXPECT_EQ(1, mutex_status(self->scene.m).deaths);
}

/* One that sleeps already when it happens. */
TEST_F(death, die_holding_mutex_waited_for)
{
	uint64_t died;

	ASSERT_EQ(0, DO(victim, job_mutex_lock));
	START(waiter, job_mutex_lock);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->scene.m).waiters == 1));
	actor_die(&self->scene.victim, variant->road);
	died = now_ns();
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.waiter));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);
	EXPECT_EQ(0, DO(waiter, job_mutex_consistent));
	EXPECT_EQ(0, DO(waiter, job_mutex_unlock));
	EXPECT_EQ(0, ksync_mutex_lock_until(self->scene.m, PATIENTLY));
	EXPECT_EQ(0, ksync_mutex_unlock(self->scene.m));
}

/* The one who was told dies too: the next one is told again. */
TEST_F(aftermath, die_twice)
{
	ASSERT_EQ(0, DO(waiter, job_mutex_lock));
	actor_kill(&self->scene.waiter);
	ASSERT_EQ(-EOWNERDEAD,
		  actor_do(&self->scene.victim, job_mutex_lock, self->scene.m, PATIENCE_MS));
	actor_die(&self->scene.victim, variant->road);
	EXPECT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(self->scene.m, PATIENTLY));
	EXPECT_EQ(2, mutex_status(self->scene.m).deaths);
	EXPECT_EQ(0, ksync_mutex_consistent(self->scene.m));
	EXPECT_EQ(0, ksync_mutex_unlock(self->scene.m));
	EXPECT_EQ(0, ksync_mutex_lock_until(self->scene.m, PATIENTLY));
}

/* Given back without consistent: nobody gets it, neither now nor later. */
TEST_F(aftermath, die_unrepaired)
{
	struct actor late;

	ASSERT_EQ(0, DO(victim, job_mutex_lock));
	actor_die(&self->scene.victim, variant->road);
	ASSERT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(self->scene.m, PATIENTLY));
	START(waiter, job_mutex_lock);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->scene.m).waiters == 1));
	EXPECT_EQ(0, ksync_mutex_unlock(self->scene.m));

	EXPECT_EQ(-ENOTRECOVERABLE, actor_result(&self->scene.waiter));
	EXPECT_EQ(-ENOTRECOVERABLE, ksync_mutex_lock(self->scene.m));
	EXPECT_EQ(-ENOTRECOVERABLE, ksync_mutex_trylock(self->scene.m));
	EXPECT_EQ(-ENOTRECOVERABLE,
		  ksync_mutex_lock_until(self->scene.m, PATIENTLY));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->scene.m));
	EXPECT_EQ(-EPERM, ksync_mutex_consistent(self->scene.m));
	ASSERT_EQ(0, actor_begin(&late, ACTOR_PROCESS));
	EXPECT_EQ(-ENOTRECOVERABLE,
		  actor_do(&late, job_mutex_trylock, self->scene.m, 0));
	EXPECT_EQ(-ENOTRECOVERABLE, actor_do(&late, job_mutex_lock, self->scene.m, 0));
	actor_end(&late);
	EXPECT_TRUE(mutex_status(self->scene.m).flags & KSYNC_IS_LOST);
	EXPECT_EQ(0, mutex_status(self->scene.m).held);
	EXPECT_EQ(0, mutex_status(self->scene.m).waiters);
	/* Its neighbours are none the worse. */
	EXPECT_EQ(0, ksync_mutex_lock(ksync_mutex_at(self->scene.m, 1)));
}

static long lock_all(void *obj, uint64_t nr)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		err = ksync_mutex_lock(ksync_mutex_at(obj, i));
	return err;
}

/* The heir has never waited, and nobody else is about: the fastest unlock. */
TEST_F(death, die_unrepaired_alone)
{
	struct ksync_mutex *m = self->scene.plain;
	struct scene *s = &self->scene;

	ASSERT_EQ(0, actor_do(&s->victim, job_mutex_lock, m, 0));
	/* Then it knows the mutex, too. */
	ASSERT_EQ(-EBUSY, actor_do(&s->waiter, job_mutex_trylock, m, 0));
	actor_die(&s->victim, variant->road);
	ASSERT_TRUE(WAIT_FOR(actor_do(&s->waiter, job_mutex_trylock, m, 0) ==
			     -EOWNERDEAD));
	EXPECT_EQ(0, actor_do(&s->waiter, job_mutex_unlock, m, 0));
	EXPECT_EQ(-ENOTRECOVERABLE, ksync_mutex_lock(m));
	EXPECT_EQ(-ENOTRECOVERABLE,
		  actor_do(&s->waiter, job_mutex_trylock, m, 0));
}

TEST_F(aftermath, die_holding_many)
{
	struct ksync_mutex *m;
	int i;

	ASSERT_EQ(0, actor_do(&self->scene.victim, lock_all, self->scene.m, 200));
	actor_die(&self->scene.victim, variant->road);
	for (i = 0; i < 200; i++) {
		m = ksync_mutex_at(self->scene.m, i);
		ASSERT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(m, PATIENTLY));
		ASSERT_EQ(0, ksync_mutex_consistent(m));
		ASSERT_EQ(0, ksync_mutex_unlock(m));
	}
}

/* However deep it was locked, it is given back whole. */
TEST_F(aftermath, die_holding_recursive)
{
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, DO(victim, job_mutex_lock));
	actor_die(&self->scene.victim, variant->road);
	ASSERT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(self->scene.m, PATIENTLY));
	EXPECT_EQ(0, ksync_mutex_lock(self->scene.m));
	EXPECT_EQ(0, ksync_mutex_consistent(self->scene.m));
	EXPECT_EQ(0, ksync_mutex_unlock(self->scene.m));
	EXPECT_EQ(-EBUSY, DO(waiter, job_mutex_trylock));
	EXPECT_EQ(0, ksync_mutex_unlock(self->scene.m));
	EXPECT_EQ(0, DO(waiter, job_mutex_trylock));
}

/* Who does not hold it, takes nothing along. */
TEST_F(death, die_holding_nothing)
{
	ASSERT_EQ(0, DO(victim, job_mutex_lock));
	ASSERT_EQ(0, DO(victim, job_mutex_unlock));
	ASSERT_EQ(0, ksync_mutex_lock(self->scene.m));
	EXPECT_EQ(-EBUSY, DO(victim, job_mutex_trylock));
	actor_die(&self->scene.victim, variant->road);
	/* Past the time by which deaths have been noticed. */
	START(waiter, job_mutex_lock);
	EXPECT_TRUE(actor_busy(&self->scene.waiter, no_death_ms()));
	EXPECT_EQ(0, ksync_mutex_unlock(self->scene.m));
	EXPECT_EQ(0, actor_result(&self->scene.waiter));
	EXPECT_EQ(0, mutex_status(self->scene.m).deaths);
}

/* One thread ends while another of the same process holds something. */
FIXTURE(thread_death) {
	struct ksync_mutex *m;
	struct actor victim, mate;
};

FIXTURE_VARIANT(thread_death) {
	enum road road;
};

FIXTURE_VARIANT_ADD(thread_death, return) { .road = BY_RETURN };
FIXTURE_VARIANT_ADD(thread_death, pthread_exit) { .road = BY_PTHREAD_EXIT };
FIXTURE_VARIANT_ADD(thread_death, raw_exit) { .road = BY_RAW_EXIT };

FIXTURE_SETUP(thread_death)
{
	struct ksync_options o = { .nr = 2 };

	REQUIRE_BACKEND();
	REQUIRE(road_needs(ACTOR_THREAD, variant->road));
	ASSERT_EQ(0, ksync_mutex_create(&self->m, &o));
	ASSERT_EQ(0, actor_begin(&self->victim, ACTOR_THREAD));
	ASSERT_EQ(0, actor_begin(&self->mate, ACTOR_THREAD));
}

FIXTURE_TEARDOWN(thread_death)
{
	actor_end(&self->victim);
	actor_end(&self->mate);
	ksync_mutex_close(self->m);
}

TEST_F(thread_death, die_thread_only)
{
	struct ksync_mutex *second = ksync_mutex_at(self->m, 1);
	struct actor waiter;

	ASSERT_EQ(0, actor_do(&self->victim, job_mutex_lock, self->m, 0));
	ASSERT_EQ(0, actor_do(&self->mate, job_mutex_lock, second, 0));
	actor_die(&self->victim, variant->road);
	EXPECT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(self->m, PATIENTLY));
	EXPECT_EQ(0, ksync_mutex_consistent(self->m));
	EXPECT_EQ(0, ksync_mutex_unlock(self->m));

	/* What the other thread holds is not touched. */
	EXPECT_EQ(-ETIMEDOUT, ksync_mutex_lock_until(second, within(WATCH_MS)));
	EXPECT_EQ(0, mutex_status(second).deaths);
	EXPECT_EQ(0, actor_do(&self->mate, job_mutex_unlock, second, 0));
	ASSERT_EQ(0, actor_begin(&waiter, ACTOR_PROCESS));
	EXPECT_EQ(0, actor_do(&waiter, job_mutex_lock, second, PATIENCE_MS));
	actor_end(&waiter);
}

/* A new thread may get the dead one's stack, TID and pthread_t. */
TEST_F(thread_death, successor_is_another_owner)
{
	struct actor next;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, actor_do(&self->victim, job_mutex_lock, self->m, 0));
		actor_die(&self->victim, variant->road);
		ASSERT_EQ(0, actor_begin(&next, ACTOR_THREAD));
		ASSERT_EQ(-EPERM,
			  actor_do(&next, job_mutex_unlock, self->m, 0));
		ASSERT_EQ(-EOWNERDEAD, actor_do(&next, job_mutex_lock, self->m,
						PATIENCE_MS));
		ASSERT_EQ(0, actor_do(&next, job_mutex_consistent, self->m, 0));
		ASSERT_EQ(0, actor_do(&next, job_mutex_unlock, self->m, 0));
		actor_end(&self->victim);
		self->victim = next;
	}
}

DEATH_HARNESS_MAIN
