// SPDX-License-Identifier: GPL-2.0-only
/* Wait groups whose members die before they are done. */

#include "death.h"

/* The victim ends on its road, the others are there to see it. */
struct scene {
	struct ksync_waitgroup *wg;
	struct actor victim, other, waiter;
};

static int set_scene(struct scene *s, enum actor_kind kind)
{
	return ksync_waitgroup_create(&s->wg, NULL) ?:
	       actor_begin(&s->victim, kind) ?:
	       actor_begin(&s->other, ACTOR_PROCESS) ?:
	       actor_begin(&s->waiter, ACTOR_PROCESS);
}

static void clear_scene(struct scene *s)
{
	actor_end(&s->victim);
	actor_end(&s->other);
	actor_end(&s->waiter);
	ksync_waitgroup_close(s->wg);
}

/* Members are processes: execve and the end of one thread do not lose them. */
#define SIGKILL_ONLY(f) ROAD(f, sigkill, ACTOR_PROCESS, BY_SIGKILL)

DEATH_FIXTURE(death, ROADS_OF_PROCESSES);
DEATH_FIXTURE(aftermath, SIGKILL_ONLY);

#define DO(actor, job, arg) \
	actor_do(&self->scene.actor, job, self->scene.wg, arg)
#define START(actor, job) \
	actor_start(&self->scene.actor, job, self->scene.wg, 0)
#define DIE() actor_die(&self->scene.victim, variant->road)
#define STATUS wg_status(self->scene.wg)

static long bind_self(void *obj, uint64_t unused)
{
	int fd = syscall(SYS_pidfd_open, getpid(), 0), err;

	if (fd < 0)
		return -errno;
	err = ksync_waitgroup_bind(obj, fd);
	close(fd);
	return err;
}

static int bind_other(struct ksync_waitgroup *wg, pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0), err;

	if (fd < 0)
		return -errno;
	err = ksync_waitgroup_bind(wg, fd);
	close(fd);
	return err;
}

TEST_F(death, die_worker)
{
	uint64_t died;

	REQUIRE(KSYNC_G_BIND_SELF);
	ASSERT_EQ(0, ksync_waitgroup_add(self->scene.wg, 2));
	ASSERT_EQ(0, DO(victim, bind_self, 0));
	START(waiter, job_wg_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	/* The others' work goes on. */
	EXPECT_EQ(0, DO(other, job_wg_done, 0));
	EXPECT_TRUE(actor_busy(&self->scene.waiter, WATCH_MS));
	DIE();
	died = now_ns();
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.waiter));
	EXPECT_GE(notice_bound_ms(), (now_ns() - died) / NSEC_PER_MSEC);
	EXPECT_EQ(1, DO(waiter, job_wg_lost, 0));
	EXPECT_EQ(0, STATUS.value);
	EXPECT_TRUE(STATUS.flags & KSYNC_HAS_LOSS);
	EXPECT_EQ(1, STATUS.lost);
	EXPECT_EQ(1, STATUS.deaths);
	/* At zero: the result of the last round, for whoever asks. */
	EXPECT_EQ(-EOWNERDEAD, ksync_waitgroup_wait(self->scene.wg));
	EXPECT_EQ(1, ksync_waitgroup_lost(self->scene.wg));
	/* The next round has none of it. */
	EXPECT_EQ(0, ksync_waitgroup_add(self->scene.wg, 1));
	EXPECT_EQ(0, ksync_waitgroup_done(self->scene.wg));
	EXPECT_EQ(0, ksync_waitgroup_wait(self->scene.wg));
	EXPECT_EQ(0, ksync_waitgroup_lost(self->scene.wg));
	EXPECT_FALSE(STATUS.flags & KSYNC_HAS_LOSS);
}

/* The round does not end before the living are done. */
TEST_F(aftermath, die_worker_first)
{
	REQUIRE(KSYNC_G_BIND_SELF);
	ASSERT_EQ(0, ksync_waitgroup_add(self->scene.wg, 3));
	ASSERT_EQ(0, DO(victim, bind_self, 0));
	ASSERT_EQ(0, DO(victim, bind_self, 0));
	START(waiter, job_wg_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	DIE();
	ASSERT_TRUE(WAIT_FOR(STATUS.value == 1));
	EXPECT_TRUE(actor_busy(&self->scene.waiter, WATCH_MS));
	EXPECT_EQ(0, DO(other, job_wg_done, 0));
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.waiter));
	EXPECT_EQ(2, DO(waiter, job_wg_lost, 0));
}

TEST_F(death, die_worker_bound_by_another)
{
	REQUIRE(KSYNC_G_BIND_OTHERS);
	ASSERT_EQ(0, ksync_waitgroup_add(self->scene.wg, 2));
	ASSERT_EQ(0, bind_other(self->scene.wg, self->scene.victim.pid));
	ASSERT_EQ(0, bind_other(self->scene.wg, self->scene.other.pid));
	START(waiter, job_wg_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	DIE();
	ASSERT_TRUE(WAIT_FOR(STATUS.value == 1));
	EXPECT_EQ(0, DO(other, job_wg_done, 0));
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.waiter));
	EXPECT_EQ(1, DO(waiter, job_wg_lost, 0));
	/* It was done: its death means nothing any more. */
	actor_kill(&self->scene.other);
	EXPECT_EQ(0, ksync_waitgroup_add(self->scene.wg, 1));
	EXPECT_EQ(-ETIMEDOUT,
		  ksync_waitgroup_wait_until(self->scene.wg,
					     within(no_death_ms())));
	EXPECT_EQ(1, STATUS.value);
}

/* Bound through a process that never heard of ksync. */
TEST_F(aftermath, die_worker_without_ksync)
{
	pid_t stranger;

	REQUIRE(KSYNC_G_BIND_OTHERS);
	stranger = fork_child();
	if (!stranger) {
		execl("/proc/self/exe", "selftest", "--after-exec", "-1", NULL);
		_exit(1);
	}
	ASSERT_EQ(0, ksync_waitgroup_add(self->scene.wg, 1));
	ASSERT_EQ(0, bind_other(self->scene.wg, stranger));
	kill(stranger, SIGKILL);
	waitpid(stranger, NULL, 0);
	EXPECT_EQ(-EOWNERDEAD, ksync_waitgroup_wait_until(self->scene.wg, PATIENTLY));
	EXPECT_EQ(1, ksync_waitgroup_lost(self->scene.wg));
}

TEST_F(aftermath, done_before_death)
{
	REQUIRE(KSYNC_G_BIND_SELF);
	ASSERT_EQ(0, ksync_waitgroup_add(self->scene.wg, 2));
	ASSERT_EQ(0, DO(victim, bind_self, 0));
	EXPECT_EQ(0, DO(victim, job_wg_done, 0));
	DIE();
	START(waiter, job_wg_wait);
	EXPECT_TRUE(actor_busy(&self->scene.waiter, no_death_ms()));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_EQ(0, DO(other, job_wg_done, 0));
	EXPECT_EQ(0, actor_result(&self->scene.waiter));
	EXPECT_EQ(0, STATUS.deaths);
}

/* Nobody promised anything for a member that is not bound. */
TEST_F(aftermath, unbound_worker)
{
	ASSERT_EQ(0, DO(victim, job_wg_add, 1));
	DIE();
	START(waiter, job_wg_wait);
	EXPECT_TRUE(actor_busy(&self->scene.waiter, no_death_ms()));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_EQ(0, ksync_waitgroup_done(self->scene.wg));
	EXPECT_EQ(0, actor_result(&self->scene.waiter));
}

/* Members of a round that is over are not taken from the next one. */
TEST_F(aftermath, bound_in_an_earlier_round)
{
	REQUIRE(KSYNC_G_BIND_SELF);
	ASSERT_EQ(0, ksync_waitgroup_add(self->scene.wg, 1));
	ASSERT_EQ(0, DO(victim, bind_self, 0));
	/* Somebody else said done in its place. */
	EXPECT_EQ(0, ksync_waitgroup_done(self->scene.wg));
	EXPECT_EQ(0, ksync_waitgroup_wait_until(self->scene.wg, PATIENTLY));
	ASSERT_EQ(0, ksync_waitgroup_add(self->scene.wg, 2));
	DIE();
	EXPECT_EQ(-ETIMEDOUT,
		  ksync_waitgroup_wait_until(self->scene.wg,
					     within(no_death_ms())));
	EXPECT_EQ(2, STATUS.value);
	EXPECT_EQ(0, ksync_waitgroup_add(self->scene.wg, -2));
	EXPECT_EQ(0, ksync_waitgroup_wait_until(self->scene.wg, PATIENTLY));
}

/* Everybody bound dies, with nobody there to notice until somebody asks. */
TEST(everybody_dies)
{
	struct ksync_waitgroup *wg;
	struct actor a[5];
	int i;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_BIND_SELF | KSYNC_G_PROCESS_DEATH);
	ASSERT_EQ(0, ksync_waitgroup_create(&wg, NULL));
	ASSERT_EQ(0, ksync_waitgroup_add(wg, 5));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, actor_begin(&a[i], ACTOR_PROCESS));
		ASSERT_EQ(0, actor_do(&a[i], bind_self, wg, 0));
	}
	for (i = 0; i < 5; i++)
		actor_end(&a[i]);
	EXPECT_EQ(-EOWNERDEAD, ksync_waitgroup_wait_until(wg, PATIENTLY));
	EXPECT_EQ(5, ksync_waitgroup_lost(wg));
	EXPECT_EQ(5, wg_status(wg).lost);
	ksync_waitgroup_close(wg);
}

DEATH_HARNESS_MAIN
