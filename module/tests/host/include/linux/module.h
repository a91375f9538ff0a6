/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KSYNC_HOST_LINUX_MODULE_H
#define KSYNC_HOST_LINUX_MODULE_H

#define MODULE_DESCRIPTION(text) extern int ksync_host_unused
#define MODULE_LICENSE(text) extern int ksync_host_unused

#endif /* KSYNC_HOST_LINUX_MODULE_H */
