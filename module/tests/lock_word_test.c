// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the state word of mutexes and rwlocks.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "lock_word.h"

#define ME	7U
#define OTHER	9U
#define WAIT	KSYNC_LOCK_WAITERS
#define WWAIT	(KSYNC_LOCK_WRITER_WAITS | KSYNC_LOCK_WAITERS)
#define DEAD	KSYNC_LOCK_DEAD
#define LOST	KSYNC_LOCK_LOST
#define READERS_LOST (KSYNC_LOCK_READERS | LOST)
#define READS(n)	((u64)(n) * KSYNC_LOCK_READER)

static void acquire_takes_only_what_is_free(struct kunit *test)
{
	static const struct {
		u64 word;
		bool queued, in_order;
		int ret;
	} c[] = {
		{ 0, false, false, 0 },
		{ 0, true, true, 0 },
		{ WAIT, false, false, 0 },	/* barging */
		{ WAIT, false, true, -EBUSY },	/* in order */
		{ WAIT, true, true, 0 },
		{ DEAD, false, false, -EOWNERDEAD },
		{ DEAD | WAIT, true, true, -EOWNERDEAD },
		{ OTHER, false, false, -EBUSY },
		{ OTHER | DEAD, true, true, -EBUSY },
		{ READS(1), false, false, -EBUSY },
		{ READS(1), true, true, -EBUSY },
		{ LOST, false, false, -ENOTRECOVERABLE },
		{ LOST | WAIT, true, true, -ENOTRECOVERABLE },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		u64 word = c[i].word;
		int ret = lock_word_acquire(&word, ME, c[i].queued,
					    c[i].in_order);

		KUNIT_EXPECT_EQ(test, ret, c[i].ret);
		if (!ret || ret == -EOWNERDEAD)
			KUNIT_EXPECT_EQ(test, word, c[i].word | ME);
		else
			KUNIT_EXPECT_EQ(test, word, c[i].word);
	}
}

static void release_is_for_the_holder(struct kunit *test)
{
	u64 word = OTHER | WAIT;

	KUNIT_EXPECT_EQ(test, lock_word_release(&word, ME, 0), -EPERM);
	KUNIT_EXPECT_EQ(test, word, OTHER | WAIT);
	word = 0;
	KUNIT_EXPECT_EQ(test, lock_word_release(&word, ME, 0), -EPERM);
	/* An id of zero holds nothing, not even a free lock. */
	KUNIT_EXPECT_EQ(test, lock_word_release(&word, 0, 0), -EPERM);
	word = ME | WAIT;
	KUNIT_EXPECT_EQ(test, lock_word_release(&word, ME, 0), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT);
}

static void hand_over_is_never_free(struct kunit *test)
{
	u64 word = ME | WAIT;

	KUNIT_EXPECT_EQ(test, lock_word_release(&word, ME, OTHER), 0);
	KUNIT_EXPECT_EQ(test, word, OTHER | WAIT);
}

static void death_is_told_until_consistent(struct kunit *test)
{
	u64 word = ME;

	KUNIT_EXPECT_EQ(test, lock_word_die(&word, OTHER, 0), -EPERM);
	KUNIT_EXPECT_EQ(test, lock_word_die(&word, ME, 0), 0);
	KUNIT_EXPECT_EQ(test, word, DEAD);
	KUNIT_EXPECT_EQ(test, lock_word_acquire(&word, OTHER, false, false),
			-EOWNERDEAD);
	KUNIT_EXPECT_EQ(test, lock_word_consistent(&word, ME), -EPERM);
	KUNIT_EXPECT_EQ(test, lock_word_consistent(&word, OTHER), 0);
	KUNIT_EXPECT_EQ(test, lock_word_consistent(&word, OTHER), -EINVAL);
	KUNIT_EXPECT_EQ(test, lock_word_release(&word, OTHER, 0), 0);
	KUNIT_EXPECT_EQ(test, word, 0ULL);
}

static void dying_twice_is_told_again(struct kunit *test)
{
	u64 word = ME;

	KUNIT_EXPECT_EQ(test, lock_word_die(&word, ME, OTHER), 0);
	KUNIT_EXPECT_EQ(test, word, DEAD | OTHER);
	KUNIT_EXPECT_EQ(test, lock_word_die(&word, OTHER, 0), 0);
	KUNIT_EXPECT_EQ(test, word, DEAD);
}

static void unrepaired_is_lost_for_good(struct kunit *test)
{
	u64 word = DEAD | ME | WAIT;

	/* Not handed over either. */
	KUNIT_EXPECT_EQ(test, lock_word_release(&word, ME, OTHER), 0);
	KUNIT_EXPECT_EQ(test, word, LOST | WAIT);
	KUNIT_EXPECT_EQ(test, lock_word_acquire(&word, ME, true, true),
			-ENOTRECOVERABLE);
	KUNIT_EXPECT_EQ(test, lock_word_read(&word, true), -ENOTRECOVERABLE);
	KUNIT_EXPECT_EQ(test, lock_word_consistent(&word, ME), -EPERM);
}

static void readers_share_and_heed_writers(struct kunit *test)
{
	u64 word = 0;

	KUNIT_EXPECT_EQ(test, lock_word_read(&word, false), 0);
	KUNIT_EXPECT_EQ(test, lock_word_read(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, READS(2));
	word |= WWAIT;
	KUNIT_EXPECT_EQ(test, lock_word_read(&word, false), -EBUSY);
	KUNIT_EXPECT_EQ(test, lock_word_read(&word, true), 0);
	KUNIT_EXPECT_EQ(test, lock_word_unread(&word, 3), 0);
	KUNIT_EXPECT_EQ(test, word, WWAIT);
	KUNIT_EXPECT_EQ(test, lock_word_unread(&word, 1), -EPERM);

	word = OTHER;
	KUNIT_EXPECT_EQ(test, lock_word_read(&word, true), -EBUSY);
	word = KSYNC_LOCK_READERS;
	KUNIT_EXPECT_EQ(test, lock_word_read(&word, false), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, word, KSYNC_LOCK_READERS);
	word = DEAD;
	KUNIT_EXPECT_EQ(test, lock_word_read(&word, false), -EOWNERDEAD);
	KUNIT_EXPECT_EQ(test, word, DEAD | READS(1));
}

static void upgrade_needs_to_be_alone(struct kunit *test)
{
	u64 word = READS(2);

	KUNIT_EXPECT_EQ(test, lock_word_upgrade(&word, ME), -EBUSY);
	KUNIT_EXPECT_EQ(test, word, READS(2));
	word = READS(1) | WWAIT;
	KUNIT_EXPECT_EQ(test, lock_word_upgrade(&word, ME), 0);
	KUNIT_EXPECT_EQ(test, word, ME | WWAIT);
	word = READS(1) | DEAD;
	KUNIT_EXPECT_EQ(test, lock_word_upgrade(&word, ME), -EOWNERDEAD);
}

static void downgrade_keeps_what_is_known(struct kunit *test)
{
	u64 word = ME | DEAD | WAIT;

	KUNIT_EXPECT_EQ(test, lock_word_downgrade(&word, OTHER), -EPERM);
	KUNIT_EXPECT_EQ(test, lock_word_downgrade(&word, ME), 0);
	KUNIT_EXPECT_EQ(test, word, READS(1) | DEAD | WAIT);
}

/* One step of a random walk. */
static int walk(u64 *word, u32 dice, u32 id)
{
	switch (dice % 9) {
	case 0:
		return lock_word_acquire(word, id, dice & 64, dice & 128);
	case 1:
		return lock_word_release(word, id, dice & 64 ? OTHER : 0);
	case 2:
		return lock_word_die(word, id, dice & 64 ? OTHER : 0);
	case 3:
		return lock_word_consistent(word, id);
	case 4:
		return lock_word_read(word, dice & 64);
	case 5:
		return lock_word_unread(word, 1);
	case 6:
		return lock_word_downgrade(word, id);
	case 7:
		return lock_word_upgrade(word, id);
	default:
		return lock_word_waiters(word, dice & 64, dice & 128);
	}
}

/*
 * Whatever happens in whatever order: never a holder and readers, never a
 * holder of what is lost, no change by what fails, and lost stays lost.
 */
static void invariants_hold_on_every_path(struct kunit *test)
{
	u32 seed, dice, step;

	for (seed = 1; seed <= 2000; seed++) {
		u64 word = 0;

		dice = seed;
		for (step = 0; step < 100; step++) {
			u64 old = word, next = word;
			int ret;

			dice = dice * 1664525 + 1013904223;
			ret = walk(&next, dice >> 16, dice & 256 ? ME : OTHER);
			if (!ret || ret == -EOWNERDEAD)
				word = next;
			else
				KUNIT_ASSERT_EQ(test, next, old);
			if (lock_word_id(word))
				KUNIT_ASSERT_FALSE(test, word & READERS_LOST);
			if (old & LOST)
				KUNIT_ASSERT_TRUE(test, word & LOST);
		}
	}
}

static void fenced(struct kunit *test)
{
	static const u64 in_the_way[] = {
		KSYNC_LOCK_WAITERS, KSYNC_LOCK_WRITER_WAITS, KSYNC_LOCK_DEAD,
		KSYNC_LOCK_LOST, 1, KSYNC_LOCK_ID,
	};
	u64 word = READS(2), before;
	int i;

	KUNIT_EXPECT_EQ(test, lock_word_fence(&word), 0);
	KUNIT_EXPECT_EQ(test, word, READS(2) | KSYNC_LOCK_FENCED);
	KUNIT_EXPECT_EQ(test, lock_word_fence(&word), 0);
	KUNIT_EXPECT_EQ(test, lock_word_readers(word), 2);
	KUNIT_EXPECT_EQ(test, lock_word_unfence(&word), 0);
	KUNIT_EXPECT_EQ(test, word, READS(2));

	for (i = 0; i < ARRAY_SIZE(in_the_way); i++) {
		before = KSYNC_LOCK_FENCED | in_the_way[i];
		word = before;
		KUNIT_EXPECT_EQ(test, lock_word_unfence(&word), -EBUSY);
		KUNIT_EXPECT_EQ(test, word, before);
	}

	/* It stays through a write. */
	word = KSYNC_LOCK_FENCED;
	KUNIT_EXPECT_EQ(test, lock_word_acquire(&word, 9, false, true), 0);
	KUNIT_EXPECT_EQ(test, lock_word_release(&word, 9, 0), 0);
	KUNIT_EXPECT_EQ(test, word, KSYNC_LOCK_FENCED);
}

static struct kunit_case lock_word_cases[] = {
	KUNIT_CASE(acquire_takes_only_what_is_free),
	KUNIT_CASE(release_is_for_the_holder),
	KUNIT_CASE(hand_over_is_never_free),
	KUNIT_CASE(death_is_told_until_consistent),
	KUNIT_CASE(dying_twice_is_told_again),
	KUNIT_CASE(unrepaired_is_lost_for_good),
	KUNIT_CASE(readers_share_and_heed_writers),
	KUNIT_CASE(upgrade_needs_to_be_alone),
	KUNIT_CASE(downgrade_keeps_what_is_known),
	KUNIT_CASE(invariants_hold_on_every_path),
	KUNIT_CASE(fenced),
	{}
};

static struct kunit_suite lock_word_suite = {
	.name = "ksync_lock_word",
	.test_cases = lock_word_cases,
};

kunit_test_suite(lock_word_suite);

MODULE_DESCRIPTION("KUnit tests of ksync's lock words");
MODULE_LICENSE("GPL");
