/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inner loops. Each peer has them compiled with its own operations inlined,
 * so that what is measured is the peer and not a call through a pointer.
 */
#ifndef LOOPS_H
#define LOOPS_H

#include <sched.h>

#include "bench.h"

typedef int (*lock_fn)(void *lock);

#define INLINE static inline __attribute__((always_inline))

INLINE void busy(unsigned long loops)
{
	while (loops--)
		__asm__ volatile("");
}

INLINE uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

INLINE bool stopped(const struct worker *w)
{
	return atomic_load_explicit(&w->shared->stop, memory_order_relaxed);
}

INLINE int loop_pairs(void *lock, long n, lock_fn acquire, lock_fn release)
{
	int err = 0;

	while (n-- > 0 && !err) {
		err = acquire(lock);
		if (!err)
			err = release(lock);
	}
	return err;
}

/* One in about 32 waits is timed: reading the clock costs as much as a lock. */
INLINE int timed_acquire(struct worker *w, void *lock, lock_fn acquire,
			 uint32_t *until)
{
	uint64_t begin;
	int err;

	if (--*until)
		return acquire(lock);
	*until = 16 + (next_random(&w->seed) & 31);
	begin = now_ns();
	err = acquire(lock);
	histogram_add(w->waits, now_ns() - begin);
	return err;
}

/* An update that is lost, when two are inside, is missing in the end. */
INLINE int loop_counter(struct worker *w, lock_fn acquire, lock_fn release)
{
	struct shared *sh = w->shared;
	void *lock = w->set->lock[0];
	uint64_t ops = 0, value;
	uint32_t until = 1;
	int err = 0;

	while (!stopped(w)) {
		err = timed_acquire(w, lock, acquire, &until);
		if (err)
			break;
		value = sh->value;
		if (w->section)
			busy(w->section);
		sh->value = value + 1;
		err = release(lock);
		if (err)
			break;
		ops++;
	}
	w->ops = ops;
	return err;
}

/*
 * Two processes take turns by plain locks: each holds one of three and wants
 * the next one round. The one that is ahead finds it free; that lets the other
 * one go on, by unlocking the one behind. So each step needs the other's unlock.
 */
INLINE int loop_pingpong(struct worker *w, lock_fn acquire, lock_fn release)
{
	struct shared *sh = w->shared;
	unsigned int held = w->id, next;
	uint64_t ops = 0;
	int err = acquire(w->set->lock[held]);

	if (err)
		return err;
	/* Each has its first lock before anybody moves. */
	atomic_fetch_add(&sh->inside, 1);
	while (atomic_load(&sh->inside) < 2 && !stopped(w))
		sched_yield();
	for (;;) {
		next = held == 2 ? 0 : held + 1;
		err = acquire(w->set->lock[next]);
		if (err)
			break;
		/* When the other one has left, steps follow no order. */
		if (stopped(w)) {
			err = release(w->set->lock[next]);
			break;
		}
		w->violations += (sh->value & 1) == (uint64_t)w->id;
		sh->value++;
		err = release(w->set->lock[held]);
		if (err)
			break;
		held = next;
		ops++;
	}
	w->ops = ops;
	return err ?: release(w->set->lock[held]);
}

/* Writers keep two numbers equal; readers must never see them differ. */
INLINE int loop_mixed(struct worker *w, lock_fn read, lock_fn end_read,
		      lock_fn write, lock_fn end_write)
{
	struct shared *sh = w->shared;
	void *lock = w->set->lock[0];
	/* Of 2^32. */
	uint64_t limit = ((uint64_t)w->cell->write_percent << 32) / 100;
	uint64_t ops = 0;
	int err = 0;

	for (; !stopped(w) && !err; ops++) {
		if (limit && next_random(&w->seed) < limit) {
			err = write(lock);
			if (err)
				break;
			sh->value++;
			sh->copy++;
			w->writes++;
			err = end_write(lock);
		} else {
			err = read(lock);
			if (err)
				break;
			w->violations += sh->value != sh->copy;
			err = end_read(lock);
		}
	}
	w->ops = ops;
	return err;
}

/* Never more inside than there are permits. */
INLINE int loop_crowd(struct worker *w, lock_fn acquire, lock_fn release)
{
	struct shared *sh = w->shared;
	void *lock = w->set->lock[0];
	uint32_t until = 1;
	uint64_t ops = 0;
	int err = 0;

	while (!stopped(w)) {
		err = timed_acquire(w, lock, acquire, &until);
		if (err)
			break;
		w->violations += atomic_fetch_add(&sh->inside, 1) >=
				 w->cell->permits;
		if (w->section)
			busy(w->section);
		atomic_fetch_sub(&sh->inside, 1);
		err = release(lock);
		if (err)
			break;
		ops++;
	}
	w->ops = ops;
	return err;
}

#define PAIRS(name, acquire, release)					\
static int name##_pairs(void *lock, long n)				\
{									\
	return loop_pairs(lock, n, acquire, release);			\
}

#define LOCK_LOOPS(name, acquire, release)				\
PAIRS(name, acquire, release)						\
static int name##_counter(struct worker *w)				\
{									\
	return loop_counter(w, acquire, release);			\
}									\
static int name##_pingpong(struct worker *w)				\
{									\
	return loop_pingpong(w, acquire, release);			\
}

#define READ_LOOPS(name, read, end_read, write, end_write)		\
PAIRS(name##_read, read, end_read)					\
static int name##_mixed(struct worker *w)				\
{									\
	return loop_mixed(w, read, end_read, write, end_write);		\
}

#define SEM_LOOPS(name, acquire, release)				\
static int name##_crowd(struct worker *w)				\
{									\
	return loop_crowd(w, acquire, release);				\
}

/* For the tables of peers. */
#define WITH_LOCK(name)							\
	.pairs[K_LOCK] = name##_pairs,					\
	.counter = name##_counter, .pingpong = name##_pingpong
#define WITH_READ(name)							\
	.pairs[K_READ] = name##_read_pairs, .mixed = name##_mixed
#define WITH_SEM(name)							\
	.pairs[K_SEM] = name##_pairs, .crowd = name##_crowd

#endif /* LOOPS_H */
