// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only place that sleeps. models/common.pml has it step by step: an inline
 * of the model is the function of that name here, and so in the types' models.
 *
 * Lock order: a process's lock (owner.h), then one bucket's lock; queue.c has
 * what comes inside that. Wake-ups happen outside it.
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
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/time_namespace.h>

#include "deadlock.h"
#include "many.h"
#include "owner.h"
#include "trace.h"
#include "wait.h"

/* At the end of the queue. Bucket locked. */
static void ksync_place_new(struct ksync_queue *q, struct ksync_waiter *w)
{
	w->seq = ++q->bucket->seq;
	w->since = ktime_get_ns();
	if (q->obj->ops->join)
		q->obj->ops->join(q, w);
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
		ksync_place_new(q, w);
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

/* How far the caller's CLOCK_MONOTONIC is ahead of ours. */
static ktime_t ksync_clock_offset(void)
{
#ifdef CONFIG_TIME_NS
	struct timens_offsets *offsets = &current->nsproxy->time_ns->offsets;

	return timespec64_to_ktime(offsets->monotonic);
#else
	return 0;
#endif
}

/* The time as the caller's deadlines have it. */
u64 ksync_now(void)
{
	return ktime_get_ns() + ksync_clock_offset();
}

/*
 * A deadline in the caller's time namespace, as the timers want it; NULL for
 * none. @when is where to keep it.
 */
ktime_t *ksync_expires(u64 deadline, ktime_t *when)
{
	ktime_t ns = min_t(u64, deadline, KTIME_MAX);

	if (deadline == KSYNC_DEADLINE_NONE)
		return NULL;
	/* The caller's clock may be behind: then the sum may be too great. */
	if (check_sub_overflow(ns, ksync_clock_offset(), when))
		*when = KTIME_MAX;
	return when;
}

static bool ksync_published(struct ksync_waiter *w)
{
	/* Pairs with the release in ksync_wake_all(). */
	return smp_load_acquire(&w->result) != KSYNC_PENDING;
}

/**
 * ksync_sleep() - sleep until there is a reason to look
 * @w: waits for what is wanted; of a group, any one
 * @watch: waits for the cancel event; NULL without one
 * @expires: NULL without a deadline
 *
 * Return: 0, or why the wait should end.
 */
int ksync_sleep(struct ksync_waiter *w, struct ksync_waiter *watch,
		ktime_t *expires)
{
	int ret = 0;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (w->any ? ksync_any_over(w->any) :
			     ksync_published(w) || READ_ONCE(w->nudged))
			break;
		if (watch && ksync_published(watch)) {
			ret = -ECANCELED;
			break;
		}
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
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (ksync_published(w))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return w->result;
}

/* Joins the queue; false if that was not necessary. */
bool ksync_join(struct ksync_queue *q, struct ksync_waiter *w)
{
	struct ksync_wake wake;
	bool queued;

	trace_ksync_wait(q->obj->id, q->index, w->want);
	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	ksync_place_new(q, w);
	ksync_enqueue(q, w);
	q->obj->ops->advance(q, &wake);
	queued = !RB_EMPTY_NODE(&w->node);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	return queued;
}

/* Leaves the queue; false for who was granted what it waited for. */
bool ksync_leave(struct ksync_queue *q, struct ksync_waiter *w)
{
	struct ksync_wake wake;
	bool queued;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	queued = !RB_EMPTY_NODE(&w->node);
	if (queued) {
		ksync_dequeue(q, w);
		q->obj->ops->advance(q, &wake);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	trace_ksync_waited(q->obj->id, q->index, queued ? -ECANCELED : 0);
	return queued;
}

/*
 * The rest of a wait, from when @w was queued and with the bucket locked, which
 * it is not any more on return. @watch and @expires as in ksync_sleep().
 */
int ksync_wait_queued(struct ksync_queue *q, struct ksync_waiter *w,
		      struct ksync_waiter *watch, ktime_t *expires)
	__releases(&q->bucket->lock)
{
	bool check = !expires && !watch && !w->must, queued;
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
			ret = ksync_sleep(w, watch, expires);

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
 * ksync_wait_watched() - wait for a primitive
 * @q: the primitive
 * @w: index, want and what the type's advance function needs, filled in
 * @deadline: CLOCK_MONOTONIC in ns, KSYNC_DEADLINE_NONE for none
 * @watch: waits for the event that cancels, NULL without one
 *
 * A grant that races with the deadline, the event or a signal wins.
 *
 * Return: what advance granted with, -ETIMEDOUT, -ECANCELED, -EDEADLK or
 * -ERESTARTNOINTR. With the last four nothing was acquired, and whoever could
 * go on instead has been told.
 */
int ksync_wait_watched(struct ksync_queue *q, struct ksync_waiter *w,
		       u64 deadline, struct ksync_waiter *watch)
{
	/* Without memory for a thread its place is lost by a signal. */
	struct ksync_thread *thread = ksync_thread_get();
	ktime_t when, *expires = ksync_expires(deadline, &when);
	int ret;

	if (expires && ktime_get() >= when) {
		ksync_place_drop();
		return -ETIMEDOUT;
	}
	if (IS_ERR(thread))
		thread = NULL;

	ksync_waiter_init(q, w);
	trace_ksync_wait(q->obj->id, q->index, w->want);
	ksync_queue_lock(q);
	ksync_place_take(q, w, thread);
	ksync_deadlock_begin(q, w, thread);
	ksync_enqueue(q, w);
	ret = ksync_wait_queued(q, w, watch, expires);
	if (ret == -ERESTARTNOINTR)
		ksync_place_keep(q, w, thread);
	trace_ksync_waited(q->obj->id, q->index, ret);
	return ret;
}
