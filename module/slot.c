// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader slots.
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "commands.h"
#include "owner.h"
#include "slot.h"
#include "trace.h"

/**
 * struct ksync_slots - the slots of an object, made when the first is asked for
 * @slot: as the kernel sees them; pages of their own
 * @used: slots from this one on were never used. Grows only
 * @lock: guards the changes of @used and @owner, and @cpus
 * @ready: every writer has been seen to know of the slots
 * @cpus: where to send the barrier
 * @owner: ids of the threads that have them, 0 for nobody
 */
struct ksync_slots {
	struct ksync_slot *slot;
	u32 used;
	spinlock_t lock;	/* see above. Taken inside a bucket's lock */
	bool ready;
	struct cpumask cpus;
	u32 owner[KSYNC_SLOTS];
};

static struct ksync_slots *slots_new(void)
{
	struct ksync_slots *slots;

	slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	spin_lock_init(&slots->lock);
	slots->slot = __vmalloc(KSYNC_SLOT_PAGES * PAGE_SIZE,
				GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!slots->slot) {
		kfree(slots);
		return NULL;
	}
	return slots;
}

void ksync_slots_free(struct ksync_object *obj)
{
	if (!obj->slots)
		return;
	vfree(obj->slots->slot);
	kfree(obj->slots);
}

static struct ksync_slots *slots_of(struct ksync_object *obj)
{
	/* Pairs with the release in slots_make(). */
	return smp_load_acquire(&obj->slots);
}

/*
 * Writers decide whether there are slots to look at with their bucket locked.
 * Whoever did before the slots were there is out of it when all buckets have
 * been locked once.
 */
static struct ksync_slots *slots_make(struct ksync_object *obj)
{
	struct ksync_slots *slots = slots_of(obj);
	u32 i;

	if (slots)
		return slots;
	slots = slots_new();
	if (!slots)
		return NULL;
	/* Pairs with the acquire in slots_of(). */
	smp_store_release(&obj->slots, slots);
	for (i = 0; i <= obj->bucket_mask; i++) {
		spin_lock(&obj->buckets[i].lock);
		spin_unlock(&obj->buckets[i].lock);
	}
	/* Pairs with the acquire in slots_get(). */
	smp_store_release(&slots->ready, true);
	return slots;
}

/* The object's slots, made if need be; NULL without memory. */
static struct ksync_slots *slots_get(struct ksync_object *obj)
{
	static DEFINE_MUTEX(making);
	struct ksync_slots *slots = slots_of(obj);

	/* Pairs with the release in slots_make(). */
	if (slots && smp_load_acquire(&slots->ready))
		return slots;
	mutex_lock(&making);
	slots = slots_make(obj);
	mutex_unlock(&making);
	return slots;
}

struct page *ksync_slot_page(struct ksync_object *obj, unsigned long nr)
{
	struct ksync_slots *slots = slots_of(obj);

	if (!slots || nr >= KSYNC_SLOT_PAGES)
		return NULL;
	return vmalloc_to_page((char *)slots->slot + nr * PAGE_SIZE);
}

/* Forgets slots of objects that are gone, when there may be many of them. */
static void slots_prune(struct ksync_thread *thread)
{
	struct ksync_slot_ref **p = &thread->slots, *ref;
	struct ksync_object *obj;
	u32 left = 0;

	if (thread->nr_slots < thread->prune_slots)
		return;
	while ((ref = *p)) {
		obj = ksync_object_get_by_id(ref->object);
		if (obj) {
			ksync_object_put(obj);
			left++;
			p = &ref->next;
		} else {
			*p = ref->next;
			kfree(ref);
		}
	}
	thread->nr_slots = left;
	thread->prune_slots = 2 * left + 16;
}

static u32 slots_used(struct ksync_slots *slots)
{
	/* Pairs with the release in slots_claim(). */
	return slots ? smp_load_acquire(&slots->used) : 0;
}

/* The slot of the thread @id, KSYNC_SLOTS if it has none. For that thread. */
static u32 slots_find(struct ksync_slots *slots, u32 id)
{
	u32 nr, used = slots_used(slots);

	for (nr = 0; nr < used; nr++)
		if (READ_ONCE(slots->owner[nr]) == id)
			return nr;
	return KSYNC_SLOTS;
}

/* One that is free: its number, or KSYNC_SLOTS. */
static u32 slots_claim(struct ksync_slots *slots, u32 id)
{
	u32 nr = 0;

	spin_lock(&slots->lock);
	while (nr < slots->used && slots->owner[nr])
		nr++;
	if (nr < KSYNC_SLOTS) {
		WRITE_ONCE(slots->owner[nr], id);
		/* Pairs with the acquire in slots_used(). */
		smp_store_release(&slots->used, max(slots->used, nr + 1));
	}
	spin_unlock(&slots->lock);
	return nr;
}

/* A slot of the object for the caller, which it may have already. */
int ksync_slot_get(struct ksync_object *obj, struct ksync_thread *thread,
		   u32 *nr)
{
	struct ksync_slots *slots = slots_get(obj);
	struct ksync_slot_ref *ref;

	if (!slots)
		return -ENOMEM;
	/* Who reads by it must be told without fail. */
	*nr = slots_find(slots, thread->id);
	if (*nr < KSYNC_SLOTS)
		return 0;
	slots_prune(thread);
	ref = kmalloc(sizeof(*ref), GFP_KERNEL_ACCOUNT);
	if (!ref)
		return -ENOMEM;
	*nr = slots_claim(slots, thread->id);
	if (*nr == KSYNC_SLOTS) {
		kfree(ref);
		return -ENOSPC;
	}
	ref->object = obj->id;
	ref->nr = *nr;
	ref->next = thread->slots;
	thread->slots = ref;
	thread->nr_slots++;
	return 0;
}

static void slots_barrier(void *unused)
{
	/* Pairs with ksync_fast_barrier() of readers in user space. */
	smp_mb();
}

/*
 * As ksync_map_fence(), for all threads that have slots: a reader that did not
 * see what the caller wrote in a state word is seen in its slot afterwards.
 */
void ksync_slots_fence(struct ksync_object *obj)
{
	struct ksync_slots *slots = slots_of(obj);
	u32 nr, used = slots_used(slots);
	int cpu;

	if (!used)
		return;
	spin_lock(&slots->lock);
	cpumask_clear(&slots->cpus);
	for (nr = 0; nr < used; nr++) {
		cpu = slots->owner[nr] ? ksync_thread_cpu(slots->owner[nr]) : -1;
		if (cpu >= 0)
			cpumask_set_cpu(cpu, &slots->cpus);
	}
	/* The spinlock keeps us on this CPU, which needs no interrupt. */
	smp_call_function_many(&slots->cpus, slots_barrier, NULL, true);
	spin_unlock(&slots->lock);
}

/*
 * How often this entry of a slot says that its owner reads the primitive. Most do
 * not.
 */
static inline u32 entry_reads(u64 entry, u32 index)
{
	if (likely(!(entry & KSYNC_SLOT_READ)) ||
	    (entry & KSYNC_SLOT_INDEX) != index)
		return 0;
	return (entry & KSYNC_SLOT_MORE) / KSYNC_SLOT_MORE_ONE + 1;
}

/* Read holds on the primitive that stand in slots. */
u32 ksync_slots_readers(struct ksync_queue *q)
{
	struct ksync_slots *slots = slots_of(q->obj);
	u32 nr, used = slots_used(slots), n = 0;
	int i;

	for (nr = 0; nr < used; nr++) {
		if (!READ_ONCE(slots->owner[nr]))
			continue;
		for (i = 0; i < KSYNC_SLOT_ENTRIES; i++)
			n += entry_reads(READ_ONCE(slots->slot[nr].entry[i]),
					 q->index);
	}
	return n;
}

/*
 * Copies the read holds, KSYNC_SLOT_ENTRIES at most, that stand in a slot of the
 * thread @id: how many.
 */
int ksync_slot_holds(struct ksync_object *obj, u32 nr, u32 id,
		     struct ksync_hold *holds)
{
	struct ksync_slots *slots = slots_of(obj);
	u64 entry;
	int i, n = 0;

	if (nr >= slots_used(slots) || READ_ONCE(slots->owner[nr]) != id)
		return 0;
	for (i = 0; i < KSYNC_SLOT_ENTRIES; i++) {
		entry = READ_ONCE(slots->slot[nr].entry[i]);
		holds[n].object = obj->id;
		holds[n].index = entry & KSYNC_SLOT_INDEX;
		holds[n].kind = KSYNC_HOLD_SHARED;
		holds[n].count = entry_reads(entry, holds[n].index);
		n += !!holds[n].count;
	}
	return n;
}

/* The entry by which the caller reads the primitive, NULL if there is none. */
u64 *ksync_slot_hold(struct ksync_queue *q, struct ksync_thread *thread)
{
	struct ksync_slots *slots = slots_of(q->obj);
	u32 nr, used = slots_used(slots);
	u64 *entry;
	int i;

	if (!thread || !thread->slots)
		return NULL;
	for (nr = 0; nr < used; nr++) {
		if (READ_ONCE(slots->owner[nr]) != thread->id)
			continue;
		for (i = 0; i < KSYNC_SLOT_ENTRIES; i++) {
			entry = &slots->slot[nr].entry[i];
			if (entry_reads(READ_ONCE(*entry), q->index))
				return entry;
		}
	}
	return NULL;
}

/* The dead thread's slot: what it read is read no more, and who waited goes. */
static void slot_settle(struct ksync_object *obj, u32 nr, u32 id)
{
	struct ksync_slots *slots = slots_of(obj);
	struct ksync_queue q;
	u32 reads;
	u64 entry;
	int i;

	for (i = 0; i < KSYNC_SLOT_ENTRIES; i++) {
		entry = READ_ONCE(slots->slot[nr].entry[i]);
		if (!entry)
			continue;
		/* Before those who wait look whether anybody reads. */
		WRITE_ONCE(slots->slot[nr].entry[i], 0);
		if (ksync_queue_init(&q, obj, entry & KSYNC_SLOT_INDEX))
			continue;
		reads = entry_reads(entry, q.index);
		if (reads)
			trace_ksync_death(obj->id, q.index, id,
					  KSYNC_HOLD_SHARED, reads);
		ksync_rwlock_unread_dead(&q, reads);
	}
	spin_lock(&slots->lock);
	WRITE_ONCE(slots->owner[nr], 0);
	spin_unlock(&slots->lock);
}

/* The thread is dead. May sleep. */
void ksync_slots_settle(struct ksync_thread *thread)
{
	struct ksync_slot_ref *ref;
	struct ksync_object *obj;

	while ((ref = thread->slots)) {
		thread->slots = ref->next;
		obj = ksync_object_get_by_id(ref->object);
		if (obj) {
			slot_settle(obj, ref->nr, thread->id);
			ksync_object_put(obj);
		}
		kfree(ref);
		cond_resched();
	}
}
