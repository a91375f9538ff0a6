/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random words into all that user space and the kernel share: cells, the slots of
 * readers, the lines of threads. Half of them are nearly right, so that the
 * kernel looks further.
 *
 * Other threads may close or replace descriptors meanwhile: what is asked for
 * through one is mapped through a copy of it.
 */
#ifndef UAPI_SCRIBBLE_H
#define UAPI_SCRIBBLE_H

#include "uapi_fuzz.h"
#include "uapi_map.h"

#define SCRIBBLES	64

static inline __u64 garbage(struct random *r)
{
	return (__u64)boundary(r) << 32 | boundary(r);
}

static inline void scribble_words(struct random *r, void *page)
{
	int i;

	for (i = 0; i < SCRIBBLES; i++)
		__atomic_store_n((__u32 *)page + rnd(r, PAGE / 4),
				 one_in(r, 2) ? boundary(r) : rnd(r, 1U << 31),
				 __ATOMIC_RELAXED);
}

/* If there is such a thing. */
static inline void scribble_cells(struct random *r, int fd)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return;
	scribble_words(r, p);
	munmap(p, PAGE);
}

/* Of any thread: that it reads one or the other, once or more often. */
static inline void scribble_slot(struct random *r, struct ksync_slot *slots)
{
	__u32 nr = rnd(r, one_in(r, 4) ? KSYNC_SLOTS : 4);
	__u64 entry = rnd(r, NR + 1) | (__u64)rnd(r, 4) << 62;

	entry |= rnd(r, 3) * KSYNC_SLOT_MORE_ONE;
	__atomic_store_n(&slots[nr].entry[rnd(r, KSYNC_SLOT_ENTRIES)],
			 one_in(r, 2) ? garbage(r) : entry, __ATOMIC_RELAXED);
}

static inline void scribble_slots(struct random *r, int fd)
{
	size_t size = CELL_PAGES(NR) + KSYNC_SLOTS * sizeof(struct ksync_slot);
	int copy = dup(fd), i;
	char *p;

	/* Without slots their pages are not there, either. */
	p = me(basic_call(copy, KSYNC_IOC_RWLOCK_SLOT)) ? MAP_FAILED :
	    map_object(copy, NR, true);
	if (p != MAP_FAILED) {
		for (i = 0; i < SCRIBBLES; i++)
			scribble_slot(r, (void *)(p + CELL_PAGES(NR)));
		munmap(p, size);
	}
	if (copy >= 0)
		close(copy);
}

/* Of any thread of the process: that it is about to lock what may be @object. */
static inline void scribble_line(struct random *r, struct ksync_line *line,
				 __u64 object)
{
	struct ksync_line_entry *entry =
		&line->entry[rnd(r, KSYNC_LINE_ENTRIES)];

	entry->index = one_in(r, 4) ? boundary(r) : rnd(r, NR);
	entry->state = one_in(r, 4) ? boundary(r) : KSYNC_LINE_ENGAGED;
	__atomic_store_n(&entry->object, one_in(r, 8) ? garbage(r) : object,
			 __ATOMIC_RELAXED);
}

/* Naming objects with ids from @object on, so many of them. */
static inline void scribble_lines(struct random *r, __u64 object, __u32 range)
{
	struct call c = { .cmd = KSYNC_IOC_DEV_THREAD };
	struct ksync_line *lines;
	__u32 nr;
	int i;

	c.fd = device_open();
	lines = mmap(NULL, KSYNC_LINES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     c.fd, 0);
	if (lines != MAP_FAILED) {
		nr = call_run(&c) ? 0 : c.arg.thread.offset / sizeof(*lines);
		for (i = 0; i < SCRIBBLES; i++)
			scribble_line(r, &lines[one_in(r, 2) ? nr : rnd(r, 8)],
				      object + rnd(r, range));
		munmap(lines, KSYNC_LINES_SIZE);
	}
	if (c.fd >= 0)
		close(c.fd);
}

#endif /* UAPI_SCRIBBLE_H */
