// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of once.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(once, KSYNC_ONCE)

static int begin(struct ksync_once *o, uint64_t *result,
		 const struct ksync_limit *limit)
{
	uint64_t value = 0;
	int err;

	err = o->h.obj->ops->once_begin(o->h.obj, o->h.index, limit, &value);
	if (err == -EALREADY && result)
		*result = value;
	return err;
}

int ksync_once_begin(struct ksync_once *o, uint64_t *result)
{
	const struct ksync_limit forever = { .deadline = KSYNC_FOREVER };

	return o ? begin(o, result, &forever) : -EINVAL;
}

int ksync_once_begin_until(struct ksync_once *o, uint64_t *result,
			   const struct ksync_wait *w)
{
	struct ksync_limit limit;
	int err;

	if (!o)
		return -EINVAL;
	err = ksync_wait_limit(w, &limit);
	return err ? err : begin(o, result, &limit);
}

int ksync_once_complete(struct ksync_once *o, uint64_t result)
{
	if (!o)
		return -EINVAL;
	return o->h.obj->ops->once_complete(o->h.obj, o->h.index, result);
}

int ksync_once_abandon(struct ksync_once *o)
{
	if (!o)
		return -EINVAL;
	return o->h.obj->ops->once_abandon(o->h.obj, o->h.index);
}

int ksync_once_reset(struct ksync_once *o)
{
	if (!o)
		return -EINVAL;
	return o->h.obj->ops->once_reset(o->h.obj, o->h.index);
}

int ksync_once_run(struct ksync_once *o,
		   int (*fn)(void *arg, int died, uint64_t *result),
		   void *arg, uint64_t *result)
{
	uint64_t value = 0;
	int err;

	if (!o || !fn)
		return -EINVAL;
	err = ksync_once_begin(o, result);
	if (err == -EALREADY)
		return 0;
	if (err && err != -EOWNERDEAD)
		return err;
	err = fn(arg, err == -EOWNERDEAD, &value);
	if (err) {
		ksync_once_abandon(o);
		return err;
	}
	err = ksync_once_complete(o, value);
	if (!err && result)
		*result = value;
	return err;
}
