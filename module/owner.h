/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owners: threads by small ids, processes, and what they hold.
 *
 * A thread gets an id when it first needs one. The id stands in state words,
 * and is not given out again until everything the thread held is settled. If it
 * held nothing, the next thread of its process gets it, with all that goes with
 * it (owner.c).
 *
 * Holds name their object by its id, which is never reused, and do not keep it
 * alive: a hold on an object that is gone is found to be of nothing.
 */
#ifndef KSYNC_OWNER_H
#define KSYNC_OWNER_H

#include <linux/list.h>
#include <linux/list_nulls.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/task_work.h>
#include <linux/ksync.h>

struct ksync_area;

enum ksync_hold_kind {
	KSYNC_HOLD_EXCLUSIVE,	/* thread: mutex, write lock */
	KSYNC_HOLD_SHARED,	/* thread: count read locks */
	KSYNC_HOLD_PERMITS,	/* process: count permits */
	KSYNC_HOLD_MEMBERS,	/* process: count members of round */
	KSYNC_HOLD_JOINED,	/* process: member of a barrier, count times */
	KSYNC_HOLD_ARRIVED,	/* thread: at a barrier, in round */
	KSYNC_HOLD_WAITING,	/* thread: a wait at a condition, interrupted */
	KSYNC_HOLD_SLOT,	/* see struct ksync_held */
};

/**
 * struct ksync_hold - something held
 * @node: in the owner's tree, by object and index
 * @next_free: in a thread's list of spare ones
 * @object: id of the object
 * @index: primitive
 * @kind: enum ksync_hold_kind
 * @count: how many
 * @round: KSYNC_HOLD_MEMBERS, KSYNC_HOLD_ARRIVED: of which round;
 *         KSYNC_HOLD_WAITING: signals when the wait was interrupted
 */
struct ksync_hold {
	union {
		struct rb_node node;
		struct ksync_hold *next_free;
	};
	u64 object;
	u32 index;
	u32 kind;
	u32 count;
	u32 round;
};

/**
 * struct ksync_held - goes through all that a thread holds; zeroed to begin
 * @hold: what was found. KSYNC_HOLD_SLOT: what its slot @hold.index of the
 *        object says, see ksync_slot_holds()
 * @entries: of its line that were looked at
 * @in_line: the tree is done
 * @in_slots: so is the line
 * @slot: the next slot, then
 */
struct ksync_held {
	struct ksync_hold hold;
	u32 entries;
	bool in_line;
	bool in_slots;
	const struct ksync_slot_ref *slot;
};

#define KSYNC_HOLDS_INLINE 4	/* spare holds that come with a thread */

/* The node that stands for a thread or process in the graph of that number. */
struct ksync_mark {
	u64 graph;
	void *node;
};

struct ksync_cycle;

/**
 * struct ksync_process - a process that owns permits or is a bound member
 * @node: in the table of processes, under ksync_owners_lock
 * @pid: of the thread group, with a reference
 * @ref: the table's, and temporary ones
 * @lock: guards @holds, @spare, @gone, @area. Taken inside mmap_lock
 * @holds: struct ksync_hold by object and index
 * @spare: one that is not used, or NULL
 * @gone: the process is dead; nothing may be added
 * @area: lines of its threads, with a reference; NULL before they are used
 * @parked: records for its next threads, by @next_parked of them, and
 * @nr_parked: how many; under ksync_owners_lock, none once it is out of the table
 * @die_work: settles what it held, run by its last thread
 * @exec_work: gives back its permits, run by the thread that calls execve
 * @mark: its place in a graph; guarded by the lock of graphs (waitgraph.c)
 * @rcu: freed after readers
 *
 * Lock order: a process's lock, then a bucket's.
 */
struct ksync_process {
	struct hlist_node node;
	struct pid *pid;
	refcount_t ref;
	struct mutex lock;	/* see above */
	struct rb_root holds;
	struct ksync_hold *spare;
	bool gone;
	struct ksync_area *area;
	struct ksync_thread *parked;
	u32 nr_parked;
	struct callback_head die_work;
	struct callback_head exec_work;
	struct ksync_mark mark;
	struct rcu_head rcu;
};

/**
 * struct ksync_thread - a thread that has an id
 * @node: in the table of threads, under ksync_owners_lock
 * @task: the thread, NULL when it has ended; valid under RCU
 * @process: of the thread, with a reference
 * @id: stands in state words
 * @parked: kept for another thread; under ksync_owners_lock, read by anybody
 * @had_tickets: it has queued a request; the thread's alone
 * @next_parked: in the list of the process
 * @holds: struct ksync_hold by object and index; the thread's alone
 * @spare: unused holds; the thread's alone
 * @first: spare ones to start with
 * @line: what it does in user space, or NULL; the thread's alone
 * @area: where that is, with a reference
 * @line_nr: which one there
 * @slots: slots that it reads by; the thread's alone, as the next two
 * @nr_slots: how many, those of objects that are gone included
 * @prune_slots: from how many on those are looked for
 * @place: where the thread stood in a queue that a signal handler took it from;
 *         the thread's alone
 * @tickets: its queued requests; ticket.c's
 * @tickets_ending: those of them that are listed no more and not yet gone
 * @waits: what it waits for where that can be part of a cycle, @waits.object is
 *         0 when nothing; written by the thread, or while it sleeps by who moves
 *         it to the queue of a mutex, read by anybody
 * @cycle: why it was last refused to wait; the thread's alone
 * @mark: its place in a graph; guarded by the lock of graphs (waitgraph.c)
 * @ref: one until its end, and temporary ones
 * @work: settles what the thread held, run by the thread as it ends
 * @rcu: freed after readers
 */
struct ksync_thread {
	struct hlist_nulls_node node;
	struct task_struct *task;
	struct ksync_process *process;
	u32 id;
	bool parked;
	bool had_tickets;
	struct ksync_thread *next_parked;
	struct rb_root holds;
	struct ksync_hold *spare;
	struct ksync_hold first[KSYNC_HOLDS_INLINE];
	struct ksync_line *line;
	struct ksync_area *area;
	u32 line_nr;
	struct ksync_slot_ref *slots;
	u32 nr_slots;
	u32 prune_slots;
	struct {
		u64 object;
		u32 index;
		u32 want;
		u32 round;
		u64 seq;
		u64 since;
	} place;
	struct list_head tickets;
	atomic_t tickets_ending;
	struct {
		u64 object;
		u32 index;
	} waits;
	struct ksync_cycle *cycle;
	struct ksync_mark mark;
	refcount_t ref;
	struct callback_head work;
	struct rcu_head rcu;
};

/* owner.c */
struct ksync_thread *ksync_thread_find(const struct task_struct *task);
struct ksync_thread *ksync_thread_get(void);
bool ksync_thread_park(struct ksync_thread *thread);
void ksync_thread_unhash(struct ksync_thread *thread);
void ksync_thread_free(struct ksync_thread *thread);
void ksync_thread_put(struct ksync_thread *thread);
bool ksync_thread_running(u32 id);
int ksync_thread_cpu(u32 id);
bool ksync_thread_exists(u32 id);
bool ksync_thread_waits(u32 id);
struct task_struct *ksync_thread_task_get(u32 id);
struct ksync_thread *ksync_thread_next_waiting(u32 *id);
void ksync_thread_pids(u32 id, u32 *pid, u32 *tid);
struct ksync_process *ksync_thread_holding(const struct ksync_thread *thread);

struct ksync_process *ksync_process_find(struct pid *pid);
struct ksync_process *ksync_process_get(struct pid *pid);
struct ksync_process *ksync_process_claim(struct pid *pid);
void ksync_process_put(struct ksync_process *process);
void ksync_parked_free(struct ksync_process *process);
void ksync_owners_init(void);
void ksync_owners_exit(void);

void ksync_hold_insert(struct rb_root *holds, struct ksync_hold *hold,
		       u64 object, u32 index, u32 kind);
struct ksync_hold *ksync_hold_alloc(void);
struct ksync_hold *ksync_hold_alloc_nofail(void);
void ksync_hold_free(struct ksync_hold *hold);
void ksync_process_drop_hold(struct ksync_process *process,
			     struct ksync_hold *hold);
bool ksync_holds_next(const struct rb_root *holds, struct ksync_hold *at);
bool ksync_thread_holds_next(struct ksync_thread *thread,
			     struct ksync_held *at);
int ksync_holds_init(void);
void ksync_holds_exit(void);

/* In the order of objects and indexes. */
static inline int ksync_hold_cmp(u64 object, u32 index,
				 const struct rb_node *node)
{
	const struct ksync_hold *hold =
		rb_entry(node, struct ksync_hold, node);

	if (object != hold->object)
		return object < hold->object ? -1 : 1;
	if (index != hold->index)
		return index < hold->index ? -1 : 1;
	return 0;
}

static inline struct ksync_hold *
ksync_hold_find(const struct rb_root *holds, u64 object, u32 index)
{
	struct rb_node *node = holds->rb_node;

	while (node) {
		int cmp = ksync_hold_cmp(object, index, node);

		if (!cmp)
			return rb_entry(node, struct ksync_hold, node);
		node = cmp < 0 ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* The caller's hold on a primitive, NULL if it has none. */
static inline struct ksync_hold *
ksync_thread_hold(struct ksync_thread *thread, u64 object, u32 index)
{
	return thread ? ksync_hold_find(&thread->holds, object, index) : NULL;
}

/*
 * An unused hold of the caller's, NULL without memory. It is taken before an
 * acquisition, so that nothing can fail after it.
 */
static inline struct ksync_hold *ksync_hold_spare(struct ksync_thread *thread)
{
	struct ksync_hold *hold = thread->spare;

	if (unlikely(!hold))
		return ksync_hold_alloc();
	thread->spare = hold->next_free;
	return hold;
}

/* Gives back a hold that is in no tree. */
static inline void ksync_hold_unuse(struct ksync_thread *thread,
				    struct ksync_hold *hold)
{
	if (likely(hold >= thread->first &&
		   hold < thread->first + KSYNC_HOLDS_INLINE)) {
		hold->next_free = thread->spare;
		thread->spare = hold;
	} else {
		ksync_hold_free(hold);
	}
}

/* Gives up a hold. */
static inline void ksync_thread_drop_hold(struct ksync_thread *thread,
					  struct ksync_hold *hold)
{
	rb_erase(&hold->node, &thread->holds);
	ksync_hold_unuse(thread, hold);
}

/* death.c */
void ksync_process_reap(struct pid *pid);
int ksync_death_init(void);
void ksync_death_exit(void);

/* pidfd.c */
struct pid *ksync_pidfd_get(int fd);
bool ksync_pid_alive(struct pid *pid);

#endif /* KSYNC_OWNER_H */
