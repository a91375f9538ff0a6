// SPDX-License-Identifier: GPL-2.0-only
/* Groups, whose first failure cancels the rest, and single flight. */

#include "rendezvous.h"

#include <fcntl.h>

FIXTURE(group) {
	struct ksync_group *g;
	struct actor a, b;
};

FIXTURE_SETUP(group)
{
	REQUIRE_BACKEND();
	ASSERT_EQ(0, ksync_group_create(&self->g));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(group)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_group_close(self->g);
}

static long job_bind(void *g, uint64_t unused)
{
	return ksync_group_bind(g, 0);
}

static long job_done(void *g, uint64_t err)
{
	return ksync_group_done(g, -(int)err);
}

/* What a member waits with: for ever, unless the group fails. */
static long job_until_failure(void *g, uint64_t unused)
{
	return ksync_event_wait_until(ksync_group_token(g), PATIENTLY);
}

#define MEMBER(actor) do {						\
	ASSERT_EQ(0, ksync_group_add(self->g));				\
	ASSERT_EQ(0, actor_do(&self->actor, job_bind, self->g, 0));	\
} while (0)
#define DO(actor, job, arg) actor_do(&self->actor, job, self->g, arg)

TEST_F(group, all_is_well)
{
	MEMBER(a);
	/* Over before the next one begins: it is still the same round. */
	EXPECT_EQ(0, DO(a, job_done, 0));
	MEMBER(b);
	EXPECT_EQ(-ETIMEDOUT, ksync_group_wait(self->g, within(5)));
	EXPECT_EQ(-ETIMEDOUT, ksync_group_wait(self->g, within(120)));
	EXPECT_EQ(0, DO(b, job_done, 0));
	EXPECT_EQ(0, ksync_group_wait(self->g, NULL));
	EXPECT_EQ(0, ksync_group_wait(self->g, NULL));
	EXPECT_EQ(0, ksync_group_failure(self->g));
}

TEST_F(group, nobody)
{
	EXPECT_EQ(0, ksync_group_wait(self->g, NULL));
}

TEST_F(group, first_failure_cancels_the_rest)
{
	MEMBER(a);
	MEMBER(b);
	actor_start(&self->b, job_until_failure, self->g, 0);
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	EXPECT_EQ(0, ksync_group_failure(self->g));
	EXPECT_EQ(0, DO(a, job_done, ENOSPC));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(-ENOSPC, ksync_group_failure(self->g));
	/* The second is not the first. */
	EXPECT_EQ(0, DO(b, job_done, EIO));
	EXPECT_EQ(-ENOSPC, ksync_group_wait(self->g, NULL));
	EXPECT_EQ(-ENOSPC, ksync_group_failure(self->g));
}

TEST_F(group, token_cancels_waits)
{
	struct ksync_wait w = { .cancel = ksync_group_token(self->g) };
	struct ksync_waitgroup *wg;

	REQUIRE(KSYNC_G_CANCEL);
	ASSERT_EQ(0, ksync_waitgroup_create(&wg, NULL));
	ASSERT_EQ(0, ksync_waitgroup_add(wg, 1));
	MEMBER(b);
	EXPECT_EQ(0, DO(b, job_done, EIO));
	EXPECT_EQ(-ECANCELED, ksync_waitgroup_wait_until(wg, &w));
	ksync_waitgroup_close(wg);
}

/* The others are cancelled while the group still works. */
TEST_F(group, die_worker)
{
	MEMBER(a);
	MEMBER(b);
	actor_start(&self->b, job_until_failure, self->g, 0);
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	actor_kill(&self->a);
	EXPECT_EQ(-ETIMEDOUT, ksync_group_wait(self->g, within(1)));
	while (ksync_group_wait(self->g, within(100)) == -ETIMEDOUT &&
	       !ksync_group_failure(self->g))
		;
	EXPECT_EQ(-EOWNERDEAD, ksync_group_failure(self->g));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, DO(b, job_done, ECANCELED));
	EXPECT_EQ(-EOWNERDEAD, ksync_group_wait(self->g, NULL));
}

TEST_F(group, die_last)
{
	MEMBER(a);
	EXPECT_EQ(-ETIMEDOUT, ksync_group_wait(self->g, within(5)));
	actor_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, ksync_group_wait(self->g, PATIENTLY));
}

TEST_F(group, bound_by_its_parent)
{
	REQUIRE(KSYNC_G_BIND_OTHERS);
	ASSERT_EQ(0, ksync_group_add(self->g));
	ASSERT_EQ(0, ksync_group_bind(self->g, self->a.pid));
	actor_kill(&self->a);
	EXPECT_EQ(-EOWNERDEAD, ksync_group_wait(self->g, PATIENTLY));
}

TEST_F(group, import)
{
	int fds[KSYNC_GROUP_FDS], wrong[KSYNC_GROUP_FDS];
	struct ksync_group *other;

	ksync_group_fds(self->g, fds);
	ASSERT_EQ(0, ksync_group_import(&other, fds));
	ASSERT_EQ(0, ksync_group_add(self->g));
	ASSERT_EQ(0, ksync_group_bind(other, 0));
	EXPECT_EQ(0, ksync_group_done(other, -EXDEV));
	EXPECT_EQ(-EXDEV, ksync_group_wait(self->g, NULL));
	ksync_group_close(other);
	memcpy(wrong, fds, sizeof(fds));
	wrong[1] = fds[0];
	EXPECT_NE(0, ksync_group_import(&other, wrong));
	EXPECT_EQ(NULL, other);
}

TEST_F(group, bad_input)
{
	struct timespec far = { .tv_sec = 1 << 30, .tv_nsec = -1 };
	struct ksync_wait malformed = { .deadline = &far };
	int fds[KSYNC_GROUP_FDS], i;

	ASSERT_EQ(0, ksync_group_add(self->g));
	EXPECT_EQ(-EINVAL, ksync_group_wait(self->g, &malformed));
	ksync_group_fds(NULL, fds);
	for (i = 0; i < KSYNC_GROUP_FDS; i++)
		EXPECT_EQ(-EINVAL, fds[i]);
	errno = 4711;
	EXPECT_EQ(-ESRCH, ksync_group_bind(self->g, INT32_MAX));
	EXPECT_EQ(4711, errno);
	EXPECT_EQ(-EINVAL, ksync_group_create(NULL));
	EXPECT_EQ(-EINVAL, ksync_group_import(&self->g, NULL));
	EXPECT_EQ(-EINVAL, ksync_group_add(NULL));
	EXPECT_EQ(-EINVAL, ksync_group_bind(NULL, 0));
	EXPECT_EQ(-EINVAL, ksync_group_done(NULL, 0));
	EXPECT_EQ(-EINVAL, ksync_group_wait(NULL, NULL));
	EXPECT_EQ(-EINVAL, ksync_group_failure(NULL));
	EXPECT_EQ(NULL, ksync_group_token(NULL));
}

FIXTURE(flight) {
	struct ksync_once *key;
	struct actor a, b;
};

/* Of the shared counters. */
static uint64_t *flights, *let_go;

FIXTURE_SETUP(flight)
{
	REQUIRE_BACKEND();
	flights = shared_memory(sizeof(*flights));
	let_go = shared_memory(sizeof(*let_go));
	ASSERT_EQ(0, ksync_once_create(&self->key, NULL));
	ASSERT_EQ(0, actor_begin(&self->a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->b, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(flight)
{
	actor_end(&self->a);
	actor_end(&self->b);
	ksync_once_close(self->key);
}

/* Its result is its number; arg is what it returns. */
static int fly(void *arg, int died, uint64_t *result)
{
	*result = __atomic_add_fetch(flights, 1, __ATOMIC_SEQ_CST) +
		  (died ? RESULT_BASE : 0);
	while (!__atomic_load_n(let_go, __ATOMIC_SEQ_CST))
		sleep_ns(NSEC_PER_MSEC);
	return *(int *)arg;
}

static long job_fly(void *key, uint64_t err)
{
	int ret = -(int)err;
	uint64_t result = 0;

	ret = ksync_flight_run(key, fly, &ret, &result, NULL);
	return ret ? ret : (long)result;
}

#define LET_GO(n) __atomic_store_n(let_go, n, __ATOMIC_SEQ_CST)
#define FLIES(actor, err) actor_start(&self->actor, job_fly, self->key, err)

TEST_F(flight, many_share_one)
{
	FLIES(a, 0);
	ASSERT_TRUE(WAIT_FOR(once_status(self->key).held));
	FLIES(b, 0);
	ASSERT_TRUE(WAIT_FOR(once_status(self->key).waiters == 1));
	LET_GO(1);
	EXPECT_EQ(1, actor_result(&self->a));
	EXPECT_EQ(1, actor_result(&self->b));
	/* Over: who comes now makes it anew. */
	EXPECT_EQ(2, job_fly(self->key, 0));
	EXPECT_EQ(3, actor_do(&self->a, job_fly, self->key, 0));
}

TEST_F(flight, failure_is_not_shared)
{
	FLIES(a, EIO);
	ASSERT_TRUE(WAIT_FOR(once_status(self->key).held));
	FLIES(b, 0);
	ASSERT_TRUE(WAIT_FOR(once_status(self->key).waiters == 1));
	LET_GO(1);
	EXPECT_EQ(-EIO, actor_result(&self->a));
	EXPECT_EQ(2, actor_result(&self->b));
}

TEST_F(flight, die_running)
{
	FLIES(a, 0);
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(flights, __ATOMIC_SEQ_CST) == 1));
	FLIES(b, 0);
	ASSERT_TRUE(WAIT_FOR(once_status(self->key).waiters == 1));
	actor_kill(&self->a);
	LET_GO(1);
	EXPECT_EQ(RESULT_BASE + 2, actor_result(&self->b));
	EXPECT_EQ(3, job_fly(self->key, 0));
}

TEST_F(flight, deadline)
{
	uint64_t result = 0;
	int ret = 0;

	FLIES(a, 0);
	ASSERT_TRUE(WAIT_FOR(once_status(self->key).held));
	EXPECT_EQ(-ETIMEDOUT, ksync_flight_run(self->key, fly, &ret, &result,
					       within(5)));
	LET_GO(1);
	EXPECT_EQ(1, actor_result(&self->a));
	EXPECT_EQ(-EINVAL, ksync_flight_run(NULL, fly, &ret, &result, NULL));
	EXPECT_EQ(-EINVAL, ksync_flight_run(self->key, NULL, &ret, &result,
					    NULL));
}

TEST_HARNESS_MAIN
