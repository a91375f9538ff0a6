// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is held, as searches for deadlocks see it; and the glance that tells most
 * waiters that nobody waits for what they hold.
 */
#include "lock_word.h"
#include "slot.h"
#include "waitgraph.h"
#include "word.h"

#define KSYNC_GRAPH_GLANCE 64	/* looked at by each wait, without a search */

/* Does nobody wait? */
bool ksync_graph_queue_empty(struct ksync_queue *q)
{
	bool empty;

	ksync_queue_lock(q);
	empty = ksync_queue_empty(q);
	ksync_queue_unlock(q);
	return empty;
}

/*
 * Does it keep others waiting in a way that a search follows? Holds on other
 * types do not count, and an exclusive one may be noted by the thread itself:
 * then the word tells. @id is the thread's.
 */
bool ksync_graph_hold_counts(struct ksync_queue *q,
			     const struct ksync_hold *hold, u32 id)
{
	switch (q->obj->ops->id) {
	case KSYNC_TYPE_MUTEX:
	case KSYNC_TYPE_RWLOCK:
		if (hold->kind != KSYNC_HOLD_EXCLUSIVE)
			return hold->kind == KSYNC_HOLD_SHARED;
		return lock_word_id(ksync_cell_read(q->cell)) == id;
	case KSYNC_TYPE_SEM:
		return hold->kind == KSYNC_HOLD_PERMITS;
	default:
		return false;
	}
}

/* Copies what the thread @id reads by a slot: how many holds. May sleep. */
int ksync_graph_copy_slot(const struct ksync_hold *slot, u32 id,
			  struct ksync_hold *holds)
{
	struct ksync_object *obj = ksync_object_get_by_id(slot->object);
	int n;

	if (!obj)
		return 0;
	n = ksync_slot_holds(obj, slot->index, id, holds);
	ksync_object_put(obj);
	return n;
}

/* Copies the next few permits of a process; *@more tells whether to go on. */
int ksync_graph_copy_permits(struct ksync_process *process,
			     struct ksync_hold *at, struct ksync_hold *holds,
			     bool *more)
{
	int i, n = 0;

	*more = true;
	mutex_lock(&process->lock);
	for (i = 0; *more && i < KSYNC_GRAPH_BATCH; i++) {
		*more = ksync_holds_next(&process->holds, at);
		if (*more && at->kind == KSYNC_HOLD_PERMITS)
			holds[n++] = *at;
	}
	mutex_unlock(&process->lock);
	return n;
}

/* Does anybody wait for it? */
static bool graph_hold_awaited(const struct ksync_hold *hold, u32 id)
{
	struct ksync_object *obj = ksync_object_get_by_id(hold->object);
	struct ksync_queue q;
	bool awaited;

	if (!obj)
		return false;
	awaited = !ksync_queue_init(&q, obj, hold->index) &&
		  ksync_graph_hold_counts(&q, hold, id) &&
		  !ksync_graph_queue_empty(&q);
	ksync_object_put(obj);
	return awaited;
}

static bool graph_slot_awaited(const struct ksync_hold *slot, u32 id)
{
	struct ksync_hold holds[KSYNC_SLOT_ENTRIES];
	int n = ksync_graph_copy_slot(slot, id, holds);

	while (n > 0)
		if (graph_hold_awaited(&holds[--n], id))
			return true;
	return false;
}

static bool graph_holds_awaited(struct ksync_thread *thread)
{
	struct ksync_held at = {};
	int n;

	for (n = 0; n < KSYNC_GRAPH_GLANCE; n++) {
		if (!ksync_thread_holds_next(thread, &at))
			return false;
		if (at.hold.kind == KSYNC_HOLD_SLOT ?
		    graph_slot_awaited(&at.hold, thread->id) :
		    graph_hold_awaited(&at.hold, thread->id))
			return true;
	}
	return true;
}

static bool graph_permits_awaited(struct ksync_thread *thread)
{
	struct ksync_process *process = ksync_thread_holding(thread);
	struct ksync_hold holds[KSYNC_GRAPH_BATCH], at = {};
	bool awaited;
	int n;

	if (!process)
		return false;
	n = ksync_graph_copy_permits(process, &at, holds, &awaited);
	while (n > 0 && !awaited)
		awaited = graph_hold_awaited(&holds[--n], 0);
	ksync_process_put(process);
	return awaited;
}

/*
 * Does anybody wait for something that the caller holds, or behind it? Too many
 * holds to tell soon are taken for a yes. Who queued before the caller did is
 * seen: both lock the buckets.
 */
bool ksync_graph_awaited(struct ksync_queue *q, struct ksync_waiter *w)
{
	enum ksync_want behind = KSYNC_WANT_EXCLUSIVE;
	u64 seq = w->seq + 1;
	bool awaited;

	if (q->obj->ops->id == KSYNC_TYPE_RWLOCK) {
		behind = KSYNC_WANT_SHARED;
		seq = w->want == KSYNC_WANT_SHARED ? U64_MAX : 0;
	}
	ksync_queue_lock(q);
	awaited = ksync_first_from(q, behind, seq);
	ksync_queue_unlock(q);
	return awaited || graph_holds_awaited(w->thread) ||
	       graph_permits_awaited(w->thread);
}
