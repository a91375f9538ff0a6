// SPDX-License-Identifier: GPL-2.0-only
/* Once: what it does while everybody lives, misuse, and deaths. */

#include "rendezvous.h"

FIXTURE(once) {
	struct ksync_once *o;
	struct actor a, b;
};

FIXTURE_VARIANT(once) {
	enum actor_kind kind;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(once, process) { .kind = ACTOR_PROCESS };
FIXTURE_VARIANT_ADD(once, thread) { .kind = ACTOR_THREAD };
FIXTURE_VARIANT_ADD(once, guarded) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_GUARDED,
};

FIXTURE_SETUP(once)
{
	struct ksync_options o = { .flags = variant->flags };

	REQUIRE_BACKEND();
	REQUIRE_FLAGS(variant->flags);
	ASSERT_EQ(0, ksync_once_create(&self->o, &o));
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->b, variant->kind));
}

FIXTURE_TEARDOWN(once)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_once_close(self->o);
}

#define DO(actor, job, arg) actor_do(&self->actor, job, self->o, arg)
#define START(actor, job, arg) actor_start(&self->actor, job, self->o, arg)
#define STATUS once_status(self->o)

TEST_F(once, everybody_gets_the_result)
{
	uint64_t result = 4711;

	ASSERT_EQ(0, ksync_once_begin(self->o, &result));
	EXPECT_EQ(4711, result);
	EXPECT_EQ(1, STATUS.held);
	EXPECT_EQ(getpid(), STATUS.holder_pid);
	START(a, job_once_begin, 0);
	START(b, job_once_begin, PATIENCE_MS);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 2));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_once_complete(self->o, 17));
	EXPECT_EQ(RESULT_BASE + 17, actor_result(&self->a));
	EXPECT_EQ(RESULT_BASE + 17, actor_result(&self->b));
	EXPECT_EQ(-EALREADY, ksync_once_begin(self->o, &result));
	EXPECT_EQ(17, result);
	EXPECT_EQ(-EALREADY, ksync_once_begin(self->o, NULL));
	EXPECT_EQ(KSYNC_IS_DONE, STATUS.flags);
	EXPECT_EQ(0, STATUS.held);
	EXPECT_EQ(1, STATUS.acquisitions);
}

/* A long may have 32 bits. */
static long begin_and_shift(void *obj, uint64_t unused)
{
	uint64_t result = 0;
	int err = ksync_once_begin(obj, &result);

	return err == -EALREADY ? (long)(result >> 40) : err;
}

TEST_F(once, the_result_is_64_bits_wide)
{
	uint64_t result = 0;

	ASSERT_EQ(0, ksync_once_begin(self->o, NULL));
	START(a, begin_and_shift, 0);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	ASSERT_EQ(0, ksync_once_complete(self->o, UINT64_C(3) << 40));
	EXPECT_EQ(3, actor_result(&self->a));
	EXPECT_EQ(-EALREADY, ksync_once_begin(self->o, &result));
	EXPECT_EQ(UINT64_C(3) << 40, result);
}

TEST_F(once, only_the_runner_ends_it)
{
	EXPECT_EQ(-EPERM, ksync_once_complete(self->o, 1));
	EXPECT_EQ(-EPERM, ksync_once_abandon(self->o));
	ASSERT_EQ(0, ksync_once_begin(self->o, NULL));
	EXPECT_EQ(-EPERM, DO(a, job_once_complete, 1));
	EXPECT_EQ(-EPERM, DO(a, job_once_abandon, 0));
	EXPECT_EQ(-EDEADLK, ksync_once_begin(self->o, NULL));
	EXPECT_EQ(-EBUSY, ksync_once_reset(self->o));
	EXPECT_EQ(1, STATUS.held);
	ASSERT_EQ(0, ksync_once_abandon(self->o));
	EXPECT_EQ(-EPERM, ksync_once_complete(self->o, 1));
	EXPECT_EQ(0, STATUS.flags);
}

TEST_F(once, abandon_lets_the_next_run)
{
	ASSERT_EQ(0, ksync_once_begin(self->o, NULL));
	START(a, job_once_begin, 0);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	START(b, job_once_begin, 0);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 2));
	ASSERT_EQ(0, ksync_once_abandon(self->o));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	EXPECT_EQ(1, STATUS.lost);
	ASSERT_EQ(0, DO(a, job_once_complete, 3));
	EXPECT_EQ(RESULT_BASE + 3, actor_result(&self->b));
}

TEST_F(once, deadline)
{
	ASSERT_EQ(0, DO(a, job_once_begin, 0));
	EXPECT_EQ(-ETIMEDOUT, ksync_once_begin_until(self->o, NULL, within(1)));
	EXPECT_EQ(-ETIMEDOUT, DO(b, job_once_begin, 20));
	EXPECT_EQ(0, STATUS.waiters);
	ASSERT_EQ(0, DO(a, job_once_abandon, 0));
	EXPECT_EQ(0, ksync_once_begin_until(self->o, NULL, within(1)));
	EXPECT_EQ(0, ksync_once_complete(self->o, 0));
}

TEST_F(once, reset_begins_again)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, DO(a, job_once_begin, 0));
		START(b, job_once_begin, 0);
		ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
		ASSERT_EQ(0, DO(a, job_once_complete, i));
		ASSERT_EQ(RESULT_BASE + i, actor_result(&self->b));
		ASSERT_EQ(0, ksync_once_reset(self->o));
		ASSERT_EQ(0, ksync_once_reset(self->o));
		ASSERT_EQ(0, STATUS.flags);
	}
	EXPECT_EQ(10, STATUS.token);
}

static int calls;

static int make_it(void *arg, int died, uint64_t *result)
{
	calls++;
	*result = 100 + died;
	return *(int *)arg;
}

static long run_and_fail(void *obj, uint64_t unused)
{
	int err = -EIO;

	return ksync_once_run(obj, make_it, &err, NULL);
}

TEST_F(once, run)
{
	uint64_t result = 0;
	int err = -EIO;

	EXPECT_EQ(-EIO, ksync_once_run(self->o, make_it, &err, &result));
	EXPECT_EQ(0, result);
	EXPECT_EQ(0, STATUS.held);
	EXPECT_EQ(-EIO, DO(a, run_and_fail, 0));
	err = 0;
	EXPECT_EQ(0, ksync_once_run(self->o, make_it, &err, &result));
	EXPECT_EQ(100, result);
	calls = 0;
	EXPECT_EQ(0, ksync_once_run(self->o, make_it, &err, &result));
	EXPECT_EQ(100, result);
	EXPECT_EQ(0, ksync_once_run(self->o, make_it, &err, NULL));
	EXPECT_EQ(0, calls);
	EXPECT_EQ(-EINVAL, ksync_once_run(self->o, NULL, NULL, NULL));
}

struct scene {
	struct ksync_once *o;
	struct actor victim, waiter;
};

static int set_scene(struct scene *s, enum actor_kind kind)
{
	return ksync_once_create(&s->o, NULL) ?:
	       actor_begin(&s->victim, kind) ?:
	       actor_begin(&s->waiter, ACTOR_PROCESS);
}

static void clear_scene(struct scene *s)
{
	actor_end(&s->victim);
	actor_end(&s->waiter);
	ksync_once_close(s->o);
}

DEATH_FIXTURE(death, ROADS);
DEATH_FIXTURE(aftermath, ROADS_ONE_OF_EACH);

#undef STATUS
#define STATUS once_status(self->scene.o)
#define SCENE_DO(actor, job, arg) \
	actor_do(&self->scene.actor, job, self->scene.o, arg)
#define DIE() actor_die(&self->scene.victim, variant->road)

TEST_F(death, die_running)
{
	uint64_t died;

	ASSERT_EQ(0, SCENE_DO(victim, job_once_begin, 0));
	actor_start(&self->scene.waiter, job_once_begin, self->scene.o, 0);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	DIE();
	died = now_ns();
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.waiter));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);
	EXPECT_EQ(KSYNC_IS_INCONSISTENT, STATUS.flags);
	EXPECT_EQ(1, STATUS.deaths);
	ASSERT_EQ(0, SCENE_DO(waiter, job_once_complete, 5));
	EXPECT_EQ(-EALREADY, ksync_once_begin(self->scene.o, NULL));
	EXPECT_EQ(KSYNC_IS_DONE, STATUS.flags);
}

/* Who gives up leaves the report to the next. */
TEST_F(aftermath, die_running_alone)
{
	uint64_t result = 0;
	int err = 0;

	ASSERT_EQ(0, SCENE_DO(victim, job_once_begin, 0));
	DIE();
	EXPECT_EQ(-EOWNERDEAD, SCENE_DO(waiter, job_once_begin, PATIENCE_MS));
	ASSERT_EQ(0, SCENE_DO(waiter, job_once_abandon, 0));
	EXPECT_EQ(0, ksync_once_run(self->scene.o, make_it, &err, &result));
	EXPECT_EQ(101, result);
}

TEST_F(aftermath, die_when_done)
{
	ASSERT_EQ(0, SCENE_DO(victim, job_once_begin, 0));
	ASSERT_EQ(0, SCENE_DO(victim, job_once_complete, 8));
	DIE();
	EXPECT_EQ(RESULT_BASE + 8, SCENE_DO(waiter, job_once_begin, 0));
	EXPECT_EQ(0, STATUS.deaths);
}

#define SIGKILL_ONLY(f) ROAD(f, sigkill, ACTOR_PROCESS, BY_SIGKILL)

DEATH_FIXTURE(crowd, SIGKILL_ONLY);

/*
 * Runners are killed at random instants, with others behind them: each time
 * exactly one of the living runs it, until one completes.
 */
TEST_F(crowd, die_in_window)
{
	uint64_t seed = test_seed();
	int *running = shared_memory(sizeof(int));
	pid_t pids[4];
	int i, k;

	for_each_round(i, 60) {
		*running = 0;
		for (k = 0; k < 4; k++) {
			pids[k] = fork_child();
			if (pids[k])
				continue;
			for (;;) {
				int err = ksync_once_begin(self->scene.o, NULL);

				if (err && err != -EOWNERDEAD)
					_exit(2);
				/* A dead one has left its mark. */
				if (__atomic_exchange_n(running, 1,
							__ATOMIC_SEQ_CST) &&
				    err != -EOWNERDEAD)
					_exit(3);
				__atomic_store_n(running, 0, __ATOMIC_SEQ_CST);
				if (ksync_once_abandon(self->scene.o))
					_exit(4);
			}
		}
		for (k = 0; k < 4; k++) {
			int wstatus;

			sleep_ns(next_random(&seed) % (2 * NSEC_PER_MSEC));
			kill(pids[k], SIGKILL);
			waitpid(pids[k], &wstatus, 0);
			ASSERT_TRUE(WIFSIGNALED(wstatus))
				TH_LOG("a runner found %d",
				       WEXITSTATUS(wstatus));
		}
		k = ksync_once_begin_until(self->scene.o, NULL, PATIENTLY);
		ASSERT_TRUE(!k || k == -EOWNERDEAD);
		ASSERT_EQ(0, ksync_once_complete(self->scene.o, i));
		ASSERT_EQ(0, ksync_once_reset(self->scene.o));
	}
}

DEATH_HARNESS_MAIN
