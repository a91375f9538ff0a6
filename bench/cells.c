// SPDX-License-Identifier: GPL-2.0-only
/* The list of what is measured. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "work.h"

#define MAX_CELLS	64
#define ALONE_MS	20
#define QUICK_ALONE_MS	10
#define CONTENDED_MS	300
#define QUICK_MS	60

const char *const kind_names[NR_KINDS] = {
	[K_LOCK] = "lock",
	[K_READ] = "read",
	[K_SEM] = "permit",
	[K_MEMBER] = "member",
	[K_IDLE] = "idle",
	[K_CALL] = "call",
};

static struct cell *add(struct cell *cells, unsigned int *nr, const struct cell *c)
{
	cells[*nr] = *c;
	return &cells[(*nr)++];
}

#define WORK(name)	.work = #name, .fits = fits_##name, .run = run_##name

static void add_uncontended(struct cell *cells, unsigned int *nr,
			    const struct plan *plan)
{
	struct cell c = {
		WORK(uncontended), .procs = 1, .permits = 1,
		.ms = plan->quick ? QUICK_ALONE_MS : ALONE_MS,
	};

	for (c.kind = 0; c.kind < NR_KINDS; c.kind++) {
		snprintf(c.variant, sizeof(c.variant), "%s", kind_names[c.kind]);
		add(cells, nr, &c);
	}
}

static void add_counter(struct cell *cells, unsigned int *nr,
			const struct plan *plan)
{
	struct cell c = { WORK(counter), .permits = 1, .ms = plan->ms };

	for (c.section_ns = 0; c.section_ns <= NS_PER_US; c.section_ns += NS_PER_US)
		for (c.procs = 2; c.procs <= (plan->quick ? 8 : 16); c.procs *= 2) {
			snprintf(c.variant, sizeof(c.variant), "%s-%u",
				 c.section_ns ? "1us" : "empty", c.procs);
			add(cells, nr, &c);
		}
}

static void add_pingpong(struct cell *cells, unsigned int *nr,
			 const struct plan *plan)
{
	struct cell c = {
		WORK(pingpong), .variant = "across", .procs = 2, .permits = 1,
		.ms = plan->ms / 2,
	};

	if (nr_cpus() > 1)
		add(cells, nr, &c);
	c.one_cpu = true;
	snprintf(c.variant, sizeof(c.variant), "one-cpu");
	add(cells, nr, &c);
}

static void add_readers(struct cell *cells, unsigned int *nr,
			const struct plan *plan)
{
	struct cell c = { WORK(readers), .permits = 1, .ms = plan->ms / 2 };

	c.kind = K_READ;
	for (c.procs = 1; c.procs <= 8; c.procs *= 2) {
		snprintf(c.variant, sizeof(c.variant), "only-%u", c.procs);
		add(cells, nr, &c);
	}
	c.kind = K_LOCK;
	c.procs = 4;
	c.write_percent = 5;
	c.ms = plan->ms;
	snprintf(c.variant, sizeof(c.variant), "95-%u", c.procs);
	add(cells, nr, &c);
}

static void add_crowd(struct cell *cells, unsigned int *nr,
		      const struct plan *plan)
{
	struct cell c = {
		WORK(crowd), .procs = 4, .permits = 2, .ms = plan->ms,
	};

	for (c.section_ns = 0; c.section_ns <= NS_PER_US; c.section_ns += NS_PER_US) {
		snprintf(c.variant, sizeof(c.variant), "%s-2-of-4",
			 c.section_ns ? "1us" : "empty");
		add(cells, nr, &c);
	}
}

static void add_the_rest(struct cell *cells, unsigned int *nr,
			 const struct plan *plan)
{
	struct cell fanin = {
		WORK(fanin), .variant = "4", .procs = 4, .ms = plan->ms / 2,
	};
	struct cell thread = { WORK(thread), .variant = "1", .permits = 1 };
	struct cell creation = {
		WORK(creation), .variant = "1", .permits = 1, .ms = plan->ms / 6,
	};
	struct cell memory = {
		WORK(memory), .variant = "1", .permits = 1, .memory = true,
	};
	struct cell million = {
		WORK(million), .variant = "1000000", .permits = 1,
		.memory = plan->memory,
	};

	add(cells, nr, &fanin);
	add(cells, nr, &thread);
	add(cells, nr, &creation);
	if (plan->memory)
		add(cells, nr, &memory);
	add(cells, nr, &million);
}

struct cell *make_cells(const struct plan *given, unsigned int *nr)
{
	struct cell *cells = calloc(MAX_CELLS, sizeof(*cells));
	struct plan plan = *given;

	*nr = 0;
	if (!cells)
		return NULL;
	if (!plan.ms)
		plan.ms = plan.quick ? QUICK_MS : CONTENDED_MS;
	add_uncontended(cells, nr, &plan);
	add_counter(cells, nr, &plan);
	add_pingpong(cells, nr, &plan);
	add_readers(cells, nr, &plan);
	add_crowd(cells, nr, &plan);
	add_the_rest(cells, nr, &plan);
	return cells;
}
