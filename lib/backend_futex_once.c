// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: once.
 *
 * The word names the line of the runner, as that of a mutex its holder. It is
 * changed from idle to run by whoever comes, and with the queue locked in all
 * other cases. Those who waited for a run that completed find its result in
 * their lines: the cell may have that of another run by the time they look.
 */
#include "backend_futex.h"

static uint32_t runner(uint64_t word)
{
	return word & KSYNC_ONCE_ID;
}

static void set_flags(struct kfx_q *q)
{
	bool any = kfx_q_first(q);

	if (any == !!(kfx_load(&q->cell->state) & KSYNC_ONCE_WAITERS))
		return;
	if (any)
		kfx_set(&q->cell->state, KSYNC_ONCE_WAITERS);
	else
		kfx_clear(&q->cell->state, KSYNC_ONCE_WAITERS);
}

/* Idle: @id runs it from now on. @word: what was there; then what is. */
static int try_begin(struct kfx_q *q, uint64_t *word, uint32_t id)
{
	uint64_t new;

	do {
		if (*word & KSYNC_ONCE_DONE)
			return -EALREADY;
		if (runner(*word))
			return -EBUSY;
		new = (*word & ~KSYNC_ONCE_RUNS) |
		      ((*word + KSYNC_ONCE_RUN) & KSYNC_ONCE_RUNS) | id;
	} while (!kfx_cas(&q->cell->state, word, new));
	*word = new;
	return 0;
}

/* It is done: lets all go, each with the result. Queue locked. */
static void release_all(struct kfx_q *q)
{
	uint64_t result = kfx_load(&q->cell->once.result);
	struct kfx_line *line;
	uint32_t id, n;

	for (n = 0; n < KFX_LINES && (id = kfx_q_first(q)); n++) {
		line = kfx_line(q->obj, id);
		kfx_store(&line->n, (uint32_t)result);
		kfx_store(&line->lost, (uint32_t)(result >> 32));
		kfx_q_admit(q, id, KFX_FAILED);
	}
}

/* Of a grant that was made and not finished by who died: finishes it. */
static void finish_grant(struct kfx_q *q)
{
	uint32_t id = runner(kfx_load(&q->cell->state));
	struct kfx_line *line;

	if (!id || id >= KFX_LINES)
		return;
	line = kfx_line(q->obj, id);
	if (kfx_load(&line->kind) == KFX_LINE_THREAD &&
	    kfx_wait_state(line) == KFX_WAITING &&
	    kfx_load(&line->index) == q->index)
		kfx_q_admit(q, id, KFX_GRANTED);
}

static void once_advance(struct kfx_q *q)
{
	uint64_t word;
	uint32_t id;

	finish_grant(q);
	kfx_q_drop_dead(q);
	/* Before the last look at the word: pairs with the CAS in end(). */
	set_flags(q);
	word = kfx_load(&q->cell->state);
	id = kfx_q_first(q);
	if (id && !(word & KSYNC_ONCE_DONE) && !try_begin(q, &word, id))
		kfx_q_admit(q, id, KFX_GRANTED);
	if (word & KSYNC_ONCE_DONE)
		release_all(q);
	set_flags(q);
}

/* A waiter died. If it was to run: it has not begun to. Queue locked. */
static void once_drop_wait(struct kfx_q *q, uint32_t id, struct kfx_line *line)
{
	uint64_t word = kfx_load(&q->cell->state);

	do {
		if (!id || runner(word) != id)
			return;
	} while (!kfx_cas(&q->cell->state, &word, word & ~KSYNC_ONCE_ID));
}

/* A runner died. Queue locked. */
static void once_drop_hold(struct kfx_q *q, uint32_t id, struct ksync_hold *hold)
{
	struct ksync_once_cell *cell = &q->cell->once;
	uint64_t word = kfx_load(&q->cell->state);
	struct kfx_redo redo = { .nr = 2, .word_old = word };

	if (!id || runner(word) != id)
		return;
	/* The dead change it no more, and others only with the queue. */
	redo.word_new = (word & ~KSYNC_ONCE_ID) | KSYNC_ONCE_DEAD;
	redo.store[0].at = kfx_offset(q->obj, &cell->deaths);
	redo.store[0].value = kfx_load(&cell->deaths) + 1;
	kfx_q_commit(q, &redo);
}

static void once_check(struct kfx_q *q)
{
	kfx_line_check(q->obj, runner(kfx_load(&q->cell->state)));
}

const struct kfx_type kfx_once_type = {
	.advance = once_advance,
	.drop_wait = once_drop_wait,
	.drop_hold = once_drop_hold,
	.check = once_check,
};

/* The result, if it is done. */
static bool is_done(union ksync_cell *cell, uint64_t *result)
{
	/* Acquire: before the result. Pairs with the CAS in end(). */
	uint64_t word = kfx_load_acquire(&cell->state);

	if (!(word & KSYNC_ONCE_DONE))
		return false;
	/* Acquire: the word, then, is read after it. */
	*result = kfx_load_acquire(&cell->once.result);
	/* Otherwise another run may have begun, and the result be its. */
	return kfx_load(&cell->state) == word;
}

static int taken(union ksync_cell *cell, uint64_t word, bool waited)
{
	kfx_store(&cell->once.since, kfx_now_coarse());
	if (waited)
		kfx_count(&cell->once.contended);
	return word & KSYNC_ONCE_DEAD ? -EOWNERDEAD : 0;
}

/* Until it is our turn, or over. */
static int wait_for_it(struct kfx_q *q, struct kfx_limit *limit,
		       uint64_t *result)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	enum kfx_wait_state state;
	int ret;

	kfx_q_lock(q);
	kfx_wait_begin(q, KFX_WANT_EXCL, 0, NULL, limit);
	once_advance(q);
	kfx_q_unlock(q);

	ret = kfx_wait(q, limit, NULL);
	state = kfx_wait_state(line);
	if (state == KFX_WAITING) {
		kfx_q_lock(q);
		state = kfx_wait_state(line);
		if (state == KFX_WAITING) {
			kfx_q_leave(q);
			once_advance(q);
		}
		kfx_q_unlock(q);
	}
	if (state == KFX_FAILED) {
		ret = -EALREADY;
		*result = (uint64_t)kfx_load(&line->lost) << 32 |
			  kfx_load(&line->n);
	} else if (state == KFX_GRANTED) {
		ret = 0;
	}
	kfx_wait_set(line, KFX_IDLE);
	return ret ? ret : taken(q->cell, kfx_load(&q->cell->state), true);
}

static int begin(struct kfx_q *q, struct kfx_thread *t,
		 struct kfx_limit *limit, uint64_t *result)
{
	uint64_t word;
	int ret;

	do {
		if (is_done(q->cell, result))
			return -EALREADY;
		word = kfx_load(&q->cell->state);
		ret = try_begin(q, &word, q->owner);
	} while (ret == -EALREADY);
	if (!ret)
		return taken(q->cell, word, false);
	if (limit->deadline <= kfx_now()) {
		/* As for a try: who is in the way may be dead. */
		kfx_look(q, t);
		word = kfx_load(&q->cell->state);
		ret = try_begin(q, &word, q->owner);
		if (!ret)
			return taken(q->cell, word, false);
	}
	return wait_for_it(q, limit, result);
}

int kfx_once_begin(struct ksync_object *base, uint32_t index,
		   const struct ksync_limit *limit, uint64_t *result)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_limit until;
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	int ret;

	if (is_done(&obj->cells[index], result))
		return -EALREADY;
	ret = kfx_limit_init(&until, limit);
	if (!ret)
		ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_hold_get(t, index, &hold);
	if (ret)
		return ret;
	if (kfx_load(&hold->key) & KFX_HELD_EXCL)
		return -EDEADLK;
	kfx_q_init(&q, obj, index, t->id);
	/* Before the word can name us; the CAS is a full barrier. */
	kfx_store(&hold->key, (index + 1) | KFX_HELD_EXCL);
	ret = begin(&q, t, &until, result);
	if (ret && ret != -EOWNERDEAD)
		kfx_hold_end(t, hold, index);
	return ret;
}

/* The run is at its end. Queue locked. */
static void end(struct kfx_q *q, const uint64_t *result)
{
	struct ksync_once_cell *cell = &q->cell->once;
	uint64_t word = kfx_load(&q->cell->state), new;

	/* Before the word says that it is there. */
	if (result)
		kfx_store(&cell->result, *result);
	do {
		/* Taken from us, as from the dead. */
		if (runner(word) != q->owner)
			return;
		new = word & ~KSYNC_ONCE_ID;
		if (result)
			new = (new & ~KSYNC_ONCE_DEAD) | KSYNC_ONCE_DONE;
	} while (!kfx_cas(&q->cell->state, &word, new));
	kfx_count(result ? &cell->completed : &cell->abandoned);
	once_advance(q);
}

static int end_run(struct ksync_object *base, uint32_t index,
		   const uint64_t *result)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	hold = kfx_hold_find(t, index);
	if (!hold || !(kfx_load(&hold->key) & KFX_HELD_EXCL))
		return -EPERM;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	end(&q, result);
	kfx_q_unlock(&q);
	kfx_hold_end(t, hold, index);
	return 0;
}

int kfx_once_complete(struct ksync_object *base, uint32_t index,
		      uint64_t result)
{
	return end_run(base, index, &result);
}

int kfx_once_abandon(struct ksync_object *base, uint32_t index)
{
	return end_run(base, index, NULL);
}

int kfx_once_reset(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	union ksync_cell *cell = &obj->cells[index];
	uint64_t word = kfx_load(&cell->state);
	struct kfx_thread *t;
	struct kfx_q q;
	int ret;

	if (runner(word)) {
		ret = kfx_thread_get(obj, &t);
		if (ret)
			return ret;
		kfx_q_init(&q, obj, index, t->id);
		kfx_look(&q, t);
		word = kfx_load(&cell->state);
	}
	do {
		if (runner(word))
			return -EBUSY;
	} while (!kfx_cas(&cell->state, &word, word & ~KSYNC_ONCE_DONE));
	return 0;
}
