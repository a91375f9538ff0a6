// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layout of the ABI as numbers. They are the same for 32-bit and 64-bit
 * programs, and never change once published: a structure grows at its end and
 * gets a second line here.
 */
#include "uapi.h"

#include <assert.h>
#include <stddef.h>

struct field {
	const char *name;
	size_t seen, expected;
};

#define SIZE(type, size)	{ #type, sizeof(type), size }
#define OFFSET(type, member, offset)					\
	{ #type "." #member, offsetof(struct type, member), offset }

static const struct field sizes_table[] = {
	SIZE(union ksync_cell, 64),
	SIZE(struct ksync_lock_cell, 64),
	SIZE(struct ksync_waitgroup_cell, 64),
	SIZE(struct ksync_sem_cell, 64),
	SIZE(struct ksync_event_cell, 64),
	SIZE(struct ksync_cond_cell, 64),
	SIZE(struct ksync_barrier_cell, 64),
	SIZE(struct ksync_once_cell, 64),
	SIZE(struct ksync_create_args, 24),
	SIZE(struct ksync_open_args, 160),
	SIZE(struct ksync_unlink_args, 128),
	SIZE(struct ksync_device_info, 48),
	SIZE(struct ksync_object_info, 168),
	SIZE(struct ksync_primitive_status, 80),
	SIZE(struct ksync_query_args, 256),
	SIZE(struct ksync_graph_edge, 216),
	SIZE(struct ksync_graph_args, 32),
	SIZE(struct ksync_index_args, 8),
	SIZE(struct ksync_lock_args, 24),
	SIZE(struct ksync_sem_args, 32),
	SIZE(struct ksync_waitgroup_add_args, 8),
	SIZE(struct ksync_waitgroup_wait_args, 32),
	SIZE(struct ksync_waitgroup_bind_args, 8),
	SIZE(struct ksync_thread_args, 8),
	SIZE(struct ksync_slot_args, 4),
	SIZE(struct ksync_line, 128),
	SIZE(struct ksync_line_entry, 16),
	SIZE(struct ksync_slot, 64),
	SIZE(struct ksync_cond_wait_args, 32),
	SIZE(struct ksync_once_begin_args, 32),
	SIZE(struct ksync_once_complete_args, 16),
	SIZE(struct ksync_event_parent_args, 16),
	SIZE(struct ksync_request_args, 24),
	SIZE(struct ksync_claim_args, 8),
	SIZE(struct ksync_wait_item, 24),
	SIZE(struct ksync_wait_args, 40),
};

static const struct field offsets_table[] = {
	OFFSET(ksync_lock_cell, state, 0),
	OFFSET(ksync_lock_cell, token, 8),
	OFFSET(ksync_lock_cell, since, 16),
	OFFSET(ksync_lock_cell, shared, 24),
	OFFSET(ksync_lock_cell, depth, 32),
	OFFSET(ksync_lock_cell, contended, 36),
	OFFSET(ksync_lock_cell, deaths, 40),
	OFFSET(ksync_lock_cell, since_of, 44),
	OFFSET(ksync_lock_cell, reserved, 48),
	OFFSET(ksync_waitgroup_cell, state, 0),
	OFFSET(ksync_waitgroup_cell, lost, 8),
	OFFSET(ksync_waitgroup_cell, deaths, 12),
	OFFSET(ksync_waitgroup_cell, waits, 16),
	OFFSET(ksync_waitgroup_cell, bound, 24),
	OFFSET(ksync_waitgroup_cell, lost_before, 28),
	OFFSET(ksync_waitgroup_cell, before, 32),
	OFFSET(ksync_waitgroup_cell, reserved, 36),
	OFFSET(ksync_sem_cell, state, 0),
	OFFSET(ksync_sem_cell, acquired, 8),
	OFFSET(ksync_sem_cell, contended, 16),
	OFFSET(ksync_sem_cell, deaths, 20),
	OFFSET(ksync_sem_cell, lost, 24),
	OFFSET(ksync_sem_cell, reserved, 28),
	OFFSET(ksync_create_args, type, 0),
	OFFSET(ksync_create_args, flags, 4),
	OFFSET(ksync_create_args, nr, 8),
	OFFSET(ksync_create_args, value, 12),
	OFFSET(ksync_create_args, max, 16),
	OFFSET(ksync_create_args, fd, 20),
	OFFSET(ksync_open_args, type, 0),
	OFFSET(ksync_open_args, flags, 4),
	OFFSET(ksync_open_args, nr, 8),
	OFFSET(ksync_open_args, value, 12),
	OFFSET(ksync_open_args, max, 16),
	OFFSET(ksync_open_args, fd, 20),
	OFFSET(ksync_open_args, how, 24),
	OFFSET(ksync_open_args, mode, 28),
	OFFSET(ksync_open_args, name, 32),
	OFFSET(ksync_unlink_args, name, 0),
	OFFSET(ksync_device_info, abi, 0),
	OFFSET(ksync_device_info, flags, 4),
	OFFSET(ksync_device_info, objects, 8),
	OFFSET(ksync_device_info, objects_max, 12),
	OFFSET(ksync_device_info, version, 16),
	OFFSET(ksync_object_info, id, 0),
	OFFSET(ksync_object_info, type, 8),
	OFFSET(ksync_object_info, flags, 12),
	OFFSET(ksync_object_info, nr, 16),
	OFFSET(ksync_object_info, mode, 20),
	OFFSET(ksync_object_info, uid, 24),
	OFFSET(ksync_object_info, gid, 28),
	OFFSET(ksync_object_info, users, 32),
	OFFSET(ksync_object_info, reserved, 36),
	OFFSET(ksync_object_info, name, 40),
	OFFSET(ksync_primitive_status, index, 0),
	OFFSET(ksync_primitive_status, flags, 4),
	OFFSET(ksync_primitive_status, holder_pid, 8),
	OFFSET(ksync_primitive_status, holder_tid, 12),
	OFFSET(ksync_primitive_status, holder_id, 16),
	OFFSET(ksync_primitive_status, readers, 20),
	OFFSET(ksync_primitive_status, value, 24),
	OFFSET(ksync_primitive_status, max, 28),
	OFFSET(ksync_primitive_status, waiters_exclusive, 32),
	OFFSET(ksync_primitive_status, waiters_shared, 36),
	OFFSET(ksync_primitive_status, deaths, 40),
	OFFSET(ksync_primitive_status, lost, 44),
	OFFSET(ksync_primitive_status, held_ns, 48),
	OFFSET(ksync_primitive_status, token, 56),
	OFFSET(ksync_primitive_status, acquisitions, 64),
	OFFSET(ksync_primitive_status, contended, 72),
	OFFSET(ksync_query_args, cursor, 0),
	OFFSET(ksync_query_args, info, 8),
	OFFSET(ksync_query_args, status, 176),
	OFFSET(ksync_graph_edge, object, 0),
	OFFSET(ksync_graph_edge, waited_ns, 8),
	OFFSET(ksync_graph_edge, type, 16),
	OFFSET(ksync_graph_edge, index, 20),
	OFFSET(ksync_graph_edge, want, 24),
	OFFSET(ksync_graph_edge, wanted, 28),
	OFFSET(ksync_graph_edge, held, 32),
	OFFSET(ksync_graph_edge, count, 36),
	OFFSET(ksync_graph_edge, waiter_pid, 40),
	OFFSET(ksync_graph_edge, waiter_tid, 44),
	OFFSET(ksync_graph_edge, holder_pid, 48),
	OFFSET(ksync_graph_edge, holder_tid, 52),
	OFFSET(ksync_graph_edge, waiter_comm, 56),
	OFFSET(ksync_graph_edge, holder_comm, 72),
	OFFSET(ksync_graph_edge, name, 88),
	OFFSET(ksync_graph_args, edges, 0),
	OFFSET(ksync_graph_args, room, 8),
	OFFSET(ksync_graph_args, size, 12),
	OFFSET(ksync_graph_args, nr, 16),
	OFFSET(ksync_graph_args, flags, 20),
	OFFSET(ksync_graph_args, total, 24),
	OFFSET(ksync_graph_args, pad, 28),
	OFFSET(ksync_index_args, index, 0),
	OFFSET(ksync_index_args, flags, 4),
	OFFSET(ksync_lock_args, index, 0),
	OFFSET(ksync_lock_args, flags, 4),
	OFFSET(ksync_lock_args, deadline, 8),
	OFFSET(ksync_lock_args, cancel, 16),
	OFFSET(ksync_lock_args, cancel_index, 20),
	OFFSET(ksync_sem_args, index, 0),
	OFFSET(ksync_sem_args, flags, 4),
	OFFSET(ksync_sem_args, count, 8),
	OFFSET(ksync_sem_args, pad, 12),
	OFFSET(ksync_sem_args, deadline, 16),
	OFFSET(ksync_sem_args, cancel, 24),
	OFFSET(ksync_sem_args, cancel_index, 28),
	OFFSET(ksync_waitgroup_add_args, index, 0),
	OFFSET(ksync_waitgroup_add_args, delta, 4),
	OFFSET(ksync_waitgroup_wait_args, index, 0),
	OFFSET(ksync_waitgroup_wait_args, flags, 4),
	OFFSET(ksync_waitgroup_wait_args, deadline, 8),
	OFFSET(ksync_waitgroup_wait_args, lost, 16),
	OFFSET(ksync_waitgroup_wait_args, pad, 20),
	OFFSET(ksync_waitgroup_wait_args, cancel, 24),
	OFFSET(ksync_waitgroup_wait_args, cancel_index, 28),
	OFFSET(ksync_event_cell, state, 0),
	OFFSET(ksync_event_cell, waits, 8),
	OFFSET(ksync_event_parent_args, index, 0),
	OFFSET(ksync_event_parent_args, flags, 4),
	OFFSET(ksync_event_parent_args, fd, 8),
	OFFSET(ksync_event_parent_args, parent_index, 12),
	OFFSET(ksync_request_args, index, 0),
	OFFSET(ksync_request_args, flags, 4),
	OFFSET(ksync_request_args, count, 8),
	OFFSET(ksync_request_args, pad, 12),
	OFFSET(ksync_request_args, keep, 16),
	OFFSET(ksync_claim_args, index, 0),
	OFFSET(ksync_claim_args, flags, 4),
	OFFSET(ksync_wait_item, fd, 0),
	OFFSET(ksync_wait_item, index, 4),
	OFFSET(ksync_wait_item, flags, 8),
	OFFSET(ksync_wait_item, count, 12),
	OFFSET(ksync_wait_item, result, 16),
	OFFSET(ksync_wait_item, lost, 20),
	OFFSET(ksync_wait_args, items, 0),
	OFFSET(ksync_wait_args, nr, 8),
	OFFSET(ksync_wait_args, flags, 12),
	OFFSET(ksync_wait_args, deadline, 16),
	OFFSET(ksync_wait_args, cancel, 24),
	OFFSET(ksync_wait_args, cancel_index, 28),
	OFFSET(ksync_wait_args, index, 32),
	OFFSET(ksync_wait_args, pad, 36),
	OFFSET(ksync_waitgroup_bind_args, index, 0),
	OFFSET(ksync_waitgroup_bind_args, pidfd, 4),
	OFFSET(ksync_thread_args, id, 0),
	OFFSET(ksync_thread_args, offset, 4),
	OFFSET(ksync_slot_args, nr, 0),
	OFFSET(ksync_line, entry, 16),
	OFFSET(ksync_line_entry, object, 0),
	OFFSET(ksync_line_entry, index, 8),
	OFFSET(ksync_line_entry, word, 8),
	OFFSET(ksync_slot, entry, 0),
	OFFSET(ksync_cond_cell, state, 0),
	OFFSET(ksync_cond_cell, waits, 8),
	OFFSET(ksync_cond_cell, moved, 16),
	OFFSET(ksync_cond_cell, reserved, 24),
	OFFSET(ksync_cond_wait_args, index, 0),
	OFFSET(ksync_cond_wait_args, flags, 4),
	OFFSET(ksync_cond_wait_args, mutex, 8),
	OFFSET(ksync_cond_wait_args, mutex_index, 12),
	OFFSET(ksync_cond_wait_args, deadline, 16),
	OFFSET(ksync_cond_wait_args, cancel, 24),
	OFFSET(ksync_cond_wait_args, cancel_index, 28),
	OFFSET(ksync_barrier_cell, state, 0),
	OFFSET(ksync_barrier_cell, history, 8),
	OFFSET(ksync_barrier_cell, parties, 16),
	OFFSET(ksync_barrier_cell, members, 20),
	OFFSET(ksync_barrier_cell, deaths, 24),
	OFFSET(ksync_barrier_cell, breaks, 28),
	OFFSET(ksync_barrier_cell, waits, 32),
	OFFSET(ksync_barrier_cell, reserved, 36),
	OFFSET(ksync_once_cell, state, 0),
	OFFSET(ksync_once_cell, result, 8),
	OFFSET(ksync_once_cell, since, 16),
	OFFSET(ksync_once_cell, completed, 24),
	OFFSET(ksync_once_cell, abandoned, 28),
	OFFSET(ksync_once_cell, deaths, 32),
	OFFSET(ksync_once_cell, contended, 36),
	OFFSET(ksync_once_cell, reserved, 40),
	OFFSET(ksync_once_begin_args, index, 0),
	OFFSET(ksync_once_begin_args, flags, 4),
	OFFSET(ksync_once_begin_args, deadline, 8),
	OFFSET(ksync_once_begin_args, result, 16),
	OFFSET(ksync_once_begin_args, cancel, 24),
	OFFSET(ksync_once_begin_args, cancel_index, 28),
	OFFSET(ksync_once_complete_args, index, 0),
	OFFSET(ksync_once_complete_args, flags, 4),
	OFFSET(ksync_once_complete_args, result, 8),
};

/* What x86 encodes: direction << 30 | size << 16 | 0xd7 << 8 | number. */
#define COMMAND(name, x86) { #name, name, x86 }

static const struct field commands_table[] = {
	COMMAND(KSYNC_IOC_DEV_INFO, 0x8030d700),
	COMMAND(KSYNC_IOC_DEV_CREATE, 0xc018d701),
	COMMAND(KSYNC_IOC_DEV_OPEN, 0xc0a0d702),
	COMMAND(KSYNC_IOC_DEV_UNLINK, 0x4080d703),
	COMMAND(KSYNC_IOC_DEV_QUERY, 0xc100d704),
	COMMAND(KSYNC_IOC_DEV_LIST, 0xc100d705),
	COMMAND(KSYNC_IOC_DEV_WAIT, 0xc028d706),
	COMMAND(KSYNC_IOC_DEV_GRAPH, 0xc020d707),
	COMMAND(KSYNC_IOC_DEV_CYCLE, 0xc020d708),
	COMMAND(KSYNC_IOC_DEV_THREAD, 0x8008d709),
	COMMAND(KSYNC_IOC_OBJ_INFO, 0x80a8d710),
	COMMAND(KSYNC_IOC_OBJ_STATUS, 0xc050d711),
	COMMAND(KSYNC_IOC_OBJ_REQUEST, 0x4018d712),
	COMMAND(KSYNC_IOC_OBJ_CLAIM, 0x4008d713),
	COMMAND(KSYNC_IOC_OBJ_WAKE, 0x4008d714),
	COMMAND(KSYNC_IOC_OBJ_THREAD, 0x8008d715),
	COMMAND(KSYNC_IOC_MUTEX_LOCK, 0x4018d720),
	COMMAND(KSYNC_IOC_MUTEX_TRYLOCK, 0x4008d721),
	COMMAND(KSYNC_IOC_MUTEX_UNLOCK, 0x4008d722),
	COMMAND(KSYNC_IOC_MUTEX_CONSISTENT, 0x4008d723),
	COMMAND(KSYNC_IOC_RWLOCK_RDLOCK, 0x4018d730),
	COMMAND(KSYNC_IOC_RWLOCK_TRYRDLOCK, 0x4008d731),
	COMMAND(KSYNC_IOC_RWLOCK_WRLOCK, 0x4018d732),
	COMMAND(KSYNC_IOC_RWLOCK_TRYWRLOCK, 0x4008d733),
	COMMAND(KSYNC_IOC_RWLOCK_UNLOCK, 0x4008d734),
	COMMAND(KSYNC_IOC_RWLOCK_DOWNGRADE, 0x4008d735),
	COMMAND(KSYNC_IOC_RWLOCK_UPGRADE, 0x4008d736),
	COMMAND(KSYNC_IOC_RWLOCK_CONSISTENT, 0x4008d737),
	COMMAND(KSYNC_IOC_RWLOCK_SLOT, 0x8004d738),
	COMMAND(KSYNC_IOC_WAITGROUP_ADD, 0x4008d740),
	COMMAND(KSYNC_IOC_WAITGROUP_WAIT, 0xc020d741),
	COMMAND(KSYNC_IOC_WAITGROUP_BIND, 0x4008d742),
	COMMAND(KSYNC_IOC_SEM_ACQUIRE, 0x4020d750),
	COMMAND(KSYNC_IOC_SEM_TRYACQUIRE, 0x4020d751),
	COMMAND(KSYNC_IOC_SEM_RELEASE, 0x4020d752),
	COMMAND(KSYNC_IOC_SEM_RESIZE, 0x4020d753),
	COMMAND(KSYNC_IOC_EVENT_SET, 0x4008d760),
	COMMAND(KSYNC_IOC_EVENT_RESET, 0x4008d761),
	COMMAND(KSYNC_IOC_EVENT_WAIT, 0x4018d762),
	COMMAND(KSYNC_IOC_EVENT_SET_PARENT, 0x4010d763),
	COMMAND(KSYNC_IOC_COND_WAIT, 0x4020d770),
	COMMAND(KSYNC_IOC_COND_SIGNAL, 0x4008d771),
	COMMAND(KSYNC_IOC_COND_BROADCAST, 0x4008d772),
	COMMAND(KSYNC_IOC_BARRIER_WAIT, 0x4018d780),
	COMMAND(KSYNC_IOC_BARRIER_JOIN, 0x4008d781),
	COMMAND(KSYNC_IOC_BARRIER_LEAVE, 0x4008d782),
	COMMAND(KSYNC_IOC_BARRIER_RESET, 0x4008d783),
	COMMAND(KSYNC_IOC_ONCE_BEGIN, 0xc020d790),
	COMMAND(KSYNC_IOC_ONCE_COMPLETE, 0x4010d791),
	COMMAND(KSYNC_IOC_ONCE_ABANDON, 0x4008d792),
	COMMAND(KSYNC_IOC_ONCE_RESET, 0x4008d793),
};

/* The halves of a state word are where 32-bit operations look for them. */
static_assert(offsetof(struct ksync_lock_cell, owner) +
	      offsetof(struct ksync_lock_cell, ctl) == 4, "halves");
static_assert(offsetof(struct ksync_waitgroup_cell, count) +
	      offsetof(struct ksync_waitgroup_cell, round) == 4, "halves");
static_assert(offsetof(struct ksync_sem_cell, value) +
	      offsetof(struct ksync_sem_cell, max) == 4, "halves");
static_assert(offsetof(struct ksync_event_cell, set) +
	      offsetof(struct ksync_event_cell, changes) == 4, "halves");

/* No bit of a state word has two meanings, and none is left over. */
static_assert((KSYNC_LOCK_ID ^ KSYNC_LOCK_LOST ^ KSYNC_LOCK_DEAD ^
	       KSYNC_LOCK_READERS ^ KSYNC_LOCK_FENCED ^ KSYNC_LOCK_WRITER_WAITS ^
	       KSYNC_LOCK_WAITERS) == ~0ULL, "lock bits");
static_assert((KSYNC_WG_COUNT ^ KSYNC_WG_WAITERS ^ KSYNC_WG_ROUND ^
	       KSYNC_WG_LOSS) == ~0ULL, "waitgroup bits");
static_assert((KSYNC_SEM_VALUE ^ KSYNC_SEM_MAX ^ KSYNC_SEM_WAITERS) ==
	      ~(1ULL << 31), "semaphore bits");
static_assert((KSYNC_COND_SIGNALS ^ KSYNC_COND_WAITERS) == ~0ULL,
	      "condition bits");
static_assert((KSYNC_BARRIER_ARRIVED ^ KSYNC_BARRIER_BROKEN ^
	       KSYNC_BARRIER_ROUND) == ~(1ULL << 63), "barrier bits");
static_assert((KSYNC_ONCE_ID ^ KSYNC_ONCE_DONE ^ KSYNC_ONCE_DEAD ^
	       KSYNC_ONCE_RUNS ^ KSYNC_ONCE_WAITERS) == ~0ULL, "once bits");
static_assert(KSYNC_ONCE_ID == KSYNC_LOCK_ID, "ids are those of threads");
static_assert(KSYNC_BARRIER_ROUND_ONE ==
	      (KSYNC_BARRIER_ROUND & -KSYNC_BARRIER_ROUND), "one round");
static_assert(KSYNC_ONCE_RUN == (KSYNC_ONCE_RUNS & -KSYNC_ONCE_RUNS),
	      "one run");
static_assert((KSYNC_EVENT_SET ^ KSYNC_EVENT_WAITERS ^ KSYNC_EVENT_CHANGES) ==
	      ~0x7ffffffeULL, "event bits");
static_assert(KSYNC_LOCK_READER == (KSYNC_LOCK_READERS & -KSYNC_LOCK_READERS),
	      "one reader");
static_assert(KSYNC_WG_ROUND_ONE == (KSYNC_WG_ROUND & -KSYNC_WG_ROUND),
	      "one round");
static_assert(KSYNC_SEM_MAX == (__u64)KSYNC_COUNT_MAX << KSYNC_SEM_MAX_SHIFT,
	      "maximum");

static int wrong(const struct field *f, size_t n)
{
	int bad = 0;

	for (; n; n--, f++) {
		if (f->seen == f->expected)
			continue;
		ksft_print_msg("%s: expected %#zx, is %#zx\n", f->name,
			       f->expected, f->seen);
		bad++;
	}
	return bad;
}

#define WRONG(table) wrong(table, ARRAY_SIZE(table))

TEST(sizes)
{
	EXPECT_EQ(0, WRONG(sizes_table));
}

TEST(offsets)
{
	EXPECT_EQ(0, WRONG(offsets_table));
}

TEST(commands)
{
#if defined(__x86_64__) || defined(__i386__)
	EXPECT_EQ(0, WRONG(commands_table));
#else
	SKIP(return, "the numbers in the table are those of x86");
#endif
}

TEST(state_words)
{
	struct ksync_lock_cell lock = { .state = KSYNC_LOCK_WAITERS | 5 };
	struct ksync_waitgroup_cell wg = { .state = KSYNC_WG_ROUND_ONE | 7 };
	struct ksync_sem_cell sem = { .state = KSYNC_SEM_WAITERS | 9 };

	EXPECT_EQ(5, lock.owner);
	EXPECT_EQ(1U << 31, lock.ctl);
	EXPECT_EQ(7, wg.count);
	EXPECT_EQ(1, wg.round);
	EXPECT_EQ(9, sem.value);
	EXPECT_EQ(1U << 31, sem.max);
	EXPECT_EQ(8, __alignof__(struct ksync_lock_cell));
	EXPECT_EQ(8, __alignof__(struct ksync_waitgroup_cell));
	EXPECT_EQ(8, __alignof__(struct ksync_sem_cell));
}

TEST(constants)
{
	EXPECT_EQ(1, KSYNC_ABI_VERSION);
	EXPECT_EQ(128, KSYNC_NAME_MAX);
	EXPECT_EQ(1U << 20, KSYNC_NR_MAX);
	EXPECT_EQ(INT32_MAX, KSYNC_COUNT_MAX);
	EXPECT_EQ(UINT64_MAX, KSYNC_DEADLINE_NONE);
	EXPECT_EQ(-1, KSYNC_NO_FD);
	EXPECT_EQ(1, KSYNC_TYPE_MUTEX);
	EXPECT_EQ(2, KSYNC_TYPE_RWLOCK);
	EXPECT_EQ(3, KSYNC_TYPE_WAITGROUP);
	EXPECT_EQ(4, KSYNC_TYPE_SEM);
	EXPECT_EQ(5, KSYNC_TYPE_EVENT);
	EXPECT_EQ(6, KSYNC_TYPE_COND);
	EXPECT_EQ(7, KSYNC_TYPE_BARRIER);
	EXPECT_EQ(8, KSYNC_TYPE_ONCE);
	EXPECT_EQ(1, KSYNC_F_GUARDED);
	EXPECT_EQ(2, KSYNC_F_RECURSIVE);
	EXPECT_EQ(4, KSYNC_F_FIFO);
	EXPECT_EQ(8, KSYNC_F_TRACKED);
	EXPECT_EQ(16, KSYNC_F_AUTO_RESET);
	EXPECT_EQ(2, KSYNC_WAIT_CANCEL);
	EXPECT_EQ(4, KSYNC_WAIT_ALL);
	EXPECT_EQ(1, KSYNC_ITEM_SHARED);
	EXPECT_EQ(16, KSYNC_LOCK_ARGS_SIZE_1);
	EXPECT_EQ(24, KSYNC_SEM_ARGS_SIZE_1);
	EXPECT_EQ(24, KSYNC_WAITGROUP_WAIT_ARGS_SIZE_1);
	EXPECT_EQ(1, KSYNC_OPEN_CREATE);
	EXPECT_EQ(2, KSYNC_OPEN_EXCL);
	EXPECT_EQ(1, KSYNC_STATUS_DEAD);
	EXPECT_EQ(2, KSYNC_STATUS_LOST);
	EXPECT_EQ(4, KSYNC_STATUS_LOSS);
	EXPECT_EQ(256, KSYNC_STATUS_BROKEN);
	EXPECT_EQ(512, KSYNC_STATUS_DONE);
	EXPECT_EQ(1, KSYNC_EDGE_WANT_EXCLUSIVE);
	EXPECT_EQ(2, KSYNC_EDGE_WANT_SHARED);
	EXPECT_EQ(3, KSYNC_EDGE_WANT_PERMITS);
	EXPECT_EQ(4, KSYNC_EDGE_WANT_END);
	EXPECT_EQ(0, KSYNC_EDGE_HELD_NOBODY);
	EXPECT_EQ(1, KSYNC_EDGE_HELD_EXCLUSIVE);
	EXPECT_EQ(2, KSYNC_EDGE_HELD_SHARED);
	EXPECT_EQ(3, KSYNC_EDGE_HELD_PERMITS);
	EXPECT_EQ(4, KSYNC_EDGE_HELD_QUEUE);
	EXPECT_EQ(1, KSYNC_GRAPH_PARTIAL);
	EXPECT_EQ(1U << 16, KSYNC_GRAPH_ROOM_MAX);
}

TEST_HARNESS_MAIN
