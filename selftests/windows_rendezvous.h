/* SPDX-License-Identifier: GPL-2.0-only */
/* The windows of die_in_window: events, conditions, barriers and once. */
#ifndef KSYNC_SELFTEST_WINDOWS_RENDEZVOUS_H
#define KSYNC_SELFTEST_WINDOWS_RENDEZVOUS_H

#include "rendezvous.h"
#include "windows.h"

/* The keeper has nothing to keep, but something to do later. */
static long keep_nothing(void *h, uint64_t unused)
{
	return 0;
}

/* Events: the outcome is whether it is set. */
static int window_create_event(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .flags = flags, .nr = nr };

	return event_ops.create(h, &o);
}

/* A deadline that has passed still takes what is there. */
static long seize_event(void *h)
{
	long err = ksync_event_wait_until(h, within(1));

	return !err ? 1 : err == -ETIMEDOUT ? 0 : err;
}

static const struct window_type an_event = {
	.create = window_create_event, .ops = &event_ops, .seize = seize_event,
	.uncounted = true,
};

static long job_event_set(void *h, uint64_t unused)
{
	return ksync_event_set(h);
}

static long job_event_reset(void *h, uint64_t unused)
{
	return ksync_event_reset(h);
}

static long job_event_wait(void *h, uint64_t ms)
{
	return ksync_event_wait_until(h, within(ms));
}

/* One that is set lets who waits go without another set. */
static long event_help(void *h, uint64_t unused)
{
	struct ksync_status st;

	return ksync_event_status(h, &st) ?: st.value ? 0 : ksync_event_set(h);
}

static const struct window_role event_waiter = {
	job_event_wait, no_repair, no_repair
};

/* Conditions, each with a mutex: the outcome is that of the mutex. */
struct pair {
	struct ksync_cond *cond;
	struct ksync_mutex *mutex;
};

/* The objects first, then their primitives. */
static struct pair pairs[1 + 64];

static int window_create_pairs(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .nr = nr };

	*h = pairs;
	return ksync_cond_create(&pairs->cond, &o) ?:
	       ksync_mutex_create(&pairs->mutex, &o);
}

static void pairs_close(void *h)
{
	ksync_cond_close(pairs->cond);
	ksync_mutex_close(pairs->mutex);
}

static void *pair_at(void *h, uint32_t index)
{
	struct pair *p = &pairs[1 + index];

	p->cond = ksync_cond_at(pairs->cond, index);
	p->mutex = ksync_mutex_at(pairs->mutex, index);
	return p;
}

/* Who waits for either. */
static int pair_status(void *h, struct ksync_status *st)
{
	struct pair *p = h;

	*st = mutex_status(p->mutex);
	st->waiters_shared += cond_status(p->cond).waiters_shared;
	return 0;
}

static const struct type_ops pair_ops = {
	.name = "cond", .close = pairs_close, .at = pair_at,
	.status = pair_status,
};

static long seize_pair(void *h)
{
	return seize_mutex(((struct pair *)h)->mutex);
}

static long give_pair(void *h, long outcome)
{
	return give_mutex(((struct pair *)h)->mutex, outcome);
}

#define PAIR_JOB(name, call)						\
static long name(void *h, uint64_t arg)					\
{									\
	struct pair *p = h;						\
									\
	(void)arg;							\
	return call;							\
}

PAIR_JOB(pair_lock, ksync_mutex_lock(p->mutex))
PAIR_JOB(pair_trylock, ksync_mutex_trylock(p->mutex))
PAIR_JOB(pair_unlock, ksync_mutex_unlock(p->mutex))
PAIR_JOB(pair_repair, ksync_mutex_consistent(p->mutex))
PAIR_JOB(pair_wait, ksync_cond_wait_until(p->cond, p->mutex, within(arg)))
PAIR_JOB(pair_lock_wait, ksync_mutex_lock(p->mutex) ?:
			 ksync_cond_wait(p->cond, p->mutex))
PAIR_JOB(pair_signal, ksync_cond_signal(p->cond))
PAIR_JOB(pair_broadcast, ksync_cond_broadcast(p->cond))

/* Who goes on is going to wait. */
static long pair_let_go(void *h, uint64_t goes_on)
{
	struct pair *p = h;

	if (goes_on && !WAIT_FOR(cond_status(p->cond).waiters_shared))
		return -ETIMEDOUT;
	return ksync_cond_signal(p->cond);
}

static const struct window_type a_cond = {
	.create = window_create_pairs, .ops = &pair_ops, .seize = seize_pair,
	.intrude = pair_trylock, .give = give_pair,
};

static const struct window_role pair_locker = {
	pair_lock, pair_repair, pair_unlock
};

static const struct window_role pair_waiter = {
	pair_lock_wait, pair_repair, pair_unlock
};

/* Barriers of two parties: the outcome is whether it is broken. */
static int window_create_barrier(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .nr = nr, .max = 2 };

	return barrier_ops.create(h, &o);
}

/* A living party may be on its way out, a dead one must break it. */
static long seize_barrier(void *h)
{
	if (!WAIT_FOR(barrier_status(h).flags & KSYNC_IS_BROKEN ||
		      !barrier_status(h).value))
		return -EBADMSG;
	return barrier_status(h).flags & KSYNC_IS_BROKEN ? REPORT : NO_REPORT;
}

/* It works again, for whom it is. */
static long give_barrier(void *h, long outcome)
{
	long err = ksync_barrier_reset(h), theirs;
	int status = 0;
	pid_t pid;

	if (err)
		return err;
	pid = fork_child();
	if (!pid)
		_exit(ksync_barrier_wait_until(h, PATIENTLY) & 0xff);
	err = ksync_barrier_wait_until(h, PATIENTLY);
	waitpid(pid, &status, 0);
	theirs = WEXITSTATUS(status);
	/* One of the two is the serial one. */
	return err < 0 ? err : err + theirs == 1 ? 0 : -EBADMSG;
}

static const struct window_type a_barrier = {
	.create = window_create_barrier, .ops = &barrier_ops,
	.seize = seize_barrier, .give = give_barrier,
};

/* To be one of two, and to be told that there are not two, are both fine. */
static long barrier_party(void *h, uint64_t ms)
{
	long err = ksync_barrier_wait_until(h, within(ms));

	return err >= 0 ? 0 : err == -EPIPE ? -EOWNERDEAD : err;
}

/* Comes to whoever waits there alone. */
static long barrier_help(void *h, uint64_t unused)
{
	long err = 0;

	if (barrier_status(h).value)
		err = ksync_barrier_wait_until(h, PATIENTLY);
	return err >= 0 || err == -EPIPE ? 0 : err;
}

/* Likewise, and to the victim that is going to be. */
static long barrier_join_in(void *h, uint64_t going)
{
	long err;

	if (going == GOES_NOWHERE)
		return barrier_help(h, 0);
	if (going == GOES_WITH_MATE)
		return 0;
	err = ksync_barrier_wait_until(h, PATIENTLY);
	return err < 0 ? err : 0;
}

static long barrier_break(void *h, uint64_t unused)
{
	return ksync_barrier_join(h) ?: ksync_barrier_leave(h);
}

static long job_barrier_reset(void *h, uint64_t unused)
{
	return ksync_barrier_reset(h);
}

static const struct window_role party = {
	barrier_party, no_repair, no_repair
};

/* Once: the outcome is that of begin; done is as final as given up. */
#define DONE GIVEN_UP

static int window_create_once(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .nr = nr };

	return once_ops.create(h, &o);
}

static long once_outcome(long err)
{
	return err == -EALREADY ? -ENOTRECOVERABLE : err;
}

static long once_begin(void *h, uint64_t ms)
{
	uint64_t result = 0;
	long err = ksync_once_begin_until(h, &result, within(ms));

	return err == -EALREADY && result != 7 ? -EBADMSG : once_outcome(err);
}

static long seize_once(void *h)
{
	return lock_outcome(once_begin(h, PATIENCE_MS));
}

static long once_intrude(void *h, uint64_t unused)
{
	long err = ksync_once_begin_until(h, NULL, within(1));

	return err == -ETIMEDOUT ? -EBUSY : err;
}

static long give_once(void *h, long outcome)
{
	return ksync_once_abandon(h);
}

static const struct window_type a_once = {
	.create = window_create_once, .ops = &once_ops, .seize = seize_once,
	.intrude = once_intrude, .give = give_once,
};

static long once_complete(void *h, uint64_t unused)
{
	return ksync_once_complete(h, 7);
}

static long once_abandon(void *h, uint64_t unused)
{
	return ksync_once_abandon(h);
}

static long once_make(void *h, uint64_t unused)
{
	return ksync_once_begin(h, NULL) ?: ksync_once_complete(h, 7);
}

static long once_cycle(void *h, uint64_t unused)
{
	return ksync_once_begin(h, NULL) ?: ksync_once_abandon(h);
}

static long once_undo(void *h, uint64_t unused)
{
	return ksync_once_reset(h);
}

static const struct window_role runner = {
	once_begin, no_repair, once_abandon
};

#endif /* KSYNC_SELFTEST_WINDOWS_RENDEZVOUS_H */
