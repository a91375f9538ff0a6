// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of wait groups.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(waitgroup, KSYNC_WAITGROUP)

/*
 * What the calling thread's last wait was told. Kept by the serial number of
 * the object, not by the handle: its memory may be another handle's by now.
 * Serial numbers begin at 1, so that nothing matches before the first wait.
 */
static __thread struct {
	uint64_t serial;
	uint32_t index;
	uint32_t lost;
} last_wait __attribute__((tls_model("initial-exec")));

KSYNC_SLOW int ksync_slow_waitgroup_add(struct ksync_waitgroup *wg,
					int32_t delta)
{
	if (!wg)
		return -EINVAL;
	/* No count reaches that far, and no backend need negate it. */
	if (delta == INT32_MIN)
		return -ERANGE;
	/* Adding nobody must not look like the beginning of a round. */
	if (!delta)
		return 0;
	return wg->h.obj->ops->waitgroup_add(wg->h.obj, wg->h.index, delta);
}

int ksync_waitgroup_add(struct ksync_waitgroup *wg, int32_t delta)
{
	return ksync_inline_waitgroup_add(wg, delta);
}

int ksync_waitgroup_done(struct ksync_waitgroup *wg)
{
	return ksync_inline_waitgroup_add(wg, -1);
}

static int wait_round(struct ksync_waitgroup *wg, const struct ksync_wait *w,
		      uint64_t deadline)
{
	uint32_t lost = 0;
	int err = 0;

	if (w && w->cancel)
		err = ksync_wait_cancelable(&wg->h, KSYNC_TAKE_ROUND, 0, w,
					    deadline, &lost);
	else if (!ksync_handle_known(&wg->h) ||
		 !ksync_fast_over(&ksync_handle_cell(&wg->h)->waitgroup))
		err = wg->h.obj->ops->waitgroup_wait(wg->h.obj, wg->h.index,
						     deadline, &lost);
	last_wait.serial = wg->h.obj->serial;
	last_wait.index = wg->h.index;
	/* A wait that failed in another way has seen no end of a round. */
	last_wait.lost = err == -EOWNERDEAD ? lost : 0;
	return err;
}

int ksync_waitgroup_wait(struct ksync_waitgroup *wg)
{
	if (!wg)
		return -EINVAL;
	return wait_round(wg, NULL, KSYNC_FOREVER);
}

int ksync_waitgroup_wait_until(struct ksync_waitgroup *wg,
			       const struct ksync_wait *w)
{
	uint64_t deadline;
	int err;

	if (!wg)
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	return wait_round(wg, w, deadline);
}

int ksync_waitgroup_bind(struct ksync_waitgroup *wg, int pidfd)
{
	if (!wg)
		return -EINVAL;
	if (pidfd < 0)
		return -EBADF;
	return wg->h.obj->ops->waitgroup_bind(wg->h.obj, wg->h.index, pidfd);
}

uint32_t ksync_waitgroup_lost(const struct ksync_waitgroup *wg)
{
	if (!wg || last_wait.serial != wg->h.obj->serial ||
	    last_wait.index != wg->h.index)
		return 0;
	return last_wait.lost;
}
