// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits that an event cancels, for every primitive: races with what was waited
 * for, and deaths of those who wait and of those who cancel.
 */

#include "gates.h"
#include "all_processors.h"
#include "rendezvous.h"
#include "sandbox.h"

struct scene {
	const struct gate *ops;
	void *g;
	struct ksync_event *token;
};

FIXTURE(cancel) {
	struct scene s;
	struct actor keeper, first, second;
	uint64_t random;
};

FIXTURE_VARIANT(cancel) {
	const struct gate *ops;
};

GATE_VARIANTS(cancel);

FIXTURE_SETUP(cancel)
{
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_CANCEL | variant->ops->needs);
	self->random = test_seed();
	self->s.ops = variant->ops;
	self->s.g = variant->ops->create();
	ASSERT_NE(NULL, self->s.g);
	ASSERT_EQ(0, ksync_event_create(&self->s.token, NULL));
	ASSERT_EQ(0, actor_begin(&self->keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->first, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->second, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(cancel)
{
	actor_end(&self->keeper);
	actor_end(&self->first);
	actor_end(&self->second);
	if (self->s.g)
		variant->ops->close(self->s.g);
	ksync_event_close(self->s.token);
}

static long wait_cancelable(void *scene, uint64_t ms)
{
	struct scene *s = scene;
	long err;

	canceled_by = s->token;
	err = s->ops->wait(s->g, ms);
	canceled_by = NULL;
	return err;
}

static long job_set(void *token, uint64_t unused)
{
	return ksync_event_set(token);
}

#define DO(actor, job) actor_do(&self->actor, variant->ops->job, self->s.g, 0)
#define START(actor, job) \
	actor_start(&self->actor, variant->ops->job, self->s.g, 0)
#define WAIT_CANCELABLE(actor) \
	actor_start(&self->actor, wait_cancelable, &self->s, 0)
#define WAITERS variant->ops->waiters(self->s.g)
#define QUEUED(n) ASSERT_TRUE(WAIT_FOR(WAITERS == (n)))

/* What was shut is open again for the next round. */
#define REOPEN() do {							\
	if (variant->ops == &downgrader_and_readers)			\
		ASSERT_EQ(0, actor_do(&self->keeper, job_rwlock_unlock,	\
				      self->s.g, 0));			\
} while (0)

/* Not only when it looks for the dead. */
static uint64_t at_once_ns(void)
{
	return (machine_is_slow() ? 3000 : 50) * NSEC_PER_MSEC;
}

TEST_F(cancel, cancel_wait)
{
	uint64_t began;

	ASSERT_EQ(0, DO(keeper, shut));
	WAIT_CANCELABLE(first);
	QUEUED(1);
	START(second, wait);
	QUEUED(2);
	EXPECT_TRUE(actor_busy(&self->first, WATCH_MS));
	began = now_ns();
	ASSERT_EQ(0, ksync_event_set(self->s.token));
	EXPECT_EQ(-ECANCELED, actor_result(&self->first));
	EXPECT_GT(at_once_ns(), now_ns() - began);
	QUEUED(1);
	/* A set token cancels before a deadline that has passed. */
	EXPECT_EQ(-ECANCELED, actor_do(&self->first, wait_cancelable, &self->s,
				       0));
	EXPECT_EQ(-ECANCELED, actor_do(&self->first, wait_cancelable, &self->s,
				       1));
	EXPECT_TRUE(actor_busy(&self->second, WATCH_MS));
	EXPECT_EQ(0, DO(keeper, open));
	EXPECT_EQ(0, actor_result(&self->second));
	EXPECT_EQ(0, DO(second, leave));
	REOPEN();
	/* And not what is free. */
	EXPECT_EQ(0, actor_do(&self->first, wait_cancelable, &self->s, 0));
	EXPECT_EQ(0, DO(first, leave));
	EXPECT_EQ(0, WAITERS);
}

/* Whoever waits when it is set is told, whatever becomes of the token. */
TEST_F(cancel, set_and_reset_at_once)
{
	unsigned int i;

	ASSERT_EQ(0, DO(keeper, shut));
	for_each_round(i, 50) {
		WAIT_CANCELABLE(first);
		QUEUED(1);
		ASSERT_EQ(0, ksync_event_set(self->s.token));
		ASSERT_EQ(0, ksync_event_reset(self->s.token));
		ASSERT_EQ(-ECANCELED, actor_result(&self->first));
	}
	QUEUED(0);
}

/* @job for @actor, and the token set, one soon after the other. */
static int together(struct actor *actor, job_fn job, void *obj,
		    struct ksync_event *token, uint64_t *random)
{
	bool token_first = next_random(random) % 2;
	int err = token_first ? ksync_event_set(token) : 0;

	if (!token_first)
		actor_start(actor, job, obj, 0);
	random_instant(random);
	if (token_first)
		actor_start(actor, job, obj, 0);
	return token_first ? err : ksync_event_set(token);
}

/*
 * The gate opens when the first one is cancelled: it gets through or it does
 * not, but the second one, who waits behind it, gets through in any case.
 */
TEST_F(cancel, cancel_race)
{
	unsigned int i, passed = 0;
	long err;

	for_each_round(i, 300) {
		ASSERT_EQ(0, DO(keeper, shut));
		WAIT_CANCELABLE(first);
		QUEUED(1);
		START(second, wait);
		QUEUED(2);
		ASSERT_EQ(0, together(&self->keeper, variant->ops->open,
				      self->s.g, self->s.token, &self->random));
		err = actor_result(&self->first);
		if (!err) {
			passed++;
			ASSERT_EQ(0, DO(first, leave));
		} else {
			ASSERT_EQ(-ECANCELED, err);
		}
		ASSERT_EQ(0, actor_result(&self->keeper));
		ASSERT_EQ(0, actor_result(&self->second))
			TH_LOG("in round %u", i);
		ASSERT_EQ(0, DO(second, leave));
		REOPEN();
		ASSERT_EQ(0, ksync_event_reset(self->s.token));
	}
	EXPECT_EQ(0, WAITERS);
	printf("# %u of %u got through when they were cancelled\n", passed, i);
}

/* Killed about when it is cancelled: nobody is in the way of the second one. */
TEST_F(cancel, die_canceled)
{
	unsigned int i;

	for_each_round(i, 30) {
		ASSERT_EQ(0, DO(keeper, shut));
		WAIT_CANCELABLE(first);
		QUEUED(1);
		START(second, wait);
		QUEUED(2);
		ASSERT_EQ(0, ksync_event_set(self->s.token));
		random_instant(&self->random);
		actor_kill(&self->first);
		QUEUED(1);
		ASSERT_EQ(0, DO(keeper, open));
		ASSERT_EQ(0, actor_result(&self->second));
		ASSERT_EQ(0, DO(second, leave));
		REOPEN();
		ASSERT_EQ(0, ksync_event_reset(self->s.token));
		actor_end(&self->first);
		ASSERT_EQ(0, actor_begin(&self->first, ACTOR_PROCESS));
	}
}

static bool is_set(struct ksync_event *e)
{
	struct ksync_status st;

	return !ksync_event_status(e, &st) && st.value;
}

/* Killed while it cancels: once the token is set, that is soon noticed. */
TEST_F(cancel, die_canceling)
{
	unsigned int i, had_set = 0;
	uint64_t began;

	ASSERT_EQ(0, DO(keeper, shut));
	for_each_round(i, 60) {
		WAIT_CANCELABLE(first);
		QUEUED(1);
		actor_start(&self->second, job_set, self->s.token, 0);
		random_instant(&self->random);
		actor_kill(&self->second);
		began = now_ns();
		if (is_set(self->s.token))
			had_set++;
		else
			ASSERT_EQ(0, ksync_event_set(self->s.token));
		ASSERT_EQ(-ECANCELED, actor_result(&self->first));
		ASSERT_GT(notice_bound_ms() * NSEC_PER_MSEC, now_ns() - began);
		ASSERT_EQ(0, ksync_event_reset(self->s.token));
		actor_end(&self->second);
		ASSERT_EQ(0, actor_begin(&self->second, ACTOR_PROCESS));
	}
	printf("# %u of %u had set it before they died\n", had_set, i);
}

TEST_F(cancel, in_sandbox)
{
	long err = actor_do(&self->first, deny_syscall, NULL, SYS_futex_waitv);
	uint64_t began;

	if (err)
		SKIP(return, "no filter of system calls: %ld", err);
	ASSERT_EQ(0, DO(keeper, shut));
	WAIT_CANCELABLE(first);
	QUEUED(1);
	EXPECT_TRUE(actor_busy(&self->first, WATCH_MS));
	began = now_ns();
	ASSERT_EQ(0, ksync_event_set(self->s.token));
	EXPECT_EQ(-ECANCELED, actor_result(&self->first));
	EXPECT_GT(at_once_ns(), now_ns() - began);
	ASSERT_EQ(0, ksync_event_reset(self->s.token));
	WAIT_CANCELABLE(first);
	QUEUED(1);
	EXPECT_EQ(0, DO(keeper, open));
	EXPECT_EQ(0, actor_result(&self->first));
	EXPECT_EQ(0, DO(first, leave));
}

/* Another thread closes the token: the wait can no longer be cancelled here. */
TEST_F(cancel, token_closed)
{
	struct actor thread;

	ASSERT_EQ(0, actor_begin(&thread, ACTOR_THREAD));
	ASSERT_EQ(0, DO(keeper, shut));
	actor_start(&thread, wait_cancelable, &self->s, 0);
	QUEUED(1);
	ksync_event_close(self->s.token);
	self->s.token = NULL;
	EXPECT_TRUE(actor_busy(&thread, no_death_ms()));
	EXPECT_EQ(0, DO(keeper, open));
	EXPECT_EQ(0, actor_result(&thread));
	EXPECT_EQ(0, actor_do(&thread, variant->ops->leave, self->s.g, 0));
	EXPECT_EQ(0, WAITERS);
	actor_end(&thread);
}

JOB(job_close, ksync_event, (ksync_event_close(h), 0))

static long lock_cancelable(void *m, uint64_t unused)
{
	return ksync_mutex_lock_until(m, within(0));
}

static long cancel_by(void *token, uint64_t unused)
{
	canceled_by = token;
	return 0;
}

/* A child has not what a thread keeps that it has not. */
TEST(token_of_a_child)
{
	const char *name = test_name("token");
	struct ksync_event *token;
	struct actor keeper, thread, child;
	struct ksync_mutex *m;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_CANCEL);
	ASSERT_EQ(0, ksync_mutex_create(&m, NULL));
	ASSERT_EQ(0, actor_begin(&keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_do(&keeper, job_mutex_lock, m, 0));
	ASSERT_EQ(0, ksync_event_open(&token, name, O_CREAT, 0600, NULL));
	ASSERT_EQ(0, actor_begin(&thread, ACTOR_THREAD));
	ASSERT_EQ(0, actor_do(&thread, cancel_by, token, 0));
	actor_start(&thread, lock_cancelable, m, 0);
	ASSERT_TRUE(WAIT_FOR(mutex_status(m).waiters == 1));
	ASSERT_EQ(0, actor_begin(&child, ACTOR_PROCESS));
	EXPECT_EQ(0, actor_do(&child, job_close, token, 0));
	ksync_event_close(token);
	EXPECT_EQ(0, actor_do(&keeper, job_mutex_unlock, m, 0));
	EXPECT_EQ(0, actor_result(&thread));
	EXPECT_EQ(-ENOENT, ksync_event_open(&token, name, 0, 0, NULL));
	actor_end(&child);
	actor_end(&thread);
	actor_end(&keeper);
	ksync_mutex_close(m);
}

/* One signal, for a waiter that is cancelled or for the other one. */
struct pair {
	struct ksync_cond *c;
	struct ksync_mutex *m;
	struct ksync_event *token;
};

static long wait_for_signal(void *obj, uint64_t cancelable)
{
	struct pair *p = obj;
	struct ksync_wait w = { .cancel = cancelable ? p->token : NULL };
	long err = ksync_mutex_lock(p->m);

	if (!err)
		err = ksync_cond_wait_until(p->c, p->m, &w);
	return ksync_mutex_unlock(p->m) ?: err;
}

static long job_signal(void *c, uint64_t unused)
{
	return ksync_cond_signal(c);
}

TEST(signal_race)
{
	uint64_t random = test_seed();
	struct actor a, b, signaler;
	unsigned int i, canceled = 0;
	struct pair p;
	long err;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_CANCEL);
	ASSERT_EQ(0, ksync_cond_create(&p.c, NULL));
	ASSERT_EQ(0, ksync_mutex_create(&p.m, NULL));
	ASSERT_EQ(0, ksync_event_create(&p.token, NULL));
	ASSERT_EQ(0, actor_begin(&a, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&b, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&signaler, ACTOR_PROCESS));
	for_each_round(i, 300) {
		actor_start(&a, wait_for_signal, &p, true);
		ASSERT_TRUE(WAIT_FOR(cond_status(p.c).waiters_shared == 1));
		actor_start(&b, wait_for_signal, &p, false);
		ASSERT_TRUE(WAIT_FOR(cond_status(p.c).waiters_shared == 2));
		ASSERT_EQ(0, together(&signaler, job_signal, p.c, p.token,
				      &random));
		err = actor_result(&a);
		ASSERT_EQ(0, actor_result(&signaler));
		if (err) {
			ASSERT_EQ(-ECANCELED, err);
			canceled++;
		} else {
			ASSERT_EQ(1, cond_status(p.c).waiters_shared);
			ASSERT_EQ(0, ksync_cond_signal(p.c));
		}
		ASSERT_EQ(0, actor_result(&b)) TH_LOG("in round %u", i);
		ASSERT_EQ(0, ksync_event_reset(p.token));
	}
	printf("# %u of %u were cancelled before the signal\n", canceled, i);
	actor_end(&a);
	actor_end(&b);
	actor_end(&signaler);
	ksync_cond_close(p.c);
	ksync_mutex_close(p.m);
	ksync_event_close(p.token);
}

TEST_HARNESS_MAIN
