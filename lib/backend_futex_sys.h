/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The futex backend: atomic operations and system calls.
 */
#ifndef KSYNC_BACKEND_FUTEX_SYS_H
#define KSYNC_BACKEND_FUTEX_SYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fast.h"

#define kfx_fence_after_rmw()	ksync_fast_fence_after_rmw()
#define kfx_fence()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Atomic operations; who pairs with whom is said where they are used. */
#define kfx_load(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define kfx_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define kfx_store(p, v)		__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define kfx_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

/* Full barriers. */
#define kfx_swap(p, v)	kfx_rmw(p, __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST))
#define kfx_set(p, v)	kfx_rmw(p, __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST))
#define kfx_clear(p, v)	kfx_rmw(p, __atomic_fetch_and(p, ~(v), __ATOMIC_SEQ_CST))
#define kfx_add(p, v)	kfx_rmw(p, __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST))

#define kfx_rmw(p, op) ({						\
	__typeof__(*(p)) was__ = (op);					\
	kfx_fence_after_rmw();						\
	was__;								\
})

/* Likewise. On failure *old is what was found. */
#define kfx_cas(p, old, new) ({						\
	__typeof__(*(p)) old__ = *(old);				\
	bool done__ = __atomic_compare_exchange_n(p, &old__, new, false, \
						  __ATOMIC_SEQ_CST,	\
						  __ATOMIC_SEQ_CST);	\
	*(old) = old__;							\
	kfx_fence_after_rmw();						\
	done__;								\
})

/* For statistics, which may miss one when two processes count at once. */
#define kfx_count(p)		kfx_store(p, kfx_load(p) + 1)

/* Others can send us a barrier: fences may be left out on frequent paths. */
extern bool kfx_barriers;

/* What to sleep on: until one of them is not its value any more. */
#define KFX_FUTEXES	128U	/* no more than futex_waitv takes */

struct kfx_futexes {
	unsigned int nr;
	uint32_t *futex[KFX_FUTEXES];
	uint32_t value[KFX_FUTEXES];
};

static inline void kfx_futexes_add(struct kfx_futexes *f, uint32_t *futex,
				   uint32_t value)
{
	if (f->nr == KFX_FUTEXES)
		return;
	f->futex[f->nr] = futex;
	f->value[f->nr++] = value;
}

static inline bool kfx_futexes_changed(const struct kfx_futexes *f)
{
	unsigned int i;

	for (i = 0; i < f->nr; i++)
		if (kfx_load(f->futex[i]) != f->value[i])
			return true;
	return false;
}

/* backend_futex_sys.c: none of these changes errno */
void kfx_sleep(uint32_t *futex, uint32_t value, uint64_t until);
bool kfx_sleep_on(const struct kfx_futexes *f, uint64_t until);
void kfx_wake(uint32_t *futex, int nr);
uint64_t kfx_now(void);
uint64_t kfx_now_coarse(void);
unsigned int kfx_cpus(void);
unsigned int kfx_cpu(void);
unsigned int kfx_spins(unsigned int ns);
void kfx_barrier_init(void);
bool kfx_barrier(void);
void kfx_nap(uint64_t ns);
void kfx_yield(void);
int kfx_open(int dir, const char *path, int flags, mode_t mode);
void kfx_close(int fd);
int kfx_byte_lock(int fd, long long byte, bool wait);
int kfx_byte_read_lock(int fd, long long byte, bool wait);
void kfx_byte_unlock(int fd, long long byte);
int kfx_bytes_locked(int fd, long long byte, long long nr);

static inline void kfx_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#else
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif /* KSYNC_BACKEND_FUTEX_SYS_H */
