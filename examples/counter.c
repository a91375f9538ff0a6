// SPDX-License-Identifier: GPL-2.0-only
/* The parent: starts the workers, kills them, and reports; see counter.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "counter.h"

#define LOOKS_PER_LINE	50		/* a look is at least a millisecond */
#define STUCK_LOOKS	30000		/* without progress: something is wrong */

struct demo {
	struct shared *shared;
	struct ksync_mutex *mutex;
	char name[32];
	int workers;
	uint64_t each;
	int batch;
	int kills;
	unsigned int seed;

	pid_t pid[MAX_WORKERS];	/* 0: has finished */
	int alive;
	int killed, inside, half_done;
	bool tty;
	int percent;		/* last reported */
	struct timespec start;
	uint64_t last_counter;
	unsigned int looks;
	int idle_looks;		/* since it was another */
};

static uint64_t total(const struct demo *d)
{
	return d->workers * d->each;
}

static pid_t start_worker(struct demo *d, int w)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0) {
		perror("counter: fork");
		exit(1);
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? work(d->shared, d->name, w) : 1);
	}
	d->pid[w] = pid;
	return pid;
}

/* The report: one line that changes on a terminal, otherwise some lines. */

static void print_progress(struct demo *d)
{
	uint64_t counter = d->shared->counter;
	int percent = 100 * counter / total(d);

	if (!d->tty && percent / 10 == d->percent / 10)
		return;
	d->percent = percent;
	printf("%s%3d%%  %" PRIu64 " of %" PRIu64
	       "  %d running  %d killed: %d inside, %d outside%s",
	       d->tty ? "\r\033[K" : "", percent, counter, total(d), d->alive,
	       d->killed, d->inside, d->killed - d->inside,
	       d->tty ? "" : "\n");
	fflush(stdout);
}

static void print_line(struct demo *d, const char *fmt, ...)
{
	va_list args;

	if (d->tty)
		printf("\r\033[K");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* "Never stuck" is the promise; if it were broken, say so and stop. */
static void check_progress(struct demo *d)
{
	struct ksync_status st;

	d->idle_looks++;
	if (d->shared->counter != d->last_counter)
		d->idle_looks = 0;
	d->last_counter = d->shared->counter;
	if (d->idle_looks < STUCK_LOOKS)
		return;
	ksync_mutex_status(d->mutex, &st);
	print_line(d, "stuck at %" PRIu64 ": mutex held %u by pid %d, waiters %u",
		   d->last_counter, st.held, st.holder_pid, st.waiters);
	exit(1);
}

static void look(struct demo *d)
{
	sleep_a_little();
	check_progress(d);
	/* A terminal is slow, too. */
	if (d->looks++ % LOOKS_PER_LINE == 0)
		print_progress(d);
}

static void reap_finished(struct demo *d)
{
	int status, w;

	for (w = 0; w < d->workers; w++) {
		if (!d->pid[w] || waitpid(d->pid[w], &status, WNOHANG) <= 0)
			continue;
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			print_line(d, "worker %d failed", w);
			exit(1);
		}
		d->pid[w] = 0;
		d->alive--;
	}
}

static const struct recovery *find_recovery(const struct shared *s, int from,
					    pid_t victim)
{
	for (; from < s->nr_recoveries; from++)
		if (s->recoveries[from].victim == victim ||
		    !s->recoveries[from].victim)
			return &s->recoveries[from];
	return NULL;
}

/*
 * What the death of @victim meant for the others: a recovery, or NULL once
 * somebody has entered without one.
 */
static const struct recovery *wait_for_effect(struct demo *d, int from,
					      pid_t victim)
{
	uint64_t at_death = d->shared->entries;

	for (;;) {
		/* In this order: who enters recovers first. */
		bool over = d->shared->entries > at_death || !d->alive;
		const struct recovery *r;

		r = find_recovery(d->shared, from, victim);
		if (r || over)
			return r;
		look(d);
		reap_finished(d);
	}
}

static void report_death(struct demo *d, uint64_t at, pid_t victim,
			 pid_t successor, const struct recovery *r)
{
	d->killed++;
	if (!r) {
		print_line(d, "  %" PRIu64 ": killed %d outside; %d takes over",
			   at, victim, successor);
		return;
	}
	d->inside++;
	d->half_done += r->open;
	print_line(d, "  %" PRIu64 ": killed %d INSIDE, %s: %d got EOWNERDEAD, %s; %d takes over",
		   at, victim,
		   r->broken ? "counter wrong" :
		   r->open ? "update not closed" : "between updates",
		   r->by, r->open ? "undid it" : "nothing to undo", successor);
}

/* Until worker @w stands still inside its update, or will not come there. */
static void aim(struct demo *d, int w)
{
	struct shared *s = d->shared;

	s->caught = false;
	s->point = rand_r(&d->seed) % NR_POINTS;
	s->victim = w;
	while (!s->caught && s->share[w] < d->each)
		look(d);
}

static void kill_one(struct demo *d)
{
	int from = d->shared->nr_recoveries;
	const struct recovery *r;
	pid_t victim, successor;
	uint64_t at;
	int w, status;

	do
		w = rand_r(&d->seed) % d->workers;
	while (!d->pid[w]);
	if (rand_r(&d->seed) % 3)
		aim(d, w);
	victim = d->pid[w];
	at = d->shared->counter;
	kill(victim, SIGKILL);
	waitpid(victim, &status, 0);
	d->shared->victim = NO_WORKER;
	if (WIFEXITED(status)) {
		/* Too late: it had finished. */
		d->pid[w] = 0;
		d->alive--;
		return;
	}
	successor = start_worker(d, w);
	r = wait_for_effect(d, from, victim);
	report_death(d, at, victim, successor, r);
}

/*
 * The counter at which kill number @i is due: all of them evenly spread, before
 * the first workers have done their share.
 */
static uint64_t kill_point(const struct demo *d, int i)
{
	return total(d) * 9 / 10 * (i + 1) / (d->kills + 1);
}

/* However fast the machine is, one kill comes after the other. */
static void set_limit(struct demo *d)
{
	d->shared->limit = d->killed < d->kills ?
			   kill_point(d, d->killed + 1) : UINT64_MAX;
}

static void run(struct demo *d)
{
	int w;

	d->shared->victim = NO_WORKER;
	d->alive = d->workers;
	clock_gettime(CLOCK_MONOTONIC, &d->start);
	set_limit(d);
	for (w = 0; w < d->workers; w++)
		start_worker(d, w);
	while (d->alive) {
		if (d->killed < d->kills &&
		    d->shared->counter >= kill_point(d, d->killed)) {
			kill_one(d);
			set_limit(d);
		}
		look(d);
		reap_finished(d);
	}
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec +
	       (now.tv_nsec - start->tv_nsec) / 1e9;
}

static int verdict(struct demo *d)
{
	double took = seconds_since(&d->start);
	struct ksync_status st = { };
	uint64_t counter;
	bool exact;
	int err;

	err = enter(d->shared, d->mutex, getpid());
	counter = d->shared->counter;
	if (!err)
		err = leave(d->shared, d->mutex);
	if (!err)
		err = ksync_mutex_status(d->mutex, &st);
	if (err) {
		print_line(d, "the mutex cannot be used any more: %s",
			   ksync_strerror(err));
		return 1;
	}
	print_line(d, "killed %d: %d inside the lock (%d in the middle of an update), %d outside\n"
		   "the mutex counts %u holders that died and %" PRIu64 " acquisitions, in %.1f s",
		   d->killed, d->inside, d->half_done, d->killed - d->inside,
		   st.deaths, st.acquisitions, took);
	exact = counter == total(d) && sum_of_shares(d->shared) == total(d);
	printf("expected %" PRIu64 ", counted %" PRIu64 ": %s\n", total(d),
	       counter, exact ? "exact" : "WRONG");
	return exact ? 0 : 1;
}

static void help(void)
{
	printf("Usage: counter [-p PROCESSES] [-n INCREMENTS] [-b BATCH] [-k KILLS] [-s SEED]\n\n"
	       "PROCESSES (10) add INCREMENTS (100000) each to one counter under one named mutex,\n"
	       "which is locked anew after every BATCH (1) of them, while KILLS (30) processes are\n"
	       "killed with SIGKILL and replaced; two of three are stopped in the middle of an\n"
	       "update first. Exits with 0 when the count is exact. SEED (1) chooses victims.\n");
}

static void parse_options(struct demo *d, int argc, char **argv)
{
	long v;
	int c;

	while ((c = getopt(argc, argv, "p:n:b:k:s:h")) != -1) {
		v = optarg ? atol(optarg) : 0;
		if (c == 'p' && v >= 1 && v <= MAX_WORKERS) {
			d->workers = v;
		} else if (c == 'n' && v >= 1 && v <= INT32_MAX) {
			d->each = v;
		} else if (c == 'b' && v >= 1 && v <= INT32_MAX) {
			d->batch = v;
		} else if (c == 'k' && v >= 0 && v <= MAX_KILLS) {
			d->kills = v;
		} else if (c == 's' && v >= 0 && v <= INT32_MAX) {
			d->seed = v;
		} else {
			help();
			exit(c == 'h' ? 0 : 2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct demo d = {
		.workers = 10, .each = 100000, .batch = 1, .kills = 30, .seed = 1,
	};
	const char *term;
	int err;

	parse_options(&d, argc, argv);
	term = getenv("TERM");
	d.tty = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb");
	d.shared = mmap(NULL, sizeof(*d.shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d.shared == MAP_FAILED) {
		perror("counter: mmap");
		return 1;
	}
	d.shared->each = d.each;
	d.shared->batch = d.batch;
	snprintf(d.name, sizeof(d.name), "counter-%d", getpid());
	err = ksync_mutex_open(&d.mutex, d.name, O_CREAT | O_EXCL, 0600, NULL);
	if (err) {
		fprintf(stderr, "counter: cannot make the mutex '%s': %s\n",
			d.name, ksync_strerror(err));
		return 1;
	}
	print_line(&d, "%d processes add %" PRIu64 " each, %d at a time; %d kills; backend: %s",
		   d.workers, d.each, d.batch, d.kills, ksync_backend());
	run(&d);
	err = verdict(&d);
	ksync_mutex_close(d.mutex);
	return err;
}
