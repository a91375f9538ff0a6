// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: once, barriers and conditions. As everywhere in it, every
 * operation is one ioctl.
 */
#include <errno.h>

#include "backend_kernel.h"

static int index_command(struct ksync_object *obj, uint32_t index,
			 unsigned long cmd)
{
	struct ksync_index_args args = { .index = index };

	return kk_command(obj, cmd, &args);
}

int ksync_kernel_once_begin(struct ksync_object *obj, uint32_t index,
			    const struct ksync_limit *limit, uint64_t *result)
{
	struct ksync_once_begin_args args = {
		.index = index,
		.deadline = limit->deadline,
	};
	int err;

	if (limit->cancel) {
		args.flags = KSYNC_WAIT_CANCEL;
		args.cancel = limit->cancel->fd;
		args.cancel_index = limit->cancel_index;
	}
	err = kk_command(obj, KSYNC_IOC_ONCE_BEGIN, &args);
	if (err == -EALREADY)
		*result = args.result;
	return err;
}

int ksync_kernel_once_complete(struct ksync_object *obj, uint32_t index,
			       uint64_t result)
{
	struct ksync_once_complete_args args = {
		.index = index,
		.result = result,
	};

	return kk_command(obj, KSYNC_IOC_ONCE_COMPLETE, &args);
}

int ksync_kernel_once_abandon(struct ksync_object *obj, uint32_t index)
{
	return index_command(obj, index, KSYNC_IOC_ONCE_ABANDON);
}

int ksync_kernel_once_reset(struct ksync_object *obj, uint32_t index)
{
	return index_command(obj, index, KSYNC_IOC_ONCE_RESET);
}

int ksync_kernel_barrier_wait(struct ksync_object *obj, uint32_t index,
			      const struct ksync_limit *limit, bool *serial)
{
	int ret;

	ret = kk_lock_command(obj, index, 0, limit, KSYNC_IOC_BARRIER_WAIT);
	*serial = ret > 0;
	return ret > 0 ? 0 : ret;
}

int ksync_kernel_barrier_join(struct ksync_object *obj, uint32_t index)
{
	return index_command(obj, index, KSYNC_IOC_BARRIER_JOIN);
}

int ksync_kernel_barrier_leave(struct ksync_object *obj, uint32_t index)
{
	return index_command(obj, index, KSYNC_IOC_BARRIER_LEAVE);
}

int ksync_kernel_barrier_reset(struct ksync_object *obj, uint32_t index)
{
	return index_command(obj, index, KSYNC_IOC_BARRIER_RESET);
}

int ksync_kernel_cond_wait(struct ksync_object *obj, uint32_t index,
			   struct ksync_object *mutex, uint32_t mutex_index,
			   const struct ksync_limit *limit)
{
	struct ksync_cond_wait_args args = {
		.index = index,
		.mutex = mutex->fd,
		.mutex_index = mutex_index,
		.deadline = limit->deadline,
	};
	int err;

	if (limit->cancel) {
		args.flags = KSYNC_WAIT_CANCEL;
		args.cancel = limit->cancel->fd;
		args.cancel_index = limit->cancel_index;
	}
	err = kk_command(obj, KSYNC_IOC_COND_WAIT, &args);
	kk_mutex_waited(mutex, mutex_index, err);
	return err;
}

int ksync_kernel_cond_signal(struct ksync_object *obj, uint32_t index)
{
	return index_command(obj, index, KSYNC_IOC_COND_SIGNAL);
}

int ksync_kernel_cond_broadcast(struct ksync_object *obj, uint32_t index)
{
	return index_command(obj, index, KSYNC_IOC_COND_BROADCAST);
}
