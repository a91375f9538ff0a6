/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the library tests share: which backend they run on and what it promises,
 * and waiting for a state instead of for a time.
 */
#ifndef KSYNC_SELFTEST_H
#define KSYNC_SELFTEST_H

#include "../kselftest_harness.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <ksync.h>

#ifndef __maybe_unused
#define __maybe_unused __attribute__((__unused__))
#endif

#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_SEC	1000000000ULL

/*
 * How long a wait that must end may take before the test calls it stuck. Less
 * than the harness's own patience with a test, 30 s.
 */
#ifndef PATIENCE_MS
#define PATIENCE_MS	15000
#endif

/* How long to watch that nothing happens: that cannot be waited for. */
#define WATCH_MS	20

/* The bound within which the futex backend notices a death. */
#define NOTICE_MS	250

/*
 * A statistical test: so many rounds, or what fits into the time it has, which
 * KSYNC_ROUNDS_MS changes.
 */
#define for_each_round(i, rounds)					\
	for (uint64_t over__ = ((i) = 0, now_ns() + rounds_ns());	\
	     (i) < (rounds) && now_ns() < over__; (i)++)

/* Nobody waits for the result: KSYNC_DEEP=1. */
static inline bool run_is_deep(void)
{
	const char *deep = getenv("KSYNC_DEEP");

	return deep && *deep && *deep != '0';
}

/* An emulated machine: everything takes up to fifty times as long. */
static inline bool machine_is_slow(void)
{
	static int slow = -1;
	char line[256];
	FILE *f;

	if (slow >= 0)
		return slow;
	slow = getenv("KSYNC_SLOW") && *getenv("KSYNC_SLOW") != '0';
	f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "QEMU"))
			slow = 1;
	if (f)
		fclose(f);
	return slow;
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static inline uint64_t rounds_ns(void)
{
	const char *ms = getenv("KSYNC_ROUNDS_MS");
	uint64_t usual = run_is_deep() ? 2000 : machine_is_slow() ? 130 : 500;

	return (ms ? strtoull(ms, NULL, 0) : usual) * NSEC_PER_MSEC;
}

static inline struct timespec at_ns(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};
}

static inline void sleep_ns(uint64_t ns)
{
	struct timespec ts = at_ns(ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

static inline void sleep_ms(unsigned int ms)
{
	sleep_ns(ms * NSEC_PER_MSEC);
}

/* What cancels the caller's waits, NULL for nothing. */
static __thread struct ksync_event *canceled_by __maybe_unused;

/* The caller's wait: @ms from now, or for ever when 0. */
static inline const struct ksync_wait *within(uint64_t ms)
{
	static __thread struct timespec deadline;
	static __thread struct ksync_wait wait;

	if (!ms && !canceled_by)
		return NULL;
	deadline = at_ns(now_ns() + ms * NSEC_PER_MSEC);
	wait.deadline = ms ? &deadline : NULL;
	wait.cancel = canceled_by;
	return &wait;
}

#define PATIENTLY	within(PATIENCE_MS)

/* Evaluates @cond until it is true; false when patience is at its end. */
#define WAIT_FOR(cond) ({						\
	uint64_t end__ = now_ns() + PATIENCE_MS * NSEC_PER_MSEC;	\
	bool met__;							\
									\
	while (!(met__ = (cond)) && now_ns() < end__)			\
		sleep_ns(NSEC_PER_MSEC / 5);				\
	met__;								\
})

/* By when a death must have been noticed, with room for a loaded machine. */
static inline unsigned int notice_bound_ms(void)
{
	unsigned int room = 3000;

	return ksync_guarantees() & KSYNC_G_PROMPT ? room : NOTICE_MS + room;
}

/* How long to watch that no death is noticed where there was none. */
static inline unsigned int no_death_ms(void)
{
	return ksync_guarantees() & KSYNC_G_PROMPT ? WATCH_MS :
						     NOTICE_MS + WATCH_MS;
}

static inline const char *guarantee_name(uint64_t bits)
{
	static const char * const names[] = {
		"that holds of a dead process pass on",
		"that execve counts as death",
		"that a thread's return counts as death",
		"that a thread's end by any road counts as death",
		"to notice deaths at once",
		"to work across PID namespaces",
		"fairness",
		"to bind wait groups to the caller",
		"to bind wait groups to other processes",
		"guarded objects",
		"names per network namespace",
		"to leave nothing behind",
		"to wake those whom a broadcast is for in turn",
		"to refuse cycles of waits",
	};
	int bit = __builtin_ffsll(bits) - 1;

	if (bits & KSYNC_G_CANCEL)
		return "events that cancel waits";
	if (bits & KSYNC_G_PARENTS)
		return "that events have parents in other objects";
	if (bits & KSYNC_G_MANY)
		return "to wait for several at once";
	if (bits & KSYNC_G_DEADLOCK_OF_TWO)
		return "to refuse cycles of two";
	if (bits & KSYNC_G_POLL)
		return "queued requests";
	if (bit < 0 || bit >= (int)ARRAY_SIZE(names) || !names[bit])
		return "this";
	return names[bit];
}

static inline uint64_t missing_guarantees(uint64_t bits)
{
	return bits & ~ksync_guarantees();
}

/* With the harness of 6.1 a setup that returns does not keep its test away. */
#ifdef FIXTURE_TEARDOWN_PARENT
#define SKIP_ALL return
#else
#define SKIP_ALL _exit(255)
#endif

/* First in every setup and in every test without one. */
#define REQUIRE_BACKEND() do {						\
	int why__ = ksync_available();					\
									\
	if (why__)							\
		SKIP(SKIP_ALL, "no %s backend: %s", ksync_backend(),	\
		     ksync_strerror(why__));				\
} while (0)

/* For what a backend may do without, in a test or in its setup. */
#define REQUIRE(bits) do {						\
	uint64_t missing__ = missing_guarantees(bits);			\
									\
	if (missing__)							\
		SKIP(SKIP_ALL, "the %s backend does not promise %s",	\
		     ksync_backend(), guarantee_name(missing__));	\
} while (0)

/* Which flags need which promise. */
#define REQUIRE_FLAGS(flags) do {					\
	if ((flags) & KSYNC_GUARDED)					\
		REQUIRE(KSYNC_G_GUARDED);				\
} while (0)

/* Mapped before anybody forks, so that it is everywhere in the same place. */
#define ARENA_SIZE	(256 * 1024)
static char *arena;

static void __attribute__((constructor)) make_arena(void)
{
	arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/*
 * Zeroed memory shared by the test and its children, also those that it has
 * already. To the end of the test; never NULL.
 */
static inline void *shared_memory(size_t size)
{
	static size_t used;
	void *p = arena + used;

	used += (size + 63) & ~63UL;
	if (arena == MAP_FAILED || used > ARENA_SIZE)
		abort();
	return memset(p, 0, size);
}

/* A name that no other test uses: @what and the PID of the caller. */
static inline const char *test_name(const char *what)
{
	static char name[KSYNC_NAME_LEN];

	snprintf(name, sizeof(name), "selftest.%s.%d", what, (int)getpid());
	return name;
}

/* xorshift64*: repeatable, unlike rand() also between C libraries. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ULL;
}

/* Burns a random part of the time that letting go or waking takes. */
static inline void random_instant(uint64_t *random)
{
	uint64_t range = machine_is_slow() ? 3000000 : 60000;
	uint64_t until = now_ns() + next_random(random) % range;

	while (now_ns() < until)
		;
}

/* The seed of a statistical test: KSYNC_SEED, or a new one; printed. */
static inline uint64_t test_seed(void)
{
	const char *env = getenv("KSYNC_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : now_ns() % 1000000007;

	printf("# KSYNC_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed * 2654435761ULL + 1;
}

static inline struct ksync_status mutex_status(const struct ksync_mutex *m)
{
	struct ksync_status st;

	if (ksync_mutex_status(m, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

static inline struct ksync_status rwlock_status(const struct ksync_rwlock *rw)
{
	struct ksync_status st;

	if (ksync_rwlock_status(rw, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

static inline struct ksync_status wg_status(const struct ksync_waitgroup *wg)
{
	struct ksync_status st;

	if (ksync_waitgroup_status(wg, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

static inline struct ksync_status sem_status(const struct ksync_sem *s)
{
	struct ksync_status st;

	if (ksync_sem_status(s, &st))
		memset(&st, 0xff, sizeof(st));
	return st;
}

#endif /* KSYNC_SELFTEST_H */
