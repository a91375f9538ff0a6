/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The fast path: what is done to the word of a primitive when nobody is in the
 * way, without a system call. It stands in ksync_inline.h, since programs have
 * it compiled into them; here is what only the library knows of it. Both backends
 * use it on the same words; what they note elsewhere before and after, so that a
 * death is found, is theirs.
 */
#ifndef KSYNC_FAST_H
#define KSYNC_FAST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ksync.h>

#include "ksync.h"
#include "ksync_inline.h"

/* What is not the fast path, kept out of its way. */
#define KSYNC_SLOW		__attribute__((noinline, cold))

#define ksync_fast_barrier()	KSYNC_INLINE_BARRIER()

/*
 * After an atomic read-modify-write: makes a full barrier of it, which on x86 it
 * is. Elsewhere later loads could be done before its store.
 */
#if defined(__x86_64__) || defined(__i386__)
#define ksync_fast_fence_after_rmw()	ksync_fast_barrier()
#else
#define ksync_fast_fence_after_rmw()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* What programs were told, once and for all. */
#define KSYNC_FAST_SAME(a, b)	static_assert((a) == (b), "layout 1")
#define KSYNC_FAST_AT(type, member, at)	\
	KSYNC_FAST_SAME(offsetof(struct type, member), at)
KSYNC_FAST_AT(ksync_lock_cell, state, 0);
KSYNC_FAST_AT(ksync_lock_cell, token, 8);
KSYNC_FAST_AT(ksync_sem_cell, acquired, 8);
KSYNC_FAST_AT(ksync_waitgroup_cell, bound, 24);
KSYNC_FAST_AT(ksync_inline_cell, state, 0);
KSYNC_FAST_AT(ksync_inline_cell, count, 8);
KSYNC_FAST_AT(ksync_inline_cell, bound, 24);
KSYNC_FAST_SAME(KSYNC_INLINE_WRITER_WAITS, KSYNC_LOCK_WRITER_WAITS >> 32);
KSYNC_FAST_SAME(KSYNC_INLINE_SEM_VALUE, KSYNC_SEM_VALUE);
KSYNC_FAST_SAME(KSYNC_INLINE_SEM_WAITERS, KSYNC_SEM_WAITERS);
KSYNC_FAST_SAME(KSYNC_INLINE_SEM_MAX(KSYNC_SEM_MAX),
		KSYNC_SEM_MAX >> KSYNC_SEM_MAX_SHIFT);
KSYNC_FAST_SAME(KSYNC_INLINE_WG_COUNT, KSYNC_WG_COUNT);
KSYNC_FAST_SAME(KSYNC_INLINE_WG_ROUND_ONE, KSYNC_WG_ROUND_ONE);
KSYNC_FAST_SAME(KSYNC_INLINE_WG_FLAGS,
		KSYNC_WG_LOSS | KSYNC_WG_WAITERS | 1ULL << 62);
KSYNC_FAST_AT(ksync_hold, key, 0);
KSYNC_FAST_AT(ksync_hold, count, 4);
KSYNC_FAST_AT(ksync_hold, reads, 8);
#ifdef __LP64__
KSYNC_FAST_AT(ksync_fast, tag, 0);
KSYNC_FAST_AT(ksync_fast, hold, 8);
KSYNC_FAST_AT(ksync_fast, seen, 8);
KSYNC_FAST_AT(ksync_fast, id, 16);
KSYNC_FAST_AT(ksync_fast, idle, 20);
KSYNC_FAST_AT(ksync_inline, tag, 0);
KSYNC_FAST_AT(ksync_inline, epoch, 8);
KSYNC_FAST_AT(ksync_inline, cell, 16);
KSYNC_FAST_AT(ksync_inline, place, 24);
#endif

#define ksync_fast_cell(cell)	((struct ksync_inline_cell *)(cell))

/* For what is noted elsewhere: as in ksync_inline.h. */
static inline bool ksync_fast_lock(struct ksync_lock_cell *cell, uint32_t id)
{
	return ksync_inline_take(ksync_fast_cell(cell), id);
}

static inline uint32_t ksync_fast_unlock(struct ksync_lock_cell *cell)
{
	return ksync_inline_give(ksync_fast_cell(cell));
}

static inline bool ksync_fast_acquire(struct ksync_sem_cell *cell,
				      uint64_t *seen, uint32_t n)
{
	return ksync_inline_fewer(ksync_fast_cell(cell), seen, n);
}

static inline bool ksync_fast_release(struct ksync_sem_cell *cell,
				      uint64_t *seen, uint32_t n)
{
	return ksync_inline_more(ksync_fast_cell(cell), seen, n);
}

/* wait group: is nothing to be waited for, and nothing to be told? */
static inline bool ksync_fast_over(struct ksync_waitgroup_cell *cell)
{
	/* Acquire: pairs with the release in ksync_inline_join(). */
	return !(__atomic_load_n(&cell->state, __ATOMIC_ACQUIRE) &
		 (KSYNC_WG_COUNT | KSYNC_WG_LOSS));
}

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

static inline int64_t ksync_fast_place(uint64_t tag)
{
	return (char *)&ksync_fast_self[(tag ^ tag >> 20) % KSYNC_FAST_NR] -
	       (char *)__builtin_thread_pointer();
}

/* fast.c: a place for the backend to fill in; the tag is there. */
struct ksync_fast *ksync_fast_claim(uint64_t tag);

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

/* False: the backend must do it; the key says if there is more to it. */
static inline bool ksync_fast_rwlock_read_fenced(struct ksync_fast *f,
						 struct ksync_lock_cell *cell)
{
	struct ksync_hold *hold = f->hold;

	/* Pairs with the atomic operation that put a writer in the word. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Acquire: what the last writer did. */
	if (__atomic_load_n(&cell->state, __ATOMIC_ACQUIRE) ==
	    KSYNC_LOCK_FENCED && !ksync_fast_calm(cell, &hold->round)) {
		KSYNC_INLINE_COUNT(&hold->reads);
		return true;
	}
	__atomic_store_n(&hold->key, f->idle | KSYNC_HOLD_LEFT,
			 __ATOMIC_RELEASE);
	return false;
}

#endif /* KSYNC_FAST_H */
