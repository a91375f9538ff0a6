// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large numbers: primitives in an object, objects, waiters. What they take in
 * time and memory is printed. That they work is tested, that cost grows with
 * the number and not faster, and that those who have nothing to do with it go
 * on meanwhile.
 *
 * KSYNC_LIMITS=full asks for as many as promised: 10,000 waiters and 100,000
 * objects. Otherwise there are as many as an emulated machine can do in a while.
 */
#define PATIENCE	(60 * NS_PER_S)	/* for thousands of something */

#include "uapi_kinds.h"
#include "uapi_peer.h"

#include <sys/resource.h>

#define WAITERS		full(2100, 10000)
#define CROWD		full(400, 4000)	/* where the number is not the point */
#define OBJECTS		full(4000, 100000)
#define MORE		8	/* times as many, to see the cost grow */
#define STACK		8192
#define STALL		(5 * NS_PER_S)	/* a bystander's, also when emulated */

static int full(int otherwise, int promised)
{
	const char *limits = getenv("KSYNC_LIMITS");

	return limits && !strcmp(limits, "full") ? promised : otherwise;
}

FIXTURE(limits)
{
	int dev;
	pid_t bystander;
};

static __u64 *worst;	/* that the bystander had to wait */

/* Has nothing to do with all this, and never waits for anybody. */
static pid_t start_bystander(int dev)
{
	int fd = create(dev, KSYNC_TYPE_MUTEX, 0, 1);
	__u64 begin, end;
	pid_t pid;

	worst = shared_page();
	fflush(NULL);
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		begin = now_ns();
		if (me(mutex_lock(fd, NEVER)) || me(mutex_unlock(fd)))
			_exit(1);
		end = now_ns();
		if (end - begin > *worst)
			*worst = end - begin;
		usleep(1000);
	}
}

FIXTURE_SETUP(limits)
{
	struct rlimit limit = { OBJECTS + 100, OBJECTS + 100 };

	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->bystander = start_bystander(self->dev);
	ASSERT_LT(0, self->bystander);
	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
		limit.rlim_cur = limit.rlim_max;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	}
}

FIXTURE_TEARDOWN(limits)
{
	int wstatus;

	peers_end();
	kill(self->bystander, SIGKILL);
	ASSERT_EQ(self->bystander, waitpid(self->bystander, &wstatus, 0));
	EXPECT_TRUE(WIFSIGNALED(wstatus));
	TH_LOG("a bystander's lock and unlock: %llu us at worst", *worst / 1000);
	EXPECT_GT(STALL, *worst);
	close(self->dev);
}

/* In kB; 0 when it cannot be told. */
static long memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long kb = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld kB", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

TEST_F_TIMEOUT(limits, the_largest_object, 300)
{
	__u32 last = KSYNC_NR_MAX - 1;
	long memory = memory_available();
	__u64 begin, end;
	struct call c;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		begin = now_ns();
		fd = create_kind(self->dev, &kinds[i], 0, KSYNC_NR_MAX);
		ASSERT_LE(0, fd);
		end = now_ns();
		TH_LOG("%s: %u primitives in %llu us, %ld kB", kinds[i].name,
		       KSYNC_NR_MAX, (end - begin) / 1000,
		       memory - memory_available());
		EXPECT_GT(PATIENCE, end - begin);
		EXPECT_EQ(KSYNC_NR_MAX, info(fd).nr);
		EXPECT_EQ(kinds[i].max, status_of(fd, last).max);
		EXPECT_EQ(-EINVAL, me(at(last + 1, status_call(fd))));
		switch (kinds[i].type) {
		case KSYNC_TYPE_MUTEX:
			c = at(last, mutex_trylock(fd));
			break;
		case KSYNC_TYPE_RWLOCK:
			c = at(last, rwlock_trywrlock(fd));
			break;
		case KSYNC_TYPE_WAITGROUP:
			c = at(last, waitgroup_add(fd, 1));
			break;
		case KSYNC_TYPE_SEM:
			c = at(last, sem_tryacquire(fd, kinds[i].value - 1));
			break;
		default:
			close(fd);
			continue;
		}
		EXPECT_EQ(0, me(c));
		EXPECT_EQ(1, status_of(fd, last).value);
		EXPECT_EQ(kinds[i].value, status_of(fd, last - 1).value);
		EXPECT_EQ(-EINVAL, me(at(last + 1, c)));
		close(fd);
	}
}

/* The first of @n objects, or a negative errno; gives the time it took. */
static int make_objects(int dev, int n, __u64 *time)
{
	__u64 begin = now_ns();
	int first = -1, i, fd;

	for (i = 0; i < n; i++) {
		fd = create_kind(dev, &kinds[i % ARRAY_SIZE(kinds)], 0, 1);
		if (fd < 0)
			return fd;
		if (first < 0)
			first = fd;
		me(mutex_trylock(fd));
	}
	*time = now_ns() - begin;
	return first;
}

static void close_objects(int first, int n)
{
	while (n--)
		close(first++);
}

TEST_F_TIMEOUT(limits, many_objects, 300)
{
	long memory = memory_available();
	__u32 before = device_info(self->dev).objects;
	int n = OBJECTS, first;
	__u64 time;

	if (n > (int)(device_info(self->dev).objects_max - before))
		n = device_info(self->dev).objects_max - before;
	first = make_objects(self->dev, n, &time);
	ASSERT_LE(0, first);
	TH_LOG("%d objects in %llu us, %ld kB", n, time / 1000,
	       memory - memory_available());
	EXPECT_EQ(before + n, device_info(self->dev).objects);
	close_objects(first, n);
	EXPECT_TRUE(UNTIL(device_info(self->dev).objects == before));
}

/* The machine may be busy with other things: one good measurement is enough. */
#define LINEAR(few, many) ({						\
	int tries_ = 5;							\
	bool ok_;							\
	do {								\
		__u64 few_ = (few), many_ = (many);			\
		TH_LOG("%llu us, %d times as many: %llu us",		\
		       few_ / 1000, MORE, many_ / 1000);		\
		ok_ = few_ && many_ < 3 * MORE * few_;			\
	} while (!ok_ && --tries_);					\
	ok_;								\
})

static __u64 time_of_objects(int dev, int n)
{
	__u64 time = 0;
	int first = make_objects(dev, n, &time);

	if (first < 0)
		return 0;
	close_objects(first, n);
	return time;
}

TEST_F_TIMEOUT(limits, objects_cost_the_same_each, 300)
{
	int n = OBJECTS / MORE;

	EXPECT_TRUE(LINEAR(time_of_objects(self->dev, n),
			   time_of_objects(self->dev, n * MORE)));
}

#define HOLDS	10000

static int held;	/* the object that the next function locks all of */

static int lock_all(struct call *c)
{
	int ret = 0;
	__u32 i;

	for (i = 0; i < HOLDS && !ret; i++)
		ret = me(at(i, mutex_trylock(held)));
	return ret;
}

TEST_F_TIMEOUT(limits, many_holds_of_one_thread, 300)
{
	__u64 begin = now_ns();
	struct peer p;
	__u32 i;

	held = create(self->dev, KSYNC_TYPE_MUTEX, 0, HOLDS);
	ASSERT_LE(0, held);
	ASSERT_EQ(0, lock_all(NULL));
	for (i = 0; i < HOLDS; i++)
		ASSERT_EQ(0, me(at(i, mutex_unlock(held))));
	TH_LOG("%d holds taken and given back in %llu us", HOLDS,
	       (now_ns() - begin) / 1000);
	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, lock_all));
	begin = now_ns();
	peer_kill(&p);
	TH_LOG("%d holds of the dead taken care of in %llu us", HOLDS,
	       (now_ns() - begin) / 1000);
	for (i = 0; i < HOLDS; i++)
		ASSERT_EQ(-EOWNERDEAD, me(at(i, mutex_trylock(held))));
	close(held);
}

struct crowd {
	struct call first, then;	/* no @then if its fd is 0 */
	int expected;
	int n;
	int done, wrong;
};

/* A task as bare as can be: what is to be seen is the waiting. */
static int one_of_many(void *arg)
{
	struct crowd *crowd = arg;
	int ret = me(crowd->first);

	if (!ret && crowd->then.fd)
		ret = me(crowd->then);
	if (ret != crowd->expected)
		__atomic_add_fetch(&crowd->wrong, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&crowd->done, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_exit, 0);
	return 0;
}

/*
 * Whether all of them could be made. They share one errno, which does no harm
 * as all of them fail in the same way or not at all.
 */
static bool gather(struct crowd *crowd)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
		    CLONE_THREAD | CLONE_SYSVSEM;
	char *stacks = malloc((size_t)crowd->n * STACK);
	int i;

	if (!stacks)
		return false;
	for (i = 1; i <= crowd->n; i++)
		if (clone(one_of_many, stacks + (size_t)i * STACK, flags,
			  crowd) < 0)
			return false;
	return true;
}

static bool all_done(struct crowd *crowd)
{
	return UNTIL(__atomic_load_n(&crowd->done, __ATOMIC_SEQ_CST)
		     == crowd->n) && !crowd->wrong;
}

#define REPORT(what, begin)						\
	TH_LOG("%d waiters: " what " in %llu us", crowd.n,		\
	       (now_ns() - (begin)) / 1000)

/* Each of @n has the mutex once: how long that takes, 0 for a failure. */
static __u64 time_of_waiters(int fd, int n)
{
	struct crowd crowd = {
		.first = mutex_lock(fd, NEVER),
		.then = mutex_unlock(fd),
		.n = n,
	};
	__u64 begin;

	if (me(mutex_lock(fd, NEVER)) || !gather(&crowd) || !queued(fd, n, 0))
		return 0;
	begin = now_ns();
	if (me(mutex_unlock(fd)) || !all_done(&crowd))
		return 0;
	return now_ns() - begin;
}

TEST_F_TIMEOUT(limits, many_waiters, 300)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	__u64 time;

	ASSERT_LE(0, fd);
	time = time_of_waiters(fd, WAITERS);
	EXPECT_LT(0, time);
	TH_LOG("%d waiters: each had the mutex in %llu us", WAITERS,
	       time / 1000);
	EXPECT_EQ(WAITERS + 1, status(fd).acquisitions);
	EXPECT_EQ(0, status(fd).value);
	close(fd);
}

TEST_F_TIMEOUT(limits, waiters_cost_the_same_each, 300)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_FIFO, 1);
	int n = WAITERS / MORE;

	ASSERT_LE(0, fd);
	EXPECT_TRUE(LINEAR(time_of_waiters(fd, n),
			   time_of_waiters(fd, n * MORE)));
	close(fd);
}

TEST_F_TIMEOUT(limits, many_waiters_time_out, 300)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_FIFO, 1);
	struct crowd crowd = { .expected = -ETIMEDOUT, .n = CROWD };
	__u64 deadline = in_ms(full(2000, 20000));

	ASSERT_LE(0, fd);
	crowd.first = mutex_lock(fd, deadline);
	ASSERT_EQ(0, me(mutex_lock(fd, NEVER)));
	ASSERT_TRUE(gather(&crowd));
	EXPECT_TRUE(all_done(&crowd));
	REPORT("gave up", deadline);
	EXPECT_EQ(0, status(fd).waiters_exclusive);
	EXPECT_EQ(0, me(mutex_unlock(fd)));
	EXPECT_EQ(0, me(mutex_trylock(fd)));
	close(fd);
}

TEST_F_TIMEOUT(limits, many_wait_for_a_round, 300)
{
	int fd = create(self->dev, KSYNC_TYPE_WAITGROUP, 0, 1);
	struct crowd crowd = { .first = waitgroup_wait(fd, NEVER), .n = CROWD };
	__u64 begin;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, me(waitgroup_add(fd, 1)));
	ASSERT_TRUE(gather(&crowd));
	ASSERT_TRUE(queued(fd, 0, CROWD));
	begin = now_ns();
	ASSERT_EQ(0, me(waitgroup_add(fd, -1)));
	EXPECT_TRUE(all_done(&crowd));
	REPORT("saw the round end", begin);
	close(fd);
}

TEST_F_TIMEOUT(limits, many_wait_for_permits, 300)
{
	int fd = create_sem(self->dev, 0, 0, CROWD + 5);
	struct crowd crowd = { .first = sem_acquire(fd, 1, NEVER), .n = CROWD };
	__u64 begin;

	ASSERT_LE(0, fd);
	ASSERT_TRUE(gather(&crowd));
	ASSERT_TRUE(queued(fd, CROWD, 0));
	begin = now_ns();
	ASSERT_EQ(0, me(sem_release(fd, CROWD + 2)));
	EXPECT_TRUE(all_done(&crowd));
	REPORT("got a permit", begin);
	EXPECT_EQ(2, status(fd).value);
	close(fd);
}

TEST_F_TIMEOUT(limits, many_readers, 300)
{
	int fd = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 1);
	struct crowd crowd = {
		.first = rwlock_rdlock(fd, NEVER),
		.then = rwlock_unlock(fd),
		.n = CROWD,
	};
	__u64 begin;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, me(rwlock_wrlock(fd, NEVER)));
	ASSERT_TRUE(gather(&crowd));
	ASSERT_TRUE(queued(fd, 0, CROWD));
	begin = now_ns();
	ASSERT_EQ(0, me(rwlock_unlock(fd)));
	EXPECT_TRUE(all_done(&crowd));
	REPORT("have read", begin);
	EXPECT_EQ(0, status(fd).readers);
	EXPECT_EQ(0, me(rwlock_trywrlock(fd)));
	close(fd);
}

/* There are fewer queues than primitives: those who share one do not mix. */
TEST_F(limits, primitives_share_queues)
{
	static const __u32 at_[] = { 512, 0, 256, 768 };
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_FIFO, 1024);
	struct peer p[ARRAY_SIZE(at_)];
	int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < (int)ARRAY_SIZE(at_); i++) {
		ASSERT_EQ(0, peer_fork(&p[i]));
		ASSERT_EQ(0, me(at(at_[i], mutex_trylock(fd))));
		start(&p[i], at(at_[i], mutex_lock(fd, NEVER)));
		ASSERT_TRUE(queued_at(fd, at_[i], 1, 0));
	}
	for (i = ARRAY_SIZE(at_) - 1; i >= 0; i--) {
		EXPECT_TRUE(silent(&p[i]));
		ASSERT_EQ(0, me(at(at_[i], mutex_unlock(fd))));
		EXPECT_EQ(0, answer(&p[i]));
		EXPECT_EQ(p[i].pid, status_of(fd, at_[i]).holder_pid);
	}
	for (i = 0; i < (int)ARRAY_SIZE(at_); i++)
		peer_kill(&p[i]);
	close(fd);
}

static int crowded;	/* the mutex that the next function crowds */

static int crowd_around(struct call *c)
{
	static struct crowd crowd;

	crowd.n = CROWD;
	crowd.first = mutex_lock(crowded, NEVER);
	return me(at(1, mutex_lock(crowded, NEVER))) ?:
	       gather(&crowd) ? 0 : -EAGAIN;
}

/* All of them gone at one stroke. */
TEST_F_TIMEOUT(limits, many_waiters_are_killed, 300)
{
	struct peer p;
	__u64 begin;

	crowded = create(self->dev, KSYNC_TYPE_MUTEX, 0, 2);
	ASSERT_LE(0, crowded);
	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, me(mutex_lock(crowded, NEVER)));
	ASSERT_EQ(0, ask_fn(&p, crowd_around));
	ASSERT_TRUE(queued(crowded, CROWD, 0));
	begin = now_ns();
	peer_kill(&p);
	TH_LOG("%d waiters: killed in %llu us", CROWD,
	       (now_ns() - begin) / 1000);
	EXPECT_EQ(0, status(crowded).waiters_exclusive);
	EXPECT_EQ(0, me(mutex_unlock(crowded)));
	EXPECT_EQ(0, me(mutex_trylock(crowded)));
	EXPECT_EQ(-EOWNERDEAD, me(at(1, mutex_trylock(crowded))));
	close(crowded);
}

UAPI_MAIN
