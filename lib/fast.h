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
 * the other, as with a full fence on both. models/asymmetric.pml checks it, with
 * deaths in between.
 */
#ifndef KSYNC_FAST_H
#define KSYNC_FAST_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/ksync.h>

/* What is not the fast path, kept out of its way. */
#define KSYNC_SLOW		__attribute__((noinline, cold))

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
 * it is; to read it first would cost as much as the atomic operation. False: not
 * as far as was seen. Acquire: what was done before the permits were released.
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

/* What keeps a wait group from being changed by plain arithmetic. */
#define KSYNC_FAST_WG_FLAGS	(KSYNC_WG_LOSS | KSYNC_WG_WAITERS | 1ULL << 62)

/*
 * wait group: @delta members more, likewise. The round that ends is numbered by
 * less than half of what there is room for; beyond, and with waiters, losses or
 * bound members, the backend must do it. Acquire and release: who waits sees
 * what all members did before they were done.
 */
static inline bool ksync_fast_add(struct ksync_waitgroup_cell *cell,
				  uint64_t *seen, int32_t delta)
{
	uint64_t word = *seen, new;
	int64_t count;

	if (__atomic_load_n(&cell->bound, __ATOMIC_RELAXED))
		return false;
	do {
		*seen = word;
		count = (int64_t)(word & KSYNC_WG_COUNT) + delta;
		if (count < 0 || count > KSYNC_COUNT_MAX)
			return false;
		new = word + (int64_t)delta;
		if (!count)
			new += KSYNC_WG_ROUND_ONE;
		if ((word | new) & KSYNC_FAST_WG_FLAGS)
			return false;
	} while (!__atomic_compare_exchange_n(&cell->state, &word, new, false,
					      __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	*seen = new;
	return true;
}

/* wait group: is nothing to be waited for, and nothing to be told? */
static inline bool ksync_fast_over(struct ksync_waitgroup_cell *cell)
{
	/* Acquire: pairs with the release above. */
	return !(__atomic_load_n(&cell->state, __ATOMIC_ACQUIRE) &
		 (KSYNC_WG_COUNT | KSYNC_WG_LOSS));
}

/*
 * A note of what a thread holds of a primitive, where it is found if the thread
 * dies. It belongs to the backend, which may use more of it.
 *
 * key		says which primitive, and how it is held
 * count	read holds beyond the first
 * reads	read acquisitions
 */
struct ksync_hold {
	uint32_t key;
	uint32_t count;
	uint32_t reads;
	uint32_t round;
};

/*
 * In the key: what is, or may be, held; or a read hold was withdrawn, but the
 * backend has work to do.
 */
#define KSYNC_HOLD_LEFT	(1U << 29)
#define KSYNC_HOLD_READ	(1U << 30)
#define KSYNC_HOLD_EXCL	(1U << 31)

/*
 * What a thread remembers of a primitive that it used, so that a call needs no
 * more than this and the handle. Filled in by the backend on its slow path.
 *
 * tag		that of the handle; 0: nothing
 * cell		where the word is
 * hold		mutex, rwlock: the thread's note
 * seen		semaphore, wait group: the word as it was last seen
 * id		what the word calls the thread
 * idle		the key when nothing is held
 *
 * The key has EXCL from before the word can name the thread until after it let
 * go, and READ while the thread reads.
 */
struct ksync_fast {
	uint64_t tag;
	union ksync_cell *cell;
	union {
		struct ksync_hold *hold;
		uint64_t seen;
	};
	uint32_t id;
	uint32_t idle;
};

/*
 * A few of them for each thread, valid in an epoch of the process. A child is in
 * another epoch, however it was made: the kernel wipes *ksync_fast_epoch. What
 * a processor does after an atomic operation waits for it, so the way from a
 * handle to these is short: the handle has the offset from the thread pointer,
 * which is the same for all threads.
 */
#define KSYNC_FAST_NR	16U

struct ksync_fast_self {
	uint64_t epoch;
	struct ksync_fast fast[KSYNC_FAST_NR];
};

extern __thread struct ksync_fast_self ksync_fast_self
	__attribute__((tls_model("initial-exec")));
extern uint64_t *ksync_fast_epoch;

/* Tags are never reused, and not 0: serial numbers begin at 1. */
static inline uint64_t ksync_fast_tag(uint64_t serial, uint32_t index)
{
	return serial << 20 | index;
}

static inline struct ksync_fast *ksync_fast_slot(uint64_t tag)
{
	return &ksync_fast_self.fast[(tag ^ tag >> 20) % KSYNC_FAST_NR];
}

static inline intptr_t ksync_fast_place(uint64_t tag)
{
	return (char *)ksync_fast_slot(tag) - (char *)__builtin_thread_pointer();
}

/* What the thread knows of the primitive, or NULL. */
static inline struct ksync_fast *ksync_fast_find(uint64_t tag, intptr_t place)
{
	struct ksync_fast *f = (struct ksync_fast *)
		((char *)__builtin_thread_pointer() + place);

	if (f->tag != tag ||
	    ksync_fast_self.epoch !=
	    __atomic_load_n(ksync_fast_epoch, __ATOMIC_RELAXED))
		return NULL;
	return f;
}

/* fast.c: a place for the backend to fill in; the tag is there. */
struct ksync_fast *ksync_fast_claim(uint64_t tag);

/*
 * Is the key @key? Not for the compiler to know: it would make the next one out
 * of what was loaded, and the atomic operation would have to wait for that.
 */
static inline bool ksync_fast_key_is(struct ksync_hold *hold, uint32_t key)
{
	__asm__("" : "+r" (key));
	return __atomic_load_n(&hold->key, __ATOMIC_RELAXED) == key;
}

/* False: nothing was done, and the backend must try. */
static inline bool ksync_fast_mutex_lock(struct ksync_fast *f)
{
	struct ksync_lock_cell *cell = &f->cell->lock;

	if (!ksync_fast_key_is(f->hold, f->idle))
		return false;
	__atomic_store_n(&f->hold->key, f->idle | KSYNC_HOLD_EXCL, __ATOMIC_RELAXED);
	ksync_fast_barrier();
	if (!ksync_fast_lock(cell, f->id)) {
		__atomic_store_n(&f->hold->key, f->idle, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_store_n(&cell->token,
			 __atomic_load_n(&cell->token, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELAXED);
	return true;
}

/*
 * False: the backend must do it, or the rest of it: the word may have let go,
 * but the key says that its thread is not done.
 */
static inline bool ksync_fast_mutex_unlock(struct ksync_fast *f)
{
	struct ksync_lock_cell *cell = &f->cell->lock;

	if (!ksync_fast_key_is(f->hold, f->idle | KSYNC_HOLD_EXCL) ||
	    __atomic_load_n(&cell->ctl, __ATOMIC_RELAXED))
		return false;
	if (ksync_fast_unlock(cell))
		return false;
	__atomic_store_n(&f->hold->key, f->idle, __ATOMIC_RELEASE);
	return true;
}

/* False: the backend must do it; the key says if there is more to it. */
static inline bool ksync_fast_rwlock_read(struct ksync_fast *f)
{
	struct ksync_hold *hold = f->hold;

	if (!ksync_fast_key_is(hold, f->idle))
		return false;
	if (ksync_fast_read(&f->cell->lock, &hold->key,
			    f->idle | KSYNC_HOLD_READ)) {
		__atomic_store_n(&hold->key, f->idle | KSYNC_HOLD_LEFT,
				 __ATOMIC_RELEASE);
		return false;
	}
	__atomic_store_n(&hold->reads,
			 __atomic_load_n(&hold->reads, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELAXED);
	return true;
}

/* False: the backend must do it, or what the key says is left of it. */
static inline bool ksync_fast_rwlock_unread(struct ksync_fast *f)
{
	struct ksync_hold *hold = f->hold;

	if (!ksync_fast_key_is(hold, f->idle | KSYNC_HOLD_READ) ||
	    __atomic_load_n(&hold->count, __ATOMIC_RELAXED))
		return false;
	if (!ksync_fast_unread(&f->cell->lock, &hold->key, f->idle))
		return true;
	__atomic_store_n(&hold->key, f->idle | KSYNC_HOLD_LEFT,
			 __ATOMIC_RELAXED);
	return false;
}

/* False: nothing was done, and the backend must try. */
static inline bool ksync_fast_sem_acquire(struct ksync_fast *f, uint32_t n)
{
	struct ksync_sem_cell *cell = &f->cell->sem;

	if (!ksync_fast_acquire(cell, &f->seen, n))
		return false;
	/* For statistics, which may miss one. */
	__atomic_store_n(&cell->acquired,
			 __atomic_load_n(&cell->acquired, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELAXED);
	return true;
}

#endif /* KSYNC_FAST_H */
