// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the state word of wait groups.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "wg_word.h"

#define WAIT KSYNC_WG_WAITERS
#define LOSS KSYNC_WG_LOSS
#define ROUND(n) ((u64)(n) * KSYNC_WG_ROUND_ONE)

static void count_stays_in_its_range(struct kunit *test)
{
	u64 word = ROUND(3) | 2;

	KUNIT_EXPECT_EQ(test, wg_word_add(&word, -3), -ERANGE);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, S32_MIN), -ERANGE);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, S32_MAX), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, S32_MAX - 1), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, word, ROUND(3) | 2);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, S32_MAX - 2), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(3) | KSYNC_COUNT_MAX);
	word = ROUND(3);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, -1), -ERANGE);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, 0), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(3));
}

static void round_ends_at_zero(struct kunit *test)
{
	u64 word = ROUND(3) | WAIT | 2;

	KUNIT_EXPECT_EQ(test, wg_word_add(&word, -1), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(3) | WAIT | 1);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, -1), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(4));
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, 1), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(4) | 1);
}

static void round_number_wraps(struct kunit *test)
{
	u64 word = KSYNC_WG_ROUND | 1;

	KUNIT_EXPECT_EQ(test, wg_word_add(&word, -1), 0);
	KUNIT_EXPECT_EQ(test, word, 0ULL);
	word = KSYNC_WG_ROUND | LOSS | 1;
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, -1), 0);
	KUNIT_EXPECT_EQ(test, word, LOSS);
}

static void loss_is_of_one_round(struct kunit *test)
{
	u64 word = ROUND(3) | 3;
	u32 n = 2;

	KUNIT_EXPECT_EQ(test, wg_word_lose(&word, 3, &n), 0);
	KUNIT_EXPECT_EQ(test, n, 2U);
	KUNIT_EXPECT_EQ(test, word, ROUND(3) | LOSS | 1);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, -1), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(4) | LOSS);
	KUNIT_EXPECT_EQ(test, wg_word_add(&word, 1), 0);
	KUNIT_EXPECT_EQ(test, word, ROUND(4) | 1);
}

static void loss_does_not_hit_the_next_round(struct kunit *test)
{
	u64 word = ROUND(4) | 5;
	u32 n = 1;

	KUNIT_EXPECT_EQ(test, wg_word_lose(&word, 3, &n), -ESTALE);
	KUNIT_EXPECT_EQ(test, word, ROUND(4) | 5);
	word = ROUND(4);
	KUNIT_EXPECT_EQ(test, wg_word_lose(&word, 4, &n), -ESTALE);
}

static void loss_is_at_most_all(struct kunit *test)
{
	u64 word = ROUND(4) | 2;
	u32 n = 9;

	KUNIT_EXPECT_EQ(test, wg_word_lose(&word, 4, &n), 0);
	KUNIT_EXPECT_EQ(test, n, 2U);
	KUNIT_EXPECT_EQ(test, word, ROUND(5) | LOSS);
}

static struct kunit_case wg_word_cases[] = {
	KUNIT_CASE(count_stays_in_its_range),
	KUNIT_CASE(round_ends_at_zero),
	KUNIT_CASE(round_number_wraps),
	KUNIT_CASE(loss_is_of_one_round),
	KUNIT_CASE(loss_does_not_hit_the_next_round),
	KUNIT_CASE(loss_is_at_most_all),
	{}
};

static struct kunit_suite wg_word_suite = {
	.name = "ksync_wg_word",
	.test_cases = wg_word_cases,
};

kunit_test_suite(wg_word_suite);

MODULE_DESCRIPTION("KUnit tests of ksync's wait group words");
MODULE_LICENSE("GPL");
