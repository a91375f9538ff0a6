// SPDX-License-Identifier: GPL-2.0-only
/*
 * Barrier. barrier_word.h has the rounds.
 *
 * A thread that has arrived has a hold which names the round, until its wait
 * returns, so that its death breaks the round, also in a signal handler that
 * interrupts the wait. A process that has joined has one of its own.
 *
 * Everything is changed with the bucket locked. models/barrier.pml checks this.
 */
#include <linux/err.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>

#include "barrier_word.h"
#include "commands.h"
#include "owner.h"
#include "word.h"

static int barrier_outcome(struct ksync_queue *q, u32 round)
{
	return barrier_word_outcome(ksync_cell_read(q->cell),
				    READ_ONCE(q->cell->barrier.history), round);
}

/* False if the round of @w, which may be NULL, is not over, or broken. */
static bool barrier_admit(struct ksync_queue *q, struct ksync_waiter *w,
			  struct ksync_wake *wake)
{
	int ret = w ? barrier_outcome(q, w->round) : -EINPROGRESS;

	if (ret == -EINPROGRESS)
		return false;
	ksync_grant(q, w, ret, wake);
	return true;
}

/*
 * Everyone goes whose round is over, or broken. Who arrived for an earlier round
 * may come to the queue behind those of the next: then it is the last, and this
 * is called as it comes.
 */
static void barrier_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	while (barrier_admit(q, ksync_first(q, KSYNC_WANT_SHARED), wake))
		;
	barrier_admit(q, ksync_last(q, KSYNC_WANT_SHARED), wake);
}

static void barrier_remember(struct ksync_barrier_cell *cell, bool broken)
{
	WRITE_ONCE(cell->history, READ_ONCE(cell->history) << 1 | broken);
}

/* False if it was broken already. */
static bool barrier_break(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	u64 word;

	if (ksync_update(q->cell, word, barrier_word_break(&word)))
		return false;
	WRITE_ONCE(cell->breaks, cell->breaks + 1);
	barrier_advance(q, wake);
	return true;
}

/* 0 with the round that the caller has arrived in, 1 when that is over. */
static int barrier_arrive(struct ksync_queue *q, u32 *round)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	struct ksync_wake wake;
	u64 word;
	int ret;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	ret = ksync_update(q->cell, word,
			   barrier_word_arrive(&word,
					       READ_ONCE(cell->parties)));
	*round = barrier_word_round(word);
	if (ret == 1) {
		barrier_remember(cell, false);
		barrier_advance(q, &wake);
	} else if (!ret) {
		WRITE_ONCE(cell->waits, cell->waits + 1);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	return ret;
}

/* It waits no more: @why. The round may have come to its end meanwhile. */
static int barrier_give_up(struct ksync_queue *q, u32 round, int why)
{
	struct ksync_wake wake;
	int ret;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	ret = barrier_outcome(q, round);
	if (ret == -EINPROGRESS) {
		barrier_break(q, &wake);
		ret = why;
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	return ret;
}

/* The hold of a party that has arrived; NULL when its round is over at once. */
static struct ksync_hold *barrier_enter(struct ksync_queue *q,
					struct ksync_thread *thread)
{
	struct ksync_hold *hold = ksync_hold_spare(thread);
	u32 round;
	int ret;

	if (!hold)
		return ERR_PTR(-ENOMEM);
	ret = barrier_arrive(q, &round);
	if (ret) {
		ksync_hold_unuse(thread, hold);
		return ret < 0 ? ERR_PTR(ret) : NULL;
	}
	ksync_hold_insert(&thread->holds, hold, q->obj->id, q->index,
			  KSYNC_HOLD_ARRIVED);
	hold->round = round;
	return hold;
}

static int barrier_wait(struct ksync_queue *q, struct ksync_limit *limit)
{
	struct ksync_waiter w = { .want = KSYNC_WANT_SHARED };
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_hold *hold;
	int ret;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	/* With one, this is a wait that a signal handler interrupted. */
	hold = ksync_thread_hold(thread, q->obj->id, q->index);
	if (!hold)
		hold = barrier_enter(q, thread);
	if (IS_ERR(hold))
		return PTR_ERR(hold);
	if (!hold)
		return 1;

	w.round = hold->round;
	ret = ksync_wait_limit(q, &w, limit);
	if (ret == -ERESTARTNOINTR)
		return ret;
	if (ret == -ETIMEDOUT || ret == -ECANCELED)
		ret = barrier_give_up(q, hold->round, ret);
	rb_erase(&hold->node, &thread->holds);
	ksync_hold_unuse(thread, hold);
	return ret;
}

int ksync_barrier_wait(struct ksync_object *obj, void *args)
{
	struct ksync_limit limit;
	struct ksync_queue q;
	int ret;

	ret = ksync_lock_limit(&q, obj, &limit, args);
	if (ret)
		return ret;
	ret = barrier_wait(&q, &limit);
	ksync_limit_put(&limit);
	return ret;
}

static int barrier_add_member(struct ksync_queue *q)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	int ret = 0;

	ksync_queue_lock(q);
	if (READ_ONCE(cell->members) >= READ_ONCE(cell->parties))
		ret = -EOVERFLOW;
	else
		WRITE_ONCE(cell->members, cell->members + 1);
	ksync_queue_unlock(q);
	return ret;
}

static int barrier_join(struct ksync_queue *q, struct ksync_process *process,
			struct ksync_hold **spare)
{
	struct ksync_hold *hold;
	int ret;

	lockdep_assert_held(&process->lock);
	ret = barrier_add_member(q);
	if (ret)
		return ret;
	hold = ksync_hold_find(&process->holds, q->obj->id, q->index);
	if (hold) {
		hold->count++;
		return 0;
	}
	ksync_hold_insert(&process->holds, *spare, q->obj->id, q->index,
			  KSYNC_HOLD_JOINED);
	*spare = NULL;
	return 0;
}

int ksync_barrier_join(struct ksync_object *obj, void *args)
{
	struct ksync_process *process;
	struct ksync_hold *spare;
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	process = ksync_process_get(task_tgid(current));
	spare = ksync_hold_alloc();
	ret = -ENOMEM;
	if (process && spare) {
		mutex_lock(&process->lock);
		ret = barrier_join(&q, process, &spare);
		mutex_unlock(&process->lock);
	}
	ksync_hold_free(spare);
	if (process)
		ksync_process_put(process);
	return ret;
}

/* @n times a member less, which breaks it. True if this did. */
static bool barrier_lose_members(struct ksync_queue *q, u32 n, bool dead)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	struct ksync_wake wake;
	bool broke;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	WRITE_ONCE(cell->members, cell->members - n);
	broke = barrier_break(q, &wake);
	if (broke && dead)
		WRITE_ONCE(cell->deaths, cell->deaths + 1);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
	return broke;
}

int ksync_barrier_leave(struct ksync_object *obj, void *args)
{
	struct ksync_process *process;
	struct ksync_hold *hold;
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	process = ksync_process_find(task_tgid(current));
	if (!process)
		return -EPERM;
	mutex_lock(&process->lock);
	hold = ksync_hold_find(&process->holds, obj->id, q.index);
	if (hold) {
		barrier_lose_members(&q, 1, false);
		if (!--hold->count)
			ksync_process_drop_hold(process, hold);
	}
	mutex_unlock(&process->lock);
	ksync_process_put(process);
	return hold ? 0 : -EPERM;
}

int ksync_barrier_reset(struct ksync_object *obj, void *args)
{
	struct ksync_wake wake;
	struct ksync_queue q;
	u64 word;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	ksync_wake_init(&wake);
	ksync_queue_lock(&q);
	ret = ksync_update(q.cell, word, barrier_word_reset(&word));
	if (ret)
		barrier_remember(&q.cell->barrier, true);
	barrier_advance(&q, &wake);
	ksync_queue_unlock(&q);
	ksync_wake_all(&wake);
	return 0;
}

/* A party died that had arrived, or a process that had joined. */
static void barrier_drop(struct ksync_queue *q, u32 id,
			 const struct ksync_hold *hold)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	struct ksync_wake wake;

	if (hold->kind == KSYNC_HOLD_JOINED) {
		barrier_lose_members(q, hold->count, true);
		return;
	}
	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	if (barrier_outcome(q, hold->round) == -EINPROGRESS &&
	    barrier_break(q, &wake))
		WRITE_ONCE(cell->deaths, cell->deaths + 1);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static void barrier_init_cell(union ksync_cell *cell, u32 value, u32 max)
{
	cell->barrier.parties = max;
}

static void barrier_status(struct ksync_queue *q,
			   struct ksync_primitive_status *st)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	u64 word = ksync_cell_read(q->cell);

	st->value = barrier_word_arrived(word);
	st->max = READ_ONCE(cell->parties);
	st->readers = READ_ONCE(cell->members);
	st->token = barrier_word_round(word);
	st->deaths = READ_ONCE(cell->deaths);
	st->lost = READ_ONCE(cell->breaks);
	st->acquisitions = READ_ONCE(cell->waits);
	st->contended = st->acquisitions;
	if (word & KSYNC_BARRIER_BROKEN)
		st->flags |= KSYNC_STATUS_BROKEN;
}

const struct ksync_ops ksync_barrier_ops = {
	.name = "barrier",
	.id = KSYNC_TYPE_BARRIER,
	.flags = KSYNC_F_GUARDED,
	.init = barrier_init_cell,
	.advance = barrier_advance,
	.drop = barrier_drop,
	.status = barrier_status,
};
