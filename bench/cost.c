// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions per path, in user space and kernel together, on a machine that
 * counts them: a guest of QEMU with -icount shift=0, where a nanosecond of the
 * guest's clock is one instruction. They repeat, which times never do, and so
 * can have ceilings that a test holds.
 *
 * A path is PEER/KIND, as in ksync-futex-mutex/lock, or PEER/exit: what the end
 * of a thread that used the lock takes beyond that of one that did not, or
 * PEER/first: what its life took before that, likewise.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "loops.h"
#include "work.h"

#define BATCHES	30
#define PAIRS_IN_BATCH	500
#define LOOPS	200000UL

/* Only what this thread takes counts, and the batch without a timer tick. */
static int count_worker(struct worker *w)
{
	pairs_fn pairs = w->set->peer->pairs[w->cell->kind];
	uint64_t begin, ns, best = UINT64_MAX;
	int i, err;

	for (i = 0; i < BATCHES; i++) {
		begin = own_cpu_ns();
		err = pairs(w->set->lock[0], PAIRS_IN_BATCH);
		ns = own_cpu_ns() - begin;
		if (err)
			return err;
		best = ns < best ? ns : best;
	}
	w->shared->account[w->id].ns = best;
	return 0;
}

static int run_instructions(const struct cell *c, struct shared *sh, struct set *s)
{
	int err = start_workers(c, sh, s, 1, count_worker);

	if (err)
		return err;
	let_go(sh);
	err = reap_workers(sh, 1);
	sh->result[M_NS] = (double)sh->account[0].ns / PAIRS_IN_BATCH;
	return err;
}

/* One loop is a small whole number of instructions, if that is what counts. */
static bool counts_instructions(void)
{
	uint64_t begin, ns, best = UINT64_MAX;
	double each;
	int i;

	for (i = 0; i < BATCHES; i++) {
		begin = own_cpu_ns();
		busy(LOOPS);
		ns = own_cpu_ns() - begin;
		best = ns < best ? ns : best;
	}
	each = (double)best / LOOPS;
	if (each > 1.9 && each < 5.1 && fabs(each - round(each)) < 0.05)
		return true;
	fprintf(stderr, "bench: this machine does not count instructions: a loop takes %.3f ns\n",
		each);
	return false;
}

static enum outcome count_pairs(const struct peer *p, enum kind k,
				double *instructions, struct run *r)
{
	struct cell c = {
		.work = "instructions", .kind = k, .procs = 1, .permits = 1,
		.run = run_instructions,
	};
	enum outcome outcome = run_cell(&c, p, r);

	*instructions = r->value[M_NS];
	return outcome;
}

static double thread_part(const struct run *r, bool end)
{
	return end ? r->value[M_EXIT] : r->value[M_NS] - r->value[M_EXIT];
}

static enum outcome count_thread(const struct peer *p, bool end,
				 double *instructions, struct run *r)
{
	struct cell c = {
		.work = "exit", .procs = 1, .permits = 1, .counts = true,
		.run = run_thread,
	};
	enum outcome outcome = run_cell(&c, &futex_peers[0], r);
	double floor = thread_part(r, end);

	if (outcome == RUN_OK)
		outcome = run_cell(&c, p, r);
	*instructions = thread_part(r, end) - floor;
	return outcome;
}

static enum outcome count(const struct peer *p, const char *path,
			  double *instructions, struct run *r)
{
	enum kind k;

	if (!strcmp(path, "exit") && p->ends_threads)
		return count_thread(p, true, instructions, r);
	if (!strcmp(path, "first") && p->ends_threads)
		return count_thread(p, false, instructions, r);
	for (k = 0; k < NR_KINDS; k++)
		if (p->pairs[k] && !strcmp(path, kind_names[k]))
			return count_pairs(p, k, instructions, r);
	snprintf(r->message, sizeof(r->message), "there is no such path");
	return RUN_FAILED;
}

static int print_path(const struct peer *p, const char *path)
{
	struct run r = { 0 };
	double n;

	switch (count(p, path, &n, &r)) {
	case RUN_OK:
		printf("instructions\t%s\t%s\tinstructions\t%.0f\t%.0f\t%.0f\t1\t0\n",
		       path, p->name, n, n, n);
		return 0;
	case RUN_ABSENT:
		printf("# %s/%s: %s\n", p->name, path, r.message);
		return 0;
	default:
		printf("# %s/%s: FAILED: %s\n", p->name, path, r.message);
		return 1;
	}
}

int print_costs(void)
{
	unsigned int nr, i;
	const struct peer *const *peers = all_peers(&nr);
	int failed = 0, kind;

	if (!counts_instructions())
		return 2;
	print_machine("# ");
	for (i = 0; i < nr; i++) {
		for (kind = 0; kind < NR_KINDS; kind++)
			if (peers[i]->pairs[kind])
				failed |= print_path(peers[i], kind_names[kind]);
		if (peers[i]->ends_threads && i) {
			failed |= print_path(peers[i], "first");
			failed |= print_path(peers[i], "exit");
		}
	}
	return failed;
}

static const struct peer *find_peer(const char *name)
{
	unsigned int nr, i;
	const struct peer *const *peers = all_peers(&nr);

	for (i = 0; i < nr; i++)
		if (!strcmp(peers[i]->name, name))
			return peers[i];
	return NULL;
}

static int check(const char *peer, const char *path, long ceiling)
{
	const struct peer *p = find_peer(peer);
	struct run r = { 0 };
	double n;

	snprintf(r.message, sizeof(r.message), "there is no such peer");
	if (!p || count(p, path, &n, &r) != RUN_OK) {
		printf("FAIL %s/%s %s\n", peer, path, r.message);
		return 1;
	}
	/* What is left of a tick is less than one. */
	printf("%s %s/%s %.0f instructions, ceiling %ld\n",
	       floor(n) <= ceiling ? "PASS" : "FAIL", peer, path, n, ceiling);
	return floor(n) > ceiling;
}

/* Lines of PEER/PATH CEILING; # begins a comment. */
int check_ceilings(const char *file)
{
	FILE *f = fopen(file, "r");
	char line[256], peer[64], path[32];
	int failed = 0, checked = 0, items;
	long ceiling;

	if (!f) {
		perror(file);
		return 2;
	}
	if (!counts_instructions()) {
		fclose(f);
		return 2;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "#")] = 0;
		items = sscanf(line, "%63[^/ \t\n]/%31s %ld", peer, path, &ceiling);
		if (items <= 0)
			continue;
		checked++;
		if (items == 3) {
			failed |= check(peer, path, ceiling);
		} else {
			printf("FAIL %s not PEER/PATH CEILING\n", peer);
			failed = 1;
		}
	}
	fclose(f);
	return checked ? failed : 2;
}
