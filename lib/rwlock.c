// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of reader-writer locks.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(rwlock, KSYNC_RWLOCK)

static int rdlock_by_backend(struct ksync_rwlock *rw, uint64_t deadline,
			     bool only)
{
	const struct ksync_ops *ops = rw->h.obj->ops;

	return only ? ops->rwlock_tryrdlock(rw->h.obj, rw->h.index) :
		      ops->rwlock_rdlock(rw->h.obj, rw->h.index, deadline);
}

/* @left is what ksync_inline_read() gave. */
static int rdlock_rest(struct ksync_rwlock *rw, uint32_t left,
		       uint64_t deadline, bool only)
{
	if (left == KSYNC_HOLD_READ &&
	    ksync_fast_read_fenced(ksync_handle_fast(&rw->h),
				   &ksync_handle_cell(&rw->h)->lock))
		return 0;
	return rdlock_by_backend(rw, deadline, only);
}

/* Not cold: with fences, readers come here each time. */
__attribute__((noinline)) int
ksync_slow_rwlock_rdlock(struct ksync_rwlock *rw, uint32_t left, int only)
{
	if (!rw)
		return -EINVAL;
	return rdlock_rest(rw, left, KSYNC_FOREVER, only);
}

int ksync_rwlock_rdlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_rdlock(rw, false);
}

int ksync_rwlock_tryrdlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_rdlock(rw, true);
}

int ksync_rwlock_rdlock_until(struct ksync_rwlock *rw,
			      const struct ksync_wait *w)
{
	uint64_t deadline;
	uint32_t left;
	int err;

	if (!rw)
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	if (w && w->cancel)
		return ksync_wait_cancelable(&rw->h, KSYNC_TAKE_READ, 0, w, deadline,
					     NULL);
	left = ksync_inline_read(&rw->h.fast);
	return left ? rdlock_rest(rw, left, deadline, false) : 0;
}

int ksync_rwlock_wrlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_wrlock(rw->h.obj, rw->h.index,
					     KSYNC_FOREVER);
}

int ksync_rwlock_trywrlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_trywrlock(rw->h.obj, rw->h.index);
}

int ksync_rwlock_wrlock_until(struct ksync_rwlock *rw,
			      const struct ksync_wait *w)
{
	uint64_t deadline;
	int err;

	if (!rw)
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	if (w && w->cancel)
		return ksync_wait_cancelable(&rw->h, KSYNC_TAKE_WRITE, 0, w, deadline,
					     NULL);
	return rw->h.obj->ops->rwlock_wrlock(rw->h.obj, rw->h.index, deadline);
}

/* Not cold either. */
__attribute__((noinline)) int ksync_slow_rwlock_unlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	if (ksync_handle_known(&rw->h) &&
	    ksync_fast_unread_fenced(ksync_handle_fast(&rw->h),
				     &ksync_handle_cell(&rw->h)->lock))
		return 0;
	return rw->h.obj->ops->rwlock_unlock(rw->h.obj, rw->h.index);
}

int ksync_rwlock_unlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_unlock(rw);
}

int ksync_rwlock_downgrade(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_downgrade(rw->h.obj, rw->h.index);
}

int ksync_rwlock_upgrade(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_upgrade(rw->h.obj, rw->h.index);
}

int ksync_rwlock_consistent(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_consistent(rw->h.obj, rw->h.index);
}

uint64_t ksync_rwlock_token(const struct ksync_rwlock *rw)
{
	return rw ? rw->h.obj->ops->token(rw->h.obj, rw->h.index) : 0;
}
