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
 *
 *   EBUSY           a try operation could not succeed now
 *   ETIMEDOUT       the deadline passed; nothing was acquired, nothing lost
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
 * A command that fails with anything but EOWNERDEAD has changed nothing.
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
 */
enum ksync_primitive_type {
	KSYNC_TYPE_MUTEX	= 1,
	KSYNC_TYPE_RWLOCK	= 2,
	KSYNC_TYPE_WAITGROUP	= 3,
	KSYNC_TYPE_SEM		= 4,
};

/*
 * Creation flags.
 *
 * GUARDED    the cells can never be mapped: peers need not trust each other
 * RECURSIVE  mutex: the holder may lock again; as many unlocks give it back
 * FIFO       mutex: always handed over in order, no barging
 * TRACKED    semaphore: permits belong to the process that took them
 */
#define KSYNC_F_GUARDED		(1U << 0)
#define KSYNC_F_RECURSIVE	(1U << 1)
#define KSYNC_F_FIFO		(1U << 2)
#define KSYNC_F_TRACKED		(1U << 3)

/*
 * Cells: the state of one primitive, 64 bytes. Both backends of the library
 * and the kernel work on these words with atomic operations only.
 *
 * The first word decides everything; the rest is accounting. It is 64 bits
 * wide; the halves are named so that 32-bit operations can be used on them.
 */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define KSYNC_CELL_HALVES(low, high)	__u32 high; __u32 low
#else
#define KSYNC_CELL_HALVES(low, high)	__u32 low; __u32 high
#endif

/*
 * mutex, rwlock: state
 *
 *   bits 0-29   id of the exclusive holder, 0 when there is none
 *   bit  30     LOST: not recoverable. Set by the unlock of an inconsistent
 *               lock; the holder field is 0; never cleared
 *   bit  31     DEAD: an exclusive holder died. Set by whoever finds it dead,
 *               cleared by the consistent operation of an exclusive holder
 *   bits 32-61  rwlock: counted read holds. Nonzero only while bits 0-29 are 0
 *   bit  62     rwlock: a writer waits, new readers queue. Set and cleared by
 *               whoever owns the queue
 *   bit  63     somebody waits: who frees the lock must look at the queue. Set
 *               before the waiter looks at the other bits for the last time,
 *               cleared with the queue empty and locked
 */
#define KSYNC_LOCK_ID		0x000000003fffffffULL
#define KSYNC_LOCK_LOST		(1ULL << 30)
#define KSYNC_LOCK_DEAD		(1ULL << 31)
#define KSYNC_LOCK_READER	(1ULL << 32)
#define KSYNC_LOCK_READERS	0x3fffffff00000000ULL
#define KSYNC_LOCK_WRITER_WAITS	(1ULL << 62)
#define KSYNC_LOCK_WAITERS	(1ULL << 63)

/**
 * struct ksync_lock_cell - mutex and rwlock
 * @state: see above
 * @owner: low half of @state
 * @ctl: high half of @state
 * @token: exclusive acquisitions so far; grows by one with each and is
 *         written by the exclusive holder only (a fencing token)
 * @since: CLOCK_MONOTONIC, coarse, of the last acquisition, in ns
 * @shared: rwlock: read acquisitions so far
 * @depth: recursive mutex: locks beyond the first; written by the holder only
 * @contended: acquisitions that had to wait
 * @deaths: holders that died
 * @reserved: zero
 */
struct ksync_lock_cell {
	union {
		__u64 state __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(owner, ctl); };
	};
	__u64 token;
	__u64 since;
	__u64 shared;
	__u32 depth;
	__u32 contended;
	__u32 deaths;
	__u32 reserved[5];
};

/*
 * waitgroup: state
 *
 *   bits 0-30   count of members
 *   bit  31     somebody waits for the present round. Cleared with the count
 *   bits 32-62  number of the round. Grows (and wraps) when the count reaches
 *               zero, so with a count of zero it is that of the next round
 *   bit  63     LOSS: the present round, or with a count of zero the last one,
 *               lost members by death. Cleared when a round begins
 */
#define KSYNC_WG_COUNT		0x000000007fffffffULL
#define KSYNC_WG_WAITERS	(1ULL << 31)
#define KSYNC_WG_ROUND		0x7fffffff00000000ULL
#define KSYNC_WG_ROUND_ONE	(1ULL << 32)
#define KSYNC_WG_LOSS		(1ULL << 63)

/**
 * struct ksync_waitgroup_cell - waitgroup
 * @state: see above
 * @count: low half of @state
 * @round: high half of @state
 * @lost: members that the round which LOSS speaks of has lost
 * @deaths: members lost in all rounds
 * @waits: waits that had to sleep
 * @bound: members of the present round that are tied to a process
 * @lost_before: as @lost, of the round before that
 * @reserved: zero
 */
struct ksync_waitgroup_cell {
	union {
		__u64 state __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(count, round); };
	};
	__u32 lost;
	__u32 deaths;
	__u64 waits;
	__u32 bound;
	__u32 lost_before;
	__u32 reserved[8];
};

/*
 * semaphore: state
 *
 *   bits 0-30   free permits
 *   bit  31     zero
 *   bits 32-62  maximum
 *   bit  63     somebody waits: newcomers queue, who releases looks at the
 *               queue
 */
#define KSYNC_SEM_VALUE		0x000000007fffffffULL
#define KSYNC_SEM_MAX		0x7fffffff00000000ULL
#define KSYNC_SEM_MAX_SHIFT	32
#define KSYNC_SEM_WAITERS	(1ULL << 63)

/**
 * struct ksync_sem_cell - semaphore
 * @state: see above
 * @value: low half of @state
 * @max: high half of @state
 * @acquired: successful acquisitions so far
 * @contended: acquisitions that had to wait
 * @deaths: tracked: processes that died holding permits
 * @lost: tracked: permits given back for the dead
 * @reserved: zero
 */
struct ksync_sem_cell {
	union {
		__u64 state __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(value, max); };
	};
	__u64 acquired;
	__u32 contended;
	__u32 deaths;
	__u32 lost;
	__u32 reserved[9];
};

/**
 * union ksync_cell - any primitive
 * @state: the deciding word
 * @lock: mutex, rwlock
 * @waitgroup: waitgroup
 * @sem: semaphore
 * @size: holds the size
 */
union ksync_cell {
	__u64 state;
	struct ksync_lock_cell lock;
	struct ksync_waitgroup_cell waitgroup;
	struct ksync_sem_cell sem;
	__u8 size[64];
};

/**
 * struct ksync_create_args - KSYNC_IOC_DEV_CREATE: an object without a name
 * @type: in: enum ksync_primitive_type
 * @flags: in: KSYNC_F_*
 * @nr: in: primitives, 1 to KSYNC_NR_MAX
 * @value: in: semaphore: free permits at first; otherwise 0
 * @max: in: semaphore: maximum, 1 to KSYNC_COUNT_MAX; otherwise 0
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

/**
 * struct ksync_primitive_status - the state of one primitive, a snapshot
 * @index: in: which
 * @flags: out: KSYNC_STATUS_*
 * @holder_pid: out: process that holds it exclusively, in the caller's PID
 *              namespace; 0 when not held or not visible
 * @holder_tid: out: thread, likewise
 * @holder_id: out: kernel's id of that thread; 0 when not held
 * @readers: out: rwlock: read holds
 * @value: out: mutex, rwlock: 1 when held exclusively; waitgroup: members;
 *         semaphore: free permits
 * @max: out: semaphore: maximum
 * @waiters_exclusive: out: waiters for a mutex, a write lock or permits
 * @waiters_shared: out: waiters for a read lock or the end of a round
 * @deaths: out: holders or members that died
 * @lost: out: waitgroup: members the round lost; semaphore: permits given back
 *        for the dead
 * @held_ns: out: for how long it has been held exclusively, in ns (coarse)
 * @token: out: mutex, rwlock: token of the present or last exclusive hold;
 *         waitgroup: number of the round
 * @acquisitions: out: successful acquisitions (waitgroup: waits that slept)
 * @contended: out: those that had to wait
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

/**
 * struct ksync_index_args - commands that name a primitive and never wait
 * @index: in: which
 * @flags: in: zero
 */
struct ksync_index_args {
	__u32 index;
	__u32 flags;
};

/**
 * struct ksync_lock_args - waiting for a mutex or an rwlock
 * @index: in: which
 * @flags: in: zero
 * @deadline: in: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE
 */
struct ksync_lock_args {
	__u32 index;
	__u32 flags;
	__u64 deadline;
};

/**
 * struct ksync_sem_args - semaphore commands
 * @index: in: which
 * @flags: in: zero
 * @count: in: permits; RESIZE: the new maximum
 * @pad: in: zero
 * @deadline: in: ACQUIRE: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE;
 *            otherwise 0
 */
struct ksync_sem_args {
	__u32 index;
	__u32 flags;
	__u32 count;
	__u32 pad;
	__u64 deadline;
};

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
 * @flags: in: zero
 * @deadline: in: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE
 * @lost: out, with EOWNERDEAD: members that the round lost
 * @pad: in: zero
 */
struct ksync_waitgroup_wait_args {
	__u32 index;
	__u32 flags;
	__u64 deadline;
	__u32 lost;
	__u32 pad;
};

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

#define KSYNC_IOC_MAGIC	0xD7

/* On /dev/ksync. */
#define KSYNC_IOC_DEV_INFO	_IOR(KSYNC_IOC_MAGIC, 0x00, struct ksync_device_info)
#define KSYNC_IOC_DEV_CREATE	_IOWR(KSYNC_IOC_MAGIC, 0x01, struct ksync_create_args)
#define KSYNC_IOC_DEV_OPEN	_IOWR(KSYNC_IOC_MAGIC, 0x02, struct ksync_open_args)
#define KSYNC_IOC_DEV_UNLINK	_IOW(KSYNC_IOC_MAGIC, 0x03, struct ksync_unlink_args)
#define KSYNC_IOC_DEV_QUERY	_IOWR(KSYNC_IOC_MAGIC, 0x04, struct ksync_query_args)
#define KSYNC_IOC_DEV_LIST	_IOWR(KSYNC_IOC_MAGIC, 0x05, struct ksync_query_args)
#define KSYNC_IOC_DEV_GRAPH	_IOWR(KSYNC_IOC_MAGIC, 0x07, struct ksync_graph_args)
#define KSYNC_IOC_DEV_CYCLE	_IOWR(KSYNC_IOC_MAGIC, 0x08, struct ksync_graph_args)

/* On every object. */
#define KSYNC_IOC_OBJ_INFO	_IOR(KSYNC_IOC_MAGIC, 0x10, struct ksync_object_info)
#define KSYNC_IOC_OBJ_STATUS	_IOWR(KSYNC_IOC_MAGIC, 0x11, struct ksync_primitive_status)

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

#define KSYNC_IOC_WAITGROUP_ADD	_IOW(KSYNC_IOC_MAGIC, 0x40, struct ksync_waitgroup_add_args)
#define KSYNC_IOC_WAITGROUP_WAIT _IOWR(KSYNC_IOC_MAGIC, 0x41, struct ksync_waitgroup_wait_args)
#define KSYNC_IOC_WAITGROUP_BIND _IOW(KSYNC_IOC_MAGIC, 0x42, struct ksync_waitgroup_bind_args)

#define KSYNC_IOC_SEM_ACQUIRE	_IOW(KSYNC_IOC_MAGIC, 0x50, struct ksync_sem_args)
#define KSYNC_IOC_SEM_TRYACQUIRE _IOW(KSYNC_IOC_MAGIC, 0x51, struct ksync_sem_args)
#define KSYNC_IOC_SEM_RELEASE	_IOW(KSYNC_IOC_MAGIC, 0x52, struct ksync_sem_args)
#define KSYNC_IOC_SEM_RESIZE	_IOW(KSYNC_IOC_MAGIC, 0x53, struct ksync_sem_args)

#endif /* _UAPI_LINUX_KSYNC_H */
