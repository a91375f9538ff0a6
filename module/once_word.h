/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of a once: pure transitions, as in lock_word.h.
 *
 *	           begin                    complete
 *	  idle --------------> run by id --------------> DONE
 *	   ^ ^                  |    |                    |
 *	   | |     abandon      |    | id dies            | reset
 *	   | '------------------'    v                    |
 *	   |                     idle, DEAD: the next     |
 *	   |                     runner is told           |
 *	   '----------------------------------------------'
 *
 * DEAD stays until somebody completes, whoever gives up in between.
 */
#ifndef KSYNC_ONCE_WORD_H
#define KSYNC_ONCE_WORD_H

#include <linux/errno.h>
#include <linux/types.h>
#include <linux/ksync.h>

static inline u32 once_word_id(u64 word)
{
	return word & KSYNC_ONCE_ID;
}

static inline u32 once_word_runs(u64 word)
{
	return (word & KSYNC_ONCE_RUNS) / KSYNC_ONCE_RUN;
}

/* @id runs it from now on. */
static inline int once_word_begin(u64 *word, u32 id)
{
	u64 runs = *word + KSYNC_ONCE_RUN;

	if (*word & KSYNC_ONCE_DONE)
		return -EALREADY;
	if (*word & KSYNC_ONCE_ID)
		return -EBUSY;
	*word = (*word & ~KSYNC_ONCE_RUNS) | (runs & KSYNC_ONCE_RUNS) | id;
	return *word & KSYNC_ONCE_DEAD ? -EOWNERDEAD : 0;
}

/* The runner @id is at its end, and it is @done or not. */
static inline int once_word_end(u64 *word, u32 id, bool done)
{
	if (!id || once_word_id(*word) != id)
		return -EPERM;
	*word &= ~KSYNC_ONCE_ID;
	if (done)
		*word = (*word & ~KSYNC_ONCE_DEAD) | KSYNC_ONCE_DONE;
	return 0;
}

static inline int once_word_die(u64 *word, u32 id)
{
	if (!id || once_word_id(*word) != id)
		return -EPERM;
	*word = (*word & ~KSYNC_ONCE_ID) | KSYNC_ONCE_DEAD;
	return 0;
}

static inline int once_word_reset(u64 *word)
{
	if (*word & KSYNC_ONCE_ID)
		return -EBUSY;
	*word &= ~KSYNC_ONCE_DONE;
	return 0;
}

static inline int once_word_waiters(u64 *word, bool any)
{
	*word &= ~KSYNC_ONCE_WAITERS;
	if (any)
		*word |= KSYNC_ONCE_WAITERS;
	return 0;
}

#endif /* KSYNC_ONCE_WORD_H */
