/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of an event: pure transitions, as in lock_word.h.
 *
 *	           set                      (change)
 *	+-------+ --------------> +-----+
 *	| unset |                 | set |
 *	+-------+ <-------------- +-----+
 *	           reset                    (change)
 *	           taken, auto reset only   (no change)
 *
 * The changes are counted, so that who took an event can tell whether putting
 * it back would undo something that others did since.
 */
#ifndef KSYNC_EVENT_WORD_H
#define KSYNC_EVENT_WORD_H

#include <linux/errno.h>
#include <linux/types.h>
#include <linux/ksync.h>

static inline u32 event_word_changes(u64 word)
{
	return word / KSYNC_EVENT_CHANGE;
}

/* With somebody in the queue it has to be @locked: -EAGAIN. */
static inline int event_word_set(u64 *word, bool locked)
{
	if (*word & KSYNC_EVENT_SET)
		return 0;
	if (!locked && (*word & KSYNC_EVENT_WAITERS))
		return -EAGAIN;
	*word = (*word | KSYNC_EVENT_SET) + KSYNC_EVENT_CHANGE;
	return 0;
}

static inline int event_word_reset(u64 *word, bool locked)
{
	if (!locked && (*word & KSYNC_EVENT_WAITERS))
		return -EAGAIN;
	*word = (*word & ~KSYNC_EVENT_SET) + KSYNC_EVENT_CHANGE;
	return 0;
}

/* A wait is over. A newcomer (not @queued) does not overtake the queue. */
static inline int event_word_take(u64 *word, bool reset, bool queued)
{
	if (!(*word & KSYNC_EVENT_SET))
		return -EBUSY;
	if (!reset)
		return 0;
	if (!queued && (*word & KSYNC_EVENT_WAITERS))
		return -EBUSY;
	*word &= ~KSYNC_EVENT_SET;
	return 0;
}

/*
 * Undoes a take that resulted in a word with so many @changes. Whatever changed
 * the event since would have done so without the take, and stays as it is.
 */
static inline int event_word_untake(u64 *word, u32 changes)
{
	if (event_word_changes(*word) == changes)
		*word |= KSYNC_EVENT_SET;
	return 0;
}

static inline int event_word_waiters(u64 *word, bool any)
{
	*word &= ~KSYNC_EVENT_WAITERS;
	if (any)
		*word |= KSYNC_EVENT_WAITERS;
	return 0;
}

#endif /* KSYNC_EVENT_WORD_H */
