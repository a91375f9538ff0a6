// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths are noticed however one waits: a little at a time, with signals all the
 * while, and behind somebody who was woken and let in by others.
 */

#include "rendezvous.h"
#include "stepper.h"

#include <sys/time.h>

/* Something that a keeper has and others wait for. */
struct asset {
	void *(*create)(void);
	void (*close)(void *h);
	job_fn keep;
	job_fn wait;			/* so many milliseconds */
	long noticed;			/* what comes of the keeper's death */
};

static void *create_mutex(void)
{
	struct ksync_mutex *m;

	return ksync_mutex_create(&m, NULL) ? NULL : m;
}

static void close_mutex(void *h)
{
	ksync_mutex_close(h);
}

static const struct asset a_mutex = {
	create_mutex, close_mutex, job_mutex_lock, job_mutex_lock, -EOWNERDEAD
};

static void *create_rwlock(void)
{
	struct ksync_rwlock *rw;

	return ksync_rwlock_create(&rw, NULL) ? NULL : rw;
}

static void close_rwlock(void *h)
{
	ksync_rwlock_close(h);
}

static const struct asset for_a_reader = {
	create_rwlock, close_rwlock, job_wrlock, job_rdlock, -EOWNERDEAD
};

static const struct asset for_a_writer = {
	create_rwlock, close_rwlock, job_rdlock, job_wrlock, 0
};

static void *create_permits(void)
{
	struct ksync_options o = {
		.flags = KSYNC_TRACKED, .value = 2, .max = 2,
	};
	struct ksync_sem *s;

	return ksync_sem_create(&s, &o) ? NULL : s;
}

static void close_permits(void *h)
{
	ksync_sem_close(h);
}

static long keep_permits(void *h, uint64_t unused)
{
	return ksync_sem_acquire(h, 2);
}

static long wait_for_permit(void *h, uint64_t ms)
{
	return ksync_sem_acquire_until(h, 1, within(ms));
}

static const struct asset some_permits = {
	create_permits, close_permits, keep_permits, wait_for_permit, 0
};

static void *create_round(void)
{
	struct ksync_waitgroup *wg;

	if (ksync_waitgroup_create(&wg, NULL))
		return NULL;
	return ksync_waitgroup_add(wg, 1) ? NULL : wg;
}

static void close_round(void *h)
{
	ksync_waitgroup_close(h);
}

static long keep_round(void *h, uint64_t unused)
{
	int fd = syscall(SYS_pidfd_open, getpid(), 0);
	long err = fd < 0 ? -errno : ksync_waitgroup_bind(h, fd);

	close(fd);
	return err;
}

static const struct asset a_round = {
	create_round, close_round, keep_round, job_wg_wait, -EOWNERDEAD
};

static void *create_once(void)
{
	struct ksync_once *o;

	return ksync_once_create(&o, NULL) ? NULL : o;
}

static void close_once(void *h)
{
	ksync_once_close(h);
}

static const struct asset a_once = {
	create_once, close_once, job_once_begin, job_once_begin, -EOWNERDEAD
};

FIXTURE(noticed) {
	void *h;
	struct actor keeper, waiter;
};

FIXTURE_VARIANT(noticed) {
	const struct asset *asset;
};

FIXTURE_VARIANT_ADD(noticed, mutex) { .asset = &a_mutex };
FIXTURE_VARIANT_ADD(noticed, read) { .asset = &for_a_reader };
FIXTURE_VARIANT_ADD(noticed, write) { .asset = &for_a_writer };
FIXTURE_VARIANT_ADD(noticed, permits) { .asset = &some_permits };
FIXTURE_VARIANT_ADD(noticed, round) { .asset = &a_round };
FIXTURE_VARIANT_ADD(noticed, once) { .asset = &a_once };

FIXTURE_SETUP(noticed)
{
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH | KSYNC_G_BIND_SELF);
	self->h = variant->asset->create();
	ASSERT_NE(NULL, self->h);
	ASSERT_EQ(0, actor_begin(&self->keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->waiter, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&self->keeper, variant->asset->keep, self->h, 0));
}

FIXTURE_TEARDOWN(noticed)
{
	actor_end(&self->keeper);
	actor_end(&self->waiter);
	if (self->h)
		variant->asset->close(self->h);
}

/* Shorter than anybody waits before he looks for the first time. */
TEST_F(noticed, by_short_waits)
{
	uint64_t end;
	long err;

	EXPECT_EQ(-ETIMEDOUT, variant->asset->wait(self->h, 5));
	actor_kill(&self->keeper);
	end = now_ns() + notice_bound_ms() * NSEC_PER_MSEC;
	do {
		err = variant->asset->wait(self->h, 5);
	} while (err == -ETIMEDOUT && now_ns() < end);
	EXPECT_EQ(variant->asset->noticed, err);
}

static void tick(int sig)
{
}

struct ticking {
	const struct asset *asset;
	void *h;
	uint32_t begun;
};

/* With a signal every millisecond, and no SA_RESTART. */
static long wait_ticking(void *obj, uint64_t ms)
{
	suseconds_t us = machine_is_slow() ? 5000 : 1000;
	struct itimerval it = { { 0, us }, { 0, us } }, none = {};
	struct sigaction sa = { .sa_handler = tick };
	struct ticking *t = obj;
	long err;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	__atomic_store_n(&t->begun, 1, __ATOMIC_SEQ_CST);
	err = t->asset->wait(t->h, ms);
	setitimer(ITIMER_REAL, &none, NULL);
	return err;
}

TEST_F(noticed, between_signals)
{
	struct ticking *t = shared_memory(sizeof(*t));

	*t = (struct ticking){ variant->asset, self->h, 0 };
	actor_start(&self->waiter, wait_ticking, t, PATIENCE_MS);
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&t->begun, __ATOMIC_SEQ_CST)));
	/* Past the first look. */
	EXPECT_TRUE(actor_busy(&self->waiter, 40));
	actor_kill(&self->keeper);
	EXPECT_FALSE(actor_busy(&self->waiter, notice_bound_ms()));
	EXPECT_EQ(variant->asset->noticed, actor_result(&self->waiter));
}

/* The party that is missing from a barrier. */
TEST(barrier_between_signals)
{
	struct asset barrier = { .wait = job_barrier_wait };
	struct ticking *t = shared_memory(sizeof(*t));
	struct actor keeper, waiter;
	struct ksync_barrier *b;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH);
	ASSERT_EQ(0, ksync_barrier_create(&b, NULL));
	ASSERT_EQ(0, actor_begin(&keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&waiter, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&keeper, job_barrier_join, b, 0));
	*t = (struct ticking){ &barrier, b, 0 };
	actor_start(&waiter, wait_ticking, t, PATIENCE_MS);
	ASSERT_TRUE(WAIT_FOR(barrier_status(b).value == 1));
	EXPECT_TRUE(actor_busy(&waiter, 40));
	actor_kill(&keeper);
	EXPECT_FALSE(actor_busy(&waiter, notice_bound_ms()));
	EXPECT_EQ(-EPIPE, actor_result(&waiter));
	actor_end(&keeper);
	actor_end(&waiter);
	ksync_barrier_close(b);
}

struct relay {
	struct ksync_mutex *m;
	struct actor keeper;
	uint64_t freed, taken;		/* when */
};

static long relay_take(void *obj, uint64_t unused)
{
	struct relay *r = obj;
	long err = ksync_mutex_lock(r->m);

	__atomic_store_n(&r->taken, now_ns(), __ATOMIC_SEQ_CST);
	return err;
}

static long relay_call(void *obj, uint64_t unused)
{
	return ksync_mutex_lock(((struct relay *)obj)->m);
}

static long relay_free(void *obj, uint64_t unused)
{
	struct relay *r = obj;

	__atomic_store_n(&r->freed, now_ns(), __ATOMIC_SEQ_CST);
	return ksync_mutex_unlock(r->m);
}

static void relay_begin(void *relay)
{
	struct relay *r = relay;

	actor_do(&r->keeper, job_mutex_unlock, r->m, 0);
}

/* To where it comes back from its sleep. */
static bool relay_wakes(struct relay *r, struct victim *v)
{
	bool fine = true;

	v->asleep = relay_begin;
	v->asleep_arg = r;
	share_cpu(v);
	victim_ticks(true);
	while (fine && v->asleep)
		fine = victim_move(v, PTRACE_SYSCALL);
	victim_ticks(false);
	return fine && !v->over;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * One is woken, takes the mutex and stands still before it has left the queue.
 * The next one looks meanwhile and finds that out. It must be woken all the same
 * when the first one unlocks, instead of finding out by itself.
 */
TEST(relay)
{
	const struct victim_calls calls = {
		.call = relay_call, .clean = relay_free,
	};
	struct victim_notes *notes = shared_memory(sizeof(*notes));
	struct relay *r = shared_memory(sizeof(*r));
	struct actor waiter;
	uint64_t took[5];
	struct victim v;
	int i;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH);
	r->m = create_mutex();
	ASSERT_NE(NULL, r->m);
	ASSERT_EQ(0, actor_begin(&waiter, ACTOR_PROCESS));
	for (i = 0; i < ARRAY_SIZE(took); i++) {
		ASSERT_EQ(0, actor_begin(&r->keeper, ACTOR_PROCESS));
		ASSERT_EQ(0, actor_do(&r->keeper, job_mutex_lock, r->m, 0));
		ASSERT_TRUE(victim_begin(&v, &calls, r, notes));
		ASSERT_TRUE(relay_wakes(r, &v));
		while (mutex_status(r->m).holder_pid != v.pid)
			ASSERT_TRUE(victim_go(&v, v.steps + 1, NULL, NULL) &&
				    !v.over);
		actor_start(&waiter, relay_take, r, 0);
		/* It comes, looks after 12 ms, and again. */
		ASSERT_TRUE(actor_busy(&waiter, 150));
		ASSERT_TRUE(victim_release(&v));
		ASSERT_EQ(0, actor_result(&waiter));
		ASSERT_TRUE(victim_ends(&v));
		took[i] = r->taken > r->freed ? r->taken - r->freed : 0;
		ASSERT_EQ(0, actor_do(&waiter, job_mutex_unlock, r->m,
				      0));
		actor_end(&r->keeper);
	}
	qsort(took, ARRAY_SIZE(took), sizeof(*took), compare);
	printf("# %llu us until the next one had it\n",
	       (unsigned long long)took[2] / 1000);
	EXPECT_GT(30 * NSEC_PER_MSEC, took[2]);
	actor_end(&waiter);
	close_mutex(r->m);
}

TEST_HARNESS_MAIN
