// SPDX-License-Identifier: GPL-2.0-only
/* Condition variables: signals, the mutex on every return, deaths. */

#include "rendezvous.h"

/* What an actor waits with. */
struct pair {
	struct ksync_cond *c;
	struct ksync_mutex *m;
};

static long wait_locked(void *obj, uint64_t ms)
{
	struct pair *p = obj;

	return ksync_cond_wait_until(p->c, p->m, within(ms));
}

/* With the mutex, which it has again afterwards. */
static long lock_and_wait(void *obj, uint64_t ms)
{
	struct pair *p = obj;
	int err = ksync_mutex_lock(p->m);

	return err ? err : wait_locked(obj, ms);
}

static long wait_and_unlock(void *obj, uint64_t ms)
{
	struct pair *p = obj;
	long err = lock_and_wait(obj, ms);

	return err && err != -ETIMEDOUT ? err : ksync_mutex_unlock(p->m) ?: err;
}

FIXTURE(cond) {
	struct pair p;
	struct actor a, b;
};

FIXTURE_VARIANT(cond) {
	enum actor_kind kind;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(cond, process) { .kind = ACTOR_PROCESS };
FIXTURE_VARIANT_ADD(cond, thread) { .kind = ACTOR_THREAD };
FIXTURE_VARIANT_ADD(cond, fifo) { .kind = ACTOR_PROCESS, .flags = KSYNC_FIFO };
FIXTURE_VARIANT_ADD(cond, guarded) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_GUARDED,
};

static int make_pair(struct pair *p, uint32_t flags)
{
	struct ksync_options o = { .flags = flags };

	return ksync_mutex_create(&p->m, &o) ?: ksync_cond_create(&p->c, NULL);
}

static void close_pair(struct pair *p)
{
	ksync_cond_close(p->c);
	ksync_mutex_close(p->m);
}

FIXTURE_SETUP(cond)
{
	REQUIRE_BACKEND();
	REQUIRE_FLAGS(variant->flags);
	ASSERT_EQ(0, make_pair(&self->p, variant->flags));
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->b, variant->kind));
}

FIXTURE_TEARDOWN(cond)
{
	actor_end(&self->a);
	actor_end(&self->b);
	close_pair(&self->p);
}

#define DO(actor, job, arg) actor_do(&self->actor, job, &self->p, arg)
#define START(actor, job, arg) actor_start(&self->actor, job, &self->p, arg)
#define UNLOCK(actor) actor_do(&self->actor, job_mutex_unlock, self->p.m, 0)
#define WAITERS cond_status(self->p.c).waiters_shared
#define M mutex_status(self->p.m)

TEST_F(cond, gives_up_the_mutex_and_takes_it_again)
{
	START(a, lock_and_wait, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	ASSERT_EQ(0, ksync_mutex_lock(self->p.m));
	ASSERT_EQ(0, ksync_cond_signal(self->p.c));
	EXPECT_EQ(0, WAITERS);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_mutex_unlock(self->p.m));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(self->p.m));
	EXPECT_EQ(0, UNLOCK(a));
	EXPECT_EQ(0, ksync_mutex_trylock(self->p.m));
	EXPECT_EQ(0, ksync_mutex_unlock(self->p.m));
}

TEST_F(cond, signal_is_for_one_and_not_kept)
{
	ASSERT_EQ(0, ksync_cond_signal(self->p.c));
	START(a, wait_and_unlock, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	START(b, wait_and_unlock, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 2));
	ASSERT_EQ(0, ksync_cond_signal(self->p.c));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	ASSERT_EQ(0, ksync_cond_signal(self->p.c));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(3, cond_status(self->p.c).token);
}

TEST_F(cond, broadcast_is_for_all)
{
	START(a, wait_and_unlock, 0);
	START(b, wait_and_unlock, PATIENCE_MS);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 2));
	ASSERT_EQ(0, ksync_mutex_lock(self->p.m));
	ASSERT_EQ(0, ksync_cond_broadcast(self->p.c));
	EXPECT_EQ(0, WAITERS);
	/* Both go for the mutex, whether moved there or by themselves. */
	ASSERT_TRUE(WAIT_FOR(M.waiters == 2));
	ASSERT_EQ(0, ksync_mutex_unlock(self->p.m));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
}

/* They are in the mutex's queue at once, asleep as before. */
TEST_F(cond, thundering_herd)
{
	REQUIRE(KSYNC_G_COND_MOVES);
	START(a, wait_and_unlock, 0);
	START(b, wait_and_unlock, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 2));
	ASSERT_EQ(0, ksync_mutex_lock(self->p.m));
	ASSERT_EQ(0, ksync_cond_broadcast(self->p.c));
	EXPECT_EQ(2, M.waiters);
	EXPECT_EQ(2, cond_status(self->p.c).contended);
	ASSERT_EQ(0, ksync_mutex_unlock(self->p.m));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
}

TEST_F(cond, deadline)
{
	ASSERT_EQ(0, ksync_mutex_lock(self->p.m));
	EXPECT_EQ(-ETIMEDOUT, wait_locked(&self->p, 20));
	EXPECT_EQ(0, WAITERS);
	EXPECT_EQ(2, M.token);
	EXPECT_EQ(0, ksync_mutex_unlock(self->p.m));
	START(a, lock_and_wait, 20);
	EXPECT_EQ(-ETIMEDOUT, actor_result(&self->a));
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(self->p.m));
	EXPECT_EQ(0, UNLOCK(a));
}

TEST_F(cond, timeout_race)
{
	long ret;
	int i;

	for_each_round(i, 100) {
		START(a, wait_and_unlock, 1 + i % 3);
		sleep_ns((i % 40) * 100000ULL);
		ASSERT_EQ(0, ksync_mutex_lock(self->p.m));
		ASSERT_EQ(0, ksync_cond_signal(self->p.c));
		ASSERT_EQ(0, ksync_mutex_unlock(self->p.m));
		ret = actor_result(&self->a);
		ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
		ASSERT_EQ(0, WAITERS);
		ASSERT_EQ(0, M.held);
	}
}

TEST_F(cond, misuse)
{
	struct ksync_options recursive = { .flags = KSYNC_RECURSIVE };
	struct ksync_mutex *m;

	EXPECT_EQ(-EPERM, ksync_cond_wait(self->p.c, self->p.m));
	EXPECT_EQ(-EINVAL, ksync_cond_wait(self->p.c, NULL));
	ASSERT_EQ(0, ksync_mutex_lock(self->p.m));
	EXPECT_EQ(-EPERM, DO(a, wait_locked, 0));
	EXPECT_EQ(1, M.held);
	EXPECT_EQ(0, ksync_mutex_unlock(self->p.m));

	ASSERT_EQ(0, ksync_mutex_create(&m, &recursive));
	ASSERT_EQ(0, ksync_mutex_lock(m));
	ASSERT_EQ(0, ksync_mutex_lock(m));
	EXPECT_EQ(-EDEADLK, ksync_cond_wait(self->p.c, m));
	EXPECT_EQ(0, ksync_mutex_unlock(m));
	EXPECT_EQ(0, ksync_mutex_unlock(m));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(m));
	ksync_mutex_close(m);
}

static void do_nothing(int signal)
{
}

/* A handler runs, and the wait goes on. */
TEST_F(cond, signal_wait)
{
	struct sigaction act = { .sa_handler = do_nothing };
	int i;

	if (variant->kind == ACTOR_THREAD)
		SKIP(return, "its signals would go to the test");
	sigaction(SIGUSR1, &act, NULL);
	actor_end(&self->a);
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	START(a, wait_and_unlock, 0);
	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
		kill(self->a.pid, SIGUSR1);
	}
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	ASSERT_EQ(0, ksync_cond_signal(self->p.c));
	EXPECT_EQ(0, actor_result(&self->a));
}

struct scene {
	struct pair p;
	struct actor victim, waiter;
};

static int set_scene(struct scene *s, enum actor_kind kind)
{
	return make_pair(&s->p, 0) ?: actor_begin(&s->victim, kind) ?:
	       actor_begin(&s->waiter, ACTOR_PROCESS);
}

static void clear_scene(struct scene *s)
{
	actor_end(&s->victim);
	actor_end(&s->waiter);
	close_pair(&s->p);
}

#define SIGKILL_ONLY(f) ROAD(f, sigkill, ACTOR_PROCESS, BY_SIGKILL)

DEATH_FIXTURE(death, ROADS_ONE_OF_EACH);
DEATH_FIXTURE(aftermath, SIGKILL_ONLY);

#undef WAITERS
#undef M
#define WAITERS cond_status(self->scene.p.c).waiters_shared
#define M mutex_status(self->scene.p.m)
#define SCENE_START(actor, job, arg) \
	actor_start(&self->scene.actor, job, &self->scene.p, arg)

/* A holder of the mutex dies during the wait. */
TEST_F(death, die_holding_mutex)
{
	SCENE_START(waiter, lock_and_wait, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	ASSERT_EQ(0, actor_do(&self->scene.victim, job_mutex_lock,
			      self->scene.p.m, 0));
	ASSERT_EQ(0, ksync_cond_signal(self->scene.p.c));
	ASSERT_TRUE(WAIT_FOR(M.waiters == 1));
	actor_die(&self->scene.victim, variant->road);
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.waiter));
	/* It would be lost if it waited now. */
	EXPECT_EQ(-EINVAL, actor_do(&self->scene.waiter, wait_locked,
				    &self->scene.p, 0));
	EXPECT_EQ(0, actor_do(&self->scene.waiter, job_mutex_consistent,
			      self->scene.p.m, 0));
	EXPECT_EQ(0, actor_do(&self->scene.waiter, job_mutex_unlock,
			      self->scene.p.m, 0));
}

TEST_F(death, die_holding_mutex_and_deadline)
{
	/* Not before the victim has the mutex. */
	SCENE_START(waiter, lock_and_wait, machine_is_slow() ? 1000 : 300);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	ASSERT_EQ(0, actor_do(&self->scene.victim, job_mutex_lock,
			      self->scene.p.m, 0));
	actor_die(&self->scene.victim, variant->road);
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->scene.waiter));
	EXPECT_EQ(1, M.held);
}

TEST_F(aftermath, die_waiting)
{
	SCENE_START(victim, wait_and_unlock, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	SCENE_START(waiter, wait_and_unlock, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 2));
	actor_kill(&self->scene.victim);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	ASSERT_EQ(0, ksync_cond_signal(self->scene.p.c));
	EXPECT_EQ(0, actor_result(&self->scene.waiter));
}

/* The signal it was given is for the next then. */
TEST_F(aftermath, die_signalled)
{
	SCENE_START(victim, wait_and_unlock, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 1));
	SCENE_START(waiter, wait_and_unlock, 0);
	ASSERT_TRUE(WAIT_FOR(WAITERS == 2));
	ASSERT_EQ(0, ksync_mutex_lock(self->scene.p.m));
	ASSERT_EQ(0, ksync_cond_signal(self->scene.p.c));
	ASSERT_TRUE(WAIT_FOR(M.waiters == 1));
	actor_kill(&self->scene.victim);
	ASSERT_EQ(0, ksync_mutex_unlock(self->scene.p.m));
	EXPECT_EQ(0, actor_result(&self->scene.waiter));
}

/* A queue of one: items go in and out, and of those who wait many are killed. */
TEST_F(aftermath, die_in_window)
{
	struct shop { int items, taken; } *shop = shared_memory(sizeof(*shop));
	struct pair *p = &self->scene.p;
	uint64_t seed = test_seed();
	pid_t pids[4] = { 0 };
	int i, k, err;

	for_each_round(i, 100) {
		for (k = 0; k < 4; k++) {
			if (pids[k])
				continue;
			pids[k] = fork_child();
			if (pids[k])
				continue;
			for (;;) {
				err = ksync_mutex_lock(p->m);
				if (err == -EOWNERDEAD)
					ksync_mutex_consistent(p->m);
				while (!shop->items) {
					err = ksync_cond_wait(p->c, p->m);
					if (err == -EOWNERDEAD)
						ksync_mutex_consistent(p->m);
					else if (err)
						_exit(2);
				}
				shop->taken += shop->items;
				shop->items = 0;
				ksync_mutex_unlock(p->m);
			}
		}
		err = ksync_mutex_lock_until(p->m, PATIENTLY);
		ASSERT_TRUE(!err || err == -EOWNERDEAD);
		if (err)
			ASSERT_EQ(0, ksync_mutex_consistent(p->m));
		shop->items++;
		ASSERT_EQ(0, ksync_cond_signal(p->c));
		ASSERT_EQ(0, ksync_mutex_unlock(p->m));
		sleep_ns(next_random(&seed) % NSEC_PER_MSEC);
		k = next_random(&seed) % 4;
		kill(pids[k], SIGKILL);
		waitpid(pids[k], NULL, 0);
		pids[k] = 0;
		/*
		 * Who died with the mutex may have come with the signal, and
		 * then it is for the next holder to signal again.
		 */
		err = ksync_mutex_lock_until(p->m, PATIENTLY);
		ASSERT_TRUE(!err || err == -EOWNERDEAD);
		if (err) {
			ASSERT_EQ(0, ksync_mutex_consistent(p->m));
			ASSERT_EQ(0, ksync_cond_signal(p->c));
		}
		ASSERT_EQ(0, ksync_mutex_unlock(p->m));
		/* Three live, and one of them takes it. */
		ASSERT_TRUE(WAIT_FOR(!__atomic_load_n(&shop->items,
						      __ATOMIC_SEQ_CST)));
	}
}

DEATH_HARNESS_MAIN
