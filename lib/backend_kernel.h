/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the kernel backend share: the ABI, the only call of
 * ioctl, and what the others have for the table in backend_kernel.c.
 */
#ifndef KSYNC_BACKEND_KERNEL_H
#define KSYNC_BACKEND_KERNEL_H

#include <linux/ksync.h>

#include "backend.h"

/* An object of this backend. */
struct kk_object {
	struct ksync_object base;
	struct ksync_slot *slots;	/* rwlock: those of readers, or NULL */
	size_t size;			/* of the mapping, in bytes */
	uint64_t id;			/* what lines call it */
};

static inline struct kk_object *kk_object(struct ksync_object *obj)
{
	return (struct kk_object *)obj;
}

/* backend_kernel_thread.c */

/* For a few words there is always room in what the loader sets aside. */
#define KK_TLS	__attribute__((tls_model("initial-exec")))

/* Where a thread finds its slot in an object, for those it used last. */
#define KK_SLOT_CACHE	8

struct kk_slot_cache {
	unsigned long serial;		/* of the object */
	struct ksync_slot *slot;	/* NULL: it gets none */
};

struct kk_self {
	uint64_t generation;		/* as *kk_generation when it was set */
	struct ksync_line *line;	/* NULL: everything goes by ioctl */
	uint32_t id;
	uint32_t turn;			/* entry that was given away last */
	uint32_t fenced;		/* reads while writers were about */
	struct kk_slot_cache slots[KK_SLOT_CACHE];
};

extern uint64_t *kk_generation;
extern __thread struct kk_self kk_self KK_TLS;

void kk_process_init(void);
void kk_self_init(struct ksync_object *obj);

/* The calling thread's line, or NULL. It is asked for by @obj. */
static inline struct ksync_line *kk_line(struct ksync_object *obj)
{
	if (__builtin_expect(kk_self.generation !=
			     __atomic_load_n(kk_generation, __ATOMIC_RELAXED),
			     0))
		kk_self_init(obj);
	return kk_self.line;
}

/* backend_kernel_fast.c */
int kk_mutex_lock(struct ksync_object *obj, uint32_t index, uint64_t deadline);
int kk_mutex_lock_limit(struct ksync_object *obj, uint32_t index,
			const struct ksync_limit *limit);
int kk_mutex_trylock(struct ksync_object *obj, uint32_t index);
int kk_mutex_unlock(struct ksync_object *obj, uint32_t index);
void kk_mutex_waited(struct ksync_object *obj, uint32_t index, int err);
int kk_mutex_consistent(struct ksync_object *obj, uint32_t index);
void kk_wake(struct ksync_object *obj, uint32_t index);
bool kk_sem_acquire(struct ksync_object *obj, uint32_t index, uint32_t n);
bool kk_sem_release(struct ksync_object *obj, uint32_t index, uint32_t n);
bool kk_waitgroup_add(struct ksync_object *obj, uint32_t index, int32_t delta);
bool kk_waitgroup_idle(struct ksync_object *obj, uint32_t index);

/* backend_kernel_read.c; -EAGAIN: to be done by ioctl */
int kk_rwlock_read(struct ksync_object *obj, uint32_t index);
int kk_rwlock_unread(struct ksync_object *obj, uint32_t index);

/* backend_kernel.c */

/* An ioctl that is never interrupted and leaves errno alone. */
int ksync_kernel_command(int fd, unsigned long cmd, void *args);
/* The same on the descriptor of an object. */
int kk_command(struct ksync_object *obj, unsigned long cmd, void *args);
/* Waits for a lock or an event; @flags beside that there is a cancel event. */
int kk_lock_command(struct ksync_object *obj, uint32_t index, uint32_t flags,
		    const struct ksync_limit *limit, unsigned long cmd);
void ksync_kernel_convert_status(struct ksync_status *st, uint32_t type,
				 const struct ksync_primitive_status *abi);

/* backend_kernel_device.c */

/* A descriptor of the device, to be closed, or a negative errno. */
int ksync_kernel_device_open(void);
/* A command to /dev/ksync. */
int ksync_kernel_device_command(unsigned long cmd, void *args);

int ksync_kernel_available(void);
const char *ksync_kernel_version(void);
int ksync_kernel_unlink(const char *name);
int ksync_kernel_query(const char *name, uint32_t index,
		       struct ksync_info *info, struct ksync_status *st);
int ksync_kernel_list(ksync_list_fn *fn, void *arg);

/* backend_kernel_rendezvous.c: see struct ksync_ops */

int ksync_kernel_once_begin(struct ksync_object *obj, uint32_t index,
			    const struct ksync_limit *limit, uint64_t *result);
int ksync_kernel_once_complete(struct ksync_object *obj, uint32_t index,
			       uint64_t result);
int ksync_kernel_once_abandon(struct ksync_object *obj, uint32_t index);
int ksync_kernel_once_reset(struct ksync_object *obj, uint32_t index);
int ksync_kernel_barrier_wait(struct ksync_object *obj, uint32_t index,
			      const struct ksync_limit *limit, bool *serial);
int ksync_kernel_barrier_join(struct ksync_object *obj, uint32_t index);
int ksync_kernel_barrier_leave(struct ksync_object *obj, uint32_t index);
int ksync_kernel_barrier_reset(struct ksync_object *obj, uint32_t index);
int ksync_kernel_cond_wait(struct ksync_object *obj, uint32_t index,
			   struct ksync_object *mutex, uint32_t mutex_index,
			   const struct ksync_limit *limit);
int ksync_kernel_cond_signal(struct ksync_object *obj, uint32_t index);
int ksync_kernel_cond_broadcast(struct ksync_object *obj, uint32_t index);

/* backend_kernel_event.c */
int ksync_kernel_event_set(struct ksync_object *obj, uint32_t index);
int ksync_kernel_event_reset(struct ksync_object *obj, uint32_t index);
int ksync_kernel_event_wait(struct ksync_object *obj, uint32_t index,
			    uint64_t deadline);
int ksync_kernel_event_set_parent(struct ksync_object *obj, uint32_t index,
				  struct ksync_object *parent,
				  uint32_t parent_index);

/* backend_kernel_many.c */
int ksync_kernel_wait_cancelable(struct ksync_ask *ask,
				 const struct ksync_limit *limit);
int ksync_kernel_wait_many(struct ksync_ask *asks, uint32_t nr, bool all,
			   const struct ksync_limit *limit, uint32_t *index);
int ksync_kernel_request_queue(const struct ksync_ask *ask, uint64_t keep);
int ksync_kernel_request_claim(const struct ksync_ask *ask, bool withdraw);

/* backend_kernel_graph.c */
int ksync_kernel_graph(ksync_edge_fn *fn, void *arg);
int ksync_kernel_last_deadlock(ksync_edge_fn *fn, void *arg);

#endif /* KSYNC_BACKEND_KERNEL_H */
