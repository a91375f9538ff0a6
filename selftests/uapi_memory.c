// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory is charged to the memory cgroup of whoever makes something, given back
 * with it, and bounded by the cgroup's limit: a process that creates without end
 * ends itself or gets an error, and nobody else is touched.
 *
 * Needs root and a cgroup hierarchy of version 2 with the memory controller.
 */
#include "uapi_kinds.h"
#include "uapi_peer.h"

#include <sys/resource.h>
#include <sys/stat.h>

#define CGROUPS		"/sys/fs/cgroup/"
#define MB		(1L << 20)
#define LIMIT		(48 * MB)
#define CELLS		(1U << 16)	/* 4 MB in one object */
#define SLACK		(1 * MB)	/* charged in advance, in batches */
#define MANY		2000		/* objects, threads or holds */

FIXTURE(memory)
{
	char group[64];
	int dev;
};

static int group_file(const char *group, const char *name, char *path)
{
	return snprintf(path, 128, "%s/%s", group, name);
}

static long group_read(const char *group, const char *name)
{
	char path[128];

	group_file(group, name, path);
	return read_long(path);
}

static int group_write(const char *group, const char *name, long value)
{
	char path[128];

	group_file(group, name, path);
	return write_long(path, value);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

FIXTURE_SETUP(memory)
{
	if (geteuid())
		SKIP(return, "needs root, to make a cgroup");
	snprintf(self->group, sizeof(self->group), CGROUPS "uapi-memory-%d",
		 getpid());
	write_text(CGROUPS "cgroup.subtree_control", "+memory");
	if (mkdir(self->group, 0755))
		SKIP(return, "no cgroups at " CGROUPS);
	if (group_read(self->group, "memory.current") < 0) {
		rmdir(self->group);
		SKIP(return, "no memory controller at " CGROUPS);
	}
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(memory)
{
	peers_end();
	UNTIL(!rmdir(self->group));
}

static const char *group;	/* that the next peer joins */

static int join(struct call *c)
{
	return group_write(group, "cgroup.procs", getpid());
}

/* A peer in the cgroup, with all that it uses already charged. */
static int join_peer(struct peer *p, const char *which, int dev)
{
	int ret;

	group = which;
	ret = peer_fork(p);
	ret = ret ?: ask_fn(p, join);
	ret = ret ?: ask(p, create_call(dev, KSYNC_TYPE_MUTEX, 0, 1));
	return ret;
}

static long current_of(const char *which)
{
	return group_read(which, "memory.current");
}

static struct kind kind;	/* that the next function makes */
static int made[MANY];
static int nr_made;

static int make_one_large(struct call *c)
{
	made[nr_made] = create_kind(c->fd, &kind, 0, CELLS);
	return made[nr_made] < 0 ? made[nr_made] : nr_made++ * 0;
}

static int close_all(struct call *c)
{
	while (nr_made)
		close(made[--nr_made]);
	return 0;
}

/*
 * Cells are given back when the object goes, at the latest some time later. Each
 * processor may have a batch in stock, 256 kB.
 */
TEST_F(memory, cells_are_charged_and_given_back)
{
	long before, used;
	struct peer p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		kind = kinds[i];
		ASSERT_EQ(0, join_peer(&p, self->group, self->dev));
		before = current_of(self->group);
		start_fn(&p, make_one_large, basic_call(self->dev, 0));
		ASSERT_EQ(0, answer(&p));
		used = current_of(self->group) - before;
		TH_LOG("%s: %u primitives: %ld kB", kinds[i].name, CELLS,
		       used / 1024);
		EXPECT_LE(CELLS * 64L - SLACK / 2, used);
		EXPECT_GE(CELLS * 80L + SLACK, used);
		ASSERT_EQ(0, ask_fn(&p, close_all));
		EXPECT_TRUE(UNTIL(current_of(self->group) < before + SLACK));
		peer_end(&p);
	}
}

static int make_many_small(struct call *c)
{
	while (nr_made < MANY) {
		made[nr_made] = create_kind(c->fd, &kinds[nr_made %
						ARRAY_SIZE(kinds)], 0, 1);
		if (made[nr_made] < 0)
			return made[nr_made];
		nr_made++;
	}
	return 0;
}

static int raise_limit(struct call *c)
{
	struct rlimit limit = { MANY + 100, MANY + 100 };

	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

TEST_F(memory, objects_are_charged)
{
	long before, used;
	struct peer p;

	ASSERT_EQ(0, join_peer(&p, self->group, self->dev));
	ASSERT_EQ(0, ask_fn(&p, raise_limit));
	before = current_of(self->group);
	start_fn(&p, make_many_small, basic_call(self->dev, 0));
	ASSERT_EQ(0, answer(&p));
	used = current_of(self->group) - before;
	TH_LOG("%d objects: %ld bytes each", MANY, used / MANY);
	/* The object, its cells and queues, its file. */
	EXPECT_LE(MANY * 300L, used);
	peer_end(&p);
}

static int hold_many(struct call *c)
{
	int ret = 0, fd = create(c->fd, KSYNC_TYPE_MUTEX, 0, MANY * 8);
	__u32 i;

	for (i = 0; i < MANY * 8 && !ret; i++)
		ret = me(at(i, mutex_trylock(fd)));
	return fd < 0 ? fd : ret;
}

TEST_F(memory, holds_are_charged)
{
	long before, used;
	struct peer p;

	ASSERT_EQ(0, join_peer(&p, self->group, self->dev));
	before = current_of(self->group);
	start_fn(&p, hold_many, basic_call(self->dev, 0));
	ASSERT_EQ(0, answer(&p));
	used = current_of(self->group) - before;
	TH_LOG("%d holds: %ld bytes each with their cells", MANY * 8,
	       used / (MANY * 8));
	EXPECT_LE(MANY * 8 * (64L + 32) - SLACK, used);
	peer_end(&p);
}

static int create_without_end(struct call *c)
{
	int i = 0, fd;

	for (;;) {
		fd = create_kind(c->fd, &kinds[i++ % ARRAY_SIZE(kinds)], 0,
				 CELLS / 4);
		if (fd < 0)
			return fd;
	}
}

/*
 * Either there is an error or the process is killed by its cgroup: what Linux
 * does to those whose kernel memory is at its limit. The rest of the machine
 * goes on, and has all of it back.
 */
TEST_F(memory, exhaustion)
{
	__u32 objects = device_info(self->dev).objects;
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, CELLS);
	struct peer p;
	int ret;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, join_peer(&p, self->group, self->dev));
	ASSERT_EQ(0, group_write(self->group, "memory.max", LIMIT));
	start_fn(&p, create_without_end, basic_call(self->dev, 0));
	ret = answer(&p);
	TH_LOG("it came to %s", ret == PEER_GONE ? "its end" : strerror(-ret));
	EXPECT_TRUE(ret == PEER_GONE || ret == -ENOMEM);
	EXPECT_GE(LIMIT, current_of(self->group));
	EXPECT_EQ(0, me(at(CELLS - 1, mutex_lock(fd, soon()))));
	EXPECT_EQ(0, me(at(CELLS - 1, mutex_unlock(fd))));
	peer_kill(&p);
	close(fd);
	EXPECT_TRUE(UNTIL(device_info(self->dev).objects == objects));
	EXPECT_TRUE(UNTIL(current_of(self->group) < LIMIT / 4));
}

/* One object that is too large for the limit is not made at all. */
TEST_F(memory, an_object_beyond_the_limit)
{
	__u32 objects = device_info(self->dev).objects;
	struct peer p;
	int ret;

	ASSERT_EQ(0, join_peer(&p, self->group, self->dev));
	ASSERT_EQ(0, group_write(self->group, "memory.max", LIMIT / 2));
	ret = ask(&p, create_call(self->dev, KSYNC_TYPE_RWLOCK, 0,
				  KSYNC_NR_MAX));
	EXPECT_EQ(-ENOMEM, ret);
	/* It is well otherwise. */
	EXPECT_EQ(0, ask(&p, create_call(self->dev, KSYNC_TYPE_RWLOCK, 0, 1)));
	peer_kill(&p);
	EXPECT_TRUE(UNTIL(device_info(self->dev).objects == objects));
}

UAPI_MAIN
