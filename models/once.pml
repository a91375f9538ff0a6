/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Once: module/once.c on the word of module/once_word.h.
 *
 *	-DRESETS=1	so often somebody makes it undone again
 *
 * Each run has a number, which is its result, too.
 *
 * Shown: one runner at a time; nobody sleeps for ever; who does not run gets the
 * result of a run that was completed, and of no earlier one than it saw; after a
 * runner's death the next ones are told until one completes; a deadline leaves
 * nothing begun.
 */
#define N 3
#ifndef OPS
#define OPS 3
#endif
#ifndef RESETS
#define RESETS 0
#endif
#define mortal(t) true
#define kill_me() skip
#include "common.pml"

#define ALREADY 9

/* The word. */
byte id, runs;
bool waiters, done, dead;
#define WORD	(id | waiters << 2 | done << 3 | dead << 4 | runs << 5)

/* struct ksync_once_cell */
byte value;

chan queue = [N] of { byte };
byte value_of[N + 1];		/* w->value */

/* What must be. */
byte inside, completed;
bool must_tell;
byte ops = OPS, resets = RESETS;

inline enqueue()
{
	queue!me
}

inline dequeue(t)
{
	queue??eval(t)
}

/* once_sync() */
inline sync()
{
	waiters = (len(queue) > 0)
}

/* once_word_begin() for thread t; in r. */
inline once_word_begin(t)
{
	if
	:: done -> r = ALREADY
	:: !done && id -> r = BUSY
	:: else ->
		runs++;
		id = t;
		r = (dead -> OWNERDEAD : OK)
	fi
}

/* once_advance() after its first once_sync(). Releases the bucket's lock. */
inline advance()
{
	do
	:: atomic { len(queue) > 0 ->
		queue?<x>;
		once_word_begin(x);
		if
		:: r == BUSY -> x = 0; r = 0; sync(); UNLOCK; break
		:: else ->
			if
			:: r == ALREADY -> value_of[x] = value
			:: else
			fi;
			ksync_grant(x, r);
			x = 0;
#ifdef BUG_ADVANCE_ONCE
			r = 0;
			sync();
			UNLOCK;
			break
#else
			r = 0
#endif
		fi }
	:: atomic { len(queue) == 0 -> sync(); UNLOCK; break }
	od
}

/* once_read_result(), after a look at the word. */
inline once_read_result()
{
	value_of[me] = value;
#ifndef BUG_ONE_LOOK
	if
	:: atomic { seen == WORD -> seen = 0 }
	:: atomic { seen != WORD -> seen = 0 };
		COME;
		atomic { LOCK; value_of[me] = value; UNLOCK }
	fi
#endif
}

/* ksync_once_begin() */
inline once_begin()
{
	atomic {
		once_word_begin(me);
		ret = r;
		r = 0;
		if
		:: ret == ALREADY -> seen = WORD; first = runs
		:: else
		fi
	};
	if
	:: ret == ALREADY -> once_read_result()
	:: ret == BUSY -> ksync_wait()
	:: else
	fi
}

/* once_end(); complete, or not. */
inline once_end(complete)
{
	COME;
#ifdef BUG_RESULT_LATE
	atomic {
		LOCK;
		done = complete;
		id = 0
	};
	atomic {
		if
		:: complete -> value = mine; completed = mine; dead = false;
			must_tell = false
		:: else
		fi;
		sync()
	};
#else
	atomic {
		LOCK;
		if
		:: complete -> value = mine
		:: else
		fi
	};
	atomic {
		assert(id == me);
		id = 0;
		if
		:: complete ->
			done = true;
			dead = false;
			completed = mine;
			must_tell = false
		:: else
		fi;
		sync()
	};
#endif
	advance();
	ksync_wake_all()
}

/* once_drop() */
inline once_drop()
{
	COME;
	atomic {
		LOCK;
		assert(id == me);
		id = 0;
#ifndef BUG_DEATH_SILENT
		dead = true;
#endif
		sync()
	};
#ifdef BUG_DEATH_NO_ADVANCE
	UNLOCK
#else
	advance();
	ksync_wake_all()
#endif
}

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1, seen, first, mine;

	do
	:: atomic { ops > 0 ->
		ops--;
		if
		:: true
		:: timeouts > 0 -> deadline = true
		fi };
		once_begin();
		atomic {
			deadline = false;
			assert(!queued[me]);
			if
			:: ret == ALREADY ->
				assert(value_of[me] >= first);
				assert(value_of[me] <= completed);
				value_of[me] = 0;
				first = 0
			:: changed(ret) ->
				assert(id == me && !done);
				assert((ret == OWNERDEAD) == must_tell);
				mine = runs;
				inside++;
				assert(inside == 1)
			:: else -> assert(ret == TIMEDOUT || ret == KILLED)
			fi
		};
		if
		:: ret == KILLED -> break
		:: atomic { !changed(ret) && ret != KILLED -> ret = 0 }
		:: atomic { changed(ret) -> ret = 0; inside-- };
			if
			:: once_end(true)
			:: once_end(false)
			:: atomic { kills > 0 -> kills--; must_tell = true };
				once_drop();
				break
			fi;
			mine = 0
		fi
	/* ksync_once_reset() */
	:: atomic { resets > 0 && done && id == 0 -> resets--; done = false }
	:: ops == 0 -> break
	od;
	atomic {
		ended++;
		if
		:: ended == N ->
			assert(id == 0 && !waiters && len(queue) == 0);
			assert(dead == must_tell)
		:: else
		fi
	}
}
