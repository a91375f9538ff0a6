// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mutex that is taken again as soon as it was given back, by processes that are
 * all awake. Who is passed by for long is handed it, without having slept; and
 * that must not be the end of it, whoever dies.
 */

#include "actor.h"

#define PROCESSES	3
#define SECTION_NS	1500
/* A wait in which nobody looked after a sleeper that should have been woken. */
#define SLOW_NS		(8 * NSEC_PER_MSEC)
#define OVERSLEPT_NS	(40 * NSEC_PER_MSEC)
#define TRIES		5
#define KILLS		60

struct field {
	struct ksync_mutex *m;
	volatile bool stop;
	volatile int inside;		/* 1 + the one that is */
	volatile uint64_t sum;		/* under the lock */
	volatile uint64_t told;		/* likewise: of deaths */
	volatile uint64_t broken;	/* likewise: somebody else was inside */
	volatile uint64_t slow_ns[PROCESSES];
};

FIXTURE(passing_by) {
	struct field *f;
	struct actor a[PROCESSES];
};

FIXTURE_VARIANT(passing_by) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(passing_by, plain) { 0 };
FIXTURE_VARIANT_ADD(passing_by, fifo) { KSYNC_FIFO };

FIXTURE_SETUP(passing_by)
{
	struct ksync_options o = { .flags = variant->flags };
	int i;

	REQUIRE_BACKEND();
	self->f = shared_memory(sizeof(*self->f));
	ASSERT_EQ(0, ksync_mutex_create(&self->f->m, &o));
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(0, actor_begin(&self->a[i], ACTOR_PROCESS));
}

FIXTURE_TEARDOWN(passing_by)
{
	int i;

	if (self->f)
		self->f->stop = true;
	for (i = 0; i < PROCESSES; i++)
		actor_end(&self->a[i]);
	if (self->f)
		ksync_mutex_close(self->f->m);
}

static void stay(struct field *f, int me)
{
	uint64_t until = now_ns() + SECTION_NS;

	f->inside = me + 1;
	while (now_ns() < until)
		;
	f->broken += f->inside != me + 1;
	f->sum++;
}

static long again_and_again(void *obj, uint64_t me)
{
	struct field *f = obj;
	uint64_t began, ns;
	int err = 0;

	while (!f->stop && !err) {
		began = now_ns();
		err = ksync_mutex_lock(f->m);
		ns = now_ns() - began;
		if (ns >= SLOW_NS)
			f->slow_ns[me] += ns;
		if (err == -EOWNERDEAD) {
			f->told++;
			err = ksync_mutex_consistent(f->m);
		}
		if (err)
			return err;
		stay(f, me);
		err = ksync_mutex_unlock(f->m);
	}
	return err;
}

/* Percent of the time in which one of two waited for too long. */
static unsigned int slow_share(struct field *f, struct actor *a, long *err)
{
	uint64_t began = now_ns();
	int i;

	f->stop = false;
	f->slow_ns[0] = f->slow_ns[1] = 0;
	for (i = 0; i < 2; i++)
		actor_start(&a[i], again_and_again, f, i);
	sleep_ns(150 * NSEC_PER_MSEC);
	f->stop = true;
	*err = 0;
	for (i = 0; i < 2; i++)
		*err = actor_result(&a[i]) ?: *err;
	return (f->slow_ns[0] + f->slow_ns[1]) * 100 / (now_ns() - began);
}

/*
 * On a busy machine others may be what they wait for, but hardly every time. With a
 * bug detector in the kernel it may be every time: there the time tells nothing.
 */
TEST_F(passing_by, nobody_oversleeps)
{
	unsigned int share, least = 100;
	long err;
	int i;

	for (i = 0; i < TRIES && least > 25; i++) {
		share = slow_share(self->f, self->a, &err);
		ASSERT_EQ(0, err);
		least = share < least ? share : least;
	}
	if (!run_is_deep())
		EXPECT_GE(50, least);
	EXPECT_EQ(0, self->f->broken);
	printf("# slow waits: %u %% of the time\n", least);
}

static long once(void *obj, uint64_t unused)
{
	struct field *f = obj;

	return ksync_mutex_lock(f->m) ?: ksync_mutex_unlock(f->m);
}

/*
 * Each that was asleep, and takes it, wakes the next one. Who is not woken looks
 * for himself, after a time that is far above the bound.
 */
TEST_F(passing_by, each_wakes_the_next)
{
	uint64_t began, took, least = PATIENCE_MS * NSEC_PER_MSEC;
	int i, n;

	for (n = 0; n < TRIES && least > OVERSLEPT_NS / 4; n++) {
		ASSERT_EQ(0, ksync_mutex_lock(self->f->m));
		for (i = 0; i < PROCESSES; i++)
			actor_start(&self->a[i], once, self->f, i);
		ASSERT_TRUE(WAIT_FOR(mutex_status(self->f->m).waiters ==
				     PROCESSES));
		/* They look soon at first. */
		sleep_ns(20 * NSEC_PER_MSEC);
		began = now_ns();
		ASSERT_EQ(0, ksync_mutex_unlock(self->f->m));
		for (i = 0; i < PROCESSES; i++)
			EXPECT_EQ(0, actor_result(&self->a[i]));
		took = now_ns() - began;
		least = took < least ? took : least;
	}
	EXPECT_GE(OVERSLEPT_NS, least);
	printf("# all awake after %llu us\n", (unsigned long long)least / 1000);
}

/* The others go on, and are told of no more than has happened. */
TEST_F(passing_by, any_may_die)
{
	uint64_t random = test_seed(), before;
	int i, n, kills = machine_is_slow() ? KILLS / 6 : KILLS;

	for (i = 0; i < PROCESSES; i++)
		actor_start(&self->a[i], again_and_again, self->f, i);
	for (n = 0; n < kills; n++) {
		i = next_random(&random) % PROCESSES;
		sleep_ns(NSEC_PER_MSEC + next_random(&random) % NSEC_PER_MSEC);
		actor_kill(&self->a[i]);
		before = self->f->sum;
		ASSERT_TRUE(WAIT_FOR(self->f->sum > before + 1));
		actor_end(&self->a[i]);
		ASSERT_EQ(0, actor_begin(&self->a[i], ACTOR_PROCESS));
		actor_start(&self->a[i], again_and_again, self->f, i);
	}
	self->f->stop = true;
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, actor_result(&self->a[i]));
	EXPECT_EQ(0, self->f->broken);
	EXPECT_GE(kills, self->f->told);
	printf("# deaths inside: %llu of %d\n",
	       (unsigned long long)self->f->told, kills);
}

TEST_HARNESS_MAIN
