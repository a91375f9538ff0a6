// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only place that sleeps. models/common.pml has it step by step: an inline
 * of the model is the function of that name here, and so in the types' models.
 *
 * Lock order: a process's lock (owner.h), then one bucket's lock. Nothing is
 * taken inside a bucket's lock, but inside that of a condition the one of a
 * mutex that its waiters go to. Wake-ups happen outside it.
 *
 * Nobody sleeps on what is free. Who waits queues itself and has the type's
 * advance function set the waiters flag and look at the word again, both with
 * the bucket locked; who frees changes the word with a fully ordered
 * compare-exchange and looks at the flag in the same word: the two
 * compare-exchanges are on one word and so one of them comes first.
 *
 *	waiter                         releaser
 *	lock bucket                    word: held,w -> free,w   (cmpxchg)
 *	enqueue                        w set? lock bucket, advance or nudge
 *	word: w := 1   (cmpxchg)
 *	word free? take it
 *	unlock bucket, sleep
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/nsproxy.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/time_namespace.h>

#include "deadlock.h"
#include "owner.h"
#include "trace.h"
#include "wait.h"

static int ksync_cmp(u32 index, u32 want, u64 seq, const struct rb_node *node)
{
	const struct ksync_waiter *w =
		rb_entry(node, struct ksync_waiter, node);

	if (index != w->index)
		return index < w->index ? -1 : 1;
	if (want != w->want)
		return want < w->want ? -1 : 1;
	if (seq != w->seq)
		return seq < w->seq ? -1 : 1;
	return 0;
}

/* The first waiter of that kind from @seq on, NULL if there is none. */
struct ksync_waiter *ksync_first_from(struct ksync_queue *q,
				      enum ksync_want want, u64 seq)
{
	struct rb_node *node = q->bucket->waiters.rb_node, *best = NULL;
	struct ksync_waiter *w;

	lockdep_assert_held(&q->bucket->lock);
	while (node) {
		if (ksync_cmp(q->index, want, seq, node) <= 0) {
			best = node;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	if (!best)
		return NULL;
	w = rb_entry(best, struct ksync_waiter, node);
	return w->index == q->index && w->want == want ? w : NULL;
}

/* The one that came last. */
struct ksync_waiter *ksync_last(struct ksync_queue *q, enum ksync_want want)
{
	struct rb_node *node = q->bucket->waiters.rb_node, *best = NULL;
	struct ksync_waiter *w;

	lockdep_assert_held(&q->bucket->lock);
	while (node) {
		if (ksync_cmp(q->index, want, U64_MAX, node) > 0) {
			best = node;
			node = node->rb_right;
		} else {
			node = node->rb_left;
		}
	}
	if (!best)
		return NULL;
	w = rb_entry(best, struct ksync_waiter, node);
	return w->index == q->index && w->want == want ? w : NULL;
}

/* The one of the same kind that came after @w, NULL if there is none. */
struct ksync_waiter *ksync_next(struct ksync_queue *q, struct ksync_waiter *w)
{
	struct rb_node *node = rb_next(&w->node);
	struct ksync_waiter *next =
		rb_entry_safe(node, struct ksync_waiter, node);

	lockdep_assert_held(&q->bucket->lock);
	if (!next || next->index != w->index || next->want != w->want)
		return NULL;
	return next;
}

u32 ksync_count_waiters(struct ksync_queue *q, enum ksync_want want)
{
	struct ksync_waiter *w;
	u32 n = 0;

	for (w = ksync_first(q, want); w; w = ksync_next(q, w))
		n++;
	return n;
}

void ksync_enqueue(struct ksync_queue *q, struct ksync_waiter *w)
{
	struct rb_node **link = &q->bucket->waiters.rb_node, *parent = NULL;

	lockdep_assert_held(&q->bucket->lock);
	while (*link) {
		parent = *link;
		if (ksync_cmp(w->index, w->want, w->seq, parent) < 0)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&w->node, parent, link);
	rb_insert_color(&w->node, &q->bucket->waiters);
}

void ksync_dequeue(struct ksync_queue *q, struct ksync_waiter *w)
{
	lockdep_assert_held(&q->bucket->lock);
	rb_erase(&w->node, &q->bucket->waiters);
	RB_CLEAR_NODE(&w->node);
}

/* The waiter has what it waits for, or never will. Bucket locked. */
void ksync_grant(struct ksync_queue *q, struct ksync_waiter *w, int result,
		 struct ksync_wake *wake)
{
	ksync_dequeue(q, w);
	w->granted = result;
	w->next = NULL;
	*wake->last = w;
	wake->last = &w->next;
}

/* The waiter may try again. At most one such is on its way. Bucket locked. */
void ksync_nudge(struct ksync_queue *q, struct ksync_waiter *w,
		 struct ksync_wake *wake)
{
	lockdep_assert_held(&q->bucket->lock);
	if (w->nudged || wake->nudge)
		return;
	WRITE_ONCE(w->nudged, true);
	wake->nudge = get_task_struct(w->task);
}

/*
 * Publishes what was granted. The waiter is gone with the store to its result,
 * so everything needed is read before.
 */
void ksync_wake_all(struct ksync_wake *wake)
{
	struct ksync_waiter *w, *next;
	struct task_struct *task;

	for (w = wake->first; w; w = next) {
		next = w->next;
		task = get_task_struct(w->task);
		/* Pairs with the acquire in ksync_wait(). */
		smp_store_release(&w->result, w->granted);
		wake_up_process(task);
		put_task_struct(task);
		cond_resched();
	}
	if (wake->nudge) {
		wake_up_process(wake->nudge);
		put_task_struct(wake->nudge);
	}
}

/*
 * A thread whose wait a signal handler interrupts comes back by the restart of
 * its system call, and takes its old place. Who jumps out of a handler leaves a
 * place that its next wait for the same primitive takes.
 */
static void ksync_place_take(struct ksync_queue *q, struct ksync_waiter *w,
			     struct ksync_thread *thread)
{
	if (thread && thread->place.object == q->obj->id &&
	    thread->place.index == q->index && thread->place.want == w->want) {
		w->seq = thread->place.seq;
		w->since = thread->place.since;
		w->round = thread->place.round;
	} else {
		w->seq = ++q->bucket->seq;
		w->since = ktime_get_ns();
		if (q->obj->ops->join)
			q->obj->ops->join(q, w);
	}
	if (thread)
		thread->place.object = 0;
}

/* The round that the caller's interrupted wait had joined; false: none was. */
bool ksync_place_round(struct ksync_queue *q, enum ksync_want want, u32 *round)
{
	struct ksync_thread *thread = ksync_thread_find(current);

	if (!thread || thread->place.object != q->obj->id ||
	    thread->place.index != q->index || thread->place.want != want)
		return false;
	*round = thread->place.round;
	return true;
}

/* The interrupted wait is over, without having come to the queue again. */
void ksync_place_drop(void)
{
	struct ksync_thread *thread = ksync_thread_find(current);

	if (thread)
		thread->place.object = 0;
}

static void ksync_place_keep(struct ksync_queue *q, struct ksync_waiter *w,
			     struct ksync_thread *thread)
{
	if (!thread)
		return;
	thread->place.object = q->obj->id;
	thread->place.index = q->index;
	thread->place.want = w->want;
	thread->place.seq = w->seq;
	thread->place.since = w->since;
	thread->place.round = w->round;
}

/* A deadline in the caller's time namespace, as the timers want it. */
ktime_t ksync_deadline(u64 deadline)
{
	ktime_t t = min_t(u64, deadline, KTIME_MAX);
#ifdef CONFIG_TIME_NS
	struct timens_offsets *offsets = &current->nsproxy->time_ns->offsets;

	t = ktime_sub(t, timespec64_to_ktime(offsets->monotonic));
#endif
	return t;
}

/* Sleeps until there is a reason to look: 0, or why the wait should end. */
int ksync_sleep(struct ksync_waiter *w, ktime_t *expires)
{
	int ret = 0;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		/* Pairs with the release in ksync_wake_all(). */
		if (smp_load_acquire(&w->result) != KSYNC_PENDING ||
		    READ_ONCE(w->nudged))
			break;
		if (signal_pending(current)) {
			ret = -ERESTARTNOINTR;
			break;
		}
		if (!schedule_hrtimeout_range(expires, current->timer_slack_ns,
					      HRTIMER_MODE_ABS)) {
			ret = -ETIMEDOUT;
			break;
		}
	}
	__set_current_state(TASK_RUNNING);
	return ret;
}

/* Granted: the result is on its way, from someone who does not wait. */
int ksync_wait_result(struct ksync_waiter *w)
{
	int result;

	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		/* Pairs with the release in ksync_wake_all(). */
		result = smp_load_acquire(&w->result);
		if (result != KSYNC_PENDING)
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return result;
}

/*
 * The rest of a wait, from when @w was queued and with the bucket locked, which
 * it is not any more on return. @expires is NULL for a wait without a deadline.
 */
int ksync_wait_queued(struct ksync_queue *q, struct ksync_waiter *w,
		      ktime_t *expires)
	__releases(&q->bucket->lock)
{
	bool check = !expires && !w->must, queued;
	struct ksync_wake wake;
	int ret;

	ksync_wake_init(&wake);
	do {
		w->nudged = false;
		q->obj->ops->advance(q, &wake);
		queued = !RB_EMPTY_NODE(&w->node);
		ksync_queue_unlock(q);
		ksync_wake_all(&wake);

		ret = queued && check ? ksync_deadlock_check(q, w) : 0;
		check = false;
		if (queued && !ret)
			ret = ksync_sleep(w, expires);

		ksync_wake_init(&wake);
		ksync_queue_lock(q);
		queued = !RB_EMPTY_NODE(&w->node);
	} while (queued && !ret);
	if (queued) {
		ksync_dequeue(q, w);
		q->obj->ops->advance(q, &wake);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);

	ret = queued ? ret : ksync_wait_result(w);
	ksync_deadlock_end(w);
	return ret;
}

/**
 * ksync_wait() - wait for a primitive
 * @q: the primitive
 * @w: index, want and what the type's advance function needs, filled in
 * @deadline: CLOCK_MONOTONIC in ns, KSYNC_DEADLINE_NONE for none
 *
 * A grant that races with the deadline or a signal wins.
 *
 * Return: what advance granted with, -ETIMEDOUT, -EDEADLK, or -ERESTARTNOINTR.
 * With the last three nothing was acquired, and whoever could go on instead has
 * been told.
 */
int ksync_wait(struct ksync_queue *q, struct ksync_waiter *w, u64 deadline)
{
	/* Without memory for a thread its place is lost by a signal. */
	struct ksync_thread *thread = ksync_thread_get();
	ktime_t when, *expires = NULL;
	int ret;

	if (deadline != KSYNC_DEADLINE_NONE) {
		when = ksync_deadline(deadline);
		expires = &when;
		if (ktime_get() >= when) {
			ksync_place_drop();
			return -ETIMEDOUT;
		}
	}
	if (IS_ERR(thread))
		thread = NULL;

	w->task = current;
	w->index = q->index;
	w->nudged = false;
	w->result = KSYNC_PENDING;

	trace_ksync_wait(q->obj->id, q->index, w->want);
	ksync_queue_lock(q);
	ksync_place_take(q, w, thread);
	ksync_deadlock_begin(q, w, thread);
	ksync_enqueue(q, w);
	ret = ksync_wait_queued(q, w, expires);
	if (ret == -ERESTARTNOINTR)
		ksync_place_keep(q, w, thread);
	trace_ksync_waited(q->obj->id, q->index, ret);
	return ret;
}
