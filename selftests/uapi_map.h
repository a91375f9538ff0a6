/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cells, lines and slots in user space, handled by hand.
 */
#ifndef UAPI_MAP_H
#define UAPI_MAP_H

#include "uapi_peer.h"

#define CELL_PAGES(nr)	(((nr) * sizeof(union ksync_cell) + 4095) / 4096 * 4096)

/* The whole of the object, or MAP_FAILED. */
static inline void *map_object(int fd, __u32 nr, bool slots)
{
	size_t size = CELL_PAGES(nr);

	if (slots)
		size += KSYNC_SLOTS * sizeof(struct ksync_slot);
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

struct self {
	__u32 id;
	struct ksync_line *line;
};

/* The caller's line and id; the line is NULL if there is none. */
static inline struct self self_get(void)
{
	struct self self = { 0 };
	struct call c = { .cmd = KSYNC_IOC_DEV_THREAD };
	char *lines;

	c.fd = device_open();
	lines = mmap(NULL, KSYNC_LINES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     c.fd, 0);
	if (lines != MAP_FAILED && !call_run(&c)) {
		self.id = c.arg.thread.id;
		self.line = (void *)(lines + c.arg.thread.offset);
	}
	close(c.fd);
	return self;
}

static inline void engage(struct self *self, int entry, __u64 object,
			  __u32 index)
{
	self->line->entry[entry].object = object;
	__atomic_store_n(&self->line->entry[entry].word,
			 index | (__u64)KSYNC_LINE_ENGAGED << 32,
			 __ATOMIC_SEQ_CST);
}

static inline bool take(struct ksync_lock_cell *cell, __u32 id)
{
	__u32 free = 0;

	return __atomic_compare_exchange_n(&cell->owner, &free, id, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#endif /* UAPI_MAP_H */
