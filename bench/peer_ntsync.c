// SPDX-License-Identifier: GPL-2.0-only
/* Objects of /dev/ntsync, which newer kernels have for programs of Windows. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loops.h"

/* From <linux/ntsync.h>, which most systems do not have yet. */
struct ntsync_sem_args {
	__u32 count;
	__u32 max;
};

struct ntsync_mutex_args {
	__u32 owner;
	__u32 count;
};

struct ntsync_wait_args {
	__u64 timeout;
	__u64 objs;
	__u32 count;
	__u32 index;
	__u32 flags;
	__u32 owner;
	__u32 alert;
	__u32 pad;
};

#define NTSYNC_IOC_CREATE_SEM	_IOW('N', 0x80, struct ntsync_sem_args)
#define NTSYNC_IOC_SEM_RELEASE	_IOWR('N', 0x81, __u32)
#define NTSYNC_IOC_WAIT_ANY	_IOWR('N', 0x82, struct ntsync_wait_args)
#define NTSYNC_IOC_CREATE_MUTEX	_IOW('N', 0x84, struct ntsync_mutex_args)
#define NTSYNC_IOC_MUTEX_UNLOCK	_IOWR('N', 0x85, struct ntsync_mutex_args)

/* An object belongs to the open device; index keeps that. */
static int make(struct set *s, unsigned long command, void *args)
{
	unsigned int i;

	s->fd = open("/dev/ntsync", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return errno;
	for (i = 0; i < s->nr; i++) {
		s->handle[i].fd = ioctl(s->fd, command, args);
		if (s->handle[i].fd < 0)
			return errno;
		s->handle[i].index = s->fd;
		s->handle[i].owner = getpid();
		s->lock[i] = &s->handle[i];
	}
	return 0;
}

static int make_mutexes(struct set *s)
{
	struct ntsync_mutex_args args = { 0 };

	return make(s, NTSYNC_IOC_CREATE_MUTEX, &args);
}

static int make_sems(struct set *s)
{
	struct ntsync_sem_args args = { s->permits, 1U << 30 };

	return make(s, NTSYNC_IOC_CREATE_SEM, &args);
}

/* Owners are numbers that users choose; the device believes them. */
static int be_owner(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		s->handle[i].owner = getpid();
	return 0;
}

static void close_all(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		close(s->handle[i].fd);
	close(s->fd);
}

INLINE int acquire(void *lock)
{
	const struct handle *h = lock;
	__u32 fd = h->fd;
	struct ntsync_wait_args wait = {
		.timeout = UINT64_MAX,
		.objs = (unsigned long)&fd,
		.count = 1,
		.owner = h->owner,
	};

	return ioctl(h->index, NTSYNC_IOC_WAIT_ANY, &wait) < 0 ? errno : 0;
}

INLINE int mutex_unlock(void *lock)
{
	const struct handle *h = lock;
	struct ntsync_mutex_args args = { .owner = h->owner };

	return ioctl(h->fd, NTSYNC_IOC_MUTEX_UNLOCK, &args) < 0 ? errno : 0;
}

INLINE int sem_release(void *lock)
{
	const struct handle *h = lock;
	__u32 one = 1;

	return ioctl(h->fd, NTSYNC_IOC_SEM_RELEASE, &one) < 0 ? errno : 0;
}

LOCK_LOOPS(mutex, acquire, mutex_unlock)
LOCK_LOOPS(sem, acquire, sem_release)
SEM_LOOPS(sem, acquire, sem_release)

static int sem_done(void *lock)
{
	return sem_release(lock);
}

static int sem_all(void *lock, unsigned int workers)
{
	int err = 0;

	while (workers-- && !err)
		err = acquire(lock);
	return err;
}

static const struct fanin sem_fanin = { NULL, sem_done, sem_all };

#define NTSYNC(how)	.create = how, .attach = be_owner, .destroy = close_all

const struct peer ntsync_peers[] = {
	{ .name = "ntsync-mutex", .label = "ntsync mutex", NTSYNC(make_mutexes),
	  WITH_LOCK(mutex) },
	{ .name = "ntsync-sem", .label = "ntsync semaphore", NTSYNC(make_sems),
	  WITH_LOCK(sem), WITH_SEM(sem), .fanin = &sem_fanin },
	{ 0 }
};
