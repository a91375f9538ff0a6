/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines: memory of a thread's own, written by it and read by the kernel when it
 * dies, that says what the thread does with mapped cells. See <linux/ksync.h>.
 *
 * Nothing in a line is trusted. An entry only makes the kernel look at a
 * primitive: whether the thread holds it, the state word says.
 */
#ifndef KSYNC_LINE_H
#define KSYNC_LINE_H

#include <linux/types.h>
#include <linux/ksync.h>

struct file;
struct ksync_area;
struct ksync_thread;
struct vm_area_struct;

int ksync_line_get(struct ksync_thread_args *args);
u64 ksync_line_object(const struct ksync_line_entry *entry);
bool ksync_line_names(const struct ksync_thread *thread, u64 object, u32 index);
bool ksync_line_empty(const struct ksync_thread *thread);
void ksync_line_clear(struct ksync_thread *thread);
void ksync_line_free(struct ksync_thread *thread);
void ksync_area_put(struct ksync_area *area);
int ksync_lines_mmap(struct file *file, struct vm_area_struct *vma);
int ksync_lines_open(struct inode *inode, struct file *file);
int ksync_lines_release(struct inode *inode, struct file *file);

#endif /* KSYNC_LINE_H */
