// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes and two mutexes, taken in opposite order. Neither hangs: the
 * one that would close the circle is told, with the whole story.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ksync.h>

static void check(const char *what, int err)
{
	if (!err)
		return;
	fprintf(stderr, "deadlock: %s: %s\n", what, ksync_strerror(err));
	exit(1);
}

static const char *type_name(uint32_t type)
{
	switch (type) {
	case KSYNC_MUTEX:
		return "mutex";
	case KSYNC_RWLOCK:
		return "rwlock";
	case KSYNC_SEM:
		return "semaphore";
	default:
		return "object";
	}
}

static int print_edge(const struct ksync_edge *e, void *arg)
{
	printf("  process %d (%s) waits for primitive %u of %s %" PRIu64
	       " since %" PRIu64 " ms, held by process %d (%s)\n",
	       e->waiter_pid, e->waiter_name, e->index, type_name(e->type),
	       e->object, e->waited_ns / 1000000, e->holder_pid,
	       e->holder_name);
	(void)arg;
	return 0;
}

/* Locks one mutex, and when the other process has the other one, that too. */
static int both(struct ksync_mutex *m, int mine, struct ksync_sem *ready)
{
	struct ksync_mutex *first = ksync_mutex_at(m, mine);
	struct ksync_mutex *second = ksync_mutex_at(m, !mine);
	int err;

	check("lock", ksync_mutex_lock(first));
	check("say so", ksync_sem_release(ready, 1));
	/* Goes on when both have said so. */
	check("wait for the other", ksync_sem_acquire(ready, 2));
	check("let the other on", ksync_sem_release(ready, 2));

	err = ksync_mutex_lock(second);
	if (err == -EDEADLK) {
		printf("process %d would wait for ever:\n", getpid());
		check("ask why", ksync_last_deadlock(print_edge, NULL));
		/* Give way, and try again from the start. */
		check("unlock", ksync_mutex_unlock(first));
		check("lock", ksync_mutex_lock(second));
		check("lock", ksync_mutex_lock(first));
	} else {
		check("lock", err);
	}
	printf("process %d has both\n", getpid());
	fflush(stdout);
	check("unlock", ksync_mutex_unlock(second));
	check("unlock", ksync_mutex_unlock(first));
	return 0;
}

int main(void)
{
	struct ksync_options two = { .nr = 2 };
	struct ksync_mutex *m;
	struct ksync_sem *ready;
	int wstatus = 0;
	pid_t child;

	if (!(ksync_guarantees() & KSYNC_G_DEADLOCK_OF_TWO)) {
		fprintf(stderr, "deadlock: the %s backend finds no cycles; load the module\n",
			ksync_backend());
		return 4;
	}
	check("make mutexes", ksync_mutex_create(&m, &two));
	check("make a semaphore", ksync_sem_create(&ready, NULL));
	child = fork();
	if (!child)
		return both(m, 1, ready);
	both(m, 0, ready);
	if (child < 0 || waitpid(child, &wstatus, 0) != child || wstatus)
		return 1;
	ksync_sem_close(ready);
	ksync_mutex_close(m);
	return 0;
}
