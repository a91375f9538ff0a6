// SPDX-License-Identifier: GPL-2.0-only
/* What POSIX threads offer to processes, in shared memory. */
#include <pthread.h>

#include "loops.h"

static int make_mutexes(struct set *s, int type, int robust, int protocol)
{
	pthread_mutexattr_t a;
	unsigned int i;
	int err;

	pthread_mutexattr_init(&a);
	err = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) ?:
	      pthread_mutexattr_settype(&a, type) ?:
	      pthread_mutexattr_setrobust(&a, robust) ?:
	      pthread_mutexattr_setprotocol(&a, protocol);
	for (i = 0; i < s->nr && !err; i++)
		err = pthread_mutex_init(s->lock[i], &a);
	pthread_mutexattr_destroy(&a);
	return err;
}

static int make_normal(struct set *s)
{
	return make_mutexes(s, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED,
			    PTHREAD_PRIO_NONE);
}

static int make_adaptive(struct set *s)
{
	return make_mutexes(s, PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_STALLED,
			    PTHREAD_PRIO_NONE);
}

static int make_robust(struct set *s)
{
	return make_mutexes(s, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST,
			    PTHREAD_PRIO_NONE);
}

static int make_robust_pi(struct set *s)
{
	return make_mutexes(s, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST,
			    PTHREAD_PRIO_INHERIT);
}

static void destroy_mutexes(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		pthread_mutex_destroy(s->lock[i]);
}

INLINE int mutex_lock(void *lock)
{
	return pthread_mutex_lock(lock);
}

INLINE int mutex_unlock(void *lock)
{
	return pthread_mutex_unlock(lock);
}

LOCK_LOOPS(mutex, mutex_lock, mutex_unlock)

static int make_rwlocks(struct set *s)
{
	pthread_rwlockattr_t a;
	unsigned int i;
	int err;

	pthread_rwlockattr_init(&a);
	err = pthread_rwlockattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	for (i = 0; i < s->nr && !err; i++)
		err = pthread_rwlock_init(s->lock[i], &a);
	pthread_rwlockattr_destroy(&a);
	return err;
}

static void destroy_rwlocks(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		pthread_rwlock_destroy(s->lock[i]);
}

INLINE int read_lock(void *lock)
{
	return pthread_rwlock_rdlock(lock);
}

INLINE int write_lock(void *lock)
{
	return pthread_rwlock_wrlock(lock);
}

INLINE int rw_unlock(void *lock)
{
	return pthread_rwlock_unlock(lock);
}

LOCK_LOOPS(rwlock, write_lock, rw_unlock)
READ_LOOPS(rwlock, read_lock, rw_unlock, write_lock, rw_unlock)

#define MUTEX(how)							\
	.bytes = sizeof(pthread_mutex_t), .create = how,		\
	.destroy = destroy_mutexes, WITH_LOCK(mutex)

const struct peer pthread_peers[] = {
	{ .name = "pthread", .label = "pthread mutex", MUTEX(make_normal) },
	{ .name = "pthread-adaptive", .label = "pthread mutex, adaptive",
	  MUTEX(make_adaptive) },
	{ .name = "pthread-robust", .label = "pthread mutex, robust",
	  .ends_threads = true, MUTEX(make_robust) },
	{ .name = "pthread-robust-pi", .label = "pthread mutex, robust, PI",
	  .ends_threads = true, MUTEX(make_robust_pi) },
	{ .name = "pthread-rwlock", .label = "pthread rwlock",
	  .bytes = sizeof(pthread_rwlock_t), .create = make_rwlocks,
	  .destroy = destroy_rwlocks, WITH_LOCK(rwlock), WITH_READ(rwlock) },
	{ 0 }
};
