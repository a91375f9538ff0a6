// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks on files, which the kernel drops when their holder dies: those of open
 * file descriptions, and flock. They exclude open files, not processes, so each
 * worker opens the file again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loops.h"

static int make_files(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		s->handle[i].fd = memfd_create("bench", MFD_CLOEXEC);
		if (s->handle[i].fd < 0)
			return errno;
		s->lock[i] = &s->handle[i];
	}
	return 0;
}

static int open_again(struct set *s)
{
	char path[64];
	unsigned int i;
	int fd;

	for (i = 0; i < s->nr; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", s->handle[i].fd);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return errno;
		close(s->handle[i].fd);
		s->handle[i].fd = fd;
	}
	return 0;
}

static void close_files(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		close(s->handle[i].fd);
}

INLINE int ofd(void *lock, int cmd, short type)
{
	const struct handle *h = lock;
	struct flock f = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };

	return fcntl(h->fd, cmd, &f) ? errno : 0;
}

INLINE int ofd_write(void *lock)
{
	return ofd(lock, F_OFD_SETLKW, F_WRLCK);
}

INLINE int ofd_read(void *lock)
{
	return ofd(lock, F_OFD_SETLKW, F_RDLCK);
}

INLINE int ofd_unlock(void *lock)
{
	return ofd(lock, F_OFD_SETLK, F_UNLCK);
}

LOCK_LOOPS(ofd, ofd_write, ofd_unlock)
READ_LOOPS(ofd, ofd_read, ofd_unlock, ofd_write, ofd_unlock)

INLINE int whole(void *lock, int how)
{
	const struct handle *h = lock;

	return flock(h->fd, how) ? errno : 0;
}

INLINE int flock_write(void *lock)
{
	return whole(lock, LOCK_EX);
}

INLINE int flock_read(void *lock)
{
	return whole(lock, LOCK_SH);
}

INLINE int flock_unlock(void *lock)
{
	return whole(lock, LOCK_UN);
}

LOCK_LOOPS(flock, flock_write, flock_unlock)
READ_LOOPS(flock, flock_read, flock_unlock, flock_write, flock_unlock)

#define FILES	.create = make_files, .attach = open_again, .destroy = close_files

const struct peer file_peers[] = {
	{ .name = "ofd", .label = "OFD lock (fcntl)", FILES, WITH_LOCK(ofd),
	  WITH_READ(ofd) },
	{ .name = "flock", .label = "flock", FILES, WITH_LOCK(flock),
	  WITH_READ(flock) },
	{ 0 }
};
