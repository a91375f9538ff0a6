// SPDX-License-Identifier: GPL-2.0-only
/* All peers, in the order of the tables. */
#include "bench.h"

static const struct peer *const families[] = {
	futex_peers, pthread_peers, posix_peers, sysv_peers, file_peers,
	ntsync_peers, ksync_peers,
};

static const struct peer *all[64];

const struct peer *const *all_peers(unsigned int *nr)
{
	unsigned int i, n = 0;
	const struct peer *p;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (p = families[i]; p->name && n < ARRAY_SIZE(all); p++)
			all[n++] = p;
	*nr = n;
	return all;
}
