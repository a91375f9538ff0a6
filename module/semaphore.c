// SPDX-License-Identifier: GPL-2.0-only
/*
 * Semaphore. First come, first served: with anybody in the queue, newcomers
 * join it, and permits go to its head as soon as there are enough for it.
 *
 * models/semaphore.pml checks this.
 *
 * Tracked permits are holds of the process. Its lock orders their count with
 * the word, so that a process cannot give back what it does not have.
 */
#include <linux/err.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>

#include "commands.h"
#include "owner.h"
#include "sem_word.h"
#include "word.h"

static bool sem_tracked(const struct ksync_queue *q)
{
	return q->obj->flags & KSYNC_F_TRACKED;
}

static void sem_sync(struct ksync_queue *q)
{
	bool any = ksync_first(q, KSYNC_WANT_EXCLUSIVE);
	u64 word;

	ksync_update(q->cell, word, sem_word_waiters(&word, any));
}

static void sem_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_waiter *w;
	u64 word;
	int ret;

	sem_sync(q);
	while ((w = ksync_first(q, KSYNC_WANT_EXCLUSIVE))) {
		ret = ksync_update(q->cell, word,
				   sem_word_acquire(&word, w->count, true));
		if (ret == -EBUSY)
			return;
		ksync_grant(q, w, ret, wake);
	}
	sem_sync(q);
}

static void sem_let_in(struct ksync_queue *q)
{
	struct ksync_wake wake;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	sem_advance(q, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static int sem_take(struct ksync_queue *q, u32 n, u64 deadline, bool try)
{
	struct ksync_waiter w = { .want = KSYNC_WANT_EXCLUSIVE, .count = n };
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word, sem_word_acquire(&word, n, false));
	if (ret == -EBUSY && !try) {
		ret = ksync_wait(q, &w, deadline);
		if (!ret)
			atomic_inc((atomic_t *)&q->cell->sem.contended);
	}
	if (!ret)
		atomic64_inc((atomic64_t *)&q->cell->sem.acquired);
	return ret;
}

static int sem_give(struct ksync_queue *q, u32 n)
{
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word, sem_word_release(&word, n));
	if (!ret && (word & KSYNC_SEM_WAITERS))
		sem_let_in(q);
	return ret;
}

/* The process has @n permits more. */
static void sem_note(struct ksync_queue *q, struct ksync_process *process,
		     struct ksync_hold **spare, u32 n)
{
	struct ksync_hold *hold;

	mutex_lock(&process->lock);
	hold = ksync_hold_find(&process->holds, q->obj->id, q->index);
	if (hold) {
		hold->count += n;
	} else {
		hold = *spare;
		*spare = NULL;
		ksync_hold_insert(&process->holds, hold, q->obj->id, q->index,
				  KSYNC_HOLD_PERMITS);
		hold->count = n;
	}
	mutex_unlock(&process->lock);
}

static int sem_acquire_tracked(struct ksync_queue *q, u32 n, u64 deadline,
			       bool try)
{
	struct ksync_process *process = ksync_process_get(task_tgid(current));
	struct ksync_hold *spare = ksync_hold_alloc();
	int ret = -ENOMEM;

	if (process && spare)
		ret = sem_take(q, n, deadline, try);
	if (!ret)
		sem_note(q, process, &spare, n);
	ksync_hold_free(spare);
	if (process)
		ksync_process_put(process);
	return ret;
}

static int sem_release_tracked(struct ksync_queue *q, u32 n)
{
	struct ksync_process *process = ksync_process_find(task_tgid(current));
	struct ksync_hold *hold;
	int ret = -EPERM;

	if (!n)
		ret = -EINVAL;
	if (!process)
		return ret;
	mutex_lock(&process->lock);
	hold = ksync_hold_find(&process->holds, q->obj->id, q->index);
	if (hold && n && n <= hold->count) {
		ret = sem_give(q, n);
		if (!ret)
			hold->count -= n;
		if (!hold->count)
			ksync_process_drop_hold(process, hold);
	}
	mutex_unlock(&process->lock);
	ksync_process_put(process);
	return ret;
}

/* The argument is right for all commands but for the meaning of its count. */
static int sem_args(struct ksync_queue *q, struct ksync_object *obj,
		    const struct ksync_sem_args *a, bool deadline)
{
	if (a->flags || a->pad || (!deadline && a->deadline))
		return -EINVAL;
	return ksync_queue_init(q, obj, a->index);
}

static int sem_acquire(struct ksync_object *obj, struct ksync_sem_args *a,
		       bool try)
{
	struct ksync_queue q;
	int ret;

	ret = sem_args(&q, obj, a, !try);
	if (ret)
		return ret;
	if (sem_tracked(&q))
		return sem_acquire_tracked(&q, a->count, a->deadline, try);
	return sem_take(&q, a->count, a->deadline, try);
}

int ksync_sem_acquire(struct ksync_object *obj, void *args)
{
	return sem_acquire(obj, args, false);
}

int ksync_sem_tryacquire(struct ksync_object *obj, void *args)
{
	return sem_acquire(obj, args, true);
}

int ksync_sem_release(struct ksync_object *obj, void *args)
{
	struct ksync_sem_args *a = args;
	struct ksync_queue q;
	int ret;

	ret = sem_args(&q, obj, a, false);
	if (ret)
		return ret;
	if (sem_tracked(&q))
		return sem_release_tracked(&q, a->count);
	return sem_give(&q, a->count);
}

int ksync_sem_resize(struct ksync_object *obj, void *args)
{
	struct ksync_sem_args *a = args;
	struct ksync_waiter *w, *next;
	struct ksync_wake wake;
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = sem_args(&q, obj, a, false);
	if (ret)
		return ret;
	ksync_wake_init(&wake);
	ksync_queue_lock(&q);
	ret = ksync_update(q.cell, word,
			   sem_word_resize(&word, a->count, sem_tracked(&q)));
	if (!ret) {
		for (w = ksync_first(&q, KSYNC_WANT_EXCLUSIVE); w; w = next) {
			next = ksync_next(&q, w);
			if (w->count > a->count)
				ksync_grant(&q, w, -EINVAL, &wake);
		}
		sem_advance(&q, &wake);
	}
	ksync_queue_unlock(&q);
	ksync_wake_all(&wake);
	return ret;
}

/* A process died with permits: they are free again. */
static void sem_drop(struct ksync_queue *q, u32 id,
		     const struct ksync_hold *hold)
{
	struct ksync_sem_cell *cell = &q->cell->sem;

	atomic_inc((atomic_t *)&cell->deaths);
	atomic_add(hold->count, (atomic_t *)&cell->lost);
	sem_give(q, hold->count);
}

static void sem_init_cell(union ksync_cell *cell, u32 value, u32 max)
{
	cell->state = sem_word_init(value, max);
}

static void sem_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	struct ksync_sem_cell *cell = &q->cell->sem;
	u64 word = ksync_cell_read(q->cell);

	st->value = sem_word_value(word);
	st->max = sem_word_max(word);
	st->deaths = READ_ONCE(cell->deaths);
	st->lost = READ_ONCE(cell->lost);
	st->acquisitions = READ_ONCE(cell->acquired);
	st->contended = READ_ONCE(cell->contended);
}

const struct ksync_ops ksync_sem_ops = {
	.name = "semaphore",
	.id = KSYNC_TYPE_SEM,
	.flags = KSYNC_F_GUARDED | KSYNC_F_TRACKED,
	.mappable = true,
	.init = sem_init_cell,
	.advance = sem_advance,
	.drop = sem_drop,
	.status = sem_status,
};
