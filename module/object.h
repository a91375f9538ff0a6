/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects: what an open descriptor stands for.
 */
#ifndef KSYNC_OBJECT_H
#define KSYNC_OBJECT_H

#include <linux/cache.h>
#include <linux/list.h>
#include <linux/nospec.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <linux/ksync.h>

struct file;
struct seq_file;
struct ksync_hold;
struct ksync_object;
struct ksync_queue;
struct ksync_slots;
struct ksync_user;
struct ksync_request;
struct ksync_wake;
struct ksync_waiter;

/**
 * struct ksync_ops - what distinguishes mutexes, rwlocks, ...
 * @name: as users see it
 * @id: enum ksync_primitive_type
 * @flags: KSYNC_F_* that objects of the type may have
 * @mappable: user space may change the cells, unless they are guarded
 * @init: writes the first state of a cell; NULL: zero is right
 * @join: a waiter has come to the queue, for the first time. Bucket locked; NULL:
 *        that means nothing
 * @advance: makes the state word and the queue agree, with the bucket locked:
 *           sets the flags that say who waits, and grants whatever the waiters
 *           at the front can have. Called after any change that may allow one
 * @wake: something was freed in user space. Bucket locked; NULL: advance
 * @take: takes for a waiter what it waits for, if that can be: 0, -EOWNERDEAD,
 *        -EBUSY, or the error that the wait ends with. With the bucket locked,
 *        for a waiter that is @queued; a newcomer comes without a lock of a
 *        bucket
 * @still: could what was taken be taken just so at this moment, for what a take
 *         leaves as it is; NULL where a take keeps others from it
 * @untake: undoes a take, as if it had not been; nothing else has happened to
 *          it since. No lock held
 * @prepare: before a take that many.h or a queued request asks for:
 *           checks what is asked and gets the memory for what comes after
 * @settle: after it, whatever the result: enters what was taken into the books
 *          of the caller, or gives back what @prepare got
 * @drop: settles a hold of a dead owner. May sleep
 * @die: the thread @id is dead, and its line names the primitive: gives up what
 *       the word says it held, and wakes whom it may have owed that. May sleep;
 *       NULL: there is nothing that could be
 * @release: the object goes, and what it refers to by ksync_object_put_to();
 *           NULL: there is nothing to do
 * @status: fills in what the word and the cell say. Bucket locked
 */
struct ksync_ops {
	const char *name;
	u32 id;
	u32 flags;
	bool mappable;
	void (*init)(union ksync_cell *cell, u32 value, u32 max);
	void (*join)(struct ksync_queue *q, struct ksync_waiter *w);
	void (*advance)(struct ksync_queue *q, struct ksync_wake *wake);
	void (*wake)(struct ksync_queue *q, struct ksync_wake *wake);
	int (*take)(struct ksync_queue *q, struct ksync_waiter *w, bool queued);
	bool (*still)(struct ksync_queue *q, struct ksync_waiter *w);
	void (*untake)(struct ksync_queue *q, struct ksync_waiter *w);
	int (*prepare)(struct ksync_request *r);
	void (*settle)(struct ksync_request *r, int ret);
	void (*drop)(struct ksync_queue *q, u32 id,
		     const struct ksync_hold *hold);
	void (*die)(struct ksync_queue *q, u32 id);
	void (*release)(struct ksync_object *obj, struct ksync_object **gone);
	void (*status)(struct ksync_queue *q, struct ksync_primitive_status *st);
};

extern const struct ksync_ops ksync_mutex_ops;
extern const struct ksync_ops ksync_rwlock_ops;
extern const struct ksync_ops ksync_waitgroup_ops;
extern const struct ksync_ops ksync_sem_ops;
extern const struct ksync_ops ksync_event_ops;
extern const struct ksync_ops ksync_cond_ops;
extern const struct ksync_ops ksync_barrier_ops;
extern const struct ksync_ops ksync_once_ops;

/**
 * struct ksync_bucket - the waiters of some of an object's primitives
 * @lock: guards the other fields, and every grant
 * @seq: the last sequence number given to a waiter
 * @waiters: struct ksync_waiter by index, want and sequence number
 */
struct ksync_bucket {
	spinlock_t lock;	/* see above */
	u64 seq;
	struct rb_root waiters;
};

/**
 * struct ksync_object
 * @cells: the primitives' states
 * @buckets: queues, hashed by index
 * @bucket_mask: number of buckets less one
 * @nr: number of primitives
 * @missing: semaphore: permits that were neither free nor held at first
 * @ops: what they are
 * @flags: KSYNC_F_*
 * @slots: rwlock: those of readers; NULL until one asks
 * @mapped: user space may change the cells; never false again
 * @id: unique until the module is unloaded
 * @ties: event: who is tied to whom, by index; guarded by event_tree.c's lock
 * @poll: who polls one of its files
 * @ref: one for each file, each temporary user and each event tied to it
 * @next_gone: without any reference: the next one of those, until it is freed
 * @files: open file descriptions
 * @user: who is charged for it
 * @uid: owner; fixed
 * @gid: group; fixed
 * @mode: permission bits; fixed
 * @net: cookie of the network namespace that the name lives in; fixed
 * @name_node: in the table of names, unhashed when it has none (any more);
 *             guarded by ksync_names_lock, as the table is
 * @name: fixed; empty for an object that never had one
 */
struct ksync_object {
	union ksync_cell *cells;
	struct ksync_bucket *buckets;
	u32 bucket_mask;
	u32 nr;
	u32 missing;
	const struct ksync_ops *ops;
	u32 flags;
	bool mapped;
	struct ksync_slots *slots;
	u64 id;
	struct xarray ties;
	wait_queue_head_t poll;
	refcount_t ref ____cacheline_aligned_in_smp;
	struct ksync_object *next_gone;
	atomic_t files;
	struct ksync_user *user;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	u64 net;
	struct hlist_node name_node;
	char name[KSYNC_NAME_MAX];
};

/* One primitive, as everything below an ioctl handler names it. */
struct ksync_queue {
	struct ksync_object *obj;
	struct ksync_bucket *bucket;
	union ksync_cell *cell;
	u32 index;
};

static inline int ksync_queue_init(struct ksync_queue *q,
				   struct ksync_object *obj, u32 index)
{
	if (index >= obj->nr)
		return -EINVAL;
	index = array_index_nospec(index, obj->nr);
	q->obj = obj;
	q->bucket = &obj->buckets[index & obj->bucket_mask];
	q->cell = &obj->cells[index];
	q->index = index;
	return 0;
}

/* object.c */
const struct ksync_ops *ksync_ops_by_id(u32 id);
int ksync_object_check(const struct ksync_ops *ops, u32 flags, u32 nr,
		       u32 value, u32 max);
struct ksync_object *ksync_object_alloc(const struct ksync_ops *ops,
					u32 flags, u32 nr, u32 value, u32 max);
struct ksync_object *ksync_object_get_by_id(u64 id);
struct ksync_object *ksync_object_get_by_fd(int fd);
bool ksync_object_tryget(struct ksync_object *obj);
struct ksync_object *ksync_object_next_named(u64 cursor);
void ksync_object_mark_named(struct ksync_object *obj);
void ksync_object_put_to(struct ksync_object *obj, struct ksync_object **gone);
void ksync_object_put(struct ksync_object *obj);
extern const struct file_operations ksync_object_fops;
struct file *ksync_object_file(struct ksync_object *obj);
void ksync_objects_exit(void);

/* name.c */
int ksync_name_check(const char *name);
struct ksync_object *ksync_name_open(struct ksync_object *fresh, u32 how,
				     const char *name,
				     const struct ksync_ops *ops);
int ksync_name_unlink(const char *name);
struct ksync_object *ksync_name_read(const char *name);
struct ksync_object *ksync_name_next(u64 cursor);
bool ksync_name_get(struct ksync_object *obj, char *name);
void ksync_name_drop(struct ksync_object *obj);
bool ksync_object_visible(struct ksync_object *obj);

/* user.c */
struct ksync_user *ksync_user_charge(void);
void ksync_user_uncharge(struct ksync_user *user);
u32 ksync_user_objects(void);
u32 ksync_user_objects_max(void);

/* status.c */
void ksync_object_info(struct ksync_object *obj, struct ksync_object_info *info);
int ksync_object_status(struct ksync_object *obj, struct ksync_primitive_status *st);
void ksync_lock_status(struct ksync_queue *q, struct ksync_primitive_status *st);
void ksync_object_show(struct seq_file *m, struct file *file);

/* ioctl.c */
long ksync_object_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long ksync_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* KSYNC_OBJECT_H */
