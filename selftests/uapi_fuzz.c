// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random commands with boundary values, on every kind of descriptor, from
 * several processes and threads that close, replace and unlink things under one
 * another, are interrupted, run out of memory and are killed. Nothing but
 * errnos of the contract may come back; and when all is over, nobody may be
 * missing anything: every lock can be had, every tracked permit is back, nobody
 * waits, no object is left.
 *
 * KSYNC_FUZZ_SECONDS (default 5) and KSYNC_FUZZ_SEED say how long and which.
 */
#include "all_processors.h"
#include "uapi_fail.h"
#include "uapi_fuzz_world.h"

#define PROCESSES	5
#define ERRNOS		160

static struct tally {
	unsigned long results[ERRNOS];
	unsigned long kills, forks, threads, failures;
} *tally;			/* in shared memory */

static bool failing_memory;

static void count(unsigned long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static bool in_contract(int error)
{
	switch (error) {
	case 0:
	case EBADF: case ENOTTY: case EFAULT: case EINVAL: case E2BIG:
	case ENOMEM: case EBUSY: case ETIMEDOUT: case EOWNERDEAD:
	case ENOTRECOVERABLE: case EDEADLK: case EPERM: case EOVERFLOW:
	case ERANGE: case ESRCH: case EMFILE: case EDQUOT: case ENOENT:
	case EEXIST: case EACCES: case EPROTOTYPE: case ECANCELED:
	case ELOOP: case EMLINK: case ENOSPC: case EALREADY: case EPIPE:
		return true;
	}
	return false;
}

static unsigned int some_command(struct random *r, const struct command *k)
{
	unsigned int size = _IOC_SIZE(k->cmd);

	if (one_in(r, 40))
		size = one_in(r, 2) ? size + rnd(r, 64) : rnd(r, size + 1);
	if (one_in(r, 100))
		return _IOC(rnd(r, 4), KSYNC_IOC_MAGIC, rnd(r, 256), size);
	return _IOC(_IOC_DIR(k->cmd), KSYNC_IOC_MAGIC, _IOC_NR(k->cmd), size);
}

/* None at all, the kernel's, across the end of the page, past it, read-only. */
static char *bad_pointer(struct fuzzer *f)
{
	char *const bad[] = {
		NULL, (char *)-64L, f->page + PAGE - 6, f->page + PAGE,
		f->constant
	};

	return bad[rnd(&f->random, ARRAY_SIZE(bad))];
}

/* At the end of the page, so that a byte too much is not accessible. */
static char *place(struct fuzzer *f, const struct command *k, unsigned int cmd)
{
	struct random *r = &f->random;
	struct choice choice = {
		.kind = &kinds[rnd(r, ARRAY_SIZE(kinds))],
		.pidfd = world.pidfds[rnd(r, 2)],
		.event = one_in(r, 4) ? world.fds[rnd(r, SLOTS)] :
					fd_of_type(r, KSYNC_TYPE_EVENT),
		.mutex = fd_of_type(r, KSYNC_TYPE_MUTEX),
		.array = f->page,
		.items = f->page + PAGE / 2,
		.cancel = one_in(r, 3),
	};
	unsigned int size = _IOC_SIZE(k->cmd) < _IOC_SIZE(cmd) ?
			    _IOC_SIZE(k->cmd) : _IOC_SIZE(cmd);
	char *arg = f->page + PAGE - (_IOC_SIZE(cmd) + 7) / 8 * 8;
	union uapi_args a;
	int i;

	fill(r, k, &choice, &a);
	memset(f->page, one_in(r, 50) ? 0xff : 0, PAGE);
	for (i = 0; one_in(r, 2) && i < 32; i++)
		((__u32 *)f->page)[i] = one_in(r, 8) ? boundary(r) : rnd(r, NR);
	fill_items(r, (__u32 *)(f->page + PAGE / 2));
	memcpy(arg, &a, size);
	return one_in(r, 60) ? bad_pointer(f) : arg;
}

#define LEFT	(ERRNOS - 1)	/* by a jump out of a signal handler */

static int call_interruptibly(int fd, unsigned int cmd, void *arg)
{
	int ret;

	if (sigsetjmp(way_out, 0)) {
		interruptible = false;
		return LEFT;
	}
	interruptible = true;
	ret = ioctl(fd, cmd, arg) < 0 ? errno : 0;
	interruptible = false;
	return ret;
}

static bool one_call(struct fuzzer *f)
{
	struct random *r = &f->random;
	const struct command *k = &commands[rnd(r, ARRAY_SIZE(commands))];
	unsigned int cmd = some_command(r, k);
	char *arg = place(f, k, cmd);
	int fd = some_fd(r, k), ret;
	__u32 index = 0;

	if (arg > f->page && arg <= f->page + PAGE - sizeof(index))
		memcpy(&index, arg, sizeof(index));
	/* Most of those who wait at a condition have the mutex. */
	if (cmd == KSYNC_IOC_COND_WAIT && arg != f->constant && !one_in(r, 4)) {
		struct ksync_cond_wait_args cond;

		memcpy(&cond, f->page + PAGE - sizeof(cond), sizeof(cond));
		me(at(cond.mutex_index,
		      mutex_lock(cond.mutex, some_deadline(r))));
	}
	ret = call_interruptibly(fd, cmd, arg);
	if (!ret && k->cmd == cmd && k->cmd == KSYNC_IOC_DEV_CREATE)
		adopt(r, ((struct ksync_create_args *)arg)->fd);
	if (!ret && k->cmd == cmd && k->cmd == KSYNC_IOC_DEV_OPEN)
		adopt(r, ((struct ksync_open_args *)arg)->fd);
	/* Most are careful: otherwise every lock would be lost soon. */
	if (ret == EOWNERDEAD && !one_in(r, 50)) {
		me(at(index, mutex_consistent(fd)));
		me(at(index, rwlock_consistent(fd)));
	}
	if (ret < ERRNOS)
		count(&tally->results[ret]);
	if (in_contract(ret) || ret == LEFT)
		return true;
	fprintf(stderr, "# %s: %s (%d) is not in the contract\n", k->name,
		strerror(ret), ret);
	return false;
}

static void *run_fuzzer(void *arg)
{
	struct fuzzer f = { .random = random_seed((unsigned long)arg) };
	struct random *r = &f.random;
	pthread_t thread;
	pid_t pid;

	f.page = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	f.constant = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	if (f.page == MAP_FAILED || f.constant == MAP_FAILED ||
	    mprotect(f.page, PAGE, PROT_READ | PROT_WRITE))
		_exit(0);	/* allocations may fail */
	for (;;) {
		if (!one_call(&f))
			_exit(1);
		if (one_in(r, 10))
			rearrange(&f);
		if (one_in(r, 800) &&
		    !pthread_create(&thread, NULL, run_fuzzer,
				    (void *)(unsigned long)r->state)) {
			pthread_detach(thread);
			count(&tally->threads);
		}
		if (one_in(r, 1000)) {
			pid = fork();
			if (!pid)
				r->state ^= (unsigned long)getpid() << 32;
			if (!pid)
				prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (pid > 0)
				count(&tally->forks);
		}
		if (one_in(r, 1200))
			return NULL;	/* and leave behind what is held */
		if (one_in(r, 2000))
			_exit(0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

/* One in ten of its allocations fails, where the kernel can do that. */
static void lose_memory(void)
{
	if (!failing_memory)
		return;
	write_long("/proc/self/make-it-fail", 1);
	count(&tally->failures);
}

static pid_t start_fuzzer(unsigned long seed)
{
	struct random r = random_seed(seed);
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* All that it makes goes with it. */
	setpgid(0, 0);
	make_world();
	set_alarms(&r);
	if (one_in(&r, 3))
		lose_memory();
	run_fuzzer((void *)seed);
	syscall(SYS_exit, 0);
	_exit(0);
}

static void end_fuzzer(pid_t pid)
{
	if (pid <= 0)
		return;
	setpgid(pid, pid);
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

/* Keeps PROCESSES of them going, kills some; false if one was not content. */
static bool supervise(unsigned long seed, __u64 end)
{
	struct random r = random_seed(seed);
	pid_t pids[PROCESSES] = { 0 };
	bool content = true;
	int i, wstatus;
	pid_t pid;

	while (content && now_ns() < end) {
		for (i = 0; i < PROCESSES; i++)
			if (pids[i] <= 0)
				pids[i] = start_fuzzer(++seed);
		usleep(1000 + rnd(&r, 40000));
		if (one_in(&r, 4)) {
			end_fuzzer(pids[rnd(&r, PROCESSES)]);
			tally->kills++;
		}
		while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
			for (i = 0; i < PROCESSES; i++) {
				if (pids[i] != pid)
					continue;
				end_fuzzer(pid);
				pids[i] = 0;
			}
			if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus))
				content = false;
		}
	}
	for (i = 0; i < PROCESSES; i++)
		end_fuzzer(pids[i]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return content;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

#define FAILSLAB	"/sys/kernel/debug/failslab/"

/* Of those who ask for it only. */
static void fail_allocations(bool on)
{
	failing_memory = on && !write_long(FAILSLAB "task-filter", 1) &&
			 !write_long(FAILSLAB "interval", 1) &&
			 !write_long(FAILSLAB "times", -1) &&
			 !write_long(FAILSLAB "probability", 10);
	if (!on)
		write_long(FAILSLAB "probability", 0);
}

TEST(knows_every_command)
{
	const struct command *k;
	const struct shape *s;

	FOR_EACH(k) {
		s = shape_of(k->cmd);
		EXPECT_NE(NULL, s) {
			TH_LOG("%s is not in uapi_fuzz.h", k->name);
			continue;
		}
		EXPECT_LE(_IOC_SIZE(k->cmd), shape_size(s))
			TH_LOG("%s: words of uapi_fuzz.h", k->name);
	}
}

FIXTURE(fuzz)
{
	__u32 before;
};

FIXTURE_SETUP(fuzz)
{
	int dev = device_open();

	ASSERT_LE(0, dev);
	tally = shared_page();
	ASSERT_NE(NULL, tally);
	self->before = device_info(dev).objects;
	ASSERT_EQ(0, make_originals(dev));
	fail_allocations(true);
}

FIXTURE_TEARDOWN(fuzz)
{
	int i;

	for (i = 1; i < (int)FIRST_OWN; i++)
		close(originals[i]);
	EXPECT_TRUE(UNTIL(device_info(originals[0]).objects == self->before));
	close(originals[0]);
}

static bool usable(int ret)
{
	return !ret || ret == -EOWNERDEAD || ret == -ENOTRECOVERABLE;
}

/* Nobody is left in the queue, and what was held is free. */
static bool is_free(int fd, __u32 type, __u32 index)
{
	struct ksync_primitive_status st;

	if (!queued_at(fd, index, 0, 0))
		return false;
	st = status_of(fd, index);
	switch (type) {
	case KSYNC_TYPE_MUTEX:
		return usable(me(at(index, mutex_lock(fd, soon()))));
	case KSYNC_TYPE_RWLOCK:
		return !st.readers &&
		       usable(me(at(index, rwlock_wrlock(fd, soon()))));
	case KSYNC_TYPE_SEM:
		return st.value == st.max;
	}
	return true;
}

static void show_tally(struct __test_metadata *_metadata)
{
	unsigned long calls = 0;
	int i;

	for (i = 0; i < ERRNOS; i++) {
		calls += tally->results[i];
		if (tally->results[i])
			TH_LOG("%8lu %s", tally->results[i],
			       i == LEFT ? "left by a signal handler" :
			       i ? strerror(i) : "accepted");
	}
	TH_LOG("%8lu calls, %lu kills, %lu forks, %lu threads, %lu processes with failing memory",
	       calls, tally->kills, tally->forks, tally->threads,
	       tally->failures);
	EXPECT_LT(1000, calls);
}

TEST_F_TIMEOUT(fuzz, everything, 4000)
{
	unsigned long seed = setting("KSYNC_FUZZ_SEED", now_ns() / 1000);
	unsigned long seconds = setting("KSYNC_FUZZ_SECONDS", 5);
	int kind, v, fd;
	__u32 i;

	TH_LOG("KSYNC_FUZZ_SEED=%lu", seed);
	/* The children of who is killed are waited for, too. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	EXPECT_TRUE(supervise(seed, now_ns() + seconds * NS_PER_S));
	fail_allocations(false);
	show_tally(_metadata);
	for (kind = 0; kind < (int)ARRAY_SIZE(kinds); kind++) {
		for (v = 0; v < VARIANTS; v++) {
			/* Somebody may have written nonsense into its words. */
			if (!is_guarded(v) &&
			    kinds[kind].type <= KSYNC_TYPE_SEM)
				continue;
			fd = *shared_slot(originals, kind, v);
			for (i = 0; i < NR; i++) {
				EXPECT_TRUE(is_free(fd, kinds[kind].type, i)) {
					TH_LOG("%s %u of variant %d",
					       kinds[kind].name, i, v);
				}
			}
		}
	}
}

UAPI_MAIN
