/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of a mutex and an rwlock: pure transitions.
 *
 * Every function takes the word as it was, and changes it to what it shall
 * become or says why that cannot be. ksync_update() in word.h makes that an
 * atomic step, so that it stays right whoever else changes the word.
 *
 *	             lock                      unlock
 *	   +------+ -------> +------------+ --------> +------+
 *	   | free |          | held by id |           | free |
 *	   +------+          +------------+           +------+
 *	                       | id dies
 *	                       v
 *	+-----------+  lock  +------------+ consistent
 *	| free,DEAD | -----> | held, DEAD | ----------> held by id
 *	+-----------+ <----- +------------+
 *	              dies     | unlock
 *	                       v
 *	                     +------+
 *	                     | LOST |  for good
 *	                     +------+
 *
 * "held" is one exclusive holder (its id). An rwlock also has "held by n
 * readers" in place of free: the count is nonzero only while the id is zero.
 */
#ifndef KSYNC_LOCK_WORD_H
#define KSYNC_LOCK_WORD_H

#include <linux/errno.h>
#include <linux/types.h>
#include <linux/ksync.h>

static inline u32 lock_word_id(u64 word)
{
	return word & KSYNC_LOCK_ID;
}

static inline u32 lock_word_readers(u64 word)
{
	return (word & KSYNC_LOCK_READERS) / KSYNC_LOCK_READER;
}

/* What an acquisition returns that was granted on this word. */
static inline int lock_word_result(u64 word)
{
	return word & KSYNC_LOCK_DEAD ? -EOWNERDEAD : 0;
}

/*
 * Exclusive acquisition by @id. A newcomer (not @queued) does not overtake the
 * queue if @in_order.
 */
static inline int lock_word_acquire(u64 *word, u32 id, bool queued,
				    bool in_order)
{
	if (*word & KSYNC_LOCK_LOST)
		return -ENOTRECOVERABLE;
	if (*word & (KSYNC_LOCK_ID | KSYNC_LOCK_READERS))
		return -EBUSY;
	if (in_order && !queued && (*word & KSYNC_LOCK_WAITERS))
		return -EBUSY;
	*word |= id;
	return lock_word_result(*word);
}

/*
 * The exclusive holder @id lets go, to @next (0: to nobody). An inconsistent
 * lock becomes LOST and goes to nobody.
 */
static inline int lock_word_release(u64 *word, u32 id, u32 next)
{
	if (!id || lock_word_id(*word) != id)
		return -EPERM;
	*word &= ~KSYNC_LOCK_ID;
	if (*word & KSYNC_LOCK_DEAD) {
		*word &= ~KSYNC_LOCK_DEAD;
		*word |= KSYNC_LOCK_LOST;
	} else {
		*word |= next;
	}
	return 0;
}

/* Undoes an acquisition by @id that nobody knows of. */
static inline int lock_word_unacquire(u64 *word, u32 id)
{
	if (!id || lock_word_id(*word) != id)
		return -EPERM;
	*word &= ~KSYNC_LOCK_ID;
	return 0;
}

/* The exclusive holder @id died; @next has the lock now, inconsistent. */
static inline int lock_word_die(u64 *word, u32 id, u32 next)
{
	if (!id || lock_word_id(*word) != id)
		return -EPERM;
	*word = (*word & ~KSYNC_LOCK_ID) | KSYNC_LOCK_DEAD | next;
	return 0;
}

static inline int lock_word_consistent(u64 *word, u32 id)
{
	if (!id || lock_word_id(*word) != id)
		return -EPERM;
	if (!(*word & KSYNC_LOCK_DEAD))
		return -EINVAL;
	*word &= ~KSYNC_LOCK_DEAD;
	return 0;
}

/*
 * A newcomer waits behind writers that wait; not so who reads already or has
 * its @turn.
 */
static inline int lock_word_read(u64 *word, bool turn)
{
	if (*word & KSYNC_LOCK_LOST)
		return -ENOTRECOVERABLE;
	if (*word & KSYNC_LOCK_ID)
		return -EBUSY;
	if (!turn && (*word & KSYNC_LOCK_WRITER_WAITS))
		return -EBUSY;
	if ((*word & KSYNC_LOCK_READERS) == KSYNC_LOCK_READERS)
		return -EOVERFLOW;
	*word += KSYNC_LOCK_READER;
	return lock_word_result(*word);
}

/* @n read holds are given up. */
static inline int lock_word_unread(u64 *word, u32 n)
{
	if (lock_word_readers(*word) < n)
		return -EPERM;
	*word -= n * KSYNC_LOCK_READER;
	return 0;
}

/* The writer @id becomes a reader. */
static inline int lock_word_downgrade(u64 *word, u32 id)
{
	if (!id || lock_word_id(*word) != id)
		return -EPERM;
	*word = (*word & ~(KSYNC_LOCK_ID | KSYNC_LOCK_READERS)) +
		KSYNC_LOCK_READER;
	return 0;
}

/* A reader becomes the writer @id, if its is the only read hold. */
static inline int lock_word_upgrade(u64 *word, u32 id)
{
	if (*word & KSYNC_LOCK_ID)
		return -EPERM;
	if (lock_word_readers(*word) != 1)
		return -EBUSY;
	*word = (*word & ~KSYNC_LOCK_READERS) | id;
	return lock_word_result(*word);
}

/* Readers in slots order what they do by themselves from now on, or need not. */
static inline int lock_word_fence(u64 *word)
{
	*word |= KSYNC_LOCK_FENCED;
	return 0;
}

static inline int lock_word_unfence(u64 *word)
{
	if (*word & ~(KSYNC_LOCK_FENCED | KSYNC_LOCK_READERS))
		return -EBUSY;
	*word &= ~KSYNC_LOCK_FENCED;
	return 0;
}

/* What the flags say about the queue. */
static inline int lock_word_waiters(u64 *word, bool writers, bool any)
{
	*word &= ~(KSYNC_LOCK_WRITER_WAITS | KSYNC_LOCK_WAITERS);
	if (writers)
		*word |= KSYNC_LOCK_WRITER_WAITS;
	if (any)
		*word |= KSYNC_LOCK_WAITERS;
	return 0;
}

#endif /* KSYNC_LOCK_WORD_H */
