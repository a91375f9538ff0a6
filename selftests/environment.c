// SPDX-License-Identifier: GPL-2.0-only
/* The world around: both backends at once, no permission, limits. */

#include "actor.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>

/* Chooses the actor's backend; before it has used the library. */
static long use_backend(void *obj, uint64_t unused)
{
	if (obj)
		setenv("KSYNC_BACKEND", obj, 1);
	else
		unsetenv("KSYNC_BACKEND");
	return ksync_available();
}

static long open_mutex(void *name, uint64_t oflag)
{
	struct ksync_mutex *m;
	int err = ksync_mutex_open(&m, name, oflag, 0600, NULL);

	return err ?: (long)m;
}

static long create_mutex(void *obj, uint64_t unused)
{
	struct ksync_mutex *m;
	int err = ksync_mutex_create(&m, NULL);

	return err ?: (long)m;
}

FIXTURE(split_brain) {
	struct actor kernel, futex;
	char name[KSYNC_NAME_LEN];
};

FIXTURE_SETUP(split_brain)
{
	strcpy(self->name, test_name("split"));
	ASSERT_EQ(0, actor_begin(&self->kernel, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->futex, ACTOR_PROCESS));
	if (actor_do(&self->kernel, use_backend, "kernel", 0))
		SKIP(SKIP_ALL, "there is only one backend here");
	ASSERT_EQ(0, actor_do(&self->futex, use_backend, "futex", 0));
}

FIXTURE_TEARDOWN(split_brain)
{
	actor_end(&self->kernel);
	actor_end(&self->futex);
}

/* The same name on two backends would be two locks that exclude nobody. */
TEST_F(split_brain, split_brain_kernel_first)
{
	ASSERT_LT(0, actor_do(&self->kernel, open_mutex, self->name, O_CREAT));
	EXPECT_EQ(-EXDEV,
		  actor_do(&self->futex, open_mutex, self->name, O_CREAT));
	EXPECT_EQ(-EXDEV, actor_do(&self->futex, open_mutex, self->name, 0));
	EXPECT_EQ(-EXDEV, actor_do(&self->futex, open_mutex, self->name,
				   O_CREAT | O_EXCL));
	/* Without a name there is nothing to confuse. */
	EXPECT_LT(0, actor_do(&self->futex, create_mutex, NULL, 0));
	/* And once it is gone, the name is free for either. */
	actor_kill(&self->kernel);
	EXPECT_LT(0, actor_do(&self->futex, open_mutex, self->name, O_CREAT));
}

TEST_F(split_brain, split_brain_futex_first)
{
	ASSERT_LT(0, actor_do(&self->futex, open_mutex, self->name, O_CREAT));
	EXPECT_EQ(-EXDEV,
		  actor_do(&self->kernel, open_mutex, self->name, O_CREAT));
	EXPECT_EQ(-EXDEV, actor_do(&self->kernel, open_mutex, self->name, 0));
	EXPECT_EQ(-EXDEV, actor_do(&self->kernel, open_mutex, self->name,
				   O_CREAT | O_EXCL));
	actor_kill(&self->futex);
	EXPECT_LT(0, actor_do(&self->kernel, open_mutex, self->name, O_CREAT));
}

struct split_race {
	char name[KSYNC_NAME_LEN];
	volatile int ready;
};

static long open_at_the_same_time(void *obj, uint64_t unused)
{
	struct split_race *r = obj;

	__atomic_add_fetch(&r->ready, 1, __ATOMIC_SEQ_CST);
	while (r->ready < 2)
		sched_yield();
	return open_mutex(r->name, O_CREAT);
}

/* Both at once: not both. */
TEST_F(split_brain, split_brain_race)
{
	struct split_race *r = shared_memory(sizeof(*r));
	long by_kernel, by_futex;
	int i;

	for_each_round(i, 100) {
		snprintf(r->name, sizeof(r->name), "%.100s.%d", self->name, i);
		r->ready = 0;
		actor_start(&self->kernel, open_at_the_same_time, r, 0);
		actor_start(&self->futex, open_at_the_same_time, r, 0);
		by_kernel = actor_result(&self->kernel);
		by_futex = actor_result(&self->futex);
		ASSERT_TRUE(by_kernel == -EXDEV || by_futex == -EXDEV);
		ASSERT_TRUE(by_kernel > 0 || by_kernel == -EXDEV);
		ASSERT_TRUE(by_futex > 0 || by_futex == -EXDEV);
	}
}

/*
 * In a mount namespace of its own puts a device that nobody may open in the
 * place of the real one, becomes an ordinary user and lets the library choose.
 */
static long forbid_device(void *obj, uint64_t unused)
{
	struct stat st = { .st_rdev = makedev(10, 255) };
	bool real = !stat("/dev/ksync", &st);

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev", "tmpfs", 0, "mode=755") ||
	    mknod("/dev/ksync", S_IFCHR | 0600, st.st_rdev) ||
	    setgid(65534) || setuid(65534))
		return -ENOSYS;
	unsetenv("KSYNC_BACKEND");
	return real;
}

static long which_backend(void *obj, uint64_t unused)
{
	return !strcmp(ksync_backend(), "kernel");
}

static long available(void *obj, uint64_t unused)
{
	return ksync_available();
}

/* There is a device, and no permission: no quiet change to futexes. */
TEST(no_permission)
{
	char *name = strdup(test_name("forbidden"));
	struct actor a;

	ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
	if (actor_do(&a, forbid_device, NULL, 0) < 0)
		SKIP(goto out, "needs root and mount namespaces");
	EXPECT_EQ(1, actor_do(&a, which_backend, NULL, 0));
	EXPECT_EQ(-EACCES, actor_do(&a, available, NULL, 0));
	EXPECT_EQ(-EACCES, actor_do(&a, create_mutex, NULL, 0));
	EXPECT_EQ(-EACCES, actor_do(&a, open_mutex, name, O_CREAT));
out:
	actor_end(&a);
}

static bool write_own(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

/* Where it may mount, as the user it was. */
static bool own_namespaces(void)
{
	char uid[32], gid[32];

	if (!geteuid())
		return !unshare(CLONE_NEWNS);
	snprintf(uid, sizeof(uid), "%d %d 1", (int)geteuid(), (int)geteuid());
	snprintf(gid, sizeof(gid), "%d %d 1", (int)getegid(), (int)getegid());
	return !unshare(CLONE_NEWUSER | CLONE_NEWNS) &&
	       write_own("/proc/self/setgroups", "deny") &&
	       write_own("/proc/self/uid_map", uid) &&
	       write_own("/proc/self/gid_map", gid);
}

/* In a mount namespace of its own, with so many pages for shared memory. */
static long shrink_shared_memory(void *obj, uint64_t pages)
{
	char size[32];

	snprintf(size, sizeof(size), "size=%llu",
		 (unsigned long long)pages * sysconf(_SC_PAGESIZE));
	if (!own_namespaces() ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev/shm", "tmpfs", 0, size))
		return -ENOSYS;
	return 0;
}

static long use_name(void *name, uint64_t unused)
{
	struct ksync_mutex *m;
	int err;

	err = ksync_mutex_open(&m, name, O_CREAT, 0600, NULL);
	if (!err)
		err = ksync_mutex_lock(m) ?: ksync_mutex_unlock(m);
	return err;
}

/* Names have no room, or just so: an error, and no signal. */
TEST(full_shared_memory)
{
	char *name = strdup(test_name("full"));
	bool worked = false;
	uint64_t pages;
	struct actor a;
	long ret;

	REQUIRE_BACKEND();
	for (pages = 1; pages < 10; pages++) {
		ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
		if (actor_do(&a, shrink_shared_memory, NULL, pages))
			SKIP(goto out, "not permitted to mount");
		ret = actor_do(&a, use_name, name, 0);
		EXPECT_TRUE(ret == -ENOMEM || !ret)
			TH_LOG("%ld with %d pages", ret, (int)pages);
		/* And with more room it goes on working. */
		EXPECT_TRUE(!worked || !ret);
		worked = !ret;
		actor_end(&a);
	}
	EXPECT_TRUE(worked);
	return;
out:
	actor_end(&a);
}

/* An unknown backend is an error, not a guess. */
TEST(unknown_backend)
{
	struct actor a;

	ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
	EXPECT_EQ(-EINVAL, actor_do(&a, use_backend, "pigeon", 0));
	EXPECT_GT(0, actor_do(&a, create_mutex, NULL, 0));
	actor_end(&a);
}

/* The kernel where there is no module: said, not replaced. */
TEST(backend_without_module)
{
	struct actor a;

	if (!access("/sys/module/ksync", F_OK))
		SKIP(return, "the module is loaded");
	ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
	EXPECT_EQ(-ENODEV, actor_do(&a, use_backend, "kernel", 0));
	EXPECT_EQ(-ENODEV, actor_do(&a, create_mutex, NULL, 0));
	actor_end(&a);
	ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
	EXPECT_EQ(0, actor_do(&a, use_backend, NULL, 0));
	EXPECT_EQ(0, actor_do(&a, which_backend, NULL, 0));
	actor_end(&a);
}

static int count_own_descriptors(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Thousands of locks do not take thousands of descriptors. */
TEST(fd_limit)
{
	struct ksync_options o = { .nr = 10000 };
	struct rlimit few = { 32, 32 };
	struct ksync_mutex *m, *one;
	uint32_t i;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	ASSERT_EQ(0, ksync_mutex_create(&m, &o));
	for (i = 0; i < o.nr; i += 7) {
		one = ksync_mutex_at(m, i);
		ASSERT_NE(NULL, one);
		ASSERT_EQ(0, ksync_mutex_lock(one));
	}
	for (i = 0; i < o.nr; i += 7)
		ASSERT_EQ(0, ksync_mutex_unlock(ksync_mutex_at(m, i)));
	ksync_mutex_close(m);
}

/* The most that one object can have. */
TEST(million_primitives)
{
	struct ksync_options o = { .nr = 1U << 20 };
	struct ksync_mutex *m;
	int err;

	REQUIRE_BACKEND();
	err = ksync_mutex_create(&m, &o);
	if (err == -ENOMEM)
		SKIP(return, "not enough memory for a million primitives");
	ASSERT_EQ(0, err);
	EXPECT_EQ(NULL, ksync_mutex_at(m, 1U << 20));
	m = ksync_mutex_at(m, (1U << 20) - 1);
	ASSERT_NE(NULL, m);
	EXPECT_EQ(0, ksync_mutex_lock(m));
	EXPECT_EQ(0, ksync_mutex_unlock(m));
}

/* No more descriptors: an error each time, and everything else goes on. */
TEST(exhaustion)
{
	struct rlimit few = { 64, 64 };
	struct ksync_mutex *m[64], *more = NULL;
	struct ksync_waitgroup *wg;
	int n = 0, err = 0, before;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&m[0], NULL));
	ksync_mutex_close(m[0]);
	before = count_own_descriptors();
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	while (n < 64 && !(err = ksync_mutex_create(&m[n], NULL)))
		n++;
	EXPECT_EQ(-EMFILE, err);
	ASSERT_LT(3, n);
	EXPECT_EQ(-EMFILE, ksync_mutex_create(&more, NULL));
	EXPECT_EQ(-EMFILE, ksync_mutex_open(&more, test_name("more"), O_CREAT,
					    0600, NULL));
	EXPECT_EQ(-EMFILE, ksync_waitgroup_create(&wg, NULL));
	/* An import may need fewer, but not none. */
	while (n < 64 &&
	       !(err = ksync_mutex_import(&m[n], ksync_mutex_fd(m[0]))))
		n++;
	EXPECT_EQ(-EMFILE, err);
	EXPECT_EQ(0, ksync_mutex_lock(m[0]));
	EXPECT_EQ(0, ksync_mutex_unlock(m[0]));
	EXPECT_EQ(0, ksync_mutex_lock(m[n - 1]));
	EXPECT_EQ(0, ksync_mutex_unlock(m[n - 1]));
	/* Some go, one may come; none was lost by the failures. */
	ksync_mutex_close(m[--n]);
	ksync_mutex_close(m[--n]);
	ksync_mutex_close(m[--n]);
	ASSERT_EQ(0, ksync_mutex_create(&m[n++], NULL));
	while (n)
		ksync_mutex_close(m[--n]);
	EXPECT_EQ(before, count_own_descriptors());
}

/* Coming and going without end leaves nothing behind in the process. */
TEST(create_and_close)
{
	unsigned int i;
	struct ksync_mutex *m;
	int before;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	before = count_own_descriptors();
	ksync_mutex_close(m);
	for_each_round(i, 10000) {
		ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
		ASSERT_EQ(0, ksync_mutex_lock(m));
		ASSERT_EQ(0, ksync_mutex_unlock(m));
		ksync_mutex_close(m);
	}
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	EXPECT_EQ(before, count_own_descriptors());
	ksync_mutex_close(m);
}

static void *lock_and_unlock(void *m)
{
	return (void *)(long)(ksync_mutex_lock(m) ?: ksync_mutex_unlock(m));
}

/* So do threads: their ids are used again. */
TEST(threads_come_and_go)
{
	unsigned int i;
	struct ksync_mutex *m;
	pthread_t thread;
	void *err;

	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	for_each_round(i, 40000) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, lock_and_unlock, m));
		pthread_join(thread, &err);
		ASSERT_EQ(NULL, err);
	}
	EXPECT_EQ(0, mutex_status(m).deaths);
	ksync_mutex_close(m);
}

TEST_HARNESS_MAIN
