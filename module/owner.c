// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads by task and by id, processes by pid.
 *
 * Readers look things up under RCU. Only a thread itself adds or removes its
 * own entry, so one that finds itself needs no lock to use what it found.
 *
 * Most threads end holding nothing. Such a record is parked: it stays, with its
 * id and its line, for the next thread of the same process. So neither end nor
 * beginning changes what there is by id, or any memory:
 *
 *	       new                end, holding nothing
 *	(none) ---> [live] ----------------------------> [parked]
 *	            ^   |                                 |    |
 *	            |   | end, execve         next thread |    |
 *	            |   v                                 |    |
 *	            |  [ending]                           |    |
 *	            +---|---------------------------------+    |
 *	                | settled             process gone     |
 *	                v                                      v
 *	              (none) <---------------------------------+
 *
 * live		in the table of threads, @task is set
 * ending	not in the table; the id is taken until all is settled
 * parked	in the list of its process. No word names the id
 *
 * A record that is taken again may go to another chain of the table while a
 * reader stands at it, who then comes to the wrong end and begins anew. It is a
 * thread's record of the same id all the time, so that a reference to it, or
 * RCU, is good for no less than before. Who it belongs to at the moment, only
 * @task tells.
 */
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/rculist_nulls.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "line.h"
#include "owner.h"
#include "slot.h"

#define KSYNC_THREADS_BITS 12

/* How many records a process keeps: what they are good for are short lives. */
#define KSYNC_PARKED_MAX 64

/* Guards changes of both tables, and what is parked. Nothing is taken inside it. */
static DEFINE_SPINLOCK(ksync_owners_lock);
static struct hlist_nulls_head ksync_threads[1 << KSYNC_THREADS_BITS];
static DEFINE_HASHTABLE(ksync_processes, 10);
static DEFINE_XARRAY_FLAGS(ksync_thread_ids, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);

static const struct xa_limit ksync_id_limit = XA_LIMIT(1, KSYNC_LOCK_ID);

/* The number of its chain, which is also what stands at the end of that. */
static inline u32 ksync_thread_slot(const struct task_struct *task)
{
	return hash_ptr((void *)task, KSYNC_THREADS_BITS);
}

/*
 * Every command looks up its caller. With preemption off, RCU costs a tenth of
 * what it does otherwise.
 */
static inline struct ksync_thread *
ksync_thread_lookup(const struct task_struct *task)
{
	u32 slot = ksync_thread_slot(task);
	struct hlist_nulls_node *end;
	struct ksync_thread *thread;

	rcu_read_lock_sched();
	do {
		hlist_nulls_for_each_entry_rcu(thread, end,
					       &ksync_threads[slot], node) {
			if (READ_ONCE(thread->task) == task)
				goto found;
		}
	} while (unlikely(get_nulls_value(end) != slot));
	thread = NULL;
found:
	rcu_read_unlock_sched();
	return thread;
}

struct ksync_thread *ksync_thread_find(const struct task_struct *task)
{
	return ksync_thread_lookup(task);
}

/* The record is the caller's. */
static void ksync_thread_hash(struct ksync_thread *thread)
{
	lockdep_assert_held(&ksync_owners_lock);
	/* As in ksync_thread_unhash_locked(), also for who comes after it. */
	smp_store_release(&thread->task, current);
	hlist_nulls_add_head_rcu(&thread->node,
				 &ksync_threads[ksync_thread_slot(current)]);
}

/* The record is nobody's. Its task is freed a grace period after this. */
static void ksync_thread_unhash_locked(struct ksync_thread *thread)
{
	lockdep_assert_held(&ksync_owners_lock);
	hlist_nulls_del_rcu(&thread->node);
	/* What the thread did. Pairs with the acquire in ksync_thread_cpu(). */
	smp_store_release(&thread->task, NULL);
}

static struct ksync_thread *ksync_thread_alloc(struct ksync_process *process)
{
	struct ksync_thread *thread;
	int i, ret;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	if (!thread)
		return ERR_PTR(-ENOMEM);
	refcount_set(&thread->ref, 1);
	thread->process = process;
	thread->holds = RB_ROOT;
	INIT_LIST_HEAD(&thread->tickets);
	for (i = 0; i < KSYNC_HOLDS_INLINE; i++)
		ksync_hold_unuse(thread, &thread->first[i]);

	ret = xa_alloc(&ksync_thread_ids, &thread->id, thread, ksync_id_limit,
		       GFP_KERNEL_ACCOUNT);
	if (ret) {
		kfree(thread);
		return ERR_PTR(ret == -EBUSY ? -ENOSPC : ret);
	}
	refcount_inc(&process->ref);
	return thread;
}

/* A parked record of the caller's process for the caller; NULL if there is none. */
static struct ksync_thread *ksync_thread_unpark(struct ksync_process *process)
{
	struct ksync_thread *thread;

	spin_lock(&ksync_owners_lock);
	thread = process->parked;
	if (thread) {
		process->parked = thread->next_parked;
		process->nr_parked--;
		WRITE_ONCE(thread->parked, false);
		ksync_thread_hash(thread);
	}
	spin_unlock(&ksync_owners_lock);
	if (!thread)
		return NULL;
	memset(&thread->place, 0, sizeof(thread->place));
	ksync_line_clear(thread);
	return thread;
}

/*
 * The caller ends, and is in the table. If it holds nothing, its record is kept
 * for another thread. False: what it has must be settled, or there are enough.
 */
bool ksync_thread_park(struct ksync_thread *thread)
{
	struct ksync_process *process = thread->process;
	bool parked;

	if (!RB_EMPTY_ROOT(&thread->holds) || thread->slots ||
	    thread->had_tickets || thread->cycle || !ksync_line_empty(thread))
		return false;
	spin_lock(&ksync_owners_lock);
	/* Out of the table, the process is gone, and what it had parked. */
	parked = process->nr_parked < KSYNC_PARKED_MAX &&
		 hash_hashed(&process->node);
	if (parked) {
		ksync_thread_unhash_locked(thread);
		WRITE_ONCE(thread->parked, true);
		thread->next_parked = process->parked;
		process->parked = thread;
		process->nr_parked++;
	}
	spin_unlock(&ksync_owners_lock);
	return parked;
}

static noinline struct ksync_thread *ksync_thread_new(void)
{
	struct ksync_process *process = ksync_process_get(task_tgid(current));
	struct ksync_thread *thread;

	if (!process)
		return ERR_PTR(-ENOMEM);
	thread = ksync_thread_unpark(process);
	if (!thread) {
		thread = ksync_thread_alloc(process);
		if (!IS_ERR(thread)) {
			spin_lock(&ksync_owners_lock);
			ksync_thread_hash(thread);
			spin_unlock(&ksync_owners_lock);
		}
	}
	ksync_process_put(process);
	return thread;
}

/* The caller's entry, made if need be: an error pointer without memory. */
struct ksync_thread *ksync_thread_get(void)
{
	struct ksync_thread *thread = ksync_thread_lookup(current);

	return likely(thread) ? thread : ksync_thread_new();
}

/* The task will not be found any more; its id stays taken. */
void ksync_thread_unhash(struct ksync_thread *thread)
{
	spin_lock(&ksync_owners_lock);
	ksync_thread_unhash_locked(thread);
	spin_unlock(&ksync_owners_lock);
}

static void ksync_thread_free_rcu(struct rcu_head *rcu)
{
	struct ksync_thread *thread =
		container_of(rcu, struct ksync_thread, rcu);

	kvfree(thread->cycle);
	kfree(thread);
}

void ksync_thread_put(struct ksync_thread *thread)
{
	if (!refcount_dec_and_test(&thread->ref))
		return;
	ksync_process_put(thread->process);
	call_rcu(&thread->rcu, ksync_thread_free_rcu);
}

/* The thread holds nothing: its id may be given to another. May sleep. */
void ksync_thread_free(struct ksync_thread *thread)
{
	ksync_line_free(thread);
	xa_erase(&ksync_thread_ids, thread->id);
	ksync_thread_put(thread);
}

/* The process is gone, or the module goes: nobody takes them again. May sleep. */
void ksync_parked_free(struct ksync_process *process)
{
	struct ksync_thread *thread, *next;

	spin_lock(&ksync_owners_lock);
	thread = process->parked;
	process->parked = NULL;
	process->nr_parked = 0;
	spin_unlock(&ksync_owners_lock);
	for (; thread; thread = next) {
		next = thread->next_parked;
		ksync_thread_free(thread);
		cond_resched();
	}
}

/*
 * The task of the thread with that id, NULL when it has none any more. Under
 * RCU, it stays valid: it is freed a grace period after it left its record.
 * Acquire: what it did before it ended, which is visible then.
 */
static struct task_struct *ksync_thread_task(u32 id)
{
	struct ksync_thread *thread = xa_load(&ksync_thread_ids, id);

	/* Pairs with the releases in ksync_thread_(un)hash(). */
	return thread ? smp_load_acquire(&thread->task) : NULL;
}

/* Does the thread with that id run on a CPU at this moment? */
bool ksync_thread_running(u32 id)
{
	struct task_struct *task;
	bool running = false;

#ifdef CONFIG_SMP
	rcu_read_lock();
	task = ksync_thread_task(id);
	if (task)
		running = owner_on_cpu(task);
	rcu_read_unlock();
#endif
	return running;
}

/*
 * The CPU that the thread with that id runs on, or negative if it is seen not
 * to run; what it did before is visible then.
 */
int ksync_thread_cpu(u32 id)
{
	struct task_struct *task;
	int cpu = -1;

#ifdef CONFIG_SMP
	rcu_read_lock();
	task = ksync_thread_task(id);
	/* Pairs with the release in the scheduler's finish_task(). */
	if (task && smp_load_acquire(&task->on_cpu))
		cpu = task_cpu(task);
	rcu_read_unlock();
#endif
	return cpu;
}

/* Is the id taken, so that a word may name it? */
bool ksync_thread_exists(u32 id)
{
	struct ksync_thread *thread;
	bool exists;

	rcu_read_lock();
	thread = xa_load(&ksync_thread_ids, id);
	exists = thread && !READ_ONCE(thread->parked);
	rcu_read_unlock();
	return exists;
}

/* Does the thread with that id wait, or is it about to? */
bool ksync_thread_waits(u32 id)
{
	struct ksync_thread *thread;
	bool waits;

	rcu_read_lock();
	thread = xa_load(&ksync_thread_ids, id);
	waits = thread && READ_ONCE(thread->waits.object);
	rcu_read_unlock();
	return waits;
}

/* As above, with a reference. */
struct task_struct *ksync_thread_task_get(u32 id)
{
	struct task_struct *task;

	rcu_read_lock();
	task = ksync_thread_task(id);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task;
}

/* The first thread after *@id that waits, with a reference; sets *@id. */
struct ksync_thread *ksync_thread_next_waiting(u32 *id)
{
	struct ksync_thread *thread;
	unsigned long at = *id;

	for (;;) {
		rcu_read_lock();
		thread = xa_find_after(&ksync_thread_ids, &at, KSYNC_LOCK_ID,
				       XA_PRESENT);
		if (thread && (!READ_ONCE(thread->waits.object) ||
			       !refcount_inc_not_zero(&thread->ref))) {
			rcu_read_unlock();
			cond_resched();
			continue;
		}
		rcu_read_unlock();
		*id = at;
		return thread;
	}
}

/* In the caller's PID namespace, 0 where they are not visible, or at an end. */
void ksync_thread_pids(u32 id, u32 *pid, u32 *tid)
{
	struct task_struct *task;

	rcu_read_lock();
	task = ksync_thread_task(id);
	*pid = task ? task_tgid_vnr(task) : 0;
	*tid = task ? task_pid_vnr(task) : 0;
	rcu_read_unlock();
}

/* The thread's process, with a reference, if that holds anything. */
struct ksync_process *ksync_thread_holding(const struct ksync_thread *thread)
{
	struct ksync_process *process = thread->process;

	/*
	 * What another thread of it just begins to hold may be missed: that one
	 * does not wait yet.
	 */
	if (data_race(RB_EMPTY_ROOT(&process->holds)))
		return NULL;
	refcount_inc(&process->ref);
	return process;
}

/* With a reference; NULL if there is none. */
struct ksync_process *ksync_process_find(struct pid *pid)
{
	struct ksync_process *process;

	rcu_read_lock_sched();
	hash_for_each_possible_rcu(ksync_processes, process, node,
				   (unsigned long)pid,
				   rcu_read_lock_sched_held()) {
		if (process->pid == pid &&
		    refcount_inc_not_zero(&process->ref))
			break;
	}
	rcu_read_unlock_sched();
	return process;
}

/* With a reference, made if need be; NULL without memory. */
struct ksync_process *ksync_process_get(struct pid *pid)
{
	struct ksync_process *process = ksync_process_find(pid), *fresh, *p;

	if (process)
		return process;
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->pid = get_pid(pid);
	refcount_set(&fresh->ref, 2);
	mutex_init(&fresh->lock);
	fresh->holds = RB_ROOT;

	spin_lock(&ksync_owners_lock);
	hash_for_each_possible(ksync_processes, p, node, (unsigned long)pid) {
		if (p->pid == pid) {
			process = p;
			break;
		}
	}
	/* What is in the table has the table's reference. */
	if (process)
		refcount_inc(&process->ref);
	else
		hash_add_rcu(ksync_processes, &fresh->node, (unsigned long)pid);
	spin_unlock(&ksync_owners_lock);

	if (!process)
		return fresh;
	put_pid(fresh->pid);
	kfree(fresh);
	return process;
}

/* Out of the table, with the table's reference: for one caller only. */
struct ksync_process *ksync_process_claim(struct pid *pid)
{
	struct ksync_process *process = ksync_process_find(pid);
	bool mine;

	if (!process)
		return NULL;
	spin_lock(&ksync_owners_lock);
	mine = hash_hashed(&process->node);
	if (mine)
		hash_del_rcu(&process->node);
	spin_unlock(&ksync_owners_lock);
	ksync_process_put(process);
	return mine ? process : NULL;
}

static void ksync_process_free(struct rcu_head *rcu)
{
	struct ksync_process *process =
		container_of(rcu, struct ksync_process, rcu);

	put_pid(process->pid);
	ksync_hold_free(process->spare);
	kfree(process);
}

void ksync_process_put(struct ksync_process *process)
{
	if (!refcount_dec_and_test(&process->ref))
		return;
	ksync_area_put(process->area);
	call_rcu(&process->rcu, ksync_process_free);
}

static void ksync_holds_free(struct rb_root *holds, struct ksync_thread *thread)
{
	struct rb_node *node;

	while ((node = rb_first(holds))) {
		struct ksync_hold *hold =
			rb_entry(node, struct ksync_hold, node);

		rb_erase(node, holds);
		if (thread)
			ksync_hold_unuse(thread, hold);
		else
			ksync_hold_free(hold);
	}
}

void ksync_owners_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ksync_threads); i++)
		INIT_HLIST_NULLS_HEAD(&ksync_threads[i], i);
}

/* The module goes: no object exists, nobody looks, and all holds are of nothing. */
void ksync_owners_exit(void)
{
	struct ksync_process *process;
	struct ksync_thread *thread;
	struct hlist_node *tmp;
	int i;

	for (i = 0; i < ARRAY_SIZE(ksync_threads); i++) {
		while (!hlist_nulls_empty(&ksync_threads[i])) {
			thread = hlist_nulls_entry(ksync_threads[i].first,
						   struct ksync_thread, node);
			ksync_thread_unhash(thread);
			ksync_holds_free(&thread->holds, thread);
			ksync_slots_settle(thread);
			ksync_thread_free(thread);
		}
	}
	hash_for_each_safe(ksync_processes, i, tmp, process, node) {
		hash_del_rcu(&process->node);
		ksync_parked_free(process);
		ksync_holds_free(&process->holds, NULL);
		ksync_process_put(process);
	}
	xa_destroy(&ksync_thread_ids);
	rcu_barrier();
}
