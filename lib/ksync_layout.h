/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libksync: what programs know that have ksync_inline.h compiled into them: the
 * beginning of a handle, what a thread remembers of a primitive, and its cell.
 * Part of <ksync.h>; programs name nothing of this.
 *
 * This is layout 1, which does not change. A program that has it in it asks for
 * the symbols of the version KSYNC_INLINE_1, without which it is not linked or
 * does not start. A library that wants to be rid of layout 1 lets no tag of it
 * match: then everything goes by call. So a newer one serves older programs.
 */
#ifndef KSYNC_LAYOUT_H
#define KSYNC_LAYOUT_H

#include <stdint.h>

/*
 * The beginning of a cell; in full in <linux/ksync_cell.h>.
 *
 * state	the word that decides; two halves
 * count	mutex, rwlock: the token; semaphore: permits acquired so far
 * bound	wait group: members that are tied to a process
 */
struct ksync_inline_cell {
	union {
		uint64_t state;
		uint32_t half[2];
	};
	uint64_t count;
	uint64_t unused;
	uint32_t bound;
} __attribute__((__may_alias__));

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define KSYNC_INLINE_OWNER(cell)	(&(cell)->half[1])
#define KSYNC_INLINE_CTL(cell)		(&(cell)->half[0])
#else
#define KSYNC_INLINE_OWNER(cell)	(&(cell)->half[0])
#define KSYNC_INLINE_CTL(cell)		(&(cell)->half[1])
#endif

/*
 * A note of what a thread holds of a primitive, where it is found if the thread
 * dies. It belongs to the backend, which may use more of it.
 *
 * key		says which primitive, and how it is held
 * count	read holds beyond the first
 * reads	read acquisitions
 * round	of reads: since when there has been no writer
 */
struct ksync_hold {
	uint32_t key;
	uint32_t count;
	uint32_t reads;
	uint32_t round;
};

/*
 * In the key: what is, or may be, held; or a read hold was withdrawn, but the
 * backend has work to do.
 */
#define KSYNC_HOLD_LEFT	(1U << 29)
#define KSYNC_HOLD_READ	(1U << 30)
#define KSYNC_HOLD_EXCL	(1U << 31)

/*
 * What a thread remembers of a primitive that it used, so that a call needs no
 * more than this and the handle. Filled in by the backend on its slow path.
 *
 * tag		that of the handle, and the epoch of the process added
 * hold		mutex, rwlock: the thread's note
 * seen		semaphore, wait group: the word as it was last seen
 * id		what the word calls the thread
 * idle		the key when nothing is held
 *
 * The key has EXCL from before the word can name the thread until after it let
 * go, and READ while the thread reads.
 */
struct ksync_fast {
	uint64_t tag;
	union {
		struct ksync_hold *hold;
		uint64_t seen;
	};
	uint32_t id;
	uint32_t idle;
	uint64_t reserved;
};

/*
 * The beginning of a handle.
 *
 * tag		by what threads remember the primitive: never reused, not 0
 * epoch	changes in a child, which then remembers nothing, however it was
 *		made: the kernel wipes this word at fork
 * cell		where the word is, if the backend has mapped it
 * place	where threads remember it: from the thread pointer, which is the
 *		same way for all threads
 */
struct ksync_inline {
	uint64_t tag;
	const uint64_t *epoch;
	struct ksync_inline_cell *cell;
	int64_t place;
};

#endif /* KSYNC_LAYOUT_H */
