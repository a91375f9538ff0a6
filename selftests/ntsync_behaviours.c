// SPDX-License-Identifier: GPL-2.0-only
/*
 * The behaviours that users of the kernel's ntsync rely on, one by one, with
 * what corresponds to them here. What differs: an owner is a thread that the
 * kernel knows and not a number from the caller; its death is noticed and not
 * reported; a mutex is recursive only if it was made so; an alert is an event
 * that cancels.
 */
#include "actor.h"
#include "all_processors.h"

/* What the actors wait for. */
struct world {
	struct ksync_mutex *mutex;		/* recursive, two of them */
	struct ksync_sem *sem;			/* 2 of 3 permits */
	struct ksync_event *manual, *automatic, *alert;
};

FIXTURE(ntsync) {
	struct world w;
	struct actor a, b;
};

FIXTURE_SETUP(ntsync)
{
	struct ksync_options recursive = { .flags = KSYNC_RECURSIVE, .nr = 2 };
	struct ksync_options permits = { .value = 2, .max = 3 };
	struct ksync_options reset = { .flags = KSYNC_AUTO_RESET };
	struct world *w = &self->w;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&w->mutex, &recursive));
	ASSERT_EQ(0, ksync_sem_create(&w->sem, &permits));
	ASSERT_EQ(0, ksync_event_create(&w->manual, NULL));
	ASSERT_EQ(0, ksync_event_create(&w->automatic, &reset));
	ASSERT_EQ(0, ksync_event_create(&w->alert, NULL));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(ntsync)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_mutex_close(self->w.mutex);
	ksync_sem_close(self->w.sem);
	ksync_event_close(self->w.manual);
	ksync_event_close(self->w.automatic);
	ksync_event_close(self->w.alert);
}

/* Which of several was had, above all errors. */
#define HAD(index)	(1000L + (index))

#define A_MUTEX(w, i)	{ .take = KSYNC_TAKE_MUTEX, \
			  .mutex = ksync_mutex_at((w)->mutex, i) }
#define A_PERMIT(w)	{ .take = KSYNC_TAKE_PERMITS, .count = 1, \
			  .sem = (w)->sem }
#define AN_EVENT(e)	{ .take = KSYNC_TAKE_EVENT, .event = e }

static long any(struct ksync_item *items, uint32_t nr,
		const struct ksync_wait *w)
{
	uint32_t index = nr;
	int err = ksync_wait_any(items, nr, w, &index);

	if (err == -EOWNERDEAD)
		return -HAD(index);
	return err ? err : HAD(index);
}

static struct ksync_wait alertable(struct world *w, uint64_t ms)
{
	const struct ksync_wait *limit = within(ms);

	return (struct ksync_wait){
		.deadline = limit ? limit->deadline : NULL,
		.cancel = w->alert,
	};
}

/* Any of a mutex and a permit. */
static long job_any(void *obj, uint64_t ms)
{
	struct ksync_item items[] = { A_MUTEX((struct world *)obj, 0),
				      A_PERMIT((struct world *)obj) };
	struct ksync_wait limit = alertable(obj, ms);

	return any(items, 2, &limit);
}

/* Any of the two events. */
static long job_any_event(void *obj, uint64_t ms)
{
	struct world *w = obj;
	struct ksync_item items[] = { AN_EVENT(w->manual),
				      AN_EVENT(w->automatic) };

	return any(items, 2, within(ms));
}

/* Both a mutex and a permit. */
static long job_all(void *obj, uint64_t ms)
{
	struct ksync_item items[] = { A_MUTEX((struct world *)obj, 0),
				      A_PERMIT((struct world *)obj) };
	struct ksync_wait limit = alertable(obj, ms);

	return ksync_wait_all(items, 2, &limit);
}

static long job_all_events(void *obj, uint64_t ms)
{
	struct world *w = obj;
	struct ksync_item items[] = { AN_EVENT(w->manual),
				      AN_EVENT(w->automatic) };

	return ksync_wait_all(items, 2, within(ms));
}

static long job_lock(void *obj, uint64_t ms)
{
	return ksync_mutex_lock_until(((struct world *)obj)->mutex, within(ms));
}

static long job_unlock(void *obj, uint64_t unused)
{
	return ksync_mutex_unlock(((struct world *)obj)->mutex);
}

static long job_event(void *obj, uint64_t ms)
{
	return ksync_event_wait_until(((struct world *)obj)->automatic,
				      within(ms));
}

static uint32_t event_value(struct ksync_event *e)
{
	struct ksync_status st;

	return ksync_event_status(e, &st) ? UINT32_MAX : st.value;
}

#define START(actor, job, ms) actor_start(&self->actor, job, &self->w, ms)
#define DO(actor, job, ms) actor_do(&self->actor, job, &self->w, ms)
#define WAITERS(type, obj)						\
	({ struct ksync_status st_ = {};				\
	   ksync_##type##_status(obj, &st_);				\
	   st_.waiters + st_.waiters_shared; })

TEST_F(ntsync, semaphore_state)
{
	struct ksync_sem *s = self->w.sem;

	EXPECT_EQ(2, ksync_sem_value(s));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(s, 2));
	EXPECT_EQ(2, ksync_sem_value(s));
	EXPECT_EQ(0, ksync_sem_release(s, 1));
	EXPECT_EQ(3, ksync_sem_value(s));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(s, 1));
	EXPECT_EQ(-EOVERFLOW, ksync_sem_release(s, INT32_MAX));
	EXPECT_EQ(3, ksync_sem_value(s));
	EXPECT_EQ(0, ksync_sem_acquire(s, 1));
	EXPECT_EQ(0, ksync_sem_acquire(s, 1));
	EXPECT_EQ(0, ksync_sem_acquire(s, 1));
	EXPECT_EQ(-ETIMEDOUT, ksync_sem_acquire_until(s, 1, within(1)));
	EXPECT_EQ(0, ksync_sem_value(s));
}

TEST_F(ntsync, mutex_state)
{
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(0, ksync_mutex_lock(self->w.mutex));
	EXPECT_EQ(0, ksync_mutex_lock(self->w.mutex));
	EXPECT_EQ(getpid(), mutex_status(self->w.mutex).holder_pid);
	EXPECT_EQ(-EPERM, DO(a, job_unlock, 0));
	EXPECT_EQ(-ETIMEDOUT, DO(a, job_lock, 5));
	EXPECT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	/* Once more than it was unlocked. */
	EXPECT_EQ(-ETIMEDOUT, DO(a, job_lock, 5));
	EXPECT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(0, DO(a, job_lock, 5));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(0, DO(a, job_unlock, 0));
}

/* The next owner is told, until it says that all is well. */
TEST_F(ntsync, abandoned_mutex)
{
	ASSERT_EQ(0, DO(a, job_lock, 0));
	actor_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(self->w.mutex,
						      PATIENTLY));
	EXPECT_EQ(0, ksync_mutex_consistent(self->w.mutex));
	EXPECT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(0, DO(b, job_lock, 0));
}

TEST_F(ntsync, manual_event_state)
{
	struct ksync_event *e = self->w.manual;

	EXPECT_EQ(-ETIMEDOUT, ksync_event_wait_until(e, within(1)));
	EXPECT_EQ(0, ksync_event_set(e));
	EXPECT_EQ(0, ksync_event_set(e));
	EXPECT_EQ(1, event_value(e));
	EXPECT_EQ(0, ksync_event_wait(e));
	EXPECT_EQ(0, ksync_event_wait(e));
	EXPECT_EQ(0, ksync_event_reset(e));
	EXPECT_EQ(0, ksync_event_reset(e));
	EXPECT_EQ(0, event_value(e));
	EXPECT_EQ(-ETIMEDOUT, ksync_event_wait_until(e, within(1)));
}

TEST_F(ntsync, automatic_event_state)
{
	struct ksync_event *e = self->w.automatic;

	EXPECT_EQ(0, ksync_event_set(e));
	EXPECT_EQ(0, ksync_event_set(e));
	EXPECT_EQ(0, ksync_event_wait(e));
	EXPECT_EQ(0, event_value(e));
	EXPECT_EQ(-ETIMEDOUT, ksync_event_wait_until(e, within(1)));
	EXPECT_EQ(0, ksync_event_set(e));
	EXPECT_EQ(0, ksync_event_reset(e));
	EXPECT_EQ(-ETIMEDOUT, ksync_event_wait_until(e, within(1)));
	/* It lets one of two go. */
	START(a, job_event, 0);
	START(b, job_event, 0);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_event_set(e));
	ASSERT_TRUE(WAIT_FOR(!event_value(e)));
	EXPECT_TRUE(!!actor_busy(&self->a, WATCH_MS) ^
		    !!actor_busy(&self->b, WATCH_MS));
	ASSERT_EQ(0, ksync_event_set(e));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, event_value(e));
}

TEST_F(ntsync, wait_any)
{
	int i;

	REQUIRE(KSYNC_G_MANY);
	/* The mutex as often as it likes, since it comes first. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(HAD(0), job_any(&self->w, 5));
	EXPECT_EQ(2, ksync_sem_value(self->w.sem));
	/* Others get what is left, and then nothing. */
	EXPECT_EQ(HAD(1), DO(a, job_any, 5));
	EXPECT_EQ(HAD(1), DO(a, job_any, 5));
	EXPECT_EQ(-ETIMEDOUT, DO(a, job_any, 5));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(HAD(0), DO(a, job_any, 5));
}

TEST_F(ntsync, wait_any_for_the_same_twice)
{
	struct ksync_item items[] = { A_PERMIT(&self->w), A_PERMIT(&self->w) };

	REQUIRE(KSYNC_G_MANY);
	EXPECT_EQ(HAD(0), any(items, 2, within(1)));
	EXPECT_EQ(HAD(0), any(items, 2, within(1)));
	EXPECT_EQ(-ETIMEDOUT, any(items, 2, within(1)));
	EXPECT_EQ(-EINVAL, ksync_wait_all(items, 2, within(1)));
}

TEST_F(ntsync, wait_all)
{
	REQUIRE(KSYNC_G_MANY);
	EXPECT_EQ(0, job_all(&self->w, 5));
	EXPECT_EQ(0, job_all(&self->w, 5));
	EXPECT_EQ(0, ksync_sem_value(self->w.sem));
	/* All or none. */
	EXPECT_EQ(-ETIMEDOUT, job_all(&self->w, 5));
	EXPECT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(0, ksync_mutex_lock(self->w.mutex));
	EXPECT_EQ(0, ksync_sem_release(self->w.sem, 3));
	EXPECT_EQ(-ETIMEDOUT, DO(a, job_all, 5));
	EXPECT_EQ(3, ksync_sem_value(self->w.sem));
}

TEST_F(ntsync, abandoned_in_wait_any_and_all)
{
	REQUIRE(KSYNC_G_MANY);
	ASSERT_EQ(0, DO(a, job_lock, 0));
	actor_kill(&self->a);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->w.mutex).deaths == 1));
	EXPECT_EQ(-HAD(0), job_any(&self->w, 5));
	EXPECT_EQ(0, ksync_mutex_consistent(self->w.mutex));
	EXPECT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	ASSERT_EQ(0, DO(b, job_lock, 0));
	actor_kill(&self->b);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->w.mutex).deaths == 2));
	EXPECT_EQ(-EOWNERDEAD, job_all(&self->w, 5));
	EXPECT_EQ(1, ksync_sem_value(self->w.sem));
}

/* By each of what it waits for; what it did not get is free for others. */
TEST_F(ntsync, wake_any)
{
	REQUIRE(KSYNC_G_MANY);
	ASSERT_EQ(0, ksync_mutex_lock(self->w.mutex));
	ASSERT_EQ(0, ksync_sem_acquire(self->w.sem, 2));
	START(a, job_any, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS(sem, self->w.sem) == 1));
	ASSERT_EQ(0, ksync_sem_release(self->w.sem, 1));
	EXPECT_EQ(HAD(1), actor_result(&self->a));
	EXPECT_EQ(0, WAITERS(mutex, self->w.mutex));
	START(a, job_any, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS(sem, self->w.sem) == 1));
	ASSERT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	EXPECT_EQ(HAD(0), actor_result(&self->a));
	EXPECT_EQ(0, WAITERS(sem, self->w.sem));
	/* By the death of the owner. */
	START(b, job_any, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS(sem, self->w.sem) == 1));
	actor_kill(&self->a);
	EXPECT_EQ(-HAD(0), actor_result(&self->b));
}

/* So many wait for the event; where nobody counts them, they have had time to. */
static bool wait_for_event_waiters(struct world *w, struct actor *last,
				   uint32_t nr)
{
	if (!strcmp(ksync_backend(), "kernel"))
		return WAIT_FOR(WAITERS(event, w->automatic) == nr);
	return actor_busy(last, WATCH_MS);
}

TEST_F(ntsync, wake_any_by_events)
{
	REQUIRE(KSYNC_G_MANY);
	START(a, job_any_event, 0);
	ASSERT_TRUE(wait_for_event_waiters(&self->w, &self->a, 1));
	ASSERT_EQ(0, ksync_event_set(self->w.automatic));
	EXPECT_EQ(HAD(1), actor_result(&self->a));
	EXPECT_EQ(0, event_value(self->w.automatic));
	START(a, job_any_event, 0);
	START(b, job_any_event, 0);
	ASSERT_TRUE(wait_for_event_waiters(&self->w, &self->b, 2));
	ASSERT_EQ(0, ksync_event_set(self->w.manual));
	EXPECT_EQ(HAD(0), actor_result(&self->a));
	EXPECT_EQ(HAD(0), actor_result(&self->b));
	/* The first that is set of those in the list. */
	ASSERT_EQ(0, ksync_event_set(self->w.automatic));
	EXPECT_EQ(HAD(0), DO(a, job_any_event, 5));
	EXPECT_EQ(1, event_value(self->w.automatic));
}

TEST_F(ntsync, wake_all)
{
	REQUIRE(KSYNC_G_MANY);
	ASSERT_EQ(0, ksync_mutex_lock(self->w.mutex));
	ASSERT_EQ(0, ksync_sem_acquire(self->w.sem, 2));
	START(a, job_all, 0);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	/* One is not enough, and stays free. */
	ASSERT_EQ(0, ksync_sem_release(self->w.sem, 1));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_TRUE(WAIT_FOR(ksync_sem_value(self->w.sem) == 1));
	ASSERT_EQ(0, ksync_sem_acquire(self->w.sem, 1));
	ASSERT_EQ(0, ksync_mutex_unlock(self->w.mutex));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_sem_release(self->w.sem, 1));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, ksync_sem_value(self->w.sem));
	EXPECT_EQ(self->a.pid, mutex_status(self->w.mutex).holder_pid);
}

/* All at once: an event that was reset meanwhile has to be set again. */
TEST_F(ntsync, wake_all_by_events)
{
	REQUIRE(KSYNC_G_MANY);
	START(a, job_all_events, 0);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_event_set(self->w.manual));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_event_reset(self->w.manual));
	ASSERT_EQ(0, ksync_event_set(self->w.automatic));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_event_set(self->w.manual));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, event_value(self->w.automatic));
	EXPECT_EQ(1, event_value(self->w.manual));
}

/* An alert ends a wait that gets nothing, and only that. */
TEST_F(ntsync, alert)
{
	job_fn jobs[] = { job_any, job_all };
	int i;

	REQUIRE(KSYNC_G_MANY | KSYNC_G_CANCEL);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ksync_mutex_lock(self->w.mutex));
		ASSERT_EQ(0, ksync_sem_acquire(self->w.sem, 2));
		START(a, jobs[i], 0);
		EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
		ASSERT_EQ(0, ksync_event_set(self->w.alert));
		EXPECT_EQ(-ECANCELED, actor_result(&self->a));
		EXPECT_EQ(-ECANCELED, DO(a, jobs[i], 0));
		ASSERT_EQ(0, ksync_mutex_unlock(self->w.mutex));
		ASSERT_EQ(0, ksync_sem_release(self->w.sem, 2));
		EXPECT_EQ(i ? 0 : HAD(0), DO(a, jobs[i], 0));
		EXPECT_EQ(0, DO(a, job_unlock, 0));
		ASSERT_EQ(0, ksync_event_reset(self->w.alert));
	}
}

/* Lock by either kind of wait, count, unlock. */
static uint64_t *counter;

static long job_count(void *obj, uint64_t rounds)
{
	struct ksync_item one[] = { A_MUTEX((struct world *)obj, 1) };
	uint64_t i;
	long err;

	for (i = 0; i < rounds; i++) {
		err = i % 2 ? any(one, 1, NULL) - HAD(0) :
			      ksync_wait_all(one, 1, NULL);
		if (err)
			return err;
		*(volatile uint64_t *)counter += 1;
		err = ksync_mutex_unlock(one[0].mutex);
		if (err)
			return err;
	}
	return 0;
}

/* Few enough for an emulated machine with a kernel full of detectors. */
TEST_F_TIMEOUT(ntsync, stress_wait, 120)
{
	uint64_t rounds = machine_is_slow() ? 500 : 20000;

	REQUIRE(KSYNC_G_MANY);
	counter = shared_memory(sizeof(*counter));
	actor_end(&self->a);
	actor_end(&self->b);
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
	START(a, job_count, rounds);
	START(b, job_count, rounds);
	EXPECT_EQ(0, job_count(&self->w, rounds));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(3 * rounds, *counter);
}

TEST_HARNESS_MAIN
