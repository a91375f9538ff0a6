/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libksync: what a call does when nobody is in the way, compiled into the
 * caller. Part of <ksync.h>; programs name nothing of this.
 *
 * The functions keep their names. Where the compiler does not inline (without
 * optimization, through a pointer, from another language, with KSYNC_NO_INLINE
 * defined), the library's functions of the same names are called, which have
 * the same code in them.
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
#ifndef KSYNC_INLINE_H
#define KSYNC_INLINE_H

#include "ksync_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Never a function of its own; what takes its address gets the library's. */
#define KSYNC_INLINE							\
	extern inline __attribute__((__gnu_inline__, __always_inline__))

#define KSYNC_INLINE_LIKELY(x)		__builtin_expect(!!(x), 1)
#define KSYNC_INLINE_UNLIKELY(x)	__builtin_expect(!!(x), 0)

/* The place where the other side's barrier counts. */
#define KSYNC_INLINE_BARRIER()	__atomic_signal_fence(__ATOMIC_SEQ_CST)

/*
 * What of the words is needed here. FAVOURS: rwlock, high half: readers have
 * fences, but for this thread.
 */
#define KSYNC_INLINE_FAVOURS(id)	((uint32_t)3 << 28 | (id))
#define KSYNC_INLINE_SEM_VALUE		0x7fffffffU
#define KSYNC_INLINE_SEM_WAITERS	((uint64_t)1 << 63)
#define KSYNC_INLINE_SEM_MAX(word)	((uint32_t)((word) >> 32) & 0x7fffffffU)
#define KSYNC_INLINE_WG_COUNT		0x7fffffffU
#define KSYNC_INLINE_WG_ROUND_ONE	((uint64_t)1 << 32)
/* LOSS, WAITERS, and half of all rounds: no plain arithmetic. */
#define KSYNC_INLINE_WG_FLAGS	((uint64_t)3 << 62 | (uint64_t)1 << 31)

#define KSYNC_INLINE_OF(handle)	((const struct ksync_inline *)(handle))

/* What the thread may remember of the primitive; never NULL. */
KSYNC_INLINE struct ksync_fast *ksync_inline_fast(const struct ksync_inline *h)
{
	return (struct ksync_fast *)((char *)ksync_fast_self +
				     KSYNC_FAST_PLACE(h->tag));
}

/* Does the thread remember it? */
KSYNC_INLINE int ksync_inline_known(const struct ksync_inline *h,
				    const struct ksync_fast *f)
{
	return __atomic_load_n(&f->tag, __ATOMIC_RELAXED) == h->tag;
}

/*
 * Is the hold's word @word? Nobody else writes it. Not for the compiler to know
 * what it is: it would make the next one out of what was loaded, and the atomic
 * operation would have to wait for that.
 */
KSYNC_INLINE int ksync_inline_hold_is(const struct ksync_hold_word *hold,
				      uint64_t word)
{
#ifdef __LP64__
	__asm__("" : "+r" (word));
#endif
	return __atomic_load_n(&hold->word, __ATOMIC_RELAXED) == word;
}

KSYNC_INLINE void ksync_inline_hold(struct ksync_hold_word *hold, uint64_t word)
{
	__atomic_store_n(&hold->word, word, __ATOMIC_RELAXED);
	KSYNC_INLINE_BARRIER();
}

/*
 * What the word becomes, for the compiler to keep: it would make it again out of
 * what the atomic operation gave, and what remembers it would have to wait.
 */
#ifdef __LP64__
#define KSYNC_INLINE_KEEP(next)		__asm__("" : "+r" (next))
#else
#define KSYNC_INLINE_KEEP(next)		((void)(next))
#endif

/* For statistics, which may miss one. */
#define KSYNC_INLINE_COUNT(p)						\
	__atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + 1,	\
			 __ATOMIC_RELAXED)

/*
 * mutex: from free to held by @id, whatever stands in the high half: also past
 * those who wait. Only the low half, since the unlock has written that half
 * alone: a processor cannot forward a narrow store to a wider operation, and
 * waiting for it costs more than the atomic operation. Acquire: pairs with the
 * release of whoever had it before.
 */
KSYNC_INLINE int ksync_inline_take(struct ksync_inline_cell *cell, uint32_t id)
{
	uint32_t free = 0;

	return __atomic_compare_exchange_n(KSYNC_INLINE_OWNER(cell), &free, id,
					   0, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/*
 * mutex: from held to free, by its holder, without an atomic operation. While
 * it is held and neither LOST nor DEAD, nobody else writes the low half.
 *
 * Returns the high half as it was afterwards. With WAITERS there, somebody has
 * to be woken. Without, none is asleep: a waiter sets WAITERS, sends the
 * barrier, and looks at the low half again before it sleeps.
 */
KSYNC_INLINE uint32_t ksync_inline_give(struct ksync_inline_cell *cell)
{
	__atomic_store_n(KSYNC_INLINE_OWNER(cell), 0U, __ATOMIC_RELEASE);
	KSYNC_INLINE_BARRIER();
	return __atomic_load_n(KSYNC_INLINE_CTL(cell), __ATOMIC_RELAXED);
}

/*
 * mutex: 0: nothing was done, and the backend must try. The token is the
 * holder's to write; others read it.
 */
KSYNC_INLINE int ksync_inline_lock(const struct ksync_inline *h)
{
	struct ksync_fast *f = ksync_inline_fast(h);
	struct ksync_inline_cell *cell;
	struct ksync_hold_word *hold;
	uint64_t idle;

	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_known(h, f)))
		return 0;
	hold = f->hold;
	idle = f->idle;
	cell = h->cell;
	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_hold_is(hold, idle)))
		return 0;
	ksync_inline_hold(hold, idle | KSYNC_HOLD_IN_WORD(KSYNC_HOLD_EXCL));
	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_take(cell, f->id))) {
		ksync_inline_hold(hold, idle);
		return 0;
	}
	cell->count++;
	return 1;
}

/*
 * mutex: 0: the backend must do it, or the rest of it: the word may have let go,
 * but the key says that its thread is not done.
 */
KSYNC_INLINE int ksync_inline_unlock(const struct ksync_inline *h)
{
	struct ksync_fast *f = ksync_inline_fast(h);
	struct ksync_inline_cell *cell;
	struct ksync_hold_word *hold;
	uint64_t idle;

	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_known(h, f)))
		return 0;
	hold = f->hold;
	idle = f->idle;
	cell = h->cell;
	/* The first look at the high half may be an old one. */
	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_hold_is(hold, idle |
				KSYNC_HOLD_IN_WORD(KSYNC_HOLD_EXCL))) ||
	    KSYNC_INLINE_UNLIKELY(*KSYNC_INLINE_CTL(cell)) ||
	    KSYNC_INLINE_UNLIKELY(ksync_inline_give(cell)))
		return 0;
	__atomic_store_n(&hold->word, idle, __ATOMIC_RELEASE);
	return 1;
}

/*
 * rwlock: tells of a read hold in memory of one's own, and looks at the word.
 * With a writer in it or on its way, the hold does not count and must be
 * withdrawn. A writer puts itself in the word, with FENCED, and if that was not
 * there sends the barrier, and then looks for readers. So who sees FENCED,
 * before or after, needs the fence; unless the word names the thread as its
 * favourite, to which other writers always send the barrier. Acquire: what the
 * last writer did.
 *
 * 0: done. READ: the key is that, but the word is not 0. EXCL: nothing was done,
 * and the backend must do it.
 */
KSYNC_INLINE uint32_t ksync_inline_read(const struct ksync_inline *h)
{
	struct ksync_fast *f = ksync_inline_fast(h);
	struct ksync_inline_cell *cell;
	struct ksync_hold_word *hold;
	uint64_t idle, word;

	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_known(h, f)))
		return KSYNC_HOLD_EXCL;
	hold = f->hold;
	idle = f->idle;
	cell = h->cell;
	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_hold_is(hold, idle)))
		return KSYNC_HOLD_EXCL;
	ksync_inline_hold(hold, idle | KSYNC_HOLD_IN_WORD(KSYNC_HOLD_READ));
	word = __atomic_load_n(&cell->state, __ATOMIC_ACQUIRE);
	if (KSYNC_INLINE_LIKELY(!word) ||
	    word == (uint64_t)KSYNC_INLINE_FAVOURS(f->id) << 32)
		return 0;
	return KSYNC_HOLD_READ;
}

/*
 * rwlock: withdraws the hold. Who waits to write may have seen it: then the high
 * half of the word is not 0, for whoever looks after the barrier. Release: what
 * was read, was read before.
 *
 * 0: the backend must do it, or what the key says is left of it.
 */
KSYNC_INLINE int ksync_inline_unread(const struct ksync_inline *h)
{
	struct ksync_fast *f = ksync_inline_fast(h);
	struct ksync_inline_cell *cell;
	struct ksync_hold_word *hold;
	uint64_t idle;
	uint32_t ctl;

	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_known(h, f)))
		return 0;
	hold = f->hold;
	idle = f->idle;
	cell = h->cell;
	if (KSYNC_INLINE_UNLIKELY(!ksync_inline_hold_is(hold, idle |
				KSYNC_HOLD_IN_WORD(KSYNC_HOLD_READ))))
		return 0;
	__atomic_store_n(&hold->word, idle, __ATOMIC_RELEASE);
	KSYNC_INLINE_BARRIER();
	ctl = __atomic_load_n(KSYNC_INLINE_CTL(cell), __ATOMIC_RELAXED);
	if (KSYNC_INLINE_LIKELY(!ctl) || ctl == KSYNC_INLINE_FAVOURS(f->id))
		return 1;
	ksync_inline_hold(hold, idle | KSYNC_HOLD_IN_WORD(KSYNC_HOLD_LEFT));
	return 0;
}

/*
 * semaphore: @n permits less. *@seen is what the word may be, and becomes what
 * it is; to read it first would cost as much as the atomic operation. 0: not as
 * far as was seen. Acquire: what was done before the permits were released.
 */
KSYNC_INLINE int ksync_inline_fewer(struct ksync_inline_cell *cell,
				    uint64_t *seen, uint32_t n)
{
	uint64_t word = *seen, next;

	while (!(word & KSYNC_INLINE_SEM_WAITERS) &&
	       (word & KSYNC_INLINE_SEM_VALUE) >= n) {
		next = word - n;
		KSYNC_INLINE_KEEP(next);
		if (__atomic_compare_exchange_n(&cell->state, &word, next, 0,
						__ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			*seen = next;
			return 1;
		}
	}
	*seen = word;
	return 0;
}

/* semaphore: @n permits more, if the maximum allows it and nobody waits. */
KSYNC_INLINE int ksync_inline_more(struct ksync_inline_cell *cell,
				   uint64_t *seen, uint32_t n)
{
	uint64_t word = *seen, next;
	uint32_t value, max;

	for (;;) {
		value = (uint32_t)word & KSYNC_INLINE_SEM_VALUE;
		max = KSYNC_INLINE_SEM_MAX(word);
		if ((word & KSYNC_INLINE_SEM_WAITERS) || value > max ||
		    n > max - value)
			break;
		next = word + n;
		KSYNC_INLINE_KEEP(next);
		if (__atomic_compare_exchange_n(&cell->state, &word, next, 0,
						__ATOMIC_RELEASE,
						__ATOMIC_RELAXED)) {
			*seen = next;
			return 1;
		}
	}
	*seen = word;
	return 0;
}

/* semaphore: 0: nothing was done, and the backend must try. */
KSYNC_INLINE int ksync_inline_acquire(const struct ksync_inline *h, uint32_t n)
{
	struct ksync_fast *f = ksync_inline_fast(h);
	uint64_t seen;
	int done;

	if (!n || KSYNC_INLINE_UNLIKELY(!ksync_inline_known(h, f)))
		return 0;
	seen = f->seen;
	done = ksync_inline_fewer(h->cell, &seen, n);
	f->seen = seen;
	if (KSYNC_INLINE_LIKELY(done))
		KSYNC_INLINE_COUNT(&h->cell->count);
	return done;
}

KSYNC_INLINE int ksync_inline_release(const struct ksync_inline *h, uint32_t n)
{
	struct ksync_fast *f = ksync_inline_fast(h);
	uint64_t seen;
	int done;

	if (!n || KSYNC_INLINE_UNLIKELY(!ksync_inline_known(h, f)))
		return 0;
	seen = f->seen;
	done = ksync_inline_more(h->cell, &seen, n);
	f->seen = seen;
	return done;
}

/*
 * wait group: @delta members more, likewise. The round that ends is numbered by
 * less than half of what there is room for; beyond, and with waiters, losses or
 * bound members, the backend must do it. Acquire and release: who waits sees
 * what all members did before they were done.
 */
KSYNC_INLINE int ksync_inline_join(struct ksync_inline_cell *cell,
				   uint64_t *seen, int32_t delta)
{
	uint64_t word = *seen, next;
	int64_t count;

	if (KSYNC_INLINE_UNLIKELY(__atomic_load_n(&cell->bound,
						  __ATOMIC_RELAXED)))
		return 0;
	do {
		*seen = word;
		count = (int64_t)(word & KSYNC_INLINE_WG_COUNT) + delta;
		if (count < 0 || count > (int64_t)KSYNC_INLINE_WG_COUNT)
			return 0;
		next = word + (uint64_t)(int64_t)delta;
		if (!count)
			next += KSYNC_INLINE_WG_ROUND_ONE;
		if ((word | next) & KSYNC_INLINE_WG_FLAGS)
			return 0;
	} while (!__atomic_compare_exchange_n(&cell->state, &word, next, 0,
					      __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	*seen = next;
	return 1;
}

KSYNC_INLINE int ksync_inline_add(const struct ksync_inline *h, int32_t delta)
{
	struct ksync_fast *f = ksync_inline_fast(h);
	uint64_t seen;
	int done;

	if (!delta || KSYNC_INLINE_UNLIKELY(!ksync_inline_known(h, f)))
		return 0;
	seen = f->seen;
	done = ksync_inline_join(h->cell, &seen, delta);
	f->seen = seen;
	return done;
}

/*
 * The rest of what the functions without "slow" do. NULL is allowed. @left is
 * what ksync_inline_read() gave; @only: tries.
 */
KSYNC_API int ksync_slow_mutex_lock(struct ksync_mutex *m);
KSYNC_API int ksync_slow_mutex_trylock(struct ksync_mutex *m);
KSYNC_API int ksync_slow_mutex_unlock(struct ksync_mutex *m);
KSYNC_API int ksync_slow_rwlock_rdlock(struct ksync_rwlock *rw, uint32_t left,
				       int only);
KSYNC_API int ksync_slow_rwlock_unlock(struct ksync_rwlock *rw);
KSYNC_API int ksync_slow_sem_acquire(struct ksync_sem *s, uint32_t n);
KSYNC_API int ksync_slow_sem_tryacquire(struct ksync_sem *s, uint32_t n);
KSYNC_API int ksync_slow_sem_release(struct ksync_sem *s, uint32_t n);
KSYNC_API int ksync_slow_waitgroup_add(struct ksync_waitgroup *wg,
				       int32_t delta);

/* The whole call, in whatever function. */
KSYNC_INLINE int ksync_inline_mutex_lock(struct ksync_mutex *m)
{
	if (KSYNC_INLINE_LIKELY(m && ksync_inline_lock(KSYNC_INLINE_OF(m))))
		return 0;
	return ksync_slow_mutex_lock(m);
}

KSYNC_INLINE int ksync_inline_mutex_trylock(struct ksync_mutex *m)
{
	if (KSYNC_INLINE_LIKELY(m && ksync_inline_lock(KSYNC_INLINE_OF(m))))
		return 0;
	return ksync_slow_mutex_trylock(m);
}

KSYNC_INLINE int ksync_inline_mutex_unlock(struct ksync_mutex *m)
{
	if (KSYNC_INLINE_LIKELY(m && ksync_inline_unlock(KSYNC_INLINE_OF(m))))
		return 0;
	return ksync_slow_mutex_unlock(m);
}

KSYNC_INLINE int ksync_inline_rwlock_rdlock(struct ksync_rwlock *rw, int only)
{
	uint32_t left = KSYNC_HOLD_EXCL;

	if (KSYNC_INLINE_LIKELY(rw != 0))
		left = ksync_inline_read(KSYNC_INLINE_OF(rw));
	if (KSYNC_INLINE_LIKELY(!left))
		return 0;
	return ksync_slow_rwlock_rdlock(rw, left, only);
}

KSYNC_INLINE int ksync_inline_rwlock_unlock(struct ksync_rwlock *rw)
{
	if (KSYNC_INLINE_LIKELY(rw && ksync_inline_unread(KSYNC_INLINE_OF(rw))))
		return 0;
	return ksync_slow_rwlock_unlock(rw);
}

KSYNC_INLINE int ksync_inline_sem_acquire(struct ksync_sem *s, uint32_t n)
{
	if (KSYNC_INLINE_LIKELY(s && ksync_inline_acquire(KSYNC_INLINE_OF(s),
							  n)))
		return 0;
	return ksync_slow_sem_acquire(s, n);
}

KSYNC_INLINE int ksync_inline_sem_tryacquire(struct ksync_sem *s, uint32_t n)
{
	if (KSYNC_INLINE_LIKELY(s && ksync_inline_acquire(KSYNC_INLINE_OF(s),
							  n)))
		return 0;
	return ksync_slow_sem_tryacquire(s, n);
}

KSYNC_INLINE int ksync_inline_sem_release(struct ksync_sem *s, uint32_t n)
{
	if (KSYNC_INLINE_LIKELY(s && ksync_inline_release(KSYNC_INLINE_OF(s),
							  n)))
		return 0;
	return ksync_slow_sem_release(s, n);
}

KSYNC_INLINE int ksync_inline_waitgroup_add(struct ksync_waitgroup *wg,
					    int32_t delta)
{
	if (KSYNC_INLINE_LIKELY(wg && ksync_inline_add(KSYNC_INLINE_OF(wg),
						       delta)))
		return 0;
	return ksync_slow_waitgroup_add(wg, delta);
}

/* Who optimizes, but not for size, gets it. */
#if !defined(KSYNC_NO_INLINE) && defined(__OPTIMIZE__) && \
	!defined(__OPTIMIZE_SIZE__)
KSYNC_INLINE int ksync_mutex_lock(struct ksync_mutex *m)
{
	return ksync_inline_mutex_lock(m);
}

KSYNC_INLINE int ksync_mutex_trylock(struct ksync_mutex *m)
{
	return ksync_inline_mutex_trylock(m);
}

KSYNC_INLINE int ksync_mutex_unlock(struct ksync_mutex *m)
{
	return ksync_inline_mutex_unlock(m);
}

KSYNC_INLINE int ksync_rwlock_rdlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_rdlock(rw, 0);
}

KSYNC_INLINE int ksync_rwlock_tryrdlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_rdlock(rw, 1);
}

KSYNC_INLINE int ksync_rwlock_unlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_unlock(rw);
}

KSYNC_INLINE int ksync_sem_acquire(struct ksync_sem *s, uint32_t n)
{
	return ksync_inline_sem_acquire(s, n);
}

KSYNC_INLINE int ksync_sem_tryacquire(struct ksync_sem *s, uint32_t n)
{
	return ksync_inline_sem_tryacquire(s, n);
}

KSYNC_INLINE int ksync_sem_release(struct ksync_sem *s, uint32_t n)
{
	return ksync_inline_sem_release(s, n);
}

KSYNC_INLINE int ksync_waitgroup_add(struct ksync_waitgroup *wg, int32_t delta)
{
	return ksync_inline_waitgroup_add(wg, delta);
}

KSYNC_INLINE int ksync_waitgroup_done(struct ksync_waitgroup *wg)
{
	return ksync_inline_waitgroup_add(wg, -1);
}
#endif

#ifdef __cplusplus
}
#endif

#endif /* KSYNC_INLINE_H */
