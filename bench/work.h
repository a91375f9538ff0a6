/* SPDX-License-Identifier: GPL-2.0-only */
/* The workloads, for the list of cells. Each fits some peers. */
#ifndef WORK_H
#define WORK_H

#include "bench.h"

#define WORKLOAD(name)							\
bool fits_##name(const struct cell *c, const struct peer *p);		\
int run_##name(const struct cell *c, struct shared *sh, struct set *s)

/* work_locks.c */
WORKLOAD(uncontended);
WORKLOAD(counter);
WORKLOAD(pingpong);
WORKLOAD(readers);
WORKLOAD(crowd);
/* work_groups.c */
WORKLOAD(fanin);
WORKLOAD(thread);
/* work_objects.c */
WORKLOAD(creation);
WORKLOAD(memory);
WORKLOAD(million);

#endif /* WORK_H */
