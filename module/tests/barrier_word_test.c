// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the state word of a barrier.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "barrier_word.h"

#define BROKEN KSYNC_BARRIER_BROKEN
#define ROUND(n) ((u64)(n) * KSYNC_BARRIER_ROUND_ONE)
#define LAST (KSYNC_BARRIER_ROUND / KSYNC_BARRIER_ROUND_ONE)

static void the_last_ends_the_round(struct kunit *test)
{
	u64 word = ROUND(5);

	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, 3), 0);
	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, 3), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(5) | 2);
	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, 3), 1);
	KUNIT_EXPECT_EQ(test, word, ROUND(6));
	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, 3), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(6) | 1);
}

static void alone_or_with_very_many(struct kunit *test)
{
	u64 word = 0;

	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, 1), 1);
	KUNIT_EXPECT_EQ(test, word, ROUND(1));
	word = ROUND(1) | (KSYNC_COUNT_MAX - 2);
	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, KSYNC_COUNT_MAX), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(1) | (KSYNC_COUNT_MAX - 1));
	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, KSYNC_COUNT_MAX), 1);
	KUNIT_EXPECT_EQ(test, word, ROUND(2));
}

static void broken_stays_broken(struct kunit *test)
{
	u64 word = ROUND(5) | 2;

	KUNIT_EXPECT_EQ(test, barrier_word_break(&word), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(5) | BROKEN | 2);
	KUNIT_EXPECT_EQ(test, barrier_word_break(&word), -EPIPE);
	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, 3), -EPIPE);
	KUNIT_EXPECT_EQ(test, word, ROUND(5) | BROKEN | 2);
}

static void reset_begins_a_round(struct kunit *test)
{
	u64 word = ROUND(5) | BROKEN | 2;

	KUNIT_EXPECT_EQ(test, barrier_word_reset(&word), 1);
	KUNIT_EXPECT_EQ(test, word, ROUND(6));
	KUNIT_EXPECT_EQ(test, barrier_word_reset(&word), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(6));
	word |= 1;
	KUNIT_EXPECT_EQ(test, barrier_word_reset(&word), 1);
	KUNIT_EXPECT_EQ(test, word, ROUND(7));
	word |= BROKEN;
	KUNIT_EXPECT_EQ(test, barrier_word_reset(&word), 1);
	KUNIT_EXPECT_EQ(test, word, ROUND(8));
}

static void rounds_wrap(struct kunit *test)
{
	u64 word = ROUND(LAST) | 1;

	KUNIT_EXPECT_EQ(test, barrier_word_arrive(&word, 2), 1);
	KUNIT_EXPECT_EQ(test, word, 0ULL);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 0, LAST), 0);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 1, LAST), -EPIPE);
	word = ROUND(LAST) | BROKEN;
	KUNIT_EXPECT_EQ(test, barrier_word_reset(&word), 1);
	KUNIT_EXPECT_EQ(test, word, 0ULL);
}

static void outcome_of_each_round(struct kunit *test)
{
	u64 word = ROUND(100) | 1;

	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 0, 100), -EINPROGRESS);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word | BROKEN, 0, 100),
			-EPIPE);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 5, 99), -EPIPE);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 5, 98), 0);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 5, 97), -EPIPE);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 0, 36), 0);
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 1ULL << 63, 36),
			-EPIPE);
	/* Nobody knows any more. */
	KUNIT_EXPECT_EQ(test, barrier_word_outcome(word, 0, 35), -EPIPE);
}

static struct kunit_case barrier_word_cases[] = {
	KUNIT_CASE(the_last_ends_the_round),
	KUNIT_CASE(alone_or_with_very_many),
	KUNIT_CASE(broken_stays_broken),
	KUNIT_CASE(reset_begins_a_round),
	KUNIT_CASE(rounds_wrap),
	KUNIT_CASE(outcome_of_each_round),
	{}
};

static struct kunit_suite barrier_word_suite = {
	.name = "ksync_barrier_word",
	.test_cases = barrier_word_cases,
};

kunit_test_suite(barrier_word_suite);

MODULE_DESCRIPTION("KUnit tests of ksync's barrier words");
MODULE_LICENSE("GPL");
