/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The fast path: what is done to the word of a primitive when nobody is in the
 * way, without a system call. Both backends use these on the same words; what
 * they note elsewhere before and after, so that a death is found, is theirs.
 *
 * Some of these save an atomic operation on the side that runs often. They
 * store, and then load, with nothing in between that keeps the processor from
 * loading first. The other side, which runs seldom, makes up for it: after its
 * own store and before its load it sends a barrier to all processors that run
 * threads of such processes (membarrier, or the module).
 *
 *	here				there
 *	store mine			store theirs
 *	(compiler barrier)		(barrier on all processors)
 *	load theirs			load mine
 *
 * If the barrier reaches the left side before its load, that load sees theirs;
 * if after, the store is visible before they load. So at least one side sees
 * the other, as with a full fence on both.
 */
#ifndef KSYNC_FAST_H
#define KSYNC_FAST_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/ksync.h>

/* The place where the other side's barrier counts. */
#define ksync_fast_barrier()	__atomic_signal_fence(__ATOMIC_SEQ_CST)

/*
 * mutex: from free to held by @id, whatever stands in the high half: also past
 * those who wait. Only the low half, since the unlock has written that half
 * alone: a processor cannot forward a narrow store to a wider operation, and
 * waiting for it costs more than the atomic operation. Acquire: pairs with the
 * release of whoever had it before.
 */
static inline bool ksync_fast_lock(struct ksync_lock_cell *cell, uint32_t id)
{
	uint32_t free = 0;

	return __atomic_compare_exchange_n(&cell->owner, &free, id, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/*
 * mutex: from held to free, by its holder, without an atomic operation. While
 * it is held and neither LOST nor DEAD, nobody else writes the low half.
 *
 * Returns the high half as it was afterwards. With WAITERS there, somebody has
 * to be woken. Without, none is asleep: a waiter sets WAITERS, sends the
 * barrier, and looks at the low half again before it sleeps.
 */
static inline uint32_t ksync_fast_unlock(struct ksync_lock_cell *cell)
{
	__atomic_store_n(&cell->owner, 0, __ATOMIC_RELEASE);
	ksync_fast_barrier();
	return __atomic_load_n(&cell->ctl, __ATOMIC_RELAXED);
}

/* WAITERS and others, as they stand in the high half. */
#define KSYNC_FAST_CTL(flag)	((uint32_t)((flag) >> 32))

/*
 * rwlock: tells of a read hold in memory of one's own, *@mine, and returns the
 * word as it was afterwards. With a writer in it or on its way, the hold does
 * not count and must be withdrawn. A writer puts itself in the word, sends the
 * barrier, and then looks for readers. Acquire: what the last writer did.
 */
static inline uint64_t ksync_fast_read(struct ksync_lock_cell *cell,
				       uint32_t *mine, uint32_t hold)
{
	__atomic_store_n(mine, hold, __ATOMIC_RELAXED);
	ksync_fast_barrier();
	return __atomic_load_n(&cell->state, __ATOMIC_ACQUIRE);
}

/*
 * rwlock: withdraws the hold, with the value @rest that *@mine shall have, and
 * returns the high half as it was afterwards. With WRITER_WAITS, a writer may
 * have seen the hold. Release: what was read, was read before.
 */
static inline uint32_t ksync_fast_unread(struct ksync_lock_cell *cell,
					 uint32_t *mine, uint32_t rest)
{
	__atomic_store_n(mine, rest, __ATOMIC_RELEASE);
	ksync_fast_barrier();
	return __atomic_load_n(&cell->ctl, __ATOMIC_RELAXED);
}

/*
 * semaphore: @n permits less. *@seen is what the word may be, and becomes what
 * it is; to read it first would cost as much as the atomic operation. Acquire:
 * what was done before the permits were released.
 */
static inline bool ksync_fast_acquire(struct ksync_sem_cell *cell,
				      uint64_t *seen, uint32_t n)
{
	uint64_t word = *seen;

	while (!(word & KSYNC_SEM_WAITERS) && (word & KSYNC_SEM_VALUE) >= n) {
		if (__atomic_compare_exchange_n(&cell->state, &word, word - n,
						false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			*seen = word - n;
			return true;
		}
	}
	*seen = word;
	return false;
}

/* semaphore: @n permits more, if the maximum allows it and nobody waits. */
static inline bool ksync_fast_release(struct ksync_sem_cell *cell,
				      uint64_t *seen, uint32_t n)
{
	uint64_t word = *seen;
	uint32_t value, max;

	for (;;) {
		value = word & KSYNC_SEM_VALUE;
		max = (word & KSYNC_SEM_MAX) >> KSYNC_SEM_MAX_SHIFT;
		if ((word & KSYNC_SEM_WAITERS) || value > max ||
		    n > max - value)
			break;
		if (__atomic_compare_exchange_n(&cell->state, &word, word + n,
						false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED)) {
			*seen = word + n;
			return true;
		}
	}
	*seen = word;
	return false;
}

#endif /* KSYNC_FAST_H */
