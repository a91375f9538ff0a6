// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kill storm: workers use every primitive at random, and a supervisor kills
 * and replaces them at random, while an oracle in shared memory watches that
 * nothing is lost, doubled, hidden or stuck.
 *
 *	KSYNC_STORM_SECONDS	how long, 15 by default
 *	KSYNC_DEEP=1		see the oracle at work in an emulated machine, too
 *	KSYNC_SEED		to choose the same things again; the schedule is
 *				the machine's
 *	--broken N		be the N-th broken implementation (enum broken);
 *				ends with 0 when the oracle has caught it
 */

#include "actor.h"
#include "storm_worker.h"
#include "all_processors.h"

static bool storm_create(struct storm *s)
{
	struct ksync_options four = { .nr = 4 };
	struct ksync_options fifo = { .flags = KSYNC_FIFO };
	struct ksync_options rwlocks = { .nr = RWLOCKS };
	struct ksync_options wgs = { .nr = WORKERS };
	struct ksync_options sems = {
		.nr = SEMS, .flags = KSYNC_TRACKED,
		.value = PERMITS, .max = PERMITS,
	};
	struct ksync_options parties = { .max = PARTIES };
	struct ksync_options one_by_one = { .flags = KSYNC_AUTO_RESET };
	int i;

	if (ksync_mutex_create(&s->mutexes, &four) ||
	    ksync_mutex_create(&s->fifo, &fifo) ||
	    ksync_rwlock_create(&s->rwlocks, &rwlocks) ||
	    ksync_sem_create(&s->sems, &sems) ||
	    ksync_waitgroup_create(&s->wgs, &wgs) ||
	    ksync_cond_create(&s->cond, NULL) ||
	    ksync_cond_create(&s->goods, NULL) ||
	    ksync_cond_create(&s->room, NULL) ||
	    ksync_barrier_create(&s->barrier, &parties) ||
	    ksync_once_create(&s->once, NULL) ||
	    ksync_event_create(&s->event, &one_by_one) ||
	    ksync_event_create(&s->token, NULL) ||
	    ksync_event_create(&s->never, NULL))
		return false;
	s->mutex[0] = ksync_mutex_at(s->mutexes, 0);
	s->mutex[1] = ksync_mutex_at(s->mutexes, 1);
	s->mutex[2] = s->fifo;
	s->mutex[SHOP] = ksync_mutex_at(s->mutexes, 2);
	s->undoing = ksync_mutex_at(s->mutexes, 3);
	for (i = 0; i < RWLOCKS; i++)
		s->rwlock[i] = ksync_rwlock_at(s->rwlocks, i);
	for (i = 0; i < SEMS; i++)
		s->sem[i] = ksync_sem_at(s->sems, i);
	for (i = 0; i < WORKERS; i++)
		s->wg[i] = ksync_waitgroup_at(s->wgs, i);
	return true;
}

static void storm_destroy(struct storm *s)
{
	ksync_mutex_close(s->mutexes);
	ksync_mutex_close(s->fifo);
	ksync_rwlock_close(s->rwlocks);
	ksync_sem_close(s->sems);
	ksync_waitgroup_close(s->wgs);
	ksync_cond_close(s->cond);
	ksync_cond_close(s->goods);
	ksync_cond_close(s->room);
	ksync_barrier_close(s->barrier);
	ksync_once_close(s->once);
	ksync_event_close(s->event);
	ksync_event_close(s->token);
	ksync_event_close(s->never);
}

struct supervisor {
	struct storm *s;
	pid_t pid[WORKERS];
	uint64_t random;
	unsigned int kills, parades;
	struct barrier_watch barrier;
};

static void spawn(struct supervisor *v, int i)
{
	struct slot *slot = &v->s->slot[i];

	slot->random = next_random(&v->random) | 1;
	slot->passed = get(&v->s->parade);
	slot->skipped = false;
	slot->on_parade = false;
	slot->stage = NO_MEMBER;
	slot->member = STRANGER;
	set(&slot->place, ELSEWHERE);
	memset(slot->reading, 0, sizeof(slot->reading));
	memset(slot->busy, 0, sizeof(slot->busy));
	memset(slot->permits, 0, sizeof(slot->permits));
	count(&slot->version);
	set(&slot->id, slot->id ? slot->id + 256 : i + 1);
	set(&slot->dying, 0);
	v->pid[i] = fork_child();
	if (!v->pid[i])
		work_until_stopped(v->s, slot);
	if (v->pid[i] < 0)
		violation(v->s, "fork: %s", strerror(errno));
}

/* What is the supervisor's to do for those who wait, for so long. */
static void tend(struct supervisor *v, uint64_t ns)
{
	uint64_t end = now_ns() + ns, now;

	do {
		tend_events(v->s, next_random(&v->random));
		tend_barrier(v->s, &v->barrier);
		now = now_ns();
		if (now < end)
			sleep_ns(end - now < NSEC_PER_MSEC ? end - now :
							     NSEC_PER_MSEC);
	} while (now < end);
}

/*
 * The group of a worker that was killed comes back to zero. One that was added
 * and not yet bound is the supervisor's to take away: nobody else can know.
 */
static void settle_group(struct supervisor *v, int i)
{
	struct storm *s = v->s;
	struct ksync_waitgroup *wg = s->wg[i];
	uint64_t patience = (ksync_guarantees() & KSYNC_G_PROMPT ? 1 : 2000) *
			    NSEC_PER_MSEC;
	uint64_t until = now_ns() + patience;
	uint32_t stage = s->slot[i].stage;
	int err;

	if (stage == ADDING) {
		while (wg_status(wg).value && now_ns() < until)
			tend(v, NSEC_PER_MSEC);
		if (wg_status(wg).value)
			ksync_waitgroup_add(wg, -1);
	}
	err = ksync_waitgroup_wait_until(wg, within(s->bound_ms));
	if (err && err != -EOWNERDEAD)
		violation(s, "wait group %d: %s after its member died", i,
			  ksync_strerror(err));
	else if (stage == BOUND &&
		 (err != -EOWNERDEAD || ksync_waitgroup_lost(wg) != 1))
		violation(s, "wait group %d: lost %u in the round in which its member died (%s)",
			  i, ksync_waitgroup_lost(wg), ksync_strerror(err));
}

static void kill_one(struct supervisor *v)
{
	int i = next_random(&v->random) % WORKERS, k;
	struct slot *slot = &v->s->slot[i];

	set(&slot->dying, 1);
	kill(v->pid[i], SIGKILL);
	waitpid(v->pid[i], NULL, 0);
	v->kills++;
	for (k = 0; k < TREASURES; k++) {
		struct treasure *t = &v->s->treasure[k];

		t->perhaps += slot->busy[k];
		t->surely += slot->busy[k] && get(&t->owner) == slot->id;
	}
	party_died(&v->barrier, slot);
	settle_group(v, i);
	spawn(v, i);
}

static void kill_some(struct supervisor *v)
{
	uint64_t scale = machine_is_slow() ? 40 * NSEC_PER_MSEC :
					     4 * NSEC_PER_MSEC;
	int n;

	for (n = 0; n < 40 && !get(&v->s->stopping); n++) {
		tend(v, next_random(&v->random) % scale);
		kill_one(v);
	}
}

static bool is_calm(struct supervisor *v)
{
	return shop_is_quiet(v->s) && barrier_is_calm(v->s, &v->barrier);
}

/*
 * Nobody is killed, and nobody begins to wait for what others have to do: what
 * is not right by itself now is not going to be.
 */
static void keep_calm(struct supervisor *v)
{
	uint64_t until = now_ns() + v->s->calm_ms * NSEC_PER_MSEC;

	set(&v->s->calm, 1);
	look_into_shop(v->s);
	while (!get(&v->s->stopping) && !is_calm(v)) {
		tend(v, NSEC_PER_MSEC);
		if (now_ns() < until)
			continue;
		if (!shop_is_quiet(v->s))
			shop_is_stuck(v->s);
		else if (!v->barrier.member_died)
			barrier_is_stuck(v->s);
	}
	set(&v->s->calm, 0);
}

/* Nobody is killed, and everybody gets everything: nothing is stuck. */
static void hold_parade(struct supervisor *v)
{
	uint64_t until = now_ns() + 8ULL * v->s->bound_ms * NSEC_PER_MSEC;
	uint32_t number;
	int i;

	keep_calm(v);
	number = count(&v->s->parade);
	for (i = 0; i < WORKERS && !get(&v->s->stopping); i++) {
		while (get(&v->s->slot[i].passed) != number &&
		       !get(&v->s->stopping)) {
			tend(v, NSEC_PER_MSEC);
			if (now_ns() > until)
				violation(v->s, "worker %#x makes no progress",
					  v->s->slot[i].id);
		}
	}
	check_rounds(v->s, &v->barrier);
	v->parades++;
}

/* Those who wait for others, who may be gone. */
static void release_workers(struct supervisor *v)
{
	tend(v, NSEC_PER_MSEC);
	ksync_barrier_reset(v->s->barrier);
	ksync_cond_broadcast(v->s->goods);
	ksync_cond_broadcast(v->s->room);
}

static void end_workers(struct supervisor *v)
{
	uint64_t until = now_ns() + 2ULL * v->s->bound_ms * NSEC_PER_MSEC;
	int i;

	set(&v->s->stopping, 1);
	for (i = 0; i < WORKERS; i++) {
		while (v->pid[i] > 0 && !waitpid(v->pid[i], NULL, WNOHANG) &&
		       !v->s->violated) {
			release_workers(v);
			if (now_ns() > until)
				violation(v->s, "worker %#x does not end",
					  v->s->slot[i].id);
		}
		if (v->pid[i] > 0 && v->s->violated) {
			kill(v->pid[i], SIGKILL);
			waitpid(v->pid[i], NULL, 0);
		}
	}
}

/* Nobody is left: everything is free, whole and counted. */
static void check_end(struct supervisor *v)
{
	struct storm *s = v->s;
	struct slot *me = &s->slot[WORKERS];
	struct ksync_status st;
	int k;

	for (k = 0; k < TREASURES; k++) {
		struct treasure *t = &s->treasure[k];

		write_once(s, me, k, MUST);
		st = is_rwlock(k) ? rwlock_status(s->rwlock[k - MUTEXES]) :
				    mutex_status(s->mutex[k]);
		if (st.flags || st.held || st.readers || st.waiters ||
		    st.waiters_shared)
			violation(s, "lock %d: flags %u held %u readers %u waiters %u+%u at the end",
				  k, st.flags, st.held, st.readers, st.waiters,
				  st.waiters_shared);
		if (t->reports > t->perhaps)
			violation(s, "lock %d: %u deaths reported, at most %u happened",
				  k, t->reports, t->perhaps);
		if (st.deaths > t->perhaps || st.deaths < t->surely)
			violation(s, "lock %d: %u deaths counted, between %u and %u happened",
				  k, st.deaths, t->surely, t->perhaps);
	}
	for (k = 0; k < SEMS; k++) {
		if (ksync_sem_acquire_until(s->sem[k], PERMITS,
					    within(s->bound_ms)) ||
		    ksync_sem_release(s->sem[k], PERMITS) ||
		    ksync_sem_value(s->sem[k]) != PERMITS ||
		    sem_status(s->sem[k]).waiters)
			violation(s, "semaphore %d: %d permits at the end", k,
				  ksync_sem_value(s->sem[k]));
	}
	for (k = 0; k < WORKERS; k++) {
		st = wg_status(s->wg[k]);
		if (st.value || st.waiters_shared)
			violation(s, "wait group %d: %u members, %u waiters at the end",
				  k, st.value, st.waiters_shared);
	}
	check_barrier_end(s, &v->barrier);
	check_shop_end(s);
}

static void print_sum(struct supervisor *v)
{
	unsigned int reports = 0, perhaps = 0, surely = 0;
	uint64_t ops = 0;
	int i;

	for (i = 0; i < WORKERS; i++)
		ops += v->s->slot[i].ops;
	for (i = 0; i < TREASURES; i++) {
		reports += v->s->treasure[i].reports;
		perhaps += v->s->treasure[i].perhaps;
		surely += v->s->treasure[i].surely;
	}
	printf("# %u kills, %llu operations, %u parades; died inside a lock: %u to %u, reported: %u\n",
	       v->kills, (unsigned long long)ops, v->parades, surely, perhaps,
	       reports);
	printf("# %u trades, %u runs completed, %u events, %u waits cancelled; barrier: passed %u times, broken %u times\n",
	       v->s->trades, v->s->completions, v->s->sets / 2,
	       v->s->cancelled, v->s->meetings, v->s->breaks);
	fflush(stdout);
}

/* Returns what the oracle has to say, NULL for nothing. */
static const char *run_storm(enum broken broken, uint64_t ms)
{
	static char verdict[sizeof(((struct storm *)0)->violation)];
	struct supervisor v = { .random = test_seed() };
	uint64_t until = now_ns() + ms * NSEC_PER_MSEC;
	struct storm *s = shared_memory(sizeof(*s));
	int i;

	v.s = s;
	s->broken = broken;
	s->cancels = ksync_guarantees() & KSYNC_G_CANCEL;
	s->bound_ms = machine_is_slow() ? 20000 : 5000;
	s->calm_ms = s->bound_ms / (broken ? 8 : 2);
	/* The oracle has to wait this long to see it. */
	if (broken == SLEEPS_ON || broken == LOSES_SETS ||
	    broken == IGNORES_CANCEL)
		s->bound_ms /= 4;
	if (!storm_create(s))
		return "could not make the objects";
	s->slot[WORKERS].id = WORKERS + 1;
	s->slot[WORKERS].random = next_random(&v.random) | 1;
	s->slot[WORKERS].on_parade = true;
	for (i = 0; i < WORKERS; i++)
		spawn(&v, i);
	while (!get(&s->stopping) && now_ns() < until) {
		kill_some(&v);
		hold_parade(&v);
	}
	end_workers(&v);
	if (!s->violated)
		check_end(&v);
	print_sum(&v);
	strcpy(verdict, s->violation);
	if (!s->violated)
		storm_destroy(s);
	return *verdict ? verdict : NULL;
}

static bool can_storm(void)
{
	return !missing_guarantees(KSYNC_G_PROCESS_DEATH | KSYNC_G_BIND_SELF);
}

/* The timeouts are for storms of hours; a wait that hangs ends with its bound. */
FIXTURE(storm) {
};

FIXTURE_SETUP(storm)
{
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH | KSYNC_G_BIND_SELF);
}

FIXTURE_TEARDOWN(storm)
{
}

TEST_F_TIMEOUT(storm, kill_any_process_at_any_time, 100000)
{
	const char *seconds = getenv("KSYNC_STORM_SECONDS");
	const char *found = run_storm(SOUND, 1000ULL * atoi(seconds ?: "15"));

	EXPECT_EQ(NULL, found)
		TH_LOG("%s", found);
}

FIXTURE(oracle) {
};

FIXTURE_VARIANT(oracle) {
	enum broken broken;
	const char *says[6];
};

#include "storm_broken.h"

/* What the oracle sees does not depend on the machine: a fast one does. */
FIXTURE_SETUP(oracle)
{
	if (machine_is_slow() && !run_is_deep())
		SKIP(SKIP_ALL, "tried on the host; here with KSYNC_DEEP=1");
	/* Few signals are not made up for by the next one. */
	if (machine_is_slow() && variant->broken == TAKES_SIGNALS_ALONG)
		SKIP(SKIP_ALL, "tried on the host: it takes a fast machine");
	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_PROCESS_DEATH | KSYNC_G_BIND_SELF);
	if (variant->broken == CANCELS_UNASKED ||
	    variant->broken == IGNORES_CANCEL)
		REQUIRE(KSYNC_G_CANCEL);
}

FIXTURE_TEARDOWN(oracle)
{
}

/* A deliberately broken implementation: within seconds it has seen it, mostly. */
TEST_F_TIMEOUT(oracle, catches_broken, 120)
{
	const char *found;
	bool right = false;
	int i;

	found = run_storm(variant->broken, 60000);
	printf("# caught: %s\n", found ?: "nothing");
	ASSERT_NE(NULL, found);
	for (i = 0; i < ARRAY_SIZE(variant->says) && !right; i++)
		right = variant->says[i] && strstr(found, variant->says[i]);
	EXPECT_TRUE(right);
}

int main(int argc, char **argv)
{
	const char *found;

	if (argc != 3 || strcmp(argv[1], "--broken"))
		return test_harness_run(argc, argv);
	if (ksync_available() || !can_storm())
		return KSFT_SKIP;
	found = run_storm(atoi(argv[2]), 60000);
	printf("%s\n", found ?: "not caught");
	return found ? KSFT_PASS : KSFT_FAIL;
}
