/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What can be seen of objects, and of who waits for whom: a part of <ksync.h>,
 * which is what programs include.
 */
#ifndef KSYNC_STATUS_H
#define KSYNC_STATUS_H

#ifndef KSYNC_H
#error "include <ksync.h>"
#endif

/* What an object is. */
enum ksync_type {
	KSYNC_MUTEX = 1,
	KSYNC_RWLOCK = 2,
	KSYNC_WAITGROUP = 3,
	KSYNC_SEM = 4,
	KSYNC_EVENT = 5,
	KSYNC_COND = 6,
	KSYNC_BARRIER = 7,
	KSYNC_ONCE = 8
};

struct ksync_info {
	uint32_t type;			/* enum ksync_type */
	uint32_t flags;			/* of struct ksync_options */
	uint32_t nr;
	uint32_t users;			/* open descriptions (futex: processes) */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	char name[KSYNC_NAME_LEN];	/* empty for objects without a name */
};

/* Status: flags. */
#define KSYNC_IS_INCONSISTENT	(1U << 0) /* a holder died: -EOWNERDEAD */
#define KSYNC_IS_LOST		(1U << 1) /* -ENOTRECOVERABLE */
#define KSYNC_HAS_LOSS		(1U << 2) /* wait group: members died */
#define KSYNC_IS_BROKEN		(1U << 8) /* barrier: -EPIPE */
#define KSYNC_IS_DONE		(1U << 9) /* once: there is a result */

/*
 * The state of one primitive, a snapshot. Fields that mean nothing for the type
 * are 0. The PIDs are in the caller's PID namespace, 0 when not visible.
 */
struct ksync_status {
	uint32_t flags;
	pid_t holder_pid;	/* exclusive holder; who runs a once */
	pid_t holder_tid;
	uint32_t held;		/* 1: held exclusively, even by one not visible */
	uint32_t readers;	/* read holds; members of a barrier */
	uint32_t value;		/* free permits; members; parties arrived;
				 * event: 1 when set
				 */
	uint32_t max;		/* semaphore; barrier: parties */
	uint32_t waiters;	/* for a mutex, a write lock, permits, a run, an
				 * auto-reset event
				 */
	uint32_t waiters_shared; /* for a read lock, a round's end, a signal, an
				  * event (as a cancel event, too)
				  */
	uint32_t deaths;	/* holders, members, runners that died */
	uint32_t lost;		/* members the round lost; permits given back;
				 * times broken; runs abandoned
				 */
	uint64_t held_ns;	/* how long held exclusively, at least; coarse */
	uint64_t token;		/* exclusive acquisitions; number of the round;
				 * signals; runs; changes of the event
				 */
	uint64_t acquisitions;	/* once: completed; cond, barrier: waits */
	uint64_t contended;	/* acquisitions that had to wait */
};

KSYNC_API int ksync_mutex_status(const struct ksync_mutex *m,
				 struct ksync_status *st);
KSYNC_API int ksync_rwlock_status(const struct ksync_rwlock *rw,
				  struct ksync_status *st);
KSYNC_API int ksync_waitgroup_status(const struct ksync_waitgroup *wg,
				     struct ksync_status *st);
KSYNC_API int ksync_sem_status(const struct ksync_sem *s,
			       struct ksync_status *st);
KSYNC_API int ksync_event_status(const struct ksync_event *e,
				 struct ksync_status *st);

/*
 * Looks at the primitive @index of a named object without opening it. Either
 * pointer may be NULL. -ENOENT, -EACCES (needs read permission), -EINVAL.
 */
KSYNC_API int ksync_query(const char *name, uint32_t index,
			  struct ksync_info *info, struct ksync_status *st);
/*
 * Calls @fn with @arg for each named object that the caller may read, with the
 * state of its primitive 0, until @fn returns nonzero; returns that, or 0. @fn
 * may call the library. The pointers are valid during the call.
 */
KSYNC_API int ksync_list(int (*fn)(const struct ksync_info *info,
				   const struct ksync_status *st, void *arg),
			 void *arg);
/* An edge of a graph of waits: what the waiter wants, @want. */
enum ksync_edge_wants {
	KSYNC_WANTS_EXCLUSIVE = 1,	/* a mutex, a write lock */
	KSYNC_WANTS_SHARED = 2,		/* a read lock */
	KSYNC_WANTS_PERMITS = 3,
	KSYNC_WANTS_END = 4		/* the end of a wait group's round */
};

/* What stands in its way, @held. */
enum ksync_edge_holds {
	KSYNC_HELD_BY_NOBODY = 0,	/* nobody in particular */
	KSYNC_HELD_EXCLUSIVE = 1,	/* the holder's mutex or write lock */
	KSYNC_HELD_SHARED = 2,		/* its read lock */
	KSYNC_HELD_PERMITS = 3,		/* permits of its process */
	KSYNC_HELD_QUEUE = 4		/* it waits itself, ahead of the waiter */
};

/*
 * A thread waits for a primitive that another one holds. The PIDs are in the
 * caller's PID namespace, 0 when not visible there or not known, and then the
 * thread's name is empty. @object is 0 for one that the caller may not see.
 */
struct ksync_edge {
	uint64_t object;		/* number of the object */
	uint64_t waited_ns;
	uint32_t type;			/* enum ksync_type */
	uint32_t index;
	uint32_t want;			/* enum ksync_edge_wants */
	uint32_t wanted;		/* permits */
	uint32_t held;			/* enum ksync_edge_holds */
	uint32_t count;			/* read holds, permits of this holder */
	pid_t waiter_pid;
	pid_t waiter_tid;
	pid_t holder_pid;
	pid_t holder_tid;
	char waiter_name[16];		/* of the thread */
	char holder_name[16];
	char name[KSYNC_NAME_LEN];	/* empty for objects without a name */
};

/*
 * Calls @fn with @arg for each edge of the cycle for which the calling thread
 * was last refused with -EDEADLK, until @fn returns nonzero; returns that, or
 * 0. The first waiter is the caller; in a plain cycle each holder is the next
 * edge's waiter, and the last holder is the caller. No call without a refusal.
 * Of a cycle with more than 256 edges it gives the first 256. The futex backend
 * knows plain cycles of two, and gives the object's inode as its number. -ENOMEM.
 */
KSYNC_API int ksync_last_deadlock(int (*fn)(const struct ksync_edge *edge,
					    void *arg),
				  void *arg);
/*
 * Likewise for each wait at present on objects that the caller made or may
 * read. Waits come and go meanwhile. Of holders that do not wait themselves,
 * readers and permits are given as a number only, with no PID. -EOPNOTSUPP with
 * the futex backend.
 */
KSYNC_API int ksync_graph(int (*fn)(const struct ksync_edge *edge, void *arg),
			  void *arg);

#endif /* KSYNC_STATUS_H */
