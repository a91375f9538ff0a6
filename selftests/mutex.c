// SPDX-License-Identifier: GPL-2.0-only
/* Mutexes: what they do while everybody lives, and misuse. */

#include "actor.h"

FIXTURE(mutex) {
	struct ksync_mutex *m;
	struct actor other, third;
};

/* The others are threads of this process, or processes of their own. */
FIXTURE_VARIANT(mutex) {
	enum actor_kind kind;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(mutex, process) { .kind = ACTOR_PROCESS };
FIXTURE_VARIANT_ADD(mutex, thread) { .kind = ACTOR_THREAD };
FIXTURE_VARIANT_ADD(mutex, fifo) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_FIFO,
};
FIXTURE_VARIANT_ADD(mutex, recursive) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_RECURSIVE,
};
FIXTURE_VARIANT_ADD(mutex, guarded) {
	.kind = ACTOR_PROCESS, .flags = KSYNC_GUARDED,
};
FIXTURE_VARIANT_ADD(mutex, all_flags) {
	.kind = ACTOR_THREAD,
	.flags = KSYNC_GUARDED | KSYNC_RECURSIVE | KSYNC_FIFO,
};

FIXTURE_SETUP(mutex)
{
	struct ksync_options o = { .flags = variant->flags };

	REQUIRE_BACKEND();
	REQUIRE_FLAGS(variant->flags);
	ASSERT_EQ(0, ksync_mutex_create(&self->m, &o));
	ASSERT_EQ(0, actor_begin(&self->other, variant->kind));
	ASSERT_EQ(0, actor_begin(&self->third, variant->kind));
}

FIXTURE_TEARDOWN(mutex)
{
	actor_end(&self->other);
	actor_end(&self->third);
	ksync_mutex_close(self->m);
}

TEST_F(mutex, lock_and_unlock)
{
	struct ksync_status st;

	EXPECT_EQ(0, ksync_mutex_token(self->m));
	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	EXPECT_NE(0, ksync_mutex_token(self->m));
	st = mutex_status(self->m);
	EXPECT_EQ(1, st.held);
	EXPECT_EQ(getpid(), st.holder_pid);
	EXPECT_EQ(gettid(), st.holder_tid);
	EXPECT_EQ(ksync_mutex_token(self->m), st.token);
	ASSERT_EQ(0, ksync_mutex_unlock(self->m));
	st = mutex_status(self->m);
	EXPECT_EQ(0, st.held);
	EXPECT_EQ(0, st.holder_pid);
	EXPECT_EQ(0, st.waiters);
	EXPECT_EQ(0, st.flags);
	EXPECT_EQ(0, st.deaths);
}

TEST_F(mutex, unlock_unlocked)
{
	uint64_t token;

	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->m));
	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	token = ksync_mutex_token(self->m);
	ASSERT_EQ(0, ksync_mutex_unlock(self->m));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->m));
	EXPECT_EQ(token, ksync_mutex_token(self->m));
	/* Nothing has changed: one may still have it, and only one. */
	EXPECT_EQ(0, ksync_mutex_lock(self->m));
	EXPECT_EQ(-EBUSY, actor_do(&self->other, job_mutex_trylock, self->m, 0));
	EXPECT_EQ(0, ksync_mutex_unlock(self->m));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->m));
}

TEST_F(mutex, unlock_foreign)
{
	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	EXPECT_EQ(-EPERM, actor_do(&self->other, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(-EBUSY, actor_do(&self->third, job_mutex_trylock, self->m, 0));
	EXPECT_EQ(getpid(), mutex_status(self->m).holder_pid);
	EXPECT_EQ(0, ksync_mutex_unlock(self->m));
}

TEST_F(mutex, consistent_without_a_death)
{
	EXPECT_EQ(-EPERM, ksync_mutex_consistent(self->m));
	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	EXPECT_EQ(-EINVAL, ksync_mutex_consistent(self->m));
	EXPECT_EQ(-EPERM,
		  actor_do(&self->other, job_mutex_consistent, self->m, 0));
	EXPECT_EQ(0, ksync_mutex_unlock(self->m));
}

TEST_F(mutex, lock_twice)
{
	bool recursive = variant->flags & KSYNC_RECURSIVE;
	int again = recursive ? 0 : -EDEADLK, i;
	uint64_t token;

	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	token = ksync_mutex_token(self->m);
	EXPECT_EQ(again, ksync_mutex_lock(self->m));
	EXPECT_EQ(again, ksync_mutex_lock_until(self->m, PATIENTLY));
	EXPECT_EQ(recursive ? 0 : -EBUSY, ksync_mutex_trylock(self->m));
	EXPECT_EQ(token, ksync_mutex_token(self->m));
	for (i = 0; recursive && i < 3; i++) {
		EXPECT_EQ(0, ksync_mutex_unlock(self->m));
		EXPECT_EQ(-EBUSY, actor_do(&self->other, job_mutex_trylock,
					   self->m, 0));
	}
	EXPECT_EQ(0, ksync_mutex_unlock(self->m));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->m));
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_trylock, self->m, 0));
}

TEST_F(mutex, trylock)
{
	ASSERT_EQ(0, ksync_mutex_trylock(self->m));
	EXPECT_EQ(-EBUSY, actor_do(&self->other, job_mutex_trylock, self->m, 0));
	ASSERT_EQ(0, ksync_mutex_unlock(self->m));
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_trylock, self->m, 0));
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(self->m));
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_unlock, self->m, 0));
}

TEST_F(mutex, lock_waits)
{
	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	actor_start(&self->other, job_mutex_lock, self->m, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).waiters == 1));
	EXPECT_TRUE(actor_busy(&self->other, WATCH_MS));
	actor_start(&self->third, job_mutex_lock, self->m, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).waiters == 2));
	ASSERT_EQ(0, ksync_mutex_unlock(self->m));

	EXPECT_EQ(0, actor_result(&self->other));
	EXPECT_TRUE(actor_busy(&self->third, WATCH_MS));
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(self->m));
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(0, actor_result(&self->third));
	EXPECT_EQ(0, actor_do(&self->third, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(0, mutex_status(self->m).waiters);
	EXPECT_EQ(3, mutex_status(self->m).acquisitions);
	EXPECT_LE(2, mutex_status(self->m).contended);
}

/* Who has slept for long is next: whoever is awake comes after it. */
TEST_F(mutex, goes_to_who_waited_long)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ksync_mutex_lock(self->m));
		actor_start(&self->other, job_mutex_lock, self->m, 0);
		ASSERT_TRUE(WAIT_FOR(mutex_status(self->m).waiters == 1));
		EXPECT_TRUE(actor_busy(&self->other, WATCH_MS));
		ASSERT_EQ(0, ksync_mutex_unlock(self->m));
		ASSERT_EQ(-EBUSY, ksync_mutex_trylock(self->m));
		EXPECT_EQ(0, actor_result(&self->other));
		EXPECT_EQ(0, actor_do(&self->other, job_mutex_unlock, self->m, 0));
	}
}

TEST_F(mutex, tokens_grow)
{
	struct actor *actors[] = { &self->other, &self->third };
	uint64_t last = 0, token;
	int i;

	for (i = 0; i < 20; i++) {
		struct actor *a = actors[i % 2];

		ASSERT_EQ(0, actor_do(a, job_mutex_lock, self->m, 0));
		token = actor_do(a, job_mutex_token, self->m, 0);
		EXPECT_GT(token, last);
		last = token;
		ASSERT_EQ(0, actor_do(a, job_mutex_unlock, self->m, 0));
		/* Not held: the last one given out, as everybody sees it. */
		EXPECT_EQ(last, ksync_mutex_token(self->m));
	}
}

/* Not atomic: a second one inside loses counts. */
struct counter {
	struct ksync_mutex *m;
	volatile uint64_t count, last_token;
	volatile int inside;
};


static long count_up(void *obj, uint64_t until)
{
	struct counter *c = obj;
	uint64_t token;
	long n;
	int err;

	for (n = 0; now_ns() < until; n++) {
		err = ksync_mutex_lock_until(c->m, PATIENTLY);
		if (err)
			return err;
		if (c->inside++)
			return -EBADMSG;
		token = ksync_mutex_token(c->m);
		if (token <= c->last_token)
			return -ESTALE;
		c->last_token = token;
		c->count++;
		c->inside--;
		err = ksync_mutex_unlock(c->m);
		if (err)
			return err;
	}
	return n;
}

TEST_F(mutex, mutual_exclusion)
{
	struct counter *c = shared_memory(sizeof(*c));
	uint64_t until = now_ns() + NSEC_PER_SEC / 4, sum = 0;
	struct actor actors[4];
	long n;
	int i;

	c->m = self->m;
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, actor_begin(&actors[i], variant->kind));
	for (i = 0; i < 4; i++)
		actor_start(&actors[i], count_up, c, until);
	for (i = 0; i < 4; i++) {
		n = actor_result(&actors[i]);
		EXPECT_LE(0, n);
		sum += n;
	}
	EXPECT_EQ(sum, c->count);
	EXPECT_EQ(sum, mutex_status(self->m).acquisitions);
	EXPECT_EQ(0, mutex_status(self->m).waiters);
	for (i = 0; i < 4; i++)
		actor_end(&actors[i]);
}

/* A handle copied by fork is good on both sides; each holds for itself. */
TEST_F(mutex, copied_handle)
{
	if (variant->kind == ACTOR_THREAD)
		SKIP(return, "threads share the handle");

	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	EXPECT_EQ(-EBUSY, actor_do(&self->other, job_mutex_trylock, self->m, 0));
	EXPECT_EQ(-EPERM, actor_do(&self->other, job_mutex_unlock, self->m, 0));
	EXPECT_EQ(0, ksync_mutex_unlock(self->m));

	EXPECT_EQ(0, actor_do(&self->other, job_mutex_lock, self->m, 0));
	EXPECT_EQ(self->other.pid, mutex_status(self->m).holder_pid);
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(self->m));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->m));
	EXPECT_EQ(-EBUSY, actor_do(&self->third, job_mutex_trylock, self->m, 0));
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_unlock, self->m, 0));

	/* The child's copy closed is not the parent's. */
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_close, self->m, 0));
	EXPECT_EQ(0, ksync_mutex_lock(self->m));
	EXPECT_EQ(0, ksync_mutex_unlock(self->m));
}

/* Several primitives in one object are independent of each other. */
TEST_F(mutex, several_in_one_object)
{
	struct ksync_options o = { .flags = variant->flags, .nr = 70 };
	struct ksync_mutex *m, *first, *last;

	ASSERT_EQ(0, ksync_mutex_create(&m, &o));
	EXPECT_EQ(NULL, ksync_mutex_at(m, 70));
	EXPECT_EQ(NULL, ksync_mutex_at(m, UINT32_MAX));
	EXPECT_EQ(NULL, ksync_mutex_at(self->m, 1));
	first = ksync_mutex_at(m, 0);
	last = ksync_mutex_at(m, 69);
	ASSERT_NE(NULL, first);
	ASSERT_NE(NULL, last);

	ASSERT_EQ(0, ksync_mutex_lock(m));
	EXPECT_EQ(1, mutex_status(first).held);
	EXPECT_EQ(0, mutex_status(last).held);
	EXPECT_EQ(0, ksync_mutex_lock(last));
	EXPECT_EQ(0, ksync_mutex_unlock(first));
	EXPECT_EQ(1, mutex_status(last).held);
	EXPECT_EQ(0, ksync_mutex_unlock(ksync_mutex_at(m, 69)));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(last));
	ksync_mutex_close(m);
}

static long import_mutex(void *obj, uint64_t arg)
{
	struct ksync_mutex *m;
	int err = ksync_mutex_import(&m, job_fd);

	if (err)
		return err;
	/* The descriptor stays the caller's. */
	if (close(job_fd))
		return -errno;
	return (long)m;
}

/* By SCM_RIGHTS, to a process that was there before the object. */
TEST_F(mutex, import_passed_descriptor)
{
	struct ksync_options o = { .flags = variant->flags };
	struct ksync_mutex *m;
	void *theirs;

	ASSERT_EQ(0, ksync_mutex_create(&m, &o));
	ASSERT_LE(0, ksync_mutex_fd(m));
	theirs = (void *)actor_do_fd(&self->other, import_mutex, NULL, 0,
				     ksync_mutex_fd(m));
	ASSERT_LT(0, (long)theirs);

	EXPECT_EQ(0, actor_do(&self->other, job_mutex_lock, theirs, 0));
	EXPECT_EQ(-EBUSY, ksync_mutex_trylock(m));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(m));
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_unlock, theirs, 0));
	EXPECT_EQ(0, ksync_mutex_lock_until(m, PATIENTLY));
	EXPECT_EQ(-EBUSY, actor_do(&self->other, job_mutex_trylock, theirs, 0));
	EXPECT_EQ(0, ksync_mutex_unlock(m));

	/* It lives on with the one that is left. */
	ksync_mutex_close(m);
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_lock, theirs, 0));
	EXPECT_EQ(0, actor_do(&self->other, job_mutex_unlock, theirs, 0));
}

/* Two handles in one process are the same lock, and the same owner. */
TEST_F(mutex, import_twice)
{
	bool recursive = variant->flags & KSYNC_RECURSIVE;
	struct ksync_mutex *m;

	ASSERT_EQ(0, ksync_mutex_import(&m, ksync_mutex_fd(self->m)));
	ASSERT_EQ(0, ksync_mutex_lock(self->m));
	EXPECT_EQ(1, mutex_status(m).held);
	EXPECT_EQ(recursive ? 0 : -EDEADLK, ksync_mutex_lock(m));
	if (recursive)
		EXPECT_EQ(0, ksync_mutex_unlock(m));
	EXPECT_EQ(0, ksync_mutex_unlock(m));
	EXPECT_EQ(-EPERM, ksync_mutex_unlock(self->m));
	ksync_mutex_close(m);
}

/* Far more than any table of a thread's holds has room for at first. */
TEST_F(mutex, hold_many)
{
	struct ksync_options o = { .flags = variant->flags, .nr = 300 };
	struct ksync_mutex *m;
	uint32_t i;

	ASSERT_EQ(0, ksync_mutex_create(&m, &o));
	for (i = 0; i < o.nr; i++)
		ASSERT_EQ(0, ksync_mutex_lock(ksync_mutex_at(m, i)));
	EXPECT_EQ(getpid(), mutex_status(ksync_mutex_at(m, 150)).holder_pid);
	for (i = 0; i < o.nr; i++)
		ASSERT_EQ(0, ksync_mutex_unlock(ksync_mutex_at(m, i)));
	EXPECT_EQ(0, mutex_status(ksync_mutex_at(m, 150)).held);
	ksync_mutex_close(m);
}

/* More objects than a thread remembers: what it remembers is of the right one. */
TEST_F(mutex, many_objects)
{
	const struct ksync_options o = { .flags = variant->flags };
	struct ksync_mutex *m[40];
	int i, k;

	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, ksync_mutex_create(&m[i], &o));
	for (k = 1; k < 20; k++) {
		for (i = 0; i < 40; i++) {
			ASSERT_EQ(0, ksync_mutex_lock(m[i]));
			ASSERT_EQ(0, ksync_mutex_unlock(m[i]));
		}
		/* Of some the thread remembers more than of others. */
		for (i = 40; --i >= k; ) {
			EXPECT_EQ(0, ksync_mutex_lock(m[i - k]));
			EXPECT_EQ(0, ksync_mutex_lock(m[i]));
			EXPECT_EQ(getpid(), mutex_status(m[i - k]).holder_pid);
			EXPECT_EQ(0, ksync_mutex_unlock(m[i - k]));
			EXPECT_EQ(-EPERM, ksync_mutex_unlock(m[i - k]));
			EXPECT_EQ(0, ksync_mutex_unlock(m[i]));
		}
	}
	for (k = 0; k < 3; k++) {
		for (i = 0; i < 40; i++) {
			EXPECT_EQ(-EPERM, ksync_mutex_unlock(m[i]));
			EXPECT_EQ(0, ksync_mutex_lock(m[i]));
		}
		for (i = 0; i < 40; i++) {
			EXPECT_EQ(getpid(), mutex_status(m[i]).holder_pid);
			EXPECT_EQ(0, ksync_mutex_unlock(m[i]));
			EXPECT_EQ(0, mutex_status(m[i]).held);
		}
	}
	for (i = 0; i < 40; i++)
		ksync_mutex_close(m[i]);
}

TEST_HARNESS_MAIN
