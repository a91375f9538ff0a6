/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kill storm's shared memory, and the oracle that watches over it.
 *
 * Workers are killed at any instant, so the oracle knows only what the living
 * wrote down before. Each rule is such that it holds however a kill falls
 * between a step and the note of it; the comments say why.
 */
#ifndef KSYNC_SELFTEST_STORM_H
#define KSYNC_SELFTEST_STORM_H

#include <stdarg.h>

#include "rendezvous.h"

#define WORKERS	8
#define MUTEXES	3
#define RWLOCKS	2
#define LOCKS	(MUTEXES + RWLOCKS)	/* the rwlocks behind the mutexes */
#define SHOP	LOCKS			/* and the shop's mutex behind all */
#define TREASURES (LOCKS + 1)
#define SEMS	2
#define PERMITS	3
#define PARTIES	3
#define ROOM	4	/* for goods */
#define LATEST	1024	/* of those that are numbered, so many are known */

/* On purpose wrong, to show that the oracle sees it. */
enum broken {
	SOUND,
	LOCKS_WITHOUT_LOCKING,
	READS_WITHOUT_LOCKING,
	TAKES_WITHOUT_PERMIT,
	HIDES_DEATHS,
	SLEEPS_ON,
	/* Of barriers. */
	COMES_BACK_EARLY,
	HIDES_BREAKS,
	IS_ALWAYS_SERIAL,
	REMAINS_STRANGER,
	/* Of conditions. */
	TAKES_SIGNALS_ALONG,
	WAKES_WITHOUT_MUTEX,
	/* Of once. */
	RUNS_UNASKED,
	MIXES_RESULTS,
	/* Of events, also of those that cancel. */
	PASSES_WITHOUT_SET,
	LOSES_SETS,
	CANCELS_UNASKED,
	IGNORES_CANCEL,
};

/* Where a worker waits for others, or may. */
enum place {
	ELSEWHERE,
	AT_BARRIER,
	SELLS,
	SELLS_ASLEEP,	/* at the condition, for room */
	BUYS,
	BUYS_ASLEEP,	/* likewise, for goods */
	AT_EVENT,
	AT_NEVER,	/* at the event that is never set */
};

enum membership {
	STRANGER,
	JOINING,	/* perhaps a member */
	JOINED,
};

enum member_stage {
	NO_MEMBER,
	ADDING,		/* perhaps added, perhaps bound */
	BOUND,		/* both, and done was not called */
	LEAVING,	/* done was called, perhaps with effect */
};

/* Of one worker; written by it, and by the supervisor while it is dead. */
struct slot {
	uint32_t id;		/* index + 1, and 256 * incarnation */
	uint32_t dying;		/* set before the kill is sent */
	uint32_t version;	/* of @permits */
	uint32_t permits[SEMS];	/* after acquire, until before release */
	uint32_t reading[TREASURES]; /* after rdlock, until before unlock */
	uint32_t busy[TREASURES]; /* before locking until after unlocking */
	uint32_t stage;		/* enum member_stage, of its wait group */
	uint32_t passed;	/* the last parade in which it got everything */
	uint32_t place;		/* enum place */
	uint32_t round;		/* of the barrier, before it came there */
	uint32_t member;	/* enum membership */
	uint64_t ops;
	/* The worker's own. */
	uint64_t random;
	bool skipped;		/* broken on purpose: holds nothing */
	bool on_parade;
	bool cancels;		/* its last wait could be cancelled... */
	uint32_t turn;		/* ...and storm.turn before it */
} __attribute__((aligned(64)));

/* What a lock protects. */
struct treasure {
	uint32_t owner;		/* id; after locking, until before unlocking */
	uint64_t token;
	uint64_t left, right;	/* equal when nobody is inside */
	uint32_t reports;	/* -EOWNERDEAD given to writers */
	/* The supervisor's count of workers that died... */
	uint32_t perhaps;	/* ...between before locking and after */
	uint32_t surely;	/* ...while the owner was written down */
} __attribute__((aligned(64)));

struct storm {
	struct slot slot[WORKERS + 1];	/* the last one is the supervisor's */
	struct treasure treasure[TREASURES];
	uint32_t parade;	/* each worker is to get everything once */
	uint32_t calm;		/* before it: nobody begins to trade or meet */
	uint32_t stopping;
	uint32_t violated;
	char violation[256];

	/* Set before the workers begin. */
	enum broken broken;
	unsigned int bound_ms;	/* for every wait */
	unsigned int calm_ms;	/* for all to be as it should, when it is calm */
	bool cancels;		/* the backend can do it */
	struct ksync_mutex *mutexes, *fifo, *mutex[TREASURES];
	struct ksync_rwlock *rwlocks, *rwlock[RWLOCKS];
	struct ksync_sem *sems, *sem[SEMS];
	struct ksync_waitgroup *wgs, *wg[WORKERS];
	struct ksync_cond *cond;

	/* The shop: goods, guarded by its mutex. */
	struct ksync_cond *goods, *room;
	uint32_t stock;

	struct ksync_barrier *barrier;
	uint32_t seen_broken;	/* somebody has */
	uint64_t round[LATEST];	/* the round's number, and what came of it */

	struct ksync_once *once;
	struct ksync_mutex *undoing;	/* who resets it has that */
	uint32_t runner;	/* who says that it runs the once */
	uint32_t runs;		/* so many have begun, each with a number */
	uint32_t offered[LATEST]; /* a number, before complete */
	uint32_t done;		/* the last number, after complete */
	uint32_t undone;	/* the last number, before reset */

	/* Set and reset by the supervisor only. */
	struct ksync_event *event;	/* auto-reset */
	uint32_t sets;		/* odd: from before it is set till it is not */
	uint64_t let_go[LATEST]; /* the number of a set, and who returned */
	struct ksync_event *token, *never;
	uint32_t turn;		/* odd: @token is set, or may be */

	/* For those who read the sum. */
	uint32_t cancelled, trades, completions, meetings, breaks;
};

#define get(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define set(p, v)	__atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define count(p)	__atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST)
#define swap(p, old, v)							\
	__atomic_compare_exchange_n(p, old, v, false, __ATOMIC_SEQ_CST,	\
				    __ATOMIC_SEQ_CST)

/* A number that only grows. */
static inline void raise_to(uint32_t *p, uint32_t v)
{
	uint32_t old = get(p);

	while (old < v && !swap(p, &old, v))
		;
}

/* Notes the first violation and ends the storm. */
static inline void __attribute__((format(printf, 2, 3)))
violation(struct storm *s, const char *format, ...)
{
	uint32_t none = 0;
	va_list args;

	if (!swap(&s->violated, &none, 1))
		return;
	va_start(args, format);
	vsnprintf(s->violation, sizeof(s->violation), format, args);
	va_end(args);
	set(&s->stopping, 1);
}

/*
 * False when it is dead or may be: the supervisor said so before it killed. In
 * this order: if the id is still the same after @dying was 0, that was not the
 * successor's.
 */
static inline bool surely_alive(struct storm *s, uint32_t id)
{
	struct slot *slot = &s->slot[(id & 255) - 1];

	return !get(&slot->dying) && get(&slot->id) == id;
}

/* Workers, also dead ones that are not replaced yet. */
static inline unsigned int how_many(struct storm *s, enum place a, enum place b)
{
	unsigned int i, n = 0;

	for (i = 0; i < WORKERS; i++) {
		enum place place = get(&s->slot[i].place);

		n += place == a || place == b;
	}
	return n;
}

/*
 * The caller has it exclusively now, by @err. Nobody else may be inside:
 *
 * - The last one left by the door: it took its name away before it unlocked.
 * - It was killed before it wrote its name or after it took it away: no name,
 *   and a report.
 * - It was killed in between: a name, of a dead one, and a report.
 */
static inline void check_alone(struct storm *s, struct slot *me, int k, int err,
			       uint64_t token)
{
	struct treasure *t = &s->treasure[k];
	uint32_t owner = get(&t->owner), i;

	if (err == -EOWNERDEAD)
		count(&t->reports);
	if (owner && surely_alive(s, owner))
		violation(s, "lock %d: %#x and %#x are both inside", k, me->id,
			  owner);
	else if (owner && !err)
		violation(s, "lock %d: %#x was not told that %#x died inside", k,
			  me->id, owner);
	set(&t->owner, me->id);
	if (token <= get(&t->token))
		violation(s, "lock %d: token %llu after %llu", k,
			  (unsigned long long)token,
			  (unsigned long long)get(&t->token));
	set(&t->token, token);
	for (i = 0; i < WORKERS; i++) {
		struct slot *other = &s->slot[i];
		uint32_t id = get(&other->id);

		if (other != me && get(&other->reading[k]) &&
		    surely_alive(s, id))
			violation(s, "lock %d: %#x writes while %#x reads", k,
				  me->id, id);
	}
	if (err == -EOWNERDEAD) {
		uint64_t left = get(&t->left), right = get(&t->right);

		left = left > right ? left : right;
		set(&t->left, left);
		set(&t->right, left);
	} else if (get(&t->left) != get(&t->right)) {
		violation(s, "lock %d: torn, %llu and %llu", k,
			  (unsigned long long)get(&t->left),
			  (unsigned long long)get(&t->right));
	}
}

/* The caller reads now, by @err. No writer may be inside. */
static inline void check_reading(struct storm *s, struct slot *me, int k,
				 int err)
{
	struct treasure *t = &s->treasure[k];
	uint32_t owner = get(&t->owner);

	if (owner && surely_alive(s, owner))
		violation(s, "lock %d: %#x reads while %#x writes", k, me->id,
			  owner);
	else if (!err && owner)
		violation(s, "lock %d: reader %#x was not told that %#x died", k,
			  me->id, owner);
	else if (!err && get(&t->left) != get(&t->right))
		violation(s, "lock %d: %#x reads torn data", k, me->id);
}

/*
 * The permits that the living have, if that can be told: all numbers were read
 * while none of them changed. Who takes one up after another laid it down, or
 * after another was killed, changed a version, or saw @dying set, before.
 */
static inline void check_permits(struct storm *s, int k)
{
	uint32_t version[WORKERS], sum = 0;
	int i;

	for (i = 0; i < WORKERS; i++)
		version[i] = get(&s->slot[i].version);
	for (i = 0; i < WORKERS; i++)
		sum += get(&s->slot[i].permits[k]);
	for (i = 0; i < WORKERS; i++)
		if (version[i] != get(&s->slot[i].version) ||
		    get(&s->slot[i].dying))
			return;
	if (sum > PERMITS)
		violation(s, "semaphore %d: %u of %u permits are out", k, sum,
			  PERMITS);
}

static inline void note_permits(struct slot *me, int k, uint32_t n)
{
	set(&me->permits[k], n);
	count(&me->version);
}

#endif /* KSYNC_SELFTEST_STORM_H */
