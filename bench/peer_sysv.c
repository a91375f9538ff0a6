// SPDX-License-Identifier: GPL-2.0-only
/* System V semaphores, which undo what a dead process did. */
#include <errno.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include "loops.h"

union semun {
	int val;
};

/* The id is kept in shared memory: the set outlives its processes. */
static int make_set(struct set *s)
{
	int id = semget(IPC_PRIVATE, s->nr, IPC_CREAT | 0600);
	union semun value = { .val = s->permits };
	unsigned int i;

	if (id < 0)
		return errno;
	*(int *)s->memory = id + 1;
	for (i = 0; i < s->nr; i++) {
		if (semctl(id, i, SETVAL, value))
			return errno;
		s->handle[i].fd = id;
		s->lock[i] = &s->handle[i];
	}
	return 0;
}

static void remove_set(struct set *s)
{
	int id = *(int *)s->memory - 1;

	if (id >= 0)
		semctl(id, 0, IPC_RMID);
}

INLINE int change(void *lock, int by, int flags)
{
	const struct handle *h = lock;
	struct sembuf op = {
		.sem_num = h->index, .sem_op = by, .sem_flg = flags,
	};

	return semop(h->fd, &op, 1) ? errno : 0;
}

INLINE int take(void *lock)
{
	return change(lock, -1, SEM_UNDO);
}

INLINE int give(void *lock)
{
	return change(lock, 1, SEM_UNDO);
}

LOCK_LOOPS(sysv, take, give)
SEM_LOOPS(sysv, take, give)

/* It can wait for zero. */
static int sysv_arm(void *lock, unsigned int workers)
{
	return change(lock, workers, 0);
}

static int sysv_done(void *lock)
{
	return change(lock, -1, 0);
}

static int sysv_zero(void *lock, unsigned int workers)
{
	return change(lock, 0, 0);
}

static const struct fanin sysv_fanin = { sysv_arm, sysv_done, sysv_zero };

const struct peer sysv_peers[] = {
	{ .name = "sysv", .label = "System V semop, SEM_UNDO", .survives = true,
	  .create = make_set, .destroy = remove_set, WITH_LOCK(sysv),
	  WITH_SEM(sysv), .fanin = &sysv_fanin },
	{ 0 }
};
