/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Condition variable: module/cond.c, and the mutex that goes with it.
 *
 *	-DITEMS=1	so many are made; each of two consumers takes one
 *	-DSIGNALS=1	a signal handler runs in a wait so often
 *
 * Consumers wait for as long as there is nothing. When nothing moves any more,
 * none of them sleeps at the condition while there is something; then all are
 * told to go, by a broadcast.
 *
 * Shown: a wait ends with the mutex, whoever has it meanwhile; no signal is lost,
 * not with who times out, dies or runs a handler; nobody sleeps for ever.
 */
#define N 3			/* two consumers, and one that signals */
#ifndef ITEMS
#define ITEMS 1
#endif
#define mortal(t)	((t) != N)
#define kill_me()	skip
#ifdef SIGNALS
#define interruptible(t) ((t) != N)
byte signals = SIGNALS;
#endif
#include "common.pml"
#include "mutex_steps.pml"

/* The condition's bucket, queue and word. */
bool cond_locked;
chan cond_queue = [N] of { byte };
bool at_cond[N + 1];		/* w->then */
byte sent;			/* signals */

#define LOCK_COND	!cond_locked -> cond_locked = true
#define UNLOCK_COND	cond_locked = false

/* What must be. */
byte items, inside;
bool over;			/* nobody is to wait any more */

/* A handler has run, and the call is made again. */
inline take_mutex()
{
	do
	:: mutex_take();
		if
		:: ret == INTR -> ret = 0
		:: else -> break
		fi
	od;
	atomic {
		if
		:: ret == OK -> assert(id == me); inside++; assert(inside == 1)
		:: else
		fi
	}
}

inline give_mutex()
{
	atomic { assert(inside == 1); inside-- };
	mutex_give()
}

/* cond_move() of the oldest waiter; the condition's bucket is locked. */
inline cond_move()
{
	COME;
	atomic {
		LOCK;
		cond_queue?x;
		at_cond[x] = false;
		queued[x] = true;
		queue!x;
		x = 0;
		sync()
	};
#ifdef BUG_MOVE_NO_ADVANCE
	UNLOCK
#else
	advance()
#endif
}

inline cond_signal()
{
	atomic { LOCK_COND; sent++ };
	if
	:: len(cond_queue) > 0 -> cond_move()
	:: else
	fi;
	UNLOCK_COND;
	ksync_wake_all()
}

inline cond_broadcast()
{
	atomic { LOCK_COND; sent++ };
	do
	/* There is room for one nudge. */
	:: len(cond_queue) > 0 && !wake_nudge -> cond_move()
	:: len(cond_queue) > 0 && wake_nudge ->
		UNLOCK_COND;
		ksync_wake_all();
		atomic { LOCK_COND }
	:: len(cond_queue) == 0 -> break
	od;
	UNLOCK_COND;
	ksync_wake_all()
}

/* cond_enter() */
inline cond_enter()
{
	atomic {
		LOCK_COND;
		cond_queue!me;
		at_cond[me] = true;
		result[me] = PENDING;
		nudged[me] = false;
		seen = sent;
		UNLOCK_COND
	}
}

/* cond_sleep(), and then the mutex; what came of it is in ret. */
inline cond_run()
{
	ret = OK;
	ksync_sleep();
	deadline = false;
	atomic {
		LOCK_COND;
		moved = !at_cond[me];
		if
		:: !moved ->
			cond_queue??eval(me);
			at_cond[me] = false;
			result[me] = 0
		/* What has ended the sleep will end the next one. */
		:: moved && ret == KILLED -> kills++
#ifdef SIGNALS
		:: moved && ret == INTR -> signals++
#endif
		:: else
		fi;
		UNLOCK_COND
	};
	if
	:: moved -> woken = true; cond_sleep_on()
	:: else
	fi
}

/* cond_sleep_on(): in the mutex's queue, or out of it with a grant. */
inline cond_sleep_on()
{
	COME;
	atomic {
		LOCK;
		in_queue = queued[me];
		if
		:: in_queue -> nudged[me] = false; sync()
		:: else -> UNLOCK
		fi;
		ret = 0
	};
	if
	:: in_queue -> in_queue = false; ksync_wait_queued()
	:: else -> ksync_wait_result()
	fi;
	atomic {
		if
		:: ret == OK -> assert(id == me); inside++; assert(inside == 1)
		:: else
		fi
	}
}

/* ksync_cond_wait(); ret is OK or TIMEDOUT with the mutex, or KILLED. */
inline cond_wait()
{
#ifdef BUG_RELEASE_FIRST
	give_mutex();
	cond_enter();
#else
	cond_enter();
	give_mutex();
#endif
	do
	:: cond_run();
		if
		:: ret == INTR && !moved ->	/* cond_resume() */
			ret = 0;
			atomic {
				LOCK_COND;
#ifdef BUG_RESUME_BLIND
				woken = false;
#else
				woken = (seen != sent);
#endif
				if
				:: !woken ->
					cond_queue!me;
					at_cond[me] = true;
					result[me] = PENDING;
					nudged[me] = false
				:: else
				fi;
				UNLOCK_COND
			};
			if
			:: woken -> take_mutex(); break
			:: else
			fi
		:: ret == INTR && moved -> ret = 0; take_mutex(); break
		:: ret == TIMEDOUT -> take_mutex();
			if
			:: ret == OK -> ret = TIMEDOUT
			:: else
			fi;
			break
		:: ret == OK || ret == KILLED -> break
		fi
	od;
	if
	:: ret == KILLED && woken ->	/* cond_drop() */
#ifdef BUG_DEATH_KEEPS
		skip
#else
		cond_signal()
#endif
	:: else
	fi;
	d_step { moved = false; seen = 0; woken = false }
}

active [2] proctype consumer()
{
	KSYNC_LOCALS;
	byte me = _pid + 1, y, seen;
	bool hand_over, try, moved, woken;

	take_mutex();
	do
	:: ret == OK && items == 0 && !over ->
		if
		:: true
		:: timeouts > 0 -> deadline = true
		fi;
		cond_wait()
	:: else -> break
	od;
	if
	:: ret == KILLED
	:: else ->
		assert(id == me && inside == 1);
		ret = 0;
		if
		:: items > 0 -> items--
		:: else
		fi;
		give_mutex()
	fi;
	assert(!queued[me] && !at_cond[me])
}

active proctype producer()
{
	KSYNC_LOCALS;
	byte me = N, y, n = ITEMS;
	bool hand_over, try;

	do
	:: n > 0 ->
		n--;
		take_mutex();
		items++;
		if
		:: cond_signal(); give_mutex()
		:: give_mutex(); cond_signal()
		fi
	:: n == 0 -> break
	od;
	/* Nothing moves any more. */
	timeout;
	assert(items == 0 || (!at_cond[1] && !at_cond[2]));
	take_mutex();
	over = true;
	give_mutex();
	cond_broadcast();
	timeout;
	assert(id == 0 && !waiters && len(queue) == 0 && len(cond_queue) == 0)
}
