// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: events.
 */
#include "backend_kernel.h"

int ksync_kernel_event_set(struct ksync_object *obj, uint32_t index)
{
	struct ksync_index_args args = { .index = index };

	return kk_command(obj, KSYNC_IOC_EVENT_SET, &args);
}

int ksync_kernel_event_reset(struct ksync_object *obj, uint32_t index)
{
	struct ksync_index_args args = { .index = index };

	return kk_command(obj, KSYNC_IOC_EVENT_RESET, &args);
}

int ksync_kernel_event_wait(struct ksync_object *obj, uint32_t index,
			    uint64_t deadline)
{
	struct ksync_lock_args args = {
		.index = index,
		.deadline = deadline,
	};

	return kk_command(obj, KSYNC_IOC_EVENT_WAIT, &args);
}

int ksync_kernel_event_set_parent(struct ksync_object *obj, uint32_t index,
				  struct ksync_object *parent,
				  uint32_t parent_index)
{
	struct ksync_event_parent_args args = {
		.index = index,
		.fd = parent ? parent->fd : KSYNC_NO_FD,
		.parent_index = parent_index,
	};

	return kk_command(obj, KSYNC_IOC_EVENT_SET_PARENT, &args);
}
