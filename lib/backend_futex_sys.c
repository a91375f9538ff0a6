// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: system calls. None of the functions changes errno.
 */
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend_futex.h"

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_USEC 1000U

/* What SYS_futex takes: as wide as long, whatever time_t is. */
struct futex_time {
	long sec;
	long nsec;
};

/* What SYS_futex_waitv takes (5.16): the same everywhere. */
struct futex_of_many {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};

struct futex_many_time {
	int64_t sec;
	int64_t nsec;
};

#define FUTEX_OF_32_BITS	2

#ifndef SYS_futex_waitv
#define SYS_futex_waitv		449
#endif

#if defined(SYS_futex)
#define FUTEX_CALL SYS_futex
#else
#define FUTEX_CALL SYS_futex_time64
#endif

/* Until it is woken, *futex is not @value, a signal, or the deadline. */
void kfx_sleep(uint32_t *futex, uint32_t value, uint64_t until)
{
	uint64_t sec = until / NSEC_PER_SEC;
	struct futex_time ts = { sec, until % NSEC_PER_SEC };
	int saved = errno;

	/* For ever, or until long after a 32-bit clock has ended. */
	syscall(FUTEX_CALL, futex, FUTEX_WAIT_BITSET, value,
		sec < INT32_MAX ? &ts : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
	errno = saved;
}

/* The same with all of them. False where the kernel cannot, or must not. */
bool kfx_sleep_on(const struct kfx_futexes *f, uint64_t until)
{
	struct futex_many_time ts = { until / NSEC_PER_SEC,
				      until % NSEC_PER_SEC };
	struct futex_of_many v[KFX_FUTEXES];
	int saved = errno;
	unsigned int i;
	bool done;

	for (i = 0; i < f->nr; i++)
		v[i] = (struct futex_of_many){
			.value = f->value[i],
			.address = (uintptr_t)f->futex[i],
			.flags = FUTEX_OF_32_BITS,
		};
	done = syscall(SYS_futex_waitv, v, f->nr, 0, &ts, CLOCK_MONOTONIC) >= 0 ||
	       errno == EAGAIN || errno == ETIMEDOUT || errno == EINTR;
	errno = saved;
	return done;
}

void kfx_wake(uint32_t *futex, int nr)
{
	int saved = errno;

	syscall(FUTEX_CALL, futex, FUTEX_WAKE, nr, NULL, NULL, 0);
	errno = saved;
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

uint64_t kfx_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t kfx_now_coarse(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

bool kfx_barriers;

static bool membarrier(int cmd)
{
	int saved = errno;
	bool done = !syscall(SYS_membarrier, cmd, 0, 0);

	errno = saved;
	return done;
}

/* At first use and in a child. Takes some ms where there are threads already. */
void kfx_barrier_init(void)
{
	kfx_store(&kfx_barriers,
		  membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED));
}

/*
 * A full barrier on every processor that runs a thread of a process that has
 * registered, this one included: pairs with ksync_fast_barrier() wherever it
 * stands. Costs some microseconds. False where it is not possible.
 */
bool kfx_barrier(void)
{
	kfx_fence();
	return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

void kfx_nap(uint64_t ns)
{
	uint64_t until = kfx_now() + ns;
	uint32_t never = 0;

	while (kfx_now() < until)
		kfx_sleep(&never, 0, until);
}

void kfx_yield(void)
{
	int saved = errno;

	sched_yield();
	errno = saved;
}

/* How many this process may run on: with one, spinning is in vain. */
unsigned int kfx_cpus(void)
{
	static unsigned int cpus;
	unsigned int n = kfx_load(&cpus);
	int saved = errno;
	cpu_set_t set;

	if (n)
		return n;
	/* A machine with more than fit has certainly more than one. */
	n = sched_getaffinity(0, sizeof(set), &set) ? 2 : CPU_COUNT(&set);
	kfx_store(&cpus, n);
	errno = saved;
	return n;
}

/* The one that the thread runs on, or ran on just now; 0 if that is unknown. */
unsigned int kfx_cpu(void)
{
	int saved = errno, cpu = sched_getcpu();

	errno = saved;
	return cpu + 1;
}

/*
 * How many rounds of a pause, which differs a lot between processors, take so
 * long.
 */
unsigned int kfx_spins(unsigned int ns)
{
	static unsigned int per_us;
	unsigned int n = kfx_load(&per_us), i;
	uint64_t began, took;

	if (!n) {
		began = kfx_now();
		for (i = 0; i < 50; i++)
			kfx_relax();
		took = kfx_now() - began;
		n = took ? 50 * NSEC_PER_USEC / took : 0;
		/* An interruption may have made it seem long. */
		n = n < 10 ? 10 : n > 400 ? 400 : n;
		kfx_store(&per_us, n);
	}
	return n * ns / NSEC_PER_USEC;
}

/* The system call, since the C library's wrapper is a cancellation point. */
static int file_lock(int fd, int cmd, struct flock *fl)
{
#if defined(SYS_fcntl64)
	return syscall(SYS_fcntl64, fd, cmd, fl);
#else
	return syscall(SYS_fcntl, fd, cmd, fl);
#endif
}

/* Likewise. A negative errno on failure. */
int kfx_open(int dir, const char *path, int flags, mode_t mode)
{
	int fd, saved = errno;

	fd = syscall(SYS_openat, dir, path, flags | O_CLOEXEC | O_LARGEFILE,
		     mode);
	if (fd < 0)
		fd = -errno;
	errno = saved;
	return fd;
}

void kfx_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		syscall(SYS_close, fd);
	errno = saved;
}

static int set_lock(int fd, int cmd, short type, long long byte)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET,
			    .l_start = byte, .l_len = 1 };
	int ret, saved = errno;

	do {
		ret = file_lock(fd, cmd, &fl) ? -errno : 0;
	} while (ret == -EINTR);
	errno = saved;
	return ret == -EACCES ? -EAGAIN : ret;
}

/* 0, -EAGAIN: somebody else has it, or another error. */
int kfx_byte_lock(int fd, long long byte, bool wait)
{
	return set_lock(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, F_WRLCK, byte);
}

/* Shared with others, and for a descriptor that is open for reading only. */
int kfx_byte_read_lock(int fd, long long byte, bool wait)
{
	return set_lock(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, F_RDLCK, byte);
}

void kfx_byte_unlock(int fd, long long byte)
{
	set_lock(fd, F_OFD_SETLK, F_UNLCK, byte);
}

/* Does another description have any of them locked? Or an error. */
int kfx_bytes_locked(int fd, long long byte, long long nr)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			    .l_start = byte, .l_len = nr };
	int ret, saved = errno;

	ret = file_lock(fd, F_OFD_GETLK, &fl) ? -errno : fl.l_type != F_UNLCK;
	errno = saved;
	return ret;
}
