// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines of threads, in one area for each process.
 *
 * The area belongs to the process, not to a descriptor: whichever /dev/ksync it
 * opens leads there, and the descriptor can be closed again. Pages come when
 * they are first touched: by a thread through its mapping, or by the kernel when
 * it hands out a line.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "line.h"
#include "owner.h"

#define LINES_A_PAGE	(PAGE_SIZE / sizeof(struct ksync_line))
#define AREA_PAGES	(KSYNC_LINES_SIZE / PAGE_SIZE)

/**
 * struct ksync_area
 * @ref: the process's, one for each line in use, one for each file mapped
 * @lock: guards the rest. Taken inside mmap_lock and the process's lock
 * @pages: of the lines; NULL before they are used
 * @used: lines that threads have
 */
struct ksync_area {
	refcount_t ref;
	struct mutex lock;	/* see above */
	struct page *pages[AREA_PAGES];
	DECLARE_BITMAP(used, KSYNC_LINES);
};

void ksync_area_put(struct ksync_area *area)
{
	int i;

	if (!area || !refcount_dec_and_test(&area->ref))
		return;
	for (i = 0; i < AREA_PAGES; i++)
		if (area->pages[i])
			put_page(area->pages[i]);
	kfree(area);
}

/* The process's area, with a reference; NULL without memory. */
static struct ksync_area *area_get(struct ksync_process *process)
{
	struct ksync_area *area;

	mutex_lock(&process->lock);
	area = process->area;
	if (!area) {
		area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);
		if (area) {
			refcount_set(&area->ref, 1);
			mutex_init(&area->lock);
			process->area = area;
		}
	}
	if (area)
		refcount_inc(&area->ref);
	mutex_unlock(&process->lock);
	return area;
}

static struct page *area_page(struct ksync_area *area, unsigned long nr)
{
	lockdep_assert_held(&area->lock);
	if (!area->pages[nr])
		area->pages[nr] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return area->pages[nr];
}

static vm_fault_t area_fault(struct vm_fault *vmf)
{
	struct ksync_area *area = vmf->vma->vm_private_data;
	struct page *page;

	if (vmf->pgoff >= AREA_PAGES)
		return VM_FAULT_SIGBUS;
	mutex_lock(&area->lock);
	page = area_page(area, vmf->pgoff);
	if (page)
		get_page(page);
	mutex_unlock(&area->lock);
	if (!page)
		return VM_FAULT_OOM;
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct area_vm_ops = {
	.fault = area_fault,
};

/* The mapping keeps the file, and that the area. One mapping for each file. */
int ksync_lines_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ksync_process *process;
	struct ksync_area *area;

	if (!(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC) ||
	    vma->vm_pgoff || vma_pages(vma) > AREA_PAGES)
		return -EINVAL;
	process = ksync_process_get(task_tgid(current));
	if (!process)
		return -ENOMEM;
	area = area_get(process);
	ksync_process_put(process);
	if (!area)
		return -ENOMEM;
	/* Full ordering publishes what the area's maker set. */
	if (cmpxchg((struct ksync_area **)&file->private_data, NULL, area)) {
		ksync_area_put(area);
		return -EBUSY;
	}
	/* A child is another process, with lines of its own. */
	ksync_vm_flags(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY,
		       VM_MAYEXEC);
	vma->vm_private_data = area;
	vma->vm_ops = &area_vm_ops;
	return 0;
}

/* The commands change things, so permission to read is not enough. */
int ksync_lines_open(struct inode *inode, struct file *file)
{
	if (!(file->f_mode & FMODE_READ) || !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	file->private_data = NULL;
	return 0;
}

int ksync_lines_release(struct inode *inode, struct file *file)
{
	ksync_area_put(file->private_data);
	return 0;
}

/* The caller gets a line, and with it a reference of the area. */
static int line_claim(struct ksync_area *area, struct ksync_thread *thread)
{
	unsigned long nr;
	struct page *page;
	int ret = -ENOSPC;

	mutex_lock(&area->lock);
	nr = find_first_zero_bit(area->used, KSYNC_LINES);
	if (nr < KSYNC_LINES) {
		page = area_page(area, nr / LINES_A_PAGE);
		ret = page ? 0 : -ENOMEM;
	}
	if (!ret) {
		thread->line = (struct ksync_line *)page_address(page) +
			       nr % LINES_A_PAGE;
		memset(thread->line, 0, sizeof(*thread->line));
		__set_bit(nr, area->used);
		refcount_inc(&area->ref);
		thread->area = area;
		thread->line_nr = nr;
	}
	mutex_unlock(&area->lock);
	return ret;
}

/* The caller's id and its line, which it may have already. */
int ksync_line_get(struct ksync_thread_args *args)
{
	struct ksync_thread *thread = ksync_thread_get();
	struct ksync_area *area;
	int ret = 0;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (!thread->line) {
		area = area_get(thread->process);
		if (!area)
			return -ENOMEM;
		ret = line_claim(area, thread);
		ksync_area_put(area);
	}
	if (ret)
		return ret;
	args->id = thread->id;
	args->offset = thread->line_nr * sizeof(struct ksync_line);
	return 0;
}

/* The object that the entry says the thread is engaged in, or 0. */
u64 ksync_line_object(const struct ksync_line_entry *entry)
{
	return READ_ONCE(entry->state) & KSYNC_LINE_ENGAGED ?
	       READ_ONCE(entry->object) : 0;
}

/* Has the caller announced that it is engaged in the primitive? */
bool ksync_line_names(const struct ksync_thread *thread, u64 object, u32 index)
{
	const struct ksync_line_entry *entry;
	int i;

	for (i = 0; thread->line && i < KSYNC_LINE_ENTRIES; i++) {
		entry = &thread->line->entry[i];
		if (ksync_line_object(entry) == object &&
		    READ_ONCE(entry->index) == index)
			return true;
	}
	return false;
}

/* Is the thread engaged in nothing? */
bool ksync_line_empty(const struct ksync_thread *thread)
{
	const struct ksync_line *line = thread->line;
	u32 states = 0;
	int i;

	for (i = 0; line && i < KSYNC_LINE_ENTRIES; i++)
		states |= READ_ONCE(line->entry[i].state);
	return !(states & KSYNC_LINE_ENGAGED);
}

/* The line goes to another thread, and nobody uses it: whatever it says. */
void ksync_line_clear(struct ksync_thread *thread)
{
	if (thread->line)
		memset(thread->line, 0, sizeof(*thread->line));
}

/* What it said has been settled. */
void ksync_line_free(struct ksync_thread *thread)
{
	struct ksync_area *area = thread->area;

	if (!area)
		return;
	mutex_lock(&area->lock);
	memset(thread->line, 0, sizeof(*thread->line));
	__clear_bit(thread->line_nr, area->used);
	mutex_unlock(&area->lock);
	ksync_area_put(area);
	thread->line = NULL;
	thread->area = NULL;
}
