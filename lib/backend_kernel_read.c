// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: reading without a system call and without an atomic
 * operation, as <linux/ksync.h> says; what of it ksync_inline.h leaves to us. A
 * thread's slot in an object has an entry for each primitive that it reads there,
 * or read last.
 *
 * While writers are about, the word says FENCED, and readers use full barriers.
 * Only the kernel sees when that has become needless, so each thread reads
 * through the kernel now and then.
 */
#include <errno.h>

#include "backend_kernel.h"
#include "fast.h"


static_assert(KSYNC_HOLD_IN_WORD(KSYNC_HOLD_READ) == KSYNC_SLOT_READ,
	      "slots are holds");

/* ksync_inline.h has withdrawn a read hold, and left the rest to us. */
#define LEFT		KSYNC_SLOT_LEFT
static_assert(KSYNC_HOLD_IN_WORD(KSYNC_HOLD_LEFT) == LEFT, "slots are holds");

/* As a thread leaves it that reads nothing. */
static uint64_t idle_entry(uint32_t index)
{
	return KSYNC_SLOT_ENGAGED | index;
}

static inline uint64_t load(const __u64 *p)
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

/* The entry for the primitive, whether the caller reads it or not; or NULL. */
static __u64 *find_entry(struct ksync_slot *slot, uint32_t index)
{
	__u64 *e;

	for (e = slot->entry; e < slot->entry + KSYNC_SLOT_ENTRIES; e++)
		if ((load(e) & (KSYNC_SLOT_ENGAGED | KSYNC_SLOT_INDEX)) ==
		    idle_entry(index))
			return e;
	return NULL;
}

/* One for a primitive that the caller does not read; or NULL. */
static __u64 *spare_entry(struct ksync_slot *slot)
{
	__u64 *e;

	for (e = slot->entry; e < slot->entry + KSYNC_SLOT_ENTRIES; e++)
		if (!load(e))
			return e;
	/* Who remembers it finds another index there. */
	for (e = slot->entry; e < slot->entry + KSYNC_SLOT_ENTRIES; e++)
		if (!(load(e) & (KSYNC_SLOT_READ | LEFT)))
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

/*
 * The hold is withdrawn. A writer may have seen it and be waiting for its end;
 * until the entry is idle the kernel would wake it in our place.
 */
static void leave(struct ksync_object *obj, uint32_t index, __u64 *e)
{
	if (look(&obj->cells[index].lock) & KSYNC_LOCK_WAITERS)
		kk_wake(obj, index);
	store(e, idle_entry(index));
}

/* 0: reads now. -EAGAIN: the kernel has to be asked. */
static int read_first(struct ksync_object *obj, uint32_t index, __u64 *e)
{
	const struct ksync_lock_cell *cell =
		&obj->cells[index].lock;
	uint64_t word = load(&cell->state);

	if (word & KSYNC_FAST_IN_THE_WAY)
		return -EAGAIN;
	if (word & KSYNC_LOCK_FENCED && ++kk_self.fenced % KSYNC_FAST_ASK == 0)
		return -EAGAIN;

	store(e, idle_entry(index) | KSYNC_SLOT_READ);
	if (look(cell) & KSYNC_FAST_IN_THE_WAY) {
		store(e, idle_entry(index) | LEFT);
		leave(obj, index, e);
		return -EAGAIN;
	}
	ksync_fast_lock_is(ksync_fast_tag(obj->serial, index),
			   e, idle_entry(index), 0);
	return 0;
}

static int read_fast(struct ksync_object *obj, uint32_t index,
		     struct ksync_slot *slot)
{
	__u64 *e = find_entry(slot, index);
	uint64_t entry;

	if (!e) {
		e = spare_entry(slot);
		return e ? read_first(obj, index, e) : -EAGAIN;
	}
	entry = load(e);
	if (entry & LEFT) {
		/* Somebody was in the way; or else the kernel is to be asked. */
		leave(obj, index, e);
		if (!(load(&obj->cells[index].lock.state) &
		      KSYNC_FAST_IN_THE_WAY))
			return -EAGAIN;
	}
	if (!(entry & KSYNC_SLOT_READ))
		return read_first(obj, index, e);
	if ((entry & KSYNC_SLOT_MORE) == KSYNC_SLOT_MORE)
		return -EOVERFLOW;
	store(e, entry + KSYNC_SLOT_MORE_ONE);
	return 0;
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
	uint64_t entry = e ? load(e) : 0;

	if (!(entry & (KSYNC_SLOT_READ | LEFT)))
		return -EAGAIN;
	if (entry & KSYNC_SLOT_MORE) {
		store(e, entry - KSYNC_SLOT_MORE_ONE);
		return 0;
	}
	store(e, idle_entry(index) | LEFT);
	leave(obj, index, e);
	return 0;
}
