/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kill storm's workers do with locks, semaphores and wait groups, and
 * what all of their waits have in common.
 */
#ifndef KSYNC_SELFTEST_STORM_LOCK_H
#define KSYNC_SELFTEST_STORM_LOCK_H

#include "storm.h"

#define dice(me, sides) (next_random(&(me)->random) % (sides))

static inline bool is_rwlock(int k)
{
	return k >= MUTEXES && k < LOCKS;
}

/* Some of the time that work takes; now and then the CPU goes to another. */
static inline void dawdle(struct slot *me)
{
	uint64_t until;

	switch (dice(me, 16)) {
	case 0:
		sched_yield();
		break;
	case 1:
		sleep_ns(1000 * dice(me, 200));
		break;
	case 2: case 3: case 4: case 5:
		until = now_ns() + dice(me, 20000);
		while (now_ns() < until)
			;
		break;
	}
}

/* How long this one waits: the bound, or, unless it must, little or nothing. */
enum patience { MUST, TRY, SHORTLY };

static inline enum patience patience(struct slot *me)
{
	static const enum patience some[] = { MUST, MUST, MUST, TRY, SHORTLY };

	return some[dice(me, ARRAY_SIZE(some))];
}

/*
 * Half of the waits can be cancelled, but none of a parade, where everybody has
 * to get everything.
 */
static inline const struct ksync_wait *wait_for(struct storm *s,
						struct slot *me,
						enum patience how)
{
	static struct ksync_wait w;

	w = *within(how == MUST ? s->bound_ms : 1 + dice(me, 3));
	me->cancels = s->cancels && !me->on_parade && dice(me, 2);
	me->turn = get(&s->turn);
	if (me->cancels)
		w.cancel = s->token;
	return &w;
}

/* Was the event that cancels set at any time since wait_for()? */
static inline bool was_cancelled(struct storm *s, struct slot *me)
{
	return me->turn % 2 || get(&s->turn) != me->turn;
}

/* Lost its wake-up: with the bound it comes back, with empty hands. */
static inline int sleep_on(struct storm *s, struct slot *me, int err)
{
	if (s->broken != SLEEPS_ON || err != -EBUSY || dice(me, 20))
		return 0;
	sleep_ms(s->bound_ms);
	return -ETIMEDOUT;
}

static inline int lock_exclusively(struct storm *s, struct slot *me, int k,
				   enum patience how)
{
	const struct ksync_wait *w;
	int err;

	if (s->broken == LOCKS_WITHOUT_LOCKING && k != SHOP && !dice(me, 20)) {
		me->skipped = true;
		return 0;
	}
	if (is_rwlock(k)) {
		struct ksync_rwlock *rw = s->rwlock[k - MUTEXES];

		if (how == TRY)
			return ksync_rwlock_trywrlock(rw);
		w = wait_for(s, me, how);
		return ksync_rwlock_wrlock_until(rw, w);
	}
	if (how == TRY)
		return ksync_mutex_trylock(s->mutex[k]);
	if (s->broken == SLEEPS_ON && k != SHOP) {
		err = ksync_mutex_trylock(s->mutex[k]);
		if (!err || err == -EOWNERDEAD)
			return err;
		if (sleep_on(s, me, err))
			return -ETIMEDOUT;
	}
	w = wait_for(s, me, how);
	return ksync_mutex_lock_until(s->mutex[k], w);
}

static inline int unlock(struct storm *s, struct slot *me, int k)
{
	if (me->skipped) {
		me->skipped = false;
		return 0;
	}
	return is_rwlock(k) ? ksync_rwlock_unlock(s->rwlock[k - MUTEXES]) :
			      ksync_mutex_unlock(s->mutex[k]);
}

static inline uint64_t token_of(struct storm *s, struct slot *me, int k)
{
	if (me->skipped)
		return get(&s->treasure[k].token) + 1;
	return is_rwlock(k) ? ksync_rwlock_token(s->rwlock[k - MUTEXES]) :
			      ksync_mutex_token(s->mutex[k]);
}

static inline int make_consistent(struct storm *s, int k)
{
	return is_rwlock(k) ? ksync_rwlock_consistent(s->rwlock[k - MUTEXES]) :
			      ksync_mutex_consistent(s->mutex[k]);
}

/* What a wait may come back with besides success; a bound that passed may not. */
static inline bool gave_up(struct storm *s, struct slot *me, enum patience how,
			   int err, const char *what, int k)
{
	if (!err || err == -EOWNERDEAD)
		return false;
	if ((how == TRY && err == -EBUSY) ||
	    (how == SHORTLY && err == -ETIMEDOUT))
		return true;
	if (how != TRY && err == -ECANCELED && me->cancels) {
		count(&s->cancelled);
		if (!was_cancelled(s, me))
			violation(s, "%s %d: nobody cancelled the wait of %#x",
				  what, k, me->id);
		return true;
	}
	violation(s, "%s %d: %s after %u ms", what, k, ksync_strerror(err),
		  how == MUST ? s->bound_ms : 0);
	return true;
}

/* Has it exclusively, by @err. */
static inline void come_in(struct storm *s, struct slot *me, int k, int err)
{
	struct treasure *t = &s->treasure[k];
	int ret;

	if (err == -EOWNERDEAD && s->broken == HIDES_DEATHS) {
		make_consistent(s, k);
		err = 0;
	}
	check_alone(s, me, k, err, token_of(s, me, k));
	if (err == -EOWNERDEAD) {
		ret = make_consistent(s, k);
		if (ret)
			violation(s, "lock %d: consistent says %s", k,
				  ksync_strerror(ret));
	}
	set(&t->left, get(&t->left) + 1);
}

/* Still has it; takes its name away again. */
static inline void go_out(struct storm *s, struct slot *me, int k)
{
	struct treasure *t = &s->treasure[k];

	if (get(&t->owner) != me->id)
		violation(s, "lock %d: %#x came in to %#x", k, get(&t->owner),
			  me->id);
	set(&t->right, get(&t->right) + 1);
	set(&t->owner, 0);
}

static inline void work_alone(struct storm *s, struct slot *me, int k, int err)
{
	come_in(s, me, k, err);
	dawdle(me);
	go_out(s, me, k);
}

static inline void must_unlock(struct storm *s, struct slot *me, int k)
{
	int err = unlock(s, me, k);

	if (err)
		violation(s, "lock %d: unlock by %#x says %s", k, me->id,
			  ksync_strerror(err));
}

/* Gives up the mutex for a moment, and must be alone again afterwards. */
static inline void wait_inside(struct storm *s, struct slot *me, int k)
{
	int err = ksync_cond_wait_until(s->cond, s->mutex[k],
					wait_for(s, me, SHORTLY));

	gave_up(s, me, SHORTLY, err, "wait with mutex", k);
	work_alone(s, me, k, err == -EOWNERDEAD ? err : 0);
}

static inline void write_once(struct storm *s, struct slot *me, int k,
			      enum patience how)
{
	struct ksync_rwlock *rw = is_rwlock(k) ? s->rwlock[k - MUTEXES] : NULL;
	int err;

	set(&me->busy[k], 1);
	err = lock_exclusively(s, me, k, how);
	if (!gave_up(s, me, how, err, "lock", k)) {
		work_alone(s, me, k, err);
		if (!rw && !me->skipped && !dice(me, 6))
			wait_inside(s, me, k);
		if (rw && !me->skipped && !dice(me, 4)) {
			err = ksync_rwlock_downgrade(rw);
			if (err)
				violation(s, "lock %d: downgrade says %s", k,
					  ksync_strerror(err));
			set(&me->reading[k], 1);
			check_reading(s, me, k, 0);
			dawdle(me);
			set(&me->reading[k], 0);
		}
		must_unlock(s, me, k);
	}
	set(&me->busy[k], 0);
}

static inline int lock_shared(struct storm *s, struct slot *me, int k,
			      enum patience how)
{
	struct ksync_rwlock *rw = s->rwlock[k - MUTEXES];

	if (s->broken == READS_WITHOUT_LOCKING && !dice(me, 20)) {
		me->skipped = true;
		return 0;
	}
	if (how == TRY)
		return ksync_rwlock_tryrdlock(rw);
	return ksync_rwlock_rdlock_until(rw, wait_for(s, me, how));
}

static inline void read_once(struct storm *s, struct slot *me, int k,
			     enum patience how)
{
	struct ksync_rwlock *rw = s->rwlock[k - MUTEXES];
	int err;

	set(&me->busy[k], 1);
	err = lock_shared(s, me, k, how);
	if (gave_up(s, me, how, err, "read lock", k))
		goto out;
	set(&me->reading[k], 1);
	check_reading(s, me, k, err);
	if (!me->skipped && !dice(me, 8)) {
		/* Again, even if a writer waits by now. */
		err = ksync_rwlock_rdlock_until(rw, within(s->bound_ms));
		if (!gave_up(s, me, MUST, err, "second read lock", k))
			must_unlock(s, me, k);
	}
	dawdle(me);
	check_reading(s, me, k, err);
	set(&me->reading[k], 0);
	if (!me->skipped && !dice(me, 4)) {
		err = ksync_rwlock_upgrade(rw);
		if (!err || err == -EOWNERDEAD)
			work_alone(s, me, k, err);
		else if (err != -EBUSY)
			violation(s, "lock %d: upgrade says %s", k,
				  ksync_strerror(err));
	}
	must_unlock(s, me, k);
out:
	set(&me->busy[k], 0);
}

static inline void take_permits(struct storm *s, struct slot *me, int k,
				enum patience how)
{
	uint32_t n = 1 + dice(me, PERMITS);
	bool skip = s->broken == TAKES_WITHOUT_PERMIT && !dice(me, 10);
	int err = 0;

	if (skip)
		;
	else if (how == TRY)
		err = ksync_sem_tryacquire(s->sem[k], n);
	else
		err = ksync_sem_acquire_until(s->sem[k], n,
					      wait_for(s, me, how));
	if (gave_up(s, me, how, err, "semaphore", k))
		return;
	note_permits(me, k, n);
	check_permits(s, k);
	dawdle(me);
	note_permits(me, k, 0);
	err = skip ? 0 : ksync_sem_release(s->sem[k], n);
	if (err)
		violation(s, "semaphore %d: release says %s", k,
			  ksync_strerror(err));
}

/* A member of the group that is this worker's own. */
static inline void be_a_member(struct storm *s, struct slot *me)
{
	struct ksync_waitgroup *wg = s->wg[(me->id & 255) - 1];
	int fd, err;

	set(&me->stage, ADDING);
	err = ksync_waitgroup_add(wg, 1);
	fd = syscall(SYS_pidfd_open, getpid(), 0);
	if (!err)
		err = ksync_waitgroup_bind(wg, fd);
	close(fd);
	set(&me->stage, BOUND);
	dawdle(me);
	set(&me->stage, LEAVING);
	if (!err)
		err = ksync_waitgroup_done(wg);
	if (err)
		violation(s, "wait group of %#x: %s", me->id,
			  ksync_strerror(err));
	set(&me->stage, NO_MEMBER);
}

static inline void wait_for_group(struct storm *s, struct slot *me, int k,
				  enum patience how)
{
	struct ksync_status before = wg_status(s->wg[k]), after;
	int err;

	if (how == TRY)
		how = SHORTLY;
	err = ksync_waitgroup_wait_until(s->wg[k], wait_for(s, me, how));
	if (gave_up(s, me, how, err, "wait group", k))
		return;
	after = wg_status(s->wg[k]);
	/* The round in which it began to wait is over. */
	if (before.value && after.token <= before.token)
		violation(s, "wait group %d: back in round %llu", k,
			  (unsigned long long)after.token);
	if (err == -EOWNERDEAD && !ksync_waitgroup_lost(s->wg[k]))
		violation(s, "wait group %d: lost nobody", k);
}

#endif /* KSYNC_SELFTEST_STORM_LOCK_H */
