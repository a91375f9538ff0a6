// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: waits that an event can cancel.
 *
 * Such a waiter sleeps on what it sleeps on anyway and on the event's count of
 * changes, which stands in another file. That is all: the event knows no more of
 * it than WAITERS in its word, and what ends the wait is as for a deadline.
 *
 *	waiter				set
 *	note the event's changes	SET and another change in its word
 *	WAITERS in its word
 *	SET there? changes?		WAITERS there before?
 *	sleep unless it has changed	  wake all
 *
 * Both change one word, so one of them comes first. Once the changes are noted,
 * another number means that the event was set, whatever it is by now. Who is
 * killed between the set and the wake-up has left another number, which waiters
 * find whenever they look after what they sleep on.
 */
#include "backend_futex.h"

/* Where nobody can sleep on several futexes: how often to look at the event. */
#define KFX_CANCEL_LOOK_NS 10000000ULL

int kfx_limit_init(struct kfx_limit *limit, const struct ksync_limit *from)
{
	*limit = (struct kfx_limit){ .deadline = from->deadline };
	if (!from->cancel)
		return 0;
	limit->obj = kfx_obj(from->cancel);
	limit->index = from->cancel_index;
	limit->event = &limit->obj->cells[limit->index].event;
	kfx_process_check_fork();
	return kfx_object_join(limit->obj);
}

/*
 * From here on whoever sets the event ends the wait, and the event stays where it
 * is, even if its handles are closed.
 */
void kfx_limit_begin(struct kfx_limit *limit)
{
	uint64_t word;

	if (limit->begun || !limit->event)
		return;
	limit->begun = true;
	/* Not with kfx_lock, since a queue may be locked: it has a handle. */
	kfx_add(&limit->obj->refs, 1);
	word = kfx_event_word(limit->obj, limit->index);
	limit->changes = word / KSYNC_EVENT_CHANGE;
	if (word & KSYNC_EVENT_SET)
		limit->changes--;
}

void kfx_limit_end(struct kfx_limit *limit)
{
	int state;

	if (!limit->begun)
		return;
	limit->begun = false;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	kfx_object_put(limit->obj);
	pthread_setcancelstate(state, NULL);
}

/* Sleeps on all of @f, and until the event is set. */
void kfx_limit_sleep(const struct kfx_limit *limit, struct kfx_futexes *f,
		     uint64_t until)
{
	uint64_t look;

	if (limit->event) {
		kfx_event_watch(limit->obj, limit->index, f);
		if (kfx_limit_was_set(limit))
			return;
	}
	if (f->nr == 1) {
		kfx_sleep(f->futex[0], f->value[0], until);
		return;
	}
	/* There may be more than fit, of which nobody would tell us. */
	if (f->nr == KFX_FUTEXES) {
		look = kfx_now() + KFX_CANCEL_LOOK_NS;
		until = look < until ? look : until;
	}
	if (kfx_sleep_on(f, until))
		return;
	do {
		look = kfx_now() + KFX_CANCEL_LOOK_NS;
		kfx_sleep(f->futex[0], f->value[0], look < until ? look : until);
	} while (!kfx_futexes_changed(f) && kfx_now() < until);
}

/* What the operation of its own would do. */
int kfx_wait_for(struct ksync_ask *ask, struct kfx_limit *limit)
{
	switch (ask->take) {
	case KSYNC_TAKE_MUTEX:
		return kfx_mutex_lock_limit(ask->obj, ask->index, limit);
	case KSYNC_TAKE_READ:
		return kfx_rwlock_rdlock_limit(ask->obj, ask->index, limit);
	case KSYNC_TAKE_WRITE:
		return kfx_rwlock_wrlock_limit(ask->obj, ask->index, limit);
	case KSYNC_TAKE_ROUND:
		return kfx_waitgroup_wait_limit(ask->obj, ask->index, limit,
						&ask->lost);
	case KSYNC_TAKE_PERMITS:
		return kfx_sem_acquire_limit(ask->obj, ask->index, ask->count,
					     limit);
	case KSYNC_TAKE_EVENT:
		return kfx_event_wait_limit(ask->obj, ask->index, limit);
	}
	return -EINVAL;
}

int kfx_wait_cancelable(struct ksync_ask *ask, const struct ksync_limit *limit)
{
	struct kfx_limit until;
	int ret = kfx_limit_init(&until, limit);

	return ret ? ret : kfx_wait_for(ask, &until);
}
