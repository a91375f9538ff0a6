// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: objects, and the operations by ioctl on their descriptors.
 * backend_kernel_fast.c does without the ioctl where nobody is in the way,
 * backend_kernel_thread.c has what a thread needs for that, and
 * backend_kernel_device.c the commands to /dev/ksync.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend_kernel.h"

static_assert(KSYNC_GUARDED == KSYNC_F_GUARDED, "flags");
static_assert(KSYNC_RECURSIVE == KSYNC_F_RECURSIVE, "flags");
static_assert(KSYNC_FIFO == KSYNC_F_FIFO, "flags");
static_assert(KSYNC_TRACKED == KSYNC_F_TRACKED, "flags");
static_assert(KSYNC_AUTO_RESET == KSYNC_F_AUTO_RESET, "flags");
static_assert((int)KSYNC_MUTEX == (int)KSYNC_TYPE_MUTEX, "types");
static_assert((int)KSYNC_RWLOCK == (int)KSYNC_TYPE_RWLOCK, "types");
static_assert((int)KSYNC_WAITGROUP == (int)KSYNC_TYPE_WAITGROUP, "types");
static_assert((int)KSYNC_SEM == (int)KSYNC_TYPE_SEM, "types");
static_assert((int)KSYNC_EVENT == (int)KSYNC_TYPE_EVENT, "types");
static_assert((int)KSYNC_COND == (int)KSYNC_TYPE_COND, "types");
static_assert((int)KSYNC_BARRIER == (int)KSYNC_TYPE_BARRIER, "types");
static_assert((int)KSYNC_ONCE == (int)KSYNC_TYPE_ONCE, "types");
static_assert(KSYNC_IS_INCONSISTENT == KSYNC_STATUS_DEAD, "status flags");
static_assert(KSYNC_IS_LOST == KSYNC_STATUS_LOST, "status flags");
static_assert(KSYNC_HAS_LOSS == KSYNC_STATUS_LOSS, "status flags");
static_assert(KSYNC_IS_BROKEN == KSYNC_STATUS_BROKEN, "status flags");
static_assert(KSYNC_IS_DONE == KSYNC_STATUS_DONE, "status flags");
static_assert(KSYNC_NAME_LEN == KSYNC_NAME_MAX, "names");
static_assert(KSYNC_NR_LIMIT == KSYNC_NR_MAX, "limits");
static_assert(INT32_MAX == KSYNC_COUNT_MAX, "limits");
static_assert(KSYNC_FOREVER == KSYNC_DEADLINE_NONE, "deadlines");

/* The one place that calls ioctl; without the way by errno, and back, if it can. */
#if defined(__x86_64__) && defined(__LP64__)
static inline int call(int fd, unsigned long cmd, void *args)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a" (ret)
			 : "0" ((long)SYS_ioctl), "D" ((long)fd), "S" (cmd),
			   "d" (args)
			 : "rcx", "r11", "memory");
	return ret;
}
#else
static int call(int fd, unsigned long cmd, void *args)
{
	int saved = errno, ret = ioctl(fd, cmd, args);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}
#endif

int ksync_kernel_command(int fd, unsigned long cmd, void *args)
{
	int ret;

	/*
	 * The module begins again by itself after a signal; this is for what
	 * may stand in between, such as a tracer. Deadlines are absolute.
	 */
	do {
		ret = call(fd, cmd, args);
	} while (ret == -EINTR);
	return ret;
}

int kk_command(struct ksync_object *obj, unsigned long cmd, void *args)
{
	int err = ksync_kernel_command(obj->fd, cmd, args);

	/* Another file: somebody closed the object's descriptor behind us. */
	return err == -ENOTTY ? -EBADF : err;
}

static struct ksync_object *new_object(void)
{
	struct kk_object *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->base.ops = &ksync_kernel_ops;
	return &k->base;
}

static void kernel_close(struct ksync_object *obj)
{
	struct kk_object *k = kk_object(obj);
	int saved = errno;

	if (k->base.cells)
		munmap(k->base.cells, k->size);
	close(obj->fd);
	free(k);
	errno = saved;
}

static size_t whole_pages(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/* Without the cells everything goes by ioctl, so this is not an error. */
static void map_cells(struct kk_object *k)
{
	int saved = errno;
	size_t cells;
	void *p;

	if (k->base.flags & KSYNC_GUARDED || k->base.type > KSYNC_SEM)
		return;
	kk_process_init();
	cells = whole_pages(k->base.nr * sizeof(union ksync_cell));
	k->size = cells;
	if (k->base.type == KSYNC_RWLOCK)
		k->size += whole_pages(KSYNC_SLOTS * sizeof(struct ksync_slot));
	p = mmap(NULL, k->size, PROT_READ | PROT_WRITE, MAP_SHARED, k->base.fd,
		 0);
	if (p != MAP_FAILED) {
		k->base.cells = p;
		if (k->size > cells)
			k->slots = (struct ksync_slot *)((char *)p + cells);
	}
	errno = saved;
}

/*
 * Learns what the object of the descriptor is, and that it is of the type. Maps
 * it if that is possible.
 */
static int identify(struct ksync_object *obj, uint32_t type)
{
	struct ksync_object_info info;
	int err;

	memset(&info, 0, sizeof(info));
	err = ksync_kernel_command(obj->fd, KSYNC_IOC_OBJ_INFO, &info);
	if (err == -EBADF || err == -ENOMEM)
		return err;
	/* Whatever else a foreign file thinks of the command. */
	if (err || info.type != type)
		return -EINVAL;
	obj->type = info.type;
	obj->flags = info.flags;
	obj->nr = info.nr;
	kk_object(obj)->id = info.id;
	map_cells(kk_object(obj));
	return 0;
}

static int kernel_create(const struct ksync_spec *spec,
			 struct ksync_object **out)
{
	struct ksync_create_args args = {
		.type = spec->type,
		.flags = spec->flags,
		.nr = spec->nr,
		.value = spec->value,
		.max = spec->max,
		.fd = KSYNC_NO_FD,
	};
	struct ksync_object *obj;
	int err;

	obj = new_object();
	if (!obj)
		return -ENOMEM;
	err = ksync_kernel_device_command(KSYNC_IOC_DEV_CREATE, &args);
	if (err) {
		free(obj);
		return err;
	}
	obj->fd = args.fd;
	err = identify(obj, spec->type);
	if (err) {
		kernel_close(obj);
		return err;
	}
	*out = obj;
	return 0;
}

/* After the object was opened here: 0 if it lives on this backend alone. */
static int check_other_backend(const char *name)
{
	int ret = ksync_futex_has_name(name);

	/*
	 * Where it cannot be told, a shortage of the caller's own is named,
	 * since it may pass; for all the rest the answer has to be that a split
	 * cannot be ruled out.
	 */
	if (ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE)
		return ret;
	return ret ? -EXDEV : 0;
}

static int kernel_open(const char *name, int oflag, mode_t mode,
		       const struct ksync_spec *spec, struct ksync_object **out)
{
	struct ksync_open_args args = {
		.type = spec->type,
		.flags = spec->flags,
		.nr = spec->nr,
		.value = spec->value,
		.max = spec->max,
		.fd = KSYNC_NO_FD,
		.how = (oflag & O_CREAT ? KSYNC_OPEN_CREATE : 0) |
		       (oflag & O_EXCL ? KSYNC_OPEN_EXCL : 0),
		.mode = mode,
	};
	struct ksync_object *obj;
	int err;

	obj = new_object();
	if (!obj)
		return -ENOMEM;
	memcpy(args.name, name, strlen(name));
	err = ksync_kernel_device_command(KSYNC_IOC_DEV_OPEN, &args);
	if (err) {
		free(obj);
		/* Not here, but there: that is the reason. */
		if (err == -ENOENT && ksync_futex_has_name(name) > 0)
			err = -EXDEV;
		return err;
	}
	obj->fd = args.fd;
	err = identify(obj, spec->type);
	if (!err)
		err = check_other_backend(name);
	if (err) {
		kernel_close(obj);
		return err;
	}
	*out = obj;
	return 0;
}

static int kernel_import(int fd, uint32_t type, struct ksync_object **out)
{
	struct ksync_object *obj;
	int err;

	obj = new_object();
	if (!obj)
		return -ENOMEM;
	obj->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (obj->fd < 0) {
		err = -errno;
		free(obj);
		return err;
	}
	err = identify(obj, type);
	if (err) {
		kernel_close(obj);
		return err;
	}
	*out = obj;
	return 0;
}

void ksync_kernel_convert_status(struct ksync_status *st, uint32_t type,
				 const struct ksync_primitive_status *abi)
{
	bool lock = type == KSYNC_MUTEX || type == KSYNC_RWLOCK ||
		    type == KSYNC_ONCE;

	*st = (struct ksync_status){
		.flags = abi->flags,
		.holder_pid = abi->holder_pid,
		.holder_tid = abi->holder_tid,
		.held = lock ? abi->value : 0,
		.readers = abi->readers,
		.value = lock ? 0 : abi->value,
		.max = abi->max,
		.waiters = abi->waiters_exclusive,
		.waiters_shared = abi->waiters_shared,
		.deaths = abi->deaths,
		.lost = abi->lost,
		.held_ns = abi->held_ns,
		.token = abi->token,
		.acquisitions = abi->acquisitions,
		.contended = abi->contended,
	};
}

static int kernel_status(struct ksync_object *obj, uint32_t index,
			 struct ksync_status *st)
{
	struct ksync_primitive_status args = { .index = index };
	int err;

	err = kk_command(obj, KSYNC_IOC_OBJ_STATUS, &args);
	if (!err)
		ksync_kernel_convert_status(st, obj->type, &args);
	return err;
}

static uint64_t kernel_token(struct ksync_object *obj, uint32_t index)
{
	struct ksync_primitive_status args = { .index = index };

	/* Without them, everything goes by ioctl. */
	if (obj->cells)
		return __atomic_load_n(&obj->cells[index].lock.token,
				       __ATOMIC_RELAXED);
	return kk_command(obj, KSYNC_IOC_OBJ_STATUS, &args) ? 0 : args.token;
}

static int index_command(struct ksync_object *obj, uint32_t index,
			 unsigned long cmd)
{
	struct ksync_index_args args = { .index = index };

	return kk_command(obj, cmd, &args);
}

int kk_lock_command(struct ksync_object *obj, uint32_t index, uint32_t flags,
		    const struct ksync_limit *limit, unsigned long cmd)
{
	struct ksync_lock_args args = {
		.index = index,
		.flags = flags,
		.deadline = limit->deadline,
	};

	if (limit->cancel) {
		args.flags |= KSYNC_WAIT_CANCEL;
		args.cancel = limit->cancel->fd;
		args.cancel_index = limit->cancel_index;
	}
	return kk_command(obj, cmd, &args);
}

static int lock_command(struct ksync_object *obj, uint32_t index,
			uint64_t deadline, unsigned long cmd)
{
	const struct ksync_limit limit = { .deadline = deadline };

	return kk_lock_command(obj, index, 0, &limit, cmd);
}

/* An op that needs to know the primitive and nothing else. */
#define INDEX_OP(name, cmd)						\
static int name(struct ksync_object *obj, uint32_t index)		\
{ return index_command(obj, index, cmd); }

/* An op that waits for a lock. */
#define LOCK_OP(name, cmd)						\
static int name(struct ksync_object *obj, uint32_t index,		\
		uint64_t deadline)					\
{ return lock_command(obj, index, deadline, cmd); }

/* Reading goes without the kernel if possible. */
#define OR_BY_IOCTL(fast, slow)						\
({									\
	int __err = (fast);						\
	__err == -EAGAIN ? (slow) : __err;				\
})

static int rwlock_rdlock(struct ksync_object *obj, uint32_t index,
			 uint64_t deadline)
{
	return OR_BY_IOCTL(kk_rwlock_read(obj, index),
			   lock_command(obj, index, deadline,
					KSYNC_IOC_RWLOCK_RDLOCK));
}

static int rwlock_tryrdlock(struct ksync_object *obj, uint32_t index)
{
	return OR_BY_IOCTL(kk_rwlock_read(obj, index),
			   index_command(obj, index,
					 KSYNC_IOC_RWLOCK_TRYRDLOCK));
}

static int rwlock_unlock(struct ksync_object *obj, uint32_t index)
{
	return OR_BY_IOCTL(kk_rwlock_unread(obj, index),
			   index_command(obj, index, KSYNC_IOC_RWLOCK_UNLOCK));
}

LOCK_OP(rwlock_wrlock, KSYNC_IOC_RWLOCK_WRLOCK)
INDEX_OP(rwlock_trywrlock, KSYNC_IOC_RWLOCK_TRYWRLOCK)
INDEX_OP(rwlock_downgrade, KSYNC_IOC_RWLOCK_DOWNGRADE)
INDEX_OP(rwlock_upgrade, KSYNC_IOC_RWLOCK_UPGRADE)
INDEX_OP(rwlock_consistent, KSYNC_IOC_RWLOCK_CONSISTENT)

static int waitgroup_add(struct ksync_object *obj, uint32_t index,
			 int32_t delta)
{
	struct ksync_waitgroup_add_args args = {
		.index = index,
		.delta = delta,
	};

	if (kk_waitgroup_add(obj, index, delta))
		return 0;
	return kk_command(obj, KSYNC_IOC_WAITGROUP_ADD, &args);
}

static int waitgroup_wait(struct ksync_object *obj, uint32_t index,
			  uint64_t deadline, uint32_t *lost)
{
	struct ksync_waitgroup_wait_args args = {
		.index = index,
		.deadline = deadline,
	};
	int err;

	*lost = 0;
	if (kk_waitgroup_idle(obj, index))
		return 0;
	err = kk_command(obj, KSYNC_IOC_WAITGROUP_WAIT, &args);
	*lost = err == -EOWNERDEAD ? args.lost : 0;
	return err;
}

static int waitgroup_bind(struct ksync_object *obj, uint32_t index, int pidfd)
{
	struct ksync_waitgroup_bind_args args = {
		.index = index,
		.pidfd = pidfd,
	};

	return kk_command(obj, KSYNC_IOC_WAITGROUP_BIND, &args);
}

static int sem_command(struct ksync_object *obj, uint32_t index,
		       unsigned long cmd, uint32_t count, uint64_t deadline)
{
	struct ksync_sem_args args = {
		.index = index,
		.count = count,
		.deadline = deadline,
	};

	return kk_command(obj, cmd, &args);
}

static int sem_acquire(struct ksync_object *obj, uint32_t index, uint32_t n,
		       uint64_t deadline)
{
	if (kk_sem_acquire(obj, index, n))
		return 0;
	return sem_command(obj, index, KSYNC_IOC_SEM_ACQUIRE, n, deadline);
}

static int sem_tryacquire(struct ksync_object *obj, uint32_t index, uint32_t n)
{
	if (kk_sem_acquire(obj, index, n))
		return 0;
	return sem_command(obj, index, KSYNC_IOC_SEM_TRYACQUIRE, n, 0);
}

static int sem_release(struct ksync_object *obj, uint32_t index, uint32_t n)
{
	if (kk_sem_release(obj, index, n))
		return 0;
	return sem_command(obj, index, KSYNC_IOC_SEM_RELEASE, n, 0);
}

static int sem_value(struct ksync_object *obj, uint32_t index)
{
	struct ksync_primitive_status args = { .index = index };
	int err;

	err = kk_command(obj, KSYNC_IOC_OBJ_STATUS, &args);
	return err ? err : (int)args.value;
}

static int sem_resize(struct ksync_object *obj, uint32_t index, uint32_t max)
{
	return sem_command(obj, index, KSYNC_IOC_SEM_RESIZE, max, 0);
}

const struct ksync_ops ksync_kernel_ops = {
	.name = "kernel",
	.guarantees = KSYNC_G_PROCESS_DEATH | KSYNC_G_EXEC |
		      KSYNC_G_THREAD_EXIT | KSYNC_G_THREAD_DEATH |
		      KSYNC_G_PROMPT | KSYNC_G_PID_NAMESPACES | KSYNC_G_FAIR |
		      KSYNC_G_BIND_SELF | KSYNC_G_BIND_OTHERS |
		      KSYNC_G_GUARDED | KSYNC_G_NET_NAMESPACES |
		      KSYNC_G_NO_LEFTOVERS | KSYNC_G_COND_MOVES |
		      KSYNC_G_CANCEL | KSYNC_G_PARENTS | KSYNC_G_MANY |
		      KSYNC_G_POLL | KSYNC_G_DEADLOCK |
		      KSYNC_G_DEADLOCK_OF_TWO,

	.available = ksync_kernel_available,
	.version = ksync_kernel_version,
	.create = kernel_create,
	.open = kernel_open,
	.import = kernel_import,
	.close = kernel_close,
	.unlink = ksync_kernel_unlink,
	.query = ksync_kernel_query,
	.list = ksync_kernel_list,
	.graph = ksync_kernel_graph,
	.last_deadlock = ksync_kernel_last_deadlock,
	.status = kernel_status,
	.token = kernel_token,

	.mutex_lock = kk_mutex_lock,
	.mutex_trylock = kk_mutex_trylock,
	.mutex_unlock = kk_mutex_unlock,
	.mutex_consistent = kk_mutex_consistent,

	.rwlock_rdlock = rwlock_rdlock,
	.rwlock_tryrdlock = rwlock_tryrdlock,
	.rwlock_wrlock = rwlock_wrlock,
	.rwlock_trywrlock = rwlock_trywrlock,
	.rwlock_unlock = rwlock_unlock,
	.rwlock_downgrade = rwlock_downgrade,
	.rwlock_upgrade = rwlock_upgrade,
	.rwlock_consistent = rwlock_consistent,

	.waitgroup_add = waitgroup_add,
	.waitgroup_wait = waitgroup_wait,
	.waitgroup_bind = waitgroup_bind,

	.sem_acquire = sem_acquire,
	.sem_tryacquire = sem_tryacquire,
	.sem_release = sem_release,
	.sem_value = sem_value,
	.sem_resize = sem_resize,

	.cond_wait = ksync_kernel_cond_wait,
	.cond_signal = ksync_kernel_cond_signal,
	.cond_broadcast = ksync_kernel_cond_broadcast,

	.barrier_wait = ksync_kernel_barrier_wait,
	.barrier_join = ksync_kernel_barrier_join,
	.barrier_leave = ksync_kernel_barrier_leave,
	.barrier_reset = ksync_kernel_barrier_reset,

	.once_begin = ksync_kernel_once_begin,
	.once_complete = ksync_kernel_once_complete,
	.once_abandon = ksync_kernel_once_abandon,
	.once_reset = ksync_kernel_once_reset,

	.event_set = ksync_kernel_event_set,
	.event_reset = ksync_kernel_event_reset,
	.event_wait = ksync_kernel_event_wait,
	.event_set_parent = ksync_kernel_event_set_parent,

	.wait_cancelable = ksync_kernel_wait_cancelable,
	.wait_many = ksync_kernel_wait_many,
	.request_queue = ksync_kernel_request_queue,
	.request_claim = ksync_kernel_request_claim,
};
