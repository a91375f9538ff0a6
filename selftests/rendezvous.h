/* SPDX-License-Identifier: GPL-2.0-only */
/* Jobs for actors, and the states to wait for: once, barriers, conditions. */
#ifndef KSYNC_SELFTEST_RENDEZVOUS_H
#define KSYNC_SELFTEST_RENDEZVOUS_H

#include "death.h"

/* Values of jobs that end well with a value: above all errors. */
#define RESULT_BASE 1000L

static inline long once_job(struct ksync_once *o, uint64_t ms)
{
	uint64_t result = 0;
	long err = ksync_once_begin_until(o, &result, within(ms));

	return err == -EALREADY ? RESULT_BASE + (long)result : err;
}

JOB(job_once_begin, ksync_once, once_job(h, arg))
JOB(job_once_complete, ksync_once, ksync_once_complete(h, arg))
JOB(job_once_abandon, ksync_once, ksync_once_abandon(h))

JOB(job_barrier_wait, ksync_barrier, ksync_barrier_wait_until(h, within(arg)))
JOB(job_barrier_join, ksync_barrier, ksync_barrier_join(h))
JOB(job_barrier_leave, ksync_barrier, ksync_barrier_leave(h))

static inline struct ksync_status once_status(const struct ksync_once *o)
{
	struct ksync_status st;

	if (ksync_once_status(o, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

static inline struct ksync_status barrier_status(const struct ksync_barrier *b)
{
	struct ksync_status st;

	if (ksync_barrier_status(b, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

static inline struct ksync_status cond_status(const struct ksync_cond *c)
{
	struct ksync_status st;

	if (ksync_cond_status(c, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

#endif /* KSYNC_SELFTEST_RENDEZVOUS_H */
