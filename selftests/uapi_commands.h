/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every command of the ABI in one table, for tests that go through them all.
 */
#ifndef UAPI_COMMANDS_H
#define UAPI_COMMANDS_H

#include "uapi_rendezvous.h"

#include <stddef.h>

#define PRIMITIVES	8
#define NAME		"uapi-bad-input"
#define NEW_NAME	"uapi-bad-input-new"

/* Those of objects by the number of their type. */
enum {
	DEVICE_FD, MUTEX_FD, RWLOCK_FD, WAITGROUP_FD, SEM_FD, EVENT_FD,
	COND_FD, BARRIER_FD, ONCE_FD, NR_FDS
};

#define COND_MUTEX	7	/* that waits at conditions give up */

#define END		-1
#define U32(type, field)	((int)offsetof(struct type, field))
#define U64(type, field)	U32(type, field), U32(type, field) + 4

static const struct command {
	const char *name;
	unsigned int cmd;
	int on;			/* a descriptor; OBJ_*: -1 for all but the device */
	int result;		/* of the well-formed call */
	bool changes;		/* the status, then */
	int zero[9];		/* fields of 32 bits that must be zero */
} commands[] = {
#define COMMAND(name) #name, KSYNC_IOC_##name
	{ COMMAND(DEV_INFO), DEVICE_FD, .zero = { END } },
	{ COMMAND(DEV_CREATE), DEVICE_FD, 0, true, { END } },
	{ COMMAND(DEV_OPEN), DEVICE_FD, 0, true, { END } },
	{ COMMAND(DEV_QUERY), DEVICE_FD, 0, false,
	  { U64(ksync_query_args, cursor), U64(ksync_query_args, info.id),
	    U32(ksync_query_args, info.reserved),
	    U32(ksync_query_args, status.flags),
	    U64(ksync_query_args, status.contended), END } },
	{ COMMAND(DEV_LIST), DEVICE_FD, 0, false,
	  { U32(ksync_query_args, status.index), END } },
	{ COMMAND(DEV_THREAD), DEVICE_FD, .zero = { END } },
	{ COMMAND(DEV_UNLINK), DEVICE_FD, 0, true, { END } },
#define GRAPH_ZERO	{ U32(ksync_graph_args, nr),			\
			  U32(ksync_graph_args, flags),			\
			  U32(ksync_graph_args, total),			\
			  U32(ksync_graph_args, pad), END }
	{ COMMAND(DEV_GRAPH), DEVICE_FD, 0, false, GRAPH_ZERO },
	{ COMMAND(DEV_CYCLE), DEVICE_FD, 0, false, GRAPH_ZERO },
	{ COMMAND(OBJ_INFO), -1, .zero = { END } },
	{ COMMAND(OBJ_STATUS), -1, .zero = { END } },
	{ COMMAND(OBJ_WAKE), -1, .zero = { U32(ksync_index_args, flags), END } },
	{ COMMAND(OBJ_THREAD), -1, .zero = { END } },
	{ COMMAND(DEV_WAIT), DEVICE_FD, 0, true,
	  { U32(ksync_wait_args, pad), U32(ksync_wait_args, cancel),
	    U32(ksync_wait_args, cancel_index), END } },
#define LOCK_ZERO	{ U32(ksync_lock_args, cancel), \
			  U32(ksync_lock_args, cancel_index), END }
#define INDEX_ZERO	{ U32(ksync_index_args, flags), END }
	{ COMMAND(MUTEX_LOCK), MUTEX_FD, 0, true, LOCK_ZERO },
	{ COMMAND(MUTEX_TRYLOCK), MUTEX_FD, 0, true, INDEX_ZERO },
	{ COMMAND(MUTEX_UNLOCK), MUTEX_FD, 0, true, INDEX_ZERO },
	{ COMMAND(MUTEX_CONSISTENT), MUTEX_FD, 0, true, INDEX_ZERO },
	{ COMMAND(RWLOCK_RDLOCK), RWLOCK_FD, 0, true, LOCK_ZERO },
	{ COMMAND(RWLOCK_TRYRDLOCK), RWLOCK_FD, 0, true, INDEX_ZERO },
	{ COMMAND(RWLOCK_WRLOCK), RWLOCK_FD, 0, true, LOCK_ZERO },
	{ COMMAND(RWLOCK_TRYWRLOCK), RWLOCK_FD, 0, true, INDEX_ZERO },
	{ COMMAND(RWLOCK_UNLOCK), RWLOCK_FD, 0, true, INDEX_ZERO },
	{ COMMAND(RWLOCK_DOWNGRADE), RWLOCK_FD, 0, true, INDEX_ZERO },
	{ COMMAND(RWLOCK_UPGRADE), RWLOCK_FD, 0, true, INDEX_ZERO },
	{ COMMAND(RWLOCK_CONSISTENT), RWLOCK_FD, 0, true, INDEX_ZERO },
	{ COMMAND(RWLOCK_SLOT), RWLOCK_FD, .zero = { END } },
	{ COMMAND(WAITGROUP_ADD), WAITGROUP_FD, 0, true, { END } },
	{ COMMAND(WAITGROUP_WAIT), WAITGROUP_FD, -EOWNERDEAD, false,
	  { U32(ksync_waitgroup_wait_args, pad),
	    U32(ksync_waitgroup_wait_args, cancel),
	    U32(ksync_waitgroup_wait_args, cancel_index), END } },
	{ COMMAND(WAITGROUP_BIND), WAITGROUP_FD, 0, false, { END } },
#define SEM_ZERO	U32(ksync_sem_args, pad), \
			U32(ksync_sem_args, cancel), \
			U32(ksync_sem_args, cancel_index)
#define DEADLINE_ZERO	U32(ksync_sem_args, flags), \
			U64(ksync_sem_args, deadline)
	{ COMMAND(SEM_ACQUIRE), SEM_FD, 0, true, { SEM_ZERO, END } },
	{ COMMAND(SEM_TRYACQUIRE), SEM_FD, 0, true,
	  { SEM_ZERO, DEADLINE_ZERO, END } },
	{ COMMAND(SEM_RELEASE), SEM_FD, 0, true,
	  { SEM_ZERO, DEADLINE_ZERO, END } },
	{ COMMAND(SEM_RESIZE), SEM_FD, 0, true,
	  { SEM_ZERO, DEADLINE_ZERO, END } },
	{ COMMAND(OBJ_REQUEST), SEM_FD, 0, true,
	  { U32(ksync_request_args, pad), END } },
	{ COMMAND(OBJ_CLAIM), SEM_FD, 0, true, { END } },
	{ COMMAND(EVENT_SET), EVENT_FD, 0, true, INDEX_ZERO },
	{ COMMAND(EVENT_RESET), EVENT_FD, 0, true, INDEX_ZERO },
	{ COMMAND(EVENT_WAIT), EVENT_FD, 0, false, LOCK_ZERO },
	{ COMMAND(EVENT_SET_PARENT), EVENT_FD, 0, false,
	  { U32(ksync_event_parent_args, flags),
	    U32(ksync_event_parent_args, parent_index), END } },
	{ COMMAND(COND_WAIT), COND_FD, -ETIMEDOUT, true,
	  { U32(ksync_cond_wait_args, cancel),
	    U32(ksync_cond_wait_args, cancel_index), END } },
	{ COMMAND(COND_SIGNAL), COND_FD, 0, true, INDEX_ZERO },
	{ COMMAND(COND_BROADCAST), COND_FD, 0, true, INDEX_ZERO },
	{ COMMAND(BARRIER_WAIT), BARRIER_FD, 1, true, LOCK_ZERO },
	{ COMMAND(BARRIER_JOIN), BARRIER_FD, 0, true, INDEX_ZERO },
	{ COMMAND(BARRIER_LEAVE), BARRIER_FD, 0, true, INDEX_ZERO },
	{ COMMAND(BARRIER_RESET), BARRIER_FD, 0, true, INDEX_ZERO },
	{ COMMAND(ONCE_BEGIN), ONCE_FD, -EALREADY, false,
	  { U32(ksync_once_begin_args, cancel),
	    U32(ksync_once_begin_args, cancel_index), END } },
	{ COMMAND(ONCE_COMPLETE), ONCE_FD, 0, true,
	  { U32(ksync_once_complete_args, flags), END } },
	{ COMMAND(ONCE_ABANDON), ONCE_FD, 0, true, INDEX_ZERO },
	{ COMMAND(ONCE_RESET), ONCE_FD, 0, true, INDEX_ZERO },
};

#define FOR_EACH(k)							\
	for (k = commands; k < commands + ARRAY_SIZE(commands); k++)

static inline bool for_any_object(const struct command *k)
{
	return _IOC_NR(k->cmd) >= _IOC_NR(KSYNC_IOC_OBJ_INFO) &&
	       _IOC_NR(k->cmd) <= _IOC_NR(KSYNC_IOC_OBJ_THREAD);
}

/* The size of its argument as first published. */
static inline unsigned int size_min(const struct command *k)
{
	switch (k->cmd) {
	case KSYNC_IOC_MUTEX_LOCK:
	case KSYNC_IOC_RWLOCK_RDLOCK:
	case KSYNC_IOC_RWLOCK_WRLOCK:
	case KSYNC_IOC_BARRIER_WAIT:
		return KSYNC_LOCK_ARGS_SIZE_1;
	case KSYNC_IOC_WAITGROUP_WAIT:
		return KSYNC_WAITGROUP_WAIT_ARGS_SIZE_1;
	case KSYNC_IOC_SEM_ACQUIRE:
	case KSYNC_IOC_SEM_TRYACQUIRE:
	case KSYNC_IOC_SEM_RELEASE:
	case KSYNC_IOC_SEM_RESIZE:
		return KSYNC_SEM_ARGS_SIZE_1;
	case KSYNC_IOC_COND_WAIT:
		return KSYNC_COND_WAIT_ARGS_SIZE_1;
	case KSYNC_IOC_ONCE_BEGIN:
		return KSYNC_ONCE_BEGIN_ARGS_SIZE_1;
	}
	return _IOC_SIZE(k->cmd);
}

/* The primitive that is the command's own in tests of malformed input. */
static inline __u32 index_of(const struct command *k)
{
	return _IOC_NR(k->cmd) & (PRIMITIVES - 1);
}

/* The descriptor that waits at conditions name. */
static int mutex_of_waits __attribute__((unused)) = -1;

/* What the command that waits for several is given: one that is to be had. */
static struct ksync_wait_item several[1];

/* An argument with which the command would do something. */
static inline union uapi_args well_formed(const struct command *k, int pidfd)
{
	union uapi_args a = { .index = index_of(k) };

	switch (k->cmd) {
	case KSYNC_IOC_DEV_CREATE:
		a = create_call(0, KSYNC_TYPE_MUTEX, 0, 1).arg;
		break;
	case KSYNC_IOC_DEV_OPEN:
		a = open_call(0, NEW_NAME, KSYNC_TYPE_MUTEX, KSYNC_OPEN_CREATE,
			      0600).arg;
		break;
	case KSYNC_IOC_DEV_UNLINK:
		a = unlink_call(0, NAME).arg;
		break;
	case KSYNC_IOC_DEV_QUERY:
		a = query_call(0, NAME, 0).arg;
		break;
	case KSYNC_IOC_DEV_LIST:
		a.query.cursor = 0;
		break;
	case KSYNC_IOC_DEV_WAIT:
		a = many_wait(0, several, 1, 0, LONG_AGO).arg;
		break;
	case KSYNC_IOC_OBJ_REQUEST:
		a.request.count = 1;
		break;
	case KSYNC_IOC_EVENT_SET_PARENT:
		a.parent.fd = KSYNC_NO_FD;
		break;
	case KSYNC_IOC_DEV_GRAPH:
	case KSYNC_IOC_DEV_CYCLE:
		a.graph.size = sizeof(struct ksync_graph_edge);
		break;
	case KSYNC_IOC_MUTEX_LOCK:
	case KSYNC_IOC_RWLOCK_RDLOCK:
	case KSYNC_IOC_RWLOCK_WRLOCK:
	case KSYNC_IOC_BARRIER_WAIT:
	case KSYNC_IOC_ONCE_BEGIN:
		a.lock.deadline = LONG_AGO;
		break;
	case KSYNC_IOC_WAITGROUP_ADD:
		a.add.delta = 1;
		break;
	case KSYNC_IOC_WAITGROUP_BIND:
		a.bind.pidfd = pidfd;
		break;
	case KSYNC_IOC_SEM_ACQUIRE:
		a.sem.deadline = LONG_AGO;
		/* fallthrough */
	case KSYNC_IOC_SEM_TRYACQUIRE:
	case KSYNC_IOC_SEM_RELEASE:
		a.sem.count = 1;
		break;
	case KSYNC_IOC_SEM_RESIZE:
		a.sem.count = 3;
		break;
	case KSYNC_IOC_COND_WAIT:
		a.cond.mutex = mutex_of_waits;
		a.cond.mutex_index = COND_MUTEX;
		a.cond.deadline = LONG_AGO;
		break;
	}
	return a;
}

#endif /* UAPI_COMMANDS_H */
