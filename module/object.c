// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects: their memory, their ids, their files.
 *
 *	ksync_object_alloc --> ref 1 --> ksync_object_file: ref is the file's
 *	                        ^ |
 *	   tryget, get_by_id ---+ +---> put: 0 --> nameless, idless, freed
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "map.h"
#include "object.h"
#include "slot.h"
#include "ticket.h"

#define KSYNC_BUCKETS_MAX 256

/* All objects, by id. Those that have or had a name are marked. */
static DEFINE_XARRAY_FLAGS(ksync_objects, XA_FLAGS_ACCOUNT);
#define KSYNC_NAMED XA_MARK_0
static atomic64_t ksync_last_id;

static const struct ksync_ops *const ksync_all_ops[] = {
	&ksync_mutex_ops,
	&ksync_rwlock_ops,
	&ksync_waitgroup_ops,
	&ksync_sem_ops,
	&ksync_event_ops,
	&ksync_cond_ops,
	&ksync_barrier_ops,
	&ksync_once_ops,
};

const struct ksync_ops *ksync_ops_by_id(u32 id)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ksync_all_ops); i++)
		if (ksync_all_ops[i]->id == id)
			return ksync_all_ops[i];
	return NULL;
}

/* Are these properties of an object of that type? */
int ksync_object_check(const struct ksync_ops *ops, u32 flags, u32 nr,
		       u32 value, u32 max)
{
	if (!ops || (flags & ~ops->flags) || !nr || nr > KSYNC_NR_MAX)
		return -EINVAL;
	if (ops->id == KSYNC_TYPE_BARRIER)
		return value || !max || max > KSYNC_COUNT_MAX ? -EINVAL : 0;
	if (ops->id == KSYNC_TYPE_EVENT)
		return value > 1 || max ? -EINVAL : 0;
	if (ops->id != KSYNC_TYPE_SEM)
		return value || max ? -EINVAL : 0;
	return !max || max > KSYNC_COUNT_MAX || value > max ? -EINVAL : 0;
}

static void ksync_object_free(struct ksync_object *obj)
{
	if (obj->user)
		ksync_user_uncharge(obj->user);
	ksync_slots_free(obj);
	kvfree(obj->cells);
	kvfree(obj->buckets);
	kfree(obj);
}

/* Users say how much: too much is an error, and no reason to kill anybody. */
#define KSYNC_GFP_ARRAY	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | \
			 __GFP_RETRY_MAYFAIL)

static void *ksync_pages_alloc(unsigned long pages)
{
	return __vmalloc(pages * PAGE_SIZE, KSYNC_GFP_ARRAY);
}

static void *ksync_array_alloc(size_t n, size_t size)
{
	if (array_size(n, size) <= PAGE_SIZE)
		return kmalloc_array(n, size, KSYNC_GFP_ARRAY);
	return ksync_pages_alloc(DIV_ROUND_UP(n * size, PAGE_SIZE));
}

static int ksync_object_alloc_cells(struct ksync_object *obj)
{
	u32 i, buckets = min_t(u32, roundup_pow_of_two(obj->nr),
			       KSYNC_BUCKETS_MAX);

	/* What can be mapped has pages of its own, with nothing else in them. */
	if (!obj->ops->mappable || (obj->flags & KSYNC_F_GUARDED))
		obj->cells = ksync_array_alloc(obj->nr, sizeof(*obj->cells));
	else
		obj->cells = ksync_pages_alloc(ksync_map_pages(obj->nr));
	obj->buckets = ksync_array_alloc(buckets, sizeof(*obj->buckets));
	if (!obj->cells || !obj->buckets)
		return -ENOMEM;
	obj->bucket_mask = buckets - 1;
	for (i = 0; i < buckets; i++) {
		spin_lock_init(&obj->buckets[i].lock);
		obj->buckets[i].waiters = RB_ROOT;
	}
	return 0;
}

/* With one reference, and no name. The properties have been checked. */
struct ksync_object *ksync_object_alloc(const struct ksync_ops *ops,
					u32 flags, u32 nr, u32 value, u32 max)
{
	struct ksync_object *obj;
	u32 i;
	int ret;

	obj = kzalloc(sizeof(*obj), GFP_KERNEL_ACCOUNT);
	if (!obj)
		return ERR_PTR(-ENOMEM);
	refcount_set(&obj->ref, 1);
	init_waitqueue_head(&obj->poll);
	xa_init_flags(&obj->ties, XA_FLAGS_ACCOUNT);
	obj->ops = ops;
	obj->flags = flags;
	obj->nr = nr;
	obj->missing = max - value;
	obj->uid = current_fsuid();
	obj->gid = current_fsgid();
	obj->user = ksync_user_charge();
	if (IS_ERR(obj->user)) {
		ret = PTR_ERR(obj->user);
		obj->user = NULL;
		goto free_object;
	}
	ret = ksync_object_alloc_cells(obj);
	if (ret)
		goto free_object;
	for (i = 0; ops->init && i < nr; i++) {
		ops->init(&obj->cells[i], value, max);
		cond_resched();
	}
	obj->id = atomic64_inc_return(&ksync_last_id);
	ret = xa_err(xa_store(&ksync_objects, obj->id, obj,
			      GFP_KERNEL_ACCOUNT));
	if (ret)
		goto free_object;
	return obj;

free_object:
	ksync_object_free(obj);
	return ERR_PTR(ret);
}

bool ksync_object_tryget(struct ksync_object *obj)
{
	return refcount_inc_not_zero(&obj->ref);
}

/* With a reference; NULL if it does not exist any more. */
struct ksync_object *ksync_object_get_by_id(u64 id)
{
	struct ksync_object *obj;

	/* Its end erases it under this lock, before it is freed. */
	xa_lock(&ksync_objects);
	obj = xa_load(&ksync_objects, id);
	if (obj && !ksync_object_tryget(obj))
		obj = NULL;
	xa_unlock(&ksync_objects);
	return obj;
}

/* With a reference; -EBADF, or -EINVAL if that is another kind of file. */
struct ksync_object *ksync_object_get_by_fd(int fd)
{
	struct file *file = fget(fd);
	struct ksync_object *obj;

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &ksync_object_fops) {
		obj = file->private_data;
		/* The file has one, so that there is one to add to. */
		refcount_inc(&obj->ref);
	} else {
		obj = ERR_PTR(-EINVAL);
	}
	fput(file);
	return obj;
}

/* The next object after @cursor that was given a name, with a reference. */
struct ksync_object *ksync_object_next_named(u64 cursor)
{
	unsigned long id = cursor;
	struct ksync_object *obj;

	if (cursor > ULONG_MAX)
		return NULL;
	xa_lock(&ksync_objects);
	do {
		obj = xa_find_after(&ksync_objects, &id, ULONG_MAX, KSYNC_NAMED);
	} while (obj && !ksync_object_tryget(obj));
	xa_unlock(&ksync_objects);
	return obj;
}

void ksync_object_mark_named(struct ksync_object *obj)
{
	xa_set_mark(&ksync_objects, obj->id, KSYNC_NAMED);
}

/* With the last reference it is added to @gone, for ksync_object_put() to end. */
void ksync_object_put_to(struct ksync_object *obj, struct ksync_object **gone)
{
	if (!refcount_dec_and_test(&obj->ref))
		return;
	obj->next_gone = *gone;
	*gone = obj;
}

/*
 * May sleep. With the last reference nobody can wait on it. Its end may be that
 * of objects which it refers to, and so on, in a line of any length: hence a list
 * of them, and no recursion.
 */
void ksync_object_put(struct ksync_object *obj)
{
	struct ksync_object *gone = NULL;

	ksync_object_put_to(obj, &gone);
	while ((obj = gone)) {
		gone = obj->next_gone;
		ksync_name_drop(obj);
		if (obj->ops->release)
			obj->ops->release(obj, &gone);
		xa_erase(&ksync_objects, obj->id);
		ksync_object_free(obj);
	}
}

static int ksync_object_release(struct inode *inode, struct file *file)
{
	struct ksync_object *obj = file->private_data;

	ksync_tickets_release(file);
	atomic_dec(&obj->files);
	ksync_object_put(obj);
	return 0;
}

const struct file_operations ksync_object_fops = {
	.owner = THIS_MODULE,
	.release = ksync_object_release,
	.mmap = ksync_object_mmap,
	.poll = ksync_tickets_poll,
	.unlocked_ioctl = ksync_object_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = ksync_object_show,
	.llseek = noop_llseek,
};

/* A file for the object. Takes over the reference if it succeeds. */
struct file *ksync_object_file(struct ksync_object *obj)
{
	struct file *file;

	file = anon_inode_getfile("[ksync]", &ksync_object_fops, obj, O_RDWR);
	if (!IS_ERR(file))
		atomic_inc(&obj->files);
	return file;
}

void ksync_objects_exit(void)
{
	xa_destroy(&ksync_objects);
}
