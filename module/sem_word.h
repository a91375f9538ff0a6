/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of a semaphore: pure transitions, as in lock_word.h.
 *
 *	acquire n: value -= n, if value >= n and nobody waits (or it is our turn)
 *	release n: value += n, if that is not above max
 */
#ifndef KSYNC_SEM_WORD_H
#define KSYNC_SEM_WORD_H

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <linux/ksync.h>

static inline u32 sem_word_value(u64 word)
{
	return word & KSYNC_SEM_VALUE;
}

static inline u32 sem_word_max(u64 word)
{
	return (word & KSYNC_SEM_MAX) >> KSYNC_SEM_MAX_SHIFT;
}

static inline u64 sem_word_init(u32 value, u32 max)
{
	return (u64)max << KSYNC_SEM_MAX_SHIFT | value;
}

static inline int sem_word_acquire(u64 *word, u32 n, bool queued)
{
	if (!n || n > sem_word_max(*word))
		return -EINVAL;
	if (!queued && (*word & KSYNC_SEM_WAITERS))
		return -EBUSY;
	if (sem_word_value(*word) < n)
		return -EBUSY;
	*word -= n;
	return 0;
}

static inline int sem_word_release(u64 *word, u32 n)
{
	u32 value = sem_word_value(*word), max = sem_word_max(*word);

	if (!n)
		return -EINVAL;
	/* A scribbled word may have a value above max already. */
	if (value > max || n > max - value)
		return -EOVERFLOW;
	*word += n;
	return 0;
}

/*
 * Undoes an acquisition that nobody knows of. Permits that a smaller maximum
 * has no room for any more are gone.
 */
static inline int sem_word_unacquire(u64 *word, u32 n)
{
	u32 value = sem_word_value(*word), max = sem_word_max(*word);

	if (value < max)
		*word += min(n, max - value);
	return 0;
}

/*
 * A new maximum. With @move every permit that is not free is held, so the free
 * ones change by as many as the maximum does.
 */
static inline int sem_word_resize(u64 *word, u32 max, bool move)
{
	u32 value = sem_word_value(*word), old = sem_word_max(*word);
	u64 flags = *word & KSYNC_SEM_WAITERS;

	if (!max || max > KSYNC_COUNT_MAX)
		return -EINVAL;
	if (move && max >= old)
		value = min_t(u64, (u64)value + (max - old), max);
	else if (move && value < old - max)
		return -EBUSY;
	else if (move)
		value -= old - max;
	if (value > max)
		return -EBUSY;
	*word = sem_word_init(value, max) | flags;
	return 0;
}

static inline int sem_word_waiters(u64 *word, bool any)
{
	*word &= ~KSYNC_SEM_WAITERS;
	if (any)
		*word |= KSYNC_SEM_WAITERS;
	return 0;
}

#endif /* KSYNC_SEM_WORD_H */
