// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who in a gathered graph can never go on?
 *
 * Threads that do not wait are taken to give everything back some day. A thread
 * that waits is stuck when
 *
 *   a mutex, a write lock	a stuck thread holds it in any way
 *   a read lock		a stuck thread holds it exclusively; or one
 *				reads, and a writer waits that is stuck by that
 *   permits			without those of stuck processes there are not
 *				enough; or one ahead in the queue is stuck
 *
 * and a process when all its threads are: any one of them could give back its
 * permits. So all are taken for stuck at first, and who is not is taken out
 * until nothing changes.
 *
 * No false report: for what stays, a way is sought from the start over waits
 * and holds back to the start, and then each thread on it must still be queued
 * in the wait that it was found in. As nobody's holds change while it is
 * queued, all these waits and holds stood at the same time, when the graph had
 * been gathered, and nobody among them can end one.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "deadlock.h"
#include "sem_word.h"
#include "word.h"

static bool prim_is_sem(const struct ksync_gprim *p)
{
	return p->q.obj->ops->id == KSYNC_TYPE_SEM;
}

/* Are there too few permits for it, as long as the stuck keep theirs? */
static bool prim_too_few(const struct ksync_gprim *p,
			 const struct ksync_gthread *t)
{
	return p->total < p->permits + t->count;
}

static void prim_touch(struct ksync_gprim **dirty, struct ksync_gprim *p)
{
	if (p->dirty)
		return;
	p->dirty = true;
	p->next_dirty = *dirty;
	*dirty = p;
}

static void process_free(struct ksync_gprocess *gp, struct ksync_gprim **dirty)
{
	struct ksync_ghold *h;

	if (!gp->stuck)
		return;
	gp->stuck = false;
	list_for_each_entry(h, &gp->holds, of_owner) {
		h->prim->permits -= h->count;
		prim_touch(dirty, h->prim);
	}
}

/* The thread can go on. Those that waited for it may be able to, then. */
static void thread_free(struct ksync_gthread *t, struct ksync_gprim **dirty)
{
	struct ksync_ghold *h;

	if (!t->stuck)
		return;
	t->stuck = false;
	list_for_each_entry(h, &t->holds, of_owner) {
		h->prim->held--;
		if (h->kind == KSYNC_HOLD_EXCLUSIVE)
			h->prim->excl--;
		prim_touch(dirty, h->prim);
	}
	if (t->want == KSYNC_WANT_EXCLUSIVE)
		t->prim->writers--;
	prim_touch(dirty, t->prim);
	if (t->process)
		process_free(t->process, dirty);
}

static void sem_review(struct ksync_gprim *p, struct ksync_gprim **dirty)
{
	struct ksync_gthread *t;

	list_for_each_entry(t, &p->waiters[KSYNC_WANT_EXCLUSIVE], queue) {
		if (!t->stuck)
			continue;
		/* All behind the first one that is stuck are. */
		if (prim_too_few(p, t))
			return;
		thread_free(t, dirty);
	}
}

static void lock_review(struct ksync_gprim *p, struct ksync_gprim **dirty)
{
	struct ksync_gthread *t;

	if (!p->held)
		list_for_each_entry(t, &p->waiters[KSYNC_WANT_EXCLUSIVE], queue)
			thread_free(t, dirty);
	if (!p->excl && !(p->held && p->writers))
		list_for_each_entry(t, &p->waiters[KSYNC_WANT_SHARED], queue)
			thread_free(t, dirty);
}

static void graph_review(struct ksync_gprim **dirty)
{
	struct ksync_gprim *p;

	while ((p = *dirty)) {
		*dirty = p->next_dirty;
		p->dirty = false;
		if (prim_is_sem(p))
			sem_review(p, dirty);
		else
			lock_review(p, dirty);
		cond_resched();
	}
}

/*
 * All threads of the process are known to wait: then none of them can make
 * another, and its permits are as they will be.
 */
static void process_begin(struct ksync_gprocess *gp)
{
	struct ksync_process *process = gp->process;
	struct ksync_gthread *t;
	struct ksync_hold *hold;
	struct ksync_ghold *h;

	t = list_first_entry(&gp->threads, struct ksync_gthread, mates);
	gp->stuck = atomic_read(&t->task->signal->live) == gp->nr_threads;
	if (!gp->stuck)
		return;
	mutex_lock(&process->lock);
	list_for_each_entry(h, &gp->holds, of_owner) {
		hold = ksync_hold_find(&process->holds, h->prim->q.obj->id,
				       h->prim->q.index);
		h->count = hold ? hold->count : 0;
		h->prim->permits += h->count;
	}
	mutex_unlock(&process->lock);
}

/* All are stuck, but for what is known not to be. */
static void graph_begin(struct ksync_graph *g, struct ksync_gprim **dirty)
{
	struct ksync_gprocess *gp;
	struct ksync_gthread *t;
	struct ksync_ghold *h;
	struct ksync_gprim *p;

	list_for_each_entry(t, &g->threads, list) {
		t->stuck = true;
		if (t->want == KSYNC_WANT_EXCLUSIVE)
			t->prim->writers++;
		list_for_each_entry(h, &t->holds, of_owner) {
			h->prim->held++;
			h->prim->excl += h->kind == KSYNC_HOLD_EXCLUSIVE;
		}
	}
	list_for_each_entry(gp, &g->processes, list)
		process_begin(gp);
	list_for_each_entry(p, &g->prims, list) {
		if (prim_is_sem(p)) {
			p->max = sem_word_max(ksync_cell_read(p->q.cell));
			p->total = p->max > p->q.obj->missing ?
				   p->max - p->q.obj->missing : 0;
			/* Without owners anybody may give permits. */
			if (!(p->q.obj->flags & KSYNC_F_TRACKED))
				p->total = U32_MAX * 2ULL;
		}
		prim_touch(dirty, p);
	}
	list_for_each_entry(t, &g->threads, list) {
		if (t->gone)
			thread_free(t, dirty);
	}
}

/* From here a way to the start is known, @level steps long. */
static void thread_reach(struct ksync_gthread *t, u32 level,
			 struct list_head *todo)
{
	if (!t->stuck || t->level)
		return;
	t->level = level;
	list_add_tail(&t->step, todo);
}

static void prim_reach(struct ksync_gprim *p, enum ksync_want want, u32 level,
		       struct list_head *todo)
{
	struct ksync_gthread *t;

	if (p->reached[want])
		return;
	p->reached[want] = true;
	list_for_each_entry(t, &p->waiters[want], queue)
		if (!prim_is_sem(p) || prim_too_few(p, t))
			thread_reach(t, level, todo);
}

static void process_reach(struct ksync_gprocess *gp, u32 level,
			  struct list_head *todo)
{
	struct ksync_ghold *h;

	if (!gp->stuck || gp->level)
		return;
	gp->level = level;
	list_for_each_entry(h, &gp->holds, of_owner)
		prim_reach(h->prim, KSYNC_WANT_EXCLUSIVE, level + 1, todo);
}

/*
 * Those who wait for the thread by standing behind it, and for no holder: a way
 * must lead over what report_wait() tells of each, or the report does not close.
 */
static void queue_reach(struct ksync_gthread *t, struct list_head *todo)
{
	struct ksync_gthread *next = t;

	if (t->want != KSYNC_WANT_EXCLUSIVE)
		return;
	if (t->prim->q.obj->ops->id == KSYNC_TYPE_RWLOCK && !t->prim->excl)
		prim_reach(t->prim, KSYNC_WANT_SHARED, t->level + 1, todo);
	if (!prim_is_sem(t->prim))
		return;
	list_for_each_entry_continue(next,
				     &t->prim->waiters[KSYNC_WANT_EXCLUSIVE],
				     queue) {
		if (next->stuck) {
			if (!prim_too_few(t->prim, next))
				thread_reach(next, t->level + 1, todo);
			return;
		}
	}
}

/* Finds the shortest ways from all stuck threads to the start, level 1. */
static void graph_reach(struct ksync_graph *g)
{
	struct ksync_gprocess *gp;
	struct ksync_gthread *t;
	struct ksync_gprim *p;
	struct ksync_ghold *h;
	LIST_HEAD(todo);

	list_for_each_entry(t, &g->threads, list) {
		t->level = 0;
		t->reported = false;
	}
	list_for_each_entry(gp, &g->processes, list)
		gp->level = 0;
	list_for_each_entry(p, &g->prims, list)
		memset(p->reached, 0, sizeof(p->reached));

	thread_reach(g->start, 1, &todo);
	while (!list_empty(&todo)) {
		t = list_first_entry(&todo, struct ksync_gthread, step);
		list_del(&t->step);
		list_for_each_entry(h, &t->holds, of_owner) {
			prim_reach(h->prim, KSYNC_WANT_EXCLUSIVE, t->level + 1,
				   &todo);
			if (h->kind == KSYNC_HOLD_EXCLUSIVE)
				prim_reach(h->prim, KSYNC_WANT_SHARED,
					   t->level + 1, &todo);
		}
		queue_reach(t, &todo);
		if (t->process)
			process_reach(t->process, t->level, &todo);
		cond_resched();
	}
}

/* A report as it grows: @todo has the threads whose waits are to be told. */
struct report {
	struct ksync_graph *g;
	struct list_head *edges;
	struct list_head todo;
	bool closed;
};

static void report_thread(struct report *r, struct ksync_gthread *t)
{
	if (t == r->g->start)
		r->closed = true;
	if (t->reported)
		return;
	t->reported = true;
	list_add_tail(&t->step, &r->todo);
}

static void report_edge(struct report *r, struct ksync_gthread *waiter,
			struct ksync_gthread *thread,
			struct ksync_gprocess *process, u32 held, u32 count)
{
	struct ksync_gedge *e = ksync_graph_alloc(r->g, sizeof(*e));
	struct ksync_gthread *mate;

	if (!e)
		return;
	e->waiter = waiter;
	e->thread = thread;
	e->process = process;
	e->held = held;
	e->count = count;
	list_add_tail(&e->list, r->edges);
	if (thread)
		report_thread(r, thread);
	else
		list_for_each_entry(mate, &process->threads, mates)
			report_thread(r, mate);
}

/* Is @level a shorter way than @best? 0 stands for no way. */
static bool level_better(u32 level, u32 best)
{
	return level && (!best || level < best);
}

static void report_holder(struct report *r, struct ksync_gthread *t, bool excl)
{
	struct ksync_ghold *h, *best = NULL;

	list_for_each_entry(h, &t->prim->holds, of_prim) {
		if (!h->thread || !h->thread->stuck ||
		    (excl && h->kind != KSYNC_HOLD_EXCLUSIVE))
			continue;
		if (!best || level_better(h->thread->level, best->thread->level))
			best = h;
	}
	if (best)
		report_edge(r, t, best->thread, NULL,
			    best->kind == KSYNC_HOLD_EXCLUSIVE ?
			    KSYNC_EDGE_HELD_EXCLUSIVE : KSYNC_EDGE_HELD_SHARED,
			    best->count);
}

/* The writer that keeps the reader @t out. */
static void report_writer(struct report *r, struct ksync_gthread *t)
{
	struct ksync_gthread *w, *best = NULL;

	list_for_each_entry(w, &t->prim->waiters[KSYNC_WANT_EXCLUSIVE], queue)
		if (w->stuck && (!best || level_better(w->level, best->level)))
			best = w;
	if (best)
		report_edge(r, t, best, NULL, KSYNC_EDGE_HELD_QUEUE, 1);
}

/* As many processes as it takes to leave too few permits, the nearest first. */
static void report_permits(struct report *r, struct ksync_gthread *t)
{
	struct ksync_gprim *p = t->prim;
	struct ksync_ghold *h;
	u64 permits = 0;
	int near;

	for (near = 1; near >= 0; near--) {
		list_for_each_entry(h, &p->holds, of_prim) {
			if (p->total < permits + t->count)
				return;
			if (!h->process || !h->process->stuck || !h->count ||
			    near != !!h->process->level)
				continue;
			permits += h->count;
			report_edge(r, t, NULL, h->process,
				    KSYNC_EDGE_HELD_PERMITS, h->count);
		}
	}
}

static void report_ahead(struct report *r, struct ksync_gthread *t)
{
	struct ksync_gthread *ahead = t;

	list_for_each_entry_continue_reverse(ahead,
					     &t->prim->waiters[KSYNC_WANT_EXCLUSIVE],
					     queue) {
		if (ahead->stuck) {
			report_edge(r, t, ahead, NULL, KSYNC_EDGE_HELD_QUEUE,
				    1);
			return;
		}
	}
}

static void report_wait(struct report *r, struct ksync_gthread *t)
{
	struct ksync_gprim *p = t->prim;

	if (prim_is_sem(p) && prim_too_few(p, t))
		report_permits(r, t);
	else if (prim_is_sem(p))
		report_ahead(r, t);
	else if (t->want == KSYNC_WANT_SHARED && !p->excl)
		report_writer(r, t);
	else
		report_holder(r, t, t->want == KSYNC_WANT_SHARED);
}

/* From the start back to it, or false if it only waits for others that are stuck. */
static bool graph_report(struct ksync_graph *g, struct list_head *edges)
{
	struct report r = { .g = g, .edges = edges };
	struct ksync_gthread *t;

	INIT_LIST_HEAD(edges);
	INIT_LIST_HEAD(&r.todo);
	g->start->reported = true;
	list_add(&g->start->step, &r.todo);
	while (!list_empty(&r.todo)) {
		t = list_first_entry(&r.todo, struct ksync_gthread, step);
		list_del(&t->step);
		report_wait(&r, t);
		cond_resched();
	}
	return r.closed && !g->error;
}

/* Does it still wait as it did? */
static bool thread_still_waits(struct ksync_gthread *t)
{
	struct ksync_gprim *p = t->prim;
	bool waits;

	ksync_queue_lock(&p->q);
	waits = ksync_graph_waiter(t);
	if (prim_is_sem(p) &&
	    sem_word_max(ksync_cell_read(p->q.cell)) != p->max)
		waits = false;
	ksync_queue_unlock(&p->q);
	return waits;
}

/* Does the report still stand? Otherwise all who moved on are taken out. */
static bool graph_verify(struct ksync_graph *g, struct ksync_gprim **dirty)
{
	struct ksync_gthread *t;
	bool good = true;

	list_for_each_entry(t, &g->threads, list)
		good = good && (!t->reported || thread_still_waits(t));
	if (good)
		return true;
	list_for_each_entry(t, &g->threads, list)
		if (t->stuck && !thread_still_waits(t))
			thread_free(t, dirty);
	return false;
}

/* Is the start stuck by its own wait? Then @report says how. */
bool ksync_graph_stuck(struct ksync_graph *g, struct list_head *report)
{
	struct ksync_gprim *dirty = NULL;

	graph_begin(g, &dirty);
	do {
		graph_review(&dirty);
		if (!g->start->stuck || fatal_signal_pending(current))
			return false;
		graph_reach(g);
		if (!graph_report(g, report))
			return false;
	} while (!graph_verify(g, &dirty));
	return true;
}
