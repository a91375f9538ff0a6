// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands on objects, from one table: sizes, types, copying.
 */
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "commands.h"
#include "line.h"
#include "owner.h"
#include "ticket.h"

/* What most commands have as their argument: a few whole words. */
union ksync_args {
	unsigned long word[32 / sizeof(long)];
	struct ksync_index_args index;
	struct ksync_lock_args lock;
	struct ksync_sem_args sem;
	struct ksync_waitgroup_add_args add;
	struct ksync_waitgroup_wait_args wait;
	struct ksync_waitgroup_bind_args bind;
	struct ksync_slot_args slot;
	struct ksync_thread_args thread;
	struct ksync_cond_wait_args cond;
	struct ksync_once_begin_args begin;
	struct ksync_once_complete_args complete;
	struct ksync_event_parent_args parent;
	struct ksync_request_args request;
	struct ksync_claim_args claim;
};

/* Those that tell much. */
union ksync_long_args {
	union ksync_args most;
	struct ksync_object_info info;
	struct ksync_primitive_status status;
};

/**
 * struct ksync_command
 * @cmd: as this version has it; bigger arguments have bits in the size field
 * @size_min: size of the argument as first published, if it has grown since
 * @type: of object, that it is for
 * @fn: what it does
 * @file_fn: likewise, where it matters by which file
 */
struct ksync_command {
	unsigned int cmd;
	u16 size_min;
	u16 type;
	int (*fn)(struct ksync_object *obj, void *args);
	int (*file_fn)(struct file *file, void *args);
};

static int ksync_obj_info(struct ksync_object *obj, void *args)
{
	ksync_object_info(obj, args);
	return 0;
}

static int ksync_obj_status(struct ksync_object *obj, void *args)
{
	return ksync_object_status(obj, args);
}

/* Does no harm where nothing was freed. */
static int ksync_obj_wake(struct ksync_object *obj, void *args)
{
	struct ksync_wake wake;
	struct ksync_queue q;
	int ret;

	ret = ksync_queue_args(&q, obj, args);
	if (ret)
		return ret;
	ksync_wake_init(&wake);
	ksync_queue_lock(&q);
	if (obj->ops->wake)
		obj->ops->wake(&q, &wake);
	else
		obj->ops->advance(&q, &wake);
	ksync_queue_unlock(&q);
	ksync_wake_all(&wake);
	return 0;
}

/* By an object, since a program has that open when it needs a line. */
static int ksync_obj_thread(struct ksync_object *obj, void *args)
{
	return ksync_line_get(args);
}

/* No entry of the table has a type of 0, but for those that are empty. */
#define KSYNC_ANY_TYPE	U16_MAX

/* As ksync_copy_words() wants them. */
#define KSYNC_WORDS(_cmd) \
	((_cmd) + BUILD_BUG_ON_ZERO((_IOC_DIR(_cmd) & _IOC_WRITE) && \
				    _IOC_SIZE(_cmd) % sizeof(long)))

#define KSYNC_FILE_COMMAND(_cmd, _fn) \
	[_IOC_NR(_cmd)] = { .cmd = KSYNC_WORDS(_cmd), .type = KSYNC_ANY_TYPE, \
			    .file_fn = (_fn) }

#define KSYNC_ANY_COMMAND(_cmd, _fn) \
	[_IOC_NR(_cmd)] = { .cmd = KSYNC_WORDS(_cmd), .type = KSYNC_ANY_TYPE, \
			    .fn = (_fn) }

#define KSYNC_COMMAND(_cmd, _type, _fn) \
	[_IOC_NR(_cmd)] = { .cmd = KSYNC_WORDS(_cmd), .type = (_type), .fn = (_fn) }

#define KSYNC_COMMAND_GREW(_cmd, _min, _type, _fn) \
	[_IOC_NR(_cmd)] = { .cmd = KSYNC_WORDS(_cmd), .size_min = (_min), \
			    .type = (_type), .fn = (_fn) }

static const struct ksync_command ksync_commands[] = {
	KSYNC_ANY_COMMAND(KSYNC_IOC_OBJ_INFO, ksync_obj_info),
	KSYNC_ANY_COMMAND(KSYNC_IOC_OBJ_STATUS, ksync_obj_status),
	KSYNC_FILE_COMMAND(KSYNC_IOC_OBJ_REQUEST, ksync_ticket_request),
	KSYNC_FILE_COMMAND(KSYNC_IOC_OBJ_CLAIM, ksync_ticket_claim),
	KSYNC_ANY_COMMAND(KSYNC_IOC_OBJ_WAKE, ksync_obj_wake),
	KSYNC_ANY_COMMAND(KSYNC_IOC_OBJ_THREAD, ksync_obj_thread),

	KSYNC_COMMAND_GREW(KSYNC_IOC_MUTEX_LOCK, KSYNC_LOCK_ARGS_SIZE_1,
			   KSYNC_TYPE_MUTEX, ksync_mutex_lock),
	KSYNC_COMMAND(KSYNC_IOC_MUTEX_TRYLOCK, KSYNC_TYPE_MUTEX,
		      ksync_mutex_trylock),
	KSYNC_COMMAND(KSYNC_IOC_MUTEX_UNLOCK, KSYNC_TYPE_MUTEX,
		      ksync_mutex_unlock),
	KSYNC_COMMAND(KSYNC_IOC_MUTEX_CONSISTENT, KSYNC_TYPE_MUTEX,
		      ksync_lock_consistent),

	KSYNC_COMMAND_GREW(KSYNC_IOC_RWLOCK_RDLOCK, KSYNC_LOCK_ARGS_SIZE_1,
			   KSYNC_TYPE_RWLOCK, ksync_rwlock_rdlock),
	KSYNC_COMMAND(KSYNC_IOC_RWLOCK_TRYRDLOCK, KSYNC_TYPE_RWLOCK,
		      ksync_rwlock_tryrdlock),
	KSYNC_COMMAND_GREW(KSYNC_IOC_RWLOCK_WRLOCK, KSYNC_LOCK_ARGS_SIZE_1,
			   KSYNC_TYPE_RWLOCK, ksync_rwlock_wrlock),
	KSYNC_COMMAND(KSYNC_IOC_RWLOCK_TRYWRLOCK, KSYNC_TYPE_RWLOCK,
		      ksync_rwlock_trywrlock),
	KSYNC_COMMAND(KSYNC_IOC_RWLOCK_UNLOCK, KSYNC_TYPE_RWLOCK,
		      ksync_rwlock_unlock),
	KSYNC_COMMAND(KSYNC_IOC_RWLOCK_DOWNGRADE, KSYNC_TYPE_RWLOCK,
		      ksync_rwlock_downgrade),
	KSYNC_COMMAND(KSYNC_IOC_RWLOCK_UPGRADE, KSYNC_TYPE_RWLOCK,
		      ksync_rwlock_upgrade),
	KSYNC_COMMAND(KSYNC_IOC_RWLOCK_CONSISTENT, KSYNC_TYPE_RWLOCK,
		      ksync_lock_consistent),
	KSYNC_COMMAND(KSYNC_IOC_RWLOCK_SLOT, KSYNC_TYPE_RWLOCK,
		      ksync_rwlock_slot),

	KSYNC_COMMAND(KSYNC_IOC_WAITGROUP_ADD, KSYNC_TYPE_WAITGROUP,
		      ksync_waitgroup_add),
	KSYNC_COMMAND_GREW(KSYNC_IOC_WAITGROUP_WAIT,
			   KSYNC_WAITGROUP_WAIT_ARGS_SIZE_1,
			   KSYNC_TYPE_WAITGROUP, ksync_waitgroup_wait),
	KSYNC_COMMAND(KSYNC_IOC_WAITGROUP_BIND, KSYNC_TYPE_WAITGROUP,
		      ksync_waitgroup_bind),

	KSYNC_COMMAND_GREW(KSYNC_IOC_SEM_ACQUIRE, KSYNC_SEM_ARGS_SIZE_1,
			   KSYNC_TYPE_SEM, ksync_sem_acquire),
	KSYNC_COMMAND_GREW(KSYNC_IOC_SEM_TRYACQUIRE, KSYNC_SEM_ARGS_SIZE_1,
			   KSYNC_TYPE_SEM, ksync_sem_tryacquire),
	KSYNC_COMMAND_GREW(KSYNC_IOC_SEM_RELEASE, KSYNC_SEM_ARGS_SIZE_1,
			   KSYNC_TYPE_SEM, ksync_sem_release),
	KSYNC_COMMAND_GREW(KSYNC_IOC_SEM_RESIZE, KSYNC_SEM_ARGS_SIZE_1,
			   KSYNC_TYPE_SEM, ksync_sem_resize),

	KSYNC_COMMAND(KSYNC_IOC_EVENT_SET, KSYNC_TYPE_EVENT,
		      ksync_event_set),
	KSYNC_COMMAND(KSYNC_IOC_EVENT_RESET, KSYNC_TYPE_EVENT,
		      ksync_event_reset),
	KSYNC_COMMAND(KSYNC_IOC_EVENT_WAIT, KSYNC_TYPE_EVENT,
		      ksync_event_wait),
	KSYNC_COMMAND(KSYNC_IOC_EVENT_SET_PARENT, KSYNC_TYPE_EVENT,
		      ksync_event_set_parent),

	KSYNC_COMMAND_GREW(KSYNC_IOC_COND_WAIT, KSYNC_COND_WAIT_ARGS_SIZE_1,
			   KSYNC_TYPE_COND, ksync_cond_wait),
	KSYNC_COMMAND(KSYNC_IOC_COND_SIGNAL, KSYNC_TYPE_COND,
		      ksync_cond_signal),
	KSYNC_COMMAND(KSYNC_IOC_COND_BROADCAST, KSYNC_TYPE_COND,
		      ksync_cond_broadcast),

	KSYNC_COMMAND_GREW(KSYNC_IOC_BARRIER_WAIT, KSYNC_LOCK_ARGS_SIZE_1,
			   KSYNC_TYPE_BARRIER, ksync_barrier_wait),
	KSYNC_COMMAND(KSYNC_IOC_BARRIER_JOIN, KSYNC_TYPE_BARRIER,
		      ksync_barrier_join),
	KSYNC_COMMAND(KSYNC_IOC_BARRIER_LEAVE, KSYNC_TYPE_BARRIER,
		      ksync_barrier_leave),
	KSYNC_COMMAND(KSYNC_IOC_BARRIER_RESET, KSYNC_TYPE_BARRIER,
		      ksync_barrier_reset),

	KSYNC_COMMAND_GREW(KSYNC_IOC_ONCE_BEGIN, KSYNC_ONCE_BEGIN_ARGS_SIZE_1,
			   KSYNC_TYPE_ONCE, ksync_once_begin),
	KSYNC_COMMAND(KSYNC_IOC_ONCE_COMPLETE, KSYNC_TYPE_ONCE,
		      ksync_once_complete),
	KSYNC_COMMAND(KSYNC_IOC_ONCE_ABANDON, KSYNC_TYPE_ONCE,
		      ksync_once_abandon),
	KSYNC_COMMAND(KSYNC_IOC_ONCE_RESET, KSYNC_TYPE_ONCE,
		      ksync_once_reset),
};

/* Nothing that could still fail follows what cannot be undone. */
static bool ksync_copies_back(const struct ksync_command *command, int ret)
{
	if (command->cmd == KSYNC_IOC_ONCE_BEGIN)
		return ret == -EALREADY;
	return !ret || ret == -EOWNERDEAD;
}

/* Word by word: for so few, that is half of what a call takes that copies any. */
static inline int ksync_copy_words(unsigned long *to,
				   const unsigned long __user *user,
				   size_t size)
{
	const unsigned long __user *end = user + size / sizeof(*user);

	if (!user_read_access_begin(user, size))
		return -EFAULT;
	for (; user < end; user++)
		unsafe_get_user(*to++, user, fault);
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

/* What is left to do with the argument here. */
static inline int ksync_run(const struct ksync_command *command,
			    struct file *file, void *args, unsigned int cmd,
			    void __user *user)
{
	struct ksync_object *obj = file->private_data;
	size_t size = min(_IOC_SIZE(command->cmd), _IOC_SIZE(cmd));
	int ret;

	if (likely(command->fn))
		ret = command->fn(obj, args);
	else
		ret = command->file_fn(file, args);
	if ((_IOC_DIR(cmd) & _IOC_READ) && ksync_copies_back(command, ret) &&
	    copy_to_user(user, args, size))
		return -EFAULT;
	return ret;
}

/* Arguments of any size, also of one that other versions have. */
static noinline int ksync_run_long(const struct ksync_command *command,
				   struct file *file, unsigned int cmd,
				   void __user *user)
{
	size_t size = _IOC_SIZE(command->cmd);
	union ksync_long_args args;
	int ret;

	if (!ksync_same_command(cmd, command->cmd))
		return -ENOTTY;
	if (_IOC_SIZE(cmd) < size &&
	    (!command->size_min || _IOC_SIZE(cmd) < command->size_min))
		return -EINVAL;
	ret = ksync_copy_args(&args, size, cmd, user);
	return ret ?: ksync_run(command, file, &args, cmd, user);
}

long ksync_object_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ksync_object *obj = file->private_data;
	void __user *user = (void __user *)arg;
	const struct ksync_command *command;
	unsigned int nr = _IOC_NR(cmd);
	union ksync_args args;

	if (nr >= ARRAY_SIZE(ksync_commands))
		return -ENOTTY;
	command = &ksync_commands[array_index_nospec(nr,
					ARRAY_SIZE(ksync_commands))];
	if (command->type != obj->ops->id && command->type != KSYNC_ANY_TYPE)
		return -ENOTTY;
	if (unlikely(cmd != command->cmd || _IOC_SIZE(cmd) > sizeof(args)))
		return ksync_run_long(command, file, cmd, user);
	if (likely(_IOC_DIR(cmd) & _IOC_WRITE) &&
	    ksync_copy_words(args.word, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ksync_run(command, file, &args, cmd, user);
}
