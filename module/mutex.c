// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutex.
 *
 * A free mutex is for whoever comes first, asleep or running (barging). Its
 * release wakes the oldest waiter to try. Once that one has waited 1 ms, the
 * mutex is starving: the release gives it to that waiter, so that it is never
 * seen free, and newcomers queue. This goes on until the oldest waiter is a
 * recent one, or there is none.
 *
 * models/mutex.pml checks what the kernel does, models/asymmetric.pml what user
 * space does and what the kernel does about that.
 *
 * WAITERS tells whoever unlocks to come here. It is clear while the first
 * waiter has been woken to try and has not yet looked: unlocks need not wake it
 * again, so those who run pass the mutex among themselves in the meantime.
 *
 * User space may lock and unlock a mapped mutex by itself (<linux/ksync.h>). Its
 * unlock stores and then loads WAITERS, with nothing to order the two. So when
 * WAITERS becomes set, ksync_map_fence() orders them for the holder of that
 * moment, and the word is looked at again before anybody sleeps:
 *
 *	holder				waiter, bucket locked
 *	owner := 0			WAITERS := 1	(full barrier)
 *	barrier()			ksync_map_fence()
 *	load WAITERS			load the word
 *
 * If the holder's load came before the fence it may have missed WAITERS, but
 * then its store came before the fence as well, and the waiter sees it. Who
 * becomes holder later does so by an atomic operation on a word that has WAITERS.
 */
#include <linux/err.h>
#include <linux/sched/signal.h>

#include "lock_word.h"
#include "commands.h"
#include "deadlock.h"
#include "line.h"
#include "many.h"
#include "map.h"
#include "owner.h"
#include "ticket.h"
#include "word.h"

/* A waiter spins for so long at most; then sleeping is the lesser cost. */
#define KSYNC_SPIN_NS	(20 * NSEC_PER_USEC)

static bool mutex_in_order(const struct ksync_object *obj)
{
	return obj->flags & KSYNC_F_FIFO;
}

/* Sets WAITERS as it has to be. Bucket locked. */
static void mutex_sync(struct ksync_queue *q)
{
	struct ksync_waiter *w = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	u64 word, before = ksync_cell_read(q->cell);
	bool tell = w && !w->nudged;

	ksync_update(q->cell, word, lock_word_waiters(&word, false, tell));
	if (tell && !(before & KSYNC_LOCK_WAITERS))
		ksync_map_fence(q->obj, lock_word_id(word));
}

static bool mutex_hands_over(struct ksync_queue *q, struct ksync_waiter *w)
{
	return mutex_in_order(q->obj) ||
	       ktime_get_ns() - w->since >= KSYNC_STARVING;
}

/*
 * Waits that end with an error end for all, hence the loop. After it somebody
 * else may be the first, hence the second look at WAITERS.
 */
static void mutex_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_waiter *w;

	mutex_sync(q);
	while ((w = ksync_first(q, KSYNC_WANT_EXCLUSIVE)))
		if (!ksync_admit(q, w, wake))
			break;
	mutex_sync(q);
}

/*
 * The mutex is free: for the first waiter if it starves or all goes in order,
 * otherwise for whoever comes first. Bucket locked.
 */
static void mutex_wake(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_waiter *w = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	u64 word = ksync_cell_read(q->cell);

	if (!w || lock_word_id(word))
		return;
	if ((word & KSYNC_LOCK_LOST) || ksync_passive(w) ||
	    mutex_hands_over(q, w)) {
		mutex_advance(q, wake);
	} else {
		ksync_nudge(q, w, wake);
		mutex_sync(q);
	}
}

/*
 * The thread is dead. If it held the mutex, the oldest waiter has it now, and is
 * told. If not, it may have freed it and owe somebody a wake-up.
 */
static void mutex_die(struct ksync_queue *q, u32 id)
{
	struct ksync_waiter *w;
	struct ksync_wake wake;
	u64 word;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	w = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	if (w && ksync_passive(w))
		w = NULL;
	/* Who learns of a death from the word finds it counted. */
	if (lock_word_id(ksync_cell_read(q->cell)) == id) {
		WRITE_ONCE(q->cell->lock.depth, 0);
		WRITE_ONCE(q->cell->lock.deaths, q->cell->lock.deaths + 1);
	}
	if (!ksync_update(q->cell, word,
			  lock_word_die(&word, id, w ? w->id : 0))) {
		if (w)
			ksync_grant(q, w, -EOWNERDEAD, &wake);
		mutex_advance(q, &wake);
	} else {
		mutex_wake(q, &wake);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
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

/*
 * Does the caller hold it, by its books or by its line? Not what is kept for it
 * and was not claimed yet: that may pass on at any time.
 */
bool ksync_mutex_mine(struct ksync_queue *q, struct ksync_thread *thread)
{
	if (lock_word_id(ksync_cell_read(q->cell)) != thread->id)
		return false;
	if (likely(list_empty_careful(&thread->tickets)))
		return true;
	return !ksync_tickets_keep(thread, q) &&
	       lock_word_id(ksync_cell_read(q->cell)) == thread->id;
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

/* Before a wait: nobody waits for an owner that does not exist. */
static void mutex_expect(struct ksync_queue *q)
{
	u32 owner;

	ksync_lock_noticed(q);
	if (ksync_lock_orphaned(q, &owner))
		mutex_die(q, owner);
}

/* Somebody else has it: the road on which time does not matter. */
static noinline int mutex_wait(struct ksync_queue *q, u32 id,
			       struct ksync_limit *limit, bool must)
{
	struct ksync_waiter w = {
		.want = KSYNC_WANT_EXCLUSIVE, .id = id, .must = must,
	};
	int ret;

	mutex_expect(q);
	ret = mutex_spin(q, id);
	return ret == -EBUSY ? ksync_wait_limit(q, &w, limit) : ret;
}

/*
 * The outcome of an acquisition: its hold is used, or given back. There is none
 * if it stands in the caller's line.
 */
int ksync_mutex_settle(struct ksync_queue *q, struct ksync_thread *thread,
		       struct ksync_hold *hold, int ret, bool waited)
{
	if (!ksync_changed(ret)) {
		if (hold)
			ksync_hold_unuse(thread, hold);
		return ret;
	}
	if (hold)
		ksync_hold_insert(&thread->holds, hold, q->obj->id, q->index,
				  KSYNC_HOLD_EXCLUSIVE);
	ksync_lock_taken(q, waited);
	return ret;
}

/* Somebody else's, or nobody's. @hold as above. */
int ksync_mutex_take(struct ksync_queue *q, struct ksync_thread *thread,
		     struct ksync_hold *hold, struct ksync_limit *limit,
		     enum ksync_mutex_how how)
{
	bool waited = false;
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word,
			   lock_word_acquire(&word, thread->id, false,
					     mutex_in_order(q->obj)));
	if (ret == -EBUSY && how != KSYNC_MUTEX_TRY) {
		ret = mutex_wait(q, thread->id, limit, how == KSYNC_MUTEX_MUST);
		waited = true;
	}
	return ksync_mutex_settle(q, thread, hold, ret, waited);
}

static int mutex_take(struct ksync_queue *q, struct ksync_limit *limit,
		      bool try, bool in_line)
{
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_hold *hold = NULL;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (ksync_mutex_mine(q, thread))
		return mutex_relock(q, try);
	/* Kept for the caller, which cannot wait for itself. */
	if (lock_word_id(ksync_cell_read(q->cell)) == thread->id)
		return try ? -EBUSY : -EDEADLK;
	if (!in_line) {
		hold = ksync_hold_spare(thread);
		if (!hold)
			return -ENOMEM;
	} else if (!ksync_line_names(thread, q->obj->id, q->index)) {
		return -EINVAL;
	}
	return ksync_mutex_take(q, thread, hold, limit,
				try ? KSYNC_MUTEX_TRY : KSYNC_MUTEX_WAIT);
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
	hand_over = w && !ksync_passive(w) && mutex_hands_over(q, w);
	ret = ksync_update(q->cell, word,
			   lock_word_release(&word, id, hand_over ? w->id : 0));
	if (!ret && ((word & KSYNC_LOCK_LOST) || (w && ksync_passive(w)))) {
		mutex_advance(q, &wake);
	} else if (!ret && hand_over) {
		ksync_grant(q, w, 0, &wake);
		mutex_sync(q);
	} else if (!ret && w) {
		ksync_nudge(q, w, &wake);
		mutex_sync(q);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	return ret;
}

/* Without waiters and trouble one step is enough. */
static bool mutex_give_short(struct ksync_queue *q, u32 id)
{
	return atomic64_cmpxchg(ksync_cell_word(q->cell), id, 0) == id;
}

static int mutex_give(struct ksync_queue *q, u32 id)
{
	return mutex_give_short(q, id) ? 0 : mutex_give_queue(q, id);
}

static bool mutex_unnest(struct ksync_queue *q)
{
	u32 depth = READ_ONCE(q->cell->lock.depth);

	if (!depth)
		return false;
	WRITE_ONCE(q->cell->lock.depth, depth - 1);
	return true;
}

/*
 * The short road of an unlock: the caller has it once, and nobody waits. False
 * if it is not like that.
 */
static bool mutex_unlock_short(struct ksync_object *obj, u32 index)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_hold *hold;
	struct ksync_queue q;

	if (!thread || ksync_queue_init(&q, obj, index))
		return false;
	hold = ksync_thread_hold(thread, obj->id, index);
	if (!hold || READ_ONCE(q.cell->lock.depth) ||
	    !mutex_give_short(&q, thread->id))
		return false;
	ksync_thread_drop_hold(thread, hold);
	return true;
}

static noinline int mutex_unlock_long(struct ksync_object *obj,
				      const struct ksync_index_args *a)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_hold *hold;
	struct ksync_queue q;
	int ret;

	ret = ksync_lock_args_init(&q, obj, a->index, a->flags);
	if (ret)
		return ret;
	if (!thread)
		return -EPERM;
	if (a->flags && !ksync_line_names(thread, obj->id, q.index))
		return -EINVAL;
	hold = ksync_thread_hold(thread, obj->id, q.index);
	if (!hold && (!a->flags || !ksync_mutex_mine(&q, thread)))
		return -EPERM;
	if (mutex_unnest(&q))
		return 0;
	ret = mutex_give(&q, thread->id);
	if (hold)
		ksync_thread_drop_hold(thread, hold);
	return ret;
}

int ksync_mutex_unlock(struct ksync_object *obj, void *args)
{
	struct ksync_index_args *a = args;

	if (likely(!a->flags && mutex_unlock_short(obj, a->index)))
		return 0;
	return mutex_unlock_long(obj, a);
}

/*
 * The short road of a lock: it is free and in order, nobody waits, and the
 * caller is known. False if it is not like that.
 */
static bool mutex_lock_short(struct ksync_object *obj, u32 index)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_queue q;

	if (!thread || !thread->spare || ksync_queue_init(&q, obj, index) ||
	    atomic64_cmpxchg(ksync_cell_word(q.cell), 0, thread->id))
		return false;
	ksync_hold_insert(&thread->holds, ksync_hold_spare(thread), obj->id,
			  index, KSYNC_HOLD_EXCLUSIVE);
	ksync_lock_taken(&q, false);
	return true;
}

static noinline int mutex_lock_long(struct ksync_object *obj,
				    const struct ksync_lock_args *a)
{
	u32 in_line = a->flags & KSYNC_LOCK_IN_LINE;
	struct ksync_limit limit;
	struct ksync_queue q;
	int ret;

	ret = ksync_lock_args_init(&q, obj, a->index, in_line);
	if (!ret)
		ret = ksync_limit_get(&limit, a->flags & ~in_line, a->deadline,
				      a->cancel, a->cancel_index);
	if (ret)
		return ret;
	ret = mutex_take(&q, &limit, false, in_line);
	ksync_limit_put(&limit);
	return ret;
}

int ksync_mutex_lock(struct ksync_object *obj, void *args)
{
	struct ksync_lock_args *a = args;

	if (likely(!a->flags && !a->cancel && !a->cancel_index &&
		   mutex_lock_short(obj, a->index)))
		return 0;
	return mutex_lock_long(obj, a);
}

int ksync_mutex_trylock(struct ksync_object *obj, void *args)
{
	struct ksync_index_args *a = args;
	struct ksync_queue q;
	int ret;

	ret = ksync_lock_args_init(&q, obj, a->index, a->flags);
	return ret ?: mutex_take(&q, NULL, true, a->flags & KSYNC_LOCK_IN_LINE);
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
	if (!thread || !ksync_mutex_mine(&q, thread))
		return -EPERM;
	return ksync_update(q.cell, word,
			    lock_word_consistent(&word, thread->id));
}

static int mutex_take_for(struct ksync_queue *q, struct ksync_waiter *w,
			  bool queued)
{
	u64 word;

	if (w->again)
		return READ_ONCE(q->cell->lock.depth) == U32_MAX ?
		       -EOVERFLOW : 0;
	return ksync_update(q->cell, word,
			    lock_word_acquire(&word, w->id, queued,
					      mutex_in_order(q->obj)));
}

/* What it owes to a waiter that was woken to try, that one sees by itself. */
static void mutex_untake(struct ksync_queue *q, struct ksync_waiter *w)
{
	struct ksync_wake wake;
	u64 word;

	if (w->again ||
	    ksync_update(q->cell, word, lock_word_unacquire(&word, w->id)) ||
	    !(word & KSYNC_LOCK_WAITERS))
		return;
	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	mutex_advance(q, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static int mutex_prepare(struct ksync_request *r)
{
	struct ksync_queue *q = &r->q;

	if (r->shared || r->w.count)
		return -EINVAL;
	r->w.want = KSYNC_WANT_EXCLUSIVE;
	r->w.id = r->thread->id;
	r->held = ksync_mutex_mine(q, r->thread);
	r->w.again = r->held;
	if (r->held)
		return q->obj->flags & KSYNC_F_RECURSIVE ? 0 : -EDEADLK;
	if (lock_word_id(ksync_cell_read(q->cell)) == r->thread->id)
		return -EDEADLK;
	mutex_expect(q);
	r->hold = ksync_hold_alloc();
	return r->hold ? 0 : -ENOMEM;
}

static void mutex_settle(struct ksync_request *r, int ret)
{
	struct ksync_lock_cell *cell = &r->q.cell->lock;

	if (!r->held)
		ksync_mutex_settle(&r->q, r->thread, r->hold, ret, r->waited);
	else if (ksync_changed(ret))
		WRITE_ONCE(cell->depth, READ_ONCE(cell->depth) + 1);
}

static void mutex_drop(struct ksync_queue *q, u32 id,
		       const struct ksync_hold *hold)
{
	mutex_die(q, id);
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
	.mappable = true,
	.advance = mutex_advance,
	.wake = mutex_wake,
	.take = mutex_take_for,
	.untake = mutex_untake,
	.prepare = mutex_prepare,
	.settle = mutex_settle,
	.drop = mutex_drop,
	.die = mutex_die,
	.status = mutex_status,
};
