/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of waiting for several primitives share.
 */
#ifndef UAPI_MANY_H
#define UAPI_MANY_H

#include "uapi_peer.h"

enum { MUTEX, RWLOCK, WG, SEM, EVENT, AUTO, TOKEN, NR };

FIXTURE(many)
{
	int dev;
	int fd[NR];	/* two primitives each; the semaphore 2 of 3 permits */
	struct peer a, b, c;
	struct ksync_wait_item *shared;	/* of the peers and the test */
};

FIXTURE_SETUP(many)
{
	struct call c;

	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd[MUTEX] = create(self->dev, KSYNC_TYPE_MUTEX, 0, 2);
	self->fd[RWLOCK] = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 2);
	self->fd[WG] = create(self->dev, KSYNC_TYPE_WAITGROUP, 0, 2);
	c = create_call(self->dev, KSYNC_TYPE_SEM, 0, 2);
	c.arg.create.value = 2;
	c.arg.create.max = 3;
	ASSERT_EQ(0, call_run(&c));
	self->fd[SEM] = c.arg.create.fd;
	self->fd[EVENT] = create_event(self->dev, 0, 2, 0);
	self->fd[AUTO] = create_event(self->dev, KSYNC_F_AUTO_RESET, 2, 0);
	self->fd[TOKEN] = create_event(self->dev, 0, 2, 0);
	self->shared = shared_page();
	ASSERT_NE(NULL, self->shared);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(many)
{
	int i;

	peers_end();
	for (i = 0; i < NR; i++)
		close(self->fd[i]);
	close(self->dev);
}

static inline struct ksync_wait_item item(int fd, __u32 index)
{
	return (struct ksync_wait_item){ .fd = fd, .index = index };
}

static inline struct ksync_wait_item permits(int fd, __u32 count)
{
	return (struct ksync_wait_item){ .fd = fd, .count = count };
}

static inline struct ksync_wait_item reading(int fd)
{
	return (struct ksync_wait_item){ .fd = fd, .flags = KSYNC_ITEM_SHARED };
}

#define ITEMS(...)	((struct ksync_wait_item[]){ __VA_ARGS__ })
#define COUNT(items)	(sizeof(items) / sizeof(struct ksync_wait_item))

/* Result in the low part, the index it speaks of above. */
#define GOT(ret, index)	((index) * 1000 - (ret))

static inline int many_now(int dev, struct ksync_wait_item *items, __u32 nr,
			   __u32 flags)
{
	union uapi_args out;
	int ret = me_out(many_wait(dev, items, nr, flags, LONG_AGO), &out);

	return GOT(ret, out.many.index);
}

#define ANY(...) many_now(self->dev, ITEMS(__VA_ARGS__),	\
			  COUNT(ITEMS(__VA_ARGS__)), 0)
#define ALL(...) many_now(self->dev, ITEMS(__VA_ARGS__),	\
			  COUNT(ITEMS(__VA_ARGS__)), KSYNC_WAIT_ALL)

/* The peer waits for what is in its part of the shared page. */
#define START(peer, place, flags, deadline, ...) do {			\
	struct ksync_wait_item items_[] = { __VA_ARGS__ };		\
	memcpy(self->shared + (place) * 20, items_, sizeof(items_));	\
	start(peer, many_wait(self->dev, self->shared + (place) * 20,	\
			      COUNT(items_), flags, deadline));		\
} while (0)

#define START_ANY(peer, place, ...) \
	START(peer, place, 0, NEVER, __VA_ARGS__)
#define START_ALL(peer, place, ...) \
	START(peer, place, KSYNC_WAIT_ALL, NEVER, __VA_ARGS__)

static inline int got(struct peer *p)
{
	int ret = answer(p);

	return GOT(ret, p->out.many.index);
}

#endif /* UAPI_MANY_H */
