// SPDX-License-Identifier: GPL-2.0-only
/* Tracked semaphores whose permits' owners die, on every road. */

#include "death.h"

/* The victim ends on its road, the others are there to see it. */
struct scene {
	struct ksync_sem *s;
	struct actor victim, a, b;
};

static int set_scene(struct scene *s, enum actor_kind kind)
{
	struct ksync_options o = {
		.flags = KSYNC_TRACKED, .value = 4, .max = 4, .nr = 20,
	};

	return ksync_sem_create(&s->s, &o) ?:
	       actor_begin(&s->victim, kind) ?:
	       actor_begin(&s->a, ACTOR_PROCESS) ?:
	       actor_begin(&s->b, ACTOR_PROCESS);
}

static void clear_scene(struct scene *s)
{
	actor_end(&s->victim);
	actor_end(&s->a);
	actor_end(&s->b);
	ksync_sem_close(s->s);
}

/* Permits belong to processes: the end of one thread does not touch them. */
#define ROADS_THAT_MATTER(f) ROADS_OF_PROCESSES(f); ROADS_OF_EXEC(f)
#define SIGKILL_AND_EXECVE(f)						\
	ROAD(f, sigkill, ACTOR_PROCESS, BY_SIGKILL);			\
	ROAD(f, execve, ACTOR_PROCESS, BY_EXECVE)

DEATH_FIXTURE(death, ROADS_THAT_MATTER);
DEATH_FIXTURE(aftermath, SIGKILL_AND_EXECVE);

#define DO(actor, job, arg) \
	actor_do(&self->scene.actor, job, self->scene.s, arg)
#define START(actor, job, arg) \
	actor_start(&self->scene.actor, job, self->scene.s, arg)
#define DIE() actor_die(&self->scene.victim, variant->road)
#define STATUS sem_status(self->scene.s)

TEST_F(death, die_with_permits)
{
	uint64_t died;

	ASSERT_EQ(0, DO(victim, job_sem_acquire, 2));
	ASSERT_EQ(0, DO(victim, job_sem_acquire, 1));
	ASSERT_EQ(0, ksync_sem_acquire(self->scene.s, 1));
	START(a, job_sem_acquire, 2);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	DIE();
	died = now_ns();
	EXPECT_EQ(0, actor_result(&self->scene.a));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);
	EXPECT_EQ(1, ksync_sem_value(self->scene.s));
	EXPECT_EQ(1, STATUS.deaths);
	EXPECT_EQ(3, STATUS.lost);
	/* The one permit that is held by the living was not given back. */
	EXPECT_EQ(0, ksync_sem_release(self->scene.s, 1));
	EXPECT_EQ(-EPERM, ksync_sem_release(self->scene.s, 1));
	EXPECT_EQ(2, ksync_sem_value(self->scene.s));
}

TEST_F(aftermath, die_with_permits_nobody_waits)
{
	ASSERT_EQ(0, DO(victim, job_sem_acquire, 4));
	DIE();
	EXPECT_EQ(0, ksync_sem_acquire_until(self->scene.s, 4, PATIENTLY));
	EXPECT_EQ(4, STATUS.lost);
	EXPECT_EQ(1, STATUS.deaths);
	EXPECT_EQ(0, ksync_sem_release(self->scene.s, 4));
	EXPECT_EQ(4, ksync_sem_value(self->scene.s));
}

/* What was released before is not given back a second time. */
TEST_F(aftermath, released_before_death)
{
	ASSERT_EQ(0, DO(victim, job_sem_acquire, 3));
	ASSERT_EQ(0, DO(victim, job_sem_release, 2));
	DIE();
	EXPECT_EQ(0, ksync_sem_acquire_until(self->scene.s, 4, PATIENTLY));
	EXPECT_EQ(0, ksync_sem_value(self->scene.s));
	EXPECT_EQ(1, STATUS.lost);
	START(a, job_sem_acquire, 1);
	EXPECT_TRUE(actor_busy(&self->scene.a, no_death_ms()));
}

/* Permits that come back serve the queue in its order. */
TEST_F(aftermath, die_before_a_queue)
{
	ASSERT_EQ(0, DO(victim, job_sem_acquire, 4));
	START(a, job_sem_acquire, 3);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	START(b, job_sem_acquire, 1);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 2));
	DIE();
	EXPECT_EQ(0, actor_result(&self->scene.a));
	EXPECT_EQ(0, actor_result(&self->scene.b));
	EXPECT_EQ(0, ksync_sem_value(self->scene.s));
}

static long acquire_each(void *obj, uint64_t nr)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		err = ksync_sem_acquire(ksync_sem_at(obj, i), 1 + i % 4);
	return err;
}

TEST_F(aftermath, die_with_permits_of_many)
{
	struct ksync_sem *s;
	int i;

	ASSERT_EQ(0, actor_do(&self->scene.victim, acquire_each, self->scene.s, 20));
	DIE();
	for (i = 0; i < 20; i++) {
		s = ksync_sem_at(self->scene.s, i);
		ASSERT_EQ(0, ksync_sem_acquire_until(s, 4, PATIENTLY));
		ASSERT_EQ(1 + i % 4, sem_status(s).lost);
	}
}

FIXTURE(no_death) {
	struct scene scene;
};

FIXTURE_VARIANT(no_death) {
	uint32_t flags;
	enum actor_kind kind;
	enum road road;
};

/* A process without tracking; a thread of a process that lives on. */
FIXTURE_VARIANT_ADD(no_death, untracked) {
	.kind = ACTOR_PROCESS, .road = BY_SIGKILL,
};
FIXTURE_VARIANT_ADD(no_death, thread_return) {
	.flags = KSYNC_TRACKED, .kind = ACTOR_THREAD, .road = BY_RETURN,
};
FIXTURE_VARIANT_ADD(no_death, thread_raw_exit) {
	.flags = KSYNC_TRACKED, .kind = ACTOR_THREAD, .road = BY_RAW_EXIT,
};
FIXTURE_VARIANT_ADD(no_death, leader_exit) {
	.flags = KSYNC_TRACKED, .kind = ACTOR_LEADER, .road = BY_RAW_EXIT,
};

FIXTURE_SETUP(no_death)
{
	struct ksync_options o = {
		.flags = variant->flags, .value = 4, .max = 4,
	};

	REQUIRE_BACKEND();
	if (variant->flags)
		REQUIRE(KSYNC_G_PROCESS_DEATH);
	ASSERT_EQ(0, ksync_sem_create(&self->scene.s, &o));
	ASSERT_EQ(0, actor_begin(&self->scene.victim, variant->kind));
}

FIXTURE_TEARDOWN(no_death)
{
	actor_end(&self->scene.victim);
	ksync_sem_close(self->scene.s);
}

TEST_F(no_death, permits_stay)
{
	ASSERT_EQ(0, DO(victim, job_sem_acquire, 3));
	DIE();
	EXPECT_EQ(-ETIMEDOUT,
		  ksync_sem_acquire_until(self->scene.s, 2,
					  within(no_death_ms())));
	EXPECT_EQ(1, ksync_sem_value(self->scene.s));
	EXPECT_EQ(0, STATUS.deaths);
	if (variant->kind == ACTOR_LEADER) {
		/* Until the rest of the process goes, too. */
		actor_kill(&self->scene.victim);
		EXPECT_EQ(0, ksync_sem_acquire_until(self->scene.s, 4, PATIENTLY));
		EXPECT_EQ(3, STATUS.lost);
		return;
	}
	EXPECT_EQ(0, ksync_sem_release(self->scene.s, 3));
	EXPECT_EQ(4, ksync_sem_value(self->scene.s));
}

DEATH_HARNESS_MAIN
