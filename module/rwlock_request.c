// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader-writer lock: as one of several, or queued for without a sleeper.
 */
#include "lock_word.h"
#include "commands.h"
#include "many.h"
#include "owner.h"
#include "rwlock.h"
#include "slot.h"
#include "word.h"

void ksync_rwlock_untake(struct ksync_queue *q, struct ksync_waiter *w)
{
	bool reader = w->want == KSYNC_WANT_SHARED;
	u64 word;
	int ret;

	if (reader)
		ret = ksync_update(q->cell, word, lock_word_unread(&word, 1));
	else
		ret = ksync_update(q->cell, word,
				   lock_word_unacquire(&word, w->id));
	if (!ret && (word & KSYNC_LOCK_WAITERS))
		ksync_rwlock_let_in(q, false);
}

int ksync_rwlock_prepare(struct ksync_request *r)
{
	struct ksync_queue *q = &r->q;
	struct ksync_hold *hold;

	if (r->w.count)
		return -EINVAL;
	r->w.want = r->shared ? KSYNC_WANT_SHARED : KSYNC_WANT_EXCLUSIVE;
	r->w.id = r->thread->id;
	hold = ksync_thread_hold(r->thread, q->obj->id, q->index);
	r->held = hold || ksync_slot_hold(q, r->thread);
	r->w.again = r->held;
	if (r->held &&
	    (!r->shared || (hold && hold->kind == KSYNC_HOLD_EXCLUSIVE)))
		return -EDEADLK;
	ksync_rwlock_expect(q);
	r->hold = hold ? NULL : ksync_hold_alloc();
	return hold || r->hold ? 0 : -ENOMEM;
}

/* Counted for a thread that may have one such hold already. */
static void rwlock_settle_read(struct ksync_request *r)
{
	struct ksync_queue *q = &r->q;
	struct ksync_hold *hold;

	hold = ksync_thread_hold(r->thread, q->obj->id, q->index);
	if (hold) {
		hold->count++;
		ksync_hold_free(r->hold);
	} else {
		ksync_hold_insert(&r->thread->holds, r->hold, q->obj->id,
				  q->index, KSYNC_HOLD_SHARED);
	}
	atomic64_inc((atomic64_t *)&q->cell->lock.shared);
	if (r->waited)
		atomic_inc((atomic_t *)&q->cell->lock.contended);
}

void ksync_rwlock_settle(struct ksync_request *r, int ret)
{
	struct ksync_queue *q = &r->q;

	if (!ksync_changed(ret)) {
		ksync_hold_free(r->hold);
	} else if (r->shared) {
		rwlock_settle_read(r);
	} else {
		ksync_hold_insert(&r->thread->holds, r->hold, q->obj->id,
				  q->index, KSYNC_HOLD_EXCLUSIVE);
		ksync_lock_taken(q, r->waited);
	}
}
