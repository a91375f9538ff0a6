// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the state word of a condition.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "cond_word.h"

#define WAIT KSYNC_COND_WAITERS

static void signals_are_counted(struct kunit *test)
{
	u64 word = WAIT | 5;

	KUNIT_EXPECT_EQ(test, cond_word_signals(word), 5ULL);
	KUNIT_EXPECT_EQ(test, cond_word_signal(&word), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT | 6);
}

static void the_count_wraps_below_the_flag(struct kunit *test)
{
	u64 word = KSYNC_COND_SIGNALS;

	KUNIT_EXPECT_EQ(test, cond_word_signal(&word), 0);
	KUNIT_EXPECT_EQ(test, word, 0ULL);
	word = WAIT | KSYNC_COND_SIGNALS;
	KUNIT_EXPECT_EQ(test, cond_word_signal(&word), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT);
}

static void the_flag_says_who_waits(struct kunit *test)
{
	u64 word = 7;

	KUNIT_EXPECT_EQ(test, cond_word_waiters(&word, true), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT | 7);
	KUNIT_EXPECT_EQ(test, cond_word_waiters(&word, true), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT | 7);
	KUNIT_EXPECT_EQ(test, cond_word_waiters(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, 7ULL);
}

static struct kunit_case cond_word_cases[] = {
	KUNIT_CASE(signals_are_counted),
	KUNIT_CASE(the_count_wraps_below_the_flag),
	KUNIT_CASE(the_flag_says_who_waits),
	{}
};

static struct kunit_suite cond_word_suite = {
	.name = "ksync_cond_word",
	.test_cases = cond_word_cases,
};

kunit_test_suite(cond_word_suite);

MODULE_DESCRIPTION("KUnit tests of ksync's condition words");
MODULE_LICENSE("GPL");
