// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel backend: who waits for whom.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend_kernel.h"

#define FIRST_ROOM 64

static void convert(struct ksync_edge *edge, const struct ksync_graph_edge *abi)
{
	*edge = (struct ksync_edge){
		.object = abi->object,
		.waited_ns = abi->waited_ns,
		.type = abi->type,
		.index = abi->index,
		.want = abi->want,
		.wanted = abi->wanted,
		.held = abi->held,
		.count = abi->count,
		.waiter_pid = abi->waiter_pid,
		.waiter_tid = abi->waiter_tid,
		.holder_pid = abi->holder_pid,
		.holder_tid = abi->holder_tid,
	};
	memcpy(edge->waiter_name, abi->waiter_comm, sizeof(edge->waiter_name));
	memcpy(edge->holder_name, abi->holder_comm, sizeof(edge->holder_name));
	memcpy(edge->name, abi->name, sizeof(edge->name));
	edge->waiter_name[sizeof(edge->waiter_name) - 1] = '\0';
	edge->holder_name[sizeof(edge->holder_name) - 1] = '\0';
	edge->name[sizeof(edge->name) - 1] = '\0';
}

/* Asks until all of it has room, or no larger array is allowed. */
static int fetch(unsigned long cmd, struct ksync_graph_args *args,
		 struct ksync_graph_edge **edges)
{
	uint32_t room = FIRST_ROOM;
	int err;

	for (;;) {
		*edges = malloc(room * sizeof(**edges));
		if (!*edges)
			return -ENOMEM;
		*args = (struct ksync_graph_args){
			.edges = (uintptr_t)*edges,
			.room = room,
			.size = sizeof(**edges),
		};
		err = ksync_kernel_device_command(cmd, args);
		/* More than the kernel looks at, or kept, does not come again. */
		if (err || args->nr < room || room == KSYNC_GRAPH_ROOM_MAX)
			return err;
		free(*edges);
		room *= 4;
	}
}

static int tell(unsigned long cmd, ksync_edge_fn *fn, void *arg)
{
	struct ksync_graph_edge *edges = NULL;
	struct ksync_graph_args args;
	struct ksync_edge edge;
	uint32_t i;
	int err;

	err = fetch(cmd, &args, &edges);
	for (i = 0; !err && i < args.nr; i++) {
		convert(&edge, &edges[i]);
		err = fn(&edge, arg);
	}
	free(edges);
	return err;
}

int ksync_kernel_graph(ksync_edge_fn *fn, void *arg)
{
	return tell(KSYNC_IOC_DEV_GRAPH, fn, arg);
}

int ksync_kernel_last_deadlock(ksync_edge_fn *fn, void *arg)
{
	return tell(KSYNC_IOC_DEV_CYCLE, fn, arg);
}
