// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader-writer lock.
 *
 * A writer that waits keeps new readers out, so it waits only for those that
 * read already. A writer that finishes lets in all readers that wait, and they
 * the next writer. So neither side starves. Who comes while others wait queues,
 * but for readers while only readers do.
 *
 *	               last reader out: first writer
 *	   [readers] --------------------------------> [writer]
 *	       ^                                        |   |
 *	       +----------------------------------------+   +--> (another)
 *	         writer out: all readers that wait               no reader waits
 *
 * models/rwlock.pml checks this, models/asymmetric.pml the readers in user space.
 *
 * The word counts read holds; how many of them a thread has is in its own
 * record. Who reads already may read again whoever waits, so it never waits.
 *
 * Readers of a mapped lock may stand in slots instead (slot.h), of which the word
 * knows nothing. A writer first sets FENCED in the word, and makes sure that each
 * reader has seen that or is seen in its slot; from then on readers use full
 * barriers, and no more is needed than to look at the slots with the word taken.
 * All that is done with the bucket locked, so FENCED stays for that long. It goes
 * when nobody has written for a while.
 */
#include <linux/err.h>

#include "lock_word.h"
#include "commands.h"
#include "deadlock.h"
#include "owner.h"
#include "rwlock.h"
#include "slot.h"
#include "word.h"

/* For so long after a write, readers in slots go on using barriers. */
#define RWLOCK_FENCED_NS	(1 * NSEC_PER_MSEC)

/*
 * Does anybody read by a slot? Whoever comes to do so later, until the bucket is
 * unlocked, looks at the word after a barrier of its own. Bucket locked.
 */
bool ksync_rwlock_slots_read(struct ksync_queue *q)
{
	u64 word;

	if (!READ_ONCE(q->obj->slots))
		return false;
	if (!(ksync_cell_read(q->cell) & KSYNC_LOCK_FENCED)) {
		ksync_update(q->cell, word, lock_word_fence(&word));
		ksync_slots_fence(q->obj);
	}
	return ksync_slots_readers(q);
}

/*
 * Write access for the thread @id. Who comes to read by a slot after the first
 * look sees the id in the word, or its entry is seen at the second one. Then it
 * was here first, and what nobody knows of yet is undone. Bucket locked, unless
 * guarded.
 */
static int rwlock_take(struct ksync_queue *q, u32 id, bool queued)
{
	u64 word;
	int ret;

	if (ksync_rwlock_slots_read(q))
		return -EBUSY;
	/* Fully ordered: pairs with the fence of who reads with FENCED. */
	ret = ksync_update(q->cell, word,
			   lock_word_acquire(&word, id, queued, true));
	if (!ksync_changed(ret) || !ksync_rwlock_slots_read(q))
		return ret;
	ksync_update(q->cell, word, lock_word_unacquire(&word, id));
	return -EBUSY;
}

/* Without slots there is nothing to be kept from changing. */
static int rwlock_take_now(struct ksync_queue *q, u32 id)
{
	int ret;

	if (q->obj->flags & KSYNC_F_GUARDED)
		return rwlock_take(q, id, false);
	ksync_queue_lock(q);
	ret = rwlock_take(q, id, false);
	ksync_queue_unlock(q);
	return ret;
}

/* Readers come here, and no writer has for a while. */
static void rwlock_unfence(struct ksync_queue *q)
{
	u64 word = ksync_cell_read(q->cell);

	if (!(word & KSYNC_LOCK_FENCED) ||
	    ktime_get_coarse_ns() - READ_ONCE(q->cell->lock.since) <
	    RWLOCK_FENCED_NS)
		return;
	ksync_queue_lock(q);
	ksync_update(q->cell, word, lock_word_unfence(&word));
	ksync_queue_unlock(q);
}

/* Flags that say who waits. Bucket locked. */
static void rwlock_sync(struct ksync_queue *q)
{
	bool writers = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	bool any = writers || ksync_first(q, KSYNC_WANT_SHARED);
	u64 word;

	ksync_update(q->cell, word, lock_word_waiters(&word, writers, any));
}

static int rwlock_take_for(struct ksync_queue *q, struct ksync_waiter *w,
			   bool queued)
{
	u64 word;

	if (w->want == KSYNC_WANT_SHARED)
		return ksync_update(q->cell, word,
				    lock_word_read(&word, queued || w->again));
	return queued ? rwlock_take(q, w->id, true) :
			rwlock_take_now(q, w->id);
}

/*
 * Admits who can go: readers if they have their turn or no writer waits,
 * otherwise the first writer.
 */
static void rwlock_admit_all(struct ksync_queue *q, bool readers_turn,
			     struct ksync_wake *wake)
{
	struct ksync_waiter *writer, *reader;

	rwlock_sync(q);
	for (;;) {
		writer = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
		reader = ksync_first(q, KSYNC_WANT_SHARED);
		if (reader && (readers_turn || !writer)) {
			if (!ksync_admit(q, reader, wake))
				break;
		} else if (!writer || !ksync_admit(q, writer, wake)) {
			break;
		}
	}
	rwlock_sync(q);
}

static void rwlock_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	rwlock_admit_all(q, false, wake);
}

void ksync_rwlock_let_in(struct ksync_queue *q, bool readers_turn)
{
	struct ksync_wake wake;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	rwlock_admit_all(q, readers_turn, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

/*
 * The writer lets go, or has died, while others wait: the readers among them
 * have their turn. Both with the queue locked: in between, a writer that comes,
 * or leaves it, would have taken that turn.
 */
static int rwlock_pass_on(struct ksync_queue *q, u32 id, bool died)
{
	struct ksync_wake wake;
	u64 word;
	int ret;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	ret = ksync_update(q->cell, word,
			   died ? lock_word_die(&word, id, 0) :
				  lock_word_release(&word, id, 0));
	if (!ret && (word & KSYNC_LOCK_WAITERS))
		rwlock_admit_all(q, true, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	return ret;
}

/* The writer died. */
static int rwlock_unwrite_dead(struct ksync_queue *q, u32 id)
{
	/* Who learns of a death from the word finds it counted. */
	if (lock_word_id(ksync_cell_read(q->cell)) == id)
		atomic_inc((atomic_t *)&q->cell->lock.deaths);
	return rwlock_pass_on(q, id, true);
}

/* Before a wait: nobody waits for an owner that does not exist. */
void ksync_rwlock_expect(struct ksync_queue *q)
{
	u32 owner;

	if (ksync_lock_orphaned(q, &owner))
		rwlock_unwrite_dead(q, owner);
}

static int rwlock_wait(struct ksync_queue *q, enum ksync_want want, u32 id,
		       struct ksync_limit *limit)
{
	struct ksync_waiter w = { .want = want, .id = id };

	ksync_rwlock_expect(q);
	return ksync_wait_limit(q, &w, limit);
}

static int rwlock_reread(struct ksync_queue *q, struct ksync_hold *hold,
			 bool try)
{
	u64 word;
	int ret;

	if (hold->kind == KSYNC_HOLD_EXCLUSIVE)
		return try ? -EBUSY :
			     ksync_deadlock_self(q, KSYNC_WANT_SHARED,
						 hold->kind);
	ret = ksync_update(q->cell, word, lock_word_read(&word, true));
	if (ksync_changed(ret)) {
		hold->count++;
		atomic64_inc((atomic64_t *)&q->cell->lock.shared);
	}
	return ret;
}

static int rwlock_read(struct ksync_queue *q, struct ksync_limit *limit,
		       bool try)
{
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_hold *hold;
	u64 word;
	int ret;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	hold = ksync_thread_hold(thread, q->obj->id, q->index);
	if (hold)
		return rwlock_reread(q, hold, try);
	hold = ksync_hold_spare(thread);
	if (!hold)
		return -ENOMEM;

	rwlock_unfence(q);
	ret = ksync_update(q->cell, word, lock_word_read(&word, false));
	if (ret == -EBUSY && !try) {
		ret = rwlock_wait(q, KSYNC_WANT_SHARED, thread->id, limit);
		if (ksync_changed(ret))
			atomic_inc((atomic_t *)&q->cell->lock.contended);
	}
	if (!ksync_changed(ret)) {
		ksync_hold_unuse(thread, hold);
		return ret;
	}
	atomic64_inc((atomic64_t *)&q->cell->lock.shared);
	ksync_hold_insert(&thread->holds, hold, q->obj->id, q->index,
			  KSYNC_HOLD_SHARED);
	return ret;
}

static int rwlock_write(struct ksync_queue *q, struct ksync_limit *limit,
			bool try)
{
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_hold *hold;
	bool waited = false;
	int ret;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	hold = ksync_thread_hold(thread, q->obj->id, q->index);
	if (hold || ksync_slot_hold(q, thread))
		return try ? -EBUSY :
			     ksync_deadlock_self(q, KSYNC_WANT_EXCLUSIVE,
						 hold ? hold->kind :
							KSYNC_HOLD_SHARED);
	hold = ksync_hold_spare(thread);
	if (!hold)
		return -ENOMEM;

	ret = rwlock_take_now(q, thread->id);
	if (ret == -EBUSY && !try) {
		ret = rwlock_wait(q, KSYNC_WANT_EXCLUSIVE, thread->id, limit);
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

static int rwlock_unread(struct ksync_queue *q)
{
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word, lock_word_unread(&word, 1));
	if (!ret && (word & KSYNC_LOCK_WAITERS) && !lock_word_readers(word))
		ksync_rwlock_let_in(q, false);
	return ret;
}

/* Without waiters one step is enough. */
static int rwlock_unwrite(struct ksync_queue *q, u32 id)
{
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word,
			   word & KSYNC_LOCK_WAITERS ? -EBUSY :
			   lock_word_release(&word, id, 0));
	return ret == -EBUSY ? rwlock_pass_on(q, id, false) : ret;
}

/*
 * The short road of an unlock: nobody waits. False if it is not like that.
 */
static bool rwlock_unlock_short(struct ksync_object *obj, u32 index)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_hold *hold;
	struct ksync_queue q;
	u64 word;

	if (!thread || ksync_queue_init(&q, obj, index))
		return false;
	hold = ksync_thread_hold(thread, obj->id, index);
	if (!hold ||
	    ksync_update(q.cell, word,
			 word & KSYNC_LOCK_WAITERS ? -EBUSY :
			 hold->kind == KSYNC_HOLD_SHARED ?
			 lock_word_unread(&word, 1) :
			 lock_word_release(&word, thread->id, 0)))
		return false;
	if (!--hold->count)
		ksync_thread_drop_hold(thread, hold);
	return true;
}

static noinline int rwlock_unlock_long(struct ksync_object *obj,
				       const struct ksync_index_args *args)
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
	if (hold->kind == KSYNC_HOLD_SHARED)
		ret = rwlock_unread(&q);
	else
		ret = rwlock_unwrite(&q, thread->id);
	if (!--hold->count)
		ksync_thread_drop_hold(thread, hold);
	return ret;
}

int ksync_rwlock_unlock(struct ksync_object *obj, void *args)
{
	struct ksync_index_args *a = args;

	if (likely(!a->flags && rwlock_unlock_short(obj, a->index)))
		return 0;
	return rwlock_unlock_long(obj, a);
}

/* A slot for the caller to read by. */
int ksync_rwlock_slot(struct ksync_object *obj, void *args)
{
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_slot_args *a = args;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (obj->flags & KSYNC_F_GUARDED)
		return -EINVAL;
	return ksync_slot_get(obj, thread, &a->nr);
}

/* What is asked for is the lock, and nothing else. */
static bool rwlock_plain(const struct ksync_lock_args *a)
{
	return !a->flags && !a->cancel && !a->cancel_index;
}

/*
 * The short road of a read lock: others read at most, none of them the caller,
 * and it is known. False if it is not like that.
 */
static bool rwlock_read_short(struct ksync_object *obj, u32 index)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_queue q;
	u64 word;

	if (!thread || !thread->spare || ksync_queue_init(&q, obj, index) ||
	    ksync_thread_hold(thread, obj->id, index) ||
	    ksync_update(q.cell, word,
			 word & ~KSYNC_LOCK_READERS ? -EBUSY :
			 lock_word_read(&word, false)))
		return false;
	atomic64_inc((atomic64_t *)&q.cell->lock.shared);
	ksync_hold_insert(&thread->holds, ksync_hold_spare(thread), obj->id,
			  index, KSYNC_HOLD_SHARED);
	return true;
}

static noinline int rwlock_read_long(struct ksync_object *obj,
				     const struct ksync_lock_args *a)
{
	struct ksync_limit limit;
	struct ksync_queue q;
	int ret;

	ret = ksync_lock_limit(&q, obj, &limit, a);
	if (ret)
		return ret;
	ret = rwlock_read(&q, &limit, false);
	ksync_limit_put(&limit);
	return ret;
}

int ksync_rwlock_rdlock(struct ksync_object *obj, void *args)
{
	struct ksync_lock_args *a = args;

	if (likely(rwlock_plain(a) && rwlock_read_short(obj, a->index)))
		return 0;
	return rwlock_read_long(obj, a);
}

int ksync_rwlock_tryrdlock(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	return ret ?: rwlock_read(&q, NULL, true);
}

/*
 * The short road of a write lock: it is free and in order, nobody waits, the
 * caller is known, and there are no slots. False if it is not like that.
 */
static bool rwlock_write_short(struct ksync_object *obj, u32 index)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_queue q;

	if (!thread || !thread->spare || !(obj->flags & KSYNC_F_GUARDED) ||
	    ksync_queue_init(&q, obj, index) ||
	    atomic64_cmpxchg(ksync_cell_word(q.cell), 0, thread->id))
		return false;
	ksync_hold_insert(&thread->holds, ksync_hold_spare(thread), obj->id,
			  index, KSYNC_HOLD_EXCLUSIVE);
	ksync_lock_taken(&q, false);
	return true;
}

static noinline int rwlock_write_long(struct ksync_object *obj,
				      const struct ksync_lock_args *a)
{
	struct ksync_limit limit;
	struct ksync_queue q;
	int ret;

	ret = ksync_lock_limit(&q, obj, &limit, a);
	if (ret)
		return ret;
	ret = rwlock_write(&q, &limit, false);
	ksync_limit_put(&limit);
	return ret;
}

int ksync_rwlock_wrlock(struct ksync_object *obj, void *args)
{
	struct ksync_lock_args *a = args;

	if (likely(rwlock_plain(a) && rwlock_write_short(obj, a->index)))
		return 0;
	return rwlock_write_long(obj, a);
}

int ksync_rwlock_trywrlock(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	return ret ?: rwlock_write(&q, NULL, true);
}

/* A thread died that had @n read holds in its slot, or owed a wake-up. */
void ksync_rwlock_unread_dead(struct ksync_queue *q, u32 n)
{
	if (n)
		atomic_inc((atomic_t *)&q->cell->lock.deaths);
	ksync_rwlock_let_in(q, false);
}

static void rwlock_drop(struct ksync_queue *q, u32 id,
			const struct ksync_hold *hold)
{
	u64 word;

	if (hold->kind == KSYNC_HOLD_EXCLUSIVE) {
		rwlock_unwrite_dead(q, id);
		return;
	}
	atomic_inc((atomic_t *)&q->cell->lock.deaths);
	if (ksync_update(q->cell, word, lock_word_unread(&word, hold->count)))
		return;
	if (word & KSYNC_LOCK_WAITERS)
		ksync_rwlock_let_in(q, false);
}

static void rwlock_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	struct ksync_lock_cell *cell = &q->cell->lock;

	ksync_lock_status(q, st);
	st->readers = lock_word_readers(ksync_cell_read(q->cell)) +
		      ksync_slots_readers(q);
	st->acquisitions = st->token + READ_ONCE(cell->shared);
}

const struct ksync_ops ksync_rwlock_ops = {
	.name = "rwlock",
	.id = KSYNC_TYPE_RWLOCK,
	.flags = KSYNC_F_GUARDED,
	.mappable = true,
	.advance = rwlock_advance,
	.take = rwlock_take_for,
	.untake = ksync_rwlock_untake,
	.prepare = ksync_rwlock_prepare,
	.settle = ksync_rwlock_settle,
	.drop = rwlock_drop,
	.status = rwlock_status,
};
