// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cells in user space, and the barrier that makes their fast path cheap.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "map.h"
#include "object.h"
#include "owner.h"
#include "slot.h"

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct ksync_object *obj = vmf->vma->vm_private_data;
	unsigned long cells = ksync_map_pages(obj->nr);
	unsigned long offset = vmf->pgoff << PAGE_SHIFT;
	struct page *page;

	if (vmf->pgoff < cells)
		page = vmalloc_to_page((char *)obj->cells + offset);
	else
		page = ksync_slot_page(obj, vmf->pgoff - cells);
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct map_vm_ops = {
	.fault = map_fault,
};

/* The mapping keeps the file, and that the object. */
int ksync_object_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ksync_object *obj = file->private_data;
	unsigned long pages = ksync_map_pages(obj->nr);

	if (obj->ops->id == KSYNC_TYPE_RWLOCK)
		pages += KSYNC_SLOT_PAGES;
	if (obj->flags & KSYNC_F_GUARDED)
		return -EPERM;
	if (!obj->ops->mappable)
		return -ENODEV;
	if (!(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC) ||
	    vma->vm_pgoff || vma_pages(vma) > pages)
		return -EINVAL;
	ksync_vm_flags(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_private_data = obj;
	vma->vm_ops = &map_vm_ops;
	/* Before user space can touch a cell; read in ksync_map_fence(). */
	WRITE_ONCE(obj->mapped, true);
	return 0;
}

static void map_barrier(void *unused)
{
	/* Pairs with ksync_fast_barrier() in the unlock of user space. */
	smp_mb();
}

/*
 * Orders what the thread @id does in user space with what the caller does: each
 * of its stores that stand in its program before the interrupt are visible to
 * the caller afterwards, and each of its loads after it see what the caller
 * stored before the call. The caller must have stored with full ordering.
 *
 * A thread that does not run needs no interrupt: the scheduler's own barriers
 * are between what it did before and what it does next. May be called with a
 * spinlock held, and interrupts enabled.
 */
void ksync_map_fence(struct ksync_object *obj, u32 id)
{
	int cpu;

	if (!READ_ONCE(obj->mapped))
		return;
	cpu = ksync_thread_cpu(id);
	if (cpu >= 0)
		smp_call_function_single(cpu, map_barrier, NULL, 1);
}
