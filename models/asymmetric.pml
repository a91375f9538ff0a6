/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The asymmetric barrier: whoever is quick pays with plain stores and loads, and
 * whoever goes to sleep pays with a barrier on the other's CPU (an
 * inter-processor interrupt, membarrier).
 *
 *	-DREADERS=n	threads from n + 1 on write, the others read. Without it
 *			all threads lock a mutex
 *
 * Mutex: the owner stores 0 to the word, and then loads the waiters flag, with
 * nothing but the order of the program in between: the store may wait in the
 * CPU's store buffer until long after the load. The sleeper sets the flag by an
 * atomic, has the owner's CPU drain its buffer, and looks at the word again.
 *
 * Readers: a reader stores to its slot, and then loads the word; likewise when it
 * leaves. A writer says FENCED in the word, and has all CPUs drain their buffers;
 * who sees FENCED drains its own, and loads again. The writer scans the slots,
 * takes the word, and scans them again.
 *
 * Death: a thread announces, in a line of its own, that it is engaged before its
 * first step, and withdraws that after its last. When it dies, its stores are
 * all done, and the kernel, if it finds the announcement, puts the lock in order
 * and wakes whoever could go on.
 *
 * Shown: one holder at a time, or readers; nobody sleeps for ever.
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

/* Places that are stored to. */
#define WORD	0		/* the owner's id */
#define SLOT	1		/* of the thread: it reads */
#define ENGAGED	2		/* of the thread: its announcement */

byte word;
bool slot[N + 1], engaged[N + 1];
bool flag;			/* somebody waits */

/* What a CPU has not written to memory yet, in order. */
chan buffer = [3 * N] of { byte, byte, byte };
#define buffered(t)	(buffer??[eval(t), _, _])

bool locked;			/* the bucket's lock, in the kernel */
bool queued[N + 1], woken[N + 1];

/* What must be. */
byte writing, reading;
byte ops = OPS, kills = KILLS, ended;

/* The oldest store of thread t reaches memory. */
inline write_back(t)
{
	buffer??eval(t),place,value;
	if
	:: place == WORD -> word = value
	:: place == SLOT -> slot[t] = value
	:: place == ENGAGED -> engaged[t] = value
	fi;
	place = 0;
	value = 0
}

/* What an atomic, a system call, an interrupt or a context switch does. */
inline drain(t)
{
	do
	:: buffer??[eval(t), _, _] -> write_back(t)
	:: else -> break
	od
}

#define store(place, value)	buffer!me,place,value

/* Any time that suits it. */
active proctype memory()
{
	byte place, value;
end:
	do
	:: atomic { buffered(1) -> write_back(1) }
	:: atomic { buffered(2) -> write_back(2) }
	:: atomic { buffered(3) -> write_back(3) }
#if N > 3
	:: atomic { buffered(4) -> write_back(4) }
#endif
	od
}

#if N > 3
#define wait_4	queued[4]
#define read_4	read_by(4)
#else
#define wait_4	false
#define read_4	false
#endif
#define anybody	(queued[1] || queued[2] || queued[3] || wait_4)

/* Bucket locked. */
inline wake(t)
{
	if
	:: queued[t] -> woken[t] = true
	:: else
	fi
}

inline wake_all()
{
	wake(1);
	wake(2);
	wake(3);
#if N > 3
	wake(4)
#endif
}

/* One of those who wait; in the kernel the oldest. */
inline wake_one()
{
	if
	:: queued[1] -> woken[1] = true
	:: queued[2] -> woken[2] = true
	:: queued[3] -> woken[3] = true
	:: wait_4 -> woken[N] = true
	:: !anybody
	fi
}

/* At any of these points the thread may be killed. */
#define MORTAL							\
	if							\
	:: true							\
	:: atomic { kills > 0 -> kills--; goto dead }		\
	fi

#ifndef READERS

/* The fast path: announce, one compare-exchange. */
inline lock()
{
	store(ENGAGED, true);
	MORTAL;
	atomic {
		drain(me);
		if
		:: word == 0 -> word = me; holds = true; writing++
		:: else
		fi;
		assert(writing <= 1)
	};
	do
	:: holds -> break
	:: !holds ->
		atomic {
			!locked -> locked = true;
			queued[me] = true;
			woken[me] = false;
			flag = true
		};
		owner = word;
#ifndef BUG_NO_BARRIER
		if
		:: atomic { owner -> drain(owner) }
		:: !owner
		fi;
#endif
		atomic {
			owner = 0;
			if
			:: word == 0 ->
				word = me;
				holds = true;
				writing++;
				assert(writing == 1);
				queued[me] = false;
				flag = anybody
			:: else
			fi;
			locked = false
		};
		if
		:: holds
		:: !holds -> woken[me]
		fi
	od
}

/* The fast path: a store, a load. */
inline unlock()
{
	atomic { writing--; holds = false; store(WORD, 0) };
#ifdef BUG_WITHDRAW_EARLY
	store(ENGAGED, false);
#endif
	MORTAL;
	see = flag;
	MORTAL;
	if
	:: atomic { see && !locked ->	/* a system call */
		see = false;
		drain(me);
		wake_one() }
	:: !see
	fi;
	store(ENGAGED, false)
}

/* The kernel, for one that has died; nothing of it is buffered any more. */
inline settle()
{
	atomic {
		!locked;
		drain(me);
		if
		:: engaged[me] ->
			if
			:: word == me -> word = 0; writing--; wake_one()
#ifndef BUG_DEATH_LOOKS_AT_HELD
			:: word != me -> wake_one()
#else
			:: word != me
#endif
			fi
		:: else
		fi;
		holds = false;
		see = false;
		engaged[me] = false
	}
}

active [N] proctype thread()
{
	byte me = _pid, owner, place, value;
	bool holds, see;

	do
	:: atomic { ops > 0 -> ops-- };
		lock();
		MORTAL;
		unlock()
	:: ops == 0 -> break
	od;
	goto out;
dead:
	settle();
out:
	atomic {
		ended++;
		drain(me);
		assert(ended < N || (word == 0 && !anybody && !writing))
	}
}

#else /* READERS */

bool fenced;			/* readers use full barriers */

#define in_the_way	(word || anybody)
#define read_by(t)	((t) <= READERS && slot[t])
#define slots_used	(read_by(1) || read_by(2) || read_by(3) || read_4)
#define waits(t)	((t) > READERS && queued[t])
#define writer_waits	(waits(2) || waits(3) || wait_4)

/* look(): what is in the way is in see then. */
inline look()
{
	atomic { see = in_the_way; fence = fenced };
	if
	:: atomic { fence -> drain(me); fence = false }; see = in_the_way
	:: !fence
	fi
}

/* In the kernel: until there is no writer. rwlock_unfence() when it suits. */
inline wait_for_writer()
{
	do
	:: atomic { !locked ->
		drain(me);
		if
		:: word || writer_waits -> queued[me] = true; woken[me] = false
		:: else ->
			queued[me] = false;
			if
			:: !in_the_way -> fenced = false
			:: true
			fi;
			break
		fi };
		woken[me]
	od
}

inline read_lock()
{
	do
	::
		store(SLOT, true);
		MORTAL;
		look();
		if
		:: atomic { !see -> reading++; assert(!writing) }; break
		:: see ->
			/* As when it leaves: the writer may have seen it. */
			store(SLOT, false);
			atomic { see = false; !locked -> drain(me); wake_all() };
			wait_for_writer()
		fi
	od
}

inline read_unlock()
{
	atomic { reading--; store(SLOT, false) };
	MORTAL;
	look();
	MORTAL;
	if
	:: atomic { see && !locked -> see = false; drain(me); wake_all() }
	:: !see
	fi
}

/* rwlock_take(): a look, the word, and another look. Bucket locked. */
inline rwlock_take()
{
	if
	:: fenced
	:: else ->
		fenced = true;
#ifndef BUG_NO_BARRIER
		atomic { drain(1) };
#if READERS > 1
		atomic { drain(2) };
#endif
#if READERS > 2
		atomic { drain(3) };
#endif
#endif
	fi;
	if
	:: slots_used
	:: else ->
		if
		:: atomic { word == 0 -> word = me };
			if
#ifndef BUG_ONE_LOOK
			:: slots_used -> word = 0
#endif
			:: else
			fi
		:: word != 0
		fi
	fi
}

inline write_lock()
{
	atomic { !locked -> locked = true };
	rwlock_take();
	locked = false;
	do
	:: word == me -> break
	:: word != me ->
		atomic {
			!locked -> locked = true;
			queued[me] = true;
			woken[me] = false
		};
		rwlock_take();
		atomic {
			if
			:: word == me -> queued[me] = false
			:: else
			fi;
			locked = false
		};
		if
		:: word == me
		:: word != me -> woken[me]
		fi
	od;
	atomic { writing++; assert(writing == 1 && !reading) }
}

inline write_unlock()
{
	atomic { writing--; word = 0 };
	if
	:: anybody -> atomic { !locked -> wake_all() }
	:: else
	fi
}

/* A reader's slot is its announcement; the kernel looks, whatever is in it. */
inline settle()
{
	atomic {
		!locked;
		drain(me);
		slot[me] = false;
		see = false;
#ifndef BUG_DEATH_LOOKS_AT_HELD
		wake_all()
#endif
	}
}

active [N] proctype thread()
{
	byte me = _pid, place, value;
	bool see, fence;

	do
	:: atomic { ops > 0 -> ops-- };
		if
		:: me <= READERS ->
			read_lock();
			if
			:: true
			:: atomic { kills > 0 ->
				kills--; reading--; goto dead }
			fi;
			read_unlock()
		:: me > READERS ->
			write_lock();
			write_unlock()
		fi
	:: ops == 0 -> break
	od;
	goto out;
dead:
	settle();
out:
	atomic {
		ended++;
		drain(me);
		assert(ended < N || (word == 0 && !anybody));
		assert(ended < N || (!writing && !reading && !slots_used))
	}
}

#endif
