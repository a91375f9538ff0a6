// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes by pidfd.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "owner.h"

/* With a reference; -EBADF if it is not a pidfd. */
struct pid *ksync_pidfd_get(int fd)
{
	struct file *file = fget(fd);
	struct pid *pid;

	if (!file)
		return ERR_PTR(-EBADF);
	pid = get_pid(ksync_pidfd_pid(file));
	fput(file);
	return pid ?: ERR_PTR(-EBADF);
}

/*
 * Will the exit of this process still be seen? Whoever asks has put the process
 * into the table before: either the exit finds it there, or we find no thread
 * left. The barrier pairs with the decrement of live in do_exit().
 */
bool ksync_pid_alive(struct pid *pid)
{
	struct task_struct *task;
	bool alive;

	smp_mb(); /* see above */
	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	alive = task && atomic_read(&task->signal->live);
	rcu_read_unlock();
	return alive;
}
