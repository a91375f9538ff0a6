/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ksync: who waits for whom. A part of <linux/ksync.h>, which includes it; not
 * to be included alone.
 */
#ifndef _UAPI_LINUX_KSYNC_GRAPH_H
#define _UAPI_LINUX_KSYNC_GRAPH_H

#include <linux/types.h>

/*
 * Waits as a graph. An edge is: this thread waits for this primitive, which
 * that thread holds.
 */
#define KSYNC_COMM_LEN		16

/**
 * enum ksync_edge_want - what the waiter waits for
 * @KSYNC_EDGE_WANT_EXCLUSIVE: a mutex, a write lock
 * @KSYNC_EDGE_WANT_SHARED: a read lock
 * @KSYNC_EDGE_WANT_PERMITS: permits of a semaphore
 * @KSYNC_EDGE_WANT_END: anything else, such as the end of a wait group's round
 */
enum ksync_edge_want {
	KSYNC_EDGE_WANT_EXCLUSIVE	= 1,
	KSYNC_EDGE_WANT_SHARED		= 2,
	KSYNC_EDGE_WANT_PERMITS		= 3,
	KSYNC_EDGE_WANT_END		= 4,
};

/**
 * enum ksync_edge_held - what stands in the waiter's way
 * @KSYNC_EDGE_HELD_NOBODY: no owner is known to the kernel: anybody may end
 *                          this wait
 * @KSYNC_EDGE_HELD_EXCLUSIVE: the holder's mutex or write lock
 * @KSYNC_EDGE_HELD_SHARED: the holder's read lock
 * @KSYNC_EDGE_HELD_PERMITS: permits of the holder's process
 * @KSYNC_EDGE_HELD_QUEUE: the holder waits too, ahead of the waiter: a writer
 *                         that keeps new readers out, an earlier request for
 *                         permits
 */
enum ksync_edge_held {
	KSYNC_EDGE_HELD_NOBODY		= 0,
	KSYNC_EDGE_HELD_EXCLUSIVE	= 1,
	KSYNC_EDGE_HELD_SHARED		= 2,
	KSYNC_EDGE_HELD_PERMITS		= 3,
	KSYNC_EDGE_HELD_QUEUE		= 4,
};

/**
 * struct ksync_graph_edge - who waits for what and for whom
 * @object: id of the object; 0, with @index 0 and no @name: not visible to the
 *          caller
 * @waited_ns: for how long the waiter has waited, in ns
 * @type: enum ksync_primitive_type
 * @index: primitive
 * @want: enum ksync_edge_want
 * @wanted: permits wanted; otherwise 1
 * @held: enum ksync_edge_held
 * @count: read holds, permits of this holder; otherwise 1
 * @waiter_pid: process that waits, in the caller's PID namespace; 0 when it is
 *              not visible there
 * @waiter_tid: its thread, likewise
 * @holder_pid: process that holds, likewise; 0 also when it is not known which
 * @holder_tid: its thread, likewise; KSYNC_EDGE_HELD_PERMITS: one that waits
 * @waiter_comm: name of the thread, NUL-terminated; empty when not visible
 * @holder_comm: likewise
 * @name: of the object, NUL-terminated; empty without a name
 */
struct ksync_graph_edge {
	__u64 object;
	__u64 waited_ns;
	__u32 type;
	__u32 index;
	__u32 want;
	__u32 wanted;
	__u32 held;
	__u32 count;
	__u32 waiter_pid;
	__u32 waiter_tid;
	__u32 holder_pid;
	__u32 holder_tid;
	char waiter_comm[KSYNC_COMM_LEN];
	char holder_comm[KSYNC_COMM_LEN];
	char name[KSYNC_NAME_MAX];
};

#define KSYNC_GRAPH_ROOM_MAX	(1U << 16)	/* edges for one call */

/* There is more: no room for it, or too much to look at in one go. */
#define KSYNC_GRAPH_PARTIAL	(1U << 0)

/**
 * struct ksync_graph_args - KSYNC_IOC_DEV_GRAPH, KSYNC_IOC_DEV_CYCLE
 * @edges: in: address of an array of struct ksync_graph_edge
 * @room: in: how many it has room for, at most KSYNC_GRAPH_ROOM_MAX
 * @size: in: bytes from one element to the next; not less than the first
 *        published struct, not more than 4096
 * @nr: in: zero; out: how many were written
 * @flags: in: zero; out: KSYNC_GRAPH_PARTIAL
 * @total: in: zero; out: CYCLE: edges of the cycle, with those that were not
 *         kept; GRAPH: @nr
 * @pad: in: zero
 *
 * GRAPH gives the waits on objects that the caller may see: those it made,
 * those it may read by name, with CAP_DAC_OVERRIDE all. It is gathered while
 * the world goes on. Holders that wait themselves are all there, of the others
 * exclusive ones.
 *
 * CYCLE tells why the calling thread was last refused to wait (EDEADLK): every
 * edge's holder is the waiter of another. In a plain cycle the first waiter is
 * the caller, each holder is the next one's waiter, and the last holder is the
 * caller. Permits of several processes, or of a process with several threads,
 * give more than one edge where one is not enough to stop the waiter. Without
 * any refusal @total is 0.
 */
struct ksync_graph_args {
	__u64 edges;
	__u32 room;
	__u32 size;
	__u32 nr;
	__u32 flags;
	__u32 total;
	__u32 pad;
};

#endif /* _UAPI_LINUX_KSYNC_GRAPH_H */
