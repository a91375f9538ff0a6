// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events tied to events: what sets the parent sets the child.
 *
 * A tie stands in the parent's queue as a waiter that nobody sleeps for. When
 * the parent is set the tie is taken out and, with no lock held, sets its child
 * and goes back:
 *
 *	          ksync_event_tell               tie_fire
 *	[queued] ------------------> [fires] ------------------> [queued]
 *	    |     ref on the child      |      or, if it was cut: (freed)
 *	    v cut                       v cut: cut = true
 *	 (freed)                     the one that fires it frees it
 *
 * It notes the changes of the parent that it has told of. If there are more
 * when it goes back, it fires again.
 *
 * Who fires is put on the list of those to be woken, and its children behind
 * it, so that a tree of any shape is told without recursion.
 *
 * References go from the child's object to the parent's. So that they never go
 * in a circle, a parent in another object must be in an older one.
 *
 * Lock order: ksync_tree_lock, then a bucket's lock. A process's lock may be
 * held before both.
 */
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "event.h"
#include "event_word.h"
#include "word.h"

/* Guards who is tied to whom: all of obj->ties and what it points to. */
static DEFINE_MUTEX(ksync_tree_lock);

/**
 * struct ksync_tie - a child's tie to its parent
 * @w: in the parent's queue
 * @parent: with a reference, unless it is the child's own object
 * @child: without; while the tie fires, with
 * @parent_index: which of the parent's events
 * @child_index: which of the child's
 * @cut: the child has let go of it. Parent's bucket lock
 */
struct ksync_tie {
	struct ksync_waiter w;
	struct ksync_object *parent;
	struct ksync_object *child;
	u32 parent_index;
	u32 child_index;
	bool cut;
};

/**
 * struct ksync_relations - of an event that was ever tied
 * @tie: to the parent; NULL without one
 * @children: how many
 * @level: number of ancestors
 */
struct ksync_relations {
	struct ksync_tie *tie;
	u32 children;
	u32 level;
};

static void tie_free(struct ksync_tie *tie)
{
	if (tie->parent != tie->child)
		ksync_object_put(tie->parent);
	kfree(tie);
}

/* As tie_free(), in the child's end. */
static void tie_free_to(struct ksync_tie *tie, struct ksync_object **gone)
{
	if (tie->parent != tie->child)
		ksync_object_put_to(tie->parent, gone);
	kfree(tie);
}

static void tie_fire(struct ksync_waiter *w, struct ksync_wake *wake)
{
	struct ksync_tie *tie = container_of(w, struct ksync_tie, w);
	struct ksync_object *child = tie->child;
	struct ksync_queue q;
	bool cut;

	ksync_queue_init(&q, child, tie->child_index);
	ksync_event_raise(&q, wake);

	ksync_queue_init(&q, tie->parent, tie->parent_index);
	ksync_queue_lock(&q);
	cut = tie->cut;
	if (!cut) {
		ksync_enqueue(&q, w);
		ksync_event_advance(&q, wake);
	}
	ksync_queue_unlock(&q);
	if (cut)
		tie_free(tie);
	/* The tie may be gone with its child. */
	ksync_object_put(child);
}

/* Has those fire that do not know yet that it is set. Bucket locked. */
void ksync_event_tell(struct ksync_queue *q, struct ksync_wake *wake)
{
	u64 word = ksync_cell_read(q->cell);
	struct ksync_waiter *w, *next;

	if (!(word & KSYNC_EVENT_SET))
		return;
	for (w = ksync_first(q, KSYNC_WANT_LINK); w; w = next) {
		next = ksync_next(q, w);
		if (w->round == event_word_changes(word))
			continue;
		w->round = event_word_changes(word);
		/* A child that goes cuts its tie itself. */
		if (ksync_object_tryget(container_of(w, struct ksync_tie,
						     w)->child))
			ksync_grant(q, w, 0, wake);
	}
}

/* Lets go of the parent. To be freed by the caller if it is not NULL. */
static struct ksync_tie *tie_cut(struct ksync_relations *child,
				 struct ksync_wake *wake)
{
	struct ksync_relations *parent;
	struct ksync_tie *tie = child->tie;
	struct ksync_queue q;
	bool fires;

	lockdep_assert_held(&ksync_tree_lock);
	if (!tie)
		return NULL;
	child->tie = NULL;
	child->level = 0;
	parent = xa_load(&tie->parent->ties, tie->parent_index);
	parent->children--;

	ksync_queue_init(&q, tie->parent, tie->parent_index);
	ksync_queue_lock(&q);
	fires = RB_EMPTY_NODE(&tie->w.node);
	if (fires) {
		tie->cut = true;
	} else {
		ksync_dequeue(&q, &tie->w);
		ksync_event_advance(&q, wake);
	}
	ksync_queue_unlock(&q);
	return fires ? NULL : tie;
}

static void tie_attach(struct ksync_tie *tie, struct ksync_relations *child,
		       struct ksync_relations *parent, struct ksync_wake *wake)
{
	struct ksync_queue q;

	lockdep_assert_held(&ksync_tree_lock);
	child->tie = tie;
	child->level = parent->level + 1;
	parent->children++;

	ksync_queue_init(&q, tie->parent, tie->parent_index);
	ksync_waiter_init(&q, &tie->w);
	tie->w.task = NULL;
	tie->w.want = KSYNC_WANT_LINK;
	tie->w.fire = tie_fire;
	ksync_queue_lock(&q);
	tie->w.seq = ++q.bucket->seq;
	/* Not the present number: told at once if the parent is set. */
	tie->w.round = event_word_changes(ksync_cell_read(q.cell)) - 1;
	ksync_enqueue(&q, &tie->w);
	ksync_event_advance(&q, wake);
	ksync_queue_unlock(&q);
}

/* Is @child the event @index of @obj, or one of its ancestors? */
static bool is_above(struct ksync_queue *child, struct ksync_object *obj,
		     u32 index)
{
	struct ksync_relations *r;

	lockdep_assert_held(&ksync_tree_lock);
	while (obj != child->obj || index != child->index) {
		r = xa_load(&obj->ties, index);
		if (!r || !r->tie)
			return false;
		obj = r->tie->parent;
		index = r->tie->parent_index;
	}
	return true;
}

static int may_tie(struct ksync_queue *q, struct ksync_relations *child,
		   struct ksync_queue *parent_q, struct ksync_relations *parent)
{
	if (parent_q->obj->id > q->obj->id ||
	    is_above(q, parent_q->obj, parent_q->index))
		return -ELOOP;
	if (child->children)
		return -EBUSY;
	if (parent->level >= KSYNC_EVENT_DEPTH_MAX)
		return -ELOOP;
	/* One more place is free if it is its parent already. */
	if (parent->children >= KSYNC_EVENT_CHILDREN_MAX &&
	    !(child->tie && child->tie->parent == parent_q->obj &&
	      child->tie->parent_index == parent_q->index))
		return -EMLINK;
	return 0;
}

/* Makes what is known of an event's relations, before any is looked at. */
static int relations_make(struct ksync_queue *q)
{
	struct ksync_relations *r;
	int ret;

	if (xa_load(&q->obj->ties, q->index))
		return 0;
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	ret = xa_insert(&q->obj->ties, q->index, r, GFP_KERNEL_ACCOUNT);
	if (ret)
		kfree(r);
	return ret == -EBUSY ? 0 : ret;
}

static struct ksync_tie *tie_alloc(struct ksync_queue *child,
				   struct ksync_queue *parent)
{
	struct ksync_tie *tie = kzalloc(sizeof(*tie), GFP_KERNEL_ACCOUNT);

	if (!tie)
		return NULL;
	if (parent->obj != child->obj)
		refcount_inc(&parent->obj->ref);
	tie->parent = parent->obj;
	tie->parent_index = parent->index;
	tie->child = child->obj;
	tie->child_index = child->index;
	return tie;
}

/**
 * ksync_event_tie() - give an event a parent
 * @q: the child
 * @parent_q: a manual-reset event, NULL to have no parent any more
 *
 * Return: 0, -ELOOP, -EBUSY, -EMLINK, -ENOMEM.
 */
int ksync_event_tie(struct ksync_queue *q, struct ksync_queue *parent_q)
{
	struct ksync_relations *child, *parent;
	struct ksync_tie *old = NULL, *tie = NULL;
	struct ksync_wake wake;
	int ret = 0;

	ksync_wake_init(&wake);
	if (parent_q) {
		ret = relations_make(q) ?: relations_make(parent_q);
		if (ret)
			return ret;
		tie = tie_alloc(q, parent_q);
		if (!tie)
			return -ENOMEM;
	}

	mutex_lock(&ksync_tree_lock);
	child = xa_load(&q->obj->ties, q->index);
	if (parent_q) {
		parent = xa_load(&parent_q->obj->ties, parent_q->index);
		ret = may_tie(q, child, parent_q, parent);
	}
	if (!ret && child)
		old = tie_cut(child, &wake);
	if (!ret && parent_q) {
		tie_attach(tie, child, parent, &wake);
		tie = NULL;
	}
	mutex_unlock(&ksync_tree_lock);

	/* With that lock dropped: the last reference to an object takes it. */
	ksync_wake_all(&wake);
	if (old)
		tie_free(old);
	if (tie)
		tie_free(tie);
	return ret;
}

/* The last reference is gone: nothing is tied to its events any more. */
void ksync_event_release(struct ksync_object *obj, struct ksync_object **gone)
{
	struct ksync_relations *r;
	struct ksync_wake wake;
	struct ksync_tie *tie;
	unsigned long index;

	xa_for_each(&obj->ties, index, r) {
		ksync_wake_init(&wake);
		mutex_lock(&ksync_tree_lock);
		tie = tie_cut(r, &wake);
		mutex_unlock(&ksync_tree_lock);
		ksync_wake_all(&wake);
		if (tie)
			tie_free_to(tie, gone);
		cond_resched();
	}
	/* Not before: an event may have had its parent in the same object. */
	xa_for_each(&obj->ties, index, r)
		kfree(r);
	xa_destroy(&obj->ties);
}
