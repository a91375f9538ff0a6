// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: waiting for one of several primitives, or for all of them.
 *
 * One of several: what can be had at once is taken, in the order of the items.
 * Otherwise an agent waits for each (backend_futex_agent.c) until the first of
 * them is done. All: see backend_futex_all.c.
 */
#include <stdlib.h>

#include "backend_futex_many.h"

static_assert(KSYNC_ITEMS_MAX + KFX_EVENT_DEPTH + 1 < KFX_FUTEXES,
	      "all can be slept on at once, if events have no parents");

/* A lock that the thread holds already: may it have it again? */
static int check_held(struct kfx_item *item)
{
	uint32_t take = item->ask->take, key;
	struct ksync_hold *hold;

	hold = kfx_hold_find(item->thread, item->ask->index);
	key = hold ? kfx_load(&hold->key) : 0;
	if (!(key & (KFX_HELD_READ | KFX_HELD_EXCL)))
		return 0;
	if (take == KSYNC_TAKE_MUTEX)
		return item->obj->flags & KSYNC_RECURSIVE ? 0 : -EDEADLK;
	return take == KSYNC_TAKE_READ && (key & KFX_HELD_READ) ? 0 : -EDEADLK;
}

static int prepare(struct kfx_item *item, struct ksync_ask *ask)
{
	int ret;

	*item = (struct kfx_item){
		.ask = ask, .obj = kfx_obj(ask->obj), .result = -EBUSY,
	};
	if (kfx_is_event(item))
		return kfx_object_join(item->obj);
	ret = kfx_thread_get(item->obj, &item->thread);
	if (!ret && (ask->take == KSYNC_TAKE_MUTEX ||
		     ask->take == KSYNC_TAKE_READ ||
		     ask->take == KSYNC_TAKE_WRITE))
		ret = check_held(item);
	return ret;
}

static int try_event(struct kfx_item *item)
{
	uint64_t old;
	bool taken = kfx_event_take(item->ask->obj, item->ask->index, &old);

	item->noted = old / KSYNC_EVENT_CHANGE;
	return taken ? 0 : -EBUSY;
}

/* Asks with a deadline that has passed, unless it is clear what comes of that. */
static int try_round(struct kfx_item *item)
{
	struct ksync_ask *ask = item->ask;
	struct kfx_limit past = { 0 };
	int ret;

	if (kfx_load(&item->obj->cells[ask->index].state) & KSYNC_WG_COUNT)
		return -EBUSY;
	ret = kfx_waitgroup_wait_limit(ask->obj, ask->index, &past, &ask->lost);
	return ret == -ETIMEDOUT ? -EBUSY : ret;
}

/* 0 or -EOWNERDEAD: taken; -EBUSY: not to be had now; or why it never is. */
int kfx_item_try(struct kfx_item *item)
{
	struct ksync_ask *ask = item->ask;

	switch (ask->take) {
	case KSYNC_TAKE_MUTEX:
		return kfx_mutex_trylock(ask->obj, ask->index);
	case KSYNC_TAKE_READ:
		return kfx_rwlock_tryrdlock(ask->obj, ask->index);
	case KSYNC_TAKE_WRITE:
		return kfx_rwlock_trywrlock(ask->obj, ask->index);
	case KSYNC_TAKE_PERMITS:
		return kfx_sem_tryacquire(ask->obj, ask->index, ask->count);
	case KSYNC_TAKE_ROUND:
		return try_round(item);
	}
	return try_event(item);
}

/* Those that nobody need wait for, since another one gets it before. */
static void find_same(struct kfx_item *items, uint32_t nr)
{
	uint32_t i, j;

	for (i = 1; i < nr; i++)
		for (j = 0; j < i && !items[i].same; j++)
			items[i].same =
				items[i].obj == items[j].obj &&
				items[i].ask->index == items[j].ask->index &&
				items[i].ask->take == items[j].ask->take &&
				items[i].ask->count == items[j].ask->count;
}

static struct kfx_item *first_done(struct kfx_item *items, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (kfx_agent_done(&items[i]))
			return &items[i];
	return NULL;
}

/* Sends agents until the first of them is done, or all are sent. */
static int send_all(struct kfx_item *items, uint32_t nr, struct kfx_limit *limit,
		    struct kfx_item **done)
{
	uint32_t i;
	int ret;

	find_same(items, nr);
	for (i = 0; i < nr && !*done; i++) {
		ret = kfx_agent_send(&items[i], limit);
		if (ret) {
			*done = &items[i];
			return ret;
		}
		if (kfx_agent_done(&items[i]))
			*done = &items[i];
	}
	return 0;
}

static uint64_t look_around(struct kfx_item *items, uint32_t nr)
{
	uint32_t i, waiters, most = 0;

	for (i = 0; i < nr; i++) {
		waiters = kfx_agent_look(&items[i]);
		if (waiters > most)
			most = waiters;
	}
	return kfx_pace(most);
}

/* Until one is @done: 0, otherwise -ETIMEDOUT or -ECANCELED. */
static int sleep_until_done(struct kfx_item *items, uint32_t nr,
			    const struct kfx_limit *limit,
			    struct kfx_item **done)
{
	uint64_t now = kfx_now(), look_at = now + KFX_LOOK_NS;
	struct kfx_futexes f;
	uint32_t i;
	int ret;

	for (;;) {
		for (i = 0, f.nr = 0; i < nr; i++)
			kfx_agent_watch(&items[i], &f);
		*done = first_done(items, nr);
		if (*done)
			return 0;
		now = kfx_now();
		ret = kfx_limit_over(limit, now);
		if (ret)
			return ret;
		if (now >= look_at) {
			look_at = look_around(items, nr);
			look_at += kfx_now();
		}
		/* What the look has changed has another value by now. */
		kfx_limit_sleep(limit, &f, look_at < limit->deadline ?
				look_at : limit->deadline);
	}
}

/* Takes one; @which is the one, or the one to blame. */
static int take_any(struct kfx_item *items, uint32_t nr, struct kfx_limit *limit,
		    struct kfx_item **which)
{
	uint32_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		*which = &items[i];
		ret = kfx_item_try(&items[i]);
		if (ret != -EBUSY)
			return ret;
	}
	*which = NULL;
	kfx_limit_begin(limit);
	ret = kfx_limit_over(limit, kfx_now());
	if (ret)
		return ret;
	ret = send_all(items, nr, limit, which);
	if (!ret && !*which)
		ret = sleep_until_done(items, nr, limit, which);
	if (!ret)
		ret = kfx_agent_accept(*which);
	for (i = 0; i < nr; i++) {
		if (items[i].agent && !*which)
			kfx_wait_in_vain(&items[i].q);
		kfx_agent_dismiss(&items[i]);
	}
	return ret;
}

/* Alone it is as the operation of its own, which needs no agent. */
static int take_one(struct kfx_item *items, struct kfx_limit *limit,
		    struct kfx_item **which)
{
	int ret = kfx_wait_for(items[0].ask, limit);

	kfx_limit_end(limit);
	if (ret != -ETIMEDOUT && ret != -ECANCELED)
		*which = &items[0];
	return ret;
}

static int take_many(struct kfx_item *items, uint32_t nr, bool all,
		     struct kfx_limit *limit, struct kfx_item **which)
{
	int ret;

	if (all && nr > 1)
		return kfx_take_all(items, nr, limit, which);
	ret = nr == 1 ? take_one(items, limit, which) :
			take_any(items, nr, limit, which);
	if (*which)
		(*which)->result = ret;
	return ret;
}

static int wait_many(struct kfx_item *items, struct ksync_ask *asks, uint32_t nr,
		     bool all, const struct ksync_limit *limit, uint32_t *index)
{
	struct kfx_item *which = NULL;
	struct kfx_limit until;
	uint32_t i;
	int ret = kfx_limit_init(&until, limit);

	for (i = 0; i < nr && !ret; i++) {
		ret = prepare(&items[i], &asks[i]);
		if (ret) {
			asks[i].result = ret;
			*index = i;
		}
	}
	if (ret)
		return ret;
	ret = take_many(items, nr, all, &until, &which);
	kfx_limit_end(&until);
	if (which)
		*index = which - items;
	for (i = 0; i < nr; i++) {
		asks[i].result = items[i].result;
		if (!kfx_is_taken(items[i].result))
			asks[i].lost = 0;
	}
	return ret;
}

int kfx_wait_many(struct ksync_ask *asks, uint32_t nr, bool all,
		  const struct ksync_limit *limit, uint32_t *index)
{
	/* Too much for the stack of a thread that has little. */
	struct kfx_item *items = calloc(nr, sizeof(*items));
	int ret = -ENOMEM;

	kfx_process_check_fork();
	*index = nr;
	if (items)
		ret = wait_many(items, asks, nr, all, limit, index);
	free(items);
	return ret;
}
