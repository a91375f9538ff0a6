/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of a wait group: pure transitions, as in lock_word.h.
 *
 *	            add n                          add -n, members die
 *	  idle ---------------> round r, n members --------------------> idle
 *	  (round r is next)                          down to zero        (r + 1)
 *
 * The number of the round grows when a round ends, so a waiter that joined
 * round r waits until the number is no longer r.
 */
#ifndef KSYNC_WG_WORD_H
#define KSYNC_WG_WORD_H

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <linux/ksync.h>

static inline u32 wg_word_count(u64 word)
{
	return word & KSYNC_WG_COUNT;
}

static inline u32 wg_word_round(u64 word)
{
	return (word & KSYNC_WG_ROUND) / KSYNC_WG_ROUND_ONE;
}

/* The count is zero: the round is over, and with it everybody's wait. */
static inline void wg_word_end(u64 *word)
{
	u64 round = *word + KSYNC_WG_ROUND_ONE;

	*word &= KSYNC_WG_LOSS;
	*word |= round & KSYNC_WG_ROUND;
}

static inline int wg_word_add(u64 *word, s32 delta)
{
	u32 count = wg_word_count(*word);

	if (delta < 0 && -(s64)delta > count)
		return -ERANGE;
	if (delta > 0 && delta > KSYNC_COUNT_MAX - count)
		return -EOVERFLOW;
	if (!delta)
		return 0;
	if (!count)
		*word &= ~(KSYNC_WG_LOSS | KSYNC_WG_WAITERS);
	*word = (*word & ~KSYNC_WG_COUNT) | (u32)(count + delta);
	if (!wg_word_count(*word))
		wg_word_end(word);
	return 0;
}

/* Members of round @round died; the number that really goes is in *@n. */
static inline int wg_word_lose(u64 *word, u32 round, u32 *n)
{
	u32 count = wg_word_count(*word);

	if (wg_word_round(*word) != round || !count)
		return -ESTALE;
	*n = min(*n, count);
	*word = ((*word & ~KSYNC_WG_COUNT) | (count - *n)) | KSYNC_WG_LOSS;
	if (!wg_word_count(*word))
		wg_word_end(word);
	return 0;
}

static inline int wg_word_waiters(u64 *word, bool any)
{
	*word &= ~KSYNC_WG_WAITERS;
	if (any)
		*word |= KSYNC_WG_WAITERS;
	return 0;
}

#endif /* KSYNC_WG_WORD_H */
