// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: mutex.
 *
 *	        lock: CAS            unlock: CAS, nobody waits
 *	free -----------> held --------------------------------> free
 *	                   |
 *	                   | unlock with the queue locked
 *	                   +--> free, and the oldest waiter nudged to try
 *	                   +--> held by the oldest waiter, if it starves or FIFO
 *	                   '--> LOST, if it was inconsistent
 *
 * A free mutex is for whoever comes first, also past a queue (barging). While a
 * nudged waiter is on its way, further unlocks need neither the queue nor a
 * wake-up.
 */
#include "backend_futex.h"

/* In rounds of a pause each: about what going to sleep and back costs. */
#define SPINS	200

/* Was a waiter nudged that has not failed yet? For mutexes without writers. */
#define nudged_of(q)	(&(q)->queue->writers)

static bool in_order(struct kfx_object *obj)
{
	return obj->flags & KSYNC_FIFO;
}

static void set_flags(struct kfx_q *q)
{
	uint64_t flags = kfx_lock_flags(q);
	uint64_t word = kfx_load(&q->cell->state);

	if ((word & KSYNC_LOCK_WAITERS) == flags)
		return;
	if (flags)
		kfx_set(&q->cell->state, flags);
	else
		kfx_clear(&q->cell->state, KSYNC_LOCK_WAITERS);
}

static void mutex_advance(struct kfx_q *q)
{
	uint64_t word;
	uint32_t id;

	kfx_lock_grant_done(q);
	kfx_q_drop_dead(q);
	/* Before the last look at the word: pairs with the CAS of unlock. */
	set_flags(q);
	word = kfx_load(&q->cell->state);
	if (word & KSYNC_LOCK_LOST)
		kfx_lock_fail_all(q);
	id = kfx_q_first(q);
	if (id && !kfx_lock_id(word) && kfx_lock_grant(q, id))
		kfx_store(nudged_of(q), 0);
	set_flags(q);
}

static void mutex_drop_wait(struct kfx_q *q, uint32_t id, struct kfx_line *line)
{
	if (kfx_load(&line->nudged))
		kfx_store(nudged_of(q), 0);
	kfx_lock_pass_on(q, id);
}

static void mutex_drop_hold(struct kfx_q *q, uint32_t id, struct kfx_hold *hold)
{
	kfx_lock_die(q, id);
}

static void mutex_check(struct kfx_q *q)
{
	kfx_line_check(q->obj, kfx_lock_id(kfx_load(&q->cell->state)));
}

const struct kfx_type kfx_mutex_type = {
	.advance = mutex_advance,
	.drop_wait = mutex_drop_wait,
	.drop_hold = mutex_drop_hold,
	.check = mutex_check,
};

/*
 * Takes it if it is free. -EBUSY, -ENOTRECOVERABLE. @word: what was there, as
 * far as the caller knows; then what is.
 */
static int try_take(struct kfx_q *q, uint64_t *word, bool newcomer)
{
	do {
		if (*word & KSYNC_LOCK_LOST)
			return -ENOTRECOVERABLE;
		if (kfx_lock_id(*word))
			return -EBUSY;
		if (newcomer && in_order(q->obj) &&
		    (*word & KSYNC_LOCK_WAITERS))
			return -EBUSY;
	} while (!kfx_cas(&q->cell->state, word, *word | q->owner));
	return 0;
}

static int spin(struct kfx_q *q, uint64_t *word)
{
	int i, ret = -EBUSY;

	for (i = 0; i < SPINS && ret == -EBUSY && kfx_cpus() > 1; i++) {
		/* Who waits already has the better claim to the CPU. */
		if (*word & KSYNC_LOCK_WAITERS)
			break;
		kfx_relax();
		*word = kfx_load(&q->cell->state);
		ret = try_take(q, word, true);
	}
	return ret;
}

/* A waiter that is awake tries its luck, unless all goes in order. */
static bool mutex_poll(struct kfx_q *q)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	uint64_t word = kfx_load(&q->cell->state);

	if (in_order(q->obj))
		return false;
	if (!try_take(q, &word, false))
		return true;
	if (!kfx_load(&line->nudged))
		return false;
	/*
	 * The next unlock shall nudge again. A full barrier before the last
	 * look: pairs with the one between word and flag in unlock_nudged().
	 */
	kfx_store(&line->nudged, 0);
	kfx_swap(nudged_of(q), 0);
	word = kfx_load(&q->cell->state);
	return !try_take(q, &word, false);
}

/* Out of the queue, with or without the mutex. Queue locked. */
static void stop_waiting(struct kfx_q *q)
{
	if (kfx_load(&kfx_line(q->obj, q->owner)->nudged))
		kfx_store(nudged_of(q), 0);
	kfx_q_leave(q);
	mutex_advance(q);
}

/* 0 or -EOWNERDEAD: with the mutex. */
static int wait_for_it(struct kfx_q *q, uint64_t deadline)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	enum kfx_wait_state state;
	int ret;

	kfx_q_lock(q);
	kfx_wait_begin(q, KFX_WANT_EXCL, 0, NULL);
	mutex_advance(q);
	kfx_q_unlock(q);

	ret = kfx_wait(q, deadline, mutex_poll);
	state = kfx_wait_state(line);
	if (state == KFX_WAITING) {
		kfx_q_lock(q);
		state = kfx_wait_state(line);
		if (state == KFX_WAITING)
			stop_waiting(q);
		kfx_q_unlock(q);
	}
	if (state == KFX_FAILED)
		ret = -ENOTRECOVERABLE;
	else if (state == KFX_GRANTED)
		ret = 0;
	kfx_wait_set(line, KFX_IDLE);
	if (ret)
		return ret;
	return kfx_lock_taken(q->cell, kfx_load(&q->cell->state), true);
}

static int relock(struct kfx_object *obj, union ksync_cell *cell, bool try)
{
	uint32_t depth = kfx_load(&cell->lock.depth);

	if (!(obj->flags & KSYNC_RECURSIVE))
		return try ? -EBUSY : -EDEADLK;
	if (depth == UINT32_MAX)
		return -EOVERFLOW;
	kfx_store(&cell->lock.depth, depth + 1);
	return 0;
}

static int take_queue(struct kfx_q *q, struct kfx_thread *t, uint64_t word,
		      uint64_t deadline, bool try)
{
	int ret = try_take(q, &word, true);

	if (ret == -EBUSY && try) {
		kfx_look(q, t);
		word = kfx_load(&q->cell->state);
		ret = try_take(q, &word, true);
	}
	if (ret == -EBUSY && !try) {
		ret = spin(q, &word);
		if (ret == -EBUSY)
			return wait_for_it(q, deadline);
	}
	return ret ? ret : kfx_lock_taken(q->cell, word, false);
}

/* It was not simply free. */
static __attribute__((noinline)) int
take_slowly(struct kfx_object *obj, uint32_t index, struct kfx_thread *t,
	    struct kfx_hold *hold, uint64_t word, uint64_t deadline, bool try)
{
	struct kfx_q q;
	int ret;

	kfx_q_init(&q, obj, index, t->id);
	ret = take_queue(&q, t, word, deadline, try);
	if (ret && ret != -EOWNERDEAD)
		kfx_hold_end(t, hold, index);
	return ret;
}

static inline int take(struct ksync_object *base, uint32_t index,
		       uint64_t deadline, bool try)
{
	struct kfx_object *obj = kfx_obj(base);
	union ksync_cell *cell = &obj->cells[index];
	struct kfx_thread *t;
	struct kfx_hold *hold;
	uint64_t word = 0;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_hold_get(t, index, &hold);
	if (ret)
		return ret;
	if (kfx_load(&hold->key) & KFX_HELD_EXCL)
		return relock(obj, cell, try);
	/* Before the word can name us; the CAS is a full barrier. */
	kfx_store(&hold->key, (index + 1) | KFX_HELD_EXCL);
	if (kfx_cas(&cell->state, &word, t->id))
		return kfx_lock_taken(cell, 0, false);
	return take_slowly(obj, index, t, hold, word, deadline, try);
}

int kfx_mutex_lock(struct ksync_object *base, uint32_t index, uint64_t deadline)
{
	return take(base, index, deadline, false);
}

int kfx_mutex_trylock(struct ksync_object *base, uint32_t index)
{
	return take(base, index, 0, true);
}

/*
 * Waiters, but the oldest is awake to take it and does not starve: lets go
 * without the queue. If that one dies, the others find out.
 */
static bool unlock_nudged(struct kfx_q *q)
{
	uint64_t word = q->owner | KSYNC_LOCK_WAITERS;
	uint32_t first = kfx_q_first(q);

	if (in_order(q->obj) || !first || !kfx_load(nudged_of(q)) ||
	    kfx_now() - kfx_load(&kfx_line(q->obj, first)->since) >=
	    KFX_STARVING_NS)
		return false;
	if (!kfx_cas(&q->cell->state, &word, KSYNC_LOCK_WAITERS))
		return false;
	/* The CAS is the barrier: pairs with that in mutex_poll(). */
	if (kfx_load(nudged_of(q)))
		return true;
	/* It went back to sleep in between: it, or the next one, now. */
	kfx_q_lock(q);
	mutex_advance(q);
	kfx_q_unlock(q);
	return true;
}

static void nudge(struct kfx_q *q, uint32_t id)
{
	kfx_store(nudged_of(q), 1);
	kfx_store(&kfx_line(q->obj, id)->nudged, 1);
	kfx_q_wake(q, id);
}

/* Queue locked: while it is ours, nobody else changes the word. */
static void let_go(struct kfx_q *q)
{
	uint64_t word = kfx_load(&q->cell->state);
	uint32_t first = kfx_q_first(q);
	struct kfx_line *line = kfx_line(q->obj, first);

	/* It was taken from us, as from the dead: our descriptor was closed. */
	if (kfx_lock_id(word) != q->owner)
		return;
	if (word & KSYNC_LOCK_DEAD) {
		word &= ~(KSYNC_LOCK_ID | KSYNC_LOCK_DEAD);
		kfx_swap(&q->cell->state, word | KSYNC_LOCK_LOST);
		mutex_advance(q);
	} else if (!first) {
		kfx_swap(&q->cell->state, 0);
	} else if (in_order(q->obj) ||
		   kfx_now() - kfx_load(&line->since) >= KFX_STARVING_NS) {
		/* Never free in between; no wake-up is on its way any more. */
		kfx_store(nudged_of(q), 0);
		kfx_swap(&q->cell->state, first | KSYNC_LOCK_WAITERS);
		kfx_q_admit(q, first, KFX_GRANTED);
		set_flags(q);
	} else {
		kfx_swap(&q->cell->state, KSYNC_LOCK_WAITERS);
		if (!kfx_load(nudged_of(q)))
			nudge(q, first);
	}
}

static __attribute__((noinline)) void
unlock_slowly(struct kfx_object *obj, uint32_t index, struct kfx_thread *t)
{
	struct kfx_q q;

	kfx_q_init(&q, obj, index, t->id);
	if (unlock_nudged(&q))
		return;
	kfx_q_lock(&q);
	let_go(&q);
	kfx_q_unlock(&q);
}

int kfx_mutex_unlock(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	union ksync_cell *cell = &obj->cells[index];
	struct kfx_thread *t;
	struct kfx_hold *hold;
	uint32_t depth;
	uint64_t word;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	hold = kfx_hold_find(t, index);
	if (!hold || !(kfx_load(&hold->key) & KFX_HELD_EXCL))
		return -EPERM;
	depth = kfx_load(&cell->lock.depth);
	if (depth) {
		kfx_store(&cell->lock.depth, depth - 1);
		return 0;
	}
	word = t->id;
	if (!kfx_cas(&cell->state, &word, 0))
		unlock_slowly(obj, index, t);
	kfx_hold_end(t, hold, index);
	return 0;
}
