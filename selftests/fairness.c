// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fairness. Where it can be, it is counted and not timed: how many others came
 * first is the same on a slow machine. The bounds have room for the scheduler;
 * a lock that knows no queue misses them by far.
 *
 * Who counts may lose its processor between the count and the call, for long on a
 * busy machine. So the medians say most, and the highest little.
 */

#include "actor.h"

/* How long a busy holder keeps it: asleep, so that one CPU is enough. */
#define HOLD_NS	(3 * NSEC_PER_MSEC)
#define MOST	200

/* Shared with the busy actors. */
struct field {
	struct ksync_mutex *m;
	struct ksync_rwlock *rw;
	struct ksync_sem *s;
	volatile bool stop;
	volatile int next;		/* for order, under the lock */
	volatile uint64_t passed;	/* atomically: small requests served */
};

FIXTURE(fairness) {
	struct field *f;
	struct actor busy[4];
};

FIXTURE_SETUP(fairness)
{
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_FAIR);
	self->f = shared_memory(sizeof(*self->f));
}

FIXTURE_TEARDOWN(fairness)
{
	int i;

	if (self->f)
		self->f->stop = true;
	for (i = 0; i < 4; i++)
		actor_end(&self->busy[i]);
	if (self->f) {
		ksync_mutex_close(self->f->m);
		ksync_rwlock_close(self->f->rw);
		ksync_sem_close(self->f->s);
	}
}

static int by_size(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The one that @percent of the @n are not above. */
static int percentile(int *values, int n, int percent)
{
	qsort(values, n, sizeof(*values), by_size);
	return values[(n - 1) * percent / 100];
}

static long relock_at_once(void *obj, uint64_t unused)
{
	struct field *f = obj;
	int err = 0;

	while (!f->stop && !err) {
		err = ksync_mutex_lock(f->m);
		if (err)
			break;
		sleep_ns(HOLD_NS);
		err = ksync_mutex_unlock(f->m);
	}
	return err;
}

/*
 * The busy one unlocks and locks again at once, with the sleeper still on its
 * way: without hand-over it wins nearly always. With it, a sleeper that waited
 * for 1 ms is next, so at most two holds pass: the one under way and one more.
 */
TEST_F(fairness, starve_sleeper)
{
	int i, overtaken[30];
	uint64_t before;

	ASSERT_EQ(0, ksync_mutex_create(&self->f->m, NULL));
	ASSERT_EQ(0, actor_begin(&self->busy[0], ACTOR_PROCESS));
	actor_start(&self->busy[0], relock_at_once, self->f, 0);
	ASSERT_TRUE(WAIT_FOR(ksync_mutex_token(self->f->m) > 3));
	for (i = 0; i < 30; i++) {
		before = ksync_mutex_token(self->f->m);
		ASSERT_EQ(0, ksync_mutex_lock_until(self->f->m, PATIENTLY));
		overtaken[i] = ksync_mutex_token(self->f->m) - before - 1;
		ASSERT_EQ(0, ksync_mutex_unlock(self->f->m));
		sleep_ns(HOLD_NS / 3);
	}
	EXPECT_GE(1, percentile(overtaken, 30, 50));
	EXPECT_GE(3, percentile(overtaken, 30, 80));
	EXPECT_GE(MOST, percentile(overtaken, 30, 100));
	printf("# overtaken: median %d, most %d\n",
	       percentile(overtaken, 30, 50), percentile(overtaken, 30, 100));
}

static long lock_in_order(void *obj, uint64_t unused)
{
	struct field *f = obj;
	long order;
	int err = ksync_mutex_lock(f->m);

	if (err)
		return err;
	order = f->next++;
	err = ksync_mutex_unlock(f->m);
	return err ?: order;
}

/* KSYNC_FIFO: in the order in which they came, exactly. */
TEST_F(fairness, fifo_order)
{
	struct ksync_options o = { .flags = KSYNC_FIFO };
	struct actor a[8];
	int i, round;

	ASSERT_EQ(0, ksync_mutex_create(&self->f->m, &o));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, actor_begin(&a[i], ACTOR_PROCESS));
	for (round = 0; round < 10; round++) {
		self->f->next = 0;
		ASSERT_EQ(0, ksync_mutex_lock(self->f->m));
		for (i = 0; i < 8; i++) {
			actor_start(&a[i], lock_in_order, self->f, 0);
			ASSERT_TRUE(WAIT_FOR(mutex_status(self->f->m).waiters ==
					     i + 1));
		}
		ASSERT_EQ(0, ksync_mutex_unlock(self->f->m));
		/* Nor does this one overtake those that sleep. */
		EXPECT_EQ(8, lock_in_order(self->f, 0));
		for (i = 0; i < 8; i++)
			EXPECT_EQ(i, actor_result(&a[i]));
	}
	for (i = 0; i < 8; i++)
		actor_end(&a[i]);
}

static long read_overlapping(void *obj, uint64_t offset)
{
	struct field *f = obj;
	int err = 0;

	sleep_ns(offset);
	while (!f->stop && !err) {
		err = ksync_rwlock_rdlock(f->rw);
		if (err)
			break;
		sleep_ns(HOLD_NS);
		err = ksync_rwlock_unlock(f->rw);
	}
	return err;
}

/*
 * There is always a reader inside, so that a lock which prefers readers never
 * lets a writer in. Here the writer waits for those that were inside when it
 * came: each of the readers finishes one hold at most.
 */
TEST_F(fairness, starve_writer)
{
	uint64_t before;
	int i, overtaken[30];

	ASSERT_EQ(0, ksync_rwlock_create(&self->f->rw, NULL));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, actor_begin(&self->busy[i], ACTOR_PROCESS));
		actor_start(&self->busy[i], read_overlapping, self->f,
			    i * HOLD_NS / 4);
	}
	ASSERT_TRUE(WAIT_FOR(rwlock_status(self->f->rw).readers >= 3));
	for (i = 0; i < 30; i++) {
		before = rwlock_status(self->f->rw).acquisitions;
		ASSERT_EQ(0, ksync_rwlock_wrlock_until(self->f->rw, PATIENTLY));
		overtaken[i] = rwlock_status(self->f->rw).acquisitions - before
			       - 1;
		ASSERT_EQ(0, ksync_rwlock_unlock(self->f->rw));
		sleep_ns(HOLD_NS);
	}
	/*
	 * The few that came between the look and the place in the queue, where a
	 * busy machine may let us wait for some milliseconds. Where readers are
	 * preferred there is no end of them.
	 */
	EXPECT_GE(8, percentile(overtaken, 30, 50));
	EXPECT_GE(16, percentile(overtaken, 30, 80));
	EXPECT_GE(MOST, percentile(overtaken, 30, 100));
	printf("# readers that came first: median %d, most %d\n",
	       percentile(overtaken, 30, 50), percentile(overtaken, 30, 100));
}

static long write_back_to_back(void *obj, uint64_t unused)
{
	struct field *f = obj;
	int err = 0;

	while (!f->stop && !err) {
		err = ksync_rwlock_wrlock(f->rw);
		if (err)
			break;
		sleep_ns(HOLD_NS);
		err = ksync_rwlock_unlock(f->rw);
	}
	return err;
}

/* With writers always waiting, a reader still comes in between two of them. */
TEST_F(fairness, starve_reader)
{
	int i, overtaken[30];
	uint64_t before;

	ASSERT_EQ(0, ksync_rwlock_create(&self->f->rw, NULL));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, actor_begin(&self->busy[i], ACTOR_PROCESS));
		actor_start(&self->busy[i], write_back_to_back, self->f, 0);
	}
	ASSERT_TRUE(WAIT_FOR(rwlock_status(self->f->rw).waiters == 2));
	for (i = 0; i < 30; i++) {
		before = ksync_rwlock_token(self->f->rw);
		ASSERT_EQ(0, ksync_rwlock_rdlock_until(self->f->rw, PATIENTLY));
		overtaken[i] = ksync_rwlock_token(self->f->rw) - before;
		ASSERT_EQ(0, ksync_rwlock_unlock(self->f->rw));
		sleep_ns(HOLD_NS);
	}
	/* One between the look and the queue; two if the reader spins meanwhile. */
	EXPECT_GE(2, percentile(overtaken, 30, 50));
	EXPECT_GE(4, percentile(overtaken, 30, 80));
	EXPECT_GE(MOST, percentile(overtaken, 30, 100));
	printf("# writers that came first: median %d, most %d\n",
	       percentile(overtaken, 30, 50), percentile(overtaken, 30, 100));
}

static long take_one_overlapping(void *obj, uint64_t offset)
{
	struct field *f = obj;
	int err = 0;

	sleep_ns(offset);
	while (!f->stop && !err) {
		err = ksync_sem_acquire(f->s, 1);
		if (err)
			break;
		__atomic_add_fetch(&f->passed, 1, __ATOMIC_RELAXED);
		sleep_ns(HOLD_NS);
		err = ksync_sem_release(f->s, 1);
	}
	return err;
}

/* Small requests overlap without end; the large one gets all permits at last. */
TEST_F(fairness, sem_large)
{
	struct ksync_options o = { .value = 4, .max = 4 };
	int i, overtaken[20];
	uint64_t before;

	ASSERT_EQ(0, ksync_sem_create(&self->f->s, &o));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, actor_begin(&self->busy[i], ACTOR_PROCESS));
		actor_start(&self->busy[i], take_one_overlapping, self->f,
			    i * HOLD_NS / 4);
	}
	ASSERT_TRUE(WAIT_FOR(ksync_sem_value(self->f->s) <= 1));
	for (i = 0; i < 20; i++) {
		before = self->f->passed;
		ASSERT_EQ(0, ksync_sem_acquire_until(self->f->s, 4, PATIENTLY));
		overtaken[i] = self->f->passed - before;
		ASSERT_EQ(0, ksync_sem_release(self->f->s, 4));
		sleep_ns(HOLD_NS);
	}
	EXPECT_GE(4, percentile(overtaken, 20, 50));
	EXPECT_GE(12, percentile(overtaken, 20, 80));
	EXPECT_GE(MOST, percentile(overtaken, 20, 100));
	printf("# small ones that came first: median %d, most %d\n",
	       percentile(overtaken, 20, 50), percentile(overtaken, 20, 100));
}

/* First come, first served, whatever they want. */
static long acquire_in_order(void *obj, uint64_t n)
{
	struct field *f = obj;
	int err = ksync_sem_acquire(f->s, n);

	return err ?: __atomic_fetch_add(&f->next, 1, __ATOMIC_SEQ_CST);
}

TEST_F(fairness, sem_order)
{
	static const int wants[] = { 3, 1, 4, 1, 2 };
	struct ksync_options o = { .value = 0, .max = 4 };
	struct actor a[5];
	int i;

	ASSERT_EQ(0, ksync_sem_create(&self->f->s, &o));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, actor_begin(&a[i], ACTOR_PROCESS));
		actor_start(&a[i], acquire_in_order, self->f, wants[i]);
		ASSERT_TRUE(WAIT_FOR(sem_status(self->f->s).waiters == i + 1));
	}
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, ksync_sem_release(self->f->s, wants[i]));
		EXPECT_EQ(i, actor_result(&a[i]));
		EXPECT_EQ(0, ksync_sem_value(self->f->s));
	}
	for (i = 0; i < 5; i++)
		actor_end(&a[i]);
}

/* How often the process has gone to sleep so far. */
static long times_slept(pid_t pid)
{
	char path[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

#define HERD	20

/* What the herd slept in all, with what looking for the dead costs it. */
static long herd_slept(struct actor *a)
{
	long sum = 0;
	int i;

	for (i = 0; i < HERD; i++)
		sum += times_slept(a[i].pid);
	return sum;
}

/*
 * One is let through at a time. If each of the @HERD were woken each time, they
 * would go back to sleep @HERD * @HERD / 2 times between them.
 */
#define HERD_BOUND(began) \
	(HERD * 3 + HERD * (long)((now_ns() - (began)) / (50 * NSEC_PER_MSEC)))

TEST_F(fairness, thundering_herd_sem)
{
	struct ksync_options o = { .value = 0, .max = HERD };
	struct actor a[HERD];
	uint64_t began;
	long slept;
	int i;

	ASSERT_EQ(0, ksync_sem_create(&self->f->s, &o));
	for (i = 0; i < HERD; i++) {
		ASSERT_EQ(0, actor_begin(&a[i], ACTOR_PROCESS));
		actor_start(&a[i], job_sem_acquire, self->f->s, 1);
	}
	ASSERT_TRUE(WAIT_FOR(sem_status(self->f->s).waiters == HERD));
	sleep_ms(10);		/* until the last one sleeps, too */
	began = now_ns();
	slept = herd_slept(a);
	for (i = 0; i < HERD; i++) {
		ASSERT_EQ(0, ksync_sem_release(self->f->s, 1));
		ASSERT_TRUE(WAIT_FOR(sem_status(self->f->s).waiters ==
				     HERD - 1 - i));
	}
	for (i = 0; i < HERD; i++)
		ASSERT_EQ(0, actor_result(&a[i]));
	slept = herd_slept(a) - slept;
	printf("# %d waiters slept %ld times more\n", HERD, slept);
	EXPECT_GT(HERD_BOUND(began), slept);
	for (i = 0; i < HERD; i++)
		actor_end(&a[i]);
}

TEST_F(fairness, thundering_herd_mutex)
{
	struct actor a[HERD];
	uint64_t began;
	long slept;
	int i;

	ASSERT_EQ(0, ksync_mutex_create(&self->f->m, NULL));
	ASSERT_EQ(0, ksync_mutex_lock(self->f->m));
	for (i = 0; i < HERD; i++) {
		ASSERT_EQ(0, actor_begin(&a[i], ACTOR_PROCESS));
		actor_start(&a[i], lock_in_order, self->f, 0);
	}
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->f->m).waiters == HERD));
	sleep_ms(10);		/* until the last one sleeps, too */
	began = now_ns();
	slept = herd_slept(a);
	ASSERT_EQ(0, ksync_mutex_unlock(self->f->m));
	for (i = 0; i < HERD; i++)
		ASSERT_LE(0, actor_result(&a[i]));
	slept = herd_slept(a) - slept;
	printf("# %d waiters slept %ld times more\n", HERD, slept);
	EXPECT_GT(HERD_BOUND(began), slept);
	for (i = 0; i < HERD; i++)
		actor_end(&a[i]);
}

TEST_HARNESS_MAIN
