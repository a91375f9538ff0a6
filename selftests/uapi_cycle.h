/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports of deadlocks, for tests: peers are asked for theirs, and each edge is
 * compared with what the story says.
 */
#ifndef UAPI_CYCLE_H
#define UAPI_CYCLE_H

#include "uapi_peer.h"

#include <stdint.h>

#define EDGES	1024

/* Shared with peers that are processes. */
struct report {
	struct ksync_graph_args args;
	struct ksync_graph_edge edge[EDGES];
};

static struct report *report;

static inline void report_init(void)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static inline int report_read(int dev, unsigned int cmd)
{
	memset(report, 0, sizeof(*report));
	report->args.edges = (uintptr_t)report->edge;
	report->args.room = EDGES;
	report->args.size = sizeof(report->edge[0]);
	return ioctl(dev, cmd, &report->args) ? -errno : (int)report->args.nr;
}

/* For a peer: its last cycle. */
static inline int read_cycle(struct call *c)
{
	return report_read(c->fd, KSYNC_IOC_DEV_CYCLE);
}

/* Edges of the peer's last cycle, in @report. */
static inline int cycle_of(struct peer *p, int dev)
{
	start_fn(p, read_cycle, (struct call){ .fd = dev });
	return answer(p);
}

static inline int my_cycle(int dev)
{
	return report_read(dev, KSYNC_IOC_DEV_CYCLE);
}

static inline int graph(int dev)
{
	return report_read(dev, KSYNC_IOC_DEV_GRAPH);
}

/* What an edge must say; PIDs of processes with one thread. */
struct expected {
	pid_t waiter;
	int fd;
	__u32 index;
	__u32 want;
	__u32 wanted;
	pid_t holder;
	__u32 held;
	__u32 count;
};

static inline void comm_of(pid_t pid, char *comm)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	comm[0] = '\0';
	if (!f)
		return;
	if (fscanf(f, "%15[^\n]", comm) != 1)
		comm[0] = '\0';
	fclose(f);
}

#define EDGE_FIELD(field, value)					\
do {									\
	if (e->field != (value)) {					\
		fprintf(stderr, "# edge %u: " #field " is %llu, not %llu\n", \
			at_, (unsigned long long)e->field,		\
			(unsigned long long)(value));			\
		good = false;						\
	}								\
} while (0)

#define EDGE_TEXT(field, value)						\
do {									\
	if (strcmp(e->field, value)) {					\
		fprintf(stderr, "# edge %u: " #field " is %s, not %s\n", \
			at_, e->field, value);				\
		good = false;						\
	}								\
} while (0)

/* Is edge @at_ of the report exactly that? */
static inline bool edge_is(unsigned int at_, struct expected x)
{
	const struct ksync_graph_edge *e = &report->edge[at_];
	struct ksync_object_info about = info(x.fd);
	char waiter[32], holder[32];
	bool good = true;

	comm_of(x.waiter, waiter);
	comm_of(x.holder, holder);
	EDGE_FIELD(object, about.id);
	EDGE_FIELD(type, about.type);
	EDGE_FIELD(index, x.index);
	EDGE_FIELD(want, x.want);
	EDGE_FIELD(wanted, x.wanted ?: 1);
	EDGE_FIELD(held, x.held);
	EDGE_FIELD(count, x.count ?: 1);
	EDGE_FIELD(waiter_pid, (__u32)x.waiter);
	EDGE_FIELD(waiter_tid, (__u32)x.waiter);
	EDGE_FIELD(holder_pid, (__u32)x.holder);
	EDGE_FIELD(holder_tid, (__u32)x.holder);
	EDGE_TEXT(waiter_comm, waiter);
	EDGE_TEXT(holder_comm, holder);
	EDGE_TEXT(name, about.name);
	if (e->waited_ns > 100 * NS_PER_S) {
		fprintf(stderr, "# edge %u: waited for %llu ns\n", at_,
			(unsigned long long)e->waited_ns);
		good = false;
	}
	return good;
}

#define WANT_X		KSYNC_EDGE_WANT_EXCLUSIVE
#define WANT_S		KSYNC_EDGE_WANT_SHARED
#define WANT_P		KSYNC_EDGE_WANT_PERMITS
#define HELD_X		KSYNC_EDGE_HELD_EXCLUSIVE
#define HELD_S		KSYNC_EDGE_HELD_SHARED
#define HELD_P		KSYNC_EDGE_HELD_PERMITS
#define HELD_Q		KSYNC_EDGE_HELD_QUEUE

#endif /* UAPI_CYCLE_H */
