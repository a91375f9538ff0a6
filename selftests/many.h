/* SPDX-License-Identifier: GPL-2.0-only */
/* What those wait for who wait for several, and what they do. */
#ifndef KSYNC_SELFTEST_MANY_H
#define KSYNC_SELFTEST_MANY_H

#include "actor.h"
#include "all_processors.h"

/* What can be waited for; two of each. */
enum thing { MUTEX, FIFO, WRITE, READ, PERMITS, THINGS };

struct things {
	struct ksync_mutex *mutexes, *fifos;
	struct ksync_rwlock *writes, *reads;
	struct ksync_sem *sems;
	struct ksync_event *event, *one;
	struct ksync_waitgroup *wg;
	volatile int stop;
};

FIXTURE(many) {
	struct things *t;
	struct actor a, b;
};

FIXTURE_SETUP(many)
{
	struct ksync_options two = { .nr = 2 };
	struct ksync_options fifo = { .nr = 2, .flags = KSYNC_FIFO };
	struct ksync_options reset = { .flags = KSYNC_AUTO_RESET };
	struct ksync_options permits = {
		.nr = 2, .flags = KSYNC_TRACKED, .value = 3, .max = 3,
	};
	struct things *t;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_MANY | KSYNC_G_PROCESS_DEATH);
	t = self->t = shared_memory(sizeof(*t));
	ASSERT_EQ(0, ksync_mutex_create(&t->mutexes, &two));
	ASSERT_EQ(0, ksync_mutex_create(&t->fifos, &fifo));
	ASSERT_EQ(0, ksync_rwlock_create(&t->writes, &two));
	ASSERT_EQ(0, ksync_rwlock_create(&t->reads, &two));
	ASSERT_EQ(0, ksync_sem_create(&t->sems, &permits));
	ASSERT_EQ(0, ksync_event_create(&t->event, NULL));
	ASSERT_EQ(0, ksync_event_create(&t->one, &reset));
	ASSERT_EQ(0, ksync_waitgroup_create(&t->wg, NULL));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(many)
{
	struct things *t = self->t;

	actor_end(&self->a);
	actor_end(&self->b);
	if (!t)
		return;
	ksync_mutex_close(t->mutexes);
	ksync_mutex_close(t->fifos);
	ksync_rwlock_close(t->writes);
	ksync_rwlock_close(t->reads);
	ksync_sem_close(t->sems);
	ksync_event_close(t->event);
	ksync_event_close(t->one);
	ksync_waitgroup_close(t->wg);
}

static inline struct ksync_mutex *mutex_of(struct things *t, int thing, int nr)
{
	return ksync_mutex_at(thing == FIFO ? t->fifos : t->mutexes, nr);
}

static inline struct ksync_rwlock *rwlock_of(struct things *t, int thing, int nr)
{
	return ksync_rwlock_at(thing == READ ? t->reads : t->writes, nr);
}

static inline struct ksync_item item_of(struct things *t, int thing, int nr)
{
	struct ksync_item item = { .take = KSYNC_TAKE_MUTEX };

	switch (thing) {
	case WRITE:
		item.take = KSYNC_TAKE_WRITE;
		item.rwlock = rwlock_of(t, thing, nr);
		break;
	case READ:
		item.take = KSYNC_TAKE_READ;
		item.rwlock = rwlock_of(t, thing, nr);
		break;
	case PERMITS:
		item.take = KSYNC_TAKE_PERMITS;
		item.count = 2;
		item.sem = ksync_sem_at(t->sems, nr);
		break;
	default:
		item.mutex = mutex_of(t, thing, nr);
	}
	return item;
}

/* So that everybody else must wait, and back. */
static inline int shut(struct things *t, int thing, int nr)
{
	switch (thing) {
	case WRITE:
	case READ:
		return ksync_rwlock_wrlock(rwlock_of(t, thing, nr));
	case PERMITS:
		return ksync_sem_acquire(ksync_sem_at(t->sems, nr), 2);
	}
	return ksync_mutex_lock(mutex_of(t, thing, nr));
}

static inline int give(struct things *t, int thing, int nr)
{
	switch (thing) {
	case WRITE:
	case READ:
		return ksync_rwlock_unlock(rwlock_of(t, thing, nr));
	case PERMITS:
		return ksync_sem_release(ksync_sem_at(t->sems, nr), 2);
	}
	return ksync_mutex_unlock(mutex_of(t, thing, nr));
}

static inline struct ksync_status status_of(struct things *t, int thing, int nr)
{
	switch (thing) {
	case WRITE:
	case READ:
		return rwlock_status(rwlock_of(t, thing, nr));
	case PERMITS:
		return sem_status(ksync_sem_at(t->sems, nr));
	}
	return mutex_status(mutex_of(t, thing, nr));
}

static inline uint32_t waiters(struct things *t, int thing, int nr)
{
	struct ksync_status st = status_of(t, thing, nr);

	return st.waiters + st.waiters_shared;
}

/* Two things that are not the same: number 0 of one, and number 1 of another. */
#define PAIR(x, y)	((x) * THINGS + (y))
#define FIRST(pair)	((int)(pair) / THINGS)
#define SECOND(pair)	((int)(pair) % THINGS)
#define PAIRS		(THINGS * THINGS)

static inline void make_pair(struct things *t, uint64_t pair,
			     struct ksync_item *items)
{
	items[0] = item_of(t, FIRST(pair), 0);
	items[1] = item_of(t, SECOND(pair), 1);
}

#define HAD(index) (1000L + (index))

static inline long any(struct ksync_item *items, uint32_t nr,
		       const struct ksync_wait *w)
{
	uint32_t index = nr;
	int err = ksync_wait_any(items, nr, w, &index);

	if (err == -EOWNERDEAD)
		return -HAD(index);
	return err ? err : HAD(index);
}

static inline long job_all(void *obj, uint64_t pair)
{
	struct ksync_item items[2];

	make_pair(obj, pair, items);
	return ksync_wait_all(items, 2, PATIENTLY);
}

static inline long job_give(void *obj, uint64_t number)
{
	return give(obj, number / 2, number % 2);
}

static inline long job_give_both(void *obj, uint64_t pair)
{
	return give(obj, FIRST(pair), 0) ?: give(obj, SECOND(pair), 1);
}

static inline long job_one(void *obj, uint64_t number)
{
	struct ksync_item item = item_of(obj, number / 2, number % 2);

	return ksync_wait_any(&item, 1, PATIENTLY, NULL);
}

#define DO(actor, job, arg) actor_do(&self->actor, job, self->t, arg)
#define START(actor, job, arg) actor_start(&self->actor, job, self->t, arg)

#endif /* KSYNC_SELFTEST_MANY_H */
