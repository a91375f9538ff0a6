// SPDX-License-Identifier: GPL-2.0-only
/* Deadlocks, and what can be read about them. */

#include "actor.h"

#define MOST 8

/* What the callbacks saw, also in another process. */
struct seen {
	int nr;
	struct ksync_edge edge[MOST];
};

static int collect(const struct ksync_edge *edge, void *arg)
{
	struct seen *seen = arg;

	if (seen->nr == MOST)
		return -E2BIG;
	seen->edge[seen->nr++] = *edge;
	return 0;
}

static int stop(const struct ksync_edge *edge, void *arg)
{
	++*(int *)arg;
	return 7;
}

/* For an actor: @obj is in shared memory. */
static long job_last_deadlock(void *obj, uint64_t arg)
{
	struct seen *seen = obj;

	seen->nr = 0;
	return ksync_last_deadlock(collect, seen) ?: seen->nr;
}

FIXTURE(deadlock)
{
	struct ksync_mutex *m;
	struct ksync_mutex *named;
	struct ksync_rwlock *rw;
	struct ksync_sem *sem;
	struct actor a, b, c;
	struct seen *seen;
};

FIXTURE_SETUP(deadlock)
{
	struct ksync_options tracked = {
		.flags = KSYNC_TRACKED, .value = 2, .max = 2,
	};

	REQUIRE(KSYNC_G_DEADLOCK);
	self->seen = shared_memory(sizeof(*self->seen));
	ASSERT_EQ(0, ksync_mutex_create(&self->m, NULL));
	ASSERT_EQ(0, ksync_mutex_open(&self->named, test_name("named"), O_CREAT,
				      0600, NULL));
	ASSERT_EQ(0, ksync_rwlock_create(&self->rw, NULL));
	ASSERT_EQ(0, ksync_sem_create(&self->sem, &tracked));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->c, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(deadlock)
{
	actor_end(&self->a);
	actor_end(&self->b);
	actor_end(&self->c);
	ksync_mutex_close(self->m);
	ksync_mutex_close(self->named);
	ksync_rwlock_close(self->rw);
	ksync_sem_close(self->sem);
}

static bool edge_is(const struct ksync_edge *e, pid_t waiter, uint32_t type,
		    uint32_t want, uint32_t wanted, pid_t holder, uint32_t held,
		    uint32_t count)
{
	return e->waiter_pid == waiter && e->waiter_tid == waiter &&
	       e->type == type && e->want == want && e->wanted == wanted &&
	       e->holder_pid == holder && e->holder_tid == holder &&
	       e->held == held && e->count == count && e->index == 0 &&
	       e->object && *e->waiter_name && *e->holder_name &&
	       e->waited_ns < 100 * NSEC_PER_SEC;
}

/* Two processes, two mutexes, opposite order. */
TEST_F(deadlock, deadlock_abba)
{
	struct ksync_edge *e = self->seen->edge;
	int calls = 0;

	ASSERT_EQ(0, actor_do(&self->a, job_mutex_lock, self->m, 0));
	ASSERT_EQ(0, actor_do(&self->b, job_mutex_lock, self->named, 0));
	actor_start(&self->a, job_mutex_lock, self->named, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->named).waiters == 1));
	EXPECT_EQ(-EDEADLK, actor_do(&self->b, job_mutex_lock, self->m, 0));

	ASSERT_EQ(2, actor_do(&self->b, job_last_deadlock, self->seen, 0));
	EXPECT_TRUE(edge_is(&e[0], self->b.pid, KSYNC_MUTEX,
			    KSYNC_WANTS_EXCLUSIVE, 1, self->a.pid,
			    KSYNC_HELD_EXCLUSIVE, 1));
	EXPECT_STREQ("", e[0].name);
	EXPECT_TRUE(edge_is(&e[1], self->a.pid, KSYNC_MUTEX,
			    KSYNC_WANTS_EXCLUSIVE, 1, self->b.pid,
			    KSYNC_HELD_EXCLUSIVE, 1));
	EXPECT_STREQ(test_name("named"), e[1].name);

	/* What is left of it now: a waits for b. */
	self->seen->nr = 0;
	ASSERT_EQ(0, ksync_graph(collect, self->seen));
	ASSERT_EQ(1, self->seen->nr);
	EXPECT_TRUE(edge_is(&e[0], self->a.pid, KSYNC_MUTEX,
			    KSYNC_WANTS_EXCLUSIVE, 1, self->b.pid,
			    KSYNC_HELD_EXCLUSIVE, 1));
	EXPECT_EQ(7, ksync_graph(stop, &calls));
	EXPECT_EQ(1, calls);
	/* The test itself was never refused. */
	EXPECT_EQ(0, ksync_last_deadlock(stop, &calls));
	EXPECT_EQ(1, calls);
}

/* Three processes, through a reader, a mutex and permits. */
TEST_F(deadlock, deadlock_mixed)
{
	struct ksync_edge *e = self->seen->edge;

	ASSERT_EQ(0, actor_do(&self->a, job_rdlock, self->rw, 0));
	ASSERT_EQ(0, actor_do(&self->b, job_mutex_lock, self->m, 0));
	ASSERT_EQ(0, actor_do(&self->c, job_sem_acquire, self->sem, 1));
	actor_start(&self->a, job_mutex_lock, self->m, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).waiters == 1));
	actor_start(&self->b, job_sem_acquire, self->sem, 2);
	ASSERT_TRUE(WAIT_FOR(sem_status(self->sem).waiters == 1));
	EXPECT_EQ(-EDEADLK, actor_do(&self->c, job_wrlock, self->rw, 0));
	ASSERT_EQ(3, actor_do(&self->c, job_last_deadlock, self->seen, 0));
	EXPECT_TRUE(edge_is(&e[0], self->c.pid, KSYNC_RWLOCK,
			    KSYNC_WANTS_EXCLUSIVE, 1, self->a.pid,
			    KSYNC_HELD_SHARED, 1));
	EXPECT_TRUE(edge_is(&e[1], self->a.pid, KSYNC_MUTEX,
			    KSYNC_WANTS_EXCLUSIVE, 1, self->b.pid,
			    KSYNC_HELD_EXCLUSIVE, 1));
	EXPECT_TRUE(edge_is(&e[2], self->b.pid, KSYNC_SEM,
			    KSYNC_WANTS_PERMITS, 2, self->c.pid,
			    KSYNC_HELD_PERMITS, 1));
	/* c gives way. */
	EXPECT_EQ(0, actor_do(&self->c, job_sem_release, self->sem, 1));
	EXPECT_EQ(0, actor_result(&self->b));
}

/* The same, but the permits are those of one that does not wait. */
TEST_F(deadlock, deadlock_false)
{
	ASSERT_EQ(0, actor_do(&self->a, job_rdlock, self->rw, 0));
	ASSERT_EQ(0, actor_do(&self->b, job_mutex_lock, self->m, 0));
	ASSERT_EQ(0, ksync_sem_acquire(self->sem, 1));
	actor_start(&self->a, job_mutex_lock, self->m, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).waiters == 1));
	actor_start(&self->b, job_sem_acquire, self->sem, 2);
	ASSERT_TRUE(WAIT_FOR(sem_status(self->sem).waiters == 1));
	actor_start(&self->c, job_wrlock, self->rw, 0);
	ASSERT_TRUE(WAIT_FOR(rwlock_status(self->rw).waiters == 1));
	EXPECT_TRUE(actor_busy(&self->c, WATCH_MS));
	EXPECT_TRUE(actor_busy(&self->b, 0));
	EXPECT_TRUE(actor_busy(&self->a, 0));
	EXPECT_EQ(0, ksync_sem_release(self->sem, 1));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, actor_do(&self->b, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_do(&self->a, job_rwlock_unlock, self->rw, 0));
	EXPECT_EQ(0, actor_result(&self->c));
}

/* Who has a deadline waits until then; who has none is refused behind it. */
TEST_F(deadlock, with_a_deadline)
{
	ASSERT_EQ(0, actor_do(&self->a, job_mutex_lock, self->m, 0));
	ASSERT_EQ(0, actor_do(&self->b, job_mutex_lock, self->named, 0));
	actor_start(&self->a, job_mutex_lock, self->named, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->named).waiters == 1));
	EXPECT_EQ(-ETIMEDOUT, actor_do(&self->b, job_mutex_lock, self->m, 30));
	EXPECT_EQ(0, actor_do(&self->b, job_last_deadlock, self->seen, 0));
	EXPECT_EQ(0, actor_do(&self->b, job_mutex_unlock, self->named, 0));
	EXPECT_EQ(0, actor_result(&self->a));

	actor_start(&self->b, job_mutex_lock, self->m, PATIENCE_MS);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).waiters == 1));
	EXPECT_EQ(0, actor_do(&self->a, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(0, actor_result(&self->b));
	actor_start(&self->b, job_mutex_lock, self->named, PATIENCE_MS);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->named).waiters == 1));
	EXPECT_EQ(-EDEADLK, actor_do(&self->a, job_mutex_lock, self->m, 0));
	EXPECT_EQ(2, actor_do(&self->a, job_last_deadlock, self->seen, 0));
}

TEST(what_the_backend_cannot_tell)
{
	int calls = 0;

	REQUIRE_BACKEND();
	EXPECT_EQ(-EINVAL, ksync_graph(NULL, &calls));
	EXPECT_EQ(-EINVAL, ksync_last_deadlock(NULL, &calls));
	if (ksync_guarantees() & KSYNC_G_DEADLOCK)
		return;
	EXPECT_EQ(-EOPNOTSUPP, ksync_graph(stop, &calls));
	EXPECT_EQ(-EOPNOTSUPP, ksync_last_deadlock(stop, &calls));
	EXPECT_EQ(0, calls);
}

TEST_HARNESS_MAIN
