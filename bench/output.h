/* SPDX-License-Identifier: GPL-2.0-only */
/* How results are written down. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

#include "bench.h"

void print_tsv_header(FILE *f);
/* The medians of a peer's runs of a cell, a line for each metric. */
void print_tsv(FILE *f, const struct cell *c, const struct peer *p,
	       const struct run *runs, unsigned int nr);

/* Tables: which columns a cell has, their titles, and a row for each peer. */
void find_metrics(bool *has, const struct run *runs, unsigned int nr);
void print_title(FILE *f, const struct cell *c, const bool *has);
void print_row(FILE *f, const struct peer *p, const bool *has,
	       const struct run *runs, unsigned int nr);

#endif /* OUTPUT_H */
