/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Barrier: module/barrier.c on the word of module/barrier_word.h.
 *
 *	PARTIES		of a round; there are N threads that arrive WAITS times
 *	-DRESETS=1	so often somebody makes it usable again
 *
 * When nothing moves any more, who still sleeps must be in the present round, and
 * that not broken; then it is broken, which lets them all go.
 *
 * Shown: a wait ends with its round, not before, and not with a later one; who is
 * told of success was in a round in which all arrived and nobody died or gave up
 * before.
 */
#define N 3
#ifndef PARTIES
#define PARTIES 2
#endif
#ifndef WAITS
#define WAITS 2
#endif
#ifndef RESETS
#define RESETS 0
#endif
#define ROUNDS	(N * WAITS + RESETS + 1)
#define mortal(t) true
#define kill_me() skip
#include "common.pml"

#define PIPE	9
#define SERIAL	10

/* The word. */
byte arrived, round = 1;
bool broken;

/* struct ksync_barrier_cell; bit r of history: round r ended broken. */
short history;

/* In the order of arrival at the queue, which need not be that at the barrier. */
byte queue[N], len_queue;
byte round_of[N + 1];

/* What must be. */
bool over[ROUNDS + 1];		/* all arrived */
bool spoilt[ROUNDS + 1];	/* somebody gave up or died, or it was reset */
byte resets = RESETS;

inline enqueue()
{
	queue[len_queue] = me;
	len_queue++
}

inline dequeue(t)
{
	i = 0;
	do
	:: queue[i] != t -> i++
	:: else -> break
	od;
	len_queue--;
	do
	:: i < len_queue -> queue[i] = queue[i + 1]; i++
	:: else -> break
	od;
	queue[len_queue] = 0;
	i = 0
}

inline sync()
{
	skip
}

/* barrier_outcome(): in r. */
inline barrier_outcome(which)
{
	if
	:: which == round -> r = (broken -> PIPE : PENDING)
#ifdef BUG_NO_HISTORY
	:: else -> r = OK
#else
	:: else -> r = (history & (1 << which) -> PIPE : OK)
#endif
	fi
}

/* barrier_admit(); r is PENDING if it must stay. */
inline barrier_admit(t)
{
	x = t;
	barrier_outcome(round_of[x]);
	if
	:: r != PENDING -> ksync_grant(x, r)
	:: else
	fi;
	x = 0
}

/* barrier_advance() */
inline look()
{
	do
	:: len_queue == 0 -> break
	:: len_queue > 0 ->
		barrier_admit(queue[0]);
		if
		:: r == PENDING -> break
		:: else
		fi
	od;
#ifndef BUG_FIRST_ONLY
	if
	:: len_queue > 0 -> barrier_admit(queue[len_queue - 1])
	:: else
	fi;
#endif
	r = 0
}

inline advance()
{
	atomic { look(); UNLOCK }
}

/* barrier_break() */
inline barrier_break()
{
	broken = true;
	spoilt[round] = true;
	look()
}

/* barrier_arrive(); ret is PENDING, with the round, or the end of the call. */
inline barrier_arrive()
{
	COME;
	atomic {
		LOCK;
		mine = round;
		if
		:: broken -> ret = PIPE
		:: !broken && arrived < PARTIES - 1 ->
			arrived++;
			ret = PENDING
		:: else ->
			assert(!spoilt[round]);
			over[round] = true;
			arrived = 0;
			round++;
			look();
			ret = SERIAL
		fi;
		UNLOCK
	};
	ksync_wake_all()
}

/* barrier_give_up(), barrier_drop(): unless the round has come to its end. */
inline barrier_give_up(why)
{
	COME;
	atomic {
		LOCK;
		barrier_outcome(mine);
#ifdef BUG_GIVE_UP_BLIND
		r = PENDING;
#endif
		if
		:: r == PENDING ->
#ifdef BUG_DEAD_ARRIVED
			if
			:: why == KILLED -> spoilt[round] = true
			:: else -> barrier_break()
			fi;
#else
			barrier_break();
#endif
			ret = why
		:: else -> ret = r
		fi;
		r = 0;
		UNLOCK
	};
	ksync_wake_all()
}

/* ksync_barrier_reset() */
inline barrier_reset()
{
	COME;
	atomic {
		LOCK;
		if
		:: broken || arrived ->
			spoilt[round] = true;
			history = history | (1 << round);
			broken = false;
			arrived = 0;
			round++
		:: else
		fi;
		look();
		UNLOCK
	};
	ksync_wake_all()
}

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1, i, mine, n = WAITS;

	do
	:: n == 0 -> break
	:: n > 0 ->
		n--;
		barrier_arrive();
		if
		:: ret == PIPE || ret == SERIAL -> skip
		:: ret == PENDING ->
			atomic {
				ret = 0;
				round_of[me] = mine;
				if
				:: true
				:: timeouts > 0 -> deadline = true
				fi
			};
			ksync_wait();
			deadline = false;
			if
			:: ret == TIMEDOUT -> barrier_give_up(TIMEDOUT)
			:: ret == KILLED -> barrier_give_up(KILLED); break
			:: else
			fi
		fi;
		atomic {
			assert(!queued[me]);
			if
			:: ret == OK || ret == SERIAL ->
				assert(over[mine] && !spoilt[mine])
			:: ret == TIMEDOUT || ret == PIPE ->
				assert(spoilt[mine] && !over[mine])
			fi;
			round_of[me] = 0;
			mine = 0
		};
		if
		:: ret == PIPE -> ret = 0; break
		:: else -> ret = 0
		fi
	od;
	round_of[me] = 0
}

active proctype other()
{
	KSYNC_LOCALS;
	byte me = N + 1, i;

	do
	:: atomic { resets > 0 -> resets-- };
		barrier_reset()
	/* Nothing moves any more. */
	:: timeout -> break
	od;
	assert(!queued[1] || (round_of[1] == round && !broken));
	assert(!queued[2] || (round_of[2] == round && !broken));
	assert(!queued[3] || (round_of[3] == round && !broken));
	COME;
	atomic { LOCK; barrier_break(); UNLOCK };
	ksync_wake_all()
}
