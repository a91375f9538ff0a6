/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of a barrier: pure transitions, as in lock_word.h.
 *
 *	               arrive                    the last arrives
 *	  round r, 0 ----------> round r, n of m -----------------> round r + 1, 0
 *	     |                        |
 *	     | give up, leave, die    |
 *	     '-----------> BROKEN <---'
 *	                     | reset
 *	                     '----------> round r + 1, 0
 */
#ifndef KSYNC_BARRIER_WORD_H
#define KSYNC_BARRIER_WORD_H

#include <linux/errno.h>
#include <linux/types.h>
#include <linux/ksync.h>

#define BARRIER_HISTORY 64	/* rounds */

static inline u32 barrier_word_arrived(u64 word)
{
	return word & KSYNC_BARRIER_ARRIVED;
}

static inline u32 barrier_word_round(u64 word)
{
	return (word & KSYNC_BARRIER_ROUND) / KSYNC_BARRIER_ROUND_ONE;
}

static inline void barrier_word_next(u64 *word)
{
	*word = (*word + KSYNC_BARRIER_ROUND_ONE) & KSYNC_BARRIER_ROUND;
}

/* One party more: 1 if it is the last one, and so the round is over. */
static inline int barrier_word_arrive(u64 *word, u32 parties)
{
	if (*word & KSYNC_BARRIER_BROKEN)
		return -EPIPE;
	if (barrier_word_arrived(*word) < parties - 1) {
		*word += 1;
		return 0;
	}
	barrier_word_next(word);
	return 1;
}

static inline int barrier_word_break(u64 *word)
{
	if (*word & KSYNC_BARRIER_BROKEN)
		return -EPIPE;
	*word |= KSYNC_BARRIER_BROKEN;
	return 0;
}

/* 1 if there was something to put an end to. */
static inline int barrier_word_reset(u64 *word)
{
	if (!(*word & (KSYNC_BARRIER_BROKEN | KSYNC_BARRIER_ARRIVED)))
		return 0;
	barrier_word_next(word);
	return 1;
}

/*
 * What became of a round: -EINPROGRESS for the present one. Of rounds longer
 * ago than @history tells, that they were broken.
 */
static inline int barrier_word_outcome(u64 word, u64 history, u32 round)
{
	u32 ago = barrier_word_round(word) - round;

	ago &= KSYNC_BARRIER_ROUND / KSYNC_BARRIER_ROUND_ONE;
	if (!ago)
		return word & KSYNC_BARRIER_BROKEN ? -EPIPE : -EINPROGRESS;
	if (ago > BARRIER_HISTORY)
		return -EPIPE;
	return history >> (ago - 1) & 1 ? -EPIPE : 0;
}

#endif /* KSYNC_BARRIER_WORD_H */
