// SPDX-License-Identifier: GPL-2.0-only
/*
 * Death of who waits, death on the way to or from a hold, and death of
 * processes with several threads. Who merely holds is in uapi_death.c.
 */
#include "uapi_peer.h"
#include "all_processors.h"

#define RACES	30

FIXTURE(killed)
{
	int dev;
	int mutex, fifo, rwlock, wg, sem, tracked;
	struct peer a, b, c;
};

FIXTURE_SETUP(killed)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->mutex = create(self->dev, KSYNC_TYPE_MUTEX, 0, 3);
	self->fifo = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_FIFO, 1);
	self->rwlock = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 1);
	self->wg = create(self->dev, KSYNC_TYPE_WAITGROUP, 0, 1);
	self->sem = create_sem(self->dev, 0, 4, 4);
	self->tracked = create_sem(self->dev, KSYNC_F_TRACKED, 4, 4);
	ASSERT_LE(0, self->mutex);
	ASSERT_LE(0, self->fifo);
	ASSERT_LE(0, self->rwlock);
	ASSERT_LE(0, self->wg);
	ASSERT_LE(0, self->sem);
	ASSERT_LE(0, self->tracked);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(killed)
{
	peers_end();
}

static int bind_to(int fd, pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int ret;

	if (pidfd < 0)
		return -errno;
	ret = me(waitgroup_bind(fd, pidfd));
	close(pidfd);
	return ret;
}

/* A waiter in the middle of the queue vanishes; the order stays. */
TEST_F(killed, die_waiting_for_mutex)
{
	ASSERT_EQ(0, me(mutex_lock(self->fifo, NEVER)));
	start(&self->a, mutex_lock(self->fifo, NEVER));
	ASSERT_TRUE(queued(self->fifo, 1, 0));
	start(&self->b, mutex_lock(self->fifo, NEVER));
	ASSERT_TRUE(queued(self->fifo, 2, 0));
	start(&self->c, mutex_lock(self->fifo, NEVER));
	ASSERT_TRUE(queued(self->fifo, 3, 0));
	peer_kill(&self->b);
	EXPECT_TRUE(queued(self->fifo, 2, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->fifo)));
	ASSERT_EQ(0, answer(&self->a));
	ASSERT_EQ(0, ask(&self->a, mutex_unlock(self->fifo)));
	EXPECT_EQ(0, answer(&self->c));
	EXPECT_EQ(0, status(self->fifo).deaths);
	EXPECT_EQ(0, status(self->fifo).flags);
}

TEST_F(killed, the_only_waiter)
{
	ASSERT_EQ(0, me(mutex_lock(self->mutex, NEVER)));
	start(&self->a, mutex_lock(self->mutex, NEVER));
	ASSERT_TRUE(queued(self->mutex, 1, 0));
	peer_kill(&self->a);
	EXPECT_TRUE(queued(self->mutex, 0, 0));
	ASSERT_EQ(0, me(mutex_unlock(self->mutex)));
	EXPECT_EQ(0, ask(&self->b, mutex_trylock(self->mutex)));
}

/* Readers that a waiting writer kept out come in when it dies. */
TEST_F(killed, die_waiting_to_write)
{
	ASSERT_EQ(0, me(rwlock_rdlock(self->rwlock, NEVER)));
	start(&self->a, rwlock_wrlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 1, 0));
	start(&self->b, rwlock_rdlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 1, 1));
	peer_kill(&self->a);
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, ask(&self->c, rwlock_tryrdlock(self->rwlock)));
	EXPECT_EQ(0, status(self->rwlock).deaths);
}

TEST_F(killed, die_waiting_to_read)
{
	ASSERT_EQ(0, me(rwlock_wrlock(self->rwlock, NEVER)));
	start(&self->a, rwlock_rdlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 0, 1));
	start(&self->b, rwlock_wrlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 1, 1));
	peer_kill(&self->a);
	EXPECT_TRUE(queued(self->rwlock, 1, 0));
	ASSERT_EQ(0, me(rwlock_unlock(self->rwlock)));
	EXPECT_EQ(0, answer(&self->b));
}

/* Those behind a large head that now fit are woken at once. */
TEST_F(killed, die_waiting_for_permits)
{
	int fds[] = { self->sem, self->tracked };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		struct peer head;

		ASSERT_EQ(0, peer_fork(&head));
		ASSERT_EQ(0, me(sem_acquire(fds[i], 2, NEVER)));
		start(&head, sem_acquire(fds[i], 4, NEVER));
		ASSERT_TRUE(queued(fds[i], 1, 0));
		start(&self->b, sem_acquire(fds[i], 1, NEVER));
		ASSERT_TRUE(queued(fds[i], 2, 0));
		start(&self->c, sem_acquire(fds[i], 1, NEVER));
		ASSERT_TRUE(queued(fds[i], 3, 0));
		peer_kill(&head);
		EXPECT_EQ(0, answer(&self->b));
		EXPECT_EQ(0, answer(&self->c));
		EXPECT_EQ(0, status(fds[i]).value);
		EXPECT_EQ(0, status(fds[i]).lost);
	}
}

TEST_F(killed, die_waiting_for_a_round)
{
	ASSERT_EQ(0, me(waitgroup_add(self->wg, 1)));
	start(&self->a, waitgroup_wait(self->wg, NEVER));
	start(&self->b, waitgroup_wait(self->wg, NEVER));
	ASSERT_TRUE(queued(self->wg, 0, 2));
	peer_kill(&self->a);
	EXPECT_TRUE(queued(self->wg, 0, 1));
	ASSERT_EQ(0, me(waitgroup_add(self->wg, -1)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, status(self->wg).deaths);
}

/* Who waits for one thing and holds another loses both. */
TEST_F(killed, die_waiting_while_holding)
{
	ASSERT_EQ(0, me(mutex_lock(self->fifo, NEVER)));
	ASSERT_EQ(0, ask(&self->a, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, ask(&self->a, sem_acquire(self->tracked, 3, NEVER)));
	start(&self->a, mutex_lock(self->fifo, NEVER));
	ASSERT_TRUE(queued(self->fifo, 1, 0));
	start(&self->b, mutex_lock(self->mutex, NEVER));
	ASSERT_TRUE(queued(self->mutex, 1, 0));
	peer_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_TRUE(queued(self->fifo, 0, 0));
	EXPECT_EQ(0, me(rwlock_wrlock(self->rwlock, soon())));
	EXPECT_EQ(0, me(sem_acquire(self->tracked, 4, soon())));
}

/* Lets a race take place somewhere else every time. */
static void dither(int i)
{
	__u64 end = now_ns() + i * 14009;

	while (now_ns() < end)
		;
}

/*
 * Killed around its unlock, before the sleeper was woken: the sleeper gets the
 * lock, with or without a report.
 */
TEST_F(killed, die_before_wake_mutex)
{
	struct peer p;
	int i, ret;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, ask(&p, mutex_lock(self->mutex, NEVER)));
		start(&self->b, mutex_lock(self->mutex, NEVER));
		ASSERT_TRUE(queued(self->mutex, 1, 0));
		start(&p, mutex_unlock(self->mutex));
		dither(i);
		peer_kill(&p);
		ret = answer(&self->b);
		ASSERT_TRUE(!ret || ret == -EOWNERDEAD) TH_LOG("%d", ret);
		if (ret)
			ret = ask(&self->b, mutex_consistent(self->mutex));
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, ask(&self->b, mutex_unlock(self->mutex)));
	}
}

TEST_F(killed, die_before_wake_rwlock)
{
	struct peer p;
	int i, ret;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, ask(&p, i & 1 ? rwlock_rdlock(self->rwlock, NEVER) :
				 rwlock_wrlock(self->rwlock, NEVER)));
		start(&self->b, rwlock_wrlock(self->rwlock, NEVER));
		ASSERT_TRUE(queued(self->rwlock, 1, 0));
		start(&self->c, rwlock_rdlock(self->rwlock, NEVER));
		ASSERT_TRUE(queued(self->rwlock, 1, 1));
		start(&p, rwlock_unlock(self->rwlock));
		dither(i);
		peer_kill(&p);
		/* Behind a reader comes the writer, behind a writer readers. */
		ret = answer(i & 1 ? &self->b : &self->c);
		ASSERT_TRUE(!ret || (ret == -EOWNERDEAD && !(i & 1)));
		ASSERT_EQ(0, ask(i & 1 ? &self->b : &self->c,
				 rwlock_unlock(self->rwlock)));
		ret = answer(i & 1 ? &self->c : &self->b);
		ASSERT_TRUE(!ret || (ret == -EOWNERDEAD && !(i & 1)));
		if (ret)
			ret = ask(&self->b, rwlock_consistent(self->rwlock));
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, ask(i & 1 ? &self->c : &self->b,
				 rwlock_unlock(self->rwlock)));
	}
}

TEST_F(killed, die_before_wake_semaphore)
{
	struct peer p;
	int i;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, ask(&p, sem_acquire(self->tracked, 3, NEVER)));
		start(&self->b, sem_acquire(self->tracked, 3, NEVER));
		ASSERT_TRUE(queued(self->tracked, 1, 0));
		start(&p, sem_release(self->tracked, 2));
		dither(i);
		peer_kill(&p);
		ASSERT_EQ(0, answer(&self->b));
		ASSERT_EQ(0, ask(&self->b, sem_release(self->tracked, 3)));
		ASSERT_EQ(4, status(self->tracked).value);
	}
}

TEST_F(killed, die_before_wake_waitgroup)
{
	struct peer p;
	int i, ret;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, me(waitgroup_add(self->wg, 1)));
		ASSERT_EQ(0, bind_to(self->wg, p.pid));
		start(&self->b, waitgroup_wait(self->wg, NEVER));
		ASSERT_TRUE(queued(self->wg, 0, 1));
		start(&p, waitgroup_add(self->wg, -1));
		dither(i);
		peer_kill(&p);
		ret = answer(&self->b);
		ASSERT_TRUE(!ret || ret == -EOWNERDEAD);
		ASSERT_EQ(ret ? 1 : 0, self->b.out.wait.lost);
		ASSERT_EQ(0, status(self->wg).value);
	}
}

/* A grant on its way to somebody who dies goes to the next one. */
TEST_F(killed, grants_to_the_dying)
{
	struct peer p;
	int i, ret;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, me(mutex_lock(self->fifo, soon())));
		ASSERT_EQ(0, me(sem_acquire(self->sem, 4, soon())));
		start(&p, mutex_lock(self->fifo, NEVER));
		ASSERT_TRUE(queued(self->fifo, 1, 0));
		start(&self->b, mutex_lock(self->fifo, NEVER));
		ASSERT_TRUE(queued(self->fifo, 2, 0));
		kill(p.pid, SIGKILL);
		dither(i);
		ASSERT_EQ(0, me(mutex_unlock(self->fifo)));
		ret = answer(&self->b);
		ASSERT_TRUE(!ret || ret == -EOWNERDEAD);
		peer_reap(&p);
		if (ret)
			ret = ask(&self->b, mutex_consistent(self->fifo));
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, ask(&self->b, mutex_unlock(self->fifo)));
		ASSERT_EQ(0, me(sem_release(self->sem, 4)));
	}
}

TEST_F(killed, permits_granted_to_the_dying)
{
	struct peer p;
	int i;

	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(0, peer_fork(&p));
		ASSERT_EQ(0, me(sem_acquire(self->tracked, 4, soon())));
		start(&p, sem_acquire(self->tracked, 3, NEVER));
		ASSERT_TRUE(queued(self->tracked, 1, 0));
		start(&self->b, sem_acquire(self->tracked, 4, NEVER));
		ASSERT_TRUE(queued(self->tracked, 2, 0));
		kill(p.pid, SIGKILL);
		dither(i);
		ASSERT_EQ(0, me(sem_release(self->tracked, 4)));
		ASSERT_EQ(0, answer(&self->b));
		peer_reap(&p);
		ASSERT_EQ(0, ask(&self->b, sem_release(self->tracked, 4)));
		ASSERT_EQ(4, status(self->tracked).value);
	}
}

/* The parent keeps what it holds; the child holds nothing. */
TEST_F(killed, fork_holding)
{
	struct peer child;

	ASSERT_EQ(0, me(mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, me(rwlock_rdlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, me(sem_acquire(self->tracked, 2, NEVER)));
	ASSERT_EQ(0, peer_fork(&child));
	EXPECT_EQ(-EPERM, ask(&child, mutex_unlock(self->mutex)));
	EXPECT_EQ(-EBUSY, ask(&child, mutex_trylock(self->mutex)));
	EXPECT_EQ(-EPERM, ask(&child, rwlock_unlock(self->rwlock)));
	EXPECT_EQ(-EPERM, ask(&child, sem_release(self->tracked, 1)));
	EXPECT_EQ(0, ask(&child, rwlock_tryrdlock(self->rwlock)));
	EXPECT_EQ(0, ask(&child, sem_tryacquire(self->tracked, 1)));
	peer_kill(&child);
	EXPECT_EQ(getpid(), status(self->mutex).holder_pid);
	EXPECT_EQ(1, status(self->rwlock).readers);
	EXPECT_EQ(2, status(self->tracked).value);
	EXPECT_EQ(0, me(mutex_unlock(self->mutex)));
	EXPECT_EQ(0, me(rwlock_unlock(self->rwlock)));
	EXPECT_EQ(0, me(sem_release(self->tracked, 2)));
}

static struct call others_hold[2];

static void *hold_and_stay(void *arg)
{
	struct call *c = arg;

	c->fd = call_run(c) ? -1 : -2;
	linger();
}

/* Two more threads of the peer get something, and stay. */
static int start_threads(struct call *c)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 2; i++) {
		if (pthread_create(&thread, NULL, hold_and_stay,
				   &others_hold[i]))
			return -EAGAIN;
		if (!UNTIL(__atomic_load_n(&others_hold[i].fd,
					   __ATOMIC_SEQ_CST) == -2))
			return -EIO;
	}
	return 0;
}

static void *exec_by_itself(void *arg)
{
	execl("/proc/self/exe", "uapi", LINGER, NULL);
	return NULL;
}

static int exec_in_a_thread(struct call *c)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_by_itself, NULL);
	linger();
}

static int exec_with_descriptors(struct call *c)
{
	int fd;

	for (fd = 3; fd < 32; fd++)
		fcntl(fd, F_SETFD, 0);
	execl("/proc/self/exe", "uapi", LINGER, NULL);
	return -errno;
}

/* A peer with three threads of which each holds something. */
static int three_holders(struct peer *p, int mutex)
{
	int ret;

	others_hold[0] = at(1, mutex_lock(mutex, soon()));
	others_hold[1] = at(2, mutex_lock(mutex, soon()));
	ret = peer_fork(p);
	ret = ret ?: ask_fn(p, start_threads);
	return ret ?: ask(p, mutex_lock(mutex, NEVER));
}

TEST_F(killed, every_thread_of_the_process)
{
	struct peer p;
	int i;

	ASSERT_EQ(0, three_holders(&p, self->mutex));
	EXPECT_NE(status_of(self->mutex, 1).holder_id,
		  status_of(self->mutex, 2).holder_id);
	EXPECT_EQ(p.pid, status_of(self->mutex, 2).holder_pid);
	peer_kill(&p);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EOWNERDEAD,
			  me(at(i, mutex_lock(self->mutex, soon()))));
}

/* The first thread of a process may end before the process does. */
TEST_F(killed, die_thread_only)
{
	struct peer p;
	int i;

	ASSERT_EQ(0, three_holders(&p, self->mutex));
	ASSERT_EQ(0, ask(&p, sem_acquire(self->tracked, 4, NEVER)));
	ASSERT_EQ(0, me(waitgroup_add(self->wg, 1)));
	ASSERT_EQ(0, bind_to(self->wg, p.pid));
	start_fn(&p, die_by_raw_exit, (struct call){ 0 });
	EXPECT_EQ(-EOWNERDEAD, me(at(0, mutex_lock(self->mutex, soon()))));
	for (i = 1; i < 3; i++) {
		EXPECT_EQ(-EBUSY, me(at(i, mutex_trylock(self->mutex))));
		EXPECT_EQ(p.pid, status_of(self->mutex, i).holder_pid);
	}
	EXPECT_EQ(0, status(self->tracked).value);
	EXPECT_EQ(1, status(self->wg).value);
	peer_kill(&p);
	for (i = 1; i < 3; i++)
		EXPECT_EQ(-EOWNERDEAD,
			  me(at(i, mutex_lock(self->mutex, soon()))));
	EXPECT_EQ(4, status(self->tracked).value);
	EXPECT_EQ(-EOWNERDEAD, me(waitgroup_wait(self->wg, soon())));
}

/* execve in one thread ends the others, and the image that held. */
TEST_F(killed, exec_holding)
{
	struct peer p;
	int i;

	ASSERT_EQ(0, three_holders(&p, self->mutex));
	ASSERT_EQ(0, ask(&p, sem_acquire(self->tracked, 4, NEVER)));
	start_fn(&p, exec_in_a_thread, (struct call){ 0 });
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EOWNERDEAD,
			  me(at(i, mutex_lock(self->mutex, soon()))));
	EXPECT_EQ(0, me(sem_acquire(self->tracked, 4, soon())));
	EXPECT_EQ(1, status(self->tracked).deaths);
	EXPECT_EQ(0, kill(p.pid, 0));
	peer_kill(&p);
}

/* A descriptor that was made to survive execve brings no hold along. */
TEST_F(killed, exec_holding_with_descriptors)
{
	struct peer p;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask(&p, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, ask(&p, rwlock_wrlock(self->rwlock, NEVER)));
	start_fn(&p, exec_with_descriptors, (struct call){ 0 });
	EXPECT_EQ(-EOWNERDEAD, me(mutex_lock(self->mutex, soon())));
	EXPECT_EQ(-EOWNERDEAD, me(rwlock_rdlock(self->rwlock, soon())));
	EXPECT_EQ(0, kill(p.pid, 0));
	peer_kill(&p);
}

UAPI_MAIN
