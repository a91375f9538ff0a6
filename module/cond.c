// SPDX-License-Identifier: GPL-2.0-only
/*
 * Condition variable. A waiter stands in the condition's queue. A signal does
 * not wake it but moves it to the queue of its mutex, as if it had just tried to
 * lock that; from there on it is granted, nudged and woken like any other.
 *
 *	             release the mutex               signal
 *	  [queued at the condition, asleep] ----------------> [queued at the mutex,
 *	        | deadline, event                              asleep]
 *	        v                                                | its turn
 *	  lock the mutex ----------------------------------------+--> return
 *
 * The move happens with both buckets locked, so the waiter is always in one of
 * the queues, or was granted. It is queued at the condition before it gives up
 * the mutex: whoever signals with the mutex held cannot miss it.
 *
 * The deadline and the event that cancels concern the condition's queue only.
 * Who has been moved waits for the mutex, with the signal, for as long as that
 * takes; who has left the queue before takes no signal along.
 *
 * Signal handlers run without the mutex. What remains of the wait meanwhile is a
 * hold of the thread on the condition: how far it had come, and the number of
 * signals so far. One that came meanwhile may have been for this waiter, so then
 * the wait is over. If the thread dies with a signal that it has not returned
 * with, the next waiter gets that.
 *
 * Who waits for the mutex again may be part of a cycle, which others that come
 * to it are refused for. It is not refused itself: it would return without the
 * mutex that its caller must have.
 *
 * models/cond.pml checks this.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "commands.h"
#include "cond_word.h"
#include "deadlock.h"
#include "line.h"
#include "lock_word.h"
#include "owner.h"
#include "trace.h"
#include "word.h"

#define COND_BATCH	32	/* moved with the bucket locked all the time */

/* How far an interrupted wait had come: the count of its hold. */
enum cond_phase {
	COND_WAITS,
	COND_WOKEN,
	COND_TIMED_OUT,
	COND_CANCELED,
};

/**
 * struct cond_wait - a wait, on the stack
 * @q: the condition
 * @mutex: the mutex
 * @thread: who waits
 * @hold: for what remains of an interrupted wait
 * @mutex_hold: for the mutex; NULL if it stands in the thread's line
 * @limit: of the wait for a signal
 * @signals: as many there had been when it was queued
 */
struct cond_wait {
	struct ksync_queue q;
	struct ksync_queue mutex;
	struct ksync_thread *thread;
	struct ksync_hold *hold;
	struct ksync_hold *mutex_hold;
	struct ksync_limit *limit;
	u32 signals;
};

static void cond_sync(struct ksync_queue *q)
{
	bool any = ksync_first(q, KSYNC_WANT_SHARED);
	u64 word;

	ksync_update(q->cell, word, cond_word_waiters(&word, any));
}

/* Nobody goes without a signal. */
static void cond_advance(struct ksync_queue *q, struct ksync_wake *wake)
{
	cond_sync(q);
}

/* To the queue of its mutex, which may be free. Bucket locked. */
static void cond_move(struct ksync_queue *q, struct ksync_waiter *w,
		      struct ksync_wake *wake)
{
	struct ksync_queue *mutex = w->then;
	struct cond_wait *cw = container_of(mutex, struct cond_wait, mutex);

	/* The only case of a bucket's lock inside another one's. */
	spin_lock_nested(&mutex->bucket->lock, SINGLE_DEPTH_NESTING);
	ksync_dequeue(q, w);
	w->then = NULL;
	w->index = mutex->index;
	w->want = KSYNC_WANT_EXCLUSIVE;
	w->seq = ++mutex->bucket->seq;
	w->since = ktime_get_ns();
	ksync_deadlock_begin(mutex, w, cw->thread);
	ksync_enqueue(mutex, w);
	mutex->obj->ops->advance(mutex, wake);
	/* The waiter, and @mutex with it, stays while our bucket is locked. */
	spin_unlock(&mutex->bucket->lock);
	WRITE_ONCE(q->cell->cond.moved, q->cell->cond.moved + 1);
}

/* The oldest waiter, if it came by @last; false if there is none. */
static bool cond_move_first(struct ksync_queue *q, u64 last,
			    struct ksync_wake *wake)
{
	struct ksync_waiter *w = ksync_first(q, KSYNC_WANT_SHARED);

	if (!w || w->seq > last)
		return false;
	cond_move(q, w, wake);
	return true;
}

static void cond_signal(struct ksync_queue *q)
{
	struct ksync_wake wake;
	u64 word;

	ksync_wake_init(&wake);
	ksync_queue_lock(q);
	ksync_update(q->cell, word, cond_word_signal(&word));
	cond_move_first(q, q->bucket->seq, &wake);
	cond_sync(q);
	ksync_queue_unlock(q);
	ksync_wake_all(&wake);
}

static void cond_broadcast(struct ksync_queue *q)
{
	struct ksync_wake wake;
	bool more = true;
	u64 word, last;
	int i;

	ksync_queue_lock(q);
	ksync_update(q->cell, word, cond_word_signal(&word));
	last = q->bucket->seq;
	ksync_queue_unlock(q);
	while (more) {
		ksync_wake_init(&wake);
		ksync_queue_lock(q);
		/* There is room for one nudge in @wake. */
		for (i = 0; more && i < COND_BATCH && !wake.nudge; i++)
			more = cond_move_first(q, last, &wake);
		cond_sync(q);
		ksync_queue_unlock(q);
		ksync_wake_all(&wake);
		cond_resched();
	}
}

/* Into the condition's queue. Bucket locked. */
static void cond_enter(struct cond_wait *cw, struct ksync_waiter *w)
{
	*w = (struct ksync_waiter){
		.index = cw->q.index,
		.want = KSYNC_WANT_SHARED,
		.seq = ++cw->q.bucket->seq,
		.since = ktime_get_ns(),
		.task = current,
		.id = cw->thread->id,
		.must = true,
		.then = &cw->mutex,
		.result = KSYNC_PENDING,
	};
	ksync_enqueue(&cw->q, w);
	cond_sync(&cw->q);
	cw->signals = cond_word_signals(ksync_cell_read(cw->q.cell));
}

/* Also if the event is set already: so is @watch then. */
static noinline int cond_sleep_watched(struct cond_wait *cw,
				       struct ksync_waiter *w, ktime_t *expires)
{
	struct ksync_waiter watch;
	int ret;

	ksync_watch(cw->limit, &watch);
	ret = ksync_sleep(w, &watch, expires);
	ksync_unwatch(cw->limit, &watch);
	return ret;
}

/* Until it was moved: then @w->then is NULL; or the reason why not. */
static int cond_sleep(struct cond_wait *cw, struct ksync_waiter *w)
{
	ktime_t when, *expires = ksync_expires(cw->limit->deadline, &when);
	int ret;

	if (cw->limit->cancel.obj)
		ret = cond_sleep_watched(cw, w, expires);
	else
		ret = ksync_sleep(w, NULL, expires);
	ksync_queue_lock(&cw->q);
	if (w->then) {
		ksync_dequeue(&cw->q, w);
		cond_sync(&cw->q);
	}
	ksync_queue_unlock(&cw->q);
	return ret;
}

/* In the mutex's queue, or out of it already with a grant. */
static int cond_sleep_on(struct cond_wait *cw, struct ksync_waiter *w)
{
	int ret;

	ksync_queue_lock(&cw->mutex);
	if (RB_EMPTY_NODE(&w->node)) {
		ksync_queue_unlock(&cw->mutex);
		ret = ksync_wait_result(w);
		ksync_deadlock_end(w);
	} else {
		ret = ksync_wait_queued(&cw->mutex, w, NULL, NULL);
	}
	return ksync_mutex_settle(&cw->mutex, cw->thread, cw->mutex_hold, ret,
				  true);
}

static int cond_take_mutex(struct cond_wait *cw)
{
	struct ksync_limit limit = { .deadline = KSYNC_DEADLINE_NONE };

	return ksync_mutex_take(&cw->mutex, cw->thread, cw->mutex_hold, &limit,
				KSYNC_MUTEX_MUST);
}

static int cond_interrupt(struct cond_wait *cw, enum cond_phase phase)
{
	ksync_hold_insert(&cw->thread->holds, cw->hold, cw->q.obj->id,
			  cw->q.index, KSYNC_HOLD_WAITING);
	cw->hold->count = phase;
	cw->hold->round = cw->signals;
	return -ERESTARTNOINTR;
}

/* @ret: what came of taking the mutex. */
static int cond_end(struct cond_wait *cw, enum cond_phase phase, int ret)
{
	if (ret == -ERESTARTNOINTR)
		return cond_interrupt(cw, phase);
	ksync_hold_unuse(cw->thread, cw->hold);
	if (!ret && phase == COND_TIMED_OUT)
		return -ETIMEDOUT;
	if (!ret && phase == COND_CANCELED)
		return -ECANCELED;
	return ret;
}

/* From when it is queued. */
static int cond_run(struct cond_wait *cw, struct ksync_waiter *w)
{
	int ret = cond_sleep(cw, w);

	if (!w->then)
		return cond_end(cw, COND_WOKEN, cond_sleep_on(cw, w));
	if (ret == -ETIMEDOUT)
		return cond_end(cw, COND_TIMED_OUT, cond_take_mutex(cw));
	if (ret == -ECANCELED)
		return cond_end(cw, COND_CANCELED, cond_take_mutex(cw));
	ksync_hold_unuse(cw->thread, cw->mutex_hold);
	return cond_interrupt(cw, COND_WAITS);
}

/* Does the thread's line speak of the mutex, so that it needs no record? */
static bool cond_in_line(struct cond_wait *cw)
{
	return !(cw->mutex.obj->flags & KSYNC_F_GUARDED) &&
	       !ksync_thread_hold(cw->thread, cw->mutex.obj->id,
				  cw->mutex.index) &&
	       ksync_line_names(cw->thread, cw->mutex.obj->id,
				cw->mutex.index);
}

/* A signal handler has run, and the system call is restarted. */
static int cond_resume(struct cond_wait *cw)
{
	enum cond_phase phase = cw->hold->count;
	struct ksync_waiter w;
	u32 signals;

	rb_erase(&cw->hold->node, &cw->thread->holds);
	/* The caller must get the mutex now, whatever it takes. */
	if (!cond_in_line(cw))
		cw->mutex_hold = ksync_hold_alloc_nofail();
	if (phase == COND_WAITS) {
		ksync_queue_lock(&cw->q);
		signals = cond_word_signals(ksync_cell_read(cw->q.cell));
		if (signals == cw->hold->round) {
			cond_enter(cw, &w);
			ksync_queue_unlock(&cw->q);
			return cond_run(cw, &w);
		}
		ksync_queue_unlock(&cw->q);
		phase = COND_WOKEN;
	}
	return cond_end(cw, phase, cond_take_mutex(cw));
}

/* May the caller, who holds the mutex, wait with it? */
static int cond_check_mutex(struct cond_wait *cw)
{
	if (READ_ONCE(cw->mutex.cell->lock.depth))
		return -EDEADLK;
	return ksync_cell_read(cw->mutex.cell) & KSYNC_LOCK_DEAD ? -EINVAL : 0;
}

static int cond_begin(struct cond_wait *cw)
{
	struct ksync_index_args release = { .index = cw->mutex.index };
	struct ksync_waiter w;
	int ret;

	ret = cond_check_mutex(cw);
	if (ret)
		return ret;
	/* Left by a signal handler that did not return. */
	if (cw->hold)
		rb_erase(&cw->hold->node, &cw->thread->holds);
	else
		cw->hold = ksync_hold_spare(cw->thread);
	if (cond_in_line(cw))
		release.flags = KSYNC_LOCK_IN_LINE;
	else
		cw->mutex_hold = ksync_hold_spare(cw->thread);
	if (!cw->hold || (!cw->mutex_hold && !release.flags)) {
		ksync_hold_unuse(cw->thread, cw->hold);
		ksync_hold_unuse(cw->thread, cw->mutex_hold);
		return -ENOMEM;
	}

	ksync_queue_lock(&cw->q);
	cond_enter(cw, &w);
	WRITE_ONCE(cw->q.cell->cond.waits, cw->q.cell->cond.waits + 1);
	ksync_queue_unlock(&cw->q);
	/* Fails only if a peer took it from us by scribbling on the word. */
	ksync_mutex_unlock(cw->mutex.obj, &release);
	return cond_run(cw, &w);
}

static int cond_wait(struct cond_wait *cw)
{
	int ret;

	cw->thread = ksync_thread_find(current);
	if (!cw->thread)
		return -EPERM;
	cw->hold = ksync_thread_hold(cw->thread, cw->q.obj->id, cw->q.index);
	trace_ksync_wait(cw->q.obj->id, cw->q.index, KSYNC_WANT_SHARED);
	if (ksync_mutex_mine(&cw->mutex, cw->thread))
		ret = cond_begin(cw);
	else if (cw->hold)
		ret = cond_resume(cw);
	else
		ret = -EPERM;
	trace_ksync_waited(cw->q.obj->id, cw->q.index, ret);
	return ret;
}

/* A mutex by its descriptor. */
static int cond_find_mutex(struct ksync_queue *q, struct file *file, u32 index)
{
	struct ksync_object *obj = file->private_data;

	if (file->f_op != &ksync_object_fops || obj->ops != &ksync_mutex_ops)
		return -EINVAL;
	return ksync_queue_init(q, obj, index);
}

int ksync_cond_wait(struct ksync_object *obj, void *args)
{
	struct ksync_cond_wait_args *a = args;
	struct ksync_limit limit;
	struct cond_wait cw = { .limit = &limit };
	struct file *file;
	int ret;

	ret = ksync_queue_init(&cw.q, obj, a->index);
	if (!ret)
		ret = ksync_limit_get(&limit, a->flags, a->deadline, a->cancel,
				      a->cancel_index);
	if (ret)
		return ret;
	/* Keeps the mutex for the time of the wait. */
	file = fget(a->mutex);
	if (file) {
		ret = cond_find_mutex(&cw.mutex, file, a->mutex_index);
		if (!ret)
			ret = cond_wait(&cw);
		fput(file);
	} else {
		ret = -EBADF;
	}
	ksync_limit_put(&limit);
	return ret;
}

int ksync_cond_signal(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (!ret)
		cond_signal(&q);
	return ret;
}

int ksync_cond_broadcast(struct ksync_object *obj, void *args)
{
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (!ret)
		cond_broadcast(&q);
	return ret;
}

/* Died in a wait: the signal that it was given is for the next. */
static void cond_drop(struct ksync_queue *q, u32 id,
		      const struct ksync_hold *hold)
{
	if (hold->count == COND_WOKEN)
		cond_signal(q);
}

static void cond_status(struct ksync_queue *q, struct ksync_primitive_status *st)
{
	struct ksync_cond_cell *cell = &q->cell->cond;

	st->token = cond_word_signals(ksync_cell_read(q->cell));
	st->acquisitions = READ_ONCE(cell->waits);
	st->contended = READ_ONCE(cell->moved);
}

const struct ksync_ops ksync_cond_ops = {
	.name = "cond",
	.id = KSYNC_TYPE_COND,
	.flags = KSYNC_F_GUARDED,
	.advance = cond_advance,
	.drop = cond_drop,
	.status = cond_status,
};
