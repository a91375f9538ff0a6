// SPDX-License-Identifier: GPL-2.0-only
/* POSIX semaphores in shared memory, and eventfd used as a semaphore. */
#include <errno.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loops.h"

static int make_sems(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (sem_init(s->lock[i], 1, s->permits))
			return errno;
	return 0;
}

static void destroy_sems(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		sem_destroy(s->lock[i]);
}

INLINE int take_sem(void *lock)
{
	return sem_wait(lock) ? errno : 0;
}

INLINE int give_sem(void *lock)
{
	return sem_post(lock) ? errno : 0;
}

LOCK_LOOPS(sem, take_sem, give_sem)
SEM_LOOPS(sem, take_sem, give_sem)

static int sem_done(void *lock)
{
	return give_sem(lock);
}

static int sem_all(void *lock, unsigned int workers)
{
	int err = 0;

	while (workers-- && !err)
		err = take_sem(lock);
	return err;
}

static const struct fanin sem_fanin = { NULL, sem_done, sem_all };

static int make_eventfds(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		s->handle[i].fd = eventfd(s->permits, EFD_SEMAPHORE | EFD_CLOEXEC);
		if (s->handle[i].fd < 0)
			return errno;
		s->lock[i] = &s->handle[i];
	}
	return 0;
}

static void close_eventfds(struct set *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		close(s->handle[i].fd);
}

INLINE int take_eventfd(void *lock)
{
	const struct handle *h = lock;
	uint64_t one;

	return read(h->fd, &one, sizeof(one)) != sizeof(one);
}

INLINE int give_eventfd(void *lock)
{
	const struct handle *h = lock;
	uint64_t one = 1;

	return write(h->fd, &one, sizeof(one)) != sizeof(one);
}

LOCK_LOOPS(event, take_eventfd, give_eventfd)
SEM_LOOPS(event, take_eventfd, give_eventfd)

static int event_done(void *lock)
{
	return give_eventfd(lock);
}

static int event_all(void *lock, unsigned int workers)
{
	int err = 0;

	while (workers-- && !err)
		err = take_eventfd(lock);
	return err;
}

static const struct fanin event_fanin = { NULL, event_done, event_all };

const struct peer posix_peers[] = {
	{ .name = "sem_t", .label = "sem_t", .bytes = sizeof(sem_t),
	  .create = make_sems, .destroy = destroy_sems, WITH_LOCK(sem),
	  WITH_SEM(sem), .fanin = &sem_fanin },
	{ .name = "eventfd", .label = "eventfd semaphore",
	  .create = make_eventfds, .destroy = close_eventfds, WITH_LOCK(event),
	  WITH_SEM(event), .fanin = &event_fanin },
	{ 0 }
};
