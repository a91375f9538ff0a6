/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reader slots: memory that is mapped after an rwlock object's cells, where a
 * thread notes what it reads without an atomic operation. See <linux/ksync.h>.
 *
 * Whose a slot is, the kernel keeps for itself. What it says is not trusted: it
 * keeps writers of this object out, or does not, and nothing else.
 */
#ifndef KSYNC_SLOT_H
#define KSYNC_SLOT_H

#include <linux/math.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/ksync.h>

struct ksync_hold;
struct ksync_object;
struct ksync_queue;
struct ksync_slots;
struct ksync_thread;

/**
 * struct ksync_slot_ref - a slot that a thread has
 * @next: the thread's next one
 * @object: id of the object, which the reference does not keep
 * @nr: which one there
 */
struct ksync_slot_ref {
	struct ksync_slot_ref *next;
	u64 object;
	u32 nr;
};

#define KSYNC_SLOT_PAGES \
	DIV_ROUND_UP(KSYNC_SLOTS * sizeof(struct ksync_slot), PAGE_SIZE)

int ksync_slot_get(struct ksync_object *obj, struct ksync_thread *thread,
		   u32 *nr);
struct page *ksync_slot_page(struct ksync_object *obj, unsigned long nr);
void ksync_slots_free(struct ksync_object *obj);
void ksync_slots_settle(struct ksync_thread *thread);

void ksync_slots_fence(struct ksync_object *obj);
u32 ksync_slots_readers(struct ksync_queue *q);
int ksync_slot_holds(struct ksync_object *obj, u32 nr, u32 id,
		     struct ksync_hold *holds);
u64 *ksync_slot_hold(struct ksync_queue *q, struct ksync_thread *thread);

#endif /* KSYNC_SLOT_H */
