// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of semaphores.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(sem, KSYNC_SEM)

/* Permits that some semaphore could give out at once. */
static bool is_count(uint32_t n)
{
	return n && n <= INT32_MAX;
}

KSYNC_SLOW int ksync_slow_sem_acquire(struct ksync_sem *s, uint32_t n)
{
	if (!s || !is_count(n))
		return -EINVAL;
	return s->h.obj->ops->sem_acquire(s->h.obj, s->h.index, n,
					  KSYNC_FOREVER);
}

int ksync_sem_acquire(struct ksync_sem *s, uint32_t n)
{
	return ksync_inline_sem_acquire(s, n);
}

KSYNC_SLOW int ksync_slow_sem_tryacquire(struct ksync_sem *s, uint32_t n)
{
	if (!s || !is_count(n))
		return -EINVAL;
	return s->h.obj->ops->sem_tryacquire(s->h.obj, s->h.index, n);
}

int ksync_sem_tryacquire(struct ksync_sem *s, uint32_t n)
{
	return ksync_inline_sem_tryacquire(s, n);
}

int ksync_sem_acquire_until(struct ksync_sem *s, uint32_t n,
			    const struct ksync_wait *w)
{
	uint64_t deadline;
	int err;

	if (!s || !is_count(n))
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	if (w && w->cancel)
		return ksync_wait_cancelable(&s->h, KSYNC_TAKE_PERMITS, n, w, deadline,
					     NULL);
	if (ksync_inline_acquire(&s->h.fast, n))
		return 0;
	return s->h.obj->ops->sem_acquire(s->h.obj, s->h.index, n, deadline);
}

KSYNC_SLOW int ksync_slow_sem_release(struct ksync_sem *s, uint32_t n)
{
	if (!s || !n)
		return -EINVAL;
	/* More than any process can hold, and than any maximum. */
	if (!is_count(n))
		return s->h.obj->flags & KSYNC_TRACKED ? -EPERM :
							      -EOVERFLOW;
	return s->h.obj->ops->sem_release(s->h.obj, s->h.index, n);
}

int ksync_sem_release(struct ksync_sem *s, uint32_t n)
{
	return ksync_inline_sem_release(s, n);
}

int ksync_sem_value(const struct ksync_sem *s)
{
	if (!s)
		return -EINVAL;
	return s->h.obj->ops->sem_value(s->h.obj, s->h.index);
}

int ksync_sem_resize(struct ksync_sem *s, uint32_t max)
{
	if (!s || !is_count(max))
		return -EINVAL;
	return s->h.obj->ops->sem_resize(s->h.obj, s->h.index, max);
}
