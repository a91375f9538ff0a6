/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deadlocks: who is about to wait for ever is told so instead.
 */
#ifndef KSYNC_DEADLOCK_H
#define KSYNC_DEADLOCK_H

#include "waitgraph.h"

/**
 * struct ksync_gedge - one wait of a report
 * @list: in the report
 * @waiter: who waits
 * @thread: for whom, or
 * @process: for whom
 * @held: enum ksync_edge_held
 * @count: read holds, permits
 */
struct ksync_gedge {
	struct list_head list;
	struct ksync_gthread *waiter;
	struct ksync_gthread *thread;
	struct ksync_gprocess *process;
	u32 held;
	u32 count;
};

/**
 * struct ksync_cycle - why a thread was refused
 * @total: edges of the cycle
 * @nr: those that are kept
 * @edges: as the thread may see them
 */
struct ksync_cycle {
	u32 total;
	u32 nr;
	struct ksync_graph_edge edges[];
};

extern atomic64_t ksync_sleeps;

/*
 * The caller queues as @w. Bucket locked: if another one looks at this queue
 * without seeing it, then its number is the greater one. Of those in a cycle, who
 * has the greatest number finds it: so what the others wait for must stand in
 * their records before they have theirs.
 */
static inline void ksync_deadlock_begin(struct ksync_queue *q,
					struct ksync_waiter *w,
					struct ksync_thread *thread)
{
	w->thread = thread;
	w->refused = false;
	if (!thread)
		return;
	WRITE_ONCE(thread->waits.index, q->index);
	WRITE_ONCE(thread->waits.object, q->obj->id);
	/* Fully ordered: pairs with that of whoever reads them. */
	w->sleep = atomic64_inc_return(&ksync_sleeps);
}

/* It waits no more. */
static inline void ksync_deadlock_end(struct ksync_waiter *w)
{
	if (w->thread)
		WRITE_ONCE(w->thread->waits.object, 0);
}

/* deadlock.c */
int ksync_deadlock_check(struct ksync_queue *q, struct ksync_waiter *w);

/* stuck.c */
bool ksync_graph_stuck(struct ksync_graph *g, struct list_head *report);

/* graph.c */
int ksync_deadlock_self(struct ksync_queue *q, enum ksync_want want,
			enum ksync_hold_kind kind);
void ksync_cycle_note(struct ksync_graph *g, struct list_head *report);
int ksync_dev_graph(void *args, void __user *user);
int ksync_dev_cycle(void *args, void __user *user);

#endif /* KSYNC_DEADLOCK_H */
