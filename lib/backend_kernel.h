/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the kernel backend share: the ABI, the only call of
 * ioctl, and what the others have for the table in backend_kernel.c.
 */
#ifndef KSYNC_BACKEND_KERNEL_H
#define KSYNC_BACKEND_KERNEL_H

#include <linux/ksync.h>

#include "backend.h"

/* backend_kernel.c */

/* An ioctl that is never interrupted and leaves errno alone. */
int ksync_kernel_command(int fd, unsigned long cmd, void *args);
/* The same on the descriptor of an object. */
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

/* backend_kernel_rendezvous.c: see struct ksync_ops */

int ksync_kernel_once_begin(struct ksync_object *obj, uint32_t index,
			    uint64_t deadline, uint64_t *result);
int ksync_kernel_once_complete(struct ksync_object *obj, uint32_t index,
			       uint64_t result);
int ksync_kernel_once_abandon(struct ksync_object *obj, uint32_t index);
int ksync_kernel_once_reset(struct ksync_object *obj, uint32_t index);
int ksync_kernel_barrier_wait(struct ksync_object *obj, uint32_t index,
			      uint64_t deadline, bool *serial);
int ksync_kernel_barrier_join(struct ksync_object *obj, uint32_t index);
int ksync_kernel_barrier_leave(struct ksync_object *obj, uint32_t index);
int ksync_kernel_barrier_reset(struct ksync_object *obj, uint32_t index);
int ksync_kernel_cond_wait(struct ksync_object *obj, uint32_t index,
			   struct ksync_object *mutex, uint32_t mutex_index,
			   uint64_t deadline);
int ksync_kernel_cond_signal(struct ksync_object *obj, uint32_t index);
int ksync_kernel_cond_broadcast(struct ksync_object *obj, uint32_t index);

#endif /* KSYNC_BACKEND_KERNEL_H */
