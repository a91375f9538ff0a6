/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steps of module/mutex.c on the word of module/lock_word.h, for models with a
 * mutex. Besides KSYNC_LOCALS, threads have y, hand_over and try.
 */
/* The word. */
byte id;
bool waiters, dead, lost;

chan queue = [N] of { byte };

#ifdef PROGRESS
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
