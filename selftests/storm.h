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

#include "ksync_selftest.h"

#define WORKERS	8
#define MUTEXES	3
#define RWLOCKS	2
#define LOCKS	(MUTEXES + RWLOCKS)	/* the rwlocks behind the mutexes */
#define SEMS	2
#define PERMITS	3

/* On purpose wrong, to show that the oracle sees it. */
enum broken {
	SOUND,
	LOCKS_WITHOUT_LOCKING,
	READS_WITHOUT_LOCKING,
	TAKES_WITHOUT_PERMIT,
	HIDES_DEATHS,
	SLEEPS_ON,
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
	uint32_t reading[LOCKS]; /* after rdlock, until before unlock */
	uint32_t busy[LOCKS];	/* before locking until after unlocking */
	uint32_t stage;		/* enum member_stage, of its wait group */
	uint32_t passed;	/* the last parade in which it got everything */
	uint64_t ops;
	/* The worker's own. */
	uint64_t random;
	bool skipped;		/* broken on purpose: holds nothing */
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
	struct slot slot[WORKERS];
	struct treasure treasure[LOCKS];
	uint32_t parade;	/* each worker is to get everything once */
	uint32_t stopping;
	uint32_t violated;
	char violation[256];

	/* Set before the workers begin. */
	enum broken broken;
	unsigned int bound_ms;	/* for every wait */
	struct ksync_mutex *mutexes, *fifo, *mutex[MUTEXES];
	struct ksync_rwlock *rwlocks, *rwlock[RWLOCKS];
	struct ksync_sem *sems, *sem[SEMS];
	struct ksync_waitgroup *wgs, *wg[WORKERS];
	struct ksync_cond *cond;
	struct ksync_once *once;
	uint32_t runner;	/* who says that it runs the once */
};

#define get(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define set(p, v)	__atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define count(p)	__atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST)

/* Notes the first violation and ends the storm. */
static inline void __attribute__((format(printf, 2, 3)))
violation(struct storm *s, const char *format, ...)
{
	uint32_t none = 0;
	va_list args;

	if (!__atomic_compare_exchange_n(&s->violated, &none, 1, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
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
