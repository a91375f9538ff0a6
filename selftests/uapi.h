/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the raw kernel interface share: every command of the ABI
 * as a value (a "call") that can be carried out here or by a peer (see
 * uapi_peer.h), and ways to look at the state of an object.
 *
 * Results are 0 (or a descriptor) or a negative errno.
 */
#ifndef UAPI_H
#define UAPI_H

#include <linux/ksync.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"

#define DEVICE		"/dev/ksync"
#define PARAMETERS	"/sys/module/ksync/parameters/"
#define NEVER		KSYNC_DEADLINE_NONE
#define LONG_AGO	1ULL		/* a deadline that has passed */
#define NS_PER_MS	1000000ULL
#define NS_PER_S	1000000000ULL
#ifndef PATIENCE
#define PATIENCE	(10 * NS_PER_S)	/* for what happens at once */
#endif
#define LINGER		"--linger"	/* an image for execve: stays until killed */

union uapi_args {
	__u32 index;
	struct ksync_create_args create;
	struct ksync_open_args open;
	struct ksync_unlink_args unlink;
	struct ksync_device_info device;
	struct ksync_object_info info;
	struct ksync_query_args query;
	struct ksync_graph_args graph;
	struct ksync_primitive_status status;
	struct ksync_index_args basic;
	struct ksync_lock_args lock;
	struct ksync_sem_args sem;
	struct ksync_waitgroup_add_args add;
	struct ksync_waitgroup_wait_args wait;
	struct ksync_waitgroup_bind_args bind;
	struct ksync_thread_args thread;
	struct ksync_slot_args slot;
	struct ksync_cond_wait_args cond;
	struct ksync_once_begin_args begin;
	struct ksync_once_complete_args complete;
	struct ksync_event_parent_args parent;
	struct ksync_wait_args many;
	struct ksync_request_args request;
	struct ksync_claim_args claim;
};

struct call {
	int fd;
	unsigned int cmd;
	union uapi_args arg;
};

static inline int call_run(struct call *c)
{
	int ret = ioctl(c->fd, c->cmd, &c->arg);

	return ret < 0 ? -errno : ret;
}

/* The test itself does it; me_out() for those who want what comes back. */
static inline int me(struct call c)
{
	return call_run(&c);
}

static inline int me_out(struct call c, union uapi_args *out)
{
	int ret = call_run(&c);

	*out = c.arg;
	return ret;
}

/* Every call that names a primitive has the index first; the default is 0. */
static inline struct call at(__u32 index, struct call c)
{
	c.arg.index = index;
	return c;
}

static inline struct call basic_call(int fd, unsigned int cmd)
{
	return (struct call){ .fd = fd, .cmd = cmd };
}

static inline struct call lock_call(int fd, unsigned int cmd, __u64 deadline)
{
	struct call c = basic_call(fd, cmd);

	c.arg.lock.deadline = deadline;
	return c;
}

static inline struct call mutex_lock(int fd, __u64 deadline)
{
	return lock_call(fd, KSYNC_IOC_MUTEX_LOCK, deadline);
}

static inline struct call mutex_trylock(int fd)
{
	return basic_call(fd, KSYNC_IOC_MUTEX_TRYLOCK);
}

static inline struct call mutex_unlock(int fd)
{
	return basic_call(fd, KSYNC_IOC_MUTEX_UNLOCK);
}

static inline struct call mutex_consistent(int fd)
{
	return basic_call(fd, KSYNC_IOC_MUTEX_CONSISTENT);
}

static inline struct call rwlock_rdlock(int fd, __u64 deadline)
{
	return lock_call(fd, KSYNC_IOC_RWLOCK_RDLOCK, deadline);
}

static inline struct call rwlock_tryrdlock(int fd)
{
	return basic_call(fd, KSYNC_IOC_RWLOCK_TRYRDLOCK);
}

static inline struct call rwlock_wrlock(int fd, __u64 deadline)
{
	return lock_call(fd, KSYNC_IOC_RWLOCK_WRLOCK, deadline);
}

static inline struct call rwlock_trywrlock(int fd)
{
	return basic_call(fd, KSYNC_IOC_RWLOCK_TRYWRLOCK);
}

static inline struct call rwlock_unlock(int fd)
{
	return basic_call(fd, KSYNC_IOC_RWLOCK_UNLOCK);
}

static inline struct call rwlock_downgrade(int fd)
{
	return basic_call(fd, KSYNC_IOC_RWLOCK_DOWNGRADE);
}

static inline struct call rwlock_upgrade(int fd)
{
	return basic_call(fd, KSYNC_IOC_RWLOCK_UPGRADE);
}

static inline struct call rwlock_consistent(int fd)
{
	return basic_call(fd, KSYNC_IOC_RWLOCK_CONSISTENT);
}

static inline struct call waitgroup_add(int fd, __s32 delta)
{
	struct call c = basic_call(fd, KSYNC_IOC_WAITGROUP_ADD);

	c.arg.add.delta = delta;
	return c;
}

static inline struct call waitgroup_wait(int fd, __u64 deadline)
{
	return lock_call(fd, KSYNC_IOC_WAITGROUP_WAIT, deadline);
}

static inline struct call waitgroup_bind(int fd, int pidfd)
{
	struct call c = basic_call(fd, KSYNC_IOC_WAITGROUP_BIND);

	c.arg.bind.pidfd = pidfd;
	return c;
}

static inline struct call sem_call(int fd, unsigned int cmd, __u32 count,
				   __u64 deadline)
{
	struct call c = basic_call(fd, cmd);

	c.arg.sem.count = count;
	c.arg.sem.deadline = deadline;
	return c;
}

static inline struct call sem_acquire(int fd, __u32 count, __u64 deadline)
{
	return sem_call(fd, KSYNC_IOC_SEM_ACQUIRE, count, deadline);
}

static inline struct call sem_tryacquire(int fd, __u32 count)
{
	return sem_call(fd, KSYNC_IOC_SEM_TRYACQUIRE, count, 0);
}

static inline struct call sem_release(int fd, __u32 count)
{
	return sem_call(fd, KSYNC_IOC_SEM_RELEASE, count, 0);
}

static inline struct call sem_resize(int fd, __u32 max)
{
	return sem_call(fd, KSYNC_IOC_SEM_RESIZE, max, 0);
}

static inline struct call event_set(int fd)
{
	return basic_call(fd, KSYNC_IOC_EVENT_SET);
}

static inline struct call event_reset(int fd)
{
	return basic_call(fd, KSYNC_IOC_EVENT_RESET);
}

static inline struct call event_wait(int fd, __u64 deadline)
{
	return lock_call(fd, KSYNC_IOC_EVENT_WAIT, deadline);
}

static inline struct call event_set_parent(int fd, int parent, __u32 index)
{
	struct call c = basic_call(fd, KSYNC_IOC_EVENT_SET_PARENT);

	c.arg.parent.fd = parent;
	c.arg.parent.parent_index = index;
	return c;
}

/* The same, but the event that @fd has at @index ends it. */
static inline struct call unless(struct call c, int fd, __u32 index)
{
	switch (c.cmd) {
	case KSYNC_IOC_SEM_ACQUIRE:
		c.arg.sem.flags = KSYNC_WAIT_CANCEL;
		c.arg.sem.cancel = fd;
		c.arg.sem.cancel_index = index;
		break;
	case KSYNC_IOC_WAITGROUP_WAIT:
		c.arg.wait.flags = KSYNC_WAIT_CANCEL;
		c.arg.wait.cancel = fd;
		c.arg.wait.cancel_index = index;
		break;
	case KSYNC_IOC_COND_WAIT:
		c.arg.cond.flags = KSYNC_WAIT_CANCEL;
		c.arg.cond.cancel = fd;
		c.arg.cond.cancel_index = index;
		break;
	case KSYNC_IOC_ONCE_BEGIN:
		c.arg.begin.flags = KSYNC_WAIT_CANCEL;
		c.arg.begin.cancel = fd;
		c.arg.begin.cancel_index = index;
		break;
	case KSYNC_IOC_DEV_WAIT:
		c.arg.many.flags |= KSYNC_WAIT_CANCEL;
		c.arg.many.cancel = fd;
		c.arg.many.cancel_index = index;
		break;
	default:
		c.arg.lock.flags = KSYNC_WAIT_CANCEL;
		c.arg.lock.cancel = fd;
		c.arg.lock.cancel_index = index;
	}
	return c;
}

static inline struct call many_wait(int dev, struct ksync_wait_item *items,
				    __u32 nr, __u32 flags, __u64 deadline)
{
	struct call c = basic_call(dev, KSYNC_IOC_DEV_WAIT);

	c.arg.many.items = (unsigned long)items;
	c.arg.many.nr = nr;
	c.arg.many.flags = flags;
	c.arg.many.deadline = deadline;
	return c;
}

/* The permits are for semaphores, otherwise 0. */
static inline struct call request(int fd, __u32 flags, __u32 count, __u64 keep)
{
	struct call c = basic_call(fd, KSYNC_IOC_OBJ_REQUEST);

	c.arg.request.flags = flags;
	c.arg.request.count = count;
	c.arg.request.keep = keep;
	return c;
}

static inline struct call claim(int fd)
{
	return basic_call(fd, KSYNC_IOC_OBJ_CLAIM);
}

static inline struct call withdraw(int fd)
{
	struct call c = claim(fd);

	c.arg.claim.flags = KSYNC_CLAIM_WITHDRAW;
	return c;
}

static inline struct call status_call(int fd)
{
	return basic_call(fd, KSYNC_IOC_OBJ_STATUS);
}

static inline struct call info_call(int fd)
{
	return basic_call(fd, KSYNC_IOC_OBJ_INFO);
}

static inline struct call create_call(int dev, __u32 type, __u32 flags,
				      __u32 nr)
{
	struct call c = basic_call(dev, KSYNC_IOC_DEV_CREATE);

	c.arg.create.type = type;
	c.arg.create.flags = flags;
	c.arg.create.nr = nr;
	c.arg.create.fd = KSYNC_NO_FD;
	return c;
}

/* Into a field that is zero. */
static inline void set_name(char *field, const char *name)
{
	int i;

	for (i = 0; i < KSYNC_NAME_MAX - 1 && name[i]; i++)
		field[i] = name[i];
}

static inline struct call open_call(int dev, const char *name, __u32 type,
				    __u32 how, __u32 mode)
{
	struct call c = basic_call(dev, KSYNC_IOC_DEV_OPEN);

	c.arg.open.type = type;
	c.arg.open.nr = 1;
	if (type == KSYNC_TYPE_SEM || type == KSYNC_TYPE_BARRIER)
		c.arg.open.max = 1;
	c.arg.open.fd = KSYNC_NO_FD;
	c.arg.open.how = how;
	c.arg.open.mode = mode;
	set_name(c.arg.open.name, name);
	return c;
}

static inline struct call unlink_call(int dev, const char *name)
{
	struct call c = basic_call(dev, KSYNC_IOC_DEV_UNLINK);

	set_name(c.arg.unlink.name, name);
	return c;
}

static inline struct call query_call(int dev, const char *name, __u32 index)
{
	struct call c = basic_call(dev, KSYNC_IOC_DEV_QUERY);

	set_name(c.arg.query.info.name, name);
	c.arg.query.status.index = index;
	return c;
}

/* The descriptor of a new object, or a negative errno. */
static inline int create(int dev, __u32 type, __u32 flags, __u32 nr)
{
	union uapi_args out;
	int ret = me_out(create_call(dev, type, flags, nr), &out);

	return ret ?: out.create.fd;
}

static inline int create_sem(int dev, __u32 flags, __u32 value, __u32 max)
{
	struct call c = create_call(dev, KSYNC_TYPE_SEM, flags, 1);
	int ret;

	c.arg.create.value = value;
	c.arg.create.max = max;
	ret = call_run(&c);
	return ret ?: c.arg.create.fd;
}

static inline int create_event(int dev, __u32 flags, __u32 nr, __u32 value)
{
	struct call c = create_call(dev, KSYNC_TYPE_EVENT, flags, nr);
	int ret;

	c.arg.create.value = value;
	ret = call_run(&c);
	return ret ?: c.arg.create.fd;
}

static inline int open_name(int dev, const char *name, __u32 type, __u32 how,
			    __u32 mode)
{
	union uapi_args out;
	int ret = me_out(open_call(dev, name, type, how, mode), &out);

	return ret ?: out.open.fd;
}

/* What cannot be read comes back as all ones, which no test expects. */
static inline struct ksync_primitive_status status_of(int fd, __u32 index)
{
	union uapi_args out;

	if (me_out(at(index, status_call(fd)), &out))
		memset(&out, 0xff, sizeof(out));
	return out.status;
}

static inline struct ksync_primitive_status status(int fd)
{
	return status_of(fd, 0);
}

static inline struct ksync_object_info info(int fd)
{
	union uapi_args out;

	if (me_out(info_call(fd), &out))
		memset(&out, 0xff, sizeof(out));
	return out.info;
}

static inline struct ksync_device_info device_info(int dev)
{
	union uapi_args out;

	if (me_out(basic_call(dev, KSYNC_IOC_DEV_INFO), &out))
		memset(&out, 0xff, sizeof(out));
	return out.device;
}

static inline __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline __u64 in_ms(unsigned int ms)
{
	return now_ns() + ms * NS_PER_MS;
}

/* Long enough for anything that must come, short enough to tell a hang. */
static inline __u64 soon(void)
{
	return now_ns() + PATIENCE;
}

/* Wait for a state. Gives the state's truth, false after PATIENCE. */
#define UNTIL(cond) ({						\
	__u64 end_ = soon();					\
	unsigned int us_ = 200;					\
	bool ok_;						\
	while (!(ok_ = (cond)) && now_ns() < end_) {		\
		usleep(us_);					\
		us_ += us_ < 20000 ? us_ / 2 : 0;		\
	}							\
	ok_;							\
})

static inline bool is_queued(int fd, __u32 index, __u32 exclusive, __u32 shared)
{
	struct ksync_primitive_status st = status_of(fd, index);

	return st.waiters_exclusive == exclusive &&
	       st.waiters_shared == shared;
}

/* So many sleep there for exclusive and for shared use. */
static inline bool queued_at(int fd, __u32 index, __u32 exclusive, __u32 shared)
{
	return UNTIL(is_queued(fd, index, exclusive, shared));
}

static inline bool queued(int fd, __u32 exclusive, __u32 shared)
{
	return queued_at(fd, 0, exclusive, shared);
}

static inline bool held_by(int fd, pid_t pid)
{
	return UNTIL(status(fd).holder_pid == (__u32)pid);
}

static inline pid_t gettid_raw(void)
{
	return syscall(SYS_gettid);
}

/* -1 when it is not there or not a number. */
static inline long read_long(const char *path)
{
	FILE *f = fopen(path, "re");
	long value;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static inline int write_long(const char *path, long value)
{
	FILE *f = fopen(path, "we");
	int ret;

	if (!f)
		return -errno;
	ret = fprintf(f, "%ld\n", value) < 0 ? -EIO : 0;
	if (fclose(f) && !ret)
		ret = -errno;
	return ret;
}

static inline int device_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline void require_device(void)
{
	int fd = device_open();

	if (fd >= 0) {
		close(fd);
		return;
	}
	ksft_print_header();
	if (fd == -ENOENT || fd == -ENXIO || fd == -ENODEV)
		ksft_exit_skip("no " DEVICE ": load the ksync module\n");
	ksft_exit_fail_msg("cannot open " DEVICE ": %s\n", strerror(-fd));
}

__attribute__((noreturn)) static inline void linger(void)
{
	for (;;)
		pause();
}

/* Instead of TEST_HARNESS_MAIN: without the device the program is skipped. */
#define UAPI_MAIN						\
int main(int argc, char **argv)					\
{								\
	if (argc > 1 && !strcmp(argv[1], LINGER))		\
		linger();					\
	require_device();					\
	return test_harness_run(argc, argv);			\
}

#endif /* UAPI_H */
