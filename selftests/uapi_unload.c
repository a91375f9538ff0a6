// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unloading the module: refused while there is an object, and of no consequence
 * for threads that have used it, whatever they still hold of objects that are
 * gone. In a guest, where the module can be loaded again.
 */
#include "uapi_peer.h"

#include <sys/stat.h>

#define MODULE		"/lib/modules/ksync.ko"
#define HOLDS		8	/* more than a thread has room for by itself */
#define ROUNDS		5

FIXTURE(unload)
{
	int ko;
};

FIXTURE_SETUP(unload)
{
	self->ko = open(MODULE, O_RDONLY | O_CLOEXEC);
	if (self->ko < 0)
		SKIP(return, "no " MODULE " to load again");
	if (geteuid())
		SKIP(return, "needs root");
}

FIXTURE_TEARDOWN(unload)
{
	peers_end();
}

static int unload(void)
{
	return syscall(SYS_delete_module, "ksync", O_NONBLOCK) ? -errno : 0;
}

static int load(int ko)
{
	if (syscall(SYS_finit_module, ko, "", 0))
		return -errno;
	return UNTIL(!access(DEVICE, F_OK)) ? chmod(DEVICE, 0666) : -ENOENT;
}

TEST_F(unload, unload_busy)
{
	int dev = device_open(), fd = create(dev, KSYNC_TYPE_MUTEX, 0, 1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, unload());
	close(dev);
	EXPECT_EQ(-EAGAIN, unload());
	EXPECT_EQ(0, me(mutex_lock(fd, NEVER)));
	EXPECT_EQ(0, me(mutex_unlock(fd)));
	close(fd);
}

/* The peer holds all that can be held, of objects that are gone. */
static int hold_of_nothing(struct call *c)
{
	int dev = device_open(), mutex, rwlock, sem, wg, pidfd, i, ret = 0;

	mutex = create(dev, KSYNC_TYPE_MUTEX, 0, HOLDS);
	rwlock = create(dev, KSYNC_TYPE_RWLOCK, 0, HOLDS);
	sem = create_sem(dev, KSYNC_F_TRACKED, 3, 3);
	wg = create(dev, KSYNC_TYPE_WAITGROUP, 0, 1);
	pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	for (i = 0; i < HOLDS && !ret; i++)
		ret = me(at(i, mutex_trylock(mutex))) ?:
		      me(at(i, rwlock_tryrdlock(rwlock)));
	ret = ret ?: me(sem_tryacquire(sem, 2));
	ret = ret ?: me(waitgroup_add(wg, 1));
	ret = ret ?: me(waitgroup_bind(wg, pidfd));
	close(mutex);
	close(rwlock);
	close(sem);
	close(wg);
	close(pidfd);
	close(dev);
	return ret;
}

TEST_F(unload, holders_of_nothing_outlive_the_module)
{
	struct peer before, after;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, peer_fork(&before));
		ASSERT_EQ(0, peer_fork(&after));
		ASSERT_EQ(0, ask_fn(&before, hold_of_nothing));
		ASSERT_EQ(0, ask_fn(&after, hold_of_nothing));
		ASSERT_TRUE(UNTIL(!unload()));
		/* One ends without the module, one finds another one. */
		peer_kill(&before);
		ASSERT_EQ(0, load(self->ko));
		EXPECT_EQ(0, ask_fn(&after, hold_of_nothing));
		peer_kill(&after);
	}
}

UAPI_MAIN
