// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event: set or not.
 *
 * A manual-reset event that is set lets everybody go until it is reset. An
 * auto-reset event lets one wait go, which resets it: the oldest, or whoever
 * comes next.
 *
 * With anybody in the queue an event is set and reset under the bucket lock
 * only. So whoever was in the queue when it was set is let go, even if another
 * thread resets it at once.
 */
#include <linux/err.h>

#include "commands.h"
#include "event.h"
#include "event_word.h"
#include "many.h"
#include "word.h"

static bool event_auto(const struct ksync_queue *q)
{
	return q->obj->flags & KSYNC_F_AUTO_RESET;
}

static enum ksync_want event_want(const struct ksync_queue *q)
{
	return event_auto(q) ? KSYNC_WANT_EXCLUSIVE : KSYNC_WANT_SHARED;
}

/* The flag that says who is in the queue. Bucket locked. */
static void event_sync(struct ksync_queue *q)
{
	bool any = ksync_first(q, event_want(q)) ||
		   ksync_first(q, KSYNC_WANT_LINK);
	u64 word;

	ksync_update(q->cell, word, event_word_waiters(&word, any));
}

static int event_take(struct ksync_queue *q, struct ksync_waiter *w,
		      bool queued)
{
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word,
			   event_word_take(&word, event_auto(q), queued));
	if (!ret)
		w->round = event_word_changes(word);
	return ret;
}

static bool event_still(struct ksync_queue *q, struct ksync_waiter *w)
{
	u64 word = ksync_cell_read(q->cell);

	return event_auto(q) || ((word & KSYNC_EVENT_SET) &&
				 event_word_changes(word) == w->round);
}

void ksync_event_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_waiter *w;

	event_sync(q);
	ksync_event_tell(q, wake);
	while ((w = ksync_first(q, event_want(q))) && ksync_admit(q, w, wake))
		;
	event_sync(q);
}

static void event_let_in(struct ksync_queue *q)
{
	struct ksync_wake wake;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	ksync_event_advance(q, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static void event_untake(struct ksync_queue *q, struct ksync_waiter *w)
{
	u64 word;

	if (!event_auto(q))
		return;
	ksync_update(q->cell, word, event_word_untake(&word, w->round));
	if (word & KSYNC_EVENT_WAITERS)
		event_let_in(q);
}

/* Sets it. Who is to be woken for that is added to @wake. */
void ksync_event_raise(struct ksync_queue *q, struct ksync_wake *wake)
{
	u64 word;

	if (!ksync_update(q->cell, word, event_word_set(&word, false)))
		return;
	ksync_queue_lock(q);
	ksync_update(q->cell, word, event_word_set(&word, true));
	ksync_event_advance(q, wake);
	ksync_queue_unlock(q);
}

int ksync_event_set(struct ksync_object *obj, void *args)
{
	struct ksync_wake wake;
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	ksync_wake_init(&wake);
	ksync_event_raise(&q, &wake);
	ksync_wake_all(&wake);
	return 0;
}

int ksync_event_reset(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	if (!ksync_update(q.cell, word, event_word_reset(&word, false)))
		return 0;
	ksync_queue_lock(&q);
	ksync_update(q.cell, word, event_word_reset(&word, true));
	ksync_queue_unlock(&q);
	return 0;
}

static void event_waited(struct ksync_queue *q)
{
	atomic64_inc((atomic64_t *)&q->cell->event.waits);
}

int ksync_event_wait(struct ksync_object *obj, void *args)
{
	struct ksync_lock_args *a = args;
	struct ksync_waiter w = {};
	struct ksync_limit limit;
	struct ksync_queue q;
	int ret;

	ret = ksync_lock_limit(&q, obj, &limit, a);
	if (ret)
		return ret;
	w.want = event_want(&q);
	ret = event_take(&q, &w, false);
	if (ret == -EBUSY) {
		ret = ksync_wait_limit(&q, &w, &limit);
		if (!ret)
			event_waited(&q);
	}
	ksync_limit_put(&limit);
	return ret;
}

int ksync_event_set_parent(struct ksync_object *obj, void *args)
{
	struct ksync_event_parent_args *a = args;
	struct ksync_queue child, parent;
	struct ksync_object *other;
	int ret;

	ret = a->flags ? -EINVAL : ksync_queue_init(&child, obj, a->index);
	if (ret)
		return ret;
	if (a->fd == KSYNC_NO_FD)
		return a->parent_index ? -EINVAL : ksync_event_tie(&child, NULL);
	other = ksync_object_get_by_fd(a->fd);
	if (IS_ERR(other))
		return PTR_ERR(other);
	ret = -EINVAL;
	if (ksync_event_manual(other))
		ret = ksync_queue_init(&parent, other, a->parent_index);
	if (!ret)
		ret = ksync_event_tie(&child, &parent);
	ksync_object_put(other);
	return ret;
}

static int event_prepare(struct ksync_request *r)
{
	if (r->shared || r->w.count)
		return -EINVAL;
	r->w.want = event_want(&r->q);
	return 0;
}

static void event_settle(struct ksync_request *r, int ret)
{
	if (!ret && r->waited)
		event_waited(&r->q);
}

static void event_init_cell(union ksync_cell *cell, u32 value, u32 max)
{
	cell->state = value ? KSYNC_EVENT_SET + KSYNC_EVENT_CHANGE : 0;
}

static void event_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	u64 word = ksync_cell_read(q->cell);

	st->value = !!(word & KSYNC_EVENT_SET);
	st->token = event_word_changes(word);
	st->acquisitions = READ_ONCE(q->cell->event.waits);
	st->contended = st->acquisitions;
}

const struct ksync_ops ksync_event_ops = {
	.name = "event",
	.id = KSYNC_TYPE_EVENT,
	.flags = KSYNC_F_GUARDED | KSYNC_F_AUTO_RESET,
	.init = event_init_cell,
	.advance = ksync_event_advance,
	.take = event_take,
	.still = event_still,
	.untake = event_untake,
	.prepare = event_prepare,
	.settle = event_settle,
	.release = ksync_event_release,
	.status = event_status,
};
