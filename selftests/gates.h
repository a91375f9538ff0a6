/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What it is to wait, whatever for: a keeper shuts a gate and opens it, others
 * wait until they may pass, and leave it as it was.
 */
#ifndef KSYNC_SELFTEST_GATES_H
#define KSYNC_SELFTEST_GATES_H

#include "actor.h"

struct gate {
	void *(*create)(void);
	void (*close)(void *g);
	job_fn shut, open, wait, leave, repair;
	uint32_t (*waiters)(void *g);
	uint64_t needs;
	bool for_readers;	/* who are told of a death but cannot repair */
};

static long ok(void *g, uint64_t unused)
{
	return 0;
}

static void *new_mutex(uint32_t flags)
{
	struct ksync_options o = { .flags = flags };
	struct ksync_mutex *m = NULL;

	ksync_mutex_create(&m, &o);
	return m;
}

static void *create_mutex(void)
{
	return new_mutex(0);
}

static void *create_fifo(void)
{
	return new_mutex(KSYNC_FIFO);
}

static void close_mutex(void *g)
{
	ksync_mutex_close(g);
}

static uint32_t mutex_waiters(void *g)
{
	return mutex_status(g).waiters;
}

static void *create_rwlock(void)
{
	struct ksync_rwlock *rw = NULL;

	ksync_rwlock_create(&rw, NULL);
	return rw;
}

static void close_rwlock(void *g)
{
	ksync_rwlock_close(g);
}

static uint32_t rwlock_waiters(void *g)
{
	struct ksync_status st = rwlock_status(g);

	return st.waiters + st.waiters_shared;
}

static void *create_sem(void)
{
	struct ksync_options o = {
		.flags = KSYNC_TRACKED, .value = 1, .max = 1,
	};
	struct ksync_sem *s = NULL;

	ksync_sem_create(&s, &o);
	return s;
}

static void close_sem(void *g)
{
	ksync_sem_close(g);
}

static long take_permit(void *g, uint64_t ms)
{
	return ksync_sem_acquire_until(g, 1, within(ms));
}

static long give_permit(void *g, uint64_t unused)
{
	return ksync_sem_release(g, 1);
}

static uint32_t sem_waiters(void *g)
{
	return sem_status(g).waiters;
}

static void *create_wg(void)
{
	struct ksync_waitgroup *wg = NULL;

	ksync_waitgroup_create(&wg, NULL);
	return wg;
}

static void close_wg(void *g)
{
	ksync_waitgroup_close(g);
}

/* One member, which the keeper's death counts down. */
static long join_group(void *g, uint64_t unused)
{
	int fd, err = ksync_waitgroup_add(g, 1);

	if (err)
		return err;
	fd = syscall(SYS_pidfd_open, getpid(), 0);
	err = ksync_waitgroup_bind(g, fd);
	close(fd);
	return err;
}

static uint32_t wg_waiters(void *g)
{
	return wg_status(g).waiters_shared;
}

static const struct gate mutex_gate = {
	.create = create_mutex, .close = close_mutex,
	.shut = job_mutex_lock, .open = job_mutex_unlock,
	.wait = job_mutex_lock, .leave = job_mutex_unlock,
	.repair = job_mutex_consistent, .waiters = mutex_waiters,
};

static const struct gate fifo_gate = {
	.create = create_fifo, .close = close_mutex,
	.shut = job_mutex_lock, .open = job_mutex_unlock,
	.wait = job_mutex_lock, .leave = job_mutex_unlock,
	.repair = job_mutex_consistent, .waiters = mutex_waiters,
};

static const struct gate writer_and_writers = {
	.create = create_rwlock, .close = close_rwlock,
	.shut = job_wrlock, .open = job_rwlock_unlock,
	.wait = job_wrlock, .leave = job_rwlock_unlock,
	.repair = job_rwlock_consistent, .waiters = rwlock_waiters,
};

static const struct gate reader_and_writers = {
	.create = create_rwlock, .close = close_rwlock,
	.shut = job_rdlock, .open = job_rwlock_unlock,
	.wait = job_wrlock, .leave = job_rwlock_unlock,
	.repair = job_rwlock_consistent, .waiters = rwlock_waiters,
};

static const struct gate writer_and_readers = {
	.create = create_rwlock, .close = close_rwlock,
	.shut = job_wrlock, .open = job_rwlock_unlock,
	.wait = job_rdlock, .leave = job_rwlock_unlock,
	.repair = ok, .waiters = rwlock_waiters, .for_readers = true,
};

static const struct gate downgrader_and_readers = {
	.create = create_rwlock, .close = close_rwlock,
	.shut = job_wrlock, .open = job_downgrade,
	.wait = job_rdlock, .leave = job_rwlock_unlock,
	.repair = ok, .waiters = rwlock_waiters, .for_readers = true,
};

static const struct gate permit = {
	.create = create_sem, .close = close_sem,
	.shut = take_permit, .open = give_permit,
	.wait = take_permit, .leave = give_permit,
	.repair = ok, .waiters = sem_waiters,
};

static const struct gate group = {
	.create = create_wg, .close = close_wg,
	.shut = join_group, .open = job_wg_done,
	.wait = job_wg_wait, .leave = ok,
	.repair = ok, .waiters = wg_waiters, .needs = KSYNC_G_BIND_SELF,
};

#define GATE_VARIANT(fixture, name, gate) \
	FIXTURE_VARIANT_ADD(fixture, name) { .ops = &gate }

/* Variants of a fixture with the member @ops. */
#define GATE_VARIANTS(fixture)						\
	GATE_VARIANT(fixture, mutex, mutex_gate);			\
	GATE_VARIANT(fixture, fifo_mutex, fifo_gate);			\
	GATE_VARIANT(fixture, writer_and_writers, writer_and_writers);	\
	GATE_VARIANT(fixture, reader_and_writers, reader_and_writers);	\
	GATE_VARIANT(fixture, writer_and_readers, writer_and_readers);	\
	GATE_VARIANT(fixture, downgrader_and_readers, downgrader_and_readers); \
	GATE_VARIANT(fixture, sem, permit);				\
	GATE_VARIANT(fixture, waitgroup, group)

#endif /* KSYNC_SELFTEST_GATES_H */
