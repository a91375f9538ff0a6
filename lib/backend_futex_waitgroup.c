// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: wait group.
 *
 *	            add n                          add -n, members die
 *	  idle ---------------> round r, n members --------------------> idle
 *	  (round r is next)                          down to zero        (r + 1)
 *
 * Waiters sleep on the half of the word that has the round, all on the same
 * futex: all of them can go when it ends. What the round has lost is told to
 * each in its line before the word changes, so it matters no more how many
 * rounds have come and gone until it looks.
 *
 * Members that are bound stand in the holds of their process. The word and the
 * hold must change together, so with bound members around the word is FROZEN
 * for that time: plain operations then wait for the queue lock.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend_futex.h"

static uint32_t count_of(uint64_t word)
{
	return word & KSYNC_WG_COUNT;
}

static uint32_t round_of(uint64_t word)
{
	return (word & KFX_WG_ROUND) / KSYNC_WG_ROUND_ONE;
}

/* The word after @delta members more, and with a loss or not. */
static int add_to(uint64_t *word, int32_t delta, bool loss)
{
	uint32_t count = count_of(*word);

	if (delta < 0 && -(int64_t)delta > count)
		return -ERANGE;
	if (delta > 0 && (uint32_t)delta > KSYNC_COUNT_MAX - count)
		return -EOVERFLOW;
	if (!count && delta)
		*word &= ~(KSYNC_WG_LOSS | KSYNC_WG_WAITERS);
	*word = (*word & ~KSYNC_WG_COUNT) | (uint32_t)(count + delta);
	if (loss)
		*word |= KSYNC_WG_LOSS;
	/* A round ends. */
	if (count && !count_of(*word))
		*word = (*word & ~(KFX_WG_ROUND | KSYNC_WG_WAITERS)) |
			((*word + KSYNC_WG_ROUND_ONE) & KFX_WG_ROUND);
	return 0;
}

static void wake_all(struct kfx_q *q)
{
	kfx_wake(&q->cell->waitgroup.round, INT_MAX);
}

static void thaw(struct kfx_q *q)
{
	kfx_clear(&q->cell->state, KFX_WG_FROZEN);
}

/* Of who died with the queue locked: thaws, and wakes whom it should have. */
static void waitgroup_advance(struct kfx_q *q)
{
	if (kfx_load(&q->cell->state) & KFX_WG_FROZEN)
		thaw(q);
	if (q->gated)
		wake_all(q);
}

static void waitgroup_drop_wait(struct kfx_q *q, uint32_t id,
				struct kfx_line *line)
{
}

/* Tells all that wait for the end of the round, which has lost @lost. */
static void tell_waiters(struct kfx_q *q, uint32_t round, uint32_t lost)
{
	uint32_t hi = kfx_load(&q->obj->header->lines_hi), id;
	struct kfx_line *line;

	for (id = 1; id < hi && id < KFX_LINES; id++) {
		line = &q->obj->lines[id];
		if (kfx_load(&line->kind) == KFX_LINE_THREAD &&
		    kfx_wait_state(line) == KFX_WAITING &&
		    kfx_load(&line->index) == q->index &&
		    kfx_load(&line->n) == round)
			kfx_store(&line->lost, lost);
	}
}

/* A process died with members that are not done. Queue locked. */
static void waitgroup_drop_hold(struct kfx_q *q, uint32_t id,
				struct ksync_hold *hold)
{
	struct ksync_waitgroup_cell *cell = &q->cell->waitgroup;
	uint64_t word = kfx_set(&q->cell->state, KFX_WG_FROZEN) | KFX_WG_FROZEN;
	struct kfx_redo redo = { .nr = 5, .word_old = word };
	uint32_t n = kfx_load(&hold->count), lost;

	if (round_of(word) != kfx_load(&hold->round) || !count_of(word)) {
		thaw(q);
		return;
	}
	if (n > count_of(word))
		n = count_of(word);
	lost = n;
	if (word & KSYNC_WG_LOSS)
		lost += kfx_load(&cell->lost);
	tell_waiters(q, round_of(word), lost);

	add_to(&word, -(int32_t)n, true);
	redo.word_new = word;
	redo.store[0].at = kfx_offset(q->obj, &hold->count);
	redo.store[0].value = 0;
	redo.store[1].at = kfx_offset(q->obj, &cell->lost);
	redo.store[1].value = lost;
	redo.store[2].at = kfx_offset(q->obj, &cell->deaths);
	redo.store[2].value = kfx_load(&cell->deaths) + n;
	redo.store[3].at = kfx_offset(q->obj, &cell->bound);
	redo.store[3].value = kfx_load(&cell->bound) - n;
	kfx_q_commit(q, &redo);
	thaw(q);
	if (!count_of(word))
		wake_all(q);
}

const struct kfx_type kfx_waitgroup_type = {
	.advance = waitgroup_advance,
	.drop_wait = waitgroup_drop_wait,
	.drop_hold = waitgroup_drop_hold,
};

/* Without looking at bound members. -EAGAIN: FROZEN. */
static int add_plain(struct kfx_q *q, int32_t delta)
{
	uint64_t word = kfx_load(&q->cell->state), new;
	int ret;

	do {
		if (word & KFX_WG_FROZEN)
			return -EAGAIN;
		new = word;
		ret = add_to(&new, delta, false);
		if (ret || new == word)
			return ret;
	} while (!kfx_cas(&q->cell->state, &word, new));
	/* Killed before this: waiters look for themselves after a while. */
	if ((word & KSYNC_WG_WAITERS) && !count_of(new))
		wake_all(q);
	return 0;
}

/* Done, by a process that has bound members in this round. Queue locked. */
static int add_bound(struct kfx_q *q, int32_t delta, struct ksync_hold *hold)
{
	struct ksync_waitgroup_cell *cell = &q->cell->waitgroup;
	uint64_t word = kfx_set(&q->cell->state, KFX_WG_FROZEN) | KFX_WG_FROZEN;
	struct kfx_redo redo = { .nr = 3, .word_old = word };
	uint32_t n = kfx_load(&hold->count), loosed;
	bool waiters = word & KSYNC_WG_WAITERS;
	int ret;

	if (round_of(word) != kfx_load(&hold->round))
		n = 0;
	loosed = n;
	if (loosed > -(uint32_t)delta)
		loosed = -(uint32_t)delta;
	ret = add_to(&word, delta, false);
	if (!ret) {
		redo.word_new = word;
		redo.store[0].at = kfx_offset(q->obj, &hold->count);
		redo.store[0].value = n - loosed;
		redo.store[1].at = kfx_offset(q->obj, &cell->bound);
		redo.store[1].value = kfx_load(&cell->bound) - loosed;
		kfx_q_commit(q, &redo);
	}
	thaw(q);
	if (!ret && waiters && !count_of(word))
		wake_all(q);
	return ret;
}

static bool is_bound(struct kfx_q *q, struct ksync_hold *hold)
{
	return hold && kfx_load(&hold->count) &&
	       kfx_load(&hold->round) ==
	       round_of(kfx_load(&q->cell->state));
}

int kfx_waitgroup_add(struct ksync_object *base, uint32_t index, int32_t delta)
{
	struct kfx_object *obj = kfx_obj(base);
	struct ksync_hold *hold = NULL;
	struct kfx_thread *t;
	struct kfx_q q;
	int ret;

	kfx_process_check_fork();
	kfx_fast_fill(base, index);
	kfx_q_init(&q, obj, index, 0);
	if (delta < 0)
		hold = kfx_process_hold_find(obj, index);
	if (!is_bound(&q, hold)) {
		ret = add_plain(&q, delta);
		if (ret != -EAGAIN)
			return ret;
	}
	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	q.owner = t->id;
	kfx_q_lock(&q);
	ret = -EAGAIN;
	if (!is_bound(&q, hold))
		ret = add_plain(&q, delta);
	if (ret == -EAGAIN && hold)
		ret = add_bound(&q, delta, hold);
	kfx_q_unlock(&q);
	return ret;
}

/* The count is zero: the outcome of the last round. */
static int last_round(struct kfx_q *q, uint64_t word, uint32_t *lost)
{
	*lost = word & KSYNC_WG_LOSS ?
		kfx_load(&q->cell->waitgroup.lost) : 0;
	return *lost ? -EOWNERDEAD : 0;
}

/*
 * Joins the present round; -EAGAIN if there is none. @word: as it was then. Queue
 * locked, so that nobody dies meanwhile and is not told to us. The line comes
 * after the word: who sees us wait can rely on the round that we wait for.
 */
static int join_round(struct kfx_q *q, struct kfx_limit *limit, uint64_t *word)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	uint64_t now = kfx_load(&q->cell->state);

	do {
		*word = now;
		if (!count_of(now)) {
			kfx_wait_set(line, KFX_IDLE);
			return -EAGAIN;
		}
	} while (!kfx_cas(&q->cell->state, &now, now | KSYNC_WG_WAITERS));
	kfx_wait_begin(q, KFX_WANT_ROUND, round_of(now), NULL, limit);
	if (now & KSYNC_WG_LOSS)
		kfx_store(&line->lost, kfx_load(&q->cell->waitgroup.lost));
	kfx_store(&q->cell->waitgroup.waits,
		  kfx_load(&q->cell->waitgroup.waits) + 1);
	return 0;
}

/* Waits for the end of the present round. False: there is none; @lost as then. */
bool kfx_round_join(struct kfx_q *q, struct kfx_limit *limit, uint32_t *lost)
{
	uint64_t word;
	int ret;

	kfx_q_lock(q);
	ret = join_round(q, limit, &word);
	if (ret)
		last_round(q, word, lost);
	kfx_q_unlock(q);
	return !ret;
}

/* Is the round over that the owner of @q waits for? Then with what it lost. */
bool kfx_round_over(struct kfx_q *q, uint32_t *lost)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);

	/* What the members did. Pairs with the operation that ends the round. */
	if (round_of(kfx_load_acquire(&q->cell->state)) == kfx_load(&line->n))
		return false;
	*lost = kfx_load(&line->lost);
	return true;
}

/* Adds what changes when it is. Acquire: before the look, as in sleep_round(). */
void kfx_round_watch(struct kfx_q *q, struct kfx_futexes *f)
{
	kfx_futexes_add(f, &q->cell->waitgroup.round,
			kfx_load_acquire(&q->cell->state) /
			KSYNC_WG_ROUND_ONE);
}

/* Until the round is another, or -ETIMEDOUT, -ECANCELED. */
static int sleep_round(struct kfx_q *q, uint32_t round,
		       const struct kfx_limit *limit)
{
	uint64_t now = kfx_now(), next = now + KFX_LOOK_NS, word;
	bool last_look = false;
	struct kfx_futexes f;
	int ret;

	for (;; now = kfx_now()) {
		word = kfx_load_acquire(&q->cell->state);
		if (round_of(word) != round)
			return 0;
		ret = kfx_limit_over(limit, now);
		if (ret && last_look)
			return ret;
		if (ret || now >= next) {
			kfx_sweep(q->obj);
			next = kfx_now() +
			       kfx_pace(kfx_load(&q->obj->header->lines_hi));
		}
		last_look = ret;
		if (last_look)
			continue;
		/* If the look has ended the round, the value is another. */
		f.nr = 0;
		kfx_futexes_add(&f, &q->cell->waitgroup.round,
				word / KSYNC_WG_ROUND_ONE);
		kfx_limit_sleep(limit, &f, next < limit->deadline ?
				next : limit->deadline);
	}
}

int kfx_waitgroup_wait_limit(struct ksync_object *base, uint32_t index,
			     struct kfx_limit *limit, uint32_t *lost)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_line *line;
	struct kfx_thread *t;
	uint64_t word;
	struct kfx_q q;
	int ret;

	kfx_process_check_fork();
	kfx_fast_fill(base, index);
	kfx_q_init(&q, obj, index, 0);
	*lost = 0;
	/* Acquire: what the members did before they were done. */
	word = kfx_load_acquire(&q.cell->state);
	if (!(word & (KSYNC_WG_COUNT | KSYNC_WG_LOSS)))
		return 0;
	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	line = t->line;
	q.owner = t->id;
	kfx_q_lock(&q);
	ret = join_round(&q, limit, &word);
	if (ret)
		ret = last_round(&q, word, lost);
	kfx_q_unlock(&q);
	if (kfx_wait_state(line) == KFX_WAITING) {
		ret = sleep_round(&q, kfx_load(&line->n), limit);
		if (!ret)
			*lost = kfx_load(&line->lost);
		kfx_wait_set(line, KFX_IDLE);
		ret = *lost ? -EOWNERDEAD : ret;
	}
	kfx_limit_end(limit);
	return ret;
}

int kfx_waitgroup_wait(struct ksync_object *base, uint32_t index,
		       uint64_t deadline, uint32_t *lost)
{
	struct kfx_limit limit = { .deadline = deadline };

	return kfx_waitgroup_wait_limit(base, index, &limit, lost);
}

/*
 * 0 if @pidfd stands for this process, otherwise why not. The numbers are those
 * of /proc's PID namespace, on both sides.
 */
static int is_self(int pidfd)
{
	char path[48], self[16], line[128], *pid = NULL;
	ssize_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	if (!f)
		return -EBADF;
	while (!pid && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Pid:", 4))
			pid = line + 4;
	fclose(f);
	if (!pid)
		return -EBADF;
	if (strtol(pid, NULL, 10) < 0)
		return -ESRCH;
	len = readlink("/proc/self", self, sizeof(self) - 1);
	if (len <= 0)
		return -EOPNOTSUPP;
	self[len] = 0;
	return strtol(pid, NULL, 10) == strtol(self, NULL, 10) ?
		0 : -EOPNOTSUPP;
}

/* One member more is bound to this process. Queue locked. */
static int tie(struct kfx_q *q, struct ksync_hold *hold)
{
	struct ksync_waitgroup_cell *cell = &q->cell->waitgroup;
	uint64_t word = kfx_set(&q->cell->state, KFX_WG_FROZEN) | KFX_WG_FROZEN;
	struct kfx_redo redo = { .nr = 4, .word_old = word, .word_new = word };
	uint32_t bound = kfx_load(&cell->bound), n = kfx_load(&hold->count);
	uint32_t *of = &cell->lost_before;	/* the round that bound speaks of */

	if (kfx_load(of) != round_of(word)) {
		bound = 0;
		kfx_store(&cell->bound, 0);
		kfx_store_release(of, round_of(word));
	}
	if (kfx_load(&hold->round) != round_of(word))
		n = 0;
	if (bound >= count_of(word)) {
		thaw(q);
		return -ERANGE;
	}
	redo.store[0].at = kfx_offset(q->obj, &hold->count);
	redo.store[0].value = n + 1;
	redo.store[1].at = kfx_offset(q->obj, &hold->round);
	redo.store[1].value = round_of(word);
	redo.store[2].at = kfx_offset(q->obj, &cell->bound);
	redo.store[2].value = bound + 1;
	kfx_q_commit(q, &redo);
	thaw(q);
	return 0;
}

int kfx_waitgroup_bind(struct ksync_object *base, uint32_t index, int pidfd)
{
	struct kfx_object *obj = kfx_obj(base);
	int ret, saved = errno;
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;

	ret = is_self(pidfd);
	if (!ret)
		ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_process_hold(obj, index, &hold);
	errno = saved;
	if (ret)
		return ret;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	ret = tie(&q, hold);
	kfx_q_unlock(&q);
	return ret;
}
