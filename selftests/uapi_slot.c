// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader slots, step by step, and deaths between the steps.
 */
#include "uapi_map.h"

FIXTURE(slot)
{
	int dev, fd;
};

static union ksync_cell *cells;
static struct ksync_slot *slots;
static int fd_;

FIXTURE_SETUP(slot)
{
	require_device();
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = fd_ = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 4);
	ASSERT_LE(0, self->fd);
	cells = map_object(self->fd, 4, true);
	ASSERT_TRUE(cells != MAP_FAILED);
	slots = (void *)((char *)cells + CELL_PAGES(4));
}

FIXTURE_TEARDOWN(slot)
{
	peers_end();
}

static int slot_get(struct call *c)
{
	struct call get = basic_call(fd_, KSYNC_IOC_RWLOCK_SLOT);
	int ret = call_run(&get);

	return ret ?: (int)get.arg.slot.nr;
}

static void set(__u32 index, __u64 state)
{
	__u64 e = index | state;

	__atomic_store_n(&slots[slot_get(NULL)].entry[5], state ? e : 0,
			 __ATOMIC_SEQ_CST);
}

static int read_by_hand(struct call *c)
{
	set(1, KSYNC_SLOT_ENGAGED | KSYNC_SLOT_READ | KSYNC_SLOT_MORE_ONE);
	return 0;
}

static int unread_half(struct call *c)
{
	set(1, KSYNC_SLOT_ENGAGED);
	return 0;
}

TEST_F(slot, one_for_each_thread)
{
	static struct peer t[KSYNC_SLOTS];
	static bool seen[KSYNC_SLOTS];
	int i, nr, mine = slot_get(NULL);
	struct peer more;

	ASSERT_LE(0, mine);
	EXPECT_EQ(mine, slot_get(NULL));
	seen[mine] = true;
	for (i = 1; i < KSYNC_SLOTS; i++) {
		ASSERT_EQ(0, peer_thread(&t[i]));
		nr = ask_fn(&t[i], slot_get);
		ASSERT_LE(0, nr);
		ASSERT_GT(KSYNC_SLOTS, nr);
		EXPECT_FALSE(seen[nr]);
		seen[nr] = true;
	}
	ASSERT_EQ(0, peer_thread(&more));
	EXPECT_EQ(-ENOSPC, ask_fn(&more, slot_get));
	peer_end(&t[77]);
	EXPECT_TRUE(UNTIL(ask_fn(&more, slot_get) >= 0));
}

TEST_F(slot, guarded_objects_have_none)
{
	fd_ = create(self->dev, KSYNC_TYPE_RWLOCK, KSYNC_F_GUARDED, 1);
	ASSERT_LE(0, fd_);
	EXPECT_EQ(-EINVAL, slot_get(NULL));
}

TEST_F(slot, keeps_writers_out)
{
	struct peer reader, writer;

	ASSERT_EQ(0, peer_fork(&reader));
	ASSERT_EQ(0, ask_fn(&reader, read_by_hand));
	EXPECT_EQ(2, status_of(self->fd, 1).readers);
	EXPECT_EQ(-EBUSY, me(at(1, rwlock_trywrlock(self->fd))));
	EXPECT_EQ(0, me(at(2, rwlock_trywrlock(self->fd))));
	EXPECT_EQ(0, me(at(1, rwlock_tryrdlock(self->fd))));
	EXPECT_EQ(0, me(at(1, rwlock_unlock(self->fd))));

	ASSERT_EQ(0, peer_fork(&writer));
	start(&writer, at(1, rwlock_wrlock(self->fd, NEVER)));
	ASSERT_TRUE(queued_at(self->fd, 1, 1, 0));
	ASSERT_EQ(0, ask_fn(&reader, unread_half));
	EXPECT_TRUE(silent(&writer));
	EXPECT_EQ(0, me(at(1, basic_call(self->fd, KSYNC_IOC_OBJ_WAKE))));
	EXPECT_EQ(0, answer(&writer));
}

TEST_F(slot, own_reading)
{
	ASSERT_LE(0, slot_get(NULL));
	read_by_hand(NULL);
	EXPECT_EQ(-EDEADLK, me(at(1, rwlock_wrlock(self->fd, soon()))));
	EXPECT_EQ(-EBUSY, me(at(1, rwlock_trywrlock(self->fd))));
	EXPECT_EQ(-EBUSY, me(at(1, rwlock_upgrade(self->fd))));
	set(1, KSYNC_SLOT_ENGAGED | KSYNC_SLOT_READ);
	EXPECT_EQ(0, me(at(1, rwlock_upgrade(self->fd))));
	EXPECT_EQ(0, slots[slot_get(NULL)].entry[5]);
	EXPECT_EQ(getpid(), (pid_t)status_of(self->fd, 1).holder_pid);
	EXPECT_EQ(0, me(at(1, rwlock_unlock(self->fd))));
}

TEST_F(slot, die_reading)
{
	struct peer reader, writer;

	ASSERT_EQ(0, peer_fork(&reader));
	ASSERT_EQ(0, ask_fn(&reader, read_by_hand));
	ASSERT_EQ(0, peer_fork(&writer));
	start(&writer, at(1, rwlock_wrlock(self->fd, NEVER)));
	ASSERT_TRUE(queued_at(self->fd, 1, 1, 0));
	peer_kill(&reader);
	EXPECT_EQ(0, answer(&writer));
	EXPECT_EQ(1, status_of(self->fd, 1).deaths);
}

TEST_F(slot, die_before_wake)
{
	struct peer reader, writer;

	ASSERT_EQ(0, peer_fork(&reader));
	ASSERT_EQ(0, ask_fn(&reader, read_by_hand));
	ASSERT_EQ(0, peer_fork(&writer));
	start(&writer, at(1, rwlock_wrlock(self->fd, NEVER)));
	ASSERT_TRUE(queued_at(self->fd, 1, 1, 0));
	ASSERT_EQ(0, ask_fn(&reader, unread_half));
	EXPECT_TRUE(silent(&writer));
	peer_kill(&reader);
	EXPECT_EQ(0, answer(&writer));
	EXPECT_EQ(0, status_of(self->fd, 1).deaths);
}

static int read_nonsense(struct call *c)
{
	struct ksync_slot *slot = &slots[slot_get(NULL)];

	memset(slot, 0xff, sizeof(*slot));
	slot->entry[0] = 3ULL | KSYNC_SLOT_READ | KSYNC_SLOT_MORE;
	return 0;
}

TEST_F(slot, nonsense)
{
	struct peer p;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, read_nonsense));
	EXPECT_EQ(-EBUSY, me(at(3, rwlock_trywrlock(self->fd))));
	EXPECT_EQ(0, me(at(0, rwlock_trywrlock(self->fd))));
	peer_kill(&p);
	EXPECT_EQ(0, me(at(3, rwlock_trywrlock(self->fd))));
}

/* What a slot says counts as held when somebody looks for a cycle. */
TEST_F(slot, deadlock)
{
	int m = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	struct peer reader, writer;

	ASSERT_LE(0, m);
	ASSERT_EQ(0, peer_fork(&reader));
	ASSERT_EQ(0, peer_fork(&writer));
	ASSERT_EQ(0, ask_fn(&reader, read_by_hand));
	ASSERT_EQ(0, ask(&writer, mutex_lock(m, NEVER)));
	start(&writer, at(1, rwlock_wrlock(self->fd, NEVER)));
	ASSERT_TRUE(queued_at(self->fd, 1, 1, 0));
	EXPECT_EQ(-EDEADLK, ask(&reader, mutex_lock(m, NEVER)));
	peer_kill(&reader);
	EXPECT_EQ(0, answer(&writer));
}

/* A thread may have slots of many objects, also of those that are gone. */
TEST_F(slot, of_many_objects)
{
	int fds[50], nr[50], i;

	for (i = 0; i < 50; i++) {
		fds[i] = fd_ = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 1);
		ASSERT_LE(0, fd_);
		nr[i] = slot_get(NULL);
		ASSERT_LE(0, nr[i]);
		if (i % 3)
			close(fd_);
	}
	for (i = 0; i < 50; i += 3) {
		fd_ = fds[i];
		EXPECT_EQ(nr[i], slot_get(NULL));
		close(fd_);
	}
}

/* Not before somebody has a slot; then no byte beyond. */
TEST_F(slot, pages_before_the_first)
{
	static const size_t size = KSYNC_SLOTS * sizeof(struct ksync_slot);
	const char *p;
	size_t i;
	pid_t pid;
	int status;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		_exit(*(volatile char *)slots);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);

	ASSERT_LE(0, slot_get(NULL));
	p = (const char *)slots;
	for (i = 0; i < size; i++)
		ASSERT_EQ(0, p[i]);
}

TEST_HARNESS_MAIN
