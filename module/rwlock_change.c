// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader-writer lock: a writer becomes a reader, a reader the writer.
 */
#include "lock_word.h"
#include "commands.h"
#include "owner.h"
#include "rwlock.h"
#include "slot.h"
#include "word.h"

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
		ksync_rwlock_let_in(&q, true);
	return 0;
}

/* The caller's read hold is counted in the word. */
static int rwlock_upgrade_counted(struct ksync_queue *q,
				  struct ksync_thread *thread,
				  struct ksync_hold *hold)
{
	int ret = -EBUSY;
	u64 word;

	ksync_queue_lock(q);
	if (!ksync_rwlock_slots_read(q))
		ret = ksync_update(q->cell, word,
				   lock_word_upgrade(&word, thread->id));
	/* Looks again, as any writer does. */
	if (ksync_changed(ret) && ksync_rwlock_slots_read(q)) {
		ksync_update(q->cell, word,
			     lock_word_downgrade(&word, thread->id));
		ret = -EBUSY;
	}
	ksync_queue_unlock(q);
	if (ksync_changed(ret)) {
		hold->kind = KSYNC_HOLD_EXCLUSIVE;
		ksync_lock_taken(q, false);
	}
	return ret;
}

/* It stands in the caller's slot, at @entry. */
static int rwlock_upgrade_slot(struct ksync_queue *q,
			       struct ksync_thread *thread, u64 *entry)
{
	struct ksync_hold *hold = ksync_hold_spare(thread);
	int ret = -EBUSY;
	u64 word;

	if (!hold)
		return -ENOMEM;
	ksync_queue_lock(q);
	ksync_rwlock_slots_read(q);
	if (ksync_slots_readers(q) == 1)
		ret = ksync_update(q->cell, word,
				   lock_word_acquire(&word, thread->id, true,
						     true));
	if (ksync_changed(ret) && ksync_slots_readers(q) != 1) {
		ksync_update(q->cell, word,
			     lock_word_unacquire(&word, thread->id));
		ret = -EBUSY;
	}
	if (ksync_changed(ret))
		WRITE_ONCE(*entry, 0);
	ksync_queue_unlock(q);
	if (!ksync_changed(ret)) {
		ksync_hold_unuse(thread, hold);
		return ret;
	}
	ksync_hold_insert(&thread->holds, hold, q->obj->id, q->index,
			  KSYNC_HOLD_EXCLUSIVE);
	ksync_lock_taken(q, false);
	return ret;
}

int ksync_rwlock_upgrade(struct ksync_object *obj, void *args)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_hold *hold;
	struct ksync_queue q;
	u64 *entry;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	hold = ksync_thread_hold(thread, obj->id, q.index);
	if (hold && hold->kind == KSYNC_HOLD_SHARED)
		return rwlock_upgrade_counted(&q, thread, hold);
	entry = hold ? NULL : ksync_slot_hold(&q, thread);
	return entry ? rwlock_upgrade_slot(&q, thread, entry) : -EPERM;
}
