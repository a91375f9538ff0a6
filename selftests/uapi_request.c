// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queued requests through the raw interface: who asks does not sleep, and polls
 * the descriptor.
 */
#include "uapi_peer.h"

#include <sys/epoll.h>
#include <sys/select.h>

#define KEEP	(50 * NS_PER_MS)	/* where it is to run out */

FIXTURE(request)
{
	int dev;
	int mutex, rwlock, sem, wg, event;	/* the semaphore 2 of 2 permits */
	struct peer a, b;
};

FIXTURE_SETUP(request)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->mutex = create(self->dev, KSYNC_TYPE_MUTEX, 0, 2);
	self->rwlock = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 1);
	self->sem = create_sem(self->dev, KSYNC_F_TRACKED, 2, 2);
	self->wg = create(self->dev, KSYNC_TYPE_WAITGROUP, 0, 1);
	self->event = create_event(self->dev, KSYNC_F_AUTO_RESET, 1, 0);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
}

FIXTURE_TEARDOWN(request)
{
	peers_end();
	close(self->mutex);
	close(self->rwlock);
	close(self->sem);
	close(self->wg);
	close(self->event);
	close(self->dev);
}

/* Within @ms? */
static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

static int poll_now(struct call *c)
{
	return readable(c->fd, 0);
}

static int poll_soon(struct call *c)
{
	return readable(c->fd, PATIENCE / NS_PER_MS);
}

static int ask_poll(struct peer *p, int fd, peer_fn fn)
{
	start_fn(p, fn, basic_call(fd, 0));
	return answer(p);
}

TEST_F(request, not_readable_without)
{
	EXPECT_FALSE(readable(self->mutex, 0));
	ASSERT_EQ(0, me(event_set(self->event)));
	EXPECT_FALSE(readable(self->event, 0));
	EXPECT_EQ(-ENOENT, me(claim(self->mutex)));
	EXPECT_EQ(-ENOENT, me(withdraw(self->mutex)));
}

TEST_F(request, granted_at_once)
{
	ASSERT_EQ(0, me(request(self->mutex, 0, 0, 0)));
	EXPECT_TRUE(readable(self->mutex, 0));
	EXPECT_EQ(-EBUSY, ask(&self->a, mutex_trylock(self->mutex)));
	/* Not held before it is claimed. */
	EXPECT_EQ(-EPERM, me(mutex_unlock(self->mutex)));
	EXPECT_EQ(-EDEADLK, me(mutex_lock(self->mutex, NEVER)));
	EXPECT_EQ(-EBUSY, me(mutex_trylock(self->mutex)));
	EXPECT_EQ(-ENOENT, ask(&self->a, claim(self->mutex)));
	EXPECT_EQ(0, status(self->mutex).token);
	ASSERT_EQ(0, me(claim(self->mutex)));
	EXPECT_EQ(1, status(self->mutex).token);
	EXPECT_FALSE(readable(self->mutex, 0));
	EXPECT_EQ(-ENOENT, me(claim(self->mutex)));
	EXPECT_EQ(-EDEADLK, me(request(self->mutex, 0, 0, 0)));
	EXPECT_EQ(0, me(mutex_unlock(self->mutex)));
	EXPECT_EQ(0, ask(&self->a, mutex_trylock(self->mutex)));
}

TEST_F(request, granted_later)
{
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, me(request(self->mutex, 0, 0, 0)));
	EXPECT_EQ(-EEXIST, me(request(self->mutex, 0, 0, 0)));
	EXPECT_TRUE(queued(self->mutex, 1, 0));
	EXPECT_FALSE(readable(self->mutex, 0));
	EXPECT_EQ(-EBUSY, me(claim(self->mutex)));
	start(&self->b, mutex_lock(self->mutex, NEVER));
	ASSERT_TRUE(queued(self->mutex, 2, 0));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->mutex)));
	EXPECT_TRUE(readable(self->mutex, PATIENCE / NS_PER_MS));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, me(claim(self->mutex)));
	ASSERT_EQ(0, me(mutex_unlock(self->mutex)));
	EXPECT_EQ(0, answer(&self->b));
}

TEST_F(request, each_type)
{
	ASSERT_EQ(0, ask(&self->a, rwlock_wrlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->sem, 1, NEVER)));
	ASSERT_EQ(0, ask(&self->a, waitgroup_add(self->wg, 1)));
	ASSERT_EQ(0, me(request(self->rwlock, KSYNC_ITEM_SHARED, 0, 0)));
	ASSERT_EQ(0, me(request(self->sem, 0, 2, 0)));
	ASSERT_EQ(0, me(request(self->wg, 0, 0, 0)));
	ASSERT_EQ(0, me(request(self->event, 0, 0, 0)));
	EXPECT_FALSE(readable(self->rwlock, 0));
	EXPECT_FALSE(readable(self->sem, 0));
	EXPECT_FALSE(readable(self->wg, 0));
	EXPECT_FALSE(readable(self->event, 0));
	ASSERT_EQ(0, ask(&self->a, rwlock_unlock(self->rwlock)));
	ASSERT_EQ(0, ask(&self->a, sem_release(self->sem, 1)));
	ASSERT_EQ(0, ask(&self->a, waitgroup_add(self->wg, -1)));
	ASSERT_EQ(0, ask(&self->a, event_set(self->event)));
	EXPECT_TRUE(readable(self->rwlock, 0));
	EXPECT_TRUE(readable(self->sem, 0));
	EXPECT_TRUE(readable(self->wg, 0));
	EXPECT_TRUE(readable(self->event, 0));
	EXPECT_EQ(0, status(self->event).value);
	EXPECT_EQ(0, me(claim(self->rwlock)));
	EXPECT_EQ(0, me(claim(self->sem)));
	EXPECT_EQ(0, me(claim(self->wg)));
	EXPECT_EQ(0, me(claim(self->event)));
	EXPECT_EQ(0, me(rwlock_unlock(self->rwlock)));
	EXPECT_EQ(0, me(sem_release(self->sem, 2)));
}

TEST_F(request, withdrawn)
{
	ASSERT_EQ(0, me(request(self->sem, 0, 2, 0)));
	start(&self->a, sem_acquire(self->sem, 1, NEVER));
	ASSERT_TRUE(queued(self->sem, 1, 0));
	ASSERT_EQ(0, me(withdraw(self->sem)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(1, status(self->sem).value);
	EXPECT_EQ(1, status(self->sem).acquisitions);
	/* While it is in the queue: those behind it go on. */
	ASSERT_EQ(0, me(request(self->sem, 0, 2, 0)));
	start(&self->b, sem_acquire(self->sem, 1, NEVER));
	ASSERT_TRUE(queued(self->sem, 2, 0));
	ASSERT_EQ(0, me(withdraw(self->sem)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(-ENOENT, me(claim(self->sem)));
}

/* What is not claimed in time passes on, and has been held by nobody. */
TEST_F(request, expires)
{
	ASSERT_EQ(0, me(request(self->mutex, 0, 0, KEEP)));
	ASSERT_EQ(0, me(request(self->event, 0, 0, KEEP)));
	start(&self->a, mutex_lock(self->mutex, NEVER));
	ASSERT_EQ(0, me(event_set(self->event)));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_TRUE(readable(self->mutex, 0));
	EXPECT_EQ(-ETIMEDOUT, me(claim(self->mutex)));
	EXPECT_FALSE(readable(self->mutex, 0));
	EXPECT_EQ(-ENOENT, me(claim(self->mutex)));
	EXPECT_EQ(1, status(self->mutex).token);
	EXPECT_TRUE(UNTIL(status(self->event).value));
	EXPECT_EQ(-ETIMEDOUT, me(claim(self->event)));
}

TEST_F(request, die_waiting)
{
	ASSERT_EQ(0, ask(&self->a, request(self->mutex, 0, 0, KSYNC_KEEP_MAX)));
	start(&self->b, mutex_lock(self->mutex, NEVER));
	ASSERT_TRUE(queued(self->mutex, 1, 0));
	peer_kill(&self->a);
	/* It was only kept for it. */
	EXPECT_EQ(0, answer(&self->b));
	ASSERT_EQ(0, me(request(self->mutex, 0, 0, KSYNC_KEEP_MAX)));
	peer_kill(&self->b);
	EXPECT_TRUE(readable(self->mutex, PATIENCE / NS_PER_MS));
	EXPECT_EQ(-EOWNERDEAD, me(claim(self->mutex)));
	EXPECT_EQ(0, me(mutex_consistent(self->mutex)));
	EXPECT_EQ(0, me(mutex_unlock(self->mutex)));
}

/* A thread's requests go with it, though its process has the file open. */
TEST_F(request, die_thread_only)
{
	struct peer p;

	ASSERT_EQ(0, peer_thread(&p));
	ASSERT_EQ(0, ask(&p, request(self->mutex, 0, 0, KSYNC_KEEP_MAX)));
	ASSERT_EQ(0, ask(&p, at(1, request(self->mutex, 0, 0,
					   KSYNC_KEEP_MAX))));
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->sem, 1, NEVER)));
	ASSERT_EQ(0, ask(&p, request(self->sem, 0, 2, KSYNC_KEEP_MAX)));
	EXPECT_TRUE(readable(self->mutex, 0));
	peer_end(&p);
	EXPECT_TRUE(UNTIL(!status(self->mutex).value));
	EXPECT_TRUE(UNTIL(!status_of(self->mutex, 1).value));
	EXPECT_TRUE(queued(self->sem, 0, 0));
	EXPECT_FALSE(readable(self->mutex, 0));
}

TEST_F(request, closed)
{
	union uapi_args out;
	int other;

	ASSERT_EQ(0, me_out(open_call(self->dev, "uapi-request",
				      KSYNC_TYPE_MUTEX, KSYNC_OPEN_CREATE,
				      0600), &out));
	other = out.open.fd;
	ASSERT_EQ(0, me_out(open_call(self->dev, "uapi-request",
				      KSYNC_TYPE_MUTEX, 0, 0), &out));
	ASSERT_EQ(0, me(request(out.open.fd, 0, 0, KSYNC_KEEP_MAX)));
	EXPECT_TRUE(readable(out.open.fd, 0));
	/* By another file it is neither seen nor had. */
	EXPECT_FALSE(readable(other, 0));
	EXPECT_EQ(-ENOENT, me(claim(other)));
	EXPECT_EQ(1, status(other).value);
	close(out.open.fd);
	EXPECT_EQ(0, status(other).value);
	EXPECT_EQ(0, me(mutex_trylock(other)));
	close(other);
}

TEST_F(request, epoll_and_select)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = self->mutex };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct timeval none = { 0 };
	fd_set set;

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->mutex, &e));
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, me(request(self->mutex, 0, 0, 0)));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 0));
	start(&self->a, mutex_unlock(self->mutex));
	EXPECT_EQ(1, epoll_wait(ep, &e, 1, PATIENCE / NS_PER_MS));
	EXPECT_EQ(EPOLLIN, e.events);
	FD_ZERO(&set);
	FD_SET(self->mutex, &set);
	EXPECT_EQ(1, select(self->mutex + 1, &set, NULL, NULL, &none));
	EXPECT_EQ(0, answer(&self->a));
	ASSERT_EQ(0, me(claim(self->mutex)));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 0));
	FD_SET(self->mutex, &set);
	EXPECT_EQ(0, select(self->mutex + 1, &set, NULL, NULL, &none));
	close(ep);
}

TEST_F(request, of_two_threads)
{
	struct peer p, q;

	ASSERT_EQ(0, peer_thread(&p));
	ASSERT_EQ(0, peer_thread(&q));
	ASSERT_EQ(0, ask(&p, request(self->mutex, 0, 0, KSYNC_KEEP_MAX)));
	ASSERT_EQ(0, ask(&q, request(self->mutex, 0, 0, KSYNC_KEEP_MAX)));
	EXPECT_EQ(-EBUSY, ask(&q, claim(self->mutex)));
	EXPECT_EQ(0, ask(&p, claim(self->mutex)));
	EXPECT_FALSE(ask_poll(&q, self->mutex, poll_now));
	EXPECT_EQ(0, ask(&p, mutex_unlock(self->mutex)));
	EXPECT_TRUE(ask_poll(&q, self->mutex, poll_soon));
	EXPECT_EQ(0, ask(&q, claim(self->mutex)));
	EXPECT_EQ(0, ask(&q, mutex_unlock(self->mutex)));
	peer_end(&p);
	peer_end(&q);
}

TEST_F(request, bad_input)
{
	struct call c;

	EXPECT_EQ(-EINVAL, me(request(self->mutex, 2, 0, 0)));
	EXPECT_EQ(-EINVAL, me(request(self->mutex, 0, 0, KSYNC_KEEP_MAX + 1)));
	EXPECT_EQ(-EINVAL, me(request(self->mutex, 0, 1, 0)));
	EXPECT_EQ(-EINVAL, me(request(self->mutex, KSYNC_ITEM_SHARED, 0, 0)));
	EXPECT_EQ(-EINVAL, me(at(2, request(self->mutex, 0, 0, 0))));
	c = claim(self->mutex);
	c.arg.claim.flags = 2;
	EXPECT_EQ(-EINVAL, call_run(&c));
	/* What can never be granted is told by the claim. */
	ASSERT_EQ(0, me(request(self->sem, 0, 3, 0)));
	EXPECT_TRUE(readable(self->sem, 0));
	EXPECT_EQ(-EINVAL, me(claim(self->sem)));
	EXPECT_EQ(2, status(self->sem).value);
}

TEST_F(request, too_many)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, KSYNC_REQUESTS_MAX + 1);
	__u32 i;

	for (i = 0; i < KSYNC_REQUESTS_MAX; i++)
		ASSERT_EQ(0, me(at(i, request(fd, 0, 0, KSYNC_KEEP_MAX))));
	EXPECT_EQ(-ENOSPC, me(at(i, request(fd, 0, 0, KSYNC_KEEP_MAX))));
	EXPECT_EQ(0, status_of(fd, i).value);
	ASSERT_EQ(0, me(withdraw(fd)));
	EXPECT_EQ(0, me(at(i, request(fd, 0, 0, KSYNC_KEEP_MAX))));
	close(fd);
}

/* Whatever wins, permits are neither lost nor doubled. */
static int request_at_random(struct call *c)
{
	unsigned int dice = gettid_raw(), i;
	int ret;

	for (i = 0; i < 400; i++) {
		struct call ask = request(c->fd, 0, 1 + (dice >> 31),
					  1 + (dice >> 8) % 3000000);
		struct call take = claim(c->fd), drop = withdraw(c->fd);
		struct call back = sem_release(c->fd, ask.arg.request.count);

		dice = dice * 1664525 + 1013904223;
		ret = call_run(&ask);
		if (ret)
			return ret;
		if (dice & 0x30000)
			readable(c->fd, 1);
		ret = dice & 0x40000 ? call_run(&take) : -EBUSY;
		if (ret == -EBUSY && call_run(&drop) == 0)
			continue;
		if (!ret)
			ret = call_run(&back);
		if (ret && ret != -ETIMEDOUT)
			return ret;
	}
	return 0;
}

TEST_F(request, storm)
{
	struct peer p[3];
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, i ? peer_fork(&p[i]) : peer_thread(&p[i]));
	for (i = 0; i < 3; i++)
		start_fn(&p[i], request_at_random, basic_call(self->sem, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, answer(&p[i]));
		peer_end(&p[i]);
	}
	EXPECT_EQ(2, status(self->sem).value);
	EXPECT_TRUE(queued(self->sem, 0, 0));
}

UAPI_MAIN
