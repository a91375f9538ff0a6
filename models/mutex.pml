/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mutex: module/mutex.c on the word of module/lock_word.h.
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

/* The word. */
byte id;
bool waiters, dead, lost;

chan queue = [N] of { byte };

/* What must be: who is in, and what the last holders did. */
byte inside;
bool must_tell, must_lose;

#ifdef PROGRESS
bool wants;			/* thread 1 */
byte age[N + 1];		/* releases seen while queued: time that passes */
#endif

#ifdef FIFO
#define in_order true
#else
#define in_order false
#endif

inline enqueue()
{
	queue!me
}

inline dequeue(t)
{
	queue??eval(t)
}

/* lock_word_acquire() for thread t; in r. */
inline lock_word_acquire(t, is_queued, ordered)
{
	if
	:: lost -> r = NOTRECOVERABLE
	:: !lost && id -> r = BUSY
	:: !lost && !id && ordered && !is_queued && waiters -> r = BUSY
	:: else ->
		id = t;
		if
		:: dead -> r = OWNERDEAD
		:: else -> r = OK
		fi
	fi
}

/* mutex_sync() */
inline sync()
{
	waiters = (len(queue) > 0)
}

/* mutex_advance() after its first mutex_sync(). Releases the bucket's lock. */
inline advance()
{
	do
	:: atomic { len(queue) > 0 ->
		queue?<x>;
		lock_word_acquire(x, true, true);
		if
		:: r == BUSY -> x = 0; UNLOCK; break
		:: else -> ksync_grant(x, r); x = 0
		fi }
	:: atomic { len(queue) == 0 -> sync(); UNLOCK; break }
	od
}

/* lock_word_release() to thread t, 0: nobody. */
inline lock_word_release(t)
{
	assert(id == me);
	if
	:: dead -> id = 0; dead = false; lost = true
	:: else -> id = t
	fi
}

/* Has the oldest waiter, y, waited so long that the mutex is starving? */
inline starving()
{
#if defined(FIFO)
	hand_over = true
#elif defined(BUG_NO_HAND_OVER)
	hand_over = false
#elif defined(PROGRESS)
	hand_over = (age[y] > 0);
	if
	:: !hand_over -> age[y]++
	:: else
	fi
#else
	if
	:: hand_over = true
	:: hand_over = false
	fi
#endif
}

/* mutex_give(); its compare-exchange is a step also when it fails. */
inline mutex_give()
{
	if
#ifdef BUG_GIVE_BLIND
	/* The flag is not in what is compared. */
	:: d_step { !dead -> id = 0 }
#else
	:: d_step { !waiters && !dead -> id = 0 }
	:: waiters || dead -> mutex_give_queue()
#endif
	fi
}

inline mutex_give_queue()
{
	COME;
	atomic {
		LOCK;
		if
		:: len(queue) > 0 -> queue?<y>; starving()
		:: else
		fi;
		if
		:: hand_over -> lock_word_release(y)
		:: else -> lock_word_release(0)
		fi
	};
	if
	:: lost -> atomic { sync(); y = 0; hand_over = false };
		advance()
	:: else -> atomic {
		if
		:: hand_over -> ksync_grant(y, OK); sync()
		:: !hand_over && y -> ksync_nudge(y)
		:: else
		fi;
		y = 0;
		hand_over = false;
		UNLOCK }
	fi;
	ksync_wake_all()
}

/* mutex_drop(): the holder has died. */
inline mutex_drop()
{
	COME;
	atomic {
		LOCK;
		if
		:: len(queue) > 0 -> queue?<y>
		:: else
		fi;
		assert(id == me);
		id = y;
#ifndef BUG_DEATH_SILENT
		dead = true
#endif
	};
	atomic {
		if
		:: y -> ksync_grant(y, OWNERDEAD)
		:: else
		fi;
		y = 0;
		sync();
		UNLOCK
	};
	ksync_wake_all()
}

/* mutex_take(): the first step, spinning, and the wait. */
inline mutex_take()
{
	atomic { lock_word_acquire(me, false, in_order); ret = r; r = 0 };
	if
	:: ret == BUSY && !try ->
		if
		:: atomic { true ->	/* mutex_spin() */
			lock_word_acquire(me, false, true); ret = r; r = 0 }
		:: true
		fi;
		if
		:: ret == BUSY -> ksync_wait()
		:: else
		fi
	:: else
	fi
}

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
