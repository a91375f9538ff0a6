// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * From what callers say about waiting to what backends understand.
 */
#include "handle.h"

#define NSEC_PER_SEC 1000000000

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

int ksync_wait_limit(const struct ksync_wait *w, struct ksync_limit *limit)
{
	*limit = (struct ksync_limit){ .deadline = KSYNC_FOREVER };
	if (!w)
		return 0;
	if (w->cancel) {
		if (w->cancel->h.obj->flags & KSYNC_AUTO_RESET)
			return -EINVAL;
		limit->cancel = w->cancel->h.obj;
		limit->cancel_index = w->cancel->h.index;
	}
	return ksync_deadline(w, &limit->deadline);
}
