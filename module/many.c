// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for one of several primitives, or for all of them.
 *
 * One of several: the caller stands in all queues. Whoever frees something
 * takes it for the caller if nobody else has done so with another; the group's
 * lock makes that choice. The choice and the take are one step under it, so
 * that of two who free something at once no one takes in vain.
 *
 * All: see all.c.
 */
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "all.h"
#include "many.h"
#include "word.h"

/* As ksync_admit(), for one of a group. True also if the group has enough. */
bool ksync_any_admit(struct ksync_queue *q, struct ksync_waiter *w,
		     struct ksync_wake *wake)
{
	struct ksync_any *any = w->any;
	int ret = 0;

	lockdep_assert_held(&q->bucket->lock);
	spin_lock(&any->lock);
	if (any->over) {
		ksync_dequeue(q, w);
	} else {
		ret = q->obj->ops->take(q, w, true);
		if (ret != -EBUSY) {
			any->winner = w;
			ksync_grant(q, w, ret, wake);
			/* Looked at without the lock by who sleeps. */
			WRITE_ONCE(any->over, true);
		}
	}
	spin_unlock(&any->lock);
	return ret != -EBUSY;
}

/* Nothing may be granted from here on; was something? */
static bool any_end(struct ksync_any *any)
{
	spin_lock(&any->lock);
	WRITE_ONCE(any->over, true);
	spin_unlock(&any->lock);
	return any->winner;
}

/* What the caller holds already, or need not wait for: no queue for that. */
static void any_take_again(struct ksync_any *any, struct ksync_request *r)
{
	spin_lock(&any->lock);
	if (!any->over) {
		r->w.result = r->q.obj->ops->take(&r->q, &r->w, false);
		any->winner = &r->w;
		WRITE_ONCE(any->over, true);
	}
	spin_unlock(&any->lock);
}

/* Joins the queues until one is left; how many it joined. */
static u32 any_join(struct ksync_any *any, struct ksync_request *r, u32 nr)
{
	u32 i;

	for (i = 0; i < nr && !ksync_any_over(any); i++) {
		r[i].w.any = any;
		ksync_waiter_init(&r[i].q, &r[i].w);
		if (r[i].w.again)
			any_take_again(any, &r[i]);
		else
			ksync_join(&r[i].q, &r[i].w);
	}
	return i;
}

static int any_wait(struct ksync_request *r, struct ksync_waiter *watch,
		    struct ksync_limit *limit)
{
	ktime_t when, *expires = ksync_expires(limit->deadline, &when);
	int ret = 0;

	if (ksync_any_over(r->w.any))
		return 0;
	if (limit->cancel.obj)
		ret = ksync_watch(limit, watch);
	if (!ret && expires && ktime_get() >= when)
		ret = -ETIMEDOUT;
	if (!ret)
		ret = ksync_sleep(&r->w, limit->cancel.obj ? watch : NULL,
				  expires);
	if (limit->cancel.obj)
		ksync_unwatch(limit, watch);
	return ret;
}

/* Takes one: its index, or a negative errno with nothing taken. */
static int any_take(struct ksync_request *r, u32 nr, struct ksync_limit *limit)
{
	struct ksync_any any = { .winner = NULL };
	struct ksync_request *winner;
	struct ksync_waiter watch;
	bool waits;
	u32 i, joined;
	int ret;

	spin_lock_init(&any.lock);
	joined = any_join(&any, r, nr);
	waits = !ksync_any_over(&any);
	ret = any_wait(r, &watch, limit);
	if (any_end(&any))
		ret = 0;
	for (i = 0; i < joined; i++) {
		r[i].waited = waits;
		if (!r[i].w.again)
			ksync_leave(&r[i].q, &r[i].w);
	}
	if (ret)
		return ret;
	winner = container_of(any.winner, struct ksync_request, w);
	winner->result = ksync_wait_result(&winner->w);
	return winner - r;
}

static int request_cmp(const void *a, const void *b)
{
	const struct ksync_queue *x = &(*(struct ksync_request **)a)->q;
	const struct ksync_queue *y = &(*(struct ksync_request **)b)->q;

	if (x->obj->id != y->obj->id)
		return x->obj->id < y->obj->id ? -1 : 1;
	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return 0;
}

/* Takes all; with an @index if the errno is that of one of them. */
static int all_take(struct ksync_request *r, u32 nr, struct ksync_limit *limit,
		    u32 *index)
{
	struct ksync_request *sorted[KSYNC_WAIT_ITEMS_MAX], *failed = NULL;
	int ret;
	u32 i;

	for (i = 0; i < nr; i++)
		sorted[i] = &r[i];
	sort(sorted, nr, sizeof(*sorted), request_cmp, NULL);
	for (i = 1; i < nr; i++)
		if (!request_cmp(&sorted[i - 1], &sorted[i]))
			return -EINVAL;
	ret = ksync_all_take(sorted, nr, limit, &failed);
	if (failed && ret != -ETIMEDOUT && ret != -ECANCELED)
		*index = failed - r;
	return ret;
}

/* What the user asked for; the reference in it and more go with settle. */
static int request_make(struct ksync_request *r, struct ksync_thread *thread,
			const struct ksync_wait_item *item)
{
	struct ksync_object *obj;
	int ret = -EINVAL;

	if (item->flags & ~KSYNC_ITEM_SHARED)
		return -EINVAL;
	obj = ksync_object_get_by_fd(item->fd);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	r->thread = thread;
	r->shared = item->flags & KSYNC_ITEM_SHARED;
	r->w.count = item->count;
	r->result = -EBUSY;
	if (obj->ops->prepare)
		ret = ksync_queue_init(&r->q, obj, item->index) ?:
		      obj->ops->prepare(r);
	if (ret)
		ksync_object_put(obj);
	return ret;
}

static int many_take(struct ksync_wait_args *a, struct ksync_request *r,
		     struct ksync_limit *limit)
{
	int ret;

	if (a->flags & KSYNC_WAIT_ALL)
		return all_take(r, a->nr, limit, &a->index);
	ret = any_take(r, a->nr, limit);
	if (ret < 0)
		return ret;
	a->index = ret;
	return r[ret].result;
}

/* Makes the requests, has them fulfilled, and puts them into the books. */
static int many_requests(struct ksync_wait_args *a,
			 struct ksync_wait_item *items, struct ksync_request *r,
			 struct ksync_thread *thread, struct ksync_limit *limit)
{
	u32 i, made;
	int ret = 0;

	for (made = 0; !ret && made < a->nr; made++) {
		ret = request_make(&r[made], thread, &items[made]);
		if (ret) {
			a->index = made;
			items[made].result = ret;
			break;
		}
	}
	if (!ret) {
		ret = many_take(a, r, limit);
		if (!ksync_changed(ret) && a->index < a->nr)
			items[a->index].result = ret;
	}
	for (i = 0; i < made; i++) {
		struct ksync_object *obj = r[i].q.obj;

		if (ksync_changed(ret) && ksync_changed(r[i].result)) {
			items[i].result = r[i].result;
			items[i].lost = r[i].w.lost;
		}
		obj->ops->settle(&r[i], r[i].result);
		ksync_object_put(obj);
	}
	return ret;
}

/**
 * ksync_many() - KSYNC_IOC_DEV_WAIT
 * @a: the arguments; @nr has been checked
 * @items: likewise, in kernel memory
 *
 * Return: 0 or -EOWNERDEAD: taken; otherwise nothing was.
 */
int ksync_many(struct ksync_wait_args *a, struct ksync_wait_item *items)
{
	struct ksync_thread *thread;
	struct ksync_limit limit;
	struct ksync_request *r;
	int ret;
	u32 i;

	if (a->flags & ~(KSYNC_WAIT_ALL | KSYNC_WAIT_CANCEL))
		return -EINVAL;
	a->index = a->nr;
	for (i = 0; i < a->nr; i++) {
		items[i].result = -EBUSY;
		items[i].lost = 0;
	}
	thread = ksync_thread_get();
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	ret = ksync_limit_get(&limit, a->flags & KSYNC_WAIT_CANCEL, a->deadline,
			      a->cancel, a->cancel_index);
	if (ret)
		return ret;
	r = kvcalloc(a->nr, sizeof(*r), GFP_KERNEL_ACCOUNT);
	ret = r ? many_requests(a, items, r, thread, &limit) : -ENOMEM;
	kvfree(r);
	ksync_limit_put(&limit);
	return ret;
}
