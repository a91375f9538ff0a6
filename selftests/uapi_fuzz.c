// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random commands with boundary values, on every kind of descriptor, from
 * several processes and threads that are killed at random. Nothing but errnos
 * of the contract may come back; and when all is over, nobody may be missing
 * anything: every lock can be had, every tracked permit is back, nobody waits.
 *
 * KSYNC_FUZZ_SECONDS (default 5) and KSYNC_FUZZ_SEED say how long and which.
 */
#include "uapi_commands.h"
#include "uapi_peer.h"

#define PROCESSES	5
#define SHARED		9	/* descriptors that all of them have */
#define OWN		8	/* that each process may make for itself */
#define NR		4	/* primitives in an object */
#define ERRNOS		160

static struct tally {
	unsigned long results[ERRNOS];
	unsigned long kills;
} *tally;			/* in shared memory */

static int shared[SHARED];

struct fuzzer {
	__u64 random;
	int fds[SHARED + OWN];
	int pidfds[2];
	char *page;		/* writable; one without access comes after it */
	char *constant;		/* likewise, read-only */
};

static bool in_contract(int error)
{
	switch (error) {
	case 0:
	case EBADF: case ENOTTY: case EFAULT: case EINVAL: case E2BIG:
	case ENOMEM: case EBUSY: case ETIMEDOUT: case EOWNERDEAD:
	case ENOTRECOVERABLE: case EDEADLK: case EPERM: case EOVERFLOW:
	case ERANGE: case ESRCH: case EMFILE: case EDQUOT: case ENOENT:
	case EEXIST: case EACCES: case EPROTOTYPE:
		return true;
	}
	return false;
}

/* xorshift64*; never a zero state. */
static __u32 rnd(struct fuzzer *f, __u32 below)
{
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return ((f->random * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

static bool one_in(struct fuzzer *f, __u32 n)
{
	return rnd(f, n) == 0;
}

static __u32 boundary(struct fuzzer *f)
{
	static const __u32 values[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 127, 128, 255, 256, 4095, 4096,
		65535, 65536, KSYNC_NR_MAX, KSYNC_NR_MAX + 1, 1U << 30,
		KSYNC_COUNT_MAX - 1, KSYNC_COUNT_MAX, 1U << 31, (1U << 31) + 1,
		UINT32_MAX - 1, UINT32_MAX,
	};

	return values[rnd(f, ARRAY_SIZE(values))];
}

static __u64 short_wait(struct fuzzer *f)
{
	return one_in(f, 3) ? LONG_AGO : now_ns() + rnd(f, 2000000);
}

static const char *some_name(struct fuzzer *f)
{
	static const char * const names[] = {
		"uapi-fuzz-a", "uapi-fuzz-b", "uapi-fuzz-c", "", "a/b",
	};

	return names[rnd(f, ARRAY_SIZE(names))];
}

static void fill(struct fuzzer *f, const struct command *k,
		 union uapi_args *a)
{
	memset(a, 0, sizeof(*a));
	if (k->on != DEVICE_FD)
		a->index = rnd(f, NR);
	switch (k->cmd) {
	case KSYNC_IOC_DEV_CREATE:
	case KSYNC_IOC_DEV_OPEN:
		a->create.type = 1 + rnd(f, 4);
		a->create.flags = one_in(f, 2) ? rnd(f, 16) : 0;
		a->create.nr = 1 + rnd(f, NR);
		if (a->create.type == KSYNC_TYPE_SEM) {
			a->create.max = 1 + rnd(f, 4);
			a->create.value = a->create.max;
		}
		if (k->cmd == KSYNC_IOC_DEV_CREATE)
			break;
		a->open.how = rnd(f, 4);
		a->open.mode = rnd(f, 0777);
		set_name(a->open.name, some_name(f));
		break;
	case KSYNC_IOC_DEV_UNLINK:
		set_name(a->unlink.name, some_name(f));
		break;
	case KSYNC_IOC_DEV_QUERY:
		set_name(a->query.info.name, some_name(f));
		break;
	case KSYNC_IOC_DEV_GRAPH:
	case KSYNC_IOC_DEV_CYCLE:
		/* Before the argument in the page. */
		a->graph.edges = (unsigned long)f->page;
		a->graph.size = sizeof(struct ksync_graph_edge);
		a->graph.room = rnd(f, 16);
		break;
	case KSYNC_IOC_WAITGROUP_ADD:
		a->add.delta = (int)rnd(f, 5) - 2;
		break;
	case KSYNC_IOC_WAITGROUP_BIND:
		a->bind.pidfd = f->pidfds[rnd(f, 2)];
		break;
	case KSYNC_IOC_SEM_ACQUIRE:
	case KSYNC_IOC_SEM_TRYACQUIRE:
	case KSYNC_IOC_SEM_RELEASE:
	case KSYNC_IOC_SEM_RESIZE:
		a->sem.count = 1 + rnd(f, 3);
		break;
	}
	if (one_in(f, 8))
		((__u32 *)a)[rnd(f, _IOC_SIZE(k->cmd) / 4)] = boundary(f);
	if (one_in(f, 64))
		((__u8 *)a)[rnd(f, _IOC_SIZE(k->cmd))] ^= 1 << rnd(f, 8);
	/* Whatever happens, nobody waits for ever. */
	switch (k->cmd) {
	case KSYNC_IOC_MUTEX_LOCK:
	case KSYNC_IOC_RWLOCK_RDLOCK:
	case KSYNC_IOC_RWLOCK_WRLOCK:
	case KSYNC_IOC_WAITGROUP_WAIT:
		a->lock.deadline = short_wait(f);
		break;
	case KSYNC_IOC_SEM_ACQUIRE:
		a->sem.deadline = short_wait(f);
		break;
	}
}

static unsigned int some_command(struct fuzzer *f, const struct command *k)
{
	unsigned int size = _IOC_SIZE(k->cmd);

	if (one_in(f, 40))
		size = one_in(f, 2) ? size + rnd(f, 64) : rnd(f, size + 1);
	if (one_in(f, 100))
		return _IOC(rnd(f, 4), KSYNC_IOC_MAGIC, rnd(f, 256), size);
	return _IOC(_IOC_DIR(k->cmd), KSYNC_IOC_MAGIC, _IOC_NR(k->cmd), size);
}

/* A new descriptor takes the place of another one. */
static void adopt(struct fuzzer *f, int fd)
{
	int i = SHARED + rnd(f, OWN);

	if (fd < 0)
		return;
	if (f->fds[i] >= 0)
		close(f->fds[i]);
	f->fds[i] = fd;
}

static int some_fd(struct fuzzer *f, const struct command *k)
{
	if (one_in(f, 20))
		return f->fds[rnd(f, SHARED + OWN)];
	if (k->on == DEVICE_FD)
		return shared[0];
	if (k->on < 0 || one_in(f, 8))
		return f->fds[1 + rnd(f, SHARED + OWN - 1)];
	return shared[2 * k->on - rnd(f, 2)];
}

/* None at all, the kernel's, across the end of the page, past it, read-only. */
static char *bad_pointer(struct fuzzer *f)
{
	char *const bad[] = {
		NULL, (char *)-64L, f->page + 4090, f->page + 4096, f->constant
	};

	return bad[rnd(f, ARRAY_SIZE(bad))];
}

static bool one_call(struct fuzzer *f)
{
	const struct command *k = &commands[rnd(f, ARRAY_SIZE(commands))];
	unsigned int cmd = some_command(f, k);
	union uapi_args a;
	char *arg;
	int fd, ret;

	fill(f, k, &a);
	arg = f->page + 4096 - (_IOC_SIZE(cmd) + 7) / 8 * 8;
	memset(f->page, one_in(f, 50) ? 0xff : 0, 4096);
	memcpy(arg, &a, _IOC_SIZE(k->cmd) < _IOC_SIZE(cmd) ?
	       _IOC_SIZE(k->cmd) : _IOC_SIZE(cmd));
	if (one_in(f, 60))
		arg = bad_pointer(f);
	fd = some_fd(f, k);
	ret = ioctl(fd, cmd, arg) < 0 ? errno : 0;
	if (!ret && k->cmd == cmd && k->cmd == KSYNC_IOC_DEV_CREATE)
		adopt(f, ((struct ksync_create_args *)arg)->fd);
	if (!ret && k->cmd == cmd && k->cmd == KSYNC_IOC_DEV_OPEN)
		adopt(f, ((struct ksync_open_args *)arg)->fd);
	/* Most are careful: otherwise every lock would be lost soon. */
	if (ret == EOWNERDEAD && !one_in(f, 50)) {
		me(at(a.index, mutex_consistent(fd)));
		me(at(a.index, rwlock_consistent(fd)));
	}
	if (ret < ERRNOS)
		__atomic_add_fetch(&tally->results[ret], 1, __ATOMIC_RELAXED);
	if (in_contract(ret))
		return true;
	fprintf(stderr, "# %s: %s (%d) is not in the contract\n", k->name,
		strerror(ret), ret);
	return false;
}

static void *run_fuzzer(void *arg)
{
	struct fuzzer f;
	int i;

	f.random = (unsigned long)arg;
	f.random = f.random * 0x9e3779b97f4a7c15ULL + 1;
	for (i = 0; i < SHARED + OWN; i++)
		f.fds[i] = i < SHARED ? shared[i] : -1;
	f.page = mmap(NULL, 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	f.constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	f.pidfds[0] = syscall(SYS_pidfd_open, getpid(), 0);
	f.pidfds[1] = syscall(SYS_pidfd_open, getppid(), 0);
	if (f.page == MAP_FAILED || f.constant == MAP_FAILED ||
	    mprotect(f.page, 4096, PROT_READ | PROT_WRITE))
		_exit(2);
	for (;;) {
		if (!one_call(&f))
			_exit(1);
		if (one_in(&f, 5000))
			return NULL;	/* and leave behind what is held */
		if (one_in(&f, 2000))
			_exit(0);
	}
}

static pid_t start_fuzzer(unsigned long seed)
{
	pthread_t thread;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (seed & 1)
		pthread_create(&thread, NULL, run_fuzzer,
			       (void *)(seed + 1));
	run_fuzzer((void *)seed);
	syscall(SYS_exit, 0);
	_exit(0);
}

/* Keeps PROCESSES of them going, kills some; false if one was not content. */
static bool supervise(unsigned long seed, __u64 end)
{
	struct fuzzer f = { .random = seed | 1 };
	pid_t pids[PROCESSES] = { 0 };
	bool content = true;
	int i, wstatus;
	pid_t pid;

	while (content && now_ns() < end) {
		for (i = 0; i < PROCESSES; i++)
			if (!pids[i])
				pids[i] = start_fuzzer(seed += 2 + (i & 1));
		usleep(1000 + rnd(&f, 20000));
		if (one_in(&f, 2)) {
			i = rnd(&f, PROCESSES);
			kill(pids[i], SIGKILL);
			tally->kills++;
		}
		while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
			for (i = 0; i < PROCESSES; i++)
				if (pids[i] == pid)
					pids[i] = 0;
			if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus))
				content = false;
		}
	}
	for (i = 0; i < PROCESSES; i++)
		if (pids[i])
			kill(pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return content;
}

static bool usable(int ret)
{
	return !ret || ret == -EOWNERDEAD || ret == -ENOTRECOVERABLE;
}

static int make_shared(int dev)
{
	int i;

	shared[0] = dev;
	for (i = 0; i < 2; i++) {
		__u32 guarded = i ? KSYNC_F_GUARDED : 0;
		struct call c = create_call(dev, KSYNC_TYPE_SEM, KSYNC_F_TRACKED
					    | guarded, NR);

		c.arg.create.value = 4;
		c.arg.create.max = 4;
		if (call_run(&c))
			return -1;
		shared[2 * KSYNC_TYPE_SEM - i] = c.arg.create.fd;
		shared[2 * KSYNC_TYPE_MUTEX - i] =
			create(dev, KSYNC_TYPE_MUTEX,
			       guarded | (i ? KSYNC_F_FIFO : 0), NR);
		shared[2 * KSYNC_TYPE_RWLOCK - i] =
			create(dev, KSYNC_TYPE_RWLOCK, guarded, NR);
		shared[2 * KSYNC_TYPE_WAITGROUP - i] =
			create(dev, KSYNC_TYPE_WAITGROUP, guarded, NR);
	}
	for (i = 0; i < SHARED; i++)
		if (shared[i] < 0)
			return -1;
	return 0;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

FIXTURE(fuzz)
{
};

FIXTURE_SETUP(fuzz)
{
}

FIXTURE_TEARDOWN(fuzz)
{
}

TEST_F_TIMEOUT(fuzz, everything, 1000)
{
	unsigned long seed = setting("KSYNC_FUZZ_SEED", now_ns() / 1000);
	unsigned long seconds = setting("KSYNC_FUZZ_SECONDS", 5);
	unsigned long calls = 0;
	__u32 before;
	int dev, i;

	dev = device_open();
	ASSERT_LE(0, dev);
	tally = shared_page();
	ASSERT_TRUE(tally != NULL);
	before = device_info(dev).objects;
	ASSERT_EQ(0, make_shared(dev));
	TH_LOG("KSYNC_FUZZ_SEED=%lu", seed);
	EXPECT_TRUE(supervise(seed, now_ns() + seconds * NS_PER_S));
	for (i = 0; i < ERRNOS; i++) {
		calls += tally->results[i];
		if (tally->results[i])
			TH_LOG("%8lu %s", tally->results[i],
			       i ? strerror(i) : "accepted");
	}
	TH_LOG("%8lu calls, %lu kills", calls, tally->kills);
	EXPECT_LT(1000, calls);
	for (i = 0; i < 2 * NR; i++) {
		int at_ = i / 2;
		int mutex = shared[2 * KSYNC_TYPE_MUTEX - (i & 1)];
		int rwlock = shared[2 * KSYNC_TYPE_RWLOCK - (i & 1)];
		int wg = shared[2 * KSYNC_TYPE_WAITGROUP - (i & 1)];
		int sem = shared[2 * KSYNC_TYPE_SEM - (i & 1)];

		EXPECT_TRUE(queued_at(mutex, at_, 0, 0));
		EXPECT_TRUE(usable(me(at(at_, mutex_lock(mutex, soon())))));
		EXPECT_TRUE(queued_at(rwlock, at_, 0, 0));
		EXPECT_EQ(0, status_of(rwlock, at_).readers);
		EXPECT_TRUE(usable(me(at(at_, rwlock_wrlock(rwlock, soon())))));
		EXPECT_TRUE(queued_at(sem, at_, 0, 0));
		EXPECT_EQ(status_of(sem, at_).max, status_of(sem, at_).value);
		EXPECT_TRUE(queued_at(wg, at_, 0, 0));
	}
	for (i = 1; i < SHARED; i++)
		close(shared[i]);
	EXPECT_TRUE(UNTIL(device_info(dev).objects == before));
	close(dev);
}

UAPI_MAIN
