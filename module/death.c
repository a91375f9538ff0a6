// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel sees every exit, and every execve.
 *
 * Two tracepoints tell. Their probes must not sleep, so they only find the
 * thread and leave the rest to task work, which the dying thread itself runs:
 * after its files are closed, and before its parent can learn of its death.
 * Whoever has waited for a process therefore finds its locks passed on. A thread
 * that holds nothing is done with in the probe.
 *
 *	do_exit
 *	  sched_process_exit --> probe: ksync_thread_park, or task_work_add
 *	  exit_files
 *	  exit_task_work     --> ksync_thread_die, ksync_process_die
 *	  exit_notify            (the parent is told)
 *
 *	execve
 *	  the other threads exit, as above
 *	  sched_process_exec --> probe: task_work_add
 *	  return to user     --> ksync_thread_die, ksync_process_exec
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>

#include "compat.h"
#include "line.h"
#include "object.h"
#include "owner.h"
#include "slot.h"
#include "ticket.h"
#include "trace.h"

/*
 * Task work that was added and has not run. The last one to go, when the module
 * does, completes ksync_works_done; the module's own count is the other one.
 */
static atomic_t ksync_works = ATOMIC_INIT(1);
static DECLARE_COMPLETION(ksync_works_done);

static struct tracepoint *ksync_exit_tp;
static struct tracepoint *ksync_exec_tp;
/* Whether the probes are registered; to take away one that is not warns. */
static bool ksync_exit_heard, ksync_exec_heard;

static void ksync_work_done(void)
{
	if (atomic_dec_and_test(&ksync_works))
		complete(&ksync_works_done);
}

static void ksync_settle(const struct ksync_hold *hold, u32 id)
{
	struct ksync_object *obj = ksync_object_get_by_id(hold->object);
	struct ksync_queue q;

	if (!obj)
		return;
	if (!ksync_queue_init(&q, obj, hold->index)) {
		trace_ksync_death(obj->id, hold->index, id, hold->kind,
				  hold->count);
		obj->ops->drop(&q, id, hold);
	}
	ksync_object_put(obj);
}

/*
 * What the thread did in user space. Its line may say anything: a guarded
 * object is none of its business, and of the others the word says what it held.
 */
static void ksync_settle_entry(const struct ksync_line_entry *entry, u32 id)
{
	u64 object = ksync_line_object(entry);
	struct ksync_object *obj;
	struct ksync_queue q;

	obj = object ? ksync_object_get_by_id(object) : NULL;
	if (!obj)
		return;
	if (!(obj->flags & KSYNC_F_GUARDED) && obj->ops->die &&
	    !ksync_queue_init(&q, obj, READ_ONCE(entry->index))) {
		trace_ksync_death(obj->id, q.index, id, KSYNC_HOLD_EXCLUSIVE,
				  1);
		obj->ops->die(&q, id);
	}
	ksync_object_put(obj);
}

static void ksync_settle_line(struct ksync_thread *thread)
{
	int i;

	for (i = 0; thread->line && i < KSYNC_LINE_ENTRIES; i++)
		ksync_settle_entry(&thread->line->entry[i], thread->id);
}

static void ksync_thread_die(struct callback_head *work)
{
	struct ksync_thread *thread =
		container_of(work, struct ksync_thread, work);
	struct rb_node *node;

	ksync_tickets_thread_die(thread);
	while ((node = rb_first(&thread->holds))) {
		struct ksync_hold *hold =
			rb_entry(node, struct ksync_hold, node);

		rb_erase(node, &thread->holds);
		ksync_settle(hold, thread->id);
		ksync_hold_unuse(thread, hold);
		cond_resched();
	}
	ksync_settle_line(thread);
	ksync_slots_settle(thread);
	ksync_thread_free(thread);
	ksync_work_done();
}

/* Settles what a process holds, all of it or all but its ties. */
static void ksync_process_settle(struct ksync_process *process, bool all)
{
	struct rb_node *node, *next;

	mutex_lock(&process->lock);
	process->gone = all;
	for (node = rb_first(&process->holds); node; node = next) {
		struct ksync_hold *hold =
			rb_entry(node, struct ksync_hold, node);

		next = rb_next(node);
		if (!all && hold->kind == KSYNC_HOLD_MEMBERS)
			continue;
		ksync_settle(hold, 0);
		ksync_process_drop_hold(process, hold);
		cond_resched();
	}
	mutex_unlock(&process->lock);
	if (all)
		ksync_parked_free(process);
}

/* What its exit would do, for a process found dead that may have missed it. */
void ksync_process_reap(struct pid *pid)
{
	struct ksync_process *process = ksync_process_claim(pid);

	if (!process)
		return;
	ksync_process_settle(process, true);
	ksync_process_put(process);
}

static void ksync_process_die(struct callback_head *work)
{
	struct ksync_process *process =
		container_of(work, struct ksync_process, die_work);

	ksync_process_settle(process, true);
	ksync_process_put(process);
	ksync_work_done();
}

/* The process lives on: members that it was bound for are still to be done. */
static void ksync_process_exec(struct callback_head *work)
{
	struct ksync_process *process =
		container_of(work, struct ksync_process, exec_work);

	ksync_process_settle(process, false);
	ksync_process_put(process);
	ksync_work_done();
}

/*
 * Adding fails only for a task whose work has run for the last time, which is
 * later than both tracepoints.
 */
static void ksync_work_add(struct callback_head *work, task_work_func_t func,
			   enum task_work_notify_mode mode)
{
	atomic_inc(&ksync_works);
	init_task_work(work, func);
	if (WARN_ON_ONCE(task_work_add(current, work, mode)))
		ksync_work_done();
}

static void ksync_exit(struct task_struct *task)
{
	struct ksync_thread *thread = ksync_thread_find(task);
	struct ksync_process *process;

	if (thread && !ksync_thread_park(thread)) {
		ksync_thread_unhash(thread);
		ksync_work_add(&thread->work, ksync_thread_die, TWA_NONE);
	}
	/*
	 * The last threads of a process may come here at once, each seeing that
	 * none is left: the one that unhashes it settles it. The decrement of
	 * live pairs with the barrier in ksync_pid_alive().
	 */
	if (atomic_read(&task->signal->live))
		return;
	process = ksync_process_claim(task_tgid(task));
	if (process)
		ksync_work_add(&process->die_work, ksync_process_die, TWA_NONE);
}

static void ksync_probe_exit1(void *data, struct task_struct *task)
{
	ksync_exit(task);
}

static void ksync_probe_exit2(void *data, struct task_struct *task,
			      bool group_dead)
{
	ksync_exit(task);
}

static void ksync_probe_exec(void *data, struct task_struct *task,
			     pid_t old_pid, struct linux_binprm *bprm)
{
	struct ksync_thread *thread = ksync_thread_find(task);
	struct ksync_process *process = ksync_process_find(task_tgid(task));

	if (thread) {
		ksync_thread_unhash(thread);
		ksync_work_add(&thread->work, ksync_thread_die, TWA_RESUME);
	}
	if (process)
		ksync_work_add(&process->exec_work, ksync_process_exec,
			       TWA_RESUME);
}

static void ksync_find_tracepoint(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "sched_process_exit"))
		ksync_exit_tp = tp;
	else if (!strcmp(tp->name, "sched_process_exec"))
		ksync_exec_tp = tp;
}

int ksync_death_init(void)
{
	int ret;

	for_each_kernel_tracepoint(ksync_find_tracepoint, NULL);
	if (!ksync_exit_tp || !ksync_exec_tp) {
		pr_err("this kernel has no tracepoints for process exit and exec\n");
		return -EOPNOTSUPP;
	}
	ret = tracepoint_probe_register(ksync_exit_tp,
					ksync_exit_probe(ksync_probe_exit1,
							 ksync_probe_exit2),
					NULL);
	if (ret)
		return ret;
	ksync_exit_heard = true;
	ret = tracepoint_probe_register(ksync_exec_tp, ksync_probe_exec, NULL);
	if (ret) {
		ksync_death_exit();
		return ret;
	}
	ksync_exec_heard = true;
	return 0;
}

void ksync_death_exit(void)
{
	if (ksync_exit_heard)
		tracepoint_probe_unregister(ksync_exit_tp,
					    ksync_exit_probe(ksync_probe_exit1,
							     ksync_probe_exit2),
					    NULL);
	if (ksync_exec_heard)
		tracepoint_probe_unregister(ksync_exec_tp, ksync_probe_exec,
					    NULL);
	tracepoint_synchronize_unregister();

	ksync_work_done();
	wait_for_completion(&ksync_works_done);
	/* Whoever completed it may still be in this module's code. */
	synchronize_rcu_tasks();
}
