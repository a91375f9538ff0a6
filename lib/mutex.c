// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of mutexes.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(mutex, KSYNC_MUTEX)

KSYNC_SLOW int ksync_slow_mutex_lock(struct ksync_mutex *m)
{
	if (!m)
		return -EINVAL;
	return m->h.obj->ops->mutex_lock(m->h.obj, m->h.index, KSYNC_FOREVER);
}

int ksync_mutex_lock(struct ksync_mutex *m)
{
	return ksync_inline_mutex_lock(m);
}

KSYNC_SLOW int ksync_slow_mutex_trylock(struct ksync_mutex *m)
{
	if (!m)
		return -EINVAL;
	return m->h.obj->ops->mutex_trylock(m->h.obj, m->h.index);
}

int ksync_mutex_trylock(struct ksync_mutex *m)
{
	return ksync_inline_mutex_trylock(m);
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
	if (ksync_inline_lock(&m->h.fast))
		return 0;
	return m->h.obj->ops->mutex_lock(m->h.obj, m->h.index, deadline);
}

KSYNC_SLOW int ksync_slow_mutex_unlock(struct ksync_mutex *m)
{
	if (!m)
		return -EINVAL;
	return m->h.obj->ops->mutex_unlock(m->h.obj, m->h.index);
}

int ksync_mutex_unlock(struct ksync_mutex *m)
{
	return ksync_inline_mutex_unlock(m);
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
