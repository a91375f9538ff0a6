// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads by task and by id, processes by pid.
 *
 * Readers look things up under RCU. Only a thread itself adds or removes its
 * own entry, so one that finds itself needs no lock to use what it found.
 */
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "line.h"
#include "owner.h"
#include "slot.h"

/* Guards changes of both tables. Nothing is taken inside it. */
static DEFINE_SPINLOCK(ksync_owners_lock);
static DEFINE_HASHTABLE(ksync_threads, 12);
static DEFINE_HASHTABLE(ksync_processes, 10);
static DEFINE_XARRAY_FLAGS(ksync_thread_ids, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);

static const struct xa_limit ksync_id_limit = XA_LIMIT(1, KSYNC_LOCK_ID);

/*
 * Every command looks up its caller. With preemption off, RCU costs a tenth of
 * what it does otherwise.
 */
static inline struct ksync_thread *
ksync_thread_lookup(const struct task_struct *task)
{
	struct ksync_thread *thread;

	rcu_read_lock_sched();
	hash_for_each_possible_rcu(ksync_threads, thread, node,
				   (unsigned long)task,
				   rcu_read_lock_sched_held()) {
		if (thread->task == task)
			break;
	}
	rcu_read_unlock_sched();
	return thread;
}

struct ksync_thread *ksync_thread_find(const struct task_struct *task)
{
	return ksync_thread_lookup(task);
}

static noinline struct ksync_thread *ksync_thread_new(void)
{
	struct ksync_thread *thread;
	int i, ret;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	if (!thread)
		return ERR_PTR(-ENOMEM);
	refcount_set(&thread->ref, 1);
	thread->task = current;
	thread->holds = RB_ROOT;
	INIT_LIST_HEAD(&thread->tickets);
	for (i = 0; i < KSYNC_HOLDS_INLINE; i++)
		ksync_hold_unuse(thread, &thread->first[i]);
	thread->tid = get_pid(task_pid(current));
	thread->tgid = get_pid(task_tgid(current));

	ret = xa_alloc(&ksync_thread_ids, &thread->id, thread, ksync_id_limit,
		       GFP_KERNEL_ACCOUNT);
	if (ret) {
		put_pid(thread->tid);
		put_pid(thread->tgid);
		kfree(thread);
		return ERR_PTR(ret == -EBUSY ? -ENOSPC : ret);
	}
	spin_lock(&ksync_owners_lock);
	hash_add_rcu(ksync_threads, &thread->node, (unsigned long)current);
	spin_unlock(&ksync_owners_lock);
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
	hash_del_rcu(&thread->node);
	spin_unlock(&ksync_owners_lock);
}

static void ksync_thread_free_rcu(struct rcu_head *rcu)
{
	struct ksync_thread *thread =
		container_of(rcu, struct ksync_thread, rcu);

	put_pid(thread->tid);
	put_pid(thread->tgid);
	kvfree(thread->cycle);
	kfree(thread);
}

void ksync_thread_put(struct ksync_thread *thread)
{
	if (refcount_dec_and_test(&thread->ref))
		call_rcu(&thread->rcu, ksync_thread_free_rcu);
}

/* The thread holds nothing: its id may be given to another. May sleep. */
void ksync_thread_free(struct ksync_thread *thread)
{
	ksync_line_free(thread);
	xa_erase(&ksync_thread_ids, thread->id);
	ksync_thread_put(thread);
}

/*
 * Does the thread with that id run on a CPU at this moment? The task is valid
 * as long as its thread can be found: it is freed a grace period after its
 * exit, and unhashed before that.
 */
bool ksync_thread_running(u32 id)
{
	struct ksync_thread *thread;
	bool running = false;

#ifdef CONFIG_SMP
	rcu_read_lock();
	thread = xa_load(&ksync_thread_ids, id);
	if (thread && !hlist_unhashed_lockless(&thread->node))
		running = owner_on_cpu(thread->task);
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
	struct ksync_thread *thread;
	int cpu = -1;

#ifdef CONFIG_SMP
	rcu_read_lock();
	thread = xa_load(&ksync_thread_ids, id);
	if (thread && !hlist_unhashed_lockless(&thread->node)) {
		/* Pairs with the release in the scheduler's finish_task(). */
		if (smp_load_acquire(&thread->task->on_cpu))
			cpu = task_cpu(thread->task);
	}
	rcu_read_unlock();
#endif
	return cpu;
}

/* Is the id taken? */
bool ksync_thread_exists(u32 id)
{
	return xa_load(&ksync_thread_ids, id);
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

/* With a reference; NULL if there is none. */
struct ksync_thread *ksync_thread_by_id(u32 id)
{
	struct ksync_thread *thread;

	rcu_read_lock();
	thread = xa_load(&ksync_thread_ids, id);
	if (thread && !refcount_inc_not_zero(&thread->ref))
		thread = NULL;
	rcu_read_unlock();
	return thread;
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

/* In the caller's PID namespace, 0 where they are not visible. */
void ksync_thread_pids(u32 id, u32 *pid, u32 *tid)
{
	struct ksync_thread *thread;

	rcu_read_lock();
	thread = xa_load(&ksync_thread_ids, id);
	*pid = thread ? pid_vnr(thread->tgid) : 0;
	*tid = thread ? pid_vnr(thread->tid) : 0;
	rcu_read_unlock();
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

/* The module goes: no object exists, nobody looks, and all holds are of nothing. */
void ksync_owners_exit(void)
{
	struct ksync_process *process;
	struct ksync_thread *thread;
	struct hlist_node *tmp;
	int i;

	hash_for_each_safe(ksync_threads, i, tmp, thread, node) {
		hash_del_rcu(&thread->node);
		ksync_holds_free(&thread->holds, thread);
		ksync_slots_settle(thread);
		ksync_thread_free(thread);
	}
	hash_for_each_safe(ksync_processes, i, tmp, process, node) {
		hash_del_rcu(&process->node);
		ksync_holds_free(&process->holds, NULL);
		ksync_process_put(process);
	}
	xa_destroy(&ksync_thread_ids);
	rcu_barrier();
}
