/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The storm's once. Runs have numbers, which they complete with: a result is of
 * a run that was completed, and not older than one that was known before. Who
 * runs it does so alone, and after a reset of what was done before. Resets are
 * made with a mutex, so that each is known to be of one run.
 */
#ifndef KSYNC_SELFTEST_STORM_ONCE_H
#define KSYNC_SELFTEST_STORM_ONCE_H

#include "storm_lock.h"

static inline void check_result(struct storm *s, struct slot *me,
				uint32_t known, uint64_t result)
{
	uint32_t offered = get(&s->offered[result % LATEST]);

	if (result < known)
		violation(s, "once: %#x gets the result %llu after %u", me->id,
			  (unsigned long long)result, known);
	else if (!result || offered < result)
		violation(s, "once: %#x gets the result %llu of no run", me->id,
			  (unsigned long long)result);
}

static inline int begin(struct storm *s, struct slot *me, uint64_t *result,
			enum patience how)
{
	int err;

	if (s->broken == RUNS_UNASKED && !dice(me, 10))
		return 0;
	err = ksync_once_begin_until(s->once, result, wait_for(s, me, how));
	if (s->broken == MIXES_RESULTS && err == -EALREADY)
		*result -= dice(me, 2);
	return err;
}

/* Only with the mutex, so while we look it stays done. */
static inline void undo_locked(struct storm *s, struct slot *me)
{
	uint64_t result;
	int err;

	if (!(once_status(s->once).flags & KSYNC_IS_DONE))
		return;
	err = ksync_once_begin_until(s->once, &result, within(s->bound_ms));
	if (err != -EALREADY) {
		violation(s, "once: done, and %#x gets %s", me->id,
			  ksync_strerror(err));
		return;
	}
	raise_to(&s->undone, result);
	err = ksync_once_reset(s->once);
	if (err)
		violation(s, "once: done, and reset says %s",
			  ksync_strerror(err));
}

static inline void undo(struct storm *s, struct slot *me)
{
	int err = ksync_mutex_trylock(s->undoing);

	if (err == -EBUSY)
		return;
	if (err == -EOWNERDEAD)
		err = ksync_mutex_consistent(s->undoing);
	if (!err) {
		undo_locked(s, me);
		err = ksync_mutex_unlock(s->undoing);
	}
	if (err)
		violation(s, "the mutex of the once: %s", ksync_strerror(err));
}

/* Nobody runs it beside another, or after a dead one without being told. */
static inline void check_run(struct storm *s, struct slot *me, int err)
{
	uint32_t other = get(&s->runner), done = get(&s->done);

	if (other && surely_alive(s, other))
		violation(s, "once: run by %#x and %#x", me->id, other);
	else if (other && !err)
		violation(s, "once: %#x was not told that %#x died", me->id,
			  other);
	if (done > get(&s->undone))
		violation(s, "once: %#x runs it though run %u was the last",
			  me->id, done);
}

static inline void run(struct storm *s, struct slot *me)
{
	uint32_t number = count(&s->runs);
	bool completes = dice(me, 2);
	int err;

	set(&s->runner, me->id);
	dawdle(me);
	if (get(&s->runner) != me->id)
		violation(s, "once: %#x came in to %#x", get(&s->runner),
			  me->id);
	if (completes)
		set(&s->offered[number % LATEST], number);
	set(&s->runner, 0);
	if (completes)
		err = ksync_once_complete(s->once, number);
	else
		err = ksync_once_abandon(s->once);
	if (err)
		violation(s, "once: its end by %#x says %s", me->id,
			  ksync_strerror(err));
	if (completes) {
		raise_to(&s->done, number);
		s->completions++;
	}
}

static inline void run_it(struct storm *s, struct slot *me, enum patience how)
{
	uint32_t known = get(&s->done);
	uint64_t result = 0;
	int err;

	if (how == TRY)
		how = SHORTLY;
	err = begin(s, me, &result, how);
	if (err == -EALREADY) {
		check_result(s, me, known, result);
		if (dice(me, 2))
			undo(s, me);
	} else if (!gave_up(s, me, how, err, "once", 0)) {
		check_run(s, me, err);
		run(s, me);
	}
}

#endif /* KSYNC_SELFTEST_STORM_ONCE_H */
