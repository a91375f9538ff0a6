// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run once: many processes need the same thing set up, which is dear. One does
 * it, for all and for ever. If that one is killed, another one begins afresh.
 *
 *	once [PROCESSES [KILLS]]
 */
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ksync.h>

#define RESULT 4711

static struct shared {
	uint32_t begun, after_death, finished, kills;
} *shared;

static void count(uint32_t *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

/* For one millisecond; the first KILLS that try do not live to the end. */
static int make_result(void *kills, int died, uint64_t *result)
{
	struct timespec moment = { 0, 1000000 };

	count(&shared->begun);
	if (died)
		count(&shared->after_death);
	nanosleep(&moment, NULL);
	if (shared->kills < *(uint32_t *)kills) {
		count(&shared->kills);
		raise(SIGKILL);
	}
	count(&shared->finished);
	*result = RESULT;
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t processes = argc > 1 ? atoi(argv[1]) : 20, i, served = 0;
	uint32_t kills = argc > 2 ? atoi(argv[2]) : 3;
	struct ksync_once *once;
	int ret, wstatus;
	uint64_t result;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	ret = ksync_once_create(&once, NULL);
	if (ret)
		errx(1, "create: %s", ksync_strerror(ret));
	for (i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ret = ksync_once_run(once, make_result, &kills, &result);
		_exit(ret || result != RESULT);
	}
	while (wait(&wstatus) > 0)
		served += !wstatus;
	printf("%u processes, %u killed while they made it, %u got the result\n"
	       "begun %u times, %u of them after a death, finished %u time; backend: %s\n",
	       processes, shared->kills, served, shared->begun,
	       shared->after_death, shared->finished, ksync_backend());
	ksync_once_close(once);
	return shared->finished != 1 || served != processes - shared->kills;
}
