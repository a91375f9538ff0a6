// SPDX-License-Identifier: GPL-2.0-only
/* Deadlocks, and what can be read about them. */

#include "rendezvous.h"

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

/*
 * Two threads: a has one thing and wants the other's, b the other way round. In
 * one object and in two, with every kind of hold and of wait that collide.
 */
struct side {
	job_fn take, want;
	uint32_t type, held, wants;
};

FIXTURE(pair) {
	struct actor a, b;
	struct ksync_mutex *m;
	struct ksync_rwlock *rw, *rw2;
	void *thing[2];
	struct seen *seen;
};

FIXTURE_VARIANT(pair) {
	struct side side[2];	/* thing 0, which a has, and thing 1 */
	bool one_object;	/* both are rwlocks */
};

#define MUTEX { job_mutex_lock, job_mutex_lock, KSYNC_MUTEX,		\
		KSYNC_HELD_EXCLUSIVE, KSYNC_WANTS_EXCLUSIVE }
#define WRITE_WRITE { job_wrlock, job_wrlock, KSYNC_RWLOCK,		\
		      KSYNC_HELD_EXCLUSIVE, KSYNC_WANTS_EXCLUSIVE }
#define WRITE_READ { job_wrlock, job_rdlock, KSYNC_RWLOCK,		\
		     KSYNC_HELD_EXCLUSIVE, KSYNC_WANTS_SHARED }
#define READ_WRITE { job_rdlock, job_wrlock, KSYNC_RWLOCK,		\
		     KSYNC_HELD_SHARED, KSYNC_WANTS_EXCLUSIVE }

FIXTURE_VARIANT_ADD(pair, mutex_and_read) { { MUTEX, READ_WRITE }, false };
FIXTURE_VARIANT_ADD(pair, read_and_mutex) { { READ_WRITE, MUTEX }, false };
FIXTURE_VARIANT_ADD(pair, mutex_and_write) { { MUTEX, WRITE_WRITE }, false };
FIXTURE_VARIANT_ADD(pair, write_and_mutex) { { WRITE_READ, MUTEX }, false };
FIXTURE_VARIANT_ADD(pair, reads) { { READ_WRITE, READ_WRITE }, false };
FIXTURE_VARIANT_ADD(pair, read_and_write) { { READ_WRITE, WRITE_READ }, false };
FIXTURE_VARIANT_ADD(pair, writes) { { WRITE_WRITE, WRITE_READ }, false };
FIXTURE_VARIANT_ADD(pair, reads_of_one) { { READ_WRITE, READ_WRITE }, true };
FIXTURE_VARIANT_ADD(pair, writes_of_one) { { WRITE_READ, WRITE_WRITE }, true };
FIXTURE_VARIANT_ADD(pair, mixed_of_one) { { WRITE_READ, READ_WRITE }, true };

FIXTURE_SETUP(pair)
{
	struct ksync_options two = { .nr = 2 };
	int i;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_DEADLOCK_OF_TWO);
	self->seen = shared_memory(sizeof(*self->seen));
	ASSERT_EQ(0, ksync_mutex_create(&self->m, NULL));
	ASSERT_EQ(0, ksync_rwlock_create(&self->rw, &two));
	ASSERT_EQ(0, ksync_rwlock_create(&self->rw2, NULL));
	for (i = 0; i < 2; i++) {
		if (variant->side[i].type == KSYNC_MUTEX)
			self->thing[i] = self->m;
		else if (i && variant->one_object)
			self->thing[i] = ksync_rwlock_at(self->rw, 1);
		else
			self->thing[i] = i ? self->rw2 : self->rw;
	}
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&self->a, variant->side[0].take, self->thing[0],
			      0));
	ASSERT_EQ(0, actor_do(&self->b, variant->side[1].take, self->thing[1],
			      0));
}

FIXTURE_TEARDOWN(pair)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_mutex_close(self->m);
	ksync_rwlock_close(self->rw);
	ksync_rwlock_close(self->rw2);
}

static uint32_t waiters_of(void *thing, const struct side *side)
{
	struct ksync_status st = side->type == KSYNC_MUTEX ?
		mutex_status(thing) : rwlock_status(thing);

	return st.waiters + st.waiters_shared;
}

static long give_back(void *thing, uint64_t type)
{
	return type == KSYNC_MUTEX ? ksync_mutex_unlock(thing) :
				     ksync_rwlock_unlock(thing);
}

static bool is_wait_of(const struct ksync_edge *e, const struct side *side,
		       struct actor *waiter, struct actor *holder)
{
	return e->waiter_pid == waiter->pid && e->waiter_tid == waiter->pid &&
	       e->holder_pid == holder->pid && e->holder_tid == holder->pid &&
	       e->type == side->type && e->want == side->wants &&
	       e->held == side->held && e->wanted == 1 && e->count == 1 &&
	       e->object && !*e->name && *e->waiter_name && *e->holder_name &&
	       e->waited_ns < 100 * NSEC_PER_SEC;
}

/* Who came later is refused, is told why, and the other one goes on. */
TEST_F(pair, later_gives_way)
{
	struct ksync_edge *e = self->seen->edge;
	const struct side *side = variant->side;

	actor_start(&self->a, side[1].want, self->thing[1], 0);
	ASSERT_TRUE(WAIT_FOR(waiters_of(self->thing[1], &side[1])));
	EXPECT_EQ(-EDEADLK, actor_do(&self->b, side[0].want, self->thing[0],
				     0));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, waiters_of(self->thing[0], &side[0]));
	ASSERT_EQ(2, actor_do(&self->b, job_last_deadlock, self->seen, 0));
	EXPECT_TRUE(is_wait_of(&e[0], &side[0], &self->b, &self->a));
	EXPECT_TRUE(is_wait_of(&e[1], &side[1], &self->a, &self->b));
	EXPECT_EQ(variant->one_object, e[1].index);

	EXPECT_EQ(0, actor_do(&self->b, give_back, self->thing[1],
			      side[1].type));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_do(&self->a, job_last_deadlock, self->seen, 0));
}

/* Exactly one of them, also if they come at the same time. */
TEST_F(pair, one_gives_way)
{
	const struct side *side = variant->side;
	struct actor *who[2] = { &self->a, &self->b };
	int round, first;
	long err;

	for (round = 0; round < (machine_is_slow() ? 2 : 5); round++) {
		actor_start(&self->a, side[1].want, self->thing[1], 0);
		actor_start(&self->b, side[0].want, self->thing[0], 0);
		ASSERT_TRUE(WAIT_FOR(!actor_busy(&self->a, 0) ||
				     !actor_busy(&self->b, 0)));
		first = actor_busy(&self->a, 0);
		EXPECT_EQ(-EDEADLK, actor_result(who[first]));
		EXPECT_TRUE(actor_busy(who[!first], WATCH_MS));
		/* The one goes on; all as it was. */
		EXPECT_EQ(0, actor_do(who[first], give_back, self->thing[first],
				      side[first].type));
		EXPECT_EQ(0, actor_result(who[!first]));
		err = actor_do(who[!first], give_back, self->thing[first],
			       side[first].type) ?:
		      actor_do(who[first], side[first].take,
			       self->thing[first], 0);
		ASSERT_EQ(0, err);
	}
}

/* Who has a deadline is not refused; who has none is, though he came first. */
TEST_F(pair, deadline_stays)
{
	const struct side *side = variant->side;

	actor_start(&self->a, side[1].want, self->thing[1], 0);
	ASSERT_TRUE(WAIT_FOR(waiters_of(self->thing[1], &side[1])));
	if (ksync_guarantees() & KSYNC_G_DEADLOCK) {
		EXPECT_EQ(-ETIMEDOUT, actor_do(&self->b, side[0].want,
					       self->thing[0], 1));
		EXPECT_TRUE(actor_busy(&self->a, 0));
		return;
	}
	/* Who sleeps looks for himself. */
	actor_start(&self->b, side[0].want, self->thing[0], PATIENCE_MS);
	EXPECT_EQ(-EDEADLK, actor_result(&self->a));
	EXPECT_EQ(0, actor_do(&self->a, give_back, self->thing[0],
			      side[0].type));
	EXPECT_EQ(0, actor_result(&self->b));
}

/* Waits long enough to be looked at, where there is no cycle. */
TEST_F(pair, no_cycle)
{
	const struct side *side = variant->side;

	/* What b waits for is held by the test, not by a. */
	ASSERT_EQ(0, actor_do(&self->a, give_back, self->thing[0],
			      side[0].type));
	ASSERT_EQ(0, side[0].take(self->thing[0], 0));
	actor_start(&self->a, side[1].want, self->thing[1], 0);
	actor_start(&self->b, side[0].want, self->thing[0], 0);
	EXPECT_TRUE(actor_busy(&self->b, 300));
	EXPECT_TRUE(actor_busy(&self->a, 0));
	ASSERT_EQ(0, give_back(self->thing[0], side[0].type));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, actor_do(&self->b, give_back, self->thing[1],
			      side[1].type));
	EXPECT_EQ(0, actor_result(&self->a));
}

#define ORDERED 4

struct ordered {
	struct ksync_rwlock *rw[ORDERED];
	uint64_t until;
};

/* Two at a time, always in the same order, and long enough for others to look. */
static long job_in_order(void *obj, uint64_t seed)
{
	struct ordered *o = obj;
	long err = 0;

	while (!err && now_ns() < o->until) {
		uint32_t one = next_random(&seed) % ORDERED;
		uint32_t two = one + next_random(&seed) % (ORDERED - one);

		err = next_random(&seed) % 2 ? ksync_rwlock_rdlock(o->rw[one]) :
					       ksync_rwlock_wrlock(o->rw[one]);
		if (!err && two > one)
			err = next_random(&seed) % 2 ?
				ksync_rwlock_rdlock(o->rw[two]) :
				ksync_rwlock_wrlock(o->rw[two]);
		sleep_ns(next_random(&seed) % (15 * NSEC_PER_MSEC));
		if (!err && two > one)
			err = ksync_rwlock_unlock(o->rw[two]);
		if (!err)
			err = ksync_rwlock_unlock(o->rw[one]);
	}
	return err;
}

/* Nobody is refused, however long he waits. */
TEST(in_order)
{
	struct ordered *o = shared_memory(sizeof(*o));
	struct ksync_options two = { .nr = 2 };
	uint64_t seed = test_seed();
	struct actor actor[6] = {};
	int i;

	REQUIRE_BACKEND();
	for (i = 0; i < ORDERED; i += 2) {
		ASSERT_EQ(0, ksync_rwlock_create(&o->rw[i], &two));
		o->rw[i + 1] = ksync_rwlock_at(o->rw[i], 1);
	}
	for (i = 0; i < ARRAY_SIZE(actor); i++)
		ASSERT_EQ(0, actor_begin(&actor[i], ACTOR_PROCESS));
	o->until = now_ns() + 2 * rounds_ns();
	for (i = 0; i < ARRAY_SIZE(actor); i++)
		actor_start(&actor[i], job_in_order, o, next_random(&seed));
	for (i = 0; i < ARRAY_SIZE(actor); i++)
		EXPECT_EQ(0, actor_result(&actor[i]));
	for (i = 0; i < ARRAY_SIZE(actor); i++)
		actor_end(&actor[i]);
}

struct condition {
	struct ksync_cond *c;
	struct ksync_mutex *m, *other;
};

/* With another mutex all the time. */
static long job_await(void *obj, uint64_t unused)
{
	struct condition *c = obj;

	return ksync_mutex_lock(c->other) ?: ksync_mutex_lock(c->m) ?:
	       ksync_cond_wait(c->c, c->m) ?: ksync_mutex_unlock(c->m);
}

/* Who comes back from a condition has its mutex; so the other one is refused. */
TEST(condition_stays)
{
	struct condition *c = shared_memory(sizeof(*c));
	struct actor a, b;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_DEADLOCK_OF_TWO);
	ASSERT_EQ(0, ksync_cond_create(&c->c, NULL));
	ASSERT_EQ(0, ksync_mutex_create(&c->m, NULL));
	ASSERT_EQ(0, ksync_mutex_create(&c->other, NULL));
	ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&b, ACTOR_PROCESS));
	actor_start(&a, job_await, c, 0);
	ASSERT_TRUE(WAIT_FOR(cond_status(c->c).waiters_shared == 1));
	ASSERT_EQ(0, actor_do(&b, job_mutex_lock, c->m, 0));
	if (ksync_guarantees() & KSYNC_G_DEADLOCK) {
		ASSERT_EQ(0, ksync_cond_signal(c->c));
		ASSERT_TRUE(WAIT_FOR(mutex_status(c->m).waiters == 1));
		EXPECT_EQ(-EDEADLK, actor_do(&b, job_mutex_lock, c->other, 0));
	} else {
		actor_start(&b, job_mutex_lock, c->other, 0);
		ASSERT_TRUE(WAIT_FOR(mutex_status(c->other).waiters == 1));
		ASSERT_EQ(0, ksync_cond_signal(c->c));
		EXPECT_EQ(-EDEADLK, actor_result(&b));
	}
	EXPECT_TRUE(actor_busy(&a, 0));
	EXPECT_EQ(0, actor_do(&b, job_mutex_unlock, c->m, 0));
	EXPECT_EQ(0, actor_result(&a));
	actor_end(&a);
	actor_end(&b);
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
	EXPECT_EQ(0, ksync_last_deadlock(stop, &calls));
	EXPECT_EQ(0, calls);
}

TEST_HARNESS_MAIN
