// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: who is alive, and what becomes of what the dead leave.
 *
 * A slot whose byte is not locked belonged to a process that is dead. Whoever
 * finds one recovers it, under the gate:
 *
 *	1. queue locks that its threads owned are freed in their name
 *	2. waits are undone, holds passed on, with the reports that are due
 *	3. lines and the slot are free again
 *
 * Each step may be interrupted by another death and begun again.
 *
 * A line of a dead process goes to nobody else before all that is done, and
 * only under the gate. So a line that is found in a word or a queue lock is its
 * owner's for as long as the gate is ours.
 */
#define _FILE_OFFSET_BITS 64
#include <sys/stat.h>

#include "backend_futex.h"

/*
 * Programs have been seen to close all descriptors, and to open others in their
 * place. There nobody is alive.
 */
static bool is_our_file(struct kfx_object *obj)
{
	struct stat st;
	int ret, saved = errno;

	ret = fstat(obj->live, &st);
	errno = saved;
	return !ret && st.st_dev == obj->dev && st.st_ino == obj->ino;
}

bool kfx_slot_alive(struct kfx_object *obj, uint32_t slot)
{
	/* Locks of our own description do not show. */
	if (obj->joined && slot == obj->slot)
		return true;
	/* When it cannot be told: alive. */
	return kfx_bytes_locked(obj->live, KFX_LOCK_SLOT + slot, 1) ||
	       !is_our_file(obj);
}

/* Looks whether the process of line @id is alive; if not, recovers it. */
bool kfx_line_check(struct kfx_object *obj, uint32_t id)
{
	uint32_t slot;

	if (!id || id >= KFX_LINES)
		return false;
	slot = kfx_load(&obj->lines[id].owner) - 1;
	if (slot >= KFX_SLOTS || kfx_slot_alive(obj, slot))
		return false;
	kfx_recover(obj, slot);
	return true;
}

/*
 * The thread of line @id is dead. If it owned a queue lock: finishes what it
 * had begun, and frees the lock. Under the gate.
 */
void kfx_adopt(struct kfx_object *obj, uint32_t id)
{
	struct kfx_line *line = &obj->lines[id];
	uint32_t queue = kfx_load(&line->queue);
	struct kfx_q q;

	if (!queue)
		return;
	if (queue <= obj->nr) {
		kfx_q_init(&q, obj, queue - 1, id);
		q.gated = true;
		/* Pairs with the release in kfx_q_unlock(). */
		if ((kfx_load_acquire(&q.queue->lock) & ~KFX_Q_CONTENDED) ==
		    id + 1) {
			/* It may have set FENCED, and not sent a barrier. */
			kfx_barrier();
			kfx_q_redo(&q);
			kfx_q_rebuild(&q);
			obj->ops->advance(&q);
			kfx_q_unlock(&q);
		}
	}
	kfx_store_release(&line->queue, 0);
}

/*
 * Undoes a wait that is not over, or was granted and not accepted. Queues are
 * locked in the name of @owner; 0: the gate is ours.
 */
void kfx_bury_wait(struct kfx_object *obj, struct kfx_line *line,
		   uint32_t owner)
{
	uint32_t index = kfx_load(&line->index);
	struct kfx_q q;

	if (kfx_wait_state(line) == KFX_IDLE)
		return;
	if (index >= obj->nr) {
		kfx_wait_set(line, KFX_IDLE);
		return;
	}
	kfx_q_init(&q, obj, index, owner);
	q.gated = !owner;
	kfx_q_lock(&q);
	if (kfx_wait_state(line) == KFX_WAITING &&
	    kfx_load(&line->want) != KFX_WANT_ROUND)
		kfx_q_remove(&q, line - obj->lines);
	obj->ops->drop_wait(&q, line - obj->lines, line);
	kfx_wait_set(line, KFX_IDLE);
	obj->ops->advance(&q);
	kfx_q_unlock(&q);
}

static void bury_hold(struct kfx_object *obj, struct ksync_hold *hold,
		      uint32_t id, uint32_t owner)
{
	uint32_t key = kfx_load(&hold->key);
	uint32_t index = (key & KFX_KEY_INDEX) - 1;
	struct kfx_q q;

	if (index >= obj->nr)
		return;
	if (key & ~KFX_KEY_INDEX || kfx_load(&hold->count)) {
		kfx_q_init(&q, obj, index, owner);
		q.gated = !owner;
		kfx_q_lock(&q);
		obj->ops->drop_hold(&q, id, hold);
		obj->ops->advance(&q);
		kfx_q_unlock(&q);
	}
	kfx_reads_flush(obj, hold);
	kfx_store(&hold->count, 0);
	kfx_store_release(&hold->key, 0);
}

/* Passes on all that a line says is held. Queues as above. */
void kfx_bury_holds(struct kfx_object *obj, struct kfx_line *line,
		    uint32_t owner)
{
	uint32_t id = line - obj->lines, n;

	if (kfx_load(&line->kind) == KFX_LINE_MORE)
		id = kfx_load(&line->parent) % KFX_LINES;
	for (n = kfx_line_holds(line); n-- > 0; )
		bury_hold(obj, kfx_line_hold(line, n), id, owner);
}

static uint32_t lines_hi(struct kfx_object *obj)
{
	uint32_t hi = kfx_load(&obj->header->lines_hi);

	return hi < KFX_LINES ? hi : KFX_LINES;
}

static void adopt_line(struct kfx_object *obj, struct kfx_line *line)
{
	if (kfx_load(&line->kind) == KFX_LINE_THREAD)
		kfx_adopt(obj, line - obj->lines);
}

static void bury_wait_of(struct kfx_object *obj, struct kfx_line *line)
{
	if (kfx_load(&line->kind) == KFX_LINE_THREAD)
		kfx_bury_wait(obj, line, 0);
}

static void bury_holds_of(struct kfx_object *obj, struct kfx_line *line)
{
	kfx_bury_holds(obj, line, 0);
}

static void free_line(struct kfx_object *obj, struct kfx_line *line)
{
	kfx_line_free(line);
}

/*
 * Under the gate. One step for all lines, then the next: permits that were
 * granted to a waiter stand among those of its process, and must be taken back
 * from there before those count as held.
 */
void kfx_recover_gated(struct kfx_object *obj, uint32_t slot)
{
	static void (*const steps[])(struct kfx_object *, struct kfx_line *) = {
		adopt_line, bury_wait_of, bury_holds_of, free_line,
	};
	uint32_t hi, id, i;

	if (!kfx_load(&obj->slots[slot].used) || kfx_slot_alive(obj, slot))
		return;
	/* Not before: until it died, it may have taken lines nobody had. */
	hi = lines_hi(obj);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		for (id = 1; id < hi; id++)
			if (kfx_load(&obj->lines[id].owner) == slot + 1)
				steps[i](obj, &obj->lines[id]);
	kfx_store_release(&obj->slots[slot].used, 0);
}

/*
 * Unless somebody else is at it: then we look again later, and have not waited
 * longer than our caller wants to.
 */
void kfx_recover(struct kfx_object *obj, uint32_t slot)
{
	if (kfx_gate_lock(obj, false))
		return;
	kfx_recover_gated(obj, slot);
	kfx_gate_unlock(obj);
}

/* To look at one of n processes takes the kernel a time that grows with n. */
static uint64_t sweep_interval(uint64_t n)
{
	uint64_t ns = KFX_SWEEP_NS *
		      (1 + n * n / (KFX_SWEEP_PROCESSES * KFX_SWEEP_PROCESSES));

	return ns < KFX_SWEEP_MAX_NS ? ns : KFX_SWEEP_MAX_NS;
}

/*
 * Looks at all processes, for deaths that nothing leads to: of those with
 * permits, with members, or with a grant that they did not live to see. Not too
 * often, whoever asks.
 */
void kfx_sweep(struct kfx_object *obj)
{
	uint64_t *at = &obj->header->sweep_at, old = kfx_load(at);
	uint32_t hi = kfx_load(&obj->header->slots_hi), slot, n = 0;
	uint64_t now = kfx_now();

	/* Too far in the future: somebody else's clock. */
	if (old > now && old - now <= KFX_SWEEP_MAX_NS)
		return;
	if (!kfx_cas(at, &old, now + KFX_SWEEP_NS))
		return;
	for (slot = 0; slot < hi && slot < KFX_SLOTS; slot++) {
		if (!kfx_load(&obj->slots[slot].used))
			continue;
		n++;
		if (!kfx_slot_alive(obj, slot))
			kfx_recover(obj, slot);
	}
	if (n >= KFX_SWEEP_PROCESSES)
		kfx_store(at, now + sweep_interval(n));
}
