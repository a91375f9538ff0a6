// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gathering the wait-for graph (see waitgraph.h).
 *
 * A thread that is queued cannot leave ksync_wait() without the lock of that
 * bucket. So whoever has the bucket locked and sees a waiter queued may read
 * the holds of its thread, which are otherwise the thread's alone. Nothing is
 * locked for longer than it takes to copy a few waiters or holds: hand-overs
 * hardly notice.
 *
 * Lock order: ksync_graph_mutex, then a process's lock, then a bucket's; a
 * process's lock is not held while a bucket is locked here.
 */
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "waitgraph.h"

#define KSYNC_GRAPH_LIMIT 16384U

static unsigned int deadlock_limit = KSYNC_GRAPH_LIMIT;
module_param(deadlock_limit, uint, 0644);
MODULE_PARM_DESC(deadlock_limit,
		 "most holds and waiters that one search for a deadlock looks at; 0: none is made");

/* Guards the marks of threads and processes and the table of primitives. */
static DEFINE_MUTEX(ksync_graph_mutex);
static DEFINE_HASHTABLE(ksync_graph_prims, 10);
static u64 ksync_graph_number;

struct ksync_gchunk {
	struct ksync_gchunk *next;
	u64 data[];
};

/* One graph grows at a time. */
int ksync_graph_lock(void)
{
	return mutex_lock_killable(&ksync_graph_mutex);
}

void ksync_graph_unlock(void)
{
	mutex_unlock(&ksync_graph_mutex);
}

/* Zeroed memory that goes with the graph. */
void *ksync_graph_alloc(struct ksync_graph *g, size_t size)
{
	const size_t whole = PAGE_SIZE - sizeof(struct ksync_gchunk);
	struct ksync_gchunk *chunk;

	size = ALIGN(size, sizeof(u64));
	if (g->room < size) {
		chunk = kzalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!chunk) {
			g->error = -ENOMEM;
			return NULL;
		}
		chunk->next = g->chunks;
		g->chunks = chunk;
		g->room = whole;
	}
	g->room -= size;
	return (void *)g->chunks->data + g->room;
}

static bool graph_step(struct ksync_graph *g)
{
	if (g->steps++ >= g->limit)
		g->error = -E2BIG;
	return !g->error;
}

static struct ksync_gprim *graph_prim_find(u64 object, u32 index)
{
	struct ksync_gprim *p;

	hash_for_each_possible(ksync_graph_prims, p, hash, object + index) {
		if (p->q.obj->id == object && p->q.index == index)
			return p;
	}
	return NULL;
}

static struct ksync_gprim *graph_prim_add(struct ksync_graph *g,
					  const struct ksync_queue *q)
{
	struct ksync_gprim *p = ksync_graph_alloc(g, sizeof(*p));

	if (!p)
		return NULL;
	ksync_object_tryget(q->obj);
	p->q = *q;
	INIT_LIST_HEAD(&p->waiters[KSYNC_WANT_EXCLUSIVE]);
	INIT_LIST_HEAD(&p->waiters[KSYNC_WANT_SHARED]);
	INIT_LIST_HEAD(&p->holds);
	list_add_tail(&p->list, &g->prims);
	hash_add(ksync_graph_prims, &p->hash, q->obj->id + q->index);
	return p;
}

/* The primitive, if anybody waits for it. */
static struct ksync_gprim *graph_prim_get(struct ksync_graph *g, u64 object,
					  u32 index)
{
	struct ksync_gprim *p = graph_prim_find(object, index);
	struct ksync_object *obj;
	struct ksync_queue q;

	if (p)
		return p;
	obj = ksync_object_get_by_id(object);
	if (!obj)
		return NULL;
	if (!ksync_queue_init(&q, obj, index) && !ksync_graph_queue_empty(&q))
		p = graph_prim_add(g, &q);
	ksync_object_put(obj);
	return p;
}

/* A waiter, copied while its bucket was locked. */
struct ksync_gseen {
	struct ksync_thread *thread;
	struct task_struct *task;
	u64 sleep;
	u64 seq;
	u64 since;
	u32 count;
};

/* Its process may hold permits: then it is in the graph, too. */
static void graph_join_process(struct ksync_graph *g, struct ksync_gthread *t)
{
	struct ksync_process *process = ksync_thread_holding(t->thread);
	struct ksync_gprocess *gp;

	if (!process)
		return;
	if (process->mark.graph == g->number) {
		gp = process->mark.node;
		ksync_process_put(process);
	} else {
		gp = ksync_graph_alloc(g, sizeof(*gp));
		if (!gp) {
			ksync_process_put(process);
			return;
		}
		gp->process = process;
		INIT_LIST_HEAD(&gp->holds);
		INIT_LIST_HEAD(&gp->threads);
		list_add_tail(&gp->list, &g->processes);
		process->mark.graph = g->number;
		process->mark.node = gp;
	}
	t->process = gp;
	gp->nr_threads++;
	list_add_tail(&t->mates, &gp->threads);
}

/* Takes over the references of @seen. */
static void graph_thread_add(struct ksync_graph *g, struct ksync_gprim *p,
			     enum ksync_want want,
			     const struct ksync_gseen *seen)
{
	struct ksync_thread *thread = seen->thread;
	struct ksync_gthread *t;

	if (thread->mark.graph == g->number) {
		t = thread->mark.node;
		/* In the order of the queue; or it has moved on. */
		if (t->prim == p && t->sleep == seen->sleep)
			list_move_tail(&t->queue, &p->waiters[want]);
		else
			t->gone = true;
		goto put;
	}
	if (!graph_step(g))
		goto put;
	t = ksync_graph_alloc(g, sizeof(*t));
	if (!t)
		goto put;
	t->thread = thread;
	t->task = seen->task;
	t->prim = p;
	t->sleep = seen->sleep;
	t->seq = seen->seq;
	t->since = seen->since;
	t->count = seen->count;
	t->want = want;
	INIT_LIST_HEAD(&t->holds);
	list_add_tail(&t->list, &g->threads);
	list_add_tail(&t->queue, &p->waiters[want]);
	thread->mark.graph = g->number;
	thread->mark.node = t;
	graph_join_process(g, t);
	return;
put:
	ksync_thread_put(thread);
	put_task_struct(seen->task);
}

static void graph_see(struct ksync_gseen *seen, struct ksync_waiter *w)
{
	refcount_inc(&w->thread->ref);
	seen->thread = w->thread;
	seen->task = get_task_struct(w->task);
	seen->sleep = w->sleep;
	seen->seq = w->seq;
	seen->since = w->since;
	seen->count = w->count;
}

/* Adds the waiters of one kind, from the one with @seq on. */
static void graph_scan(struct ksync_graph *g, struct ksync_gprim *p,
		       enum ksync_want want, u64 seq)
{
	struct ksync_gseen seen[KSYNC_GRAPH_BATCH];
	struct ksync_waiter *w;
	int i, n;

	do {
		ksync_queue_lock(&p->q);
		w = ksync_first_from(&p->q, want, seq);
		for (n = 0; w && n < KSYNC_GRAPH_BATCH;
		     w = ksync_next(&p->q, w)) {
			seq = w->seq + 1;
			if (w->thread && !w->refused && w->sleep <= g->newest)
				graph_see(&seen[n++], w);
		}
		ksync_queue_unlock(&p->q);
		for (i = 0; i < n; i++)
			graph_thread_add(g, p, want, &seen[i]);
		cond_resched();
	} while (w && !g->error);
}

static void graph_scan_all(struct ksync_graph *g, struct ksync_gprim *p)
{
	if (p->scanned)
		return;
	p->scanned = true;
	graph_scan(g, p, KSYNC_WANT_EXCLUSIVE, 0);
	graph_scan(g, p, KSYNC_WANT_SHARED, 0);
}

/* The thread's entry in the queue, NULL if it waits no more. Bucket locked. */
struct ksync_waiter *ksync_graph_waiter(struct ksync_gthread *t)
{
	struct ksync_waiter *w;

	w = ksync_first_from(&t->prim->q, t->want, t->seq);
	if (!w || w->thread != t->thread || w->sleep != t->sleep || w->refused)
		return NULL;
	return w;
}

/* Adds a hold, and who waits for what is held. */
static void graph_hold_add(struct ksync_graph *g, struct ksync_gthread *t,
			   struct ksync_gprocess *gp,
			   const struct ksync_hold *hold)
{
	struct ksync_gprim *p = graph_prim_get(g, hold->object, hold->index);
	struct ksync_ghold *h;

	if (!p || !ksync_graph_hold_counts(&p->q, hold, t ? t->thread->id : 0))
		return;
	h = ksync_graph_alloc(g, sizeof(*h));
	if (!h)
		return;
	h->prim = p;
	h->thread = t;
	h->process = gp;
	h->kind = hold->kind;
	h->count = hold->count;
	list_add_tail(&h->of_prim, &p->holds);
	list_add_tail(&h->of_owner, t ? &t->holds : &gp->holds);
	graph_scan_all(g, p);
}

/*
 * Likewise what it reads by a slot, which may be somebody else's by now: then the thread
 * waits no more, and that will be found.
 */
static void graph_slot_add(struct ksync_graph *g, struct ksync_gthread *t,
			   const struct ksync_hold *slot)
{
	struct ksync_hold holds[KSYNC_SLOT_ENTRIES];
	int i, n = ksync_graph_copy_slot(slot, t->thread->id, holds);

	for (i = 0; i < n && graph_step(g); i++)
		graph_hold_add(g, t, NULL, &holds[i]);
}

/* The next few holds of a thread that waits; 0 also when it does no more. */
static int graph_copy_holds(struct ksync_gthread *t, struct ksync_held *at,
			    struct ksync_hold *holds, bool *more)
{
	int n = 0;

	ksync_queue_lock(&t->prim->q);
	if (!ksync_graph_waiter(t))
		t->gone = true;
	*more = !t->gone;
	while (*more && n < KSYNC_GRAPH_BATCH) {
		*more = ksync_thread_holds_next(t->thread, at);
		if (*more)
			holds[n++] = at->hold;
	}
	ksync_queue_unlock(&t->prim->q);
	return n;
}

static void graph_expand_thread(struct ksync_graph *g, struct ksync_gthread *t)
{
	struct ksync_hold holds[KSYNC_GRAPH_BATCH];
	struct ksync_held at = {};
	bool more;
	int i, n;

	do {
		n = graph_copy_holds(t, &at, holds, &more);
		for (i = 0; i < n && graph_step(g); i++) {
			if (holds[i].kind == KSYNC_HOLD_SLOT)
				graph_slot_add(g, t, &holds[i]);
			else
				graph_hold_add(g, t, NULL, &holds[i]);
		}
		cond_resched();
	} while (more && !g->error);
}

static void graph_expand_process(struct ksync_graph *g,
				 struct ksync_gprocess *gp)
{
	struct ksync_hold holds[KSYNC_GRAPH_BATCH], at = {};
	bool more;
	int i, n;

	do {
		n = ksync_graph_copy_permits(gp->process, &at, holds, &more);
		for (i = 0; i < n && graph_step(g); i++)
			graph_hold_add(g, NULL, gp, &holds[i]);
		graph_step(g);
		cond_resched();
	} while (more && !g->error);
}

/* Follows all that is in the graph, until nothing comes to it any more. */
static int graph_expand(struct ksync_graph *g)
{
	struct list_head *t = &g->threads, *gp = &g->processes;

	do {
		while (!list_is_last(t, &g->threads) && !g->error) {
			t = t->next;
			graph_expand_thread(g, list_entry(t, struct ksync_gthread,
							  list));
			if (fatal_signal_pending(current))
				g->error = -EINTR;
		}
		while (!list_is_last(gp, &g->processes) && !g->error) {
			gp = gp->next;
			graph_expand_process(g,
					     list_entry(gp, struct ksync_gprocess,
							list));
		}
	} while (!list_is_last(t, &g->threads) && !g->error);
	return g->error;
}

/* With ksync_graph_lock(). */
void ksync_graph_init(struct ksync_graph *g)
{
	memset(g, 0, sizeof(*g));
	g->number = ++ksync_graph_number;
	g->limit = READ_ONCE(deadlock_limit);
	INIT_LIST_HEAD(&g->threads);
	INIT_LIST_HEAD(&g->prims);
	INIT_LIST_HEAD(&g->processes);
}

/*
 * All who wait for the caller, for those who wait for the caller, and so on. @w
 * is the caller's, queued in @q. Of its own queue only those that may stand
 * behind it matter.
 */
int ksync_graph_gather(struct ksync_graph *g, struct ksync_queue *q,
		       struct ksync_waiter *w)
{
	struct ksync_gprim *p = graph_prim_add(g, q);
	struct ksync_gseen seen = {};

	if (!p)
		return g->error;
	ksync_queue_lock(q);
	if (!RB_EMPTY_NODE(&w->node))
		graph_see(&seen, w);
	ksync_queue_unlock(q);
	if (!seen.thread)
		return -ENOENT;
	g->newest = w->sleep;
	graph_thread_add(g, p, w->want, &seen);
	if (g->error)
		return g->error;
	g->start = list_first_entry(&g->threads, struct ksync_gthread, list);
	if (q->obj->ops->id == KSYNC_TYPE_SEM)
		graph_scan(g, p, KSYNC_WANT_EXCLUSIVE, w->seq + 1);
	else if (w->want == KSYNC_WANT_EXCLUSIVE)
		graph_scan(g, p, KSYNC_WANT_SHARED, 0);
	return graph_expand(g);
}

/* All who wait at present, and what they hold that others wait for. */
int ksync_graph_gather_all(struct ksync_graph *g)
{
	struct ksync_thread *thread;
	struct ksync_gprim *p;
	u32 id = 0;

	/* The limit is for searches that nobody asked for. */
	g->limit = max(g->limit, KSYNC_GRAPH_LIMIT);
	g->newest = U64_MAX;
	while (!g->error && (thread = ksync_thread_next_waiting(&id))) {
		p = graph_prim_get(g, READ_ONCE(thread->waits.object),
				   READ_ONCE(thread->waits.index));
		if (p)
			graph_scan_all(g, p);
		ksync_thread_put(thread);
		if (fatal_signal_pending(current))
			g->error = -EINTR;
	}
	return g->error ?: graph_expand(g);
}

/* The graph is complete: the lock may be dropped and the graph be kept. */
void ksync_graph_seal(struct ksync_graph *g)
{
	struct ksync_gprim *p;

	list_for_each_entry(p, &g->prims, list)
		hash_del(&p->hash);
}

void ksync_graph_free(struct ksync_graph *g)
{
	struct ksync_gprocess *gp;
	struct ksync_gthread *t;
	struct ksync_gchunk *chunk;
	struct ksync_gprim *p;

	list_for_each_entry(t, &g->threads, list) {
		ksync_thread_put(t->thread);
		put_task_struct(t->task);
	}
	list_for_each_entry(gp, &g->processes, list)
		ksync_process_put(gp->process);
	list_for_each_entry(p, &g->prims, list)
		ksync_object_put(p->q.obj);
	while ((chunk = g->chunks)) {
		g->chunks = chunk->next;
		kfree(chunk);
		cond_resched();
	}
}
