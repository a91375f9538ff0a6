// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for one of several primitives: what becomes of what was granted and is
 * not wanted, of deaths on the way, and of wake-ups.
 */
#include "many.h"
#include "sandbox.h"

static long job_any(void *obj, uint64_t pair)
{
	struct ksync_item items[2];

	make_pair(obj, pair, items);
	return any(items, 2, NULL);
}

/* The first characters of a file that says something about a process. */
static bool told(pid_t pid, const char *what, char *line, int size)
{
	char path[40];
	bool is;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	f = fopen(path, "re");
	is = f && fgets(line, size, f);
	if (f)
		fclose(f);
	return is;
}

static bool is_stopped(pid_t pid)
{
	char line[256];

	return told(pid, "stat", line, sizeof(line)) && strrchr(line, ')') &&
	       strrchr(line, ')')[2] == 'T';
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* Where it sleeps, and not where it keeps something from others. */
static bool stop_asleep(pid_t pid)
{
	char line[64];
	long nr;

	kill(pid, SIGSTOP);
	if (!WAIT_FOR(is_stopped(pid)))
		return false;
	nr = told(pid, "syscall", line, sizeof(line)) ? atol(line) : -1;
	if (nr == SYS_futex_waitv || nr == SYS_ioctl)
		return true;
	kill(pid, SIGCONT);
	return false;
}

/* The actor waits for either, sleeps, and cannot do anything when both come. */
static bool grant_both(struct things *t, struct actor *a, uint64_t pair,
		       bool in_order)
{
	int x = FIRST(pair), y = SECOND(pair);

	if (shut(t, x, 0) || shut(t, y, 1))
		return false;
	actor_start(a, job_any, t, pair);
	if (!WAIT_FOR(waiters(t, x, 0) == 1 && waiters(t, y, 1) == 1))
		return false;
	if (!WAIT_FOR(stop_asleep(a->pid)))
		return false;
	return in_order ? !give(t, x, 0) && !give(t, y, 1) :
			  !give(t, y, 1) && !give(t, x, 0);
}

TEST_F(many, takes_one_of_two_grants)
{
	int i, pair, had, other;

	for (i = 0; i < 2 * PAIRS; i++) {
		pair = i / 2;
		ASSERT_TRUE(grant_both(self->t, &self->a, pair, i % 2));
		kill(self->a.pid, SIGCONT);
		had = actor_result(&self->a) - HAD(0);
		ASSERT_TRUE(had == 0 || had == 1)
			TH_LOG("pair %d: %d", pair, had);
		/* The other one is somebody else's, who hears of no death. */
		other = had ? 2 * FIRST(pair) : 2 * SECOND(pair) + 1;
		ASSERT_EQ(0, DO(b, job_one, other));
		ASSERT_EQ(0, DO(b, job_give, other));
		other = had ? 2 * SECOND(pair) + 1 : 2 * FIRST(pair);
		ASSERT_EQ(0, DO(a, job_give, other));
		EXPECT_EQ(0, waiters(self->t, FIRST(pair), 0));
		EXPECT_EQ(0, waiters(self->t, SECOND(pair), 1));
	}
}

/* What it was granted it had not accepted: nobody is told of a holder's death. */
TEST_F(many, dies_with_two_grants)
{
	int pair;

	for (pair = 0; pair < PAIRS; pair += 1 + machine_is_slow()) {
		ASSERT_TRUE(grant_both(self->t, &self->a, pair, pair % 2));
		actor_kill(&self->a);
		ASSERT_EQ(0, DO(b, job_all, pair));
		EXPECT_EQ(0, DO(b, job_give_both, pair));
		EXPECT_EQ(0, status_of(self->t, FIRST(pair), 0).deaths);
		EXPECT_EQ(0, status_of(self->t, SECOND(pair), 1).deaths);
		actor_end(&self->a);
		ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	}
}

TEST_F(many, dies_waiting_for_two)
{
	struct things *t = self->t;
	int pair, x, y;

	for (pair = 0; pair < PAIRS; pair += 1 + machine_is_slow()) {
		x = FIRST(pair);
		y = SECOND(pair);
		ASSERT_EQ(0, shut(t, x, 0) ?: shut(t, y, 1));
		START(a, job_any, pair);
		ASSERT_TRUE(WAIT_FOR(waiters(t, x, 0) && waiters(t, y, 1)));
		actor_kill(&self->a);
		ASSERT_EQ(0, give(t, x, 0) ?: give(t, y, 1));
		ASSERT_EQ(0, DO(b, job_all, pair));
		EXPECT_EQ(0, DO(b, job_give_both, pair));
		EXPECT_TRUE(WAIT_FOR(!waiters(t, x, 0) && !waiters(t, y, 1)));
		actor_end(&self->a);
		ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	}
}

/* As the holder, once it has it. */
TEST_F(many, dies_with_what_it_took)
{
	struct things *t = self->t;
	int pair = PAIR(MUTEX, WRITE);

	ASSERT_EQ(0, shut(t, MUTEX, 0) ?: shut(t, WRITE, 1));
	START(a, job_any, pair);
	ASSERT_TRUE(WAIT_FOR(waiters(t, WRITE, 1)));
	ASSERT_EQ(0, give(t, WRITE, 1));
	ASSERT_EQ(HAD(1), actor_result(&self->a));
	EXPECT_EQ(self->a.pid, status_of(t, WRITE, 1).holder_pid);
	START(b, job_any, pair);
	ASSERT_TRUE(WAIT_FOR(waiters(t, WRITE, 1) && waiters(t, MUTEX, 0)));
	actor_kill(&self->a);
	EXPECT_EQ(-HAD(1), actor_result(&self->b));
	actor_kill(&self->b);
	EXPECT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(rwlock_of(t, WRITE, 1),
							 PATIENTLY));
}

TEST_F(many, is_told_who_is_to_blame)
{
	struct things *t = self->t;
	struct ksync_item items[3];
	uint32_t index;

	make_pair(t, PAIR(PERMITS, FIFO), items);
	items[2] = item_of(t, WRITE, 0);
	ASSERT_EQ(0, shut(t, WRITE, 0));
	EXPECT_EQ(-EDEADLK, ksync_wait_any(items, 3, PATIENTLY, &index));
	EXPECT_EQ(2, index);
	EXPECT_EQ(-EDEADLK, items[2].result);
	EXPECT_EQ(-EBUSY, items[0].result);
	EXPECT_EQ(-EDEADLK, ksync_wait_all(items, 3, PATIENTLY));
	EXPECT_EQ(3, ksync_sem_value(ksync_sem_at(t->sems, 0)));
	/* Given up while it is waited for. */
	ASSERT_EQ(0, give(t, WRITE, 0));
	ASSERT_EQ(0, DO(b, job_one, 2 * FIFO + 1));
	actor_kill(&self->b);
	ASSERT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(mutex_of(t, FIFO, 1),
						      PATIENTLY));
	ASSERT_EQ(0, shut(t, PERMITS, 0));
	START(a, job_any, PAIR(PERMITS, FIFO));
	ASSERT_TRUE(WAIT_FOR(waiters(t, FIFO, 1)));
	ASSERT_EQ(0, give(t, FIFO, 1));
	EXPECT_EQ(-ENOTRECOVERABLE, actor_result(&self->a));
	EXPECT_EQ(0, waiters(t, PERMITS, 0));
	EXPECT_EQ(-ENOTRECOVERABLE, ksync_wait_any(items, 2, NULL, &index));
	EXPECT_EQ(1, index);
}

/* Of one primitive: for reading or writing, and few permits or many. */
TEST_F(many, twice_of_the_same)
{
	struct things *t = self->t;
	struct ksync_item locks[] = { item_of(t, WRITE, 0), item_of(t, WRITE, 0) };
	struct ksync_item permits[] = { item_of(t, PERMITS, 0),
					item_of(t, PERMITS, 0) };

	locks[1].take = KSYNC_TAKE_READ;
	permits[0].count = 3;
	ASSERT_EQ(0, DO(a, job_one, 2 * WRITE));
	EXPECT_EQ(-ETIMEDOUT, any(locks, 2, within(5)));
	EXPECT_EQ(0, waiters(t, WRITE, 0));
	ASSERT_EQ(0, DO(a, job_give, 2 * WRITE));
	EXPECT_EQ(HAD(0), any(locks, 2, within(5)));
	EXPECT_EQ(-EDEADLK, any(locks, 2, within(5)));
	EXPECT_EQ(0, give(t, WRITE, 0));
	ASSERT_EQ(0, DO(a, job_one, 2 * PERMITS));
	EXPECT_EQ(-ETIMEDOUT, any(permits, 2, within(5)));
	EXPECT_EQ(0, waiters(t, PERMITS, 0));
	EXPECT_EQ(1, ksync_sem_value(permits[0].sem));
	ASSERT_EQ(0, DO(a, job_give, 2 * PERMITS));
	EXPECT_EQ(HAD(0), any(permits, 2, within(5)));
	EXPECT_EQ(-EINVAL, ksync_wait_all(locks, 2, within(5)));
}

#define SHELVES 9

static long job_read_any(void *obj, uint64_t unused)
{
	struct ksync_item items[SHELVES];
	int i;

	for (i = 0; i < SHELVES; i++)
		items[i] = (struct ksync_item){
			.take = KSYNC_TAKE_READ,
			.rwlock = ksync_rwlock_at(obj, i),
		};
	return any(items, SHELVES, PATIENTLY);
}

static long job_unread(void *obj, uint64_t index)
{
	return ksync_rwlock_unlock(ksync_rwlock_at(obj, index));
}

/* More read holds of one object than a line has places for. */
TEST_F(many, more_than_fit_in_a_line)
{
	struct ksync_options o = { .nr = SHELVES };
	struct ksync_rwlock *rw, *last;
	int i, k;

	ASSERT_EQ(0, ksync_rwlock_create(&rw, &o));
	for (i = 0; i < SHELVES; i++)
		ASSERT_EQ(0, ksync_rwlock_wrlock(ksync_rwlock_at(rw, i)));
	for (i = 0; i < SHELVES; i++) {
		actor_end(&self->a);
		ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
		actor_start(&self->a, job_read_any, rw, 0);
		for (k = 0; k < SHELVES; k++) {
			last = ksync_rwlock_at(rw, k);
			ASSERT_TRUE(WAIT_FOR(rwlock_status(last).waiters_shared));
		}
		ASSERT_EQ(0, ksync_rwlock_unlock(ksync_rwlock_at(rw, i)));
		EXPECT_EQ(HAD(i), actor_result(&self->a));
		EXPECT_EQ(1, rwlock_status(ksync_rwlock_at(rw, i)).readers);
		EXPECT_EQ(0, actor_do(&self->a, job_unread, rw, i));
		EXPECT_EQ(0, ksync_rwlock_trywrlock(ksync_rwlock_at(rw, i)));
	}
	ksync_rwlock_close(rw);
}

static long job_die_bound(void *obj, uint64_t unused)
{
	struct things *t = obj;
	int err, fd = syscall(SYS_pidfd_open, getpid(), 0);

	err = ksync_waitgroup_add(t->wg, 1) ?: ksync_waitgroup_bind(t->wg, fd);
	close(fd);
	return err;
}

TEST_F(many, loses_members)
{
	struct ksync_item items[] = {
		item_of(self->t, MUTEX, 0),
		{ .take = KSYNC_TAKE_ROUND, .waitgroup = self->t->wg },
	};

	REQUIRE(KSYNC_G_BIND_SELF);
	ASSERT_EQ(0, DO(a, job_one, 2 * MUTEX));
	ASSERT_EQ(0, DO(b, job_die_bound, 0));
	EXPECT_EQ(-ETIMEDOUT, any(items, 2, within(5)));
	actor_kill(&self->b);
	EXPECT_EQ(-HAD(1), any(items, 2, PATIENTLY));
	EXPECT_EQ(1, items[1].lost);
	ASSERT_EQ(0, DO(a, job_give, 2 * MUTEX));
	EXPECT_EQ(-EOWNERDEAD, ksync_wait_all(items, 2, PATIENTLY));
	EXPECT_EQ(0, items[0].result);
	EXPECT_EQ(1, items[1].lost);
	EXPECT_EQ(0, give(self->t, MUTEX, 0));
}

/* Where nobody can sleep on more than one futex. */
TEST_F(many, in_sandbox)
{
	int i, pair = PAIR(MUTEX, PERMITS);

	ASSERT_EQ(0, DO(a, deny_syscall, SYS_futex_waitv));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, shut(self->t, MUTEX, 0) ?: shut(self->t, PERMITS, 1));
		START(a, job_any, pair);
		ASSERT_TRUE(WAIT_FOR(waiters(self->t, PERMITS, 1)));
		ASSERT_EQ(0, give(self->t, i ? PERMITS : MUTEX, i));
		EXPECT_EQ(HAD(i), actor_result(&self->a));
		ASSERT_EQ(0, DO(a, job_give, i ? 2 * PERMITS + 1 : 2 * MUTEX));
		ASSERT_EQ(0, give(self->t, i ? MUTEX : PERMITS, !i));
	}
}

/* Whoever waits for one of several leaves nothing behind in the object. */
TEST_F(many, leaves_nothing)
{
	struct things *t = self->t;
	struct ksync_item items[2];
	struct stat before, after;
	int i;

	make_pair(t, PAIR(WRITE, WRITE), items);
	ASSERT_EQ(0, DO(a, job_one, 2 * WRITE));
	ASSERT_EQ(0, DO(a, job_one, 2 * WRITE + 1));
	for (i = 0; i < 400; i++) {
		if (i == 20)
			ASSERT_EQ(0, fstat(ksync_rwlock_fd(t->writes), &before));
		ASSERT_EQ(-ETIMEDOUT, ksync_wait_any(items, 2, within(1), NULL));
	}
	ASSERT_EQ(0, fstat(ksync_rwlock_fd(t->writes), &after));
	EXPECT_EQ(before.st_blocks, after.st_blocks);
	EXPECT_EQ(0, waiters(t, WRITE, 0));
}

static long job_any_event(void *obj, uint64_t nr)
{
	struct ksync_item items[KSYNC_ITEMS_MAX];
	int i;

	for (i = 0; i < KSYNC_ITEMS_MAX; i++)
		items[i] = (struct ksync_item){
			.take = KSYNC_TAKE_EVENT,
			.event = ksync_event_at(obj, 4 * i),
		};
	return any(items, KSYNC_ITEMS_MAX, NULL);
}

static int set_parent(struct ksync_event *e, int i, struct ksync_event *up)
{
	return ksync_event_set_parent(ksync_event_at(e, i), up);
}

/* Each of as many as can be, with more above them than can be slept on. */
TEST_F(many, events_with_ancestors)
{
	struct ksync_options o = { .nr = 4 * KSYNC_ITEMS_MAX };
	struct ksync_event *e, *up;
	int i, n;

	ASSERT_EQ(0, ksync_event_create(&e, &o));
	for (i = 4 * KSYNC_ITEMS_MAX - 1; i > 0; i--) {
		up = ksync_event_at(e, i);
		if (i % 4)
			ASSERT_EQ(0, set_parent(e, i - 1, up));
	}
	for (i = 0; i < KSYNC_ITEMS_MAX; i += 21) {
		actor_end(&self->a);
		ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
		actor_start(&self->a, job_any_event, e, 0);
		EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
		ASSERT_EQ(0, ksync_event_set(ksync_event_at(e, 4 * i + 3)));
		EXPECT_EQ(HAD(i), actor_result(&self->a));
		for (n = 0; n < 4; n++)
			ksync_event_reset(ksync_event_at(e, 4 * i + n));
	}
	ksync_event_close(e);
}

/* At the same processor as whoever shall not run before we are done. */
static void stay_at_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static long job_event(void *obj, uint64_t unused)
{
	struct things *t = obj;
	uint64_t before;
	int err;

	take_all_processors();
	before = now_ns();
	err = ksync_event_wait_until(t->one, PATIENTLY);
	return err ? err : (long)((now_ns() - before) / NSEC_PER_MSEC);
}

static long job_lock_or_event(void *obj, uint64_t unused)
{
	struct things *t = obj;
	struct ksync_item items[] = {
		item_of(t, FIFO, 0),
		{ .take = KSYNC_TAKE_EVENT, .event = t->one },
	};

	return any(items, 2, PATIENTLY);
}

/*
 * An auto-reset event wakes one. If that one gets a lock at the same time, and
 * takes that, it wakes the next: nobody sleeps until he looks by himself.
 */
TEST_F(many, passes_a_wakeup_on)
{
	struct things *t = self->t;
	int i, passed = 0, late = 0;
	long had, ms;

	stay_at_one_processor();
	actor_end(&self->a);
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	for (i = 0; i < 30; i++) {
		ASSERT_EQ(0, shut(t, FIFO, 0));
		START(a, job_lock_or_event, 0);
		ASSERT_TRUE(WAIT_FOR(waiters(t, FIFO, 0) == 1));
		sleep_ms(WATCH_MS);
		START(b, job_event, 0);
		sleep_ms(5);
		ASSERT_EQ(0, give(t, FIFO, 0));
		ASSERT_EQ(0, ksync_event_set(t->one));
		had = actor_result(&self->a);
		if (had == HAD(0)) {
			ASSERT_EQ(0, DO(a, job_give, 2 * FIFO));
			passed++;
		} else {
			ASSERT_EQ(HAD(1), had);
			ASSERT_EQ(0, ksync_event_set(t->one));
			ASSERT_EQ(0, shut(t, FIFO, 0));
			ASSERT_EQ(0, give(t, FIFO, 0));
		}
		ms = actor_result(&self->b);
		ASSERT_LE(0, ms);
		late += had == HAD(0) && ms > 80;
	}
	take_all_processors();
	printf("# %d passed on, %d of them late\n", passed, late);
	EXPECT_LE(late, passed / 3);
}

TEST_HARNESS_MAIN
