// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody acts on an object that he was not given: by name only with permission
 * or the right capability, and by no other path. Modes, as seen by owner, group
 * and others, are in uapi_name.c, user namespaces in uapi_namespace.c.
 */
#include "uapi_kinds.h"
#include "uapi_peer.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/stat.h>

#define OWNER		64124
#define STRANGER	64125
#define GROUP		64126

FIXTURE(permission)
{
	int dev;
	int fd;			/* an object of OWNER's, for him alone */
	char name[64];
};

/* With the capabilities of @caps only, of those that root has. */
static int keep_capabilities(__u64 caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps },
		{ .effective = caps >> 32, .permitted = caps >> 32 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int make_private(struct call *c)
{
	if (setgroups(0, NULL) || setresgid(GROUP, GROUP, GROUP) ||
	    setresuid(OWNER, OWNER, OWNER))
		return -errno;
	umask(0);
	return call_run(c);
}

FIXTURE_SETUP(permission)
{
	struct peer owner;

	if (geteuid())
		SKIP(return, "needs root, to be somebody else");
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	snprintf(self->name, sizeof(self->name), "uapi-permission-%d",
		 getpid());
	ASSERT_EQ(0, peer_fork(&owner));
	start_fn(&owner, make_private,
		 open_call(self->dev, self->name, KSYNC_TYPE_MUTEX,
			   KSYNC_OPEN_CREATE, 0600));
	ASSERT_EQ(0, answer(&owner));
	self->fd = open_name(self->dev, self->name, KSYNC_TYPE_MUTEX, 0, 0);
	ASSERT_LE(0, self->fd);
	peer_end(&owner);
}

FIXTURE_TEARDOWN(permission)
{
	peers_end();
}

/* What somebody tries, and what must come of it. */
struct attempt {
	int dev;
	const char *name;
	__u64 caps;
	int open, query, unlink;
};

static int try_all(const struct attempt *a)
{
	int fd = open_name(a->dev, a->name, KSYNC_TYPE_MUTEX, 0, 0);

	CHECK((fd < 0 ? fd : 0) == a->open);
	CHECK(me(query_call(a->dev, a->name, 0)) == a->query);
	CHECK(me(unlink_call(a->dev, a->name)) == a->unlink);
	return 0;
}

static int as_root_with(void *arg)
{
	const struct attempt *a = arg;

	CHECK(!keep_capabilities(a->caps));
	return try_all(a);
}

TEST_F(permission, root_without_capabilities_is_a_stranger)
{
	struct attempt a = { self->dev, self->name, 0,
			     -EACCES, -EACCES, -EPERM };

	EXPECT_EQ(0, in_child(as_root_with, &a));
}

TEST_F(permission, to_override_modes_is_not_to_own)
{
	struct attempt a = { self->dev, self->name, 1ULL << CAP_DAC_OVERRIDE,
			     0, 0, -EPERM };

	EXPECT_EQ(0, in_child(as_root_with, &a));
}

TEST_F(permission, to_own_is_not_to_override_modes)
{
	struct attempt a = { self->dev, self->name, 1ULL << CAP_FOWNER,
			     -EACCES, -EACCES, 0 };

	EXPECT_EQ(0, in_child(as_root_with, &a));
}

TEST_F(permission, other_capabilities_do_not_count)
{
	struct attempt a = {
		self->dev, self->name,
		~(1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER) &
		((2ULL << CAP_SYS_RESOURCE) - 1),
		-EACCES, -EACCES, -EPERM
	};

	EXPECT_EQ(0, in_child(as_root_with, &a));
}

struct members {
	struct attempt attempt;
	gid_t group;
};

static int as_member(void *arg)
{
	struct members *m = arg;

	CHECK(!setgroups(1, &m->group));
	CHECK(!setresgid(STRANGER, STRANGER, STRANGER));
	CHECK(!setresuid(STRANGER, STRANGER, STRANGER));
	return try_all(&m->attempt);
}

static int make_for_group(void *arg)
{
	struct members *m = arg;
	struct call c = open_call(m->attempt.dev, m->attempt.name,
				  KSYNC_TYPE_MUTEX, KSYNC_OPEN_CREATE, 0660);

	CHECK(!make_private(&c));
	linger();
}

/* Groups beside the first one count like it. */
TEST_F(permission, supplementary_groups_count)
{
	struct members m = { .attempt = { self->dev, "uapi-permission-group" } };
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(make_for_group(&m));
	}
	ASSERT_TRUE(UNTIL(!me(query_call(self->dev, m.attempt.name, 0))));
	m.attempt.unlink = -EPERM;
	m.group = GROUP;
	EXPECT_EQ(0, in_child(as_member, &m));
	m.attempt.open = -EACCES;
	m.attempt.query = -EACCES;
	m.group = STRANGER;
	EXPECT_EQ(0, in_child(as_member, &m));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

struct path {
	int dev;
	pid_t holder;
	int fd;
	__u64 id;
};

/* All the ways that lead to files of others, for somebody without rights. */
static int try_paths(void *arg)
{
	struct ksync_query_args *q;
	struct path *p = arg;
	union uapi_args a;
	char text[64];
	int fd;

	CHECK(!setgroups(0, NULL));
	CHECK(!setresgid(STRANGER, STRANGER, STRANGER));
	CHECK(!setresuid(STRANGER, STRANGER, STRANGER));
	snprintf(text, sizeof(text), "/proc/%d/fd/%d", p->holder, p->fd);
	CHECK(open(text, O_RDWR) < 0);
	snprintf(text, sizeof(text), "/proc/%d/fdinfo/%d", p->holder, p->fd);
	CHECK(open(text, O_RDONLY) < 0);
	fd = syscall(SYS_pidfd_open, p->holder, 0);
	CHECK(fd >= 0);
	CHECK(syscall(SYS_pidfd_getfd, fd, p->fd, 0) < 0);
	/* The list goes over all objects, and shows none of his. */
	memset(&a, 0, sizeof(a));
	q = &a.query;
	while (!ioctl(p->dev, KSYNC_IOC_DEV_LIST, q)) {
		CHECK(q->info.id != p->id);
		memset(&q->info, 0, sizeof(q->info));
		memset(&q->status, 0, sizeof(q->status));
	}
	CHECK(errno == ENOENT);
	return 0;
}

TEST_F(permission, no_other_path)
{
	struct path p = {
		self->dev, getpid(), self->fd, info(self->fd).id
	};

	EXPECT_EQ(0, in_child(try_paths, &p));
}

/* Not even those who have an object can open it a second time by /proc. */
TEST_F(permission, descriptors_are_not_opened_again)
{
	char path[64];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		fd = create_kind(self->dev, &kinds[i], 0, 1);
		ASSERT_LE(0, fd);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		EXPECT_EQ(-1, open(path, O_RDWR));
		EXPECT_EQ(ENXIO, errno);
		close(fd);
	}
}

static int lock_as_stranger(void *arg)
{
	int fd = *(int *)arg;

	CHECK(!setgroups(0, NULL));
	CHECK(!setresgid(STRANGER, STRANGER, STRANGER));
	CHECK(!setresuid(STRANGER, STRANGER, STRANGER));
	CHECK(!me(mutex_lock(fd, soon())));
	CHECK(!me(mutex_unlock(fd)));
	return 0;
}

/* As with files: what was given stays given. */
TEST_F(permission, a_descriptor_is_all_it_takes)
{
	EXPECT_EQ(0, in_child(lock_as_stranger, &self->fd));
}

UAPI_MAIN
