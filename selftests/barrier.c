// SPDX-License-Identifier: GPL-2.0-only
/* Barriers: rounds, what breaks them, and what makes them whole. */

#include "rendezvous.h"

#define PARTIES 3

FIXTURE(barrier) {
	struct ksync_barrier *b;
	struct actor a, c;
};

FIXTURE_VARIANT(barrier) {
	enum actor_kind kind;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(barrier, process) { .kind = ACTOR_PROCESS };
FIXTURE_VARIANT_ADD(barrier, thread) { .kind = ACTOR_THREAD };
FIXTURE_VARIANT_ADD(barrier, guarded) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_GUARDED,
};

FIXTURE_SETUP(barrier)
{
	struct ksync_options o = { .flags = variant->flags, .max = PARTIES };

	REQUIRE_BACKEND();
	REQUIRE_FLAGS(variant->flags);
	ASSERT_EQ(0, ksync_barrier_create(&self->b, &o));
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->c, variant->kind));
}

FIXTURE_TEARDOWN(barrier)
{
	actor_end(&self->a);
	actor_end(&self->c);
	ksync_barrier_close(self->b);
}

#define DO(actor, job, arg) actor_do(&self->actor, job, self->b, arg)
#define START(actor, job, arg) actor_start(&self->actor, job, self->b, arg)
#define STATUS barrier_status(self->b)

#define TWO_ARRIVE() do {						\
	START(a, job_barrier_wait, 0);					\
	START(c, job_barrier_wait, 0);					\
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 2));		\
} while (0)

#define BOTH_TOLD(err) do {						\
	EXPECT_EQ(err, actor_result(&self->a));				\
	EXPECT_EQ(err, actor_result(&self->c));				\
} while (0)

TEST_F(barrier, rounds)
{
	uint64_t round = STATUS.token;
	int i;

	EXPECT_EQ(PARTIES, STATUS.max);
	for_each_round(i, 100) {
		TWO_ARRIVE();
		ASSERT_EQ(2, STATUS.value);
		ASSERT_EQ(KSYNC_BARRIER_SERIAL, ksync_barrier_wait(self->b));
		BOTH_TOLD(0);
		ASSERT_EQ(++round, STATUS.token);
		ASSERT_EQ(0, STATUS.value);
		ASSERT_EQ(0, STATUS.flags);
	}
}

/* All parties at full speed: nobody is ever a round ahead of another. */
TEST_F(barrier, nobody_runs_ahead)
{
	uint64_t *at = shared_memory(PARTIES * sizeof(*at));
	int *serials = shared_memory(sizeof(int));
	uint64_t rounds = machine_is_slow() ? 60 : 2000, i;
	pid_t pids[PARTIES];
	int k, j, wstatus;

	for (k = 0; k < PARTIES; k++) {
		pids[k] = fork_child();
		if (pids[k])
			continue;
		for (i = 1; i <= rounds; i++) {
			int err;

			__atomic_store_n(&at[k], i, __ATOMIC_SEQ_CST);
			err = ksync_barrier_wait_until(self->b, PATIENTLY);
			if (err < 0)
				_exit(2);
			if (err == KSYNC_BARRIER_SERIAL)
				__atomic_fetch_add(serials, 1,
						   __ATOMIC_SEQ_CST);
			for (j = 0; j < PARTIES; j++)
				if (__atomic_load_n(&at[j],
						    __ATOMIC_SEQ_CST) < i)
					_exit(3);
		}
		_exit(0);
	}
	for (k = 0; k < PARTIES; k++) {
		ASSERT_EQ(pids[k], waitpid(pids[k], &wstatus, 0));
		EXPECT_EQ(0, wstatus);
	}
	EXPECT_EQ(rounds, (uint64_t)*serials);
	EXPECT_EQ(rounds, STATUS.token);
}

TEST_F(barrier, two_by_default)
{
	struct ksync_options bad = { .max = 1U << 31 };
	struct ksync_barrier *b;
	struct ksync_status st;

	ASSERT_EQ(0, ksync_barrier_create(&b, NULL));
	ASSERT_EQ(0, ksync_barrier_status(b, &st));
	EXPECT_EQ(2, st.max);
	ksync_barrier_close(b);
	EXPECT_EQ(-EINVAL, ksync_barrier_create(&b, &bad));
	bad = (struct ksync_options){ .max = 2, .value = 1 };
	EXPECT_EQ(-EINVAL, ksync_barrier_create(&b, &bad));
}

TEST_F(barrier, timeout_breaks)
{
	START(a, job_barrier_wait, 0);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	EXPECT_EQ(-ETIMEDOUT, DO(c, job_barrier_wait, 20));
	EXPECT_EQ(-EPIPE, actor_result(&self->a));
	EXPECT_EQ(-EPIPE, ksync_barrier_wait(self->b));
	EXPECT_EQ(KSYNC_IS_BROKEN, STATUS.flags);
	EXPECT_EQ(1, STATUS.lost);
	EXPECT_EQ(0, STATUS.deaths);
	ASSERT_EQ(0, ksync_barrier_reset(self->b));
	EXPECT_EQ(0, STATUS.flags);
	TWO_ARRIVE();
	EXPECT_EQ(KSYNC_BARRIER_SERIAL,
		  ksync_barrier_wait_until(self->b, within(1)));
	BOTH_TOLD(0);
}

/* All or none, whatever comes first. */
TEST_F(barrier, timeout_race)
{
	long a, c, me;
	int i;

	for_each_round(i, 100) {
		START(a, job_barrier_wait, 1 + i % 3);
		START(c, job_barrier_wait, 0);
		sleep_ns((i % 40) * 100000ULL);
		me = ksync_barrier_wait(self->b);
		a = actor_result(&self->a);
		c = actor_result(&self->c);
		if (a >= 0) {
			ASSERT_EQ(KSYNC_BARRIER_SERIAL, a + c + me);
		} else {
			ASSERT_EQ(-ETIMEDOUT, a);
			ASSERT_EQ(-EPIPE, c);
			ASSERT_EQ(-EPIPE, me);
		}
		ASSERT_EQ(0, ksync_barrier_reset(self->b));
	}
}

TEST_F(barrier, reset_breaks_the_present_round)
{
	uint64_t round = STATUS.token;

	ASSERT_EQ(0, ksync_barrier_reset(self->b));
	EXPECT_EQ(round, STATUS.token);
	TWO_ARRIVE();
	ASSERT_EQ(0, ksync_barrier_reset(self->b));
	BOTH_TOLD(-EPIPE);
	EXPECT_EQ(0, STATUS.flags);
	TWO_ARRIVE();
	EXPECT_EQ(KSYNC_BARRIER_SERIAL, ksync_barrier_wait(self->b));
	BOTH_TOLD(0);
}

TEST_F(barrier, leave_breaks)
{
	EXPECT_EQ(-EPERM, ksync_barrier_leave(self->b));
	ASSERT_EQ(0, ksync_barrier_join(self->b));
	EXPECT_EQ(1, STATUS.readers);
	TWO_ARRIVE();
	ASSERT_EQ(0, ksync_barrier_leave(self->b));
	BOTH_TOLD(-EPIPE);
	EXPECT_EQ(-EPERM, ksync_barrier_leave(self->b));
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(KSYNC_IS_BROKEN, STATUS.flags);
}

TEST_F(barrier, as_many_members_as_parties)
{
	int i;

	for (i = 0; i < PARTIES; i++)
		ASSERT_EQ(0, ksync_barrier_join(self->b));
	EXPECT_EQ(-EOVERFLOW, ksync_barrier_join(self->b));
	EXPECT_EQ(-EOVERFLOW, DO(a, job_barrier_join, 0));
	EXPECT_EQ(PARTIES, STATUS.readers);
	for (i = 0; i < PARTIES; i++)
		ASSERT_EQ(0, ksync_barrier_leave(self->b));
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(0, DO(a, job_barrier_join, 0));
}

struct scene {
	struct ksync_barrier *b;
	struct actor victim, waiter;
};

static int set_scene(struct scene *s, enum actor_kind kind)
{
	struct ksync_options o = { .max = PARTIES };

	return ksync_barrier_create(&s->b, &o) ?:
	       actor_begin(&s->victim, kind) ?:
	       actor_begin(&s->waiter, ACTOR_PROCESS);
}

static void clear_scene(struct scene *s)
{
	actor_end(&s->victim);
	actor_end(&s->waiter);
	ksync_barrier_close(s->b);
}

#define ROADS_OF_MEMBERS(f)						\
	ROADS_OF_PROCESSES(f);						\
	ROADS_OF_EXEC(f)

#define SIGKILL_ONLY(f) ROAD(f, sigkill, ACTOR_PROCESS, BY_SIGKILL)

DEATH_FIXTURE(death, ROADS_OF_MEMBERS);
DEATH_FIXTURE(aftermath, SIGKILL_ONLY);

#undef STATUS
#define STATUS barrier_status(self->scene.b)
#define SCENE_DO(actor, job, arg) \
	actor_do(&self->scene.actor, job, self->scene.b, arg)
#define SCENE_START(actor, job) \
	actor_start(&self->scene.actor, job, self->scene.b, 0)

/* A member that is not even there yet. */
TEST_F(death, die_joined)
{
	uint64_t died;

	ASSERT_EQ(0, SCENE_DO(victim, job_barrier_join, 0));
	SCENE_START(waiter, job_barrier_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	actor_die(&self->scene.victim, variant->road);
	died = now_ns();
	EXPECT_EQ(-EPIPE, actor_result(&self->scene.waiter));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(1, STATUS.deaths);
	EXPECT_EQ(-EPIPE, ksync_barrier_wait(self->scene.b));
	ASSERT_EQ(0, ksync_barrier_reset(self->scene.b));
	EXPECT_EQ(0, STATUS.flags);
	/* There is room for another one. */
	EXPECT_EQ(0, ksync_barrier_join(self->scene.b));
}

TEST_F(aftermath, die_waiting)
{
	SCENE_START(victim, job_barrier_wait);
	SCENE_START(waiter, job_barrier_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 2));
	actor_kill(&self->scene.victim);
	EXPECT_EQ(-EPIPE, actor_result(&self->scene.waiter));
	EXPECT_EQ(1, STATUS.deaths);
	ASSERT_EQ(0, ksync_barrier_reset(self->scene.b));
	EXPECT_EQ(0, STATUS.value);
}

/* With its round its part is done. */
TEST_F(aftermath, die_afterwards)
{
	SCENE_START(victim, job_barrier_wait);
	SCENE_START(waiter, job_barrier_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 2));
	ASSERT_EQ(KSYNC_BARRIER_SERIAL, ksync_barrier_wait(self->scene.b));
	ASSERT_EQ(0, actor_result(&self->scene.victim));
	ASSERT_EQ(0, actor_result(&self->scene.waiter));
	actor_kill(&self->scene.victim);
	sleep_ms(no_death_ms());
	EXPECT_EQ(0, STATUS.flags);
}

/*
 * Members are killed at random instants: a round ends for all of the living or
 * for none, and nobody hangs. Who is killed before it has joined is nobody's
 * death, so all do that first.
 */
TEST_F(aftermath, die_in_window)
{
	uint64_t seed = test_seed();
	int i, k, ret, wstatus;
	pid_t pids[PARTIES];

	for_each_round(i, 60) {
		int dead = next_random(&seed) % PARTIES;

		for (k = 0; k < PARTIES; k++) {
			pids[k] = fork_child();
			if (pids[k])
				continue;
			ksync_barrier_join(self->scene.b);
			do
				ret = ksync_barrier_wait_until(self->scene.b,
							       PATIENTLY);
			while (ret >= 0);
			/* Broken, and it stays so. */
			_exit(ret != -EPIPE ||
			      ksync_barrier_wait(self->scene.b) != -EPIPE);
		}
		ASSERT_TRUE(WAIT_FOR(STATUS.readers == PARTIES));
		sleep_ns(next_random(&seed) % (3 * NSEC_PER_MSEC));
		kill(pids[dead], SIGKILL);
		for (k = 0; k < PARTIES; k++) {
			ASSERT_EQ(pids[k], waitpid(pids[k], &wstatus, 0));
			if (k != dead)
				ASSERT_EQ(0, wstatus);
		}
		ASSERT_TRUE(WAIT_FOR(!STATUS.readers));
		ASSERT_EQ(0, ksync_barrier_reset(self->scene.b));
	}
}

DEATH_HARNESS_MAIN
