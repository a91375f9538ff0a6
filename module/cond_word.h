/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of a condition: pure transitions, as in lock_word.h. It counts
 * signals, so that who was away can tell whether there were any.
 */
#ifndef KSYNC_COND_WORD_H
#define KSYNC_COND_WORD_H

#include <linux/types.h>
#include <linux/ksync.h>

static inline u64 cond_word_signals(u64 word)
{
	return word & KSYNC_COND_SIGNALS;
}

static inline int cond_word_signal(u64 *word)
{
	*word = (*word & KSYNC_COND_WAITERS) | ((*word + 1) & KSYNC_COND_SIGNALS);
	return 0;
}

static inline int cond_word_waiters(u64 *word, bool any)
{
	*word &= ~KSYNC_COND_WAITERS;
	if (any)
		*word |= KSYNC_COND_WAITERS;
	return 0;
}

#endif /* KSYNC_COND_WORD_H */
