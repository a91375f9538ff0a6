/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every type of object in one table, for tests that go through them all.
 */
#ifndef UAPI_KINDS_H
#define UAPI_KINDS_H

#include "uapi.h"

static const struct kind {
	const char *name;
	__u32 type;
	__u32 flags;		/* that it may have */
	__u32 value, max;	/* that it must be made with */
} kinds[] = {
	{ "mutex", KSYNC_TYPE_MUTEX,
	  KSYNC_F_GUARDED | KSYNC_F_RECURSIVE | KSYNC_F_FIFO, 0, 0 },
	{ "rwlock", KSYNC_TYPE_RWLOCK, KSYNC_F_GUARDED, 0, 0 },
	{ "waitgroup", KSYNC_TYPE_WAITGROUP, KSYNC_F_GUARDED, 0, 0 },
	{ "semaphore", KSYNC_TYPE_SEM, KSYNC_F_GUARDED | KSYNC_F_TRACKED,
	  7, 7 },
	{ "event", KSYNC_TYPE_EVENT, KSYNC_F_GUARDED | KSYNC_F_AUTO_RESET,
	  0, 0 },
	{ "cond", KSYNC_TYPE_COND, KSYNC_F_GUARDED, 0, 0 },
	{ "barrier", KSYNC_TYPE_BARRIER, KSYNC_F_GUARDED, 0, 7 },
	{ "once", KSYNC_TYPE_ONCE, KSYNC_F_GUARDED, 0, 0 },
};

static inline struct call kind_call(int dev, const struct kind *k, __u32 flags,
				    __u32 nr)
{
	struct call c = create_call(dev, k->type, flags, nr);

	c.arg.create.value = k->value;
	c.arg.create.max = k->max;
	return c;
}

/* The descriptor of a new object, or a negative errno. */
static inline int create_kind(int dev, const struct kind *k, __u32 flags,
			      __u32 nr)
{
	struct call c = kind_call(dev, k, flags, nr);

	return call_run(&c) ?: c.arg.create.fd;
}

#endif /* UAPI_KINDS_H */
