// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an object tells about itself, whatever its type: OBJ_INFO, OBJ_STATUS
 * and /proc/PID/fdinfo; and the ways a descriptor of it travels.
 */
#include "uapi_peer.h"
#include "uapi_rendezvous.h"

#include <poll.h>
#include <sys/stat.h>

FIXTURE(object)
{
	int dev;
	int fd;
	char name[64];
};

FIXTURE_VARIANT(object)
{
	__u32 type, flags, value;
	const char *word;
};

FIXTURE_VARIANT_ADD(object, mutex)
{
	.type = KSYNC_TYPE_MUTEX,
	.flags = KSYNC_F_RECURSIVE,
	.word = "mutex",
};

FIXTURE_VARIANT_ADD(object, rwlock)
{
	.type = KSYNC_TYPE_RWLOCK,
	.flags = KSYNC_F_GUARDED,
	.word = "rwlock",
};

FIXTURE_VARIANT_ADD(object, waitgroup)
{
	.type = KSYNC_TYPE_WAITGROUP,
	.flags = 0,
	.word = "waitgroup",
};

FIXTURE_VARIANT_ADD(object, semaphore)
{
	.type = KSYNC_TYPE_SEM,
	.flags = KSYNC_F_TRACKED,
	.value = 6,
	.word = "semaphore",
};

FIXTURE_VARIANT_ADD(object, event)
{
	.type = KSYNC_TYPE_EVENT,
	.flags = KSYNC_F_AUTO_RESET,
	.word = "event",
};

FIXTURE_VARIANT_ADD(object, cond)
{
	.type = KSYNC_TYPE_COND,
	.flags = KSYNC_F_GUARDED,
	.word = "cond",
};

FIXTURE_VARIANT_ADD(object, once)
{
	.type = KSYNC_TYPE_ONCE,
	.flags = 0,
	.word = "once",
};

FIXTURE_SETUP(object)
{
	struct call c;

	self->dev = device_open();
	ASSERT_LE(0, self->dev);
	snprintf(self->name, sizeof(self->name), "uapi-object-%d", getpid());
	umask(0);
	c = open_call(self->dev, self->name, variant->type, KSYNC_OPEN_CREATE,
		      0604);
	c.arg.open.flags = variant->flags;
	c.arg.open.nr = 3;
	c.arg.open.value = variant->value;
	c.arg.open.max = variant->value;
	ASSERT_EQ(0, call_run(&c));
	self->fd = c.arg.open.fd;
}

FIXTURE_TEARDOWN(object)
{
	peers_end();
	close(self->fd);
	close(self->dev);
}

/* Something that shows in the status, for each type. */
static int use(int fd, __u32 type, __u32 index)
{
	switch (type) {
	case KSYNC_TYPE_MUTEX:
		return me(at(index, mutex_lock(fd, NEVER)));
	case KSYNC_TYPE_RWLOCK:
		return me(at(index, rwlock_wrlock(fd, NEVER)));
	case KSYNC_TYPE_WAITGROUP:
		return me(at(index, waitgroup_add(fd, 1)));
	case KSYNC_TYPE_SEM:
		return me(at(index, sem_acquire(fd, 5, NEVER)));
	case KSYNC_TYPE_EVENT:
		return me(at(index, event_set(fd)));
	case KSYNC_TYPE_COND:
		return me(at(index, cond_signal(fd)));
	case KSYNC_TYPE_ONCE:
		return me(at(index, once_begin(fd, NEVER)));
	}
	return -EINVAL;
}

TEST_F(object, info)
{
	struct ksync_object_info o;
	union uapi_args out;

	/* Nothing that was in the buffer before shows through. */
	memset(&out, 0x5a, sizeof(out));
	ASSERT_EQ(0, ioctl(self->fd, KSYNC_IOC_OBJ_INFO, &out));
	o = out.info;
	EXPECT_NE(0, o.id);
	EXPECT_EQ(variant->type, o.type);
	EXPECT_EQ(variant->flags, o.flags);
	EXPECT_EQ(3, o.nr);
	EXPECT_EQ(0604, o.mode);
	EXPECT_EQ(geteuid(), o.uid);
	EXPECT_EQ(getegid(), o.gid);
	EXPECT_EQ(1, o.users);
	EXPECT_EQ(0, o.reserved);
	EXPECT_STREQ(self->name, o.name);
	EXPECT_EQ(0, o.name[KSYNC_NAME_MAX - 1]);
}

TEST_F(object, status_of_what_was_never_used)
{
	struct ksync_primitive_status expected = {
		.index = 2,
		.value = variant->value,
		.max = variant->value,
	};
	struct ksync_primitive_status st = status_of(self->fd, 2);

	EXPECT_EQ(0, memcmp(&expected, &st, sizeof(st)));
	EXPECT_EQ(-EINVAL, me(at(3, status_call(self->fd))));
	EXPECT_EQ(-EINVAL, me(at(UINT32_MAX, status_call(self->fd))));
}

TEST_F(object, status_of_each_primitive_by_itself)
{
	struct ksync_primitive_status before[3], after;
	__u32 i;

	for (i = 0; i < 3; i++)
		before[i] = status_of(self->fd, i);
	ASSERT_EQ(0, use(self->fd, variant->type, 1));
	for (i = 0; i < 3; i++) {
		after = status_of(self->fd, i);
		EXPECT_EQ(i, after.index);
		EXPECT_EQ(i == 1, memcmp(&before[i], &after, sizeof(after)) != 0);
	}
}

/* Looking changes nothing. */
TEST_F(object, status_twice_is_the_same)
{
	struct ksync_primitive_status a, b;

	ASSERT_EQ(0, use(self->fd, variant->type, 0));
	a = status(self->fd);
	b = status(self->fd);
	a.held_ns = 0;
	b.held_ns = 0;
	EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
}

/* The rest of a line that begins with @key and a tab; false without one. */
static bool fdinfo_line(int fd, const char *key, char *rest, size_t size)
{
	size_t n = strlen(key);
	bool found = false;
	char line[512];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	f = fopen(line, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		found = !strncmp(line, key, n) && line[n] == '\t';
		line[strcspn(line, "\n")] = 0;
		if (found)
			snprintf(rest, size, "%s", line + n + 1);
	}
	fclose(f);
	return found;
}

TEST_F(object, fdinfo)
{
	char expected[64], line[512];

	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-type:", line, sizeof(line)));
	EXPECT_STREQ(variant->word, line);
	snprintf(expected, sizeof(expected), "%llu", info(self->fd).id);
	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-id:", line, sizeof(line)));
	EXPECT_STREQ(expected, line);
	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-name:", line, sizeof(line)));
	EXPECT_STREQ(self->name, line);
	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-nr:", line, sizeof(line)));
	EXPECT_STREQ("3", line);
	snprintf(expected, sizeof(expected), "0x%x", variant->flags);
	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-flags:", line, sizeof(line)));
	EXPECT_STREQ(expected, line);
	ASSERT_EQ(0, me(unlink_call(self->dev, self->name)));
	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-name:", line, sizeof(line)));
	EXPECT_STREQ("", line);
}

/* One line for each of the first primitives; it shows what status shows. */
TEST_F(object, fdinfo_shows_the_state)
{
	char before[512], after[512], expected[64];

	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-0:", before, sizeof(before)));
	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-2:", after, sizeof(after)));
	EXPECT_FALSE(fdinfo_line(self->fd, "ksync-3:", after, sizeof(after)));
	snprintf(expected, sizeof(expected), "value %u", variant->value);
	EXPECT_EQ(0, strncmp(before, expected, strlen(expected)))
		TH_LOG("'%s'", before);
	ASSERT_EQ(0, use(self->fd, variant->type, 0));
	ASSERT_TRUE(fdinfo_line(self->fd, "ksync-0:", after, sizeof(after)));
	snprintf(expected, sizeof(expected), "value %u",
		 status(self->fd).value);
	EXPECT_EQ(0, strncmp(after, expected, strlen(expected)))
		TH_LOG("'%s'", after);
	if (status(self->fd).holder_id) {
		snprintf(expected, sizeof(expected), "pid %d tid %d", getpid(),
			 gettid_raw());
		EXPECT_TRUE(strstr(after, expected) != NULL)
			TH_LOG("'%s'", after);
	}
}

static int send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EIO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static int traveller;	/* the end of a socket pair that a peer has */

static int receive_and_look(struct call *c)
{
	c->fd = receive_fd(traveller);
	c->cmd = KSYNC_IOC_OBJ_INFO;
	return c->fd < 0 ? c->fd : call_run(c);
}

/* By SCM_RIGHTS; it lives in the socket while nobody has it open. */
TEST_F(object, travels_through_sockets)
{
	struct peer p;
	int socks[2];
	__u64 id;
	int fd;

	ASSERT_EQ(0, me(unlink_call(self->dev, self->name)));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	traveller = socks[1];
	ASSERT_EQ(0, peer_fork(&p));
	fd = open_name(self->dev, self->name, KSYNC_TYPE_MUTEX,
		       KSYNC_OPEN_CREATE, 0600);
	ASSERT_LE(0, fd);
	id = info(fd).id;
	ASSERT_EQ(0, send_fd(socks[0], fd));
	close(fd);
	ASSERT_EQ(0, me(query_call(self->dev, self->name, 0)));
	ASSERT_EQ(0, ask_fn(&p, receive_and_look));
	EXPECT_EQ(id, p.out.info.id);
	EXPECT_EQ(1, p.out.info.users);
	peer_kill(&p);
	EXPECT_TRUE(UNTIL(me(query_call(self->dev, self->name, 0)) == -ENOENT));
}

/* A handle that fork copied is valid in both. */
TEST_F(object, copied_handle)
{
	struct peer p;

	ASSERT_EQ(0, peer_fork(&p));
	ASSERT_EQ(0, ask(&p, info_call(self->fd)));
	EXPECT_EQ(info(self->fd).id, p.out.info.id);
	EXPECT_EQ(1, p.out.info.users);
	ASSERT_EQ(0, use(self->fd, variant->type, 0));
	ASSERT_EQ(0, ask(&p, status_call(self->fd)));
	EXPECT_EQ(status(self->fd).value, p.out.status.value);
	peer_kill(&p);
	EXPECT_EQ(p.out.status.value, status(self->fd).value);
	EXPECT_EQ(0, status(self->fd).deaths);
}

TEST_F(object, is_not_a_file)
{
	struct ksync_primitive_status before = status(self->fd), after;
	char c = 0;

	EXPECT_EQ(-1, read(self->fd, &c, 1));
	EXPECT_EQ(-1, write(self->fd, &c, 1));
	EXPECT_EQ(-1, ftruncate(self->fd, 100));
	after = status(self->fd);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
}

UAPI_MAIN
