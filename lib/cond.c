// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of condition variables.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(cond, KSYNC_COND)

/* The mutex must be one that the condition's backend knows. */
static bool fits(struct ksync_cond *c, struct ksync_mutex *m)
{
	return c && m && c->h.obj->ops == m->h.obj->ops;
}

static int wait_with(struct ksync_cond *c, struct ksync_mutex *m,
		     const struct ksync_limit *limit)
{
	return c->h.obj->ops->cond_wait(c->h.obj, c->h.index, m->h.obj,
					m->h.index, limit);
}

int ksync_cond_wait(struct ksync_cond *c, struct ksync_mutex *m)
{
	const struct ksync_limit forever = { .deadline = KSYNC_FOREVER };

	return fits(c, m) ? wait_with(c, m, &forever) : -EINVAL;
}

int ksync_cond_wait_until(struct ksync_cond *c, struct ksync_mutex *m,
			  const struct ksync_wait *w)
{
	struct ksync_limit limit;
	int err;

	if (!fits(c, m))
		return -EINVAL;
	err = ksync_wait_limit(w, &limit);
	return err ? err : wait_with(c, m, &limit);
}

int ksync_cond_signal(struct ksync_cond *c)
{
	if (!c)
		return -EINVAL;
	return c->h.obj->ops->cond_signal(c->h.obj, c->h.index);
}

int ksync_cond_broadcast(struct ksync_cond *c)
{
	if (!c)
		return -EINVAL;
	return c->h.obj->ops->cond_broadcast(c->h.obj, c->h.index);
}
