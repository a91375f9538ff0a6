// SPDX-License-Identifier: GPL-2.0-only
/* Waiting: deadlines, signals, objects closed meanwhile, and many at once. */

#include "gates.h"
#include "all_processors.h"

FIXTURE(waiting) {
	void *g;
	struct actor keeper, first, second;
	uint64_t random;
};

FIXTURE_VARIANT(waiting) {
	const struct gate *ops;
};

GATE_VARIANTS(waiting);

FIXTURE_SETUP(waiting)
{
	REQUIRE_BACKEND();
	REQUIRE(variant->ops->needs);
	self->random = test_seed();
	self->g = variant->ops->create();
	ASSERT_NE(NULL, self->g);
	ASSERT_EQ(0, actor_begin(&self->keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->first, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->second, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(waiting)
{
	actor_end(&self->keeper);
	actor_end(&self->first);
	actor_end(&self->second);
	if (self->g)
		variant->ops->close(self->g);
}

#define DO(actor, job) actor_do(&self->actor, variant->ops->job, self->g, 0)
#define START_FOR(actor, job, ms) \
	actor_start(&self->actor, variant->ops->job, self->g, ms)
#define START(actor, job) START_FOR(actor, job, 0)
#define WAITERS variant->ops->waiters(self->g)
#define QUEUED(n) ASSERT_TRUE(WAIT_FOR(WAITERS == (n)))

/* What was shut is open again for the next round. */
#define REOPEN() do {							\
	if (variant->ops == &downgrader_and_readers)			\
		ASSERT_EQ(0, actor_do(&self->keeper, job_rwlock_unlock,	\
				      self->g, 0));			\
} while (0)

/* A wait may end late but not early, and leaves nothing behind. */
TEST_F(waiting, deadline)
{
	bool seen = false;
	uint64_t began, ms;

	ASSERT_EQ(0, DO(keeper, shut));
	for (ms = 50; !seen; ms *= 4) {
		ASSERT_GT(PATIENCE_MS, ms);
		began = now_ns();
		START_FOR(first, wait, ms);
		seen = SEEN_BEFORE_END(&self->first, WAITERS == 1);
		EXPECT_EQ(-ETIMEDOUT, actor_result(&self->first));
		EXPECT_LE(ms * NSEC_PER_MSEC, now_ns() - began);
		EXPECT_EQ(0, WAITERS);
	}
	/* 1 ms is over before it begins to wait, or soon after. */
	EXPECT_EQ(-ETIMEDOUT, actor_do(&self->first, variant->ops->wait,
				       self->g, 1));
	EXPECT_EQ(0, DO(keeper, open));
	EXPECT_EQ(0, DO(first, wait));
	EXPECT_EQ(0, DO(first, leave));
}

/*
 * The gate opens at the first one's deadline: it gets through or it does not,
 * but the second one, who waits behind it, gets through in any case.
 */
TEST_F(waiting, timeout_race)
{
	unsigned int i, passed = 0;
	unsigned int ms = machine_is_slow() ? 30 : 3;
	uint64_t until;
	long err;

	for_each_round(i, 150) {
		ASSERT_EQ(0, DO(keeper, shut));
		until = now_ns() + ms * NSEC_PER_MSEC;
		START_FOR(first, wait, ms);
		START(second, wait);
		until += next_random(&self->random) % (ms * NSEC_PER_MSEC / 4);
		until -= ms * NSEC_PER_MSEC / 16;
		while (now_ns() < until)
			;
		START(keeper, open);
		err = actor_result(&self->first);
		if (!err) {
			passed++;
			ASSERT_EQ(0, DO(first, leave));
		} else {
			ASSERT_EQ(-ETIMEDOUT, err);
		}
		ASSERT_EQ(0, actor_result(&self->keeper));
		ASSERT_EQ(0, actor_result(&self->second))
			TH_LOG("in round %u", i);
		ASSERT_EQ(0, DO(second, leave));
		REOPEN();
	}
	EXPECT_EQ(0, WAITERS);
	printf("# %u of %u got through at their deadline\n", passed, i);
}

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	handled++;
}

static long handle_signals(void *obj, uint64_t flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	return sigaction(SIGUSR1, &sa, NULL);
}

static long signals_handled(void *obj, uint64_t unused)
{
	return handled;
}

/* Handlers run, the wait goes on; and its deadline is not put off. */
TEST_F(waiting, signal_wait)
{
	unsigned int ms = 300;
	uint64_t began;
	long n;
	int i;

	ASSERT_EQ(0, DO(keeper, shut));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, actor_do(&self->first, handle_signals, NULL,
				      i ? SA_RESTART : 0));
		START(first, wait);
		QUEUED(1);
		for (n = 0; n < 20; n++) {
			kill(self->first.pid, SIGUSR1);
			sleep_ms(1);
		}
		/* Stopped and continued, as by a shell. */
		kill(self->first.pid, SIGSTOP);
		waitpid(self->first.pid, NULL, WUNTRACED);
		kill(self->first.pid, SIGCONT);
		QUEUED(1);
		EXPECT_TRUE(actor_busy(&self->first, WATCH_MS));
		EXPECT_EQ(0, DO(keeper, open));
		EXPECT_EQ(0, actor_result(&self->first));
		EXPECT_LT(0, actor_do(&self->first, signals_handled, NULL, 0));
		EXPECT_EQ(0, DO(first, leave));
		REOPEN();
		ASSERT_EQ(0, DO(keeper, shut));
	}

	began = now_ns();
	START_FOR(first, wait, ms);
	while (actor_busy(&self->first, 10) &&
	       now_ns() - began < PATIENCE_MS * NSEC_PER_MSEC)
		kill(self->first.pid, SIGUSR1);
	EXPECT_EQ(-ETIMEDOUT, actor_result(&self->first));
	/* Signals that began the wait anew would have kept it going. */
	EXPECT_GT(PATIENCE_MS * NSEC_PER_MSEC, now_ns() - began);

	/* SIGKILL is the one that ends it. */
	START(first, wait);
	QUEUED(1);
	actor_kill(&self->first);
	QUEUED(0);
}

static long close_own(void *obj, uint64_t ops)
{
	((const struct gate *)ops)->close(obj);
	return 0;
}

/* Others' handles are closed: who waits, waits on. */
TEST_F(waiting, close_waiting)
{
	void *g = self->g;

	ASSERT_EQ(0, DO(keeper, shut));
	START(first, wait);
	QUEUED(1);
	EXPECT_EQ(0, actor_do(&self->second, close_own, g,
			      (long)variant->ops));
	variant->ops->close(g);
	self->g = NULL;
	EXPECT_TRUE(actor_busy(&self->first, WATCH_MS));
	EXPECT_EQ(0, actor_do(&self->keeper, variant->ops->open, g, 0));
	EXPECT_EQ(0, actor_result(&self->first));
	EXPECT_EQ(0, actor_do(&self->first, variant->ops->leave, g, 0));
}

/* The name goes away; those who wait on the object do not. */
TEST(close_waiting_unlinked)
{
	struct ksync_mutex *m, *other;
	const char *name = test_name("unlinked");
	struct actor keeper, first;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_open(&m, name, O_CREAT, 0600, NULL));
	ASSERT_EQ(0, actor_begin(&keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&first, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&keeper, job_mutex_lock, m, 0));
	actor_start(&first, job_mutex_lock, m, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(m).waiters == 1));
	EXPECT_EQ(0, ksync_unlink(name));
	ksync_mutex_close(m);
	/* The name's next object is another one. */
	ASSERT_EQ(0, ksync_mutex_open(&other, name, O_CREAT, 0600, NULL));
	EXPECT_EQ(0, ksync_mutex_trylock(other));
	EXPECT_TRUE(actor_busy(&first, WATCH_MS));
	EXPECT_EQ(0, actor_do(&keeper, job_mutex_unlock, m, 0));
	EXPECT_EQ(0, actor_result(&first));
	actor_kill(&first);
	EXPECT_EQ(-EOWNERDEAD,
		  actor_do(&keeper, job_mutex_lock, m, PATIENCE_MS));
	EXPECT_EQ(0, ksync_mutex_unlock(other));
	ksync_mutex_close(other);
	actor_end(&keeper);
	actor_end(&first);
}

/* After a timeout the status says whom to ask. */
TEST(who_holds_it)
{
	struct ksync_mutex *m;
	struct ksync_rwlock *rw;
	struct actor keeper, waiters[3];
	struct ksync_status st;
	uint64_t began;
	int i;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	ASSERT_EQ(0, ksync_rwlock_create(&rw, NULL));
	ASSERT_EQ(0, actor_begin(&keeper, ACTOR_PROCESS));
	began = now_ns();
	ASSERT_EQ(0, actor_do(&keeper, job_mutex_lock, m, 0));
	ASSERT_EQ(0, actor_do(&keeper, job_wrlock, rw, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, actor_begin(&waiters[i], ACTOR_PROCESS));
		actor_start(&waiters[i], job_mutex_lock, m, 0);
	}
	ASSERT_TRUE(WAIT_FOR(mutex_status(m).waiters == 3));
	EXPECT_EQ(-ETIMEDOUT, ksync_mutex_lock_until(m, within(50)));
	EXPECT_EQ(-ETIMEDOUT, ksync_rwlock_rdlock_until(rw, within(10)));
	/* Coarse, but it grows, and not far beyond the truth: ticks may be late. */
	EXPECT_TRUE(WAIT_FOR(mutex_status(m).held_ns > 50 * NSEC_PER_MSEC));
	ASSERT_EQ(0, ksync_mutex_status(m, &st));
	EXPECT_GT(now_ns() - began + NSEC_PER_SEC, st.held_ns);
	EXPECT_EQ(1, st.held);
	EXPECT_EQ(keeper.pid, st.holder_pid);
	EXPECT_EQ(keeper.pid, st.holder_tid);
	EXPECT_EQ(3, st.waiters);
	EXPECT_TRUE(WAIT_FOR(rwlock_status(rw).held_ns > 0));
	ASSERT_EQ(0, ksync_rwlock_status(rw, &st));
	EXPECT_EQ(1, st.held);
	EXPECT_EQ(keeper.pid, st.holder_pid);
	EXPECT_EQ(0, st.readers);
	EXPECT_EQ(0, st.waiters + st.waiters_shared);
	for (i = 0; i < 3; i++)
		actor_end(&waiters[i]);
	actor_end(&keeper);
	ksync_mutex_close(m);
	ksync_rwlock_close(rw);
}

/* The waits of all types take the same deadlines. */
static int wait_each(void **h, int which, const struct ksync_wait *w)
{
	switch (which) {
	case 0: return ksync_mutex_lock_until(h[0], w);
	case 1: return ksync_rwlock_rdlock_until(h[1], w);
	case 2: return ksync_rwlock_wrlock_until(h[1], w);
	case 3: return ksync_waitgroup_wait_until(h[2], w);
	default: return ksync_sem_acquire_until(h[3], 1, w);
	}
}

static int undo_each(void **h, int which)
{
	switch (which) {
	case 0: return ksync_mutex_unlock(h[0]);
	case 1: case 2: return ksync_rwlock_unlock(h[1]);
	case 3: return 0;
	default: return ksync_sem_release(h[3], 1);
	}
}

static long shut_all(void *obj, uint64_t unused)
{
	void **h = obj;

	return ksync_mutex_lock(h[0]) ?: ksync_rwlock_wrlock(h[1]) ?:
	       ksync_waitgroup_add(h[2], 1) ?: ksync_sem_acquire(h[3], 1);
}

TEST(deadlines)
{
	static const struct timespec malformed[] = {
		{ 0, 1000000000 }, { 0, -1 }, { 1, LONG_MAX }, { 1, LONG_MIN },
	};
	/* Not since boot, in the last second, and before the clock began. */
	struct timespec past[] = { { 0, 0 }, at_ns(now_ns()), { -1, 0 } };
	struct ksync_options one = { .value = 1, .max = 1 };
	struct ksync_wait w = { 0 };
	struct actor keeper;
	void *h[4];
	int i, which;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create((void *)&h[0], NULL));
	ASSERT_EQ(0, ksync_rwlock_create((void *)&h[1], NULL));
	ASSERT_EQ(0, ksync_waitgroup_create((void *)&h[2], NULL));
	ASSERT_EQ(0, ksync_sem_create((void *)&h[3], &one));
	for (which = 0; which < 5; which++) {
		for (i = 0; i < ARRAY_SIZE(malformed); i++) {
			w.deadline = &malformed[i];
			EXPECT_EQ(-EINVAL, wait_each(h, which, &w));
		}
		/* What is free is taken all the same. */
		for (i = 0; i < ARRAY_SIZE(past); i++) {
			w.deadline = &past[i];
			EXPECT_EQ(0, wait_each(h, which, &w));
			EXPECT_EQ(0, undo_each(h, which));
		}
		w.deadline = NULL;
		EXPECT_EQ(0, wait_each(h, which, &w));
		EXPECT_EQ(0, undo_each(h, which));
	}
	ASSERT_EQ(0, actor_begin(&keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&keeper, shut_all, h, 0));
	for (which = 0; which < 5; which++) {
		for (i = 0; i < ARRAY_SIZE(past); i++) {
			w.deadline = &past[i];
			EXPECT_EQ(-ETIMEDOUT, wait_each(h, which, &w));
		}
	}
	actor_end(&keeper);
}

static long lock_until_the_end_of_time(void *obj, uint64_t which)
{
	/* Of a 64-bit count of seconds, and of one of nanoseconds. */
	struct timespec far = { which ? 18446744073 : LONG_MAX, 999999999 };
	struct ksync_wait w = { .deadline = &far };

	return ksync_mutex_lock_until(obj, &w);
}

TEST(deadline_far_away)
{
	struct ksync_mutex *m;
	struct actor a;
	int which;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
	for (which = 0; which < 2; which++) {
		ASSERT_EQ(0, ksync_mutex_lock(m));
		actor_start(&a, lock_until_the_end_of_time, m, which);
		ASSERT_TRUE(WAIT_FOR(mutex_status(m).waiters == 1));
		EXPECT_TRUE(actor_busy(&a, WATCH_MS));
		EXPECT_EQ(0, ksync_mutex_unlock(m));
		EXPECT_EQ(0, actor_result(&a));
		EXPECT_EQ(0, actor_do(&a, job_mutex_unlock, m, 0));
	}
	actor_end(&a);
	ksync_mutex_close(m);
}

TEST_HARNESS_MAIN
