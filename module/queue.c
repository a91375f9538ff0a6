// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue of a bucket: who waits, in which order, and who gets what.
 *
 * Lock order: a bucket's lock, then that of a group of waiters (many.h), which
 * is taken inside it. No two buckets are locked at once, but for that of a
 * condition and inside it that of a mutex that its waiters go to.
 */
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "many.h"
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

/*
 * The waiter has it if it can have it now, and leaves the queue: true. False if
 * it has to wait on.
 */
bool ksync_admit(struct ksync_queue *q, struct ksync_waiter *w,
		 struct ksync_wake *wake)
{
	int ret;

	lockdep_assert_held(&q->bucket->lock);
	if (w->any)
		return ksync_any_admit(q, w, wake);
	ret = q->obj->ops->take(q, w, true);
	if (ret == -EBUSY)
		return false;
	ksync_grant(q, w, ret, wake);
	return true;
}

/*
 * The waiter may try again. At most one such is on its way. Bucket locked. Not
 * for those that are passive.
 */
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
 * so everything needed is read before. What fires may add to the list.
 */
void ksync_wake_all(struct ksync_wake *wake)
{
	struct task_struct *task;
	struct ksync_waiter *w;

	while ((w = wake->first)) {
		wake->first = w->next;
		if (!wake->first)
			wake->last = &wake->first;
		if (unlikely(w->fire)) {
			w->fire(w, wake);
		} else {
			task = get_task_struct(w->task);
			/* Pairs with the acquires in wait.c. */
			smp_store_release(&w->result, w->granted);
			wake_up_process(task);
			put_task_struct(task);
		}
		cond_resched();
	}
	if (wake->nudge) {
		wake_up_process(wake->nudge);
		put_task_struct(wake->nudge);
	}
}
