// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print how often this machine's time stamp counter counts in a millisecond. A
 * processor that QEMU emulates has that counter for its own.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct look {
	uint64_t tsc, ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Both at the same time: in the best of some tries we were not interrupted. */
static struct look look(void)
{
	struct look best = { 0 };
	uint64_t shortest = UINT64_MAX;
	int i;

	for (i = 0; i < 100; i++) {
		uint64_t before = __rdtsc(), ns = now_ns();
		uint64_t took = __rdtsc() - before;

		if (took < shortest) {
			shortest = took;
			best = (struct look){ before + took / 2, ns };
		}
	}
	return best;
}

int main(void)
{
	struct timespec while_it_counts = { .tv_nsec = 50000000 };
	struct look a = look(), b;

	nanosleep(&while_it_counts, NULL);
	b = look();
	printf("%llu\n", (b.tsc - a.tsc) * 1000000ULL / (b.ns - a.ns));
	return 0;
}
