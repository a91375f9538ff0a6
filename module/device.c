// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands on /dev/ksync: making, opening, naming and finding objects.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "commands.h"
#include "deadlock.h"
#include "line.h"
#include "many.h"
#include "owner.h"

/* Publishes the object as a new descriptor. The reference is used up. */
static int ksync_publish(struct ksync_object *obj, void __user *user,
			 size_t fd_offset)
{
	struct file *file;
	s32 fd;
	int ret;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto put_object;
	}
	file = ksync_object_file(obj);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto put_fd;
	}
	if (copy_to_user(user + fd_offset, &fd, sizeof(fd))) {
		ret = -EFAULT;
		goto put_file;
	}
	fd_install(fd, file);
	return 0;

put_file:
	fput(file);
	put_unused_fd(fd);
	return ret;
put_fd:
	put_unused_fd(fd);
put_object:
	ksync_object_put(obj);
	return ret;
}

static int ksync_dev_info(void *args, void __user *user)
{
	struct ksync_device_info *info = args;

	memset(info, 0, sizeof(*info));
	info->abi = KSYNC_ABI_VERSION;
	info->objects = ksync_user_objects();
	info->objects_max = ksync_user_objects_max();
	strscpy(info->version, THIS_MODULE->version, sizeof(info->version));
	return copy_to_user(user, info, sizeof(*info)) ? -EFAULT : 0;
}

static int ksync_dev_create(void *args, void __user *user)
{
	struct ksync_create_args *a = args;
	const struct ksync_ops *ops = ksync_ops_by_id(a->type);
	struct ksync_object *obj;
	int ret;

	ret = ksync_object_check(ops, a->flags, a->nr, a->value, a->max);
	if (ret)
		return ret;
	obj = ksync_object_alloc(ops, a->flags, a->nr, a->value, a->max);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	return ksync_publish(obj, user, offsetof(struct ksync_create_args, fd));
}

static int ksync_dev_open(void *args, void __user *user)
{
	struct ksync_open_args *a = args;
	const struct ksync_ops *ops = ksync_ops_by_id(a->type);
	struct ksync_object *obj, *fresh = NULL;
	int ret;

	if (a->how & ~(KSYNC_OPEN_CREATE | KSYNC_OPEN_EXCL) ||
	    a->how == KSYNC_OPEN_EXCL || a->mode & ~0777)
		return -EINVAL;
	ret = ksync_name_check(a->name) ?:
	      ksync_object_check(ops, a->flags, a->nr, a->value, a->max);
	if (ret)
		return ret;

	/* Most often it exists: then nothing need be made. */
	obj = ksync_name_open(NULL, a->how, a->name, ops);
	if (obj == ERR_PTR(-ENOENT) && (a->how & KSYNC_OPEN_CREATE)) {
		fresh = ksync_object_alloc(ops, a->flags, a->nr, a->value,
					   a->max);
		if (IS_ERR(fresh))
			return PTR_ERR(fresh);
		fresh->mode = a->mode & ~ksync_umask();
		obj = ksync_name_open(fresh, a->how, a->name, ops);
		ksync_object_put(fresh);
	}
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	return ksync_publish(obj, user, offsetof(struct ksync_open_args, fd));
}

static int ksync_dev_unlink(void *args, void __user *user)
{
	struct ksync_unlink_args *a = args;

	return ksync_name_check(a->name) ?: ksync_name_unlink(a->name);
}

static int ksync_dev_show(struct ksync_object *obj, struct ksync_query_args *a,
			  void __user *user)
{
	int ret;

	ret = ksync_object_status(obj, &a->status);
	ksync_object_info(obj, &a->info);
	a->cursor = obj->id;
	ksync_object_put(obj);
	if (ret)
		return ret;
	return copy_to_user(user, a, sizeof(*a)) ? -EFAULT : 0;
}

static int ksync_dev_query(void *args, void __user *user)
{
	struct ksync_query_args *a = args, clean = {};
	struct ksync_object *obj;
	int ret;

	memcpy(clean.info.name, a->info.name, sizeof(clean.info.name));
	clean.status.index = a->status.index;
	if (memcmp(&clean, a, sizeof(*a)))
		return -EINVAL;
	ret = ksync_name_check(a->info.name);
	if (ret)
		return ret;
	obj = ksync_name_read(a->info.name);
	return IS_ERR(obj) ? PTR_ERR(obj) : ksync_dev_show(obj, a, user);
}

static int ksync_dev_list(void *args, void __user *user)
{
	struct ksync_query_args *a = args;
	struct ksync_object *obj;

	if (memchr_inv(&a->info, 0, sizeof(a->info)) ||
	    memchr_inv(&a->status, 0, sizeof(a->status)))
		return -EINVAL;
	obj = ksync_name_next(a->cursor);
	return obj ? ksync_dev_show(obj, a, user) : -ENOENT;
}

static int ksync_dev_wait(void *args, void __user *user)
{
	struct ksync_wait_args *a = args;
	struct ksync_wait_item *items;
	void __user *from = u64_to_user_ptr(a->items);
	size_t size;
	int ret;

	if (!a->nr || a->nr > KSYNC_WAIT_ITEMS_MAX || a->pad)
		return -EINVAL;
	size = a->nr * sizeof(*items);
	items = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!items)
		return -ENOMEM;
	ret = copy_from_user(items, from, size) ? -EFAULT : 0;
	/* What cannot be told must not be done. */
	if (!ret && (copy_to_user(from, items, size) ||
		     copy_to_user(user, a, sizeof(*a))))
		ret = -EFAULT;
	if (!ret)
		ret = ksync_many(a, items);
	if (ret != -ERESTARTNOINTR &&
	    (copy_to_user(from, items, size) ||
	     copy_to_user(user, a, sizeof(*a))))
		ret = -EFAULT;
	kfree(items);
	return ret;
}

static int ksync_dev_thread(void *args, void __user *user)
{
	struct ksync_thread_args *a = args;
	int ret;

	ret = ksync_line_get(a);
	if (ret)
		return ret;
	return copy_to_user(user, a, sizeof(*a)) ? -EFAULT : 0;
}

union ksync_device_args {
	struct ksync_device_info info;
	struct ksync_create_args create;
	struct ksync_open_args open;
	struct ksync_unlink_args unlink;
	struct ksync_query_args query;
	struct ksync_thread_args thread;
	struct ksync_wait_args wait;
	struct ksync_graph_args graph;
};

struct ksync_device_command {
	unsigned int cmd;
	int (*fn)(void *args, void __user *user);
};

#define KSYNC_COMMAND(_cmd, _fn) \
	[_IOC_NR(_cmd)] = { .cmd = (_cmd), .fn = (_fn) }

static const struct ksync_device_command ksync_device_commands[] = {
	KSYNC_COMMAND(KSYNC_IOC_DEV_INFO, ksync_dev_info),
	KSYNC_COMMAND(KSYNC_IOC_DEV_CREATE, ksync_dev_create),
	KSYNC_COMMAND(KSYNC_IOC_DEV_OPEN, ksync_dev_open),
	KSYNC_COMMAND(KSYNC_IOC_DEV_UNLINK, ksync_dev_unlink),
	KSYNC_COMMAND(KSYNC_IOC_DEV_QUERY, ksync_dev_query),
	KSYNC_COMMAND(KSYNC_IOC_DEV_LIST, ksync_dev_list),
	KSYNC_COMMAND(KSYNC_IOC_DEV_WAIT, ksync_dev_wait),
	KSYNC_COMMAND(KSYNC_IOC_DEV_GRAPH, ksync_dev_graph),
	KSYNC_COMMAND(KSYNC_IOC_DEV_CYCLE, ksync_dev_cycle),
	KSYNC_COMMAND(KSYNC_IOC_DEV_THREAD, ksync_dev_thread),
};

long ksync_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ksync_device_command *command;
	void __user *user = (void __user *)arg;
	unsigned int nr = _IOC_NR(cmd);
	union ksync_device_args args;
	size_t size;
	int ret;

	if (nr >= ARRAY_SIZE(ksync_device_commands))
		return -ENOTTY;
	command = &ksync_device_commands[array_index_nospec(nr,
				ARRAY_SIZE(ksync_device_commands))];
	if (!command->fn || !ksync_same_command(cmd, command->cmd))
		return -ENOTTY;
	size = _IOC_SIZE(command->cmd);
	if (_IOC_SIZE(cmd) < size)
		return -EINVAL;
	ret = ksync_copy_args(&args, size, cmd, user);
	if (ret)
		return ret;
	return command->fn(&args, user);
}
