// SPDX-License-Identifier: GPL-2.0-only
/*
 * Telling who waits for whom: the present graph, and the cycle that a thread
 * was refused for, each as far as the caller may see it.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/ratelimit.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "deadlock.h"
#include "lock_word.h"
#include "sem_word.h"
#include "slot.h"
#include "trace.h"
#include "word.h"

#define KSYNC_CYCLE_KEPT 256	/* edges that are kept of a long cycle */
#define KSYNC_EDGE_SIZE_MAX 4096

static bool log_deadlocks;
module_param(log_deadlocks, bool, 0644);
MODULE_PARM_DESC(log_deadlocks, "write the deadlocks that were refused to the kernel log");

/* Fills in what a thread is called, as far as the caller's PID namespace has it. */
static void edge_task(struct task_struct *task, u32 *pid, u32 *tid, char *comm)
{
	*pid = task_tgid_vnr(task);
	*tid = task_pid_vnr(task);
	if (*pid)
		strscpy(comm, task->comm, KSYNC_COMM_LEN);
}

static void edge_holder(struct ksync_graph_edge *edge, struct task_struct *task)
{
	edge_task(task, &edge->holder_pid, &edge->holder_tid,
		  edge->holder_comm);
}

static u32 edge_want(const struct ksync_object *obj, u32 want)
{
	switch (obj->ops->id) {
	case KSYNC_TYPE_MUTEX:
	case KSYNC_TYPE_RWLOCK:
		return want == KSYNC_WANT_SHARED ? KSYNC_EDGE_WANT_SHARED :
						   KSYNC_EDGE_WANT_EXCLUSIVE;
	case KSYNC_TYPE_SEM:
		return KSYNC_EDGE_WANT_PERMITS;
	default:
		return KSYNC_EDGE_WANT_END;
	}
}

static void edge_object(struct ksync_graph_edge *edge, struct ksync_queue *q,
			bool visible)
{
	edge->type = q->obj->ops->id;
	if (!visible)
		return;
	edge->object = q->obj->id;
	edge->index = q->index;
	ksync_name_get(q->obj, edge->name);
}

/* All but the holder. */
static void edge_wait(struct ksync_graph_edge *edge, struct ksync_gthread *t,
		      bool visible)
{
	u64 now = ktime_get_ns();

	memset(edge, 0, sizeof(*edge));
	edge_object(edge, &t->prim->q, visible);
	edge->want = edge_want(t->prim->q.obj, t->want);
	edge->wanted = edge->want == KSYNC_EDGE_WANT_PERMITS ? t->count : 1;
	edge->waited_ns = now > t->since ? now - t->since : 0;
	edge->count = 1;
	edge_task(t->task, &edge->waiter_pid, &edge->waiter_tid,
		  edge->waiter_comm);
}

static struct ksync_gthread *gedge_holder(const struct ksync_gedge *e)
{
	return e->thread ?: list_first_entry(&e->process->threads,
					     struct ksync_gthread, mates);
}

/* The caller knows what it waits for and what it holds, whosoever it is. */
static void cycle_edge(struct ksync_graph *g, const struct ksync_gedge *e,
		       struct ksync_graph_edge *edge)
{
	bool own = e->waiter == g->start || e->thread == g->start ||
		   (e->process && e->process == g->start->process);

	edge_wait(edge, e->waiter,
		  own || ksync_object_visible(e->waiter->prim->q.obj));
	edge->held = e->held;
	edge->count = e->count;
	edge_holder(edge, gedge_holder(e)->task);
}

static void cycle_tell(u32 nr, u32 total, const struct ksync_gedge *e)
{
	const struct ksync_queue *q = &e->waiter->prim->q;
	const struct ksync_gthread *holder = gedge_holder(e);
	pid_t waiter_pid = task_pid_nr(e->waiter->task);
	pid_t holder_pid = task_pid_nr(holder->task);

	trace_ksync_deadlock(nr, total, q->obj->id, q->index, e->held,
			     waiter_pid, holder_pid);
	if (READ_ONCE(log_deadlocks))
		pr_info_ratelimited("ksync: deadlock %u/%u: %s[%d] waits for %s %llu:%u held by %s[%d]\n",
				    nr, total, e->waiter->task->comm,
				    waiter_pid, q->obj->ops->name, q->obj->id,
				    q->index, holder->task->comm, holder_pid);
}

static struct ksync_cycle *cycle_alloc(struct ksync_thread *thread, u32 total)
{
	u32 nr = min_t(u32, total, KSYNC_CYCLE_KEPT);
	struct ksync_cycle *cycle;

	cycle = kvzalloc(struct_size(cycle, edges, nr),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	kvfree(thread->cycle);
	thread->cycle = cycle;
	if (cycle) {
		cycle->total = total;
		cycle->nr = nr;
	}
	return cycle;
}

/* The caller is refused: what for is kept with it. */
void ksync_cycle_note(struct ksync_graph *g, struct list_head *report)
{
	struct ksync_cycle *cycle;
	struct ksync_gedge *e;
	u32 i = 0, total = 0;

	list_for_each_entry(e, report, list)
		total++;
	cycle = cycle_alloc(g->start->thread, total);
	list_for_each_entry(e, report, list) {
		if (cycle && i < cycle->nr)
			cycle_edge(g, e, &cycle->edges[i]);
		cycle_tell(++i, total, e);
		cond_resched();
	}
}

static const u32 edge_held[] = {
	[KSYNC_HOLD_EXCLUSIVE] = KSYNC_EDGE_HELD_EXCLUSIVE,
	[KSYNC_HOLD_SHARED] = KSYNC_EDGE_HELD_SHARED,
	[KSYNC_HOLD_PERMITS] = KSYNC_EDGE_HELD_PERMITS,
};

/*
 * The caller asked for what it has already, as @kind. A cycle, too: of one wait
 * that was not even begun.
 */
int ksync_deadlock_self(struct ksync_queue *q, enum ksync_want want,
			enum ksync_hold_kind kind)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_cycle *cycle = thread ? cycle_alloc(thread, 1) : NULL;
	struct ksync_graph_edge *edge;

	if (!cycle)
		return -EDEADLK;
	edge = &cycle->edges[0];
	edge_object(edge, q, true);
	edge->want = edge_want(q->obj, want);
	edge->wanted = 1;
	edge->held = edge_held[kind];
	edge->count = 1;
	edge_task(current, &edge->waiter_pid, &edge->waiter_tid,
		  edge->waiter_comm);
	edge_holder(edge, current);
	return -EDEADLK;
}

/* The caller's array. */
struct graph_sink {
	struct ksync_graph_args *args;
	int error;
};

static int graph_args_check(const struct ksync_graph_args *a)
{
	if (a->nr || a->flags || a->total || a->pad ||
	    a->size < sizeof(struct ksync_graph_edge) ||
	    a->size > KSYNC_EDGE_SIZE_MAX || a->room > KSYNC_GRAPH_ROOM_MAX)
		return -EINVAL;
	return 0;
}

/* False when the array is full or bad. */
static bool graph_put(struct graph_sink *sink,
		      const struct ksync_graph_edge *edge)
{
	struct ksync_graph_args *a = sink->args;
	void __user *to = u64_to_user_ptr(a->edges + (u64)a->nr * a->size);

	if (a->nr == a->room) {
		a->flags |= KSYNC_GRAPH_PARTIAL;
		return false;
	}
	if (copy_to_user(to, edge, sizeof(*edge)) ||
	    clear_user(to + sizeof(*edge), a->size - sizeof(*edge))) {
		sink->error = -EFAULT;
		return false;
	}
	a->nr++;
	return true;
}

int ksync_dev_cycle(void *args, void __user *user)
{
	struct ksync_thread *thread = ksync_thread_find(current);
	struct ksync_cycle *cycle = thread ? thread->cycle : NULL;
	struct ksync_graph_args *a = args;
	struct graph_sink sink = { .args = a };
	u32 i;
	int ret;

	ret = graph_args_check(a);
	if (ret)
		return ret;
	if (cycle) {
		a->total = cycle->total;
		for (i = 0; i < cycle->nr; i++)
			if (!graph_put(&sink, &cycle->edges[i]))
				break;
		if (a->nr < a->total)
			a->flags |= KSYNC_GRAPH_PARTIAL;
	}
	if (sink.error)
		return sink.error;
	return copy_to_user(user, a, sizeof(*a)) ? -EFAULT : 0;
}

/* An exclusive holder that does not wait is known by the word. */
static bool graph_put_owner(struct graph_sink *sink, struct ksync_gthread *t,
			    u32 id)
{
	struct task_struct *task = ksync_thread_task_get(id);
	struct ksync_graph_edge edge;

	edge_wait(&edge, t, true);
	edge.held = KSYNC_EDGE_HELD_EXCLUSIVE;
	if (task) {
		edge_holder(&edge, task);
		put_task_struct(task);
	}
	return graph_put(sink, &edge);
}

/* Holders that wait. Counts their holds in *@known. */
static bool graph_put_holders(struct graph_sink *sink, struct ksync_gthread *t,
			      u64 *known)
{
	struct ksync_graph_edge edge;
	struct ksync_gthread *holder;
	struct ksync_ghold *h;

	list_for_each_entry(h, &t->prim->holds, of_prim) {
		*known += h->count;
		if (t->want == KSYNC_WANT_SHARED &&
		    h->kind != KSYNC_HOLD_EXCLUSIVE)
			continue;
		edge_wait(&edge, t, true);
		edge.held = edge_held[h->kind];
		edge.count = h->count;
		holder = h->thread ?: list_first_entry(&h->process->threads,
						       struct ksync_gthread,
						       mates);
		edge_holder(&edge, holder->task);
		if (!graph_put(sink, &edge))
			return false;
	}
	return true;
}

/* The one ahead that keeps it waiting: a writer, an earlier request. */
static bool graph_put_ahead(struct graph_sink *sink, struct ksync_gthread *t)
{
	struct ksync_gprim *p = t->prim;
	struct list_head *writers = &p->waiters[KSYNC_WANT_EXCLUSIVE];
	struct ksync_gthread *ahead = NULL;
	struct ksync_graph_edge edge;

	if (t->want == KSYNC_WANT_SHARED &&
	    p->q.obj->ops->id == KSYNC_TYPE_RWLOCK)
		ahead = list_first_entry_or_null(writers, struct ksync_gthread,
						 queue);
	else if (p->q.obj->ops->id == KSYNC_TYPE_SEM &&
		 !list_is_first(&t->queue, writers))
		ahead = list_prev_entry(t, queue);
	if (!ahead)
		return true;
	edge_wait(&edge, t, true);
	edge.held = KSYNC_EDGE_HELD_QUEUE;
	edge_holder(&edge, ahead->task);
	return graph_put(sink, &edge);
}

/* Holds of those who do not wait: how many, but not whose. */
static bool graph_put_others(struct graph_sink *sink, struct ksync_gthread *t,
			     u32 held, u64 count)
{
	struct ksync_graph_edge edge;

	edge_wait(&edge, t, true);
	edge.held = held;
	edge.count = count;
	return graph_put(sink, &edge);
}

static bool graph_put_lock(struct graph_sink *sink, struct ksync_gthread *t)
{
	u64 word = ksync_cell_read(t->prim->q.cell), known = 0, readers;
	u32 nr = sink->args->nr;

	if (!graph_put_holders(sink, t, &known))
		return false;
	if (lock_word_id(word) && !known)
		return graph_put_owner(sink, t, lock_word_id(word));
	readers = lock_word_readers(word) + ksync_slots_readers(&t->prim->q);
	if (t->want == KSYNC_WANT_EXCLUSIVE && readers > known &&
	    !graph_put_others(sink, t, KSYNC_EDGE_HELD_SHARED,
			      readers - known))
		return false;
	/* A reader that nobody's hold keeps out. */
	return nr != sink->args->nr || graph_put_ahead(sink, t);
}

static bool graph_put_sem(struct graph_sink *sink, struct ksync_gthread *t)
{
	const struct ksync_object *obj = t->prim->q.obj;
	u64 word = ksync_cell_read(t->prim->q.cell), known = 0, used;

	if (!(obj->flags & KSYNC_F_TRACKED))
		return graph_put_others(sink, t, KSYNC_EDGE_HELD_NOBODY, 1);
	if (!graph_put_holders(sink, t, &known) || !graph_put_ahead(sink, t))
		return false;
	used = (u64)sem_word_value(word) + obj->missing + known;
	if (sem_word_max(word) > used)
		return graph_put_others(sink, t, KSYNC_EDGE_HELD_PERMITS,
					sem_word_max(word) - used);
	return true;
}

static bool graph_put_wait(struct graph_sink *sink, struct ksync_gthread *t)
{
	switch (t->prim->q.obj->ops->id) {
	case KSYNC_TYPE_MUTEX:
	case KSYNC_TYPE_RWLOCK:
		return graph_put_lock(sink, t);
	case KSYNC_TYPE_SEM:
		return graph_put_sem(sink, t);
	default:
		return graph_put_others(sink, t, KSYNC_EDGE_HELD_NOBODY, 1);
	}
}

static void graph_put_all(struct graph_sink *sink, struct ksync_graph *g)
{
	struct ksync_gthread *t;

	if (g->error)
		sink->args->flags |= KSYNC_GRAPH_PARTIAL;
	list_for_each_entry(t, &g->threads, list) {
		if (t->gone || !ksync_object_visible(t->prim->q.obj))
			continue;
		if (!graph_put_wait(sink, t))
			break;
		cond_resched();
	}
}

int ksync_dev_graph(void *args, void __user *user)
{
	struct ksync_graph_args *a = args;
	struct graph_sink sink = { .args = a };
	struct ksync_graph g;
	int ret;

	ret = graph_args_check(a) ?: ksync_graph_lock();
	if (ret)
		return ret;
	ksync_graph_init(&g);
	/* What was found before memory or patience ran out is told. */
	ksync_graph_gather_all(&g);
	ksync_graph_seal(&g);
	ksync_graph_unlock();
	graph_put_all(&sink, &g);
	ksync_graph_free(&g);
	if (sink.error)
		return sink.error;
	a->total = a->nr;
	return copy_to_user(user, a, sizeof(*a)) ? -EFAULT : 0;
}
