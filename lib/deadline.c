// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * From what callers say about waiting to what backends understand.
 */
#include "handle.h"

#define NSEC_PER_SEC 1000000000

/* For waits that no event can cancel. */
int ksync_deadline_only(const struct ksync_wait *w, uint64_t *deadline)
{
	return w && w->cancel ? -EOPNOTSUPP : ksync_deadline(w, deadline);
}

int ksync_deadline(const struct ksync_wait *w, uint64_t *deadline)
{
	const struct timespec *ts;
	uint64_t ns;

	*deadline = KSYNC_FOREVER;
	if (!w)
		return 0;
	ts = w->deadline;
	if (!ts)
		return 0;
	if (ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;

	if (ts->tv_sec < 0) {
		*deadline = 0;	/* before the clock began: has passed */
		return 0;
	}
	/* What does not fit is centuries away, but it is not "for ever". */
	if (__builtin_mul_overflow((uint64_t)ts->tv_sec,
				   (uint64_t)NSEC_PER_SEC, &ns) ||
	    __builtin_add_overflow(ns, (uint64_t)ts->tv_nsec, &ns) ||
	    ns == KSYNC_FOREVER)
		ns = KSYNC_FOREVER - 1;
	*deadline = ns;
	return 0;
}
