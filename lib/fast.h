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
 * After an atomic read-modify-write: makes a full barrier of it, which on x86 it
 * is. Elsewhere later loads could be done before its store.
 */
#if defined(__x86_64__) || defined(__i386__)
#define ksync_fast_fence_after_rmw()	ksync_fast_barrier()
#else
#define ksync_fast_fence_after_rmw()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

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

/*
 * rwlock: tells of a read hold in memory of one's own, *@mine, and returns the
 * word as it was afterwards. With a writer in it or on its way, the hold does
 * not count and must be withdrawn. A writer puts itself in the word, with
 * FENCED, and if that was not there sends the barrier, and then looks for
 * readers. So who sees FENCED, before or after, needs the fence. Acquire: what
 * the last writer did.
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
 * have seen the hold: who sets that always sends the barrier before it looks.
 * Release: what was read, was read before.
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
	__u64 word = *seen;

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
	__u64 word = *seen;
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
	__u64 word = *seen, new;
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
 * round	of reads: see ksync_fast_calm()
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
 * tag		that of the handle, and the epoch of the process added
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
	union {
		struct ksync_hold *hold;
		uint64_t seen;
	};
	uint32_t id;
	uint32_t idle;
	uint64_t reserved;
};

#define KSYNC_FAST_NR	16U

extern __thread struct ksync_fast ksync_fast_self[KSYNC_FAST_NR]
	__attribute__((tls_model("initial-exec")));

/*
 * A child is in another epoch than its parent, so it remembers nothing, however
 * it was made: the kernel wipes this word at fork. Epochs are multiples of ONE,
 * and not 0, so that no tag of one is a tag of another.
 */
#define KSYNC_FAST_EPOCH_ONE	(1ULL << 56)

extern uint64_t *ksync_fast_epoch;

/* Tags are never reused, and not 0: serial numbers begin at 1. */
static inline uint64_t ksync_fast_tag(uint64_t serial, uint32_t index)
{
	return serial << 20 | index;
}

/*
 * What comes after an atomic operation waits for it, so the way from a handle to
 * what the thread remembers is short: the handle has its offset from the thread
 * pointer, which is the same for all threads.
 */
static inline int32_t ksync_fast_place(uint64_t tag)
{
	return (char *)&ksync_fast_self[(tag ^ tag >> 20) % KSYNC_FAST_NR] -
	       (char *)__builtin_thread_pointer();
}

/* Sanitizers take an offset for an address. */
#if defined(__x86_64__) && defined(__SEG_FS) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ksync_fast_ptr		struct ksync_fast __seg_fs *
#define ksync_fast_at(place)	((ksync_fast_ptr)(intptr_t)(place))
#else
#define ksync_fast_ptr		struct ksync_fast *
#define ksync_fast_at(place)	\
	((ksync_fast_ptr)((char *)__builtin_thread_pointer() + (place)))
#endif

/* Does the thread remember it? */
static inline bool ksync_fast_knows(ksync_fast_ptr f, uint64_t tag)
{
	return f->tag ==
	       tag + __atomic_load_n(ksync_fast_epoch, __ATOMIC_RELAXED);
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
static inline bool ksync_fast_mutex_lock(ksync_fast_ptr f,
					 struct ksync_lock_cell *cell)
{
	struct ksync_hold *hold = f->hold;

	if (!ksync_fast_key_is(hold, f->idle))
		return false;
	__atomic_store_n(&hold->key, f->idle | KSYNC_HOLD_EXCL,
			 __ATOMIC_RELAXED);
	ksync_fast_barrier();
	if (!ksync_fast_lock(cell, f->id)) {
		__atomic_store_n(&hold->key, f->idle, __ATOMIC_RELAXED);
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
static inline bool ksync_fast_mutex_unlock(ksync_fast_ptr f,
					   struct ksync_lock_cell *cell)
{
	struct ksync_hold *hold = f->hold;

	if (!ksync_fast_key_is(hold, f->idle | KSYNC_HOLD_EXCL) ||
	    __atomic_load_n(&cell->ctl, __ATOMIC_RELAXED))
		return false;
	if (ksync_fast_unlock(cell))
		return false;
	__atomic_store_n(&hold->key, f->idle, __ATOMIC_RELEASE);
	return true;
}

/*
 * Reads with a fence since there was another writer: the lower half of what
 * *@calm is. The upper one is what tells writers apart. True: enough for fences
 * to be left out again.
 */
#define KSYNC_FAST_CALM	500U

static inline bool ksync_fast_calm(struct ksync_lock_cell *cell, uint32_t *calm)
{
	uint32_t now = __atomic_load_n(calm, __ATOMIC_RELAXED) + 1;
	uint32_t token = __atomic_load_n(&cell->token, __ATOMIC_RELAXED) << 16;

	if ((now ^ token) >> 16)
		now = token;
	__atomic_store_n(calm, now, __ATOMIC_RELAXED);
	return (now & 0xffff) >= KSYNC_FAST_CALM;
}

/* For statistics. */
static inline void ksync_fast_has_read(struct ksync_hold *hold)
{
	__atomic_store_n(&hold->reads,
			 __atomic_load_n(&hold->reads, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELAXED);
}

/*
 * 0: done. READ: the key is that, but the word is not 0, and the following
 * decides. EXCL: the backend must do it.
 */
static inline uint32_t ksync_fast_rwlock_read(ksync_fast_ptr f,
					      struct ksync_lock_cell *cell)
{
	struct ksync_hold *hold = f->hold;

	if (!ksync_fast_key_is(hold, f->idle))
		return KSYNC_HOLD_EXCL;
	if (ksync_fast_read(cell, &hold->key, f->idle | KSYNC_HOLD_READ))
		return KSYNC_HOLD_READ;
	ksync_fast_has_read(hold);
	return 0;
}

/* False: the backend must do it; the key says if there is more to it. */
static inline bool ksync_fast_rwlock_read_fenced(ksync_fast_ptr f,
						 struct ksync_lock_cell *cell)
{
	struct ksync_hold *hold = f->hold;

	/* Pairs with the atomic operation that put a writer in the word. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Acquire: what the last writer did. */
	if (__atomic_load_n(&cell->state, __ATOMIC_ACQUIRE) ==
	    KSYNC_LOCK_FENCED && !ksync_fast_calm(cell, &hold->round)) {
		ksync_fast_has_read(hold);
		return true;
	}
	__atomic_store_n(&hold->key, f->idle | KSYNC_HOLD_LEFT,
			 __ATOMIC_RELEASE);
	return false;
}

/* False: the backend must do it, or what the key says is left of it. */
static inline bool ksync_fast_rwlock_unread(ksync_fast_ptr f,
					    struct ksync_lock_cell *cell)
{
	struct ksync_hold *hold = f->hold;

	if (!ksync_fast_key_is(hold, f->idle | KSYNC_HOLD_READ) ||
	    __atomic_load_n(&hold->count, __ATOMIC_RELAXED))
		return false;
	if (!(ksync_fast_unread(cell, &hold->key, f->idle) &
	      (KSYNC_LOCK_WRITER_WAITS >> 32)))
		return true;
	__atomic_store_n(&hold->key, f->idle | KSYNC_HOLD_LEFT,
			 __ATOMIC_RELAXED);
	return false;
}

/* False: nothing was done, and the backend must try. */
static inline bool ksync_fast_sem_acquire(ksync_fast_ptr f,
					  struct ksync_sem_cell *cell,
					  uint32_t n)
{
	uint64_t seen = f->seen;
	bool done = ksync_fast_acquire(cell, &seen, n);

	f->seen = seen;
	if (!done)
		return false;
	/* For statistics, which may miss one. */
	__atomic_store_n(&cell->acquired,
			 __atomic_load_n(&cell->acquired, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELAXED);
	return true;
}

static inline bool ksync_fast_sem_release(ksync_fast_ptr f,
					  struct ksync_sem_cell *cell,
					  uint32_t n)
{
	uint64_t seen = f->seen;
	bool done = ksync_fast_release(cell, &seen, n);

	f->seen = seen;
	return done;
}

static inline bool ksync_fast_waitgroup_add(ksync_fast_ptr f,
					    struct ksync_waitgroup_cell *cell,
					    int32_t delta)
{
	uint64_t seen = f->seen;
	bool done = ksync_fast_add(cell, &seen, delta);

	f->seen = seen;
	return done;
}

#endif /* KSYNC_FAST_H */
