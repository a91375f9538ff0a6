// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: events.
 *
 * Waiters sleep on the count of changes, the high half of the word, which grows
 * when the event becomes set and when it ceases to be by a reset. So a waiter
 * that finds it grown was there when the event was set, whatever it is now.
 *
 * An event belongs to nobody. Who is killed between setting it and waking the
 * sleepers, or woken and killed before it took an auto-reset event, leaves it
 * set in the word; sleepers look there every so often.
 */
#include <limits.h>

#include "backend_futex.h"

#define KFX_EVENT_LOOK_NS 100000000ULL

static struct ksync_event_cell *event_begin(struct ksync_object *base,
					    uint32_t index, int *ret)
{
	struct kfx_object *obj = kfx_obj(base);

	kfx_process_check_fork();
	*ret = kfx_object_join(obj);
	return &obj->cells[index].event;
}

int kfx_event_set(struct ksync_object *base, uint32_t index)
{
	int ret, all = base->flags & KSYNC_AUTO_RESET ? 1 : INT_MAX;
	struct ksync_event_cell *cell = event_begin(base, index, &ret);
	uint64_t old;

	if (ret)
		return ret;
	do {
		old = kfx_load(&cell->state);
	} while (!(old & KSYNC_EVENT_SET) &&
		 !kfx_event_raise(kfx_obj(base), cell, old));
	/* One that was set already may have sleepers whom nobody has told. */
	if ((old & KSYNC_EVENT_SET) && (old & KSYNC_EVENT_WAITERS))
		kfx_wake(&cell->changes, all);
	return 0;
}

int kfx_event_reset(struct ksync_object *base, uint32_t index)
{
	int ret;
	struct ksync_event_cell *cell = event_begin(base, index, &ret);
	uint64_t old;

	if (ret)
		return ret;
	/* An auto-reset event may have been taken, and not be unset for long. */
	do {
		old = kfx_event_word(kfx_obj(base), index);
	} while ((old & KSYNC_EVENT_SET || base->flags & KSYNC_AUTO_RESET) &&
		 !kfx_cas(&cell->state, &old, (old & ~KSYNC_EVENT_SET) +
			  KSYNC_EVENT_CHANGE));
	return 0;
}

/* Is it set? Then an auto-reset event is not any more. @old: as it was found. */
bool kfx_event_take(struct ksync_object *base, uint32_t index, uint64_t *old)
{
	struct kfx_object *obj = kfx_obj(base);
	struct ksync_event_cell *cell = &obj->cells[index].event;

	do {
		*old = kfx_event_word(obj, index);
		if (!(*old & KSYNC_EVENT_SET))
			return false;
	} while (base->flags & KSYNC_AUTO_RESET &&
		 !kfx_cas(&cell->state, old, *old & ~KSYNC_EVENT_SET));
	return true;
}

/* An auto-reset event that was taken is set again, unless it was changed since. */
void kfx_event_untake(struct ksync_object *base, uint32_t index,
		      uint32_t changes)
{
	struct kfx_object *obj = kfx_obj(base);
	uint64_t old;

	do {
		old = kfx_event_word(obj, index);
	} while (!(old & KSYNC_EVENT_SET) &&
		 old / KSYNC_EVENT_CHANGE == changes &&
		 !kfx_event_raise(obj, &obj->cells[index].event, old));
}

/*
 * Somebody who was woken has no use for it: if it is an auto-reset event that is
 * still set, nobody else was woken.
 */
void kfx_event_pass_on(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	uint64_t word;

	if (!(base->flags & KSYNC_AUTO_RESET))
		return;
	/* After our last look. Pairs with the exchange of who sets it. */
	kfx_fence();
	word = kfx_event_word(obj, index);
	if ((word & KSYNC_EVENT_SET) && (word & KSYNC_EVENT_WAITERS))
		kfx_wake(&obj->cells[index].event.changes, 1);
}

/*
 * @began: changes before. Who was woken looks before it gives up: nobody else
 * was woken for an auto-reset event.
 */
static int event_sleep(struct ksync_object *base, uint32_t index, uint32_t began,
		       const struct kfx_limit *limit, uint64_t *old)
{
	bool reset = base->flags & KSYNC_AUTO_RESET;
	uint64_t now, until;
	struct kfx_futexes f;
	int ret;

	for (;;) {
		/* Before the last look. */
		f.nr = 0;
		kfx_event_watch(kfx_obj(base), index, &f);
		if (kfx_event_take(base, index, old) ||
		    (!reset && *old / KSYNC_EVENT_CHANGE != began))
			return 0;
		now = kfx_now();
		ret = kfx_limit_over(limit, now);
		if (ret)
			return ret;
		until = now + KFX_EVENT_LOOK_NS;
		if (until > limit->deadline)
			until = limit->deadline;
		kfx_limit_sleep(limit, &f, until);
	}
}

/* @old: the word that ended the wait, before it was taken. */
int kfx_event_wait_word(struct ksync_object *base, uint32_t index,
			struct kfx_limit *limit, uint64_t *old)
{
	int ret;
	struct ksync_event_cell *cell = event_begin(base, index, &ret);

	if (ret || kfx_event_take(base, index, old))
		return ret;
	kfx_limit_begin(limit);
	ret = kfx_limit_over(limit, kfx_now());
	if (!ret)
		ret = event_sleep(base, index, *old / KSYNC_EVENT_CHANGE, limit,
				  old);
	if (!ret)
		kfx_count(&cell->waits);
	kfx_limit_end(limit);
	return ret;
}

int kfx_event_wait_limit(struct ksync_object *base, uint32_t index,
			 struct kfx_limit *limit)
{
	uint64_t old;

	return kfx_event_wait_word(base, index, limit, &old);
}

int kfx_event_wait(struct ksync_object *base, uint32_t index, uint64_t deadline)
{
	struct kfx_limit limit = { .deadline = deadline };

	return kfx_event_wait_limit(base, index, &limit);
}

/* Nobody queues, and nobody has anything. */
static void event_advance(struct kfx_q *q)
{
}

static void event_drop_wait(struct kfx_q *q, uint32_t id, struct kfx_line *line)
{
}

static void event_drop_hold(struct kfx_q *q, uint32_t id, struct ksync_hold *hold)
{
}

const struct kfx_type kfx_event_type = {
	.advance = event_advance,
	.drop_wait = event_drop_wait,
	.drop_hold = event_drop_hold,
};
