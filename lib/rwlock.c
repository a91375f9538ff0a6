// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of reader-writer locks.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(rwlock, KSYNC_RWLOCK)

/* Apart, so that nothing has to be jumped over on the fast path. */
static KSYNC_SLOW int rdlock_by_backend(struct ksync_rwlock *rw,
					uint64_t deadline, bool try)
{
	const struct ksync_ops *ops = rw->h.obj->ops;

	return try ? ops->rwlock_tryrdlock(rw->h.obj, rw->h.index) :
		     ops->rwlock_rdlock(rw->h.obj, rw->h.index, deadline);
}

static __attribute__((noinline)) int
rdlock_fenced(struct ksync_rwlock *rw, uint64_t deadline, bool try)
{
	if (ksync_fast_rwlock_read_fenced(ksync_handle_fast(&rw->h),
					  &rw->h.cell->lock))
		return 0;
	return rdlock_by_backend(rw, deadline, try);
}

static inline int rdlock(struct ksync_rwlock *rw, uint64_t deadline, bool try)
{
	uint32_t left = KSYNC_HOLD_EXCL;

	if (ksync_handle_known(&rw->h))
		left = ksync_fast_rwlock_read(ksync_handle_fast(&rw->h),
					      &rw->h.cell->lock);
	if (!left)
		return 0;
	return left == KSYNC_HOLD_READ ? rdlock_fenced(rw, deadline, try) :
					 rdlock_by_backend(rw, deadline, try);
}

static KSYNC_SLOW int unlock_slowly(struct ksync_rwlock *rw)
{
	return rw->h.obj->ops->rwlock_unlock(rw->h.obj, rw->h.index);
}

int ksync_rwlock_rdlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rdlock(rw, KSYNC_FOREVER, false);
}

int ksync_rwlock_tryrdlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rdlock(rw, 0, true);
}

int ksync_rwlock_rdlock_until(struct ksync_rwlock *rw,
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
		return ksync_wait_cancelable(&rw->h, KSYNC_TAKE_READ, 0, w, deadline,
					     NULL);
	return rdlock(rw, deadline, false);
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

int ksync_rwlock_unlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	if (ksync_handle_known(&rw->h) &&
	    ksync_fast_rwlock_unread(ksync_handle_fast(&rw->h),
				     &rw->h.cell->lock))
		return 0;
	return unlock_slowly(rw);
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
