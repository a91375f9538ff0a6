/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State words in memory: how a pure transition becomes an atomic step.
 */
#ifndef KSYNC_WORD_H
#define KSYNC_WORD_H

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/ksync.h>

static inline atomic64_t *ksync_cell_word(union ksync_cell *cell)
{
	static_assert(sizeof(atomic64_t) == sizeof(cell->state));
	static_assert(sizeof(*cell) == 64);
	return (atomic64_t *)&cell->state;
}

static inline u64 ksync_cell_read(union ksync_cell *cell)
{
	return atomic64_read(ksync_cell_word(cell));
}

/* Did a transition change the word? */
static inline bool ksync_changed(int ret)
{
	return ret >= 0 || ret == -EOWNERDEAD;
}

/*
 * Runs the transition @step, an expression that works on the variable @word and
 * gives an errno, until the outcome is in the cell, or cannot be. Afterwards
 * @word is the word as it became, or as it was if @step failed. Fully ordered
 * when it changes the word.
 */
#define ksync_update(cell, word, step)					\
({									\
	atomic64_t *__p = ksync_cell_word(cell);			\
	s64 __old = atomic64_read(__p);					\
	int __ret;							\
									\
	do {								\
		(word) = __old;						\
		__ret = (step);						\
		if (!ksync_changed(__ret)) {				\
			(word) = __old;					\
			break;						\
		}							\
		if ((word) == (u64)__old)				\
			break;						\
	} while (!atomic64_try_cmpxchg(__p, &__old, (word)));		\
	__ret;								\
})

#endif /* KSYNC_WORD_H */
