// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths of those who wait, and of those who have let go but not yet woken
 * anybody: for every primitive, with kills at random instants.
 */

#include "death.h"
#include "gates.h"
#include "all_processors.h"

FIXTURE(gate) {
	void *g;
	struct actor keeper, first, second;
	uint64_t random;
};

FIXTURE_VARIANT(gate) {
	const struct gate *ops;
};

GATE_VARIANTS(gate);

FIXTURE_SETUP(gate)
{
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH | variant->ops->needs);
	self->random = test_seed();
	self->g = variant->ops->create();
	ASSERT_NE(NULL, self->g);
	ASSERT_EQ(0, actor_begin(&self->keeper, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->first, ACTOR_PROCESS));
	ASSERT_EQ(0, actor_begin(&self->second, ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(gate)
{
	actor_end(&self->keeper);
	actor_end(&self->first);
	actor_end(&self->second);
	if (self->g)
		variant->ops->close(self->g);
}

#define DO(actor, job) actor_do(&self->actor, variant->ops->job, self->g, 0)
#define START(actor, job) \
	actor_start(&self->actor, variant->ops->job, self->g, 0)
#define QUEUED(n) ASSERT_TRUE(WAIT_FOR(variant->ops->waiters(self->g) == (n)))

TEST_F(gate, die_waiting)
{
	ASSERT_EQ(0, DO(keeper, shut));
	START(first, wait);
	QUEUED(1);
	START(second, wait);
	QUEUED(2);
	actor_kill(&self->first);
	QUEUED(1);
	EXPECT_TRUE(actor_busy(&self->second, WATCH_MS));
	EXPECT_EQ(0, DO(keeper, open));
	EXPECT_EQ(0, actor_result(&self->second));
	EXPECT_EQ(0, DO(second, leave));
	EXPECT_EQ(0, variant->ops->waiters(self->g));
}

/* The only one that waits, dies: it is as if it had never come. */
TEST_F(gate, die_waiting_alone)
{
	ASSERT_EQ(0, DO(keeper, shut));
	START(first, wait);
	QUEUED(1);
	actor_kill(&self->first);
	EXPECT_EQ(0, DO(keeper, open));
	EXPECT_EQ(0, actor_do(&self->second, variant->ops->wait, self->g,
			      PATIENCE_MS));
	EXPECT_EQ(0, DO(second, leave));
	QUEUED(0);
}

/* Others' threads end a sleeper as well: with its whole process. */
struct ending {
	const struct gate *ops;
	void *g;
	enum road road;
	int sock;
};

static void *end_sleeper(void *arg)
{
	struct ending *e = arg;

	job_sock = e->sock;
	while (e->ops->waiters(e->g) != 1)
		sleep_ms(1);
	job_end(NULL, e->road);
}

static long sleep_and_end(void *obj, uint64_t unused)
{
	struct ending *e = obj;
	pthread_t mate;

	e->sock = job_sock;
	if (pthread_create(&mate, NULL, end_sleeper, e))
		return -EAGAIN;
	e->ops->wait(e->g, 0);
	return -EBADMSG;
}

TEST_F(gate, die_waiting_by_a_mate)
{
	static const enum road roads[] = {
		BY_EXIT, BY__EXIT, BY_SIGSEGV, BY_EXECVE
	};
	struct ending *e = shared_memory(sizeof(*e));
	int i;

	*e = (struct ending){ .ops = variant->ops, .g = self->g };
	ASSERT_EQ(0, DO(keeper, shut));
	for (i = 0; i < ARRAY_SIZE(roads); i++) {
		if (roads[i] == BY_EXECVE && missing_guarantees(KSYNC_G_EXEC))
			continue;
		e->road = roads[i];
		actor_end(&self->first);
		ASSERT_EQ(0, actor_begin(&self->first, ACTOR_PROCESS));
		actor_start(&self->first, sleep_and_end, e, 0);
		if (roads[i] == BY_EXECVE) {
			EXPECT_EQ(0, actor_result(&self->first));
		} else {
			waitpid(self->first.pid, NULL, 0);
			self->first.pid = -1;
		}
		QUEUED(0);
	}
	START(second, wait);
	QUEUED(1);
	EXPECT_EQ(0, DO(keeper, open));
	EXPECT_EQ(0, actor_result(&self->second));
	EXPECT_EQ(0, DO(second, leave));
}

/* The grant is on its way to one that dies: it goes to the next. */
TEST_F(gate, die_waiting_during_grant)
{
	unsigned int i;
	long err;

	for_each_round(i, 60) {
		ASSERT_EQ(0, DO(keeper, shut));
		START(first, wait);
		QUEUED(1);
		START(second, wait);
		QUEUED(2);
		START(keeper, open);
		random_instant(&self->random);
		actor_kill(&self->first);
		ASSERT_EQ(0, actor_result(&self->keeper));
		err = actor_result(&self->second);
		/* The dead one had it already, perhaps. */
		if (err == -EOWNERDEAD)
			err = DO(second, repair);
		ASSERT_EQ(0, err) TH_LOG("in round %u", i);
		ASSERT_EQ(0, DO(second, leave));
		if (variant->ops == &downgrader_and_readers)
			ASSERT_EQ(0, actor_do(&self->keeper, job_rwlock_unlock,
					      self->g, 0));
		actor_end(&self->first);
		ASSERT_EQ(0, actor_begin(&self->first, ACTOR_PROCESS));
	}
}

/* Killed while it lets go: nobody sleeps on what is free. */
TEST_F(gate, die_before_wake)
{
	unsigned int i, let_go = 0;
	long err;

	for_each_round(i, 150) {
		ASSERT_EQ(0, DO(keeper, shut));
		START(first, wait);
		QUEUED(1);
		START(keeper, open);
		random_instant(&self->random);
		actor_kill(&self->keeper);
		err = actor_result(&self->first);
		if (err == -EOWNERDEAD)
			err = DO(first, repair);
		else
			let_go++;
		ASSERT_EQ(0, err) TH_LOG("in round %u", i);
		ASSERT_EQ(0, DO(first, leave));
		actor_end(&self->keeper);
		if (variant->ops->for_readers) {
			actor_end(&self->first);
			variant->ops->close(self->g);
			self->g = variant->ops->create();
			ASSERT_EQ(0, actor_begin(&self->first, ACTOR_PROCESS));
		}
		ASSERT_EQ(0, actor_begin(&self->keeper, ACTOR_PROCESS));
	}
	printf("# %u of %u had let go before they died\n", let_go, i);
}

DEATH_HARNESS_MAIN
