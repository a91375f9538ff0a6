// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which runs are made in which order. All peers take turns in every cell, and
 * all of that is repeated, so that what changes on the machine meets all alike.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

#define MAX_REPETITIONS	25
#define RETRIES		3

struct options {
	struct plan plan;
	unsigned int repetitions, budget_s;
	const char *only, *peers;
	bool tsv;
};

/* What is known about one peer in one cell. */
struct slot {
	bool left_out, failed;
	unsigned int nr;
	struct run runs[MAX_REPETITIONS];
};

struct bench {
	struct options o;
	struct cell *cells;
	unsigned int nr_cells, nr_peers;
	const struct peer *const *peers;
	bool *absent;		/* of each peer */
	struct slot *slots;
	uint64_t retry_until;
	unsigned int failures, redone, disturbed;
};

static struct slot *slot_of(struct bench *b, unsigned int cell, unsigned int peer)
{
	return &b->slots[cell * b->nr_peers + peer];
}

/* Is @name one of the words of @list, or begins like it? No list: all are. */
static bool listed(const char *list, const char *name)
{
	size_t len;

	if (!list)
		return true;
	for (; *list; list += len + !!list[len]) {
		len = strcspn(list, ",");
		if (len && !strncmp(list, name, len))
			return true;
	}
	return false;
}

static void choose(struct bench *b)
{
	unsigned int c, p;

	for (c = 0; c < b->nr_cells; c++)
		for (p = 0; p < b->nr_peers; p++)
			slot_of(b, c, p)->left_out =
				!b->cells[c].fits(&b->cells[c], b->peers[p]) ||
				!listed(b->o.only, b->cells[c].work) ||
				!listed(b->o.peers, b->peers[p]->name);
}

static void take_note(struct bench *b, unsigned int c, unsigned int p,
		      enum outcome outcome, const struct run *r)
{
	struct slot *s = slot_of(b, c, p);

	switch (outcome) {
	case RUN_OK:
		s->runs[s->nr++] = *r;
		b->disturbed += r->disturbed;
		break;
	case RUN_ABSENT:
		b->absent[p] = true;
		fprintf(stderr, "bench: no %s here: %s\n", b->peers[p]->label,
			r->message);
		break;
	case RUN_FAILED:
		s->failed = true;
		b->failures++;
		fprintf(stderr, "bench: FAILED: %s %s %s: %s\n",
			b->cells[c].work, b->cells[c].variant,
			b->peers[p]->name, r->message);
	}
}

/* A disturbed run is made again, as long as there is time for that. */
static void run_slot(struct bench *b, unsigned int c, unsigned int p)
{
	enum outcome outcome;
	struct run r, best;
	int i;

	memset(&best, 0, sizeof(best));
	for (i = 0; i <= RETRIES; i++) {
		memset(&r, 0, sizeof(r));
		outcome = run_cell(&b->cells[c], b->peers[p], &r);
		if (!i || !r.disturbed)
			best = r;
		if (outcome != RUN_OK || !r.disturbed || now_ns() > b->retry_until)
			break;
		b->redone++;
	}
	take_note(b, c, p, outcome, outcome == RUN_OK ? &best : &r);
}

static void repeat(struct bench *b, unsigned int repetition)
{
	unsigned int c, i, p;
	struct slot *s;

	for (c = 0; c < b->nr_cells; c++) {
		/* Nobody always comes after the same other one. */
		for (i = 0; i < b->nr_peers; i++) {
			p = (i + repetition * 7) % b->nr_peers;
			s = slot_of(b, c, p);
			if (!s->left_out && !s->failed && !b->absent[p])
				run_slot(b, c, p);
		}
	}
}

/* A repetition is begun when there will be time to end it. */
static unsigned int repeat_all(struct bench *b)
{
	uint64_t begin = now_ns(), budget = b->o.budget_s * NS_PER_S, used;
	unsigned int i;

	b->retry_until = begin + budget / 2;
	for (i = 0; i < b->o.repetitions; i++) {
		used = now_ns() - begin;
		if (i && used + used / i > budget)
			break;
		repeat(b, i);
		fprintf(stderr, "bench: repetition %u of %u, %llu s\n", i + 1,
			b->o.repetitions,
			(unsigned long long)((now_ns() - begin) / NS_PER_S));
	}
	return i;
}

static bool has_result(const struct slot *s)
{
	return s->nr && !s->failed;
}

static void print_cell_tsv(struct bench *b, unsigned int c)
{
	struct slot *s;
	unsigned int p;

	for (p = 0; p < b->nr_peers; p++) {
		s = slot_of(b, c, p);
		if (has_result(s))
			print_tsv(stdout, &b->cells[c], b->peers[p], s->runs,
				  s->nr);
	}
}

static void print_cell_table(struct bench *b, unsigned int c)
{
	bool has[NR_METRICS] = { false }, any = false;
	struct slot *s;
	unsigned int p;

	for (p = 0; p < b->nr_peers; p++) {
		s = slot_of(b, c, p);
		if (!has_result(s))
			continue;
		find_metrics(has, s->runs, s->nr);
		any = true;
	}
	if (any)
		print_title(stdout, &b->cells[c], has);
	for (p = 0; p < b->nr_peers; p++) {
		s = slot_of(b, c, p);
		if (has_result(s))
			print_row(stdout, b->peers[p], has, s->runs, s->nr);
	}
}

static void print_all(struct bench *b)
{
	unsigned int c;

	if (b->o.tsv)
		print_tsv_header(stdout);
	for (c = 0; c < b->nr_cells; c++) {
		if (b->o.tsv)
			print_cell_tsv(b, c);
		else
			print_cell_table(b, c);
	}
}

static int measure(const struct options *o)
{
	struct bench b = { .o = *o };
	unsigned int nr;

	calibrate();
	b.cells = make_cells(&o->plan, &b.nr_cells);
	b.peers = all_peers(&b.nr_peers);
	b.absent = calloc(b.nr_peers, sizeof(*b.absent));
	b.slots = calloc((size_t)b.nr_cells * b.nr_peers, sizeof(*b.slots));
	if (!b.cells || !b.absent || !b.slots) {
		fprintf(stderr, "bench: no memory\n");
		return 2;
	}
	choose(&b);
	nr = repeat_all(&b);
	print_machine("# ");
	printf("# runs: %u repetitions; %u disturbed runs made again, %u kept; %u failed\n",
	       nr, b.redone, b.disturbed, b.failures);
	print_all(&b);
	free(b.slots);
	free(b.absent);
	free(b.cells);
	return b.failures != 0;
}

static void usage(FILE *f)
{
	fputs("usage: bench [OPTION...]\n"
	      "Locks between processes: ksync beside its peers.\n\n"
	      "  -q       quick: shorter runs, fewer processes\n"
	      "  -m       measure memory too: nobody else may run here\n"
	      "  -r N     repetitions\n"
	      "  -t MS    length of a contended run\n"
	      "  -b S     no repetition that would end after S seconds\n"
	      "  -o LIST  only workloads that begin like a word of LIST\n"
	      "  -p LIST  only such peers\n"
	      "  -T       TSV instead of tables\n"
	      "  -i       count instructions, in a guest that can\n"
	      "  -c FILE  count those of the paths in FILE, and judge\n"
	      "  -l       list peers and workloads\n", f);
}

static int list(const struct options *o)
{
	unsigned int nr, i;
	const struct peer *const *peers = all_peers(&nr);
	struct cell *cells;

	for (i = 0; i < nr; i++)
		printf("peer\t%s\t%s\n", peers[i]->name, peers[i]->label);
	cells = make_cells(&o->plan, &nr);
	for (i = 0; cells && i < nr; i++)
		printf("cell\t%s\t%s\n", cells[i].work, cells[i].variant);
	free(cells);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .budget_s = 600 };
	int opt;

	while ((opt = getopt(argc, argv, "qmr:t:b:o:p:Tic:lh")) != -1) {
		switch (opt) {
		case 'q':
			o.plan.quick = true;
			break;
		case 'm':
			o.plan.memory = true;
			break;
		case 'r':
			o.repetitions = atoi(optarg);
			break;
		case 't':
			o.plan.ms = atoi(optarg);
			break;
		case 'b':
			o.budget_s = atoi(optarg);
			break;
		case 'o':
			o.only = optarg;
			break;
		case 'p':
			o.peers = optarg;
			break;
		case 'T':
			o.tsv = true;
			break;
		case 'i':
			return print_costs();
		case 'c':
			return check_ceilings(optarg);
		case 'l':
			return list(&o);
		default:
			usage(opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	catch_interrupts();
	if (!o.repetitions)
		o.repetitions = o.plan.quick ? 3 : 7;
	if (o.repetitions > MAX_REPETITIONS)
		o.repetitions = MAX_REPETITIONS;
	return measure(&o);
}
