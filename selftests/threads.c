// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that come and go: what they leave behind is somebody else's, and the
 * next ones have nothing of it.
 */

#include "actor.h"

/* More threads than a process keeps anything for. */
#define MANY	200

struct call {
	job_fn fn;
	void *obj;
	uint64_t arg;
	long result;
};

static void *make_call(void *arg)
{
	struct call *c = arg;

	c->result = c->fn(c->obj, c->arg);
	return NULL;
}

/* By a thread that does no more than that. */
static long in_thread(job_fn fn, void *obj, uint64_t arg)
{
	struct call c = { fn, obj, arg, ACTOR_STUCK };
	pthread_t t;

	if (pthread_create(&t, NULL, make_call, &c))
		return -EAGAIN;
	pthread_join(t, NULL);
	return c.result;
}

static long use_mutex(void *m, uint64_t unused)
{
	return ksync_mutex_lock(m) ?: ksync_mutex_unlock(m);
}

struct team {
	pthread_barrier_t ready;
	job_fn fn;
	void *obj;
};

static void *member(void *arg)
{
	struct team *team = arg;
	long err = team->fn(team->obj, 0);

	pthread_barrier_wait(&team->ready);
	return (void *)err;
}

/* So many threads that all use something before the first one ends. */
static long use_together(job_fn fn, void *obj, unsigned int nr)
{
	struct team team = { .fn = fn, .obj = obj };
	pthread_t threads[MANY];
	pthread_attr_t attr;
	unsigned int i;
	long err = 0;
	void *ret;

	pthread_barrier_init(&team.ready, NULL, nr);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN + 65536);
	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], &attr, member, &team))
			return -EAGAIN;
	for (i = 0; i < nr; i++) {
		pthread_join(threads[i], &ret);
		err = err ?: (long)ret;
	}
	pthread_barrier_destroy(&team.ready);
	return err;
}

static long many_use(void *m, uint64_t nr)
{
	return use_together(use_mutex, m, nr);
}

FIXTURE(threads) {
	struct ksync_mutex *m, *other;
	struct ksync_rwlock *rw;
	struct actor a, b;
};

FIXTURE_SETUP(threads)
{
	struct ksync_options o = { .nr = 2 };

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&self->m, &o));
	ASSERT_EQ(0, ksync_mutex_create(&self->other, NULL));
	ASSERT_EQ(0, ksync_rwlock_create(&self->rw, NULL));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(threads)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_mutex_close(self->m);
	ksync_mutex_close(self->other);
	ksync_rwlock_close(self->rw);
}

/* One in ten ends holding it, which the next one is told, and only he. */
static long visit(void *m, uint64_t round)
{
	long err = ksync_mutex_lock_until(m, PATIENTLY);

	if (err != (round % 10 == 1 ? -EOWNERDEAD : 0))
		return err ?: -EPROTO;
	err = err ? ksync_mutex_consistent(m) : 0;
	return err ?: round % 10 ? ksync_mutex_unlock(m) : 0;
}

/* Those of other processes who hold and wait see nothing of it. */
TEST_F(threads, churn_beside_others)
{
	struct ksync_mutex *second = ksync_mutex_at(self->m, 1);
	int i;

	ASSERT_EQ(0, actor_do(&self->a, job_mutex_lock, self->m, 0));
	actor_start(&self->b, job_mutex_lock, self->m, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).waiters == 1));
	for_each_round(i, 500) {
		ASSERT_EQ(0, in_thread(visit, second, i));
		ASSERT_EQ(-EBUSY, in_thread(job_mutex_trylock, self->m, 0));
		ASSERT_EQ(-EPERM, in_thread(job_mutex_unlock, self->m, 0));
	}
	EXPECT_EQ(1, mutex_status(self->m).waiters);
	EXPECT_EQ(self->a.pid, mutex_status(self->m).holder_tid);
	ASSERT_EQ(0, actor_do(&self->a, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, mutex_status(self->m).deaths);
	actor_kill(&self->b);
	EXPECT_EQ(-EOWNERDEAD, in_thread(job_mutex_lock, self->m, PATIENCE_MS));
}

/* Who holds it is the one who does, not who had its place before. */
static long lock_and_look(void *obj, uint64_t unused)
{
	struct ksync_mutex *m = obj;
	struct ksync_status st;
	long err = ksync_mutex_lock(m);

	if (err)
		return err;
	st = mutex_status(m);
	err = ksync_mutex_unlock(m);
	if (st.holder_pid != getpid() || st.holder_tid != syscall(SYS_gettid))
		return -ESRCH;
	return err ?: mutex_status(m).held;
}

TEST_F(threads, status_names_the_successor)
{
	int i;

	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, in_thread(lock_and_look, self->m, 0));
}

static long lock_twice(void *m, uint64_t unused)
{
	return ksync_mutex_lock(m) ?: ksync_mutex_lock(m) ?:
	       ksync_mutex_unlock(m) ?: ksync_mutex_unlock(m);
}

TEST_F(threads, depth_is_not_inherited)
{
	struct ksync_options o = { .flags = KSYNC_RECURSIVE };
	struct ksync_mutex *m;
	int i;

	ASSERT_EQ(0, ksync_mutex_create(&m, &o));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(-EPERM, in_thread(job_mutex_unlock, m, 0));
		EXPECT_EQ(0, in_thread(lock_twice, m, 0));
		EXPECT_FALSE(mutex_status(m).held);
	}
	ksync_mutex_close(m);
}

static long read_twice(void *rw, uint64_t unused)
{
	return ksync_rwlock_rdlock(rw) ?: ksync_rwlock_rdlock(rw) ?:
	       ksync_rwlock_unlock(rw) ?: ksync_rwlock_unlock(rw);
}

static long write_alone(void *rw, uint64_t unused)
{
	return ksync_rwlock_wrlock_until(rw, PATIENTLY) ?:
	       ksync_rwlock_unlock(rw);
}

/* Also of one that ended reading. */
TEST_F(threads, reads_are_not_inherited)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, in_thread(read_twice, self->rw, 0));
		EXPECT_EQ(-EPERM, in_thread(job_rwlock_unlock, self->rw, 0));
		EXPECT_EQ(0, in_thread(write_alone, self->rw, 0));
		ASSERT_EQ(0, in_thread(job_rdlock, self->rw, 0));
		EXPECT_EQ(-EPERM, in_thread(job_rwlock_unlock, self->rw, 0));
		EXPECT_EQ(0, in_thread(write_alone, self->rw, 0));
		EXPECT_EQ(0, rwlock_status(self->rw).readers);
	}
	EXPECT_EQ(0, actor_do(&self->a, write_alone, self->rw, 0));
}

static long read_once(void *rw, uint64_t unused)
{
	return ksync_rwlock_rdlock(rw) ?: ksync_rwlock_unlock(rw);
}

static long readers_one_by_one(void *rw, uint64_t nr)
{
	long err = 0;

	while (nr-- && !err)
		err = in_thread(read_once, rw, 0);
	return err;
}

static long readers_together(void *rw, uint64_t nr)
{
	return use_together(read_once, rw, nr);
}

/*
 * What they did counts when they, and their process, are gone: of reads, the first
 * of each thread, which is never compiled in.
 */
TEST_F(threads, reads_are_counted)
{
	uint64_t reads = 20 + MANY + 20;

	if (strcmp(ksync_backend(), "futex"))
		SKIP(return, "the %s backend does not count reads in slots",
		     ksync_backend());
	ASSERT_EQ(0, actor_do(&self->a, readers_one_by_one, self->rw, 20));
	ASSERT_EQ(0, actor_do(&self->a, readers_together, self->rw, MANY));
	ASSERT_EQ(0, actor_do(&self->a, readers_one_by_one, self->rw, 20));
	EXPECT_TRUE(WAIT_FOR(rwlock_status(self->rw).acquisitions == reads));
	actor_kill(&self->a);
	EXPECT_EQ(0, actor_do(&self->b, write_alone, self->rw, 0));
	EXPECT_TRUE(WAIT_FOR(rwlock_status(self->rw).acquisitions == reads + 1));
}

/* The first uses one of them, the next the other: what it remembers is not his. */
TEST_F(threads, memory_is_not_inherited)
{
	struct actor first, second;

	ASSERT_EQ(0, in_thread(use_mutex, self->m, 0));
	ASSERT_EQ(0, actor_begin(&first, ACTOR_THREAD));
	ASSERT_EQ(0, actor_do(&first, use_mutex, self->other, 0));
	ASSERT_EQ(0, actor_begin(&second, ACTOR_THREAD));
	ASSERT_EQ(0, actor_do(&second, job_mutex_lock, self->m, 0));
	EXPECT_EQ(-EPERM, actor_do(&first, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(-EBUSY, actor_do(&first, job_mutex_trylock, self->m, 0));
	EXPECT_EQ(0, actor_do(&second, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(0, actor_do(&first, use_mutex, self->m, 0));
	actor_end(&second);
	actor_end(&first);
}

/* A cycle goes through those who wait now. */
TEST_F(threads, deadlock_of_successor)
{
	struct actor next;

	REQUIRE(KSYNC_G_DEADLOCK_OF_TWO);
	ASSERT_EQ(0, in_thread(use_mutex, self->m, 0));
	ASSERT_EQ(0, in_thread(use_mutex, self->other, 0));
	ASSERT_EQ(0, actor_begin(&next, ACTOR_THREAD));
	ASSERT_EQ(0, actor_do(&next, job_mutex_lock, self->m, 0));
	ASSERT_EQ(0, actor_do(&self->a, job_mutex_lock, self->other, 0));
	actor_start(&next, job_mutex_lock, self->other, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->other).waiters == 1));
	EXPECT_EQ(-EDEADLK, actor_do(&self->a, job_mutex_lock, self->m, 0));
	EXPECT_EQ(0, actor_do(&self->a, job_mutex_unlock, self->other, 0));
	EXPECT_EQ(0, actor_result(&next));
	actor_end(&next);
}

/*
 * A destructor of the program's that comes after the library's: by then, its
 * thread is another user of the lock than all others, as before.
 */
struct late {
	struct ksync_mutex *m;
	unsigned int inside, leave;	/* atomically */
	long err;
};

static pthread_key_t late_key;

static void come_late(void *arg)
{
	struct late *l = arg;

	l->err = ksync_mutex_lock(l->m);
	__atomic_store_n(&l->inside, 1, __ATOMIC_RELEASE);
	if (!WAIT_FOR(__atomic_load_n(&l->leave, __ATOMIC_ACQUIRE)))
		l->err = ACTOR_STUCK;
	l->err = l->err ?: ksync_mutex_unlock(l->m);
}

static void *end_with_destructor(void *arg)
{
	struct late *l = arg;

	l->err = use_mutex(l->m, 0);
	pthread_setspecific(late_key, l);
	return NULL;
}

TEST_F(threads, destructor_after_ours)
{
	struct late l = { .m = self->m };
	struct actor next;
	pthread_t t;

	REQUIRE(KSYNC_G_THREAD_EXIT);
	ASSERT_EQ(0, pthread_key_create(&late_key, come_late));
	ASSERT_EQ(0, pthread_create(&t, NULL, end_with_destructor, &l));
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&l.inside, __ATOMIC_ACQUIRE)));
	ASSERT_EQ(0, actor_begin(&next, ACTOR_THREAD));
	EXPECT_EQ(0, actor_do(&next, use_mutex, ksync_mutex_at(self->m, 1), 0));
	EXPECT_EQ(-EBUSY, actor_do(&next, job_mutex_trylock, self->m, 0));
	EXPECT_EQ(-EPERM, actor_do(&next, job_mutex_unlock, self->m, 0));
	__atomic_store_n(&l.leave, 1, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	EXPECT_EQ(0, l.err);
	EXPECT_EQ(0, actor_do(&next, use_mutex, self->m, 0));
	actor_end(&next);
	pthread_key_delete(late_key);
}

/* What a child's threads hold is not its parent's. */
static long hold_in_child(void *m, uint64_t unused)
{
	pid_t pid = fork_child();
	long err;

	if (pid)
		return pid;
	err = in_thread(use_mutex, m, 0) ?: ksync_mutex_lock(m);
	if (err)
		_exit(1);
	idle_thread(NULL);
	return 0;
}

TEST_F(threads, fork_after_threads)
{
	struct ksync_mutex *second = ksync_mutex_at(self->m, 1);
	struct actor mate;
	long child;

	ASSERT_EQ(0, many_use(self->m, 8));
	child = hold_in_child(self->m, 0);
	ASSERT_LT(0, child);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).holder_pid == child));
	/* Takes what there is to be taken here. */
	ASSERT_EQ(0, actor_begin(&mate, ACTOR_THREAD));
	EXPECT_EQ(0, actor_do(&mate, job_mutex_lock, second, 0));
	EXPECT_EQ(-EBUSY, actor_do(&mate, job_mutex_trylock, self->m, 0));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_EQ(-EOWNERDEAD,
		  actor_do(&mate, job_mutex_lock, self->m, PATIENCE_MS));
	EXPECT_EQ(0, mutex_status(second).deaths);
	actor_end(&mate);
}

struct parting {
	struct ksync_mutex *m, *other;
	unsigned int done;	/* atomically */
	long err;
};

static void *part(void *arg)
{
	struct parting *p = arg;

	p->err = use_mutex(p->m, 0) ?: use_mutex(p->other, 0);
	__atomic_store_n(&p->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* It is closed when the thread has used it, and is about to end, or has. */
TEST_F(threads, close_while_ending)
{
	struct parting p;
	pthread_t t;
	int i;

	for_each_round(i, 2000) {
		p = (struct parting){ .other = self->other };
		ASSERT_EQ(0, ksync_mutex_create(&p.m, NULL));
		ASSERT_EQ(0, in_thread(use_mutex, p.m, 0));
		ASSERT_EQ(0, pthread_create(&t, NULL, part, &p));
		while (!__atomic_load_n(&p.done, __ATOMIC_ACQUIRE))
			sched_yield();
		ksync_mutex_close(p.m);
		pthread_join(t, NULL);
		ASSERT_EQ(0, p.err);
	}
	EXPECT_EQ(0, mutex_status(self->other).deaths);
}

/* What an object takes, in blocks; always 0 where it is not a file. */
static long blocks(const struct ksync_mutex *m)
{
	struct stat st;

	return fstat(ksync_mutex_fd(m), &st) ? -errno : st.st_blocks;
}

#define BLOCKS_PER_LINE(n)	((n) * 256 / 512)

/* Of many threads little remains: others need room, too. */
TEST_F(threads, room_of_many_is_given_back)
{
	long before;

	ASSERT_EQ(0, actor_do(&self->a, many_use, self->m, MANY));
	before = blocks(self->m);
	ASSERT_EQ(0, actor_do(&self->b, many_use, self->m, MANY));
	EXPECT_GE(before + BLOCKS_PER_LINE(MANY / 2), blocks(self->m));
	/* It is still there. */
	ASSERT_EQ(0, actor_do(&self->a, many_use, self->m, MANY));
	EXPECT_GE(before + BLOCKS_PER_LINE(MANY / 2), blocks(self->m));
}

#define LOCKS	20

static long lock_all(void *obj, uint64_t unused)
{
	struct ksync_mutex *m = obj;
	long err = 0;
	int i;

	for (i = 0; i < LOCKS && !err; i++)
		err = ksync_mutex_lock(ksync_mutex_at(m, i));
	while (i-- > 0 && !err)
		err = ksync_mutex_unlock(ksync_mutex_at(m, i));
	return err;
}

/* Of a thread that held many at a time, neither. */
TEST_F(threads, room_for_many_holds_is_given_back)
{
	struct ksync_options o = { .nr = LOCKS };
	struct ksync_mutex *m;
	long before;
	int i;

	ASSERT_EQ(0, ksync_mutex_create(&m, &o));
	ASSERT_EQ(0, in_thread(lock_all, m, 0));
	before = blocks(m);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(0, in_thread(lock_all, m, 0));
	EXPECT_EQ(before, blocks(m));
	ksync_mutex_close(m);
}

static long open_use_close(void *name, uint64_t rounds)
{
	struct ksync_mutex *m;
	long err = 0;

	while (rounds-- && !err) {
		err = ksync_mutex_open(&m, name, 0, 0, NULL);
		if (err)
			return err;
		err = many_use(m, 20);
		ksync_mutex_close(m);
	}
	return err;
}

/* Of those of a process that has closed it, nothing. */
TEST_F(threads, room_is_given_back_at_close)
{
	struct ksync_mutex *m;
	char *name = shared_memory(KSYNC_NAME_LEN);
	long before;

	strcpy(name, test_name("threads"));
	ASSERT_EQ(0, ksync_mutex_open(&m, name, O_CREAT | O_EXCL, 0600, NULL));
	ASSERT_EQ(0, actor_do(&self->a, open_use_close, name, 2));
	before = blocks(m);
	EXPECT_EQ(0, actor_do(&self->a, open_use_close, name, 20));
	EXPECT_EQ(before, blocks(m));
	ksync_mutex_close(m);
	ksync_unlink(name);
}

TEST_HARNESS_MAIN
