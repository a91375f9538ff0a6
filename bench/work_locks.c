// SPDX-License-Identifier: GPL-2.0-only
/* Workloads on one lock: alone, with others, by turns. */

#include "bench.h"
#include "work.h"

#define FIRST_GUESS	64

/* As many at a time as take a while, so that the clock does not matter. */
static int alone(struct worker *w)
{
	pairs_fn pairs = w->set->peer->pairs[w->cell->kind];
	uint64_t goal = w->cell->ms * NS_PER_MS, begin, ns;
	void *lock = w->set->lock[0];
	long n = FIRST_GUESS;
	int err;

	for (;;) {
		begin = now_ns();
		err = pairs(lock, n);
		ns = now_ns() - begin;
		if (err)
			return err;
		if (ns * 4 >= goal * 3)
			break;
		if (ns * 100 < goal)
			n *= 10;
		else
			n = n * goal / ns + 1;
	}
	w->ops = n;
	w->shared->account[w->id].ns = ns;
	return 0;
}

bool fits_uncontended(const struct cell *c, const struct peer *p)
{
	/* A semaphore's permit is its lock, and is measured as such. */
	return p->pairs[c->kind] && (c->kind != K_LOCK || !p->pairs[K_SEM]);
}

int run_uncontended(const struct cell *c, struct shared *sh, struct set *s)
{
	int err = start_workers(c, sh, s, 1, alone);

	if (err)
		return err;
	let_go(sh);
	err = reap_workers(sh, 1);
	if (!err)
		sh->result[M_NS] = (double)sh->account[0].ns / sh->account[0].ops;
	return err;
}

bool fits_counter(const struct cell *c, const struct peer *p)
{
	return p->counter && (!p->max_procs || c->procs <= p->max_procs);
}

int run_counter(const struct cell *c, struct shared *sh, struct set *s)
{
	int err = run_for_a_while(c, sh, s, s->peer->counter);
	uint64_t ops = 0;
	unsigned int i;

	if (err)
		return err;
	for (i = 0; i < c->procs; i++)
		ops += sh->account[i].ops;
	if (ops != sh->value)
		return broken(sh, "EXCLUSION VIOLATED: %llu additions, counted %llu",
			      (unsigned long long)ops,
			      (unsigned long long)sh->value);
	return 0;
}

bool fits_pingpong(const struct cell *c, const struct peer *p)
{
	/* Who spins on one CPU spins until its time is up. */
	return p->pingpong && !(c->one_cpu && p->max_procs);
}

int run_pingpong(const struct cell *c, struct shared *sh, struct set *s)
{
	return run_for_a_while(c, sh, s, s->peer->pingpong);
}

/* Readers only, or some that write. */
bool fits_readers(const struct cell *c, const struct peer *p)
{
	return p->mixed;
}

int run_readers(const struct cell *c, struct shared *sh, struct set *s)
{
	int err = run_for_a_while(c, sh, s, s->peer->mixed);
	uint64_t writes = 0;
	unsigned int i;

	if (err)
		return err;
	for (i = 0; i < c->procs; i++)
		writes += sh->account[i].writes;
	if (writes != sh->value)
		return broken(sh, "EXCLUSION VIOLATED: %llu writes, counted %llu",
			      (unsigned long long)writes,
			      (unsigned long long)sh->value);
	return 0;
}

bool fits_crowd(const struct cell *c, const struct peer *p)
{
	return p->crowd;
}

int run_crowd(const struct cell *c, struct shared *sh, struct set *s)
{
	return run_for_a_while(c, sh, s, s->peer->crowd);
}
