// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions of reader-writer locks.
 */
#include "handle.h"

KSYNC_DEFINE_HANDLE(rwlock, KSYNC_RWLOCK)

static int rdlock_by_backend(struct ksync_rwlock *rw, uint64_t deadline,
			     bool only)
{
	const struct ksync_ops *ops = rw->h.obj->ops;

	return only ? ops->rwlock_tryrdlock(rw->h.obj, rw->h.index) :
		      ops->rwlock_rdlock(rw->h.obj, rw->h.index, deadline);
}

/*
 * Does the word say nothing but that readers have fences, and that the thread
 * needs none? Acquire: what the last writer did. The next one sends a barrier, and
 * so does who begins to wait.
 */
static inline bool is_favourite(const struct ksync_fast *f,
				const struct ksync_lock_cell *cell)
{
	return __atomic_load_n(&cell->state, __ATOMIC_ACQUIRE) ==
	       (KSYNC_LOCK_FENCED | KSYNC_LOCK_FAVOURS(f->id));
}

static inline bool read_at_once(struct ksync_rwlock *rw)
{
	struct ksync_fast *f = ksync_handle_fast(&rw->h);
	const struct ksync_lock_cell *cell = &ksync_handle_cell(&rw->h)->lock;

	return is_favourite(f, cell) || ksync_fast_read_fenced(f, cell);
}

/* The rest of ksync_inline_unread(). */
static inline bool unread_at_once(struct ksync_rwlock *rw)
{
	struct ksync_fast *f = ksync_handle_fast(&rw->h);
	const struct ksync_lock_cell *cell = &ksync_handle_cell(&rw->h)->lock;

	if (!ksync_handle_known(&rw->h))
		return false;
	if (!is_favourite(f, cell) ||
	    !ksync_inline_hold_is(f->hold, f->idle |
				  KSYNC_HOLD_IN_WORD(KSYNC_HOLD_LEFT)))
		return ksync_fast_unread_fenced(f, cell);
	ksync_inline_hold(f->hold, f->idle);
	return true;
}

/* @left is what ksync_inline_read() gave. */
static int rdlock_rest(struct ksync_rwlock *rw, uint32_t left,
		       uint64_t deadline, bool only)
{
	if (left == KSYNC_HOLD_READ && read_at_once(rw))
		return 0;
	return rdlock_by_backend(rw, deadline, only);
}

/* Not cold: with fences, readers come here each time. */
__attribute__((noinline)) int
ksync_slow_rwlock_rdlock(struct ksync_rwlock *rw, uint32_t left, int only)
{
	if (!rw)
		return -EINVAL;
	return rdlock_rest(rw, left, KSYNC_FOREVER, only);
}

int ksync_rwlock_rdlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_rdlock(rw, false);
}

int ksync_rwlock_tryrdlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_rdlock(rw, true);
}

int ksync_rwlock_rdlock_until(struct ksync_rwlock *rw,
			      const struct ksync_wait *w)
{
	uint64_t deadline;
	uint32_t left;
	int err;

	if (!rw)
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	if (w && w->cancel)
		return ksync_wait_cancelable(&rw->h, KSYNC_TAKE_READ, 0, w, deadline,
					     NULL);
	left = ksync_inline_read(&rw->h.fast);
	return left ? rdlock_rest(rw, left, deadline, false) : 0;
}

int ksync_rwlock_wrlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_wrlock(rw->h.obj, rw->h.index,
					     KSYNC_FOREVER);
}

int ksync_rwlock_trywrlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_trywrlock(rw->h.obj, rw->h.index);
}

int ksync_rwlock_wrlock_until(struct ksync_rwlock *rw,
			      const struct ksync_wait *w)
{
	uint64_t deadline;
	int err;

	if (!rw)
		return -EINVAL;
	err = ksync_deadline(w, &deadline);
	if (err)
		return err;
	if (w && w->cancel)
		return ksync_wait_cancelable(&rw->h, KSYNC_TAKE_WRITE, 0, w, deadline,
					     NULL);
	return rw->h.obj->ops->rwlock_wrlock(rw->h.obj, rw->h.index, deadline);
}

/* Not cold either. */
__attribute__((noinline)) int ksync_slow_rwlock_unlock(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	if (unread_at_once(rw))
		return 0;
	return rw->h.obj->ops->rwlock_unlock(rw->h.obj, rw->h.index);
}

int ksync_rwlock_unlock(struct ksync_rwlock *rw)
{
	return ksync_inline_rwlock_unlock(rw);
}

int ksync_rwlock_downgrade(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_downgrade(rw->h.obj, rw->h.index);
}

int ksync_rwlock_upgrade(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_upgrade(rw->h.obj, rw->h.index);
}

int ksync_rwlock_consistent(struct ksync_rwlock *rw)
{
	if (!rw)
		return -EINVAL;
	return rw->h.obj->ops->rwlock_consistent(rw->h.obj, rw->h.index);
}

uint64_t ksync_rwlock_token(const struct ksync_rwlock *rw)
{
	return rw ? rw->h.obj->ops->token(rw->h.obj, rw->h.index) : 0;
}
