/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every command of the ABI as a value (a "call") that can be carried out here or
 * by a peer (see uapi_peer.h). Those of once, barriers and conditions are in
 * uapi_rendezvous.h.
 *
 * Results are 0 (or a descriptor) or a negative errno.
 */
#ifndef UAPI_CALLS_H
#define UAPI_CALLS_H

#include <linux/ksync.h>

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

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

#endif /* UAPI_CALLS_H */
