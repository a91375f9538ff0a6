// SPDX-License-Identifier: GPL-2.0-only
/*
 * ksync: mutexes, reader-writer locks, wait groups, semaphores, events, condition
 * variables, barriers and run-once between processes that survive the death of
 * whoever holds them.
 *
 *	ioctl.c device.c	commands
 *	mutex.c rwlock.c	transitions of one primitive each, by the pure
 *	waitgroup.c semaphore.c	  functions of *_word.h
 *	cond.c barrier.c once.c
 *	event.c event_tree.c
 *	queue.c wait.c		who waits in which order, and sleeping
 *	cancel.c many.c all.c	waits with a token, and for several at once
 *	ticket.c		requests that are queued without a thread
 *	object.c name.c user.c	what a descriptor stands for
 *	map.c line.c slot.c	what user space may do by itself
 *	owner.c hold.c held.c	who holds what,
 *	death.c			  and what becomes of it
 *	deadlock.c stuck.c	waits that would never end
 *	waitgraph.c graph.c	who waits for whom, and telling it
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "line.h"
#include "object.h"
#include "owner.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static const struct file_operations ksync_device_fops = {
	.owner = THIS_MODULE,
	.open = ksync_lines_open,
	.release = ksync_lines_release,
	.mmap = ksync_lines_mmap,
	.unlocked_ioctl = ksync_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice ksync_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ksync",
	.fops = &ksync_device_fops,
	.mode = 0666,
};

static int __init ksync_init(void)
{
	int ret;

	/*
	 * Locks are taken in probes of tracepoints, and barriers sent to other
	 * CPUs with bucket locks held: neither can be done where these sleep.
	 */
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_err("this kernel has PREEMPT_RT, where ksync does not work\n");
		return -EOPNOTSUPP;
	}
	ksync_owners_init();
	ret = ksync_holds_init();
	if (ret)
		return ret;
	ret = ksync_death_init();
	if (ret)
		goto exit_holds;
	ret = misc_register(&ksync_device);
	if (ret)
		goto exit_death;
	return 0;

exit_death:
	ksync_death_exit();
exit_holds:
	ksync_holds_exit();
	return ret;
}

/* No file of ours is open any more, so no object exists, and nobody waits. */
static void __exit ksync_exit(void)
{
	misc_deregister(&ksync_device);
	ksync_death_exit();
	ksync_owners_exit();
	ksync_objects_exit();
	ksync_holds_exit();
}

module_init(ksync_init);
module_exit(ksync_exit);

MODULE_DESCRIPTION("Synchronization between processes that survives death");
MODULE_AUTHOR("The ksync developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0.0");
