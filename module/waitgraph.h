/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wait-for graph, as it is gathered for one look at it.
 *
 *	thread --waits for--> primitive --is held by--> thread, process
 *
 * It is gathered backwards: who waits for what a thread holds, who waits for
 * what those hold, and so on. Queues tell who waits, and a waiter's holds
 * cannot change as long as it is queued.
 */
#ifndef KSYNC_WAITGRAPH_H
#define KSYNC_WAITGRAPH_H

#include <linux/list.h>
#include <linux/types.h>

#include "object.h"
#include "owner.h"
#include "wait.h"

#define KSYNC_GRAPH_BATCH KSYNC_SLOT_ENTRIES	/* copied at a time */

/**
 * struct ksync_gprim - a primitive that somebody waits for
 * @hash: in the table of primitives, while the graph grows
 * @list: in the graph
 * @q: the primitive, with a reference to the object
 * @waiters: struct ksync_gthread by enum ksync_want, in the queue's order
 * @holds: struct ksync_ghold on it
 * @scanned: all its waiters are in the graph
 * @dirty: in the list of those to look at again; @next_dirty
 * @held: locks: holds of threads that are stuck
 * @excl: of these, exclusive ones
 * @writers: rwlock: stuck waiters for exclusive use
 * @permits: semaphore: permits of processes that are stuck
 * @total: semaphore: permits there are, free or held
 * @max: semaphore: maximum that @total was found with
 * @reached: by enum ksync_want: a way from its waiters to the start is known
 */
struct ksync_gprim {
	struct hlist_node hash;
	struct list_head list;
	struct ksync_queue q;
	struct list_head waiters[2];
	struct list_head holds;
	struct ksync_gprim *next_dirty;
	bool scanned;
	bool dirty;
	bool reached[2];
	u32 held;
	u32 excl;
	u32 writers;
	u64 permits;
	u64 total;
	u32 max;
};

/**
 * struct ksync_gthread - a thread that waits
 * @list: in the graph, in the order in which they were found
 * @queue: in @prim->waiters
 * @step: in a list of whoever walks the graph
 * @holds: struct ksync_ghold of the thread
 * @mates: in @process->threads
 * @thread: with a reference
 * @task: with a reference
 * @prim: what it waits for
 * @process: its process, if that is in the graph
 * @sleep: number of that wait
 * @seq: place in the queue
 * @since: when it began, CLOCK_MONOTONIC in ns
 * @want: enum ksync_want
 * @count: semaphore: permits wanted
 * @stuck: nothing is known that could end its wait
 * @gone: it was seen to wait no more
 * @level: steps to the start, 0 when no way is known
 * @reported: part of the report
 */
struct ksync_gthread {
	struct list_head list;
	struct list_head queue;
	struct list_head step;
	struct list_head holds;
	struct list_head mates;
	struct ksync_thread *thread;
	struct task_struct *task;
	struct ksync_gprim *prim;
	struct ksync_gprocess *process;
	u64 sleep;
	u64 seq;
	u64 since;
	u32 want;
	u32 count;
	u32 level;
	bool stuck;
	bool gone;
	bool reported;
};

/**
 * struct ksync_gprocess - a process that may hold permits
 * @list: in the graph
 * @holds: struct ksync_ghold of the process
 * @threads: its threads that wait
 * @nr_threads: how many these are
 * @process: with a reference
 * @stuck: all its threads are
 * @level: as in struct ksync_gthread
 */
struct ksync_gprocess {
	struct list_head list;
	struct list_head holds;
	struct list_head threads;
	u32 nr_threads;
	struct ksync_process *process;
	bool stuck;
	u32 level;
};

/**
 * struct ksync_ghold - a hold, by a thread or by a process
 * @of_prim: in the primitive's list
 * @of_owner: in the owner's list
 * @prim: what is held
 * @thread: the owner, or
 * @process: the owner
 * @kind: enum ksync_hold_kind
 * @count: read holds, permits
 */
struct ksync_ghold {
	struct list_head of_prim;
	struct list_head of_owner;
	struct ksync_gprim *prim;
	struct ksync_gthread *thread;
	struct ksync_gprocess *process;
	u32 kind;
	u32 count;
};

/**
 * struct ksync_graph
 * @number: of all graphs there were; marks with it are this one's
 * @newest: waits that began later are not in it
 * @start: the thread that asks, NULL when the whole graph is wanted
 * @threads: struct ksync_gthread
 * @prims: struct ksync_gprim
 * @processes: struct ksync_gprocess
 * @chunks: memory that all these are in
 * @room: bytes left in the first of them
 * @steps: holds and waiters looked at
 * @limit: how many may be
 * @error: 0, -ENOMEM, or -E2BIG when there are more
 */
struct ksync_graph {
	u64 number;
	u64 newest;
	struct ksync_gthread *start;
	struct list_head threads;
	struct list_head prims;
	struct list_head processes;
	struct ksync_gchunk *chunks;
	size_t room;
	u32 steps;
	u32 limit;
	int error;
};

struct ksync_gchunk;

int ksync_graph_lock(void);
void ksync_graph_unlock(void);

void ksync_graph_init(struct ksync_graph *g);
int ksync_graph_gather(struct ksync_graph *g, struct ksync_queue *q,
		       struct ksync_waiter *w);
int ksync_graph_gather_all(struct ksync_graph *g);
void ksync_graph_seal(struct ksync_graph *g);
void *ksync_graph_alloc(struct ksync_graph *g, size_t size);
void ksync_graph_free(struct ksync_graph *g);

struct ksync_waiter *ksync_graph_waiter(struct ksync_gthread *t);

/* held.c */
bool ksync_graph_queue_empty(struct ksync_queue *q);
bool ksync_graph_hold_counts(struct ksync_queue *q,
			     const struct ksync_hold *hold, u32 id);
int ksync_graph_copy_slot(const struct ksync_hold *slot, u32 id,
			  struct ksync_hold *holds);
int ksync_graph_copy_permits(struct ksync_process *process,
			     struct ksync_hold *at, struct ksync_hold *holds,
			     bool *more);
bool ksync_graph_awaited(struct ksync_queue *q, struct ksync_waiter *w);

#endif /* KSYNC_WAITGRAPH_H */
