// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The futex backend: objects in shared memory, for where the module is not.
 * Documentation/futex-backend.rst explains how it works.
 */
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend_futex.h"

static const struct ksync_ops *const futex_ops = &ksync_futex_ops;

static int futex_available(void)
{
	return 0;
}

static const char *futex_version(void)
{
	return "";
}

/* The object with a handle for it more. @fd becomes the handle's. */
static int new_handle(struct kfx_object *obj, int fd, struct ksync_object **out)
{
	struct kfx_handle *h = calloc(1, sizeof(*h));

	if (!h) {
		kfx_close(fd);
		kfx_object_put(obj);
		return -ENOMEM;
	}
	h->base.ops = futex_ops;
	h->base.fd = fd;
	h->base.type = obj->type;
	h->base.flags = obj->flags;
	h->base.nr = obj->nr;
	h->base.cells = obj->cells;
	h->obj = obj;
	pthread_mutex_lock(&kfx_lock);
	h->next = obj->handles;
	obj->handles = h;
	pthread_mutex_unlock(&kfx_lock);
	*out = &h->base;
	return 0;
}

/* Attaches the object in the file @fd, which stays the caller's. */
static int attach(int fd, uint32_t type, struct kfx_object **out)
{
	struct kfx_object *obj;
	int ret = kfx_process_init();

	if (ret)
		return ret;
	kfx_process_check_fork();
	obj = kfx_object_new();
	if (!obj)
		return -ENOMEM;
	ret = kfx_object_live(obj, fd, NULL, 0, 0);
	if (!ret)
		ret = kfx_byte_lock(obj->live, KFX_LOCK_GATE, true);
	if (!ret)
		return kfx_object_attach(obj, type, out);
	kfx_object_drop(obj);
	return ret;
}

static int futex_create(const struct ksync_spec *spec,
			struct ksync_object **out)
{
	struct kfx_object *obj;
	int fd, ret, state;

	if (spec->flags & KSYNC_GUARDED)
		return -EOPNOTSUPP;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	fd = kfx_file_create(spec);
	ret = fd;
	if (fd >= 0) {
		ret = attach(fd, spec->type, &obj);
		if (ret)
			kfx_close(fd);
		else
			ret = new_handle(obj, fd, out);
	}
	pthread_setcancelstate(state, NULL);
	return ret;
}

static int import_fd(int fd, uint32_t type, struct ksync_object **out)
{
	struct kfx_header header;
	struct kfx_object *obj;
	int own, ret;

	ret = kfx_file_check(fd, &header);
	if (ret)
		return ret;
	if (header.type != type)
		return -EINVAL;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	ret = attach(own, type, &obj);
	if (!ret)
		return new_handle(obj, own, out);
	kfx_close(own);
	return ret == -EPROTOTYPE ? -EINVAL : ret;
}

static int futex_import(int fd, uint32_t type, struct ksync_object **out)
{
	int ret, state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	ret = import_fd(fd, type, out);
	pthread_setcancelstate(state, NULL);
	return ret;
}

static int futex_open(const char *name, int oflag, mode_t mode,
		      const struct ksync_spec *spec, struct ksync_object **out)
{
	struct kfx_object *obj;
	int fd, ret, state;
	char path[32];

	if (spec->flags & KSYNC_GUARDED)
		return -EOPNOTSUPP;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	ret = kfx_process_init();
	if (!ret) {
		kfx_process_check_fork();
		ret = kfx_name_open(name, oflag, mode, spec, &obj);
	}
	if (!ret) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", obj->live);
		fd = kfx_open(AT_FDCWD, path, O_RDWR, 0);
		/* Ours is there for all to see; now is the other side's? */
		ret = fd < 0 ? fd : ksync_kernel_has_name(name);
		if (!ret) {
			ret = new_handle(obj, fd, out);
		} else {
			kfx_close(fd);
			kfx_object_put(obj);
			ret = ret > 0 ? -EXDEV : ret;
		}
	}
	/* Not here, but there: that is the reason, not that there is none. */
	if (ret == -ENOENT && ksync_kernel_has_name(name) > 0)
		ret = -EXDEV;
	pthread_setcancelstate(state, NULL);
	return ret;
}

static void futex_close(struct ksync_object *base)
{
	struct kfx_handle *h = (struct kfx_handle *)base, **p;
	struct kfx_object *obj = h->obj;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	kfx_process_check_fork();
	pthread_mutex_lock(&kfx_lock);
	for (p = &obj->handles; *p != h; )
		p = &(*p)->next;
	*p = h->next;
	pthread_mutex_unlock(&kfx_lock);
	kfx_close(h->base.fd);
	free(h);
	kfx_object_put(obj);
	pthread_setcancelstate(state, NULL);
}

const struct ksync_ops ksync_futex_ops = {
	.name = "futex",
	.guarantees = KSYNC_G_PROCESS_DEATH | KSYNC_G_EXEC |
		      KSYNC_G_THREAD_EXIT | KSYNC_G_PID_NAMESPACES |
		      KSYNC_G_FAIR | KSYNC_G_BIND_SELF | KSYNC_G_CANCEL |
		      KSYNC_G_DEADLOCK_OF_TWO | KSYNC_G_MANY,
	.available = futex_available,
	.version = futex_version,
	.create = futex_create,
	.open = futex_open,
	.import = futex_import,
	.close = futex_close,
	.unlink = kfx_name_unlink,
	.query = kfx_query,
	.list = kfx_list,
	.status = kfx_object_status,
	.last_deadlock = kfx_last_deadlock,
	.mutex_lock = kfx_mutex_lock,
	.mutex_trylock = kfx_mutex_trylock,
	.mutex_unlock = kfx_mutex_unlock,
	.mutex_consistent = kfx_lock_consistent,
	.rwlock_rdlock = kfx_rwlock_rdlock,
	.rwlock_tryrdlock = kfx_rwlock_tryrdlock,
	.rwlock_wrlock = kfx_rwlock_wrlock,
	.rwlock_trywrlock = kfx_rwlock_trywrlock,
	.rwlock_unlock = kfx_rwlock_unlock,
	.rwlock_downgrade = kfx_rwlock_downgrade,
	.rwlock_upgrade = kfx_rwlock_upgrade,
	.rwlock_consistent = kfx_lock_consistent,
	.token = kfx_lock_token,
	.waitgroup_add = kfx_waitgroup_add,
	.waitgroup_wait = kfx_waitgroup_wait,
	.waitgroup_bind = kfx_waitgroup_bind,
	.sem_acquire = kfx_sem_acquire,
	.sem_tryacquire = kfx_sem_tryacquire,
	.sem_release = kfx_sem_release,
	.sem_value = kfx_sem_value,
	.sem_resize = kfx_sem_resize,
	.event_set = kfx_event_set,
	.event_reset = kfx_event_reset,
	.event_wait = kfx_event_wait,
	.wait_cancelable = kfx_wait_cancelable,
	.event_set_parent = kfx_event_set_parent,
	.wait_many = kfx_wait_many,
	.cond_wait = kfx_cond_wait,
	.cond_signal = kfx_cond_signal,
	.cond_broadcast = kfx_cond_broadcast,
	.barrier_wait = kfx_barrier_wait,
	.barrier_join = kfx_barrier_join,
	.barrier_leave = kfx_barrier_leave,
	.barrier_reset = kfx_barrier_reset,
	.once_begin = kfx_once_begin,
	.once_complete = kfx_once_complete,
	.once_abandon = kfx_once_abandon,
	.once_reset = kfx_once_reset,
};
