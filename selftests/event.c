// SPDX-License-Identifier: GPL-2.0-only
/* Events: set, reset, who is let go. */

#include "actor.h"

FIXTURE(event) {
	struct ksync_event *manual, *reset;
	struct actor a, b;
};

FIXTURE_SETUP(event)
{
	struct ksync_options o = { .flags = KSYNC_AUTO_RESET, .nr = 2 };

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_event_create(&self->manual, NULL));
	ASSERT_EQ(0, ksync_event_create(&self->reset, &o));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(event)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_event_close(self->manual);
	ksync_event_close(self->reset);
}

JOB(job_set, ksync_event, ksync_event_set(h))
JOB(job_wait, ksync_event, ksync_event_wait_until(h, within(arg)))

/* A deadline that has passed. */
static int look(struct ksync_event *e)
{
	struct timespec past = { 1, 0 };
	struct ksync_wait w = { .deadline = &past };

	return ksync_event_wait_until(e, &w);
}

static bool is_set(struct ksync_event *e)
{
	struct ksync_status st;

	return !ksync_event_status(e, &st) && st.value;
}

TEST_F(event, manual_stays_set)
{
	EXPECT_EQ(-ETIMEDOUT, look(self->manual));
	EXPECT_EQ(0, ksync_event_set(self->manual));
	EXPECT_EQ(0, look(self->manual));
	EXPECT_EQ(0, actor_do(&self->a, job_wait, self->manual, 0));
	EXPECT_EQ(0, ksync_event_wait(self->manual));
	EXPECT_TRUE(is_set(self->manual));
	EXPECT_EQ(0, ksync_event_reset(self->manual));
	EXPECT_EQ(-ETIMEDOUT, look(self->manual));
	EXPECT_FALSE(is_set(self->manual));
}

TEST_F(event, auto_is_taken_once)
{
	struct ksync_event *other = ksync_event_at(self->reset, 1);

	EXPECT_EQ(0, actor_do(&self->a, job_set, self->reset, 0));
	EXPECT_EQ(0, ksync_event_set(self->reset));
	EXPECT_EQ(-ETIMEDOUT, look(other));
	EXPECT_EQ(0, look(self->reset));
	EXPECT_EQ(-ETIMEDOUT, look(self->reset));
	EXPECT_EQ(0, ksync_event_set(self->reset));
	EXPECT_EQ(0, ksync_event_reset(self->reset));
	EXPECT_EQ(-ETIMEDOUT, look(self->reset));
}

TEST_F(event, set_at_first)
{
	struct ksync_options o = { .value = 1, .flags = KSYNC_AUTO_RESET };
	struct ksync_event *e;

	ASSERT_EQ(0, ksync_event_create(&e, &o));
	EXPECT_EQ(0, look(e));
	EXPECT_EQ(-ETIMEDOUT, look(e));
	ksync_event_close(e);
	o.value = 2;
	EXPECT_EQ(-EINVAL, ksync_event_create(&e, &o));
	o.value = 0;
	o.max = 1;
	EXPECT_EQ(-EINVAL, ksync_event_create(&e, &o));
}

TEST_F(event, manual_lets_all_go)
{
	actor_start(&self->a, job_wait, self->manual, 0);
	actor_start(&self->b, job_wait, self->manual, 0);
	EXPECT_TRUE(actor_busy(&self->a, 20));
	EXPECT_TRUE(actor_busy(&self->b, 20));
	EXPECT_EQ(0, ksync_event_set(self->manual));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
}

TEST_F(event, auto_lets_one_go)
{
	struct actor *first, *second;

	actor_start(&self->a, job_wait, self->reset, 0);
	actor_start(&self->b, job_wait, self->reset, 0);
	EXPECT_TRUE(actor_busy(&self->a, 20));
	EXPECT_TRUE(actor_busy(&self->b, 20));
	EXPECT_EQ(0, ksync_event_set(self->reset));
	while (actor_busy(&self->a, 1) && actor_busy(&self->b, 1))
		;
	first = actor_busy(&self->a, 0) ? &self->b : &self->a;
	second = first == &self->a ? &self->b : &self->a;
	EXPECT_EQ(0, actor_result(first));
	EXPECT_TRUE(actor_busy(second, 20));
	EXPECT_FALSE(is_set(self->reset));
	EXPECT_EQ(0, ksync_event_set(self->reset));
	EXPECT_EQ(0, actor_result(second));
}

/* A waiter that was woken and killed does not take the event with it. */
TEST_F(event, die_waiting)
{
	actor_start(&self->a, job_wait, self->reset, 0);
	EXPECT_TRUE(actor_busy(&self->a, 20));
	actor_start(&self->b, job_wait, self->reset, 0);
	EXPECT_TRUE(actor_busy(&self->b, 20));
	actor_kill(&self->a);
	EXPECT_EQ(0, ksync_event_set(self->reset));
	EXPECT_EQ(0, actor_result(&self->b));
}

TEST_F(event, timeout_race)
{
	int i, ret;

	for (i = 0; i < 40; i++) {
		actor_start(&self->a, job_wait, self->reset, 1 + i % 3);
		usleep(i * 100);
		ASSERT_EQ(0, ksync_event_set(self->reset));
		ret = actor_result(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		ASSERT_EQ(ret ? 0 : -ETIMEDOUT, look(self->reset));
	}
}

/* Ping, pong: nothing is lost and nothing comes twice. */
static long job_pong(void *obj, uint64_t n)
{
	struct ksync_event *e = obj;
	long ret = 0;

	while (n-- && !ret)
		ret = ksync_event_wait(e) ?:
		      ksync_event_set(ksync_event_at(e, 1));
	return ret;
}

TEST_F(event, ping_pong)
{
	int i;

	actor_start(&self->a, job_pong, self->reset, 500);
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(0, ksync_event_set(self->reset));
		ASSERT_EQ(0, ksync_event_wait(ksync_event_at(self->reset, 1)));
	}
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_FALSE(is_set(self->reset));
}

TEST_F(event, null_handles)
{
	EXPECT_EQ(-EINVAL, ksync_event_set(NULL));
	EXPECT_EQ(-EINVAL, ksync_event_reset(NULL));
	EXPECT_EQ(-EINVAL, ksync_event_wait(NULL));
	EXPECT_EQ(-EINVAL, ksync_event_wait_until(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_event_set_parent(NULL, self->manual));
}

TEST_F(event, parents)
{
	EXPECT_EQ(-EINVAL, ksync_event_set_parent(self->manual, self->reset));
	REQUIRE(KSYNC_G_PARENTS);
	EXPECT_EQ(-ELOOP, ksync_event_set_parent(self->manual, self->manual));
	ASSERT_EQ(0, ksync_event_set_parent(self->reset, self->manual));
	actor_start(&self->a, job_wait, self->reset, 0);
	EXPECT_TRUE(actor_busy(&self->a, 10));
	ASSERT_EQ(0, ksync_event_set(self->manual));
	EXPECT_EQ(0, actor_result(&self->a));
	ASSERT_EQ(0, ksync_event_set_parent(self->reset, NULL));
	ASSERT_EQ(0, ksync_event_reset(self->manual));
	ASSERT_EQ(0, ksync_event_set(self->manual));
	EXPECT_FALSE(is_set(self->reset));
}

TEST_HARNESS_MAIN
