// SPDX-License-Identifier: GPL-2.0-only
/* Events of one object that are tied to each other: who sets whom, and when. */

#include "actor.h"
#include "sandbox.h"

#define EVENTS	12

/* 0 is above 1, and that above 2. */
FIXTURE(event_tree) {
	struct ksync_event *all;
	struct actor a, b;
	uint64_t random;
};

#define E(i) ksync_event_at(self->all, i)
#define TIE(child, parent) ksync_event_set_parent(E(child), E(parent))

FIXTURE_SETUP(event_tree)
{
	struct ksync_options o = { .nr = EVENTS };

	REQUIRE_BACKEND();
	self->random = test_seed();
	ASSERT_EQ(0, ksync_event_create(&self->all, &o));
	/* Before the others are forked, so that they know them, too. */
	ASSERT_EQ(0, TIE(1, 0));
	ASSERT_EQ(0, TIE(2, 1));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(event_tree)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_event_close(self->all);
}

JOB(job_set, ksync_event, ksync_event_set(ksync_event_at(h, arg)))
JOB(job_wait, ksync_event, ksync_event_wait(ksync_event_at(h, arg)))
JOB(job_tie, ksync_event, ksync_event_set_parent(ksync_event_at(h, arg >> 8),
						 ksync_event_at(h, arg & 255)))

static bool is_set(struct ksync_event *e)
{
	struct ksync_status st;

	return !ksync_event_status(e, &st) && st.value;
}

static uint64_t at_once_ns(void)
{
	return (machine_is_slow() ? 3000 : 50) * NSEC_PER_MSEC;
}

TEST_F(event_tree, set_goes_down)
{
	ASSERT_EQ(0, ksync_event_set(E(1)));
	EXPECT_FALSE(is_set(E(0)));
	EXPECT_TRUE(is_set(E(2)));
	ASSERT_EQ(0, ksync_event_reset(E(2)));
	EXPECT_TRUE(is_set(E(1)));
	EXPECT_FALSE(is_set(E(2)));
	/* 1 was set already, and so 2 is told nothing. */
	ASSERT_EQ(0, ksync_event_set(E(0)));
	EXPECT_FALSE(is_set(E(2)));
	ASSERT_EQ(0, ksync_event_reset(E(0)));
	ASSERT_EQ(0, ksync_event_reset(E(1)));
	ASSERT_EQ(0, ksync_event_set(E(0)));
	EXPECT_TRUE(is_set(E(1)));
	EXPECT_TRUE(is_set(E(2)));
	EXPECT_EQ(0, ksync_event_wait(E(2)));
	/* A reset is for one. */
	ASSERT_EQ(0, ksync_event_reset(E(0)));
	EXPECT_TRUE(is_set(E(1)));
	EXPECT_TRUE(is_set(E(2)));
}

TEST_F(event_tree, set_and_reset_at_once)
{
	ASSERT_EQ(0, ksync_event_set(E(0)));
	ASSERT_EQ(0, ksync_event_reset(E(0)));
	EXPECT_TRUE(is_set(E(1)));
	EXPECT_TRUE(is_set(E(2)));
	ASSERT_EQ(0, ksync_event_reset(E(2)));
	ASSERT_EQ(0, ksync_event_reset(E(1)));
	EXPECT_FALSE(is_set(E(1)));
	EXPECT_FALSE(is_set(E(2)));
}

TEST_F(event_tree, tied_to_one_that_is_set)
{
	ASSERT_EQ(0, ksync_event_set(E(3)));
	ASSERT_EQ(0, TIE(4, 3));
	EXPECT_TRUE(is_set(E(4)));
	ASSERT_EQ(0, ksync_event_reset(E(4)));
	EXPECT_FALSE(is_set(E(4)));
	/* Again, though it knows. */
	ASSERT_EQ(0, TIE(4, 3));
	EXPECT_TRUE(is_set(E(4)));
}

TEST_F(event_tree, untied)
{
	/* What happened before counts. */
	ASSERT_EQ(0, ksync_event_set(E(0)));
	ASSERT_EQ(0, ksync_event_reset(E(0)));
	ASSERT_EQ(0, ksync_event_set_parent(E(2), NULL));
	ASSERT_EQ(0, ksync_event_set_parent(E(1), NULL));
	ASSERT_EQ(0, ksync_event_set_parent(E(1), NULL));
	EXPECT_TRUE(is_set(E(1)));
	EXPECT_TRUE(is_set(E(2)));
	ASSERT_EQ(0, ksync_event_reset(E(1)));
	ASSERT_EQ(0, ksync_event_reset(E(2)));
	ASSERT_EQ(0, ksync_event_set(E(0)));
	ASSERT_EQ(0, ksync_event_set(E(1)));
	EXPECT_FALSE(is_set(E(2)));
	ASSERT_EQ(0, ksync_event_reset(E(1)));
	EXPECT_FALSE(is_set(E(1)));
}

TEST_F(event_tree, no_such_tree)
{
	int i;

	EXPECT_EQ(-ELOOP, TIE(0, 0));
	EXPECT_EQ(-ELOOP, TIE(0, 2));
	EXPECT_EQ(-EBUSY, TIE(1, 3));
	EXPECT_EQ(0, ksync_event_set_parent(E(2), NULL));
	EXPECT_EQ(0, TIE(1, 3));
	/* 3, 1, 4, 5 and so on: 8 ancestors are enough. */
	EXPECT_EQ(0, TIE(4, 1));
	for (i = 5; i < EVENTS - 1; i++)
		ASSERT_EQ(i - 3 > 8 ? -ELOOP : 0, TIE(i, i - 1));
	ASSERT_EQ(0, ksync_event_set(E(3)));
	EXPECT_TRUE(is_set(E(10)));
	EXPECT_FALSE(is_set(E(11)));
}

TEST_F_TIMEOUT(event_tree, no_more_children, 300)
{
	struct ksync_options o = { .nr = 4100 };
	struct ksync_event *many;
	int i;

	ASSERT_EQ(0, ksync_event_create(&many, &o));
	for (i = 1; i <= 4096; i++)
		ASSERT_EQ(0, ksync_event_set_parent(ksync_event_at(many, i),
						    many));
	EXPECT_EQ(-EMLINK, ksync_event_set_parent(ksync_event_at(many, 4097),
						  many));
	EXPECT_EQ(0, ksync_event_set_parent(ksync_event_at(many, 7), many));
	EXPECT_EQ(0, ksync_event_set_parent(ksync_event_at(many, 7), NULL));
	EXPECT_EQ(0, ksync_event_set_parent(ksync_event_at(many, 4097), many));
	EXPECT_EQ(0, ksync_event_set(many));
	EXPECT_TRUE(is_set(ksync_event_at(many, 4097)));
	EXPECT_FALSE(is_set(ksync_event_at(many, 7)));
	ksync_event_close(many);
}

TEST_F(event_tree, wakes_who_waits_below)
{
	uint64_t began;

	actor_start(&self->a, job_wait, self->all, 2);
	actor_start(&self->b, job_wait, self->all, 1);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	began = now_ns();
	ASSERT_EQ(0, ksync_event_set(E(0)));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_GT(at_once_ns(), now_ns() - began);
}

TEST_F(event_tree, in_sandbox)
{
	long err = actor_do(&self->a, deny_syscall, NULL, SYS_futex_waitv);
	uint64_t began;

	if (err)
		SKIP(return, "no filter of system calls: %ld", err);
	actor_start(&self->a, job_wait, self->all, 2);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	began = now_ns();
	ASSERT_EQ(0, ksync_event_set(E(0)));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_GT(at_once_ns(), now_ns() - began);
}

/* Nobody can see it wait: it may be on its way there. */
TEST_F(event_tree, wakes_who_waited_before_it_was_tied)
{
	actor_start(&self->a, job_wait, self->all, 4);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, TIE(4, 2));
	ASSERT_EQ(0, ksync_event_set(E(0)));
	ASSERT_EQ(0, ksync_event_reset(E(0)));
	EXPECT_EQ(0, actor_result(&self->a));
}

TEST_F(event_tree, cancels_below)
{
	struct ksync_wait w = { .cancel = E(2) };
	struct ksync_mutex *m;
	struct actor thread;
	uint64_t began;

	REQUIRE(KSYNC_G_CANCEL);
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	ASSERT_EQ(0, actor_begin(&thread, ACTOR_THREAD));
	ASSERT_EQ(0, actor_do(&thread, job_mutex_lock, m, 0));
	actor_start(&self->a, job_set, self->all, 0);
	EXPECT_EQ(-ECANCELED, ksync_mutex_lock_until(m, &w));
	EXPECT_EQ(0, actor_result(&self->a));
	ASSERT_EQ(0, ksync_event_reset(E(2)));
	actor_end(&self->a);
	ASSERT_EQ(0, ksync_event_reset(E(1)));
	ASSERT_EQ(0, ksync_event_reset(E(0)));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	actor_start(&self->a, job_set, self->all, 1);
	began = now_ns();
	EXPECT_EQ(-ECANCELED, ksync_mutex_lock_until(m, &w));
	EXPECT_GT(at_once_ns(), now_ns() - began);
	EXPECT_EQ(0, actor_do(&thread, job_mutex_unlock, m, 0));
	actor_end(&thread);
	ksync_mutex_close(m);
}

/* A set of the parent is told once: as often as it is set, 2 is. */
static long job_pong(void *obj, uint64_t n)
{
	struct ksync_event *all = obj;
	long err = 0;

	while (n-- && !err)
		err = ksync_event_wait(ksync_event_at(all, 2)) ?:
		      ksync_event_reset(ksync_event_at(all, 2)) ?:
		      ksync_event_reset(ksync_event_at(all, 1)) ?:
		      ksync_event_set(ksync_event_at(all, 9));
	return err;
}

TEST_F(event_tree, told_once)
{
	int i;

	actor_start(&self->a, job_pong, self->all, 500);
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(0, ksync_event_set(E(0)));
		ASSERT_EQ(0, ksync_event_reset(E(0)));
		ASSERT_EQ(0, ksync_event_wait(E(9)));
		ASSERT_EQ(0, ksync_event_reset(E(9)));
		ASSERT_FALSE(is_set(E(2)));
	}
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_FALSE(is_set(E(1)));
}

TEST_F(event_tree, die_setting)
{
	unsigned int i;

	for_each_round(i, 60) {
		actor_start(&self->a, job_wait, self->all, 2);
		actor_start(&self->b, job_set, self->all, 0);
		random_instant(&self->random);
		actor_kill(&self->b);
		if (!is_set(E(0)))
			ASSERT_EQ(0, ksync_event_set(E(0)));
		ASSERT_EQ(0, actor_result(&self->a));
		ASSERT_EQ(0, ksync_event_reset(E(2)));
		ASSERT_EQ(0, ksync_event_reset(E(1)));
		ASSERT_EQ(0, ksync_event_reset(E(0)));
		actor_end(&self->b);
		ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
	}
}

/* Whatever it left, the tie can be made and undone. */
TEST_F(event_tree, die_tying)
{
	unsigned int i;

	for_each_round(i, 60) {
		actor_start(&self->b, job_tie, self->all, 5 << 8 | 4);
		random_instant(&self->random);
		actor_kill(&self->b);
		ASSERT_EQ(0, TIE(5, 4));
		ASSERT_EQ(0, ksync_event_set(E(4)));
		ASSERT_TRUE(is_set(E(5)));
		ASSERT_EQ(0, ksync_event_reset(E(4)));
		ASSERT_EQ(0, ksync_event_reset(E(5)));
		ASSERT_EQ(-EBUSY, TIE(4, 0));
		ASSERT_EQ(0, ksync_event_set_parent(E(5), NULL));
		/* It has no children by now. */
		ASSERT_EQ(0, TIE(4, 0));
		ASSERT_EQ(0, ksync_event_set_parent(E(4), NULL));
		actor_end(&self->b);
		ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
	}
}

/* In another object: its file need not be open where the child is. */
TEST_F(event_tree, parent_elsewhere)
{
	struct ksync_event *other;
	int expected = missing_guarantees(KSYNC_G_PARENTS) ? -EOPNOTSUPP : 0;

	/* The older one is the parent. */
	ASSERT_EQ(0, ksync_event_create(&other, NULL));
	EXPECT_EQ(expected, ksync_event_set_parent(other, E(0)));
	ASSERT_EQ(0, ksync_event_set(E(0)));
	EXPECT_EQ(!expected, is_set(other));
	ksync_event_close(other);
}

TEST_HARNESS_MAIN
