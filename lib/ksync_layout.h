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

#include <stddef.h>
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
 * dies. It is the backend's, which has more to it. The upper half of the word is
 * the key, whose upper bits say how it is held; the rest is the backend's, too.
 */
struct ksync_hold_word {
	uint64_t word;
} __attribute__((__may_alias__));

/*
 * In the key: what is, or may be, held; or a read hold was withdrawn, but the
 * backend has work to do.
 */
#define KSYNC_HOLD_LEFT	(1U << 29)
#define KSYNC_HOLD_READ	(1U << 30)
#define KSYNC_HOLD_EXCL	(1U << 31)

/* The same in the word. */
#define KSYNC_HOLD_IN_WORD(key)	((uint64_t)(key) << 32)

/*
 * What a thread remembers of a primitive that it used, so that a call needs no
 * more than this and the handle. Filled in by the backend on its slow path.
 *
 * tag		that of the handle; 0: of none
 * hold		mutex, rwlock: the thread's note
 * seen		semaphore, wait group: the word as it was last seen
 * idle		the hold's word when nothing is held
 * id		what the primitive's word calls the thread
 * fenced	rwlock: reads that needed a fence
 *
 * The key has EXCL from before the word can name the thread until after it let
 * go, and READ while the thread reads.
 */
struct ksync_fast {
	uint64_t tag;
	union {
		struct ksync_hold_word *hold;
		uint64_t seen;
	};
	uint64_t idle;
	uint32_t id;
	uint32_t fenced;
};

/*
 * So much of a thread's memory for that, and where in it a primitive has its
 * place: some bits of the tag say so.
 */
#define KSYNC_FAST_NR		16U
#define KSYNC_FAST_PLACE(tag)	((size_t)(tag) & 0x1e0)

/*
 * The calling thread's memory, KSYNC_FAST_NR of the above. Never NULL. The kernel
 * wipes it at fork, so a child remembers nothing, however it was made.
 */
extern KSYNC_API __thread struct ksync_fast *ksync_fast_self
	__attribute__((__tls_model__("initial-exec")));

/*
 * The beginning of a handle.
 *
 * tag		by what threads remember the primitive: never reused, not 0
 * cell		where the word is, if the backend has mapped it
 */
struct ksync_inline {
	uint64_t tag;
	struct ksync_inline_cell *cell;
};

#endif /* KSYNC_LAYOUT_H */
