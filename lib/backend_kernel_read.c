// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: reading without a system call and without an atomic
 * operation, as <linux/ksync.h> says. A thread's slot in an object has an entry
 * for each primitive that it reads there.
 *
 * While writers are about, the word says FENCED, and readers use full barriers.
 * Only the kernel sees when that has become needless, so each thread reads
 * through the kernel now and then.
 */
#include <errno.h>

#include "backend_kernel.h"
#include "fast.h"

#define IN_THE_WAY	(KSYNC_LOCK_ID | KSYNC_LOCK_LOST | KSYNC_LOCK_DEAD | \
			 KSYNC_LOCK_WRITER_WAITS | KSYNC_LOCK_WAITERS)
#define FENCED_READS	256	/* of one thread, until it asks the kernel */

static uint64_t entry_of(uint32_t index, uint64_t state)
{
	return (uint64_t)index << KSYNC_SLOT_INDEX_SHIFT | state;
}

static uint64_t load(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store(__u64 *p, uint64_t v)
{
	/* Release: what was read, was read before. */
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
	ksync_fast_barrier();
}

/* Asks the kernel for the caller's slot. NULL: everything goes by ioctl. */
static __attribute__((noinline)) struct ksync_slot *
find_slot(struct kk_object *k, struct kk_slot_cache *c)
{
	struct ksync_slot_args args = { 0 };

	c->serial = k->base.serial;
	c->slot = NULL;
	if (!kk_command(&k->base, KSYNC_IOC_RWLOCK_SLOT, &args) &&
	    args.nr < KSYNC_SLOTS)
		c->slot = &k->slots[args.nr];
	return c->slot;
}

/* The caller's slot in the object, or NULL. */
static inline struct ksync_slot *slot_for(struct ksync_object *obj)
{
	struct kk_object *k = kk_object(obj);
	struct kk_slot_cache *c;

	if (!k->slots || !kk_line(obj))
		return NULL;
	c = &kk_self.slots[obj->serial % KK_SLOT_CACHE];
	return c->serial == obj->serial ? c->slot : find_slot(k, c);
}

/* The entry by which the caller reads the primitive, or NULL. */
static inline __u64 *find_entry(struct ksync_slot *slot, uint32_t index)
{
	__u64 *e;

	for (e = slot->entry; e < slot->entry + KSYNC_SLOT_ENTRIES; e++)
		if (load(e) > entry_of(index, KSYNC_SLOT_ENGAGED) &&
		    load(e) <= entry_of(index, KSYNC_SLOT_STATE))
			return e;
	return NULL;
}

static inline __u64 *free_entry(struct ksync_slot *slot)
{
	__u64 *e;

	for (e = slot->entry; e < slot->entry + KSYNC_SLOT_ENTRIES; e++)
		if (!load(e))
			return e;
	return NULL;
}

/* With FENCED in the word a load counts only after a full barrier. */
static inline uint64_t look(const struct ksync_lock_cell *cell)
{
	/* Acquire: what the last writer did. Pairs with its release. */
	uint64_t word = __atomic_load_n(&cell->state, __ATOMIC_ACQUIRE);

	if (word & KSYNC_LOCK_FENCED) {
		/*
		 * Our entry before the word. Pairs with the fully ordered change
		 * of the word by which the kernel's writer sets WAITERS or takes
		 * it, after which it looks at the entries.
		 */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		word = __atomic_load_n(&cell->state, __ATOMIC_ACQUIRE);
	}
	return word;
}

/* 0: reads now. -EAGAIN: the kernel has to be asked. */
static int read_fast(struct ksync_object *obj, uint32_t index,
		     struct ksync_slot *slot)
{
	const struct ksync_lock_cell *cell =
		&kk_object(obj)->cells[index].lock;
	__u64 *e = find_entry(slot, index);
	uint64_t word;

	if (e && (load(e) & KSYNC_SLOT_STATE) < KSYNC_SLOT_STATE) {
		store(e, load(e) + 1);
		return 0;
	}
	if (e)
		return -EOVERFLOW;
	e = free_entry(slot);
	if (!e)
		return -EAGAIN;
	word = load(&cell->state);
	if (word & IN_THE_WAY)
		return -EAGAIN;
	if (word & KSYNC_LOCK_FENCED && ++kk_self.fenced % FENCED_READS == 0)
		return -EAGAIN;

	store(e, entry_of(index, KSYNC_SLOT_ENGAGED + 1));
	word = look(cell);
	if (!(word & IN_THE_WAY))
		return 0;
	/* A writer may have seen this entry and be waiting for its end. */
	store(e, entry_of(index, KSYNC_SLOT_ENGAGED));
	kk_wake(obj, index);
	store(e, 0);
	return -EAGAIN;
}

int kk_rwlock_read(struct ksync_object *obj, uint32_t index)
{
	struct ksync_slot *slot = slot_for(obj);

	return slot ? read_fast(obj, index, slot) : -EAGAIN;
}

/* -EAGAIN: not by a slot. */
int kk_rwlock_unread(struct ksync_object *obj, uint32_t index)
{
	struct ksync_slot *slot = slot_for(obj);
	__u64 *e = slot ? find_entry(slot, index) : NULL;

	if (!e)
		return -EAGAIN;
	store(e, load(e) - 1);
	if (load(e) != entry_of(index, KSYNC_SLOT_ENGAGED))
		return 0;
	if (look(&kk_object(obj)->cells[index].lock) & KSYNC_LOCK_WAITERS)
		kk_wake(obj, index);
	/* Until here, the kernel would have woken them in our place. */
	store(e, 0);
	return 0;
}
