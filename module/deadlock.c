// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlock detection, for a thread that has queued itself and is about to sleep
 * without a deadline.
 *
 * Deadlines and cancel tokens of others are not looked at: while they last
 * those wait, and who would wait for ever is told. Who has one itself is never
 * refused.
 *
 * Of threads that close a cycle exactly one is refused: the last to queue. Each
 * takes a number as it queues, looks then, and looks only at those with smaller
 * numbers. So the last one sees all others, and none of them sees it. They look
 * one at a time (ksync_graph_lock()), and who is refused is marked so, in the
 * queue, before the next one looks: it is in nobody's way any more.
 *
 * Usually there is nothing to look for: the holder does not wait, or nobody
 * waits for the caller. Both are told without the common lock.
 */
#include <linux/sched.h>

#include "deadlock.h"
#include "lock_word.h"
#include "slot.h"
#include "trace.h"
#include "word.h"

/* How often a thread has queued. */
atomic64_t ksync_sleeps;

/* May it be that none of those who hold it can go on? */
static bool deadlock_possible(struct ksync_queue *q)
{
	u64 word = ksync_cell_read(q->cell);

	switch (q->obj->ops->id) {
	case KSYNC_TYPE_MUTEX:
	case KSYNC_TYPE_RWLOCK:
		if (lock_word_id(word))
			return ksync_thread_waits(lock_word_id(word));
		return lock_word_readers(word) || ksync_slots_readers(q);
	case KSYNC_TYPE_SEM:
		return q->obj->flags & KSYNC_F_TRACKED;
	default:
		return false;
	}
}

/* Others that look from now on see the caller wait no more. */
static void deadlock_refuse(struct ksync_queue *q, struct ksync_waiter *w)
{
	ksync_queue_lock(q);
	w->refused = true;
	ksync_queue_unlock(q);
}

/**
 * ksync_deadlock_check() - would this wait never end?
 * @q: the primitive
 * @w: the caller's, queued
 *
 * Return: 0 or -EDEADLK. In doubt 0: without memory, with more to look at than
 * the limit allows, or while something moves.
 */
int ksync_deadlock_check(struct ksync_queue *q, struct ksync_waiter *w)
{
	struct ksync_graph g;
	LIST_HEAD(report);
	int ret;

	/*
	 * What the caller waits for was noted before: of two that wait for each
	 * other at least one sees the other's note. Pairs with itself.
	 */
	smp_mb();
	if (!w->thread || !deadlock_possible(q) || !ksync_graph_awaited(q, w))
		return 0;
	if (ksync_graph_lock())
		return 0;
	ksync_graph_init(&g);
	ret = g.limit ? ksync_graph_gather(&g, q, w) : 0;
	if (!ret && g.start && ksync_graph_stuck(&g, &report)) {
		deadlock_refuse(q, w);
		ret = -EDEADLK;
	}
	ksync_graph_seal(&g);
	ksync_graph_unlock();

	trace_ksync_deadlock_check(q->obj->id, q->index, g.steps, ret);
	if (ret == -EDEADLK)
		ksync_cycle_note(&g, &report);
	ksync_graph_free(&g);
	return ret == -EDEADLK ? ret : 0;
}
