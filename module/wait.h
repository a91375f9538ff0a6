/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting: queues, grants, deadlines. wait.c is the only place that sleeps.
 *
 *	          ksync_enqueue              ksync_grant
 *	  (new) ----------------> [queued] ----------------> [granted]
 *	                           |   ^ |                      |
 *	            ksync_nudge    |   | | deadline, signal      | result is
 *	            (try again) ---+---+ v                       v published
 *	                              (left)                  (returns)
 *
 * A waiter at a condition is moved to the queue of its mutex instead of being
 * granted; it is asleep all the time.
 *
 * Queued or not is told by the tree node, under the bucket lock. A waiter that
 * was granted cannot leave any more: it waits until the result is published,
 * which whoever granted it does as soon as it has dropped the lock.
 */
#ifndef KSYNC_WAIT_H
#define KSYNC_WAIT_H

#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/rbtree.h>
#include <linux/sched.h>

#include "object.h"

/* How a waiter wants it; all of one kind stand in the order they came. */
enum ksync_want {
	KSYNC_WANT_EXCLUSIVE,
	KSYNC_WANT_SHARED,
};

#define KSYNC_PENDING	1	/* waiter->result: not known yet */
#define KSYNC_STARVING	(1 * NSEC_PER_MSEC)

/**
 * struct ksync_waiter - on the stack of a thread that waits
 * @node: in the bucket's tree; empty when not queued. Bucket lock
 * @index: primitive; fixed while queued
 * @want: enum ksync_want; likewise
 * @seq: place in the order; likewise
 * @since: when it began to wait, CLOCK_MONOTONIC in ns; likewise
 * @task: who waits
 * @thread: likewise, where its wait can be part of a cycle, otherwise NULL
 * @sleep: number of this wait among all; grows. Bucket lock
 * @refused: waits no more: it would have closed a cycle. Bucket lock
 * @must: is never refused; its caller cannot do without
 * @id: thread id that a grant puts into the word
 * @count: semaphore: permits wanted
 * @round: waitgroup: round that it waits for the end of
 * @lost: waitgroup: members the round lost, set by the grant
 * @value: once: the result, likewise
 * @then: condition: the mutex's queue; NULL once it was moved there. Lock of the
 *        condition's bucket
 * @nudged: woken to try again. Set and cleared under the bucket lock
 * @granted: the outcome, from the grant to its publication; granter's
 * @next: in the granter's list, likewise
 * @result: KSYNC_PENDING, then the outcome. The release in ksync_wake_all()
 *          pairs with the acquire in ksync_wait()
 */
struct ksync_waiter {
	struct rb_node node;
	u32 index;
	u32 want;
	u64 seq;
	u64 since;
	struct task_struct *task;
	struct ksync_thread *thread;
	u64 sleep;
	bool refused;
	bool must;
	u32 id;
	u32 count;
	u32 round;
	u32 lost;
	u64 value;
	struct ksync_queue *then;
	bool nudged;
	int granted;
	struct ksync_waiter *next;
	int result;
};

/* Whom to wake once the bucket lock is dropped. */
struct ksync_wake {
	struct ksync_waiter *first;
	struct ksync_waiter **last;
	struct task_struct *nudge;
};

static inline void ksync_wake_init(struct ksync_wake *wake)
{
	wake->first = NULL;
	wake->last = &wake->first;
	wake->nudge = NULL;
}

struct ksync_waiter *ksync_first_from(struct ksync_queue *q,
				      enum ksync_want want, u64 seq);
struct ksync_waiter *ksync_last(struct ksync_queue *q, enum ksync_want want);
struct ksync_waiter *ksync_next(struct ksync_queue *q, struct ksync_waiter *w);
void ksync_grant(struct ksync_queue *q, struct ksync_waiter *w, int result,
		 struct ksync_wake *wake);
void ksync_nudge(struct ksync_queue *q, struct ksync_waiter *w,
		 struct ksync_wake *wake);
void ksync_wake_all(struct ksync_wake *wake);
u32 ksync_count_waiters(struct ksync_queue *q, enum ksync_want want);

int ksync_wait(struct ksync_queue *q, struct ksync_waiter *w, u64 deadline);
bool ksync_place_round(struct ksync_queue *q, enum ksync_want want, u32 *round);
void ksync_place_drop(void);

/* The steps of a wait, for one that has more of them: see cond.c. */
void ksync_enqueue(struct ksync_queue *q, struct ksync_waiter *w);
void ksync_dequeue(struct ksync_queue *q, struct ksync_waiter *w);
ktime_t ksync_deadline(u64 deadline);
int ksync_sleep(struct ksync_waiter *w, ktime_t *expires);
int ksync_wait_queued(struct ksync_queue *q, struct ksync_waiter *w,
		      ktime_t *expires) __releases(&q->bucket->lock);
int ksync_wait_result(struct ksync_waiter *w);

static inline void ksync_queue_lock(struct ksync_queue *q)
{
	spin_lock(&q->bucket->lock);
}

static inline void ksync_queue_unlock(struct ksync_queue *q)
{
	spin_unlock(&q->bucket->lock);
}

/* The waiter of that kind that came first, NULL if there is none. */
static inline struct ksync_waiter *ksync_first(struct ksync_queue *q,
					       enum ksync_want want)
{
	return ksync_first_from(q, want, 0);
}

static inline bool ksync_queue_empty(struct ksync_queue *q)
{
	return !ksync_first(q, KSYNC_WANT_EXCLUSIVE) &&
	       !ksync_first(q, KSYNC_WANT_SHARED);
}

#endif /* KSYNC_WAIT_H */
