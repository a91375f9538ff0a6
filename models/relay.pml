/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mutex of the futex backend: one waiter is nudged, and while it is on its way
 * the word does not say that anybody waits, so that unlocks need no queue.
 * lib/backend_futex_mutex.c, step by step; the names are the code's.
 *
 * An unlock without flags in the word is a store, which may wait in the CPU's
 * store buffer, and a load of the flags. Where an atomic operation changes the
 * word, or a barrier is sent, all that was stored is there. What only the queue's
 * lock guards changes together with the step before or after.
 *
 * A thread may be killed anywhere, also with the queue locked. Somebody then frees
 * the lock in its name, ends its wait and its hold; another thread has its line
 * after that. Since a sleeper looks every now and then, each looks once after each
 * death. Without a death nobody does: no wake-up may depend on it.
 *
 * Shown: one holder at a time; nobody sleeps for ever; a deadline leaves nothing
 * held.
 */
#ifndef N
#define N 3
#endif
#ifndef OPS
#define OPS 4
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif

/* The word: its low half, and flags in the high half. */
byte owner;
bool WAITERS, FENCED;
#define ctl	(WAITERS || FENCED)

/* kfx_nudged_of() */
#define NUDGED		1
#define STARVING	2
#define AT_HAND		3
byte hint;

chan queue = [N] of { byte };
byte locked;			/* the queue, by whom */

/* Of a thread's line: the state of its wait, and line->nudged. */
#define IDLE	0
#define WAITING	1
#define GRANTED	2
#define AWAKE	2
byte wait[N + 1], nudged[N + 1];

/* Its futex: changed since it was read; its thread sleeps on it. */
bool changed[N + 1], asleep[N + 1];

bool key[N + 1];		/* the line says that it has the mutex, or may */
bool pending[N + 1];		/* 0 for the low half, in the store buffer */
bool due[N + 1];		/* a look after a death */

/* What must be. */
byte inside, ops = OPS, kills = KILLS, timeouts = TIMEOUTS, ended;

/* What an atomic, a fence, an interrupt or a context switch does. */
inline drain(t)
{
	if
	:: pending[t] -> owner = 0; pending[t] = false
	:: else
	fi
}

inline kfx_barrier()
{
	drain(1);
	drain(2);
#if N > 2
	drain(3);
#endif
#if N > 3
	drain(4);
#endif
	skip
}

/* Any time that suits it. */
active proctype memory()
{
end:
	do
	:: atomic { pending[1] -> drain(1) }
	:: atomic { pending[2] -> drain(2) }
#if N > 2
	:: atomic { pending[3] -> drain(3) }
#endif
#if N > 3
	:: atomic { pending[4] -> drain(4) }
#endif
	od
}

/*
 * At any of these points the thread may be killed, but who acts for the dead. With
 * KILLED only there.
 */
#define ELSEWHERE	0
#define NUDGING		1
#define ASLEEP		2
#ifdef KILLED
#define mortal(where)	(kills > 0 && !heir && where == KILLED)
#else
#define mortal(where)	(kills > 0 && !heir)
#endif
#define MORTAL_WHERE(where)					\
	if							\
	:: true							\
	:: atomic { mortal(where) -> kills--; goto dead }	\
	fi
#define MORTAL		MORTAL_WHERE(ELSEWHERE)

/* In an atomic sequence, as its first statement. */
#define kfx_q_lock	!locked -> drain(me); locked = me

/* kfx_q_unlock(): who was admitted or nudged is woken after it. */
inline kfx_q_unlock()
{
	locked = 0
}

inline wake_up()
{
	do
	:: atomic { wake & 2 -> wake = wake & ~2; asleep[1] = false }
	:: atomic { wake & 4 -> wake = wake & ~4; asleep[2] = false }
#if N > 2
	:: atomic { wake & 8 -> wake = wake & ~8; asleep[3] = false }
#endif
#if N > 3
	:: atomic { wake & 16 -> wake = wake & ~16; asleep[4] = false }
#endif
	:: wake == 0 -> break
	od
}

inline kfx_q_wake(t)
{
	changed[t] = true;
	if
	:: nudged[t] == AWAKE
	:: else -> wake = wake | (1 << t)
	fi
}

inline kfx_q_admit(t)
{
	queue??eval(t);
	wait[t] = GRANTED;
	kfx_q_wake(t)
}

inline kfx_q_first()
{
	if
	:: queue?[_] -> queue?<first>
	:: else -> first = 0
	fi
}

/* The barrier is a step of its own. */
inline set_flags()
{
	atomic {
		if
		:: len(queue) == 0 -> hint = 0; WAITERS = false
		:: len(queue) > 0 && !WAITERS && hint != NUDGED ->
			drain(me);
#ifndef BUG_NO_BARRIER
			barrier = !FENCED;
#endif
			WAITERS = true;
			FENCED = true
		:: else
		fi
	};
	if
	:: atomic { barrier -> barrier = false; kfx_barrier() }
	:: !barrier
	fi
}

/* Grants what is free to the oldest, or finishes a grant that was begun. */
inline mutex_advance()
{
	atomic {
		kfx_q_first();
		if
		:: owner && wait[owner] == WAITING -> kfx_q_admit(owner)
		:: else
		fi;
		if
		:: len(queue) == 0 || !(queue?[eval(first)]) -> hint = 0
		:: else
		fi
	};
	set_flags();
	MORTAL;
	atomic {
		kfx_q_first();
		if
		:: first && owner == 0 ->
			drain(me);
			owner = first;
			half = first
		:: else
		fi;
		first = 0
	};
	if
	:: half ->
		MORTAL;
		atomic { kfx_q_admit(half); half = 0; hint = 0 };
		set_flags()
	:: !half
	fi
}

/* kfx_mutex_try(): in got. */
inline kfx_mutex_try()
{
	atomic {
		if
		:: owner == 0 -> drain(me); owner = me; got = true
		:: else -> got = false
		fi
	}
}

inline failed()
{
	atomic { kfx_q_lock };
	MORTAL;
	if
	:: atomic { wait[me] == WAITING ->
		nudged[me] = 0;
#ifdef BUG_FAIL_SILENT
		skip
#else
		if
		:: hint = 0
		:: hint = STARVING
		fi
#endif
		};
		set_flags()
	:: wait[me] != WAITING
	fi;
	MORTAL;
	kfx_q_unlock()
}

/* kfx_mutex_poll(): in got, that the wait need not go on. */
inline kfx_mutex_poll()
{
	kfx_mutex_try();
	if
	:: got
	:: !got && nudged[me] == 0
	:: !got && nudged[me] == 1 ->
		/* kfx_mutex_spin() */
		kfx_mutex_try();
		if
		:: got
		:: !got -> failed(); look_again()
		fi
	:: !got && nudged[me] == AWAKE ->
		/* kfx_mutex_spin_granted(), as long as it likes */
		if
		:: wait[me] != WAITING
		:: true
		fi;
		failed();
		look_again()
	fi
}

inline look_again()
{
#ifdef BUG_NO_LAST_LOOK
	got = (wait[me] != WAITING)
#else
	if
	:: wait[me] != WAITING -> got = true
	:: else -> kfx_mutex_try()
	fi
#endif
}

/* kfx_wait_look(), when somebody has died. */
inline kfx_wait_look()
{
	atomic { kfx_q_lock };
	mutex_advance();
	kfx_q_unlock();
	wake_up()
}

/* kfx_wait() with its sleep; in late, that the deadline has passed. */
inline kfx_wait()
{
	do
	::
		changed[me] = false;
		if
		:: wait[me] != WAITING -> break
		:: wait[me] == WAITING -> kfx_mutex_poll()
		fi;
		MORTAL;
		if
		:: got -> break
		:: !got && deadline && timeouts > 0 ->
			timeouts--;
			late = true;
			break
		:: !got ->
			asleep[me] = !changed[me];
			if
			:: !asleep[me]
			:: atomic { asleep[me] && due[me] ->
				asleep[me] = false;
				due[me] = false };
				kfx_wait_look()
			:: atomic { asleep[me] && deadline && timeouts > 0 ->
				asleep[me] = false;
				timeouts--;
				late = true };
				break
			:: atomic { asleep[me] && mortal(ASLEEP) ->
				kills--;
				goto dead }
			fi
		fi
	od
}

/* join() and wait_for_it(): in got. */
inline wait_for_it()
{
	atomic { kfx_q_lock;
		wait[me] = WAITING;
		nudged[me] = 0;
		queue!me;
		if
		:: len(queue) == 1 -> nudged[me] = AWAKE; hint = AT_HAND
		:: true
		fi
	};
	MORTAL;
	set_flags();
	MORTAL;
	kfx_q_unlock();
	MORTAL;
	kfx_wait();
	if
	:: wait[me] == WAITING ->
		MORTAL;
		atomic { kfx_q_lock };
		if
		:: atomic { wait[me] == WAITING ->	/* stop_waiting() */
			kfx_q_first();
			if
#ifndef BUG_LEAVE_NUDGED
			:: first == me -> hint = 0
#endif
			:: else
			fi;
			queue??eval(me);
			wait[me] = IDLE };
			MORTAL;
			mutex_advance()
		:: wait[me] != WAITING
		fi;
		MORTAL;
		kfx_q_unlock();
		wake_up()
	:: wait[me] != WAITING
	fi;
	atomic {
		got = (owner == me && !pending[me]);
		assert(got || late);
		wait[me] = IDLE;
		late = false;
		deadline = false
	}
}

inline lock()
{
	key[me] = true;
	MORTAL;
	kfx_mutex_try();
	if
	:: got
	:: !got ->
		if
		:: true
		:: timeouts > 0 -> deadline = true
		fi;
		wait_for_it()
	fi
}

/* The oldest waiter starves if it suits it: in go. */
inline goes_to_oldest()
{
	if
	:: hint >= STARVING -> go = true
	:: hint < STARVING -> go = false
	:: hint == 0 && len(queue) > 0 -> go = true
	fi
}

inline wake_oldest()
{
	atomic { kfx_q_lock; kfx_q_first() };
	MORTAL;
	atomic { goes_to_oldest(); go = go || !first };
	if
	:: go -> mutex_advance()
	:: atomic { !go && !hint && owner == 0 ->	/* nudge() */
#ifndef BUG_NUDGE_LATE
		nudged[first] = 1
#else
		skip
#endif
		};
		MORTAL_WHERE(NUDGING);
		hint = NUDGED;
		MORTAL_WHERE(NUDGING);
		atomic { drain(me); WAITERS = false };
		MORTAL_WHERE(NUDGING);
		atomic { nudged[first] = 1; kfx_q_wake(first); first = 0 }
	:: !go && (hint || owner)
	fi;
	MORTAL;
	atomic { go = false; first = 0; kfx_q_unlock() };
	MORTAL;
	wake_up()
}

inline let_go()
{
	atomic { kfx_q_lock; kfx_q_first() };
	MORTAL;
	if
	:: atomic { owner == me && first ->
		hint = 0;
		owner = first };
		MORTAL;
		atomic { kfx_q_admit(first); first = 0 }
	:: atomic { owner == me && !first -> owner = 0 }
	:: owner != me
	fi;
	MORTAL;
	mutex_advance();
	MORTAL;
	kfx_q_unlock();
	MORTAL;
	wake_up()
}

/* ksync_inline_unlock(), and release() */
inline unlock()
{
	if
	:: atomic { !ctl -> pending[me] = true };
		MORTAL;
		if
		:: !ctl
		:: ctl ->
			atomic { drain(me) };
			if
			:: WAITERS && hint != NUDGED -> wake_oldest()
			:: !WAITERS || hint == NUDGED
			fi
		fi
	:: ctl ->
		goes_to_oldest();
		if
		:: WAITERS && go -> go = false; let_go()
		:: else ->
			go = false;
			MORTAL;
			/* let_free(), or let_free_unfenced() */
			if
			:: atomic { owner == me && !WAITERS ->
				owner = 0;
				FENCED = false }
			:: atomic { owner == me ->
				owner = 0;
				see = WAITERS }
			fi;
			MORTAL;
			if
			:: see && hint != NUDGED -> wake_oldest()
			:: !see || hint == NUDGED
			fi;
			see = false
		fi
	fi;
	key[me] = false
}

/* kfx_recover_gated(), for one that has died: kfx_adopt(), then its wait, its hold. */
inline recover()
{
	if
	:: atomic { locked == me -> kfx_barrier() };
		mutex_advance();
		kfx_q_unlock();
		wake_up()
	:: locked != me
	fi;
	atomic { kfx_q_lock };
	if
	:: atomic { wait[me] != IDLE ->
		if
		:: wait[me] == WAITING -> queue??eval(me)
		:: else
		fi;
		/* mutex_drop_wait() */
		if
		:: nudged[me] -> hint = 0
		:: else
		fi;
		if
		:: owner == me -> owner = 0
		:: else
		fi;
		wait[me] = IDLE };
		mutex_advance()
	:: wait[me] == IDLE
	fi;
	kfx_q_unlock();
	wake_up();
	if
	:: key[me] ->
		atomic { kfx_q_lock };
		/* mutex_drop_hold() */
		atomic {
			if
			:: owner == me ->
				owner = 0;
				barrier = !FENCED;
				FENCED = true
			:: else
			fi
		};
		if
		:: atomic { barrier -> barrier = false; kfx_barrier() }
		:: !barrier
		fi;
		mutex_advance();
		kfx_q_unlock();
		wake_up()
	:: !key[me]
	fi;
	atomic {
		key[me] = false;
		due[1] = true;
		due[2] = true;
#if N > 2
		due[3] = true;
#endif
#if N > 3
		due[4] = true;
#endif
		skip
	}
}

active [N] proctype thread()
{
	byte me = _pid, wake, first, half;
	bool got, deadline, late, barrier, go, see, heir;

live:
	do
	:: atomic { ops > 0 -> ops-- };
		lock();
		if
		:: atomic { got -> got = false; inside++; assert(inside == 1) };
			if
			:: true
			:: atomic { mortal(ELSEWHERE) ->
				kills--;
				inside--;
				goto dead }
			fi;
			inside--;
			unlock()
		:: !got -> key[me] = false
		fi
	:: ops == 0 -> break
	od;
	goto out;
dead:
	atomic {
		heir = true;
		drain(me);
		asleep[me] = false;
		wake = 0;
		first = 0;
		half = 0;
		barrier = false;
		got = false;
		go = false;
		see = false;
		deadline = false;
		late = false
	};
	recover();
	/* Another thread has its line now. */
	atomic { heir = false; goto live };
out:
	atomic {
		ended++;
		drain(me);
		assert(ended < N || (owner == 0 && len(queue) == 0 && !WAITERS))
	}
}
