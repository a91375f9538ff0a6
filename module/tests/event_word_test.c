// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the state word of events.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "event_word.h"

#define SET KSYNC_EVENT_SET
#define WAIT KSYNC_EVENT_WAITERS
#define CHANGE KSYNC_EVENT_CHANGE

static void set_and_reset_count_changes(struct kunit *test)
{
	u64 word = 0;

	KUNIT_EXPECT_EQ(test, event_word_set(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, SET + CHANGE);
	KUNIT_EXPECT_EQ(test, event_word_set(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, SET + CHANGE);
	KUNIT_EXPECT_EQ(test, event_word_reset(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, 2 * CHANGE);
	KUNIT_EXPECT_EQ(test, event_word_reset(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, 3 * CHANGE);
}

static void the_count_wraps(struct kunit *test)
{
	u64 word = KSYNC_EVENT_CHANGES;

	KUNIT_EXPECT_EQ(test, event_word_set(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, SET);
	word = KSYNC_EVENT_CHANGES | SET | WAIT;
	KUNIT_EXPECT_EQ(test, event_word_reset(&word, true), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT);
}

static void waiters_want_the_lock(struct kunit *test)
{
	u64 word = WAIT;

	KUNIT_EXPECT_EQ(test, event_word_set(&word, false), -EAGAIN);
	KUNIT_EXPECT_EQ(test, event_word_reset(&word, false), -EAGAIN);
	KUNIT_EXPECT_EQ(test, word, WAIT);
	KUNIT_EXPECT_EQ(test, event_word_set(&word, true), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT + SET + CHANGE);
	/* It is set already: nobody can be missed. */
	KUNIT_EXPECT_EQ(test, event_word_set(&word, false), 0);
	KUNIT_EXPECT_EQ(test, event_word_reset(&word, false), -EAGAIN);
	KUNIT_EXPECT_EQ(test, event_word_reset(&word, true), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT + 2 * CHANGE);
}

static void take_leaves_or_resets(struct kunit *test)
{
	u64 word = 0;

	KUNIT_EXPECT_EQ(test, event_word_take(&word, false, true), -EBUSY);
	KUNIT_EXPECT_EQ(test, event_word_take(&word, true, true), -EBUSY);
	word = SET + CHANGE;
	KUNIT_EXPECT_EQ(test, event_word_take(&word, false, false), 0);
	KUNIT_EXPECT_EQ(test, word, SET + CHANGE);
	KUNIT_EXPECT_EQ(test, event_word_take(&word, true, false), 0);
	KUNIT_EXPECT_EQ(test, word, CHANGE);
}

static void newcomers_take_behind_waiters(struct kunit *test)
{
	u64 word = SET | WAIT;

	KUNIT_EXPECT_EQ(test, event_word_take(&word, false, false), 0);
	KUNIT_EXPECT_EQ(test, event_word_take(&word, true, false), -EBUSY);
	KUNIT_EXPECT_EQ(test, event_word_take(&word, true, true), 0);
	KUNIT_EXPECT_EQ(test, word, WAIT);
}

static void untake_undoes_nobody_elses_change(struct kunit *test)
{
	u64 word = SET + 7 * CHANGE;

	KUNIT_EXPECT_EQ(test, event_word_take(&word, true, false), 0);
	KUNIT_EXPECT_EQ(test, event_word_untake(&word, 7), 0);
	KUNIT_EXPECT_EQ(test, word, SET + 7 * CHANGE);

	KUNIT_EXPECT_EQ(test, event_word_take(&word, true, false), 0);
	KUNIT_EXPECT_EQ(test, event_word_reset(&word, false), 0);
	KUNIT_EXPECT_EQ(test, event_word_untake(&word, 7), 0);
	KUNIT_EXPECT_EQ(test, word, 8 * CHANGE);

	/* Set again and taken by another: as if the first take never was. */
	KUNIT_EXPECT_EQ(test, event_word_set(&word, false), 0);
	KUNIT_EXPECT_EQ(test, event_word_take(&word, true, false), 0);
	KUNIT_EXPECT_EQ(test, event_word_untake(&word, 8), 0);
	KUNIT_EXPECT_EQ(test, word, 9 * CHANGE);
}

static void flag_says_who_waits(struct kunit *test)
{
	u64 word = SET + CHANGE;

	KUNIT_EXPECT_EQ(test, event_word_waiters(&word, true), 0);
	KUNIT_EXPECT_EQ(test, word, SET + WAIT + CHANGE);
	KUNIT_EXPECT_EQ(test, event_word_waiters(&word, false), 0);
	KUNIT_EXPECT_EQ(test, word, SET + CHANGE);
}

static struct kunit_case event_word_cases[] = {
	KUNIT_CASE(set_and_reset_count_changes),
	KUNIT_CASE(the_count_wraps),
	KUNIT_CASE(waiters_want_the_lock),
	KUNIT_CASE(take_leaves_or_resets),
	KUNIT_CASE(newcomers_take_behind_waiters),
	KUNIT_CASE(untake_undoes_nobody_elses_change),
	KUNIT_CASE(flag_says_who_waits),
	{}
};

static struct kunit_suite event_word_suite = {
	.name = "ksync_event_word",
	.test_cases = event_word_cases,
};

kunit_test_suite(event_word_suite);

MODULE_DESCRIPTION("KUnit tests of ksync's event words");
MODULE_LICENSE("GPL");
