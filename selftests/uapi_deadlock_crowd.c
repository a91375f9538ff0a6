// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlock detection with many: threads that close a cycle at the same time,
 * long chains, many readers, locks that change hands all the time, and the
 * bound of a search.
 */
#include "uapi_cycle.h"

#define STACK	(64 * 1024)
#define CROWD	120
#define LIMIT	PARAMETERS "deadlock_limit"

FIXTURE(crowd)
{
	int dev;
	int m;
	int rw;
	int sem;
};

FIXTURE_SETUP(crowd)
{
	report_init();
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->m = create(self->dev, KSYNC_TYPE_MUTEX, 0, CROWD + 1);
	self->rw = create(self->dev, KSYNC_TYPE_RWLOCK, 0, CROWD);
	self->sem = create_sem(self->dev, KSYNC_F_TRACKED, 2, 2);
	ASSERT_LE(0, self->m);
	ASSERT_LE(0, self->rw);
	ASSERT_LE(0, self->sem);
}

FIXTURE_TEARDOWN(crowd)
{
	peers_end();
	munmap(report, sizeof(*report));
}

struct member {
	pthread_t thread;
	int dev, m, rw, sem;
	int nr;			/* its number, below the crowd's */
	int crowd;
	int rounds;
	int refused;
	int error;
	bool waits;
	pthread_barrier_t *barrier;
};

static int crowd_start(struct member *members, int n, void *(*fn)(void *))
{
	pthread_attr_t attr;
	int i, ret = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (i = 0; i < n && !ret; i++)
		ret = pthread_create(&members[i].thread, &attr, fn,
				     &members[i]);
	pthread_attr_destroy(&attr);
	return -ret;
}

/* Each has one mutex of a ring and takes the next, all at once. */
static void *ring(void *arg)
{
	struct member *t = arg;
	__u32 mine = t->nr, next = (t->nr + 1) % t->crowd;
	int i, ret;

	for (i = 0; i < t->rounds && !t->error; i++) {
		t->error = me(at(mine, mutex_lock(t->m, NEVER)));
		pthread_barrier_wait(t->barrier);
		ret = me(at(next, mutex_lock(t->m, NEVER)));
		if (ret == -EDEADLK)
			t->refused++;
		else if (ret || me(at(next, mutex_unlock(t->m))))
			t->error = ret ?: -EPERM;
		t->error = t->error ?: me(at(mine, mutex_unlock(t->m)));
		pthread_barrier_wait(t->barrier);
	}
	return NULL;
}

static void run_ring(struct __test_metadata *_metadata,
		     FIXTURE_DATA(crowd) * self, int crowd, int rounds)
{
	struct member members[8];
	pthread_barrier_t barrier;
	int i, refused = 0;

	pthread_barrier_init(&barrier, NULL, crowd);
	for (i = 0; i < crowd; i++)
		members[i] = (struct member){
			.m = self->m, .nr = i, .crowd = crowd,
			.rounds = rounds, .barrier = &barrier,
		};
	ASSERT_EQ(0, crowd_start(members, crowd, ring));
	for (i = 0; i < crowd; i++) {
		pthread_join(members[i].thread, NULL);
		EXPECT_EQ(0, members[i].error);
		refused += members[i].refused;
	}
	/* A ring need not close, when one is early enough; never twice. */
	EXPECT_GE(rounds, refused);
	EXPECT_LT(0, refused);
	TH_LOG("%d of %d rings closed", refused, rounds);
	pthread_barrier_destroy(&barrier);
}

TEST_F(crowd, two_at_the_same_time)
{
	run_ring(_metadata, self, 2, 400);
}

TEST_F(crowd, three_at_the_same_time)
{
	run_ring(_metadata, self, 3, 300);
}

TEST_F(crowd, seven_at_the_same_time)
{
	run_ring(_metadata, self, 7, 100);
}

/* Member k has mutex k and waits for mutex k + 1. */
static void *link_in_chain(void *arg)
{
	struct member *t = arg;

	t->error = me(at(t->nr, mutex_lock(t->m, NEVER)));
	__atomic_store_n(&t->waits, true, __ATOMIC_SEQ_CST);
	t->error = t->error ?: me(at(t->nr + 1, mutex_lock(t->m, NEVER)));
	t->error = t->error ?: me(at(t->nr + 1, mutex_unlock(t->m)));
	t->error = t->error ?: me(at(t->nr, mutex_unlock(t->m)));
	return NULL;
}

static bool chain_waits(int m, int first, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (!queued_at(m, first + i, 1, 0))
			return false;
	return true;
}

/* The test itself has the last mutex, and closes the ring by the first. */
TEST_F(crowd, long_chain)
{
	struct member members[CROWD];
	int i;

	ASSERT_EQ(0, me(at(CROWD, mutex_lock(self->m, NEVER))));
	for (i = 0; i < CROWD; i++)
		members[i] = (struct member){ .m = self->m, .nr = i };
	/* The last one first, so that each finds the next one's taken. */
	for (i = CROWD; i--; ) {
		ASSERT_EQ(0, crowd_start(&members[i], 1, link_in_chain));
		ASSERT_TRUE(queued_at(self->m, i + 1, 1, 0));
	}
	ASSERT_TRUE(chain_waits(self->m, 1, CROWD));
	EXPECT_EQ(-EDEADLK, me(at(0, mutex_lock(self->m, NEVER))));
	ASSERT_EQ(CROWD + 1, my_cycle(self->dev));
	EXPECT_EQ(CROWD + 1, report->args.total);
	EXPECT_EQ(gettid_raw(), report->edge[0].waiter_tid);
	for (i = 0; i <= CROWD; i++) {
		EXPECT_EQ(i, report->edge[i].index);
		EXPECT_EQ(report->edge[(i + 1) % (CROWD + 1)].waiter_tid,
			  report->edge[i].holder_tid);
	}

	/* With little room the beginning of it is told. */
	report->args = (struct ksync_graph_args){
		.edges = (uintptr_t)report->edge, .room = 5,
		.size = sizeof(report->edge[0]),
	};
	EXPECT_EQ(0, ioctl(self->dev, KSYNC_IOC_DEV_CYCLE, &report->args));
	EXPECT_EQ(5, report->args.nr);
	EXPECT_EQ(CROWD + 1, report->args.total);
	EXPECT_EQ(KSYNC_GRAPH_PARTIAL, report->args.flags);

	EXPECT_EQ(0, me(at(CROWD, mutex_unlock(self->m))));
	for (i = 0; i < CROWD; i++) {
		pthread_join(members[i].thread, NULL);
		EXPECT_EQ(0, members[i].error);
	}
}

/* All read, each waits for one that the test has. */
static void *one_reader(void *arg)
{
	struct member *t = arg;

	t->error = me(rwlock_rdlock(t->rw, NEVER));
	__atomic_store_n(&t->waits, true, __ATOMIC_SEQ_CST);
	t->error = t->error ?: me(mutex_lock(t->m, NEVER));
	if (!t->error || t->error == -EOWNERDEAD)
		t->error = me(mutex_unlock(t->m)) ?: t->error;
	t->error = me(rwlock_unlock(t->rw)) ?: t->error;
	return NULL;
}

TEST_F(crowd, many_readers)
{
	struct member members[CROWD];
	int i;

	ASSERT_EQ(0, me(mutex_lock(self->m, NEVER)));
	for (i = 0; i < CROWD; i++)
		members[i] = (struct member){ .m = self->m, .rw = self->rw };
	ASSERT_EQ(0, crowd_start(members, CROWD, one_reader));
	ASSERT_TRUE(queued(self->m, CROWD, 0));
	EXPECT_EQ(-EDEADLK, me(rwlock_wrlock(self->rw, NEVER)));
	/* One reader is enough. */
	ASSERT_EQ(2, my_cycle(self->dev));
	EXPECT_EQ(HELD_S, report->edge[0].held);
	EXPECT_EQ(report->edge[1].waiter_tid, report->edge[0].holder_tid);
	EXPECT_EQ(gettid_raw(), report->edge[1].holder_tid);
	EXPECT_EQ(0, me(mutex_unlock(self->m)));
	for (i = 0; i < CROWD; i++) {
		pthread_join(members[i].thread, NULL);
		EXPECT_EQ(0, members[i].error);
	}
}

/*
 * A search that would have to look at more than allowed finds nothing: then the
 * wait goes on, as it would anywhere else. Only a death ends it here.
 */
TEST_F(crowd, the_limit)
{
	struct member members[CROWD];
	long limit = read_long(LIMIT);
	struct peer p, q;
	int i;

	if (limit < 0 || write_long(LIMIT, limit))
		SKIP(return, "needs to set " LIMIT);
	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, peer_fork(&q));
	ASSERT_EQ(0, ask(&p, mutex_lock(self->m, NEVER)));
	ASSERT_EQ(0, ask(&p, at(1, mutex_lock(self->m, NEVER))));
	ASSERT_EQ(0, ask(&q, at(2, mutex_lock(self->m, NEVER))));
	for (i = 0; i < CROWD; i++)
		members[i] = (struct member){ .m = self->m, .rw = self->rw };
	ASSERT_EQ(0, crowd_start(members, CROWD, one_reader));
	ASSERT_TRUE(queued(self->m, CROWD, 0));
	start(&q, at(1, mutex_lock(self->m, NEVER)));
	ASSERT_TRUE(queued_at(self->m, 1, 1, 0));
	ASSERT_EQ(0, write_long(LIMIT, CROWD / 2));
	start(&p, at(2, mutex_lock(self->m, NEVER)));
	EXPECT_TRUE(queued_at(self->m, 2, 1, 0));
	usleep(50000);
	EXPECT_TRUE(silent(&p));
	EXPECT_EQ(0, write_long(LIMIT, limit));
	peer_kill(&p);
	EXPECT_EQ(-EOWNERDEAD, answer(&q));
	/* The first reader is told of the death and gives up on the mutex. */
	for (i = 0; i < CROWD; i++) {
		pthread_join(members[i].thread, NULL);
		EXPECT_TRUE(members[i].error == -EOWNERDEAD ||
			    members[i].error == -ENOTRECOVERABLE);
	}
}

/* In one order, whatever comes: no cycle can be. */
static void *in_order(void *arg)
{
	struct member *t = arg;
	unsigned int seed = t->nr;
	int i, ret;

	for (i = 0; i < t->rounds && !t->error; i++) {
		bool rd = rand_r(&seed) % 2, permit = rand_r(&seed) % 2;

		ret = me(at(rand_r(&seed) % 2 * 2, mutex_lock(t->m, NEVER)));
		if (ret) {
			t->error = ret;
			break;
		}
		ret = me(rd ? rwlock_rdlock(t->rw, NEVER) :
			      rwlock_wrlock(t->rw, NEVER));
		if (!ret && permit)
			ret = me(sem_acquire(t->sem, 1, NEVER));
		if (!ret)
			ret = me(at(1, mutex_lock(t->m, NEVER)));
		t->error = ret ?: me(at(1, mutex_unlock(t->m)));
		if (permit)
			t->error = t->error ?: me(sem_release(t->sem, 1));
		t->error = t->error ?: me(rwlock_unlock(t->rw));
		if (me(at(0, mutex_unlock(t->m))) &&
		    me(at(2, mutex_unlock(t->m))))
			t->error = -EPERM;
	}
	return NULL;
}

TEST_F(crowd, no_cycle_among_changes)
{
	struct member members[12];
	int i;

	for (i = 0; i < 12; i++)
		members[i] = (struct member){
			.m = self->m, .rw = self->rw, .sem = self->sem,
			.nr = i, .rounds = 200,
		};
	ASSERT_EQ(0, crowd_start(members, 12, in_order));
	for (i = 0; i < 12; i++) {
		pthread_join(members[i].thread, NULL);
		EXPECT_EQ(0, members[i].error);
	}
}

/* In any order: who is refused gives all back, and nobody hangs. */
static void *in_any_order(void *arg)
{
	struct member *t = arg;
	unsigned int seed = t->nr;
	int i, k, n, ret, have[3];

	for (i = 0; i < t->rounds && !t->error; i++) {
		ret = 0;
		for (n = 0; n < 3 && !ret; n++) {
			have[n] = rand_r(&seed) % 5;
			for (k = 0; k < n; k++)
				if (have[k] == have[n])
					break;
			if (k < n) {
				n--;
				continue;
			}
			if (have[n] < 3)
				ret = me(at(have[n], mutex_lock(t->m, NEVER)));
			else if (rand_r(&seed) % 2)
				ret = me(at(have[n], rwlock_rdlock(t->rw, NEVER)));
			else
				ret = me(at(have[n], rwlock_wrlock(t->rw, NEVER)));
			/* Or on one processor they hardly meet. */
			sched_yield();
		}
		if (ret) {
			n--;
			if (ret == -EDEADLK)
				t->refused++;
			else
				t->error = ret;
		}
		while (n--)
			if (me(at(have[n], have[n] < 3 ?
					   mutex_unlock(t->m) :
					   rwlock_unlock(t->rw))))
				t->error = t->error ?: -EPERM;
	}
	return NULL;
}

TEST_F(crowd, any_order_and_nobody_hangs)
{
	struct member members[12];
	int i, refused = 0;

	for (i = 0; i < 12; i++)
		members[i] = (struct member){
			.m = self->m, .rw = self->rw, .nr = i, .rounds = 200,
		};
	ASSERT_EQ(0, crowd_start(members, 12, in_any_order));
	for (i = 0; i < 12; i++) {
		pthread_join(members[i].thread, NULL);
		EXPECT_EQ(0, members[i].error);
		refused += members[i].refused;
	}
	TH_LOG("%d refused", refused);
	EXPECT_LT(0, refused);
}

/* A process can give its permits back as long as one thread can. */
TEST_F(crowd, permits_of_a_process_with_threads)
{
	struct peer p, t;

	/* This process has the permits, by one of its threads. */
	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, peer_thread(&t));
	ASSERT_EQ(0, ask(&t, sem_acquire(self->sem, 2, NEVER)));
	ASSERT_EQ(0, ask(&p, mutex_lock(self->m, NEVER)));
	start(&p, sem_acquire(self->sem, 1, NEVER));
	ASSERT_TRUE(queued(self->sem, 1, 0));
	start(&t, mutex_lock(self->m, NEVER));
	ASSERT_TRUE(queued(self->m, 1, 0));
	usleep(20000);
	EXPECT_TRUE(silent(&t));
	/* With the last thread waiting it is a deadlock. */
	EXPECT_EQ(-EDEADLK, me(mutex_lock(self->m, NEVER)));
	ASSERT_EQ(3, my_cycle(self->dev));
	EXPECT_EQ(gettid_raw(), report->edge[0].waiter_tid);
	EXPECT_EQ(p.pid, report->edge[0].holder_pid);
	EXPECT_EQ(p.pid, report->edge[1].waiter_pid);
	EXPECT_EQ(HELD_P, report->edge[1].held);
	EXPECT_EQ(2, report->edge[1].count);
	EXPECT_EQ(getpid(), report->edge[1].holder_pid);
	EXPECT_EQ(getpid(), report->edge[2].waiter_pid);
	EXPECT_EQ(p.pid, report->edge[2].holder_pid);
	EXPECT_EQ(0, me(sem_release(self->sem, 2)));
	EXPECT_EQ(0, answer(&p));
	EXPECT_EQ(0, ask(&p, mutex_unlock(self->m)));
	EXPECT_EQ(0, answer(&t));
}

UAPI_MAIN
