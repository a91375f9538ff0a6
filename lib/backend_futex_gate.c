// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: the gate, and the slots that are claimed behind it.
 *
 * The gate is a byte of the file, locked through the description that says we
 * live: the kernel opens it when its owner dies. It guards the setup of the
 * file, the claiming of slots and all that is done in the name of the dead. It
 * is never taken with a queue locked.
 */
#include <unistd.h>

#include "backend_futex.h"

/* Line 0 is what the one before us left, if he died at the gate. */
static void tidy(struct kfx_object *obj)
{
	if (kfx_load(&obj->lines[0].queue))
		kfx_adopt(obj, 0);
}

/* -EAGAIN when it is taken and we shall not @wait. */
int kfx_gate_lock(struct kfx_object *obj, bool wait)
{
	int ret;

	if (wait)
		pthread_mutex_lock(&obj->gate_mutex);
	else if (pthread_mutex_trylock(&obj->gate_mutex))
		return -EAGAIN;
	ret = kfx_byte_lock(obj->live, KFX_LOCK_GATE, wait);
	if (ret) {
		pthread_mutex_unlock(&obj->gate_mutex);
		return ret;
	}
	tidy(obj);
	return 0;
}

void kfx_gate_unlock(struct kfx_object *obj)
{
	kfx_byte_unlock(obj->live, KFX_LOCK_GATE);
	pthread_mutex_unlock(&obj->gate_mutex);
}

static bool take(struct kfx_object *obj, uint32_t slot)
{
	struct kfx_slot *s = &obj->slots[slot];

	/* Locked though clean: its owner is about to leave. */
	if (kfx_load(&s->used) ||
	    kfx_byte_lock(obj->live, KFX_LOCK_SLOT + slot, false))
		return false;
	kfx_store(&s->pid, getpid());
	kfx_store(&s->pidns, kfx_pid_namespace());
	kfx_store_release(&s->used, 1);
	obj->slot = slot;
	obj->joined = true;
	return true;
}

/* Recovers a few processes that are dead, so that slots are not used up. */
static void tidy_slots(struct kfx_object *obj, uint32_t hi)
{
	uint32_t n, slot = kfx_load(&obj->header->slot_hint);

	for (n = 0; n < 8 && n < hi; n++) {
		if (++slot >= hi)
			slot = 0;
		kfx_recover_gated(obj, slot);
	}
	kfx_store(&obj->header->slot_hint, slot);
}

/* Slots that nobody ever used may have no memory. */
static bool in_use(struct kfx_object *obj, uint32_t slot)
{
	return slot < kfx_load(&obj->header->slots_hi) &&
	       kfx_load(&obj->slots[slot].used);
}

/*
 * Before the gate: some byte that no process has, of a slot that nobody uses, so
 * that nobody is taken for alive who is not. Many can wait by the same.
 */
int kfx_slot_wait(struct kfx_object *obj)
{
	uint32_t slot;

	for (slot = KFX_SLOTS; slot-- > 0; ) {
		if (in_use(obj, slot) ||
		    kfx_byte_read_lock(obj->live, KFX_LOCK_SLOT + slot, false))
			continue;
		obj->slot = slot;
		/* Somebody may have taken it meanwhile, and died. */
		if (!in_use(obj, slot))
			return 0;
		kfx_byte_unlock(obj->live, KFX_LOCK_SLOT + slot);
	}
	return -ENOMEM;
}

/* Finds a slot for this process. The gate is ours. */
int kfx_slot_claim(struct kfx_object *obj)
{
	uint32_t hi = kfx_load(&obj->header->slots_hi), slot;
	int ret;

	tidy(obj);
	if (hi > KFX_SLOTS)
		hi = KFX_SLOTS;
	tidy_slots(obj, hi);
	for (slot = 0; slot < hi; slot++)
		if (take(obj, slot))
			return 0;
	for (; slot < KFX_SLOTS; slot++) {
		ret = kfx_file_back(obj, &obj->slots[slot],
				    sizeof(struct kfx_slot));
		if (ret)
			return ret;
		kfx_store(&obj->header->slots_hi, slot + 1);
		if (take(obj, slot))
			return 0;
	}
	/* All in use, or so it seems: look at every one. */
	for (slot = 0; slot < KFX_SLOTS; slot++) {
		kfx_recover_gated(obj, slot);
		if (take(obj, slot))
			return 0;
	}
	return -ENOMEM;
}
