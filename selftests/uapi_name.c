// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects with a name: opening, permissions, unlink, the namespaces that names
 * live in, and what QUERY and LIST tell about them.
 */
#include "uapi_peer.h"

#include <grp.h>
#include <sys/stat.h>

#define STRANGER	64124		/* a uid and gid that own nothing */
#define MUTEX		KSYNC_TYPE_MUTEX
#define RWLOCK		KSYNC_TYPE_RWLOCK
#define CREATE		KSYNC_OPEN_CREATE
#define EXCL		(KSYNC_OPEN_CREATE | KSYNC_OPEN_EXCL)

FIXTURE(name)
{
	int dev;
	char name[64];
	char other[64];
};

FIXTURE_SETUP(name)
{
	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	snprintf(self->name, sizeof(self->name), "uapi-name-%d", getpid());
	snprintf(self->other, sizeof(self->other), "uapi-other-%d", getpid());
	umask(0);
}

FIXTURE_TEARDOWN(name)
{
	peers_end();
	close(self->dev);
}

/* How often LIST comes across an object of that name. */
static int listed(int dev, const char *name)
{
	struct call c = basic_call(dev, KSYNC_IOC_DEV_LIST);
	int found = 0;
	__u64 cursor;
	int i;

	for (i = 0; i < 100000; i++) {
		cursor = c.arg.query.cursor;
		memset(&c.arg, 0, sizeof(c.arg));
		c.arg.query.cursor = cursor;
		switch (call_run(&c)) {
		case 0:
			if (!strcmp(c.arg.query.info.name, name))
				found++;
			break;
		case -ENOENT:
			return found;
		default:
			return -1;
		}
	}
	return -2;
}

TEST_F(name, how_to_open)
{
	int a, b;

	EXPECT_EQ(-ENOENT, open_name(self->dev, self->name, MUTEX, 0, 0));
	a = open_name(self->dev, self->name, MUTEX, CREATE, 0600);
	ASSERT_LE(0, a);
	b = open_name(self->dev, self->name, MUTEX, 0, 0);
	ASSERT_LE(0, b);
	EXPECT_EQ(info(a).id, info(b).id);
	close(b);
	b = open_name(self->dev, self->name, MUTEX, CREATE, 0600);
	ASSERT_LE(0, b);
	EXPECT_EQ(info(a).id, info(b).id);
	EXPECT_EQ(-EEXIST, open_name(self->dev, self->name, MUTEX, EXCL, 0600));
	EXPECT_EQ(-EEXIST, open_name(self->dev, self->name, RWLOCK, EXCL, 0600));
	EXPECT_EQ(-EPROTOTYPE, open_name(self->dev, self->name, RWLOCK, 0, 0));
	EXPECT_EQ(-EPROTOTYPE,
		  open_name(self->dev, self->name, RWLOCK, CREATE, 0600));
	close(a);
	close(b);
	a = open_name(self->dev, self->name, RWLOCK, EXCL, 0600);
	EXPECT_LE(0, a);
	close(a);
}

TEST_F(name, is_the_same_object)
{
	int a = open_name(self->dev, self->name, MUTEX, CREATE, 0600);
	int b = open_name(self->dev, self->name, MUTEX, 0, 0);

	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, me(mutex_lock(a, NEVER)));
	EXPECT_EQ(-EBUSY, me(mutex_trylock(b)));
	EXPECT_EQ(getpid(), status(b).holder_pid);
	EXPECT_EQ(0, me(mutex_unlock(b)));
	close(a);
	close(b);
}

TEST_F(name, properties_are_the_creators)
{
	struct call c = open_call(self->dev, self->name, MUTEX, EXCL, 0640);
	struct ksync_object_info o;
	int a, b;

	c.arg.open.nr = 7;
	c.arg.open.flags = KSYNC_F_FIFO;
	ASSERT_EQ(0, call_run(&c));
	a = c.arg.open.fd;
	c = open_call(self->dev, self->name, MUTEX, CREATE, 0666);
	c.arg.open.nr = 9;
	c.arg.open.flags = KSYNC_F_RECURSIVE;
	ASSERT_EQ(0, call_run(&c));
	b = c.arg.open.fd;
	o = info(b);
	EXPECT_EQ(7, o.nr);
	EXPECT_EQ(KSYNC_F_FIFO, o.flags);
	EXPECT_EQ(0640, o.mode);
	EXPECT_EQ(geteuid(), o.uid);
	EXPECT_EQ(getegid(), o.gid);
	EXPECT_EQ(2, o.users);
	EXPECT_STREQ(self->name, o.name);
	c.fd = dup(b);	/* no further description */
	EXPECT_EQ(2, info(a).users);
	close(c.fd);
	close(b);
	EXPECT_TRUE(UNTIL(info(a).users == 1));
	close(a);
}

TEST_F(name, mode_and_umask)
{
	int fd;

	umask(027);
	fd = open_name(self->dev, self->name, MUTEX, EXCL, 0777);
	umask(0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0750, info(fd).mode);
	close(fd);
	fd = open_name(self->dev, self->name, MUTEX, EXCL, 0777);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0777, info(fd).mode);
	close(fd);
	EXPECT_EQ(-EINVAL, open_name(self->dev, self->name, MUTEX, EXCL, 01777));
	EXPECT_EQ(-EINVAL,
		  open_name(self->dev, self->name, MUTEX, EXCL, 1U << 31));
}

TEST_F(name, unknown_ways_to_open)
{
	int bit;

	EXPECT_EQ(-EINVAL, open_name(self->dev, self->name, MUTEX,
				     KSYNC_OPEN_EXCL, 0600));
	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, open_name(self->dev, self->name, MUTEX,
					     CREATE | 1U << bit, 0600));
	EXPECT_EQ(-ENOENT, open_name(self->dev, self->name, MUTEX, 0, 0));
}

TEST_F(name, what_names_may_be)
{
	static const char * const good[] = {
		"x", " ", ".", "..", "a b", "-", "\xc3\xa9t\xc3\xa9", "\xff",
	};
	static const char * const bad[] = {
		"", "/", "a/b", "a/", "\n", "a\tb", "\x01", "a\x1f", "\x7f",
	};
	char longest[KSYNC_NAME_MAX];
	struct call c;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		fd = open_name(self->dev, good[i], MUTEX, CREATE, 0600);
		ASSERT_LE(0, fd) TH_LOG("'%s'", good[i]);
		EXPECT_STREQ(good[i], info(fd).name);
		close(fd);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, open_name(self->dev, bad[i], MUTEX, CREATE,
					     0600)) TH_LOG("'%s'", bad[i]);
		EXPECT_EQ(-EINVAL, me(unlink_call(self->dev, bad[i])));
		EXPECT_EQ(-EINVAL, me(query_call(self->dev, bad[i], 0)));
	}
	memset(longest, 'x', sizeof(longest));
	longest[KSYNC_NAME_MAX - 1] = 0;
	fd = open_name(self->dev, longest, MUTEX, CREATE, 0600);
	ASSERT_LE(0, fd);
	EXPECT_STREQ(longest, info(fd).name);
	close(fd);
	/* Without its end, and with something behind its end. */
	c = open_call(self->dev, longest, MUTEX, CREATE, 0600);
	c.arg.open.name[KSYNC_NAME_MAX - 1] = 'x';
	EXPECT_EQ(-EINVAL, call_run(&c));
	c = open_call(self->dev, "x", MUTEX, CREATE, 0600);
	c.arg.open.name[KSYNC_NAME_MAX - 1] = 'x';
	EXPECT_EQ(-EINVAL, call_run(&c));
	c.arg.open.name[KSYNC_NAME_MAX - 1] = 0;
	c.arg.open.name[2] = 'x';
	EXPECT_EQ(-EINVAL, call_run(&c));
}

/* Nothing stays behind after the last descriptor. */
TEST_F(name, leftovers)
{
	int fd = open_name(self->dev, self->name, MUTEX, EXCL, 0600);
	struct peer p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, peer_fork(&p));
	close(fd);
	EXPECT_EQ(1, listed(self->dev, self->name));
	peer_kill(&p);
	EXPECT_EQ(-ENOENT, open_name(self->dev, self->name, MUTEX, 0, 0));
	EXPECT_EQ(-ENOENT, me(query_call(self->dev, self->name, 0)));
	EXPECT_EQ(0, listed(self->dev, self->name));
}

TEST_F(name, unlink_and_recreate)
{
	int old, new;

	EXPECT_EQ(-ENOENT, me(unlink_call(self->dev, self->name)));
	old = open_name(self->dev, self->name, MUTEX, EXCL, 0600);
	ASSERT_LE(0, old);
	ASSERT_EQ(0, me(mutex_lock(old, NEVER)));
	ASSERT_EQ(0, me(unlink_call(self->dev, self->name)));
	EXPECT_EQ(-ENOENT, me(unlink_call(self->dev, self->name)));
	EXPECT_EQ(-ENOENT, open_name(self->dev, self->name, MUTEX, 0, 0));
	EXPECT_EQ(0, listed(self->dev, self->name));
	EXPECT_STREQ("", info(old).name);
	new = open_name(self->dev, self->name, RWLOCK, EXCL, 0600);
	ASSERT_LE(0, new);
	EXPECT_NE(info(old).id, info(new).id);
	EXPECT_EQ(0, me(rwlock_trywrlock(new)));
	EXPECT_EQ(getpid(), status(old).holder_pid);
	EXPECT_EQ(0, me(mutex_unlock(old)));
	/* The end of the old one leaves the new one's name alone. */
	close(old);
	EXPECT_EQ(1, listed(self->dev, self->name));
	close(new);
	EXPECT_EQ(0, listed(self->dev, self->name));
}

/* Those who wait keep waiting on the object, not on its name. */
TEST_F(name, unlink_while_others_wait)
{
	int fd = open_name(self->dev, self->name, MUTEX, EXCL, 0600);
	struct peer p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, me(mutex_lock(fd, NEVER)));
	start(&p, mutex_lock(fd, NEVER));
	ASSERT_TRUE(queued(fd, 1, 0));
	ASSERT_EQ(0, me(unlink_call(self->dev, self->name)));
	ASSERT_TRUE(queued(fd, 1, 0));
	EXPECT_TRUE(silent(&p));
	ASSERT_EQ(0, me(mutex_unlock(fd)));
	EXPECT_EQ(0, answer(&p));
	close(fd);
}

static int become(__u32 uid, __u32 gid)
{
	CHECK(!setgroups(0, NULL));
	CHECK(!setresgid(gid, gid, gid));
	CHECK(!setresuid(uid, uid, uid));
	return 0;
}

static int become_stranger(struct call *c)
{
	return become(STRANGER, STRANGER);
}

static int become_group_member(struct call *c)
{
	return become(STRANGER, getegid());
}

TEST_F(name, permissions)
{
	static const struct {
		__u32 mode;
		int stranger, member, query;
	} t[] = {
		{ 0600, -EACCES, -EACCES, -EACCES },
		{ 0640, -EACCES, -EACCES, -EACCES },
		{ 0660, -EACCES, 0, -EACCES },
		{ 0604, -EACCES, -EACCES, 0 },
		{ 0602, -EACCES, -EACCES, -EACCES },
		{ 0606, 0, -EACCES, 0 },
		{ 0666, 0, 0, 0 },
	};
	struct peer stranger, member;
	size_t i;
	int fd;

	if (geteuid())
		SKIP(return, "needs root, to be somebody else");
	ASSERT_EQ(0, peer_fork(&stranger));
	ASSERT_EQ(0, peer_fork(&member));
	ASSERT_EQ(0, ask_fn(&stranger, become_stranger));
	ASSERT_EQ(0, ask_fn(&member, become_group_member));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(self->name, sizeof(self->name), "uapi-mode-%d-%#o",
			 getpid(), t[i].mode);
		fd = open_name(self->dev, self->name, MUTEX, EXCL, t[i].mode);
		ASSERT_LE(0, fd);
		EXPECT_EQ(t[i].stranger,
			  ask(&stranger, open_call(self->dev, self->name,
						   MUTEX, 0, 0)))
			TH_LOG("stranger, mode %#o", t[i].mode);
		EXPECT_EQ(t[i].member,
			  ask(&member, open_call(self->dev, self->name, MUTEX,
						 CREATE, 0600)))
			TH_LOG("member, mode %#o", t[i].mode);
		EXPECT_EQ(t[i].query,
			  ask(&stranger, query_call(self->dev, self->name, 0)))
			TH_LOG("query, mode %#o", t[i].mode);
		EXPECT_EQ(-EPERM,
			  ask(&stranger, unlink_call(self->dev, self->name)));
		EXPECT_EQ(-EPERM,
			  ask(&member, unlink_call(self->dev, self->name)));
		close(fd);
	}
	/* Even without permission a name in use is in use. */
	fd = open_name(self->dev, self->other, MUTEX, EXCL, 0600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EEXIST, ask(&stranger, open_call(self->dev, self->other,
						    MUTEX, EXCL, 0666)));
	close(fd);
}

/* The owner may be kept out by the mode, as with files, but may unlink. */
static int own_without_permission(void *arg)
{
	int dev = *(int *)arg;
	int fd;

	CHECK(!become(STRANGER, STRANGER));
	fd = open_name(dev, "uapi-own", MUTEX, EXCL, 0066);
	CHECK(fd >= 0);
	CHECK(info(fd).uid == STRANGER);
	CHECK(info(fd).gid == STRANGER);
	CHECK(open_name(dev, "uapi-own", MUTEX, 0, 0) == -EACCES);
	CHECK(me(query_call(dev, "uapi-own", 0)) == -EACCES);
	CHECK(listed(dev, "uapi-own") == 0);
	CHECK(!me(mutex_lock(fd, NEVER)));
	CHECK(!me(unlink_call(dev, "uapi-own")));
	return 0;
}

TEST_F(name, the_owner_is_the_first_class_that_counts)
{
	if (geteuid())
		SKIP(return, "needs root, to be somebody else");
	EXPECT_EQ(0, in_child(own_without_permission, &self->dev));
}

struct unreadable {
	int dev;
	const char *closed, *open;
};

static int list_as_stranger(void *arg)
{
	struct unreadable *u = arg;

	CHECK(listed(u->dev, u->closed) == 1);
	CHECK(!become(STRANGER, STRANGER));
	CHECK(listed(u->dev, u->closed) == 0);
	CHECK(listed(u->dev, u->open) == 1);
	return 0;
}

TEST_F(name, list_skips_what_may_not_be_read)
{
	struct unreadable u = { self->dev, self->name, self->other };
	int closed, open;

	if (geteuid())
		SKIP(return, "needs root, to be somebody else");
	closed = open_name(self->dev, self->name, MUTEX, EXCL, 0660);
	open = open_name(self->dev, self->other, MUTEX, EXCL, 0664);
	ASSERT_LE(0, closed);
	ASSERT_LE(0, open);
	EXPECT_EQ(0, in_child(list_as_stranger, &u));
	close(closed);
	close(open);
}

TEST_F(name, list_gives_each_once)
{
	char name[80];
	int fds[100];
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%s-%d", self->name, i);
		fds[i] = open_name(self->dev, name, MUTEX, EXCL, 0600);
		ASSERT_LE(0, fds[i]);
	}
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%s-%d", self->name, i);
		EXPECT_EQ(1, listed(self->dev, name));
	}
	for (i = 0; i < 100; i += 2)
		close(fds[i]);
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%s-%d", self->name, i);
		EXPECT_EQ(i & 1, listed(self->dev, name));
	}
	EXPECT_EQ(0, listed(self->dev, ""));
}

TEST_F(name, query_tells_without_opening)
{
	struct call c = open_call(self->dev, self->name, MUTEX, EXCL, 0640);
	struct ksync_query_args q;
	union uapi_args out;
	int fd;

	EXPECT_EQ(-ENOENT, me(query_call(self->dev, self->name, 0)));
	c.arg.open.nr = 3;
	c.arg.open.flags = KSYNC_F_GUARDED;
	ASSERT_EQ(0, call_run(&c));
	fd = c.arg.open.fd;
	ASSERT_EQ(0, me(at(2, mutex_lock(fd, NEVER))));
	ASSERT_EQ(0, me_out(query_call(self->dev, self->name, 0), &out));
	q = out.query;
	EXPECT_EQ(info(fd).id, q.info.id);
	EXPECT_EQ(MUTEX, q.info.type);
	EXPECT_EQ(KSYNC_F_GUARDED, q.info.flags);
	EXPECT_EQ(3, q.info.nr);
	EXPECT_EQ(0640, q.info.mode);
	EXPECT_EQ(1, q.info.users);
	EXPECT_STREQ(self->name, q.info.name);
	EXPECT_EQ(0, q.status.value);
	ASSERT_EQ(0, me_out(query_call(self->dev, self->name, 2), &out));
	EXPECT_EQ(2, out.query.status.index);
	EXPECT_EQ(1, out.query.status.value);
	EXPECT_EQ(getpid(), out.query.status.holder_pid);
	EXPECT_EQ(-EINVAL, me(query_call(self->dev, self->name, 3)));
	EXPECT_EQ(-EINVAL, me(query_call(self->dev, self->name, UINT32_MAX)));
	close(fd);
}

struct netns {
	int dev;
	const char *name;
	__u64 id;
};

/* 77: not allowed to. */
static int in_another_netns(void *arg)
{
	struct netns *n = arg;
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 77;
	CHECK(listed(n->dev, n->name) == 0);
	CHECK(open_name(n->dev, n->name, MUTEX, 0, 0) == -ENOENT);
	CHECK(me(unlink_call(n->dev, n->name)) == -ENOENT);
	fd = open_name(n->dev, n->name, MUTEX, EXCL, 0600);
	CHECK(fd >= 0);
	CHECK(info(fd).id != n->id);
	CHECK(!me(mutex_trylock(fd)));
	CHECK(!me(unlink_call(n->dev, n->name)));
	return 0;
}

TEST_F(name, live_in_the_network_namespace)
{
	struct netns n = { .dev = self->dev, .name = self->name };
	int fd = open_name(self->dev, self->name, MUTEX, EXCL, 0600);
	int ret;

	ASSERT_LE(0, fd);
	n.id = info(fd).id;
	ret = in_child(in_another_netns, &n);
	if (ret == 77)
		SKIP(return, "cannot make a network namespace");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(1, listed(self->dev, self->name));
	EXPECT_EQ(n.id, info(fd).id);
	close(fd);
}

UAPI_MAIN
