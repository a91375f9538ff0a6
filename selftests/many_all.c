// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for all of several primitives: what is given back, and those who want
 * only one, or the same in another order.
 */
#include "many.h"

static long job_die_with(void *obj, uint64_t unused)
{
	if (shut(obj, MUTEX, 0) || shut(obj, WRITE, 0))
		return -1;
	_exit(0);
}

static long job_shut(void *obj, uint64_t number)
{
	return shut(obj, number / 2, number % 2);
}

/* All that was taken is given back as it was found: with deaths to report. */
TEST_F(many, gives_back_what_it_found)
{
	struct things *t = self->t;
	struct ksync_item items[2];
	int thing;

	START(b, job_die_with, 0);
	ASSERT_TRUE(WAIT_FOR(status_of(t, WRITE, 0).deaths == 1 &&
			     status_of(t, MUTEX, 0).deaths == 1));
	for (thing = MUTEX; thing < THINGS; thing++) {
		bool dead = thing == MUTEX || thing == WRITE;

		/* In an object it goes by the index. */
		items[0] = item_of(t, thing, 0);
		items[1] = item_of(t, thing, 1);
		ASSERT_EQ(0, DO(a, job_shut, 2 * thing + 1));
		EXPECT_EQ(-ETIMEDOUT, ksync_wait_all(items, 2, within(30)));
		EXPECT_EQ(-EBUSY, items[0].result);
		ASSERT_EQ(0, DO(a, job_give, 2 * thing + 1));
		EXPECT_EQ(dead ? -EOWNERDEAD : 0,
			  ksync_wait_all(items, 2, within(30)));
		EXPECT_EQ(dead ? -EOWNERDEAD : 0, items[0].result);
		EXPECT_EQ(0, items[1].result);
	}
	EXPECT_EQ(1, ksync_sem_value(ksync_sem_at(t->sems, 0)));
	EXPECT_EQ(0, ksync_mutex_consistent(mutex_of(t, MUTEX, 0)));
	EXPECT_EQ(0, ksync_rwlock_consistent(rwlock_of(t, WRITE, 0)));
}

TEST_F(many, gives_an_event_back)
{
	struct ksync_options o = { .flags = KSYNC_AUTO_RESET, .nr = 2 };
	struct ksync_item items[2];
	struct ksync_event *e;
	struct ksync_status st;
	int i;

	ASSERT_EQ(0, ksync_event_create(&e, &o));
	for (i = 0; i < 2; i++)
		items[i] = (struct ksync_item){
			.take = KSYNC_TAKE_EVENT, .event = ksync_event_at(e, i),
		};
	ASSERT_EQ(0, ksync_event_set(e));
	EXPECT_EQ(-ETIMEDOUT, ksync_wait_all(items, 2, within(30)));
	ASSERT_EQ(0, ksync_event_status(e, &st));
	EXPECT_EQ(1, st.value);
	ASSERT_EQ(0, ksync_event_set(items[1].event));
	EXPECT_EQ(0, ksync_wait_all(items, 2, within(30)));
	ASSERT_EQ(0, ksync_event_status(e, &st));
	EXPECT_EQ(0, st.value);
	ksync_event_close(e);
}

/* One event after the other is set, and never both. */
static long job_set_in_turn(void *obj, uint64_t ms)
{
	uint64_t until = now_ns() + ms * NSEC_PER_MSEC;
	int i, err = 0;

	for (i = 0; now_ns() < until && !err; i = !i) {
		err = ksync_event_set(ksync_event_at(obj, i));
		sleep_ns(i ? 10000 : 100000);
		err = err ?: ksync_event_reset(ksync_event_at(obj, i));
	}
	return err;
}

TEST_F(many, all_at_one_moment)
{
	struct ksync_options o = { .nr = 2 };
	struct ksync_item items[2];
	struct ksync_event *e;
	int i;

	ASSERT_EQ(0, ksync_event_create(&e, &o));
	for (i = 0; i < 2; i++)
		items[i] = (struct ksync_item){
			.take = KSYNC_TAKE_EVENT, .event = ksync_event_at(e, i),
		};
	actor_end(&self->a);
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	actor_start(&self->a, job_set_in_turn, e, 200);
	EXPECT_EQ(-ETIMEDOUT, ksync_wait_all(items, 2, within(150)));
	EXPECT_EQ(0, actor_result(&self->a));
	ksync_event_close(e);
}

/* Long enough for others to go to sleep in the queue. */
#define HOLD_NS	(NSEC_PER_MSEC / 3)

static long job_hammer(void *obj, uint64_t number)
{
	struct things *t = obj;
	int err = 0;

	while (!t->stop && !err) {
		err = job_one(t, number);
		sleep_ns(HOLD_NS);
		err = err ?: give(t, number / 2, number % 2);
	}
	return err;
}

/*
 * Those who want one each, two of them for each, so that neither is ever free,
 * do not keep all from anybody.
 */
TEST_F(many, starve_all)
{
	struct things *t = self->t;
	struct actor busy[4] = {};
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, actor_begin(&busy[i], ACTOR_PROCESS));
		actor_start(&busy[i], job_hammer, t, 2 * FIFO + i % 2);
	}
	ASSERT_TRUE(WAIT_FOR(waiters(t, FIFO, 0) && waiters(t, FIFO, 1)));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, job_all(t, PAIR(FIFO, FIFO)));
		ASSERT_EQ(0, job_give_both(t, PAIR(FIFO, FIFO)));
	}
	t->stop = 1;
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, actor_result(&busy[i]));
		actor_end(&busy[i]);
	}
}

static long job_all_often(void *obj, uint64_t times)
{
	long err = 0;

	while (times-- && !err)
		err = job_all(obj, PAIR(FIFO, FIFO)) ?:
		      job_give_both(obj, PAIR(FIFO, FIFO));
	return err;
}

/* Nor are they in the way of one who holds one and waits for the other. */
TEST_F(many, insists_without_deadlock)
{
	struct things *t = self->t;
	struct actor busy[2] = {};
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, actor_begin(&busy[i], ACTOR_PROCESS));
		actor_start(&busy[i], job_hammer, t, 2 * FIFO);
	}
	ASSERT_TRUE(WAIT_FOR(waiters(t, FIFO, 0)));
	START(a, job_all_often, 5);
	while (actor_busy(&self->a, 0)) {
		ASSERT_EQ(0, shut(t, FIFO, 1) ?: shut(t, FIFO, 0));
		sleep_ns(HOLD_NS);
		ASSERT_EQ(0, job_give_both(t, PAIR(FIFO, FIFO)));
	}
	EXPECT_EQ(0, actor_result(&self->a));
	t->stop = 1;
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, actor_result(&busy[i]));
		actor_end(&busy[i]);
	}
}

static long job_all_again(void *obj, uint64_t reverse)
{
	struct things *t = obj;
	struct ksync_item items[2];
	int i, err = 0;

	make_pair(t, PAIR(MUTEX, MUTEX), items);
	if (reverse) {
		struct ksync_item first = items[0];

		items[0] = items[1];
		items[1] = first;
	}
	for (i = 0; i < 100 && !err; i++)
		err = ksync_wait_all(items, 2, PATIENTLY) ?:
		      job_give_both(t, PAIR(MUTEX, MUTEX));
	return err;
}

/* One by one, in either order, and all at once. */
TEST_F(many, no_deadlock)
{
	struct things *t = self->t;
	int i, err;

	START(a, job_all_again, 0);
	START(b, job_all_again, 1);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, shut(t, MUTEX, 1));
		err = ksync_mutex_lock_until(mutex_of(t, MUTEX, 0), PATIENTLY);
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, job_give_both(t, PAIR(MUTEX, MUTEX)));
	}
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
}

TEST_HARNESS_MAIN
