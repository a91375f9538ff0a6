/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels from 6.1 to 7.3, all in this file.
 */
#ifndef KSYNC_COMPAT_H
#define KSYNC_COMPAT_H

#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/version.h>
#include <trace/events/sched.h>

/* current_umask() lost its export. */
static inline umode_t ksync_umask(void)
{
	return READ_ONCE(current->fs->umask);
}

/*
 * The tracepoint sched_process_exit got a second argument, group_dead. Probes
 * must have the very type that their tracepoint calls.
 */
static inline void *ksync_exit_probe(void (*one)(void *, struct task_struct *),
				     void (*two)(void *, struct task_struct *,
						 bool))
{
	if (__builtin_types_compatible_p(typeof(trace_sched_process_exit),
					 void(struct task_struct *, bool)))
		return two;
	return one;
}

/*
 * The process of a pidfd, without a reference, NULL if the file is not one.
 * The kernel's own function for that is not exported. A pidfd used to be an
 * anonymous inode by the name [pidfd] with the pid as its private data (those
 * names are the kernel's alone), and is a file of pidfs since 6.9.
 */
#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446
#endif

static inline struct pid *ksync_pidfd_pid(const struct file *file)
{
	unsigned long magic = file_inode(file)->i_sb->s_magic;

	if (magic == PID_FS_MAGIC)
		return file_inode(file)->i_private;
	if (magic == ANON_INODE_FS_MAGIC &&
	    !strcmp(file->f_path.dentry->d_name.name, "[pidfd]"))
		return file->private_data;
	return NULL;
}

/* The flags of a mapping used to be an ordinary field. */
static inline void ksync_vm_flags(struct vm_area_struct *vma,
				  unsigned long set, unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

#endif /* KSYNC_COMPAT_H */
