// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What a thread remembers of the primitives that it used: see fast.h.
 */
#include <string.h>

#include "fast.h"

/* Until a backend has a better one: no thread is in this epoch. */
static uint64_t no_epoch = 1;

uint64_t *ksync_fast_epoch = &no_epoch;
__thread struct ksync_fast_self ksync_fast_self;

struct ksync_fast *ksync_fast_claim(uint64_t tag)
{
	uint64_t epoch = __atomic_load_n(ksync_fast_epoch, __ATOMIC_RELAXED);
	struct ksync_fast *f = ksync_fast_slot(tag);

	if (ksync_fast_self.epoch != epoch) {
		memset(&ksync_fast_self, 0, sizeof(ksync_fast_self));
		ksync_fast_self.epoch = epoch;
	}
	f->tag = tag;
	return f;
}
