/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mutex; mutex_steps.pml has its steps.
 *
 *	-DFIFO		the mutex has KSYNC_F_FIFO
 *	-DONCE		each thread makes one call
 *	-DPROGRESS	threads go on for ever; ltl served
 *
 * Shown: one holder at a time; nobody sleeps for ever; a deadline leaves
 * nothing held; the first holder after a death, and only that one, is told of
 * it, until it is declared consistent, or given up on and lost for all.
 */
#ifndef N
#define N 3
#endif
#ifndef OPS
#define OPS 2
#endif
#define mortal(t) true
#define kill_me() skip
#include "common.pml"
#include "mutex_steps.pml"

/* What must be: who is in, and what the last holders did. */
byte inside;
bool must_tell, must_lose;

#ifdef PROGRESS
bool wants;			/* thread 1 */
#endif

/* What every outcome of a lock means. */
inline check()
{
	assert(ret == BUSY || ret == TIMEDOUT || ret == KILLED ||
	       (ret == NOTRECOVERABLE) == must_lose);
	if
	:: changed(ret) ->
		assert(id == me);
		assert((ret == OWNERDEAD) == must_tell);
		inside++;
		assert(inside == 1)
	:: else -> assert(id != me)
	fi;
	assert(!queued[me])
}

#ifndef PROGRESS

byte ops = OPS;

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1, y;
	bool hand_over, try;

	do
	:: atomic { ops > 0 ->
		ops--;
		if
		:: true
		:: timeouts > 0 -> deadline = true
		:: try = true
		fi };
		mutex_take();
		atomic { check(); deadline = false; try = false };
		if
		:: ret == KILLED -> break
		:: atomic { !changed(ret) && ret != KILLED -> ret = 0 }
		:: changed(ret) ->
			if
			:: ret == OK
			/* ksync_lock_consistent() */
			:: atomic { ret == OWNERDEAD ->
				assert(dead && id == me);
				dead = false;
				must_tell = false }
			/* Without it, an unlock loses the mutex. */
			:: ret == OWNERDEAD
			fi;
			ret = 0;
			if
			:: atomic { kills > 0 ->
				kills--;
				inside--;
				must_tell = true };
				mutex_drop();
				break
			:: atomic { true ->
				inside--;
				must_lose = must_lose || must_tell;
				must_tell = false };
				mutex_give()
			fi
		fi
#ifdef ONCE
		;
		break
#endif
	:: ops == 0 -> break
	od;
	atomic {
		ended++;
		if
		:: ended == N ->
			assert(id == 0 && !waiters && len(queue) == 0);
			assert(dead == must_tell && lost == must_lose)
		:: else
		fi
	}
}

#else /* PROGRESS */

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1, y;
	bool hand_over, try;

	do
	::
		d_step {
			wants = wants || me == 1;
			age[me] = 0
		};
		mutex_take();
		d_step {
			assert(id == me);
			wants = wants && me != 1;
			ret = 0
		};
		mutex_give()
	od
}

ltl served { [] (wants -> <> !wants) }

#endif
