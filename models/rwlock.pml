/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reader-writer lock: module/rwlock.c on the word of module/lock_word.h.
 *
 *	-DONCE		each thread makes one call
 *	-DMEET		a reader stays until another one has read as well; the
 *			writer between them has a deadline
 *	-DPROGRESS=1	a writer among readers, for ever; ltl served
 *	-DPROGRESS=2	a reader among writers, for ever; ltl served
 *
 * Shown: readers exclude writers, and writers everybody; nobody sleeps for
 * ever; readers that wait when a writer finishes come before the next writer;
 * whoever acquires it after a writer died, reader or writer, is told, until a
 * writer declares it consistent, or gives up on it for all.
 */
#ifndef N
#define N 3
#endif
#ifndef OPS
#define OPS 3
#endif
#define mortal(t) true
#define kill_me() skip
#include "common.pml"

/* The word. */
byte id, readers;
bool waiters, writer_waits, dead, lost;

chan readers_queue = [N] of { byte };
chan writers_queue = [N] of { byte };
bool shares[N + 1];		/* waits with KSYNC_WANT_SHARED */

/* What must be. */
byte reading, writing;
bool must_tell, must_lose;
byte due;			/* bit t: t comes before the next writer */
bool met;

#ifdef PROGRESS
bool wants;			/* thread 1 */
#endif

#define bit(t)		(1 << (t))
#define waits_shared(t)	((queued[t] && shares[t]) << (t))

inline enqueue()
{
	shares[me] = shared;
	if
	:: shared -> readers_queue!me
	:: else -> writers_queue!me
	fi
}

inline dequeue(t)
{
	if
	:: shares[t] -> readers_queue??eval(t)
	:: else -> writers_queue??eval(t)
	fi;
	shares[t] = false;
	due = due & ~bit(t)
}

/* lock_word_acquire() for thread t, in order; in r. */
inline lock_word_acquire(t, is_queued)
{
	if
	:: lost -> r = NOTRECOVERABLE
	:: !lost && (id || readers || (!is_queued && waiters)) -> r = BUSY
	:: else ->
#ifndef NO_TURN
		assert(!due);
#endif
		id = t;
		if
		:: dead -> r = OWNERDEAD
		:: else -> r = OK
		fi
	fi
}

/* lock_word_read(); in r. */
inline lock_word_read(has_turn)
{
	if
	:: lost -> r = NOTRECOVERABLE
#ifdef BUG_READERS_BARGE
	:: !lost && id -> r = BUSY
#else
	:: !lost && (id || (!has_turn && writer_waits)) -> r = BUSY
#endif
	:: else ->
		readers++;
		if
		:: dead -> r = OWNERDEAD
		:: else -> r = OK
		fi
	fi
}

/* rwlock_sync() */
inline sync()
{
	writer_waits = (len(writers_queue) > 0);
	waiters = (writer_waits || len(readers_queue) > 0)
}

/* rwlock_admit_all() after its first sync. Releases the bucket's lock. */
inline advance()
{
	do
	:: atomic { len(readers_queue) > 0 &&
		    (turn || len(writers_queue) == 0) ->
		readers_queue?<x>;
		lock_word_read(true);
		if
		:: r == BUSY -> x = 0; r = 0; break
		:: else -> ksync_grant(x, r); x = 0; r = 0
		fi }
	:: atomic { len(writers_queue) > 0 &&
		    !(len(readers_queue) > 0 && turn) ->
		writers_queue?<x>;
		lock_word_acquire(x, true);
		if
		:: r == BUSY -> x = 0; r = 0; break
		:: else -> ksync_grant(x, r); x = 0; r = 0
		fi }
	:: len(readers_queue) == 0 && len(writers_queue) == 0 -> break
	od;
	atomic { sync(); turn = false; UNLOCK }
}

/* rwlock_let_in(); the readers' turn is in turn. */
inline rwlock_let_in()
{
	COME;
	atomic { LOCK; sync() };
	advance();
	ksync_wake_all()
}

/* rwlock_read() or rwlock_write(). */
inline rwlock_take()
{
	atomic {
		if
		:: shared -> lock_word_read(false)
		:: else -> lock_word_acquire(me, false)
		fi;
		ret = r;
		r = 0
	};
	if
	:: ret == BUSY -> ksync_wait()
	:: else
	fi
}

/* rwlock_unread(); also what rwlock_drop() does for a reader that died. */
inline rwlock_unread()
{
	atomic {
		assert(readers > 0);
		readers--;
		r = (waiters && !readers)
	};
	if
	:: r -> r = 0; rwlock_let_in()
	:: else
	fi
}

/*
 * rwlock_unwrite() if died is false: lock_word_release(); rwlock_unwrite_dead()
 * if it is true: lock_word_die(). Readers that wait have their turn: with waiters the
 * word must change with the bucket locked, or somebody else who looks at the
 * queue in between, a writer that comes or leaves, takes that turn from them.
 */
inline leave()
{
	assert(id == me);
	id = 0;
	if
	:: died ->
#ifndef BUG_DEATH_SILENT
		dead = true
#endif
	:: !died && dead -> dead = false; lost = true
	:: else
	fi;
	if
	:: waiters ->
		due = due | waits_shared(1) | waits_shared(2) | waits_shared(3);
#if N > 3
		due = due | waits_shared(4);
#endif
		turn = true
	:: else
	fi
}

inline rwlock_unwrite()
{
#ifdef BUG_TURN_OUTSIDE
	atomic { leave(); died = false };
	if
	:: turn -> rwlock_let_in()
	:: else
	fi
#else
	if
	:: atomic { !waiters && !died -> leave() }
	/* rwlock_pass_on() */
	:: waiters || died ->
		COME;
		atomic { LOCK; leave(); died = false };
		if
		:: atomic { turn -> sync() };
			advance();
			ksync_wake_all()
		:: atomic { !turn -> UNLOCK }
		fi
	fi
#endif
}

/* ksync_rwlock_downgrade() */
inline rwlock_downgrade()
{
	atomic {
		assert(id == me && !readers);
		id = 0;
		readers = 1;
		turn = waiters;
		writing--;
		reading++;
		shared = true
	};
	if
	:: turn -> rwlock_let_in()
	:: else
	fi
}

/* ksync_rwlock_upgrade(): only tries. */
inline rwlock_upgrade()
{
	atomic {
		assert(!id && readers);
		if
#ifdef BUG_TWO_UPGRADE
		:: true ->
			readers--;
#else
		:: readers == 1 ->
			readers = 0;
#endif
			id = me;
			due = 0;
			shared = false;
			reading--;
			writing++;
			assert(writing == 1 && reading == 0)
		:: readers > 1
		fi
	}
}

inline check()
{
	assert(ret == TIMEDOUT || ret == KILLED ||
	       (ret == NOTRECOVERABLE) == must_lose);
	if
	:: changed(ret) ->
		assert((ret == OWNERDEAD) == must_tell);
		if
		:: shared -> reading++; assert(readers >= reading && !id)
		:: else -> writing++; assert(id == me)
		fi;
		assert(writing + (reading > 0) == 1)
	:: else -> assert(id != me)
	fi;
	assert(!queued[me])
}

#ifndef PROGRESS

byte ops = OPS;

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1;
	bool shared, turn, died;

	do
	:: atomic { ops > 0 ->
		ops--;
#ifdef MEET
		shared = (me != 2);
		deadline = (me == 2)
#else
		if
		:: shared = true
		:: shared = false
		fi;
		if
		:: true
		:: timeouts > 0 -> deadline = true
		fi
#endif
		};
		rwlock_take();
		atomic { check(); deadline = false };
#ifdef MEET
		if
		:: me == 1 && ret == OK -> met
		:: me == 3 && ret == OK -> met = true
		:: else
		fi;
#endif
		if
		:: ret == KILLED -> break
		:: atomic { !changed(ret) && ret != KILLED -> ret = 0 }
		:: changed(ret) ->
			if
			:: true
#ifndef MEET
			:: shared -> rwlock_upgrade()
			:: !shared -> rwlock_downgrade()
#endif
			fi;
			if
			:: true
			/* ksync_lock_consistent() */
			:: atomic { dead && !shared ->
				assert(id == me);
				dead = false;
				must_tell = false }
			fi;
			ret = 0;
			if
			:: atomic { kills > 0 && shared ->
				kills--; reading-- };
#ifdef BUG_DEAD_READER
				readers > 0;
#else
				rwlock_unread();
#endif
				break
			:: atomic { kills > 0 && !shared ->
				kills--; writing--; must_tell = true;
				died = true };
				rwlock_unwrite();
				break
			:: atomic { shared -> reading-- };
				rwlock_unread()
			:: atomic { !shared ->
				writing--;
				must_lose = must_lose || must_tell;
				must_tell = false };
				rwlock_unwrite()
			fi
		fi
#if defined(MEET) || defined(ONCE)
		;
		break
#endif
	:: ops == 0 -> break
	od;
	atomic {
		ended++;
		if
		:: ended == N ->
			assert(!id && !readers && !waiters && !writer_waits);
			assert(!len(readers_queue) && !len(writers_queue));
			assert(dead == must_tell && lost == must_lose)
		:: else
		fi
	}
}

#else /* PROGRESS */

active [N] proctype thread()
{
	KSYNC_LOCALS;
	byte me = _pid + 1;
	bool shared = ((me == 1) == (PROGRESS == 2)), turn, died;

	do
	::
		wants = wants || me == 1;
		rwlock_take();
		assert(ret == OK);
		ret = 0;
		wants = wants && me != 1;
		if
		:: shared -> rwlock_unread()
		:: else -> rwlock_unwrite()
		fi
	od
}

ltl served { [] (wants -> <> !wants) }

#endif
