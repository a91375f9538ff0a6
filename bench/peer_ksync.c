// SPDX-License-Identifier: GPL-2.0-only
/* ksync itself: futexes, the kernel module, and guarded objects of that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ksync.h>

#include "loops.h"

/* Before the process first calls the library, which then decides for good. */
static int choose_backend(const struct set *s)
{
	return setenv("KSYNC_BACKEND", s->peer->backend, 1) ? errno : 0;
}

static const struct ksync_options *options_of(const struct set *s,
					      struct ksync_options *o)
{
	*o = (struct ksync_options){ .flags = s->peer->options, .nr = s->nr };
	return o;
}

static int lend(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr && i < MAX_LOCKS; i++) {
		s->lock[i] = s->peer->at(s, i);
		if (!s->lock[i])
			return -ENOMEM;
	}
	return 0;
}

static int make_mutex(struct set *s)
{
	struct ksync_options o;
	struct ksync_mutex *m;
	int err = choose_backend(s) ?: ksync_mutex_create(&m, options_of(s, &o));

	s->object = m;
	return err ?: lend(s);
}

static void close_mutex(struct set *s)
{
	ksync_mutex_close(s->object);
}

static void *mutex_at(struct set *s, unsigned int i)
{
	return ksync_mutex_at(s->object, i);
}

INLINE int mutex_lock(void *lock)
{
	return ksync_mutex_lock(lock);
}

INLINE int mutex_unlock(void *lock)
{
	return ksync_mutex_unlock(lock);
}

LOCK_LOOPS(mutex, mutex_lock, mutex_unlock)

static int make_rwlock(struct set *s)
{
	struct ksync_options o;
	struct ksync_rwlock *rw;
	int err = choose_backend(s) ?: ksync_rwlock_create(&rw, options_of(s, &o));

	s->object = rw;
	return err ?: lend(s);
}

static void close_rwlock(struct set *s)
{
	ksync_rwlock_close(s->object);
}

static void *rwlock_at(struct set *s, unsigned int i)
{
	return ksync_rwlock_at(s->object, i);
}

INLINE int read_lock(void *lock)
{
	return ksync_rwlock_rdlock(lock);
}

INLINE int write_lock(void *lock)
{
	return ksync_rwlock_wrlock(lock);
}

INLINE int rw_unlock(void *lock)
{
	return ksync_rwlock_unlock(lock);
}

LOCK_LOOPS(rwlock, write_lock, rw_unlock)
READ_LOOPS(rwlock, read_lock, rw_unlock, write_lock, rw_unlock)

/* A tracked semaphore's permits are all there, free or held. */
static int make_sem(struct set *s)
{
	struct ksync_options o;
	struct ksync_sem *sem;
	int err = choose_backend(s);

	options_of(s, &o);
	o.value = s->permits;
	if (o.flags & KSYNC_TRACKED)
		o.max = s->permits;
	if (!err)
		err = ksync_sem_create(&sem, &o);
	s->object = sem;
	return err ?: lend(s);
}

static void close_sem(struct set *s)
{
	ksync_sem_close(s->object);
}

static void *sem_at(struct set *s, unsigned int i)
{
	return ksync_sem_at(s->object, i);
}

INLINE int acquire(void *lock)
{
	return ksync_sem_acquire(lock, 1);
}

INLINE int release(void *lock)
{
	return ksync_sem_release(lock, 1);
}

LOCK_LOOPS(sem, acquire, release)
SEM_LOOPS(sem, acquire, release)

static int sem_done(void *lock)
{
	return release(lock);
}

static int sem_all(void *lock, unsigned int workers)
{
	return ksync_sem_acquire(lock, workers);
}

static const struct fanin sem_fanin = { NULL, sem_done, sem_all };

static int make_group(struct set *s)
{
	struct ksync_waitgroup *wg;
	struct ksync_options o;
	int err = choose_backend(s) ?: ksync_waitgroup_create(&wg, options_of(s, &o));

	s->object = wg;
	return err ?: lend(s);
}

static void close_group(struct set *s)
{
	ksync_waitgroup_close(s->object);
}

static void *group_at(struct set *s, unsigned int i)
{
	return ksync_waitgroup_at(s->object, i);
}

INLINE int add_one(void *lock)
{
	return ksync_waitgroup_add(lock, 1);
}

INLINE int done(void *lock)
{
	return ksync_waitgroup_done(lock);
}

INLINE int wait_idle(void *lock)
{
	return ksync_waitgroup_wait(lock);
}

INLINE int nothing(void *lock)
{
	return 0;
}

PAIRS(member, add_one, done)
PAIRS(idle, wait_idle, nothing)

static int group_arm(void *lock, unsigned int workers)
{
	return ksync_waitgroup_add(lock, workers);
}

static int group_done(void *lock)
{
	return done(lock);
}

static int group_wait(void *lock, unsigned int workers)
{
	return ksync_waitgroup_wait(lock);
}

static const struct fanin group_fanin = { group_arm, group_done, group_wait };

#define MUTEX								\
	.ends_threads = true, .create = make_mutex,			\
	.destroy = close_mutex, .at = mutex_at, WITH_LOCK(mutex)
#define RWLOCK								\
	.create = make_rwlock, .destroy = close_rwlock,			\
	.at = rwlock_at, WITH_LOCK(rwlock), WITH_READ(rwlock)
#define SEM								\
	.create = make_sem, .destroy = close_sem, .at = sem_at,		\
	WITH_LOCK(sem), WITH_SEM(sem)
#define GROUP								\
	.create = make_group, .destroy = close_group, .at = group_at,	\
	.pairs[K_MEMBER] = member_pairs, .pairs[K_IDLE] = idle_pairs,	\
	.fanin = &group_fanin

#define FUTEX(type)							\
	.name = "ksync-futex-" type, .label = "ksync futex " type,	\
	.backend = "futex"
#define KERNEL(type)							\
	.name = "ksync-kernel-" type, .label = "ksync kernel " type,	\
	.backend = "kernel"
#define GUARDED(type)							\
	.name = "ksync-guarded-" type, .label = "ksync guarded " type,	\
	.backend = "kernel", .options = KSYNC_GUARDED

const struct peer ksync_peers[] = {
	{ FUTEX("mutex"), MUTEX },
	{ KERNEL("mutex"), MUTEX },
	{ GUARDED("mutex"), MUTEX },
	{ FUTEX("rwlock"), RWLOCK },
	{ KERNEL("rwlock"), RWLOCK },
	{ GUARDED("rwlock"), RWLOCK },
	{ FUTEX("sem"), SEM, .fanin = &sem_fanin },
	{ FUTEX("tracked"), SEM, .options = KSYNC_TRACKED },
	{ KERNEL("sem"), SEM, .fanin = &sem_fanin },
	{ KERNEL("tracked"), SEM, .options = KSYNC_TRACKED },
	{ GUARDED("sem"), SEM, .fanin = &sem_fanin },
	{ FUTEX("group"), GROUP },
	{ KERNEL("group"), GROUP },
	{ GUARDED("group"), GROUP },
	{ 0 }
};
