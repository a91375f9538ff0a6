// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of mutexes.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(mutex, KSYNC_MUTEX)

/* Apart, so that nothing has to be jumped over on the fast path. */
static KSYNC_SLOW int lock_slowly(struct ksync_mutex *m, uint64_t deadline)
{
	return m->h.obj->ops->mutex_lock(m->h.obj, m->h.index, deadline);
}

static KSYNC_SLOW int unlock_slowly(struct ksync_mutex *m)
{
	return m->h.obj->ops->mutex_unlock(m->h.obj, m->h.index);
}

int ksync_mutex_lock(struct ksync_mutex *m)
{
	if (!m)
		return -EINVAL;
	if (ksync_handle_known(&m->h) &&
	    ksync_fast_mutex_lock(ksync_handle_fast(&m->h),
				  &m->h.cell->lock))
		return 0;
	return lock_slowly(m, KSYNC_FOREVER);
}

int ksync_mutex_trylock(struct ksync_mutex *m)
{
	if (!m)
		return -EINVAL;
	if (ksync_handle_known(&m->h) &&
	    ksync_fast_mutex_lock(ksync_handle_fast(&m->h),
				  &m->h.cell->lock))
		return 0;
	return m->h.obj->ops->mutex_trylock(m->h.obj, m->h.index);
}

int ksync_mutex_lock_until(struct ksync_mutex *m, const struct ksync_wait *w)
{
	uint64_t deadline;
	int err;

	if (!m)
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	if (w && w->cancel)
		return ksync_wait_cancelable(&m->h, KSYNC_TAKE_MUTEX, 0, w, deadline,
					     NULL);
	if (ksync_handle_known(&m->h) &&
	    ksync_fast_mutex_lock(ksync_handle_fast(&m->h),
				  &m->h.cell->lock))
		return 0;
	return lock_slowly(m, deadline);
}

int ksync_mutex_unlock(struct ksync_mutex *m)
{
	if (!m)
		return -EINVAL;
	if (ksync_handle_known(&m->h) &&
	    ksync_fast_mutex_unlock(ksync_handle_fast(&m->h),
				    &m->h.cell->lock))
		return 0;
	return unlock_slowly(m);
}

int ksync_mutex_consistent(struct ksync_mutex *m)
{
	if (!m)
		return -EINVAL;
	return m->h.obj->ops->mutex_consistent(m->h.obj, m->h.index);
}

uint64_t ksync_mutex_token(const struct ksync_mutex *m)
{
	return m ? m->h.obj->ops->token(m->h.obj, m->h.index) : 0;
}
