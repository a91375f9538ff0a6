/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The futex backend: what the files of the mutex share.
 */
#ifndef KSYNC_BACKEND_FUTEX_MUTEX_H
#define KSYNC_BACKEND_FUTEX_MUTEX_H

#include "backend_futex.h"

/* What stands in place of the count of those who wait to write. */
#define kfx_nudged_of(q)	(&(q)->queue->writers)
#define KFX_NUDGED		1U	/* one is on its way, and has not failed yet */
#define KFX_STARVING		2U	/* the oldest: hand it over */
#define KFX_AT_HAND		3U	/* likewise, and it is AWAKE */

static inline bool kfx_hand_over(struct kfx_q *q)
{
	return kfx_load(kfx_nudged_of(q)) >= KFX_STARVING;
}

static inline bool kfx_in_order(struct kfx_object *obj)
{
	return obj->flags & KSYNC_FIFO;
}

static inline struct kfx_mutex_more *kfx_mutex_more(union ksync_cell *cell)
{
	return (struct kfx_mutex_more *)&cell->lock.shared;
}

/* backend_futex_lock.c */
void kfx_mutex_seen(union ksync_cell *cell);

/* backend_futex_mutex.c */
int kfx_mutex_try(struct kfx_q *q, uint64_t *word, bool newcomer);

/* backend_futex_spin.c */
int kfx_mutex_spin(struct kfx_q *q, uint64_t *word, bool newcomer);
void kfx_mutex_spin_granted(struct kfx_line *line);
void kfx_mutex_learn(struct kfx_line *line);

#endif /* KSYNC_BACKEND_FUTEX_MUTEX_H */
