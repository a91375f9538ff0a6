/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KSYNC_HOST_LINUX_MINMAX_H
#define KSYNC_HOST_LINUX_MINMAX_H

#define min(a, b) ((a) < (b) ? (a) : (b))
#define min_t(t, a, b) min((t)(a), (t)(b))

#endif /* KSYNC_HOST_LINUX_MINMAX_H */
