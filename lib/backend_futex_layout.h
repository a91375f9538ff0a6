/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The futex backend: what stands in the file of an object.
 *
 *	header	what the object is, high-water marks
 *	slots	one for each process that has it open
 *	cells	one for each primitive, laid out as in <linux/ksync.h>
 *	lines	one for each thread that uses it, and more where one is not
 *		enough: what the thread holds and what it waits for
 *
 * The file is sparse: slots and lines that nobody ever used cost nothing.
 *
 * A process is alive while the byte of its slot is locked, by an open file
 * description that nobody else has. The kernel drops the lock when the process
 * ends or calls execve, whatever else happens. No PID is ever compared.
 *
 * The id in the state word of a lock is the number of its holder's line. A line
 * belongs to a slot, so the id leads to the process. Line 0 is nobody's: in its
 * name works whoever holds the gate (backend_futex_gate.c).
 *
 * Everything here may be changed by any process that has the object open, so
 * whatever is used as an index is checked against its bound first.
 */
#ifndef KSYNC_BACKEND_FUTEX_LAYOUT_H
#define KSYNC_BACKEND_FUTEX_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ksync.h>
#include "fast.h"
#include "ksync.h"

#define KFX_MAGIC	0x31586675746b736bULL
#define KFX_VERSION	5U
#define KFX_PAGE	4096U
#define KFX_SLOTS	16384U		/* processes that use one object */
#define KFX_LINES	32768U		/* threads that do, and their overflow */

/*
 * Bytes that are locked: beyond the end of any file that could be an object. A
 * write lock on the byte of a slot is its process; a read lock, on one of a slot
 * that is clean, those who are about to claim one.
 */
#define KFX_LOCK_GATE	(1LL << 40)
#define KFX_LOCK_SLOT	(KFX_LOCK_GATE + 1)

/*
 * magic	written last: the file is complete
 * nonce	random: tells one object from another, whatever the inode number
 * slots_hi	slots from here on were never used. Grows, under the gate
 * lines_hi	likewise for lines; whoever claims a line raises it
 * readers_hi	likewise for lines with read holds
 * line_hint	where a free line may be
 * slot_hint	where to look for the slot of a dead process
 * fenced	somebody could send no barrier: readers have fences for ever
 * sweep_at	CLOCK_MONOTONIC in ns: when all processes are to be looked at
 *		again; whoever moves it on does so
 */
struct kfx_header {
	uint64_t magic;
	uint32_t version;
	uint32_t type;
	uint32_t flags;
	uint32_t nr;
	uint64_t nonce;
	char name[KSYNC_NAME_LEN];

	uint32_t slots_hi __attribute__((aligned(64)));
	uint32_t lines_hi;
	uint32_t readers_hi;
	uint32_t line_hint;
	uint32_t slot_hint;
	uint32_t fenced;
	uint64_t sweep_at __attribute__((aligned(8)));
};

/*
 * used		0 clean: no line belongs to it. 1: taken by a process. Changed
 *		under the gate, but for a process that leaves its own
 * pid, pidns	for people only: the process, and the inode of its PID namespace
 */
struct kfx_slot {
	uint32_t used;
	uint32_t pid;
	uint64_t pidns;
	uint64_t reserved[2];
};

/*
 * struct ksync_hold: one primitive that a thread holds, or permits or members of
 * a process.
 *
 * key		index + 1, and one of the flags while it is held (by a thread).
 *		Without a flag it only remembers the index.
 *
 *		READ is the read hold itself: the reader sets it, then looks at
 *		the word of the lock. EXCL says that the thread may be the
 *		exclusive holder: it is set before the word names the thread
 *		and withdrawn after. The word decides.
 *		LEFT: no longer a read hold, but a writer may have seen it.
 * count	read holds beyond the first; permits; members bound to the process
 * reads	read acquisitions of the slow path, since the key was set to its
 *		index
 * round	of the members; reads: see calm_down() of rwlocks
 */
struct ksync_hold {
	union {
		uint64_t word;		/* see struct ksync_hold_word */
		struct { KSYNC_CELL_HALVES(count, key); };
	};
	uint32_t reads;
	uint32_t round;
} __attribute__((__may_alias__));

#define KFX_HELD_READ	KSYNC_HOLD_READ
#define KFX_HELD_EXCL	KSYNC_HOLD_EXCL
#define KFX_KEY_INDEX	(KSYNC_HOLD_LEFT - 1)

/*
 * Changes to several words that happen all or none: written down, done, and
 * crossed out by the owner of a queue lock. If it dies in between, its heir
 * does them (again). Each is such that doing it twice is doing it once: as long
 * as it stands here, nobody else can change these words but the waiter named
 * here its own, and that one never returns to an old value.
 *
 * nr		0: nothing is pending; otherwise 1 + stores
 * waiter	line whose wait changes from wait_old to wait_new, if not 0
 * word_old	the cell's state, if it differs from word_new
 * store	offset in the file and new value of 32-bit words
 */
#define KFX_STORES	4

struct kfx_redo {
	uint32_t nr;
	uint32_t waiter;
	uint64_t wait_old;
	uint64_t wait_new;
	uint64_t word_old;
	uint64_t word_new;
	struct {
		uint32_t at;
		uint32_t value;
	} store[KFX_STORES];
};

/*
 * The life of a wait; "q" means by the owner of the queue lock. A thread has
 * acquired what it waited for when its line is IDLE again. Until then, its
 * death is that of a waiter: what it was granted goes on to the next.
 *
 *	              q                q
 *	IDLE ---------> WAITING ---------> GRANTED --.
 *	 | ^              |  |                       |
 *	 | |              |  | q                     |
 *	 | |   q, gave up |  '-----------> FAILED    |
 *	 | |              |                  |       | by the waiter
 *	 | '--------------+------------------+-------'
 *	 v ^
 *	 TRY   an exclusive acquisition that may have to be taken back
 *
 * Above the state stands a number that is new for each wait, also of the next
 * thread that has the line.
 */
enum kfx_wait_state {
	KFX_IDLE,
	KFX_TRY,
	KFX_WAITING,
	KFX_GRANTED,
	KFX_FAILED,
};

#define KFX_WAIT_STATE	0xffULL
#define KFX_WAIT_ONE	0x100ULL

/* What a wait is for. */
enum kfx_want {
	KFX_WANT_EXCL = 1,	/* mutex, write lock */
	KFX_WANT_READ,
	KFX_WANT_PERMITS,
	KFX_WANT_ROUND,		/* never in a queue */
	KFX_WANT_SIGNAL,
};

enum kfx_line_kind {
	KFX_LINE_NEW,		/* claimed, and no more than that */
	KFX_LINE_THREAD,
	KFX_LINE_MORE,		/* further holds of a thread */
	KFX_LINE_PROCESS,	/* permits and members of a process */
};

#define KFX_AWAKE	2U	/* nudged: no need to wake it */

#define KFX_HOLDS	3	/* in the line of a thread */
#define KFX_HOLDS_MORE	11	/* in the other kinds */

/*
 * owner	slot + 1 of the process; 0: free, and all else but wait is 0
 * parent	MORE: line of the thread
 * tid		for people only; 0: of a thread that ended, kept for another one
 * kind, top	enum kfx_line_kind; holds from here on were never used
 *
 * The wait; written before wait is WAITING, by the thread, if not said
 * otherwise:
 *
 * wait		enum kfx_wait_state, see there
 * ticket	q: greater than that of whoever is before it in the queue
 * since	CLOCK_MONOTONIC in ns
 * futex	the thread sleeps on it; who wakes it adds one
 * index, want	what it waits for, enum kfx_want
 * n		permits, or number of the round
 * hold		offset of the hold that a grant fills
 * next, prev	q: neighbours in the queue, 0 for none
 * nudged	q: woken to try, or AWAKE; cleared when it failed
 * lost		q: members that the round has lost; barrier: 1 if it was broken;
 *		once: with n, the result
 * cpu		1 + the processor on which the thread last waited, or gave back
 *		what others may wait for; 0: not known. A hint for them
 *
 * Against cycles, in lines of threads:
 *
 * thread	a number that all lines of the thread have, and no others; 0: the
 *		line is not all that the thread waits with, or has no thread
 * gives_way	part of the wait: it is refused if it closes a cycle
 *
 * The queue lock:
 *
 * queue	index + 1 of the queue that it locks, set before it tries
 * redo		see there
 */
struct kfx_line {
	uint32_t owner;
	uint32_t parent;
	uint32_t tid;
	uint16_t kind;
	uint16_t top;
	struct ksync_hold hold[KFX_HOLDS];

	uint64_t wait __attribute__((aligned(64)));
	uint64_t ticket;
	uint64_t since;
	uint32_t futex;
	uint32_t index;
	uint32_t want;
	uint32_t n;
	uint32_t hold_at;
	uint32_t next;
	uint32_t prev;
	uint32_t nudged;
	uint32_t lost;
	uint32_t cpu;

	union {
		struct ksync_hold more[KFX_HOLDS_MORE - KFX_HOLDS]
			__attribute__((aligned(64)));
		struct {
			uint32_t queue;
			uint32_t gives_way;
			struct kfx_redo redo __attribute__((aligned(8)));
			uint64_t thread;
		};
	};
};

/*
 * The queue of a primitive, in the part of its cell that is spare here (of locks,
 * what only the kernel knows begins it). The waiting lines decide; this is for
 * speed and made anew when its lock's owner dies.
 *
 * lock		1 + line of its owner, and CONTENDED: somebody sleeps on it
 * head, tail	lines
 * nr		length
 * writers	those that wait for a write lock; mutex: see there
 */
#define KFX_Q_CONTENDED	(1U << 31)

struct kfx_queue {
	uint32_t lock;
	uint32_t head;
	uint32_t tail;
	uint32_t nr;
	uint32_t writers;
};

#define KFX_QUEUE_AT	(sizeof(union ksync_cell) - sizeof(struct kfx_queue))

/*
 * mutex, in place of the count of read acquisitions:
 *
 * calm		unlocks with a fence since somebody waited last
 * handed	when it was last handed over to one that starved, in 2^20 ns
 * seen		token, its lower half, of the hold that began before since
 */
struct kfx_mutex_more {
	uint16_t calm;
	uint16_t handed;
	uint32_t seen;
};

/*
 * rwlock: the depth of a recursive mutex is the line that wrote last, shifted by
 * 16, and how often in a row, see backend_futex_rwlock_quick.c. Nobody counts
 * readers in the word: in their place stands the favourite.
 *
 * Wait group: changes of several words are under way, which plain operations
 * keep out of. In place of the top bit of the round, which is one bit shorter
 * than in the kernel. For the semaphore WAITERS does that.
 */
#define KFX_WG_FROZEN	(1ULL << 62)
#define KFX_WG_ROUND	(KSYNC_WG_ROUND & ~KFX_WG_FROZEN)

/*
 * Barrier: BROKEN once more, in the half of the word that is slept on. Where
 * the kernel has a zero.
 */
#define KFX_BARRIER_BROKEN	(KSYNC_BARRIER_BROKEN | 1ULL << 63)

/*
 * Event, in place of what is reserved:
 *
 * tie		to a parent, see backend_futex_event_tree.c; 0: never had one
 * children	tied to it, at most
 */
struct kfx_event_more {
	uint64_t tie;
	uint32_t children;
};

#define KFX_EVENT_DEPTH		8U	/* ancestors of an event */
#define KFX_EVENT_CHILDREN	4096U	/* events tied to one */

#define KFX_SLOTS_AT	((size_t)KFX_PAGE)
#define KFX_CELLS_AT	(KFX_SLOTS_AT + KFX_SLOTS * sizeof(struct kfx_slot))

static inline size_t kfx_lines_at(uint32_t nr)
{
	size_t cells = (size_t)nr * sizeof(union ksync_cell);

	return KFX_CELLS_AT + ((cells + KFX_PAGE - 1) & ~(size_t)(KFX_PAGE - 1));
}

static inline size_t kfx_file_size(uint32_t nr)
{
	return kfx_lines_at(nr) + (size_t)KFX_LINES * sizeof(struct kfx_line);
}

/* The same for 32 and 64 bit. */
static_assert(offsetof(struct kfx_header, nonce) == 24, "part of the format");
static_assert(offsetof(struct kfx_header, sweep_at) == 216, "likewise");
static_assert(sizeof(struct kfx_slot) == 32, "part of the format");
static_assert(offsetof(struct kfx_line, wait) == 64, "a cache line");
static_assert(offsetof(struct kfx_line, queue) == 128, "a cache line");
static_assert(offsetof(struct kfx_line, redo) == 136, "part of the format");
static_assert(offsetof(struct kfx_line, thread) == 208, "part of the format");
static_assert(offsetof(struct kfx_redo, store) == 40, "part of the format");
static_assert(sizeof(struct kfx_line) == 256, "part of the format");
static_assert(sizeof(struct kfx_queue) == 20, "part of the format");
static_assert(sizeof(struct kfx_mutex_more) == 8, "part of the format");
static_assert(offsetof(struct ksync_event_cell, reserved) % 8 == 0 &&
	      offsetof(struct ksync_event_cell, reserved) +
	      sizeof(struct kfx_event_more) <= KFX_QUEUE_AT,
	      "before the queue");
static_assert(offsetof(struct ksync_lock_cell, since_of) <= KFX_QUEUE_AT,
	      "the queue fits in what is spare");
static_assert(offsetof(struct ksync_waitgroup_cell, reserved) <= KFX_QUEUE_AT,
	      "likewise");
static_assert(offsetof(struct ksync_sem_cell, reserved) <= KFX_QUEUE_AT,
	      "likewise");
static_assert(offsetof(struct ksync_cond_cell, reserved) <= KFX_QUEUE_AT,
	      "likewise");
static_assert(offsetof(struct ksync_barrier_cell, reserved) <= KFX_QUEUE_AT,
	      "likewise");
static_assert(offsetof(struct ksync_once_cell, reserved) <= KFX_QUEUE_AT,
	      "likewise");

#endif /* KSYNC_BACKEND_FUTEX_LAYOUT_H */
