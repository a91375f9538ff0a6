/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands, as the tables of ioctl.c and device.c name them.
 *
 * A command on an object gets its argument in kernel memory, and what it writes
 * there is copied back if the command says so. It returns an errno, or 0, or
 * what the command documents.
 */
#ifndef KSYNC_COMMANDS_H
#define KSYNC_COMMANDS_H

#include <linux/ktime.h>
#include <linux/uaccess.h>

#include "lock_word.h"
#include "object.h"
#include "owner.h"
#include "wait.h"
#include "word.h"

struct ksync_thread;

/* All but the size must be as this version has it. */
static inline bool ksync_same_command(unsigned int a, unsigned int b)
{
	return !((a ^ b) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT));
}

/* Copies an argument of the size in @cmd to one that has @size here. */
static inline int ksync_copy_args(void *args, size_t size, unsigned int cmd,
				  const void __user *user)
{
	if (!(_IOC_DIR(cmd) & _IOC_WRITE))
		return 0;
	if (unlikely(_IOC_SIZE(cmd) != size))
		return copy_struct_from_user(args, size, user, _IOC_SIZE(cmd));
	return copy_from_user(args, user, size) ? -EFAULT : 0;
}

/* Nothing that is documented to be zero was given. */
static inline int ksync_queue_args(struct ksync_queue *q,
				   struct ksync_object *obj,
				   const struct ksync_index_args *args)
{
	if (args->flags)
		return -EINVAL;
	return ksync_queue_init(q, obj, args->index);
}

/* As ksync_queue_args(), for commands on locks that may be in a line. */
static inline int ksync_lock_args_init(struct ksync_queue *q,
				       struct ksync_object *obj, u32 index,
				       u32 flags)
{
	if (flags & ~KSYNC_LOCK_IN_LINE)
		return -EINVAL;
	if (flags && (obj->flags & KSYNC_F_GUARDED))
		return -EINVAL;
	return ksync_queue_init(q, obj, index);
}

/*
 * Somebody wants to know for how long it is held. Who locks in user space does
 * not look at the clock, so then it is counted from here.
 */
static inline void ksync_lock_noticed(struct ksync_queue *q)
{
	struct ksync_lock_cell *cell = &q->cell->lock;
	u32 token = READ_ONCE(cell->token);

	if (READ_ONCE(cell->since_of) == token)
		return;
	WRITE_ONCE(cell->since, ktime_get_coarse_ns());
	WRITE_ONCE(cell->since_of, token);
}

/*
 * A mapped word may name an owner that does not exist, which would never let go.
 * (A thread that dies exists until what it held is settled.)
 */
static inline bool ksync_lock_orphaned(struct ksync_queue *q, u32 *owner)
{
	*owner = lock_word_id(ksync_cell_read(q->cell));
	return *owner && READ_ONCE(q->obj->mapped) &&
	       !ksync_thread_exists(*owner);
}

/* As ksync_queue_args(), for commands that wait. Afterwards: ksync_limit_put(). */
static inline int ksync_lock_limit(struct ksync_queue *q,
				   struct ksync_object *obj,
				   struct ksync_limit *limit,
				   const struct ksync_lock_args *a)
{
	int ret = ksync_queue_init(q, obj, a->index);

	return ret ?: ksync_limit_get(limit, a->flags, a->deadline, a->cancel,
				      a->cancel_index);
}

/* Accounting of an exclusive acquisition, by its holder. */
static inline void ksync_lock_taken(struct ksync_queue *q, bool waited)
{
	struct ksync_lock_cell *cell = &q->cell->lock;

	WRITE_ONCE(cell->token, READ_ONCE(cell->token) + 1);
	WRITE_ONCE(cell->since, ktime_get_coarse_ns());
	WRITE_ONCE(cell->since_of, READ_ONCE(cell->token));
	if (waited)
		WRITE_ONCE(cell->contended, READ_ONCE(cell->contended) + 1);
}

int ksync_mutex_lock(struct ksync_object *obj, void *args);
int ksync_mutex_trylock(struct ksync_object *obj, void *args);
int ksync_mutex_unlock(struct ksync_object *obj, void *args);

/* What to do about a mutex that another thread has. */
enum ksync_mutex_how {
	KSYNC_MUTEX_TRY,
	KSYNC_MUTEX_WAIT,
	KSYNC_MUTEX_MUST,	/* wait, also if that closes a cycle */
};

/* For waits at conditions. */
bool ksync_mutex_mine(struct ksync_queue *q, struct ksync_thread *thread);
int ksync_mutex_take(struct ksync_queue *q, struct ksync_thread *thread,
		     struct ksync_hold *hold, struct ksync_limit *limit,
		     enum ksync_mutex_how how);
int ksync_mutex_settle(struct ksync_queue *q, struct ksync_thread *thread,
		       struct ksync_hold *hold, int ret, bool waited);

int ksync_rwlock_rdlock(struct ksync_object *obj, void *args);
int ksync_rwlock_tryrdlock(struct ksync_object *obj, void *args);
int ksync_rwlock_wrlock(struct ksync_object *obj, void *args);
int ksync_rwlock_trywrlock(struct ksync_object *obj, void *args);
int ksync_rwlock_unlock(struct ksync_object *obj, void *args);
int ksync_rwlock_downgrade(struct ksync_object *obj, void *args);
int ksync_rwlock_upgrade(struct ksync_object *obj, void *args);
int ksync_rwlock_slot(struct ksync_object *obj, void *args);
void ksync_rwlock_unread_dead(struct ksync_queue *q, u32 n);

/* Mutex and rwlock alike. */
int ksync_lock_consistent(struct ksync_object *obj, void *args);

int ksync_waitgroup_add(struct ksync_object *obj, void *args);
int ksync_waitgroup_wait(struct ksync_object *obj, void *args);
int ksync_waitgroup_bind(struct ksync_object *obj, void *args);

int ksync_sem_acquire(struct ksync_object *obj, void *args);
int ksync_sem_tryacquire(struct ksync_object *obj, void *args);
int ksync_sem_release(struct ksync_object *obj, void *args);
int ksync_sem_resize(struct ksync_object *obj, void *args);

int ksync_event_set(struct ksync_object *obj, void *args);
int ksync_event_reset(struct ksync_object *obj, void *args);
int ksync_event_wait(struct ksync_object *obj, void *args);
int ksync_event_set_parent(struct ksync_object *obj, void *args);

int ksync_cond_wait(struct ksync_object *obj, void *args);
int ksync_cond_signal(struct ksync_object *obj, void *args);
int ksync_cond_broadcast(struct ksync_object *obj, void *args);

int ksync_barrier_wait(struct ksync_object *obj, void *args);
int ksync_barrier_join(struct ksync_object *obj, void *args);
int ksync_barrier_leave(struct ksync_object *obj, void *args);
int ksync_barrier_reset(struct ksync_object *obj, void *args);

int ksync_once_begin(struct ksync_object *obj, void *args);
int ksync_once_complete(struct ksync_object *obj, void *args);
int ksync_once_abandon(struct ksync_object *obj, void *args);
int ksync_once_reset(struct ksync_object *obj, void *args);

#endif /* KSYNC_COMMANDS_H */
