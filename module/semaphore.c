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
#include "many.h"
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

	sem_sync(q);
	while ((w = ksync_first(q, KSYNC_WANT_EXCLUSIVE)))
		if (!ksync_admit(q, w, wake))
			return;
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

static int sem_take_for(struct ksync_queue *q, struct ksync_waiter *w,
			bool queued)
{
	u64 word;

	return ksync_update(q->cell, word,
			    sem_word_acquire(&word, w->count, queued));
}

static void sem_untake(struct ksync_queue *q, struct ksync_waiter *w)
{
	u64 word;

	ksync_update(q->cell, word, sem_word_unacquire(&word, w->count));
	if (word & KSYNC_SEM_WAITERS)
		sem_let_in(q);
}

static noinline int sem_wait(struct ksync_queue *q, u32 n,
			     struct ksync_limit *limit)
{
	struct ksync_waiter w = { .want = KSYNC_WANT_EXCLUSIVE, .count = n };
	int ret;

	ret = ksync_wait_limit(q, &w, limit);
	if (!ret)
		atomic_inc((atomic_t *)&q->cell->sem.contended);
	return ret;
}

/* Without a wait. */
static int sem_take_now(struct ksync_queue *q, u32 n)
{
	u64 word;
	int ret;

	ret = ksync_update(q->cell, word, sem_word_acquire(&word, n, false));
	if (!ret)
		atomic64_inc((atomic64_t *)&q->cell->sem.acquired);
	return ret;
}

static int sem_take(struct ksync_queue *q, u32 n, struct ksync_limit *limit,
		    bool try)
{
	int ret = sem_take_now(q, n);

	if (ret == -EBUSY && !try) {
		ret = sem_wait(q, n, limit);
		if (!ret)
			atomic64_inc((atomic64_t *)&q->cell->sem.acquired);
	}
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

/*
 * The process has @n permits more. @hold: those that it had before, NULL if it
 * had none; then *@spare becomes the record.
 */
static void sem_note_locked(struct ksync_queue *q,
			    struct ksync_process *process,
			    struct ksync_hold *hold, struct ksync_hold **spare,
			    u32 n)
{
	lockdep_assert_held(&process->lock);
	if (hold) {
		hold->count += n;
		return;
	}
	hold = *spare;
	*spare = NULL;
	ksync_hold_insert(&process->holds, hold, q->obj->id, q->index,
			  KSYNC_HOLD_PERMITS);
	hold->count = n;
}

static void sem_note(struct ksync_queue *q, struct ksync_process *process,
		     struct ksync_hold **spare, u32 n)
{
	struct ksync_hold *hold;

	mutex_lock(&process->lock);
	hold = ksync_hold_find(&process->holds, q->obj->id, q->index);
	sem_note_locked(q, process, hold, spare, n);
	mutex_unlock(&process->lock);
}

/* Without a wait and without memory: -EBUSY also where it takes memory. */
static int sem_take_noted(struct ksync_queue *q, struct ksync_process *process,
			  u32 n)
{
	struct ksync_hold *hold;
	int ret = -EBUSY;

	mutex_lock(&process->lock);
	hold = ksync_hold_find(&process->holds, q->obj->id, q->index);
	if (hold || process->spare)
		ret = sem_take_now(q, n);
	if (!ret)
		sem_note_locked(q, process, hold, &process->spare, n);
	mutex_unlock(&process->lock);
	return ret;
}

static noinline int sem_take_and_note(struct ksync_queue *q,
				      struct ksync_process *process, u32 n,
				      struct ksync_limit *limit, bool try)
{
	struct ksync_hold *spare = ksync_hold_alloc();
	int ret;

	if (!spare)
		return -ENOMEM;
	ret = sem_take(q, n, limit, try);
	if (!ret)
		sem_note(q, process, &spare, n);
	ksync_hold_free(spare);
	return ret;
}

static int sem_acquire_tracked(struct ksync_queue *q, u32 n,
			       struct ksync_limit *limit, bool try)
{
	struct ksync_process *process = ksync_process_get(task_tgid(current));
	int ret;

	if (!process)
		return -ENOMEM;
	ret = sem_take_noted(q, process, n);
	if (ret == -EBUSY)
		ret = sem_take_and_note(q, process, n, limit, try);
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

static int sem_prepare(struct ksync_request *r)
{
	r->w.want = KSYNC_WANT_EXCLUSIVE;
	if (r->shared)
		return -EINVAL;
	if (!sem_tracked(&r->q))
		return 0;
	r->process = ksync_process_get(task_tgid(current));
	r->hold = ksync_hold_alloc();
	if (r->process && r->hold)
		return 0;
	ksync_hold_free(r->hold);
	if (r->process)
		ksync_process_put(r->process);
	return -ENOMEM;
}

static void sem_settle(struct ksync_request *r, int ret)
{
	struct ksync_sem_cell *cell = &r->q.cell->sem;

	if (!ret) {
		atomic64_inc((atomic64_t *)&cell->acquired);
		if (r->waited)
			atomic_inc((atomic_t *)&cell->contended);
	}
	if (!r->process)
		return;
	if (!ret)
		sem_note(&r->q, r->process, &r->hold, r->w.count);
	ksync_hold_free(r->hold);
	ksync_process_put(r->process);
}

/* The argument is right for commands that do not wait. */
static inline int sem_args(struct ksync_queue *q, struct ksync_object *obj,
			   const struct ksync_sem_args *a)
{
	if (a->flags || a->pad || a->deadline || a->cancel || a->cancel_index)
		return -EINVAL;
	return ksync_queue_init(q, obj, a->index);
}

static int sem_acquire(struct ksync_queue *q, u32 n, struct ksync_limit *limit,
		       bool try)
{
	if (sem_tracked(q))
		return sem_acquire_tracked(q, n, limit, try);
	return sem_take(q, n, limit, try);
}

/*
 * The short road: permits are free, and nothing else is asked for. False if it
 * is not like that.
 */
static bool sem_acquire_short(struct ksync_object *obj,
			      const struct ksync_sem_args *a)
{
	struct ksync_queue q;

	return !a->flags && !a->pad && !a->cancel && !a->cancel_index &&
	       !(obj->flags & KSYNC_F_TRACKED) &&
	       !ksync_queue_init(&q, obj, a->index) &&
	       !sem_take_now(&q, a->count);
}

static noinline int sem_acquire_long(struct ksync_object *obj,
				     const struct ksync_sem_args *a)
{
	struct ksync_limit limit;
	struct ksync_queue q;
	int ret;

	ret = a->pad ? -EINVAL : ksync_queue_init(&q, obj, a->index);
	if (!ret)
		ret = ksync_limit_get(&limit, a->flags, a->deadline, a->cancel,
				      a->cancel_index);
	if (ret)
		return ret;
	ret = sem_acquire(&q, a->count, &limit, false);
	ksync_limit_put(&limit);
	return ret;
}

int ksync_sem_acquire(struct ksync_object *obj, void *args)
{
	return sem_acquire_short(obj, args) ? 0 : sem_acquire_long(obj, args);
}

int ksync_sem_tryacquire(struct ksync_object *obj, void *args)
{
	struct ksync_sem_args *a = args;
	struct ksync_queue q;
	int ret;

	ret = sem_args(&q, obj, a);
	return ret ?: sem_acquire(&q, a->count, NULL, true);
}

/* As sem_acquire_short(): nobody waits. */
static bool sem_release_short(struct ksync_object *obj,
			      const struct ksync_sem_args *a)
{
	struct ksync_queue q;
	u64 word;

	return !(obj->flags & KSYNC_F_TRACKED) && !sem_args(&q, obj, a) &&
	       !ksync_update(q.cell, word,
			     word & KSYNC_SEM_WAITERS ? -EBUSY :
			     sem_word_release(&word, a->count));
}

static noinline int sem_release_long(struct ksync_object *obj,
				     const struct ksync_sem_args *a)
{
	struct ksync_queue q;
	int ret;

	ret = sem_args(&q, obj, a);
	if (ret)
		return ret;
	if (sem_tracked(&q))
		return sem_release_tracked(&q, a->count);
	return sem_give(&q, a->count);
}

int ksync_sem_release(struct ksync_object *obj, void *args)
{
	return sem_release_short(obj, args) ? 0 : sem_release_long(obj, args);
}

int ksync_sem_resize(struct ksync_object *obj, void *args)
{
	struct ksync_sem_args *a = args;
	struct ksync_waiter *w, *next;
	struct ksync_wake wake;
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = sem_args(&q, obj, a);
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
				ksync_admit(&q, w, &wake);
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
	.take = sem_take_for,
	.untake = sem_untake,
	.prepare = sem_prepare,
	.settle = sem_settle,
	.drop = sem_drop,
	.status = sem_status,
};
