// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds: what a thread or a process has. The trees are guarded by whoever owns
 * them (owner.h).
 */
#include <linux/slab.h>

#include "line.h"
#include "owner.h"
#include "slot.h"

static struct kmem_cache *ksync_hold_cache;

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

/* Was it found before, in the tree or in the line? */
static bool ksync_entry_known(struct ksync_thread *thread, u32 nr, u64 object,
			      u32 index)
{
	const struct ksync_line_entry *entry = thread->line->entry;
	u32 i;

	for (i = 0; i < nr; i++)
		if (ksync_line_object(&entry[i]) == object &&
		    READ_ONCE(entry[i].index) == index)
			return true;
	return ksync_thread_hold(thread, object, index);
}

/* What the thread may hold according to its line. */
static bool ksync_line_next(struct ksync_thread *thread, struct ksync_held *at)
{
	struct ksync_hold *hold = &at->hold;
	u32 nr;

	while (thread->line && at->entries < KSYNC_LINE_ENTRIES) {
		nr = at->entries++;
		hold->object = ksync_line_object(&thread->line->entry[nr]);
		hold->index = READ_ONCE(thread->line->entry[nr].index);
		hold->kind = KSYNC_HOLD_EXCLUSIVE;
		hold->count = 1;
		if (hold->object &&
		    !ksync_entry_known(thread, nr, hold->object, hold->index))
			return true;
	}
	return false;
}

static bool ksync_slots_next(struct ksync_thread *thread, struct ksync_held *at)
{
	at->slot = at->in_slots ? at->slot->next : thread->slots;
	at->in_slots = true;
	if (!at->slot)
		return false;
	at->hold.object = at->slot->object;
	at->hold.index = at->slot->nr;
	at->hold.kind = KSYNC_HOLD_SLOT;
	at->hold.count = 0;
	return true;
}

/*
 * The next of all that a thread holds, wherever it is noted: its tree, its line,
 * its slots. False at the end, after which there must be no further call. Line
 * and slots are written in user space: an exclusive hold is one only if the
 * word agrees. For the thread itself, or while it is known to wait and cannot go
 * on: with its waiter queued and that bucket locked, the same wait for all calls.
 */
bool ksync_thread_holds_next(struct ksync_thread *thread, struct ksync_held *at)
{
	if (!at->in_line) {
		if (ksync_holds_next(&thread->holds, &at->hold))
			return true;
		at->in_line = true;
	}
	if (!at->in_slots && ksync_line_next(thread, at))
		return true;
	return ksync_slots_next(thread, at);
}

struct ksync_hold *ksync_hold_alloc(void)
{
	return kmem_cache_alloc(ksync_hold_cache, GFP_KERNEL_ACCOUNT);
}

/* For who cannot go back any more. */
struct ksync_hold *ksync_hold_alloc_nofail(void)
{
	return kmem_cache_alloc(ksync_hold_cache,
				GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
}

void ksync_hold_free(struct ksync_hold *hold)
{
	if (hold)
		kmem_cache_free(ksync_hold_cache, hold);
}

/* A process has nothing left of it. One is kept for the next time. */
void ksync_process_drop_hold(struct ksync_process *process,
			     struct ksync_hold *hold)
{
	lockdep_assert_held(&process->lock);
	rb_erase(&hold->node, &process->holds);
	if (process->spare)
		ksync_hold_free(hold);
	else
		process->spare = hold;
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
