// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: waiting for all of several primitives.
 *
 *	take all ------------------------------> done
 *	   ^   \ one is busy: untake all
 *	   |    v
 *	   +-- wait for that one in its queue
 *
 * Who waits so holds nothing, so it cannot deadlock with those who hold
 * something and wait for more. But each time it may find another one busy.
 * After a few rounds it insists: it takes all in one order, the same for
 * everybody, waits for each in its queue and keeps what it has, but for a
 * limited time only. If that was too short, it gives everything back, lets
 * others go first, and next time insists for twice as long. Every other time it
 * begins with the one that it did not get the last time: whoever has that may be
 * waiting for one that comes before it in the order. So among holders that let go
 * in the end it gets all in the end, and while some do not it keeps others from
 * nothing for long.
 *
 * The last step is to look whether what a take does not keep, an event that
 * stays set, is still as it was when it was taken. If so, there was a moment
 * when all could be had and were taken.
 *
 * What is taken is held like anything else, in case of a death. What is untaken
 * was not used: if somebody died before, the next holder is told as well.
 */
#include <stdlib.h>

#include "backend_futex_many.h"

#define ROUNDS_POLITE	3
#define INSIST_FIRST_NS	1000000ULL
#define INSIST_MOST_NS	1000000000ULL

static int by_number(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* The same in all processes. */
static int compare(const void *a, const void *b)
{
	const struct kfx_item *x = *(struct kfx_item *const *)a;
	const struct kfx_item *y = *(struct kfx_item *const *)b;
	int ret = by_number(x->obj->nonce, y->obj->nonce);

	if (!ret)
		ret = by_number(x->obj->dev, y->obj->dev);
	if (!ret)
		ret = by_number(x->obj->ino, y->obj->ino);
	return ret ? ret : by_number(x->ask->index, y->ask->index);
}

/* Gives back what was taken and not used: whoever died before is still told of. */
static void untake_mutex(struct ksync_object *base, uint32_t index)
{
	struct kfx_object *obj = kfx_obj(base);
	union ksync_cell *cell = &obj->cells[index];
	struct ksync_hold *hold;
	struct kfx_thread *t;
	struct kfx_q q;

	if (!(kfx_load(&cell->state) & KSYNC_LOCK_DEAD) ||
	    kfx_load(&cell->lock.depth)) {
		kfx_mutex_unlock(base, index);
		return;
	}
	if (kfx_thread_get(obj, &t))
		return;
	hold = kfx_hold_find(t, index);
	kfx_q_init(&q, obj, index, t->id);
	kfx_q_lock(&q);
	kfx_lock_pass_on(&q, t->id);
	obj->ops->advance(&q);
	kfx_q_unlock(&q);
	if (hold)
		kfx_hold_end(t, hold, index);
}

static void untake(struct kfx_item *item)
{
	struct ksync_ask *ask = item->ask;

	switch (ask->take) {
	case KSYNC_TAKE_MUTEX:
		untake_mutex(ask->obj, ask->index);
		break;
	case KSYNC_TAKE_READ:
		kfx_rwlock_unlock(ask->obj, ask->index);
		break;
	case KSYNC_TAKE_WRITE:
		kfx_rwlock_untake_write(ask->obj, ask->index);
		break;
	case KSYNC_TAKE_PERMITS:
		kfx_sem_untake(ask->obj, ask->index, ask->count);
		break;
	case KSYNC_TAKE_EVENT:
		if (kfx_is_auto_reset(item))
			kfx_event_untake(ask->obj, ask->index, item->noted);
		break;
	}
	item->result = -EBUSY;
}

static void untake_all(struct kfx_item **items, uint32_t nr)
{
	uint32_t i;

	/* In reverse, as with locks everywhere. */
	for (i = nr; i-- > 0; )
		if (kfx_is_taken(items[i]->result))
			untake(items[i]);
}

/* A round that has ended once is over, however many come after it. */
static int try(struct kfx_item *item)
{
	struct ksync_ask *ask = item->ask;

	if (item->over)
		return ask->lost ? -EOWNERDEAD : 0;
	item->result = kfx_item_try(item);
	if (ask->take == KSYNC_TAKE_ROUND)
		item->over = kfx_is_taken(item->result);
	return item->result;
}

/* What ends a part of the wait: a set of the event since the whole began does. */
static void part_of(const struct kfx_limit *limit, uint64_t deadline,
		    struct kfx_limit *part)
{
	*part = *limit;
	if (deadline < part->deadline)
		part->deadline = deadline;
	if (part->begun)
		kfx_add(&part->obj->refs, 1);
}

/* Waits for one: 0 if it is taken, otherwise why not. */
static int wait_for(struct kfx_item *item, const struct kfx_limit *limit,
		    uint64_t deadline)
{
	struct ksync_ask *ask = item->ask;
	struct kfx_limit part;
	uint64_t word = 0;
	int ret;

	part_of(limit, deadline, &part);
	if (kfx_is_event(item)) {
		ret = kfx_event_wait_word(ask->obj, ask->index, &part, &word);
		item->noted = word / KSYNC_EVENT_CHANGE;
	} else {
		ret = kfx_wait_for(ask, &part);
	}
	kfx_limit_end(&part);
	item->result = ret;
	if (!kfx_is_taken(ret))
		return ret;
	item->over = ask->take == KSYNC_TAKE_ROUND;
	return 0;
}

/*
 * The same, with others kept, and not for long: nobody is to see a cycle through
 * them and this wait.
 */
static int wait_briefly(struct kfx_item *item, const struct kfx_limit *limit,
			uint64_t deadline)
{
	struct kfx_line *line = item->thread ? item->thread->line : NULL;
	uint64_t number = line ? kfx_load(&line->thread) : 0;
	int ret;

	if (line)
		kfx_store(&line->thread, 0);
	ret = wait_for(item, limit, deadline);
	/*
	 * Release: after the wait, so that who sees the number sees another
	 * wait. Pairs with the acquire of the wait in backend_futex_cycle.c.
	 */
	if (line)
		kfx_store_release(&line->thread, number);
	return ret;
}

/* Is it still as it was taken? */
static bool still(struct kfx_item *item)
{
	uint64_t word;

	if (!kfx_is_event(item) || kfx_is_auto_reset(item))
		return true;
	word = kfx_event_word(item->obj, item->ask->index);
	return (word & KSYNC_EVENT_SET) &&
	       word / KSYNC_EVENT_CHANGE == item->noted;
}

static struct kfx_item *first_changed(struct kfx_item **items, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (!still(items[i]))
			return items[i];
	return NULL;
}

/* Takes what is not taken yet, without waiting; or gives all back. */
static int try_all(struct kfx_item **items, uint32_t nr,
		   struct kfx_item **failed)
{
	uint32_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		if (kfx_is_taken(items[i]->result))
			continue;
		ret = try(items[i]);
		if (kfx_is_taken(ret)) {
			items[i]->result = ret;
			continue;
		}
		*failed = items[i];
		untake_all(items, nr);
		return ret;
	}
	*failed = first_changed(items, nr);
	if (!*failed)
		return 0;
	untake_all(items, nr);
	return -EBUSY;
}

/* Takes one, or waits for it for a while: 0 if it is taken. */
static int take_or_wait(struct kfx_item *item, const struct kfx_limit *limit,
			uint64_t deadline)
{
	int ret;

	if (kfx_is_taken(item->result))
		return 0;
	ret = try(item);
	if (ret == -EBUSY)
		return wait_briefly(item, limit, deadline);
	item->result = ret;
	return kfx_is_taken(ret) ? 0 : ret;
}

/*
 * Takes all, @first (NULL: none) first, and waits for each, for so long in all:
 * -EBUSY if that was too short.
 */
static int insist(struct kfx_item **items, uint32_t nr, struct kfx_item *first,
		  const struct kfx_limit *limit, uint64_t ns,
		  struct kfx_item **failed)
{
	uint64_t end = kfx_now() + ns;
	uint32_t i;
	int ret = 0;

	*failed = first;
	if (first)
		ret = take_or_wait(first, limit, end);
	for (i = 0; i < nr && !ret; i++) {
		*failed = items[i];
		ret = take_or_wait(items[i], limit, end);
	}
	if (!ret)
		return try_all(items, nr, failed);
	untake_all(items, nr);
	return ret == -ETIMEDOUT && end < limit->deadline ? -EBUSY : ret;
}

/* The outcome of all that were taken, and the first with a death to report. */
static int result_of_all(struct kfx_item *items, uint32_t nr,
			 struct kfx_item **dead)
{
	uint32_t i;

	*dead = NULL;
	for (i = nr; i-- > 0; )
		if (items[i].result)
			*dead = &items[i];
	return *dead ? -EOWNERDEAD : 0;
}

static int take_in_rounds(struct kfx_item **items, uint32_t nr,
			  struct kfx_limit *limit, struct kfx_item **failed)
{
	struct kfx_item *missed = NULL;
	uint64_t ns = INSIST_FIRST_NS;
	uint32_t round;
	int ret;

	for (round = 0; ; round++) {
		ret = try_all(items, nr, failed);
		if (ret == -EBUSY && round >= ROUNDS_POLITE) {
			ret = insist(items, nr, missed, limit, ns, failed);
			missed = missed ? NULL : *failed;
			ns = 2 * ns < INSIST_MOST_NS ? 2 * ns : INSIST_MOST_NS;
		}
		if (ret != -EBUSY)
			return ret;
		kfx_limit_begin(limit);
		ret = kfx_limit_over(limit, kfx_now());
		if (!ret)
			ret = wait_for(*failed, limit, limit->deadline);
		if (ret)
			return ret;
	}
}

/*
 * Takes all or none. @failed: on which it failed, or the first that has a death
 * to report.
 */
int kfx_take_all(struct kfx_item *items, uint32_t nr, struct kfx_limit *limit,
		 struct kfx_item **failed)
{
	struct kfx_item *sorted[KSYNC_ITEMS_MAX];
	uint32_t i;
	int ret;

	for (i = 0; i < nr; i++)
		sorted[i] = &items[i];
	qsort(sorted, nr, sizeof(*sorted), compare);
	for (i = 1; i < nr; i++)
		if (!compare(&sorted[i - 1], &sorted[i]))
			return -EINVAL;
	ret = take_in_rounds(sorted, nr, limit, failed);
	if (!ret)
		return result_of_all(items, nr, failed);
	for (i = 0; i < nr; i++)
		items[i].result = -EBUSY;
	if (ret == -ETIMEDOUT || ret == -ECANCELED)
		*failed = NULL;
	else
		(*failed)->result = ret;
	return ret;
}
