// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue of messages between processes that may be killed at any moment.
 *
 *	queue [MESSAGES [KILLS]]
 *
 * Whoever is killed, the queue stays whole and nobody waits in vain. A message
 * in the hands of who is killed is gone: the parent notices which were not seen,
 * and puts them again.
 */
#include <err.h>
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

static struct shared {
	uint32_t next;			/* message to be put */
	uint32_t seen;			/* messages, each counted once */
	bool is_seen[MESSAGES_MAX];
} *shared;

/* A message that was put again may come twice. */
static void see(uint32_t message)
{
	if (!__atomic_exchange_n(&shared->is_seen[message], true,
				 __ATOMIC_RELAXED))
		__atomic_fetch_add(&shared->seen, 1, __ATOMIC_RELAXED);
}

/*
 * A producer that is killed takes the number in its hand with it, so the parent
 * puts what is missing in the end.
 */
static void produce(struct ksync_queue *q, uint32_t messages)
{
	uint32_t n;

	while ((n = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED)) <
	       messages)
		if (ksync_queue_push(q, &n))
			_exit(1);
	/* There is nothing left to do, and a kill may still hit it. */
	for (;;)
		pause();
}

static void consume(struct ksync_queue *q)
{
	uint32_t n;

	while (!ksync_queue_pop(q, &n))
		see(n);
	_exit(1);
}

static pid_t spawn(struct ksync_queue *q, int i, uint32_t messages)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (i < WORKERS)
		produce(q, messages);
	consume(q);
	return 0;
}

static void kill_at_random(struct ksync_queue *q, pid_t *pids, int kills,
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

/* What the killed took with them, from the parent, who is not killed. */
static int put_the_rest(struct ksync_queue *q, uint32_t messages)
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
			err = ksync_queue_push(q, &n);
	return err;
}

int main(int argc, char **argv)
{
	uint32_t messages = argc > 1 ? atoi(argv[1]) : 20000;
	int kills = argc > 2 ? atoi(argv[2]) : 30, i, ret;
	struct timespec moment = { 0, 1000000 };
	pid_t pids[2 * WORKERS];
	struct ksync_queue *q;

	if (messages > MESSAGES_MAX)
		errx(1, "at most %d messages", MESSAGES_MAX);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	ret = ksync_queue_create(&q, SLOTS, sizeof(uint32_t));
	if (ret)
		errx(1, "no queue: %s", ksync_strerror(ret));
	for (i = 0; i < 2 * WORKERS; i++)
		pids[i] = spawn(q, i, messages);
	kill_at_random(q, pids, kills, messages);
	ret = put_the_rest(q, messages);
	if (ret)
		errx(1, "push: %s", ksync_strerror(ret));
	for (i = 0; i < 10000 && shared->seen < messages; i++)
		nanosleep(&moment, NULL);
	printf("%u messages, %u seen; %d killed; backend: %s\n",
	       messages, shared->seen, kills, ksync_backend());
	for (i = 0; i < 2 * WORKERS; i++)
		kill(pids[i], SIGKILL);
	return shared->seen != messages;
}
