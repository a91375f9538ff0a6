// SPDX-License-Identifier: GPL-2.0-only
/* Workloads on objects: their creation, and the memory they take. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "work.h"

#define MILLION		1000000
#define OBJECTS		4000

/* An object with one primitive, made and given back. */
bool fits_creation(const struct cell *c, const struct peer *p)
{
	return p->create && p->destroy && (p->counter || p->crowd);
}

int run_creation(const struct cell *c, struct shared *sh, struct set *s)
{
	ON_ITS_OWN_LINE char memory[LOCK_STRIDE * MAX_LOCKS] = { 0 };
	uint64_t begin = now_ns(), end = begin + c->ms * NS_PER_MS, now;
	const struct peer *p = s->peer;
	unsigned int n = 0;
	struct set other;
	int err;

	do {
		err = open_set(&other, p, memory, 1, 1);
		if (err)
			return err;
		p->destroy(&other);
		n++;
		now = now_ns();
	} while (now < end);
	sh->result[M_NS] = (double)(now - begin) / n;
	return 0;
}

/* What many objects take, by the memory that is free before and after. */
bool fits_memory(const struct cell *c, const struct peer *p)
{
	return p->counter && (p->bytes || (p->create && p->destroy));
}

static void allow_descriptors(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = l.rlim_max < OBJECTS * 8 ? OBJECTS * 8 : l.rlim_max;
	l.rlim_max = l.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &l);
}

static int fill(struct set *sets, char *memory, const struct peer *p,
		unsigned int *made)
{
	int err = 0;

	for (*made = 0; *made < OBJECTS && !err; ++*made) {
		err = open_set(&sets[*made], p, memory + *made * LOCK_STRIDE * MAX_LOCKS,
			       1, 1);
		if (err)
			break;
		/* A lock that nobody ever took may have nothing yet. */
		err = p->attach ? p->attach(&sets[*made]) : 0;
		if (!err)
			err = p->pairs[K_LOCK](sets[*made].lock[0], 1);
	}
	return err;
}

int run_memory(const struct cell *c, struct shared *sh, struct set *s)
{
	size_t size = OBJECTS * (sizeof(*s) + LOCK_STRIDE * MAX_LOCKS);
	const struct peer *p = s->peer;
	struct set *sets;
	unsigned int nr = 0;
	double before;
	int err;

	if (p->bytes) {
		sh->result[M_BYTES] = p->bytes;
		return 0;
	}
	allow_descriptors();
	/* What we need ourselves is there before anything is compared. */
	sets = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (sets == MAP_FAILED)
		return errno;
	before = free_memory();
	err = fill(sets, (char *)(sets + OBJECTS), p, &nr);
	if (!err)
		sh->result[M_BYTES] = (before - free_memory()) / OBJECTS;
	while (nr)
		p->destroy(&sets[--nr]);
	munmap(sets, size);
	return err;
}

/*
 * A million locks in one object; what they take when all are used once, and what
 * handles take in a process that has used all.
 */
bool fits_million(const struct cell *c, const struct peer *p)
{
	return p->at && p->counter && !p->pairs[K_SEM];
}

static int use_all(struct set *s)
{
	unsigned int i;
	void *lock;
	int err;

	for (i = 0; i < MILLION; i++) {
		lock = s->peer->at(s, i);
		if (!lock)
			return -ENOMEM;
		err = s->peer->pairs[K_LOCK](lock, 1);
		if (err)
			return err;
	}
	return 0;
}

/* Its handles go with it. */
static int use_all_in_child(struct set *s)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(!!use_all(s));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return -ECHILD;
	return 0;
}

int run_million(const struct cell *c, struct shared *sh, struct set *s)
{
	ON_ITS_OWN_LINE char memory[LOCK_STRIDE * MAX_LOCKS] = { 0 };
	double before = c->memory ? free_memory() : 0;
	uint64_t begin = now_ns();
	struct set all;
	int err = open_set(&all, s->peer, memory, MILLION, 1);

	if (err)
		return err;
	sh->result[M_NS] = now_ns() - begin;
	if (c->memory)
		sh->result[M_BYTES] = before - free_memory();
	err = abs(use_all_in_child(&all));
	if (c->memory && !err)
		sh->result[M_TOUCHED] = before - free_memory();
	if (!err)
		err = abs(use_all(&all));
	if (c->memory && !err)
		sh->result[M_HANDLES] = before - free_memory();
	s->peer->destroy(&all);
	return err;
}
