// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: mutex.
 *
 *	        lock: CAS            unlock: store, nobody waits
 *	free -----------> held ----------------------------------> free
 *	                   |
 *	                   | somebody waits
 *	                   +--> free, and the oldest waiter nudged to try
 *	                   +--> held by the oldest waiter, if it starves or FIFO
 *	                   '--> LOST, if it was inconsistent
 *
 * A free mutex is for whoever comes first, also past a queue (barging). While a
 * nudged waiter is on its way, WAITERS is not in the word, so that further unlocks
 * need neither the queue nor a wake-up. It comes back, with the queue locked, when
 * that one has failed, was let in, gave up or is found to be dead; until then
 * whoever else waits depends on it.
 *
 * Who was passed by for long while nobody slept queues without sleeping, and has
 * the mutex handed over:
 *
 *	spinning --> queued, AT_HAND, and AWAKE in its line ---> held
 *	                   |                                      ^
 *	                   | not soon                             |
 *	                   '--> asleep, nudged and so on ---------'
 *
 * An unlock without an atomic operation is a store to the low half of the word
 * and a load of the high half (ksync_inline.h). Who begins to wait makes up for
 * the fence that is not there:
 *
 *	unlock				wait, queue locked
 *	0 in the low half		WAITERS and FENCED in the high half
 *	(compiler barrier)		(kfx_barrier(), if FENCED was not set)
 *	WAITERS or FENCED there?	free by now?
 *	  fence, WAITERS there?		  take it, otherwise sleep
 *	    wake
 *
 * FENCED stays for a while after the last waiter has gone: meanwhile unlocks
 * have a fence of their own, and waiters need not send a barrier. The barrier
 * has been sent before whoever set FENCED unlocks the queue (if he dies, by his
 * heir), so who finds FENCED with the queue locked need not send it: who saw no
 * FENCED after his store, has stored visibly since. After some unlocks without
 * waiters FENCED goes, by an atomic operation that fails if somebody waits.
 * Where barriers cannot be sent, nobody unlocks without a fence.
 */
#include "backend_futex_mutex.h"

/* Unlocks in a row without waiters, after which fences are left out again. */
#define CALM	1000

/* The oldest waiter is starving: it gets the mutex handed over. */
#define STARVING_NS	1000000ULL

/* In so many holds that it gives back here, a thread tells where it runs. */
#define TELL_EVERY	32

static void set_flags(struct kfx_q *q)
{
	uint64_t word = kfx_load(&q->cell->state);

	if (!kfx_q_first(q)) {
		kfx_store(kfx_nudged_of(q), 0);
		if (word & KSYNC_LOCK_WAITERS)
			kfx_clear(&q->cell->state, KSYNC_LOCK_WAITERS);
	} else if (!(word & KSYNC_LOCK_WAITERS) &&
		   kfx_load(kfx_nudged_of(q)) != KFX_NUDGED) {
		word = kfx_set(&q->cell->state,
			       KSYNC_LOCK_WAITERS | KSYNC_LOCK_FENCED);
		/* Pairs with the unlock without a fence. */
		if (!(word & KSYNC_LOCK_FENCED))
			kfx_barrier();
	}
}

static void mutex_advance(struct kfx_q *q)
{
	uint32_t first = kfx_q_first(q), id;
	uint64_t word;

	kfx_lock_grant_done(q);
	kfx_q_drop_dead(q);
	/* Only the first is nudged. It has the mutex, or is dead. */
	if (kfx_q_first(q) != first)
		kfx_store(kfx_nudged_of(q), 0);
	/* Before the last look at the word: pairs with unlock. */
	set_flags(q);
	word = kfx_load(&q->cell->state);
	if (word & KSYNC_LOCK_LOST)
		kfx_lock_fail_all(q);
	id = kfx_q_first(q);
	if (id && !kfx_lock_id(word) && kfx_lock_grant(q, id))
		kfx_store(kfx_nudged_of(q), 0);
	set_flags(q);
}

static void mutex_drop_wait(struct kfx_q *q, uint32_t id, struct kfx_line *line)
{
	if (kfx_load(&line->nudged))
		kfx_store(kfx_nudged_of(q), 0);
	kfx_lock_pass_on(q, id);
}

static void mutex_drop_hold(struct kfx_q *q, uint32_t id, struct ksync_hold *hold)
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
int kfx_mutex_try(struct kfx_q *q, uint64_t *word, bool newcomer)
{
	do {
		if (*word & KSYNC_LOCK_LOST)
			return -ENOTRECOVERABLE;
		if (kfx_lock_id(*word))
			return -EBUSY;
		if (newcomer && kfx_in_order(q->obj) &&
		    (*word & KSYNC_LOCK_WAITERS))
			return -EBUSY;
	} while (!kfx_cas(&q->cell->state, word, *word | q->owner));
	return 0;
}

static uint16_t in_ms(uint64_t ns)
{
	return ns >> 20;
}

/*
 * Has waited long enough, and nobody else was helped just now: otherwise, with
 * many waiters, all would starve from then on and nobody barge.
 */
static bool starves(struct kfx_q *q, struct kfx_line *line)
{
	uint64_t now = kfx_now();

	return now - kfx_load(&line->since) >= STARVING_NS &&
	       kfx_load(&kfx_mutex_more(q->cell)->handed) != in_ms(now);
}

/*
 * Awake, it did not get it: the next unlock shall nudge again, or hand over. A
 * look at the word is to follow; the barriers before it pair with let_free().
 */
static void failed(struct kfx_q *q, struct kfx_line *line)
{
	kfx_q_lock(q);
	if (kfx_wait_state(line) == KFX_WAITING) {
		kfx_store(&line->nudged, 0);
		kfx_store(kfx_nudged_of(q),
			  starves(q, line) ? KFX_STARVING : 0);
		set_flags(q);
	}
	kfx_q_unlock(q);
}

/* A waiter that is awake tries its luck, unless all goes in order. */
bool kfx_mutex_poll(struct kfx_q *q)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	uint64_t word = kfx_load(&q->cell->state);

	if (kfx_in_order(q->obj))
		return false;
	if (!kfx_mutex_try(q, &word, false))
		return true;
	if (!kfx_load(&line->nudged))
		return false;
	if (kfx_load(&line->nudged) == KFX_AWAKE)
		kfx_mutex_spin_granted(line);
	else if (!kfx_mutex_spin(q, &word, false))
		return true;
	failed(q, line);
	word = kfx_load(&q->cell->state);
	return kfx_wait_state(line) != KFX_WAITING ||
	       !kfx_mutex_try(q, &word, false);
}

/* Out of the queue, with or without the mutex. Queue locked. */
static void stop_waiting(struct kfx_q *q)
{
	/* Only the first is nudged, or starves. */
	if (kfx_q_first(q) == q->owner)
		kfx_store(kfx_nudged_of(q), 0);
	kfx_q_leave(q);
	mutex_advance(q);
}

/* The caller holds it now. @word: as it is, or was when it was free. */
static int taken(struct kfx_q *q, uint64_t word, bool waited)
{
	struct ksync_lock_cell *lock = &q->cell->lock;

	kfx_store(&lock->token, kfx_load(&lock->token) + 1);
	if (kfx_load(&lock->depth))
		kfx_store(&lock->depth, 0);
	if (waited)
		kfx_count(&lock->contended);
	return word & KSYNC_LOCK_DEAD ? -EOWNERDEAD : 0;
}

static void join(struct kfx_q *q, struct kfx_limit *limit, bool awake)
{
	kfx_mutex_seen(q->cell);
	kfx_q_lock(q);
	kfx_wait_begin(q, KFX_WANT_EXCL, 0, NULL, limit);
	if (awake && !kfx_in_order(q->obj) && kfx_q_first(q) == q->owner) {
		kfx_store(&kfx_line(q->obj, q->owner)->nudged, KFX_AWAKE);
		kfx_store(kfx_nudged_of(q), KFX_AT_HAND);
	}
	set_flags(q);
	/* Otherwise kfx_mutex_poll() has the last look. */
	if (kfx_in_order(q->obj) ||
	    (kfx_load(&q->cell->state) & KSYNC_LOCK_LOST))
		mutex_advance(q);
	kfx_q_unlock(q);
}

/* To be followed by looks at the line's state, and by polls. */
void kfx_mutex_join(struct kfx_q *q, struct kfx_limit *limit)
{
	join(q, limit, false);
}

/* 0 or -EOWNERDEAD: with the mutex. */
static int wait_for_it(struct kfx_q *q, struct kfx_limit *limit)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	enum kfx_wait_state state;
	int ret;

	join(q, limit, kfx_self.passed_by);
	ret = kfx_wait(q, limit, kfx_mutex_poll);
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
	if (kfx_self.spun && !kfx_self.passed_by)
		kfx_mutex_learn(line);
	return taken(q, kfx_load(&q->cell->state), true);
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

/* @limit: NULL for a try. */
static int take_slowly(struct kfx_q *q, struct kfx_thread *t,
		       struct kfx_limit *limit)
{
	uint64_t word = kfx_load(&q->cell->state);
	int ret = kfx_mutex_try(q, &word, true);

	if (ret == -EBUSY && !limit) {
		kfx_look(q, t);
		word = kfx_load(&q->cell->state);
		ret = kfx_mutex_try(q, &word, true);
	} else if (ret == -EBUSY) {
		ret = kfx_mutex_spin(q, &word, true);
		if (ret == -EBUSY)
			return wait_for_it(q, limit);
	}
	return ret ? ret : taken(q, word, false);
}

/* Beyond what ksync_inline_lock() does. */
static int take(struct ksync_object *base, uint32_t index,
		struct kfx_limit *limit)
{
	struct kfx_object *obj = kfx_obj(base);
	struct ksync_hold *hold;
	struct kfx_thread *t;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_hold_get(t, index, &hold);
	if (ret)
		return ret;
	kfx_fast_fill_lock(base, index, t, hold);
	if (kfx_load(&hold->key) & KFX_HELD_EXCL)
		return relock(obj, &obj->cells[index], !limit);
	/* Before the word can name us; the CAS is a full barrier. */
	kfx_store(&hold->key, (index + 1) | KFX_HELD_EXCL);
	kfx_q_init(&q, obj, index, t->id);
	kfx_line_here(t->line);
	ret = take_slowly(&q, t, limit);
	if (ret && ret != -EOWNERDEAD)
		kfx_hold_end(t, hold, index);
	return ret;
}

int kfx_mutex_lock(struct ksync_object *base, uint32_t index, uint64_t deadline)
{
	struct kfx_limit limit = { .deadline = deadline };

	return take(base, index, &limit);
}

int kfx_mutex_lock_limit(struct ksync_object *base, uint32_t index,
			 struct kfx_limit *limit)
{
	return take(base, index, limit);
}

int kfx_mutex_trylock(struct ksync_object *base, uint32_t index)
{
	return take(base, index, NULL);
}

/* What the owner of @q has becomes that of the thread @id, which holds it now. */
int kfx_mutex_accept(struct kfx_q *q, uint32_t id)
{
	kfx_lock_hand_on(q, id);
	return taken(q, kfx_load(&q->cell->state), true);
}

static void nudge(struct kfx_q *q, uint32_t id)
{
	/*
	 * First its line: if we are killed on the way, it finds that when it next
	 * looks, and fails or has it. Release: pairs with our heir's look at the
	 * queue, which it locks.
	 */
	kfx_store(&kfx_line(q->obj, id)->nudged, 1);
	kfx_store_release(kfx_nudged_of(q), KFX_NUDGED);
	kfx_clear(&q->cell->state, KSYNC_LOCK_WAITERS);
	kfx_q_wake(q, id);
}

/* Is the oldest waiter to have it? Without the queue's lock this is a guess. */
static bool goes_to_oldest(struct kfx_q *q)
{
	uint32_t first = kfx_q_first(q);

	if (kfx_in_order(q->obj) || kfx_hand_over(q))
		return true;
	return first && kfx_load(kfx_nudged_of(q)) != KFX_NUDGED &&
	       starves(q, kfx_line(q->obj, first));
}

/* It is handed over, to the oldest waiter. Queue locked. */
static void note_handed(struct kfx_q *q)
{
	kfx_store(&kfx_mutex_more(q->cell)->handed, in_ms(kfx_now()));
}

/* It is free, and somebody waits: the oldest shall have it, or try. */
static void wake_oldest(struct kfx_q *q)
{
	uint32_t first;

	kfx_q_lock(q);
	first = kfx_q_first(q);
	if (first && goes_to_oldest(q)) {
		note_handed(q);
		mutex_advance(q);
	} else if (!first) {
		mutex_advance(q);
	} else if (!kfx_load(kfx_nudged_of(q)) &&
		 !kfx_load(&q->cell->lock.owner)) {
		nudge(q, first);
	}
	kfx_q_unlock(q);
}

/*
 * @word: as it is, or was. Not with the queue locked, so that it is free at
 * once. If a waiter was nudged it tries; if that one dies, the others find out.
 */
static void let_free(struct kfx_q *q, uint64_t word)
{
	/* A full barrier: pairs with set_flags() and with mutex_poll(). */
	while (kfx_lock_id(word) == q->owner &&
	       !kfx_cas(&q->cell->state, &word, word & ~KSYNC_LOCK_ID))
		;
	if ((word & KSYNC_LOCK_WAITERS) &&
	    kfx_load(kfx_nudged_of(q)) != KFX_NUDGED)
		wake_oldest(q);
}

/* Nobody has waited for a while: true if it is free, and without FENCED. */
static bool let_free_unfenced(struct kfx_q *q)
{
	struct kfx_mutex_more *more = kfx_mutex_more(q->cell);
	uint64_t word = q->owner | KSYNC_LOCK_FENCED;
	uint16_t calm = kfx_load(&more->calm) + 1;

	if (calm > CALM && kfx_cas(&q->cell->state, &word, 0)) {
		kfx_store(&more->calm, 0);
		return true;
	}
	kfx_store(&more->calm, calm);
	return false;
}

/* Queue locked: while it is ours, nobody else changes the word. */
static void let_go(struct kfx_q *q)
{
	uint64_t word = kfx_load(&q->cell->state);
	uint64_t flags = word & (KSYNC_LOCK_WAITERS | KSYNC_LOCK_FENCED);
	uint32_t first = kfx_q_first(q);

	if (kfx_lock_id(word) != q->owner)
		return;
	if (word & KSYNC_LOCK_DEAD) {
		kfx_swap(&q->cell->state, flags | KSYNC_LOCK_LOST);
	} else if (!first) {
		kfx_swap(&q->cell->state, flags);
	} else {
		/* Never free in between; no wake-up is on its way any more. */
		kfx_store(kfx_nudged_of(q), 0);
		note_handed(q);
		kfx_swap(&q->cell->state, flags | first);
		kfx_q_admit(q, first, KFX_GRANTED);
	}
	mutex_advance(q);
}

/*
 * As wide as it was changed by who locked: a processor makes a wider look wait
 * until that change is in the cache, which takes as long as an atomic operation.
 */
static uint64_t word_by_halves(struct kfx_q *q)
{
	return kfx_load(&q->cell->lock.owner) |
	       (uint64_t)kfx_load(&q->cell->lock.ctl) << 32;
}

/* Beyond what ksync_inline_unlock() does. */
static void release(struct kfx_q *q)
{
	uint64_t word = word_by_halves(q);

	if (kfx_lock_id(word) != q->owner) {
		/* It has let go, and then seen flags; or we seemed dead. */
		kfx_fence();
		if ((kfx_load(&q->cell->state) & KSYNC_LOCK_WAITERS) &&
		    kfx_load(kfx_nudged_of(q)) != KFX_NUDGED)
			wake_oldest(q);
	} else if ((word & KSYNC_LOCK_DEAD) ||
		   ((word & KSYNC_LOCK_WAITERS) && goes_to_oldest(q))) {
		kfx_q_lock(q);
		let_go(q);
		kfx_q_unlock(q);
	} else if ((word & KSYNC_LOCK_WAITERS) || !let_free_unfenced(q)) {
		let_free(q, word);
	}
}

int kfx_mutex_unlock(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	union ksync_cell *cell = &obj->cells[index];
	struct ksync_hold *hold;
	struct kfx_thread *t;
	struct kfx_q q;
	uint32_t depth;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	hold = kfx_hold_find(t, index);
	if (!hold || !(kfx_load(&hold->key) & KFX_HELD_EXCL))
		return -EPERM;
	depth = kfx_load(&cell->lock.depth);
	if (depth && (obj->flags & KSYNC_RECURSIVE)) {
		kfx_store(&cell->lock.depth, depth - 1);
		return 0;
	}
	kfx_q_init(&q, obj, index, t->id);
	/* A thread is not moved often, and to look takes time. */
	if (!(kfx_load(&cell->lock.token) % TELL_EVERY))
		kfx_line_here(t->line);
	release(&q);
	kfx_hold_end(t, hold, index);
	return 0;
}
