// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be mapped and what not, and what the kernel makes of what it finds
 * there: the fast path step by step, and deaths between the steps.
 */
#include "uapi_map.h"

#define NR	100

FIXTURE(map)
{
	int dev, fd;
	__u64 object;
	union ksync_cell *cells;
	struct ksync_lock_cell *cell;	/* of primitive 1 */
};

/* For the peers, who inherit them. */
static union ksync_cell *cells;
static __u64 object;
static struct self self_;

FIXTURE_SETUP(map)
{
	require_device();
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	self->fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, NR);
	ASSERT_LE(0, self->fd);
	self->object = object = info(self->fd).id;
	self->cells = cells = map_object(self->fd, NR, false);
	ASSERT_TRUE(cells != MAP_FAILED);
	self->cell = &cells[1].lock;
}

FIXTURE_TEARDOWN(map)
{
	peers_end();
}

static int try_map(int fd, size_t size, int prot, int flags, off_t offset)
{
	void *p = mmap(NULL, size, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, size);
	return 0;
}

/* Newer kernels refuse that before they ask. */
static bool cannot_be_executed(int fd, size_t size)
{
	int ret = try_map(fd, size, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_SHARED, 0);

	return ret == -EINVAL || ret == -EPERM;
}

TEST_F(map, only_shared_whole_and_not_executable)
{
	const int rw = PROT_READ | PROT_WRITE;
	size_t size = CELL_PAGES(NR);
	int guarded = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_GUARDED, NR);

	ASSERT_LE(0, guarded);
	EXPECT_EQ(0, try_map(self->fd, size, rw, MAP_SHARED, 0));
	EXPECT_EQ(0, try_map(self->fd, 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, size, rw, MAP_PRIVATE, 0));
	EXPECT_TRUE(cannot_be_executed(self->fd, size));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 4096, rw, MAP_SHARED, 4096));
	EXPECT_EQ(-EINVAL, try_map(self->fd, size + 1, rw, MAP_SHARED, 0));
	EXPECT_EQ(-EPERM, try_map(guarded, 4096, rw, MAP_SHARED, 0));
	EXPECT_EQ(-EPERM, try_map(guarded, 4096, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-1, mprotect(cells, size, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(map, holds_nothing_but_cells)
{
	const char *page = (char *)cells;
	size_t i;

	for (i = 0; i < CELL_PAGES(NR); i++)
		ASSERT_EQ(0, page[i]) {
			TH_LOG("byte %zu", i);
		}
	ASSERT_EQ(0, me(at(1, mutex_lock(self->fd, soon()))));
	EXPECT_NE(0, self->cell->owner);
	EXPECT_EQ(1, self->cell->token);
	EXPECT_EQ(0, cells[0].state);
	EXPECT_EQ(0, cells[2].state);
}

TEST_F(map, outlives_the_descriptor)
{
	struct ksync_device_info before = device_info(self->dev);

	close(self->fd);
	cells[NR - 1].state = 7;
	EXPECT_EQ(7, cells[NR - 1].state);
	EXPECT_EQ(before.objects, device_info(self->dev).objects);
	ASSERT_EQ(0, munmap(cells, CELL_PAGES(NR)));
	EXPECT_TRUE(UNTIL(device_info(self->dev).objects ==
			  before.objects - 1));
}

TEST_F(map, lines_are_of_the_process)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct self once = self_get(), twice = self_get();

	ASSERT_TRUE(once.line != NULL);
	ASSERT_TRUE(twice.line != NULL);
	EXPECT_NE(0, once.id);
	EXPECT_EQ(once.id, twice.id);
	EXPECT_TRUE(once.line != twice.line);
	engage(&once, 6, 5, 4);
	EXPECT_EQ(5, twice.line->entry[6].object);

	EXPECT_EQ(0, try_map(self->dev, KSYNC_LINES_SIZE, rw, MAP_SHARED, 0));
	EXPECT_EQ(-EBUSY, try_map(self->dev, 4096, rw, MAP_SHARED, 0));
	close(self->dev);
	self->dev = device_open();
	EXPECT_EQ(-EINVAL, try_map(self->dev, 4096, rw, MAP_PRIVATE, 0));
	EXPECT_TRUE(cannot_be_executed(self->dev, 4096));
	EXPECT_EQ(-EINVAL, try_map(self->dev, 4096, rw, MAP_SHARED, 4096));
	EXPECT_EQ(-EINVAL, try_map(self->dev, KSYNC_LINES_SIZE + 1, rw,
				   MAP_SHARED, 0));
}

static int line_of_parent(struct call *c)
{
	return ((volatile struct ksync_line *)self_.line)->entry[0].index;
}

static int line_of_own(struct call *c)
{
	struct self self = self_get();

	return self.line && !self.line->entry[0].object ? (int)self.id : -1;
}

TEST_F(map, a_child_has_lines_of_its_own)
{
	struct peer child, fresh;

	self_ = self_get();
	ASSERT_TRUE(self_.line != NULL);
	engage(&self_, 0, object, 1);
	ASSERT_EQ(0, peer_fork(&child));
	EXPECT_EQ(PEER_GONE, ask_fn(&child, line_of_parent));
	ASSERT_EQ(0, peer_fork(&fresh));
	EXPECT_LT(0, ask_fn(&fresh, line_of_own));
	EXPECT_NE((int)self_.id, ask_fn(&fresh, line_of_own));
	EXPECT_EQ(object, self_.line->entry[0].object);
}

/* Fails when somebody has written in the caller's line already. */
static int mark_own_line(struct call *c)
{
	struct self self = self_get();

	if (!self.line || self.line->entry[0].object)
		return -EEXIST;
	engage(&self, 0, 1ULL << 40, 0);
	return 0;
}

/* Also those of threads that have ended: a line begins empty. */
TEST_F(map, each_thread_has_a_line)
{
	static struct peer t[40];
	size_t i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(t); i++) {
			ASSERT_EQ(0, peer_thread(&t[i]));
			EXPECT_EQ(0, ask_fn(&t[i], mark_own_line));
		}
		for (i = 0; i < ARRAY_SIZE(t); i++)
			peer_end(&t[i]);
	}
}

static const struct ksync_line empty;

/* Engaged in nothing at its end, but the rest of the line says something. */
static int write_beside(struct call *c)
{
	struct self self = self_get();
	int i;

	if (!self.line || memcmp(self.line, &empty, sizeof(empty)))
		return -EEXIST;
	memset(self.line, 0x5a, sizeof(*self.line));
	for (i = 0; i < KSYNC_LINE_ENTRIES; i++)
		self.line->entry[i].state &= ~KSYNC_LINE_ENGAGED;
	return self.id;
}

/*
 * Also that of a thread that ended without a hold, whose id the next one gets:
 * several at a time, which never share one.
 */
TEST_F(map, a_line_without_holds_begins_empty)
{
	struct peer t[3];
	int ids[3], round, i;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(0, peer_thread(&t[i]));
			ids[i] = ask_fn(&t[i], write_beside);
			EXPECT_LT(0, ids[i]);
		}
		EXPECT_NE(ids[0], ids[1]);
		EXPECT_NE(ids[0], ids[2]);
		EXPECT_NE(ids[1], ids[2]);
		for (i = 0; i < 3; i++)
			peer_end(&t[i]);
	}
}

static int lock_by_hand(struct call *c)
{
	self_ = self_get();
	if (!self_.line)
		return -ENOMEM;
	engage(&self_, 3, object, 1);
	return take(&cells[1].lock, self_.id) ? 0 : -EBUSY;
}

static int unlock_half(struct call *c)
{
	__atomic_store_n(&cells[1].lock.owner, 0, __ATOMIC_SEQ_CST);
	return 0;
}

static int announce(struct call *c)
{
	self_ = self_get();
	engage(&self_, 0, object, 1);
	return 0;
}

TEST_F(map, die_holding)
{
	struct peer p;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, lock_by_hand));
	EXPECT_EQ(p.pid, status_of(self->fd, 1).holder_pid);
	EXPECT_EQ(-EBUSY, me(at(1, mutex_trylock(self->fd))));
	peer_kill(&p);
	EXPECT_EQ(-EOWNERDEAD, me(at(1, mutex_trylock(self->fd))));
	EXPECT_EQ(1, status_of(self->fd, 1).deaths);
}

static int lock_two_by_hand(struct call *c)
{
	int ret = lock_by_hand(c);

	engage(&self_, 4, object, 2);
	engage(&self_, 5, object, 1);
	return ret ?: take(&cells[2].lock, self_.id) ? 0 : -EBUSY;
}

/* Of one object, and one of them noted twice: a death is counted once. */
TEST_F(map, die_holding_two)
{
	struct peer p;
	int i;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, lock_two_by_hand));
	peer_kill(&p);
	for (i = 1; i <= 2; i++) {
		EXPECT_EQ(-EOWNERDEAD, me(at(i, mutex_trylock(self->fd))));
		EXPECT_EQ(1, status_of(self->fd, i).deaths);
	}
}

TEST_F(map, die_announced_only)
{
	struct peer p;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, announce));
	peer_kill(&p);
	EXPECT_EQ(0, me(at(1, mutex_trylock(self->fd))));
	EXPECT_EQ(0, status_of(self->fd, 1).deaths);
}

/* The word says free, and whoever should have woken the sleeper is dead. */
TEST_F(map, die_before_wake)
{
	struct peer p, q;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, lock_by_hand));
	ASSERT_EQ(0, peer_fork(&q));
	start(&q, at(1, mutex_lock(self->fd, NEVER)));
	ASSERT_TRUE(queued_at(self->fd, 1, 1, 0));
	ASSERT_EQ(0, ask_fn(&p, unlock_half));
	EXPECT_TRUE(silent(&q));
	peer_kill(&p);
	EXPECT_EQ(0, answer(&q));
	EXPECT_EQ(0, status_of(self->fd, 1).deaths);
}

TEST_F(map, wake)
{
	struct peer p, q;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, lock_by_hand));
	ASSERT_EQ(0, peer_fork(&q));
	start(&q, at(1, mutex_lock(self->fd, NEVER)));
	ASSERT_TRUE(queued_at(self->fd, 1, 1, 0));
	EXPECT_EQ(0, me(at(1, basic_call(self->fd, KSYNC_IOC_OBJ_WAKE))));
	EXPECT_TRUE(silent(&q));
	ASSERT_EQ(0, ask_fn(&p, unlock_half));
	EXPECT_EQ(0, me(at(1, basic_call(self->fd, KSYNC_IOC_OBJ_WAKE))));
	EXPECT_EQ(0, answer(&q));
}

TEST_F(map, flag_needs_an_entry)
{
	struct call c = at(1, mutex_lock(self->fd, soon()));
	struct self mine = self_get();

	c.arg.lock.flags = KSYNC_LOCK_IN_LINE;
	EXPECT_EQ(-EINVAL, me(c));
	engage(&mine, 2, object, 0);
	EXPECT_EQ(-EINVAL, me(c));
	engage(&mine, 2, object, 1);
	EXPECT_EQ(0, me(c));
	EXPECT_EQ(mine.id, self->cell->owner);
	c.cmd = KSYNC_IOC_MUTEX_UNLOCK;
	c.arg.basic = (struct ksync_index_args){
		.index = 1, .flags = KSYNC_LOCK_IN_LINE,
	};
	EXPECT_EQ(0, me(c));
	EXPECT_EQ(0, self->cell->owner);
	EXPECT_EQ(-EPERM, me(c));
}

static int guarded_fd;

static int announce_guarded(struct call *c)
{
	self_ = self_get();
	engage(&self_, 0, info(guarded_fd).id, 0);
	engage(&self_, 1, 1ULL << 63, ~0U);
	engage(&self_, 2, object, ~0U);
	return 0;
}

/* A line that names what is none of the thread's business changes nothing. */
TEST_F(map, lines_are_not_trusted)
{
	struct peer p;

	guarded_fd = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_GUARDED, 1);
	ASSERT_LE(0, guarded_fd);
	ASSERT_EQ(0, me(mutex_lock(guarded_fd, soon())));
	ASSERT_EQ(0, me(at(1, mutex_lock(self->fd, soon()))));
	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask_fn(&p, announce_guarded));
	peer_kill(&p);
	EXPECT_TRUE(held_by(guarded_fd, getpid()));
	EXPECT_EQ(getpid(), (pid_t)status_of(self->fd, 1).holder_pid);
	EXPECT_EQ(0, me(mutex_unlock(guarded_fd)));
	EXPECT_EQ(0, me(at(1, mutex_unlock(self->fd))));
}

/* An owner that nobody is would never let go. */
TEST_F(map, owner_that_does_not_exist)
{
	self->cell->owner = KSYNC_LOCK_ID;
	EXPECT_EQ(-EOWNERDEAD, me(at(1, mutex_lock(self->fd, soon()))));
	EXPECT_EQ(0, me(at(1, mutex_consistent(self->fd))));
	EXPECT_EQ(0, me(at(1, mutex_unlock(self->fd))));
}

static int name_oneself(struct call *c)
{
	self_ = self_get();
	return take(&cells[1].lock, self_.id) ? 0 : -EBUSY;
}

static int lock_shortly(int fd)
{
	return me(at(1, mutex_lock(fd, now_ns() + NS_PER_MS)));
}

/*
 * Nor one that has ended, and held nothing as far as its line says. It can be
 * joined a little earlier.
 */
TEST_F(map, owner_that_has_ended)
{
	struct peer t;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, peer_thread(&t));
		ASSERT_EQ(0, ask_fn(&t, name_oneself));
		EXPECT_EQ(-EBUSY, me(at(1, mutex_trylock(self->fd))));
		peer_end(&t);
		ASSERT_TRUE(UNTIL(lock_shortly(self->fd) == -EOWNERDEAD));
		EXPECT_EQ(0, me(at(1, mutex_consistent(self->fd))));
		EXPECT_EQ(0, me(at(1, mutex_unlock(self->fd))));
	}
}

TEST_HARNESS_MAIN
