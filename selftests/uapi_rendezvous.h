/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls of once, barriers and conditions, as values: see uapi_calls.h.
 */
#ifndef UAPI_RENDEZVOUS_H
#define UAPI_RENDEZVOUS_H

#include "uapi.h"

static inline struct call once_begin(int fd, __u64 deadline)
{
	return lock_call(fd, KSYNC_IOC_ONCE_BEGIN, deadline);
}

static inline struct call once_complete(int fd, __u64 result)
{
	struct call c = basic_call(fd, KSYNC_IOC_ONCE_COMPLETE);

	c.arg.complete.result = result;
	return c;
}

static inline struct call once_abandon(int fd)
{
	return basic_call(fd, KSYNC_IOC_ONCE_ABANDON);
}

static inline struct call once_reset(int fd)
{
	return basic_call(fd, KSYNC_IOC_ONCE_RESET);
}

static inline struct call barrier_wait(int fd, __u64 deadline)
{
	return lock_call(fd, KSYNC_IOC_BARRIER_WAIT, deadline);
}

static inline struct call barrier_join(int fd)
{
	return basic_call(fd, KSYNC_IOC_BARRIER_JOIN);
}

static inline struct call barrier_leave(int fd)
{
	return basic_call(fd, KSYNC_IOC_BARRIER_LEAVE);
}

static inline struct call barrier_reset(int fd)
{
	return basic_call(fd, KSYNC_IOC_BARRIER_RESET);
}

static inline struct call cond_wait(int fd, int mutex, __u64 deadline)
{
	struct call c = basic_call(fd, KSYNC_IOC_COND_WAIT);

	c.arg.cond.mutex = mutex;
	c.arg.cond.deadline = deadline;
	return c;
}

static inline struct call cond_signal(int fd)
{
	return basic_call(fd, KSYNC_IOC_COND_SIGNAL);
}

static inline struct call cond_broadcast(int fd)
{
	return basic_call(fd, KSYNC_IOC_COND_BROADCAST);
}

static inline int create_barrier(int dev, __u32 flags, __u32 nr, __u32 parties)
{
	struct call c = create_call(dev, KSYNC_TYPE_BARRIER, flags, nr);
	int ret;

	c.arg.create.max = parties;
	ret = call_run(&c);
	return ret ?: c.arg.create.fd;
}

#endif /* UAPI_RENDEZVOUS_H */
