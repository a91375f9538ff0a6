// SPDX-License-Identifier: GPL-2.0-only
/* Reader-writer locks: what they do while everybody lives, and misuse. */

#include "actor.h"

FIXTURE(rwlock) {
	struct ksync_rwlock *rw;
	struct actor a, b, c;
};

FIXTURE_VARIANT(rwlock) {
	enum actor_kind kind;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(rwlock, process) { .kind = ACTOR_PROCESS };
FIXTURE_VARIANT_ADD(rwlock, thread) { .kind = ACTOR_THREAD };
FIXTURE_VARIANT_ADD(rwlock, guarded) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_GUARDED,
};

FIXTURE_SETUP(rwlock)
{
	struct ksync_options o = { .flags = variant->flags };

	REQUIRE_BACKEND();
	REQUIRE_FLAGS(variant->flags);
	ASSERT_EQ(0, ksync_rwlock_create(&self->rw, &o));
	ASSERT_EQ(0, actor_begin(&self->a, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->b, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->c, variant->kind));
}

FIXTURE_TEARDOWN(rwlock)
{
	actor_end(&self->a);
	actor_end(&self->b);
	actor_end(&self->c);
	ksync_rwlock_close(self->rw);
}

#define DO(actor, job) actor_do(&self->actor, job_##job, self->rw, 0)
#define START(actor, job) actor_start(&self->actor, job_##job, self->rw, 0)
#define STATUS rwlock_status(self->rw)

TEST_F(rwlock, readers_share)
{
	struct ksync_status st;

	EXPECT_EQ(0, DO(a, rdlock));
	EXPECT_EQ(0, DO(b, rdlock));
	EXPECT_EQ(0, ksync_rwlock_tryrdlock(self->rw));
	EXPECT_EQ(-EBUSY, DO(c, trywrlock));
	st = STATUS;
	EXPECT_EQ(3, st.readers);
	EXPECT_EQ(0, st.held);
	EXPECT_EQ(0, st.token);
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, DO(b, rwlock_unlock));
	EXPECT_EQ(-EBUSY, DO(c, trywrlock));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(0, DO(c, trywrlock));
}

TEST_F(rwlock, writer_excludes)
{
	uint64_t token;
	struct ksync_status st;

	ASSERT_EQ(0, ksync_rwlock_wrlock(self->rw));
	token = ksync_rwlock_token(self->rw);
	EXPECT_NE(0, token);
	st = STATUS;
	EXPECT_EQ(1, st.held);
	EXPECT_EQ(getpid(), st.holder_pid);
	EXPECT_EQ(gettid(), st.holder_tid);
	EXPECT_EQ(0, st.readers);
	EXPECT_EQ(-EBUSY, DO(a, tryrdlock));
	EXPECT_EQ(-EBUSY, DO(a, trywrlock));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, DO(a, wrlock));
	EXPECT_LT(token, ksync_rwlock_token(self->rw));
	EXPECT_EQ(-EBUSY, ksync_rwlock_tryrdlock(self->rw));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	/* Readers get no tokens. */
	token = ksync_rwlock_token(self->rw);
	EXPECT_EQ(0, DO(b, rdlock));
	EXPECT_EQ(token, ksync_rwlock_token(self->rw));
}

TEST_F(rwlock, unlock_unlocked)
{
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	ASSERT_EQ(0, ksync_rwlock_wrlock(self->rw));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(0, ksync_rwlock_trywrlock(self->rw));
	EXPECT_EQ(-EBUSY, DO(a, tryrdlock));
}

TEST_F(rwlock, unlock_foreign)
{
	ASSERT_EQ(0, DO(a, rdlock));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, DO(b, rwlock_unlock));
	EXPECT_EQ(-EBUSY, ksync_rwlock_trywrlock(self->rw));
	EXPECT_EQ(0, DO(a, rwlock_unlock));

	ASSERT_EQ(0, DO(a, wrlock));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, DO(b, rwlock_unlock));
	EXPECT_EQ(-EPERM, DO(b, downgrade));
	EXPECT_EQ(-EBUSY, ksync_rwlock_tryrdlock(self->rw));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
}

/* A waiting writer must not lock out who already reads. */
TEST_F(rwlock, read_recursive)
{
	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	START(a, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));

	EXPECT_EQ(0, ksync_rwlock_rdlock_until(self->rw, PATIENTLY));
	EXPECT_EQ(0, ksync_rwlock_tryrdlock(self->rw));
	EXPECT_EQ(3, STATUS.readers);
	/* A newcomer it does keep out. */
	EXPECT_EQ(-EBUSY, DO(b, tryrdlock));

	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
}

TEST_F(rwlock, lock_twice)
{
	ASSERT_EQ(0, ksync_rwlock_wrlock(self->rw));
	EXPECT_EQ(-EDEADLK, ksync_rwlock_wrlock(self->rw));
	EXPECT_EQ(-EDEADLK, ksync_rwlock_wrlock_until(self->rw, PATIENTLY));
	EXPECT_EQ(-EDEADLK, ksync_rwlock_rdlock(self->rw));
	EXPECT_EQ(-EDEADLK, ksync_rwlock_rdlock_until(self->rw, PATIENTLY));
	EXPECT_EQ(-EBUSY, ksync_rwlock_trywrlock(self->rw));
	EXPECT_EQ(-EBUSY, ksync_rwlock_tryrdlock(self->rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, DO(a, trywrlock));
}

/* Asking to write while reading would wait for oneself. */
TEST_F(rwlock, upgrade)
{
	uint64_t token = ksync_rwlock_token(self->rw);

	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	EXPECT_EQ(-EDEADLK, ksync_rwlock_wrlock(self->rw));
	EXPECT_EQ(-EDEADLK, ksync_rwlock_wrlock_until(self->rw, PATIENTLY));
	EXPECT_EQ(-EBUSY, ksync_rwlock_trywrlock(self->rw));
	EXPECT_EQ(1, STATUS.readers);

	/* More than one hold, the caller's own or another's: not now. */
	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	EXPECT_EQ(-EBUSY, ksync_rwlock_upgrade(self->rw));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));
	ASSERT_EQ(0, DO(a, rdlock));
	EXPECT_EQ(-EBUSY, ksync_rwlock_upgrade(self->rw));
	ASSERT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(1, STATUS.readers);

	EXPECT_EQ(0, ksync_rwlock_upgrade(self->rw));
	EXPECT_LT(token, ksync_rwlock_token(self->rw));
	EXPECT_EQ(1, STATUS.held);
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(-EBUSY, DO(a, tryrdlock));
	EXPECT_EQ(-EPERM, ksync_rwlock_upgrade(self->rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_upgrade(self->rw));
	EXPECT_EQ(0, DO(a, trywrlock));
	EXPECT_EQ(-EPERM, ksync_rwlock_upgrade(self->rw));
}

TEST_F(rwlock, upgrade_ahead_of_a_waiting_writer)
{
	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	START(a, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	EXPECT_EQ(0, ksync_rwlock_upgrade(self->rw));
	EXPECT_TRUE(actor_busy(&self->a, WATCH_MS));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, actor_result(&self->a));
}

struct upgraders {
	struct ksync_rwlock *rw;
	volatile int writing;
	volatile uint64_t writes;
};

static long upgrade_often(void *obj, uint64_t until)
{
	struct upgraders *u = obj;
	long upgraded = 0;
	int err;

	while (now_ns() < until) {
		err = ksync_rwlock_rdlock_until(u->rw, PATIENTLY);
		if (err)
			return err;
		if (u->writing)
			return -EBADMSG;
		/* Let the other one in as well. */
		sched_yield();
		err = ksync_rwlock_upgrade(u->rw);
		if (!err) {
			if (u->writing++)
				return -EBADMSG;
			u->writes++;
			upgraded++;
			u->writing--;
		} else if (err != -EBUSY) {
			return err;
		}
		err = ksync_rwlock_unlock(u->rw);
		if (err)
			return err;
	}
	return upgraded;
}

TEST_F(rwlock, two_upgraders)
{
	struct upgraders *u = shared_memory(sizeof(*u));
	uint64_t until;
	long by_a, by_b;

	u->rw = self->rw;
	/* Both read: neither gets it, neither hangs. */
	ASSERT_EQ(0, DO(a, rdlock));
	ASSERT_EQ(0, DO(b, rdlock));
	START(a, upgrade);
	START(b, upgrade);
	EXPECT_EQ(-EBUSY, actor_result(&self->a));
	EXPECT_EQ(-EBUSY, actor_result(&self->b));
	ASSERT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, DO(b, upgrade));
	ASSERT_EQ(0, DO(b, rwlock_unlock));

	until = now_ns() + NSEC_PER_SEC / 4;
	actor_start(&self->a, upgrade_often, u, until);
	actor_start(&self->b, upgrade_often, u, until);
	by_a = actor_result(&self->a);
	by_b = actor_result(&self->b);
	EXPECT_LE(0, by_a);
	EXPECT_LE(0, by_b);
	EXPECT_EQ(by_a + by_b, u->writes);
	EXPECT_EQ(u->writes + 1, ksync_rwlock_token(self->rw));
}

TEST_F(rwlock, downgrade)
{
	uint64_t token;

	EXPECT_EQ(-EPERM, ksync_rwlock_downgrade(self->rw));
	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_downgrade(self->rw));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));

	ASSERT_EQ(0, ksync_rwlock_wrlock(self->rw));
	token = ksync_rwlock_token(self->rw);
	START(a, rdlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	START(b, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	EXPECT_EQ(0, ksync_rwlock_downgrade(self->rw));
	/* The reader comes in, the writer does not. */
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	EXPECT_EQ(token, ksync_rwlock_token(self->rw));
	EXPECT_EQ(2, STATUS.readers);
	EXPECT_EQ(-EPERM, ksync_rwlock_downgrade(self->rw));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, actor_result(&self->b));
}

/* The hold that is left after a downgrade is one like any other. */
TEST_F(rwlock, downgrade_and_upgrade)
{
	ASSERT_EQ(0, ksync_rwlock_wrlock(self->rw));
	EXPECT_EQ(0, ksync_rwlock_downgrade(self->rw));
	EXPECT_EQ(0, ksync_rwlock_rdlock(self->rw));
	EXPECT_EQ(2, STATUS.readers);
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, ksync_rwlock_upgrade(self->rw));
	EXPECT_EQ(-EBUSY, DO(a, tryrdlock));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, DO(a, trywrlock));
}

TEST_F(rwlock, waiting_writer_keeps_newcomers_out)
{
	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	START(a, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	START(b, rdlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	EXPECT_EQ(-EBUSY, DO(c, tryrdlock));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_TRUE(actor_busy(&self->b, WATCH_MS));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, actor_result(&self->b));
}

/* A finishing writer lets in every reader that waited, not only the first. */
TEST_F(rwlock, finishing_writer_admits_all_readers)
{
	ASSERT_EQ(0, ksync_rwlock_wrlock(self->rw));
	START(a, rdlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 1));
	START(c, wrlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters == 1));
	START(b, rdlock);
	ASSERT_TRUE(WAIT_FOR(STATUS.waiters_shared == 2));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(2, STATUS.readers);
	EXPECT_TRUE(actor_busy(&self->c, WATCH_MS));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, DO(b, rwlock_unlock));
	EXPECT_EQ(0, actor_result(&self->c));
}

/* A writer that gives up waiting must not leave the newcomers outside. */
TEST_F(rwlock, writer_that_gives_up)
{
	uint64_t ms = 100;

	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	actor_start(&self->a, job_wrlock, self->rw, ms);
	while (!SEEN_BEFORE_END(&self->a, STATUS.waiters == 1)) {
		ASSERT_EQ(-ETIMEDOUT, actor_result(&self->a));
		ms *= 4;
		ASSERT_GT(PATIENCE_MS, ms);
		actor_start(&self->a, job_wrlock, self->rw, ms);
	}
	START(b, rdlock);
	EXPECT_EQ(-ETIMEDOUT, actor_result(&self->a));
	EXPECT_EQ(0, actor_result(&self->b));
	EXPECT_EQ(0, DO(c, tryrdlock));
	EXPECT_EQ(0, STATUS.waiters);
	EXPECT_EQ(3, STATUS.readers);
}

TEST_F(rwlock, consistent_without_a_death)
{
	EXPECT_EQ(-EPERM, ksync_rwlock_consistent(self->rw));
	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_consistent(self->rw));
	ASSERT_EQ(0, ksync_rwlock_unlock(self->rw));
	ASSERT_EQ(0, ksync_rwlock_wrlock(self->rw));
	EXPECT_EQ(-EINVAL, ksync_rwlock_consistent(self->rw));
	EXPECT_EQ(-EPERM, DO(a, rwlock_consistent));
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
}

/* Both halves always agree, or somebody read while somebody wrote. */
struct pair {
	struct ksync_rwlock *rw;
	volatile uint64_t left, right;
};

static long read_and_write(void *obj, uint64_t seed)
{
	struct pair *p = obj;
	uint64_t until = now_ns() + NSEC_PER_SEC / 4, random = seed;
	long writes = 0;
	int err;

	while (now_ns() < until) {
		bool write = next_random(&random) % 4 == 0;

		err = write ? ksync_rwlock_wrlock_until(p->rw, PATIENTLY) :
			      ksync_rwlock_rdlock_until(p->rw, PATIENTLY);
		if (err)
			return err;
		if (p->left != p->right)
			return -EBADMSG;
		if (write) {
			p->left++;
			sched_yield();
			p->right++;
			writes++;
		}
		err = ksync_rwlock_unlock(p->rw);
		if (err)
			return err;
	}
	return writes;
}

TEST_F(rwlock, exclusion)
{
	struct pair *p = shared_memory(sizeof(*p));
	struct actor *actors[] = { &self->a, &self->b, &self->c };
	uint64_t seed = test_seed(), writes = 0;
	long n;
	int i;

	p->rw = self->rw;
	for (i = 0; i < 3; i++)
		actor_start(actors[i], read_and_write, p, seed + i);
	for (i = 0; i < 3; i++) {
		n = actor_result(actors[i]);
		EXPECT_LE(0, n);
		writes += n;
	}
	EXPECT_EQ(writes, p->left);
	EXPECT_EQ(writes, p->right);
	EXPECT_EQ(writes, ksync_rwlock_token(self->rw));
	EXPECT_EQ(0, STATUS.readers);
	EXPECT_EQ(0, STATUS.waiters + STATUS.waiters_shared);
}

TEST_F(rwlock, copied_handle)
{
	if (variant->kind == ACTOR_THREAD)
		SKIP(return, "threads share the handle");

	ASSERT_EQ(0, ksync_rwlock_rdlock(self->rw));
	EXPECT_EQ(-EPERM, DO(a, rwlock_unlock));
	EXPECT_EQ(-EPERM, DO(a, upgrade));
	EXPECT_EQ(0, DO(a, rdlock));
	EXPECT_EQ(2, STATUS.readers);
	EXPECT_EQ(0, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(-EPERM, ksync_rwlock_unlock(self->rw));
	EXPECT_EQ(0, DO(a, rwlock_unlock));
	EXPECT_EQ(0, STATUS.readers);
}

TEST_F(rwlock, several_in_one_object)
{
	struct ksync_options o = { .flags = variant->flags, .nr = 3 };
	struct ksync_rwlock *rw;

	ASSERT_EQ(0, ksync_rwlock_create(&rw, &o));
	EXPECT_EQ(NULL, ksync_rwlock_at(rw, 3));
	EXPECT_EQ(0, ksync_rwlock_wrlock(ksync_rwlock_at(rw, 1)));
	EXPECT_EQ(0, ksync_rwlock_rdlock(rw));
	EXPECT_EQ(0, ksync_rwlock_wrlock(ksync_rwlock_at(rw, 2)));
	EXPECT_EQ(1, rwlock_status(ksync_rwlock_at(rw, 0)).readers);
	EXPECT_EQ(0, ksync_rwlock_unlock(ksync_rwlock_at(rw, 1)));
	EXPECT_EQ(1, rwlock_status(ksync_rwlock_at(rw, 2)).held);
	EXPECT_EQ(0, rwlock_status(ksync_rwlock_at(rw, 1)).held);
	ksync_rwlock_close(rw);
}

TEST_HARNESS_MAIN
