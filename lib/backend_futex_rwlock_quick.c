// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: reader-writer lock, write and unlock when nobody is in the
 * way; and the favourite.
 *
 * A thread that reads and writes, and is alone in writing, would leave FENCED
 * where it is for ever, and have a fence in each read because of itself. So the
 * word can name one thread that reads without, its favourite:
 *
 *	0			nobody has a fence, a writer sends a barrier
 *	FENCED			readers have fences, no writer sends a barrier
 *	FENCED, favourite X	all readers but X have them; X as a writer sends
 *				no barrier, and others do, and remove X
 *
 * To a writer that is not X, X is like a reader that saw 0: either X sees the
 * writer's id in the word, or the barrier has made the hold of X visible. X looks
 * for others only, who have fences, and its own holds it knows.
 *
 * A thread becomes the favourite as it takes the word to write, so nobody reads
 * then who could be mistaken. It must have written so often with nobody else
 * writing in between that the barrier which the next one will have to send is
 * little against that. X is a line; who gets the line after a death is a
 * favourite like any other.
 */
#include "backend_futex.h"

static_assert((uint64_t)KSYNC_INLINE_FAVOURS(5) << 32 ==
	      (KSYNC_LOCK_FENCED | KSYNC_LOCK_FAVOURS(5)), "layout 1");

/* Writes in a row that make a favourite. */
#define RUN		256U

/* Who wrote last, and how often in a row, up to RUN. The writer's to write. */
#define RUN_OF(id)	((id) << 16)
#define RUN_LENGTH	0xffffU

/*
 * What becomes of the word as thread @id takes it. Where no barriers can be sent,
 * there are no favourites.
 */
uint64_t kfx_rwlock_next(struct kfx_object *obj, uint32_t index, uint32_t id,
			 uint64_t word)
{
	uint32_t run = kfx_load(kfx_rwlock_run(&obj->cells[index].lock));
	uint64_t next = word | id | KSYNC_LOCK_FENCED;

	if ((word & KSYNC_LOCK_FAVOURITE) == KSYNC_LOCK_FAVOURS(id))
		return next;
	next &= ~KSYNC_LOCK_FAVOURITE;
	if (run == RUN_OF(id) + RUN && !kfx_load(&obj->header->fenced))
		next |= KSYNC_LOCK_FAVOURS(id);
	return next;
}

/* Likewise: must the caller send a barrier, before it looks for readers? */
bool kfx_rwlock_needs_barrier(uint64_t word, uint32_t id)
{
	uint64_t favourite = word & KSYNC_LOCK_FAVOURITE;

	return !(word & KSYNC_LOCK_FENCED) ||
	       (favourite && favourite != KSYNC_LOCK_FAVOURS(id));
}

static inline void count_run(struct ksync_lock_cell *lock, uint32_t id)
{
	uint32_t *run = kfx_rwlock_run(lock);
	uint32_t length = kfx_load(run) - RUN_OF(id);

	if (length > RUN_LENGTH)
		length = 0;
	if (length < RUN)
		kfx_store(run, RUN_OF(id) + length + 1);
}

/*
 * Thread @id holds the lock now, to write; @word is as it was or is. Taking it
 * takes no look at a clock, if it did not wait: who waits for it, or wants to
 * know, does that in kfx_rwlock_seen().
 */
int kfx_rwlock_taken(union ksync_cell *cell, uint32_t id, uint64_t word,
		     bool waited)
{
	struct ksync_lock_cell *lock = &cell->lock;

	count_run(lock, id);
	kfx_store(&lock->token, kfx_load(&lock->token) + 1);
	kfx_store(&lock->since, waited ? kfx_now_coarse() : 0);
	if (waited)
		kfx_count(&lock->contended);
	return word & KSYNC_LOCK_DEAD ? -EOWNERDEAD : 0;
}

/* Held to write since now at least, if nobody said so before. */
void kfx_rwlock_seen(union ksync_cell *cell)
{
	uint64_t none = 0;

	if (!kfx_load(&cell->lock.since))
		kfx_cas(&cell->lock.since, &none, kfx_now_coarse());
}

/*
 * The thread's note, if this primitive is what it used last; or another. Here it
 * is written as a whole: a processor cannot forward a narrow store to the wider
 * load that comes next, in ksync_inline.h.
 */
static inline struct ksync_hold *last_hold(struct kfx_object *obj,
					   struct kfx_thread **t)
{
	*t = kfx_thread_cached(obj);
	return *t ? (*t)->last : NULL;
}

/*
 * Takes a lock that nobody has, waits for, or died with, if readers have fences,
 * but for the caller. 1: done. 0: nothing was done. -EBUSY: the word is the
 * caller's, and there are readers.
 */
static inline int write_quickly(struct kfx_object *obj, uint32_t index)
{
	union ksync_cell *cell = &obj->cells[index];
	struct kfx_thread *t;
	struct ksync_hold *hold = last_hold(obj, &t);
	uint64_t idle = KSYNC_HOLD_IN_WORD(index + 1), word, next;

	if (!hold || kfx_load(&hold->word) != idle)
		return 0;
	word = kfx_load(&cell->state);
	if (word == (KSYNC_LOCK_FENCED | KSYNC_LOCK_FAVOURS(t->id)))
		next = word | t->id;
	else if (word == KSYNC_LOCK_FENCED)
		next = kfx_rwlock_next(obj, index, t->id, word);
	else
		return 0;
	/* As in kfx_rwlock_write_lock(). */
	kfx_store(&hold->word, idle | KSYNC_HOLD_IN_WORD(KFX_HELD_EXCL));
	kfx_try_begin(t->line, index);
	if (!kfx_cas(&cell->state, &word, next)) {
		kfx_wait_set(t->line, KFX_IDLE);
		kfx_store_release(&hold->word, idle);
		return 0;
	}
	/* The CAS is the writer's side of the diagram. */
	if (kfx_rwlock_reader(obj, index, 1, t->id))
		return -EBUSY;
	if (word == KSYNC_LOCK_FENCED)
		count_run(&cell->lock, t->id);
	kfx_store(&cell->lock.token, kfx_load(&cell->lock.token) + 1);
	kfx_store(&cell->lock.since, 0);
	kfx_wait_set(t->line, KFX_IDLE);
	return 1;
}

/* Apart, so that the quick one need not make room for the limit. */
static KSYNC_SLOW int write_slowly(struct ksync_object *base, uint32_t index,
				   uint64_t deadline, int quick)
{
	struct kfx_limit limit = { .deadline = deadline };

	return kfx_rwlock_write_lock(base, index, &limit, quick);
}

int kfx_rwlock_wrlock(struct ksync_object *base, uint32_t index,
		      uint64_t deadline)
{
	int ret = write_quickly(kfx_obj(base), index);

	return ret > 0 ? 0 : write_slowly(base, index, deadline, ret);
}

int kfx_rwlock_unlock(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct ksync_hold *hold = last_hold(obj, &t);
	uint64_t idle = KSYNC_HOLD_IN_WORD(index + 1), word;
	union ksync_cell *cell = &obj->cells[index];

	if (hold && kfx_load(&hold->word) ==
		    (idle | KSYNC_HOLD_IN_WORD(KFX_HELD_EXCL))) {
		word = kfx_load(&cell->state);
		if ((word & ~KSYNC_LOCK_FAVOURITE) ==
		    (t->id | KSYNC_LOCK_FENCED) &&
		    kfx_cas(&cell->state, &word, word & ~KSYNC_LOCK_ID)) {
			t->given_back = true;
			/* As in kfx_hold_end(). */
			kfx_store_release(&hold->word, idle);
			return 0;
		}
	}
	return kfx_rwlock_unlock_slowly(base, index);
}
