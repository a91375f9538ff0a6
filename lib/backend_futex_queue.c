// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: the queue of a primitive, and its lock.
 *
 * The lock names its owner's line. Nobody waits for a dead owner: whoever
 * sleeps on the lock looks after him every now and then. His heir takes over
 * under the gate (kfx_adopt()): does what he had written down, and makes the
 * queue anew from the lines that wait, whatever state he left it in.
 */
#include <limits.h>

#include "backend_futex.h"

/* A queue is locked for less than a microsecond, if its owner runs. */
#define SPINS		200
#define PATIENCE_NS	10000000ULL

void kfx_q_init(struct kfx_q *q, struct kfx_object *obj, uint32_t index,
		uint32_t owner)
{
	q->obj = obj;
	q->cell = &obj->cells[index];
	q->queue = (struct kfx_queue *)((char *)q->cell + KFX_QUEUE_AT);
	q->index = index;
	q->owner = owner;
	q->gated = false;
	q->writer_left = false;
	q->nr_wake = 0;
}

/* The owner of the lock may be dead: then the lock is freed in his name. */
static void check_owner(struct kfx_q *q, uint32_t lock)
{
	uint32_t id = (lock & ~KFX_Q_CONTENDED) - 1;
	struct kfx_object *obj = q->obj;
	uint32_t slot;

	if (id >= KFX_LINES || (id == 0 && q->gated))
		return;
	slot = kfx_load(&obj->lines[id].owner) - 1;
	if (id && (slot >= KFX_SLOTS || kfx_slot_alive(obj, slot)))
		return;
	/*
	 * Line 0 is cleaned up by taking the gate. Of others the slot is
	 * looked at again, under the gate: only there lines of the dead change
	 * hands.
	 */
	if (q->gated) {
		/*
		 * It may have ended before its process did, and the line be
		 * another's. From the death on, nobody else gets it.
		 */
		if (kfx_load(&obj->lines[id].owner) == slot + 1)
			kfx_adopt(obj, id);
	} else if (id) {
		kfx_recover(obj, slot);
	} else if (!kfx_gate_lock(obj, false)) {
		kfx_gate_unlock(obj);
	}
}

static bool try_lock(struct kfx_q *q, uint32_t value)
{
	uint32_t free = 0;

	return kfx_load(&q->queue->lock) == 0 &&
	       kfx_cas(&q->queue->lock, &free, value);
}

static void lock_slowly(struct kfx_q *q)
{
	uint32_t me = (q->owner + 1) | KFX_Q_CONTENDED;
	uint64_t now, next = 0, step = PATIENCE_NS, pace;
	uint32_t lock, seen = 0;
	int i;

	for (i = 0; i < SPINS && kfx_cpus() > 1; i++) {
		if (try_lock(q, q->owner + 1))
			return;
		kfx_relax();
	}
	/* From here on with CONTENDED: others may sleep that we know not of. */
	while (!try_lock(q, me)) {
		lock = kfx_load(&q->queue->lock);
		if (!lock)
			continue;
		if (!(lock & KFX_Q_CONTENDED) &&
		    !kfx_cas(&q->queue->lock, &lock, lock | KFX_Q_CONTENDED))
			continue;
		lock |= KFX_Q_CONTENDED;
		now = kfx_now();
		if (lock != seen) {
			seen = lock;
			next = now + step;
		}
		if (now < next) {
			kfx_sleep(&q->queue->lock, lock, next);
			continue;
		}
		check_owner(q, lock);
		/* Or thousands who look leave the owner no time to run. */
		pace = kfx_pace(kfx_load(&q->queue->nr));
		step = 2 * step < pace ? 2 * step : pace;
		next = kfx_now() + step;
	}
}

void kfx_q_lock(struct kfx_q *q)
{
	struct kfx_line *line = &q->obj->lines[q->owner];

	/* Before the lock can name us: here our heir looks for it. */
	kfx_store_release(&line->queue, q->index + 1);
	if (!try_lock(q, q->owner + 1))
		lock_slowly(q);
}

void kfx_q_unlock(struct kfx_q *q)
{
	struct kfx_line *line = &q->obj->lines[q->owner];
	uint32_t i;

	if (kfx_swap(&q->queue->lock, 0) & KFX_Q_CONTENDED)
		kfx_wake(&q->queue->lock, 1);
	kfx_store_release(&line->queue, 0);
	/*
	 * Killed before this: sleepers look for themselves after a while. The
	 * line may be another thread's by now, which is woken for nothing.
	 */
	for (i = 0; i < q->nr_wake; i++)
		kfx_wake(&q->obj->lines[q->wake[i]].futex, 1);
	q->nr_wake = 0;
}

/* Wakes the thread of line @id, after the unlock if possible. Queue locked. */
void kfx_q_wake(struct kfx_q *q, uint32_t id)
{
	struct kfx_line *line = kfx_line(q->obj, id);

	/* Pairs with the load before the last look in kfx_wait(). */
	kfx_add(&line->futex, 1);
	/* Before it sleeps it changes that, with the queue locked. */
	if (kfx_load(&line->nudged) == KFX_AWAKE)
		return;
	if (q->nr_wake < sizeof(q->wake) / sizeof(q->wake[0]))
		q->wake[q->nr_wake++] = id % KFX_LINES;
	else
		kfx_wake(&line->futex, 1);
}

uint32_t kfx_q_next(struct kfx_q *q, uint32_t id)
{
	id = kfx_load(&kfx_line(q->obj, id)->next);
	return id < KFX_LINES ? id : 0;
}

void kfx_q_push(struct kfx_q *q, uint32_t id)
{
	struct kfx_line *line = kfx_line(q->obj, id);
	uint32_t tail = kfx_load(&q->queue->tail) % KFX_LINES;
	uint64_t ticket = 1;

	if (tail)
		ticket += kfx_load(&kfx_line(q->obj, tail)->ticket);
	kfx_store(&line->ticket, ticket);
	kfx_store(&line->next, 0);
	kfx_store(&line->prev, tail);
	/* From here on we wait, whatever becomes of the list. */
	kfx_store_release(&line->wait,
			  (kfx_load(&line->wait) & ~KFX_WAIT_STATE) |
			  KFX_WAITING);
	if (tail)
		kfx_store(&kfx_line(q->obj, tail)->next, id);
	else
		kfx_store(&q->queue->head, id);
	kfx_store(&q->queue->tail, id);
	kfx_store(&q->queue->nr, kfx_load(&q->queue->nr) + 1);
	if (q->obj->type == KSYNC_RWLOCK &&
	    kfx_load(&line->want) == KFX_WANT_EXCL)
		kfx_store(&q->queue->writers, kfx_load(&q->queue->writers) + 1);
}

/* Takes a line out that is in the queue. */
void kfx_q_remove(struct kfx_q *q, uint32_t id)
{
	struct kfx_line *line = kfx_line(q->obj, id);
	uint32_t next = kfx_load(&line->next) % KFX_LINES;
	uint32_t prev = kfx_load(&line->prev) % KFX_LINES;

	if (prev)
		kfx_store(&kfx_line(q->obj, prev)->next, next);
	else
		kfx_store(&q->queue->head, next);
	if (next)
		kfx_store(&kfx_line(q->obj, next)->prev, prev);
	else
		kfx_store(&q->queue->tail, prev);
	kfx_store(&q->queue->nr, kfx_load(&q->queue->nr) - 1);
	if (q->obj->type == KSYNC_RWLOCK &&
	    kfx_load(&line->want) == KFX_WANT_EXCL)
		kfx_store(&q->queue->writers, kfx_load(&q->queue->writers) - 1);
}

/* Both are ordered by ticket and linked by next. */
static uint32_t merge(struct kfx_object *obj, uint32_t a, uint32_t b)
{
	uint32_t first = 0, last = 0, id;

	while (a || b) {
		if (!b || (a && kfx_load(&kfx_line(obj, a)->ticket) <=
				kfx_load(&kfx_line(obj, b)->ticket))) {
			id = a;
			a = kfx_load(&kfx_line(obj, a)->next) % KFX_LINES;
		} else {
			id = b;
			b = kfx_load(&kfx_line(obj, b)->next) % KFX_LINES;
		}
		if (last)
			kfx_store(&kfx_line(obj, last)->next, id);
		else
			first = id;
		last = id;
	}
	if (last)
		kfx_store(&kfx_line(obj, last)->next, 0);
	return first;
}

static bool queued_here(struct kfx_q *q, struct kfx_line *line)
{
	return kfx_load(&line->kind) == KFX_LINE_THREAD &&
	       kfx_wait_state(line) == KFX_WAITING &&
	       kfx_load(&line->index) == q->index &&
	       kfx_load(&line->want) != KFX_WANT_ROUND;
}

/* The queue from the lines that wait: a merge sort, 2^n lines in bin n. */
void kfx_q_rebuild(struct kfx_q *q)
{
	struct kfx_object *obj = q->obj;
	uint32_t hi = kfx_load(&obj->header->lines_hi) % (KFX_LINES + 1);
	uint32_t bin[16] = { 0 };
	uint32_t id, run, n, prev = 0, nr = 0, writers = 0;

	for (id = 1; id < hi; id++) {
		if (!queued_here(q, kfx_line(obj, id)))
			continue;
		kfx_store(&kfx_line(obj, id)->next, 0);
		run = id;
		for (n = 0; n < 15 && bin[n]; n++) {
			run = merge(obj, bin[n], run);
			bin[n] = 0;
		}
		bin[n] = merge(obj, bin[n], run);
	}
	for (n = 0, run = 0; n < 16; n++)
		run = merge(obj, bin[n], run);

	kfx_store(&q->queue->head, run);
	for (id = run; id; id = kfx_q_next(q, id)) {
		kfx_store(&kfx_line(obj, id)->prev, prev);
		prev = id;
		nr++;
		writers += kfx_load(&kfx_line(obj, id)->want) == KFX_WANT_EXCL;
	}
	kfx_store(&q->queue->tail, prev);
	kfx_store(&q->queue->nr, nr);
	kfx_store(&q->queue->writers,
		  obj->type == KSYNC_RWLOCK ? writers : 0);
}

static void apply(struct kfx_q *q, const struct kfx_redo *redo)
{
	uint64_t old = redo->word_old;
	uint32_t i, at;

	for (i = 0; i < redo->nr - 1 && i < KFX_STORES; i++) {
		at = redo->store[i].at;
		if (at % 4 == 0 && at <= q->obj->size - 4)
			kfx_store((uint32_t *)((char *)q->obj->base + at),
				  redo->store[i].value);
	}
	if (old != redo->word_new)
		kfx_cas(&q->cell->state, &old, redo->word_new);
	old = redo->wait_old;
	if (redo->waiter && redo->waiter < KFX_LINES)
		kfx_cas(&kfx_line(q->obj, redo->waiter)->wait, &old,
			redo->wait_new);
}

/* Makes all the changes or, if we are killed on the way, lets our heir. */
void kfx_q_commit(struct kfx_q *q, const struct kfx_redo *redo)
{
	struct kfx_redo *log = &q->obj->lines[q->owner].redo;
	uint32_t i, nr = redo->nr;

	kfx_store(&log->waiter, redo->waiter);
	kfx_store(&log->wait_old, redo->wait_old);
	kfx_store(&log->wait_new, redo->wait_new);
	kfx_store(&log->word_old, redo->word_old);
	kfx_store(&log->word_new, redo->word_new);
	for (i = 0; i < nr - 1; i++) {
		kfx_store(&log->store[i].at, redo->store[i].at);
		kfx_store(&log->store[i].value, redo->store[i].value);
	}
	/*
	 * Release: who sees the number sees the rest. A fence, so that nothing
	 * is done before it is written down: pairs with kfx_q_redo().
	 */
	kfx_store_release(&log->nr, nr);
	kfx_fence();
	apply(q, redo);
	kfx_store_release(&log->nr, 0);
}

/* What the owner of the lock, who died, had begun. */
void kfx_q_redo(struct kfx_q *q)
{
	struct kfx_redo *log = &q->obj->lines[q->owner].redo;
	struct kfx_redo redo;

	/* Pairs with the release in kfx_q_commit(). */
	redo.nr = kfx_load_acquire(&log->nr);
	if (redo.nr && redo.nr <= KFX_STORES + 1) {
		uint32_t nr = redo.nr;

		redo = *log;
		redo.nr = nr;
		apply(q, &redo);
	}
	kfx_store_release(&log->nr, 0);
}
