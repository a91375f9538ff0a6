// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: sleeping until granted.
 *
 * A waiter sleeps on the futex of its own line, so that who is woken is always
 * who was meant. It never sleeps for long without looking whether somebody in
 * its way has died, or was killed after letting go and before waking it.
 */
#include "backend_futex.h"

#define TRY_LOOK_NS	1000000ULL

/* How long to sleep at once, with so many waiters about. */
uint64_t kfx_pace(uint32_t waiters)
{
	uint64_t ns = KFX_RECHECK_NS * (1 + waiters / KFX_RECHECK_WAITERS);

	return ns < KFX_RECHECK_MAX_NS ? ns : KFX_RECHECK_MAX_NS;
}

/*
 * Joins the queue, which is locked. @n and @hold: as in struct kfx_line; the
 * line is the queue's owner. Until kfx_limit_end().
 */
void kfx_wait_begin(struct kfx_q *q, enum kfx_want want, uint32_t n, void *hold,
		    struct kfx_limit *limit)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);

	/* Before anybody can see that we wait. */
	if (limit->event)
		kfx_limit_begin(limit);
	kfx_store(&line->index, q->index);
	kfx_store(&line->want, want);
	kfx_store(&line->n, n);
	kfx_store(&line->hold_at, hold ? kfx_offset(q->obj, hold) : 0);
	kfx_store(&line->since, kfx_now());
	kfx_store(&line->nudged, 0);
	kfx_store(&line->lost, 0);
	kfx_store(&line->gives_way, kfx_limit_is_none(limit));
	kfx_store(&line->wait,
		  ((kfx_load(&line->wait) | KFX_WAIT_STATE) + 1) | KFX_IDLE);
	if (want == KFX_WANT_ROUND)
		kfx_wait_set(line, KFX_WAITING);
	else
		kfx_q_push(q, q->owner);
}

/* Out of the queue with @id, and its wait is over. Queue locked. */
void kfx_q_admit(struct kfx_q *q, uint32_t id, enum kfx_wait_state state)
{
	/* In this order: once granted, the line may join another queue. */
	kfx_q_remove(q, id);
	kfx_wait_set(kfx_line(q->obj, id), state);
	kfx_q_wake(q, id);
}

/* The caller gives up waiting, or helped itself. Queue locked. */
void kfx_q_leave(struct kfx_q *q)
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);

	kfx_q_remove(q, q->owner);
	kfx_wait_set(line, KFX_IDLE);
}

/* Under the gate: waiters at the head that are dead. Queue locked. */
void kfx_q_drop_dead(struct kfx_q *q)
{
	struct kfx_line *line;
	uint32_t id, slot;

	if (!q->gated)
		return;
	while ((id = kfx_q_first(q))) {
		line = kfx_line(q->obj, id);
		slot = kfx_load(&line->owner) - 1;
		if (slot < KFX_SLOTS && kfx_slot_alive(q->obj, slot))
			return;
		kfx_q_remove(q, id);
		kfx_wait_set(line, KFX_IDLE);
	}
}

/*
 * Is somebody in the way who is dead? Or did somebody die who should have let
 * us in? A look that finds nothing leaves everything as it was.
 */
static void look(struct kfx_q *q)
{
	struct kfx_object *obj = q->obj;

	if (obj->ops->check)
		obj->ops->check(q);
	kfx_line_check(obj, kfx_q_first(q));
	kfx_sweep(obj);
}

/* And somebody who has let go may have died before he let us in. */
void kfx_wait_look(struct kfx_q *q)
{
	look(q);
	kfx_q_lock(q);
	q->obj->ops->advance(q);
	kfx_q_unlock(q);
}

static bool look_is_due(struct kfx_thread *t)
{
	uint64_t now = kfx_now_coarse();

	if (now - t->checked < TRY_LOOK_NS)
		return false;
	t->checked = now;
	return true;
}

/* For who does not wait: not more often than every so often. */
void kfx_look(struct kfx_q *q, struct kfx_thread *t)
{
	if (look_is_due(t))
		look(q);
}

/*
 * When to look is settled before the sleep, which signals and wake-ups may cut
 * short as often as they like.
 */
static int sleep_on_line(struct kfx_q *q, const struct kfx_limit *limit,
			 bool (*poll)(struct kfx_q *q))
{
	struct kfx_line *line = kfx_line(q->obj, q->owner);
	uint64_t now = kfx_load(&line->since), next = now + KFX_LOOK_NS;
	struct kfx_futexes f;
	uint32_t value;
	int ret;

	for (;;) {
		/* Acquire: before the looks. Pairs with kfx_q_wake(). */
		value = kfx_load_acquire(&line->futex);
		if (kfx_wait_state(line) != KFX_WAITING || (poll && poll(q)))
			return 0;
		if (!now)
			now = kfx_now();
		ret = kfx_limit_over(limit, now);
		if (ret)
			return ret;
		if (now >= next) {
			kfx_wait_look(q);
			if (kfx_limit_is_none(limit) && kfx_cycle_closes(q))
				return -EDEADLK;
			next = kfx_now() +
			       kfx_pace(kfx_load(&q->queue->nr));
		}
		/* If the look has let us in, the value is another by now. */
		f.nr = 0;
		kfx_futexes_add(&f, &line->futex, value);
		kfx_limit_sleep(limit, &f, next < limit->deadline ?
				next : limit->deadline);
		now = 0;
	}
}

/* Who waits again and again for a short time must notice deaths, too. */
void kfx_wait_in_vain(struct kfx_q *q)
{
	struct kfx_thread *t;

	if (!kfx_thread_get(q->obj, &t) && look_is_due(t))
		kfx_wait_look(q);
}

/*
 * Sleeps until the wait of the owner's line is over, or @poll (NULL: none) says
 * so. 0, -ETIMEDOUT, -ECANCELED or -EDEADLK; then the wait may still have ended
 * meanwhile.
 */
int kfx_wait(struct kfx_q *q, struct kfx_limit *limit,
	     bool (*poll)(struct kfx_q *q))
{
	int ret = sleep_on_line(q, limit, poll);

	kfx_limit_end(limit);
	if (ret == -ETIMEDOUT || ret == -ECANCELED)
		kfx_wait_in_vain(q);
	return ret;
}
