/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ksync: run-once, barriers and condition variables. A part of <linux/ksync.h>,
 * which is what programs include and which has the rules for all of it.
 */
#ifndef _UAPI_LINUX_KSYNC_RENDEZVOUS_H
#define _UAPI_LINUX_KSYNC_RENDEZVOUS_H

/*
 * once: state
 *
 *   bits 0-29   id of the thread that runs it, 0 when there is none
 *   bit  30     DONE: completed, the result is in the cell. Set by the runner
 *               as it completes, cleared by reset; the id is 0 then
 *   bit  31     DEAD: a runner died, and nobody has completed since. Set by
 *               whoever finds it dead, cleared with the setting of DONE
 *   bits 32-62  runs begun (wraps)
 *   bit  63     somebody waits: who ends a run looks at the queue. Set before
 *               the waiter looks at the other bits for the last time, cleared
 *               with the queue empty and locked
 */
#define KSYNC_ONCE_ID		0x000000003fffffffULL
#define KSYNC_ONCE_DONE		(1ULL << 30)
#define KSYNC_ONCE_DEAD		(1ULL << 31)
#define KSYNC_ONCE_RUNS		0x7fffffff00000000ULL
#define KSYNC_ONCE_RUN		(1ULL << 32)
#define KSYNC_ONCE_WAITERS	(1ULL << 63)

/**
 * struct ksync_once_cell - once
 * @state: see above
 * @owner: low half of @state
 * @ctl: high half of @state
 * @result: what the last run that completed gave; before DONE is set
 * @since: CLOCK_MONOTONIC, coarse, of the beginning of the last run, in ns
 * @completed: runs that completed
 * @abandoned: runs that were given up
 * @deaths: runs that ended with the runner's death
 * @contended: begins that had to wait
 * @reserved: zero
 */
struct ksync_once_cell {
	union {
		__u64 state __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(owner, ctl); };
	};
	__u64 result;
	__u64 since;
	__u32 completed;
	__u32 abandoned;
	__u32 deaths;
	__u32 contended;
	__u32 reserved[6];
};

/*
 * barrier: state. Changed with the queue locked only.
 *
 *   bits 0-30   parties that have arrived in the present round
 *   bit  31     BROKEN: the present round will not end. Set by whoever times
 *               out, is cancelled, leaves or is found dead, cleared by reset
 *   bits 32-62  number of the round. Grows (and wraps) when all have arrived,
 *               and with the reset of a round that somebody had arrived in or
 *               that was broken
 *   bit  63     zero
 */
#define KSYNC_BARRIER_ARRIVED	0x000000007fffffffULL
#define KSYNC_BARRIER_BROKEN	(1ULL << 31)
#define KSYNC_BARRIER_ROUND	0x7fffffff00000000ULL
#define KSYNC_BARRIER_ROUND_ONE	(1ULL << 32)

/**
 * struct ksync_barrier_cell - barrier
 * @state: see above
 * @arrived: low half of @state
 * @round: high half of @state
 * @history: bit n tells whether the round n + 1 before the present one was
 *           broken
 * @parties: that make a round; fixed
 * @members: processes that have joined, as often as they have
 * @deaths: deaths that broke it
 * @breaks: times that it broke
 * @waits: waits that had to sleep
 * @reserved: zero
 */
struct ksync_barrier_cell {
	union {
		__u64 state __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(arrived, round); };
	};
	__u64 history;
	__u32 parties;
	__u32 members;
	__u32 deaths;
	__u32 breaks;
	__u32 waits;
	__u32 reserved[7];
};

/*
 * condition: state
 *
 *   bits 0-62   signals and broadcasts so far (wraps)
 *   bit  63     somebody waits. Set and cleared with the queue locked
 */
#define KSYNC_COND_SIGNALS	0x7fffffffffffffffULL
#define KSYNC_COND_WAITERS	(1ULL << 63)

/**
 * struct ksync_cond_cell - condition variable
 * @state: see above
 * @low: low half of @state
 * @high: high half of @state
 * @waits: waits so far
 * @moved: waiters that signals and broadcasts moved to the queue of a mutex
 * @reserved: zero
 */
struct ksync_cond_cell {
	union {
		__u64 state __attribute__((aligned(8)));
		struct { KSYNC_CELL_HALVES(low, high); };
	};
	__u64 waits;
	__u64 moved;
	__u32 reserved[10];
};

/**
 * struct ksync_once_begin_args - KSYNC_IOC_ONCE_BEGIN
 * @index: in: which
 * @flags: in: KSYNC_WAIT_CANCEL
 * @deadline: in: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE
 * @result: out, with EALREADY: what the run that completed gave; otherwise it
 *          is not written
 * @cancel: in: as in struct ksync_lock_args
 * @cancel_index: in: likewise
 *
 * 0 or EOWNERDEAD: the calling thread runs it now, and ends that with COMPLETE
 * or ABANDON; EOWNERDEAD when a runner died and nobody has completed since.
 * EALREADY: it is done. While somebody else runs it, the call waits for the end
 * of that. EDEADLK: the caller runs it already.
 */
struct ksync_once_begin_args {
	__u32 index;
	__u32 flags;
	__u64 deadline;
	__u64 result;
	__s32 cancel;
	__u32 cancel_index;
};

#define KSYNC_ONCE_BEGIN_ARGS_SIZE_1	24	/* as first published */

/**
 * struct ksync_once_complete_args - KSYNC_IOC_ONCE_COMPLETE
 * @index: in: which
 * @flags: in: zero
 * @result: in: for everybody who asks from now on
 *
 * EPERM unless the calling thread runs it. ABANDON, with struct
 * ksync_index_args, ends the run without a result: the oldest waiter runs it
 * next, otherwise who comes first. RESET makes what is done not done; EBUSY
 * while somebody runs it.
 */
struct ksync_once_complete_args {
	__u32 index;
	__u32 flags;
	__u64 result;
};

/*
 * BARRIER_WAIT, with struct ksync_lock_args: the calling thread arrives, and
 * waits until all parties have. It returns 1 to the party of each round that
 * arrived last, and 0 to the others. EPIPE: the barrier is broken, or broke
 * during the wait. ETIMEDOUT, ECANCELED: the caller has just broken it; if its
 * round is over by then, that is the outcome. A thread that dies after it has
 * arrived breaks it, too.
 *
 * JOIN, LEAVE and RESET take struct ksync_index_args. With JOIN the calling
 * process becomes a member, whose end, by death, execve or LEAVE, breaks the
 * barrier at once, whether it has arrived or not: EOVERFLOW with as many
 * members as parties. LEAVE: EPERM for who is none. RESET makes a broken
 * barrier usable; parties that wait get EPIPE.
 */

/**
 * struct ksync_cond_wait_args - KSYNC_IOC_COND_WAIT
 * @index: in: which condition
 * @flags: in: KSYNC_WAIT_CANCEL
 * @mutex: in: a mutex's descriptor
 * @mutex_index: in: which mutex
 * @deadline: in: CLOCK_MONOTONIC in ns, or KSYNC_DEADLINE_NONE
 * @cancel: in: as in struct ksync_lock_args
 * @cancel_index: in: likewise
 *
 * Gives up the mutex and waits for a signal, in one step; takes the mutex again
 * whatever ended the wait, and that no deadline and no event ends. 0, ETIMEDOUT
 * and ECANCELED: with the mutex. Who was signalled by then is neither late nor
 * cancelled; otherwise the signal is for another. EOWNERDEAD: with the mutex, a
 * holder of which died meanwhile (also when the deadline passed or the event
 * was set).
 * ENOTRECOVERABLE: the mutex is lost, and not held. Without waiting: EPERM when
 * the caller does not hold the mutex, EDEADLK when it has locked it more than
 * once, EINVAL when the mutex is inconsistent. A wait may end without a signal,
 * when a signal handler interrupted it and somebody signalled meanwhile.
 *
 * SIGNAL and BROADCAST take struct ksync_index_args, and move the oldest, or
 * every, waiter to the queue of its mutex.
 */
struct ksync_cond_wait_args {
	__u32 index;
	__u32 flags;
	__s32 mutex;
	__u32 mutex_index;
	__u64 deadline;
	__s32 cancel;
	__u32 cancel_index;
};

#define KSYNC_COND_WAIT_ARGS_SIZE_1	24	/* as first published */

#define KSYNC_IOC_COND_WAIT	_IOW(KSYNC_IOC_MAGIC, 0x70, struct ksync_cond_wait_args)
#define KSYNC_IOC_COND_SIGNAL	_IOW(KSYNC_IOC_MAGIC, 0x71, struct ksync_index_args)
#define KSYNC_IOC_COND_BROADCAST _IOW(KSYNC_IOC_MAGIC, 0x72, struct ksync_index_args)

#define KSYNC_IOC_BARRIER_WAIT	_IOW(KSYNC_IOC_MAGIC, 0x80, struct ksync_lock_args)
#define KSYNC_IOC_BARRIER_JOIN	_IOW(KSYNC_IOC_MAGIC, 0x81, struct ksync_index_args)
#define KSYNC_IOC_BARRIER_LEAVE	_IOW(KSYNC_IOC_MAGIC, 0x82, struct ksync_index_args)
#define KSYNC_IOC_BARRIER_RESET	_IOW(KSYNC_IOC_MAGIC, 0x83, struct ksync_index_args)

#define KSYNC_IOC_ONCE_BEGIN	_IOWR(KSYNC_IOC_MAGIC, 0x90, struct ksync_once_begin_args)
#define KSYNC_IOC_ONCE_COMPLETE	_IOW(KSYNC_IOC_MAGIC, 0x91, struct ksync_once_complete_args)
#define KSYNC_IOC_ONCE_ABANDON	_IOW(KSYNC_IOC_MAGIC, 0x92, struct ksync_index_args)
#define KSYNC_IOC_ONCE_RESET	_IOW(KSYNC_IOC_MAGIC, 0x93, struct ksync_index_args)

#endif /* _UAPI_LINUX_KSYNC_RENDEZVOUS_H */
