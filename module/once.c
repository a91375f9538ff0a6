// SPDX-License-Identifier: GPL-2.0-only
/*
 * Once. The runner is the exclusive holder, as of a mutex; its death, or its
 * giving up, makes the oldest waiter the runner. Completion lets everybody go.
 *
 * Runs end with the bucket locked, and the result is written there before the
 * word says DONE. models/once.pml checks this.
 */
#include <linux/err.h>

#include "commands.h"
#include "deadlock.h"
#include "once_word.h"
#include "owner.h"
#include "word.h"

static void once_sync(struct ksync_queue *q)
{
	bool any = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	u64 word;

	ksync_update(q->cell, word, once_word_waiters(&word, any));
}

/* One runner, or all if it is done, hence the loop. */
static void once_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_waiter *w;
	u64 word;
	int ret;

	once_sync(q);
	while ((w = ksync_first(q, KSYNC_WANT_EXCLUSIVE))) {
		ret = ksync_update(q->cell, word,
				   once_word_begin(&word, w->id));
		if (ret == -EBUSY)
			break;
		if (ret == -EALREADY)
			w->value = READ_ONCE(q->cell->once.result);
		ksync_grant(q, w, ret, wake);
	}
	once_sync(q);
}

/*
 * It is done: the result. A reset and another run may come between the looks at
 * the word and at the result; then the word is another.
 */
static void once_read_result(struct ksync_queue *q, u64 *result)
{
	u64 word = ksync_cell_read(q->cell);

	smp_rmb(); /* pairs with the update in once_end(), after the result */
	*result = READ_ONCE(q->cell->once.result);
	smp_rmb(); /* likewise, of the next run */
	if (likely(word == ksync_cell_read(q->cell)))
		return;
	ksync_queue_lock(q);
	*result = READ_ONCE(q->cell->once.result);
	ksync_queue_unlock(q);
}

static void once_taken(struct ksync_queue *q, bool waited)
{
	struct ksync_once_cell *cell = &q->cell->once;

	WRITE_ONCE(cell->since, ktime_get_coarse_ns());
	if (waited)
		WRITE_ONCE(cell->contended, READ_ONCE(cell->contended) + 1);
}

static int once_begin(struct ksync_queue *q, struct ksync_limit *limit,
		      u64 *result)
{
	struct ksync_waiter w = { .want = KSYNC_WANT_EXCLUSIVE };
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_hold *hold;
	bool waited = false;
	u64 word;
	int ret;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (once_word_id(ksync_cell_read(q->cell)) == thread->id)
		return ksync_deadlock_self(q, KSYNC_WANT_EXCLUSIVE,
					   KSYNC_HOLD_EXCLUSIVE);
	hold = ksync_hold_spare(thread);
	if (!hold)
		return -ENOMEM;
	ret = ksync_update(q->cell, word, once_word_begin(&word, thread->id));
	if (ret == -EALREADY) {
		once_read_result(q, result);
	} else if (ret == -EBUSY) {
		w.id = thread->id;
		ret = ksync_wait_limit(q, &w, limit);
		*result = w.value;
		waited = true;
	}
	if (!ksync_changed(ret)) {
		ksync_hold_unuse(thread, hold);
		return ret;
	}
	ksync_hold_insert(&thread->holds, hold, q->obj->id, q->index,
			  KSYNC_HOLD_EXCLUSIVE);
	once_taken(q, waited);
	return ret;
}

int ksync_once_begin(struct ksync_object *obj, void *args)
{
	struct ksync_once_begin_args *a = args;
	struct ksync_limit limit;
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_init(&q, obj, a->index);
	if (!ret)
		ret = ksync_limit_get(&limit, a->flags, a->deadline, a->cancel,
				      a->cancel_index);
	if (ret)
		return ret;
	a->result = 0;
	if (likely(ksync_cell_read(q.cell) & KSYNC_ONCE_DONE)) {
		once_read_result(&q, &a->result);
		ret = -EALREADY;
	} else {
		ret = once_begin(&q, &limit, &a->result);
	}
	ksync_limit_put(&limit);
	return ret;
}

/* The calling thread's run is at its end; @result is NULL if it gave up. */
static int once_end(struct ksync_queue *q, const u64 *result)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_once_cell *cell = &q->cell->once;
	struct ksync_hold *hold;
	struct ksync_wake wake;
	u64 word;
	int ret;

	hold = ksync_thread_hold(thread, q->obj->id, q->index);
	if (!hold)
		return -EPERM;
	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	/* Before the word, which tells others to look at it. */
	if (result)
		WRITE_ONCE(cell->result, *result);
	ret = ksync_update(q->cell, word,
			   once_word_end(&word, thread->id, result));
	if (!ret && result)
		WRITE_ONCE(cell->completed, cell->completed + 1);
	else if (!ret)
		WRITE_ONCE(cell->abandoned, cell->abandoned + 1);
	once_advance(q, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);

	rb_erase(&hold->node, &thread->holds);
	ksync_hold_unuse(thread, hold);
	return ret;
}

int ksync_once_complete(struct ksync_object *obj, void *args)
{
	struct ksync_once_complete_args *a = args;
	struct ksync_queue q;
	int ret;

	ret = a->flags ? -EINVAL : ksync_queue_init(&q, obj, a->index);
	return ret ?: once_end(&q, &a->result);
}

int ksync_once_abandon(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	return ret ?: once_end(&q, NULL);
}

int ksync_once_reset(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	/* Nobody waits for what is done, so there is nobody to let in. */
	return ret ?: ksync_update(q.cell, word, once_word_reset(&word));
}

/* The runner died. */
static void once_drop(struct ksync_queue *q, u32 id,
		      const struct ksync_hold *hold)
{
	struct ksync_once_cell *cell = &q->cell->once;
	struct ksync_wake wake;
	u64 word;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	if (!ksync_update(q->cell, word, once_word_die(&word, id))) {
		WRITE_ONCE(cell->deaths, cell->deaths + 1);
		once_advance(q, &wake);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static void once_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	struct ksync_once_cell *cell = &q->cell->once;
	u64 since = READ_ONCE(cell->since), now = ktime_get_coarse_ns();
	u64 word = ksync_cell_read(q->cell);

	st->holder_id = once_word_id(word);
	st->value = !!st->holder_id;
	if (st->holder_id) {
		ksync_thread_pids(st->holder_id, &st->holder_pid,
				  &st->holder_tid);
		st->held_ns = now > since ? now - since : 0;
	}
	if (word & KSYNC_ONCE_DONE)
		st->flags |= KSYNC_STATUS_DONE;
	if (word & KSYNC_ONCE_DEAD)
		st->flags |= KSYNC_STATUS_DEAD;
	st->token = once_word_runs(word);
	st->deaths = READ_ONCE(cell->deaths);
	st->lost = READ_ONCE(cell->abandoned);
	st->acquisitions = READ_ONCE(cell->completed);
	st->contended = READ_ONCE(cell->contended);
}

const struct ksync_ops ksync_once_ops = {
	.name = "once",
	.id = KSYNC_TYPE_ONCE,
	.flags = KSYNC_F_GUARDED,
	.advance = once_advance,
	.drop = once_drop,
	.status = once_status,
};
