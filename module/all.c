// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for all of several primitives.
 *
 * State words change under the hands of everybody, so all are taken one after
 * the other, and when one of them is busy the others are given back before
 * anybody waits:
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
 */
#include <linux/ktime.h>
#include <linux/sched/signal.h>

#include "all.h"
#include "word.h"

#define KSYNC_ROUNDS_POLITE	3
#define KSYNC_INSIST_FIRST	(1 * NSEC_PER_MSEC)
#define KSYNC_INSIST_MOST	(1 * NSEC_PER_SEC)

static bool all_taken(const struct ksync_request *r)
{
	return ksync_changed(r->result);
}

static void all_untake(struct ksync_request **r, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!all_taken(r[i]))
			continue;
		r[i]->q.obj->ops->untake(&r[i]->q, &r[i]->w);
		r[i]->result = -EBUSY;
	}
}

/* Waits for one: 0 if it is taken, otherwise why not. */
static int all_wait(struct ksync_request *r, struct ksync_limit *limit)
{
	r->waited = true;
	r->result = ksync_wait_limit(&r->q, &r->w, limit);
	return all_taken(r) ? 0 : r->result;
}

/* Was any of those changed since it was taken? NULL: none. */
static struct ksync_request *all_changed(struct ksync_request **r, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		const struct ksync_ops *ops = r[i]->q.obj->ops;

		if (ops->still && !ops->still(&r[i]->q, &r[i]->w))
			return r[i];
	}
	return NULL;
}

/* Takes what is not taken yet, without waiting; or gives all back. */
static int all_try(struct ksync_request **r, u32 nr,
		   struct ksync_request **failed)
{
	int ret;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (all_taken(r[i]))
			continue;
		r[i]->result = r[i]->q.obj->ops->take(&r[i]->q, &r[i]->w,
						      false);
		if (all_taken(r[i]))
			continue;
		*failed = r[i];
		ret = r[i]->result;
		all_untake(r, nr);
		return ret;
	}
	*failed = all_changed(r, nr);
	if (!*failed)
		return 0;
	all_untake(r, nr);
	return -EBUSY;
}

/* Takes one, or waits for it: 0 if it is taken. */
static int all_take_or_wait(struct ksync_request *r, struct ksync_limit *limit)
{
	if (all_taken(r))
		return 0;
	r->result = r->q.obj->ops->take(&r->q, &r->w, false);
	if (r->result == -EBUSY)
		return all_wait(r, limit);
	return all_taken(r) ? 0 : r->result;
}

/*
 * Takes all, @first (NULL: none) first, and waits for each, for so long in all:
 * -EBUSY if that was too short.
 */
static int all_insist(struct ksync_request **r, u32 nr,
		      struct ksync_request *first,
		      const struct ksync_limit *limit, u64 ns,
		      struct ksync_request **failed)
{
	struct ksync_limit part = *limit;
	u64 end = ksync_now() + ns;
	int ret = 0;
	u32 i;

	part.deadline = min(limit->deadline, end);
	*failed = first;
	if (first)
		ret = all_take_or_wait(first, &part);
	for (i = 0; !ret && i < nr; i++) {
		*failed = r[i];
		ret = all_take_or_wait(r[i], &part);
	}
	if (!ret)
		return all_try(r, nr, failed);
	all_untake(r, nr);
	if (ret == -ETIMEDOUT && part.deadline != limit->deadline)
		ret = -EBUSY;
	return ret;
}

/* The outcome of all that were taken. */
static int all_result(struct ksync_request **r, u32 nr,
		      struct ksync_request **failed)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (r[i]->result) {
			*failed = r[i];
			return r[i]->result;
		}
	}
	*failed = NULL;
	return 0;
}

/**
 * ksync_all_take() - take all or none
 * @r: what, in an order that is the same for everybody
 * @nr: how many
 * @limit: what ends the wait
 * @failed: out: on which one it failed, or the first one with -EOWNERDEAD
 *
 * Return: 0 or -EOWNERDEAD with all taken, otherwise none is.
 */
int ksync_all_take(struct ksync_request **r, u32 nr, struct ksync_limit *limit,
		   struct ksync_request **failed)
{
	struct ksync_request *missed = NULL;
	u64 ns = KSYNC_INSIST_FIRST;
	u32 round;
	int ret;

	for (round = 0; ; round++) {
		ret = all_try(r, nr, failed);
		if (ret == -EBUSY && round >= KSYNC_ROUNDS_POLITE) {
			ret = all_insist(r, nr, missed, limit, ns, failed);
			missed = missed ? NULL : *failed;
			ns = min_t(u64, 2 * ns, KSYNC_INSIST_MOST);
		}
		if (!ret)
			return all_result(r, nr, failed);
		if (ret != -EBUSY)
			return ret;
		if (signal_pending(current))
			return -ERESTARTNOINTR;
		ret = all_wait(*failed, limit);
		if (ret)
			return ret;
		cond_resched();
	}
}
