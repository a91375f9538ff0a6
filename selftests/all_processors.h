/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For programs that are about races. The runner may put programs on a single
 * processor, where steps told one by one are the same and emulation is much
 * cheaper; one that includes this takes all processors back.
 */
#ifndef KSYNC_SELFTEST_ALL_PROCESSORS_H
#define KSYNC_SELFTEST_ALL_PROCESSORS_H

#include <sched.h>
#include <string.h>

static void __attribute__((constructor)) take_all_processors(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
}

#endif /* KSYNC_SELFTEST_ALL_PROCESSORS_H */
