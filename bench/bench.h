/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A benchmark of locks between processes: ksync beside what a program could use
 * instead of it.
 *
 *	main.c		options, and which runs are made in which order
 *	cells.c		the list of what is measured
 *	run.c		one run: processes are forked, started together, stopped
 *	machine.c	what this machine is, and whether others disturbed a run
 *	work_*.c	the workloads
 *	loops.h		their inner loops, compiled once for each peer
 *	peer_*.c	the peers, which peers.c puts together
 *	cost.c		instructions per path, and their ceilings
 *	stats.c		histograms, medians
 *	output.c	tables
 *
 * A workload with its parameters is a cell. A run is one cell with one peer. It
 * happens in a process of its own, the leader, which makes the peer's object
 * and forks the workers. Nothing is ever measured between threads.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define CACHE_LINE	64
#define ON_ITS_OWN_LINE	_Alignas(CACHE_LINE)

#define NS_PER_US	1000ULL
#define NS_PER_MS	1000000ULL
#define NS_PER_S	1000000000ULL

#define MAX_PROCS	16
#define MAX_LOCKS	3	/* ping-pong takes three */
#define LOCK_STRIDE	128	/* memory for each, cache lines apart */

/* Histogram of times: 16 steps for each power of two. */
#define HIST_STEPS	16
#define HIST_BUCKETS	(60 * HIST_STEPS)

struct histogram {
	uint64_t nr, worst;
	uint32_t bucket[HIST_BUCKETS];
};

/* What is measured; a run fills in those that its workload has. */
enum metric {
	M_NS,		/* ns per operation, all processes together */
	M_FAIRNESS,	/* operations of the slowest process / of the fastest */
	M_P50,		/* ns waited for the lock */
	M_P99,
	M_WORST,
	M_EXIT,		/* ns from a thread's last word to its end */
	M_BYTES,
	M_TOUCHED,	/* bytes after each primitive was used once, by others */
	M_HANDLES,	/* and after that by the process itself */
	NR_METRICS
};

extern const char *const metric_names[NR_METRICS];

/* An operation and its reverse, which cost something by themselves. */
enum kind {
	K_LOCK,		/* exclusive lock + unlock */
	K_READ,		/* read lock + unlock */
	K_SEM,		/* acquire + release of one permit */
	K_MEMBER,	/* wait group: add + done */
	K_IDLE,		/* wait group: wait with nobody in it */
	K_CALL,		/* floors: a single instruction or system call */
	NR_KINDS
};

extern const char *const kind_names[NR_KINDS];

/* One worker's account, in shared memory after it ended. */
struct account {
	ON_ITS_OWN_LINE uint64_t ops;
	uint64_t writes, violations, ns, exit_ns;
	int error;
	struct histogram waits;
};

/* Shared by the leader and its workers. */
struct shared {
	ON_ITS_OWN_LINE _Atomic uint32_t ready;
	ON_ITS_OWN_LINE _Atomic uint32_t go;
	ON_ITS_OWN_LINE _Atomic uint32_t stop;
	ON_ITS_OWN_LINE volatile uint64_t value;	/* what locks protect */
	volatile uint64_t copy;
	ON_ITS_OWN_LINE _Atomic uint32_t inside;
	ON_ITS_OWN_LINE _Atomic uint32_t round;		/* fan-in */
	struct {
		ON_ITS_OWN_LINE _Atomic uint32_t round;
	} reached[MAX_PROCS];
	ON_ITS_OWN_LINE char memory[MAX_LOCKS * LOCK_STRIDE];
	struct account account[MAX_PROCS];
	double result[NR_METRICS];
	char message[160];
};

/* A worker, in its own memory. */
struct worker {
	struct shared *shared;
	struct set *set;
	const struct cell *cell;
	int id;
	unsigned long section;	/* loops of busy work while inside */
	uint32_t seed;
	uint64_t ops, writes, violations;
	struct histogram *waits;
};

/* A lock of a peer that is found by number, such as a descriptor. */
struct handle {
	int fd;
	int index;
	uint32_t owner;
};

/* Some locks of one peer, as one process sees them. */
struct set {
	const struct peer *peer;
	unsigned int nr, permits;
	char *memory;			/* shared, LOCK_STRIDE for each */
	void *lock[MAX_LOCKS];		/* what the loops are given */
	struct handle handle[MAX_LOCKS];
	int fd;
	void *object;
};

typedef int (*pairs_fn)(void *lock, long n);
typedef int (*worker_fn)(struct worker *w);

struct fanin {
	int (*arm)(void *lock, unsigned int workers);
	int (*done)(void *lock);
	int (*wait)(void *lock, unsigned int workers);
};

/* All functions return 0 or an errno of either sign. */
struct peer {
	const char *name, *label;
	const char *backend;		/* ksync only */
	unsigned int options;		/* ksync only: flags at creation */
	unsigned int bytes;		/* size, when it is just memory */
	unsigned int max_procs;		/* 0: any */
	bool is_floor;			/* no complete lock */
	bool survives;			/* its objects outlive their processes */
	bool ends_threads;		/* has to do with the end of a thread */

	int (*create)(struct set *s);	/* in the leader */
	int (*attach)(struct set *s);	/* in each worker */
	void (*destroy)(struct set *s);
	void *(*at)(struct set *s, unsigned int index);

	pairs_fn pairs[NR_KINDS];
	worker_fn counter, pingpong;	/* lock */
	worker_fn mixed;		/* read and write lock */
	worker_fn crowd;		/* semaphore */
	const struct fanin *fanin;
};

const struct peer *const *all_peers(unsigned int *nr);

/* What peers.c puts together; each ends with a peer without a name. */
extern const struct peer pthread_peers[], posix_peers[], futex_peers[];
extern const struct peer file_peers[], sysv_peers[], ntsync_peers[];
extern const struct peer ksync_peers[];

/* What is measured, but for the peer. */
struct cell {
	const char *work;
	char variant[32];
	enum kind kind;
	unsigned int procs;
	unsigned int section_ns;
	unsigned int write_percent;
	unsigned int permits;
	unsigned int ms;
	bool one_cpu;		/* all workers on the same */
	bool memory;		/* needs a machine where nobody else allocates */
	bool counts;		/* instructions, on a machine where that can be */
	bool (*fits)(const struct cell *c, const struct peer *p);
	int (*run)(const struct cell *c, struct shared *sh, struct set *s);
};

struct plan {
	bool quick, memory;
	unsigned int ms;	/* a contended run's length; 0: by the mode */
};

struct cell *make_cells(const struct plan *plan, unsigned int *nr);

/* run.c */
enum outcome {
	RUN_OK,
	RUN_ABSENT,		/* this machine has no such peer */
	RUN_FAILED,
};

struct run {
	double value[NR_METRICS];	/* NAN: not measured */
	bool disturbed;
	char message[160];
};

void catch_interrupts(void);
enum outcome run_cell(const struct cell *c, const struct peer *p, struct run *r);
/* For workloads: forks the workers and waits until all are ready. */
int start_workers(const struct cell *c, struct shared *sh, struct set *s,
		  unsigned int nr, worker_fn fn);
void let_go(struct shared *sh);
/* Waits for all; the first error, and what else is wrong, in sh->message. */
int reap_workers(struct shared *sh, unsigned int nr);
int run_for_a_while(const struct cell *c, struct shared *sh, struct set *s,
		    worker_fn fn);
/* In sh->message; returns -EPROTO. */
int broken(struct shared *sh, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int open_set(struct set *s, const struct peer *p, char *memory, unsigned int nr,
	     unsigned int permits);

/* machine.c */
uint64_t now_ns(void);
uint64_t own_cpu_ns(void);
unsigned int nr_cpus(void);
void pin(unsigned int cpu);
void unpin(void);
void calibrate(void);
unsigned long loops_for(unsigned int ns);
void print_machine(const char *prefix);
uint64_t free_memory(void);
void sleep_ms(unsigned int ms);

struct load {
	uint64_t at_ns, busy_ns, steal_ns;
};

void load_begin(struct load *l);
/* Did anybody else run, given the time that the run itself took? */
bool load_disturbed(const struct load *begin, uint64_t own_ns, bool alone);

/* stats.c */
void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);
double histogram_percentile(const struct histogram *h, double part);
/* Sorts. */
double median(double *v, unsigned int nr);

/* output.c */
struct summary {
	double median, min, max;
	unsigned int runs, disturbed;
};

void summarize(const struct run *runs, unsigned int nr, enum metric m,
	       struct summary *s);

/* cost.c */
int print_costs(void);
int check_ceilings(const char *file);

#endif /* BENCH_H */
