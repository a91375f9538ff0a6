/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all models share: threads that sleep, the lock of a bucket, grants and
 * their publication. module/wait.c, step by step; the names are the code's.
 *
 * A model defines N (threads, numbered from 1) and includes this. It has inline
 * functions of its own, as an object type has functions in the module:
 *
 *	enqueue(), dequeue(t)	its queue, a channel
 *	sync()			the flags in the word say what the queue is
 *	advance()		the rest of the type's ops->advance()
 *
 * One step of a model is one atomic change of the state word (ksync_update()),
 * whoever holds the bucket's lock, or one access to what others look at without
 * that lock: result, nudged, the task's state. What only the bucket's lock
 * guards changes together with the step before or after: taking a lock moves
 * to the right, releasing it to the left of what others do in between. So the
 * lock is taken together with the first change of the word inside, sync(), and
 * released with the last, at the end of advance().
 *
 *	mortal(t), kill_me()	may a wait be ended by a kill, and what comes of it
 *
 * KILLS and TIMEOUTS bound how often a run is interrupted.
 */

/* Outcomes. */
#define OK		0
#define PENDING		1	/* KSYNC_PENDING */
#define BUSY		2
#define OWNERDEAD	3
#define NOTRECOVERABLE	4
#define TIMEDOUT	5
#define KILLED		6	/* -ERESTARTNOINTR, and the thread ends */
#define INTR		7	/* -ERESTARTNOINTR, and the call is made again */
#define INVALID		8

#define changed(ret)	((ret) == OK || (ret) == OWNERDEAD)	/* ksync_changed */

/* struct ksync_waiter, one a thread. */
bool queued[N + 1];		/* !RB_EMPTY_NODE(&w->node) */
bool nudged[N + 1];
byte result[N + 1];
byte granted[N + 1];
bool sleeping[N + 1];		/* the task's state is not TASK_RUNNING */

byte ended;			/* threads that are through */

#ifndef KILLS
#define KILLS 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
byte kills = KILLS;
byte timeouts = TIMEOUTS;

/*
 * ksync_queue_lock() is COME, then LOCK as the first statement of an atomic
 * sequence. For progress the lock must be fair, as the kernel's are; otherwise
 * any order of getting it is explored.
 */
#ifdef PROGRESS
chan tickets = [N] of { byte };
#define COME	tickets!me
#define LOCK	tickets?[eval(me)]
#define UNLOCK	tickets?eval(me)
#else
bool locked;
#define COME	skip
#define LOCK	!locked -> locked = true
#define UNLOCK	locked = false
#endif

/* What every thread has: the list in struct ksync_wake is a set here. */
#define KSYNC_LOCALS							\
	byte ret, r, x;							\
	byte wake;		/* bit t: t was granted something */	\
	byte wake_nudge;	/* whom to wake to try again */		\
	bool in_queue, deadline

/* ksync_grant() */
inline ksync_grant(t, outcome)
{
	dequeue(t);
	queued[t] = false;
	granted[t] = outcome;
	wake = wake | (1 << t)
}

/* ksync_nudge() */
inline ksync_nudge(t)
{
	if
	:: !nudged[t] && !wake_nudge ->
		nudged[t] = true;
		wake_nudge = t
	:: else
	fi
}

/* ksync_wake_all(): the result, then wake_up_process(). */
inline ksync_wake_all()
{
	do
	:: wake == 0 -> break
	:: wake & 2 -> wake = wake & ~2; publish(1)
	:: !(wake & 2) && (wake & 4) -> wake = wake & ~4; publish(2)
	:: !(wake & 6) && (wake & 8) -> wake = wake & ~8; publish(3)
#if N > 3
	:: !(wake & 14) && (wake & 16) -> wake = wake & ~16; publish(4)
#endif
	od;
	if
	:: wake_nudge -> d_step { sleeping[wake_nudge] = false; wake_nudge = 0 }
	:: else
	fi
}

inline publish(t)
{
	d_step { result[t] = granted[t]; granted[t] = 0 };
	sleeping[t] = false
}

/*
 * ksync_sleep(). A wait ends early by its deadline, or because the thread is
 * killed, whenever that is allowed.
 */
inline ksync_sleep()
{
	do
	::
#ifndef BUG_SLEEP_ORDER
		sleeping[me] = true;
#endif
		if
		:: result[me] != PENDING || nudged[me] -> break
		:: else
		fi;
#ifdef BUG_SLEEP_ORDER
		sleeping[me] = true;
#endif
		if
		:: !sleeping[me]
		:: atomic { deadline && timeouts > 0 ->
			timeouts--; ret = TIMEDOUT }; break
		:: atomic { kills > 0 && mortal(me) ->
			kills--; kill_me(); ret = KILLED }; break
#ifdef doomed
		:: doomed(me) -> ret = KILLED; break
#endif
#ifdef SIGNALS
		:: atomic { signals > 0 && interruptible(me) ->
			signals--; ret = INTR }; break
#endif
		fi
	od;
	sleeping[me] = false
}

/* ksync_wait_result() */
inline ksync_wait_result()
{
	do
	:: sleeping[me] = true;
		if
		:: result[me] != PENDING -> break
		:: else -> !sleeping[me]
		fi
	od;
	atomic { sleeping[me] = false; ret = result[me]; result[me] = 0 }
}

/* A bug: out of time is out of time, even if a grant is on its way. */
#ifdef BUG_LEAVE_BLIND
#define BLIND	TIMEDOUT
#else
#define BLIND	255
#endif

/* ksync_wait(): the outcome is in ret. */
inline ksync_wait()
{
	COME;
	atomic {
		LOCK;
		result[me] = PENDING;
		nudged[me] = false;
		queued[me] = true;
		enqueue();
		sync();
#ifdef BUG_NO_RECHECK
		/* It says that it waits, and does not look again. */
		in_queue = true;
		UNLOCK
#endif
	};
	ksync_wait_queued()
}

/* ksync_wait_queued(): with the bucket's lock, and the flags as they are now. */
inline ksync_wait_queued()
{
	do
	::
#ifdef BUG_NO_RECHECK
		if
		:: in_queue -> goto recheck_skipped
		:: else
		fi;
#endif
		advance();
#ifdef BUG_NO_RECHECK
recheck_skipped:
#endif
		ksync_wake_all();
		in_queue = queued[me];
		ret = OK;
		if
		:: in_queue -> ksync_sleep()
		:: else
		fi;

		COME;
		atomic {
			LOCK;
			in_queue = queued[me];
			if
			:: !in_queue && ret != BLIND -> UNLOCK; break
			:: in_queue && ret == OK ->
				nudged[me] = false;
				in_queue = false;
				sync()
			:: else ->	/* gives up */
				if
				:: queued[me] ->
					queued[me] = false;
					dequeue(me)
				:: else
				fi;
				in_queue = true;
				nudged[me] = false;
				result[me] = 0;
				sync();
#ifdef BUG_LEAVE_NO_ADVANCE
				UNLOCK;
#endif
				break
			fi
		}
	od;
	if
	:: !in_queue -> ksync_wait_result()
	:: else ->
		in_queue = false;
#ifndef BUG_LEAVE_NO_ADVANCE
		advance();
		ksync_wake_all()
#endif
	fi
}
