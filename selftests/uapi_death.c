// SPDX-License-Identifier: GPL-2.0-only
/*
 * Death of who holds something, by every road: what it held passes on, with
 * the report that the contract promises. Death of who waits, and death in the
 * middle of things, is in uapi_killed.c.
 */
#include "uapi_peer.h"

#define MANY	50

FIXTURE(death)
{
	int dev;
	int mutex, rwlock, wg, sem;
	struct peer victim, b, c;
};

FIXTURE_VARIANT(death)
{
	peer_fn road;		/* NULL: by itself */
	bool thread;		/* the process lives on */
	bool exec;		/* likewise, as another image */
	int sig;
};

FIXTURE_VARIANT_ADD(death, thread_return)
{
	.thread = true,
};

FIXTURE_VARIANT_ADD(death, thread_raw_exit)
{
	.road = die_by_raw_exit,
	.thread = true,
};

FIXTURE_VARIANT_ADD(death, return_from_main)
{
};

FIXTURE_VARIANT_ADD(death, process_exit)
{
	.road = die_by_exit,
};

FIXTURE_VARIANT_ADD(death, process_quick_exit)
{
	.road = die_by_quick_exit,
};

FIXTURE_VARIANT_ADD(death, fault)
{
	.road = die_by_fault,
};

FIXTURE_VARIANT_ADD(death, sigkill)
{
	.sig = SIGKILL,
};

FIXTURE_VARIANT_ADD(death, exec)
{
	.road = die_by_exec,
	.exec = true,
};

static const char * const names[] = {
	"uapi-death-mutex", "uapi-death-rwlock", "uapi-death-wg",
	"uapi-death-sem",
};

/* A named object, of the type that the name stands for. */
static int make(int dev, int i)
{
	struct call c = open_call(dev, names[i], KSYNC_TYPE_MUTEX + i,
				  KSYNC_OPEN_CREATE | KSYNC_OPEN_EXCL, 0600);
	int ret = -EEXIST, tries;

	c.arg.open.nr = MANY;
	if (c.arg.open.type == KSYNC_TYPE_SEM) {
		c.arg.open.flags = KSYNC_F_TRACKED;
		c.arg.open.value = 4;
		c.arg.open.max = 4;
	}
	/* Processes of the test before may still be on their way out. */
	for (tries = 0; tries < 5000; tries++) {
		ret = call_run(&c);
		if (ret != -EEXIST)
			break;
		usleep(1000);
	}
	return ret ?: c.arg.open.fd;
}

FIXTURE_SETUP(death)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->mutex = make(self->dev, 0);
	self->rwlock = make(self->dev, 1);
	self->wg = make(self->dev, 2);
	self->sem = make(self->dev, 3);
	ASSERT_LE(0, self->mutex);
	ASSERT_LE(0, self->rwlock);
	ASSERT_LE(0, self->wg);
	ASSERT_LE(0, self->sem);
	ASSERT_EQ(0, variant->thread ? peer_thread(&self->victim) :
		  peer_fork(&self->victim));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
}

FIXTURE_TEARDOWN(death)
{
	peers_end();
}

/* When it returns the victim is gone; that is all that there is to wait for. */
static int die(struct peer *p, peer_fn road, bool exec, int sig)
{
	if (road)
		start_fn(p, road, (struct call){ 0 });
	else if (sig)
		kill(p->pid, sig);
	if (exec)
		return answer(p) == PEER_GONE ? 0 : -EIO;
	if (!road && !sig)
		shutdown(p->sock, SHUT_RDWR);
	if (p->pid)
		return peer_reap(p) < 0 ? -EIO : 0;
	return -pthread_join(p->thread, NULL);
}

#define DIE(p)	die(p, variant->road, variant->exec, variant->sig)

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

TEST_F(death, die_holding_mutex)
{
	struct ksync_primitive_status st;

	ASSERT_EQ(0, ask(&self->victim, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, DIE(&self->victim));
	ASSERT_EQ(-EOWNERDEAD, me(mutex_lock(self->mutex, soon())));
	st = status(self->mutex);
	EXPECT_EQ(KSYNC_STATUS_DEAD, st.flags);
	EXPECT_EQ(1, st.deaths);
	EXPECT_EQ(getpid(), st.holder_pid);
	EXPECT_EQ(2, st.token);
	ASSERT_EQ(0, me(mutex_consistent(self->mutex)));
	ASSERT_EQ(0, me(mutex_unlock(self->mutex)));
	ASSERT_EQ(0, me(mutex_lock(self->mutex, soon())));
	ASSERT_EQ(0, me(mutex_unlock(self->mutex)));
}

/* Nobody has to come along and look: the free lock shows by itself. */
TEST_F(death, shows_in_the_status)
{
	ASSERT_EQ(0, ask(&self->victim, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, rwlock_wrlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, DIE(&self->victim));
	EXPECT_TRUE(UNTIL(status(self->mutex).deaths == 1));
	EXPECT_EQ(0, status(self->mutex).holder_id);
	EXPECT_EQ(0, status(self->mutex).holder_pid);
	EXPECT_EQ(0, status(self->mutex).value);
	EXPECT_EQ(KSYNC_STATUS_DEAD, status(self->mutex).flags);
	EXPECT_TRUE(UNTIL(status(self->rwlock).deaths == 1));
	EXPECT_EQ(0, status(self->rwlock).holder_id);
	EXPECT_EQ(KSYNC_STATUS_DEAD, status(self->rwlock).flags);
	EXPECT_EQ(-EOWNERDEAD, me(mutex_trylock(self->mutex)));
	EXPECT_EQ(-EOWNERDEAD, me(rwlock_trywrlock(self->rwlock)));
}

TEST_F(death, die_holding_mutex_with_waiters)
{
	ASSERT_EQ(0, ask(&self->victim, mutex_lock(self->mutex, NEVER)));
	start(&self->b, mutex_lock(self->mutex, NEVER));
	ASSERT_TRUE(queued(self->mutex, 1, 0));
	start(&self->c, mutex_lock(self->mutex, NEVER));
	ASSERT_TRUE(queued(self->mutex, 2, 0));
	ASSERT_EQ(0, DIE(&self->victim));
	ASSERT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_TRUE(queued(self->mutex, 1, 0));
	EXPECT_TRUE(silent(&self->c));
	ASSERT_EQ(0, ask(&self->b, mutex_consistent(self->mutex)));
	ASSERT_EQ(0, ask(&self->b, mutex_unlock(self->mutex)));
	EXPECT_EQ(0, answer(&self->c));
}

/* The one that was told dies too, without having repaired anything. */
TEST_F(death, die_twice)
{
	ASSERT_EQ(0, ask(&self->victim, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, rwlock_wrlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, DIE(&self->victim));
	ASSERT_EQ(-EOWNERDEAD, ask(&self->b, mutex_lock(self->mutex, soon())));
	ASSERT_EQ(-EOWNERDEAD,
		  ask(&self->b, rwlock_wrlock(self->rwlock, soon())));
	start(&self->c, mutex_lock(self->mutex, NEVER));
	ASSERT_TRUE(queued(self->mutex, 1, 0));
	peer_kill(&self->b);
	ASSERT_EQ(-EOWNERDEAD, answer(&self->c));
	EXPECT_EQ(2, status(self->mutex).deaths);
	EXPECT_EQ(-EOWNERDEAD, me(rwlock_wrlock(self->rwlock, soon())));
	EXPECT_EQ(2, status(self->rwlock).deaths);
	EXPECT_EQ(0, ask(&self->c, mutex_consistent(self->mutex)));
	EXPECT_EQ(0, me(rwlock_consistent(self->rwlock)));
}

/* What was repaired before is no concern of the next one. */
TEST_F(death, die_after_repair)
{
	ASSERT_EQ(0, ask(&self->b, mutex_lock(self->mutex, NEVER)));
	peer_kill(&self->b);
	ASSERT_EQ(-EOWNERDEAD,
		  ask(&self->victim, mutex_lock(self->mutex, soon())));
	ASSERT_EQ(0, ask(&self->victim, mutex_consistent(self->mutex)));
	ASSERT_EQ(0, ask(&self->victim, mutex_unlock(self->mutex)));
	ASSERT_EQ(0, DIE(&self->victim));
	EXPECT_EQ(0, me(mutex_lock(self->mutex, soon())));
	EXPECT_EQ(0, status(self->mutex).flags);
	EXPECT_EQ(1, status(self->mutex).deaths);
}

TEST_F(death, die_reading)
{
	ASSERT_EQ(0, ask(&self->victim, rwlock_rdlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, rwlock_rdlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, ask(&self->c, rwlock_rdlock(self->rwlock, NEVER)));
	start(&self->b, rwlock_wrlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 1, 0));
	ASSERT_EQ(0, DIE(&self->victim));
	/* The one that lives is still in the way, and counts. */
	EXPECT_TRUE(UNTIL(status(self->rwlock).readers == 1));
	EXPECT_TRUE(queued(self->rwlock, 1, 0));
	EXPECT_TRUE(silent(&self->b));
	ASSERT_EQ(0, ask(&self->c, rwlock_unlock(self->rwlock)));
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(0, status(self->rwlock).flags);
	EXPECT_EQ(1, status(self->rwlock).deaths);
}

TEST_F(death, the_last_reader_dies)
{
	ASSERT_EQ(0, ask(&self->victim, rwlock_rdlock(self->rwlock, NEVER)));
	start(&self->b, rwlock_wrlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 1, 0));
	start(&self->c, rwlock_rdlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 1, 1));
	ASSERT_EQ(0, DIE(&self->victim));
	EXPECT_EQ(0, answer(&self->b));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->rwlock)));
	EXPECT_EQ(0, answer(&self->c));
}

TEST_F(death, die_writing)
{
	ASSERT_EQ(0, ask(&self->victim, rwlock_wrlock(self->rwlock, NEVER)));
	start(&self->b, rwlock_rdlock(self->rwlock, NEVER));
	start(&self->c, rwlock_wrlock(self->rwlock, NEVER));
	ASSERT_TRUE(queued(self->rwlock, 1, 1));
	ASSERT_EQ(0, DIE(&self->victim));
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_TRUE(silent(&self->c));
	ASSERT_EQ(0, ask(&self->b, rwlock_unlock(self->rwlock)));
	EXPECT_EQ(-EOWNERDEAD, answer(&self->c));
	EXPECT_EQ(0, ask(&self->c, rwlock_consistent(self->rwlock)));
	EXPECT_EQ(1, status(self->rwlock).deaths);
}

/* Who downgraded could not change anything any more. */
TEST_F(death, die_after_downgrade)
{
	ASSERT_EQ(0, ask(&self->victim, rwlock_wrlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, rwlock_downgrade(self->rwlock)));
	ASSERT_EQ(0, DIE(&self->victim));
	EXPECT_EQ(0, me(rwlock_wrlock(self->rwlock, soon())));
}

TEST_F(death, die_after_upgrade)
{
	ASSERT_EQ(0, ask(&self->victim, rwlock_rdlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, rwlock_upgrade(self->rwlock)));
	ASSERT_EQ(0, DIE(&self->victim));
	EXPECT_EQ(-EOWNERDEAD, me(rwlock_wrlock(self->rwlock, soon())));
}

/* Permits are the process's: they come back when it ends, not a thread. */
TEST_F(death, die_with_permits)
{
	ASSERT_EQ(0, ask(&self->victim, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, sem_acquire(self->sem, 3, NEVER)));
	ASSERT_EQ(0, me(sem_acquire(self->sem, 1, NEVER)));
	start(&self->b, sem_acquire(self->sem, 2, NEVER));
	ASSERT_TRUE(queued(self->sem, 1, 0));
	ASSERT_EQ(0, DIE(&self->victim));
	ASSERT_EQ(-EOWNERDEAD, me(mutex_lock(self->mutex, soon())));
	if (variant->thread) {
		EXPECT_TRUE(queued(self->sem, 1, 0));
		EXPECT_TRUE(silent(&self->b));
		EXPECT_EQ(0, status(self->sem).deaths);
		EXPECT_EQ(0, me(sem_release(self->sem, 4)));
		EXPECT_EQ(0, answer(&self->b));
		return;
	}
	EXPECT_EQ(0, answer(&self->b));
	EXPECT_EQ(1, status(self->sem).deaths);
	EXPECT_EQ(3, status(self->sem).lost);
	EXPECT_EQ(1, status(self->sem).value);
	EXPECT_EQ(-EPERM, me(sem_release(self->sem, 2)));
	EXPECT_EQ(0, me(sem_release(self->sem, 1)));
}

/* A tie speaks of the process: it outlives a thread, and execve. */
TEST_F(death, die_worker)
{
	pid_t pid = self->victim.pid ?: getpid();

	ASSERT_EQ(0, ask(&self->victim, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, me(waitgroup_add(self->wg, 1)));
	ASSERT_EQ(0, bind_to(self->wg, pid));
	start(&self->b, waitgroup_wait(self->wg, NEVER));
	ASSERT_TRUE(queued(self->wg, 0, 1));
	ASSERT_EQ(0, DIE(&self->victim));
	ASSERT_EQ(-EOWNERDEAD, me(mutex_lock(self->mutex, soon())));
	if (variant->thread || variant->exec) {
		EXPECT_EQ(1, status(self->wg).value);
		EXPECT_TRUE(silent(&self->b));
	}
	if (variant->thread) {
		EXPECT_EQ(0, me(waitgroup_add(self->wg, -1)));
		EXPECT_EQ(0, answer(&self->b));
		return;
	}
	if (variant->exec)
		peer_kill(&self->victim);
	EXPECT_EQ(-EOWNERDEAD, answer(&self->b));
	EXPECT_EQ(1, self->b.out.wait.lost);
}

/* Everything that it held, in every object. */
TEST_F(death, die_with_many_holds)
{
	struct peer *p = &self->victim;
	int pidfd = -1;
	int i;

	if (p->pid)
		pidfd = syscall(SYS_pidfd_open, p->pid, 0);
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, ask(p, at(i, mutex_lock(self->mutex, NEVER))));
		ASSERT_EQ(0, ask(p, at(i, i & 1 ?
				       rwlock_wrlock(self->rwlock, NEVER) :
				       rwlock_rdlock(self->rwlock, NEVER))));
		ASSERT_EQ(0, ask(p, at(i, sem_acquire(self->sem, 2, NEVER))));
		ASSERT_EQ(0, me(at(i, waitgroup_add(self->wg, 1))));
		if (pidfd < 0)
			continue;
		ASSERT_EQ(0, me(at(i, waitgroup_bind(self->wg, pidfd))));
	}
	/* Some of it given back before. */
	for (i = 0; i < MANY; i += 5) {
		ASSERT_EQ(0, ask(p, at(i, mutex_unlock(self->mutex))));
		ASSERT_EQ(0, ask(p, at(i, rwlock_unlock(self->rwlock))));
		ASSERT_EQ(0, ask(p, at(i, sem_release(self->sem, 2))));
	}
	ASSERT_EQ(0, DIE(p));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(i % 5 ? -EOWNERDEAD : 0,
			  me(at(i, mutex_lock(self->mutex, soon()))));
		ASSERT_EQ(i % 5 && i & 1 ? -EOWNERDEAD : 0,
			  me(at(i, rwlock_wrlock(self->rwlock, soon()))));
		if (variant->thread)
			continue;
		ASSERT_EQ(0, me(at(i, sem_acquire(self->sem, 4, soon()))));
		if (variant->exec)
			continue;
		ASSERT_EQ(-EOWNERDEAD,
			  me(at(i, waitgroup_wait(self->wg, soon()))));
	}
}

static bool all_exist(int dev, bool expected)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (me(query_call(dev, names[i], 0)) !=
		    (expected ? 0 : -ENOENT))
			return false;
	return true;
}

/* The last descriptors go with the victim, or right after it. */
TEST_F(death, die_with_the_object)
{
	int fds[] = { self->mutex, self->rwlock, self->wg, self->sem };
	size_t i;

	ASSERT_EQ(0, ask(&self->victim, mutex_lock(self->mutex, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, rwlock_rdlock(self->rwlock, NEVER)));
	ASSERT_EQ(0, ask(&self->victim, sem_acquire(self->sem, 3, NEVER)));
	ASSERT_EQ(0, me(waitgroup_add(self->wg, 1)));
	ASSERT_EQ(0, bind_to(self->wg, self->victim.pid ?: getpid()));
	peer_end(&self->b);
	peer_end(&self->c);
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(variant->thread ? dup(fds[i]) : fds[i]);
	EXPECT_TRUE(all_exist(self->dev, true));
	ASSERT_EQ(0, DIE(&self->victim));
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		if (variant->thread)
			close(fds[i]);
	EXPECT_TRUE(UNTIL(all_exist(self->dev, false)));
}

UAPI_MAIN
