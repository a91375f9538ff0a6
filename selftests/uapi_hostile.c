// SPDX-License-Identifier: GPL-2.0-only
/*
 * A peer that was given objects and does with them whatever it can: every
 * command with any argument, from threads that are killed, and random words
 * into whatever of them can be mapped, and into its lines. Those who share an object with it may
 * lose that object and nothing else: their waits end by their deadlines, kills
 * end them, and guarded objects keep what others hold. Objects that it was not
 * given work as if it were not there, and nothing of the kernel is seen.
 *
 * KSYNC_HOSTILE_SECONDS (default 1, for each test) and KSYNC_FUZZ_SEED say how
 * long and which.
 */
#include "uapi_scribble.h"

#define VANDALS		3
#define KINDS		ARRAY_SIZE(kinds)
#define BOUND_MS	50	/* of a victim's wait */

static struct shared {
	unsigned int in_section[NR];	/* victims that hold each mutex */
	unsigned int broken;		/* times that there were two */
	unsigned int rounds[2];		/* of each victim */
	unsigned int calls;
	__u64 first_object;		/* of all, by its id */
	bool over;
} *shared;

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

static __u64 campaign(void)
{
	return now_ns() + setting("KSYNC_HOSTILE_SECONDS", 1) * NS_PER_S;
}

/*
 * Into what can be mapped of @fd, and into the lines of its own threads: that
 * they are about to lock what they were given, or what they were not.
 */
static void scribble(struct random *r, int fd)
{
	switch (rnd(r, 3)) {
	case 0:
		scribble_cells(r, fd);
		break;
	case 1:
		scribble_slots(r, fd);
		break;
	default:
		scribble_lines(r, shared->first_object, 3 * KINDS);
	}
}

/* The commands of @on's kind, and some others. */
static void attack(struct random *r, const int *fds)
{
	const struct command *k = &commands[rnd(r, ARRAY_SIZE(commands))];
	int kind = rnd(r, KINDS);
	char array[PAGE] = "";
	struct choice choice = {
		.kind = &kinds[kind],
		.pidfd = -1,
		.event = fds[kind],
		.mutex = fds[0],
		.array = array,
		.items = array,
	};
	union uapi_args a;
	size_t i;

	if (k->on == DEVICE_FD)
		return;
	for (i = 0; i < KINDS; i++)
		if (kinds[i].type == (__u32)k->on)
			kind = i;
	fill(r, k, &choice, &a);
	ioctl(fds[kind], k->cmd, &a);
	__atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
	if (one_in(r, 16))
		scribble(r, fds[kind]);
}

static int vandal_fds[KINDS];

static void *vandalize(void *arg)
{
	struct random r = random_seed((unsigned long)arg);

	for (;;)
		attack(&r, vandal_fds);
	return NULL;
}

/*
 * Until @end, and until they have done something; each of its processes has two
 * threads, and is killed at times.
 */
static void run_vandals(struct random *r, const int *fds, __u64 end)
{
	unsigned int before = __atomic_load_n(&shared->calls, __ATOMIC_RELAXED);
	pid_t pids[VANDALS] = { 0 };
	pthread_t thread;
	int i;

	memcpy(vandal_fds, fds, sizeof(vandal_fds));
	while (now_ns() < end ||
	       __atomic_load_n(&shared->calls, __ATOMIC_RELAXED) == before) {
		i = rnd(r, VANDALS);
		if (pids[i] > 0) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
		fflush(NULL);
		r->state++;
		pids[i] = fork();
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pthread_create(&thread, NULL, vandalize,
				       (void *)(unsigned long)~r->state);
			vandalize((void *)(unsigned long)r->state);
		}
		usleep(rnd(r, 150000));
	}
	for (i = 0; i < VANDALS; i++) {
		if (pids[i] <= 0)
			continue;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

FIXTURE(hostile)
{
	int dev;
	int given[KINDS];	/* to the hostile peer, guarded */
	int open[KINDS];	/* likewise, and not guarded */
	int other[KINDS];	/* not given */
	struct random random;
};

FIXTURE_SETUP(hostile)
{
	unsigned long seed = setting("KSYNC_FUZZ_SEED", now_ns() / 1000);
	size_t i;

	shared = shared_page();
	ASSERT_NE(NULL, shared);
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	for (i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		__u32 tracked = k->flags & KSYNC_F_TRACKED;

		self->given[i] = create_kind(self->dev, k, tracked |
					     KSYNC_F_GUARDED, NR);
		self->open[i] = create_kind(self->dev, k, tracked, NR);
		self->other[i] = create_kind(self->dev, k, tracked, NR);
		ASSERT_LE(0, self->given[i]);
		ASSERT_LE(0, self->open[i]);
		ASSERT_LE(0, self->other[i]);
	}
	shared->first_object = info(self->given[0]).id;
	TH_LOG("KSYNC_FUZZ_SEED=%lu", seed);
	self->random = random_seed(seed);
}

FIXTURE_TEARDOWN(hostile)
{
	peers_end();
	TH_LOG("%u calls by the hostile peer", shared->calls);
	EXPECT_LT(0, shared->calls);
}

static int fd_of_type(const int *fds, __u32 type)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (kinds[i].type == type)
			return fds[i];
	return -1;
}

/* Work that no vandal has to do with: nothing may ever go wrong in it. */
static int victim_fds[KINDS];

/* When it is over they are killed one by one, and the last finds dead owners. */
static bool fine(struct call c)
{
	int ret = me(c);

	while (ret && __atomic_load_n(&shared->over, __ATOMIC_SEQ_CST))
		pause();
	return !ret;
}

static int work_in_peace(int who)
{
	int mutex = fd_of_type(victim_fds, KSYNC_TYPE_MUTEX);
	int rwlock = fd_of_type(victim_fds, KSYNC_TYPE_RWLOCK);
	int sem = fd_of_type(victim_fds, KSYNC_TYPE_SEM);
	int wg = fd_of_type(victim_fds, KSYNC_TYPE_WAITGROUP);
	int i;

	for (i = 0; ; i = (i + 1) % NR) {
		CHECK(fine(at(i, mutex_lock(mutex, soon()))));
		if (__atomic_add_fetch(&shared->in_section[i], 1,
				       __ATOMIC_SEQ_CST) != 1)
			shared->broken++;
		__atomic_sub_fetch(&shared->in_section[i], 1, __ATOMIC_SEQ_CST);
		CHECK(fine(at(i, mutex_unlock(mutex))));
		CHECK(fine(at(i, rwlock_rdlock(rwlock, soon()))));
		CHECK(fine(at(i, rwlock_unlock(rwlock))));
		CHECK(fine(at(i, rwlock_wrlock(rwlock, soon()))));
		CHECK(fine(at(i, rwlock_unlock(rwlock))));
		CHECK(fine(at(i, sem_acquire(sem, 4, soon()))));
		CHECK(fine(at(i, sem_release(sem, 4))));
		CHECK(fine(at(i, waitgroup_add(wg, 1))));
		CHECK(fine(at(i, waitgroup_add(wg, -1))));
		shared->rounds[who]++;
	}
}

static pid_t start_worker(int who)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(work_in_peace(who));
	}
	return pid;
}

TEST_F_TIMEOUT(hostile, others_do_not_notice, 600)
{
	pid_t pids[2];
	int i, wstatus;

	memcpy(victim_fds, self->other, sizeof(victim_fds));
	for (i = 0; i < 2; i++)
		pids[i] = start_worker(i);
	run_vandals(&self->random, self->given, campaign());
	__atomic_store_n(&shared->over, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		ASSERT_EQ(pids[i], waitpid(pids[i], &wstatus, 0));
		EXPECT_TRUE(WIFSIGNALED(wstatus));
		EXPECT_LT(0, shared->rounds[i]);
	}
	TH_LOG("%u and %u rounds of the others", shared->rounds[0],
	       shared->rounds[1]);
	EXPECT_EQ(0, shared->broken);
}

/* A wait on what the hostile peer has: how much later than its deadline? */
static int wait_beside_it(struct random *r, const int *fds, __u64 *late)
{
	__u64 deadline = in_ms(rnd(r, BOUND_MS)), now;
	int i = rnd(r, NR), ret;
	size_t kind = rnd(r, KINDS);

	switch (kinds[kind].type) {
	case KSYNC_TYPE_MUTEX:
		ret = me(at(i, mutex_lock(fds[kind], deadline)));
		me(at(i, mutex_unlock(fds[kind])));
		break;
	case KSYNC_TYPE_RWLOCK:
		ret = me(at(i, one_in(r, 2) ?
			    rwlock_wrlock(fds[kind], deadline) :
			    rwlock_rdlock(fds[kind], deadline)));
		me(at(i, rwlock_unlock(fds[kind])));
		break;
	case KSYNC_TYPE_SEM:
		ret = me(at(i, sem_acquire(fds[kind], 1, deadline)));
		me(at(i, sem_release(fds[kind], 1)));
		break;
	case KSYNC_TYPE_WAITGROUP:
		ret = me(at(i, waitgroup_wait(fds[kind], deadline)));
		break;
	default:
		return 0;
	}
	now = now_ns();
	*late = now > deadline ? now - deadline : 0;
	return ret;
}

static int wait_beside_the_hostile(struct random *r, const int *fds)
{
	__u64 end = campaign(), late, worst = 0;
	unsigned int waits = 0;
	int ret;

	while (now_ns() < end) {
		ret = wait_beside_it(r, fds, &late);
		if (late > worst)
			worst = late;
		CHECK(ret != -EINTR && ret != -EFAULT && ret != -ENOTTY &&
		      ret != -EBADF);
		CHECK(late < PATIENCE);
		waits++;
	}
	fprintf(stderr, "# %u waits, the last came %llu us after its deadline\n",
		waits, worst / 1000);
	return 0;
}

static void share_with_it(struct __test_metadata *_metadata,
			  FIXTURE_DATA(hostile) * self, const int *fds)
{
	int wstatus;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(wait_beside_the_hostile(&self->random, fds));
	}
	run_vandals(&self->random, fds, campaign());
	ASSERT_EQ(pid, waitpid(pid, &wstatus, 0));
	EXPECT_EQ(0, wstatus);
}

TEST_F_TIMEOUT(hostile, waits_end_by_their_deadlines, 600)
{
	share_with_it(_metadata, self, self->given);
}

TEST_F_TIMEOUT(hostile, waits_end_by_their_deadlines_also_where_it_can_write, 600)
{
	share_with_it(_metadata, self, self->open);
}

static void *wait_for_ever(void *arg)
{
	struct call *c = arg;

	for (;;)
		me(*c);
	return NULL;
}

/* Threads that wait for ever for each kind of thing. */
static int wait_for_all(struct call *unused)
{
	const int mutex = fd_of_type(victim_fds, KSYNC_TYPE_MUTEX);
	const int rwlock = fd_of_type(victim_fds, KSYNC_TYPE_RWLOCK);
	const int sem = fd_of_type(victim_fds, KSYNC_TYPE_SEM);
	const int wg = fd_of_type(victim_fds, KSYNC_TYPE_WAITGROUP);
	static struct call calls[NR * 4];
	pthread_t thread;
	int i, n = 0;

	for (i = 0; i < NR; i++) {
		calls[n++] = at(i, mutex_lock(mutex, NEVER));
		calls[n++] = at(i, rwlock_wrlock(rwlock, NEVER));
		calls[n++] = at(i, sem_acquire(sem, 7, NEVER));
		calls[n++] = at(i, waitgroup_wait(wg, NEVER));
	}
	for (i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, wait_for_ever, &calls[i]))
			return -EAGAIN;
	return 0;
}

TEST_F_TIMEOUT(hostile, no_wait_is_unkillable, 600)
{
	int (*const sets[])[KINDS] = { &self->given, &self->open };
	__u64 begin, end;
	struct peer p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		memcpy(victim_fds, sets[i], sizeof(victim_fds));
		end = campaign();
		while (now_ns() < end) {
			ASSERT_EQ(0, peer_fork(&p));
			ASSERT_EQ(0, ask_fn(&p, wait_for_all));
			run_vandals(&self->random, *sets[i],
				    in_ms(200 + rnd(&self->random, 200)));
			begin = now_ns();
			peer_kill(&p);
			EXPECT_GT(PATIENCE, now_ns() - begin);
		}
	}
}

/* What is held in a guarded object stays so, whatever a peer does. */
TEST_F_TIMEOUT(hostile, guarded_holds_are_kept, 600)
{
	int mutex = fd_of_type(self->given, KSYNC_TYPE_MUTEX);
	int rwlock = fd_of_type(self->given, KSYNC_TYPE_RWLOCK);
	int sem = fd_of_type(self->given, KSYNC_TYPE_SEM);
	int i;

	for (i = 0; i < NR; i++) {
		ASSERT_EQ(0, me(at(i, mutex_trylock(mutex))));
		ASSERT_EQ(0, me(at(i, i & 1 ? rwlock_trywrlock(rwlock) :
				   rwlock_tryrdlock(rwlock))));
		ASSERT_EQ(0, me(at(i, sem_tryacquire(sem, 3))));
	}
	run_vandals(&self->random, self->given, campaign());
	for (i = 0; i < NR; i++) {
		EXPECT_EQ(getpid(), status_of(mutex, i).holder_pid);
		EXPECT_EQ(1, status_of(mutex, i).token);
		EXPECT_EQ(0, status_of(mutex, i).flags);
		EXPECT_EQ(i & 1 ? getpid() : 0,
			  status_of(rwlock, i).holder_pid);
		EXPECT_EQ(0, status_of(rwlock, i).flags);
		EXPECT_EQ(0, me(at(i, mutex_unlock(mutex))));
		EXPECT_EQ(0, me(at(i, rwlock_unlock(rwlock))));
		EXPECT_EQ(0, me(at(i, sem_release(sem, 3))));
		EXPECT_EQ(-EPERM, me(at(i, sem_release(sem, 1))));
		EXPECT_EQ(status_of(sem, i).max, status_of(sem, i).value);
	}
}

/* Kernel addresses have the upper 17 bits set; all ones is a number. */
static bool is_kernel_address(__u64 word)
{
	return word >> 47 == 0x1ffff && ~word;
}

/* What can be mapped holds the cells, in use, slots, and zeros. */
TEST_F_TIMEOUT(hostile, nothing_of_the_kernel_is_seen, 600)
{
	unsigned int seen = 0;
	size_t i, w, size;
	bool slots;
	__u64 *p;

	run_vandals(&self->random, self->given, in_ms(200));
	for (i = 0; i < KINDS; i++) {
		int fd = self->other[i];

		me(mutex_lock(fd, LONG_AGO));
		me(rwlock_rdlock(fd, soon()));
		slots = !me(basic_call(fd, KSYNC_IOC_RWLOCK_SLOT));
		size = PAGE;
		if (slots)
			size += KSYNC_SLOTS * sizeof(struct ksync_slot);
		p = map_object(fd, NR, slots);
		if (p == MAP_FAILED)
			continue;
		for (w = 0; w < size / sizeof(*p); w++)
			seen += is_kernel_address(p[w]);
		for (w = NR * 8; w < size / sizeof(*p); w++)
			EXPECT_EQ(0, p[w]) TH_LOG("%s, %zu", kinds[i].name, w);
		munmap(p, size);
	}
	EXPECT_EQ(0, seen);
}

UAPI_MAIN
