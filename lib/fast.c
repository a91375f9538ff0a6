// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What threads remember of the primitives that they used: see ksync_layout.h.
 */
#include <string.h>
#include <sys/mman.h>

#include "fast.h"

/* What a thread has that has none. No handle has this tag. */
static struct ksync_fast nothing[KSYNC_FAST_NR];

__thread struct ksync_fast *ksync_fast_self = nothing;

void *ksync_fast_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, size, MADV_WIPEONFORK)) {
		munmap(p, size);
		return NULL;
	}
	return p;
}

void ksync_fast_use(void *memory)
{
	if (memory)
		ksync_fast_self = memset(memory, 0, KSYNC_FAST_SIZE);
	else
		ksync_fast_self = nothing;
}

bool ksync_fast_used(void)
{
	return ksync_fast_self != nothing;
}

/* The place for the tag, as yet nobody's, or NULL. */
static struct ksync_fast *claim(uint64_t tag)
{
	struct ksync_fast *f = (struct ksync_fast *)
		((char *)ksync_fast_self + KSYNC_FAST_PLACE(tag));

	if (!ksync_fast_used())
		return NULL;
	f->tag = tag;
	return f;
}

void ksync_fast_lock_is(uint64_t tag, void *hold, uint64_t idle, uint32_t id)
{
	struct ksync_fast *f = claim(tag);

	if (!f)
		return;
	f->hold = hold;
	f->idle = idle;
	f->id = id;
}

void ksync_fast_word_is(uint64_t tag, uint64_t word)
{
	struct ksync_fast *f = claim(tag);

	if (!f)
		return;
	f->seen = word;
}

void ksync_fast_drop(const void *hold)
{
	unsigned int i;

	for (i = 0; i < KSYNC_FAST_NR; i++)
		if (ksync_fast_self[i].hold == hold)
			ksync_fast_self[i].tag = 0;
}
