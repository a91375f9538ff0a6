/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the kernel backend share: the ABI, the only call of
 * ioctl, and what the other files have for the table in backend_kernel.c.
 */
#ifndef KSYNC_BACKEND_KERNEL_H
#define KSYNC_BACKEND_KERNEL_H

#include <linux/ksync.h>

#include "backend.h"

/* backend_kernel.c */

/* An ioctl that is never interrupted and leaves errno alone. */
int ksync_kernel_command(int fd, unsigned long cmd, void *args);
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

/* backend_kernel_graph.c */
int ksync_kernel_graph(ksync_edge_fn *fn, void *arg);
int ksync_kernel_last_deadlock(ksync_edge_fn *fn, void *arg);

#endif /* KSYNC_BACKEND_KERNEL_H */
