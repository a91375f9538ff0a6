// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: reader-writer lock, the operations. How readers and
 * writers find each other is drawn in backend_futex_rwlock.c.
 */
#include "backend_futex.h"

/* How often, and for how long, to let others run before a thread queues. */
#define YIELDS		6
#define YIELD_NS	1000000ULL
#define SPIN_NS		5000

/* When somebody was in the way so short a time ago, others are left alone... */
#define OFTEN_NS	2000
/* ...for so long. */
#define LEAVE_NS	4000

/* The word is such that a newcomer may not read. */
#define NO_READERS (KSYNC_LOCK_ID | KSYNC_LOCK_LOST | KSYNC_LOCK_WRITER_WAITS)

/*
 * Who has read with fences for a while comes here, since it asks now and then. If
 * there was no other writer since the last time, fences are left out again, unless
 * somebody is about who can send no barrier. @hold: tells writers apart.
 */
static void calm_down(struct kfx_q *q, struct ksync_hold *hold, uint64_t word)
{
	uint32_t token = kfx_load(&q->cell->lock.token) + 1;

	if (kfx_load(&hold->round) != token) {
		kfx_store(&hold->round, token);
		return;
	}
	if (!kfx_load(&q->obj->header->fenced))
		kfx_cas(&q->cell->state, &word, 0);
}

static int reader_result(struct kfx_q *q, struct ksync_hold *hold)
{
	kfx_store(&hold->reads, kfx_load(&hold->reads) + 1);
	return kfx_load(&q->cell->state) & KSYNC_LOCK_DEAD ? -EOWNERDEAD : 0;
}

/* -EBUSY, -ENOTRECOVERABLE, or with the hold. */
static int try_read(struct kfx_q *q, struct ksync_hold *hold)
{
	uint64_t word;

	kfx_store(&hold->count, 0);
	kfx_store(&hold->key, (q->index + 1) | KFX_HELD_READ);
	/* The reader's side of the diagram. */
	kfx_fence();
	word = kfx_load(&q->cell->state);
	if (!(word & NO_READERS)) {
		if ((word & ~KSYNC_LOCK_FAVOURITE) == KSYNC_LOCK_FENCED)
			calm_down(q, hold, word);
		return reader_result(q, hold);
	}
	kfx_store_release(&hold->key, q->index + 1);
	kfx_rwlock_reader_left(q);
	return word & KSYNC_LOCK_LOST ? -ENOTRECOVERABLE : -EBUSY;
}

/* Joins the queue for either kind of hold. */
void kfx_rwlock_join(struct kfx_q *q, enum kfx_want want,
		     struct ksync_hold *hold, struct kfx_limit *limit)
{
	kfx_rwlock_seen(q->cell);
	kfx_q_lock(q);
	/* Of a try that found readers. Now they let us in. */
	kfx_lock_pass_on(q, q->owner);
	kfx_wait_begin(q, want, 0, hold, limit);
	kfx_rwlock_advance(q);
	kfx_q_unlock(q);
}

/* Waits in the queue. */
static int queue_up(struct kfx_q *q, enum kfx_want want, struct ksync_hold *hold,
		    struct kfx_limit *limit)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	enum kfx_wait_state state;
	int ret;

	kfx_rwlock_join(q, want, hold, limit);
	ret = kfx_wait(q, limit, NULL);
	state = kfx_wait_state(line);
	if (state == KFX_WAITING) {
		kfx_q_lock(q);
		state = kfx_wait_state(line);
		if (state == KFX_WAITING) {
			kfx_q_leave(q);
			kfx_rwlock_advance(q);
		}
		kfx_q_unlock(q);
	}
	if (state == KFX_GRANTED)
		ret = 0;
	else if (state == KFX_FAILED)
		ret = -ENOTRECOVERABLE;
	kfx_wait_set(line, KFX_IDLE);
	return ret;
}

/* It was granted the hold. */
int kfx_rwlock_accept_read(struct kfx_q *q, struct ksync_hold *hold)
{
	kfx_count(&q->cell->lock.contended);
	return reader_result(q, hold);
}

static int read_again(struct kfx_q *q, struct ksync_hold *hold, bool try)
{
	uint32_t count = kfx_load(&hold->count);

	if (kfx_load(&hold->key) & KFX_HELD_EXCL)
		return try ? -EBUSY : -EDEADLK;
	if (count >= KSYNC_COUNT_MAX - 1)
		return -EOVERFLOW;
	kfx_store(&hold->count, count + 1);
	return reader_result(q, hold);
}

/* None with one processor, where spinning is in vain. */
static uint32_t spins(void)
{
	return kfx_cpus() == 1 ? 0 : kfx_spins(SPIN_NS);
}

/*
 * Where a few read and write all the time, on several processors, each write
 * takes the word, the lines and what they guard from one to another, and back,
 * which takes longer than all the rest. They are faster one after the other, if
 * each does a lot at a time. So who was in the way of others again and again does
 * not even look for a while. How many rounds of @n that took.
 */
static uint32_t leave_alone(struct kfx_thread *t, uint32_t n)
{
	uint64_t now = kfx_now();
	uint32_t i = 0;

	if (n && now - t->met < OFTEN_NS) {
		for (n = kfx_spins(LEAVE_NS); i < n; i++)
			kfx_relax();
		now = kfx_now();
	}
	t->met = now;
	return i;
}

static int spin_read(struct kfx_q *q, struct kfx_thread *t,
		     struct ksync_hold *hold)
{
	uint32_t n = spins(), i = leave_alone(t, n);
	int ret = -EBUSY;

	for (; i < n && ret == -EBUSY; i++) {
		kfx_relax();
		if (!(kfx_load(&q->cell->state) & NO_READERS))
			ret = try_read(q, hold);
	}
	return ret;
}

/*
 * Who queues keeps others out until it has run, and they queue, too: then every
 * acquisition is a switch from one process to another. When the one in the way
 * is not running, it is better to let it run. True: try again.
 */
static bool let_run(uint64_t *until, const struct kfx_limit *limit)
{
	uint64_t now = kfx_now();

	if (!*until) {
		*until = now + YIELD_NS;
		if (*until > limit->deadline)
			*until = limit->deadline;
	}
	if (now >= *until || kfx_limit_is_set(limit))
		return false;
	kfx_yield();
	return true;
}

/* @limit, here and below: NULL for a try. */
static int read_slowly(struct kfx_q *q, struct kfx_thread *t,
		       struct ksync_hold *hold, struct kfx_limit *limit)
{
	uint64_t until = 0;
	int ret, i;

	if (!limit) {
		kfx_look(q, t);
		return try_read(q, hold);
	}
	for (i = 0, ret = -EBUSY; i < YIELDS && ret == -EBUSY; i++) {
		if (i && !let_run(&until, limit))
			break;
		ret = spin_read(q, t, hold);
	}
	if (ret != -EBUSY)
		return ret;
	ret = queue_up(q, KFX_WANT_READ, hold, limit);
	return ret ? ret : kfx_rwlock_accept_read(q, hold);
}

static int read_lock(struct ksync_object *base, uint32_t index,
		     struct kfx_limit *limit)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_hold_get(t, index, &hold);
	if (ret)
		return ret;
	if (!t->reads)
		kfx_hold_reads(t);
	kfx_fast_fill_lock(base, index, t, hold);
	kfx_q_init(&q, obj, index, t->id);
	if (kfx_load(&hold->key) & (KFX_HELD_READ | KFX_HELD_EXCL))
		return read_again(&q, hold, !limit);
	ret = try_read(&q, hold);
	if (ret == -EBUSY)
		ret = read_slowly(&q, t, hold, limit);
	return ret;
}

int kfx_rwlock_rdlock(struct ksync_object *base, uint32_t index,
		      uint64_t deadline)
{
	struct kfx_limit limit = { .deadline = deadline };

	return read_lock(base, index, &limit);
}

int kfx_rwlock_rdlock_limit(struct ksync_object *base, uint32_t index,
			    struct kfx_limit *limit)
{
	return read_lock(base, index, limit);
}

int kfx_rwlock_tryrdlock(struct ksync_object *base, uint32_t index)
{
	return read_lock(base, index, NULL);
}

static void end_try(struct kfx_q *q)
{
	kfx_wait_set(kfx_line(q->obj, q->owner), KFX_IDLE);
}

/* -EBUSY, -ENOTRECOVERABLE, or with the word. Leaves it if it cannot. */
static int try_word(struct kfx_q *q, uint64_t *word)
{
	*word = kfx_load(&q->cell->state);
	do {
		if (*word & KSYNC_LOCK_LOST)
			return -ENOTRECOVERABLE;
		if (kfx_lock_id(*word) || (*word & KSYNC_LOCK_WAITERS))
			return -EBUSY;
	} while (!kfx_cas(&q->cell->state, word,
			  kfx_rwlock_next(q->obj, q->index, q->owner, *word)));
	if (kfx_rwlock_needs_barrier(*word, q->owner))
		kfx_rwlock_fence_readers(q);
	return 0;
}

/* The same with the lock, or -EBUSY with the word and readers still there. */
static int try_write(struct kfx_q *q)
{
	uint64_t word;
	int ret = try_word(q, &word);

	if (ret)
		return ret;
	/* The CAS is the writer's side of the diagram. */
	if (!kfx_rwlock_read(q))
		return kfx_rwlock_taken(q->cell, q->owner, word, false);
	return -EBUSY;
}

/* Likewise. With the word, no new readers come. */
static int spin_write(struct kfx_q *q, struct kfx_thread *t)
{
	uint32_t i = 0, n = spins();
	int ret = -EBUSY;

	if (kfx_lock_id(kfx_load(&q->cell->state)) != q->owner)
		i = leave_alone(t, n);
	/* To look at all lines takes a while, too. */
	for (; i < n && ret == -EBUSY;
	     i += 1 + kfx_load(&q->obj->header->readers_hi) / 16) {
		uint64_t word = kfx_load(&q->cell->state);

		kfx_relax();
		if (kfx_lock_id(word) != q->owner)
			ret = try_write(q);
		else if (!kfx_rwlock_read(q))
			ret = kfx_rwlock_taken(q->cell, q->owner, word,
					       false);
	}
	return ret;
}

/* From held by us to free, if nobody waits and nobody died. */
static bool let_go(struct kfx_q *q)
{
	uint64_t word = kfx_load(&q->cell->state);

	return (word & ~KSYNC_LOCK_FAVOURITE) ==
		(q->owner | KSYNC_LOCK_FENCED) &&
	       kfx_cas(&q->cell->state, &word, word & ~KSYNC_LOCK_ID);
}

/* A try that failed may have let nobody in meanwhile. */
static void undo_try(struct kfx_q *q)
{
	uint64_t word = kfx_load(&q->cell->state);

	if (kfx_lock_id(word) != q->owner || let_go(q))
		return;
	kfx_q_lock(q);
	kfx_lock_pass_on(q, q->owner);
	kfx_rwlock_advance(q);
	kfx_q_unlock(q);
}

static int write_slowly(struct kfx_q *q, struct kfx_thread *t,
			struct kfx_limit *limit)
{
	uint64_t until = 0;
	int ret, i;

	if (!limit) {
		undo_try(q);
		kfx_look(q, t);
		ret = kfx_rwlock_read(q) ? -EBUSY : try_write(q);
		if (ret == -EBUSY)
			undo_try(q);
		return ret;
	}
	for (i = 0, ret = -EBUSY; i < YIELDS && ret == -EBUSY; i++) {
		if (i) {
			undo_try(q);
			if (!let_run(&until, limit))
				break;
		}
		ret = spin_write(q, t);
	}
	if (ret != -EBUSY)
		return ret;
	ret = queue_up(q, KFX_WANT_EXCL, NULL, limit);
	if (ret)
		return ret;
	return kfx_rwlock_taken(q->cell, q->owner, kfx_load(&q->cell->state),
				true);
}

/* @quick: -EBUSY: the word is ours already, and there were readers; or 0. */
int kfx_rwlock_write_lock(struct ksync_object *base, uint32_t index,
			  struct kfx_limit *limit, int quick)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (!ret)
		ret = kfx_hold_get(t, index, &hold);
	if (ret)
		return ret;
	kfx_q_init(&q, obj, index, t->id);
	ret = quick;
	if (!ret) {
		if (kfx_load(&hold->key) & (KFX_HELD_READ | KFX_HELD_EXCL))
			return limit ? -EDEADLK : -EBUSY;
		/* Before the word can name us; the CAS is a full barrier. */
		kfx_store(&hold->key, (index + 1) | KFX_HELD_EXCL);
		kfx_try_begin(t->line, index);
		ret = !limit && kfx_rwlock_read(&q) ? -EBUSY : try_write(&q);
	}
	if (ret == -EBUSY)
		ret = write_slowly(&q, t, limit);
	end_try(&q);
	if (ret && ret != -EOWNERDEAD)
		kfx_hold_end(t, hold, index);
	return ret;
}

int kfx_rwlock_wrlock_limit(struct ksync_object *base, uint32_t index,
			    struct kfx_limit *limit)
{
	return kfx_rwlock_write_lock(base, index, limit, 0);
}

int kfx_rwlock_trywrlock(struct ksync_object *base, uint32_t index)
{
	return kfx_rwlock_write_lock(base, index, NULL, 0);
}

/* The writer lets go: of everything, or its hold is READ by now. */
static void stop_writing(struct kfx_q *q, bool lost)
{
	uint64_t word;

	if (let_go(q))
		return;
	kfx_q_lock(q);
	word = kfx_load(&q->cell->state);
	if (lost && (word & KSYNC_LOCK_DEAD))
		word = (word & ~KSYNC_LOCK_DEAD) | KSYNC_LOCK_LOST;
	/* If not, it was taken from us, as from the dead. */
	if (kfx_lock_id(word) == q->owner)
		kfx_swap(&q->cell->state, word & ~KSYNC_LOCK_ID);
	q->writer_left = true;
	kfx_rwlock_advance(q);
	kfx_q_unlock(q);
}

/* Gives back what was taken and not used: whoever died before is still told of. */
void kfx_rwlock_untake_write(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	struct ksync_hold *hold;
	struct kfx_thread *t;
	struct kfx_q q;

	if (kfx_thread_get(obj, &t))
		return;
	hold = kfx_hold_find(t, index);
	kfx_q_init(&q, obj, index, t->id);
	stop_writing(&q, false);
	if (hold)
		kfx_hold_end(t, hold, index);
}

/* With a thread and the hold of it; -EPERM without a hold of these kinds. */
static int begin_release(struct kfx_object *obj, uint32_t index, uint32_t kinds,
			 struct kfx_q *q, struct kfx_thread **t,
			 struct ksync_hold **hold)
{
	int ret = kfx_thread_get(obj, t);

	if (ret)
		return ret;
	*hold = kfx_hold_find(*t, index);
	if (!*hold || !(kfx_load(&(*hold)->key) & kinds))
		return -EPERM;
	kfx_q_init(q, obj, index, (*t)->id);
	return 0;
}

int kfx_rwlock_unlock_slowly(struct ksync_object *base, uint32_t index)
{
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	uint32_t count;
	int ret;

	ret = begin_release(kfx_obj(base), index, KFX_HELD_READ |
			    KFX_HELD_EXCL | KSYNC_HOLD_LEFT, &q, &t, &hold);
	if (ret)
		return ret;
	if (kfx_load(&hold->key) & KFX_HELD_EXCL) {
		stop_writing(&q, true);
		kfx_hold_end(t, hold, index);
		return 0;
	}
	count = kfx_load(&hold->count);
	if (count && !(kfx_load(&hold->key) & KSYNC_HOLD_LEFT)) {
		kfx_store(&hold->count, count - 1);
	} else {
		kfx_hold_end(t, hold, index);
		kfx_rwlock_reader_left(&q);
	}
	return 0;
}

int kfx_rwlock_downgrade(struct ksync_object *base, uint32_t index)
{
	struct kfx_thread *t;
	struct ksync_hold *hold;
	struct kfx_q q;
	int ret;

	ret = begin_release(kfx_obj(base), index, KFX_HELD_EXCL, &q, &t, &hold);
	if (ret)
		return ret;
	if (!t->reads)
		kfx_hold_reads(t);
	kfx_store(&hold->count, 0);
	kfx_store(&hold->reads, kfx_load(&hold->reads) + 1);
	/* Before the word lets go, so that no writer comes in between. */
	kfx_store_release(&hold->key, (index + 1) | KFX_HELD_READ);
	stop_writing(&q, false);
	return 0;
}

/* Past a writer that waits for us: otherwise neither would ever go on. */
int kfx_rwlock_upgrade(struct ksync_object *base, uint32_t index)
{
	struct kfx_thread *t;
	struct ksync_hold *hold;
	uint64_t word;
	struct kfx_q q;
	int ret;

	ret = begin_release(kfx_obj(base), index, KFX_HELD_READ, &q, &t, &hold);
	if (ret)
		return ret;
	if (kfx_load(&hold->count))
		return -EBUSY;
	kfx_try_begin(t->line, index);
	kfx_q_lock(&q);
	word = kfx_load(&q.cell->state);
	ret = -EBUSY;
	while (!kfx_lock_id(word) &&
	       !kfx_cas(&q.cell->state, &word,
			kfx_rwlock_next(q.obj, index, q.owner, word)))
		;
	if (!kfx_lock_id(word)) {
		if (kfx_rwlock_needs_barrier(word, q.owner))
			kfx_rwlock_fence_readers(&q);
		/* The CAS is the writer's side of the diagram. */
		if (kfx_rwlock_read_by_others(&q)) {
			kfx_lock_pass_on(&q, q.owner);
			kfx_rwlock_advance(&q);
		} else {
			kfx_store_release(&hold->key,
					  (index + 1) | KFX_HELD_EXCL);
			ret = kfx_rwlock_taken(q.cell, q.owner, word, false);
		}
	}
	kfx_q_unlock(&q);
	end_try(&q);
	return ret;
}
