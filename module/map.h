/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mapped cells.
 */
#ifndef KSYNC_MAP_H
#define KSYNC_MAP_H

#include <linux/math.h>
#include <linux/mm_types.h>
#include <linux/ksync.h>

struct file;
struct ksync_object;

/* Pages that hold @nr cells. */
static inline unsigned long ksync_map_pages(u32 nr)
{
	return DIV_ROUND_UP(nr * sizeof(union ksync_cell), PAGE_SIZE);
}

int ksync_object_mmap(struct file *file, struct vm_area_struct *vma);
void ksync_map_fence(struct ksync_object *obj, u32 id);

#endif /* KSYNC_MAP_H */
