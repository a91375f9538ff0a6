/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wait group: module/waitgroup.c on the word of module/wg_word.h, and as much
 * of module/owner.c and module/death.c as ties need.
 *
 * One process opens rounds of two members, binds one of them to a worker or
 * does the work itself, and goes on to the next round at once. The worker does
 * its part, or dies at any time if KILLS allows it. Waiters wait again and again. In the end a
 * round is left open, so that a waiter of an earlier one that still sleeps is
 * seen to.
 *
 * All changes of the word are made with the bucket locked: here, a critical
 * section is one step.
 *
 * A signal's handler returns to the wait, which joins no other round for it.
 *
 * Shown: a wait ends when the round it joined ends, not before, and not with a
 * later one; it tells how many members that round lost; what is left of a tie
 * counts nothing down; a process is tied or found dead, never neither.
 */
#define N 3			/* room for waiters; there are WAITERS */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef WAITS
#define WAITS 2			/* of each */
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define mortal(t)	false
#define kill_me()	skip
#define interruptible(t) true
#ifdef SIGNALS
byte signals = SIGNALS;
#endif
#include "common.pml"

/* The word. */
byte count, round = 1;
bool loss, waiters;

/* struct ksync_waitgroup_cell */
byte lost, lost_before, bound;

/* In the order of seq, as the bucket's tree is. */
chan queue = [N] of { byte, byte };
byte seq;
byte round_of[N + 1];		/* w->round */
byte lost_of[N + 1];		/* w->lost */

/* The worker's struct ksync_process: there can be a second one. */
#define NONE 255
byte table = NONE;		/* which one is to be found */
byte made;
byte ties[ROUNDS + 1], tied_round[ROUNDS + 1];
bool process_locked[ROUNDS + 1], gone[ROUNDS + 1];
bool alive = true;

/* What must be. */
byte must_lose[ROUNDS + 3];
byte joined[N + 1];		/* the round that a waiter waits for */
bool tied;			/* the worker is, to this round: */
byte tied_to;
bool is_open;			/* the last round has begun */
byte work;			/* the worker has something to do */

/* Where a waiter stands; the code's thread->place is kept in the waiter. */
inline enqueue()
{
	if
	:: place ->
		round_of[me] = place_round;
		queue!!place_seq,me;
#if defined(BUG_STALE_PLACE) || defined(BUG_JUMP)
		if
		:: !restarted -> joined[me] = (count -> round : round - 1)
		:: else
		fi
#endif
	:: else ->
		seq++;
		/* waitgroup_join() */
#ifdef BUG_LATE_JOIN
		round_of[me] = joined[me];
#else
		joined[me] = (count -> round : round - 1);
		round_of[me] = joined[me];
#endif
		place_seq = seq;
		queue!!seq,me
	fi;
	place = false
}

inline dequeue(t)
{
	queue??_,eval(t)
}

inline sync()
{
	skip
}

/* waitgroup_lost() for a waiter that is granted now. */
#define lost_now	(loss -> lost : 0)
#ifdef BUG_NO_LOST_BEFORE
#define lost_then	lost_now
#else
#define lost_then	(count -> lost_before : lost_now)
#endif
#define waitgroup_lost(r)						\
	((r) == round -> lost_now : ((r) + 1 == round -> lost_then : 0))

/* waitgroup_advance() */
#define over(t)	(round_of[t] != round)

inline look()
{
	do
	:: len(queue) > 0 ->
		queue?<_,x>;
		if
		:: over(x) ->
			lost_of[x] = waitgroup_lost(round_of[x]);
			ksync_grant(x, (lost_of[x] -> OWNERDEAD : OK));
#ifdef BUG_WAKE_ONE
			break
#endif
		:: else -> break
		fi
	:: else -> break
	od;
	x = 0;
	waiters = (len(queue) > 0)
}

inline advance()
{
	atomic { look(); UNLOCK }
}

/* wg_word_add() of -m, wg_word_lose(): the round may be over. */
inline wg_word_down(m)
{
	assert(count >= m);
	count = count - m;
	if
	:: count == 0 -> round++; waiters = false; look()
	:: else
	fi
}

/* waitgroup_add() of m > 0; waitgroup_begin() */
inline waitgroup_add(m)
{
	COME;
	atomic {
		LOCK;
		if
		:: count == 0 ->
			lost_before = lost_now;
			lost = 0;
			bound = 0;
			loss = false;
			waiters = false
		:: else
		fi;
		count = count + m;
		UNLOCK
	}
}

/* ksync_waitgroup_add() of -m by who has no ties. */
inline waitgroup_done(m)
{
	COME;
	atomic { LOCK; wg_word_down(m); UNLOCK };
	ksync_wake_all()
}

#define LOCK_PROCESS	!process_locked[p] -> process_locked[p] = true
#define UNLOCK_PROCESS	process_locked[p] = false

/* Of the round y, with the queue locked. */
inline waitgroup_untie()
{
	if
	:: ties[p] && tied_round[p] == y ->
		assert(bound > 0);
		bound--;
		ties[p]--
	:: else -> ties[p] = 0
	fi
}

/* The same by the worker, for one. */
inline waitgroup_done_tied()
{
	COME;
	atomic {
		p = table;		/* ksync_process_find() */
		if
		:: p != NONE -> LOCK_PROCESS
		:: else
		fi;
		LOCK;
		y = round;
		wg_word_down(1);
		tied = false;
#ifndef BUG_LATE_UNTIE
		if
		:: p != NONE -> waitgroup_untie()
		:: else
		fi;
#endif
		assert(bound <= count);
		UNLOCK
	};
	ksync_wake_all();
	COME;
	atomic {
		if
		:: p != NONE ->
#ifdef BUG_LATE_UNTIE
			LOCK; waitgroup_untie(); UNLOCK;
#endif
			UNLOCK_PROCESS;
			p = NONE
		:: else
		fi;
		y = 0
	}
}

/* ksync_process_claim(): in p. */
inline ksync_process_claim()
{
	p = table;
	table = NONE
}

/* ksync_process_settle(), waitgroup_drop() */
inline ksync_process_settle()
{
	COME;
	atomic {
		LOCK_PROCESS;
		gone[p] = true;
		if
		:: ties[p] > 0 ->
			LOCK;
			y = (tied && tied_to == round && count);
			must_lose[round] = must_lose[round] + y;
			tied = false;
#ifdef BUG_STALE_TIE
			r = (count > 0);
#else
			r = (tied_round[p] == round && count);
#endif
			if
			:: r ->
				lost++;
				bound--;
				loss = true;
				wg_word_down(1)
			:: else
			fi;
			r = 0;
			y = 0;
			ties[p] = 0;
			UNLOCK
		:: else
		fi
	};
	ksync_wake_all();
	atomic { UNLOCK_PROCESS; p = NONE }
}

/* ksync_waitgroup_bind(); is the worker tied now: in r. */
inline waitgroup_bind()
{
	d_step {			/* ksync_process_get() */
		if
		:: table == NONE -> table = made; made++
		:: else
		fi;
		p = table
	};
	atomic {
		LOCK_PROCESS;
		r = !gone[p];
#ifndef BUG_NO_ALIVE
		r = r && alive		/* ksync_pid_alive() */
#endif
	};
	COME;
	if
	:: atomic { r ->		/* waitgroup_tie() */
		LOCK;
		assert(bound < count);
		bound++;
		if
		:: tied_round[p] != round -> ties[p] = 0
		:: else
		fi;
		tied_round[p] = round;
		ties[p]++;
		tied = true;
		tied_to = round;
		UNLOCK;
		UNLOCK_PROCESS;
		p = NONE }
	:: atomic { !r ->
		UNLOCK_PROCESS;
		p = NONE };
		/* ksync_process_reap() */
		atomic { ksync_process_claim() };
		if
		:: p != NONE -> ksync_process_settle(); r = 0
		:: else
		fi
	fi
}

active proctype opener()
{
	KSYNC_LOCALS;
	byte me = N + 1, y, p = NONE, i;

	do
	:: i < ROUNDS ->
		i++;
		waitgroup_add(2);
		waitgroup_bind();
		if
		/* The worker does its part, or its death does. */
		:: atomic { r -> r = 0; work++ };
			waitgroup_done(1)
		/* All is done for it, and it may die; the tie is left over. */
		:: atomic { r && !work -> r = 0 };
			COME;
			atomic { LOCK; wg_word_down(count); UNLOCK };
			ksync_wake_all()
		:: !r -> waitgroup_done(2)
		fi;
		round == i + 1
	:: else -> break
	od;
	waitgroup_add(1);
	is_open = true;
	/* Nothing moves any more: who sleeps waits for this round. */
	timeout;
	assert(count == 1);
	assert(!queued[1] || joined[1] == round);
	assert(!queued[2] || joined[2] == round);
	waitgroup_done(1)
}

active proctype worker()
{
	KSYNC_LOCALS;
	byte me = N + 2, y, p = NONE;

	do
	:: atomic { work > 0 -> work-- };
		waitgroup_done_tied()
	:: is_open -> break
	:: atomic { kills > 0 -> kills--; alive = false };
		atomic { ksync_process_claim() };
		if
		:: p != NONE -> ksync_process_settle()
		:: else
		fi;
		break
	od
}

active [WAITERS] proctype waiter()
{
	KSYNC_LOCALS;
	byte me = _pid - 1, n = WAITS;
	byte place_seq, place_round;
	bool place, restarted;

	do
	:: n > 0 ->
		n--;
		restarted = false;
		if
		:: true
		:: timeouts > 0 -> deadline = true
		fi;
again:
#ifndef BUG_STALE_PLACE
		if
		:: place -> goto wait
		:: else
		fi;
#endif
		/* waitgroup_wait_none() */
		if
		:: atomic { count == 0 && !loss ->
			assert(restarted || must_lose[round - 1] == 0);
			lost_of[me] = 0;
			joined[me] = (restarted -> joined[me] : round - 1);
			ret = OK };
			goto told
		:: atomic { count || loss }
		fi;
#if defined(BUG_LATE_JOIN) || defined(BUG_STALE_PLACE)
		atomic {
			!locked;
			if
			:: count == 0 ->
				joined[me] = (restarted -> joined[me] : round - 1);
				lost_of[me] = lost_now;
				ret = (lost_of[me] -> OWNERDEAD : OK);
				goto told
			:: else -> joined[me] = (restarted -> joined[me] : round)
			fi
		};
#endif
wait:
		ksync_wait();
told:
		if
		:: atomic { ret == INTR ->
			place = true;
			place_round = round_of[me];
			restarted = true };
			if
			:: goto again
#ifdef BUG_JUMP
			/* The handler jumps out of the wait. */
			:: ret = OK
#endif
			fi
		:: atomic { ret == TIMEDOUT -> skip }
		:: atomic { ret != INTR && ret != TIMEDOUT ->
			assert(round > joined[me]);
			assert(lost_of[me] == must_lose[joined[me]] ||
			       (restarted && round > joined[me] + 1));
			assert((ret == OWNERDEAD) == (lost_of[me] > 0)) }
		fi;
		d_step {
			ret = 0;
			lost_of[me] = 0;
			round_of[me] = 0;
			deadline = false;
			restarted = false
		}
	:: n == 0 -> break
	od;
	assert(!queued[me])
}
