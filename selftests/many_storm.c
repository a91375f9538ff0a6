// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that wait for one of several, for all of several, or for one, at
 * random, and are killed at random: each lock has one holder, who is told of the
 * one that died with it; no permit is lost or doubled; and nobody is stuck.
 *
 *	KSYNC_ROUNDS_MS		a quarter of how long (500)
 *	KSYNC_SEED		to choose the same things again
 */
#include "actor.h"
#include "all_processors.h"

#define WORKERS		5
#define LOCKS		5	/* two mutexes, a FIFO one, two rwlocks */
#define FIRST_RWLOCK	3
#define SEM		LOCKS
#define EVENT		(LOCKS + 1)
#define KINDS		(LOCKS + 2)
#define PERMITS		3
#define MOST		4	/* items at a time */
#define BOUND_MS	(machine_is_slow() ? 25000 : 8000)

/*
 * A worker. What it says of itself holds unless it is dying.
 *
 * busy		it wants the lock, has it, or lets go
 * reading, permits	what it has
 * turns	grows before permits change
 */
struct slot {
	uint32_t id;
	uint32_t dying;
	uint64_t random;
	uint32_t busy[LOCKS];
	uint32_t reading[LOCKS];
	uint32_t permits, turns;
	uint64_t taken, timeouts;
};

struct many {
	struct ksync_mutex *mutexes, *fifo;
	struct ksync_rwlock *rwlocks;
	struct ksync_sem *sem;
	struct ksync_event *event;
	uint32_t owner[LOCKS];		/* id of who writes */
	uint32_t reports[LOCKS], perhaps[LOCKS];
	struct slot slot[WORKERS];
	uint32_t stop;
	char violation[160];
};

#define get(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define set(x, to)	__atomic_store_n(&(x), to, __ATOMIC_SEQ_CST)

static void violation(struct many *m, const char *format, ...)
{
	va_list args;

	if (*m->violation)
		return;
	va_start(args, format);
	vsnprintf(m->violation, sizeof(m->violation), format, args);
	va_end(args);
	set(m->stop, 1);
}

static uint32_t dice(struct slot *me, uint32_t sides)
{
	return next_random(&me->random) % sides;
}

/* Is there a worker of this id that is not about to die? */
static bool is_alive(struct many *m, uint32_t id)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (get(m->slot[i].id) == id)
			return !get(m->slot[i].dying) &&
			       get(m->slot[i].id) == id;
	return false;
}

static struct ksync_mutex *mutex_at(struct many *m, int k)
{
	return k == 2 ? m->fifo : ksync_mutex_at(m->mutexes, k);
}

static struct ksync_rwlock *rwlock_at(struct many *m, int k)
{
	return ksync_rwlock_at(m->rwlocks, k - FIRST_RWLOCK);
}

static struct ksync_item make_item(struct many *m, struct slot *me, int k)
{
	struct ksync_item item = { .take = KSYNC_TAKE_MUTEX };

	if (k == EVENT) {
		item.take = KSYNC_TAKE_EVENT;
		item.event = m->event;
	} else if (k == SEM) {
		item.take = KSYNC_TAKE_PERMITS;
		item.count = 1 + dice(me, 2);
		item.sem = m->sem;
	} else if (k >= FIRST_RWLOCK) {
		item.take = dice(me, 2) ? KSYNC_TAKE_READ : KSYNC_TAKE_WRITE;
		item.rwlock = rwlock_at(m, k);
	} else {
		item.mutex = mutex_at(m, k);
	}
	return item;
}

static void check_readers(struct many *m, struct slot *me, int k)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (&m->slot[i] != me && get(m->slot[i].reading[k]) &&
		    !get(m->slot[i].dying) && get(m->slot[i].reading[k]))
			violation(m, "lock %d: written and read at once", k);
}

static void say_permits(struct slot *me, uint32_t permits)
{
	set(me->turns, me->turns + 1);
	set(me->permits, permits);
}

/* At a moment when nobody's changed, who then lived. */
static void check_permits(struct many *m)
{
	uint32_t turns[WORKERS], sum = 0;
	int i;

	for (i = 0; i < WORKERS; i++) {
		turns[i] = get(m->slot[i].turns);
		sum += get(m->slot[i].permits);
	}
	for (i = 0; i < WORKERS; i++)
		if (get(m->slot[i].turns) != turns[i] ||
		    get(m->slot[i].dying))
			return;
	if (sum > PERMITS)
		violation(m, "%u permits", sum);
}

/* What came of it: told if, and only if, somebody died in the middle of it. */
static void check_owner(struct many *m, int k, int result)
{
	uint32_t owner = get(m->owner[k]);

	if (owner && (!result || is_alive(m, owner)))
		violation(m, "lock %d: result %d, and %#x is at it (%s)", k,
			  result, owner, is_alive(m, owner) ? "alive" : "dead");
}

static void enter(struct many *m, struct slot *me, int k,
		  const struct ksync_item *item)
{
	me->taken++;
	if (k == SEM) {
		say_permits(me, item->count);
		check_permits(m);
		return;
	}
	if (k == EVENT)
		return;
	check_owner(m, k, item->result);
	if (item->take == KSYNC_TAKE_READ) {
		set(me->reading[k], 1);
		return;
	}
	set(m->owner[k], me->id);
	check_readers(m, me, k);
	if (item->result != -EOWNERDEAD)
		return;
	__atomic_fetch_add(&m->reports[k], 1, __ATOMIC_SEQ_CST);
	if (k < FIRST_RWLOCK ? ksync_mutex_consistent(item->mutex) :
			       ksync_rwlock_consistent(item->rwlock))
		violation(m, "lock %d: not to be repaired", k);
}

static void leave(struct many *m, struct slot *me, int k,
		  const struct ksync_item *item)
{
	int err = 0;

	if (k == SEM) {
		say_permits(me, 0);
		err = ksync_sem_release(m->sem, item->count);
	} else if (k != EVENT && item->take == KSYNC_TAKE_READ) {
		set(me->reading[k], 0);
		err = ksync_rwlock_unlock(item->rwlock);
	} else if (k != EVENT) {
		if (get(m->owner[k]) != me->id)
			violation(m, "lock %d: taken from its holder", k);
		set(m->owner[k], 0);
		err = k < FIRST_RWLOCK ? ksync_mutex_unlock(item->mutex) :
					 ksync_rwlock_unlock(item->rwlock);
	}
	if (err)
		violation(m, "%d: cannot be given back: %s", k,
			  ksync_strerror(err));
}

static void dawdle(struct slot *me)
{
	uint64_t until = now_ns() + dice(me, dice(me, 4) ? 20000 : 800000);

	if (!dice(me, 8))
		sched_yield();
	while (now_ns() < until)
		;
}

/* Different ones, in any order; how many. */
static uint32_t choose(struct slot *me, int *k)
{
	int all[KINDS], i, j, nr = 1 + dice(me, MOST);

	for (i = 0; i < KINDS; i++)
		all[i] = i;
	for (i = 0; i < nr; i++) {
		j = i + dice(me, KINDS - i);
		k[i] = all[j];
		all[j] = all[i];
	}
	return nr;
}

static void one_turn(struct many *m, struct slot *me)
{
	uint32_t ms = dice(me, 3) ? BOUND_MS : dice(me, 3), index;
	struct timespec deadline = at_ns(now_ns() + ms * NSEC_PER_MSEC);
	struct ksync_wait w = { .deadline = &deadline };
	bool all = dice(me, 2);
	struct ksync_item items[MOST];
	int k[MOST], i, nr = choose(me, k), err;

	for (i = 0; i < nr; i++) {
		items[i] = make_item(m, me, k[i]);
		if (k[i] < LOCKS)
			set(me->busy[k[i]], 1);
	}
	err = all ? ksync_wait_all(items, nr, &w) :
		    ksync_wait_any(items, nr, &w, &index);
	if (err == -ETIMEDOUT && ms != BOUND_MS)
		me->timeouts++;
	else if (err && err != -EOWNERDEAD)
		violation(m, "%s of %d: %s", all ? "all" : "any", nr,
			  ksync_strerror(err));
	for (i = 0; i < nr; i++)
		if (items[i].result != -EBUSY)
			enter(m, me, k[i], &items[i]);
	dawdle(me);
	for (i = nr; i-- > 0; )
		if (items[i].result != -EBUSY)
			leave(m, me, k[i], &items[i]);
	memset(me->busy, 0, sizeof(me->busy));
}

static void spawn(struct many *m, pid_t *pid, int i, uint64_t random)
{
	struct slot *slot = &m->slot[i];
	uint32_t id = slot->id ? slot->id + 256 : i + 1;

	memset(slot->busy, 0, sizeof(slot->busy));
	memset(slot->reading, 0, sizeof(slot->reading));
	say_permits(slot, 0);
	slot->random = random | 1;
	set(slot->id, id);
	set(slot->dying, 0);
	*pid = fork_child();
	if (*pid)
		return;
	while (!get(m->stop))
		one_turn(m, slot);
	_exit(0);
}

static void kill_one(struct many *m, pid_t *pid, uint64_t random)
{
	int i = random % WORKERS, k;

	set(m->slot[i].dying, 1);
	kill(pid[i], SIGKILL);
	waitpid(pid[i], NULL, 0);
	for (k = 0; k < LOCKS; k++)
		m->perhaps[k] += m->slot[i].busy[k];
	spawn(m, &pid[i], i, random >> 8);
}

/* Nobody is left: all is free and counted. */
static void check_end(struct many *m)
{
	struct ksync_status st;
	struct ksync_item item;
	int k, err;

	for (k = 0; k < LOCKS; k++) {
		item = (struct ksync_item){ .take = KSYNC_TAKE_MUTEX };
		if (k < FIRST_RWLOCK) {
			item.mutex = mutex_at(m, k);
		} else {
			item.take = KSYNC_TAKE_WRITE;
			item.rwlock = rwlock_at(m, k);
		}
		err = ksync_wait_any(&item, 1, within(BOUND_MS), NULL);
		if (err && err != -EOWNERDEAD)
			violation(m, "lock %d at the end: %s", k,
				  ksync_strerror(err));
		if (!err && get(m->owner[k]))
			violation(m, "lock %d: nobody was told of the last death",
				  k);
		m->reports[k] += err == -EOWNERDEAD;
		if (m->reports[k] > m->perhaps[k])
			violation(m, "lock %d: %u deaths reported, at most %u happened",
				  k, m->reports[k], m->perhaps[k]);
		st = k < FIRST_RWLOCK ? mutex_status(item.mutex) :
					rwlock_status(item.rwlock);
		if (st.waiters || st.waiters_shared || st.readers)
			violation(m, "lock %d: %u + %u waiters and %u readers at the end",
				  k, st.waiters, st.waiters_shared, st.readers);
	}
	if (ksync_sem_acquire_until(m->sem, PERMITS, within(BOUND_MS)) ||
	    ksync_sem_release(m->sem, PERMITS) ||
	    ksync_sem_value(m->sem) != PERMITS ||
	    sem_status(m->sem).waiters)
		violation(m, "%d permits at the end", ksync_sem_value(m->sem));
}

static int create(struct many *m)
{
	struct ksync_options two = { .nr = 2 };
	struct ksync_options fifo = { .flags = KSYNC_FIFO };
	struct ksync_options reset = { .flags = KSYNC_AUTO_RESET };
	struct ksync_options permits = {
		.flags = KSYNC_TRACKED, .value = PERMITS, .max = PERMITS,
	};

	return ksync_mutex_create(&m->mutexes, &two) ?:
	       ksync_mutex_create(&m->fifo, &fifo) ?:
	       ksync_rwlock_create(&m->rwlocks, &two) ?:
	       ksync_sem_create(&m->sem, &permits) ?:
	       ksync_event_create(&m->event, &reset);
}

TEST(many_storm)
{
	uint64_t random = test_seed(), until, taken = 0, timeouts = 0, end;
	struct many *m = shared_memory(sizeof(*m));
	uint32_t kills = 0, reports = 0, perhaps = 0;
	pid_t pid[WORKERS];
	int i;

	REQUIRE_BACKEND();
	REQUIRE(KSYNC_G_MANY | KSYNC_G_PROCESS_DEATH);
	ASSERT_EQ(0, create(m));
	for (i = 0; i < WORKERS; i++)
		spawn(m, &pid[i], i, next_random(&random));
	until = now_ns() + 4 * rounds_ns();
	while (!get(m->stop) && now_ns() < until) {
		sleep_ns(next_random(&random) % (4 * NSEC_PER_MSEC));
		ksync_event_set(m->event);
		if (next_random(&random) % 2)
			continue;
		kill_one(m, pid, next_random(&random));
		kills++;
	}
	set(m->stop, 1);
	end = now_ns() + 2 * BOUND_MS * NSEC_PER_MSEC;
	for (i = 0; i < WORKERS; i++) {
		while (!waitpid(pid[i], NULL, WNOHANG) && now_ns() < end) {
			ksync_event_set(m->event);
			sleep_ms(1);
		}
		kill(pid[i], SIGKILL);
		taken += m->slot[i].taken;
		timeouts += m->slot[i].timeouts;
	}
	EXPECT_GT(end, now_ns());
	if (!*m->violation)
		check_end(m);
	for (i = 0; i < LOCKS; i++) {
		reports += m->reports[i];
		perhaps += m->perhaps[i];
	}
	printf("# %u kills; %llu taken, %llu times nothing in time; died at a lock: up to %u, reported: %u\n",
	       kills, (unsigned long long)taken, (unsigned long long)timeouts,
	       perhaps, reports);
	EXPECT_STREQ("", m->violation);
}

TEST_HARNESS_MAIN
