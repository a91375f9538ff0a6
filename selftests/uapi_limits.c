// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large numbers: primitives in an object, objects, waiters. What they take in
 * time and memory is printed; that they work is tested.
 */
#include "uapi_peer.h"

#include <sys/resource.h>

#define WAITERS		2100
#define CROWD		400	/* where the number is not the point */
#define OBJECTS		4000
#define STACK		8192

FIXTURE(limits)
{
	int dev;
};

FIXTURE_SETUP(limits)
{
	struct rlimit limit = { OBJECTS + 100, OBJECTS + 100 };

	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
		limit.rlim_cur = limit.rlim_max;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	}
}

FIXTURE_TEARDOWN(limits)
{
	peers_end();
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

TEST_F(limits, the_largest_object)
{
	static const __u32 types[] = {
		KSYNC_TYPE_MUTEX, KSYNC_TYPE_RWLOCK, KSYNC_TYPE_WAITGROUP,
	};
	long memory = memory_available();
	__u64 begin = now_ns(), end;
	__u32 last = KSYNC_NR_MAX - 1;
	struct call c;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		fd = create(self->dev, types[i], 0, KSYNC_NR_MAX);
		ASSERT_LE(0, fd);
		end = now_ns();
		TH_LOG("type %u: %u primitives in %llu us, %ld kB", types[i],
		       KSYNC_NR_MAX, (end - begin) / 1000,
		       memory - memory_available());
		EXPECT_GT(PATIENCE, end - begin);
		EXPECT_EQ(KSYNC_NR_MAX, info(fd).nr);
		c = types[i] == KSYNC_TYPE_MUTEX ? mutex_trylock(fd) :
		    types[i] == KSYNC_TYPE_RWLOCK ? rwlock_trywrlock(fd) :
		    waitgroup_add(fd, 1);
		EXPECT_EQ(0, me(at(last, c)));
		EXPECT_EQ(1, status_of(fd, last).value);
		EXPECT_EQ(0, status_of(fd, last - 1).value);
		EXPECT_EQ(-EINVAL, me(at(last + 1, c)));
		close(fd);
		begin = now_ns();
	}
	c = create_call(self->dev, KSYNC_TYPE_SEM, KSYNC_F_TRACKED,
			KSYNC_NR_MAX);
	c.arg.create.value = 3;
	c.arg.create.max = 3;
	ASSERT_EQ(0, call_run(&c));
	fd = c.arg.create.fd;
	EXPECT_GT(PATIENCE, now_ns() - begin);
	EXPECT_EQ(3, status_of(fd, last).value);
	EXPECT_EQ(0, me(at(last, sem_tryacquire(fd, 3))));
	EXPECT_EQ(-EBUSY, me(at(last, sem_tryacquire(fd, 1))));
	close(fd);
}

TEST_F(limits, many_objects)
{
	long memory = memory_available();
	__u32 before = device_info(self->dev).objects;
	__u32 max = device_info(self->dev).objects_max - before;
	int n = max < OBJECTS ? (int)max : OBJECTS;
	__u64 begin = now_ns();
	int first = -1, i, fd;

	for (i = 0; i < n; i++) {
		fd = create(self->dev, 1 + i % 3, 0, 1);
		ASSERT_LE(0, fd) TH_LOG("after %d", i);
		if (first < 0)
			first = fd;
		if (i % 3 == 0)
			ASSERT_EQ(0, me(mutex_trylock(fd)));
	}
	TH_LOG("%d objects in %llu us, %ld kB", n, (now_ns() - begin) / 1000,
	       memory - memory_available());
	EXPECT_EQ(before + n, device_info(self->dev).objects);
	for (i = 0; i < n; i++)
		close(first + i);
	EXPECT_TRUE(UNTIL(device_info(self->dev).objects == before));
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

TEST_F(limits, many_holds_of_one_thread)
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
	char *stacks = malloc(crowd->n * STACK);
	int i;

	if (!stacks)
		return false;
	for (i = 1; i <= crowd->n; i++)
		if (clone(one_of_many, stacks + i * STACK, flags, crowd) < 0)
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

TEST_F(limits, many_waiters)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	struct crowd crowd = {
		.first = mutex_lock(fd, NEVER),
		.then = mutex_unlock(fd),
		.n = WAITERS,
	};
	__u64 begin = now_ns();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, me(mutex_lock(fd, NEVER)));
	ASSERT_TRUE(gather(&crowd));
	ASSERT_TRUE(queued(fd, WAITERS, 0));
	REPORT("queued", begin);
	begin = now_ns();
	ASSERT_EQ(0, me(mutex_unlock(fd)));
	EXPECT_TRUE(all_done(&crowd));
	REPORT("each had the mutex", begin);
	EXPECT_EQ(WAITERS + 1, status(fd).acquisitions);
	EXPECT_EQ(0, status(fd).value);
	close(fd);
}

TEST_F(limits, many_waiters_time_out)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_FIFO, 1);
	struct crowd crowd = { .expected = -ETIMEDOUT, .n = CROWD };
	__u64 deadline = in_ms(2000);

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

TEST_F(limits, many_wait_for_a_round)
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

TEST_F(limits, many_wait_for_permits)
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

TEST_F(limits, many_readers)
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

static int crowded;	/* the mutex that the next function crowds */

static int crowd_around(struct call *c)
{
	static struct crowd crowd = { .n = CROWD };

	crowd.first = mutex_lock(crowded, NEVER);
	return me(at(1, mutex_lock(crowded, NEVER))) ?:
	       gather(&crowd) ? 0 : -EAGAIN;
}

/* All of them gone at one stroke. */
TEST_F(limits, many_waiters_are_killed)
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
