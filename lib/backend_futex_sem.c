// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: semaphore.
 *
 *	acquire n	value >= n and nobody waits: CAS
 *	release n	nobody waits: CAS
 *
 * Otherwise with the queue locked. WAITERS set means: only the owner of the
 * queue lock changes the word. So it can change the word together with lines
 * and holds, all or nothing, and so it also sets WAITERS for that time when
 * nobody waits.
 *
 * Permits are given to the head of the queue as soon as there are enough for
 * it; those behind it wait. Tracked permits stand in the holds of the process.
 */
#include "backend_futex.h"

static uint32_t value_of(uint64_t word)
{
	return word & KSYNC_SEM_VALUE;
}

static uint32_t max_of(uint64_t word)
{
	return (word & KSYNC_SEM_MAX) >> KSYNC_SEM_MAX_SHIFT;
}

static bool tracked(struct kfx_object *obj)
{
	return obj->flags & KSYNC_TRACKED;
}

/* From here on only we change the word. Queue locked. */
static uint64_t freeze(struct kfx_q *q)
{
	return kfx_set(&q->cell->state, KSYNC_SEM_WAITERS) | KSYNC_SEM_WAITERS;
}

static void thaw(struct kfx_q *q)
{
	if (!kfx_q_first(q))
		kfx_clear(&q->cell->state, KSYNC_SEM_WAITERS);
}

/* Changes the word and the count of a hold, if there is one, together. */
static void move(struct kfx_q *q, struct kfx_redo *redo, uint64_t word,
		 uint64_t new, uint32_t hold_at, int64_t more)
{
	uint32_t *count;

	redo->word_old = word;
	redo->word_new = new;
	redo->nr = 1;
	if (hold_at && hold_at % 4 == 0 &&
	    hold_at <= q->obj->size - sizeof(struct ksync_hold)) {
		count = &((struct ksync_hold *)((char *)q->obj->base +
					      hold_at))->count;
		redo->store[0].at = kfx_offset(q->obj, count);
		redo->store[0].value = kfx_load(count) + more;
		redo->nr = 2;
	}
}

/* The head gets its permits. Frozen. */
static uint64_t grant(struct kfx_q *q, uint64_t word, uint32_t id)
{
	struct kfx_line *line = kfx_line(q->obj, id);
	uint32_t n = kfx_load(&line->n);
	uint64_t wait = kfx_load(&line->wait);
	struct kfx_redo redo = {
		.waiter = id, .wait_old = wait,
		.wait_new = (wait & ~KFX_WAIT_STATE) | KFX_GRANTED,
	};

	move(q, &redo, word, word - n, kfx_load(&line->hold_at), n);
	/* In this order: once granted, the line may join another queue. */
	kfx_q_remove(q, id);
	kfx_q_commit(q, &redo);
	kfx_q_wake(q, id);
	return word - n;
}

static void sem_advance(struct kfx_q *q)
{
	uint64_t word;
	uint32_t id, n;

	kfx_q_drop_dead(q);
	/* The flag before the last look: pairs with the CAS of release. */
	word = freeze(q);
	while ((id = kfx_q_first(q))) {
		n = kfx_load(&kfx_line(q->obj, id)->n);
		if (n > max_of(word))
			kfx_q_admit(q, id, KFX_FAILED);
		else if (n <= value_of(word))
			word = grant(q, word, id);
		else
			break;
		kfx_q_drop_dead(q);
	}
	thaw(q);
}

/* As many as fit: the maximum may be less than it was. */
static uint64_t give_back(uint64_t word, uint32_t n)
{
	uint32_t room = max_of(word) - value_of(word);

	if (value_of(word) > max_of(word))
		room = 0;
	return word + (n < room ? n : room);
}

static void sem_drop_wait(struct kfx_q *q, uint32_t id, struct kfx_line *line)
{
	uint32_t n = kfx_load(&line->n);
	uint64_t wait = kfx_load(&line->wait), word;
	struct kfx_redo redo = {
		.waiter = id, .wait_old = wait,
		.wait_new = (wait & ~KFX_WAIT_STATE) | KFX_IDLE,
	};

	if ((wait & KFX_WAIT_STATE) != KFX_GRANTED)
		return;
	word = freeze(q);
	move(q, &redo, word, give_back(word, n), kfx_load(&line->hold_at),
	     -(int64_t)n);
	kfx_q_commit(q, &redo);
}

/* A process died with permits. */
static void sem_drop_hold(struct kfx_q *q, uint32_t id, struct ksync_hold *hold)
{
	struct ksync_sem_cell *cell = &q->cell->sem;
	uint32_t n = kfx_load(&hold->count);
	uint64_t word = freeze(q);
	struct kfx_redo redo = { 0 };

	move(q, &redo, word, give_back(word, n), kfx_offset(q->obj, hold),
	     -(int64_t)n);
	redo.nr = 4;
	redo.store[1].at = kfx_offset(q->obj, &cell->deaths);
	redo.store[1].value = kfx_load(&cell->deaths) + 1;
	redo.store[2].at = kfx_offset(q->obj, &cell->lost);
	redo.store[2].value = kfx_load(&cell->lost) + n;
	kfx_q_commit(q, &redo);
}

const struct kfx_type kfx_sem_type = {
	.advance = sem_advance,
	.drop_wait = sem_drop_wait,
	.drop_hold = sem_drop_hold,
};

static void count_acquired(struct kfx_q *q)
{
	kfx_count(&q->cell->sem.acquired);
}

/* Without the queue. -EAGAIN: not like this. */
static int take_plain(struct kfx_q *q, uint32_t n)
{
	uint64_t word = kfx_load(&q->cell->state);

	do {
		if (n > max_of(word))
			return -EINVAL;
		if ((word & KSYNC_SEM_WAITERS) || value_of(word) < n)
			return -EAGAIN;
	} while (!kfx_cas(&q->cell->state, &word, word - n));
	count_acquired(q);
	return 0;
}

/* With the queue locked. -EBUSY: others wait, or too few are free. */
static int take_queued(struct kfx_q *q, uint32_t n, struct ksync_hold *hold)
{
	uint64_t word = freeze(q);
	struct kfx_redo redo = { 0 };
	int ret = -EBUSY;

	if (n > max_of(word)) {
		ret = -EINVAL;
	} else if (!kfx_q_first(q) && value_of(word) >= n) {
		move(q, &redo, word, word - n,
		     hold ? kfx_offset(q->obj, hold) : 0, n);
		kfx_q_commit(q, &redo);
		count_acquired(q);
		ret = 0;
	}
	thaw(q);
	return ret;
}

/* It was granted what it waited for. */
int kfx_sem_accept(struct kfx_q *q)
{
	count_acquired(q);
	kfx_count(&q->cell->sem.contended);
	return 0;
}

static int wait_for_permits(struct kfx_q *q, struct kfx_limit *limit)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	enum kfx_wait_state state;
	int ret = kfx_wait(q, limit, NULL);

	state = kfx_wait_state(line);
	if (state == KFX_WAITING) {
		kfx_q_lock(q);
		state = kfx_wait_state(line);
		if (state == KFX_WAITING) {
			kfx_q_leave(q);
			sem_advance(q);
		}
		kfx_q_unlock(q);
	}
	if (state == KFX_GRANTED)
		ret = kfx_sem_accept(q);
	else if (state == KFX_FAILED)
		ret = -EINVAL;
	kfx_wait_set(line, KFX_IDLE);
	return ret;
}

/* Queue locked. */
static void join(struct kfx_q *q, uint32_t n, struct ksync_hold *hold,
		 struct kfx_limit *limit)
{
	kfx_wait_begin(q, KFX_WANT_PERMITS, n, hold, limit);
	sem_advance(q);
}

/* Joins the queue in the name of an agent. @hold: of the process, or NULL. */
void kfx_sem_join(struct kfx_q *q, uint32_t n, struct ksync_hold *hold,
		  struct kfx_limit *limit)
{
	kfx_q_lock(q);
	join(q, n, hold, limit);
	kfx_q_unlock(q);
}

/* @limit, here and below: NULL for a try. */
static int take_slowly(struct kfx_object *obj, uint32_t index, uint32_t n,
		       struct kfx_limit *limit)
{
	struct ksync_hold *hold = NULL;
	struct kfx_thread *t;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret && tracked(obj))
		ret = kfx_process_hold(obj, index, &hold);
	if (ret)
		return ret;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	ret = take_queued(&q, n, hold);
	if (ret == -EBUSY && limit)
		join(&q, n, hold, limit);
	kfx_q_unlock(&q);
	if (ret != -EBUSY)
		return ret;
	if (limit)
		return wait_for_permits(&q, limit);
	kfx_look(&q, t);
	kfx_q_lock(&q);
	sem_advance(&q);
	ret = take_queued(&q, n, hold);
	kfx_q_unlock(&q);
	return ret;
}

static int take(struct ksync_object *base, uint32_t index, uint32_t n,
		struct kfx_limit *limit)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_q q;
	int ret;

	if (!n)
		return -EINVAL;
	kfx_process_check_fork();
	if (!tracked(obj)) {
		kfx_fast_fill(base, index);
		kfx_q_init(&q, obj, index, 0);
		ret = take_plain(&q, n);
		if (ret != -EAGAIN)
			return ret;
	}
	return take_slowly(obj, index, n, limit);
}

int kfx_sem_acquire(struct ksync_object *base, uint32_t index, uint32_t n,
		    uint64_t deadline)
{
	struct kfx_limit limit = { .deadline = deadline };

	return take(base, index, n, &limit);
}

int kfx_sem_acquire_limit(struct ksync_object *base, uint32_t index, uint32_t n,
			  struct kfx_limit *limit)
{
	return take(base, index, n, limit);
}

int kfx_sem_tryacquire(struct ksync_object *base, uint32_t index, uint32_t n)
{
	return take(base, index, n, NULL);
}

static bool fits(uint64_t word, uint32_t n)
{
	uint32_t value = value_of(word), max = max_of(word);

	return value <= max && n <= max - value;
}

/* Without the queue. -EAGAIN: not like this. */
static int give_plain(struct kfx_q *q, uint32_t n)
{
	uint64_t word = kfx_load(&q->cell->state);

	do {
		if (word & KSYNC_SEM_WAITERS)
			return -EAGAIN;
		if (!fits(word, n))
			return -EOVERFLOW;
	} while (!kfx_cas(&q->cell->state, &word, word + n));
	return 0;
}

/* With the queue locked. */
static int give_queued(struct kfx_q *q, uint32_t n, struct ksync_hold *hold)
{
	uint64_t word = freeze(q);
	struct kfx_redo redo = { 0 };
	int ret = 0;

	if (hold && kfx_load(&hold->count) < n) {
		ret = -EPERM;
	} else if (!fits(word, n)) {
		ret = -EOVERFLOW;
	} else {
		move(q, &redo, word, word + n,
		     hold ? kfx_offset(q->obj, hold) : 0, -(int64_t)n);
		kfx_q_commit(q, &redo);
	}
	sem_advance(q);
	return ret;
}

int kfx_sem_release(struct ksync_object *base, uint32_t index, uint32_t n)
{
	struct kfx_object *obj = kfx_obj(base);
	struct ksync_hold *hold = NULL;
	struct kfx_thread *t;
	struct kfx_q q;
	int ret;

	if (!n)
		return -EINVAL;
	kfx_process_check_fork();
	kfx_q_init(&q, obj, index, 0);
	if (tracked(obj)) {
		hold = kfx_process_hold_find(obj, index);
		if (!hold)
			return -EPERM;
	} else {
		kfx_fast_fill(base, index);
		ret = give_plain(&q, n);
		if (ret != -EAGAIN)
			return ret;
	}
	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	q.owner = t->id;
	kfx_q_lock(&q);
	ret = give_queued(&q, n, hold);
	kfx_q_unlock(&q);
	return ret;
}

/*
 * Gives back what was taken and not used. If the maximum became smaller
 * meanwhile, as many as it has room for.
 */
void kfx_sem_untake(struct ksync_object *base, uint32_t index, uint32_t n)
{
	struct kfx_object *obj = kfx_obj(base);
	struct ksync_hold *hold = NULL;
	struct kfx_redo redo = { 0 };
	struct kfx_thread *t;
	struct kfx_q q;
	uint64_t word;

	if (!tracked(obj)) {
		kfx_q_init(&q, obj, index, 0);
		if (!give_plain(&q, n))
			return;
	} else {
		hold = kfx_process_hold_find(obj, index);
	}
	if (kfx_thread_get(obj, &t))
		return;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	word = freeze(&q);
	move(&q, &redo, word, give_back(word, n),
	     hold ? kfx_offset(obj, hold) : 0, -(int64_t)n);
	kfx_q_commit(&q, &redo);
	sem_advance(&q);
	kfx_q_unlock(&q);
}

int kfx_sem_value(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);

	kfx_process_check_fork();
	if (tracked(obj))
		kfx_sweep(obj);
	return value_of(kfx_load(&obj->cells[index].state));
}

/* The word with another maximum: see ksync_sem_resize() in ksync.h. */
static int resize(uint64_t *word, uint32_t max, bool move)
{
	uint64_t value = value_of(*word);
	uint32_t old = max_of(*word);

	if (move && max >= old)
		value += max - old;
	else if (move && value < old - max)
		return -EBUSY;
	else if (move)
		value -= old - max;
	if (value > max)
		return -EBUSY;
	*word = KSYNC_SEM_WAITERS | (uint64_t)max << KSYNC_SEM_MAX_SHIFT |
		value;
	return 0;
}

/* Those in the queue that want more than there will ever be. */
static void fail_too_large(struct kfx_q *q, uint32_t max)
{
	uint32_t id, next, n;

	for (id = kfx_q_first(q), n = 0; id && n < KFX_LINES; id = next, n++) {
		next = kfx_q_next(q, id);
		if (kfx_load(&kfx_line(q->obj, id)->n) > max)
			kfx_q_admit(q, id, KFX_FAILED);
	}
}

int kfx_sem_resize(struct ksync_object *base, uint32_t index, uint32_t max)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	uint64_t word;
	struct kfx_q q;
	int ret;

	if (!max || max > KSYNC_COUNT_MAX)
		return -EINVAL;
	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	word = freeze(&q);
	ret = resize(&word, max, tracked(obj));
	if (!ret) {
		kfx_swap(&q.cell->state, word);
		fail_too_large(&q, max);
	}
	sem_advance(&q);
	kfx_q_unlock(&q);
	return ret;
}
