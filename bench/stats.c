// SPDX-License-Identifier: GPL-2.0-only
/* Histograms of waiting times, and medians. */
#include <math.h>
#include <stdlib.h>

#include "bench.h"

/* Values below HIST_STEPS have a bucket each; then 16 for each power of two. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int power, bucket;

	if (ns < HIST_STEPS)
		return ns;
	power = 63 - __builtin_clzll(ns);
	bucket = (power - 3) * HIST_STEPS + ((ns >> (power - 4)) & (HIST_STEPS - 1));
	return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

/* The middle of a bucket. */
static double value_of(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < HIST_STEPS)
		return bucket;
	shift = bucket / HIST_STEPS - 1;
	return ldexp(HIST_STEPS + bucket % HIST_STEPS + 0.5, shift);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->bucket[bucket_of(ns)]++;
	h->nr++;
	if (ns > h->worst)
		h->worst = ns;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->nr += from->nr;
	if (from->worst > to->worst)
		to->worst = from->worst;
}

double histogram_percentile(const struct histogram *h, double part)
{
	uint64_t seen = 0, wanted = ceil(h->nr * part);
	unsigned int i;

	if (!h->nr)
		return NAN;
	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= wanted && seen)
			return value_of(i);
	}
	return h->worst;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *v, unsigned int nr)
{
	if (!nr)
		return NAN;
	qsort(v, nr, sizeof(*v), compare);
	return nr % 2 ? v[nr / 2] : (v[nr / 2 - 1] + v[nr / 2]) / 2;
}

/* What was disturbed counts only where there is nothing better. */
void summarize(const struct run *runs, unsigned int nr, enum metric m,
	       struct summary *s)
{
	double *v = calloc(nr ? nr : 1, sizeof(*v));
	unsigned int i, n = 0, quiet = 0;

	*s = (struct summary){ .median = NAN };
	if (!v)
		return;
	for (i = 0; i < nr; i++)
		quiet += !runs[i].disturbed && !isnan(runs[i].value[m]);
	for (i = 0; i < nr; i++) {
		if (isnan(runs[i].value[m]) || (quiet && runs[i].disturbed))
			continue;
		v[n++] = runs[i].value[m];
	}
	s->median = median(v, n);
	s->runs = n;
	s->disturbed = quiet ? 0 : n;
	s->min = n ? v[0] : NAN;
	s->max = n ? v[n - 1] : NAN;
	free(v);
}
