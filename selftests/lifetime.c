// SPDX-License-Identifier: GPL-2.0-only
/* How long objects live: from the first user to the last, whatever happens. */

#include "actor.h"
#include "all_processors.h"

/* Where a child is held up in fork(), before the library has seen it. */
static int hold_up = -1;

static void held_up(void)
{
	char c;

	if (hold_up >= 0 && read(hold_up, &c, 1) < 0)
		_exit(1);
}

/* Before the library's own handlers, so that the child runs through it first. */
static void __attribute__((constructor)) register_hold_up(void)
{
	pthread_atfork(NULL, NULL, held_up);
}

FIXTURE(lifetime) {
	struct actor a, b;
	char name[KSYNC_NAME_LEN];
};

FIXTURE_SETUP(lifetime)
{
	REQUIRE_BACKEND();
	strcpy(self->name, test_name("lifetime"));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(lifetime)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_unlink(self->name);
}

/* One of each, by name. In shared memory: the actors fill in their own. */
struct objects {
	char name[4][KSYNC_NAME_LEN];
	struct ksync_mutex *m;
	struct ksync_rwlock *rw;
	struct ksync_waitgroup *wg;
	struct ksync_sem *s;
};

static struct objects *name_objects(const char *name)
{
	struct objects *o = shared_memory(sizeof(*o));
	int i;

	for (i = 0; i < 4; i++)
		snprintf(o->name[i], KSYNC_NAME_LEN, "%.100s.%d", name, i);
	return o;
}

static long open_all(void *obj, uint64_t oflag)
{
	struct ksync_options sem = {
		.value = 2, .max = 2, .flags = KSYNC_TRACKED,
	};
	struct objects *o = obj;

	return ksync_mutex_open(&o->m, o->name[0], oflag, 0600, NULL) ?:
	       ksync_rwlock_open(&o->rw, o->name[1], oflag, 0600, NULL) ?:
	       ksync_waitgroup_open(&o->wg, o->name[2], oflag, 0600, NULL) ?:
	       ksync_sem_open(&o->s, o->name[3], oflag, 0600, &sem);
}

static void close_all(struct objects *o)
{
	ksync_mutex_close(o->m);
	ksync_rwlock_close(o->rw);
	ksync_waitgroup_close(o->wg);
	ksync_sem_close(o->s);
}

/* Leaves each in a state in which nobody should find it. */
static long disarrange_all(void *obj, uint64_t unused)
{
	struct objects *o = obj;

	return ksync_mutex_lock(o->m) ?: ksync_rwlock_wrlock(o->rw) ?:
	       ksync_waitgroup_add(o->wg, 7) ?: ksync_sem_acquire(o->s, 2);
}

/* Everybody died: the name starts anew, and knows nothing of it. */
TEST_F(lifetime, fresh_start)
{
	struct objects *o = name_objects(self->name);
	int i;

	ASSERT_EQ(0, actor_do(&self->a, open_all, o, O_CREAT | O_EXCL));
	ASSERT_EQ(0, actor_do(&self->a, disarrange_all, o, 0));
	actor_kill(&self->a);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(-ENOENT, ksync_query(o->name[i], 0, NULL, NULL));
	ASSERT_EQ(0, open_all(o, O_CREAT | O_EXCL));
	EXPECT_EQ(0, ksync_mutex_token(o->m));
	EXPECT_EQ(0, mutex_status(o->m).deaths);
	EXPECT_EQ(0, ksync_mutex_trylock(o->m));
	EXPECT_EQ(0, ksync_rwlock_trywrlock(o->rw));
	EXPECT_EQ(0, wg_status(o->wg).value);
	EXPECT_EQ(2, ksync_sem_value(o->s));
	close_all(o);
}

/* As long as one has it open, it is not forgotten. */
TEST_F(lifetime, survivor_keeps_the_state)
{
	struct objects *o = name_objects(self->name);
	struct objects *mine = name_objects(self->name);

	ASSERT_EQ(0, actor_do(&self->a, open_all, o, O_CREAT | O_EXCL));
	ASSERT_EQ(0, actor_do(&self->a, disarrange_all, o, 0));
	ASSERT_EQ(0, actor_do(&self->b, open_all, name_objects(self->name), 0));
	actor_kill(&self->a);
	ASSERT_EQ(0, open_all(mine, O_CREAT));
	EXPECT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(mine->m, PATIENTLY));
	EXPECT_EQ(-EOWNERDEAD, ksync_rwlock_wrlock_until(mine->rw, PATIENTLY));
	EXPECT_EQ(7, wg_status(mine->wg).value);
	EXPECT_EQ(0, ksync_sem_acquire_until(mine->s, 2, PATIENTLY));
	close_all(mine);
}

struct race {
	char name[KSYNC_NAME_LEN];
	volatile int inside;
	volatile uint64_t count, created;
};

/* Opens, uses and closes it, so that it vanishes and comes back all the time. */
static long open_and_close(void *obj, uint64_t until)
{
	struct race *r = obj;
	struct ksync_mutex *m;
	long rounds = 0;
	int err;

	/* On a busy machine its turn may come late. */
	do {
		err = ksync_mutex_open(&m, r->name, O_CREAT, 0600, NULL);
		if (err)
			return err;
		err = ksync_mutex_lock_until(m, PATIENTLY);
		if (err)
			return err;
		if (r->inside++)
			return -EBADMSG;
		r->count++;
		if (ksync_mutex_token(m) == 1)
			r->created++;
		r->inside--;
		err = ksync_mutex_unlock(m);
		if (err)
			return err;
		ksync_mutex_close(m);
		rounds++;
	} while (now_ns() < until);
	return rounds;
}

/*
 * All that have it open at one time have the same object. An object that is
 * being taken down while another process opens it, is either still good or a
 * new one is made, but there are never two.
 */
TEST_F(lifetime, open_close_race)
{
	uint64_t until = now_ns() + NSEC_PER_SEC, rounds = 0;
	struct race *r = shared_memory(sizeof(*r));
	struct actor a[4];
	long n;
	int i;

	strcpy(r->name, self->name);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, actor_begin(&a[i], ACTOR_PROCESS));
		actor_start(&a[i], open_and_close, r, until);
	}
	for (i = 0; i < 4; i++) {
		n = actor_result(&a[i]);
		EXPECT_LT(0, n);
		rounds += n;
	}
	EXPECT_EQ(rounds, r->count);
	printf("# %llu rounds, made anew %llu times\n",
	       (unsigned long long)r->count, (unsigned long long)r->created);
	for (i = 0; i < 4; i++)
		actor_end(&a[i]);
	EXPECT_EQ(-ENOENT, ksync_query(self->name, 0, NULL, NULL));
}

static long open_exclusively(void *obj, uint64_t unused)
{
	struct race *r = obj;
	struct ksync_mutex *m;
	int err;

	err = ksync_mutex_open(&m, r->name, O_CREAT | O_EXCL, 0600, NULL);
	if (!err)
		__atomic_add_fetch(&r->created, 1, __ATOMIC_RELAXED);
	return err;
}

/* Several at once: exactly one is the first. */
TEST_F(lifetime, exclusive_race)
{
	struct race *r = shared_memory(sizeof(*r));
	struct actor a[4];
	int i, round;

	strcpy(r->name, self->name);
	for_each_round(round, 20) {
		r->created = 0;
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, actor_begin(&a[i], ACTOR_PROCESS));
		for (i = 0; i < 4; i++)
			actor_start(&a[i], open_exclusively, r, 0);
		for (i = 0; i < 4; i++) {
			long err = actor_result(&a[i]);

			EXPECT_TRUE(err == 0 || err == -EEXIST)
				TH_LOG("error %ld", err);
		}
		ASSERT_EQ(1, r->created);
		for (i = 0; i < 4; i++)
			actor_end(&a[i]);
	}
}

static long crash_while_opening(void *obj, uint64_t unused)
{
	struct race *r = obj;
	struct ksync_mutex *m;

	for (;;) {
		if (ksync_mutex_open(&m, r->name, O_CREAT, 0600, NULL))
			return -1;
		ksync_mutex_close(m);
	}
}

/* Killed at any instant of making and unmaking: the name stays usable. */
TEST_F(lifetime, die_while_opening)
{
	unsigned int i;
	struct race *r = shared_memory(sizeof(*r));
	uint64_t random = test_seed(), range, until;
	struct ksync_mutex *m;
	struct actor a, b;

	strcpy(r->name, self->name);
	range = (machine_is_slow() ? 20 : 2) * NSEC_PER_MSEC;
	for_each_round(i, 150) {
		ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
		ASSERT_EQ(0, actor_begin(&b, ACTOR_PROCESS));
		actor_start(&a, crash_while_opening, r, 0);
		actor_start(&b, crash_while_opening, r, 0);
		until = now_ns() + next_random(&random) % range;
		while (now_ns() < until)
			;
		actor_end(&a);
		actor_end(&b);
		ASSERT_EQ(0, ksync_mutex_open(&m, r->name, O_CREAT | O_EXCL,
					      0600, NULL))
			TH_LOG("in round %u", i);
		ASSERT_EQ(0, ksync_mutex_lock_until(m, PATIENTLY));
		ASSERT_EQ(0, ksync_mutex_unlock(m));
		ksync_mutex_close(m);
	}
}

/* Behind the C library's back, where the handlers of fork do not run. */
static pid_t raw_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/*
 * The only one that has the name forks and closes it, before the child, which
 * has it too, has done anything at all.
 */
static void close_after_fork(struct __test_metadata *_metadata,
			     const char *name, bool raw)
{
	struct ksync_mutex *m, *again = NULL;
	long *locked = shared_memory(sizeof(*locked));
	int ends[2];
	pid_t child;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, ksync_mutex_open(&m, name, O_CREAT | O_EXCL, 0600, NULL));
	hold_up = ends[0];
	child = raw ? raw_fork() : fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (raw)
			held_up();
		*locked = ksync_mutex_lock(m) ?: 1;
		for (;;)
			pause();
	}
	hold_up = -1;
	ASSERT_LT(0, child);
	ksync_mutex_close(m);
	EXPECT_EQ(0, ksync_mutex_open(&again, name, 0, 0, NULL));
	EXPECT_EQ(1, write(ends[1], "", 1));
	EXPECT_TRUE(WAIT_FOR(*locked));
	EXPECT_EQ(1, *locked);
	if (again)
		EXPECT_EQ(-EBUSY, ksync_mutex_trylock(again));
	ksync_mutex_close(again);
	/* Nor when it is the child that has it alone. */
	EXPECT_EQ(0, ksync_query(name, 0, NULL, NULL));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_EQ(-ENOENT, ksync_query(name, 0, NULL, NULL));
	close(ends[0]);
	close(ends[1]);
}

/* Uses them so often that it remembers them. */
static bool known(struct ksync_mutex *m, struct ksync_rwlock *rw)
{
	int i;

	for (i = 0; i < 3; i++)
		if (ksync_mutex_lock(m) || ksync_mutex_unlock(m) ||
		    ksync_rwlock_rdlock(rw) || ksync_rwlock_unlock(rw))
			return false;
	return true;
}

/*
 * What the parent remembers is not the child's, whose first calls these are: it
 * holds them as itself, beside the parent, and its death is that of a holder.
 */
static void child_remembers_nothing(struct __test_metadata *_metadata, bool raw)
{
	long *held = shared_memory(sizeof(*held));
	struct ksync_rwlock *rw;
	struct ksync_mutex *m;
	pid_t child;

	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	ASSERT_EQ(0, ksync_rwlock_create(&rw, NULL));
	ASSERT_TRUE(known(m, rw));
	child = raw ? raw_fork() : fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*held = ksync_mutex_lock(m) ?: ksync_rwlock_rdlock(rw) ?: 1;
		for (;;)
			pause();
	}
	ASSERT_LT(0, child);
	ASSERT_TRUE(WAIT_FOR(*held));
	EXPECT_EQ(1, *held);
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(m));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(rw));
	EXPECT_EQ(0, ksync_rwlock_rdlock(rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(rw));
	EXPECT_EQ(-EBUSY, ksync_rwlock_trywrlock(rw));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_EQ(-EOWNERDEAD, ksync_mutex_lock_until(m, PATIENTLY));
	EXPECT_EQ(0, ksync_rwlock_wrlock_until(rw, PATIENTLY));
	ksync_mutex_close(m);
	ksync_rwlock_close(rw);
}

TEST_F(lifetime, fork_remembers_nothing)
{
	child_remembers_nothing(_metadata, false);
}

TEST_F(lifetime, raw_clone_remembers_nothing)
{
	child_remembers_nothing(_metadata, true);
}

TEST_F(lifetime, close_after_fork)
{
	close_after_fork(_metadata, self->name, false);
}

TEST_F(lifetime, close_after_raw_clone)
{
	close_after_fork(_metadata, self->name, true);
}

TEST_HARNESS_MAIN
