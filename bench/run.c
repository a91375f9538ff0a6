// SPDX-License-Identifier: GPL-2.0-only
/*
 * One run: a leader process makes the object and forks the workers, which start
 * and stop together. Whatever hangs is killed with all its workers.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define PATIENCE_MS	120000
#define EXIT_ABSENT	77

static volatile sig_atomic_t interrupted;

static void interrupt(int sig)
{
	interrupted = sig;
}

/* Some objects outlive their processes, and must not outlive us. */
void catch_interrupts(void)
{
	struct sigaction a = { .sa_handler = interrupt };

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
}

int broken(struct shared *sh, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sh->message, sizeof(sh->message), format, args);
	va_end(args);
	return -EPROTO;
}

int open_set(struct set *s, const struct peer *p, char *memory, unsigned int nr,
	     unsigned int permits)
{
	unsigned int i;

	*s = (struct set){
		.peer = p, .nr = nr, .permits = permits, .memory = memory,
		.fd = -1,
	};
	for (i = 0; i < MAX_LOCKS; i++) {
		s->lock[i] = memory + i * LOCK_STRIDE;
		s->handle[i].fd = -1;
		s->handle[i].index = i;
	}
	return p->create ? abs(p->create(s)) : 0;
}

static int wait_for_go(struct shared *sh)
{
	atomic_fetch_add(&sh->ready, 1);
	while (!atomic_load(&sh->go))
		syscall(SYS_futex, &sh->go, FUTEX_WAIT, 0, NULL, NULL, 0);
	return 0;
}

void let_go(struct shared *sh)
{
	atomic_store(&sh->go, 1);
	syscall(SYS_futex, &sh->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int work(struct worker *w, worker_fn fn)
{
	const struct peer *p = w->set->peer;
	struct account *a = &w->shared->account[w->id];

	w->waits = &a->waits;
	w->seed = 0x9e3779b9u * (w->id + 1);
	w->section = w->cell->section_ns ? loops_for(w->cell->section_ns) : 0;
	a->error = p->attach ? abs(p->attach(w->set)) : 0;
	wait_for_go(w->shared);
	if (!a->error)
		a->error = abs(fn(w));
	a->ops = w->ops;
	a->writes = w->writes;
	a->violations = w->violations;
	return a->error != 0;
}

/*
 * Alone or as a pair, workers are pinned; so are readers, who shall show what
 * two CPUs can do. The others are where the scheduler puts them, as programs
 * are.
 */
static void place(const struct cell *c, unsigned int id)
{
	if (c->one_cpu)
		pin(nr_cpus() - 1);
	else if (c->procs <= 2 || c->kind == K_READ)
		pin(nr_cpus() - 1 + id);
	else
		unpin();
}

int start_workers(const struct cell *c, struct shared *sh, struct set *s,
		  unsigned int nr, worker_fn fn)
{
	struct worker w = { .shared = sh, .set = s, .cell = c };
	unsigned int i;
	pid_t pid;

	for (i = 0; i < nr; i++) {
		pid = fork();
		if (pid < 0)
			return errno;
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		place(c, i);
		w.id = i;
		_exit(work(&w, fn));
	}
	while (atomic_load(&sh->ready) < nr)
		usleep(200);
	return 0;
}

int reap_workers(struct shared *sh, unsigned int nr)
{
	unsigned int i;
	int status;

	for (i = 0; i < nr; i++)
		if (wait(&status) < 0 || WIFSIGNALED(status))
			return broken(sh, "a worker was killed");
	for (i = 0; i < nr; i++) {
		if (sh->account[i].error)
			return broken(sh, "worker %u: %s", i,
				      strerror(sh->account[i].error));
		if (sh->account[i].violations)
			return broken(sh, "worker %u saw %llu VIOLATIONS OF EXCLUSION",
				      i, (unsigned long long)sh->account[i].violations);
	}
	return 0;
}

static void account_for_all(struct shared *sh, unsigned int nr, uint64_t ns)
{
	uint64_t ops = 0, min = UINT64_MAX, max = 0, own;
	struct histogram *all = &sh->account[0].waits;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		own = sh->account[i].ops;
		ops += own;
		min = own < min ? own : min;
		max = own > max ? own : max;
		if (i)
			histogram_merge(all, &sh->account[i].waits);
	}
	sh->result[M_NS] = ops ? (double)ns / ops : NAN;
	sh->result[M_FAIRNESS] = max ? (double)min / max : NAN;
	if (all->nr) {
		sh->result[M_P50] = histogram_percentile(all, 0.5);
		sh->result[M_P99] = histogram_percentile(all, 0.99);
		sh->result[M_WORST] = all->worst;
	}
}

int run_for_a_while(const struct cell *c, struct shared *sh, struct set *s,
		    worker_fn fn)
{
	uint64_t begin, end;
	int err = start_workers(c, sh, s, c->procs, fn);

	if (err)
		return broken(sh, "fork: %s", strerror(err));
	begin = now_ns();
	let_go(sh);
	sleep_ms(c->ms);
	atomic_store(&sh->stop, 1);
	end = now_ns();
	err = reap_workers(sh, c->procs);
	if (!err)
		account_for_all(sh, c->procs, end - begin);
	return err;
}

/* No such device, module or kind of object here, or not for us. */
static bool means_absent(int err)
{
	return err == ENODEV || err == ENOENT || err == EOPNOTSUPP ||
	       err == ENOSYS || err == EACCES;
}

static _Noreturn void lead(const struct cell *c, const struct peer *p,
			   struct shared *sh)
{
	struct set s;
	int err;

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	/* The creation is itself what some cells measure. */
	err = open_set(&s, p, sh->memory, MAX_LOCKS, c->permits);
	if (err) {
		broken(sh, "%s", strerror(err));
		_exit(means_absent(err) ? EXIT_ABSENT : 1);
	}
	err = c->run(c, sh, &s);
	if (p->destroy)
		p->destroy(&s);
	if (err && !sh->message[0])
		broken(sh, "%s", strerror(abs(err)));
	_exit(!!err);
}

/* The exit status of the leader, or -1 when it hung. */
static int wait_for_leader(pid_t pid, struct rusage *usage)
{
	struct pollfd pfd = { .events = POLLIN };
	int status, nr;

	pfd.fd = syscall(SYS_pidfd_open, pid, 0);
	do {
		nr = poll(&pfd, 1, PATIENCE_MS);
	} while (nr < 0 && errno == EINTR && !interrupted);
	close(pfd.fd);
	if (nr < 1)
		kill(-pid, SIGKILL);
	wait4(pid, &status, 0, usage);
	if (nr < 1 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static uint64_t cpu_ns(const struct rusage *u)
{
	return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * NS_PER_S +
	       (u->ru_utime.tv_usec + u->ru_stime.tv_usec) * NS_PER_US;
}

static void clean_up_after(const struct peer *p, struct shared *sh)
{
	struct set s = { .peer = p, .memory = sh->memory };

	if (p->survives)
		p->destroy(&s);
}

static enum outcome judge(const struct cell *c, const struct peer *p, int status,
			  struct shared *sh, struct run *r)
{
	if (status == EXIT_ABSENT) {
		snprintf(r->message, sizeof(r->message), "%s", sh->message);
		return RUN_ABSENT;
	}
	if (status) {
		clean_up_after(p, sh);
		snprintf(r->message, sizeof(r->message), "%s",
			 sh->message[0] ? sh->message :
			 status < 0 ? "hung or crashed" : "failed");
		return RUN_FAILED;
	}
	memcpy(r->value, sh->result, sizeof(r->value));
	return RUN_OK;
}

enum outcome run_cell(const struct cell *c, const struct peer *p, struct run *r)
{
	struct rusage usage = { 0 };
	enum outcome outcome;
	struct shared *sh;
	struct load load;
	int i, status;
	pid_t pid;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (sh == MAP_FAILED)
		return RUN_FAILED;
	for (i = 0; i < NR_METRICS; i++)
		sh->result[i] = NAN;
	load_begin(&load);
	pid = fork();
	if (!pid)
		lead(c, p, sh);
	status = pid < 0 ? 1 : wait_for_leader(pid, &usage);
	outcome = judge(c, p, status, sh, r);
	r->disturbed = load_disturbed(&load, cpu_ns(&usage), c->procs == 1);
	munmap(sh, sizeof(*sh));
	if (interrupted)
		exit(128 + interrupted);
	return outcome;
}
