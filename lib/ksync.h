/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libksync: mutexes, reader-writer locks, wait groups, semaphores, condition
 * variables, barriers and run-once between processes, which survive the death of
 * whoever holds them.
 *
 *	struct ksync_mutex *m;
 *	int err = ksync_mutex_open(&m, "my-cache", O_CREAT, 0600, NULL);
 *
 *	err = ksync_mutex_lock(m);
 *	if (err == -EOWNERDEAD) {       // held now, but the last holder died
 *		repair_what_it_protects();
 *		err = ksync_mutex_consistent(m);
 *	}
 *	...
 *	ksync_mutex_unlock(m);
 *	ksync_mutex_close(m);
 *
 * Rules for every function here, unless it says otherwise:
 *
 * - It returns 0 or a negative errno, and never touches errno.
 * - It may be called by any thread at any time. Handles may be used in a child
 *   after fork; holds stay with the parent.
 * - It is not async-signal-safe, but a signal handler that runs during a wait
 *   neither ends nor harms the wait: nothing returns -EINTR. The handler must
 *   return, not jump out of the wait.
 * - Pointers must be valid; NULL where a handle is expected gives -EINVAL,
 *   except in the close functions, which allow it.
 * - What was not said to wait does not wait for other users of the object.
 *
 * Errors, the same for every primitive:
 *
 *	-EBUSY			a try operation could not succeed now
 *	-ETIMEDOUT		the deadline passed: nothing acquired, nothing lost
 *	-ECANCELED		the cancel event was set: likewise
 *	-EOWNERDEAD		acquired, but a previous exclusive holder died
 *	-ENOTRECOVERABLE	a dead holder's state was given up on
 *	-EDEADLK		waiting would never end (ksync_last_deadlock())
 *	-EPERM			the caller does not hold what it gives back
 *	-EOVERFLOW		a count would pass its maximum
 *	-ERANGE			a count would fall below zero
 *	-EALREADY		once: it is done
 *	-EPIPE			barrier: broken
 *	-EINVAL			an argument is malformed
 *	-EOPNOTSUPP		this backend cannot do it (ksync_guarantees())
 *	-ENOMEM			no memory
 *	-EBADF			somebody else closed the object's descriptor
 */
#ifndef KSYNC_H
#define KSYNC_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(KSYNC_API)
/* Somebody has a use of their own for it, such as listing the functions. */
#elif defined(__GNUC__)
#define KSYNC_API __attribute__((visibility("default")))
#else
#define KSYNC_API
#endif

/* The most bytes in a name, with the final NUL. */
#define KSYNC_NAME_LEN 128

/* Options: flags. */
#define KSYNC_GUARDED	(1U << 0) /* peers need not trust each other */
#define KSYNC_RECURSIVE	(1U << 1) /* mutex: the holder may lock again */
#define KSYNC_FIFO	(1U << 2) /* mutex: always handed over in order */
#define KSYNC_TRACKED	(1U << 3) /* semaphore: permits belong to a process */
#define KSYNC_AUTO_RESET (1U << 4) /* event: one wait takes it */

/*
 * What a new object is to be. Zero-initialised means defaults, and so does
 * NULL where a pointer to it is taken. @value and @max are for semaphores:
 * free permits at first, and the maximum (0 means INT32_MAX); @max is also for
 * barriers: parties. An event with a @value of 1 is set at first. Flags of
 * another type, or a @value above what may be, give -EINVAL.
 */
struct ksync_options {
	uint32_t flags;
	uint32_t nr;		/* primitives in the object; 0 means 1 */
	uint32_t value;
	uint32_t max;
};

struct ksync_event;

/*
 * How long to wait; NULL where a pointer to it is taken means for ever.
 * @deadline is absolute, CLOCK_MONOTONIC, NULL for none; one with a malformed
 * tv_nsec gives -EINVAL. @cancel is a manual-reset event (otherwise -EINVAL)
 * that ends the wait with -ECANCELED when it is set, NULL for none. A deadline
 * that has passed and an event that is set still take what is free.
 */
struct ksync_wait {
	const struct timespec *deadline;
	struct ksync_event *cancel;
};

/*
 * Opaque handles. create, open and import make one that the caller must close
 * with the close function of its type; the _at functions lend one that lives
 * as long as the handle it came from and must not be closed. When create, open
 * or import fail, they set the handle to NULL.
 *
 * Closing a handle does not give up what its threads hold through it.
 */
struct ksync_mutex;
struct ksync_rwlock;
struct ksync_waitgroup;
struct ksync_sem;

/*
 * Each type has the same six functions:
 *
 * create	a new object without a name. -EINVAL, -ENOMEM, -EMFILE, -ENFILE,
 *		-EDQUOT (too many objects of this user), -EOPNOTSUPP, and what
 *		ksync_available() gives.
 * open		an object by name: @oflag is 0, O_CREAT or O_CREAT | O_EXCL;
 *		@mode are the permission bits of a new object, before the umask,
 *		and @o its options (not used for one that exists). A name is 1
 *		to KSYNC_NAME_LEN - 1 bytes without '/' and control characters.
 *		As create, and -ENOENT, -EEXIST, -EACCES, -ENAMETOOLONG,
 *		-EPROTOTYPE (the object is of another type), -EXDEV (the name
 *		is in use on the other backend, or that cannot be ruled out).
 * import	takes an object from a descriptor that came by SCM_RIGHTS or
 *		inheritance. The descriptor stays the caller's. -EBADF, -EINVAL
 *		(not an object of this type), -EMFILE, -ENOMEM.
 * fd		the object's descriptor, for SCM_RIGHTS; stays the handle's.
 *		-EINVAL for NULL.
 * close	NULL is allowed. No other thread may be using the handle.
 * at		the handle for primitive @index; NULL if out of range, for NULL,
 *		or without memory.
 */

/*
 * Mutex. Owned by the thread that locked it.
 *
 * A running thread may take a free mutex ahead of sleepers; once the oldest
 * sleeper has waited 1 ms it is handed over in order (KSYNC_FIFO: always).
 */
KSYNC_API int ksync_mutex_create(struct ksync_mutex **m,
				 const struct ksync_options *o);
KSYNC_API int ksync_mutex_open(struct ksync_mutex **m, const char *name,
			       int oflag, mode_t mode,
			       const struct ksync_options *o);
KSYNC_API int ksync_mutex_import(struct ksync_mutex **m, int fd);
KSYNC_API int ksync_mutex_fd(const struct ksync_mutex *m);
KSYNC_API void ksync_mutex_close(struct ksync_mutex *m);
KSYNC_API struct ksync_mutex *ksync_mutex_at(struct ksync_mutex *m,
					     uint32_t index);

/*
 * Waits. 0 or -EOWNERDEAD: locked. -EDEADLK when the caller holds it
 * (KSYNC_RECURSIVE: counted; -EOVERFLOW past UINT32_MAX), -ENOTRECOVERABLE.
 */
KSYNC_API int ksync_mutex_lock(struct ksync_mutex *m);
/* Does not wait: -EBUSY, also for the holder unless KSYNC_RECURSIVE. */
KSYNC_API int ksync_mutex_trylock(struct ksync_mutex *m);
/* As lock, and -ETIMEDOUT. */
KSYNC_API int ksync_mutex_lock_until(struct ksync_mutex *m,
				     const struct ksync_wait *w);
/*
 * -EPERM when the caller does not hold it. After -EOWNERDEAD and without
 * consistent the mutex becomes unusable: -ENOTRECOVERABLE for all.
 */
KSYNC_API int ksync_mutex_unlock(struct ksync_mutex *m);
/* What the mutex protects is repaired. -EPERM; -EINVAL if nothing was wrong. */
KSYNC_API int ksync_mutex_consistent(struct ksync_mutex *m);
/*
 * The token of the caller's hold: grows with every exclusive acquisition of
 * this primitive. While the caller does not hold it: the last one given out.
 * 0 before the first, for NULL, and when the object cannot be read.
 */
KSYNC_API uint64_t ksync_mutex_token(const struct ksync_mutex *m);

/*
 * Reader-writer lock. Owned by threads.
 *
 * A waiting writer keeps new readers out (not those that already read); a
 * finishing writer lets in every reader that waited. A reader that dies is
 * dropped. When a writer dies, every holder after it, reader or writer, gets
 * -EOWNERDEAD until a writer calls consistent; a writer that got it and unlocks
 * without makes the lock unusable.
 */
KSYNC_API int ksync_rwlock_create(struct ksync_rwlock **rw,
				  const struct ksync_options *o);
KSYNC_API int ksync_rwlock_open(struct ksync_rwlock **rw, const char *name,
				int oflag, mode_t mode,
				const struct ksync_options *o);
KSYNC_API int ksync_rwlock_import(struct ksync_rwlock **rw, int fd);
KSYNC_API int ksync_rwlock_fd(const struct ksync_rwlock *rw);
KSYNC_API void ksync_rwlock_close(struct ksync_rwlock *rw);
KSYNC_API struct ksync_rwlock *ksync_rwlock_at(struct ksync_rwlock *rw,
					       uint32_t index);

/*
 * rdlock waits. 0 or -EOWNERDEAD: held for reading, counted when the caller
 * reads already. -EDEADLK when the caller writes, -ENOTRECOVERABLE,
 * -EOVERFLOW.
 */
KSYNC_API int ksync_rwlock_rdlock(struct ksync_rwlock *rw);
KSYNC_API int ksync_rwlock_tryrdlock(struct ksync_rwlock *rw);
KSYNC_API int ksync_rwlock_rdlock_until(struct ksync_rwlock *rw,
					const struct ksync_wait *w);
/*
 * wrlock waits. 0 or -EOWNERDEAD: held for writing. -EDEADLK when the caller
 * holds it in either way (try: -EBUSY), -ENOTRECOVERABLE.
 */
KSYNC_API int ksync_rwlock_wrlock(struct ksync_rwlock *rw);
KSYNC_API int ksync_rwlock_trywrlock(struct ksync_rwlock *rw);
KSYNC_API int ksync_rwlock_wrlock_until(struct ksync_rwlock *rw,
					const struct ksync_wait *w);
/* Gives up the write hold, or one read hold. -EPERM without either. */
KSYNC_API int ksync_rwlock_unlock(struct ksync_rwlock *rw);
/*
 * From writing to one read hold, with no writer in between; readers that
 * waited come in. -EPERM when the caller does not write. On a lock not yet
 * declared consistent it works, and the lock stays so.
 */
KSYNC_API int ksync_rwlock_downgrade(struct ksync_rwlock *rw);
/*
 * From one read hold to writing; never waits. 0 or -EOWNERDEAD: held for
 * writing. -EBUSY when others read too, or the caller reads more than once: it
 * keeps reading. -EPERM when the caller does not read.
 */
KSYNC_API int ksync_rwlock_upgrade(struct ksync_rwlock *rw);
/* As for mutexes; for the writer only. */
KSYNC_API int ksync_rwlock_consistent(struct ksync_rwlock *rw);
KSYNC_API uint64_t ksync_rwlock_token(const struct ksync_rwlock *rw);

/*
 * Wait group: a count of members and the wait for it to reach zero.
 *
 * A round begins when the count leaves zero and ends when it is back there; a
 * wait returns when the round that it joined has ended, whatever came next.
 * With a count of zero wait returns at once, with the result of the last round.
 */
KSYNC_API int ksync_waitgroup_create(struct ksync_waitgroup **wg,
				     const struct ksync_options *o);
KSYNC_API int ksync_waitgroup_open(struct ksync_waitgroup **wg,
				   const char *name, int oflag, mode_t mode,
				   const struct ksync_options *o);
KSYNC_API int ksync_waitgroup_import(struct ksync_waitgroup **wg, int fd);
KSYNC_API int ksync_waitgroup_fd(const struct ksync_waitgroup *wg);
KSYNC_API void ksync_waitgroup_close(struct ksync_waitgroup *wg);
KSYNC_API struct ksync_waitgroup *ksync_waitgroup_at(struct ksync_waitgroup *wg,
						     uint32_t index);

/* Adds @delta members, or takes them away: -ERANGE below zero, -EOVERFLOW. */
KSYNC_API int ksync_waitgroup_add(struct ksync_waitgroup *wg, int32_t delta);
/* add(-1) */
KSYNC_API int ksync_waitgroup_done(struct ksync_waitgroup *wg);
/*
 * Waits for the end of the round. -EOWNERDEAD: it ended, but members that were
 * bound died before they were done.
 */
KSYNC_API int ksync_waitgroup_wait(struct ksync_waitgroup *wg);
/* As wait, and -ETIMEDOUT. */
KSYNC_API int ksync_waitgroup_wait_until(struct ksync_waitgroup *wg,
					 const struct ksync_wait *w);
/*
 * Ties one member already added to a process: if it dies before it calls done,
 * the member is counted down and the round ends with -EOWNERDEAD. Bind before
 * the process can call done (the process itself may bind). -EBADF (not a
 * pidfd), -ESRCH (dead already), -ERANGE (no member left to tie), -EOPNOTSUPP
 * (this backend cannot watch that process).
 */
KSYNC_API int ksync_waitgroup_bind(struct ksync_waitgroup *wg, int pidfd);
/*
 * How many members the round lost which the calling thread's last wait saw the
 * end of; 0 when that wait was not on this primitive, and for NULL.
 */
KSYNC_API uint32_t ksync_waitgroup_lost(const struct ksync_waitgroup *wg);

/*
 * Semaphore. Weighted, first come first served: a large request at the head is
 * not overtaken.
 *
 * With KSYNC_TRACKED permits belong to the process that took them and are given
 * back when it dies, which its status reports.
 */
KSYNC_API int ksync_sem_create(struct ksync_sem **s,
			       const struct ksync_options *o);
KSYNC_API int ksync_sem_open(struct ksync_sem **s, const char *name, int oflag,
			     mode_t mode, const struct ksync_options *o);
KSYNC_API int ksync_sem_import(struct ksync_sem **s, int fd);
KSYNC_API int ksync_sem_fd(const struct ksync_sem *s);
KSYNC_API void ksync_sem_close(struct ksync_sem *s);
KSYNC_API struct ksync_sem *ksync_sem_at(struct ksync_sem *s, uint32_t index);

/*
 * acquire waits. -EINVAL when @n is 0 or more than the maximum, now or after a
 * resize during the wait. try: -EBUSY.
 */
KSYNC_API int ksync_sem_acquire(struct ksync_sem *s, uint32_t n);
KSYNC_API int ksync_sem_tryacquire(struct ksync_sem *s, uint32_t n);
/* As acquire, and -ETIMEDOUT. */
KSYNC_API int ksync_sem_acquire_until(struct ksync_sem *s, uint32_t n,
				      const struct ksync_wait *w);
/*
 * -EINVAL when @n is 0, -EOVERFLOW past the maximum, with KSYNC_TRACKED
 * -EPERM when the process holds fewer than @n.
 */
KSYNC_API int ksync_sem_release(struct ksync_sem *s, uint32_t n);
/* Free permits, 0 to INT32_MAX, or a negative errno. */
KSYNC_API int ksync_sem_value(const struct ksync_sem *s);
/*
 * Changes the maximum. -EINVAL when @max is 0 or above INT32_MAX. Waiters that
 * want more than the new maximum get -EINVAL.
 *
 * Without KSYNC_TRACKED the free permits stay as they are; -EBUSY when more
 * than @max are free. With it, where each permit is free or held, as many free
 * permits appear or vanish as the maximum changes by; -EBUSY when too few are
 * free to vanish.
 */
KSYNC_API int ksync_sem_resize(struct ksync_sem *s, uint32_t max);

/*
 * Event: set or not. Set, it lets all waits go until it is reset; with
 * KSYNC_AUTO_RESET it lets one go, the oldest or the next, which resets it.
 */
KSYNC_API int ksync_event_create(struct ksync_event **e,
				 const struct ksync_options *o);
KSYNC_API int ksync_event_open(struct ksync_event **e, const char *name,
			       int oflag, mode_t mode,
			       const struct ksync_options *o);
KSYNC_API int ksync_event_import(struct ksync_event **e, int fd);
KSYNC_API int ksync_event_fd(const struct ksync_event *e);
KSYNC_API void ksync_event_close(struct ksync_event *e);
KSYNC_API struct ksync_event *ksync_event_at(struct ksync_event *e,
					     uint32_t index);

/* Whoever waits at this moment is let go, even if it is reset at once. */
KSYNC_API int ksync_event_set(struct ksync_event *e);
KSYNC_API int ksync_event_reset(struct ksync_event *e);
/* Waits until it is set. */
KSYNC_API int ksync_event_wait(struct ksync_event *e);
/* As wait, and -ETIMEDOUT. */
KSYNC_API int ksync_event_wait_until(struct ksync_event *e,
				     const struct ksync_wait *w);
/*
 * Whenever @parent becomes set, so does @e, and at once if it is set; NULL: @e
 * has no parent any more. The parent lives as long as @e. -EINVAL (the parent
 * has KSYNC_AUTO_RESET), -ELOOP (a cycle, more than 8 ancestors, or the parent's
 * object was made after that of @e), -EBUSY (@e has children already: trees grow
 * from the root), -EMLINK (more than 4096
 * children), -EOPNOTSUPP (the parent is in another object) without
 * KSYNC_G_PARENTS.
 */
KSYNC_API int ksync_event_set_parent(struct ksync_event *e,
				     struct ksync_event *parent);

/*
 * Waiting for several at once. An item says what to take of which primitive:
 *
 *	struct ksync_item items[] = {
 *		{ .take = KSYNC_TAKE_MUTEX, .mutex = m },
 *		{ .take = KSYNC_TAKE_PERMITS, .sem = s, .count = 2 },
 *	};
 */
enum ksync_take {
	KSYNC_TAKE_MUTEX = 1,	/* as ksync_mutex_lock() */
	KSYNC_TAKE_READ = 2,	/* as ksync_rwlock_rdlock() */
	KSYNC_TAKE_WRITE = 3,	/* as ksync_rwlock_wrlock() */
	KSYNC_TAKE_ROUND = 4,	/* as ksync_waitgroup_wait() */
	KSYNC_TAKE_PERMITS = 5,	/* as ksync_sem_acquire() of @count */
	KSYNC_TAKE_EVENT = 6	/* as ksync_event_wait() */
};

struct ksync_item {
	uint32_t take;		/* enum ksync_take */
	uint32_t count;		/* permits; otherwise 0 */
	union {
		struct ksync_mutex *mutex;
		struct ksync_rwlock *rwlock;
		struct ksync_waitgroup *waitgroup;
		struct ksync_sem *sem;
		struct ksync_event *event;
	};
	int result;		/* out: 0 or -EOWNERDEAD: taken; an errno: */
				/* why the whole failed; otherwise -EBUSY */
	uint32_t lost;		/* out: members that the round lost */
};

#define KSYNC_ITEMS_MAX 64

/*
 * Takes one of @nr items and says which (@index may be NULL): the first of the
 * array that can be had, otherwise what comes first. 0 or -EOWNERDEAD: taken.
 * -EDEADLK when the caller holds one of them already and cannot have it twice;
 * -EINVAL, -ETIMEDOUT, -ECANCELED, -ENOTRECOVERABLE, -ENOMEM. Where an item is
 * to blame, @index says which; otherwise it is @nr.
 */
KSYNC_API int ksync_wait_any(struct ksync_item *items, uint32_t nr,
			     const struct ksync_wait *w, uint32_t *index);
/*
 * Takes all of them or none; no primitive may be named twice. While it waits it
 * keeps nothing from others for more than a moment, so it cannot deadlock with
 * who holds one and waits for another. 0 or -EOWNERDEAD: all are taken.
 */
KSYNC_API int ksync_wait_all(struct ksync_item *items, uint32_t nr,
			     const struct ksync_wait *w);

/*
 * For event loops: puts the calling thread in the queue and returns. The
 * descriptor of the item's object becomes readable when there is something to
 * claim, for poll, epoll and select. What is granted is kept for @keep_ns
 * nanoseconds (0: one second; at most a minute) and then goes to the next; it
 * also does when the thread ends or the last descriptor of this opening is
 * closed. -EEXIST (this thread asked already), -EDEADLK (holds it already),
 * -ENOSPC (more than 64 by one opening), -EOPNOTSUPP without KSYNC_G_POLL.
 */
KSYNC_API int ksync_request_queue(const struct ksync_item *item,
				  uint64_t keep_ns);
/*
 * Takes what was requested by the calling thread. 0 or -EOWNERDEAD: it is the
 * caller's. -EBUSY: not granted yet. All else ends the request: -ETIMEDOUT (it
 * was kept, and not claimed in time), or what the wait would have returned.
 * -ENOENT: there is none.
 */
KSYNC_API int ksync_request_claim(const struct ksync_item *item);
/* Gives the request up, granted or not. -ENOENT. */
KSYNC_API int ksync_request_withdraw(const struct ksync_item *item);

#include "ksync_rendezvous.h"

#include "ksync_status.h"

#include "ksync_helpers.h"

/*
 * Takes a name away; who has the object open keeps it. For its owner and root.
 * -ENOENT, -EPERM, -EACCES, -EINVAL, -ENAMETOOLONG.
 */
KSYNC_API int ksync_unlink(const char *name);

/*
 * "kernel" or "futex". The first call into the library decides for the process:
 * the kernel where the module is loaded, otherwise futexes; KSYNC_BACKEND=kernel
 * or =futex in the environment overrides it. Never NULL; the string is static.
 */
KSYNC_API const char *ksync_backend(void);
/*
 * 0 when the chosen backend can be used, otherwise why not: -EACCES (no
 * permission for /dev/ksync), -ENXIO (the module is loaded, but the device is
 * not here), -ENODEV (KSYNC_BACKEND=kernel without the module), -EPROTO (the
 * module speaks another version), -EINVAL (KSYNC_BACKEND is neither).
 */
KSYNC_API int ksync_available(void);
/* Version of the module, "" with the futex backend; the string is static. */
KSYNC_API const char *ksync_module_version(void);
/* Version of the library, "major.minor.patch"; the string is static. */
KSYNC_API const char *ksync_version(void);

/* What the backend promises, one bit for each; see ksync(7). */
#define KSYNC_G_PROCESS_DEATH	(1ULL << 0) /* holds of a dead process pass on */
#define KSYNC_G_EXEC		(1ULL << 1) /* execve counts as death */
#define KSYNC_G_THREAD_EXIT	(1ULL << 2) /* and a thread's return */
#define KSYNC_G_THREAD_DEATH	(1ULL << 3) /* and a thread's end by any road */
#define KSYNC_G_PROMPT		(1ULL << 4) /* at once, not within a bound */
#define KSYNC_G_PID_NAMESPACES	(1ULL << 5) /* across PID namespaces */
#define KSYNC_G_FAIR		(1ULL << 6) /* hand-over after 1 ms, FIFO */
#define KSYNC_G_BIND_SELF	(1ULL << 7) /* wait groups: bind the caller */
#define KSYNC_G_BIND_OTHERS	(1ULL << 8) /* and any other process */
#define KSYNC_G_GUARDED		(1ULL << 9) /* guarded objects */
#define KSYNC_G_NET_NAMESPACES	(1ULL << 10) /* names per network namespace */
#define KSYNC_G_NO_LEFTOVERS	(1ULL << 11) /* nothing stays after a crash */
#define KSYNC_G_COND_MOVES	(1ULL << 12) /* broadcast wakes in turn, no herd */
#define KSYNC_G_CANCEL		(1ULL << 16) /* events cancel waits */
#define KSYNC_G_MANY		(1ULL << 17) /* wait_any, wait_all */
#define KSYNC_G_POLL		(1ULL << 18) /* queued requests, pollable */
#define KSYNC_G_PARENTS		(1ULL << 19) /* in other objects, too */
#define KSYNC_G_DEADLOCK	(1ULL << 13) /* cycles of waits are refused */
#define KSYNC_G_DEADLOCK_OF_TWO	(1ULL << 20) /* of two with locks, soon */
KSYNC_API uint64_t ksync_guarantees(void);

/*
 * A sentence for an error of this library, positive or negative; the string is
 * static. Never NULL.
 */
KSYNC_API const char *ksync_strerror(int err);

/*
 * Who locks what nobody holds does so without a call. With KSYNC_NO_INLINE
 * defined, or another compiler or processor, everything is a call.
 */
#if !defined(KSYNC_NO_INLINE) && defined(__GNUC__) && defined(__LP64__) && \
	(defined(__x86_64__) || defined(__aarch64__))
#include "ksync_inline.h"
#endif

#ifdef __cplusplus
}
#endif

#endif /* KSYNC_H */
