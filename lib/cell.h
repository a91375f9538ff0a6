/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The cells of <linux/ksync.h>, for code that also includes the public header:
 * two tags mean different things there and here.
 */
#ifndef KSYNC_CELL_H
#define KSYNC_CELL_H

#define ksync_status abi_status
#define ksync_type abi_type
#include <linux/ksync.h>
#undef ksync_status
#undef ksync_type

#endif /* KSYNC_CELL_H */
