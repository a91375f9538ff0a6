// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: agents, which wait for one thing each in the name of a
 * thread that waits for several.
 *
 * An agent is a line like that of a thread, and its wait is one like any other.
 * Who grants it something, or buries it, sees no difference. Only what becomes of
 * a grant is another:
 *
 *	accepted	it becomes the thread's, and then the wait is over
 *	not wanted	it goes on to the next, as if the agent had died
 *
 * A lock's word names the agent until it names the thread, in one step; before
 * that the agent's wait is not over, and after it the thread's line says that it
 * may be the holder. A read hold, and permits, stand from the beginning where the
 * thread, or its process, has them. So a death at any time leaves what the death
 * of a waiter leaves, or that of a holder.
 *
 * An event has no queue, so it needs no agent.
 */
#include "backend_futex_many.h"

/* A place in the thread's lines that nothing else takes. */
static int reserve_hold(struct kfx_item *item)
{
	uint32_t index = item->ask->index;
	int ret = kfx_hold_get(item->thread, index, &item->hold);

	if (ret)
		return ret;
	kfx_store(&item->hold->key, (index + 1) | KSYNC_HOLD_LEFT);
	if (item->ask->take == KSYNC_TAKE_READ && !item->thread->reads)
		kfx_hold_reads(item->thread);
	return 0;
}

/* Unless it is in use by now. */
static void free_hold(struct kfx_item *item)
{
	uint32_t idle = item->ask->index + 1;

	if (item->hold && kfx_load(&item->hold->key) == (idle | KSYNC_HOLD_LEFT))
		kfx_store(&item->hold->key, idle);
	item->hold = NULL;
}

static int make_place(struct kfx_item *item)
{
	switch (item->ask->take) {
	case KSYNC_TAKE_ROUND:
		return 0;
	case KSYNC_TAKE_PERMITS:
		if (!(item->obj->flags & KSYNC_TRACKED))
			return 0;
		return kfx_process_hold(item->obj, item->ask->index,
					&item->hold);
	}
	return reserve_hold(item);
}

static void join(struct kfx_item *item, struct kfx_limit *limit)
{
	struct kfx_q *q = &item->q;

	switch (item->ask->take) {
	case KSYNC_TAKE_MUTEX:
		kfx_mutex_join(q, limit);
		break;
	case KSYNC_TAKE_READ:
		kfx_rwlock_join(q, KFX_WANT_READ, item->hold, limit);
		break;
	case KSYNC_TAKE_WRITE:
		kfx_rwlock_join(q, KFX_WANT_EXCL, NULL, limit);
		break;
	case KSYNC_TAKE_PERMITS:
		kfx_sem_join(q, item->ask->count, item->hold, limit);
		break;
	case KSYNC_TAKE_ROUND:
		item->over = !kfx_round_join(q, limit, &item->ask->lost);
		break;
	}
}

/* From here on somebody waits for it. To be dismissed, also after a failure. */
int kfx_agent_send(struct kfx_item *item, struct kfx_limit *limit)
{
	uint32_t id;
	int ret;

	if (item->same || kfx_is_event(item))
		return 0;
	ret = make_place(item);
	if (!ret)
		ret = kfx_line_claim(item->obj, KFX_LINE_THREAD, 0, &id);
	if (ret)
		return ret;
	item->agent = kfx_line(item->obj, id);
	kfx_q_init(&item->q, item->obj, item->ask->index, id);
	kfx_line_here(item->agent);
	join(item, limit);
	return 0;
}

static bool event_done(struct kfx_item *item)
{
	uint64_t old;

	if (kfx_event_take(item->ask->obj, item->ask->index, &old))
		return true;
	/* It was set, whatever it is now. */
	return !kfx_is_auto_reset(item) &&
	       old / KSYNC_EVENT_CHANGE != item->noted;
}

/* Is its wait over? Who is told so accepts. */
bool kfx_agent_done(struct kfx_item *item)
{
	if (item->same)
		return false;
	if (kfx_is_event(item))
		return event_done(item);
	if (!item->agent)
		return false;
	if (item->ask->take == KSYNC_TAKE_ROUND)
		return item->over || kfx_round_over(&item->q, &item->ask->lost);
	return kfx_wait_state(item->agent) != KFX_WAITING ||
	       (item->ask->take == KSYNC_TAKE_MUTEX &&
		kfx_mutex_poll(&item->q));
}

static int accept_exclusive(struct kfx_item *item)
{
	struct kfx_thread *t = item->thread;
	uint32_t index = item->ask->index;

	/* Before the word can name us; the CAS is a full barrier. */
	kfx_store(&item->hold->key, (index + 1) | KFX_HELD_EXCL);
	t->last = item->hold;
	if (item->ask->take == KSYNC_TAKE_MUTEX) {
		kfx_fast_fill_lock(item->ask->obj, index, t, item->hold);
		return kfx_mutex_accept(&item->q, t->id);
	}
	kfx_lock_hand_on(&item->q, t->id);
	return kfx_rwlock_taken(item->q.cell, t->id,
				kfx_load(&item->q.cell->state), true);
}

/* With this the wait is over; for an exclusive hold it was before. */
static int accept_grant(struct kfx_item *item)
{
	kfx_wait_set(item->agent, KFX_IDLE);
	if (item->ask->take == KSYNC_TAKE_READ)
		return kfx_rwlock_accept_read(&item->q, item->hold);
	return kfx_sem_accept(&item->q);
}

/* The wait is over: what is its result? Taken, or an error. */
int kfx_agent_accept(struct kfx_item *item)
{
	uint32_t take = item->ask->take;

	if (take == KSYNC_TAKE_EVENT) {
		kfx_count(&item->obj->cells[item->ask->index].event.waits);
		return 0;
	}
	if (take == KSYNC_TAKE_ROUND)
		return item->ask->lost ? -EOWNERDEAD : 0;
	if (kfx_wait_state(item->agent) == KFX_FAILED)
		return take == KSYNC_TAKE_PERMITS ? -EINVAL : -ENOTRECOVERABLE;
	if (take == KSYNC_TAKE_MUTEX || take == KSYNC_TAKE_WRITE)
		return accept_exclusive(item);
	return accept_grant(item);
}

/* Nobody waits any more. What was granted and not accepted goes to the next. */
void kfx_agent_dismiss(struct kfx_item *item)
{
	struct kfx_line *agent = item->agent;

	if (kfx_is_event(item)) {
		kfx_event_pass_on(item->ask->obj, item->ask->index);
		return;
	}
	if (agent) {
		kfx_bury_wait(item->obj, agent, agent - item->obj->lines);
		kfx_line_free(agent);
		item->agent = NULL;
	}
	free_hold(item);
}

/* Adds what to sleep on. A look whether it is done is to follow. */
void kfx_agent_watch(struct kfx_item *item, struct kfx_futexes *f)
{
	if (item->same)
		return;
	if (kfx_is_event(item))
		kfx_event_watch(item->obj, item->ask->index, f);
	else if (item->ask->take == KSYNC_TAKE_ROUND)
		kfx_round_watch(&item->q, f);
	else
		/* Acquire: before the looks. Pairs with kfx_q_wake(). */
		kfx_futexes_add(f, &item->agent->futex,
				kfx_load_acquire(&item->agent->futex));
}

/* Is somebody in its way dead? How many wait where it does. */
uint32_t kfx_agent_look(struct kfx_item *item)
{
	if (!item->agent)
		return 0;
	if (item->ask->take == KSYNC_TAKE_ROUND) {
		kfx_sweep(item->obj);
		return kfx_load(&item->obj->header->lines_hi);
	}
	kfx_wait_look(&item->q);
	return kfx_load(&item->q.queue->nr);
}
