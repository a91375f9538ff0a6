// SPDX-License-Identifier: GPL-2.0-only
/* Waits that an event cancels, for several primitives, and queued requests. */

#include "actor.h"

#include <poll.h>

struct all {
	struct ksync_mutex *mutex;
	struct ksync_rwlock *rwlock;
	struct ksync_waitgroup *wg;
	struct ksync_sem *sem;
	struct ksync_event *event, *token;
	struct ksync_cond *cond;
	struct ksync_barrier *barrier;
	struct ksync_once *once;
};

FIXTURE(combining) {
	struct all all;
	struct actor a, b;
};

FIXTURE_SETUP(combining)
{
	struct ksync_options two = { .nr = 2 };
	struct ksync_options permits = { .value = 2, .max = 2 };
	struct ksync_options reset = { .flags = KSYNC_AUTO_RESET };
	struct all *all = &self->all;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&all->mutex, &two));
	ASSERT_EQ(0, ksync_rwlock_create(&all->rwlock, NULL));
	ASSERT_EQ(0, ksync_waitgroup_create(&all->wg, NULL));
	ASSERT_EQ(0, ksync_sem_create(&all->sem, &permits));
	ASSERT_EQ(0, ksync_event_create(&all->event, &reset));
	ASSERT_EQ(0, ksync_event_create(&all->token, NULL));
	ASSERT_EQ(0, ksync_cond_create(&all->cond, NULL));
	ASSERT_EQ(0, ksync_barrier_create(&all->barrier, NULL));
	ASSERT_EQ(0, ksync_once_create(&all->once, NULL));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(combining)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_mutex_close(self->all.mutex);
	ksync_rwlock_close(self->all.rwlock);
	ksync_waitgroup_close(self->all.wg);
	ksync_sem_close(self->all.sem);
	ksync_event_close(self->all.event);
	ksync_event_close(self->all.token);
	ksync_cond_close(self->all.cond);
	ksync_barrier_close(self->all.barrier);
	ksync_once_close(self->all.once);
}

/* With a mutex of its own, which must be its own afterwards. */
static int wait_for_signal(struct all *all, const struct ksync_wait *w)
{
	struct ksync_mutex *m = ksync_mutex_at(all->mutex, 1);
	int err = ksync_mutex_lock(m);

	if (!err)
		err = ksync_cond_wait_until(all->cond, m, w);
	return ksync_mutex_unlock(m) ?: err;
}

/* The wait number @which of them all, with the token to cancel it. */
static long job_cancelable(void *obj, uint64_t which)
{
	struct all *all = obj;
	struct ksync_wait w = { .cancel = all->token };

	switch (which) {
	case 0: return ksync_mutex_lock_until(all->mutex, &w);
	case 1: return ksync_rwlock_rdlock_until(all->rwlock, &w);
	case 2: return ksync_rwlock_wrlock_until(all->rwlock, &w);
	case 3: return ksync_waitgroup_wait_until(all->wg, &w);
	case 4: return ksync_sem_acquire_until(all->sem, 2, &w);
	case 5: return ksync_event_wait_until(all->event, &w);
	case 6: return wait_for_signal(all, &w);
	case 7: return ksync_barrier_reset(all->barrier) ?:
		       ksync_barrier_wait_until(all->barrier, &w);
	default: return ksync_once_begin_until(all->once, NULL, &w);
	}
}

#define CANCELABLE 9

static int occupy(struct all *all)
{
	return ksync_mutex_lock(all->mutex) ?:
	       ksync_rwlock_wrlock(all->rwlock) ?:
	       ksync_waitgroup_add(all->wg, 1) ?:
	       ksync_sem_acquire(all->sem, 1) ?:
	       ksync_once_begin(all->once, NULL);
}

TEST_F(combining, cancel_wait)
{
	uint64_t which;

	REQUIRE(KSYNC_G_CANCEL);
	ASSERT_EQ(0, occupy(&self->all));
	for (which = 0; which < CANCELABLE; which++) {
		ASSERT_EQ(0, ksync_event_reset(self->all.token));
		actor_start(&self->a, job_cancelable, &self->all, which);
		EXPECT_TRUE(actor_busy(&self->a, 10));
		ASSERT_EQ(0, ksync_event_set(self->all.token));
		EXPECT_EQ(-ECANCELED, actor_result(&self->a))
			TH_LOG("wait %d", (int)which);
		EXPECT_EQ(-ECANCELED, actor_do(&self->a, job_cancelable,
					       &self->all, which));
	}
	/* What is free is taken all the same. */
	ASSERT_EQ(0, ksync_mutex_unlock(self->all.mutex));
	EXPECT_EQ(0, job_cancelable(&self->all, 0));
}

TEST_F(combining, cancel_by_no_token)
{
	struct ksync_wait w = { .cancel = self->all.event };

	EXPECT_EQ(-EINVAL, ksync_mutex_lock_until(self->all.mutex, &w));
	EXPECT_EQ(-EINVAL, ksync_barrier_wait_until(self->all.barrier, &w));
	EXPECT_EQ(-EINVAL, ksync_once_begin_until(self->all.once, NULL, &w));
	EXPECT_EQ(0, ksync_mutex_lock(self->all.mutex));
}

static void make_items(struct all *all, struct ksync_item *items)
{
	struct ksync_item some[6] = {
		{ .take = KSYNC_TAKE_EVENT, .event = all->event },
		{ .take = KSYNC_TAKE_PERMITS, .sem = all->sem, .count = 2 },
		{ .take = KSYNC_TAKE_ROUND, .waitgroup = all->wg },
		{ .take = KSYNC_TAKE_READ, .rwlock = all->rwlock },
		{ .take = KSYNC_TAKE_MUTEX, .mutex = all->mutex },
		{ .take = KSYNC_TAKE_MUTEX,
		  .mutex = ksync_mutex_at(all->mutex, 1) },
	};

	memcpy(items, some, sizeof(some));
}

/* 100 times the index, less the result. */
static long job_any(void *obj, uint64_t nr)
{
	struct ksync_item items[6];
	uint32_t index = 77;
	int ret;

	make_items(obj, items);
	ret = ksync_wait_any(items, nr, NULL, &index);
	if ((!ret || ret == -EOWNERDEAD) && items[index].result != ret)
		return -EUCLEAN;
	return 100 * index - ret;
}

static long job_all(void *obj, uint64_t nr)
{
	struct ksync_item items[6];

	make_items(obj, items);
	return ksync_wait_all(items, nr, NULL);
}

TEST_F(combining, any)
{
	REQUIRE(KSYNC_G_MANY);
	ASSERT_EQ(0, occupy(&self->all));
	EXPECT_EQ(500, actor_do(&self->b, job_any, &self->all, 6));
	actor_start(&self->a, job_any, &self->all, 6);
	EXPECT_TRUE(actor_busy(&self->a, 10));
	ASSERT_EQ(0, ksync_sem_release(self->all.sem, 1));
	EXPECT_EQ(100, actor_result(&self->a));
	EXPECT_EQ(0, ksync_sem_value(self->all.sem));
	/* The holder of the last one dies. */
	actor_start(&self->a, job_any, &self->all, 6);
	EXPECT_TRUE(actor_busy(&self->a, 10));
	actor_kill(&self->b);
	EXPECT_EQ(500 + EOWNERDEAD, actor_result(&self->a));
}

TEST_F(combining, all)
{
	REQUIRE(KSYNC_G_MANY);
	ASSERT_EQ(0, occupy(&self->all));
	actor_start(&self->a, job_all, &self->all, 6);
	ASSERT_EQ(0, ksync_event_set(self->all.event));
	ASSERT_EQ(0, ksync_sem_release(self->all.sem, 1));
	ASSERT_EQ(0, ksync_mutex_unlock(self->all.mutex));
	ASSERT_EQ(0, ksync_waitgroup_done(self->all.wg));
	EXPECT_TRUE(actor_busy(&self->a, 10));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->all.rwlock));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, ksync_sem_value(self->all.sem));
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(self->all.mutex));
	EXPECT_EQ(-EBUSY, ksync_rwlock_trywrlock(self->all.rwlock));
	EXPECT_EQ(0, ksync_rwlock_tryrdlock(self->all.rwlock));
}

TEST_F(combining, cancel_many)
{
	struct ksync_wait w = { .cancel = self->all.token };
	struct ksync_item items[6];
	uint32_t index;

	REQUIRE(KSYNC_G_MANY | KSYNC_G_CANCEL);
	make_items(&self->all, items);
	ASSERT_EQ(0, ksync_event_set(self->all.token));
	EXPECT_EQ(-ECANCELED, ksync_wait_any(items, 1, &w, &index));
	EXPECT_EQ(1, index);
	EXPECT_EQ(-ECANCELED, ksync_wait_all(items, 6, &w));
	EXPECT_EQ(2, ksync_sem_value(self->all.sem));
}

TEST_F(combining, bad_input)
{
	struct ksync_item items[KSYNC_ITEMS_MAX + 1], bad;
	uint32_t index;
	int i;

	for (i = 0; i < ARRAY_SIZE(items); i++)
		items[i] = (struct ksync_item){ .take = KSYNC_TAKE_EVENT,
						.event = self->all.event };
	EXPECT_EQ(-EINVAL, ksync_wait_any(NULL, 1, NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_wait_any(items, 0, NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_wait_all(items, ARRAY_SIZE(items), NULL));
	for (i = 0; i < 5; i++) {
		bad = items[0];
		if (i == 0)
			bad.take = 0;
		else if (i == 1)
			bad.take = KSYNC_TAKE_EVENT + 1;
		else if (i == 2)
			bad.take = KSYNC_TAKE_MUTEX;
		else if (i == 3)
			bad.event = NULL;
		else
			bad.count = 1;
		items[1] = bad;
		EXPECT_EQ(-EINVAL, ksync_wait_any(items, 2, NULL, &index));
		EXPECT_EQ(1, index);
		EXPECT_EQ(-EINVAL, items[1].result);
		EXPECT_EQ(-EINVAL, ksync_request_queue(&items[1], 0));
		EXPECT_EQ(-EINVAL, ksync_request_claim(&items[1]));
		EXPECT_EQ(-EINVAL, ksync_request_withdraw(&items[1]));
	}
	EXPECT_EQ(-EINVAL, ksync_request_queue(NULL, 0));
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

TEST_F(combining, requests)
{
	int fd = ksync_mutex_fd(self->all.mutex);
	struct ksync_item item = {
		.take = KSYNC_TAKE_MUTEX, .mutex = self->all.mutex,
	};

	if (missing_guarantees(KSYNC_G_POLL)) {
		EXPECT_EQ(-EOPNOTSUPP, ksync_request_queue(&item, 0));
		EXPECT_EQ(-EOPNOTSUPP, ksync_request_claim(&item));
		EXPECT_EQ(-EOPNOTSUPP, ksync_request_withdraw(&item));
		return;
	}
	ASSERT_EQ(0, actor_do(&self->a, job_mutex_lock, self->all.mutex, 0));
	ASSERT_EQ(0, ksync_request_queue(&item, 0));
	EXPECT_EQ(-EEXIST, ksync_request_queue(&item, 0));
	EXPECT_FALSE(readable(fd, 10));
	EXPECT_EQ(-EBUSY, ksync_request_claim(&item));
	ASSERT_EQ(0, actor_do(&self->a, job_mutex_unlock, self->all.mutex, 0));
	EXPECT_TRUE(readable(fd, PATIENCE_MS));
	EXPECT_EQ(-EBUSY,
		  actor_do(&self->b, job_mutex_trylock, self->all.mutex, 0));
	EXPECT_EQ(0, ksync_request_claim(&item));
	EXPECT_EQ(0, ksync_mutex_unlock(self->all.mutex));
	EXPECT_EQ(-ENOENT, ksync_request_claim(&item));
	ASSERT_EQ(0, ksync_request_queue(&item, 0));
	EXPECT_EQ(0, ksync_request_withdraw(&item));
	EXPECT_EQ(0,
		  actor_do(&self->b, job_mutex_trylock, self->all.mutex, 0));
}

TEST_HARNESS_MAIN
