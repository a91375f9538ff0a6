// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutex.
 *
 * A free mutex is for whoever comes first, asleep or running (barging). Its
 * release wakes the oldest waiter to try. Once that one has waited 1 ms, the
 * mutex is starving: the release gives it to that waiter, so that it is never
 * seen free, and newcomers queue. This goes on until the oldest waiter is a
 * recent one, or there is none.
 */
#include <linux/err.h>
#include <linux/sched/signal.h>

#include "lock_word.h"
#include "commands.h"
#include "deadlock.h"
#include "owner.h"
#include "word.h"

/* A waiter spins for so long at most; then sleeping is the lesser cost. */
#define KSYNC_SPIN_NS	(20 * NSEC_PER_USEC)

static bool mutex_in_order(const struct ksync_object *obj)
{
	return obj->flags & KSYNC_F_FIFO;
}

/* Flags that say who waits. Bucket locked. */
static void mutex_sync(struct ksync_queue *q)
{
	bool any = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	u64 word;

	ksync_update(q->cell, word, lock_word_waiters(&word, false, any));
}

/* Waits that end with an error end for all, hence the loop. */
static void mutex_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_waiter *w;
	u64 word;
	int ret;

	mutex_sync(q);
	while ((w = ksync_first(q, KSYNC_WANT_EXCLUSIVE))) {
		ret = ksync_update(q->cell, word,
				   lock_word_acquire(&word, w->id, true, true));
		if (ret == -EBUSY)
			return;
		ksync_grant(q, w, ret, wake);
	}
	mutex_sync(q);
}

/*
 * Spins while the holder runs on another CPU and nobody waits. The holder is
 * about to let go, or it will soon be seen not to run.
 */
static int mutex_spin(struct ksync_queue *q, u32 id)
{
	u64 word, until = ktime_get_mono_fast_ns() + KSYNC_SPIN_NS;
	int ret;

	for (;;) {
		ret = ksync_update(q->cell, word,
				   lock_word_acquire(&word, id, false, true));
		if (ret != -EBUSY || (word & KSYNC_LOCK_WAITERS) ||
		    !lock_word_id(word) ||
		    !ksync_thread_running(lock_word_id(word)) ||
		    need_resched() || signal_pending(current) ||
		    ktime_get_mono_fast_ns() > until)
			return ret;
		cpu_relax();
	}
}

/* The caller holds it already: the outcome. */
static int mutex_relock(struct ksync_queue *q, bool try)
{
	struct ksync_lock_cell *cell = &q->cell->lock;
	u32 depth = READ_ONCE(cell->depth);

	if (!(q->obj->flags & KSYNC_F_RECURSIVE))
		return try ? -EBUSY :
			     ksync_deadlock_self(q, KSYNC_WANT_EXCLUSIVE,
						 KSYNC_HOLD_EXCLUSIVE);
	if (depth == U32_MAX)
		return -EOVERFLOW;
	WRITE_ONCE(cell->depth, depth + 1);
	return 0;
}

/* Somebody else has it: the road on which time does not matter. */
static noinline int mutex_wait(struct ksync_queue *q, u32 id, u64 deadline)
{
	struct ksync_waiter w = { .want = KSYNC_WANT_EXCLUSIVE, .id = id };
	int ret = mutex_spin(q, id);

	return ret == -EBUSY ? ksync_wait(q, &w, deadline) : ret;
}

static int mutex_take(struct ksync_queue *q, u64 deadline, bool try)
{
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_hold *hold;
	bool waited = false;
	u64 word;
	int ret;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (lock_word_id(ksync_cell_read(q->cell)) == thread->id)
		return mutex_relock(q, try);
	hold = ksync_hold_spare(thread);
	if (!hold)
		return -ENOMEM;

	ret = ksync_update(q->cell, word,
			   lock_word_acquire(&word, thread->id, false,
					     mutex_in_order(q->obj)));
	if (ret == -EBUSY && !try) {
		ret = mutex_wait(q, thread->id, deadline);
		waited = true;
	}
	if (!ksync_changed(ret)) {
		ksync_hold_unuse(thread, hold);
		return ret;
	}
	ksync_hold_insert(&thread->holds, hold, q->obj->id, q->index,
			  KSYNC_HOLD_EXCLUSIVE);
	ksync_lock_taken(q, waited);
	return ret;
}

/*
 * Lets go with the queue locked: to the oldest waiter if it starves or all goes
 * in order, otherwise to whoever is first.
 */
static int mutex_give_queue(struct ksync_queue *q, u32 id)
{
	struct ksync_waiter *w;
	struct ksync_wake wake;
	bool hand_over;
	u64 word;
	int ret;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	w = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	hand_over = w && (mutex_in_order(q->obj) ||
			  ktime_get_ns() - w->since >= KSYNC_STARVING);
	ret = ksync_update(q->cell, word,
			   lock_word_release(&word, id, hand_over ? w->id : 0));
	if (!ret && (word & KSYNC_LOCK_LOST)) {
		mutex_advance(q, &wake);
	} else if (!ret && hand_over) {
		ksync_grant(q, w, 0, &wake);
		mutex_sync(q);
	} else if (!ret && w) {
		ksync_nudge(q, w, &wake);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	return ret;
}

/* Without waiters and trouble one step is enough. */
static int mutex_give(struct ksync_queue *q, u32 id)
{
	u64 word = id;

	if (atomic64_cmpxchg(ksync_cell_word(q->cell), word, 0) == word)
		return 0;
	return mutex_give_queue(q, id);
}

int ksync_mutex_unlock(struct ksync_object *obj, void *args)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_hold *hold;
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	hold = ksync_thread_hold(thread, obj->id, q.index);
	if (!hold)
		return -EPERM;
	if (READ_ONCE(q.cell->lock.depth)) {
		WRITE_ONCE(q.cell->lock.depth, q.cell->lock.depth - 1);
		return 0;
	}
	ret = mutex_give(&q, thread->id);
	rb_erase(&hold->node, &thread->holds);
	ksync_hold_unuse(thread, hold);
	return ret;
}

int ksync_mutex_lock(struct ksync_object *obj, void *args)
{
	struct ksync_lock_args *a = args;
	struct ksync_queue q;
	int ret;

	ret = a->flags ? -EINVAL : ksync_queue_init(&q, obj, a->index);
	return ret ?: mutex_take(&q, a->deadline, false);
}

int ksync_mutex_trylock(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	return ret ?: mutex_take(&q, 0, true);
}

int ksync_lock_consistent(struct ksync_object *obj, void *args)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	if (!ksync_thread_hold(thread, obj->id, q.index))
		return -EPERM;
	return ksync_update(q.cell, word,
			    lock_word_consistent(&word, thread->id));
}

/* The holder died: the oldest waiter has it now, and is told. */
static void mutex_drop(struct ksync_queue *q, u32 id,
		       const struct ksync_hold *hold)
{
	struct ksync_waiter *w;
	struct ksync_wake wake;
	u64 word;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	w = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	WRITE_ONCE(q->cell->lock.depth, 0);
	if (!ksync_update(q->cell, word,
			  lock_word_die(&word, id, w ? w->id : 0))) {
		WRITE_ONCE(q->cell->lock.deaths, q->cell->lock.deaths + 1);
		if (w)
			ksync_grant(q, w, -EOWNERDEAD, &wake);
		mutex_sync(q);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static void mutex_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	ksync_lock_status(q, st);
	st->acquisitions = st->token;
}

const struct ksync_ops ksync_mutex_ops = {
	.name = "mutex",
	.id = KSYNC_TYPE_MUTEX,
	.flags = KSYNC_F_GUARDED | KSYNC_F_RECURSIVE | KSYNC_F_FIFO,
	.advance = mutex_advance,
	.drop = mutex_drop,
	.status = mutex_status,
};
