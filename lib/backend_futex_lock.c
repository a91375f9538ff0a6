// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: what mutexes and rwlocks have in common, the exclusive
 * hold.
 *
 * The word says who holds the lock, and nothing else does: from the atomic
 * operation that puts a line's number there to the one that takes it away, its
 * thread is the holder. Only whether the thread knows yet is in its line: one
 * whose wait is not IDLE does not, so it has touched nothing, and its death
 * leaves nothing inconsistent.
 *
 * Words are changed with the queue locked, except: from free to held, from held
 * to free by the holder, and FENCED by who holds it.
 */
#include "backend_futex_mutex.h"

/* What the flags of the word shall say about the queue. */
uint64_t kfx_lock_flags(struct kfx_q *q)
{
	uint64_t flags = 0;

	if (kfx_q_first(q))
		flags |= KSYNC_LOCK_WAITERS;
	if (q->obj->type == KSYNC_RWLOCK && kfx_load(&q->queue->writers))
		flags |= KSYNC_LOCK_WRITER_WAITS;
	return flags;
}

/*
 * Gives a lock that is free to waiter @id. False: somebody was faster. Queue
 * locked.
 */
bool kfx_lock_grant(struct kfx_q *q, uint32_t id)
{
	uint64_t word = kfx_load(&q->cell->state);

	do {
		if (kfx_lock_id(word) || (word & KSYNC_LOCK_LOST))
			return false;
	} while (!kfx_cas(&q->cell->state, &word, word | id));
	kfx_q_admit(q, id, KFX_GRANTED);
	return true;
}

/* Of a grant that was made and not finished by who died: finishes it. */
void kfx_lock_grant_done(struct kfx_q *q)
{
	uint32_t id = kfx_lock_id(kfx_load(&q->cell->state));
	struct kfx_line *line;

	if (!id || id >= KFX_LINES)
		return;
	line = kfx_line(q->obj, id);
	if (kfx_load(&line->kind) == KFX_LINE_THREAD &&
	    kfx_wait_state(line) == KFX_WAITING &&
	    kfx_load(&line->index) == q->index &&
	    kfx_load(&line->want) == KFX_WANT_EXCL)
		kfx_q_admit(q, id, KFX_GRANTED);
}

/*
 * If @id has the lock: lets go of it, for whoever is next, and not because of a
 * death. Queue locked.
 */
bool kfx_lock_pass_on(struct kfx_q *q, uint32_t id)
{
	uint64_t word = kfx_load(&q->cell->state);

	do {
		if (!id || kfx_lock_id(word) != id)
			return false;
	} while (!kfx_cas(&q->cell->state, &word, word & ~KSYNC_LOCK_ID));
	return true;
}

/*
 * What an agent was given, or took, becomes the caller's, whose line is @id and
 * says that it may have it.
 */
void kfx_lock_hand_on(struct kfx_q *q, uint32_t id)
{
	uint64_t word = kfx_load(&q->cell->state);

	while (kfx_lock_id(word) == q->owner &&
	       !kfx_cas(&q->cell->state, &word, (word & ~KSYNC_LOCK_ID) | id))
		;
}

/* The lock is lost: nobody need wait for it. Queue locked. */
void kfx_lock_fail_all(struct kfx_q *q)
{
	uint32_t id, n;

	for (n = 0; n < KFX_LINES && (id = kfx_q_first(q)); n++)
		kfx_q_admit(q, id, KFX_FAILED);
}

/*
 * @id died. If it had the lock, the next holder will be told. FENCED, so that no
 * unlock without a look at the low half makes it forgotten. Queue locked.
 */
bool kfx_lock_die(struct kfx_q *q, uint32_t id)
{
	uint64_t word = kfx_load(&q->cell->state);
	struct kfx_redo redo = { .nr = 2, .word_old = word };

	if (!id || kfx_lock_id(word) != id)
		return false;
	/* The dead change it no more, and others only when it is free. */
	redo.word_new = (word & ~KSYNC_LOCK_ID) | KSYNC_LOCK_DEAD |
			KSYNC_LOCK_FENCED;
	redo.store[0].at = kfx_offset(q->obj, &q->cell->lock.deaths);
	redo.store[0].value = kfx_load(&q->cell->lock.deaths) + 1;
	kfx_q_commit(q, &redo);
	/* Who finds FENCED relies on it. Pairs with the unlock without a fence. */
	if (!(word & KSYNC_LOCK_FENCED))
		kfx_barrier();
	q->writer_left = true;
	return true;
}

int kfx_lock_consistent(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct ksync_hold *hold;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	hold = kfx_hold_find(t, index);
	if (!hold || !(kfx_load(&hold->key) & KFX_HELD_EXCL))
		return -EPERM;
	if (!(kfx_load(&obj->cells[index].state) & KSYNC_LOCK_DEAD))
		return -EINVAL;
	kfx_clear(&obj->cells[index].state, KSYNC_LOCK_DEAD);
	return 0;
}

uint64_t kfx_lock_token(struct ksync_object *base, uint32_t index)
{
	return kfx_load(&kfx_obj(base)->cells[index].lock.token);
}

/*
 * Taking a mutex takes no look at a clock. Who waits for it, or wants to know,
 * notes since when it has been held at least.
 */
void kfx_mutex_seen(union ksync_cell *cell)
{
	struct kfx_mutex_more *more = kfx_mutex_more(cell);
	uint32_t token = kfx_load(&cell->lock.token);

	if (kfx_load(&more->seen) == token)
		return;
	kfx_store(&cell->lock.since, kfx_now_coarse());
	/* Release: whoever sees the token sees the time. */
	kfx_store_release(&more->seen, token);
}

/* What the thread needs for the fast path, for locks. */
void kfx_fast_fill_lock(struct ksync_object *base, uint32_t index,
			struct kfx_thread *t, struct ksync_hold *hold)
{
	/*
	 * Without fences only if others can send us a barrier. In order and
	 * recursively it takes more than the fast path knows.
	 */
	if (!kfx_load(&kfx_barriers) ||
	    base->flags & (KSYNC_FIFO | KSYNC_RECURSIVE))
		return;
	ksync_fast_lock_is(ksync_fast_tag(base->serial, index), hold,
			   KSYNC_HOLD_IN_WORD(index + 1), t->id);
}
