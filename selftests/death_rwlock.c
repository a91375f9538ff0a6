// SPDX-License-Identifier: GPL-2.0-only
/* Reader-writer locks whose holders die, on every road. */

#include "death.h"

/* The victim ends on its road, the others are there to see it. */
struct scene {
	struct ksync_rwlock *rw;
	struct actor victim, a, b;
};

static int set_scene(struct scene *s, enum actor_kind kind)
{
	struct ksync_options o = { .nr = 50 };

	return ksync_rwlock_create(&s->rw, &o) ?:
	       actor_begin(&s->victim, kind) ?:
	       actor_begin(&s->a, ACTOR_PROCESS) ?:
	       actor_begin(&s->b, ACTOR_PROCESS);
}

static void clear_scene(struct scene *s)
{
	actor_end(&s->victim);
	actor_end(&s->a);
	actor_end(&s->b);
	ksync_rwlock_close(s->rw);
}

DEATH_FIXTURE(death, ROADS);
DEATH_FIXTURE(aftermath, ROADS_ONE_OF_EACH);

#define DO(actor, job) \
	actor_do(&self->scene.actor, job_##job, self->scene.rw, 0)
#define START(actor, job) \
	actor_start(&self->scene.actor, job_##job, self->scene.rw, 0)
#define DIE() actor_die(&self->scene.victim, variant->road)
#define STATUS rwlock_status(self->scene.rw)

/* A reader cannot have changed anything: nobody need repair. */
TEST_F(death, die_reading)
{
	uint64_t died;

	ASSERT_EQ(0, DO(victim, rdlock));
	START(a, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	DIE();
	died = now_ns();
	EXPECT_EQ(0, actor_result(&self->scene.a));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);
	EXPECT_EQ(1, STATUS.deaths);
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(0, STATUS.flags);
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, ksync_rwlock_rdlock_until(self->scene.rw, PATIENTLY));
}

TEST_F(aftermath, die_reading_nobody_waits)
{
	ASSERT_EQ(0, DO(victim, rdlock));
	DIE();
	EXPECT_EQ(0, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(1, STATUS.deaths);
	EXPECT_EQ(0, STATUS.flags);
}

/* Who remembers the lock from before is told, each time, until it is repaired. */
TEST_F(aftermath, die_writing_before_old_readers)
{
	struct ksync_rwlock *rw = self->scene.rw;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ksync_rwlock_rdlock(rw));
		ASSERT_EQ(0, ksync_rwlock_unlock(rw));
	}
	ASSERT_EQ(0, DO(victim, wrlock));
	DIE();
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(-EOWNERDEAD, ksync_rwlock_rdlock(rw));
		ASSERT_EQ(0, ksync_rwlock_unlock(rw));
	}
	ASSERT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock(rw));
	ASSERT_EQ(0, ksync_rwlock_consistent(rw));
	ASSERT_EQ(0, ksync_rwlock_unlock(rw));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ksync_rwlock_rdlock(rw));
		ASSERT_EQ(0, ksync_rwlock_unlock(rw));
	}
}

/* All that it read, not one hold only; and no more than that. */
TEST_F(aftermath, die_reading_recursively)
{
	int i;

	ASSERT_EQ(0, ksync_rwlock_rdlock(self->scene.rw));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, DO(victim, rdlock));
	EXPECT_EQ(4, STATUS.readers);
	START(a, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	DIE();
	ASSERT_TRUE(WAIT_FOR(STATUS.readers == 1));
	EXPECT_TRUE(actor_busy(&self->scene.a, WATCH_MS));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->scene.rw));
	EXPECT_EQ(0, actor_result(&self->scene.a));
}

/* The one that did an upgrade's or downgrade's death counts as what it is. */
TEST_F(aftermath, die_reading_after_downgrade)
{
	ASSERT_EQ(0, DO(victim, wrlock));
	ASSERT_EQ(0, DO(victim, downgrade));
	DIE();
	EXPECT_EQ(0, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
	EXPECT_EQ(0, STATUS.flags);
}

TEST_F(aftermath, die_writing_after_upgrade)
{
	ASSERT_EQ(0, DO(victim, rdlock));
	ASSERT_EQ(0, DO(victim, upgrade));
	DIE();
	EXPECT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
	EXPECT_EQ(0, STATUS.readers);
}

/* Every holder is told until a writer has repaired it. */
TEST_F(death, die_writing)
{
	uint64_t died;

	ASSERT_EQ(0, DO(victim, wrlock));
	START(a, rdlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	DIE();
	died = now_ns();
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.a));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);
	EXPECT_EQ(-EOWNERDEAD, DO(b, tryrdlock));
	EXPECT_EQ(-EOWNERDEAD, DO(b, rdlock));
	EXPECT_TRUE(STATUS.flags & KSYNC_IS_INCONSISTENT);
	EXPECT_EQ(1, STATUS.deaths);
	/* A reader cannot repair, and giving up as one loses nothing. */
	EXPECT_EQ(-EPERM, DO(a, rwlock_consistent));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, DO(b, rwlock_unlock));
	EXPECT_EQ(0, DO(b, rwlock_unlock));

	ASSERT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
	EXPECT_EQ(0, ksync_rwlock_consistent(self->scene.rw));
	EXPECT_EQ(-EINVAL, ksync_rwlock_consistent(self->scene.rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->scene.rw));
	EXPECT_EQ(0, DO(a, rdlock));
	EXPECT_EQ(0, DO(b, rdlock));
	EXPECT_EQ(0, STATUS.flags);
}

TEST_F(aftermath, die_writing_before_writer)
{
	ASSERT_EQ(0, DO(victim, wrlock));
	START(a, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	DIE();
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.a));
	EXPECT_EQ(0, DO(a, rwlock_consistent));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, ksync_rwlock_rdlock_until(self->scene.rw, PATIENTLY));
}

/* Neither downgrade nor upgrade hides that it wants repair. */
TEST_F(aftermath, die_writing_then_downgrade)
{
	ASSERT_EQ(0, DO(victim, wrlock));
	DIE();
	ASSERT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
	EXPECT_EQ(0, ksync_rwlock_downgrade(self->scene.rw));
	EXPECT_EQ(-EOWNERDEAD, DO(a, rdlock));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(-EOWNERDEAD, ksync_rwlock_upgrade(self->scene.rw));
	EXPECT_EQ(0, ksync_rwlock_consistent(self->scene.rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->scene.rw));
	EXPECT_EQ(0, DO(a, rdlock));
}

TEST_F(aftermath, die_twice)
{
	ASSERT_EQ(0, DO(a, wrlock));
	actor_kill(&self->scene.a);
	ASSERT_EQ(-EOWNERDEAD,
		  actor_do(&self->scene.victim, job_wrlock, self->scene.rw, PATIENCE_MS));
	DIE();
	EXPECT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
	EXPECT_EQ(2, STATUS.deaths);
	EXPECT_EQ(0, ksync_rwlock_consistent(self->scene.rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->scene.rw));
	EXPECT_EQ(0, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
}

/* A reader that was told, dies: nothing is repaired by that either. */
TEST_F(aftermath, die_reading_unrepaired)
{
	ASSERT_EQ(0, DO(a, wrlock));
	actor_kill(&self->scene.a);
	ASSERT_EQ(-EOWNERDEAD,
		  actor_do(&self->scene.victim, job_rdlock, self->scene.rw, PATIENCE_MS));
	DIE();
	EXPECT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
}

TEST_F(aftermath, die_unrepaired)
{
	ASSERT_EQ(0, DO(victim, wrlock));
	DIE();
	ASSERT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(self->scene.rw, PATIENTLY));
	START(a, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	START(b, rdlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->scene.rw));

	EXPECT_EQ(-ENOTRECOVERABLE, actor_result(&self->scene.a));
	EXPECT_EQ(-ENOTRECOVERABLE, actor_result(&self->scene.b));
	EXPECT_EQ(-ENOTRECOVERABLE, DO(b, tryrdlock));
	EXPECT_EQ(-ENOTRECOVERABLE, DO(b, trywrlock));
	EXPECT_EQ(-ENOTRECOVERABLE, ksync_rwlock_rdlock(self->scene.rw));
	EXPECT_EQ(-ENOTRECOVERABLE, ksync_rwlock_wrlock(self->scene.rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->scene.rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_consistent(self->scene.rw));
	EXPECT_TRUE(STATUS.flags & KSYNC_IS_LOST);
	EXPECT_EQ(0, STATUS.held + STATUS.readers);
	EXPECT_EQ(0, STATUS.waiters + STATUS.waiters_shared);
	EXPECT_EQ(0, ksync_rwlock_wrlock(ksync_rwlock_at(self->scene.rw, 1)));
}

static long lock_alternately(void *obj, uint64_t nr)
{
	struct ksync_rwlock *rw;
	uint32_t i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		rw = ksync_rwlock_at(obj, i);
		err = i % 2 ? ksync_rwlock_wrlock(rw) : ksync_rwlock_rdlock(rw);
	}
	return err;
}

TEST_F(aftermath, die_holding_many)
{
	struct ksync_rwlock *rw;
	int i;

	ASSERT_EQ(0, actor_do(&self->scene.victim, lock_alternately, self->scene.rw, 50));
	DIE();
	for (i = 0; i < 50; i++) {
		rw = ksync_rwlock_at(self->scene.rw, i);
		ASSERT_EQ(i % 2 ? -EOWNERDEAD : 0,
			  ksync_rwlock_wrlock_until(rw, PATIENTLY));
	}
}

DEATH_HARNESS_MAIN
