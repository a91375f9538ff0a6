/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Part of <linux/ksync.h>, and included by it: waits that an event cancels, and
 * arguments of commands that tie events to each other, wait for several
 * primitives, or queue and do not wait.
 */
#ifndef _UAPI_LINUX_KSYNC_WAIT_H
#define _UAPI_LINUX_KSYNC_WAIT_H

#include <linux/types.h>

/*
 * Commands that wait: flags.
 *
 * CANCEL  a manual-reset event is named that ends the wait with ECANCELED when
 *         it is set. Without this flag the fields that name it must be zero;
 *         with it a descriptor of KSYNC_NO_FD still names none.
 *
 * A wait that could have what it wants at once has it, whether or not its
 * deadline has passed or its event is set. A grant that races with either wins.
 */
#define KSYNC_WAIT_CANCEL	(1U << 1)

#define KSYNC_EVENT_DEPTH_MAX	8	/* ancestors of an event */
#define KSYNC_EVENT_CHILDREN_MAX 4096	/* events tied to one */

/**
 * struct ksync_event_parent_args - KSYNC_IOC_EVENT_SET_PARENT
 * @index: in: which event is tied, the child
 * @flags: in: zero
 * @fd: in: the object of the parent, or KSYNC_NO_FD to untie the child
 * @parent_index: in: which of its events; with KSYNC_NO_FD 0
 *
 * Whenever the parent becomes set, so does the child, and at once if the parent
 * is set already. Nothing else passes between the two. The parent is of the
 * manual-reset kind (EINVAL) and lives as long as the child is tied to it.
 *
 * A tree grows from its root: the parent is in the same object or in one that
 * was made before it (ELOOP), and a child that has children of its own cannot
 * be tied (EBUSY; ELOOP if the parent is one of them or the child itself). More
 * than KSYNC_EVENT_DEPTH_MAX ancestors are ELOOP, more children of one event
 * than KSYNC_EVENT_CHILDREN_MAX EMLINK.
 */
struct ksync_event_parent_args {
	__u32 index;
	__u32 flags;
	__s32 fd;
	__u32 parent_index;
};

/* KSYNC_IOC_DEV_WAIT: flags, besides KSYNC_WAIT_CANCEL. */
#define KSYNC_WAIT_ALL		(1U << 2)

/* An item's flags. */
#define KSYNC_ITEM_SHARED	(1U << 0)	/* rwlock: for reading */

#define KSYNC_WAIT_ITEMS_MAX	64

/**
 * struct ksync_wait_item - something to wait for
 * @fd: in: the object
 * @index: in: which of its primitives
 * @flags: in: KSYNC_ITEM_*
 * @count: in: semaphore: permits; otherwise 0
 * @result: out: for what was taken 0 or -EOWNERDEAD, for what made the whole
 *          fail its errno, for all others -EBUSY
 * @lost: out: waitgroup, with -EOWNERDEAD: members that the round lost
 */
struct ksync_wait_item {
	__s32 fd;
	__u32 index;
	__u32 flags;
	__u32 count;
	__s32 result;
	__u32 lost;
};

/**
 * struct ksync_wait_args - KSYNC_IOC_DEV_WAIT: for one of several, or for all
 * @items: in: address of an array of struct ksync_wait_item, of which @result
 *         and @lost are written
 * @nr: in: its length, 1 to KSYNC_WAIT_ITEMS_MAX
 * @flags: in: KSYNC_WAIT_ALL, KSYNC_WAIT_CANCEL
 * @deadline: in: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE
 * @cancel: in: as in struct ksync_lock_args
 * @cancel_index: in: likewise
 * @index: out: the item that was taken or that made the whole fail; if that was
 *         none of them, @nr
 * @pad: in: zero
 *
 * Without KSYNC_WAIT_ALL one is taken, the first of the array if there is a
 * choice. With it all are, or none. Items may then not name the same primitive
 * twice (EINVAL). EOWNERDEAD: taken, and so says one of the results.
 */
struct ksync_wait_args {
	__u64 items;
	__u32 nr;
	__u32 flags;
	__u64 deadline;
	__s32 cancel;
	__u32 cancel_index;
	__u32 index;
	__u32 pad;
};

#define KSYNC_REQUESTS_MAX	64	/* of one open file description */
#define KSYNC_KEEP_DEFAULT	1000000000ULL	/* ns */
#define KSYNC_KEEP_MAX		60000000000ULL

/**
 * struct ksync_request_args - KSYNC_IOC_OBJ_REQUEST: queue, and do not wait
 * @index: in: which
 * @flags: in: KSYNC_ITEM_SHARED
 * @count: in: semaphore: permits; otherwise 0
 * @pad: in: zero
 * @keep: in: for how long a grant is kept, in ns; 0 for KSYNC_KEEP_DEFAULT, at
 *        most KSYNC_KEEP_MAX
 *
 * Puts the calling thread in the queue. The descriptor becomes readable, for
 * poll, epoll and select, when what it asked for is kept for it. A grant that
 * is not claimed in time passes on. So does one whose thread ends or whose file
 * is closed for the last time; nobody has held it then.
 *
 * EEXIST: the thread has such a request already. ENOSPC: KSYNC_REQUESTS_MAX.
 * EDEADLK: it holds the lock already.
 */
struct ksync_request_args {
	__u32 index;
	__u32 flags;
	__u32 count;
	__u32 pad;
	__u64 keep;
};

#define KSYNC_CLAIM_WITHDRAW	(1U << 0)	/* give the request up */

/**
 * struct ksync_claim_args - KSYNC_IOC_OBJ_CLAIM: take what was requested
 * @index: in: which
 * @flags: in: KSYNC_CLAIM_WITHDRAW
 *
 * For the thread that requested it. 0 or EOWNERDEAD: the caller has it. EBUSY:
 * it is not granted yet. Everything else ends the request: ETIMEDOUT (a grant
 * was kept and not claimed in time) or what the wait would have ended with.
 * ENOENT: there is no request.
 */
struct ksync_claim_args {
	__u32 index;
	__u32 flags;
};

#endif /* _UAPI_LINUX_KSYNC_WAIT_H */
