// SPDX-License-Identifier: GPL-2.0-only
/*
 * Floors: the least that a lock can be, which survives nothing, and the least
 * that a call into the kernel costs.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loops.h"

static int clear(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		*(_Atomic uint32_t *)s->lock[i] = 0;
	return 0;
}

static void forget(struct set *s)
{
}

static int wait_at(_Atomic uint32_t *word, uint32_t value)
{
	return syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static int wake_at(_Atomic uint32_t *word, int nr)
{
	return syscall(SYS_futex, word, FUTEX_WAKE, nr, NULL, NULL, 0);
}

/* 0 free, 1 taken, 2 taken and perhaps somebody sleeps. */
INLINE int three_lock(void *lock)
{
	_Atomic uint32_t *word = lock;
	uint32_t seen = 0;

	if (atomic_compare_exchange_strong_explicit(word, &seen, 1,
						    memory_order_acquire,
						    memory_order_relaxed))
		return 0;
	if (seen != 2)
		seen = atomic_exchange_explicit(word, 2, memory_order_acquire);
	while (seen) {
		wait_at(word, 2);
		seen = atomic_exchange_explicit(word, 2, memory_order_acquire);
	}
	return 0;
}

INLINE int three_unlock(void *lock)
{
	_Atomic uint32_t *word = lock;

	if (atomic_exchange_explicit(word, 0, memory_order_release) == 2)
		wake_at(word, 1);
	return 0;
}

LOCK_LOOPS(three, three_lock, three_unlock)

INLINE int spin_lock(void *lock)
{
	_Atomic uint32_t *word = lock;

	while (atomic_exchange_explicit(word, 1, memory_order_acquire))
		while (atomic_load_explicit(word, memory_order_relaxed))
			__builtin_ia32_pause();
	return 0;
}

INLINE int spin_unlock(void *lock)
{
	_Atomic uint32_t *word = lock;

	atomic_store_explicit(word, 0, memory_order_release);
	return 0;
}

LOCK_LOOPS(spin, spin_lock, spin_unlock)

static int count_arm(void *lock, unsigned int workers)
{
	_Atomic uint32_t *word = lock;

	atomic_store(word, workers);
	return 0;
}

static int count_done(void *lock)
{
	_Atomic uint32_t *word = lock;

	if (atomic_fetch_sub(word, 1) == 1)
		wake_at(word, INT_MAX);
	return 0;
}

static int count_wait(void *lock, unsigned int workers)
{
	_Atomic uint32_t *word = lock, left;

	while ((left = atomic_load(word)) != 0)
		wait_at(word, left);
	return 0;
}

static const struct fanin count_fanin = { count_arm, count_done, count_wait };

INLINE int nothing(void *lock)
{
	__asm__ volatile("" : : "r" (lock) : "memory");
	return 0;
}

PAIRS(nothing, nothing, nothing)

/* A lock and unlock that does not ask who had it before: no futex, no owner. */
INLINE int cas(void *lock)
{
	uint32_t seen = 0;

	return !atomic_compare_exchange_strong((_Atomic uint32_t *)lock, &seen, 1);
}

INLINE int store(void *lock)
{
	atomic_store_explicit((_Atomic uint32_t *)lock, 0, memory_order_release);
	return 0;
}

PAIRS(cas_store, cas, store)

INLINE int exchange(void *lock)
{
	return atomic_exchange((_Atomic uint32_t *)lock, 0) != 1;
}

PAIRS(cas_exchange, cas, exchange)

INLINE int get_parent(void *lock)
{
	return syscall(SYS_getppid) < 0;
}

PAIRS(getppid, nothing, get_parent)

/* A command that nobody knows: all that an ioctl costs before any work. */
static int open_file(struct set *s)
{
	s->handle[0].fd = memfd_create("bench", MFD_CLOEXEC);
	s->lock[0] = &s->handle[0];
	return s->handle[0].fd < 0 ? errno : 0;
}

static void close_file(struct set *s)
{
	close(s->handle[0].fd);
}

INLINE int bad_ioctl(void *lock)
{
	const struct handle *h = lock;

	return ioctl(h->fd, 0xd7ff) != -1;
}

PAIRS(ioctl, nothing, bad_ioctl)

INLINE int wake_nobody(void *lock)
{
	return wake_at(lock, 1) != 0;
}

PAIRS(wake, nothing, wake_nobody)

const struct peer futex_peers[] = {
	{ .name = "nothing", .label = "the loop itself", .is_floor = true,
	  .create = clear, .pairs[K_CALL] = nothing_pairs,
	  .ends_threads = true },
	{ .name = "cas-store", .label = "compare-exchange + store",
	  .is_floor = true, .create = clear, .pairs[K_CALL] = cas_store_pairs },
	{ .name = "cas-exchange", .label = "compare-exchange + exchange",
	  .is_floor = true, .create = clear,
	  .pairs[K_CALL] = cas_exchange_pairs },
	{ .name = "getppid", .label = "getppid", .is_floor = true,
	  .create = clear, .pairs[K_CALL] = getppid_pairs },
	{ .name = "ioctl", .label = "ioctl that returns ENOTTY",
	  .is_floor = true, .create = open_file, .destroy = close_file,
	  .pairs[K_CALL] = ioctl_pairs },
	{ .name = "futex-wake", .label = "futex wake of nobody",
	  .is_floor = true, .create = clear, .pairs[K_CALL] = wake_pairs },
	{ .name = "spin", .label = "bare spin lock", .is_floor = true,
	  .bytes = 4, .max_procs = 2, .create = clear, .destroy = forget,
	  WITH_LOCK(spin) },
	{ .name = "futex", .label = "bare futex mutex", .is_floor = true,
	  .bytes = 4, .create = clear, .destroy = forget, WITH_LOCK(three),
	  .fanin = &count_fanin },
	{ 0 }
};
