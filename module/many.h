/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that are not the business of one command: several at once, and those
 * that nobody sleeps for.
 *
 * A request goes through
 *
 *	prepare --> take, or wait in the queue --> settle
 *	                       |
 *	                       +--> untake --> settle with an error
 */
#ifndef KSYNC_MANY_H
#define KSYNC_MANY_H

#include "owner.h"
#include "wait.h"

/**
 * struct ksync_request - one thing that is asked for
 * @q: the primitive; the reference in it is that of who made the request
 * @w: in its queue
 * @thread: who asks
 * @process: tracked semaphore: whose permits these will be, with a reference
 * @hold: for what is taken; NULL if there is one that it adds to
 * @held: a lock that the thread holds already
 * @shared: rwlock: for reading
 * @waited: it was not to be had at once
 * @result: what came of the take; -EBUSY: not taken
 */
struct ksync_request {
	struct ksync_queue q;
	struct ksync_waiter w;
	struct ksync_thread *thread;
	struct ksync_process *process;
	struct ksync_hold *hold;
	bool held;
	bool shared;
	bool waited;
	int result;
};

/**
 * struct ksync_any - waiters of which one is enough
 * @lock: makes the choice; the innermost lock
 * @winner: the one that was granted what it wants; not NULL: it is over
 * @over: nobody may be granted anything any more. Set under @lock
 */
struct ksync_any {
	spinlock_t lock;	/* see above */
	struct ksync_waiter *winner;
	bool over;
};

static inline bool ksync_any_over(const struct ksync_any *any)
{
	return READ_ONCE(any->over);
}

bool ksync_any_admit(struct ksync_queue *q, struct ksync_waiter *w,
		     struct ksync_wake *wake);

/* many.c */
int ksync_many(struct ksync_wait_args *a, struct ksync_wait_item *items);

#endif /* KSYNC_MANY_H */
