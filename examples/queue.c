// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue of messages between processes that may be killed at any moment: a
 * mutex and two condition variables around a ring in shared memory.
 *
 *	queue [MESSAGES [KILLS]]
 *
 * The ring needs no repair. A message is copied first, and a single store makes
 * it part of the queue, or no longer so. Who finds that a holder of the mutex
 * died has only to say that all is well, and to wake those whom the dead one
 * may have been about to signal.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ksync.h>

#define SLOTS		8
#define WORKERS		3	/* on either side */
#define MESSAGES_MAX	1000000

struct queue {
	struct ksync_mutex *mutex;
	struct ksync_cond *not_empty, *not_full;
	/* Shared, and guarded by the mutex. */
	struct ring {
		volatile uint64_t head, tail;	/* taken, put; so far */
		uint32_t slot[SLOTS];
	} *ring;
};

static void queue_create(struct queue *q, struct ring *ring)
{
	if (ksync_mutex_create(&q->mutex, NULL) ||
	    ksync_cond_create(&q->not_empty, NULL) ||
	    ksync_cond_create(&q->not_full, NULL))
		errx(1, "no queue: %s", ksync_strerror(ksync_available()));
	q->ring = ring;
}

/* What lock or wait returned: 0 if the caller may go on, with the mutex. */
static int queue_entered(struct queue *q, int err)
{
	if (err != -EOWNERDEAD)
		return err;
	ksync_cond_broadcast(q->not_empty);
	ksync_cond_broadcast(q->not_full);
	return ksync_mutex_consistent(q->mutex);
}

static int queue_put(struct queue *q, uint32_t message)
{
	struct ring *r = q->ring;
	int err = queue_entered(q, ksync_mutex_lock(q->mutex));

	while (!err && r->tail - r->head == SLOTS)
		err = queue_entered(q, ksync_cond_wait(q->not_full, q->mutex));
	if (err)
		return err;
	r->slot[r->tail % SLOTS] = message;
	__atomic_signal_fence(__ATOMIC_RELEASE);
	r->tail++;
	ksync_cond_signal(q->not_empty);
	return ksync_mutex_unlock(q->mutex);
}

/* @use may be called twice for a message, if its first caller is killed. */
static int queue_get(struct queue *q, void (*use)(uint32_t message))
{
	struct ring *r = q->ring;
	int err = queue_entered(q, ksync_mutex_lock(q->mutex));

	while (!err && r->tail == r->head)
		err = queue_entered(q, ksync_cond_wait(q->not_empty, q->mutex));
	if (err)
		return err;
	use(r->slot[r->head % SLOTS]);
	__atomic_signal_fence(__ATOMIC_RELEASE);
	r->head++;
	ksync_cond_signal(q->not_full);
	return ksync_mutex_unlock(q->mutex);
}

static struct shared {
	struct ring ring;
	uint32_t next;			/* message to be put */
	uint32_t seen;			/* messages, each counted once */
	bool is_seen[MESSAGES_MAX];
} *shared;

/* Under the mutex, and the same if it is done again. */
static void see(uint32_t message)
{
	if (shared->is_seen[message])
		return;
	shared->is_seen[message] = true;
	__atomic_fetch_add(&shared->seen, 1, __ATOMIC_RELAXED);
}

/*
 * A producer that is killed takes the number in its hand with it, so the parent
 * puts what is missing in the end.
 */
static void produce(struct queue *q, uint32_t messages)
{
	uint32_t n;

	while ((n = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED)) <
	       messages)
		if (queue_put(q, n))
			_exit(1);
	/* There is nothing left to do, and a kill may still hit it. */
	for (;;)
		pause();
}

static pid_t spawn(struct queue *q, int i, uint32_t messages)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (i < WORKERS)
		produce(q, messages);
	while (!queue_get(q, see))
		;
	_exit(1);
}

static void kill_at_random(struct queue *q, pid_t *pids, int kills,
			   uint32_t messages)
{
	struct timespec moment = { 0, 0 };
	int i;

	while (kills--) {
		moment.tv_nsec = rand() % 2000000;
		nanosleep(&moment, NULL);
		i = rand() % (2 * WORKERS);
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		pids[i] = spawn(q, i, messages);
	}
}

/* What its producers took with them, from the parent, who is not killed. */
static int put_the_rest(struct queue *q, uint32_t messages)
{
	struct timespec moment = { 0, 10000000 };
	uint32_t n;
	int err = 0, patience;

	while (__atomic_load_n(&shared->next, __ATOMIC_RELAXED) < messages)
		nanosleep(&moment, NULL);
	for (patience = 0; patience < 20; patience++)
		nanosleep(&moment, NULL);
	for (n = 0; !err && n < messages; n++)
		if (!shared->is_seen[n])
			err = queue_put(q, n);
	return err;
}

int main(int argc, char **argv)
{
	uint32_t messages = argc > 1 ? atoi(argv[1]) : 20000;
	int kills = argc > 2 ? atoi(argv[2]) : 30, i, ret;
	struct timespec moment = { 0, 1000000 };
	struct ksync_status st;
	pid_t pids[2 * WORKERS];
	struct queue q;

	if (messages > MESSAGES_MAX)
		errx(1, "at most %d messages", MESSAGES_MAX);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	queue_create(&q, &shared->ring);
	for (i = 0; i < 2 * WORKERS; i++)
		pids[i] = spawn(&q, i, messages);
	kill_at_random(&q, pids, kills, messages);
	ret = put_the_rest(&q, messages);
	if (ret)
		errx(1, "put: %s", ksync_strerror(ret));
	for (i = 0; i < 10000 && shared->seen < messages; i++)
		nanosleep(&moment, NULL);
	ksync_mutex_status(q.mutex, &st);
	printf("%u messages, %u seen; %d killed, %u of them inside; backend: %s\n",
	       messages, shared->seen, kills, st.deaths, ksync_backend());
	for (i = 0; i < 2 * WORKERS; i++)
		kill(pids[i], SIGKILL);
	return shared->seen != messages;
}
