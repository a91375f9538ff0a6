// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of barriers.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(barrier, KSYNC_BARRIER)

static int arrive(struct ksync_barrier *b, const struct ksync_limit *limit)
{
	bool serial = false;
	int err;

	err = b->h.obj->ops->barrier_wait(b->h.obj, b->h.index, limit,
					  &serial);
	return !err && serial ? KSYNC_BARRIER_SERIAL : err;
}

int ksync_barrier_wait(struct ksync_barrier *b)
{
	const struct ksync_limit forever = { .deadline = KSYNC_FOREVER };

	return b ? arrive(b, &forever) : -EINVAL;
}

int ksync_barrier_wait_until(struct ksync_barrier *b,
			     const struct ksync_wait *w)
{
	struct ksync_limit limit;
	int err;

	if (!b)
		return -EINVAL;
	err = ksync_wait_limit(w, &limit);
	return err ? err : arrive(b, &limit);
}

int ksync_barrier_join(struct ksync_barrier *b)
{
	if (!b)
		return -EINVAL;
	return b->h.obj->ops->barrier_join(b->h.obj, b->h.index);
}

int ksync_barrier_leave(struct ksync_barrier *b)
{
	if (!b)
		return -EINVAL;
	return b->h.obj->ops->barrier_leave(b->h.obj, b->h.index);
}

int ksync_barrier_reset(struct ksync_barrier *b)
{
	if (!b)
		return -EINVAL;
	return b->h.obj->ops->barrier_reset(b->h.obj, b->h.index);
}
