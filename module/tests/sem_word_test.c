// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the state word of semaphores.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "sem_word.h"

#define WAIT KSYNC_SEM_WAITERS

static void acquire_takes_all_or_nothing(struct kunit *test)
{
	u64 word = sem_word_init(3, 5);

	KUNIT_EXPECT_EQ(test, sem_word_acquire(&word, 4, false), -EBUSY);
	KUNIT_EXPECT_EQ(test, sem_word_value(word), 3U);
	KUNIT_EXPECT_EQ(test, sem_word_acquire(&word, 2, false), 0);
	KUNIT_EXPECT_EQ(test, sem_word_value(word), 1U);
	KUNIT_EXPECT_EQ(test, sem_word_max(word), 5U);
}

static void impossible_requests_fail_at_once(struct kunit *test)
{
	u64 word = sem_word_init(5, 5);

	KUNIT_EXPECT_EQ(test, sem_word_acquire(&word, 0, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, sem_word_acquire(&word, 6, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, sem_word_acquire(&word, U32_MAX, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(5, 5));
}

static void newcomers_queue_behind_waiters(struct kunit *test)
{
	u64 word = sem_word_init(5, 5) | WAIT;

	KUNIT_EXPECT_EQ(test, sem_word_acquire(&word, 1, false), -EBUSY);
	KUNIT_EXPECT_EQ(test, sem_word_acquire(&word, 1, true), 0);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(4, 5) | WAIT);
}

static void release_stops_at_the_maximum(struct kunit *test)
{
	u64 word = sem_word_init(4, 5) | WAIT;

	KUNIT_EXPECT_EQ(test, sem_word_release(&word, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, sem_word_release(&word, 2), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, sem_word_release(&word, U32_MAX), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, sem_word_release(&word, 1), 0);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(5, 5) | WAIT);

	word = sem_word_init(0, KSYNC_COUNT_MAX);
	KUNIT_EXPECT_EQ(test, sem_word_release(&word, KSYNC_COUNT_MAX), 0);
	KUNIT_EXPECT_EQ(test, sem_word_value(word), KSYNC_COUNT_MAX);

	/* A peer wrote nonsense: no overflow into the other fields. */
	word = sem_word_init(9, 5);
	KUNIT_EXPECT_EQ(test, sem_word_release(&word, 1), -EOVERFLOW);
}

static void resize_moves_the_ceiling_only(struct kunit *test)
{
	u64 word = sem_word_init(2, 5) | WAIT;

	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 0, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 1U << 31, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 1, false), -EBUSY);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(2, 5) | WAIT);
	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 2, false), 0);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(2, 2) | WAIT);
	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 8, false), 0);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(2, 8) | WAIT);
}

static void resize_of_tracked_moves_permits(struct kunit *test)
{
	u64 word = sem_word_init(2, 5);

	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 8, true), 0);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(5, 8));
	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 3, true), 0);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(0, 3));
	KUNIT_EXPECT_EQ(test, sem_word_resize(&word, 2, true), -EBUSY);
	KUNIT_EXPECT_EQ(test, word, sem_word_init(0, 3));
}

static void permits_are_conserved(struct kunit *test)
{
	u64 word = sem_word_init(10, 10);
	u32 out = 0, step, dice = 1;

	for (step = 0; step < 100000; step++) {
		u32 n;

		dice = dice * 1664525 + 1013904223;
		n = dice >> 28;
		if (dice & 1024) {
			if (!sem_word_acquire(&word, n, dice & 2048))
				out += n;
		} else if (n <= out && !sem_word_release(&word, n)) {
			out -= n;
		}
		sem_word_waiters(&word, dice & 4096);
		KUNIT_ASSERT_EQ(test, sem_word_value(word) + out, 10U);
		KUNIT_ASSERT_EQ(test, sem_word_max(word), 10U);
	}
}

static struct kunit_case sem_word_cases[] = {
	KUNIT_CASE(acquire_takes_all_or_nothing),
	KUNIT_CASE(impossible_requests_fail_at_once),
	KUNIT_CASE(newcomers_queue_behind_waiters),
	KUNIT_CASE(release_stops_at_the_maximum),
	KUNIT_CASE(resize_moves_the_ceiling_only),
	KUNIT_CASE(resize_of_tracked_moves_permits),
	KUNIT_CASE(permits_are_conserved),
	{}
};

static struct kunit_suite sem_word_suite = {
	.name = "ksync_sem_word",
	.test_cases = sem_word_cases,
};

kunit_test_suite(sem_word_suite);

MODULE_DESCRIPTION("KUnit tests of ksync's semaphore words");
MODULE_LICENSE("GPL");
