// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlocks: who would close a cycle of waits is refused and can read the
 * cycle; who would not is not.
 */
#include "uapi_cycle.h"

#define NAME	"uapi-deadlock"

FIXTURE(deadlock)
{
	int dev;
	int m;		/* mutexes */
	int named;	/* a mutex with a name */
	int rw;		/* rwlocks */
	int sem;	/* tracked, 3 permits */
	struct peer a, b, c, d;
};

FIXTURE_SETUP(deadlock)
{
	report_init();
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->m = create(self->dev, KSYNC_TYPE_MUTEX, 0, 4);
	self->named = open_name(self->dev, NAME, KSYNC_TYPE_MUTEX,
				KSYNC_OPEN_CREATE, 0600);
	self->rw = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 4);
	self->sem = create_sem(self->dev, KSYNC_F_TRACKED, 3, 3);
	ASSERT_LE(0, self->m);
	ASSERT_LE(0, self->named);
	ASSERT_LE(0, self->rw);
	ASSERT_LE(0, self->sem);
	ASSERT_EQ(0, peer_fork(&self->a));
	ASSERT_EQ(0, peer_fork(&self->b));
	ASSERT_EQ(0, peer_fork(&self->c));
	ASSERT_EQ(0, peer_fork(&self->d));
}

FIXTURE_TEARDOWN(deadlock)
{
	peers_end();
	munmap(report, sizeof(*report));
}

/* Two processes, two mutexes, opposite order. */
TEST_F(deadlock, deadlock_abba)
{
	pid_t a = self->a.pid, b = self->b.pid;
	int m = self->m, n = self->named;

	ASSERT_EQ(0, ask(&self->a, at(3, mutex_lock(m, NEVER))));
	ASSERT_EQ(0, ask(&self->b, mutex_lock(n, NEVER)));
	start(&self->a, mutex_lock(n, NEVER));
	ASSERT_TRUE(queued(n, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&self->b, at(3, mutex_lock(m, NEVER))));

	ASSERT_EQ(2, cycle_of(&self->b, self->dev));
	EXPECT_EQ(2, report->args.total);
	EXPECT_EQ(0, report->args.flags);
	EXPECT_TRUE(edge_is(0, (struct expected){
		b, m, 3, WANT_X, 1, a, HELD_X, 1 }));
	EXPECT_TRUE(edge_is(1, (struct expected){
		a, n, 0, WANT_X, 1, b, HELD_X, 1 }));

	/* Nothing was acquired, and all goes on. */
	EXPECT_EQ(0, status_of(m, 3).waiters_exclusive);
	EXPECT_TRUE(silent(&self->a));
	EXPECT_EQ(0, ask(&self->b, mutex_unlock(n)));
	EXPECT_EQ(0, answer(&self->a));
	/* It was b's refusal. */
	EXPECT_EQ(0, cycle_of(&self->a, self->dev));
	EXPECT_EQ(0, report->args.total);
}

#define LOG_DEADLOCKS	PARAMETERS "log_deadlocks"

/* So many lines of it; 0 also when the log cannot be read. */
static int lines_told(int log)
{
	char line[2048];
	int n = 0;

	while (read(log, memset(line, 0, sizeof(line)), sizeof(line) - 1) > 0)
		n += strstr(line, "ksync: deadlock ") != NULL;
	return n;
}

/* For who wants to know of them without asking, with a line for each edge. */
TEST_F(deadlock, told_in_the_log)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int m = self->m, n = self->named;

	if (log < 0 || write_long(LOG_DEADLOCKS, 0))
		SKIP(return, "needs /dev/kmsg and " LOG_DEADLOCKS);
	lseek(log, 0, SEEK_END);
	ASSERT_EQ(0, ask(&self->a, at(3, mutex_lock(m, NEVER))));
	ASSERT_EQ(0, ask(&self->b, mutex_lock(n, NEVER)));
	start(&self->a, mutex_lock(n, NEVER));
	ASSERT_TRUE(queued(n, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&self->b, at(3, mutex_lock(m, NEVER))));
	EXPECT_EQ(0, lines_told(log));
	EXPECT_EQ(0, write_long(LOG_DEADLOCKS, 1));
	EXPECT_EQ(-EDEADLK, ask(&self->b, at(3, mutex_lock(m, NEVER))));
	EXPECT_EQ(2, lines_told(log));
	EXPECT_EQ(0, write_long(LOG_DEADLOCKS, 0));
	close(log);
}

/* Who has a deadline is never refused; others wait behind it as behind anybody. */
TEST_F(deadlock, with_a_deadline)
{
	int m = self->m;

	ASSERT_EQ(0, ask(&self->a, at(0, mutex_lock(m, NEVER))));
	ASSERT_EQ(0, ask(&self->b, at(1, mutex_lock(m, NEVER))));
	start(&self->a, at(1, mutex_lock(m, NEVER)));
	ASSERT_TRUE(queued_at(m, 1, 1, 0));
	EXPECT_EQ(-ETIMEDOUT, ask(&self->b, at(0, mutex_lock(m, in_ms(50)))));
	EXPECT_EQ(0, cycle_of(&self->b, self->dev));
	EXPECT_TRUE(silent(&self->a));
	EXPECT_EQ(0, ask(&self->b, at(1, mutex_unlock(m))));
	EXPECT_EQ(0, answer(&self->a));
	EXPECT_EQ(0, cycle_of(&self->a, self->dev));
	EXPECT_EQ(0, report->args.total);
}

TEST_F(deadlock, for_ever_behind_a_deadline)
{
	pid_t a = self->a.pid, b = self->b.pid;
	int m = self->m;

	ASSERT_EQ(0, ask(&self->a, at(0, mutex_lock(m, NEVER))));
	ASSERT_EQ(0, ask(&self->b, at(1, mutex_lock(m, NEVER))));
	start(&self->a, at(1, mutex_lock(m, soon())));
	ASSERT_TRUE(queued_at(m, 1, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&self->b, at(0, mutex_lock(m, NEVER))));
	ASSERT_EQ(2, cycle_of(&self->b, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		b, m, 0, WANT_X, 1, a, HELD_X, 1 }));
	EXPECT_TRUE(edge_is(1, (struct expected){
		a, m, 1, WANT_X, 1, b, HELD_X, 1 }));
	EXPECT_EQ(0, ask(&self->b, at(1, mutex_unlock(m))));
	EXPECT_EQ(0, answer(&self->a));
}

/* A reader waits for a writer that waits for readers. */
TEST_F(deadlock, through_a_writer_that_waits)
{
	pid_t a = self->a.pid, b = self->b.pid, c = self->c.pid;
	int m = self->m, rw = self->rw;

	ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(0, ask(&self->c, mutex_lock(m, NEVER)));
	start(&self->b, rwlock_wrlock(rw, NEVER));
	ASSERT_TRUE(queued(rw, 1, 0));
	start(&self->a, mutex_lock(m, NEVER));
	ASSERT_TRUE(queued(m, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&self->c, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(3, cycle_of(&self->c, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		c, rw, 0, WANT_S, 1, b, HELD_Q, 1 }));
	EXPECT_TRUE(edge_is(1, (struct expected){
		b, rw, 0, WANT_X, 1, a, HELD_S, 1 }));
	EXPECT_TRUE(edge_is(2, (struct expected){
		a, m, 0, WANT_X, 1, c, HELD_X, 1 }));
	EXPECT_EQ(0, ask(&self->c, mutex_unlock(m)));
	EXPECT_EQ(0, answer(&self->a));
}

/* The writer is the last: readers that came before now wait for it, too. */
TEST_F(deadlock, closed_by_the_writer)
{
	pid_t a = self->a.pid, b = self->b.pid, c = self->c.pid;
	int m = self->m, rw = self->rw;

	ASSERT_EQ(0, ask(&self->a, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(0, ask(&self->c, mutex_lock(m, NEVER)));
	/* A writer with a deadline has the reader queue. */
	start(&self->d, rwlock_wrlock(rw, in_ms(2000)));
	ASSERT_TRUE(queued(rw, 1, 0));
	start(&self->c, rwlock_rdlock(rw, soon()));
	ASSERT_TRUE(queued(rw, 1, 1));
	start(&self->a, mutex_lock(m, soon()));
	ASSERT_TRUE(queued(m, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&self->b, rwlock_wrlock(rw, NEVER)));
	ASSERT_EQ(3, cycle_of(&self->b, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		b, rw, 0, WANT_X, 1, a, HELD_S, 1 }));
	EXPECT_TRUE(edge_is(1, (struct expected){
		a, m, 0, WANT_X, 1, c, HELD_X, 1 }));
	EXPECT_TRUE(edge_is(2, (struct expected){
		c, rw, 0, WANT_S, 1, b, HELD_Q, 1 }));
	/* Without the refused writer the deadline resolves it all. */
	EXPECT_EQ(-ETIMEDOUT, answer(&self->d));
	EXPECT_EQ(0, answer(&self->c));
}

/*
 * One of those in the way waits in a circle of its own, behind the one that closes
 * another; it has a deadline, so that circle stands.
 */
TEST_F(deadlock, past_the_circle_of_others)
{
	struct peer *a = &self->a, *b = &self->b, *c = &self->c, *d = &self->d;
	int m = self->m, rw = self->rw;
	struct peer s;

	ASSERT_EQ(0, peer_fork(&s));
	ASSERT_EQ(0, ask(&s, mutex_lock(m, NEVER)));
	ASSERT_EQ(0, ask(c, at(1, mutex_lock(m, NEVER))));
	ASSERT_EQ(0, ask(b, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(0, ask(a, rwlock_rdlock(rw, NEVER)));
	ASSERT_EQ(0, ask(d, at(1, rwlock_wrlock(rw, NEVER))));
	start(c, mutex_lock(m, NEVER));
	ASSERT_TRUE(queued(m, 1, 0));
	start(a, at(1, mutex_lock(m, NEVER)));
	ASSERT_TRUE(queued_at(m, 1, 1, 0));
	start(d, rwlock_wrlock(rw, NEVER));
	ASSERT_TRUE(queued(rw, 1, 0));
	start(b, at(1, rwlock_rdlock(rw, in_ms(60000))));
	ASSERT_TRUE(queued_at(rw, 1, 0, 1));

	EXPECT_EQ(-EDEADLK, ask(&s, at(1, rwlock_wrlock(rw, NEVER))));
	ASSERT_EQ(4, cycle_of(&s, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		s.pid, rw, 1, WANT_X, 1, d->pid, HELD_X, 1 }));
	EXPECT_TRUE(edge_is(1, (struct expected){
		d->pid, rw, 0, WANT_X, 1, a->pid, HELD_S, 1 }));
	EXPECT_TRUE(edge_is(2, (struct expected){
		a->pid, m, 1, WANT_X, 1, c->pid, HELD_X, 1 }));
	EXPECT_TRUE(edge_is(3, (struct expected){
		c->pid, m, 0, WANT_X, 1, s.pid, HELD_X, 1 }));
	EXPECT_EQ(0, ask(&s, mutex_unlock(m)));
	EXPECT_EQ(0, answer(c));
}

/* Enough permits are free, but one ahead in the queue is stuck. */
TEST_F(deadlock, through_the_queue_of_a_semaphore)
{
	pid_t a = self->a.pid, b = self->b.pid, c = self->c.pid;
	int m = self->m, sem = self->sem;

	ASSERT_EQ(0, ask(&self->a, sem_acquire(sem, 1, NEVER)));
	ASSERT_EQ(0, ask(&self->c, mutex_lock(m, NEVER)));
	start(&self->b, sem_acquire(sem, 3, NEVER));
	ASSERT_TRUE(queued(sem, 1, 0));
	start(&self->a, mutex_lock(m, NEVER));
	ASSERT_TRUE(queued(m, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&self->c, sem_acquire(sem, 1, NEVER)));
	ASSERT_EQ(3, cycle_of(&self->c, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		c, sem, 0, WANT_P, 1, b, HELD_Q, 1 }));
	EXPECT_TRUE(edge_is(1, (struct expected){
		b, sem, 0, WANT_P, 3, a, HELD_P, 1 }));
	EXPECT_TRUE(edge_is(2, (struct expected){
		a, m, 0, WANT_X, 1, c, HELD_X, 1 }));
}

/* It takes two processes to leave too few permits: both are told. */
TEST_F(deadlock, permits_of_two)
{
	pid_t a = self->a.pid, b = self->b.pid, c = self->c.pid;
	int m = self->m, sem = self->sem;

	ASSERT_EQ(0, ask(&self->a, sem_acquire(sem, 2, NEVER)));
	ASSERT_EQ(0, ask(&self->b, sem_acquire(sem, 1, NEVER)));
	ASSERT_EQ(0, ask(&self->c, mutex_lock(m, NEVER)));
	start(&self->c, sem_acquire(sem, 1, NEVER));
	ASSERT_TRUE(queued(sem, 1, 0));
	start(&self->a, mutex_lock(m, NEVER));
	ASSERT_TRUE(queued(m, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&self->b, mutex_lock(m, NEVER)));
	ASSERT_EQ(4, cycle_of(&self->b, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		b, m, 0, WANT_X, 1, c, HELD_X, 1 }));
	/* The one that was refused is nearer. */
	EXPECT_TRUE(edge_is(1, (struct expected){
		c, sem, 0, WANT_P, 1, b, HELD_P, 1 }));
	EXPECT_TRUE(edge_is(2, (struct expected){
		c, sem, 0, WANT_P, 1, a, HELD_P, 2 }));
	EXPECT_TRUE(edge_is(3, (struct expected){
		a, m, 0, WANT_X, 1, c, HELD_X, 1 }));
	EXPECT_EQ(0, ask(&self->b, sem_release(sem, 1)));
	EXPECT_EQ(0, answer(&self->c));
}

/* Waiting for permits that one has oneself. */
TEST_F(deadlock, own_permits)
{
	pid_t a = self->a.pid;
	int sem = self->sem;

	ASSERT_EQ(0, ask(&self->a, sem_acquire(sem, 2, NEVER)));
	EXPECT_EQ(-EDEADLK, ask(&self->a, sem_acquire(sem, 2, NEVER)));
	ASSERT_EQ(1, cycle_of(&self->a, self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		a, sem, 0, WANT_P, 2, a, HELD_P, 2 }));
	/* Another has one of the three: then it may come. */
	EXPECT_EQ(0, ask(&self->a, sem_release(sem, 1)));
	ASSERT_EQ(0, ask(&self->b, sem_acquire(sem, 2, NEVER)));
	start(&self->a, sem_acquire(sem, 2, NEVER));
	ASSERT_TRUE(queued(sem, 1, 0));
	EXPECT_EQ(0, ask(&self->b, sem_release(sem, 2)));
	EXPECT_EQ(0, answer(&self->a));
}

/* What is held already; the last refusal is what is told. */
TEST_F(deadlock, own_lock)
{
	int m = self->m, rw = self->rw;
	pid_t me_ = getpid();

	ASSERT_EQ(0, me(at(1, mutex_lock(m, NEVER))));
	EXPECT_EQ(-EDEADLK, me(at(1, mutex_lock(m, NEVER))));
	ASSERT_EQ(1, my_cycle(self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		me_, m, 1, WANT_X, 1, me_, HELD_X, 1 }));
	ASSERT_EQ(0, me(at(2, rwlock_rdlock(rw, NEVER))));
	EXPECT_EQ(-EDEADLK, me(at(2, rwlock_wrlock(rw, NEVER))));
	ASSERT_EQ(1, my_cycle(self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		me_, rw, 2, WANT_X, 1, me_, HELD_S, 1 }));
	ASSERT_EQ(0, me(at(3, rwlock_wrlock(rw, NEVER))));
	EXPECT_EQ(-EDEADLK, me(at(3, rwlock_rdlock(rw, NEVER))));
	ASSERT_EQ(1, my_cycle(self->dev));
	EXPECT_TRUE(edge_is(0, (struct expected){
		me_, rw, 3, WANT_S, 1, me_, HELD_X, 1 }));
	/* A try is no wait. */
	EXPECT_EQ(-EBUSY, me(at(1, mutex_trylock(m))));
	ASSERT_EQ(1, my_cycle(self->dev));
	EXPECT_EQ(3, report->edge[0].index);
}

UAPI_MAIN
