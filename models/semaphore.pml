/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Semaphore: module/semaphore.c on the word of module/sem_word.h.
 *
 *	-DTRACKED	KSYNC_F_TRACKED: threads 1 and 2 are one process, 3 is
 *			another; a kill ends a process
 *	-DRESIZE	with it: thread 3 also changes the maximum
 *	-DONCE		each thread makes one call
 *	-DMEET=1	thread 1 takes and gives two permits; then each of the
 *			others takes one and stays until both have
 *	-DMEET=2	thread 2 wants two, with a deadline; the others as above
 *	-DPROGRESS	a large request among small ones, for ever; ltl served
 *
 * Shown: permits are neither lost nor doubled, whatever dies, times out or is
 * given back by whom; nobody sleeps for ever; a request is not overtaken for
 * ever.
 */
#ifndef N
#define N 3
#endif
#ifndef OPS
#define OPS 4
#endif
#ifndef MAX
#define MAX 2
#endif
#define process(t)	((t) == 3)
#ifdef TRACKED
#define mortal(t)	true
#define kill_me()	killed[process(me)] = true
#define doomed(t)	killed[process(t)]
bool killed[2];
#else
#define mortal(t)	true
#define kill_me()	skip
#endif
#include "common.pml"

/* The word. */
byte value = MAX, max = MAX;
bool waiters;

chan queue = [N] of { byte };
byte count[N + 1];		/* permits that a waiter wants */

/* struct ksync_process */
byte holds[2];
bool process_locked[2];
byte finished[2];		/* threads that have ended */
bool gone[2];

/* What must be. */
byte out;			/* permits that somebody may use */
byte met;
bool begun;

#ifdef PROGRESS
bool wants;			/* thread 1 */
#endif

inline enqueue()
{
	count[me] = n;
	queue!me
}

inline dequeue(t)
{
	queue??eval(t);
	count[t] = 0
}

/* sem_word_acquire(); in r. */
inline sem_word_acquire(want, is_queued)
{
	if
	:: want > max -> r = INVALID
#ifndef BUG_OVERTAKE
	:: want <= max && !is_queued && waiters -> r = BUSY
#endif
	:: else ->
		if
		:: value < want -> r = BUSY
		:: else ->
			value = value - want;
			out = out + want;
			assert(value + out == max);
			r = OK
		fi
	fi
}

/* sem_sync() */
inline sync()
{
	waiters = (len(queue) > 0)
}

/* sem_advance() after its first sync. Releases the bucket's lock. */
inline advance()
{
	do
	:: atomic { len(queue) > 0 ->
		queue?<x>;
		sem_word_acquire(count[x], true);
		if
		:: r == BUSY -> x = 0; r = 0; UNLOCK; break
		:: else ->
			ksync_grant(x, r);
			x = 0;
			r = 0;
#ifdef BUG_ADVANCE_ONCE
			sync();
			UNLOCK;
			break
#endif
		fi }
	:: atomic { len(queue) == 0 -> sync(); UNLOCK; break }
	od
}

/* sem_take() */
inline sem_take()
{
	atomic { sem_word_acquire(n, false); ret = r; r = 0 };
	if
	:: ret == BUSY -> ksync_wait()
	:: else
	fi
}

/* sem_give(), sem_let_in() */
inline sem_give(m)
{
	atomic {
		assert(m <= max && value <= max - m);
		assert(out >= m);
		value = value + m;
		out = out - m;
		r = waiters
	};
	if
	:: r ->
		COME;
		atomic { LOCK; r = 0; sync() };
		advance();
		ksync_wake_all()
	:: else
	fi
}

#define LOCK_PROCESS	!process_locked[p] -> process_locked[p] = true
#define UNLOCK_PROCESS	process_locked[p] = false

/* sem_note() */
inline sem_note()
{
	atomic { LOCK_PROCESS; holds[p] = holds[p] + n; UNLOCK_PROCESS };
	assert(!gone[p])
}

/* sem_release_tracked(); what it gives back becomes less until it is allowed. */
inline sem_release_tracked()
{
#ifndef BUG_RELEASE_UNLOCKED
	atomic { LOCK_PROCESS };
#endif
	if
	:: n <= holds[p] ->
		sem_give(n);
		atomic {
			holds[p] = holds[p] - n;
			n = 0;
			UNLOCK_PROCESS
		}
	:: atomic { n > holds[p] -> n--; UNLOCK_PROCESS }	/* -EPERM */
	fi
}

/* ksync_process_settle(), by the last thread: sem_drop(). */
inline process_settle()
{
	atomic { LOCK_PROCESS; gone[p] = true };
#ifndef BUG_KEEP_PERMITS
	if
	:: holds[p] > 0 ->
		sem_give(holds[p]);
		holds[p] = 0
	:: else
	fi;
#endif
	UNLOCK_PROCESS
}

/* ksync_sem_resize(): sem_word_resize(), then those who now want too much. */
inline resize(m)
{
	COME;
	atomic {
		LOCK;
		if
		:: m >= max -> value = value + (m - max); max = m
		:: m < max && value >= max - m ->
			value = value - (max - m);
			max = m
		:: else			/* -EBUSY */
		fi
	};
	atomic {
		x = 1;
		do
		:: x <= N ->
			if
			:: queued[x] && count[x] > max ->
				ksync_grant(x, INVALID)
			:: else
			fi;
			x++
		:: else -> x = 0; break
		od;
		sync()
	};
	advance();
	ksync_wake_all()
}

#ifndef PROGRESS

byte ops = OPS;

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1, n, p = process(_pid + 1);

	do
#ifdef RESIZE
	:: atomic { ops > 0 && me == 3 -> ops-- };
		if
		:: resize(1)
		:: resize(3)
		fi
#endif
	:: atomic { ops > 0 ->
		ops--;
#ifdef MEET
		n = (me == MEET -> 2 : 1);
		deadline = (me == 2 && MEET == 2);
		MEET == 2 || me == 1 || begun
#else
		if
		:: n = 1
		:: n = 2
		fi;
		if
		:: true
		:: timeouts > 0 -> deadline = true
		fi
#endif
		};
		sem_take();
		atomic {
			deadline = false;
			assert(!queued[me]);
			assert(ret == OK || ret == TIMEDOUT || ret == KILLED ||
			       (ret == INVALID && max != MAX));
			assert(out <= 3)
		};
		if
		:: ret == KILLED -> n = 0; break
		:: ret != OK && ret != KILLED -> n = 0
		:: ret == OK ->
#ifdef TRACKED
			sem_note();
			if
			:: true
			:: atomic { kills > 0 -> kills--; kill_me() }
			fi;
			if
			:: doomed(me) -> n = 0; break
			:: else
			fi;
			if
			:: true
			:: n == 1 -> n++	/* one that is not its own */
			fi;
			do
			:: n > 0 -> sem_release_tracked()
			:: n == 0 -> break
			od
#else
#ifdef MEET
			if
			:: n == 1 -> met++; met == 2
			:: else -> begun = true
			fi;
#endif
			sem_give(n);
			n = 0
#endif
		fi;
		ret = 0;
#if defined(MEET) || defined(ONCE)
		break
#endif
	:: ops == 0 -> break
	od;
	atomic { finished[p]++; r = (finished[p] == (p == 0 -> 2 : 1)); ret = 0 };
#ifdef TRACKED
	if
	:: r -> r = 0; process_settle()
	:: else
	fi;
#endif
	atomic {
		ended++;
		r = 0;
		if
		:: ended == N ->
			assert(!waiters && len(queue) == 0);
			assert(value == max && out == 0)
		:: else
		fi
	}
}

#else /* PROGRESS */

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1, n = (_pid == 0 -> 2 : 1);

	do
	::
		wants = wants || me == 1;
		sem_take();
		assert(ret == OK);
		ret = 0;
		wants = wants && me != 1;
		sem_give(n)
	od
}

ltl served { [] (wants -> <> !wants) }

#endif
