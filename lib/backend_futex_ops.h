/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The futex backend: the operations, see struct ksync_ops.
 */
#ifndef KSYNC_BACKEND_FUTEX_OPS_H
#define KSYNC_BACKEND_FUTEX_OPS_H

#include "backend.h"

struct kfx_limit;

int kfx_mutex_lock(struct ksync_object *base, uint32_t index,
		   uint64_t deadline);
int kfx_mutex_trylock(struct ksync_object *base, uint32_t index);
int kfx_mutex_unlock(struct ksync_object *base, uint32_t index);
int kfx_rwlock_rdlock(struct ksync_object *base, uint32_t index,
		      uint64_t deadline);
int kfx_rwlock_tryrdlock(struct ksync_object *base, uint32_t index);
int kfx_rwlock_wrlock(struct ksync_object *base, uint32_t index,
		      uint64_t deadline);
int kfx_rwlock_trywrlock(struct ksync_object *base, uint32_t index);
int kfx_rwlock_unlock(struct ksync_object *base, uint32_t index);
int kfx_rwlock_downgrade(struct ksync_object *base, uint32_t index);
int kfx_rwlock_upgrade(struct ksync_object *base, uint32_t index);
int kfx_waitgroup_add(struct ksync_object *base, uint32_t index,
		      int32_t delta);
int kfx_waitgroup_wait(struct ksync_object *base, uint32_t index,
		       uint64_t deadline, uint32_t *lost);
int kfx_waitgroup_bind(struct ksync_object *base, uint32_t index, int pidfd);
int kfx_sem_acquire(struct ksync_object *base, uint32_t index, uint32_t n,
		    uint64_t deadline);
int kfx_sem_tryacquire(struct ksync_object *base, uint32_t index, uint32_t n);
int kfx_sem_release(struct ksync_object *base, uint32_t index, uint32_t n);
int kfx_sem_value(struct ksync_object *base, uint32_t index);
int kfx_sem_resize(struct ksync_object *base, uint32_t index, uint32_t max);
int kfx_event_set(struct ksync_object *base, uint32_t index);
int kfx_event_reset(struct ksync_object *base, uint32_t index);
int kfx_event_wait(struct ksync_object *base, uint32_t index,
		   uint64_t deadline);
int kfx_event_set_parent(struct ksync_object *base, uint32_t index,
			 struct ksync_object *parent, uint32_t parent_index);
int kfx_cond_wait(struct ksync_object *base, uint32_t index,
		  struct ksync_object *mutex, uint32_t mutex_index,
		  const struct ksync_limit *limit);
int kfx_cond_signal(struct ksync_object *base, uint32_t index);
int kfx_cond_broadcast(struct ksync_object *base, uint32_t index);
int kfx_barrier_wait(struct ksync_object *base, uint32_t index,
		     const struct ksync_limit *limit, bool *serial);
int kfx_barrier_join(struct ksync_object *base, uint32_t index);
int kfx_barrier_leave(struct ksync_object *base, uint32_t index);
int kfx_barrier_reset(struct ksync_object *base, uint32_t index);
int kfx_once_begin(struct ksync_object *base, uint32_t index,
		   const struct ksync_limit *limit, uint64_t *result);
int kfx_once_complete(struct ksync_object *base, uint32_t index,
		      uint64_t result);
int kfx_once_abandon(struct ksync_object *base, uint32_t index);
int kfx_once_reset(struct ksync_object *base, uint32_t index);

/* The same, until what the limit says. */
int kfx_mutex_lock_limit(struct ksync_object *base, uint32_t index,
			 struct kfx_limit *limit);
int kfx_rwlock_rdlock_limit(struct ksync_object *base, uint32_t index,
			    struct kfx_limit *limit);
int kfx_rwlock_wrlock_limit(struct ksync_object *base, uint32_t index,
			    struct kfx_limit *limit);
int kfx_waitgroup_wait_limit(struct ksync_object *base, uint32_t index,
			     struct kfx_limit *limit, uint32_t *lost);
int kfx_sem_acquire_limit(struct ksync_object *base, uint32_t index, uint32_t n,
			  struct kfx_limit *limit);
int kfx_event_wait_limit(struct ksync_object *base, uint32_t index,
			 struct kfx_limit *limit);
int kfx_wait_for(struct ksync_ask *ask, struct kfx_limit *limit);
int kfx_wait_cancelable(struct ksync_ask *ask, const struct ksync_limit *limit);
int kfx_wait_many(struct ksync_ask *asks, uint32_t nr, bool all,
		  const struct ksync_limit *limit, uint32_t *index);

#endif /* KSYNC_BACKEND_FUTEX_OPS_H */
