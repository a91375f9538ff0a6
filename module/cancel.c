// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits that an event can cancel.
 *
 * Such a wait stands in two queues: that of what it wants, and that of the
 * event, as a wait for it. The second ends the first. If what was wanted was
 * granted by then, the grant wins.
 */
#include <linux/err.h>

#include "event.h"
#include "wait.h"

/* Names the event. Nothing to be put back if it fails. */
int ksync_limit_cancel(struct ksync_limit *limit, u32 flags, s32 fd, u32 index)
{
	struct ksync_object *obj;
	int ret = -EINVAL;

	if (flags != KSYNC_WAIT_CANCEL)
		return -EINVAL;
	if (fd == KSYNC_NO_FD)
		return index ? -EINVAL : 0;
	obj = ksync_object_get_by_fd(fd);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	if (ksync_event_manual(obj))
		ret = ksync_queue_init(&limit->cancel, obj, index);
	if (ret) {
		ksync_object_put(obj);
		limit->cancel.obj = NULL;
	}
	return ret;
}

/*
 * Begins to wait for the event: -ECANCELED if it is set. Ends with
 * ksync_unwatch() in either case.
 */
int ksync_watch(struct ksync_limit *limit, struct ksync_waiter *watch)
{
	*watch = (struct ksync_waiter){ .want = KSYNC_WANT_SHARED };
	ksync_waiter_init(&limit->cancel, watch);
	return ksync_join(&limit->cancel, watch) ? 0 : -ECANCELED;
}

void ksync_unwatch(struct ksync_limit *limit, struct ksync_waiter *watch)
{
	if (!ksync_leave(&limit->cancel, watch))
		ksync_wait_result(watch);
}

static noinline int ksync_wait_cancel(struct ksync_queue *q,
				      struct ksync_waiter *w,
				      struct ksync_limit *limit)
{
	struct ksync_waiter watch;
	int ret;

	ret = ksync_watch(limit, &watch);
	if (!ret)
		ret = ksync_wait_watched(q, w, limit->deadline, &watch);
	else
		ksync_place_drop();
	ksync_unwatch(limit, &watch);
	return ret;
}

/* As ksync_wait_watched(), with a limit. */
int ksync_wait_limit(struct ksync_queue *q, struct ksync_waiter *w,
		     struct ksync_limit *limit)
{
	if (unlikely(limit->cancel.obj))
		return ksync_wait_cancel(q, w, limit);
	return ksync_wait_watched(q, w, limit->deadline, NULL);
}
