/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The favourite of a reader-writer lock in the futex backend: one thread that
 * both reads and writes, and reads without fences while the others have them.
 *
 * All threads read and write. A reader stores to its slot, and then loads the
 * word; the store may wait in the CPU's store buffer. With FENCED in the word it
 * has the buffer drained and loads again, unless the word names it as the
 * favourite. A writer puts its id into the word by an atomic. If FENCED is new
 * there, or it removes another favourite, it has all buffers drained. Then it
 * looks at the slots of the others, and waits until they are empty or lets go.
 *
 * Or it waits in the queue, if that is locked: says so in the word, where readers
 * look, has all buffers drained in any case, looks, and is given the word as it
 * is, favourite and all.
 *
 * A thread may be killed anywhere. Its stores are all done then, and somebody
 * has all buffers drained before he gives up what it had.
 *
 * Shown: one writer at a time, or readers.
 */
#ifndef N
#define N 3
#endif
#ifndef OPS
#define OPS 5
#endif
#ifndef KILLS
#define KILLS 0
#endif

/* The word. */
byte word, favourite;
bool fenced, waits;

bool slot[N + 1];		/* of the thread: it reads */

/* What a CPU has not written to memory yet: one store is all there can be. */
bool pending[N + 1], value[N + 1];

byte locked;			/* the queue, by whom */

/* What must be. */
byte writing, reading;
byte ops = OPS, kills = KILLS;

inline write_back(t)
{
	slot[t] = value[t];
	pending[t] = false;
	value[t] = false
}

/* What an atomic, a fence, an interrupt or a context switch does. */
inline drain(t)
{
	if
	:: pending[t] -> write_back(t)
	:: else
	fi
}

/* One CPU after the other. */
inline drain_all()
{
	atomic { drain(1) };
	atomic { drain(2) };
#if N > 2
	atomic { drain(3) };
#endif
	skip
}

/* The older store goes first. */
inline store(to)
{
	atomic { drain(me); pending[me] = true; value[me] = to }
}

/* Any time that suits it. */
active proctype memory()
{
end:
	do
	:: atomic { pending[1] -> write_back(1) }
	:: atomic { pending[2] -> write_back(2) }
#if N > 2
	:: atomic { pending[3] -> write_back(3) }
#endif
	od
}

#if N > 2
#define read_3	(me != 3 && slot[3])
#else
#define read_3	false
#endif
#define read_by_others	((me != 1 && slot[1]) || (me != 2 && slot[2]) || read_3)

/* At any of these points the thread may be killed. */
#define MORTAL							\
	if							\
	:: true							\
	:: atomic { kills > 0 -> kills--; goto dead }		\
	fi

#define may_read	(!word && !waits)

inline begin_reading()
{
	holds = true;
	reading++;
	assert(!writing)
}

inline read()
{
	store(true);
	MORTAL;
	if
	:: atomic { may_read && (!fenced || favourite == me) ->
		begin_reading() }
	:: atomic { may_read && fenced && favourite != me -> drain(me) };
		MORTAL;
		if
		:: atomic { may_read -> begin_reading() };
			/* calm_down() when it suits. */
			if
			:: atomic { !word && !waits && fenced ->
				drain(me);
				fenced = false;
				favourite = 0 }
			:: true
			fi
		:: !may_read
		fi
	:: !may_read
	fi;
	MORTAL;
	atomic {
		if
		:: holds -> reading--; holds = false
		:: else
		fi
	};
	store(false)
}

/* The word, by compare-exchange: an atomic, so what is stored is there. */
inline take()
{
	drain(me);
	barrier = !fenced;
#ifndef BUG_NO_BARRIER
	barrier = barrier || (favourite && favourite != me);
#endif
	word = me;
	fenced = true;
	if
	:: favourite == me
	:: favourite && favourite != me -> favourite = 0
	:: !favourite
	:: !favourite -> favourite = me
	fi
}

inline begin_writing()
{
	atomic {
		holds = true;
		writing++;
		assert(writing == 1 && !reading)
	}
}

inline write_at_once()
{
	if
	:: atomic { !word && !waits -> take() };
		MORTAL;
		if
		:: barrier -> barrier = false; drain_all()
		:: else
		fi;
		MORTAL;
		if
		:: atomic { !read_by_others -> begin_writing() }
		:: read_by_others
		fi
	:: word || waits
	fi
}

/* In the queue there is one at a time here. Who has it locked is not killed. */
inline write_in_turn()
{
	atomic { !locked -> locked = me; drain(me) };
	atomic { waits = true; fenced = true };
#ifndef BUG_WAIT_NO_BARRIER
	drain_all();
#endif
	if
	:: !word && !read_by_others ->
		atomic {
			if
			:: !word -> word = me
			:: else
			fi
		}
	:: word || read_by_others
	fi;
	if
	:: word == me -> begin_writing()
	:: else
	fi;
	atomic { waits = false; locked = 0 }
}

inline write()
{
	if
	:: write_at_once()
	:: write_in_turn()
	fi;
	MORTAL;
	atomic {
		drain(me);
		if
		:: holds -> writing--; holds = false
		:: else
		fi;
		if
		:: word == me -> word = 0
		:: else
		fi
	}
}

/* Somebody, for one that has died. */
inline recover()
{
	atomic { !locked -> locked = N + 1; drain(me) };
#ifndef BUG_DEATH_NO_BARRIER
	drain_all();
#endif
	atomic {
		if
		:: holds && word == me -> writing--
		:: holds && word != me -> reading--
		:: !holds
		fi;
		holds = false;
		slot[me] = false;
		if
		:: word == me -> word = 0
		:: else
		fi;
		locked = 0
	}
}

active [N] proctype thread()
{
	byte me = _pid;
	bool holds, barrier;

	do
	:: atomic { ops > 0 -> ops-- };
		if
		:: read()
		:: write()
		fi
	:: ops == 0 -> break
	od;
	goto out;
dead:
	recover();
out:
	skip
}
