// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: condition variable.
 *
 * A waiter stands in the condition's queue before it lets go of the mutex, and
 * sleeps on the futex of its own line there. A signal takes it out and wakes it;
 * then it locks the mutex like anybody else. Its line says GRANTED until it has
 * it, so that if it dies before, the signal goes to the next.
 *
 * Unlike in the kernel a broadcast wakes all: who signals need not have the
 * mutex open, and so cannot put them in its queue.
 */
#include "backend_futex.h"

static void set_flags(struct kfx_q *q)
{
	if (kfx_q_first(q))
		kfx_set(&q->cell->state, KSYNC_COND_WAITERS);
	else
		kfx_clear(&q->cell->state, KSYNC_COND_WAITERS);
}

static void cond_advance(struct kfx_q *q)
{
	kfx_q_drop_dead(q);
	set_flags(q);
}

/* The oldest waiter may go on. False if there is none. Queue locked. */
static bool signal_one(struct kfx_q *q)
{
	uint32_t id;

	kfx_q_drop_dead(q);
	id = kfx_q_first(q);
	if (!id)
		return false;
	kfx_q_admit(q, id, KFX_GRANTED);
	return true;
}

static void cond_drop_wait(struct kfx_q *q, uint32_t id, struct kfx_line *line)
{
	if (kfx_wait_state(line) == KFX_GRANTED)
		signal_one(q);
}

/* Nobody holds a condition. */
static void cond_drop_hold(struct kfx_q *q, uint32_t id, struct ksync_hold *hold)
{
}

const struct kfx_type kfx_cond_type = {
	.advance = cond_advance,
	.drop_wait = cond_drop_wait,
	.drop_hold = cond_drop_hold,
};

/* May the caller wait with that mutex? */
static int check_mutex(struct kfx_object *obj, uint32_t index)
{
	union ksync_cell *cell = &obj->cells[index];
	struct kfx_thread *t;
	struct ksync_hold *hold;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	hold = kfx_hold_find(t, index);
	if (!hold || !(kfx_load(&hold->key) & KFX_HELD_EXCL))
		return -EPERM;
	if (kfx_load(&cell->lock.depth))
		return -EDEADLK;
	return kfx_load(&cell->state) & KSYNC_LOCK_DEAD ? -EINVAL : 0;
}

/* Until signalled: 0, or -ETIMEDOUT, -ECANCELED. The line tells that it was. */
static int wait_for_signal(struct kfx_q *q, struct kfx_limit *limit)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	int ret = kfx_wait(q, limit, NULL);

	if (kfx_wait_state(line) == KFX_WAITING) {
		kfx_q_lock(q);
		if (kfx_wait_state(line) == KFX_WAITING) {
			kfx_q_leave(q);
			cond_advance(q);
		}
		kfx_q_unlock(q);
	}
	return kfx_wait_state(line) == KFX_GRANTED ? 0 : ret;
}

int kfx_cond_wait(struct ksync_object *base, uint32_t index,
		  struct ksync_object *mutex, uint32_t mutex_index,
		  const struct ksync_limit *limit)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_limit back = { .deadline = KSYNC_FOREVER, .stays = true };
	struct kfx_limit until;
	struct kfx_thread *t;
	struct kfx_q q;
	int ret, err;

	ret = kfx_limit_init(&until, limit);
	if (!ret)
		ret = check_mutex(kfx_obj(mutex), mutex_index);
	if (!ret)
		ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	kfx_wait_begin(&q, KFX_WANT_SIGNAL, 0, NULL, &until);
	kfx_count(&q.cell->cond.waits);
	cond_advance(&q);
	kfx_q_unlock(&q);

	kfx_mutex_unlock(mutex, mutex_index);
	ret = wait_for_signal(&q, &until);
	err = kfx_mutex_lock_limit(mutex, mutex_index, &back);
	/* With the mutex: from here on the signal is used. */
	kfx_wait_set(t->line, KFX_IDLE);
	return err ? err : ret;
}

/* @all of those that wait now, or one. */
static int signal_them(struct ksync_object *base, uint32_t index, bool all)
{
	struct kfx_object *obj = kfx_obj(base);
	struct kfx_thread *t;
	struct kfx_q q;
	uint32_t n;
	int ret;

	ret = kfx_thread_get(obj, &t);
	if (ret)
		return ret;
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	/* Above the count is the flag; a wrap is centuries away. */
	kfx_add(&q.cell->state, 1);
	for (n = 0; n < KFX_LINES && signal_one(&q); n++) {
		kfx_count(&q.cell->cond.moved);
		if (!all)
			break;
	}
	set_flags(&q);
	kfx_q_unlock(&q);
	return 0;
}

int kfx_cond_signal(struct ksync_object *base, uint32_t index)
{
	return signal_them(base, index, false);
}

int kfx_cond_broadcast(struct ksync_object *base, uint32_t index)
{
	return signal_them(base, index, true);
}
