// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of reader-writer locks.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(rwlock, KSYNC_RWLOCK)

int ksync_rwlock_rdlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_rdlock(rw->h.obj, rw->h.index,
					     KSYNC_FOREVER);
}

int ksync_rwlock_tryrdlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_tryrdlock(rw->h.obj, rw->h.index);
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
	return rw->h.obj->ops->rwlock_rdlock(rw->h.obj, rw->h.index, deadline);
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
	return rw->h.obj->ops->rwlock_unlock(rw->h.obj, rw->h.index);
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
