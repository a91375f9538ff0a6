// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queued requests: a place in a queue that nobody sleeps for, and files that
 * can be polled for it.
 *
 * A ticket belongs to the thread that asked and to the open file description
 * it asked through, and ends with either. What is granted is taken in the
 * thread's name at once, but is not in its books until it claims it, so that
 * what is passed on unclaimed has not been held by anybody:
 *
 *	          granted            claimed
 *	[queued] ---------> [kept] -----------> (held)
 *	   |                  | |
 *	   | withdrawn, file  | | not claimed in time
 *	   v or thread gone   | v
 *	 (gone) <-------------+ [expired] --> (gone) when that was told
 *
 * Who takes a ticket off the lists owns it: it takes it out of the queue, or
 * waits until the grant that is on its way is published, and then until the
 * work that would pass it on is done or cancelled.
 *
 * Lock order: ksync_tickets_lock, then a bucket's lock.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "many.h"
#include "ticket.h"
#include "word.h"

/* Guards the table, and the lists of tickets. */
static DEFINE_SPINLOCK(ksync_tickets_lock);
static DEFINE_HASHTABLE(ksync_desks, 8);

/**
 * struct ksync_desk - the tickets of a file
 * @node: in the table, until the file is released
 * @file: which; not looked into
 * @tickets: struct ksync_ticket
 * @nr: how many
 */
struct ksync_desk {
	struct hlist_node node;
	const struct file *file;
	struct list_head tickets;
	u32 nr;
};

/**
 * struct ksync_ticket
 * @r: what is asked for; with a reference to the object
 * @ref: one for being listed, one for being in the queue or on the way out
 * @on_desk: in the list of the file; empty: somebody owns the ticket
 * @on_thread: in that of the thread
 * @desk: of the file, while listed
 * @keep: for how long a grant is kept, in jiffies
 * @expire: passes it on then
 * @expired: it did. Set before it wakes who polls
 */
struct ksync_ticket {
	struct ksync_request r;
	refcount_t ref;
	struct list_head on_desk;
	struct list_head on_thread;
	struct ksync_desk *desk;
	unsigned long keep;
	struct delayed_work expire;
	bool expired;
};

static void ticket_put(struct ksync_ticket *t)
{
	struct ksync_object *obj = t->r.q.obj;

	if (!refcount_dec_and_test(&t->ref))
		return;
	kfree(t);
	ksync_object_put(obj);
}

static bool ticket_published(struct ksync_ticket *t)
{
	/* Pairs with the release in ticket_publish(). */
	return smp_load_acquire(&t->r.w.result) != KSYNC_PENDING;
}

/* From here on the ticket may be claimed. */
static void ticket_publish(struct ksync_ticket *t, int result)
{
	if (ksync_changed(result))
		schedule_delayed_work(&t->expire, t->keep);
	/* Pairs with the acquire in ticket_published(). */
	smp_store_release(&t->r.w.result, result);
	wake_up_var(&t->r.w.result);
	wake_up_interruptible_poll(&t->r.q.obj->poll, EPOLLIN | EPOLLRDNORM);
}

static void ticket_fire(struct ksync_waiter *w, struct ksync_wake *wake)
{
	struct ksync_ticket *t = container_of(w, struct ksync_ticket, r.w);

	ticket_publish(t, w->granted);
	ticket_put(t);
}

static void ticket_expire(struct work_struct *work)
{
	struct ksync_ticket *t = container_of(to_delayed_work(work),
					      struct ksync_ticket, expire);

	t->r.q.obj->ops->untake(&t->r.q, &t->r.w);
	WRITE_ONCE(t->expired, true);
	wake_up_interruptible_poll(&t->r.q.obj->poll, EPOLLIN | EPOLLRDNORM);
}

static struct ksync_desk *desk_find(const struct file *file)
{
	struct ksync_desk *desk;

	lockdep_assert_held(&ksync_tickets_lock);
	hash_for_each_possible(ksync_desks, desk, node, (unsigned long)file)
		if (desk->file == file)
			return desk;
	return NULL;
}

/* The desk of a file, made if need be; NULL without memory. */
static struct ksync_desk *desk_get(const struct file *file)
{
	struct ksync_desk *desk, *fresh;

	spin_lock(&ksync_tickets_lock);
	desk = desk_find(file);
	spin_unlock(&ksync_tickets_lock);
	if (desk)
		return desk;
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->file = file;
	INIT_LIST_HEAD(&fresh->tickets);
	spin_lock(&ksync_tickets_lock);
	desk = desk_find(file);
	if (!desk) {
		hash_add(ksync_desks, &fresh->node, (unsigned long)file);
		swap(desk, fresh);
	}
	spin_unlock(&ksync_tickets_lock);
	kfree(fresh);
	return desk;
}

static struct ksync_ticket *desk_ticket(struct ksync_desk *desk,
					const struct ksync_thread *thread,
					u32 index)
{
	struct ksync_ticket *t;

	lockdep_assert_held(&ksync_tickets_lock);
	list_for_each_entry(t, &desk->tickets, on_desk)
		if (t->r.thread == thread && t->r.q.index == index)
			return t;
	return NULL;
}

static void ticket_unlist(struct ksync_ticket *t)
{
	lockdep_assert_held(&ksync_tickets_lock);
	list_del_init(&t->on_desk);
	list_del_init(&t->on_thread);
	t->desk->nr--;
	atomic_inc(&t->r.thread->tickets_ending);
}

static int ticket_list(struct ksync_ticket *t, struct ksync_desk *desk)
{
	int ret = 0;

	spin_lock(&ksync_tickets_lock);
	if (desk_ticket(desk, t->r.thread, t->r.q.index)) {
		ret = -EEXIST;
	} else if (desk->nr >= KSYNC_REQUESTS_MAX) {
		ret = -ENOSPC;
	} else {
		t->desk = desk;
		desk->nr++;
		list_add_tail(&t->on_desk, &desk->tickets);
		list_add_tail(&t->on_thread, &t->r.thread->tickets);
	}
	spin_unlock(&ksync_tickets_lock);
	return ret;
}

/* The end of a ticket that is off the lists; with @claim its last purpose. */
static int ticket_end(struct ksync_ticket *t, bool claim)
{
	struct ksync_request *r = &t->r;
	int ret = -ECANCELED;

	if (ksync_leave(&r->q, &r->w)) {
		ticket_put(t);
	} else {
		wait_var_event(&r->w.result, ticket_published(t));
		cancel_delayed_work_sync(&t->expire);
		ret = t->expired ? -ETIMEDOUT : r->w.result;
	}
	if (!claim && ksync_changed(ret)) {
		r->q.obj->ops->untake(&r->q, &r->w);
		ret = -ECANCELED;
	}
	r->q.obj->ops->settle(r, ret);
	/* The last use of the thread. Full barrier: its id is free of all. */
	if (atomic_dec_and_test(&r->thread->tickets_ending))
		wake_up_var(&r->thread->tickets_ending);
	ticket_put(t);
	return ret;
}

static struct ksync_ticket *ticket_make(struct ksync_object *obj,
					const struct ksync_request_args *a)
{
	struct ksync_ticket *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	struct ksync_thread *thread = ksync_thread_get();
	int ret = -ENOMEM;

	if (!t)
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(thread)) {
		kfree(t);
		return ERR_CAST(thread);
	}
	thread->had_tickets = true;
	t->r.thread = thread;
	t->r.shared = a->flags & KSYNC_ITEM_SHARED;
	t->r.w.count = a->count;
	t->keep = nsecs_to_jiffies(a->keep ?: KSYNC_KEEP_DEFAULT) + 1;
	refcount_set(&t->ref, 1);
	INIT_DELAYED_WORK(&t->expire, ticket_expire);

	ret = ksync_queue_init(&t->r.q, obj, a->index);
	if (!ret)
		ret = obj->ops->prepare ? obj->ops->prepare(&t->r) : -EINVAL;
	if (!ret && t->r.held) {
		obj->ops->settle(&t->r, -EDEADLK);
		ret = -EDEADLK;
	}
	if (ret) {
		kfree(t);
		return ERR_PTR(ret);
	}
	refcount_inc(&obj->ref);
	return t;
}

static void ticket_queue(struct ksync_ticket *t)
{
	struct ksync_request *r = &t->r;

	refcount_inc(&t->ref);
	if (r->w.again) {
		ticket_publish(t, r->q.obj->ops->take(&r->q, &r->w, false));
		ticket_put(t);
	} else {
		r->waited = ksync_join(&r->q, &r->w);
	}
}

/* KSYNC_IOC_OBJ_REQUEST */
int ksync_ticket_request(struct file *file, void *args)
{
	struct ksync_object *obj = file->private_data;
	struct ksync_request_args *a = args;
	struct ksync_ticket *t;
	struct ksync_desk *desk;
	int ret;

	if (a->flags & ~KSYNC_ITEM_SHARED || a->pad ||
	    a->keep > KSYNC_KEEP_MAX)
		return -EINVAL;
	t = ticket_make(obj, a);
	if (IS_ERR(t))
		return PTR_ERR(t);
	ksync_waiter_init(&t->r.q, &t->r.w);
	t->r.w.task = NULL;
	t->r.w.fire = ticket_fire;
	desk = desk_get(file);
	ret = desk ? ticket_list(t, desk) : -ENOMEM;
	if (ret) {
		obj->ops->settle(&t->r, ret);
		ticket_put(t);
		return ret;
	}
	/* No one but this thread, which is busy, or its end can take it off. */
	ticket_queue(t);
	return 0;
}

/* KSYNC_IOC_OBJ_CLAIM */
int ksync_ticket_claim(struct file *file, void *args)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_object *obj = file->private_data;
	struct ksync_claim_args *a = args;
	struct ksync_ticket *t = NULL;
	struct ksync_desk *desk;
	bool withdraw;
	int ret = -ENOENT;

	if (a->flags & ~KSYNC_CLAIM_WITHDRAW || a->index >= obj->nr)
		return -EINVAL;
	withdraw = a->flags & KSYNC_CLAIM_WITHDRAW;
	spin_lock(&ksync_tickets_lock);
	desk = desk_find(file);
	if (desk && thread)
		t = desk_ticket(desk, thread, a->index);
	if (t) {
		ret = withdraw || ticket_published(t) ? 0 : -EBUSY;
		if (!ret)
			ticket_unlist(t);
	}
	spin_unlock(&ksync_tickets_lock);
	if (ret)
		return ret;
	ret = ticket_end(t, !withdraw);
	return withdraw ? 0 : ret;
}

static void tickets_end(struct list_head *list, bool of_thread)
{
	struct ksync_ticket *t;

	for (;;) {
		spin_lock(&ksync_tickets_lock);
		if (of_thread)
			t = list_first_entry_or_null(list, struct ksync_ticket,
						     on_thread);
		else
			t = list_first_entry_or_null(list, struct ksync_ticket,
						     on_desk);
		if (t)
			ticket_unlist(t);
		spin_unlock(&ksync_tickets_lock);
		if (!t)
			return;
		ticket_end(t, false);
		cond_resched();
	}
}

/*
 * A ticket of the thread's for the primitive that was granted and has not been
 * passed on, with a reference; NULL: there is none.
 */
static struct ksync_ticket *ticket_kept(struct ksync_thread *thread,
					struct ksync_queue *q)
{
	struct ksync_ticket *t;
	bool granted;

	list_for_each_entry(t, &thread->tickets, on_thread) {
		if (t->r.q.cell != q->cell || READ_ONCE(t->expired))
			continue;
		ksync_queue_lock(q);
		granted = RB_EMPTY_NODE(&t->r.w.node);
		ksync_queue_unlock(q);
		if (granted) {
			refcount_inc(&t->ref);
			return t;
		}
	}
	return NULL;
}

/**
 * ksync_tickets_keep() - is it that a lock is kept for the caller?
 * @thread: the caller, whose id is in the lock's word
 * @q: the lock
 *
 * Return: false if it has no such ticket, or none any more. Then what the word
 * says from now on, the caller itself has done.
 */
bool ksync_tickets_keep(struct ksync_thread *thread, struct ksync_queue *q)
{
	struct ksync_ticket *t;
	bool expired = true;

	while (expired) {
		spin_lock(&ksync_tickets_lock);
		t = ticket_kept(thread, q);
		spin_unlock(&ksync_tickets_lock);
		if (!t)
			return false;
		/* If it is being passed on, until that is done. */
		flush_work(&t->expire.work);
		expired = READ_ONCE(t->expired);
		ticket_put(t);
	}
	return true;
}

/*
 * The thread is gone: its tickets go before its id can be given to another,
 * also those that the release of a file is about to end.
 */
void ksync_tickets_thread_die(struct ksync_thread *thread)
{
	tickets_end(&thread->tickets, true);
	wait_var_event(&thread->tickets_ending,
		       !atomic_read(&thread->tickets_ending));
}

/* The file is gone: nobody else uses it. */
void ksync_tickets_release(struct file *file)
{
	struct ksync_desk *desk;

	spin_lock(&ksync_tickets_lock);
	desk = desk_find(file);
	if (desk)
		hash_del(&desk->node);
	spin_unlock(&ksync_tickets_lock);
	if (!desk)
		return;
	tickets_end(&desk->tickets, false);
	kfree(desk);
}

/* Readable: a claim of some thread's would not be -EBUSY. */
__poll_t ksync_tickets_poll(struct file *file, struct poll_table_struct *table)
{
	struct ksync_object *obj = file->private_data;
	struct ksync_ticket *t;
	struct ksync_desk *desk;
	__poll_t mask = 0;

	poll_wait(file, &obj->poll, table);
	spin_lock(&ksync_tickets_lock);
	desk = desk_find(file);
	if (desk)
		list_for_each_entry(t, &desk->tickets, on_desk)
			if (ticket_published(t))
				mask = EPOLLIN | EPOLLRDNORM;
	spin_unlock(&ksync_tickets_lock);
	return mask;
}
