// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of events.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(event, KSYNC_EVENT)

int ksync_event_set(struct ksync_event *e)
{
	if (!e)
		return -EINVAL;
	return e->h.obj->ops->event_set(e->h.obj, e->h.index);
}

int ksync_event_reset(struct ksync_event *e)
{
	if (!e)
		return -EINVAL;
	return e->h.obj->ops->event_reset(e->h.obj, e->h.index);
}

int ksync_event_wait(struct ksync_event *e)
{
	if (!e)
		return -EINVAL;
	return e->h.obj->ops->event_wait(e->h.obj, e->h.index, KSYNC_FOREVER);
}

int ksync_event_wait_until(struct ksync_event *e, const struct ksync_wait *w)
{
	uint64_t deadline;
	int err;

	if (!e)
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	if (w && w->cancel)
		return ksync_wait_cancelable(&e->h, KSYNC_TAKE_EVENT, 0, w,
					     deadline, NULL);
	return e->h.obj->ops->event_wait(e->h.obj, e->h.index, deadline);
}

int ksync_event_set_parent(struct ksync_event *e, struct ksync_event *parent)
{
	const struct ksync_ops *ops;

	if (!e)
		return -EINVAL;
	ops = e->h.obj->ops;
	if (parent && parent->h.obj->flags & KSYNC_AUTO_RESET)
		return -EINVAL;
	if (!ops->event_set_parent)
		return -EOPNOTSUPP;
	return ops->event_set_parent(e->h.obj, e->h.index,
				     parent ? parent->h.obj : NULL,
				     parent ? parent->h.index : 0);
}
