// SPDX-License-Identifier: GPL-2.0-only
/* Wait groups: what they do while everybody lives, and misuse. */

#include "actor.h"

#include <sys/wait.h>

FIXTURE(waitgroup) {
	struct ksync_waitgroup *wg;
	struct actor a, b;
};

FIXTURE_VARIANT(waitgroup) {
	enum actor_kind kind;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(waitgroup, process) { .kind = ACTOR_PROCESS };
FIXTURE_VARIANT_ADD(waitgroup, thread) { .kind = ACTOR_THREAD };
FIXTURE_VARIANT_ADD(waitgroup, guarded) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_GUARDED,
};

FIXTURE_SETUP(waitgroup)
{
	struct ksync_options o = { .flags = variant->flags };

	REQUIRE_BACKEND();
	REQUIRE_FLAGS(variant->flags);
	ASSERT_EQ(0, ksync_waitgroup_create(&self->wg, &o));
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->b, variant->kind));
}

FIXTURE_TEARDOWN(waitgroup)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_waitgroup_close(self->wg);
}

#define DO(actor, job, arg) actor_do(&self->actor, job, self->wg, arg)
#define START(actor, job) actor_start(&self->actor, job, self->wg, 0)
#define STATUS wg_status(self->wg)

TEST_F(waitgroup, nobody_to_wait_for)
{
	EXPECT_EQ(0, ksync_waitgroup_wait(self->wg));
	EXPECT_EQ(0, ksync_waitgroup_wait_until(self->wg, PATIENTLY));
	EXPECT_EQ(0, ksync_waitgroup_lost(self->wg));
	EXPECT_EQ(0, STATUS.value);
}

/* A handler that goes on for as long as it is told to. */
static struct stay {
	uint32_t here, go;
} *stay;

static void stay_in_handler(int sig)
{
	__atomic_store_n(&stay->here, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stay->go, __ATOMIC_SEQ_CST))
		sleep_ms(1);
}

static long handle_by_staying(void *obj, uint64_t unused)
{
	signal(SIGUSR1, stay_in_handler);
	return 0;
}

/* Comes back from a signal when the round is over: and that was that. */
TEST_F(waitgroup, round_ends_during_a_handler)
{
	if (variant->kind != ACTOR_PROCESS)
		SKIP(return, "signals to a thread of one's own");
	stay = shared_memory(sizeof(*stay));
	actor_end(&self->a);
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, DO(a, handle_by_staying, 0));
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	START(a, job_wg_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	kill(self->a.pid, SIGUSR1);
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&stay->here, __ATOMIC_SEQ_CST)));
	EXPECT_EQ(0, ksync_waitgroup_done(self->wg));
	__atomic_store_n(&stay->go, 1, __ATOMIC_SEQ_CST);
	EXPECT_EQ(0, actor_result(&self->a));

	/* The next round is another one. */
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	START(a, job_wg_wait);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, ksync_waitgroup_done(self->wg));
	EXPECT_EQ(0, actor_result(&self->a));
}

/* One member more, tied to a child that lives until it is killed. */
static pid_t add_child(struct ksync_waitgroup *wg)
{
	pid_t child = fork_child();
	int fd;

	while (!child)
		pause();
	fd = syscall(SYS_pidfd_open, child, 0);
	if (ksync_waitgroup_add(wg, 1) || ksync_waitgroup_bind(wg, fd))
		return -1;
	close(fd);
	return child;
}

/* A wait that is in a handler, until it is told to go. */
#define START_AND_STAY(actor) do {					\
	stay->here = stay->go = 0;					\
	START(actor, job_wg_wait);					\
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));		\
	kill(self->actor.pid, SIGUSR1);					\
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&stay->here,		\
					     __ATOMIC_SEQ_CST)));	\
} while (0)

/* What its round has lost is told to who comes back late, of that round alone. */
TEST_F(waitgroup, next_round_begins_during_a_handler)
{
	pid_t child;

	if (variant->kind != ACTOR_PROCESS)
		SKIP(return, "signals to a thread of one's own");
	REQUIRE(KSYNC_G_BIND_OTHERS);
	stay = shared_memory(sizeof(*stay));
	actor_end(&self->a);
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, DO(a, handle_by_staying, 0));

	child = add_child(self->wg);
	ASSERT_LT(0, child);
	START_AND_STAY(a);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ASSERT_EQ(0, STATUS.value);
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	__atomic_store_n(&stay->go, 1, __ATOMIC_SEQ_CST);
	EXPECT_EQ(-EOWNERDEAD, actor_result(&self->a));

	/* The one that goes on has lost nobody, nor has the next. */
	START_AND_STAY(a);
	ASSERT_EQ(0, ksync_waitgroup_done(self->wg));
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	__atomic_store_n(&stay->go, 1, __ATOMIC_SEQ_CST);
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, ksync_waitgroup_done(self->wg));
}

TEST_F(waitgroup, waits_for_the_last)
{
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 3));
	EXPECT_EQ(3, STATUS.value);
	START(a, job_wg_wait);
	START(b, job_wg_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 2));
	EXPECT_EQ(0, ksync_waitgroup_done(self->wg));
	EXPECT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	EXPECT_EQ(0, ksync_waitgroup_add(self->wg, -2));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, ksync_waitgroup_done(self->wg));
	/* Every waiter, not only one. */
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, STATUS.value);
	EXPECT_EQ(0, STATUS.flags);
	EXPECT_EQ(0, DO(a, job_wg_lost, 0));
}

/* Members are counted, not owned: anybody may say done. */
TEST_F(waitgroup, done_by_another)
{
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 2));
	EXPECT_EQ(0, DO(a, job_wg_done, 0));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_EQ(0, DO(b, job_wg_add, -1));
	EXPECT_EQ(0, ksync_waitgroup_wait_until(self->wg, PATIENTLY));
}

TEST_F(waitgroup, wg_negative)
{
	EXPECT_EQ(-ERANGE, ksync_waitgroup_done(self->wg));
	EXPECT_EQ(-ERANGE, ksync_waitgroup_add(self->wg, -1));
	EXPECT_EQ(-ERANGE, ksync_waitgroup_add(self->wg, INT32_MIN));
	EXPECT_EQ(0, STATUS.value);
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 2));
	EXPECT_EQ(-ERANGE, ksync_waitgroup_add(self->wg, -3));
	EXPECT_EQ(-ERANGE, ksync_waitgroup_add(self->wg, INT32_MIN));
	EXPECT_EQ(2, STATUS.value);
	/* The round goes on: nobody was let go by mistake. */
	START(a, job_wg_wait);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	EXPECT_EQ(-ERANGE, ksync_waitgroup_add(self->wg, -3));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, ksync_waitgroup_add(self->wg, -2));
	EXPECT_EQ(0, actor_result(&self->a));
}

TEST_F(waitgroup, too_many_members)
{
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, INT32_MAX));
	EXPECT_EQ(INT32_MAX, STATUS.value);
	EXPECT_EQ(-EOVERFLOW, ksync_waitgroup_add(self->wg, 1));
	EXPECT_EQ(-EOVERFLOW, ksync_waitgroup_add(self->wg, INT32_MAX));
	EXPECT_EQ(INT32_MAX, STATUS.value);
	EXPECT_EQ(0, ksync_waitgroup_add(self->wg, -INT32_MAX));
	EXPECT_EQ(0, STATUS.value);
	EXPECT_EQ(0, ksync_waitgroup_wait_until(self->wg, PATIENTLY));
}

/*
 * The next round begins before the last one's waiters have run: they return all
 * the same. An implementation that looks at the count only, sleeps on.
 */
TEST_F(waitgroup, wg_reuse)
{
	uint64_t round = STATUS.token;
	int i;

	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	for_each_round(i, 200) {
		START(a, job_wg_wait);
		START(b, job_wg_wait);
		ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 2));
		ASSERT_EQ(0, ksync_waitgroup_done(self->wg));
		ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
		ASSERT_EQ(0, actor_result(&self->a));
		ASSERT_EQ(0, actor_result(&self->b));
		ASSERT_EQ(++round, STATUS.token);
	}
	EXPECT_EQ(1, STATUS.value);
}

/* Who begins to wait after the add belongs to the next round. */
TEST_F(waitgroup, wg_add_late)
{
	int i;

	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	for_each_round(i, 100) {
		START(a, job_wg_wait);
		ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
		/* More members while it waits: the same round. */
		ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
		ASSERT_EQ(0, ksync_waitgroup_done(self->wg));
		ASSERT_TRUE(actor_busy(&self->a, i ? 0 : WATCH_MS));

		ASSERT_EQ(0, ksync_waitgroup_done(self->wg));
		ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
		START(b, job_wg_wait);
		ASSERT_EQ(0, actor_result(&self->a));
		ASSERT_TRUE(actor_busy(&self->b, i ? 0 : WATCH_MS));
		ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
		ASSERT_EQ(0, ksync_waitgroup_done(self->wg));
		ASSERT_EQ(0, actor_result(&self->b));
		ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	}
}

TEST_F(waitgroup, deadline)
{
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	EXPECT_EQ(-ETIMEDOUT, ksync_waitgroup_wait_until(self->wg, within(20)));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_EQ(0, STATUS.waiters_shared);
	EXPECT_EQ(0, ksync_waitgroup_lost(self->wg));
	EXPECT_EQ(0, ksync_waitgroup_done(self->wg));
	EXPECT_EQ(0, ksync_waitgroup_wait(self->wg));
}

static long work(void *obj, uint64_t rounds)
{
	struct ksync_waitgroup *wg = obj;
	int err;

	while (rounds--) {
		err = ksync_waitgroup_add(wg, 3);
		if (!err)
			err = ksync_waitgroup_add(wg, -2);
		if (!err)
			err = ksync_waitgroup_done(wg);
		if (err)
			return err;
	}
	return 0;
}

/* Counting by several at once loses nothing, and waiters come and go. */
TEST_F(waitgroup, concurrent_counting)
{
	unsigned int rounds = machine_is_slow() ? 2000 : 20000;

	actor_start(&self->a, work, self->wg, rounds);
	actor_start(&self->b, work, self->wg, rounds);
	while (actor_busy(&self->a, 0))
		ASSERT_EQ(0, ksync_waitgroup_wait_until(self->wg, PATIENTLY));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, STATUS.value);
	EXPECT_EQ(0, ksync_waitgroup_wait_until(self->wg, PATIENTLY));
}

/* A handle copied by fork counts on the same group. */
TEST_F(waitgroup, copied_handle)
{
	EXPECT_EQ(0, DO(a, job_wg_add, 2));
	EXPECT_EQ(2, STATUS.value);
	EXPECT_EQ(-ERANGE, DO(b, job_wg_add, -3));
	EXPECT_EQ(0, DO(b, job_wg_add, -2));
	EXPECT_EQ(0, STATUS.value);
}

TEST_F(waitgroup, several_in_one_object)
{
	struct ksync_options o = { .flags = variant->flags, .nr = 5 };
	struct ksync_waitgroup *wg;

	ASSERT_EQ(0, ksync_waitgroup_create(&wg, &o));
	EXPECT_EQ(NULL, ksync_waitgroup_at(wg, 5));
	EXPECT_EQ(0, ksync_waitgroup_add(ksync_waitgroup_at(wg, 4), 7));
	EXPECT_EQ(0, wg_status(wg).value);
	EXPECT_EQ(0, ksync_waitgroup_wait(ksync_waitgroup_at(wg, 3)));
	EXPECT_EQ(7, wg_status(ksync_waitgroup_at(wg, 4)).value);
	ksync_waitgroup_close(wg);
}

static int pidfd_of(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

TEST_F(waitgroup, bind_rejects)
{
	pid_t child;
	int self_fd = pidfd_of(getpid()), pipe_fds[2], gone;

	REQUIRE(KSYNC_G_BIND_SELF);
	ASSERT_LE(0, self_fd);
	ASSERT_EQ(0, pipe(pipe_fds));

	/* No member to tie. */
	EXPECT_EQ(-ERANGE, ksync_waitgroup_bind(self->wg, self_fd));
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	EXPECT_EQ(-EBADF, ksync_waitgroup_bind(self->wg, -1));
	EXPECT_EQ(-EBADF, ksync_waitgroup_bind(self->wg, pipe_fds[0]));

	child = fork_child();
	if (!child)
		idle_thread(NULL);
	gone = pidfd_of(child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_EQ(-ESRCH, ksync_waitgroup_bind(self->wg, gone));

	EXPECT_EQ(0, ksync_waitgroup_bind(self->wg, self_fd));
	/* The only member is tied already. */
	EXPECT_EQ(-ERANGE, ksync_waitgroup_bind(self->wg, self_fd));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_EQ(0, ksync_waitgroup_done(self->wg));
	EXPECT_EQ(0, ksync_waitgroup_wait(self->wg));
	EXPECT_EQ(0, ksync_waitgroup_lost(self->wg));
	close(gone);
	close(self_fd);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* One member after the other, each tied to its process. */
static long come_and_go(void *obj, uint64_t until)
{
	int fd = pidfd_of(getpid()), err = fd < 0 ? -errno : 0;

	while (!err && now_ns() < until) {
		err = ksync_waitgroup_add(obj, 1);
		if (!err)
			err = ksync_waitgroup_bind(obj, fd);
		if (!err)
			err = ksync_waitgroup_done(obj);
	}
	close(fd);
	return err;
}

/* Who has added a member can tie it, whatever others do with theirs. */
TEST_F(waitgroup, each_ties_its_own)
{
	uint64_t until = now_ns() + NSEC_PER_SEC / 4;
	struct actor actors[3];
	int i;

	REQUIRE(KSYNC_G_BIND_SELF);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, actor_begin(&actors[i], ACTOR_PROCESS));
	for (i = 0; i < 3; i++)
		actor_start(&actors[i], come_and_go, self->wg, until);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, actor_result(&actors[i]));
	EXPECT_EQ(0, STATUS.value);
	EXPECT_EQ(0, STATUS.deaths);
	for (i = 0; i < 3; i++)
		actor_end(&actors[i]);
}

/* What a backend cannot watch it must refuse, not accept and forget. */
TEST_F(waitgroup, bind_another_or_say_no)
{
	bool others = ksync_guarantees() & KSYNC_G_BIND_OTHERS;
	int fd;

	if (variant->kind == ACTOR_THREAD)
		SKIP(return, "the other one has to be a process");
	ASSERT_EQ(0, ksync_waitgroup_add(self->wg, 1));
	fd = pidfd_of(self->a.pid);
	ASSERT_LE(0, fd);
	EXPECT_EQ(others ? 0 : -EOPNOTSUPP, ksync_waitgroup_bind(self->wg, fd));
	EXPECT_EQ(1, STATUS.value);
	EXPECT_EQ(0, DO(a, job_wg_done, 0));
	EXPECT_EQ(0, ksync_waitgroup_wait_until(self->wg, PATIENTLY));
	close(fd);
}

TEST_HARNESS_MAIN
