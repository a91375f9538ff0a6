// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: barrier.
 *
 *	               arrive                    the last arrives
 *	  round r, 0 ----------> round r, n of m -----------------> round r + 1, 0
 *	     |                        |
 *	     | time out, leave, die   |
 *	     '-----------> BROKEN <---'
 *	                     | reset
 *	                     '----------> round r + 1, 0
 *
 * The word is changed with the queue locked only. Parties that wait sleep on the
 * half of the word that has the round. Their lines say in which they arrived,
 * from before the word counts them, so that the death of one is that of a
 * party. That a round is BROKEN stands in the word until a reset, which tells
 * each line before it goes on to the next round; one that was told nothing
 * knows that its round was completed.
 */
#include <limits.h>

#include "backend_futex.h"

static uint32_t arrived(uint64_t word)
{
	return word & KSYNC_BARRIER_ARRIVED;
}

static uint32_t round_of(uint64_t word)
{
	return (word & KSYNC_BARRIER_ROUND) / KSYNC_BARRIER_ROUND_ONE;
}

static uint64_t next_round(uint64_t word)
{
	return (word + KSYNC_BARRIER_ROUND_ONE) & KSYNC_BARRIER_ROUND;
}

static void wake_all(struct kfx_q *q)
{
	kfx_wake(&q->cell->barrier.round, INT_MAX);
}

/* Who broke it and died may not have woken the others. */
static void barrier_advance(struct kfx_q *q)
{
	if (q->gated)
		wake_all(q);
}

/* From now on the round will not end. Queue locked. */
static void break_it(struct kfx_q *q, bool dead)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	uint64_t word = kfx_load(&q->cell->state);
	struct kfx_redo redo = {
		.nr = 3, .word_old = word,
		.word_new = word | KFX_BARRIER_BROKEN,
	};

	if (word & KSYNC_BARRIER_BROKEN)
		return;
	redo.store[0].at = kfx_offset(q->obj, &cell->breaks);
	redo.store[0].value = kfx_load(&cell->breaks) + 1;
	redo.store[1].at = kfx_offset(q->obj, &cell->deaths);
	redo.store[1].value = kfx_load(&cell->deaths) + dead;
	kfx_q_commit(q, &redo);
	wake_all(q);
}

static bool waits_here(struct kfx_q *q, struct kfx_line *line, uint32_t round)
{
	return kfx_load(&line->kind) == KFX_LINE_THREAD &&
	       kfx_wait_state(line) == KFX_WAITING &&
	       kfx_load(&line->index) == q->index &&
	       kfx_load(&line->n) == round;
}

/* A party died. Queue locked. */
static void barrier_drop_wait(struct kfx_q *q, uint32_t id,
			      struct kfx_line *line)
{
	uint32_t round = round_of(kfx_load(&q->cell->state));

	if (waits_here(q, line, round))
		break_it(q, true);
}

/* A process that had joined less, @n times. Queue locked. */
static void lose_members(struct kfx_q *q, struct ksync_hold *hold, uint32_t n,
			 bool dead)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	struct kfx_redo redo = { .nr = 3 };

	/* First the report: to break it twice is to break it once. */
	break_it(q, dead);
	redo.word_old = kfx_load(&q->cell->state);
	redo.word_new = redo.word_old;
	redo.store[0].at = kfx_offset(q->obj, &hold->count);
	redo.store[0].value = kfx_load(&hold->count) - n;
	redo.store[1].at = kfx_offset(q->obj, &cell->members);
	redo.store[1].value = kfx_load(&cell->members) - n;
	kfx_q_commit(q, &redo);
}

static void barrier_drop_hold(struct kfx_q *q, uint32_t id,
			      struct ksync_hold *hold)
{
	lose_members(q, hold, kfx_load(&hold->count), true);
}

const struct kfx_type kfx_barrier_type = {
	.advance = barrier_advance,
	.drop_wait = barrier_drop_wait,
	.drop_hold = barrier_drop_hold,
};

/* 1: the round is over with us. 0: to wait for its end. Queue locked. */
static int arrive(struct kfx_q *q, struct kfx_limit *limit)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	uint64_t word = kfx_load(&q->cell->state);

	if (word & KSYNC_BARRIER_BROKEN)
		return -EPIPE;
	if (arrived(word) + 1 >= kfx_load(&cell->parties)) {
		/* Killed after this: the others look for themselves. */
		kfx_swap(&q->cell->state, next_round(word));
		wake_all(q);
		return 1;
	}
	kfx_wait_begin(q, KFX_WANT_ROUND, round_of(word), NULL, limit);
	kfx_swap(&q->cell->state, word + 1);
	kfx_count(&cell->waits);
	return 0;
}

/* -EINPROGRESS: the round that the line waits for is not over. */
static int outcome(struct kfx_q *q, struct kfx_line *line)
{
	/* Acquire: what the others did before, and what our line was told. */
	uint64_t word = kfx_load_acquire(&q->cell->state);

	if (round_of(word) != kfx_load(&line->n))
		return kfx_load(&line->lost) ? -EPIPE : 0;
	return word & KSYNC_BARRIER_BROKEN ? -EPIPE : -EINPROGRESS;
}

/* Until the round is over, or -ETIMEDOUT, -ECANCELED. */
static int sleep_round(struct kfx_q *q, struct kfx_line *line,
		       const struct kfx_limit *limit)
{
	uint64_t now = kfx_now(), step = 1000000, next = now + step;
	uint32_t *half = &q->cell->barrier.round, value;
	struct kfx_futexes f;
	int ret;

	for (;; now = kfx_now()) {
		value = kfx_load_acquire(half);
		ret = outcome(q, line);
		if (ret != -EINPROGRESS)
			return ret;
		ret = kfx_limit_over(limit, now);
		if (ret)
			return ret;
		if (now >= next) {
			kfx_sweep(q->obj);
			step = step < KFX_RECHECK_NS ? 10 * step :
				kfx_pace(kfx_load(&q->obj->header->lines_hi));
			next = kfx_now() + step;
		}
		/* If the look has broken it, the value is another by now. */
		f.nr = 0;
		kfx_futexes_add(&f, half, value);
		kfx_limit_sleep(limit, &f, next < limit->deadline ?
				next : limit->deadline);
	}
}

int kfx_barrier_wait(struct ksync_object *base, uint32_t index,
		     const struct ksync_limit *limit, bool *serial)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_limit until;
	struct kfx_thread *t;
	struct kfx_q q;
	int ret, why;

	*serial = false;
	ret = kfx_limit_init(&until, limit);
	if (!ret)
		ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	ret = arrive(&q, &until);
	kfx_q_unlock(&q);
	*serial = ret > 0;
	if (ret)
		return ret > 0 ? 0 : ret;

	ret = sleep_round(&q, t->line, &until);
	kfx_limit_end(&until);
	if (ret == -ETIMEDOUT || ret == -ECANCELED) {
		why = ret;
		kfx_q_lock(&q);
		ret = outcome(&q, t->line);
		if (ret == -EINPROGRESS) {
			break_it(&q, false);
			ret = why;
		}
		kfx_q_unlock(&q);
	}
	kfx_wait_set(t->line, KFX_IDLE);
	return ret;
}

/* Queue locked. */
static int join(struct kfx_q *q, struct ksync_hold *hold)
{
	struct ksync_barrier_cell *cell = &q->cell->barrier;
	uint32_t members = kfx_load(&cell->members);
	uint64_t word = kfx_load(&q->cell->state);
	struct kfx_redo redo = { .nr = 3, .word_old = word, .word_new = word };

	if (members >= kfx_load(&cell->parties))
		return -EOVERFLOW;
	redo.store[0].at = kfx_offset(q->obj, &hold->count);
	redo.store[0].value = kfx_load(&hold->count) + 1;
	redo.store[1].at = kfx_offset(q->obj, &cell->members);
	redo.store[1].value = members + 1;
	kfx_q_commit(q, &redo);
	return 0;
}

int kfx_barrier_join(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_process_hold(obj, index, &hold);
	if (ret)
		return ret;
	/* The places of the dead are free. */
	kfx_sweep(obj);
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	ret = join(&q, hold);
	kfx_q_unlock(&q);
	return ret;
}

int kfx_barrier_leave(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	hold = kfx_process_hold_find(obj, index);
	if (!hold)
		return -EPERM;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	if (kfx_load(&hold->count))
		lose_members(&q, hold, 1, false);
	else
		ret = -EPERM;
	kfx_q_unlock(&q);
	return ret;
}

/* Tells all that wait in the round that it was broken. Queue locked. */
static void tell_waiters(struct kfx_q *q, uint32_t round)
{
	uint32_t hi = kfx_load(&q->obj->header->lines_hi), id;
	struct kfx_line *line;

	for (id = 1; id < hi && id < KFX_LINES; id++) {
		line = &q->obj->lines[id];
		if (waits_here(q, line, round))
			kfx_store(&line->lost, 1);
	}
}

int kfx_barrier_reset(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct kfx_q q;
	uint64_t word;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	/* Of the dead, too: their round ends here. */
	kfx_sweep(obj);
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	word = kfx_load(&q.cell->state);
	if (word & (KSYNC_BARRIER_BROKEN | KSYNC_BARRIER_ARRIVED)) {
		/* If we are killed before the swap, it is broken for all. */
		word = kfx_set(&q.cell->state, KFX_BARRIER_BROKEN);
		tell_waiters(&q, round_of(word));
		kfx_swap(&q.cell->state, next_round(word));
		wake_all(&q);
	}
	kfx_q_unlock(&q);
	return 0;
}
