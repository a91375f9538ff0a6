// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: memory for what threads remember (fast.h). Each has a piece,
 * from pages that belong to the process for good.
 */
#include <stdlib.h>
#include <string.h>

#include "backend_futex.h"

#define SLAB		65536UL
#define PIECES		(SLAB / KSYNC_FAST_SIZE)

/*
 * struct slab: memory for many threads. Only its pieces are wiped at fork.
 *
 * used		which of them threads have
 * hint		where to look first for one that is free
 */
struct slab {
	struct slab *next;
	char *base;
	unsigned int hint;
	bool used[PIECES];
};

static struct slab *slabs;	/* kfx_lock */
static __thread bool *used_by_me KFX_TLS;

static struct slab *new_slab(void)
{
	struct slab *slab = calloc(1, sizeof(*slab));

	if (!slab)
		return NULL;
	slab->base = ksync_fast_map(SLAB);
	if (!slab->base) {
		free(slab);
		return NULL;
	}
	slab->next = slabs;
	slabs = slab;
	return slab;
}

static bool take_piece(struct slab *slab)
{
	unsigned int n, i;

	for (n = 0; n < PIECES; n++) {
		i = (slab->hint + n) % PIECES;
		/* Its last owner is done with it: pairs with the release below. */
		if (kfx_load_acquire(&slab->used[i]))
			continue;
		slab->hint = i;
		used_by_me = &slab->used[i];
		*used_by_me = true;
		ksync_fast_use(slab->base + i * KSYNC_FAST_SIZE);
		return true;
	}
	return false;
}

/* The caller gets memory, if there is any. It may have some. kfx_lock held. */
void kfx_memory_join(void)
{
	struct slab *slab;

	if (ksync_fast_used())
		return;
	for (slab = slabs; slab && !take_piece(slab); slab = slab->next)
		;
	if (slab)
		return;
	slab = new_slab();
	if (slab)
		take_piece(slab);
}

/* The caller ends. */
void kfx_memory_leave(void)
{
	if (!ksync_fast_used())
		return;
	ksync_fast_use(NULL);
	kfx_store_release(used_by_me, false);
}

/* In a child, before anything else: nobody has any. */
void kfx_memory_renew(void)
{
	struct slab *slab;

	ksync_fast_use(NULL);
	for (slab = slabs; slab; slab = slab->next)
		memset(slab->used, 0, sizeof(slab->used));
}
