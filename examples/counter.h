/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many processes add to one counter under one named mutex, one by one, while
 * they are being killed, also in the middle of the update. The next holder of
 * the mutex is told, undoes what the dead one left half done, and all go on; a
 * new process does the rest of the dead one's work. In the end the counter must
 * be exact.
 *
 * The update is made of two steps on purpose: the counter, and how much of it
 * is each worker's. A record of how things were before, open during the update,
 * lets whoever finds it open go back.
 *
 * Some of the kills come at a random moment. A mutex is held for so short a time
 * that these seldom hit the middle of an update, so the others are aimed: the
 * victim stops at a point within its update until the SIGKILL arrives.
 */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ksync.h>

#define MAX_WORKERS	1000
#define MAX_KILLS	10000
#define NO_WORKER	(-1)

/* Where in its update an aimed kill stops a worker. */
enum point { BEFORE_FIRST_STEP, BETWEEN_STEPS, AFTER_LAST_STEP, NR_POINTS };

/* A recovery, as the one who did it saw things. */
struct recovery {
	pid_t victim;		/* 0: died before it had said who it is */
	pid_t by;
	bool open;		/* the record was: an update was under way */
	bool broken;		/* and the counter disagreed with the shares */
};

/*
 * In memory that all share. What the mutex protects is volatile, so that a kill
 * finds the steps in the order in which they stand in the program.
 */
struct shared {
	uint64_t each;		/* a worker's share in the end */
	uint32_t batch;		/* additions while the mutex is held once */

	volatile uint64_t counter;
	volatile uint64_t share[MAX_WORKERS];
	struct {
		volatile bool open;
		volatile int worker;
		volatile uint64_t counter;
		volatile uint64_t share;
	} before;

	/* For the report only. */
	volatile pid_t inside;
	volatile uint64_t entries;
	struct recovery recoveries[MAX_KILLS];
	atomic_int nr_recoveries;

	/* Nobody counts on past this, so that the killer can keep up. */
	_Atomic uint64_t limit;

	/* Aimed kills: who is to stop where, and that it did. */
	atomic_int victim;
	atomic_int point;
	atomic_bool caught;
};

/* counter_worker.c */

/* What worker @me does, under the mutex @name; returns its exit status. */
int work(struct shared *s, const char *name, int me);

/* Lock, after a death recover; and unlock. 0 or a negative errno. */
int enter(struct shared *s, struct ksync_mutex *m, pid_t self);
int leave(struct shared *s, struct ksync_mutex *m);

uint64_t sum_of_shares(const struct shared *s);
void sleep_a_little(void);

#endif /* COUNTER_H */
