/* SPDX-License-Identifier: GPL-2.0-only */
/* The windows of die_in_window that are about events and what they cancel. */
#ifndef KSYNC_SELFTEST_WINDOWS_TOKEN_H
#define KSYNC_SELFTEST_WINDOWS_TOKEN_H

#include "windows.h"

/* Waits that are cancelled: by a token of one's own, which is set already. */
static struct ksync_event *own_token;

static long set_own_token(void)
{
	const struct ksync_options o = { .value = 1 };

	return ksync_event_create(&own_token, &o);
}

static long mutex_cycle_and_token(void *h, uint64_t unused)
{
	return mutex_cycle(h, 0) ?: set_own_token();
}

static long sem_cycle_and_token(void *h, uint64_t unused)
{
	return sem_cycle(h, 0) ?: set_own_token();
}

static long lock_canceled(void *h, uint64_t unused)
{
	struct ksync_wait w = { .cancel = own_token };

	return ksync_mutex_lock_until(h, &w);
}

static long take_all_canceled(void *h, uint64_t unused)
{
	struct ksync_wait w = { .cancel = own_token };

	return ksync_sem_acquire_until(h, PERMITS, &w);
}

/* The grant of all three may come at the same time. */
static const struct window_role enlarger = {
	resize_up, no_repair, no_repair
};

/* Events. The mate waits for what never comes, until it is cancelled. */
static int window_create_token(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .nr = nr };

	return event_ops.create(h, &o);
}

static long seize_token(void *h)
{
	return lock_outcome(ksync_event_wait_until(h, PATIENTLY));
}

static long reset_token(void *h, long outcome)
{
	return ksync_event_reset(h);
}

static long set_event(void *h, uint64_t unused)
{
	return ksync_event_set(h);
}

static long be_canceled(void *h, uint64_t unused)
{
	struct ksync_wait w = { .cancel = h };
	struct ksync_event *never;
	long err = ksync_event_create(&never, NULL);

	if (err)
		return err;
	err = ksync_event_wait_until(never, &w);
	ksync_event_close(never);
	return err == -ECANCELED ? 0 : err ?: -EBADMSG;
}

/* In a queue, with another thing to sleep on. */
static long be_canceled_in_queue(void *h, uint64_t unused)
{
	struct ksync_wait w = { .cancel = h };
	struct ksync_waitgroup *wg;
	long err = ksync_waitgroup_create(&wg, NULL);

	if (err)
		return err;
	err = ksync_waitgroup_add(wg, 1) ?: ksync_waitgroup_wait_until(wg, &w);
	ksync_waitgroup_close(wg);
	return err == -ECANCELED ? 0 : err ?: -EBADMSG;
}

static const struct window_type a_token = {
	.create = window_create_token, .ops = &event_ops,
	.seize = seize_token, .give = reset_token,
};

static const struct window_role canceled = {
	be_canceled, no_repair, no_repair
};

static const struct window_role canceled_in_queue = {
	be_canceled_in_queue, no_repair, no_repair
};

/* Events with a parent: as many places behind them as there are seats. */
static struct ksync_event *family;
static uint32_t family_seats;

static int window_create_family(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .nr = 2 * nr + 1 };
	int err = event_ops.create(h, &o);

	family = *h;
	family_seats = nr;
	return err;
}

static struct ksync_event *parent_of(void *h)
{
	uint32_t i = 0;

	while (i < family_seats && ksync_event_at(family, i) != h)
		i++;
	return ksync_event_at(family, i + family_seats);
}

static long tie_to_parent(void *h, uint64_t unused)
{
	return ksync_event_set_parent(h, parent_of(h));
}

static long set_parent(void *h, uint64_t unused)
{
	return ksync_event_set(parent_of(h));
}

static long tie_and_set_parent(void *h, uint64_t unused)
{
	return tie_to_parent(h, 0) ?: set_parent(h, 0);
}

/* What the parent had to tell was told before. */
static long is_told_twice(void *h)
{
	struct ksync_status st = {};

	return ksync_event_status(h, &st) ?: st.value ? -EBADMSG : 0;
}

/* The parent may be tied, to the last event, once it has no children. */
static long is_left_a_child(void *h)
{
	struct ksync_event *last = ksync_event_at(family, 2 * family_seats);

	return ksync_event_set_parent(h, NULL) ?:
	       ksync_event_set_parent(parent_of(h), last) ?:
	       ksync_event_set_parent(parent_of(h), NULL);
}

static long reset_family(void *h, long outcome)
{
	return ksync_event_reset(h) ?: ksync_event_reset(parent_of(h)) ?:
	       is_told_twice(h) ?: is_left_a_child(h);
}

static const struct window_type a_child = {
	.create = window_create_family, .ops = &event_ops,
	.seize = seize_token, .give = reset_family,
};

/* The victim may have reset it last. */
static long set_and_seize(void *h)
{
	return ksync_event_set(h) ?: seize_token(h);
}

static const struct window_type a_reset_child = {
	.create = window_create_family, .ops = &event_ops,
	.seize = set_and_seize, .give = reset_family,
};

static long reset_child(void *h, uint64_t unused)
{
	return ksync_event_reset(h);
}

static long wait_for_event(void *h, uint64_t unused)
{
	return ksync_event_wait(h);
}

static const struct window_role token_waiter = {
	wait_for_event, no_repair, no_repair
};

#endif /* KSYNC_SELFTEST_WINDOWS_TOKEN_H */
