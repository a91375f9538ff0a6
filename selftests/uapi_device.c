// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ksync: what it tells, what it makes, and what it refuses to make.
 * Names are in uapi_name.c.
 */
#include "uapi_kinds.h"
#include "uapi_peer.h"

#include <grp.h>
#include <sys/resource.h>

#define STRANGER	64123	/* a uid that owns nothing */

FIXTURE(device)
{
	int dev;
};

FIXTURE_SETUP(device)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(device)
{
	peers_end();
	close(self->dev);
}

static __u32 objects(int dev)
{
	return device_info(dev).objects;
}

TEST_F(device, tells_about_itself)
{
	struct ksync_device_info d = device_info(self->dev);

	EXPECT_EQ(KSYNC_ABI_VERSION, d.abi);
	EXPECT_EQ(0, d.flags);
	EXPECT_LT(0, d.objects_max);
	EXPECT_LE(d.objects, d.objects_max);
	EXPECT_EQ(d.objects_max, read_long(PARAMETERS "max_objects"));
	EXPECT_NE(0, d.version[0]);
	EXPECT_GT(sizeof(d.version), strnlen(d.version, sizeof(d.version)));
}

TEST_F(device, makes_every_kind_with_every_flag)
{
	struct ksync_object_info o;
	size_t i;
	__u32 f;
	int fd;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (f = 0; f < 1U << 8; f++) {
			fd = create_kind(self->dev, &kinds[i], f, 5);
			if (f & ~kinds[i].flags) {
				EXPECT_EQ(-EINVAL, fd)
					TH_LOG("%s, %#x", kinds[i].name, f);
				continue;
			}
			ASSERT_LE(0, fd)
				TH_LOG("%s, %#x", kinds[i].name, f);
			o = info(fd);
			EXPECT_EQ(kinds[i].type, o.type);
			EXPECT_EQ(f, o.flags);
			EXPECT_EQ(5, o.nr);
			EXPECT_EQ(0, o.mode);
			EXPECT_EQ(1, o.users);
			EXPECT_EQ(0, o.reserved);
			EXPECT_EQ(0, o.name[0]);
			EXPECT_EQ(kinds[i].value, status_of(fd, 4).value);
			EXPECT_EQ(kinds[i].max, status_of(fd, 4).max);
			close(fd);
		}
	}
}

TEST_F(device, refuses_unknown_flags)
{
	size_t i;
	int bit;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		for (bit = 0; bit < 32; bit++)
			if (!(kinds[i].flags & 1U << bit))
				EXPECT_EQ(-EINVAL,
					  create_kind(self->dev, &kinds[i],
						      1U << bit, 1));
}

TEST_F(device, refuses_unknown_types)
{
	static const __u32 large[] = { 1U << 16, 1U << 31, UINT32_MAX };
	struct kind unknown = { .name = "" };
	size_t i, known;

	for (unknown.type = 0; unknown.type < 256; unknown.type++) {
		for (known = 0; known < ARRAY_SIZE(kinds); known++)
			if (kinds[known].type == unknown.type)
				break;
		if (known < ARRAY_SIZE(kinds))
			continue;
		for (i = 0; i < 2; i++) {
			unknown.value = i;
			unknown.max = i;
			EXPECT_EQ(-EINVAL, create_kind(self->dev, &unknown,
						       0, 1))
				TH_LOG("type %u", unknown.type);
		}
	}
	for (i = 0; i < ARRAY_SIZE(large); i++)
		EXPECT_EQ(-EINVAL, create(self->dev, large[i], 0, 1));
}

TEST_F(device, refuses_impossible_sizes)
{
	static const __u32 sizes[] = {
		0, KSYNC_NR_MAX + 1, 1U << 26, 1U << 31, UINT32_MAX,
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		for (j = 0; j < ARRAY_SIZE(sizes); j++)
			EXPECT_EQ(-EINVAL, create_kind(self->dev, &kinds[i], 0,
						       sizes[j]));
}

/*
 * What means something for semaphores only is zero for the others. Events are
 * set at first or not.
 */
TEST_F(device, refuses_values_of_another_type)
{
	struct kind k;
	struct call c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		k = kinds[i];
		if (k.max)
			continue;
		k.value = 1;
		k.max = 1;
		EXPECT_EQ(-EINVAL, create_kind(self->dev, &k, 0, 1));
		c = create_call(self->dev, k.type, 0, 1);
		c.arg.create.value = k.type == KSYNC_TYPE_EVENT ? 2 : 1;
		EXPECT_EQ(-EINVAL, call_run(&c));
		c = create_call(self->dev, k.type, 0, 1);
		c.arg.create.max = 1;
		EXPECT_EQ(-EINVAL, call_run(&c));
		EXPECT_EQ(KSYNC_NO_FD, c.arg.create.fd);
	}
}

TEST_F(device, every_object_has_its_own_id)
{
	__u64 ids[64], id;
	int fds[64];
	int i, j;

	for (i = 0; i < 64; i++) {
		fds[i] = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
		ASSERT_LE(0, fds[i]);
		ids[i] = info(fds[i]).id;
		for (j = 0; j < i; j++)
			ASSERT_NE(ids[j], ids[i]);
	}
	/* Nor is the id of a gone one given out again. */
	for (i = 0; i < 64; i++)
		close(fds[i]);
	for (i = 0; i < 64; i++) {
		fds[0] = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
		id = info(fds[0]).id;
		for (j = 0; j < 64; j++)
			ASSERT_NE(ids[j], id);
		close(fds[0]);
	}
}

TEST_F(device, objects_are_close_on_exec)
{
	char name[64];
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);
	snprintf(name, sizeof(name), "uapi-device-%d", getpid());
	fd = open_name(self->dev, name, KSYNC_TYPE_MUTEX, KSYNC_OPEN_CREATE,
		       0600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);
}

TEST_F(device, objects_are_counted)
{
	__u32 before = objects(self->dev);
	int a, b;

	a = create(self->dev, KSYNC_TYPE_MUTEX, 0, 100);
	b = create(self->dev, KSYNC_TYPE_RWLOCK, 0, 1);
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	EXPECT_EQ(before + 2, objects(self->dev));
	close(a);
	EXPECT_TRUE(UNTIL(objects(self->dev) == before + 1));
	close(b);
	EXPECT_TRUE(UNTIL(objects(self->dev) == before));
}

TEST_F(device, outlived_by_its_objects)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);

	ASSERT_LE(0, fd);
	close(self->dev);
	EXPECT_EQ(0, me(mutex_lock(fd, NEVER)));
	EXPECT_EQ(0, me(mutex_unlock(fd)));
	close(fd);
	self->dev = device_open();
}

/* Without a descriptor to give there is no object either. */
TEST_F(device, no_descriptors_left)
{
	__u32 before = objects(self->dev);
	struct rlimit limit;
	char name[64];
	int free_fd;

	snprintf(name, sizeof(name), "uapi-emfile-%d", getpid());
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	free_fd = dup(self->dev);
	ASSERT_LE(0, free_fd);
	close(free_fd);
	limit.rlim_cur = free_fd;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, create(self->dev, KSYNC_TYPE_MUTEX, 0, 1));
	EXPECT_EQ(-EMFILE, open_name(self->dev, name, KSYNC_TYPE_MUTEX,
				     KSYNC_OPEN_CREATE, 0600));
	EXPECT_TRUE(UNTIL(objects(self->dev) == before));
	EXPECT_EQ(-ENOENT, me(query_call(self->dev, name, 0)));
	limit.rlim_cur = free_fd + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(free_fd, create(self->dev, KSYNC_TYPE_MUTEX, 0, 1));
	close(free_fd);
}

struct quota {
	int dev;
	__u32 max;
};

static int fill_quota(void *arg)
{
	struct quota *q = arg;
	__u32 i, owned = 0;
	int fd = -1;

	CHECK(!setgroups(0, NULL));
	CHECK(!setresgid(STRANGER, STRANGER, STRANGER));
	CHECK(!setresuid(STRANGER, STRANGER, STRANGER));
	CHECK(objects(q->dev) == 0);
	CHECK(device_info(q->dev).objects_max == q->max);
	for (i = 0; i < q->max; i++) {
		fd = create(q->dev, KSYNC_TYPE_MUTEX, 0, 1);
		CHECK(fd >= 0);
		owned++;
		CHECK(objects(q->dev) == owned);
	}
	CHECK(create(q->dev, KSYNC_TYPE_MUTEX, 0, 1) == -EDQUOT);
	CHECK(open_name(q->dev, "uapi-quota", KSYNC_TYPE_SEM,
			KSYNC_OPEN_CREATE, 0600) == -EDQUOT);
	CHECK(me(query_call(q->dev, "uapi-quota", 0)) == -ENOENT);
	CHECK(objects(q->dev) == owned);
	/* One goes, one can come. */
	close(fd);
	CHECK(UNTIL(objects(q->dev) == owned - 1));
	CHECK(create(q->dev, KSYNC_TYPE_MUTEX, 0, 1) >= 0);
	CHECK(create(q->dev, KSYNC_TYPE_MUTEX, 0, 1) == -EDQUOT);
	return 0;
}

TEST_F(device, a_user_s_objects_are_limited)
{
	struct quota q = { .dev = self->dev, .max = 40 };
	long before = read_long(PARAMETERS "max_objects");
	int fd;

	if (geteuid())
		SKIP(return, "needs root, to be somebody else");
	ASSERT_LT(0, before);
	ASSERT_EQ(0, write_long(PARAMETERS "max_objects", q.max));
	EXPECT_EQ(0, in_child(fill_quota, &q));
	/* What one user has made is nobody else's trouble. */
	fd = create(self->dev, KSYNC_TYPE_MUTEX, 0, 1);
	EXPECT_LE(0, fd);
	close(fd);
	/* The objects were given back with their maker. */
	EXPECT_EQ(0, in_child(fill_quota, &q));
	EXPECT_EQ(0, write_long(PARAMETERS "max_objects", before));
}

/* The object counts for who made it, whoever has it open. */
static int keep_a_strangers_object(void *arg)
{
	int dev = *(int *)arg;
	struct peer maker;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "uapi-kept-%d", getpid());
	CHECK(!setgroups(0, NULL));
	CHECK(!setresuid(STRANGER + 1, STRANGER + 1, 0));
	CHECK(!peer_fork(&maker));
	CHECK(!ask(&maker, open_call(dev, name, KSYNC_TYPE_MUTEX,
				     KSYNC_OPEN_CREATE, 0666)));
	CHECK(objects(dev) == 1);
	CHECK(!setresuid(0, 0, 0));
	fd = open_name(dev, name, KSYNC_TYPE_MUTEX, 0, 0666);
	CHECK(fd >= 0);
	peer_kill(&maker);
	CHECK(!setresuid(STRANGER + 1, STRANGER + 1, 0));
	CHECK(objects(dev) == 1);
	close(fd);
	CHECK(UNTIL(objects(dev) == 0));
	return 0;
}

TEST_F(device, an_object_counts_for_its_maker)
{
	if (geteuid())
		SKIP(return, "needs root, to be somebody else");
	EXPECT_EQ(0, in_child(keep_a_strangers_object, &self->dev));
}

/* The commands change things, whatever the descriptor is good for otherwise. */
TEST_F(device, reading_alone_is_not_enough)
{
	EXPECT_EQ(-1, open(DEVICE, O_RDONLY | O_CLOEXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, open(DEVICE, O_WRONLY | O_CLOEXEC));
	EXPECT_EQ(EACCES, errno);
}

static bool can_map(int fd, int prot)
{
	return mmap(NULL, 4096, prot, MAP_SHARED, fd, 0) != MAP_FAILED;
}

TEST_F(device, guarded_objects_cannot_be_mapped_or_read)
{
	int fd = create(self->dev, KSYNC_TYPE_MUTEX, KSYNC_F_GUARDED, 1);
	char c = 0;

	ASSERT_LE(0, fd);
	EXPECT_FALSE(can_map(fd, PROT_READ));
	EXPECT_FALSE(can_map(fd, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(-1, write(fd, &c, 1));
	EXPECT_EQ(-1, read(self->dev, &c, 1));
	EXPECT_EQ(-1, write(self->dev, &c, 1));
	close(fd);
}

UAPI_MAIN
