// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the state word of a once.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "once_word.h"

#define WAIT KSYNC_ONCE_WAITERS
#define DONE KSYNC_ONCE_DONE
#define DEAD KSYNC_ONCE_DEAD
#define RUNS(n) ((u64)(n) * KSYNC_ONCE_RUN)

static void one_runs_it(struct kunit *test)
{
	u64 word = 0;

	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 7), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(1) | 7);
	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 8), -EBUSY);
	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 7), -EBUSY);
	KUNIT_EXPECT_EQ(test, word, RUNS(1) | 7);
	KUNIT_EXPECT_EQ(test, once_word_end(&word, 7, true), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(1) | DONE);
	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 8), -EALREADY);
	KUNIT_EXPECT_EQ(test, word, RUNS(1) | DONE);
}

static void only_the_runner_ends_it(struct kunit *test)
{
	u64 word = RUNS(3) | WAIT | 7;

	KUNIT_EXPECT_EQ(test, once_word_end(&word, 8, true), -EPERM);
	KUNIT_EXPECT_EQ(test, once_word_end(&word, 0, true), -EPERM);
	KUNIT_EXPECT_EQ(test, once_word_die(&word, 8), -EPERM);
	KUNIT_EXPECT_EQ(test, word, RUNS(3) | WAIT | 7);
	word = RUNS(3) | DONE;
	KUNIT_EXPECT_EQ(test, once_word_end(&word, 0, false), -EPERM);
	KUNIT_EXPECT_EQ(test, once_word_end(&word, 7, false), -EPERM);
	KUNIT_EXPECT_EQ(test, once_word_die(&word, 0), -EPERM);
	KUNIT_EXPECT_EQ(test, word, RUNS(3) | DONE);
}

static void given_up_is_as_never_begun(struct kunit *test)
{
	u64 word = 0;

	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 7), 0);
	KUNIT_EXPECT_EQ(test, once_word_end(&word, 7, false), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(1));
	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 8), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(2) | 8);
}

static void a_death_is_told_until_somebody_completes(struct kunit *test)
{
	u64 word = RUNS(1) | WAIT | 7;

	KUNIT_EXPECT_EQ(test, once_word_die(&word, 7), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(1) | WAIT | DEAD);
	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 8), -EOWNERDEAD);
	KUNIT_EXPECT_EQ(test, word, RUNS(2) | WAIT | DEAD | 8);
	KUNIT_EXPECT_EQ(test, once_word_end(&word, 8, false), 0);
	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 9), -EOWNERDEAD);
	KUNIT_EXPECT_EQ(test, once_word_end(&word, 9, true), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(3) | WAIT | DONE);
}

static void reset_begins_again(struct kunit *test)
{
	u64 word = RUNS(4) | DONE;

	KUNIT_EXPECT_EQ(test, once_word_reset(&word), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(4));
	KUNIT_EXPECT_EQ(test, once_word_reset(&word), 0);
	KUNIT_EXPECT_EQ(test, word, RUNS(4));
	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 7), 0);
	KUNIT_EXPECT_EQ(test, once_word_reset(&word), -EBUSY);
	KUNIT_EXPECT_EQ(test, word, RUNS(5) | 7);
	word = DEAD;
	KUNIT_EXPECT_EQ(test, once_word_reset(&word), 0);
	KUNIT_EXPECT_EQ(test, word, DEAD);
}

static void number_of_runs_wraps(struct kunit *test)
{
	u64 word = KSYNC_ONCE_RUNS | WAIT;

	KUNIT_EXPECT_EQ(test, once_word_begin(&word, 7), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT | 7);
	KUNIT_EXPECT_EQ(test, once_word_runs(word), 0U);
	KUNIT_EXPECT_EQ(test, once_word_waiters(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, 7ULL);
	KUNIT_EXPECT_EQ(test, once_word_waiters(&word, true), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT | 7);
}

static struct kunit_case once_word_cases[] = {
	KUNIT_CASE(one_runs_it),
	KUNIT_CASE(only_the_runner_ends_it),
	KUNIT_CASE(given_up_is_as_never_begun),
	KUNIT_CASE(a_death_is_told_until_somebody_completes),
	KUNIT_CASE(reset_begins_again),
	KUNIT_CASE(number_of_runs_wraps),
	{}
};

static struct kunit_suite once_word_suite = {
	.name = "ksync_once_word",
	.test_cases = once_word_cases,
};

kunit_test_suite(once_word_suite);

MODULE_DESCRIPTION("KUnit tests of ksync's once words");
MODULE_LICENSE("GPL");
