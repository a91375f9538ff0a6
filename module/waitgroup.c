// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wait group. wg_word.h has the rounds.
 *
 * models/waitgroup.pml checks this.
 *
 * Members may be tied to processes. The ties are holds of the process and name
 * the round, so that what is left of a tie when its round has ended cannot
 * count down the next one.
 */
#include <linux/err.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>

#include "commands.h"
#include "many.h"
#include "owner.h"
#include "wg_word.h"
#include "word.h"

/* Not a number of a round: those have 31 bits. */
#define WAITGROUP_NO_ROUND	U32_MAX

/* How many members a round that has ended lost, if that is still known. */
static u32 waitgroup_lost(struct ksync_waitgroup_cell *cell, u64 word,
			  u32 round)
{
	u64 next = ((u64)round + 1) * KSYNC_WG_ROUND_ONE;

	if ((next ^ word) & KSYNC_WG_ROUND)
		return 0;
	if (wg_word_count(word))
		return READ_ONCE(cell->before) == round ?
		       READ_ONCE(cell->lost_before) : 0;
	return word & KSYNC_WG_LOSS ? READ_ONCE(cell->lost) : 0;
}

/* The round that whoever comes now waits for: with no member, the last one. */
static u32 waitgroup_current(u64 word)
{
	return wg_word_round(wg_word_count(word) ? word :
			     word - KSYNC_WG_ROUND_ONE);
}

/* The round that the waiter joined: over? */
static int waitgroup_take(struct ksync_queue *q, struct ksync_waiter *w,
			  bool queued)
{
	u64 word = ksync_cell_read(q->cell);
	u32 round = w->round;

	if (w->again)
		return w->lost ? -EOWNERDEAD : 0;
	if (round == WAITGROUP_NO_ROUND)
		round = waitgroup_current(word);
	if (round == wg_word_round(word)) {
		/* Others may come to the queue first, and for later rounds. */
		if (!queued)
			w->round = WAITGROUP_NO_ROUND;
		return -EBUSY;
	}
	w->lost = waitgroup_lost(&q->cell->waitgroup, word, round);
	return w->lost ? -EOWNERDEAD : 0;
}

/* It took nothing away. */
static void waitgroup_untake(struct ksync_queue *q, struct ksync_waiter *w)
{
}

/* Everyone whose round is over goes. Rounds are in the order of the queue. */
static void waitgroup_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	struct ksync_waiter *w;
	u64 word;

	while ((w = ksync_first(q, KSYNC_WANT_SHARED)) &&
	       ksync_admit(q, w, wake))
		;
	ksync_update(q->cell, word,
		     wg_word_waiters(&word, ksync_first(q, KSYNC_WANT_SHARED)));
}

/* A round begins: what is told of the last one moves over. Bucket locked. */
static void waitgroup_begin(struct ksync_waitgroup_cell *cell, u64 word)
{
	WRITE_ONCE(cell->lost_before,
		   word & KSYNC_WG_LOSS ? READ_ONCE(cell->lost) : 0);
	WRITE_ONCE(cell->before,
		   wg_word_round(word - KSYNC_WG_ROUND_ONE));
	WRITE_ONCE(cell->lost, 0);
	WRITE_ONCE(cell->bound, 0);
}

/* A round is over: who waited for it goes. Unlocks the bucket. */
static noinline void waitgroup_let_go(struct ksync_queue *q)
	__releases(&q->bucket->lock)
{
	struct ksync_wake wake;

	ksync_wake_init(&wake);
	waitgroup_advance(q, &wake);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

/*
 * Its process is done for @n members: ties that they had are loosed. The bucket is
 * locked as it was when the word changed: who looked in between would find more
 * ties than members.
 */
static void waitgroup_untie(struct ksync_waitgroup_cell *cell,
			    struct ksync_hold *ties, u32 n, u32 round)
{
	if (ties->round != round) {
		/* What is left of a round that is over. */
		ties->count = 0;
		return;
	}
	n = min(n, ties->count);
	ties->count -= n;
	WRITE_ONCE(cell->bound, cell->bound - n);
}

/* @ties: those of the caller's process, which is locked; or NULL. */
static int waitgroup_add(struct ksync_queue *q, s32 delta,
			 struct ksync_hold *ties)
{
	struct ksync_waitgroup_cell *cell = &q->cell->waitgroup;
	u64 word, before;
	int ret;

	ksync_queue_lock(q);
	before = ksync_cell_read(q->cell);
	if (!wg_word_count(before) && delta > 0)
		waitgroup_begin(cell, before);
	ret = ksync_update(q->cell, word, wg_word_add(&word, delta));
	if (!ret && ties)
		waitgroup_untie(cell, ties, -(u32)delta, wg_word_round(before));
	if (!ret && !wg_word_count(word) &&
	    unlikely(!RB_EMPTY_ROOT(&q->bucket->waiters)))
		waitgroup_let_go(q);
	else
		ksync_queue_unlock(q);
	return ret;
}

static noinline int waitgroup_done(struct ksync_queue *q,
				   struct ksync_process *process, s32 delta)
{
	struct ksync_hold *ties;
	int ret;

	mutex_lock(&process->lock);
	ties = ksync_hold_find(&process->holds, q->obj->id, q->index);
	ret = waitgroup_add(q, delta, ties);
	if (!ret && ties && !ties->count)
		ksync_process_drop_hold(process, ties);
	mutex_unlock(&process->lock);
	ksync_process_put(process);
	return ret;
}

int ksync_waitgroup_add(struct ksync_object *obj, void *args)
{
	struct ksync_waitgroup_add_args *a = args;
	struct ksync_process *process = NULL;
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_init(&q, obj, a->index);
	if (ret)
		return ret;
	if (a->delta < 0)
		process = ksync_process_find(task_tgid(current));
	return process ? waitgroup_done(&q, process, a->delta) :
			 waitgroup_add(&q, a->delta, NULL);
}

/*
 * With the queue locked, and not before: a round read earlier may be long over,
 * its losses forgotten, and later rounds ahead in the queue.
 */
static void waitgroup_join(struct ksync_queue *q, struct ksync_waiter *w)
{
	if (w->round == WAITGROUP_NO_ROUND)
		w->round = waitgroup_current(ksync_cell_read(q->cell));
}

/* There is nothing to wait for: the outcome. -EAGAIN if there is. */
static int waitgroup_over(struct ksync_queue *q, struct ksync_waiter *w)
{
	u64 word = ksync_cell_read(q->cell);
	u32 round = w->round;
	int ret = -EAGAIN;

	if (round == WAITGROUP_NO_ROUND &&
	    !(word & (KSYNC_WG_COUNT | KSYNC_WG_LOSS)))
		return 0;
	ksync_queue_lock(q);
	word = ksync_cell_read(q->cell);
	if (round == WAITGROUP_NO_ROUND)
		round = waitgroup_current(word);
	if (round != wg_word_round(word)) {
		w->lost = waitgroup_lost(&q->cell->waitgroup, word, round);
		ret = w->lost ? -EOWNERDEAD : 0;
	}
	ksync_queue_unlock(q);
	return ret;
}

int ksync_waitgroup_wait(struct ksync_object *obj, void *args)
{
	struct ksync_waiter w = { .want = KSYNC_WANT_SHARED };
	struct ksync_waitgroup_wait_args *a = args;
	struct ksync_limit limit;
	struct ksync_queue q;
	bool placed;
	int ret;

	ret = a->pad ? -EINVAL : ksync_queue_init(&q, obj, a->index);
	if (!ret)
		ret = ksync_limit_get(&limit, a->flags, a->deadline, a->cancel,
				      a->cancel_index);
	if (ret)
		return ret;
	/* After a signal, of the round that it joined. */
	placed = ksync_place_round(&q, w.want, &w.round);
	if (!placed)
		w.round = WAITGROUP_NO_ROUND;
	ret = waitgroup_over(&q, &w);
	if (placed && ret != -EAGAIN)
		ksync_place_drop();
	if (ret == -EAGAIN) {
		ret = ksync_wait_limit(&q, &w, &limit);
		if (ksync_changed(ret))
			atomic64_inc((atomic64_t *)&q.cell->waitgroup.waits);
	}
	ksync_limit_put(&limit);
	a->lost = w.lost;
	return ret;
}

/* With a count of zero there is nothing to wait for: it has it already. */
static int waitgroup_prepare(struct ksync_request *r)
{
	int ret;

	if (r->shared || r->w.count)
		return -EINVAL;
	r->w.want = KSYNC_WANT_SHARED;
	r->w.round = WAITGROUP_NO_ROUND;
	ret = waitgroup_over(&r->q, &r->w);
	r->w.again = ret != -EAGAIN;
	return 0;
}

static void waitgroup_settle(struct ksync_request *r, int ret)
{
	if (ksync_changed(ret) && r->waited)
		atomic64_inc((atomic64_t *)&r->q.cell->waitgroup.waits);
}

static int waitgroup_tie(struct ksync_queue *q, struct ksync_process *process,
			 struct ksync_hold **spare)
{
	struct ksync_waitgroup_cell *cell = &q->cell->waitgroup;
	struct ksync_hold *hold;
	int ret = 0;
	u64 word;

	lockdep_assert_held(&process->lock);
	if (process->gone || !ksync_pid_alive(process->pid))
		return -ESRCH;
	hold = ksync_hold_find(&process->holds, q->obj->id, q->index);

	ksync_queue_lock(q);
	word = ksync_cell_read(q->cell);
	if (READ_ONCE(cell->bound) >= wg_word_count(word))
		ret = -ERANGE;
	else
		WRITE_ONCE(cell->bound, cell->bound + 1);
	ksync_queue_unlock(q);
	if (ret)
		return ret;

	if (!hold) {
		hold = *spare;
		*spare = NULL;
		ksync_hold_insert(&process->holds, hold, q->obj->id, q->index,
				  KSYNC_HOLD_MEMBERS);
		hold->count = 0;
	}
	if (hold->round != wg_word_round(word))
		hold->count = 0;
	hold->round = wg_word_round(word);
	hold->count++;
	return 0;
}

int ksync_waitgroup_bind(struct ksync_object *obj, void *args)
{
	struct ksync_waitgroup_bind_args *a = args;
	struct ksync_process *process;
	struct ksync_hold *spare;
	struct ksync_queue q;
	struct pid *pid;
	int ret;

	ret = ksync_queue_init(&q, obj, a->index);
	if (ret)
		return ret;
	pid = ksync_pidfd_get(a->pidfd);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	/* Before the record of a process, which stays if that is dead already. */
	spare = ksync_hold_alloc();
	process = spare ? ksync_process_get(pid) : NULL;
	ret = -ENOMEM;
	if (process) {
		mutex_lock(&process->lock);
		ret = waitgroup_tie(&q, process, &spare);
		mutex_unlock(&process->lock);
	}
	ksync_hold_free(spare);
	if (process)
		ksync_process_put(process);
	/* It may have died before it was in the table. */
	if (ret == -ESRCH)
		ksync_process_reap(pid);
	put_pid(pid);
	return ret;
}

/* A process died with members that are not done. */
static void waitgroup_drop(struct ksync_queue *q, u32 id,
			   const struct ksync_hold *hold)
{
	struct ksync_waitgroup_cell *cell = &q->cell->waitgroup;
	struct ksync_wake wake;
	u32 n = hold->count;
	u64 word;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	word = ksync_cell_read(q->cell);
	if (n && wg_word_round(word) == hold->round && wg_word_count(word)) {
		n = min(n, wg_word_count(word));
		/* Before the word, which tells others to look at it. */
		WRITE_ONCE(cell->lost, cell->lost + n);
		WRITE_ONCE(cell->deaths, cell->deaths + n);
		WRITE_ONCE(cell->bound, cell->bound - n);
		ksync_update(q->cell, word,
			     wg_word_lose(&word, hold->round, &n));
		if (!wg_word_count(word))
			waitgroup_advance(q, &wake);
	}
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static void waitgroup_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	struct ksync_waitgroup_cell *cell = &q->cell->waitgroup;
	u64 word = ksync_cell_read(q->cell);

	st->value = wg_word_count(word);
	st->token = wg_word_round(word);
	st->deaths = READ_ONCE(cell->deaths);
	st->acquisitions = READ_ONCE(cell->waits);
	st->contended = st->acquisitions;
	if (word & KSYNC_WG_LOSS) {
		st->flags |= KSYNC_STATUS_LOSS;
		st->lost = READ_ONCE(cell->lost);
	}
}

const struct ksync_ops ksync_waitgroup_ops = {
	.name = "waitgroup",
	.id = KSYNC_TYPE_WAITGROUP,
	.flags = KSYNC_F_GUARDED,
	.mappable = true,
	.join = waitgroup_join,
	.advance = waitgroup_advance,
	.take = waitgroup_take,
	.untake = waitgroup_untake,
	.prepare = waitgroup_prepare,
	.settle = waitgroup_settle,
	.drop = waitgroup_drop,
	.status = waitgroup_status,
};
