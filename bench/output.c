// SPDX-License-Identifier: GPL-2.0-only
/* Results: a line of TSV for each number, and tables for the eye. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "output.h"

const char *const metric_names[NR_METRICS] = {
	[M_NS] = "ns",
	[M_FAIRNESS] = "fairness",
	[M_P50] = "p50",
	[M_P99] = "p99",
	[M_WORST] = "worst",
	[M_EXIT] = "exit",
	[M_BYTES] = "bytes",
	[M_TOUCHED] = "touched",
	[M_HANDLES] = "handles",
};

static const char *const metric_titles[NR_METRICS] = {
	[M_NS] = "ns per operation",
	[M_FAIRNESS] = "min/max",
	[M_P50] = "p50 wait",
	[M_P99] = "p99 wait",
	[M_WORST] = "worst wait",
	[M_EXIT] = "ns to end",
	[M_BYTES] = "bytes",
	[M_TOUCHED] = "bytes used",
	[M_HANDLES] = "with handles",
};

void print_tsv_header(FILE *f)
{
	fprintf(f, "work\tvariant\tpeer\tmetric\tmedian\tmin\tmax\truns\tdisturbed\n");
}

void print_tsv(FILE *f, const struct cell *c, const struct peer *p,
	       const struct run *runs, unsigned int nr)
{
	struct summary s;
	int m;

	for (m = 0; m < NR_METRICS; m++) {
		summarize(runs, nr, m, &s);
		if (!s.runs)
			continue;
		fprintf(f, "%s\t%s\t%s\t%s\t%.4g\t%.4g\t%.4g\t%u\t%u\n",
			c->work, c->variant, p->name, metric_names[m],
			s.median, s.min, s.max, s.runs, s.disturbed);
	}
}

void print_title(FILE *f, const struct cell *c, const bool *has)
{
	int m;

	fprintf(f, "\n%s %s\n%-28s", c->work, c->variant, "");
	for (m = 0; m < NR_METRICS; m++)
		if (has[m])
			fprintf(f, " %16s", metric_titles[m]);
	fputc('\n', f);
}

static void print_number(FILE *f, const struct summary *s)
{
	if (isnan(s->median))
		fprintf(f, " %16s", "");
	else if (s->median < 100)
		fprintf(f, " %15.2f%c", s->median, s->disturbed ? '?' : ' ');
	else
		fprintf(f, " %15.0f%c", s->median, s->disturbed ? '?' : ' ');
}

void find_metrics(bool *has, const struct run *runs, unsigned int nr)
{
	struct summary s;
	int m;

	for (m = 0; m < NR_METRICS; m++) {
		summarize(runs, nr, m, &s);
		has[m] |= s.runs != 0;
	}
}

void print_row(FILE *f, const struct peer *p, const bool *has,
	       const struct run *runs, unsigned int nr)
{
	struct summary s;
	int m;

	fprintf(f, "%-28s", p->label);
	for (m = 0; m < NR_METRICS; m++) {
		if (!has[m])
			continue;
		summarize(runs, nr, m, &s);
		print_number(f, &s);
	}
	fputc('\n', f);
}
