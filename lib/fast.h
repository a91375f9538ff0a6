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
KSYNC_FAST_SAME(KSYNC_INLINE_SEM_VALUE, KSYNC_SEM_VALUE);
KSYNC_FAST_SAME(KSYNC_INLINE_SEM_WAITERS, KSYNC_SEM_WAITERS);
KSYNC_FAST_SAME(KSYNC_INLINE_SEM_MAX(KSYNC_SEM_MAX),
		KSYNC_SEM_MAX >> KSYNC_SEM_MAX_SHIFT);
KSYNC_FAST_SAME(KSYNC_INLINE_WG_COUNT, KSYNC_WG_COUNT);
KSYNC_FAST_SAME(KSYNC_INLINE_WG_ROUND_ONE, KSYNC_WG_ROUND_ONE);
KSYNC_FAST_SAME(KSYNC_INLINE_WG_FLAGS,
		KSYNC_WG_LOSS | KSYNC_WG_WAITERS | 1ULL << 62);
#ifdef __LP64__
KSYNC_FAST_AT(ksync_fast, tag, 0);
KSYNC_FAST_AT(ksync_fast, hold, 8);
KSYNC_FAST_AT(ksync_fast, seen, 8);
KSYNC_FAST_AT(ksync_fast, idle, 16);
KSYNC_FAST_AT(ksync_fast, id, 24);
KSYNC_FAST_AT(ksync_fast, fenced, 28);
KSYNC_FAST_AT(ksync_inline, tag, 0);
KSYNC_FAST_AT(ksync_inline, cell, 8);
#endif
static_assert(KSYNC_FAST_PLACE(~0ULL) / 32 == KSYNC_FAST_NR - 1 &&
	      sizeof(struct ksync_fast) <= 32, "layout 1");

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

/* Tags are never reused, and not 0: serial numbers begin at 1. */
static inline uint64_t ksync_fast_tag(uint64_t serial, uint32_t index)
{
	return serial << 29 | (uint64_t)index << 9 |
	       ((serial ^ index) % KSYNC_FAST_NR) << 5;
}

#define KSYNC_FAST_SIZE		(KSYNC_FAST_NR * sizeof(struct ksync_fast))

/*
 * fast.c: what threads remember. The memory for it is the backend's. Without any,
 * a thread remembers nothing, and everything goes by call.
 *
 * map		new memory that the kernel wipes at fork; NULL if there is none
 * use		the caller remembers in this memory of KSYNC_FAST_SIZE, and nothing
 *		as yet; NULL: in none
 * used		it has some; in a child, of its parent's
 * lock_is	it remembers a lock, with its note of that, that note's word when
 *		nothing is held, and its id
 * word_is	it remembers a semaphore's or wait group's word
 * drop		it forgets what has this note
 */
void *ksync_fast_map(size_t size);
void ksync_fast_use(void *memory);
bool ksync_fast_used(void);
void ksync_fast_lock_is(uint64_t tag, void *hold, uint64_t idle, uint32_t id);
void ksync_fast_word_is(uint64_t tag, uint64_t word);
void ksync_fast_drop(const void *hold);

/*
 * So many reads of a thread with a fence until it asks the backend, which may see
 * to it that fences are left out again.
 */
#define KSYNC_FAST_ASK	256U

/* In the word: may keep a reader out, or has to be told to it. */
#define KSYNC_FAST_IN_THE_WAY						\
	(KSYNC_LOCK_ID | KSYNC_LOCK_LOST | KSYNC_LOCK_DEAD |		\
	 KSYNC_LOCK_WRITER_WAITS | KSYNC_LOCK_WAITERS)

/*
 * The rest of ksync_inline_read(). False: the backend must do it; the key says
 * that there is more to it.
 */
static inline bool ksync_fast_read_fenced(struct ksync_fast *f,
					  const struct ksync_lock_cell *cell)
{
	/* Pairs with the atomic operation that put a writer in the word. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Acquire: what the last writer did. */
	if (!(__atomic_load_n(&cell->state, __ATOMIC_ACQUIRE) &
	      KSYNC_FAST_IN_THE_WAY) && ++f->fenced % KSYNC_FAST_ASK)
		return true;
	__atomic_store_n(&f->hold->word,
			 f->idle | KSYNC_HOLD_IN_WORD(KSYNC_HOLD_LEFT),
			 __ATOMIC_RELEASE);
	return false;
}

/*
 * The rest of ksync_inline_unread(), if that has withdrawn the hold. False: the
 * backend must do it.
 */
static inline bool ksync_fast_unread_fenced(struct ksync_fast *f,
					    const struct ksync_lock_cell *cell)
{
	if (!ksync_inline_hold_is(f->hold, f->idle |
				  KSYNC_HOLD_IN_WORD(KSYNC_HOLD_LEFT)))
		return false;
	/*
	 * The hold was withdrawn before. Pairs with the atomic operation that
	 * said in the word that somebody waits.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&cell->state, __ATOMIC_RELAXED) &
	    (KSYNC_LOCK_WAITERS | KSYNC_LOCK_WRITER_WAITS))
		return false;
	__atomic_store_n(&f->hold->word, f->idle, __ATOMIC_RELAXED);
	return true;
}

#endif /* KSYNC_FAST_H */
