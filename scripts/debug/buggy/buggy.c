// SPDX-License-Identifier: GPL-2.0-only
/*
 * One bug for each detector of the debug kernels, to see that it speaks up. A
 * bug happens when the module is loaded with the parameter of its name.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define BUGGY_SIZE	64
#define BUGGY_LEAKS	16	/* a pointer or two may stay behind on a stack */
#define BUGGY_RACE_MS	3000

static DEFINE_MUTEX(buggy_a);
static DEFINE_MUTEX(buggy_b);
static DEFINE_SPINLOCK(buggy_spin);
static unsigned long buggy_shared;
static u8 *buggy_last;

static void buggy_use_after_free(void)
{
	u8 *p = kmalloc(BUGGY_SIZE, GFP_KERNEL);

	if (!p)
		return;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(p[BUGGY_SIZE / 2], 1);
}

static void buggy_out_of_bounds(void)
{
	u8 *p = kmalloc(BUGGY_SIZE, GFP_KERNEL);
	u8 *end;

	if (!p)
		return;
	end = p + BUGGY_SIZE;
	OPTIMIZER_HIDE_VAR(end);
	WRITE_ONCE(*end, 1);
	kfree(p);
}

static void buggy_lock_inversion(void)
{
	mutex_lock(&buggy_a);
	mutex_lock(&buggy_b);
	mutex_unlock(&buggy_b);
	mutex_unlock(&buggy_a);

	mutex_lock(&buggy_b);
	mutex_lock(&buggy_a);
	mutex_unlock(&buggy_a);
	mutex_unlock(&buggy_b);
}

static void buggy_atomic_sleep(void)
{
	spin_lock(&buggy_spin);
	might_sleep();
	spin_unlock(&buggy_spin);
}

static void buggy_leak(void)
{
	int i;

	for (i = 0; i < BUGGY_LEAKS; i++)
		buggy_last = kmalloc(BUGGY_SIZE, GFP_KERNEL);
	buggy_last = NULL;
}

static int buggy_racer(void *unused)
{
	while (!kthread_should_stop()) {
		buggy_shared++;
		barrier();
		cond_resched();
	}
	return 0;
}

static void buggy_data_race(void)
{
	struct task_struct *one = kthread_run(buggy_racer, NULL, "buggy1");
	struct task_struct *two = kthread_run(buggy_racer, NULL, "buggy2");

	msleep(BUGGY_RACE_MS);
	if (!IS_ERR(one))
		kthread_stop(one);
	if (!IS_ERR(two))
		kthread_stop(two);
}

#define BUGGY_PARAMETER(name)			\
	static bool name;			\
	module_param(name, bool, 0444)

BUGGY_PARAMETER(use_after_free);
BUGGY_PARAMETER(out_of_bounds);
BUGGY_PARAMETER(lock_inversion);
BUGGY_PARAMETER(atomic_sleep);
BUGGY_PARAMETER(leak);
BUGGY_PARAMETER(data_race);

static int __init buggy_init(void)
{
	if (use_after_free)
		buggy_use_after_free();
	if (out_of_bounds)
		buggy_out_of_bounds();
	if (lock_inversion)
		buggy_lock_inversion();
	if (atomic_sleep)
		buggy_atomic_sleep();
	if (leak)
		buggy_leak();
	if (data_race)
		buggy_data_race();
	return 0;
}

static void __exit buggy_exit(void)
{
}

module_init(buggy_init);
module_exit(buggy_exit);

MODULE_DESCRIPTION("Bugs on purpose, for the detectors of debug kernels");
MODULE_LICENSE("GPL");
