// SPDX-License-Identifier: GPL-2.0-only
/* Workloads of a crowd: waiting for all workers; threads that come and go. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "work.h"

#define THREADS	200

/*
 * Fan-in. The gun that starts a round is the same plain futex for every peer;
 * only the way back is the peer's. After the last round it says LAST_ROUND.
 */
#define LAST_ROUND	UINT32_MAX

static uint32_t wait_for_round(struct shared *sh, uint32_t old)
{
	uint32_t now;

	while ((now = atomic_load(&sh->round)) == old)
		syscall(SYS_futex, &sh->round, FUTEX_WAIT, old, NULL, NULL, 0);
	return now;
}

static void start_round(struct shared *sh, uint32_t round)
{
	atomic_store(&sh->round, round);
	syscall(SYS_futex, &sh->round, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int fanin_worker(struct worker *w)
{
	struct shared *sh = w->shared;
	uint32_t round = 0;
	int err = 0;

	while (!err) {
		round = wait_for_round(sh, round);
		if (round == LAST_ROUND)
			break;
		atomic_store(&sh->reached[w->id].round, round);
		err = w->set->peer->fanin->done(w->set->lock[0]);
		w->ops++;
	}
	return err;
}

static bool all_reached(struct shared *sh, unsigned int nr, uint32_t round)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (atomic_load(&sh->reached[i].round) != round)
			return false;
	return true;
}

static int rounds(const struct cell *c, struct shared *sh, struct set *s,
		  uint32_t *done)
{
	const struct fanin *f = s->peer->fanin;
	uint64_t end = now_ns() + c->ms * NS_PER_MS;
	uint32_t round = 0;
	int err = 0;

	while (!err && now_ns() < end) {
		round++;
		err = f->arm ? f->arm(s->lock[0], c->procs) : 0;
		start_round(sh, round);
		if (!err)
			err = f->wait(s->lock[0], c->procs);
		if (!err && !all_reached(sh, c->procs, round))
			err = broken(sh, "EXCLUSION VIOLATED: round ended early");
	}
	*done = round;
	return err;
}

bool fits_fanin(const struct cell *c, const struct peer *p)
{
	return p->fanin;
}

int run_fanin(const struct cell *c, struct shared *sh, struct set *s)
{
	int err = s->peer->attach ? s->peer->attach(s) : 0, reaped;
	uint64_t begin;
	uint32_t nr;

	if (!err)
		err = start_workers(c, sh, s, c->procs, fanin_worker);
	if (err)
		return err;
	let_go(sh);
	begin = now_ns();
	err = rounds(c, sh, s, &nr);
	sh->result[M_NS] = (double)(now_ns() - begin) / nr;
	start_round(sh, LAST_ROUND);
	reaped = reap_workers(sh, c->procs);
	return err ?: reaped;
}

/*
 * Threads that use a lock once and end holding nothing. What a thread does
 * before its last word is one thing, how long it then takes to be gone another.
 */
struct visitor {
	struct set *set;
	uint64_t last_word;
	int err;
};

/*
 * The stack as deep as a first use goes, whoever the peer: giving back its pages
 * is a part of the end, and not of the lock.
 */
static void touch_stack(void)
{
	char room[16384];

	memset(room, 0, sizeof(room));
	asm volatile("" : : "r" (room) : "memory");
}

static void *visit(void *arg)
{
	struct visitor *v = arg;
	pairs_fn pairs = v->set->peer->pairs[K_LOCK];

	touch_stack();
	v->err = pairs ? pairs(v->set->lock[0], 1) : 0;
	v->last_word = now_ns();
	return NULL;
}

/*
 * Where instructions are counted, it does all of it, its end included, before
 * its maker goes on. Otherwise the scheduler decides how much of that is seen.
 * The stack is too small to be given back with page tables of its own, which
 * depends on where it is, and what is near it.
 */
static void at_one_go(pthread_attr_t *attr)
{
	struct sched_param param = { .sched_priority = 1 };

	pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(attr, SCHED_FIFO);
	pthread_attr_setschedparam(attr, &param);
	pthread_attr_setstacksize(attr, 128 * 1024);
}

static int one_thread(struct set *s, const pthread_attr_t *attr, uint64_t *life,
		      uint64_t *end)
{
	struct visitor v = { .set = s };
	uint64_t begin = now_ns(), now;
	pthread_t t;
	int err;

	err = pthread_create(&t, attr, visit, &v);
	if (err)
		return err;
	pthread_join(t, NULL);
	now = now_ns();
	*life = now - begin;
	*end = now - v.last_word;
	return v.err;
}

static int threads_worker(struct worker *w)
{
	struct account *a = &w->shared->account[w->id];
	double lives[THREADS], ends[THREADS];
	uint64_t life = 0, end = 0;
	pthread_attr_t attr;
	int i, err = 0;

	pthread_attr_init(&attr);
	if (w->cell->counts)
		at_one_go(&attr);
	for (i = 0; i < THREADS && !err; i++) {
		err = one_thread(w->set, &attr, &life, &end);
		lives[i] = life;
		ends[i] = end;
	}
	pthread_attr_destroy(&attr);
	if (err)
		return err;
	a->ns = median(lives, THREADS);
	a->exit_ns = median(ends, THREADS);
	return 0;
}

/* Those that note something for a thread, and one that does nothing. */
bool fits_thread(const struct cell *c, const struct peer *p)
{
	return p->ends_threads;
}

int run_thread(const struct cell *c, struct shared *sh, struct set *s)
{
	int err = start_workers(c, sh, s, 1, threads_worker);

	if (err)
		return err;
	let_go(sh);
	err = reap_workers(sh, 1);
	sh->result[M_NS] = sh->account[0].ns;
	sh->result[M_EXIT] = sh->account[0].exit_ns;
	return err;
}
