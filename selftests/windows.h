/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The windows of die_in_window: calls of the library in which a process may
 * die, with what is around them and what may come of it.
 *
 * Roles: the victim makes the call. The keeper holds something so that the call
 * has to wait, and lets go when it sleeps. The mate comes at a chosen moment
 * and wants its turn. The tester comes last and looks.
 */
#ifndef KSYNC_SELFTEST_WINDOWS_H
#define KSYNC_SELFTEST_WINDOWS_H

#include "stepper.h"
#include "types.h"

#define PERMITS		3

/* What the tester can do with an object to find out what became of it. */
struct window_type {
	int (*create)(void **h, uint32_t flags, uint32_t nr);
	const struct type_ops *ops;	/* NULL: the handles are names */
	/* Takes all of it, patiently; outcome or a negative errno. */
	long (*seize)(void *h);
	job_fn intrude;			/* meanwhile fails with -EBUSY */
	long (*give)(void *h, long outcome);
	bool uncounted;			/* the status may not tell who waits */
};

/* What comes out of a death; for semaphores the number of lost permits. */
#define NO_REPORT	0
#define REPORT		1
#define GIVEN_UP	2

/* Somebody who wants its turn. */
struct window_role {
	job_fn come, repair, leave;
};

/* How deaths that were counted and reports that were given belong together. */
enum tells {
	TELLS_ALL,		/* each is reported, nothing else is */
	TELLS_WRITERS,		/* reported: counted; others are not reported */
	TELLS_EARLIER,		/* as TELLS_ALL, of somebody before as well */
	TELLS_LOSSES,		/* what is lost is counted, nothing is reported */
	TELLS_UNBOUND,		/* the outcome is what is left, nothing counts */
	TELLS_BREAKS,		/* as TELLS_ALL, and some is reported that is */
				/* no death */
};

/* Which keepers that let go are told of the victim. */
enum going {
	GOES_NOWHERE,		/* it sleeps, or is dead */
	GOES_ALONE,
	GOES_WITH_MATE,
};

struct window {
	const struct window_type *type;
	uint32_t flags;
	struct victim_calls calls;
	long may;		/* what the call may also give */
	job_fn keep, let_go;
	bool times_out;		/* the keeper does not let go for the call */
	/* The keeper's, if the victim has not let the mate go. */
	job_fn instead;
	const struct window_role *mate[2];	/* one of them; may be NULL */
	bool queue;		/* the mate may wait before the call */
	enum tells tells;
	/* The outcome if it dies before the call, and after it. */
	long before, after;
	bool between;		/* in the middle of it also NO_REPORT or REPORT */
	bool loose;		/* the outcome also depends on when the mate comes */
	uint64_t needs;
};

static long lock_outcome(long err)
{
	switch (err) {
	case 0:
		return NO_REPORT;
	case -EOWNERDEAD:
		return REPORT;
	case -ENOTRECOVERABLE:
		return GIVEN_UP;
	default:
		return err;
	}
}

/* Mutexes. */
static int window_create_mutex(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .flags = flags, .nr = nr };

	return mutex_ops.create(h, &o);
}

static long seize_mutex(void *h)
{
	return lock_outcome(ksync_mutex_lock_until(h, PATIENTLY));
}

static long give_mutex(void *h, long outcome)
{
	long err = outcome == REPORT ? ksync_mutex_consistent(h) : 0;

	return err ?: ksync_mutex_unlock(h);
}

static const struct window_type a_mutex = {
	.create = window_create_mutex, .ops = &mutex_ops, .seize = seize_mutex,
	.intrude = job_mutex_trylock, .give = give_mutex,
};

static const struct window_role locker = {
	job_mutex_lock, job_mutex_consistent, job_mutex_unlock
};

static long mutex_cycle(void *h, uint64_t unused)
{
	return ksync_mutex_lock(h) ?: ksync_mutex_unlock(h);
}

/* It is the caller's, and somebody died with it just now. */
static long mutex_inherit(void *h, uint64_t unused)
{
	pid_t pid = fork_child();
	long err;

	if (!pid)
		_exit(ksync_mutex_lock(h) != 0);
	waitpid(pid, NULL, 0);
	err = ksync_mutex_lock_until(h, PATIENTLY);
	return err == -EOWNERDEAD ? 0 : err ?: -EBADMSG;
}

/* Somebody died with it, and nobody has noticed. */
static long mutex_abandon(void *h, uint64_t unused)
{
	pid_t pid = fork_child();

	if (!pid)
		_exit(ksync_mutex_lock(h) != 0);
	waitpid(pid, NULL, 0);
	return 0;
}

static long mutex_repair(void *h, uint64_t unused)
{
	long err = ksync_mutex_consistent(h);

	return (err == -EINVAL ? 0 : err) ?: ksync_mutex_unlock(h);
}

static long mutex_lock_twice(void *h, uint64_t unused)
{
	return ksync_mutex_lock(h) ?: ksync_mutex_lock(h);
}

static long mutex_unlock_twice(void *h, uint64_t unused)
{
	return ksync_mutex_unlock(h) ?: ksync_mutex_unlock(h);
}

/* Reader-writer locks. */
static int window_create_rwlock(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .flags = flags, .nr = nr };

	return rwlock_ops.create(h, &o);
}

static long seize_rwlock(void *h)
{
	return lock_outcome(ksync_rwlock_wrlock_until(h, PATIENTLY));
}

static long give_rwlock(void *h, long outcome)
{
	long err = outcome == REPORT ? ksync_rwlock_consistent(h) : 0;

	return err ?: ksync_rwlock_unlock(h);
}

static const struct window_type a_rwlock = {
	.create = window_create_rwlock, .ops = &rwlock_ops,
	.seize = seize_rwlock, .intrude = job_tryrdlock, .give = give_rwlock,
};

static long no_repair(void *h, uint64_t unused)
{
	return 0;
}

static const struct window_role reader = {
	job_rdlock, no_repair, job_rwlock_unlock
};

static const struct window_role writer = {
	job_wrlock, job_rwlock_consistent, job_rwlock_unlock
};

static long read_cycle(void *h, uint64_t unused)
{
	return ksync_rwlock_rdlock(h) ?: ksync_rwlock_unlock(h);
}

static long write_cycle(void *h, uint64_t unused)
{
	return ksync_rwlock_wrlock(h) ?: ksync_rwlock_unlock(h);
}

/*
 * Alone for so long that the futex backend has it as its favourite, who reads
 * without a fence although there was a writer.
 */
static long favourite_cycle(void *h, uint64_t unused)
{
	int n = strcmp(ksync_backend(), "futex") ? 1 : 300;
	long err = 0;

	while (n-- && !err)
		err = write_cycle(h, 0);
	return err ?: read_cycle(h, 0);
}

static long read_as_favourite(void *h, uint64_t unused)
{
	return favourite_cycle(h, 0) ?: ksync_rwlock_rdlock(h);
}

static long read_twice(void *h, uint64_t unused)
{
	return ksync_rwlock_rdlock(h) ?: ksync_rwlock_rdlock(h);
}

static long unlock_twice(void *h, uint64_t unused)
{
	return ksync_rwlock_unlock(h) ?: ksync_rwlock_unlock(h);
}

/* Semaphores, tracked: three permits. */
static int window_create_sem(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = {
		.flags = KSYNC_TRACKED, .nr = nr, .value = PERMITS,
		.max = PERMITS,
	};

	return sem_ops.create(h, &o);
}

static long seize_sem(void *h)
{
	return ksync_sem_acquire_until(h, sem_status(h).max, PATIENTLY);
}

static long give_sem(void *h, long outcome)
{
	uint32_t max = sem_status(h).max;
	long err = ksync_sem_release(h, max);

	if (!err && ksync_sem_value(h) != max)
		err = -EBADMSG;
	if (!err && max != PERMITS)
		err = ksync_sem_resize(h, PERMITS);
	return err;
}

static long take_one(void *h, uint64_t unused)
{
	return ksync_sem_acquire(h, 1);
}

static long take_two(void *h, uint64_t unused)
{
	return ksync_sem_acquire(h, 2);
}

static long give_one(void *h, uint64_t unused)
{
	return ksync_sem_release(h, 1);
}

static long give_all(void *h, uint64_t unused)
{
	return ksync_sem_release(h, PERMITS);
}

static long give_two(void *h, uint64_t unused)
{
	return ksync_sem_release(h, 2);
}

static long try_one(void *h, uint64_t unused)
{
	return ksync_sem_tryacquire(h, 1);
}

static long take_all_until(void *h, uint64_t ms)
{
	return ksync_sem_acquire_until(h, PERMITS, within(ms));
}

static long resize_up(void *h, uint64_t unused)
{
	return ksync_sem_resize(h, PERMITS + 1);
}

static long resize_back(void *h, uint64_t unused)
{
	return ksync_sem_resize(h, PERMITS);
}

static long sem_cycle(void *h, uint64_t unused)
{
	return ksync_sem_acquire(h, 2) ?: ksync_sem_release(h, 2);
}

static const struct window_type a_sem = {
	.create = window_create_sem, .ops = &sem_ops, .seize = seize_sem,
	.intrude = try_one, .give = give_sem,
};

static const struct window_role taker = { take_one, no_repair, give_one };
static const struct window_role big_taker = { take_two, no_repair, give_two };

/* Wait groups. */
static int window_create_wg(void **h, uint32_t flags, uint32_t nr)
{
	struct ksync_options o = { .nr = nr };

	return waitgroup_ops.create(h, &o);
}

/* The round ends by itself, if whoever died was bound to it. */
static long seize_wg(void *h)
{
	unsigned int ms = ksync_guarantees() & KSYNC_G_PROMPT ?
			  WATCH_MS : notice_bound_ms() / 2;
	long err = ksync_waitgroup_wait_until(h, within(ms));
	uint32_t lost = ksync_waitgroup_lost(h);

	if (err == -ETIMEDOUT && wg_status(h).value == 1)
		err = ksync_waitgroup_done(h);
	if (lost != (err == -EOWNERDEAD))
		return -EBADMSG;
	return lock_outcome(err);
}

/* One that is not bound stays a member. */
static long seize_unbound(void *h)
{
	uint32_t value = wg_status(h).value;
	long err = value ? ksync_waitgroup_add(h, -(int)value) : 0;

	return err ?: value;
}

static long wg_bind_self(void *h, uint64_t unused)
{
	int fd = syscall(SYS_pidfd_open, getpid(), 0), err;

	err = fd < 0 ? -errno : ksync_waitgroup_bind(h, fd);
	close(fd);
	return err;
}

static long wg_join(void *h, uint64_t unused)
{
	return ksync_waitgroup_add(h, 1) ?: wg_bind_self(h, 0);
}

static long wg_add_one(void *h, uint64_t unused)
{
	return ksync_waitgroup_add(h, 1);
}

static const struct window_type a_wg = {
	.create = window_create_wg, .ops = &waitgroup_ops, .seize = seize_wg,
};

static const struct window_type an_unbound_wg = {
	.create = window_create_wg, .ops = &waitgroup_ops,
	.seize = seize_unbound,
};

static const struct window_role waiter = { job_wg_wait, no_repair, no_repair };

/* Names: of a mutex, the handle is the caller's own. */
static struct ksync_mutex *opened;

static int window_create_name(void **h, uint32_t flags, uint32_t nr)
{
	char *name = shared_memory(KSYNC_NAME_LEN);

	*h = strcpy(name, test_name("window"));
	return 0;
}

static long open_name(void *name, uint64_t unused)
{
	return ksync_mutex_open(&opened, name, O_CREAT, 0600, NULL);
}

static long close_name(void *name, uint64_t unused)
{
	ksync_mutex_close(opened);
	opened = NULL;
	return 0;
}

static long unlink_name(void *name, uint64_t unused)
{
	int err = ksync_unlink(name);

	return err == -ENOENT ? 0 : err;
}

static long use_name(void *name, uint64_t unused)
{
	long err = open_name(name, 0);

	if (!err)
		err = ksync_mutex_lock_until(opened, PATIENTLY);
	if (!err)
		err = ksync_mutex_unlock(opened);
	close_name(name, 0);
	return err;
}

static long seize_name(void *name)
{
	return use_name(name, 0);
}

static const struct window_type a_name = {
	.create = window_create_name, .seize = seize_name,
};

static const struct window_role user = { use_name, no_repair, no_repair };

#endif /* KSYNC_SELFTEST_WINDOWS_H */
