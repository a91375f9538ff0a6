// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random graphs of waits: processes, one of them with two threads, take and
 * give back mutexes, rwlocks and permits at random, without a deadline or with
 * one. A model tells beforehand what must come of each step: had at once,
 * waits, refused, timed out. So every cycle must be found, by the one that
 * closes it, and no other be told of one. Each report is checked against the
 * model. In the end all give back all, and nobody may be left waiting.
 *
 * Ten thousand graphs, or as many as are done in some seconds; KSYNC_GRAPHS=n
 * asks for n, however long that takes. KSYNC_SEED makes a run the same again.
 */
#include "uapi_deadlock_model.h"
#include "uapi_peer.h"

#include <linux/futex.h>
#include <stdint.h>

#define GRAPHS	10000
#define SECONDS	4
#define STEPS	30
#define EDGES	32

/* What a worker is asked to do, and what came of it. */
struct desk {
	int asked;		/* futex; grows with each request */
	int done;		/* likewise, with each result */
	int tid;
	struct call call;
	int ret;
	int edges;
	struct ksync_graph_edge edge[EDGES];
};

static struct desk *desks;
static int fds[RESOURCES], dev;
static __u32 indexes[RESOURCES];
static __u64 ids[RESOURCES];
static unsigned long rng, refused, waited, timed_out;

static unsigned int dice(unsigned int sides)
{
	rng = rng * 6364136223846793005UL + 1442695040888963407UL;
	return (rng >> 33) % sides;
}

static void futex_wait(int *word, int value)
{
	struct timespec patience = { .tv_sec = PATIENCE / NS_PER_S };

	syscall(SYS_futex, word, FUTEX_WAIT, value, &patience, NULL, 0);
}

static void futex_wake(int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void read_cycle(struct desk *d)
{
	struct ksync_graph_args args = {
		.edges = (uintptr_t)d->edge,
		.room = EDGES,
		.size = sizeof(d->edge[0]),
	};

	d->edges = ioctl(dev, KSYNC_IOC_DEV_CYCLE, &args) ? -errno : args.nr;
}

static void *work(void *arg)
{
	struct desk *d = arg;
	int seen = 0;

	d->tid = gettid_raw();
	__atomic_store_n(&d->done, 0, __ATOMIC_SEQ_CST);
	futex_wake(&d->done);
	for (;;) {
		while (__atomic_load_n(&d->asked, __ATOMIC_SEQ_CST) == seen)
			futex_wait(&d->asked, seen);
		seen++;
		d->ret = call_run(&d->call);
		if (d->ret == -EDEADLK)
			read_cycle(d);
		__atomic_store_n(&d->done, seen, __ATOMIC_SEQ_CST);
		futex_wake(&d->done);
	}
	return NULL;
}

static int start_workers(void)
{
	pthread_t thread;
	size_t slot = 0;
	pid_t pid;
	int p, w;

	for (p = 0; p < PROCESSES; p++) {
		pid = fork();
		if (pid < 0)
			return -errno;
		if (pid) {
			peers_alive[slot++] = pid;
			continue;
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (w = PROCESSES; p == PROCESSES - 1 && w < WORKERS; w++)
			pthread_create(&thread, NULL, work, &desks[w]);
		work(&desks[p]);
	}
	for (w = 0; w < WORKERS; w++)
		if (!UNTIL(!__atomic_load_n(&desks[w].done, __ATOMIC_SEQ_CST)))
			return -ETIME;
	return 0;
}

static bool is_done(int w)
{
	return __atomic_load_n(&desks[w].done, __ATOMIC_SEQ_CST) ==
	       __atomic_load_n(&desks[w].asked, __ATOMIC_SEQ_CST);
}

static void ask_for(int w, struct call c, int r)
{
	desks[w].call = at(indexes[r], c);
	__atomic_fetch_add(&desks[w].asked, 1, __ATOMIC_SEQ_CST);
	futex_wake(&desks[w].asked);
}

static bool finish(int w, int expected, const char *what)
{
	int asked = desks[w].asked, done;
	__u64 end = soon();

	while ((done = __atomic_load_n(&desks[w].done, __ATOMIC_SEQ_CST)) != asked) {
		if (now_ns() > end) {
			fprintf(stderr, "# worker %d: %s: never ends\n", w, what);
			return false;
		}
		futex_wait(&desks[w].done, done);
	}
	if (desks[w].ret == expected)
		return true;
	fprintf(stderr, "# worker %d: %s: %d, not %d\n", w, what, desks[w].ret,
		expected);
	return false;
}

static struct call acquire_call(int r, int how, int count, __u64 deadline)
{
	if (how == TAKES)
		return sem_acquire(fds[r], count, deadline);
	if (!is_rwlock(r))
		return mutex_lock(fds[r], deadline);
	return how == READS ? rwlock_rdlock(fds[r], deadline) :
			      rwlock_wrlock(fds[r], deadline);
}

static struct call release_call(int r, int count)
{
	if (is_sem(r))
		return sem_release(fds[r], count);
	return is_rwlock(r) ? rwlock_unlock(fds[r]) : mutex_unlock(fds[r]);
}

/* The queues are as the model has them, and who waits has no answer. */
static bool agrees(const struct model *m)
{
	int r, w;

	for (w = 0; w < WORKERS; w++)
		if (is_done(w) == !!m->wait[w].how)
			return false;
	for (r = 0; r < RESOURCES; r++)
		if (!is_queued(fds[r], indexes[r],
			       m->queued[r] - waiting(m, r, READS),
			       waiting(m, r, READS)))
			return false;
	return true;
}

static void dump(const struct model *m)
{
	int w, r;

	for (w = 0; w < WORKERS; w++) {
		fprintf(stderr, "# worker %d:", w);
		for (r = 0; r < RESOURCES; r++) {
			if (m->held[w][r])
				fprintf(stderr, " %s %d",
					m->held[w][r] == READS ? "reads" :
								 "writes", r);
			if (m->permits[process_of(w)][r])
				fprintf(stderr, " has %d of %d",
					m->permits[process_of(w)][r], r);
		}
		if (m->wait[w].how)
			fprintf(stderr, " waits for %d (%d, %d)",
				m->wait[w].resource, m->wait[w].how,
				m->wait[w].count);
		fprintf(stderr, "%s\n", is_done(w) ? "" : ", no answer");
	}
}

static int worker_of(__u32 tid)
{
	int w;

	for (w = 0; w < WORKERS; w++)
		if ((__u32)desks[w].tid == tid)
			return w;
	return -1;
}

static bool behind(const struct model *m, int r, int w, int ahead)
{
	int i;

	for (i = 0; i < m->queued[r]; i++) {
		if (m->queue[r][i] == ahead)
			return true;
		if (m->queue[r][i] == w && is_sem(r))
			return false;
	}
	return false;
}

/* Is that wait, and what stands in its way, as the model has it? */
static bool edge_true(const struct model *m, const struct ksync_graph_edge *e)
{
	int w = worker_of(e->waiter_tid), h = worker_of(e->holder_tid);
	int r, how;

	if (w < 0 || h < 0)
		return false;
	r = m->wait[w].resource;
	how = m->wait[w].how;
	if (how == NOTHING || e->object != ids[r] || e->index != indexes[r] ||
	    e->want != (how == TAKES ? KSYNC_EDGE_WANT_PERMITS :
			how == READS ? KSYNC_EDGE_WANT_SHARED :
				       KSYNC_EDGE_WANT_EXCLUSIVE))
		return false;
	switch (e->held) {
	case KSYNC_EDGE_HELD_EXCLUSIVE:
		return m->held[h][r] == WRITES;
	case KSYNC_EDGE_HELD_SHARED:
		return m->held[h][r] == READS && how == WRITES;
	case KSYNC_EDGE_HELD_PERMITS:
		return e->count && m->permits[process_of(h)][r] == (int)e->count;
	case KSYNC_EDGE_HELD_QUEUE:
		return how != WRITES && m->wait[h].how == (how == READS ?
							   WRITES : TAKES) &&
		       behind(m, r, w, h);
	}
	return false;
}

/*
 * Every edge is true, every holder waits itself (a process: all its threads),
 * and so does the one that was refused, first. @m has it queued.
 */
static bool cycle_true(const struct model *m, int refused_one)
{
	const struct desk *d = &desks[refused_one];
	int permits[WORKERS] = { 0 };
	bool waits[WORKERS] = { false }, takes[WORKERS] = { false };
	bool back = false;
	int i, w, h;

	if (d->edges < 1 || worker_of(d->edge[0].waiter_tid) != refused_one)
		return false;
	for (i = 0; i < d->edges; i++) {
		if (!edge_true(m, &d->edge[i]))
			return false;
		w = worker_of(d->edge[i].waiter_tid);
		waits[w] = true;
		if (d->edge[i].held == KSYNC_EDGE_HELD_PERMITS) {
			takes[w] = true;
			permits[w] += d->edge[i].count;
		}
	}
	for (i = 0; i < d->edges; i++) {
		h = worker_of(d->edge[i].holder_tid);
		for (w = 0; w < WORKERS; w++) {
			if (w != h && (d->edge[i].held != KSYNC_EDGE_HELD_PERMITS ||
				       process_of(w) != process_of(h)))
				continue;
			back |= w == refused_one;
			if (!waits[w])
				return false;
		}
	}
	for (w = 0; w < WORKERS; w++)
		if (takes[w] && PERMITS - permits[w] >= m->wait[w].count)
			return false;
	return back;
}

static bool step_acquire(struct model *m, int w)
{
	int r = dice(RESOURCES), how = is_sem(r) ? TAKES : WRITES;
	int count = 1 + dice(PERMITS);
	bool limited = !dice(6);
	struct call c;

	if (is_rwlock(r) && dice(2))
		how = READS;
	if (m->held[w][r])
		return true;
	c = acquire_call(r, how, count, limited ? in_ms(1) : NEVER);
	ask_for(w, c, r);
	if (available(m, r, how, count)) {
		take(m, w, r, how, count);
		return finish(w, 0, "what is free");
	}
	if (limited) {
		timed_out++;
		return finish(w, -ETIMEDOUT, "with a deadline");
	}
	enqueue(m, w, r, how, count);
	if (!model_stuck(m, w)) {
		waited++;
		if (UNTIL(agrees(m)))
			return true;
		fprintf(stderr, "# worker %d: does not wait (%d)\n", w,
			is_done(w) ? desks[w].ret : 0);
		dump(m);
		return false;
	}
	refused++;
	if (!finish(w, -EDEADLK, "a cycle")) {
		dump(m);
		return false;
	}
	if (!cycle_true(m, w)) {
		fprintf(stderr, "# worker %d: a wrong report\n", w);
		dump(m);
		return false;
	}
	dequeue(m, w);
	return true;
}

/* Gives one thing back, and sees who gets it. */
static bool step_release(struct model *m, int w)
{
	int r, start_at = dice(RESOURCES), i, count;
	struct model before;

	for (i = 0; i < RESOURCES; i++) {
		r = (start_at + i) % RESOURCES;
		count = m->permits[process_of(w)][r];
		if (!m->held[w][r] && !count)
			continue;
		before = *m;
		give(m, w, r, count);
		ask_for(w, release_call(r, count), r);
		if (!finish(w, 0, "release"))
			return false;
		for (i = 0; i < WORKERS; i++)
			if (before.wait[i].how && !m->wait[i].how &&
			    !finish(i, 0, "granted"))
				return false;
		return true;
	}
	return true;
}

static int idle_worker(const struct model *m)
{
	int i, w = dice(WORKERS);

	for (i = 0; i < WORKERS; i++)
		if (m->wait[(w + i) % WORKERS].how == NOTHING)
			return (w + i) % WORKERS;
	return -1;
}

static bool holds_any(const struct model *m, int w)
{
	int r;

	for (r = 0; r < RESOURCES; r++)
		if (m->held[w][r] || m->permits[process_of(w)][r])
			return true;
	return false;
}

/* All give back all: as nobody waits for ever, nobody stays behind. */
static bool take_down(struct model *m)
{
	bool again;
	int w;

	do {
		again = false;
		for (w = 0; w < WORKERS; w++) {
			while (m->wait[w].how == NOTHING && holds_any(m, w)) {
				if (!step_release(m, w))
					return false;
				again = true;
			}
		}
	} while (again);
	return UNTIL(agrees(m));
}

static bool run_graph(void)
{
	struct model m;
	int i, w;

	model_init(&m);
	for (i = 0; i < STEPS && (w = idle_worker(&m)) >= 0; i++)
		if (!(dice(6) ? step_acquire(&m, w) : step_release(&m, w)))
			return false;
	/* Nobody was refused late, either. */
	if (!UNTIL(agrees(&m))) {
		fprintf(stderr, "# somebody does not wait any more\n");
		return false;
	}
	return take_down(&m);
}

static void make_resources(void)
{
	int m = create(dev, KSYNC_TYPE_MUTEX, 0, MUTEXES);
	int rw = create(dev, KSYNC_TYPE_RWLOCK, 0, RWLOCKS);
	int r;

	for (r = 0; r < RESOURCES; r++) {
		if (is_sem(r)) {
			fds[r] = create_sem(dev, KSYNC_F_TRACKED, PERMITS,
					    PERMITS);
		} else {
			fds[r] = is_rwlock(r) ? rw : m;
			indexes[r] = is_rwlock(r) ? r - MUTEXES : r;
		}
		ids[r] = info(fds[r]).id;
	}
}

FIXTURE(graphs)
{
};

FIXTURE_SETUP(graphs)
{
	int i;

	dev = device_open();
	ASSERT_LE(0, dev);
	make_resources();
	desks = mmap(NULL, WORKERS * sizeof(*desks), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(desks != MAP_FAILED);
	for (i = 0; i < WORKERS; i++)
		desks[i].done = -1;
	ASSERT_EQ(0, start_workers());
}

FIXTURE_TEARDOWN(graphs)
{
	peers_end();
}

TEST_F_TIMEOUT(graphs, random, 3600)
{
	const char *graphs = getenv("KSYNC_GRAPHS");
	const char *seed = getenv("KSYNC_SEED");
	int i, n = graphs ? atoi(graphs) : GRAPHS;
	__u64 begin = now_ns(), ns = 0;

	rng = seed ? strtoul(seed, NULL, 0) : begin;
	TH_LOG("KSYNC_SEED=%lu", rng);
	for (i = 0; i < n && (graphs || ns < SECONDS * NS_PER_S); i++) {
		ASSERT_TRUE(run_graph());
		ns = now_ns() - begin;
	}
	TH_LOG("%d graphs in %llu ms: %lu refused, %lu waited, %lu timed out",
	       i, (unsigned long long)(ns / NS_PER_MS), refused, waited,
	       timed_out);
	EXPECT_LT(0, refused);
}

UAPI_MAIN
