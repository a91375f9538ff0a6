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
 * The word counts read holds; how many of them a thread has is in its own
 * record. Who reads already may read again whoever waits, so it never waits.
 */
#include <linux/err.h>

#include "lock_word.h"
#include "commands.h"
#include "deadlock.h"
#include "owner.h"
#include "word.h"

/* Flags that say who waits. Bucket locked. */
static void rwlock_sync(struct ksync_queue *q)
{
	bool writers = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	bool any = writers || ksync_first(q, KSYNC_WANT_SHARED);
	u64 word;

	ksync_update(q->cell, word, lock_word_waiters(&word, writers, any));
}

static bool rwlock_admit(struct ksync_queue *q, struct ksync_waiter *w,
			 struct ksync_wake *wake)
{
	u64 word;
	int ret;

	if (w->want == KSYNC_WANT_SHARED)
		ret = ksync_update(q->cell, word,
				   lock_word_read(&word, true));
	else
		ret = ksync_update(q->cell, word,
				   lock_word_acquire(&word, w->id, true, true));
	if (ret == -EBUSY)
		return false;
	ksync_grant(q, w, ret, wake);
	return true;
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
			if (!rwlock_admit(q, reader, wake))
				break;
		} else if (!writer || !rwlock_admit(q, writer, wake)) {
			break;
		}
	}
	rwlock_sync(q);
}

static void rwlock_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	rwlock_admit_all(q, false, wake);
}

static void rwlock_let_in(struct ksync_queue *q, bool readers_turn)
{
	struct ksync_wake wake;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	rwlock_admit_all(q, readers_turn, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static int rwlock_wait(struct ksync_queue *q, enum ksync_want want, u32 id,
		       u64 deadline)
{
	struct ksync_waiter w = { .want = want, .id = id };

	return ksync_wait(q, &w, deadline);
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

static int rwlock_read(struct ksync_queue *q, u64 deadline, bool try)
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

	ret = ksync_update(q->cell, word, lock_word_read(&word, false));
	if (ret == -EBUSY && !try) {
		ret = rwlock_wait(q, KSYNC_WANT_SHARED, thread->id, deadline);
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

static int rwlock_write(struct ksync_queue *q, u64 deadline, bool try)
{
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_hold *hold;
	bool waited = false;
	u64 word;
	int ret;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	hold = ksync_thread_hold(thread, q->obj->id, q->index);
	if (hold)
		return try ? -EBUSY :
			     ksync_deadlock_self(q, KSYNC_WANT_EXCLUSIVE,
						 hold->kind);
	hold = ksync_hold_spare(thread);
	if (!hold)
		return -ENOMEM;

	ret = ksync_update(q->cell, word,
			   lock_word_acquire(&word, thread->id, false, true));
	if (ret == -EBUSY && !try) {
		ret = rwlock_wait(q, KSYNC_WANT_EXCLUSIVE, thread->id,
				  deadline);
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
		rwlock_let_in(q, false);
	return ret;
}

static int rwlock_unwrite(struct ksync_queue *q, u32 id)
{
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word, lock_word_release(&word, id, 0));
	if (!ret && (word & KSYNC_LOCK_WAITERS))
		rwlock_let_in(q, true);
	return ret;
}

int ksync_rwlock_unlock(struct ksync_object *obj, void *args)
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
	if (!--hold->count) {
		rb_erase(&hold->node, &thread->holds);
		ksync_hold_unuse(thread, hold);
	}
	return ret;
}

int ksync_rwlock_downgrade(struct ksync_object *obj, void *args)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_hold *hold;
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	hold = ksync_thread_hold(thread, obj->id, q.index);
	if (!hold || hold->kind != KSYNC_HOLD_EXCLUSIVE)
		return -EPERM;
	ret = ksync_update(q.cell, word,
			   lock_word_downgrade(&word, thread->id));
	if (ret)
		return ret;
	hold->kind = KSYNC_HOLD_SHARED;
	hold->count = 1;
	atomic64_inc((atomic64_t *)&q.cell->lock.shared);
	if (word & KSYNC_LOCK_WAITERS)
		rwlock_let_in(&q, true);
	return 0;
}

int ksync_rwlock_upgrade(struct ksync_object *obj, void *args)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_hold *hold;
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	hold = ksync_thread_hold(thread, obj->id, q.index);
	if (!hold || hold->kind != KSYNC_HOLD_SHARED)
		return -EPERM;
	ret = ksync_update(q.cell, word, lock_word_upgrade(&word, thread->id));
	if (ksync_changed(ret)) {
		hold->kind = KSYNC_HOLD_EXCLUSIVE;
		ksync_lock_taken(&q, false);
	}
	return ret;
}

int ksync_rwlock_rdlock(struct ksync_object *obj, void *args)
{
	struct ksync_lock_args *a = args;
	struct ksync_queue q;
	int ret;

	ret = a->flags ? -EINVAL : ksync_queue_init(&q, obj, a->index);
	return ret ?: rwlock_read(&q, a->deadline, false);
}

int ksync_rwlock_tryrdlock(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	return ret ?: rwlock_read(&q, 0, true);
}

int ksync_rwlock_wrlock(struct ksync_object *obj, void *args)
{
	struct ksync_lock_args *a = args;
	struct ksync_queue q;
	int ret;

	ret = a->flags ? -EINVAL : ksync_queue_init(&q, obj, a->index);
	return ret ?: rwlock_write(&q, a->deadline, false);
}

int ksync_rwlock_trywrlock(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	return ret ?: rwlock_write(&q, 0, true);
}

static void rwlock_drop(struct ksync_queue *q, u32 id,
			const struct ksync_hold *hold)
{
	bool writer = hold->kind == KSYNC_HOLD_EXCLUSIVE;
	u64 word;
	int ret;

	if (writer)
		ret = ksync_update(q->cell, word, lock_word_die(&word, id, 0));
	else
		ret = ksync_update(q->cell, word,
				   lock_word_unread(&word, hold->count));
	if (ret)
		return;
	atomic_inc((atomic_t *)&q->cell->lock.deaths);
	if (word & KSYNC_LOCK_WAITERS)
		rwlock_let_in(q, writer);
}

static void rwlock_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	struct ksync_lock_cell *cell = &q->cell->lock;

	ksync_lock_status(q, st);
	st->readers = lock_word_readers(ksync_cell_read(q->cell));
	st->acquisitions = st->token + READ_ONCE(cell->shared);
}

const struct ksync_ops ksync_rwlock_ops = {
	.name = "rwlock",
	.id = KSYNC_TYPE_RWLOCK,
	.flags = KSYNC_F_GUARDED,
	.advance = rwlock_advance,
	.drop = rwlock_drop,
	.status = rwlock_status,
};
