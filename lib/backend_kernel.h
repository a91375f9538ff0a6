/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the two files of the kernel backend share: the ABI, the only call of
 * ioctl, and what the file with the device has for the table in the other.
 */
#ifndef KSYNC_BACKEND_KERNEL_H
#define KSYNC_BACKEND_KERNEL_H

#include <linux/ksync.h>

#include "backend.h"

/* backend_kernel.c */

/* An ioctl that is never interrupted and leaves errno alone. */
int ksync_kernel_command(int fd, unsigned long cmd, void *args);
/* The same on an object. */
int ksync_kernel_object_command(struct ksync_object *obj, unsigned long cmd,
				void *args);
void ksync_kernel_convert_status(struct ksync_status *st, uint32_t type,
				 const struct ksync_primitive_status *abi);

/* backend_kernel_device.c */

/* A command to /dev/ksync. */
int ksync_kernel_device_command(unsigned long cmd, void *args);

int ksync_kernel_available(void);
const char *ksync_kernel_version(void);
int ksync_kernel_unlink(const char *name);
int ksync_kernel_query(const char *name, uint32_t index,
		       struct ksync_info *info, struct ksync_status *st);
int ksync_kernel_list(ksync_list_fn *fn, void *arg);

/* backend_kernel_event.c */
int ksync_kernel_event_set(struct ksync_object *obj, uint32_t index);
int ksync_kernel_event_reset(struct ksync_object *obj, uint32_t index);
int ksync_kernel_event_wait(struct ksync_object *obj, uint32_t index,
			    uint64_t deadline);
int ksync_kernel_event_set_parent(struct ksync_object *obj, uint32_t index,
				  struct ksync_object *parent,
				  uint32_t parent_index);

/* backend_kernel_many.c */
int ksync_kernel_wait_cancelable(struct ksync_ask *ask,
				 const struct ksync_limit *limit);
int ksync_kernel_wait_many(struct ksync_ask *asks, uint32_t nr, bool all,
			   const struct ksync_limit *limit, uint32_t *index);
int ksync_kernel_request_queue(const struct ksync_ask *ask, uint64_t keep);
int ksync_kernel_request_claim(const struct ksync_ask *ask, bool withdraw);

#endif /* KSYNC_BACKEND_KERNEL_H */
