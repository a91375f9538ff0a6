// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: what people see. Only reads, so that it can also look at
 * the copy of an object that this process has not joined; a snapshot, and no more.
 */
#include <string.h>

#include "backend_futex_mutex.h"

uint32_t kfx_users(struct kfx_object *obj)
{
	uint32_t hi = kfx_load(&obj->header->slots_hi), slot, users = 0;

	for (slot = 0; slot < hi && slot < KFX_SLOTS; slot++)
		if (kfx_load(&obj->slots[slot].used) &&
		    kfx_slot_alive(obj, slot))
			users++;
	return users;
}

/* Process and thread of a line, where their numbers mean something here. */
static void show_holder(struct kfx_object *obj, uint64_t since, uint32_t id,
			struct ksync_status *st)
{
	struct kfx_line *line = kfx_line(obj, id);
	uint32_t slot = kfx_load(&line->owner) - 1;
	uint64_t now = kfx_now_coarse();

	st->held_ns = now > since ? now - since : 0;
	if (slot >= KFX_SLOTS || !kfx_slot_alive(obj, slot))
		return;
	st->holder_pid = kfx_load(&obj->slots[slot].pid);
	st->holder_tid = kfx_load(&line->tid);
	kfx_pid_translate(kfx_load(&obj->slots[slot].pidns), &st->holder_pid,
			  &st->holder_tid);
}

/* Since when a lock is held, as far as anybody has looked at the clock. */
static uint64_t held_since(struct kfx_object *obj, union ksync_cell *cell)
{
	if (obj->type == KSYNC_MUTEX &&
	    kfx_load_acquire(&kfx_mutex_more(cell)->seen) !=
	    (uint32_t)kfx_load(&cell->lock.token))
		return kfx_now_coarse();
	/* rwlock: 0: nobody has. */
	return kfx_load(&cell->lock.since) ?: kfx_now_coarse();
}

/* The id in the word, if it is more than an attempt. */
static uint32_t holder(struct kfx_object *obj, uint64_t word, uint32_t index)
{
	uint32_t id = kfx_lock_id(word);
	struct kfx_line *line = kfx_line(obj, id);

	if (id && kfx_wait_state(line) == KFX_TRY &&
	    kfx_load(&line->index) == index)
		return 0;
	return id;
}

static void lock_status(struct kfx_object *obj, uint32_t index,
			struct ksync_status *st)
{
	struct ksync_lock_cell *cell = &obj->cells[index].lock;
	struct kfx_queue *queue = (void *)((char *)cell + KFX_QUEUE_AT);
	uint64_t word = kfx_load(&cell->state);
	uint32_t id = holder(obj, word, index);
	uint32_t writers = kfx_load(&queue->nr);

	if (obj->type == KSYNC_RWLOCK)
		writers = kfx_load(&queue->writers);
	st->waiters = writers;
	/* Who sees a writer wait can rely on it that newcomers must. */
	if (obj->type == KSYNC_RWLOCK &&
	    !(kfx_load(&cell->state) & KSYNC_LOCK_WRITER_WAITS))
		st->waiters = 0;
	st->waiters_shared = kfx_load(&queue->nr) - writers;
	st->held = id != 0;
	if (word & KSYNC_LOCK_DEAD)
		st->flags |= KSYNC_IS_INCONSISTENT;
	if (word & KSYNC_LOCK_LOST)
		st->flags |= KSYNC_IS_LOST;
	st->deaths = kfx_load(&cell->deaths);
	st->token = kfx_load(&cell->token);
	st->acquisitions = st->token;
	st->contended = kfx_load(&cell->contended);
	if (id)
		show_holder(obj, held_since(obj, &obj->cells[index]), id, st);
}

/* Read holds, and the acquisitions that their lines have counted. */
static void count_readers(struct kfx_object *obj, uint32_t index,
			  struct ksync_status *st)
{
	uint32_t hi = kfx_load(&obj->header->lines_hi), id, n, key;
	struct kfx_line *line;
	struct ksync_hold *hold;

	st->acquisitions += kfx_load(&obj->cells[index].lock.shared);
	for (id = 1; id < hi && id < KFX_LINES; id++) {
		line = kfx_line(obj, id);
		for (n = kfx_line_holds(line); n-- > 0; ) {
			hold = kfx_line_hold(line, n);
			key = kfx_load(&hold->key);
			if ((key & KFX_KEY_INDEX) != index + 1)
				continue;
			st->acquisitions += kfx_load(&hold->reads);
			if (key & KFX_HELD_READ)
				st->readers += kfx_load(&hold->count) + 1;
		}
	}
}

/* Those that wait for the end of the present round. */
static uint32_t count_round(struct kfx_object *obj, uint32_t index,
			    uint32_t round)
{
	uint32_t hi = kfx_load(&obj->header->lines_hi), id, n = 0;
	struct kfx_line *line;

	for (id = 1; id < hi && id < KFX_LINES; id++) {
		line = kfx_line(obj, id);
		if (kfx_load(&line->kind) == KFX_LINE_THREAD &&
		    kfx_wait_state(line) == KFX_WAITING &&
		    kfx_load(&line->index) == index &&
		    kfx_load(&line->n) == round)
			n++;
	}
	return n;
}

static void waitgroup_status(struct kfx_object *obj, uint32_t index,
			     struct ksync_status *st)
{
	struct ksync_waitgroup_cell *cell = &obj->cells[index].waitgroup;
	uint64_t word = kfx_load(&cell->state);

	st->value = word & KSYNC_WG_COUNT;
	st->token = (word & KFX_WG_ROUND) / KSYNC_WG_ROUND_ONE;
	st->deaths = kfx_load(&cell->deaths);
	st->acquisitions = kfx_load(&cell->waits);
	st->contended = st->acquisitions;
	if (word & KSYNC_WG_LOSS) {
		st->flags |= KSYNC_HAS_LOSS;
		st->lost = kfx_load(&cell->lost);
	}
	if (st->value)
		st->waiters_shared = count_round(obj, index, st->token);
}

static void sem_status(struct kfx_object *obj, uint32_t index,
		       struct ksync_status *st)
{
	struct ksync_sem_cell *cell = &obj->cells[index].sem;
	struct kfx_queue *queue = (void *)((char *)cell + KFX_QUEUE_AT);
	uint64_t word = kfx_load(&cell->state);

	st->value = word & KSYNC_SEM_VALUE;
	st->max = (word & KSYNC_SEM_MAX) >> KSYNC_SEM_MAX_SHIFT;
	st->waiters = kfx_load(&queue->nr);
	st->deaths = kfx_load(&cell->deaths);
	st->lost = kfx_load(&cell->lost);
	st->acquisitions = kfx_load(&cell->acquired);
	st->contended = kfx_load(&cell->contended);
}

/* Nobody knows how many wait for it. */
static void event_status(struct kfx_object *obj, uint32_t index,
			 struct ksync_status *st)
{
	struct ksync_event_cell *cell = &obj->cells[index].event;
	uint64_t word = kfx_event_peek(obj, index);

	st->value = word & KSYNC_EVENT_SET;
	st->token = word / KSYNC_EVENT_CHANGE;
	st->acquisitions = kfx_load(&cell->waits);
	st->contended = st->acquisitions;
}

static void cond_status(struct kfx_object *obj, uint32_t index,
			struct ksync_status *st)
{
	struct ksync_cond_cell *cell = &obj->cells[index].cond;
	struct kfx_queue *queue = (void *)((char *)cell + KFX_QUEUE_AT);

	st->waiters_shared = kfx_load(&queue->nr);
	st->token = kfx_load(&cell->state) & KSYNC_COND_SIGNALS;
	st->acquisitions = kfx_load(&cell->waits);
	st->contended = kfx_load(&cell->moved);
}

static void barrier_status(struct kfx_object *obj, uint32_t index,
			   struct ksync_status *st)
{
	struct ksync_barrier_cell *cell = &obj->cells[index].barrier;
	uint64_t word = kfx_load(&cell->state);

	st->value = word & KSYNC_BARRIER_ARRIVED;
	st->max = kfx_load(&cell->parties);
	st->readers = kfx_load(&cell->members);
	st->token = (word & KSYNC_BARRIER_ROUND) / KSYNC_BARRIER_ROUND_ONE;
	st->deaths = kfx_load(&cell->deaths);
	st->lost = kfx_load(&cell->breaks);
	st->acquisitions = kfx_load(&cell->waits);
	st->contended = st->acquisitions;
	if (word & KSYNC_BARRIER_BROKEN)
		st->flags |= KSYNC_IS_BROKEN;
	else if (st->value)
		st->waiters_shared = count_round(obj, index, st->token);
}

static void once_status(struct kfx_object *obj, uint32_t index,
			struct ksync_status *st)
{
	struct ksync_once_cell *cell = &obj->cells[index].once;
	struct kfx_queue *queue = (void *)((char *)cell + KFX_QUEUE_AT);
	uint64_t word = kfx_load(&cell->state);
	uint32_t id = word & KSYNC_ONCE_ID;

	st->waiters = kfx_load(&queue->nr);
	st->held = id != 0;
	if (word & KSYNC_ONCE_DONE)
		st->flags |= KSYNC_IS_DONE;
	if (word & KSYNC_ONCE_DEAD)
		st->flags |= KSYNC_IS_INCONSISTENT;
	st->token = (word & KSYNC_ONCE_RUNS) / KSYNC_ONCE_RUN;
	st->deaths = kfx_load(&cell->deaths);
	st->lost = kfx_load(&cell->abandoned);
	st->acquisitions = kfx_load(&cell->completed);
	st->contended = kfx_load(&cell->contended);
	if (id)
		show_holder(obj, kfx_load(&cell->since), id, st);
}

int kfx_status(struct kfx_object *obj, uint32_t index, struct ksync_status *st)
{
	memset(st, 0, sizeof(*st));
	switch (obj->type) {
	case KSYNC_RWLOCK:
		lock_status(obj, index, st);
		count_readers(obj, index, st);
		break;
	case KSYNC_MUTEX:
		lock_status(obj, index, st);
		break;
	case KSYNC_WAITGROUP:
		waitgroup_status(obj, index, st);
		break;
	case KSYNC_COND:
		cond_status(obj, index, st);
		break;
	case KSYNC_BARRIER:
		barrier_status(obj, index, st);
		break;
	case KSYNC_ONCE:
		once_status(obj, index, st);
		break;
	case KSYNC_EVENT:
		event_status(obj, index, st);
		break;
	default:
		sem_status(obj, index, st);
		break;
	}
	return 0;
}

/* Of an object that we have joined: the dead are seen off first. */
int kfx_object_status(struct ksync_object *base, uint32_t index,
		      struct ksync_status *st)
{
	struct kfx_object *obj = kfx_obj(base);
	int ret;

	kfx_process_check_fork();
	ret = kfx_object_join(obj);
	if (ret)
		return ret;
	kfx_sweep(obj);
	if (obj->type == KSYNC_MUTEX)
		kfx_mutex_seen(&obj->cells[index]);
	else if (obj->type == KSYNC_RWLOCK)
		kfx_rwlock_seen(&obj->cells[index]);
	return kfx_status(obj, index, st);
}
