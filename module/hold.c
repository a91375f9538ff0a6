// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds: what a thread or a process has. The trees are guarded by whoever owns
 * them (owner.h).
 */
#include <linux/slab.h>

#include "owner.h"

static struct kmem_cache *ksync_hold_cache;

static int ksync_hold_cmp(u64 object, u32 index, const struct rb_node *node)
{
	const struct ksync_hold *hold =
		rb_entry(node, struct ksync_hold, node);

	if (object != hold->object)
		return object < hold->object ? -1 : 1;
	if (index != hold->index)
		return index < hold->index ? -1 : 1;
	return 0;
}

struct ksync_hold *ksync_hold_find(struct rb_root *holds, u64 object, u32 index)
{
	struct rb_node *node = holds->rb_node;

	while (node) {
		int cmp = ksync_hold_cmp(object, index, node);

		if (!cmp)
			return rb_entry(node, struct ksync_hold, node);
		node = cmp < 0 ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* There must be no hold on the primitive yet. */
void ksync_hold_insert(struct rb_root *holds, struct ksync_hold *hold,
		       u64 object, u32 index, u32 kind)
{
	struct rb_node **link = &holds->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (ksync_hold_cmp(object, index, parent) < 0)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	hold->object = object;
	hold->index = index;
	hold->kind = kind;
	hold->count = 1;
	hold->round = 0;
	rb_link_node(&hold->node, parent, link);
	rb_insert_color(&hold->node, holds);
}

/*
 * Copies the first hold after @at, in the order of objects and indexes, to @at.
 * To begin, @at->object is 0.
 */
bool ksync_holds_next(const struct rb_root *holds, struct ksync_hold *at)
{
	struct rb_node *node = holds->rb_node, *best = NULL;

	while (node) {
		if (ksync_hold_cmp(at->object, at->index, node) < 0) {
			best = node;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	if (best)
		*at = *rb_entry(best, struct ksync_hold, node);
	return best;
}

/*
 * As ksync_holds_next(), for all that a thread holds, wherever it is noted. For
 * the thread itself, or while it is known to wait and cannot go on: with its
 * waiter queued and that bucket locked.
 */
bool ksync_thread_holds_next(const struct ksync_thread *thread,
			     struct ksync_hold *at)
{
	return ksync_holds_next(&thread->holds, at);
}

struct ksync_hold *ksync_hold_alloc(void)
{
	return kmem_cache_alloc(ksync_hold_cache, GFP_KERNEL_ACCOUNT);
}

void ksync_hold_free(struct ksync_hold *hold)
{
	if (hold)
		kmem_cache_free(ksync_hold_cache, hold);
}

/* A process has nothing left of it. */
void ksync_process_drop_hold(struct ksync_process *process,
			     struct ksync_hold *hold)
{
	lockdep_assert_held(&process->lock);
	rb_erase(&hold->node, &process->holds);
	ksync_hold_free(hold);
}

/*
 * An unused hold of the caller's, NULL without memory. It is taken before an
 * acquisition, so that nothing can fail after it.
 */
struct ksync_hold *ksync_hold_spare(struct ksync_thread *thread)
{
	struct ksync_hold *hold = thread->spare;

	if (!hold)
		return ksync_hold_alloc();
	thread->spare = hold->next_free;
	return hold;
}

/* Gives back a hold that is in no tree. */
void ksync_hold_unuse(struct ksync_thread *thread, struct ksync_hold *hold)
{
	if (hold >= thread->first &&
	    hold < thread->first + KSYNC_HOLDS_INLINE) {
		hold->next_free = thread->spare;
		thread->spare = hold;
	} else {
		ksync_hold_free(hold);
	}
}

int ksync_holds_init(void)
{
	ksync_hold_cache = KMEM_CACHE(ksync_hold, SLAB_ACCOUNT);
	return ksync_hold_cache ? 0 : -ENOMEM;
}

void ksync_holds_exit(void)
{
	kmem_cache_destroy(ksync_hold_cache);
}
