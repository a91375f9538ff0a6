// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What a thread remembers of the primitives that it used: see ksync_inline.h.
 */
#include "fast.h"

/* Until a backend has a better one: nothing is remembered in it. */
static uint64_t no_epoch = KSYNC_FAST_EPOCH_ONE;

uint64_t *ksync_fast_epoch = &no_epoch;
__thread struct ksync_fast ksync_fast_self[KSYNC_FAST_NR];

struct ksync_fast *ksync_fast_claim(uint64_t tag)
{
	struct ksync_fast *f = (struct ksync_fast *)
		((char *)__builtin_thread_pointer() + ksync_fast_place(tag));

	f->tag = tag + __atomic_load_n(ksync_fast_epoch, __ATOMIC_RELAXED);
	return f;
}
