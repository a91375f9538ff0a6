/* SPDX-License-Identifier: GPL-2.0-only */
/* The windows of die_in_window that are about waits for several primitives. */
#ifndef KSYNC_SELFTEST_WINDOWS_MANY_H
#define KSYNC_SELFTEST_WINDOWS_MANY_H

#include "windows_token.h"

/* An event of the victim's own; it is set, or nobody ever sets it. */
static struct ksync_event *own_never;

static long make_own_events(void)
{
	return ksync_event_create(&own_never, NULL) ?: set_own_token();
}

static long mutex_cycle_and_events(void *h, uint64_t unused)
{
	return mutex_cycle(h, 0) ?: make_own_events();
}

static long write_cycle_and_events(void *h, uint64_t unused)
{
	return write_cycle(h, 0) ?: make_own_events();
}

static long sem_cycle_and_events(void *h, uint64_t unused)
{
	return sem_cycle(h, 0) ?: make_own_events();
}

static struct ksync_item own_event(struct ksync_event *e)
{
	return (struct ksync_item){ .take = KSYNC_TAKE_EVENT, .event = e };
}

static long lock_or_event(void *h, uint64_t ms)
{
	struct ksync_item items[] = {
		{ .take = KSYNC_TAKE_MUTEX, .mutex = h }, own_event(own_never),
	};

	return ksync_wait_any(items, 2, within(ms), NULL);
}

static long write_or_event(void *h, uint64_t ms)
{
	struct ksync_item items[] = {
		own_event(own_never), { .take = KSYNC_TAKE_WRITE, .rwlock = h },
	};

	return ksync_wait_any(items, 2, within(ms), NULL);
}

static long write_or_read(void *h, uint64_t ms)
{
	struct ksync_item items[] = {
		{ .take = KSYNC_TAKE_READ, .rwlock = h },
		{ .take = KSYNC_TAKE_WRITE, .rwlock = h },
	};

	return ksync_wait_any(items, 2, within(ms), NULL);
}

static long take_two_or_event(void *h, uint64_t ms)
{
	struct ksync_item items[] = {
		{ .take = KSYNC_TAKE_PERMITS, .count = 2, .sem = h },
		own_event(own_never),
	};

	return ksync_wait_any(items, 2, within(ms), NULL);
}

static long lock_and_event(void *h, uint64_t ms)
{
	struct ksync_item items[] = {
		{ .take = KSYNC_TAKE_MUTEX, .mutex = h }, own_event(own_token),
	};

	return ksync_wait_all(items, 2, within(ms));
}

static long lock_and_never(void *h, uint64_t ms)
{
	struct ksync_item items[] = {
		{ .take = KSYNC_TAKE_MUTEX, .mutex = h }, own_event(own_never),
	};

	return ksync_wait_all(items, 2, within(ms));
}

#endif /* KSYNC_SELFTEST_WINDOWS_MANY_H */
