/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting for all of several primitives.
 */
#ifndef KSYNC_ALL_H
#define KSYNC_ALL_H

#include "many.h"

int ksync_all_take(struct ksync_request **r, u32 nr, struct ksync_limit *limit,
		   struct ksync_request **failed);

#endif /* KSYNC_ALL_H */
