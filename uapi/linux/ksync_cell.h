/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ksync: primitives in memory, and what user space may do with them by itself.
 * Part of <linux/ksync.h>.
 */
#ifndef _UAPI_LINUX_KSYNC_CELL_H
#define _UAPI_LINUX_KSYNC_CELL_H

#include <linux/types.h>

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
 *   bits 32-60  rwlock: counted read holds. Nonzero only while bits 0-29 are 0
 *   bit  61     rwlock, FENCED: readers in slots use full barriers. Set by a
 *               writer, cleared when nobody has written for a while, both by the
 *               kernel with the queue locked
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
#define KSYNC_LOCK_READERS	0x1fffffff00000000ULL
#define KSYNC_LOCK_FENCED	(1ULL << 61)
#define KSYNC_LOCK_WRITER_WAITS	(1ULL << 62)
#define KSYNC_LOCK_WAITERS	(1ULL << 63)

/**
 * struct ksync_lock_cell - mutex and rwlock
 * @state: see above
 * @owner: low half of @state
 * @ctl: high half of @state
 * @token: exclusive acquisitions so far; grows by one with each and is
 *         written by the exclusive holder only (a fencing token)
 * @since: CLOCK_MONOTONIC, coarse, in ns, of the acquisition @since_of, or of the
 *         first time that somebody waited for it to end, or asked
 * @shared: rwlock: counted read acquisitions so far
 * @depth: recursive mutex: locks beyond the first; written by the holder only
 * @contended: acquisitions that had to wait
 * @deaths: holders that died
 * @since_of: low half of its token. Another one than the last: that was made in
 *            user space
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
	__u32 since_of;
	__u32 reserved[4];
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
 * @before: number of that round. Another one than was asked for: it lost nobody
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
	__u32 before;
	__u32 reserved[7];
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

/*
 * event: state
 *
 *   bit  0      set
 *   bits 1-30   zero
 *   bit  31     somebody waits, or an event is tied to this one: who sets or
 *               resets it must do so with the queue locked
 *   bits 32-63  changes so far: grows (and wraps) when the event becomes set
 *               and with every reset, not when a wait takes it
 */
#define KSYNC_EVENT_SET		(1ULL << 0)
#define KSYNC_EVENT_WAITERS	(1ULL << 31)
#define KSYNC_EVENT_CHANGES	0xffffffff00000000ULL
#define KSYNC_EVENT_CHANGE	(1ULL << 32)

/**
 * struct ksync_event_cell - event
 * @state: see above
 * @set: low half of @state
 * @changes: high half of @state
 * @waits: waits that had to sleep and were not in vain
 * @reserved: zero
 */
struct ksync_event_cell {
	union {
		__u64 state __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(set, changes); };
	};
	__u64 waits;
	__u32 reserved[12];
};

#include <linux/ksync_rendezvous.h>

/**
 * union ksync_cell - any primitive
 * @state: the deciding word
 * @lock: mutex, rwlock
 * @waitgroup: waitgroup
 * @sem: semaphore
 * @event: event
 * @cond: condition variable
 * @barrier: barrier
 * @once: once
 * @size: holds the size
 */
union ksync_cell {
	__u64 state;
	struct ksync_lock_cell lock;
	struct ksync_waitgroup_cell waitgroup;
	struct ksync_sem_cell sem;
	struct ksync_event_cell event;
	struct ksync_cond_cell cond;
	struct ksync_barrier_cell barrier;
	struct ksync_once_cell once;
	__u8 size[64];
};

/*
 * Mapping. An object without KSYNC_F_GUARDED whose cells are described above
 * (other types: ENODEV) can be mapped: MAP_SHARED, offset 0, up to the pages that
 * hold its cells, with an rwlock followed by pages that hold KSYNC_SLOTS slots
 * (not to be touched before the caller has one). What user space may do there by
 * itself is below. Whatever else it writes breaks the primitive for those who
 * share it, and nothing else.
 *
 * A thread that locks must have a line: memory that says what it is engaged in,
 * so that the kernel finds that when the thread dies. KSYNC_IOC_DEV_THREAD gives
 * it one, in memory that is mapped from /dev/ksync. Only the thread itself writes
 * its line, by plain stores. An entry names a mutex, and may do so for good; it
 * says ENGAGED from before the first atomic operation on the cell until after the
 * last access to it.
 *
 * Mutex, nobody waits. The owner half is 0, or it is the kernel's business:
 *
 *	lock	entry := this mutex, ENGAGED		plain store, 64 bits
 *		owner: 0 -> id				compare-exchange, 32 bits
 *		(KSYNC_F_FIFO: state: 0 -> id, so as not to overtake)
 *		token := token + 1			plain; also depth is 0
 *	unlock	ctl != 0? the kernel's business		load
 *		owner := 0				plain store, 32 bits
 *		ctl & WAITERS? KSYNC_IOC_OBJ_WAKE	load
 *		entry := this mutex			plain store, 64 bits
 *
 * The processor may do the last load before the store. So whoever sets WAITERS
 * interrupts the processor that runs the owner, and then looks at the state once
 * more: the store is visible by then, or else the load will see WAITERS.
 *
 * Rwlock. A reader has a slot in the object (KSYNC_IOC_RWLOCK_SLOT), in pages that
 * are mapped after those of the cells, and which only it writes. Nothing else is
 * written, by plain stores alone:
 *
 *	rdlock	slot entry := index, ENGAGED, READ	plain store, 64 bits
 *		state == READERS at most? then it reads	load
 *		no more than FENCED in the way? full barrier, look again
 *		otherwise entry := ENGAGED, and it is the kernel's business
 *	unlock	slot entry := index, ENGAGED		plain store, 64 bits
 *		ctl & WAITERS? KSYNC_IOC_OBJ_WAKE	load, with FENCED after a
 *							full barrier
 *
 * ENGAGED may stay: it makes the kernel see to those who wait when the thread
 * dies.
 *
 * Here, too, the load may come before the store. Before a writer looks at the
 * slots it sets FENCED and, if that was not set, interrupts the processors that
 * run threads with slots. Reads beyond the first just count the entry's MORE up
 * and down. Writers and counted readers are the kernel's business.
 *
 * Semaphore without KSYNC_F_TRACKED, nobody waits: acquire and release by
 * compare-exchange of the state.
 *
 * Wait group: while WAITERS, LOSS and @bound are zero, add by compare-exchange of
 * the state; the round ends and begins as said there.
 */

#define KSYNC_LINE_ENGAGED	(1U << 31)

/**
 * struct ksync_line_entry - something that a thread is, or was, engaged in
 * @object: id of the object; 0: none. Changes only while not engaged
 * @word: the rest, so that it can be written at once
 * @index: low half of @word: primitive
 * @state: high half of @word: KSYNC_LINE_ENGAGED; the other bits are user space's
 *         own
 */
struct ksync_line_entry {
	__u64 object;
	union {
		__u64 word __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(index, state); };
	};
};

#define KSYNC_LINE_ENTRIES	7
#define KSYNC_LINES		1024			/* in one mapping */
#define KSYNC_LINES_SIZE	(KSYNC_LINES * 128)	/* bytes of it */

/**
 * struct ksync_line - what a thread is engaged in, 128 bytes
 * @reserved: zero
 * @entry: in any order
 */
struct ksync_line {
	__u64 reserved[2];
	struct ksync_line_entry entry[KSYNC_LINE_ENTRIES];
};

#define KSYNC_SLOTS		128			/* in one object */
#define KSYNC_SLOT_ENTRIES	8

/*
 * An entry of a slot: 0, or ENGAGED and the index of the primitive; READ with a
 * read hold, and how many MORE there are. LEFT is user space's own.
 */
#define KSYNC_SLOT_INDEX	0xffffffffULL
#define KSYNC_SLOT_MORE_ONE	(1ULL << 32)
#define KSYNC_SLOT_MORE		0x1fffffff00000000ULL
#define KSYNC_SLOT_LEFT		(1ULL << 61)
#define KSYNC_SLOT_READ		(1ULL << 62)
#define KSYNC_SLOT_ENGAGED	(1ULL << 63)

/**
 * struct ksync_slot - what a thread reads of one rwlock object, 64 bytes
 * @entry: in any order
 */
struct ksync_slot {
	__u64 entry[KSYNC_SLOT_ENTRIES];
};

#endif /* _UAPI_LINUX_KSYNC_CELL_H */
