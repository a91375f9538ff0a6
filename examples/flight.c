// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single flight: a cache of pages that are dear to make. Many processes ask for
 * the same few pages; of those that ask for one at the same time a single one
 * makes it, and all get it. Who is killed while it makes one leaves that to the
 * next that waits.
 *
 *	flight [PROCESSES [KILLS]]
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

#define PAGES	4
#define ROUNDS	20

static struct shared {
	uint32_t makers[PAGES];		/* who are at it at this moment */
	uint32_t asked, made, died, crowded;
	int32_t kills;			/* that are still to come */
} *shared;

static uint32_t count(uint32_t *n)
{
	return __atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

/* Takes a millisecond. The first of them do not live to the end. */
static int make_page(void *arg, int died, uint64_t *result)
{
	uint32_t page = *(uint32_t *)arg;
	struct timespec moment = { 0, 1000000 };

	/* The dead maker did not sign off: we do it in its name. */
	if (died) {
		count(&shared->died);
		__atomic_sub_fetch(&shared->makers[page], 1, __ATOMIC_RELAXED);
	}
	if (count(&shared->makers[page]) > 1)
		count(&shared->crowded);
	nanosleep(&moment, NULL);
	if (__atomic_fetch_sub(&shared->kills, 1, __ATOMIC_RELAXED) > 0)
		raise(SIGKILL);
	__atomic_sub_fetch(&shared->makers[page], 1, __ATOMIC_RELAXED);
	count(&shared->made);
	*result = page + 100;
	return 0;
}

static int ask(struct ksync_once *pages)
{
	uint32_t i, page;
	uint64_t result;
	int ret;

	for (i = 0; i < ROUNDS; i++) {
		page = i % PAGES;
		count(&shared->asked);
		ret = ksync_flight_run(ksync_once_at(pages, page), make_page,
				       &page, &result, NULL);
		if (ret || result != page + 100)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t processes = argc > 1 ? atoi(argv[1]) : 20, i, served = 0;
	int kills = argc > 2 ? atoi(argv[2]) : 3;
	struct ksync_options o = { .nr = PAGES };
	struct ksync_once *pages;
	int ret, wstatus;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	shared->kills = kills;
	ret = ksync_once_create(&pages, &o);
	if (ret)
		errx(1, "create: %s", ksync_strerror(ret));
	for (i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(ask(pages));
	}
	while (wait(&wstatus) > 0)
		served += !wstatus;
	printf("%u processes asked %u times; pages were made %u times, by one at a time\n"
	       "%u were killed while they made one, %u of them replaced; %u processes got all; backend: %s\n",
	       processes, shared->asked, shared->made, processes - served,
	       shared->died, served, ksync_backend());
	ksync_once_close(pages);
	return shared->crowded || served != processes - kills;
}
