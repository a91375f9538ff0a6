/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ksync: synchronization between processes that survives the death of whoever
 * holds it.
 *
 * Objects are file descriptors. They are made by ioctls on /dev/ksync and used
 * by ioctls on the descriptor. One object holds one or more primitives of one
 * type, addressed by index.
 *
 * The errno contract, the same for every command:
 *
 *   EBADF           not an open descriptor
 *   ENOTTY          the command does not exist, or not for this kind of object
 *   EFAULT          the argument is not readable or writable memory
 *   EINVAL          the argument is too short, a flag is unknown, padding is
 *                   not zero, an index is out of range, a count is impossible
 *   E2BIG           the argument is longer than this kernel knows and the
 *                   unknown part is not zero
 *   ENOMEM          no memory, or the caller's memory cgroup is full
 *   EDQUOT          the user has made as many objects as one may have
 *   EMFILE, ENFILE  too many descriptors, open files
 *   ENOSPC          what there is a fixed number of is all taken
 *
 *   EBUSY           a try operation could not succeed now
 *   EALREADY        once: it is done; the result comes with it
 *   EPIPE           barrier: broken, a party will not come
 *   ETIMEDOUT       the deadline passed; nothing was acquired, nothing lost
 *   ECANCELED       the cancel event was set; likewise
 *   EOWNERDEAD      acquired, but a previous exclusive holder died holding it
 *                   (wait group: the round ended, and members of it died)
 *   ENOTRECOVERABLE a dead holder's state was given up on
 *   EDEADLK         waiting would never end: the caller holds it already, or
 *                   would wait without a deadline and close a cycle of waits
 *                   (KSYNC_IOC_DEV_CYCLE tells which)
 *   EPERM           the caller does not hold what it tries to give back
 *   EOVERFLOW       a count would pass its maximum
 *   ERANGE          a count would fall below zero
 *
 * A command that fails with anything but EOWNERDEAD has changed nothing, but
 * for a barrier, which a party that times out or is cancelled breaks, and for a
 * condition, whose waiters give up the mutex and take it again.
 * Commands that wait are never ended by a signal handler (the handler runs and
 * the wait goes on) and always by a fatal signal.
 *
 * Arguments may grow in later versions: a longer argument is accepted when the
 * part unknown to the kernel is zero, a shorter one is filled with zeros, but
 * never shorter than the first published version.
 */
#ifndef _UAPI_LINUX_KSYNC_H
#define _UAPI_LINUX_KSYNC_H

#include <linux/ioctl.h>
#include <linux/ksync_cell.h>
#include <linux/ksync_wait.h>
#include <linux/types.h>

#define KSYNC_ABI_VERSION	1

#define KSYNC_NAME_MAX		128		/* bytes, with the final NUL */
#define KSYNC_NR_MAX		(1U << 20)	/* primitives in one object */
#define KSYNC_COUNT_MAX		0x7fffffffU	/* permits, members, readers */
#define KSYNC_DEADLINE_NONE	(~0ULL)		/* wait for ever */
#define KSYNC_NO_FD		(-1)

/**
 * enum ksync_primitive_type - what an object's primitives are
 * @KSYNC_TYPE_MUTEX: mutual exclusion, owned by a thread
 * @KSYNC_TYPE_RWLOCK: many readers or one writer, owned by threads
 * @KSYNC_TYPE_WAITGROUP: a count of members and the wait for it to reach zero
 * @KSYNC_TYPE_SEM: a weighted semaphore, first come first served
 * @KSYNC_TYPE_EVENT: set or not, and the wait for it to be set
 * @KSYNC_TYPE_COND: a condition variable, to wait at with a mutex
 * @KSYNC_TYPE_BARRIER: where a number of parties wait for each other
 * @KSYNC_TYPE_ONCE: what is to be run by one thread, to its end, with a result
 */
enum ksync_primitive_type {
	KSYNC_TYPE_MUTEX	= 1,
	KSYNC_TYPE_RWLOCK	= 2,
	KSYNC_TYPE_WAITGROUP	= 3,
	KSYNC_TYPE_SEM		= 4,
	KSYNC_TYPE_EVENT	= 5,
	KSYNC_TYPE_COND		= 6,
	KSYNC_TYPE_BARRIER	= 7,
	KSYNC_TYPE_ONCE		= 8,
};

/*
 * Creation flags.
 *
 * GUARDED    the cells can never be mapped: peers need not trust each other
 * RECURSIVE  mutex: the holder may lock again; as many unlocks give it back
 * FIFO       mutex: always handed over in order, no barging
 * TRACKED    semaphore: permits belong to the process that took them
 * AUTO_RESET event: one wait takes it, and it is not set any more
 */
#define KSYNC_F_GUARDED		(1U << 0)
#define KSYNC_F_RECURSIVE	(1U << 1)
#define KSYNC_F_FIFO		(1U << 2)
#define KSYNC_F_TRACKED		(1U << 3)
#define KSYNC_F_AUTO_RESET	(1U << 4)

/**
 * struct ksync_create_args - KSYNC_IOC_DEV_CREATE: an object without a name
 * @type: in: enum ksync_primitive_type
 * @flags: in: KSYNC_F_*
 * @nr: in: primitives, 1 to KSYNC_NR_MAX
 * @value: in: semaphore: free permits at first; event: 1 if it is set at
 *         first; otherwise 0
 * @max: in: semaphore: maximum, barrier: parties, 1 to KSYNC_COUNT_MAX;
 *       otherwise 0
 * @fd: out: the object, close-on-exec
 */
struct ksync_create_args {
	__u32 type;
	__u32 flags;
	__u32 nr;
	__u32 value;
	__u32 max;
	__s32 fd;
};

/*
 * How to open a name: at least one of the two; EXCL only with CREATE.
 * CREATE alone makes the object if the name is free and opens it otherwise.
 */
#define KSYNC_OPEN_CREATE	(1U << 0)
#define KSYNC_OPEN_EXCL		(1U << 1)

/**
 * struct ksync_open_args - KSYNC_IOC_DEV_OPEN: an object with a name
 * @type: in: enum ksync_primitive_type; an existing object must match (EPROTOTYPE)
 * @flags: in: KSYNC_F_* of a new object
 * @nr: in: primitives of a new object
 * @value: in: as in struct ksync_create_args, for a new object
 * @max: in: likewise
 * @fd: out: the object, close-on-exec
 * @how: in: KSYNC_OPEN_*, 0 to open what exists (ENOENT otherwise)
 * @mode: in: permission bits of a new object, before the umask
 * @name: in: NUL-terminated, the rest zero; not empty, no '/', no control
 *        characters
 *
 * Names live in the caller's network namespace. Opening an existing object
 * needs read and write permission (EACCES). With KSYNC_OPEN_EXCL a name in use
 * gives EEXIST. The properties of an existing object are what its creator
 * gave it: @flags, @nr, @value, @max and @mode are checked for validity and
 * otherwise not used.
 */
struct ksync_open_args {
	__u32 type;
	__u32 flags;
	__u32 nr;
	__u32 value;
	__u32 max;
	__s32 fd;
	__u32 how;
	__u32 mode;
	char name[KSYNC_NAME_MAX];
};

/**
 * struct ksync_unlink_args - KSYNC_IOC_DEV_UNLINK: take a name away
 * @name: in: as in struct ksync_open_args
 *
 * The object lives on for those who have it open; the name is free at once.
 * For the owner of the object and CAP_FOWNER in the namespace (EPERM).
 */
struct ksync_unlink_args {
	char name[KSYNC_NAME_MAX];
};

/**
 * struct ksync_device_info - KSYNC_IOC_DEV_INFO: about the module
 * @abi: out: KSYNC_ABI_VERSION
 * @flags: out: zero
 * @objects: out: objects that the calling user has made and that still exist
 * @objects_max: out: the limit of that
 * @version: out: the module's version, NUL-terminated
 */
struct ksync_device_info {
	__u32 abi;
	__u32 flags;
	__u32 objects;
	__u32 objects_max;
	char version[32];
};

/**
 * struct ksync_object_info - what an object is
 * @id: unique for as long as the module is loaded
 * @type: enum ksync_primitive_type
 * @flags: KSYNC_F_*
 * @nr: primitives
 * @mode: permission bits; 0 without a name
 * @uid: owner, in the caller's user namespace
 * @gid: group, likewise
 * @users: open file descriptions
 * @reserved: zero
 * @name: NUL-terminated; empty without a name or after unlink
 */
struct ksync_object_info {
	__u64 id;
	__u32 type;
	__u32 flags;
	__u32 nr;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 users;
	__u32 reserved;
	char name[KSYNC_NAME_MAX];
};

#define KSYNC_STATUS_DEAD	(1U << 0)	/* inconsistent: a holder died */
#define KSYNC_STATUS_LOST	(1U << 1)	/* not recoverable */
#define KSYNC_STATUS_LOSS	(1U << 2)	/* wait group: members died */
#define KSYNC_STATUS_BROKEN	(1U << 8)	/* barrier */
#define KSYNC_STATUS_DONE	(1U << 9)	/* once: there is a result */

/**
 * struct ksync_primitive_status - the state of one primitive, a snapshot
 * @index: in: which
 * @flags: out: KSYNC_STATUS_*
 * @holder_pid: out: process that holds it exclusively, in the caller's PID
 *              namespace; 0 when not held or not visible
 * @holder_tid: out: thread, likewise
 * @holder_id: out: kernel's id of that thread; 0 when not held
 * @readers: out: rwlock: read holds; barrier: members
 * @value: out: mutex, rwlock, once: 1 when held exclusively, or run;
 *         waitgroup: members; semaphore: free permits; event: 1 when set;
 *         barrier: parties that have arrived
 * @max: out: semaphore: maximum; barrier: parties
 * @waiters_exclusive: out: waiters for a mutex, a write lock, permits, the end
 *                     of a run, or an event that one of them takes
 * @waiters_shared: out: waiters for a read lock, the end of a round, a signal,
 *                  or an event that lets all go (those that it would cancel are
 *                  among them)
 * @deaths: out: holders or members that died
 * @lost: out: waitgroup: members the round lost; semaphore: permits given back
 *        for the dead; once: runs given up; barrier: times that it broke
 * @held_ns: out: for how long it has been held exclusively, in ns (coarse)
 * @token: out: mutex, rwlock: token of the present or last exclusive hold;
 *         waitgroup, barrier: number of the round; once: runs begun;
 *         condition: signals and broadcasts; event: changes
 * @acquisitions: out: successful acquisitions (waitgroup, barrier, event: waits
 *                that slept; condition: waits; once: runs that completed)
 * @contended: out: those that had to wait; condition: waiters that were moved
 */
struct ksync_primitive_status {
	__u32 index;
	__u32 flags;
	__u32 holder_pid;
	__u32 holder_tid;
	__u32 holder_id;
	__u32 readers;
	__u32 value;
	__u32 max;
	__u32 waiters_exclusive;
	__u32 waiters_shared;
	__u32 deaths;
	__u32 lost;
	__u64 held_ns;
	__u64 token;
	__u64 acquisitions;
	__u64 contended;
};

/**
 * struct ksync_query_args - KSYNC_IOC_DEV_QUERY, KSYNC_IOC_DEV_LIST
 * @cursor: LIST: in: 0, then what came out; out: where the next call goes on;
 *          QUERY: zero
 * @info: out: the object; QUERY: in: @info.name alone, the rest zero
 * @status: out: the primitive @status.index (in; LIST: 0)
 *
 * QUERY finds one object by name, LIST the next named one of the caller's
 * network namespace; either gives ENOENT when there is none. Objects that the
 * caller may not read are EACCES for QUERY and skipped by LIST.
 */
struct ksync_query_args {
	__u64 cursor;
	struct ksync_object_info info;
	struct ksync_primitive_status status;
};

#include <linux/ksync_graph.h>

/*
 * Commands on a mutex and the exclusive side of an rwlock: the hold stands in
 * the caller's line (struct ksync_line), from before the command, and the
 * kernel need not note it. EINVAL for guarded objects, and when it is not there.
 */
#define KSYNC_LOCK_IN_LINE	(1U << 0)

/**
 * struct ksync_index_args - commands that name a primitive and never wait
 * @index: in: which
 * @flags: in: KSYNC_LOCK_IN_LINE where it has a meaning, otherwise zero
 */
struct ksync_index_args {
	__u32 index;
	__u32 flags;
};

/**
 * struct ksync_lock_args - waiting for a mutex, an rwlock, an event, a barrier
 * @index: in: which
 * @flags: in: KSYNC_WAIT_CANCEL; mutex: KSYNC_LOCK_IN_LINE
 * @deadline: in: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE
 * @cancel: in: the object of the event that cancels
 * @cancel_index: in: which of its events
 */
struct ksync_lock_args {
	__u32 index;
	__u32 flags;
	__u64 deadline;
	__s32 cancel;
	__u32 cancel_index;
};

#define KSYNC_LOCK_ARGS_SIZE_1	16	/* as first published */

/**
 * struct ksync_sem_args - semaphore commands
 * @index: in: which
 * @flags: in: ACQUIRE: KSYNC_WAIT_CANCEL; otherwise zero
 * @count: in: permits; RESIZE: the new maximum
 * @pad: in: zero
 * @deadline: in: ACQUIRE: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE;
 *            otherwise 0
 * @cancel: in: ACQUIRE: as in struct ksync_lock_args; otherwise 0
 * @cancel_index: in: likewise
 */
struct ksync_sem_args {
	__u32 index;
	__u32 flags;
	__u32 count;
	__u32 pad;
	__u64 deadline;
	__s32 cancel;
	__u32 cancel_index;
};

#define KSYNC_SEM_ARGS_SIZE_1	24	/* as first published */

/**
 * struct ksync_waitgroup_add_args - KSYNC_IOC_WAITGROUP_ADD
 * @index: in: which
 * @delta: in: members to add; negative: members that are done
 */
struct ksync_waitgroup_add_args {
	__u32 index;
	__s32 delta;
};

/**
 * struct ksync_waitgroup_wait_args - KSYNC_IOC_WAITGROUP_WAIT
 * @index: in: which
 * @flags: in: KSYNC_WAIT_CANCEL
 * @deadline: in: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE
 * @lost: out, with EOWNERDEAD: members that the round lost
 * @pad: in: zero
 * @cancel: in: as in struct ksync_lock_args
 * @cancel_index: in: likewise
 */
struct ksync_waitgroup_wait_args {
	__u32 index;
	__u32 flags;
	__u64 deadline;
	__u32 lost;
	__u32 pad;
	__s32 cancel;
	__u32 cancel_index;
};

#define KSYNC_WAITGROUP_WAIT_ARGS_SIZE_1 24	/* as first published */

/**
 * struct ksync_waitgroup_bind_args - KSYNC_IOC_WAITGROUP_BIND
 * @index: in: which
 * @pidfd: in: the process; ESRCH if it is dead already
 *
 * Ties one member already added (ERANGE with none left to tie) to the process.
 */
struct ksync_waitgroup_bind_args {
	__u32 index;
	__s32 pidfd;
};

/**
 * struct ksync_thread_args - KSYNC_IOC_DEV_THREAD, KSYNC_IOC_OBJ_THREAD: a line
 *                            for the caller, the same by any descriptor
 * @id: out: the calling thread's id
 * @offset: out: where its line is in the process's lines, in bytes
 *
 * The lines are mapped from /dev/ksync: MAP_SHARED, offset 0, up to
 * KSYNC_LINES_SIZE, once for each open file (EBUSY). They are those of the
 * process whatever descriptor it uses, and stay mapped when that is closed. A
 * child made by fork does not inherit the mapping. A thread keeps its line until
 * it ends or calls execve. ENOSPC: all lines are taken.
 */
struct ksync_thread_args {
	__u32 id;
	__u32 offset;
};

/**
 * struct ksync_slot_args - KSYNC_IOC_RWLOCK_SLOT: a reader's slot for the caller
 * @nr: out: number of the slot
 *
 * The thread keeps it until it ends or calls execve, or the object goes. ENOSPC:
 * all slots are taken. EINVAL: guarded objects have none.
 */
struct ksync_slot_args {
	__u32 nr;
};

#define KSYNC_IOC_MAGIC	0xD7

/* On /dev/ksync. */
#define KSYNC_IOC_DEV_INFO	_IOR(KSYNC_IOC_MAGIC, 0x00, struct ksync_device_info)
#define KSYNC_IOC_DEV_CREATE	_IOWR(KSYNC_IOC_MAGIC, 0x01, struct ksync_create_args)
#define KSYNC_IOC_DEV_OPEN	_IOWR(KSYNC_IOC_MAGIC, 0x02, struct ksync_open_args)
#define KSYNC_IOC_DEV_UNLINK	_IOW(KSYNC_IOC_MAGIC, 0x03, struct ksync_unlink_args)
#define KSYNC_IOC_DEV_QUERY	_IOWR(KSYNC_IOC_MAGIC, 0x04, struct ksync_query_args)
#define KSYNC_IOC_DEV_LIST	_IOWR(KSYNC_IOC_MAGIC, 0x05, struct ksync_query_args)
#define KSYNC_IOC_DEV_WAIT	_IOWR(KSYNC_IOC_MAGIC, 0x06, struct ksync_wait_args)
#define KSYNC_IOC_DEV_GRAPH	_IOWR(KSYNC_IOC_MAGIC, 0x07, struct ksync_graph_args)
#define KSYNC_IOC_DEV_CYCLE	_IOWR(KSYNC_IOC_MAGIC, 0x08, struct ksync_graph_args)
#define KSYNC_IOC_DEV_THREAD	_IOR(KSYNC_IOC_MAGIC, 0x09, struct ksync_thread_args)

/* On every object. */
#define KSYNC_IOC_OBJ_INFO	_IOR(KSYNC_IOC_MAGIC, 0x10, struct ksync_object_info)
#define KSYNC_IOC_OBJ_STATUS	_IOWR(KSYNC_IOC_MAGIC, 0x11, struct ksync_primitive_status)
#define KSYNC_IOC_OBJ_REQUEST	_IOW(KSYNC_IOC_MAGIC, 0x12, struct ksync_request_args)
#define KSYNC_IOC_OBJ_CLAIM	_IOW(KSYNC_IOC_MAGIC, 0x13, struct ksync_claim_args)
/* Something was freed in user space: whoever waits may go on. */
#define KSYNC_IOC_OBJ_WAKE	_IOW(KSYNC_IOC_MAGIC, 0x14, struct ksync_index_args)

#define KSYNC_IOC_OBJ_THREAD	_IOR(KSYNC_IOC_MAGIC, 0x15, struct ksync_thread_args)

#define KSYNC_IOC_MUTEX_LOCK	_IOW(KSYNC_IOC_MAGIC, 0x20, struct ksync_lock_args)
#define KSYNC_IOC_MUTEX_TRYLOCK	_IOW(KSYNC_IOC_MAGIC, 0x21, struct ksync_index_args)
#define KSYNC_IOC_MUTEX_UNLOCK	_IOW(KSYNC_IOC_MAGIC, 0x22, struct ksync_index_args)
#define KSYNC_IOC_MUTEX_CONSISTENT _IOW(KSYNC_IOC_MAGIC, 0x23, struct ksync_index_args)

#define KSYNC_IOC_RWLOCK_RDLOCK	_IOW(KSYNC_IOC_MAGIC, 0x30, struct ksync_lock_args)
#define KSYNC_IOC_RWLOCK_TRYRDLOCK _IOW(KSYNC_IOC_MAGIC, 0x31, struct ksync_index_args)
#define KSYNC_IOC_RWLOCK_WRLOCK	_IOW(KSYNC_IOC_MAGIC, 0x32, struct ksync_lock_args)
#define KSYNC_IOC_RWLOCK_TRYWRLOCK _IOW(KSYNC_IOC_MAGIC, 0x33, struct ksync_index_args)
#define KSYNC_IOC_RWLOCK_UNLOCK	_IOW(KSYNC_IOC_MAGIC, 0x34, struct ksync_index_args)
#define KSYNC_IOC_RWLOCK_DOWNGRADE _IOW(KSYNC_IOC_MAGIC, 0x35, struct ksync_index_args)
#define KSYNC_IOC_RWLOCK_UPGRADE _IOW(KSYNC_IOC_MAGIC, 0x36, struct ksync_index_args)
#define KSYNC_IOC_RWLOCK_CONSISTENT _IOW(KSYNC_IOC_MAGIC, 0x37, struct ksync_index_args)
#define KSYNC_IOC_RWLOCK_SLOT	_IOR(KSYNC_IOC_MAGIC, 0x38, struct ksync_slot_args)

#define KSYNC_IOC_WAITGROUP_ADD	_IOW(KSYNC_IOC_MAGIC, 0x40, struct ksync_waitgroup_add_args)
#define KSYNC_IOC_WAITGROUP_WAIT _IOWR(KSYNC_IOC_MAGIC, 0x41, struct ksync_waitgroup_wait_args)
#define KSYNC_IOC_WAITGROUP_BIND _IOW(KSYNC_IOC_MAGIC, 0x42, struct ksync_waitgroup_bind_args)

#define KSYNC_IOC_SEM_ACQUIRE	_IOW(KSYNC_IOC_MAGIC, 0x50, struct ksync_sem_args)
#define KSYNC_IOC_SEM_TRYACQUIRE _IOW(KSYNC_IOC_MAGIC, 0x51, struct ksync_sem_args)
#define KSYNC_IOC_SEM_RELEASE	_IOW(KSYNC_IOC_MAGIC, 0x52, struct ksync_sem_args)
#define KSYNC_IOC_SEM_RESIZE	_IOW(KSYNC_IOC_MAGIC, 0x53, struct ksync_sem_args)

#define KSYNC_IOC_EVENT_SET	_IOW(KSYNC_IOC_MAGIC, 0x60, struct ksync_index_args)
#define KSYNC_IOC_EVENT_RESET	_IOW(KSYNC_IOC_MAGIC, 0x61, struct ksync_index_args)
#define KSYNC_IOC_EVENT_WAIT	_IOW(KSYNC_IOC_MAGIC, 0x62, struct ksync_lock_args)
#define KSYNC_IOC_EVENT_SET_PARENT _IOW(KSYNC_IOC_MAGIC, 0x63, struct ksync_event_parent_args)

#endif /* _UAPI_LINUX_KSYNC_H */
